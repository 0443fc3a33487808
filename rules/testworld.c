// SPDX-License-Identifier: GPL-2.0-or-later
/* Worlds of *.test.yaml: facts by short names, ranges of devices, "from". */
#include "rules/testdecode.h"

#include <string.h>

struct value test_facts_get(const struct test_facts *f, enum fact_id id)
{
	for (size_t i = f->n; i-- > 0;)
		if (f->f[i].id == id)
			return f->f[i].v;
	return VALUE_NONE;
}

/* ---- small things ---- */

const char *test_scalar(struct decode *c, const struct node *n, const char *what)
{
	if (n->kind == NODE_SCALAR)
		return n->text;
	diag_error(c->d, &n->at, "type", "'%s' must be a text, not %s", what, node_kind_name(n));
	return "";
}

struct test_words test_words(struct decode *c, const struct node *n, const char *what)
{
	struct field f = {.name = what, .type = FIELD_STRINGS};
	struct strings texts = {0};
	struct test_words out = {0};

	if (!n || field_decode(&f, n, c->a, &texts, c->d) < 0)
		return out;
	out.w = arena_array(c->a, const char *, texts.n + 1);
	for (size_t i = 0; i < texts.n; i++)
		out.w[out.n++] = texts.nodes[i]->text;
	return out;
}

/* ---- facts ---- */

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct value set_value(struct decode *c, const struct node *n, const char *what)
{
	struct test_words all = test_words(c, n, what);
	struct strset *set = arena_new(c->a, struct strset);

	if (all.n > 1)
		qsort(all.w, all.n, sizeof(*all.w), compare_words);
	set->words = arena_array(c->a, const char *, all.n + 1);
	for (size_t i = 0; i < all.n; i++)
		if (i == 0 || strcmp(all.w[i], all.w[i - 1]) != 0)
			set->words[set->n++] = all.w[i];
	return value_set(set);
}

static void read_fact(struct decode *c, enum fact_id id, const struct node *n, struct test_fact *out)
{
	const struct fact_desc *desc = &fact_table[id];
	struct err e = {0};

	*out = (struct test_fact){.id = id, .at = n->at};
	if (node_is_null(n))
		return;
	if (desc->type == V_SET)
		out->v = set_value(c, n, desc->name);
	else if (n->kind != NODE_SCALAR)
		diag_error(c->d, &n->at, "type", "%s must be a text, not %s", desc->name, node_kind_name(n));
	else if (value_parse(desc->type, desc->words, n->text, &out->v, &e) < 0)
		diag_error(c->d, &n->at, "value", "%s: %s", desc->name, e.msg);
}

static const char *next_fact(const void *u, size_t i)
{
	(void)u;
	return i < FACT_MAX ? fact_table[i].name : NULL;
}

/* The fact that a key names: "state" in a member's set is member.state; full names are allowed everywhere. */
static int fact_of(struct decode *c, const char *prefix, const struct node *key)
{
	const char *full = prefix ? arena_printf(c->a, "%s.%s", prefix, key->text) : key->text, *near;
	int id = fact_lookup(full);

	if (id < 0)
		id = fact_lookup(key->text);
	if (id >= 0)
		return id;
	near = suggest_from(full, next_fact, NULL);
	diag_error(c->d, &key->at, "unknown-fact", "unknown fact '%s'", full);
	if (near)
		diag_hint(c->d, "did you mean '%s'?", near);
	return id;
}

static void add_fact(struct decode *c, struct test_facts *out, const char *prefix, const struct node *key,
		     const struct node *n)
{
	int id = fact_of(c, prefix, key);

	if (id < 0)
		return;
	out->f = arena_grow(c->a, out->f, &out->n, sizeof(*out->f));
	read_fact(c, (enum fact_id)id, n, &out->f[out->n - 1]);
}

