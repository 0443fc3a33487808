// SPDX-License-Identifier: GPL-2.0-or-later
/* Legal but probably wrong. A rule silences one by a comment "# lint: NAME" on its name line. rules-language 6. */
#include "rules/ast.h"

#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The line of the rule's name holds "# lint:" and the lint's name after it. */
static bool silenced(const struct load *l, const struct rule *r, const char *name)
{
	const struct tree *t = NULL;
	const char *line, *end, *comment;

	for (size_t i = 0; i < l->rs->n_trees; i++)
		if (l->rs->trees[i].file && strcmp(l->rs->trees[i].file, r->at.file) == 0)
			t = &l->rs->trees[i];
	if (!t)
		return false;
	line = t->text;
	for (int n = 1; n < r->at.line && (line = strchr(line, '\n')); n++)
		line++;
	if (!line)
		return false;
	end = strchrnul(line, '\n');
	comment = memmem(line, (size_t)(end - line), "# lint:", 7);
	return comment && memmem(comment, (size_t)(end - comment), name, strlen(name));
}

static void warn(struct load *l, const struct rule *r, const struct place *at, const char *name, const char *fmt, ...)
	_printf_(5, 6);

static void warn(struct load *l, const struct rule *r, const struct place *at, const char *name, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (silenced(l, r, name))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_warning(l->d, at, name, "%s", text);
}

/* ---- never-true ---- */

enum { TESTS_MAX = 64 };

struct test_list {
	const struct cond *t[TESTS_MAX];
	size_t n;
};

/* The tests that must all hold. */
static void flatten(const struct cond *c, struct test_list *out)
{
	if (c->op == COND_TEST && out->n < TESTS_MAX)
		out->t[out->n++] = c;
	else if (c->op == COND_ALL)
		for (size_t i = 0; i < c->n; i++)
			flatten(c->kids[i], out);
}

static bool constant(const struct cond *c)
{
	return !c->wanted && !c->size;
}

/* Whether a value passes a constant test. */
static bool passes(const struct cond *c, const struct value *v)
{
	struct facts f = {0};
	bool calendars[CALENDARS_MAX];

	for (size_t i = 0; i < CALENDARS_MAX; i++)
		calendars[i] = v->type == V_BOOL && v->b;

	f.v[c->fact] = *v;
	f.calendars = calendars;
	return cond_eval(c, &f) == TRUTH_TRUE;
}

static bool range_empty(const struct cond *low, const struct cond *high)
{
	int order;

	if ((low->test != TEST_GT && low->test != TEST_GE) || (high->test != TEST_LT && high->test != TEST_LE))
		return false;
	order = value_compare(&low->want, &high->want);
	return order > 0 || (order == 0 && !(low->test == TEST_GE && high->test == TEST_LE));
}

/* No value of a's passes b. */
static bool excludes(const struct cond *a, const struct cond *b)
{
	if (a->test == TEST_EXISTS && !a->want.b)
		return b->test != TEST_EXISTS || b->want.b;
	if (b->test == TEST_EXISTS || !constant(a) || !constant(b))
		return false;
	if (a->test == TEST_EQ)
		return !passes(b, &a->want);
	if (a->test == TEST_IN) {
		for (size_t i = 0; i < a->n_list; i++)
			if (a->list[i].type == V_STRING || passes(b, &a->list[i]))
				return false;
		return true;
	}
	return range_empty(a, b);
}

static void lint_never_true(struct load *l, const struct rule *r)
{
	struct test_list tests = {0};

	if (!r->where)
		return;
	flatten(r->where, &tests);
	for (size_t i = 0; i < tests.n; i++) {
		for (size_t k = 0; k < tests.n; k++) {
			const struct cond *a = tests.t[i], *b = tests.t[k];

			if (i == k || a->fact != b->fact || a->calendar != b->calendar || !excludes(a, b))
				continue;
			warn(l, r, &tests.t[MAX(i, k)]->at, "never-true",
			     "'where' is never true: the tests of %s exclude each other", a->name);
			return;
		}
	}
}

/* ---- others ---- */

static bool can_storm(const char *kind)
{
	return field_kind_matches("block.*,path.*,device.changed", kind);
}

static void lint_no_limit(struct load *l, const struct rule *r)
{
	bool storm = false;

	for (size_t i = 0; i < r->n_kinds; i++)
		storm |= can_storm(r->kinds[i]);
	if (r->trigger != TRIGGER_EVENT || !storm || r->count || r->absence || r->limit_count)
		return;
	for (size_t i = 0; i < r->steps.n; i++) {
		const struct step *s = &r->steps.s[i];

		if (!s->action || (strcmp(s->action->name, "notify") != 0 && strcmp(s->action->name, "exec") != 0 &&
				   strcmp(s->action->name, "emit") != 0))
			continue;
		warn(l, r, &s->at, "no-limit",
		     "'%s' on every event of a kind that can come in storms: add 'limit' or 'threshold'",
		     s->action->name);
		return;
	}
}

static void lint_no_guard(struct load *l, const struct rule *r)
{
	if (r->count || r->for_ns >= NS_PER_SEC || r->limit_count || r->trigger == TRIGGER_SCHEDULE ||
	    r->mode == RULE_ASK)
		return;
	for (size_t i = 0; i < r->steps.n; i++) {
		if (r->steps.s[i].action && r->steps.s[i].action->destructive) {
			warn(l, r, &r->steps.s[i].at, "no-guard",
			     "'%s' without 'threshold', 'for' or 'limit': one wrong event is enough",
			     r->steps.s[i].action->name);
			return;
		}
	}
}

static bool tests_exists(const struct cond *c, enum fact_id fact)
{
	if (c->op == COND_TEST)
		return c->fact == fact && c->test == TEST_EXISTS;
	for (size_t i = 0; i < c->n; i++)
		if (tests_exists(c->kids[i], fact))
			return true;
	return false;
}

static void lint_optional(struct load *l, const struct rule *r, const struct cond *c)
{
	for (size_t i = 0; c->op != COND_TEST && i < c->n; i++)
		lint_optional(l, r, c->kids[i]);
	if (c->op == COND_TEST && c->test != TEST_EXISTS && fact_table[c->fact].optional &&
	    fact_table[c->fact].from != FROM_MATCH && !tests_exists(r->unless, c->fact))
		warn(l, r, &c->at, "optional-in-unless",
		     "%s may be unknown, and 'unless' holds back then: test 'exists' too", fact_table[c->fact].name);
}

void lint_rule(struct load *l, const struct rule *r)
{
	lint_never_true(l, r);
	lint_no_guard(l, r);
	lint_no_limit(l, r);
	if (r->unless)
		lint_optional(l, r, r->unless);
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
			warn(l, r, &r->at, "edge-only",
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

void lint_set(struct load *l)
{
	for (size_t i = 0; i < l->rs->n; i++)
		lint_edge_only(l, &l->rs->rules[i]);
	lint_unused(l, &l->lists, "list");
	lint_unused(l, &l->conditions, "condition");
	lint_unused(l, &l->calendars, "calendar");
}
