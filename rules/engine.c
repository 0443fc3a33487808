// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine: one event from start to end, and time. rules-language 4.1, 4.4. */
#include "rules/state.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SETTLE_MAX = 8 };

static void free_window(struct engine *e, struct entry_node *n)
{
	window_free(e, (struct window *)n);
}

static void free_attempt(struct engine *e, struct entry_node *n)
{
	order_free(e, (struct attempt *)n);
}

static void free_visit(struct engine *e, struct entry_node *n)
{
	visit_free(e, (struct visit_due *)n);
}

static void free_limit(struct engine *e, struct entry_node *n)
{
	limit_free(e, (struct limit *)n);
}

static void free_watch(struct engine *e, struct entry_node *n)
{
	watch_free(e, (struct watch *)n);
}

int engine_new(struct ruleset *rs, const struct engine_options *o, struct engine **ret)
{
	_cleanup_(engine_freep) struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->o = *o;
	e->rs = ruleset_ref(rs);
	snprintf(e->prefix, sizeof(e->prefix), "%s", o->prefix ? o->prefix : "");
	e->o.prefix = NULL; /* the caller's text may be gone when a reload reads these options */
	e->stats = calloc(rs->n + 1, sizeof(*e->stats));
	e->heard = calloc(rs->n_heard + 1, sizeof(*e->heard));
	e->schedules = calloc(rs->n + 1, sizeof(*e->schedules));
	e->boundary = calloc(1, sizeof(*e->boundary));
	if (!e->stats || !e->heard || !e->boundary || !e->schedules || table_init(&e->visits, rs->n, free_visit) < 0 ||
	    bind_room(e, 1) < 0 || table_init(&e->windows, rs->n, free_window) < 0 ||
	    table_init(&e->attempts, rs->n, free_attempt) < 0 || table_init(&e->limits, rs->n, free_limit) < 0 ||
	    table_init(&e->watches, rs->n, free_watch) < 0 || table_init(&e->groups, rs->n, free_watch) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(e);
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	table_finish(e, &e->windows);
	table_finish(e, &e->attempts);
	table_finish(e, &e->visits);
	table_finish(e, &e->limits);
	table_finish(e, &e->watches);
	table_finish(e, &e->groups);
	while (e->questions)
		question_free(e, e->questions);
	while (e->inhibitions)
		inhibition_end(e, e->inhibitions);
	while (e->marks)
		mark_end(e, e->marks);
	marks_free(e);
	json_decref(e->gone);
	for (size_t i = 0; i < e->n_queue; i++)
		verdict_unref(e->queue[i]);
	free(e->queue);
	free(e->by_boot.heap);
	free(e->by_awake.heap);
	free(e->bound);
	free(e->stats);
	free(e->heard);
	free(e->schedules);
	free(e->boundary);
	buf_free(&e->key);
	buf_free(&e->limit_key);
	buf_free(&e->scratch);
	buf_free(&e->compared);
	ruleset_unref(e->rs);
	free(e);
}

void engine_room(struct engine *e, size_t room)
{
	e->o.room = room;
}

uint64_t engine_evicted(const struct engine *e, const char **ret_rule)
{
	*ret_rule = e->evicted_rule;
	return e->evicted;
}

const struct ruleset *engine_rules(const struct engine *e)
{
	return e->rs;
}

void engine_changed(struct engine *e, unsigned sorts)
{
	e->dirty |= sorts;
}

void engine_changed_fact(struct engine *e, enum fact_id fact)
{
	e->dirty_facts[fact] = e->any_dirty_fact = true;
}

void verdicts_flush(struct engine *e)
{
	if (e->flushing)
		return;
	e->flushing = true;
	for (size_t i = 0; i < e->n_queue; i++) {
		if (e->queue[i]->kind == VERDICT_FIRED && e->queue[i]->mode == RULE_SHADOW)
			shadow_note(e, e->queue[i]);
		if (e->o.on_verdict)
			e->o.on_verdict(e->o.u, e->queue[i]);
		verdict_unref(e->queue[i]);
	}
	e->n_queue = 0;
	e->flushing = false;
}

/* Effects of what fires (marks, inhibitions) change facts again; an end is certain all the same. */
static void evaluate_watches(struct engine *e)
{
	for (int i = 0; e->started && (e->dirty || e->any_dirty_fact) && i < SETTLE_MAX; i++) {
		unsigned sorts = TAKE(e->dirty, 0);

		watch_all(e, sorts);
	}
}

/* Mostly there is nothing to do, of which there is much. */
static bool is_settled(const struct engine *e)
{
	return !e->dirty && !e->any_dirty_fact && !e->ended_marks && !e->n_queue;
}

void engine_settle(struct engine *e)
{
	if (is_settled(e))
		return;
	evaluate_watches(e);
	marks_free(e);
	verdicts_flush(e);
}

/* ---- time ---- */

static void fire_timer(struct engine *e, struct timer *t)
{
	timer_cancel(e, t);
	switch (t->kind) {
	case TIMER_WINDOW:
		window_timer(e, timer_owner(t));
		break;
	case TIMER_ORDER:
		order_timer(e, timer_owner(t));
		break;
	case TIMER_CALENDAR:
		calendar_timer(e);
		break;
	case TIMER_SCHEDULE:
		schedule_timer(e, timer_owner(t));
		break;
	case TIMER_VISIT:
		visit_timer(e, timer_owner(t));
		break;
	case TIMER_LIMIT:
		limit_free(e, timer_owner(t));
		break;
	case TIMER_WATCH:
		if (e->started)
			watch_timer(e, timer_owner(t));
		break;
	case TIMER_QUESTION:
		question_timer(e, timer_owner(t));
		break;
	case TIMER_INHIBITION:
		inhibition_end(e, timer_owner(t));
		break;
	case TIMER_MARK:
		mark_end(e, timer_owner(t));
		break;
	}
}

/* When a timer of the awake clock ends, on the engine's clock: time passes awake first, then a suspend. */
static int64_t awake_to_boot(const struct engine *e, int64_t at)
{
	return e->boot + MAX(at - e->awake, 0);
}

/* The first timer that is due before (inclusive: at) the moment; *when: on the engine's clock. */
static struct timer *next_timer(const struct engine *e, int64_t boot, int64_t awake, bool inclusive, int64_t *when)
{
	struct timer *b = timer_first(&e->by_boot), *a = timer_first(&e->by_awake);
	int64_t at = 0;

	if (b && (b->at > boot || (b->at == boot && !inclusive)))
		b = NULL;
	if (a && (a->at > awake || (a->at == awake && !inclusive)))
		a = NULL;
	if (a)
		at = MIN(awake_to_boot(e, a->at), boot);
	if (a && (!b || at < b->at || (at == b->at && timer_rule(a) < timer_rule(b)))) {
		*when = at;
		return a;
	}
	if (b)
		*when = MAX(b->at, e->boot);
	return b;
}

static void set_time(struct engine *e, int64_t boot, int64_t awake)
{
	e->awake = MAX(e->awake, awake);
	e->boot = MAX(e->boot, boot);
}

/* Fires timers in order. What fires at one moment is handed out together, before the next moment. */
static void run_timers(struct engine *e, int64_t boot, int64_t awake, bool inclusive)
{
	bool settled = is_settled(e);
	int64_t when = boot;

	for (;;) {
		struct timer *t = next_timer(e, boot, awake, inclusive, &when);

		/* Settling may end timers and start others: look again. */
		if ((!t || when > e->boot) && !settled) {
			engine_settle(e);
			settled = true;
			continue;
		}
		if (!t)
			break;
		settled = false;
		e->until = boot;
		e->asleep = when - e->boot > MAX(awake - e->awake, 0);
		set_time(e, when, t->awake ? t->at : MIN(awake, e->awake + (when - e->boot)));
		fire_timer(e, t);
	}
	set_time(e, boot, awake);
}

void engine_before(struct engine *e, int64_t boot, int64_t awake)
{
	run_timers(e, boot, awake, false);
}

void engine_advance(struct engine *e, int64_t boot, int64_t awake)
{
	run_timers(e, boot, awake, false);
	engine_settle(e);
	run_timers(e, boot, awake, true);
}

bool engine_deadline(const struct engine *e, int64_t *ret_boot)
{
	const struct timer *b = timer_first(&e->by_boot), *a = timer_first(&e->by_awake);

	if (!a && !b)
		return false;
	*ret_boot = INT64_MAX;
	if (b)
		*ret_boot = b->at;
	if (a)
		*ret_boot = MIN(*ret_boot, awake_to_boot(e, a->at));
	return true;
}

/* Subjects and groups. */
static void each_watch(struct engine *e, void (*fn)(struct engine *e, struct watch *w))
{
	struct table *tables[] = {&e->watches, &e->groups};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (struct entry_node *n = tables[i]->all.oldest; n; n = n->link[OF_ALL].newer)
			fn(e, (struct watch *)n);
}

/* What was interrupted waits its time from the start on. */
static void wait_anew(struct engine *e, struct watch *w)
{
	if (w->interrupted)
		w->since_awake = e->awake;
}

void engine_start(struct engine *e, int64_t boot, int64_t awake)
{
	run_timers(e, boot, awake, false);
	e->started = true;
	e->dirty = SORT_ALL;
	each_watch(e, wait_anew);
	questions_withdraw_gone(e);
	schedule_wall(e);
	schedule_start(e);
	engine_settle(e);
}

static void set_wall(struct engine *e, int64_t offset)
{
	int64_t moved = offset - e->wall_offset;

	e->wall_offset = offset;
	/* Less is the slewing of a clock that is kept right: timers look again when they end. */
	if (moved > NS_PER_SEC || moved < -NS_PER_SEC)
		schedule_wall(e);
}

/* Until now the clock was as it was. */
void engine_wall(struct engine *e, int64_t boot, int64_t awake, int64_t wall)
{
	run_timers(e, boot, awake, false);
	set_wall(e, wall - boot);
}

/* ---- events ---- */

/* Without a threshold every event fires. */
static bool fire_event(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n)
{
	struct match m = {.key = key,
			  .count = e->event->count,
			  .first = e->boot,
			  .last = e->boot,
			  .n_events = 1,
			  .injected = e->event->origin == ORIGIN_INJECTED,
			  .generation = e->event->generation};

	m.events[0] = e->event->seq;
	return gate_fire(e, r, &m, b, n, NULL) == GATE_FIRED;
}

/* The passing contexts that have this key; the rest stays for the next call. 0: none is left. */
static size_t take_group(struct engine *e, const struct rule *r, struct bound *all, size_t n, struct bound **group)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (!all[i].passed || all[i].done)
			continue;
		if (found > 0) {
			key_text(&r->per, &all[i].f, &e->scratch);
			if (strcmp(buf_str(&e->scratch), buf_str(&e->key)) != 0)
				continue;
		} else if (!key_text(&r->per, &all[i].f, &e->key)) {
			all[i].done = true;
			e->stats[r->index].no_key++;
			continue;
		}
		all[i].done = true;
		group[found++] = &all[i];
	}
	return found;
}

