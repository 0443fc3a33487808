// SPDX-License-Identifier: GPL-2.0-or-later
/* One small function for what a scenario does, and the table of them all. */
#include "tests/crash/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(int r)
{
	if (r != 0) {
		fprintf(stderr, "what leads up to the plan failed: %d\n", r);
		exit(1);
	}
}

static void start(struct rig *r)
{
	must(rig_assemble(r, true, false, NULL));
	rig_write(r);
}

static void nothing(struct rig *r)
{
	(void)r;
}

static void assemble(struct rig *r)
{
	rig_assemble(r, true, false, NULL);
	rig_write(r);
}

static void started_and_crashed(struct rig *r)
{
	start(r);
	rig_power_cycle(r);
}

static void crashed(struct rig *r)
{
	rig_power_cycle(r);
}

static void claim_and_assemble(struct rig *r)
{
	rig_one(r, STEP_CLAIM, -1);
	assemble(r);
}

static void disk_missing(struct rig *r)
{
	r->absent[rig_disk_in(r, rig_last_slot(r))] = true;
	rig_power_cycle(r);
}

static void kernel_fails_then_record(struct rig *r)
{
	rig_fail(r, 1);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

/* The table still lists who is recorded as failed. */
static void kernel_fails_then_record_without_table(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_fail(r, 1);
	rig_write(r);
	rig_step(p, STEP_RECORD, -1)->table_later = true;
	rig_run(r, p, NULL);
	rig_write(r);
}

/* Then the plan comes that fills the slot; nobody asks for it where the failure could not be recorded. */
static void record_then_spare(struct rig *r)
{
	kernel_fails_then_record_without_table(r);
	if (rig_states(r)[1] == 'f')
		rig_one(r, STEP_ACTIVATE_SPARE, rig_spare_disk(r));
	/* Where another disk fails under it, the array is what the refusal names. */
	if (strstr(buf_str(&r->errors), "did not enter v5, which has lost more members than it can"))
		buf_clear(&r->errors);
	rig_write(r);
}

/* Another member fails before that. */
static void record_without_table(struct rig *r)
{
	kernel_fails_then_record_without_table(r);
	rig_fail(r, 2);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void kernel_fails_two(struct rig *r)
{
	rig_fail(r, 1);
	rig_write(r);
	rig_fail(r, 2);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void fail_two(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(r, 1))->slot = 1;
	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(r, 2))->slot = 2;
	rig_run(r, p, NULL);
	rig_write(r);
}

static void failed_before(struct rig *r)
{
	start(r);
	kernel_fails_then_record(r);
}

static void remove_failed(struct rig *r)
{
	int disk = rig_disk_in(r, 1);

	rig_one(r, STEP_REMOVE_MEMBER, disk);
	rig_write(r);
}

static void fail_and_spare(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(r, 1))->slot = 1;
	rig_step(p, STEP_ACTIVATE_SPARE, rig_spare_disk(r));
	rig_run(r, p, NULL);
	rig_write(r);
}

static void with_spare_rebuilding(struct rig *r)
{
	start(r);
	fail_and_spare(r);
}

/* The other volume's slot, with the same spare: the disk that failed was in both. */
static void same_spare_for_the_other(struct rig *r)
{
	struct plan *p = rig_plan(r, 1);

	rig_step(p, STEP_ACTIVATE_SPARE, rig_disk_in(r, 1))->slot = 1;
	rig_run(r, p, NULL);
	rig_write(r);
}

