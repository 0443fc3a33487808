// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of a replay share: replay_run.c one run, replay.c two that are compared. */
#pragma once

#include "pipeline/paper.h"
#include "pipeline/replay.h"

struct rebuild {
	char array[META_GUID_MAX + 8];
	int64_t takes, due; /* due: boot, INT64_MAX: none runs */
	bool ended;	    /* and the inventory has yet to hear of it */
};

struct run {
	struct paper paper;
	const struct recording *rec;
	int64_t start_boot, start_wall;
	struct rebuild *rebuilds;
	size_t n_rebuilds, moments;
};

/* 0 or -EINVAL; run_finish is to be called in both cases. */
int run_recording(struct run *r, const struct recording *rec, struct ruleset *rules, struct err *e);
void run_finish(struct run *r);
