// SPDX-License-Identifier: GPL-2.0-or-later
/* A spare goes from one set to another, and back, on the crash tests' machine: cut at every write, and with every write
 * failed. It is never in the books of both; it is a spare of one, or blank, or forgotten and says whose it was; both
 * arrays run; and what was begun can be begun again. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTORS = 131072, DISKS = 5, SPARE = 4 };

/* Two sets: sda and sdb with the spare sde, and sdc with sdd. */
static const struct {
	const char *set, *volume, *name;
	int first;
} sets[] = {
	{"737061726564202030303030303030315834d77a01020304", "737061726564202030303030303030325834d77b01020305",
	 "lends", 0},
	{"737061726564202030303030303030335834d77a01020304", "737061726564202030303030303030345834d77b01020305",
	 "takes", 2},
};
enum { LENDS, TAKES };

static const char *const names[DISKS] = {"sda", "sdb", "sdc", "sdd", "sde"};
static unsigned failures;

static void complain(const char *scenario, const char *how, size_t n, const char *what)
{
	fprintf(stderr, "%s, %s %zu: %s\n", scenario, how, n, what);
	failures++;
}

/* ---- looking ---- */

/* What the disk says of itself. 1 and its set; 0: nothing; -errno: it cannot be read. */
static int says(struct rig *r, int disk, struct meta_view **ret)
{
	struct meta_reader rd = fake_disk_reader(r->disk[disk]);
	struct meta_copy *copy = NULL;
	int q = meta_ddf.probe(&rd, NULL);

	*ret = NULL;
	if (q <= 0)
		return q;
	q = meta_ddf.parse(&rd, &copy, NULL);
	if (q == 0)
		q = meta_ddf.copy_view(copy, ret, NULL);
	if (copy)
		meta_ddf.copy_free(copy);
	if (q >= 0 && !*ret)
		q = -ENODATA;
	return q < 0 ? q : 1;
}

/* The number of the set that the disk says it is of; -1: none; -2: it cannot be read. */
static int set_of(struct rig *r, int disk)
{
	_cleanup_(meta_view_freep) struct meta_view *v = NULL;
	int q = says(r, disk, &v);

	if (q < 0)
		return -2;
	for (int k = 0; q > 0 && k < 2; k++)
		if (strcmp(v->set, sets[k].set) == 0)
			return k;
	return q > 0 ? -2 : -1;
}

/* By the newer copy of its two members, the set has a disk that is none of them; ref: this one. */
static bool has_spare(struct rig *r, int set, const char *ref)
{
	uint64_t seq = 0;
	bool has = false;

	for (int i = 0; i < 2; i++) {
		_cleanup_(meta_view_freep) struct meta_view *v = NULL;

		if (says(r, sets[set].first + i, &v) != 1 || v->seq < seq)
			continue;
		seq = v->seq;
		has = ref ? meta_view_disk(v, ref) != NULL : v->n_disks > 2;
	}
	return has;
}

/* It says so itself, and so does the set. */
static bool is_of(struct rig *r, int set)
{
	_cleanup_(meta_view_freep) struct meta_view *v = NULL;

	return says(r, SPARE, &v) == 1 && strcmp(v->set, sets[set].set) == 0 && has_spare(r, set, v->self);
}

/* ---- plans ---- */

/* On the disks of the set, and the spare if it is that set's or nobody's. */
static struct plan *plan_on(struct rig *r, int set, bool with_spare)
{
	struct plan *p = rig_plan(r, 0);

	memcpy(p->set, sets[set].set, strlen(sets[set].set) + 1);
	memcpy(p->volume, sets[set].volume, strlen(sets[set].volume) + 1);
	memcpy(p->array, sets[set].volume, strlen(sets[set].volume) + 1);
	snprintf(p->array_name, sizeof(p->array_name), "%s", sets[set].name);
	p->devices[0] = p->devices[sets[set].first];
	p->devices[1] = p->devices[sets[set].first + 1];
	p->devices[2] = p->devices[SPARE];
	p->n_devices = with_spare || set_of(r, SPARE) == set ? 3 : 2;
	return p;
}

