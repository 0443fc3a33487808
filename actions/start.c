// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/start.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool has_slices(const struct meta_volume *v)
{
	return v->level != RAID0;
}

static bool has_parity(const struct meta_volume *v)
{
	return v->level == RAID4 || v->level == RAID5 || v->level == RAID6;
}

uint64_t volume_hash(const struct meta_volume *v, unsigned slot)
{
	struct meta_volume own = *v;
	uint64_t h;

	if (v->level == RAID10 && v->slots % 2 == 0)
		for (unsigned i = 0; i < v->slots; i++)
			if (i / 2 != slot / 2)
				own.members[i] = (struct meta_member){.state = MEMBER_EMPTY};
	h = meta_volume_hash(&own);
	return v->clean ? h : ~h;
}

bool start_stamp_matches(const struct start_in *in, unsigned slot)
{
	const struct start_disk *d = &in->disk[slot];
	const struct stamp *s = &d->stamp;

	if (!d->has_stamp || strcmp(s->set, in->set) != 0 || strcmp(s->volume, in->volume->guid) != 0 ||
	    s->slot != slot)
		return false;
	return (s->seq_current == d->seq && s->hash_current == d->hash) ||
	       (s->seq_intended == d->seq && s->hash_intended == d->hash);
}

/* The disk's copy of the format is the set's, or behind only by the very update that was cut while it was written. */
static bool current(const struct start_in *in, unsigned slot)
{
	const struct start_disk *d = &in->disk[slot];

	if (!d->present || d->standing == META_SPLIT)
		return false;
	if (d->standing == META_CURRENT || !has_slices(in->volume))
		return true;
	/* Nothing on it is used: what it missed does not matter. */
	if (in->volume->members[slot].state == MEMBER_REBUILDING)
		return true;
	return start_stamp_matches(in, slot) && d->stamp.seq_intended == in->seq;
}

/* An array that was made larger: the format says so first, and the kernel's superblocks follow with its table. */
static bool of_smaller(const struct meta_volume *v, const struct slice_super *s)
{
	return !v->initialised && s->sectors < v->member_sectors && s->array_sectors < v->sectors;
}

/* The slice is one that was made for this volume as it is. */
static bool super_fits(const struct meta_volume *v, const struct start_disk *d, unsigned slot)
{
	uint32_t level, layout, stripe;

	return d->super_status == 0 && slice_geometry(v, &level, &layout, &stripe) == 0 &&
	       d->super.n_devices == v->slots && d->super.position == slot && d->super.level == level &&
	       d->super.layout == layout && d->super.stripe_sectors == stripe &&
	       (of_smaller(v, &d->super) ||
		(d->super.array_sectors == v->sectors && d->super.sectors == v->member_sectors));
}

static bool by_format(const struct meta_member *m)
{
	return m->state == MEMBER_IN_SYNC || m->state == MEMBER_REBUILDING;
}

/* Slices that can be believed: of in-sync, current members, with a matching stamp, all of the newest epoch. */
struct trust {
	bool slot[META_SLOTS_MAX];
	unsigned n;
	unsigned freshest; /* valid if n > 0 */
	bool running;	   /* a table with some of them is or was live: they may know what the format does not */
};

static void find_trusted(const struct start_in *in, struct trust *t)
{
	const struct meta_volume *v = in->volume;
	uint64_t events = 0;

	*t = (struct trust){0};
	for (unsigned i = 0; i < v->slots; i++) {
		const struct start_disk *d = &in->disk[i];

		t->slot[i] = v->members[i].state == MEMBER_IN_SYNC && current(in, i) && start_stamp_matches(in, i) &&
			     super_fits(v, d, i) && d->stamp.epoch != 0;
		if (t->slot[i] && (t->n++ == 0 || d->super.events > events)) {
			events = d->super.events;
			t->freshest = i;
		}
	}
	/* New epochs begin with higher events than anything before: the freshest slice's epoch is the newest. */
	for (unsigned i = 0; i < v->slots; i++) {
		if (!t->slot[i])
			continue;
		if (in->disk[i].stamp.epoch != in->disk[t->freshest].stamp.epoch) {
			t->slot[i] = false;
			t->n--;
		} else if (in->disk[i].stamp.running) {
			t->running = true;
		}
	}
}

