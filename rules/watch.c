// SPDX-License-Identifier: GPL-2.0-or-later
/* watch: every subject of a rule is idle (not kept), pending, due, active or clearing. rules-language 4.8. */
#include "rules/state.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>

enum { REASK = 10 }; /* seconds between two verdicts of a refused state */

void watch_free(struct engine *e, struct watch *w)
{
	struct watch *member;

	timer_cancel(e, &w->timer);
	group_leave(w);
	list_foreach (member, &w->peers, peers)
		group_leave(member);
	free(w->id);
	free(w->spans);
	free(w->prints);
	free(w->guarded);
	table_remove(w->is_group ? &e->groups : &e->watches, &w->node);
}

struct watch *watch_add(struct engine *e, const struct rule *r, const char *key, bool is_group)
{
	struct watch *w = table_add(is_group ? &e->groups : &e->watches, r->index, key, sizeof(*w));

	if (!w)
		return NULL;
	list_init(&w->peers);
	w->is_group = is_group;
	w->state = WATCH_PENDING;
	w->since_boot = e->boot;
	w->since_awake = e->awake;
	w->timer = (struct timer){.kind = TIMER_WATCH};
	return w;
}

/* ---- for: {total, within} ---- */

int64_t watch_total(const struct rule *r, const struct watch *w, int64_t at)
{
	int64_t from = at - r->for_within, sum = 0;

	for (size_t i = 0; i < w->n_spans; i++)
		sum += MAX(w->spans[i].to - MAX(w->spans[i].from, from), 0);
	if (w->state != WATCH_SUMMING)
		sum += at - MAX(w->since_boot, from);
	return sum;
}

