// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/rules.h"
#include "actions/actions.h"
#include "cli/client.h"
#include "cli/output.h"
#include "config/dirs.h"
#include "config/genl.h"
#include "core/clock.h"
#include "pipeline/ruletest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const *cli_event_kinds(struct cli *c, struct diag *d)
{
	static struct genl_descs *descs;

	if (!descs)
		genl_descs_load(cli_settings(c)->genl_dirs, cli_settings(c)->n_genl_dirs, d, &descs);
	return descs ? descs->kinds : NULL;
}

static const struct ruleset_options *rule_options(struct cli *c, struct diag *d)
{
	static struct ruleset_options o;

	o = (struct ruleset_options){
		.actions = action_descs,
		.mode = cli_settings(c)->rules_mode == RULES_SHADOW ? RULE_SHADOW : RULE_ENFORCE,
		.kinds = cli_event_kinds(c, d),
	};
	return &o;
}

/* ---- check ---- */

/* Files to be checked together: those of directories, and those that are named, which are the strongest layer. */
struct sources {
	struct rule_source *s;
	char **texts, **names;
	size_t n;
};

static void sources_finish(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->texts[i]);
		free(s->names[i]);
	}
	free(s->s);
	free(s->texts);
	free(s->names);
}

static int sources_add(struct sources *s, const char *path, int layer, struct err *e)
{
	_cleanup_(buf_free) struct buf text = {0};
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	if (!f)
		return err_sys(e, errno, "cannot read %s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && text.len <= TREE_SIZE_MAX)
		buf_addn(&text, part, n);
	n = (size_t)ferror(f);
	fclose(f);
	if (n)
		return err_sys(e, EIO, "cannot read %s", path);
	s->s = realloc(s->s, (s->n + 1) * sizeof(*s->s));
	s->texts = realloc(s->texts, (s->n + 1) * sizeof(*s->texts));
	s->names = realloc(s->names, (s->n + 1) * sizeof(*s->names));
	if (!s->s || !s->texts || !s->names)
		abort();
	s->s[s->n].len = text.len;
	s->texts[s->n] = buf_take(&text);
	s->names[s->n] = strdup(path);
	s->s[s->n].file = s->names[s->n];
	s->s[s->n].text = s->texts[s->n] ? s->texts[s->n] : "";
	s->s[s->n].layer = layer;
	s->n++;
	return 0;
}

static int sources_add_dirs(struct sources *s, const char *const *dirs, size_t n, int layer, struct diag *d,
			    struct err *e)
{
	struct drop_ins l = {0};
	int r = drop_ins_list(dirs, n, d, &l);

	for (size_t i = 0; i < l.n && r == 0; i++)
		r = sources_add(s, l.files[i].path, layer + (int)l.files[i].layer, e);
	drop_ins_finish(&l);
	return r;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int load(struct cli *c, struct diag *d, struct ruleset **ret, struct err *e)
{
	const struct settings *settings = cli_settings(c);
	_cleanup_(sources_finish) struct sources s = {0};
	int r = 0;

	if (c->n_args == 0)
		return ruleset_load_dirs(settings->rules_dirs, settings->n_rules_dirs, rule_options(c, d), d, ret);
	if (GIVEN(c, INSTALLED))
		r = sources_add_dirs(&s, settings->rules_dirs, settings->n_rules_dirs, 0, d, e);
	for (int i = 0; i < c->n_args && r == 0; i++) {
		const char *dir = c->args[i];
		int layer = (int)settings->n_rules_dirs + i;

		if (is_dir(dir))
			r = sources_add_dirs(&s, &dir, 1, layer, d, e);
		else
			r = sources_add(&s, dir, layer, e);
	}
	return r < 0 ? r : ruleset_load(s.s, s.n, rule_options(c, d), d, ret);
}

int verb_rules_check(struct cli *c)
{
	_cleanup_(ruleset_unrefp) struct ruleset *rs = NULL;
	_cleanup_(buf_free) struct buf out = {0};
	struct err e = {0};
	struct diag d;
	bool good;
	int r;

	diag_init(&d);
	d.strict = GIVEN(c, STRICT);
	r = load(c, &d, &rs, &e);
	good = r == 0 && !diag_failed(&d);
	if (r < 0 && e.code) {
		diag_finish(&d);
		return cli_fail_err(c, CLI_NO, &e);
	}
	if (GIVEN(c, JSON)) {
		out_json(json_pack("{s:i,s:b,s:i,s:i,s:i,s:o}", "v", 1, "ok", good, "rules",
				   rs ? (int)ruleset_size(rs) : 0, "errors", (int)d.errors, "warnings", (int)d.warnings,
				   "problems", diag_to_json(&d)));
	} else {
		diag_print(&d, NULL, &out);
		if (good)
			buf_addf(&out, "%zu rules, all good.\n", ruleset_size(rs));
		out_flush(&out);
	}
	diag_finish(&d);
	return good ? CLI_OK : CLI_NO;
}

/* ---- test ---- */

int verb_rules_test(struct cli *c)
{
	const struct settings *settings = cli_settings(c);
	struct ruletest_options o = {
		.rules_root = GIVEN(c, BASE) ? c->opt[OPT_BASE] : ".",
		.default_dir = GIVEN(c, RULES)		? c->opt[OPT_RULES]
			       : settings->n_rules_dirs ? settings->rules_dirs[0]
							: NULL,
		.default_dirs = GIVEN(c, RULES) ? NULL : settings->rules_dirs,
		.n_default_dirs = GIVEN(c, RULES) ? 0 : settings->n_rules_dirs,
		.only = c->opt[OPT_ONLY],
		.strict = GIVEN(c, STRICT),
		.verbose = GIVEN(c, VERBOSE),
		.junit = c->opt[OPT_JUNIT],
	};
	const char *const *paths = c->n_args ? (const char *const *)c->args : settings->rules_dirs;
	size_t n = c->n_args ? (size_t)c->n_args : settings->n_rules_dirs;
	_cleanup_(buf_free) struct buf out = {0};
	struct ruletest_counts counts = {0};
	struct err e = {0};
	struct diag d;
	int r;

	diag_init(&d);
	o.kinds = cli_event_kinds(c, &d);
	diag_print(&d, NULL, &out);
	diag_finish(&d);
	r = ruletest_run(paths, n, &o, &out, &counts, &e);
	if (r < 0)
		return cli_fail_err(c, CLI_NO, &e);
	if (GIVEN(c, JSON))
		out_json(json_pack("{s:i,s:b,s:i,s:i,s:i,s:i,s:i,s:s}", "v", 1, "ok", r == 0, "files",
				   (int)counts.files, "tests", (int)counts.tests, "passed", (int)counts.passed,
				   "failed", (int)counts.failed, "broken", (int)counts.broken, "text", buf_str(&out)));
	else
		out_flush(&out);
	return r == 0 ? CLI_OK : CLI_NO;
}

/* ---- list ---- */

/* One key a line: "threshold.count  FILE:LINE:COL, then FILE:LINE:COL" */
static void print_origin(const struct cli *c, const json_t *origin, struct buf *out)
{
	const json_t *places;
	const char *key;

	json_object_foreach((json_t *)origin, key, places)
	{
		buf_add(out, "      ");
		out_word(c, out, TONE_PLAIN, key, 26);
		for (size_t i = 0; i < json_array_size(places); i++) {
			buf_add(out, i ? ", then " : " ");
			out_text(out, json_string_value(json_array_get(places, i)));
		}
		buf_addc(out, '\n');
	}
}

static void print_rules(const struct cli *c, const json_t *list, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *rule = json_array_get(list, i);
		bool off = j_bool(rule, "disabled"), enforced = strcmp(j_str(rule, "mode"), "enforce") == 0;

		out_word(c, out, off ? TONE_DIM : TONE_BOLD, j_str(rule, "name"), 26);
		buf_addc(out, ' ');
		out_word(c, out, TONE_PLAIN, j_str(rule, "trigger"), 28);
		buf_addf(out, " %4" PRId64, j_int(rule, "priority"));
		buf_addf(out, "%s%s%s%s\n    ", j_bool(rule, "destructive") ? "  changes arrays" : "",
			 enforced ? "" : "  ", enforced ? "" : j_str(rule, "mode"), off ? "  disabled" : "");
		out_text(out, j_str(rule, "description"));
		buf_addc(out, '\n');
		out_word(c, out, TONE_DIM, "    at ", 0);
		out_word(c, out, TONE_DIM, j_str(rule, "at"), 0);
		buf_addc(out, '\n');
		print_origin(c, json_object_get(rule, "origin"), out);
	}
}

static void print_questions(const struct cli *c, const json_t *list, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *q = json_array_get(list, i);
		const char *name = j_str(q, "device");
		struct value until = value_time(j_int(q, "deadline") / NS_PER_SEC * NS_PER_SEC);

		if (i == 0)
			buf_addc(out, '\n');
		out_word(c, out, TONE_BOLD, "asked ", 0);
		out_text(out, j_str(q, "id"));
		buf_addf(out, ": %s about ", j_str(q, "rule"));
		out_text(out, *name ? name : *j_str(q, "array") ? j_str(q, "array") : j_str(q, "subject"));
		buf_add(out, ", until ");
		value_print(&until, VALUE_CANONICAL, out);
		buf_addf(out, " (then %s): sparectl rules approve ", j_str(q, "then"));
		out_text(out, j_str(q, "id"));
		buf_add(out, ", or deny\n");
	}
}

