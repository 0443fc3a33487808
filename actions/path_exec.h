// SPDX-License-Identifier: GPL-2.0-or-later
/* Steps on one path of a multipath map: looked at, refused or done in one go, by device-mapper alone. */
#pragma once

#include "actions/dm/dm.h"
#include "actions/plan.h"

struct path_task {
	enum step_op op;
	char name[32], dev[24]; /* the path: "sdb", "8:16" */
	unsigned major, minor;	/* of the map */
	bool dry_run;
	unsigned group; /* STEP_RESTORE_PATH: where it was, as path_done told */
	bool alone;
};

struct path_done {
	enum action_result result; /* ok, refused, failed */
	char reason[PLAN_REASON_MAX];
	bool moved, marginal; /* it was, or is to be, used last */
	unsigned group;	      /* marginal: where it was before */
	bool alone;
};

struct path_env {
	const struct dm_ops *dm;
	/* Somebody else looks after this map and would undo it. */
	bool (*has_daemon)(void *u);
	void (*show)(void *u, const char *text);
	void *u;
};

void path_do(const struct path_env *env, const struct path_task *t, struct path_done *ret);
