// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's state as JSON: for a restart, a reload, and a copy that can be thrown away; restore.c reads it.
 * rules-language 4.13. */
#include "rules/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *rule_hash_text(const struct rule *r, char text[HASH_TEXT])
{
	snprintf(text, HASH_TEXT, "%016" PRIx64, r->hash);
	return text;
}

/* What every entry begins with: whose it is, and its key. */
static json_t *entry_json(const struct engine *e, size_t rule, const char *key)
{
	char hash[HASH_TEXT];

	return json_pack("{s:s, s:s, s:s}", "rule", e->rs->rules[rule].name, "hash",
			 rule_hash_text(&e->rs->rules[rule], hash), "key", key);
}

static void set_time(json_t *j, const char *name, int64_t t)
{
	json_object_set_new(j, name, json_integer(t));
}

static void set_timer(json_t *j, const struct timer *t)
{
	if (t->pos)
		json_object_set_new(j, "timer", json_pack("[I, b]", (json_int_t)t->at, t->awake));
}

static json_t *save_window(const struct engine *e, const struct entry_node *n)
{
	const struct window *w = (const struct window *)n;
	json_t *j = entry_json(e, n->rule, entry_key(n)), *hits = json_array();

	for (const struct hit *h = hits_oldest(&w->hits); h; h = hits_newer(&w->hits, h)) {
		const struct hit_more *more = hits_more(&w->hits, h);

		json_array_append_new(hits,
				      json_pack("[I, I, I, s?, s?, I]", (json_int_t)h->time, (json_int_t)h->weight,
						(json_int_t)h->seq, more ? more->value : NULL,
						more ? more->cover : NULL, more ? (json_int_t)more->hash : 0));
	}
	json_object_set_new(j, "hits", hits);
	json_object_set_new(j, "raised", json_boolean(n->phase >= WINDOW_RAISED));
	json_object_set_new(j, "clearing", json_boolean(n->phase == WINDOW_CLEARING));
	json_object_set_new(j, "injected", json_boolean(w->node.injected));
	if (n->phase >= WINDOW_RAISED)
		set_time(j, "raised-at", w->raised_at[0]);
	set_timer(j, &w->timer);
	return j;
}

static json_t *save_attempt(const struct engine *e, const struct entry_node *n)
{
	const struct attempt *a = (const struct attempt *)n;
	json_t *j = entry_json(e, n->rule, entry_key(n)), *came = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(came, event_to_json(a->came[i]));
	json_object_set_new(j, "came", came);
	if (a->cover)
		json_object_set_new(j, "cover", json_string(a->cover));
	json_object_set_new(j, "injected", json_boolean(a->node.injected));
	set_time(j, "first", a->first);
	set_time(j, "ends", a->timer.at);
	return j;
}

static json_t *save_limit(const struct engine *e, const struct entry_node *n)
{
	const struct limit *l = (const struct limit *)n;
	json_t *j = entry_json(e, n->rule, entry_key(n)), *times = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(times, json_integer(l->times[i]));
	json_object_set_new(j, "times", times);
	json_object_set_new(j, "told", json_boolean(l->told));
	return j;
}

static json_t *save_guard(const struct watch *w)
{
	json_t *list = json_array();

	for (int i = 0; w->guarded && i < FACT_MAX; i++)
		if (w->guarded[i])
			json_array_append_new(list, json_string(fact_table[i].name));
	return list;
}

static json_t *save_watch(const struct engine *e, const struct entry_node *n)
{
	const struct watch *w = (const struct watch *)n;
	json_t *j = entry_json(e, n->rule, entry_key(n)), *spans = json_array(), *prints = json_object();

	for (size_t i = 0; i < w->n_spans; i++)
		json_array_append_new(spans,
				      json_pack("[I, I]", (json_int_t)w->spans[i].from, (json_int_t)w->spans[i].to));
	for (int i = 0; w->prints && i < FACT_MAX; i++)
		json_object_set_new(prints, fact_table[i].name, json_integer(w->prints[i]));
	json_object_set_new(j, "state", json_integer(w->state));
	json_object_set_new(j, "sort", json_string(sort_words[w->sort]));
	json_object_set_new(j, "id", json_string(w->id ? w->id : ""));
	json_object_set_new(j, "verdict", json_string(w->verdict));
	json_object_set_new(j, "raised", json_boolean(w->raised));
	json_object_set_new(j, "recorded", json_boolean(w->recorded));
	json_object_set_new(j, "waits", json_boolean(w->waits));
	json_object_set_new(j, "interrupted", json_boolean(w->interrupted));
	json_object_set_new(j, "refused", json_boolean(w->refused));
	json_object_set_new(j, "changed", json_boolean(w->changed));
	json_object_set_new(j, "spans", spans);
	json_object_set_new(j, "prints", prints);
	json_object_set_new(j, "guard", save_guard(w));
	if (w->group)
		json_object_set_new(j, "group", json_string(entry_key(&w->group->node)));
	set_time(j, "since-awake", w->since_awake);
	set_time(j, "since-boot", w->since_boot);
	set_time(j, "fired-awake", w->fired_awake);
	set_time(j, "fired-boot", w->fired_boot);
	set_timer(j, &w->timer);
	return j;
}

