// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/value.h"

#include "core/clock.h"
#include "core/value_impl.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STRING_MAX = 4096 };

/* Moments and durations can be added without a thought. */
#define DURATION_MAX (UINT64_C(36525) * 86400 * NS_PER_SEC)

static const char *const type_names[] = {
	[V_NONE] = "nothing", [V_BOOL] = "boolean",  [V_INT] = "integer",	[V_NUMBER] = "number",
	[V_SIZE] = "size",    [V_RATE] = "rate",     [V_DURATION] = "duration", [V_PERCENT] = "percent",
	[V_TIME] = "time",    [V_STRING] = "string", [V_ENUM] = "word",		[V_SET] = "set",
};

const char *value_type_name(enum value_type type)
{
	return type_names[type];
}

/* ---- reading ---- */

static int parse_bool(const char *text, struct value *ret, struct err *e)
{
	static const struct {
		const char *word;
		bool b;
	} alike[] = {
		{"yes", true}, {"on", true},   {"y", true},  {"True", true},   {"TRUE", true},	 {"1", true},
		{"no", false}, {"off", false}, {"n", false}, {"False", false}, {"FALSE", false}, {"0", false},
	};

	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
		*ret = value_bool(text[0] == 't');
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(alike); i++)
		if (strcmp(text, alike[i].word) == 0)
			return err_set(e, EINVAL, "'%s' is not a boolean\nwrite %s", text,
				       alike[i].b ? "true" : "false");
	return err_set(e, EINVAL, "'%s' is not a boolean\nwrite true or false", text);
}

/* -?(0|[1-9][0-9]*) or 0x hex. */
static int parse_int(const char *text, struct value *ret, struct err *e)
{
	const char *p = text + (text[0] == '-');
	bool hex = p == text && p[0] == '0' && p[1] == 'x';
	char *end;
	long long n;

	if (hex ? !isxdigit((unsigned char)p[2]) : !isdigit((unsigned char)p[0]) || (p[0] == '0' && p[1]))
		return err_set(e, EINVAL, "'%s' is not an integer", text);
	errno = 0;
	n = strtoll(text, &end, hex ? 16 : 10);
	if (*end)
		return err_set(e, EINVAL, "'%s' is not an integer", text);
	if (errno == ERANGE)
		return err_set(e, EINVAL, "'%s' is too large for an integer", text);
	*ret = value_int(n);
	return 0;
}

/* Length of a decimal number with optional fraction and exponent, 0 if there is none. */
static size_t number_span(const char *s)
{
	size_t i = s[0] == '-', digits = i;

	i += strspn(s + i, "0123456789");
	if (i == digits)
		return 0;
	if (s[i] == '.') {
		size_t n = strspn(s + i + 1, "0123456789");

		if (n == 0)
			return 0;
		i += 1 + n;
	}
	if (s[i] == 'e' || s[i] == 'E') {
		size_t sign = s[i + 1] == '-' || s[i + 1] == '+', n = strspn(s + i + 1 + sign, "0123456789");

		if (n == 0)
			return 0;
		i += 1 + sign + n;
	}
	return i;
}

static int parse_number(const char *text, struct value *ret, struct err *e)
{
	size_t n = number_span(text);
	double d;

	if (n == 0 || text[n])
		return err_set(e, EINVAL, "'%s' is not a number", text);
	d = strtod(text, NULL);
	if (!isfinite(d))
		return err_set(e, EINVAL, "'%s' is too large for a number", text);
	*ret = value_number(d);
	return 0;
}

static int parse_percent(const char *text, struct value *ret, struct err *e)
{
	size_t n = number_span(text);
	bool sign = n > 0 && strcmp(text + n, "%") == 0;
	double d;

	if (n == 0 || (!sign && text[n]))
		return err_set(e, EINVAL, "'%s' is not a percentage\nwrite '80%%' or '0.8'", text);
	d = strtod(text, NULL);
	if (!sign && (d < 0 || d > 1))
		return err_set(e, EINVAL, "needs a '%%' above 1: did you mean '%s%%'?", text);
	if (!isfinite(d))
		return err_set(e, EINVAL, "'%s' is too large for a percentage", text);
	*ret = value_percent(sign ? d / 100 : d);
	return 0;
}

