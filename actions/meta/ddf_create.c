// SPDX-License-Identifier: GPL-2.0-or-later
/* A set out of nothing: what mdadm's init_super_ddf makes, so that every tool finds it where it looks: a primary copy
 * 16 MiB from the disk's end, a secondary one at 32 MiB, and the anchor in the last block. */
#include "actions/meta/ddf.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char vendor[8] = "spared  "; /* T10 form: eight bytes, filled with spaces */

/* As large as mdadm's; sectors of 512 bytes. */
enum {
	PD_ENTRIES = 1023,
	VD_ENTRIES = 255,
	PARTITIONS = 64,
	ELEMENTS = 256,
	RECORD_SECTORS = 7, /* ELEMENTS references and places behind the first sector */
	PD_SECTORS = 128,
	VD_SECTORS = 32,
	WORKSPACE = DDF_RESERVED / 2,
};
static_assert(sizeof(struct ddf_pd_table) + PD_ENTRIES * sizeof(struct ddf_pd_entry) <= PD_SECTORS * DDF_SECTOR,
	      "physical disk records");
static_assert(sizeof(struct ddf_vd_table) + VD_ENTRIES * sizeof(struct ddf_vd_entry) <= VD_SECTORS * DDF_SECTOR,
	      "virtual disk records");
static_assert(sizeof(struct ddf_conf) + ELEMENTS * (sizeof(be32) + sizeof(be64)) <= RECORD_SECTORS * DDF_SECTOR,
	      "configuration record");

/* Vendor, eight digits, time, four bytes: DDF 5.3 and mdadm (make_header_guid) have the time there. The digits
 * keep libblkid's UUID, which ends at the first zero byte, from being the same for all sets. */
void ddf_guid_of(uint64_t hash, int64_t wall, char ret[META_GUID_MAX])
{
	be32 time = be32_of(ddf_time(wall)), low = be32_of((uint32_t)hash);
	char guid[DDF_GUID_LEN], digits[9];

	snprintf(digits, sizeof(digits), "%08x", (uint32_t)(hash >> 32));
	memcpy(guid, vendor, sizeof(vendor));
	memcpy(guid + 8, digits, 8);
	memcpy(guid + 16, &time, sizeof(time));
	memcpy(guid + 20, &low, sizeof(low));
	ddf_guid_text(guid, ret);
}

int ddf_new_guid(char ret[META_GUID_MAX], struct err *e)
{
	uint64_t random;
	int r = ddf_random(&random, sizeof(random), e);

	if (r == 0)
		ddf_guid_of(random, clock_wall(&clock_system), ret);
	return r;
}

static uint32_t blocks_for(uint32_t sectors, unsigned unit)
{
	return (sectors + unit - 1) / unit;
}

static void anchor_fill(struct ddf_header *h, const char guid[DDF_GUID_LEN], uint64_t disk_sectors, unsigned unit)
{
	uint32_t record = blocks_for(RECORD_SECTORS, unit), at = 1;
	const uint32_t sections[DDF_SECTIONS_NEEDED] = {
		[DDF_SEC_CONTROLLER] = 1,
		[DDF_SEC_PD] = blocks_for(PD_SECTORS, unit),
		[DDF_SEC_VD] = blocks_for(VD_SECTORS, unit),
		[DDF_SEC_CONFIG] = (PARTITIONS + 1) * record, /* and one for a spare assignment */
		[DDF_SEC_DATA] = 1,
	};

	memset(h, 0xFF, ddf_block(unit));
	h->magic = be32_of(DDF_HEADER_MAGIC);
	memcpy(h->guid, guid, DDF_GUID_LEN);
	/* What mdadm says of itself; counting in blocks of the disk is revision 2.0's. */
	memcpy(h->revision, unit == 1 ? "01.02.00" : "02.00.00", sizeof(h->revision));
	h->foreign_flag = 0;
	h->grouping = 0;
	h->primary_lba = be64_of((disk_sectors - DDF_RESERVED / 2) / unit);
	h->secondary_lba = be64_of((disk_sectors - DDF_RESERVED) / unit);
	h->type = DDF_ANCHOR;
	h->workspace_length = be32_of(WORKSPACE / unit);
	h->workspace_lba = h->secondary_lba;
	h->max_pd_entries = be16_of(PD_ENTRIES);
	h->max_vd_entries = be16_of(VD_ENTRIES);
	h->max_partitions = be16_of(PARTITIONS);
	h->config_record_length = be16_of((uint16_t)record);
	h->max_primary_elements = be16_of(ELEMENTS);
	for (int i = 0; i < DDF_SECTIONS; i++) {
		bool there = i < DDF_SECTIONS_NEEDED;

		h->section[i] =
			(struct ddf_span_be){be32_of(there ? at : UINT32_MAX), be32_of(there ? sections[i] : 0)};
		at += there ? sections[i] : 0;
	}
}

