// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/coalesce.h"

#include <errno.h>
#include <string.h>

struct window {
	struct event *last; /* the latest that is like the others, NULL while none came after the first */
	uint64_t like;	    /* hash of what must be alike */
	int64_t until;	    /* boot */
	int count;	    /* of what .last stands for */
};

struct coalesce {
	struct window w[COALESCE_MAX];
	size_t n;
	uint64_t merged;
};

int coalesce_new(struct coalesce **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void coalesce_free(struct coalesce *c)
{
	for (size_t i = 0; c && i < c->n; i++)
		event_free(c->w[i].last);
	free(c);
}

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t likeness(const struct event *ev)
{
	static const enum fact_id alike[] = {FACT_ERROR_STATUS, FACT_ERROR_ERRNO, FACT_ERROR_OPERATION,
					     FACT_ERROR_REGION, FACT_ERROR_READAHEAD};
	uint64_t h = hash(UINT64_C(0xcbf29ce484222325), ev->device, strlen(ev->device));

	for (size_t i = 0; i < ARRAY_SIZE(alike); i++) {
		struct value v = event_get(ev, alike[i]);
		int64_t n = v.type == V_BOOL ? v.b : v.type == V_NONE ? -1 : v.i;

		h = hash(h, &n, sizeof(n));
	}
	return h;
}

/* The window ends; what it gathered goes on. */
static void end(struct coalesce *c, size_t i, void (*fn)(void *u, struct event *ev), void *u)
{
	struct event *ev = c->w[i].last;

	if (ev)
		ev->count = c->w[i].count;
	memmove(&c->w[i], &c->w[i + 1], (c->n - i - 1) * sizeof(c->w[0]));
	c->n--;
	if (ev)
		fn(u, ev);
}

void coalesce_due(struct coalesce *c, int64_t boot, void (*fn)(void *u, struct event *ev), void *u)
{
	while (c->n > 0 && c->w[0].until <= boot) /* windows are of one length: the first ends first */
		end(c, 0, fn, u);
}

void coalesce_add(struct coalesce *c, struct event *ev, void (*fn)(void *u, struct event *ev), void *u)
{
	uint64_t like = likeness(ev);

	coalesce_due(c, ev->time, fn, u);
	for (size_t i = 0; i < c->n; i++) {
		struct window *w = &c->w[i];

		if (w->like != like)
			continue;
		c->merged += w->last ? 1 : 0;
		event_free(w->last);
		w->last = ev;
		if (__builtin_add_overflow(w->count, ev->count, &w->count))
			w->count = INT32_MAX;
		return;
	}
	if (c->n == COALESCE_MAX)
		end(c, 0, fn, u);
	c->w[c->n++] = (struct window){.like = like, .until = ev->time + COALESCE_WINDOW_NS};
	fn(u, ev);
}

bool coalesce_deadline(const struct coalesce *c, int64_t *ret_boot)
{
	for (size_t i = 0; i < c->n; i++) {
		if (!c->w[i].last)
			continue;
		*ret_boot = c->w[i].until;
		return true;
	}
	return false;
}

uint64_t coalesce_merged(const struct coalesce *c)
{
	return c->merged;
}
