// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions to the history. The process that answers them also writes: each has an end in time and in size. */
#include "broker/history_impl.h"

#include "core/buf.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define QUERY_TIME (500 * NS_PER_MS)

enum { ROWS_DEFAULT = 100, ROWS_MAX = 1000, OPS_BETWEEN_LOOKS = 10000, ROW_OVERHEAD = 128 };

/* What a query may narrow by, each with the number of its parameter. */
static const struct {
	const char *key, *sql;
	bool text;
} filters[] = {
	{"table", " AND tbl=?1", true},
	{"device", " AND device=?2", true},
	{"array", " AND array=?3", true},
	{"rule", " AND rule=?4", true},
	/* Not by the index: a wide pattern would sort them all. One kind has a clause of its own, below. */
	{"kind", " AND +kind GLOB ?5", true},
	{"person",
	 " AND tbl='command' AND ?6 IN (json_extract(row,'$.user'), json_extract(row,'$.login'),"
	 " CAST(json_extract(row,'$.uid') AS TEXT), CAST(json_extract(row,'$.login-uid') AS TEXT))",
	 true},
	/* Ids ascend with time, but for a clock that was set: the first half tells where to stop. */
	{"since", " AND id>=(SELECT min(id) FROM history WHERE wall>=?7) AND +wall>=?7", false},
	{"until", " AND +wall<?8", false},
	{"before", " AND id<?9", false},
	{"plan",
	 " AND (tbl IN ('intent','outcome','before') AND key=?10 OR tbl='command' AND json_extract(row,'$.plan')=?10)",
	 true},
};

static int check_query(const json_t *query, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		const json_t *v = json_object_get(query, filters[i].key);

		if (v && (filters[i].text ? !json_is_string(v) : !json_is_integer(v)))
			return err_set(e, EINVAL, "%s must be %s", filters[i].key,
				       filters[i].text ? "a string" : "an integer");
	}
	return 0;
}

/* Prepares head, the query's conditions, and tail. */
static int query_prepare(struct history *h, const json_t *query, const char *head, const char *tail, sqlite3_stmt **ret,
			 struct err *e)
{
	_cleanup_(buf_free) struct buf sql = {0};
	int r;

	buf_add(&sql, head);
	if (!json_object_get(query, "table")) /* nothing that a person reads */
		buf_add(&sql, " AND tbl NOT IN ('world','image','before')");
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		const char *text = json_string_value(json_object_get(query, filters[i].key));

		if (strcmp(filters[i].key, "kind") == 0 && text && !strpbrk(text, "*?["))
			buf_add(&sql, " AND kind=?5");
		else if (json_object_get(query, filters[i].key))
			buf_add(&sql, filters[i].sql);
	}
	buf_add(&sql, tail);
	r = sql_prepare(h, buf_str(&sql), ret, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(filters); i++) {
		const json_t *v = json_object_get(query, filters[i].key);

		if (json_is_string(v))
			bind_text(*ret, (int)i + 1, json_string_value(v));
		else if (v)
			sqlite3_bind_int64(*ret, (int)i + 1, json_integer_value(v));
	}
	return r;
}

/* ---- rows ---- */

/* What an answer still has room for. */
struct room {
	json_int_t rows;
	size_t bytes;
	bool more; /* something was left out */
};

/* Appends {"id","table","wall","row"} of columns 0 to 3. False: there is no room. */
static bool add_row(sqlite3_stmt *st, json_t *rows, struct room *room)
{
	size_t bytes = (size_t)sqlite3_column_bytes(st, 3) + ROW_OVERHEAD;
	json_t *row;

	if (room->rows == 0 || (bytes > room->bytes && json_array_size(rows) > 0)) {
		room->more = true;
		return false;
	}
	room->rows--;
	room->bytes -= MIN(bytes, room->bytes);
	row = column_json(st, 3);
	if (json_is_object(row))
		json_array_append_new(rows,
				      json_pack("{s:I s:s s:I s:O}", "id", (json_int_t)sqlite3_column_int64(st, 0),
						"table", (const char *)sqlite3_column_text(st, 1), "wall",
						(json_int_t)sqlite3_column_int64(st, 2), "row", row));
	json_decref(row);
	return true;
}

