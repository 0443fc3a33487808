// SPDX-License-Identifier: GPL-2.0-or-later
/* add-spare: a blank disk, or one that was of the set and has lost its place, becomes a spare of a set, dedicated to
 * one array of it or for all; one that is a spare already is given what is asked for beside. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>

static int no_candidate(const struct world_array *a, int slot, const char *device, struct err *e)
{
	if (slot >= 0)
		return err_set(e, EBUSY, "%s is a member of %s (%s)", a->slot[slot].name, world_name(a),
			       member_words[a->slot[slot].state]);
	return err_set(e, ENODEV, "%s is not here", device);
}

static int check_candidate(const struct world_spare *w, struct err *e)
{
	if (w->promised)
		return err_set(e, EBUSY, "%s is about to be used by another plan", w->name);
	if (w->contents == CONTENTS_FOREIGN && !w->holds[0] && !w->former && !w->of_set)
		return err_set(
			e, EBUSY,
			"%s is not blank: something unknown is in its first or last MiB; 'blkdiscard -z /dev/%s' "
			"writes zeroes over the whole of it",
			w->name, w->name);
	if (w->contents != CONTENTS_BLANK && !w->former && !w->of_set)
		return err_set(e, EBUSY, "%s is not blank: it holds %s; 'wipefs -a /dev/%s' empties it", w->name,
			       w->holds[0] ? w->holds : contents_words[w->contents], w->name);
	return 0;
}

/* A spare that is one for this. */
static bool is_so(const struct world_spare *w, bool dedicated, bool revertible, bool enclosure)
{
	return (!dedicated || w->for_array) && (!revertible || w->revertible) && (!enclosure || w->in_enclosure);
}

static int plan_add_spare(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *device = ask_text(ask, "device") ? ask_text(ask, "device") : ask->device;
	bool dedicated = world->id[0] && ask_text(ask, "array"), revertible = ask_flag(ask, "revertible"),
	     enclosure = ask_flag(ask, "enclosure");
	struct world_spare *w;
	struct step *s;
	int slot, r;

	if (!device)
		return err_set(e, EINVAL, "which device?");
	w = world_spare_named(world, device);
	if (w && w->of_set && is_so(w, dedicated, revertible, enclosure))
		return 0;
	slot = world_slot_named(world, device);
	if (slot >= 0 || !w)
		return no_candidate(world, slot, device, e);
	r = check_candidate(w, e);
	if (r < 0)
		return r;
	s = plan_add_step(p, STEP_ADD_SPARE, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	s->dedicated = dedicated || (w->of_set && w->kind == SPARE_DEDICATED);
	s->revertible = revertible || (w->of_set && w->revertible);
	s->enclosure = enclosure || (w->of_set && w->in_enclosure);
	w->of_set = w->serves = true;
	w->kind = s->dedicated ? SPARE_DEDICATED : SPARE_GLOBAL;
	w->revertible = s->revertible;
	w->in_enclosure = s->enclosure;
	w->state = SPARE_IDLE;
	return 0;
}

const struct action_ops action_add_spare = {
	.desc = {.name = "add-spare",
		 .doc = "Makes a blank disk a spare: of one array, or of the whole set.",
		 .destructive = true, /* of what nobody saw on it: worth a question where a rule asks */
		 .params =
			 (const struct param_desc[]){
				 {"device", PARAM_DEVICE, .doc = "the disk; the subject"},
				 {"array", PARAM_ARRAY, .doc = "only for this array"},
				 {"revertible", PARAM_BOOL,
				  .doc = "it gives a slot back when the disk of that is replaced: "
					 "see copy-back; false"},
				 {"enclosure", PARAM_BOOL,
				  .doc = "only for arrays with a member in its own enclosure; false"},
				 {NULL}}},
	.plan = plan_add_spare,
};
