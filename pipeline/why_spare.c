// SPDX-License-Identifier: GPL-2.0-or-later
/* Why no spare takes the place in a slot: one line, whatever the reason is, made of what the arrays are and of what the
 * rules that change arrays wait for. */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_NOW = 2 }; /* of rules that wait for nothing; of others it is higher */

struct place_of {
	const struct array *a;
	unsigned slot;
	char id[META_GUID_MAX + 16]; /* of the member */
};

/* ---- which slot ---- */

/* The first that lacks its member, else the first. */
static unsigned worst_slot(const struct inventory *inv, const struct array *a)
{
	for (unsigned i = 0; a->volume && i < a->volume->slots; i++)
		if (array_member_state(inv, a, i) != MEMBER_IN_SYNC)
			return i;
	return 0;
}

/* The slot that the device is in, or was in when it was here last. */
static int slot_of_device(const struct inventory *inv, const struct array *a, const struct device *d)
{
	int slot = array_slot_of(inv, a, d);

	for (unsigned i = 0; slot < 0 && a->volume && i < a->volume->slots; i++)
		if (!array_slot_device(inv, a, i) && strcmp(a->member[i].device, d->id) == 0)
			slot = (int)i;
	return slot;
}

static int find_place(const struct inventory *inv, const char *subject, struct place_of *ret, struct err *e)
{
	const struct device *d = inventory_find_device(inv, subject);
	const char *slash = strrchr(subject, '/');
	_cleanup_(freep) char *name = slash ? strndup(subject, (size_t)(slash - subject)) : strdup(subject);
	int slot = -1;

	*ret = (struct place_of){0};
	for (size_t i = 0; d && slot < 0 && i < inventory_arrays(inv); i++) {
		ret->a = inventory_array_at(inv, i);
		slot = slot_of_device(inv, ret->a, d);
	}
	if (d && slot < 0)
		return err_set(e, ENOENT, "%s is in no slot of an array", d->name);
	if (!d)
		ret->a = inventory_find_array(inv, subject);
	if (ret->a && !d)
		slot = (int)worst_slot(inv, ret->a);
	if (!ret->a && name && slash && slash[1] >= '0' && slash[1] <= '9') {
		ret->a = inventory_find_array(inv, name);
		slot = (int)strtol(slash + 1, NULL, 10);
	}
	if (!ret->a || !ret->a->volume || slot < 0 || (unsigned)slot >= ret->a->volume->slots)
		return err_set(e, ENOENT, "no device, array or slot of one '%.64s' is known", subject);
	ret->slot = (unsigned)slot;
	snprintf(ret->id, sizeof(ret->id), "%.*s/%u", META_GUID_MAX, ret->a->id, ret->slot);
	return 0;
}

/* ---- what is so whatever rules say ---- */

static bool array_says(const struct pipeline *p, const struct place_of *w, struct buf *out)
{
	const struct array *a = w->a;
	const struct disk_set *s = inventory_set(p->inv, a->set);
	const struct array_cache *c = array_cached(p->inv, a);
	unsigned in_sync = 0;
	struct job *j;

	for (unsigned i = 0; i < a->volume->slots; i++)
		in_sync += array_member_state(p->inv, a, i) == MEMBER_IN_SYNC;

	if (!a->managed)
		buf_addf(out, "%s is not managed: its set %s is not listed under 'manage'", a->name, a->set);
	else if (a->volume->level == RAID_UNSUPPORTED)
		buf_addf(out, "%s cannot be run: %s", a->name, a->volume->unsupported);
	else if (c->redundancy_full < 1)
		buf_addf(out, "%s is %s, which has no redundancy", a->name, raid_level_name(a->volume->level));
	else if (s && s->split)
		buf_addf(out, "%s has two histories: its halves each advanced alone", a->name);
	else if (s && s->stuck[0])
		buf_addf(out, "nothing can be done to its set now: %s", s->stuck);
	else if (c->state == ARRAY_FAILED)
		buf_addf(out, "%s has failed: %u of %u members are in sync", a->name, in_sync, a->volume->slots);
	else if (c->state == ARRAY_INACTIVE)
		buf_addf(out, "%s does not run", a->name);
	if (out->len)
		return true;
	list_foreach (j, &p->jobs, link)
		if (strcmp(j->array, a->id) == 0 && j->origin != PLAN_BUILTIN) {
			buf_addf(out, "plan %s is under way", j->id);
			return true;
		}
	return false;
}

/* ---- what rules wait for ---- */

static bool conditions_hold(const json_t *why)
{
	const json_t *parts = json_object_get(why, "parts"), *part;
	size_t i;

	json_array_foreach((json_t *)parts, i, part)
	{
		if (strcmp(json_string_value(json_object_get(part, "part")), "where") == 0)
			return strcmp(json_string_value(json_object_get(part, "value")), "ok") == 0;
	}
	return true;
}

