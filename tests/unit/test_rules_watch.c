// SPDX-License-Identifier: GPL-2.0-or-later
/* Watch rules: the states of rules-language 4.8, on both clocks. */
#include "tests/unit/rules_fixture.h"

#define HEAD "version: 1\nrules:\n"
#define GONE                                                                                                           \
	HEAD "  - name: gone\n    description: d\n    watch: member\n    where: {member.state: missing}\n    for: "    \
	     "30s\n"                                                                                                   \
	     "    unless: {device.maintenance: true}\n    do: [fail-member]\n"

static void missing_at(struct fixture *fx, const char *member, int64_t t)
{
	fake_member_state(fx, member, MEMBER_MISSING);
	changed(fx, t);
}

static void back_at(struct fixture *fx, const char *member, int64_t t)
{
	engine_before(fx->engine, t, t - fx->asleep);
	fake_member_state(fx, member, MEMBER_IN_SYNC);
	changed(fx, t);
}

static void state_that_lasts_fires_once(void **state)
{
	struct fixture fx = {0};
	int64_t deadline;

	(void)state;
	fixture_start(&fx, GONE);
	missing_at(&fx, "data/1", 10 * S);
	assert_true(engine_deadline(fx.engine, &deadline));
	assert_int_equal(deadline, 40 * S);
	at(&fx, 40 * S - 1);
	expect_log(&fx, "");
	at(&fx, 40 * S);
	expect_log(&fx, "40s gone data/1\n");
	at(&fx, 10 * H);
	expect_log(&fx, "");
	back_at(&fx, "data/1", 11 * H);
	expect_log(&fx, "11h gone data/1 cleared\n");
	fixture_end(&fx);
}

static void back_at_the_very_moment_wins(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GONE);
	missing_at(&fx, "data/1", 0);
	back_at(&fx, "data/1", 30 * S);
	at(&fx, 30 * S);
	at(&fx, 2 * M);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void true_at_start_counts_from_the_start(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fake_disks(&fx);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	fixture_start(&fx, GONE);
	at(&fx, 30 * S);
	expect_log(&fx, "30s gone data/0\n");
	fixture_end(&fx);
}

static void sleeping_is_not_waiting(void **state)
{
	struct fixture fx = {0};
	int64_t deadline;

	(void)state;
	fixture_start(&fx, GONE);
	missing_at(&fx, "data/1", 0);
	at(&fx, 5 * S);
	fx.asleep = 8 * H;
	at(&fx, 8 * H + 5 * S);
	expect_log(&fx, "");
	assert_true(engine_deadline(fx.engine, &deadline));
	assert_int_equal(deadline, 8 * H + 30 * S);
	at(&fx, 8 * H + 30 * S);
	expect_log(&fx, "8h30s gone data/1\n");
	fixture_end(&fx);
}

static void held_back_is_due_until_it_may(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GONE);
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_MAINTENANCE, value_bool(true));
	missing_at(&fx, "data/1", 0);
	at(&fx, 1 * M);
	changed(&fx, 2 * M);
	expect_log(&fx, "30s gone data/1 held\n");
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_MAINTENANCE, value_bool(false));
	changed(&fx, 2 * H);
	expect_log(&fx, "2h gone data/1\n");
	fixture_end(&fx);
}

#define FILL                                                                                                           \
	HEAD "  - name: fill\n    description: d\n    watch: member\n    where: {member.state: failed}\n    for: "     \
	     "10s\n"                                                                                                   \
	     "    repeat: 5m\n    limit: {count: 3, within: 24h}\n    do: [activate-spare]\n"

static void repeats_while_true_up_to_the_limit(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, FILL);
	fake_member_state(&fx, "data/2", MEMBER_FAILED);
	changed(&fx, 0);
	at(&fx, 23 * H);
	expect_log(&fx, "10s fill data/2\n5m10s fill data/2\n10m10s fill data/2\n15m10s fill data/2 limited\n");
	at(&fx, 25 * H);
	expect_log(&fx, "1d10s fill data/2\n1d5m10s fill data/2\n1d10m10s fill data/2\n1d15m10s fill data/2 limited\n");
	fixture_end(&fx);
}

