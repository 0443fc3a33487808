// SPDX-License-Identifier: GPL-2.0-or-later
/* A set's metadata become again what they were before a plan, as its images tell.
 *
 * No byte is written back as it was: what the images say together is one more state of the set, and is written like
 * every other, under the next sequence number, in the order of each commit. So a cut leaves the state that the plan
 * left or the one before it, and no disk that was away takes what it missed for newer. The slices of a volume that
 * comes back get their superblocks back first; their bitmaps were never touched. Where the plan has left blank disks,
 * the set is born again first, without its volumes, like a new one. */
#include "actions/exec_run.h"

#include "actions/image.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define GIVE_SECTORS UINT64_C(2048) /* at once: the MiB that is given back last is one piece */

/* What the images say. */
struct past {
	struct meta_set *set;
	struct meta_view *view;
	size_t n;
	struct set_disk *disk[META_DISKS_MAX]; /* of the images, as they are now */
};

static void past_clear(struct exec *x, struct past *p)
{
	if (p->set)
		x->set.format->set_free(p->set);
	meta_view_free(p->view);
}

/* --- is it still as the plan left it? ----------------------------------------------------------------------- */

static int find_disks(struct exec *x, struct past *p, struct err *e)
{
	for (size_t i = 0; i < x->given->n_disks; i++) {
		const struct image_disk *im = x->given->disk[i];
		struct set_disk *d = set_disk_by_id(&x->set, im->device);

		if (!d)
			return err_set(e, ENODEV, "%s is not here", im->name[0] ? im->name : im->device);
		if (d->dev->sectors != im->sectors || d->dev->sector_size != im->sector_size)
			return err_set(e, ESTALE, "%s has another size than it had", d->dev->name);
		if (d->foreign)
			return err_set(e, ESTALE, "%s holds other metadata by now (%s)", d->dev->name, d->problem);
		p->disk[p->n++] = d;
	}
	return p->n ? 0 : err_set(e, ENODATA, "what the disks held is not known");
}

static int check_left(struct exec *x, const struct past *p, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		uint64_t now = 0;
		int r;

		exec_mark(x, "restore check");
		r = image_hash(x, p->disk[i]->dev, &now);

		if (r < 0)
			return err_sys(e, -r, "%s cannot be read", p->disk[i]->dev->name);
		if (now != x->given->disk[i]->left)
			return err_set(e, ESTALE, "%s was written since", p->disk[i]->dev->name);
	}
	return 0;
}

static const struct set_disk *disk_beside(const struct exec *x)
{
	for (size_t i = 0; i < x->set.n_disks; i++) {
		const struct set_disk *d = x->set.disk[i];

		if (d->dev && d->ours && !image_disk(x->given, d->device.id))
			return d;
	}
	return NULL;
}

/* What runs is as it was then. */
static int check_runs(struct exec *x, const struct past *p, struct err *e)
{
	for (size_t i = 0; i < x->n_runs; i++) {
		const struct meta_volume *now = exec_volume(x, x->run[i]->guid);
		const struct meta_volume *then = meta_view_volume(p->view, x->run[i]->guid);

		if (x->run[i]->running && (!now || !then || meta_volume_hash(now) != meta_volume_hash(then) ||
					   now->clean != then->clean || now->initialised != then->initialised))
			return err_set(e, EBUSY, "%s runs: stop it first", x->run[i]->dm);
	}
	return 0;
}

/* Each volume that was is there as it was. */
static bool restored(const struct exec *x, const struct past *p)
{
	assert(p->view);
	for (size_t i = 0; i < p->view->n_volumes; i++) {
		const struct meta_volume *then = &p->view->volumes[i], *now = exec_volume(x, then->guid);

		if (!now || meta_volume_hash(now) != meta_volume_hash(then) || strcmp(now->name, then->name) != 0)
			return false;
	}
	return x->set.view && x->set.view->n_volumes == p->view->n_volumes;
}

/* --- what the images say ------------------------------------------------------------------------------------- */

