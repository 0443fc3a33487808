// SPDX-License-Identifier: GPL-2.0-or-later
/* Recording is not policy: what the kernel and udev found is written into the metadata at once, whatever rules and
 * guards say. Several things that happened to one set become one plan; it goes before all others of the set and
 * interrupts none. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct set_work *work_of(struct pipeline *p, const char *set)
{
	struct set_work *w;

	list_foreach (w, &p->work, link)
		if (strcmp(w->set, set) == 0)
			return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	snprintf(w->set, sizeof(w->set), "%s", set);
	list_insert(&p->work, &w->link);
	return w;
}

void want(struct pipeline *p, const char *set, bool claim, bool record, bool loud)
{
	const struct disk_set *s = inventory_set(p->inv, set);
	struct set_work *w = s && s->managed ? work_of(p, set) : NULL;
	struct replay *r;

	if (!w)
		return;
	list_foreach (r, &p->replays, link)
		record = record || (!r->recorded && strcmp(r->set, set) == 0);
	w->claim = w->claim || claim;
	w->record = w->record || record;
	w->loud = w->loud || loud;
	w->release = false;
}

static bool set_runs(const struct pipeline *p, const char *set)
{
	for (size_t i = 0; i < inventory_arrays(p->inv); i++)
		if (inventory_array_at(p->inv, i)->running && strcmp(inventory_array_at(p->inv, i)->set, set) == 0)
			return true;
	return false;
}

/* A set that is managed no more: nothing else is done to it, and its disks are held no longer, once nothing runs. */
static void let_go(struct pipeline *p, struct set_work *w)
{
	const struct disk_set *s = inventory_set(p->inv, w->set);

	if (s && s->managed)
		return;
	w->claim = w->record = false;
	w->release = w->loud = w->held && !set_runs(p, w->set);
}

void builtin_reloaded(struct pipeline *p)
{
	struct set_work *w;

	list_foreach (w, &p->work, link)
		let_go(p, w);
	for (size_t i = 0; p->phase == PHASE_STARTED && i < inventory_sets(p->inv); i++)
		want(p, inventory_set_at(p->inv, i)->guid, true, false, false);
}

static void want_recorded(struct pipeline *p, const char *set, bool injected)
{
	struct set_work *w;

	want(p, set, false, true, true);
	list_foreach (w, &p->work, link)
		if (strcmp(w->set, set) == 0)
			w->injected = w->injected || injected;
}

/* A disk of a managed set went away: act writes it down as missing and takes it out. */
void builtin_event(struct pipeline *p, const struct event *ev)
{
	const struct device *d = ev->device ? inventory_device(p->inv, ev->device) : NULL;

	if (strcmp(ev->kind, "device.removed") == 0 && d && d->set[0] && p->phase != PHASE_ENUMERATING)
		want_recorded(p, d->set, ev->origin == ORIGIN_INJECTED);
}

void pipeline_dm_changed(struct pipeline *p, const char *uuid, uint32_t event_nr)
{
	char volume[META_GUID_MAX];
	bool leg = false;
	const struct array *a =
		normalise_dm_uuid(uuid, volume, sizeof(volume), &leg) ? inventory_array(p->inv, volume) : NULL;

	/* The devices under an array have events of their own only while a member is copied. */
	if (!a || (leg ? event_nr == 0 : a->running && a->event_nr == event_nr))
		return;
	want(p, a->set, false, true, true);
	drain(p);
}

static bool set_behind(const struct pipeline *p, const char *set)
{
	for (size_t i = 0; i < inventory_arrays(p->inv); i++)
		if (inventory_array_at(p->inv, i)->behind && strcmp(inventory_array_at(p->inv, i)->set, set) == 0)
			return true;
	return false;
}

/* Whatever is done next to the set brings its tables in line, too. */
static bool set_waits(const struct pipeline *p, const char *set)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (strcmp(j->set, set) == 0)
			return true;
	return false;
}

/* Who fell out leaves the table with the swap of the plan that the recording brought about, mostly a spare's; by
 * itself, if it brings about none within FOLLOW_NS. */
static bool must_follow(const struct pipeline *p, const struct set_work *w)
{
	return w->follow && set_behind(p, w->set) && !set_waits(p, w->set);
}

struct job *builtin_job(struct pipeline *p, const char *set)
{
	struct set_work *w = work_of(p, set);
	bool follow;
	struct job *j;

	if (!w)
		return NULL;
	follow = must_follow(p, w) && w->follow <= pipeline_now(p);
	if (!w->claim && !w->record && !w->release && !follow)
		return NULL;
	j = job_new(p, PLAN_BUILTIN);
	if (!j)
		return NULL;
	snprintf(j->set, sizeof(j->set), "%s", set);
	j->claim = w->claim;
	j->record = w->record || follow;
	j->table_later = w->record && !w->claim && !follow;
	j->release = w->release;
	j->quiet = !w->loud;
	j->injected = w->injected;
	w->held = w->held || w->claim;
	w->claim = w->record = w->release = w->loud = w->injected = false;
	return j;
}