static void make(struct rig *r, int set)
{
	struct plan *p = plan_on(r, set, set == LENDS);
	struct plan_create *c = calloc(1, sizeof(*c));
	struct err why;

	*c = (struct plan_create){.new_set = true,
				  .assume_clean = true,
				  .level = RAID1,
				  .sectors = 2048,
				  .n_slots = 2,
				  .n_disks = (unsigned)p->n_devices};
	p->create = c;
	for (unsigned i = 0; i < c->n_disks; i++) {
		snprintf(c->disk[i].device, sizeof(c->disk[i].device), "%s", p->devices[i].id);
		snprintf(c->disk[i].name, sizeof(c->disk[i].name), "%s", p->devices[i].node);
	}
	rig_step(p, STEP_CREATE, -1);
	rig_step(p, STEP_ASSEMBLE, -1);
	if (rig_run(r, p, &why) < 0) {
		fprintf(stderr, "what leads up to it failed: %s\n", why.msg);
		exit(1);
	}
}

static void machine(struct rig *r)
{
	struct fake_disks *disks = fake_disks_new();
	struct rig like = {.n_disks = DISKS, .seed = 42};

	for (size_t i = 0; i < DISKS; i++)
		fake_disk_add(disks, names[i], SECTORS, 512);
	rig_boot(r, disks, &like, 0);
	make(r, LENDS);
	make(r, TAKES);
	fake_disks_mark(r->disks);
}

static int give_up(struct rig *r, int set, struct err *e)
{
	struct plan *p = plan_on(r, set, true);

	rig_step(p, STEP_REMOVE_SPARE, SPARE)->wipe = true;
	return rig_run(r, p, e);
}

static int add(struct rig *r, int set, bool take, struct err *e)
{
	struct plan *p = plan_on(r, set, true);

	if (take)
		rig_step(p, STEP_TAKE_SPARE, SPARE);
	rig_step(p, STEP_ADD_SPARE, SPARE);
	return rig_run(r, p, e);
}

/* By the disks of the set that takes it. */
static bool in_slot(struct rig *r, int disk)
{
	_cleanup_(meta_view_freep) struct meta_view *own = NULL, *other = NULL;
	const struct meta_volume *v;

	if (says(r, disk, &own) != 1 || says(r, 2, &other) != 1)
		return false;
	v = meta_view_volume(other, sets[TAKES].volume);
	return v && strcmp(v->members[1].ref, own->self) == 0 && v->members[1].state == MEMBER_IN_SYNC;
}

static int lend(struct rig *r, struct err *e)
{
	struct plan *p;
	int q = give_up(r, LENDS, e);

	if (q < 0)
		return q;
	p = plan_on(r, TAKES, true);
	if (in_slot(r, 3))
		rig_step(p, STEP_FAIL_MEMBER, 3)->slot = 1;
	rig_step(p, STEP_TAKE_SPARE, SPARE);
	rig_step(p, STEP_ADD_SPARE, SPARE);
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE)->slot = 1;
	return rig_run(r, p, e);
}

/* It could not be activated. */
static int lend_and_back(struct rig *r, struct err *e)
{
	int q = give_up(r, LENDS, e);

	if (q == 0)
		q = add(r, TAKES, true, e);
	if (q == 0)
		q = give_up(r, TAKES, e);
	return q < 0 ? q : add(r, LENDS, false, e);
}

static const struct scenario {
	const char *name;
	int (*run)(struct rig *r, struct err *e);
	int end; /* whose it is then */
} scenarios[] = {{"lend", lend, TAKES}, {"lend and back", lend_and_back, LENDS}};

/* ---- judging ---- */

static void start(const struct scenario *s, const char *how, size_t n, struct rig *r, int set)
{
	struct plan *p = plan_on(r, set, false);
	const struct meta_volume *v;
	struct err why = {0};

	rig_step(p, STEP_RECORD, -1);
	rig_step(p, STEP_ASSEMBLE, -1)->degraded = true;
	if (rig_run(r, p, &why) < 0)
		complain(s->name, how, n, why.msg);
	v = exec_volume(r->x, sets[set].volume);
	for (unsigned i = 0; v && i < v->slots; i++)
		if (v->members[i].state != MEMBER_IN_SYNC && (set == LENDS || i == 0))
			complain(s->name, how, n, member_words[v->members[i].state]);
}

