// SPDX-License-Identifier: GPL-2.0-or-later
/* Table-driven decoding of a mapping into a struct. One row a key; unknown keys get "did you mean". */
#pragma once

#include "config/tree.h"
#include "core/value.h"

enum field_type {
	FIELD_STRING,	/* const char *: borrowed from the tree */
	FIELD_NAME,	/* const char *: [a-z][a-z0-9-]{0,63} */
	FIELD_INT,	/* int64_t, min..max */
	FIELD_BOOL,	/* bool */
	FIELD_DURATION, /* int64_t ns, min..max */
	FIELD_SIZE,	/* int64_t bytes, min..max */
	FIELD_WORD,	/* int: index into words */
	FIELD_STRINGS,	/* struct strings: one scalar or a list of them */
	FIELD_NODE,	/* const struct node *: decoded by the caller */
};

struct strings {
	const struct node **nodes; /* scalars */
	size_t n;
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	bool required;
	int64_t min, max;	  /* both 0: no range */
	const char *const *words; /* NULL-terminated */
	const char *doc;
};

/* A key of another tool, or one that people expect, and what to write instead. */
struct retired {
	const char *word, *hint;
};

struct schema {
	const char *what;	       /* "rule", "threshold": for messages */
	const struct field *fields;    /* ends with a NULL name */
	const struct retired *retired; /* ends with a NULL word; may be NULL */
};

/* Decodes map into *out, which the caller has filled with the defaults. name: of the thing, for messages
 * ("unknown key 'x' in rule 'name'"), may be NULL. Lists are allocated in a. Reports every problem.
 * 0, or -EINVAL with at least one error in d. */
int schema_decode(const struct schema *s, const struct node *map, const char *name, struct arena *a, void *out,
		  struct diag *d);
/* Decodes one node by one row into *out (the field itself, offset is not used). */
int field_decode(const struct field *f, const struct node *n, struct arena *a, void *out, struct diag *d);

/* True for [a-z][a-z0-9-]{0,63}. */
bool name_valid(const char *s);
/* The word of the list that is nearest to s: Damerau-Levenshtein distance at most 2 and less than the length of s, or
 * NULL. words is NULL-terminated. */
const char *suggest(const char *s, const char *const *words);
/* The same over a list that is produced word by word: next returns the i-th word, NULL at the end. */
const char *suggest_from(const char *s, const char *(*next)(const void *u, size_t i), const void *u);
/* Glob of rules-language 3.6: * ? [a-z] [!a-z] \, the whole string, linear time. */
bool glob_match(const char *pattern, const char *s);
/* True if the text holds * or ?, and so is a glob where globs are allowed. */
bool glob_is(const char *s);
