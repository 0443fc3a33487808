// SPDX-License-Identifier: GPL-2.0-or-later
/* threshold: sliding windows of events, (t - within, t], one for each rule and key. rules-language 4.6. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

static void hit_free(struct window *w, size_t i)
{
	w->sum -= w->hits[i].weight;
	free(w->hits[i].value);
	free(w->hits[i].cover);
}

static void clear_hits(struct window *w)
{
	for (; w->first < w->end; w->first++)
		hit_free(w, w->first);
	w->first = w->end = 0;
}

void window_free(struct engine *e, struct window *w)
{
	timer_cancel(e, &w->timer);
	clear_hits(w);
	free(w->hits);
	table_remove(&e->windows, &w->node);
}

int window_add(struct window *w, struct hit hit)
{
	if (w->end == w->cap && w->first > 0) {
		memmove(w->hits, w->hits + w->first, (w->end - w->first) * sizeof(*w->hits));
		w->end -= w->first;
		w->first = 0;
	}
	if (w->end == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct hit *hits = reallocarray(w->hits, cap, sizeof(*hits));

		if (!hits)
			return -ENOMEM;
		w->hits = hits;
		w->cap = cap;
	}
	w->hits[w->end++] = hit;
	w->sum += hit.weight;
	return 0;
}

void window_prune(struct engine *e, const struct rule *r, struct window *w)
{
	while (w->first < w->end && w->hits[w->first].time <= e->boot - r->within)
		hit_free(w, w->first++);
	/* The newest "count" decide every question. */
	while (w->end - w->first > (size_t)r->count)
		hit_free(w, w->first++);
	if (w->first == w->end)
		w->first = w->end = 0;
}

static int64_t window_count(const struct rule *r, const struct window *w)
{
	return r->distinct >= 0 ? (int64_t)(w->end - w->first) : w->sum;
}

/* When the count is at most n if nothing is added. */
static int64_t falls_to(const struct rule *r, const struct window *w, int64_t n)
{
	int64_t left = window_count(r, w), at = INT64_MIN;

	for (size_t i = w->first; i < w->end && left > n; i++) {
		left -= r->distinct >= 0 ? 1 : w->hits[i].weight;
		at = w->hits[i].time + r->within;
	}
	return at;
}

void window_arm(struct engine *e, const struct rule *r, struct window *w)
{
	if (w->raised && w->clearing)
		return;
	if (w->raised)
		timer_arm(e, &w->timer, MAX(falls_to(r, w, r->clear_count), e->boot), false);
	else if (w->first < w->end)
		timer_arm(e, &w->timer, w->hits[w->end - 1].time + r->within, false);
}

static struct window *window_get(struct engine *e, const struct rule *r, const char *key)
{
	struct window *w = (struct window *)table_find(&e->windows, r->index, key);

	if (w)
		return w;
	w = table_add(&e->windows, r->index, key, sizeof(*w));
	if (w)
		w->timer = (struct timer){.kind = TIMER_WINDOW, .rule = r->index, .key = w->node.key, .owner = w};
	return w;
}

/* A value that is already there moves to its latest time. */
static void take_same_value(struct window *w, struct hit *hit)
{
	for (size_t i = w->first; i < w->end; i++) {
		if (strcmp(w->hits[i].value, hit->value) != 0)
			continue;
		hit->weight += w->hits[i].weight;
		hit_free(w, i);
		w->end--;
		memmove(w->hits + i, w->hits + i + 1, (w->end - i) * sizeof(*w->hits));
		return;
	}
}

