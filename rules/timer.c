// SPDX-License-Identifier: GPL-2.0-or-later
/* Binary heaps of timers, one for each clock. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

static const size_t place[] = {
	[TIMER_WINDOW] = offsetof(struct window, timer),
	[TIMER_ORDER] = offsetof(struct attempt, timer),
	[TIMER_CALENDAR] = 0,
	[TIMER_SCHEDULE] = offsetof(struct schedule, timer),
	[TIMER_VISIT] = offsetof(struct visit_due, timer),
	[TIMER_LIMIT] = offsetof(struct limit, timer),
	[TIMER_WATCH] = offsetof(struct watch, timer),
	[TIMER_QUESTION] = offsetof(struct question, timer),
	[TIMER_INHIBITION] = offsetof(struct inhibition, timer),
	[TIMER_MARK] = offsetof(struct mark, timer),
};

void *timer_owner(struct timer *t)
{
	return (char *)t - place[t->kind];
}

static const void *owner(const struct timer *t)
{
	return (const char *)t - place[t->kind];
}

size_t timer_rule(const struct timer *t)
{
	switch (t->kind) {
	case TIMER_CALENDAR:
		return 0;
	case TIMER_SCHEDULE:
		return ((const struct schedule *)owner(t))->rule;
	case TIMER_QUESTION:
		return ((const struct question *)owner(t))->rule;
	case TIMER_INHIBITION:
		return ((const struct inhibition *)owner(t))->rule;
	case TIMER_MARK:
		return SIZE_MAX;
	default:
		return ((const struct entry_node *)owner(t))->rule;
	}
}

static const char *key(const struct timer *t)
{
	switch (t->kind) {
	case TIMER_CALENDAR:
	case TIMER_SCHEDULE:
		return "";
	case TIMER_QUESTION:
		return ((const struct question *)owner(t))->key;
	case TIMER_INHIBITION:
		return ((const struct inhibition *)owner(t))->key;
	case TIMER_MARK:
		return ((const struct mark *)owner(t))->device;
	default:
		return entry_key(owner(t));
	}
}

static bool before(const struct timer *a, const struct timer *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (timer_rule(a) != timer_rule(b))
		return timer_rule(a) < timer_rule(b);
	return strcmp(key(a), key(b)) < 0;
}

static void put(struct timers *q, size_t i, struct timer *t)
{
	q->heap[i] = t;
	t->pos = (uint32_t)(i + 1);
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
