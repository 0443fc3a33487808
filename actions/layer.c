// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots of an array that runs. What is written for the first time must be copied before, so the device that people
 * have open becomes a snapshot-origin, and its raid table moves to a private device below, NAME-real, for as long as
 * there is a snapshot. An array without one has no layer.
 *
 * The raid table moves like any swap: loaded where it goes while the old one serves I/O, health looked at again while
 * nothing can change it, resumed only then. Two devices have it for a moment; which of them counts, a process that
 * comes after a kill reads off the kernel (layer_find):
 *
 *   above raid, below not live                     nothing has happened: what is loaded is dropped
 *   above raid and suspended, below live           the one below counts: the one above follows
 *   above snapshot-origin                          the one below counts: it goes on, what is loaded is dropped
 *   above raid and not suspended, below suspended  the one above counts: the one below goes
 *
 * Nothing is written down: a snapshot that is not persistent ends with the machine's run, and so does its layer. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TRIES = 3 };

void layer_name(const struct volume_run *run, char ret[DM_NAME_LEN_MAX + 1])
{
	snprintf(ret, DM_NAME_LEN_MAX + 1, "%.80s-real", run->top);
}

static void snapshot_dm(const struct volume_run *run, const char *name, char ret[DM_NAME_LEN_MAX + 1])
{
	snprintf(ret, DM_NAME_LEN_MAX + 1, "%.80s-snap-%.*s", run->top, SNAPSHOT_NAME_MAX - 1, name);
}

void layer_uuid(const struct exec *x, const struct volume_run *run, const char *rest, char ret[DM_UUID_LEN_MAX + 1])
{
	snprintf(ret, DM_UUID_LEN_MAX + 1, "SPARED-%s-%s%s", x->set.format->name, run->guid, rest);
}

/* Again and again: there is no way back from where it is called. Allocates nothing. */
static int resume_on(struct exec *x, const char *name, enum dm_shown shown)
{
	int r = -EIO;

	for (unsigned i = 0; i < TRIES && r < 0; i++)
		r = x->env.dm->resume(x->env.dm->u, name, shown, NULL);
	return r;
}

/* 1: the device above is a snapshot-origin: its table is the number of the one below, and nothing else. */
static int is_origin(struct exec *x, const struct volume_run *run, const struct dm_info_view *real, struct err *e)
{
	struct dm_target *origin = &x->target[0];
	int r = -EIO;

	dm_origin_print(real->major, real->minor, 0, origin);
	for (unsigned i = 0; i < TRIES && r < 0; i++)
		r = x->env.dm->table(x->env.dm->u, run->top, x->dm_params, e);
	return r < 0 ? r : strcmp(x->dm_params, origin->params) == 0;
}

static int left_suspended(const char *name, int r, struct err *e)
{
	return err_sys(e, -r, "%s is suspended and cannot be resumed", name);
}

/* --- what the kernel has ---------------------------------------------------------------------------------- */

/* The private devices of the volume; what their UUIDs say after prefix_len bytes is "snap-NAME", "cow-NAME", .. */
static int devices_list(struct exec *x, const struct volume_run *run, struct dm_info_view **ret, size_t *n,
			size_t *prefix_len, struct err *e)
{
	char prefix[DM_UUID_LEN_MAX + 1];

	layer_uuid(x, run, "-", prefix);
	*prefix_len = strlen(prefix);
	return x->env.dm->list(x->env.dm->u, prefix, ret, n, e);
}

static const char *named(const struct dm_info_view *info, size_t prefix_len, const char *kind)
{
	const char *rest = info->uuid + prefix_len;

	return strncmp(rest, kind, strlen(kind)) == 0 ? rest + strlen(kind) : NULL;
}

