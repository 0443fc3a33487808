// SPDX-License-Identifier: GPL-2.0-or-later
/* Parts of a rule: threshold, for, limit, clear, ask. rules-language 2.2, 2.4, 2.7. */
#include "rules/ast.h"

#include "core/clock.h"

#include <string.h>

struct raw_threshold {
	int64_t count, within;
	const struct node *per;
	const char *distinct, *ratio, *of;
};

static void ratio_compile(struct load *l, struct rule *r, const struct node *n, const struct raw_threshold *raw)
{
	const struct node *ratio = node_get(n, "ratio"), *of = node_get(n, "of");
	struct err e = {0};
	struct value v;

	if (!raw->ratio || !raw->of) {
		diag_error(l->d, raw->ratio ? &ratio->at : &of->at, "ratio",
			   raw->ratio ? "'ratio' needs 'of', a counter such as device.ios" : "'of' needs 'ratio'");
		return;
	}
	if (value_parse(V_PERCENT, NULL, raw->ratio, &v, &e) < 0)
		diag_error(l->d, &ratio->at, "percent", "'ratio': %s", e.msg);
	else if (v.d <= 0)
		diag_error(l->d, &ratio->at, "range", "'ratio' must be more than 0%%");
	else
		r->ratio = v.d;
	if (raw->distinct)
		diag_error(l->d, &ratio->at, "combination",
			   "'ratio' counts events, 'distinct' counts values: one of them");
	r->of = field_resolve(l, raw->of, &of->at);
	if (r->of >= 0 && r->of != FACT_DEVICE_IOS)
		diag_error(l->d, &of->at, "of", "%s is not a counter (device.ios)", raw->of);
}

/* How many subjects are in the state now. */
static void group_check(struct load *l, struct rule *r, const struct node *n, const struct raw_threshold *raw)
{
	static const char *const of_events[] = {"within", "distinct", "ratio", "of"};

	for (size_t i = 0; i < ARRAY_SIZE(of_events); i++) {
		const struct node *key = node_get(n, of_events[i]);

		if (!key)
			continue;
		diag_error(l->d, &key->at, "combination",
			   "'threshold' on 'watch' counts what is so now: '%s' is for events", of_events[i]);
	}
	if (!raw->per)
		diag_error(l->d, &n->at, "per", "'threshold' on 'watch' needs 'per': what the subjects have in common");
	r->clear_count = raw->count - 1;
}

static const struct field threshold_fields[] = {
	{"count", FIELD_INT, offsetof(struct raw_threshold, count), .required = true, .min = 1, .max = 100000},
	{"within", FIELD_DURATION, offsetof(struct raw_threshold, within), .min = 1},
	{"per", FIELD_NODE, offsetof(struct raw_threshold, per)},
	{"distinct", FIELD_STRING, offsetof(struct raw_threshold, distinct)},
	{"ratio", FIELD_STRING, offsetof(struct raw_threshold, ratio)},
	{"of", FIELD_STRING, offsetof(struct raw_threshold, of)},
	{NULL},
};
static const struct retired threshold_retired[] = {{"by", "the key is 'per'"},
						   {"key", "the key is 'per'"},
						   {"window", "the key is 'within'"},
						   {"in", "the key is 'within'"},
						   {NULL, NULL}};
const struct schema threshold_schema = {"threshold", threshold_fields, threshold_retired};

void threshold_compile(struct load *l, struct rule *r, const struct node *n)
{
	const struct node *distinct = node_get(n, "distinct");
	struct raw_threshold raw = {0};
	int decoded = schema_decode(&threshold_schema, n, NULL, &l->rs->arena, &raw, l->d), key = default_key(r);

	if (raw.per)
		per_compile(l, raw.per, &r->per);
	else if (key < 0 && r->trigger == TRIGGER_EVENT && r->n_kinds)
		diag_error(l->d, &n->at, "per", "'threshold' needs 'per': these events have no subject in common");
	if (r->trigger == TRIGGER_WATCH) {
		group_check(l, r, n, &raw);
		if (decoded == 0)
			r->count = raw.count;
		return;
	}
	if (raw.distinct)
		r->distinct = field_resolve(l, raw.distinct, &distinct->at);
	if (raw.ratio || raw.of)
		ratio_compile(l, r, n, &raw);
	if (n->kind == NODE_MAP && !node_get(n, "within"))
		diag_error(l->d, &n->at, "within", "'threshold' on events needs 'within'");
	if (decoded < 0)
		return;
	r->count = raw.count;
	r->within = raw.within;
	if (r->distinct >= 0 && r->per.n == 1 && (int)r->per.f[0] == r->distinct)
		diag_error(l->d, &distinct->at, "distinct", "distinct counts %s for each %s: always 1", raw.distinct,
			   raw.distinct);
}

static const struct field for_fields[] = {
	{"total", FIELD_DURATION, offsetof(struct rule, for_ns), .required = true, .min = 1},
	{"within", FIELD_DURATION, offsetof(struct rule, for_within), .min = 1},
	{NULL},
};
const struct schema for_schema = {"for", for_fields, NULL};

