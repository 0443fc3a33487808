// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/meta/slice.h"

#include <errno.h>

#include "actions/meta/blockio.h"
#include "tests/unit/unit.h"

static const struct slice_super raid5 = {
	.n_devices = 3,
	.position = 2,
	.events = 0x0000000700000001,
	.failed = 2,
	.recovery_offset = UINT64_MAX,
	.resync_offset = UINT64_MAX,
	.level = 5,
	.layout = 2,
	.stripe_sectors = 128,
	.array_sectors = 32768,
	.sectors = 16384,
};

static uint64_t number(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* The offsets of struct dm_raid_superblock and bitmap_super_t. */
static void superblock_bytes(void **state _unused_)
{
	static const struct {
		unsigned at, len;
		uint64_t v;
	} want[] = {
		{0, 4, 0x64526D44},
		{4, 4, 1},
		{8, 4, 3},
		{12, 4, 2},
		{16, 8, 0x0000000700000001},
		{24, 8, 2},
		{32, 8, UINT64_MAX},
		{40, 8, UINT64_MAX},
		{48, 4, 5},
		{52, 4, 2},
		{56, 4, 128},
		{60, 4, 0},
		{64, 8, UINT64_MAX},
		{72, 4, 5},
		{76, 4, 2},
		{80, 4, 128},
		{84, 4, 0},
		{88, 8, 32768},
		{96, 8, 0},
		{104, 8, 0},
		{112, 8, 16384},
		{120, 8, 0},
		{144, 4, 0},
		{4096, 4, 0x6d746962},
		{4100, 4, 4},
		{4104, 8, 0},
		{4120, 8, 0x0000000700000001},
		{4128, 8, 0x0000000700000001},
		{4136, 8, 16384},
		{4144, 4, 0},
		{4148, 4, 4194304},
		{4152, 4, 5},
		{4156, 4, 0},
		{4160, 8, 0},
	};
	size_t len = SLICE_SECTORS * 512;
	uint8_t *buf = blockio_alloc(len);

	memset(buf, 0xee, len);
	slice_encode(&raid5, false, buf, len);
	for_rows (i, want) {
		row_name("byte %u", want[i].at);
		assert_int_equal(number(buf + want[i].at, want[i].len), want[i].v);
	}
	for (size_t i = 4096 + 64; i < len; i++)
		if (buf[i])
			fail_msg("byte %zu is %#x", i, buf[i]);
	free(buf);
}

static unsigned bits_set(const uint8_t *p, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(p[i]);
	return bits;
}

static void bitmap(void **state _unused_)
{
	size_t len = SLICE_SECTORS * 512;
	uint8_t *buf = blockio_alloc(len);
	struct slice_super s = raid5;

	s.sectors = 5 * 8192 + 1; /* 6 regions of 4 MiB */
	s.array_sectors = 2 * s.sectors;
	slice_encode(&s, true, buf, len);
	assert_int_equal(buf[4096 + 256], 0x3f);
	assert_int_equal(bits_set(buf + 4096 + 256, len - 4096 - 256), 6);

	s.level = 10; /* md counts all copies' first: the array's sectors */
	s.layout = 0x102;
	slice_encode(&s, true, buf, len);
	assert_int_equal(number(buf + 4136, 8), s.array_sectors);
	assert_int_equal(bits_set(buf + 4096 + 256, len - 4096 - 256), 11);

	/* Beyond 8 TiB the region grows, as dm-raid's own default does; 2^21 bits are the most. */
	s = raid5;
	s.level = 1;
	s.sectors = s.array_sectors = UINT64_C(1) << 34;
	slice_encode(&s, true, buf, len);
	assert_int_equal(number(buf + 4148, 4), 4194304);
	assert_int_equal(bits_set(buf + 4096 + 256, len - 4096 - 256), 1 << 21);
	s.sectors = s.array_sectors = (UINT64_C(1) << 34) + 8192;
	slice_encode(&s, true, buf, len);
	assert_int_equal(number(buf + 4148, 4), 4194304);
	assert_int_equal(bits_set(buf + 4096 + 256, len - 4096 - 256), (1 << 21) + 1);
	s.sectors = s.array_sectors = (UINT64_C(1) << 34) + (1 << 21);
	slice_encode(&s, true, buf, len);
	assert_int_equal(number(buf + 4148, 4), 2 * 4194304);
	assert_int_equal(bits_set(buf + 4096 + 256, len - 4096 - 256), (1 << 20) + 128);
	free(buf);
}

static void parse(void **state _unused_)
{
	size_t len = SLICE_SECTORS * 512;
	uint8_t *buf = blockio_alloc(len);
	struct slice_super s;
	/* One byte changed each: what spared never makes is not guessed about. */
	static const unsigned lies[] = {4, 8, 60, 64, 72, 76, 80, 84, 96, 104, 120, 128, 136, 144};

	assert_int_equal(slice_super_parse(buf, &s), -ENODATA);
	slice_encode(&raid5, true, buf, len);
	assert_int_equal(slice_super_parse(buf, &s), 0);
	assert_true(s.n_devices == 3 && s.position == 2 && s.events == raid5.events && s.failed == 2);
	assert_true(s.recovery_offset == UINT64_MAX && s.resync_offset == UINT64_MAX);
	assert_true(s.level == 5 && s.layout == 2 && s.stripe_sectors == 128 && s.array_sectors == 32768 &&
		    s.sectors == 16384);
	for_rows (i, lies) {
		buf[lies[i]] ^= 0x40;
		row_name("byte %u", lies[i]);
		assert_int_equal(slice_super_parse(buf, &s), -EBADMSG);
		buf[lies[i]] ^= 0x40;
	}
	buf[12] = 3; /* position beyond the slots */
	assert_int_equal(slice_super_parse(buf, &s), -EBADMSG);
	buf[12] = 2;
	buf[24] = 8; /* a failed slot that is not there */
	assert_int_equal(slice_super_parse(buf, &s), -EBADMSG);
	buf[24] = 2;
	memset(buf + 88, 0, 8);
	assert_int_equal(slice_super_parse(buf, &s), -EBADMSG);
	buf[0] = 'd';
	assert_int_equal(slice_super_parse(buf, &s), -ENODATA);
	free(buf);
}

static void set_resync(void **state _unused_)
{
	size_t len = SLICE_SECTORS * 512;
	uint8_t *buf = blockio_alloc(len), *want = blockio_alloc(len);
	struct slice_super s = raid5;

	assert_int_equal(slice_set_resync(buf, 0), -ENODATA);
	slice_encode(&raid5, true, buf, len);
	assert_int_equal(slice_set_resync(buf, 0), 0);
	s.resync_offset = 0;
	slice_encode(&s, true, want, len);
	assert_memory_equal(buf, want, len);
	buf[60] = 1;
	assert_int_equal(slice_set_resync(buf, 0), -EBADMSG);
	free(buf);
	free(want);
}

static unsigned bits_in(const uint8_t *buf, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += buf[4096 + 256 + i / 8] >> i % 8 & 1;
	return n;
}

/* An array that was made larger: what is new is resynced, and of the rest what its bitmap says. */
static void resync_from(void **state _unused_)
{
	const size_t len = (size_t)SLICE_SECTORS * 512;
	uint8_t *buf = blockio_alloc(len);
	struct slice_super s = raid5, now;
	const unsigned region = 8192;

	s.sectors = 4 * region;
	s.array_sectors = 2 * s.sectors;
	assert_int_equal(slice_resync_from(buf, 1, 1, 0), -ENODATA);
	slice_encode(&s, false, buf, len);
	buf[4096 + 256] = 1; /* a write was under way in the first region */
	assert_int_equal(slice_resync_from(buf, 2 * 10 * region, 10 * region, s.sectors), 0);
	assert_int_equal(slice_super_parse(buf, &now), 0);
	assert_int_equal(now.sectors, 10 * region);
	assert_int_equal(now.array_sectors, 20 * region);
	assert_int_equal(now.resync_offset, 0);
	assert_int_equal(now.events, s.events);
	assert_int_equal(bits_in(buf, 0, 4), 1);
	assert_int_equal(bits_in(buf, 4, 10), 6);
	assert_int_equal(bits_in(buf, 10, 80), 0);
	assert_int_equal(buf[4096 + 40] | buf[4096 + 41] << 8 | buf[4096 + 42] << 16, 10 * region);
	/* From the middle of a region: all of it. */
	slice_encode(&s, false, buf, len);
	assert_int_equal(slice_resync_from(buf, 2 * 4 * region, 4 * region, 2 * region + 100), 0);
	assert_int_equal(bits_in(buf, 0, 8), 2);
	/* More bits than there is room for, and no bitmap. */
	assert_int_equal(slice_resync_from(buf, UINT64_MAX, UINT64_MAX / 2, 0), -EBADMSG);
	buf[4096] = 'x';
	assert_int_equal(slice_resync_from(buf, 2 * 4 * region, 4 * region, 0), -EBADMSG);
	assert_true(slice_same_regions(1 << 20, 1 << 21));
	assert_false(slice_same_regions(UINT64_C(1) << 33, UINT64_C(1) << 36));
	free(buf);
}

static void bays(void **state _unused_)
{
	assert_int_equal(slice_bay_sector(1000, 0), 1000);
	assert_int_equal(slice_bay_sector(1001, 0), 1008);
	assert_int_equal(slice_bay_sector(1001, 2), 1008 + 2 * SLICE_BAY_SECTORS);
	assert_int_equal(slice_bay_count(1000, SLICE_BAY_SECTORS - 1), 0);
	assert_int_equal(slice_bay_count(1000, SLICE_BAY_SECTORS), 1);
	assert_int_equal(slice_bay_count(1001, SLICE_BAY_SECTORS + 6), 0);
	assert_int_equal(slice_bay_count(1001, SLICE_BAY_SECTORS + 7), 1);
	assert_int_equal(slice_bay_count(1001, 3), 0);
	assert_int_equal(slice_bay_count(0, UINT64_MAX), SLICE_BAYS_MAX);
	/* As mdadm makes a DDF disk: the free part of its workspace (raid-on-dm 5). */
	assert_int_equal(slice_bay_count(131072 + 618, 32768 - 618), 15);
}

static void geometry(void **state _unused_)
{
	static const struct {
		enum raid_level level;
		int layout;
		int r;
		uint32_t md[3];
	} want[] = {
		{RAID1, 0, 0, {1, 0, 0}},	{RAID4, 0, 0, {5, 5, 128}}, {RAID4, 4, -ENOTSUP, {0}},
		{RAID5, 0, 0, {5, 0, 128}},	{RAID5, 1, 0, {5, 1, 128}}, {RAID5, 2, 0, {5, 2, 128}},
		{RAID5, 3, -ENOTSUP, {0}},	{RAID6, 8, 0, {6, 8, 128}}, {RAID6, 9, 0, {6, 9, 128}},
		{RAID6, 10, 0, {6, 10, 128}},	{RAID6, 2, -ENOTSUP, {0}},  {RAID10, 0x102, 0, {10, 0x102, 128}},
		{RAID10, 0x201, -ENOTSUP, {0}}, {RAID0, 0, -ENOTSUP, {0}},  {RAID_UNSUPPORTED, 0, -ENOTSUP, {0}},
	};

	for_rows (i, want) {
		struct meta_volume v = {.level = want[i].level, .layout = want[i].layout, .chunk = 128};
		uint32_t level = 0, layout = 0, chunk = 0;

		assert_int_equal(slice_geometry(&v, &level, &layout, &chunk), want[i].r);
		assert_int_equal(level, want[i].md[0]);
		assert_int_equal(layout, want[i].md[1]);
		assert_int_equal(chunk, want[i].md[2]);
	}
}

static void stamps(void **state _unused_)
{
	struct stamp s = {
		.set = "4c696e75782d4d44deadbeef0000000000000000deadbeef",
		.volume = "4c696e75782d4d44deadbeef0000000000000000deadbee0",
		.slot = 3,
		.epoch = UINT64_C(0x1122334455667788),
		.seq_current = 41,
		.seq_intended = 42,
		.hash_current = 1,
		.hash_intended = 2,
		.running = true,
	};
	struct stamp got;
	uint8_t *buf = blockio_alloc(STAMP_SECTORS * 512);

	assert_int_equal(stamp_parse(buf, &got), -ENODATA);
	stamp_encode(&s, buf);
	assert_int_equal(stamp_parse(buf, &got), 0);
	assert_string_equal(got.set, s.set);
	assert_string_equal(got.volume, s.volume);
	assert_int_equal(got.slot, 3);
	assert_true(got.epoch == s.epoch && got.seq_current == 41 && got.seq_intended == 42 && got.hash_current == 1 &&
		    got.hash_intended == 2 && got.running && !got.owed);
	s.running = false;
	s.owed = true;
	stamp_encode(&s, buf);
	assert_int_equal(stamp_parse(buf, &got), 0);
	assert_true(got.owed && !got.running);
	/* A torn write of any sector is seen. */
	for (unsigned i = 8; i < STAMP_SECTORS * 512; i += 37) {
		buf[i] ^= 1;
		assert_int_equal(stamp_parse(buf, &got), -EBADMSG);
		buf[i] ^= 1;
	}
	buf[0] = 0;
	assert_int_equal(stamp_parse(buf, &got), -ENODATA);
	free(buf);
}

static void hash(void **state _unused_)
{
	static struct meta_volume v, w;
	uint64_t h;

	v = (struct meta_volume){.guid = "g",
				 .level = RAID5,
				 .layout = 2,
				 .chunk = 128,
				 .slots = 3,
				 .member_sectors = 16384,
				 .sectors = 32768};
	for (unsigned i = 0; i < 3; i++)
		v.members[i] = (struct meta_member){.ref = {(char)('a' + i)}, .offset = 8 * i};
	h = meta_volume_hash(&v);

	/* Not what a normal start and stop changes. */
	w = v;
	w.clean = w.initialised = true;
	w.seq = 7;
	w.members[3].offset = 9;
	assert_true(meta_volume_hash(&w) == h);
#define DIFFERS(change)                                                                                                \
	do {                                                                                                           \
		w = v;                                                                                                 \
		change;                                                                                                \
		assert_true(meta_volume_hash(&w) != h);                                                                \
	} while (0)
	DIFFERS(w.level = RAID6);
	DIFFERS(w.layout = 1);
	DIFFERS(w.chunk = 64);
	DIFFERS(w.slots = 2);
	DIFFERS(w.member_sectors++);
	DIFFERS(w.sectors++);
	DIFFERS(w.members[1].ref[0] = 'z');
	DIFFERS(w.members[1].ref[0] = '\0');
	DIFFERS(w.members[2].offset++);
	DIFFERS(w.members[0].state = MEMBER_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(superblock_bytes), unit(bitmap), unit(parse), unit(set_resync), unit(resync_from), unit(bays),
		unit(geometry),		unit(stamps), unit(hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
