// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk that several arrays share fails in all of them. Who has taken its place in one is to take it in the others,
 * too, if it has the room: else one failure would use up a spare for each array. */
#include "pipeline/inventory_impl.h"

#include <string.h>

/* It has a slot, or whoever has its slot now stands in for it: of two disks that fail one after the other, each array
 * may have given the first one's place to another spare. */
static bool was_here(const struct array *a, const char *device)
{
	for (unsigned i = 0; device[0] && i < a->volume->slots; i++)
		if (strcmp(a->member[i].device, device) == 0 || strcmp(a->member[i].before, device) == 0)
			return true;
	return false;
}

static bool rebuilt_anywhere(const struct inventory *inv, const char *set, const struct device *d)
{
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *o = inv->arrays[i];
		int slot = strcmp(o->set, set) == 0 ? array_slot_of(inv, o, d) : -1;

		if (slot >= 0 && array_member_state(inv, o, (unsigned)slot) == MEMBER_REBUILDING)
			return true;
	}
	return false;
}

static bool runs_without(const struct inventory *inv, const struct array *o, const struct device *d)
{
	bool in_sync[META_SLOTS_MAX] = {0};

	for (unsigned i = 0; i < o->volume->slots; i++) {
		const struct device *m = device_find(inv, o->member[i].device);

		in_sync[i] = m && m != d && array_member_state(inv, o, i) == MEMBER_IN_SYNC &&
			     !rebuilt_anywhere(inv, o->set, m);
	}
	return raid_runnable(o->volume->level, in_sync, o->volume->slots);
}

const struct array *successor_kept(const struct inventory *inv, const struct array *a, const struct device *d,
				   bool *strains)
{
	*strains = false;
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *o = inv->arrays[i];
		int slot = o != a && o->volume && strcmp(o->set, a->set) == 0 ? array_slot_of(inv, o, d) : -1;

		if (slot < 0 || array_member_state(inv, o, (unsigned)slot) != MEMBER_IN_SYNC ||
		    array_state(inv, o) == ARRAY_OPTIMAL)
			continue;
		*strains = true;
		if (!runs_without(inv, o, d))
			return o;
	}
	return NULL;
}

const struct array *successor_in(const struct inventory *inv, const struct array *a, const struct device *d)
{
	if (!a->volume || !d->present || array_slot_of(inv, a, d) >= 0)
		return NULL;
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *o = inv->arrays[i];
		int slot = o != a && strcmp(o->set, a->set) == 0 ? array_slot_of(inv, o, d) : -1;

		if (slot >= 0 && was_here(a, o->member[slot].before))
			return o;
	}
	return NULL;
}