/* Nothing is under them any more, or nothing ever was. */
static int leftovers_drop(struct exec *x, const struct volume_run *run, const char *real,
			  const struct dm_info_view *info, struct err *e)
{
	static const char *const kinds[] = {"snap-", "cow-"};
	const struct dm_ops *dm = x->env.dm;
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n = 0, len = 0;
	int r = 0;

	/* The table that waits in it fails everything: with it the raid table goes. */
	if (info->live_table && info->suspended && info->inactive_table)
		r = resume_on(x, real, DM_PRIVATE);
	if (r < 0)
		return left_suspended(real, r, e);
	r = devices_list(x, run, &all, &n, &len, e);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = 0; i < n && r == 0; i++)
			if (named(&all[i], len, kinds[k]))
				r = dm->remove(dm->u, all[i].name, true, e);
	return r < 0 ? r : dm->remove(dm->u, real, true, e);
}

/* The device above has the raid table, or is not there. */
static int not_layered(struct exec *x, struct volume_run *run, const char *real, const struct dm_info_view *info,
		       struct err *e)
{
	int r = 0;

	if (run->info.live_table && run->info.suspended && info->live_table && !info->suspended) {
		r = resume_on(x, run->top, DM_SHOWN);
		if (r < 0)
			return left_suspended(run->top, r, e);
		memcpy(run->dm, real, sizeof(run->dm));
		run->layered = true;
		return x->env.dm->info(x->env.dm->u, run->dm, &run->info, e);
	}
	if (run->info.live_table && (run->info.suspended || run->info.inactive_table))
		r = swap_recover(x, run, e);
	if (r == 0)
		r = leftovers_drop(x, run, real, info, e);
	return r < 0 ? r : x->env.dm->info(x->env.dm->u, run->top, &run->info, e);
}

int layer_find(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char name[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1];
	struct dm_info_view top = {0}, real = {0};
	int r;

	layer_name(run, name);
	memcpy(run->dm, run->top, sizeof(run->dm));
	run->layered = false;
	r = dm->info(dm->u, run->top, &top, e);
	if (r == 0)
		r = dm->info(dm->u, name, &real, e);
	run->info = top;
	layer_uuid(x, run, "", uuid);
	if (r < 0 || !real.exists || (top.exists && strcmp(top.uuid, uuid) != 0))
		return r;
	layer_uuid(x, run, "-real", uuid);
	if (strcmp(real.uuid, uuid) != 0)
		return 0;
	r = top.live_table && real.live_table ? is_origin(x, run, &real, e) : 0;
	if (r <= 0)
		return r < 0 ? r : not_layered(x, run, name, &real, e);
	memcpy(run->dm, name, sizeof(run->dm));
	run->layered = true;
	run->info = real;
	if (!real.suspended && !top.suspended && !real.inactive_table && !top.inactive_table)
		return 0;
	r = swap_recover(x, run, e);
	if (r == 0 && swap_back_out(x, run->top) < 0)
		r = left_suspended(run->top, -EIO, e);
	return r < 0 ? r : dm->info(dm->u, run->dm, &run->info, e);
}

/* One that was never resumed is what a process that died had begun. */
static int snapshot_read(struct exec *x, struct volume_run *run, const struct dm_info_view *info, const char *name,
			 struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	struct snapshot *s = &run->snapshot[run->n_snapshots];
	struct err why = {0};
	int r;

	if (!info->live_table)
		return dm->remove(dm->u, info->name, true, e);
	if (run->n_snapshots == SNAPSHOTS_MAX || strlen(name) >= sizeof(s->name))
		return 0;
	*s = (struct snapshot){.open_count = info->open_count};
	snprintf(s->name, sizeof(s->name), "%s", name);
	memcpy(s->dm, info->name, sizeof(s->dm));
	r = dm->table(dm->u, s->dm, x->dm_params, e);
	if (r == 0)
		dm_snapshot_parse(x->dm_params, &s->cow);
	if (r == 0)
		r = dm->status(dm->u, s->dm, x->dm_params, e);
	if (r < 0)
		return r;
	if (dm_snapshot_status_parse(x->dm_params, &s->status, &why) < 0) {
		log_warning("%s: %s", s->dm, why.msg);
		s->status = (struct dm_snapshot_status){.lost = true};
	}
	cow_read(x, run, s->name, &s->cow);
	run->n_snapshots++;
	return 0;
}

