// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting and stopping a volume. A start reads everything first, tells the format what the slices know, marks it not
 * clean, and only then gives the kernel a table. A stop takes the table away, looks once more at what the kernel left,
 * and only then calls the volume clean. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct meta_volume *plan_volume(struct exec *x, struct volume_run **run, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, x->plan->volume);

	*run = v ? exec_run(x, v->guid) : NULL;
	if (!*run) {
		err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
		return NULL;
	}
	return v;
}

/* --- reading and judging ------------------------------------------------------------------------------------ */

void start_read_disk(const struct exec *x, const struct meta_volume *v, unsigned slot, struct start_disk *ret)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	const struct meta_volume *own;
	int bay;

	*ret = (struct start_disk){.fails = d && d->dev && d->error && fallen_state(x, d) == MEMBER_FAILED};
	if (!d || !d->dev || !d->ours || d->error)
		return;
	/* What this process wrote last is the set's; the copy in memory may be older. */
	own = d->seq == x->set.view->seq ? v : set_disk_own_volume(d, v->guid);
	bay = set_bay_of(d, v->guid);
	ret->present = true;
	ret->standing = d->standing;
	ret->seq = d->seq;
	ret->hash = own && slot < own->slots ? volume_hash(own, slot) : 0;
	ret->super_status = -ENODATA;
	if (bay < 0)
		return;
	ret->has_stamp = true;
	ret->stamp = d->bay[bay].stamp;
	ret->super_status = d->bay[bay].super_status;
	ret->super = d->bay[bay].super;
}

/* What cannot be read for want of memory is not a disk that fails. */
static int read_all(struct exec *x, const struct meta_volume *v, const struct step *s, struct start_in *in,
		    struct err *e)
{
	_cleanup_(freep) struct set_look *list = NULL;
	size_t n = 0;

	*in = (struct start_in){
		.set = x->set.guid,
		.volume = v,
		.seq = x->set.view->seq,
		.split = x->set.split,
		.degraded = s->degraded,
		.read_only = s->read_only,
		.force = s->force,
	};
	list = calloc(v->slots, sizeof(*list));
	if (!list)
		return err_sys(e, ENOMEM, "slices");
	for (unsigned i = 0; i < v->slots; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);

		if (d && d->dev && d->ours && !d->error)
			list[n++].disk = d;
	}
	set_look_at(&x->set, list, n, set_disk_read_bays);
	for (size_t i = 0; i < n; i++) {
		if (list[i].result == -ENOMEM)
			return err_set(e, ENOMEM, "%s", list[i].why.msg);
		if (list[i].result < 0)
			log_warning("%s", list[i].why.msg);
		list[i].disk->error = list[i].result;
	}
	for (unsigned i = 0; i < v->slots; i++)
		start_read_disk(x, v, i, &in->disk[i]);
	return 0;
}

static int edits_of_start(struct exec *x, const struct meta_volume *v, struct start *st, struct err *e)
{
	struct meta_edit clean = {.op = META_SET_CLEAN, .clean = false};
	bool in_sync[META_SLOTS_MAX] = {0}, enters = false;
	int r = 0;

	for (unsigned i = 0; i < v->slots && r == 0; i++) {
		struct meta_edit disk = {.op = META_SET_DISK, .state = MEMBER_IN_SYNC};

		in_sync[i] = st->slot[i].how == START_AS_FOUND || st->slot[i].how == START_ANEW;
		enters = enters || st->slot[i].how == START_REBUILD;
		if (!st->slot[i].edit)
			continue;
		if (st->slot[i].how == START_OUT && needed_elsewhere(x, x->set.view, v->guid, v->members[i].ref))
			st->slot[i].state = MEMBER_REBUILDING;
		log_notice("%s: slot %u (disk %s): %s", v->name, i, v->members[i].ref, st->slot[i].why);
		memcpy(disk.ref, v->members[i].ref, sizeof(disk.ref));
		if (st->slot[i].state == MEMBER_IN_SYNC)
			r = exec_edit(x, &disk, e);
		if (r == 0)
			r = exec_edit_member(x, v->guid, i, st->slot[i].state, e);
	}
	if (r == 0 && enters && st->resync)
		r = resync_lost(x, v, in_sync, e);
	memcpy(clean.volume, v->guid, sizeof(clean.volume));
	return r < 0 ? r : exec_edit(x, &clean, e);
}

