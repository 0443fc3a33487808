// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies in the format's workspace on each member: bays. A bay holds, for one volume, two copies of a stamp of ours
 * and the slice that dm-raid keeps its superblock and write-intent bitmap in. Pure functions over bytes.
 *
 *   room_start (aligned up to 8 sectors) + bay * SLICE_BAY_SECTORS:
 *     +0   stamp copy A (8 sectors)   +8  stamp copy B (8 sectors)   +16  slice (2048 sectors, 1 MiB)
 *
 * 1 MiB is enough: dm-raid limits the bitmap to 2^21 regions = 256 KiB (validate_region_size, drivers/md/dm-raid.c). */
#pragma once

#include "actions/meta/meta.h"

enum {
	STAMP_SECTORS = 8,
	SLICE_SECTORS = 2048,
	SLICE_BAY_SECTORS = 2 * STAMP_SECTORS + SLICE_SECTORS,
	SLICE_BAYS_MAX = 16,
	/* What must be written to make a slice: superblock at 0, bitmap superblock at 4096, bits after it. Bytes. */
	SLICE_HEAD_BYTES = 4096 + 4096,
};

/* First sector of bay n and the number of bays that fit. */
uint64_t slice_bay_sector(uint64_t room_start, unsigned bay);
unsigned slice_bay_count(uint64_t room_start, uint64_t room_sectors);

/* dm-raid's superblock (struct dm_raid_superblock, drivers/md/dm-raid.c). */
struct slice_super {
	uint32_t n_devices, position;
	uint64_t events;
	uint64_t failed;			/* bit per slot; slots 64 and up are not used here */
	uint64_t recovery_offset;		/* sectors; ~0: in sync */
	uint64_t resync_offset;			/* sectors; ~0: array in sync */
	uint32_t level, layout, stripe_sectors; /* md numbers */
	uint64_t array_sectors, sectors;
};

/* 0, -ENODATA: no "DmRd" there (blank or invalidated), -EBADMSG: there, but not sane. buf: the slice's first 4096
 * bytes. */
int slice_super_parse(const void *buf, struct slice_super *ret);
/* In a slice's first 4096 bytes as the kernel left them: resync the array from this sector on, as far as bits of the
 * bitmap beside it are set; ~0: nothing. A start after a crash needs it: dm-raid itself writes ~0 while the array is
 * dirty, and then takes no notice of the bits (super_sync; md_bitmap_load: start = recovery_cp). -ENODATA, -EBADMSG as
 * slice_super_parse. */
int slice_set_resync(void *buf, uint64_t from);
/* In a slice as the kernel left it, all SLICE_SECTORS of it: it is of an array of that size now (sectors,
 * array_sectors), which is to be resynced where its bitmap says, and from that sector on wherever. -ENODATA, -EBADMSG
 * as slice_super_parse, or the bitmap makes no sense; nothing is changed then. */
int slice_resync_from(void *buf, uint64_t array_sectors, uint64_t sectors, uint64_t from);
/* The regions of the bitmap stay as large as they are when an array of the one size gets the other. */
bool slice_same_regions(uint64_t array_sectors, uint64_t other);
/* Fills the first SLICE_HEAD_BYTES + bitmap of a slice: superblock, "bitm" superblock with the same events, and the
 * bits: dirty false: no bit set; true: all set (a full resync or recovery). len: bytes of buf, SLICE_SECTORS * 512. */
void slice_encode(const struct slice_super *s, bool dirty, void *buf, size_t len);
/* md's level and layout numbers of a volume (raid-on-dm 9). -ENOTSUP for what has none (RAID0). */
int slice_geometry(const struct meta_volume *v, uint32_t *level, uint32_t *layout, uint32_t *stripe_sectors);

/* The stamp: of which array, slot and moment the slice beside it tells. */
struct stamp {
	char set[META_GUID_MAX], volume[META_GUID_MAX];
	uint32_t slot;
	uint64_t epoch;			      /* random; new whenever slices are written anew */
	uint64_t seq_current, seq_intended;   /* the format's */
	uint64_t hash_current, hash_intended; /* of the array's record: meta_volume_hash */
	bool running;			      /* a table with this slice is or was live: cleared at a clean stop */
	/* The format's number with which a full rebuild last began or ended: it empties the kernel's bitmap, also of
	 * what other members miss that are out. They keep the one they had. 0: none was. */
	uint64_t emptied;
	/* Mirrors have never been compared, and the kernel will not do it by itself: all of it has to be resynced. */
	bool owed;
	uint64_t generation; /* copies A and B are written in turn: of two valid ones the higher counts */
};

/* 0, -ENODATA: none, -EBADMSG: checksum wrong. buf: 4096 bytes. */
int stamp_parse(const void *buf, struct stamp *ret);
void stamp_encode(const struct stamp *s, void *buf);
/* FNV-1a 64 over what a tool could change behind our back: level, layout, chunk, sizes, slots with refs, offsets and
 * states. */
uint64_t meta_volume_hash(const struct meta_volume *v);