/* All rows of a statement. One that was interrupted ends with what it has. */
static int add_rows(struct history *h, sqlite3_stmt *st, json_t *rows, struct room *room, struct err *e)
{
	int step;

	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		if (!add_row(st, rows, room))
			return 0;
	if (step == SQLITE_INTERRUPT && json_array_size(rows) > 0) {
		room->more = true;
		return 0;
	}
	if (step == SQLITE_INTERRUPT)
		return err_set(e, ETIME, "the history needs too long for this; narrow it by since, until or device");
	return step == SQLITE_DONE ? 0 : sql_error(h, e, "cannot be read");
}

static int query_rows(struct history *h, const json_t *query, struct room *room, json_t *rows, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = query_prepare(h, query, "SELECT id, tbl, wall, row FROM history WHERE 1", " ORDER BY id DESC", &st, e);

	if (r == 0)
		r = add_rows(h, st, rows, room, e);
	sqlite3_finalize(st);
	return r;
}

/* ---- a verdict, with what made it fire and what came of it ---- */

static const char sql_verdict[] =
	"SELECT id, tbl, wall, row FROM history WHERE tbl='verdict' AND key=?1 ORDER BY id DESC LIMIT 1";
static const char sql_plans[] = "SELECT id, tbl, wall, row FROM history WHERE tbl IN ('intent','outcome') AND id>?2 AND"
				" json_extract(row,'$.verdict')=?1 ORDER BY id DESC";
/* Numbers of events come again when a state is lost: the newest before the verdict is meant. */
static const char sql_event[] = "SELECT id, tbl, wall, row FROM history WHERE tbl='event' AND key=?1 AND id<?2"
				" ORDER BY id DESC LIMIT 1";

static int add_by_key(struct history *h, const char *sql, const char *key, int64_t id, json_t *rows, struct room *room,
		      struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = sql_prepare(h, sql, &st, e);

	if (r == 0) {
		bind_text(st, 1, key);
		if (sqlite3_bind_parameter_count(st) > 1)
			sqlite3_bind_int64(st, 2, id);
		r = add_rows(h, st, rows, room, e);
	}
	sqlite3_finalize(st);
	return r;
}

static int add_events(struct history *h, const json_t *verdict, int64_t id, json_t *rows, struct room *room,
		      struct err *e)
{
	const json_t *events = json_object_get(verdict, "events");
	int r = 0;

	for (size_t i = json_array_size(events); r == 0 && i-- > 0;) {
		char key[24];

		snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, json_integer_value(json_array_get(events, i)));
		r = add_by_key(h, sql_event, key, id, rows, room, e);
	}
	return r;
}

static int query_verdict(struct history *h, const char *key, struct room *room, json_t *rows, struct err *e)
{
	_cleanup_(json_decrefp) json_t *own = json_array();
	const json_t *verdict;
	int64_t id;
	int r = add_by_key(h, sql_verdict, key, 0, own, room, e);

	if (r < 0)
		return r;
	if (json_array_size(own) == 0)
		return err_set(e, ENOENT, "the history has no verdict '%.40s'", key);
	id = json_integer_value(json_object_get(json_array_get(own, 0), "id"));
	r = add_by_key(h, sql_plans, key, id, rows, room, e);
	if (r < 0)
		return r;
	json_array_extend(rows, own);
	verdict = json_object_get(json_array_get(own, 0), "row");
	return add_events(h, verdict, id, rows, room, e);
}

/* ---- errors by device and day ---- */

