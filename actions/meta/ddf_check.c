// SPDX-License-Identifier: GPL-2.0-or-later
/* What the records of one copy claim. A right CRC says nothing about truth: every count, reference and extent is
 * checked here, once, and the rest of the format relies on it. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

struct extent {
	uint32_t ref;
	uint64_t start, sectors;
};

struct claims {
	const struct ddf_layout *layout;
	const uint8_t *copy;
	unsigned max_elements, unit;
	const struct ddf_pd_table *pds;
	const struct ddf_vd_table *vds;
	uint32_t self;
	struct extent *extent; /* of all elements on known disks */
	size_t n_extents, max_extents;
};

bool ddf_pd_used(const struct ddf_pd_entry *pd)
{
	return !ddf_is_blank(pd->guid, sizeof(pd->guid)) && be32_get(pd->ref) != DDF_NO_REF;
}

bool ddf_vd_used(const struct ddf_vd_entry *vd)
{
	return !ddf_is_blank(vd->guid, sizeof(vd->guid));
}

static int record_check(const void *record, size_t len, uint32_t magic, const char *what, struct err *e)
{
	const struct ddf_record *h = record;

	if (be32_get(h->magic) != magic)
		return err_set(e, EBADMSG, "%s: signature %08x is not %08x", what, be32_get(h->magic), magic);
	if (be32_get(h->crc) != ddf_crc(record, len))
		return err_set(e, EBADMSG, "%s: the CRC is wrong", what);
	return 0;
}

static const struct ddf_pd_entry *find_pd(const struct claims *c, uint32_t ref)
{
	for (unsigned i = 0; i < be16_get(c->pds->max); i++)
		if (be32_get(c->pds->entry[i].ref) == ref && ddf_pd_used(&c->pds->entry[i]))
			return &c->pds->entry[i];
	return NULL;
}

static int pds_check(struct claims *c, struct err *e)
{
	size_t len = ddf_section_len(c->layout, DDF_SEC_PD);
	unsigned max, used = 0;
	uint32_t seen[META_DISKS_MAX];
	int r;

	r = record_check(c->pds, len, DDF_PD_MAGIC, "physical disk records", e);
	if (r < 0)
		return r;
	max = be16_get(c->pds->max);
	if (sizeof(*c->pds) + (size_t)max * sizeof(c->pds->entry[0]) > len)
		return err_set(e, EBADMSG, "physical disk records: %u entries do not fit into %zu bytes", max, len);
	for (unsigned i = 0; i < max; i++) {
		uint32_t ref = be32_get(c->pds->entry[i].ref);

		if (!ddf_pd_used(&c->pds->entry[i]))
			continue;
		if (used == META_DISKS_MAX)
			return err_set(e, EBADMSG, "physical disk records: more than %d disks", META_DISKS_MAX);
		for (unsigned k = 0; k < used; k++)
			if (seen[k] == ref)
				return err_set(e, EBADMSG, "physical disk records: two disks have reference %08x", ref);
		seen[used++] = ref;
	}
	return 0;
}

static int vds_check(struct claims *c, struct err *e)
{
	size_t len = ddf_section_len(c->layout, DDF_SEC_VD);
	unsigned max, used = 0;
	const char *seen[META_VOLUMES_MAX];
	int r;

	r = record_check(c->vds, len, (uint32_t)DDF_VD_MAGIC, "virtual disk records", e);
	if (r < 0)
		return r;
	max = be16_get(c->vds->max);
	if (sizeof(*c->vds) + (size_t)max * sizeof(c->vds->entry[0]) > len)
		return err_set(e, EBADMSG, "virtual disk records: %u entries do not fit into %zu bytes", max, len);
	for (unsigned i = 0; i < max; i++) {
		if (!ddf_vd_used(&c->vds->entry[i]))
			continue;
		if (used == META_VOLUMES_MAX)
			return err_set(e, EBADMSG, "virtual disk records: more than %d volumes", META_VOLUMES_MAX);
		for (unsigned k = 0; k < used; k++)
			if (memcmp(seen[k], c->vds->entry[i].guid, DDF_GUID_LEN) == 0)
				return err_set(e, EBADMSG, "virtual disk records: two volumes have one GUID");
		seen[used++] = c->vds->entry[i].guid;
	}
	return 0;
}

