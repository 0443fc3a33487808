// SPDX-License-Identifier: GPL-2.0-or-later
/* Every plan is cut at every write, killed at every call of the device-mapper, and given an error at each; then it
 * starts again. The outcome must be the old or the new state; no acknowledged write is lost, no stale member is listed,
 * nothing is left suspended. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What leads up to the plan, and the plan with what the kernel does around it. */
struct scenario {
	const char *name, *golden;
	void (*before)(struct rig *r);
	void (*run)(struct rig *r);
	const char *states; /* that may be found after a cut, space-separated */
	bool blank;	    /* one of its disks has no metadata at first */
	unsigned every; /* of its writes are cut and failed: 0: all, n: every nth, each in another way; of its calls,
			   every third of that */
	int refused;	/* what a start after a cut may say: then a person decides. 0: it starts by itself */
	bool twice;	/* the start after a cut is cut, too */
};

static unsigned failures;

/* What leads up to a plan goes well, or nothing that follows means anything. */
static void must(int r)
{
	if (r != 0) {
		fprintf(stderr, "what leads up to the plan failed: %d\n", r);
		exit(1);
	}
}

/* --- scenarios ---------------------------------------------------------------------------------------------- */

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

static int snapshot_plan(struct rig *r, enum step_op op, struct err *e)
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

static const struct scenario scenarios[] = {
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
	{"renamed, raid0", "raid0", stopped, rename_it, "ii"},
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
};

/* --- judging --------------------------------------------------------------------------------------------------- */

static void complain(const struct scenario *s, const char *how, size_t n, const char *what)
{
	fprintf(stderr, "%s, %s %zu: %s\n", s->name, how, n, what);
	failures++;
}

/* An outside reader must find one state or the other on each disk too. */
static void ask_mdadm(const struct scenario *s, size_t n, const struct rig *r)
{
	static int have = -1;
	char dir[] = "/tmp/spared-crash-XXXXXX", path[64], command[160];

	if (have < 0) {
		have = system("mdadm --version > /dev/null 2>&1") == 0;
		if (!have)
			printf("there is no mdadm: nothing else reads what a cut left\n");
	}
	/* mdadm looks for the anchor in the last 512 bytes, whatever the block size. */
	if (!have || strchr(s->golden, ':') || !mkdtemp(dir))
		return;
	snprintf(path, sizeof(path), "%s/disk", dir);
	snprintf(command, sizeof(command), "mdadm -E %s 2>&1 | grep -q 'Magic : de11de11'", path);
	for (size_t i = 0; i < r->n_disks; i++)
		if (fake_disk_save(r->disk[i], path) < 0 || system(command) != 0)
			complain(s, "mdadm cannot read what is left after write", n, r->disk[i] ? "a disk" : "no disk");
	unlink(path);
	rmdir(dir);
}

/* The private devices of all volumes: two for each member at most. */
static bool too_many_devices(struct rig *r)
{
	const struct dm_ops *dm = fake_dm_ops(r->dm);
	size_t n = 0, allowed = 2 * (strlen(rig_states(r)) - (r->n_volumes - 1));

	for (unsigned i = 0; i < r->n_volumes; i++) {
		_cleanup_(freep) struct dm_info_view *all = NULL;
		char prefix[128];
		size_t found = 0;

		snprintf(prefix, sizeof(prefix), "SPARED-ddf-%s-", r->volume[i].guid);
		must(dm->list(dm->u, prefix, &all, &found, NULL));
		n += found;
	}
	return n > allowed;
}

/* Whatever has ended its resync: this start makes all of it, and only then it is called made. */
static void judge_resynced(const struct scenario *s, const char *how, size_t n, struct rig *r)
{
	if (rig_unmade(r, false))
		complain(s, how, n, rig_unmade(r, false));
	if (strpbrk(rig_states(r), "fme"))
		return;
	for (unsigned i = 0; i < 2; i++) {
		rig_rebuilt(r);
		if (rig_one(r, STEP_RECORD, -1) < 0)
			complain(s, how, n, "the recording of a resync's end failed");
	}
	if (rig_unmade(r, true))
		complain(s, how, n, rig_unmade(r, true));
}

/* By itself; or, where the scenario allows it, by what a person may do then: no member that is taken may miss what was
 * acknowledged. */
