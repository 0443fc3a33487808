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

struct hit_more *hits_more(const struct hits *h, const struct hit *hit)
{
	return h->more ? (struct hit_more *)(h->room + h->cap) + (hit - h->room) : NULL;
}

static uint32_t *slot_of(const struct hits *h, uint64_t hash)
{
	uint32_t *slots = (uint32_t *)((struct hit_more *)(h->room + h->cap) + h->cap);

	return &slots[hash & (h->cap - 1)];
}

static void index_add(struct hits *h, struct hit *hit)
{
	uint32_t *slot = slot_of(h, hits_more(h, hit)->hash);

	hit->chain = *slot;
	*slot = place_of(h, hit);
}

static void index_remove(struct hits *h, const struct hit *hit)
{
	uint32_t *link = slot_of(h, hits_more(h, hit)->hash), place = place_of(h, hit);

	while (*link != place)
		link = &at(h, *link)->chain;
	*link = hit->chain;
}

static bool is_value(const struct hit_more *m, uint64_t hash, const char *value, size_t len)
{
	return m->hash == hash && strncmp(m->value, value, len) == 0 && !m->value[len];
}

struct hit *hits_find(const struct hits *h, uint64_t hash, const char *value, size_t len)
{
	struct hit *hit = h->more ? at(h, *slot_of(h, hash)) : NULL;

	while (hit && !is_value(hits_more(h, hit), hash, value, len))
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

static int grow(struct hits *h, bool more)
{
	struct hits new = *h;

	if (h->cap == 0 && !more) {
		h->room = &h->one;
		h->cap = h->unused = 1;
		return 0;
	}
	new.cap = h->cap < 4 ? 4 : h->cap * 2;
	new.more = more;
	new.room = calloc(new.cap, sizeof(*new.room) + (more ? sizeof(struct hit_more) + sizeof(uint32_t) : 0));
	if (!new.room)
		return -ENOMEM;
	if (h->cap)
		memcpy(new.room, h->room, h->cap * sizeof(*h->room));
	if (h->cap && more)
		memcpy(hits_more(&new, new.room), hits_more(h, h->room), h->cap * sizeof(struct hit_more));
	for (uint32_t i = new.cap; i-- > h->cap; new.unused = i + 1)
		new.room[i].chain = new.unused;
	if (h->room != &h->one)
		free(h->room);
	*h = new;
	for (struct hit *hit = hits_oldest(h); more && hit; hit = hits_newer(h, hit))
		if (hits_more(h, hit)->value)
			index_add(h, hit);
	return 0;
}

int hits_add(struct hits *h, const struct hit *from, const struct hit_more *more)
{
	struct hit *hit;

	if (!h->unused && grow(h, more != NULL) < 0)
		return -ENOMEM;
	hit = at(h, h->unused);
	h->unused = hit->chain;
	hit->time = from->time;
	hit->seq = from->seq;
	hit->weight = from->weight;
	hit->chain = 0;
	order_add(h, hit);
	if (more)
		*hits_more(h, hit) = *more;
	if (more && more->value)
		index_add(h, hit);
	h->n++;
	h->sum += hit->weight;
	return 0;
}

void hits_renew(struct hits *h, struct hit *hit, int64_t weight)
{
	weight = MIN(weight, (int64_t)(UINT32_MAX - hit->weight));
	hit->weight += (uint32_t)weight;
	h->sum += weight;
	order_remove(h, hit);
	order_add(h, hit);
}

void hits_drop(struct hits *h, struct hit *hit)
{
	struct hit_more *more = hits_more(h, hit);

	order_remove(h, hit);
	if (more && more->value)
		index_remove(h, hit);
	h->n--;
	h->sum -= hit->weight;
	if (more) {
		free(more->value);
		free(more->cover);
		*more = (struct hit_more){0};
	}
	*hit = (struct hit){.chain = h->unused};
	h->unused = place_of(h, hit);
}

void hits_finish(struct hits *h)
{
	while (h->n)
		hits_drop(h, hits_oldest(h));
	if (h->room != &h->one)
		free(h->room);
	*h = (struct hits){0};
}
