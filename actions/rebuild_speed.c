// SPDX-License-Identifier: GPL-2.0-or-later
/* rebuild-speed: how fast an array may resync, rebuild or be compared. */
#include "actions/steps.h"

#include <errno.h>
#include <string.h>

static int plan_rebuild_speed(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const json_t *limit = json_object_get(ask->params, "limit");
	uint64_t rate = json_is_integer(limit)	? (uint64_t)json_integer_value(limit)
			: json_is_string(limit) ? PLAN_RATE_MAX
						: 0;
	struct step *s;

	if (world->level == RAID0)
		return err_set(e, EINVAL, "%s is a RAID0: nothing of it is ever rebuilt", world_name(world));
	if (world->rate == rate)
		return 0;
	if (world->state == ARRAY_INACTIVE || world->state == ARRAY_READ_ONLY)
		return err_set(e, ENODEV, "%s is not running", world_name(world));
	s = plan_add_step(p, STEP_REBUILD_SPEED, ask, e);
	if (!s)
		return -e->code;
	s->rate = rate;
	world->rate = rate;
	return 0;
}

const struct action_ops action_rebuild_speed = {
	.desc = {.name = "rebuild-speed",
		 .doc = "Limits how fast an array is rebuilt, resynced or compared.",
		 .params =
			 (const struct param_desc[]){
				 {"array", PARAM_ARRAY, .doc = "the array; the subject's"},
				 {"limit", PARAM_RATE,
				  .doc = "a second and member, or max: before all else; the kernel's own"},
				 {NULL}}},
	.plan = plan_rebuild_speed,
};
