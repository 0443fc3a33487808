// SPDX-License-Identifier: GPL-2.0-or-later
/* The history's database (SQLite, WAL). Rows are the pipeline's own objects; what is searched for stands beside them.
 */
#pragma once

#include "core/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct history;

/* Opens or makes it. run: this broker's number. 0 or -errno. */
int history_open(const char *path, int64_t run, struct history **ret, struct err *e);
void history_close(struct history *h);
DEFINE_CLEANUP(struct history *, history_close)
/* A batch: all rows or none. sync: on the disk when history_end returns; else at the latest with the next synced batch.
 */
int history_begin(struct history *h, bool sync, struct err *e);
/* One row line as record.h shows. A row that is there already (same run and number) is not stored twice. */
int history_put(struct history *h, const json_t *line, struct err *e);
int history_save(struct history *h, const json_t *state, struct err *e);
int history_end(struct history *h, struct err *e);
void history_undo(struct history *h);
/* A new reference, or NULL: none. */
json_t *history_state(struct history *h);
/* Intents that no later outcome has, oldest first: [row..]. A new reference. */
json_t *history_unfinished(struct history *h);
/* One small batch of the oldest rows goes: those older than time (ns), or, while the database is larger than bytes,
 * any. Intents without an outcome stay. How many went, and in *more whether there may be more; or -errno. */
enum { HISTORY_PRUNE_BATCH = 256 };
int history_prune(struct history *h, int64_t time, int64_t bytes, bool *more, struct err *e);
/* The images of the oldest plans go, until the others take at most so many bytes; those for undo, and, as many bytes
 * again, those of what plans wrote over. 0 or -errno. */
int history_prune_images(struct history *h, int64_t bytes, struct err *e);
/* What its rows take. */
int64_t history_bytes(struct history *h);
/* What the verb history of control.h gives: {"rows":[{"id","table","wall","row":{..}}],"more":bool}, newest first, or
 * {"errors":[..],"more":bool}; in all at most max_bytes of text. Of {"image":plan,"part":number} {"image":part}, or
 * -ENOENT. A question that takes too long ends with what it has.
 * 0, -EINVAL (the query is wrong), -ENOENT (no such verdict) or -errno. */
int history_query(struct history *h, const json_t *query, size_t max_bytes, json_t **ret, struct err *e);
