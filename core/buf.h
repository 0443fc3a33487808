// SPDX-License-Identifier: GPL-2.0-or-later
/* A growable string. Always NUL-terminated; out of memory is remembered and told once, by buf_take or buf_ok. */
#pragma once

#include "core/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *s; /* NULL while empty */
	size_t len, cap;
	bool oom;
};

void buf_add(struct buf *b, const char *s);
void buf_addn(struct buf *b, const void *s, size_t n);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
void buf_pad(struct buf *b, char c, size_t n);
void buf_clear(struct buf *b); /* empty, memory kept */
void buf_free(struct buf *b);
/* The string (never NULL), still the buffer's. */
const char *buf_str(const struct buf *b);
/* Hands the string to the caller, who frees it; NULL when memory ran out. */
char *buf_take(struct buf *b);
