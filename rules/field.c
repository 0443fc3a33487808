// SPDX-License-Identifier: GPL-2.0-or-later
/* The facts that rules may name: which exist where, and which are keys by default. */
#include "rules/ast.h"

#include <string.h>

enum {
	BIT_DEVICE = SORT_BIT(SORT_DEVICE),
	BIT_MEMBER = SORT_BIT(SORT_MEMBER),
	BIT_ARRAY = SORT_BIT(SORT_ARRAY),
	BIT_SPARE = SORT_BIT(SORT_SPARE),
	BIT_PATH = SORT_BIT(SORT_PATH),
	BIT_SNAPSHOT = SORT_BIT(SORT_SNAPSHOT),
};

/* First match counts. key -1: none by default. */
static const struct kind_reach {
	const char *glob;
	unsigned reach;
	int key;
} kind_reach[] = {
	{"device.*", BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_SPARE | BIT_PATH, FACT_DEVICE_ID},
	{"block.*", BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_SPARE | BIT_PATH, FACT_DEVICE_ID},
	{"link.*", BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_SPARE | BIT_PATH, FACT_DEVICE_ID},
	{"path.*", BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_PATH, FACT_DEVICE_ID},
	{"spare.*", BIT_DEVICE | BIT_SPARE | BIT_ARRAY, FACT_DEVICE_ID},
	{"snapshot.*", BIT_SNAPSHOT | BIT_ARRAY, FACT_SNAPSHOT_ID},
	{"array.member-failed", BIT_DEVICE | BIT_MEMBER | BIT_ARRAY, FACT_MEMBER_ID},
	{"array.*", BIT_ARRAY, FACT_ARRAY_ID},
	{"*", ~0u, -1},
};

static const unsigned sort_reach[SORT_MAX] = {
	[SORT_DEVICE] = BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_SPARE | BIT_PATH,
	[SORT_MEMBER] = BIT_DEVICE | BIT_MEMBER | BIT_ARRAY | BIT_PATH,
	[SORT_ARRAY] = BIT_ARRAY,
	[SORT_SPARE] = BIT_DEVICE | BIT_SPARE,
	[SORT_PATH] = BIT_DEVICE | BIT_PATH,
	[SORT_SNAPSHOT] = BIT_SNAPSHOT | BIT_ARRAY,
};

static const struct kind_reach *reach_of(const char *kind)
{
	const struct kind_reach *row = kind_reach;

	while (!glob_match(row->glob, kind))
		row++;
	return row;
}

int field_kind_key(const char *kind)
{
	return reach_of(kind)->key;
}

enum fact_id field_sort_key(enum subject_sort sort)
{
	static const enum fact_id keys[SORT_MAX] = {
		[SORT_DEVICE] = FACT_DEVICE_ID, [SORT_MEMBER] = FACT_MEMBER_ID, [SORT_ARRAY] = FACT_ARRAY_ID,
		[SORT_SPARE] = FACT_DEVICE_ID,	[SORT_PATH] = FACT_DEVICE_ID,	[SORT_SNAPSHOT] = FACT_SNAPSHOT_ID,
	};

	return keys[sort];
}

enum subject_sort field_sort(enum fact_id fact)
{
	if (fact_table[fact].from == FROM_INVENTORY)
		for (int i = SORT_DEVICE; i < SORT_MAX; i++)
			if (strcmp(fact_table[fact].on, sort_words[i]) == 0)
				return (enum subject_sort)i;
	return SORT_NONE;
}

/* A glob of the table meets a kind, or a glob of a rule, if either matches the other. */
bool field_kind_matches(const char *globs, const char *kind)
{
	while (*globs) {
		char one[EVENT_KIND_MAX];
		size_t n = strcspn(globs, ",");

		if (n < sizeof(one)) {
			memcpy(one, globs, n);
			one[n] = '\0';
			if (glob_match(one, kind) || (glob_is(kind) && glob_match(kind, one)))
				return true;
		}
		globs += n + (globs[n] == ',');
	}
	return false;
}

