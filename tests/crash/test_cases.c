// SPDX-License-Identifier: GPL-2.0-or-later
/* On the crash tests' machine, one by one: what each of these went wrong by, or would. */
#include "tests/crash/rig.h"
#include "tests/unit/unit.h"

#include "core/log.h"

#include <errno.h>

static void start(struct rig *r)
{
	assert_int_equal(rig_assemble(r, true, false, NULL), 0);
	rig_write(r);
}

/* More are pulled than the array can lose, what is left of it is stopped, and they are back. The kernel has noted in
 * the others' slices that they failed: only a forced start goes on, with all that was acknowledged. */
static void stop_beyond_redundancy(void **state _unused_)
{
	static const struct {
		const char *golden;
		unsigned pulled; /* the first slots: of a RAID10 a pair */
	} sets[] = {{"spare-global", 2}, {"raid6-n-continue", 3}, {"raid10", 2}, {"raid4", 2}, {"raid1e-three", 2}};

	for (size_t k = 0; k < ARRAY_SIZE(sets); k++) {
		struct err why;
		struct rig r;
		size_t n;

		rig_load(&r, sets[k].golden);
		start(&r);
		for (unsigned i = 0; i < sets[k].pulled; i++)
			r.absent[rig_disk_in(&r, i)] = true;
		assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
		n = fake_disks_recorded(r.disks);
		assert_int_equal(rig_stop(&r), 0);
		assert_true(!rig_running(&r));
		assert_int_equal(fake_disks_recorded(r.disks), n);
		memset(r.absent, 0, sizeof(r.absent));
		assert_true(rig_assemble(&r, true, false, &why) < 0);
		assert_int_equal(rig_assemble(&r, true, true, &why), 0);
		assert_true(strchr(rig_states(&r), 'f') && !rig_stale(&r));
		rig_free(&r);
	}
}

static size_t claims(struct rig *r)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	const struct dm_ops *dm = fake_dm_ops(r->dm);
	char prefix[128];
	size_t n = 0;

	snprintf(prefix, sizeof(prefix), "SPARED-ddf-%s-claim-", r->set);
	assert_int_equal(dm->list(dm->u, prefix, &all, &n, NULL), 0);
	return n;
}

/* Every disk of the set is held until the set is let go of, and a set that runs is not. */
static void release(void **state _unused_)
{
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	assert_int_equal(claims(&r), r.n_disks);
	assert_int_equal(rig_one(&r, STEP_RELEASE, -1), -EBUSY);
	assert_int_equal(claims(&r), r.n_disks);
	assert_int_equal(rig_stop(&r), 0);
	assert_int_equal(claims(&r), r.n_disks);
	assert_int_equal(rig_one(&r, STEP_RELEASE, -1), 0);
	assert_int_equal(claims(&r), 0);
	assert_int_equal(rig_one(&r, STEP_RELEASE, -1), 0);
	rig_free(&r);
}

/* A failure that a swap saw on its way, and that nobody could record any more, ends with its table. */
static void start_after_seen_failure(void **state _unused_)
{
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	r.x->run[0]->seen_failed[0] = r.x->run[0]->seen_failed[1] = true;
	assert_int_equal(rig_stop(&r), 0);
	assert_int_equal(rig_assemble(&r, false, false, NULL), 0);
	assert_string_equal(fake_dm_health(r.dm, r.volume[0].top), "AAA");
	rig_free(&r);
}

static int of_snapshot(struct rig *r, enum step_op op, const char *name)
{
	struct plan *p = rig_plan(r, 0);
	struct step *s = rig_step(p, op, -1);

	snprintf(s->to, sizeof(s->to), "%s", name);
	snprintf(s->by, sizeof(s->by), "/dev/loop0");
	return rig_run(r, p, NULL);
}

