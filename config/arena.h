// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory that is released all at once: parsed files, compiled rules, verdicts.
 * Allocations never return NULL: a process that cannot get a few more pages ends here, and is started again with its
 * state restored. */
#pragma once

#include "core/cleanup.h"

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

/* Zeroed memory, aligned for any type, valid until arena_finish. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t n);
/* NULL gives NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) _printf_(2, 3);
/* Makes room for one more element of the size in an array of *n elements that only arena_grow has made, and increments
 * *n. Returns the array, which may have moved; the new element is zeroed. */
void *arena_grow(struct arena *a, void *array, size_t *n, size_t size);
/* What from holds belongs to a from now on. */
void arena_join(struct arena *a, struct arena *from);
void arena_finish(struct arena *a);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))
