// SPDX-License-Identifier: GPL-2.0-or-later
/* Any JSON as the state of an engine that was saved: refused or taken, never a crash, and what was taken goes on. */
#include "core/clock.h"
#include "rules/rules.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES                                                                                                          \
	"version: 1\nrules:\n"                                                                                         \
	"  - {name: counts, description: d, event: block.error, threshold: {count: 3, within: 1m}, do: [x]}\n"         \
	"  - {name: clears, description: d, event: block.error, threshold: {count: 3, within: 1m, distinct: "          \
	"error.region}, clear: {count: 0, for: 10s}, do: [x]}\n"                                                       \
	"  - {name: orders, description: d, sequence: {within: 1m, steps: [{as: one, event: device.removed}, {event: " \
	"device.added, where: {device.name: {not: \"${one.device.name}\"}}}]}, do: [x]}\n"                             \
	"  - {name: absent, description: d, event: device.removed, absence: {of: {event: device.added}, within: 1m}, " \
	"do: [x]}\n"                                                                                                   \
	"  - {name: lasts, description: d, watch: member, where: {member.state: missing}, for: {total: 10s, within: "  \
	"1m}, limit: 1h, do: [x]}\n"                                                                                   \
	"  - {name: groups, description: d, watch: member, threshold: {count: 1, per: array.id}, do: [x]}\n"           \
	"  - {name: asks, description: d, event: device.changed, mode: ask, do: [x]}\n"                                \
	"  - {name: mutes, description: d, event: device.removed, do: [{inhibit: {rules: \"c*\", for: 1h}}]}\n"        \
	"  - {name: nightly, description: d, schedule: {calendar: \"03:00\", each: array, spread: 1h, persistent: "    \
	"true}, do: [x]}\n"

static const struct action_desc actions[] = {
	{"x", .destructive = true, .params = (const struct param_desc[]){{NULL}}},
	{"inhibit", .params =
			    (const struct param_desc[]){
				    {"rules", PARAM_WORDS}, {"for", PARAM_DURATION}, {"per", PARAM_WORDS}, {NULL}}},
};

static int each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	(void)u;
	return sort == SORT_MEMBER ? fn(fu, "data/0") : sort == SORT_ARRAY ? fn(fu, "data") : 0;
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
	f->v[FACT_ARRAY_ID] = value_str("data");
	f->v[FACT_DEVICE_ID] = f->v[FACT_DEVICE_NAME] = value_str("sda");
	f->v[FACT_MEMBER_ID] = sort == SORT_MEMBER ? value_str("data/0") : VALUE_NONE;
	f->v[FACT_MEMBER_STATE] = fact_enum(FACT_MEMBER_STATE, MEMBER_MISSING);
	return true;
}

static void told(void *u, const struct verdict *v)
{
	(void)u;
	json_decref(verdict_to_json(v));
}

static struct ruleset *load(void)
{
	static const struct action_desc *const list[] = {&actions[0], &actions[1], NULL};
	struct rule_source source = {.file = "fuzz.yaml", .text = RULES, .len = strlen(RULES)};
	struct ruleset_options o = {.actions = list};
	struct ruleset *rs = NULL;
	struct diag d;

	diag_init(&d);
	if (ruleset_load(&source, 1, &o, &d, &rs) < 0)
		abort();
	diag_finish(&d);
	return rs;
}

static void go_on(struct engine *e)
{
	for (int i = 0; event_kinds[i]; i++) {
		_cleanup_(event_freep) struct event *ev = event_new(event_kinds[i], "fuzz", ORIGIN_KERNEL);

		if (!ev)
			return;
		ev->time = i * 10 * NS_PER_SEC;
		ev->device = strdup("sda");
		event_set(ev, FACT_ERROR_REGION, value_int(i));
		engine_changed(e, SORT_ALL);
		engine_event(e, ev, ev->time);
		engine_advance(e, ev->time, ev->time);
	}
	json_decref(engine_stats(e));
	json_decref(engine_questions(e));
	json_decref(engine_save(e, 0, 0, SIZE_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct world_ops world = {each, memberships, bind};
	static struct ruleset *rs;
	struct engine_options o = {.world = &world, .on_verdict = told, .virtual_time = true};
	_cleanup_(engine_freep) struct engine *e = NULL;
	json_t *state = json_loadb((const char *)data, size, 0, NULL);
	struct err err = {0};

	if (!rs)
		rs = load();
	if (state && engine_new(rs, &o, &e) == 0) {
		engine_restore(e, state, 0, 0, 0, &err);
		engine_start(e, 0, 0);
		go_on(e);
	}
	json_decref(state);
	return 0;
}
