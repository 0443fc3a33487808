// SPDX-License-Identifier: GPL-2.0-or-later
/* A small world and action table for tests of the rule engine. Verdicts are written as lines into a log. */
#pragma once

#include "core/clock.h"
#include "rules/rules.h"
#include "tests/unit/unit.h"

#define S NS_PER_SEC
#define M (60 * NS_PER_SEC)
#define H (3600 * NS_PER_SEC)

/* ---- actions ---- */

static const char *const fixture_severities[] = {"debug",    "info",  "notice",	   "warning", "error",
						 "critical", "alert", "emergency", NULL};
static const char *const fixture_froms[] = {"dedicated", "pool", "global", NULL};

#define MEMBER_PARAMS                                                                                                  \
	(const struct param_desc[])                                                                                    \
	{                                                                                                              \
		{"array", PARAM_ARRAY}, {"device", PARAM_DEVICE},                                                      \
		{                                                                                                      \
			NULL                                                                                           \
		}                                                                                                      \
	}

static const struct action_desc fixture_actions[] = {
	{"assemble", .params = (const struct param_desc[]){{"array", PARAM_ARRAY},
							   {"degraded", PARAM_BOOL},
							   {"read-only", PARAM_BOOL},
							   {NULL}}},
	{"stop-array", .params = MEMBER_PARAMS},
	{"fail-member", .destructive = true, .params = MEMBER_PARAMS},
	{"remove-member", .destructive = true, .params = MEMBER_PARAMS},
	{"re-add-member", .params = MEMBER_PARAMS},
	{"replace-member", .destructive = true,
	 .params =
		 (const struct param_desc[]){
			 {"array", PARAM_ARRAY}, {"device", PARAM_DEVICE}, {"same", PARAM_WORDS}, {NULL}}},
	{"read-last", .params = MEMBER_PARAMS},
	{"rebuild-speed", .params = (const struct param_desc[]){{"array", PARAM_ARRAY}, {"limit", PARAM_RATE}, {NULL}}},
	{"slot-light",
	 .params = (const struct param_desc[]){{"device", PARAM_DEVICE}, {"as", PARAM_STRING, true}, {NULL}}},
	{"read-check", .params = (const struct param_desc[]){{"device", PARAM_DEVICE}, {"speed", PARAM_RATE}, {NULL}}},
	{"queue-io", .params = (const struct param_desc[]){{"map", PARAM_MAP}, {NULL}}},
	{"fail-io", .params = (const struct param_desc[]){{"map", PARAM_MAP}, {NULL}}},
	{"demote-path", .params = (const struct param_desc[]){{"path", PARAM_DEVICE}, {NULL}}},
	{"restore-path", .params = (const struct param_desc[]){{"path", PARAM_DEVICE}, {NULL}}},
	{"add-spare", .destructive = true, .params = MEMBER_PARAMS},
	{"remove-spare", .params = MEMBER_PARAMS},
	{"activate-spare", .destructive = true,
	 .params = (const struct param_desc[]){{"array", PARAM_ARRAY},
					       {"slot", PARAM_INT},
					       {"spare", PARAM_SPARE},
					       {"from", PARAM_WORDS, .words = fixture_froms},
					       {"avoid-marks", PARAM_WORDS},
					       {"same", PARAM_WORDS},
					       {NULL}}},
	{"delete-array", .destructive = true, .final = true,
	 .params = (const struct param_desc[]){{"array", PARAM_ARRAY}, {"stop", PARAM_BOOL}, {NULL}}},
	{"scrub", .params = (const struct param_desc[]){{"array", PARAM_ARRAY}, {"mode", PARAM_STRING}, {NULL}}},
	{"read-last", .params = MEMBER_PARAMS},
	{"copy-back", .destructive = true,
	 .params =
		 (const struct param_desc[]){
			 {"array", PARAM_ARRAY}, {"device", PARAM_DEVICE}, {"always", PARAM_BOOL}, {NULL}}},
	{"replace-member", .destructive = true,
	 .params =
		 (const struct param_desc[]){
			 {"array", PARAM_ARRAY}, {"device", PARAM_DEVICE}, {"same", PARAM_WORDS}, {NULL}}},
	{"read-check", .params = (const struct param_desc[]){{"device", PARAM_DEVICE}, {"speed", PARAM_RATE}, {NULL}}},
	{"notify", .params = (const struct param_desc[]){{"severity", PARAM_ENUM, true, fixture_severities},
							 {"text", PARAM_STRING, true},
							 {"to", PARAM_STRING},
							 {NULL}}},
	{"exec", .params =
			 (const struct param_desc[]){
				 {"argv", PARAM_ARGV, true}, {"env", PARAM_ENV}, {"timeout", PARAM_DURATION}, {NULL}}},
	{"emit", .params = (const struct param_desc[]){{"kind", PARAM_STRING, true}, {"facts", PARAM_FACTS}, {NULL}}},
	{"mark", .params = (const struct param_desc[]){{"as", PARAM_STRING, true},
						       {"device", PARAM_DEVICE},
						       {"for", PARAM_DURATION},
						       {NULL}}},
	{"unmark", .params = (const struct param_desc[]){{"as", PARAM_STRING, true}, {"device", PARAM_DEVICE}, {NULL}}},
	{"inhibit", .params = (const struct param_desc[]){{"rules", PARAM_WORDS, true},
							  {"for", PARAM_DURATION, true},
							  {"per", PARAM_WORDS},
							  {"until", PARAM_STRING},
							  {NULL}}},
};

