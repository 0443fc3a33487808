// SPDX-License-Identifier: GPL-2.0-or-later
/* What an array's table says beside the format: which member is read last, how fast it may resync. And the messages
 * that begin or end a comparison of its members. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The kernel throttles to speed_limit_min, 1000 KiB/s, before it looks at an array's maximum (md_do_sync). */
enum { KERNEL_MIN_RATE = 1000, UNLIMITED_RATE = 100000000 };

void options_read(struct volume_run *run)
{
	char word[32] = "";
	const char *p = run->table;
	unsigned n_args, value;
	int n;

	run->options = (struct table_options){0};
	if (sscanf(p, "%*s %u%n", &n_args, &n) != 1)
		return;
	for (p += n; n_args > 0; n_args--, p += n) {
		char name[sizeof(word)];

		memcpy(name, word, sizeof(name));
		if (sscanf(p, " %31s%n", word, &n) != 1)
			break;
		value = (unsigned)strtoul(word, NULL, 10);
		if (strcmp(name, "write_mostly") == 0 && value < META_SLOTS_MAX)
			run->options.read_last[value] = true;
		else if (strcmp(name, "min_recovery_rate") == 0)
			run->options.min_rate = value;
		else if (strcmp(name, "max_recovery_rate") == 0)
			run->options.max_rate = value;
	}
	if (run->wants)
		return;
	run->want = run->options;
	run->wants = true;
}

json_t *options_state(const struct volume_run *run)
{
	const struct table_options *o = &run->options;
	json_t *last = json_array();

	for (unsigned i = 0; last && i < META_SLOTS_MAX; i++)
		if (o->read_last[i])
			json_array_append_new(last, json_integer(i));
	return json_pack("{s:o,s:I}", "read-last", last, "rate",
			 o->min_rate == UNLIMITED_RATE ? (json_int_t)-1 : (json_int_t)o->max_rate * 1024);
}

bool options_differ(const struct volume_run *run)
{
	return memcmp(run->want.read_last, run->options.read_last, sizeof(run->want.read_last)) != 0 ||
	       run->want.min_rate != run->options.min_rate || run->want.max_rate != run->options.max_rate;
}

void options_forget(struct exec *x)
{
	for (size_t i = 0; i < x->n_runs; i++)
		x->run[i]->want = x->run[i]->running ? x->run[i]->options : (struct table_options){0};
}

int step_read_last_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	const struct meta_volume *v = work_volume(x, &view, e);
	struct volume_run *run = v ? exec_run(x, v->guid) : NULL;
	int slot = v ? step_slot(x, s, v, e) : -ENOENT;

	if (!run || slot < 0)
		return slot < 0 ? slot : -ENOENT;
	if (v->level != RAID1)
		return err_set(e, EINVAL, "%s is no RAID1: each of its blocks is read from one place", v->name);
	if (run->want.read_last[slot] == !s->undo)
		return 1;
	run->want.read_last[slot] = !s->undo;
	return 0;
}

int step_speed_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = exec_run(x, x->plan->volume);
	struct table_options was;

	if (!run)
		return err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	was = run->want;
	run->want.min_rate = run->want.max_rate = 0;
	if (s->rate == PLAN_RATE_MAX) {
		run->want.min_rate = run->want.max_rate = UNLIMITED_RATE;
	} else if (s->rate) {
		run->want.max_rate = (uint32_t)MIN(MAX(s->rate / 1024, UINT64_C(1)), (uint64_t)UNLIMITED_RATE);
		run->want.min_rate = MIN(run->want.max_rate, (uint32_t)KERNEL_MIN_RATE);
	}
	return was.min_rate == run->want.min_rate && was.max_rate == run->want.max_rate;
}

/* The kernel takes a message at once, and tells by an event when it is through. */
int step_scrub_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = exec_run(x, x->plan->volume);
	enum dm_raid_action to = s->repair ? DM_REPAIR : DM_CHECK, runs;
	int r;

	if (!run || !run->running)
		return err_set(e, ENODEV, "%s is not running", run ? run->dm : x->plan->volume);
	runs = run->status.action;
	if (s->undo ? runs != DM_CHECK && runs != DM_REPAIR : runs == to)
		return 0;
	if (!s->undo && runs != DM_IDLE)
		return err_set(e, EBUSY, "%s is busy: %s", run->dm, dm_raid_action_name(runs));
	exec_mark(x, "message");
	r = x->env.dm->message(x->env.dm->u, run->dm, s->undo ? "idle" : dm_raid_action_name(to), e);
	if (r < 0)
		return r;
	run->scrub_cut = s->undo;
	run->status.action = s->undo ? DM_IDLE : to;
	run->status.done = 0;
	tell_changes(x, run);
	return 0;
}

/* What the kernel has forgotten of a resync it does when it is asked for a repair; once for each table, for it keeps no
 * trace of whether that came to its end. So the array is not called initialised by it: the next start asks for a resync
 * of all by the superblocks. */
void repair_owed(struct exec *x, struct volume_run *run)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	struct err why = {0};

	if (!v || !slices_owed(x, v))
		return;
	run->repair_asked = run->repair_asked || run->status.action == DM_REPAIR;
	if (run->repair_asked || strspn(run->status.health, "A") != v->slots || !dm_raid_settled(&run->status))
		return;
	exec_mark(x, "message");
	if (x->env.dm->message(x->env.dm->u, run->dm, "repair", &why) < 0) {
		log_warning("%s", why.msg);
		return;
	}
	run->repair_asked = true;
	run->scrub_cut = false;
	run->status.action = DM_REPAIR;
	run->status.done = 0;
	tell_changes(x, run);
}