static int past_read(struct exec *x, struct past *p, struct err *e)
{
	const struct meta_format *f = x->set.format;
	const struct meta_copy *copies[META_DISKS_MAX];
	struct meta_copy *own[META_DISKS_MAX];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < x->given->n_disks && r == 0; i++) {
		struct meta_reader rd = image_reader(x->given->disk[i]);
		_cleanup_(meta_view_freep) struct meta_view *view = NULL;

		r = f->parse(&rd, &own[n], e);
		if (r < 0)
			break;
		copies[n] = own[n];
		r = f->copy_view(own[n++], &view, e);
		if (r == 0 && !p->disk[i]->ours)
			memcpy(p->disk[i]->ref, view->self, sizeof(p->disk[i]->ref));
	}
	if (r == 0)
		r = f->join(copies, n, &p->set, e);
	if (r == 0)
		r = f->set_view(p->set, &p->view, e);
	while (n > 0)
		f->copy_free(own[--n]);
	return r < 0 ? err_prefix(e, "what the disks held") : 0;
}

/* --- slices --------------------------------------------------------------------------------------------------- */

/* The bay that the images have of the volume on this disk, if it is still free; or -1. head: its bytes. */
static int old_bay(struct exec *x, const struct set_disk *d, const char *volume, uint8_t *head, struct bay *ret)
{
	const struct image_disk *im = image_disk(x->given, d->device.id);

	for (unsigned n = 0; im && n < d->n_bays; n++) {
		if (d->bay[n].used ||
		    image_read(im, slice_bay_sector(d->view->room_start, n), head, SET_BAY_HEAD / 512) < 0)
			continue;
		*ret = (struct bay){0};
		set_bay_parse(&x->set, ret, head);
		if (ret->used && strcmp(ret->stamp.volume, volume) == 0)
			return (int)n;
	}
	return -1;
}

/* By the copy that is on the disk there is no such volume: so a disk that a cut leaves behind is told. */
static void announce_anew(struct bay *b)
{
	b->running = b->stamp.running = false;
	b->stamp.seq_current = b->stamp.hash_current = 0;
	b->stamp.seq_intended = b->stamp.hash_intended = 0;
}

static int restore_bay(struct exec *x, const struct meta_volume *v, unsigned slot, uint8_t *head,
		       struct io_batch *batch, struct err *e)
{
	struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	struct bay b;
	int n;

	if (!d || !d->dev || !d->view)
		return 0;
	n = old_bay(x, d, v->guid, head, &b);
	if (n < 0)
		return slice_first(x, v, slot, e);
	d->bay[n] = b;
	announce_anew(&d->bay[n]);
	io_batch_write(batch, set_disk_number(&x->set, d), d->dev, set_slice_sector(d, (unsigned)n) * 512,
		       head + SET_BAY_HEAD - SET_SUPER_BYTES, SET_SUPER_BYTES, true);
	return 0;
}

static int restore_slices(struct exec *x, const struct meta_volume *v, struct err *e)
{
	_cleanup_(freep) uint8_t *room = blockio_alloc((size_t)v->slots * SET_BAY_HEAD);
	int result[META_DISKS_MAX] = {0}, r = room ? 0 : err_set(e, ENOMEM, "out of memory");
	struct io_batch batch = {0};

	for (unsigned i = 0; i < v->slots && r == 0; i++)
		r = restore_bay(x, v, i, room + (size_t)i * SET_BAY_HEAD, &batch, e);
	if (r == 0) {
		exec_mark(x, "restore slices");
		r = io_batch_run(x->set.pool, &batch, result);
		if (r < 0)
			err_sys(e, -r, "%s: cannot write slices", v->name);
	}
	io_batch_free(&batch);
	for (unsigned i = 0; i < x->set.n_disks && r == 0; i++)
		if (result[i] < 0)
			r = err_sys(e, -result[i], "%s: cannot write its slice", x->set.disk[i]->dev->name);
	return r;
}

/* --- a set of blank disks ------------------------------------------------------------------------------------- */

static int set_draft(struct exec *x, const struct past *p, struct meta_set **ret, struct err *e)
{
	const struct meta_format *f = x->set.format;
	int r = 0;

	*ret = f->set_clone(p->set);
	if (!*ret)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < p->view->n_volumes && r == 0; i++) {
		struct meta_edit gone = {.op = META_DELETE_VOLUME};

		memcpy(gone.volume, p->view->volumes[i].guid, sizeof(gone.volume));
		r = f->edit(*ret, &gone, e);
	}
	f->set_unwritten(*ret);
	f->set_seq(*ret, p->view->seq + 1);
	return r;
}

