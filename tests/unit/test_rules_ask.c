// SPDX-License-Identifier: GPL-2.0-or-later
/* mode: ask. rules-language 4.10. */
#include "tests/unit/rules_random.h"

#include <errno.h>

#define HEAD "version: 1\nrules:\n  - name: r\n    description: d\n    mode: ask\n"
#define ERRORS                                                                                                         \
	HEAD "    event: block.error\n    threshold: {count: 2, within: 1m}\n    unless: {device.maintenance: true}\n" \
	     "    do: [{mark: {as: doubtful}}, fail-member, {mark: {as: dead}}]\n"
#define GONE                                                                                                           \
	HEAD "    watch: member\n    where: {member.state: missing}\n    ask: {deadline: 1h, then: %s}\n    do: "      \
	     "[fail-member]\n"

static void gone(struct fixture *fx, const char *then)
{
	char text[512];

	snprintf(text, sizeof(text), GONE, then);
	fixture_start(fx, text);
}

static int answer(struct fixture *fx, const char *id, bool yes)
{
	struct err e = {0};

	return engine_answer(fx->engine, id, yes, &e);
}

static size_t questions(struct fixture *fx)
{
	json_t *list = engine_questions(fx->engine);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

static bool marked(struct fixture *fx, const char *as)
{
	const struct strset *marks = engine_marks(fx->engine, "sda");

	return marks && strset_has(marks, as);
}

static void what_changes_arrays_waits_for_an_answer(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, ERRORS);
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 1 * S, 1);
	expect_log(&fx, "1s r sda asked\n");
	assert_true(marked(&fx, "doubtful"));
	assert_false(marked(&fx, "dead"));
	fixture_why(&fx, "r", SORT_DEVICE, "sda", &why);
	assert_non_null(strstr(buf_str(&why), "it waits for an answer: sparectl rules approve V-1"));
	/* One question for a rule and key at a time. */
	block_error(&fx, "sda", 2 * S, 1);
	block_error(&fx, "sda", 3 * S, 1);
	expect_log(&fx, "");
	assert_int_equal(answer(&fx, "V-9", true), -ENOENT);
	at(&fx, 5 * S);
	assert_int_equal(answer(&fx, "V-1", true), 0);
	expect_log(&fx, "5s r sda\n");
	assert_true(marked(&fx, "dead"));
	assert_int_equal(answer(&fx, "V-1", true), -ENOENT);
	assert_int_equal(questions(&fx), 0);
	fixture_end(&fx);
}

static void approval_looks_again(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, ERRORS);
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 1 * S, 1);
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MAINTENANCE, value_bool(true));
	assert_int_equal(answer(&fx, "r", true), -ESTALE);
	expect_log(&fx, "1s r sda asked\n1s r sda withdrawn\n");
	block_error(&fx, "sdb", 2 * S, 1);
	block_error(&fx, "sdb", 2 * S, 1);
	block_error(&fx, "sdc", 2 * S, 1);
	block_error(&fx, "sdc", 2 * S, 1);
	assert_int_equal(answer(&fx, "r", false), -EINVAL);
	buf_clear(&fx.log);
	assert_int_equal(answer(&fx, fx.last_id, false), 0);
	expect_log(&fx, "2s r sdc withdrawn\n");
	assert_int_equal(answer(&fx, "r", false), 0);
	expect_log(&fx, "2s r sdb withdrawn\n");
	fixture_end(&fx);
}

static void what_nobody_answers_is_dropped_or_done(void **state)
{
	static const struct {
		const char *then, *log;
	} rows[] = {{"drop", "0s r data/0 asked\n1h r data/0 withdrawn\n"}, {"do", "0s r data/0 asked\n1h r data/0\n"}};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};

		gone(&fx, rows[i].then);
		fake_member_state(&fx, "data/0", MEMBER_MISSING);
		changed(&fx, 0);
		fx.asleep = 8 * H; /* nobody answers while the machine sleeps */
		at(&fx, 8 * H);
		fx.asleep = 0;
		buf_clear(&fx.log);
		fixture_end(&fx);
		memset(&fx, 0, sizeof(fx));
		gone(&fx, rows[i].then);
		fake_member_state(&fx, "data/0", MEMBER_MISSING);
		changed(&fx, 0);
		at(&fx, 2 * H);
		expect_log(&fx, rows[i].log);
		fixture_end(&fx);
	}
}

static void a_state_that_ends_withdraws_its_question(void **state)
{
	struct fixture fx = {0};

	(void)state;
	gone(&fx, "do");
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	changed(&fx, 0);
	fake_member_state(&fx, "data/0", MEMBER_IN_SYNC);
	changed(&fx, 1 * M);
	expect_log(&fx, "0s r data/0 asked\n1m r data/0 cleared\n1m r data/0 withdrawn\n");
	at(&fx, 2 * H);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void inhibition_withdraws(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "    watch: member\n    where: {member.state: missing}\n    do: [fail-member]\n"
				"  - name: hush\n    description: d\n    event: block.error\n"
				"    do: [{inhibit: {rules: [r], for: 10s, per: device.controller}}]\n");
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	changed(&fx, 0);
	block_error(&fx, "sdc", 1 * S, 1);
	expect_log(&fx, "0s r data/0 asked\n1s hush sdc\n");
	block_error(&fx, "sdb", 2 * S, 1);
	expect_log(&fx, "2s hush sdb\n2s r data/0 withdrawn\n");
	fixture_end(&fx);
}

