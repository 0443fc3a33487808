// SPDX-License-Identifier: GPL-2.0-or-later
/* calendars and schedules. The wall clock of the fixture begins at 0s, which is Thursday, 1 January 1970. */
#include "tests/unit/rules_random.h"

#define HEAD "version: 1\ncalendars:\n  nights: [\"22:00-06:00\"]\nrules:\n  - name: r\n    description: d\n"
#define TAIL "    do: [{notify: {severity: info, text: x}}]\n"
#define D (24 * H)

/* Time goes on in steps, as the process around it would take them. */
static void until(struct fixture *fx, int64_t t)
{
	int64_t next;

	while (engine_deadline(fx->engine, &next) && next < t)
		at(fx, MAX(next, fx->now));
	at(fx, t);
}

static void a_calendar_is_a_fact_of_states(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "    watch: array\n    where: {calendar.nights: true, array.state: degraded}\n" TAIL);
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_STATE, fact_enum(FACT_ARRAY_STATE, ARRAY_DEGRADED));
	until(&fx, 6 * H);
	changed(&fx, 7 * H);
	fixture_why(&fx, "r", SORT_ARRAY, "data", &why);
	assert_non_null(strstr(buf_str(&why), "calendar.nights is false, not true"));
	until(&fx, 3 * D);
	expect_log(&fx, "22h r data\n1d6h r data cleared\n1d22h r data\n2d6h r data cleared\n2d22h r data\n");
	fixture_end(&fx);
}

static void a_calendar_gates_events(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx,
		      HEAD "    event: block.error\n    limit: 1s\n    unless: {calendar.nights: {not: true}}\n" TAIL);
	block_error(&fx, "sda", 1 * H, 1);
	until(&fx, 12 * H);
	block_error(&fx, "sda", 12 * H, 1);
	until(&fx, 23 * H);
	block_error(&fx, "sda", 23 * H, 1);
	expect_log(&fx, "1h r sda\n23h r sda\n");
	fixture_end(&fx);
}

/* The calendars' timer goes over to the engine that the reload makes. */
static void calendars_outlive_a_reload(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "    watch: array\n    where: {calendar.nights: true}\n" TAIL);
	until(&fx, 7 * H);
	buf_clear(&fx.log);
	assert_int_equal(engine_reload(fx.engine, fx.rules, NULL), 0);
	until(&fx, 23 * H);
	expect_log(&fx, "22h r data\n");
	assert_int_equal(engine_reload(fx.engine, fx.rules, NULL), 0);
	until(&fx, 31 * H);
	expect_log(&fx, "1d6h r data cleared\n");
	fixture_end(&fx);
}

static void a_wall_clock_that_is_set_moves_calendars(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "    watch: array\n    where: {calendar.nights: true}\n" TAIL);
	until(&fx, 7 * H);
	buf_clear(&fx.log);
	engine_wall(fx.engine, 7 * H, 7 * H, 23 * H);
	at(&fx, 7 * H);
	expect_log(&fx, "7h r data\n");
	until(&fx, 15 * H);
	expect_log(&fx, "14h r data cleared\n");
	/* What is set now was not so since the engine looked last. */
	engine_wall(fx.engine, 20 * H, 20 * H, 23 * H);
	at(&fx, 20 * H);
	expect_log(&fx, "20h r data\n");
	fixture_end(&fx);
}

static void a_schedule_fires_at_its_times(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx,
		      "version: 1\nrules:\n  - name: r\n    description: d\n    schedule: \"Fri,Sat 02:30\"\n" TAIL);
	until(&fx, 9 * D);
	expect_log(&fx, "1d2h30m r \n2d2h30m r \n1w1d2h30m r \n");
	fixture_end(&fx);
}

