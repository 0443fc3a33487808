// SPDX-License-Identifier: GPL-2.0-or-later
/* fail-member: the member is written down as failed on the others, and leaves the table. */
#include "actions/steps.h"

static int plan_fail_member(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int slot = ask_member(ask, world, e);
	struct step *s;

	if (slot < 0)
		return slot;
	if (world->slot[slot].state == MEMBER_FAILED || world->slot[slot].state == MEMBER_EMPTY)
		return 0;
	s = plan_add_step(p, STEP_FAIL_MEMBER, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	world->slot[slot].state = MEMBER_FAILED;
	world_settle(world);
	return 0;
}

const struct action_ops action_fail_member = {
	.desc = {.name = "fail-member",
		 .doc = "Takes a member out of its array and writes it down as failed.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"device", PARAM_DEVICE, .doc = "the member; the subject"},
						       {"slot", PARAM_INT, .doc = "its slot, instead of device"},
						       {NULL}}},
	.plan = plan_fail_member,
};
