// SPDX-License-Identifier: GPL-2.0-or-later
/* A member that is copied while it is used: the private devices under it, data and slice, become mirrors of its disk
 * and of the one that is to replace it, and dm-raid above them notices nothing. The format knows nothing of it either:
 * until all is copied the old disk is the member, and after a cut it is that, and the new one a spare, as before. That
 * a copy runs is told by the kernel's tables alone.
 *
 * Whole is only what both mirrors call whole and well. Then the format is changed first, for both disks hold every
 * acknowledged write until the array's table names the new one; and a copy that breaks in between is taken back. The
 * mirrors are told to stop at errors (handle_errors): otherwise a sector that cannot be read is called copied. A write
 * that fails on one side then waits until the mirror is gone, so that comes before all else. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of who is listed: what a swap has left behind is none. */
static struct leg *leg_of(struct exec *x, const struct volume_run *run, unsigned slot, bool meta)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (x->leg[i].copies && x->leg[i].meta == meta && x->leg[i].slot == slot &&
		    strcmp(x->leg[i].volume, run->guid) == 0 && strcmp(x->leg[i].ref, run->listed[slot]) == 0)
			return &x->leg[i];
	return NULL;
}

static uint64_t leg_sectors(const struct meta_volume *v, bool meta)
{
	return meta ? (uint64_t)SLICE_SECTORS : v->member_sectors;
}

static struct set_disk *disk_by_number(const struct exec *x, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < x->set.n_disks; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->dev->major == major && x->set.disk[i]->dev->minor == minor)
			return x->set.disk[i];
	return NULL;
}

/* The disk that it is copied to, if that is here. */
static struct set_disk *copy_target(const struct exec *x, const struct leg *leg)
{
	return disk_by_number(x, leg->to.major, leg->to.minor);
}

/* --- looking ------------------------------------------------------------------------------------------------ */

/* Allocates nothing: it is asked while the array is suspended. */
static void look(struct exec *x, struct leg *leg)
{
	if (x->env.dm->status(x->env.dm->u, leg->name, x->dm_params, NULL) < 0 ||
	    dm_mirror_status_parse(x->dm_params, &leg->copy, NULL) < 0)
		leg->copy = (struct dm_mirror_status){.health = "UU", .total = 1};
}

/* A read error of the old disk after its last sector was copied changes nothing. */
static bool leg_whole(const struct leg *leg)
{
	const struct dm_mirror_status *s = &leg->copy;

	return s->done == s->total && s->health[1] == 'A' && (s->health[0] == 'A' || s->health[0] == 'R');
}

static bool leg_broken(const struct leg *leg)
{
	return !leg_whole(leg) && (leg->copy.health[0] != 'A' || leg->copy.health[1] != 'A');
}

static bool copy_whole(struct exec *x, const struct volume_run *run, unsigned slot)
{
	struct leg *data = leg_of(x, run, slot, false), *meta = leg_of(x, run, slot, true);

	if (!data || !meta)
		return false;
	look(x, data);
	look(x, meta);
	return leg_whole(data) && leg_whole(meta);
}

bool copied(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot)
{
	const struct leg *data = leg_of(x, run, slot, false);
	const struct set_disk *to = data ? copy_target(x, data) : NULL;

	return run->running && to && !to->error && strcmp(to->ref, v->members[slot].ref) == 0 &&
	       copy_whole(x, run, slot);
}

bool copies_hold(struct exec *x, const struct volume_run *run)
{
	for (unsigned i = 0; i < META_SLOTS_MAX; i++)
		if (run->entered_copied[i] && !copy_whole(x, run, i))
			return false;
	return true;
}

json_t *copies_state(struct exec *x, const struct volume_run *run)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < x->n_legs; i++) {
		const struct leg *leg = &x->leg[i];
		const struct set_disk *to = leg->copies && !leg->meta ? copy_target(x, leg) : NULL;

		if (to && strcmp(leg->volume, run->guid) == 0 && strcmp(leg->ref, run->listed[leg->slot]) == 0)
			json_array_append_new(list, json_pack("{s:i,s:s,s:I,s:I}", "slot", (int)leg->slot, "to",
							      to->device.id, "done", (json_int_t)leg->copy.done,
							      "total", (json_int_t)leg->copy.total));
	}
	return list;
}

/* --- making and ending --------------------------------------------------------------------------------------- */

