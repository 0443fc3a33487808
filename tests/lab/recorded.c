// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/recorded.h"

#include "core/cleanup.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* drivers/md/dm-log-writes.c: a sector with the head, a sector for each entry, and behind that its bytes. */
#define LOG_MAGIC UINT64_C(0x6a736677736872)
enum { LOG_DISCARD = 1 << 2, LOG_MARK = 1 << 3, LOG_FUA = 1 << 1, SECTOR = 512 };

static _Noreturn void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("recorded: ", stderr);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* Room for one more. */
static void *grown(void *array, size_t n, size_t size)
{
	if (n == 0 || (n >= 64 && (n & (n - 1)) == 0))
		array = realloc(array, (n ? 2 * n : 64) * size);
	if (!array)
		die("out of memory");
	return array;
}

/* --- the trace --------------------------------------------------------------------------------------------- */

struct reading {
	struct recorded *r;
	unsigned array_major, array_minor;
	bool array;
	size_t now;
	size_t n_open, open[4096]; /* asked for and not done */
};

static int disk_of(const struct recorded *r, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < r->n_disks; i++)
		if (r->disk[i].major == major && r->disk[i].minor == minor)
			return (int)i;
	return -1;
}

/* The letters of blk_fill_rwbs (kernel/trace/blktrace.c): F before the operation is a flush, behind it FUA. */
static bool is_write(const char *rwbs)
{
	return strchr(rwbs, 'W') || (rwbs[0] == 'F' && !strchr(rwbs, 'R'));
}

static void block_queued(struct reading *g, uint64_t sector, unsigned sectors)
{
	struct recorded *r = g->r;

	if (sectors == 0)
		return;
	if (sectors != 8 || sector % 8)
		die("a write of %u sectors to the array is not the writer's", sectors);
	r->block = grown(r->block, r->n_blocks, sizeof(*r->block));
	r->block[r->n_blocks++] = (struct rec_block){.block = sector / 8, .queued = g->now};
}

static void take_queue(struct reading *g, const char *text)
{
	unsigned major, minor, sectors;
	char rwbs[16], who[32];
	struct recorded *r = g->r;
	uint64_t sector;
	const char *write;
	int disk;

	if (sscanf(text, "%u,%u %15s %" SCNu64 " + %u [%31[^]]", &major, &minor, rwbs, &sector, &sectors, who) != 6)
		die("not understood: block_bio_queue: %s", text);
	if (!is_write(rwbs))
		return;
	disk = disk_of(r, major, minor);
	if (disk < 0 && g->array && major == g->array_major && minor == g->array_minor)
		block_queued(g, sector, sectors);
	if (disk < 0)
		return;
	if (g->n_open == ARRAY_SIZE(g->open))
		die("too many writes are under way");
	write = strchr(rwbs, 'W');
	r->op = grown(r->op, r->n_ops, sizeof(*r->op));
	g->open[g->n_open++] = r->n_ops;
	r->op[r->n_ops++] = (struct rec_op){
		.disk = (unsigned)disk,
		.sector = sectors ? sector : 0,
		.sectors = sectors,
		.flush = rwbs[0] == 'F',
		.fua = write && strchr(write, 'F'),
		.metadata = strncmp(who, "spared", 6) == 0 || (rwbs[0] == 'F' && write && strchr(write, 'F')),
		.queued = g->now,
		.done = REC_NEVER,
		.stable = REC_NEVER,
	};
}

static void take_complete(struct reading *g, const char *text)
{
	unsigned major, minor, sectors;
	struct recorded *r = g->r;
	uint64_t sector;
	char rwbs[16];
	int error, disk;

	if (sscanf(text, "%u,%u %15s %" SCNu64 " + %u [%d]", &major, &minor, rwbs, &sector, &sectors, &error) != 6)
		die("not understood: block_bio_complete: %s", text);
	disk = disk_of(r, major, minor);
	if (!is_write(rwbs) || (disk < 0 && !error))
		return;
	if (disk < 0) {
		if (g->array && major == g->array_major && minor == g->array_minor)
			die("a write to the array failed");
		return;
	}
	for (size_t i = 0; i < g->n_open; i++) {
		struct rec_op *op = &r->op[g->open[i]];

		if ((int)op->disk != disk || op->sectors != sectors || (sectors && op->sector != sector))
			continue;
		op->done = g->now;
		op->error = error;
		memmove(&g->open[i], &g->open[i + 1], (g->n_open - i - 1) * sizeof(g->open[0]));
		g->n_open--;
		if (sectors) {
			struct rec_disk *d = &r->disk[disk];

			d->op = grown(d->op, d->n_ops, sizeof(*d->op));
			d->op[d->n_ops++] = (size_t)(op - r->op);
		}
		return;
	}
	die("done, but not asked for: %s", text);
}

static void take_mark(struct reading *g, const char *text)
{
	struct rec_mark m = {.at = g->now};
	struct recorded *r = g->r;

	if (sscanf(text, "array %u:%u", &g->array_major, &g->array_minor) == 2) {
		g->array = true;
		return;
	}
	if (sscanf(text, "mark %47[^:]: %159[^\n]", m.name, m.states) != 2)
		die("not understood: %s", text);
	r->mark = grown(r->mark, r->n_marks, sizeof(*r->mark));
	r->mark[r->n_marks++] = m;
}

