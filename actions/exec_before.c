// SPDX-License-Identifier: GPL-2.0-or-later
/* What a plan writes over, of the format and of our stamps: told with each plan, so that what stood there can be read
 * afterwards. It comes from memory and costs no read. What the kernel wrote into a slice is not known, and told as a
 * gap; so is a disk that was none of the set. Told when all is done; a plan that waited for its intent waits for this,
 * too, before its first write, but not with a fact that is to be recorded. */
#include "actions/exec_run.h"

#include "actions/image.h"

#include <errno.h>
#include <string.h>

enum { SECTOR = 512, BEFORE_BYTES_MAX = 1 << 20 /* of a plan: what is more is a gap */ };

enum kind { UNKNOWN, SAME, CHANGED };

/* bytes NULL: it will be another one. */
static enum kind kind_of(const struct known *k, uint64_t sector, const uint8_t *bytes)
{
	uint8_t was[SECTOR];

	if (bytes && known_is(k, sector, bytes))
		return SAME;
	return known_get(k, sector, was) ? CHANGED : UNKNOWN;
}

static int add_changed(struct exec *x, struct image_disk *im, const struct known *k, uint64_t sector, uint32_t n)
{
	_cleanup_(freep) uint8_t *was = calloc(n, SECTOR);

	if (!was)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		known_get(k, sector + i, was + (size_t)i * SECTOR);
	return image_add(x->before, im, sector, was, n);
}

static int add(struct exec *x, struct set_disk *d, struct image_disk **im, enum kind kind, uint64_t sector, uint32_t n)
{
	int r = -ENOSPC;

	if (!*im)
		*im = image_add_disk(x->before, d->device.id, d->dev->name, d->dev->sectors, d->dev->sector_size);
	if (!*im)
		return -ENOMEM;
	if (kind == CHANGED && x->before->bytes + (size_t)n * SECTOR <= BEFORE_BYTES_MAX)
		r = add_changed(x, *im, &d->known, sector, n);
	if (r == -ENOSPC) {
		x->before_cut = x->before_cut || kind == CHANGED;
		r = image_gap(x->before, *im, sector, n);
	}
	return r;
}

static int note(struct exec *x, struct set_disk *d, uint64_t sector, const uint8_t *bytes, uint32_t n)
{
	struct image_disk *im = image_disk(x->before, d->device.id);
	int r = 0;

	if (!known_any(&d->known, sector, n))
		return add(x, d, &im, UNKNOWN, sector, n);
	for (uint32_t from = 0, to; from < n && r == 0; from = to) {
		enum kind kind = kind_of(&d->known, sector + from, bytes ? bytes + (size_t)from * SECTOR : NULL);

		for (to = from + 1; to < n; to++)
			if (kind_of(&d->known, sector + to, bytes ? bytes + (size_t)to * SECTOR : NULL) != kind)
				break;
		if (kind != SAME)
			r = add(x, d, &im, kind, sector + from, to - from);
	}
	return r;
}

static int expect(struct exec *x, struct set_disk *d, uint64_t pos, const void *buf, size_t len)
{
	int r = -ENOMEM;

	if (!x->before)
		x->before = image_new(x->plan->id, x->set.guid);
	if (x->before)
		r = note(x, d, pos / SECTOR, buf, (uint32_t)(len / SECTOR));
	x->before_cut = x->before_cut || r < 0;
	return r;
}

void before_wrote(struct exec *x, struct set_disk *d, uint64_t pos, const void *buf, size_t len, int result)
{
	/* What could not be noted must not be taken for what was there before the next write. */
	if (x->plan && x->env.report && expect(x, d, pos, buf, len) < 0)
		result = -ENOMEM;
	if (result == 0)
		known_wrote(&d->known, pos / SECTOR, buf, (uint32_t)(len / SECTOR));
	else
		known_lose(&d->known, pos / SECTOR, (uint32_t)(len / SECTOR));
}

void before_op(void *u, const struct io_op *op, int result)
{
	struct exec *x = u;

	for (size_t i = 0; i < x->set.n_disks; i++)
		if (x->set.disk[i]->dev == op->dev)
			before_wrote(x, x->set.disk[i], op->pos, op->buf, op->len, result);
}

/* --- telling ----------------------------------------------------------------------------------------------- */

/* Parts on their way: the last is held back, since it may be the one to wait for. */
struct telling {
	struct exec *x;
	const char *key;
	json_t *last;
	bool lost; /* there was no memory for one */
};

static void send(struct telling *t, bool wait)
{
	json_t *msg = t->last ? json_pack("{s:O}", t->key, t->last) : NULL;

	if (msg && wait && json_object_set_new(msg, "wait", json_true()) < 0)
		wait = false;
	if (msg)
		t->x->env.report(t->x->env.u, msg);
	t->lost = t->lost || (t->last && !msg);
	wait = wait && msg;
	json_decref(msg);
	json_decref(TAKE_PTR(t->last));
	if (!wait)
		return;
	exec_mark(t->x, "images kept");
	t->x->env.kept(t->x->env.u);
}

static void take(void *u, const json_t *part)
{
	struct telling *t = u;

	send(t, false);
	t->last = json_incref((json_t *)part);
}

int images_report(struct exec *x, const char *key, struct image *im, bool wait)
{
	struct telling t = {.x = x, .key = key};
	int r = image_tell(im, take, &t);

	send(&t, wait && x->env.kept);
	return r == 0 && t.lost ? -ENOMEM : r;
}

bool before_waits(const struct exec *x)
{
	return x->may_wait && !x->taken && x->env.kept && x->env.report && !x->plan->dry_run &&
	       (x->plan->origin == PLAN_RULE || x->plan->origin == PLAN_OPERATOR);
}

void before_write(struct exec *x, struct set_disk *d, const struct meta_writes *w)
{
	for (size_t i = 0; i < w->n; i++)
		expect(x, d, w->w[i].sector * SECTOR, w->w[i].buf, w->w[i].len);
	for (unsigned b = 0; b < d->n_bays; b++)
		if (d->bay[b].used)
			expect(x, d, slice_bay_sector(d->view->room_start, b) * SECTOR, NULL,
			       (size_t)2 * STAMP_SECTORS * SECTOR);
}

void before_wait(struct exec *x)
{
	int64_t begin = exec_now(x);

	x->may_wait = false;
	if (x->before && images_report(x, "before", x->before, true) < 0)
		x->before_cut = true;
	x->timing.images += (exec_now(x) - begin) / NS_PER_US;
}

void before_tell(struct exec *x)
{
	struct telling t = {.x = x, .key = "before"};
	int64_t begin = exec_now(x);

	if (!x->before && x->before_cut)
		x->before = image_new(x->plan->id, x->set.guid);
	if (x->before) {
		if (images_report(x, "before", x->before, false) < 0)
			x->before_cut = true;
		image_tell_end(x->before, x->before_cut, take, &t);
		send(&t, false);
		x->timing.images += (exec_now(x) - begin) / NS_PER_US;
	}
	image_free(TAKE_PTR(x->before));
	x->before_cut = x->may_wait = false;
}