static int data_check(struct claims *c, struct err *e)
{
	const struct ddf_data *d = (const struct ddf_data *)ddf_section(c->layout, c->copy, DDF_SEC_DATA);
	const struct ddf_pd_entry *pd;
	uint64_t size, end = MIN(c->layout->lba[0], c->layout->lba[1]);
	int r;

	r = record_check(d, ddf_block(c->unit), DDF_DATA_MAGIC, "physical disk data", e);
	if (r < 0)
		return r;
	c->self = be32_get(d->ref);
	pd = find_pd(c, c->self);
	if (!pd)
		return err_set(e, EBADMSG, "physical disk data: disk %08x is not among the physical disk records",
			       c->self);
	size = ddf_sectors(c->unit, pd->size);
	if (size > end)
		return err_set(e, EBADMSG,
			       "physical disk records: %llu usable sectors reach into the DDF copy at sector %llu",
			       (unsigned long long)size, (unsigned long long)end);
	return 0;
}

static bool volume_listed(const struct claims *c, const char *guid)
{
	for (unsigned i = 0; i < be16_get(c->vds->max); i++)
		if (ddf_vd_used(&c->vds->entry[i]) && memcmp(c->vds->entry[i].guid, guid, DDF_GUID_LEN) == 0)
			return true;
	return false;
}

static int extent_check(struct claims *c, uint32_t ref, uint64_t start, uint64_t sectors, struct err *e)
{
	const struct ddf_pd_entry *pd = find_pd(c, ref);
	uint64_t end, size;

	if (!pd) /* the disk was forgotten: the element is empty */
		return 0;
	size = ddf_sectors(c->unit, pd->size);
	if (__builtin_add_overflow(start, sectors, &end) || end > size)
		return err_set(e, EBADMSG, "sectors %llu + %llu lie beyond the %llu usable ones of disk %08x",
			       (unsigned long long)start, (unsigned long long)sectors, (unsigned long long)size, ref);
	if (c->n_extents == c->max_extents) {
		size_t max = MAX(64, 2 * c->max_extents);
		struct extent *x = realloc(c->extent, max * sizeof(*x));

		if (!x)
			return err_set(e, ENOMEM, "out of memory");
		c->extent = x;
		c->max_extents = max;
	}
	c->extent[c->n_extents++] = (struct extent){ref, start, sectors};
	return 0;
}

