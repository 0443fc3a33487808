// SPDX-License-Identifier: GPL-2.0-or-later
/* From a disk to one good copy in memory: anchor, headers, bounds, and which copy counts. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static const char *const section_names[DDF_SECTIONS] = {
	[DDF_SEC_CONTROLLER] = "controller data", [DDF_SEC_PD] = "physical disk records",
	[DDF_SEC_VD] = "virtual disk records",	  [DDF_SEC_CONFIG] = "configuration records",
	[DDF_SEC_DATA] = "physical disk data",	  [DDF_SEC_BBM] = "bad block log",
	[DDF_SEC_DIAG] = "diagnostic space",	  [DDF_SEC_VENDOR] = "vendor logs",
};
static const char *const copy_names[] = {"primary", "secondary"};

struct ddf_image *ddf_image_ref(struct ddf_image *im)
{
	if (im)
		im->users++;
	return im;
}

void ddf_image_unref(struct ddf_image *im)
{
	if (!im || --im->users)
		return;
	free(im->bytes);
	free(im);
}

void ddf_copy_free(struct meta_copy *c)
{
	if (!c)
		return;
	ddf_image_unref(c->image[0]);
	ddf_image_unref(c->image[1]);
	free(c);
}
DEFINE_CLEANUP(struct meta_copy *, ddf_copy_free)

/* With the anchor as the last block before that sector. */
void ddf_tail_place(struct ddf_tail *t, uint64_t end, unsigned unit)
{
	t->unit = unit;
	t->lba = (end - 1) / DDF_GRANULE * DDF_GRANULE;
	t->sectors = (uint32_t)(end - t->lba);
}

uint32_t ddf_image_sectors(const struct ddf_layout *l, unsigned copy, uint64_t disk_sectors)
{
	uint64_t lba = l->lba[copy], other = l->lba[!copy], end = lba + l->sectors;
	uint64_t whole = (end + DDF_GRANULE - 1) / DDF_GRANULE * DDF_GRANULE;

	if (whole > disk_sectors - 1 || (other >= end && other < whole) || l->extent > l->sectors)
		whole = end;
	return (uint32_t)(whole - lba);
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Offsets and lengths of the sections: which must exist, which are kept in memory, and that none lies over another. */
static int sections_read(const struct ddf_header *h, struct ddf_layout *l, struct err *e)
{
	l->sectors = l->extent = l->unit;
	for (int i = 0; i < DDF_SECTIONS; i++) {
		uint32_t offset = be32_get(h->section[i].offset), n = be32_get(h->section[i].length);

		if (n == 0 || offset == UINT32_MAX) {
			if (i < DDF_SECTIONS_NEEDED)
				return err_set(e, EBADMSG, "the DDF header has no %s", section_names[i]);
			continue;
		}
		if (offset == 0 || n > INT32_MAX / l->unit || offset > INT32_MAX / l->unit)
			return err_set(e, EBADMSG, "DDF %s: offset %u, length %u cannot be", section_names[i], offset,
				       n);
		offset *= l->unit;
		n *= l->unit;
		for (int k = 0; k < i; k++)
			if (overlap(offset, n, l->section[k].offset, l->section[k].sectors))
				return err_set(e, EBADMSG, "DDF %s lie over the %s", section_names[i],
					       section_names[k]);
		l->section[i].offset = offset;
		l->section[i].sectors = n;
		l->extent = MAX(l->extent, offset + n);
		if (i < DDF_SECTIONS_NEEDED)
			l->sectors = MAX(l->sectors, offset + n);
	}
	if (l->sectors > DDF_COPY_SECTORS_MAX)
		return err_set(e, EBADMSG, "the DDF sections take %u sectors, more than %d", l->sectors,
			       DDF_COPY_SECTORS_MAX);
	return 0;
}

static int counts_read(const struct ddf_header *h, struct ddf_layout *l, struct err *e)
{
	uint64_t pds = be16_get(h->max_pd_entries), vds = be16_get(h->max_vd_entries);

	l->max_partitions = be16_get(h->max_partitions);
	l->record_sectors = be16_get(h->config_record_length) * l->unit;
	l->max_elements = be16_get(h->max_primary_elements);
	/* Controllers of Adaptec's say nothing here: as many as there can be disks, and as fit (FreeBSD's md_ddf.c). */
	if (l->max_elements == UINT16_MAX && (size_t)l->record_sectors * DDF_SECTOR > sizeof(struct ddf_conf))
		l->max_elements =
			(unsigned)MIN(pds, ((size_t)l->record_sectors * DDF_SECTOR - sizeof(struct ddf_conf)) /
						   (sizeof(be32) + sizeof(be64)));
	if (sizeof(struct ddf_pd_table) + pds * sizeof(struct ddf_pd_entry) > ddf_section_len(l, DDF_SEC_PD))
		return err_set(e, EBADMSG, "DDF physical disk records: %u sectors cannot hold %u entries",
			       l->section[DDF_SEC_PD].sectors, (unsigned)pds);
	if (sizeof(struct ddf_vd_table) + vds * sizeof(struct ddf_vd_entry) > ddf_section_len(l, DDF_SEC_VD))
		return err_set(e, EBADMSG, "DDF virtual disk records: %u sectors cannot hold %u entries",
			       l->section[DDF_SEC_VD].sectors, (unsigned)vds);
	if (l->max_elements == 0 ||
	    (uint64_t)l->record_sectors * DDF_SECTOR <
		    sizeof(struct ddf_conf) + (uint64_t)l->max_elements * (sizeof(be32) + sizeof(be64)))
		return err_set(e, EBADMSG, "DDF configuration records of %u sectors cannot hold %u elements",
			       l->record_sectors, l->max_elements);
	if (ddf_conf_slots(l) == 0)
		return err_set(e, EBADMSG, "DDF configuration records: %u sectors hold no record of %u",
			       l->section[DDF_SEC_CONFIG].sectors, l->record_sectors);
	return 0;
}

/* A place in sectors. What cannot be stays so, and is not taken for DDF_NO_LBA. */
static uint64_t place_read(unsigned unit, be64 lba)
{
	return be64_get(lba) == DDF_NO_LBA ? DDF_NO_LBA : MIN(ddf_sectors(unit, lba), DDF_NO_LBA - 1);
}

int ddf_layout_read(const struct ddf_header *h, uint64_t disk_sectors, unsigned unit, struct ddf_layout *ret,
		    struct err *e)
{
	struct ddf_layout l = {
		.unit = unit,
		.lba = {place_read(unit, h->primary_lba), place_read(unit, h->secondary_lba)},
		.workspace = place_read(unit, h->workspace_lba),
		.workspace_sectors = (uint64_t)be32_get(h->workspace_length) * unit,
	};
	int r;

	r = sections_read(h, &l, e);
	if (r < 0)
		return r;
	r = counts_read(h, &l, e);
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		if (i && l.lba[i] == DDF_NO_LBA)
			continue;
		if (l.lba[i] >= disk_sectors || l.extent > disk_sectors - 1 - l.lba[i])
			return err_set(e, EBADMSG, "DDF %s copy: sectors %llu + %u do not fit into a disk of %llu",
				       copy_names[i], (unsigned long long)l.lba[i], l.extent,
				       (unsigned long long)disk_sectors);
	}
	if (l.lba[1] != DDF_NO_LBA && overlap(l.lba[0], l.extent, l.lba[1], l.extent))
		return err_set(e, EBADMSG, "the DDF primary and secondary copies lie over each other");
	if (l.workspace > disk_sectors || l.workspace_sectors > disk_sectors - l.workspace)
		l.workspace_sectors = 0; /* some vendors mean something else by it */
	*ret = l;
	return 0;
}

