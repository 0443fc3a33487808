// SPDX-License-Identifier: GPL-2.0-or-later
/* Lints about what a rule counts, how often it fires, and the texts that it makes. */
#include "rules/lint.h"

#include "core/clock.h"

#include <string.h>

/* ---- counts that are never reached ---- */

/* The most that is told of one subject, with what was merged: in a second; in all. 0: not known. */
static const struct {
	const char *kinds;
	int64_t a_second, in_all;
} rates[] = {
	{"block.corrupt", 0, 100},
	{"block.error", 1000000, 0},
	{"device.*,path.*,spare.*,array.*", 1000, 0},
};

static int64_t most_of(const char *kind, int64_t within)
{
	int64_t seconds = MAX(within / NS_PER_SEC, 1);

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		if (!field_kind_matches(rates[i].kinds, kind))
			continue;
		return rates[i].in_all ? rates[i].in_all : rates[i].a_second * MIN(seconds, INT64_C(1000000));
	}
	return INT64_MAX;
}

static void lint_too_high(struct load *l, const struct rule *r)
{
	int64_t most = 0, words = 0;

	if (r->trigger != TRIGGER_EVENT || !r->count)
		return;
	for (size_t i = 0; i < r->n_kinds; i++)
		most = MAX(most, glob_is(r->kinds[i]) ? INT64_MAX : most_of(r->kinds[i], r->within));
	if (r->count > most)
		lint_warn(l, r, &node_get(r->node, "threshold")->at, "too-high",
			  "no more than %lld of %s are told of one subject in that time", (long long)most, r->kinds[0]);
	if (r->distinct < 0 || fact_table[r->distinct].type != V_ENUM)
		return;
	while (fact_table[r->distinct].words[words])
		words++;
	if (r->count > words)
		lint_warn(l, r, &node_get(r->node, "threshold")->at, "distinct-too-high", "%s has only %lld values",
			  fact_table[r->distinct].name, (long long)words);
}

/* ---- keys that may be unknown ---- */

static bool tested(const struct rule *r, enum fact_id fact)
{
	struct test_list tests = {0};

	if (r->where)
		lint_flatten(r->where, &tests);
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].where)
			lint_flatten(r->parts[i].where, &tests);
	for (size_t i = 0; i < tests.n; i++)
		if (tests.t[i]->fact == fact && (tests.t[i]->test != TEST_EXISTS || tests.t[i]->want.b))
			return true;
	return false;
}

static bool keyed(const struct rule *r, enum fact_id fact)
{
	for (size_t i = 0; i < r->per.n; i++)
		if (r->per.f[i] == fact)
			return true;
	return false;
}

static void lint_optional_per(struct load *l, const struct rule *r)
{
	static const char *const keys[] = {"threshold", "sequence", "absence"};

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		const struct node *n = node_get(r->node, keys[k]),
				  *per = n && n->kind == NODE_MAP ? node_get(n, "per") : NULL;

		for (size_t i = 0; per && i < r->per.n; i++)
			if (fact_table[r->per.f[i]].optional && !tested(r, r->per.f[i]))
				lint_warn(l, r, &per->at, "optional-per",
					  "%s may be unknown, and then nothing is counted: test 'exists' in 'where' to "
					  "say so",
					  fact_table[r->per.f[i]].name);
	}
}

/* ---- gates that change nothing ---- */

static bool same_key(const struct key_facts *a, const struct key_facts *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->f[i] != b->f[i])
			return false;
	return true;
}

/* How often the rule can fire at most, for one key, without its limit: once in so long. */
static int64_t slowest(const struct rule *r)
{
	if (r->absence)
		return r->within;
	if (r->trigger == TRIGGER_WATCH && !r->count && !r->for_within)
		return r->repeat ? MIN(r->repeat, MAX(r->for_ns, 1)) : r->for_ns;
	if (r->trigger == TRIGGER_EVENT && r->count && r->has_clear)
		return r->clear_for;
	return 0;
}

static void lint_no_effect(struct load *l, const struct rule *r)
{
	const struct node *mode = node_get(r->node, "mode"), *limit = node_get(r->node, "limit");

	if (limit && r->limit_within <= slowest(r) && same_key(&r->limit_per, &r->per))
		lint_warn(l, r, &limit->at, "no-effect",
			  "the rule cannot fire more often anyway: 'limit' has no effect");
	if (mode && strcmp(mode->text, "ask") == 0 && r->ask_from == r->steps.n)
		lint_warn(l, r, &mode->at, "no-effect", "no step changes an array: nobody is asked");
}

