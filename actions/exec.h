// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs plans on one set: the only code that writes members and swaps tables. Runs in the act process, memory-locked;
 * every outside thing comes through the environment, so that crash tests supply fakes. */
#pragma once

#include "actions/dm/dm.h"
#include "actions/meta/blockio.h"
#include "actions/plan.h"
#include "core/clock.h"
#include "core/event.h"

struct exec_env {
	const struct dm_ops *dm;
	const struct clock *clock;
	/* Opens a plan's device read-write. */
	int (*open)(void *u, const struct plan_device *d, struct blockdev **ret, struct err *e);
	/* Opens a block device that nobody else uses read-write. */
	int (*open_free)(void *u, const char *node, struct blockdev **ret, struct err *e);
	uint64_t (*random)(void *u);
	unsigned io_threads; /* disks that are written at the same time; 0: one after another, in a fixed order */
	/* Each message for the broker, in order: {"event":..}, {"step":i,"result":..,"reason":..}, {"state":..},
	 * {"show":text}, {"image":part}, {"before":part}; "wait":true in one that .kept is called for. Never called
	 * between suspend and resume. Borrowed. */
	void (*report)(void *u, const json_t *msg);
	/* Waits until all parts that were reported are durable, but no longer than for an intent. NULL: nobody keeps
	 * them. */
	void (*kept)(void *u);
	/* Called before each thing that could be cut: "commit 12 stamps", "swap load".. Tests count and cut; act feeds
	 * its watchdog. */
	void (*mark)(void *u, const char *what);
	void *u;
};

/* The .open of a real machine: the node, if it still is the device and disk that the plan means. */
int exec_open_node(void *u, const struct plan_device *d, struct blockdev **ret, struct err *e);
/* Its .open_free. */
int exec_open_free(void *u, const char *node, struct blockdev **ret, struct err *e);

/* What stays open between plans on one set: disks, joined metadata, what was last seen of the kernel. */
struct exec;

struct exec *exec_new(const struct exec_env *env);
void exec_free(struct exec *x); /* closes the disks; leaves the arrays as they are */

/* A part of what disks held before a plan (actions/image.h), for the next plan that is run: STEP_RESTORE needs it. */
int exec_give(struct exec *x, const json_t *part, struct err *e);

/* Runs the plan's steps. 0: all done (or already so); -errno with *e: what failed (steps before it are done and right
 * by themselves). With dry_run nothing is written or loaded: the metadata and tables before and after are reported as
 * "show". */
int exec_plan(struct exec *x, const struct plan *p, struct err *e);

/* The state message: {"set","seq","view":meta_view,"current":[ids of the disks that hold
 * it],"volumes":[{"guid","running","dm":"name","event_nr","read_only", "behind":its table still lists who has left,
 * "health","action","done","total","mismatches","cut":the last check was ended before it was through, "options":as
 * options_state, "copies":as copies_state, "copy-ended":why the last one broke, "snapshots":as snapshots_state,
 * "slots":[ref or "" by slot, as the live table lists them]}],"timing":{phase: microseconds of the last plan}}; of a
 * plan that makes something "disks":[{"id","ref","room","sectors"}], too. Sent as {"state":..} at the end of each plan.
 */
json_t *exec_state(struct exec *x);
