// SPDX-License-Identifier: GPL-2.0-or-later
/* Arrays and sets that are made and deleted, on the crash tests' machine: cut at every write, killed before every call
 * of the device-mapper, and with every write and flush failed. An array is there whole or not at all; what else was on
 * the disks stays as it is; and the same disks can be made an array of afterwards. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET_GUID "737061726564202030303030303030315834d77a01020304"
#define OTHER_SET "737061726564202030303030303030395834d77a01020304"
#define VOLUME_GUID "737061726564202030303030303030325834d77b01020305"

enum { SECTORS = 131072 };

/* Of the array that is deleted, or of the one in whose set another is made. */
enum state { WELL, DIRTY, DEGRADED, BROKEN, REBUILDING };

struct birth {
	const char *name;
	const char *golden; /* NULL: blank disks, and a new set */
	enum raid_level level;
	int layout;
	unsigned slots, spares, sector_size;
	unsigned first; /* of the machine's disks: those before it are written first */
	bool delete;	/* made before, deleted by the plan: with its set, if it is new */
	enum state before;
	unsigned every;
};

static const struct birth births[] = {
	{"raid1", NULL, RAID1, 0, 2, 0, 512},
	{"raid5 and a spare", NULL, RAID5, 2, 3, 1, 512},
	{"raid6", NULL, RAID6, 10, 4, 0, 512, .every = 2},
	{"raid10", NULL, RAID10, 0x102, 4, 0, 512},
	{"raid4", NULL, RAID4, 0, 3, 0, 512, .every = 4},
	{"raid10 of three", NULL, RAID10, 0x102, 3, 0, 512, .every = 4},
	{"raid0", NULL, RAID0, 0, 2, 0, 512},
	{"blocks of 4096", NULL, RAID5, 2, 3, 0, 4096, .every = 2},
	{"in a set", "spare-global", RAID1, 0, 2, 0, 512, .every = 2},
	{"in a set, others are written first", "spare-global", RAID1, 0, 2, 0, 512, .first = 2, .every = 2},
	{"in a set, dirty", "spare-global", RAID1, 0, 2, 0, 512, .before = DIRTY, .every = 6},
	{"in a set, degraded", "spare-global", RAID1, 0, 2, 0, 512, .before = DEGRADED, .every = 6},
	{"a pair in a set of two", "two-volumes", RAID10, 0x102, 4, 0, 512, .every = 8},
	{"deleted with its set", NULL, RAID5, 2, 3, 1, 512, .delete = true, .every = 2},
	{"deleted, raid0", NULL, RAID0, 0, 2, 0, 512, .delete = true, .every = 6},
	{"deleted, raid1", NULL, RAID1, 0, 2, 0, 512, .delete = true, .every = 6},
	{"deleted, raid6", NULL, RAID6, 10, 4, 0, 512, .delete = true, .every = 6},
	{"deleted, raid10", NULL, RAID10, 0x102, 4, 0, 512, .delete = true, .every = 6},
	{"deleted, raid4", NULL, RAID4, 0, 3, 0, 512, .delete = true, .every = 6},
	{"deleted, raid10 of three", NULL, RAID10, 0x102, 3, 0, 512, .delete = true, .every = 6},
	{"deleted, dirty", NULL, RAID5, 2, 3, 1, 512, .delete = true, .before = DIRTY, .every = 6},
	{"deleted, degraded", NULL, RAID5, 2, 3, 1, 512, .delete = true, .before = DEGRADED, .every = 6},
	{"deleted, broken", NULL, RAID5, 2, 3, 1, 512, .delete = true, .before = BROKEN, .every = 6},
	{"deleted, rebuilding", NULL, RAID5, 2, 3, 1, 512, .delete = true, .before = REBUILDING, .every = 6},
	{"deleted in a set", "spare-global", RAID5, 2, 3, 0, 512, .delete = true, .every = 2},
};

static unsigned failures;

static void complain(const struct birth *b, const char *how, size_t n, const char *what)
{
	fprintf(stderr, "%s, %s %zu: %s\n", b->name, how, n, what);
	failures++;
}

