// SPDX-License-Identifier: GPL-2.0-or-later
/* The act processes: one a set, and one warm spare one, so that a failure that is to be recorded does not wait for a
 * fork. One that dies is an event; one that hangs in the kernel is outlived: its set is stuck, the others go on. */
#pragma once

#include "actions/plan.h"
#include "broker/loop.h"
#include "core/fact.h"

struct acts;

struct acts_ops {
	/* msg is borrowed. */
	void (*message)(void *u, const char *plan_id, const json_t *msg);
	void (*done)(void *u, const char *plan_id, enum action_result result, const char *reason);
	void *u;
};

/* timeout_ns: without a sign of life. run_dir: for the locks that keep two processes from one set. */
int acts_new(struct loop *l, const char *run_dir, int64_t timeout_ns, const struct acts_ops *ops, struct acts **ret);
/* Leaves running processes to themselves: they end with their plan. */
void acts_free(struct acts *a);
DEFINE_CLEANUP(struct acts *, acts_free)
void acts_set_timeout(struct acts *a, int64_t timeout_ns);
/* Queues the plan (plan_to_json), with the parts of images that it needs, or NULL; nothing is called back from here. 0,
 * or -errno and the plan will not be told of again. */
int acts_run(struct acts *a, const json_t *plan, const json_t *images);
/* What the plan waits for is in the history, or will not be. */
void acts_kept(struct acts *a, const char *plan_id);
/* Starts what is queued. True if something was called back. */
bool acts_turn(struct acts *a);
/* Plans that are queued or run in a process that is not stuck. */
unsigned acts_busy(const struct acts *a);
/* A list of {"set","pid","state":"warm|idle|busy|stuck","plan","at"}. A new reference. */
json_t *acts_to_json(const struct acts *a);
