// SPDX-License-Identifier: GPL-2.0-or-later
/* replace-member: a member that can still be read is copied to a spare, which then takes its slot. Until then it stays
 * what it is, so that the redundancy is never lower than before. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *being_copied(const struct world_array *a)
{
	for (unsigned i = 0; i < a->n_slots; i++)
		if (a->slot[i].copied_to[0])
			return a->slot[i].name;
	return NULL;
}

int may_be_copied(const struct world_array *a, int slot, struct err *e)
{
	const struct world_slot *w = &a->slot[slot];
	const char *name = world_name(a);

	if (a->level == RAID0)
		return err_set(e, EOPNOTSUPP, "%s is a RAID0: its members are not replaced while it runs", name);
	if (a->state == ARRAY_INACTIVE || a->state == ARRAY_READ_ONLY)
		return err_set(e, ENODEV, "%s is not running", name);
	if (w->state != MEMBER_IN_SYNC || !w->readable)
		return err_set(e, EINVAL, "slot %d of %s is %s: there is nothing to copy, let a spare take it", slot,
			       name, w->state == MEMBER_IN_SYNC ? "not readable" : member_words[w->state]);
	if (being_copied(a))
		return err_set(e, EBUSY, "%s of %s is being copied already", being_copied(a), name);
	if (a->rebuilding)
		return err_set(e, EBUSY, "%s is being rebuilt: one after the other", name);
	return 0;
}

static int plan_cancel(const struct ask *ask, struct world_array *world, int slot, struct plan *p, struct err *e)
{
	struct step *s;

	if (!world->slot[slot].copied_to[0])
		return 0;
	s = plan_add_step(p, STEP_REPLACE_MEMBER, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	s->undo = true;
	world->slot[slot].copied_to[0] = '\0';
	return 0;
}

int plan_copy(struct plan *p, const struct ask *ask, struct world_array *world, int slot,
	      const struct world_spare *spare, enum step_op op, struct err *e)
{
	const struct world_spare taken = *spare;
	struct step *s;

	if (plan_join_spare(p, ask, &taken, e) < 0)
		return -e->code;
	s = plan_add_step(p, op, ask, e);
	if (!s)
		return -e->code;
	step_of_slot(s, world, slot);
	snprintf(s->by, sizeof(s->by), "%s", taken.device);
	snprintf(s->by_name, sizeof(s->by_name), "%s", taken.name);
	snprintf(world->slot[slot].copied_to, sizeof(world->slot[slot].copied_to), "%s", taken.device);
	world_drop_spare(world, world_spare_named(world, taken.device));
	return 0;
}

static int plan_replace_member(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int slot = ask_member(ask, world, e), r;
	const struct world_spare *spare;
	const char *wanted = ask_text(ask, "spare");

	if (slot < 0)
		return slot;
	if (ask_flag(ask, "cancel"))
		return plan_cancel(ask, world, slot, p, e);
	if (world->slot[slot].copied_to[0] && (!wanted || strcmp(wanted, world->slot[slot].copied_to) == 0))
		return 0;
	r = may_be_copied(world, slot, e);
	if (r < 0)
		return r;
	spare = spare_choose(ask, world, slot, e);
	if (!spare)
		return -ENOENT;
	if (spare->copied_to)
		return err_set(e, EBUSY, "another member is being copied to %s", spare->name);
	return plan_copy(p, ask, world, slot, spare, STEP_REPLACE_MEMBER, e);
}

const struct action_ops action_replace_member = {
	.desc = {.name = "replace-member",
		 .doc = "Copies a member that can still be read to a spare, which then takes its slot.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"device", PARAM_DEVICE, .doc = "the member; the subject"},
						       {"slot", PARAM_INT, .doc = "or its slot"},
						       {"cancel", PARAM_BOOL, .doc = "end the copy that runs; false"},
						       SPARE_PARAMS,
						       {NULL}}},
	.plan = plan_replace_member,
};
