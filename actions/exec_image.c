// SPDX-License-Identifier: GPL-2.0-or-later
/* What disks hold is told before it is overwritten by what no plan can take back, and what was written instead after
 * it. Only for what a person asked for: what the kernel found and what rules do waits for nothing here. */
#include "actions/exec_run.h"

#include "actions/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_BYTES = 1 << 20 }; /* of a disk: where whoever takes it for something writes first */

static bool wanted(const struct exec *x)
{
	return x->plan->origin == PLAN_OPERATOR && !x->plan->dry_run && !x->taken && x->env.report;
}

static void tell(void *u, const json_t *part)
{
	const struct exec *x = u;
	json_t *msg = json_pack("{s:O}", "image", part);

	if (msg)
		x->env.report(x->env.u, msg);
	json_decref(msg);
}

static void tell_none(struct exec *x, const char *why)
{
	json_t *none = json_pack("{s:s s:s s:s}", "plan", x->plan->id, "set", x->set.guid, "none", why);

	if (none)
		tell(x, none);
	json_decref(none);
}

/* --- reading ---------------------------------------------------------------------------------------------- */

/* The format's reader on a disk, which keeps what it reads. */
struct keeper {
	struct meta_reader r;
	struct blockdev *dev;
	struct image *im; /* NULL: keeps nothing */
	struct image_disk *disk;
	int full;
};

/* Whole blocks of the disk. */
static int keep_read(struct keeper *k, uint64_t sector, void *buf, uint32_t sectors)
{
	uint32_t unit = k->dev->sector_size / 512;
	uint64_t first = sector / unit * unit, end = (sector + sectors + unit - 1) / unit * unit;
	_cleanup_(freep) uint8_t *room = blockio_alloc((size_t)(end - first) * 512);
	int r = room ? k->dev->read(k->dev, first * 512, room, (size_t)(end - first) * 512) : -ENOMEM;

	if (r < 0)
		return r;
	if (buf)
		memcpy(buf, room + (sector - first) * 512, (size_t)sectors * 512);
	if (k->im && k->full == 0)
		k->full = image_add(k->im, k->disk, first, room, (uint32_t)(end - first));
	return 0;
}

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct keeper *k = u;

	if (sectors > k->dev->sectors || sector > k->dev->sectors - sectors)
		return -ERANGE;
	return keep_read(k, sector, buf, sectors);
}

static struct keeper keeper(struct blockdev *dev)
{
	return (struct keeper){.r = {.read = reader_read, .sectors = dev->sectors, .sector_size = dev->sector_size},
			       .dev = dev};
}

/* Stamps and superblock of the volume's bay; what else is in a slice stays on the disk. */
static int keep_bay(struct keeper *k, const struct set_disk *d, const char *volume)
{
	int bay = volume[0] ? set_bay_of(d, volume) : -1;

	return bay < 0 ? 0
		       : keep_read(k, slice_bay_sector(d->view->room_start, (unsigned)bay), NULL, SET_BAY_HEAD / 512);
}

/* Of a disk that is none of the set: nobody has taken it for something. */
static int head_hash(struct blockdev *dev, uint64_t *ret)
{
	size_t len = MIN((uint64_t)HEAD_BYTES, dev->sectors * 512);
	_cleanup_(freep) void *head = blockio_alloc(len);
	int r = head ? dev->read(dev, 0, head, len) : -ENOMEM;

	*ret = r == 0 ? meta_hash(META_HASH_START, head, len) : 0;
	return r;
}

static bool ends_set(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->step[i].op == STEP_DELETE_SET && !p->step[i].refused)
			return true;
	return false;
}

static int take_disk(struct exec *x, struct image *im, const struct set_disk *d, struct err *e)
{
	struct keeper k = keeper(d->dev);
	struct meta_copy *copy = NULL;
	int r;

	k.r.u = &k;
	k.im = im;
	k.disk = image_add_disk(im, d->device.id, d->dev->name, d->dev->sectors, d->dev->sector_size);
	if (!k.disk)
		return err_set(e, ENOMEM, "out of memory");
	exec_mark(x, "images");
	r = x->set.format->probe(&k.r, e);
	if (r > 0)
		r = x->set.format->parse(&k.r, &copy, e);
	if (r < 0)
		return err_prefix(e, "%s", d->dev->name);
	if (copy)
		x->set.format->copy_free(copy);
	r = keep_bay(&k, d, x->plan->volume);
	if (r == 0 && ends_set(x->plan))
		r = head_hash(d->dev, &k.disk->left);
	if (r == 0)
		r = k.full;
	return r == -ENOSPC ? err_set(e, ENOSPC, "more than %d MiB", IMAGE_BYTES_MAX >> 20)
	       : r < 0	    ? err_sys(e, -r, "%s", d->dev->name)
			    : 0;
}

/* --- what is wiped ---------------------------------------------------------------------------------------- */

/* Where the slices of a disk will lie that the format is about to write so. */
static int room_of(struct exec *x, const struct meta_writes *w, const struct blockdev *dev, uint64_t *ret,
		   struct err *e)
{
	_cleanup_(image_freep) struct image *im = image_new("", "");
	struct image_disk *d = im ? image_add_disk(im, "", "", dev->sectors, dev->sector_size) : NULL;
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	struct meta_copy *copy = NULL;
	struct meta_reader rd;
	int r = d ? 0 : err_set(e, ENOMEM, "out of memory");