/* Reads "digits", moves *p behind them. */
static int scan_uint(const char **p, uint64_t *ret)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(**p - '0'), &n))
			return -ERANGE;
	*ret = n;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n, const char *s, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, s, len) == 0)
			return &units[i];
	return NULL;
}

static int bad_duration_unit(const char *text, const char *unit, size_t len, struct err *e)
{
	if (len == 1 && unit[0] == 'M')
		return err_set(e, EINVAL,
			       "unknown unit 'M' in duration '%s'\n'm' is minutes; months do not exist, write '30d'",
			       text);
	return err_set(e, EINVAL, "unknown unit '%.*s' in duration '%s'\nunits are w d h m s ms us ns", (int)len, unit,
		       text);
}

static int parse_duration(const char *text, struct value *ret, struct err *e)
{
	const struct unit *last = NULL;
	const char *p = text;
	uint64_t sum = 0;

	if (strcmp(text, "0") == 0) {
		*ret = value_duration(0);
		return 0;
	}
	while (*p) {
		const struct unit *unit;
		uint64_t n;
		size_t len;
		int r = scan_uint(&p, &n);

		if (r == -ERANGE)
			return err_set(e, EINVAL, "'%s' is too long for a duration\nat most a hundred years, 36525d",
				       text);
		if (r < 0)
			return err_set(e, EINVAL, "'%s' is not a duration\nwrite for example '30s' or '1h30m'", text);
		len = strcspn(p, "0123456789");
		if (len == 0 && !last)
			return err_set(e, EINVAL, "needs a unit: did you mean '%ss', '%sm' or '%sh'?", text, text,
				       text);
		unit = find_unit(value_duration_units, N_DURATION_UNITS, p, len);
		if (!unit)
			return bad_duration_unit(text, p, len, e);
		if (last && unit <= last)
			return err_set(e, EINVAL, "units of '%s' do not descend\nwrite for example '1h30m'", text);
		if (__builtin_mul_overflow(n, unit->factor, &n) || __builtin_add_overflow(sum, n, &sum) ||
		    sum > DURATION_MAX)
			return err_set(e, EINVAL, "'%s' is too long for a duration\nat most a hundred years, 36525d",
				       text);
		last = unit;
		p += len;
	}
	if (!last)
		return err_set(e, EINVAL, "'' is not a duration\nwrite for example '30s' or '1h30m'");
	*ret = value_duration((int64_t)sum);
	return 0;
}

static int parse_size(const char *text, enum value_type type, struct value *ret, struct err *e)
{
	const char *what = type == V_RATE ? "rate" : "size", *p = text, *end = text + strlen(text);
	const struct unit *unit;
	uint64_t n;
	int r;

	if (strcmp(text, "0") == 0) {
		*ret = (struct value){.type = type, .u = 0};
		return 0;
	}
	r = scan_uint(&p, &n);
	if (r < 0)
		return err_set(e, EINVAL, "'%s' is not a %s\nwrite for example '%s'", text, what,
			       type == V_RATE ? "100MB/s" : "4TB");
	if (!*p)
		return err_set(e, EINVAL, "needs a unit: did you mean '%sMB%s', '%sMiB%s' or '%sGB%s'?", text,
			       type == V_RATE ? "/s" : "", text, type == V_RATE ? "/s" : "", text,
			       type == V_RATE ? "/s" : "");
	if (type == V_RATE) {
		if (end - p < 2 || strcmp(end - 2, "/s") != 0)
			return err_set(e, EINVAL, "'%s' is not a rate\nwrite '%s/s'", text, text);
		end -= 2;
	}
	unit = find_unit(value_size_units, N_SIZE_UNITS, p, (size_t)(end - p));
	if (!unit)
		return err_set(e, EINVAL,
			       "unknown unit '%.*s' in %s '%s'\nunits are B kB MB GB TB PB KiB MiB GiB TiB PiB",
			       (int)(end - p), p, what, text);
	if (__builtin_mul_overflow(n, unit->factor, &n))
		return err_set(e, EINVAL, "'%s' is too large for a %s", text, what);
	*ret = (struct value){.type = type, .u = n};
	return 0;
}

