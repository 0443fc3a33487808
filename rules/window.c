// SPDX-License-Identifier: GPL-2.0-or-later
/* threshold: sliding windows of events, (t - within, t], one for each rule and key. rules-language 4.6. */
#include "rules/state.h"

#include <errno.h>
#include <string.h>

void window_free(struct engine *e, struct window *w)
{
	timer_cancel(e, &w->timer);
	hits_finish(&w->hits);
	table_remove(&e->windows, &w->node);
}

/* The newest "count" decide every question; a share wants the older ones too. */
static size_t kept(const struct rule *r)
{
	return r->ratio > 0 ? (size_t)MAX(r->count, RATIO_KEPT) : (size_t)r->count;
}

double window_share(const struct window *w)
{
	const struct hit_more *oldest, *newest;

	if (w->hits.n == 0)
		return 0;
	oldest = hits_more(&w->hits, hits_oldest(&w->hits));
	newest = hits_more(&w->hits, hits_newest(&w->hits));
	if (oldest->counter < 0 || newest->counter <= oldest->counter)
		return 0;
	return (double)w->hits.sum / (double)(newest->counter - oldest->counter);
}

void window_prune(struct engine *e, const struct rule *r, struct window *w)
{
	struct hit *h;

	while ((h = hits_oldest(&w->hits)) && (h->time <= e->boot - r->within || w->hits.n > kept(r)))
		hits_drop(&w->hits, h);
}

void window_touch(struct engine *e, struct window *w)
{
	table_touch(&e->windows, &w->node, w->hits.cap > 1 ? 1 + w->hits.cap : 1);
	table_bound(e, &e->windows, &w->node);
}

static int64_t window_count(const struct rule *r, const struct window *w)
{
	return r->distinct >= 0 ? (int64_t)w->hits.n : w->hits.sum;
}

/* When the count is at most n if nothing is added. */
static int64_t falls_to(const struct rule *r, const struct window *w, int64_t n)
{
	int64_t left = window_count(r, w), when = INT64_MIN;

	for (const struct hit *h = hits_oldest(&w->hits); h && left > n; h = hits_newer(&w->hits, h)) {
		left -= r->distinct >= 0 ? 1 : h->weight;
		when = h->time + r->within;
	}
	return when;
}

/* What comes later only makes both moments later: the timer looks again when it ends. */
void window_arm(struct engine *e, const struct rule *r, struct window *w)
{
	if (w->timer.pos || w->node.phase == WINDOW_CLEARING)
		return;
	if (w->node.phase == WINDOW_RAISED)
		timer_arm(e, &w->timer, MAX(falls_to(r, w, r->clear_count), e->boot), false);
	else if (w->hits.n)
		timer_arm(e, &w->timer, hits_newest(&w->hits)->time + r->within, false);
}

bool window_wants_more(const struct rule *r)
{
	return r->distinct >= 0 || r->of >= 0 || r->cover.n > 0;
}

struct window *window_new(struct engine *e, const struct rule *r, const char *key)
{
	struct window *w = table_add(&e->windows, r->index, key, sizeof(*w) + (r->has_clear ? sizeof(int64_t) : 0));

	if (w)
		w->timer = (struct timer){.kind = TIMER_WINDOW};
	return w;
}

/* The text replaces an old one; where both are alike nothing is allocated. */
static bool take_text(char **text, const char *from)
{
	char *copy;

	if (*text && strcmp(*text, from) == 0)
		return true;
	copy = strdup(from);
	if (!copy)
		return false;
	free(*text);
	*text = copy;
	return true;
}

/* A value that is already there moves to its latest time. */
static bool count_again(struct engine *e, const struct rule *r, struct window *w, const struct facts *f,
			struct hit *hit)
{
	if (r->cover.n) {
		key_text(&r->cover, f, &e->scratch);
		if (!take_text(&hits_more(&w->hits, hit)->cover, buf_str(&e->scratch)))
			return false;
	}
	hit->time = e->boot;
	hit->seq = e->event->seq;
	hits_renew(&w->hits, hit, e->event->count);
	return true;
}

