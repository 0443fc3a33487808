// SPDX-License-Identifier: GPL-2.0-or-later
/* Facts into the format, then the kernel's table after the format. Recording is not policy: nothing here asks a rule.
 * The same few steps serve a failure that the kernel found, a disk that is gone, a member that a person failed, a spare
 * that enters, and a rebuild that ended; and they can be cut and begun again anywhere. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS_MAX = 5 };

#define PULLED_NS (10 * NS_PER_SEC) /* from a pulled disk's first I/O error to the end of the disk */

/* --- what the kernel says --------------------------------------------------------------------------------- */

/* Reads "raid5_ls 2 128 rebuild 1 4 254:1 254:0 - - .." into the disks' references by slot. */
static int read_listed(struct exec *x, struct volume_run *run, struct err *e)
{
	unsigned n_args, slots, major, minor;
	const char *p = run->table;
	int n;

	memset(run->listed, 0, sizeof(run->listed));
	if (sscanf(p, "%*s %u%n", &n_args, &n) != 1)
		return err_set(e, EBADMSG, "the table of %s makes no sense: %.60s", run->dm, run->table);
	for (p += n; n_args > 0; n_args--) {
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	if (sscanf(p, "%u%n", &slots, &n) != 1 || slots > META_SLOTS_MAX)
		return err_set(e, EBADMSG, "the table of %s makes no sense: %.60s", run->dm, run->table);
	p += n;
	for (unsigned i = 0; i < slots; i++) {
		const struct leg *leg;
		char dev[32];

		if (sscanf(p, " %*s %31s%n", dev, &n) != 1)
			return err_set(e, EBADMSG, "the table of %s names %u members, but not all", run->dm, slots);
		p += n;
		if (sscanf(dev, "%u:%u", &major, &minor) != 2)
			continue;
		leg = leg_by_number(x, major, minor);
		if (!leg)
			return err_set(e, EBADMSG, "slot %u of %s is on %s, which is no device of ours", i, run->dm,
				       dev);
		memcpy(run->listed[i], leg->ref, sizeof(run->listed[i]));
	}
	return 0;
}

/* Its device, if there is one and it is ours: 1, else 0. An earlier process may have died in the middle of a swap. */
int run_find(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char uuid[DM_UUID_LEN_MAX + 1];
	int r;

	run->running = false;
	r = layer_find(x, run, e);
	if (r < 0 || !run->info.exists)
		return r;
	snprintf(uuid, sizeof(uuid), "SPARED-%s-%s%s", x->set.format->name, run->guid, run->layered ? "-real" : "");
	if (strcmp(run->info.uuid, uuid) != 0)
		return 0;
	if (run->info.inactive_table || (run->info.suspended && run->info.live_table)) {
		r = swap_recover(x, run, e);
		if (r == 0)
			r = dm->info(dm->u, run->dm, &run->info, e);
	}
	return r < 0 ? r : run->info.live_table;
}

int run_read(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r = run_find(x, run, e);
	char type[16];

	if (r <= 0 || !exec_volume(x, run->guid))
		return r < 0 ? r : 0;
	r = dm->status(dm->u, run->dm, x->dm_params, e);
	if (r == 0)
		r = dm_raid_status_parse(x->dm_params, &run->status, e);
	if (r == 0)
		r = dm->target(dm->u, run->dm, type, &run->sectors, e);
	if (r == 0)
		r = dm->table(dm->u, run->dm, run->table, e);
	if (r == 0)
		r = read_listed(x, run, e);
	if (r == 0)
		r = snapshots_read(x, run, e);
	if (r < 0)
		return r;
	options_read(run);
	/* What was added to it is resynced as if a person had asked for a repair from there on (raid_preresume). */
	if (run->status.action == DM_REPAIR && !exec_volume(x, run->guid)->initialised &&
	    !slices_owed(x, exec_volume(x, run->guid)))
		run->status.action = DM_RESYNC;
	run->running = true;
	run->read_only = run->info.read_only;
	return 0;
}

/* --- facts --------------------------------------------------------------------------------------------------- */

/* The disk that the table lists in the slot is not the one that is here under that reference. */
static bool listed_gone(const struct exec *x, const struct volume_run *run, unsigned slot)
{
	const struct set_disk *d = set_disk_by_ref(&x->set, run->listed[slot]);
	const struct leg *leg = leg_find(x, run->guid, slot, run->listed[slot], false);

	return !d || !d->dev || !leg || leg->disk_major != d->dev->major || leg->disk_minor != d->dev->minor;
}

/* A disk that fails because it was pulled may be back soon, with all but the last writes: it is missing, not failed. */
enum member_state fallen_state(const struct exec *x, struct set_disk *d)
{
	if (d->dev && d->dev->gone && d->dev->gone(d->dev))
		return MEMBER_MISSING;
	d->fell = exec_now(x);
	return MEMBER_FAILED;
}

/* The disk fails I/O before the kernel itself knows that it is gone: what failed a moment ago was being pulled. */
static bool was_pulled(const struct exec *x, const struct set_disk *d)
{
	return d && !d->dev && d->fell && exec_now(x) - d->fell < PULLED_NS;
}

/* The kernel has made the member whole. Beside one that it failed the status is not to be trusted (raid_status shows
 * 'A' for a moment, whatever it recovers); the superblock is, for md writes the failure and the recovery into it before
 * the next write is acknowledged. */
static bool rebuilt(const struct volume_run *run, const struct meta_volume *v, unsigned slot, struct set_disk *d)
{
	int bay;

	if (run->status.health[slot] != 'A' || run->status.action != DM_IDLE)
		return false;
	if (dm_raid_settled(&run->status))
		return true;
	if (set_slice_refresh(d, v->guid) < 0)
		return false;
	bay = set_bay_of(d, v->guid);
	/* One event alone: the slice of a return by bitmap, as we wrote it. */
	return d->bay[bay].super_status == 0 && d->bay[bay].super.events > 1 &&
	       d->bay[bay].super.recovery_offset == UINT64_MAX;
}

/* What the slot's state has become, as against the format's; the same: no fact. */
static enum member_state found_state(struct exec *x, const struct volume_run *run, const struct meta_volume *v,
				     unsigned slot)
{
	enum member_state state = v->members[slot].state;
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	bool here = d && d->dev, listed = strcmp(run->listed[slot], v->members[slot].ref) == 0;
	bool copy = !listed && state == MEMBER_IN_SYNC && copied(x, run, v, slot);

	if (state == MEMBER_FAILED && was_pulled(x, d))
		return MEMBER_MISSING;
	if (state != MEMBER_IN_SYNC && state != MEMBER_REBUILDING)
		return state;
	if (!here || (listed && listed_gone(x, run, slot)))
		return MEMBER_MISSING;
	if (d->error || ((listed || copy) && (run->seen_failed[slot] || run->status.health[slot] == 'D')))
		return fallen_state(x, d);
	/* In sync by the format, yet the table runs without it: it has missed writes. */
	if (!listed && !copy && state == MEMBER_IN_SYNC)
		return MEMBER_FAILED;
	if (listed && state == MEMBER_REBUILDING && rebuilt(run, v, slot, d))
		return MEMBER_IN_SYNC;
	return state;
}

/* What is failed for the format is not missing by that alone. */
static int edit_found(struct exec *x, const struct meta_volume *v, unsigned slot, enum member_state found,
		      struct err *e)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	struct meta_edit disk = {.op = META_SET_DISK, .state = MEMBER_IN_SYNC};
	int r = 0;

	memcpy(disk.ref, v->members[slot].ref, sizeof(disk.ref));
	if (v->members[slot].state == MEMBER_FAILED) {
		d->fell = 0; /* whoever fails it from now on means it */
		r = exec_edit(x, &disk, e);
	}
	return r < 0 ? r : exec_edit_member(x, v->guid, slot, found, e);
}

