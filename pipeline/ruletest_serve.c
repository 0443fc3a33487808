// SPDX-License-Identifier: GPL-2.0-or-later
/* The other side of the pipeline in a rule test: what it asks for is done when it has returned. */
#include "pipeline/ruletest_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void add_token(struct runner *r, int what, const char *id)
{
	struct pending_token *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->what = what;
	snprintf(t->id, sizeof(t->id), "%s", id);
	list_insert(&r->tokens, &t->link);
}

static void op_probe(void *u, const char *device_id, const char *node, bool again)
{
	(void)node;
	(void)again;
	add_token(u, TOKEN_PROBE, device_id);
}

static const struct test_outcome *outcome_of(struct runner *r, const struct plan *p, const struct step *s, bool use)
{
	for (size_t i = 0; i < r->test->n_outcomes; i++) {
		const struct test_outcome *o = &r->test->outcomes[i];

		if (strcmp(o->action, step_op_name(s->op)) != 0 || (o->device && strcmp(o->device, s->device) != 0) ||
		    (o->array && strcmp(o->array, p->array) != 0) || (o->times > 0 && r->outcome_used[i] >= o->times))
			continue;
		r->outcome_used[i] += use;
		return o;
	}
	return NULL;
}

static void op_run(void *u, const struct plan *p)
{
	struct pending_plan *w = calloc(1, sizeof(*w));
	json_t *j = plan_to_json(p);
	struct runner *r = u;

	if (w && plan_from_json(j, &w->plan, NULL) == 0) {
		w->due = r->boot;
		for (size_t i = 0; i < p->n_steps; i++) {
			const struct test_outcome *o = p->step[i].refused ? NULL : outcome_of(r, p, &p->step[i], false);

			w->due = o ? MAX(w->due, r->boot + o->after) : w->due;
		}
		list_insert(&r->plans, &w->link);
		w = NULL;
	}
	free(w);
	json_decref(j);
}

static void op_stop(void *u, const char *plan_id, const char *reason)
{
	struct runner *r = u;
	struct pending_plan *w;

	list_foreach (w, &r->plans, link)
		if (strcmp(w->plan->id, plan_id) == 0) {
			w->due = r->boot;
			snprintf(w->stopped, sizeof(w->stopped), "%s", reason);
		}
}

static struct firing *firing_of(struct runner *r, const char *verdict)
{
	for (size_t i = r->n_firings; i-- > 0;)
		if (strcmp(r->firings[i].v->id, verdict) == 0)
			return &r->firings[i];
	return NULL;
}

static void op_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	(void)table;
	(void)row;
	if (want_ack)
		add_token(u, TOKEN_ACK, id);
}

/* Lines of plans: of an outcome, for then it is known what was refused; of a shadow plan at once. */
static void op_publish(void *u, const json_t *msg)
{
	const char *type = json_string_value(json_object_get(msg, "type"));
	const char *state = json_string_value(json_object_get(msg, "state"));
	const json_t *holder = strcmp(type, "plan") == 0 ? json_object_get(msg, "plan") : msg;
	const char *verdict = json_string_value(json_object_get(holder, "verdict"));
	struct firing *f = verdict ? firing_of(u, verdict) : NULL;

	if (f && (strcmp(type, "outcome") == 0 || (state && strcmp(state, "shadow") == 0)))
		json_array_extend(f->plans, json_object_get(msg, "lines"));
}

static void op_notify(void *u, const json_t *notice)
{
	const char *verdict = json_string_value(json_object_get(notice, "verdict"));
	struct firing *f = verdict ? firing_of(u, verdict) : NULL;

	if (f)
		json_array_append(f->texts, json_object_get(notice, "text"));
}

static void op_exec(void *u, const char *token, const char *const *argv, const char *const *env, int64_t timeout_ns)
{
	(void)argv;
	(void)env;
	(void)timeout_ns;
	add_token(u, TOKEN_EXEC, token);
}

static void on_seen(void *u, const struct verdict *v)
{
	struct runner *r = u;
	struct firing *more = reallocarray(r->firings, r->n_firings + 1, sizeof(*more));

	if (!more)
		return;
	r->firings = more;
	more[r->n_firings++] = (struct firing){.v = verdict_ref(v), .plans = json_array(), .texts = json_array()};
}

/* ---- act ---- */

static void act(struct runner *r, struct plan *plan)
{
	enum action_result result = ACTION_OK;
	const char *reason = NULL;
	struct err e = {0};
	json_t *state;

	for (size_t i = 0; i < plan->n_steps && result == ACTION_OK; i++) {
		const struct test_outcome *o = plan->step[i].refused ? NULL : outcome_of(r, plan, &plan->step[i], true);

		if (plan->step[i].refused)
			continue;
		if (o) {
			result = o->result == TEST_REFUSED ? ACTION_REFUSED : ACTION_FAILED;
			reason = "as the test says";
		} else if (model_step(r->model, plan, &plan->step[i], &e) < 0) {
			result = ACTION_FAILED;
			reason = e.msg;
		} else {
			json_t *msg = json_pack("{s:i s:s}", "step", (int)i, "result", "ok");

			pipeline_act_message(r->p, plan->id, msg);
			json_decref(msg);
		}
	}
	state = model_state(r->model, plan->set);
	if (state) {
		json_t *msg = json_pack("{s:o}", "state", state);

		pipeline_act_message(r->p, plan->id, msg);
		json_decref(msg);
	}
	pipeline_act_done(r->p, plan->id, result, reason);
}

static bool serve_token(struct runner *r)
{
	struct pending_token *t;
	json_t *answer;

	if (list_empty(&r->tokens))
		return false;
	t = container_of(r->tokens.next, struct pending_token, link);
	list_remove(&t->link);
	switch (t->what) {
	case TOKEN_PROBE:
		answer = model_probe(r->model, t->id);
		pipeline_probed(r->p, t->id, answer, answer ? NULL : "it is not here");
		json_decref(answer);
		break;
	case TOKEN_ACK:
		pipeline_stored(r->p, t->id);
		break;
	case TOKEN_EXEC:
		pipeline_exec_done(r->p, t->id, 0, NULL);
		break;
	}
	free(t);
	return true;
}

static bool serve_plan(struct runner *r)
{
	struct pending_plan *w;

	list_foreach (w, &r->plans, link) {
		if (w->due > r->boot)
			continue;
		list_remove(&w->link);
		if (w->stopped[0])
			pipeline_act_done(r->p, w->plan->id, ACTION_REFUSED, w->stopped);
		else
			act(r, w->plan);
		plan_free(w->plan);
		free(w);
		return true;
	}
	return false;
}

void runner_serve(struct runner *r)
{
	while (serve_token(r) || serve_plan(r))
		;
}

void runner_drop(struct runner *r)
{
	struct pending_token *t;
	struct pending_plan *w;

	list_foreach (t, &r->tokens, link) {
		list_remove(&t->link);
		free(t);
	}
	list_foreach (w, &r->plans, link) {
		list_remove(&w->link);
		plan_free(w->plan);
		free(w);
	}
}

int runner_make_pipeline(struct runner *r, struct ruleset *rules, struct err *e)
{
	const struct pipeline_ops ops = {.probe = op_probe,
					 .run = op_run,
					 .stop = op_stop,
					 .store = op_store,
					 .publish = op_publish,
					 .notify = op_notify,
					 .exec = op_exec,
					 .u = r};
	int rc = pipeline_make(&r->settings, rules, &r->clock, &ops, !r->real_time, &r->p, e);

	if (rc < 0)
		return rc;
	r->p->seen = on_seen;
	r->p->seen_u = r;
	return 0;
}