static bool starts(const struct scenario *s, const char *how, size_t n, struct rig *r)
{
	struct err why;

	if (rig_assemble(r, true, false, &why) == 0)
		return true;
	if (why.code != s->refused || rig_assemble(r, true, true, &why) < 0)
		complain(s, how, n, why.msg);
	if (rig_stale(r))
		complain(s, how, n, rig_stale(r));
	return false;
}

/* Starts what a cut left and looks; with deep, goes on from there: record, rebuild, stop, start. */
static void judge(const struct scenario *s, const char *how, size_t n, struct rig *r, bool deep)
{
	struct err why;
	const char *stale;

	if (!rig_running(r) && !starts(s, how, n, r))
		return;
	if (!rig_one_of(rig_states(r), s->states))
		complain(s, how, n, rig_states(r));
	stale = rig_stale(r);
	if (stale)
		complain(s, how, n, stale);
	if (rig_unmade(r, false))
		complain(s, how, n, rig_unmade(r, false));
	if (!deep)
		return;
	rig_write(r);
	if (rig_one(r, STEP_RECORD, -1) < 0)
		complain(s, how, n, "the next recording failed");
	if (snapshot_plan(r, STEP_DROP_SNAPSHOT, &why) < 0)
		complain(s, how, n, why.msg);
	if (too_many_devices(r))
		complain(s, how, n, "devices of a member that left are left over");
	/* One volume's rebuild waits for the other's on the same disks. */
	for (unsigned i = 0; i == 0 || (i < r->n_volumes && strchr(rig_states(r), 'r')); i++) {
		rig_rebuilt(r);
		if (rig_one(r, STEP_RECORD, -1) < 0)
			break;
	}
	if (strchr(rig_states(r), 'r'))
		complain(s, how, n, "a rebuild that ended is not recorded");
	if (strncmp(s->name, "grow", 4) == 0 && !strpbrk(rig_states(r), "fm") && rig_unmade(r, true))
		complain(s, how, n, rig_unmade(r, true));
	if (rig_stop(r) < 0)
		complain(s, how, n, "it cannot be stopped");
	if (!starts(s, how, n, r))
		return;
	stale = rig_stale(r);
	if (stale)
		complain(s, how, n, stale);
	if (strncmp(s->name, "amid", 4) == 0)
		judge_resynced(s, how, n, r);
	if (fake_dm_violation_at_end(r->dm))
		complain(s, how, n, fake_dm_violation_at_end(r->dm));
}

static void prepare(const struct scenario *s, struct rig *r)
{
	rig_load(r, s->golden);
	s->before(r);
	for (unsigned i = 0; i < r->n_volumes; i++)
		for (size_t k = 0; k < r->volume[i].n_acks; k++)
			r->volume[i].ack[k].records = 0;
	fake_disks_mark(r->disks);
}

/* The power goes after each write and each flush; what was not flushed is there, or is not, or in part. */
static void cut_power(const struct scenario *s)
{
	struct rig r;
	size_t n;

	prepare(s, &r);
	s->run(&r);
	n = fake_disks_recorded(r.disks);
	if (fake_dm_violation_at_end(r.dm))
		complain(s, "whole", n, fake_dm_violation_at_end(r.dm));
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k < RIG_KEPT; k++) {
			struct rig after;

			if (s->every && (i + k) % s->every)
				continue;

			rig_boot(&after, fake_disks_at(r.disks, i, rig_kept[k].keep, rig_kept[k].seed + i), &r, i);
			if (k == 0 && i % 16 == 0 && !s->blank)
				ask_mdadm(s, i, &after);
			judge(s, "power cut after write", i, &after, k == 0 || (i + k) % 4 == 0);
			rig_free(&after);
		}
	printf("%s: %zu writes and flushes cut\n", s->name, n);
	rig_free(&r);
}

