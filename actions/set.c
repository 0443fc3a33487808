// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/set.h"

#include "actions/exec.h"
#include "actions/start.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- looking up ---------------------------------------------------------------------------------------- */

struct set_disk *set_disk_by_ref(const struct set *s, const char *ref)
{
	struct set_disk *gone = NULL;

	if (!ref[0])
		return NULL;
	for (size_t i = 0; i < s->n_disks; i++) {
		if (strcmp(s->disk[i]->ref, ref) != 0)
			continue;
		if (s->disk[i]->dev)
			return s->disk[i];
		gone = s->disk[i];
	}
	return gone;
}

struct set_disk *set_disk_by_id(const struct set *s, const char *id)
{
	for (size_t i = 0; i < s->n_disks; i++)
		if (s->disk[i]->dev && strcmp(s->disk[i]->device.id, id) == 0)
			return s->disk[i];
	return NULL;
}

unsigned set_disk_number(const struct set *s, const struct set_disk *d)
{
	unsigned i;

	for (i = 0; i < s->n_disks; i++)
		if (s->disk[i] == d)
			break;
	return i;
}

bool set_disk_current(const struct set_disk *d)
{
	return d->dev && d->ours && d->error == 0 && (d->standing == META_CURRENT || d->torn || d->adopted);
}

bool set_disk_has_role(const struct meta_view *v, const struct set_disk *d)
{
	const struct meta_disk *md = meta_view_disk(v, d->ref);

	if (!md)
		return false;
	if (md->spare && !md->failed)
		return true;
	for (size_t i = 0; i < v->n_volumes; i++)
		for (unsigned m = 0; m < v->volumes[i].slots; m++)
			if (strcmp(v->volumes[i].members[m].ref, d->ref) == 0 &&
			    (v->volumes[i].members[m].state == MEMBER_IN_SYNC ||
			     v->volumes[i].members[m].state == MEMBER_REBUILDING))
				return true;
	return false;
}

int set_bay_of(const struct set_disk *d, const char *volume)
{
	int best = -1;

	for (unsigned i = 0; i < d->n_bays; i++)
		if (d->bay[i].used && strcmp(d->bay[i].stamp.volume, volume) == 0 &&
		    (best < 0 || d->bay[i].stamp.generation > d->bay[best].stamp.generation))
			best = (int)i;
	return best;
}

int set_bay_take(const struct set *s, struct set_disk *d, const struct meta_volume *v, struct err *e)
{
	int n = set_bay_of(d, v->guid);

	if (n >= 0)
		return n;
	for (unsigned i = 0; i < d->n_bays; i++)
		if (!d->bay[i].used || !meta_view_volume(s->view, d->bay[i].stamp.volume)) {
			d->bay[i] = (struct bay){.super_status = -ENODATA};
			return (int)i;
		}
	return err_set(e, ENOSPC, "%s has no room for a slice of %s in the workspace of its metadata", d->dev->name,
		       v->name);
}

uint64_t set_slice_sector(const struct set_disk *d, unsigned bay)
{
	return slice_bay_sector(d->view->room_start, bay) + 2 * STAMP_SECTORS;
}

const struct meta_volume *set_disk_own_volume(const struct set_disk *d, const char *volume)
{
	const struct meta_volume *v = d->view ? meta_view_volume(d->view, volume) : NULL;

	return v && v->known ? v : NULL;
}

/* --- joining --------------------------------------------------------------------------------------------- */

/* Behind only by the update that was cut: its stamp announced it. */
static bool is_torn(const struct set *s, const struct set_disk *d)
{
	for (unsigned i = 0; i < d->n_bays; i++)
		if (d->bay[i].used && d->bay[i].stamp.seq_current == d->seq &&
		    d->bay[i].stamp.seq_intended == s->view->seq)
			return true;
	return false;
}

/* Holds no data that counts, neither by the set nor by its own copy: a spare, or a member that will be rebuilt from its
 * first sector. Bringing its metadata up to date loses nothing. */
