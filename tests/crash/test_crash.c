// SPDX-License-Identifier: GPL-2.0-or-later
/* Every plan is cut at every write, killed at every call of the device-mapper, and given an error at each; then it
 * starts again. The outcome must be the old or the new state; no acknowledged write is lost, no stale member is listed,
 * nothing is left suspended. */
#include "tests/crash/rig.h"

#include "core/log.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARE = 2 }; /* sdc: the disk of spare-global that is in no slot */

/* What leads up to the plan, and the plan with what the kernel does around it. */
struct scenario {
	const char *name, *golden;
	void (*before)(struct rig *r);
	void (*run)(struct rig *r);
	const char *states; /* that may be found after a cut, space-separated; '.' for any letter */
	bool blank;	    /* one of its disks has no metadata at first */
};

/* --- scenarios ---------------------------------------------------------------------------------------------- */

static void start(struct rig *r)
{
	CHECK_INT(rig_assemble(r, true, false, NULL), 0);
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

static void kernel_fails_then_record(struct rig *r)
{
	rig_fail(r, 1);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void fail_and_spare(struct rig *r)
{
	struct plan *p = rig_plan(r);

	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(r, 1))->slot = 1;
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE);
	rig_run(r, p, NULL);
	rig_write(r);
}

static void with_spare_rebuilding(struct rig *r)
{
	start(r);
	fail_and_spare(r);
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
	r->absent[rig_disk_in(r, 2)] = true;
	rig_fail(r, 2);
	rig_write(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
	memset(r->absent, 0, sizeof(r->absent));
}

static void readd(struct rig *r)
{
	int disk = rig_disk_in(r, 2);

	rig_one(r, STEP_READD_MEMBER, disk);
	rig_write(r);
	rig_rebuilt(r);
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
}

static void stop(struct rig *r)
{
	rig_one(r, STEP_STOP, -1);
}

static void stop_unrecorded(struct rig *r)
{
	rig_fail(r, 0);
	rig_write(r);
	rig_one(r, STEP_STOP, -1);
}

/* It fails I/O before anyone knows that it is gone. */
static void pulled(struct rig *r)
{
	int disk = rig_disk_in(r, 1);

	kernel_fails_then_record(r);
	r->absent[disk] = true;
	rig_one(r, STEP_RECORD, -1);
	rig_write(r);
	r->absent[disk] = false;
}

static void drop_spare(struct rig *r)
{
	start(r);
	CHECK_INT(rig_one(r, STEP_REMOVE_SPARE, SPARE), 0);
}

static void wipe_spare(struct rig *r)
{
	static uint8_t zero[1 << 20];
	struct blockdev *dev;

	drop_spare(r);
	CHECK_INT(fake_disk_open(r->disk[SPARE], &dev), 0);
	for (uint64_t at = 0; at < dev->sectors * 512; at += sizeof(zero))
		fake_disk_poke(r->disk[SPARE], at, zero, MIN(sizeof(zero), dev->sectors * 512 - at));
	blockdev_close(dev);
	rig_restart_act(r);
	CHECK_INT(rig_one(r, STEP_RECORD, -1), 0);
}

static void add_spare(struct rig *r)
{
	rig_one(r, STEP_ADD_SPARE, SPARE);
	rig_write(r);
}

static void remove_spare(struct rig *r)
{
	rig_one(r, STEP_REMOVE_SPARE, SPARE);
	rig_write(r);
}

static void stop_and_release(struct rig *r)
{
	rig_one(r, STEP_STOP, -1);
	rig_one(r, STEP_RELEASE, -1);
}

static const struct scenario scenarios[] = {
	{"assemble clean", "spare-global", nothing, assemble, "iii"},
	{"assemble after a crash", "spare-global", started_and_crashed, assemble, "iii"},
	{"record a failure", "spare-global", start, kernel_fails_then_record, "iii ifi"},
	{"record a failure, then a pull", "spare-global", start, pulled, "iii ifi imi"},
	{"fail and spare", "spare-global", start, fail_and_spare, "iii iri"},
	{"rebuild finished", "spare-global", with_spare_rebuilding, rebuild_finished, "iri iii"},
	{"return by bitmap", "spare-global", member_gone, readd, "iim iir iif iii"},
	{"stop", "spare-global", start, stop, "iii"},
	{"stop with a failure not yet recorded", "spare-global", start, stop_unrecorded, "fii iii"},
	{"add a spare", "spare-global", wipe_spare, add_spare, "iii", .blank = true},
	{"remove a spare", "spare-global", start, remove_spare, "iii"},
	{"stop and release", "spare-global", start, stop_and_release, "iii"},
};

/* --- judging --------------------------------------------------------------------------------------------------- */

static bool one_of(const char *states, const char *allowed)
{
	size_t n = strlen(states);

	for (const char *p = allowed; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (n && strncmp(p, states, n) == 0 && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static void complain(const struct scenario *s, const char *how, size_t n, const char *what)
{
	fprintf(stderr, "%s, %s %zu: %s\n", s->name, how, n, what);
	check_failures++;
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
	if (!have || !mkdtemp(dir))
		return;
	snprintf(path, sizeof(path), "%s/disk", dir);
	snprintf(command, sizeof(command), "mdadm -E %s 2>&1 | grep -q 'Magic : de11de11'", path);
	for (size_t i = 0; i < r->n_disks; i++)
		if (fake_disk_save(r->disk[i], path) < 0 || system(command) != 0)
			complain(s, "mdadm cannot read what is left after write", n, r->disk[i] ? "a disk" : "no disk");
	unlink(path);
	rmdir(dir);
}

/* Starts what a cut left and looks; with deep, goes on from there: record, rebuild, stop, start. */
static void judge(const struct scenario *s, const char *how, size_t n, struct rig *r, uint64_t acknowledged, bool deep)
{
	struct err why;
	const char *stale;

	if (!rig_running(r) && rig_assemble(r, true, false, &why) < 0) {
		complain(s, how, n, why.msg);
		return;
	}
	if (!one_of(rig_states(r), s->states))
		complain(s, how, n, rig_states(r));
	stale = rig_stale(r, acknowledged);
	if (stale)
		complain(s, how, n, stale);
	if (!deep)
		return;
	rig_write(r);
	if (rig_one(r, STEP_RECORD, -1) < 0)
		complain(s, how, n, "the next recording failed");
	rig_rebuilt(r);
	if (rig_one(r, STEP_RECORD, -1) < 0 || strchr(rig_states(r), 'r'))
		complain(s, how, n, "a rebuild that ended is not recorded");
	if (rig_one(r, STEP_STOP, -1) < 0)
		complain(s, how, n, "it cannot be stopped");
	if (rig_assemble(r, true, false, &why) < 0)
		complain(s, how, n, why.msg);
	stale = rig_stale(r, rig_acknowledged(r, SIZE_MAX));
	if (stale)
		complain(s, how, n, stale);
	if (fake_dm_violation_at_end(r->dm))
		complain(s, how, n, fake_dm_violation_at_end(r->dm));
}

static void prepare(const struct scenario *s, struct rig *r)
{
	rig_load(r, s->golden);
	s->before(r);
	for (size_t i = 0; i < r->n_acks; i++)
		r->ack[i].records = 0;
	fake_disks_mark(r->disks);
}

/* The power goes after each write and each flush; what was not flushed is there, or is not, or in part. */
static void cut_power(const struct scenario *s)
{
	static const struct {
		enum fake_keep keep;
		uint64_t seed;
	} kept[] = {{FAKE_KEEP_ALL, 0}, {FAKE_KEEP_NONE, 0}, {FAKE_KEEP_RANDOM, 1}, {FAKE_KEEP_RANDOM, 2}};
	struct rig r;
	size_t n;

	prepare(s, &r);
	s->run(&r);
	n = fake_disks_recorded(r.disks);
	if (fake_dm_violation_at_end(r.dm))
		complain(s, "whole", n, fake_dm_violation_at_end(r.dm));
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kept); k++) {
			struct rig after;

			rig_boot(&after, fake_disks_at(r.disks, i, kept[k].keep, kept[k].seed + i), &r);
			if (k == 0 && i % 16 == 0 && !s->blank)
				ask_mdadm(s, i, &after);
			judge(s, "power cut after write", i, &after, rig_acknowledged(&r, i),
			      k == 0 || (i + k) % 4 == 0);
			rig_free(&after);
		}
	printf("%s: %zu writes and flushes cut\n", s->name, n);
	rig_free(&r);
}

/* act is killed before each call; the kernel and its tables live on, and the next act finds them. */
static void kill_act(const struct scenario *s)
{
	unsigned calls = 1;

	for (unsigned i = 1; i <= calls; i++) {
		struct rig r;
		unsigned before;

		prepare(s, &r);
		before = r.dm_calls;
		r.die_at = before + i;
		s->run(&r);
		calls = r.dead ? i + 1 : i;
		rig_next_act(&r);
		if (rig_one(&r, STEP_RECORD, -1) < 0)
			complain(s, "killed before call", i, "the next act cannot record");
		judge(s, "killed before call", i, &r, rig_acknowledged(&r, SIZE_MAX), true);
		rig_free(&r);
	}
	printf("%s: killed before each of %u calls\n", s->name, calls - 1);
}

/* One call of the device-mapper fails: the plan may fail, but nothing stays half done. */
static void fail_calls(const struct scenario *s, bool late)
{
	unsigned calls = 1, n;

	for (n = 1; n <= calls; n++) {
		struct rig r;
		unsigned before;

		prepare(s, &r);
		before = fake_dm_calls(r.dm);
		fake_dm_fail_call(r.dm, n, EIO, late);
		s->run(&r);
		calls = fake_dm_calls(r.dm) - before < n ? 0 : MAX(calls, n + 1);
		if (!calls) {
			rig_free(&r);
			break;
		}
		if (rig_running(&r) && fake_dm_suspended(r.dm, r.top))
			complain(s, late ? "late error of call" : "error of call", n, "left suspended");
		if (rig_one(&r, STEP_RECORD, -1) < 0)
			complain(s, late ? "late error of call" : "error of call", n, "the next recording failed");
		judge(s, late ? "late error of call" : "error of call", n, &r, rig_acknowledged(&r, SIZE_MAX), true);
		rig_free(&r);
	}
	printf("%s: an error%s of each of %u calls\n", s->name, late ? " after the effect" : "", n - 1);
}

/* Two of three are pulled, what is left of the array is stopped, and they are back. The kernel has noted in the third's
 * slice that both failed: only a forced start goes on, with all that was acknowledged. */
static void stop_beyond_redundancy(void)
{
	struct err why;
	struct rig r;
	size_t n;

	rig_load(&r, "spare-global");
	start(&r);
	r.absent[rig_disk_in(&r, 0)] = r.absent[rig_disk_in(&r, 1)] = true;
	CHECK_INT(rig_one(&r, STEP_RECORD, -1), 0);
	n = fake_disks_recorded(r.disks);
	CHECK_INT(rig_one(&r, STEP_STOP, -1), 0);
	CHECK(!rig_running(&r));
	CHECK_INT(fake_disks_recorded(r.disks), n);
	memset(r.absent, 0, sizeof(r.absent));
	CHECK(rig_assemble(&r, true, false, &why) < 0);
	CHECK_INT(rig_assemble(&r, true, true, &why), 0);
	CHECK(strchr(rig_states(&r), 'f') && !rig_stale(&r, rig_acknowledged(&r, SIZE_MAX)));
	rig_free(&r);
}

static size_t claims(struct rig *r)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	const struct dm_ops *dm = fake_dm_ops(r->dm);
	char prefix[128];
	size_t n = 0;

	snprintf(prefix, sizeof(prefix), "SPARED-ddf-%s-claim-", r->set);
	CHECK_INT(dm->list(dm->u, prefix, &all, &n, NULL), 0);
	return n;
}

/* Every disk of the set is held until the set is let go of, and a set that runs is not. */
static void release(void)
{
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	CHECK_INT(claims(&r), r.n_disks);
	CHECK_INT(rig_one(&r, STEP_RELEASE, -1), -EBUSY);
	CHECK_INT(claims(&r), r.n_disks);
	CHECK_INT(rig_one(&r, STEP_STOP, -1), 0);
	CHECK_INT(claims(&r), r.n_disks);
	CHECK_INT(rig_one(&r, STEP_RELEASE, -1), 0);
	CHECK_INT(claims(&r), 0);
	CHECK_INT(rig_one(&r, STEP_RELEASE, -1), 0);
	rig_free(&r);
}

/* A failure that a swap saw on its way, and that nobody could record any more, ends with its table. */
static void start_after_seen_failure(void)
{
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	r.x->run[0]->seen_failed[0] = r.x->run[0]->seen_failed[1] = true;
	CHECK_INT(rig_one(&r, STEP_STOP, -1), 0);
	CHECK_INT(rig_assemble(&r, false, false, NULL), 0);
	CHECK_STR(fake_dm_health(r.dm, r.top), "AAA");
	rig_free(&r);
}

/* A disk of two volumes is failed for both: the RAID5 has lost one already, so the RAID6 does not give up another. */
static void fail_with_two_volumes(void)
{
	struct err why;
	struct plan *p;
	struct rig r;

	rig_load(&r, "two-volumes");
	CHECK_INT(rig_one(&r, STEP_FAIL_MEMBER, rig_disk_in(&r, 1)), 0);
	CHECK_STR(rig_states(&r), "ifii");
	memcpy(r.volume, r.x->set.view->volumes[1].guid, sizeof(r.volume));
	CHECK_STR(rig_states(&r), "ifiii");
	p = rig_plan(&r);
	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(&r, 0));
	CHECK_INT(rig_run(&r, p, &why), -EBUSY);
	CHECK(strstr(why.msg, "serves r5 too"));
	CHECK_STR(rig_states(&r), "ifiii");
	CHECK_INT(rig_one(&r, STEP_FAIL_MEMBER, rig_disk_in(&r, 4)), 0);
	CHECK_STR(rig_states(&r), "ifiif");
	rig_free(&r);
}