#define ERRORS_WHERE                                                                                                   \
	" FROM history INDEXED BY history_errors WHERE tbl='event' AND kind='block.error' AND wall>=?1 AND wall<?2"    \
	" AND device IS NOT NULL AND (?3 IS NULL OR device=?3)"

/* Where the day of the newest error between two times begins; not after it, where midnight does not exist. */
static const char sql_last_error[] = "SELECT min(strftime('%s', wall/1000000000, 'unixepoch', 'localtime', 'start of "
				     "day', 'utc') * 1000000000, wall)" ERRORS_WHERE " ORDER BY wall DESC LIMIT 1";
static const char sql_errors[] =
	"SELECT strftime('%Y-%m-%d', max(wall)/1000000000, 'unixepoch', 'localtime'), device,"
	" coalesce(json_extract(row,'$.facts.\"error.status\"'), 'unknown'), sum(coalesce(json_extract(row,'$.count'), "
	"1))" ERRORS_WHERE " GROUP BY 2, 3 ORDER BY 2, 3";

static const char *column_text(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text ? text : "";
}

static int errors_prepare(struct history *h, const char *sql, int64_t from, int64_t until, const char *device,
			  sqlite3_stmt **ret, struct err *e)
{
	int r = sql_prepare(h, sql, ret, e);

	if (r == 0) {
		sqlite3_bind_int64(*ret, 1, from);
		sqlite3_bind_int64(*ret, 2, until);
		bind_text(*ret, 3, device);
	}
	return r;
}

/* 1 and *ret: the start of the newest day that has an error; 0: there is none; -ETIME or -errno. */
static int last_day(struct history *h, int64_t from, int64_t until, const char *device, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = errors_prepare(h, sql_last_error, from, until, device, &st, e), step;

	if (r == 0) {
		step = sqlite3_step(st);
		*ret = sqlite3_column_int64(st, 0);
		r = step == SQLITE_ROW	       ? 1
		    : step == SQLITE_DONE      ? 0
		    : step == SQLITE_INTERRUPT ? -ETIME
					       : sql_error(h, e, "cannot be read");
	}
	sqlite3_finalize(st);
	return r;
}

/* Adds a row of device, status and count to its device's entry, which is the last one or a new one. False: no room. */
static bool add_errors(sqlite3_stmt *st, json_t *day, struct room *room)
{
	json_t *entry = json_array_get(day, json_array_size(day) - 1);
	json_int_t n = sqlite3_column_int64(st, 3), all;

	if (!entry || strcmp(json_string_value(json_object_get(entry, "device")), column_text(st, 1)) != 0) {
		if (json_array_size(day) == (size_t)room->rows)
			return false;
		entry = json_pack("{s:s s:s s:i s:{}}", "day", column_text(st, 0), "device", column_text(st, 1),
				  "errors", 0, "statuses");
		json_array_append_new(day, entry);
	}
	if (__builtin_add_overflow(json_integer_value(json_object_get(entry, "errors")), n, &all))
		all = INT64_MAX;
	json_object_set_new(entry, "errors", json_integer(all));
	json_object_set_new(json_object_get(entry, "statuses"), column_text(st, 2), json_integer(n));
	return true;
}

static int query_day(struct history *h, int64_t from, int64_t until, const char *device, json_t *list,
		     struct room *room, struct err *e)
{
	_cleanup_(json_decrefp) json_t *day = json_array();
	sqlite3_stmt *st = NULL;
	int r = errors_prepare(h, sql_errors, from, until, device, &st, e), step = SQLITE_DONE;

	while (r == 0 && (step = sqlite3_step(st)) == SQLITE_ROW)
		if (!add_errors(st, day, room)) {
			room->more = true;
			break;
		}
	if (step == SQLITE_INTERRUPT)
		r = -ETIME;
	else if (r == 0 && step != SQLITE_DONE && step != SQLITE_ROW)
		r = sql_error(h, e, "cannot be read");
	sqlite3_finalize(st);
	if (r == 0) {
		room->rows -= (json_int_t)json_array_size(day);
		json_array_extend(list, day);
	}
	return r;
}

