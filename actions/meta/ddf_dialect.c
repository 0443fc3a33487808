// SPDX-License-Identifier: GPL-2.0-or-later
/* What makers of DDF disagree about: the byte order of numbers, and the CRC. In memory there is one kind only,
 * big-endian with mdadm's CRC; a disk's bytes are turned right after they were read and right before they are written.
 * So nothing else knows of it, a disk keeps the kind that it has, and what is compared or hashed is the same for all.
 *
 * What is a number the standard tells (2.0, section 5); all of them are turned, those that nobody here looks at, too.
 * GUIDs, names, path information, vendors' bytes and sections that are not known are bytes, and stay. FreeBSD's
 * md_ddf.c and dmraid's ddf1_cvt.c turn the same, but for VD_Type, of which they make two numbers and two of four. */
#include "actions/meta/ddf.h"

#include <string.h>

/* Numbers of that width from there on; ended by one of no width. */
struct numbers {
	uint16_t at;
	uint8_t width, n;
};

static const struct numbers header[] = {
	{offsetof(struct ddf_header, magic), 4, 2},
	{offsetof(struct ddf_header, seq), 4, 2},
	{offsetof(struct ddf_header, primary_lba), 8, 2},
	{offsetof(struct ddf_header, workspace_length), 4, 1},
	{offsetof(struct ddf_header, workspace_lba), 8, 1},
	{offsetof(struct ddf_header, max_pd_entries), 2, 5},
	{offsetof(struct ddf_header, filler3), 4, 1}, /* Max_Mapped_Block_Entries */
	{offsetof(struct ddf_header, section), 4, 2 * DDF_SECTIONS},
	{0},
};
static const struct numbers controller[] = {
	{offsetof(struct ddf_controller, magic), 4, 2},
	{offsetof(struct ddf_controller, rest), 2, 4}, /* Controller_Type: PCI's numbers */
	{0},
};
static const struct numbers table[] = {
	{offsetof(struct ddf_pd_table, magic), 4, 2},
	{offsetof(struct ddf_pd_table, used), 2, 2},
	{0},
};
static const struct numbers pd_entry[] = {
	{offsetof(struct ddf_pd_entry, ref), 4, 1},
	{offsetof(struct ddf_pd_entry, type), 2, 2},
	{offsetof(struct ddf_pd_entry, size), 8, 1},
	{offsetof(struct ddf_pd_entry, filler), 2, 1}, /* Block_Size */
	{0},
};
static const struct numbers vd_entry[] = {
	{offsetof(struct ddf_vd_entry, number), 2, 1},
	{offsetof(struct ddf_vd_entry, controller_crc), 4, 1}, /* VD_Type, of which the CRC is a half */
	{0},
};
static const struct numbers conf[] = {
	{offsetof(struct ddf_conf, magic), 4, 2},
	{offsetof(struct ddf_conf, timestamp), 4, 2},
	{offsetof(struct ddf_conf, primary_elements), 2, 1},
	{offsetof(struct ddf_conf, blocks), 8, 2},
	{offsetof(struct ddf_conf, block_size), 2, 1},
	{offsetof(struct ddf_conf, spares), 4, 8},
	{offsetof(struct ddf_conf, cache), 8, 1},
	{offsetof(struct ddf_conf, bg_rate) + 5, 2, 1}, /* MDF_Parity_Generator_Polynomial */
	{0},
};
static const struct numbers spare[] = {
	{offsetof(struct ddf_spare, magic), 4, 3},
	{offsetof(struct ddf_spare, used), 2, 2},
	{0},
};
static const struct numbers spare_entry[] = {
	{offsetof(struct ddf_spare_entry, secondary), 2, 1},
	{0},
};
static const struct numbers data[] = {
	{offsetof(struct ddf_data, magic), 4, 2},
	{offsetof(struct ddf_data, ref), 4, 1},
	{0},
};
static_assert(offsetof(struct ddf_vd_entry, type) == offsetof(struct ddf_vd_entry, controller_crc) + 2, "VD_Type");
static_assert(sizeof(struct ddf_pd_table) == sizeof(struct ddf_vd_table), "tables begin alike");

static void turn(uint8_t *p, const struct numbers *list)
{
	for (; list->width; list++)
		for (uint8_t *v = p + list->at; v < p + list->at + list->n * list->width; v += list->width)
			for (unsigned i = 0; i < list->width / 2U; i++) {
				uint8_t b = v[i];

				v[i] = v[list->width - 1U - i];
				v[list->width - 1U - i] = b;
			}
}

static void turn_each(uint8_t *p, size_t size, size_t n, const struct numbers *list)
{
	for (; n; n--, p += size)
		turn(p, list);
}

/* A record of the disk: its numbers, and what follows them. */
struct kind {
	const struct numbers *numbers, *entry;
	size_t entries_at, entry_size;
};
static const struct kind header_kind = {.numbers = header}, data_kind = {.numbers = data},
			 controller_kind = {.numbers = controller};
static const struct kind pds_kind = {table, pd_entry, sizeof(struct ddf_pd_table), sizeof(struct ddf_pd_entry)};
static const struct kind vds_kind = {table, vd_entry, sizeof(struct ddf_vd_table), sizeof(struct ddf_vd_entry)};
static const struct kind spare_kind = {spare, spare_entry, sizeof(struct ddf_spare), sizeof(struct ddf_spare_entry)};
static const struct kind conf_kind = {.numbers = conf};

