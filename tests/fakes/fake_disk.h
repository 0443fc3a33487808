// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks in memory with one common record of all writes and flushes, for tests that cut the power after each of them. */
#pragma once

#include "actions/meta/blockio.h"
#include "actions/meta/meta.h"

struct fake_disks; /* a machine's disks */
struct fake_disk;

struct fake_disks *fake_disks_new(void);
void fake_disks_free(struct fake_disks *g);
DEFINE_CLEANUP(struct fake_disks *, fake_disks_free)

/* A blank disk; NULL when out of memory. sector_size: 512 or 4096. Numbers are 8:16*n, as sd's. */
struct fake_disk *fake_disk_add(struct fake_disks *g, const char *name, uint64_t sectors, unsigned sector_size);
struct fake_disk *fake_disk_get(struct fake_disks *g, const char *name);
/* Fills it from a raw image, not recorded. 0 or -errno. */
int fake_disk_load(struct fake_disk *d, const char *path);
int fake_disk_save(const struct fake_disk *d, const char *path);

/* A blockdev on it; closing it leaves the disk. -ENODEV when it is pulled. */
int fake_disk_open(struct fake_disk *d, struct blockdev **ret);
/* The disk must outlive it. */
struct meta_reader fake_disk_reader(struct fake_disk *d);
/* Past all faults and the record: for a test's own looks and damage. */
void fake_disk_peek(const struct fake_disk *d, uint64_t pos, void *buf, size_t len);
void fake_disk_poke(struct fake_disk *d, uint64_t pos, const void *buf, size_t len);

/* Faults. A write that fails has no effect. n: the n-th from now, 1 is the next; it fails once, all others go well. */
void fake_disk_fail_write(struct fake_disk *d, unsigned n, int code);
void fake_disk_fail_read(struct fake_disk *d, unsigned n, int code);
void fake_disk_fail_flush(struct fake_disk *d, unsigned n, int code);
void fake_disk_pull(struct fake_disk *d, bool pulled); /* everything is -ENODEV meanwhile, and it is gone */
/* The n-th write or flush from now, of whichever disk it is, fails with -EIO: */
enum fake_failure {
	FAKE_FAIL_ONCE,	  /* that one */
	FAKE_FAIL_WRITES, /* it and all later ones of that disk; it can be read */
	FAKE_FAIL_PULL,	  /* that disk is pulled */
};
void fake_disks_fail_at(struct fake_disks *g, unsigned n, enum fake_failure how);
/* The disk that this befell; NULL: not yet. */
struct fake_disk *fake_disks_failed(const struct fake_disks *g);
const char *fake_disk_name(const struct fake_disk *d);

/* The record: what was asked of all disks, in order, since the last mark. Failed ones are not in it. */
enum fake_op { FAKE_WRITE, FAKE_FLUSH };
struct fake_record {
	enum fake_op op;
	struct fake_disk *disk;
	uint64_t pos;
	size_t len;
};
/* Forgets the record; what the disks hold now counts as stable. */
void fake_disks_mark(struct fake_disks *g);
size_t fake_disks_recorded(const struct fake_disks *g);
const struct fake_record *fake_disks_record(const struct fake_disks *g, size_t i);
/* A line each: "sda write 32768+4096", "sda flush"; for goldens of a write order. */
const char *fake_disks_log(struct fake_disks *g);

/* Other disks that hold what these hold now; no record, no faults. */
struct fake_disks *fake_disks_copy(const struct fake_disks *g);

/* After n more writes (of any disk) the power is off: all that follows is -ENODEV and has no effect. */
void fake_disks_cut_after(struct fake_disks *g, unsigned n);
bool fake_disks_is_cut(const struct fake_disks *g);

/* What of the writes that no flush of their disk followed is on the disk after a cut. */
enum fake_keep {
	FAKE_KEEP_ALL,	  /* no volatile cache */
	FAKE_KEEP_NONE,	  /* the cache is lost */
	FAKE_KEEP_RANDOM, /* by seed: any of its sectors, in no order: torn writes too */
};
/* The disks as they are after a cut that the first n records came before; n at most fake_disks_recorded. No faults. */
struct fake_disks *fake_disks_at(struct fake_disks *g, size_t n, enum fake_keep keep, uint64_t seed);
