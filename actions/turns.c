// SPDX-License-Identifier: GPL-2.0-or-later
/* Arrays that share disks are rebuilt one after the other: together they would make each other's disks seek, and the
 * one with the least redundancy would wait for the others. md does so by itself where it sees the disks
 * (match_mddev_units, drivers/md/md.c); here it sees devices of ours. Who waits is frozen in the kernel, and goes on by
 * the recording that the end of another brings about. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <string.h>

static bool takes_turns(const struct volume_run *run)
{
	return run->running && !run->read_only &&
	       (run->status.action == DM_RECOVER || run->status.action == DM_RESYNC || run->status.action == DM_FROZEN);
}

static bool share_disk(const struct volume_run *a, const struct volume_run *b)
{
	for (unsigned i = 0; i < META_SLOTS_MAX; i++)
		for (unsigned k = 0; a->listed[i][0] && k < META_SLOTS_MAX; k++)
			if (strcmp(a->listed[i], b->listed[k]) == 0)
				return true;
	return false;
}

/* How many members may be lost until the array is. */
static int redundancy(const struct exec *x, const struct volume_run *run)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	int n = v ? raid_redundancy(v->level, v->slots) : 0;

	for (unsigned i = 0; v && i < v->slots; i++)
		n -= v->members[i].state != MEMBER_IN_SYNC;
	return n;
}

/* The array with less redundancy goes first, of two alike the first. */
static bool must_wait(const struct exec *x, size_t i)
{
	for (size_t k = 0; k < x->n_runs; k++) {
		int before = redundancy(x, x->run[k]) - redundancy(x, x->run[i]);

		if (k != i && takes_turns(x->run[k]) && share_disk(x->run[i], x->run[k]) &&
		    (before < 0 || (before == 0 && k < i)))
			return true;
	}
	return false;
}

void turns_take(struct exec *x)
{
	for (size_t i = 0; i < x->n_runs; i++) {
		struct volume_run *run = x->run[i];
		bool waits = takes_turns(run) && must_wait(x, i);
		struct err why = {0};

		if (!takes_turns(run) || waits == (run->status.action == DM_FROZEN))
			continue;
		exec_mark(x, "message");
		if (x->env.dm->message(x->env.dm->u, run->dm, waits ? "frozen" : "idle", &why) < 0) {
			log_warning("%s", why.msg);
			continue;
		}
		log_notice("%s: its rebuild %s", run->dm, waits ? "waits for another on the same disks" : "goes on");
		run->status.action = waits ? DM_FROZEN : DM_RECOVER;
	}
}
