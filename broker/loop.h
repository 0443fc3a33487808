// SPDX-License-Identifier: GPL-2.0-or-later
/* The event loop. loop.c is the only file that knows libev; everybody else gets plain callbacks.
 *
 * Each watcher may be freed at any time, in its own callback too. Nothing here wakes up unless something is to be done.
 */
#pragma once

#include "core/cleanup.h"

#include <stdint.h>
#include <sys/types.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;
struct loop_child;

typedef void loop_fd_fn(void *u, unsigned ready);
typedef void loop_fn(void *u);
/* status: as waitpid(2) tells. */
typedef void loop_child_fn(void *u, pid_t pid, int status);

/* 0, -ENOMEM or -errno. */
int loop_new(struct loop **ret);
void loop_free(struct loop *l); /* all watchers must be gone */
DEFINE_CLEANUP(struct loop *, loop_free)
/* Runs callbacks until loop_quit. */
void loop_run(struct loop *l);
void loop_quit(struct loop *l);

/* Calls fn while the fd is ready for one of the wanted (LOOP_READ, LOOP_WRITE) operations. The fd stays the caller's
 * and must be open until loop_fd_free. 0 or -ENOMEM. */
int loop_fd_new(struct loop *l, int fd, unsigned wanted, loop_fd_fn *fn, void *u, struct loop_fd **ret);
void loop_fd_want(struct loop_fd *w, unsigned wanted);
void loop_fd_free(struct loop_fd *w);

/* A timer that is not set. Moments are CLOCK_BOOTTIME, ns: they pass in suspend too. 0 or -errno. */
int loop_timer_new(struct loop *l, loop_fn *fn, void *u, struct loop_timer **ret);
/* Calls fn once at that moment; a moment in the past: at once, from the loop. Replaces an earlier one. */
void loop_timer_at(struct loop_timer *t, int64_t boot);
void loop_timer_in(struct loop_timer *t, int64_t ns);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Calls fn (from the loop, not from the handler) for each signal. 0 or -ENOMEM. */
int loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *u, struct loop_signal **ret);
void loop_signal_free(struct loop_signal *s);

/* Calls fn once when the child has ended, and reaps it. Freed before that: the child is no longer waited for. 0 or
 * -errno. */
int loop_child_new(struct loop *l, pid_t pid, loop_child_fn *fn, void *u, struct loop_child **ret);
void loop_child_free(struct loop_child *c);

/* Calls fn each time before the loop sleeps: all that was ready has been handled then. One fn a loop. */
void loop_before_sleep(struct loop *l, loop_fn *fn, void *u);

DEFINE_CLEANUP(struct loop_fd *, loop_fd_free)
DEFINE_CLEANUP(struct loop_timer *, loop_timer_free)