/* An array with a snapshot is not stopped by mistake; at the machine's end it is. A second one adds no layer. */
static void stop_with_snapshot(void **state _unused_)
{
	static const char *const names[] = {"one", "two"};
	struct plan *p;
	struct err why;
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(of_snapshot(&r, STEP_SNAPSHOT, names[i / 2]), 0);
		assert_memory_equal(buf_str(&r.steps), i % 2 ? "0 already" : "0 ok /dev", 9);
	}
	rig_write(&r);
	assert_int_equal(r.x->run[0]->n_snapshots, 2);
	assert_null(strstr(fake_dm_live(r.dm, "v5-real"), "snapshot"));
	/* Neither end of what it fills has anything of the array. */
	assert_string_equal(fake_dm_live(r.dm, "v5-cow-one"), "0 12288 linear 7:0 2048");
	assert_int_equal(r.x->run[0]->snapshot[0].cow.major, 7);
	p = rig_plan(&r, 0);
	rig_step(p, STEP_STOP, -1);
	assert_int_equal(rig_run(&r, p, &why), -EBUSY);
	assert_non_null(strstr(why.msg, "has the snapshot"));
	assert_true(rig_running(&r));
	p = rig_plan(&r, 0);
	p->origin = PLAN_SHUTDOWN;
	rig_step(p, STEP_STOP, -1);
	assert_int_equal(rig_run(&r, p, NULL), 0);
	assert_null(fake_dm_live(r.dm, "v5"));
	assert_null(fake_dm_live(r.dm, "v5-real"));
	assert_null(fake_dm_live(r.dm, "v5-snap-one"));
	assert_null(fake_dm_live(r.dm, "v5-cow-one"));
	assert_int_equal(rig_assemble(&r, false, false, NULL), 0);
	assert_null(rig_stale(&r));
	assert_null(fake_dm_violation_at_end(r.dm));
	rig_free(&r);
}

/* A snapshot is of the array's size: with one it stays as it is, also in its metadata. */
static void grow_with_snapshot(void **state _unused_)
{
	struct plan *p;
	struct err why;
	struct rig r;

	rig_load(&r, "spare-global");
	start(&r);
	assert_int_equal(of_snapshot(&r, STEP_SNAPSHOT, "one"), 0);
	p = rig_plan(&r, 0);
	rig_step(p, STEP_GROW, -1);
	assert_int_equal(rig_run(&r, p, &why), -EBUSY);
	assert_non_null(strstr(why.msg, "has snapshots"));
	rig_write(&r);
	assert_int_equal(of_snapshot(&r, STEP_DROP_SNAPSHOT, "one"), 0);
	rig_write(&r);
	assert_int_equal(rig_one(&r, STEP_GROW, -1), 0);
	rig_write(&r);
	assert_string_equal(buf_str(&r.steps), "0 ok \n");
	assert_null(fake_dm_violation_at_end(r.dm));
	rig_free(&r);
}

/* What is known of a disk's health is on all disks of the set, adds up, and nothing else changes. */
static void note_disk(void **state _unused_)
{
	static const struct {
		const char *word;
		bool predicted, read_errors;
		const char *result;
	} notes[] = {{"read-errors", false, true, "0 ok"},
		     {"read-errors", false, true, "0 already"},
		     {"predicted-failure", true, true, "0 ok"},
		     {"well", false, false, "0 ok"}};
	struct rig r;
	int disk;

	rig_load(&r, "spare-global");
	start(&r);
	disk = rig_disk_in(&r, 1);
	for_rows (i, notes) {
		struct plan *p = rig_plan(&r, 0);
		struct step *s = rig_step(p, STEP_NOTE_DISK, disk);
		const struct meta_disk *md = NULL;

		snprintf(s->to, sizeof(s->to), "%s", notes[i].word);
		assert_int_equal(rig_run(&r, p, NULL), 0);
		assert_memory_equal(buf_str(&r.steps), notes[i].result, strlen(notes[i].result));
		for (size_t k = 0; k < r.x->set.n_disks; k++)
			if (strcmp(r.x->set.disk[k]->device.node, fake_disk_name(r.disk[disk])) == 0)
				md = meta_view_disk(r.x->set.view, r.x->set.disk[k]->ref);
		assert_true(md && md->predicted == notes[i].predicted && md->read_errors == notes[i].read_errors);
		assert_string_equal(rig_states(&r), "iii");
	}
	rig_free(&r);
}

/* A disk of two volumes is failed for both: the RAID5 has lost one already, so the RAID6 does not give up another. */
static void fail_with_two_volumes(void **state _unused_)
{
	struct err why;
	struct plan *p;
	struct rig r;

	rig_load(&r, "two-volumes");
	assert_int_equal(rig_one(&r, STEP_FAIL_MEMBER, rig_disk_in(&r, 1)), 0);
	assert_string_equal(rig_states(&r), "ifii/ifiii");
	p = rig_plan(&r, 1);
	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(&r, 0));
	assert_int_equal(rig_run(&r, p, &why), -EBUSY);
	assert_non_null(strstr(why.msg, "serves r5 too"));
	assert_string_equal(rig_states(&r), "ifii/ifiii");
	p = rig_plan(&r, 1);
	rig_step(p, STEP_FAIL_MEMBER, 4);
	assert_int_equal(rig_run(&r, p, NULL), 0);
	assert_string_equal(rig_states(&r), "ifii/ifiif");
	rig_free(&r);
}