/* 5.4 wants it in the last block. 256 blocks before that one some of Adaptec's controllers put it (dmraid, and libblkid
 * look there, too). */
int ddf_tail_read(const struct meta_reader *r, struct ddf_tail *t, struct err *e)
{
	static const unsigned behind[] = {0, 256};
	_Alignas(4096) uint8_t block[DDF_GRANULE * DDF_SECTOR];
	unsigned unit = ddf_unit(r->sector_size);

	if (unit == 0)
		return err_set(e, ENOTSUP, "DDF cannot be read on a disk with sectors of %u bytes", r->sector_size);
	if (r->sectors < unit || r->sectors % unit)
		return err_set(e, EBADMSG, "the disk has no sectors");
	for (size_t i = 0; i < ARRAY_SIZE(behind) && (uint64_t)(behind[i] + 1) * unit <= r->sectors; i++) {
		int q;

		ddf_tail_place(t, r->sectors - (uint64_t)behind[i] * unit, unit);
		q = r->read(r->u, t->lba, block, t->sectors);
		if (q < 0)
			return err_sys(e, -q, "cannot read sector %llu, where a DDF anchor may be",
				       (unsigned long long)ddf_anchor_lba(t));
		memcpy(t->bytes, block, (size_t)t->sectors * DDF_SECTOR);
		if (ddf_anchor_in(t))
			return 1;
	}
	return 0;
}

static int anchor_check(const struct ddf_header *a, unsigned unit, struct err *e)
{
	static const char *const revisions[] = {"01.00.00", "01.02.00", "02.00.00"};

	if (be32_get(a->crc) != ddf_crc(a, ddf_block(unit)))
		return err_set(e, EBADMSG, "the DDF anchor's CRC is wrong");
	if (a->type != DDF_ANCHOR)
		return err_set(e, EBADMSG, "the DDF anchor is of type %u", a->type);
	for (size_t i = 0; i < ARRAY_SIZE(revisions); i++)
		if (memcmp(a->revision, revisions[i], sizeof(a->revision)) == 0)
			return 0;
	return err_set(e, EBADMSG, "the DDF revision is not known");
}