static bool is_idle(const struct set *s, const struct set_disk *d)
{
	const struct meta_view *views[] = {s->view, d->view};

	for (size_t k = 0; k < ARRAY_SIZE(views); k++)
		for (size_t i = 0; i < views[k]->n_volumes; i++)
			for (unsigned m = 0; m < views[k]->volumes[i].slots; m++)
				if (strcmp(views[k]->volumes[i].members[m].ref, d->ref) == 0 &&
				    views[k]->volumes[i].members[m].state == MEMBER_IN_SYNC)
					return false;
	return meta_view_disk(s->view, d->ref) && !meta_view_disk(s->view, d->ref)->failed;
}

/* A disk that is behind, that the set holds in sync, and that itself calls a current disk failed: it did not miss
 * updates, it went on alone. Sequence numbers cannot tell which half is newer. */
static bool contradicts(const struct set *s, const struct set_disk *d)
{
	for (size_t i = 0; i < d->view->n_volumes; i++) {
		const struct meta_volume *own = &d->view->volumes[i], *v = meta_view_volume(s->view, own->guid);
		bool in_sync = false, accuses = false;

		for (unsigned m = 0; v && m < MIN(v->slots, own->slots); m++) {
			const struct meta_member *o = &own->members[m], *j = &v->members[m];
			const struct set_disk *other = set_disk_by_ref(s, j->ref);

			in_sync = in_sync || (strcmp(j->ref, d->ref) == 0 && j->state == MEMBER_IN_SYNC);
			accuses = accuses || (other && other != d && other->ours && other->dev && o->ref[0] &&
					      strcmp(o->ref, j->ref) == 0 && j->state == MEMBER_IN_SYNC &&
					      (o->state == MEMBER_FAILED || o->state == MEMBER_MISSING));
		}
		if (in_sync && accuses)
			return true;
	}
	return false;
}

static void judge(struct set *s)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		struct set_disk *d = s->disk[i];

		if (!d->dev || !d->ours || d->standing != META_STALE)
			continue;
		d->torn = is_torn(s, d);
		d->adopted = !d->torn && is_idle(s, d);
		if (!d->torn && contradicts(s, d)) {
			d->standing = META_SPLIT;
			s->split = true;
		}
	}
}

/* What failed was the disk that was here. One that is away is missing, and in the way of nothing. */
static void disk_close(struct set_disk *d)
{
	blockdev_close(TAKE_PTR(d->dev));
	d->error = 0;
}

/* What we wrote since a disk was read is in .meta, not in the disk's copy. One that cannot be read any more counts as
 * absent: the others are as they are. */
static int refresh_copies(struct set *s, struct err *e)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		struct set_disk *d = s->disk[i];
		struct err why = {0};
		int r = d->dev && d->ours && d->seq != d->view->seq ? set_disk_read(s, d, &why) : 0;

		if (r == -ENOMEM)
			return err_set(e, ENOMEM, "%s", why.msg);
		if (r < 0) {
			log_warning("%s", why.msg);
			disk_close(d);
		}
	}
	return 0;
}

