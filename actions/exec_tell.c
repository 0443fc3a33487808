// SPDX-License-Identifier: GPL-2.0-or-later
/* What act tells the broker: events, outcomes of steps, the state of the set, and a dry run's text. */
#include "actions/exec_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void report(struct exec *x, const char *key, json_t *value)
{
	json_t *msg = value ? json_pack("{s:o}", key, value) : NULL;

	if (msg && x->env.report)
		x->env.report(x->env.u, msg);
	json_decref(msg);
}

void tell_event(struct exec *x, const char *kind, const char *volume, int slot, const char *ref,
		const struct event_fact *facts, size_t n_facts)
{
	_cleanup_(event_freep) struct event *ev = event_new(kind, "act", ORIGIN_OWN);
	const struct set_disk *d = ref ? set_disk_by_ref(&x->set, ref) : NULL;

	if (!ev)
		return;
	ev->time = clock_boot(x->env.clock);
	ev->wall = clock_wall(x->env.clock);
	ev->slot = slot;
	if (asprintf(&ev->array, "%s%s", x->array_prefix, volume) < 0)
		ev->array = NULL;
	if (d)
		ev->device = strdup(d->device.id);
	for (size_t i = 0; i < n_facts; i++)
		event_set(ev, facts[i].id, facts[i].v);
	report(x, "event", event_to_json(ev));
}

void tell_committed(struct exec *x, const struct meta_view *before)
{
	for (size_t i = 0; i < x->set.view->n_volumes; i++) {
		const struct meta_volume *v = &x->set.view->volumes[i], *old = meta_view_volume(before, v->guid);

		for (unsigned k = 0; old && k < MIN(v->slots, old->slots); k++) {
			const struct meta_member *m = &v->members[k], *o = &old->members[k];
			bool held = o->state == MEMBER_IN_SYNC || o->state == MEMBER_REBUILDING;
			bool holds = m->state == MEMBER_IN_SYNC || m->state == MEMBER_REBUILDING;
			struct event_fact was = {.id = FACT_MEMBER_PREVIOUS_STATE,
						 .v = fact_enum(FACT_MEMBER_PREVIOUS_STATE, (int)o->state)};

			/* Fail and spare is one commit: the old disk left the slot all the same. */
			if (held && (!holds || strcmp(m->ref, o->ref) != 0))
				tell_event(x, "array.member-failed", v->guid, (int)k, o->ref, &was, 1);
			if (holds && m->ref[0] && strcmp(m->ref, o->ref) != 0)
				tell_event(x, "spare.activated", v->guid, (int)k, m->ref, NULL, 0);
		}
	}
}

enum array_state tell_array_state(const struct exec *x, const struct volume_run *run)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	bool in_sync[META_SLOTS_MAX];
	unsigned n = 0;

	if (!v || !run->running)
		return ARRAY_INACTIVE;
	for (unsigned i = 0; i < v->slots; i++) {
		in_sync[i] = v->members[i].state == MEMBER_IN_SYNC;
		n += in_sync[i];
	}
	if (run->lost || !raid_runnable(v->level, in_sync, v->slots))
		return ARRAY_FAILED;
	if (run->read_only)
		return ARRAY_READ_ONLY;
	return n == v->slots ? ARRAY_OPTIMAL : ARRAY_DEGRADED;
}

static bool sync_runs(const struct volume_run *run, enum resync_kind *kind)
{
	switch (run->status.action) {
	case DM_RESYNC:
		*kind = RESYNC_RESYNC;
		return true;
	case DM_RECOVER:
		*kind = RESYNC_REBUILD;
		return true;
	case DM_CHECK:
		*kind = RESYNC_CHECK;
		return true;
	case DM_REPAIR:
		*kind = RESYNC_REPAIR;
		return true;
	default:
		return false;
	}
}

static void tell_sync(struct exec *x, struct volume_run *run)
{
	struct event_fact f[2] = {{.id = FACT_RESYNC_KIND}, {.id = FACT_RESYNC_RESULT}};
	enum resync_kind kind = run->sync_kind;
	bool runs = run->running && sync_runs(run, &kind);

	if (run->syncing && (!runs || kind != run->sync_kind)) {
		bool done = run->running && dm_raid_settled(&run->status);

		f[0].v = fact_enum(FACT_RESYNC_KIND, (int)run->sync_kind);
		f[1].v = fact_enum(FACT_RESYNC_RESULT, done ? RESYNC_DONE : RESYNC_INTERRUPTED);
		tell_event(x, "array.resync-finished", run->guid, -1, NULL, f, 2);
		run->syncing = false;
	}
	if (runs && !run->syncing) {
		f[0].v = fact_enum(FACT_RESYNC_KIND, (int)kind);
		tell_event(x, "array.resync-started", run->guid, -1, NULL, f, 1);
		run->syncing = true;
		run->sync_kind = kind;
	}
}

void tell_changes(struct exec *x, struct volume_run *run)
{
	enum array_state now = tell_array_state(x, run);

	tell_sync(x, run);
	if (now == run->told)
		return;
	if (now == ARRAY_OPTIMAL && run->told != ARRAY_INACTIVE)
		tell_event(x, "array.optimal", run->guid, -1, NULL, NULL, 0);
	else if (now == ARRAY_DEGRADED)
		tell_event(x, "array.degraded", run->guid, -1, NULL, NULL, 0);
	else if (now == ARRAY_FAILED)
		tell_event(x, "array.failed", run->guid, -1, NULL, NULL, 0);
	run->told = now;
}

