// SPDX-License-Identifier: GPL-2.0-or-later
/* read-check: all of a disk is read, slowly and after everybody else. A spare that is never read is a hope. */
#include "actions/steps.h"

#include <errno.h>

enum { SPEED_DEFAULT = 50 * 1000 * 1000, SPEED_MIN = 1000 * 1000 };

static int plan_read_check(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device;
	const json_t *speed = json_object_get(ask->params, "speed");
	json_int_t n = speed ? json_integer_value(speed) : SPEED_DEFAULT;
	struct world_spare *w = device ? world_spare_named(world, device) : NULL;
	struct step *s;

	if (!device)
		return err_set(e, EINVAL, "which device?");
	if (!w || !w->present)
		return err_set(e, ENODEV, "%s is not here", w ? w->name : device);
	if (w->path)
		return err_set(e, EINVAL, "%s is a path: its map is what is to be read", w->name);
	if (n < SPEED_MIN)
		return err_set(e, EINVAL, "a speed below 1MB/s would not come to an end");
	if (w->being_read)
		return 0;
	s = plan_add_step(p, STEP_READ_CHECK, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	s->speed = (uint64_t)n;
	w->being_read = true;
	return 0;
}

const struct action_ops action_read_check = {
	.desc = {.name = "read-check",
		 .doc = "Reads all of a disk, or of a spare, at a bounded speed, and tells whether it could.",
		 .params = (const struct param_desc[]){{"device", PARAM_DEVICE, .doc = "the disk; the subject"},
						       {"speed", PARAM_RATE, .doc = "at most; 50MB/s"},
						       {NULL}}},
	.plan = plan_read_check,
};
