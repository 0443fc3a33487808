// SPDX-License-Identifier: GPL-2.0-or-later
/* A recording: a picture from the history, what happened since, the picture of now, and the rules. */
#include "actions/actions.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/paper.h"
#include "config/dirs.h"
#include "config/tree.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SINCE_DEFAULT (24 * 3600 * NS_PER_SEC)
enum { PAGE = 1000 };

/* Rows of the history, newest first: all after an id. */
struct rows {
	json_t **row;
	size_t n;
	size_t bytes;
	uint64_t left_out;
};

static void rows_finish(struct rows *rs)
{
	for (size_t i = 0; i < rs->n; i++)
		json_decref(rs->row[i]);
	free(rs->row);
}

static int add_row(struct rows *rs, const json_t *row)
{
	json_t **more = reallocarray(rs->row, rs->n + 1, sizeof(json_t *));

	if (!more)
		return -ENOMEM;
	rs->row = more;
	more[rs->n] = json_pack("{s:O s:O s:O}", "table", json_object_get(row, "table"), "wall",
				json_object_get(row, "wall"), "row", json_object_get(row, "row"));
	rs->bytes += more[rs->n] ? json_dumpb(more[rs->n], NULL, 0, JSON_COMPACT) + 16 : 0;
	return more[rs->n++] ? 0 : -ENOMEM;
}

/* One page: takes what is wanted of it. 1: there is more. */
static int take_page(struct rows *rs, const json_t *rows, int64_t after, int64_t *before)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		*before = j_int(row, "id");
		if (*before <= after)
			return 0;
		if (!recording_wants(j_str(row, "table")))
			continue;
		/* The oldest are wanted less than the newest. */
		if (rs->n == RECORDING_ROWS_MAX || rs->bytes > RECORDING_BYTES_MAX / 2)
			rs->left_out++;
		else if (add_row(rs, row) < 0)
			return -ENOMEM;
	}
	return 1;
}

static int ask_page(struct cli *c, const char *table, int64_t since, int64_t until, int64_t before, int limit,
		    json_t **ret)
{
	json_t *request = client_request("history");

	json_object_set_new(request, "limit", json_integer(limit));
	if (table)
		json_object_set_new(request, "table", json_string(table));
	if (since)
		json_object_set_new(request, "since", json_integer(since));
	if (until)
		json_object_set_new(request, "until", json_integer(until));
	if (before)
		json_object_set_new(request, "before", json_integer(before));
	return client_ask(c, request, ret);
}

static int ask_rows(struct cli *c, int64_t since, int64_t after, struct rows *rs)
{
	int64_t before = 0;
	bool more = true;

	while (more) {
		json_t *answer;
		int status = ask_page(c, NULL, after ? 0 : since, 0, before, PAGE, &answer), r;

		if (status != CLI_OK) {
			json_decref(answer);
			return status;
		}
		r = take_page(rs, j_list(answer, "rows"), after, &before);
		more = r > 0 && j_bool(answer, "more");
		json_decref(answer);
		if (r < 0)
			return cli_fail(c, CLI_NO, "failed", "out of memory");
	}
	return CLI_OK;
}

/* The newest picture that is not younger; else the oldest that there is. NULL: the history has none. */
static int ask_picture(struct cli *c, int64_t since, json_t **ret)
{
	int64_t before = 0;
	json_t *answer;
	int status = ask_page(c, "world", 0, since, 0, 1, &answer);
	bool more = status == CLI_OK && json_array_size(j_list(answer, "rows")) == 0;

	*ret = status == CLI_OK && !more ? json_incref(json_array_get(j_list(answer, "rows"), 0)) : NULL;
	json_decref(answer);
	while (status == CLI_OK && more) {
		const json_t *rows;

		status = ask_page(c, "world", 0, 0, before, PAGE, &answer);
		rows = j_list(answer, "rows");
		if (status == CLI_OK && json_array_size(rows)) {
			json_decref(*ret);
			*ret = json_incref(json_array_get(rows, json_array_size(rows) - 1));
			before = j_int(*ret, "id");
		}
		more = status == CLI_OK && json_array_size(rows) && j_bool(answer, "more");
		json_decref(answer);
	}
	return status;
}

/* The files of the rules as they are on disk now. */
static int add_rules(struct cli *c, struct buf *out)
{
	const struct settings *settings = cli_settings(c);
	_cleanup_(drop_ins_finish) struct drop_ins files = {0};
	_cleanup_(arena_finish) struct arena arena = {0};
	struct diag d;
	int r;

	diag_init(&d);
	r = drop_ins_list(settings->rules_dirs, settings->n_rules_dirs, &d, &files);
	for (size_t i = 0; i < files.n && r == 0; i++) {
		char *text;
		size_t len;

		r = text_read(&arena, files.files[i].path, &text, &len, &d);
		if (r == 0)
			recording_line(out, "rules",
				       json_pack("{s:s s:i s:s%}", "file", files.files[i].path, "layer",
						 (int)files.files[i].layer, "text", text, len));
	}
	diag_finish(&d);
	return r < 0 ? cli_fail(c, CLI_NO, "failed", "the rules on disk cannot be read; see 'sparectl rules check'")
		     : CLI_OK;
}

static void put_together(const json_t *now, const json_t *picture, const struct rows *rs, int64_t since,
			 struct buf *out)
{
	recording_head(out, clock_wall(&clock_system), since, j_str(now, "rules"));
	if (picture)
		recording_line(out, "world", json_incref(json_object_get(picture, "row")));
	recording_line(out, "now", json_incref((json_t *)now));
	for (size_t i = rs->n; i-- > 0;)
		recording_line(out, "row", json_incref(rs->row[i]));
}

int record_text(struct cli *c, int64_t since, struct buf *out)
{
	_cleanup_(rows_finish) struct rows rs = {0};
	_cleanup_(json_decrefp) json_t *picture = NULL, *now = NULL;
	int status = ask_picture(c, since, &picture);

	if (status == CLI_OK)
		status = paper_world(c, &now);
	if (status == CLI_OK)
		status = ask_rows(c, since, j_int(picture, "id"), &rs);
	if (status != CLI_OK)
		return status;
	put_together(now, picture, &rs, since, out);
	status = add_rules(c, out);
	recording_line(out, "end",
		       json_pack("{s:I s:I}", "rows", (json_int_t)rs.n, "left-out", (json_int_t)rs.left_out));
	return status != CLI_OK || !out->oom ? status : cli_fail(c, CLI_NO, "failed", "out of memory");
}

static int save(const struct cli *c, const struct buf *text)
{
	FILE *f = c->n_args ? fopen(c->args[0], "we") : stdout;
	bool good;

	if (!f)
		return cli_fail(c, CLI_NO, "failed", "cannot write %s: %s", c->args[0], strerror(errno));
	good = fwrite(text->s, 1, text->len, f) == text->len && fflush(f) == 0;
	if (f != stdout)
		good = fclose(f) == 0 && good;
	return good ? CLI_OK : cli_fail(c, CLI_NO, "failed", "cannot write %s", c->n_args ? c->args[0] : "it");
}

int verb_record(struct cli *c)
{
	_cleanup_(buf_free) struct buf text = {0};
	int64_t since;
	int status = paper_since(c, SINCE_DEFAULT, &since);

	if (status == CLI_OK)
		status = record_text(c, since, &text);
	return status == CLI_OK ? save(c, &text) : status;
}