/* What failed and is gone at once was pulled, and may be back; what a person or a rule failed is failed. */
static void failed_or_pulled(void)
{
	struct plan *p;
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	pulled(&r);
	CHECK_STR(rig_states(&r), "imi");
	r.absent[rig_disk_in(&r, 1)] = true;
	p = rig_plan(&r);
	rig_step(p, STEP_FAIL_MEMBER, -1)->slot = 1;
	CHECK_INT(rig_run(&r, p, NULL), 0);
	CHECK_INT(rig_one(&r, STEP_RECORD, -1), 0);
	CHECK_STR(rig_states(&r), "ifi");
	rig_free(&r);
	rig_load(&r, "spare-global");
	start(&r);
	CHECK_INT(rig_one(&r, STEP_FAIL_MEMBER, rig_disk_in(&r, 1)), 0);
	r.absent[rig_disk_in(&r, 1)] = true;
	CHECK_INT(rig_one(&r, STEP_RECORD, -1), 0);
	CHECK_STR(rig_states(&r), "ifi");
	rig_free(&r);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	log_setup((enum log_level)0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (!strstr(scenarios[i].name, only))
			continue;
		cut_power(&scenarios[i]);
		kill_act(&scenarios[i]);
		fail_calls(&scenarios[i], false);
		fail_calls(&scenarios[i], true);
	}
	if (strstr("stop beyond redundancy", only))
		stop_beyond_redundancy();
	if (strstr("release", only))
		release();
	if (strstr("failed or pulled", only))
		failed_or_pulled();
	if (strstr("start after a seen failure", only))
		start_after_seen_failure();
	if (strstr("fail with two volumes", only))
		fail_with_two_volumes();
	rig_unload();
	return CHECK_RESULT;
}
