// SPDX-License-Identifier: GPL-2.0-or-later
/* Overrides: a scalar or list replaces, a mapping is merged key by key, null deletes. rules-language 4.12. */
#include "rules/ast.h"

#include <string.h>

static struct node *copy_map(struct load *l, const struct node *map, size_t room)
{
	struct node *n = arena_new(&l->rs->arena, struct node);

	*n = *map;
	n->keys = arena_array(&l->rs->arena, struct node *, map->n + room + 1);
	n->items = arena_array(&l->rs->arena, struct node *, map->n + room + 1);
	if (map->n) {
		memcpy(n->keys, map->keys, map->n * sizeof(*n->keys));
		memcpy(n->items, map->items, map->n * sizeof(*n->items));
	}
	return n;
}

static struct node *one_pair(struct load *l, const char *key, struct node *value)
{
	struct node *map = arena_new(&l->rs->arena, struct node), *k = arena_new(&l->rs->arena, struct node);

	*k = (struct node){.kind = NODE_SCALAR, .at = value->at, .text = key};
	*map = (struct node){.kind = NODE_MAP, .at = value->at, .n = 1};
	map->keys = arena_array(&l->rs->arena, struct node *, 1);
	map->items = arena_array(&l->rs->arena, struct node *, 1);
	map->keys[0] = k;
	map->items[0] = value;
	return map;
}

/* "limit: 1h" as the mapping that it means, so that a mapping can be merged into it. */
static struct node *expand(struct load *l, const char *key, struct node *n)
{
	if (n->kind != NODE_SCALAR)
		return n;
	if (strcmp(key, "limit") == 0) {
		struct node *map = copy_map(l, one_pair(l, "within", n), 1),
			    *count = arena_new(&l->rs->arena, struct node);

		*count = (struct node){.kind = NODE_SCALAR, .at = n->at, .text = "1"};
		map->keys[map->n] = one_pair(l, "count", count)->keys[0];
		map->items[map->n++] = count;
		return map;
	}
	if (strcmp(key, "for") == 0)
		return one_pair(l, "total", n);
	if (strcmp(key, "schedule") == 0)
		return one_pair(l, "calendar", n);
	return n;
}

/* One more alternative: a mapping merged key by key would be "and", and weaken the gate. */
static struct node *add_alternative(struct load *l, struct node *old, struct node *more)
{
	struct node *list = arena_new(&l->rs->arena, struct node);
	size_t n = old->kind == NODE_LIST ? old->n : 1;

	*list = (struct node){.kind = NODE_LIST, .at = more->at, .n = n + 1};
	list->items = arena_array(&l->rs->arena, struct node *, n + 1);
	if (old->kind == NODE_LIST && n)
		memcpy(list->items, old->items, n * sizeof(*list->items));
	else if (old->kind != NODE_LIST)
		list->items[0] = old;
	list->items[n] = more;
	return list;
}

static struct node *merge(struct load *l, const struct node *old, const struct node *with, bool top);

static struct node *merge_value(struct load *l, const char *key, struct node *old, struct node *with, bool top)
{
	if (top && strcmp(key, "do") == 0)
		return with;
	if (top && strcmp(key, "unless") == 0 && with->kind == NODE_MAP)
		return add_alternative(l, old, with);
	if (top && with->kind == NODE_MAP)
		old = expand(l, key, old);
	if (top && strcmp(key, "where") == 0 && old->kind == NODE_LIST && with->kind == NODE_MAP) {
		diag_error(l->d, &with->at, "override", "'where' is a list there: a mapping cannot be merged into it");
		diag_hint(l->d, "write the whole list, or where: {all: [{any: [..]}, {..}]}");
		return old;
	}
	return old->kind == NODE_MAP && with->kind == NODE_MAP ? merge(l, old, with, false) : with;
}

static void set_key(struct load *l, struct node *map, const struct node *key, struct node *with, bool top)
{
	size_t i = 0;

	while (i < map->n && strcmp(map->keys[i]->text, key->text) != 0)
		i++;
	if (node_is_null(with)) {
		if (i == map->n)
			return;
		map->n--;
		memmove(map->keys + i, map->keys + i + 1, (map->n - i) * sizeof(*map->keys));
		memmove(map->items + i, map->items + i + 1, (map->n - i) * sizeof(*map->items));
		return;
	}
	if (i == map->n) {
		map->keys[map->n] = (struct node *)(uintptr_t)key;
		map->items[map->n++] = with;
		return;
	}
	map->keys[i] = (struct node *)(uintptr_t)key;
	map->items[i] = merge_value(l, key->text, map->items[i], with, top);
}

static struct node *merge(struct load *l, const struct node *old, const struct node *with, bool top)
{
	struct node *map = copy_map(l, old, with->n);

	for (size_t i = 0; i < with->n; i++) {
		if (top && strcmp(with->keys[i]->text, "name") == 0)
			diag_error(l->d, &with->keys[i]->at, "override", "'name' cannot be overridden");
		else
			set_key(l, map, with->keys[i], with->items[i], top);
	}
	return map;
}

struct node *override_merge(struct load *l, const struct node *rule, const struct node *with)
{
	return merge(l, rule, with, true);
}
