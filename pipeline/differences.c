// SPDX-License-Identifier: GPL-2.0-or-later
/* What became different, as events: array.*, spare.*. The model is compared with what it was, so a thing that changed
 * is told once, however it became known. */
#include "pipeline/inventory_impl.h"

#include <stdio.h>
#include <string.h>

struct telling {
	struct inventory *inv;
	int64_t boot;
	bool quiet;
	void (*fn)(void *u, struct event *ev);
	void *u;
};

static struct event *make(const struct telling *t, const char *kind, const struct array *a, const char *device,
			  int slot)
{
	struct event *ev = t->quiet ? NULL : event_new(kind, "inventory", ORIGIN_KERNEL);

	if (!ev)
		return NULL;
	ev->time = t->boot;
	ev->slot = slot;
	if (a)
		ev->array = strdup(a->id);
	if (device && *device)
		ev->device = strdup(device);
	return ev;
}

static void tell(const struct telling *t, struct event *ev)
{
	if (ev)
		t->fn(t->u, ev);
}

/* ---- members ---- */

static void tell_failed(const struct telling *t, const struct array *a, unsigned slot, const char *device)
{
	struct event *ev = make(t, "array.member-failed", a, device, (int)slot);

	if (ev)
		event_set(ev, FACT_MEMBER_PREVIOUS_STATE,
			  fact_enum(FACT_MEMBER_PREVIOUS_STATE, (int)a->member[slot].previous));
	tell(t, ev);
}

/* Until now. One that failed and went after that was told as failed, whatever comes into its place. */
static bool counted_in(const struct member_memory *m)
{
	enum member_state s = m->last == MEMBER_MISSING ? m->previous : m->last;

	return s != MEMBER_FAILED && s != MEMBER_EMPTY;
}

static void compare_member(const struct telling *t, struct array *a, unsigned slot)
{
	struct member_memory *m = &a->member[slot];
	enum member_state now = array_member_state(t->inv, a, slot);
	const struct device *d = array_slot_device(t->inv, a, slot);
	bool replaced = d && m->device[0] && strcmp(d->id, m->device) != 0, was_spare = d && d->last_spare >= 0;
	bool copied;

	/* A copy of it took its place. */
	copied = replaced && now == MEMBER_IN_SYNC && a->copied_slot == (int)slot && strcmp(a->copied_to, d->id) == 0;
	if (a->known_before && counted_in(m) && !copied && (now == MEMBER_FAILED || replaced))
		tell_failed(t, a, slot, m->device);
	if (a->known_before && was_spare && (replaced || !m->device[0] || now == MEMBER_REBUILDING))
		tell(t, make(t, "spare.activated", a, d->id, (int)slot));
	if (replaced && copied)
		m->before[0] = '\0';
	else if (replaced)
		memcpy(m->before, m->device, sizeof(m->before));
	if (d)
		snprintf(m->device, sizeof(m->device), "%s", d->id);
	m->last = now;
	if (now != MEMBER_MISSING)
		m->previous = now;
}

/* ---- rebuilds ---- */

static enum resync_result resync_result(const struct array *a, const bool was_rebuilding[META_SLOTS_MAX])
{
	enum resync_result r = RESYNC_DONE;

	for (unsigned i = 0; i < a->volume->slots; i++) {
		if (!was_rebuilding[i] || a->member[i].last == MEMBER_IN_SYNC)
			continue;
		if (a->member[i].last == MEMBER_FAILED)
			return RESYNC_FAILED;
		r = RESYNC_INTERRUPTED;
	}
	return r;
}

bool array_resyncs(const struct array *a, enum resync_kind *ret)
{
	static const struct {
		const char *action;
		enum resync_kind kind;
	} actions[] = {{"recover", RESYNC_REBUILD},
		       {"resync", RESYNC_RESYNC},
		       {"check", RESYNC_CHECK},
		       {"repair", RESYNC_REPAIR}};

	for (size_t i = 0; a->running && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(a->action, actions[i].action) == 0) {
			*ret = actions[i].kind;
			return true;
		}
	}
	return false;
}

/* A comparison that was through, and what it found. */
static void take_scrub(const struct telling *t, struct array *a)
{
	struct event *ev;

	a->scrubbed = t->inv->wall;
	a->mismatches = a->resync == RESYNC_CHECK ? a->differing : 0;
	t->inv->version++;
	if (!a->mismatches)
		return;
	ev = make(t, "array.mismatch", a, NULL, -1);
	if (ev)
		event_set(ev, FACT_ARRAY_MISMATCHES, value_int((int64_t)a->mismatches));
	tell(t, ev);
}

