// SPDX-License-Identifier: GPL-2.0-or-later
/* test_walk [WALKS [SEED [CASE]]]: what no scenario thought of. Random walks through what may happen to an array, by a
 * person, by a rule, by the kernel, by a disk: any order of it, act killed at any call, calls and writes that fail,
 * power that goes. After each step no stale member is listed, nothing is left suspended, what counts as initialised is;
 * as long as enough current members are here the array starts, and at the end it is whole in all that it was told.
 * A walk that finds something is told with its seed, and is the same again: test_walk 1 SEED CASE. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 40 };

static const char *const cases[] = {"spare-global", "raid6-n-continue", "raid10", "raid1",
				    "raid4",	    "raid1e-three",	"dirty",  "spare-global:4096"};

struct walk {
	struct rig r;
	uint64_t seed, state;
	const char *golden;
	struct buf way;	  /* what was done, a line each */
	size_t since;	  /* records before which other disks were here, or current */
	unsigned call_at; /* the device-mapper call that fails under this step; 0: none */
	bool over;	  /* beyond redundancy, or what only a person decides */
};

static unsigned failures;

static uint64_t draw(struct walk *w, uint64_t below)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return below ? (w->state >> 16) % below : 0;
}

static void print_disks(struct walk *w)
{
	for (size_t i = 0; i < w->r.x->set.n_disks; i++) {
		const struct set_disk *d = w->r.x->set.disk[i];

		fprintf(stderr, "  %s %s: seq %" PRIx64 ", standing %d%s%s, error %d\n", d->device.node, d->ref, d->seq,
			d->standing, d->torn ? ", torn" : "", d->dev ? "" : ", gone", d->error);
		for (size_t n = 0; d->view && n < d->view->n_volumes; n++)
			for (unsigned k = 0; k < d->view->volumes[n].slots; k++)
				fprintf(stderr, "    %s %s\n", d->view->volumes[n].members[k].ref,
					member_words[d->view->volumes[n].members[k].state]);
		for (unsigned k = 0; k < d->n_bays; k++) {
			const struct stamp *s = &d->bay[k].stamp;

			if (d->bay[k].used)
				fprintf(stderr,
					"    slot %u epoch %" PRIx64 " seq %" PRIx64 " to %" PRIx64 ", %s, %" PRIu64
					" events, failed %" PRIx64 ", recovered to %" PRIx64 "\n",
					s->slot, s->epoch, s->seq_current, s->seq_intended,
					s->running ? "running" : "stopped", d->bay[k].super.events,
					d->bay[k].super.failed, d->bay[k].super.recovery_offset);
		}
	}
}

static void complain(struct walk *w, const char *what)
{
	if (!w->over) {
		fprintf(stderr, "%s, seed %" PRIu64 ": %s\n%s", w->golden, w->seed, what, buf_str(&w->way));
		print_disks(w);
	}
	if (!w->over && getenv("WALK_LOG"))
		fprintf(stderr, "%s\n", fake_dm_log(w->r.dm));
	failures += !w->over;
	w->over = true;
}

/* --- what is there ----------------------------------------------------------------------------------------------- */

static const struct meta_volume *volume(struct walk *w, unsigned n)
{
	return exec_volume(w->r.x, w->r.volume[n].guid);
}

static const struct meta_disk *known(struct walk *w, unsigned disk)
{
	const struct set_disk *d = NULL;
	char id[32];

	snprintf(id, sizeof(id), "disk-%s", fake_disk_name(w->r.disk[disk]));
	d = set_disk_by_id(&w->r.x->set, id);
	return d && w->r.x->set.view ? meta_view_disk(w->r.x->set.view, d->ref) : NULL;
}

/* Each volume has enough members, without that disk, that are in sync by the metadata, here, not failed by the kernel,
 * and hold what was acknowledged. */
static bool runs_without(struct walk *w, int disk)
{
	if (!rig_enough(&w->r, disk < 0 ? NULL : w->r.disk[disk]))
		return false;
	for (unsigned n = 0; n < w->r.n_volumes; n++) {
		const struct meta_volume *v = volume(w, n);
		bool works[META_SLOTS_MAX] = {0};

		for (unsigned i = 0; v && i < v->slots; i++) {
			const struct set_disk *d = set_disk_by_ref(&w->r.x->set, v->members[i].ref);
			int at = d ? d->device.node[2] - 'a' : -1;

			works[i] = v->members[i].state == MEMBER_IN_SYNC && at >= 0 && at != disk && !w->r.absent[at] &&
				   !kernel_failed(w->r.x, v, i);
		}
		if (!v || w->r.volume[n].broken || !raid_runnable(v->level, works, v->slots))
			return false;
	}
	return true;
}