/* As many entries as there is room for, used or not: the same both ways, whatever the record says. */
static void numbers_turn(const struct kind *k, const struct ddf_layout *l, uint8_t *rec, size_t len)
{
	static const struct numbers number[] = {{0, 4, 1}, {0}}, lba[] = {{0, 8, 1}, {0}};

	turn(rec, k->numbers);
	if (k->entry)
		turn_each(rec + k->entries_at, k->entry_size, (len - k->entries_at) / k->entry_size, k->entry);
	if (k != &conf_kind)
		return;
	turn_each(rec + sizeof(struct ddf_conf), sizeof(be32), l->max_elements, number);
	turn_each(rec + sizeof(struct ddf_conf) + l->max_elements * sizeof(be32), sizeof(be64), l->max_elements, lba);
}

static uint32_t disk_crc(const struct ddf_dialect *d, const uint8_t *rec, size_t len)
{
	return d->usual_crc ? ddf_crc_usual(rec, len) : ddf_crc(rec, len);
}

static uint32_t number_on_disk(const struct ddf_dialect *d, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return d->little ? le32toh(v) : be32toh(v);
}

/* To memory's kind. A CRC that is wrong stays wrong. */
static void record_in(const struct ddf_dialect *d, const struct kind *k, const struct ddf_layout *l, uint8_t *rec,
		      size_t len)
{
	bool right = number_on_disk(d, rec + offsetof(struct ddf_record, crc)) == disk_crc(d, rec, len);
	struct ddf_record *r = (struct ddf_record *)rec;

	if (d->little)
		numbers_turn(k, l, rec, len);
	r->crc = be32_of(right ? ddf_crc(rec, len) : ~ddf_crc(rec, len));
}

static void record_out(const struct ddf_dialect *d, const struct kind *k, const struct ddf_layout *l, uint8_t *rec,
		       size_t len)
{
	uint32_t crc;

	if (d->little)
		numbers_turn(k, l, rec, len);
	crc = disk_crc(d, rec, len);
	crc = d->little ? htole32(crc) : htobe32(crc);
	memcpy(rec + offsetof(struct ddf_record, crc), &crc, sizeof(crc));
}

typedef void (*record_fn)(const struct ddf_dialect *d, const struct kind *k, const struct ddf_layout *l, uint8_t *rec,
			  size_t len);

static bool memorys_own(const struct ddf_dialect *d)
{
	return !d->little && !d->usual_crc;
}

static void copy_turn(const struct ddf_dialect *d, const struct ddf_layout *l, uint8_t *copy, record_fn fn)
{
	static const struct {
		enum ddf_section section;
		const struct kind *kind;
		bool block; /* what takes one block, whatever the section's length */
	} sections[] = {
		{DDF_SEC_CONTROLLER, &controller_kind, true},
		{DDF_SEC_PD, &pds_kind, false},
		{DDF_SEC_VD, &vds_kind, false},
		{DDF_SEC_DATA, &data_kind, true},
	};

	if (memorys_own(d))
		return;
	fn(d, &header_kind, l, copy, ddf_block(l->unit));
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		fn(d, sections[i].kind, l, ddf_section(l, copy, sections[i].section),
		   sections[i].block ? ddf_block(l->unit) : ddf_section_len(l, sections[i].section));
	for (unsigned i = 0; i < ddf_conf_slots(l); i++) {
		uint8_t *rec = ddf_conf_slot(l, copy, i);
		/* The same in both byte orders. */
		uint32_t magic = ddf_magic(rec);

		if (magic == (uint32_t)DDF_CONF_MAGIC || magic == DDF_SPARE_MAGIC)
			fn(d, magic == DDF_SPARE_MAGIC ? &spare_kind : &conf_kind, l, rec,
			   (size_t)l->record_sectors * DDF_SECTOR);
	}
}

void ddf_copy_in(const struct ddf_dialect *d, const struct ddf_layout *l, uint8_t *copy)
{
	copy_turn(d, l, copy, record_in);
}

void ddf_copy_out(const struct ddf_dialect *d, const struct ddf_layout *l, uint8_t *copy)
{
	copy_turn(d, l, copy, record_out);
}

void ddf_header_out(const struct ddf_dialect *d, unsigned unit, uint8_t *bytes)
{
	if (!memorys_own(d))
		record_out(d, &header_kind, NULL, bytes, ddf_block(unit));
}

bool ddf_anchor_in(struct ddf_tail *t)
{
	uint8_t *bytes = (uint8_t *)ddf_anchor(t);
	size_t len = ddf_block(t->unit);
	uint32_t magic = ddf_magic(bytes), crc;

	if (magic != (uint32_t)DDF_HEADER_MAGIC && magic != DDF_BACKWARDS)
		return false;
	t->dialect = (struct ddf_dialect){.little = magic == DDF_BACKWARDS};
	crc = number_on_disk(&t->dialect, bytes + offsetof(struct ddf_record, crc));
	t->dialect.usual_crc = crc != ddf_crc(bytes, len) && crc == ddf_crc_usual(bytes, len);
	if (!memorys_own(&t->dialect))
		record_in(&t->dialect, &header_kind, NULL, bytes, len);
	return true;
}