/* "+hh:mm", "-hh:mm" or "Z" in seconds; false if it is none. */
static bool scan_zone(const char *s, long *ret)
{
	int h, m, n = 0;

	if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0) {
		*ret = 0;
		return true;
	}
	if ((s[0] != '+' && s[0] != '-') || !isdigit((unsigned char)s[1]) ||
	    sscanf(s + 1, "%2d:%2d%n", &h, &m, &n) != 2 || s[1 + n] || n != 5 || h > 23 || m < 0 || m > 59)
		return false;
	*ret = (s[0] == '-' ? -1 : 1) * (h * 3600L + m * 60L);
	return true;
}

static int parse_time(const char *text, struct value *ret, struct err *e)
{
	struct tm tm = {0};
	const char *p;
	int64_t ns = 0, step = NS_PER_SEC, seconds;
	long zone;

	if (strlen(text) < 20 || !isdigit((unsigned char)text[0]))
		goto bad;
	p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		goto bad;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++)
			ns += (*p - '0') * (step /= 10);
	if (!scan_zone(p, &zone))
		goto bad;
	if (__builtin_mul_overflow(timegm(&tm) - zone, NS_PER_SEC, &seconds) ||
	    __builtin_add_overflow(seconds, ns, &seconds))
		goto bad;
	*ret = value_time(seconds);
	return 0;
bad:
	return err_set(e, EINVAL, "'%s' is not a time\nwrite for example '2026-03-02T14:42:10Z'", text);
}

static int parse_string(const char *text, struct value *ret, struct err *e)
{
	size_t len = strlen(text);
	uint32_t cp;

	if (len > STRING_MAX)
		return err_set(e, EINVAL, "the text has %zu bytes, more than %d", len, STRING_MAX);
	for (const char *p = text; *p;) {
		size_t n = value_utf8_span((const unsigned char *)p, &cp);

		if (n == 0)
			return err_set(e, EINVAL, "the text is not UTF-8");
		p += n;
	}
	*ret = value_str(text);
	return 0;
}

static int parse_enum(const char *const *words, const char *text, struct value *ret, struct err *e)
{
	for (int i = 0; words && words[i]; i++) {
		if (strcmp(words[i], text) == 0) {
			*ret = (struct value){.type = V_ENUM, .i = i, .words = words};
			return 0;
		}
	}
	return err_set(e, EINVAL, "'%s' is not one of the words", text);
}

int value_parse(enum value_type type, const char *const *words, const char *text, struct value *ret, struct err *e)
{
	switch (type) {
	case V_BOOL:
		return parse_bool(text, ret, e);
	case V_INT:
		return parse_int(text, ret, e);
	case V_NUMBER:
		return parse_number(text, ret, e);
	case V_SIZE:
	case V_RATE:
		return parse_size(text, type, ret, e);
	case V_DURATION:
		return parse_duration(text, ret, e);
	case V_PERCENT:
		return parse_percent(text, ret, e);
	case V_TIME:
		return parse_time(text, ret, e);
	case V_STRING:
		return parse_string(text, ret, e);
	case V_ENUM:
		return parse_enum(words, text, ret, e);
	case V_SET:
	case V_NONE:
		break;
	}
	return err_set(e, EINVAL, "a %s is not read from a text", value_type_name(type));
}

/* ---- comparing ---- */

static bool set_equal(const struct strset *a, const struct strset *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->words[i], b->words[i]) != 0)
			return false;
	return true;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case V_NONE:
		return false;
	case V_BOOL:
		return a->b == b->b;
	case V_INT:
	case V_DURATION:
	case V_TIME:
		return a->i == b->i;
	case V_ENUM:
		return a->i == b->i && a->words == b->words;
	case V_SIZE:
	case V_RATE:
		return a->u == b->u;
	case V_NUMBER:
	case V_PERCENT:
		return a->d == b->d;
	case V_STRING:
		return strcmp(a->str, b->str) == 0;
	case V_SET:
		return set_equal(a->set, b->set);
	}
	return false;
}

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))

int value_compare(const struct value *a, const struct value *b)
{
	switch (a->type) {
	case V_SIZE:
	case V_RATE:
		return ORDER(a->u, b->u);
	case V_NUMBER:
	case V_PERCENT:
		return ORDER(a->d, b->d);
	case V_STRING:
		return strcmp(a->str, b->str);
	default:
		return ORDER(a->i, b->i);
	}
}

bool strset_has(const struct strset *set, const char *word)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(set->words[mid], word);

		if (order == 0)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}
