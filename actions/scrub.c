// SPDX-License-Identifier: GPL-2.0-or-later
/* scrub: all members are read and compared, and what does not match is counted, or put right. */
#include "actions/steps.h"

#include <errno.h>
#include <string.h>

static const char *const modes[] = {"check", "repair", NULL};

static bool scrubs(const struct world_array *a)
{
	return a->action_runs && (a->syncing == RESYNC_CHECK || a->syncing == RESYNC_REPAIR);
}

static int may_scrub(const struct world_array *a, bool repair, struct err *e)
{
	const char *name = world_name(a);

	if (a->level == RAID0)
		return err_set(e, EINVAL, "%s is a RAID0: there is nothing to compare", name);
	if (scrubs(a))
		return err_set(e, EBUSY, "%s already runs on %s: end it first, with 'sparectl array %s %s --cancel'",
			       resync_words[a->syncing], name, resync_words[a->syncing], name);
	if (a->rebuilding || a->action_runs)
		return err_set(e, EBUSY, "%s is being rebuilt or resynced: its members are read by that", name);
	if (a->state != ARRAY_OPTIMAL)
		return err_set(e, EINVAL, "%s is %s: %s needs all members", name, array_words[a->state],
			       repair ? "repair" : "check");
	return 0;
}

static int plan_scrub(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const char *mode = ask_text(ask, "mode");
	bool repair = mode && strcmp(mode, "repair") == 0, cancel = ask_flag(ask, "cancel");
	enum resync_kind kind = repair ? RESYNC_REPAIR : RESYNC_CHECK;
	struct step *s;
	int r;

	if (cancel ? !scrubs(world) : scrubs(world) && world->syncing == kind)
		return 0;
	r = cancel ? 0 : may_scrub(world, repair, e);
	if (r < 0)
		return r;
	s = plan_add_step(p, STEP_SCRUB, ask, e);
	if (!s)
		return -e->code;
	s->repair = repair;
	s->undo = cancel;
	world->action_runs = !cancel;
	world->syncing = kind;
	return 0;
}

const struct action_ops action_scrub = {
	.desc = {.name = "scrub",
		 .doc = "Reads all members of an array and compares them.",
		 .params = (const struct param_desc[]){{"array", PARAM_ARRAY, .doc = "the array; the subject's"},
						       {"mode", PARAM_ENUM, .words = modes,
							.doc = "count what does not match, or put it right too; check"},
						       {"cancel", PARAM_BOOL, .doc = "end the one that runs; false"},
						       {NULL}}},
	.plan = plan_scrub,
};
