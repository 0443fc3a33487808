// SPDX-License-Identifier: GPL-2.0-or-later
/* Files to a rule set: parse, collect, override, compile, order, index. A transaction. */
#include "rules/ast.h"

#include "config/dirs.h"

#include <errno.h>
#include <string.h>

struct raw_file {
	int64_t version;
	const struct node *rules, *lists, *conditions, *calendars, *override, *disable;
};

static const struct field file_fields[] = {
	{"version", FIELD_INT, offsetof(struct raw_file, version), .required = true, .min = 1, .max = 1},
	{"rules", FIELD_NODE, offsetof(struct raw_file, rules)},
	{"lists", FIELD_NODE, offsetof(struct raw_file, lists)},
	{"conditions", FIELD_NODE, offsetof(struct raw_file, conditions)},
	{"calendars", FIELD_NODE, offsetof(struct raw_file, calendars)},
	{"override", FIELD_NODE, offsetof(struct raw_file, override)},
	{"disable", FIELD_NODE, offsetof(struct raw_file, disable)},
	{NULL},
};

static const struct retired file_retired[] = {{"rule", "the key is 'rules'"},
					      {"macros", "the key is 'conditions'"},
					      {"overrides", "the key is 'override'"},
					      {NULL, NULL}};

const struct schema file_schema = {"file", file_fields, file_retired};

enum { RULES_MAX = 10000 };

struct named_node *named_find(struct named_nodes *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].name, name) == 0)
			return &list->v[i];
	return NULL;
}

/* ---- collecting ---- */

static void collect_named(struct load *l, struct named_nodes *list, const struct node *map, int layer, const char *what)
{
	if (map->kind != NODE_MAP) {
		diag_error(l->d, &map->at, "type", "'%ss' must be a mapping, not %s", what, node_kind_name(map));
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->keys[i];
		struct named_node *old = named_find(list, key->text);

		if (!name_valid(key->text)) {
			diag_error(l->d, &key->at, "name", "'%s' is not a name", key->text);
		} else if (strcmp(what, "list") == 0 && map->items[i]->kind != NODE_LIST) {
			diag_error(l->d, &map->items[i]->at, "type", "list '%s' must be a list, not %s", key->text,
				   node_kind_name(map->items[i]));
		} else if (old && old->layer == layer) {
			diag_error(l->d, &key->at, "duplicate-name", "%s '%s' is already defined at %s:%d:%d", what,
				   key->text, old->key->at.file, old->key->at.line, old->key->at.col);
		} else if (old && old->layer < layer) {
			*old = (struct named_node){key->text, map->items[i], key, layer};
		} else if (!old) {
			list->v = arena_grow(&l->rs->arena, list->v, &list->n, sizeof(*list->v));
			list->v[list->n - 1] = (struct named_node){key->text, map->items[i], key, layer};
		}
	}
}

static struct rule *find_rule(struct load *l, const char *name)
{
	const struct rule *r = name_find(&l->names, name);

	return r ? &l->rs->rules[r - l->rs->rules] : NULL;
}