void tell_step(struct exec *x, size_t step, const char *result, const char *reason)
{
	json_t *msg = json_pack("{s:I,s:s,s:s}", "step", (json_int_t)step, "result", result, "reason", reason);

	if (msg && x->env.report)
		x->env.report(x->env.u, msg);
	json_decref(msg);
}

void tell_show(struct exec *x, const char *text)
{
	report(x, "show", json_string(text));
}

/* --- state ------------------------------------------------------------------------------------------------- */

static json_t *run_state(struct exec *x, const struct volume_run *run, const struct meta_volume *v)
{
	json_t *slots = json_array(), *j;

	for (unsigned i = 0; slots && i < v->slots; i++)
		json_array_append_new(slots, json_string(run->running ? run->listed[i] : ""));
	j = json_pack("{s:s,s:b,s:s,s:o}", "guid", run->guid, "running", run->running, "dm", run->top, "slots", slots);
	if (j && run->running) {
		json_object_set_new(j, "event_nr", json_integer(run->info.event_nr));
		json_object_set_new(j, "read_only", json_boolean(run->read_only));
		json_object_set_new(j, "behind", json_boolean(run->behind));
		json_object_set_new(j, "health", json_string(run->status.health));
		json_object_set_new(j, "action", json_string(dm_raid_action_name(run->status.action)));
		json_object_set_new(j, "done", json_integer((json_int_t)run->status.done));
		json_object_set_new(j, "total", json_integer((json_int_t)run->status.total));
		json_object_set_new(j, "mismatches", json_integer((json_int_t)run->status.mismatches));
		json_object_set_new(j, "cut", json_boolean(run->scrub_cut));
		json_object_set_new(j, "copies", copies_state(x, run));
		json_object_set_new(j, "copy-ended", json_string(run->copy_ended));
		json_object_set_new(j, "options", options_state(run));
		json_object_set_new(j, "snapshots", snapshots_state(run));
		json_object_set_new(j, "major", json_integer(run->info.major));
		json_object_set_new(j, "minor", json_integer(run->info.minor));
	}
	return j;
}

/* Which disk of the machine is which of the set, and where its room is: of those that were just made ones nobody has
 * read that. */
static json_t *disks_state(const struct exec *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->set.n_disks; i++) {
		const struct set_disk *d = x->set.disk[i];

		if (d->dev && d->ours && d->view)
			json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I}", "id", d->device.id, "ref", d->ref,
							      "room", (json_int_t)d->view->room_start, "sectors",
							      (json_int_t)d->view->room_sectors));
	}
	return list;
}

/* Who holds what the state says: also one that was behind, and was brought up to date. */
static json_t *current_state(const struct exec *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->set.n_disks; i++)
		if (set_disk_current(x->set.disk[i]))
			json_array_append_new(list, json_string(x->set.disk[i]->device.id));
	return list;
}

json_t *exec_state(struct exec *x)
{
	const struct timing *t = &x->timing;
	json_t *volumes = json_array(), *j;

	if (!x->set.view) {
		json_decref(volumes);
		return json_pack("{s:s,s:i,s:n,s:[]}", "set", x->set.guid, "seq", 0, "view", "volumes");
	}
	for (size_t i = 0; volumes && i < x->n_runs; i++) {
		const struct meta_volume *v = exec_volume(x, x->run[i]->guid);

		if (v)
			json_array_append_new(volumes, run_state(x, x->run[i], v));
	}
	j = json_pack("{s:s,s:I,s:o,s:o,s:o}", "set", x->set.guid, "seq", (json_int_t)x->set.view->seq, "view",
		      meta_view_to_json(x->set.view), "current", current_state(x), "volumes", volumes);
	if (j && x->plan && plan_joins(x->plan))
		json_object_set_new(j, "disks", disks_state(x));
	if (j)
		json_object_set_new(j, "timing",
				    json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "open", t->open, "images", t->images,
					      "commit", t->commit, "enter", t->enter, "load", t->load, "suspended",
					      t->suspended, "total", t->total));
	return j;
}

void tell_state(struct exec *x)
{
	report(x, "state", exec_state(x));
}

void show_view(const struct meta_view *v, const char *title, struct buf *out)
{
	buf_addf(out, "%s: set %s seq %" PRIu64 "\n", title, v->set, v->seq);
	for (size_t i = 0; i < v->n_volumes; i++) {
		const struct meta_volume *vol = &v->volumes[i];

		buf_addf(out, "  volume %s %s %s:", vol->name,
			 raid_level_name(vol->level) ? raid_level_name(vol->level) : "?",
			 vol->clean ? "clean" : "dirty");
		for (unsigned k = 0; k < vol->slots; k++)
			buf_addf(out, " %u=%s/%s", k, vol->members[k].ref[0] ? vol->members[k].ref : "-",
				 member_words[vol->members[k].state]);
		buf_addc(out, '\n');
	}
	for (size_t i = 0; i < v->n_disks; i++)
		buf_addf(out, "  disk %s%s%s%s%s\n", v->disks[i].ref, v->disks[i].spare ? " spare" : "",
			 v->disks[i].dedicated ? " dedicated" : "", v->disks[i].failed ? " failed" : "",
			 v->disks[i].missing ? " missing" : "");
}