static void rebuild_finished(struct rig *r)
{
	rig_rebuilt(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void member_gone(struct rig *r)
{
	start(r);
	r->absent[rig_disk_in(r, rig_last_slot(r))] = true;
	rig_fail(r, rig_last_slot(r));
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
	memset(r->absent, 0, sizeof(r->absent));
}

static void readd(struct rig *r)
{
	int disk = rig_disk_in(r, rig_last_slot(r));

	rig_one(r, STEP_READD_MEMBER, disk);
	rig_write(r);
	rig_rebuilt(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void stop(struct rig *r)
{
	rig_stop(r);
}

static void stop_unrecorded(struct rig *r)
{
	rig_fail(r, 0);
	rig_write(r);
	rig_stop(r);
}

/* It fails I/O before anyone knows that it is gone. */
static void fails_then_pulled(struct rig *r)
{
	int disk = rig_disk_in(r, 1);

	kernel_fails_then_record(r);
	r->absent[disk] = true;
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
	r->absent[disk] = false;
}

static void stop_and_release(struct rig *r)
{
	rig_stop(r);
	rig_one(r, STEP_RELEASE, -1);
}

static void drop_spare(struct rig *r)
{
	start(r);
	must(rig_one(r, STEP_REMOVE_SPARE, rig_spare_disk(r)));
}

static void wipe_spare(struct rig *r)
{
	static uint8_t zero[1 << 20];
	struct blockdev *dev;

	struct fake_disk *spare = r->disk[rig_spare_disk(r)];

	drop_spare(r);
	must(fake_disk_open(spare, &dev));
	for (uint64_t at = 0; at < dev->sectors * 512; at += sizeof(zero))
		fake_disk_poke(spare, at, zero, MIN(sizeof(zero), dev->sectors * 512 - at));
	blockdev_close(dev);
	rig_restart_act(r);
	must(rig_one(r, STEP_RECORD, -1));
}

static void add_spare(struct rig *r)
{
	rig_one(r, STEP_ADD_SPARE, rig_spare_disk(r));
	rig_write(r);
}

static void remove_spare(struct rig *r)
{
	rig_one(r, STEP_REMOVE_SPARE, rig_spare_disk(r));
	rig_write(r);
}

static void replace(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step_replace(p, rig_disk_in(r, 1), rig_spare_disk(r));
	rig_run(r, p, NULL);
	rig_write(r);
}

static void replacing(struct rig *r)
{
	start(r);
	replace(r);
}

static void degraded_replacing(struct rig *r)
{
	start(r);
	rig_fail(r, 0);
	rig_write(r);
	must(rig_one(r, STEP_RECORD, -1));
	replace(r);
}

static void copy_whole(struct rig *r)
{
	rig_copied(r);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void replace_whole(struct rig *r)
{
	replace(r);
	copy_whole(r);
}

/* A spare has taken the place of a disk that is here and well. */
static void stands_in(struct rig *r)
{
	with_spare_rebuilding(r);
	rig_rebuilt(r);
	must(rig_one(r, STEP_RECORD, -1));
	rig_write(r);
}

static void copy_back(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);
	int disk = rig_spare_disk(r);

	rig_step(p, STEP_ADD_SPARE, disk);
	rig_step_replace(p, rig_disk_in(r, 1), disk)->op = STEP_COPY_BACK;
	rig_run(r, p, NULL);
	rig_write(r);
	copy_whole(r);
}

static void old_disk_unreadable(struct rig *r)
{
	rig_unreadable(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

int snapshot_plan(struct rig *r, enum step_op op, struct err *e)
{
	struct plan *p = rig_plan(r, 0);
	struct step *s = rig_step(p, op, -1);

	snprintf(s->to, sizeof(s->to), "nightly");
	snprintf(s->by, sizeof(s->by), "/dev/loop0");
	return rig_run(r, p, e);
}

static void snapshot(struct rig *r)
{
	snapshot_plan(r, STEP_SNAPSHOT, NULL);
	rig_write(r);
}

static void with_snapshot(struct rig *r)
{
	start(r);
	must(snapshot_plan(r, STEP_SNAPSHOT, NULL));
	rig_write(r);
}

static void drop_snapshot(struct rig *r)
{
	snapshot_plan(r, STEP_DROP_SNAPSHOT, NULL);
	rig_write(r);
}

static void rename_it(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	snprintf(rig_step(p, STEP_RENAME, -1)->to, META_NAME_MAX, "renamed");
	rig_run(r, p, NULL);
}

/* The kernel loses more members than the array can: slots 0, 1, .. */
static void lose(struct rig *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		rig_fail(r, i);
		rig_write(r);
	}
	rig_one(r, STEP_RECORD, -1);
}

static void lose_two_and_stop(struct rig *r)
{
	lose(r, 2);
	rig_stop(r);
}

static void lose_three_and_stop(struct rig *r)
{
	lose(r, 3);
	rig_stop(r);
}

static void grow(struct rig *r)
{
	rig_one(r, STEP_GROW, -1);
	rig_write(r);
}

static void grown_and_crashed(struct rig *r)
{
	start(r);
	must(rig_one(r, STEP_GROW, -1));
	rig_write(r);
	rig_power_cycle(r);
}

static void resync_whole(struct rig *r)
{
	rig_rebuilt(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void grow_whole(struct rig *r)
{
	grow(r);
	resync_whole(r);
}

/* The volume behind the other one on the same disks. */
static void grow_second(struct rig *r)
{
	struct plan *p = rig_plan(r, 1);

	rig_step(p, STEP_GROW, -1);
	rig_run(r, p, NULL);
	rig_write(r);
	resync_whole(r);
}

/* One of its members fails while what is new is resynced. */
static void grow_then_fails(struct rig *r)
{
	grow(r);
	kernel_fails_then_record(r);
}

static void grow_stopped(struct rig *r)
{
	rig_one(r, STEP_GROW, -1);
	assemble(r);
}

static void stopped(struct rig *r)
{
	start(r);
	must(rig_stop(r));
}

static void first_resync(struct rig *r)
{
	rig_uninitialise(r);
	start(r);
}

/* A member has failed, and its disk is one that the set knows nothing of any more. */
static void and_blank(struct rig *r)
{
	int disk = rig_disk_in(r, 1);

	kernel_fails_then_record(r);
	must(rig_one(r, STEP_REMOVE_MEMBER, disk));
	must(rig_one(r, STEP_ADD_SPARE, disk));
	rig_write(r);
}

static void first_resync_and_blank(struct rig *r)
{
	first_resync(r);
	and_blank(r);
}

/* The resync after a crash is under way. */
static void dirty_and_blank(struct rig *r)
{
	started_and_crashed(r);
	start(r);
	and_blank(r);
}

static void dirty_and_gone(struct rig *r)
{
	started_and_crashed(r);
	member_gone(r);
}

static void first_resync_and_gone(struct rig *r)
{
	rig_uninitialise(r);
	member_gone(r);
}

static void spare_rebuilt(struct rig *r)
{
	rig_one(r, STEP_ACTIVATE_SPARE, rig_spare_disk(r));
	rig_write(r);
	rebuild_finished(r);
}

static void fail_and_spare_rebuilt(struct rig *r)
{
	fail_and_spare(r);
	rebuild_finished(r);
}

static void first_resync_and_rebuilt(struct rig *r)
{
	first_resync_and_blank(r);
	spare_rebuilt(r);
	rig_power_cycle(r);
}

static void rebuilding_and_crashed(struct rig *r)
{
	start(r);
	and_blank(r);
	must(rig_one(r, STEP_ACTIVATE_SPARE, rig_spare_disk(r)));
	rig_write(r);
	rig_power_cycle(r);
}

static void start_and_rebuilt(struct rig *r)
{
	assemble(r);
	rebuild_finished(r);
}

const struct scenario scenarios[] = {
	{"assemble clean", "spare-global", nothing, assemble, "iii"},
	{"assemble after a crash", "spare-global", started_and_crashed, assemble, "iii", .twice = true},
	{"record a failure", "spare-global", start, kernel_fails_then_record, "iii ifi"},
	{"record a failure, then a pull", "spare-global", start, fails_then_pulled, "iii ifi imi"},
	{"record, then a spare", "spare-global", start, record_then_spare, "iii ifi iri"},
	{"fail and spare", "spare-global", start, fail_and_spare, "iii iri", .twice = true},
	{"replace, begin", "spare-global", start, replace, "iii"},
	{"replace, end", "spare-global", replacing, copy_whole, "iii"},
	{"replace", "spare-global", start, replace_whole, "iii", .every = 2},
	{"replace in a degraded array, end", "spare-global", degraded_replacing, copy_whole, "fii"},
	{"replace, a sector cannot be read", "spare-global", replacing, old_disk_unreadable, "iii"},
	{"copy back", "spare-global", stands_in, copy_back, "iii", .every = 2},
	{"rebuild finished", "spare-global", with_spare_rebuilding, rebuild_finished, "iri iii"},
	{"return by bitmap", "spare-global", member_gone, readd, "iim iir iif iii"},
	{"stop", "spare-global", start, stop, "iii"},
	{"stop with a failure not yet recorded", "spare-global", start, stop_unrecorded, "fii iii"},
	{"stop and release", "spare-global", start, stop_and_release, "iii"},
	{"add a spare", "spare-global", wipe_spare, add_spare, "iii", .blank = true},
	{"remove a spare", "spare-global", start, remove_spare, "iii"},
	{"remove a member", "spare-global", failed_before, remove_failed, "ifi iei", .every = 2},
	{"claim and start", "spare-global", crashed, claim_and_assemble, "iii", .every = 2},
	{"start without a disk", "spare-global", disk_missing, assemble, "iii iim", .every = 2},
	{"dirty start", "dirty", nothing, assemble, "iii/ii", .every = 12},
	{"degraded start", "degraded", nothing, assemble, "fiii/ii", .every = 12},
	{"raid1, start after a crash", "raid1", started_and_crashed, assemble, "ii", .every = 2},
	{"raid1, one failure", "raid1", start, kernel_fails_then_record, "ii if", .every = 2},
	{"raid1, return", "raid1", member_gone, readd, "im ir if ii", .every = 2},
	{"raid6, two in one plan", "raid6-n-continue", start, fail_two, "iiii iffi", .every = 2},
	{"raid6, two failures", "raid6-n-continue", start, kernel_fails_two, "iiii ifii iffi", .every = 2},
	{"raid6, a second failure before the table follows", "raid6-n-continue", start, record_without_table,
	 "iiii ifii iffi", .every = 2},
	{"raid6, start after a crash", "raid6-n-continue", started_and_crashed, assemble, "iiii", .every = 6},
	{"raid10, start after a crash", "raid10", started_and_crashed, assemble, "iiii", .every = 6},
	{"raid10, one failure", "raid10", start, kernel_fails_then_record, "iiii ifii", .every = 4},
	{"raid10, return", "raid10", member_gone, readd, "iiim iiir iiif iiii", .every = 6},
	{"raid4, start after a crash", "raid4", started_and_crashed, assemble, "iii", .every = 4},
	{"raid4, one failure", "raid4", start, kernel_fails_then_record, "iii ifi", .every = 4},
	{"raid4, return", "raid4", member_gone, readd, "iim iir iif iii", .every = 6},
	{"raid10 of three, start after a crash", "raid1e-three", started_and_crashed, assemble, "iii", .every = 4},
	{"raid10 of three, one failure", "raid1e-three", start, kernel_fails_then_record, "iii ifi", .every = 4},
	{"raid10 of three, return", "raid1e-three", member_gone, readd, "iim iir iif iii", .every = 6},
	{"raid10 of five, one failure", "raid1e-five", start, kernel_fails_then_record, "iiiii ifiii", .every = 8},
	{"snapshot", "spare-global", start, snapshot, "iii"},
	{"snapshot, its end", "spare-global", with_snapshot, drop_snapshot, "iii"},
	{"snapshot, a member fails", "spare-global", with_snapshot, kernel_fails_then_record, "iii ifi", .every = 2},
	{"snapshot, fail and spare", "spare-global", with_snapshot, fail_and_spare, "iii iri", .every = 2},
	{"snapshot, replace", "spare-global", with_snapshot, replace_whole, "iii", .every = 4},
	{"two volumes, start", "two-volumes", started_and_crashed, assemble, "iiii/iiiii", .every = 12},
	{"two volumes, one failure", "two-volumes", start, kernel_fails_then_record, "iiii/iiiii ifii/ifiii",
	 .every = 12},
	{"two volumes, fail and spare", "dirty", start, fail_and_spare, "iii/ii iri/if", .every = 12},
	{"two volumes, one spare for both", "dirty", with_spare_rebuilding, same_spare_for_the_other, "iri/if iri/ir",
	 .every = 12},
	{"two volumes, replace", "dirty", start, replace_whole, "iii/ii", .every = 12},
	{"two volumes, stop", "two-volumes", start, stop, "iiii/iiiii", .every = 12},
	{"beyond redundancy, raid5", "spare-global", start, lose_two_and_stop, "iii fii ffi", .refused = ENODATA},
	{"beyond redundancy, raid6", "raid6-n-continue", start, lose_three_and_stop, "iiii fiii ffii",
	 .refused = ENODATA, .every = 2},
	{"renamed, raid0", "raid0", stopped, rename_it, "iii"},
	{"renamed, raid1", "raid1", stopped, rename_it, "ii", .every = 2},
	{"renamed, raid5", "spare-global", stopped, rename_it, "iii", .every = 2},
	{"renamed, raid6", "raid6-n-continue", stopped, rename_it, "iiii", .every = 2},
	{"renamed, raid10", "raid10", stopped, rename_it, "iiii", .every = 2},
	{"renamed, raid4", "raid4", stopped, rename_it, "iii", .every = 4},
	{"renamed, raid10 of three", "raid1e-three", stopped, rename_it, "iii", .every = 4},
	{"renamed, two volumes", "two-volumes", stopped, rename_it, "iiii/iiiii", .every = 4},
	{"grow, raid5", "spare-global", start, grow_whole, "iii", .every = 2},
	{"grow, raid5, start after a crash", "spare-global", grown_and_crashed, assemble, "iii", .every = 2},
	{"grow, raid5, a member fails", "spare-global", start, grow_then_fails, "iii ifi", .every = 2,
	 .refused = EUCLEAN},
	{"grow, raid5, stopped", "spare-global", stopped, grow_stopped, "iii", .every = 2},
	{"grow, raid1", "raid1", start, grow_whole, "ii", .every = 2},
	{"grow, raid6", "raid6-n-continue", start, grow_whole, "iiii", .every = 4},
	{"grow, raid4", "raid4", start, grow_whole, "iii", .every = 4},
	{"grow, two volumes", "two-volumes", start, grow_second, "iiii/iiiii", .every = 12},
	{"grow, blocks of 4096", "spare-global:4096", start, grow_whole, "iii", .every = 4},
	{"amid a resync, raid10, a spare", "raid10", first_resync_and_blank, spare_rebuilt, "ieii irii iiii",
	 .every = 6},
	{"amid a resync, raid10, a return", "raid10", first_resync_and_gone, readd, "iiim iiir iiif iiii", .every = 12},
	{"amid a resync, raid10, start", "raid10", first_resync_and_rebuilt, assemble, "iiii", .every = 6},
	{"amid a resync, raid10 after a crash, a spare", "raid10", dirty_and_blank, spare_rebuilt, "ieii irii iiii",
	 .every = 6},
	{"amid a resync, raid10 after a crash, a return", "raid10", dirty_and_gone, readd, "iiim iiir iiif iiii",
	 .every = 12},
	{"amid a resync, raid10 after a crash, start", "raid10", rebuilding_and_crashed, start_and_rebuilt, "irii iiii",
	 .every = 6},
	{"amid a resync, raid5, a spare", "spare-global", first_resync, fail_and_spare_rebuilt, "iii iri", .every = 12,
	 .refused = EUCLEAN},
	{"blocks of 4096, fail and spare", "spare-global:4096", start, fail_and_spare, "iii iri", .every = 2},
	{"blocks of 4096, start after a crash", "raid1:4096", started_and_crashed, assemble, "ii", .every = 2},
	{"blocks of 4096, replace", "spare-global:4096", start, replace_whole, "iii", .every = 4},
	{"blocks of 4096, add a spare", "spare-global:4096", wipe_spare, add_spare, "iii", .blank = true, .every = 2},
	{NULL},
};