static void read_trace(struct recorded *r, const char *dir)
{
	static const struct {
		const char *name;
		void (*take)(struct reading *g, const char *text);
	} events[] = {
		{" block_bio_queue: ", take_queue},
		{" block_bio_complete: ", take_complete},
		{" tracing_mark_write: ", take_mark},
	};
	static struct reading g;
	char path[256], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", dir);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	g.r = r;
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ARRAY_SIZE(events) && line[0] != '#'; i++) {
			const char *at = strstr(line, events[i].name);

			if (!at)
				continue;
			g.now++;
			events[i].take(&g, at + strlen(events[i].name));
		}
	fclose(f);
	r->end = g.now;
}

/* --- the logs ------------------------------------------------------------------------------------------------ */

/* As much of it as is looked at: the rest of the device was never written. */
static const uint8_t *map_log(const char *path, size_t *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *bytes = size < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

	if (bytes == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
	*ret = (size_t)size;
	return bytes;
}

/* The first write of the disk that is like this one and has no bytes yet; first: none before it is without. */
static struct rec_op *op_like(const struct recorded *r, const struct rec_disk *d, size_t first, uint64_t sector,
			      uint64_t sectors, bool fua)
{
	for (size_t k = first; k < d->n_ops; k++) {
		struct rec_op *op = &r->op[d->op[k]];

		if (!op->bytes && op->sector == sector && op->sectors == sectors && op->fua == fua)
			return op;
	}
	return NULL;
}

static uint64_t get_le64(const uint8_t *bytes)
{
	uint64_t v;

	memcpy(&v, bytes, sizeof(v));
	return le64toh(v);
}

static void take_log(struct recorded *r, unsigned disk, const char *path)
{
	struct rec_disk *d = &r->disk[disk];
	size_t size, at = SECTOR, first = 0;
	const uint8_t *log;
	uint64_t entries;

	log = map_log(path, &size);
	if (size < SECTOR || get_le64(log) != LOG_MAGIC)
		die("%s is no log of dm-log-writes", path);
	entries = get_le64(log + 16);
	for (uint64_t i = 0; i < entries; i++) {
		const uint8_t *head = log + at;
		uint64_t sector, sectors, flags;
		struct rec_op *op;

		if (size - at < SECTOR)
			die("%s ends in the middle", path);
		sector = get_le64(head), sectors = get_le64(head + 8), flags = get_le64(head + 16);
		at += SECTOR;
		if (flags & (LOG_MARK | LOG_DISCARD) || sectors == 0)
			continue;
		if (sectors > (size - at) / SECTOR)
			die("%s ends in the middle", path);
		op = op_like(r, d, first, sector, sectors, flags & LOG_FUA);
		if (!op)
			die("%s: %" PRIu64 "+%" PRIu64 " is in the log and not in the trace", d->name, sector, sectors);
		op->bytes = log + at;
		while (first < d->n_ops && r->op[d->op[first]].bytes)
			first++;
		at += sectors * SECTOR;
	}
	if (first < d->n_ops)
		die("%s: %" PRIu64 "+%" PRIu32 " is in the trace and not in the log", d->name,
		    r->op[d->op[first]].sector, r->op[d->op[first]].sectors);
}

/* --- what is stable ------------------------------------------------------------------------------------------ */

/* By FUA when it is done; else by the first flush to be done of those that were asked for after that. */
static void find_stable(struct recorded *r, unsigned disk)
{
	size_t n = 0, *flush = calloc(r->n_ops + 1, sizeof(*flush)), *end = calloc(r->n_ops + 1, sizeof(*end));

	if (!flush || !end)
		die("out of memory");
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->op[i].disk == disk && r->op[i].flush && !r->op[i].error)
			flush[n++] = i;
	end[n] = REC_NEVER;
	for (size_t i = n; i-- > 0;)
		end[i] = MIN(r->op[flush[i]].done, end[i + 1]);
	for (size_t k = 0, next = 0; k < r->disk[disk].n_ops;
	     k++) { /* failed ones have no effect, whatever is said here */
		struct rec_op *op = &r->op[r->disk[disk].op[k]];

		while (next < n && r->op[flush[next]].queued < op->done)
			next++;
		op->stable = op->fua ? op->done : end[next];
	}
	free(flush);
	free(end);
}

void recorded_read(struct recorded *r, const char *dir)
{
	char path[256], line[512], log[REC_DISKS_MAX][256];
	FILE *f;

	*r = (struct recorded){0};
	snprintf(path, sizeof(path), "%s/disks", dir);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		struct rec_disk *d = &r->disk[r->n_disks];

		if (r->n_disks == REC_DISKS_MAX || sscanf(line, "%47s %u:%u %" SCNu64 " %255s", d->name, &d->major,
							  &d->minor, &d->sectors, log[r->n_disks]) != 5)
			die("%s: not understood: %s", path, line);
		r->n_disks++;
	}
	fclose(f);
	read_trace(r, dir);
	for (unsigned i = 0; i < r->n_disks; i++) {
		take_log(r, i, log[i]);
		find_stable(r, i);
	}
}

const struct rec_mark *recorded_mark(const struct recorded *r, size_t at)
{
	const struct rec_mark *last = NULL;

	for (size_t i = 0; i < r->n_marks && r->mark[i].at <= at; i++)
		last = &r->mark[i];
	return last;
}