int set_join(struct set *s, struct err *e)
{
	const struct meta_view *views[META_DISKS_MAX];
	const struct meta_copy *copies[META_DISKS_MAX];
	enum meta_standing standing[META_DISKS_MAX];
	struct set_disk *from[META_DISKS_MAX];
	_cleanup_(meta_view_freep) struct meta_view *merged = NULL;
	size_t n = 0, n_copies = 0;
	int r = refresh_copies(s, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_disks; i++)
		if (s->disk[i]->dev && s->disk[i]->ours) {
			from[n] = s->disk[i];
			views[n++] = s->disk[i]->view;
		}
	if (n == 0)
		return err_set(e, ENODATA, "no disk of the set %s can be read", s->guid);
	s->split = false;
	r = meta_view_merge(views, n, &merged, standing, &s->split, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		from[i]->standing = standing[i];
		from[i]->torn = false;
		if (standing[i] != META_SPLIT)
			copies[n_copies++] = from[i]->copy;
	}
	if (s->meta)
		s->format->set_free(s->meta);
	s->meta = NULL;
	meta_view_free(TAKE_PTR(s->view));
	r = s->format->join(copies, n_copies, &s->meta, e);
	if (r == 0)
		r = s->format->set_view(s->meta, &s->view, e);
	if (r == 0)
		judge(s);
	return r;
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool same_device(const struct plan_device *a, const struct plan_device *b)
{
	return strcmp(a->id, b->id) == 0 && a->major == b->major && a->minor == b->minor &&
	       (a->diskseq == b->diskseq || !a->diskseq || !b->diskseq);
}

static void close_absent(struct set *s, const struct plan *p)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		struct set_disk *d = s->disk[i];
		bool here = false;

		for (size_t k = 0; k < p->n_devices && d->dev; k++)
			here = here || same_device(&d->device, &p->devices[k]);
		if (d->dev && !here) {
			disk_close(d);
			set_disk_forget(s, d);
			/* It may have been the half that stood against the others. */
			s->rejoin = s->rejoin || s->split;
		}
	}
}

/* The place of a disk that is named again, or a new one. */
static struct set_disk *place_for(struct set *s, const struct plan_device *device)
{
	struct set_disk *d = NULL;

	for (size_t i = 0; i < s->n_disks && !d; i++)
		if (!s->disk[i]->dev && strcmp(s->disk[i]->device.id, device->id) == 0)
			d = s->disk[i];
	if (!d && s->n_disks < META_DISKS_MAX) {
		d = calloc(1, sizeof(*d));
		if (d)
			s->disk[s->n_disks++] = d;
	}
	if (d) {
		d->device = *device;
		d->ref[0] = '\0';
		d->error = 0;
		d->fell = 0;
	}
	return d;
}

static struct set_disk *open_disk(const struct set *s, const struct plan_device *device)
{
	for (size_t i = 0; i < s->n_disks; i++)
		if (s->disk[i]->dev && same_device(&s->disk[i]->device, device))
			return s->disk[i];
	return NULL;
}

static void count_as_absent(struct set_disk *d, const struct err *why)
{
	log_warning("%s counts as absent: %s", d->device.node, why->msg);
	disk_close(d);
}

/* Those of the plan's disks that are not open yet. 1: some were read. */
static int open_new(struct set *s, const struct plan *p, struct err *e)
{
	_cleanup_(freep) struct set_look *list = calloc(p->n_devices + 1, sizeof(*list));
	size_t n = 0;
	int any = 0, r = 0;

	if (!list)
		return err_sys(e, ENOMEM, "disks");
	for (size_t i = 0; i < p->n_devices && r == 0; i++) {
		struct set_disk *d;
		struct err why = {0};

		if (open_disk(s, &p->devices[i]))
			continue;
		d = place_for(s, &p->devices[i]);
		if (!d)
			r = err_set(e, ENOMEM, "too many disks");
		else if (s->env->open(s->env->u, &p->devices[i], &d->dev, &why) < 0)
			count_as_absent(d, &why);
		else
			list[n++].disk = d;
	}
	set_look_at(s, list, n, set_disk_read); /* whatever r is: none stays open that was not read */
	for (size_t i = 0; i < n; i++)
		if (list[i].result < 0)
			count_as_absent(list[i].disk, &list[i].why);
		else
			any = 1;
	return r < 0 ? r : any;
}

/* The first sector of the primary copy: the anchor is looked for before it is read, at one or two places, and the
 * secondary copy comes last. */
static const struct watch *watch_of(const struct set_disk *d)
{
	return &d->watch[d->n_watch > 2 ? d->n_watch - 2 : d->n_watch - 1];
}

