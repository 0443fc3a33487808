// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/acts.h"

#include "broker/act.h"
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
#include <sys/mman.h>
#include <sys/socket.h>

#define INTERRUPT_GRACE (5 * NS_PER_SEC) /* from SIGTERM to SIGKILL */
#define KILL_GRACE (2 * NS_PER_SEC)	 /* from SIGKILL to "it hangs in the kernel" */
#define RESTART_PAUSE (1 * NS_PER_SEC)	 /* after a process could not be started or died warm */

enum { PLAN_BYTES_MAX = 24 << 20 }; /* of one plan on its way to act, with its images */

enum act_state { ACT_WARM, ACT_IDLE, ACT_BUSY, ACT_STUCK, ACT_ENDED };
enum act_stage { STAGE_RUNS, STAGE_INTERRUPTED, STAGE_KILLED };

struct act_job {
	struct list link;
	char id[PLAN_ID_MAX], set[META_GUID_MAX];
	json_t *plan;
	json_t *images; /* that come with it, NULL: none */
	bool repair;	/* nobody asked for it and nobody is told */
};

struct act_process {
	struct list link;
	struct acts *a;
	enum act_state state;
	enum act_stage stage;
	char set[META_GUID_MAX], plan[PLAN_ID_MAX];
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	struct chan *chan;
	struct act_progress *progress;
	int64_t since; /* start of the plan, boot */
	json_t *taken; /* the plan */
	bool repair;
	bool exited, drained;
	int status; /* as waitpid(2) tells */
};

struct acts {
	struct loop *loop;
	struct acts_ops ops;
	char run_dir[256];
	int64_t timeout;
	int64_t not_before; /* boot: no new process until then */
	struct loop_timer *restart;
	struct list processes, queued;
	bool called;
};

static void on_restart(void *u _unused_)
{
	/* Wakes the loop; acts_turn does the rest. */
}