int snapshots_read(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n = 0, len = 0;
	struct dm_info_view now;
	const char *name;
	int r = 0;

	run->n_snapshots = 0;
	if (run->layered)
		r = devices_list(x, run, &all, &n, &len, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		name = named(&all[i], len, "snap-");
		r = name ? snapshot_read(x, run, &all[i], name, e) : 0;
	}
	/* One that nothing lies on is what such a process left, too. */
	for (size_t i = 0; i < n && r == 0; i++) {
		name = named(&all[i], len, "cow-");
		if (name && !snapshot_find(run, name) && dm->info(dm->u, all[i].name, &now, NULL) == 0 &&
		    now.open_count == 0)
			dm->remove(dm->u, all[i].name, true, NULL);
	}
	return r;
}

json_t *snapshots_state(const struct volume_run *run)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < run->n_snapshots; i++) {
		const struct snapshot *s = &run->snapshot[i];

		json_array_append_new(list, json_pack("{s:s,s:s,s:i,s:i,s:b,s:I,s:I}", "name", s->name, "dm", s->dm,
						      "major", (int)s->cow.major, "minor", (int)s->cow.minor, "lost",
						      s->status.lost, "used", (json_int_t)s->status.used, "total",
						      (json_int_t)s->status.total));
	}
	return list;
}

const struct snapshot *snapshot_find(const struct volume_run *run, const char *name)
{
	for (size_t i = 0; i < run->n_snapshots; i++)
		if (strcmp(run->snapshot[i].name, name) == 0)
			return &run->snapshot[i];
	return NULL;
}

/* --- making ------------------------------------------------------------------------------------------------- */

/* What is about to be made, and how far it is. */
struct making {
	char real[DM_NAME_LEN_MAX + 1], snap[DM_NAME_LEN_MAX + 1];
	const struct cow_place *place;
	bool first, real_made, cow_made, snap_made;
};

/* The raid table for the device below, and an origin for the one above; both wait. */
static int layer_load(struct exec *x, struct volume_run *run, const struct meta_volume *v, struct making *m,
		      struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char uuid[DM_UUID_LEN_MAX + 1];
	struct dm_info_view info = {0};
	int r = target_build(x, run, v, true, &x->target[1], e);

	if (r < 0)
		return r;
	layer_uuid(x, run, "-real", uuid);
	exec_mark(x, "layer create");
	r = dm->create(dm->u, m->real, uuid, e);
	m->real_made = r == 0 || r == -EIO;
	if (r == 0)
		r = dm->load(dm->u, m->real, &x->target[1], 1, false, e);
	if (r == 0)
		r = dm->info(dm->u, m->real, &info, e);
	if (r < 0)
		return r;
	dm_origin_print(info.major, info.minor, run->sectors, &x->target[1]);
	exec_mark(x, "layer load");
	return dm->load(dm->u, run->top, &x->target[1], 1, false, e);
}

static int snapshot_load(struct exec *x, const struct volume_run *run, const char *name, struct making *m,
			 struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char uuid[DM_UUID_LEN_MAX + 1], rest[SNAPSHOT_NAME_MAX + 8];
	struct dm_info_view real;
	struct dm_cow cow = {0};
	int r = dm->info(dm->u, m->real, &real, e);

	m->cow_made = r == 0;
	if (r == 0)
		r = cow_make(x, run, name, m->place, &cow, e);
	if (r < 0)
		return r;
	snprintf(rest, sizeof(rest), "-snap-%s", name);
	layer_uuid(x, run, rest, uuid);
	exec_mark(x, "snapshot create");
	r = dm->create(dm->u, m->snap, uuid, e);
	m->snap_made = r == 0 || r == -EIO;
	dm_snapshot_print(real.major, real.minor, &cow, run->sectors, &x->target[1]);
	return r < 0 ? r : dm->load(dm->u, m->snap, &x->target[1], 1, false, e);
}

/* Its raid table came live, though the call may have failed. Allocates nothing. */
static int come_live(struct exec *x, const char *real)
{
	const struct dm_ops *dm = x->env.dm;
	struct dm_info_view info = {0};
	int r = dm->resume(dm->u, real, DM_PRIVATE, NULL);

	if (r < 0 && dm->info(dm->u, real, &info, NULL) == 0 && info.live_table && !info.suspended)
		return 0;
	return r;
}

