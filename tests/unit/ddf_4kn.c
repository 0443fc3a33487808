// SPDX-License-Identifier: GPL-2.0-or-later
/* The same set on disks with logical blocks of 4096 bytes. No tool that is at hand makes one there, so what mdadm wrote
 * in blocks of 512 is laid out anew: every LBA and length in blocks of the disk, every record in blocks of its own. */
#include "tests/unit/ddf_disks.h"

#include <stdio.h>
#include <string.h>

enum { UNIT = 8, BLOCK = UNIT * DDF_SECTOR };

static uint64_t blocks(const struct test_disk *d, uint64_t sectors)
{
	if (sectors % UNIT) {
		fprintf(stderr, "%s: %llu sectors are no number of blocks\n", d->ref, (unsigned long long)sectors);
		exit(1);
	}
	return sectors / UNIT;
}

static uint32_t blocks_for(uint32_t sectors)
{
	return (sectors + UNIT - 1) / UNIT;
}

/* The anchor: the old one's numbers, and the sections one after the other. */
static void header(const struct test_disk *d, const struct meta_copy *c, struct ddf_header *h)
{
	const struct ddf_layout *l = &c->layout;
	uint32_t record = blocks_for(l->record_sectors), at = 1;

	memset(h, 0xFF, BLOCK);
	*h = *ddf_anchor(&c->tail);
	memcpy(h->revision, "02.00.00", sizeof(h->revision));
	h->primary_lba = be64_of(blocks(d, l->lba[0]));
	h->secondary_lba = be64_of(blocks(d, l->lba[1]));
	h->workspace_lba = be64_of(blocks(d, l->workspace));
	h->workspace_length = be32_of((uint32_t)blocks(d, l->workspace_sectors));
	h->config_record_length = be16_of((uint16_t)record);
	for (int i = 0; i < DDF_SECTIONS_NEEDED; i++) {
		uint32_t n = blocks_for(l->section[i].sectors);

		if (i == DDF_SEC_CONFIG)
			n = ddf_conf_slots(l) * record;
		h->section[i] = (struct ddf_span_be){be32_of(at), be32_of(n)};
		at += n;
	}
	for (int i = DDF_SECTIONS_NEEDED; i < DDF_SECTIONS; i++)
		h->section[i] = (struct ddf_span_be){be32_of(UINT32_MAX), be32_of(0)};
	ddf_seal(h, BLOCK);
}

static void record(const struct test_disk *d, struct ddf_conf *c, unsigned max_elements)
{
	be64 *lba = ddf_conf_lba(c, max_elements);

	c->blocks = be64_of(blocks(d, be64_get(c->blocks)));
	c->vd_blocks = be64_of(blocks(d, be64_get(c->vd_blocks)));
	c->block_size = be16_of(BLOCK);
	if (c->stripe_size != 0xFF)
		c->stripe_size -= 3;
	for (unsigned i = 0; i < max_elements; i++)
		if (be64_get(lba[i]) != DDF_NO_LBA)
			lba[i] = be64_of(blocks(d, be64_get(lba[i])));
}

static void sections(const struct test_disk *d, const struct meta_copy *c, const struct ddf_layout *l, uint8_t *copy)
{
	const uint8_t *old = c->image[c->active]->bytes;
	struct ddf_pd_table *pds;

	for (int i = 0; i < DDF_SECTIONS_NEEDED; i++)
		if (i != DDF_SEC_CONFIG)
			memcpy(ddf_section(l, copy, i), ddf_section(&c->layout, old, i),
			       ddf_section_len(&c->layout, i));
	for (unsigned i = 0; i < ddf_conf_slots(l); i++) {
		uint8_t *rec = ddf_conf_slot(l, copy, i);

		memcpy(rec, ddf_conf_slot(&c->layout, old, i), (size_t)c->layout.record_sectors * DDF_SECTOR);
		if (ddf_magic(rec) == (uint32_t)DDF_CONF_MAGIC)
			record(d, (struct ddf_conf *)rec, l->max_elements);
		if (ddf_magic(rec) == (uint32_t)DDF_CONF_MAGIC || ddf_magic(rec) == DDF_SPARE_MAGIC)
			ddf_seal(rec, (size_t)l->record_sectors * DDF_SECTOR);
	}
	pds = (struct ddf_pd_table *)ddf_section(l, copy, DDF_SEC_PD);
	for (unsigned i = 0; i < be16_get(pds->max); i++)
		if (ddf_pd_used(&pds->entry[i]))
			pds->entry[i].size = be64_of(blocks(d, be64_get(pds->entry[i].size)));
	ddf_seal(ddf_section(l, copy, DDF_SEC_CONTROLLER), BLOCK);
	ddf_seal(pds, ddf_section_len(l, DDF_SEC_PD));
	ddf_seal(ddf_section(l, copy, DDF_SEC_VD), ddf_section_len(l, DDF_SEC_VD));
	ddf_seal(ddf_section(l, copy, DDF_SEC_DATA), BLOCK);
}

static void disk_to_4kn(struct test_disk *d)
{
	_Alignas(8) uint8_t anchor[BLOCK];
	struct ddf_header *h = (struct ddf_header *)anchor, *own;
	struct meta_copy *c;
	struct ddf_layout l;
	struct err e;
	uint8_t *copy;

	if (meta_ddf.parse(&d->reader, &c, &e) < 0 || blocks(d, d->sectors) == 0) {
		fprintf(stderr, "%s: %s\n", d->ref, e.msg);
		exit(1);
	}
	header(d, c, h);
	if (ddf_layout_read(h, d->sectors, UNIT, &l, &e) < 0 || !(copy = malloc((size_t)l.sectors * DDF_SECTOR))) {
		fprintf(stderr, "%s: %s\n", d->ref, e.msg);
		exit(1);
	}
	memset(copy, 0xFF, (size_t)l.sectors * DDF_SECTOR);
	memcpy(copy, anchor, BLOCK);
	sections(d, c, &l, copy);
	memset(d->bytes, 0, (size_t)(d->sectors - d->first) * DDF_SECTOR);
	own = (struct ddf_header *)copy;
	own->seq = ddf_image_header(c->image[c->active])->seq;
	own->timestamp = ddf_image_header(c->image[c->active])->timestamp;
	own->open_flag = DDF_CLOSED;
	for (int i = 0; i < 2; i++) {
		own->type = (uint8_t)(DDF_PRIMARY + i);
		ddf_seal(own, BLOCK);
		memcpy(test_sector(d, l.lba[i]), copy, (size_t)l.sectors * DDF_SECTOR);
	}
	memcpy(test_sector(d, d->sectors - UNIT), anchor, BLOCK);
	d->sector_size = d->reader.sector_size = BLOCK;
	free(copy);
	meta_ddf.copy_free(c);
}

void test_set_to_4kn(struct test_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		disk_to_4kn(&s->disk[i]);
}
