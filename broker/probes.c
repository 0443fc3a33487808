// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/probes.h"

#include "broker/chan.h"
#include "broker/proc.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct probe_job {
	struct list link; /* in queued, again, running, hanging, or done */
	struct probes *p;
	char *device_id, *node;
	int64_t timeout;
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	struct chan *chan;
	json_t *answer;
	bool again, exited, drained, hanging;
	int status;
};

struct probes {
	struct loop *loop;
	struct probes_ops ops;
	unsigned at_once, n_queued, n_running, n_hanging;
	uint64_t n_killed;
	struct list queued, again, running, hanging, done;
};

int probes_new(struct loop *l, unsigned at_once, const struct probes_ops *ops, struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct probes){.loop = l, .ops = *ops, .at_once = at_once};
	list_init(&p->queued);
	list_init(&p->again);
	list_init(&p->running);
	list_init(&p->hanging);
	list_init(&p->done);
	*ret = p;
	return 0;
}

static void job_free(struct probe_job *job)
{
	if (!job)
		return;
	chan_free(job->chan);
	loop_timer_free(job->timer);
	loop_child_free(job->child);
	json_decref(job->answer);
	free(job->device_id);
	free(job->node);
	free(job);
}
DEFINE_CLEANUP(struct probe_job *, job_free)

static void list_free_jobs(struct list *l)
{
	struct probe_job *job;

	list_foreach (job, l, link) {
		if (job->pid > 0 && !job->exited)
			kill(job->pid, SIGKILL);
		job_free(job);
	}
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	list_free_jobs(&p->queued);
	list_free_jobs(&p->again);
	list_free_jobs(&p->running);
	list_free_jobs(&p->hanging);
	list_free_jobs(&p->done);
	free(p);
}

void probes_ask(struct probes *p, const char *device_id, const char *node, int64_t timeout_ns, bool again)
{
	_cleanup_(job_freep) struct probe_job *job = calloc(1, sizeof(*job));

	if (job) {
		job->p = p;
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

/* Moves the job out of the running ones; the answer is given by the next turn. */
static void job_done(struct probe_job *job)
{
	list_remove(&job->link);
	list_insert(&job->p->done, &job->link);
	job->p->n_running--;
}

static void job_check_end(struct probe_job *job)
{
	if (!job->exited || !job->drained)
		return;
	if (job->hanging) {
		job->p->n_hanging--;
		list_remove(&job->link);
		/* Its own callback is running: freed by the next turn. */
		list_insert(&job->p->done, &job->link);
		return;
	}
	job_done(job);
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct probe_job *job = u;

	job->exited = true;
	job->status = status;
	job_check_end(job);
}

static void on_line(void *u, const json_t *j)
{
	struct probe_job *job = u;

	if (!job->answer)
		job->answer = json_incref((json_t *)j);
}

static void on_closed(void *u, int reason _unused_)
{
	struct probe_job *job = u;

	job->drained = true;
	job_check_end(job);
}

/* A process in uninterruptible sleep survives SIGKILL: it is no longer counted as running, others go on. */
static void on_timeout(void *u)
{
	struct probe_job *job = u;
	struct probes *p = job->p;

	kill(job->pid, SIGKILL);
	p->n_killed++;
	p->n_running--;
	p->n_hanging++;
	job->hanging = true;
	list_remove(&job->link);
	list_insert(&p->hanging, &job->link);
	p->ops.answer(p->ops.u, job->device_id, NULL, "reading it took too long");
}

static int job_start(struct probe_job *job, struct err *e)
{
	static const struct chan_ops ops = {.line = on_line, .closed = on_closed};
	const char *const argv[] = {"/proc/self/exe", "--probe", job->node, NULL};
	struct loop *l = job->p->loop;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	job->pid = proc_spawn(
		&(struct proc_spec){
			.argv = argv,
			.in = -1,
			.out = pipe_fds[1],
			.open_path = job->node,
			.dies_with_us = true,
			/* A start waits for the first reading of each disk, whatever else the machine does. */
			.nice = job->again ? 0 : PROC_NICE_BROKER},
		e);
	close(pipe_fds[1]);
	if (job->pid < 0) {
		r = job->pid;
		job->pid = 0;
		close(pipe_fds[0]);
		return r;
	}
	r = chan_new(l, pipe_fds[0], WIRE_LINE_MAX, 0, &ops, job, &job->chan);
	if (r == 0)
		r = loop_child_new(l, job->pid, on_exit_of, job, &job->child);
	if (r == 0)
		r = loop_timer_new(l, on_timeout, job, &job->timer);
	if (r < 0) {
		kill(job->pid, SIGKILL);
		return err_sys(e, -r, "probe");
	}
	loop_timer_in(job->timer, job->timeout);
	return 0;
}

static void give_answer(struct probes *p, struct probe_job *job)
{
	char how[96], reason[160];

	if (WIFEXITED(job->status) && WEXITSTATUS(job->status) == 0 && job->answer) {
		p->ops.answer(p->ops.u, job->device_id, job->answer, NULL);
		return;
	}
	if (WIFEXITED(job->status) && WEXITSTATUS(job->status) == PROC_EXIT_OPEN)
		snprintf(reason, sizeof(reason), "%.100s cannot be opened", job->node);
	else if (WIFSIGNALED(job->status) && WTERMSIG(job->status) == SIGSYS)
		snprintf(reason, sizeof(reason), "the process that read it tried more than to read, and was killed");
	else
		snprintf(reason, sizeof(reason), "the process that read it %s",
			 proc_status_text(job->status, how, sizeof(how)));
	p->ops.answer(p->ops.u, job->device_id, NULL, reason);
}

/* True if something was called back. */
static bool start_jobs(struct probes *p, struct list *queue)
{
	struct probe_job *job;
	bool called = false;

	list_foreach (job, queue, link) {
		struct err e = {0};

		if (p->n_running >= p->at_once)
			break;
		list_remove(&job->link);
		p->n_queued--;
		if (job_start(job, &e) == 0) {
			list_insert(&p->running, &job->link);
			p->n_running++;
			continue;
		}
		p->ops.answer(p->ops.u, job->device_id, NULL, e.msg);
		called = true;
		job_free(job);
	}
	return called;
}

bool probes_turn(struct probes *p)
{
	struct probe_job *job;
	bool called = false;

	list_foreach (job, &p->done, link) {
		list_remove(&job->link);
		if (!job->hanging) {
			give_answer(p, job);
			called = true;
		}
		job_free(job);
	}
	called |= start_jobs(p, &p->queued);
	called |= start_jobs(p, &p->again);
	return called;
}

json_t *probes_to_json(const struct probes *p)
{
	return json_pack("{s:i s:i s:I s:i}", "running", (int)p->n_running, "queued", (int)p->n_queued, "killed",
			 (json_int_t)p->n_killed, "hanging", (int)p->n_hanging);
}
