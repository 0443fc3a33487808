// SPDX-License-Identifier: GPL-2.0-or-later
/* Conditions over facts, in three values. */
#include "rules/ast.h"

static enum truth truth_of(bool b)
{
	return b ? TRUTH_TRUE : TRUTH_FALSE;
}

static const char *text_of(const struct value *v)
{
	return v->type == V_ENUM ? v->words[v->i] : v->str;
}

static bool matches_glob(const struct value *v, const char *glob)
{
	return glob_match(glob, text_of(v));
}

static bool in_list(const struct cond *c, const struct value *v)
{
	for (size_t i = 0; i < c->n_list; i++) {
		if (value_equal(v, &c->list[i]))
			return true;
		if (c->list[i].type == V_STRING && (v->type == V_STRING || v->type == V_ENUM) &&
		    glob_is(c->list[i].str) && matches_glob(v, c->list[i].str))
			return true;
	}
	return false;
}

struct value cond_value(const struct cond *c, const struct facts *f)
{
	if (c->fact == FACT_CALENDAR)
		return f->calendars ? value_bool(f->calendars[c->calendar]) : VALUE_NONE;
	return f->v[c->fact];
}

enum truth test_passes(const struct cond *c, struct value v, struct value want)
{
	if (c->test == TEST_EXISTS)
		return truth_of((v.type != V_NONE) == want.b);
	if (v.type == V_NONE || (want.type == V_NONE && c->test != TEST_IN))
		return TRUTH_UNKNOWN;
	if (c->size)
		v = value_int((int64_t)v.set->n);
	switch (c->test) {
	case TEST_EQ:
		return truth_of(value_equal(&v, &want));
	case TEST_GLOB:
		return truth_of(matches_glob(&v, want.str));
	case TEST_REGEX:
		return regex_match(c->regex, text_of(&v));
	case TEST_IN:
		return truth_of(in_list(c, &v));
	case TEST_LT:
		return truth_of(value_compare(&v, &want) < 0);
	case TEST_LE:
		return truth_of(value_compare(&v, &want) <= 0);
	case TEST_GT:
		return truth_of(value_compare(&v, &want) > 0);
	case TEST_GE:
		return truth_of(value_compare(&v, &want) >= 0);
	case TEST_HAS:
		return truth_of(strset_has(v.set, want.str));
	case TEST_EXISTS:
		break;
	}
	return TRUTH_UNKNOWN;
}

static enum truth test_eval(const struct cond *c, const struct facts *f)
{
	return test_passes(c, cond_value(c, f), c->wanted ? template_value(c->wanted, f) : c->want);
}

/* Each kid is asked once: a condition may be nested, and one regular expression in it may cost a millisecond. */
enum truth cond_eval(const struct cond *c, const struct facts *f)
{
	enum truth result = c->op == COND_ANY ? TRUTH_FALSE : TRUTH_TRUE, decided = (enum truth)(TRUTH_TRUE - result);

	if (c->op == COND_TEST)
		return test_eval(c, f);
	if (c->op == COND_NOT)
		return (enum truth)(TRUTH_TRUE - cond_eval(c->kids[0], f));
	for (size_t i = 0; i < c->n && result != decided; i++) {
		enum truth kid = cond_eval(c->kids[i], f);

		result = c->op == COND_ANY ? MAX(result, kid) : MIN(result, kid);
	}
	return result;
}

bool fact_of_event(enum fact_id f)
{
	return fact_table[f].from == FROM_EVENT || fact_table[f].from == FROM_MATCH;
}

bool test_of_event(const struct cond *c)
{
	return fact_of_event(c->fact) || (c->wanted && fact_of_event(c->wanted->parts[0].fact));
}

enum truth cond_eval_subject(const struct cond *c, const struct facts *f)
{
	enum truth result = c->op == COND_ANY ? TRUTH_FALSE : TRUTH_TRUE;

	if (c->op == COND_TEST)
		return test_of_event(c) ? TRUTH_TRUE : cond_eval(c, f);
	for (size_t i = 0; i < c->n; i++) {
		enum truth kid = cond_eval_subject(c->kids[i], f);

		if (c->op == COND_NOT)
			return c->kids[0]->op == COND_TEST && test_of_event(c->kids[0])
				       ? TRUTH_TRUE
				       : (enum truth)(TRUTH_TRUE - kid);
		result = c->op == COND_ANY ? MAX(result, kid) : MIN(result, kid);
	}
	return result;
}