bool kernel_failed(const struct exec *x, const struct meta_volume *v, unsigned slot)
{
	for (size_t i = 0; i < x->n_runs; i++) {
		const struct volume_run *run = x->run[i];

		if (strcmp(run->guid, v->guid) == 0 && strcmp(run->listed[slot], v->members[slot].ref) == 0)
			return run->seen_failed[slot] || (run->running && run->status.health[slot] == 'D');
	}
	return false;
}

bool needed_elsewhere(const struct exec *x, const struct meta_view *view, const char *volume, const char *ref)
{
	for (size_t i = 0; i < view->n_volumes; i++) {
		const struct meta_volume *v = &view->volumes[i];
		bool with[META_SLOTS_MAX], without[META_SLOTS_MAX];

		for (unsigned k = 0; k < v->slots; k++) {
			with[k] = v->members[k].state == MEMBER_IN_SYNC && !kernel_failed(x, v, k);
			without[k] = with[k] && strcmp(v->members[k].ref, ref) != 0;
		}
		if (strcmp(v->guid, volume) != 0 && raid_runnable(v->level, with, v->slots) &&
		    !raid_runnable(v->level, without, v->slots))
			return true;
	}
	return false;
}

/* What can be said of this volume alone. Returns how many facts that are. */
static int sayable(struct exec *x, const struct meta_volume *v, enum member_state *found, int n, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	int r = n > 0 && x->set.view->n_volumes > 1 ? exec_work_view(x, &view, e) : 0;

	for (unsigned i = 0; r == 0 && view && i < v->slots; i++) {
		if (found[i] == v->members[i].state || (found[i] != MEMBER_FAILED && found[i] != MEMBER_MISSING) ||
		    !needed_elsewhere(x, view, v->guid, v->members[i].ref))
			continue;
		n -= v->members[i].state == MEMBER_REBUILDING;
		found[i] = MEMBER_REBUILDING;
	}
	return r < 0 ? r : n;
}

