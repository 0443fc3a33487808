// SPDX-License-Identifier: GPL-2.0-or-later
/* A set's records in the words that all formats share. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Text of a fixed field: to its first NUL, without spaces at its end, escaped. */
static int text_of(const char *field, size_t n, char *ret, size_t size)
{
	_cleanup_(buf_free) struct buf b = {0};
	char s[64] = "";

	n = strnlen(field, MIN(n, sizeof(s) - 1));
	while (n && field[n - 1] == ' ')
		n--;
	memcpy(s, field, n);
	for (size_t max = n; max; max--) {
		buf_clear(&b);
		value_escape(s, max, &b);
		if (b.len < size) /* an escape is longer than what it stands for */
			break;
	}
	if (b.oom)
		return -ENOMEM;
	snprintf(ret, size, "%s", buf_str(&b));
	return 0;
}

/* ---- disks */

/* The spare assignment record on a present disk, or NULL. */
static const struct ddf_spare *spare_record(const struct ddf_member *m)
{
	for (unsigned i = 0; m && i < ddf_conf_slots(&m->layout); i++) {
		const uint8_t *rec = ddf_conf_slot(&m->layout, m->work, i);

		if (ddf_magic(rec) == DDF_SPARE_MAGIC)
			return (const struct ddf_spare *)rec;
	}
	return NULL;
}

static void dedicated_view(const struct ddf_spare *rec, struct meta_disk *d)
{
	d->dedicated = true;
	for (unsigned i = 0; rec && i < be16_get(rec->used) && d->n_dedicated < ARRAY_SIZE(d->dedicated_to); i++)
		ddf_guid_text(rec->entry[i].guid, d->dedicated_to[d->n_dedicated++]);
}

static void disk_view(const struct meta_set *s, const struct ddf_pd_entry *pd, struct meta_disk *d)
{
	unsigned state = be16_get(pd->state), type = be16_get(pd->type);
	const struct ddf_spare *rec = spare_record(ddf_member(s, be32_get(pd->ref)));

	ddf_ref_text(be32_get(pd->ref), d->ref);
	ddf_guid_text(pd->guid, d->guid);
	d->failed = state & DDF_PD_FAILED;
	d->missing = !d->failed && ((state & DDF_PD_MISSING) || !(state & DDF_PD_ONLINE));
	d->spare = !d->failed && (type & (DDF_PD_GLOBAL_SPARE | DDF_PD_SPARE));
	d->predicted = state & DDF_PD_PREDICTED;
	d->read_errors = state & DDF_PD_READ_ERRORS;
	d->foreign = type & (DDF_PD_FOREIGN | DDF_PD_LEGACY);
	d->stands_in = !d->spare && (type & DDF_PD_ACTIVE) && rec && (rec->type & DDF_SPARE_ACTIVE);
	d->revertible = (d->spare || d->stands_in) && rec && (rec->type & DDF_SPARE_REVERTIBLE);
	d->enclosure = d->spare && rec && (rec->type & DDF_SPARE_AFFINITY);
	d->sectors = ddf_sectors(s->unit, pd->size);
	/* DDF 5.7: Spare overrides Global Spare. Whose spare it is only its own record tells: nobody's while it is
	 * away. */
	if (d->spare && (type & DDF_PD_SPARE) && (!rec || (rec->type & DDF_SPARE_DEDICATED)))
		dedicated_view(rec, d);
}

static int disks_view(const struct meta_set *s, struct meta_view *v)
{
	const struct ddf_pd_table *t = ddf_pds(s);

	v->disks = calloc(META_DISKS_MAX, sizeof(*v->disks));
	if (!v->disks)
		return -ENOMEM;
	for (unsigned i = 0; i < be16_get(t->max) && v->n_disks < META_DISKS_MAX; i++)
		if (ddf_pd_used(&t->entry[i]))
			disk_view(s, &t->entry[i], &v->disks[v->n_disks++]);
	return 0;
}

/* ---- volumes */

static void member_view(const struct meta_set *s, const struct ddf_volume *v, unsigned slot, struct meta_member *m)
{
	uint32_t ref = ddf_slot_ref(s, v, slot);
	struct ddf_bvd *b;
	unsigned i;

	m->state = ddf_slot_state(s, v, slot);
	m->known = ddf_slot(s, v, slot, &b, &i) == 0;
	if (ref == DDF_NO_REF)
		return;
	ddf_ref_text(ref, m->ref);
	m->offset = ddf_sectors(s->unit, ddf_conf_lba(ddf_conf(b), s->max_elements)[i]);
}