/* What failed and is gone at once was pulled, and may be back; what a person or a rule failed is failed. */
static void failed_or_pulled(void **state _unused_)
{
	struct plan *p;
	struct rig r;
	int disk;

	rig_load(&r, "spare-global");
	start(&r);
	rig_fail(&r, 1);
	rig_write(&r);
	disk = rig_disk_in(&r, 1);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	r.absent[disk] = true;
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	r.absent[disk] = false;
	assert_string_equal(rig_states(&r), "imi");
	r.absent[rig_disk_in(&r, 1)] = true;
	p = rig_plan(&r, 0);
	rig_step(p, STEP_FAIL_MEMBER, -1)->slot = 1;
	assert_int_equal(rig_run(&r, p, NULL), 0);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	assert_string_equal(rig_states(&r), "ifi");
	rig_free(&r);
	rig_load(&r, "spare-global");
	start(&r);
	assert_int_equal(rig_one(&r, STEP_FAIL_MEMBER, rig_disk_in(&r, 1)), 0);
	r.absent[rig_disk_in(&r, 1)] = true;
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	assert_string_equal(rig_states(&r), "ifi");
	rig_free(&r);
}

/* The other disk takes the place of the first volume's slot 1, and is made whole. */
static void take_turns(struct rig *r, int from, int to)
{
	if (from >= 0)
		assert_int_equal(rig_one(r, STEP_FAIL_MEMBER, from), 0);
	assert_int_equal(rig_one(r, STEP_ACTIVATE_SPARE, to), 0);
	rig_rebuilt(r);
	assert_int_equal(rig_one(r, STEP_RECORD, -1), 0);
	assert_string_equal(rig_states(r), "iii");
}

static const struct meta_disk *disk_by_number(struct rig *r, int disk)
{
	for (size_t i = 0; i < r->x->set.n_disks; i++)
		if (r->x->set.disk[i]->dev && strcmp(r->x->set.disk[i]->dev->name, fake_disk_name(r->disk[disk])) == 0)
			return meta_view_disk(r->x->set.view, r->x->set.disk[i]->ref);
	return NULL;
}

/* A disk that was pulled and lost its place to a spare is none itself when it is back, but can be given as one. */
static void displaced(void **state _unused_)
{
	const struct meta_disk *md;
	struct rig r;
	int disk, spare;

	rig_load(&r, "spare-global");
	start(&r);
	disk = rig_disk_in(&r, 1);
	spare = rig_spare_disk(&r);
	take_turns(&r, disk, spare);
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, disk), 0);
	take_turns(&r, spare, disk); /* the format keeps the mark of a spare on one that is in use */
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, spare), 0);
	rig_fail(&r, 1);
	rig_write(&r);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	r.absent[disk] = true;
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	assert_string_equal(rig_states(&r), "imi");
	take_turns(&r, -1, spare);
	r.absent[disk] = false;
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	md = disk_by_number(&r, disk);
	assert_true(md && md->failed && !md->spare);
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, disk), 0);
	take_turns(&r, spare, disk);
	rig_free(&r);
}

static void copy(struct rig *r, enum step_op op, int from, int to)
{
	struct plan *p = rig_plan(r, 0);

	rig_step_replace(p, from, to)->op = op;
	assert_int_equal(rig_run(r, p, NULL), 0);
	rig_write(r);
	rig_copied(r);
	assert_int_equal(rig_one(r, STEP_RECORD, -1), 0);
	assert_string_equal(rig_states(r), "iii");
	assert_true(rig_in_slot(r, (unsigned)to) && !rig_in_slot(r, (unsigned)from) && !rig_stale(r));
}

/* A spare that was copied back is one again, and a member that was replaced for its own sake is none: whatever it was
 * called before. A revertible one says so itself while it serves, and afterwards, also to the next act process. */
