// SPDX-License-Identifier: GPL-2.0-or-later
/* A table in the place of another under I/O. dm-raid reads superblocks when a table is loaded and never again: what
 * fails between load and resume, the new table does not know, and it would serve stale data. So health is noted before
 * the load and looked at again while nothing can change it; and a resume with a table waiting IS the swap, so every
 * other way out clears first. */
#include "actions/exec_run.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 3 };

/* Clears first, whatever happened, then resumes. Nothing here allocates. A table that cannot be cleared must not come
 * live: then the device stays suspended, and the error says so. */
int swap_back_out(struct exec *x, const char *name)
{
	const struct dm_ops *dm = x->env.dm;
	int r = -EIO;

	for (unsigned i = 0; i < TRIES && r < 0; i++)
		r = dm->clear(dm->u, name, NULL);
	if (r < 0)
		return r;
	r = -EIO;
	for (unsigned i = 0; i < TRIES && r < 0; i++)
		r = dm->resume(dm->u, name, DM_SHOWN, NULL);
	return r;
}

/* Failed, not listed, or there: whether it is in sync is another matter. While a device is suspended the kernel calls
 * all of its members not in sync, if it interrupted a resync (rs_get_progress, drivers/md/dm-raid.c). */
static char standing(char health)
{
	return health == 'a' ? 'A' : health;
}

/* What is 'D' now was failed by the kernel, whatever the resume makes of it. Returns true if anything is not as noted.
 */
bool swap_health_changed(struct exec *x, struct volume_run *run, const char *noted)
{
	struct dm_raid_status now;
	bool changed = false;

	if (x->env.dm->status(x->env.dm->u, run->dm, x->dm_params, NULL) < 0 ||
	    dm_raid_status_parse(x->dm_params, &now, NULL) < 0)
		return true;
	for (unsigned i = 0; i < MIN(now.slots, (unsigned)META_SLOTS_MAX); i++) {
		if (now.health[i] == 'D')
			run->seen_failed[i] = true;
		changed = changed || standing(now.health[i]) != standing(noted[i]);
	}
	return changed;
}

int swap(struct exec *x, struct volume_run *run, const struct dm_target *target, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int64_t begin = exec_now(x), loaded, resumed;
	char noted[sizeof(run->status.health)];
	bool changed;
	int r, left;

	memcpy(noted, run->status.health, sizeof(noted));
	exec_mark(x, "swap load");
	r = dm->load(dm->u, run->dm, target, 1, run->info.read_only, e);
	loaded = exec_now(x);
	if (r < 0) {
		dm->clear(dm->u, run->dm, NULL);
		return r;
	}
	exec_mark(x, "swap suspend");
	r = dm->suspend(dm->u, run->dm, true, e);
	if (r < 0) {
		swap_back_out(x, run->dm);
		return r;
	}
	/* From here to the resume: no allocation, fork, log, wait or load. */
	changed = swap_health_changed(x, run, noted) || !copies_hold(x, run);
	r = changed ? -EAGAIN : dm->resume(dm->u, run->dm, run->layered ? DM_PRIVATE : DM_SHOWN, e);
	left = r < 0 ? swap_back_out(x, run->dm) : 0;
	resumed = exec_now(x);
	x->timing.load += (loaded - begin) / NS_PER_US;
	x->timing.suspended += (resumed - loaded) / NS_PER_US;
	if (left < 0)
		return err_sys(e, -left, "%s is suspended and cannot be resumed with its old table", run->dm);
	return changed ? err_set(e, EAGAIN, "%s: another member failed before the new table was live", run->dm) : r;
}

int swap_recover(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r;

	if (!run->info.live_table || !run->info.suspended) {
		r = run->info.inactive_table ? dm->clear(dm->u, run->dm, e) : 0;
	} else {
		swap_health_changed(x, run, run->status.health);
		r = swap_back_out(x, run->dm);
		if (r < 0)
			err_sys(e, -r, "%s is suspended and cannot be resumed with its old table", run->dm);
	}
	return r;
}
