// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/probes.h"

#include "broker/chan.h"
#include "broker/proc.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define START_TIMEOUT (20 * NS_PER_SEC)

enum { REQUEST_MAX = 4096 }; /* on its way to a reader */

struct probe_job {
	struct list link;
	char *device_id, *node;
	int64_t timeout;
	bool again;
};

/* A process that reads disks, one at a time. */
struct reader {
	struct list link;
	struct probes *p;
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	struct chan *chan;
	struct probe_job *job; /* what it reads; NULL: nothing */
	json_t *said;	       /* by the disk's process */
	int disk_status;       /* of the disk's process, as waitpid(2) tells */
	bool status_told;
	bool answered; /* all of it was told */
	bool ready;    /* it said that it listens */
	bool exited, drained;
	bool hanging; /* was killed, and is not waited for */
	int status;   /* as waitpid(2) tells */
};

struct probes {
	struct loop *loop;
	struct probes_ops ops;
	unsigned at_once, n_queued, n_readers, n_hanging;
	uint64_t n_killed;
	struct list queued, again; /* again: of disks that were read before, and wait for the others */
	struct list readers;	   /* the hanging ones among them */
};

int probes_new(struct loop *l, unsigned at_once, const struct probes_ops *ops, struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct probes){.loop = l, .ops = *ops, .at_once = at_once};
	list_init(&p->queued);
	list_init(&p->again);
	list_init(&p->readers);
	*ret = p;
	return 0;
}

static void job_free(struct probe_job *job)
{
	if (!job)
		return;
	free(job->device_id);
	free(job->node);
	free(job);
}
DEFINE_CLEANUP(struct probe_job *, job_free)

static void reader_free(struct reader *r)
{
	if (r->pid > 0 && !r->exited)
		kill(r->pid, SIGKILL);
	chan_free(r->chan);
	loop_timer_free(r->timer);
	loop_child_free(r->child);
	job_free(r->job);
	json_decref(r->said);
	list_remove(&r->link);
	free(r);
}
DEFINE_CLEANUP(struct reader *, reader_free)

void probes_free(struct probes *p)
{
	struct probe_job *job;
	struct reader *r;

	if (!p)
		return;
	list_foreach (job, &p->queued, link)
		job_free(job);
	list_foreach (job, &p->again, link)
		job_free(job);
	list_foreach (r, &p->readers, link)
		reader_free(r);
	free(p);
}

void probes_ask(struct probes *p, const char *device_id, const char *node, int64_t timeout_ns, bool again)
{
	_cleanup_(job_freep) struct probe_job *job = calloc(1, sizeof(*job));

	if (job) {
		job->timeout = timeout_ns;
		job->again = again;
		job->device_id = strdup(device_id);
		job->node = strdup(node);
	}
	if (!job || !job->device_id || !job->node) {
		log_error("out of memory: %s is not read", node);
		return;
	}
	list_insert(again ? &p->again : &p->queued, &job->link);
	p->n_queued++;
	TAKE_PTR(job);
}

static struct probe_job *next_job(struct probes *p)
{
	struct list *from = list_empty(&p->queued) ? &p->again : &p->queued;
	struct probe_job *job = container_of(from->next, struct probe_job, link);

	list_remove(&job->link);
	p->n_queued--;
	return job;
}

/* ---- what a reader tells: the answer is given by the next turn ---- */

static void on_line(void *u, const json_t *j)
{
	struct reader *r = u;

	if (!r->ready)
		loop_timer_stop(r->timer);
	if (!r->ready || !r->job || r->answered) {
		r->ready = true;
		return;
	}
	if (!r->status_told) {
		r->status_told = true;
		r->disk_status = (int)json_integer_value(json_object_get(j, "status"));
		r->answered = !json_is_true(json_object_get(j, "said"));
		return;
	}
	r->said = json_incref((json_t *)j);
	r->answered = true;
}

/* The disk's process said what is no JSON. */
static void on_bad(void *u, const struct err *e _unused_)
{
	struct reader *r = u;

	r->answered = r->status_told;
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct reader *r = u;

	r->exited = true;
	r->status = status;
}

/* It has ended, and so has the disk's process. */
static void on_closed(void *u, int reason _unused_)
{
	struct reader *r = u;

	r->drained = true;
	if (!r->exited)
		kill(r->pid, SIGKILL);
}

/* The disk's process is killed with it. One in uninterruptible sleep survives that: it is no longer counted as running,
 * others go on. */
static void on_timeout(void *u)
{
	struct reader *r = u;
	struct probes *p = r->p;
	struct probe_job *job = TAKE_PTR(r->job);

	/* Before it listened: a disk is told, as where none can be started. */
	if (!job && p->n_queued)
		job = next_job(p);
	kill(r->pid, SIGKILL);
	p->n_killed++;
	p->n_readers--;
	p->n_hanging++;
	r->hanging = true;
	if (job)
		p->ops.answer(p->ops.u, job->device_id, NULL, "reading it took too long");
	job_free(job);
}

/* ---- a reader's life ---- */