/* Without a daemon: the rules as they lie on disk. */
static int rules_on_disk(struct cli *c, json_t **ret)
{
	_cleanup_(ruleset_unrefp) struct ruleset *rs = NULL;
	_cleanup_(buf_free) struct buf text = {0};
	struct err e = {0};
	struct diag d;

	diag_init(&d);
	if (load(c, &d, &rs, &e) < 0) {
		diag_print(&d, NULL, &text);
		fputs(buf_str(&text), stderr);
		diag_finish(&d);
		return e.code ? cli_fail_err(c, CLI_NO, &e) : CLI_NO;
	}
	diag_finish(&d);
	if (!GIVEN(c, JSON))
		fputs("spared does not run: the rules as they are on disk\n", stderr);
	*ret = ruleset_to_json(rs, GIVEN(c, ORIGIN));
	return CLI_OK;
}

int verb_rules_list(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer = NULL, *request = client_request("rules-list");
	int status;

	if (GIVEN(c, ORIGIN))
		json_object_set_new(request, "origin", json_true());
	if (client_runs(c)) {
		status = client_ask(c, request, &answer);
	} else {
		json_decref(request);
		status = rules_on_disk(c, &answer);
	}

	if (status == CLI_OK && GIVEN(c, JSON)) {
		out_json(json_pack("{s:i,s:O,s:O*}", "v", 1, "rules", json_object_get(answer, "rules"), "questions",
				   json_object_get(answer, "questions")));
	} else if (status == CLI_OK) {
		print_rules(c, j_list(answer, "rules"), &out);
		print_questions(c, j_list(answer, "questions"), &out);
		out_flush(&out);
	}
	json_decref(answer);
	return status;
}