/* Of both the writes and those of the start that follows every third is cut. */
static void cut_twice(const struct scenario *s)
{
	size_t n, m = 0, cuts = 0;
	struct rig r;

	if (!s->twice)
		return;
	prepare(s, &r);
	s->run(&r);
	n = fake_disks_recorded(r.disks);
	for (size_t i = 0; i <= n; i += 3) {
		const struct rig_kept *kept = &rig_kept[i / 3 % RIG_KEPT];
		struct rig first;

		rig_boot(&first, fake_disks_at(r.disks, i, kept->keep, kept->seed + i), &r, i);
		rig_assemble(&first, true, false, NULL);
		m = fake_disks_recorded(first.disks);
		for (size_t k = i % 3; k <= m; k += 3) {
			struct rig after;

			kept = &rig_kept[k / 3 % RIG_KEPT];
			rig_boot(&after, fake_disks_at(first.disks, k, kept->keep, kept->seed + k), &first, k);
			judge(s, "the start after a cut cut after write", k, &after, false);
			rig_free(&after);
			cuts++;
		}
		rig_free(&first);
	}
	printf("%s: %zu starts after a cut cut again\n", s->name, cuts);
	rig_free(&r);
}

static unsigned calls_apart(const struct scenario *s)
{
	return s->every > 3 ? s->every / 3 : 1;
}

/* act is killed before each call; the kernel and its tables live on, and the next act finds them. */
static void kill_act(const struct scenario *s)
{
	unsigned calls = 1;

	for (unsigned i = 1; i <= calls; i += calls_apart(s)) {
		struct rig r;
		unsigned before;

		prepare(s, &r);
		before = r.dm_calls;
		r.die_at = before + i;
		s->run(&r);
		calls = r.dead ? i + calls_apart(s) : i;
		rig_next_act(&r);
		if (rig_one(&r, STEP_RECORD, -1) < 0)
			complain(s, "killed before call", i, "the next act cannot record");
		judge(s, "killed before call", i, &r, true);
		rig_free(&r);
	}
	printf("%s: killed before each of %u calls\n", s->name, calls - 1);
}

/* One call of the device-mapper fails: the plan may fail, but nothing stays half done. */
static void fail_calls(const struct scenario *s, bool late)
{
	unsigned calls = 1, n;

	for (n = 1; n <= calls; n += calls_apart(s)) {
		struct rig r;
		unsigned before;

		prepare(s, &r);
		before = fake_dm_calls(r.dm);
		fake_dm_fail_call(r.dm, n, EIO, late);
		s->run(&r);
		calls = fake_dm_calls(r.dm) - before < n ? 0 : n + calls_apart(s);
		if (!calls) {
			rig_free(&r);
			break;
		}
		if (rig_suspended(&r))
			complain(s, late ? "late error of call" : "error of call", n, rig_suspended(&r));
		if (rig_one(&r, STEP_RECORD, -1) < 0)
			complain(s, late ? "late error of call" : "error of call", n, "the next recording failed");
		judge(s, late ? "late error of call" : "error of call", n, &r, true);
		rig_free(&r);
	}
	printf("%s: an error%s of each of %u calls\n", s->name, late ? " after the effect" : "", n - 1);
}

/* ---- disks that cannot be written ---- */

/* The states that the scenario allows; of the disk that failed, and where a spare was to go, any. */
static bool states_with_failure(const struct scenario *s, struct rig *r, const struct fake_disk *bad)
{
	char states[2 * META_SLOTS_MAX + 2];
	size_t at = 0;

	snprintf(states, sizeof(states), "%s", rig_states(r));
	for (unsigned n = 0; n < r->n_volumes; n++, at++) {
		const struct meta_volume *v = exec_volume(r->x, r->volume[n].guid);

		for (unsigned i = 0; i < v->slots; i++, at++) {
			const struct set_disk *d = set_disk_by_ref(&r->x->set, v->members[i].ref);

			if (!d || strcmp(d->device.node, fake_disk_name(bad)) == 0)
				states[at] = '.';
		}
	}
	for (const char *p = s->states; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
		bool same = strcspn(p, " ") == at - 1;

		for (size_t i = 0; same && i < at - 1; i++)
			same = states[i] == '.' || p[i] == 'r' || states[i] == p[i];
		if (same)
			return true;
	}
	return false;
}

static struct plan *record_plan(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step(p, STEP_RECORD, -1);
	return p;
}