/* The first resync of a volume has ended: md says so in the superblocks when all of it is in sync. */
static bool redundancy_made(struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	if (v->initialised || v->level == RAID0 || slices_owed(x, v) || run->sectors != v->sectors ||
	    run->status.action != DM_IDLE || !dm_raid_settled(&run->status))
		return false;
	for (unsigned i = 0; i < v->slots; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		const struct bay *b;

		if (v->members[i].state != MEMBER_IN_SYNC || !d || !d->dev || set_slice_refresh(d, v->guid) < 0)
			return false;
		b = &d->bay[set_bay_of(d, v->guid)];
		/* Of the old size: what was added is not known to it yet. */
		if (b->super_status < 0 || b->super.resync_offset != UINT64_MAX ||
		    b->super.sectors != v->member_sectors)
			return false;
	}
	return true;
}

int facts_edit(struct exec *x, struct volume_run *run, bool *lost, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	enum member_state found[META_SLOTS_MAX] = {0};
	bool in_sync[META_SLOTS_MAX] = {0};
	int n = 0, r;

	*lost = false;
	if (!run->running || run->read_only)
		return 0;
	for (unsigned i = 0; i < v->slots; i++) {
		found[i] = found_state(x, run, v, i);
		in_sync[i] = found[i] == MEMBER_IN_SYNC;
		n += found[i] != v->members[i].state;
	}
	if (!raid_runnable(v->level, in_sync, v->slots)) {
		*lost = true;
		return 0;
	}
	n = sayable(x, v, found, n, e);
	for (unsigned i = 0; i < v->slots && n > 0; i++) {
		if (found[i] == v->members[i].state)
			continue;
		r = edit_found(x, v, i, found[i], e);
		if (r < 0)
			return r;
		log_notice("%s: slot %u (disk %s) is %s", v->name, i, v->members[i].ref, member_words[found[i]]);
	}
	if (n == 0 && redundancy_made(x, run, v)) {
		struct meta_edit made = {.op = META_SET_INITIALISED, .clean = true};

		memcpy(made.volume, v->guid, sizeof(made.volume));
		r = exec_edit(x, &made, e);
		return r < 0 ? r : 1;
	}
	return n;
}

/* --- the table that the format asks for ------------------------------------------------------------------ */

/* Listed: in sync or rebuilding by the format, its disk here and up to date, and the kernel has not failed it. */
static bool wanted(const struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot)
{
	const struct meta_member *m = &v->members[slot];
	const struct set_disk *d = set_disk_by_ref(&x->set, m->ref);

	if ((m->state != MEMBER_IN_SYNC && m->state != MEMBER_REBUILDING) || !d || !set_disk_current(d))
		return false;
	return !(run->seen_failed[slot] && strcmp(run->listed[slot], m->ref) == 0);
}

static bool stays(const struct volume_run *run, const struct meta_volume *v, unsigned slot)
{
	return run->running && strcmp(run->listed[slot], v->members[slot].ref) == 0;
}

/* A disk that fails while it enters is a fact like any other: the next round records it. */
static int enter_failed(struct set_disk *d, int r)
{
	_cleanup_(freep) void *buf = blockio_alloc(4096);

	if (!d->error && buf)
		d->error = d->dev->read(d->dev, 0, buf, 4096);
	return d->error ? -EAGAIN : r;
}

