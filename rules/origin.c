// SPDX-License-Identifier: GPL-2.0-or-later
/* Where each key of a rule was set: its own file, then the overrides in the order in which they were applied.
 * rules-language 4.12. */
#include "rules/ast.h"

#include <string.h>

struct walk {
	bool all; /* every place of a key, strongest last, as a list; else the strongest as a text */
	json_t *out;
};

static void put(const struct walk *w, const char *key, const struct place *at, const char *what)
{
	json_t *place = json_sprintf("%s:%d:%d%s", at->file, at->line, at->col, what), *list;

	if (!w->all) {
		json_object_set_new(w->out, key, place);
		return;
	}
	list = json_object_get(w->out, key);
	if (!list) {
		list = json_array();
		json_object_set_new(w->out, key, list);
	}
	json_array_append_new(list, place);
}

/* Mappings that are merged key by key, down to what replaces what was there. */
static void walk(const struct walk *w, const struct node *map, const char *prefix)
{
	for (size_t i = 0; i < map->n; i++) {
		_cleanup_(buf_free) struct buf key = {0};
		const struct node *n = map->items[i];
		const char *name = map->keys[i]->text;
		bool whole = !*prefix && (strcmp(name, "unless") == 0 || strcmp(name, "do") == 0);

		buf_addf(&key, "%s%s%s", prefix, *prefix ? "." : "", name);
		if (n->kind == NODE_MAP && !whole)
			walk(w, n, buf_str(&key));
		else
			put(w, buf_str(&key), &n->at, node_is_null(n) ? " (taken away)" : "");
	}
}

json_t *rule_origins(const struct rule *r, bool all)
{
	struct walk w = {.all = all, .out = json_object()};

	if (all)
		walk(&w, r->base, "");
	else
		put(&w, "rule", &r->at, "");
	for (size_t i = 0; i < r->n_overrides; i++)
		walk(&w, r->overrides[i], "");
	if (r->disabled_at.file)
		put(&w, "disabled", &r->disabled_at, "");
	return w.out;
}