static bool count_event(struct engine *e, const struct rule *r, struct window *w, const struct facts *f)
{
	struct hit hit = {.time = e->boot, .weight = e->event->count, .seq = e->event->seq};

	if (r->distinct >= 0) {
		buf_clear(&e->scratch);
		value_print(&f->v[r->distinct], VALUE_CANONICAL, &e->scratch);
		hit.value = strdup(buf_str(&e->scratch));
		if (!hit.value)
			return false;
		take_same_value(w, &hit);
	}
	if (r->cover.n) {
		key_text(&r->cover, f, &e->scratch);
		hit.cover = strdup(buf_str(&e->scratch));
	}
	if (window_add(w, hit) < 0) {
		free(hit.value);
		free(hit.cover);
		return false;
	}
	w->injected |= e->event->origin == ORIGIN_INJECTED;
	window_prune(e, r, w);
	return true;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void describe(const struct engine *e, const struct rule *r, const struct window *w, struct match *m)
{
	size_t n = w->end - w->first, skip = n > EVENTS_MAX ? n - EVENTS_MAX : 0;

	m->count = w->sum;
	m->distinct = r->distinct >= 0 ? (int64_t)n : 0;
	m->first = n ? w->hits[w->first].time : e->boot;
	m->last = n ? w->hits[w->end - 1].time : e->boot;
	m->injected = w->injected;
	for (size_t i = w->first + skip; i < w->end; i++)
		m->events[m->n_events++] = w->hits[i].seq;
	for (size_t i = w->end; r->distinct >= 0 && i-- > w->first && m->set.n < VALUES_MAX;)
		m->values[m->set.n++] = w->hits[i].value;
	m->set.words = m->values;
	if (m->set.n > 1)
		qsort(m->values, m->set.n, sizeof(*m->values), compare_words);
}

static void empty(struct engine *e, struct window *w)
{
	timer_cancel(e, &w->timer);
	clear_hits(w);
	w->injected = false;
}

void window_event(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n)
{
	struct match m = {.key = key, .generation = e->event->generation};
	struct window *w;

	if (r->distinct >= 0 && b[0]->f.v[r->distinct].type == V_NONE)
		return;
	w = window_get(e, r, key);
	if (!w || !count_event(e, r, w, &b[0]->f))
		return;
	if (w->raised) {
		if (window_count(r, w) > r->clear_count)
			w->clearing = false;
		window_arm(e, r, w);
		return;
	}
	window_arm(e, r, w);
	if (window_count(r, w) < r->count)
		return;
	describe(e, r, w, &m);
	switch (gate_fire(e, r, &m, b, n, NULL)) {
	case GATE_HELD:
		return;
	case GATE_LIMITED:
		if (!r->has_clear)
			empty(e, w);
		return;
	case GATE_FIRED:
		break;
	}
	if (r->has_clear) {
		w->raised = true;
		w->raised_at = e->boot;
		window_arm(e, r, w);
	} else {
		empty(e, w);
	}
}

/* The facts are those of now, by the key where it names a subject. */
static void clear_window(struct engine *e, const struct rule *r, struct window *w)
{
	struct match m = {.key = w->node.key, .held = e->boot - w->raised_at};
	struct bound *b;

	w->raised = w->clearing = false;
	describe(e, r, w, &m);
	if (bind_room(e, 1) == 0) {
		e->n_bound = 1;
		b = &e->bound[0];
		memset(&b->f, 0, sizeof(b->f));
		if (r->per.n == 1 && r->per.f[0] == FACT_DEVICE_ID)
			bind_subject(e, SORT_DEVICE, w->node.key, b);
		else if (r->per.n == 1 && r->per.f[0] == FACT_ARRAY_ID)
			bind_subject(e, SORT_ARRAY, w->node.key, b);
		else if (r->per.n == 1 && r->per.f[0] == FACT_MEMBER_ID)
			bind_subject(e, SORT_MEMBER, w->node.key, b);
		gate_match(e, r, &m, &b, 1);
		gate_effects(e, r, &r->clear_do, &m, verdict_queue(e, r, VERDICT_CLEARED, &m, &b, 1, NULL), &b, 1);
	}
	e->stats[r->index].cleared++;
	inhibition_cleared(e, r, w->node.key);
	empty(e, w);
	window_free(e, w);
}

void window_timer(struct engine *e, struct window *w)
{
	const struct rule *r = &e->rs->rules[w->node.rule];

	window_prune(e, r, w);
	if (!w->raised) {
		if (w->first == w->end)
			window_free(e, w);
		else
			window_arm(e, r, w);
		return;
	}
	if (!w->clearing && window_count(r, w) > r->clear_count) {
		window_arm(e, r, w);
		return;
	}
	if (!w->clearing && r->clear_for > 0) {
		w->clearing = true;
		timer_arm(e, &w->timer, e->awake + r->clear_for, true);
		return;
	}
	clear_window(e, r, w);
}

/* Whether the joined values of the rule's cover facts agree with what the inhibition covers. */
static bool covered(const struct rule *r, const char *cover, const struct inhibition *in)
{
	for (size_t i = 0; i < in->per.n; i++) {
		const char *p = cover;
		size_t k = 0, len;

		for (; k < r->cover.n && r->cover.f[k] != in->per.f[i]; k++)
			p = strchrnul(p, '\x1f') + (*strchrnul(p, '\x1f') != '\0');
		len = strcspn(p, "\x1f");
		if (k == r->cover.n || len != strlen(in->values[i]) || memcmp(p, in->values[i], len) != 0)
			return false;
	}
	return true;
}

void window_inhibit(struct engine *e, const struct inhibition *in)
{
	for (size_t s = 0; s < e->windows.n_slots; s++) {
		for (struct entry_node *n = e->windows.slots[s]; n; n = n->next) {
			struct window *w = (struct window *)n;
			const struct rule *r = &e->rs->rules[n->rule];
			size_t kept = w->first;

			if (!in->covers[n->rule] || w->raised)
				continue;
			for (size_t i = w->first; i < w->end; i++) {
				if (w->hits[i].cover && covered(r, w->hits[i].cover, in))
					hit_free(w, i);
				else
					w->hits[kept++] = w->hits[i];
			}
			w->end = kept;
		}
	}
}
