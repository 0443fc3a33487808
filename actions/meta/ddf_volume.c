// SPDX-License-Identifier: GPL-2.0-or-later
/* Volumes come, go, and get another name. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

/* Extents begin and end at whole MiB: no disk's own blocks, and no chunk, lie across. */
enum { EXTENT_SECTORS = 2048, NAME_BYTES = sizeof(((struct ddf_vd_entry *)0)->name) };

static int name_check(const struct meta_set *s, const struct ddf_volume *self, const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_BYTES)
		return err_set(e, EINVAL, "'%.35s' is no name for a DDF volume: 1 to %d bytes", name, NAME_BYTES);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7F || name[i] == '/')
			return err_set(e, EINVAL, "the name has a control character or a '/'");
	if (name[n - 1] == ' ')
		return err_set(e, EINVAL, "the name '%.16s' ends with a space", name);
	for (size_t i = 0; i < s->n_volumes; i++)
		if (&s->volumes[i] != self && strncmp(ddf_vd(s, &s->volumes[i])->name, name, NAME_BYTES) == 0)
			return err_set(e, EEXIST, "the set has a volume '%.16s' already", name);
	return 0;
}

static void name_put(struct ddf_vd_entry *vd, const char *name)
{
	memset(vd->name, 0, sizeof(vd->name));
	memcpy(vd->name, name, strnlen(name, sizeof(vd->name)));
}

int ddf_rename_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL;
	int r = ddf_find_volume(s, edit->volume, &v, e);

	if (r == 0)
		r = name_check(s, v, edit->name, e);
	if (r == 0)
		name_put(ddf_vd_edit(s, v), edit->name);
	return r;
}

/* ---- a new one */

/* All of it before anything is changed. */
struct draft {
	uint32_t ref[META_SLOTS_MAX];
	uint64_t start[META_SLOTS_MAX];
	uint64_t member; /* sectors on each disk */
	unsigned slots, n_bvds;
	struct ddf_volume volume; /* its records; owned until the set has them */
};

static void draft_clear(struct draft *d)
{
	for (unsigned i = 0; i < d->volume.n_bvds; i++)
		free(d->volume.bvd[i].record);
	free(d->volume.bvd);
}

static int disks_check(const struct meta_set *s, const struct meta_create *c, struct draft *d, struct err *e)
{
	for (unsigned i = 0; i < c->slots; i++) {
		const struct ddf_pd_entry *pd;
		int r = ddf_ref_parse(c->ref[i], &d->ref[i], e);

		if (r < 0)
			return r;
		pd = ddf_pd(s, d->ref[i]);
		if (!pd || !ddf_member(s, d->ref[i]))
			return err_set(e, ENODEV, "disk %s is not here", c->ref[i]);
		if ((be16_get(pd->state) & ~(unsigned)(DDF_PD_PREDICTED | DDF_PD_READ_ERRORS)) != DDF_PD_ONLINE)
			return err_set(e, EINVAL, "disk %s is failed, missing or being rebuilt", c->ref[i]);
		for (unsigned k = 0; k < i; k++)
			if (d->ref[k] == d->ref[i])
				return err_set(e, EINVAL, "disk %s is given twice", c->ref[i]);
	}
	return 0;
}

static int chunk_check(const struct meta_set *s, const struct meta_create *c, struct err *e)
{
	if (c->level == RAID1)
		return c->chunk == 0 ? 0 : err_set(e, EINVAL, "RAID1 has no chunks");
	if (c->chunk < DDF_GRANULE || c->chunk & (c->chunk - 1) || c->chunk / s->unit > 1U << 20)
		return err_set(e, EINVAL, "a chunk of %u sectors cannot be: a power of two, at least 4 KiB", c->chunk);
	return 0;
}