int leg_point(struct exec *x, const struct leg *leg, const struct dm_target *t, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r;

	exec_mark(x, "leg load");
	r = dm->load(dm->u, leg->name, t, 1, false, e);
	if (r < 0) {
		dm->clear(dm->u, leg->name, NULL);
		return r;
	}
	exec_mark(x, "leg suspend");
	r = dm->suspend(dm->u, leg->name, DM_PRIVATE, e);
	if (r == 0)
		r = dm->resume(dm->u, leg->name, DM_PRIVATE, e);
	if (r < 0 && swap_back_out(x, leg->name) < 0)
		log_error("%s is suspended and cannot be resumed", leg->name);
	return r;
}

/* A disk that was removed has no number any more that a table could name, unless the live one holds it. */
static int leg_end(struct exec *x, const struct meta_volume *v, struct leg *leg, struct err *e)
{
	struct dm_target *t = &x->target[0];
	int r;

	dm_linear_print(leg->disk_major, leg->disk_minor, leg->start, leg_sectors(v, leg->meta), t);
	r = leg_point(x, leg, t, e);
	if (r < 0 && !disk_by_number(x, leg->disk_major, leg->disk_minor)) {
		dm_error_print(leg_sectors(v, leg->meta), t);
		r = leg_point(x, leg, t, e);
	}
	if (r == 0 || r == -ENXIO)
		leg->copies = false;
	return r == -ENXIO ? 0 : r;
}

int copy_end(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e)
{
	const struct volume_run *run = exec_run(x, v->guid);
	int first = 0;

	if (!run)
		return 0;

	for (int meta = 0; meta < 2; meta++) {
		struct leg *leg = leg_of(x, run, slot, meta);
		int r = leg ? leg_end(x, v, leg, first ? NULL : e) : 0;

		first = first ? first : r;
	}
	return first;
}

int copies_end_to(struct exec *x, const struct set_disk *to, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_legs && r == 0; i++) {
		const struct leg *leg = &x->leg[i];
		const struct meta_volume *v = exec_volume(x, leg->volume);

		if (leg->copies && v && copy_target(x, leg) == to)
			r = copy_end(x, v, leg->slot, e);
	}
	return r;
}

/* The leg's disk goes on as it is; every write goes to the other, too, and what was there before is copied. */
static int leg_begin(struct exec *x, const struct meta_volume *v, struct leg *leg, const struct set_disk *to,
		     uint64_t start, struct err *e)
{
	const struct dm_mirror_side side[2] = {{leg->disk_major, leg->disk_minor, leg->start},
					       {to->dev->major, to->dev->minor, start}};
	struct dm_target *t = &x->target[0];
	int r;

	dm_mirror_print(side, leg_sectors(v, leg->meta), t);
	r = leg_point(x, leg, t, e);
	if (r < 0)
		return r;
	leg->copies = true;
	leg->to = side[1];
	look(x, leg);
	return 0;
}

/* Where the disk's part of the volume will be, by the format itself. *ret is the caller's. */
static int view_replaced(struct exec *x, const struct meta_volume *v, unsigned slot, const struct set_disk *to,
			 struct meta_view **ret, struct err *e)
{
	struct meta_edit edit = {.op = META_REPLACE, .slot = slot};
	struct meta_set *clone = x->set.format->set_clone(x->set.meta);
	int r;

	if (!clone)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(edit.volume, v->guid, sizeof(edit.volume));
	memcpy(edit.ref, to->ref, sizeof(edit.ref));
	r = x->set.format->edit(clone, &edit, e);
	if (r == 0)
		r = x->set.format->set_view(clone, ret, e);
	x->set.format->set_free(clone);
	return r;
}

static int copy_begin(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot,
		      struct set_disk *to, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *after;
	struct leg *data = NULL, *meta = NULL;
	int r = view_replaced(x, v, slot, to, &view, e);

	for (size_t i = 0; i < x->n_legs; i++)
		if (x->leg[i].slot == slot && strcmp(x->leg[i].volume, v->guid) == 0 &&
		    strcmp(x->leg[i].ref, run->listed[slot]) == 0)
			*(x->leg[i].meta ? &meta : &data) = &x->leg[i];
	if (r < 0)
		return r;
	if (!data || !meta)
		return err_set(e, ENODEV, "slot %u of %s has no devices of ours", slot, v->name);
	after = meta_view_volume(view, v->guid);
	r = slice_for_copy(x, after, slot, e);
	if (r == 0)
		r = leg_begin(x, v, meta, to, set_slice_sector(to, (unsigned)set_bay_of(to, v->guid)), e);
	if (r == 0)
		r = leg_begin(x, v, data, to, after->members[slot].offset, e);
	if (r < 0)
		copy_end(x, v, slot, NULL);
	return r;
}

