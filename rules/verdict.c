// SPDX-License-Identifier: GPL-2.0-or-later
/* Verdicts: a rule that fired, as a value with its facts and rendered steps. */
#include "rules/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct verdict_box {
	struct verdict v; /* first: a verdict is its box */
	size_t refs;
	struct arena arena;
};

struct verdict *verdict_ref(const struct verdict *v)
{
	struct verdict_box *box = (struct verdict_box *)(uintptr_t)v;

	box->refs++;
	return &box->v;
}

void verdict_unref(struct verdict *v)
{
	struct verdict_box *box = (struct verdict_box *)v;

	if (!v || --box->refs > 0)
		return;
	arena_finish(&box->arena);
	free(box);
}

const struct verdict_param *verdict_step_param(const struct verdict_step *s, const char *name)
{
	for (size_t i = 0; i < s->n_params; i++)
		if (strcmp(s->params[i].name, name) == 0)
			return &s->params[i];
	return NULL;
}

const char *verdict_kind_word(enum verdict_kind kind)
{
	static const char *const words[] = {
		[VERDICT_FIRED] = "fired", [VERDICT_CLEARED] = "cleared", [VERDICT_LIMITED] = "limited",
		[VERDICT_HELD] = "held",   [VERDICT_ASKED] = "asked",	  [VERDICT_WITHDRAWN] = "withdrawn"};

	return words[kind];
}

const char *rule_mode_word(enum rule_mode mode)
{
	static const char *const words[] = {[RULE_ENFORCE] = "enforce", [RULE_ASK] = "ask", [RULE_SHADOW] = "shadow"};

	return words[mode];
}

/* ---- rendering steps ---- */

static struct value own_value(struct arena *a, const struct value *v)
{
	struct value copy = *v;
	struct strset *set;

	if (v->type == V_STRING)
		copy.str = arena_strdup(a, v->str);
	if (v->type != V_SET)
		return copy;
	set = arena_new(a, struct strset);
	set->words = arena_array(a, const char *, v->set->n + 1);
	for (size_t i = 0; i < v->set->n; i++)
		set->words[set->n++] = arena_strdup(a, v->set->words[i]);
	copy.set = set;
	return copy;
}

/* Style of the texts of an action: people read notifications, programs read plain numbers. */
static enum value_style style_of(const struct step *s, const struct param *p)
{
	if (strcmp(s->action->name, "notify") == 0 && strcmp(p->desc->name, "text") == 0)
		return VALUE_HUMAN;
	return strcmp(s->action->name, "exec") == 0 ? VALUE_PLAIN : VALUE_CANONICAL;
}

static const char *render(struct arena *a, const struct step *s, const struct param *p, const struct template *t,
			  const struct facts *f, struct verdict_step *out)
{
	_cleanup_(buf_free) struct buf text = {0};
	const char *unknown = template_print(t, f, style_of(s, p), &text);

	if (unknown && strcmp(s->action->name, "notify") != 0 && !out->error)
		out->error = arena_printf(a, "%s is not known", unknown);
	return arena_strdup(a, buf_str(&text));
}

static void render_param(struct arena *a, const struct step *s, const struct param *p, const struct facts *f,
			 struct verdict_step *step, struct verdict_param *out)
{
	bool pairs = p->desc->type == PARAM_ENV || p->desc->type == PARAM_FACTS;

	*out = (struct verdict_param){.name = p->desc->name, .type = p->desc->type};
	if (pairs || p->desc->type == PARAM_WORDS || p->desc->type == PARAM_ARGV) {
		out->list = arena_array(a, const char *, (pairs ? 2 : 1) * p->n + 1);
		for (size_t i = 0; i < p->n; i++) {
			if (pairs)
				out->list[2 * i] = arena_strdup(a, p->names[i]);
			out->list[pairs ? 2 * i + 1 : i] = render(a, s, p, p->texts[i], f, step);
		}
		out->n = p->n;
		return;
	}
	if (p->n == 0) {
		out->v = own_value(a, &p->v);
		return;
	}
	switch (p->desc->type) {
	case PARAM_BOOL:
	case PARAM_INT:
	case PARAM_DURATION:
	case PARAM_RATE:
	case PARAM_SIZE:
		out->v = template_value(p->texts[0], f);
		if (out->v.type == V_NONE && !step->error)
			step->error = arena_printf(a, "%s is not known", p->texts[0]->parts[0].name);
		break;
	default:
		out->v = value_str(render(a, s, p, p->texts[0], f, step));
	}
}

