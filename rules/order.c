// SPDX-License-Identifier: GPL-2.0-or-later
/* sequence: one event after the other, for each key at most one that has begun. absence: an event, and then not
 * another. rules-language 4.7. */
#include "rules/state.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>

void order_free(struct engine *e, struct attempt *a)
{
	timer_cancel(e, &a->timer);
	for (size_t i = 0; i < a->n; i++)
		event_free(a->came[i]);
	free(a->cover);
	table_remove(&e->attempts, &a->node);
}

void order_arm(struct engine *e, const struct rule *r, struct attempt *a, int64_t rest_ns)
{
	a->timer = (struct timer){.kind = TIMER_ORDER};
	if (r->absence)
		timer_arm(e, &a->timer, e->awake + rest_ns, true);
	else
		timer_arm(e, &a->timer, a->first + r->within, false);
}

/* ---- what came ---- */

static struct event *copy_event(const struct event *ev)
{
	json_t *j = event_to_json(ev);
	struct event *copy = NULL;

	if (j)
		event_from_json(j, &copy, NULL);
	json_decref(j);
	return copy;
}

/* Of a step what later ones ask for, of the start of an absence all: its facts are wanted when the time is over. */
static struct event *keep(const struct engine *e, const struct rule *r, size_t part, const struct facts *f)
{
	struct event *ev = r->absence ? copy_event(e->event) : event_new(e->event->kind, "rules", e->event->origin);

	if (!ev || r->absence)
		return ev;
	ev->seq = e->event->seq;
	ev->time = e->boot;
	for (size_t i = 0; i < r->n_kept; i++)
		if (r->kept[i].part == part && f->v[r->kept[i].fact].type != V_NONE)
			event_set(ev, r->kept[i].fact, f->v[r->kept[i].fact]);
	return ev;
}

/* Values of the kept facts, for templates. */
static const struct value *earlier(struct engine *e, const struct rule *r, const struct attempt *a)
{
	if (r->n_kept == 0)
		return NULL;
	for (size_t i = 0; i < r->n_kept; i++) {
		const struct event *ev = a && r->kept[i].part < a->n ? a->came[r->kept[i].part] : NULL;

		e->earlier[i] = VALUE_NONE;
		for (size_t k = 0; ev && k < ev->n_facts; k++)
			if (ev->facts[k].id == r->kept[i].fact)
				e->earlier[i] = ev->facts[k].v;
	}
	return e->earlier;
}

static struct attempt *attempt_find(const struct engine *e, const struct rule *r, const char *key)
{
	return (struct attempt *)table_find(&e->attempts, r->index, key);
}

/* The first event of an attempt. */
static struct attempt *begin(struct engine *e, const struct rule *r, const char *key, const struct facts *f)
{
	struct attempt *a = table_add(&e->attempts, r->index, key, sizeof(*a));

	if (!a)
		return NULL;
	a->first = e->boot;
	a->node.injected = e->event->origin == ORIGIN_INJECTED;
	a->came[0] = keep(e, r, 0, f);
	a->n = a->came[0] != NULL;
	if (r->cover.n) {
		key_text(&r->cover, f, &e->scratch);
		a->cover = strdup(buf_str(&e->scratch));
	}
	if (a->n == 0 || (r->cover.n && !a->cover)) {
		order_free(e, a);
		return NULL;
	}
	order_arm(e, r, a, r->within);
	table_touch(&e->attempts, &a->node, 1 + r->n_parts);
	table_bound(e, &e->attempts, &a->node);
	return a;
}

static enum gate fire(struct engine *e, const struct rule *r, const struct attempt *a, struct bound **b, size_t n)
{
	struct match m = {.key = entry_key(&a->node),
			  .count = (int64_t)a->n,
			  .first = a->first,
			  .last = r->absence ? a->first : e->boot,
			  .held = e->boot - a->first,
			  .generation = e->event->generation,
			  .injected = a->node.injected};

	for (size_t i = 0; i < a->n; i++) {
		m.events[m.n_events++] = a->came[i]->seq;
		m.injected |= a->came[i]->origin == ORIGIN_INJECTED;
	}
	return gate_fire(e, r, &m, b, n, NULL);
}

/* ---- one key ---- */

/* The contexts of one key. */
struct order_group {
	struct bound *b[CONTEXTS_MAX];
	size_t n;
};

/* Those that are the part, by its kind and condition, first. How many. */
static size_t pass(struct engine *e, const struct rule *r, const struct attempt *a, size_t part, struct order_group *g)
{
	const struct part *p = &r->parts[part];
	size_t passed = 0;

	if (!kinds_match(p->kinds, p->n_kinds, e->event->kind))
		return 0;
	for (size_t i = 0; i < g->n; i++) {
		struct bound *b = g->b[i];

		b->f.earlier = earlier(e, r, a);
		if (p->where && cond_eval(p->where, &b->f) != TRUTH_TRUE)
			continue;
		g->b[i] = g->b[passed];
		g->b[passed++] = b;
	}
	return passed;
}

