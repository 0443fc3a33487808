// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps on members and spares: each edits the set in memory, and is "already so" when there is nothing to edit. */
#include "actions/exec_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct meta_edit edit_of(enum meta_edit_op op, const char *volume, const char *ref)
{
	struct meta_edit edit = {.op = op};

	snprintf(edit.volume, sizeof(edit.volume), "%s", volume);
	snprintf(edit.ref, sizeof(edit.ref), "%s", ref);
	return edit;
}

/* The disk that the step means, present or not; by device first, for it may have a new reference. */
static struct set_disk *step_disk(struct exec *x, const struct step *s)
{
	struct set_disk *d = s->device[0] ? set_disk_by_id(&x->set, s->device) : NULL;

	return d ? d : set_disk_by_ref(&x->set, s->ref);
}

/* The plan's volume as edited so far. *view is the caller's. */
const struct meta_volume *work_volume(struct exec *x, struct meta_view **view, struct err *e)
{
	const struct meta_volume *v;

	if (exec_work_view(x, view, e) < 0)
		return NULL;
	v = meta_view_volume(*view, x->plan->volume);
	if (!v)
		err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	return v;
}

/* The slot that the step is about: given, or its disk's. */
int step_slot(struct exec *x, const struct step *s, const struct meta_volume *v, struct err *e)
{
	const struct set_disk *d = step_disk(x, s);
	const char *ref = s->ref[0] ? s->ref : d ? d->ref : "";

	for (unsigned i = 0; ref[0] && i < v->slots; i++)
		if (strcmp(v->members[i].ref, ref) == 0)
			return s->slot >= 0 && s->slot != (int)i
				       ? err_set(e, ESTALE, "disk %s is in slot %u of %s now, not in %d", ref, i,
						 v->name, s->slot)
				       : (int)i;
	/* The plan was made for a disk that has left the slot since. */
	if (ref[0])
		return err_set(e, ENOENT, "disk %s is no member of %s", ref, v->name);
	if (s->slot >= 0 && s->slot < (int)v->slots)
		return s->slot;
	return err_set(e, ENOENT, "%s is no member of %s", s->name[0] ? s->name : s->device, v->name);
}

static bool out_of_array(enum member_state state)
{
	return state != MEMBER_IN_SYNC && state != MEMBER_REBUILDING;
}

/* --- members ------------------------------------------------------------------------------------------------ */

/* A format may know of failed disks only, not of failed slots: all volumes on the disk lose it. */
static int check_others(const struct meta_view *view, const struct meta_volume *v, const char *ref, struct err *e)
{
	for (size_t i = 0; i < view->n_volumes; i++) {
		const struct meta_volume *o = &view->volumes[i];
		bool with[META_SLOTS_MAX], without[META_SLOTS_MAX];

		for (unsigned k = 0; k < o->slots; k++) {
			with[k] = o->members[k].state == MEMBER_IN_SYNC;
			without[k] = with[k] && strcmp(o->members[k].ref, ref) != 0;
		}
		if (o != v && raid_runnable(o->level, with, o->slots) && !raid_runnable(o->level, without, o->slots))
			return err_set(e, EBUSY, "disk %s serves %s too, which cannot run without it: it stays", ref,
				       o->name);
	}
	return 0;
}

static int fail_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	bool in_sync[META_SLOTS_MAX];
	struct meta_edit disk;
	int slot, r;

	if (!v)
		return -ENOENT;
	slot = step_slot(x, s, v, e);
	if (slot < 0)
		return slot;
	if (v->members[slot].state == MEMBER_FAILED || v->members[slot].state == MEMBER_EMPTY)
		return 1;
	for (unsigned i = 0; i < v->slots; i++)
		in_sync[i] = (int)i != slot && v->members[i].state == MEMBER_IN_SYNC;
	if (v->members[slot].state == MEMBER_IN_SYNC && !raid_runnable(v->level, in_sync, v->slots))
		return err_set(e, EBUSY, "%s cannot run without slot %d: it stays", v->name, slot);
	r = check_others(view, v, v->members[slot].ref, e);
	if (r < 0)
		return r;
	if (!x->plan->dry_run)
		r = copy_end(x, v, (unsigned)slot, e);
	if (r < 0)
		return r;
	disk = edit_of(META_SET_DISK, "", v->members[slot].ref);
	disk.state = MEMBER_FAILED;
	r = exec_edit_member(x, v->guid, (unsigned)slot, MEMBER_FAILED, e);
	return r < 0 ? r : exec_edit(x, &disk, e);
}