static bool match_contexts(struct engine *e, const struct rule *r, struct bound *all, size_t n)
{
	bool any = false, inhibited = false;

	for (size_t i = 0; i < n; i++) {
		bool covered = e->inhibitions && gate_inhibited(e, r, &all[i].f);

		all[i].done = false;
		all[i].passed = !covered && quick_eval(r, &all[i].f);
		any |= all[i].passed;
		inhibited |= covered;
	}
	if (inhibited)
		e->stats[r->index].inhibited++;
	return any;
}

/* True when the rule made a verdict and stops the event. */
static bool event_rule(struct engine *e, const struct rule *r)
{
	struct bound *all, *group[CONTEXTS_MAX];
	size_t n = bind_contexts(e, r, &all), members;
	uint64_t fired = r->stop ? e->stats[r->index].fired : 0;

	n = MIN(n, (size_t)CONTEXTS_MAX);
	if (r->n_parts) {
		e->stats[r->index].matched += order_event(e, r, all, n);
		return r->stop && r->mode != RULE_SHADOW && e->stats[r->index].fired > fired;
	}
	if (r->count)
		table_fetch(&e->windows, r->index);
	if (!match_contexts(e, r, all, n))
		return false;
	e->stats[r->index].matched++;
	while ((members = take_group(e, r, all, n, group)) > 0) {
		if (r->count)
			window_event(e, r, buf_str(&e->key), group, members);
		else
			fire_event(e, r, buf_str(&e->key), group, members);
	}
	return r->stop && r->mode != RULE_SHADOW && e->stats[r->index].fired > fired;
}

