// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk goes from one set to another. The set that has it forgets it first, which is written and flushed; then it is
 * wiped; only then does the other set write to it. So a cut leaves it a spare of the one, forgotten by both and saying
 * itself whose it was, blank, or a spare of the other, and never in the books of two. */
#include "actions/exec_run.h"

#include <errno.h>
#include <string.h>

enum { END_BYTES = 1 << 20 };

/* What tells others what a disk holds lies in its first and its last MiB. */
static int zero_end(struct exec *x, struct set_disk *d, uint64_t pos)
{
	_cleanup_(freep) void *zero = blockio_alloc(END_BYTES);
	int r = zero ? d->dev->write(d->dev, pos, zero, END_BYTES) : -ENOMEM;

	if (zero)
		before_wrote(x, d, pos, zero, END_BYTES, r);
	return r < 0 ? r : d->dev->flush(d->dev);
}

static int write_in_order(struct exec *x, struct set_disk *d, const struct meta_writes *w)
{
	int r = 0;

	for (size_t i = 0; i < w->n && r == 0; i++) {
		r = d->dev->write(d->dev, w->w[i].sector * 512, w->w[i].buf, w->w[i].len);
		before_wrote(x, d, w->w[i].sector * 512, w->w[i].buf, w->w[i].len, r);
		if (r == 0 && w->w[i].flush)
			r = d->dev->flush(d->dev);
	}
	return r;
}

/* The first MiB goes while the disk still says whose it was: after a cut it can be wiped again, or taken back. */
static int wipe(struct exec *x, struct set_disk *d, struct err *e)
{
	const struct meta_copy *copy = d->copy;
	struct meta_writes w = {0};
	struct meta_set *own;
	int r = x->set.format->join(&copy, 1, &own, e);

	if (r < 0)
		return r;
	r = x->set.format->erase(own, d->ref, &w, e);
	x->set.format->set_free(own);
	if (r < 0)
		return r;
	exec_mark(x, "spare wipe");
	r = zero_end(x, d, 0);
	if (r == 0)
		r = write_in_order(x, d, &w);
	if (r == 0)
		r = zero_end(x, d, d->dev->sectors * 512 - END_BYTES);
	meta_writes_free(&w);
	return r < 0 ? err_sys(e, -r, "%s is no spare any more, and cannot be wiped", d->dev->name) : 0;
}

/* Closed, so that udev looks at it again. */
int step_remove_spare_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct set_disk *d = set_disk_by_id(&x->set, s->device);
	bool ours = d && d->ours && d->copy && d->standing != META_SPLIT;
	int r = 0;

	if (s->wipe && ours && !meta_view_disk(x->set.view, d->ref))
		r = wipe(x, d, e);
	if (r == 0 && claims_held(x))
		r = claims_make(x, e);
	if (r == 0 && s->wipe && ours) {
		d->ours = false;
		blockdev_close(TAKE_PTR(d->dev));
	}
	return r;
}

int step_take_spare_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct set_disk *d = set_disk_by_id(&x->set, s->device);
	const char *name = s->name[0] ? s->name : s->device;
	int r;

	if (!d)
		return err_set(e, ENODEV, "%s is not here", name);
	if (x->plan->dry_run || (d->ours && meta_view_disk(x->set.view, d->ref)))
		return 1;
	r = set_disk_read(&x->set, d, e);
	if (r < 0)
		return r;
	return d->foreign ? err_set(e, ESTALE, "%s still holds other metadata: %s", name, d->problem) : 0;
}
