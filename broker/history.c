// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/history_impl.h"

#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* AUTOINCREMENT: an id is never used again, so that paging by it holds. */
static const char schema[] =
	"PRAGMA auto_vacuum=INCREMENTAL;" /* of a file that is new: what is pruned is given back */
	"PRAGMA journal_mode=WAL;"
	"PRAGMA journal_size_limit=4194304;"
	"CREATE TABLE IF NOT EXISTS history("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" run INTEGER NOT NULL, seq INTEGER NOT NULL," /* the broker that wrote it, and its number there */
	" tbl TEXT NOT NULL,"			       /* event, verdict, intent, outcome, case, command */
	" key TEXT NOT NULL,"	  /* of intents and outcomes: the plan's id; of events: their number */
	" wall INTEGER NOT NULL," /* ns since 1970 UTC */
	" device TEXT, array TEXT, rule TEXT, kind TEXT,"
	" row TEXT NOT NULL,"
	" UNIQUE(run, seq));"
	"CREATE INDEX IF NOT EXISTS history_tbl ON history(tbl, key);"
	"CREATE INDEX IF NOT EXISTS history_device ON history(device, id) WHERE device IS NOT NULL;"
	"CREATE INDEX IF NOT EXISTS history_array ON history(array, id) WHERE array IS NOT NULL;"
	"CREATE INDEX IF NOT EXISTS history_rule ON history(rule, id) WHERE rule IS NOT NULL;"
	"CREATE INDEX IF NOT EXISTS history_kind ON history(kind, id) WHERE kind IS NOT NULL;"
	"CREATE INDEX IF NOT EXISTS history_wall ON history(wall);"
	"CREATE INDEX IF NOT EXISTS history_errors ON history(wall, device) WHERE tbl='event' AND kind='block.error';"
	"CREATE TABLE IF NOT EXISTS state(name TEXT PRIMARY KEY, wall INTEGER NOT NULL, value TEXT NOT NULL);"
	"PRAGMA user_version=1;";

enum { SCHEMA_VERSION = 1, BUSY_MS = 2000 };

#define FUTURE (24 * 3600 * NS_PER_SEC) /* beyond it a row's time is the mistake of a clock */

int sql_error(struct history *h, struct err *e, const char *what)
{
	int code = sqlite3_errcode(h->db);
	int error = code == SQLITE_FULL ? ENOSPC : code == SQLITE_READONLY ? EROFS : EIO;

	return err_set(e, error, "history: %s: %s", what, sqlite3_errmsg(h->db));
}

static int sql_run(struct history *h, const char *sql, struct err *e)
{
	return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(h, e, "cannot be written");
}