/* ---- stats ---- */

static void print_stats(const struct cli *c, const json_t *rules, const json_t *totals, struct buf *out)
{
	buf_addf(out, "%-26s %9s %9s %7s %7s %7s %9s %7s %9s  %s\n", "rule", "seen", "matched", "fired", "held",
		 "limited", "inhibited", "open", "time", "last fired");
	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *s = json_array_get(rules, i);
		_cleanup_(buf_free) struct buf spent = {0};

		out_duration(&spent, j_int(s, "spent"));
		out_word(c, out, j_int(s, "fired") ? TONE_BOLD : TONE_PLAIN, j_str(s, "rule"), 26);
		buf_addf(out,
			 " %9" PRId64 " %9" PRId64 " %7" PRId64 " %7" PRId64 " %7" PRId64 " %9" PRId64 " %7" PRId64
			 " %9s  ",
			 j_int(s, "seen"), j_int(s, "matched"), j_int(s, "fired"), j_int(s, "held"),
			 j_int(s, "limited"), j_int(s, "inhibited"),
			 j_int(s, "windows") + j_int(s, "attempts") + j_int(s, "states"), buf_str(&spent));
		if (j_int(s, "last"))
			out_time(out, j_int(s, "last"), false);
		else
			buf_addc(out, '-');
		if (j_int(s, "agreed"))
			buf_addf(out, "  %" PRId64 " done by others", j_int(s, "agreed"));
		if (j_int(s, "evicted"))
			buf_addf(out, "  %" PRId64 " windows dropped", j_int(s, "evicted"));
		buf_addc(out, '\n');
	}
	buf_addf(out, "\n%" PRId64 " windows open, room %" PRId64 " of %" PRId64 " used, %" PRId64 " dropped",
		 j_int(totals, "windows"), j_int(totals, "room-used"), j_int(totals, "room"), j_int(totals, "evicted"));
	if (*j_str(totals, "evicted-rule"))
		buf_addf(out, ", last of %s", j_str(totals, "evicted-rule"));
	buf_addc(out, '\n');
}

int verb_rules_stats(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer;
	int status = client_ask(c, client_request("rules-stats"), &answer);

	if (status == CLI_OK && GIVEN(c, JSON)) {
		out_json(json_pack("{s:i,s:O,s:O}", "v", 1, "rules", json_object_get(answer, "rules"), "totals",
				   json_object_get(answer, "totals")));
	} else if (status == CLI_OK) {
		print_stats(c, j_list(answer, "rules"), json_object_get(answer, "totals"), &out);
		out_flush(&out);
	}
	json_decref(answer);
	return status;
}

/* ---- approve, deny ---- */

static void print_lines(const json_t *lines)
{
	_cleanup_(buf_free) struct buf out = {0};

	for (size_t i = 0; i < json_array_size(lines); i++) {
		out_text(&out, json_string_value(json_array_get(lines, i)));
		buf_addc(&out, '\n');
	}
	out_flush(&out);
}