static void event_rules(struct engine *e, const struct kind_index *k)
{
	bool sampled = stats_sampled(e), stopped = false;
	struct candidates c;
	const struct rule *r;

	candidates_find(e, k, &c);
	while (!stopped && (r = candidates_next(&c))) {
		int64_t begin = stats_ticks(e, sampled);

		stopped = event_rule(e, r);
		stats_spent(e, r, sampled, begin);
	}
	heard_event(e, k, stopped ? r : NULL);
}

/* Many of one kind come one after the other. */
static const struct kind_index *index_of(struct engine *e, const char *kind)
{
	if (!e->kind || strcmp(e->kind->kind, kind) != 0)
		e->kind = kind_find(e->rs, kind);
	return e->kind;
}

void engine_event(struct engine *e, const struct event *ev, int64_t awake)
{
	const struct kind_index *index = index_of(e, ev->kind);

	run_timers(e, ev->time, awake, false);
	set_wall(e, ev->wall - ev->time);
	if (e->n_shadows && strcmp(ev->kind, "action.succeeded") == 0)
		shadow_done(e, ev);
	if (index && index->n && ev->generation < GENERATION_MAX) {
		bind_begin(e, ev);
		event_rules(e, index);
		bind_end(e);
	}
	engine_settle(e);
}