/* A reload that takes the rule away, or changes what it looks at, takes its question back; another text does not. */
/* A restart with other rules, of which a state is saved once more before it is through. */
static void restart_with(struct fixture *fx, struct ruleset *rules)
{
	struct engine_options o = fixture_options(fx);

	for (int i = 0; i < 2; i++) {
		json_t *state = engine_save(fx->engine, fx->now, fx->now, SIZE_MAX);

		engine_free(fx->engine);
		assert_int_equal(engine_new(rules, &o, &fx->engine), 0);
		assert_int_equal(engine_restore(fx->engine, state, fx->now, fx->now, 0, NULL), 0);
		json_decref(state);
	}
	engine_start(fx->engine, fx->now, fx->now);
}

static void what_no_rule_asks_any_more_is_withdrawn(void **state)
{
	static const char *const rest = "    do: [fail-member]\n";
	static const char *const reasons[] = {NULL, "the rule was removed", "the rule was changed",
					      "the rule was disabled"};
	struct fixture fx = {0};

	(void)state;
	for (int k = 0; k < 8; k++) {
		_cleanup_(buf_free) struct buf text = {0};
		struct ruleset *next;
		int i = k % 4;

		fx = (struct fixture){0};
		gone(&fx, "drop");
		fake_member_state(&fx, "data/0", MEMBER_MISSING);
		changed(&fx, 1 * S);
		expect_log(&fx, "1s r data/0 asked\n");
		buf_addf(&text,
			 "version: 1\nrules:\n  - name: %s\n    description: other\n    watch: member\n"
			 "    where: {member.state: %s}\n    mode: ask\n    unless: {array.maintenance: true}\n%s%s",
			 i == 1 ? "other" : "r", i == 2 ? "failed" : "missing", rest, i == 3 ? "disable: [r]\n" : "");
		next = fixture_rules(buf_str(&text));
		if (k < 4)
			assert_int_equal(engine_reload(fx.engine, next, NULL), 0);
		else
			restart_with(&fx, next);
		ruleset_unref(next);
		assert_int_equal(questions(&fx), i < 2); /* of the same, and of the other rule */
		if (reasons[i])
			assert_string_equal(fx.last_reason, reasons[i]);
		expect_log(&fx, i == 0	 ? ""
				: i == 1 ? "1s r data/0 withdrawn\n1s other data/0 asked\n"
					 : "1s r data/0 withdrawn\n");
		fixture_end(&fx);
	}
}

/* A disk that is gone as well is still named. */
static void what_was_asked_about_is_named(void **state)
{
	struct ruleset *next = fixture_rules("version: 1\n");
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, ERRORS);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sda", 1 * S, 1);
	expect_log(&fx, "1s r sda asked\n");
	fx.n = 0;
	restart_with(&fx, next);
	expect_log(&fx, "1s r sda withdrawn\n");
	assert_string_equal(fx.last_subject, "sda");
	fixture_end(&fx);
	ruleset_unref(next);
}

/* Questions, their answers and deadlines go on over copies, reloads and restarts as if there were none. */
static void questions_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		struct fixture fx = {0};
		int64_t t = 0, asked = -1; /* -1: nothing is asked */
		bool missing = false, yes, on_time = stream % 2;

		seed = stream;
		gone(&fx, on_time ? "do" : "drop");
		for (int k = 0; k < EVENTS; k++) {
			int64_t next = t + (int64_t)draw(40) * M;
			struct value when;

			if (asked >= 0 && asked + 1 * H <= next) {
				when = value_duration(asked + 1 * H);
				value_print(&when, VALUE_CANONICAL, &want);
				buf_add(&want, on_time ? " r data/0\n" : " r data/0 withdrawn\n");
				asked = -1;
			}
			t = next;
			at(&fx, t);
			disturb(&fx);
			when = value_duration(t);
			switch (draw(3)) {
			case 0:
				missing = !missing;
				fake_member_state(&fx, "data/0", missing ? MEMBER_MISSING : MEMBER_IN_SYNC);
				changed(&fx, t);
				value_print(&when, VALUE_CANONICAL, &want);
				buf_add(&want, missing ? " r data/0 asked\n" : " r data/0 cleared\n");
				if (!missing && asked >= 0) {
					value_print(&when, VALUE_CANONICAL, &want);
					buf_add(&want, " r data/0 withdrawn\n");
				}
				asked = missing ? t : -1;
				break;
			case 1:
				yes = draw(2);
				assert_int_equal(answer(&fx, "r", yes), asked >= 0 ? 0 : -ENOENT);
				if (asked < 0)
					break;
				value_print(&when, VALUE_CANONICAL, &want);
				buf_add(&want, yes ? " r data/0\n" : " r data/0 withdrawn\n");
				asked = -1;
				break;
			default:
				break;
			}
			assert_int_equal(questions(&fx), asked >= 0);
		}
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(what_changes_arrays_waits_for_an_answer),
		unit(approval_looks_again),
		unit(what_nobody_answers_is_dropped_or_done),
		unit(a_state_that_ends_withdraws_its_question),
		unit(inhibition_withdraws),
		unit(what_no_rule_asks_any_more_is_withdrawn),
		unit(what_was_asked_about_is_named),
		unit(questions_agree_with_the_oracle),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
