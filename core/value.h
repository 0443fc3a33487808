// SPDX-License-Identifier: GPL-2.0-or-later
/* A typed value: what a fact is, what a test compares, what a parameter holds. rules-language 3.1. */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>

enum value_type {
	V_NONE, /* unknown */
	V_BOOL,
	V_INT,
	V_NUMBER,
	V_SIZE,	    /* u: bytes */
	V_RATE,	    /* u: bytes a second */
	V_DURATION, /* i: ns, >= 0 */
	V_PERCENT,  /* d: 0.8 is 80 % */
	V_TIME,	    /* i: ns since 1970 UTC */
	V_STRING,   /* str: borrowed, NUL-terminated, valid UTF-8, at most 4096 bytes */
	V_ENUM,	    /* i: index into the fact's words */
	V_SET,	    /* set: borrowed, sorted, unique */
};

struct strset {
	const char **words; /* sorted by bytes, unique */
	size_t n;
};

struct value {
	enum value_type type;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const char *str;
		const struct strset *set;
	};
	const char *const *words; /* V_ENUM: NULL-terminated words of the type */
};

#define VALUE_NONE ((struct value){.type = V_NONE})

/* Field by field: GCC makes a literal on the stack and waits for it there, at each fact of each event. */
#define VALUE_OF(NAME, CTYPE, FIELD, TYPE)                                                                             \
	static inline struct value NAME(CTYPE x) {                                                                     \
		struct value v;                                                                                        \
                                                                                                                       \
		v.type = TYPE;                                                                                         \
		v.u = 0;                                                                                               \
		v.FIELD = x;                                                                                           \
		v.words = NULL;                                                                                        \
		return v;                                                                                              \
	}
VALUE_OF(value_bool, bool, b, V_BOOL)
VALUE_OF(value_int, int64_t, i, V_INT)
VALUE_OF(value_size, uint64_t, u, V_SIZE)
VALUE_OF(value_duration, int64_t, i, V_DURATION)
VALUE_OF(value_percent, double, d, V_PERCENT)
VALUE_OF(value_number, double, d, V_NUMBER)
VALUE_OF(value_time, int64_t, i, V_TIME)
VALUE_OF(value_set, const struct strset *, set, V_SET)
/* NULL gives an unknown value. */
VALUE_OF(value_str, const char *, str, x ? V_STRING : V_NONE)

enum value_style {
	VALUE_CANONICAL, /* reads back: 90m -> 1h30m, sizes in the largest binary unit that divides */
	VALUE_HUMAN,	 /* texts: 4TB with one digit, durations with two units */
	VALUE_PLAIN,	 /* exec: plain numbers, bytes and seconds */
};

/* Reads text as the type (enum: one of words). A string value borrows text. Sets are not read from text.
 * 0, or -EINVAL with a message that names the text ("'yes' is not a boolean") or wants the key's name in front ("needs
 * a unit: ..."); a second line of it is a hint. */
int value_parse(enum value_type type, const char *const *words, const char *text, struct value *ret, struct err *e);
/* Appends the printed value; control characters, invalid UTF-8 and direction marks as \xNN. Unknown prints "?". */
void value_print(const struct value *v, enum value_style style, struct buf *out);
/* Appends a string escaped as above, cut at max bytes (0: not cut). For whatever came from a disk. */
void value_escape(const char *s, size_t max, struct buf *out);
/* True if both are known, of one type, and equal. */
bool value_equal(const struct value *a, const struct value *b);
/* -1, 0, 1 for ordered types of one type. The caller has checked the types. */
int value_compare(const struct value *a, const struct value *b);
const char *value_type_name(enum value_type type);
bool strset_has(const struct strset *set, const char *word);
