// SPDX-License-Identifier: GPL-2.0-or-later
/* What test_crash.c cuts: plans, each with what leads up to it (scenarios.c). */
#pragma once

#include "tests/crash/rig.h"

/* What leads up to the plan, and the plan with what the kernel does around it. */
struct scenario {
	const char *name, *golden;
	void (*before)(struct rig *r);
	void (*run)(struct rig *r);
	const char *states; /* that may be found after a cut, space-separated */
	bool blank;	    /* one of its disks has no metadata at first */
	unsigned every; /* of its writes are cut and failed: 0: all, n: every nth, each in another way; of its calls,
			   every third of that */
	int refused;	/* what a start after a cut may say: then a person decides. 0: it starts by itself */
	bool twice;	/* the start after a cut is cut, too */
};

/* The last one has no name. */
extern const struct scenario scenarios[];

/* What leads up to a plan goes well, or nothing that follows means anything. */
void must(int r);
/* A plan of one step about the snapshot that scenarios take. */
int snapshot_plan(struct rig *r, enum step_op op, struct err *e);
