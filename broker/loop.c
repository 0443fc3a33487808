// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/loop.h"

#include "core/clock.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

struct loop {
	struct ev_loop *ev;
	ev_prepare prepare;
	loop_fn *before_sleep;
	void *u;
};

struct loop_fd {
	ev_io io;
	struct loop *loop;
	int fd;
	loop_fd_fn *fn;
	void *u;
};

/* A timerfd, since libev's own timers stand still in suspend and round to a millisecond. */
struct loop_timer {
	int fd;
	struct loop_fd *watch;
	loop_fn *fn;
	void *u;
};

struct loop_signal {
	ev_signal sig;
	struct loop *loop;
	loop_fn *fn;
	void *u;
};

/* A pidfd, so that only children that were asked for are reaped. */
struct loop_child {
	int fd;
	pid_t pid;
	struct loop_fd *watch;
	loop_child_fn *fn;
	void *u;
};

static void on_prepare(struct ev_loop *ev _unused_, ev_prepare *prepare, int revents _unused_)
{
	struct loop *l = prepare->data;

	l->before_sleep(l->u);
}

int loop_new(struct loop **ret)
{
	_cleanup_(freep) struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!l->ev)
		return -EMFILE;
	ev_prepare_init(&l->prepare, on_prepare);
	l->prepare.data = l;
	*ret = TAKE_PTR(l);
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	ev_prepare_stop(l->ev, &l->prepare);
	ev_loop_destroy(l->ev);
	free(l);
}

void loop_run(struct loop *l)
{
	ev_run(l->ev, 0);
}

void loop_quit(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

static void on_fd(struct ev_loop *ev _unused_, ev_io *io, int revents)
{
	struct loop_fd *w = io->data;
	unsigned ready = 0;

	if (revents & EV_READ)
		ready |= LOOP_READ;
	if (revents & EV_WRITE)
		ready |= LOOP_WRITE;
	if (ready)
		w->fn(w->u, ready);
}

static int ev_wanted(unsigned wanted)
{
	return (wanted & LOOP_READ ? EV_READ : 0) | (wanted & LOOP_WRITE ? EV_WRITE : 0);
}

int loop_fd_new(struct loop *l, int fd, unsigned wanted, loop_fd_fn *fn, void *u, struct loop_fd **ret)
{
	struct loop_fd *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct loop_fd){.loop = l, .fd = fd, .fn = fn, .u = u};
	ev_io_init(&w->io, on_fd, fd, ev_wanted(wanted));
	w->io.data = w;
	if (wanted)
		ev_io_start(l->ev, &w->io);
	*ret = w;
	return 0;
}

void loop_fd_want(struct loop_fd *w, unsigned wanted)
{
	if (ev_wanted(wanted) == (w->io.events & (EV_READ | EV_WRITE)) && !!wanted == !!ev_is_active(&w->io))
		return;
	ev_io_stop(w->loop->ev, &w->io);
	ev_io_set(&w->io, w->fd, ev_wanted(wanted));
	if (wanted)
		ev_io_start(w->loop->ev, &w->io);
}

void loop_fd_free(struct loop_fd *w)
{
	if (!w)
		return;
	ev_io_stop(w->loop->ev, &w->io);
	free(w);
}

static void on_timer(void *u, unsigned ready _unused_)
{
	struct loop_timer *t = u;
	uint64_t times;

	if (read(t->fd, &times, sizeof(times)) == sizeof(times))
		t->fn(t->u);
}

int loop_timer_new(struct loop *l, loop_fn *fn, void *u, struct loop_timer **ret)
{
	struct loop_timer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	*t = (struct loop_timer){.fn = fn, .u = u};
	t->fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r = t->fd < 0 ? -errno : loop_fd_new(l, t->fd, LOOP_READ, on_timer, t, &t->watch);
	if (r < 0) {
		loop_timer_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void loop_timer_at(struct loop_timer *t, int64_t boot)
{
	int64_t at = MAX(boot, 1);
	struct itimerspec its = {.it_value = {.tv_sec = at / NS_PER_SEC, .tv_nsec = at % NS_PER_SEC}};

	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void loop_timer_in(struct loop_timer *t, int64_t ns)
{
	loop_timer_at(t, clock_boot(&clock_system) + ns);
}

void loop_timer_stop(struct loop_timer *t)
{
	timerfd_settime(t->fd, 0, &(struct itimerspec){0}, NULL);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	loop_fd_free(t->watch);
	closep(&t->fd);
	free(t);
}

static void on_signal(struct ev_loop *ev _unused_, ev_signal *sig, int revents _unused_)
{
	struct loop_signal *s = sig->data;

	s->fn(s->u);
}

int loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *u, struct loop_signal **ret)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct loop_signal){.loop = l, .fn = fn, .u = u};
	ev_signal_init(&s->sig, on_signal, signo);
	s->sig.data = s;
	ev_signal_start(l->ev, &s->sig);
	*ret = s;
	return 0;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	ev_signal_stop(s->loop->ev, &s->sig);
	free(s);
}

static void on_child(void *u, unsigned ready _unused_)
{
	struct loop_child *c = u;
	loop_child_fn *fn = c->fn;
	void *fu = c->u;
	pid_t pid = c->pid;
	int status = 0;

	if (waitpid(pid, &status, WNOHANG) == 0)
		return;
	loop_fd_want(c->watch, 0);
	fn(fu, pid, status);
}

int loop_child_new(struct loop *l, pid_t pid, loop_child_fn *fn, void *u, struct loop_child **ret)
{
	struct loop_child *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct loop_child){.pid = pid, .fn = fn, .u = u};
	c->fd = pidfd_open(pid, 0);
	r = c->fd < 0 ? -errno : loop_fd_new(l, c->fd, LOOP_READ, on_child, c, &c->watch);
	if (r < 0) {
		loop_child_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void loop_child_free(struct loop_child *c)
{
	if (!c)
		return;
	loop_fd_free(c->watch);
	closep(&c->fd);
	free(c);
}

void loop_before_sleep(struct loop *l, loop_fn *fn, void *u)
{
	ev_prepare_stop(l->ev, &l->prepare);
	l->before_sleep = fn;
	l->u = u;
	if (fn)
		ev_prepare_start(l->ev, &l->prepare);
}
