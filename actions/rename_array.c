// SPDX-License-Identifier: GPL-2.0-or-later
/* rename-array: an array that does not run gets another name. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int plan_rename_array(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *to = ask_text(ask, "to");
	struct step *s;

	if (!to || !*to || strlen(to) >= sizeof(s->to))
		return err_set(e, EINVAL, "what is its new name? 1 to %zu bytes", sizeof(s->to) - 1);
	if (strcmp(to, world->name) == 0)
		return 0;
	if (world->state != ARRAY_INACTIVE)
		return err_set(e, EBUSY, "%s runs, and its device has its name: stop it first", world_name(world));
	s = plan_add_step(p, STEP_RENAME, ask, e);
	if (!s)
		return -e->code;
	snprintf(s->to, sizeof(s->to), "%s", to);
	snprintf(world->name, sizeof(world->name), "%s", to);
	return 0;
}

const struct action_ops action_rename_array = {
	.desc = {.name = "rename-array",
		 .doc = "Gives an array that does not run another name.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array"},
						       {"to", PARAM_STRING, .required = true, .doc = "its new name"},
						       {NULL}}},
	.plan = plan_rename_array,
};
