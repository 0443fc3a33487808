// SPDX-License-Identifier: GPL-2.0-or-later
/* The birth of arrays.
 *
 * A new set is written first without its volume: copies, then the anchor, disk by disk. What a cut leaves of it is a
 * set without an array, or part of one: nothing that anyone assembles. The volume comes with one commit like all
 * others: the stamps of its members announce it, so that a disk that a cut left behind is told from one that missed
 * something, and the next recording finishes what was begun. Where no disk has the new number, there is no volume. (Of
 * RAID10 each disk has the record of its own pair only: a volume of which a pair is unknown was never whole, and is
 * taken back.) A disk that fails while all this is written ends it, and what is there already is taken back. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WIPE_BYTES = 1 << 20 };

struct birth {
	const struct plan_create *create;
	struct set_disk *disk[ARRAY_SIZE(((struct plan_create *)0)->disk)];
	struct meta_set *blank; /* the new set as it is written at first; NULL: the set was there */
};

static int find_disks(struct exec *x, struct birth *b, struct err *e)
{
	for (unsigned i = 0; i < b->create->n_disks; i++) {
		const struct plan_create_disk *want = &b->create->disk[i];
		struct set_disk *d = set_disk_by_id(&x->set, want->device);

		if (!d || !d->dev)
			return err_set(e, ENODEV, "%s is not here", want->name);
		if (d->foreign && !want->wipe)
			return err_set(e, EEXIST, "%s holds other metadata (%s)", want->name, d->problem);
		d->error = 0;
		b->disk[i] = d;
	}
	return 0;
}

int check_name(struct exec *x, const char *volume_name, const char *guid, struct err *e)
{
	char uuid[DM_UUID_LEN_MAX + 1], dm[DM_NAME_LEN_MAX + 1];
	struct dm_info_view info;
	int r = dm_name_escape(volume_name, dm);

	if (r < 0)
		return err_set(e, EINVAL, "'%s' cannot be the name of a device", volume_name);
	r = x->env.dm->info(x->env.dm->u, dm, &info, e);
	if (r < 0)
		return r;
	snprintf(uuid, sizeof(uuid), "SPARED-%s-%s", x->set.format->name, guid);
	if (info.exists && strcmp(info.uuid, uuid) != 0)
		return err_set(e, EEXIST, "/dev/mapper/%s is there already and another device", dm);
	return 0;
}

/* --- a new set ------------------------------------------------------------------------------------------------ */

/* In memory: all disks, the spares as such; the members have no place yet. */
static int set_draft(struct exec *x, struct birth *b, struct err *e)
{
	const struct meta_format *f = x->set.format;
	int r = 0;

	for (unsigned i = 0; i < b->create->n_disks && r == 0; i++) {
		struct set_disk *d = b->disk[i];
		struct meta_edit spare = {.op = META_ADD_SPARE};

		r = b->blank ? f->add_disk(b->blank, d->dev->sectors, d->dev->sector_size, d->device.id, d->ref, e)
			     : f->create_set(x->set.guid, d->dev->sectors, d->dev->sector_size, d->device.id, &b->blank,
					     d->ref, e);
		if (r < 0)
			return err_prefix(e, "%s", d->dev->name);
		memcpy(spare.ref, d->ref, sizeof(spare.ref));
		if (i >= b->create->n_slots)
			r = f->edit(b->blank, &spare, e);
	}
	if (r == 0)
		f->set_seq(b->blank, 1);
	return r;
}

/* Nobody else has them open for himself: a file system, another array, a person's program. */
static int claim_all(struct exec *x, const struct birth *b, struct err *e)
{
	for (unsigned i = 0; i < b->create->n_disks; i++) {
		struct err why = {0};
		int r = claim_disk(x, b->disk[i], &why);

		if (r < 0)
			return err_set(e, -r, "%s is in use, or cannot be held: %s", b->disk[i]->dev->name, why.msg);
	}
	return 0;
}

