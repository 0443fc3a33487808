// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/alone.h"

#include "broker/chan.h"
#include "broker/proc.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Without a line: a disk's own retries of one place may take minutes. */
#define READ_PATIENCE (10 * 60 * NS_PER_SEC)
#define PATH_PATIENCE (60 * NS_PER_SEC)
#define KILL_GRACE (2 * NS_PER_SEC) /* until a process that was killed counts as hanging in the kernel */

enum { NICE_LAST = 19, WORDS_MAX = 8, ARGS_SIZE = 320 };

/* How many of a kind run at once; the others wait. Paths: one after the other, for each looks at what its map is like.
 * Lights: in the order in which they were asked for.
 */
enum kind { KIND_READ, KIND_PATH, KIND_LIGHT, KINDS };
static const struct {
	const char *option;
	unsigned at_once;
	int64_t patience;
	int nice;
} kinds[KINDS] = {
	[KIND_READ] = {"--read-check", 8, READ_PATIENCE, NICE_LAST},
	[KIND_PATH] = {"--path", 1, PATH_PATIENCE, 0},
	[KIND_LIGHT] = {"--light", 1, PATH_PATIENCE, 0},
};

struct alone {
	struct list link; /* in queued, running, hanging or done */
	struct alones *a;
	enum kind kind;
	char id[PLAN_ID_MAX], name[32], node[64];
	char args[WORDS_MAX][ARGS_SIZE];
	size_t n_args;
	bool dry_run; /* of a reading: there is nothing to show */
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	struct chan *chan;
	bool exited, drained, killed, hanging, ended;
	int status;
	enum action_result result;
	char reason[PLAN_REASON_MAX];
};

struct alones {
	struct loop *loop;
	struct acts_ops ops;
	unsigned n_running[KINDS], n_queued, n_hanging;
	struct list queued, running, hanging, done;
};

int alones_new(struct loop *l, const struct acts_ops *ops, struct alones **ret)
{
	struct alones *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct alones){.loop = l, .ops = *ops};
	list_init(&a->queued);
	list_init(&a->running);
	list_init(&a->hanging);
	list_init(&a->done);
	*ret = a;
	return 0;
}

static void alone_free(struct alone *w)
{
	chan_free(w->chan);
	loop_timer_free(w->timer);
	loop_child_free(w->child);
	free(w);
}

static void free_all(struct list *l)
{
	struct alone *w;

	list_foreach (w, l, link) {
		if (w->pid > 0 && !w->exited)
			kill(w->pid, SIGKILL);
		alone_free(w);
	}
}

void alones_free(struct alones *a)
{
	if (!a)
		return;
	free_all(&a->queued);
	free_all(&a->running);
	free_all(&a->hanging);
	free_all(&a->done);
	free(a);
}

/* ---- what is to be run ---- */

static _printf_(2, 3) void add_arg(struct alone *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->args[w->n_args++], ARGS_SIZE, fmt, ap);
	va_end(ap);
}

static const struct plan_device *device_of(const struct plan *p, const char *id)
{
	static const struct plan_device none;

	for (size_t i = 0; i < p->n_devices; i++)
		if (strcmp(p->devices[i].id, id) == 0)
			return &p->devices[i];
	return &none;
}

static void set_args(struct alone *w, const struct plan *p)
{
	const struct step *s = &p->step[0];
	const struct plan_device *d = device_of(p, s->device), *map;

	snprintf(w->name, sizeof(w->name), "%s", s->name);
	snprintf(w->node, sizeof(w->node), "%s", d->node);
	if (w->kind == KIND_READ) {
		add_arg(w, "%s", s->name);
		add_arg(w, "%" PRIu64, s->speed);
		add_arg(w, "%" PRIu64, d->diskseq);
		add_arg(w, "%s", d->node);
		return;
	}
	if (w->kind == KIND_LIGHT) {
		add_arg(w, "%s", s->place);
		add_arg(w, "%s", s->to);
		add_arg(w, "%s", p->dry_run ? "dry-run" : "do");
		return;
	}
	map = device_of(p, s->map);
	add_arg(w, "%s", step_op_name(s->op));
	add_arg(w, "%s", s->name);
	add_arg(w, "%u:%u", d->major, d->minor);
	add_arg(w, "%u:%u", map->major, map->minor);
	add_arg(w, "%s", p->dry_run ? "dry-run" : "do");
	add_arg(w, "%u", s->group);
	add_arg(w, "%s", s->was_alone ? "alone" : "shared");
}

