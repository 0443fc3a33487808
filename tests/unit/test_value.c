// SPDX-License-Identifier: GPL-2.0-or-later
/* core/value.c: reading, printing and comparing of every type. */
#include "core/clock.h"
#include "core/value.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"hdd", "ssd", NULL};

struct sample {
	enum value_type type;
	const char *text, *canonical, *human, *plain; /* canonical NULL: refused, human is then a part of the message */
};

static const struct sample samples[] = {
	{V_BOOL, "true", "true", "true", "true"},
	{V_BOOL, "yes", NULL, "write true"},
	{V_BOOL, "0", NULL, "write false"},
	{V_BOOL, "maybe", NULL, "'maybe' is not a boolean"},
	{V_INT, "0", "0", "0", "0"},
	{V_INT, "-7", "-7", "-7", "-7"},
	{V_INT, "0x1f", "31", "31", "31"},
	{V_INT, "017", NULL, "not an integer"},
	{V_INT, "0o17", NULL, "not an integer"},
	{V_INT, "1_000", NULL, "not an integer"},
	{V_INT, "0x", NULL, "not an integer"},
	{V_INT, "9223372036854775808", NULL, "too large"},
	{V_NUMBER, "1e3", "1000", "1000", "1000"},
	{V_NUMBER, "0.1", "0.1", "0.1", "0.1"},
	{V_NUMBER, ".inf", NULL, "not a number"},
	{V_NUMBER, "1e999", NULL, "too large"},
	{V_SIZE, "0", "0", "0B", "0"},
	{V_SIZE, "4TB", "3906250000KiB", "4TB", "4000000000000"},
	{V_SIZE, "1536MiB", "1536MiB", "1.6GB", "1610612736"},
	{V_SIZE, "512B", "512B", "512B", "512"},
	{V_SIZE, "4000B", "4000B", "4kB", "4000"},
	{V_SIZE, "10", NULL, "needs a unit"},
	{V_SIZE, "10M", NULL, "unknown unit 'M'"},
	{V_SIZE, "99999999PB", NULL, "too large"},
	{V_RATE, "1MiB/s", "1MiB/s", "1MB/s", "1048576"},
	{V_RATE, "1MiB", NULL, "write '1MiB/s'"},
	{V_DURATION, "0", "0s", "0s", "0"},
	{V_DURATION, "90m", "1h30m", "1h30m", "5400"},
	{V_DURATION, "80ms", "80ms", "80ms", "0.08"},
	{V_DURATION, "1d2h3m", "1d2h3m", "1d2h", "93780"},
	{V_DURATION, "1h0m5s", "1h5s", "1h", "3605"},
	{V_DURATION, "10", NULL, "did you mean '10s', '10m' or '10h'?"},
	{V_DURATION, "10M", NULL, "unknown unit 'M' in duration '10M'"},
	{V_DURATION, "10M", NULL, "months do not exist"},
	{V_DURATION, "30m1h", NULL, "do not descend"},
	{V_DURATION, "-5s", NULL, "not a duration"},
	{V_DURATION, "999999999w", NULL, "too long"},
	{V_PERCENT, "80%", "80%", "80%", "80%"},
	{V_PERCENT, "0.8", "80%", "80%", "80%"},
	{V_PERCENT, "33.3%", "33.3%", "33.3%", "33.3%"},
	{V_PERCENT, "80", NULL, "did you mean '80%'?"},
	{V_TIME, "2026-03-02T14:42:10Z", "2026-03-02T14:42:10Z", "2026-03-02T14:42:10Z", "2026-03-02T14:42:10Z"},
	{V_TIME, "2026-03-02T14:42:10.5+01:00", "2026-03-02T13:42:10.5Z", "2026-03-02T13:42:10.5Z",
	 "2026-03-02T13:42:10.5Z"},
	{V_TIME, "2026-03-02", NULL, "not a time"},
	{V_STRING, "0123", "0123", "0123", "0123"},
	{V_STRING, "a\x1b[31m\xe2\x80\xae", "a\\x1b[31m\\xe2\\x80\\xae", "a\\x1b[31m\\xe2\\x80\\xae",
	 "a\\x1b[31m\\xe2\\x80\\xae"},
	{V_STRING, "\xff", NULL, "not UTF-8"},
	{V_STRING, "\xed\xa0\x80", NULL, "not UTF-8"},
	{V_ENUM, "ssd", "ssd", "ssd", "ssd"},
	{V_ENUM, "tape", NULL, "'tape' is not one"},
};

static void check_print(const struct value *v, enum value_style style, const char *want)
{
	_cleanup_(buf_free) struct buf out = {0};

	value_print(v, style, &out);
	assert_string_equal(buf_str(&out), want);
}

static void samples_read_and_print(void **state)
{
	(void)state;
	for_rows (i, samples) {
		const struct sample *s = &samples[i];
		struct value v;
		struct err e = {0};
		int r = value_parse(s->type, words, s->text, &v, &e);

		if (!s->canonical) {
			if (r == 0 || !strstr(e.msg, s->human))
				fail_msg("'%s': '%s', wanted '%s'", s->text, r ? e.msg : "accepted", s->human);
			continue;
		}
		if (r < 0)
			fail_msg("'%s': %s", s->text, e.msg);
		if (!s->human)
			continue;
		check_print(&v, VALUE_CANONICAL, s->canonical);
		check_print(&v, VALUE_HUMAN, s->human);
		check_print(&v, VALUE_PLAIN, s->plain);
	}
}

/* What is printed in canonical form reads back as the same value. */
static void canonical_reads_back(void **state)
{
	(void)state;
	for_rows (i, samples) {
		_cleanup_(buf_free) struct buf out = {0};
		struct value v, again;

		if (samples[i].type == V_STRING || value_parse(samples[i].type, words, samples[i].text, &v, NULL) < 0)
			continue;
		value_print(&v, VALUE_CANONICAL, &out);
		assert_int_equal(value_parse(samples[i].type, words, buf_str(&out), &again, NULL), 0);
		assert_true(value_equal(&v, &again));
	}
}

static void equality_needs_one_type(void **state)
{
	struct value one = value_int(1), duration = value_duration(1), none = VALUE_NONE, two = value_int(2);

	(void)state;
	assert_false(value_equal(&one, &duration));
	assert_false(value_equal(&none, &none));
	assert_int_equal(value_compare(&one, &two), -1);
	assert_int_equal(value_compare(&two, &one), 1);
}

static void sets_are_searched(void **state)
{
	const char *marks[] = {"flapping", "slow", "worn"};
	struct strset set = {marks, 3};
	struct value v = value_set(&set);

	(void)state;
	assert_true(strset_has(&set, "flapping"));
	assert_true(strset_has(&set, "worn"));
	assert_false(strset_has(&set, "new"));
	check_print(&v, VALUE_CANONICAL, "flapping, slow, worn");
}

static void escaping_is_cut_between_characters(void **state)
{
	_cleanup_(buf_free) struct buf out = {0};

	(void)state;
	value_escape("ab\xc3\xa4z", 3, &out);
	assert_string_equal(buf_str(&out), "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(samples_read_and_print),
		unit(canonical_reads_back),
		unit(equality_needs_one_type),
		unit(sets_are_searched),
		unit(escaping_is_cut_between_characters),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
