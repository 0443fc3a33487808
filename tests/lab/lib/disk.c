/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An nbdkit plugin: one disk of the lab, kept in a file, that fails on command and can lose what it
 * was not told to flush.
 *
 *   file=IMAGE      the disk, as a power cut would leave it
 *   faults=FILE     looked at before each request; its lines are in lab.sh at lab_fault
 *   log=FILE        a line for each request that was failed and each bad range that was healed
 *   persist=N       percent of the written blocks that reach the file at once; the others wait for a
 *                   flush in memory and are gone when this process is killed (default 100)
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

enum { BLOCK = 4096, SECTOR = 512, MAX_RANGES = 64 };

enum kind { READ_HEAL, READ_STAY, WRITE, KINDS };

struct range {
	enum kind kind;
	uint64_t start, end; /* sectors */
};

static struct {
	char *file, *faults, *log;
	int persist, log_fd;
	uint64_t size;
	uint8_t *stable; /* the file */
	uint8_t *cached; /* what the guest sees: private pages over the file */
	uint8_t *dirty;	 /* per block: in the cache only */
	struct range ranges[MAX_RANGES];
	int n_ranges;
	unsigned delay_ms;
	bool hang, flush_fails;
	uint8_t *healed; /* per sector: written since the faults were set */
	struct stat seen;
	bool had_faults;
} d = {.persist = 100, .log_fd = -1};

static void note(const char *what, uint64_t offset, uint64_t count)
{
	char line[80];
	int n = snprintf(line, sizeof line, "%s %" PRIu64 " %" PRIu64 "\n", what, offset / SECTOR, count / SECTOR);
	if (d.log_fd >= 0 && write(d.log_fd, line, (size_t)n) != n)
		nbdkit_debug("log: %m");
}

/* --- faults ------------------------------------------------------------------------------------ */

static void fault_line(const char *line)
{
	struct range r = {0};
	char end[32] = "", mode[16] = "";
	uint64_t start = 0;
	unsigned ms = 0;

	if (sscanf(line, "read %" SCNu64 " %31s %15s", &start, end, mode) >= 2)
		r.kind = strcmp(mode, "heal") == 0 ? READ_HEAL : READ_STAY;
	else if (sscanf(line, "write %" SCNu64 " %31s", &start, end) == 2)
		r.kind = WRITE;
	else if (sscanf(line, "delay %u", &ms) == 1)
		d.delay_ms = ms;
	else if (strncmp(line, "hang", 4) == 0)
		d.hang = true;
	else if (strncmp(line, "flush", 5) == 0)
		d.flush_fails = true;
	else if (*line && *line != '\n' && *line != '#')
		nbdkit_error("faults: not understood: %s", line);
	if (!*end || d.n_ranges == MAX_RANGES)
		return;
	r.start = start;
	r.end = strcmp(end, "-") == 0 ? d.size / SECTOR : start + strtoull(end, NULL, 0);
	d.ranges[d.n_ranges++] = r;
}

/* The file is replaced by renaming, so that another inode, or none, is a change. */
static void look_at_faults(void)
{
	struct stat st;
	bool there = stat(d.faults, &st) == 0;

	if (there == d.had_faults &&
	    (!there || (st.st_ino == d.seen.st_ino && st.st_size == d.seen.st_size &&
			st.st_mtim.tv_sec == d.seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == d.seen.st_mtim.tv_nsec)))
		return;
	d.n_ranges = 0;
	d.delay_ms = 0;
	d.hang = d.flush_fails = false;
	memset(d.healed, 0, d.size / SECTOR);
	d.had_faults = there;
	if (!there)
		return;
	d.seen = st;
	FILE *f = fopen(d.faults, "r");
	char line[128];
	while (f && fgets(line, sizeof line, f))
		fault_line(line);
	if (f)
		fclose(f);
}

static void before_request(void)
{
	look_at_faults();
	if (d.delay_ms)
		nbdkit_nanosleep(d.delay_ms / 1000, d.delay_ms % 1000 * 1000000);
	while (d.hang) {
		nbdkit_nanosleep(0, 10000000);
		look_at_faults();
	}
}

static bool hits(const struct range *r, uint64_t offset, uint64_t count)
{
	return offset / SECTOR < r->end && (offset + count + SECTOR - 1) / SECTOR > r->start;
}

