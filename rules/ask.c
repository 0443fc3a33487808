// SPDX-License-Identifier: GPL-2.0-or-later
/* mode: ask. What was asked, and what becomes of it: approved and still so, denied, over, or not answered in time.
 * rules-language 4.10. */
#include "rules/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void question_free(struct engine *e, struct question *q)
{
	struct question **at = &e->questions;

	while (*at && *at != q)
		at = &(*at)->next;
	if (*at) {
		*at = q->next;
		e->n_questions--;
	}
	timer_cancel(e, &q->timer);
	arena_finish(&q->arena);
	free(q);
}

void question_arm(struct engine *e, struct question *q, int64_t awake)
{
	struct question *oldest = q;

	q->timer = (struct timer){.kind = TIMER_QUESTION};
	q->next = e->questions;
	e->questions = q;
	timer_arm(e, &q->timer, awake, true);
	if (++e->n_questions <= QUESTIONS_MAX)
		return;
	while (oldest->next)
		oldest = oldest->next;
	evicted(e, oldest->rule);
	question_free(e, oldest);
}

static const char *own(struct question *q, const char *text)
{
	return text ? arena_strdup(&q->arena, text) : NULL;
}

void question_new(struct engine *e, const struct rule *r, const char *key, const struct verdict *v)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	memcpy(q->id, v->id, sizeof(q->id));
	q->rule = r->index;
	q->key = own(q, key);
	q->sort = v->sort;
	q->subject = own(q, v->subject);
	q->contexts = arena_array(&q->arena, struct verdict_context, v->n_contexts + 1);
	for (; q->n < v->n_contexts; q->n++) {
		const struct verdict_context *c = &v->contexts[q->n];

		q->contexts[q->n] = (struct verdict_context){.device = own(q, c->device),
							     .device_name = own(q, c->device_name),
							     .array = own(q, c->array),
							     .array_name = own(q, c->array_name),
							     .slot = c->slot};
	}
	for (int i = 0; i < FACT_MAX; i++) {
		q->facts[i] = fact_of_event((enum fact_id)i) ? v->facts->v[i] : VALUE_NONE;
		if (q->facts[i].type == V_STRING)
			q->facts[i].str = own(q, q->facts[i].str);
		if (q->facts[i].type ==
		    V_SET) /* a text of its own would be needed for each word; people have read it */
			q->facts[i] = VALUE_NONE;
	}
	q->asked = e->boot;
	q->generation = v->generation;
	q->injected = v->injected;
	question_arm(e, q, e->awake + r->ask_deadline);
}

struct question *question_find(const struct engine *e, const struct rule *r, const char *key)
{
	struct question *q = e->questions;

	while (q && (q->rule != r->index || strcmp(q->key, key) != 0))
		q = q->next;
	return q;
}

/* ---- facts of now ---- */

static void bind_context(struct engine *e, const struct question *q, const struct verdict_context *c, struct bound *b)
{
	char member[160];
	bool known = false;

	if (c->array && c->slot >= 0) {
		snprintf(member, sizeof(member), "%.140s/%d", c->array, c->slot);
		known = bind_subject(e, SORT_MEMBER, member, b);
	}
	if (!known && q->sort != SORT_NONE && q->n == 1)
		known = bind_subject(e, q->sort, q->subject, b);
	if (!known && c->device)
		known = bind_subject(e, SORT_DEVICE, c->device, b);
	if (!known && c->array)
		known = bind_subject(e, SORT_ARRAY, c->array, b);
	if (!known) { /* it is gone: what it was called */
		memset(&b->f, 0, sizeof(b->f));
		b->f.calendars = e->calendars;
		b->f.v[FACT_DEVICE_ID] = value_str(c->device);
		b->f.v[FACT_DEVICE_NAME] = value_str(c->device_name);
		b->f.v[FACT_ARRAY_ID] = value_str(c->array);
		b->f.v[FACT_ARRAY_NAME] = value_str(c->array_name);
	}
	for (int i = 0; i < FACT_MAX; i++)
		if (q->facts[i].type != V_NONE)
			b->f.v[i] = q->facts[i];
}

/* The contexts as they are now; apart from those that the engine is about to look at. */
struct asked_now {
	struct bound *all;
	struct bound *b[CONTEXTS_MAX];
	size_t n;
};

static void asked_finish(struct asked_now *now)
{
	free(now->all);
}

static void bind_question(struct engine *e, const struct question *q, struct asked_now *now)
{
	size_t n = MIN(q->n, (size_t)CONTEXTS_MAX);

	*now = (struct asked_now){.all = calloc(n + 1, sizeof(*now->all))};
	for (; now->all && now->n < n; now->n++) {
		now->b[now->n] = &now->all[now->n];
		bind_context(e, q, &q->contexts[now->n], now->b[now->n]);
	}
}

static struct match match_of(const struct question *q)
{
	return (struct match){.key = q->key, .generation = q->generation, .injected = q->injected};
}