static int set_write(struct exec *x, struct past *p, const struct meta_set *draft, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < p->n && r == 0; i++)
		r = claim_disk(x, p->disk[i], e);
	if (r == 0)
		r = disks_write(x, p->disk, p->n, x->set.format->encode, draft, "restore set", e);
	return r < 0 ? r : disks_written(x, p->disk, p->n, e);
}

/* The disks are blank again. */
static void set_unwrite(struct exec *x, struct past *p, const struct meta_set *draft)
{
	struct err why = {0};

	if (x->work)
		x->set.format->set_free(TAKE_PTR(x->work));
	if (disks_write(x, p->disk, p->n, x->set.format->erase, draft, "restore undo", &why) < 0 ||
	    claims_drop(x, &why) < 0)
		log_warning("set %s: %s", x->set.guid, why.msg);
	x->env.dm->settle(x->env.dm->u);
	set_close(&x->set);
}

/* --- the step --------------------------------------------------------------------------------------------------- */

static int read_again(struct exec *x, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->set.n_disks && r == 0; i++)
		if (x->set.disk[i]->dev)
			r = set_disk_read(&x->set, x->set.disk[i], e);
	return r < 0 || !x->set.meta ? r : set_join(&x->set, e);
}

static int check(struct exec *x, struct past *p, struct err *e)
{
	const struct set_disk *beside = disk_beside(x);
	int r = beside ? err_set(e, ESTALE, "%s is a disk of the set now, and was none", beside->dev->name) : 0;

	if (r == 0)
		r = check_left(x, p, e);
	if (r == 0)
		r = check_runs(x, p, e);
	for (size_t i = 0; i < p->view->n_volumes && r == 0; i++)
		r = check_name(x, p->view->volumes[i].name, p->view->volumes[i].guid, e);
	return r;
}

static int put_back(struct exec *x, const struct past *p, struct err *e)
{
	struct meta_set *work = NULL;
	int r = exec_work(x, &work, e);

	if (r == 0)
		r = x->set.format->set_restore(work, p->set, e);
	for (size_t i = 0; i < p->view->n_volumes && r == 0; i++)
		if (!exec_volume(x, p->view->volumes[i].guid))
			r = restore_slices(x, &p->view->volumes[i], e);
	if (r == 0)
		r = commit(x, e);
	for (size_t i = 0; i < p->view->n_volumes && r >= 0; i++) {
		struct volume_run *run = exec_run(x, p->view->volumes[i].guid);

		r = run ? run_find(x, run, e) : err_set(e, EIO, "%s could not be written", p->view->volumes[i].name);
	}
	return MIN(r, 0);
}

static int born_again(struct exec *x, struct past *p, struct err *e)
{
	struct meta_set *draft = NULL;
	int r = set_draft(x, p, &draft, e);

	if (r == 0) {
		r = set_write(x, p, draft, e);
		if (r == 0)
			r = put_back(x, p, e);
		if (r < 0)
			set_unwrite(x, p, draft);
	}
	if (draft)
		x->set.format->set_free(draft);
	return r;
}