static bool read_fails(uint64_t offset, uint64_t count)
{
	for (int i = 0; i < d.n_ranges; i++) {
		const struct range *r = &d.ranges[i];
		if (r->kind == WRITE || !hits(r, offset, count))
			continue;
		if (r->kind == READ_STAY)
			return true;
		for (uint64_t s = offset / SECTOR; s < (offset + count + SECTOR - 1) / SECTOR; s++)
			if (s >= r->start && s < r->end && !d.healed[s])
				return true;
	}
	return false;
}

static bool write_fails(uint64_t offset, uint64_t count)
{
	for (int i = 0; i < d.n_ranges; i++)
		if (d.ranges[i].kind == WRITE && hits(&d.ranges[i], offset, count))
			return true;
	return false;
}

static void heal(uint64_t offset, uint64_t count)
{
	bool any = false;
	for (int i = 0; i < d.n_ranges; i++) {
		const struct range *r = &d.ranges[i];
		for (uint64_t s = offset / SECTOR; s < (offset + count) / SECTOR; s++)
			if (r->kind == READ_HEAL && s >= r->start && s < r->end && !d.healed[s])
				d.healed[s] = any = true;
	}
	if (any)
		note("heal", offset, count);
}

/* --- nbdkit ------------------------------------------------------------------------------------ */

static int disk_config(const char *key, const char *value)
{
	char **where = strcmp(key, "file") == 0	    ? &d.file
		       : strcmp(key, "faults") == 0 ? &d.faults
		       : strcmp(key, "log") == 0    ? &d.log
						    : NULL;
	if (strcmp(key, "persist") == 0)
		return nbdkit_parse_int("persist", value, &d.persist);
	if (!where) {
		nbdkit_error("no parameter '%s'", key);
		return -1;
	}
	*where = nbdkit_absolute_path(value);
	return *where ? 0 : -1;
}

static int disk_get_ready(void)
{
	struct stat st;
	int fd = d.file ? open(d.file, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0 || fstat(fd, &st) || !d.faults || !d.log) {
		nbdkit_error("file=, faults= and log= are needed: %m");
		return -1;
	}
	d.size = (uint64_t)st.st_size;
	d.log_fd = open(d.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	d.stable = mmap(NULL, d.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	d.cached = mmap(NULL, d.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	d.dirty = calloc(d.size / BLOCK + 1, 1);
	d.healed = calloc(d.size / SECTOR + 1, 1);
	if (d.stable == MAP_FAILED || d.cached == MAP_FAILED || !d.dirty || !d.healed) {
		nbdkit_error("%s: %m", d.file);
		return -1;
	}
	srandom((unsigned)getpid());
	return 0;
}

static void *disk_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t disk_get_size(void *handle)
{
	(void)handle;
	return (int64_t)d.size;
}

static int disk_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static int disk_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	(void)handle, (void)flags;
	before_request();
	if (read_fails(offset, count)) {
		note("read", offset, count);
		nbdkit_set_error(EIO);
		return -1;
	}
	memcpy(buf, d.cached + offset, count);
	return 0;
}

static int disk_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	(void)handle;
	before_request();
	if (write_fails(offset, count)) {
		note("write", offset, count);
		nbdkit_set_error(EIO);
		return -1;
	}
	heal(offset, count);
	/* The guest's view first; then, block by block, what a power cut from now on would find. */
	memcpy(d.cached + offset, buf, count);
	for (uint64_t b = offset / BLOCK; b <= (offset + count - 1) / BLOCK; b++) {
		uint64_t from = b * BLOCK > offset ? b * BLOCK : offset;
		uint64_t to = (b + 1) * BLOCK < offset + count ? (b + 1) * BLOCK : offset + count;
		if ((flags & NBDKIT_FLAG_FUA) || d.persist >= 100 || random() % 100 < d.persist)
			memcpy(d.stable + from, d.cached + from, to - from);
		else
			d.dirty[b] = 1;
	}
	return 0;
}

static int disk_flush(void *handle, uint32_t flags)
{
	(void)handle, (void)flags;
	before_request();
	if (d.flush_fails) {
		note("flush", 0, 0);
		nbdkit_set_error(EIO);
		return -1;
	}
	for (uint64_t b = 0; d.persist < 100 && b * BLOCK < d.size; b++) {
		if (d.dirty[b])
			memcpy(d.stable + b * BLOCK, d.cached + b * BLOCK, BLOCK);
		d.dirty[b] = 0;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "labdisk",
	.config = disk_config,
	.get_ready = disk_get_ready,
	.open = disk_open,
	.get_size = disk_get_size,
	.can_fua = disk_can_fua,
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.flush = disk_flush,
};

NBDKIT_REGISTER_PLUGIN(plugin)
