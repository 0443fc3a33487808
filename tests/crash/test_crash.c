// SPDX-License-Identifier: GPL-2.0-or-later
/* Every plan is cut at every write, killed at every call of the device-mapper, and given an error at each; then it
 * starts again. The outcome must be the old or the new state; no acknowledged write is lost, no stale member is listed,
 * nothing is left suspended. */
#include "tests/crash/scenario.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned failures;

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
	for (size_t i = 0; scenarios[i].name; i++) {
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
