// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/stack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An error that a device told: the newest of its sort. */
struct told_error {
	struct raw_number number;
	int64_t operation, error;
	int64_t time;
};

struct held {
	struct event *ev;
	struct raw_number number;
	int64_t until; /* boot */
};

struct stack {
	struct stack_device *device; /* sorted by number */
	size_t n, n_gone;
	unsigned mark;
	struct told_error told[STACK_TOLD_MAX]; /* the oldest is overwritten */
	size_t n_told;
	struct held held[STACK_HELD_MAX]; /* the first ends first */
	size_t n_held;
	uint64_t copies;
};

int stack_new(struct stack **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void stack_free(struct stack *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->device[i].lowers);
	for (size_t i = 0; i < s->n_held; i++)
		event_free(s->held[i].ev);
	free(s->device);
	free(s);
}

/* ---- what lies on what ---- */

static uint64_t order_of(struct raw_number n)
{
	return (uint64_t)n.major << 32 | n.minor;
}

static bool same(struct raw_number a, struct raw_number b)
{
	return a.major == b.major && a.minor == b.minor;
}

static size_t place_of(const struct stack *s, struct raw_number number, bool *found)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (order_of(s->device[mid].number) < order_of(number))
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < s->n && same(s->device[low].number, number);
	return low;
}

const struct stack_device *stack_find(const struct stack *s, struct raw_number number)
{
	bool found;
	size_t i = place_of(s, number, &found);

	return found ? &s->device[i] : NULL;
}

static const struct stack_device *find_id(const struct stack *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->device[i].id, id) == 0)
			return &s->device[i];
	return NULL;
}

static bool is_lower(const struct stack *s, struct raw_number number)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->device[i].n_lowers; k++)
			if (same(s->device[i].lowers[k], number))
				return true;
	return false;
}

static void forget(struct stack *s, size_t i)
{
	s->n_gone -= s->device[i].gone ? 1 : 0;
	free(s->device[i].lowers);
	memmove(&s->device[i], &s->device[i + 1], (s->n - i - 1) * sizeof(s->device[0]));
	s->n--;
}

/* A path that was pulled is named when its map tells that it failed, which is later: it is kept while it is part of
 * something. */
static void sweep(struct stack *s)
{
	for (size_t i = s->n; s->n_gone > 0 && i-- > 0;)
		if (s->device[i].gone && !is_lower(s, s->device[i].number))
			forget(s, i);
}

static void went(struct stack *s, struct raw_number number)
{
	bool found;
	size_t i = place_of(s, number, &found);

	if (!found || s->device[i].gone)
		return;
	s->device[i].gone = true;
	s->device[i].n_lowers = 0;
	s->n_gone++;
	sweep(s);
}

