// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/path_exec.h"

#include "actions/dm/multipath.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct work {
	const struct path_env *env;
	const struct path_task *t;
	struct path_done *done;
	struct dm_info_view info;
	uint64_t sectors;
	struct dm_mp_map map;
	char params[DM_PARAMS_MAX]; /* the table */
	unsigned path;
};

static int refuse(struct work *w, const char *fmt, ...) _printf_(2, 3);

static int refuse(struct work *w, const char *fmt, ...)
{
	va_list ap;

	w->done->result = ACTION_REFUSED;
	va_start(ap, fmt);
	vsnprintf(w->done->reason, sizeof(w->done->reason), fmt, ap);
	va_end(ap);
	return -EPERM;
}

static int fail(struct work *w, int r, const struct err *e)
{
	w->done->result = ACTION_FAILED;
	snprintf(w->done->reason, sizeof(w->done->reason), "%.*s", PLAN_REASON_MAX - 1, e->msg);
	return r;
}

/* ---- looking ---- */

static int find_map(struct work *w)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	const struct dm_ops *dm = w->env->dm;
	struct err e = {0};
	size_t n = 0;
	int r = dm->list(dm->u, "", &all, &n, &e);

	if (r < 0)
		return fail(w, r, &e);
	for (size_t i = 0; i < n; i++)
		if (all[i].major == w->t->major && all[i].minor == w->t->minor) {
			w->info = all[i];
			return 0;
		}
	return refuse(w, "the map of %s is gone", w->t->name);
}

static bool of_map(enum step_op op)
{
	return op == STEP_QUEUE_IO || op == STEP_FAIL_IO;
}

/* multipathd undoes what it did not do itself: its checker reinstates a path that answers, and a table that it loads
 * next has the order that it knows. */
static int check_owner(struct work *w)
{
	static const struct {
		enum step_op op;
		const char *words; /* to multipathd */
	} ways[] = {{STEP_FAIL_PATH, "multipathd fail path %s"},
		    {STEP_REINSTATE_PATH, "multipathd reinstate path %s"},
		    {STEP_DEMOTE_PATH, "multipathd path %s setmarginal"},
		    {STEP_RESTORE_PATH, "multipathd path %s unsetmarginal"},
		    {STEP_QUEUE_IO, "multipathd restorequeueing map %s"},
		    {STEP_FAIL_IO, "multipathd disablequeueing map %s"}};
	char way[96] = "";

	if (strncmp(w->info.uuid, "mpath-", 6) != 0 || !w->env->has_daemon || !w->env->has_daemon(w->env->u))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const char *gap = strstr(ways[i].words, "%s");

		if (ways[i].op == w->t->op)
			snprintf(way, sizeof(way), "%.*s%s%s", (int)(gap - ways[i].words), ways[i].words,
				 of_map(w->t->op) ? w->info.name : w->t->name, gap + 2);
	}
	return refuse(w, "%s is multipathd's, which would undo it; '%s' asks it", w->info.name, way);
}

static int read_map(struct work *w)
{
	_cleanup_(freep) char *status = malloc(DM_PARAMS_MAX);
	const struct dm_ops *dm = w->env->dm;
	struct err e = {0};
	char type[16] = "";
	int r = status ? dm->target(dm->u, w->info.name, type, &w->sectors, &e)
		       : err_sys(&e, ENOMEM, "%s", w->info.name);
	int path;

	if (r == 0 && strcmp(type, "multipath") != 0)
		return refuse(w, "%s is no multipath map but %s", w->info.name, type);
	if (r == 0)
		r = dm->table(dm->u, w->info.name, w->params, &e);
	if (r == 0)
		r = dm_mp_table_parse(w->params, &w->map, &e);
	if (r == 0)
		r = dm->status(dm->u, w->info.name, status, &e);
	if (r == 0)
		r = dm_mp_status_take(status, &w->map, &e);
	if (r < 0)
		return fail(w, r, &e);
	path = of_map(w->t->op) ? 0 : dm_mp_find(&w->map, w->t->dev);
	if (path < 0)
		return refuse(w, "%s is no path of %s now", w->t->name, w->info.name);
	w->path = (unsigned)path;
	return 0;
}

/* Whether another path works. */
static bool others_work(const struct work *w)
{
	for (unsigned i = 0; i < w->map.n_paths; i++)
		if (i != w->path && !w->map.path[i].failed)
			return true;
	return false;
}

/* ---- doing ---- */

