// SPDX-License-Identifier: GPL-2.0-or-later
/* The order in which metadata reaches the disks. A cut anywhere leaves each disk with the old or the new copy, and with
 * a stamp that knows both: so its slice is believed afterwards, and a disk that is behind by the cut alone is told from
 * one that missed updates. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <string.h>

/* Another tool's updates go up by one or a few: a step that it would not make keeps its numbers from meeting ours, when
 * both wrote a "next" state from the same old one. */
enum { SEQ_STEP_MIN = 16, SEQ_STEP_SPREAD = 240 };

/* Whose disks are written: those with a role in what is written, those without one, or, before a new update, those
 * that are behind by one that was cut. */
enum commit_whose { COMMIT_ROLE, COMMIT_LATE, COMMIT_CUT };

struct commit {
	struct exec *x;
	struct meta_set *to;
	struct meta_view *view; /* of to */
	uint64_t seq;
	enum commit_whose whose;
	bool in[META_DISKS_MAX]; /* takes part */
	struct meta_writes writes[META_DISKS_MAX];
	uint8_t *stamps; /* one per bay */
	size_t n_stamps;
	struct io_batch batch;
	int result[META_DISKS_MAX];
};

/* The slot that the view gives the disk in the volume, or NULL. */
static const struct meta_member *member_of(const struct meta_volume *v, const char *ref, unsigned slot)
{
	return v && slot < v->slots && strcmp(v->members[slot].ref, ref) == 0 ? &v->members[slot] : NULL;
}

uint64_t commit_epoch(const struct exec *x, const struct meta_volume *v)
{
	uint64_t generation = 0, epoch = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int n = d && d->dev && v->members[i].state == MEMBER_IN_SYNC ? set_bay_of(d, v->guid) : -1;

		if (n >= 0 && d->bay[n].stamp.epoch && d->bay[n].stamp.generation >= generation) {
			generation = d->bay[n].stamp.generation;
			epoch = d->bay[n].stamp.epoch;
		}
	}
	return epoch;
}

/* A member is rebuilt in full, or was: not one that returns by bitmap. */
static bool rebuilt(const struct exec *x, const struct meta_volume *v, unsigned slot)
{
	const struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	int n = d && d->dev ? set_bay_of(d, v->guid) : -1;
	enum member_state state = v->members[slot].state;

	if (state != MEMBER_REBUILDING && (state != MEMBER_IN_SYNC || n < 0 || d->bay[n].stamp.epoch))
		return false;
	for (size_t i = 0; i < x->n_runs; i++) {
		const struct volume_run *run = x->run[i];

		if (strcmp(run->guid, v->guid) == 0)
			return strcmp(run->listed[slot], v->members[slot].ref) == 0 ? run->rebuild[slot]
										    : !run->by_bitmap[slot];
	}
	return true;
}

/* The number of the last emptying of the bitmap that the members in sync share. */
static uint64_t emptied(const struct commit *c, const struct meta_volume *v)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&c->x->set, v->members[i].ref);
		int n = d && d->dev && v->members[i].state == MEMBER_IN_SYNC ? set_bay_of(d, v->guid) : -1;

		if (rebuilt(c->x, v, i))
			return c->seq;
		if (n >= 0)
			last = MAX(last, d->bay[n].stamp.emptied);
	}
	return last;
}

/* A member that enters amid a resync ends that: with "rebuild" in the table the kernel forgets it at once (raid_ctr,
 * drivers/md/dm-raid.c); by bitmap the member's recovery clears the bits that the resync would go by. Of parity, and of
 * a mirror of two, what the rebuild makes is all that there was to make; mirrors that are not rebuilt nobody compares.
 */
static bool owed(const struct commit *c, const struct meta_volume *v)
{
	if (v->initialised || (v->level != RAID10 && (v->level != RAID1 || v->slots < 3)))
		return false;
	for (unsigned i = 0; i < v->slots; i++)
		if (v->members[i].state == MEMBER_REBUILDING)
			return true;
	return slices_owed(c->x, v);
}

/* The next number: above everything that a copy has or a stamp announced, also by an update that was cut. */
static uint64_t next_seq(const struct exec *x)
{
	uint64_t seq = x->set.view->seq;

	for (size_t i = 0; i < x->set.n_disks; i++)
		for (unsigned b = 0; x->set.disk[i]->dev && b < x->set.disk[i]->n_bays; b++)
			if (x->set.disk[i]->bay[b].used)
				seq = MAX(seq, x->set.disk[i]->bay[b].stamp.seq_intended);
	return seq + SEQ_STEP_MIN + x->env.random(x->env.u) % SEQ_STEP_SPREAD;
}