static int volume_view(const struct meta_set *s, const struct ddf_volume *v, struct meta_volume *ret)
{
	const struct ddf_vd_entry *vd = ddf_vd(s, v);
	const struct ddf_conf *c = ddf_volume_conf(v);

	ddf_guid_text(vd->guid, ret->guid);
	if (text_of(vd->name, sizeof(vd->name), ret->name, sizeof(ret->name)) < 0)
		return -ENOMEM;
	ret->clean = !(vd->state & DDF_VD_NOT_CONSISTENT);
	ret->initialised = (vd->init_state & DDF_VD_INIT_MASK) == DDF_VD_FULL_INIT;
	ret->known = c != NULL;
	ddf_level(s, v, ret);
	if (!c)
		return 0;
	ret->member_sectors = ddf_sectors(s->unit, c->blocks);
	ret->sectors = ddf_sectors(s->unit, c->vd_blocks);
	/* mdadm counts whole members of an odd number: the rest of each is not used. */
	if (ret->level == RAID10 && ret->slots % 2)
		ret->member_sectors = ret->sectors / ret->slots * 2;
	for (unsigned i = 0; i < v->n_bvds; i++)
		if (v->bvd[i].record)
			ret->seq = MAX(ret->seq, be32_get(ddf_conf(&v->bvd[i])->seq));
	for (unsigned slot = 0; slot < ret->slots; slot++)
		member_view(s, v, slot, &ret->members[slot]);
	return 0;
}

int ddf_set_view(const struct meta_set *s, struct meta_view **ret, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *v = calloc(1, sizeof(*v));
	const struct ddf_header *h = s->n_members ? ddf_anchor(&s->members[0].tail) : NULL;

	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	v->format = meta_ddf.name;
	v->seq = s->seq;
	if (h) {
		ddf_guid_text(h->guid, v->set);
		if (text_of(h->guid, 8, v->maker, sizeof(v->maker)) < 0)
			return err_set(e, ENOMEM, "out of memory");
	}
	v->volumes = calloc(MAX(s->n_volumes, 1), sizeof(*v->volumes));
	if (!v->volumes || disks_view(s, v) < 0)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n_volumes; i++)
		if (volume_view(s, &s->volumes[i], &v->volumes[v->n_volumes++]) < 0)
			return err_set(e, ENOMEM, "out of memory");
	*ret = TAKE_PTR(v);
	return 0;
}

/* ---- one disk */

/* What of the workspace no DDF copy lies in: mdadm puts the secondary copy at its start. Only where the maker is known
 * to leave the rest alone. */
static void room_view(const struct meta_copy *c, const struct meta_set *s, struct meta_view *v)
{
	static const char *const makers[] = {"Linux-MD", "spared"};
	const struct ddf_layout *l = &c->layout;
	uint64_t start = l->workspace, end = MIN(start + l->workspace_sectors, ddf_anchor_lba(&c->tail));
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		known |= strcmp(v->maker, makers[i]) == 0;
	if (!known || ddf_sectors(s->unit, ddf_pd(s, s->members[0].ref)->size) > start)
		return;
	for (int i = 0; i < 2; i++) {
		if (l->lba[i] == DDF_NO_LBA || l->lba[i] >= end || l->lba[i] + l->extent <= start)
			continue;
		if (l->lba[i] <= start)
			start = l->lba[i] + l->extent;
		else
			end = l->lba[i];
	}
	if (start < end) {
		v->room_start = start;
		v->room_sectors = end - start;
	}
}

int ddf_copy_view(const struct meta_copy *c, struct meta_view **ret, struct err *e)
{
	_cleanup_(ddf_set_freep) struct meta_set *s = NULL;
	_cleanup_(meta_view_freep) struct meta_view *v = NULL;
	int r;

	r = ddf_join(&c, 1, &s, e);
	if (r < 0)
		return r;
	r = ddf_set_view(s, &v, e);
	if (r < 0)
		return r;
	ddf_ref_text(s->members[0].ref, v->self);
	room_view(c, s, v);
	*ret = TAKE_PTR(v);
	return 0;
}