static void show(struct work *w, const char *what, const char *text)
{
	_cleanup_(buf_free) struct buf b = {0};

	buf_addf(&b, "%s %s: %s", what, w->info.name, text);
	w->env->show(w->env->u, buf_str(&b));
}

/* dev empty: it is about the map. */
static int send_message(struct work *w, const char *word, const char *dev)
{
	const struct dm_ops *dm = w->env->dm;
	struct err e = {0};
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%s%s%s", word, dev[0] ? " " : "", dev);
	if (w->t->dry_run) {
		show(w, "message to", text);
		return 0;
	}
	r = dm->message(dm->u, w->info.name, text, &e);
	return r < 0 ? fail(w, r, &e) : 0;
}

static int do_fail(struct work *w)
{
	if (w->map.path[w->path].failed)
		return 0;
	if (!others_work(w))
		return refuse(w, "%s is the last path of %s that works", w->t->name, w->info.name);
	return send_message(w, "fail_path", w->t->dev);
}

static int do_reinstate(struct work *w)
{
	return w->map.path[w->path].failed ? send_message(w, "reinstate_path", w->t->dev) : 0;
}

/* The table tells what holds now among its features. */
static int do_queue(struct work *w, bool on)
{
	bool is = strstr(w->map.head, "queue_if_no_path");

	return is == on ? 0 : send_message(w, on ? "queue_if_no_path" : "fail_if_no_path", "");
}

/* The map's I/O is kept back, not waited for: it may have no path that works. */
static int swap(struct work *w, struct dm_target *target)
{
	const struct dm_ops *dm = w->env->dm;
	const char *name = w->info.name;
	struct err e = {0}, ignored = {0};
	int r = dm->load(dm->u, name, target, 1, w->info.read_only, &e);

	if (r < 0)
		return fail(w, r, &e);
	r = dm->suspend(dm->u, name, true, &e);
	if (r == 0)
		r = dm->resume(dm->u, name, DM_SHOWN, &e);
	if (r < 0) {
		dm->clear(dm->u, name, &ignored);
		dm->resume(dm->u, name, DM_SHOWN, &ignored);
	}
	dm->settle(dm->u);
	return r < 0 ? fail(w, r, &e) : 0;
}

/* A new table takes all paths for good: those that had failed are failed again. */
static int load_map(struct work *w, const struct dm_mp_map *new)
{
	_cleanup_(freep) struct dm_target *target = calloc(1, sizeof(*target));
	struct err e = {0};
	int r = target ? dm_mp_table_print(new, target, &e) : err_sys(&e, ENOMEM, "%s", w->info.name);

	if (r < 0)
		return fail(w, r, &e);
	target->len = w->sectors;
	if (w->t->dry_run) {
		show(w, "table before of", w->params);
		show(w, "table after of", target->params);
		return 0;
	}
	r = swap(w, target);
	for (unsigned i = 0; r == 0 && i < new->n_paths; i++)
		if (new->path[i].failed)
			r = send_message(w, "fail_path", new->path[i].dev);
	return r;
}

static int do_demote(struct work *w)
{
	struct dm_mp_map new = w->map;

	if (new.n_paths == 1)
		return refuse(w, "%s is the only path of %s", w->t->name, w->info.name);
	w->done->marginal = true;
	w->done->moved = dm_mp_demote(&new, w->path, &w->done->group, &w->done->alone);
	return w->done->moved ? load_map(w, &new) : 0;
}

static int do_restore(struct work *w)
{
	struct dm_mp_map new = w->map;

	w->done->moved = dm_mp_restore(&new, w->path, w->t->group, w->t->alone);
	return w->done->moved ? load_map(w, &new) : 0;
}

void path_do(const struct path_env *env, const struct path_task *t, struct path_done *ret)
{
	_cleanup_(freep) struct work *w = calloc(1, sizeof(*w));
	int r;

	*ret = (struct path_done){.result = ACTION_OK};
	if (!w) {
		ret->result = ACTION_FAILED;
		return;
	}
	w->env = env;
	w->t = t;
	w->done = ret;
	r = find_map(w);
	if (r == 0)
		r = check_owner(w);
	if (r == 0)
		r = read_map(w);
	if (r < 0)
		return;
	switch (t->op) {
	case STEP_FAIL_PATH:
		do_fail(w);
		break;
	case STEP_REINSTATE_PATH:
		do_reinstate(w);
		break;
	case STEP_DEMOTE_PATH:
		do_demote(w);
		break;
	case STEP_QUEUE_IO:
	case STEP_FAIL_IO:
		do_queue(w, t->op == STEP_QUEUE_IO);
		break;
	default:
		do_restore(w);
		break;
	}
}