/* A copy's header must say what the anchor says, but for sequence, time, flags and type. */
static int header_check(const struct ddf_header *h, const struct ddf_tail *tail, int copy, struct err *e)
{
	const struct ddf_header *a = ddf_anchor(tail);
	const size_t layout = offsetof(struct ddf_header, filler2);

	if (be32_get(h->magic) != (uint32_t)DDF_HEADER_MAGIC)
		return err_set(e, EBADMSG, "no DDF %s header where the anchor says", copy_names[copy]);
	if (be32_get(h->crc) != ddf_crc(h, ddf_block(tail->unit)))
		return err_set(e, EBADMSG, "the DDF %s header's CRC is wrong", copy_names[copy]);
	if (memcmp(h->guid, a->guid, sizeof(h->guid)) != 0 ||
	    memcmp(h->revision, a->revision, sizeof(h->revision)) != 0 || h->type != copy + DDF_PRIMARY ||
	    h->primary_lba.raw != a->primary_lba.raw || h->secondary_lba.raw != a->secondary_lba.raw ||
	    memcmp((const char *)h + layout, (const char *)a + layout, sizeof(*h) - layout) != 0)
		return err_set(e, EBADMSG, "the DDF %s header differs from the anchor", copy_names[copy]);
	return 0;
}

/* One copy, with all checks. *ret is set also when the copy is damaged, if it could be read. */
static int image_read(const struct meta_reader *r, const struct meta_copy *c, int copy, struct ddf_image **ret,
		      struct err *e)
{
	struct ddf_image *im;
	int q;

	im = calloc(1, sizeof(*im));
	if (!im)
		return err_set(e, ENOMEM, "out of memory");
	im->users = 1;
	im->sectors = ddf_image_sectors(&c->layout, (unsigned)copy, r->sectors);
	im->bytes = aligned_alloc(4096, ((size_t)im->sectors * DDF_SECTOR + 4095) & ~(size_t)4095);
	if (!im->bytes) {
		ddf_image_unref(im);
		return err_set(e, ENOMEM, "out of memory");
	}
	q = r->read(r->u, c->layout.lba[copy], im->bytes, im->sectors);
	if (q < 0) {
		ddf_image_unref(im);
		return err_sys(e, -q, "cannot read the DDF %s copy at sector %llu", copy_names[copy],
			       (unsigned long long)c->layout.lba[copy]);
	}
	ddf_copy_in(&c->tail.dialect, &c->layout, im->bytes);
	*ret = im;
	q = header_check(ddf_image_header(im), &c->tail, copy, e);
	if (q < 0)
		return q;
	q = ddf_check(&c->layout, im->bytes, e);
	if (q < 0)
		err_prefix(e, "DDF %s copy", copy_names[copy]);
	return q;
}

/* True if copy b is to be believed rather than a; both are whole. A copy that is still marked open was being written:
 * the other one is the last complete state. Else the later one; else the primary. mdadm (load_ddf_headers) differs in
 * one point: it reads an open primary of a higher sequence, which is why ddf_encode never writes one. */
static bool better(const struct ddf_header *a, const struct ddf_header *b)
{
	bool a_open = a->open_flag != DDF_CLOSED, b_open = b->open_flag != DDF_CLOSED;

	return a_open != b_open ? a_open : be32_get(b->seq) > be32_get(a->seq);
}

int ddf_copy_read(const struct meta_reader *r, struct meta_copy **ret, struct err *e)
{
	_cleanup_(ddf_copy_freep) struct meta_copy *c = calloc(1, sizeof(*c));
	struct err why[2] = {{0}};
	int q[2] = {-EBADMSG, -EBADMSG}, k;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->disk_sectors = r->sectors;
	k = ddf_tail_read(r, &c->tail, e);
	if (k < 0)
		return k;
	if (k == 0)
		return err_set(e, EBADMSG, "there is no DDF anchor");
	k = anchor_check(ddf_anchor(&c->tail), c->tail.unit, e);
	if (k < 0)
		return k;
	k = ddf_layout_read(ddf_anchor(&c->tail), r->sectors, c->tail.unit, &c->layout, e);
	if (k < 0)
		return k;
	for (k = 0; k < 2; k++)
		if (c->layout.lba[k] != DDF_NO_LBA &&
		    overlap(c->layout.lba[k], c->layout.extent, ddf_anchor_lba(&c->tail), c->tail.unit))
			return err_set(e, EBADMSG, "the DDF %s copy lies over the anchor", copy_names[k]);
	for (k = 0; k < 2; k++)
		if (c->layout.lba[k] != DDF_NO_LBA)
			q[k] = image_read(r, c, k, &c->image[k], &why[k]);
	if (q[0] < 0 && q[1] < 0) {
		if (e)
			*e = why[0];
		return q[0];
	}
	if (q[0] >= 0 && q[1] >= 0)
		c->active = better(ddf_image_header(c->image[0]), ddf_image_header(c->image[1]));
	else
		c->active = q[0] < 0;
	*ret = TAKE_PTR(c);
	return 0;
}
