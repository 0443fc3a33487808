// SPDX-License-Identifier: GPL-2.0-or-later
/* Legal but probably wrong. A rule silences one by a comment "# lint: NAME" on its name line. rules-language 6. */
#include "rules/lint.h"

#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Rules are mostly looked at in their order: a line is found from the last one that was. */
static const char *line_of(struct load *l, const struct tree *t, int wanted)
{
	if (l->lint_tree != t || l->lint_line > wanted) {
		l->lint_tree = t;
		l->lint_line = 1;
		l->lint_at = t->text;
	}
	while (l->lint_at && l->lint_line < wanted) {
		l->lint_at = strchr(l->lint_at, '\n');
		l->lint_at += l->lint_at != NULL;
		l->lint_line++;
	}
	return l->lint_at;
}

/* The line of the rule's name holds "# lint:" and the lint's name after it. */
static bool silenced(struct load *l, const struct rule *r, const char *name)
{
	const struct tree *t = NULL;
	const char *line, *end, *comment;

	for (size_t i = 0; i < l->rs->n_trees; i++)
		if (l->rs->trees[i].file && strcmp(l->rs->trees[i].file, r->at.file) == 0)
			t = &l->rs->trees[i];
	if (!t)
		return false;
	line = line_of(l, t, r->at.line);
	if (!line)
		return false;
	end = strchrnul(line, '\n');
	comment = memmem(line, (size_t)(end - line), "# lint:", 7);
	return comment && memmem(comment, (size_t)(end - comment), name, strlen(name));
}

void lint_warn(struct load *l, const struct rule *r, const struct place *at, const char *name, const char *fmt, ...)
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

/* ---- what tests say about each other ---- */

void lint_flatten(const struct cond *c, struct test_list *out)
{
	if (c->op == COND_TEST && out->n < TESTS_MAX)
		out->t[out->n++] = c;
	else if (c->op == COND_ALL)
		for (size_t i = 0; i < c->n; i++)
			lint_flatten(c->kids[i], out);
}

static bool constant(const struct cond *c)
{
	return !c->wanted && !c->size;
}

bool lint_passes(const struct cond *c, const struct value *v)
{
	return test_passes(c, *v, c->want) == TRUTH_TRUE;
}

static bool range_empty(const struct cond *low, const struct cond *high)
{
	int order;

	if ((low->test != TEST_GT && low->test != TEST_GE) || (high->test != TEST_LT && high->test != TEST_LE))
		return false;
	order = value_compare(&low->want, &high->want);
	return order > 0 || (order == 0 && !(low->test == TEST_GE && high->test == TEST_LE));
}