static void collect_rule(struct load *l, const struct node *n)
{
	const struct node *name = n->kind == NODE_MAP ? node_get(n, "name") : NULL;
	struct rule *old, *r;

	if (n->kind != NODE_MAP) {
		diag_error(l->d, &n->at, "type", "a rule is a mapping, not %s", node_kind_name(n));
		return;
	}
	if (!name || name->kind != NODE_SCALAR || !*name->text) {
		diag_error(l->d, &n->at, "missing-key", "a rule needs 'name'");
		return;
	}
	old = find_rule(l, name->text);
	if (old) {
		diag_error(l->d, &name->at, "duplicate-rule", "rule '%s' is already defined at %s:%d:%d", name->text,
			   old->at.file, old->at.line, old->at.col);
		diag_hint(l->d, "to change it use override: {%s: {..}}", name->text);
		return;
	}
	if (l->rs->n == RULES_MAX) {
		diag_error(l->d, &name->at, "too-many", "more than 10000 rules");
		return;
	}
	r = &l->rs->rules[l->rs->n++];
	/* Room for all was made before the first. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	*r = (struct rule){.name = name->text, .at = name->at, .node = n, .base = n, .position = l->rs->n};
	r->file = basename(name->at.file);
	name_add(&l->rs->arena, &l->names, r);
	steps_collect_kinds(l, node_get(n, "do"));
}

/* How many rules it has at most. */
static size_t decode_file(struct load *l, const struct tree *t, struct raw_file *raw)
{
	if (!t->root)
		return 0;
	schema_decode(&file_schema, t->root, NULL, &l->rs->arena, raw, l->d);
	return raw->rules ? raw->rules->n : 0;
}

static void collect_file(struct load *l, int layer, const struct raw_file *raw)
{
	if (raw->lists)
		collect_named(l, &l->lists, raw->lists, layer, "list");
	if (raw->conditions)
		collect_named(l, &l->conditions, raw->conditions, layer, "condition");
	if (raw->calendars)
		collect_named(l, &l->calendars, raw->calendars, layer, "calendar");
	if (raw->rules && raw->rules->kind != NODE_LIST)
		diag_error(l->d, &raw->rules->at, "type", "'rules' must be a list, not %s", node_kind_name(raw->rules));
	for (size_t i = 0; raw->rules && raw->rules->kind == NODE_LIST && i < raw->rules->n; i++)
		collect_rule(l, raw->rules->items[i]);
}

/* ---- override, disable ---- */

static const char *next_rule(const void *u, size_t i)
{
	const struct ruleset *rs = u;

	return i < rs->n ? rs->rules[i].name : NULL;
}

static void apply_override(struct load *l, const struct node *key, const struct node *with)
{
	size_t len = strlen(key->text);
	bool optional = len > 0 && key->text[len - 1] == '?';
	const char *name = arena_strndup(&l->rs->arena, key->text, len - optional), *near;
	struct rule *r = find_rule(l, name);

	if (!r && optional)
		return;
	if (!r) {
		near = suggest_from(name, next_rule, l->rs);
		diag_error(l->d, &key->at, "unknown-rule", "no rule '%s' to override", name);
		if (near)
			diag_hint(l->d, "did you mean '%s'? if it may be absent write \"%s?\"", near, name);
		else
			diag_hint(l->d, "if it may be absent write \"%s?\"", name);
		return;
	}
	if (with->kind != NODE_MAP) {
		diag_error(l->d, &with->at, "type", "an override is a mapping, not %s", node_kind_name(with));
		return;
	}
	r->node = override_merge(l, r->node, with);
	r->overrides = arena_grow(&l->rs->arena, r->overrides, &r->n_overrides, sizeof(*r->overrides));
	r->overrides[r->n_overrides - 1] = with;
	steps_collect_kinds(l, node_get(with, "do"));
}

static void apply_disable(struct load *l, const struct node *n)
{
	struct field f = {.name = "disable", .type = FIELD_STRINGS};
	struct strings words;

	if (field_decode(&f, n, &l->rs->arena, &words, l->d) < 0)
		return;
	for (size_t i = 0; i < words.n; i++) {
		const char *pattern = words.nodes[i]->text;
		size_t hits = 0;

		for (size_t r = 0; r < l->rs->n; r++) {
			if (glob_match(pattern, l->rs->rules[r].name)) {
				l->rs->rules[r].disabled = true;
				l->rs->rules[r].disabled_at = words.nodes[i]->at;
				hits++;
			}
		}
		if (hits == 0 && !glob_is(pattern)) {
			const char *near = suggest_from(pattern, next_rule, l->rs);

			diag_error(l->d, &words.nodes[i]->at, "unknown-rule", "no rule '%s' to disable", pattern);
			if (near)
				diag_hint(l->d, "did you mean '%s'?", near);
		} else if (hits == 0) {
			diag_warning(l->d, &words.nodes[i]->at, "unused", "no rule matches '%s'", pattern);
		}
	}
}

static void apply_changes(struct load *l, const struct rule_source *sources, const struct raw_file *raws, size_t n)
{
	int top = 0;

	for (size_t i = 0; i < n; i++)
		top = MAX(top, sources[i].layer);
	for (int layer = 0; layer <= top; layer++) {
		for (size_t i = 0; i < n; i++) {
			const struct node *map = raws[i].override;

			if (sources[i].layer != layer || !map)
				continue;
			if (map->kind != NODE_MAP)
				diag_error(l->d, &map->at, "type", "'override' must be a mapping, not %s",
					   node_kind_name(map));
			for (size_t k = 0; map->kind == NODE_MAP && k < map->n; k++)
				apply_override(l, map->keys[k], map->items[k]);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (raws[i].disable)
			apply_disable(l, raws[i].disable);
}

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void check_only(struct load *l)
{
	for (const char *const *name = l->o->only; name && *name; name++) {
		struct place nowhere = {0};
		const char *near;

		if (find_rule(l, *name))
			continue;
		diag_error(l->d, &nowhere, "unknown-rule", "no rule '%s'", *name);
		near = suggest_from(*name, next_rule, l->rs);
		if (near)
			diag_hint(l->d, "did you mean '%s'?", near);
	}
	for (size_t i = 0; l->o->only && i < l->rs->n; i++)
		l->rs->rules[i].disabled |= !listed(l->o->only, l->rs->rules[i].name);
}

/* ---- ordering and indexing ---- */

static int compare_rules(const void *pa, const void *pb)
{
	const struct rule *a = pa, *b = pb;
	int r = b->priority - a->priority;

	if (r == 0)
		r = strcmp(a->file, b->file);
	return r ? r : (a->position > b->position) - (a->position < b->position);
}

static void cover_add(struct rule *r, const struct step *s)
{
	for (size_t i = 0; i < s->n_per; i++) {
		size_t k = 0;

		while (k < r->cover.n && r->cover.f[k] != s->per[i])
			k++;
		if (k == r->cover.n && r->cover.n < PER_MAX)
			r->cover.f[r->cover.n++] = s->per[i];
	}
}

static void resolve_inhibit(struct load *l, struct rule *r, struct step *s)
{
	s->covers = arena_array(&l->rs->arena, bool, l->rs->n + 1);
	for (size_t p = 0; p < s->n_patterns; p++) {
		const struct node *at =
			s->patterns_node->kind == NODE_LIST ? s->patterns_node->items[p] : s->patterns_node;
		size_t hits = 0;

		for (size_t i = 0; i < l->rs->n; i++) {
			if (!glob_match(s->patterns[p], l->rs->rules[i].name) || &l->rs->rules[i] == r)
				continue;
			s->covers[i] = true;
			cover_add(&l->rs->rules[i], s);
			hits++;
		}
		if (hits == 0) {
			const char *near = suggest_from(s->patterns[p], next_rule, l->rs);

			diag_error(l->d, &at->at, "unknown-rule", "no rule '%s' to inhibit", s->patterns[p]);
			if (near)
				diag_hint(l->d, "did you mean '%s'?", near);
		}
	}
}

static void build_index(struct load *l)
{
	struct ruleset *rs = l->rs;

	for (size_t i = 0; i < rs->n; i++)
		for (int f = 0; f < FACT_MAX && !rs->rules[i].disabled; f++)
			rs->named[f] |= rs->rules[i].named[f];

	rs->watches = arena_array(&rs->arena, const struct rule *, rs->n + 1);
	for (size_t i = 0; i < rs->n; i++)
		if (rs->rules[i].trigger == TRIGGER_WATCH && !rs->rules[i].disabled)
			rs->watches[rs->n_watches++] = &rs->rules[i];
	kinds_index(l);
}

static void finish_rules(struct load *l)
{
	struct ruleset *rs = l->rs;

	calendars_compile(l);
	for (size_t i = 0; i < rs->n; i++)
		rule_compile(l, &rs->rules[i]);
	if (rs->n > 1)
		qsort(rs->rules, rs->n, sizeof(*rs->rules), compare_rules);
	for (size_t i = 0; i < rs->n; i++)
		rs->rules[i].index = i;
	for (size_t i = 0; i < rs->n; i++)
		for (size_t s = 0; s < rs->rules[i].steps.n; s++)
			if (rs->rules[i].steps.s[s].effect == EFFECT_INHIBIT)
				resolve_inhibit(l, &rs->rules[i], &rs->rules[i].steps.s[s]);
	for (size_t i = 0; i < rs->n; i++)
		quick_compile(&rs->rules[i]);
	build_index(l);
	lint_set(l);
}

/* FNV-1a, 64 bits: whether two processes read the same, not whether somebody cheats. */
static uint64_t digest_add(uint64_t h, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t digest_of(const struct rule_source *sources, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++) {
		h = digest_add(h, &sources[i].layer, sizeof(sources[i].layer));
		h = digest_add(h, &sources[i].len, sizeof(sources[i].len));
		h = digest_add(h, sources[i].text, sources[i].len);
	}
	return h;
}

int ruleset_load(const struct rule_source *sources, size_t n, const struct ruleset_options *o, struct diag *d,
		 struct ruleset **ret)
{
	_cleanup_(ruleset_unrefp) struct ruleset *rs = calloc(1, sizeof(*rs));
	struct load l = {.rs = rs, .d = d, .o = o};
	struct raw_file *raws;
	size_t errors = d->errors, rules = 0;

	if (!rs)
		return -ENOMEM;
	rs->refs = 1;
	rs->mode = o->mode;
	rs->digest = digest_of(sources, n);
	rs->trees = arena_array(&rs->arena, struct tree, n + 1);
	raws = arena_array(&rs->arena, struct raw_file, n + 1);
	for (const char *const *kind = o->kinds; kind && *kind; kind++) {
		l.emitted = arena_grow(&rs->arena, l.emitted, &l.n_emitted, sizeof(*l.emitted));
		l.emitted[l.n_emitted - 1] = arena_strdup(&rs->arena, *kind);
	}
	for (size_t i = 0; i < n; i++) {
		rs->n_trees++;
		if (tree_parse(&rs->trees[i], sources[i].file, sources[i].text, sources[i].len, d) == 0)
			rules += decode_file(&l, &rs->trees[i], &raws[i]);
	}
	rs->rules = arena_array(&rs->arena, struct rule, MIN(rules, (size_t)RULES_MAX) + 1);
	for (size_t i = 0; i < n; i++)
		collect_file(&l, sources[i].layer, &raws[i]);
	apply_changes(&l, sources, raws, n);
	check_only(&l);
	finish_rules(&l);
	if (d->errors > errors || diag_failed(d))
		return -EINVAL;
	*ret = TAKE_PTR(rs);
	return 0;
}

int ruleset_load_dirs(const char *const *dirs, size_t n, const struct ruleset_options *o, struct diag *d,
		      struct ruleset **ret)
{
	_cleanup_(drop_ins_finish) struct drop_ins files = {0};
	_cleanup_(arena_finish) struct arena arena = {0};
	struct rule_source *sources;
	int r = drop_ins_list(dirs, n, d, &files);

	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	sources = arena_array(&arena, struct rule_source, files.n + 1);
	for (size_t i = 0; i < files.n; i++) {
		char *text;
		size_t len;

		r = text_read(&arena, files.files[i].path, &text, &len, d);
		if (r < 0)
			return -EINVAL;
		sources[i] = (struct rule_source){files.files[i].path, text, len, (int)files.files[i].layer};
	}
	return ruleset_load(sources, files.n, o, d, ret);
}