/* Sectors of each member: as many as are asked for, in whole MiB and chunks, or what the fullest disk has left. */
static int extents_choose(const struct meta_set *s, const struct meta_create *c, struct draft *d, struct err *e)
{
	uint64_t granule = MAX(ddf_granule(c->level, c->slots, c->chunk), (uint32_t)EXTENT_SECTORS);
	uint64_t largest, least = UINT64_MAX;
	unsigned fullest = 0;

	for (unsigned i = 0; i < c->slots; i++) {
		ddf_find_space(s, d->ref[i], 0, EXTENT_SECTORS, &d->start[i], &largest);
		if (largest < least) {
			least = largest;
			fullest = i;
		}
	}
	d->member = least / granule * granule;
	if (c->sectors) {
		uint64_t each = ddf_member_for(c->level, c->slots, c->sectors);

		if (each > least)
			return err_set(e, ENOSPC, "disk %s has %llu KiB free in one piece; each member needs %llu KiB",
				       c->ref[fullest], (unsigned long long)least / 2, (unsigned long long)each / 2);
		d->member = (each + granule - 1) / granule * granule;
	}
	for (unsigned i = 0; i < c->slots; i++)
		if (d->member == 0 ||
		    ddf_find_space(s, d->ref[i], d->member, EXTENT_SECTORS, &d->start[i], &largest) < 0)
			return err_set(e, ENOSPC, "disk %s has no room for a member of %llu KiB", c->ref[i],
				       (unsigned long long)MAX(d->member, granule) / 2);
	return 0;
}

static void record_fill(const struct meta_set *s, const struct meta_create *c, const struct draft *d, unsigned bvd,
			const struct ddf_conf *level, struct ddf_conf *conf)
{
	unsigned n = be16_get(level->primary_elements);
	be64 *lba = ddf_conf_lba(conf, s->max_elements);

	memset(conf, 0xFF, (size_t)s->record_sectors * DDF_SECTOR);
	conf->magic = be32_of((uint32_t)DDF_CONF_MAGIC);
	ddf_guid_parse(c->guid, conf->guid, NULL);
	conf->timestamp = be32_of(ddf_now());
	conf->seq = be32_of(1);
	conf->primary_elements = level->primary_elements;
	conf->stripe_size = c->chunk ? (uint8_t)__builtin_ctz(c->chunk / s->unit) : 0xFF;
	conf->level = level->level;
	conf->qualifier = level->qualifier;
	conf->secondary_elements = level->secondary_elements;
	conf->secondary_seq = (uint8_t)bvd;
	conf->secondary_level = level->secondary_level;
	conf->blocks = be64_of(d->member / s->unit);
	conf->vd_blocks = be64_of(ddf_usable(c->level, c->slots, d->member / s->unit));
	if (s->unit > 1)
		conf->block_size = be16_of((uint16_t)ddf_block(s->unit));
	memset(conf->cache, 0, sizeof(conf->cache));
	conf->bg_rate = 0x80; /* as mdadm's */
	for (unsigned i = 0; i < s->max_elements; i++)
		lba[i] = be64_of(i < n ? d->start[bvd * n + i] / s->unit : 0);
	for (unsigned i = 0; i < n; i++)
		conf->ref[i] = be32_of(d->ref[bvd * n + i]);
}

static int records_make(const struct meta_set *s, const struct meta_create *c, struct draft *d,
			const struct ddf_conf *level, struct err *e)
{
	unsigned n = level->secondary_elements;

	if (be16_get(level->primary_elements) > s->max_elements)
		return err_set(e, EINVAL, "the set's records hold %u members at most", s->max_elements);
	d->volume.bvd = calloc(n, sizeof(*d->volume.bvd));
	if (!d->volume.bvd)
		return err_set(e, ENOMEM, "out of memory");
	for (; d->volume.n_bvds < n; d->volume.n_bvds++) {
		struct ddf_bvd *b = &d->volume.bvd[d->volume.n_bvds];

		b->record = malloc((size_t)s->record_sectors * DDF_SECTOR);
		if (!b->record)
			return err_set(e, ENOMEM, "out of memory");
		record_fill(s, c, d, d->volume.n_bvds, level, ddf_conf(b));
	}
	return 0;
}

