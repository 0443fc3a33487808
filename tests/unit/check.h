// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks for unit tests. One that fails is told with its place and the test goes on; main returns CHECK_RESULT. */
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                             \
			check_failures++;                                                                              \
		}                                                                                                      \
	} while (0)

#define CHECK_INT(got, want)                                                                                           \
	do {                                                                                                           \
		int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                                                \
		if (got_ != want_) {                                                                                   \
			fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", __FILE__, __LINE__, #got, got_, \
				want_);                                                                                \
			check_failures++;                                                                              \
		}                                                                                                      \
	} while (0)

#define CHECK_STR(got, want)                                                                                           \
	do {                                                                                                           \
		const char *got_ = (got), *want_ = (want);                                                             \
		if (!got_ || !want_ || strcmp(got_, want_) != 0) {                                                     \
			fprintf(stderr, "%s:%d: %s is\n  '%s', not\n  '%s'\n", __FILE__, __LINE__, #got,               \
				got_ ? got_ : "(null)", want_ ? want_ : "(null)");                                     \
			check_failures++;                                                                              \
		}                                                                                                      \
	} while (0)

#define CHECK_RESULT (check_failures ? 1 : 0)
