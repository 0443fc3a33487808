// SPDX-License-Identifier: GPL-2.0-or-later
/* dm-raid's superblock and write-intent bitmap, and our stamp beside them. Pure functions over bytes. */
#include "actions/meta/slice.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* Little-endian numbers as they lie on the disk. */
typedef struct {
	uint32_t raw;
} le32;
typedef struct {
	uint64_t raw;
} __attribute__((packed, aligned(4))) le64;

static inline uint32_t le32_get(le32 v)
{
	return le32toh(v.raw);
}
static inline uint64_t le64_get(le64 v)
{
	return le64toh(v.raw);
}
static inline le32 le32_of(uint32_t v)
{
	return (le32){htole32(v)};
}
static inline le64 le64_of(uint64_t v)
{
	return (le64){htole64(v)};
}

#define MD_MAX_SECTOR UINT64_MAX /* MaxSector, drivers/md/md.h: all of it is in sync */

/* struct dm_raid_superblock, drivers/md/dm-raid.c; since target version 1.9.0, which FEATURE_FLAG_SUPPORTS_V190 tells.
 */
struct disk_super {
	uint8_t magic[4]; /* "DmRd" */
	le32 compat;
	le32 n_devices, position;
	le64 events, failed;
	le64 recovery_offset, resync_offset;
	le32 level, layout, stripe_sectors;
	le32 flags; /* of a reshape */
	le64 reshape_position;
	le32 new_level, new_layout, new_stripe_sectors, delta_disks;
	le64 array_sectors;
	le64 data_offset, new_data_offset;
	le64 sectors;
	le64 failed_above[3]; /* slots 64 to 255 */
	le32 incompat;
};
_Static_assert(sizeof(struct disk_super) == 148, "dm_raid_superblock");
enum { SUPER_COMPAT_V190 = 1 };

/* bitmap_super_t, drivers/md/md-bitmap.h. The bits follow, from byte 256 on, least significant first. */
struct disk_bitmap {
	uint8_t magic[4]; /* "bitm" */
	le32 version;
	uint8_t uuid[16]; /* checked for md's own metadata only */
	le64 events, events_cleared;
	le64 sync_size;
	le32 state, chunk_bytes, daemon_sleep, write_behind;
	uint8_t rest[192];
};
_Static_assert(sizeof(struct disk_bitmap) == 256, "bitmap_super_t");
enum { BITMAP_POS = 4096, BITMAP_VERSION = 4, BITMAP_DAEMON_SLEEP = 5 };

/* validate_region_size, drivers/md/dm-raid.c: 4 MiB, or as much as makes at most 2^21 regions of the array. */
enum { REGION_SECTORS = 1 << 13, REGIONS_MAX = 1 << 21 };

uint64_t slice_bay_sector(uint64_t room_start, unsigned bay)
{
	return (room_start + 7) / 8 * 8 + (uint64_t)bay * SLICE_BAY_SECTORS;
}

unsigned slice_bay_count(uint64_t room_start, uint64_t room_sectors)
{
	uint64_t lost = (8 - room_start % 8) % 8;

	if (room_sectors < lost)
		return 0;
	return (unsigned)MIN((room_sectors - lost) / SLICE_BAY_SECTORS, (uint64_t)SLICE_BAYS_MAX);
}

/* What spared never makes, and must not guess about. */
static bool super_foreign(const struct disk_super *d)
{
	return le32_get(d->compat) != SUPER_COMPAT_V190 || le32_get(d->incompat) || le32_get(d->flags) ||
	       le64_get(d->reshape_position) != MD_MAX_SECTOR || le32_get(d->delta_disks) ||
	       le32_get(d->new_level) != le32_get(d->level) || le32_get(d->new_layout) != le32_get(d->layout) ||
	       le32_get(d->new_stripe_sectors) != le32_get(d->stripe_sectors) || le64_get(d->data_offset) ||
	       le64_get(d->new_data_offset) || le64_get(d->failed_above[0]) || le64_get(d->failed_above[1]) ||
	       le64_get(d->failed_above[2]);
}

int slice_super_parse(const void *buf, struct slice_super *ret)
{
	struct disk_super d;
	uint32_t n;

	memcpy(&d, buf, sizeof(d));
	if (memcmp(d.magic, "DmRd", sizeof(d.magic)) != 0)
		return -ENODATA;
	n = le32_get(d.n_devices);
	if (super_foreign(&d) || n == 0 || n > META_SLOTS_MAX || le32_get(d.position) >= n ||
	    (n < 64 && le64_get(d.failed) >> n) || !le64_get(d.array_sectors) || !le64_get(d.sectors))
		return -EBADMSG;
	*ret = (struct slice_super){
		.n_devices = n,
		.position = le32_get(d.position),
		.events = le64_get(d.events),
		.failed = le64_get(d.failed),
		.recovery_offset = le64_get(d.recovery_offset),
		.resync_offset = le64_get(d.resync_offset),
		.level = le32_get(d.level),
		.layout = le32_get(d.layout),
		.stripe_sectors = le32_get(d.stripe_sectors),
		.array_sectors = le64_get(d.array_sectors),
		.sectors = le64_get(d.sectors),
	};
	return 0;
}

