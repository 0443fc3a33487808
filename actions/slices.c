// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing the slices that the kernel reads when a table is loaded. It believes the freshest one and asks no further; so
 * a slice is listed as found only if nothing but the kernel wrote it since it was in sync, and all others are written
 * here. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <string.h>

enum { SLICE_BYTES = SLICE_SECTORS * 512, STAMP_BYTES = STAMP_SECTORS * 512, SUPER_BYTES = 4096 };

static int fill_super(const struct meta_volume *v, unsigned slot, struct slice_super *ret, struct err *e)
{
	*ret = (struct slice_super){
		.n_devices = v->slots,
		.position = slot,
		.recovery_offset = UINT64_MAX,
		.resync_offset = UINT64_MAX,
		.array_sectors = v->sectors,
		.sectors = v->member_sectors,
	};
	return slice_geometry(v, &ret->level, &ret->layout, &ret->stripe_sectors) < 0
		       ? err_set(e, ENOTSUP, "%s has no slices", v->name)
		       : 0;
}

/* The bay of slot's disk, taken if there is none, and the disk. */
static int bay_for(struct exec *x, const struct meta_volume *v, unsigned slot, struct set_disk **ret, struct err *e)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);

	if (!d || !d->dev || !d->view)
		return err_set(e, ENODEV, "the disk of slot %u of %s is not here", slot, v->name);
	*ret = d;
	return set_bay_take(&x->set, d, v, e);
}

/* A stamp that fits the disk's copy as it is. Keeps generation and copies of what the bay held. */
static void restamp(struct exec *x, const struct meta_volume *v, unsigned slot, struct set_disk *d, struct bay *b,
		    uint64_t epoch, bool running)
{
	const struct stamp old = b->stamp;
	uint64_t hash = volume_hash(v, slot);

	b->used = true;
	b->running = running;
	b->stamp = (struct stamp){
		.slot = slot,
		.epoch = epoch,
		.seq_current = d->seq,
		.seq_intended = d->seq,
		.hash_current = hash,
		.hash_intended = hash,
		.running = running,
		.generation = old.generation,
	};
	memcpy(b->stamp.set, x->set.guid, sizeof(b->stamp.set));
	memcpy(b->stamp.volume, v->guid, sizeof(b->stamp.volume));
}

static void put_stamp(struct io_batch *batch, unsigned number, struct set_disk *d, unsigned bay, uint8_t *buf)
{
	struct bay *b = &d->bay[bay];

	b->copy ^= 1;
	b->stamp.generation++;
	stamp_encode(&b->stamp, buf);
	io_batch_write(batch, number, d->dev,
		       (slice_bay_sector(d->view->room_start, bay) + b->copy * STAMP_SECTORS) * 512, buf, STAMP_BYTES,
		       true);
}

static int run_one(struct exec *x, struct io_batch *batch, const struct set_disk *d, const char *what, struct err *e)
{
	int result[META_DISKS_MAX] = {0}, r;

	exec_mark(x, what);
	r = io_batch_run(x->set.pool, batch, result);
	if (r == 0)
		r = result[set_disk_number(&x->set, d)];
	io_batch_free(batch);
	return r < 0 ? err_sys(e, -r, "%s: cannot write its slice", d->dev->name) : 0;
}

static int enter(struct exec *x, const struct meta_volume *v, unsigned slot, bool by_bitmap, bool copy, struct err *e)
{
	_cleanup_(freep) uint8_t *buf = blockio_alloc(SLICE_BYTES + STAMP_BYTES);
	struct io_batch batch = {0};
	struct slice_super super;
	struct set_disk *d;
	int bay, r;

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	bay = bay_for(x, v, slot, &d, e);
	if (bay < 0)
		return bay;
	if (by_bitmap) {
		r = fill_super(v, slot, &super, e);
		if (r < 0)
			return r;
		super.events = 1;
		slice_encode(&super, false, buf, SLICE_BYTES);
	}
	io_batch_write(&batch, set_disk_number(&x->set, d), d->dev, set_slice_sector(d, (unsigned)bay) * 512, buf,
		       SLICE_BYTES, true);
	/* Epoch 0: until it is recorded as in sync, nothing may take this slice for one of the volume's. */
	restamp(x, v, slot, d, &d->bay[bay], 0, true);
	if (copy) { /* the disk's own metadata do not name it there before the copy is whole */
		const struct meta_volume *own = set_disk_own_volume(d, v->guid);

		d->bay[bay].stamp.hash_current = d->bay[bay].stamp.hash_intended =
			own && slot < own->slots ? volume_hash(own, slot) : 0;
	}
	put_stamp(&batch, set_disk_number(&x->set, d), d, (unsigned)bay, buf + SLICE_BYTES);
	r = run_one(x, &batch, d, "slice of an entering member", e);
	if (r < 0)
		d->error = r;
	return r;
}

