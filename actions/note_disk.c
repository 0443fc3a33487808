// SPDX-License-Identifier: GPL-2.0-or-later
/* note-disk: what rules or people have seen of a disk's health is written into the metadata, where a controller or
 * another tool finds it, too. It changes nothing else: the disk goes on. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {"predicted-failure", "read-errors", "well", NULL};

static int plan_note_disk(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device, *as = ask_text(ask, "as");
	struct world_spare *w = device ? world_spare_named(world, device) : NULL;
	int slot = device ? world_slot_named(world, device) : -1;
	bool known = false;
	struct step *s;

	for (size_t i = 0; words[i]; i++)
		known = known || (as && strcmp(as, words[i]) == 0);
	if (!known)
		return err_set(e, EINVAL, "as: predicted-failure, read-errors or well");
	if (slot < 0 && (!w || !w->of_set))
		return err_set(e, ENOENT, "%s is no disk of %s", device ? device : "nothing", world_name(world));
	s = plan_add_step(p, STEP_NOTE_DISK, ask, e);
	if (!s)
		return -e->code;
	if (slot >= 0)
		step_of_slot(s, world, slot);
	else
		step_of_spare(s, w);
	s->slot = -1;
	snprintf(s->to, sizeof(s->to), "%s", as);
	return 0;
}

const struct action_ops action_note_disk = {
	.desc = {.name = "note-disk",
		 .doc = "Writes into the metadata what is known of a disk's health.",
		 .params = (const struct param_desc[]){{"device", PARAM_DEVICE, .doc = "the disk; the subject"},
						       {"array", PARAM_ARRAY, .doc = "an array of its set"},
						       {"as", PARAM_ENUM, .required = true, .words = words,
							.doc = "predicted-failure, read-errors, or well: neither"},
						       {NULL}}},
	.plan = plan_note_disk,
};
