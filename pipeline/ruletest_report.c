// SPDX-License-Identifier: GPL-2.0-or-later
/* What a test expected and what came: a time line with '+' for what was not expected and '-' for what is missing. */
#include "pipeline/ruletest_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool firing_kind_is(const struct firing *f, enum test_expect_kind what)
{
	switch (what) {
	case EXPECT_FIRED:
		return f->v->kind == VERDICT_FIRED && f->v->mode != RULE_SHADOW;
	case EXPECT_SHADOW:
		return f->v->kind == VERDICT_FIRED && f->v->mode == RULE_SHADOW;
	case EXPECT_CLEARED:
		return f->v->kind == VERDICT_CLEARED;
	case EXPECT_LIMITED:
		return f->v->kind == VERDICT_LIMITED;
	case EXPECT_ASKED:
		return f->v->kind == VERDICT_ASKED;
	case EXPECT_WITHDRAWN:
		return f->v->kind == VERDICT_WITHDRAWN;
	}
	return false;
}

static void print_time(int64_t ns, struct buf *out)
{
	struct value v = value_duration(ns);

	value_print(&v, VALUE_CANONICAL, out);
}

/* "refused: ..." is met by its beginning, and so is a refusal without its reason. */
static bool line_is(const char *want, const char *got)
{
	return strcmp(want, got) == 0 || (strncmp(want, "refused:", 8) == 0 && strncmp(want, got, strlen(want)) == 0);
}

static bool plan_is(const struct test_expect *x, const struct firing *f)
{
	if (!x->has_plan)
		return true;
	if (x->plan.n != json_array_size(f->plans))
		return false;
	for (size_t i = 0; i < x->plan.n; i++)
		if (!line_is(x->plan.w[i], json_string_value(json_array_get(f->plans, i))))
			return false;
	return true;
}

static bool text_is(const struct test_expect *x, const struct firing *f)
{
	if (!x->text)
		return true;
	for (size_t i = 0; i < json_array_size(f->texts); i++)
		if (strcmp(json_string_value(json_array_get(f->texts, i)), x->text) == 0)
			return true;
	return false;
}

static bool facts_are(const struct test_expect *x, const struct firing *f)
{
	for (size_t i = 0; i < x->with.n; i++)
		if (!value_equal(&f->v->facts->v[x->with.f[i].id], &x->with.f[i].v))
			return false;
	return true;
}

static int meet(const struct test_expect *x, struct runner *r)
{
	int met = 0;

	for (size_t i = 0; i < r->n_firings && met < x->times; i++) {
		struct firing *f = &r->firings[i];

		if (f->expected || f->v->time != x->at || strcmp(f->v->rule, x->rule) != 0 ||
		    !firing_kind_is(f, x->what) || !facts_are(x, f) || !plan_is(x, f) || !text_is(x, f))
			continue;
		f->expected = true;
		met++;
	}
	return met;
}

static bool need_not_be_listed(const struct firing *f)
{
	return f->expected || f->v->kind == VERDICT_LIMITED || f->v->kind == VERDICT_HELD ||
	       (f->v->kind == VERDICT_CLEARED && f->v->n_steps == 0);
}

/* ---- printing ---- */

struct line {
	int64_t at;
	size_t order;
	char *text;
};

struct lines {
	struct line *l;
	size_t n;
};

static void add_line(struct lines *ls, int64_t at, struct buf *text)
{
	struct line *more = reallocarray(ls->l, ls->n + 1, sizeof(*more));

	if (!more)
		return;
	ls->l = more;
	more[ls->n] = (struct line){.at = at, .order = ls->n, .text = buf_take(text)};
	ls->n++;
	*text = (struct buf){0};
}

static int by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static void add_entries(const struct test_case *t, struct lines *ls)
{
	static const char *const what[] = {
		[TEST_EVENT] = NULL,	    [TEST_SET] = "set",	      [TEST_SUSPEND] = "suspend",
		[TEST_RESTART] = "restart", [TEST_RELOAD] = "reload", [TEST_CLOCK] = "clock",
		[TEST_APPROVE] = "approve", [TEST_DENY] = "deny"};

	for (size_t i = 0; i < t->n_entries && i < 200; i++) {
		const struct test_entry *en = &t->entries[i];
		struct buf b = {0};

		buf_add(&b, "  ");
		print_time(en->at, &b);
		buf_addf(&b, "  %s %s", what[en->what] ? what[en->what] : en->kind,
			 en->device  ? en->device
			 : en->array ? en->array
			 : en->rule  ? en->rule
				     : "");
		for (size_t k = 0; k < en->n_sets; k++)
			buf_addf(&b, "%s%s %s", k ? ", " : "", sort_words[en->sets[k].sort], en->sets[k].name);
		add_line(ls, en->at, &b);
	}
}

