// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/recording.h"

#include "config/tree.h"
#include "core/event.h"
#include "core/wire.h"
#include "pipeline/paper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RULES_MAX = 4096 };

/* ---- writing ---- */

void recording_line(struct buf *out, const char *key, json_t *value)
{
	json_t *j = json_pack("{s:o}", key, value);

	if (!j || wire_format(out, j) < 0)
		out->oom = true;
	json_decref(j);
}

void recording_head(struct buf *out, int64_t made, int64_t since, const char *digest)
{
	json_t *j = json_pack("{s:i s:s s:I s:I s:s}", "spared-record", RECORDING_VERSION, "spared", SPARED_VERSION,
			      "made", (json_int_t)made, "since", (json_int_t)since, "rules", digest);

	if (!j || wire_format(out, j) < 0)
		out->oom = true;
	json_decref(j);
}

/* ---- rows ---- */

static int check_event(const json_t *row, struct err *e)
{
	json_t *own = json_copy((json_t *)row);
	struct event *ev = NULL;
	int r;

	json_object_del(own, "device-name"); /* what stands beside it for people */
	json_object_del(own, "array-name");
	r = event_from_json(own, &ev, e);
	event_free(ev);
	json_decref(own);
	return r;
}

static int check_verdict(const json_t *row, struct err *e)
{
	static const char *const keys[] = {"v",		  "id",	   "kind",     "rule",	     "mode",
					   "time",	  "wall",  "subject",  "sort",	     "key",
					   "contexts",	  "match", "events",   "steps",	     "reason",
					   "description", "asked", "injected", "generation", NULL};

	return keys_known(row, keys, "verdict", e);
}

static int check_outcome(const json_t *row, struct err *e)
{
	static const char *const keys[] = {"plan",     "verdict", "rule",    "origin", "set",	"array",
					   "array-id", "device",  "result",  "reason", "lines", "injected",
					   "undo",     "before",  "dry-run", "wall",   "took",	NULL};

	return keys_known(row, keys, "outcome", e);
}

static int check_command(const json_t *row, struct err *e)
{
	static const char *const keys[] = {"kind",    "wall",  "uid",	 "pid",	   "program",
					   "request", "plan",  "result", "reason", "login-uid",
					   "device",  "array", "user",	 "login",  NULL};

	return keys_known(row, keys, "command", e);
}

static const struct {
	const char *table;
	int (*check)(const json_t *row, struct err *e);
} tables[] = {
	{"event", check_event}, {"verdict", check_verdict}, {"outcome", check_outcome}, {"command", check_command}};

bool recording_wants(const char *table)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].table, table) == 0)
			return true;
	return false;
}

/* ---- lines ---- */

static int take_head(struct recording *r, json_t *j, struct err *e)
{
	static const char *const keys[] = {"spared-record", "spared", "made", "since", "rules", NULL};
	const json_t *version = json_object_get(j, "spared-record");

	if (!json_is_integer(version))
		return err_set(e, EINVAL, "this is no recording: its first line has no 'spared-record'");
	if (json_integer_value(version) != RECORDING_VERSION)
		return err_set(e, EINVAL, "a recording of version %lld, this is version %d",
			       (long long)json_integer_value(version), RECORDING_VERSION);
	r->head = json_incref(j);
	return keys_known(j, keys, "recording", e);
}

static int take_row(struct recording *r, json_t *row, struct err *e)
{
	static const char *const keys[] = {"table", "wall", "row", NULL};
	const char *table = json_string_value(json_object_get(row, "table"));
	json_t *body = json_object_get(row, "row");
	int rc = keys_known(row, keys, "row", e);

	if (rc < 0)
		return rc;
	if (json_array_size(r->rows) == RECORDING_ROWS_MAX)
		return err_set(e, EINVAL, "more than %d rows", RECORDING_ROWS_MAX);
	for (size_t i = 0; table && i < ARRAY_SIZE(tables); i++) {
		if (strcmp(tables[i].table, table) != 0)
			continue;
		rc = tables[i].check(body, e);
		return rc < 0 ? rc : json_array_append(r->rows, row);
	}
	return err_set(e, EINVAL, "a row of the table '%.20s', which is not known", table ? table : "");
}

static int take_rules(struct recording *r, json_t *j, struct err *e)
{
	static const char *const keys[] = {"file", "layer", "text", NULL};
	const json_t *file = json_object_get(j, "file"), *text = json_object_get(j, "text"),
		     *layer = json_object_get(j, "layer");
	struct rule_source *more;
	int rc = keys_known(j, keys, "rules", e);

	if (rc < 0)
		return rc;
	if (!json_is_string(file) || !json_is_string(text) || !json_is_integer(layer) || r->n_rules == RULES_MAX)
		return err_set(e, EINVAL, "a file of rules needs 'file', 'layer' and 'text'");
	more = reallocarray(r->rules, r->n_rules + 1, sizeof(*more));
	if (!more)
		return err_sys(e, ENOMEM, "rules");
	r->rules = more;
	more[r->n_rules++] = (struct rule_source){.file = json_string_value(file),
						  .text = json_string_value(text),
						  .len = json_string_length(text),
						  .layer = (int)MIN(MAX(json_integer_value(layer), 0), RULES_MAX)};
	return json_array_append(r->texts, j);
}

