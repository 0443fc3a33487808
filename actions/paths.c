// SPDX-License-Identifier: GPL-2.0-or-later
/* fail-path, reinstate-path, demote-path, restore-path: paths of a multipath map. What the map is like is known to the
 * kernel alone: whether a step can be done is seen by the process that does it (actions/dm/multipath.c). */
#include "actions/steps.h"

#include <errno.h>

static int plan_path(enum step_op op, const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *path = ask_text(ask, "path") ? ask_text(ask, "path") : ask->device;
	struct world_spare *w = path ? world_spare_named(world, path) : NULL;
	struct step *s;

	if (!path)
		return err_set(e, EINVAL, "which path?");
	if (!w)
		return err_set(e, ENODEV, "%s is not here", path);
	if (!w->map[0])
		return err_set(e, EINVAL, "%s is no path of a multipath map", w->name);
	s = plan_add_step(p, op, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	snprintf(s->map, sizeof(s->map), "%s", w->map);
	if (op == STEP_RESTORE_PATH) {
		s->group = w->was_group;
		s->was_alone = w->was_alone;
	}
	return 0;
}

static int plan_fail_path(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_path(STEP_FAIL_PATH, ask, world, p, e);
}

static int plan_reinstate_path(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_path(STEP_REINSTATE_PATH, ask, world, p, e);
}

static int plan_demote_path(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_path(STEP_DEMOTE_PATH, ask, world, p, e);
}

static int plan_restore_path(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_path(STEP_RESTORE_PATH, ask, world, p, e);
}

/* A path leads to its map, too. */
static int plan_map(enum step_op op, const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *map = ask_text(ask, "map") ? ask_text(ask, "map") : ask->device;
	struct world_spare *w = map ? world_spare_named(world, map) : NULL;
	struct step *s;

	if (!map)
		return err_set(e, EINVAL, "which map?");
	if (!w || !w->present)
		return err_set(e, ENODEV, "%s is not here", w ? w->name : map);
	if (w->path)
		return err_set(e, EINVAL, "%s is a path, not a map", w->name);
	s = plan_add_step(p, op, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	snprintf(s->map, sizeof(s->map), "%s", w->device);
	return 0;
}

static int plan_queue_io(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_map(STEP_QUEUE_IO, ask, world, p, e);
}

static int plan_fail_io(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	return plan_map(STEP_FAIL_IO, ask, world, p, e);
}

static const struct param_desc map_params[] = {{"map", PARAM_MAP, .doc = "the map; the subject"}, {NULL}};

const struct action_ops action_queue_io = {
	.desc = {.name = "queue-io",
		 .doc = "A multipath map without a path that works keeps its I/O back.",
		 .params = map_params},
	.plan = plan_queue_io,
};

const struct action_ops action_fail_io = {
	.desc = {.name = "fail-io",
		 .doc = "A multipath map without a path that works fails its I/O, also what it kept back.",
		 .params = map_params},
	.plan = plan_fail_io,
};

static const struct param_desc path_params[] = {{"path", PARAM_DEVICE, .doc = "the path; the subject"}, {NULL}};

const struct action_ops action_fail_path = {
	.desc = {.name = "fail-path",
		 .doc = "A path of a multipath map is used no more, until it is reinstated.",
		 .params = path_params},
	.plan = plan_fail_path,
};

const struct action_ops action_reinstate_path = {
	.desc = {.name = "reinstate-path", .doc = "A failed path is used again.", .params = path_params},
	.plan = plan_reinstate_path,
};

const struct action_ops action_demote_path = {
	.desc = {.name = "demote-path", .doc = "A path is used last, when no other is left.", .params = path_params},
	.plan = plan_demote_path,
};

const struct action_ops action_restore_path = {
	.desc = {.name = "restore-path",
		 .doc = "A path that was to be used last is one of the others again.",
		 .params = path_params},
	.plan = plan_restore_path,
};