static bool count_new(struct engine *e, const struct rule *r, struct window *w, const struct facts *f,
		      struct hit_more *more)
{
	struct hit hit = {.time = e->boot, .weight = (uint32_t)e->event->count, .seq = e->event->seq};
	bool whole = true;

	if (r->cover.n) {
		key_text(&r->cover, f, &e->scratch);
		whole = take_text(&more->cover, buf_str(&e->scratch));
	}
	while (w->hits.n >= kept(r))
		hits_drop(&w->hits, hits_oldest(&w->hits));
	if (whole && hits_add(&w->hits, &hit, window_wants_more(r) ? more : NULL) == 0)
		return true;
	free(more->value);
	free(more->cover);
	return false;
}

static bool count_event(struct engine *e, const struct rule *r, struct window *w, const struct facts *f)
{
	struct hit_more more = {0};
	struct hit *same;
	size_t len;
	bool done;

	window_prune(e, r, w);
	if (r->of >= 0)
		more.counter = f->v[r->of].type == V_INT ? f->v[r->of].i : -1;
	if (r->distinct < 0) {
		done = count_new(e, r, w, f, &more);
	} else {
		buf_clear(&e->scratch);
		value_print(&f->v[r->distinct], VALUE_CANONICAL, &e->scratch);
		more.hash = text_hash(0, buf_str(&e->scratch));
		len = MIN(e->scratch.len, (size_t)VALUE_KEPT);
		same = hits_find(&w->hits, more.hash, buf_str(&e->scratch), len);
		if (same) {
			done = count_again(e, r, w, f, same);
		} else {
			more.value = strndup(buf_str(&e->scratch), len);
			done = more.value && count_new(e, r, w, f, &more);
		}
	}
	if (done)
		w->node.injected |= e->event->origin == ORIGIN_INJECTED;
	return done;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void window_match(const struct engine *e, const struct rule *r, const struct window *w, struct match *m)
{
	const struct hit *oldest = hits_oldest(&w->hits), *newest = hits_newest(&w->hits);

	m->count = w->hits.sum;
	m->distinct = r->distinct >= 0 ? (int64_t)w->hits.n : 0;
	m->first = oldest ? oldest->time : e->boot;
	m->last = newest ? newest->time : e->boot;
	m->share = r->ratio > 0 ? window_share(w) : 0;
	m->injected = w->node.injected;
	m->n_events = MIN(w->hits.n, (size_t)EVENTS_MAX);
	for (size_t i = m->n_events; newest && i-- > 0; newest = hits_older(&w->hits, newest)) {
		m->events[i] = newest->seq;
		if (r->distinct >= 0 && m->set.n < VALUES_MAX)
			m->values[m->set.n++] = hits_more(&w->hits, newest)->value;
	}
	m->set.words = m->values;
	if (m->set.n > 1)
		qsort(m->values, m->set.n, sizeof(*m->values), compare_words);
}

/* Apart, for a match is large. */
static enum gate fire(struct engine *e, const struct rule *r, const struct window *w, const char *key, struct bound **b,
		      size_t n)
{
	struct match m = {.key = key, .generation = e->event->generation};

	window_match(e, r, w, &m);
	return gate_fire(e, r, &m, b, n, NULL);
}

/* What counting and touching need. */
static void window_fetch(const struct window *w)
{
	const struct entry_link *l = &w->node.link[OF_ALL];

	__builtin_prefetch(hits_oldest(&w->hits));
	__builtin_prefetch(hits_newest(&w->hits));
	__builtin_prefetch(l->older);
	__builtin_prefetch(l->newer);
}

void window_event(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n)
{
	struct window *w;

	if (r->distinct >= 0 && b[0]->f.v[r->distinct].type == V_NONE)
		return;
	w = (struct window *)table_find(&e->windows, r->index, key);
	if (w)
		window_fetch(w);
	else
		w = window_new(e, r, key);
	if (!w)
		return;
	if (!count_event(e, r, w, &b[0]->f)) {
		if (w->hits.n == 0 && w->node.phase == WINDOW_COUNTING)
			window_free(e, w);
		return;
	}
	window_touch(e, w);
	if (w->node.phase >= WINDOW_RAISED) {
		if (w->node.phase == WINDOW_CLEARING && window_count(r, w) > r->clear_count) {
			w->node.phase = WINDOW_RAISED;
			timer_cancel(e, &w->timer);
		}
		window_arm(e, r, w);
		return;
	}
	window_arm(e, r, w);
	if (window_count(r, w) < r->count || (r->ratio > 0 && window_share(w) < r->ratio))
		return;
	switch (fire(e, r, w, key, b, n)) {
	case GATE_HELD:
		return;
	case GATE_LIMITED:
		if (!r->has_clear)
			window_free(e, w);
		return;
	case GATE_FIRED:
		break;
	}
	if (r->has_clear) {
		w->node.phase = WINDOW_RAISED;
		w->raised_at[0] = e->boot;
		timer_cancel(e, &w->timer);
		window_arm(e, r, w);
	} else {
		window_free(e, w);
	}
}

/* The facts are those of now, by the key where it names a subject. */
static void clear_window(struct engine *e, const struct rule *r, struct window *w)
{
	struct match m = {.key = entry_key(&w->node), .held = e->boot - w->raised_at[0]};
	struct bound *b;

	w->node.phase = WINDOW_COUNTING;
	window_match(e, r, w, &m);
	if (bind_room(e, 1) == 0) {
		e->n_bound = 1;
		b = &e->bound[0];
		memset(&b->f, 0, sizeof(b->f));
		if (r->per.n == 1 && r->per.f[0] == FACT_DEVICE_ID)
			bind_subject(e, SORT_DEVICE, entry_key(&w->node), b);
		else if (r->per.n == 1 && r->per.f[0] == FACT_ARRAY_ID)
			bind_subject(e, SORT_ARRAY, entry_key(&w->node), b);
		else if (r->per.n == 1 && r->per.f[0] == FACT_MEMBER_ID)
			bind_subject(e, SORT_MEMBER, entry_key(&w->node), b);
		gate_match(e, r, &m, &b, 1);
		gate_effects(e, r, &r->clear_do, &m, verdict_queue(e, r, VERDICT_CLEARED, &m, &b, 1, NULL), &b, 1);
	}
	e->stats[r->index].cleared++;
	key_cleared(e, r, entry_key(&w->node));
	window_free(e, w);
}

void window_timer(struct engine *e, struct window *w)
{
	const struct rule *r = &e->rs->rules[w->node.rule];

	window_prune(e, r, w);
	if (w->node.phase == WINDOW_COUNTING) {
		if (w->hits.n == 0)
			window_free(e, w);
		else
			window_arm(e, r, w);
		return;
	}
	if (w->node.phase == WINDOW_RAISED && window_count(r, w) > r->clear_count) {
		window_arm(e, r, w);
		return;
	}
	if (w->node.phase == WINDOW_RAISED && r->clear_for > 0) {
		w->node.phase = WINDOW_CLEARING;
		timer_arm(e, &w->timer, e->awake + r->clear_for, true);
		return;
	}
	clear_window(e, r, w);
}

bool cover_agrees(const struct rule *r, const char *cover, const struct inhibition *in)
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

static void forget_covered(struct window *w, const struct rule *r, const struct inhibition *in)
{
	const struct hit_more *more;
	struct hit *next;

	for (struct hit *h = hits_oldest(&w->hits); h; h = next) {
		next = hits_newer(&w->hits, h);
		more = hits_more(&w->hits, h);
		if (more && more->cover && cover_agrees(r, more->cover, in))
			hits_drop(&w->hits, h);
	}
}

void window_inhibit(struct engine *e, const struct inhibition *in)
{
	for (struct entry_node *n = e->windows.all.oldest; n; n = n->link[OF_ALL].newer) {
		struct window *w = (struct window *)n;

		if (in->covers[n->rule] && n->phase == WINDOW_COUNTING)
			forget_covered(w, &e->rs->rules[n->rule], in);
	}
}