int acts_new(struct loop *l, const char *run_dir, int64_t timeout_ns, const struct acts_ops *ops, struct acts **ret)
{
	struct acts *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = (struct acts){.loop = l, .ops = *ops, .timeout = timeout_ns};
	snprintf(a->run_dir, sizeof(a->run_dir), "%s", run_dir);
	list_init(&a->processes);
	list_init(&a->queued);
	r = loop_timer_new(l, on_restart, a, &a->restart);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

static void process_free(struct act_process *p)
{
	list_remove(&p->link);
	chan_free(p->chan);
	loop_timer_free(p->timer);
	loop_child_free(p->child);
	if (p->progress)
		munmap(p->progress, sizeof(*p->progress));
	json_decref(p->taken);
	free(p);
}

static void job_free(struct act_job *job)
{
	json_decref(job->plan);
	json_decref(job->images);
	free(job);
}

void acts_free(struct acts *a)
{
	struct act_process *p;
	struct act_job *job;

	if (!a)
		return;
	list_foreach (p, &a->processes, link)
		process_free(p);
	list_foreach (job, &a->queued, link)
		job_free(job);
	loop_timer_free(a->restart);
	free(a);
}

void acts_set_timeout(struct acts *a, int64_t timeout_ns)
{
	a->timeout = timeout_ns;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

int acts_run(struct acts *a, const json_t *plan, const json_t *images)
{
	struct act_job *job = plan ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return -ENOMEM;
	snprintf(job->id, sizeof(job->id), "%s", text_of(plan, "id"));
	snprintf(job->set, sizeof(job->set), "%s", text_of(plan, "set"));
	job->plan = json_incref((json_t *)plan);
	job->images = json_incref((json_t *)images);
	list_insert(&a->queued, &job->link);
	return 0;
}

/* The plan of a process has ended, one way or the other. */
static void plan_ended(struct act_process *p, enum action_result result, const char *reason)
{
	struct acts *a = p->a;
	char plan[PLAN_ID_MAX];

	if (!p->plan[0])
		return;
	snprintf(plan, sizeof(plan), "%s", p->plan);
	p->plan[0] = '\0';
	loop_timer_stop(p->timer);
	if (p->repair) {
		log_msg(result == ACTION_OK ? LOG_NOTE : LOG_ERROR, "set %s after the end of an act process: %s%s%s",
			p->set, action_words[result], *reason ? ": " : "", reason);
		return;
	}
	a->called = true;
	a->ops.done(a->ops.u, plan, result, reason);
}

/* A process that died may have left an array suspended, or a fact unrecorded: before anything else of the set, a fresh
 * one writes down what is true and puts the tables right. Once: what kills that one too is not tried again. */
static void queue_repair(struct act_process *p)
{
	struct act_job *job = p->repair || !p->taken ? NULL : calloc(1, sizeof(*job));
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct err e = {0};

	if (!job)
		return;
	if (plan_from_json(p->taken, &plan, &e) == 0 && !plan->dry_run && plan->step[0].op != STEP_RELEASE) {
		plan->origin = PLAN_BUILTIN;
		plan->n_steps = 1;
		plan->step[0] = (struct step){.op = STEP_RECORD, .slot = -1};
		job->plan = plan_to_json(plan);
	}
	if (!job->plan) {
		free(job);
		return;
	}
	job->repair = true;
	snprintf(job->id, sizeof(job->id), "R-%.*s", (int)sizeof(job->id) - 3, plan->id);
	snprintf(job->set, sizeof(job->set), "%s", p->set);
	list_insert(p->a->queued.next, &job->link);
}

/* What act said last, for people; it is written by another process. */
static const char *last_mark(const struct act_process *p, char buf[ACT_WHAT_MAX])
{
	memcpy(buf, p->progress->what, ACT_WHAT_MAX);
	buf[ACT_WHAT_MAX - 1] = '\0';
	for (char *c = buf; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return buf;
}

static void on_line(void *u, const json_t *j)
{
	struct act_process *p = u;
	const char *job = json_string_value(json_object_get(j, "job"));
	const char *done = json_string_value(json_object_get(j, "done"));
	const char *reason = json_string_value(json_object_get(j, "reason"));
	const json_t *msg = json_object_get(j, "msg");
	struct value result;

	if (!job || strcmp(job, p->plan) != 0)
		return;
	if (msg && (!p->repair || json_object_get(msg, "before"))) {
		p->a->called = true;
		p->a->ops.message(p->a->ops.u, job, msg);
	}
	if (!done)
		return;
	if (value_parse(V_ENUM, action_words, done, &result, NULL) < 0)
		result.i = ACTION_FAILED;
	p->state = ACT_IDLE;
	p->stage = STAGE_RUNS;
	json_decref(TAKE_PTR(p->taken));
	plan_ended(p, (enum action_result)result.i, reason ? reason : "");
}

/* The process has ended and all that it had said has been heard. */
static void process_ended(struct act_process *p)
{
	char how[96], what[ACT_WHAT_MAX], reason[256];

	proc_status_text(p->status, how, sizeof(how));
	last_mark(p, what);
	if (p->state == ACT_WARM)
		p->a->not_before = clock_boot(&clock_system) + RESTART_PAUSE;
	if (p->state == ACT_STUCK)
		log_notice("the act process %d of set %s, which hung, %s", (int)p->pid, p->set, how);
	else
		log_warning("act process %d %s%s%s", (int)p->pid, how, p->plan[0] ? " at: " : "",
			    p->plan[0] ? what : "");
	if (p->state == ACT_BUSY || p->state == ACT_STUCK)
		queue_repair(p);
	p->state = ACT_ENDED;
	snprintf(reason, sizeof(reason), "the act process %s at '%s'%s", how, what,
		 p->stage == STAGE_RUNS ? "" : " after it gave no sign of life");
	plan_ended(p, ACTION_FAILED, reason);
}

/* Closed before the process has ended: it is broken. */
static void on_closed(void *u, int reason _unused_)
{
	struct act_process *p = u;

	p->drained = true;
	if (p->exited)
		process_ended(p);
	else
		kill(p->pid, SIGKILL);
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct act_process *p = u;

	p->exited = true;
	p->status = status;
	if (p->drained)
		process_ended(p);
}

/* No sign of life: first what it waits for is interrupted, then it is killed, then it is given up. */
static void on_silence(void *u)
{
	struct act_process *p = u;
	int64_t due = MAX(p->since, atomic_load(&p->progress->boot)) + p->a->timeout;
	char what[ACT_WHAT_MAX], reason[256];

	last_mark(p, what);
	if (p->stage == STAGE_RUNS && due > clock_boot(&clock_system)) {
		loop_timer_at(p->timer, due);
		return;
	}
	switch (p->stage) {
	case STAGE_RUNS:
		log_warning("act process %d of set %s gives no sign of life at '%s'", (int)p->pid, p->set, what);
		p->stage = STAGE_INTERRUPTED;
		kill(p->pid, SIGTERM);
		loop_timer_in(p->timer, INTERRUPT_GRACE);
		return;
	case STAGE_INTERRUPTED:
		p->stage = STAGE_KILLED;
		kill(p->pid, SIGKILL);
		loop_timer_in(p->timer, KILL_GRACE);
		return;
	case STAGE_KILLED:
		p->state = ACT_STUCK;
		snprintf(reason, sizeof(reason), "the act process %d hangs in the kernel at '%s'", (int)p->pid, what);
		log_error("set %s is stuck: %s", p->set, reason);
		plan_ended(p, ACTION_TIMEOUT, reason);
	}
}

/* The page that act tells its progress in. */
static int make_progress(struct act_process *p, int *ret_fd)
{
	int fd = memfd_create("spared-act", MFD_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(*p->progress)) < 0) {
		r = -errno;
	} else {
		p->progress = mmap(NULL, sizeof(*p->progress), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p->progress == MAP_FAILED) {
			r = -errno;
			p->progress = NULL;
		}
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int process_watch(struct act_process *p, int fd)
{
	static const struct chan_ops ops = {.line = on_line, .closed = on_closed};
	struct loop *l = p->a->loop;
	int r = chan_new(l, fd, WIRE_LINE_MAX, PLAN_BYTES_MAX, &ops, p, &p->chan);

	if (r == 0)
		r = loop_child_new(l, p->pid, on_exit_of, p, &p->child);
	return r < 0 ? r : loop_timer_new(l, on_silence, p, &p->timer);
}

static struct act_process *process_start(struct acts *a, struct err *e)
{
	struct act_process *p = calloc(1, sizeof(*p));
	int pair[2] = {-1, -1}, page = -1, r;
	char timeout[32];
	const char *const argv[] = {"/proc/self/exe", "--act", a->run_dir, timeout, NULL};

	if (!p) {
		err_sys(e, ENOMEM, "act process");
		return NULL;
	}
	*p = (struct act_process){.a = a, .state = ACT_WARM};
	list_insert(&a->processes, &p->link);
	snprintf(timeout, sizeof(timeout), "%" PRId64, a->timeout);
	r = make_progress(p, &page);
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	if (r == 0) {
		p->pid = proc_spawn(&(struct proc_spec){.argv = argv,
							.in = -1,
							.out = -1,
							.fds = {pair[1], page},
							.n_fds = 2,
							.nice = PROC_NICE_ACT},
				    e);
		r = p->pid < 0 ? p->pid : process_watch(p, TAKE_FD(pair[0]));
	}
	closep(&pair[0]);
	closep(&pair[1]);
	closep(&page);
	if (r == 0)
		return p;
	err_sys(e, -r, "act process");
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
	process_free(p);
	return NULL;
}

/* The process of this set, or NULL; of state at most BUSY. */
static struct act_process *find_process(struct acts *a, const char *set, enum act_state at_least)
{
	struct act_process *p;

	list_foreach (p, &a->processes, link)
		if (p->state == at_least && strcmp(p->set, set) == 0)
			return p;
	return NULL;
}

static struct act_process *warm_process(struct acts *a)
{
	struct err e = {0};
	struct act_process *p = find_process(a, "", ACT_WARM);

	if (p || clock_boot(&clock_system) < a->not_before)
		return p;
	p = process_start(a, &e);
	if (!p) {
		log_error("%s", e.msg);
		a->not_before = clock_boot(&clock_system) + RESTART_PAUSE;
	}
	return p;
}

static int send_line(struct act_process *p, const struct act_job *job, const char *key, json_t *what)
{
	json_t *line = json_pack("{s:s s:O}", "job", job->id, key, what);
	int r = line ? chan_send(p->chan, line) : -ENOMEM;

	json_decref(line);
	return r;
}

/* Images first: the plan may run when it is there. */
static int send_job(struct act_process *p, const struct act_job *job)
{
	json_t *image;
	size_t i;
	int r = 0;

	json_array_foreach(job->images, i, image)
	{
		if (r == 0)
			r = send_line(p, job, "image", image);
	}
	return r < 0 ? r : send_line(p, job, "plan", job->plan);
}

/* Gives the job to the process of its set; false: it has to wait. */
static bool start_job(struct acts *a, struct act_job *job)
{
	struct act_process *p = find_process(a, job->set, ACT_IDLE);
	int r;

	if (!p && find_process(a, job->set, ACT_BUSY))
		return false;
	if (!p)
		p = warm_process(a);
	if (!p)
		return false;
	snprintf(p->set, sizeof(p->set), "%s", job->set);
	snprintf(p->plan, sizeof(p->plan), "%s", job->id);
	p->state = ACT_BUSY;
	p->stage = STAGE_RUNS;
	p->repair = job->repair;
	json_decref(p->taken);
	p->taken = json_incref(job->plan);
	p->since = clock_boot(&clock_system);
	r = send_job(p, job);
	if (r < 0) {
		p->state = r == -EPIPE ? ACT_BUSY : ACT_IDLE;
		plan_ended(p, ACTION_FAILED, "the plan could not be given to an act process");
		return true;
	}
	loop_timer_in(p->timer, a->timeout);
	return true;
}

void acts_kept(struct acts *a, const char *plan_id)
{
	json_t *line = json_pack("{s:s s:b}", "job", plan_id, "kept", 1);
	struct act_process *p;

	list_foreach (p, &a->processes, link)
		if (line && p->state == ACT_BUSY && strcmp(p->plan, plan_id) == 0)
			chan_send(p->chan, line);
	json_decref(line);
}

bool acts_turn(struct acts *a)
{
	struct act_process *p;
	struct act_job *job;
	bool called;

	list_foreach (p, &a->processes, link)
		if (p->state == ACT_ENDED)
			process_free(p);
	list_foreach (job, &a->queued, link) {
		if (!start_job(a, job))
			continue;
		list_remove(&job->link);
		job_free(job);
	}
	if (!warm_process(a))
		loop_timer_at(a->restart, a->not_before);
	called = a->called;
	a->called = false;
	return called;
}

unsigned acts_busy(const struct acts *a)
{
	const struct act_process *p;
	const struct act_job *job;
	unsigned n = 0;

	list_foreach (p, &a->processes, link)
		n += p->state == ACT_BUSY;
	list_foreach (job, &a->queued, link)
		n++;
	return n;
}

json_t *acts_to_json(const struct acts *a)
{
	static const char *const words[] = {"warm", "idle", "busy", "stuck", "ended"};
	const struct act_process *p;
	json_t *list = json_array();
	char what[ACT_WHAT_MAX];

	list_foreach (p, &a->processes, link)
		json_array_append_new(list,
				      json_pack("{s:s s:i s:s s:s s:s}", "set", p->set, "pid", (int)p->pid, "state",
						words[p->state], "plan", p->plan, "at", last_mark(p, what)));
	return list;
}