/* Its slice, then its devices. Before a dry run's table there is nothing to make: numbers stand for the names. */
static int slot_target(struct exec *x, struct volume_run *run, const struct meta_volume *v, unsigned slot, bool make,
		       struct dm_raid_slot *ret, struct err *e)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	const struct leg *data = leg_find(x, v->guid, slot, d->ref, false),
			 *meta = leg_find(x, v->guid, slot, d->ref, true);
	bool enters = run->running && !stays(run, v, slot);
	/* Nobody else comes in as whole. */
	bool copy = enters && v->members[slot].state == MEMBER_IN_SYNC;
	int r = 0;

	if (stays(run, v, slot) && data && (meta || v->level == RAID0)) {
		*ret = (struct dm_raid_slot){.listed = true, .data_major = data->major, .data_minor = data->minor};
		if (meta) {
			ret->meta_major = meta->major;
			ret->meta_minor = meta->minor;
		}
		return 0;
	}
	if (!make) {
		*ret = (struct dm_raid_slot){.listed = true, .data_major = SHOWN_MAJOR, .data_minor = 2 * slot};
		if (v->level != RAID0) {
			ret->meta_major = SHOWN_MAJOR;
			ret->meta_minor = 2 * slot + 1;
		}
		ret->rebuild = enters ? !copy && !run->by_bitmap[slot] : run->rebuild[slot];
		return 0;
	}
	run->entered_copied[slot] = copy;
	if (copy && !copied(x, run, v, slot))
		return err_set(e, EAGAIN, "%s: the copy of slot %u broke", v->name, slot);
	if (enters && !copy)
		r = slice_enter(x, v, slot, run->by_bitmap[slot], e);
	if (r == 0)
		r = legs_make(x, run, v, slot, v->level == RAID0 ? -1 : set_bay_of(d, v->guid), ret, e);
	if (r < 0)
		return enter_failed(d, r);
	ret->rebuild = enters ? !copy && !run->by_bitmap[slot] : run->rebuild[slot];
	return 0;
}

/* As long as the format says, unless what is new could not be resynced with this table. */
static uint64_t table_sectors(const struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	if (run->running)
		return grow_due(x, run, v) ? v->sectors : run->sectors;
	return x->start && x->start->sectors ? x->start->sectors : v->sectors;
}

int target_build(struct exec *x, struct volume_run *run, const struct meta_volume *v, bool make, struct dm_target *ret,
		 struct err *e)
{
	struct dm_raid_slot slot[META_SLOTS_MAX] = {0};
	struct dm_raid_table t = {.sectors = table_sectors(x, run, v),
				  .chunk = v->chunk,
				  .min_rate = run->want.min_rate,
				  .max_rate = run->want.max_rate,
				  .slots = v->slots,
				  .slot = slot};
	int r;

	if (v->level == RAID_UNSUPPORTED || dm_raid_type_of(raid_level_number(v->level), v->layout, &t.type) < 0)
		return err_set(e, ENOTSUP, "%s: device-mapper cannot run it: %s", v->name, v->unsupported);
	for (unsigned i = 0; i < v->slots; i++) {
		if (!wanted(x, run, v, i))
			continue;
		r = slot_target(x, run, v, i, make, &slot[i], e);
		if (r < 0)
			return r;
		slot[i].read_last = run->want.read_last[i] && (!run->running || stays(run, v, i));
	}
	return dm_raid_table_print(&t, ret, e);
}

void target_show(const struct exec *x, const char *params, struct buf *out)
{
	for (const char *p = params; *p;) {
		size_t n = strcspn(p, " ");
		unsigned major, minor;
		const struct leg *leg = NULL;
		int used = 0;

		if (sscanf(p, "%u:%u%n", &major, &minor, &used) == 2 && (size_t)used == n) {
			leg = leg_by_number(x, major, minor);
			if (leg)
				buf_add(out, leg->name);
			else if (major == SHOWN_MAJOR)
				buf_addf(out, "new-%s%u", minor % 2 ? "meta" : "leg", minor / 2);
			else
				buf_addn(out, p, n);
		} else {
			buf_addn(out, p, n);
		}
		p += n;
		if (*p == ' ') {
			buf_addc(out, ' ');
			p++;
		}
	}
}

/* --- one volume ------------------------------------------------------------------------------------------------ */

static bool table_differs(const struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	for (unsigned i = 0; i < v->slots; i++)
		if (strcmp(run->listed[i], wanted(x, run, v, i) ? v->members[i].ref : "") != 0)
			return true;
	return options_differ(run) || grow_due(x, run, v);
}

