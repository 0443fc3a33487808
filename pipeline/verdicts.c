// SPDX-License-Identifier: GPL-2.0-or-later
/* Verdicts are carried out step by step: adjacent steps about arrays become one plan for each array, the others are
 * done here. What fails decides, by on-failure, about what comes after it. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void script_free(struct script *s)
{
	if (!s)
		return;
	list_remove(&s->link);
	verdict_unref(s->v);
	free(s);
}

/* ---- templates of on-failure steps ---- */

static const char *action_fact(const struct script *s, const char *name, size_t n)
{
	const struct {
		const char *name, *value;
	} facts[] = {
		{"action.name", s->why.name},	  {"action.result", action_words[s->why.result]},
		{"action.reason", s->why.reason}, {"action.plan", s->why.plan},
		{"action.rule", s->v->rule},
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (strlen(facts[i].name) == n && strncmp(facts[i].name, name, n) == 0)
			return facts[i].value ? facts[i].value : "";
	return NULL;
}

char *fill_action(const struct script *s, const char *text)
{
	struct buf b = {0};

	while (*text) {
		const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
		const char *value = end ? action_fact(s, text + 2, (size_t)(end - text - 2)) : NULL;

		if (value) {
			buf_add(&b, value);
			text = end + 1;
		} else {
			buf_addc(&b, *text++);
		}
	}
	return buf_take(&b);
}

/* ---- parameters ---- */

static const char *param_text(const struct verdict_step *step, const char *name)
{
	const struct verdict_param *p = verdict_step_param(step, name);

	return p && p->v.type == V_STRING ? p->v.str : p && p->v.type == V_ENUM ? p->v.words[p->v.i] : NULL;
}

static json_t *param_to_json(const struct verdict_param *p)
{
	json_t *j;

	switch (p->type) {
	case PARAM_BOOL:
		return json_boolean(p->v.b);
	case PARAM_INT:
	case PARAM_DURATION:
	case PARAM_SIZE:
		return json_integer(p->v.i);
	case PARAM_RATE:
		if (p->v.type == V_STRING) /* max */
			return json_string(p->v.str);
		return json_integer(p->v.i);
	case PARAM_WORDS:
	case PARAM_ARGV:
		j = json_array();
		for (size_t i = 0; i < p->n; i++)
			json_array_append_new(j, json_string(p->list[i]));
		return j;
	case PARAM_ENV:
	case PARAM_FACTS:
		j = json_object();
		for (size_t i = 0; i + 1 < 2 * p->n; i += 2)
			json_object_set_new(j, p->list[i], json_string(p->list[i + 1]));
		return j;
	default:
		return json_string(p->v.type == V_ENUM ? p->v.words[p->v.i] : p->v.str);
	}
}

static json_t *params_to_json(const struct verdict_step *step)
{
	json_t *j = json_object();

	for (size_t i = 0; i < step->n_params; i++)
		json_object_set_new(j, step->params[i].name, param_to_json(&step->params[i]));
	return j;
}

/* ---- failures ---- */

static void fail(struct script *s, const struct verdict_step *step, enum action_result result, const char *reason,
		 const char *plan)
{
	enum outcome o = result == ACTION_REFUSED ? OUTCOME_REFUSED : OUTCOME_FAILED;

	if (s->worst != OUTCOME_FAILED)
		s->worst = o;
	s->failed = step;
	s->why.name = step->action->name;
	s->why.result = result;
	snprintf(s->why.reason, sizeof(s->why.reason), "%s", reason);
	snprintf(s->why.plan, sizeof(s->why.plan), "%s", plan);
}

/* After a step or a group: what failed decides about the rest. */
static void after_failure(struct script *s)
{
	const struct verdict_step *step = s->failed;

	s->failed = NULL;
	if (!step || step->on_failure == ON_FAILURE_CONTINUE)
		return;
	if (step->on_failure == ON_FAILURE_STEPS && !s->in_failure) {
		s->steps = step->failure_steps;
		s->n = step->n_failure_steps;
		s->at = 0;
		s->in_failure = true;
		return;
	}
	s->at = s->n;
}

static void tell_failed_step(struct pipeline *p, const struct script *s, const struct verdict_step *step,
			     const char *reason)
{
	struct event *ev = event_new("action.failed", "rules", ORIGIN_OWN);

	if (!ev)
		return;
	if (s->v->n_contexts && s->v->contexts[0].device)
		ev->device = strdup(s->v->contexts[0].device);
	event_set(ev, FACT_ACTION_NAME, value_str(step->action->name));
	event_set(ev, FACT_ACTION_RULE, value_str(s->v->rule));
	event_set(ev, FACT_ACTION_RESULT, fact_enum(FACT_ACTION_RESULT, ACTION_FAILED));
	event_set(ev, FACT_ACTION_REASON, value_str(reason));
	put_caused(p, ev, s->v, s->injected);
}

/* ---- steps that are not about arrays ---- */

static void do_notify(struct pipeline *p, struct script *s, const struct verdict_step *step)
{
	const char *severity = param_text(step, "severity"), *text = param_text(step, "text");
	_cleanup_(freep) char *filled = fill_action(s, text ? text : "");

	if (p->on_question)
		p->on_question(p->question_u, s->v, NULL, step, filled ? filled : "");
	else
		tell_people(p, severity ? severity : "notice", filled ? filled : "", s);
}

static void emit_fact(struct event *ev, const char *name, const char *text)
{
	int id = fact_lookup(name);
	struct value v;

	if (id >= 0 && fact_table[id].from == FROM_EVENT && id > FACT_EVENT_GENERATION &&
	    value_parse(fact_table[id].type, fact_table[id].words, text, &v, NULL) == 0 &&
	    event_set(ev, (enum fact_id)id, v) == 0)
		return;
	if (!ev->extra)
		ev->extra = json_object();
	json_object_set_new(ev->extra, name, json_string(text));
}

static void do_emit(struct pipeline *p, struct script *s, const struct verdict_step *step)
{
	const struct verdict_context *c = s->v->n_contexts ? &s->v->contexts[0] : NULL;
	const struct verdict_param *facts = verdict_step_param(step, "facts");
	const char *kind = param_text(step, "kind");
	struct event *ev = kind && kind_valid(kind) ? event_new(kind, "rules", ORIGIN_OWN) : NULL;

	if (!ev)
		return;
	if (p->on_question) {
		p->on_question(p->question_u, s->v, NULL, step, kind);
		event_free(ev);
		return;
	}
	if (c) {
		ev->device = c->device ? strdup(c->device) : NULL;
		ev->array = c->array ? strdup(c->array) : NULL;
		ev->slot = c->slot;
	}
	for (size_t i = 0; facts && i < facts->n; i++)
		emit_fact(ev, facts->list[2 * i], facts->list[2 * i + 1]);
	put_caused(p, ev, s->v, s->injected);
}

static const char **env_texts(const struct verdict_param *env)
{
	const char **list = calloc((env ? env->n : 0) + 1, sizeof(*list));

	for (size_t i = 0; list && env && i < env->n; i++) {
		struct buf b = {0};

		buf_addf(&b, "%s=%s", env->list[2 * i], env->list[2 * i + 1]);
		list[i] = buf_take(&b);
	}
	return list;
}

static void do_exec(struct pipeline *p, struct script *s, const struct verdict_step *step)
{
	const struct verdict_param *argv = verdict_step_param(step, "argv"), *env = verdict_step_param(step, "env");
	const struct verdict_param *timeout = verdict_step_param(step, "timeout");
	const char **args = argv ? calloc(argv->n + 1, sizeof(*args)) : NULL, **envs = env_texts(env);

	if (p->on_question && argv && argv->n) {
		p->on_question(p->question_u, s->v, NULL, step, argv->list[0]);
	} else if (args && envs && argv->n) {
		for (size_t i = 0; i < argv->n; i++)
			args[i] = argv->list[i];
		snprintf(s->token, sizeof(s->token), "X-%llu", (unsigned long long)++p->tokens);
		s->waits = true;
		p->ops.exec(p->ops.u, s->token, args, envs, timeout ? timeout->v.i : 30 * NS_PER_SEC);
	}
	for (size_t i = 0; envs && envs[i]; i++)
		free((void *)envs[i]);
	free(envs);
	free(args);
}

/* Done by the rule engine when the verdict arose; planning has to know of new marks. */
static void do_in_engine(struct pipeline *p, struct script *s, const struct verdict_step *step)
{
	const struct verdict_param *rules = verdict_step_param(step, "rules");
	const char *as = param_text(step, "as");
	_cleanup_(buf_free) struct buf text = {0};

	inventory_touch(p->inv);
	if (!p->on_question)
		return;
	buf_add(&text, as ? as : "");
	for (size_t i = 0; rules && i < rules->n; i++)
		buf_addf(&text, "%s%s", i ? ", " : "", rules->list[i]);
	p->on_question(p->question_u, s->v, NULL, step, buf_str(&text));
}

static const struct {
	const char *name;
	void (*fn)(struct pipeline *p, struct script *s, const struct verdict_step *step);
} doers[] = {
	{"notify", do_notify},	{"emit", do_emit},	  {"exec", do_exec},
	{"mark", do_in_engine}, {"unmark", do_in_engine}, {"inhibit", do_in_engine},
};

static void do_step(struct pipeline *p, struct script *s, const struct verdict_step *step)
{
	for (size_t i = 0; i < ARRAY_SIZE(doers); i++)
		if (strcmp(doers[i].name, step->action->name) == 0)
			doers[i].fn(p, s, step);
}

/* ---- steps about arrays ---- */

static bool about_array(const struct verdict_step *step)
{
	const struct action_ops *ops = action_find(step->action->name);

	return ops && ops->plan;
}

static const struct verdict_context *context_of(const struct script *s)
{
	static const struct verdict_context none = {.slot = -1};

	return s->context < s->v->n_contexts ? &s->v->contexts[s->context] : &none;
}

static int add_ask(struct pipeline *p, struct script *s, struct job *j, const struct verdict_step *step, struct err *e)
{
	const struct verdict_context *c = context_of(s);
	char set[META_GUID_MAX], array[META_GUID_MAX + 8];
	json_t *params = params_to_json(step);
	const char *device;
	int r = job_target(p->inv, step->action->name, params, c->device, c->array, set, array, e);

	if (r < 0) {
		json_decref(params);
		return r;
	}
	if (j->n_asks == 0) {
		snprintf(j->set, sizeof(j->set), "%s", set);
		snprintf(j->array, sizeof(j->array), "%s", array);
	} else if (strcmp(j->set, set) != 0 || strcmp(j->array, array) != 0 || j->alone) {
		json_decref(params);
		return 1; /* of another array, or of one device: the next plan */
	}
	device = action_alone(step->action->name) ? alone_device(params) : NULL;
	return job_ask(j, step->action->name, params, device ? device : c->device, c->slot,
		       step->on_failure == ON_FAILURE_CONTINUE ? FAILURE_CONTINUE : FAILURE_STOP, step);
}

/* What is not done is planned all the same, for it is to be shown. */
static void show_only(struct pipeline *p, struct script *s, struct job *j)
{
	struct err e = {0};

	if (job_plan(p, j, &e) == 0) {
		if (p->on_question)
			p->on_question(p->question_u, s->v, j->plan, NULL, NULL);
		else
			tell_plan(p, j, "shadow");
	}
	job_free(j);
}

/* One plan of the adjacent steps on one array, for the context that is next. */
static void plan_group(struct pipeline *p, struct script *s)
{
	struct job *j = job_new(p, PLAN_RULE);
	struct err e = {0};
	size_t i = s->at;
	int r = 0;

	if (!j) {
		s->at = s->n;
		return;
	}
	j->script = s;
	snprintf(j->verdict, sizeof(j->verdict), "%s", s->v->id);
	snprintf(j->rule, sizeof(j->rule), "%s", s->v->rule);
	j->injected = s->injected;
	for (; i < s->n && about_array(&s->steps[i]) && !s->steps[i].error && j->n_asks < PLAN_STEPS_MAX; i++) {
		r = add_ask(p, s, j, &s->steps[i], &e);
		if (r != 0)
			break;
	}
	s->group_end = i;
	if (j->n_asks == 0) {
		fail(s, &s->steps[s->at], ACTION_FAILED, e.msg, "");
		tell_failed_step(p, s, &s->steps[s->at], e.msg);
		s->at++;
		s->context = 0;
		job_free(j);
		after_failure(s);
		return;
	}
	if (p->on_question || s->v->mode == RULE_SHADOW) {
		s->context++;
		show_only(p, s, j);
		if (s->context >= s->v->n_contexts) {
			s->context = 0;
			s->at = s->group_end;
		}
		return;
	}
	s->waits = true;
	job_queue(p, j);
}

static void script_run(struct pipeline *p, struct script *s)
{
	while (s->at < s->n && !s->waits) {
		const struct verdict_step *step = &s->steps[s->at];

		if (step->error) {
			fail(s, step, ACTION_FAILED, step->error, "");
			tell_failed_step(p, s, step, step->error);
			s->at++;
			after_failure(s);
		} else if (about_array(step)) {
			plan_group(p, s);
		} else {
			s->at++;
			if (s->v->mode != RULE_SHADOW)
				do_step(p, s, step);
		}
	}
	if (s->waits)
		return;
	if (s->v->kind == VERDICT_FIRED && !p->on_question)
		engine_outcome(p->engine, s->v->id, s->worst, NULL, 0);
	script_free(s);
}

void script_job_done(struct pipeline *p, struct script *s, const struct job *j)
{
	for (size_t i = 0; j->plan && i < j->plan->n_steps; i++) {
		const struct step *step = &j->plan->step[i];
		const struct verdict_step *of = j->ask[j->ask_of[i]].of;

		if (step->refused)
			fail(s, of, ACTION_REFUSED, step->reason, j->id);
		else if (j->result[i].told && j->result[i].result != ACTION_OK)
			fail(s, of, j->result[i].result, j->result[i].reason, j->id);
	}
	s->waits = false;
	if (++s->context >= s->v->n_contexts) {
		s->context = 0;
		s->at = s->group_end;
		after_failure(s);
	}
	script_run(p, s);
}

void pipeline_exec_done(struct pipeline *p, const char *token, int status, const char *reason)
{
	struct script *s;

	list_foreach (s, &p->scripts, link) {
		const struct verdict_step *step;
		char text[64];

		if (!s->waits || strcmp(s->token, token) != 0)
			continue;
		s->waits = false;
		s->token[0] = '\0';
		step = &s->steps[s->at - 1];
		if (status != 0 || reason) {
			snprintf(text, sizeof(text), "ended with status %d", status);
			fail(s, step, ACTION_FAILED, reason ? reason : text, "");
			tell_failed_step(p, s, step, reason ? reason : text);
			after_failure(s);
		}
		script_run(p, s);
		break;
	}
	drain(p);
}

/* ---- verdicts ---- */

static void tell_verdict(struct pipeline *p, const struct verdict *v)
{
	json_t *row = verdict_to_json(v);

	if (!row)
		return;
	p->ops.store(p->ops.u, "verdict", row, v->id, false);
	publish(p, "verdict", "verdict", row);
}

/* A state that an injected event made counts as injected, too. */
static bool is_injected(const struct pipeline *p, const struct verdict *v)
{
	bool injected = v->injected;

	for (size_t i = 0; i < v->n_contexts; i++) {
		const struct device *d = v->contexts[i].device ? inventory_device(p->inv, v->contexts[i].device) : NULL;

		injected = injected || (d && d->injected);
	}
	return injected;
}

/* Once for each question, for nothing is done before somebody answers. */
static void tell_question(struct pipeline *p, const struct script *s)
{
	const struct verdict_context *c = s->v->n_contexts ? &s->v->contexts[0] : NULL;
	const char *name = c && c->device_name ? c->device_name : c && c->array_name ? c->array_name : s->v->subject;
	_cleanup_(buf_free) struct buf text = {0};

	buf_addf(&text, "%s asks about ", s->v->rule);
	value_escape(name, 0, &text);
	buf_addf(&text, ": %s sparectl rules approve %s, or deny %s", s->v->description, s->v->id, s->v->id);
	tell_people(p, "critical", buf_str(&text), s);
}

static void begin(struct pipeline *p, struct verdict *v)
{
	struct script *s = calloc(1, sizeof(*s));

	p->counts.verdicts++;
	if (p->seen)
		p->seen(p->seen_u, v);
	if (p->on_question)
		p->on_question(p->question_u, v, NULL, NULL, NULL);
	else
		tell_verdict(p, v);
	if (!s || (v->kind != VERDICT_FIRED && v->kind != VERDICT_CLEARED && v->kind != VERDICT_ASKED)) {
		free(s);
		verdict_unref(v);
		return;
	}
	s->v = v;
	s->steps = v->steps;
	s->at = v->from;
	s->n = v->to;
	s->worst = OUTCOME_OK;
	s->injected = is_injected(p, v);
	list_insert(&p->scripts, &s->link);
	if (v->kind == VERDICT_ASKED && !p->on_question)
		tell_question(p, s);
	script_run(p, s);
}

void carry_out(struct pipeline *p)
{
	while (!list_empty(&p->verdicts)) {
		struct queued_verdict *q = container_of(p->verdicts.next, struct queued_verdict, link);
		struct verdict *v = q->v;

		list_remove(&q->link);
		free(q);
		begin(p, v);
	}
}
