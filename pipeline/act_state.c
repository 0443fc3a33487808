// SPDX-License-Identifier: GPL-2.0-or-later
/* What act tells of a set after each plan: what its disks say now, which arrays run, and how far the kernel is. */
#include "pipeline/inventory_impl.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int view_copy(const struct meta_view *v, struct meta_view **ret, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return err_sys(e, ENOMEM, "view");
	*copy = *v;
	copy->disks = calloc(v->n_disks + 1, sizeof(*copy->disks));
	copy->volumes = calloc(v->n_volumes + 1, sizeof(*copy->volumes));
	if (!copy->disks || !copy->volumes)
		return err_sys(e, ENOMEM, "view");
	if (v->n_disks)
		memcpy(copy->disks, v->disks, v->n_disks * sizeof(*v->disks));
	if (v->n_volumes)
		memcpy(copy->volumes, v->volumes, v->n_volumes * sizeof(*v->volumes));
	*ret = TAKE_PTR(copy);
	return 0;
}

static bool listed(const json_t *ids, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)ids, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), id) == 0)
			return true;
	}
	return false;
}

/* Act wrote the state's metadata to this disk: it says so, or it was current, or the state has it in a slot that is
 * served. */
static bool was_written(const struct device *d, const struct meta_view *v, const json_t *current)
{
	if (d->standing == META_CURRENT || listed(current, d->id))
		return true;
	for (size_t i = 0; i < v->n_volumes; i++)
		for (unsigned k = 0; k < v->volumes[i].slots; k++)
			if (strcmp(v->volumes[i].members[k].ref, d->ref) == 0 &&
			    (v->volumes[i].members[k].state == MEMBER_IN_SYNC ||
			     v->volumes[i].members[k].state == MEMBER_REBUILDING))
				return true;
	return false;
}

static int take_written(struct inventory *inv, const struct meta_view *v, const json_t *current, const struct plan *p,
			struct err *e)
{
	for (size_t i = 0; i < p->n_devices; i++) {
		struct device *d = device_find(inv, p->devices[i].id);
		struct meta_view *copy;
		int r;

		if (!d || !d->present || !d->probed || !d->view || strcmp(d->set, v->set) != 0 ||
		    !was_written(d, v, current))
			continue;
		if (p->devices[i].diskseq != d->diskseq || v->seq < d->view->seq || !meta_view_disk(v, d->ref))
			continue;
		r = view_copy(v, &copy, e);
		if (r < 0)
			return r;
		snprintf(copy->self, sizeof(copy->self), "%s", d->ref);
		copy->room_start = d->view->room_start;
		copy->room_sectors = d->view->room_sectors;
		meta_view_free(d->view);
		d->view = copy;
		d->probe_late = d->probing; /* that may have read before act wrote */
	}
	return 0;
}

/* What a table says beside the format outlives it here. */
static void take_options(struct array *a, const json_t *options)
{
	const json_t *last = json_object_get(options, "read-last");
	json_int_t rate = json_integer_value(json_object_get(options, "rate"));

	if (!options)
		return;
	a->rate = rate < 0 ? PLAN_RATE_MAX : (uint64_t)rate;
	for (unsigned i = 0; i < META_SLOTS_MAX; i++)
		a->member[i].read_last = false;
	for (size_t i = 0; i < json_array_size(last); i++) {
		json_int_t slot = json_integer_value(json_array_get(last, i));

		if (slot >= 0 && slot < META_SLOTS_MAX)
			a->member[slot].read_last = true;
	}
}

/* Act has made the disk one of this set. What a probe read of it before that is old. */
static int take_made(struct inventory *inv, const struct meta_view *v, const json_t *disks, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)disks, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));
		const char *ref = json_string_value(json_object_get(item, "ref"));
		struct device *d = id ? device_find(inv, id) : NULL;
		struct meta_view *copy;
		int r;

		if (!d || !d->present || !ref || !meta_view_disk(v, ref) || strcmp(d->set, v->set) == 0)
			continue;
		r = view_copy(v, &copy, e);
		if (r < 0)
			return r;
		snprintf(copy->self, sizeof(copy->self), "%s", ref);
		copy->room_start = (uint64_t)json_integer_value(json_object_get(item, "room"));
		copy->room_sectors = (uint64_t)json_integer_value(json_object_get(item, "sectors"));
		meta_view_free(d->view);
		d->view = copy;
		d->probed = true;
		d->probe_late = d->probing;
		d->contents = CONTENTS_MEMBER;
		snprintf(d->contents_name, sizeof(d->contents_name), "member of %s set %s", v->format, v->set);
		snprintf(d->set, sizeof(d->set), "%s", v->set);
		snprintf(d->ref, sizeof(d->ref), "%s", ref);
	}
	return 0;
}

static void take_copy(struct array *a, const json_t *copies, const char *ended, int64_t boot)
{
	const char *to = "";
	json_int_t done = 0, total = 0;
	int slot = -1;

	if (json_array_size(copies) > 0)
		json_unpack(json_array_get(copies, 0), "{s:i s:s s:I s:I}", "slot", &slot, "to", &to, "done", &done,
			    "total", &total);
	if (slot < 0 || slot >= META_SLOTS_MAX)
		to = "";
	if (strcmp(a->copy_to, to) != 0 || a->copy_slot != slot) {
		a->copy_since = boot;
		a->copy_first = (uint64_t)done;
	}
	snprintf(a->copy_to, sizeof(a->copy_to), "%s", to);
	snprintf(a->copy_ended, sizeof(a->copy_ended), "%s", ended);
	a->copy_slot = slot;
	a->copy_done = (uint64_t)done;
	a->copy_total = (uint64_t)total;
}

