// SPDX-License-Identifier: GPL-2.0-or-later
/* A blank disk becomes known to a set: a new reference and GUID, and copies in the places that mdadm gives them
 * (add_to_super_ddf): as far from the disk's end as on a disk of the set. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int new_ref(const struct meta_set *s, uint32_t *ret, struct err *e)
{
	do {
		int r = ddf_random(ret, sizeof(*ret), e);

		if (r < 0)
			return r;
	} while (*ret == 0 || *ret == DDF_NO_REF || ddf_pd(s, *ret));
	return 0;
}

/* As mdadm makes it: vendor, date, eight random bytes; DDF 5.3 allows a forced GUID. */
static int new_guid(char guid[DDF_GUID_LEN], struct err *e)
{
	time_t now = time(NULL);
	struct tm tm = {0};
	char text[64];

	gmtime_r(&now, &tm);
	snprintf(text, sizeof(text), "Linux-MD%04d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	memcpy(guid, text, 16);
	return ddf_random(guid + 16, 8, e);
}

static uint64_t from_end(const struct ddf_member *like, uint64_t lba, uint64_t disk_sectors, uint64_t otherwise)
{
	uint64_t distance = like->disk_sectors - lba;

	return disk_sectors - (distance < disk_sectors ? distance : otherwise);
}

/* The anchor of the new disk: the other's but for the places, and without the sections that only that disk has. */
static int new_layout(const struct ddf_member *like, struct ddf_member *m, struct err *e)
{
	unsigned unit = like->layout.unit;
	struct ddf_header *h;

	if (like->layout.lba[1] == DDF_NO_LBA)
		return err_set(e, ENOTSUP, "the set's disks have no secondary DDF copy");
	if (m->disk_sectors <= DDF_RESERVED)
		return err_set(e, ENOSPC, "the disk has %llu sectors; DDF alone takes %d",
			       (unsigned long long)m->disk_sectors, DDF_RESERVED);
	ddf_tail_place(&m->tail, m->disk_sectors, unit);
	m->tail.dialect = like->tail.dialect;
	h = ddf_anchor(&m->tail);
	memcpy(h, ddf_anchor(&like->tail), ddf_block(unit));
	h->primary_lba = be64_of(from_end(like, like->layout.lba[0], m->disk_sectors, DDF_RESERVED / 2) / unit);
	h->secondary_lba = be64_of(from_end(like, like->layout.lba[1], m->disk_sectors, DDF_RESERVED) / unit);
	h->workspace_lba = be64_of(from_end(like, like->layout.workspace, m->disk_sectors, DDF_RESERVED) / unit);
	for (int i = DDF_SECTIONS_NEEDED; i < DDF_SECTIONS; i++)
		h->section[i] = (struct ddf_span_be){be32_of(UINT32_MAX), be32_of(0)};
	h->type = DDF_ANCHOR;
	h->open_flag = DDF_ANCHOR_OPEN;
	h->seq = be32_of(UINT32_MAX);
	h->timestamp = be32_of(ddf_now());
	ddf_seal(h, ddf_block(unit));
	return ddf_layout_read(h, m->disk_sectors, unit, &m->layout, e);
}

static int new_work(const struct ddf_member *like, struct ddf_member *m, const char guid[DDF_GUID_LEN],
		    const char *serial, struct err *e)
{
	size_t len = (size_t)m->layout.sectors * DDF_SECTOR;
	struct ddf_data *d;

	m->work = malloc(len);
	m->touched = calloc(m->layout.sectors, sizeof(*m->touched));
	if (!m->work || !m->touched)
		return err_set(e, ENOMEM, "out of memory");
	memset(m->work, 0xFF, len);
	memcpy(ddf_section(&m->layout, m->work, DDF_SEC_CONTROLLER),
	       ddf_section(&like->layout, like->work, DDF_SEC_CONTROLLER),
	       ddf_section_len(&m->layout, DDF_SEC_CONTROLLER));
	memcpy(m->work, ddf_anchor(&m->tail), ddf_block(m->layout.unit));
	d = (struct ddf_data *)ddf_section(&m->layout, m->work, DDF_SEC_DATA);
	d->magic = be32_of(DDF_DATA_MAGIC);
	memcpy(d->guid, guid, DDF_GUID_LEN);
	d->ref = be32_of(m->ref);
	d->forced_ref = d->forced_guid = 1;
	memset(d->scratch, ' ', sizeof(d->scratch)); /* for people who look at the bytes */
	memcpy(d->scratch, serial, strnlen(serial, sizeof(d->scratch)));
	ddf_seal(d, ddf_block(m->layout.unit));
	return 0;
}

static uint64_t usable(const struct ddf_member *m)
{
	uint64_t size = MIN(m->disk_sectors - DDF_RESERVED, MIN(m->layout.lba[0], m->layout.lba[1]));

	return MIN(size, m->layout.workspace);
}

static int new_entry(struct meta_set *s, const struct ddf_member *m, const char guid[DDF_GUID_LEN], struct err *e)
{
	struct ddf_pd_table *t = ddf_pds(s);
	struct ddf_pd_entry *pd = NULL;
	unsigned used = 0;

	for (unsigned i = be16_get(t->max); i-- > 0;) {
		if (ddf_is_blank(t->entry[i].guid, DDF_GUID_LEN))
			pd = &t->entry[i];
		used += ddf_pd_used(&t->entry[i]);
	}
	if (!pd || used >= META_DISKS_MAX)
		return err_set(e, ENOSPC, "the set has no room for another disk");
	*pd = (struct ddf_pd_entry){
		.ref = be32_of(m->ref),
		.type = be16_of(DDF_PD_FORCED_GUID),
		.state = be16_of(DDF_PD_ONLINE),
		.size = be64_of(usable(m) / m->layout.unit),
		.path = " Information: nil", /* mdadm's words; DDF 5.7: informative */
	};
	memcpy(pd->guid, guid, DDF_GUID_LEN);
	memset(pd->filler, 0xFF, sizeof(pd->filler));
	t->used = be16_of((uint16_t)(used + 1));
	ddf_touch(&s->pd, pd, sizeof(*pd));
	return 0;
}

int ddf_add_like(struct meta_set *s, const struct ddf_member *like, uint64_t disk_sectors, const char *serial,
		 char ref[META_REF_MAX], struct err *e)
{
	struct ddf_member m = {.disk_sectors = disk_sectors, .blank = true}, *members;
	char guid[DDF_GUID_LEN];
	int r;

	r = new_ref(s, &m.ref, e);
	if (r == 0)
		r = new_guid(guid, e);
	if (r == 0)
		r = new_layout(like, &m, e);
	if (r == 0)
		r = new_work(like, &m, guid, serial ? serial : "", e);
	if (r < 0) {
		ddf_member_clear(&m);
		return r;
	}
	members = realloc(s->members, (s->n_members + 1) * sizeof(*members));
	if (!members) {
		ddf_member_clear(&m);
		return err_set(e, ENOMEM, "out of memory");
	}
	s->members = members;
	r = new_entry(s, &m, guid, e);
	if (r < 0) {
		ddf_member_clear(&m);
		return r;
	}
	s->members[s->n_members++] = m;
	s->edited = true;
	ddf_ref_text(m.ref, ref);
	return 0;
}

int ddf_add_disk(struct meta_set *s, uint64_t disk_sectors, unsigned sector_size, const char *serial,
		 char ref[META_REF_MAX], struct err *e)
{
	if (s->n_members == 0 || s->n_members == META_DISKS_MAX)
		return err_set(e, ENOSPC, "a disk cannot be added to a set of %zu", s->n_members);
	if (ddf_unit(sector_size) != s->unit || disk_sectors % s->unit)
		return err_set(e, EINVAL, "the disk has sectors of %u bytes, the disks of the set have %zu",
			       sector_size, ddf_block(s->unit));
	return ddf_add_like(s, &s->members[0], disk_sectors, serial, ref, e);
}