/* While the disk still fails: what was told is so, the metadata and the tables say the same, and it goes on so. */
static void judge_failing(const struct scenario *s, const char *how, unsigned n, struct rig *r, bool enough)
{
	const struct fake_disk *bad = fake_disks_failed(r->disks);
	struct err why;

	if (rig_suspended(r))
		complain(s, how, n, rig_suspended(r));
	if (fake_dm_violation_at_end(r->dm))
		complain(s, how, n, fake_dm_violation_at_end(r->dm));
	if (r->wrong[0])
		complain(s, how, n, r->wrong);
	for (const char *line = buf_str(&r->errors); *line; line = strchr(line, '\n') + 1)
		if (!rig_names(r, line, strcspn(line, "\n"), bad))
			complain(s, how, n, line);
	for (unsigned again = 0; again < 2 && enough; again++) {
		const char *stale = rig_stale(r), *differs;

		if (again)
			rig_restart_act(r);
		if (rig_run(r, record_plan(r), &why) < 0)
			complain(s, how, n, why.msg);
		/* What had waited in a mirror went on with its end, and failed: one more event. */
		if (rig_disagrees(r) && rig_run(r, record_plan(r), &why) < 0)
			complain(s, how, n, why.msg);
		differs = rig_disagrees(r);
		if (differs)
			complain(s, how, n, differs);
		if (stale)
			complain(s, how, n, stale);
		if (!states_with_failure(s, r, bad))
			complain(s, how, n, rig_states(r));
	}
}

/* Then the power goes; the disk is well again, or it is not there. */
static void judge_after(const struct scenario *s, const char *how, unsigned n, struct rig *r, bool enough, bool there)
{
	unsigned bad = (unsigned)(fake_disk_name(fake_disks_failed(r->disks))[2] - 'a');
	struct fake_disks *disks = fake_disks_at(r->disks, fake_disks_recorded(r->disks), FAKE_KEEP_ALL, 0);
	struct rig after;
	struct err why;

	rig_boot(&after, disks, r, SIZE_MAX);
	after.absent[bad] = after.absent[bad] || !there;
	/* Beyond redundancy the kernel has failed members that are current, and where a resync was begun parity cannot
	 * be told to be right: then a person decides. */
	if (rig_assemble(&after, true, false, &why) < 0 &&
	    ((enough && why.code != EUCLEAN) || rig_assemble(&after, true, true, &why) < 0))
		complain(s, how, n, why.msg);
	if (rig_stale(&after))
		complain(s, how, n, rig_stale(&after));
	if (rig_disagrees(&after))
		complain(s, how, n, rig_disagrees(&after));
	rig_free(&after);
}

/* Each write and each flush fails: that one alone, that and all others of its disk, or the disk is pulled then. */
static void fail_writes(const struct scenario *s, enum fake_failure how)
{
	static const char *const words[] = {[FAKE_FAIL_ONCE] = "a write or flush fails",
					    [FAKE_FAIL_WRITES] = "no write from then on",
					    [FAKE_FAIL_PULL] = "pulled at"};
	unsigned n;

	for (n = s->every ? 1 + how % s->every : 1;; n += MAX(s->every, 1U)) {
		const struct fake_disk *bad;
		struct rig r;

		prepare(s, &r);
		fake_disks_fail_at(r.disks, n, how);
		s->run(&r);
		bad = fake_disks_failed(r.disks);
		if (bad) {
			bool enough = rig_enough(&r, bad);
			char what[64];

			snprintf(what, sizeof(what), "%s %s", fake_disk_name(bad), words[how]);
			judge_failing(s, what, n, &r, enough);
			judge_after(s, what, n, &r, enough, true);
			if (enough)
				judge_after(s, what, n, &r, enough, false);
		}
		rig_free(&r);
		if (!bad)
			break;
	}
	printf("%s: %s: up to %u\n", s->name, words[how], n - 1);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	log_setup((enum log_level)0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (strncmp(scenarios[i].name, only, strlen(only)) != 0)
			continue;
		cut_power(&scenarios[i]);
		cut_twice(&scenarios[i]);
		kill_act(&scenarios[i]);
		fail_calls(&scenarios[i], false);
		fail_calls(&scenarios[i], true);
		fail_writes(&scenarios[i], FAKE_FAIL_ONCE);
		fail_writes(&scenarios[i], FAKE_FAIL_WRITES);
		fail_writes(&scenarios[i], FAKE_FAIL_PULL);
	}
	rig_unload();
	return failures ? 1 : 0;
}