/* Nothing is written meanwhile, and a file system on the array is as after a sync: the snapshot is of that moment. */
static int snapshot_take(struct exec *x, struct volume_run *run, const struct making *m, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char noted[sizeof(run->status.health)];
	int64_t begin;
	int r, left, taken = 0;

	memcpy(noted, run->status.health, sizeof(noted));
	exec_mark(x, "snapshot suspend");
	r = dm->suspend_frozen(dm->u, run->top, e);
	if (r < 0) {
		left = swap_back_out(x, run->top);
		return left < 0 ? left_suspended(run->top, left, e) : r;
	}
	/* From here to the resume: no allocation, fork, log, wait or load. */
	begin = exec_now(x);
	if (m->first)
		r = swap_health_changed(x, run, noted) ? -EAGAIN : come_live(x, m->real);
	if (r == 0)
		taken = dm->resume(dm->u, m->snap, DM_LINKED, NULL);
	left = r < 0 ? swap_back_out(x, run->top) : resume_on(x, run->top, DM_SHOWN);
	x->timing.suspended += (exec_now(x) - begin) / NS_PER_US;
	if (left < 0)
		return left_suspended(run->top, left, e);
	if (r < 0)
		return err_sys(e, -r, "%s", r == -EAGAIN ? "another member failed meanwhile" : m->real);
	if (m->first) {
		memcpy(run->dm, m->real, sizeof(run->dm));
		run->layered = true;
	}
	return taken < 0 ? err_sys(e, -taken, "cannot resume %s", m->snap) : 0;
}

/* As it was before; best effort, the next look drops what is left. */
static void making_undo(struct exec *x, const struct volume_run *run, const char *name, const struct making *m)
{
	const struct dm_ops *dm = x->env.dm;

	if (m->first && !run->layered)
		dm->clear(dm->u, run->top, NULL);
	if (m->snap_made)
		dm->remove(dm->u, m->snap, true, NULL);
	if (m->cow_made)
		cow_drop(x, run, name, NULL);
	if (m->real_made && !run->layered)
		dm->remove(dm->u, m->real, true, NULL);
}

int snapshot_make(struct exec *x, struct volume_run *run, const char *name, const struct cow_place *place,
		  struct err *e)
{
	const struct meta_volume *v = exec_volume(x, run->guid);
	struct making m = {.place = place, .first = !run->layered};
	int r = 0;

	layer_name(run, m.real);
	snapshot_dm(run, name, m.snap);
	if (m.first)
		r = layer_load(x, run, v, &m, e);
	if (r == 0)
		r = snapshot_load(x, run, name, &m, e);
	if (r == 0)
		r = snapshot_take(x, run, &m, e);
	if (r < 0) {
		making_undo(x, run, name, &m);
		run_read(x, run, &(struct err){0});
		layer_settle(x, run);
		return r;
	}
	return run_read(x, run, e);
}

/* --- ending ------------------------------------------------------------------------------------------------- */

/* The raid table is back above, and the one below has been told so. */
static int layer_remove(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char real[DM_NAME_LEN_MAX + 1];
	int r;

	memcpy(real, run->dm, sizeof(real));
	memcpy(run->dm, run->top, sizeof(run->dm));
	run->layered = false;
	exec_mark(x, "layer remove");
	r = resume_on(x, real, DM_PRIVATE);
	if (r < 0)
		return left_suspended(real, r, e);
	r = dm->remove(dm->u, real, true, e);
	return r < 0 ? r : run_read(x, run, e);
}