/* --- stamps ------------------------------------------------------------------------------------------------- */

static uint64_t own_hash(const struct set_disk *d, const struct stamp *s)
{
	const struct meta_volume *own = set_disk_own_volume(d, s->volume);

	/* What this process wrote last is known by the stamp itself; the copy in memory may be older. */
	if (d->seq == s->seq_intended)
		return s->hash_intended;
	if (d->seq == s->seq_current)
		return s->hash_current;
	return own && own->known && s->slot < own->slots ? volume_hash(own, s->slot) : 0;
}

/* An announced update on one bay. Only members in sync carry the epoch: a member that is being rebuilt must never be
 * taken back by bitmap, nor be listed as found. One that left keeps what it had. */
static void announce(struct commit *c, struct set_disk *d, struct bay *b)
{
	const struct meta_volume *v = meta_view_volume(c->view, b->stamp.volume);
	const struct meta_member *m = member_of(v, d->ref, b->stamp.slot);
	uint64_t now = own_hash(d, &b->stamp);

	b->stamp.seq_current = d->seq;
	b->stamp.hash_current = now;
	b->stamp.seq_intended = c->seq;
	b->stamp.hash_intended = m ? volume_hash(v, b->stamp.slot) : 0;
	if (m && m->state == MEMBER_IN_SYNC && b->stamp.epoch == 0)
		b->stamp.epoch = commit_epoch(c->x, v);
	else if (m && m->state == MEMBER_REBUILDING)
		b->stamp.epoch = 0;
}

/* Before any of them is announced, which gives members their epoch. */
static void note_rebuilds(struct commit *c)
{
	for (unsigned i = 0; i < c->x->set.n_disks; i++) {
		struct set_disk *d = c->x->set.disk[i];

		for (unsigned b = 0; c->in[i] && b < d->n_bays; b++) {
			struct stamp *s = &d->bay[b].stamp;
			const struct meta_volume *v = d->bay[b].used ? meta_view_volume(c->view, s->volume) : NULL;
			const struct meta_member *m = member_of(v, d->ref, s->slot);

			if (!m || m->state != MEMBER_IN_SYNC)
				continue;
			s->emptied = emptied(c, v);
			s->owed = owed(c, v);
		}
	}
}

static void put_stamp(struct commit *c, unsigned number, struct bay *b, unsigned bay)
{
	struct set_disk *d = c->x->set.disk[number];
	uint8_t *buf = c->stamps + c->n_stamps++ * STAMP_SECTORS * 512;

	b->copy ^= 1;
	b->stamp.generation++;
	stamp_encode(&b->stamp, buf);
	io_batch_write(&c->batch, number, d->dev,
		       (slice_bay_sector(d->view->room_start, bay) + b->copy * STAMP_SECTORS) * 512, buf,
		       STAMP_SECTORS * 512, false);
}

/* Stamps of all bays that take part. They are stable before the next ones are written over their other copy: a cut
 * could tear both, and a slice without a stamp is believed no more. */
static void put_stamps(struct commit *c, bool done)
{
	c->n_stamps = 0;
	if (!done)
		note_rebuilds(c);
	for (unsigned i = 0; i < c->x->set.n_disks; i++) {
		struct set_disk *d = c->x->set.disk[i];
		unsigned last = d->n_bays;

		for (unsigned b = 0; c->in[i] && b < d->n_bays; b++) {
			if (!d->bay[b].used)
				continue;
			last = b;
			if (done) {
				d->bay[b].stamp.seq_current = c->seq;
				d->bay[b].stamp.hash_current = d->bay[b].stamp.hash_intended;
				d->bay[b].stamp.running = d->bay[b].running;
			} else {
				announce(c, d, &d->bay[b]);
			}
			put_stamp(c, i, &d->bay[b], b);
		}
		if (last < d->n_bays)
			io_batch_write(&c->batch, i, d->dev, 0, NULL, 0, true);
	}
}

/* --- writing ------------------------------------------------------------------------------------------------- */