static void resync_begins(const struct telling *t, struct array *a, enum resync_kind kind)
{
	struct event *ev = a->known_before ? make(t, "array.resync-started", a, NULL, -1) : NULL;

	a->resync_since = t->boot;
	a->resync = kind;
	if (ev)
		event_set(ev, FACT_RESYNC_KIND, fact_enum(FACT_RESYNC_KIND, (int)kind));
	tell(t, ev);
}

static void resync_ends(const struct telling *t, struct array *a, const bool was_rebuilding[META_SLOTS_MAX])
{
	bool scrub = a->resync == RESYNC_CHECK || a->resync == RESYNC_REPAIR;
	bool whole = a->running && (!scrub || (!a->cut && array_cached(t->inv, a)->state == ARRAY_OPTIMAL));
	enum resync_result result = whole ? resync_result(a, was_rebuilding) : RESYNC_INTERRUPTED;
	struct event *ev = make(t, "array.resync-finished", a, NULL, -1);

	if (ev) {
		event_set(ev, FACT_RESYNC_KIND, fact_enum(FACT_RESYNC_KIND, (int)a->resync));
		event_set(ev, FACT_RESYNC_RESULT, fact_enum(FACT_RESYNC_RESULT, (int)result));
		event_set(ev, FACT_RESYNC_DURATION, value_duration(t->boot - a->resync_since));
	}
	tell(t, ev);
	a->resync_since = 0;
	if (scrub && result == RESYNC_DONE)
		take_scrub(t, a);
}

static void compare_resync(const struct telling *t, struct array *a, const bool was_rebuilding[META_SLOTS_MAX])
{
	enum resync_kind kind = RESYNC_REBUILD;
	bool runs = a->running && array_cached(t->inv, a)->rebuilding;

	/* Of a rebuild the members' states tell, which last until its end is recorded. */
	if (!runs)
		runs = array_resyncs(a, &kind) && kind != RESYNC_REBUILD;
	if (a->was_rebuilding && (!runs || kind != a->resync))
		resync_ends(t, a, was_rebuilding);
	if (runs && (!a->was_rebuilding || kind != a->resync))
		resync_begins(t, a, kind);
	a->was_rebuilding = runs;
}

/* ---- a member that is copied ---- */

static enum resync_result copy_result(const struct telling *t, const struct array *a)
{
	unsigned slot = (unsigned)a->copied_slot;
	const struct device *d = array_slot_device(t->inv, a, slot);

	if (d && strcmp(d->id, a->copied_to) == 0 && array_member_state(t->inv, a, slot) == MEMBER_IN_SYNC)
		return RESYNC_DONE;
	return a->running && a->copy_ended[0] ? RESYNC_FAILED : RESYNC_INTERRUPTED;
}

/* before: who was in the slots at the last differences. */
static void compare_copy(const struct telling *t, struct array *a, const char before[][DEVICE_ID_MAX])
{
	bool runs = a->running && a->copy_to[0], ran = a->copied_to[0];
	const struct device *d = ran ? device_find(t->inv, before[a->copied_slot]) : NULL;
	char reason[PLAN_REASON_MAX + 40];
	struct event *ev;

	snprintf(reason, sizeof(reason), "%s: %s", d ? d->name : "", a->copy_ended);
	if (ran && (!runs || strcmp(a->copy_to, a->copied_to) != 0 || a->copy_slot != a->copied_slot)) {
		enum resync_result result = copy_result(t, a);

		ev = make(t, "array.resync-finished", a, before[a->copied_slot], a->copied_slot);
		if (ev) {
			event_set(ev, FACT_RESYNC_KIND, fact_enum(FACT_RESYNC_KIND, RESYNC_REPLACE));
			event_set(ev, FACT_RESYNC_RESULT, fact_enum(FACT_RESYNC_RESULT, (int)result));
			if (result == RESYNC_FAILED)
				event_set(ev, FACT_RESYNC_REASON, value_str(reason));
		}
		tell(t, ev);
		ran = false;
	}
	if (runs && !ran && a->known_before) {
		ev = make(t, "array.resync-started", a, before[a->copy_slot], a->copy_slot);
		if (ev)
			event_set(ev, FACT_RESYNC_KIND, fact_enum(FACT_RESYNC_KIND, RESYNC_REPLACE));
		tell(t, ev);
	}
	snprintf(a->copied_to, sizeof(a->copied_to), "%s", runs ? a->copy_to : "");
	a->copied_slot = a->copy_slot;
}