void question_over(struct engine *e, const struct rule *r, const struct question *q, const char *why)
{
	const struct event *event = TAKE(e->event, NULL);
	_cleanup_(asked_finish) struct asked_now now;
	struct match m = match_of(q);
	struct verdict *v = NULL;

	bind_question(e, q, &now);
	if (now.n)
		v = verdict_queue(e, r, VERDICT_WITHDRAWN, &m, now.b, now.n, why);
	if (v)
		memcpy(v->asked, q->id, sizeof(v->asked));
	e->event = event;
}

void question_withdraw(struct engine *e, struct question *q, const char *why)
{
	question_over(e, &e->rs->rules[q->rule], q, why);
	question_free(e, q);
}

void question_inhibit(struct engine *e, const struct inhibition *in)
{
	struct question *next;

	for (struct question *q = e->questions; q; q = next) {
		_cleanup_(asked_finish) struct asked_now now = {0};

		next = q->next;
		if (!in->covers[q->rule])
			continue;
		bind_question(e, q, &now);
		if (now.n && gate_inhibited(e, &e->rs->rules[q->rule], &now.b[0]->f))
			question_withdraw(e, q, "it is inhibited");
	}
}

/* ---- answers ---- */

static struct watch *watch_of(const struct engine *e, const struct rule *r, const char *key)
{
	return r->trigger == TRIGGER_WATCH
		       ? (struct watch *)table_find(r->count ? &e->groups : &e->watches, r->index, key)
		       : NULL;
}

/* Why it is not to be done any more; NULL: it is. Only the contexts that pass stay. */
static const char *stale(const struct rule *r, struct asked_now *now)
{
	size_t passed = 0;

	for (size_t i = 0; i < now->n; i++) {
		struct bound *b = now->b[i];

		if (r->where && cond_eval(r->where, &b->f) != TRUTH_TRUE)
			continue;
		if (r->unless && cond_eval(r->unless, &b->f) != TRUTH_FALSE)
			return "held by unless";
		now->b[passed++] = b;
	}
	now->n = passed;
	return passed ? NULL : "its conditions do not hold any more";
}

static int approve(struct engine *e, struct question *q, struct err *err)
{
	const struct rule *r = &e->rs->rules[q->rule];
	struct watch *w = watch_of(e, r, q->key);
	struct match m = match_of(q);
	_cleanup_(asked_finish) struct asked_now now;
	const char *why;
	struct verdict *v;

	e->event = NULL;
	bind_question(e, q, &now);
	why = now.n ? stale(r, &now) : "out of memory";
	if (why) {
		question_withdraw(e, q, why);
		return err_set(err, ESTALE, "%s: %s", r->name, why);
	}
	v = verdict_queue(e, r, VERDICT_FIRED, &m, now.b, now.n, NULL);
	if (v) {
		v->from = r->ask_from;
		memcpy(v->asked, q->id, sizeof(v->asked));
		if (w)
			memcpy(w->verdict, v->id, sizeof(w->verdict));
		gate_effects(e, r, &r->steps, &m, v, now.b, now.n);
	}
	question_free(e, q);
	return v ? 0 : err_set(err, ENOMEM, "out of memory");
}

void question_timer(struct engine *e, struct question *q)
{
	if (e->rs->rules[q->rule].ask_then_do)
		approve(e, q, NULL);
	else
		question_withdraw(e, q, "nobody answered in time");
}

int engine_answer(struct engine *e, const char *id, bool yes, struct err *err)
{
	struct question *found = NULL;
	int r = 0;

	for (struct question *q = e->questions; q; q = q->next) {
		bool exact = strcmp(q->id, id) == 0;

		if (!exact && strcmp(e->rs->rules[q->rule].name, id) != 0)
			continue;
		if (found && !exact)
			return err_set(err, EINVAL, "%s asks more than once: give the id of the question", id);
		found = q;
		if (exact)
			break;
	}
	if (!found)
		return err_set(err, ENOENT, "nothing is asked under '%.64s'", id);
	if (yes)
		r = approve(e, found, err);
	else
		question_withdraw(e, found, "denied");
	engine_settle(e);
	return r;
}

json_t *engine_questions(const struct engine *e)
{
	json_t *list = json_array();

	for (const struct question *q = e->questions; q; q = q->next) {
		const struct rule *r = &e->rs->rules[q->rule];
		const struct verdict_context *c = q->n ? &q->contexts[0] : NULL;
		int64_t asked = q->asked + e->wall_offset;
		int64_t deadline = e->boot + MAX(q->timer.at - e->awake, 0) + e->wall_offset;

		json_array_insert_new(list, 0,
				      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "id", q->id, "rule",
						r->name, "description", r->description, "subject", q->subject, "device",
						c && c->device_name ? c->device_name : "", "array",
						c && c->array_name ? c->array_name : "", "asked", (json_int_t)asked,
						"deadline", (json_int_t)deadline, "then",
						r->ask_then_do ? "do" : "drop"));
	}
	return list;
}
