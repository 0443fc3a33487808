// SPDX-License-Identifier: GPL-2.0-or-later
/* Lints about rules beside each other, and about what nothing uses. */
#include "rules/lint.h"

#include <string.h>

/* ---- what one condition says about another ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_want(const struct cond *a, const struct cond *b)
{
	if (a->wanted && b->wanted)
		return same_text(a->wanted->parts[0].name, b->wanted->parts[0].name) &&
		       same_text(a->wanted->parts[0].fallback, b->wanted->parts[0].fallback);
	if (a->wanted || b->wanted || a->n_list != b->n_list)
		return false;
	for (size_t i = 0; i < a->n_list; i++)
		if (!value_equal(&a->list[i], &b->list[i]))
			return false;
	return a->test == TEST_IN || value_equal(&a->want, &b->want);
}

static bool same_cond(const struct cond *a, const struct cond *b)
{
	if (a->op != b->op || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_cond(a->kids[i], b->kids[i]))
			return false;
	return a->op != COND_TEST ||
	       (a->test == b->test && a->size == b->size && same_text(a->name, b->name) && same_want(a, b));
}

/* Two tests that are not the same. */
static bool test_implies(const struct cond *a, const struct cond *b)
{
	bool low = b->test == TEST_GT || b->test == TEST_GE, high = b->test == TEST_LT || b->test == TEST_LE;
	int order;

	if (a->fact != b->fact || a->calendar != b->calendar || a->wanted || b->wanted || a->size || b->size)
		return false;
	if (a->test == TEST_EQ)
		return lint_passes(b, &a->want);
	if (a->test == TEST_IN) {
		for (size_t i = 0; i < a->n_list; i++)
			if (a->list[i].type == V_STRING || !lint_passes(b, &a->list[i]))
				return false;
		return true;
	}
	if ((!low || (a->test != TEST_GT && a->test != TEST_GE)) &&
	    (!high || (a->test != TEST_LT && a->test != TEST_LE)))
		return false;
	order = value_compare(&a->want, &b->want);
	return low ? order > 0 || (order == 0 && (a->test == TEST_GT || b->test == TEST_GE))
		   : order < 0 || (order == 0 && (a->test == TEST_LT || b->test == TEST_LE));
}

bool lint_implies(const struct cond *a, const struct cond *b)
{
	if (!b)
		return true;
	if (b->op == COND_ALL) {
		for (size_t i = 0; i < b->n; i++)
			if (!lint_implies(a, b->kids[i]))
				return false;
		return true;
	}
	if (!a)
		return false;
	if (same_cond(a, b))
		return true;
	for (size_t i = 0; a->op == COND_ALL && i < a->n; i++)
		if (lint_implies(a->kids[i], b))
			return true;
	return a->op == COND_TEST && b->op == COND_TEST && test_implies(a, b);
}

static bool exclude_each_other(const struct cond *a, const struct cond *b)
{
	struct test_list x = {0}, y = {0};

	if (a)
		lint_flatten(a, &x);
	if (b)
		lint_flatten(b, &y);
	for (size_t i = 0; i < x.n; i++)
		for (size_t k = 0; k < y.n; k++)
			if (x.t[i]->fact == y.t[k]->fact && x.t[i]->calendar == y.t[k]->calendar &&
			    (lint_excludes(x.t[i], y.t[k]) || lint_excludes(y.t[k], x.t[i])))
				return true;
	return false;
}

static bool hears(const struct rule *r, const char *kind)
{
	for (size_t i = 0; i < r->n_kinds; i++)
		if (glob_match(r->kinds[i], kind) || strcmp(r->kinds[i], kind) == 0)
			return true;
	return false;
}

static bool hears_one_of(const struct rule *r, const struct rule *other)
{
	for (size_t i = 0; i < other->n_kinds; i++)
		if (hears(r, other->kinds[i]))
			return true;
	return false;
}

/* ---- unreachable ---- */

