// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/describe.h"
#include "cli/output.h"

#include "core/clock.h"
#include "core/value.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* ---- the question ---- */

/* "1h" is an hour ago; else a time. */
static int set_time(const struct cli *c, json_t *request, const char *key, const char *text)
{
	struct value v;

	if (value_parse(V_DURATION, NULL, text, &v, NULL) == 0)
		v.i = clock_wall(&clock_system) - v.i;
	else if (value_parse(V_TIME, NULL, text, &v, NULL) < 0)
		return cli_fail(c, CLI_USAGE, "usage",
				"--%s: '%s' is neither a duration (1h) nor a time (2026-01-31T12:00:00Z)", key, text);
	json_object_set_new(request, key, json_integer(v.i));
	return CLI_OK;
}

static int set_limit(const struct cli *c, json_t *request, const char *key, const char *text)
{
	struct value v;

	if (value_parse(V_INT, NULL, text, &v, NULL) < 0 || v.i < 1 || v.i > 1000)
		return cli_fail(c, CLI_USAGE, "usage", "--%s: '%s' is not a number from 1 to 1000", key, text);
	json_object_set_new(request, key, json_integer(v.i));
	return CLI_OK;
}

static int set_text(const struct cli *c _unused_, json_t *request, const char *key, const char *text)
{
	json_object_set_new(request, key, json_string(text));
	return CLI_OK;
}

/* The daemon knows the names of this machine's own users only; those of a directory are asked for here. */
static int set_person(const struct cli *c, json_t *request, const char *key, const char *text)
{
	const struct passwd *user = getpwnam(text);
	char uid[24];

	snprintf(uid, sizeof(uid), "%lu", user ? (unsigned long)user->pw_uid : 0);
	return set_text(c, request, key, user ? uid : text);
}

static const struct {
	int option;
	const char *key;
	int (*set)(const struct cli *c, json_t *request, const char *key, const char *text);
} filters[] = {
	{OPT_DEVICE, "device", set_text},   {OPT_ARRAY, "array", set_text}, {OPT_RULE, "rule", set_text},
	{OPT_TYPE, "table", set_text},	    {OPT_KIND, "kind", set_text},   {OPT_PERSON, "person", set_person},
	{OPT_VERDICT, "verdict", set_text}, {OPT_SINCE, "since", set_time}, {OPT_UNTIL, "until", set_time},
	{OPT_LIMIT, "limit", set_limit},    {OPT_PLAN, "plan", set_text},
};

static int history_request(const struct cli *c, json_t **ret)
{
	json_t *request = client_request("history");
	int status = CLI_OK;

	for (size_t i = 0; i < ARRAY_SIZE(filters) && status == CLI_OK; i++)
		if (c->opt[filters[i].option])
			status = filters[i].set(c, request, filters[i].key, c->opt[filters[i].option]);
	if (GIVEN(c, ERRORS))
		json_object_set_new(request, "errors", json_true());
	if (status == CLI_OK)
		*ret = request;
	else
		json_decref(request);
	return status;
}

/* ---- the answer ---- */

static void print_rows(const struct cli *c, const json_t *rows, struct buf *out)
{
	for (size_t i = json_array_size(rows); i-- > 0;)
		describe(c, j_str(json_array_get(rows, i), "table"), json_array_get(rows, i), out);
}

/* Until when the plan can be undone, or why it cannot. */
static void print_undo(const json_t *rows, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *undo = json_object_get(json_object_get(json_array_get(rows, i), "row"), "undo");

		if (!json_is_object(undo))
			continue;
		if (j_str(undo, "why")[0]) {
			buf_add(out, "  it cannot be undone: ");
			out_text(out, j_str(undo, "why"));
		} else {
			buf_add(out, "  it can be undone until ");
			out_time(out, j_int(undo, "until"), false);
			buf_add(out, ", unless its set is written again before");
		}
		buf_addc(out, '\n');
	}
}

