// SPDX-License-Identifier: GPL-2.0-or-later
/* Calendars: what is understood, and when it is next. The zones are POSIX ones, so that no database is needed. */
#include "core/clock.h"
#include "rules/calendar.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t at(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (int64_t)timegm(&tm) * NS_PER_SEC;
}

static void moments_follow_systemd(void **state)
{
	static const struct {
		const char *calendar, *after, *next;
	} rows[] = {
		{"daily", "2026-03-02 15:00:00", "2026-03-03 00:00:00"},
		{"daily", "2026-03-02 00:00:00", "2026-03-03 00:00:00"},
		{"hourly", "2026-12-31 23:30:00", "2027-01-01 00:00:00"},
		{"minutely", "2026-03-02 15:00:59", "2026-03-02 15:01:00"},
		{"weekly", "2026-03-02 00:00:00", "2026-03-09 00:00:00"},
		{"monthly", "2026-01-31 12:00:00", "2026-02-01 00:00:00"},
		{"quarterly", "2026-03-02 15:00:00", "2026-04-01 00:00:00"},
		{"semiannually", "2026-03-02 15:00:00", "2026-07-01 00:00:00"},
		{"yearly", "2026-03-02 15:00:00", "2027-01-01 00:00:00"},
		{"02:30", "2026-03-02 02:29:59", "2026-03-02 02:30:00"},
		{"02:30", "2026-03-02 02:30:00", "2026-03-03 02:30:00"},
		{"Sun 01:00", "2026-03-02 15:00:00", "2026-03-08 01:00:00"},
		{"Mon..Fri 22:15", "2026-03-06 23:00:00", "2026-03-09 22:15:00"},
		{"Sat,sunday 06:00", "2026-03-07 06:00:00", "2026-03-08 06:00:00"},
		{"Fri..Mon 06:00", "2026-03-03 00:00:00", "2026-03-06 06:00:00"},
		{"*-*-1..7 03:00", "2026-03-02 15:00:00", "2026-03-03 03:00:00"},
		{"Sun *-*-1..7 03:00", "2026-03-02 15:00:00", "2026-04-05 03:00:00"},
		{"*:0/15", "2026-03-02 15:16:00", "2026-03-02 15:30:00"},
		{"*:5/20:10", "2026-03-02 15:46:00", "2026-03-02 16:05:10"},
		{"8..18/2:00", "2026-03-02 17:00:00", "2026-03-02 18:00:00"},
		{"02-29", "2026-03-02 15:00:00", "2028-02-29 00:00:00"},
		{"Sun 2-29 12:00", "2026-03-02 15:00:00", "2032-02-29 12:00:00"},
		{"2027-*-31", "2026-03-02 15:00:00", "2027-01-31 00:00:00"},
		{"*-*-* 00:00:00 UTC", "2026-03-02 15:00:00", "2026-03-03 00:00:00"},
		{"Mon", "2026-03-02 15:00:00", "2026-03-09 00:00:00"},
	};

	(void)state;
	for_rows (i, rows) {
		struct calendar c;
		struct err e = {0};
		int64_t next = 0;

		row_name("%s", rows[i].calendar);
		if (calendar_parse(rows[i].calendar, &c, &e) < 0)
			fail_msg("%s", e.msg);
		assert_true(calendar_next(&c, at(rows[i].after), true, &next));
		assert_int_equal(next, at(rows[i].next));
	}
}

static void what_is_not_understood_says_so(void **state)
{
	static const char *const rows[] = {"",
					   "25:00",
					   "12:60",
					   "02:30 Mon",
					   "Mon..",
					   "Mo 02:00",
					   "*-13-01",
					   "*-*-32",
					   "1..",
					   "daily x",
					   "5/0:00",
					   "18..8:00",
					   "*:*:*:*",
					   "1-2-3-4",
					   "Mon,",
					   "UTC",
					   "02:30 Europe/Berlin",
					   "*-*~01",
					   "weekly daily",
					   "0x1:00",
					   "99999999999-1-1",
					   "02:30 02:30"};

	(void)state;
	for_rows (i, rows) {
		struct calendar c;
		struct err e = {0};

		row_name("%s", rows[i]);
		assert_int_equal(calendar_parse(rows[i], &c, &e), -EINVAL);
		assert_true(strlen(e.msg) > 0);
	}
}

