// SPDX-License-Identifier: GPL-2.0-or-later
/* Event rules: where, threshold, clear, unless, limit, stop, inhibit, marks. */
#include "tests/unit/rules_fixture.h"

#include <errno.h>

#define HEAD "version: 1\nrules:\n"

static void every_event_fires_without_threshold(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(
		&fx,
		HEAD "  - name: r\n    description: d\n    event: block.error\n"
		     "    where: {error.status: [medium, io], device.role: member}\n    limit: {count: 2, within: 1m}\n"
		     "    do: [{notify: {severity: info, text: x}}]\n");
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sdx", 1 * S, 1);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sda", 2 * S, 1);
	block_error(&fx, "sdb", 2 * S, 1);
	block_error(&fx, "sda", 60 * S, 1);
	expect_log(&fx, "0s r sda\n1s r sda\n2s r sda limited\n2s r sdb\n1m r sda\n");
	fixture_end(&fx);
}

#define COUNT_RULE                                                                                                     \
	HEAD "  - name: r\n    description: d\n    event: block.error\n    threshold: {count: 3, within: 10m}\n"       \
	     "    do: [{notify: {severity: info, text: x}}]\n"

static void threshold_counts_in_a_half_open_window(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, COUNT_RULE);
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 10 * M, 1);
	block_error(&fx, "sda", 10 * M, 1);
	expect_log(&fx, "");
	block_error(&fx, "sda", 10 * M + S, 1);
	expect_log(&fx, "10m1s r sda\n");
	block_error(&fx, "sda", 10 * M + 2 * S, 1);
	block_error(&fx, "sdb", 10 * M + 2 * S, 1);
	block_error(&fx, "sda", 10 * M + 3 * S, 1);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void one_event_may_stand_for_many(void **state)
{
	struct fixture fx = {0};
	struct event *ev;

	(void)state;
	fixture_start(&fx, COUNT_RULE);
	ev = new_event(&fx, "block.error", "sda", 5 * S);
	ev->count = 50;
	feed(&fx, ev);
	expect_log(&fx, "5s r sda\n");
	fixture_end(&fx);
}

static void distinct_counts_places_not_errors(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 3, within: 10s, distinct: error.region}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	for (int i = 0; i < 20; i++)
		block_error(&fx, "sda", i * NS_PER_MS, 7);
	block_error(&fx, "sda", 1 * S, 8);
	expect_log(&fx, "");
	/* Each value counts at its latest time. */
	block_error(&fx, "sda", 9 * S, 7);
	block_error(&fx, "sda", 11 * S, 9);
	expect_log(&fx, "");
	block_error(&fx, "sda", 12 * S, 10);
	expect_log(&fx, "12s r sda\n");
	fixture_end(&fx);
}

static void unknown_keys_are_not_counted(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fake_disks(&fx);
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_CONTROLLER, VALUE_NONE);
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_CONTROLLER, VALUE_NONE);
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 2, within: 10s, per: device.controller}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	block_error(&fx, "sda", 0, 7);
	block_error(&fx, "sdb", 0, 7);
	expect_log(&fx, "");
	block_error(&fx, "sdc", 0, 7);
	block_error(&fx, "sdd", 0, 7);
	expect_log(&fx, "0s r c1\n");
	fixture_end(&fx);
}

static void unless_keeps_the_window(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fake_disks(&fx);
	fake_set(&fx, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE, value_bool(false));
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 2, within: 10m}\n    unless: {member.expendable: false}\n"
				"    do: [fail-member]\n");
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 1 * S, 1);
	expect_log(&fx, "");
	fake_set(&fx, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE, VALUE_NONE);
	block_error(&fx, "sda", 2 * S, 1);
	expect_log(&fx, "");
	fake_set(&fx, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE, value_bool(true));
	block_error(&fx, "sda", 3 * S, 1);
	expect_log(&fx, "3s r sda\n");
	fixture_end(&fx);
}

static void limit_empties_the_window(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 2, within: 10h}\n    limit: 1h\n    do: [fail-member]\n");
	for (int i = 0; i < 4; i++)
		block_error(&fx, "sda", i * S, 1);
	expect_log(&fx, "1s r sda\n3s r sda limited\n");
	block_error(&fx, "sda", 2 * H, 1);
	expect_log(&fx, "");
	block_error(&fx, "sda", 2 * H + S, 1);
	expect_log(&fx, "2h1s r sda\n");
	fixture_end(&fx);
}