	/* The last write of a sector counts. */
	for (size_t i = w->n; i-- > 0 && r == 0;)
		r = image_add(im, d, w->w[i].sector, w->w[i].buf, (uint32_t)(w->w[i].len / 512));
	if (r < 0)
		return r;
	rd = image_reader(d);
	r = x->set.format->parse(&rd, &copy, e);
	if (r == 0)
		r = x->set.format->copy_view(copy, &view, e);
	if (r == 0)
		*ret = view->room_start;
	if (copy)
		x->set.format->copy_free(copy);
	return r;
}

static int keep_range(struct keeper *k, uint64_t sector, uint64_t sectors)
{
	uint64_t end = MIN(sector + sectors, k->dev->sectors);
	int r = 0;

	for (uint64_t at = sector, n; at < end && r == 0 && k->full == 0; at += n) {
		n = MIN(end - at, (uint64_t)(HEAD_BYTES / 512));
		r = keep_read(k, at, NULL, (uint32_t)n);
	}
	return r < 0 ? r : k->full;
}

/* Its ends, where its metadata will lie, and the slice of its first volume. */
static int keep_wiped(struct exec *x, struct image *im, const struct set_disk *d, const struct meta_set *draft,
		      struct err *e)
{
	struct keeper k = keeper(d->dev);
	struct meta_writes w = {0};
	uint64_t room = 0;
	int r;

	exec_mark(x, "images");
	r = x->set.format->encode(draft, d->ref, &w, e);
	k.im = im;
	k.disk = image_add_disk(im, d->device.id, d->dev->name, d->dev->sectors, d->dev->sector_size);
	if (r == 0)
		r = room_of(x, &w, d->dev, &room, e);
	if (r == 0 && !k.disk)
		r = -ENOMEM;
	if (r == 0)
		r = keep_range(&k, 0, HEAD_BYTES / 512);
	if (r == 0)
		r = keep_range(&k, d->dev->sectors - HEAD_BYTES / 512, HEAD_BYTES / 512);
	for (size_t i = 0; i < w.n && r == 0; i++)
		r = keep_range(&k, w.w[i].sector, w.w[i].len / 512);
	if (r == 0)
		r = keep_range(&k, slice_bay_sector(room, 0), SLICE_BAY_SECTORS);
	meta_writes_free(&w);
	return r == -ENOSPC ? err_set(e, ENOSPC, "more than %d MiB", IMAGE_BYTES_MAX >> 20)
	       : r < 0	    ? err_sys(e, -r, "%s", d->dev->name)
			    : 0;
}

/* r: whether all is in it; else why says what is not. */
static void images_told(struct exec *x, struct image **im, int r, struct err *why, int64_t begin)
{
	if (r == 0)
		r = images_report(x, "image", *im, true);
	if (r == 0)
		x->taken = TAKE_PTR(*im);
	else
		tell_none(x, why->msg);
	x->timing.images += (exec_now(x) - begin) / NS_PER_US;
}

void images_of_wiped(struct exec *x, struct set_disk *const *disks, size_t n, const struct meta_set *draft)
{
	_cleanup_(image_freep) struct image *im = NULL;
	int64_t begin = exec_now(x);
	struct err why = {0};
	int r;

	if (n == 0 || !wanted(x))
		return;
	im = image_new(x->plan->id, x->set.guid);
	r = im ? 0 : err_set(&why, ENOMEM, "out of memory");
	for (size_t i = 0; i < n && r == 0; i++)
		r = keep_wiped(x, im, disks[i], draft, &why);
	images_told(x, &im, r, &why, begin);
}

/* --- the plan --------------------------------------------------------------------------------------------- */

int images_take(struct exec *x, struct err *e)
{
	_cleanup_(image_freep) struct image *im = NULL;
	int64_t begin = exec_now(x);
	struct err why = {0};
	int r = 0;

	if (!wanted(x))
		return 0;
	/* What this plan has edited so far, and what the kernel found, is none of what cannot be taken back. */
	if (x->work)
		r = commit(x, e);
	if (r < 0)
		return r;
	im = image_new(x->plan->id, x->set.guid);
	r = im ? 0 : err_set(&why, ENOMEM, "out of memory");
	if (x->set.split)
		r = err_set(&why, EBUSY, "the set has two histories");
	for (size_t i = 0; i < x->set.n_disks && r == 0; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->ours && !x->set.disk[i]->error)
			r = take_disk(x, im, x->set.disk[i], &why);
	images_told(x, &im, r, &why, begin);
	return 0;
}

int image_hash(struct exec *x, struct blockdev *dev, uint64_t *ret)
{
	struct keeper k = keeper(dev);
	struct meta_copy *copy = NULL;
	struct err why = {0};
	int r;

	*ret = 0;
	k.r.u = &k;
	r = x->set.format->probe(&k.r, &why);
	if (r == 0)
		return head_hash(dev, ret);
	if (r > 0)
		r = x->set.format->parse(&k.r, &copy, &why);
	if (r < 0 || !copy)
		return r;
	*ret = x->set.format->copy_hash(copy);
	x->set.format->copy_free(copy);
	return 0;
}

void images_left(struct exec *x, bool done)
{
	int r = done ? 0 : -ECANCELED;

	for (size_t i = 0; x->taken && i < x->taken->n_disks && r == 0; i++) {
		struct set_disk *d = set_disk_by_id(&x->set, x->taken->disk[i]->device);

		if (d)
			r = image_hash(x, d->dev, &x->taken->disk[i]->left);
	}
	if (x->taken && r == 0)
		image_tell_left(x->taken, tell, x);
	image_free(TAKE_PTR(x->taken));
}

int exec_give(struct exec *x, const json_t *part, struct err *e)
{
	return image_take(&x->given, part, e);
}