static void what_never_comes_is_found_out(void **state)
{
	struct calendar c;
	int64_t next;

	(void)state;
	assert_int_equal(calendar_parse("2-30", &c, NULL), 0);
	assert_false(calendar_next(&c, at("2026-03-02 15:00:00"), true, &next));
	assert_int_equal(calendar_parse("2020-1-1", &c, NULL), 0);
	assert_false(calendar_next(&c, at("2026-03-02 15:00:00"), true, &next));
}

/* Summer time: the hour from 02:00 on 29 March is left out, that on 25 October comes twice. */
static void local_time_has_no_hour_twice(void **state)
{
	struct calendar c;
	int64_t next = 0, second = 0;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_int_equal(calendar_parse("02:30", &c, NULL), 0);
	assert_true(calendar_next(&c, at("2026-03-28 12:00:00"), false, &next));
	assert_true(calendar_next(&c, next, false, &second));
	assert_int_equal(second, at("2026-03-30 00:30:00"));
	assert_true(calendar_next(&c, at("2026-10-24 12:00:00"), false, &next));
	assert_true(calendar_next(&c, next, false, &second));
	assert_int_equal(second, at("2026-10-26 01:30:00"));
	assert_int_equal(calendar_parse("02:30 UTC", &c, NULL), 0);
	assert_true(calendar_next(&c, at("2026-03-28 12:00:00"), false, &next));
	assert_int_equal(next, at("2026-03-29 02:30:00"));
	unsetenv("TZ");
	tzset();
}

static void intervals_belong_to_the_day_they_begin_on(void **state)
{
	static const struct {
		const char *interval, *when;
		bool holds;
	} rows[] = {
		{"22:00-06:00", "2026-03-02 22:00:00", true},	   {"22:00-06:00", "2026-03-02 05:59:59", true},
		{"22:00-06:00", "2026-03-02 06:00:00", false},	   {"Fri 22:00-06:00", "2026-03-07 05:00:00", true},
		{"Fri 22:00-06:00", "2026-03-06 05:00:00", false}, {"Mon..Fri", "2026-03-06 23:59:59", true},
		{"Mon..Fri", "2026-03-07 00:00:00", false},	   {"08:00-24:00", "2026-03-07 23:59:00", true},
		{"08:00-24:00", "2026-03-07 00:00:00", false},	   {"Sat,Sun 00:00-24:00", "2026-03-08 12:00:00", true},
		{"Sun 12:00-12:00", "2026-03-09 11:59:00", true},  {"Sun 12:00-12:00", "2026-03-09 12:00:00", false},
	};
	static const char *const bad[] = {
		"",	"22-06",       "22:00-6:00",   "24:00-01:00",	  "22:60-23:00", "Fun 01:00-02:00",
		"Mon ", "01:00-25:00", " 01:00-02:00", "Mon  01:00-02:00"};
	struct interval v;

	(void)state;
	for_rows (i, rows) {
		row_name("%s at %s", rows[i].interval, rows[i].when);
		assert_int_equal(interval_parse(rows[i].interval, &v, NULL), 0);
		assert_int_equal(intervals_hold(&v, 1, at(rows[i].when), true), rows[i].holds);
	}
	for_rows (i, bad)
		assert_int_equal(interval_parse(bad[i], &v, NULL), -EINVAL);
}

/* Between one boundary and the next nothing changes, minute by minute for three weeks. */
static void nothing_changes_between_boundaries(void **state)
{
	static const char *const rows[] = {"22:00-06:00", "Fri 22:00-06:00", "Mon..Fri", "08:00-24:00",
					   "Sun 12:00-12:00"};

	(void)state;
	for_rows (i, rows) {
		int64_t t = at("2026-03-02 15:00:00"), end = t + 21 * 86400 * NS_PER_SEC, next;
		struct interval v;
		bool holds;

		assert_int_equal(interval_parse(rows[i], &v, NULL), 0);
		next = intervals_next(&v, 1, t, true);
		holds = intervals_hold(&v, 1, t, true);
		for (; t < end; t += 60 * NS_PER_SEC) {
			if (t >= next) {
				assert_int_equal(t, next);
				holds = intervals_hold(&v, 1, t, true);
				next = intervals_next(&v, 1, t, true);
			}
			assert_true(next > t);
			assert_int_equal(intervals_hold(&v, 1, t, true), holds);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(moments_follow_systemd),
		unit(what_is_not_understood_says_so),
		unit(what_never_comes_is_found_out),
		unit(local_time_has_no_hour_twice),
		unit(intervals_belong_to_the_day_they_begin_on),
		unit(nothing_changes_between_boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
