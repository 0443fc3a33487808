// SPDX-License-Identifier: GPL-2.0-or-later
/* copy-back: a disk that a spare stands in for is back, or another is in its place: the spare is copied to it, and is a
 * spare again. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* It is the disk that had the slot before, or is where that was. */
static bool takes_back(const struct world_slot *s, const struct world_spare *w)
{
	if (!s->before[0])
		return false;
	return strcmp(s->before, w->device) == 0 || (s->before_place[0] && strcmp(s->before_place, w->place) == 0 &&
						     strcmp(s->before_shelf, w->enclosure) == 0);
}

static int find_slot(const struct world_array *a, const struct world_spare *w, bool always, struct err *e)
{
	int found = -1;

	for (unsigned i = 0; i < a->n_slots && found < 0; i++)
		if (takes_back(&a->slot[i], w))
			found = (int)i;
	if (found < 0)
		return err_set(e, ENOENT, "no spare of %s stands in for %s, or for a disk that was in its place",
			       world_name(a), w->name);
	if (!always && !a->slot[found].revertible)
		return err_set(e, EPERM,
			       "%s took slot %d of %s for good, it is not revertible: only 'always' takes it back",
			       a->slot[found].name, found, world_name(a));
	return found;
}

/* Blank, or nothing that its set knows of any more; a spare of it by now is as good. */
static int check_disk(const struct world_array *a, const struct world_spare *w, struct err *e)
{
	if (w->promised || (w->of_set && w->state != SPARE_IDLE))
		return err_set(e, EBUSY, "%s is in use", w->name);
	if (!w->of_set && !w->former && w->contents != CONTENTS_BLANK)
		return err_set(e, EBUSY, "%s is not blank: it holds %s", w->name,
			       w->holds[0] ? w->holds : contents_words[w->contents]);
	if (w->free_sectors < a->member_sectors)
		return err_set(e, ENOSPC, "%s is too small", w->name);
	return 0;
}

static int plan_copy_back(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device;
	struct world_spare *w = device ? world_spare_named(world, device) : NULL;
	int slot, r;

	if (!device)
		return err_set(e, EINVAL, "which device?");
	if (!w && world_slot_named(world, device) >= 0)
		return 0;
	if (!w)
		return err_set(e, ENODEV, "%s is not here", device);
	slot = find_slot(world, w, ask_flag(ask, "always"), e);
	if (slot < 0)
		return slot;
	if (strcmp(world->slot[slot].copied_to, w->device) == 0)
		return 0;
	r = check_disk(world, w, e);
	if (r == 0)
		r = may_be_copied(world, slot, e);
	if (r < 0)
		return r;
	return plan_copy(p, ask, world, slot, w, STEP_COPY_BACK, e);
}

const struct action_ops action_copy_back = {
	.desc = {.name = "copy-back",
		 .doc = "Copies the spare that stands in for a disk to that disk, or to the one in its place; it is a "
			"spare again then.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"device", PARAM_DEVICE, .doc = "that disk; the subject"},
						       {"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"always", PARAM_BOOL,
							.doc = "also where the spare is not revertible; false"},
						       {NULL}}},
	.plan = plan_copy_back,
};