int slice_enter(struct exec *x, const struct meta_volume *v, unsigned slot, bool by_bitmap, struct err *e)
{
	return enter(x, v, slot, by_bitmap, false, e);
}

int slice_for_copy(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	int r = 0;

	/* What its own metadata say of the volume by now: it may have been a member, and be a spare since a moment ago.
	 */
	if (d && d->dev && d->view && d->seq != d->view->seq)
		r = set_disk_read(&x->set, d, e);
	return r < 0 ? r : enter(x, v, slot, false, true, e);
}

void slice_invalidate(struct exec *x, const char *volume, const char *ref)
{
	struct set_disk *d = set_disk_by_ref(&x->set, ref);
	_cleanup_(freep) void *zero = blockio_alloc(SUPER_BYTES);
	struct io_batch batch = {0};
	struct err why;
	int bay;

	if (!zero || !d || !d->dev || !d->view || d->error)
		return;
	bay = set_bay_of(d, volume);
	if (bay < 0)
		return;
	io_batch_write(&batch, set_disk_number(&x->set, d), d->dev, set_slice_sector(d, (unsigned)bay) * 512, zero,
		       SUPER_BYTES, true);
	if (run_one(x, &batch, d, "slice of a leaver", &why) < 0) {
		log_warning("%s", why.msg);
		d->error = -why.code;
	}
}

int slice_first(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e)
{
	struct set_disk *d;
	int bay = bay_for(x, v, slot, &d, e);

	if (bay < 0)
		return bay;
	restamp(x, v, slot, d, &d->bay[bay], 0, false);
	/* By the copy that is on the disk there is no such volume. */
	d->bay[bay].stamp.seq_current = d->bay[bay].stamp.hash_current = 0;
	d->bay[bay].stamp.seq_intended = d->bay[bay].stamp.hash_intended = 0;
	return 0;
}

int slices_first(struct exec *x, const struct meta_volume *v, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < v->slots && r == 0; i++)
		r = slice_first(x, v, i, e);
	return r;
}

void slices_forget(struct exec *x, const char *volume)
{
	_cleanup_(freep) void *zero = blockio_alloc(2 * STAMP_BYTES + SUPER_BYTES);
	int result[META_DISKS_MAX] = {0};
	struct io_batch batch = {0};

	for (unsigned i = 0; zero && i < x->set.n_disks; i++) {
		struct set_disk *d = x->set.disk[i];
		int bay = d->dev && d->view && !d->error ? set_bay_of(d, volume) : -1;

		if (bay < 0)
			continue;
		d->bay[bay] = (struct bay){.super_status = -ENODATA};
		io_batch_write(&batch, i, d->dev, slice_bay_sector(d->view->room_start, (unsigned)bay) * 512, zero,
			       2 * STAMP_BYTES + SUPER_BYTES, true);
	}
	exec_mark(x, "slices of a volume that is no more");
	if (io_batch_run(x->set.pool, &batch, result) < 0)
		log_warning("the slices of the volume %s stay", volume);
	io_batch_free(&batch);
	for (unsigned i = 0; i < x->set.n_disks; i++)
		if (result[i] < 0)
			log_warning("%s: the slice of the volume %s stays: %s", x->set.disk[i]->dev->name, volume,
				    strerror(-result[i]));
}

/* --- at a start ------------------------------------------------------------------------------------------- */

static uint64_t failed_bits(const struct meta_volume *v, const struct start *st)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < v->slots; i++)
		if (st->slot[i].how == START_OUT)
			bits |= UINT64_C(1) << i;
	return bits;
}

/* A slice anew: the epoch's stamp comes with the commit, so until then nothing believes it. */
static int put_anew(struct exec *x, const struct meta_volume *v, const struct start *st, unsigned slot, uint8_t *buf,
		    struct io_batch *batch, struct err *e)
{
	struct slice_super super;
	struct set_disk *d;
	int bay = bay_for(x, v, slot, &d, e), r = fill_super(v, slot, &super, e);

