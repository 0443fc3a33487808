// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/programs.h"

#include "broker/proc.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define KILL_GRACE (2 * NS_PER_SEC)

enum { AT_ONCE = 16, QUEUED_MAX = 256 };

struct program {
	struct list link; /* in queued, running or done */
	struct programs *p;
	char *token;
	char **argv, **env;
	int input; /* a file in memory, -1: none */
	int64_t timeout;
	pid_t pid;
	struct loop_child *child;
	struct loop_timer *timer;
	bool late, given_up;
	int status;
	char reason[160];
};

struct programs {
	struct loop *loop;
	struct programs_ops ops;
	struct list queued, running, done;
	unsigned n_queued, n_running;
};

int programs_new(struct loop *l, const struct programs_ops *ops, struct programs **ret)
{
	struct programs *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct programs){.loop = l, .ops = *ops};
	list_init(&p->queued);
	list_init(&p->running);
	list_init(&p->done);
	*ret = p;
	return 0;
}

static void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

static void program_free(struct program *g)
{
	if (!g)
		return;
	loop_child_free(g->child);
	loop_timer_free(g->timer);
	closep(&g->input);
	words_free(g->argv);
	words_free(g->env);
	free(g->token);
	free(g);
}
DEFINE_CLEANUP(struct program *, program_free)

static void free_all(struct list *l)
{
	struct program *g;

	list_foreach (g, l, link)
		program_free(g);
}

void programs_free(struct programs *p)
{
	if (!p)
		return;
	free_all(&p->queued);
	free_all(&p->running);
	free_all(&p->done);
	free(p);
}

static char **words_copy(const char *const *words)
{
	size_t n = 0;
	char **copy;

	while (words && words[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			words_free(copy);
			return NULL;
		}
	}
	return copy;
}

/* stdin as a file in memory: nobody has to feed a pipe. */
static int make_input(const json_t *input)
{
	int fd = memfd_create("spared-input", MFD_CLOEXEC);

	if (fd >= 0 && (wire_send(fd, input) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		close(TAKE_FD(fd));
	return fd;
}

void programs_run(struct programs *p, const char *token, const char *const *argv, const char *const *env,
		  const json_t *input, int64_t timeout_ns)
{
	_cleanup_(program_freep) struct program *g = calloc(1, sizeof(*g));

	if (!g) {
		log_error("out of memory: %s is not run", argv[0]);
		return;
	}
	*g = (struct program){.p = p, .input = -1, .timeout = timeout_ns};
	g->token = token ? strdup(token) : NULL;
	g->argv = words_copy(argv);
	g->env = words_copy(env);
	g->input = input ? make_input(input) : -1;
	if (!g->argv || !g->argv[0] || !g->env || (token && !g->token) || (input && g->input < 0))
		snprintf(g->reason, sizeof(g->reason), "out of memory");
	else if (p->n_queued >= QUEUED_MAX)
		snprintf(g->reason, sizeof(g->reason), "too many programs wait already");
	if (g->reason[0]) {
		list_insert(&p->done, &g->link);
	} else {
		list_insert(&p->queued, &g->link);
		p->n_queued++;
	}
	TAKE_PTR(g);
}

static void program_done(struct program *g)
{
	list_remove(&g->link);
	list_insert(&g->p->done, &g->link);
	g->p->n_running--;
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct program *g = u;
	char how[96];

	g->status = status;
	if (g->late && !g->reason[0])
		snprintf(g->reason, sizeof(g->reason), "%.60s ran longer than %lld s and was killed", g->argv[0],
			 (long long)(g->timeout / NS_PER_SEC));
	else if (!WIFEXITED(status))
		snprintf(g->reason, sizeof(g->reason), "%.40s %s", g->argv[0],
			 proc_status_text(status, how, sizeof(how)));
	program_done(g);
}

static void on_timeout(void *u)
{
	struct program *g = u;

	if (!g->late) {
		g->late = true;
		kill(g->pid, SIGKILL);
		loop_timer_in(g->timer, KILL_GRACE);
		return;
	}
	g->status = SIGKILL;
	snprintf(g->reason, sizeof(g->reason), "%.60s hangs in the kernel", g->argv[0]);
	program_done(g);
}

static int program_start(struct program *g, struct err *e)
{
	struct loop *l = g->p->loop;
	int r;

	g->pid = proc_spawn(&(struct proc_spec){.argv = (const char *const *)g->argv,
						.env = (const char *const *)g->env,
						.in = g->input,
						.out = -1},
			    e);
	if (g->pid < 0)
		return g->pid;
	closep(&g->input);
	g->input = -1;
	r = loop_child_new(l, g->pid, on_exit_of, g, &g->child);
	if (r == 0)
		r = loop_timer_new(l, on_timeout, g, &g->timer);
	if (r < 0)
		return err_sys(e, -r, "%s", g->argv[0]);
	loop_timer_in(g->timer, g->timeout);
	return 0;
}

static void tell(struct programs *p, const struct program *g)
{
	if (g->token)
		p->ops.done(p->ops.u, g->token, g->status, g->reason[0] ? g->reason : NULL);
	else if (g->reason[0] || g->status)
		log_warning("%s: %s", g->argv && g->argv[0] ? g->argv[0] : "program",
			    g->reason[0] ? g->reason : "it failed");
}

bool programs_turn(struct programs *p)
{
	struct program *g;
	bool called = false;

	list_foreach (g, &p->queued, link) {
		struct err e = {0};

		if (p->n_running >= AT_ONCE)
			break;
		list_remove(&g->link);
		p->n_queued--;
		if (program_start(g, &e) == 0) {
			list_insert(&p->running, &g->link);
			p->n_running++;
		} else {
			snprintf(g->reason, sizeof(g->reason), "%.159s", e.msg);
			list_insert(&p->done, &g->link);
		}
	}
	list_foreach (g, &p->done, link) {
		list_remove(&g->link);
		tell(p, g);
		called |= g->token != NULL;
		program_free(g);
	}
	return called;
}