/* A disk that could not be written takes no further part. Returns how many there were. */
static unsigned drop_failed(struct commit *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->x->set.n_disks; i++) {
		struct set_disk *d = c->x->set.disk[i];

		if (!c->in[i] || c->result[i] == 0)
			continue;
		log_warning("%s: its metadata cannot be written: %s", d->dev->name, strerror(-c->result[i]));
		d->error = c->result[i];
		c->in[i] = false;
		n++;
	}
	return n;
}

/* The slot's member works no more, whatever the view says of it. */
static bool fell(const struct exec *x, const struct meta_volume *v, unsigned slot)
{
	const struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);

	return (d && d->error) || kernel_failed(x, v, slot);
}

/* A volume that the view lets run, but not without the disks that failed. NULL: all can do without them. */
static const struct set_disk *needed_disk(const struct exec *x, const struct meta_view *view,
					  const struct meta_volume **of)
{
	for (size_t i = 0; i < view->n_volumes; i++) {
		const struct meta_volume *v = &view->volumes[i];
		bool in_sync[META_SLOTS_MAX], working[META_SLOTS_MAX];
		const struct set_disk *lost = NULL;

		for (unsigned k = 0; k < v->slots; k++) {
			const struct set_disk *d = set_disk_by_ref(&x->set, v->members[k].ref);

			in_sync[k] = v->members[k].state == MEMBER_IN_SYNC;
			working[k] = in_sync[k] && !fell(x, v, k);
			lost = in_sync[k] && d && d->error ? d : lost;
		}
		*of = v;
		if (lost && raid_runnable(v->level, in_sync, v->slots) && !raid_runnable(v->level, working, v->slots))
			return lost;
	}
	return NULL;
}

static int without(const struct exec *x, const struct meta_view *view, struct err *e)
{
	const struct meta_volume *v;
	const struct set_disk *d = needed_disk(x, view, &v);

	return d ? err_set(e, EIO, "%s cannot do without %s, whose metadata cannot be written: %s", v->name,
			   d->dev ? d->dev->name : d->ref, strerror(-d->error))
		 : 0;
}

static int nowhere(const struct commit *c, struct err *e)
{
	const struct set_disk *d = NULL;

	for (unsigned i = 0; i < c->x->set.n_disks; i++)
		if (c->x->set.disk[i]->dev && c->x->set.disk[i]->error)
			d = c->x->set.disk[i];
	return err_set(e, EIO, "the metadata could be written to no disk%s%s", d ? ", last not to " : "",
		       d ? d->dev->name : "");
}

static int run(struct commit *c, const char *what)
{
	exec_mark(c->x, what);
	return io_batch_run(c->x->set.pool, &c->batch, c->result);
}

static bool takes_part(const struct commit *c, const struct set_disk *d)
{
	if (!d->dev || d->seq == c->seq || !set_disk_current(d) || !meta_view_disk(c->view, d->ref))
		return false;
	return c->whose == COMMIT_CUT ? d->torn : set_disk_has_role(c->view, d) == (c->whose == COMMIT_ROLE);
}

