// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules of a start (docs/reliability.md), one by one, on values. */
#include "actions/start.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define SET "000000000000000000000000000000000000000000000001"
#define VOL "000000000000000000000000000000000000000000000002"

static struct meta_volume volume;
static struct start_in in;
static struct start st;
static struct err why;

/* A volume whose members are all here, in sync, with slices of one epoch, stopped cleanly. */
static void given(enum raid_level level, unsigned slots)
{
	static const int layouts[] = {[RAID5] = 2, [RAID6] = 10, [RAID10] = 0x102, [RAID4] = 0};
	unsigned data = level == RAID1			   ? 1
			: level == RAID5 || level == RAID4 ? slots - 1
			: level == RAID6		   ? slots - 2
							   : slots / 2;

	volume = (struct meta_volume){
		.guid = VOL,
		.name = "v",
		.level = level,
		.layout = level == RAID1 || level == RAID0 ? 0 : layouts[level],
		.chunk = level == RAID1 ? 0 : 128,
		.slots = slots,
		.member_sectors = 32768,
		.sectors = 32768 * (uint64_t)(level == RAID0 ? slots : data),
		.clean = true,
		.initialised = true,
		.known = true,
	};
	for (unsigned i = 0; i < slots; i++) {
		volume.members[i].state = MEMBER_IN_SYNC;
		snprintf(volume.members[i].ref, sizeof(volume.members[i].ref), "%08x", 0xa0 + i);
	}
	in = (struct start_in){.set = SET, .volume = &volume, .seq = 7};
	st = (struct start){0};
	why = (struct err){0};
}

/* Stamps and slices that fit the volume as it is now. */
static void with_slices(bool running)
{
	for (unsigned i = 0; i < volume.slots; i++) {
		struct start_disk *d = &in.disk[i];

		*d = (struct start_disk){
			.present = true,
			.standing = META_CURRENT,
			.seq = 7,
			.hash = volume_hash(&volume, i),
			.has_stamp = true,
			.stamp = {.set = SET,
				  .volume = VOL,
				  .slot = i,
				  .epoch = 99,
				  .seq_current = 7,
				  .seq_intended = 7,
				  .running = running},
			.super = {.n_devices = volume.slots,
				  .position = i,
				  .events = 50,
				  .recovery_offset = UINT64_MAX,
				  .resync_offset = UINT64_MAX,
				  .array_sectors = volume.sectors,
				  .sectors = volume.member_sectors},
		};
		d->stamp.hash_current = d->stamp.hash_intended = d->hash;
		slice_geometry(&volume, &d->super.level, &d->super.layout, &d->super.stripe_sectors);
	}
}

/* "FFR-": as found, anew N, rebuild R, out -. */
static const char *how(void)
{
	static char text[META_SLOTS_MAX + 1];

	memset(text, 0, sizeof(text));
	for (unsigned i = 0; i < volume.slots; i++)
		text[i] = "-FNR"[st.slot[i].how];
	return text;
}

static int analyse(void)
{
	return start_analyse(&in, &st, &why);
}

static void first_use(void **state _unused_)
{
	given(RAID6, 4);
	with_slices(false);
	for (unsigned i = 0; i < 4; i++)
		in.disk[i].has_stamp = false;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNNN");
	assert_true(st.anew && !st.resync);
	assert_true(st.events > UINT64_C(7) << 32);
}

static void dirty_first_use(void **state _unused_)
{
	given(RAID6, 4);
	volume.clean = false;
	with_slices(false);
	for (unsigned i = 0; i < 4; i++)
		in.disk[i].has_stamp = false;
	assert_int_equal(analyse(), 0);
	assert_true(st.anew && st.resync);
	volume.members[2].state = MEMBER_FAILED;
	assert_int_equal(analyse(), -EUCLEAN); /* parity is what slot 2 would be computed from */
	in.force = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NN-N");
	assert_true(!st.resync && st.write_hole);
}

static void dirty_mirror_degraded(void **state _unused_)
{
	given(RAID1, 2);
	volume.clean = false;
	volume.members[1].state = MEMBER_FAILED;
	with_slices(false);
	in.disk[0].has_stamp = in.disk[1].has_stamp = false;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "N-");
}

static void clean_stop(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(false);
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF");
	assert_true(!st.anew && !st.resync);
	assert_int_equal(st.epoch, 99);
}

static void crash_resyncs(void **state _unused_)
{
	given(RAID5, 3);
	volume.clean = false;
	with_slices(true);
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF");
	assert_true(st.resync && !st.write_hole);
}

static void slices_know_a_failure(void **state _unused_)
{
	given(RAID5, 3);
	volume.clean = false;
	with_slices(true);
	in.disk[0].super.events = in.disk[2].super.events = 60;
	in.disk[0].super.failed = in.disk[2].super.failed = 1 << 1;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "F-F");
	assert_true(st.slot[1].edit && st.slot[1].state == MEMBER_FAILED);
	assert_true(!st.resync && st.write_hole); /* no resync can be asked for without slot 1 */
	/* The loser's own slice has nothing to say, even if only one survivor has it. */
	in.disk[2].super.failed = 0;
	in.disk[2].super.events = 50;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "F-F");
}