int verb_rules_answer(struct cli *c)
{
	bool yes = strcmp(c->verb->name, "rules approve") == 0;
	json_t *request, *answer;
	int status;

	request = client_request(yes ? "rules-approve" : "rules-deny");
	json_object_set_new(request, "question", json_string(c->args[0]));
	if (GIVEN(c, DRY_RUN))
		json_object_set_new(request, "dry-run", json_true());
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	else if (status == CLI_OK && GIVEN(c, DRY_RUN))
		print_lines(j_list(answer, "plan"));
	else if (status == CLI_OK)
		printf("%s is %s\n", c->args[0], yes ? "approved" : "denied");
	json_decref(answer);
	return status;
}

int verb_rules_uninhibit(struct cli *c)
{
	json_t *request = client_request("rules-uninhibit"), *answer;
	int status;

	json_object_set_new(request, "rule", json_string(c->args[0]));
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	else if (status == CLI_OK)
		printf("%s is inhibited no more\n", c->args[0]);
	json_decref(answer);
	return status;
}

/* ---- why, reload ---- */

static int why_not(struct cli *c)
{
	json_t *request = client_request("rules-why"), *answer, *why;
	_cleanup_(buf_free) struct buf out = {0};
	int status;

	json_object_set_new(request, "rule", json_string(c->args[0]));
	json_object_set_new(request, "subject", json_string(c->args[1]));
	status = client_ask(c, request, &answer);
	why = json_object_get(answer, "why");
	if (status == CLI_OK) {
		const char *result = j_str(why, "result");
		bool yes = strcmp(result, "fired") == 0 || strcmp(result, "active") == 0;

		if (GIVEN(c, JSON)) {
			out_json(json_incref(why));
		} else {
			why_print(why, &out);
			out_flush(&out);
		}
		status = yes ? CLI_OK : CLI_NO;
	}
	json_decref(answer);
	return status;
}

int verb_rules_why(struct cli *c)
{
	if (GIVEN(c, VERDICT) && c->n_args == 0)
		return verb_history(c);
	if (GIVEN(c, VERDICT) || c->n_args != 2)
		return cli_fail(c, CLI_USAGE, "usage", "rules why takes a rule and a subject, or --verdict alone");
	return why_not(c);
}

int verb_spare_why(struct cli *c)
{
	json_t *request = client_request("spare-why"), *answer;
	const json_t *why, *rules;
	_cleanup_(buf_free) struct buf out = {0};
	int status;

	json_object_set_new(request, "subject", json_string(c->args[0]));
	status = client_ask(c, request, &answer);
	why = json_object_get(answer, "why");
	rules = j_list(why, "rules");
	if (status == CLI_OK && GIVEN(c, JSON)) {
		out_json(json_incref((json_t *)why));
	} else if (status == CLI_OK) {
		out_text(&out, j_str(why, "array"));
		buf_addf(&out, "/%" PRId64 ": ", j_int(why, "slot"));
		out_text(&out, j_str(why, "answer"));
		buf_addc(&out, '\n');
		for (size_t i = 0; i < json_array_size(rules); i++) {
			buf_add(&out, "  ");
			out_word(c, &out, TONE_DIM, j_str(json_array_get(rules, i), "rule"), 20);
			buf_addc(&out, ' ');
			out_text(&out, j_str(json_array_get(rules, i), "answer"));
			buf_addc(&out, '\n');
		}
		out_flush(&out);
	}
	json_decref(answer);
	return status;
}

int verb_rules_reload(struct cli *c)
{
	json_t *answer;
	const json_t *r;
	int status;

	/* What a reload would say is what a check of the same directories says. */
	if (GIVEN(c, DRY_RUN))
		return verb_rules_check(c);
	status = client_ask(c, client_request("rules-reload"), &answer);
	r = json_object_get(answer, "reload");
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_deep_copy(answer));
	else if (status == CLI_OK)
		printf("kept %" PRId64 ", reset %" PRId64 ", new %" PRId64 ", removed %" PRId64 "\n", j_int(r, "kept"),
		       j_int(r, "reset"), j_int(r, "added"), j_int(r, "removed"));
	if (status == CLI_OK && !GIVEN(c, JSON) && j_str(answer, "tests")[0])
		fprintf(stderr, "%ssparectl: tests of the rules fail; the rules run, as 'rules: {tests: warn}' says\n",
			j_str(answer, "tests"));
	else if (status != CLI_OK && !GIVEN(c, JSON))
		fputs(j_str(answer, "text"), stderr);
	json_decref(answer);
	return status;
}
