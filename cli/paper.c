// SPDX-License-Identifier: GPL-2.0-or-later
/* Pictures and rules on paper, and what is forecast of them. */
#include "cli/paper.h"

#include "actions/actions.h"
#include "cli/client.h"
#include "cli/output.h"
#include "core/clock.h"
#include "pipeline/forecast.h"
#include "pipeline/paper.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

int paper_world(struct cli *c, json_t **ret)
{
	json_t *answer;
	int status = client_ask(c, client_request("world"), &answer);

	*ret = status == CLI_OK ? json_incref(json_object_get(answer, "world")) : NULL;
	json_decref(answer);
	return status == CLI_OK && !*ret ? cli_fail(c, CLI_NO, "failed", "spared gave no picture") : status;
}

int paper_since(const struct cli *c, int64_t otherwise, int64_t *ret)
{
	const char *text = c->opt[OPT_SINCE];
	struct value v = value_duration(otherwise);

	if (!text || value_parse(V_DURATION, NULL, text, &v, NULL) == 0)
		v.i = clock_wall(&clock_system) - v.i;
	else if (value_parse(V_TIME, NULL, text, &v, NULL) < 0)
		return cli_fail(c, CLI_USAGE, "usage",
				"--since: '%s' is neither a duration (1h) nor a time (2026-01-31T12:00:00Z)", text);
	*ret = v.i;
	return CLI_OK;
}

