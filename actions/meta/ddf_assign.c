// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk takes over a slot: where its data go, which configuration record it carries, what becomes of the disk before
 * it. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

struct extent {
	uint64_t start, sectors;
};

static int extent_cmp(const void *av, const void *bv)
{
	const struct extent *a = av, *b = bv;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* What the volumes use of a disk, by start. Each basic volume lists a disk once. */
static size_t extents(const struct meta_set *s, uint32_t ref, struct extent *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_volumes; i++)
		for (unsigned b = 0; b < s->volumes[i].n_bvds; b++) {
			const struct ddf_conf *c = ddf_conf(&s->volumes[i].bvd[b]);

			for (unsigned k = 0; c && k < s->max_elements && n < max; k++)
				if (be32_get(c->ref[k]) == ref)
					ret[n++] = (struct extent){
						ddf_sectors(s->unit, ddf_conf_lba(c, s->max_elements)[k]),
						ddf_sectors(s->unit, c->blocks)};
		}
	qsort(ret, n, sizeof(*ret), extent_cmp);
	return n;
}

/* The first gap that is large enough, from LBA 0, as mdadm's find_space. */
int ddf_find_space(const struct meta_set *s, uint32_t ref, uint64_t need, uint64_t align, uint64_t *start,
		   uint64_t *largest)
{
	struct extent used[META_VOLUMES_MAX];
	uint64_t size = ddf_sectors(s->unit, ddf_pd(s, ref)->size), pos = 0;
	size_t n = extents(s, ref, used, ARRAY_SIZE(used));

	*largest = 0;
	for (size_t i = 0; i <= n && n < ARRAY_SIZE(used); i++) {
		uint64_t end = i < n ? used[i].start : size, from = (pos + align - 1) / align * align;
		uint64_t gap = end > from ? end - from : 0;

		if (gap >= need && need) {
			*start = from;
			return 0;
		}
		*largest = MAX(*largest, gap);
		if (i < n)
			pos = MAX(pos, used[i].start + used[i].sectors);
	}
	return -ENOSPC;
}

uint64_t ddf_room_behind(const struct meta_set *s, uint32_t ref, uint64_t start)
{
	struct extent used[META_VOLUMES_MAX];
	uint64_t limit = ddf_sectors(s->unit, ddf_pd(s, ref)->size), end = limit;
	size_t n = extents(s, ref, used, ARRAY_SIZE(used));

	/* Where they could not all be listed, none is known to be free. */
	if (n == ARRAY_SIZE(used))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (used[i].start == start)
			end = start + used[i].sectors;
		else if (used[i].start > start)
			limit = MIN(limit, used[i].start);
	}
	return limit > end ? limit - end : 0;
}

static bool lists(const struct meta_set *s, const struct ddf_conf *c, uint32_t ref)
{
	for (unsigned i = 0; i < s->max_elements; i++)
		if (be32_get(c->ref[i]) == ref)
			return true;
	return false;
}

const struct ddf_bvd *ddf_bvd_of(const struct meta_set *s, const struct ddf_conf *c, bool *known)
{
	*known = false;
	for (size_t i = 0; i < s->n_volumes; i++) {
		const struct ddf_volume *v = &s->volumes[i];
		unsigned b = c->secondary_elements > 1 ? c->secondary_seq : 0;

		if (memcmp(ddf_vd(s, v)->guid, c->guid, DDF_GUID_LEN) != 0)
			continue;
		*known = true;
		return b < v->n_bvds && v->bvd[b].record ? &v->bvd[b] : NULL;
	}
	return NULL;
}

bool ddf_carries(const struct meta_set *s, const struct ddf_bvd *b, uint32_t ref)
{
	return b && lists(s, ddf_conf(b), ref);
}

/* The place on the disk for that record: one that it has of old, or a free one. A record of a volume that no longer
 * lists the disk is free too. At most max_partitions may be in use. */
uint8_t *ddf_conf_place(const struct meta_set *s, struct ddf_member *m, const struct ddf_conf *conf)
{
	uint8_t *found = NULL;
	unsigned used = 0;

	for (unsigned i = ddf_conf_slots(&m->layout); i-- > 0;) {
		uint8_t *rec = ddf_conf_slot(&m->layout, m->work, i);
		const struct ddf_conf *c = (const struct ddf_conf *)rec;
		bool known;

		if (ddf_magic(rec) == UINT32_MAX || ddf_magic(rec) == 0) {
			found = rec;
		} else if (ddf_magic(rec) == (uint32_t)DDF_CONF_MAGIC) {
			if (memcmp(c->guid, conf->guid, DDF_GUID_LEN) == 0 && c->secondary_seq == conf->secondary_seq)
				return rec;
			if (ddf_carries(s, ddf_bvd_of(s, c, &known), m->ref))
				used++;
			else if (known)
				found = rec;
		}
	}
	return used < m->layout.max_partitions ? found : NULL;
}

void ddf_leave(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd;
	unsigned type, state;

	if (!ddf_pd(s, ref))
		return;
	ddf_refresh(s, ref);
	pd = ddf_pd_edit(s, ref);
	type = be16_get(pd->type);
	state = be16_get(pd->state);
	if ((type & DDF_PD_ACTIVE) || !ddf_member(s, ref))
		return;
	if (state & DDF_PD_FAILED)
		state |= DDF_PD_TRANSITION;
	pd->type = be16_of((uint16_t)((type & ~(unsigned)DDF_PD_SPARE) | DDF_PD_GLOBAL_SPARE));
	pd->state = be16_of((uint16_t)state);
}