/* Told once until the limit has room again, for each of its keys. */
static void a_limited_storm_is_told_once(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD
		      "  - name: r\n    description: d\n    event: block.error\n    limit: {count: 2, within: 1m}\n"
		      "    do: [{notify: {severity: info, text: x}}]\n");
	for (int i = 0; i < 100; i++)
		block_error(&fx, "sda", i * S / 10, 1);
	block_error(&fx, "sdb", 10 * S, 1);
	expect_log(&fx, "0s r sda\n100ms r sda\n200ms r sda limited\n10s r sdb\n");
	for (int i = 0; i < 100; i++)
		block_error(&fx, "sda", M + i * S / 100, 1);
	expect_log(&fx, "1m r sda\n1m10ms r sda limited\n1m100ms r sda\n1m110ms r sda limited\n");
	fixture_end(&fx);
}

#define FLAP_RULE                                                                                                      \
	HEAD "  - name: r\n    description: d\n    event: device.removed\n    threshold: {count: 3, within: 1h}\n"     \
	     "    clear: {count: 0, for: 1d, do: [{unmark: {as: flapping}}]}\n    do: [{mark: {as: flapping}}]\n"

static void clear_raises_once_and_ends_after_quiet(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, FLAP_RULE);
	for (int i = 0; i < 6; i++)
		feed(&fx, new_event(&fx, "device.removed", "sda", i * 10 * M));
	expect_log(&fx, "20m r sda\n");
	assert_true(strset_has(engine_marks(fx.engine, "sda"), "flapping"));
	assert_null(engine_marks(fx.engine, "sdb"));
	at(&fx, 25 * H + 49 * M);
	expect_log(&fx, "");
	at(&fx, 26 * H);
	expect_log(&fx, "1d1h50m r sda cleared\n");
	assert_null(engine_marks(fx.engine, "sda"));
	fixture_end(&fx);
}

static void marks_are_facts_and_end(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(
		&fx, HEAD
		"  - name: a\n    description: d\n    event: device.added\n    do: [{mark: {as: new, for: 1m}}]\n"
		"  - name: b\n    description: d\n    event: device.changed\n    where: {device.marks: {has: new}}\n"
		"    limit: 1s\n    do: [{notify: {severity: info, text: x}}]\n");
	feed(&fx, new_event(&fx, "device.added", "sdx", 0));
	feed(&fx, new_event(&fx, "device.changed", "sdx", 59 * S));
	feed(&fx, new_event(&fx, "device.changed", "sda", 59 * S));
	at(&fx, 61 * S);
	feed(&fx, new_event(&fx, "device.changed", "sdx", 62 * S));
	expect_log(&fx, "0s a sdx\n59s b sdx\n");
	fixture_end(&fx);
}

static void priority_orders_and_stop_ends(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(
		&fx, HEAD
		"  - name: low\n    description: d\n    event: \"device.*\"\n    priority: 1\n    limit: 1ns\n"
		"    do: [{notify: {severity: info, text: x}}]\n"
		"  - name: high\n    description: d\n    event: device.removed\n    priority: 900\n    stop: true\n"
		"    where: {device.name: sda}\n    do: []\n");
	feed(&fx, new_event(&fx, "device.removed", "sda", 0));
	feed(&fx, new_event(&fx, "device.removed", "sdb", 1 * S));
	expect_log(&fx, "0s high sda\n1s low sdb\n");
	fixture_end(&fx);
}

static void several_arrays_on_one_disk_make_one_verdict(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fake_disks(&fx);
	fake_array(&fx, "more", 1);
	fake_member(&fx, "more/0", "sda", "more", 0);
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    where: {array.redundancy: {ge: 1}}\n    threshold: {count: 2, within: 1m}\n"
				"    do: [fail-member]\n");
	block_error(&fx, "sda", 0, 1);
	expect_log(&fx, "");
	block_error(&fx, "sda", 1 * S, 1);
	expect_log(&fx, "1s r sda\n");
	fixture_end(&fx);
}

#define SHARED_RULES                                                                                                   \
	HEAD "  - name: shared\n    description: d\n    event: device.removed\n"                                       \
	     "    threshold: {count: 2, distinct: device.id, within: 30s, per: device.controller}\n    priority: "     \
	     "900\n"                                                                                                   \
	     "    do: [{inhibit: {rules: [errors, \"gone*\"], for: 2m, per: device.controller}}]\n"                    \
	     "  - name: errors\n    description: d\n    event: block.error\n    threshold: {count: 2, within: 10m}\n"  \
	     "    do: [fail-member]\n"                                                                                 \
	     "  - name: gone\n    description: d\n    watch: member\n    where: {member.state: missing}\n    for: "    \
	     "30s\n"                                                                                                   \
	     "    do: [fail-member]\n"