/* The more, the more it is the reason. */
static int rank_of(const json_t *why)
{
	static const struct {
		const char *result;
		int rank;
	} ranks[] = {{"inhibited", 7},	{"asked", 6},	      {"held", 5},
		     {"limited", 4},	{"waiting", 3},	      {"refused", RANK_NOW},
		     {"due", RANK_NOW}, {"active", RANK_NOW}, {"shadow", RANK_NOW}};
	const char *result = json_string_value(json_object_get(why, "result"));
	const json_t *parts = json_object_get(why, "parts"), *part;
	size_t i;

	json_array_foreach((json_t *)parts, i, part)
	{
		const json_t *count = json_object_get(part, "count");

		/* That nothing was counted yet is no reason. */
		if (result && strcmp(result, "waiting") == 0 && count && json_integer_value(count) == 0)
			return 0;
	}
	for (i = 0; result && i < ARRAY_SIZE(ranks); i++)
		if (strcmp(ranks[i].result, result) == 0)
			return 2 * ranks[i].rank + conditions_hold(why);
	return 0;
}

static const char *refused_line(const json_t *why)
{
	static const char begins[] = "refused: activate-spare: ";
	const json_t *lines = json_object_get(why, "would_do"), *line;
	size_t i;

	json_array_foreach((json_t *)lines, i, line) if (strncmp(json_string_value(line), begins, strlen(begins)) ==
							 0) return json_string_value(line) +
		strlen(begins);
	return NULL;
}

/* Where its conditions do not hold at all, a rule that is about devices may be about an array's device that is gone. */
static json_t *why_one(struct pipeline *p, const char *rule, const struct place_of *w)
{
	const char *subjects[] = {w->id, w->a->member[w->slot].device, w->a->id};
	json_t *why = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (*subjects[i] && pipeline_why(p, rule, subjects[i], &why, NULL) == 0)
			return why;
	return NULL;
}

struct choice {
	json_t *best; /* why */
	char rule[65];
	int rank;
	json_t *rules;
};

static void ask_rules(struct pipeline *p, const struct place_of *w, struct choice *c)
{
	const struct ruleset *rs = engine_rules(p->engine);

	for (size_t i = 0; i < ruleset_size(rs); i++) {
		const struct rule_info info = ruleset_rule(rs, i);
		json_t *why = info.destructive && !info.disabled ? why_one(p, info.name, w) : NULL;
		int rank = why ? rank_of(why) : 0;

		if (!why)
			continue;
		json_array_append_new(c->rules, json_pack("{s:s s:O s:O}", "rule", info.name, "result",
							  json_object_get(why, "result"), "answer",
							  json_object_get(why, "answer")));
		if (rank > c->rank) {
			json_decref(c->best);
			c->best = json_incref(why);
			c->rank = rank;
			snprintf(c->rule, sizeof(c->rule), "%s", info.name);
		}
		json_decref(why);
	}
}

static void say_rules(const struct place_of *w, const struct array_cache *cache, const struct choice *c,
		      struct buf *out)
{
	const char *refused = c->best ? refused_line(c->best) : NULL;
	bool waits = c->rank > 2 * RANK_NOW + 1;

	if (waits)
		buf_addf(out, "%s: %s", c->rule, json_string_value(json_object_get(c->best, "answer")));
	if (waits && (refused || cache->spares == 0))
		buf_add(out, "; ");
	if (refused)
		buf_addf(out, waits ? "then: %s%s" : "%s: %s", waits ? refused : c->rule, waits ? "" : refused);
	else if (cache->spares == 0)
		buf_addf(out, "no valid spare: %s", cache->spare_reason);
	else if (!waits && c->rank > 0)
		buf_addf(out, "%s: %s", c->rule, json_string_value(json_object_get(c->best, "answer")));
	else if (!waits)
		buf_addf(out, "no rule that changes arrays asks for one for %s/%u", w->a->name, w->slot);
}

/* ---- the answer ---- */

static void answer(struct pipeline *p, const struct place_of *w, json_t *rules, struct buf *out)
{
	enum member_state state = array_member_state(p->inv, w->a, w->slot);
	const struct device *d = array_slot_device(p->inv, w->a, w->slot);
	struct choice c = {.rules = rules};

	if (array_says(p, w, out))
		return;
	if (state == MEMBER_REBUILDING) {
		buf_addf(out, "%s took the place and is being rebuilt", d ? d->name : "a spare");
		return;
	}
	ask_rules(p, w, &c);
	if (state == MEMBER_IN_SYNC)
		buf_addf(out, "%s is in sync%s", d ? d->name : "its member", c.rank > 0 ? "; " : "");
	if (state != MEMBER_IN_SYNC || c.rank > 0)
		say_rules(w, array_cached(p->inv, w->a), &c, out);
	json_decref(c.best);
}

int pipeline_why_spare(struct pipeline *p, const char *subject, json_t **ret, struct err *e)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct place_of w;
	json_t *rules;
	int r = find_place(p->inv, subject, &w, e);

	if (r < 0)
		return r;
	rules = json_array();
	answer(p, &w, rules, &text);
	*ret = json_pack("{s:i s:s s:i s:s s:s s:s s:o}", "v", 1, "array", w.a->name, "slot", (int)w.slot, "device",
			 w.a->member[w.slot].device, "state", member_words[array_member_state(p->inv, w.a, w.slot)],
			 "answer", buf_str(&text), "rules", rules);
	return *ret ? 0 : err_sys(e, ENOMEM, "why");
}
