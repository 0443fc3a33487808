// SPDX-License-Identifier: GPL-2.0-or-later
/* snapshot, drop-snapshot: an array as it is at a moment, for a backup that takes a while. */
#include "actions/steps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* It is part of a device's name and of its UUID. */
static int check_name(const char *name, struct err *e)
{
	size_t n = name ? strlen(name) : 0;

	if (n == 0 || n >= SNAPSHOT_NAME_MAX)
		return err_set(e, EINVAL, "what is its name? 1 to %d characters", SNAPSHOT_NAME_MAX - 1);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return err_set(e, EINVAL, "a snapshot's name has letters, digits, '_', '.' and '-'");
	return 0;
}

static int add_step(const struct ask *ask, const struct world_array *world, struct plan *p, enum step_op op,
		    struct step **ret, struct err *e)
{
	const char *name = ask_text(ask, "name");
	int r = check_name(name, e);

	if (r < 0)
		return r;
	if (world->state == ARRAY_INACTIVE || world->state == ARRAY_READ_ONLY)
		return err_set(e, ENODEV, "%s is not running", world_name(world));
	*ret = plan_add_step(p, op, ask, e);
	if (!*ret)
		return -e->code;
	snprintf((*ret)->to, sizeof((*ret)->to), "%s", name);
	return 0;
}

static int plan_snapshot(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *on = ask_text(ask, "on");
	struct step *s;
	int r;

	if (!on || on[0] != '/' || strlen(on) >= sizeof(s->by))
		return err_set(e, EINVAL, "on which device is it? the path of one that is empty, as /dev/sdx");
	if (world->state == ARRAY_FAILED)
		return err_set(e, EIO, "%s has lost more members than it can", world_name(world));
	r = add_step(ask, world, p, STEP_SNAPSHOT, &s, e);
	if (r < 0)
		return r;
	snprintf(s->by, sizeof(s->by), "%s", on);
	s->wipe = ask_flag(ask, "wipe");
	return 0;
}

static int plan_drop_snapshot(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	struct step *s;

	return add_step(ask, world, p, STEP_DROP_SNAPSHOT, &s, e);
}

const struct action_ops action_snapshot = {
	.desc = {.name = "snapshot",
		 .doc = "Keeps an array as it is now, beside the array that goes on; until a reboot.",
		 .params =
			 (const struct param_desc[]){
				 {"array", PARAM_ARRAY, .doc = "the array; the subject's"},
				 {"name", PARAM_STRING, .required = true, .doc = "its name"},
				 {"on", PARAM_STRING, .required = true,
				  .doc = "path of an empty device, which holds what is written over"},
				 {"wipe", PARAM_BOOL, .doc = "whatever that device holds is given up; false"},
				 {NULL}}},
	.plan = plan_snapshot,
};

const struct action_ops action_drop_snapshot = {
	.desc = {.name = "drop-snapshot",
		 .doc = "Removes a snapshot of an array that nobody has open.",
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"name", PARAM_STRING, .required = true, .doc = "its name"},
						       {NULL}}},
	.plan = plan_drop_snapshot,
};