/* All keys of the mapping that are none of the words. */
struct test_facts test_facts_decode(struct decode *c, const struct node *map, const char *prefix,
				    const char *const *except)
{
	struct test_facts out = {0};

	if (map->kind != NODE_MAP) {
		diag_error(c->d, &map->at, "type", "facts are a mapping, not %s", node_kind_name(map));
		return out;
	}
	for (size_t i = 0; i < map->n; i++) {
		size_t w = 0;

		while (except && except[w] && strcmp(except[w], map->keys[i]->text) != 0)
			w++;
		if (!except || !except[w])
			add_fact(c, &out, prefix, map->keys[i], map->items[i]);
	}
	return out;
}

static void merge_facts(struct decode *c, struct test_facts *into, const struct test_facts *more)
{
	struct test_facts all = {0};

	all.f = arena_array(c->a, struct test_fact, into->n + more->n + 1);
	if (into->n)
		memcpy(all.f, into->f, into->n * sizeof(*all.f));
	if (more->n)
		memcpy(all.f + into->n, more->f, more->n * sizeof(*all.f));
	all.n = into->n + more->n;
	*into = all;
}

/* ---- worlds ---- */

static struct test_device *device_get(struct decode *c, struct test_world *w, const char *name, const struct node *key)
{
	for (size_t i = 0; i < w->n_devices; i++)
		if (strcmp(w->devices[i].name, name) == 0)
			return &w->devices[i];
	w->devices = arena_grow(c->a, w->devices, &w->n_devices, sizeof(*w->devices));
	w->devices[w->n_devices - 1] = (struct test_device){.name = name, .at = key->at};
	return &w->devices[w->n_devices - 1];
}

/* "sda..sdf": the last character runs. */
static bool is_range(const char *name, size_t *len)
{
	const char *dots = strstr(name, "..");

	*len = dots ? (size_t)(dots - name) : 0;
	return dots && *len > 0 && strlen(dots + 2) == *len && strncmp(name, dots + 2, *len - 1) == 0 &&
	       dots[-1] <= dots[1 + *len];
}

static void world_devices(struct decode *c, struct test_world *w, const struct node *map)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
		const struct node *key = map->keys[i];
		struct test_facts facts = test_facts_decode(c, map->items[i], "device", NULL);
		size_t len;

		if (!is_range(key->text, &len)) {
			merge_facts(c, &device_get(c, w, key->text, key)->facts, &facts);
			continue;
		}
		for (int last = (unsigned char)key->text[len - 1]; last <= (unsigned char)key->text[2 * len + 1];
		     last++) {
			char *name = arena_strndup(c->a, key->text, len);

			name[len - 1] = (char)last;
			merge_facts(c, &device_get(c, w, name, key)->facts, &facts);
		}
	}
}

/* Keys of an array that are no facts. */
const char *const world_array_words[] = {"level", "format", "members", "spares", NULL};

static void world_arrays(struct decode *c, struct test_world *w, const struct node *map)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
		const struct node *key = map->keys[i], *n = map->items[i];
		struct test_array *array = NULL;
		struct test_facts facts;

		for (size_t k = 0; k < w->n_arrays; k++)
			if (strcmp(w->arrays[k].name, key->text) == 0)
				array = &w->arrays[k];
		if (!array) {
			w->arrays = arena_grow(c->a, w->arrays, &w->n_arrays, sizeof(*w->arrays));
			array = &w->arrays[w->n_arrays - 1];
			*array = (struct test_array){.name = key->text, .format = "ddf", .at = key->at};
		}
		facts = test_facts_decode(c, n, "array", world_array_words);
		merge_facts(c, &array->facts, &facts);
		if (node_get(n, "level"))
			array->level = test_scalar(c, node_get(n, "level"), "level");
		if (node_get(n, "format"))
			array->format = test_scalar(c, node_get(n, "format"), "format");
		if (node_get(n, "members"))
			array->members = test_words(c, node_get(n, "members"), "members");
		if (node_get(n, "spares"))
			array->spares = test_words(c, node_get(n, "spares"), "spares");
	}
}