_unused_ static const struct action_desc *const *fixture_action_list(void)
{
	static const struct action_desc *list[ARRAY_SIZE(fixture_actions) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(fixture_actions); i++)
		list[i] = &fixture_actions[i];
	return list;
}

/* ---- the world ---- */

struct fake_subject {
	enum subject_sort sort;
	const char *id, *device, *array; /* device, array: ids of what it leads to */
	struct value v[FACT_MAX];
};

struct fixture {
	struct fake_subject subjects[64];
	size_t n;
	struct ruleset *rules;
	struct engine *engine;
	struct buf log;
	int64_t now, asleep; /* boot; how much of it was slept */
	uint64_t seq;
	bool unanswered; /* what becomes of verdicts is told by the test; else: they are done at once */
	char last_id[40], last_reason[64], last_subject[64];
};

_unused_ static struct fake_subject *fake_find(struct fixture *fx, enum subject_sort sort, const char *id)
{
	for (size_t i = 0; i < fx->n; i++)
		if (fx->subjects[i].sort == sort && strcmp(fx->subjects[i].id, id) == 0)
			return &fx->subjects[i];
	return NULL;
}

_unused_ static int fake_each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	struct fixture *fx = u;
	int r = 0;

	for (size_t i = 0; i < fx->n && r == 0; i++)
		if (fx->subjects[i].sort == sort)
			r = fn(fu, fx->subjects[i].id);
	return r;
}

_unused_ static int fake_memberships(void *u, const char *device, int (*fn)(void *fu, const char *member), void *fu)
{
	struct fixture *fx = u;
	int r = 0;

	for (size_t i = 0; i < fx->n && r == 0; i++)
		if (fx->subjects[i].sort == SORT_MEMBER && strcmp(fx->subjects[i].device, device) == 0)
			r = fn(fu, fx->subjects[i].id);
	return r;
}

_unused_ static bool fake_bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	struct fixture *fx = u;
	const struct fake_subject *s = fake_find(fx, sort, id);

	if (!s)
		return false;
	for (int i = 0; i < FACT_MAX; i++)
		if (s->v[i].type != V_NONE)
			f->v[i] = s->v[i];
	if (s->device && sort != SORT_DEVICE)
		fake_bind(u, SORT_DEVICE, s->device, f);
	if (s->array && sort != SORT_ARRAY)
		fake_bind(u, SORT_ARRAY, s->array, f);
	return true;
}

static const struct world_ops fake_world = {.each = fake_each, .memberships = fake_memberships, .bind = fake_bind};

_unused_ static void fake_set(struct fixture *fx, enum subject_sort sort, const char *id, enum fact_id fact,
			      struct value v)
{
	struct fake_subject *s = fake_find(fx, sort, id);

	assert_non_null(s);
	s->v[fact] = v;
}