/* One sector of each disk tells whether another tool wrote since. 1: some disk has to be read again. */
static int changed_by_others(struct set *s)
{
	_cleanup_(freep) uint8_t *room = blockio_alloc((size_t)META_DISKS_MAX * 4096);
	int result[META_DISKS_MAX] = {0}, r, changed = 0;
	struct io_batch b = {0};

	if (!room)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_disks; i++) {
		struct set_disk *d = s->disk[i];

		if (d->dev && d->ours && d->n_watch && !d->error)
			io_batch_read(&b, i, d->dev,
				      watch_of(d)->sector * 512 / d->dev->sector_size * d->dev->sector_size,
				      room + (size_t)i * 4096, d->dev->sector_size);
	}
	r = io_batch_run(s->pool, &b, result);
	io_batch_free(&b);
	for (unsigned i = 0; i < s->n_disks && r == 0; i++) {
		struct set_disk *d = s->disk[i];
		const struct watch *w;

		if (!d->dev || !d->ours || !d->n_watch || d->error)
			continue;
		w = watch_of(d);
		if (result[i] < 0)
			d->error = result[i];
		else if (memcmp(room + (size_t)i * 4096 + w->sector * 512 % d->dev->sector_size, w->bytes, 512) != 0)
			changed = 1;
	}
	return r < 0 ? r : changed;
}

/* Between plans only we write. If another tool did all the same, nothing that was remembered counts. */
static int reread(struct set *s, struct err *e)
{
	_cleanup_(freep) struct set_look *list = NULL;
	size_t n = 0;

	log_warning("set %s was changed by another tool: reading it again", s->guid);
	list = calloc(s->n_disks, sizeof(*list));
	if (!list)
		return err_sys(e, ENOMEM, "disks");
	for (size_t i = 0; i < s->n_disks; i++)
		if (s->disk[i]->dev)
			list[n++].disk = s->disk[i];
	set_look_at(s, list, n, set_disk_read);
	for (size_t i = 0; i < n; i++)
		if (list[i].result < 0)
			count_as_absent(list[i].disk, &list[i].why);
	return set_join(s, e);
}

/* A disk that failed, and of which that could not be recorded: no volume could do without it, or it is a spare. It gets
 * another chance, from what it holds now. Returns true if there is one. */
static bool retry_failed(struct set *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_disks; i++) {
		struct set_disk *d = s->disk[i];
		int was = d->error;

		if (!d->dev || !d->ours || !d->error || !set_disk_has_role(s->view, d))
			continue;
		d->error = 0;
		if (set_disk_read(s, d, NULL) < 0)
			d->error = was;
		else
			any = true;
	}
	return any;
}

static bool any_ours(const struct set *s)
{
	for (size_t i = 0; i < s->n_disks; i++)
		if (s->disk[i]->dev && s->disk[i]->ours)
			return true;
	return false;
}

int set_open(struct set *s, const struct plan *p, struct err *e)
{
	bool new = !s->meta;
	int r;

	if (strcmp(s->guid, p->set) != 0) {
		set_close(s);
		memcpy(s->guid, p->set, sizeof(s->guid));
		new = true;
	}
	close_absent(s, p);
	if (!new) {
		s->rejoin = retry_failed(s) || s->rejoin;
		r = changed_by_others(s);
		if (r > 0)
			r = reread(s, e);
		if (r < 0)
			return r;
	}
	r = open_new(s, p, e);
	if (r < 0)
		return r;
	if (r == 0 && !new && !s->rejoin)
		return 0;
	s->rejoin = false;
	if (p->create && p->create->new_set && !any_ours(s))
		return 0;
	return set_join(s, e);
}

static void disk_free(const struct set *s, struct set_disk *d)
{
	set_disk_forget(s, d);
	blockdev_close(d->dev);
	free(d);
}

void set_close(struct set *s)
{
	for (size_t i = 0; i < s->n_disks; i++)
		disk_free(s, s->disk[i]);
	s->n_disks = 0;
	if (s->meta)
		s->format->set_free(s->meta);
	s->meta = NULL;
	meta_view_free(TAKE_PTR(s->view));
	s->guid[0] = '\0';
}
