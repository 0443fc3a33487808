// SPDX-License-Identifier: GPL-2.0-or-later
/* Deletions that are taken back, on the crash tests' machine: cut at every write, killed before every call of the
 * device-mapper, and with every write and flush failed. What is found then is the set as the deletion had left it, or
 * as it was before it; an array that is back has every write that it had acknowledged. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct undo {
	const char *name;
	const char *golden;
	bool set;  /* its set goes with it */
	bool fail; /* a member fails before */
	bool runs; /* the deletion stops it */
	unsigned every;
};

static const struct undo undos[] = {
	{"raid0", "raid0", .every = 4},
	{"raid1", "raid1", .every = 1},
	{"raid5 and a spare", "spare-global"},
	{"raid5 degraded", "spare-global", .fail = true, .every = 2},
	{"raid5 while it runs", "spare-global", .runs = true, .every = 2},
	{"raid6", "raid6-n-continue", .every = 3},
	{"raid10", "raid10", .every = 3},
	{"raid10 of three", "raid1e-three", .every = 6},
	{"raid4", "raid4", .every = 6},
	{"raid10 with its set", "raid10", .set = true, .every = 8},
	{"two volumes", "two-volumes", .every = 3},
	{"with its set", "spare-global", .set = true, .every = 2},
	{"with its set while it runs", "spare-global", .set = true, .runs = true, .every = 5},
};

static unsigned failures;

static void complain(const struct undo *u, const char *how, size_t n, const char *what)
{
	fprintf(stderr, "%s, %s %zu: %s\n", u->name, how, n, what);
	failures++;
}

static void must(int r, const struct err *e)
{
	if (r != 0) {
		fprintf(stderr, "what leads up to the plan failed: %d: %s\n", r, e->msg);
		exit(1);
	}
}

/* ---- plans */

static struct plan *delete_plan(struct rig *r, const struct undo *u)
{
	struct plan *p = rig_plan(r, 0);

	p->origin = PLAN_OPERATOR;
	snprintf(p->id, sizeof(p->id), "P-17");
	if (u->runs)
		rig_step(p, STEP_STOP, -1);
	rig_step(p, STEP_DELETE, -1);
	if (u->set)
		rig_step(p, STEP_DELETE_SET, -1);
	return p;
}

static struct plan *undo_plan(struct rig *r, const struct undo *u)
{
	struct plan *p = rig_plan(r, 0);
	struct plan_create *c = calloc(1, sizeof(*c));
	struct step *s = rig_step(p, STEP_RESTORE, -1);

	p->origin = PLAN_OPERATOR;
	p->create = c;
	c->new_set = u->set;
	c->n_disks = (unsigned)p->n_devices;
	for (unsigned i = 0; i < c->n_disks; i++)
		snprintf(c->disk[i].device, sizeof(c->disk[i].device), "%s", p->devices[i].id);
	snprintf(s->to, sizeof(s->to), "P-17");
	return p;
}

/* What the array was before it was deleted. */
struct was {
	char states[META_SLOTS_MAX * 4];
	uint64_t epoch; /* of its slices */
};

/* The array has been written to, and is deleted. */
static void prepare(const struct undo *u, struct rig *r, struct was *was)
{
	struct err e = {0};

	rig_load(r, u->golden);
	must(rig_assemble(r, false, false, &e), &e);
	rig_write(r);
	if (u->fail) {
		rig_fail(r, 1);
		must(rig_one(r, STEP_RECORD, -1), &e);
	}
	rig_write(r);
	if (!u->runs)
		must(rig_stop(r), &e);
	snprintf(was->states, sizeof(was->states), "%s", rig_states(r));
	was->epoch = commit_epoch(r->x, exec_volume(r->x, r->volume[0].guid));
	must(rig_run(r, delete_plan(r, u), &e), &e);
	fake_disks_mark(r->disks);
}

/* ---- judging */

static bool there(struct rig *r)
{
	return r->x->set.view && exec_volume(r->x, r->volume[0].guid);
}

static void judge(const struct undo *u, const char *how, size_t n, struct rig *r, const struct was *was, bool must_be)
{
	struct plan *p = rig_plan(r, 0);
	struct err why = {0};
	int q;

	rig_step(p, STEP_RECORD, -1);
	q = rig_run(r, p, &why);
	if (q == -ENODATA && u->set && !must_be)
		return;
	if (q < 0)
		complain(u, how, n, why.msg);
	if (!there(r)) {
		if (must_be)
			complain(u, how, n, "it is not back");
		return;
	}
	if (strcmp(rig_states(r), was->states) != 0)
		complain(u, how, n, rig_states(r));
	if (rig_assemble(r, true, false, &why) < 0)
		complain(u, how, n, why.msg);
	else if (rig_stale(r))
		complain(u, how, n, rig_stale(r));
	if (must_be && commit_epoch(r->x, exec_volume(r->x, r->volume[0].guid)) != was->epoch)
		complain(u, how, n, "its slices were not taken as they were found");
	if (fake_dm_violation_at_end(r->dm))
		complain(u, how, n, fake_dm_violation_at_end(r->dm));
}

