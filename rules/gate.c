// SPDX-License-Identifier: GPL-2.0-or-later
/* Three ways not to act: unless, limit, inhibit; and the effects of a verdict on the engine itself: inhibit and mark.
 * rules-language 4.9. */
#include "rules/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void gate_match(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n)
{
	/* Only a copy of the key outlives its table; e->scratch is free here. */
	buf_clear(&e->scratch);
	key_show(m->key, &e->scratch);
	for (size_t i = 0; i < n; i++) {
		struct value *v = b[i]->f.v;

		v[FACT_MATCH_RULE] = value_str(r->name);
		v[FACT_MATCH_KEY] = value_str(buf_str(&e->scratch));
		v[FACT_MATCH_COUNT] = value_int(m->count);
		v[FACT_MATCH_DISTINCT] = value_int(m->distinct);
		v[FACT_MATCH_RATIO] = m->share > 0 ? value_percent(m->share) : VALUE_NONE;
		v[FACT_MATCH_FIRST] = value_time(m->first + e->wall_offset);
		v[FACT_MATCH_LAST] = value_time(m->last + e->wall_offset);
		v[FACT_MATCH_SPAN] = value_duration(m->last - m->first);
		v[FACT_MATCH_HELD] = value_duration(m->held);
		v[FACT_MATCH_VALUES] = value_set(&m->set);
	}
}

/* All that there is, for what is about to be made of it. */
static void bind_match(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n)
{
	bind_all(e, b);
	gate_match(e, r, m, b, n);
}

/* ---- limit ---- */

/* The key of the limit; the mode is a part of it: what a rule did in shadow does not use it up. */
static void limit_key(struct engine *e, const struct rule *r, const struct facts *f)
{
	key_text(&r->limit_per, f, &e->limit_key);
	buf_addn(&e->limit_key, (char[]){'\x1f', (char)('0' + r->mode)}, 2);
}

void limit_free(struct engine *e, struct limit *l)
{
	timer_cancel(e, &l->timer);
	free(l->times);
	table_remove(&e->limits, &l->node);
}

static void limit_prune(const struct engine *e, const struct rule *r, struct limit *l)
{
	size_t old = 0;

	while (old < l->n && (l->times[old] <= e->boot - r->limit_within || l->n - old > (size_t)r->limit_count))
		old++;
	l->n -= old;
	if (old && l->n)
		memmove(l->times, l->times + old, l->n * sizeof(*l->times));
}

/* That of the facts, with its key in e->limit_key; NULL: none yet. */
static struct limit *limit_find(struct engine *e, const struct rule *r, const struct facts *f)
{
	if (r->limit_count == 0)
		return NULL;
	limit_key(e, r, f);
	return (struct limit *)table_find(&e->limits, r->index, buf_str(&e->limit_key));
}

static int64_t limit_opens(const struct engine *e, const struct rule *r, struct limit *l)
{
	if (!l)
		return e->boot;
	limit_prune(e, r, l);
	return l->n < (size_t)r->limit_count ? e->boot : l->times[0] + r->limit_within;
}

int64_t gate_limit_opens(struct engine *e, const struct rule *r, const struct facts *f)
{
	return limit_opens(e, r, limit_find(e, r, f));
}

size_t gate_limit_used(struct engine *e, const struct rule *r, const struct facts *f)
{
	const struct limit *l = limit_find(e, r, f);

	return l ? l->n : 0;
}

/* l: what limit_find has found. */
static void limit_use(struct engine *e, const struct rule *r, struct limit *l)
{
	int64_t *times;

	if (r->limit_count == 0)
		return;
	if (!l) {
		l = table_add(&e->limits, r->index, buf_str(&e->limit_key), sizeof(*l));
		if (!l)
			return;
		l->timer = (struct timer){.kind = TIMER_LIMIT};
	}
	times = reallocarray(l->times, l->n + 1, sizeof(*times));
	if (!times)
		return;
	l->times = times;
	l->times[l->n++] = e->boot;
	l->told = false;
	table_touch(&e->limits, &l->node, 1 + l->n);
	table_bound(e, &e->limits, &l->node);
	timer_arm(e, &l->timer, e->boot + r->limit_within, false);
}

/* A watch tells by itself, once for each time that it becomes due. */
static void tell_limited(struct engine *e, const struct rule *r, struct limit *l, const struct match *m,
			 struct bound **b, size_t n)
{
	_cleanup_(buf_free) struct buf why = {0};

	if (r->trigger == TRIGGER_WATCH || l->told)
		return;
	l->told = true;
	if (!r->unless)
		bind_match(e, r, m, b, n);
	why_not_now(r, VERDICT_LIMITED, &b[0]->f, &why);
	verdict_queue(e, r, VERDICT_LIMITED, m, b, n, buf_str(&why));
}

/* ---- inhibit ---- */