static void take_snapshots(struct array *a, const json_t *list)
{
	json_t *item;
	size_t i;

	a->n_snapshots = 0;
	a->snapshots_read = true;
	json_array_foreach((json_t *)list, i, item)
	{
		struct array_snapshot *s = &a->snapshot[a->n_snapshots];
		char id[sizeof(s->id)];
		const char *name = NULL, *dm = "";
		json_int_t used = 0, total = 0;
		int lost = 0, major = 0, minor = 0;

		if (a->n_snapshots == ARRAY_SNAPSHOTS_MAX ||
		    json_unpack(item, "{s:s s:s s:i s:i s:b s:I s:I}", "name", &name, "dm", &dm, "major", &major,
				"minor", &minor, "lost", &lost, "used", &used, "total", &total) < 0 ||
		    strlen(name) >= sizeof(s->name))
			continue;
		*s = (struct array_snapshot){.major = (unsigned)major,
					     .minor = (unsigned)minor,
					     .lost = lost,
					     .used = (uint64_t)used,
					     .total = (uint64_t)total};
		snprintf(s->name, sizeof(s->name), "%s", name);
		snprintf(s->dm, sizeof(s->dm), "%s", dm);
		snprintf(id, sizeof(id), "%s/%s", a->id, name);
		memcpy(s->id, id, sizeof(s->id));
		a->n_snapshots++;
	}
}

static void take_running(struct inventory *inv, const json_t *j, int64_t boot)
{
	const char *guid = NULL, *dm = "", *action = "idle";
	json_int_t event_nr = 0, done = 0, total = 0, differing = 0;
	int running = 0, read_only = 0, behind = 0, cut = 0;
	const char *ended = "";
	json_t *options = NULL, *copies = NULL, *snapshots = NULL;
	struct array *a;

	json_unpack((json_t *)j, "{s:s s?b s?s s?I s?b s?b s?s s?I s?I s?I s?b s?o s?o s?s s?o}", "guid", &guid,
		    "running", &running, "dm", &dm, "event_nr", &event_nr, "read_only", &read_only, "behind", &behind,
		    "action", &action, "done", &done, "total", &total, "mismatches", &differing, "cut", &cut, "options",
		    &options, "copies", &copies, "copy-ended", &ended, "snapshots", &snapshots);
	a = guid ? array_find(inv, guid) : NULL;
	if (!a)
		return;
	a->running = running;
	a->read_only = read_only;
	a->behind = behind;
	a->event_nr = (uint32_t)event_nr;
	snprintf(a->dm, sizeof(a->dm), "%s", dm);
	if (strcmp(a->action, action) != 0 || (uint64_t)done < a->done) {
		a->progress_since = boot;
		a->progress_done = (uint64_t)done;
	}
	snprintf(a->action, sizeof(a->action), "%s", action);
	a->done = (uint64_t)done;
	a->total = (uint64_t)total;
	a->differing = (uint64_t)differing;
	a->cut = cut;
	take_options(a, options);
	take_copy(a, copies, ended, boot);
	if (snapshots || !running)
		take_snapshots(a, snapshots);
	if (running)
		a->stopped_by = STOPPED_NONE;
}

int inventory_state(struct inventory *inv, const json_t *state, const struct plan *plan, int64_t boot,
		    unsigned *ret_changed, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *v = NULL;
	const json_t *volumes = json_object_get(state, "volumes"), *view = json_object_get(state, "view");
	json_t *item;
	size_t i;
	int r;

	*ret_changed = 0;
	if (!json_is_object(view))
		return err_set(e, EINVAL, "state without a view");
	r = meta_view_from_json(view, &v, e);
	if (r < 0)
		return r;
	r = take_written(inv, v, json_object_get(state, "current"), plan, e);
	if (r == 0 && plan_joins(plan))
		r = take_made(inv, v, json_object_get(state, "disks"), e);
	if (r < 0)
		return r;
	set_refresh(inv, v->set);
	json_array_foreach((json_t *)volumes, i, item) take_running(inv, item, boot);
	inv->version++;
	*ret_changed = SORT_ALL;
	return 0;
}

double array_progress(const struct array *a, int64_t boot, int64_t *ret_eta)
{
	*ret_eta = -1;
	if (a->total == 0 || strcmp(a->action, "idle") == 0 || strcmp(a->action, "frozen") == 0)
		return -1;
	if (a->done > a->progress_done && boot > a->progress_since && a->done <= a->total)
		*ret_eta = (int64_t)((double)(boot - a->progress_since) * (double)(a->total - a->done) /
				     (double)(a->done - a->progress_done));
	return MIN(1.0, (double)a->done / (double)a->total);
}

double array_copy_progress(const struct array *a, int64_t boot, int64_t *ret_eta)
{
	*ret_eta = -1;
	if (!a->copy_to[0] || a->copy_total == 0)
		return -1;
	if (a->copy_done > a->copy_first && boot > a->copy_since && a->copy_done <= a->copy_total)
		*ret_eta = (int64_t)((double)(boot - a->copy_since) * (double)(a->copy_total - a->copy_done) /
				     (double)(a->copy_done - a->copy_first));
	return MIN(1.0, (double)a->copy_done / (double)a->copy_total);
}

int64_t array_speed(const struct array *a, int64_t boot)
{
	int64_t ns = boot - a->progress_since;

	if (a->done <= a->progress_done || ns <= 0)
		return 0;
	return (int64_t)((double)(a->done - a->progress_done) * 512 * (double)NS_PER_SEC / (double)ns);
}