static const char *subject_of(const struct verdict *v)
{
	if (v->n_contexts && v->contexts[0].device_name)
		return v->contexts[0].device_name;
	return v->n_contexts && v->contexts[0].array_name ? v->contexts[0].array_name : v->subject;
}

static void print_list(const json_t *list, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		buf_addf(out, "%s%s", i ? ", " : "  ", json_string_value(json_array_get(list, i)));
}

static void add_unexpected(const struct runner *r, struct lines *ls)
{
	for (size_t i = 0; i < r->n_firings; i++) {
		const struct firing *f = &r->firings[i];
		struct buf b = {0};

		if (need_not_be_listed(f))
			continue;
		buf_add(&b, "+ ");
		print_time(f->v->time, &b);
		buf_addf(&b, "  %s  %s%s%s", f->v->rule, subject_of(f->v), f->v->kind == VERDICT_FIRED ? "" : " ",
			 f->v->kind == VERDICT_FIRED ? "" : verdict_kind_word(f->v->kind));
		print_list(f->plans, &b);
		print_list(f->texts, &b);
		add_line(ls, f->v->time, &b);
	}
}

/* The verdict that the expectation may have meant: of the same rule and sort, and nothing else expected it; the nearest
 * in time. */
static const struct firing *meant(const struct runner *r, const struct test_expect *x)
{
	const struct firing *best = NULL;

	for (size_t i = 0; i < r->n_firings; i++) {
		const struct firing *f = &r->firings[i];

		if (f->expected || strcmp(f->v->rule, x->rule) != 0 || !firing_kind_is(f, x->what))
			continue;
		if (!best || llabs(f->v->time - x->at) < llabs(best->v->time - x->at))
			best = f;
	}
	return best;
}

static void print_plan_difference(const struct test_expect *x, const struct firing *f, struct buf *out)
{
	for (size_t i = 0; i < MAX(x->plan.n, json_array_size(f->plans)); i++) {
		const char *got = json_string_value(json_array_get(f->plans, i)),
			   *want = i < x->plan.n ? x->plan.w[i] : NULL;

		if (got && want && line_is(want, got))
			continue;
		buf_addf(out, "\n           step %zu is ", i + 1);
		buf_addf(out, got ? "'%s'" : "not there%s", got ? got : "");
		buf_addf(out, want ? ", not '%s'" : ", and not expected%s", want ? want : "");
	}
}

/* How what came is not what was expected. */
static void print_difference(const struct test_expect *x, const struct firing *f, struct buf *out)
{
	buf_add(out, "\n         it came, but");
	if (f->v->time != x->at) {
		buf_add(out, "\n           at ");
		print_time(f->v->time, out);
	}
	for (size_t i = 0; i < x->with.n; i++) {
		const struct value *got = &f->v->facts->v[x->with.f[i].id];

		if (value_equal(got, &x->with.f[i].v))
			continue;
		buf_addf(out, "\n           %s is ", fact_table[x->with.f[i].id].name);
		value_print(got, VALUE_CANONICAL, out);
		buf_add(out, got->type == V_NONE ? "not known, not " : ", not ");
		value_print(&x->with.f[i].v, VALUE_CANONICAL, out);
	}
	if (!plan_is(x, f))
		print_plan_difference(x, f, out);
	if (!text_is(x, f)) {
		buf_add(out, "\n           its text is");
		for (size_t i = 0; i < json_array_size(f->texts); i++)
			buf_addf(out, " \"%s\"", json_string_value(json_array_get(f->texts, i)));
		buf_addf(out, "%s, not \"%s\"", json_array_size(f->texts) ? "" : " not there", x->text);
	}
}

static void print_why_not(const struct runner *r, const struct test_expect *x, struct buf *out)
{
	for (size_t i = 0; i < r->n_whys; i++)
		if (!r->whys[i].of && r->whys[i].at == x->at && strcmp(r->whys[i].rule, x->rule) == 0 &&
		    r->whys[i].answer) {
			buf_addf(out, "\n         why not: %s", r->whys[i].answer);
			return;
		}
}

