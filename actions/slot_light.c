// SPDX-License-Identifier: GPL-2.0-or-later
/* slot-light: the light of a disk's slot, so that whoever comes with a new disk pulls the right one. A disk that has
 * been pulled has the slot where it was. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const lights[] = {"fault", "locate", "off", NULL};

/* Names of a directory each; the kernel has none with a slash. */
static bool is_name(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/');
}

static int plan_slot_light(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device, *as = ask_text(ask, "as");
	struct world_spare *w = device ? world_spare_named(world, device) : NULL;
	size_t i = 0;
	struct step *s;

	while (as && lights[i] && strcmp(lights[i], as) != 0)
		i++;
	if (!as || !lights[i])
		return err_set(e, EINVAL, "which light? fault, locate or off");
	if (!w)
		return err_set(e, EINVAL, "which device?");
	if (!is_name(w->enclosure) || !is_name(w->place))
		return err_set(e, ENODEV, "%s is in no slot of an enclosure that the kernel knows", w->name);
	if (w->in_place[0])
		return err_set(e, EBUSY, "%s is not here, and %s is in its slot now", w->name, w->in_place);
	s = plan_add_step(p, STEP_SLOT_LIGHT, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	snprintf(s->place, sizeof(s->place), "%s/%s", w->enclosure, w->place);
	snprintf(s->to, sizeof(s->to), "%s", as);
	return 0;
}

const struct action_ops action_slot_light = {
	.desc = {.name = "slot-light",
		 .doc = "Puts on the light of a disk's slot, or out.",
		 .params = (const struct param_desc[]){{"device", PARAM_DEVICE, .doc = "the disk; the subject"},
						       {"as", PARAM_ENUM, .required = true, .words = lights,
							.doc = "fault, locate, or off: both out"},
						       {NULL}}},
	.plan = plan_slot_light,
};