static void copied_back(void **state _unused_)
{
	const struct meta_disk *md;
	struct plan *p;
	struct rig r;
	int disk, spare;

	rig_load(&r, "spare-global");
	start(&r);
	disk = rig_disk_in(&r, 1);
	spare = rig_spare_disk(&r);
	take_turns(&r, disk, spare);
	assert_false(disk_by_number(&r, spare)->stands_in);
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, disk), 0);
	copy(&r, STEP_COPY_BACK, spare, disk);
	md = disk_by_number(&r, spare);
	assert_true(md->spare && !md->failed && !md->revertible && !md->dedicated);
	p = rig_plan(&r, 0);
	rig_step(p, STEP_ADD_SPARE, spare)->revertible = true;
	assert_int_equal(rig_run(&r, p, NULL), 0);
	assert_true(disk_by_number(&r, spare)->revertible);
	take_turns(&r, disk, spare);
	rig_restart_act(&r);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	md = disk_by_number(&r, spare);
	assert_true(md->stands_in && md->revertible && !md->spare);
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, disk), 0);
	copy(&r, STEP_COPY_BACK, spare, disk);
	rig_restart_act(&r);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	md = disk_by_number(&r, spare);
	assert_true(md->spare && md->revertible && !md->stands_in && !md->failed);
	take_turns(&r, disk, spare);
	assert_int_equal(rig_one(&r, STEP_ADD_SPARE, disk), 0);
	copy(&r, STEP_REPLACE_MEMBER, spare, disk);
	md = disk_by_number(&r, spare);
	assert_true(md->failed && !md->spare && !md->stands_in);
	rig_free(&r);
}

/* A spare is made revertible, of its enclosure, and for an array, one after the other: it keeps what it was. */
static void spare_kinds(void **state _unused_)
{
	const struct meta_disk *md;
	struct plan *p;
	struct step *s;
	struct rig r;
	int spare;

	rig_load(&r, "spare-global");
	start(&r);
	spare = rig_spare_disk(&r);
	p = rig_plan(&r, 0);
	rig_step(p, STEP_ADD_SPARE, spare)->dedicated = true;
	assert_int_equal(rig_run(&r, p, NULL), 0);
	p = rig_plan(&r, 0);
	p->volume[0] = '\0'; /* of the set: no array was named */
	s = rig_step(p, STEP_ADD_SPARE, spare);
	s->dedicated = s->revertible = s->enclosure = true;
	assert_int_equal(rig_run(&r, p, NULL), 0);
	rig_restart_act(&r);
	assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
	md = disk_by_number(&r, spare);
	assert_true(md->spare && md->dedicated && md->revertible && md->enclosure);
	assert_int_equal(md->n_dedicated, 1);
	rig_free(&r);
}

/* One of two halves that went on alone is wiped: the other is the set, also for an act process that saw both. */
static void half_wiped(void **state _unused_)
{
	struct err why;
	struct rig r;
	int a, b;

	rig_load(&r, "raid1");
	a = rig_disk_in(&r, 0);
	b = rig_disk_in(&r, 1);
	for (int half = 0; half < 2; half++) {
		r.absent[a] = half == 1;
		r.absent[b] = half == 0;
		rig_power_cycle(&r);
		assert_int_equal(rig_assemble(&r, true, half == 1, NULL), 0);
		rig_write(&r);
		assert_int_equal(rig_stop(&r), 0);
	}
	r.absent[b] = r.absent[a] = false;
	assert_true(rig_assemble(&r, true, true, &why) < 0);
	assert_non_null(strstr(why.msg, "went on alone"));
	r.absent[b] = true;
	assert_int_equal(rig_assemble(&r, true, true, &why), 0);
	rig_free(&r);
}

/* Either half of these can run: slots 0 and 1 or the others of a RAID6, one of each pair of a RAID10. Together they are
 * refused, by force, too, and nothing is written; a forced start to look shows one, and decides nothing. */
static void two_halves(void **state _unused_)
{
	static const struct {
		const char *golden;
		bool first[4]; /* slots of the first half */
	} sets[] = {{"raid6-n-continue", {true, true}}, {"raid10", {true, false, true}}};

	for (size_t n = 0; n < ARRAY_SIZE(sets); n++) {
		struct step *look;
		struct plan *p;
		int disk[4];
		struct rig r;
		size_t down;

		rig_load(&r, sets[n].golden);
		for (unsigned i = 0; i < 4; i++)
			disk[i] = rig_disk_in(&r, i);
		for (int half = 0; half < 2; half++) {
			for (unsigned i = 0; i < 4; i++)
				r.absent[disk[i]] = sets[n].first[i] == (half == 1);
			rig_power_cycle(&r);
			assert_int_equal(rig_assemble(&r, true, half == 1, NULL), 0);
			rig_write(&r);
			assert_int_equal(rig_stop(&r), 0);
		}
		memset(r.absent, 0, sizeof(r.absent));
		rig_power_cycle(&r);
		down = fake_disks_recorded(r.disks);
		assert_int_equal(rig_assemble(&r, true, false, NULL), -ESTALE);
		assert_int_equal(rig_assemble(&r, true, true, NULL), -ESTALE);
		assert_int_equal(fake_disks_recorded(r.disks), down);
		p = rig_plan(&r, 0);
		look = rig_step(p, STEP_ASSEMBLE, -1);
		look->degraded = look->force = look->read_only = true;
		assert_int_equal(rig_run(&r, p, NULL), 0);
		assert_int_equal(rig_stop(&r), 0);
		assert_int_equal(rig_assemble(&r, true, true, NULL), -ESTALE);
		rig_free(&r);
	}
}