static int entry_find(const struct meta_set *s, const struct meta_create *c, struct draft *d, struct err *e)
{
	const struct ddf_vd_table *t = ddf_vds(s);
	char guid[DDF_GUID_LEN];
	int r = ddf_guid_parse(c->guid, guid, e);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < be16_get(t->max); i++)
		if (memcmp(t->entry[i].guid, guid, DDF_GUID_LEN) == 0)
			return err_set(e, EEXIST, "the set has a volume with the GUID %.51s already", c->guid);
	for (d->volume.entry = 0; d->volume.entry < be16_get(t->max); d->volume.entry++)
		if (!ddf_vd_used(&t->entry[d->volume.entry]) && s->n_volumes < META_VOLUMES_MAX)
			return 0;
	return err_set(e, ENOSPC, "the set has no room for another volume");
}

/* Each disk must have a free place for its record. */
static int places_check(struct meta_set *s, const struct meta_create *c, const struct draft *d, struct err *e)
{
	unsigned n = c->slots / d->volume.n_bvds;

	for (unsigned i = 0; i < c->slots; i++)
		if (!ddf_conf_place(s, ddf_member(s, d->ref[i]), ddf_conf(&d->volume.bvd[i / n])))
			return err_set(e, ENOSPC, "disk %s has no free configuration record", c->ref[i]);
	return 0;
}

static void volume_put(struct meta_set *s, const struct meta_create *c, struct draft *d)
{
	size_t len = (size_t)s->record_sectors * DDF_SECTOR;
	unsigned n = c->slots / d->volume.n_bvds;
	struct ddf_vd_table *t = ddf_vds(s);
	struct ddf_volume *v = s->volumes;
	struct ddf_vd_entry *vd;

	while (v < s->volumes + s->n_volumes && v->entry < d->volume.entry)
		v++;
	memmove(v + 1, v, (size_t)(s->volumes + s->n_volumes++ - v) * sizeof(*v));
	*v = d->volume;
	d->volume = (struct ddf_volume){0};
	for (unsigned i = 0; i < c->slots; i++) {
		struct ddf_member *m = ddf_member(s, d->ref[i]);
		struct ddf_pd_entry *pd = ddf_pd_edit(s, d->ref[i]);
		uint8_t *place = ddf_conf_place(s, m, ddf_conf(&v->bvd[i / n]));
		unsigned type = be16_get(pd->type) & ~(unsigned)(DDF_PD_SPARE | DDF_PD_GLOBAL_SPARE);

		ddf_spare_drop(m);
		memcpy(place, v->bvd[i / n].record, len);
		ddf_member_touch(m, place, len);
		pd->type = be16_of((uint16_t)(type | DDF_PD_ACTIVE));
	}
	vd = ddf_vd_edit(s, v);
	memset(vd, 0xFF, sizeof(*vd));
	ddf_guid_parse(c->guid, vd->guid, NULL);
	vd->number = be16_of((uint16_t)v->entry);
	vd->type = be16_of(0);
	vd->init_state = c->initialised ? DDF_VD_FULL_INIT : DDF_VD_NOT_INIT;
	name_put(vd, c->name);
	vd->state = ddf_volume_state(s, v);
	t->used = be16_of((uint16_t)(be16_get(t->used) + 1));
}

int ddf_create_volume(struct meta_set *s, const struct meta_create *c, struct err *e)
{
	struct ddf_conf level = {0};
	struct draft d = {0};
	int r;

	if (c->slots == 0 || c->slots > META_SLOTS_MAX)
		return err_set(e, EINVAL, "a volume of %u members cannot be", c->slots);
	r = name_check(s, NULL, c->name, e);
	if (r == 0)
		r = entry_find(s, c, &d, e);
	if (r == 0)
		r = disks_check(s, c, &d, e);
	if (r == 0)
		r = chunk_check(s, c, e);
	if (r == 0)
		r = ddf_level_records(c->level, c->layout, c->slots, &level, e);
	if (r >= 0)
		r = extents_choose(s, c, &d, e);
	if (r == 0)
		r = records_make(s, c, &d, &level, e);
	if (r == 0)
		r = places_check(s, c, &d, e);
	if (r == 0) {
		volume_put(s, c, &d);
		s->edited = true;
	}
	draft_clear(&d);
	return r;
}