	if (bay < 0 || r < 0)
		return bay < 0 ? bay : r;
	super.events = st->events;
	super.failed = failed_bits(v, st);
	super.resync_offset = st->resync ? 0 : UINT64_MAX;
	slice_encode(&super, st->resync, buf, SLICE_BYTES);
	io_batch_write(batch, set_disk_number(&x->set, d), d->dev, set_slice_sector(d, (unsigned)bay) * 512, buf,
		       SLICE_BYTES, true);
	restamp(x, v, slot, d, &d->bay[bay], st->epoch, false);
	d->bay[bay].stamp.seq_current = d->bay[bay].stamp.hash_current = 0;
	d->bay[bay].stamp.seq_intended = d->bay[bay].stamp.hash_intended = 0;
	d->bay[bay].running = true;
	return 0;
}

/* The redundancy of the volume was being made, of all of it or of what was added. How far that has come only the
 * superblock tells: of what was added the kernel writes no bits (md_bitmap_resize), and goes by the offset alone. */
static int resync_rest(const struct meta_volume *v, const struct set_disk *d, uint64_t pos, uint64_t from,
		       struct slice_super *super, uint8_t *buf)
{
	int r = d->dev->read(d->dev, pos, buf, SLICE_BYTES);

	if (r == 0)
		r = slice_resync_from(buf, v->sectors, v->member_sectors, from);
	if (r != -EBADMSG)
		return r;
	/* A bitmap that makes no sense is worth a resync of all. */
	super->array_sectors = v->sectors;
	super->sectors = v->member_sectors;
	super->resync_offset = 0;
	slice_encode(super, true, buf, SLICE_BYTES);
	return 0;
}

/* After a crash the kernel's superblock says nothing of writes that were under way: its bitmap does, and is looked at
 * only if the superblock asks for a resync (md_bitmap_load: bits below recovery_cp are not "needed"). Changes that one
 * number; the bitmap stays. */
static int put_resync(struct exec *x, const struct meta_volume *v, const struct start *st, unsigned slot, uint8_t *buf,
		      struct io_batch *batch, struct err *e)
{
	struct slice_super super;
	struct set_disk *d;
	int bay = bay_for(x, v, slot, &d, e), r;
	unsigned number;
	uint64_t pos;

	if (bay < 0)
		return bay;
	number = set_disk_number(&x->set, d);
	pos = set_slice_sector(d, (unsigned)bay) * 512;
	r = d->dev->read(d->dev, pos, buf, SUPER_BYTES);
	if (r == 0)
		r = slice_super_parse(buf, &super);
	if (r == 0 && !v->initialised && !st->sectors &&
	    (st->owed || super.resync_offset != UINT64_MAX || super.sectors < v->member_sectors)) {
		r = resync_rest(v, d, pos, st->owed ? 0 : MIN(super.resync_offset, super.sectors), &super, buf);
		/* The bits first: without them the superblock would call the rest in sync. */
		if (r == 0)
			io_batch_write(batch, number, d->dev, pos + SUPER_BYTES, buf + SUPER_BYTES,
				       SLICE_BYTES - SUPER_BYTES, true);
	} else if (r == 0) {
		super.resync_offset = 0;
		slice_encode(&super, false, buf, SLICE_BYTES);
	}
	if (r < 0) {
		d->error = r;
		return err_sys(e, -r, "%s: cannot read its slice", d->dev->name);
	}
	io_batch_write(batch, number, d->dev, pos, buf, SUPER_BYTES, true);
	return 0;
}

static int put_start(struct exec *x, const struct meta_volume *v, const struct start *st, unsigned slot, bool before,
		     uint8_t *buf, struct io_batch *batch, struct err *e)
{
	switch (st->slot[slot].how) {
	case START_ANEW:
		return before ? put_anew(x, v, st, slot, buf, batch, e) : 0;
	case START_AS_FOUND:
		/* What is owed the superblocks ask for before the stamps say that it is not any more. */
		return st->resync && before == st->owed ? put_resync(x, v, st, slot, buf, batch, e) : 0;
	case START_REBUILD:
		return before ? 0 : slice_enter(x, v, slot, false, e);
	case START_OUT:
		break;
	}
	return 0;
}