/* A slot of the first volume in one of these states whose disk is here; -1: none. */
static int some_slot(struct walk *w, const char *states)
{
	const char *now = rig_states(&w->r);
	size_t n = strcspn(now, "/"), from = draw(w, n);

	for (size_t k = 0; k < n; k++) {
		size_t i = (from + k) % n;
		int disk = rig_disk_in(&w->r, (unsigned)i);

		if (strchr(states, now[i]) && (now[i] == 'e' || (disk >= 0 && !w->r.absent[disk])))
			return (int)i;
	}
	return -1;
}

static int some_disk(struct walk *w, bool (*fits)(struct walk *w, unsigned disk))
{
	size_t from = draw(w, w->r.n_disks);

	for (size_t k = 0; k < w->r.n_disks; k++) {
		unsigned i = (unsigned)((from + k) % w->r.n_disks);

		if (fits(w, i))
			return (int)i;
	}
	return -1;
}

static bool is_spare(struct walk *w, unsigned disk)
{
	const struct meta_disk *md = known(w, disk);

	return !w->r.absent[disk] && !rig_in_slot(&w->r, disk) && md && md->spare && !md->failed && !md->missing;
}

static bool is_strange(struct walk *w, unsigned disk)
{
	return !w->r.absent[disk] && !rig_in_slot(&w->r, disk) && !is_spare(w, disk);
}

static bool may_vanish(struct walk *w, unsigned disk)
{
	return !w->r.absent[disk] && runs_without(w, (int)disk);
}

static bool is_away(struct walk *w, unsigned disk)
{
	return w->r.absent[disk];
}

/* --- what may happen: false if it cannot now --------------------------------------------------------------------- */

static bool writes(struct walk *w)
{
	rig_write(&w->r);
	return true;
}

static bool is_recorded(struct walk *w)
{
	rig_one(&w->r, STEP_RECORD, -1);
	return true;
}

static bool fails_in_kernel(struct walk *w)
{
	int slot = some_slot(w, "ir");

	if (slot < 0 || !rig_running(&w->r) || !runs_without(w, rig_disk_in(&w->r, (unsigned)slot)))
		return false;
	rig_fail(&w->r, (unsigned)slot);
	rig_write(&w->r);
	return true;
}

static bool is_failed(struct walk *w)
{
	int slot = some_slot(w, "ir"), disk = slot < 0 ? -1 : rig_disk_in(&w->r, (unsigned)slot);
	struct plan *p;

	if (slot < 0 || !rig_running(&w->r) || !runs_without(w, disk))
		return false;
	p = rig_plan(&w->r, 0);
	rig_step(p, STEP_FAIL_MEMBER, disk)->slot = slot;
	rig_run(&w->r, p, NULL);
	return true;
}

static bool spare_enters(struct walk *w)
{
	int disk = some_disk(w, is_spare);

	if (disk < 0 || !rig_running(&w->r) || !strpbrk(rig_states(&w->r), "fme"))
		return false;
	rig_one(&w->r, STEP_ACTIVATE_SPARE, disk);
	return true;
}

static bool returns_by_bitmap(struct walk *w)
{
	int slot = some_slot(w, "fm");

	if (slot < 0 || !rig_running(&w->r))
		return false;
	rig_one(&w->r, STEP_READD_MEMBER, rig_disk_in(&w->r, (unsigned)slot));
	return true;
}

static bool is_removed(struct walk *w)
{
	int slot = some_slot(w, "fm");

	if (slot < 0)
		return false;
	rig_one(&w->r, STEP_REMOVE_MEMBER, rig_disk_in(&w->r, (unsigned)slot));
	return true;
}

static bool becomes_spare(struct walk *w)
{
	int disk = some_disk(w, is_strange);

	if (disk < 0)
		return false;
	rig_one(&w->r, STEP_ADD_SPARE, disk);
	return true;
}

static bool spare_leaves(struct walk *w)
{
	int disk = some_disk(w, is_spare);

	if (disk < 0)
		return false;
	rig_one(&w->r, STEP_REMOVE_SPARE, disk);
	return true;
}

static bool is_replaced(struct walk *w)
{
	int disk = some_disk(w, is_spare), slot = some_slot(w, "i");
	struct plan *p;

	if (disk < 0 || slot < 0 || !rig_running(&w->r))
		return false;
	p = rig_plan(&w->r, 0);
	rig_step_replace(p, rig_disk_in(&w->r, (unsigned)slot), disk);
	rig_run(&w->r, p, NULL);
	return true;
}

