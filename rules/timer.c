// SPDX-License-Identifier: GPL-2.0-or-later
/* Binary heaps of timers, one for each clock. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

static bool before(const struct timer *a, const struct timer *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (a->rule != b->rule)
		return a->rule < b->rule;
	return strcmp(a->key ? a->key : "", b->key ? b->key : "") < 0;
}

static void put(struct timers *q, size_t i, struct timer *t)
{
	q->heap[i] = t;
	t->pos = i + 1;
}

static void sift_up(struct timers *q, size_t i)
{
	struct timer *t = q->heap[i];

	for (; i > 0 && before(t, q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		put(q, i, q->heap[(i - 1) / 2]);
	put(q, i, t);
}

static void sift_down(struct timers *q, size_t i)
{
	struct timer *t = q->heap[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid + 1 < q->n && before(q->heap[kid + 1], q->heap[kid]))
			kid++;
		if (kid >= q->n || !before(q->heap[kid], t))
			break;
		put(q, i, q->heap[kid]);
		i = kid;
	}
	put(q, i, t);
}

void timer_cancel(struct engine *e, struct timer *t)
{
	struct timers *q = t->awake ? &e->by_awake : &e->by_boot;
	size_t i = t->pos - 1;
	struct timer *last;

	if (t->pos == 0)
		return;
	t->pos = 0;
	last = q->heap[--q->n];
	if (last == t)
		return;
	put(q, i, last);
	sift_up(q, i);
	sift_down(q, last->pos - 1);
}

int timer_arm(struct engine *e, struct timer *t, int64_t at, bool awake)
{
	struct timers *q = awake ? &e->by_awake : &e->by_boot;

	timer_cancel(e, t);
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 64;
		struct timer **heap = reallocarray(q->heap, cap, sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		q->heap = heap;
		q->cap = cap;
	}
	t->at = at;
	t->awake = awake;
	put(q, q->n++, t);
	sift_up(q, q->n - 1);
	return 0;
}

struct timer *timer_first(const struct timers *q)
{
	return q->n ? q->heap[0] : NULL;
}
