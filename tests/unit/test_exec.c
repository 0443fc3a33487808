// SPDX-License-Identifier: GPL-2.0-or-later
/* The executor's steps one by one, on disks and a device-mapper in memory: what each comes to, what it says when it is
 * refused, and the text of its dry run, which changes nothing. SPARED_UPDATE=1 writes the texts (tests/golden/exec). */
#include "tests/crash/rig.h"

#include "core/log.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

enum { SPARE = 2 }; /* sdc of spare-global */

static struct rig r;
static const char known[] = "9d57c473 2bf036ce 01dc61d9 eab721f2"; /* the references of spare-global's disks */

static struct plan *plan_of(enum step_op op, int disk)
{
	struct plan *p = rig_plan(&r, 0);

	rig_step(p, op, disk);
	return p;
}

/* Runs the plan. Its steps' results as act tells them, or its error. */
static const char *outcome(struct plan *p)
{
	static char text[1024];
	struct err e;

	if (rig_run(&r, p, &e) < 0)
		snprintf(text, sizeof(text), "%s", e.msg);
	else
		snprintf(text, sizeof(text), "%s", buf_str(&r.steps));
	assert_string_equal(r.wrong, "");
	assert_true(!fake_dm_violation_at_end(r.dm));
	return text;
}

static const char *one(enum step_op op, int disk)
{
	return outcome(plan_of(op, disk));
}

static void load(const char *name, bool started)
{
	rig_load(&r, name);
	if (started)
		assert_int_equal(rig_assemble(&r, true, false, NULL), 0);
}

/* A new disk's reference is random. */
static void mask_new(char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (char *p = text; *p; p += MAX(strspn(p, digits), (size_t)1)) {
		char ref[META_REF_MAX] = "";

		if (strspn(p, digits) != 8 || (p > text && !strchr(" =-", p[-1])))
			continue;
		memcpy(ref, p, 8);
		if (!strstr(known, ref))
			memcpy(p, "new-disk", 8);
	}
}

static void check_text(const char *name, const char *text)
{
	static char want[sizeof(r.show)];
	char path[256];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/golden/exec/%s.show", SPARED_TESTS_DIR, name);
	f = fopen(path, getenv("SPARED_UPDATE") ? "we" : "re");
	assert_non_null(f);
	if (!f)
		return;
	if (getenv("SPARED_UPDATE"))
		fputs(text, f);
	else
		n = fread(want, 1, sizeof(want) - 1, f);
	fclose(f);
	want[n] = '\0';
	if (!getenv("SPARED_UPDATE"))
		assert_string_equal(text, want);
}

/* The plan's dry run, against its golden text; nothing is written, and the kernel is only asked. */
static void shows(const char *name, struct plan *p)
{
	size_t written = fake_disks_recorded(r.disks);
	char *calls = strdup(fake_dm_log(r.dm));
	struct err why;

	p->dry_run = true;
	assert_int_equal(exec_plan(r.x, p, &why), 0);
	plan_free(p);
	assert_int_equal(fake_disks_recorded(r.disks), written);
	assert_string_equal(fake_dm_log(r.dm), calls);
	mask_new(r.show);
	check_text(name, r.show);
	free(calls);
}

static void assemble_and_stop(void **state _unused_)
{
	load("spare-global", false);
	shows("assemble", plan_of(STEP_ASSEMBLE, -1));
	assert_string_equal(one(STEP_STOP, -1), "0 already \n");
	assert_string_equal(one(STEP_ASSEMBLE, -1), "0 ok \n");
	assert_string_equal(one(STEP_ASSEMBLE, -1), "0 already \n");
	fake_dm_set_open(r.dm, "v5", 1);
	assert_string_equal(one(STEP_STOP, -1), "/dev/mapper/v5 is in use: unmount it or stop what uses it");
	fake_dm_set_open(r.dm, "v5", 0);
	assert_true(rig_running(&r));
	assert_string_equal(one(STEP_STOP, -1), "0 ok \n");
	assert_true(!rig_running(&r));
	assert_string_equal(rig_states(&r), "iii");
	rig_free(&r);
}