/* When the sum is reached if the state lasts: it never shrinks while the state is true. */
static int64_t total_at(const struct engine *e, const struct rule *r, const struct watch *w)
{
	int64_t low = e->boot, high = e->boot + r->for_ns;

	while (low < high) {
		int64_t mid = low + (high - low) / 2;

		if (watch_total(r, w, mid) >= r->for_ns)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void spans_prune(const struct engine *e, const struct rule *r, struct watch *w)
{
	size_t old = 0;

	while (old < w->n_spans && w->spans[old].to <= e->boot - r->for_within)
		old++;
	w->n_spans -= old;
	if (old && w->n_spans)
		memmove(w->spans, w->spans + old, w->n_spans * sizeof(*w->spans));
}

static void close_span(struct engine *e, const struct rule *r, struct watch *w)
{
	struct span *spans;

	spans_prune(e, r, w);
	spans = reallocarray(w->spans, w->n_spans + 1, sizeof(*spans));
	if (!spans)
		return;
	w->spans = spans;
	w->spans[w->n_spans++] = (struct span){w->since_boot, e->boot};
}

/* ---- refused: what has to change ---- */

static void take_prints(struct watch *w, const struct facts *f)
{
	if (!w->prints)
		w->prints = calloc(FACT_MAX, sizeof(*w->prints));
	for (int i = 0; w->prints && i < FACT_MAX; i++)
		w->prints[i] = (uint32_t)value_hash(&f->v[i]);
}

/* Facts that move by themselves say nothing about whether a plan would be allowed now. */
static bool restless(enum fact_id f)
{
	return f == FACT_DEVICE_IOS || f == FACT_DEVICE_LATENCY || f == FACT_DEVICE_LATENCY_RATIO ||
	       f == FACT_MEMBER_PROGRESS || f == FACT_ARRAY_SCRUB_AGE || f == FACT_SPARE_READ_AGE;
}

static bool facts_changed(const struct watch *w, const struct facts *f)
{
	if (!w->prints)
		return true;
	for (int i = 0; i < FACT_MAX; i++) {
		bool counts =
			w->guarded ? w->guarded[i] : fact_table[i].from == FROM_INVENTORY && !restless((enum fact_id)i);

		if (counts && w->prints[i] != (uint32_t)value_hash(&f->v[i]))
			return true;
	}
	return false;
}

/* ---- the states ---- */

/* Whether a wait is over. What ends at this very moment may still be cancelled, until its timer comes. */
static bool waited(const struct step_of_time *s, int64_t since, int64_t wait)
{
	int64_t passed = s->e->awake - since;

	return wait == 0 || passed > wait || (passed == wait && s->timed);
}

static void match_of(const struct step_of_time *s, struct match *m)
{
	const struct watch *w = s->w;

	*m = (struct match){.key = entry_key(&w->node),
			    .count = 1,
			    .first = w->since_boot,
			    .last = s->e->boot,
			    .held = s->e->boot - w->since_boot};
	if (w->is_group)
		group_match(w, m);
}

/* It is not in the state any more. A group stays while it has members. */
static bool gone(struct step_of_time *s)
{
	struct watch *w = s->w;

	if (!w->is_group || w->n_members == 0) {
		watch_free(s->e, w);
		return false;
	}
	w->state = WATCH_PENDING;
	w->raised = false;
	return true;
}

static bool is_over(const struct step_of_time *s)
{
	if (s->w->is_group)
		return s->w->n_members <= s->r->clear_count;
	return s->r->clear_where ? cond_eval(s->r->clear_where, &s->b->f) == TRUTH_TRUE : !s->holds;
}

/* A subject of a rule with a threshold is counted until it is over; whether it fires is the group's matter. */
static bool counted(struct step_of_time *s)
{
	struct watch *w = s->w;

	if (is_over(s) || (s->covered && !(w->group && w->group->raised))) {
		watch_free(s->e, w);
		return false;
	}
	w->state = WATCH_ACTIVE;
	w->raised = true; /* it outlives a restart */
	if (!group_join(s->e, s->r, w, &s->b->f))
		group_leave(w);
	return true;
}

/* False: the state is gone. */
static bool from_pending(struct step_of_time *s)
{
	bool total = s->r->for_within && !s->w->is_group;
	struct watch *w = s->w;
	int64_t at;

	if (!s->holds || s->covered) {
		if (!total || s->covered)
			return gone(s);
		close_span(s->e, s->r, w);
		w->state = WATCH_SUMMING;
		return true;
	}
	if (w->is_group) {
		w->since_boot = s->e->boot;
	} else if (total) {
		spans_prune(s->e, s->r, w);
		at = total_at(s->e, s->r, w);
		if (at > s->e->boot || (at == s->e->boot && !s->timed)) {
			timer_arm(s->e, &w->timer, at, false);
			return true;
		}
	} else if (!waited(s, w->since_awake, s->r->for_ns)) {
		timer_arm(s->e, &w->timer, w->since_awake + s->r->for_ns, true);
		return true;
	}
	w->state = WATCH_DUE;
	w->recorded = false;
	return true;
}

static bool from_summing(struct step_of_time *s)
{
	struct watch *w = s->w;

	spans_prune(s->e, s->r, w);
	if (s->holds && !s->covered) {
		w->state = WATCH_PENDING;
		w->since_boot = s->e->boot;
		w->since_awake = s->e->awake;
		return true;
	}
	if (w->n_spans == 0 || s->covered) {
		watch_free(s->e, w);
		return false;
	}
	timer_arm(s->e, &w->timer, w->spans[w->n_spans - 1].to + s->r->for_within, false);
	return true;
}

/* The verdict was limited or held: told once for each time of being due. */
static void not_now(struct step_of_time *s, enum verdict_kind kind, const struct match *m, const char *gate)
{
	_cleanup_(buf_free) struct buf why = {0};

	s->w->held = gate;
	if (s->w->recorded)
		return;
	why_not_now(s->r, kind, &s->b->f, &why);
	verdict_queue(s->e, s->r, kind, m, &s->b, 1, buf_str(&why));
	s->w->recorded = true;
}

static bool from_due(struct step_of_time *s)
{
	struct engine *e = s->e;
	struct watch *w = s->w;
	struct verdict *v = NULL;
	struct match m;

	if (s->r->count && !w->is_group)
		return counted(s);
	if (!s->holds || s->covered) {
		if (!w->raised)
			return gone(s);
		w->state = WATCH_ACTIVE;
		return true;
	}
	match_of(s, &m);
	switch (gate_fire(e, s->r, &m, &s->b, 1, &v)) {
	case GATE_HELD:
		not_now(s, VERDICT_HELD, &m, "unless");
		return true;
	case GATE_LIMITED:
		not_now(s, VERDICT_LIMITED, &m, "limit");
		timer_arm(e, &w->timer, gate_limit_opens(e, s->r, &s->b->f), false);
		return true;
	case GATE_FIRED:
		break;
	}
	w->state = WATCH_ACTIVE;
	w->raised = true;
	w->refused = w->changed = false;
	w->held = NULL;
	w->fired_awake = e->awake;
	w->fired_boot = e->boot;
	take_prints(w, &s->b->f);
	if (v)
		memcpy(w->verdict, v->id, sizeof(w->verdict));
	w->waits = v && v->kind == VERDICT_FIRED;
	return true;
}

/* Its steps were under way, or not begun, when the process that took them ended: nobody else will take them. */
static bool from_interrupted(struct step_of_time *s)
{
	struct watch *w = s->w;

	if (!waited(s, w->since_awake, s->r->for_ns)) {
		timer_arm(s->e, &w->timer, w->since_awake + s->r->for_ns, true);
		return true;
	}
	w->interrupted = false;
	w->state = WATCH_DUE;
	w->recorded = false;
	return true;
}

static bool from_active(struct step_of_time *s)
{
	struct watch *w = s->w;
	int64_t reask = w->fired_awake + REASK * NS_PER_SEC, repeat = w->fired_awake + s->r->repeat;

	if (s->r->count && !w->is_group)
		return counted(s);
	if (is_over(s)) {
		w->state = WATCH_CLEARING;
		w->since_awake = s->e->awake;
		return true;
	}
	if (!s->holds || s->covered)
		return true;
	if (w->interrupted)
		return from_interrupted(s);
	w->changed |= w->refused && facts_changed(w, &s->b->f);
	if ((w->changed && s->e->awake >= reask) || (s->r->repeat && waited(s, w->fired_awake, s->r->repeat))) {
		w->state = WATCH_DUE;
		w->recorded = false;
		return true;
	}
	if (w->changed && (!s->r->repeat || reask < repeat))
		timer_arm(s->e, &w->timer, reask, true);
	else if (s->r->repeat)
		timer_arm(s->e, &w->timer, repeat, true);
	return true;
}

static bool from_clearing(struct step_of_time *s)
{
	struct watch *w = s->w;
	struct match m;

	if (!is_over(s)) {
		w->state = WATCH_ACTIVE;
		return true;
	}
	if (!waited(s, w->since_awake, s->r->clear_for)) {
		timer_arm(s->e, &w->timer, w->since_awake + s->r->clear_for, true);
		return true;
	}
	match_of(s, &m);
	gate_match(s->e, s->r, &m, &s->b, 1);
	gate_effects(s->e, s->r, &s->r->clear_do, &m, verdict_queue(s->e, s->r, VERDICT_CLEARED, &m, &s->b, 1, NULL),
		     &s->b, 1);
	s->e->stats[s->r->index].cleared++;
	key_cleared(s->e, s->r, entry_key(&w->node));
	return gone(s);
}

static bool (*const from_state[])(struct step_of_time *s) = {
	[WATCH_SUMMING] = from_summing, [WATCH_PENDING] = from_pending,	  [WATCH_DUE] = from_due,
	[WATCH_ACTIVE] = from_active,	[WATCH_CLEARING] = from_clearing,
};

static struct watch *watch_new(struct engine *e, const struct rule *r, enum subject_sort sort, const char *id,
			       const char *key)
{
	struct watch *w = watch_add(e, r, key, false);

	if (!w)
		return NULL;
	w->sort = sort;
	w->id = strdup(id);
	if (w->id)
		return w;
	watch_free(e, w);
	return NULL;
}

void watch_move(struct step_of_time *s)
{
	struct watch *w = s->w;
	enum watch_state old;

	timer_cancel(s->e, &w->timer);
	do {
		old = w->state;
		if (!from_state[old](s))
			return;
	} while (w->state != old);
}

/* Moves one subject's state as far as it goes now. w NULL: idle. */
static void watch_step(struct engine *e, const struct rule *r, enum subject_sort sort, const char *id, const char *key,
		       struct watch *w, struct bound *b, bool timed)
{
	struct step_of_time s = {.e = e, .r = r, .w = w, .b = b, .timed = timed};

	s.holds = !r->where || cond_eval(r->where, &b->f) == TRUTH_TRUE;
	s.covered = e->inhibitions && gate_inhibited(e, r, &b->f);
	e->stats[r->index].heard.n++;
	e->stats[r->index].matched += s.holds;
	e->stats[r->index].inhibited += s.holds && s.covered;
	if (!w && (!s.holds || s.covered))
		return;
	if (!w)
		s.w = w = watch_new(e, r, sort, id, key);
	if (!w)
		return;
	w->pass = e->pass;
	watch_move(&s);
}

/* ---- all subjects of a rule ---- */

struct visit {
	struct engine *e;
	const struct rule *r;
};

static void visit_context(const struct visit *v, enum subject_sort sort, const char *id, const char *key,
			  struct bound *b)
{
	struct watch *w = (struct watch *)table_find(&v->e->watches, v->r->index, key);

	watch_step(v->e, v->r, sort, id, key, w, b, false);
}

/* watch: device with facts of arrays: one state for each membership. */
static void visit_memberships(const struct visit *v, const char *device)
{
	struct engine *e = v->e;

	e->n_bound = 1;
	bind_memberships(e, device);
	for (size_t i = e->n_bound > 1; i < e->n_bound; i++) {
		struct bound *b = &e->bound[i];
		const struct value *member = &b->f.v[FACT_MEMBER_ID];

		key_text(&v->r->subject, &b->f, &e->key);
		if (i > 0)
			visit_context(v, SORT_MEMBER, member->str, buf_str(&e->key), b);
		else
			visit_context(v, SORT_DEVICE, device, buf_str(&e->key), b);
	}
}

static int visit_subject(void *u, const char *id)
{
	struct visit *v = u;

	if (bind_room(v->e, 1) < 0)
		return -ENOMEM;
	v->e->n_bound = 1;
	if (!bind_subject(v->e, v->r->sort, id, &v->e->bound[0]))
		return 0;
	if (v->r->sort == SORT_DEVICE && v->r->memberships)
		visit_memberships(v, id);
	else
		visit_context(v, v->r->sort, id, id, &v->e->bound[0]);
	return 0;
}

/* Subjects that left the inventory: cleared without clear.do. */
static void drop_unseen(struct engine *e, const struct rule *r)
{
	struct entry_node *next;

	for (struct entry_node *n = e->watches.of_rule[r->index].oldest; n; n = next) {
		struct watch *w = (struct watch *)n;

		next = n->link[OF_RULE].newer;
		if (w->pass == e->pass)
			continue;
		key_cleared(e, r, entry_key(n));
		watch_free(e, w);
	}
}

/* What a refused plan waits for is not named by its rule. */
static bool concerned(const struct engine *e, const struct rule *r, unsigned sorts, const bool *facts)
{
	if (r->sorts & sorts)
		return true;
	for (int f = 0; facts && f < FACT_MAX; f++)
		if (facts[f] && (r->named[f] || e->stats[r->index].refused))
			return true;
	return false;
}

void watch_all(struct engine *e, unsigned sorts)
{
	bool facts[FACT_MAX], any = TAKE(e->any_dirty_fact, false), sampled = stats_sampled(e);

	memcpy(facts, e->dirty_facts, sizeof(facts));
	if (any)
		memset(e->dirty_facts, 0, sizeof(e->dirty_facts));
	e->event = NULL;
	for (size_t i = 0; i < e->rs->n_watches; i++) {
		struct visit v = {e, e->rs->watches[i]};
		int64_t begin;

		if (!concerned(e, v.r, sorts, any ? facts : NULL))
			continue;
		e->pass++;
		begin = stats_ticks(e, sampled);
		if (e->o.world->each(e->o.world_u, v.r->sort, visit_subject, &v) == 0)
			drop_unseen(e, v.r);
		if (v.r->count)
			group_all(e, v.r);
		stats_spent(e, v.r, sampled, begin);
	}
}

void watch_timer(struct engine *e, struct watch *w)
{
	const struct rule *r = &e->rs->rules[w->node.rule];

	e->event = NULL;
	if (w->is_group) {
		group_timer(e, w);
		return;
	}
	if (bind_room(e, 1) < 0)
		return;
	e->n_bound = 1;
	if (bind_subject(e, w->sort, w->id, &e->bound[0])) {
		watch_step(e, r, w->sort, w->id, entry_key(&w->node), w, &e->bound[0], true);
	} else {
		key_cleared(e, r, entry_key(&w->node));
		watch_free(e, w);
	}
	if (r->count)
		group_all(e, r);
}