static void must(int r)
{
	if (r != 0) {
		fprintf(stderr, "what leads up to the plan failed: %d\n", r);
		exit(1);
	}
}

/* ---- the machine */

static void blank_machine(const struct birth *b, struct rig *r)
{
	static const char *const names[] = {"sda", "sdb", "sdc", "sdd", "sde", "sdf"};
	struct fake_disks *disks = fake_disks_new();
	struct rig like = {.n_disks = b->slots + b->spares, .n_volumes = 1, .seed = 42};

	for (size_t i = 0; i < like.n_disks; i++)
		fake_disk_add(disks, names[i], SECTORS, b->sector_size);
	memcpy(like.set, SET_GUID, sizeof(SET_GUID));
	memcpy(like.volume[0].guid, VOLUME_GUID, sizeof(VOLUME_GUID));
	snprintf(like.volume[0].top, sizeof(like.volume[0].top), "born");
	rig_boot(r, disks, &like, 0);
}

static struct plan *create_plan(struct rig *r, const struct birth *b, const char *set, bool wipe)
{
	struct plan *p = rig_plan(r, 0);
	struct plan_create *c = calloc(1, sizeof(*c));

	p->create = c;
	snprintf(p->set, sizeof(p->set), "%s", set);
	memcpy(p->volume, VOLUME_GUID, sizeof(VOLUME_GUID));
	memcpy(p->array, VOLUME_GUID, sizeof(VOLUME_GUID));
	snprintf(p->array_name, sizeof(p->array_name), "born");
	*c = (struct plan_create){.new_set = !b->golden,
				  .level = b->level,
				  .layout = b->layout,
				  .chunk = b->level == RAID1 ? 0 : 128,
				  .sectors = 2048,
				  .n_slots = b->slots,
				  .n_disks = b->slots + b->spares};
	for (unsigned i = 0; i < c->n_disks; i++) {
		snprintf(c->disk[i].device, sizeof(c->disk[i].device), "%s", p->devices[b->first + i].id);
		snprintf(c->disk[i].name, sizeof(c->disk[i].name), "%s", p->devices[b->first + i].node);
		c->disk[i].wipe = wipe;
	}
	rig_step(p, STEP_CREATE, -1);
	rig_step(p, STEP_ASSEMBLE, -1);
	return p;
}

static struct plan *delete_plan(struct rig *r, const struct birth *b)
{
	struct plan *p = rig_plan(r, 0);

	memcpy(p->volume, VOLUME_GUID, sizeof(VOLUME_GUID));
	rig_step(p, STEP_STOP, -1);
	rig_step(p, STEP_DELETE, -1);
	if (!b->golden)
		rig_step(p, STEP_DELETE_SET, -1);
	return p;
}

static void lead_up(const struct birth *b, struct rig *r)
{
	if (b->before == WELL)
		return;
	if (b->golden)
		must(rig_assemble(r, false, false, NULL));
	rig_write(r);
	if (b->before == DIRTY) {
		rig_power_cycle(r);
		return;
	}
	rig_fail(r, 1);
	rig_write(r);
	must(rig_one(r, STEP_RECORD, -1));
	if (b->before == BROKEN)
		rig_fail(r, 2);
	if (b->before == REBUILDING)
		must(rig_one(r, STEP_ACTIVATE_SPARE, rig_spare_disk(r)));
}

static void prepare(const struct birth *b, struct rig *r)
{
	if (b->golden)
		rig_load(r, b->golden);
	else
		blank_machine(b, r);
	if (b->delete)
		must(rig_run(r, create_plan(r, b, r->set, false), NULL));
	lead_up(b, r);
	fake_disks_mark(r->disks);
}

static int run(const struct birth *b, struct rig *r, struct err *e)
{
	return rig_run(r, b->delete ? delete_plan(r, b) : create_plan(r, b, r->set, false), e);
}

/* ---- judging */

