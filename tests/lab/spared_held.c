// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon with a brake, for the lab: main.c and the libraries as they are, and the linker puts two functions of this
 * file in the place of exec_new and exec_plan. So the product has no door for tests.
 *
 * An act process tells each point of a plan in DIR/trace, a line each: "SET STEP+STEP POINT", POINT being a mark of the
 * executor ("commit format") or a call to device-mapper ("dm resume"). If the file DIR/SET says "STEP NUMBER POINT", it
 * stops itself (SIGSTOP) right before the NUMBERth such point of a plan that has that step; the file is DIR/SET.held
 * then and says its pid. When a plan that activated a spare has ended well, DIR/SET.next becomes DIR/SET. */
#include "actions/exec.h"
#include "core/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DIR "/run/lab/hold"

struct exec *__wrap_exec_new(const struct exec_env *env);
int __wrap_exec_plan(struct exec *x, const struct plan *p, struct err *e);
struct exec *__real_exec_new(const struct exec_env *env);
int __real_exec_plan(struct exec *x, const struct plan *p, struct err *e);

static struct {
	struct exec_env env; /* as the act process gave it */
	struct dm_ops dm;
	char steps[128], set[META_GUID_MAX], want[64];
	unsigned left; /* of the points to pass before it stops; 0: it does not */
} held;

/* Nothing is allocated: an array may be suspended. */
static void stop_here(void)
{
	char from[128], to[160], pid[32];
	int fd;

	snprintf(from, sizeof(from), DIR "/%s", held.set);
	snprintf(to, sizeof(to), "%s.held", from);
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	fd = open(from, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return;
	if (write(fd, pid, strlen(pid)) > 0 && rename(from, to) == 0)
		raise(SIGSTOP);
	close(fd);
}

static void point(const char *what)
{
	char line[384];
	int fd = open(DIR "/trace", O_WRONLY | O_APPEND), n;

	n = snprintf(line, sizeof(line), "%s %s %s\n", held.set, held.steps, what);
	if (fd >= 0 && write(fd, line, (size_t)n) < 0)
		held.left = 0;
	closep(&fd);
	if (held.left && strcmp(what, held.want) == 0 && --held.left == 0)
		stop_here();
}

static void on_mark(void *u, const char *what)
{
	held.env.mark(u, what);
	point(what);
}

static int on_load(void *u, const char *name, const struct dm_target *t, size_t n, bool read_only, struct err *e)
{
	point("dm load");
	return dm_kernel.load(u, name, t, n, read_only, e);
}

static int on_suspend(void *u, const char *name, bool noflush, struct err *e)
{
	point("dm suspend");
	return dm_kernel.suspend(u, name, noflush, e);
}

static int on_suspend_frozen(void *u, const char *name, struct err *e)
{
	point("dm suspend");
	return dm_kernel.suspend_frozen(u, name, e);
}

static int on_resume(void *u, const char *name, enum dm_shown shown, struct err *e)
{
	point("dm resume");
	return dm_kernel.resume(u, name, shown, e);
}

static int on_remove(void *u, const char *name, bool retry, struct err *e)
{
	point("dm remove");
	return dm_kernel.remove(u, name, retry, e);
}

struct exec *__wrap_exec_new(const struct exec_env *env)
{
	struct exec_env mine = *env;

	held.env = *env;
	held.dm = *env->dm;
	held.dm.load = on_load;
	held.dm.suspend = on_suspend;
	held.dm.suspend_frozen = on_suspend_frozen;
	held.dm.resume = on_resume;
	held.dm.remove = on_remove;
	mine.mark = on_mark;
	mine.dm = &held.dm;
	return __real_exec_new(&mine);
}

static void read_order(const struct plan *p)
{
	char path[128], step[32];
	FILE *f;

	held.left = 0;
	held.steps[0] = '\0';
	snprintf(held.set, sizeof(held.set), "%s", p->set);
	for (size_t i = 0; i < p->n_steps; i++)
		snprintf(held.steps + strlen(held.steps), sizeof(held.steps) - strlen(held.steps), "%s%s", i ? "+" : "",
			 step_op_name(p->step[i].op));
	snprintf(path, sizeof(path), DIR "/%s", p->set);
	f = fopen(path, "r");
	if (f && (fscanf(f, "%31s %u %63[^\n]", step, &held.left, held.want) != 3 || !strstr(held.steps, step)))
		held.left = 0;
	if (f)
		fclose(f);
}

int __wrap_exec_plan(struct exec *x, const struct plan *p, struct err *e)
{
	char next[160], now[128];
	int r;

	read_order(p);
	r = __real_exec_plan(x, p, e);
	if (r == 0 && strstr(held.steps, step_op_name(STEP_ACTIVATE_SPARE))) {
		snprintf(now, sizeof(now), DIR "/%s", p->set);
		snprintf(next, sizeof(next), "%s.next", now);
		rename(next, now);
	}
	return r;
}