static void controller_fill(struct ddf_controller *c, unsigned unit)
{
	memset(c, 0xFF, ddf_block(unit));
	c->magic = be32_of(DDF_CONTROLLER_MAGIC);
	memset(c->guid, ' ', sizeof(c->guid));
	memcpy(c->guid, vendor, sizeof(vendor));
	memcpy(c->rest + 8, "spared          ", 16); /* Product_ID, behind the controller's type */
	ddf_seal(c, ddf_block(unit));
}

/* A disk of the set as there is none yet: where everything lies, and what is the same on all disks. */
static int pattern(struct ddf_member *like, const char guid[DDF_GUID_LEN], uint64_t disk_sectors, unsigned unit,
		   struct err *e)
{
	int r;

	*like = (struct ddf_member){.disk_sectors = disk_sectors};
	ddf_tail_place(&like->tail, disk_sectors, unit);
	anchor_fill(ddf_anchor(&like->tail), guid, disk_sectors, unit);
	r = ddf_layout_read(ddf_anchor(&like->tail), disk_sectors, unit, &like->layout, e);
	if (r < 0)
		return r;
	like->work = malloc((size_t)like->layout.sectors * DDF_SECTOR);
	if (!like->work)
		return err_set(e, ENOMEM, "out of memory");
	memset(like->work, 0xFF, (size_t)like->layout.sectors * DDF_SECTOR);
	controller_fill((struct ddf_controller *)ddf_section(&like->layout, like->work, DDF_SEC_CONTROLLER), unit);
	return 0;
}

/* Empty tables; unused entries are 0xFF (5.7, 5.8). */
static int tables_init(struct meta_set *s, const struct ddf_member *like)
{
	const struct ddf_layout *l = &like->layout;
	struct ddf_pd_table *pds;
	struct ddf_vd_table *vds;

	if (ddf_table_init(&s->pd, ddf_section(l, like->work, DDF_SEC_PD), l->section[DDF_SEC_PD].sectors) < 0 ||
	    ddf_table_init(&s->vd, ddf_section(l, like->work, DDF_SEC_VD), l->section[DDF_SEC_VD].sectors) < 0)
		return -ENOMEM;
	pds = ddf_pds(s);
	pds->magic = be32_of(DDF_PD_MAGIC);
	pds->used = be16_of(0);
	pds->max = be16_of(PD_ENTRIES);
	vds = ddf_vds(s);
	vds->magic = be32_of((uint32_t)DDF_VD_MAGIC);
	vds->used = be16_of(0);
	vds->max = be16_of(VD_ENTRIES);
	ddf_touch(&s->pd, pds, sizeof(*pds));
	ddf_touch(&s->vd, vds, sizeof(*vds));
	s->volumes = calloc(META_VOLUMES_MAX, sizeof(*s->volumes));
	return s->volumes ? 0 : -ENOMEM;
}

static int set_init(struct meta_set *s, const struct ddf_member *like, struct err *e)
{
	s->unit = like->layout.unit;
	s->record_sectors = like->layout.record_sectors;
	s->max_elements = like->layout.max_elements;
	return tables_init(s, like) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

int ddf_create_set(const char *guid, uint64_t disk_sectors, unsigned sector_size, const char *serial,
		   struct meta_set **ret, char ref[META_REF_MAX], struct err *e)
{
	_cleanup_(ddf_set_freep) struct meta_set *s = calloc(1, sizeof(*s));
	unsigned unit = ddf_unit(sector_size);
	struct ddf_member like = {0};
	char bytes[DDF_GUID_LEN];
	int r;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	if (unit == 0 || disk_sectors % unit)
		return err_set(e, ENOTSUP, "a disk with sectors of %u bytes cannot hold DDF", sector_size);
	if (disk_sectors <= DDF_RESERVED)
		return err_set(e, ENOSPC, "the disk has %llu sectors; DDF alone takes %d",
			       (unsigned long long)disk_sectors, DDF_RESERVED);
	r = ddf_guid_parse(guid, bytes, e);
	if (r == 0)
		r = pattern(&like, bytes, disk_sectors, unit, e);
	if (r == 0)
		r = set_init(s, &like, e);
	if (r == 0)
		r = ddf_add_like(s, &like, disk_sectors, serial, ref, e);
	ddf_member_clear(&like);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}
