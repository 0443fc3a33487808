// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/calendar.h"

#include "core/cleanup.h"
#include "core/clock.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ALL_DAYS = 0x7f, DAY_MINUTES = 1440, TEXT_MAX = 255, HORIZON_DAYS = 15000 };

/* ---- moments ---- */

static struct tm broken_down(int64_t wall, bool utc)
{
	time_t t = (time_t)(wall / NS_PER_SEC - (wall % NS_PER_SEC < 0));
	struct tm tm = {0};

	if (utc)
		gmtime_r(&t, &tm);
	else
		localtime_r(&t, &tm);
	return tm;
}

/* A time that daylight saving leaves out is an hour later; of one that comes twice it is the first or the second, never
 * both. */
static int64_t wall_of(struct tm tm, bool utc)
{
	tm.tm_isdst = -1;
	return (int64_t)(utc ? timegm(&tm) : mktime(&tm)) * NS_PER_SEC;
}

/* ---- days of the week ---- */

static int day_number(const char *word, size_t n)
{
	static const char *const names[] = {"Sunday",	"Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday"};

	for (int i = 0; i < 7; i++)
		if ((n == 3 || n == strlen(names[i])) && strncasecmp(names[i], word, n) == 0)
			return i;
	return -1;
}

/* "Mon..Fri,Sun" of n bytes. 0: it is none. */
static unsigned days_parse(const char *text, size_t n)
{
	const char *end = text + n;
	unsigned days = 0;

	while (text < end) {
		size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
		int from = day_number(text, MIN(len, (size_t)(end - text))), to = from;

		text += len;
		if (from < 0 || text > end)
			return 0;
		if (end - text > 2 && strncmp(text, "..", 2) == 0) {
			text += 2;
			len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
			to = day_number(text, len);
			text += len;
			if (to < 0 || text > end)
				return 0;
		}
		for (int d = from;; d = (d + 1) % 7) {
			days |= 1u << d;
			if (d == to)
				break;
		}
		if (text == end)
			return days;
		if (*text++ != ',' || text == end)
			return 0;
	}
	return 0;
}

/* ---- intervals ---- */

/* "HH:MM" */
static int minutes_parse(const char *s)
{
	int h, m;

	if (!isdigit(s[0]) || !isdigit(s[1]) || s[2] != ':' || !isdigit(s[3]) || !isdigit(s[4]))
		return -1;
	h = (s[0] - '0') * 10 + s[1] - '0';
	m = (s[3] - '0') * 10 + s[4] - '0';
	return h < 24 && m < 60 ? h * 60 + m : h == 24 && m == 0 ? DAY_MINUTES : -1;
}

int interval_parse(const char *text, struct interval *ret, struct err *e)
{
	const char *space = strchr(text, ' '), *times = space ? space + 1 : text;
	size_t n = space ? (size_t)(space - text) : strlen(text);

	*ret = (struct interval){.days = ALL_DAYS, .to = DAY_MINUTES};
	if (space || isalpha(text[0])) {
		ret->days = days_parse(text, n);
		if (!ret->days)
			return err_set(e, EINVAL, "'%.*s' are no days such as Mon..Fri or Sat,Sun",
				       (int)MIN(n, (size_t)64), text);
		if (!space)
			return 0;
	}
	if (strlen(times) == 11 && times[5] == '-') {
		ret->from = minutes_parse(times);
		ret->to = minutes_parse(times + 6);
		if (ret->from >= 0 && ret->from < DAY_MINUTES && ret->to >= 0)
			return 0;
	}
	return err_set(e, EINVAL,
		       "'%.64s' is no interval: write \"[DAYS ]HH:MM-HH:MM\", as in \"Mon..Fri 22:00-06:00\"", text);
}

static bool interval_holds(const struct interval *v, const struct tm *tm)
{
	int minute = tm->tm_hour * 60 + tm->tm_min;
	bool today = v->days & 1u << tm->tm_wday, yesterday = v->days & 1u << (tm->tm_wday + 6) % 7;

	if (v->from < v->to)
		return today && minute >= v->from && minute < v->to;
	return (today && minute >= v->from) || (yesterday && minute < v->to);
}