static int remove_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	struct meta_edit drop;
	int slot;

	if (!v)
		return -ENOENT;
	if (s->ref[0] && !meta_view_disk(view, s->ref))
		return 1;
	slot = step_slot(x, s, v, e);
	/* Its slot may have a new disk already: then only its entry is left. */
	if (slot < 0 && !s->ref[0])
		return slot;
	if (slot >= 0 && !out_of_array(v->members[slot].state))
		return err_set(e, EBUSY, "slot %d of %s is in use: fail it first", slot, v->name);
	drop = edit_of(META_DROP_DISK, "", slot >= 0 ? v->members[slot].ref : s->ref);
	return drop.ref[0] ? exec_edit(x, &drop, e) : 1;
}

/* Why the member's return needs a full rebuild; NULL: its bitmap suffices. */
static const char *why_not_by_bitmap(struct exec *x, const struct volume_run *run, const struct meta_volume *v,
				     unsigned slot, struct set_disk *d)
{
	struct start_in *in = calloc(1, sizeof(*in));
	_cleanup_(freep) struct start_in *own = in;
	const struct meta_volume *said = set_disk_own_volume(d, v->guid);
	uint64_t epoch = commit_epoch(x, v);

	if (!own)
		return "out of memory";
	/* Of what grow added no bits are on the disks: only a rebuild in full makes its parity, which is owed else. */
	if (!v->initialised)
		return "the redundancy of the array is still being made";
	if (!said || slot >= said->slots || strcmp(said->members[slot].ref, d->ref) != 0)
		return "its own metadata do not name it in this slot";
	if (said->members[slot].state == MEMBER_REBUILDING)
		return "it was being rebuilt when it left";
	*in = (struct start_in){.set = x->set.guid, .volume = v, .seq = x->set.view->seq};
	start_read_disk(x, v, slot, &in->disk[slot]);
	in->disk[slot].hash = volume_hash(said, slot);
	if (!start_stamp_matches(in, slot))
		return "its metadata were changed elsewhere since it left";
	if (!epoch || in->disk[slot].stamp.epoch != epoch)
		return "the array's bitmaps were made anew since it left, or it was not in sync";
	if (!slices_kept(x, run, v, in->disk[slot].stamp.emptied))
		return "another member was rebuilt since it left, which empties the bitmap";
	if (!slices_missed(x, v, slot, epoch))
		return "the survivors' slices do not tell what it missed";
	return NULL;
}

/* A slot that still lists the disk, under its old number, is taken out first. */
static int take_out(struct exec *x, struct volume_run *run, int slot, struct err *e)
{
	int r;

	if (!run->listed[slot][0])
		return 0;
	if (x->plan->dry_run)
		return err_set(e, EAGAIN, "the kernel's table still lists the member: it is taken out first");
	r = commit(x, e);
	return r < 0 ? r : converge(x, run, e);
}

static int readd_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	struct volume_run *run = v ? exec_run(x, v->guid) : NULL;
	struct set_disk *d = step_disk(x, s);
	struct meta_edit disk;
	const char *why;
	int slot, r;

	if (!run)
		return -ENOENT;
	slot = step_slot(x, s, v, e);
	if (slot < 0)
		return slot;
	if (!out_of_array(v->members[slot].state))
		return 1;
	if (!run->running || run->read_only)
		return err_set(e, ENODEV, "%s is not running: a member returns to a running array", v->name);
	if (!d || !d->dev || !d->ours || strcmp(d->ref, v->members[slot].ref) != 0)
		return err_set(e, ENODEV, "the disk of slot %d of %s is not here", slot, v->name);
	if (d->standing == META_SPLIT)
		return err_set(e, ESTALE, "%s went on alone: it cannot return as a member, only as a blank spare",
			       d->dev->name);
	r = take_out(x, run, slot, e);
	d->error = 0;
	if (r == 0)
		r = set_disk_read(&x->set, d, e);
	if (r < 0)
		return r;
	why = why_not_by_bitmap(x, run, v, (unsigned)slot, d);
	snprintf(x->note, sizeof(x->note), why ? "full rebuild: %s" : "by bitmap", why);
	run->by_bitmap[slot] = !why;
	d->adopted = true;
	disk = edit_of(META_SET_DISK, "", d->ref);
	disk.state = MEMBER_IN_SYNC;
	r = exec_edit(x, &disk, e);
	return r < 0 ? r : exec_edit_member(x, v->guid, (unsigned)slot, MEMBER_REBUILDING, e);
}