static void each_subject_is_tested_then_and_has_its_share(void **state)
{
	struct fixture fx = {0};
	_cleanup_(freep) char *first = NULL;

	(void)state;
	fixture_start(&fx, "version: 1\nrules:\n  - name: r\n    description: d\n"
			   "    schedule: {calendar: daily, each: member}\n    where: {member.state: in-sync}\n" TAIL);
	fake_member_state(&fx, "data/1", MEMBER_FAILED);
	until(&fx, 1 * D + 1 * H);
	expect_log(&fx, "1d r data/0\n1d r data/2\n1d r data/3\n");
	fixture_end(&fx);
	memset(&fx, 0, sizeof(fx));
	fixture_start(&fx, "version: 1\nrules:\n  - name: r\n    description: d\n"
			   "    schedule: {calendar: daily, each: member, spread: 10h}\n" TAIL);
	until(&fx, 1 * D + 10 * H);
	first = strdup(buf_str(&fx.log));
	assert_int_equal(strncmp(buf_str(&fx.log), "1d", 2), 0);
	for (int i = 0; i < 4; i++) {
		char member[16];

		snprintf(member, sizeof(member), "r data/%d\n", i);
		assert_non_null(strstr(buf_str(&fx.log), member));
	}
	assert_null(strstr(buf_str(&fx.log), "1d r "));
	/* The same time each day. */
	buf_clear(&fx.log);
	until(&fx, 2 * D + 10 * H);
	for (const char *p = first, *q = buf_str(&fx.log); *p && *q; p++, q++)
		assert_true(*p == *q || (*p == '1' && *q == '2'));
	fixture_end(&fx);
}

#define SLEEPY(persistent)                                                                                             \
	"version: 1\nrules:\n  - name: r\n    description: d\n    schedule: {calendar: daily, persistent: " persistent \
	"}\n" TAIL

static void what_is_missed_asleep_is_made_up_for_once(void **state)
{
	static const struct {
		const char *rules, *log;
	} rows[] = {{SLEEPY("true"), "1d r \n4d r \n"}, {SLEEPY("false"), "4d r \n"}};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};

		fixture_start(&fx, rows[i].rules);
		until(&fx, 1 * H);
		fx.asleep = 3 * D;
		at(&fx, 3 * D + 2 * H);
		until(&fx, 4 * D + 1 * H);
		expect_log(&fx, rows[i].log);
		fixture_end(&fx);
	}
}

static void restart_at(struct fixture *fx, int64_t t)
{
	struct engine_options o = fixture_options(fx);
	json_t *state = engine_save(fx->engine, fx->now, fx->now, SIZE_MAX);
	int64_t away = t - fx->now;

	engine_free(fx->engine);
	assert_int_equal(engine_new(fx->rules, &o, &fx->engine), 0);
	assert_int_equal(engine_restore(fx->engine, state, t, t, away, NULL), 0);
	json_decref(state);
	fx->now = t;
	engine_start(fx->engine, t, t);
	at(fx, t);
}

static void what_is_missed_while_off_too(void **state)
{
	static const struct {
		const char *rules, *log;
	} rows[] = {{SLEEPY("true"), "1d r \n5d1h r \n6d r \n"}, {SLEEPY("false"), "1d r \n6d r \n"}};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};

		fixture_start(&fx, rows[i].rules);
		until(&fx, 1 * D + 1 * H);
		restart_at(&fx, 5 * D + 1 * H);
		until(&fx, 6 * D + 1 * H);
		expect_log(&fx, rows[i].log);
		fixture_end(&fx);
	}
}

/* A time that was jumped over is made up for if it is persistent; one that comes again is not done again. */
static void a_wall_clock_that_is_set_repeats_nothing(void **state)
{
	static const struct {
		const char *rules, *log;
	} rows[] = {{SLEEPY("true"), "20h r \n1d20h30m r \n"}, {SLEEPY("false"), "20h30m r \n1d20h30m r \n"}};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};

		fixture_start(&fx, rows[i].rules);
		until(&fx, 20 * H);
		engine_wall(fx.engine, 20 * H, 20 * H, 47 * H + 30 * M); /* over midnight of day 1 */
		at(&fx, 20 * H);
		until(&fx, 20 * H + 10 * M);
		engine_wall(fx.engine, 20 * H + 10 * M, 20 * H + 10 * M, 23 * H + 40 * M); /* before it */
		at(&fx, 20 * H + 10 * M);
		until(&fx, 44 * H + 40 * M);
		expect_log(&fx, rows[i].log);
		fixture_end(&fx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_calendar_is_a_fact_of_states),
		unit(a_calendar_gates_events),
		unit(calendars_outlive_a_reload),
		unit(a_wall_clock_that_is_set_moves_calendars),
		unit(a_schedule_fires_at_its_times),
		unit(each_subject_is_tested_then_and_has_its_share),
		unit(what_is_missed_asleep_is_made_up_for_once),
		unit(what_is_missed_while_off_too),
		unit(a_wall_clock_that_is_set_repeats_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