static int take_once(json_t **ret, json_t *j, const char *what, struct err *e)
{
	if (*ret)
		return err_set(e, EINVAL, "'%s' is there twice", what);
	if (!json_is_object(j))
		return err_set(e, EINVAL, "'%s' is no object", what);
	*ret = json_incref(j);
	return 0;
}

static int take_world(struct recording *r, json_t *j, struct err *e)
{
	return take_once(&r->world, j, "world", e);
}

static int take_now(struct recording *r, json_t *j, struct err *e)
{
	return take_once(&r->now, j, "now", e);
}

static int take_end(struct recording *r, json_t *j, struct err *e)
{
	static const char *const keys[] = {"rows", "left-out", NULL};
	int rc = keys_known(j, keys, "end", e);

	if (rc == 0 && (size_t)json_integer_value(json_object_get(j, "rows")) != json_array_size(r->rows))
		rc = err_set(e, EINVAL, "it has %zu rows and says that it has %lld", json_array_size(r->rows),
			     (long long)json_integer_value(json_object_get(j, "rows")));
	r->left_out = (uint64_t)MAX(json_integer_value(json_object_get(j, "left-out")), 0);
	return rc;
}

static const struct {
	const char *key;
	int (*take)(struct recording *r, json_t *j, struct err *e);
} lines[] = {{"world", take_world}, {"now", take_now}, {"rules", take_rules}, {"row", take_row}, {"end", take_end}};

/* 1: it was the last line. */
static int take_line(struct recording *r, json_t *j, struct err *e)
{
	const char *key = json_object_iter_key(json_object_iter(j));
	int rc;

	if (!r->head)
		return take_head(r, j, e);
	if (!key || json_object_size(j) != 1)
		return err_set(e, EINVAL, "a line has one key");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (strcmp(lines[i].key, key) != 0)
			continue;
		rc = lines[i].take(r, json_object_get(j, key), e);
		return rc < 0 ? rc : strcmp(key, "end") == 0;
	}
	return err_set(e, EINVAL, "the key '%.40s' is not known", key);
}

int recording_parse(struct recording *r, const char *file, const char *text, size_t len, struct err *e)
{
	const char *end = text + len;
	int line = 0, rc = 0;

	*r = (struct recording){.rows = json_array(), .texts = json_array()};
	if (len > RECORDING_BYTES_MAX)
		return err_set(e, EINVAL, "%s: more than %d bytes", file, RECORDING_BYTES_MAX);
	while (rc == 0 && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((stop ? stop : end) - text);
		json_error_t je;
		json_t *j = n < WIRE_LINE_MAX ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &je) : NULL;

		line++;
		rc = n >= WIRE_LINE_MAX	  ? err_set(e, EINVAL, "the line is too long")
		     : !json_is_object(j) ? err_set(e, EINVAL, "no JSON object: %s", j ? "another value" : je.text)
					  : take_line(r, j, e);
		json_decref(j);
		text = stop ? stop + 1 : end;
	}
	if (rc < 0)
		return err_prefix(e, "%s:%d", file, line);
	if (rc == 0 || text < end)
		return err_set(e, EINVAL,
			       rc == 0 ? "%s: it is cut off: the last line, 'end', is missing"
				       : "%s: something stands after 'end'",
			       file);
	return r->now ? 0 : err_set(e, EINVAL, "%s: the picture 'now' is missing", file);
}

int recording_read(struct recording *r, const char *path, struct err *e)
{
	_cleanup_(buf_free) struct buf text = {0};
	FILE *f = fopen(path, "re");
	char part[1 << 16];
	size_t n;

	*r = (struct recording){0};
	if (!f)
		return err_sys(e, errno, "cannot read %s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && text.len <= RECORDING_BYTES_MAX)
		buf_addn(&text, part, n);
	n = (size_t)ferror(f);
	fclose(f);
	if (n || text.oom)
		return err_sys(e, EIO, "cannot read %s", path);
	return recording_parse(r, path, buf_str(&text), text.len, e);
}

void recording_finish(struct recording *r)
{
	json_decref(r->head);
	json_decref(r->world);
	json_decref(r->now);
	json_decref(r->rows);
	json_decref(r->texts);
	free(r->rules);
	*r = (struct recording){0};
}
