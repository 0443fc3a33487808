// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks side by side: each one's operations in their order, one that fails ends its own disk's only. */
#include "actions/io_batch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { DISKS = 6, OPS = 8 };

struct disk {
	struct blockdev dev;
	atomic_bool busy;
	uint64_t next;	  /* the place of the operation that is due */
	uint64_t fail_at; /* UINT64_MAX: none */
	unsigned flushes;
};

static const unsigned threads[] = {0, 1, 4};

static int take(struct blockdev *d, uint64_t pos)
{
	struct disk *disk = (struct disk *)d;

	assert_false(atomic_exchange(&disk->busy, true));
	assert_int_equal(pos, disk->next++);
	atomic_store(&disk->busy, false);
	return pos == disk->fail_at ? -EIO : 0;
}

static int disk_read(struct blockdev *d, uint64_t pos, void *buf _unused_, size_t len _unused_)
{
	return take(d, pos);
}

static int disk_write(struct blockdev *d, uint64_t pos, const void *buf _unused_, size_t len _unused_)
{
	return take(d, pos);
}

static int disk_flush(struct blockdev *d)
{
	((struct disk *)d)->flushes++;
	return 0;
}

static void in_order(void **state _unused_)
{
	uint8_t byte = 0;

	for_rows (i, threads) {
		_cleanup_(io_pool_freep) struct io_pool *pool = io_pool_new(threads[i]);
		struct io_batch b = {0};
		struct disk disk[DISKS] = {0};
		int result[DISKS] = {0};

		for (unsigned k = 0; k < OPS; k++)
			for (unsigned d = 0; d < DISKS; d++)
				if (k % 2)
					io_batch_write(&b, d, &disk[d].dev, k, &byte, 1, k == OPS - 1);
				else
					io_batch_read(&b, d, &disk[d].dev, k, &byte, 1);
		for (unsigned d = 0; d < DISKS; d++) {
			disk[d].dev = (struct blockdev){.read = disk_read, .write = disk_write, .flush = disk_flush};
			disk[d].fail_at = d == 2 ? 3 : UINT64_MAX;
		}
		assert_int_equal(io_batch_run(pool, &b, result), 0);
		for (unsigned d = 0; d < DISKS; d++) {
			assert_int_equal(result[d], d == 2 ? -EIO : 0);
			assert_int_equal(disk[d].next, d == 2 ? 4 : OPS);
			assert_int_equal(disk[d].flushes, d == 2 ? 0 : 1);
		}
		assert_int_equal(b.n, 0);
		io_batch_free(&b);
	}
}

struct meeting {
	atomic_uint done[64];
	sem_t came[2];
};

static void count(void *u, size_t i)
{
	atomic_fetch_add(&((struct meeting *)u)->done[i], 1);
}

/* Each of the two waits for the other. */
static void meet(void *u, size_t i)
{
	struct meeting *m = u;

	sem_post(&m->came[i]);
	while (sem_wait(&m->came[!i]) < 0)
		;
}

static void each_once_and_together(void **state _unused_)
{
	for_rows (i, threads) {
		_cleanup_(io_pool_freep) struct io_pool *pool = io_pool_new(threads[i]);
		struct meeting m = {0};

		for (unsigned round = 1; round <= 100; round++) {
			io_pool_each(pool, ARRAY_SIZE(m.done), count, &m);
			for (size_t k = 0; k < ARRAY_SIZE(m.done); k++)
				assert_int_equal(m.done[k], round);
		}
		io_pool_each(pool, 0, count, &m);
		if (threads[i] == 0)
			continue;
		for (size_t k = 0; k < 2; k++)
			sem_init(&m.came[k], 0, 0);
		io_pool_each(pool, 2, meet, &m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(in_order),
		unit(each_once_and_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
