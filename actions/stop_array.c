// SPDX-License-Identifier: GPL-2.0-or-later
/* stop-array: an array that nobody has open is written down as clean and stopped. */
#include "actions/steps.h"

static int plan_stop_array(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	if (world->state == ARRAY_INACTIVE)
		return 0;
	if (!plan_add_step(p, STEP_STOP, ask, e))
		return -e->code;
	world->state = ARRAY_INACTIVE;
	return 0;
}

const struct action_ops action_stop_array = {
	.desc = {.name = "stop-array",
		 .doc = "Stops an array that nobody has open.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {NULL}}},
	.plan = plan_stop_array,
};