static bool stops_all(const struct rule *r)
{
	return r->stop && !r->disabled && !r->count && !r->n_parts && !r->unless && !r->limit_count &&
	       r->mode != RULE_SHADOW;
}

static bool hears_all_of(const struct rule *r, const struct rule *other)
{
	for (size_t i = 0; i < other->n_kinds; i++)
		if (!hears(r, other->kinds[i]))
			return false;
	return true;
}

static bool unreachable(struct load *l, const struct rule *r, const struct rule *before)
{
	if (!hears_all_of(before, r) || !lint_implies(r->where, before->where))
		return false;
	lint_warn(l, r, &r->at, "unreachable", "rule '%s' stops every event that this one could see", before->name);
	return true;
}

static void lint_unreachable(struct load *l)
{
	const struct rule **stops = arena_array(&l->rs->arena, const struct rule *, l->rs->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < l->rs->n; i++) {
		const struct rule *r = &l->rs->rules[i];
		bool asked = r->trigger == TRIGGER_EVENT && !r->n_parts;

		for (size_t k = 0; asked && k < n && !unreachable(l, r, stops[k]); k++)
			;
		if (stops_all(r))
			stops[n++] = r;
	}
}

/* ---- duplicate ---- */

static bool same_node(const struct node *a, const struct node *b)
{
	if (!a || !b || a->kind != b->kind || a->n != b->n)
		return !a && !b;
	if (a->kind == NODE_SCALAR)
		return strcmp(a->text, b->text) == 0;
	for (size_t i = 0; i < a->n; i++)
		if ((a->kind == NODE_MAP && strcmp(a->keys[i]->text, b->keys[i]->text) != 0) ||
		    !same_node(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool duplicates(const struct rule *a, const struct rule *b)
{
	static const char *const keys[] = {"do", "threshold", "sequence", "absence", "for", "schedule"};

	if (a->trigger != b->trigger || a->mode != b->mode || strcmp(a->trigger_text, b->trigger_text) != 0 ||
	    !(lint_implies(a->where, b->where) || lint_implies(b->where, a->where)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!same_node(node_get(a->node, keys[i]), node_get(b->node, keys[i])))
			return false;
	return true;
}

/* ---- actions that undo each other ---- */

/* What the first leaves: the fact is of that word then. */
static const struct inverse {
	const char *first, *second;
	int fact, word;
} inverses[] = {
	{"fail-member", "re-add-member", FACT_MEMBER_STATE, MEMBER_FAILED},
	{"fail-member", "add-spare", FACT_MEMBER_STATE, MEMBER_FAILED},
	{"re-add-member", "fail-member", FACT_MEMBER_STATE, MEMBER_IN_SYNC},
	{"add-spare", "remove-spare", FACT_SPARE_STATE, SPARE_IDLE},
	{"assemble", "stop-array", FACT_ARRAY_STATE, ARRAY_OPTIMAL},
	{"demote-path", "restore-path", FACT_PATH_MARGINAL, true},
	{"restore-path", "demote-path", FACT_PATH_MARGINAL, false},
	{"queue-io", "fail-io", -1, 0},
};

static bool does(const struct rule *r, const char *action)
{
	for (size_t i = 0; i < r->steps.n; i++)
		if (r->steps.s[i].action && strcmp(r->steps.s[i].action->name, action) == 0)
			return true;
	return false;
}

/* The second names what the first leaves, and is true of it as far as that alone can tell. */
static bool follows(const struct inverse *v, const struct rule *second)
{
	struct facts f = {0};

	if (v->fact < 0 || !second->where || !second->named[v->fact])
		return false;
	f.v[v->fact] = fact_table[v->fact].type == V_BOOL ? value_bool(v->word != 0)
							  : fact_enum((enum fact_id)v->fact, v->word);
	return cond_eval(second->where, &f) != TRUTH_FALSE;
}

static bool inhibits(const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < a->steps.n; i++)
		if (a->steps.s[i].effect == EFFECT_INHIBIT && a->steps.s[i].covers && a->steps.s[i].covers[b->index])
			return true;
	return false;
}

static void lint_inverse(struct load *l, const struct inverse *v, const struct rule *a, const struct rule *b)
{
	bool together = a->trigger == b->trigger &&
			(a->trigger == TRIGGER_EVENT ? hears_one_of(a, b) || hears_one_of(b, a) : a->sort == b->sort);

	if (!a->limit_count && !b->limit_count && follows(v, b))
		lint_warn(l, b, &b->at, "oscillating",
			  "'%s' of rule '%s' leaves what this rule undoes: give one a 'limit'", v->first, a->name);
	else if (together && a->priority == b->priority && !inhibits(a, b) && !inhibits(b, a) &&
		 !exclude_each_other(a->where, b->where))
		lint_warn(l, b, &b->at, "contradicting",
			  "'%s' here and '%s' of rule '%s' may come of one event: give one of them a priority",
			  v->second, v->first, a->name);
}

static void lint_inverses(struct load *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(inverses); i++) {
		const struct rule **second = arena_array(&l->rs->arena, const struct rule *, l->rs->n + 1);
		size_t n = 0;

		for (size_t k = 0; k < l->rs->n; k++)
			if (!l->rs->rules[k].disabled && does(&l->rs->rules[k], inverses[i].second))
				second[n++] = &l->rs->rules[k];
		for (size_t k = 0; k < l->rs->n && n; k++) {
			const struct rule *a = &l->rs->rules[k];

			if (a->disabled || !does(a, inverses[i].first))
				continue;
			for (size_t m = 0; m < n; m++)
				if (second[m] != a)
					lint_inverse(l, &inverses[i], a, second[m]);
		}
	}
}

/* ---- overrides ---- */

static void shadowed(struct load *l, const struct rule *r, const struct node *old, const struct node *with, bool top)
{
	for (size_t i = 0; i < old->n; i++) {
		const struct node *key = old->keys[i], *later = node_get(with, key->text);

		if (!later || (top && strcmp(key->text, "unless") == 0 && later->kind == NODE_MAP))
			continue;
		if (old->items[i]->kind == NODE_MAP && later->kind == NODE_MAP &&
		    !(top && strcmp(key->text, "do") == 0))
			shadowed(l, r, old->items[i], later, false);
		else
			lint_warn(l, r, &key->at, "shadowed-override", "'%s' is set again at %s:%d", key->text,
				  basename(later->at.file), later->at.line);
	}
}

static void lint_overrides(struct load *l, const struct rule *r)
{
	for (size_t i = 0; i < r->n_overrides; i++) {
		if (r->disabled && r->disabled_at.file)
			lint_warn(l, r, &r->overrides[i]->at, "unused",
				  "rule '%s' is disabled at %s:%d: nothing uses this", r->name,
				  basename(r->disabled_at.file), r->disabled_at.line);
		if (i + 1 < r->n_overrides)
			shadowed(l, r, r->overrides[i], r->overrides[i + 1], true);
	}
}

/* ---- order that nobody shares ---- */

static bool alone(const struct load *l, const struct rule *r)
{
	if (r->trigger == TRIGGER_WATCH)
		return l->rs->n_watches < 2;
	for (size_t i = 0; i < l->rs->n_kinds; i++)
		if (l->rs->kinds[i].n > 1 && hears(r, l->rs->kinds[i].kind))
			return false;
	return true;
}

static void lint_priority(struct load *l, const struct rule *r)
{
	const struct node *n = node_get(r->node, "priority");

	if (n && !r->disabled && r->trigger != TRIGGER_SCHEDULE && alone(l, r))
		lint_warn(l, r, &n->at, "no-effect", "no other rule is asked about the same: 'priority' has no effect");
}

static void lint_covers(struct load *l, const struct rule *r)
{
	for (size_t i = 0; i < r->steps.n; i++) {
		const struct step *s = &r->steps.s[i];

		for (size_t k = 0; s->covers && k < l->rs->n; k++)
			for (size_t f = 0; s->covers[k] && f < s->n_per; f++)
				if (!field_can_exist(&l->rs->rules[k], s->per[f]))
					lint_warn(l, r, &s->at, "no-effect",
						  "rule '%s' never has %s: it is not inhibited", l->rs->rules[k].name,
						  fact_table[s->per[f]].name);
	}
}

static bool any_watch_names(const struct load *l, enum fact_id a, enum fact_id b)
{
	for (size_t i = 0; i < l->rs->n; i++)
		if (l->rs->rules[i].trigger == TRIGGER_WATCH && (l->rs->rules[i].named[a] || l->rs->rules[i].named[b]))
			return true;
	return false;
}

static void lint_edge_only(struct load *l, const struct rule *r)
{
	if (r->trigger != TRIGGER_EVENT || !r->destructive)
		return;
	for (size_t i = 0; i < r->n_kinds; i++) {
		bool removed = strcmp(r->kinds[i], "device.removed") == 0;

		if ((removed && !any_watch_names(l, FACT_MEMBER_STATE, FACT_DEVICE_PRESENT)) ||
		    (strcmp(r->kinds[i], "array.degraded") == 0 &&
		     !any_watch_names(l, FACT_ARRAY_STATE, FACT_MEMBER_STATE)))
			lint_warn(l, r, &r->at, "edge-only",
				  "nothing is done when the state is there at start-up: no 'watch' rule covers %s",
				  r->kinds[i]);
	}
}

static void lint_unused(struct load *l, const struct named_nodes *list, const char *what)
{
	for (size_t i = 0; i < list->n; i++)
		if (!list->v[i].used)
			diag_warning(l->d, &list->v[i].key->at, "unused", "%s '%s' is not used", what, list->v[i].name);
}

/* Rules with the same trigger stand side by side, when they are sorted by it. */
static int by_trigger(const void *pa, const void *pb)
{
	const struct rule *const *a = pa, *const *b = pb;
	int order = strcmp((*a)->trigger_text, (*b)->trigger_text);

	return order ? order : ((*a)->index > (*b)->index) - ((*a)->index < (*b)->index);
}

enum { BESIDE_MAX = 64 };

static void lint_duplicates(struct load *l)
{
	const struct rule **sorted = arena_array(&l->rs->arena, const struct rule *, l->rs->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < l->rs->n; i++)
		if (!l->rs->rules[i].disabled)
			sorted[n++] = &l->rs->rules[i];
	if (n > 1)
		qsort(sorted, n, sizeof(*sorted), by_trigger);
	/* Of very many rules on one kind only near ones are compared: what is generated is generated in order. */
	for (size_t i = 0; i < n; i++) {
		size_t k = i > BESIDE_MAX ? i - BESIDE_MAX : 0;

		while (k < i && !duplicates(sorted[k], sorted[i]))
			k++;
		if (k < i)
			lint_warn(l, sorted[i], &sorted[i]->at, "duplicate",
				  "rule '%s' has the same trigger, a 'where' that holds together with this one, and "
				  "the same 'do'",
				  sorted[k]->name);
	}
}

/* Rules with mistakes are not what they will be: nothing is said of them beside others. */
static void lint_pairs(struct load *l)
{
	lint_unreachable(l);
	for (size_t i = 0; i < l->rs->n; i++) {
		lint_overrides(l, &l->rs->rules[i]);
		lint_priority(l, &l->rs->rules[i]);
		lint_covers(l, &l->rs->rules[i]);
	}
	lint_duplicates(l);
	lint_inverses(l);
}

void lint_set(struct load *l)
{
	for (size_t i = 0; i < l->rs->n; i++)
		lint_edge_only(l, &l->rs->rules[i]);
	if (l->d->errors == 0)
		lint_pairs(l);
	lint_unused(l, &l->lists, "list");
	lint_unused(l, &l->conditions, "condition");
	lint_unused(l, &l->calendars, "calendar");
}
