// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/act.h"

#include "actions/exec.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
	STACK_TOUCH = 512 << 10,
	HEAP_TOUCH = 8 << 20,
	OUT_SOON = 64 << 10, /* messages that wait for the broker; more: written at once, waiting for it */
	IO_THREADS = 16,     /* disks of the set that are read or written side by side */
	LOCK_POLL_MS = 50,
	KEPT_MS = 2000, /* the broker lets nobody wait for the history that long; it may be gone */
	ALARM_AGAIN_S = 1,
};

struct act {
	const char *run_dir;
	int64_t timeout; /* ns */
	struct act_progress *progress;
	struct exec *exec;
	int lock; /* of the set, -1 until the first plan */
	char set[META_GUID_MAX];
	char job[PLAN_ID_MAX];
	struct wire_in in;
	struct buf out;
	size_t sent;
};

static volatile sig_atomic_t interrupted;

/* Only interrupts what the process waits for (no SA_RESTART): the call returns EINTR and the error path runs. It comes
 * again, in case it came just before the call. */
static void on_interrupt(int signo _unused_)
{
	interrupted = 1;
	alarm(ALARM_AGAIN_S);
}

static void arm_watchdog(const struct act *a)
{
	struct itimerval it = {
		.it_value = {.tv_sec = a->timeout / NS_PER_SEC, .tv_usec = a->timeout % NS_PER_SEC / NS_PER_US}};

	setitimer(ITIMER_REAL, &it, NULL);
}

static void disarm_watchdog(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

/* No allocation, and no call that could wait: it is used while an array is suspended. */
static void mark(void *u, const char *what)
{
	struct act *a = u;
	size_t n = strnlen(what, ACT_WHAT_MAX - 1);

	memcpy(a->progress->what, what, n);
	a->progress->what[n] = '\0';
	atomic_store(&a->progress->boot, clock_boot(&clock_system));
	atomic_fetch_add(&a->progress->marks, 1);
	if (!interrupted)
		arm_watchdog(a);
}

/* Sends what waits; wait: until all is sent. A broker that is gone does not stop a plan. */
static void flush_out(struct act *a, bool wait)
{
	while (a->sent < a->out.len) {
		ssize_t n = send(ACT_SOCKET, a->out.s + a->sent, a->out.len - a->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			a->sent += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (!wait)
				return;
			poll(&(struct pollfd){.fd = ACT_SOCKET, .events = POLLOUT}, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			break;
		}
	}
	a->sent = 0;
	buf_clear(&a->out);
}

static void say(struct act *a, json_t *line)
{
	if (!line || wire_format(&a->out, line) < 0)
		log_error("out of memory: the broker misses a message");
	json_decref(line);
	flush_out(a, a->out.len - a->sent > OUT_SOON);
}

static void report(void *u, const json_t *msg)
{
	struct act *a = u;

	say(a, json_pack("{s:s s:O}", "job", a->job, "msg", msg));
}

/* The broker says so: it sends nothing else while a plan runs. */
static void kept(void *u)
{
	struct act *a = u;
	int64_t until = clock_awake(&clock_system) + KEPT_MS * NS_PER_MS, left;
	const char *job;
	json_t *line;
	bool mine = false;

	flush_out(a, true);
	while (!mine && !interrupted && (left = until - clock_awake(&clock_system)) > 0) {
		struct pollfd p = {.fd = ACT_SOCKET, .events = POLLIN};
		int r = wire_next(&a->in, &line, NULL);

		if (r < 0 ||
		    (r == 0 && poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0 && wire_fill(&a->in, ACT_SOCKET) <= 0))
			return;
		if (r <= 0)
			continue;
		job = json_string_value(json_object_get(line, "job"));
		mine = json_object_get(line, "kept") && job && strcmp(job, a->job) == 0;
		json_decref(line);
	}
}

static uint64_t random_number(void *u _unused_)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint64_t)clock_wall(&clock_system) * UINT64_C(0x9e3779b97f4a7c15);
	return n;
}

/* One process a set, also when a broker died and its act is still at work: the kernel drops the lock with the process.
 */
static int lock_set(struct act *a, const char *set, struct err *e)
{
	int64_t until = clock_boot(&clock_system) + a->timeout / 2;
	char path[512];

	if (a->lock >= 0)
		return strcmp(a->set, set) == 0 ? 0 : err_set(e, EINVAL, "this process is for set %s", a->set);
	snprintf(path, sizeof(path), "%s/set-%s.lock", a->run_dir, set);
	a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->lock < 0)
		return err_sys(e, errno, "cannot open %s", path);
	while (flock(a->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_boot(&clock_system) > until) {
			int r = err_sys(e, errno, "another process still works on set %s", set);

			close(TAKE_FD(a->lock));
			return r;
		}
		mark(a, "waits for another process");
		poll(NULL, 0, LOCK_POLL_MS);
	}
	snprintf(a->set, sizeof(a->set), "%s", set);
	return 0;
}