static enum kind kind_of(enum step_op op)
{
	return op == STEP_READ_CHECK ? KIND_READ : op == STEP_SLOT_LIGHT ? KIND_LIGHT : KIND_PATH;
}

int alones_run(struct alones *a, const struct plan *p)
{
	struct alone *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->a = a;
	w->kind = kind_of(p->step[0].op);
	w->dry_run = p->dry_run;
	w->result = ACTION_OK;
	snprintf(w->id, sizeof(w->id), "%s", p->id);
	set_args(w, p);
	list_insert(&a->queued, &w->link);
	a->n_queued++;
	return 0;
}

/* ---- its end ---- */

static void set_end(struct alone *w, enum action_result result, const char *reason)
{
	if (w->ended)
		return;
	w->ended = true;
	w->result = result;
	snprintf(w->reason, sizeof(w->reason), "%s", reason);
}

/* Told by the next turn. */
static void is_done(struct alone *w)
{
	list_remove(&w->link);
	list_insert(&w->a->done, &w->link);
	if (w->hanging)
		w->a->n_hanging--;
	else
		w->a->n_running[w->kind]--;
}

static void kill_it(struct alone *w)
{
	w->killed = true;
	if (!w->exited)
		kill(w->pid, SIGKILL);
	loop_timer_in(w->timer, KILL_GRACE);
}

void alones_stop(struct alones *a, const char *plan_id, const char *reason)
{
	struct alone *w;

	list_foreach (w, &a->running, link)
		if (strcmp(w->id, plan_id) == 0) {
			set_end(w, ACTION_REFUSED, reason);
			kill_it(w);
		}
	list_foreach (w, &a->queued, link)
		if (strcmp(w->id, plan_id) == 0) {
			set_end(w, ACTION_REFUSED, reason);
			a->n_queued--;
			a->n_running[w->kind]++;
			is_done(w);
		}
}

/* The process said nothing of its end. A reading that was cut off says nothing of the disk. */
static void set_silent_end(struct alone *w)
{
	char how[96], reason[PLAN_REASON_MAX];

	if (WIFEXITED(w->status) && WEXITSTATUS(w->status) == PROC_EXIT_OPEN) {
		snprintf(reason, sizeof(reason), "%s cannot be opened", w->node);
		set_end(w, ACTION_FAILED, reason);
		return;
	}
	snprintf(reason, sizeof(reason), "its process %s", proc_status_text(w->status, how, sizeof(how)));
	set_end(w, w->kind == KIND_READ ? ACTION_REFUSED : ACTION_FAILED, reason);
}

static void check_end(struct alone *w)
{
	if (!w->exited || !w->drained)
		return;
	set_silent_end(w);
	is_done(w);
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct alone *w = u;

	w->exited = true;
	w->status = status;
	check_end(w);
}

static void take_end(struct alone *w, const json_t *end)
{
	const char *result = json_string_value(json_object_get(end, "result"));
	const char *reason = json_string_value(json_object_get(end, "reason"));

	set_end(w,
		result && strcmp(result, "ok") == 0	   ? ACTION_OK
		: result && strcmp(result, "refused") == 0 ? ACTION_REFUSED
							   : ACTION_FAILED,
		reason ? reason : "");
}