static void failure_beyond_redundancy(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	in.disk[0].super.events = 60;
	in.disk[0].super.failed = 0x6;
	assert_int_equal(analyse(), -ENODATA);
	assert_true(strstr(why.msg, "slot 1") && strstr(why.msg, "slot 2"));
	in.force = true;
	in.disk[2].super.events = 55;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "N-N"); /* slot 2 missed less than slot 1 */
	assert_true(st.anew && !st.slot[2].edit && st.slot[1].edit);
}

/* A disk that is here and fails is as good as absent, but nobody waits for it. */
static void disk_fails(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	in.disk[2].present = false;
	assert_int_equal(analyse(), -EAGAIN);
	in.disk[2].fails = true;
	assert_int_equal(analyse(), 0);
	assert_true(st.slot[2].how == START_OUT && st.slot[2].edit);
	assert_int_equal(st.slot[2].state, MEMBER_FAILED);
	assert_string_equal(st.slot[2].why, "its disk fails");
}

static void other_tool_ran(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(false);
	in.seq = 9;
	for (unsigned i = 0; i < 3; i++)
		in.disk[i].seq = 9;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNN");
	assert_int_equal(st.epoch, 0);
	/* What it left rebuilding is rebuilt, and never taken back as found. */
	volume.members[1].state = MEMBER_REBUILDING;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NRN");
}

static void torn_update(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	in.seq = 20;
	for (unsigned i = 0; i < 3; i++)
		in.disk[i].stamp.seq_intended = 20;
	in.disk[0].seq = 20; /* written; the others stand behind */
	in.disk[1].standing = in.disk[2].standing = META_STALE;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF");
	/* One that is behind for another reason is stale. */
	in.disk[2].stamp.seq_intended = 15;
	assert_int_equal(analyse(), -EAGAIN);
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FF-");
	assert_true(st.slot[2].edit && st.slot[2].state == MEMBER_MISSING);
}

static void stale_and_absent(void **state _unused_)
{
	given(RAID6, 4);
	with_slices(false);
	in.disk[1].standing = META_STALE;
	in.disk[1].seq = in.disk[1].stamp.seq_current = in.disk[1].stamp.seq_intended = 5;
	in.disk[3].present = false;
	assert_int_equal(analyse(), -EAGAIN);
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "F-F-");
	in.disk[0].present = false;
	assert_int_equal(analyse(), -ENODATA);
	/* Known to be failed or missing: nothing to wait for. */
	given(RAID6, 4);
	with_slices(false);
	volume.members[3].state = MEMBER_MISSING;
	in.disk[3].present = false;
	for (unsigned i = 0; i < 3; i++)
		in.disk[i].hash = in.disk[i].stamp.hash_current = volume_hash(&volume, i);
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF-");
}

static void rebuild_again(void **state _unused_)
{
	given(RAID5, 3);
	volume.members[2].state = MEMBER_REBUILDING;
	with_slices(true);
	in.disk[0].super.failed = in.disk[1].super.failed = 1 << 2; /* it was "- -" before */
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFR");
	assert_true(!st.slot[2].edit);
	assert_true(!st.resync);
}

static void damaged_slice(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	in.disk[1].super_status = -EBADMSG;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FRF");
	assert_true(st.slot[1].edit && st.slot[1].state == MEMBER_REBUILDING);
	in.disk[1].super_status = 0;
	in.disk[1].super.position = 2;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FRF");
	/* Never live: the format alone knows, and all are written. */
	with_slices(false);
	in.disk[1].super_status = -EBADMSG;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNN");
}

static void newest_epoch(void **state _unused_)
{
	given(RAID1, 3);
	with_slices(true);
	in.disk[1].stamp.epoch = 12;
	in.disk[1].super.events = 40;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FRF");
	in.disk[1].stamp.epoch = 0; /* it was being rebuilt when its stamp was written */
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FRF");
}

static void two_halves(void **state _unused_)
{
	given(RAID1, 2);
	with_slices(true);
	in.disk[0].super.failed = 2;
	in.disk[1].super.failed = 1;
	in.degraded = true;
	assert_int_equal(analyse(), -ESTALE);
	in.force = true;
	assert_int_equal(analyse(), -ESTALE);
	in.read_only = true;
	assert_int_equal(analyse(), 0);
	given(RAID1, 2);
	with_slices(true);
	in.split = true;
	in.disk[1].standing = META_SPLIT;
	in.degraded = true;
	assert_int_equal(analyse(), -ESTALE);
	in.force = in.read_only = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "F-");
}

/* Over an odd number of slots each disk has the whole record, and each neighbour a half of the data. */
static void raid10_odd(void **state _unused_)
{
	struct meta_volume other;

	given(RAID10, 5);
	with_slices(true);
	other = volume;
	other.members[4].state = MEMBER_EMPTY;
	assert_true(volume_hash(&other, 0) != volume_hash(&volume, 0));
	in.disk[1].present = in.disk[3].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "F-F-F");
	in.disk[1].present = true;
	in.disk[4].present = false; /* beside the one that is out */
	assert_int_equal(analyse(), -ENODATA);
	in.disk[3].present = true;
	in.disk[0].present = false; /* the last one and the first */
	assert_int_equal(analyse(), -ENODATA);
}