static void refused_is_due_again_when_something_changes(void **state)
{
	struct fixture fx = {0};
	enum fact_id spares = FACT_ARRAY_SPARES;

	(void)state;
	fixture_start(&fx,
		      HEAD "  - name: r\n    description: d\n    watch: member\n    where: {member.state: failed}\n"
			   "    do: [activate-spare]\n");
	fake_member_state(&fx, "data/2", MEMBER_FAILED);
	changed(&fx, 1 * S);
	expect_log(&fx, "1s r data/2\n");
	engine_outcome(fx.engine, fx.last_id, OUTCOME_REFUSED, &spares, 1);
	changed(&fx, 2 * S);
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_REBUILDING, value_bool(true));
	changed(&fx, 3 * S);
	at(&fx, 1 * H);
	expect_log(&fx, "");
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_SPARES, value_int(3));
	changed(&fx, 2 * H);
	expect_log(&fx, "2h r data/2\n");
	/* At most every 10 s. */
	engine_outcome(fx.engine, fx.last_id, OUTCOME_REFUSED, NULL, 0);
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_SPARES, value_int(4));
	changed(&fx, 2 * H + 1 * S);
	expect_log(&fx, "");
	at(&fx, 2 * H + 10 * S);
	expect_log(&fx, "2h10s r data/2\n");
	engine_outcome(fx.engine, fx.last_id, OUTCOME_OK, NULL, 0);
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_SPARES, value_int(5));
	changed(&fx, 3 * H);
	expect_log(&fx, "");
	fixture_end(&fx);
}

#define SLOW                                                                                                           \
	HEAD "  - name: slow\n    description: d\n    watch: member\n    where: {device.latency: {gt: 50ms}}\n"        \
	     "    for: {total: 8m, within: 10m}\n    clear: {for: 1h, do: [{notify: {severity: info, text: x}}]}\n"    \
	     "    do: [{notify: {severity: info, text: x}}]\n"

static void latency(struct fixture *fx, const char *device, int64_t t, int64_t ms)
{
	engine_before(fx->engine, t, t);
	fake_set(fx, SORT_DEVICE, device, FACT_DEVICE_LATENCY, value_duration(ms * NS_PER_MS));
	changed(fx, t);
}

static void total_within_sums_up(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, SLOW);
	latency(&fx, "sda", 0, 200);
	latency(&fx, "sda", 4 * M, 5);
	latency(&fx, "sda", 5 * M, 200);
	/* Half of the time is not enough. */
	for (int i = 0; i < 10; i++) {
		latency(&fx, "sdb", i * 2 * M + 6 * M, 200);
		latency(&fx, "sdb", i * 2 * M + 7 * M, 5);
	}
	expect_log(&fx, "9m slow data/0\n");
	latency(&fx, "sda", 40 * M, 5);
	latency(&fx, "sda", 80 * M, 200);
	latency(&fx, "sda", 90 * M, 5);
	at(&fx, 4 * H);
	expect_log(&fx, "2h30m slow data/0 cleared\n");
	fixture_end(&fx);
}

static void hysteresis_has_two_marks(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD
		      "  - name: r\n    description: d\n    watch: device\n    where: {device.latency: {ge: 80ms}}\n"
		      "    clear:\n      where: {device.latency: {lt: 70ms}}\n    repeat: 1h\n"
		      "    do: [{notify: {severity: info, text: x}}]\n");
	latency(&fx, "sda", 1 * M, 81);
	latency(&fx, "sda", 2 * M, 75);
	latency(&fx, "sda", 3 * M, 85);
	latency(&fx, "sda", 4 * M, 69);
	latency(&fx, "sda", 5 * M, 80);
	expect_log(&fx, "1m r sda\n4m r sda cleared\n5m r sda\n");
	at(&fx, 2 * H + 10 * M);
	expect_log(&fx, "1h5m r sda\n2h5m r sda\n");
	fixture_end(&fx);
}