_unused_ static struct fake_subject *fake_add(struct fixture *fx, enum subject_sort sort, const char *id)
{
	struct fake_subject *s = &fx->subjects[fx->n++];

	assert_true(fx->n <= ARRAY_SIZE(fx->subjects));
	*s = (struct fake_subject){.sort = sort, .id = id};
	return s;
}

_unused_ static void fake_device(struct fixture *fx, const char *name, const char *controller)
{
	struct fake_subject *s = fake_add(fx, SORT_DEVICE, name);

	s->v[FACT_DEVICE_ID] = s->v[FACT_DEVICE_NAME] = value_str(name);
	s->v[FACT_DEVICE_ROLE] = fact_enum(FACT_DEVICE_ROLE, ROLE_NONE);
	s->v[FACT_DEVICE_PRESENT] = value_bool(true);
	s->v[FACT_DEVICE_MAINTENANCE] = value_bool(false);
	s->v[FACT_DEVICE_CONTROLLER] = value_str(controller);
	s->v[FACT_DEVICE_LATENCY] = value_duration(5 * NS_PER_MS);
}

_unused_ static void fake_array(struct fixture *fx, const char *name, int redundancy)
{
	struct fake_subject *s = fake_add(fx, SORT_ARRAY, name);

	s->v[FACT_ARRAY_ID] = s->v[FACT_ARRAY_NAME] = value_str(name);
	s->v[FACT_ARRAY_STATE] = fact_enum(FACT_ARRAY_STATE, ARRAY_OPTIMAL);
	s->v[FACT_ARRAY_REDUNDANCY] = s->v[FACT_ARRAY_REDUNDANCY_FULL] = value_int(redundancy);
	s->v[FACT_ARRAY_SPARES] = value_int(1);
	s->v[FACT_ARRAY_SPARE_REASON] = value_str("");
	s->v[FACT_ARRAY_MAINTENANCE] = s->v[FACT_ARRAY_SPLIT] = s->v[FACT_ARRAY_REBUILDING] = value_bool(false);
}

_unused_ static void fake_member(struct fixture *fx, const char *id, const char *device, const char *array, int slot)
{
	struct fake_subject *s = fake_add(fx, SORT_MEMBER, id);

	s->device = device;
	s->array = array;
	s->v[FACT_MEMBER_ID] = value_str(id);
	s->v[FACT_MEMBER_SLOT] = value_int(slot);
	s->v[FACT_MEMBER_STATE] = fact_enum(FACT_MEMBER_STATE, MEMBER_IN_SYNC);
	s->v[FACT_MEMBER_EXPENDABLE] = value_bool(true);
	fake_set(fx, SORT_DEVICE, device, FACT_DEVICE_ROLE, fact_enum(FACT_DEVICE_ROLE, ROLE_MEMBER));
}

/* sda..sdd in "data", sda and sdb behind c0, the others behind c1; sdx is free. */
_unused_ static void fake_disks(struct fixture *fx)
{
	fake_device(fx, "sda", "c0");
	fake_device(fx, "sdb", "c0");
	fake_device(fx, "sdc", "c1");
	fake_device(fx, "sdd", "c1");
	fake_device(fx, "sdx", "c1");
	fake_array(fx, "data", 2);
	fake_member(fx, "data/0", "sda", "data", 0);
	fake_member(fx, "data/1", "sdb", "data", 1);
	fake_member(fx, "data/2", "sdc", "data", 2);
	fake_member(fx, "data/3", "sdd", "data", 3);
}

_unused_ static void fake_member_state(struct fixture *fx, const char *id, enum member_state state)
{
	fake_set(fx, SORT_MEMBER, id, FACT_MEMBER_STATE, fact_enum(FACT_MEMBER_STATE, state));
}

/* ---- the engine ---- */

_unused_ static void print_when(struct fixture *fx, int64_t t)
{
	struct value v = value_duration(t);

	value_print(&v, VALUE_CANONICAL, &fx->log);
}

