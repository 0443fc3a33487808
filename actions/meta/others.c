// SPDX-License-Identifier: GPL-2.0-or-later
/* Formats of RAID that are not ours, by the signatures that libblkid goes by (util-linux, libblkid/src/superblocks,
 * *_raid.c); of those that keep theirs in the last sector, where DDF has its anchor, only the names are known here. */
#include "actions/meta/meta.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADAPTEC, HPT37X, HPT45X, ISW, JMICRON, LINUX, LSI, NVIDIA, PROMISE, SILICON, VIA, N_OTHERS };
_Static_assert((int)N_OTHERS <= (int)META_OTHERS_MAX, "each may be there");

static const struct meta_other others[N_OTHERS] = {
	[ADAPTEC] = {"adaptec_raid_member", "metadata of an Adaptec RAID"},
	[HPT37X] = {"hpt37x_raid_member", "metadata of a HighPoint HPT37x RAID"},
	[HPT45X] = {"hpt45x_raid_member", "metadata of a HighPoint HPT45x RAID"},
	[ISW] = {"isw_raid_member", "metadata of an Intel Matrix RAID"},
	[JMICRON] = {"jmicron_raid_member", "metadata of a JMicron RAID"},
	[LINUX] = {"linux_raid_member", "metadata of a Linux MD array"},
	[LSI] = {"lsi_mega_raid_member", "metadata of an LSI MegaRAID"},
	[NVIDIA] = {"nvidia_raid_member", "metadata of an NVIDIA RAID"},
	[PROMISE] = {"promise_fasttrack_raid_member", "metadata of a Promise FastTrak RAID"},
	[SILICON] = {"silicon_medley_raid_member", "metadata of a Silicon Image Medley RAID"},
	[VIA] = {"via_raid_member", "metadata of a VIA RAID"},
};

/* Sectors from the disk's beginning, or, negative, before its end; 0 ends the list. Intel's is two blocks before the
 * end, whatever their size (mdadm, super-intel.c). */
static const struct signature {
	unsigned of;
	size_t byte; /* in the sector */
	const char *bytes;
	int16_t sectors[14];
} signatures[] = {
	{ISW, 0, "Intel Raid ISM Cfg Sig. ", {-2, -16}},
	{NVIDIA, 0, "NVIDIA", {-2}},
	{HPT37X, 32, "\xf0\x16\x78\x5a", {9}},
	{HPT37X, 32, "\xfd\x16\x78\x5a", {9}},
	{HPT45X, 0, "\xf3\x16\x78\x5a", {-11}},
	{HPT45X, 0, "\xfd\x16\x78\x5a", {-11}},
	{PROMISE,
	 0,
	 "Promise Technology, Inc.",
	 {-63, -255, -256, -16, -399, -591, -675, -735, -911, -974, -991, -951, -3087}},
};

enum { MD_MAGIC_LEN = 4 };
static const char md_magic[] = "\xfc\x4e\x2b\xa9", md_magic_big[] = "\xa9\x2b\x4e\xfc";

/* What is looked at: where the signatures are, and MD's superblocks. Little of the disk, for many disks may be looked
 * at side by side. */
static const struct {
	uint16_t back; /* before the end; 0: the disk's beginning */
	uint16_t n;
} looked_at[] = {{3087, 1}, {991, 81}, {735, 145}, {399, 1}, {256, 256}, {0, 16}};

struct window {
	uint64_t sector;
	uint32_t n;
	uint8_t *bytes;
};
struct windows {
	struct window w[ARRAY_SIZE(looked_at)];
};

static void windows_free(struct windows *all)
{
	for (size_t i = 0; i < ARRAY_SIZE(all->w); i++)
		free(all->w[i].bytes);
}

static int windows_read(const struct meta_reader *r, struct windows *all)
{
	for (size_t i = 0; i < ARRAY_SIZE(looked_at); i++) {
		struct window *w = &all->w[i];
		uint64_t back = looked_at[i].back;
		int q;

		w->sector = back && back < r->sectors ? r->sectors - back : 0;
		w->n = (uint32_t)MIN(looked_at[i].n, r->sectors - w->sector);
		w->bytes = aligned_alloc(4096, (w->n * 512 + 4095) / 4096 * 4096 + 4096);
		if (!w->bytes)
			return -ENOMEM;
		q = w->n ? r->read(r->u, w->sector, w->bytes, w->n) : 0;
		if (q < 0)
			return q;
	}
	return 0;
}