bool intervals_hold(const struct interval *v, size_t n, int64_t wall, bool utc)
{
	struct tm tm = broken_down(wall, utc);

	for (size_t i = 0; i < n; i++)
		if (interval_holds(&v[i], &tm))
			return true;
	return false;
}

int64_t intervals_next(const struct interval *v, size_t n, int64_t wall, bool utc)
{
	struct tm tm = broken_down(wall, utc);
	int64_t next = INT64_MAX;

	/* Every boundary comes once a day; two days, for today's may be over. */
	for (size_t i = 0; i < 4 * n; i++) {
		struct tm at = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday + (int)(i / n / 2)};
		int64_t t;

		at.tm_min = i / n % 2 ? v[i % n].from : v[i % n].to;
		t = wall_of(at, utc);
		if (t > wall && t < next)
			next = t;
	}
	return next == INT64_MAX ? wall + 3600 * NS_PER_SEC : next;
}

/* ---- systemd's syntax ---- */

static const struct {
	const char *name;
	int min, max;
} units[UNITS] = {
	[UNIT_YEAR] = {"year", 1970, 2199}, [UNIT_MONTH] = {"month", 1, 12},   [UNIT_DAY] = {"day", 1, 31},
	[UNIT_HOUR] = {"hour", 0, 23},	    [UNIT_MINUTE] = {"minute", 0, 59}, [UNIT_SECOND] = {"second", 0, 59}};

static bool number(const char **s, int *ret)
{
	const char *p = *s;

	*ret = 0;
	while (isdigit(*p) && p - *s < 5)
		*ret = *ret * 10 + (*p++ - '0');
	if (p == *s || isdigit(*p))
		return false;
	*s = p;
	return true;
}

/* "*", "5", "1..5", "1,3", "0/15", "8..18/2", lists of them. *s: behind it. */
static bool field_parse(const char **s, enum calendar_unit unit, struct calendar_field *f)
{
	int min = units[unit].min, max = units[unit].max;

	for (*f = (struct calendar_field){0};; (*s)++) {
		int from = min, to, step = 0;
		bool any = **s == '*';

		if (any)
			(*s)++;
		else if (!number(s, &from))
			return false;
		to = any ? max : from;
		if (!any && strncmp(*s, "..", 2) == 0) {
			*s += 2;
			if (!number(s, &to))
				return false;
		}
		if (**s == '/') {
			(*s)++;
			if (!number(s, &step) || step == 0)
				return false;
			to = to == from ? max : to;
		}
		if (from < min || to > max || from > to || f->n == CALENDAR_RANGES_MAX)
			return false;
		if (!any || step) {
			f->range[f->n].from = from;
			f->range[f->n].to = to;
			f->range[f->n++].step = step;
		}
		if (**s != ',')
			return true;
	}
}

/* The fields of first..last, with the mark between them. */
static bool fields_parse(const char *s, struct calendar *c, enum calendar_unit first, enum calendar_unit last,
			 char mark)
{
	for (enum calendar_unit u = first; u <= last; u++) {
		if (u > first && *s++ != mark)
			return false;
		if (!field_parse(&s, u, &c->unit[u]))
			return false;
	}
	return *s == '\0';
}

static size_t count(const char *s, char c)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == c;
	return n;
}

static void only(struct calendar_field *f, int value)
{
	*f = (struct calendar_field){.n = 1};
	f->range[0].from = f->range[0].to = value;
}

enum token { TOKEN_DAYS, TOKEN_DATE, TOKEN_TIME, TOKEN_ZONE, TOKEN_NONE };

static enum token token_parse(const char *word, struct calendar *c)
{
	if (strcmp(word, "UTC") == 0) {
		c->utc = true;
		return TOKEN_ZONE;
	}
	if (isalpha(word[0])) {
		c->days = days_parse(word, strlen(word));
		return c->days ? TOKEN_DAYS : TOKEN_NONE;
	}
	if (strchr(word, ':')) {
		only(&c->unit[UNIT_SECOND], 0);
		return fields_parse(word, c, UNIT_HOUR, count(word, ':') == 1 ? UNIT_MINUTE : UNIT_SECOND, ':')
			       ? TOKEN_TIME
			       : TOKEN_NONE;
	}
	return fields_parse(word, c, count(word, '-') == 1 ? UNIT_MONTH : UNIT_YEAR, UNIT_DAY, '-') ? TOKEN_DATE
												    : TOKEN_NONE;
}