void for_compile(struct load *l, struct rule *r, const struct node *n)
{
	static const struct field plain = {.name = "for", .type = FIELD_DURATION};

	if (n->kind == NODE_SCALAR)
		field_decode(&plain, n, &l->rs->arena, &r->for_ns, l->d);
	else if (schema_decode(&for_schema, n, NULL, &l->rs->arena, r, l->d) == 0 && r->for_within &&
		 r->for_within < r->for_ns)
		diag_error(l->d, &n->at, "for", "'total' is longer than 'within'");
}

struct raw_limit {
	int64_t count, within;
	const struct node *per;
};

static const struct field limit_fields[] = {
	{"count", FIELD_INT, offsetof(struct raw_limit, count), .min = 1, .max = 100000},
	{"within", FIELD_DURATION, offsetof(struct raw_limit, within), .required = true, .min = 1},
	{"per", FIELD_NODE, offsetof(struct raw_limit, per)},
	{NULL},
};
const struct schema limit_schema = {"limit", limit_fields, NULL};

void limit_compile(struct load *l, struct rule *r, const struct node *n)
{
	static const struct field plain = {.name = "limit", .type = FIELD_DURATION, .min = 1};
	struct raw_limit raw = {.count = 1};
	int decoded = n->kind == NODE_SCALAR ? field_decode(&plain, n, &l->rs->arena, &raw.within, l->d)
					     : schema_decode(&limit_schema, n, NULL, &l->rs->arena, &raw, l->d);

	r->limit_per_given = raw.per != NULL;
	if (raw.per)
		per_compile(l, raw.per, &r->limit_per);
	if (decoded < 0)
		return;
	r->limit_count = raw.count;
	r->limit_within = raw.within;
}

struct raw_clear {
	const struct node *where, *steps;
	int64_t count, how_long;
};

static const struct field clear_fields[] = {
	{"where", FIELD_NODE, offsetof(struct raw_clear, where)},
	{"count", FIELD_INT, offsetof(struct raw_clear, count), .min = 0, .max = 99999},
	{"for", FIELD_DURATION, offsetof(struct raw_clear, how_long)},
	{"do", FIELD_NODE, offsetof(struct raw_clear, steps)},
	{NULL},
};
const struct schema clear_schema = {"clear", clear_fields, NULL};

void clear_compile(struct load *l, struct rule *r, const struct node *n)
{
	struct raw_clear raw = {.count = -1};

	if (schema_decode(&clear_schema, n, NULL, &l->rs->arena, &raw, l->d) < 0)
		return;
	r->has_clear = true;
	r->clear_for = raw.how_long;
	r->clear_count = raw.count >= 0 ? raw.count : r->count - 1;
	if (raw.where && r->trigger == TRIGGER_EVENT)
		diag_error(l->d, &raw.where->at, "combination",
			   "'clear' on events takes 'count' and 'for', not 'where'");
	else if (raw.where)
		r->clear_where = cond_compile(l, raw.where);
	if (raw.count >= 0 && !r->count)
		diag_error(l->d, &node_get(n, "count")->at, "combination", "'count' needs 'threshold'");
	else if (r->count && raw.count >= r->count)
		diag_error(l->d, &node_get(n, "count")->at, "range", "'count' must be below the threshold's");
	if (raw.steps) {
		l->scope = SCOPE_MATCH;
		steps_compile(l, raw.steps, &r->clear_do);
		l->scope = 0;
	}
}

struct raw_ask {
	int64_t deadline;
	int then;
};

static bool changes_arrays(const struct step *s)
{
	bool any = s->action && s->action->destructive;

	for (size_t i = 0; i < s->n_failure; i++)
		any |= changes_arrays(&s->failure[i]);
	return any;
}

static const char *const thens[] = {"drop", "do", NULL};
static const struct field ask_fields[] = {
	{"deadline", FIELD_DURATION, offsetof(struct raw_ask, deadline), .min = NS_PER_SEC,
	 .max = 365 * 86400 * NS_PER_SEC},
	{"then", FIELD_WORD, offsetof(struct raw_ask, then), .words = thens},
	{NULL},
};
const struct schema ask_schema = {"ask", ask_fields, NULL};

void ask_compile(struct load *l, struct rule *r, const struct node *n)
{
	struct raw_ask raw = {.deadline = 86400 * NS_PER_SEC};

	if (n && r->mode == RULE_ENFORCE)
		diag_error(l->d, &n->at, "combination", "'ask' needs 'mode: ask'");
	if (n)
		schema_decode(&ask_schema, n, NULL, &l->rs->arena, &raw, l->d);
	if (r->final && (r->mode == RULE_ENFORCE || raw.then == 1))
		diag_error(l->d, &r->final->at, "ask",
			   "'%s' gives data up: it needs 'mode: ask', and an answer in time", r->final->action->name);
	r->ask_deadline = raw.deadline;
	r->ask_then_do = raw.then == 1;
	while (r->ask_from < r->steps.n && !changes_arrays(&r->steps.s[r->ask_from]))
		r->ask_from++;
	if (r->mode == RULE_ASK && r->ask_from == r->steps.n)
		r->mode = RULE_ENFORCE;
	for (size_t i = 0; r->mode == RULE_ASK && i < r->clear_do.n; i++)
		if (changes_arrays(&r->clear_do.s[i]))
			diag_error(
				l->d, &r->clear_do.s[i].at, "ask",
				"'clear.do' of a rule that asks may not change arrays: nobody would be asked about it");
}