/* NULL: there whole, or not at all, and each other volume of the set as it was; else the volume. */
static const char *halves(const struct birth *b, struct rig *r)
{
	const struct meta_view *v = r->x->set.view;

	for (size_t i = 0; v && i < v->n_volumes; i++) {
		bool lacks_one = b->before >= DEGRADED && b->delete == (strcmp(v->volumes[i].guid, VOLUME_GUID) == 0);
		unsigned out = 0;

		for (unsigned k = 0; k < v->volumes[i].slots; k++)
			out += v->volumes[i].members[k].state != MEMBER_IN_SYNC;
		if (out != lacks_one)
			return v->volumes[i].name;
	}
	return NULL;
}

/* Made again it is whole, whatever it was. */
static const char *halves_again(struct birth b, struct rig *r)
{
	if (b.delete)
		b.before = WELL;
	return halves(&b, r);
}

/* The same disks once more, whatever is on them now. */
static void again(const struct birth *b, const char *how, size_t n, struct rig *r)
{
	bool there = exec_volume(r->x, VOLUME_GUID);
	struct err why = {0};

	if (there && rig_run(r, delete_plan(r, b), &why) < 0)
		complain(b, how, n, why.msg);
	if (rig_run(r, create_plan(r, b, b->golden ? r->set : OTHER_SET, !b->golden), &why) < 0)
		complain(b, how, n, why.msg);
	else if (!exec_run(r->x, VOLUME_GUID) || !exec_run(r->x, VOLUME_GUID)->running || halves_again(*b, r))
		complain(b, how, n, "made again, it does not run");
}

/* Dirty and degraded, or with too few members: then a person decides whether it starts. */
static bool persons_choice(const struct birth *b, const struct err *why)
{
	return (b->before == DEGRADED && why->code == EUCLEAN) || (b->before == BROKEN && why->code == ENODATA);
}

static void judge(const struct birth *b, const char *how, size_t n, struct rig *r)
{
	struct plan *p = rig_plan(r, 0);
	struct err why = {0};
	int q;

	rig_step(p, STEP_RECORD, -1);
	q = rig_run(r, p, &why);
	if (q == -ENODATA && !b->golden) {
		again(b, how, n, r);
		return;
	}
	if (q < 0)
		complain(b, how, n, why.msg);
	/* What a cut left behind is brought up to date; then all disks say the same. */
	if (halves(b, r))
		complain(b, how, n, halves(b, r));
	if (exec_volume(r->x, VOLUME_GUID)) {
		p = rig_plan(r, 0);
		memcpy(p->volume, VOLUME_GUID, sizeof(VOLUME_GUID));
		rig_step(p, STEP_ASSEMBLE, -1);
		if (rig_run(r, p, &why) < 0 && !persons_choice(b, &why))
			complain(b, how, n, why.msg);
	}
	again(b, how, n, r);
	if (fake_dm_violation_at_end(r->dm))
		complain(b, how, n, fake_dm_violation_at_end(r->dm));
}

static void cut_power(const struct birth *b)
{
	struct err why = {0};
	struct rig r;
	size_t n;

	prepare(b, &r);
	if (run(b, &r, &why) < 0)
		complain(b, "whole", 0, why.msg);
	n = fake_disks_recorded(r.disks);
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k < RIG_KEPT; k++) {
			struct rig after;

			if (b->every && (i + k) % b->every)
				continue;
			rig_boot(&after, fake_disks_at(r.disks, i, rig_kept[k].keep, rig_kept[k].seed + i), &r, i);
			judge(b, "power cut after write", i, &after);
			rig_free(&after);
		}
	printf("%s: %zu writes and flushes cut\n", b->name, n);
	rig_free(&r);
}

static size_t devices(struct rig *r)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	const struct dm_ops *dm = fake_dm_ops(r->dm);
	size_t n = 0;

	must(dm->list(dm->u, "SPARED-", &all, &n, NULL));
	return n;
}