const struct inhibition *gate_inhibition(struct engine *e, const struct rule *r, const struct facts *f)
{
	for (const struct inhibition *in = e->inhibitions; in; in = in->next) {
		size_t i = 0;

		if (!in->covers[r->index])
			continue;
		for (; i < in->per.n; i++) {
			const struct value *v = &f->v[in->per.f[i]];

			if (v->type == V_NONE)
				break;
			/* Most keys are plain strings: no copy is needed for them. */
			if (v->type == V_STRING && strcmp(v->str, in->values[i]) == 0)
				continue;
			buf_clear(&e->compared);
			value_print(v, VALUE_CANONICAL, &e->compared);
			if (strcmp(buf_str(&e->compared), in->values[i]) != 0)
				break;
		}
		if (i == in->per.n)
			return in;
	}
	return NULL;
}

bool gate_inhibited(struct engine *e, const struct rule *r, const struct facts *f)
{
	return gate_inhibition(e, r, f) != NULL;
}

static void inhibition_free(struct engine *e, struct inhibition *in)
{
	struct inhibition **at = &e->inhibitions;

	while (*at && *at != in)
		at = &(*at)->next;
	if (*at) {
		*at = in->next;
		e->n_inhibitions--;
	}
	timer_cancel(e, &in->timer);
	for (size_t i = 0; i < PER_MAX; i++)
		free(in->values[i]);
	free(in->key);
	free(in);
}

void inhibition_add(struct engine *e, struct inhibition *in)
{
	struct inhibition *oldest = in;

	in->next = e->inhibitions;
	e->inhibitions = in;
	if (++e->n_inhibitions <= INHIBITIONS_MAX)
		return;
	while (oldest->next)
		oldest = oldest->next;
	evicted(e, oldest->rule);
	inhibition_free(e, oldest);
}

void inhibition_end(struct engine *e, struct inhibition *in)
{
	inhibition_free(e, in);
	e->dirty = SORT_ALL;
}

int engine_uninhibit(struct engine *e, const char *rule, struct err *err)
{
	int i = ruleset_find(e->rs, rule);
	struct inhibition *next;
	bool any = false;

	if (i < 0)
		return err_set(err, ENOENT, "no rule '%.64s'", rule);
	for (struct inhibition *in = e->inhibitions; in; in = next) {
		next = in->next;
		if (!in->covers[i])
			continue;
		inhibition_end(e, in);
		any = true;
	}
	if (!any)
		return err_set(err, ENOENT, "%s is not inhibited", rule);
	engine_settle(e);
	return 0;
}

void key_cleared(struct engine *e, const struct rule *r, const char *key)
{
	struct inhibition *next;

	for (struct inhibition *in = e->inhibitions; in; in = next) {
		next = in->next;
		if (in->until_clear && in->rule == r->index && strcmp(in->key, key) == 0)
			inhibition_end(e, in);
	}
	if (question_find(e, r, key))
		question_withdraw(e, question_find(e, r, key), "it is over");
}

static bool same_inhibition(const struct inhibition *a, const struct inhibition *b)
{
	if (a->rule != b->rule || a->covers != b->covers || strcmp(a->key, b->key) != 0)
		return false;
	for (size_t i = 0; i < a->per.n; i++)
		if (!a->values[i] || !b->values[i] || strcmp(a->values[i], b->values[i]) != 0)
			return false;
	return true;
}

static void inhibit(struct engine *e, const struct rule *r, const struct step *s, const struct match *m,
		    const struct facts *f)
{
	struct inhibition *in = calloc(1, sizeof(*in)), *old = e->inhibitions;

	if (!in)
		return;
	*in = (struct inhibition){.rule = r->index,
				  .key = strdup(m->key),
				  .until_clear = s->until_clear,
				  .covers = s->covers,
				  .per.n = s->n_per};
	memcpy(in->per.f, s->per, sizeof(s->per));
	for (size_t i = 0; i < s->n_per; i++) {
		_cleanup_(buf_free) struct buf text = {0};

		if (f->v[s->per[i]].type != V_NONE)
			value_print(&f->v[s->per[i]], VALUE_CANONICAL, &text);
		in->values[i] = f->v[s->per[i]].type == V_NONE ? NULL : buf_take(&text);
		/* Unknown is never equal: nothing would be covered. */
		if (!in->values[i] || !in->key) {
			inhibition_free(e, in);
			return;
		}
	}
	while (old && !same_inhibition(old, in))
		old = old->next;
	if (old) {
		inhibition_free(e, in);
		in = old;
	} else {
		in->timer = (struct timer){.kind = TIMER_INHIBITION};
		inhibition_add(e, in);
	}
	if (in->timer.pos == 0 || in->timer.at < e->awake + s->for_ns)
		timer_arm(e, &in->timer, e->awake + s->for_ns, true);
	window_inhibit(e, in);
	order_inhibit(e, in);
	question_inhibit(e, in);
	e->dirty = SORT_ALL;
}

/* ---- marks ---- */