/* Without a disk, and without those that are called Rebuilding. */
static bool runs_without(const struct meta_set *s, const struct ddf_volume *v, uint32_t ref)
{
	bool in_sync[META_SLOTS_MAX] = {0};
	struct meta_volume level = {0};

	ddf_level(s, v, &level);
	for (unsigned i = 0; i < MIN(level.slots, META_SLOTS_MAX); i++) {
		const struct ddf_pd_entry *pd = ddf_pd(s, ddf_slot_ref(s, v, i));

		in_sync[i] = pd && ddf_slot_ref(s, v, i) != ref && ddf_slot_state(s, v, i) == MEMBER_IN_SYNC &&
			     !(be16_get(pd->state) & DDF_PD_REBUILDING);
	}
	return raid_runnable(level.level, in_sync, level.slots);
}

/* A disk is called Rebuilding as a whole: a degraded volume that it serves would lose it in mdadm's eyes. */
static int others_allow(const struct meta_set *s, const struct ddf_volume *v, uint32_t ref, bool whole, struct err *e)
{
	for (size_t i = 0; i < s->n_volumes; i++) {
		const struct ddf_volume *o = &s->volumes[i];
		unsigned slots = MIN(ddf_slots(o), META_SLOTS_MAX);

		for (unsigned slot = 0; slot < slots; slot++) {
			if (ddf_slot_ref(s, o, slot) != ref)
				continue;
			if (o == v)
				return err_set(e, EINVAL, "disk %08x is in slot %u of the volume", ref, slot);
			if (!whole && ddf_slot_state(s, o, slot) == MEMBER_IN_SYNC &&
			    ddf_volume_state(s, o) != DDF_VD_OPTIMAL && !runs_without(s, o, ref))
				return err_set(
					e, EINVAL,
					"disk %08x serves slot %u of a volume that cannot run without it, and DDF "
					"would call it rebuilding there too",
					ref, slot);
		}
	}
	return 0;
}

/* whole: the disk holds what the slot's member holds, and nothing has to be rebuilt. */
static int assign_check(const struct meta_set *s, const struct ddf_volume *v, unsigned slot, uint32_t ref, bool whole,
			struct err *e)
{
	enum member_state state = ddf_slot_state(s, v, slot);
	unsigned pd = be16_get(ddf_pd(s, ref)->state);

	if (!whole && (state == MEMBER_IN_SYNC || state == MEMBER_REBUILDING))
		return err_set(e, EINVAL, "slot %u is %s: its disk has to be failed first", slot, member_words[state]);
	if (!whole && ddf_volume_state(s, v) == DDF_VD_FAILED)
		return err_set(e, EINVAL, "the volume has failed: there is nothing to rebuild slot %u from", slot);
	if ((pd & (DDF_PD_ONLINE | DDF_PD_FAILED | DDF_PD_MISSING)) != DDF_PD_ONLINE)
		return err_set(e, EINVAL, "disk %08x is failed or missing", ref);
	if (!ddf_member(s, ref))
		return err_set(e, ENODEV, "disk %08x is not here", ref);
	return others_allow(s, v, ref, whole, e);
}

int ddf_assign(struct meta_set *s, struct ddf_volume *v, unsigned slot, uint32_t ref, bool whole, struct err *e)
{
	size_t len = (size_t)s->record_sectors * DDF_SECTOR;
	struct ddf_pd_entry *pd;
	struct ddf_conf *conf;
	struct ddf_member *m;
	struct ddf_bvd *b = NULL;
	uint8_t *place;
	uint64_t start = 0, need, largest;
	uint32_t old;
	unsigned i;
	int r;

	r = assign_check(s, v, slot, ref, whole, e);
	if (r < 0)
		return r;
	r = ddf_slot(s, v, slot, &b, &i);
	if (r < 0)
		return err_set(e, -r, "no disk with the configuration record of slot %u is here", slot);
	conf = ddf_conf(b);
	need = ddf_sectors(s->unit, conf->blocks);
	r = ddf_find_space(s, ref, need, 1, &start, &largest);
	if (r < 0)
		return err_set(e, -r,
			       "disk %08x is %llu KiB too small: a member needs %llu sectors, its largest free extent "
			       "has %llu",
			       ref, (unsigned long long)(need - largest + 1) / 2, (unsigned long long)need,
			       (unsigned long long)largest);
	m = ddf_member(s, ref);
	place = ddf_conf_place(s, m, conf);
	if (!place)
		return err_set(e, ENOSPC, "disk %08x has no free configuration record", ref);

	ddf_spare_serves(m);
	old = be32_get(conf->ref[i]);
	conf->ref[i] = be32_of(ref);
	ddf_conf_lba(conf, s->max_elements)[i] = be64_of(start / s->unit);
	memcpy(place, conf, len);
	ddf_member_touch(m, place, len);
	if (whole)
		v->behind &= ~(UINT64_C(1) << slot);
	else
		v->behind |= UINT64_C(1) << slot;
	pd = ddf_pd_edit(s, ref);
	pd->type = be16_of((uint16_t)(be16_get(pd->type) & ~(unsigned)(DDF_PD_SPARE | DDF_PD_GLOBAL_SPARE)));
	ddf_refresh(s, ref);
	ddf_leave(s, old);
	return 0;
}