/* --- what the format is told ----------------------------------------------------------------------------------- */

static int edit_disk(struct exec *x, const char *ref, enum member_state state, struct err *e)
{
	struct meta_edit edit = {.op = META_SET_DISK, .state = state};

	snprintf(edit.ref, sizeof(edit.ref), "%s", ref);
	return exec_edit(x, &edit, e);
}

static int edit_slot(struct exec *x, const char *volume, unsigned slot, const char *ref, enum meta_edit_op op,
		     struct err *e)
{
	struct meta_edit edit = {.op = op, .slot = slot};

	snprintf(edit.volume, sizeof(edit.volume), "%s", volume);
	snprintf(edit.ref, sizeof(edit.ref), "%s", ref);
	return exec_edit(x, &edit, e);
}

static bool serves_elsewhere(const struct exec *x, const char *volume, const char *ref)
{
	for (size_t i = 0; i < x->set.view->n_volumes; i++)
		for (unsigned k = 0; k < x->set.view->volumes[i].slots; k++)
			if (strcmp(x->set.view->volumes[i].guid, volume) != 0 &&
			    strcmp(x->set.view->volumes[i].members[k].ref, ref) == 0)
				return true;
	return false;
}

/* The disk that was replaced is none to be taken again by itself, but for a spare that stood in. */
static int edit_format(struct exec *x, const struct meta_volume *v, unsigned slot, const struct set_disk *to,
		       struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const char *old = v->members[slot].ref;
	const struct meta_disk *md;
	bool again = false;
	int r = exec_work_view(x, &view, e);

	if (r == 0) {
		md = meta_view_disk(view, old);
		again = md && md->stands_in;
		r = edit_slot(x, v->guid, slot, to->ref, META_REPLACE, e);
	}

	if (r < 0 || serves_elsewhere(x, v->guid, old))
		return r;
	return again ? edit_slot(x, "", 0, old, META_SPARE_AGAIN, e) : edit_disk(x, old, MEMBER_FAILED, e);
}

static int edit_replaced(struct exec *x, const struct meta_volume *v, const struct leg *leg, struct set_disk *to,
			 struct err *e)
{
	const struct set_disk *from = set_disk_by_ref(&x->set, leg->ref);
	int bay = from ? set_bay_of(from, v->guid) : -1, own = set_bay_of(to, v->guid);
	int r = edit_format(x, v, leg->slot, to, e);

	/* Its slice is the old one's, word for word. */
	if (r == 0 && bay >= 0 && own >= 0) {
		to->bay[own].stamp.epoch = from->bay[bay].stamp.epoch;
		to->bay[own].stamp.emptied = from->bay[bay].stamp.emptied;
	}
	return r;
}

int copies_edit(struct exec *x, const struct volume_run *run, const struct meta_volume *v, struct err *e)
{
	int n = 0, r;

	for (unsigned i = 0; i < v->slots && run->running; i++) {
		const struct leg *data = leg_of(x, run, i, false);
		struct set_disk *to = data ? copy_target(x, data) : NULL;

		if (!to || v->members[i].state != MEMBER_IN_SYNC || strcmp(v->members[i].ref, data->ref) != 0 ||
		    run->status.health[i] != 'A' || run->seen_failed[i] || !set_disk_current(to) ||
		    !copy_whole(x, run, i))
			continue;
		r = edit_replaced(x, v, data, to, e);
		if (r < 0)
			return r;
		log_notice("%s: slot %u is copied, disk %s takes the place of %s", v->name, i, to->ref, data->ref);
		n++;
	}
	return n;
}

