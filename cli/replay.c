// SPDX-License-Identifier: GPL-2.0-or-later
/* What happened, under other rules: two columns. */
#include "pipeline/replay.h"
#include "cli/output.h"
#include "cli/paper.h"
#include "core/clock.h"

#include <inttypes.h>
#include <string.h>

#define SINCE_DEFAULT (24 * 3600 * NS_PER_SEC)
enum { COLUMN = 56 };

/* Lines of one column. */
struct column {
	char **line;
	size_t n;
};

static void column_add(struct column *c, struct buf *text)
{
	char **more = reallocarray(c->line, c->n + 1, sizeof(char *));

	if (!more)
		abort();
	c->line = more;
	more[c->n++] = buf_take(text);
	*text = (struct buf){0};
}

static void column_finish(struct column *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->line[i]);
	free(c->line);
}

static void add_list(struct column *c, const json_t *list, const char *before, const char *after)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct buf b = {0};

		buf_add(&b, before);
		out_text(&b, json_string_value(json_array_get(list, i)));
		buf_add(&b, after);
		column_add(c, &b);
	}
}

static struct column column_of(const json_t *entry, const json_t *other)
{
	bool fired = strcmp(j_str(entry, "kind"), "fired") == 0;
	struct column c = {0};
	struct buf b = {0};

	if (!json_is_object(entry))
		return c;
	out_text(&b, j_str(entry, "rule"));
	buf_addf(&b, "%s%s ", fired ? "" : " ", fired ? "" : j_str(entry, "kind"));
	out_text(&b, j_str(entry, "subject"));
	if (strcmp(j_str(entry, "mode"), "shadow") == 0)
		buf_add(&b, " (shadow)");
	if (json_is_object(other) && j_int(other, "at") < j_int(entry, "at")) {
		buf_add(&b, ", later by ");
		out_duration(&b, j_int(entry, "at") - j_int(other, "at"));
	}
	column_add(&c, &b);
	if (j_str(entry, "reason")[0]) {
		buf_add(&b, "  ");
		out_text(&b, j_str(entry, "reason"));
		column_add(&c, &b);
	}
	add_list(&c, j_list(entry, "plans"), "  ", "");
	add_list(&c, j_list(entry, "texts"), "  \"", "\"");
	return c;
}

/* A line on the left that is wider than its column has the line for itself. */
static void print_columns(const struct column *left, const struct column *right, const char *time, struct buf *out)
{
	size_t l = 0, r = 0;

	while (l < left->n || r < right->n) {
		size_t begin = out->len;
		bool wide = l < left->n && strlen(left->line[l]) > COLUMN;

		buf_addf(out, "%-20s", time);
		time = "";
		if (l < left->n)
			buf_add(out, left->line[l++]);
		if (!wide && r < right->n) {
			buf_pad(out, ' ', 20 + COLUMN + 1 - (out->len - begin));
			buf_addf(out, "| %s", right->line[r++]);
		}
		while (out->len > begin && out->s[out->len - 1] == ' ')
			out->len--;
		buf_addc(out, '\n');
	}
}

static void print_row(const json_t *row, struct buf *out)
{
	const json_t *left = json_object_get(row, "left"), *right = json_object_get(row, "right");
	struct column l = column_of(left, right), r = column_of(right, left);
	_cleanup_(buf_free) struct buf time = {0};

	out_time(&time, j_int(row, "wall"), false);
	print_columns(&l, &r, buf_str(&time), out);
	column_finish(&l);
	column_finish(&r);
}

static void print_end(const json_t *answer, struct buf *out)
{
	const json_t *left = j_list(json_object_get(answer, "left"), "arrays"),
		     *right = j_list(json_object_get(answer, "right"), "arrays");

	for (size_t i = 0; i < MAX(json_array_size(left), json_array_size(right)); i++) {
		const json_t *a = json_array_get(left, i), *b = json_array_get(right, i);
		struct column l = {0}, r = {0};
		struct buf text = {0};

		if (json_equal(a, b))
			continue;
		buf_addf(&text, "%s %s", j_str(a, "name"), j_str(a, "state"));
		column_add(&l, &text);
		add_list(&l, j_list(a, "members"), "  ", "");
		buf_addf(&text, "%s %s", j_str(b, "name"), j_str(b, "state"));
		column_add(&r, &text);
		add_list(&r, j_list(b, "members"), "  ", "");
		print_columns(&l, &r, "at the end", out);
		column_finish(&l);
		column_finish(&r);
	}
}

