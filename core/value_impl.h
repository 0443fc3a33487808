// SPDX-License-Identifier: GPL-2.0-or-later
/* What reading and printing of values share. */
#pragma once

#include "core/value.h"

struct unit {
	const char *name;
	uint64_t factor;
};

enum {
	N_DURATION_UNITS = 8,
	N_SIZE_UNITS = 12,
	SIZE_BINARY = 7, /* index of the first binary unit */
};

extern const struct unit value_duration_units[N_DURATION_UNITS];
extern const struct unit value_size_units[N_SIZE_UNITS];

/* Length of the UTF-8 sequence at s, 0 if it is none; its code point in *cp. */
size_t value_utf8_span(const unsigned char *s, uint32_t *cp);