static void start_refused(void **state _unused_)
{
	struct plan *p;

	load("spare-global", false);
	r.absent[rig_disk_in(&r, 2)] = true;
	assert_string_equal(one(STEP_ASSEMBLE, -1), "v5 is incomplete: slot 2 (disk 01dc61d9): its disk is not here");
	r.absent[rig_disk_in(&r, 1)] = true;
	assert_string_equal(one(STEP_ASSEMBLE, -1), "v5 cannot run without slot 1 (disk 2bf036ce): its disk is not "
						    "here, slot 2 (disk 01dc61d9): its disk is not "
						    "here; a "
						    "forced start may risk data");
	memset(r.absent, 0, sizeof(r.absent));
	p = rig_plan(&r, 0);
	snprintf(p->volume, sizeof(p->volume), "%s", "00");
	rig_step(p, STEP_ASSEMBLE, -1);
	assert_non_null(strstr(outcome(p), "has no volume 00"));
	assert_string_equal(rig_states(&r), "iii");
	rig_free(&r);
}

static void fail_and_remove(void **state _unused_)
{
	int disk;

	load("spare-global", true);
	disk = rig_disk_in(&r, 1);
	assert_string_equal(one(STEP_REMOVE_MEMBER, disk), "slot 1 of v5 is in use: fail it first");
	shows("fail-member", plan_of(STEP_FAIL_MEMBER, disk));
	assert_string_equal(one(STEP_FAIL_MEMBER, disk), "0 ok \n");
	assert_string_equal(rig_states(&r), "ifi");
	assert_string_equal(one(STEP_FAIL_MEMBER, disk), "0 already \n");
	assert_string_equal(one(STEP_FAIL_MEMBER, rig_disk_in(&r, 0)), "v5 cannot run without slot 0: it stays");
	assert_string_equal(one(STEP_FAIL_MEMBER, SPARE), "disk eab721f2 is no member of v5");
	shows("remove-member", plan_of(STEP_REMOVE_MEMBER, disk));
	assert_string_equal(one(STEP_REMOVE_MEMBER, disk), "0 ok \n");
	assert_string_equal(rig_states(&r), "iei");
	assert_true(!rig_disagrees(&r));
	rig_free(&r);
}