static const char *shorthand(const char *text)
{
	static const struct {
		const char *word, *text;
	} words[] = {{"minutely", "*-*-* *:*:00"},
		     {"hourly", "*-*-* *:00:00"},
		     {"daily", "*-*-* 00:00:00"},
		     {"weekly", "Mon *-*-* 00:00:00"},
		     {"monthly", "*-*-01 00:00:00"},
		     {"quarterly", "*-01,04,07,10-01 00:00:00"},
		     {"semiannually", "*-01,07-01 00:00:00"},
		     {"yearly", "*-01-01 00:00:00"},
		     {"annually", "*-01-01 00:00:00"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, text) == 0)
			return words[i].text;
	return text;
}

int calendar_parse(const char *text, struct calendar *ret, struct err *e)
{
	char copy[TEXT_MAX + 1], *save = NULL;
	bool any = false;
	int last = -1;

	*ret = (struct calendar){.days = ALL_DAYS};
	for (enum calendar_unit u = UNIT_HOUR; u < UNITS; u++)
		only(&ret->unit[u], 0);
	text = shorthand(text);
	if (strlen(text) > TEXT_MAX)
		return err_set(e, EINVAL, "a calendar of more than %d bytes", TEXT_MAX);
	memcpy(copy, text, strlen(text) + 1);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		enum token t = token_parse(word, ret);

		if (t == TOKEN_NONE || (int)t <= last)
			return err_set(
				e, EINVAL,
				"'%.64s' is not understood here: write \"[DAYS] [YEAR-MONTH-DAY] "
				"[HOUR:MINUTE[:SECOND]] [UTC]\", as in \"Mon..Fri 02:30\", or a word such as daily",
				word);
		last = t;
		any |= t != TOKEN_ZONE;
	}
	if (!any)
		return err_set(e, EINVAL, "an empty calendar");
	return 0;
}

/* ---- the next moment ---- */

static bool allows(const struct calendar_field *f, int v)
{
	for (size_t i = 0; i < f->n; i++)
		if (v >= f->range[i].from && v <= f->range[i].to &&
		    (f->range[i].step == 0 || (v - f->range[i].from) % f->range[i].step == 0))
			return true;
	return f->n == 0;
}

static bool allows_day(const struct calendar *c, const struct tm *day)
{
	return c->days & 1u << day->tm_wday && allows(&c->unit[UNIT_YEAR], day->tm_year + 1900) &&
	       allows(&c->unit[UNIT_MONTH], day->tm_mon + 1) && allows(&c->unit[UNIT_DAY], day->tm_mday);
}

/* The first time of the day that is allowed and after the moment. */
static bool next_of_day(const struct calendar *c, struct tm day, int64_t wall, bool utc, int64_t *ret)
{
	for (day.tm_hour = 0; day.tm_hour < 24; day.tm_hour++) {
		struct tm end = day;

		end.tm_min = end.tm_sec = 59;
		if (!allows(&c->unit[UNIT_HOUR], day.tm_hour) || wall_of(end, utc) <= wall)
			continue;
		for (day.tm_min = 0; day.tm_min < 60; day.tm_min++) {
			if (!allows(&c->unit[UNIT_MINUTE], day.tm_min))
				continue;
			for (day.tm_sec = 0; day.tm_sec < 60; day.tm_sec++) {
				if (!allows(&c->unit[UNIT_SECOND], day.tm_sec))
					continue;
				*ret = wall_of(day, utc);
				if (*ret > wall)
					return true;
			}
		}
	}
	return false;
}

bool calendar_next(const struct calendar *c, int64_t wall, bool utc, int64_t *ret)
{
	struct tm today;

	utc |= c->utc;
	today = broken_down(wall, utc);
	for (int i = 0; i < HORIZON_DAYS; i++) {
		struct tm day = {.tm_year = today.tm_year, .tm_mon = today.tm_mon, .tm_mday = today.tm_mday + i};
		time_t t = timegm(&day);

		gmtime_r(&t, &day);
		day.tm_hour = day.tm_min = day.tm_sec = 0;
		if (allows_day(c, &day) && next_of_day(c, day, wall, utc, ret))
			return true;
	}
	return false;
}