static void judge(const struct scenario *s, const char *how, size_t n, struct rig *r)
{
	int whose = set_of(r, SPARE);
	struct err why = {0};

	if (whose == -2)
		complain(s->name, how, n, "the spare can neither be read nor is it blank");
	if (has_spare(r, LENDS, NULL) && has_spare(r, TAKES, NULL))
		complain(s->name, how, n, "both sets have the spare");
	if (whose >= 0 && has_spare(r, !whose, NULL))
		complain(s->name, how, n, "one set has it, and it says the other");
	start(s, how, n, r, LENDS);
	start(s, how, n, r, TAKES);
	/* All of it again, as after a restart: what is done already is no error. */
	whose = set_of(r, SPARE);
	if (whose == TAKES && s->end == TAKES) {
		struct plan *p = plan_on(r, TAKES, true);

		rig_step(p, STEP_ACTIVATE_SPARE, SPARE)->slot = 1;
		if (rig_run(r, p, &why) < 0)
			complain(s->name, how, n, why.msg);
	} else if ((whose == TAKES && give_up(r, TAKES, &why) < 0) || s->run(r, &why) < 0) {
		complain(s->name, how, n, why.msg);
	}
	if (!is_of(r, s->end))
		complain(s->name, how, n, "once more, it is not where it should be");
}

static void cut_power(const struct scenario *s)
{
	struct err why = {0};
	struct rig r;
	size_t n;

	machine(&r);
	if (s->run(&r, &why) < 0)
		complain(s->name, "whole", 0, why.msg);
	n = fake_disks_recorded(r.disks);
	for (size_t i = 0; i <= n; i++)
		for (size_t k = 0; k < RIG_KEPT; k++) {
			struct rig after;

			rig_boot(&after, fake_disks_at(r.disks, i, rig_kept[k].keep, rig_kept[k].seed + i), &r, i);
			judge(s, "power cut after write", i, &after);
			rig_free(&after);
		}
	printf("%s: %zu writes and flushes cut\n", s->name, n);
	rig_free(&r);
}

/* One write or flush fails, and nothing after it is done: what is there is as good as after a cut. */
static void fail_writes(const struct scenario *s)
{
	unsigned n;

	for (n = 1;; n++) {
		struct err why = {0};
		bool failed;
		struct rig r;

		machine(&r);
		fake_disks_fail_at(r.disks, n, FAKE_FAIL_ONCE);
		s->run(&r, &why);
		failed = fake_disks_failed(r.disks);
		if (failed && has_spare(&r, LENDS, NULL) && has_spare(&r, TAKES, NULL))
			complain(s->name, "a write or flush fails", n, "both sets have the spare");
		rig_free(&r);
		if (!failed)
			break;
	}
	printf("%s: a write or flush fails: up to %u\n", s->name, n - 1);
}

/* A dry run writes nothing, and what it looked at is looked at again when it is meant. */
static void dry_run(void)
{
	struct err why = {0};
	struct plan *p;
	struct rig r;

	machine(&r);
	p = plan_on(&r, TAKES, true);
	p->dry_run = true;
	rig_step(p, STEP_FAIL_MEMBER, 3)->slot = 1;
	rig_step(p, STEP_TAKE_SPARE, SPARE);
	rig_step(p, STEP_ADD_SPARE, SPARE);
	rig_step(p, STEP_ACTIVATE_SPARE, SPARE)->slot = 1;
	if (rig_run(&r, p, &why) < 0)
		complain("dry run", "shown", 0, why.msg);
	if (fake_disks_recorded(r.disks) || set_of(&r, SPARE) != LENDS)
		complain("dry run", "writes", fake_disks_recorded(r.disks), "or the spare is another's");
	p = plan_on(&r, TAKES, true);
	rig_step(p, STEP_TAKE_SPARE, SPARE);
	rig_step(p, STEP_ADD_SPARE, SPARE);
	if (rig_run(&r, p, &why) != -ESTALE || set_of(&r, SPARE) != LENDS)
		complain("dry run", "not given up", 0, "it was taken all the same");
	if (lend(&r, &why) < 0 || !is_of(&r, TAKES))
		complain("dry run", "then done", 0, why.msg);
	rig_free(&r);
}

int main(void)
{
	log_setup((enum log_level)0, NULL);
	dry_run();
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		cut_power(&scenarios[i]);
		fail_writes(&scenarios[i]);
	}
	return failures ? 1 : 0;
}
