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

int resync_lost(struct exec *x, const struct meta_volume *v, const bool *in_sync, struct err *e)
{
	struct meta_edit edit = {.op = META_SET_INITIALISED};
	int r;

	if (!v->initialised || !raid_mirrored(v->level, in_sync, v->slots))
		return 0;
	log_notice("%s: mirrors may differ where writes were under way, until all of them have been compared", v->name);
	memcpy(edit.volume, v->guid, sizeof(edit.volume));
	r = exec_edit(x, &edit, e);
	return r < 0 ? r : 1;
}

/* The superblocks ask for one until it has ended; that they cannot be read for want of memory is no answer. */
static bool resync_pending(struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	bool pending = run->status.action == DM_RESYNC;

	for (unsigned i = 0; i < v->slots && !pending; i++) {
		struct set_disk *d = set_disk_by_ref(&x->set, v->members[i].ref);
		int r = v->members[i].state == MEMBER_IN_SYNC && d && d->dev && !d->error
				? set_slice_refresh(d, v->guid)
				: -ENODEV;
		const struct bay *b = r == 0 ? &d->bay[set_bay_of(d, v->guid)] : NULL;

		pending = r == -ENOMEM || (b && b->super_status == 0 && b->super.resync_offset != UINT64_MAX);
	}
	return pending;
}

int resyncs_lost(struct exec *x, const struct meta_view *view, struct err *e)
{
	int n = 0, r = 0;

	for (size_t i = 0; i < x->n_runs && r >= 0; i++) {
		const struct volume_run *run = x->run[i];
		const struct meta_volume *v = meta_view_volume(view, run->guid);
		bool in_sync[META_SLOTS_MAX] = {0}, enters = false;

		for (unsigned k = 0; v && k < v->slots; k++) {
			in_sync[k] = v->members[k].state == MEMBER_IN_SYNC;
			enters = enters || (v->members[k].state == MEMBER_REBUILDING &&
					    strcmp(run->listed[k], v->members[k].ref) != 0);
		}
		if (enters && run->running && !run->read_only && v->initialised && resync_pending(x, run, v))
			r = resync_lost(x, v, in_sync, e);
		n += r > 0;
	}
	return r < 0 ? r : n;
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