/* "45s RULE KEY [kind]: step(text); .." */
_unused_ static void fixture_verdict(void *u, const struct verdict *v)
{
	struct fixture *fx = u;

	snprintf(fx->last_id, sizeof(fx->last_id), "%s", v->id);
	snprintf(fx->last_subject, sizeof(fx->last_subject), "%s", v->subject);
	if (v->reason)
		snprintf(fx->last_reason, sizeof(fx->last_reason), "%s", v->reason);
	print_when(fx, v->time);
	buf_addf(&fx->log, " %s %s", v->rule, v->key);
	if (v->kind != VERDICT_FIRED)
		buf_addf(&fx->log, " %s", verdict_kind_word(v->kind));
	if (v->mode == RULE_SHADOW)
		buf_add(&fx->log, " shadow");
	buf_addc(&fx->log, '\n');
	if (v->kind == VERDICT_FIRED && !fx->unanswered && fx->engine)
		engine_outcome(fx->engine, v->id, OUTCOME_OK, NULL, 0);
}

_unused_ static struct engine_options fixture_options(struct fixture *fx)
{
	return (struct engine_options){.world = &fake_world,
				       .world_u = fx,
				       .on_verdict = fixture_verdict,
				       .u = fx,
				       .prefix = "V-",
				       .virtual_time = true};
}

_unused_ static struct ruleset *fixture_rules(const char *text)
{
	struct rule_source source = {.file = "test.yaml", .text = text, .len = strlen(text)};
	struct ruleset_options o = {.actions = fixture_action_list()};
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset *rs = NULL;
	struct diag d;

	diag_init(&d);
	if (ruleset_load(&source, 1, &o, &d, &rs) < 0) {
		diag_print(&d, NULL, &out);
		fail_msg("%s", buf_str(&out));
	}
	diag_finish(&d);
	return rs;
}

_unused_ static void fixture_start(struct fixture *fx, const char *rules)
{
	struct engine_options o = fixture_options(fx);
	char *prefix;

	if (fx->n == 0)
		fake_disks(fx);
	fx->rules = fixture_rules(rules);
	/* Options are the engine's own from here on: what they pointed to goes. */
	o.prefix = prefix = strdup(o.prefix);
	assert_int_equal(engine_new(fx->rules, &o, &fx->engine), 0);
	free(prefix);
	engine_start(fx->engine, 0, 0);
}

_unused_ static void fixture_end(struct fixture *fx)
{
	engine_free(fx->engine);
	ruleset_unref(fx->rules);
	buf_free(&fx->log);
}

/* Time goes to t: all that is due until then fires. */
_unused_ static void at(struct fixture *fx, int64_t t)
{
	fx->now = t;
	engine_advance(fx->engine, t, t - fx->asleep);
}

/* What changed in the world at t is seen. */
_unused_ static void changed(struct fixture *fx, int64_t t)
{
	fx->now = t;
	engine_before(fx->engine, t, t - fx->asleep);
	engine_changed(fx->engine, SORT_ALL);
	engine_settle(fx->engine);
}

_unused_ static struct event *new_event(struct fixture *fx, const char *kind, const char *device, int64_t t)
{
	struct event *ev = event_new(kind, "test", ORIGIN_KERNEL);

	assert_non_null(ev);
	ev->seq = ++fx->seq;
	ev->time = ev->wall = t;
	ev->device = device ? strdup(device) : NULL;
	return ev;
}

_unused_ static void feed(struct fixture *fx, struct event *ev)
{
	fx->now = ev->time;
	engine_event(fx->engine, ev, ev->time - fx->asleep);
	event_free(ev);
}

_unused_ static void block_error(struct fixture *fx, const char *device, int64_t t, int64_t region)
{
	struct event *ev = new_event(fx, "block.error", device, t);

	event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, ERROR_MEDIUM));
	event_set(ev, FACT_ERROR_REGION, value_int(region));
	feed(fx, ev);
}

#define expect_log(fx, text)                                                                                           \
	do {                                                                                                           \
		assert_string_equal(buf_str(&(fx)->log), text);                                                        \
		buf_clear(&(fx)->log);                                                                                 \
	} while (0)

_unused_ static void fixture_why(struct fixture *fx, const char *rule, enum subject_sort sort, const char *id,
				 struct buf *out)
{
	struct err e = {0};
	json_t *why;

	assert_int_equal(engine_why(fx->engine, rule, sort, id, &why, &e), 0);
	buf_clear(out);
	why_print(why, out);
	json_decref(why);
}