/* What it wrote over, and how to read it. */
static void print_before(const json_t *rows, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_object_get(json_array_get(rows, i), "row");
		const json_t *before = json_object_get(row, "before");

		if (!json_is_object(before))
			continue;
		buf_addf(out,
			 "  what it wrote over is kept (%" PRId64 " sectors of %" PRId64
			 " disks%s): 'sparectl meta show --before ",
			 j_int(before, "sectors"), j_int(before, "disks"), j_bool(before, "cut") ? ", not all" : "");
		out_text(out, j_str(row, "plan"));
		buf_add(out, "'\n");
	}
}

static void print_errors(const struct cli *c, const json_t *list, struct buf *out)
{
	if (json_array_size(list) == 0)
		buf_add(out, "no errors\n");
	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *entry = json_array_get(list, i), *n;
		const char *device = j_str(entry, "device"), *name = j_str(c->names, device), *status;
		const char *comma = "  ";

		out_word(c, out, TONE_PLAIN, j_str(entry, "day"), 12);
		out_word(c, out, TONE_PLAIN, name[0] ? name : device, 20);
		buf_addf(out, " %8" PRId64, j_int(entry, "errors"));
		json_object_foreach(json_object_get(entry, "statuses"), status, n)
		{
			buf_add(out, comma);
			out_text(out, status);
			buf_addf(out, " %" PRId64, (int64_t)json_integer_value(n));
			comma = ", ";
		}
		buf_addc(out, '\n');
	}
}

/* The facts that the rule saw when it fired. */
static void print_match(const json_t *verdict, struct buf *out)
{
	const json_t *match = json_object_get(verdict, "match");
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)match, name, v)
	{
		buf_addf(out, "    %-26s ", name);
		describe_fact(name, v, out);
		buf_addc(out, '\n');
	}
}

/* Newest first: what came of it, the verdict, its events. */
static void print_why(const struct cli *c, const json_t *rows, struct buf *out)
{
	size_t n = json_array_size(rows), at = 0, events;
	const json_t *verdict;

	while (at < n && strcmp(j_str(json_array_get(rows, at), "table"), "verdict") != 0)
		at++;
	verdict = json_object_get(json_array_get(rows, at), "row");
	describe(c, "verdict", json_array_get(rows, at), out);
	if (j_str(verdict, "description")[0]) {
		buf_add(out, "  ");
		out_text(out, j_str(verdict, "description"));
		buf_addc(out, '\n');
	}
	buf_add(out, "  what the rule saw\n");
	print_match(verdict, out);
	events = json_array_size(j_list(verdict, "events"));
	buf_addf(out, "  the events (%zu)\n", events);
	for (size_t i = n; i-- > at + 1;) {
		buf_add(out, "    ");
		describe(c, "event", json_array_get(rows, i), out);
	}
	if (at < n && n - at - 1 < events)
		buf_addf(out, "    (the history does not have %zu of them any more)\n", events - (n - at - 1));
	buf_add(out, at ? "  what came of it\n" : "  no plan came of it\n");
	for (size_t i = at; i-- > 0;) {
		buf_add(out, "    ");
		describe(c, j_str(json_array_get(rows, i), "table"), json_array_get(rows, i), out);
	}
}

int verb_history(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *request = NULL, *answer;
	int status;

	if (GIVEN(c, ERRORS) && GIVEN(c, VERDICT))
		return cli_fail(c, CLI_USAGE, "usage", "--errors and --verdict are two questions");
	status = history_request(c, &request);
	if (status != CLI_OK)
		return status;
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON)) {
		out_json(json_incref(answer));
	} else if (status == CLI_OK && (status = client_names(c)) == CLI_OK) {
		if (GIVEN(c, ERRORS))
			print_errors(c, j_list(answer, "errors"), &out);
		else if (GIVEN(c, VERDICT))
			print_why(c, j_list(answer, "rows"), &out);
		else
			print_rows(c, j_list(answer, "rows"), &out);
		if (GIVEN(c, PLAN)) {
			print_undo(j_list(answer, "rows"), &out);
			print_before(j_list(answer, "rows"), &out);
		}
		if (j_bool(answer, "more"))
			buf_add(&out, "(there is more; ask for it with --since, --until or -n)\n");
		out_flush(&out);
	}
	json_decref(answer);
	return status;
}