/* Disks that a start uses although their copy stands behind are written with the rest. */
static void adopt_members(struct exec *x, const struct meta_volume *v, const struct start *st)
{
	for (unsigned i = 0; i < v->slots; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int bay = d ? set_bay_of(d, v->guid) : -1;

		if (!d || st->slot[i].how == START_OUT)
			continue;
		d->adopted = d->adopted || d->standing == META_STALE;
		if (bay >= 0)
			d->bay[bay].running = true;
	}
}

static bool name_free(struct exec *x, const struct volume_run *run, struct err *e)
{
	char uuid[DM_UUID_LEN_MAX + 1];

	snprintf(uuid, sizeof(uuid), "SPARED-%s-%s", x->set.format->name, run->guid);
	if (run->info.exists && strcmp(run->info.uuid, uuid) != 0) {
		err_set(e, EEXIST, "/dev/mapper/%s is there already and another device (UUID %s)", run->dm,
			run->info.uuid[0] ? run->info.uuid : "none");
		return false;
	}
	return true;
}

static unsigned disks_failed(const struct exec *x)
{
	unsigned n = 0;

	for (size_t i = 0; i < x->set.n_disks; i++)
		n += x->set.disk[i]->error != 0;
	return n;
}

/* What to do with each slot, and the slices that are written anew. A disk that fails under it is one more that is
 * not to be used: all is judged again without it. */
static int judge(struct exec *x, const struct meta_volume *v, const struct step *s, struct start_in *in, struct err *e)
{
	unsigned failed;
	int r;

	do {
		failed = disks_failed(x);
		r = read_all(x, v, s, in, e);
		if (r == 0)
			r = start_analyse(in, x->start, e);
		if (r < 0 || s->read_only)
			return r;
		if (x->start->anew)
			x->start->epoch = x->env.random(x->env.u) | 1;
		if (!x->plan->dry_run && v->level != RAID0)
			r = slices_of_start(x, v, x->start, true, e);
	} while (r < 0 && disks_failed(x) > failed);
	x->start_failed = disks_failed(x);
	return r;
}

int step_assemble_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(freep) struct start_in *in = calloc(1, sizeof(*in));
	struct volume_run *run;
	const struct meta_volume *v;
	int r;

	/* What was only made in memory has nothing that a start could read. */
	if (x->plan->dry_run && x->plan->create)
		return 0;
	v = plan_volume(x, &run, e);
	if (!in)
		return err_set(e, ENOMEM, "out of memory");
	if (!v)
		return -ENOENT;
	if (run->running)
		return 1;
	if (!name_free(x, run, e))
		return -EEXIST;
	free(x->start);
	x->start = calloc(1, sizeof(*x->start));
	if (!x->start)
		return err_set(e, ENOMEM, "out of memory");
	/* All members claimed before any is used. */
	r = x->plan->dry_run ? 0 : claims_make(x, e);
	if (r == 0)
		r = judge(x, v, s, in, e);
	if (r < 0 || s->read_only)
		return r;
	r = edits_of_start(x, v, x->start, e);
	if (r < 0 || x->plan->dry_run)
		return r;
	adopt_members(x, v, x->start);
	return 0;
}

/* --- the table ---------------------------------------------------------------------------------------------- */

/* Read-only: nothing is recorded, and the slices that may prove which half is newer stay: the kernel gets others, in
 * bays that nobody uses. */