bool builtin_pending(const struct pipeline *p)
{
	struct set_work *w;
	struct job *j;

	list_foreach (w, &p->work, link)
		if (w->claim || w->record)
			return true;
	list_foreach (j, &p->jobs, link)
		if (j->origin == PLAN_BUILTIN)
			return true;
	return false;
}

/* The kernel tells when a snapshot is invalid, and not how full it is. */
static bool fills(const struct array *a)
{
	for (unsigned i = 0; a->running && i < a->n_snapshots; i++)
		if (!a->snapshot[i].lost)
			return true;
	return false;
}

static bool progresses(const struct array *a)
{
	return a->was_rebuilding || (a->running && a->copy_to[0]) || fills(a);
}

static bool anything_rebuilds(const struct pipeline *p)
{
	for (size_t i = 0; i < inventory_arrays(p->inv); i++)
		if (progresses(inventory_array_at(p->inv, i)))
			return true;
	return false;
}

static void refresh_progress(struct pipeline *p, int64_t now)
{
	if (p->phase != PHASE_STARTED || !anything_rebuilds(p)) {
		p->refresh = 0;
		return;
	}
	if (p->refresh > now)
		return;
	for (size_t i = 0; p->refresh > 0 && i < inventory_arrays(p->inv); i++)
		if (progresses(inventory_array_at(p->inv, i)))
			want(p, inventory_array_at(p->inv, i)->set, false, true, false);
	p->refresh = now + REFRESH_NS;
}

void builtin_refresh(struct pipeline *p)
{
	int64_t now = pipeline_now(p);
	struct set_work *w;

	refresh_progress(p, now);
	list_foreach (w, &p->work, link) {
		if (w->retry == 0 || w->retry > now)
			continue;
		w->retry = 0;
		let_go(p, w);
		want(p, w->set, true, true, false);
	}
}

bool builtin_deadline(const struct pipeline *p, int64_t *ret_boot)
{
	struct set_work *w;

	*ret_boot = p->refresh;
	list_foreach (w, &p->work, link) {
		int64_t follow = must_follow(p, w) ? w->follow : 0;

		if (w->retry > 0 && (*ret_boot == 0 || w->retry < *ret_boot))
			*ret_boot = w->retry;
		if (follow > 0 && (*ret_boot == 0 || follow < *ret_boot))
			*ret_boot = follow;
	}
	return *ret_boot > 0;
}

/* ---- start-up ---- */

void replay_free(struct replay *r)
{
	list_remove(&r->link);
	json_decref(r->intent);
	free(r);
}

int pipeline_replay(struct pipeline *p, const json_t *intent, struct err *e)
{
	const char *plan = json_string_value(json_object_get(intent, "plan"));
	const char *set = json_string_value(json_object_get(intent, "set"));
	struct replay *r;

	if (!plan || !set || strlen(plan) >= PLAN_ID_MAX || strlen(set) >= META_GUID_MAX)
		return err_set(e, EINVAL, "an intent without a plan or a set");
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_sys(e, ENOMEM, "intents");
	snprintf(r->plan, sizeof(r->plan), "%s", plan);
	snprintf(r->set, sizeof(r->set), "%s", set);
	r->intent = json_incref((json_t *)intent);
	list_insert(&p->replays, &r->link);
	return 0;
}

static bool set_here(const struct pipeline *p, const char *set)
{
	const struct disk_set *s = inventory_set(p->inv, set);

	return s && s->managed && s->view;
}

/* Whatever the plan had done is now in the picture and in the metadata, and was right by itself, step by step. */
static void end_replays(struct pipeline *p, const char *set)
{
	struct replay *r;

	list_foreach (r, &p->replays, link) {
		json_t *row, *msg;

		if (strcmp(r->set, set) != 0 || r->recorded)
			continue;
		row = json_pack("{s:s s:s s:s s:s s:I}", "plan", r->plan, "set", set, "result", "replayed", "reason",
				"spared was stopped while it ran; what it had done is recorded", "wall",
				(json_int_t)clock_wall(p->clock));
		if (row)
			p->ops.store(p->ops.u, "outcome", row, r->plan, false);
		msg = row ? json_copy(row) : NULL;
		if (msg && json_object_set_new(msg, "type", json_string("outcome")) == 0)
			p->ops.publish(p->ops.u, msg);
		json_decref(msg);
		json_decref(row);
		r->recorded = true;
	}
	if (p->phase == PHASE_STARTED)
		builtin_replayed(p);
}

