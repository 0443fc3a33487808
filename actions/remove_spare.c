// SPDX-License-Identifier: GPL-2.0-or-later
/* remove-spare: a set forgets a spare. Wiped, the disk is a blank one for others; else it still says whose it was. */
#include "actions/steps.h"

#include <errno.h>

static int plan_remove_spare(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device;
	bool wipe = ask_flag(ask, "wipe");
	struct world_spare *w;
	struct step *s;

	if (!device)
		return err_set(e, EINVAL, "which device?");
	if (world_slot_named(world, device) >= 0)
		return err_set(e, EBUSY, "%s is a member of %s, not a spare", device, world_name(world));
	w = world_spare_named(world, device);
	if (!w || (!w->of_set && !(wipe && w->former)))
		return 0;
	s = plan_add_step(p, STEP_REMOVE_SPARE, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	s->wipe = wipe;
	world_drop_spare(world, w);
	return 0;
}

const struct action_ops action_remove_spare = {
	.desc = {.name = "remove-spare",
		 .doc = "Makes a set forget a spare.",
		 .destructive = true,
		 .params =
			 (const struct param_desc[]){{"device", PARAM_DEVICE, .doc = "the spare; the subject"},
						     {"array", PARAM_ARRAY, .doc = "an array of its set"},
						     {"wipe", PARAM_BOOL, .doc = "the disk is blank afterwards; false"},
						     {NULL}}},
	.plan = plan_remove_spare,
};