/* The format names the new disk already, but its copy did not last until the table did: the old one has all. */
static int take_back(struct exec *x, const struct meta_volume *v, const struct leg *leg, struct err *e)
{
	struct set_disk *from = set_disk_by_ref(&x->set, leg->ref), *to = copy_target(x, leg);
	int r;

	if (!from || !from->dev || from->error)
		return 0;
	log_warning("%s: the copy of slot %u broke, disk %s stays its member", v->name, leg->slot, leg->ref);
	from->adopted = true;
	r = edit_disk(x, leg->ref, MEMBER_IN_SYNC, e);
	if (r == 0)
		r = edit_slot(x, v->guid, leg->slot, leg->ref, META_REPLACE, e);
	if (r == 0 && to && to->error)
		r = edit_disk(x, to->ref, MEMBER_FAILED, e);
	return r < 0 ? r : commit(x, e);
}

/* Members that may still be lost once the slot's is out. */
static bool redundancy_without(const struct meta_volume *v, unsigned slot)
{
	bool in_sync[META_SLOTS_MAX];

	for (unsigned i = 0; i < v->slots; i++)
		in_sync[i] = i != slot && v->members[i].state == MEMBER_IN_SYNC;
	for (unsigned i = 0; i < v->slots; i++) {
		bool was = in_sync[i];

		in_sync[i] = false;
		if (!raid_runnable(v->level, in_sync, v->slots))
			return false;
		in_sync[i] = was;
	}
	return true;
}

/* The old disk cannot be read everywhere. Where redundancy is left without it, the new one is rebuilt from the others.
 */
static int rebuild_instead(struct exec *x, const struct meta_volume *v, const struct leg *leg, const char *to,
			   struct err *e)
{
	int r;

	if (!redundancy_without(v, leg->slot) || needed_elsewhere(x, x->set.view, v->guid, leg->ref))
		return 0;
	r = exec_edit_member(x, v->guid, leg->slot, MEMBER_FAILED, e);
	if (r == 0)
		r = edit_slot(x, v->guid, leg->slot, to, META_ASSIGN, e);
	return r < 0 ? r : commit(x, e);
}

/* --- what breaks a copy ---------------------------------------------------------------------------------------- */

/* Why the copy cannot go on, or NULL. */
static const char *trouble(struct exec *x, const struct meta_volume *v, struct leg *data, struct leg *meta)
{
	const struct set_disk *from = set_disk_by_ref(&x->set, data->ref), *to = copy_target(x, data);
	const struct meta_member *m = &v->members[data->slot];

	if (!to || to->error)
		return "the new disk is gone";
	if (!meta)
		return "it was not begun in full";
	look(x, data);
	look(x, meta);
	if (data->copy.health[1] != 'A' || meta->copy.health[1] != 'A')
		return "the new disk cannot be written";
	if (leg_broken(data) || leg_broken(meta))
		return strchr("SR", data->copy.health[0]) || strchr("SR", meta->copy.health[0])
			       ? "it cannot be read everywhere"
			       : "it fails";
	if (strcmp(m->ref, to->ref) == 0)
		return m->state == MEMBER_IN_SYNC ? NULL : "the new disk could not be recorded";
	if (!from || !from->dev)
		return "it is gone";
	if (strcmp(m->ref, data->ref) != 0 || m->state != MEMBER_IN_SYNC)
		return "its slot is another disk's by now";
	return NULL;
}

static int settle_one(struct exec *x, struct volume_run *run, struct leg *data, struct leg *meta, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	struct set_disk *to = copy_target(x, data);
	const struct leg was = *data;
	const char *why = trouble(x, v, data, meta);
	int r = 0;

	if (!why)
		return 0;
	log_warning("%s: the copy of slot %u ends: %s", v->name, was.slot, why);
	snprintf(run->copy_ended, sizeof(run->copy_ended), "%s", why);
	if (to && strcmp(v->members[was.slot].ref, to->ref) == 0)
		r = take_back(x, v, &was, e);
	if (r == 0)
		r = copy_end(x, exec_volume(x, run->guid), was.slot, e);
	if (r == 0 && to && set_disk_current(to) && strcmp(why, "it cannot be read everywhere") == 0)
		r = rebuild_instead(x, exec_volume(x, run->guid), &was, to->ref, e);
	return r;
}

int copies_settle(struct exec *x, struct volume_run *run, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < META_SLOTS_MAX && run->running && r >= 0; i++) {
		struct leg *data = leg_of(x, run, i, false), *meta = leg_of(x, run, i, true);
		const struct meta_volume *v = exec_volume(x, run->guid); /* a commit makes it anew */

		if (!v || i >= v->slots)
			break;
		if (data)
			r = settle_one(x, run, data, meta, e);
		else if (meta) /* half begun, or half ended */
			r = copy_end(x, v, i, e);
	}
	return r;
}