static void readd(void **state _unused_)
{
	int disk;

	load("spare-global", true);
	disk = rig_disk_in(&r, 2);
	assert_string_equal(one(STEP_READD_MEMBER, disk), "0 already \n");
	r.absent[disk] = true;
	rig_fail(&r, 2);
	rig_write(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_string_equal(rig_states(&r), "iim");
	assert_non_null(strstr(buf_str(&r.events), "array.member-failed\n"));
	r.absent[disk] = false;
	shows("readd-member", plan_of(STEP_READD_MEMBER, disk));
	assert_string_equal(one(STEP_READD_MEMBER, disk), "0 ok by bitmap\n");
	assert_string_equal(rig_states(&r), "iir");
	rig_rebuilt(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_string_equal(rig_states(&r), "iii");
	rig_free(&r);
}

static void gone(unsigned slot, int disk)
{
	r.absent[disk] = true;
	rig_fail(&r, slot);
	rig_write(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
}

/* Two are out. By bitmap both can return; not the one that is left when the other was rebuilt in full: that empties the
 * kernel's bitmap, whose bits told what both had missed. */
static void readd_beside_a_rebuild(void **state _unused_)
{
	static const char full[] =
		"0 ok full rebuild: another member was rebuilt since it left, which empties the bitmap\n";
	struct plan *p;
	int one_disk, other;

	load("raid6-n-continue", true);
	one_disk = rig_disk_in(&r, 1);
	other = rig_disk_in(&r, 3);
	gone(1, one_disk);
	gone(3, other);
	memset(r.absent, 0, sizeof(r.absent));
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(one(STEP_READD_MEMBER, i ? other : one_disk), "0 ok by bitmap\n");
		rig_rebuilt(&r);
		assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	}
	assert_string_equal(rig_states(&r), "iiii");
	for (unsigned ended = 0; ended < 2; ended++) {
		gone(3, other);
		assert_string_equal(one(STEP_FAIL_MEMBER, one_disk), "0 ok \n");
		assert_string_equal(one(STEP_REMOVE_MEMBER, one_disk), "0 ok \n");
		assert_string_equal(one(STEP_ADD_SPARE, one_disk), "0 ok \n");
		p = plan_of(STEP_ACTIVATE_SPARE, one_disk);
		p->step[0].slot = 1;
		assert_string_equal(outcome(p), "0 ok \n");
		if (ended) {
			rig_rebuilt(&r);
			assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
		}
		assert_string_equal(rig_states(&r), ended ? "iiim" : "irim");
		r.absent[other] = false;
		assert_string_equal(one(STEP_READD_MEMBER, other), full);
		rig_rebuilt(&r);
		assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
		assert_string_equal(rig_states(&r), "iiii");
	}
	gone(3, other);
	r.absent[other] = false;
	assert_string_equal(one(STEP_READD_MEMBER, other), "0 ok by bitmap\n");
	rig_free(&r);
}

static void spares(void **state _unused_)
{
	struct plan *p;

	load("spare-global", true);
	assert_string_equal(one(STEP_ADD_SPARE, SPARE), "0 already \n");
	assert_non_null(strstr(one(STEP_REMOVE_SPARE, rig_disk_in(&r, 0)), "is no spare"));
	assert_non_null(strstr(one(STEP_ACTIVATE_SPARE, SPARE), "v5 has no slot to fill"));
	shows("remove-spare", plan_of(STEP_REMOVE_SPARE, SPARE));
	assert_string_equal(one(STEP_REMOVE_SPARE, SPARE), "0 ok \n");
	assert_string_equal(one(STEP_REMOVE_SPARE, SPARE), "0 already \n");
	shows("add-spare", plan_of(STEP_ADD_SPARE, SPARE));
	assert_string_equal(one(STEP_ADD_SPARE, SPARE), "0 ok \n");
	p = plan_of(STEP_ACTIVATE_SPARE, SPARE);
	p->step[0].slot = 1;
	assert_string_equal(outcome(p), "slot 1 of v5 has a working member");
	p = plan_of(STEP_FAIL_MEMBER, rig_disk_in(&r, 1));
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE);
	shows("fail-and-spare", p);
	p = plan_of(STEP_FAIL_MEMBER, rig_disk_in(&r, 1));
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE);
	assert_string_equal(outcome(p), "0 ok \n1 ok \n");
	assert_string_equal(rig_states(&r), "iri");
	assert_string_equal(one(STEP_ACTIVATE_SPARE, SPARE), "0 already \n");
	assert_true(!rig_disagrees(&r));
	rig_free(&r);
}

/* A spare that cannot be written does not enter, and the step says so; the failure itself stands. */
static void spare_fails(void **state _unused_)
{
	struct plan *p;

	load("spare-global", true);
	fake_disk_fail_write(r.disk[SPARE], 1, EIO);
	p = plan_of(STEP_FAIL_MEMBER, rig_disk_in(&r, 1));
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE);
	assert_string_equal(outcome(p), "sdc failed while it entered v5: Input/output error");
	assert_string_equal(buf_str(&r.steps), "0 ok \n1 failed sdc failed while it entered v5: Input/output error\n");
	assert_string_equal(rig_states(&r), "ifi");
	assert_true(!rig_disagrees(&r));
	rig_free(&r);
}

/* A survivor that cannot be written: what was planned is taken back, and it is failed instead. */
static void survivor_fails(void **state _unused_)
{
	int disk;

	load("spare-global", true);
	disk = rig_disk_in(&r, 0);
	fake_disk_fail_write(r.disk[disk], 3, EIO);
	assert_string_equal(one(STEP_FAIL_MEMBER, rig_disk_in(&r, 1)),
			    "v5 cannot do without sdb, whose metadata cannot be written: Input/output error");
	assert_string_equal(rig_states(&r), "fii");
	assert_true(!rig_disagrees(&r));
	rig_free(&r);
}

/* Two disks are pulled, and the array that cannot do without them is spared an update that they would miss, as long as
 * they are said to be here. When they are known to be gone, nothing of theirs is in the way of the rest of the set. */
static void failed_beside(void **state _unused_)
{
	int gone[] = {0, 1};

	load("spare-global", true);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		gone[i] = rig_disk_in(&r, (unsigned)gone[i]);
		fake_disk_pull(r.disk[gone[i]], true);
	}
	rig_write(&r);
	assert_non_null(strstr(one(STEP_REMOVE_SPARE, SPARE), "v5 cannot do without "));
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		r.absent[gone[i]] = true;
	assert_string_equal(one(STEP_REMOVE_SPARE, SPARE), "0 ok \n");
	assert_string_equal(rig_states(&r), "iii");
	rig_free(&r);
}