int slice_set_resync(void *buf, uint64_t from)
{
	struct slice_super s;
	struct disk_super d;
	int r = slice_super_parse(buf, &s);

	if (r < 0)
		return r;
	memcpy(&d, buf, sizeof(d));
	d.resync_offset = le64_of(from);
	memcpy(buf, &d, sizeof(d));
	return 0;
}

static void encode_super(const struct slice_super *s, struct disk_super *d)
{
	*d = (struct disk_super){.magic = {'D', 'm', 'R', 'd'}};
	d->compat = le32_of(SUPER_COMPAT_V190);
	d->n_devices = le32_of(s->n_devices);
	d->position = le32_of(s->position);
	d->events = le64_of(s->events);
	d->failed = le64_of(s->failed);
	d->recovery_offset = le64_of(s->recovery_offset);
	d->resync_offset = le64_of(s->resync_offset);
	d->level = le32_of(s->level);
	d->layout = le32_of(s->layout);
	d->stripe_sectors = le32_of(s->stripe_sectors);
	d->reshape_position = le64_of(MD_MAX_SECTOR);
	d->new_level = le32_of(s->level);
	d->new_layout = le32_of(s->layout);
	d->new_stripe_sectors = le32_of(s->stripe_sectors);
	d->array_sectors = le64_of(s->array_sectors);
	d->sectors = le64_of(s->sectors);
}

static uint64_t slice_region(uint64_t array_sectors)
{
	uint64_t region = REGION_SECTORS;

	while (region < array_sectors / REGIONS_MAX)
		region *= 2;
	return region;
}

void slice_encode(const struct slice_super *s, bool dirty, void *buf, size_t len)
{
	uint64_t region = slice_region(s->array_sectors), sync_size, bits;
	struct disk_bitmap b = {.magic = {'b', 'i', 't', 'm'}};
	struct disk_super d;
	uint8_t *bit = (uint8_t *)buf + BITMAP_POS + sizeof(b);

	memset(buf, 0, len);
	encode_super(s, &d);
	memcpy(buf, &d, sizeof(d));

	/* What md resyncs: a member's sectors; of RAID10 the array's (mddev->resync_max_sectors). */
	sync_size = s->level == 10 ? s->array_sectors : s->sectors;
	b.version = le32_of(BITMAP_VERSION);
	b.events = le64_of(s->events);
	b.events_cleared = le64_of(s->events);
	b.sync_size = le64_of(sync_size);
	b.chunk_bytes = le32_of((uint32_t)(region * 512));
	b.daemon_sleep = le32_of(BITMAP_DAEMON_SLEEP);
	memcpy((uint8_t *)buf + BITMAP_POS, &b, sizeof(b));
	if (!dirty)
		return;
	bits = (sync_size + region - 1) / region;
	bits = MIN(bits, (uint64_t)(len - BITMAP_POS - sizeof(b)) * 8);
	memset(bit, 0xff, bits / 8);
	if (bits % 8)
		bit[bits / 8] = (uint8_t)((1u << bits % 8) - 1);
}

bool slice_same_regions(uint64_t array_sectors, uint64_t other)
{
	return slice_region(array_sectors) == slice_region(other);
}

int slice_resync_from(void *buf, uint64_t array_sectors, uint64_t sectors, uint64_t from)
{
	const size_t room = (size_t)SLICE_SECTORS * 512 - BITMAP_POS - sizeof(struct disk_bitmap);
	uint8_t *map = (uint8_t *)buf + BITMAP_POS, *bit = map + sizeof(struct disk_bitmap);
	struct slice_super s;
	struct disk_super d;
	struct disk_bitmap b;
	uint64_t region, sync_size, bits;
	int r = slice_super_parse(buf, &s);

	if (r < 0)
		return r;
	memcpy(&d, buf, sizeof(d));
	memcpy(&b, map, sizeof(b));
	sync_size = s.level == 10 ? array_sectors : sectors;
	region = le32_get(b.chunk_bytes) / 512;
	if (memcmp(b.magic, "bitm", sizeof(b.magic)) != 0 || region == 0 || (region & (region - 1)))
		return -EBADMSG;
	bits = (sync_size + region - 1) / region;
	if (bits > (uint64_t)room * 8)
		return -EBADMSG;
	for (uint64_t i = from / region; i < bits; i++)
		bit[i / 8] |= (uint8_t)(1u << i % 8);
	d.array_sectors = le64_of(array_sectors);
	d.sectors = le64_of(sectors);
	d.resync_offset = le64_of(0);
	b.sync_size = le64_of(sync_size);
	memcpy(buf, &d, sizeof(d));
	memcpy(map, &b, sizeof(b));
	return 0;
}

