// SPDX-License-Identifier: GPL-2.0-or-later
/* A parser that a disk has taken over, for tests: a format that does what the disk's first bytes say. */
#pragma once

#include "actions/meta/meta.h"

/* A disk for it begins so; then one of its words, and a newline. Any other disk it does not know. It always ends by not
 * knowing the disk: what was not stopped makes the disk a foreign one. */
#define HOSTILE_MARK "HOSTILE "

extern const struct meta_format hostile_format;
/* The table of formats of a program that is linked with --wrap=meta_formats: the hostile one, then the product's. */
extern const struct meta_format *const __wrap_meta_formats[];
/* The words that try a system call, by number; NULL behind the last. Beside them: "spin" loops without end, "hoard"
 * takes memory until it gets none (status 99: it got a GiB) and gives it back, "flood" answers without end. */
const char *hostile_word(size_t i);