/* mdadm was stopped amid the second rebuild of a spare that serves two arrays: it is told what is to be said, by force,
 * too; the other array runs. */
static void in_doubt(void **state _unused_)
{
	struct err why;
	struct rig r;

	rig_load(&r, "two-behind");
	for (int force = 0; force < 2; force++) {
		assert_int_equal(rig_assemble(&r, true, force, &why), -ENODATA);
		assert_non_null(strstr(why.msg, "do not say which"));
		assert_non_null(strstr(why.msg, "sparectl array fail b DISK"));
	}
	rig_free(&r);
}

/* A new act process whose first look at the kernel fails looks again. */
static void first_look_fails(void **state _unused_)
{
	unsigned n = 1, before;
	bool again;
	struct rig r;

	rig_load(&r, "spare-global");
	assert_int_equal(rig_assemble(&r, true, false, NULL), 0);
	do {
		rig_restart_act(&r);
		before = fake_dm_calls(r.dm);
		fake_dm_fail_call(r.dm, n, EIO, false);
		rig_one(&r, STEP_RECORD, -1);
		again = fake_dm_calls(r.dm) - before >= n;
		fake_dm_fail_call(r.dm, 0, 0, false);
		assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
		assert_null(rig_disagrees(&r));
		n++;
	} while (again);
	assert_true(n > 10);
	rig_free(&r);
}

/* A disk has one place for a volume: two members are not copied to it. */
static void one_copy_a_disk(void **state _unused_)
{
	struct plan *p;
	struct err why;
	struct rig r;

	rig_load(&r, "spare-global");
	assert_int_equal(rig_assemble(&r, true, false, NULL), 0);
	for (unsigned slot = 0; slot < 2; slot++) {
		p = rig_plan(&r, 0);
		rig_step_replace(p, rig_disk_in(&r, slot), rig_spare_disk(&r));
		assert_int_equal(rig_run(&r, p, &why), slot ? -EBUSY : 0);
	}
	assert_string_equal(why.msg, "another member of v5 is being copied to sdc");
	rig_free(&r);
}

/* A mirror of so many blank disks, and a spare: made, started, and amid its first resync. */
static void born(struct rig *r, unsigned slots)
{
	static const char *const names[] = {"sda", "sdb", "sdc", "sdd"};
	struct rig like = {.n_disks = slots + 1, .n_volumes = 1, .seed = 42};
	struct fake_disks *disks = fake_disks_new();
	struct plan_create *c = calloc(1, sizeof(*c));
	struct plan *p;

	for (size_t i = 0; i < like.n_disks; i++)
		fake_disk_add(disks, names[i], 131072, 512);
	memcpy(like.set, "737061726564202030303030303030315834d77a01020304", 49);
	memcpy(like.volume[0].guid, "737061726564202030303030303030325834d77b01020305", 49);
	snprintf(like.volume[0].top, sizeof(like.volume[0].top), "born");
	rig_boot(r, disks, &like, 0);
	p = rig_plan(r, 0);
	snprintf(p->array_name, sizeof(p->array_name), "born");
	p->create = c;
	*c = (struct plan_create){.new_set = true, .level = RAID1, .sectors = 2048, .n_slots = slots};
	for (c->n_disks = 0; c->n_disks < like.n_disks; c->n_disks++) {
		const struct plan_device *d = &p->devices[c->n_disks];

		snprintf(c->disk[c->n_disks].device, sizeof(c->disk[0].device), "%s", d->id);
		snprintf(c->disk[c->n_disks].name, sizeof(c->disk[0].name), "%s", d->node);
	}
	rig_step(p, STEP_CREATE, -1);
	rig_step(p, STEP_ASSEMBLE, -1);
	assert_int_equal(rig_run(r, p, NULL), 0);
	rig_write(r);
}