static int reader_start(struct probes *p, struct err *e)
{
	static const struct chan_ops ops = {.line = on_line, .bad = on_bad, .closed = on_closed};
	static const char *const argv[] = {"/proc/self/exe", "--probe", NULL};
	_cleanup_(reader_freep) struct reader *rd = calloc(1, sizeof(*rd));
	int pair[2], r;

	if (!rd)
		return err_sys(e, ENOMEM, "probe");
	rd->p = p;
	list_insert(&p->readers, &rd->link);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	/* A start waits for the first reading of each disk, whatever else the machine does. */
	rd->pid = proc_spawn(
		&(struct proc_spec){
			.argv = argv, .in = pair[1], .out = pair[1], .dies_with_us = true, .nice = PROC_NICE_BROKER},
		e);
	close(pair[1]);
	if (rd->pid < 0) {
		close(pair[0]);
		return rd->pid;
	}
	r = chan_new(p->loop, pair[0], WIRE_LINE_MAX, REQUEST_MAX, &ops, rd, &rd->chan);
	if (r == 0)
		r = loop_child_new(p->loop, rd->pid, on_exit_of, rd, &rd->child);
	if (r == 0)
		r = loop_timer_new(p->loop, on_timeout, rd, &rd->timer);
	if (r < 0)
		return err_sys(e, -r, "probe");
	loop_timer_in(rd->timer, START_TIMEOUT);
	p->n_readers++;
	TAKE_PTR(rd);
	return 0;
}

/* Nothing is left to be read: it ends with its input. */
static void reader_let_go(struct reader *r)
{
	chan_free(r->chan);
	r->chan = NULL;
	r->drained = true;
}

static void reader_drop(struct reader *r)
{
	if (r->hanging)
		r->p->n_hanging--;
	else
		r->p->n_readers--;
	reader_free(r);
}

/* One that listens and reads nothing. NULL: a moment later, or *e tells. To start one takes a processor as long as to
 * read some disks: one at a time is started, while those that are there read. */
static struct reader *reader_get(struct probes *p, struct err *e)
{
	const struct reader *c;
	struct reader *r;

	list_foreach (r, &p->readers, link)
		if (r->ready && !r->job && !r->hanging && !r->drained)
			return r;
	list_foreach (c, &p->readers, link)
		if (!c->ready && !c->hanging)
			return NULL;
	if (p->n_readers < p->at_once)
		reader_start(p, e);
	return NULL;
}

static int reader_ask(struct reader *r, struct probe_job *job, struct err *e)
{
	json_t *line = json_pack("{s:s s:b}", "node", job->node, "again", job->again);
	int status = line ? chan_send(r->chan, line) : -ENOMEM;

	json_decref(line);
	if (status < 0)
		return err_sys(e, -status, "%.100s cannot be read", job->node);
	loop_timer_in(r->timer, job->timeout);
	r->job = job;
	return 0;
}

/* ---- answers ---- */

/* status: of the disk's process. answer: what it said, or NULL. */
static void give_answer(struct probes *p, const struct probe_job *job, int status, const json_t *answer)
{
	char how[96], reason[160];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && json_is_object(answer)) {
		p->ops.answer(p->ops.u, job->device_id, answer, NULL);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROC_EXIT_OPEN)
		snprintf(reason, sizeof(reason), "%.100s cannot be opened", job->node);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(reason, sizeof(reason), "the process that read it tried more than to read, and was killed");
	else
		snprintf(reason, sizeof(reason), "the process that read it %s",
			 proc_status_text(status, how, sizeof(how)));
	p->ops.answer(p->ops.u, job->device_id, NULL, reason);
}

/* True: it was given. */
static bool take_answer(struct reader *r)
{
	_cleanup_(job_freep) struct probe_job *job = NULL;
	bool answered = r->answered;
	json_t *said;

	if (!r->job || (!answered && !(r->exited && r->drained)))
		return false;
	job = TAKE_PTR(r->job);
	said = TAKE_PTR(r->said);
	r->status_told = r->answered = false;
	loop_timer_stop(r->timer);
	give_answer(r->p, job, answered ? r->disk_status : r->status, said);
	json_decref(said);
	return true;
}

/* Gives what waits to those that can read it. True if something was called back. */
static bool ask_readers(struct probes *p)
{
	bool called = false;

	while (p->n_queued) {
		struct err e = {0};
		struct reader *r = reader_get(p, &e);
		struct probe_job *job;

		if (!r && !e.msg[0])
			break;
		job = next_job(p);
		if (r && reader_ask(r, job, &e) == 0)
			continue;
		p->ops.answer(p->ops.u, job->device_id, NULL, e.msg);
		called = true;
		job_free(job);
	}
	return called;
}

bool probes_turn(struct probes *p)
{
	bool called = false;
	struct reader *r;

	list_foreach (r, &p->readers, link) {
		/* One that cannot even start is told of a disk, lest the next ones are started for ever. */
		if (!r->ready && r->exited && r->drained && !r->hanging && p->n_queued)
			r->job = next_job(p);
		called |= take_answer(r);
		if (r->exited && r->drained)
			reader_drop(r);
	}
	called |= ask_readers(p);
	list_foreach (r, &p->readers, link)
		if (r->ready && !r->job && !r->hanging)
			reader_let_go(r);
	return called;
}

json_t *probes_to_json(const struct probes *p)
{
	const struct reader *r;
	int running = 0;

	list_foreach (r, &p->readers, link)
		running += r->job != NULL;
	return json_pack("{s:i s:i s:I s:i}", "running", running, "queued", (int)p->n_queued, "killed",
			 (json_int_t)p->n_killed, "hanging", (int)p->n_hanging);
}
