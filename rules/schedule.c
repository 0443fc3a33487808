// SPDX-License-Identifier: GPL-2.0-or-later
/* Calendars hold or do not, and schedules fire at their times, by the wall clock. rules-language 2.3, 4.4. */
#include "rules/state.h"

#include "core/clock.h"

#include <string.h>

/* A clock that was set back by less is caught up with, and what was done is not done again. */
#define SET_BACK_MAX (2 * 86400 * NS_PER_SEC)

static int64_t wall_now(const struct engine *e)
{
	return e->boot + e->wall_offset;
}

/* ---- calendars ---- */

static void look_at_calendars(struct engine *e)
{
	int64_t wall = wall_now(e), next = INT64_MAX;
	bool changed = false;

	for (size_t i = 0; i < e->rs->n_calendars; i++) {
		const struct named_calendar *c = &e->rs->calendars[i];
		bool holds = intervals_hold(c->v, c->n, wall, e->o.virtual_time);

		changed |= holds != e->calendars[i];
		e->calendars[i] = holds;
		next = MIN(next, intervals_next(c->v, c->n, wall, e->o.virtual_time));
	}
	if (changed)
		e->dirty = SORT_ALL;
	e->boundary->kind = TIMER_CALENDAR;
	timer_cancel(e, e->boundary);
	if (e->rs->n_calendars)
		timer_arm(e, e->boundary, next - e->wall_offset, false);
}

void calendar_timer(struct engine *e)
{
	look_at_calendars(e);
}

/* ---- schedules ---- */

/* From here on the next time is looked for. */
static void arm_from(struct engine *e, const struct rule *r, int64_t wall)
{
	struct schedule *s = &e->schedules[r->index];

	if (s->last - wall > SET_BACK_MAX)
		s->last = wall;
	s->timer.kind = TIMER_SCHEDULE;
	s->rule = r->index;
	timer_cancel(e, &s->timer);
	if (calendar_next(r->calendar, MAX(wall, s->last), e->o.virtual_time, &s->next))
		timer_arm(e, &s->timer, MAX(s->next - e->wall_offset, e->boot), false);
}

bool schedule_next(const struct engine *e, const struct rule *r, int64_t *ret_boot)
{
	const struct schedule *s = &e->schedules[r->index];

	*ret_boot = s->timer.at;
	return s->timer.pos != 0;
}

/* Events do not matter here, but for what happens because of it: there is none. */
static void fire_contexts(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n)
{
	struct match m = {.key = key, .count = 1, .first = e->boot, .last = e->boot};
	size_t passed = 0;

	e->stats[r->index].heard.n++;
	for (size_t i = 0; i < n; i++)
		if (!gate_inhibited(e, r, &b[i]->f) && (!r->where || cond_eval(r->where, &b[i]->f) == TRUTH_TRUE))
			b[passed++] = b[i];
	if (passed == 0)
		return;
	e->stats[r->index].matched++;
	gate_fire(e, r, &m, b, passed, NULL);
}

static void fire_subject(struct engine *e, const struct rule *r, const char *id)
{
	struct bound *b[CONTEXTS_MAX];
	size_t first, n = 0;

	e->event = NULL;
	if (bind_room(e, 1) < 0)
		return;
	e->n_bound = 1;
	if (!bind_subject(e, r->sort, id, &e->bound[0]))
		return;
	if (r->sort == SORT_DEVICE && r->memberships)
		bind_memberships(e, id);
	first = e->n_bound > 1;
	for (size_t i = first; i < e->n_bound && n < CONTEXTS_MAX; i++)
		b[n++] = &e->bound[i];
	if (n == 0)
		return;
	key_text(&r->per, &b[0]->f, &e->key);
	fire_contexts(e, r, buf_str(&e->key), b, n);
}

/* FNV-1a of rule and subject: the same each time, another for each. */
static int64_t share(const struct rule *r, const char *id)
{
	return r->spread ? (int64_t)(text_hash(text_hash(0, r->name), id) % (uint64_t)r->spread) : 0;
}

void visit_free(struct engine *e, struct visit_due *v)
{
	timer_cancel(e, &v->timer);
	table_remove(&e->visits, &v->node);
}

void visit_arm(struct engine *e, const struct rule *r, const char *id, int64_t boot)
{
	struct visit_due *v = (struct visit_due *)table_find(&e->visits, r->index, id);

	if (v)
		return;
	v = table_add(&e->visits, r->index, id, sizeof(*v));
	if (!v)
		return;
	v->timer = (struct timer){.kind = TIMER_VISIT};
	if (timer_arm(e, &v->timer, boot, false) < 0)
		visit_free(e, v);
}

void visit_timer(struct engine *e, struct visit_due *v)
{
	fire_subject(e, &e->rs->rules[v->node.rule], entry_key(&v->node));
	visit_free(e, v);
}

struct visits {
	struct engine *e;
	const struct rule *r;
};

/* Firing binds other facts and changes marks: first all are found. */
static int add_visit(void *u, const char *id)
{
	const struct visits *v = u;

	visit_arm(v->e, v->r, id, v->e->boot + share(v->r, id));
	return 0;
}

static void fire(struct engine *e, const struct rule *r)
{
	struct visits v = {e, r};
	struct bound *b;

	if (r->sort != SORT_NONE) {
		e->o.world->each(e->o.world_u, r->sort, add_visit, &v);
		return;
	}
	e->event = NULL;
	if (bind_room(e, 1) < 0)
		return;
	e->n_bound = 1;
	b = &e->bound[0];
	memset(&b->f, 0, sizeof(b->f));
	b->f.calendars = e->calendars;
	fire_contexts(e, r, "", &b, 1);
}

/* What was due while the machine slept is done once, however often it was, and only if it is to be made up for. */
void schedule_timer(struct engine *e, struct schedule *s)
{
	const struct rule *r = &e->rs->rules[s - e->schedules];
	int64_t wall = e->asleep ? e->until + e->wall_offset : wall_now(e);

	if (wall < s->next) { /* the clock was slewed */
		arm_from(e, r, wall);
		return;
	}
	s->last = wall; /* what else was missed is made up for with it, after a restart too */
	if (!e->asleep || r->persistent)
		fire(e, r);
	arm_from(e, r, wall);
}

/* ---- the wall clock ---- */

static bool runs(const struct rule *r)
{
	return r->trigger == TRIGGER_SCHEDULE && !r->disabled;
}

/* A time that was jumped over is made up for, or it is past. */
void schedule_wall(struct engine *e)
{
	int64_t wall = wall_now(e);

	look_at_calendars(e);
	for (size_t i = 0; e->started && i < e->rs->n; i++) {
		const struct rule *r = &e->rs->rules[i];
		struct schedule *s = &e->schedules[i];
		bool jumped = s->timer.pos && s->next < wall;

		if (!runs(r))
			continue;
		if (jumped && r->persistent)
			timer_arm(e, &s->timer, e->boot, false);
		else
			arm_from(e, r, wall);
	}
}

void schedule_start(struct engine *e)
{
	int64_t wall = wall_now(e);

	for (size_t i = 0; i < e->rs->n; i++) {
		const struct rule *r = &e->rs->rules[i];
		struct schedule *s = &e->schedules[i];

		if (!runs(r))
			continue;
		if (r->persistent && s->last && s->last < wall)
			arm_from(e, r, s->last);
		else
			arm_from(e, r, wall);
		if (!s->last)
			s->last = wall;
	}
}