/* ---- outcomes ---- */

static struct watch *find_verdict(const struct engine *e, const char *id)
{
	const struct table *tables[] = {&e->watches, &e->groups};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (struct entry_node *n = tables[i]->all.oldest; n; n = n->link[OF_ALL].newer)
			if (strcmp(((struct watch *)n)->verdict, id) == 0)
				return (struct watch *)n;
	return NULL;
}

void engine_outcome(struct engine *e, const char *verdict_id, enum outcome outcome, const enum fact_id *facts,
		    size_t n_facts)
{
	struct watch *w = find_verdict(e, verdict_id);

	if (!w)
		return;
	w->waits = false;
	if (w->state != WATCH_ACTIVE)
		return;
	w->refused = outcome == OUTCOME_REFUSED;
	free(w->guarded);
	w->guarded = w->refused && n_facts ? calloc(FACT_MAX, sizeof(*w->guarded)) : NULL;
	for (size_t i = 0; w->guarded && i < n_facts; i++)
		w->guarded[facts[i]] = true;
	/* What changed between the verdict and its refusal counts too. */
	e->stats[w->node.rule].refused |= w->refused;
	if (w->refused)
		e->dirty |= e->rs->rules[w->node.rule].sorts;
}

static void ask_again(struct engine *e, struct watch *w)
{
	(void)e;
	w->changed |= w->state == WATCH_ACTIVE && w->refused;
}

void engine_retry(struct engine *e)
{
	each_watch(e, ask_again);
	e->dirty = SORT_ALL;
}