/* What the broker does after act's death: the same plan's record. The array is whole then, or its disks are blank. */
static void repair(const struct birth *b, const char *how, size_t n, struct rig *r)
{
	struct plan *p = create_plan(r, b, r->set, false);
	struct err why = {0};

	p->n_steps = 0;
	rig_step(p, STEP_RECORD, -1);
	if (rig_run(r, p, &why) < 0)
		complain(b, how, n, why.msg);
	for (size_t i = 0; i < r->n_disks; i++) {
		struct meta_reader rd = fake_disk_reader(r->disk[i]);

		if (!r->x->set.view && meta_ddf.probe(&rd, NULL) == 1)
			complain(b, how, n, "a disk still is of the set");
	}
	if (r->x->set.view ? !exec_volume(r->x, VOLUME_GUID) : devices(r) != 0)
		complain(b, how, n, "neither finished nor taken back");
}

static void kill_act(const struct birth *b)
{
	unsigned calls = 1;

	for (unsigned i = 1; i <= calls; i++) {
		struct rig r;

		prepare(b, &r);
		r.die_at = r.dm_calls + i;
		run(b, &r, NULL);
		calls = r.dead ? i + 1 : i;
		rig_next_act(&r);
		if (!b->golden && !b->delete)
			repair(b, "killed before call", i, &r);
		judge(b, "killed before call", i, &r);
		rig_free(&r);
	}
	printf("%s: killed before each of %u calls\n", b->name, calls - 1);
}

/* What failed is told, with the disk's name; nothing is left of the array, nor, but on that disk, of its set. */
static void judge_failed(const struct birth *b, const char *how, unsigned n, struct rig *r, const struct err *why)
{
	const struct fake_disk *bad = fake_disks_failed(r->disks);

	if (!strstr(why->msg, fake_disk_name(bad)) && !rig_names(r, why->msg, strlen(why->msg), bad))
		complain(b, how, n, why->msg);
	if (r->x->set.view && exec_volume(r->x, VOLUME_GUID))
		complain(b, how, n, "the array is there all the same");
	for (size_t i = 0; !b->golden && i < r->n_disks; i++) {
		struct meta_reader rd = fake_disk_reader(r->disk[i]);

		if (r->disk[i] != bad && meta_ddf.probe(&rd, NULL) == 1)
			complain(b, how, n, "a disk still is of the set");
	}
	if (!b->golden && devices(r))
		complain(b, how, n, "a disk is still held");
}

static void fail_writes(const struct birth *b, enum fake_failure failure)
{
	static const char *const words[] = {[FAKE_FAIL_ONCE] = "a write or flush fails",
					    [FAKE_FAIL_WRITES] = "no write from then on",
					    [FAKE_FAIL_PULL] = "pulled at"};
	unsigned n;

	for (n = 1;; n += MAX(b->every, 1U)) {
		struct err why = {0};
		struct rig r;
		bool done, failed;
		int q;

		prepare(b, &r);
		fake_disks_fail_at(r.disks, n, failure);
		q = run(b, &r, &why);
		failed = fake_disks_failed(r.disks);
		/* In a set that was there the disk is failed for good. Once it is whole, a failure is one like any
		 * other: of what follows, test_crash knows. */
		done = r.x->set.view && exec_volume(r.x, VOLUME_GUID);
		if (failed && q < 0 && !done && !b->delete)
			judge_failed(b, words[failure], n, &r, &why);
		if (failed && q == 0 && !b->delete &&!done)
			complain(b, words[failure], n, "told as done, and nothing is there");
		if (failed && failure == FAKE_FAIL_ONCE && !done && !b->golden)
			again(b, words[failure], n, &r);
		rig_free(&r);
		if (!failed)
			break;
	}
	printf("%s: %s: up to %u\n", b->name, words[failure], n - 1);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	log_setup((enum log_level)0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(births); i++) {
		if (strncmp(births[i].name, only, strlen(only)) != 0)
			continue;
		cut_power(&births[i]);
		kill_act(&births[i]);
		fail_writes(&births[i], FAKE_FAIL_ONCE);
		fail_writes(&births[i], FAKE_FAIL_WRITES);
		fail_writes(&births[i], FAKE_FAIL_PULL);
	}
	rig_unload();
	return failures ? 1 : 0;
}