static struct verdict_step *render_steps(struct arena *a, const struct step *steps, size_t n, const struct facts *f)
{
	struct verdict_step *out = arena_array(a, struct verdict_step, n + 1);

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];

		out[i].action = s->action;
		out[i].on_failure = s->on_failure;
		out[i].at = s->at;
		out[i].at.file = arena_strdup(a, s->at.file);
		out[i].params = arena_array(a, struct verdict_param, s->n_params + 1);
		for (size_t p = 0; p < s->n_params; p++)
			render_param(a, s, &s->params[p], f, &out[i], &out[i].params[out[i].n_params++]);
		out[i].failure_steps = render_steps(a, s->failure, s->n_failure, f);
		out[i].n_failure_steps = s->n_failure;
	}
	return out;
}

/* ---- building ---- */

static struct facts *own_facts(struct arena *a, const struct facts *f)
{
	struct facts *copy = arena_new(a, struct facts);

	for (int i = 0; i < FACT_MAX; i++)
		copy->v[i] = own_value(a, &f->v[i]);
	return copy;
}

static const char *own_text(struct arena *a, const struct value *v)
{
	return v->type == V_STRING ? arena_strdup(a, v->str) : NULL;
}

static struct verdict_context context_of(struct arena *a, const struct facts *f)
{
	return (struct verdict_context){
		.device = own_text(a, &f->v[FACT_DEVICE_ID]),
		.device_name = own_text(a, &f->v[FACT_DEVICE_NAME]),
		.array = own_text(a, &f->v[FACT_ARRAY_ID]),
		.array_name = own_text(a, &f->v[FACT_ARRAY_NAME]),
		.slot = f->v[FACT_MEMBER_SLOT].type == V_INT ? (int)f->v[FACT_MEMBER_SLOT].i : -1,
	};
}

/* The subject of an event: what it names most closely. */
static void find_subject(const struct rule *r, const struct event *ev, const struct facts *f, struct verdict *v)
{
	static const struct {
		enum fact_id fact;
		enum subject_sort sort;
	} order[] = {{FACT_MEMBER_ID, SORT_MEMBER},
		     {FACT_ARRAY_ID, SORT_ARRAY},
		     {FACT_DEVICE_ID, SORT_DEVICE},
		     {FACT_SNAPSHOT_ID, SORT_SNAPSHOT}};
	bool by_device = ev && ev->device && !ev->array;

	v->subject = "";
	if (r->sort != SORT_NONE || by_device) {
		enum subject_sort sort = r->sort != SORT_NONE ? r->sort : SORT_DEVICE;
		const struct value *id = &f->v[field_sort_key(sort)];

		v->sort = sort;
		v->subject = id->type == V_STRING ? id->str : "";
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (f->v[order[i].fact].type == V_STRING) {
			v->sort = order[i].sort;
			v->subject = f->v[order[i].fact].str;
			return;
		}
	}
}

static void fill(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n,
		 struct verdict_box *box)
{
	struct arena *a = &box->arena;
	struct verdict *v = &box->v;
	const struct steps *steps = v->kind == VERDICT_CLEARED ? &r->clear_do : &r->steps;
	_cleanup_(buf_free) struct buf key = {0};
	struct facts *facts;
	bool *named;

	snprintf(v->id, sizeof(v->id), "%s%" PRIu64, e->prefix, ++e->counter);
	v->mode = r->mode;
	v->rule = arena_strdup(a, r->name);
	v->description = arena_strdup(a, r->description);
	v->at = r->at;
	v->at.file = arena_strdup(a, r->at.file);
	v->priority = r->priority;
	v->time = e->boot;
	v->wall = e->boot + e->wall_offset;
	key_show(m->key, &key);
	v->key = arena_strdup(a, buf_str(&key));
	for (size_t i = 0; i < n; i++)
		b[i]->f.v[FACT_MATCH_ID] = value_str(v->id);
	facts = own_facts(a, &b[0]->f);
	v->facts = facts;
	named = arena_array(a, bool, FACT_MAX);
	memcpy(named, r->named, sizeof(r->named));
	v->named = named;
	v->contexts = arena_array(a, struct verdict_context, n);
	for (size_t i = 0; i < n; i++)
		v->contexts[v->n_contexts++] = context_of(a, &b[i]->f);
	find_subject(r, e->event, facts, v);
	v->events = arena_array(a, uint64_t, m->n_events + 1);
	v->n_events = m->n_events;
	memcpy(v->events, m->events, m->n_events * sizeof(*m->events));
	v->injected = m->injected;
	v->generation = m->generation;
	if (v->kind == VERDICT_FIRED || v->kind == VERDICT_CLEARED || v->kind == VERDICT_ASKED) {
		facts->earlier = b[0]->f.earlier;
		v->steps = render_steps(a, steps->s, steps->n, facts);
		v->n_steps = steps->n;
		v->to = v->kind == VERDICT_ASKED ? r->ask_from : steps->n;
		facts->earlier = NULL;
	}
}

