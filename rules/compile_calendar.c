// SPDX-License-Identifier: GPL-2.0-or-later
/* Calendars of files, and schedules of rules. rules-language 2.1, 2.3. */
#include "rules/ast.h"

#include <string.h>

static void interval_compile(struct load *l, struct named_calendar *c, const struct node *n)
{
	struct err e = {0};

	if (n->kind != NODE_SCALAR) {
		diag_error(l->d, &n->at, "type", "an interval is a text, not %s", node_kind_name(n));
		return;
	}
	c->v = arena_grow(&l->rs->arena, c->v, &c->n, sizeof(*c->v));
	if (interval_parse(n->text, &c->v[c->n - 1], &e) < 0)
		diag_error(l->d, &n->at, "interval", "%s", e.msg);
}

void calendars_compile(struct load *l)
{
	const struct named_nodes *all = &l->calendars;

	if (all->n > CALENDARS_MAX)
		diag_error(l->d, &all->v[CALENDARS_MAX].key->at, "too-many", "more than %d calendars", CALENDARS_MAX);
	l->rs->calendars = arena_array(&l->rs->arena, struct named_calendar, CALENDARS_MAX);
	for (size_t i = 0; i < MIN(all->n, (size_t)CALENDARS_MAX); i++) {
		struct named_calendar *c = &l->rs->calendars[l->rs->n_calendars++];
		const struct node *n = all->v[i].node;

		c->name = all->v[i].name;
		if (n->kind == NODE_SCALAR || n->n == 0)
			interval_compile(l, c, n);
		for (size_t k = 0; n->kind == NODE_LIST && k < n->n; k++)
			interval_compile(l, c, n->items[k]);
		if (n->kind == NODE_MAP)
			diag_error(l->d, &n->at, "type", "a calendar is a list of intervals, not a mapping");
	}
}

static const char *next_calendar(const void *u, size_t i)
{
	const struct ruleset *rs = u;

	return i < rs->n_calendars ? rs->calendars[i].name : NULL;
}

const struct named_calendar *calendar_find(struct load *l, const char *name, const struct place *at)
{
	struct named_node *node = named_find(&l->calendars, name);
	const char *near;

	if (node)
		node->used = true;
	for (size_t i = 0; i < l->rs->n_calendars; i++) {
		if (strcmp(l->rs->calendars[i].name, name) != 0)
			continue;
		l->rule->named[FACT_CALENDAR] = true;
		return &l->rs->calendars[i];
	}
	diag_error(l->d, at, "unknown-name", "no calendar '%s'", name);
	near = suggest_from(name, next_calendar, l->rs);
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
	return NULL;
}

struct raw_schedule {
	const char *calendar;
	int64_t spread;
	int each;
	bool persistent;
};

static const struct field schedule_fields[] = {
	{"calendar", FIELD_STRING, offsetof(struct raw_schedule, calendar), .required = true},
	{"each", FIELD_WORD, offsetof(struct raw_schedule, each), .words = watch_words},
	{"spread", FIELD_DURATION, offsetof(struct raw_schedule, spread)},
	{"persistent", FIELD_BOOL, offsetof(struct raw_schedule, persistent)},
	{NULL},
};
const struct schema schedule_schema = {"schedule", schedule_fields, NULL};

void schedule_compile(struct load *l, struct rule *r, const struct node *n)
{
	static const struct field plain = {.name = "schedule", .type = FIELD_STRING};
	const struct node *at = n->kind == NODE_MAP ? node_get(n, "calendar") : n;
	struct raw_schedule raw = {.each = -1};
	struct err e = {0};
	int decoded = n->kind == NODE_SCALAR ? field_decode(&plain, n, &l->rs->arena, &raw.calendar, l->d)
					     : schema_decode(&schedule_schema, n, NULL, &l->rs->arena, &raw, l->d);

	r->trigger = TRIGGER_SCHEDULE;
	r->sort = raw.each >= 0 ? (enum subject_sort)(SORT_DEVICE + raw.each) : SORT_NONE;
	r->spread = raw.spread;
	r->persistent = raw.persistent;
	if (decoded < 0)
		return;
	r->calendar = arena_new(&l->rs->arena, struct calendar);
	if (calendar_parse(raw.calendar, r->calendar, &e) < 0)
		diag_error(l->d, &at->at, "calendar", "%s", e.msg);
	if (raw.spread && raw.each < 0)
		diag_error(l->d, &node_get(n, "spread")->at, "combination",
			   "'spread' needs 'each': it is a share for each subject");
	r->trigger_text =
		raw.each >= 0 ? arena_printf(&l->rs->arena, "schedule %s, each %s", raw.calendar, sort_words[r->sort])
			      : arena_printf(&l->rs->arena, "schedule %s", raw.calendar);
}
