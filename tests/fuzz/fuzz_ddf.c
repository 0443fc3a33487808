// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk with DDF, edited and written. What parses must be told, edited and written without harm, and parse again.
 *
 * Input: 1 byte flags, 7 bytes that choose edits, then sectors: the anchor, and as many of the primary copy as of the
 * secondary. The copies lie where mdadm puts them. FIX_CRC makes the CRCs right, or nothing would get behind them; with
 * BLOCKS_4K the disk has blocks of 4096 bytes, and the anchor is eight sectors. LITTLE and USUAL_CRC, with FIX_CRC: the
 * same disk in the other byte order, with the other CRCs. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	FIX_CRC = 1,
	BLOCKS_4K = 2,
	LITTLE = 4,
	USUAL_CRC = 8,
	DISK_SECTORS = 131072,
	PRIMARY = DISK_SECTORS - 32768,
	SECONDARY = DISK_SECTORS - 65536,
	EDITS = 7
};
enum { KEPT_MAX = 768 }; /* sectors of each copy; more read as zero */

struct disk {
	_Alignas(8) uint8_t anchor[4096];
	uint8_t copy[2][KEPT_MAX * 512];
	unsigned unit; /* sectors in a block */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *sector_at(struct disk *d, uint64_t sector)
{
	if (sector >= DISK_SECTORS - d->unit)
		return d->anchor + (sector - (DISK_SECTORS - d->unit)) * 512;
	if (sector >= PRIMARY && sector < PRIMARY + KEPT_MAX)
		return d->copy[0] + (sector - PRIMARY) * 512;
	if (sector >= SECONDARY && sector < SECONDARY + KEPT_MAX)
		return d->copy[1] + (sector - SECONDARY) * 512;
	return NULL;
}

static int disk_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	if (sector > DISK_SECTORS || sectors > DISK_SECTORS - sector)
		abort(); /* the format asks for no sector outside of the disk */
	for (uint32_t i = 0; i < sectors; i++) {
		const uint8_t *p = sector_at(u, sector + i);

		if (p)
			memcpy((uint8_t *)buf + (size_t)i * 512, p, 512);
		else
			memset((uint8_t *)buf + (size_t)i * 512, 0, 512);
	}
	return 0;
}

static void seal_copy(const struct ddf_layout *l, uint8_t *copy)
{
	ddf_seal(copy, ddf_block(l->unit));
	ddf_seal(ddf_section(l, copy, DDF_SEC_CONTROLLER), ddf_block(l->unit));
	ddf_seal(ddf_section(l, copy, DDF_SEC_PD), ddf_section_len(l, DDF_SEC_PD));
	ddf_seal(ddf_section(l, copy, DDF_SEC_VD), ddf_section_len(l, DDF_SEC_VD));
	ddf_seal(ddf_section(l, copy, DDF_SEC_DATA), ddf_block(l->unit));
	for (unsigned i = 0; i < ddf_conf_slots(l); i++)
		ddf_seal(ddf_conf_slot(l, copy, i), (size_t)l->record_sectors * 512);
}

static bool disk_fill(struct disk *d, const uint8_t *data, size_t size, unsigned flags)
{
	const struct ddf_dialect dialect = {.little = flags & LITTLE, .usual_crc = flags & USUAL_CRC};
	size_t n = size / 512, anchor = (size_t)d->unit * 512, half = n > d->unit ? (n - d->unit) / 2 : 0;
	struct ddf_layout l;

	if (n < d->unit || half > KEPT_MAX)
		return false;
	memcpy(d->anchor, data, anchor);
	memcpy(d->copy[0], data + anchor, half * 512);
	memcpy(d->copy[1], data + anchor + half * 512, half * 512);
	if (!(flags & FIX_CRC))
		return true;
	ddf_seal(d->anchor, anchor);
	if (ddf_layout_read((struct ddf_header *)d->anchor, DISK_SECTORS, d->unit, &l, NULL) == 0 &&
	    l.sectors <= KEPT_MAX)
		for (int i = 0; i < 2; i++) {
			seal_copy(&l, d->copy[i]);
			ddf_copy_out(&dialect, &l, d->copy[i]);
		}
	ddf_header_out(&dialect, d->unit, d->anchor);
	return true;
}

static void view_check(struct meta_view *v)
{
	struct meta_view *back = NULL;
	json_t *j = meta_view_to_json(v);

	if (!j || meta_view_from_json(j, &back, NULL) < 0)
		abort();
	json_decref(j);
	meta_view_free(back);
	meta_view_free(v);
}

