// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pulls a disk of a set and watches the others until the failure is on them: a witness that asks nobody.
 *
 *   bench_pull DELETE-FILE SECONDS SURVIVOR...
 *
 * "1" is written to DELETE-FILE (a SCSI disk's sysfs attribute "delete"). SURVIVOR is a disk of a DDF set, whose
 * physical disk records are read in both copies; or DISK@SECTOR, where dm-raid has its superblock (of LVM: the rmeta
 * volume). They are read with O_DIRECT, all the time, until every copy says of a disk that it is failed or missing and
 * did not say so before. Prints one line of JSON: the boot time of the pull (ns), and after how many milliseconds the
 * first and the last copy said it. Exit status 1: not within SECONDS.
 */
#include "actions/meta/ddf_disk.h"
#include "actions/meta/slice.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DISKS_MAX = 16, COPIES = 2, TABLE_BLOCKS = 4, SUPER_BLOCKS = 8, IO_ALIGN = 4096 };

struct copy {
	int fd;
	const char *disk;
	uint64_t lba;	 /* of the physical disk records, or of the superblock */
	bool is_super;	 /* dm-raid's */
	unsigned failed; /* disks that were so before the pull */
	bool shown;
};

static alignas(IO_ALIGN) uint8_t block[SUPER_BLOCKS * DDF_SECTOR];

static int64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static const void *read_blocks(int fd, uint64_t lba, size_t n)
{
	if (pread(fd, block, n * DDF_SECTOR, (off_t)(lba * DDF_SECTOR)) != (ssize_t)(n * DDF_SECTOR))
		err(2, "cannot read block %" PRIu64, lba);
	return block;
}

static unsigned count_super(const struct copy *c)
{
	struct slice_super super;

	int r = slice_super_parse(read_blocks(c->fd, c->lba, SUPER_BLOCKS), &super);

	if (r < 0)
		errx(2, "no superblock of dm-raid on %s at sector %" PRIu64 ": %s", c->disk, c->lba, strerror(-r));
	return (unsigned)__builtin_popcountll(super.failed);
}

static unsigned count_failed(const struct copy *c)
{
	const struct ddf_pd_table *t;
	unsigned n = 0;

	if (c->is_super)
		return count_super(c);
	t = read_blocks(c->fd, c->lba, TABLE_BLOCKS);
	for (size_t i = 0; sizeof(*t) + (i + 1) * sizeof(t->entry[0]) <= TABLE_BLOCKS * DDF_SECTOR; i++) {
		uint16_t state = be16_get(t->entry[i].state);

		n += be32_get(t->entry[i].ref) != DDF_NO_REF && (state & (DDF_PD_FAILED | DDF_PD_MISSING)) != 0;
	}
	return n;
}

/* Adds the copies of the physical disk records; how many. */
static size_t find_ddf(int fd, const char *path, struct copy copies[COPIES])
{
	struct ddf_header anchor, h;
	uint64_t bytes, lba[COPIES];
	size_t n = 0;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		err(2, "%s", path);
	memcpy(&anchor, read_blocks(fd, bytes / DDF_SECTOR - 1, 1), sizeof(anchor));
	if (be32_get(anchor.magic) != (uint32_t)DDF_HEADER_MAGIC)
		errx(2, "%s has no DDF anchor", path);
	lba[0] = be64_get(anchor.primary_lba);
	lba[1] = be64_get(anchor.secondary_lba);
	for (int i = 0; i < COPIES; i++) {
		if (lba[i] == DDF_NO_LBA)
			continue;
		memcpy(&h, read_blocks(fd, lba[i], 1), sizeof(h));
		copies[n++] =
			(struct copy){.fd = fd, .disk = path, .lba = lba[i] + be32_get(h.section[DDF_SEC_PD].offset)};
	}
	return n;
}

static size_t find_copies(char *survivor, struct copy copies[COPIES])
{
	char *at = strchr(survivor, '@');
	size_t n = 1;
	int fd;

	if (at)
		*at++ = '\0';
	fd = open(survivor, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", survivor);
	if (at)
		copies[0] = (struct copy){.fd = fd, .disk = survivor, .lba = strtoull(at, NULL, 10), .is_super = true};
	else
		n = find_ddf(fd, survivor, copies);
	for (size_t i = 0; i < n; i++)
		copies[i].failed = count_failed(&copies[i]);
	return n;
}

static pid_t pull(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		err(2, "%s", path);
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid == 0)
		_exit(write(fd, "1", 1) == 1 ? 0 : 1);
	close(fd);
	return pid;
}

/* One round over the copies that do not show it yet. Returns how many these still are. */
static size_t look(struct copy *c, size_t n, int64_t begin, int64_t *first, int64_t *last)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (c[i].shown)
			continue;
		if (count_failed(&c[i]) <= c[i].failed) {
			left++;
			continue;
		}
		c[i].shown = true;
		*last = boot_ns() - begin;
		if (*first < 0)
			*first = *last;
	}
	return left;
}

int main(int argc, char **argv)
{
	static struct copy copies[DISKS_MAX * COPIES];
	int64_t begin, first = -1, last = -1, limit;
	size_t n = 0;
	pid_t child;

	if (argc < 4 || argc - 3 > DISKS_MAX)
		errx(2, "usage: bench_pull DELETE-FILE SECONDS SURVIVOR...");
	limit = strtol(argv[2], NULL, 10) * INT64_C(1000000000);
	for (int i = 3; i < argc; i++)
		n += find_copies(argv[i], copies + n);
	begin = boot_ns();
	child = pull(argv[1]);
	while (look(copies, n, begin, &first, &last) > 0) {
		if (boot_ns() - begin > limit)
			errx(1, "not on all disks in time");
		/* One of two CPUs must stay free for what is measured. */
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	waitpid(child, NULL, 0);
	printf("{\"pulled\":%" PRId64 ",\"first_ms\":%.1f,\"all_ms\":%.1f}\n", begin, (double)first / 1e6,
	       (double)last / 1e6);
	return 0;
}