/* Two trusted slices that each call the other failed: both halves went on alone. */
static bool trust_split(const struct start_in *in, const struct trust *t)
{
	for (unsigned i = 0; i < in->volume->slots; i++)
		for (unsigned k = i + 1; k < in->volume->slots; k++)
			if (t->slot[i] && t->slot[k] && (in->disk[i].super.failed >> k & 1) &&
			    (in->disk[k].super.failed >> i & 1))
				return true;
	return false;
}

static void decide(struct start *st, unsigned slot, enum start_how how, const char *why)
{
	st->slot[slot].how = how;
	snprintf(st->slot[slot].why, sizeof(st->slot[slot].why), "%s", why);
}

static void tell_format(struct start *st, unsigned slot, enum member_state state)
{
	st->slot[slot].edit = true;
	st->slot[slot].state = state;
}

/* Members whose disk cannot be used at all. */
static bool decide_absent(const struct start_in *in, unsigned slot, struct start *st)
{
	const struct meta_member *m = &in->volume->members[slot];

	if (!by_format(m)) {
		decide(st, slot, START_OUT, "");
		return true;
	}
	if (current(in, slot))
		return false;
	decide(st, slot, START_OUT,
	       in->disk[slot].fails		       ? "its disk fails"
	       : !in->disk[slot].present	       ? "its disk is not here"
	       : in->disk[slot].standing == META_SPLIT ? "its disk went on alone"
						       : "its disk missed updates");
	tell_format(st, slot, in->disk[slot].fails ? MEMBER_FAILED : MEMBER_MISSING);
	return true;
}

/* Slices of this epoch may know of failures that the format does not: they win. */
static void decide_by_slices(const struct start_in *in, const struct trust *t, struct start *st)
{
	const struct slice_super *fresh = &in->disk[t->freshest].super;

	st->epoch = in->disk[t->freshest].stamp.epoch;
	st->resync = !in->volume->clean;
	for (unsigned i = 0; i < in->volume->slots; i++) {
		if (decide_absent(in, i, st))
			continue;
		if (in->volume->members[i].state == MEMBER_REBUILDING) {
			decide(st, i, START_REBUILD, "its rebuild was not finished");
		} else if (fresh->failed >> i & 1) {
			decide(st, i, START_OUT, "the kernel had failed it");
			tell_format(st, i, MEMBER_FAILED);
		} else if (t->slot[i] && in->disk[i].super.recovery_offset == UINT64_MAX) {
			decide(st, i, START_AS_FOUND, "");
		} else {
			decide(st, i, START_REBUILD, "its slice cannot be trusted");
			tell_format(st, i, MEMBER_REBUILDING);
		}
	}
}

/* Its slices are of a smaller array, for the start before was cut while it was made larger. With all members it goes on
 * from there: what is new is resynced. Else it runs at its old size until it is whole again, for what is new has no
 * redundancy; but where a slice knows the new size, there may be data beyond the old one. */
static void decide_size(const struct start_in *in, const struct trust *t, struct start *st)
{
	const struct meta_volume *v = in->volume;
	unsigned smaller = 0, whole = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		smaller += t->slot[i] && of_smaller(v, &in->disk[i].super);
		whole += st->slot[i].how == START_AS_FOUND;
	}
	if (smaller == t->n && whole < v->slots)
		st->sectors = in->disk[t->freshest].super.array_sectors;
	else if (smaller > 0)
		st->resync = true;
}

/* All of it, now that its members are what they will be: one that is rebuilt with this table would end the resync. */
static void decide_owed(const struct start_in *in, const struct trust *t, struct start *st)
{
	bool owed = false;

	for (unsigned i = 0; i < in->volume->slots; i++) {
		owed = owed || (t->slot[i] && in->disk[i].stamp.owed);
		if (st->slot[i].how == START_REBUILD)
			return;
	}
	st->owed = owed && !in->volume->initialised && !st->sectors;
	st->resync = st->resync || st->owed;
}

/* First use, or another tool changed the array, or no table of the epoch was ever live: the format alone knows. */
static void decide_anew(const struct start_in *in, struct start *st)
{
	st->anew = true;
	st->resync = !in->volume->clean || !in->volume->initialised;
	for (unsigned i = 0; i < in->volume->slots; i++) {
		if (decide_absent(in, i, st))
			continue;
		if (in->volume->members[i].state == MEMBER_REBUILDING)
			decide(st, i, START_REBUILD, "its rebuild was not finished");
		else
			decide(st, i, START_ANEW, "");
	}
}

