// SPDX-License-Identifier: GPL-2.0-or-later
/* Hash tables by rule and key, whose entries are also in the order in which they were touched. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

uint64_t text_hash(uint64_t seed, const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static uint64_t eight_bytes(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return word;
}

/* Of less than eight; some may be in it twice. */
static uint64_t last_bytes(const char *text, size_t n)
{
	uint32_t first, last;

	if (n < sizeof(first))
		return n ? (uint64_t)(unsigned char)text[0] << 16 | (uint64_t)(unsigned char)text[n / 2] << 8 |
				       (unsigned char)text[n - 1]
			 : 0;
	memcpy(&first, text, sizeof(first));
	memcpy(&last, text + n - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

uint64_t key_hash(uint64_t seed, const char *text)
{
	const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
	size_t left = strlen(text);
	uint64_t h = seed * prime ^ left;

	for (; left >= sizeof(h); left -= sizeof(h), text += sizeof(h)) {
		h = (h ^ eight_bytes(text)) * prime;
		h ^= h >> 32;
	}
	h = (h ^ last_bytes(text, left)) * prime;
	return h ^ h >> 32;
}

uint64_t value_hash(const struct value *v)
{
	uint64_t h = v->type;

	switch (v->type) {
	case V_NONE:
		return 0;
	case V_STRING:
		return text_hash(h, v->str);
	case V_SET:
		for (size_t i = 0; i < v->set->n; i++)
			h = text_hash(h, v->set->words[i]);
		return h;
	case V_BOOL:
		h += v->b;
		break;
	default:
		h += v->u;
	}
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

int table_init(struct table *t, size_t n_rules, entry_free_fn *free_one)
{
	t->free_one = free_one;
	t->of_rule = calloc(n_rules + 1, sizeof(*t->of_rule));
	return t->of_rule ? 0 : -ENOMEM;
}

void table_finish(struct engine *e, struct table *t)
{
	while (t->all.oldest)
		t->free_one(e, t->all.oldest);
	free(t->slots);
	free(t->of_rule);
}

const char *entry_key(const struct entry_node *n)
{
	return (const char *)n + n->key_at;
}

/* How much of an entry is looked at, about. */
enum { ENTRY_LINES = 192 };

static bool is_of(const struct entry_node *n, uint32_t hash, size_t rule, const char *key)
{
	return n->hash == hash && n->rule == rule && strcmp(entry_key(n), key) == 0;
}

struct entry_node *table_find(const struct table *t, size_t rule, const char *key)
{
	struct entry_node *n = t->of_rule[rule].newest;
	uint32_t h;

	/* Many rules have but one. */
	if (!n || strcmp(entry_key(n), key) == 0)
		return n;
	h = (uint32_t)key_hash(rule, key);
	for (n = t->slots[h & (t->n_slots - 1)]; n && !is_of(n, h, rule, key); n = n->next)
		;
	return n;
}

void table_fetch(const struct table *t, size_t rule)
{
	const struct entry_node *n = t->of_rule[rule].newest;

	if (n)
		fetch_lines(n, ENTRY_LINES);
}

/* ---- the order ---- */

static void order_add(struct entry_order *o, struct entry_node *n, enum entry_orders which)
{
	n->link[which] = (struct entry_link){.older = o->newest};
	if (o->newest)
		o->newest->link[which].newer = n;
	else
		o->oldest = n;
	o->newest = n;
	o->n++;
	o->room += n->room;
}

static void order_remove(struct entry_order *o, struct entry_node *n, enum entry_orders which)
{
	struct entry_link l = n->link[which];

	if (l.older)
		l.older->link[which].newer = l.newer;
	else
		o->oldest = l.newer;
	if (l.newer)
		l.newer->link[which].older = l.older;
	else
		o->newest = l.older;
	o->n--;
	o->room -= n->room;
}

static void order_renew(struct entry_order *o, struct entry_node *n, enum entry_orders which)
{
	if (o->newest == n)
		return;
	order_remove(o, n, which);
	order_add(o, n, which);
}

void table_touch(struct table *t, struct entry_node *n, size_t room)
{
	struct entry_order *mine = &t->of_rule[n->rule];

	order_renew(&t->all, n, OF_ALL);
	order_renew(mine, n, OF_RULE);
	t->all.room += room - n->room;
	mine->room += room - n->room;
	n->room = (uint32_t)room;
}

void evicted(struct engine *e, size_t rule)
{
	snprintf(e->evicted_rule, sizeof(e->evicted_rule), "%s", e->rs->rules[rule].name);
	e->stats[rule].evicted++;
	e->evicted++;
}

static void evict(struct engine *e, struct table *t, struct entry_node *n)
{
	evicted(e, n->rule);
	t->free_one(e, n);
}

void table_bound(struct engine *e, struct table *t, const struct entry_node *n)
{
	size_t max = e->o.room ? e->o.room : ROOM_DEFAULT;
	struct entry_order *mine = &t->of_rule[n->rule];

	while (mine->room > max / ROOM_SHARE && mine->oldest != n)
		evict(e, t, mine->oldest);
	while (t->all.room > max && t->all.oldest != n)
		evict(e, t, t->all.oldest);
}

/* ---- adding, removing ---- */

static bool grow(struct table *t)
{
	size_t n_slots = t->n_slots ? t->n_slots * 2 : 64;
	struct entry_node **slots = calloc(n_slots, sizeof(struct entry_node *)), *next;

	if (!slots)
		return t->n_slots > 0;
	for (size_t i = 0; i < t->n_slots; i++) {
		for (struct entry_node *n = t->slots[i]; n; n = next) {
			next = n->next;
			n->next = slots[n->hash & (n_slots - 1)];
			slots[n->hash & (n_slots - 1)] = n;
		}
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n_slots;
	return true;
}

void *table_add(struct table *t, size_t rule, const char *key, size_t size)
{
	struct entry_node *n;

	if (t->all.n >= t->n_slots && !grow(t))
		return NULL;
	n = calloc(1, size + strlen(key) + 1);
	if (!n)
		return NULL;
	n->key_at = (uint16_t)size;
	memcpy((char *)n + size, key, strlen(key) + 1);
	n->rule = (uint32_t)rule;
	n->hash = (uint32_t)key_hash(rule, key);
	n->next = t->slots[n->hash & (t->n_slots - 1)];
	n->room = 1;
	t->slots[n->hash & (t->n_slots - 1)] = n;
	order_add(&t->all, n, OF_ALL);
	order_add(&t->of_rule[rule], n, OF_RULE);
	return n;
}

void table_remove(struct table *t, struct entry_node *n)
{
	struct entry_node **slot = &t->slots[n->hash & (t->n_slots - 1)];

	while (*slot != n)
		slot = &(*slot)->next;
	*slot = n->next;
	order_remove(&t->all, n, OF_ALL);
	order_remove(&t->of_rule[n->rule], n, OF_RULE);
	free(n);
}