static int target_shown(struct exec *x, struct volume_run *run, const struct meta_volume *v, struct err *e)
{
	struct dm_raid_slot slot[META_SLOTS_MAX] = {0};
	struct dm_raid_table t = {.sectors = v->sectors, .chunk = v->chunk, .slots = v->slots, .slot = slot};
	int r = dm_raid_type_of(raid_level_number(v->level), v->layout, &t.type);

	if (r < 0)
		return err_set(e, ENOTSUP, "%s: device-mapper cannot run it", v->name);
	for (unsigned i = 0; i < v->slots; i++) {
		int bay = -1;

		if (x->start->slot[i].how == START_OUT || x->start->slot[i].how == START_REBUILD)
			continue;
		if (v->level != RAID0) {
			bay = slice_shown(x, v, x->start, i, e);
			if (bay < 0)
				return bay;
		}
		r = legs_make(x, run, v, i, bay, &slot[i], e);
		if (r < 0)
			return r;
	}
	return dm_raid_table_print(&t, &x->target[1], e);
}

static int device_make(struct exec *x, const struct volume_run *run, bool read_only, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char uuid[DM_UUID_LEN_MAX + 1];
	int r = 0;

	snprintf(uuid, sizeof(uuid), "SPARED-%s-%s", x->set.format->name, run->guid);
	exec_mark(x, "start device");
	if (!run->info.exists)
		r = dm->create(dm->u, run->dm, uuid, e);
	if (r == 0)
		r = dm->load(dm->u, run->dm, &x->target[1], 1, read_only, e);
	exec_mark(x, "start resume");
	if (r == 0)
		r = dm->resume(dm->u, run->dm, DM_SHOWN, e);
	return r;
}

static void report_start(struct exec *x, struct volume_run *run, const struct meta_volume *v, struct err *note)
{
	if (x->start->write_hole)
		snprintf(note->msg, sizeof(note->msg),
			 "%s was written to when it went down, without full redundancy: blocks of its missing members "
			 "that were being written then may be wrong",
			 v->name);
	for (unsigned i = 0; i < v->slots; i++)
		if (strncmp(x->start->slot[i].why, "forced", 6) == 0)
			snprintf(note->msg, sizeof(note->msg), "slot %u %s", i, x->start->slot[i].why);
	tell_event(x, "array.started", v->guid, -1, NULL, NULL, 0);
	tell_changes(x, run);
}

/* The rest of the slices, then the table. */
static int bring_up(struct exec *x, struct volume_run *run, const struct meta_volume *v, const struct step *s,
		    struct err *e)
{
	int r = 0;

	/* What was seen of an earlier table, before a stop, says nothing about this one. */
	memset(run->seen_failed, 0, sizeof(run->seen_failed));
	run->repair_asked = false;
	for (unsigned i = 0; i < v->slots; i++)
		run->rebuild[i] = x->start->slot[i].how == START_REBUILD;
	if (s->read_only) {
		r = target_shown(x, run, v, e);
	} else {
		if (v->level != RAID0)
			r = slices_of_start(x, v, x->start, false, e);
		if (r == 0)
			r = target_build(x, run, v, true, &x->target[1], e);
	}
	if (r == 0)
		r = device_make(x, run, s->read_only, e);
	memset(run->rebuild, 0, sizeof(run->rebuild));
	if (r < 0) {
		if (x->env.dm->info(x->env.dm->u, run->dm, &run->info, NULL) == 0 && run->info.exists)
			x->env.dm->remove(x->env.dm->u, run->dm, true, NULL);
		legs_drop_all(x, v->guid);
	}
	return r;
}

int step_assemble_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run;
	const struct meta_volume *v = plan_volume(x, &run, e);
	int r = -EAGAIN;

	if (!v)
		return -ENOENT;
	if (run->running || !x->start)
		return 0;
	while (r < 0) {
		/* A disk failed since the start was judged: what is left may need another start. */
		if (x->start_failed == disks_failed(x))
			r = bring_up(x, run, v, s, e);
		if (r == 0 || x->start_failed == disks_failed(x))
			break;
		r = step_assemble_prepare(x, s, e);
		if (r == 0)
			r = commit(x, e);
		v = plan_volume(x, &run, e);
		if (r < 0 || !v)
			return r < 0 ? r : -ENOENT;
		r = -EAGAIN;
	}
	if (r < 0)
		return r;
	memset(run->seen_failed, 0, sizeof(run->seen_failed));
	run->lost = false;
	x->env.dm->settle(x->env.dm->u);
	r = run_read(x, run, e);
	if (r == 0)
		report_start(x, run, v, e);
	return r;
}