int slices_of_start(struct exec *x, const struct meta_volume *v, const struct start *st, bool before, struct err *e)
{
	_cleanup_(freep) uint8_t *buf = blockio_alloc((size_t)v->slots * SLICE_BYTES);
	int result[META_DISKS_MAX] = {0}, r = 0;
	struct io_batch batch = {0};

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	for (unsigned i = 0; i < v->slots && r == 0; i++)
		r = put_start(x, v, st, i, before, buf + (size_t)i * SLICE_BYTES, &batch, e);
	if (r == 0) {
		exec_mark(x, before ? "slices anew" : "slices of a start");
		r = io_batch_run(x->set.pool, &batch, result);
		if (r < 0)
			err_sys(e, -r, "%s: cannot write slices", v->name);
		for (unsigned i = 0; i < x->set.n_disks; i++)
			if (result[i] < 0) {
				x->set.disk[i]->error = result[i];
				r = err_sys(e, -result[i], "%s: cannot write its slice", x->set.disk[i]->dev->name);
			}
	}
	io_batch_free(&batch);
	for (unsigned i = 0; i < v->slots && r == 0 && before && st->owed; i++)
		if (st->slot[i].how == START_AS_FOUND) {
			struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);

			d->bay[set_bay_of(d, v->guid)].stamp.owed = false;
		}
	return r;
}

int slice_shown(struct exec *x, const struct meta_volume *v, const struct start *st, unsigned slot, struct err *e)
{
	_cleanup_(freep) uint8_t *buf = blockio_alloc(SLICE_BYTES);
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	struct io_batch batch = {0};
	struct slice_super super;
	unsigned bay;
	int r;

	if (!buf || !d || !d->dev)
		return err_set(e, buf ? ENODEV : ENOMEM, "slot %u of %s cannot be shown", slot, v->name);
	for (bay = 0; bay < d->n_bays && d->bay[bay].used; bay++)
		;
	if (bay == d->n_bays)
		return err_set(e, ENOSPC, "%s has no unused room for a slice", d->dev->name);
	r = fill_super(v, slot, &super, e);
	if (r < 0)
		return r;
	super.events = st->events;
	for (unsigned i = 0; i < v->slots; i++)
		if (st->slot[i].how == START_OUT || st->slot[i].how == START_REBUILD)
			super.failed |= UINT64_C(1) << i;
	slice_encode(&super, false, buf, SLICE_BYTES);
	io_batch_write(&batch, set_disk_number(&x->set, d), d->dev, set_slice_sector(d, bay) * 512, buf, SLICE_BYTES,
		       true);
	r = run_one(x, &batch, d, "slice of a read-only start", e);
	return r < 0 ? r : (int)bay;
}

/* --- a return by bitmap ----------------------------------------------------------------------------------- */

bool slices_kept(const struct exec *x, const struct volume_run *run, const struct meta_volume *v, uint64_t emptied)
{
	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int bay = d && d->dev ? set_bay_of(d, v->guid) : -1;

		if (v->members[i].state == MEMBER_REBUILDING && run->rebuild[i])
			return false;
		if (v->members[i].state == MEMBER_IN_SYNC && (bay < 0 || d->bay[bay].stamp.emptied != emptied))
			return false;
	}
	return true;
}

bool slices_owed(const struct exec *x, const struct meta_volume *v)
{
	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int bay = d && d->dev && v->members[i].state == MEMBER_IN_SYNC ? set_bay_of(d, v->guid) : -1;

		if (bay >= 0 && d->bay[bay].stamp.owed)
			return true;
	}
	return false;
}

bool slices_missed(struct exec *x, const struct meta_volume *v, unsigned slot, uint64_t epoch)
{
	uint64_t events = 0, failed = 0;

	for (unsigned i = 0; i < v->slots; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		const struct bay *b;
		int bay;

		if (v->members[i].state != MEMBER_IN_SYNC)
			continue;
		if (!d || !d->dev || d->error || set_bay_of(d, v->guid) < 0 || set_slice_refresh(d, v->guid) < 0)
			return false;
		bay = set_bay_of(d, v->guid);
		b = &d->bay[bay];
		if (b->stamp.epoch != epoch || b->super_status < 0)
			return false;
		if (b->super.events >= events) {
			events = b->super.events;
			failed = b->super.failed;
		}
	}
	return events > 1 && (failed >> slot & 1);
}
