// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of a set, in memory. What follows from a change (Rebuilding, Active, VD_State) is recomputed as mdmon does it
 * in ddf_set_disk, ddf_update_vlist and get_svd_state of mdadm's super-ddf.c, so that mdadm reads what it would have
 * written.
 *
 * What mdadm makes of the flags when it assembles (container_content_ddf): a disk is used, in sync, if it is Online and
 * neither Failed nor Rebuilding; Missing does not keep it out. So a member that is missing also loses Online here. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static bool has_slot(const struct meta_set *s, const struct ddf_volume *v, uint32_t ref, unsigned *ret)
{
	for (unsigned slot = 0; slot < MIN(ddf_slots(v), META_SLOTS_MAX); slot++)
		if (ddf_slot_ref(s, v, slot) == ref) {
			*ret = slot;
			return true;
		}
	return false;
}

int ddf_find_volume(struct meta_set *s, const char *guid, struct ddf_volume **ret, struct err *e)
{
	char text[META_GUID_MAX];

	for (size_t i = 0; i < s->n_volumes; i++) {
		ddf_guid_text(ddf_vd(s, &s->volumes[i])->guid, text);
		if (strcmp(text, guid) == 0) {
			*ret = &s->volumes[i];
			return 0;
		}
	}
	return err_set(e, ENOENT, "the set has no volume %.51s", guid);
}

/* The volume and slot of an edit, of a volume that we know how to run. */
static int find_slot(struct meta_set *s, const struct meta_edit *edit, struct ddf_volume **ret, struct err *e)
{
	_cleanup_(freep) struct meta_volume *level = calloc(1, sizeof(*level));
	int r;

	if (!level)
		return err_set(e, ENOMEM, "out of memory");
	r = ddf_find_volume(s, edit->volume, ret, e);
	if (r < 0)
		return r;
	ddf_level(s, *ret, level);
	if (level->level == RAID_UNSUPPORTED)
		return err_set(e, EINVAL, "volume %s is not supported: %s", edit->volume, level->unsupported);
	if (edit->slot >= level->slots)
		return err_set(e, EINVAL, "volume %s has no slot %u, only %u slots", edit->volume, edit->slot,
			       level->slots);
	return 0;
}

static int find_disk(struct meta_set *s, const char *text, uint32_t *ref, struct err *e)
{
	int r = ddf_ref_parse(text, ref, e);

	if (r < 0)
		return r;
	return ddf_pd(s, *ref) ? 0 : err_set(e, ENOENT, "the set has no disk %s", text);
}

void ddf_conf_touch(struct ddf_bvd *b)
{
	struct ddf_conf *c = ddf_conf(b);

	c->seq = be32_of(be32_get(c->seq) + 1);
	c->timestamp = be32_of(ddf_now());
}

void ddf_member_touch(struct ddf_member *m, const void *p, size_t n)
{
	size_t from = (size_t)((const uint8_t *)p - m->work) / DDF_SECTOR;
	size_t to = (size_t)((const uint8_t *)p + n - 1 - m->work) / DDF_SECTOR;

	for (size_t i = from; i <= to; i++)
		m->touched[i] = true;
}

/* Rebuilding: the disk is here and well, and a slot on it is behind. Active: it has a slot. */
static void refresh_disk(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd = ddf_pd_edit(s, ref);
	unsigned type = be16_get(pd->type), state = be16_get(pd->state), slot;
	bool active = false, behind = false;

	for (size_t i = 0; i < s->n_volumes; i++)
		if (has_slot(s, &s->volumes[i], ref, &slot)) {
			active = true;
			behind |= !s->volumes[i].doubt && (s->volumes[i].behind >> slot & 1);
		}
	type = active ? type | DDF_PD_ACTIVE : type & ~(unsigned)DDF_PD_ACTIVE;
	if ((state & (DDF_PD_ONLINE | DDF_PD_FAILED | DDF_PD_MISSING)) == DDF_PD_ONLINE)
		state = behind ? state | DDF_PD_REBUILDING : state & ~(unsigned)DDF_PD_REBUILDING;
	pd->type = be16_of((uint16_t)type);
	pd->state = be16_of((uint16_t)state);
}

static void refresh_volume(struct meta_set *s, struct ddf_volume *v)
{
	struct meta_volume level = {0};
	struct ddf_vd_entry *vd;

	ddf_level(s, v, &level);
	if (level.level == RAID_UNSUPPORTED)
		return;
	vd = ddf_vd_edit(s, v);
	vd->state = (uint8_t)((vd->state & ~DDF_VD_STATE_MASK) | ddf_volume_state_next(s, v));
}