/* --- stopping --------------------------------------------------------------------------------------------------- */

/* What the kernel found between the last look and the end. */
static int edits_of_stop(struct exec *x, struct volume_run *run, const struct meta_volume *v, struct err *e)
{
	struct meta_edit clean = {.op = META_SET_CLEAN, .clean = true};
	const struct slice_super *fresh = NULL;
	bool in_sync[META_SLOTS_MAX] = {0};
	int r = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int bay;

		if (v->members[i].state != MEMBER_IN_SYNC || !d || !d->dev || d->error ||
		    set_slice_refresh(d, v->guid) < 0)
			continue;
		bay = set_bay_of(d, v->guid);
		in_sync[i] = true;
		if (d->bay[bay].super_status == 0 && (!fresh || d->bay[bay].super.events > fresh->events))
			fresh = &d->bay[bay].super;
	}
	for (unsigned i = 0; fresh && i < v->slots; i++)
		in_sync[i] = in_sync[i] && !(fresh->failed >> i & 1);
	/* Beyond redundancy the metadata stay at the last state that could run: members that are away must not fall
	 * behind, and nothing was stopped in order. */
	if (v->level != RAID0 && !raid_runnable(v->level, in_sync, v->slots))
		return 0;
	for (unsigned i = 0; fresh && i < v->slots && r == 0; i++)
		if (v->members[i].state == MEMBER_IN_SYNC && fresh->failed >> i & 1) {
			run->seen_failed[i] = true;
			r = exec_edit_member(x, v->guid, i, MEMBER_FAILED, e);
		}
	for (unsigned i = 0; i < v->slots && !x->plan->dry_run; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int bay = d && d->dev ? set_bay_of(d, v->guid) : -1;

		if (bay >= 0)
			d->bay[bay].running = false;
	}
	/* A resync that has not ended leaves the volume not clean. */
	clean.clean = v->level == RAID0 || (fresh && fresh->resync_offset == UINT64_MAX);
	memcpy(clean.volume, v->guid, sizeof(clean.volume));
	return r < 0 ? r : exec_edit(x, &clean, e);
}

static int device_remove(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r;

	/* udev may have it open for a moment after a start. */
	dm->settle(dm->u);
	if (run->layered)
		return layer_stop(x, run, e);
	r = dm->info(dm->u, run->dm, &run->info, e);
	if (r == 0 && run->info.open_count > 0)
		return err_set(e, EBUSY, "/dev/mapper/%s is in use: unmount it or stop what uses it", run->dm);
	exec_mark(x, "stop device");
	if (r == 0)
		r = dm->remove(dm->u, run->dm, true, e);
	return r;
}

int step_stop_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run;
	const struct meta_volume *v = plan_volume(x, &run, e);
	bool read_only;
	int r;

	(void)s;
	if (!v)
		return -ENOENT;
	if (!run->running)
		return 1;
	read_only = run->read_only;
	if (!x->plan->dry_run) {
		r = device_remove(x, run, e);
		if (r < 0)
			return r;
		run->running = run->read_only = run->info.exists = false;
		for (unsigned i = 0; i < v->slots; i++)
			run->seen_failed[i] = run->seen_failed[i] || run->status.health[i] == 'D';
	}
	return read_only ? 0 : edits_of_stop(x, run, v, e);
}

int step_stop_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = NULL;

	/* The same plan may have deleted the volume. */
	for (size_t i = 0; i < x->n_runs; i++)
		if (strcmp(x->run[i]->guid, x->plan->volume) == 0)
			run = x->run[i];
	(void)s;
	if (!run)
		return err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	legs_drop_all(x, run->guid);
	if (run->told != ARRAY_INACTIVE)
		tell_event(x, "array.stopped", run->guid, -1, NULL, NULL, 0);
	run->told = ARRAY_INACTIVE;
	run->syncing = run->lost = run->wants = false;
	run->want = (struct table_options){0};
	return 0;
}