/* ---- snapshots ---- */

static void tell_snapshot(const struct telling *t, const char *kind, const struct array *a,
			  const struct array_snapshot *s)
{
	struct event *ev = make(t, kind, a, NULL, -1);

	if (ev) {
		ev->snapshot = strdup(s->id);
		event_set(ev, FACT_SNAPSHOT_NAME, value_str(s->name));
	}
	tell(t, ev);
}

static const struct array_snapshot *among(const struct array_snapshot *list, unsigned n, const char *id)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i].id, id) == 0)
			return &list[i];
	return NULL;
}

/* What was there before anything was known of the array is no news, but that one is invalid is. What became of them
 * while no process listened is told, too, when the rules have begun. */
static void compare_snapshots(const struct telling *t, struct array *a)
{
	if (!a->snapshots_read || t->quiet)
		return;
	for (unsigned i = 0; i < a->n_snapshots_told; i++)
		if (!among(a->snapshot, a->n_snapshots, a->snapshot_told[i].id))
			tell_snapshot(t, "snapshot.removed", a, &a->snapshot_told[i]);
	for (unsigned i = 0; i < a->n_snapshots; i++) {
		const struct array_snapshot *s = &a->snapshot[i],
					    *was = among(a->snapshot_told, a->n_snapshots_told, s->id);

		if (!was && a->snapshots_known)
			tell_snapshot(t, "snapshot.added", a, s);
		if (s->lost && !(was && was->lost))
			tell_snapshot(t, "snapshot.invalid", a, s);
	}
	memcpy(a->snapshot_told, a->snapshot, sizeof(a->snapshot_told));
	a->n_snapshots_told = a->n_snapshots;
	a->snapshots_known = true;
}

/* ---- arrays and spares ---- */

static void compare_state(const struct telling *t, struct array *a)
{
	static const char *const kinds[] = {[ARRAY_INACTIVE] = "array.stopped",
					    [ARRAY_OPTIMAL] = "array.optimal",
					    [ARRAY_DEGRADED] = "array.degraded",
					    [ARRAY_FAILED] = "array.failed",
					    [ARRAY_READ_ONLY] = NULL};
	enum array_state now = array_cached(t->inv, a)->state, before = a->last;

	a->last = now;
	if (now == before || !a->known_before)
		return;
	if (before == ARRAY_INACTIVE)
		tell(t, make(t, "array.started", a, NULL, -1));
	if (kinds[now] && !(before == ARRAY_INACTIVE && now == ARRAY_OPTIMAL))
		tell(t, make(t, kinds[now], a, NULL, -1));
}

static void compare_array(const struct telling *t, struct array *a)
{
	bool was_rebuilding[META_SLOTS_MAX] = {0};
	char before[META_SLOTS_MAX][DEVICE_ID_MAX];

	for (unsigned i = 0; i < a->volume->slots; i++) {
		was_rebuilding[i] = a->member[i].last == MEMBER_REBUILDING;
		memcpy(before[i], a->member[i].device, sizeof(before[i]));
		compare_member(t, a, i);
	}
	compare_copy(t, a, before);
	compare_state(t, a);
	compare_resync(t, a, was_rebuilding);
	compare_snapshots(t, a);
	a->known_before = true;
}

static void compare_spare(const struct telling *t, struct device *d)
{
	const struct device_cache *c = device_cached(t->inv, d);
	int now = c->role == ROLE_SPARE ? (int)c->spare_state : -1, before = d->last_spare;

	d->last_spare = now;
	if (now == before)
		return;
	if (now == SPARE_IDLE && before != SPARE_ACTIVE)
		tell(t, make(t, "spare.added", NULL, d->id, -1));
	else if (now == SPARE_LOST || now == SPARE_FAILED)
		tell(t, make(t, "spare.lost", NULL, d->id, -1));
}

void inventory_differences(struct inventory *inv, int64_t boot, bool quiet, void (*fn)(void *u, struct event *ev),
			   void *u)
{
	struct telling t = {.inv = inv, .boot = boot, .quiet = quiet, .fn = fn, .u = u};

	inv->now = boot;
	for (size_t i = 0; i < inv->n_arrays; i++)
		if (array_visible(inv->arrays[i]))
			compare_array(&t, inv->arrays[i]);
	for (size_t i = 0; i < inv->n_devices; i++)
		compare_spare(&t, inv->devices[i]);
}