/* Newest day first, for as long as there is time and room: of a day all or nothing, since a part of a sum is wrong. */
static int query_errors(struct history *h, const json_t *query, struct room *room, json_t *list, struct err *e)
{
	const json_t *since = json_object_get(query, "since"), *before = json_object_get(query, "until");
	const char *device = json_string_value(json_object_get(query, "device"));
	int64_t from = since ? json_integer_value(since) : INT64_MIN, day = 0;
	int64_t until = before ? json_integer_value(before) : INT64_MAX;
	int r;

	while ((r = last_day(h, from, until, device, &day, e)) > 0 && !room->more) {
		r = query_day(h, MAX(day, from), until, device, list, room, e);
		if (r < 0)
			break;
		until = day;
	}
	if (r == -ETIME && json_array_size(list) > 0) {
		room->more = true;
		r = 0;
	}
	if (r == -ETIME)
		return err_set(e, ETIME, "the history needs too long for this; narrow it by since, until or device");
	return MIN(r, 0);
}

/* ---- what disks held ---- */

/* Numbers of plans come again when a state is lost: the newest is meant. */
static int query_image(struct history *h, const json_t *query, json_t **ret, struct err *e)
{
	static const char sql[] =
		"SELECT row FROM history WHERE tbl='image' AND key=?1 AND json_extract(row,'$.part')=?2"
		" ORDER BY id DESC LIMIT 1";
	json_t *part = NULL;
	sqlite3_stmt *st = NULL;
	int r = sql_prepare(h, sql, &st, e);

	if (r == 0) {
		bind_text(st, 1, json_string_value(json_object_get(query, "image")));
		sqlite3_bind_int64(st, 2, json_integer_value(json_object_get(query, "part")));
		if (sqlite3_step(st) == SQLITE_ROW)
			part = column_json(st, 0);
		sqlite3_finalize(st);
		*ret = part ? json_pack("{s:o}", "image", part) : NULL;
		r = *ret ? 0 : err_set(e, ENOENT, "it is not kept");
	}
	return r;
}

/* ---- the question ---- */

static int is_late(void *u)
{
	const struct history *h = u;

	return clock_boot(&clock_system) > h->query_until;
}

int history_query(struct history *h, const json_t *query, size_t max_bytes, json_t **ret, struct err *e)
{
	const json_t *limit = json_object_get(query, "limit"), *verdict = json_object_get(query, "verdict");
	struct room room = {.rows = limit ? json_integer_value(limit) : ROWS_DEFAULT, .bytes = max_bytes};
	bool errors = json_is_true(json_object_get(query, "errors"));
	json_t *list;
	int r = check_query(query, e);

	if (r < 0)
		return r;
	if (json_object_get(query, "image"))
		return query_image(h, query, ret, e);
	if (room.rows < 1 || room.rows > ROWS_MAX)
		return err_set(e, EINVAL, "limit must be from 1 to %d", ROWS_MAX);
	if (verdict && !json_is_string(verdict))
		return err_set(e, EINVAL, "verdict must be a string");
	list = json_array();
	h->query_until = clock_boot(&clock_system) + QUERY_TIME;
	sqlite3_progress_handler(h->db, OPS_BETWEEN_LOOKS, is_late, h);
	if (verdict) {
		room.rows = ROWS_MAX; /* it has at most some hundred events */
		r = query_verdict(h, json_string_value(verdict), &room, list, e);
	} else if (errors) {
		r = query_errors(h, query, &room, list, e);
	} else {
		r = query_rows(h, query, &room, list, e);
	}
	sqlite3_progress_handler(h->db, 0, NULL, NULL);
	*ret = r == 0 ? json_pack("{s:O s:b}", errors ? "errors" : "rows", list, "more", (int)room.more) : NULL;
	json_decref(list);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}
