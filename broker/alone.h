// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans about one device and no array (step_op_alone): each is done by a process of its own, for as long as it takes.
 */
#pragma once

#include "actions/plan.h"
#include "broker/acts.h"
#include "broker/loop.h"

struct alones;

/* As acts_ops: what the process tells, and its end. */
int alones_new(struct loop *l, const struct acts_ops *ops, struct alones **ret);
void alones_free(struct alones *a); /* kills what runs */
DEFINE_CLEANUP(struct alones *, alones_free)
/* Queues the plan; nothing is called back from here. 0 or -ENOMEM. */
int alones_run(struct alones *a, const struct plan *p);
/* Ends it early: done with ACTION_REFUSED and the reason follows. */
void alones_stop(struct alones *a, const char *plan_id, const char *reason);
/* Starts what is queued, tells what has ended. True if something was called back. */
bool alones_turn(struct alones *a);
/* {"running","queued","hanging"}. A new reference. */
json_t *alones_to_json(const struct alones *a);