static int shown(struct exec *x, const struct past *p, struct err *e)
{
	struct meta_set *work = NULL;
	int r;

	if (!x->set.meta) {
		x->work = x->set.format->set_clone(p->set);
		return x->work ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	r = exec_work(x, &work, e);
	return r < 0 ? r : x->set.format->set_restore(work, p->set, e);
}

/* --- what was wiped ------------------------------------------------------------------------------------------- */

static const struct plan_device *device_of(const struct plan *p, const struct image_disk *im)
{
	for (size_t i = 0; i < p->n_devices; i++)
		if (strcmp(p->devices[i].id, im->device) == 0)
			return &p->devices[i];
	return NULL;
}

/* Each disk is here; a dry run tells what it gets. */
static int wiped_prepare(struct exec *x, struct err *e)
{
	_cleanup_(buf_free) struct buf text = {0};

	for (size_t i = 0; i < x->given->n_disks; i++) {
		const struct image_disk *d = x->given->disk[i];
		struct value size = value_size(d->held * 512);

		if (!device_of(x->plan, d))
			return err_set(e, ENODEV, "%s is not here", d->name[0] ? d->name : d->device);
		buf_addf(&text, "%s: ", d->name);
		value_print(&size, VALUE_HUMAN, &text);
		buf_addf(&text, " of what it held before %s; what the array wrote elsewhere stays written\n",
			 x->given->plan);
	}
	if (x->plan->dry_run)
		tell_show(x, buf_str(&text));
	return 0;
}

/* Whole blocks, of the first MiB or of the rest. */
static int put_runs(struct blockdev *dev, const struct image_disk *d, bool head, uint8_t *room)
{
	uint32_t unit = dev->sector_size / 512;
	int r = 0;

	for (size_t i = 0; i < d->n_runs && r == 0; i++) {
		uint64_t at = d->run[i].sector / unit * unit;
		uint64_t end = (d->run[i].sector + d->run[i].sectors + unit - 1) / unit * unit;

		for (uint32_t n; at < end && r == 0; at += n) {
			n = (uint32_t)MIN(end - at, GIVE_SECTORS - at % GIVE_SECTORS);
			if ((at < GIVE_SECTORS) != head)
				continue;
			r = image_read(d, at, room, n);
			if (r == 0)
				r = dev->write(dev, at * 512, room, (size_t)n * 512);
		}
	}
	return r < 0 ? r : dev->flush(dev);
}

/* The first MiB last: a disk that looks as before is as before. */
static int give_disk(struct exec *x, const struct image_disk *d, struct err *e)
{
	_cleanup_(blockdev_closep) struct blockdev *dev = NULL;
	_cleanup_(freep) uint8_t *room = blockio_alloc((size_t)GIVE_SECTORS * 512);
	const struct plan_device *device = device_of(x->plan, d);
	int r = device && room ? x->env.open(x->env.u, device, &dev, e) : err_set(e, ENODEV, "%s is not here", d->name);

	if (r < 0)
		return r;
	if (dev->sectors != d->sectors || dev->sector_size != d->sector_size)
		return err_set(e, ESTALE, "%s has another size than it had", dev->name);
	r = put_runs(dev, d, false, room);
	if (r == 0)
		r = put_runs(dev, d, true, room);
	return r < 0 ? err_sys(e, -r, "%s cannot be written", dev->name) : 0;
}

static int wiped_finish(struct exec *x, struct err *e)
{
	int first = 0;

	if (x->set.view)
		return err_set(e, EBUSY, "the set %s is still there: what its disks held is not given back",
			       x->set.guid);
	exec_mark(x, "restore wiped");
	for (size_t i = 0; i < x->given->n_disks; i++) {
		struct err why = {0};
		int r = give_disk(x, x->given->disk[i], &why);

		if (r < 0 && first == 0) {
			first = r;
			*e = why;
		}
	}
	return first;
}

int step_restore_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct past p = {0};
	int r;

	if (!x->given || !x->given->whole || strcmp(x->given->plan, s->to) != 0 ||
	    strcmp(x->given->set, x->set.guid) != 0)
		return err_set(e, ENODATA, "what the disks held before %s is not kept any more", s->to);
	if (s->wiped)
		return wiped_prepare(x, e);
	r = read_again(x, e);
	if (r == 0)
		r = find_disks(x, &p, e);
	if (r == 0)
		r = past_read(x, &p, e);
	if (r == 0 && restored(x, &p))
		r = 1;
	if (r == 0)
		r = check(x, &p, e);
	if (r == 0)
		r = x->plan->dry_run ? shown(x, &p, e) : x->set.meta ? put_back(x, &p, e) : born_again(x, &p, e);
	past_clear(x, &p);
	return r;
}

int step_restore_finish(struct exec *x, const struct step *s, struct err *e)
{
	if (s->wiped)
		return wiped_finish(x, e);
	return x->set.view && claims_held(x) ? claims_make(x, e) : 0;
}