static const uint8_t *sector_at(const struct windows *all, uint64_t sector)
{
	for (size_t i = 0; i < ARRAY_SIZE(all->w); i++)
		if (sector >= all->w[i].sector && sector - all->w[i].sector < all->w[i].n)
			return all->w[i].bytes + (sector - all->w[i].sector) * 512;
	return NULL;
}

/* The data of a volume there, by the disk's own word. *end: behind it. */
static bool in_data(const struct meta_view *own, uint64_t sector, uint64_t *end)
{
	for (size_t i = 0; own && i < own->n_volumes; i++)
		for (unsigned k = 0; k < own->volumes[i].slots; k++) {
			const struct meta_member *m = &own->volumes[i].members[k];

			*end = m->offset + own->volumes[i].member_sectors;
			if (strcmp(m->ref, own->self) == 0 && sector >= m->offset && sector < *end)
				return true;
		}
	return false;
}

static bool is_there(const struct windows *all, const struct meta_view *own, uint64_t sector, size_t byte,
		     const char *bytes, size_t len)
{
	const uint8_t *p = sector_at(all, sector);
	uint64_t end;

	return p && memcmp(p + byte, bytes, len) == 0 && !in_data(own, sector, &end);
}

static uint64_t le64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Where what lies there ends, by the disk's own word: a volume's data, or else the part of the disk that is for
 * volumes, where data of one may be left of which the disk is a spare now. 0: it lies behind that, or the disk is of no
 * set. */
static uint64_t data_end(const struct meta_view *own, uint64_t sector)
{
	const struct meta_disk *d = own ? meta_view_disk(own, own->self) : NULL;
	uint64_t end;

	if (in_data(own, sector, &end))
		return end;
	return d && sector < d->sectors ? d->sectors : 0;
}

/* md_p.h, struct mdp_superblock_1: major version at 4, data_offset at 128, data_size at 136, super_offset at 144. One
 * in the data of a volume is of an array that is or was made of that volume, unless it claims more of the disk. */
static bool md1_there(const struct windows *all, const struct meta_reader *r, const struct meta_view *own,
		      uint64_t sector)
{
	const uint8_t *p = sector_at(all, sector);
	uint64_t claimed, end = data_end(own, sector);

	if (!p || memcmp(p, md_magic, MD_MAGIC_LEN) != 0 || memcmp(p + 4, "\1\0\0\0", 4) != 0 ||
	    le64_at(p + 144) != sector)
		return false;
	if (end == 0)
		return true;
	return !__builtin_add_overflow(le64_at(p + 128), le64_at(p + 136), &claimed) && claimed > end &&
	       claimed <= r->sectors;
}

static bool md_there(const struct windows *all, const struct meta_reader *r, const struct meta_view *own)
{
	uint64_t old = r->sectors / 128 * 128, last = r->sectors / 8 * 8;

	return (old >= 128 && (is_there(all, own, old - 128, 0, md_magic, MD_MAGIC_LEN) ||
			       is_there(all, own, old - 128, 0, md_magic_big, MD_MAGIC_LEN))) ||
	       (last >= 16 && md1_there(all, r, own, last - 16)) || md1_there(all, r, own, 0) ||
	       md1_there(all, r, own, 8);
}

static void mark(const struct windows *all, const struct meta_reader *r, const struct meta_view *own,
		 bool found[N_OTHERS])
{
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		const struct signature *s = &signatures[i];

		/* Before the beginning of a small disk wraps around to where no window is. */
		for (size_t k = 0; k < ARRAY_SIZE(s->sectors) && s->sectors[k]; k++)
			if (is_there(all, own, (s->sectors[k] < 0 ? r->sectors : 0) + (uint64_t)s->sectors[k], s->byte,
				     s->bytes, strlen(s->bytes)))
				found[s->of] = true;
	}
	found[LINUX] = md_there(all, r, own);
}

int meta_others(const struct meta_reader *r, const struct meta_view *own, const struct meta_other *ret[META_OTHERS_MAX])
{
	_cleanup_(windows_free) struct windows all = {0};
	bool found[N_OTHERS] = {false};
	int q = windows_read(r, &all), n = 0;

	if (q < 0)
		return q;
	mark(&all, r, own, found);
	for (size_t i = 0; i < N_OTHERS; i++)
		if (found[i])
			ret[n++] = &others[i];
	return n;
}

void meta_others_text(const struct meta_other *const *list, int n, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	for (int i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(ret + at, size - at, "%s%s (%s)", i ? ", " : "", list[i]->name, list[i]->type);
}

const char *meta_other_name(const char *type)
{
	for (size_t i = 0; i < N_OTHERS; i++)
		if (strcmp(others[i].type, type) == 0)
			return others[i].name;
	return NULL;
}
