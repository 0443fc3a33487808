// SPDX-License-Identifier: GPL-2.0-or-later
/* Collects every problem of every file of one load, and prints them with the source line and a caret. */
#pragma once

#include "config/arena.h"
#include "core/buf.h"
#include "core/err.h"

#include <jansson.h>

/* A place in an input. The file's name is borrowed. */
struct place {
	const char *file; /* NULL: no place */
	int line, col;	  /* 1-based; line 0: the file as a whole */
	int end_col;	  /* column after the token's last character on the same line */
};

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

enum { DIAG_HINTS_MAX = 4 };

struct diag_item {
	enum severity severity;
	struct place at;  /* the diag's own copy */
	const char *code; /* a short word, e.g. "unknown-key" or a lint's name */
	const char *message;
	const char *hints[DIAG_HINTS_MAX]; /* the rest is NULL */
	size_t order;
};

struct diag_source;

struct diag {
	struct arena arena;
	struct diag_item *items;
	size_t n;
	size_t errors, warnings;
	struct diag_source *sources;
	bool strict; /* warnings count as errors. Set by the caller. */
};

void diag_init(struct diag *d);
void diag_finish(struct diag *d);
/* Remembers (copies) the text of a file, for source lines. */
void diag_source(struct diag *d, const char *file, const char *text, size_t len);
/* Adds a problem. Everything is copied except code, which is a literal. A second line of the message is a hint. */
void diag_add(struct diag *d, enum severity severity, const struct place *at, const char *code, const char *fmt, ...)
	_printf_(5, 6);
#define diag_error(d, at, code, ...) diag_add((d), SEVERITY_ERROR, (at), (code), __VA_ARGS__)
#define diag_warning(d, at, code, ...) diag_add((d), SEVERITY_WARNING, (at), (code), __VA_ARGS__)
/* Adds a hint to the problem that was added last. */
void diag_hint(struct diag *d, const char *fmt, ...) _printf_(2, 3);
/* True if the load must be refused: an error, or a warning with strict. */
bool diag_failed(const struct diag *d);
/* FILE:LINE:COL: error: MESSAGE, the source line, carets, hint lines for each; then "N errors, M warnings" + tail +
 * ".". tail may be NULL. Prints nothing when there is no problem. */
void diag_print(struct diag *d, const char *tail, struct buf *out);
/* A list of {file, line, col, end-col, severity, code, message, hint}. A new reference. */
json_t *diag_to_json(struct diag *d);
/* The first error as a struct err with code EINVAL; 0 and untouched *e if there is none. */
int diag_first_error(struct diag *d, struct err *e);
