// SPDX-License-Identifier: GPL-2.0-or-later
/* What several disks say together. Age is told by the set's sequence number alone. */
#include "actions/meta/meta.h"

#include <errno.h>
#include <string.h>

static bool calls_gone(const struct meta_view *v, const char *ref)
{
	const struct meta_disk *d = meta_view_disk(v, ref);

	return !d || d->failed || d->missing;
}

static bool in_a_slot(const struct meta_view *v, const char *ref)
{
	for (size_t i = 0; i < v->n_volumes; i++)
		for (unsigned k = 0; k < v->volumes[i].slots; k++)
			if (strcmp(v->volumes[i].members[k].ref, ref) == 0)
				return true;
	return false;
}

/* True if a went on without the disks of the freshest side: it calls all of them gone with which it shares a volume,
 * and is called so itself. A disk that merely missed updates may know of an old failure that was repaired since, but
 * not of all. */
static bool split_from(const struct meta_view *a, const struct meta_view *const *views, size_t n, const bool *side)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!side[i] || !in_a_slot(a, views[i]->self) || !calls_gone(views[i], a->self))
			continue;
		if (!calls_gone(a, views[i]->self))
			return false;
		any = true;
	}
	return any;
}

static size_t freshest(const struct meta_view *const *views, size_t n)
{
	size_t top = 0;

	for (size_t i = 1; i < n; i++)
		if (views[i]->seq > views[top]->seq)
			top = i;
	return top;
}

static void stand(const struct meta_view *const *views, size_t n, size_t top, enum meta_standing *standing, bool *split)
{
	bool side[META_DISKS_MAX];

	for (size_t i = 0; i < n; i++)
		side[i] = i == top || (views[i]->seq == views[top]->seq && !calls_gone(views[top], views[i]->self));
	*split = false;
	for (size_t i = 0; i < n; i++) {
		standing[i] = views[i]->seq == views[top]->seq ? META_CURRENT : META_STALE;
		if (!side[i] && split_from(views[i], views, n, side)) {
			standing[i] = META_SPLIT;
			*split = true;
		}
	}
}

/* A slot's member as an older view names it, with the state that today's disks give it. */
static void member_update(const struct meta_view *now, struct meta_member *m)
{
	const struct meta_disk *d = m->ref[0] ? meta_view_disk(now, m->ref) : NULL;

	if (!d)
		*m = (struct meta_member){.state = MEMBER_EMPTY, .known = true};
	else if (d->failed)
		m->state = MEMBER_FAILED;
	else if (d->missing)
		m->state = MEMBER_MISSING;
	else if (m->state != MEMBER_IN_SYNC)
		m->state = MEMBER_REBUILDING;
}

/* a tells a later state than b, of which volume u is the same as v. */
static bool later(const struct meta_view *a, const struct meta_volume *v, const struct meta_view *b,
		  const struct meta_volume *u)
{
	return a->seq != b->seq ? a->seq > b->seq : v->seq > u->seq;
}

/* One volume of the joined view: the latest record of it for what all records say alike, the latest that knows for each
 * slot. */
static void volume_merge(const struct meta_view *const *views, size_t n, const enum meta_standing *standing,
			 const struct meta_view *now, struct meta_volume *ret)
{
	const struct meta_view *from = NULL, *slot_from[META_SLOTS_MAX] = {0};
	const struct meta_volume *best = NULL, *slot_best[META_SLOTS_MAX] = {0};
	struct meta_volume own = *ret;

	for (size_t i = 0; i < n; i++) {
		const struct meta_volume *v = standing[i] == META_SPLIT ? NULL : meta_view_volume(views[i], own.guid);

		if (!v || !v->known)
			continue;
		if (!best || later(views[i], v, from, best)) {
			best = v;
			from = views[i];
		}
		for (unsigned k = 0; k < v->slots; k++)
			if (v->members[k].known && (!slot_best[k] || later(views[i], v, slot_from[k], slot_best[k]))) {
				slot_best[k] = v;
				slot_from[k] = views[i];
			}
	}
	if (!best)
		return;
	*ret = *best;
	/* of the virtual disk records, which the freshest has */
	memcpy(ret->name, own.name, sizeof(ret->name));
	ret->clean = own.clean;
	ret->initialised = own.initialised;
	for (unsigned k = 0; k < ret->slots; k++) {
		if (!slot_best[k] || slot_best[k]->slots != ret->slots)
			continue;
		ret->members[k] = slot_best[k]->members[k];
		ret->seq = MAX(ret->seq, slot_best[k]->seq);
		if (slot_from[k]->seq != now->seq)
			member_update(now, &ret->members[k]);
	}
}

/* Whose spare a disk is only the disk itself knows. */
static void spare_merge(const struct meta_view *const *views, size_t n, const enum meta_standing *standing,
			struct meta_disk *ret)
{
	for (size_t i = 0; i < n; i++) {
		const struct meta_disk *d = meta_view_disk(views[i], ret->ref);

		if (!d || standing[i] == META_SPLIT || strcmp(views[i]->self, ret->ref) != 0)
			continue;
		ret->stands_in = d->stands_in && !ret->spare && !ret->failed;
		if (!ret->spare && !ret->stands_in)
			continue;
		ret->revertible = d->revertible;
		ret->enclosure = d->enclosure;
		if (!ret->dedicated)
			continue;
		ret->dedicated = d->dedicated || !d->spare;
		ret->n_dedicated = d->n_dedicated;
		memcpy(ret->dedicated_to, d->dedicated_to, sizeof(ret->dedicated_to));
	}
}

static int views_check(const struct meta_view *const *views, size_t n, struct err *e)
{
	if (n == 0 || n > META_DISKS_MAX)
		return err_set(e, EINVAL, "%zu views cannot be merged", n);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(views[i]->set, views[0]->set) != 0 || strcmp(views[i]->format, views[0]->format) != 0)
			return err_set(e, EINVAL, "the disks are of two sets: %s and %s", views[0]->set, views[i]->set);
		for (size_t k = 0; k < i; k++)
			if (strcmp(views[i]->self, views[k]->self) == 0)
				return err_set(e, EBADMSG, "two disks say that they are %s: one is a clone",
					       views[i]->self);
	}
	return 0;
}

int meta_view_merge(const struct meta_view *const *views, size_t n, struct meta_view **ret,
		    enum meta_standing *standing, bool *split, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *v = calloc(1, sizeof(*v));
	const struct meta_view *top;
	int r;

	r = views_check(views, n, e);
	if (r < 0)
		return r;
	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	top = views[freshest(views, n)];
	stand(views, n, freshest(views, n), standing, split);
	*v = *top;
	v->self[0] = 0;
	v->room_start = v->room_sectors = 0;
	v->disks = calloc(top->n_disks + 1, sizeof(*v->disks));
	v->volumes = calloc(top->n_volumes + 1, sizeof(*v->volumes));
	if (!v->disks || !v->volumes)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(v->disks, top->disks, top->n_disks * sizeof(*v->disks));
	memcpy(v->volumes, top->volumes, top->n_volumes * sizeof(*v->volumes));
	for (size_t i = 0; i < v->n_disks; i++)
		spare_merge(views, n, standing, &v->disks[i]);
	for (size_t i = 0; i < v->n_volumes; i++)
		volume_merge(views, n, standing, top, &v->volumes[i]);
	*ret = TAKE_PTR(v);
	return 0;
}