static void cut_power(const struct undo *u)
{
	struct was was;
	struct err why = {0};
	size_t n, old = 0;
	struct rig r;

	prepare(u, &r, &was);
	if (rig_run(&r, undo_plan(&r, u), &why) < 0)
		complain(u, "whole", 0, why.msg);
	n = fake_disks_recorded(r.disks);
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k < RIG_KEPT; k++) {
			struct rig after;

			if (u->every > 1 && (i + k) % u->every && i < n)
				continue;
			rig_boot(&after, fake_disks_at(r.disks, i, rig_kept[k].keep, rig_kept[k].seed + i), &r, i);
			judge(u, "power cut after write", i, &after, &was, i == n && rig_kept[k].keep == FAKE_KEEP_ALL);
			old += !there(&after);
			rig_free(&after);
		}
	printf("%s: %zu writes and flushes cut; %zu times as it was left\n", u->name, n, old);
	rig_free(&r);
}

static void kill_act(const struct undo *u)
{
	struct was was;
	unsigned calls = 1;

	for (unsigned i = 1; i <= calls; i++) {
		struct rig r;

		prepare(u, &r, &was);
		r.die_at = r.dm_calls + i;
		rig_run(&r, undo_plan(&r, u), NULL);
		calls = r.dead ? i + 1 : i;
		rig_next_act(&r);
		if (u->set) { /* the same plan's record takes back what was not made to its end */
			struct plan *p = undo_plan(&r, u);

			p->n_steps = 0;
			rig_step(p, STEP_RECORD, -1);
			rig_run(&r, p, NULL);
		}
		judge(u, "killed before call", i, &r, &was, false);
		rig_free(&r);
	}
	printf("%s: killed before each of %u calls\n", u->name, calls - 1);
}

static void fail_writes(const struct undo *u, enum fake_failure failure)
{
	static const char *const words[] = {[FAKE_FAIL_ONCE] = "a write or flush fails",
					    [FAKE_FAIL_WRITES] = "no write from then on",
					    [FAKE_FAIL_PULL] = "pulled at"};
	struct was was;
	unsigned n;

	for (n = 1;; n += MAX(u->every, 1U)) {
		struct err why = {0};
		bool failed;
		struct rig r;
		int q;

		prepare(u, &r, &was);
		fake_disks_fail_at(r.disks, n, failure);
		q = rig_run(&r, undo_plan(&r, u), &why);
		failed = fake_disks_failed(r.disks);
		if (failed && q == 0 && !there(&r))
			complain(u, words[failure], n, "told as done, and nothing is there");
		if (failed && there(&r) && (rig_assemble(&r, true, false, &why) < 0 || rig_stale(&r)))
			complain(u, words[failure], n, rig_stale(&r) ? rig_stale(&r) : why.msg);
		rig_free(&r);
		if (!failed)
			break;
	}
	printf("%s: %s: up to %u\n", u->name, words[failure], n - 1);
}

/* What came after it is not lost by taking it back. */
static void refusals(const struct undo *u)
{
	struct was was;
	struct err why = {0};
	struct plan *p;
	struct rig r;

	prepare(u, &r, &was);
	r.absent[0] = true;
	if (rig_run(&r, undo_plan(&r, u), &why) != -ENODEV)
		complain(u, "a disk is away", 0, why.msg);
	r.absent[0] = false;
	rig_next_act(&r);
	if (!u->set) {
		p = rig_plan(&r, 0);
		snprintf(rig_step(p, STEP_NOTE_DISK, 0)->to, META_NAME_MAX, "predicted-failure");
		must(rig_run(&r, p, &why), &why);
		if (rig_run(&r, undo_plan(&r, u), &why) != -ESTALE)
			complain(u, "the set was written since", 0, why.msg);
	}
	json_array_remove(r.images, 0);
	if (rig_run(&r, undo_plan(&r, u), &why) != -ENODATA)
		complain(u, "a part is missing", 0, why.msg);
	rig_free(&r);
}

/* ---- what was wiped */

#define SET_GUID "737061726564202030303030303030315834d77a01020304"
#define VOLUME_GUID "737061726564202030303030303030325834d77b01020305"

enum { WIPED_DISKS = 3, WIPED_SECTORS = 131072, WIPED_BYTES = WIPED_SECTORS * 512, PIECE = 1 << 20 };

/* Where something lies on the disks before: their ends, and some of what will be metadata and slices. */
static const struct {
	size_t at, len;
} holds[] = {{0, 300000},
	     {WIPED_BYTES - (33 << 20), 200000},
	     {WIPED_BYTES - (31 << 20), 1 << 20},
	     {WIPED_BYTES - 400000, 400000}};

static void fill_disk(struct fake_disk *d, unsigned number)
{
	static uint8_t bytes[1 << 20];

	for (size_t i = 0; i < ARRAY_SIZE(holds); i++) {
		for (size_t k = 0; k < holds[i].len; k++)
			bytes[k] = (uint8_t)(k * 31 + k / 512 * 7 + number + i);
		fake_disk_poke(d, holds[i].at, bytes, holds[i].len);
	}
}

