// SPDX-License-Identifier: GPL-2.0-or-later
/* Values as text, and the units of both directions. */
#include "core/value_impl.h"

#include "core/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const struct unit value_duration_units[N_DURATION_UNITS] = {
	{"w", UINT64_C(7) * 86400 * NS_PER_SEC},
	{"d", UINT64_C(86400) * NS_PER_SEC},
	{"h", UINT64_C(3600) * NS_PER_SEC},
	{"m", UINT64_C(60) * NS_PER_SEC},
	{"s", NS_PER_SEC},
	{"ms", NS_PER_MS},
	{"us", NS_PER_US},
	{"ns", 1},
};

/* Decimal ones first, each row of two ascending: value_print picks by them. */
const struct unit value_size_units[N_SIZE_UNITS] = {
	{"B", 1},
	{"kB", UINT64_C(1000)},
	{"KB", UINT64_C(1000)},
	{"MB", UINT64_C(1000000)},
	{"GB", UINT64_C(1000000000)},
	{"TB", UINT64_C(1000000000000)},
	{"PB", UINT64_C(1000000000000000)},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{"PiB", UINT64_C(1) << 50},
};

size_t value_utf8_span(const unsigned char *s, uint32_t *cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80		   ? 1
		   : (s[0] & 0xe0) == 0xc0 ? 2
		   : (s[0] & 0xf0) == 0xe0 ? 3
		   : (s[0] & 0xf8) == 0xf0 ? 4
					   : 0;

	if (n == 0)
		return 0;
	*cp = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

/* Characters that change how the text around them is shown. */
static bool is_direction_mark(uint32_t cp)
{
	return cp == 0x61c || cp == 0x200e || cp == 0x200f || (cp >= 0x202a && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069);
}

/* What most texts are throughout. */
static size_t printable_span(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return n;
}

void value_escape(const char *s, size_t max, struct buf *out)
{
	size_t left = max ? max : SIZE_MAX;

	for (;;) {
		uint32_t cp = 0;
		size_t n = printable_span(s, left);
		bool plain;

		buf_addn(out, s, n);
		s += n;
		left -= n;
		if (!*s)
			return;
		n = value_utf8_span((const unsigned char *)s, &cp);
		plain = n > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0) && !is_direction_mark(cp);

		n = n ? n : 1;
		if (n > left)
			return;
		if (plain)
			buf_addn(out, s, n);
		else
			for (size_t i = 0; i < n; i++)
				buf_addf(out, "\\x%02x", (unsigned char)s[i]);
		s += n;
		left -= n;
	}
}

static void print_number(double d, struct buf *out)
{
	char text[40];

	if (d < 1e15 && d > -1e15 && d == (double)(int64_t)d) {
		buf_addf(out, "%" PRId64, (int64_t)d);
		return;
	}
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_add(out, text);
}

static void print_duration(int64_t ns, size_t max_units, struct buf *out)
{
	uint64_t left = (uint64_t)ns;
	size_t units = 0;

	if (ns <= 0) {
		buf_add(out, "0s");
		return;
	}
	for (size_t i = 0; i < N_DURATION_UNITS && left > 0; i++) {
		uint64_t n = left / value_duration_units[i].factor;

		if (units > 0 && max_units > 0 && (units >= max_units || n == 0))
			return;
		if (n == 0)
			continue;
		buf_addf(out, "%" PRIu64 "%s", n, value_duration_units[i].name);
		left %= value_duration_units[i].factor;
		units++;
	}
}

static void print_size(uint64_t bytes, enum value_style style, struct buf *out)
{
	if (style == VALUE_PLAIN) {
		buf_addf(out, "%" PRIu64, bytes);
		return;
	}
	if (style == VALUE_HUMAN) {
		size_t i = SIZE_BINARY - 1;
		char text[32];

		while (i > 0 && value_size_units[i].factor > bytes)
			i--;
		snprintf(text, sizeof(text), "%.1f", (double)bytes / (double)value_size_units[i].factor);
		if (strcmp(text + strlen(text) - 2, ".0") == 0)
			text[strlen(text) - 2] = '\0';
		buf_addf(out, "%s%s", text,
			 strcmp(value_size_units[i].name, "KB") == 0 ? "kB" : value_size_units[i].name);
		return;
	}
	for (size_t i = N_SIZE_UNITS; i-- > SIZE_BINARY && bytes > 0;) {
		if (bytes % value_size_units[i].factor == 0) {
			buf_addf(out, "%" PRIu64 "%s", bytes / value_size_units[i].factor, value_size_units[i].name);
			return;
		}
	}
	buf_addf(out, bytes ? "%" PRIu64 "B" : "0", bytes);
}

static void print_time(int64_t ns, struct buf *out)
{
	int64_t sec = ns / NS_PER_SEC - (ns % NS_PER_SEC < 0), rest = ns - sec * NS_PER_SEC;
	time_t t = (time_t)sec;
	struct tm tm;
	long zone;

	if (!localtime_r(&t, &tm)) {
		buf_add(out, "?");
		return;
	}
	buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
	if (rest) {
		char text[16];
		size_t n = (size_t)snprintf(text, sizeof(text), ".%09" PRId64, rest);

		while (text[n - 1] == '0')
			n--;
		buf_addn(out, text, n);
	}
	zone = tm.tm_gmtoff;
	if (zone == 0)
		buf_addc(out, 'Z');
	else
		buf_addf(out, "%c%02ld:%02ld", zone < 0 ? '-' : '+', labs(zone) / 3600, labs(zone) / 60 % 60);
}

static void print_set(const struct strset *set, enum value_style style, struct buf *out)
{
	for (size_t i = 0; i < set->n; i++) {
		if (i > 0)
			buf_add(out, ", ");
		value_escape(set->words[i], style == VALUE_HUMAN ? 256 : 0, out);
	}
}

void value_print(const struct value *v, enum value_style style, struct buf *out)
{
	switch (v->type) {
	case V_NONE:
		buf_add(out, "?");
		break;
	case V_BOOL:
		buf_add(out, v->b ? "true" : "false");
		break;
	case V_INT:
		buf_addf(out, "%" PRId64, v->i);
		break;
	case V_NUMBER:
		print_number(v->d, out);
		break;
	case V_SIZE:
		print_size(v->u, style, out);
		break;
	case V_RATE:
		print_size(v->u, style, out);
		if (style != VALUE_PLAIN && v->u > 0)
			buf_add(out, "/s");
		break;
	case V_DURATION:
		if (style == VALUE_PLAIN)
			print_number((double)v->i / (double)NS_PER_SEC, out);
		else
			print_duration(v->i, style == VALUE_HUMAN ? 2 : 0, out);
		break;
	case V_PERCENT:
		/* 33.3 is not 33.29999999999999 once it was divided by 100. */
		buf_addf(out, "%.12g%%", v->d * 100);
		break;
	case V_TIME:
		print_time(v->i, out);
		break;
	case V_STRING:
		value_escape(v->str, style == VALUE_HUMAN ? 256 : 0, out);
		break;
	case V_ENUM:
		buf_add(out, v->words[v->i]);
		break;
	case V_SET:
		print_set(v->set, style, out);
		break;
	}
}