static int encode(struct commit *c, struct err *e)
{
	size_t n_bays = 0;

	for (unsigned i = 0; i < c->x->set.n_disks; i++) {
		struct set_disk *d = c->x->set.disk[i];
		int r;

		c->in[i] = takes_part(c, d);
		if (!c->in[i])
			continue;
		r = c->x->set.format->encode(c->to, d->ref, &c->writes[i], e);
		if (r < 0)
			return r;
		n_bays += d->n_bays;
	}
	c->stamps = blockio_alloc(MAX(n_bays, (size_t)1) * STAMP_SECTORS * 512);
	return c->stamps ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void put_format(struct commit *c)
{
	for (unsigned i = 0; i < c->x->set.n_disks; i++) {
		const struct meta_writes *w = &c->writes[i];

		for (size_t k = 0; c->in[i] && k < w->n; k++)
			io_batch_write(&c->batch, i, c->x->set.disk[i]->dev, w->w[k].sector * 512, w->w[k].buf,
				       w->w[k].len, w->w[k].flush || k + 1 == w->n);
	}
}

/* What is about to be written over is in the history first, where that may be waited for. */
static void keep_before(struct commit *c)
{
	if (!before_waits(c->x))
		return;
	for (unsigned i = 0; i < c->x->set.n_disks; i++)
		if (c->in[i])
			before_write(c->x, c->x->set.disk[i], &c->writes[i]);
	before_wait(c->x);
}

/* Returns how many disks were lost on the way, or -errno: nothing, or not enough, is written. */
static int write_all(struct commit *c, struct err *e)
{
	unsigned lost = 0, n = 0;
	int r = encode(c, e);

	if (r < 0)
		return r;
	keep_before(c);
	put_stamps(c, false);
	r = run(c, "commit announce");
	if (r == 0) {
		lost += drop_failed(c);
		/* A disk whose stamp does not announce the update would be taken for one that missed it. */
		r = c->whose == COMMIT_ROLE ? without(c->x, c->view, e) : 0;
		if (r < 0)
			return r;
		put_format(c);
		r = run(c, "commit format");
	}
	if (r < 0)
		return err_set(e, -r, "cannot write metadata");
	lost += drop_failed(c);
	for (unsigned i = 0; i < c->x->set.n_disks; i++)
		if (c->in[i]) {
			c->x->set.disk[i]->seq = c->seq;
			c->x->set.disk[i]->standing = META_CURRENT;
			c->x->set.disk[i]->torn = c->x->set.disk[i]->adopted = false;
			set_disk_wrote(c->x->set.disk[i], &c->writes[i]);
			n++;
		}
	if (n == 0 && c->whose == COMMIT_ROLE)
		return nowhere(c, e);
	put_stamps(c, true);
	r = run(c, "commit stamps");
	lost += drop_failed(c);
	exec_mark(c->x, "commit written");
	return r < 0 ? err_set(e, -r, "cannot write metadata") : (int)lost;
}

static void commit_finish(struct commit *c)
{
	for (unsigned i = 0; i < META_DISKS_MAX; i++)
		meta_writes_free(&c->writes[i]);
	free(c->stamps);
	io_batch_free(&c->batch);
	meta_view_free(c->view);
	free(c);
}
DEFINE_CLEANUP(struct commit *, commit_finish)

/* What stood on the disks before the first of several commits. */
struct before {
	struct meta_set *meta;
	struct meta_view *view;
};

static void before_free(const struct exec *x, struct before *b)
{
	if (b->meta)
		x->set.format->set_free(b->meta);
	meta_view_free(b->view);
	*b = (struct before){0};
}

static int commit_once(struct exec *x, struct before *before, struct err *e)
{
	_cleanup_(commit_finishp) struct commit *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	exec_mark(x, "commit encode");
	c->x = x;
	c->to = x->work;
	c->seq = next_seq(x);
	x->set.format->set_seq(c->to, c->seq);
	r = x->set.format->set_view(c->to, &c->view, e);
	if (r == 0)
		r = resyncs_lost(x, c->view, e);
	if (r > 0) {
		meta_view_free(TAKE_PTR(c->view));
		r = x->set.format->set_view(c->to, &c->view, e);
	}
	if (r == 0)
		r = write_all(c, e);
	if (r < 0)
		return r;
	if (!before->meta) {
		before->meta = TAKE_PTR(x->set.meta);
		before->view = TAKE_PTR(x->set.view);
	} else {
		x->set.format->set_free(x->set.meta);
		meta_view_free(x->set.view);
	}
	x->set.meta = TAKE_PTR(x->work);
	x->set.view = TAKE_PTR(c->view);
	return r;
}

/* Members whose disk failed under the commit, or before it. */
static int edit_lost(struct exec *x, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	int r = exec_work_view(x, &view, e);

	for (size_t i = 0; r == 0 && i < view->n_volumes; i++) {
		const struct meta_volume *v = &view->volumes[i];
		bool in_sync[META_SLOTS_MAX];

		for (unsigned k = 0; k < v->slots; k++)
			in_sync[k] = v->members[k].state == MEMBER_IN_SYNC && !fell(x, v, k);
		for (unsigned k = 0; k < v->slots && r == 0 && raid_runnable(v->level, in_sync, v->slots); k++) {
			struct set_disk *d = set_disk_by_ref(&x->set, v->members[k].ref);
			enum member_state state = v->members[k].state;
			enum member_state now = state;

			if (d && fell(x, v, k) && (state == MEMBER_IN_SYNC || state == MEMBER_REBUILDING))
				now = needed_elsewhere(x, view, v->guid, v->members[k].ref) ? MEMBER_REBUILDING
											    : fallen_state(x, d);
			if (now != state)
				r = exec_edit_member(x, v->guid, k, now, e);
		}
	}
	return r;
}

static void drop_work(struct exec *x)
{
	if (x->work)
		x->set.format->set_free(x->work);
	x->work = NULL;
}

/* What the kernel, udev and the commit found, on what x->set says. 1: all volumes can run so. */
static int edit_facts(struct exec *x, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v;
	bool lost = false;
	int r = 0;

	for (size_t i = 0; i < x->n_runs && r >= 0 && !lost; i++)
		r = exec_volume(x, x->run[i]->guid) ? facts_edit(x, x->run[i], &lost, e) : 0;
	if (r < 0 || lost)
		return MIN(r, 0);
	r = edit_lost(x, e);
	if (r == 0)
		r = exec_work_view(x, &view, e);
	return r < 0 ? r : !needed_disk(x, view, &v);
}

static void exchange(struct exec *x, struct before *b)
{
	const struct before now = {x->set.meta, x->set.view};

	x->set.meta = b->meta;
	x->set.view = b->view;
	*b = now;
}

/* What was to be written cannot stand without a disk that failed under it. Then it shall not stand, as long as what was
 * before can do without that disk: what runs is what was before. Leaves an edit for the next commit, or none: then the
 * disk is one that nothing can do without, and where it was announced, the update is as good on it as done. */
static int go_back(struct exec *x, struct before *b, struct err *e)
{
	bool wrote = b->meta;
	struct meta_set *work;
	int r;

	drop_work(x);
	if (wrote)
		exchange(x, b);
	r = edit_facts(x, e);
	if (r == 1 && wrote && exec_work(x, &work, e) < 0)
		r = -ENOMEM;
	if (r == 1) {
		if (wrote)
			x->set.format->set_rewrite(x->work);
		before_free(x, b);
		return 0;
	}
	drop_work(x);
	if (wrote)
		exchange(x, b);
	return r;
}

/* Until all that failed meanwhile is in what is written. 0; or the edits that x->work came with are not what stands. */
static int commit_all(struct exec *x, struct before *before, struct err *e)
{
	int undone = 0, r = 0;

	/* Each round has lost a disk; what is left after so many is for the next plan. */
	for (size_t round = 0; r == 0 && x->work && round <= x->set.n_disks; round++) {
		struct err why = {0};

		r = commit_once(x, before, &why);
		if (r > 0)
			r = without(x, x->set.view, &why);
		if (r == 0) {
			r = edit_lost(x, &why);
		} else if (r == -EIO && undone == 0) {
			undone = r;
			*e = why;
			r = go_back(x, before, &why);
		}
		if (r < 0 && undone == 0)
			*e = why;
	}
	return undone ? undone : r;
}

/* What stands, to disks that do not have it yet. */
static int write_standing(struct exec *x, enum commit_whose whose, struct err *e)
{
	_cleanup_(commit_finishp) struct commit *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->x = x;
	c->to = x->set.meta;
	c->seq = x->set.view->seq;
	c->whose = whose;
	r = x->set.format->set_view(c->to, &c->view, e);
	return r < 0 ? r : write_all(c, e);
}

/* An update that was cut is finished before the next one is announced: a stamp names one update, and a disk that is
 * behind by an older one than the one it names would be taken for one that missed updates. */
static int finish_cut(struct exec *x, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->set.n_disks && r >= 0; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->torn && !x->set.disk[i]->error)
			r = write_standing(x, COMMIT_CUT, e);
	return MIN(r, 0);
}

int commit(struct exec *x, struct err *e)
{
	struct before before = {0};
	int64_t begin = exec_now(x);
	struct err why = {0};
	int r = finish_cut(x, &why);

	if (r == 0)
		r = commit_all(x, &before, &why);
	if (r < 0)
		err_set(e, -r, "%s", why.msg);
	drop_work(x);
	x->timing.commit += (exec_now(x) - begin) / NS_PER_US;
	if (before.view)
		tell_committed(x, before.view);
	before_free(x, &before);
	return r;
}

void commit_late(struct exec *x)
{
	/* While a volume waits for members, the number tells which of those that failed missed least. And what may hang
	 * on a sick disk does not come before the table is right. */
	for (size_t i = 0; i < x->n_runs; i++)
		if (x->run[i]->lost || x->run[i]->behind)
			return;
	write_standing(x, COMMIT_LATE, NULL);
}
