// SPDX-License-Identifier: GPL-2.0-or-later
/* activate-spare: a spare takes a slot that nobody serves. Those that nothing speaks against first; of them the one
 * that has replaced the same disk in another array, for one disk that fails shall not use up two; then dedicated ones,
 * then those of a pool, then global ones; those of another set after its own; of those the most alike, then the
 * smallest that fits. */
#include "actions/guard.h"
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 8 };

const char *const spare_from[] = {"dedicated", "pool", "global", NULL};
static const char *const default_prefer[] = {"slot", "media", "enclosure", NULL};
static const char *const default_avoid[] = {"flapping", NULL};
const char *const spare_alike[] = {"media",	"transport", "sector-size", "controller",
				   "enclosure", "slot",	     "tags",	    NULL};

struct choice {
	const struct world_array *a;
	int slot;
	const char *wanted; /* spare by name, NULL: chosen */
	const char *from[WORDS_MAX], *same[WORDS_MAX], *prefer[WORDS_MAX], *avoid[WORDS_MAX];
	size_t n_from, n_same, n_prefer, n_avoid;
};

static bool vacant(enum member_state s)
{
	return s == MEMBER_FAILED || s == MEMBER_EMPTY || s == MEMBER_MISSING;
}

/* The slot to fill, or -1: none is vacant. */
static int find_slot(const struct ask *ask, const struct world_array *a, struct err *e)
{
	static const enum member_state order[] = {MEMBER_FAILED, MEMBER_EMPTY, MEMBER_MISSING};
	const json_t *slot = json_object_get(ask->params, "slot");
	int n = json_is_integer(slot) ? (int)json_integer_value(slot) : ask->slot;

	if (n >= (int)a->n_slots)
		return err_set(e, ENOENT, "%s has no slot %d, only 0 to %u", world_name(a), n, a->n_slots - 1);
	if (n >= 0 && (vacant(a->slot[n].state) || json_is_integer(slot)))
		return vacant(a->slot[n].state) ? n : -1;
	for (size_t k = 0; k < ARRAY_SIZE(order); k++)
		for (unsigned i = 0; i < a->n_slots; i++)
			if (a->slot[i].state == order[k])
				return (int)i;
	return -1;
}

static int kind_rank(const struct choice *c, const struct world_spare *s)
{
	for (size_t i = 0; i < c->n_from; i++)
		if (strcmp(c->from[i], spare_kind_words[s->kind]) == 0)
			return (int)i;
	return -1;
}

/* Lower is better: where the spare differs from what is preferred. */
static int unlikeness(const struct choice *c, const struct world_spare *s)
{
	char reason[PLAN_REASON_MAX];
	int n = 0;

	for (size_t i = 0; i < c->n_prefer; i++)
		n += spare_unfit(c->a, c->slot, s, &c->prefer[i], 1, NULL, 0, reason, sizeof(reason));
	return n;
}

/* What speaks against it: it may not last, or fail with what it is to replace. Better than none all the same. */
static int doubts(const struct world_spare *s)
{
	return s->unproven + s->erring + s->suspect;
}

static bool better(const struct choice *c, const struct world_spare *s, const struct world_spare *than)
{
	int order = s->strains - than->strains;

	if (order == 0)
		order = doubts(s) - doubts(than);
	if (order == 0)
		order = than->beside - s->beside;
	if (order == 0)
		order = s->copied_to - than->copied_to;
	if (order == 0)
		order = kind_rank(c, s) - kind_rank(c, than);
	if (order == 0)
		order = (s->from[0] != '\0') - (than->from[0] != '\0');
	if (order == 0)
		order = unlikeness(c, s) - unlikeness(c, than);
	if (order == 0)
		order = (s->free_sectors > than->free_sectors) - (s->free_sectors < than->free_sectors);
	return order != 0 ? order < 0 : strcmp(s->name, than->name) < 0;
}

static bool considered(const struct choice *c, const struct world_spare *s)
{
	if (s->beside && (c->slot < 0 || !vacant(c->a->slot[c->slot].state)))
		return false;
	if (c->wanted)
		return strcmp(s->device, c->wanted) == 0 || strcmp(s->name, c->wanted) == 0;
	return s->serves || s->of_set;
}