static unsigned in_sync_slots(const struct start *st, const struct meta_volume *v, bool *in_sync)
{
	unsigned n = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		in_sync[i] = st->slot[i].how == START_AS_FOUND || st->slot[i].how == START_ANEW;
		n += in_sync[i];
	}
	return n;
}

/* Of the present disks that are out: the one that missed least. -1: none is left. */
static int best_left(const struct start_in *in, const struct start *st)
{
	int best = -1;

	for (unsigned i = 0; i < in->volume->slots; i++) {
		const struct start_disk *d = &in->disk[i], *b = best < 0 ? NULL : &in->disk[best];

		/* A disk that was being rebuilt has holes: no force makes it a source of data. */
		if (st->slot[i].how != START_OUT || !d->present || in->volume->members[i].state == MEMBER_EMPTY ||
		    in->volume->members[i].state == MEMBER_REBUILDING)
			continue;
		if (!b || d->seq > b->seq ||
		    (d->seq == b->seq && d->super_status == 0 &&
		     (b->super_status || d->super.events > b->super.events)))
			best = (int)i;
	}
	return best;
}

/* A person's start beyond redundancy: what missed least comes back as if in sync, until the array can run. */
static void force_in(const struct start_in *in, struct start *st)
{
	bool in_sync[META_SLOTS_MAX];
	int best;

	in_sync_slots(st, in->volume, in_sync);
	while (!raid_runnable(in->volume->level, in_sync, in->volume->slots) && (best = best_left(in, st)) >= 0) {
		decide(st, (unsigned)best, START_ANEW, "forced: what was written since it left is lost on it");
		if (in->volume->members[best].state != MEMBER_IN_SYNC)
			tell_format(st, (unsigned)best, MEMBER_IN_SYNC);
		else
			st->slot[best].edit = false;
		in_sync[best] = true;
		st->anew = true;
		st->resync = st->resync || !in->volume->initialised;
	}
	for (unsigned i = 0; i < in->volume->slots && st->anew; i++)
		if (st->slot[i].how == START_AS_FOUND)
			st->slot[i].how = START_ANEW;
}

static void name_out(const struct start_in *in, const struct start *st, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < in->volume->slots && n < size; i++)
		if (st->slot[i].how == START_OUT || st->slot[i].how == START_REBUILD)
			n += (size_t)snprintf(text + n, size - n, "%sslot %u%s%s%s%s%s", n ? ", " : "", i,
					      in->volume->members[i].ref[0] ? " (disk " : "",
					      in->volume->members[i].ref, in->volume->members[i].ref[0] ? ")" : "",
					      st->slot[i].why[0] ? ": " : " failed or empty", st->slot[i].why);
}

/* Enough members, and all that should be here; else the reason. */
static int check_members(const struct start_in *in, struct start *st, struct err *e)
{
	const struct meta_volume *v = in->volume;
	bool in_sync[META_SLOTS_MAX];
	char out[400];

	in_sync_slots(st, v, in_sync);
	if (!raid_runnable(v->level, in_sync, v->slots) && in->force)
		force_in(in, st);
	in_sync_slots(st, v, in_sync);
	name_out(in, st, out, sizeof(out));
	if (!raid_runnable(v->level, in_sync, v->slots) && meta_volume_doubted(v))
		return err_set(
			e, ENODATA,
			"%s has a member that is not in sync, and its metadata do not say which, as mdadm leaves it "
			"where it is stopped amid a rebuild: 'sparectl array fail %s DISK' says it, and the others "
			"are in sync then",
			v->name, v->name);
	if (!raid_runnable(v->level, in_sync, v->slots))
		return err_set(e, ENODATA, "%s cannot run without %s%s", v->name, out,
			       in->force ? "" : "; a forced start may risk data");
	for (unsigned i = 0; i < v->slots; i++)
		if (st->slot[i].how == START_OUT && st->slot[i].edit && st->slot[i].state == MEMBER_MISSING &&
		    !in->degraded && !in->force)
			return err_set(e, EAGAIN, "%s is incomplete: slot %u (disk %s): %s", v->name, i,
				       v->members[i].ref, st->slot[i].why);
	return 0;
}