/* What tells others what a disk holds lies in its first and its last MiB. */
static int wipe(struct exec *x, const struct birth *b, struct err *e)
{
	_cleanup_(freep) void *zero = blockio_alloc(WIPE_BYTES);
	int result[META_DISKS_MAX] = {0}, r;
	struct io_batch batch = {0};

	if (!zero)
		return err_set(e, ENOMEM, "out of memory");
	for (unsigned i = 0; i < b->create->n_disks; i++) {
		struct set_disk *d = b->disk[i];
		unsigned n = set_disk_number(&x->set, d);

		if (!b->create->disk[i].wipe)
			continue;
		io_batch_write(&batch, n, d->dev, d->dev->sectors * 512 - WIPE_BYTES, zero, WIPE_BYTES, false);
		io_batch_write(&batch, n, d->dev, 0, zero, WIPE_BYTES, true);
		d->foreign = false;
	}
	exec_mark(x, "create wipe");
	r = io_batch_run(x->set.pool, &batch, result);
	io_batch_free(&batch);
	for (unsigned i = 0; i < b->create->n_disks && r == 0; i++)
		r = result[set_disk_number(&x->set, b->disk[i])];
	return r < 0 ? err_sys(e, -r, "what the disks hold cannot be wiped") : 0;
}

int disks_write(struct exec *x, struct set_disk *const *disks, size_t n, make_fn *make, const struct meta_set *meta,
		const char *what, struct err *e)
{
	struct meta_writes *w = calloc(n + 1, sizeof(*w));
	int result[META_DISKS_MAX] = {0}, r = w ? 0 : err_set(e, ENOMEM, "out of memory");
	struct io_batch batch = {0};

	for (size_t i = 0; i < n && r == 0; i++) {
		unsigned number = set_disk_number(&x->set, disks[i]);

		r = make(meta, disks[i]->ref, &w[i], e);
		for (size_t k = 0; r == 0 && k < w[i].n; k++)
			io_batch_write(&batch, number, disks[i]->dev, w[i].w[k].sector * 512, w[i].w[k].buf,
				       w[i].w[k].len, w[i].w[k].flush);
	}
	if (r == 0) {
		exec_mark(x, what);
		r = io_batch_run(x->set.pool, &batch, result);
		if (r < 0)
			err_set(e, -r, "cannot write metadata");
	}
	io_batch_free(&batch);
	for (size_t i = 0; w && i < n; i++) {
		int own = result[set_disk_number(&x->set, disks[i])];

		if (own < 0 && r == 0)
			r = err_sys(e, -own, "%s cannot be written", disks[i]->dev->name);
		meta_writes_free(&w[i]);
	}
	free(w);
	return r;
}

int disks_written(struct exec *x, struct set_disk *const *disks, size_t n, struct err *e)
{
	_cleanup_(freep) struct set_look *look = calloc(n + 1, sizeof(*look));
	int r = 0;

	if (!look)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		look[i].disk = disks[i];
	set_look_at(&x->set, look, n, set_disk_read);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = look[i].result;
		if (r < 0)
			err_set(e, -r, "%s", look[i].why.msg);
		else if (!disks[i]->ours)
			r = err_set(e, EIO, "%s does not hold what was written to it: %s", disks[i]->dev->name,
				    disks[i]->problem);
	}
	return r < 0 ? r : set_join(&x->set, e);
}

/* What they hold is told first: undo gives it back. */
static void tell_wiped(struct exec *x, const struct birth *b)
{
	struct set_disk *wiped[ARRAY_SIZE(b->disk)];
	size_t n = 0;

	for (unsigned i = 0; i < b->create->n_disks; i++)
		if (b->create->disk[i].wipe)
			wiped[n++] = b->disk[i];
	images_of_wiped(x, wiped, n, b->blank);
}

static int set_make(struct exec *x, struct birth *b, struct err *e)
{
	int r = set_draft(x, b, e);

	if (r == 0)
		r = claim_all(x, b, e);
	if (r == 0)
		tell_wiped(x, b);
	if (r == 0)
		r = wipe(x, b, e);
	if (r == 0)
		r = disks_write(x, b->disk, b->create->n_disks, x->set.format->encode, b->blank, "create set", e);
	return r < 0 ? r : disks_written(x, b->disk, b->create->n_disks, e);
}

/* Nothing of it is left on disks that can be written. */
static void set_unmake(struct exec *x, struct birth *b)
{
	struct err why = {0};

	if (disks_write(x, b->disk, b->create->n_disks, x->set.format->erase, b->blank, "create undo", &why) < 0)
		log_warning("set %s: %s", x->set.guid, why.msg);
	if (claims_drop(x, &why) < 0)
		log_warning("set %s: %s", x->set.guid, why.msg);
	x->env.dm->settle(x->env.dm->u);
	set_close(&x->set);
}