struct verdict *verdict_new(struct engine *e, const struct rule *r, enum verdict_kind kind, const struct match *m,
			    struct bound **b, size_t n, const char *reason)
{
	struct verdict_box *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	box->refs = 1;
	box->v.kind = kind;
	box->v.reason = arena_strdup(&box->arena, reason);
	fill(e, r, m, b, n, box);
	return &box->v;
}

struct verdict *verdict_queue(struct engine *e, const struct rule *r, enum verdict_kind kind, const struct match *m,
			      struct bound **b, size_t n, const char *reason)
{
	struct verdict *v;

	if (e->n_queue == e->cap_queue) {
		size_t cap = e->cap_queue ? e->cap_queue * 2 : 16;
		struct verdict **queue = reallocarray(e->queue, cap, sizeof(struct verdict *));

		if (!queue)
			return NULL;
		e->queue = queue;
		e->cap_queue = cap;
	}
	v = verdict_new(e, r, kind, m, b, n, reason);
	if (v)
		e->queue[e->n_queue++] = v;
	return v;
}

/* ---- JSON ---- */

static json_t *value_json(const struct value *v)
{
	_cleanup_(buf_free) struct buf text = {0};
	json_t *list;

	switch (v->type) {
	case V_SET:
		list = json_array();
		for (size_t i = 0; i < v->set->n; i++) {
			buf_clear(&text);
			value_escape(v->set->words[i], 0, &text);
			json_array_append_new(list, json_string(buf_str(&text)));
		}
		return list;
	case V_TIME: /* for people, unlike a fact's */
		value_print(v, VALUE_CANONICAL, &text);
		return json_string(buf_str(&text));
	default:
		return fact_to_json(v);
	}
}

static json_t *param_json(const struct verdict_param *p)
{
	bool pairs = p->type == PARAM_ENV || p->type == PARAM_FACTS;
	json_t *j;

	if (!p->list)
		return value_json(&p->v);
	j = pairs ? json_object() : json_array();
	for (size_t i = 0; i < p->n; i++) {
		struct value text = value_str(p->list[pairs ? 2 * i + 1 : i]);

		if (pairs)
			json_object_set_new(j, p->list[2 * i], value_json(&text));
		else
			json_array_append_new(j, value_json(&text));
	}
	return j;
}

static json_t *steps_json(const struct verdict_step *steps, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct verdict_step *s = &steps[i];
		json_t *params = json_object(), *step;

		for (size_t p = 0; p < s->n_params; p++)
			json_object_set_new(params, s->params[p].name, param_json(&s->params[p]));
		step = json_pack("{s:s, s:o}", "action", s->action->name, "params", params);
		if (s->on_failure == ON_FAILURE_STEPS)
			json_object_set_new(step, "on_failure", steps_json(s->failure_steps, s->n_failure_steps));
		else
			json_object_set_new(step, "on_failure",
					    json_string(s->on_failure == ON_FAILURE_STOP ? "stop" : "continue"));
		if (s->error)
			json_object_set_new(step, "error", json_string(s->error));
		json_array_append_new(list, step);
	}
	return list;
}

static json_t *match_json(const struct verdict *v)
{
	json_t *match = json_object();

	for (int i = 0; i < FACT_MAX; i++)
		if (v->facts->v[i].type != V_NONE && (v->named[i] || fact_table[i].from == FROM_MATCH))
			json_object_set_new(match, fact_table[i].name, value_json(&v->facts->v[i]));
	return match;
}

json_t *verdict_to_json(const struct verdict *v)
{
	json_t *contexts = json_array(), *events = json_array(), *j;

	for (size_t i = 0; i < v->n_contexts; i++) {
		const struct verdict_context *c = &v->contexts[i];

		json_array_append_new(contexts, json_pack("{s:s?, s:s?, s:s?, s:s?, s:i}", "device", c->device,
							  "device-name", c->device_name, "array", c->array,
							  "array-name", c->array_name, "slot", c->slot));
	}
	for (size_t i = 0; i < v->n_events; i++)
		json_array_append_new(events, json_integer((json_int_t)v->events[i]));
	j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:i}", "v", 1,
		      "id", v->id, "kind", verdict_kind_word(v->kind), "rule", v->rule, "description", v->description,
		      "mode", rule_mode_word(v->mode), "time", (json_int_t)v->time, "wall", (json_int_t)v->wall,
		      "subject", v->subject, "sort", sort_words[v->sort], "key", v->key, "contexts", contexts, "match",
		      match_json(v), "events", events, "steps", steps_json(v->steps, v->n_steps), "injected",
		      v->injected, "generation", v->generation);
	if (v->asked[0])
		json_object_set_new(j, "asked", json_string(v->asked));
	if (v->reason)
		json_object_set_new(j, "reason", json_string(v->reason));
	return j;
}