static int conf_check(struct claims *c, const struct ddf_conf *conf, struct err *e)
{
	unsigned max = c->max_elements, n = be16_get(conf->primary_elements), used = 0;
	uint64_t sectors = ddf_sectors(c->unit, conf->blocks);
	int r;

	if (n == 0 || n > max)
		return err_set(e, EBADMSG, "%u elements, the limit is %u", n, max);
	if (conf->secondary_elements == 0)
		return err_set(e, EBADMSG, "no secondary elements");
	if (conf->secondary_elements > 1 && conf->secondary_seq >= conf->secondary_elements)
		return err_set(e, EBADMSG, "secondary element %u of %u", conf->secondary_seq, conf->secondary_elements);
	if (sectors == 0 || be64_get(conf->vd_blocks) == 0)
		return err_set(e, EBADMSG, "the volume has no blocks");
	for (unsigned i = 0; i < max; i++) {
		uint32_t ref = be32_get(conf->ref[i]);

		if (ref == DDF_NO_REF)
			continue;
		if (++used > n)
			return err_set(e, EBADMSG, "more disks than its %u elements", n);
		r = extent_check(c, ref, ddf_sectors(c->unit, ddf_conf_lba(conf, max)[i]), sectors, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int spare_check(const struct claims *c, const struct ddf_spare *s, struct err *e)
{
	size_t len = (size_t)c->layout->record_sectors * DDF_SECTOR;
	unsigned used = be16_get(s->used);

	if (sizeof(*s) + (size_t)used * sizeof(s->entry[0]) > len)
		return err_set(e, EBADMSG, "%u spare assignments do not fit into %zu bytes", used, len);
	return 0;
}

static int configs_check(struct claims *c, struct err *e)
{
	size_t len = (size_t)c->layout->record_sectors * DDF_SECTOR;
	const struct ddf_conf *seen[META_VOLUMES_MAX];
	unsigned n_seen = 0;
	int r;

	for (unsigned i = 0; i < ddf_conf_slots(c->layout); i++) {
		const struct ddf_conf *conf = (const struct ddf_conf *)ddf_conf_slot(c->layout, c->copy, i);
		uint32_t magic = ddf_magic(conf);

		if (magic != (uint32_t)DDF_CONF_MAGIC && magic != DDF_SPARE_MAGIC)
			continue;
		r = record_check(conf, len, magic, "record", e);
		if (r == 0 && magic == DDF_SPARE_MAGIC)
			r = spare_check(c, (const struct ddf_spare *)conf, e);
		else if (r == 0 && volume_listed(c, conf->guid))
			r = conf_check(c, conf, e);
		if (r < 0)
			return err_prefix(e, "configuration record %u", i);
		if (magic == DDF_SPARE_MAGIC)
			continue;
		if (n_seen == META_VOLUMES_MAX)
			return err_set(e, EBADMSG, "more than %d configuration records", META_VOLUMES_MAX);
		for (unsigned k = 0; k < n_seen; k++)
			if (memcmp(seen[k]->guid, conf->guid, DDF_GUID_LEN) == 0 &&
			    seen[k]->secondary_seq == conf->secondary_seq)
				return err_set(e, EBADMSG, "configuration record %u: the volume has another one", i);
		seen[n_seen++] = conf;
	}
	return 0;
}

static int extent_cmp(const void *av, const void *bv)
{
	const struct extent *a = av, *b = bv;

	if (a->ref != b->ref)
		return a->ref < b->ref ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int overlap_check(struct claims *c, struct err *e)
{
	qsort(c->extent, c->n_extents, sizeof(*c->extent), extent_cmp);
	for (size_t i = 1; i < c->n_extents; i++) {
		const struct extent *a = &c->extent[i - 1], *b = &c->extent[i];

		if (a->ref == b->ref && b->start < a->start + a->sectors)
			return err_set(e, EBADMSG, "configuration records: two volumes use sector %llu of disk %08x",
				       (unsigned long long)b->start, b->ref);
	}
	return 0;
}

int ddf_check(const struct ddf_layout *l, const uint8_t *copy, struct err *e)
{
	struct claims c = {
		.layout = l,
		.copy = copy,
		.max_elements = l->max_elements,
		.unit = l->unit,
		.pds = (const struct ddf_pd_table *)ddf_section(l, copy, DDF_SEC_PD),
		.vds = (const struct ddf_vd_table *)ddf_section(l, copy, DDF_SEC_VD),
	};
	int r;

	r = record_check(ddf_section(l, copy, DDF_SEC_CONTROLLER), ddf_block(l->unit), (uint32_t)DDF_CONTROLLER_MAGIC,
			 "controller data", e);
	if (r == 0)
		r = pds_check(&c, e);
	if (r == 0)
		r = vds_check(&c, e);
	if (r == 0)
		r = data_check(&c, e);
	if (r == 0)
		r = configs_check(&c, e);
	if (r == 0 && c.n_extents)
		r = overlap_check(&c, e);
	free(c.extent);
	return r;
}

int ddf_check_set(const struct meta_set *s, struct err *e)
{
	struct claims c = {.max_elements = s->max_elements, .unit = s->unit, .pds = ddf_pds(s), .vds = ddf_vds(s)};
	int r = 0;

	for (size_t i = 0; i < s->n_volumes && r == 0; i++)
		for (unsigned b = 0; b < s->volumes[i].n_bvds && r == 0; b++) {
			if (!s->volumes[i].bvd[b].record)
				continue;
			r = conf_check(&c, ddf_conf(&s->volumes[i].bvd[b]), e);
			if (r < 0)
				err_prefix(e, "volume %u, secondary element %u", s->volumes[i].entry, b);
		}
	if (r == 0 && c.n_extents)
		r = overlap_check(&c, e);
	free(c.extent);
	return r;
}
