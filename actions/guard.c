// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/guard.h"

#include "actions/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- does a spare fit? ---- */

struct unfit_case {
	const struct world_array *a;
	const struct world_slot *slot; /* NULL: any */
	const struct world_spare *s;
	const char *const *same, *const *avoid;
	size_t n_same, n_avoid;
	char *reason;
	size_t size;
};

static bool has_word(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static bool unfit_kind(const struct unfit_case *c)
{
	if (c->s->serves)
		return false;
	snprintf(c->reason, c->size,
		 c->s->elsewhere ? "%s is only for its own enclosure, where %s has no member" : "%s does not serve %s",
		 c->s->name, world_name(c->a));
	return true;
}

static bool unfit_state(const struct unfit_case *c)
{
	static const char *const why[] = {[SPARE_IDLE] = NULL,
					  [SPARE_ACTIVE] = "is in use",
					  [SPARE_LOST] = "is lost",
					  [SPARE_FAILED] = "is failed"};

	if (c->s->state == SPARE_IDLE)
		return false;
	snprintf(c->reason, c->size, "%s %s", c->s->name, why[c->s->state]);
	return true;
}

/* Another set has it, and may need it more; or another plan was first. */
static bool unfit_lent(const struct unfit_case *c)
{
	if (!c->s->kept[0] && !c->s->promised)
		return false;
	snprintf(c->reason, c->size, "%s %s", c->s->name,
		 c->s->kept[0] ? c->s->kept : "is about to be used by another plan");
	return true;
}

static bool unfit_size(const struct unfit_case *c)
{
	_cleanup_(buf_free) struct buf b = {0};
	struct value missing;

	if (c->s->free_sectors >= c->a->member_sectors)
		return false;
	missing = value_size((c->a->member_sectors - c->s->free_sectors) * 512);
	value_print(&missing, VALUE_HUMAN, &b);
	snprintf(c->reason, c->size, "%s is %s too small", c->s->name, buf_str(&b));
	return true;
}

static bool unfit_mark(const struct unfit_case *c)
{
	const char *mark = c->s->flapping && has_word(c->avoid, c->n_avoid, "flapping")	  ? "flapping"
			   : c->s->unproven && has_word(c->avoid, c->n_avoid, "unproven") ? "unproven"
											  : NULL;

	if (!mark)
		return false;
	snprintf(c->reason, c->size, "%s is marked %s", c->s->name, mark);
	return true;
}

/* Any slot with a disk tells what the array is made of. */
static const struct world_slot *pattern_slot(const struct unfit_case *c)
{
	if (c->slot && c->slot->device[0])
		return c->slot;
	for (unsigned i = 0; i < c->a->n_slots; i++)
		if (c->a->slot[i].state == MEMBER_IN_SYNC)
			return &c->a->slot[i];
	return NULL;
}

static bool like_media(const struct unfit_case *c, const struct world_slot *m)
{
	return c->s->media == m->media;
}

static bool like_transport(const struct unfit_case *c, const struct world_slot *m)
{
	return strcmp(c->s->transport, m->transport) == 0;
}

static bool like_sectors(const struct unfit_case *c, const struct world_slot *m)
{
	return c->s->sector_size == m->sector_size;
}

static bool like_controller(const struct unfit_case *c, const struct world_slot *m)
{
	return strcmp(c->s->controller, m->controller) == 0;
}

static bool like_enclosure(const struct unfit_case *c, const struct world_slot *m)
{
	return strcmp(c->s->enclosure, m->enclosure) == 0;
}

/* Where the disk was whose slot is to be filled. */
static bool like_slot(const struct unfit_case *c, const struct world_slot *m)
{
	(void)m;
	return c->slot && c->slot->place[0] && strcmp(c->s->place, c->slot->place) == 0 &&
	       strcmp(c->s->enclosure, c->slot->place_shelf) == 0;
}

static bool like_tags(const struct unfit_case *c, const struct world_slot *m)
{
	return strcmp(c->s->tags, m->tags) == 0;
}

static const struct {
	const char *word;
	bool (*like)(const struct unfit_case *c, const struct world_slot *m);
	const char *otherwise; /* "sdx ..." */
} alike[] = {
	{"media", like_media, "is another kind of medium"},
	{"transport", like_transport, "is attached in another way"},
	{"sector-size", like_sectors, "has sectors of another size"},
	{"controller", like_controller, "is at another controller"},
	{"enclosure", like_enclosure, "is in another enclosure"},
	{"slot", like_slot, "is not in the slot of the disk that it replaces"},
	{"tags", like_tags, "has other tags"},
};

static bool unfit_alike(const struct unfit_case *c)
{
	const struct world_slot *m = pattern_slot(c);

	for (size_t i = 0; m && i < ARRAY_SIZE(alike); i++) {
		if (!has_word(c->same, c->n_same, alike[i].word) || alike[i].like(c, m))
			continue;
		if (alike[i].like == like_media)
			snprintf(c->reason, c->size, "%s is %s, not %s", c->s->name, media_words[c->s->media],
				 media_words[m->media]);
		else
			snprintf(c->reason, c->size, "%s %s", c->s->name, alike[i].otherwise);
		return true;
	}
	return false;
}

bool spare_unfit(const struct world_array *a, int slot, const struct world_spare *s, const char *const *same,
		 size_t n_same, const char *const *avoid, size_t n_avoid, char *reason, size_t size)
{
	static bool (*const checks[])(const struct unfit_case *) = {unfit_kind, unfit_state, unfit_lent,
								    unfit_size, unfit_mark,  unfit_alike};
	struct unfit_case c = {.a = a,
			       .slot = slot >= 0 ? &a->slot[slot] : NULL,
			       .s = s,
			       .same = same,
			       .avoid = avoid,
			       .n_same = n_same,
			       .n_avoid = n_avoid,
			       .reason = reason,
			       .size = size};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i](&c))
			return true;
	return false;
}

