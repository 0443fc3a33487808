// SPDX-License-Identifier: GPL-2.0-or-later
/* What dm-log-writes and the kernel's tracing recorded of a set of disks: each write and flush of each disk, when it
 * was asked for, when it was done and from when on no power cut takes it back. The log has the bytes; its order is that
 * of durability on one disk, so what happened on several disks, and what was under way, is the trace's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REC_DISKS_MAX = 8, REC_NAME_MAX = 48, REC_STATES_MAX = 160 };
#define REC_NEVER SIZE_MAX

/* Times are positions in the trace. */
struct rec_op {
	unsigned disk;
	uint64_t sector;
	uint32_t sectors;     /* 0: a flush alone */
	bool fua, flush;      /* flush: what was done before it is stable when it is done */
	bool metadata;	      /* asked for by spared, or a superblock or bitmap of the kernel's */
	int error;	      /* it failed, and had no effect */
	size_t queued, done;  /* done: REC_NEVER if it was not */
	size_t stable;	      /* from when on a power cut leaves it: REC_NEVER */
	const uint8_t *bytes; /* NULL: a flush, or it was never done */
};

struct rec_disk {
	char name[REC_NAME_MAX];
	unsigned major, minor;
	uint64_t sectors;
	size_t n_ops, *op; /* those with bytes, as they were done; failed ones, too */
};

/* A 4 KiB block of the array was written; by one writer, which has the acknowledgement when it writes the next one. */
struct rec_block {
	uint64_t block;
	size_t queued;
};

/* From here on a start may find one of these states. */
struct rec_mark {
	size_t at;
	char name[REC_NAME_MAX], states[REC_STATES_MAX];
};

struct recorded {
	size_t n_disks, n_ops, n_blocks, n_marks;
	struct rec_disk disk[REC_DISKS_MAX];
	struct rec_op *op; /* as they were asked for */
	struct rec_block *block;
	struct rec_mark *mark;
	size_t end;
};

/* Reads DIR/disks (lines "NAME MAJOR:MINOR SECTORS LOG") and DIR/trace. In the trace "mark NAME: STATES" begins what
 * may be found, "array MAJOR:MINOR" names the array's device. Ends the program when they are not as they must be, also
 * when a write is in the trace and not in the log, or the other way round. */
void recorded_read(struct recorded *r, const char *dir);
/* The last mark that stands before that time; NULL: none. */
const struct rec_mark *recorded_mark(const struct recorded *r, size_t at);