/* Where writes were under way, parity may be wrong. With all members it is computed anew; with one missing it is what
 * the missing data would be computed from, and md refuses such an array too (raid5_run: "cannot start dirty degraded
 * array"). */
static int check_dirty(const struct start_in *in, struct start *st, struct err *e)
{
	const struct meta_volume *v = in->volume;
	bool in_sync[META_SLOTS_MAX];
	char out[200];

	name_out(in, st, out, sizeof(out));
	if (!st->anew && in_sync_slots(st, v, in_sync) < v->slots) {
		/* A resync that had not ended, by the freshest slice itself. */
		for (unsigned i = 0; i < v->slots && !st->write_hole; i++)
			if (st->slot[i].how == START_AS_FOUND && (in->disk[i].super.resync_offset != UINT64_MAX ||
								  (!st->sectors && of_smaller(v, &in->disk[i].super))))
				st->write_hole = has_parity(v);
		if (st->write_hole && in->force) {
			st->anew = true;
			for (unsigned i = 0; i < v->slots; i++)
				if (st->slot[i].how == START_AS_FOUND)
					st->slot[i].how = START_ANEW;
		}
	} else if (st->anew && st->resync && has_parity(v) && in_sync_slots(st, v, in_sync) < v->slots) {
		st->write_hole = true;
	}
	if (st->write_hole && !in->force)
		return err_set(e, EUCLEAN,
			       "%s was not stopped cleanly and is degraded (%s): parity may be wrong where it was "
			       "written to; a forced start takes it as it is",
			       v->name, out);
	if (has_parity(v) && in_sync_slots(st, v, in_sync) < v->slots) {
		/* Known by our own slices, but not repairable: said, not refused. */
		st->write_hole = st->write_hole || st->resync;
		st->resync = false;
	}
	return 0;
}

static uint64_t next_events(const struct start_in *in)
{
	uint64_t events = in->seq << 32;

	for (unsigned i = 0; i < in->volume->slots; i++)
		if (in->disk[i].present && in->disk[i].super_status == 0 && in->disk[i].super.events < UINT64_MAX / 2)
			events = MAX(events, in->disk[i].super.events);
	return events + 1;
}

/* Without redundancy there is nothing to choose. */
static int analyse_plain(const struct start_in *in, struct start *st, struct err *e)
{
	for (unsigned i = 0; i < in->volume->slots; i++) {
		bool usable =
			in->volume->members[i].state == MEMBER_IN_SYNC || (in->force && in->volume->members[i].ref[0]);

		if (usable && current(in, i))
			decide(st, i, START_ANEW, "");
		else
			decide(st, i, START_OUT, usable ? "its disk is not here" : "");
	}
	return check_members(in, st, e);
}

int start_analyse(const struct start_in *in, struct start *ret, struct err *e)
{
	const struct meta_volume *v = in->volume;
	struct start st = {0};
	struct trust t;
	int r;

	if (!v->known || v->level == RAID_UNSUPPORTED)
		return err_set(e, ENOTSUP, "%s cannot be started: %s", v->name,
			       v->known ? v->unsupported : "no disk holds its record");
	if (in->split && !(in->read_only && in->force))
		return err_set(e, ESTALE,
			       "%s: its halves went on alone, each without the other: only a forced, read-only start "
			       "shows one of them",
			       v->name);
	if (!has_slices(v)) {
		r = analyse_plain(in, &st, e);
	} else {
		bool all = true;

		find_trusted(in, &t);
		if (trust_split(in, &t) && !(in->read_only && in->force))
			return err_set(e, ESTALE, "%s: two of its members each had the other failed", v->name);
		for (unsigned i = 0; i < v->slots; i++)
			all = all && (t.slot[i] || v->members[i].state != MEMBER_IN_SYNC || !current(in, i));
		if (t.n > 0 && (t.running || all)) {
			decide_by_slices(in, &t, &st);
			decide_size(in, &t, &st);
			decide_owed(in, &t, &st);
		} else {
			decide_anew(in, &st);
		}
		r = check_members(in, &st, e);
		if (r == 0)
			r = check_dirty(in, &st, e);
	}
	if (r < 0)
		return r;
	st.events = next_events(in);
	if (st.anew) {
		st.epoch = st.sectors = 0; /* its slices are of the format's size */
		st.owed = false;
	}
	*ret = st;
	return 0;
}
