// SPDX-License-Identifier: GPL-2.0-or-later
/* remove-member: a member that is out of the array already is forgotten by its set. */
#include "actions/steps.h"

#include <errno.h>

static int plan_remove_member(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int slot = ask_member(ask, world, e);
	struct world_slot *w;
	struct step *s;

	if (slot < 0)
		return slot;
	w = &world->slot[slot];
	if (w->state == MEMBER_EMPTY)
		return 0;
	if (w->state == MEMBER_IN_SYNC || w->state == MEMBER_REBUILDING)
		return err_set(e, EBUSY, "%s is %s in %s: fail it first", w->name, member_words[w->state],
			       world_name(world));
	s = plan_add_step(p, STEP_REMOVE_MEMBER, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	*w = (struct world_slot){.state = MEMBER_EMPTY};
	return 0;
}

const struct action_ops action_remove_member = {
	.desc = {.name = "remove-member",
		 .doc = "Makes a set forget a member that is failed, missing or stale.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"device", PARAM_DEVICE, .doc = "the member; the subject"},
						       {"slot", PARAM_INT, .doc = "its slot, instead of device"},
						       {NULL}}},
	.plan = plan_remove_member,
};