/* --- spares ------------------------------------------------------------------------------------------------- */

/* Only shown: the other set still has it. */
static bool to_be_taken(const struct exec *x, const char *device)
{
	for (size_t i = 0; x->plan->dry_run && i < x->plan->n_steps; i++)
		if (x->plan->step[i].op == STEP_TAKE_SPARE && strcmp(x->plan->step[i].device, device) == 0)
			return true;
	return false;
}

int join_disk(struct exec *x, const char *device, struct set_disk *d, struct err *e)
{
	struct meta_set *work = NULL;
	int r;

	if (d->foreign && !to_be_taken(x, device))
		return err_set(e, EEXIST, "%s holds other metadata (%s): wipe it first", d->dev->name, d->problem);
	if (d->ours && d->standing == META_SPLIT)
		return err_set(e, ESTALE, "%s went on alone: it may hold newer data; wipe it first", d->dev->name);
	r = exec_work(x, &work, e);
	if (r == 0)
		r = x->set.format->add_disk(work, d->dev->sectors, d->dev->sector_size, device, d->ref, e);
	if (r < 0)
		return r;
	d->ours = d->adopted = d->joining = true;
	d->standing = META_CURRENT;
	d->seq = 0;
	d->n_bays = 0;
	return 0;
}

static bool is_spare_as(const struct meta_disk *md, const struct step *s, const char *only)
{
	bool is = md->spare && !md->failed && !md->missing && md->dedicated == s->dedicated &&
		  md->revertible >= s->revertible && md->enclosure >= s->enclosure;
	bool its = !only[0];

	for (unsigned i = 0; i < md->n_dedicated; i++)
		its = its || strcmp(md->dedicated_to[i], only) == 0;
	return is && its;
}

static int add_spare_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	struct set_disk *d = step_disk(x, s);
	const struct meta_disk *md;
	const char *only; /* the volume that it is for */
	struct meta_edit edit;
	int r = exec_work_view(x, &view, e);

	if (r < 0)
		return r;
	if (!d || !d->dev)
		return err_set(e, ENODEV, "%s is not here", s->name[0] ? s->name : s->device);
	md = d->ours && d->ref[0] ? meta_view_disk(view, d->ref) : NULL;
	only = !s->dedicated ? "" : x->plan->volume[0] || !md ? x->plan->volume : md->dedicated_to[0];
	if (md && is_spare_as(md, s, only))
		return 1;
	d->error = 0;
	if (md) {
		edit = edit_of(META_SET_DISK, "", d->ref);
		edit.state = MEMBER_IN_SYNC;
		r = exec_edit(x, &edit, e);
		d->adopted = d->standing != META_SPLIT;
	} else {
		r = join_disk(x, s->device, d, e);
	}
	if (r < 0)
		return r;
	edit = edit_of(META_ADD_SPARE, only, d->ref);
	edit.revertible = s->revertible;
	edit.enclosure = s->enclosure;
	return exec_edit(x, &edit, e);
}

static int remove_spare_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct set_disk *d = step_disk(x, s);
	const char *ref = d && d->ref[0] ? d->ref : s->ref;
	const struct meta_disk *md;
	struct meta_edit drop;
	int r = exec_work_view(x, &view, e);

	if (r < 0)
		return r;
	md = ref[0] ? meta_view_disk(view, ref) : NULL;
	if (!md)
		return !(s->wipe && d && d->ours);
	if (!md->spare)
		return err_set(e, EINVAL, "%s is no spare", s->name[0] ? s->name : ref);
	if (d && !x->plan->dry_run)
		r = copies_end_to(x, d, e);
	if (r < 0)
		return r;
	drop = edit_of(META_DROP_DISK, "", ref);
	return exec_edit(x, &drop, e);
}

/* Who loses its place for good is no spare either when it comes back: what a spare is for is a person's to say. A disk
 * that has a place in another volume keeps that. */