/* Its threads never see the interrupting signals: those are for what this thread waits for. */
static struct exec *make_exec(struct act *a)
{
	struct exec_env env = {.dm = &dm_kernel,
			       .clock = &clock_system,
			       .open = exec_open_node,
			       .open_free = exec_open_free,
			       .random = random_number,
			       .io_threads = IO_THREADS,
			       .report = report,
			       .kept = kept,
			       .mark = mark,
			       .u = a};
	sigset_t all, before;
	struct exec *x;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	x = exec_new(&env);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return x;
}

static int run_plan(struct act *a, const struct plan *p, struct err *e)
{
	int r = lock_set(a, p->set, e);

	return r < 0 ? r : exec_plan(a->exec, p, e);
}

static enum action_result result_of(int r)
{
	switch (r) {
	case 0:
		return ACTION_OK;
	case -EAGAIN: /* what the plan was made for no longer holds */
	case -ESTALE:
		return ACTION_REFUSED;
	default:
		return ACTION_FAILED;
	}
}

/* A part of what disks held before a plan; the plan that needs it follows, and finds out if one is missing. */
static void take_image(struct act *a, const json_t *part)
{
	struct err e = {0};

	if (exec_give(a->exec, part, &e) < 0)
		log_error("%s", e.msg);
}

static void take_job(struct act *a, const json_t *line)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	const char *job = json_string_value(json_object_get(line, "job"));
	struct err e = {0};
	int r;

	snprintf(a->job, sizeof(a->job), "%s", job ? job : "");
	interrupted = 0;
	mark(a, "plan");
	r = plan_from_json(json_object_get(line, "plan"), &p, &e);
	if (r == 0)
		r = run_plan(a, p, &e);
	disarm_watchdog();
	if (r < 0 && interrupted)
		err_prefix(&e, "interrupted at '%.60s' after %lld s", a->progress->what,
			   (long long)(a->timeout / NS_PER_SEC));
	say(a, json_pack("{s:s s:s s:s}", "job", a->job, "done", action_words[result_of(r)], "reason", e.msg));
	flush_out(a, true);
}

/* While an array is suspended no page may have to come from it: everything is locked, and touched once. */
static void lock_memory(void)
{
	volatile char stack[STACK_TOUCH];
	void *heap;

	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_ARENA_MAX, 1); /* threads, too, allocate from what is touched here */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warning("memory cannot be locked: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 1;
	heap = malloc(HEAP_TOUCH);
	if (heap) {
		memset(heap, 1, HEAP_TOUCH);
		__asm__ volatile("" ::"r"(heap) : "memory"); /* or the compiler drops the pair */
		free(heap);
	}
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		log_debug("%s: %s", path, strerror(errno));
	closep(&fd);
}

static void become_act(void)
{
	struct sigaction interrupt = {.sa_handler = on_interrupt};

	prctl(PR_SET_NAME, "spared-act");
	sigaction(SIGALRM, &interrupt, NULL);
	sigaction(SIGTERM, &interrupt, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	write_text("/proc/self/oom_score_adj", "-1000");
	lock_memory();
}

int act_main(int argc, char **argv)
{
	struct act a = {.lock = -1};
	struct err e = {0};
	json_t *line;
	int r;

	if (argc != 2)
		return 2;
	a.run_dir = argv[0];
	a.timeout = strtoll(argv[1], NULL, 10);
	a.progress = mmap(NULL, sizeof(*a.progress), PROT_READ | PROT_WRITE, MAP_SHARED, ACT_PROGRESS, 0);
	if (a.progress == MAP_FAILED) {
		log_error("no progress page: %s", strerror(errno));
		return 1;
	}
	become_act();
	a.exec = make_exec(&a);
	if (!a.exec) {
		log_error("out of memory");
		return 1;
	}
	while ((r = wire_recv(&a.in, ACT_SOCKET, &line, &e)) == 1 || r == -EINTR) {
		if (r == -EINTR)
			continue;
		if (json_object_get(line, "image"))
			take_image(&a, json_object_get(line, "image"));
		else if (!json_object_get(line, "kept")) /* of a plan that waited no longer */
			take_job(&a, line);
		json_decref(line);
	}
	exec_free(a.exec);
	wire_in_free(&a.in);
	buf_free(&a.out);
	return r < 0 ? 1 : 0;
}