/* A volume over the disks that are here, blank ones among them. */
static void create(struct meta_set *s, uint8_t b)
{
	static const struct {
		enum raid_level level;
		int layout;
		uint32_t chunk;
	} levels[] = {{RAID0, 0, 128}, {RAID1, 0, 0},	      {RAID5, 2, 128},
		      {RAID6, 10, 64}, {RAID10, 0x102, 1024}, {RAID4, 0, 128}};
	struct meta_create c = {.level = levels[b % 6].level,
				.layout = levels[b % 6].layout,
				.chunk = levels[b % 6].chunk,
				.sectors = b / 6 * 8192ULL,
				.initialised = b & 1,
				.slots = (unsigned)MIN(s->n_members, (size_t)META_SLOTS_MAX)};
	struct err err = {0};

	snprintf(c.guid, sizeof(c.guid), "%048x", b);
	snprintf(c.name, sizeof(c.name), "made-%u", b);
	for (unsigned i = 0; i < c.slots; i++)
		ddf_ref_text(s->members[i].ref, c.ref[i]);
	if (meta_ddf.create_volume(s, &c, &err) < 0 && !err.msg[0])
		abort();
}

/* An edit out of one byte: of a volume, a slot and a disk that exist. */
static void edit(struct meta_set *s, uint8_t b)
{
	static const enum member_state states[] = {MEMBER_IN_SYNC, MEMBER_REBUILDING, MEMBER_FAILED, MEMBER_MISSING};
	struct meta_edit e = {.op = b % META_EDIT_OPS, .slot = b / 7 % 5, .state = states[b / 3 % 4], .clean = b & 64};
	char ref[META_REF_MAX] = "";
	struct err err;

	if (s->n_volumes && b % 3)
		ddf_guid_text(ddf_vd(s, &s->volumes[b % s->n_volumes])->guid, e.volume);
	if (b > 200)
		meta_ddf.add_disk(s, DISK_SECTORS, s->unit * 512, "x", ref, &err);
	if (b % 11 == 0)
		create(s, b);
	ddf_ref_text(s->members[b % s->n_members].ref, e.ref);
	snprintf(e.name, sizeof(e.name), "%u", b);
	if (meta_ddf.edit(s, &e, &err) < 0 && !err.msg[0])
		abort();
}

static void write_back(struct disk *d, const struct meta_set *s, const char *ref)
{
	struct meta_writes w = {0};

	if (meta_ddf.encode(s, ref, &w, NULL) < 0)
		return;
	for (size_t i = 0; i < w.n; i++)
		for (size_t k = 0; k < w.w[i].len / 512; k++) {
			uint8_t *p = sector_at(d, w.w[i].sector + k);

			if (w.w[i].sector + k >= DISK_SECTORS)
				abort();
			if (p)
				memcpy(p, (uint8_t *)w.w[i].buf + k * 512, 512);
		}
	meta_writes_free(&w);
}

static void live(struct disk *d, const struct meta_reader *r, struct meta_set *s, const uint8_t *edits)
{
	struct meta_copy *c = NULL;
	struct meta_view *v = NULL;
	char self[META_REF_MAX];
	struct err e;

	ddf_ref_text(s->members[0].ref, self);
	for (int i = 0; i < EDITS; i++)
		edit(s, edits[i]);
	if (meta_ddf.set_view(s, &v, NULL) == 0)
		view_check(v);
	meta_ddf.set_seq(s, s->seq + 1ULL);
	write_back(d, s, self);
	if (meta_ddf.parse(r, &c, &e) < 0)
		abort();
	meta_ddf.copy_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct disk d;
	struct meta_reader r = {.read = disk_read, .u = &d, .sectors = DISK_SECTORS, .sector_size = 512};
	struct meta_copy *c = NULL;
	struct meta_view *v = NULL;
	struct meta_set *s = NULL;
	struct err e = {0};

	memset(&d, 0, sizeof(d));
	if (size < 1 + EDITS)
		return 0;
	d.unit = data[0] & BLOCKS_4K ? 8 : 1;
	r.sector_size = d.unit * 512;
	if (!disk_fill(&d, data + 1 + EDITS, size - 1 - EDITS, data[0]))
		return 0;
	if (meta_ddf.parse(&r, &c, &e) < 0) {
		if (!e.msg[0])
			abort();
		return 0;
	}
	if (meta_ddf.copy_view(c, &v, &e) == 0)
		view_check(v);
	if (c->layout.sectors <= KEPT_MAX && meta_ddf.join((const struct meta_copy *const *)&c, 1, &s, &e) == 0)
		live(&d, &r, s, data + 1);
	meta_ddf.set_free(s);
	meta_ddf.copy_free(c);
	return 0;
}
