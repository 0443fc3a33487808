// SPDX-License-Identifier: GPL-2.0-or-later
/* Recordings: a picture of what decides, what happened since, and the rules, as lines of JSON in a file that can be
 * sent to somebody. The format is spared-record(5). */
#pragma once

#include "core/buf.h"
#include "core/err.h"
#include "rules/rules.h"

#include <jansson.h>

enum {
	RECORDING_VERSION = 1,
	RECORDING_ROWS_MAX = 100000,
	RECORDING_BYTES_MAX = 64 << 20,
};

struct recording {
	json_t *head;  /* the first line */
	json_t *world; /* before the first row; NULL: there was none */
	json_t *now;   /* when it was made */
	json_t *rows;  /* {"table","wall","row"}, oldest first */
	struct rule_source *rules;
	size_t n_rules;
	json_t *texts;	   /* owns what rules point to */
	uint64_t left_out; /* rows that did not fit */
};

/* Reads a whole file: every line, and every key of it, is checked. 0, or -EINVAL with *e (its line). recording_finish
 * is to be called in both cases. file: its name in messages. */
int recording_parse(struct recording *r, const char *file, const char *text, size_t len, struct err *e);
int recording_read(struct recording *r, const char *path, struct err *e);
void recording_finish(struct recording *r);
/* Appends a line: {KEY: value}. Takes value. */
void recording_line(struct buf *out, const char *key, json_t *value);
/* Appends the first line. */
void recording_head(struct buf *out, int64_t made, int64_t since, const char *digest);
/* A row of the history that belongs into a recording. */
bool recording_wants(const char *table);