/* A set that was to be made, and of which no disk has anything: there is nothing to record. */
static bool never_made(const struct pipeline *p, const struct replay *r)
{
	return !inventory_set(p->inv, r->set) && json_object_get(json_object_get(r->intent, "body"), "create") != NULL;
}

void builtin_start(struct pipeline *p)
{
	struct replay *r;

	for (size_t i = 0; i < inventory_sets(p->inv); i++)
		if (set_here(p, inventory_set_at(p->inv, i)->guid))
			want(p, inventory_set_at(p->inv, i)->guid, true, true, true);
	list_foreach (r, &p->replays, link)
		if (never_made(p, r))
			end_replays(p, r->set);
		else
			want(p, r->set, false, true, true);
}

/* The slot is as it was when the plan was made: neither did its member come back, nor did another take its place. */
static bool still_so(const struct pipeline *p, const char *array, const json_t *ask)
{
	const char *was = json_string_value(json_object_get(ask, "was"));
	const struct array *a = inventory_array(p->inv, array);
	json_int_t slot = json_integer_value(json_object_get(ask, "slot"));

	if (!was || !a || !a->volume || slot < 0 || slot >= a->volume->slots)
		return false;
	return strcmp(member_words[array_member_state(p->inv, a, (unsigned)slot)], was) == 0 ||
	       array_member_state(p->inv, a, (unsigned)slot) == MEMBER_FAILED;
}

/* The rest of a plan that a rule asked for: planned anew, through the same guards; what is done already is no step. */
static void resume(struct pipeline *p, const struct replay *r)
{
	const char *array = NULL, *verdict = "", *rule = "", *action, *device, *origin = "";
	json_t *asks = NULL, *ask, *params;
	struct job *j;
	size_t i;
	int slot;

	json_unpack(r->intent, "{s:s s:s s:s s:s s:o}", "origin", &origin, "array-id", &array, "verdict", &verdict,
		    "rule", &rule, "asks", &asks);
	if (strcmp(origin, "rule") != 0 || !array || !still_so(p, array, json_array_get(asks, 0))) {
		lend_replayed(p, r->intent, NULL);
		return;
	}
	j = job_new(p, PLAN_RULE);
	if (!j)
		return;
	lend_replayed(p, r->intent, j);
	snprintf(j->set, sizeof(j->set), "%s", r->set);
	snprintf(j->array, sizeof(j->array), "%s", array);
	snprintf(j->verdict, sizeof(j->verdict), "%s", verdict);
	snprintf(j->rule, sizeof(j->rule), "%s", rule);
	json_array_foreach(asks, i, ask) if (json_unpack(ask, "{s:s s:s s:i s:O}", "action", &action, "device", &device,
							 "slot", &slot, "params", &params) == 0)
		job_ask(j, action, params, *device ? device : NULL, slot, FAILURE_STOP, NULL);
	job_queue(p, j);
}

void builtin_replayed(struct pipeline *p)
{
	struct replay *r;

	list_foreach (r, &p->replays, link) {
		if (!r->recorded)
			continue;
		resume(p, r);
		replay_free(r);
	}
}

/* A fact cannot wait: the first time at once, for act may have died of something else. Then in steps; and while act
 * hangs each time longer, for each hanging process stays. */
static int64_t retry_after(struct set_work *w, enum action_result result)
{
	if (result == ACTION_TIMEOUT) {
		w->hangs = MIN(w->hangs + 1, (unsigned)RETRY_DOUBLED_MAX);
		return RETRY_NS << (w->hangs - 1);
	}
	w->hangs = 0;
	return w->tries++ == 0 ? 0 : RETRY_NS;
}

/* A fact that could not be recorded stays to be recorded: it is tried again until it is done. */
void builtin_done(struct pipeline *p, const struct job *j, enum action_result result, const char *reason)
{
	struct set_work *w = work_of(p, j->set);
	char text[2 * PLAN_REASON_MAX];

	if (!w)
		return;
	if (result == ACTION_OK) {
		w->failing = false;
		w->held = w->held && !j->release;
		w->tries = w->hangs = 0;
		w->follow = j->table_later ? pipeline_now(p) + FOLLOW_NS : 0;
		if (j->record)
			end_replays(p, j->set);
		return;
	}
	w->retry = pipeline_now(p) + retry_after(w, result);
	if (w->failing || w->retry == pipeline_now(p))
		return;
	w->failing = true;
	snprintf(text, sizeof(text), "set %s: %s failed, and is tried again: %.200s", j->set,
		 j->record    ? "recording what happened"
		 : j->release ? "letting go of its disks"
			      : "claiming its disks",
		 reason ? reason : "no reason was given");
	tell_people(p, "critical", text, NULL);
}