/* ---- the end of one */

/* Who was its dedicated spare and is nobody's else is a global one. */
static void spare_of_none(struct meta_set *s, struct ddf_member *m, const char guid[DDF_GUID_LEN])
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;
	struct ddf_pd_entry *pd;

	for (unsigned i = 0; i < ddf_conf_slots(&m->layout); i++) {
		struct ddf_spare *rec = (struct ddf_spare *)ddf_conf_slot(&m->layout, m->work, i);
		unsigned used = be16_get(rec->used), left = 0;

		if (ddf_magic(rec) != DDF_SPARE_MAGIC || !(rec->type & DDF_SPARE_DEDICATED))
			continue;
		for (unsigned k = 0; k < used; k++)
			if (memcmp(rec->entry[k].guid, guid, DDF_GUID_LEN) != 0)
				rec->entry[left++] = rec->entry[k];
		if (left == used)
			continue;
		memset(&rec->entry[left], 0xFF, (used - left) * sizeof(rec->entry[0]));
		rec->used = be16_of((uint16_t)left);
		rec->timestamp = be32_of(ddf_now());
		ddf_seal(rec, len);
		ddf_member_touch(m, rec, len);
		pd = left ? NULL : ddf_pd_edit(s, m->ref);
		if (!pd)
			continue;
		ddf_spare_drop(m);
		pd->type = be16_of((uint16_t)((be16_get(pd->type) & ~(unsigned)DDF_PD_SPARE) | DDF_PD_GLOBAL_SPARE));
	}
}

static void records_drop(struct ddf_member *m, const char guid[DDF_GUID_LEN])
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;

	for (unsigned i = 0; i < ddf_conf_slots(&m->layout); i++) {
		struct ddf_conf *rec = (struct ddf_conf *)ddf_conf_slot(&m->layout, m->work, i);

		if (ddf_magic(rec) != (uint32_t)DDF_CONF_MAGIC || memcmp(rec->guid, guid, DDF_GUID_LEN) != 0)
			continue;
		memset(rec, 0xFF, len);
		ddf_member_touch(m, rec, len);
	}
}

int ddf_delete_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_volume *v = NULL, gone;
	struct ddf_vd_table *t = ddf_vds(s);
	struct ddf_vd_entry *vd;
	char guid[DDF_GUID_LEN];
	int r = ddf_find_volume(s, edit->volume, &v, e);

	if (r < 0)
		return r;
	gone = *v;
	vd = ddf_vd_edit(s, v);
	memcpy(guid, vd->guid, sizeof(guid));
	memset(vd, 0xFF, sizeof(*vd));
	ddf_touch(&s->vd, t, sizeof(*t));
	t->used = be16_of((uint16_t)MAX(be16_get(t->used) - 1, 0));
	memmove(v, v + 1, (size_t)(&s->volumes[s->n_volumes] - (v + 1)) * sizeof(*v));
	s->volumes[--s->n_volumes] = (struct ddf_volume){0};
	for (size_t i = 0; i < s->n_members; i++) {
		records_drop(&s->members[i], guid);
		spare_of_none(s, &s->members[i], guid);
	}
	for (unsigned b = 0; b < gone.n_bvds; b++) {
		const struct ddf_conf *c = ddf_conf(&gone.bvd[b]);

		for (unsigned i = 0; c && i < s->max_elements; i++)
			if (be32_get(c->ref[i]) != DDF_NO_REF)
				ddf_leave(s, be32_get(c->ref[i]));
		free(gone.bvd[b].record);
	}
	free(gone.bvd);
	return 0;
}