static void on_line(void *u, const json_t *j)
{
	struct alone *w = u;

	if (w->killed)
		return;
	loop_timer_in(w->timer, kinds[w->kind].patience);
	if (json_object_get(j, "end"))
		take_end(w, json_object_get(j, "end"));
	else
		w->a->ops.message(w->a->ops.u, w->id, j);
}

static void on_closed(void *u, int reason _unused_)
{
	struct alone *w = u;

	w->drained = true;
	check_end(w);
}

/* A process in uninterruptible sleep survives SIGKILL: its plan ends, and it is outlived. */
static void outlive(struct alone *w)
{
	struct alones *a = w->a;

	list_remove(&w->link);
	list_insert(&a->hanging, &w->link);
	a->n_running[w->kind]--;
	a->n_hanging++;
	w->hanging = true;
	a->ops.done(a->ops.u, w->id, w->result, w->reason);
}

static void on_timeout(void *u)
{
	struct alone *w = u;
	char reason[PLAN_REASON_MAX];

	if (w->hanging)
		return;
	if (w->killed) {
		outlive(w);
		return;
	}
	snprintf(reason, sizeof(reason), "%s has not answered for %d s", w->name,
		 (int)(kinds[w->kind].patience / NS_PER_SEC));
	set_end(w, ACTION_FAILED, reason);
	kill_it(w);
}

/* ---- its start ---- */

static int start(struct alone *w, struct err *e)
{
	static const struct chan_ops ops = {.line = on_line, .closed = on_closed};
	const char *argv[WORDS_MAX + 3] = {"/proc/self/exe", kinds[w->kind].option};
	struct proc_spec spec = {.argv = argv, .in = -1, .dies_with_us = true, .nice = kinds[w->kind].nice};
	struct loop *l = w->a->loop;
	int pipe_fds[2], r;

	for (size_t i = 0; i < w->n_args; i++)
		argv[2 + i] = w->args[i];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	spec.out = pipe_fds[1];
	w->pid = proc_spawn(&spec, e);
	close(pipe_fds[1]);
	if (w->pid < 0) {
		r = w->pid;
		w->pid = 0;
		close(pipe_fds[0]);
		return r;
	}
	r = chan_new(l, pipe_fds[0], WIRE_LINE_MAX, 0, &ops, w, &w->chan);
	if (r == 0)
		r = loop_child_new(l, w->pid, on_exit_of, w, &w->child);
	if (r == 0)
		r = loop_timer_new(l, on_timeout, w, &w->timer);
	if (r < 0) {
		kill(w->pid, SIGKILL);
		return err_sys(e, -r, "%s", kinds[w->kind].option);
	}
	loop_timer_in(w->timer, kinds[w->kind].patience);
	return 0;
}

static void start_queued(struct alones *a)
{
	struct alone *w;

	list_foreach (w, &a->queued, link) {
		struct err e = {0};

		if (a->n_running[w->kind] >= kinds[w->kind].at_once)
			continue;
		list_remove(&w->link);
		list_insert(&a->running, &w->link);
		a->n_queued--;
		a->n_running[w->kind]++;
		if (w->dry_run && w->kind == KIND_READ)
			set_end(w, ACTION_OK, "");
		else if (start(w, &e) < 0)
			set_end(w, w->kind == KIND_READ ? ACTION_REFUSED : ACTION_FAILED, e.msg);
		else
			continue;
		is_done(w);
	}
}

bool alones_turn(struct alones *a)
{
	bool called = false;
	struct alone *w;

	start_queued(a);
	list_foreach (w, &a->done, link) {
		list_remove(&w->link);
		if (!w->hanging) {
			a->ops.done(a->ops.u, w->id, w->result, w->reason);
			called = true;
		}
		alone_free(w);
	}
	return called;
}

json_t *alones_to_json(const struct alones *a)
{
	int running = 0;

	for (size_t i = 0; i < KINDS; i++)
		running += (int)a->n_running[i];
	return json_pack("{s:i s:i s:i}", "running", running, "queued", (int)a->n_queued, "hanging", (int)a->n_hanging);
}
