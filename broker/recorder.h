// SPDX-License-Identifier: GPL-2.0-or-later
/* The broker's side of the history: rows go to the record process (record.h), which owns the database. A dead, slow or
 * refusing one never stops anything: rows wait, bounded; an intent that is not acknowledged in time is let go with a
 * warning. */
#pragma once

#include "broker/loop.h"
#include "core/err.h"

#include <jansson.h>
#include <stdbool.h>

struct recorder;

struct recorder_ops {
	/* What was kept from before: the saved state (NULL: none) and a list of the intents without an outcome, oldest
	 * first (NULL: none, or the database cannot be read). Once, soon after recorder_new. */
	void (*opened)(void *u, const json_t *state, const json_t *unfinished);
	/* The row with this id is durable; or not, and waiting longer would help nobody. */
	void (*stored)(void *u, const char *id);
	/* The answer to a query: {"rows":[..],"more":bool}, or {"error":text}. Borrowed. */
	void (*answer)(void *u, uint64_t token, const json_t *answer);
	/* The history cannot be written (reason), or can again (NULL) after it lost so many rows. */
	void (*trouble)(void *u, const char *reason, uint64_t lost);
	void *u;
};

int recorder_new(struct loop *l, const char *path, const struct recorder_ops *ops, struct recorder **ret);
void recorder_free(struct recorder *r);
DEFINE_CLEANUP(struct recorder *, recorder_free)
/* Queues a row; nothing is called back from here. id: what `stored` names, when want_ack. */
void recorder_store(struct recorder *r, const char *table, const json_t *row, const char *id, bool want_ack);
/* Replaces the saved state. */
void recorder_save(struct recorder *r, const json_t *state);
/* What is older than time (ns), or beyond size (bytes), may go; images beyond so many bytes, too. */
void recorder_limits(struct recorder *r, int64_t time, int64_t size, int64_t images);
/* Asks for rows, see the verb history in control.h. -EAGAIN: the record process is not there. */
int recorder_query(struct recorder *r, uint64_t token, const json_t *query);
/* Starts the process when it is not there, and tells what is due. True if something was called back. */
bool recorder_turn(struct recorder *r);
/* Asks for the end: `true` from recorder_idle once all is written, or given up. */
bool recorder_idle(const struct recorder *r);
/* "ok", "not-durable" or "off". */
const char *recorder_state(const struct recorder *r);
