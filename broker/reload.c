// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings and rules that are read again: they run at once, or when their tests have passed. */
#include "broker/reload.h"

#include "broker/systemd.h"
#include "core/log.h"

#include <errno.h>
#include <string.h>

void broker_loaded_finish(struct loaded *l)
{
	broker_free_settings(l->settings);
	genl_descs_free(l->genl);
	ruleset_unref(l->rules);
	*l = (struct loaded){0};
}

static int load_all(const struct broker *b, struct loaded *l, struct diag *d)
{
	int r = broker_load_settings(b->options.config, &l->settings, d);

	if (r == 0)
		r = broker_load_genl(l->settings, d, &l->genl);
	return r < 0 ? r : broker_load_rules(l->settings, l->genl, d, &l->rules);
}

/* What was loaded takes over. */
static int use(struct broker *b, struct loaded *l, struct reload_counts *ret)
{
	struct settings *s = l->settings, *old = b->settings;
	struct genl_descs *old_genl = b->genl;
	int r = pipeline_reload(b->pipeline, s, l->rules, ret);

	if (r < 0)
		return r;
	if (strcmp(old->control, s->control) != 0 || strcmp(old->run_dir, s->run_dir) != 0 ||
	    strcmp(old->history, s->history) != 0)
		log_notice("other paths of control, run-dir and history are used from the next start on");
	b->settings = TAKE_PTR(l->settings);
	ruleset_unref(b->rules);
	b->rules = TAKE_PTR(l->rules);
	b->genl = TAKE_PTR(l->genl);
	sources_set_settings(b->sources, b->settings, b->genl);
	genl_descs_free(old_genl);
	acts_set_timeout(b->acts, b->settings->act_timeout);
	recorder_limits(b->recorder, b->settings->keep_time, b->settings->keep_size, b->settings->keep_images);
	broker_free_settings(old);
	broker_set_log_level(b);
	log_notice("rules: %zu kept, %zu begun anew, %zu new, %zu gone", ret->kept, ret->reset, ret->added,
		   ret->removed);
	return 0;
}

/* ---- tests before rules run ---- */

static void log_lines(enum log_level level, const char *text)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *next = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &next) : NULL; line; line = strtok_r(NULL, "\n", &next))
		log_msg(level, "%s", line);
}

/* Of the rules of the start: nothing ran before that could stay. */
static void tried_at_start(const char *text)
{
	log_lines(LOG_ERROR, text);
	log_error("tests of the rules fail; the rules run, for there are no others");
}

static void on_tried(void *u, bool passed, const char *digest, const char *text)
{
	struct broker *b = u;
	char mine[RULESET_DIGEST_MAX];
	struct reload_counts n = {0};
	bool refuse, same;
	int r = -EINVAL;

	if (!b->next.rules) {
		if (!passed)
			tried_at_start(text);
		return;
	}
	refuse = b->next.settings->rules_tests == TESTS_REFUSE;
	same = strcmp(ruleset_digest(b->next.rules, mine), digest) == 0 || !passed;
	if (passed && !same)
		text = "the files were changed while they were tested: read them again\n";
	passed = passed && same;
	if (!passed)
		log_lines(refuse ? LOG_ERROR : LOG_WARN, text);
	if (passed || !refuse)
		r = use(b, &b->next, &n);
	else
		log_error("tests of the rules fail; the running settings and rules stay");
	broker_loaded_finish(&b->next);
	commands_reloaded(b->commands, r, &n, passed ? NULL : text);
}

int broker_try_rules(struct broker *b, const struct settings *s, struct err *e)
{
	trial_free(TAKE_PTR(b->trial));
	return trial_new(b->loop, s, &(struct trial_ops){on_tried, b}, &b->trial, e);
}

int broker_reload(struct broker *b, struct diag *d, struct reload_counts *ret)
{
	_cleanup_(broker_loaded_finish) struct loaded l = {0};
	struct place at = {.file = b->options.config};
	struct err e = {0};
	int r;

	if (b->next.rules) {
		diag_error(d, &at, "busy", "tests of the rules still run, of a reload before this one");
		return -EBUSY;
	}
	systemd_notify("RELOADING=1");
	r = load_all(b, &l, d);
	if (r == 0 && l.settings->rules_tests != TESTS_OFF) {
		r = broker_try_rules(b, l.settings, &e);
		if (r < 0)
			diag_error(d, &at, "tests", "tests of the rules cannot be run: %s", e.msg);
		else
			b->next = TAKE(l, (struct loaded){0});
		r = r < 0 ? r : 1;
	} else if (r == 0) {
		r = use(b, &l, ret);
	}
	systemd_notify("READY=1");
	return r;
}
