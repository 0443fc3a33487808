// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/arena.h"

#include "core/log.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_SIZE = 16384 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char data[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = calloc(1, sizeof(*b) + size);

	if (!b) {
		log_error("out of memory");
		abort();
	}
	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t need;
	void *p;

	if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &need)) {
		log_error("out of memory");
		abort();
	}
	need &= ~(alignof(max_align_t) - 1);
	if (!b || b->size - b->used < need) {
		b = block_new(MAX(need, (size_t)BLOCK_SIZE));
		b->next = a->blocks;
		a->blocks = b;
	}
	p = b->data + b->used;
	b->used += need;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	n = n < 0 ? 0 : n;
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

void *arena_grow(struct arena *a, void *array, size_t *n, size_t size)
{
	/* Capacities are powers of two, so that they need not be kept. */
	if ((*n & (*n - 1)) == 0) {
		void *more = arena_alloc(a, (*n ? *n * 2 : 1) * size);

		if (*n)
			memcpy(more, array, *n * size);
		array = more;
	}
	(*n)++;
	return array;
}

void arena_join(struct arena *a, struct arena *from)
{
	struct arena_block **end = &a->blocks;

	while (*end)
		end = &(*end)->next;
	*end = from->blocks;
	from->blocks = NULL;
}

void arena_finish(struct arena *a)
{
	struct arena_block *next;

	for (struct arena_block *b = a->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
}