static bool copies_end(struct walk *w)
{
	rig_copied(&w->r);
	return is_recorded(w);
}

static bool rebuilds_end(struct walk *w)
{
	rig_rebuilt(&w->r);
	is_recorded(w);
	w->since = fake_disks_recorded(w->r.disks);
	return true;
}

static bool vanishes(struct walk *w)
{
	int disk = some_disk(w, may_vanish);

	if (disk < 0)
		return false;
	w->since = fake_disks_recorded(w->r.disks);
	w->r.absent[disk] = true;
	rig_write(&w->r);
	return true;
}

static bool comes_back(struct walk *w)
{
	int disk = some_disk(w, is_away);

	if (disk < 0)
		return false;
	w->r.absent[disk] = false;
	return true;
}

static bool stops(struct walk *w)
{
	rig_stop(&w->r);
	return true;
}

static bool grows(struct walk *w)
{
	rig_one(&w->r, STEP_GROW, -1);
	return true;
}

static int snapshot_plan(struct walk *w, enum step_op op)
{
	struct plan *p = rig_plan(&w->r, 0);
	struct step *s = rig_step(p, op, -1);

	snprintf(s->to, sizeof(s->to), "nightly");
	snprintf(s->by, sizeof(s->by), "/dev/loop0");
	return rig_run(&w->r, p, NULL);
}

static bool snapshot(struct walk *w)
{
	snapshot_plan(w, draw(w, 2) ? STEP_SNAPSHOT : STEP_DROP_SNAPSHOT);
	return true;
}

static bool another_act(struct walk *w)
{
	rig_restart_act(&w->r);
	return is_recorded(w);
}

static bool power_goes(struct walk *w)
{
	size_t now = fake_disks_recorded(w->r.disks), at = now - draw(w, MIN(now - w->since, (size_t)30) + 1);
	const struct rig_kept *kept = &rig_kept[draw(w, RIG_KEPT)];
	struct rig was = w->r;

	rig_boot(&w->r, fake_disks_at(was.disks, at, kept->keep, kept->seed + at), &was, at);
	rig_free(&was);
	w->since = 0;
	return true;
}

static const struct {
	const char *name;
	unsigned weight;
	bool (*happens)(struct walk *w);
} ways[] = {
	{"writes", 8, writes},
	{"recorded", 8, is_recorded},
	{"the kernel fails a member", 3, fails_in_kernel},
	{"a member is failed", 3, is_failed},
	{"a spare enters", 6, spare_enters},
	{"a member returns by bitmap", 5, returns_by_bitmap},
	{"a member is removed", 2, is_removed},
	{"a disk becomes a spare", 4, becomes_spare},
	{"a spare leaves", 1, spare_leaves},
	{"a member is replaced", 3, is_replaced},
	{"copies end", 3, copies_end},
	{"rebuilds end", 6, rebuilds_end},
	{"a disk vanishes", 4, vanishes},
	{"a disk comes back", 4, comes_back},
	{"stopped", 1, stops},
	{"made larger", 1, grows},
	{"a snapshot comes or goes", 2, snapshot},
	{"another act process", 1, another_act},
	{"the power goes", 4, power_goes},
};

/* --- walking ----------------------------------------------------------------------------------------------------- */

static void look(struct walk *w)
{
	const char *wrong = fake_dm_violation_at_end(w->r.dm);

	if (rig_suspended(&w->r))
		complain(w, rig_suspended(&w->r));
	/* What holds a disk that is about to become a spare waits for that to be tried again. */
	if (wrong && !strstr(wrong, "spared-claim-"))
		complain(w, wrong);
	if (w->r.wrong[0])
		complain(w, w->r.wrong);
	if (rig_stale(&w->r))
		complain(w, rig_stale(&w->r));
	if (rig_unmade(&w->r, false))
		complain(w, rig_unmade(&w->r, false));
}

/* What does not run is started, as the next boot or a person would. With enough current members it does. */
static void keep_running(struct walk *w)
{
	struct err why = {0};

	if (rig_running(&w->r))
		return;
	if (rig_assemble(&w->r, true, false, &why) < 0 || !rig_running(&w->r)) {
		buf_addf(&w->way, "  not started: %s\n", why.msg);
		/* A resync that had not ended where a member is lost, or two disks that call each other failed: a
		 * person decides. */
		if (why.code != EUCLEAN && !w->r.x->set.split && runs_without(w, -1))
			complain(w, "it does not start");
		w->over = true;
	}
}

static bool may_lose_any(struct walk *w)
{
	for (unsigned i = 0; i < w->r.n_disks; i++)
		if (!runs_without(w, (int)i))
			return false;
	return true;
}