static int displace(struct exec *x, const struct meta_view *view, const struct meta_volume *v, unsigned slot,
		    struct err *e)
{
	struct meta_edit disk = edit_of(META_SET_DISK, "", v->members[slot].ref);

	if (v->members[slot].state != MEMBER_MISSING)
		return 0;
	for (size_t i = 0; i < view->n_volumes; i++)
		for (unsigned k = 0; k < view->volumes[i].slots; k++)
			if (&view->volumes[i] != v && strcmp(view->volumes[i].members[k].ref, disk.ref) == 0)
				return 0;
	disk.state = MEMBER_FAILED;
	return exec_edit(x, &disk, e);
}

/* The first slot that has no working member; -1: none. */
static int slot_to_fill(const struct meta_volume *v, const struct step *s)
{
	if (s->slot >= 0)
		return s->slot < (int)v->slots ? s->slot : -1;
	for (unsigned i = 0; i < v->slots; i++)
		if (out_of_array(v->members[i].state))
			return (int)i;
	return -1;
}

static int activate_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	struct set_disk *d = step_disk(x, s);
	struct meta_edit assign;
	int slot, r = 0;

	if (!v)
		return -ENOENT;
	if (!d || !d->dev || d->error)
		return err_set(e, ENODEV, "the spare %s is not here", s->name[0] ? s->name : s->device);
	for (unsigned i = 0; i < v->slots; i++)
		if (d->ref[0] && strcmp(v->members[i].ref, d->ref) == 0 && !out_of_array(v->members[i].state))
			return 1;
	slot = slot_to_fill(v, s);
	if (slot < 0)
		return err_set(e, ENOENT, "%s has no slot to fill", v->name);
	if (!out_of_array(v->members[slot].state))
		return err_set(e, EBUSY, "slot %d of %s has a working member", slot, v->name);
	if (!x->plan->dry_run)
		r = copies_end_to(x, d, e);
	if (r == 0 && (!d->ours || !meta_view_disk(view, d->ref)))
		r = join_disk(x, s->device, d, e);
	if (r == 0)
		r = displace(x, view, v, (unsigned)slot, e);
	if (r < 0)
		return r;
	assign = edit_of(META_ASSIGN, v->guid, d->ref);
	assign.slot = (unsigned)slot;
	return exec_edit(x, &assign, e);
}

/* A disk that came in or went: the claims follow, where the set is claimed at all. */
static int claims_finish(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	return claims_held(x) ? claims_make(x, e) : 0;
}

/* A disk that fails while it enters is out again, and the step has not done what it was for. */
static int enter_finish(struct exec *x, const struct step *s, struct err *e)
{
	const struct volume_run *run = exec_run(x, x->plan->volume);
	const struct meta_volume *v = exec_volume(x, x->plan->volume);
	const struct set_disk *d = step_disk(x, s);
	const char *name = s->name[0] ? s->name : s->device;

	if (!run || !v)
		return err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	if (!d || !d->dev)
		return err_set(e, ENODEV, "%s is gone", name);
	if (d->error)
		return err_sys(e, -d->error, "%s failed while it entered %s", d->dev->name, v->name);
	for (unsigned i = 0; i < v->slots; i++)
		if (d->ref[0] && strcmp(v->members[i].ref, d->ref) == 0 && !out_of_array(v->members[i].state) &&
		    (!run->running || strcmp(run->listed[i], d->ref) == 0))
			return claims_finish(x, s, e);
	return err_set(e, EIO, "%s did not enter %s%s", d->dev->name, v->name,
		       run->lost ? ", which has lost more members than it can" : "");
}

static int add_spare_finish(struct exec *x, const struct step *s, struct err *e)
{
	const struct set_disk *d = step_disk(x, s);

	if (!d || !d->dev)
		return err_set(e, ENODEV, "%s is gone", s->name[0] ? s->name : s->device);
	if (d->error)
		return err_sys(e, -d->error, "%s cannot be written", d->dev->name);
	return claims_finish(x, s, e);
}

