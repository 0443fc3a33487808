// SPDX-License-Identifier: GPL-2.0-or-later
/* Several disks at once: in order on each disk, side by side on different ones, so that a record or a look at a set
 * costs the time of the slowest disk and not of all. */
#pragma once

#include "actions/meta/blockio.h"

enum { IO_BATCH_MAX = 4096 };

struct io_op {
	unsigned disk; /* the caller's number, an index of results */
	struct blockdev *dev;
	bool write, flush; /* write buf, or read into it; flush after it. NULL buf: only flush */
	bool first;	   /* of its disk */
	uint64_t pos;
	void *buf; /* aligned to 4096; borrowed until the batch ran */
	size_t len;
};

struct io_batch {
	struct io_op *op;
	size_t n, cap;
	size_t n_disks;
	bool oom;
};

void io_batch_write(struct io_batch *b, unsigned disk, struct blockdev *dev, uint64_t pos, const void *buf, size_t len,
		    bool flush);
void io_batch_read(struct io_batch *b, unsigned disk, struct blockdev *dev, uint64_t pos, void *buf, size_t len);
void io_batch_free(struct io_batch *b);

/* Threads that wait for work; made once, so that nothing is created while a disk is failing. */
struct io_pool;
/* threads: 0: the caller does all, disk after disk in the order of the batch (tests that cut). NULL when out of memory.
 */
struct io_pool *io_pool_new(unsigned threads);
void io_pool_free(struct io_pool *p);
/* Calls wrote with each write of a batch once the batch has run, and with what came of it on that disk. */
void io_pool_watch(struct io_pool *p, void (*wrote)(void *u, const struct io_op *op, int result), void *u);
DEFINE_CLEANUP(struct io_pool *, io_pool_free)
/* Calls job(u, i) for each i below n, in any order and side by side; returns when all are done. A job runs nothing on
 * the pool, and touches nothing that another one does. */
void io_pool_each(struct io_pool *p, size_t n, void (*job)(void *u, size_t i), void *u);
/* Runs and empties the batch. results[disk]: 0, or the first -errno of that disk, whose later operations are left out.
 * Entries of disks that the batch does not name are not touched. -ENOMEM: nothing was done. */
int io_batch_run(struct io_pool *p, struct io_batch *b, int *results);