void ddf_refresh(struct meta_set *s, uint32_t ref)
{
	unsigned slot;

	refresh_disk(s, ref);
	for (size_t i = 0; i < s->n_volumes; i++) {
		struct ddf_volume *v = &s->volumes[i];
		struct ddf_bvd *b;
		unsigned index;

		if (!has_slot(s, v, ref, &slot))
			continue;
		if (ddf_slot(s, v, slot, &b, &index) == 0)
			ddf_conf_touch(b);
		refresh_volume(s, v);
	}
}

/* All slots on that disk miss what is written from now on. */
static void fall_behind(struct meta_set *s, uint32_t ref)
{
	unsigned slot;

	for (size_t i = 0; i < s->n_volumes; i++)
		if (has_slot(s, &s->volumes[i], ref, &slot))
			s->volumes[i].behind |= UINT64_C(1) << slot;
}

static bool disk_well(const struct ddf_pd_entry *pd)
{
	return (be16_get(pd->state) & (DDF_PD_ONLINE | DDF_PD_FAILED | DDF_PD_MISSING)) == DDF_PD_ONLINE;
}

/* The disk is here again, but what is on it is old. */
static void disk_back(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd = ddf_pd_edit(s, ref);
	unsigned gone = DDF_PD_FAILED | DDF_PD_MISSING | DDF_PD_TRANSITION;

	if (!disk_well(pd))
		fall_behind(s, ref);
	pd->state = be16_of((uint16_t)((be16_get(pd->state) & ~gone) | DDF_PD_ONLINE));
}

static void disk_failed(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd = ddf_pd_edit(s, ref);

	fall_behind(s, ref);
	pd->state = be16_of(be16_get(pd->state) | DDF_PD_FAILED);
}

static void disk_missing(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd = ddf_pd_edit(s, ref);

	fall_behind(s, ref);
	pd->state = be16_of((uint16_t)((be16_get(pd->state) & ~(unsigned)DDF_PD_ONLINE) | DDF_PD_MISSING));
}

static int set_member(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	uint32_t ref = 0;
	int r;

	r = find_slot(s, edit, &v, e);
	if (r < 0)
		return r;
	ref = ddf_slot_ref(s, v, edit->slot);
	if (ref == DDF_NO_REF)
		return err_set(e, EINVAL, "slot %u of volume %s has no disk", edit->slot, edit->volume);
	switch (edit->state) {
	case MEMBER_FAILED:
		if (v->doubt) /* it does not run: a person says so, and by that which one it is */
			ddf_volume_told(s, v);
		disk_failed(s, ref);
		break;
	case MEMBER_MISSING:
		disk_missing(s, ref);
		break;
	case MEMBER_REBUILDING:
		disk_back(s, ref);
		v->behind |= UINT64_C(1) << edit->slot;
		break;
	case MEMBER_IN_SYNC:
		disk_back(s, ref);
		v->behind &= ~(UINT64_C(1) << edit->slot);
		break;
	default:
		return err_set(e, EINVAL, "a member cannot be set to '%s'", member_words[edit->state]);
	}
	ddf_refresh(s, ref);
	return 0;
}

static int set_disk(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	uint32_t ref = 0;
	int r;

	r = find_disk(s, edit->ref, &ref, e);
	if (r < 0)
		return r;
	if (edit->state == MEMBER_FAILED)
		disk_failed(s, ref);
	else if (edit->state == MEMBER_MISSING)
		disk_missing(s, ref);
	else if (edit->state == MEMBER_IN_SYNC)
		disk_back(s, ref);
	else
		return err_set(e, EINVAL, "a disk cannot be set to '%s'", member_words[edit->state]);
	ddf_refresh(s, ref);
	return 0;
}

static int assign(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	uint32_t ref = 0;
	int r;

	r = find_slot(s, edit, &v, e);
	if (r == 0)
		r = find_disk(s, edit->ref, &ref, e);
	return r < 0 ? r : ddf_assign(s, v, edit->slot, ref, edit->op == META_REPLACE, e);
}

/* ---- spares */

/* The last one, where mdadm puts it, or any. */
struct ddf_spare *ddf_spare_place(struct ddf_member *m)
{
	uint8_t *found = NULL;

	for (unsigned i = 0; i < ddf_conf_slots(&m->layout); i++) {
		uint8_t *rec = ddf_conf_slot(&m->layout, m->work, i);

		if (ddf_magic(rec) == DDF_SPARE_MAGIC)
			return (struct ddf_spare *)rec;
		if (ddf_magic(rec) == UINT32_MAX || ddf_magic(rec) == 0)
			found = rec;
	}
	return (struct ddf_spare *)found;
}

