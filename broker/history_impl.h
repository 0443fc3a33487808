// SPDX-License-Identifier: GPL-2.0-or-later
/* What history.c and history_query.c share. */
#pragma once

#include "broker/history.h"

#include <sqlite3.h>

struct history {
	sqlite3 *db;
	int64_t run;
	int64_t query_until; /* CLOCK_BOOTTIME, of the question that is being answered */
	sqlite3_stmt *put, *save;
};

int sql_error(struct history *h, struct err *e, const char *what);
int sql_prepare(struct history *h, const char *sql, sqlite3_stmt **ret, struct err *e);
/* NULL: SQL's NULL. */
void bind_text(sqlite3_stmt *st, int at, const char *s);
/* A new reference, or NULL. */
json_t *column_json(sqlite3_stmt *st, int column);
