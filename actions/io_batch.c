// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/io_batch.h"

#include <errno.h>
#include <pthread.h>

enum { THREAD_STACK = 64 * 1024, THREADS_MAX = 64 };

struct io_pool {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	unsigned n_threads;
	pthread_t thread[THREADS_MAX];
	bool quit;
	void (*wrote)(void *u, const struct io_op *op, int result); /* NULL: nobody wants to know */
	void *u;
	/* What is to be done; under lock. */
	void (*job)(void *u, size_t i);
	void *job_u;
	size_t next, n; /* jobs from next on are not begun */
	unsigned busy;	/* threads at work */
};

/* A batch that runs. One disk's operations are one job: they keep their order. */
struct run {
	const struct io_batch *batch;
	int *results;
};

static bool named(const struct io_batch *b, unsigned disk)
{
	for (size_t k = 0; k < b->n; k++)
		if (b->op[k].disk == disk)
			return true;
	return false;
}

static void add(struct io_batch *b, struct io_op op)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		struct io_op *grown = cap <= IO_BATCH_MAX ? realloc(b->op, cap * sizeof(*grown)) : NULL;

		if (!grown) {
			b->oom = true;
			return;
		}
		b->op = grown;
		b->cap = cap;
	}
	op.first = !named(b, op.disk);
	b->n_disks += op.first;
	b->op[b->n++] = op;
}

void io_batch_write(struct io_batch *b, unsigned disk, struct blockdev *dev, uint64_t pos, const void *buf, size_t len,
		    bool flush)
{
	add(b, (struct io_op){disk, dev, true, flush, false, pos, (void *)buf, len});
}

void io_batch_read(struct io_batch *b, unsigned disk, struct blockdev *dev, uint64_t pos, void *buf, size_t len)
{
	add(b, (struct io_op){disk, dev, false, false, false, pos, buf, len});
}

void io_batch_free(struct io_batch *b)
{
	free(b->op);
	*b = (struct io_batch){0};
}

static int run_op(const struct io_op *op)
{
	int r = 0;

	if (op->buf)
		r = op->write ? op->dev->write(op->dev, op->pos, op->buf, op->len)
			      : op->dev->read(op->dev, op->pos, op->buf, op->len);
	if (r == 0 && op->flush)
		r = op->dev->flush(op->dev);
	return r;
}

/* All operations of the i-th disk. */
static void run_disk(void *u, size_t i)
{
	const struct run *run = u;
	const struct io_batch *b = run->batch;
	size_t first = 0;
	int r = 0;

	while (!b->op[first].first || i-- > 0)
		first++;
	for (size_t k = first; k < b->n && r == 0; k++)
		if (b->op[k].disk == b->op[first].disk)
			r = run_op(&b->op[k]);
	run->results[b->op[first].disk] = r;
}

/* Takes jobs until none is left. Called and left with the lock held. */
static void take_jobs(struct io_pool *p)
{
	while (p->next < p->n) {
		size_t i = p->next++;

		p->busy++;
		pthread_mutex_unlock(&p->lock);
		p->job(p->job_u, i);
		pthread_mutex_lock(&p->lock);
		p->busy--;
	}
}

static void *worker(void *arg)
{
	struct io_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->quit) {
		take_jobs(p);
		if (p->busy == 0)
			pthread_cond_signal(&p->idle);
		pthread_cond_wait(&p->work, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct io_pool *io_pool_new(unsigned threads)
{
	_cleanup_(io_pool_freep) struct io_pool *p = calloc(1, sizeof(*p));
	pthread_attr_t attr;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->idle, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	while (p->n_threads < MIN(threads, (unsigned)THREADS_MAX) &&
	       pthread_create(&p->thread[p->n_threads], &attr, worker, p) == 0)
		p->n_threads++;
	pthread_attr_destroy(&attr);
	return TAKE_PTR(p);
}

void io_pool_free(struct io_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->idle);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void io_pool_watch(struct io_pool *p, void (*wrote)(void *u, const struct io_op *op, int result), void *u)
{
	p->wrote = wrote;
	p->u = u;
}

void io_pool_each(struct io_pool *p, size_t n, void (*job)(void *u, size_t i), void *u)
{
	pthread_mutex_lock(&p->lock);
	p->job = job;
	p->job_u = u;
	p->next = 0;
	p->n = n;
	for (size_t i = 1; i < n && i <= p->n_threads; i++) /* one is the caller's; more are not woken than can help */
		pthread_cond_signal(&p->work);
	take_jobs(p);
	while (p->busy > 0)
		pthread_cond_wait(&p->idle, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

int io_batch_run(struct io_pool *p, struct io_batch *b, int *results)
{
	struct run run = {b, results};

	if (b->oom)
		return -ENOMEM;
	io_pool_each(p, b->n_disks, run_disk, &run);
	for (size_t i = 0; p->wrote && i < b->n; i++)
		if (b->op[i].write && b->op[i].buf)
			p->wrote(p->u, &b->op[i], results[b->op[i].disk]);
	b->n = b->n_disks = 0;
	return 0;
}
