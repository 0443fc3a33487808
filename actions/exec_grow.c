// SPDX-License-Identifier: GPL-2.0-or-later
/* An array gets more of its disks. The format is changed first, with a flush: the new size, and that its redundancy has
 * to be made. Only then come the members' private devices and the table, by the same converging that serves every other
 * change: a write beyond the old end is acknowledged by nobody before the disks say that there is such a place. What
 * cuts it off in between is made up for by the next plan, or by the next start (put_resync in slices.c). */
#include "actions/exec_run.h"

#include <errno.h>
#include <string.h>

/* dm-raid takes a table that is longer than its superblocks say, and resyncs what is new (raid_ctr, raid_preresume).
 * Not so when a member comes in with the same table: then it takes the size, and what is new for in sync. */
bool grow_due(const struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	if (!run->running || run->read_only || run->layered || run->sectors >= v->sectors ||
	    run->status.action != DM_IDLE)
		return false;
	for (unsigned i = 0; i < v->slots; i++) {
		const struct meta_member *m = &v->members[i];
		const struct set_disk *d = set_disk_by_ref(&x->set, m->ref);
		const struct leg *leg = leg_find(x, v->guid, i, m->ref, false);

		if (m->state != MEMBER_IN_SYNC || strcmp(run->listed[i], m->ref) != 0 || run->seen_failed[i] ||
		    run->status.health[i] != 'A' || !d || !set_disk_current(d) || !leg || leg->copies)
			return false;
	}
	return true;
}

int legs_grow(struct exec *x, const struct meta_volume *v, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r = 0;

	for (unsigned i = 0; i < v->slots && r == 0; i++) {
		const struct leg *leg = leg_find(x, v->guid, i, v->members[i].ref, false);
		char type[16];
		uint64_t len;

		if (!leg)
			return err_set(e, ENODEV, "slot %u of %s has no device of ours", i, v->name);
		r = dm->target(dm->u, leg->name, type, &len, e);
		if (r < 0 || len >= v->member_sectors)
			continue;
		dm_linear_print(leg->disk_major, leg->disk_minor, leg->start, v->member_sectors, &x->target[0]);
		r = leg_point(x, leg, &x->target[0], e);
	}
	return r;
}

/* What the planner saw may be old. */
static int check_state(struct exec *x, const struct volume_run *run, const struct meta_volume *v, struct err *e)
{
	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		const struct leg *leg = leg_find(x, v->guid, i, v->members[i].ref, false);

		if (v->members[i].state != MEMBER_IN_SYNC || (run->running && run->status.health[i] != 'A'))
			return err_set(e, EBUSY, "slot %u of %s is not in sync: only a whole array is made larger", i,
				       v->name);
		if (!d || !set_disk_current(d))
			return err_set(e, ENODEV, "the disk of slot %u of %s is not here", i, v->name);
		if (run->running && leg && leg->copies)
			return err_set(e, EBUSY, "the member in slot %u of %s is being replaced", i, v->name);
	}
	if (run->running && run->layered)
		return err_set(e, EBUSY, "%s has snapshots, which are of its size: it is made larger without them",
			       v->name);
	if (run->running && (run->read_only || run->status.action != DM_IDLE))
		return err_set(e, EBUSY, "%s is %s: it is made larger when that has ended", v->name,
			       run->read_only ? "read-only" : dm_raid_action_name(run->status.action));
	return 0;
}

int step_grow_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL, *after = NULL;
	const struct meta_volume *v = work_volume(x, &view, e), *grown;
	struct volume_run *run = v ? exec_run(x, v->guid) : NULL;
	struct meta_edit edit = {.op = META_GROW_VOLUME, .sectors = s->size / 512};
	int r;

	if (!run)
		return v ? err_set(e, ENOMEM, "out of memory") : -ENOENT;
	/* A plan that was cut comes again. */
	if (s->size && v->sectors >= s->size / 512)
		return 1;
	memcpy(edit.volume, v->guid, sizeof(edit.volume));
	r = check_state(x, run, v, e);
	if (r == 0 && v->level != RAID0 && !v->initialised)
		r = !s->size && exec_edit(x, &edit, NULL) == -ENOSPC
			    ? 1
			    : err_set(e, EBUSY,
				      "the redundancy of %s is still being made: it is made larger when that "
				      "has ended",
				      v->name);
	if (r == 0)
		r = exec_edit(x, &edit, e);
	if (r != 0)
		return r;
	r = exec_work_view(x, &after, e);
	grown = r < 0 ? NULL : meta_view_volume(after, edit.volume);
	if (grown && v->level != RAID0 && !slice_same_regions(v->sectors, grown->sectors))
		return err_set(
			e, ENOTSUP,
			"%s would get larger regions in its write-intent bitmap: that a running array takes that "
			"has not been shown",
			v->name);
	return r;
}

int step_grow_finish(struct exec *x, const struct step *s, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, x->plan->volume);
	const struct volume_run *run = v ? exec_run(x, v->guid) : NULL;

	(void)s;
	if (!run)
		return err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	if (!run->running || run->sectors >= v->sectors)
		return 0;
	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);

		if (v->members[i].state != MEMBER_IN_SYNC || !d || !d->dev || d->error)
			return err_set(e, EAGAIN,
				       "%s has its new size by its metadata, and gets it when slot %u is in sync again "
				       "(disk %s)",
				       v->name, i, v->members[i].ref);
	}
	return err_set(e, EAGAIN, "%s has its new size by its metadata, and gets it when %s has ended", v->name,
		       dm_raid_action_name(run->status.action));
}