static void add_missing(const struct runner *r, const struct test_expect *x, int missing, struct lines *ls)
{
	const struct firing *f = meant(r, x);
	struct buf b = {0};

	buf_add(&b, "- ");
	print_time(x->at, &b);
	buf_addf(&b, "  %s", x->rule);
	if (missing > 1)
		buf_addf(&b, " %d times", missing);
	for (size_t i = 0; i < x->with.n; i++) {
		buf_addf(&b, "  %s=", fact_table[x->with.f[i].id].name);
		value_print(&x->with.f[i].v, VALUE_CANONICAL, &b);
	}
	for (size_t i = 0; i < x->plan.n; i++)
		buf_addf(&b, "%s%s", i ? ", " : "  ", x->plan.w[i]);
	if (x->text)
		buf_addf(&b, "  \"%s\"", x->text);
	if (f)
		print_difference(x, f, &b);
	else
		print_why_not(r, x, &b);
	add_line(ls, x->at, &b);
}

static bool check_whys(const struct runner *r, struct lines *ls)
{
	bool ok = true;

	for (size_t i = 0; i < r->n_whys; i++) {
		const struct why_at *w = &r->whys[i];
		struct buf b = {0};

		if (!w->of || (w->answer && strstr(w->answer, w->says)))
			continue;
		ok = false;
		buf_add(&b, "- ");
		print_time(w->at, &b);
		buf_addf(&b, "  why %s %s says \"%s\"\n         it says: %s", w->rule, w->subject, w->says,
			 w->answer ? w->answer : "nothing");
		add_line(ls, w->at, &b);
	}
	return ok;
}

static void print_lines(struct lines *ls, struct buf *out)
{
	if (ls->n)
		qsort(ls->l, ls->n, sizeof(*ls->l), by_time);
	for (size_t i = 0; i < ls->n; i++) {
		if (out && ls->l[i].text)
			buf_addf(out, "%s\n", ls->l[i].text);
		free(ls->l[i].text);
	}
	free(ls->l);
}

size_t missing_whys(struct runner *r, struct why_at **ret)
{
	struct why_at *list = calloc(r->test->n_expects + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < r->n_firings; i++)
		r->firings[i].expected = false;
	for (size_t i = 0; list && i < r->test->n_expects; i++) {
		const struct test_expect *x = &r->test->expects[i];
		struct value v;

		if (meet(x, r) >= x->times)
			continue;
		v = test_facts_get(&x->with, FACT_DEVICE_ID);
		if (v.type == V_NONE)
			v = test_facts_get(&x->with, FACT_ARRAY_ID);
		if (v.type == V_NONE)
			v = test_facts_get(&x->with, FACT_MEMBER_ID);
		if (v.type == V_STRING)
			list[n++] = (struct why_at){.at = x->at, .rule = x->rule, .subject = v.str};
		else if (r->test->n_entries && r->test->entries[0].device)
			list[n++] =
				(struct why_at){.at = x->at, .rule = x->rule, .subject = r->test->entries[0].device};
		else if (r->test->world->n_arrays)
			list[n++] = (struct why_at){
				.at = x->at, .rule = x->rule, .subject = r->test->world->arrays[0].name};
	}
	*ret = list;
	return n;
}

bool report_test(struct runner *r, const char *file, struct buf *out)
{
	struct lines ls = {0};
	bool ok = true;

	for (size_t i = 0; i < r->n_firings; i++)
		r->firings[i].expected = false;
	add_entries(r->test, &ls);
	for (size_t i = 0; i < r->test->n_expects; i++) {
		const struct test_expect *x = &r->test->expects[i];
		int met = meet(x, r);

		if (met >= x->times)
			continue;
		ok = false;
		add_missing(r, x, x->times - met, &ls);
	}
	for (size_t i = 0; i < r->n_firings; i++)
		ok = ok && need_not_be_listed(&r->firings[i]);
	add_unexpected(r, &ls);
	ok = check_whys(r, &ls) && ok;
	if (!ok && out)
		buf_addf(out, "FAIL %s:%d \"%s\"\n", file, r->test->place.line, r->test->name);
	print_lines(&ls, ok ? NULL : out);
	return ok;
}