static void print_replay(const struct cli *c, const json_t *answer, struct buf *out)
{
	const json_t *rows = j_list(answer, "rows");
	size_t shown = 0, begin;

	begin = out->len;
	buf_addf(out, "%-20s%-*s | %s\n", "", COLUMN, "rules of the recording",
		 GIVEN(c, RULES) ? c->opt[OPT_RULES] : "rules on disk");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		if (!GIVEN(c, VERBOSE) && strcmp(j_str(row, "change"), "same") == 0)
			continue;
		print_row(row, out);
		shown++;
	}
	print_end(answer, out);
	if (shown == 0 && j_bool(answer, "same"))
		out->len = begin;
	buf_addf(out, "%" PRId64 " verdicts by the rules of the recording, %" PRId64 " by the others, within ",
		 j_int(json_object_get(answer, "left"), "verdicts"),
		 j_int(json_object_get(answer, "right"), "verdicts"));
	out_duration(out, j_int(answer, "span"));
	buf_addf(out, "; %s\n", j_bool(answer, "same") ? "nothing differs" : "they differ");
	buf_addf(out, "of %" PRId64 " recorded verdicts the replay meets %" PRId64 "\n", j_int(answer, "recorded"),
		 j_int(answer, "met"));
}

static int tell(struct cli *c, const struct recording *from, struct ruleset *left, struct ruleset *right)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer;
	struct err e = {0};
	int status;

	if (replay(from, left, right, &answer, &e) < 0)
		return cli_fail_err(c, CLI_NO, &e);
	status = j_bool(answer, "same") ? CLI_OK : CLI_NO;
	if (GIVEN(c, JSON)) {
		json_object_set_new(answer, "v", json_integer(1));
		json_object_set_new(answer, "ok", json_boolean(status == CLI_OK));
		json_object_set_new(answer, "same-rules", json_boolean(paper_same_rules(from->world, left)));
		json_object_set_new(answer, "left-out", json_integer((json_int_t)from->left_out));
		out_json(answer);
		return status;
	}
	if (!paper_same_rules(from->world, left))
		buf_add(&out, "the rules in the recording are not those that ran when it begins\n");
	if (from->left_out)
		buf_addf(&out, "%" PRIu64 " older rows are not in the recording: what they changed is missing\n",
			 from->left_out);
	print_replay(c, answer, &out);
	out_flush(&out);
	json_decref(answer);
	return status;
}

static int read_recording(struct cli *c, struct recording *ret)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct err e = {0};
	int64_t since;
	int status;

	if (c->n_args && GIVEN(c, SINCE))
		return cli_fail(c, CLI_USAGE, "usage",
				"--since is of the daemon's history; a recording is replayed whole");
	if (c->n_args)
		return recording_read(ret, c->args[0], &e) < 0 ? cli_fail_err(c, CLI_NO, &e) : CLI_OK;
	status = paper_since(c, SINCE_DEFAULT, &since);
	if (status == CLI_OK)
		status = record_text(c, since, &text);
	if (status == CLI_OK && recording_parse(ret, "the daemon's recording", buf_str(&text), text.len, &e) < 0)
		status = cli_fail_err(c, CLI_NO, &e);
	return status;
}

int verb_replay(struct cli *c)
{
	_cleanup_(recording_finish) struct recording from = {0};
	_cleanup_(ruleset_unrefp) struct ruleset *left = NULL, *right = NULL;
	int status = read_recording(c, &from);

	if (status == CLI_OK)
		status = paper_rules(c, NULL, &from, from.now, &left);
	if (status == CLI_OK)
		status = paper_rules(c, c->opt[OPT_RULES], NULL, from.now, &right);
	return status == CLI_OK ? tell(c, &from, left, right) : status;
}
