// SPDX-License-Identifier: GPL-2.0-or-later
/* delete-array: an array that does not run is forgotten, and its room is free; with the last one, on demand, its set.
 * No rule does it before a person has said yes. */
#include "actions/steps.h"

#include <errno.h>

static int plan_delete_array(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	struct step *s;

	if (world->state != ARRAY_INACTIVE && !ask_flag(ask, "stop"))
		return err_set(e, EBUSY, "%s runs: stop it first (sparectl array stop %s), or give --stop",
			       world_name(world), world_name(world));
	if (world->id[0] && world->state != ARRAY_INACTIVE && !plan_add_step(p, STEP_STOP, ask, e))
		return -e->code;
	s = world->id[0] ? plan_add_step(p, STEP_DELETE, ask, e) : NULL;
	if (world->id[0] && !s)
		return -e->code;
	if (ask_flag(ask, "container") && !plan_add_step(p, STEP_DELETE_SET, ask, e))
		return -e->code;
	world->state = ARRAY_INACTIVE;
	return 0;
}

const struct action_ops action_delete_array = {
	.desc = {.name = "delete-array",
		 .doc = "Forgets an array: its data are gone.",
		 .destructive = true,
		 .final = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array"},
						       {"stop", PARAM_BOOL, .doc = "stop it before"},
						       {"container", PARAM_BOOL,
							.doc = "and its set, if it was the last"},
						       {NULL}}},
	.personal = (const struct param_desc[]){{"set", PARAM_STRING, .doc = "GUID of a set without an array"}, {NULL}},
	.plan = plan_delete_array,
};