static int layer_swap(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char noted[sizeof(run->status.health)];
	struct dm_info_view real = run->info;
	int64_t begin;
	bool changed = false;
	int r, left = 0, below;

	memcpy(noted, run->status.health, sizeof(noted));
	exec_mark(x, "layer suspend");
	begin = exec_now(x);
	r = dm->suspend(dm->u, run->top, true, e);
	if (r == 0)
		r = dm->suspend(dm->u, run->dm, true, e);
	/* From here to the resume: no allocation, fork, log, wait or load. */
	if (r == 0)
		changed = swap_health_changed(x, run, noted);
	if (r == 0 && !changed)
		r = resume_on(x, run->top, DM_SHOWN);
	/* Above is the raid table, or the way back is open. */
	if ((r < 0 || changed) && is_origin(x, run, &real, NULL) != 0) {
		below = swap_back_out(x, run->dm);
		left = swap_back_out(x, run->top);
		left = below < 0 ? below : left;
	} else if (r < 0) {
		left = resume_on(x, run->top, DM_SHOWN);
		r = left;
	}
	x->timing.suspended += (exec_now(x) - begin) / NS_PER_US;
	if (left < 0)
		return left_suspended(run->top, left, e);
	return changed ? err_set(e, EAGAIN, "%s: another member failed meanwhile", run->dm) : r;
}

static int layer_drop(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	const struct meta_volume *v = exec_volume(x, run->guid);
	int r = target_build(x, run, v, true, &x->target[1], e);

	exec_mark(x, "layer drop");
	if (r == 0)
		r = dm->load(dm->u, run->top, &x->target[1], 1, false, e);
	if (r == 0) {
		dm_error_print(run->sectors, &x->target[1]);
		r = dm->load(dm->u, run->dm, &x->target[1], 1, false, e);
	}
	if (r == 0)
		r = layer_swap(x, run, e);
	if (r == 0)
		return layer_remove(x, run, e);
	dm->clear(dm->u, run->top, NULL);
	dm->clear(dm->u, run->dm, NULL);
	return r;
}

void layer_settle(struct exec *x, struct volume_run *run)
{
	struct err why = {0};

	/* Nobody enters or leaves with a table that only moves. */
	if (!run->running || !run->layered || run->n_snapshots || run->behind || x->plan->dry_run)
		return;
	if (layer_drop(x, run, &why) < 0)
		log_warning("%s stays below %s: %s", run->dm, run->top, why.msg);
}

int snapshot_drop(struct exec *x, struct volume_run *run, const char *name, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	const struct snapshot *s = snapshot_find(run, name);
	int r;

	if (!s)
		return 1;
	if (s->open_count > 0)
		return err_set(e, EBUSY, "/dev/mapper/%s is in use: unmount it or stop what uses it", s->dm);
	exec_mark(x, "snapshot remove");
	r = dm->remove(dm->u, s->dm, true, e);
	if (r == 0)
		r = cow_drop(x, run, name, e);
	if (r == 0)
		r = run_read(x, run, e);
	if (r == 0)
		layer_settle(x, run);
	return r;
}

/* The machine goes down, and with it what is not persistent. */
int layer_stop(struct exec *x, struct volume_run *run, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	struct dm_info_view top;
	int r = dm->info(dm->u, run->top, &top, e);

	if (r == 0 && top.open_count > 0)
		return err_set(e, EBUSY, "/dev/mapper/%s is in use: unmount it or stop what uses it", run->top);
	if (r == 0 && run->n_snapshots && x->plan->origin != PLAN_SHUTDOWN)
		return err_set(e, EBUSY, "%s has the snapshot %s: 'sparectl array snapshot %s %s --remove' first",
			       run->top, run->snapshot[0].name, run->top, run->snapshot[0].name);
	exec_mark(x, "stop snapshots");
	for (size_t i = 0; i < run->n_snapshots && r == 0; i++) {
		r = dm->remove(dm->u, run->snapshot[i].dm, true, e);
		if (r == 0)
			r = cow_drop(x, run, run->snapshot[i].name, e);
	}
	exec_mark(x, "stop device");
	if (r == 0)
		r = dm->remove(dm->u, run->top, true, e);
	if (r == 0)
		r = dm->remove(dm->u, run->dm, true, e);
	if (r == 0) {
		memcpy(run->dm, run->top, sizeof(run->dm));
		run->layered = false;
		run->n_snapshots = 0;
	}
	return r;
}
