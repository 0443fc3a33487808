// SPDX-License-Identifier: GPL-2.0-or-later
/* Any text as a calendar and as an interval. What is understood has its next moment after each, and holds or does not.
 */
#include "core/clock.h"
#include "rules/calendar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t now = INT64_C(1772463600) * NS_PER_SEC, next;
	char *text = strndup((const char *)data, size);
	struct interval v;
	struct calendar c;
	struct err e = {0};

	if (!text)
		return 0;
	if (calendar_parse(text, &c, &e) == 0)
		for (int i = 0; i < 3 && calendar_next(&c, now, i % 2, &next); i++) {
			if (next <= now)
				abort();
			now = next;
		}
	if (interval_parse(text, &v, &e) == 0) {
		intervals_hold(&v, 1, now, true);
		if (intervals_next(&v, 1, now, true) <= now)
			abort();
	}
	free(text);
	return 0;
}