/* Those that were touched last and have so much room together, in the order in which they were: it is kept by that. */
static json_t *save_table(const struct engine *e, const struct table *t, size_t room,
			  json_t *(*save)(const struct engine *e, const struct entry_node *n))
{
	const struct entry_node *first = NULL;
	json_t *list = json_array();

	for (const struct entry_node *n = t->all.newest; n && n->room <= room; n = n->link[OF_ALL].older) {
		room -= n->room;
		first = n;
	}
	for (; first; first = first->link[OF_ALL].newer)
		json_array_append_new(list, save(e, first));
	return list;
}

static json_t *save_schedules(const struct engine *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->rs->n; i++) {
		json_t *j;

		if (e->rs->rules[i].trigger != TRIGGER_SCHEDULE)
			continue;
		j = entry_json(e, i, "");
		set_time(j, "last", e->schedules[i].last);
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *save_visit(const struct engine *e, const struct entry_node *n)
{
	json_t *j = entry_json(e, n->rule, entry_key(n));

	set_time(j, "at", ((const struct visit_due *)n)->timer.at);
	return j;
}

static json_t *save_contexts(const struct question *q)
{
	json_t *list = json_array();

	for (size_t i = 0; i < q->n; i++) {
		const struct verdict_context *c = &q->contexts[i];

		json_array_append_new(list, json_pack("[s?, s?, s?, s?, i]", c->device, c->device_name, c->array,
						      c->array_name, c->slot));
	}
	return list;
}

static json_t *save_questions(const struct engine *e)
{
	json_t *list = json_array();

	for (const struct question *q = e->questions; q; q = q->next) {
		json_t *j = entry_json(e, q->rule, q->key), *facts = json_object();

		for (int i = 0; i < FACT_MAX; i++)
			if (q->facts[i].type != V_NONE)
				json_object_set_new(facts, fact_table[i].name, fact_to_json(&q->facts[i]));
		json_object_set_new(j, "id", json_string(q->id));
		json_object_set_new(j, "description", json_string(e->rs->rules[q->rule].description));
		json_object_set_new(j, "sort", json_string(sort_words[q->sort]));
		json_object_set_new(j, "subject", json_string(q->subject));
		json_object_set_new(j, "contexts", save_contexts(q));
		json_object_set_new(j, "facts", facts);
		json_object_set_new(j, "generation", json_integer(q->generation));
		json_object_set_new(j, "injected", json_boolean(q->injected));
		set_time(j, "asked", q->asked);
		set_time(j, "ends", q->timer.at);
		json_array_append_new(list, j);
	}
	json_array_extend(list, e->gone);
	return list;
}

static json_t *save_inhibitions(const struct engine *e)
{
	json_t *list = json_array();

	for (const struct inhibition *in = e->inhibitions; in; in = in->next) {
		json_t *j = entry_json(e, in->rule, in->key), *values = json_object(), *covers = json_array();

		for (size_t i = 0; i < in->per.n; i++)
			json_object_set_new(values, fact_table[in->per.f[i]].name, json_string(in->values[i]));
		for (size_t i = 0; i < e->rs->n; i++)
			if (in->covers[i])
				json_array_append_new(covers, json_string(e->rs->rules[i].name));
		json_object_set_new(j, "values", values);
		json_object_set_new(j, "covers", covers);
		set_time(j, "ends", in->timer.at);
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *save_marks(const struct engine *e)
{
	json_t *list = json_array();

	for (const struct mark *m = e->marks; m; m = m->next)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "device", m->device, "as", m->as, "ends",
						      m->ends ? (json_int_t)m->timer.at : 0));
	return list;
}

json_t *engine_save(const struct engine *e, int64_t boot, int64_t awake, size_t room)
{
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "v", 1, "boot",
			 (json_int_t)boot, "awake", (json_int_t)awake, "wall-offset", (json_int_t)e->wall_offset,
			 "counter", (json_int_t)e->counter, "windows", save_table(e, &e->windows, room, save_window),
			 "attempts", save_table(e, &e->attempts, room, save_attempt), "schedules", save_schedules(e),
			 "visits", save_table(e, &e->visits, room, save_visit), "limits",
			 save_table(e, &e->limits, room, save_limit), "watches",
			 save_table(e, &e->watches, SIZE_MAX, save_watch), "groups",
			 save_table(e, &e->groups, SIZE_MAX, save_watch), "questions", save_questions(e), "inhibitions",
			 save_inhibitions(e), "marks", save_marks(e));
}
