// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a rules file. What loads is run on a few events and saved, restored and asked about. */
#include "core/clock.h"
#include "rules/rules.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARAM(name, type) ((const struct param_desc[]){{(name), (type)}, {"array", PARAM_ARRAY}, {NULL}})

static const struct action_desc actions[] = {
	{"fail-member", .destructive = true, .params = PARAM("device", PARAM_DEVICE)},
	{"notify", .params = PARAM("text", PARAM_STRING)},
	{"exec", .params = PARAM("argv", PARAM_ARGV)},
	{"emit", .params = PARAM("kind", PARAM_STRING)},
	{"mark", .params = (const struct param_desc[]){{"as", PARAM_STRING}, {"for", PARAM_DURATION}, {NULL}}},
	{"inhibit", .params =
			    (const struct param_desc[]){
				    {"rules", PARAM_WORDS}, {"for", PARAM_DURATION}, {"per", PARAM_WORDS}, {NULL}}},
};

static int each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	static const char *const ids[SORT_MAX] = {
		[SORT_DEVICE] = "sda", [SORT_MEMBER] = "data/0", [SORT_ARRAY] = "data", [SORT_SNAPSHOT] = "snap"};

	(void)u;
	return ids[sort] ? fn(fu, ids[sort]) : 0;
}

static int memberships(void *u, const char *device, int (*fn)(void *fu, const char *member), void *fu)
{
	(void)u;
	(void)device;
	return fn(fu, "data/0");
}

static bool bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	(void)u;
	(void)id;
	f->v[FACT_DEVICE_ID] = f->v[FACT_DEVICE_NAME] = value_str("sda");
	f->v[FACT_DEVICE_ROLE] = fact_enum(FACT_DEVICE_ROLE, ROLE_MEMBER);
	f->v[FACT_ARRAY_ID] = f->v[FACT_ARRAY_NAME] = value_str("data");
	f->v[FACT_ARRAY_REDUNDANCY] = value_int(1);
	f->v[FACT_SNAPSHOT_ID] = sort == SORT_SNAPSHOT ? value_str("snap") : VALUE_NONE;
	f->v[FACT_MEMBER_ID] = sort == SORT_MEMBER ? value_str("data/0") : VALUE_NONE;
	f->v[FACT_MEMBER_STATE] = fact_enum(FACT_MEMBER_STATE, MEMBER_MISSING);
	return true;
}

static void told(void *u, const struct verdict *v)
{
	(void)u;
	json_decref(verdict_to_json(v));
}

static void ask_why(struct engine *e, const struct ruleset *rs)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *why;

	for (size_t i = 0; i < ruleset_size(rs); i++) {
		if (engine_why(e, ruleset_rule(rs, i).name, SORT_DEVICE, "sda", &why, NULL) < 0)
			continue;
		why_print(why, &out);
		json_decref(why);
	}
}

static void run(struct ruleset *rs)
{
	static const struct world_ops world = {each, memberships, bind};
	struct engine_options o = {.world = &world, .on_verdict = told, .virtual_time = true};
	_cleanup_(engine_freep) struct engine *e = NULL, *copy = NULL;
	json_t *state;

	if (engine_new(rs, &o, &e) < 0)
		return;
	engine_start(e, 0, 0);
	for (int i = 0; event_kinds[i]; i++) {
		_cleanup_(event_freep) struct event *ev = event_new(event_kinds[i], "fuzz", ORIGIN_KERNEL);

		if (!ev)
			return;
		ev->seq = (uint64_t)i;
		ev->time = i * 10 * NS_PER_SEC;
		ev->device = strdup("sda");
		event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, ERROR_IO));
		engine_changed(e, SORT_ALL);
		engine_event(e, ev, ev->time);
		engine_advance(e, ev->time, ev->time);
	}
	ask_why(e, rs);
	state = engine_save(e, 0, 0, SIZE_MAX);
	engine_advance(e, 86400 * NS_PER_SEC, 86400 * NS_PER_SEC);
	if (engine_new(rs, &o, &copy) == 0 && engine_restore(copy, state, 0, 0, 0, NULL) == 0)
		engine_start(copy, 0, 0);
	json_decref(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct action_desc *list[ARRAY_SIZE(actions) + 1] = {0};
	struct rule_source source = {.file = "fuzz.yaml", .text = (const char *)data, .len = size};
	struct ruleset_options o = {.actions = list};
	_cleanup_(ruleset_unrefp) struct ruleset *rs = NULL;
	_cleanup_(buf_free) struct buf out = {0};
	struct diag d;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		list[i] = &actions[i];
	diag_init(&d);
	if (ruleset_load(&source, 1, &o, &d, &rs) == 0)
		run(rs);
	diag_print(&d, NULL, &out);
	diag_finish(&d);
	return 0;
}