static void devices_with_array_facts_are_watched_for_each_membership(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fake_disks(&fx);
	fake_array(&fx, "more", 1);
	fake_member(&fx, "more/0", "sda", "more", 0);
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    watch: device\n"
				"    where: {device.latency: {gt: 50ms}, array.redundancy: {ge: 1}}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	latency(&fx, "sda", 1 * S, 60);
	latency(&fx, "sdx", 2 * S, 60);
	expect_log(&fx, "1s r sda,data\n1s r sda,more\n");
	fixture_end(&fx);
}

static void a_subject_that_leaves_is_forgotten_without_a_word(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GONE);
	missing_at(&fx, "data/3", 0);
	at(&fx, 30 * S);
	expect_log(&fx, "30s gone data/3\n");
	fx.n--;
	changed(&fx, 1 * M);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void only_what_changed_is_looked_at(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GONE);
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	engine_changed(fx.engine, SORT_BIT(SORT_SNAPSHOT));
	engine_settle(fx.engine);
	at(&fx, 1 * M);
	expect_log(&fx, "");
	engine_changed(fx.engine, SORT_BIT(SORT_MEMBER));
	engine_settle(fx.engine);
	at(&fx, 2 * M);
	expect_log(&fx, "1m30s gone data/1\n");
	fixture_end(&fx);
}

static int64_t seen(const struct fixture *fx, size_t rule)
{
	json_t *stats = engine_stats(fx->engine);
	int64_t n = json_integer_value(json_object_get(json_array_get(stats, rule), "seen"));

	json_decref(stats);
	return n;
}

static void errors_of(struct fixture *fx, int64_t t, int64_t n)
{
	fx->now = t;
	engine_before(fx->engine, t, t);
	fake_set(fx, SORT_DEVICE, "sdb", FACT_DEVICE_ERRORS, value_int(n));
	engine_changed_fact(fx->engine, FACT_DEVICE_ERRORS);
	engine_settle(fx->engine);
}

/* A storm of errors is no reason to look at all members again, each time. */
static void a_fact_concerns_those_that_name_it(void **state)
{
	struct fixture fx = {0};
	int64_t before;

	(void)state;
	fixture_start(&fx, HEAD
		      "  - name: states\n    description: d\n    watch: member\n    where: {member.state: failed}\n"
		      "    do: [activate-spare]\n"
		      "  - name: errors\n    description: d\n    watch: member\n    where: {device.errors: {ge: 3}}\n"
		      "    do: [fail-member]\n");
	before = seen(&fx, 0);
	for (int i = 1; i <= 100; i++)
		errors_of(&fx, i * S, i);
	expect_log(&fx, "3s errors data/1\n");
	assert_int_equal(seen(&fx, 0), before);
	/* What is named by a guard, or could be by one, is looked at. */
	fake_member_state(&fx, "data/1", MEMBER_FAILED);
	changed(&fx, 200 * S);
	expect_log(&fx, "3m20s states data/1\n");
	engine_outcome(fx.engine, fx.last_id, OUTCOME_REFUSED, NULL, 0);
	errors_of(&fx, 300 * S, 101);
	expect_log(&fx, "5m states data/1\n");
	fixture_end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(state_that_lasts_fires_once),
		unit(back_at_the_very_moment_wins),
		unit(true_at_start_counts_from_the_start),
		unit(sleeping_is_not_waiting),
		unit(held_back_is_due_until_it_may),
		unit(repeats_while_true_up_to_the_limit),
		unit(refused_is_due_again_when_something_changes),
		unit(total_within_sums_up),
		unit(hysteresis_has_two_marks),
		unit(devices_with_array_facts_are_watched_for_each_membership),
		unit(a_subject_that_leaves_is_forgotten_without_a_word),
		unit(only_what_changed_is_looked_at),
		unit(a_fact_concerns_those_that_name_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
