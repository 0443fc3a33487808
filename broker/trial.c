// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/trial.h"

#include "actions/actions.h"
#include "broker/chan.h"
#include "broker/proc.h"
#include "config/genl.h"
#include "core/clock.h"
#include "pipeline/ruletest.h"
#include "rules/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define TRIAL_WAIT (60 * NS_PER_SEC)
enum { ARGS_MAX = 64, TEXT_MAX = 64 << 10 };

struct trial {
	struct trial_ops ops;
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	struct chan *chan;
	bool told;
};

/* ---- the process ---- */

/* Directories that are not there have no tests. */
static size_t existing(const char *const *dirs, size_t n, const char **ret)
{
	size_t k = 0;
	struct stat st;

	for (size_t i = 0; i < n; i++)
		if (stat(dirs[i], &st) == 0 && S_ISDIR(st.st_mode))
			ret[k++] = dirs[i];
	return k;
}

static bool run_tests(const char *const *dirs, size_t n, const char *const *kinds, struct buf *out)
{
	const struct ruletest_options o = {.kinds = kinds,
					   .rules_root = n ? dirs[n - 1] : ".",
					   .default_dir = n ? dirs[0] : ".",
					   .default_dirs = dirs,
					   .n_default_dirs = n};
	const char *here[ARGS_MAX];
	struct ruletest_counts counts;
	struct err e = {0};
	int r = ruletest_run(here, existing(dirs, n, here), &o, out, &counts, &e);

	if (r < 0)
		buf_addf(out, "the tests cannot be run: %s\n", e.msg);
	return r == 0;
}

static json_t *try_rules(enum rule_mode mode, const char *const *dirs, size_t n, const char *const *genl, size_t n_genl)
{
	_cleanup_(genl_descs_freep) struct genl_descs *descs = NULL;
	_cleanup_(ruleset_unrefp) struct ruleset *rules = NULL;
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset_options o = {.actions = action_descs, .mode = mode};
	char digest[RULESET_DIGEST_MAX] = "";
	bool passed = false;
	struct diag d;

	diag_init(&d);
	genl_descs_load(genl, n_genl, &d, &descs);
	o.kinds = descs ? descs->kinds : NULL;
	if (ruleset_load_dirs(dirs, n, &o, &d, &rules) == 0)
		passed = run_tests(dirs, n, o.kinds, &out);
	else
		diag_print(&d, NULL, &out);
	diag_finish(&d);
	if (rules)
		ruleset_digest(rules, digest);
	return json_pack("{s:b s:s s:s%}", "passed", passed, "digest", digest, "text", buf_str(&out),
			 MIN(out.len, (size_t)TEXT_MAX));
}

int trial_main(int argc, char **argv)
{
	const char *const *dirs = (const char *const *)argv + 1;
	size_t n = 0, n_genl;
	json_t *j;
	int r;

	prctl(PR_SET_NAME, "spared-trial");
	if (argc < 2 || argc > ARGS_MAX)
		return 1;
	while (n < (size_t)argc - 1 && strcmp(dirs[n], "--") != 0)
		n++;
	n_genl = n < (size_t)argc - 1 ? (size_t)argc - 2 - n : 0;
	j = try_rules(strcmp(argv[0], "shadow") == 0 ? RULE_SHADOW : RULE_ENFORCE, dirs, n, dirs + n + 1, n_genl);
	r = j ? wire_send(STDOUT_FILENO, j) : -ENOMEM;
	json_decref(j);
	return r < 0 ? 1 : 0;
}

/* ---- the broker's side ---- */

static void tell(struct trial *t, bool passed, const char *digest, const char *text)
{
	if (t->told)
		return;
	t->told = true;
	loop_timer_stop(t->timer);
	t->ops.done(t->ops.u, passed, digest, text);
}

static void on_line(void *u, const json_t *j)
{
	const char *digest = json_string_value(json_object_get(j, "digest"));
	const char *text = json_string_value(json_object_get(j, "text"));

	tell(u, json_is_true(json_object_get(j, "passed")), digest ? digest : "", text ? text : "");
}

static void on_closed(void *u, int reason _unused_)
{
	tell(u, false, "", "the process that ran the tests died\n");
}

static void on_late(void *u)
{
	struct trial *t = u;

	kill(t->pid, SIGKILL);
	tell(t, false, "", "the tests took longer than a minute\n");
}

static void on_exit_of(void *u, pid_t pid _unused_, int status _unused_)
{
	struct trial *t = u;

	t->pid = 0; /* what it said, or that it said nothing, comes through the pipe */
}

static int make_argv(const struct settings *s, const char **argv, struct err *e)
{
	size_t n = 0;

	if (s->n_rules_dirs + s->n_genl_dirs + 5 > ARGS_MAX)
		return err_set(e, E2BIG, "more than %d directories of rules", ARGS_MAX - 5);
	argv[n++] = "/proc/self/exe";
	argv[n++] = "--trial";
	argv[n++] = s->rules_mode == RULES_SHADOW ? "shadow" : "enforce";
	for (size_t i = 0; i < s->n_rules_dirs; i++)
		argv[n++] = s->rules_dirs[i];
	argv[n++] = "--";
	for (size_t i = 0; i < s->n_genl_dirs; i++)
		argv[n++] = s->genl_dirs[i];
	argv[n] = NULL;
	return 0;
}

static int start(struct loop *l, struct trial *t, const char *const *argv, struct err *e)
{
	static const struct chan_ops ops = {.line = on_line, .closed = on_closed};
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	r = proc_spawn(&(struct proc_spec){.argv = argv, .in = -1, .out = fds[1], .dies_with_us = true}, e);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	t->pid = r;
	r = chan_new(l, fds[0], WIRE_LINE_MAX, 0, &ops, t, &t->chan);
	if (r == 0)
		r = loop_child_new(l, t->pid, on_exit_of, t, &t->child);
	if (r == 0)
		r = loop_timer_new(l, on_late, t, &t->timer);
	if (r < 0)
		return err_sys(e, -r, "trial");
	loop_timer_in(t->timer, TRIAL_WAIT);
	return 0;
}

int trial_new(struct loop *l, const struct settings *s, const struct trial_ops *ops, struct trial **ret, struct err *e)
{
	_cleanup_(trial_freep) struct trial *t = calloc(1, sizeof(*t));
	const char *argv[ARGS_MAX];
	int r = make_argv(s, argv, e);

	if (!t)
		return err_sys(e, ENOMEM, "trial");
	t->ops = *ops;
	if (r == 0)
		r = start(l, t, argv, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	if (t->pid > 0)
		kill(t->pid, SIGKILL);
	loop_child_free(t->child);
	loop_timer_free(t->timer);
	chan_free(t->chan);
	free(t);
}