/* What is noted already stays: the words add up, but for "well". */
static int note_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct set_disk *d = step_disk(x, s);
	struct meta_edit note = edit_of(META_NOTE_DISK, "", d && d->ref[0] ? d->ref : s->ref);
	const struct meta_disk *md;
	int r = exec_work_view(x, &view, e);

	if (r < 0)
		return r;
	md = note.ref[0] ? meta_view_disk(view, note.ref) : NULL;
	if (!md)
		return err_set(e, ENODEV, "%s is no disk of the set", s->name[0] ? s->name : s->device);
	if (strcmp(s->to, "well") != 0) {
		note.predicted = md->predicted || strcmp(s->to, "predicted-failure") == 0;
		note.read_errors = md->read_errors || strcmp(s->to, "read-errors") == 0;
	}
	if (note.predicted == md->predicted && note.read_errors == md->read_errors)
		return 1;
	return exec_edit(x, &note, e);
}

/* --- built in ------------------------------------------------------------------------------------------------ */

/* The facts are edits already. A disk that stands behind though nothing is wrong with it is brought up to date. */
static int record_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct meta_set *work;
	int r = births_undo(x, e);

	(void)s;
	for (size_t i = 0; i < x->set.n_disks && r == 0; i++)
		if (x->set.disk[i]->dev && (x->set.disk[i]->torn || x->set.disk[i]->adopted))
			return exec_work(x, &work, e);
	return MIN(r, 0);
}

static int claim_prepare(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	return x->plan->dry_run ? 0 : claims_make(x, e);
}

/* The disks are closed, too: from here on they are nothing that this process may write to. */
static int release_prepare(struct exec *x, const struct step *s, struct err *e)
{
	int r = claims_drop(x, e);

	(void)s;
	if (r < 0)
		return r;
	x->env.dm->settle(x->env.dm->u);
	set_close(&x->set);
	return 0;
}

const struct step_ops step_table[STEP_OP_MAX] = {
	[STEP_ASSEMBLE] = {.prepare = step_assemble_prepare, .finish = step_assemble_finish},
	[STEP_STOP] = {.prepare = step_stop_prepare, .finish = step_stop_finish},
	[STEP_FAIL_MEMBER] = {.prepare = fail_prepare},
	[STEP_REMOVE_MEMBER] = {.prepare = remove_prepare, .finish = claims_finish},
	[STEP_READD_MEMBER] = {.prepare = readd_prepare, .finish = enter_finish},
	[STEP_ADD_SPARE] = {.prepare = add_spare_prepare, .finish = add_spare_finish},
	[STEP_TAKE_SPARE] = {.prepare = step_take_spare_prepare},
	[STEP_REMOVE_SPARE] = {.prepare = remove_spare_prepare, .finish = step_remove_spare_finish},
	[STEP_ACTIVATE_SPARE] = {.prepare = activate_prepare, .finish = enter_finish},
	[STEP_REPLACE_MEMBER] = {.prepare = step_replace_prepare, .finish = step_replace_finish},
	[STEP_COPY_BACK] = {.prepare = step_replace_prepare, .finish = step_replace_finish},
	[STEP_SCRUB] = {.finish = step_scrub_finish},
	[STEP_READ_LAST] = {.prepare = step_read_last_prepare},
	[STEP_REBUILD_SPEED] = {.prepare = step_speed_prepare},
	[STEP_NOTE_DISK] = {.prepare = note_prepare},
	[STEP_SNAPSHOT] = {.prepare = step_snapshot_prepare, .finish = step_snapshot_finish},
	[STEP_DROP_SNAPSHOT] = {.prepare = step_drop_snapshot_prepare, .finish = step_drop_snapshot_finish},
	[STEP_CREATE] = {.prepare = step_create_prepare, .finish = step_create_finish},
	[STEP_DELETE] = {.prepare = step_delete_prepare, .finish = step_delete_finish},
	[STEP_GROW] = {.prepare = step_grow_prepare, .finish = step_grow_finish},
	[STEP_RENAME] = {.prepare = step_rename_prepare, .finish = step_rename_finish},
	[STEP_DELETE_SET] = {.prepare = step_delete_set_prepare, .finish = step_delete_set_finish},
	[STEP_RESTORE] = {.prepare = step_restore_prepare, .finish = step_restore_finish},
	[STEP_RECORD] = {.prepare = record_prepare},
	[STEP_CLAIM] = {.prepare = claim_prepare},
	[STEP_RELEASE] = {.prepare = release_prepare},
};