static int dedicate(struct ddf_member *m, const char *guid, struct err *e)
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;
	struct ddf_spare *rec = ddf_spare_place(m);
	unsigned max = (unsigned)((len - sizeof(*rec)) / sizeof(rec->entry[0]));
	struct ddf_spare_entry *entry;
	bool listed = false;

	if (!rec)
		return err_set(e, ENOSPC, "disk %08x has no free configuration record", m->ref);
	if (ddf_magic(rec) != DDF_SPARE_MAGIC) {
		memset(rec, 0xFF, len);
		rec->magic = be32_of(DDF_SPARE_MAGIC);
		rec->type = 0;
		rec->used = be16_of(0);
		rec->max = be16_of((uint16_t)max);
	}
	for (unsigned i = 0; i < be16_get(rec->used) && i < max; i++)
		listed = listed || memcmp(rec->entry[i].guid, guid, DDF_GUID_LEN) == 0;
	if (!listed && be16_get(rec->used) >= max)
		return err_set(e, ENOSPC, "disk %08x is a spare of %u volumes, the limit", m->ref, max);
	if (!listed) {
		entry = &rec->entry[be16_get(rec->used)];
		memset(entry, 0xFF, sizeof(*entry));
		memcpy(entry->guid, guid, DDF_GUID_LEN);
		entry->secondary = be16_of(0);
		rec->used = be16_of(be16_get(rec->used) + 1);
	}
	rec->type |= DDF_SPARE_DEDICATED;
	rec->timestamp = be32_of(ddf_now());
	ddf_seal(rec, len);
	ddf_member_touch(m, rec, len);
	return 0;
}

static int add_spare(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	struct ddf_pd_entry *pd;
	struct ddf_member *m;
	uint32_t ref = 0;
	unsigned slot,
		type = (edit->revertible ? DDF_SPARE_REVERTIBLE : 0) | (edit->enclosure ? DDF_SPARE_AFFINITY : 0);
	int r;

	r = find_disk(s, edit->ref, &ref, e);
	if (r == 0 && edit->volume[0])
		r = ddf_find_volume(s, edit->volume, &v, e);
	if (r < 0)
		return r;
	if (!disk_well(ddf_pd(s, ref)))
		return err_set(e, EINVAL, "disk %s is failed or missing and cannot be a spare", edit->ref);
	for (size_t i = 0; i < s->n_volumes; i++)
		if (has_slot(s, &s->volumes[i], ref, &slot))
			return err_set(e, EINVAL, "disk %s is a member and cannot be a spare", edit->ref);
	m = ddf_member(s, ref);
	if (!m)
		return err_set(e, ENODEV, "disk %s is not here", edit->ref);
	ddf_spare_idle(m);
	if (v)
		r = dedicate(m, ddf_vd(s, v)->guid, e);
	else
		ddf_spare_drop(m);
	if (r == 0 && type)
		r = ddf_spare_mark(m, type, e);
	if (r < 0)
		return r;
	pd = ddf_pd_edit(s, ref);
	pd->type = be16_of((uint16_t)((be16_get(pd->type) & ~(unsigned)(DDF_PD_SPARE | DDF_PD_GLOBAL_SPARE)) |
				      (v ? DDF_PD_SPARE : DDF_PD_GLOBAL_SPARE)));
	return 0;
}

void ddf_spare_drop(struct ddf_member *m)
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;

	for (unsigned i = 0; i < ddf_conf_slots(&m->layout); i++) {
		uint8_t *rec = ddf_conf_slot(&m->layout, m->work, i);

		if (ddf_magic(rec) != DDF_SPARE_MAGIC)
			continue;
		memset(rec, 0xFF, len);
		ddf_member_touch(m, rec, len);
	}
}

/* ---- the rest */

static void member_drop(struct meta_set *s, uint32_t ref)
{
	struct ddf_member *m = ddf_member(s, ref);

	if (!m)
		return;
	ddf_member_clear(m);
	*m = s->members[--s->n_members];
}