/* ---- the guards ---- */

static bool takes_away(enum step_op op)
{
	return op == STEP_FAIL_MEMBER || op == STEP_REMOVE_MEMBER;
}

static bool refuses_unmanaged(const struct guard_case *c, char *reason, size_t size)
{
	if (c->before->managed)
		return false;
	snprintf(reason, size, "%s is not managed: its set %s is not listed under 'manage'", world_name(c->before),
		 c->before->set);
	return true;
}

static bool refuses_maintenance(const struct guard_case *c, char *reason, size_t size)
{
	if (!c->before->maintenance)
		return false;
	snprintf(reason, size, "%s is in maintenance", world_name(c->before));
	return true;
}

static bool refuses_split(const struct guard_case *c, char *reason, size_t size)
{
	if (!c->before->split || c->step->op == STEP_STOP || (c->step->op == STEP_ASSEMBLE && c->step->read_only))
		return false;
	snprintf(reason, size, "%s has two histories: its halves each advanced alone%s", world_name(c->before),
		 c->step->op == STEP_ASSEMBLE ? "; look at one with --force --read-only, wipe the disks of the one "
						"that is not wanted, and start the other with --degraded"
					      : "");
	return true;
}

static bool refuses_stopped(const struct guard_case *c, char *reason, size_t size)
{
	if (c->step->op != STEP_ASSEMBLE || c->before->stopped_by != STOPPED_OPERATOR)
		return false;
	snprintf(reason, size, "%s was stopped by a person", world_name(c->before));
	return true;
}

static bool refuses_redundancy(const struct guard_case *c, char *reason, size_t size)
{
	const struct world_array *a = c->before;
	unsigned in_sync = 0;

	if (!takes_away(c->step->op) || c->step->slot < 0 || a->slot[c->step->slot].state != MEMBER_IN_SYNC ||
	    world_expendable(a, (unsigned)c->step->slot))
		return false;
	for (unsigned i = 0; i < a->n_slots; i++)
		in_sync += a->slot[i].state == MEMBER_IN_SYNC;
	snprintf(reason, size, "%s (%s, %u of %u members in sync) cannot do without %s", world_name(a),
		 raid_level_name(a->level), in_sync, a->n_slots, c->step->name);
	return true;
}

/* A member that counts as in sync but cannot be read is no copy to rely on. */
static bool refuses_last_copy(const struct guard_case *c, char *reason, size_t size)
{
	const struct world_array *a = c->before;
	bool map[META_SLOTS_MAX] = {false}, runs;
	unsigned readable = 0;

	if (!takes_away(c->step->op) || c->step->slot < 0 || a->slot[c->step->slot].state != MEMBER_IN_SYNC ||
	    !a->slot[c->step->slot].readable)
		return false;
	for (unsigned i = 0; i < a->n_slots; i++) {
		map[i] = a->slot[i].state == MEMBER_IN_SYNC && a->slot[i].readable;
		readable += map[i];
	}
	runs = raid_runnable(a->level, map, a->n_slots);
	map[c->step->slot] = false;
	if (!runs || raid_runnable(a->level, map, a->n_slots))
		return false;
	snprintf(reason, size, "%s holds a copy that no other of the %u readable members of %s has", c->step->name,
		 readable, world_name(a));
	return true;
}

