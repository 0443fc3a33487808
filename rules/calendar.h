// SPDX-License-Identifier: GPL-2.0-or-later
/* Calendars: intervals of the week, and moments in the syntax of systemd.time(7). Pure but for the zone of the machine:
 * wall times are ns since 1970 UTC, utc says that days and hours are those of UTC and not local ones. */
#pragma once

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "[DAYS ]HH:MM-HH:MM" or "DAYS": [from, to) on these days; where to is not after from it ends on the next day. */
struct interval {
	unsigned days; /* bits, Sunday first */
	int from, to;  /* minutes */
};

/* 0, or -EINVAL with one line. */
int interval_parse(const char *text, struct interval *ret, struct err *e);
bool intervals_hold(const struct interval *v, size_t n, int64_t wall, bool utc);
/* The next moment after wall at which one of them begins or ends; n > 0. */
int64_t intervals_next(const struct interval *v, size_t n, int64_t wall, bool utc);

enum { CALENDAR_RANGES_MAX = 12 };

/* Values that a part of a date or time may have. None: any. */
struct calendar_field {
	struct {
		int from, to, step; /* step 0: from alone, or each of from..to */
	} range[CALENDAR_RANGES_MAX];
	size_t n;
};

enum calendar_unit { UNIT_YEAR, UNIT_MONTH, UNIT_DAY, UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND, UNITS };

struct calendar {
	unsigned days; /* bits, Sunday first */
	struct calendar_field unit[UNITS];
	bool utc; /* the text names UTC */
};

/* Words (minutely hourly daily weekly monthly quarterly semiannually yearly annually), or "[DAYS] [[Y-]M-D] [H:M[:S]]
 * [UTC]" with "*", lists "a,b", ranges "a..b" and steps "a/n". 0, or -EINVAL with one line. */
int calendar_parse(const char *text, struct calendar *ret, struct err *e);
/* The first moment after wall. False: there is none in the next 41 years. */
bool calendar_next(const struct calendar *c, int64_t wall, bool utc, int64_t *ret);