static int drop_disk(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_pd_entry *pd;
	uint32_t ref = 0;
	unsigned slot;
	int r;

	r = find_disk(s, edit->ref, &ref, e);
	if (r < 0)
		return r;
	if (ddf_member(s, ref) && s->n_members == 1)
		return err_set(e, EINVAL, "disk %s is the last one of the set that is here", edit->ref);
	for (size_t i = 0; i < s->n_volumes; i++) {
		enum member_state state = MEMBER_EMPTY;

		if (has_slot(s, &s->volumes[i], ref, &slot))
			state = ddf_slot_state(s, &s->volumes[i], slot);
		if (state == MEMBER_IN_SYNC || state == MEMBER_REBUILDING)
			return err_set(e, EINVAL, "disk %s is in use: slot %u is %s", edit->ref, slot,
				       member_words[state]);
	}
	for (size_t i = 0; i < s->n_volumes; i++)
		if (has_slot(s, &s->volumes[i], ref, &slot)) {
			struct ddf_bvd *b;
			unsigned index;

			if (ddf_slot(s, &s->volumes[i], slot, &b, &index) < 0)
				continue;
			ddf_conf(b)->ref[index] = be32_of(0); /* as mdadm's handle_missing does */
			ddf_conf_touch(b);
			refresh_volume(s, &s->volumes[i]);
		}
	pd = ddf_pd_edit(s, ref);
	memset(pd, 0xFF, sizeof(*pd));
	ddf_touch(&s->pd, ddf_pds(s), sizeof(struct ddf_pd_table));
	ddf_pds(s)->used = be16_of((uint16_t)MAX(be16_get(ddf_pds(s)->used) - 1, 0));
	member_drop(s, ref);
	return 0;
}

static int set_clean(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	struct ddf_vd_entry *vd;
	int r;

	r = ddf_find_volume(s, edit->volume, &v, e);
	if (r < 0)
		return r;
	vd = ddf_vd_edit(s, v);
	vd->state = (uint8_t)(edit->clean ? vd->state & ~DDF_VD_NOT_CONSISTENT : vd->state | DDF_VD_NOT_CONSISTENT);
	return 0;
}

static int set_initialised(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	struct ddf_vd_entry *vd;
	int r;

	r = ddf_find_volume(s, edit->volume, &v, e);
	if (r < 0)
		return r;
	vd = ddf_vd_edit(s, v);
	vd->init_state =
		(uint8_t)((vd->init_state & ~DDF_VD_INIT_MASK) | (edit->clean ? DDF_VD_FULL_INIT : DDF_VD_NOT_INIT));
	return 0;
}

static int note_disk(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_pd_entry *pd;
	unsigned state;
	uint32_t ref = 0;
	int r = find_disk(s, edit->ref, &ref, e);

	if (r < 0)
		return r;
	pd = ddf_pd_edit(s, ref);
	state = be16_get(pd->state) & ~(unsigned)(DDF_PD_PREDICTED | DDF_PD_READ_ERRORS);
	state |= (edit->predicted ? DDF_PD_PREDICTED : 0) | (edit->read_errors ? DDF_PD_READ_ERRORS : 0);
	pd->state = be16_of((uint16_t)state);
	return 0;
}

int ddf_edit(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	static int (*const ops[])(struct meta_set *, const struct meta_edit *, struct err *) = {
		[META_SET_MEMBER] = set_member,
		[META_ASSIGN] = assign,
		[META_REPLACE] = assign,
		[META_ADD_SPARE] = add_spare,
		[META_DROP_DISK] = drop_disk,
		[META_SET_DISK] = set_disk,
		[META_SET_CLEAN] = set_clean,
		[META_SET_INITIALISED] = set_initialised,
		[META_DELETE_VOLUME] = ddf_delete_volume,
		[META_RENAME_VOLUME] = ddf_rename_volume,
		[META_GROW_VOLUME] = ddf_grow_volume,
		[META_NOTE_DISK] = note_disk,
		[META_STAND_IN] = ddf_stand_in,
		[META_SPARE_AGAIN] = ddf_spare_again,
	};
	int r;

	if ((unsigned)edit->op >= ARRAY_SIZE(ops))
		return err_set(e, EINVAL, "edit %d is not known", (int)edit->op);
	r = ops[edit->op](s, edit, e);
	if (r == 0)
		s->edited = true;
	return r;
}

static void table_seal(struct ddf_table *t)
{
	if (t->touched[0])
		ddf_seal(t->bytes, (size_t)t->sectors * DDF_SECTOR);
	t->sealed = t->touched[0];
}

void ddf_set_seq(struct meta_set *s, uint64_t seq)
{
	/* 0xFFFFFFFF is the anchor's */
	s->seq = (uint32_t)MIN(seq, UINT32_MAX - 1);
	s->timestamp = ddf_now();
	s->edited = true;
	/* Once for all disks: most of what a disk's copy costs is the CRC of its two tables. */
	table_seal(&s->pd);
	table_seal(&s->vd);
}
