// SPDX-License-Identifier: GPL-2.0-or-later
/* regex tests: what matches, what is refused at load, and that no pattern can hold the engine up. */
#include "tests/unit/rules_fixture.h"

#include <stdlib.h>
#include <time.h>

#define RULE(pattern)                                                                                                  \
	"version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n    where: {device.model: "      \
	"{regex: '" pattern "'}}\n    do: [{mark: {as: x}}]\n"

static void patterns_match_anywhere_unless_they_say_so(void **state)
{
	static const struct {
		const char *pattern, *model;
		bool fires;
	} rows[] = {
		{"^ST[48]000", "ST4000NM", true}, {"^ST[48]000", "XST4000", false}, {"000", "ST4000NM", true},
		{"NM$", "ST4000NM", true},	  {"nm", "ST4000NM", false},	    {"(?i)nm", "ST4000NM", true},
		{"a\\.b", "axb", false},
	};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};
		char text[512];

		snprintf(text, sizeof(text), RULE("%s"), rows[i].pattern);
		fixture_start(&fx, text);
		fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MODEL, value_str(rows[i].model));
		block_error(&fx, "sda", 0, 1);
		row_name("%s", rows[i].pattern);
		expect_log(&fx, rows[i].fires ? "0s r sda\n" : "");
		fixture_end(&fx);
	}
}

static int64_t stat_of(struct fixture *fx, const char *name)
{
	json_t *stats = engine_stats(fx->engine);
	int64_t n = json_integer_value(json_object_get(json_array_get(stats, 0), name));

	json_decref(stats);
	return n;
}

/* Each of them takes years in an engine that only backtracks. */
static void a_pattern_that_explodes_is_unknown(void **state)
{
	static const char *const rows[] = {RULE("^(a+)+$"), RULE("^(a|aa)+$"), RULE("^(a*)*[bc]"),
					   RULE("^(?:(a)|(?R)(?R))+$")};

	(void)state;
	for_rows (i, rows) {
		struct fixture fx = {0};
		static char model[4001];
		clock_t begin;

		memset(model, 'a', sizeof(model) - 2);
		model[sizeof(model) - 2] = '!';
		fixture_start(&fx, rows[i]);
		fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MODEL, value_str(model));
		begin = clock();
		block_error(&fx, "sda", 0, 1);
		row_name("%ld us", (long)((clock() - begin) * 1000000 / CLOCKS_PER_SEC));
		assert_true(clock() - begin < CLOCKS_PER_SEC);
		expect_log(&fx, "");
		assert_int_equal(stat_of(&fx, "regex-limit"), 1);
		assert_int_equal(stat_of(&fx, "matched"), 0);
		fixture_end(&fx);
	}
}

/* Unknown never acts, neither way: not with "not" around it. */
static void not_of_unknown_is_unknown(void **state)
{
	struct fixture fx = {0};
	char model[2001];

	(void)state;
	memset(model, 'a', sizeof(model) - 1);
	model[sizeof(model) - 2] = '!';
	model[sizeof(model) - 1] = '\0';
	fixture_start(&fx, "version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n"
			   "    where: {device.model: {not: {regex: '^(a+)+$'}}}\n    do: [{mark: {as: x}}]\n");
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MODEL, value_str(model));
	block_error(&fx, "sda", 0, 1);
	expect_log(&fx, "");
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MODEL, value_str("b"));
	block_error(&fx, "sda", 1 * S, 1);
	expect_log(&fx, "1s r sda\n");
	fixture_end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(patterns_match_anywhere_unless_they_say_so),
		unit(a_pattern_that_explodes_is_unknown),
		unit(not_of_unknown_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