static bool start(struct engine *e, const struct rule *r, const char *key, struct order_group *g)
{
	struct attempt *old = attempt_find(e, r, key);

	if (pass(e, r, NULL, 0, g) == 0)
		return false;
	if (old)
		order_free(e, old);
	begin(e, r, key, &g->b[0]->f);
	return true;
}

/* The next step of a sequence. False: the event is not it. */
static bool advance(struct engine *e, const struct rule *r, struct attempt *a, struct order_group *g)
{
	size_t n = pass(e, r, a, a->n, g);
	struct event *ev = n ? keep(e, r, a->n, &g->b[0]->f) : NULL;

	if (!ev)
		return false;
	a->came[a->n++] = ev;
	table_touch(&e->attempts, &a->node, 1 + r->n_parts);
	if (a->n < r->n_parts)
		return true;
	if (fire(e, r, a, g->b, n) != GATE_HELD)
		order_free(e, a);
	else /* the next event of this sort asks again */
		event_free(a->came[--a->n]);
	return true;
}

static bool order_key(struct engine *e, const struct rule *r, const char *key, struct order_group *g)
{
	struct attempt *a = attempt_find(e, r, key);

	if (a && !r->absence && e->boot - a->first >= r->within) {
		order_free(e, a);
		a = NULL;
	}
	if (!a)
		return start(e, r, key, g);
	if (!r->absence)
		return advance(e, r, a, g) || (a->n == 1 && start(e, r, key, g));
	if (pass(e, r, NULL, 1, g) == 0)
		return false;
	order_free(e, a);
	return true;
}

/* It would be one of the events that the rule waits for. */
static bool is_part(struct engine *e, const struct rule *r, struct bound *b)
{
	bool any = false;

	for (size_t i = 0; i < r->n_parts; i++)
		any |= pass(e, r, NULL, i, &(struct order_group){.b = {b}, .n = 1}) > 0;
	return any;
}

bool order_event(struct engine *e, const struct rule *r, struct bound *all, size_t n)
{
	struct order_group g;
	bool any = false, inhibited = false;

	for (size_t i = 0; i < n; i++)
		inhibited |= all[i].done = e->inhibitions && gate_inhibited(e, r, &all[i].f);
	e->stats[r->index].inhibited += inhibited;
	for (size_t i = 0; i < n; i++) {
		if (all[i].done)
			continue;
		if (!key_text(&r->per, &all[i].f, &e->key)) {
			e->stats[r->index].no_key += is_part(e, r, &all[i]);
			continue;
		}
		g = (struct order_group){.b = {&all[i]}, .n = 1};
		for (size_t k = i + 1; k < n; k++) {
			if (all[k].done || !key_text(&r->per, &all[k].f, &e->scratch) ||
			    strcmp(buf_str(&e->scratch), buf_str(&e->key)) != 0)
				continue;
			all[k].done = true;
			g.b[g.n++] = &all[k];
		}
		any |= order_key(e, r, buf_str(&e->key), &g);
	}
	return any;
}

/* ---- time ---- */

/* It did not come: the facts are those of the event that began it, with what the inventory says of its subject now. */
static void fire_absence(struct engine *e, const struct rule *r, struct attempt *a)
{
	struct bound *all, *b[CONTEXTS_MAX];
	size_t n, found = 0;

	bind_begin(e, a->came[0]);
	n = bind_contexts(e, r, &all);
	n = MIN(n, (size_t)CONTEXTS_MAX);
	for (size_t i = 0; i < n; i++)
		if (key_text(&r->per, &all[i].f, &e->scratch) && strcmp(buf_str(&e->scratch), entry_key(&a->node)) == 0)
			b[found++] = &all[i];
	if (found == 0)
		b[found++] = &all[0];
	fire(e, r, a, b, found);
	bind_end(e);
}

void order_timer(struct engine *e, struct attempt *a)
{
	const struct rule *r = &e->rs->rules[a->node.rule];

	if (r->absence)
		fire_absence(e, r, a);
	order_free(e, a);
}

void order_inhibit(struct engine *e, const struct inhibition *in)
{
	struct entry_node *next;

	for (struct entry_node *n = e->attempts.all.oldest; n; n = next) {
		struct attempt *a = (struct attempt *)n;

		next = n->link[OF_ALL].newer;
		if (in->covers[n->rule] && a->cover && cover_agrees(&e->rs->rules[n->rule], a->cover, in))
			order_free(e, a);
	}
}
