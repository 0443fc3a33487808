// SPDX-License-Identifier: GPL-2.0-or-later
/* Hash tables by rule and key. */
#include "rules/state.h"

#include <string.h>

static uint64_t hash_of(size_t rule, const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ rule;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

struct entry_node *table_find(const struct table *t, size_t rule, const char *key)
{
	uint64_t h = hash_of(rule, key);

	if (t->n_slots == 0)
		return NULL;
	for (struct entry_node *n = t->slots[h & (t->n_slots - 1)]; n; n = n->next)
		if (n->hash == h && n->rule == rule && strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

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

	if (t->n >= t->n_slots && !grow(t))
		return NULL;
	n = calloc(1, size);
	if (!n || !(n->key = strdup(key))) {
		free(n);
		return NULL;
	}
	n->rule = rule;
	n->hash = hash_of(rule, key);
	n->next = t->slots[n->hash & (t->n_slots - 1)];
	t->slots[n->hash & (t->n_slots - 1)] = n;
	t->n++;
	return n;
}

void table_remove(struct table *t, struct entry_node *n)
{
	struct entry_node **at = &t->slots[n->hash & (t->n_slots - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	t->n--;
	free(n->key);
	free(n);
}

static int compare_nodes(const void *pa, const void *pb)
{
	const struct entry_node *a = *(struct entry_node *const *)pa, *b = *(struct entry_node *const *)pb;

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	return strcmp(a->key, b->key);
}

struct entry_node **table_sorted(const struct table *t, size_t *n)
{
	struct entry_node **all = t->n ? calloc(t->n, sizeof(struct entry_node *)) : NULL;

	*n = 0;
	for (size_t i = 0; all && i < t->n_slots; i++)
		for (struct entry_node *node = t->slots[i]; node; node = node->next)
			all[(*n)++] = node;
	if (*n > 1)
		qsort(all, *n, sizeof(struct entry_node *), compare_nodes);
	return all;
}