/* --- in a set that is there ------------------------------------------------------------------------------------- */

/* Blank disks become spares of the set first: all of the volume's disks are its own before it is. */
static int join_blank(struct exec *x, struct birth *b, struct err *e)
{
	bool any = false;
	int r = 0;

	for (unsigned i = 0; i < b->create->n_disks && r == 0; i++) {
		struct meta_edit spare = {.op = META_ADD_SPARE};
		struct set_disk *d = b->disk[i];

		if (d->ours && meta_view_disk(x->set.view, d->ref))
			continue;
		r = join_disk(x, b->create->disk[i].device, d, e);
		memcpy(spare.ref, d->ref, sizeof(spare.ref));
		if (r == 0)
			r = exec_edit(x, &spare, e);
		any = true;
	}
	if (r < 0 || !any || x->plan->dry_run)
		return r;
	r = wipe(x, b, e);
	if (r == 0)
		r = commit(x, e);
	exec_settle_joining(x);
	for (unsigned i = 0; i < b->create->n_disks && r == 0; i++) {
		const struct set_disk *d = b->disk[i];

		if (!d || !d->ours || d->error)
			r = err_set(e, EIO, "%s cannot be written", b->create->disk[i].name);
	}
	x->set.rejoin = false;
	return r < 0 ? r : set_join(&x->set, e);
}

/* --- the volume --------------------------------------------------------------------------------------------------- */

static int volume_draft(struct exec *x, const struct birth *b, struct err *e)
{
	struct meta_set *work = NULL;
	struct meta_create c = {.level = b->create->level,
				.layout = b->create->layout,
				.chunk = b->create->chunk,
				.sectors = b->create->sectors,
				.initialised = b->create->assume_clean || b->create->level == RAID0,
				.slots = b->create->n_slots};
	int r = exec_work(x, &work, e);

	memcpy(c.guid, x->plan->volume, sizeof(c.guid));
	memcpy(c.name, x->plan->array_name, sizeof(c.name));
	for (unsigned i = 0; i < c.slots; i++)
		memcpy(c.ref[i], b->disk[i]->ref, sizeof(c.ref[i]));
	return r < 0 ? r : x->set.format->create_volume(work, &c, e);
}

static int volume_take_bays(struct exec *x, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	int r = exec_work_view(x, &view, e);

	return r < 0 ? r : slices_first(x, meta_view_volume(view, x->plan->volume), e);
}

/* Born whole, or not at all. */
static int check_whole(struct exec *x, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, x->plan->volume);

	if (!v)
		return err_set(e, EIO, "%s could not be written", x->plan->array_name);
	for (unsigned i = 0; i < v->slots; i++) {
		const struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);

		if (!d || !d->dev || d->error || v->members[i].state != MEMBER_IN_SYNC)
			return err_set(e, EIO, "%s failed while %s was made", d && d->dev ? d->dev->name : "a disk",
				       v->name);
	}
	return 0;
}

static void volume_unmake(struct exec *x)
{
	struct meta_edit gone = {.op = META_DELETE_VOLUME};
	struct err why = {0};
	int r;

	memcpy(gone.volume, x->plan->volume, sizeof(gone.volume));
	if (!exec_volume(x, gone.volume))
		return;
	r = exec_edit(x, &gone, &why);
	if (r == 0)
		r = commit(x, &why);
	if (r < 0)
		log_warning("%s: %s", x->plan->array_name, why.msg);
}

static int volume_make(struct exec *x, const struct birth *b, struct err *e)
{
	struct volume_run *run;
	int r = volume_draft(x, b, e);

	if (r == 0)
		r = volume_take_bays(x, e);
	if (r == 0)
		r = commit(x, e);
	if (r == 0)
		r = check_whole(x, e);
	if (r < 0)
		return r;
	run = exec_run(x, x->plan->volume);
	r = run ? run_find(x, run, e) : err_set(e, ENOMEM, "out of memory");
	return MIN(r, 0);
}

static int shown(struct exec *x, struct birth *b, struct err *e)
{
	int r = x->set.meta ? join_blank(x, b, e) : set_draft(x, b, e);

	if (r == 0 && !x->work)
		x->work = TAKE_PTR(b->blank);
	return r == 0 && b->create->n_slots ? volume_draft(x, b, e) : r;
}