int sql_prepare(struct history *h, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	return sqlite3_prepare_v2(h->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : sql_error(h, e, "cannot be asked");
}

static int check_version(struct history *h, const char *path, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int version = 0, r = sql_prepare(h, "PRAGMA user_version", &st, e);

	if (r == 0 && sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	if (r == 0 && version > SCHEMA_VERSION)
		return err_set(e, EPROTO, "%s was written by a newer spared (version %d)", path, version);
	return r;
}

int history_open(const char *path, int64_t run, struct history **ret, struct err *e)
{
	_cleanup_(history_closep) struct history *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_sys(e, ENOMEM, "history");
	h->run = run;
	if (sqlite3_open_v2(path, &h->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		return err_set(e, EIO, "cannot open %s: %s", path, sqlite3_errmsg(h->db));
	sqlite3_busy_timeout(h->db, BUSY_MS);
	r = check_version(h, path, e);
	if (r == 0)
		r = sql_run(h, schema, e);
	if (r == 0)
		r = sql_prepare(
			h,
			"INSERT OR IGNORE INTO history(run, seq, tbl, key, wall, device, array, rule, kind, row)"
			" VALUES(?,?,?,?,?,?,?,?,?,?)",
			&h->put, e);
	if (r == 0)
		r = sql_prepare(h, "INSERT OR REPLACE INTO state(name, wall, value) VALUES('pipeline', ?, ?)", &h->save,
				e);
	if (r < 0)
		return err_prefix(e, "%s", path);
	*ret = TAKE_PTR(h);
	return 0;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	sqlite3_finalize(h->put);
	sqlite3_finalize(h->save);
	sqlite3_close(h->db);
	free(h);
}

int history_begin(struct history *h, bool sync, struct err *e)
{
	/* FULL: each commit is flushed. NORMAL: the log may lose its last commits with the power, never its
	 * consistency. */
	int r = sql_run(h, sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", e);

	return r < 0 ? r : sql_run(h, "BEGIN IMMEDIATE", e);
}

int history_end(struct history *h, struct err *e)
{
	return sql_run(h, "COMMIT", e);
}

void history_undo(struct history *h)
{
	if (!sqlite3_get_autocommit(h->db))
		sql_run(h, "ROLLBACK", NULL);
}

/* The row's own key, or that of its first context (verdicts). */
static const char *row_word(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	if (!s)
		s = json_string_value(json_object_get(json_array_get(json_object_get(row, "contexts"), 0), key));
	return s && *s ? s : NULL;
}

void bind_text(sqlite3_stmt *st, int at, const char *s)
{
	if (s)
		sqlite3_bind_text(st, at, s, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(st, at);
}

static int run_once(struct history *h, sqlite3_stmt *st, struct err *e)
{
	int r = sqlite3_step(st) == SQLITE_DONE ? 0 : sql_error(h, e, "cannot be written");

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

int history_put(struct history *h, const json_t *line, struct err *e)
{
	const json_t *row = json_object_get(line, "row");
	const char *table = json_string_value(json_object_get(line, "table"));
	const char *key = json_string_value(json_object_get(line, "key"));
	_cleanup_(freep) char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
	char number[24];

	if (!text || !table)
		return err_set(e, EBADMSG, "history: a row without content");
	/* A verdict names its events by their numbers. */
	if ((!key || !*key) && strcmp(table, "event") == 0 && json_is_integer(json_object_get(row, "seq"))) {
		snprintf(number, sizeof(number), "%" PRId64, (int64_t)json_integer_value(json_object_get(row, "seq")));
		key = number;
	}
	sqlite3_bind_int64(h->put, 1, h->run);
	sqlite3_bind_int64(h->put, 2, json_integer_value(json_object_get(line, "seq")));
	bind_text(h->put, 3, table);
	bind_text(h->put, 4, key ? key : "");
	sqlite3_bind_int64(h->put, 5, json_integer_value(json_object_get(line, "wall")));
	bind_text(h->put, 6, row_word(row, json_object_get(row, "disk") ? "disk" : "device"));
	/* Of plans "array" is the name. */
	bind_text(h->put, 7, row_word(row, json_object_get(row, "array-id") ? "array-id" : "array"));
	bind_text(h->put, 8, row_word(row, "rule"));
	bind_text(h->put, 9, row_word(row, "kind"));
	bind_text(h->put, 10, text);
	return run_once(h, h->put, e);
}

int history_save(struct history *h, const json_t *state, struct err *e)
{
	_cleanup_(freep) char *text = json_dumps(state, JSON_COMPACT);

	if (!text)
		return err_sys(e, ENOMEM, "history");
	sqlite3_bind_int64(h->save, 1, 0);
	bind_text(h->save, 2, text);
	return run_once(h, h->save, e);
}

json_t *column_json(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

json_t *history_state(struct history *h)
{
	sqlite3_stmt *st = NULL;
	json_t *j = NULL;

	if (sql_prepare(h, "SELECT value FROM state WHERE name='pipeline'", &st, NULL) == 0 &&
	    sqlite3_step(st) == SQLITE_ROW)
		j = column_json(st, 0);
	sqlite3_finalize(st);
	return j;
}

json_t *history_unfinished(struct history *h)
{
	static const char sql[] = "SELECT i.row FROM history i WHERE i.tbl='intent' AND NOT EXISTS"
				  " (SELECT 1 FROM history o WHERE o.tbl='outcome' AND o.key=i.key AND o.id>i.id)"
				  " ORDER BY i.id";
	json_t *list = json_array(), *row;
	sqlite3_stmt *st = NULL;

	if (sql_prepare(h, sql, &st, NULL) == 0)
		while (sqlite3_step(st) == SQLITE_ROW)
			if ((row = column_json(st, 0)) != NULL)
				json_array_append_new(list, row);
	sqlite3_finalize(st);
	return list;
}

static int64_t sql_number(struct history *h, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;

	if (sql_prepare(h, sql, &st, NULL) == 0 && sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

int64_t history_bytes(struct history *h)
{
	return (sql_number(h, "PRAGMA page_count") - sql_number(h, "PRAGMA freelist_count")) *
	       sql_number(h, "PRAGMA page_size");
}

/* The oldest rows go; of a plan without an outcome the intent stays, since it will be replayed. */
static int delete_oldest(struct history *h, bool whole, int64_t now, int64_t time, struct err *e)
{
	static const char sql[] = "DELETE FROM history WHERE id IN (SELECT id FROM"
				  " (SELECT i.id, i.wall FROM history i WHERE i.tbl<>'intent' OR EXISTS"
				  "  (SELECT 1 FROM history o WHERE o.tbl='outcome' AND o.key=i.key AND o.id>i.id)"
				  "  ORDER BY i.id LIMIT ?1) WHERE ?2 OR wall<?3 OR wall>?4)";
	sqlite3_stmt *st = NULL;
	int r = sql_prepare(h, sql, &st, e);

	if (r < 0)
		return r;
	sqlite3_bind_int(st, 1, HISTORY_PRUNE_BATCH);
	sqlite3_bind_int(st, 2, whole);
	sqlite3_bind_int64(st, 3, now - time);
	sqlite3_bind_int64(st, 4, now + FUTURE);
	r = run_once(h, st, e);
	sqlite3_finalize(st);
	return r;
}

static int prune_table(struct history *h, const char *sum, const char *oldest, int64_t bytes, struct err *e)
{
	int r = 0;

	while (r == 0 && sql_number(h, sum) > bytes) {
		r = history_begin(h, false, e);
		if (r == 0)
			r = sql_run(h, oldest, e);
		if (r == 0)
			r = history_end(h, e);
		else
			history_undo(h);
	}
	return r;
}

#define SUM_OF(table) "SELECT sum(length(row)) FROM history WHERE tbl='" table "'"
#define OLDEST_OF(table)                                                                                               \
	"DELETE FROM history WHERE tbl='" table "' AND key=(SELECT key FROM history WHERE tbl='" table                 \
	"' ORDER BY id LIMIT 1)"

/* What undo needs is not crowded out by what every plan leaves. */
int history_prune_images(struct history *h, int64_t bytes, struct err *e)
{
	int r = prune_table(h, SUM_OF("image"), OLDEST_OF("image"), bytes, e);

	return r < 0 ? r : prune_table(h, SUM_OF("before"), OLDEST_OF("before"), bytes, e);
}

int history_prune(struct history *h, int64_t time, int64_t bytes, bool *more, struct err *e)
{
	bool big = history_bytes(h) > bytes;
	int r = history_begin(h, false, e), gone;

	*more = false;
	if (r == 0)
		r = delete_oldest(h, big, clock_wall(&clock_system), time, e);
	gone = sqlite3_changes(h->db);
	if (r == 0)
		r = history_end(h, e);
	if (r < 0) {
		history_undo(h);
		return r;
	}
	if (gone)
		r = sql_run(h, "PRAGMA incremental_vacuum(256)", e);
	*more = gone == HISTORY_PRUNE_BATCH;
	return r < 0 ? r : gone;
}