int slice_geometry(const struct meta_volume *v, uint32_t *level, uint32_t *layout, uint32_t *stripe_sectors)
{
	/* Of md's level 4 dm-raid makes RAID5 with the parity on the last member (ALGORITHM_PARITY_N). */
	static const struct {
		enum raid_level level;
		int layout; /* of the volume */
		uint32_t md_level, md_layout;
	} known[] = {
		{RAID1, 0, 1, 0}, {RAID4, 0, 5, 5}, {RAID5, 0, 5, 0},	{RAID5, 1, 5, 1},	    {RAID5, 2, 5, 2},
		{RAID6, 8, 6, 8}, {RAID6, 9, 6, 9}, {RAID6, 10, 6, 10}, {RAID10, 0x102, 10, 0x102},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].level != v->level || (v->level != RAID1 && known[i].layout != v->layout))
			continue;
		*level = known[i].md_level;
		*layout = known[i].md_layout;
		*stripe_sectors = v->level == RAID1 ? 0 : v->chunk;
		return 0;
	}
	return -ENOTSUP;
}

/* --- the stamp --- */

struct disk_stamp {
	uint8_t magic[8]; /* "SPSTAMP1": a reader of an older version must not understand a newer one */
	char set[META_GUID_MAX], volume[META_GUID_MAX];
	le32 slot;
	le32 flags;
	le64 epoch;
	le64 seq_current, seq_intended;
	le64 hash_current, hash_intended;
	le64 generation;
	le64 emptied;
	uint8_t rest[3912];
	le64 checksum; /* FNV-1a 64 of all bytes before it: a torn write of any sector shows */
};
_Static_assert(sizeof(struct disk_stamp) == STAMP_SECTORS * 512, "stamp");
enum { STAMP_RUNNING = 1, STAMP_OWED = 2 };

static const uint8_t stamp_magic[8] = {'S', 'P', 'S', 'T', 'A', 'M', 'P', '1'};

int stamp_parse(const void *buf, struct stamp *ret)
{
	const struct disk_stamp *d = buf;

	if (memcmp(d->magic, stamp_magic, sizeof(stamp_magic)) != 0)
		return -ENODATA;
	if (meta_hash(META_HASH_START, d, offsetof(struct disk_stamp, checksum)) != le64_get(d->checksum) ||
	    d->set[META_GUID_MAX - 1] || d->volume[META_GUID_MAX - 1])
		return -EBADMSG;
	*ret = (struct stamp){
		.slot = le32_get(d->slot),
		.epoch = le64_get(d->epoch),
		.seq_current = le64_get(d->seq_current),
		.seq_intended = le64_get(d->seq_intended),
		.hash_current = le64_get(d->hash_current),
		.hash_intended = le64_get(d->hash_intended),
		.running = le32_get(d->flags) & STAMP_RUNNING,
		.owed = le32_get(d->flags) & STAMP_OWED,
		.generation = le64_get(d->generation),
		.emptied = le64_get(d->emptied),
	};
	memcpy(ret->set, d->set, sizeof(ret->set));
	memcpy(ret->volume, d->volume, sizeof(ret->volume));
	return 0;
}

void stamp_encode(const struct stamp *s, void *buf)
{
	struct disk_stamp *d = buf;

	memset(d, 0, sizeof(*d));
	memcpy(d->magic, stamp_magic, sizeof(stamp_magic));
	memcpy(d->set, s->set, strnlen(s->set, sizeof(d->set) - 1));
	memcpy(d->volume, s->volume, strnlen(s->volume, sizeof(d->volume) - 1));
	d->slot = le32_of(s->slot);
	d->flags = le32_of((s->running ? STAMP_RUNNING : 0) | (s->owed ? STAMP_OWED : 0));
	d->epoch = le64_of(s->epoch);
	d->seq_current = le64_of(s->seq_current);
	d->seq_intended = le64_of(s->seq_intended);
	d->hash_current = le64_of(s->hash_current);
	d->hash_intended = le64_of(s->hash_intended);
	d->generation = le64_of(s->generation);
	d->emptied = le64_of(s->emptied);
	d->checksum = le64_of(meta_hash(META_HASH_START, d, offsetof(struct disk_stamp, checksum)));
}

/* Numbers as 8 little-endian bytes, so that the hash is the same on every machine. */
static uint64_t fnv_number(uint64_t h, uint64_t v)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(v >> 8 * i);
	return meta_hash(h, bytes, sizeof(bytes));
}

uint64_t meta_volume_hash(const struct meta_volume *v)
{
	const uint64_t head[] = {
		(uint64_t)v->level, (uint64_t)(int64_t)v->layout, v->chunk, v->slots, v->member_sectors, v->sectors};
	uint64_t h = META_HASH_START;

	for (size_t i = 0; i < ARRAY_SIZE(head); i++)
		h = fnv_number(h, head[i]);
	for (unsigned i = 0; i < MIN(v->slots, (unsigned)META_SLOTS_MAX); i++) {
		const struct meta_member *m = &v->members[i];

		h = meta_hash(h, m->ref, strnlen(m->ref, sizeof(m->ref)) + 1);
		h = fnv_number(h, m->offset);
		h = fnv_number(h, (uint64_t)m->state);
	}
	return h;
}
