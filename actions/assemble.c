// SPDX-License-Identifier: GPL-2.0-or-later
/* assemble: an array that does not run is started, with what is known to be current. */
#include "actions/steps.h"

#include <errno.h>

static int check_members(const struct world_array *a, bool degraded, bool force, struct err *e)
{
	enum member_state state[META_SLOTS_MAX];
	unsigned in_sync = 0;

	for (unsigned i = 0; i < a->n_slots; i++) {
		state[i] = a->slot[i].state;
		in_sync += state[i] == MEMBER_IN_SYNC;
	}
	if (raid_doubted(a->level, state, a->n_slots))
		return err_set(
			e, ENODATA,
			"%s has a member that is not in sync, and its metadata do not say which; 'sparectl array fail "
			"%s DISK' says it, and the others are in sync then",
			world_name(a), a->name);
	/* Of two histories a guard has more to say. */
	if (force || a->complete || a->split)
		return 0;
	if (a->two_formats[0])
		return err_set(
			e, EUCLEAN,
			"%s, beside that of %s set %s: nothing of the set is started before one of them is taken away "
			"(wipefs), or --force has said that %s is meant",
			a->two_formats, a->format, a->set, a->format);
	if (!a->startable)
		return err_set(e, ENODEV,
			       "only %u of %u members of %s are here and current: too few to run; bring back the "
			       "others, or let failed ones in with --force, which may lose data",
			       in_sync, a->n_slots, world_name(a));
	if (!degraded)
		return err_set(e, ENODEV,
			       "%u of %u members of %s are here and current: it could only run degraded (--degraded)",
			       in_sync, a->n_slots, world_name(a));
	return 0;
}

/* A table alone remembers them, and it is gone. */
static int plan_options(const struct ask *ask, const struct world_array *world, struct plan *p, struct err *e)
{
	struct step *s;

	for (unsigned i = 0; i < world->n_slots && world->level == RAID1; i++) {
		if (!world->slot[i].read_last || world->slot[i].state != MEMBER_IN_SYNC)
			continue;
		s = plan_add_step(p, STEP_READ_LAST, ask, e);
		if (!s)
			return -e->code;
		step_of_slot(s, world, (int)i);
	}
	if (!world->rate)
		return 0;
	s = plan_add_step(p, STEP_REBUILD_SPEED, ask, e);
	if (!s)
		return -e->code;
	s->rate = world->rate;
	return 0;
}

static int plan_assemble(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	bool degraded = ask_flag(ask, "degraded"), force = ask_flag(ask, "force");
	struct step *s;
	int r;

	if (world->state != ARRAY_INACTIVE)
		return 0;
	if (world->level == RAID_UNSUPPORTED)
		return err_set(e, EOPNOTSUPP, "%s is of a kind that is not supported", world_name(world));
	r = check_members(world, degraded, force, e);
	if (r < 0)
		return r;
	s = plan_add_step(p, STEP_ASSEMBLE, ask, e);
	if (!s)
		return -e->code;
	s->degraded = degraded;
	s->read_only = ask_flag(ask, "read-only");
	s->force = force;
	world->state = s->read_only ? ARRAY_READ_ONLY : ARRAY_OPTIMAL;
	world_settle(world);
	return s->read_only ? 0 : plan_options(ask, world, p, e);
}

const struct action_ops action_assemble = {
	.desc = {.name = "assemble",
		 .doc = "Starts an array.",
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"degraded", PARAM_BOOL, .doc = "also without all its members"},
						       {"read-only", PARAM_BOOL, .doc = "nothing is written to it"},
						       {NULL}}},
	.personal = (const struct param_desc[]){{"force", PARAM_BOOL, .doc = "also beyond its redundancy"}, {NULL}},
	.plan = plan_assemble,
};