int paper_rules(struct cli *c, const char *dir, const struct recording *from, const json_t *world, struct ruleset **ret)
{
	const struct settings *settings = cli_settings(c);
	_cleanup_(buf_free) struct buf problems = {0};
	struct ruleset_options o = {.actions = action_descs};
	struct err e = {0};
	struct stat st;
	struct diag d;
	int r = paper_rules_mode(world, &o.mode, &e);

	if (r < 0)
		return cli_fail_err(c, CLI_NO, &e);
	if (dir && (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return cli_fail(c, CLI_USAGE, "usage", "--rules: %s is no directory", dir);
	diag_init(&d);
	o.kinds = cli_event_kinds(c, &d);
	if (dir)
		r = ruleset_load_dirs(&dir, 1, &o, &d, ret);
	else if (from)
		r = ruleset_load(from->rules, from->n_rules, &o, &d, ret);
	else
		r = ruleset_load_dirs(settings->rules_dirs, settings->n_rules_dirs, &o, &d, ret);
	if (r < 0)
		diag_print(&d, "nothing is played with them", &problems);
	diag_finish(&d);
	return r < 0 ? cli_fail(c, CLI_NO, "failed", "the rules cannot be loaded:\n%s", buf_str(&problems)) : CLI_OK;
}

bool paper_same_rules(const json_t *world, const struct ruleset *rules)
{
	char digest[RULESET_DIGEST_MAX];

	return strcmp(ruleset_digest(rules, digest), j_str(world, "rules")) == 0;
}

/* ---- forecast ---- */

static const char *lose(int64_t n)
{
	static char text[4][48];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(text[at], sizeof(text[at]),
		 n < 0	  ? "the array has failed"
		 : n == 0 ? "it can lose no more"
			  : "it can lose %" PRId64 " more",
		 n);
	return text[at];
}

static void print_taken(const json_t *k, bool copied, struct buf *out)
{
	out_text(out, j_str(k, "rule"));
	buf_add(out, copied ? ": it is copied to " : ": ");
	out_text(out, j_str(k, "spare"));
	buf_add(out, copied ? ", which then takes its place, " : " takes its place ");
	if (j_int(k, "after") == 0)
		buf_add(out, "at once");
	else
		buf_add(out, "after ");
	if (j_int(k, "after") > 0)
		out_duration(out, j_int(k, "after"));
	if (copied)
		buf_addf(out, "; until then %s", lose(j_int(k, "meanwhile")));
	else
		buf_addf(out, "; until it is rebuilt %s, then %s", lose(j_int(k, "meanwhile")),
			 lose(j_int(k, "redundancy")));
	buf_addf(out, "; spares left: %" PRId64, j_int(k, "spares"));
}

static void print_case(const struct cli *c, const json_t *k, struct buf *out)
{
	const char *result = j_str(k, "result");
	bool lost = strcmp(result, "lost") == 0, copied = strcmp(result, "copy") == 0;

	buf_add(out, "         ");
	out_word(c, out, TONE_PLAIN, j_str(k, "case"), 8);
	if (copied || strcmp(result, "spare") == 0) {
		print_taken(k, copied, out);
	} else {
		out_word(c, out, lost ? TONE_BAD : TONE_WARN, lost ? "nothing takes its place" : "it is kept", 0);
		buf_add(out, ": ");
		out_text(out, j_str(k, "reason"));
	}
	buf_addc(out, '\n');
}

static void print_array(const struct cli *c, const json_t *a, struct buf *out)
{
	const json_t *members = j_list(a, "members"), *handled = json_object_get(a, "handled");

	out_word(c, out, TONE_BOLD, j_str(a, "name"), 0);
	buf_addf(out, "  %s  %s", j_str(a, "level"), j_str(a, "state"));
	if (j_str(a, "reason")[0]) {
		buf_add(out, "  ");
		out_word(c, out, json_is_null(handled) ? TONE_DIM : TONE_BAD, j_str(a, "reason"), 0);
	}
	if (!json_is_null(handled) && j_int(a, "spares") == 0) {
		buf_add(out, "  ");
		out_word(c, out, TONE_BAD, "no valid spare", 0);
		buf_add(out, ": ");
		out_text(out, j_str(a, "spare-reason"));
	}
	buf_addc(out, '\n');
	for (size_t i = 0; i < json_array_size(members); i++) {
		const json_t *m = json_array_get(members, i), *cases = j_list(m, "cases");

		buf_addf(out, "  %-3" PRId64 " ", j_int(m, "slot"));
		out_text(out, j_str(m, "name"));
		buf_addf(out, "%s\n", strcmp(j_str(m, "state"), "rebuilding") == 0 ? " (is being rebuilt)" : "");
		for (size_t k = 0; k < json_array_size(cases); k++)
			print_case(c, json_array_get(cases, k), out);
	}
}

static void print_forecast(const struct cli *c, const json_t *answer, struct buf *out)
{
	const json_t *arrays = j_list(answer, "arrays");
	size_t asked = 0;

	for (size_t i = 0; i < json_array_size(arrays); i++) {
		print_array(c, json_array_get(arrays, i), out);
		asked += !json_is_null(json_object_get(json_array_get(arrays, i), "handled"));
	}
	if (asked == 0)
		buf_add(out, "there is no managed array that could lose a member\n");
	else if (j_int(answer, "unhandled") == 0)
		buf_addf(out, "of %zu arrays every next loss is repaired by itself\n", asked);
	else
		buf_addf(out, "of %zu arrays %" PRId64 " would not be repaired by themselves\n", asked,
			 j_int(answer, "unhandled"));
}

static int tell_forecast(struct cli *c, const json_t *world, struct ruleset *rules)
{
	bool all = !GIVEN(c, PULL) || strcmp(c->opt[OPT_PULL], "all") == 0, same = paper_same_rules(world, rules);
	struct forecast_options o = {.device = all ? NULL : c->opt[OPT_PULL], .only_pulled = GIVEN(c, PULL)};
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer;
	struct err e = {0};
	int status, r = forecast(world, rules, &o, &answer, &e);

	if (r < 0)
		return cli_fail(c, CLI_NO, r == -ENOENT ? "not-found" : "failed", "%s: %s", c->verb->name, e.msg);
	status = j_int(answer, "unhandled") ? CLI_NO : CLI_OK;
	if (GIVEN(c, JSON)) {
		json_object_set_new(answer, "v", json_integer(1));
		json_object_set_new(answer, "ok", json_boolean(status == CLI_OK));
		json_object_set_new(answer, "same-rules", json_boolean(same));
		out_json(answer);
		return status;
	}
	if (!same && !GIVEN(c, RULES))
		buf_add(&out, "the rules on disk are not those that run: this is what will be after 'sparectl rules "
			      "reload'\n");
	print_forecast(c, answer, &out);
	out_flush(&out);
	json_decref(answer);
	return status;
}

int verb_forecast(struct cli *c)
{
	_cleanup_(recording_finish) struct recording from = {0};
	_cleanup_(ruleset_unrefp) struct ruleset *rules = NULL;
	_cleanup_(json_decrefp) json_t *world = NULL;
	struct err e = {0};
	int status = CLI_OK;

	if (c->n_args && recording_read(&from, c->args[0], &e) < 0)
		return cli_fail_err(c, CLI_NO, &e);
	if (c->n_args)
		world = json_incref(from.now);
	else
		status = paper_world(c, &world);
	if (status == CLI_OK)
		status = paper_rules(c, c->opt[OPT_RULES], c->n_args ? &from : NULL, world, &rules);
	return status == CLI_OK ? tell_forecast(c, world, rules) : status;
}