/* One thing more that goes wrong under what happens next. */
static void disturb(struct walk *w)
{
	unsigned n;

	w->call_at = 0;
	switch (draw(w, 16)) {
	case 0:
		w->r.die_at = w->r.dm_calls + 1 + (unsigned)draw(w, 25);
		buf_addf(&w->way, "  act is killed at a call under:\n");
		break;
	case 1:
		n = 1 + (unsigned)draw(w, 20);
		w->call_at = fake_dm_calls(w->r.dm) + n;
		fake_dm_fail_call(w->r.dm, n, EIO, draw(w, 2));
		buf_addf(&w->way, "  a call fails under:\n");
		break;
	case 2:
		if (!may_lose_any(w))
			break;
		fake_disks_fail_at(w->r.disks, 1 + (unsigned)draw(w, 40), FAKE_FAIL_ONCE);
		buf_addf(&w->way, "  a write fails under:\n");
		break;
	default:
		break;
	}
}

/* The record begins anew with what the disks hold now. */
static void forget_records(struct walk *w)
{
	w->since = 0;
	for (unsigned n = 0; n < w->r.n_volumes; n++) {
		w->r.volume[n].made_at = w->r.volume[n].wrote_at = w->r.volume[n].same_at = 0;
		for (size_t i = 0; i < w->r.volume[n].n_acks; i++)
			w->r.volume[n].ack[i].records = 0;
	}
}

static void one_step(struct walk *w)
{
	unsigned all = 0, pick;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_SIZE(ways); k++)
		all += ways[k].weight;
	disturb(w);
	do {
		pick = (unsigned)draw(w, all);
		for (i = 0; pick >= ways[i].weight; i++)
			pick -= ways[i].weight;
	} while (!ways[i].happens(w));
	buf_addf(&w->way, "%-28s", ways[i].name);
	if (w->r.dead) {
		rig_next_act(&w->r);
		forget_records(w);
		buf_addf(&w->way, "(killed) ");
		is_recorded(w);
	}
	/* What a call that failed left behind the next plan finishes. */
	w->r.die_at = 0;
	fake_dm_fail_call(w->r.dm, 0, 0, false);
	if (w->call_at && fake_dm_calls(w->r.dm) >= w->call_at)
		is_recorded(w);
	fake_disks_fail_at(w->r.disks, 0, FAKE_FAIL_ONCE);
	if (!w->r.volume[0].broken)
		keep_running(w);
	buf_addf(&w->way, "%s\n", rig_states(&w->r));
	/* Two things at once may be one too many: then nothing can be promised. */
	w->over = w->over || !runs_without(w, -1);
	if (!w->over)
		look(w);
}

/* All disks are back and nothing goes wrong any more: it is whole in all that it was told, and starts again. */
static void end(struct walk *w)
{
	struct plan *p;
	struct err why;

	for (unsigned i = 0; i < 6 && !w->over; i++) {
		rig_write(&w->r);
		rig_copied(&w->r);
		rig_rebuilt(&w->r);
		p = rig_plan(&w->r, 0);
		rig_step(p, STEP_RECORD, -1);
		if (rig_run(&w->r, p, &why) < 0 && i == 5)
			complain(w, why.msg);
	}
	if (w->over)
		return;
	if (strchr(rig_states(&w->r), 'r'))
		complain(w, "a rebuild that ended is not recorded");
	if (rig_disagrees(&w->r))
		complain(w, rig_disagrees(&w->r));
	look(w);
	if (snapshot_plan(w, STEP_DROP_SNAPSHOT) < 0 || rig_stop(&w->r) < 0)
		complain(w, "it cannot be stopped");
	if (rig_assemble(&w->r, true, false, &why) < 0)
		complain(w, why.msg);
	look(w);
}

static void walk(const char *golden, uint64_t seed)
{
	struct walk w = {.golden = golden, .seed = seed, .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};

	rig_load(&w.r, golden);
	keep_running(&w);
	for (unsigned i = 0; i < STEPS && !w.over; i++)
		one_step(&w);
	end(&w);
	rig_free(&w.r);
	buf_free(&w.way);
}

int main(int argc, char **argv)
{
	unsigned walks = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 60;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	log_setup(getenv("WALK_LOG") ? LOG_DBG : (enum log_level)0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (argc > 3 && strcmp(cases[i], argv[3]) != 0)
			continue;
		for (unsigned k = 0; k < walks; k++)
			walk(cases[i], seed + k);
		printf("%s: %u walks\n", cases[i], walks);
	}
	rig_unload();
	return failures ? 1 : 0;
}
