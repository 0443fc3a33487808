// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/broker.h"

#include "broker/broker_ops.h"
#include "broker/proc.h"
#include "broker/reload.h"
#include "broker/systemd.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define RESCAN_PAUSE (1 * NS_PER_SEC) /* between two enumerations after losses */
#define SAVE_WAIT (10 * NS_PER_SEC)   /* at the end, for the history */
#define SOURCE_RETRY (5 * NS_PER_SEC) /* until a source that could not be started is tried again */
#define STOP_GRACE (10 * NS_PER_SEC)  /* beyond the act timeout, for plans that run at the end */
#define PATIENCE (10 * NS_PER_SEC)    /* requests wait for the first picture at most so long */
#define TIDY_AFTER (2 * NS_PER_SEC)   /* so that a client that asks every moment does not cost it every time */

enum { PROBES_MAX = 8, TURNS_MAX = 1000 };

/* ---- configuration ---- */

/* What settings and rules files say. On error *settings and *rules are NULL, or (rules only) *settings is good. */
int broker_load_settings(const char *path, struct settings **ret, struct diag *d)
{
	struct settings *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = settings_read(s, path, d);
	if (r < 0) {
		settings_finish(s);
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void broker_free_settings(struct settings *s)
{
	if (!s)
		return;
	settings_finish(s);
	free(s);
}

int broker_load_genl(const struct settings *s, struct diag *d, struct genl_descs **ret)
{
	return genl_descs_load(s->genl_dirs, s->n_genl_dirs, d, ret);
}

int broker_load_rules(const struct settings *s, const struct genl_descs *genl, struct diag *d, struct ruleset **ret)
{
	const struct ruleset_options o = {.actions = action_descs,
					  .mode = s->rules_mode == RULES_SHADOW ? RULE_SHADOW : RULE_ENFORCE,
					  .kinds = genl ? genl->kinds : NULL};

	return ruleset_load_dirs(s->rules_dirs, s->n_rules_dirs, &o, d, ret);
}

static void log_problems(struct diag *d, const char *tail)
{
	_cleanup_(buf_free) struct buf text = {0};
	char *line, *next = NULL;

	diag_print(d, tail, &text);
	for (line = text.s ? strtok_r(text.s, "\n", &next) : NULL; line; line = strtok_r(NULL, "\n", &next))
		log_msg(d->errors ? LOG_ERROR : LOG_WARN, "%s", line);
}

void broker_set_log_level(const struct broker *b)
{
	enum log_level level = LOG_INF;

	log_level_parse(b->options.log_level ? b->options.log_level : b->settings->log_level, &level);
	log_setup(level, "spared");
}

/* Without settings it is not known what is managed: no start. Without rules the facts are still to be recorded. */
static int first_load(struct broker *b, struct err *e)
{
	struct diag d;
	int r;

	diag_init(&d);
	r = broker_load_settings(b->options.config, &b->settings, &d);
	if (r < 0) {
		log_problems(&d, NULL);
		diag_finish(&d);
		return err_set(e, -r, "%s cannot be used", b->options.config);
	}
	broker_set_log_level(b);
	if (broker_load_genl(b->settings, &d, &b->genl) < 0)
		log_problems(&d, "what is wrong is not heard");
	diag_finish(&d);
	diag_init(&d);
	r = broker_load_rules(b->settings, b->genl, &d, &b->rules);
	log_problems(&d, r < 0 ? "no rule runs" : NULL);
	diag_finish(&d);
	if (r < 0) {
		const struct ruleset_options none = {.actions = action_descs};

		diag_init(&d);
		r = ruleset_load(NULL, 0, &none, &d, &b->rules);
		diag_finish(&d);
	}
	return r < 0 ? err_sys(e, -r, "rules") : 0;
}

/* ---- the loop's turns ---- */

static void on_deadline(void *u)
{
	struct broker *b = u;

	b->deadline_set = 0; /* the turn before sleep does the rest */
}

static void arm_deadline(struct broker *b)
{
	int64_t at = 0;

	if (!pipeline_deadline(b->pipeline, &at))
		at = 0;
	if (at == b->deadline_set)
		return;
	b->deadline_set = at;
	if (at)
		loop_timer_at(b->deadline, at);
	else
		loop_timer_stop(b->deadline);
}

static void tell_overflow(void *u, const struct source *s, uint64_t lost)
{
	struct broker *b = u;
	struct event *ev = event_new("broker.overflow", s->ops->name, ORIGIN_OWN);

	if (lost)
		log_warning("source %s lost %llu messages: everything is enumerated again", s->ops->name,
			    (unsigned long long)lost);
	else
		log_warning("source %s may have lost messages: everything is enumerated again", s->ops->name);
	if (!ev)
		return;
	event_set(ev, FACT_OVERFLOW_SOURCE, value_str(s->ops->name));
	if (lost)
		event_set(ev, FACT_OVERFLOW_LOST, value_int((int64_t)lost));
	pipeline_feed(b->pipeline, ev);
}

/* Loss, start and restart all do the same: everything is told again down the same pipe. */
static void rescan(struct broker *b)
{
	int64_t now = clock_boot(&clock_system);

	if (!b->overflowed || !b->enumerated)
		return;
	if (b->last_rescan && now < b->last_rescan + RESCAN_PAUSE) {
		loop_timer_at(b->rescan, b->last_rescan + RESCAN_PAUSE);
		return;
	}
	b->last_rescan = now;
	b->overflowed = false;
	pipeline_rescan(b->pipeline, sources_overflowed(b->sources, tell_overflow, b));
	sources_enumerate(b->sources);
	pipeline_enumerated(b->pipeline);
}

static long long ms_since_start(const struct broker *b)
{
	return (clock_boot(&clock_system) - b->started_boot) / NS_PER_MS;
}

static void on_tidy(void *u)
{
	struct broker *b = u;

	b->tidy_due = false;
	malloc_trim(0);
}

/* The state as JSON, an answer about all disks, the lines of a thousand events take more than the disks themselves, in
 * small pieces between what stays: the C library would keep their pages. */
void broker_tidy(struct broker *b)
{
	if (b->tidy_due)
		return;
	b->tidy_due = true;
	loop_timer_in(b->tidy, TIDY_AFTER);
}

static void tell_read(struct broker *b)
{
	if (b->told_read || !pipeline_read(b->pipeline))
		return;
	b->told_read = true;
	log_info("all disks are read %lld ms after the start", ms_since_start(b));
}

static void accept_requests(struct broker *b, bool whole)
{
	if (b->accepting || !b->control || !whole)
		return;
	b->accepting = true;
	log_info("%s %lld ms after the start",
		 pipeline_started(b->pipeline) ? "the first picture is whole" : "a part of the disks is known",
		 ms_since_start(b));
	broker_tidy(b);
	loop_timer_stop(b->patience);
	control_accept(b->control);
}

static void on_patience(void *u)
{
	accept_requests(u, true);
}

static void on_wake(void *u _unused_)
{
	/* Only wakes the loop: the turn before sleep does the rest. */
}

static void on_save(void *u)
{
	struct broker *b = u;
	json_t *state = pipeline_save(b->pipeline);

	b->save_due = false;
	if (state)
		recorder_save(b->recorder, state);
	json_decref(state);
	broker_tidy(b);
}

static void stop_when_done(struct broker *b)
{
	if (b->stage == BROKER_STOPPING && acts_busy(b->acts) == 0 && images_busy(b->images) == 0 &&
	    !(b->machine_ends && pipeline_busy(b->pipeline))) {
		b->stage = BROKER_SAVING;
		on_save(b);
		loop_timer_in(b->stop, SAVE_WAIT);
		recorder_turn(b->recorder);
	}
	if (b->stage == BROKER_SAVING && recorder_idle(b->recorder))
		loop_quit(b->loop);
}

/* Before the loop sleeps: what was asked for in callbacks is done, and time moves on. Nothing of this runs within a
 * call of the pipeline. */
static void before_sleep(void *u)
{
	struct broker *b = u;
	bool more = true;

	for (int i = 0; more && i < TURNS_MAX; i++) {
		rescan(b);
		if (b->stage <= BROKER_RUNNING && b->opened)
			pipeline_advance(b->pipeline);
		broker_tell_history(b);
		more = commands_turn(b->commands);
		more |= recorder_turn(b->recorder);
		more |= probes_turn(b->probes);
		more |= acts_turn(b->acts);
		more |= alones_turn(b->alones);
		more |= programs_turn(b->programs);
	}
	arm_deadline(b);
	tell_read(b);
	accept_requests(b, pipeline_started(b->pipeline));
	stop_when_done(b);
}

/* ---- the first seconds ---- */

static void on_enumerated(void *u)
{
	struct broker *b = u;

	if (b->enumerated)
		return;
	b->enumerated = true;
	b->stage = MAX(b->stage, BROKER_RUNNING);
	log_info("all disks are told %lld ms after the start", ms_since_start(b));
	pipeline_enumerated(b->pipeline);
	systemd_notify("READY=1\nSTATUS=Listening.");
}

static void on_overflow(void *u)
{
	struct broker *b = u;

	b->overflowed = true;
}

static int start_sources(struct broker *b)
{
	const struct source_env env = {.loop = b->loop,
				       .pipeline = b->pipeline,
				       .settings = b->settings,
				       .genl = b->genl,
				       .overflow = on_overflow,
				       .enumerated = on_enumerated,
				       .retry_ns = SOURCE_RETRY,
				       .u = b};
	int r = sources_new(&env, &b->sources);

	if (r < 0)
		return r;
	pipeline_rescan(b->pipeline, false);
	sources_start(b->sources);
	if (!sources_run(b->sources, "udev"))
		on_enumerated(b); /* nothing will be told: the socket still works */
	return 0;
}

void broker_opened(struct broker *b, const json_t *state, const json_t *unfinished)
{
	struct err e = {0};
	const json_t *intent;
	size_t i;

	if (state && pipeline_restore(b->pipeline, state, &e) < 0)
		log_warning("what was known before is not used: %s", e.msg);
	json_array_foreach((json_t *)unfinished, i, intent)
	{
		if (pipeline_replay(b->pipeline, intent, &e) < 0)
			log_warning("an unfinished plan is not taken up again: %s", e.msg);
	}
	b->opened = true;
	if (start_sources(b) < 0) {
		log_error("out of memory");
		b->status = 1;
		loop_quit(b->loop);
	}
}

/* ---- signals ---- */

static void on_hangup(void *u)
{
	struct broker *b = u;
	struct reload_counts n = {0};
	struct diag d;

	diag_init(&d);
	if (!b->opened || broker_reload(b, &d, &n) < 0)
		log_problems(&d, "the running settings and rules stay");
	diag_finish(&d);
}

static void on_machine_ends(void *u)
{
	struct broker *b = u;

	b->machine_ends = b->stage < BROKER_STOPPING && b->opened;
}

/* Plans that run are waited for: act finishes them, and their outcome is recorded. A second signal does not wait. */
static void on_terminate(void *u)
{
	struct broker *b = u;

	if (b->stage >= BROKER_STOPPING || !b->opened) {
		loop_quit(b->loop);
		return;
	}
	log_notice("stopping");
	systemd_notify("STOPPING=1");
	b->stage = BROKER_STOPPING;
	control_free(b->control);
	b->control = NULL;
	sources_free(b->sources);
	b->sources = NULL;
	loop_timer_in(b->stop, b->settings->act_timeout + STOP_GRACE);
	if (b->machine_ends)
		pipeline_shut_down(b->pipeline);
}

static void on_stop_late(void *u)
{
	struct broker *b = u;

	log_warning("not waiting any longer for what still runs");
	loop_quit(b->loop);
}

static void on_watchdog(void *u)
{
	struct broker *b = u;

	systemd_notify("WATCHDOG=1");
	loop_timer_in(b->watchdog, b->watchdog_every);
}

/* ---- init and finish ---- */

static int make_dir_of(const char *path, bool parent, mode_t mode)
{
	_cleanup_(freep) char *dir = strdup(path);
	char *slash;

	if (!dir)
		return -ENOMEM;
	slash = parent ? strrchr(dir, '/') : NULL;
	if (parent && (!slash || slash == dir))
		return 0;
	if (slash)
		*slash = '\0';
	return mkdir(dir, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* One broker a run directory. The lock goes with the process. */
static int take_lock(struct broker *b, struct err *e)
{
	char path[512];
	int r = make_dir_of(b->settings->run_dir, false, 0755);

	if (r < 0)
		return err_sys(e, -r, "cannot make %s", b->settings->run_dir);
	snprintf(path, sizeof(path), "%s/spared.lock", b->settings->run_dir);
	b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->lock < 0)
		return err_sys(e, errno, "cannot open %s", path);
	if (flock(b->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, "another spared runs: %s is locked", path);
	return 0;
}

static int make_timers(struct broker *b)
{
	const struct {
		struct loop_timer **timer;
		loop_fn *fn;
	} timers[] = {
		{&b->deadline, on_deadline}, {&b->rescan, on_wake},	  {&b->save, on_save}, {&b->stop, on_stop_late},
		{&b->watchdog, on_watchdog}, {&b->patience, on_patience}, {&b->tidy, on_tidy},
	};
	const struct {
		int signo;
		loop_fn *fn;
	} signals[] = {
		{SIGHUP, on_hangup}, {SIGUSR1, on_machine_ends}, {SIGTERM, on_terminate}, {SIGINT, on_terminate}};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(timers); i++)
		r = loop_timer_new(b->loop, timers[i].fn, b, timers[i].timer);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
		r = loop_signal_new(b->loop, signals[i].signo, signals[i].fn, b, &b->signals[i]);
	return r;
}

static int make_parts(struct broker *b, struct err *e)
{
	const struct pipeline_ops pipeline = broker_pipeline_ops(b);
	const struct recorder_ops recorder = broker_recorder_ops(b);
	int r = make_timers(b);

	if (r == 0)
		r = probes_new(b->loop, PROBES_MAX, &(struct probes_ops){broker_probed, b}, &b->probes);
	if (r == 0)
		r = acts_new(b->loop, b->settings->run_dir, b->settings->act_timeout,
			     &(struct acts_ops){broker_act_message, broker_act_done, b}, &b->acts);
	if (r == 0)
		r = alones_new(b->loop, &(struct acts_ops){broker_act_message, broker_act_done, b}, &b->alones);
	if (r == 0)
		r = programs_new(b->loop, &(struct programs_ops){broker_program_done, b}, &b->programs);
	if (r == 0)
		r = recorder_new(b->loop, b->settings->history, &recorder, &b->recorder);
	if (r == 0)
		recorder_limits(b->recorder, b->settings->keep_time, b->settings->keep_size, b->settings->keep_images);
	if (r == 0)
		r = images_new(b->loop, b->recorder, b->acts, &b->images);
	if (r == 0)
		r = commands_new(b, &b->commands);
	if (r < 0)
		return err_sys(e, -r, "cannot start");
	return pipeline_new(b->settings, b->rules, &clock_system, &pipeline, &b->pipeline, e);
}

int broker_init(struct broker *b, const struct broker_options *options, struct err *e)
{
	struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
	int listen_fd = systemd_listen_fd(), r;

	*b = (struct broker){.options = *options,
			     .lock = -1,
			     .started_wall = clock_wall(&clock_system),
			     .started_boot = clock_boot(&clock_system)};
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	if (setpriority(PRIO_PROCESS, 0, PROC_NICE_BROKER) < 0)
		log_debug("priority: %s", strerror(errno));
	r = first_load(b, e);
	if (r == 0)
		r = take_lock(b, e);
	if (r < 0)
		return r;
	if (make_dir_of(b->settings->history, true, 0700) < 0 || make_dir_of(b->settings->control, true, 0755) < 0)
		log_warning("the directories of %s and %s are not there", b->settings->history, b->settings->control);
	r = loop_new(&b->loop);
	if (r < 0)
		return err_sys(e, -r, "event loop");
	r = make_parts(b, e);
	if (r == 0)
		r = control_new(b, listen_fd, b->settings->control, &b->control, e);
	return r;
}

int broker_run(struct broker *b)
{
	struct err e = {0};

	b->watchdog_every = systemd_watchdog() / 2;
	if (b->watchdog_every)
		on_watchdog(b);
	log_notice("spared %s, %zu rules, %zu managed sets", SPARED_VERSION, ruleset_size(b->rules),
		   b->settings->n_manage);
	if (b->settings->rules_tests != TESTS_OFF && broker_try_rules(b, b->settings, &e) < 0)
		log_error("tests of the rules cannot be run: %s", e.msg);
	loop_timer_in(b->patience, PATIENCE);
	loop_before_sleep(b->loop, before_sleep, b);
	loop_run(b->loop);
	loop_before_sleep(b->loop, NULL, NULL);
	return b->status;
}

void broker_finish(struct broker *b)
{
	control_free(b->control);
	trial_free(b->trial);
	broker_loaded_finish(&b->next);
	commands_free(b->commands);
	sources_free(b->sources);
	pipeline_free(b->pipeline);
	recorder_free(b->recorder);
	programs_free(b->programs);
	alones_free(b->alones);
	images_free(b->images);
	acts_free(b->acts);
	probes_free(b->probes);
	for (size_t i = 0; i < ARRAY_SIZE(b->signals); i++)
		loop_signal_free(b->signals[i]);
	loop_timer_free(b->deadline);
	loop_timer_free(b->rescan);
	loop_timer_free(b->save);
	loop_timer_free(b->stop);
	loop_timer_free(b->watchdog);
	loop_timer_free(b->patience);
	loop_timer_free(b->tidy);
	loop_free(b->loop);
	ruleset_unref(b->rules);
	genl_descs_free(b->genl);
	broker_free_settings(b->settings);
	closep(&b->lock);
}

json_t *broker_sources(const struct broker *b)
{
	json_t *list = b->sources ? sources_to_json(b->sources) : json_array();

	tally_add_to(&b->tally, list);
	return list;
}

json_t *broker_to_json(const struct broker *b)
{
	return json_pack("{s:s s:i s:I s:I s:b s:s s:i s:o s:{s:o s:o s:o}}", "version", SPARED_VERSION, "pid",
			 (int)getpid(), "started", (json_int_t)b->started_wall, "uptime",
			 (json_int_t)(clock_boot(&clock_system) - b->started_boot), "settled",
			 (int)pipeline_started(b->pipeline), "history", recorder_state(b->recorder), "subscribers",
			 b->control ? (int)control_subscribers(b->control) : 0, "sources", broker_sources(b), "workers",
			 "probes", probes_to_json(b->probes), "acts", acts_to_json(b->acts), "alone",
			 alones_to_json(b->alones));
}