static bool initialised(struct rig *r)
{
	assert_null(rig_unmade(r, false));
	return exec_volume(r->x, r->volume[0].guid)->initialised;
}

static void resync_ends(struct rig *r)
{
	rig_rebuilt(r);
	assert_int_equal(rig_one(r, STEP_RECORD, -1), 0);
	rig_write(r);
}

static void member_fails(struct rig *r)
{
	rig_fail(r, 1);
	rig_write(r);
	assert_int_equal(rig_one(r, STEP_RECORD, -1), 0);
}

static void spare_enters(struct rig *r)
{
	member_fails(r);
	assert_int_equal(rig_one(r, STEP_ACTIVATE_SPARE, rig_spare_disk(r)), 0);
	rig_write(r);
}

static void returns(struct rig *r)
{
	int disk = rig_disk_in(r, 1);

	r->absent[disk] = true;
	member_fails(r);
	r->absent[disk] = false;
	assert_int_equal(rig_one(r, STEP_READD_MEMBER, disk), 0);
	rig_write(r);
}

/* A spare enters amid the first resync. Of three, two were never compared: a repair is asked for once, and the next
 * start resyncs all. Of two, the rebuild has made it. */
static void spare_amid_resync(void **state _unused_)
{
	for (unsigned slots = 2; slots <= 3; slots++) {
		struct rig r;
		const char *repair;

		born(&r, slots);
		assert_false(initialised(&r));
		spare_enters(&r);
		resync_ends(&r);
		assert_int_equal(initialised(&r), slots == 2);
		repair = strstr(fake_dm_log(r.dm), "message born repair");
		assert_int_equal(!repair, slots == 2);
		resync_ends(&r);
		rig_restart_act(&r);
		assert_int_equal(rig_one(&r, STEP_RECORD, -1), 0);
		assert_int_equal(initialised(&r), slots == 2);
		rig_power_cycle(&r);
		start(&r);
		assert_int_equal(initialised(&r), slots == 2);
		resync_ends(&r);
		assert_true(initialised(&r));
		assert_null(strstr(fake_dm_log(r.dm), "message born repair"));
		assert_null(rig_stale(&r));
		assert_null(fake_dm_violation_at_end(r.dm));
		rig_free(&r);
	}
}

/* The resync after a crash is pending, and a member enters beside it: the disk that was being rebuilt (0), a spare (1),
 * the member itself (2). None enters (3), or when that has ended (4). */
static void resync_after_a_crash(void **state _unused_)
{
	for (unsigned k = 0; k < 10; k++) {
		unsigned slots = 2 + k / 5, how = k % 5;
		bool lost = slots > 2 && how < 3;
		struct rig r;

		born(&r, slots);
		resync_ends(&r);
		assert_true(initialised(&r));
		if (how == 0)
			spare_enters(&r);
		rig_power_cycle(&r);
		start(&r);
		assert_int_equal(initialised(&r), !lost || how > 0);
		if (how == 4)
			resync_ends(&r);
		if (how == 1 || how == 4)
			spare_enters(&r);
		if (how == 2)
			returns(&r);
		assert_int_equal(initialised(&r), !lost);
		resync_ends(&r);
		assert_int_equal(initialised(&r), !lost);
		assert_int_equal(strstr(fake_dm_log(r.dm), "message born repair") != NULL, lost);
		rig_power_cycle(&r);
		start(&r);
		assert_int_equal(initialised(&r), !lost);
		resync_ends(&r);
		assert_true(initialised(&r));
		assert_null(rig_stale(&r));
		assert_null(fake_dm_violation_at_end(r.dm));
		rig_free(&r);
	}
}

static int end(void **state _unused_)
{
	rig_unload();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(stop_beyond_redundancy),
		unit(release),
		unit(start_after_seen_failure),
		unit(note_disk),
		unit(stop_with_snapshot),
		unit(grow_with_snapshot),
		unit(fail_with_two_volumes),
		unit(failed_or_pulled),
		unit(half_wiped),
		unit(two_halves),
		unit(in_doubt),
		unit(displaced),
		unit(copied_back),
		unit(first_look_fails),
		unit(one_copy_a_disk),
		unit(spare_amid_resync),
		unit(resync_after_a_crash),
		unit(spare_kinds),
	};

	log_setup((enum log_level)0, NULL);
	return cmocka_run_group_tests(tests, NULL, end);
}
