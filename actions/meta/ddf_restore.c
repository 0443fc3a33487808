// SPDX-License-Identifier: GPL-2.0-or-later
/* A set becomes what it was before: its tables, records and what else lay on its disks are exchanged for those of an
 * earlier state. Where the copies lie, and what of them is on the disks, stays what it is: so encode writes only what
 * differs, in its own order, under the next sequence number. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static bool same_places(const struct ddf_layout *a, const struct ddf_layout *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->section); i++)
		if (a->section[i].offset != b->section[i].offset || a->section[i].sectors != b->section[i].sectors)
			return false;
	return a->unit == b->unit && a->lba[0] == b->lba[0] && a->lba[1] == b->lba[1] && a->workspace == b->workspace &&
	       a->workspace_sectors == b->workspace_sectors && a->record_sectors == b->record_sectors &&
	       a->max_elements == b->max_elements && a->sectors == b->sectors;
}

static int check_members(const struct meta_set *s, const struct meta_set *old, struct err *e)
{
	char ref[META_REF_MAX];

	for (size_t i = 0; i < s->n_members; i++) {
		const struct ddf_member *o = ddf_member(old, s->members[i].ref);

		ddf_ref_text(s->members[i].ref, ref);
		if (!o)
			return err_set(e, EINVAL, "disk %s is of the set now, and was not then", ref);
		if (!same_places(&s->members[i].layout, &o->layout) || s->members[i].disk_sectors != o->disk_sectors)
			return err_set(e, EINVAL, "disk %s has its metadata in another place now", ref);
	}
	for (size_t i = 0; i < old->n_members; i++)
		if (!ddf_member(s, old->members[i].ref)) {
			ddf_ref_text(old->members[i].ref, ref);
			return err_set(e, EINVAL, "disk %s was of the set then, and is not now", ref);
		}
	return 0;
}

#define SWAP(a, b)                                                                                                     \
	do {                                                                                                           \
		__typeof__(a) was = (a);                                                                               \
		(a) = (b);                                                                                             \
		(b) = was;                                                                                             \
	} while (0)

int ddf_set_restore(struct meta_set *s, const struct meta_set *old, struct err *e)
{
	_cleanup_(ddf_set_freep) struct meta_set *c = NULL;
	int r = check_members(s, old, e);

	if (r < 0)
		return r;
	c = ddf_set_clone(old);
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	SWAP(s->pd, c->pd);
	SWAP(s->vd, c->vd);
	SWAP(s->volumes, c->volumes);
	SWAP(s->n_volumes, c->n_volumes);
	for (size_t i = 0; i < s->n_members; i++) {
		struct ddf_member *m = &s->members[i], *o = ddf_member(c, m->ref);

		/* Its header tells how the disk stands now. */
		memcpy(o->work, m->work, ddf_block(m->layout.unit));
		SWAP(m->work, o->work);
	}
	s->edited = true;
	return 0;
}

void ddf_set_unwritten(struct meta_set *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		for (int copy = 0; copy < 2; copy++) {
			struct ddf_member *m = &s->members[i];

			ddf_image_unref(m->image[copy]);
			m->image[copy] = NULL;
			m->blank = true;
		}
}

uint64_t ddf_copy_hash(const struct meta_copy *c)
{
	return meta_hash(META_HASH_START, c->image[c->active]->bytes, (size_t)c->layout.sectors * DDF_SECTOR);
}