/* ---- rules that hear themselves ---- */

static const struct {
	const char *action, *kinds;
} causes[] = {
	{"assemble", "array.started,array.degraded,array.optimal"},
	{"stop-array", "array.stopped"},
	{"fail-member", "array.member-failed,array.degraded"},
	{"remove-member", "array.member-failed"},
	{"re-add-member", "array.resync-started"},
	{"activate-spare", "spare.activated,array.resync-started"},
	{"replace-member", "spare.activated,array.resync-started"},
	{"copy-back", "array.resync-started"},
	{"add-spare", "spare.added"},
	{"remove-spare", "spare.lost"},
	{"scrub", "array.resync-started"},
};

/* "event.origin: {not: own}", "event.origin: kernel", and the like. */
static bool not_own(const struct rule *r)
{
	struct value own = fact_enum(FACT_EVENT_ORIGIN, ORIGIN_OWN);
	struct facts f = {0};

	f.v[FACT_EVENT_ORIGIN] = own;
	return r->where && r->named[FACT_EVENT_ORIGIN] && cond_eval(r->where, &f) == TRUTH_FALSE;
}

static bool causes_one_of(const struct rule *r, const char *kinds)
{
	for (size_t i = 0; i < r->n_kinds; i++)
		if (field_kind_matches(kinds, r->kinds[i]))
			return true;
	return false;
}

static const char *caused(const struct rule *r, const struct step *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (strcmp(causes[i].action, s->action->name) == 0)
			return causes_one_of(r, causes[i].kinds) ? causes[i].kinds
			       : causes_one_of(r, "action.*")	 ? "action.*"
								 : NULL;
	if (strcmp(s->action->name, "emit") == 0)
		for (size_t i = 0; i < s->n_params; i++)
			if (strcmp(s->params[i].desc->name, "kind") == 0 && s->params[i].v.type == V_STRING &&
			    causes_one_of(r, s->params[i].v.str))
				return s->params[i].v.str;
	return NULL;
}

static void lint_self_trigger(struct load *l, const struct rule *r)
{
	if (r->trigger != TRIGGER_EVENT || r->limit_count || not_own(r))
		return;
	for (size_t i = 0; i < r->steps.n; i++) {
		const struct step *s = &r->steps.s[i];
		const char *kinds = s->action ? caused(r, s) : NULL;

		if (!kinds)
			continue;
		lint_warn(l, r, &s->at, "self-trigger", "'%s' makes events that this rule hears (%s): add 'limit'",
			  s->action->name, kinds);
		return;
	}
}

void lint_gates(struct load *l, const struct rule *r)
{
	lint_too_high(l, r);
	lint_optional_per(l, r);
	lint_no_effect(l, r);
	lint_self_trigger(l, r);
}

/* ---- texts ---- */

static void lint_text(struct load *l, const struct rule *r, const struct template *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct template_part *part = &t->parts[i];
		const struct fact_desc *desc = &fact_table[part->fact];

		/* A device's name is never lost: its identity stands for it. */
		if (part->text || part->fallback || part->late || part->kept || !desc->optional ||
		    desc->from == FROM_MATCH || part->fact == FACT_DEVICE_NAME || tested(r, part->fact) ||
		    keyed(r, part->fact))
			continue;
		lint_warn(
			l, r, &t->at, "text-unknown",
			"%s may be unknown and is printed as '?' then\nwrite ${%s:-..} with what is to be said instead",
			desc->name, desc->name);
	}
}

static void lint_steps(struct load *l, const struct rule *r, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		bool notify = s->action && strcmp(s->action->name, "notify") == 0;

		for (size_t p = 0; notify && p < s->n_params; p++)
			for (size_t k = 0; k < s->params[p].n; k++)
				lint_text(l, r, s->params[p].texts[k]);
		lint_steps(l, r, s->failure, s->n_failure);
	}
}

void lint_texts(struct load *l, const struct rule *r)
{
	lint_steps(l, r, r->steps.s, r->steps.n);
	lint_steps(l, r, r->clear_do.s, r->clear_do.n);
}
