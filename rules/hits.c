// SPDX-License-Identifier: GPL-2.0-or-later
/* The counted events of one window: in the order of time, and where values are told apart, found by their value. One
 * array whose places are used again: what is there costs no allocation, and nothing is searched or moved. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

/* Links are places in the array + 1. 0: none. */
static uint32_t place_of(const struct hits *h, const struct hit *hit)
{
	return (uint32_t)(hit - h->room) + 1;
}

static struct hit *at(const struct hits *h, uint32_t place)
{
	return place ? &h->room[place - 1] : NULL;
}

struct hit *hits_oldest(const struct hits *h)
{
	return at(h, h->oldest);
}

struct hit *hits_newest(const struct hits *h)
{
	return at(h, h->newest);
}

struct hit *hits_newer(const struct hits *h, const struct hit *hit)
{
	return at(h, hit->newer);
}

struct hit *hits_older(const struct hits *h, const struct hit *hit)
{
	return at(h, hit->older);
}

/* ---- by value ---- */

static uint32_t *slot_of(const struct hits *h, uint64_t hash)
{
	return &h->slots[hash & (h->cap - 1)];
}

static void index_add(struct hits *h, struct hit *hit)
{
	uint32_t *slot = slot_of(h, hit->hash);

	hit->chain = *slot;
	*slot = place_of(h, hit);
}

static void index_remove(struct hits *h, const struct hit *hit)
{
	uint32_t *link = slot_of(h, hit->hash), place = place_of(h, hit);

	while (*link != place)
		link = &at(h, *link)->chain;
	*link = hit->chain;
}

struct hit *hits_find(const struct hits *h, uint64_t hash, const char *value, size_t len)
{
	struct hit *hit = h->cap ? at(h, *slot_of(h, hash)) : NULL;

	while (hit && (hit->hash != hash || strncmp(hit->value, value, len) != 0 || hit->value[len]))
		hit = at(h, hit->chain);
	return hit;
}

/* ---- by time ---- */

static void order_add(struct hits *h, struct hit *hit)
{
	struct hit *before = at(h, h->newest);

	hit->older = h->newest;
	hit->newer = 0;
	h->newest = place_of(h, hit);
	if (before)
		before->newer = h->newest;
	else
		h->oldest = h->newest;
}

static void order_remove(struct hits *h, const struct hit *hit)
{
	struct hit *older = at(h, hit->older), *newer = at(h, hit->newer);

	if (older)
		older->newer = hit->newer;
	else
		h->oldest = hit->newer;
	if (newer)
		newer->older = hit->older;
	else
		h->newest = hit->older;
}

/* ---- room ---- */

static int grow(struct hits *h, bool by_value)
{
	uint32_t cap = h->cap ? h->cap * 2 : 4, *slots = NULL;
	struct hit *room = reallocarray(h->room, cap, sizeof(*room));

	if (!room)
		return -ENOMEM;
	h->room = room;
	if (by_value) {
		slots = calloc(cap, sizeof(*slots));
		if (!slots)
			return -ENOMEM;
	}
	for (uint32_t i = cap; i-- > h->cap;) {
		room[i] = (struct hit){.chain = h->unused};
		h->unused = i + 1;
	}
	h->cap = cap;
	free(h->slots);
	h->slots = slots;
	for (struct hit *hit = hits_oldest(h); slots && hit; hit = hits_newer(h, hit))
		index_add(h, hit);
	return 0;
}

int hits_add(struct hits *h, const struct hit *from)
{
	struct hit *hit;

	if (!h->unused && grow(h, from->value != NULL) < 0)
		return -ENOMEM;
	hit = at(h, h->unused);
	h->unused = hit->chain;
	*hit = *from;
	order_add(h, hit);
	if (hit->value)
		index_add(h, hit);
	h->n++;
	h->sum += hit->weight;
	return 0;
}

void hits_renew(struct hits *h, struct hit *hit)
{
	order_remove(h, hit);
	order_add(h, hit);
}

void hits_drop(struct hits *h, struct hit *hit)
{
	order_remove(h, hit);
	if (hit->value)
		index_remove(h, hit);
	h->n--;
	h->sum -= hit->weight;
	free(hit->value);
	free(hit->cover);
	*hit = (struct hit){.chain = h->unused};
	h->unused = place_of(h, hit);
}

void hits_finish(struct hits *h)
{
	while (h->n)
		hits_drop(h, hits_oldest(h));
	free(h->room);
	free(h->slots);
	*h = (struct hits){0};
}