/* The best spare, or NULL with one line that says of each why not. */
static const struct world_spare *choose(const struct choice *c, struct err *e)
{
	_cleanup_(buf_free) struct buf why = {0};
	const struct world_spare *best = NULL;
	char reason[PLAN_REASON_MAX];

	for (size_t i = 0; i < c->a->n_spares; i++) {
		const struct world_spare *s = &c->a->spare[i];

		if (!considered(c, s))
			continue;
		if (!spare_unfit(c->a, c->slot, s, c->same, c->n_same, c->avoid, c->n_avoid, reason, sizeof(reason)) &&
		    kind_rank(c, s) >= 0) {
			if (!best || better(c, s, best))
				best = s;
			continue;
		}
		buf_addf(&why, "%s%s", why.len ? "; " : "", reason);
	}
	if (!best)
		err_set(e, ENOENT, "no valid spare: %s", why.len ? buf_str(&why) : "none is known");
	return best;
}

static void read_choice(const struct ask *ask, const struct world_array *a, int slot, struct choice *c)
{
	c->a = a;
	c->slot = slot;
	c->wanted = ask_text(ask, "spare");
	c->n_from = ask_words(ask, "from", spare_from, c->from, WORDS_MAX);
	c->n_same = ask_words(ask, "same", NULL, c->same, WORDS_MAX);
	c->n_prefer = ask_words(ask, "prefer", default_prefer, c->prefer, WORDS_MAX);
	c->n_avoid = c->wanted ? 0 : ask_words(ask, "avoid-marks", default_avoid, c->avoid, WORDS_MAX);
}

const struct world_spare *spare_choose(const struct ask *ask, const struct world_array *a, int slot, struct err *e)
{
	struct choice c = {0};

	read_choice(ask, a, slot, &c);
	return choose(&c, e);
}

static void take_slot(struct world_array *a, int slot, const struct world_spare *s)
{
	struct world_slot *w = &a->slot[slot];

	*w = (struct world_slot){
		.state = MEMBER_REBUILDING, .readable = true, .usable = s->free_sectors, .media = s->media};
	snprintf(w->device, sizeof(w->device), "%s", s->device);
	snprintf(w->name, sizeof(w->name), "%s", s->name);
	snprintf(w->ref, sizeof(w->ref), "%s", s->ref);
	snprintf(w->controller, sizeof(w->controller), "%s", s->controller);
	snprintf(w->enclosure, sizeof(w->enclosure), "%s", s->enclosure);
	snprintf(w->transport, sizeof(w->transport), "%s", s->transport);
	snprintf(w->place, sizeof(w->place), "%s", s->place);
	snprintf(w->place_shelf, sizeof(w->place_shelf), "%s", s->enclosure);
	snprintf(w->tags, sizeof(w->tags), "%s", s->tags);
	w->sector_size = s->sector_size;
}

static int plan_activate_spare(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	const struct world_spare *spare;
	struct world_spare taken;
	struct step *s;
	int slot = find_slot(ask, world, e);

	if (slot == -ENOENT)
		return slot;
	if (slot < 0)
		return 0;
	spare = spare_choose(ask, world, slot, e);
	if (!spare)
		return -ENOENT;
	taken = *spare;
	if (plan_join_spare(p, ask, &taken, e) < 0)
		return -e->code;
	s = plan_add_step(p, STEP_ACTIVATE_SPARE, ask, e);
	if (!s)
		return -e->code;
	step_of_spare(s, &taken);
	s->slot = slot;
	world_drop_spare(world, world_spare_named(world, taken.device));
	take_slot(world, slot, &taken);
	world_settle(world);
	return 0;
}

const struct action_ops action_activate_spare = {
	.desc = {.name = "activate-spare",
		 .doc = "A spare takes the place of a member that is failed, missing or was never there.",
		 .destructive = true,
		 .params =
			 (const struct param_desc[]){
				 {"array", PARAM_ARRAY, .doc = "the array; the subject's"},
				 {"slot", PARAM_INT, .doc = "the slot; the subject's, else the first that is vacant"},
				 SPARE_PARAMS,
				 {NULL}}},
	.plan = plan_activate_spare,
};