/* What the slot's devices of the disk lie on: "linear .." or "mirror ..". */
static const char *leg(const char *kind, unsigned slot, const char *ref)
{
	static char name[64];
	const char *live;

	snprintf(name, sizeof(name), "%s-%s%u-%s", r.volume[0].top, kind, slot, ref);
	live = fake_dm_live(r.dm, name);
	return live ? strchr(strchr(live, ' ') + 1, ' ') + 1 : "none";
}

/* A member is copied to a spare: mirrors under the array, whose table stays; when both are whole the spare has the
 * slot, in sync, and the old disk is failed. Also by another act. */
static void replace(void **state _unused_)
{
	char ref[META_REF_MAX];
	struct plan *p;
	int old;

	load("spare-global", true);
	old = rig_disk_in(&r, 1);
	snprintf(ref, sizeof(ref), "%s", r.x->run[0]->listed[1]);
	p = rig_plan(&r, 0);
	rig_step_replace(p, old, SPARE);
	shows("replace-member", p);
	assert_string_equal(leg("leg", 1, ref), "linear 8:48 0");
	p = rig_plan(&r, 0);
	rig_step_replace(p, old, SPARE);
	assert_string_equal(outcome(p), "0 ok \n");
	assert_string_equal(leg("leg", 1, ref), "mirror core 1 512 2 8:48 0 8:32 0 1 handle_errors");
	assert_non_null(strstr(leg("meta", 1, ref), "mirror core 1 "));
	assert_non_null(strstr(leg("meta", 1, ref), " 2 8:48 "));
	p = rig_plan(&r, 0);
	rig_step_replace(p, old, SPARE);
	assert_string_equal(outcome(p), "0 already \n");
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_int_equal(rig_disk_in(&r, 1), old);
	rig_restart_act(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	rig_write(&r);
	rig_copied(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_int_equal(rig_disk_in(&r, 1), SPARE);
	assert_string_equal(rig_states(&r), "iii");
	assert_string_equal(fake_dm_health(r.dm, r.volume[0].top), "AAA");
	assert_true(meta_view_disk(r.x->set.view, ref)->failed);
	assert_string_equal(leg("leg", 1, ref), "none");
	assert_string_equal(leg("leg", 1, r.x->run[0]->listed[1]), "linear 8:32 0");
	assert_true(!rig_disagrees(&r) && !rig_stale(&r));
	rig_free(&r);
}

static void begin_replace(const char *name, int by)
{
	struct plan *p;

	load(name, true);
	p = rig_plan(&r, 0);
	rig_step_replace(p, rig_disk_in(&r, 1), by);
	assert_string_equal(outcome(p), "0 ok \n");
	rig_write(&r);
}

static bool anything_copied(void)
{
	for (size_t i = 0; i < r.x->n_legs; i++)
		if (r.x->leg[i].copies)
			return true;
	return false;
}

/* What ends a copy leaves the old disk a member, and the array with all its redundancy: a person, a failed member that
 * needs the spare, places that cannot be read where no redundancy would be left. */
static void replace_breaks(void **state _unused_)
{
	struct plan *p;
	int old;

	for (int how = 0; how < 3; how++) {
		begin_replace("spare-global", SPARE);
		old = rig_disk_in(&r, 1);
		p = rig_plan(&r, 0);
		if (how == 0) {
			rig_step(p, STEP_REPLACE_MEMBER, old)->undo = true;
		} else if (how == 1) {
			rig_fail(&r, 0);
			rig_step(p, STEP_ACTIVATE_SPARE, SPARE);
		} else {
			rig_unreadable(&r);
			rig_step(p, STEP_RECORD, -1);
		}
		assert_string_equal(outcome(p), "0 ok \n");
		assert_false(anything_copied());
		assert_int_equal(rig_disk_in(&r, 1), old);
		assert_string_equal(rig_states(&r), how == 1 ? "rii" : "iii");
		assert_string_equal(r.x->run[0]->copy_ended, how == 2 ? "it cannot be read everywhere" : "");
		rig_write(&r);
		assert_true(!rig_stale(&r) && !rig_disagrees(&r));
		rig_free(&r);
	}
}

/* The new disk dies after all was copied, and before that was recorded. */
static void replace_loses_new(void **state _unused_)
{
	int old;

	begin_replace("spare-global", SPARE);
	old = rig_disk_in(&r, 1);
	rig_copied(&r);
	fake_disk_pull(r.disk[SPARE], true);
	rig_write(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_false(anything_copied());
	assert_int_equal(rig_disk_in(&r, 1), old);
	assert_string_equal(rig_states(&r), "iii");
	rig_free(&r);
}

static const char *table(void)
{
	return fake_dm_live(r.dm, r.volume[0].top);
}

/* What stands in the table alone: a new table has it from the old one, also by another act; a stop ends it. */
static void options(void **state _unused_)
{
	struct plan *p;

	load("raid1", true);
	assert_string_equal(one(STEP_READ_LAST, rig_disk_in(&r, 1)), "0 ok \n");
	assert_non_null(strstr(table(), " write_mostly 1 "));
	assert_string_equal(one(STEP_READ_LAST, rig_disk_in(&r, 1)), "0 already \n");
	rig_restart_act(&r);
	p = plan_of(STEP_REBUILD_SPEED, -1);
	p->step[0].rate = 500 * 1024;
	assert_string_equal(outcome(p), "0 ok \n");
	assert_non_null(strstr(table(), " min_recovery_rate 500 max_recovery_rate 500 write_mostly 1 "));
	p = plan_of(STEP_REBUILD_SPEED, -1);
	p->dry_run = true;
	outcome(p);
	assert_non_null(strstr(r.show, "raid1 3 0 write_mostly 1 "));
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_non_null(strstr(table(), " max_recovery_rate 500 "));
	p = plan_of(STEP_READ_LAST, rig_disk_in(&r, 1));
	p->step[0].undo = true;
	assert_string_equal(outcome(p), "0 ok \n");
	assert_null(strstr(table(), "write_mostly"));
	assert_int_equal(rig_stop(&r), 0);
	p = plan_of(STEP_ASSEMBLE, -1);
	rig_step(p, STEP_READ_LAST, rig_disk_in(&r, 0));
	assert_string_equal(outcome(p), "0 ok \n1 ok \n");
	assert_non_null(strstr(table(), "raid1 3 0 write_mostly 0 "));
	assert_null(fake_dm_violation_at_end(r.dm));
	rig_free(&r);
	load("spare-global", true);
	assert_non_null(strstr(one(STEP_READ_LAST, rig_disk_in(&r, 1)), "is no RAID1"));
	rig_free(&r);
}

/* Of two arrays on the same disks the one with less redundancy is rebuilt first; the other is when that is done. */
static void one_after_the_other(void **state _unused_)
{
	struct plan *p;
	int disk;

	load("two-volumes", true);
	disk = rig_disk_in(&r, 1);
	assert_string_equal(one(STEP_FAIL_MEMBER, disk), "0 ok \n");
	assert_string_equal(rig_states(&r), "ifii/ifiii");
	p = rig_plan(&r, 1);
	rig_step(p, STEP_READD_MEMBER, disk);
	assert_non_null(strstr(outcome(p), "0 ok"));
	assert_string_equal(rig_states(&r), "irii/iriii");
	assert_int_equal(r.x->run[0]->status.action, DM_RECOVER);
	assert_int_equal(r.x->run[1]->status.action, DM_FROZEN);
	rig_rebuilt(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_string_equal(rig_states(&r), "iiii/iriii");
	assert_int_equal(r.x->run[1]->status.action, DM_RECOVER);
	rig_rebuilt(&r);
	assert_string_equal(one(STEP_RECORD, -1), "0 ok \n");
	assert_string_equal(rig_states(&r), "iiii/iiiii");
	rig_free(&r);
}

/* A comparison runs in the kernel; a new table ends it, which is said. */
/* When the history was waited for, in records of the plan; -1: not at all. */
static int waited(struct plan *p, enum plan_origin origin)
{
	p->origin = origin;
	assert_int_equal(rig_run(&r, p, NULL), 0);
	return r.waited == SIZE_MAX ? -1 : (int)(r.waited - r.begun);
}

/* What was decided waits for the history before its first write; not together with what the kernel found, nor is that
 * waited with. */
static void waits_for_history(void **state _unused_)
{
	load("spare-global", true);
	assert_int_equal(waited(plan_of(STEP_REMOVE_SPARE, SPARE), PLAN_OPERATOR), 0);
	assert_int_equal(waited(plan_of(STEP_REMOVE_SPARE, SPARE), PLAN_OPERATOR), -1); /* nothing to write */
	assert_int_equal(waited(plan_of(STEP_ADD_SPARE, SPARE), PLAN_RULE), 0);
	rig_fail(&r, 1);
	assert_int_equal(waited(plan_of(STEP_RECORD, -1), PLAN_BUILTIN), -1);
	assert_string_equal(rig_states(&r), "ifi");
	assert_int_equal(waited(plan_of(STEP_ACTIVATE_SPARE, SPARE), PLAN_RULE), 0);
	rig_rebuilt(&r);
	assert_int_equal(waited(plan_of(STEP_RECORD, -1), PLAN_BUILTIN), -1);
	rig_fail(&r, 2);
	assert_int_equal(waited(plan_of(STEP_ADD_SPARE, rig_spare_disk(&r)), PLAN_OPERATOR), -1);
	rig_free(&r);
}

static void scrub(void **state _unused_)
{
	struct plan *p;

	load("raid1", true);
	assert_string_equal(one(STEP_SCRUB, -1), "0 ok \n");
	assert_int_equal(r.x->run[0]->status.action, DM_CHECK);
	assert_non_null(strstr(fake_dm_log(r.dm), " check\n"));
	p = plan_of(STEP_SCRUB, -1);
	p->step[0].repair = true;
	assert_non_null(strstr(outcome(p), "is busy: check"));
	assert_false(r.x->run[0]->scrub_cut);
	assert_string_equal(one(STEP_READ_LAST, rig_disk_in(&r, 1)), "0 ok \n");
	assert_true(r.x->run[0]->scrub_cut);
	assert_int_equal(r.x->run[0]->status.action, DM_IDLE);
	p = plan_of(STEP_SCRUB, -1);
	p->step[0].repair = true;
	assert_string_equal(outcome(p), "0 ok \n");
	assert_false(r.x->run[0]->scrub_cut);
	p = plan_of(STEP_SCRUB, -1);
	p->step[0].undo = true;
	assert_string_equal(outcome(p), "0 ok \n");
	assert_int_equal(r.x->run[0]->status.action, DM_IDLE);
	assert_true(r.x->run[0]->scrub_cut);
	rig_free(&r);
}

/* Stamps have two copies, written in turn: what waits in a cache when the other one is written could be torn with it.
 */
static void nothing_waits_in_a_cache(void **state _unused_)
{
	load("spare-global", true);
	fake_disks_mark(r.disks);
	assert_int_equal(rig_stop(&r), 0);
	assert_true(fake_disks_recorded(r.disks) > 0);
	for (size_t i = 0; i < fake_disks_recorded(r.disks); i++) {
		const struct fake_record *w = fake_disks_record(r.disks, i);
		bool flushed = w->op == FAKE_FLUSH;

		for (size_t k = i + 1; k < fake_disks_recorded(r.disks) && !flushed; k++)
			flushed = fake_disks_record(r.disks, k)->op == FAKE_FLUSH &&
				  fake_disks_record(r.disks, k)->disk == w->disk;
		assert_true(flushed);
	}
	rig_free(&r);
}

static int end(void **state _unused_)
{
	rig_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(assemble_and_stop),
		unit(start_refused),
		unit(fail_and_remove),
		unit(readd),
		unit(readd_beside_a_rebuild),
		unit(spares),
		unit(spare_fails),
		unit(survivor_fails),
		unit(failed_beside),
		unit(options),
		unit(scrub),
		unit(waits_for_history),
		unit(replace),
		unit(replace_breaks),
		unit(one_after_the_other),
		unit(replace_loses_new),
		unit(nothing_waits_in_a_cache),
	};

	log_setup((enum log_level)0, NULL);
	return cmocka_run_group_tests(tests, NULL, end);
}
