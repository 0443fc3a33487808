// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/steps.h"

#include "actions/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void in_sync_map(const struct world_array *a, bool map[META_SLOTS_MAX])
{
	for (unsigned i = 0; i < a->n_slots; i++)
		map[i] = a->slot[i].state == MEMBER_IN_SYNC;
}

bool world_expendable(const struct world_array *a, unsigned slot)
{
	bool map[META_SLOTS_MAX] = {false};

	in_sync_map(a, map);
	map[slot] = false;
	return raid_runnable(a->level, map, a->n_slots);
}

int world_redundancy(const struct world_array *a)
{
	bool map[META_SLOTS_MAX] = {false};
	int in_sync = 0, full = raid_redundancy(a->level, a->n_slots), lost;

	in_sync_map(a, map);
	if (!raid_runnable(a->level, map, a->n_slots))
		return -1;
	for (unsigned i = 0; i < a->n_slots; i++)
		in_sync += map[i];
	if (a->level == RAID10) {
		for (unsigned i = 0; i < a->n_slots; i++)
			if (map[i] && !world_expendable(a, i))
				return 0;
		return full;
	}
	lost = (int)a->n_slots - in_sync;
	return full - lost;
}

enum array_state world_state(const struct world_array *a)
{
	bool map[META_SLOTS_MAX] = {false}, all = true;

	if (a->state == ARRAY_INACTIVE || a->state == ARRAY_READ_ONLY)
		return a->state;
	in_sync_map(a, map);
	for (unsigned i = 0; i < a->n_slots; i++)
		all = all && map[i];
	if (!raid_runnable(a->level, map, a->n_slots))
		return ARRAY_FAILED;
	return all ? ARRAY_OPTIMAL : ARRAY_DEGRADED;
}

void world_settle(struct world_array *a)
{
	a->rebuilding = false;
	for (unsigned i = 0; i < a->n_slots; i++)
		a->rebuilding = a->rebuilding || a->slot[i].state == MEMBER_REBUILDING;
	a->state = world_state(a);
}

int world_slot_named(const struct world_array *a, const char *device)
{
	for (unsigned i = 0; i < a->n_slots; i++)
		if (a->slot[i].device[0] && strcmp(a->slot[i].device, device) == 0)
			return (int)i;
	for (unsigned i = 0; i < a->n_slots; i++)
		if (a->slot[i].name[0] && strcmp(a->slot[i].name, device) == 0)
			return (int)i;
	return -1;
}

struct world_spare *world_spare_named(struct world_array *a, const char *device)
{
	for (size_t i = 0; i < a->n_spares; i++)
		if (strcmp(a->spare[i].device, device) == 0 || strcmp(a->spare[i].name, device) == 0)
			return &a->spare[i];
	return NULL;
}

void world_drop_spare(struct world_array *a, struct world_spare *s)
{
	size_t i = (size_t)(s - a->spare);

	memmove(s, s + 1, (a->n_spares - i - 1) * sizeof(*s));
	a->n_spares--;
}

const char *world_name(const struct world_array *a)
{
	return a->name[0] ? a->name : a->id[0] ? a->id : a->set;
}

/* ---- what modules read from an ask ---- */

const char *ask_text(const struct ask *ask, const char *key)
{
	return json_string_value(json_object_get(ask->params, key));
}

bool ask_flag(const struct ask *ask, const char *key)
{
	return json_is_true(json_object_get(ask->params, key));
}

size_t ask_words(const struct ask *ask, const char *key, const char *const *unless, const char **words, size_t max)
{
	const json_t *list = json_object_get(ask->params, key);
	size_t n = 0;

	if (!json_is_array(list)) {
		for (; unless && unless[n] && n < max; n++)
			words[n] = unless[n];
		return n;
	}
	for (; n < json_array_size(list) && n < max; n++)
		words[n] = json_string_value(json_array_get(list, n));
	return n;
}

int ask_member(const struct ask *ask, const struct world_array *a, struct err *e)
{
	const char *device = ask_text(ask, "device");
	const json_t *param = json_object_get(ask->params, "slot");
	int slot = json_is_integer(param) ? (int)json_integer_value(param) : ask->slot;

	/* A device decides before the slot that it was in when it was asked for: meanwhile another may be there. */
	if (!device && !json_is_integer(param))
		device = ask->device;
	if (device) {
		int r = world_slot_named(a, device);

		return r >= 0 ? r : err_set(e, ENOENT, "%s is not a member of %s", device, world_name(a));
	}
	if (slot < 0)
		return err_set(e, EINVAL, "which device of %s?", world_name(a));
	if (slot >= (int)a->n_slots)
		return err_set(e, ENOENT, "%s has no slot %d, only 0 to %u", world_name(a), slot, a->n_slots - 1);
	return slot;
}

struct step *plan_add_step(struct plan *p, enum step_op op, const struct ask *ask, struct err *e)
{
	struct step *s;

	if (p->n_steps == PLAN_STEPS_MAX) {
		err_set(e, ENOSPC, "a plan has at most %d steps", PLAN_STEPS_MAX);
		return NULL;
	}
	s = &p->step[p->n_steps++];
	*s = (struct step){.op = op, .slot = -1, .on_failure = ask->on_failure};
	return s;
}

void step_of_slot(struct step *s, const struct world_array *a, int slot)
{
	const struct world_slot *w = &a->slot[slot];

	s->slot = slot;
	snprintf(s->device, sizeof(s->device), "%s", w->device);
	snprintf(s->name, sizeof(s->name), "%s", w->name);
	snprintf(s->ref, sizeof(s->ref), "%s", w->ref);
}

void step_of_spare(struct step *s, const struct world_spare *w)
{
	snprintf(s->device, sizeof(s->device), "%s", w->device);
	snprintf(s->name, sizeof(s->name), "%s", w->name);
	snprintf(s->ref, sizeof(s->ref), "%s", w->ref);
	s->dedicated = w->kind == SPARE_DEDICATED;
}

int plan_join_spare(struct plan *p, const struct ask *ask, const struct world_spare *w, struct err *e)
{
	struct step *s;

	if (w->of_set)
		return 0;
	if (w->from[0]) {
		s = plan_add_step(p, STEP_TAKE_SPARE, ask, e);
		if (!s)
			return -e->code;
		step_of_spare(s, w);
		memcpy(s->from, w->from, sizeof(s->from));
		memcpy(s->from_name, w->from_name, sizeof(s->from_name));
	}
	s = plan_add_step(p, STEP_ADD_SPARE, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, w);
	return 0;
}