void mark_end(struct engine *e, struct mark *m)
{
	struct mark **at = &e->marks;

	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	timer_cancel(e, &m->timer);
	m->next = e->ended_marks;
	e->ended_marks = m;
	e->dirty |= SORT_BIT(SORT_DEVICE);
}

void marks_free(struct engine *e)
{
	struct mark *m;

	while ((m = e->ended_marks)) {
		e->ended_marks = m->next;
		free(m->device);
		free(m->as);
		free(m);
	}
}

void engine_unmark(struct engine *e, const char *device, const char *as)
{
	struct mark *next;

	for (struct mark *m = e->marks; m; m = next) {
		next = m->next;
		if (strcmp(m->device, device) == 0 && strcmp(m->as, as) == 0)
			mark_end(e, m);
	}
}

int engine_mark(struct engine *e, const char *device, const char *as, int64_t for_ns)
{
	struct mark *m = calloc(1, sizeof(*m));
	int r = 0;

	engine_unmark(e, device, as);
	if (!m)
		return -ENOMEM;
	*m = (struct mark){.device = strdup(device), .as = strdup(as), .ends = for_ns > 0};
	m->timer = (struct timer){.kind = TIMER_MARK};
	if (for_ns > 0)
		r = timer_arm(e, &m->timer, e->boot + for_ns, false);
	if (!m->device || !m->as || r < 0) {
		mark_end(e, m);
		return -ENOMEM;
	}
	m->next = e->marks;
	e->marks = m;
	e->dirty |= SORT_BIT(SORT_DEVICE);
	return 0;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const struct strset *engine_marks(struct engine *e, const char *device)
{
	e->marks_set = (struct strset){.words = e->marks_words};
	for (const struct mark *m = e->marks; m && e->marks_set.n < MARKS_MAX; m = m->next)
		if (strcmp(m->device, device) == 0)
			e->marks_words[e->marks_set.n++] = m->as;
	if (e->marks_set.n == 0)
		return NULL;
	qsort(e->marks_words, e->marks_set.n, sizeof(const char *), compare_words);
	return &e->marks_set;
}

/* ---- firing ---- */

static const char *param_text(const struct verdict_step *s, const char *name)
{
	const struct verdict_param *p = verdict_step_param(s, name);

	return p && p->v.type == V_STRING ? p->v.str : NULL;
}

static void mark_step(struct engine *e, const struct step *s, const struct verdict_step *done, struct bound **b,
		      size_t n)
{
	const char *as = param_text(done, "as"), *device = param_text(done, "device");

	for (size_t i = 0; as && i < (device ? 1 : n); i++) {
		const struct value *id = &b[i]->f.v[FACT_DEVICE_ID];
		const char *which = device ? device : id->type == V_STRING ? id->str : NULL;

		if (which && s->effect == EFFECT_MARK)
			engine_mark(e, which, as, s->for_ns);
		else if (which)
			engine_unmark(e, which, as);
	}
}

void gate_effects(struct engine *e, const struct rule *r, const struct steps *steps, const struct match *m,
		  const struct verdict *v, struct bound **b, size_t n)
{
	for (size_t i = v ? v->from : 0; v && r->mode != RULE_SHADOW && i < v->to; i++) {
		const struct step *s = &steps->s[i];

		if (v->steps[i].error)
			continue;
		if (s->effect == EFFECT_INHIBIT)
			inhibit(e, r, s, m, &b[0]->f);
		else if (s->effect != EFFECT_NONE)
			mark_step(e, s, &v->steps[i], b, n);
	}
}

enum gate gate_fire(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n,
		    struct verdict **ret)
{
	bool asks = r->mode == RULE_ASK, bound = r->unless || r->trigger != TRIGGER_EVENT;
	struct limit *l;
	struct verdict *v;

	/* One question for a rule and key at a time. */
	if (asks && question_find(e, r, m->key))
		return GATE_FIRED;
	if (bound)
		bind_match(e, r, m, b, n);
	for (size_t i = 0; r->unless && i < n; i++) {
		if (cond_eval(r->unless, &b[i]->f) != TRUTH_FALSE) {
			e->stats[r->index].held++;
			return GATE_HELD;
		}
	}
	l = limit_find(e, r, &b[0]->f);
	if (limit_opens(e, r, l) > e->boot) {
		e->stats[r->index].limited++;
		tell_limited(e, r, l, m, b, n);
		return GATE_LIMITED;
	}
	limit_use(e, r, l);
	if (!bound)
		bind_match(e, r, m, b, n);
	e->stats[r->index].fired++;
	e->stats[r->index].last = e->boot;
	v = verdict_queue(e, r, asks ? VERDICT_ASKED : VERDICT_FIRED, m, b, n, NULL);
	if (asks && v)
		question_new(e, r, m->key, v);
	gate_effects(e, r, &r->steps, m, v, b, n);
	if (ret)
		*ret = v;
	return GATE_FIRED;
}