bool field_can_exist(const struct rule *r, enum fact_id fact)
{
	const struct fact_desc *desc = &fact_table[fact];
	enum subject_sort sort = field_sort(fact);

	/* Without a trigger, which was told, there is nothing to compare with. */
	if (desc->from == FROM_MATCH || (r->trigger == TRIGGER_EVENT && r->n_kinds == 0))
		return true;
	if (r->trigger != TRIGGER_EVENT)
		return sort != SORT_NONE && sort_reach[r->sort] & SORT_BIT(sort);
	for (size_t i = 0; i < r->n_kinds; i++) {
		if (sort == SORT_NONE ? field_kind_matches(desc->on, r->kinds[i])
				      : (reach_of(r->kinds[i])->reach & SORT_BIT(sort)) != 0)
			return true;
		/* A glob such as "*.failed" may match a kind that leads farther than its own text. */
		for (size_t k = 0; glob_is(r->kinds[i]) && event_kinds[k]; k++)
			if (sort != SORT_NONE && glob_match(r->kinds[i], event_kinds[k]) &&
			    reach_of(event_kinds[k])->reach & SORT_BIT(sort))
				return true;
	}
	return false;
}

static const char *next_fact(const void *u, size_t i)
{
	(void)u;
	return i < FACT_MAX ? fact_table[i].name : NULL;
}

static void never_exists(struct load *l, enum fact_id fact, const struct place *at)
{
	const struct rule *r = l->rule;
	const struct fact_desc *desc = &fact_table[fact];

	if (r->trigger == TRIGGER_WATCH)
		diag_error(l->d, at, "never-exists", "%s never exists on a watched %s", desc->name,
			   sort_words[r->sort]);
	else if (r->trigger == TRIGGER_SCHEDULE && r->sort == SORT_NONE)
		diag_error(l->d, at, "never-exists", "%s never exists without a subject: the schedule needs 'each'",
			   desc->name);
	else if (r->trigger == TRIGGER_SCHEDULE)
		diag_error(l->d, at, "never-exists", "%s never exists on a %s", desc->name, sort_words[r->sort]);
	else if (r->n_kinds == 1)
		diag_error(l->d, at, "never-exists", "%s never exists on %s", desc->name, r->kinds[0]);
	else
		diag_error(l->d, at, "never-exists", "%s never exists on any of this rule's events", desc->name);
	if (desc->from == FROM_EVENT)
		diag_hint(l->d, "it is brought by %s", desc->on);
}

int field_resolve(struct load *l, const char *name, const struct place *at)
{
	int fact = fact_lookup(name);
	const char *near;

	if (fact < 0) {
		diag_error(l->d, at, "unknown-fact", "unknown fact '%s'", name);
		near = suggest_from(name, next_fact, NULL);
		if (near)
			diag_hint(l->d, "did you mean '%s'?", near);
		else if (strncmp(name, "previous.", 9) == 0)
			diag_hint(l->d, "device.changed brings what facts of the device were: previous.device.*");
		return -1;
	}
	if (fact_table[fact].from == FROM_MATCH && !(l->scope & SCOPE_MATCH)) {
		diag_error(l->d, at, "scope", "%s is known only when the rule fires", name);
		diag_hint(l->d, "it may be used in unless, limit, do and clear.do");
		return -1;
	}
	if (fact >= FACT_PREVIOUS_FIRST && fact_table[fact].type == V_SET) {
		diag_error(l->d, at, "type", "%s is a set: what it was is not kept", fact_table[fact].name + 9);
		return -1;
	}
	if (l->scope & SCOPE_FAILURE && (fact == FACT_ACTION_REASON || fact == FACT_ACTION_RESULT))
		return fact;
	if (!field_can_exist(l->rule, (enum fact_id)fact)) {
		never_exists(l, (enum fact_id)fact, at);
		return -1;
	}
	l->rule->named[fact] = true;
	return fact;
}