/* What several disks have in common is in doubt, not each of them: nothing is decided about one that went with them. */
static bool refuses_shared_cause(const struct guard_case *c, char *reason, size_t size)
{
	const struct world_slot *s = c->step->slot < 0 ? NULL : &c->before->slot[c->step->slot];

	if (!s || s->together == 0 || (!takes_away(c->step->op) && c->step->op != STEP_ACTIVATE_SPARE))
		return false;
	snprintf(reason, size, "%u disks went at once, %s too: %s %s is in doubt, not each disk", s->together, s->name,
		 s->together_in, strcmp(s->together_in, "controller") == 0 ? s->controller : s->enclosure);
	return true;
}

/* A disk that has just come back is missing until it is read. */
static bool refuses_unread(const struct guard_case *c, char *reason, size_t size)
{
	const struct world_slot *s = c->step->slot < 0 ? NULL : &c->before->slot[c->step->slot];

	if (!s || !takes_away(c->step->op) || !s->unread)
		return false;
	snprintf(reason, size, "%s is being read", s->name);
	return true;
}

/* Failed, taken back, failed, taken back: somebody has to look. */
static bool refuses_oscillation(const struct guard_case *c, char *reason, size_t size)
{
	const struct world_slot *s = c->step->slot < 0 ? NULL : &c->before->slot[c->step->slot];
	enum step_op undone = c->step->op == STEP_FAIL_MEMBER	 ? STEP_READD_MEMBER
			      : c->step->op == STEP_READD_MEMBER ? STEP_FAIL_MEMBER
								 : STEP_OP_MAX;

	if (!s || s->undone < 2 || s->last_step != (int)undone)
		return false;
	snprintf(reason, size, "what was done to %s of %s was undone %u times within the hour: a person may go on",
		 s->name, world_name(c->before), s->undone);
	return true;
}

static bool refuses_budget(const struct guard_case *c, char *reason, size_t size)
{
	const struct action_ops *ops = action_find(step_op_name(c->step->op));
	unsigned most = c->settings->plans_per_hour;

	if (most == 0 || !ops || !ops->desc.destructive || c->before->plans_last_hour < most)
		return false;
	snprintf(reason, size, "rules changed %s %u times within the last hour, %u are allowed", world_name(c->before),
		 c->before->plans_last_hour, most);
	return true;
}

static bool refuses_room(const struct guard_case *c, char *reason, size_t size)
{
	enum step_op op = c->step->op;

	if (c->before->room || (op != STEP_ASSEMBLE && op != STEP_ACTIVATE_SPARE && op != STEP_READD_MEMBER &&
				op != STEP_REPLACE_MEMBER && op != STEP_COPY_BACK))
		return false;
	snprintf(reason, size, "no room for slices on the members of %s (made by a controller: %s)",
		 world_name(c->before), c->before->maker[0] ? c->before->maker : "unknown");
	return true;
}

const struct guard guard_table[] = {
	{"managed", "nothing is ever done to a set that is not listed under 'manage'", false, refuses_unmanaged},
	{"maintenance", "while an array or its disk is in maintenance, rules do nothing to it", true,
	 refuses_maintenance},
	{"split", "halves that each advanced alone are not joined", false, refuses_split},
	{"stopped", "rules do not start what a person stopped", true, refuses_stopped},
	{"redundancy", "no member is taken away that the array needs", false, refuses_redundancy},
	{"last-copy", "the last readable copy is never failed", false, refuses_last_copy},
	{"unread", "rules do not take a disk away that has come and was not read yet", true, refuses_unread},
	{"shared-cause", "where three disks of one controller or enclosure went at once, rules wait two minutes", true,
	 refuses_shared_cause},
	{"oscillation", "what rules do is not undone and done again a third time within an hour", true,
	 refuses_oscillation},
	{"budget", "rules change an array only so often an hour", true, refuses_budget},
	{"room", "an array is only run where its slices have room", false, refuses_room},
	{NULL},
};

const struct guard *guard_check(const struct guard_case *c, char *reason, size_t size)
{
	for (const struct guard *g = guard_table; g->name; g++)
		if ((!g->rules_only || c->plan->origin == PLAN_RULE) && g->refuses(c, reason, size))
			return g;
	return NULL;
}