bool lint_excludes(const struct cond *a, const struct cond *b)
{
	if (a->test == TEST_EXISTS && !a->want.b)
		return b->test != TEST_EXISTS || b->want.b;
	if (b->test == TEST_EXISTS || !constant(a) || !constant(b))
		return false;
	if (a->test == TEST_EQ)
		return !lint_passes(b, &a->want);
	if (a->test == TEST_IN) {
		for (size_t i = 0; i < a->n_list; i++)
			if (a->list[i].type == V_STRING || lint_passes(b, &a->list[i]))
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
	lint_flatten(r->where, &tests);
	for (size_t i = 0; i < tests.n; i++) {
		for (size_t k = 0; k < tests.n; k++) {
			const struct cond *a = tests.t[i], *b = tests.t[k];

			if (i == k || a->fact != b->fact || a->calendar != b->calendar || !lint_excludes(a, b))
				continue;
			lint_warn(l, r, &tests.t[MAX(i, k)]->at, "never-true",
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
		lint_warn(l, r, &s->at, "no-limit",
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
			lint_warn(l, r, &r->steps.s[i].at, "no-guard",
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
		lint_warn(l, r, &c->at, "optional-in-unless",
			  "%s may be unknown, and 'unless' holds back then: test 'exists' too",
			  fact_table[c->fact].name);
}

/* ---- always-true ---- */

/* What is so whenever the rule is asked: of the watched sort, or of the event's kind. */
static const struct {
	enum subject_sort sort;
	const char *kind;
	enum fact_id fact;
	int word;
} certain[] = {
	{SORT_MEMBER, NULL, FACT_DEVICE_ROLE, ROLE_MEMBER},
	{SORT_SPARE, NULL, FACT_DEVICE_ROLE, ROLE_SPARE},
	{SORT_PATH, NULL, FACT_DEVICE_ROLE, ROLE_PATH},
	{SORT_NONE, "device.added", FACT_DEVICE_PRESENT, true},
	{SORT_NONE, "device.removed", FACT_DEVICE_PRESENT, false},
	{SORT_NONE, "array.degraded", FACT_ARRAY_STATE, ARRAY_DEGRADED},
	{SORT_NONE, "array.failed", FACT_ARRAY_STATE, ARRAY_FAILED},
	{SORT_NONE, "array.optimal", FACT_ARRAY_STATE, ARRAY_OPTIMAL},
	{SORT_NONE, "spare.added", FACT_DEVICE_ROLE, ROLE_SPARE},
};

/* The fact's only value; unknown if it has several. */
static struct value certain_value(const struct rule *r, enum fact_id fact)
{
	if (r->trigger == TRIGGER_EVENT && r->n_kinds == 1 && fact == FACT_EVENT_KIND && !glob_is(r->kinds[0]))
		return value_str(r->kinds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(certain); i++) {
		bool same = certain[i].kind ? r->trigger == TRIGGER_EVENT && r->n_kinds == 1 && !r->n_parts &&
						      strcmp(r->kinds[0], certain[i].kind) == 0
					    : r->trigger == TRIGGER_WATCH && r->sort == certain[i].sort;

		if (same && certain[i].fact == fact)
			return fact_table[fact].type == V_BOOL ? value_bool(certain[i].word != 0)
							       : fact_enum(fact, certain[i].word);
	}
	return VALUE_NONE;
}

static bool always_true(const struct rule *r, const struct cond *c)
{
	struct value v;

	if (c->op != COND_TEST)
		return false;
	if (c->test == TEST_EXISTS) /* what the watched subject itself has for certain */
		return c->want.b && r->trigger == TRIGGER_WATCH && !fact_table[c->fact].optional &&
		       field_sort(c->fact) == r->sort;
	v = certain_value(r, c->fact);
	return v.type != V_NONE && constant(c) && lint_passes(c, &v);
}

static void lint_always_true(struct load *l, const struct rule *r)
{
	struct test_list tests = {0};

	if (r->where)
		lint_flatten(r->where, &tests);
	for (size_t i = 0; i < tests.n; i++)
		if (always_true(r, tests.t[i]))
			lint_warn(l, r, &tests.t[i]->at, "always-true", "%s is always so on %s", tests.t[i]->name,
				  r->trigger_text);
}

static bool holds_always(const struct rule *r, const struct cond *c)
{
	bool all = true, any = false;

	if (c->op == COND_TEST)
		return always_true(r, c);
	for (size_t i = 0; i < c->n; i++) {
		bool one = holds_always(r, c->kids[i]);

		all = all && one;
		any = any || one;
	}
	return c->op == COND_ALL ? all : c->op == COND_ANY && any;
}

/* A gate that is never open. */
static void lint_unless(struct load *l, const struct rule *r)
{
	if (r->unless && holds_always(r, r->unless))
		lint_warn(l, r, &node_get(r->node, "unless")->at, "never-true",
			  "'unless' always holds back: it is always so on %s", r->trigger_text);
}

void lint_rule(struct load *l, const struct rule *r)
{
	lint_never_true(l, r);
	lint_always_true(l, r);
	lint_unless(l, r);
	lint_no_guard(l, r);
	lint_no_limit(l, r);
	lint_gates(l, r);
	lint_texts(l, r);
	if (r->unless)
		lint_optional(l, r, r->unless);
}
