// SPDX-License-Identifier: GPL-2.0-or-later
/* re-add-member: a member that was away takes its old slot again, by bitmap where the bitmap has lived since, else in
 * full. */
#include "actions/steps.h"

#include <errno.h>

static int plan_readd_member(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int slot = ask_member(ask, world, e);
	struct world_slot *w;
	struct step *s;

	if (slot < 0)
		return slot;
	w = &world->slot[slot];
	if (w->state == MEMBER_IN_SYNC || w->state == MEMBER_REBUILDING)
		return 0;
	if (w->state == MEMBER_MISSING || w->state == MEMBER_EMPTY)
		return err_set(e, ENODEV, "%s is %s", w->name[0] ? w->name : "the slot", member_words[w->state]);
	if (w->state == MEMBER_FAILED && p->origin != PLAN_OPERATOR)
		return err_set(e, EPERM, "%s is failed; only a person may take it back", w->name);
	if (w->two_formats && p->origin != PLAN_OPERATOR)
		return err_set(e, EPERM, "%s holds metadata of another format, too; only a person may take it back",
			       w->name);
	if (!w->readable)
		return err_set(e, EIO, "%s cannot be read", w->name);
	s = plan_add_step(p, STEP_READD_MEMBER, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	w->state = MEMBER_REBUILDING;
	world_settle(world);
	return 0;
}

const struct action_ops action_readd_member = {
	.desc = {.name = "re-add-member",
		 .doc = "Brings a member that was away up to date in its old slot.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"device", PARAM_DEVICE, .doc = "the member; the subject"},
						       {"slot", PARAM_INT, .doc = "its slot, instead of device"},
						       {NULL}}},
	.plan = plan_readd_member,
};