static void world_snapshots(struct decode *c, struct test_world *w, const struct node *map)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++) {
		struct test_snapshot *s = NULL;
		struct test_facts facts = test_facts_decode(c, map->items[i], "snapshot", NULL);

		for (size_t k = 0; k < w->n_snapshots; k++)
			if (strcmp(w->snapshots[k].name, map->keys[i]->text) == 0)
				s = &w->snapshots[k];
		if (!s) {
			w->snapshots = arena_grow(c->a, w->snapshots, &w->n_snapshots, sizeof(*w->snapshots));
			s = &w->snapshots[w->n_snapshots - 1];
			*s = (struct test_snapshot){.name = map->keys[i]->text, .at = map->keys[i]->at};
		}
		merge_facts(c, &s->facts, &facts);
	}
}

struct raw_world {
	const char *from;
	bool boot;
	const struct node *devices, *arrays, *snapshots;
};

static const struct field world_fields[] = {
	{"from", FIELD_STRING, offsetof(struct raw_world, from)},
	{"boot", FIELD_BOOL, offsetof(struct raw_world, boot)},
	{"devices", FIELD_NODE, offsetof(struct raw_world, devices)},
	{"arrays", FIELD_NODE, offsetof(struct raw_world, arrays)},
	{"snapshots", FIELD_NODE, offsetof(struct raw_world, snapshots)},
	{NULL},
};
const struct schema world_schema = {"world", world_fields, NULL};

static void fill_world(struct decode *c, struct test_world *w, const struct node *n);

static void fill_from(struct decode *c, struct test_world *w, const struct node *from)
{
	const struct node *base = c->worlds ? node_get(c->worlds, from->text) : NULL;

	for (size_t i = 0; i < c->n_open; i++) {
		if (c->open[i] == base) {
			diag_error(c->d, &from->at, "cycle", "world '%s' starts from itself", from->text);
			return;
		}
	}
	if (!base || c->n_open == ARRAY_SIZE(c->open)) {
		diag_error(c->d, &from->at, "unknown-name", "no world '%s'", from->text);
		return;
	}
	c->open[c->n_open++] = base;
	fill_world(c, w, base);
	c->n_open--;
}

static void fill_world(struct decode *c, struct test_world *w, const struct node *n)
{
	struct raw_world raw = {0};

	if (schema_decode(&world_schema, n, NULL, c->a, &raw, c->d) < 0)
		return;
	if (raw.from)
		fill_from(c, w, node_get(n, "from"));
	if (node_get(n, "boot"))
		w->boot = raw.boot;
	if (raw.devices)
		world_devices(c, w, raw.devices);
	if (raw.arrays)
		world_arrays(c, w, raw.arrays);
	if (raw.snapshots)
		world_snapshots(c, w, raw.snapshots);
}

static void check_members(struct decode *c, const struct test_world *w)
{
	for (size_t i = 0; i < w->n_arrays; i++) {
		for (size_t m = 0; m < w->arrays[i].members.n + w->arrays[i].spares.n; m++) {
			const struct test_array *a = &w->arrays[i];
			const char *name = m < a->members.n ? a->members.w[m] : a->spares.w[m - a->members.n];
			size_t k = 0;

			while (k < w->n_devices && strcmp(w->devices[k].name, name) != 0)
				k++;
			if (k == w->n_devices && strcmp(name, "-") != 0 && *name)
				diag_error(c->d, &a->at, "unknown-name",
					   "array '%s' names device '%s', which the world has not", a->name, name);
		}
	}
}

struct test_world *test_world_decode(struct decode *c, const struct node *n)
{
	struct test_world *w = arena_new(c->a, struct test_world);

	w->name = n->kind == NODE_SCALAR ? n->text : "";
	w->at = n->at;
	if (n->kind == NODE_SCALAR)
		fill_from(c, w, n);
	else
		fill_world(c, w, n);
	check_members(c, w);
	return w;
}