static int make_room(struct stack *s, size_t i)
{
	struct stack_device *more = reallocarray(s->device, s->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->device = more;
	memmove(&more[i + 1], &more[i], (s->n - i) * sizeof(*more));
	more[i] = (struct stack_device){0};
	s->n++;
	return 0;
}

int stack_device(struct stack *s, const struct raw_device *raw)
{
	struct raw_number number = {raw->major, raw->minor}, *lowers = NULL;
	const char *slash = raw->devname ? strrchr(raw->devname, '/') : NULL;
	size_t n = MIN(raw->n_lowers, (size_t)STACK_LOWERS_MAX), i;
	struct stack_device *d;
	bool found;

	if (!raw->action || (raw->devtype && strcmp(raw->devtype, "disk") != 0))
		return 0;
	if (strcmp(raw->action, "remove") == 0) {
		went(s, number);
		return 0;
	}
	if (n > 0) {
		lowers = reallocarray(NULL, n, sizeof(*lowers));
		if (!lowers)
			return -ENOMEM;
		memcpy(lowers, raw->lowers, n * sizeof(*lowers));
	}
	i = place_of(s, number, &found);
	if (!found && make_room(s, i) < 0) {
		free(lowers);
		return -ENOMEM;
	}
	d = &s->device[i];
	s->n_gone -= d->gone ? 1 : 0;
	free(d->lowers);
	*d = (struct stack_device){
		.number = number, .lowers = lowers, .n_lowers = n, .layer = normalise_is_layer(raw), .seen = true};
	normalise_identity(raw, d->id, sizeof(d->id));
	snprintf(d->name, sizeof(d->name), "%.31s", slash ? slash + 1 : "");
	sweep(s);
	return 0;
}

void stack_rescan(struct stack *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->device[i].seen = false;
}

void stack_unseen(struct stack *s)
{
	for (size_t i = s->n; i-- > 0;)
		if (!s->device[i].seen && !s->device[i].gone) {
			s->device[i].gone = true;
			s->device[i].n_lowers = 0;
			s->n_gone++;
		}
	sweep(s);
}

/* Each device is looked at once: what lies on one thing by several ways is not searched several times. */
static bool reaches(struct stack *s, struct raw_number from, struct raw_number to)
{
	struct stack_device *d = (struct stack_device *)(uintptr_t)stack_find(s, from);

	if (!d || d->mark == s->mark)
		return false;
	d->mark = s->mark;
	for (size_t i = 0; i < d->n_lowers; i++)
		if (same(d->lowers[i], to) || reaches(s, d->lowers[i], to))
			return true;
	return false;
}

static bool lies_on(struct stack *s, struct raw_number upper, struct raw_number lower)
{
	s->mark++;
	return reaches(s, upper, lower);
}

/* ---- one error, told once ---- */

static int64_t fact_of(const struct event *ev, enum fact_id fact)
{
	struct value v = event_get(ev, fact);

	return v.type == V_NONE ? -1 : v.i;
}

/* What a device hands upwards is the error from below, or just EIO. */
static bool explains(const struct told_error *below, const struct event *ev)
{
	int64_t error = fact_of(ev, FACT_ERROR_ERRNO), apart = ev->time - below->time;

	return below->operation == fact_of(ev, FACT_ERROR_OPERATION) && (below->error == error || error == EIO) &&
	       apart <= STACK_WINDOW_NS && apart >= -STACK_WINDOW_NS;
}

static const struct told_error *remember(struct stack *s, struct raw_number number, const struct event *ev)
{
	struct told_error mine = {.number = number,
				  .operation = fact_of(ev, FACT_ERROR_OPERATION),
				  .error = fact_of(ev, FACT_ERROR_ERRNO),
				  .time = ev->time};
	struct told_error *at = &s->told[0];

	for (size_t i = 0; i < s->n_told; i++) {
		struct told_error *t = &s->told[i];

		if (same(t->number, number) && t->operation == mine.operation && t->error == mine.error) {
			t->time = MAX(t->time, ev->time);
			return t;
		}
		at = t->time < at->time ? t : at;
	}
	if (s->n_told < STACK_TOLD_MAX)
		at = &s->told[s->n_told++];
	*at = mine;
	return at;
}

static void drop_copy(struct stack *s, struct event *ev)
{
	s->copies += (uint64_t)ev->count;
	event_free(ev);
}

static struct event *take_held(struct stack *s, size_t i)
{
	struct event *ev = s->held[i].ev;

	memmove(&s->held[i], &s->held[i + 1], (s->n_held - i - 1) * sizeof(s->held[0]));
	s->n_held--;
	return ev;
}

/* Copies that came before what they are copies of. */
static void drop_held(struct stack *s, const struct told_error *below)
{
	for (size_t i = s->n_held; i-- > 0;)
		if (explains(below, s->held[i].ev) && lies_on(s, s->held[i].number, below->number))
			drop_copy(s, take_held(s, i));
}

static bool is_copy(struct stack *s, struct raw_number number, const struct event *ev)
{
	for (size_t i = 0; i < s->n_told; i++)
		if (explains(&s->told[i], ev) && lies_on(s, number, s->told[i].number))
			return true;
	return false;
}

void stack_error(struct stack *s, struct event *ev, bool counted, int64_t boot, void (*fn)(void *u, struct event *ev),
		 void *u)
{
	const struct stack_device *d = find_id(s, ev->device);

	stack_due(s, boot, fn, u);
	if (!d) {
		fn(u, ev);
		return;
	}
	drop_held(s, remember(s, d->number, ev));
	if (counted || d->n_lowers == 0) {
		fn(u, ev);
	} else if (is_copy(s, d->number, ev)) {
		drop_copy(s, ev);
	} else {
		if (s->n_held == STACK_HELD_MAX)
			fn(u, take_held(s, 0));
		s->held[s->n_held++] = (struct held){.ev = ev, .number = d->number, .until = boot + STACK_HOLD_NS};
	}
}

void stack_due(struct stack *s, int64_t boot, void (*fn)(void *u, struct event *ev), void *u)
{
	while (s->n_held > 0 && s->held[0].until <= boot)
		fn(u, take_held(s, 0));
}

bool stack_deadline(const struct stack *s, int64_t *ret_boot)
{
	if (s->n_held > 0)
		*ret_boot = s->held[0].until;
	return s->n_held > 0;
}

uint64_t stack_copies(const struct stack *s)
{
	return s->copies;
}