static void raid10_pairs(void **state _unused_)
{
	struct meta_volume half;

	given(RAID10, 4);
	with_slices(true);
	half = volume;
	half.members[2] = half.members[3] = (struct meta_member){.state = MEMBER_EMPTY};
	assert_true(volume_hash(&half, 0) == volume_hash(&volume, 0));
	assert_true(volume_hash(&half, 1) == volume_hash(&volume, 1));
	assert_true(volume_hash(&half, 2) != volume_hash(&volume, 2));
	in.disk[0].present = false;
	in.disk[3].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "-FF-");
	in.disk[1].present = false;
	assert_int_equal(analyse(), -ENODATA);
}

static void unfinished_resync(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	for (unsigned i = 0; i < 3; i++)
		in.disk[i].super.resync_offset = 100;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF");
	in.disk[2].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), -EUCLEAN);
	in.force = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NN-");
}

/* By the format it is larger than by its slices. */
static void grow(void)
{
	volume.member_sectors *= 2;
	volume.sectors *= 2;
	volume.initialised = false;
	for (unsigned i = 0; i < volume.slots; i++)
		in.disk[i].hash = in.disk[i].stamp.hash_current = in.disk[i].stamp.hash_intended =
			volume_hash(&volume, i);
}

static void made_larger(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(false);
	grow();
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF");
	assert_true(st.resync && !st.sectors && !st.anew);

	/* Without one of them it runs at its old size. */
	in.disk[2].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FF-");
	assert_int_equal(st.sectors, volume.sectors / 2);
	assert_true(!st.resync && !st.write_hole);

	/* Not if there may be data beyond that. */
	in.disk[0].super.sectors = volume.member_sectors;
	in.disk[0].super.array_sectors = volume.sectors;
	assert_int_equal(analyse(), -EUCLEAN);
	in.force = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NN-");
	assert_int_equal(st.sectors, 0);
}

/* Mirrors that nobody has compared are resynced from the first sector on, but not beside a rebuild, which ends that. */
static void owed(void **state _unused_)
{
	given(RAID10, 4);
	volume.initialised = false;
	with_slices(false);
	in.disk[2].stamp.owed = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFFF");
	assert_true(st.owed && st.resync && !st.anew);

	in.disk[3].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFF-");
	assert_true(st.owed);

	in.disk[3].present = true;
	in.disk[3].super_status = -EBADMSG;
	in.disk[0].stamp.running = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "FFFR");
	assert_true(!st.owed && !st.resync);

	/* Another tool has made it, or all slices are written anew. */
	given(RAID10, 4);
	with_slices(false);
	in.disk[2].stamp.owed = true;
	assert_int_equal(analyse(), 0);
	assert_true(!st.owed && !st.resync);
	volume.initialised = false;
	in.disk[0].stamp.seq_intended = in.disk[0].stamp.seq_current = 6;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNNN");
	assert_true(!st.owed && st.resync);
}

/* One that is whole and initialised has no smaller slices: another array's. */
static void smaller_slices(void **state _unused_)
{
	given(RAID5, 3);
	with_slices(true);
	grow();
	volume.initialised = true;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNN");
	/* Nor are they larger. */
	grow();
	for (unsigned i = 0; i < 3; i++)
		in.disk[i].super.sectors = 2 * volume.member_sectors;
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNN");
}

static void plain_raid0(void **state _unused_)
{
	given(RAID0, 3);
	with_slices(false);
	in.disk[1].standing = META_STALE; /* nothing can have been written without it */
	assert_int_equal(analyse(), 0);
	assert_string_equal(how(), "NNN");
	in.disk[1].present = false;
	in.degraded = true;
	assert_int_equal(analyse(), -ENODATA);
}

static void unsupported(void **state _unused_)
{
	given(RAID1, 2);
	volume.level = RAID_UNSUPPORTED;
	snprintf(volume.unsupported, sizeof(volume.unsupported), "RAID1E");
	assert_int_equal(analyse(), -ENOTSUP);
	assert_non_null(strstr(why.msg, "RAID1E"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(first_use),
		unit(dirty_first_use),
		unit(dirty_mirror_degraded),
		unit(clean_stop),
		unit(crash_resyncs),
		unit(slices_know_a_failure),
		unit(failure_beyond_redundancy),
		unit(disk_fails),
		unit(other_tool_ran),
		unit(torn_update),
		unit(stale_and_absent),
		unit(rebuild_again),
		unit(damaged_slice),
		unit(newest_epoch),
		unit(two_halves),
		unit(raid10_odd),
		unit(raid10_pairs),
		unit(unfinished_resync),
		unit(made_larger),
		unit(owed),
		unit(smaller_slices),
		unit(plain_raid0),
		unit(unsupported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