/* Beyond redundancy the metadata stay at the last state that could run, and so does the table. */
static void report_lost(struct exec *x, struct volume_run *run, const struct meta_volume *v)
{
	if (!run->lost)
		log_error("%s has lost more members than it can: nothing is written any more", v->name);
	run->lost = true;
	tell_changes(x, run);
}

/* Facts of one round, written and told. 1: go on, 0: beyond redundancy. */
static int record(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	bool lost;
	int n = facts_edit(x, run, &lost, e), settled;

	if (n >= 0 && lost) {
		report_lost(x, run, v);
		return 0;
	}
	if (n >= 0)
		n = copies_edit(x, run, v, e);
	if (n < 0)
		return n;
	run->lost = false;
	n = commit(x, e);
	/* A disk that a copy goes to, and that failed just now, gets no second chance as that. */
	settled = copies_settle(x, run, n < 0 ? NULL : e);
	if (n < 0 || settled < 0)
		return n < 0 ? n : settled;
	/* Before the take-out swap: a rule can put a spare in while it runs. */
	tell_changes(x, run);
	return 1;
}

/* Members that the old table listed and the new one does not. */
static void drop_leavers(struct exec *x, const struct volume_run *run, char before[][META_REF_MAX])
{
	for (unsigned i = 0; i < META_SLOTS_MAX; i++) {
		if (!before[i][0] || strcmp(before[i], run->listed[i]) == 0)
			continue;
		legs_drop(x, run->guid, i, before[i]);
		slice_invalidate(x, run->guid, before[i]);
	}
}

static int follow(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	char before[META_SLOTS_MAX][META_REF_MAX];
	int64_t begin = exec_now(x);
	int r;

	memcpy(before, run->listed, sizeof(before));
	for (unsigned i = 0; i < v->slots; i++) /* it was about the disk, not about the slot */
		run->want.read_last[i] = run->want.read_last[i] && stays(run, v, i);
	run->repair_asked = false;
	run->scrub_cut = run->scrub_cut || run->status.action == DM_CHECK || run->status.action == DM_REPAIR;
	r = grow_due(x, run, v) ? legs_grow(x, v, e) : 0;
	if (r == 0)
		r = target_build(x, run, v, true, &x->target[1], e);
	x->timing.enter += (exec_now(x) - begin) / NS_PER_US;
	if (r == 0)
		r = swap(x, run, &x->target[1], e);
	if (r < 0)
		return r;
	memset(run->seen_failed, 0, sizeof(run->seen_failed));
	memset(run->by_bitmap, 0, sizeof(run->by_bitmap));
	memset(run->entered_copied, 0, sizeof(run->entered_copied));
	r = run_read(x, run, e);
	if (r == 0) {
		drop_leavers(x, run, before);
		tell_changes(x, run);
	}
	return r;
}

/* A recording that another plan follows at once leaves its swap to that one: one load and one suspension for both. Only
 * where nobody has to come in, and the kernel does without those who leave already: it would go on acknowledging what
 * only one that is failed for the format has. */
static bool may_wait(const struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	for (size_t i = 0; i < x->plan->n_steps; i++)
		if (!x->plan->step[i].table_later)
			return false;
	for (unsigned i = 0; i < v->slots; i++) {
		bool in = wanted(x, run, v, i), listed = run->listed[i][0];

		if ((in && !stays(run, v, i)) || (!in && listed && run->status.health[i] != 'D'))
			return false;
	}
	return true;
}

int converge(struct exec *x, struct volume_run *run, struct err *e)
{
	int r = -EAGAIN;

	run->behind = false;
	for (unsigned round = 0; round < ROUNDS_MAX && r == -EAGAIN; round++) {
		const struct meta_volume *v;

		r = run_read(x, run, e);
		if (r < 0 || !run->running || run->read_only)
			return r;
		r = copies_settle(x, run, e);
		if (r < 0)
			return r;
		r = record(x, run, e);
		if (r <= 0)
			return r;
		v = exec_volume(x, run->guid);
		run->behind = table_differs(x, run, v) && may_wait(x, run, v);
		r = table_differs(x, run, v) && !run->behind ? follow(x, run, e) : 0;
	}
	if (r == 0)
		layer_settle(x, run);
	if (r == 0)
		legs_drop_strays(x, run);
	if (r == 0)
		repair_owed(x, run);
	return r;
}
