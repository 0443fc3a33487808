// SPDX-License-Identifier: GPL-2.0-or-later
/* read-last: a member of a RAID1 is read only where no other can be; it is written as before. */
#include "actions/steps.h"

#include <errno.h>

static int plan_read_last(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int slot = ask_member(ask, world, e);
	bool off = ask_flag(ask, "off");
	struct step *s;

	if (slot < 0)
		return slot;
	if (world->level != RAID1)
		return err_set(e, EINVAL,
			       "%s is a %s: each of its blocks is read from one place, only a RAID1 has a choice",
			       world_name(world), raid_level_name(world->level));
	if (world->slot[slot].read_last == !off)
		return 0;
	if (world->state == ARRAY_INACTIVE || world->state == ARRAY_READ_ONLY)
		return err_set(e, ENODEV, "%s is not running", world_name(world));
	if (world->slot[slot].state != MEMBER_IN_SYNC)
		return err_set(e, EINVAL, "%s is %s in %s: it is not read at all", world->slot[slot].name,
			       member_words[world->slot[slot].state], world_name(world));
	s = plan_add_step(p, STEP_READ_LAST, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	s->undo = off;
	world->slot[slot].read_last = !off;
	return 0;
}

const struct action_ops action_read_last = {
	.desc = {.name = "read-last",
		 .doc = "Reads a member of a RAID1 only where no other can be read.",
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"device", PARAM_DEVICE, .doc = "the member; the subject"},
						       {"slot", PARAM_INT, .doc = "or its slot"},
						       {"off", PARAM_BOOL, .doc = "read it as the others again; false"},
						       {NULL}}},
	.plan = plan_read_last,
};
