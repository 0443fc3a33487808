// SPDX-License-Identifier: GPL-2.0-or-later
/* grow-array: an array gets more of its disks, where nobody uses what lies right behind it. It cannot be taken back.
 * How much room there is only the metadata tell: act does. */
#include "actions/steps.h"

#include <errno.h>
#include <string.h>

static uint64_t usable(const struct world_array *a)
{
	uint64_t redundant = a->level == RAID1 ? a->n_slots - 1 : (uint64_t)raid_redundancy(a->level, a->n_slots);

	return (a->n_slots - redundant) * a->member_sectors * 512;
}

static int may_grow(const struct world_array *a, uint64_t size, struct err *e)
{
	const char *name = world_name(a);

	if (a->level == RAID10)
		return err_set(e, ENOTSUP,
			       "%s is a RAID10: of what is added to one dm-raid resyncs a part only, and in DDF a cut "
			       "would leave pairs of two sizes",
			       name);
	if (size && size < usable(a))
		return err_set(e, EINVAL, "%s has %llu KiB: an array is never made smaller", name,
			       (unsigned long long)usable(a) / 1024);
	if (a->split || !a->complete)
		return err_set(e, ENODEV, "%s is not made larger while a disk of it is not here", name);
	for (unsigned i = 0; i < a->n_slots; i++)
		if (a->slot[i].state != MEMBER_IN_SYNC)
			return err_set(e, EBUSY,
				       "%s is not made larger while slot %u is %s: all members must be in sync", name,
				       i, member_words[a->slot[i].state]);
	for (unsigned i = 0; i < a->n_slots; i++)
		if (a->slot[i].copied_to[0])
			return err_set(e, EBUSY, "%s is not made larger while the member in slot %u is replaced", name,
				       i);
	if (a->rebuilding || a->action_runs)
		return err_set(e, EBUSY, "%s is not made larger while its members are compared, resynced or rebuilt",
			       name);
	if (a->state == ARRAY_READ_ONLY || a->state == ARRAY_FAILED)
		return err_set(e, EBUSY, "%s is %s", name, array_words[a->state]);
	return 0;
}

static int plan_grow_array(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	json_int_t size = json_integer_value(json_object_get(ask->params, "size"));
	struct step *s;
	int r;

	if (size % 512)
		return err_set(e, EINVAL, "a size of %lld bytes is no number of sectors", (long long)size);
	if (size && (uint64_t)size == usable(world))
		return 0;
	r = may_grow(world, (uint64_t)size, e);
	s = r < 0 ? NULL : plan_add_step(p, STEP_GROW, ask, e);
	if (!s)
		return -e->code;
	s->size = (uint64_t)size;
	world->action_runs = world->state != ARRAY_INACTIVE && world->level != RAID0;
	world->syncing = RESYNC_RESYNC;
	return 0;
}

const struct action_ops action_grow_array = {
	.desc = {.name = "grow-array",
		 .doc = "Gives an array more of its disks' space.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array"},
						       {"size", PARAM_SIZE, .doc = "usable; all there is room for"},
						       {NULL}}},
	.plan = plan_grow_array,
};