static void inhibit_empties_and_delays(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, SHARED_RULES);
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sdc", 0, 1);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	engine_changed(fx.engine, SORT_ALL);
	feed(&fx, new_event(&fx, "device.removed", "sda", 0));
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	engine_changed(fx.engine, SORT_ALL);
	feed(&fx, new_event(&fx, "device.removed", "sdb", 2 * S));
	expect_log(&fx, "2s shared c0\n");
	/* Behind the same controller nothing counts, behind the other it does. */
	block_error(&fx, "sda", 10 * S, 1);
	block_error(&fx, "sdc", 10 * S, 1);
	expect_log(&fx, "10s errors sdc\n");
	at(&fx, 121 * S);
	expect_log(&fx, "");
	block_error(&fx, "sda", 123 * S, 1);
	at(&fx, 151 * S);
	expect_log(&fx, "");
	at(&fx, 152 * S);
	expect_log(&fx, "2m32s gone data/0\n2m32s gone data/1\n");
	fixture_end(&fx);
}

/* A person ends it: what still holds begins to wait, and windows count again. */
static void a_person_ends_an_inhibition(void **state)
{
	struct fixture fx = {0};
	struct err e = {0};

	(void)state;
	fixture_start(&fx, SHARED_RULES);
	assert_int_equal(engine_uninhibit(fx.engine, "gone", &e), -ENOENT);
	assert_string_equal(e.msg, "gone is not inhibited");
	assert_int_equal(engine_uninhibit(fx.engine, "goner", &e), -ENOENT);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	engine_changed(fx.engine, SORT_ALL);
	feed(&fx, new_event(&fx, "device.removed", "sda", 0));
	feed(&fx, new_event(&fx, "device.removed", "sdb", 2 * S));
	expect_log(&fx, "2s shared c0\n");
	at(&fx, 10 * S);
	assert_int_equal(engine_uninhibit(fx.engine, "gone", &e), 0);
	at(&fx, 39 * S);
	expect_log(&fx, "");
	at(&fx, 40 * S);
	expect_log(&fx, "40s gone data/0\n");
	fixture_end(&fx);
}

static void caused_events_of_the_eighth_generation_are_not_seen(void **state)
{
	struct fixture fx = {0};
	struct event *ev;

	(void)state;
	fixture_start(&fx,
		      HEAD "  - name: r\n    description: d\n    event: my.kind\n    do: [{emit: {kind: my.kind}}]\n");
	for (int generation = 6; generation <= 8; generation++) {
		ev = new_event(&fx, "my.kind", NULL, generation * S);
		ev->generation = generation;
		feed(&fx, ev);
	}
	expect_log(&fx, "6s r \n7s r \n");
	fixture_end(&fx);
}

static void shadow_does_not_touch_the_engine(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: device.added\n    mode: shadow\n"
				"    do: [{mark: {as: new}}]\n");
	feed(&fx, new_event(&fx, "device.added", "sdx", 0));
	expect_log(&fx, "0s r sdx shadow\n");
	assert_null(engine_marks(fx.engine, "sdx"));
	fixture_end(&fx);
}

static void done(struct fixture *fx, const char *action, const char *device, int64_t t)
{
	struct event *ev = new_event(fx, "action.succeeded", device, t);

	event_set(ev, FACT_ACTION_NAME, value_str(action));
	feed(fx, ev);
}

/* rules-language 4.10: it counts how often others did to the subject what it would have done. */
static void shadow_counts_what_others_do(void **state)
{
	struct fixture fx = {0};
	json_t *stats;

	(void)state;
	fixture_start(&fx,
		      HEAD "  - name: r\n    description: d\n    event: block.error\n    where: {device.role: member}\n"
			   "    mode: shadow\n    limit: {count: 1, within: 1m}\n    do: [fail-member]\n");
	block_error(&fx, "sda", 0, 1);
	done(&fx, "fail-member", "sdb", 1 * M);
	done(&fx, "remove-member", "sda", 1 * M);
	done(&fx, "fail-member", "sda", 59 * M);
	done(&fx, "fail-member", "sda", 59 * M);
	block_error(&fx, "sda", 70 * M, 1);
	done(&fx, "fail-member", "sda", 130 * M);
	expect_log(&fx, "0s r sda shadow\n1h10m r sda shadow\n");
	stats = engine_stats(fx.engine);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(stats, 0), "agreed")), 1);
	json_decref(stats);
	fixture_end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(every_event_fires_without_threshold),
		unit(threshold_counts_in_a_half_open_window),
		unit(one_event_may_stand_for_many),
		unit(distinct_counts_places_not_errors),
		unit(unknown_keys_are_not_counted),
		unit(unless_keeps_the_window),
		unit(limit_empties_the_window),
		unit(a_limited_storm_is_told_once),
		unit(clear_raises_once_and_ends_after_quiet),
		unit(marks_are_facts_and_end),
		unit(priority_orders_and_stop_ends),
		unit(several_arrays_on_one_disk_make_one_verdict),
		unit(inhibit_empties_and_delays),
		unit(a_person_ends_an_inhibition),
		unit(caused_events_of_the_eighth_generation_are_not_seen),
		unit(shadow_does_not_touch_the_engine),
		unit(shadow_counts_what_others_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