/* --- the step ---------------------------------------------------------------------------------------------------- */

/* What becomes of the member once it is copied is written down before the copy begins. */
static int stand_in(struct exec *x, const struct meta_view *view, const char *ref, bool back, struct err *e)
{
	struct meta_edit edit = {.op = META_STAND_IN, .clean = back};
	const struct meta_disk *md = meta_view_disk(view, ref);

	if (!md || md->stands_in == back)
		return 0;
	snprintf(edit.ref, sizeof(edit.ref), "%s", ref);
	return exec_edit(x, &edit, e);
}

/* Another member of the volume is being copied to the disk, where it has one place for the volume. */
static bool target_taken(const struct exec *x, const char *volume, unsigned slot, const struct set_disk *to)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (x->leg[i].copies && x->leg[i].slot != slot && strcmp(x->leg[i].volume, volume) == 0 &&
		    copy_target(x, &x->leg[i]) == to)
			return true;
	return false;
}

int step_replace_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	struct volume_run *run = v ? exec_run(x, v->guid) : NULL;
	const struct set_disk *to = set_disk_by_id(&x->set, s->by);
	const struct leg *runs;
	int slot, r;

	if (!run)
		return -ENOENT;
	if (!run->running || run->read_only)
		return err_set(e, ENODEV, "%s is not running: a member is copied while it runs", v->name);
	/* Whoever has the slot by now, the copy is what was asked for. */
	for (unsigned i = 0; to && to->ref[0] && !s->undo && i < v->slots; i++)
		if (strcmp(v->members[i].ref, to->ref) == 0)
			return 1;
	slot = step_slot(x, s, v, e);
	if (slot < 0)
		return slot;
	runs = leg_of(x, run, (unsigned)slot, false);
	if (s->undo)
		return !runs;
	if (runs)
		return copy_target(x, runs) == to
			       ? 1
			       : err_set(e, EBUSY, "slot %d of %s is being copied already", slot, v->name);
	if (v->level == RAID0 || v->members[slot].state != MEMBER_IN_SYNC)
		return err_set(e, EINVAL, "slot %d of %s cannot be copied", slot, v->name);
	if (!to || !to->dev || to->error)
		return err_set(e, ENODEV, "%s is not here", s->by_name[0] ? s->by_name : s->by);
	if (target_taken(x, v->guid, (unsigned)slot, to))
		return err_set(e, EBUSY, "another member of %s is being copied to %s", v->name, to->dev->name);
	r = stand_in(x, view, v->members[slot].ref, s->op == STEP_COPY_BACK, e);
	return r < 0 || !x->plan->dry_run || !to->ref[0] ? r : edit_format(x, v, (unsigned)slot, to, e);
}

int step_replace_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = exec_run(x, x->plan->volume);
	const struct meta_volume *v = exec_volume(x, x->plan->volume);
	struct set_disk *to = set_disk_by_id(&x->set, s->by);
	int slot, r;

	if (!run || !v || !run->running)
		return err_set(e, ENODEV, "%s is not running", v ? v->name : x->plan->volume);
	for (unsigned i = 0; to && to->ref[0] && !s->undo && i < v->slots; i++)
		if (strcmp(v->members[i].ref, to->ref) == 0)
			return 0;
	slot = step_slot(x, s, v, e);
	if (slot < 0)
		return slot;
	if (s->undo)
		return copy_end(x, v, (unsigned)slot, e);
	if (leg_of(x, run, (unsigned)slot, false))
		return 0;
	if (!to || !to->dev || !set_disk_current(to) || !to->view)
		return err_set(e, ENODEV, "%s is no disk of the set that could be used",
			       s->by_name[0] ? s->by_name : s->by);
	if (v->members[slot].state != MEMBER_IN_SYNC || strcmp(run->listed[slot], v->members[slot].ref) != 0)
		return err_set(e, EAGAIN, "%s, slot %d of %s, has failed", s->name[0] ? s->name : s->device, slot,
			       v->name);
	run->copy_ended[0] = '\0';
	r = copy_begin(x, run, v, (unsigned)slot, to, e);
	return r < 0 && to->error ? err_sys(e, -to->error, "%s failed while it was prepared", to->dev->name) : r;
}