static int make(struct exec *x, struct birth *b, struct err *e)
{
	bool new_set = !x->set.meta;
	int r = new_set ? set_make(x, b, e) : join_blank(x, b, e);

	if (r == 0 && b->create->n_slots)
		r = volume_make(x, b, e);
	if (r < 0) {
		if (x->work)
			x->set.format->set_free(TAKE_PTR(x->work));
		if (!new_set)
			volume_unmake(x);
		else if (b->blank)
			set_unmake(x, b);
	}
	return r;
}

int step_create_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct birth b = {.create = x->plan->create};
	int r;

	(void)s;
	if (!b.create)
		return err_set(e, EINVAL, "the plan does not say what to make");
	if (b.create->n_slots && exec_volume(x, x->plan->volume))
		return 1;
	if (!x->set.meta && !b.create->new_set)
		return err_set(e, ENODATA, "no disk of the set %s can be read", x->set.guid);
	r = find_disks(x, &b, e);
	if (r == 0 && b.create->n_slots)
		r = check_name(x, x->plan->array_name, x->plan->volume, e);
	if (r == 0)
		r = x->plan->dry_run ? shown(x, &b, e) : make(x, &b, e);
	if (b.blank)
		x->set.format->set_free(b.blank);
	return r;
}

int step_create_finish(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	return x->set.view && claims_held(x) ? claims_make(x, e) : 0;
}

/* The plan was to make a set, and ended before it was what it should be. */
static bool set_unborn(const struct exec *x)
{
	const struct plan_create *c = x->plan->create;

	if (!c || !c->new_set || (x->set.view && x->plan->volume[0] && exec_volume(x, x->plan->volume)))
		return false;
	for (unsigned i = 0; i < c->n_disks && x->set.view; i++) {
		const struct set_disk *d = set_disk_by_id(&x->set, c->disk[i].device);

		if (!d || !d->ours || x->plan->volume[0])
			return true;
	}
	return !x->set.view;
}

/* What is there of it goes; its disks are blank again. */
int set_take_back(struct exec *x, const char *what, struct err *e)
{
	struct set_disk *disk[META_DISKS_MAX];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < x->set.n_disks; i++)
		if (x->set.view && x->set.disk[i]->dev && x->set.disk[i]->ours &&
		    meta_view_disk(x->set.view, x->set.disk[i]->ref))
			disk[n++] = x->set.disk[i];
	if (n)
		r = disks_write(x, disk, n, x->set.format->erase, x->set.meta, what, e);
	if (r == 0)
		r = claims_drop(x, e);
	if (r < 0)
		return r;
	x->env.dm->settle(x->env.dm->u);
	set_close(&x->set);
	return 0;
}

/* A volume of which no disk here has all records, or any, while others were to get theirs by the update that was cut.
 */
static bool half_made(const struct exec *x, const struct meta_volume *v)
{
	bool unknown = !v->known, announced = false;

	for (unsigned i = 0; i < v->slots; i++)
		unknown = unknown || !v->members[i].known;
	for (size_t i = 0; i < x->set.n_disks && unknown; i++) {
		const struct set_disk *d = x->set.disk[i];
		int bay = d->dev && d->ours && d->torn ? set_bay_of(d, v->guid) : -1;

		announced = announced ||
			    (bay >= 0 && d->bay[bay].stamp.seq_current == d->seq &&
			     d->bay[bay].stamp.hash_current == 0 && d->bay[bay].stamp.seq_intended == x->set.view->seq);
	}
	return announced;
}

int births_undo(struct exec *x, struct err *e)
{
	int n = 0, r = 0;

	if (set_unborn(x))
		return set_take_back(x, "create undo", e);
	for (size_t i = 0; i < x->set.view->n_volumes && r == 0; i++) {
		struct meta_edit gone = {.op = META_DELETE_VOLUME};

		if (!half_made(x, &x->set.view->volumes[i]))
			continue;
		log_notice("%s: it was not made to its end, and is taken back", x->set.view->volumes[i].name);
		memcpy(gone.volume, x->set.view->volumes[i].guid, sizeof(gone.volume));
		r = exec_edit(x, &gone, e);
		n++;
	}
	return r < 0 ? r : n;
}