static struct plan *wipe_plan(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);
	struct plan_create *c = calloc(1, sizeof(*c));

	p->origin = PLAN_OPERATOR;
	p->create = c;
	snprintf(p->id, sizeof(p->id), "P-17");
	memcpy(p->volume, VOLUME_GUID, sizeof(VOLUME_GUID));
	snprintf(p->array_name, sizeof(p->array_name), "born");
	*c = (struct plan_create){.new_set = true, .level = RAID5, .layout = 2, .chunk = 128, .sectors = 2048};
	c->n_slots = c->n_disks = WIPED_DISKS;
	for (unsigned i = 0; i < c->n_disks; i++) {
		snprintf(c->disk[i].device, sizeof(c->disk[i].device), "%s", p->devices[i].id);
		c->disk[i].wipe = true;
	}
	rig_step(p, STEP_CREATE, -1);
	rig_step(p, STEP_ASSEMBLE, -1);
	return p;
}

static struct plan *give_plan(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);
	struct step *s;

	p->origin = PLAN_OPERATOR;
	rig_step(p, STEP_STOP, -1);
	rig_step(p, STEP_DELETE, -1);
	rig_step(p, STEP_DELETE_SET, -1);
	s = rig_step(p, STEP_RESTORE, -1);
	s->wiped = true;
	snprintf(s->to, sizeof(s->to), "P-17");
	return p;
}

static bool same_bytes(const struct fake_disk *a, const struct fake_disk *b, size_t from, size_t to)
{
	static uint8_t x[PIECE], y[PIECE];

	for (size_t at = from; at < to; at += PIECE) {
		fake_disk_peek(a, at, x, PIECE);
		fake_disk_peek(b, at, y, PIECE);
		if (memcmp(x, y, PIECE) != 0)
			return false;
	}
	return true;
}

static void make_wiped(struct rig *r, struct rig *before)
{
	static const char *const names[] = {"sda", "sdb", "sdc"};
	struct fake_disks *disks = fake_disks_new();
	struct rig like = {.n_disks = WIPED_DISKS, .n_volumes = 1, .seed = 42};
	struct err e = {0};

	for (unsigned i = 0; i < WIPED_DISKS; i++)
		fill_disk(fake_disk_add(disks, names[i], WIPED_SECTORS, 512), i);
	memcpy(like.set, SET_GUID, sizeof(SET_GUID));
	memcpy(like.volume[0].guid, VOLUME_GUID, sizeof(VOLUME_GUID));
	snprintf(like.volume[0].top, sizeof(like.volume[0].top), "born");
	fake_disks_mark(disks);
	rig_boot(before, fake_disks_at(disks, 0, FAKE_KEEP_ALL, 0), &like, 0);
	rig_boot(r, disks, &like, 0);
	must(rig_run(r, wipe_plan(r), &e), &e);
	rig_write(r);
	fake_disks_mark(r->disks);
}

/* All that they held is there again, but where the array's data lay. At each cut: a disk that begins as before is as
 * before, and no disk is of a set and begins as before. */
static void wiped(void)
{
	static const struct undo u = {"wiped"};
	struct rig r, before;
	struct err why = {0};
	size_t n, whole = 0;

	make_wiped(&r, &before);
	if (rig_run(&r, give_plan(&r), &why) < 0)
		complain(&u, "whole", 0, why.msg);
	n = fake_disks_recorded(r.disks);
	for (size_t i = 0; i <= n; i++) {
		struct rig after;

		rig_boot(&after, fake_disks_at(r.disks, i, i % 2 ? FAKE_KEEP_ALL : FAKE_KEEP_RANDOM, i), &r, i);
		whole = 0;
		for (unsigned k = 0; k < WIPED_DISKS; k++) {
			struct meta_reader rd = fake_disk_reader(after.disk[k]);
			bool begins = same_bytes(before.disk[k], after.disk[k], 0, PIECE);
			bool same = begins && same_bytes(before.disk[k], after.disk[k], PIECE, WIPED_BYTES);

			whole += same;
			if (begins && (!same || meta_ddf.probe(&rd, NULL) == 1))
				complain(&u, "power cut after write", i, "a disk begins as before, and is not");
		}
		rig_free(&after);
	}
	if (whole != WIPED_DISKS)
		complain(&u, "whole", n, "not all that the disks held is back");
	printf("wiped: %zu writes and flushes cut\n", n);
	rig_free(&before);
	rig_free(&r);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	log_setup((enum log_level)0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(undos); i++) {
		if (strncmp(undos[i].name, only, strlen(only)) != 0)
			continue;
		refusals(&undos[i]);
		cut_power(&undos[i]);
		kill_act(&undos[i]);
		fail_writes(&undos[i], FAKE_FAIL_ONCE);
		fail_writes(&undos[i], FAKE_FAIL_WRITES);
		fail_writes(&undos[i], FAKE_FAIL_PULL);
	}
	if (strncmp("wiped", only, strlen(only)) == 0)
		wiped();
	rig_unload();
	return failures ? 1 : 0;
}
