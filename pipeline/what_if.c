// SPDX-License-Identifier: GPL-2.0-or-later
/* What an event would do: the same story told to copies, up to a minute ahead of now, with nothing behind it. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AHEAD_NS (60 * NS_PER_SEC)

struct question {
	struct pipeline copy;
	struct clock clock; /* the copy's: stands where the question puts it */
	const struct clock *real;
	int64_t boot, ahead; /* ahead: of now */
	const struct event *about;
	uint64_t seq;
	json_t *verdicts;
	json_t *last; /* the entry that plans are added to; borrowed */
};

static int64_t question_boot(void *u)
{
	const struct question *q = u;

	return q->boot + q->ahead;
}

static int64_t question_awake(void *u)
{
	const struct question *q = u;

	return clock_awake(q->real) + q->ahead;
}

static int64_t question_wall(void *u)
{
	const struct question *q = u;

	return clock_wall(q->real) + q->ahead;
}

/* Of what would happen anyway only what the event had a part in. */
static bool concerns(const struct question *q, const struct verdict *v)
{
	for (size_t i = 0; i < v->n_events; i++)
		if (v->events[i] == q->seq)
			return true;
	for (size_t i = 0; i < v->n_contexts; i++) {
		const struct verdict_context *c = &v->contexts[i];

		if ((c->device && q->about->device && strcmp(c->device, q->about->device) == 0) ||
		    (c->array && q->about->array && strcmp(c->array, q->about->array) == 0))
			return true;
	}
	return false;
}

static json_t *done_line(const struct verdict_step *step, const char *text)
{
	return json_sprintf("%s: %s", step->action->name, text);
}

static void on_question(void *u, const struct verdict *v, const struct plan *plan, const struct verdict_step *step,
			const char *text)
{
	struct question *q = u;

	if (!plan && !step) {
		q->last = NULL;
		if (!concerns(q, v))
			return;
		q->last = verdict_to_json(v);
		if (!q->last)
			return;
		json_object_set_new(q->last, "reason", json_string(v->reason ? v->reason : ""));
		json_object_set_new(q->last, "in", json_integer(q->ahead));
		json_object_set_new(q->last, "plans", json_array());
		json_object_set_new(q->last, "does", json_array());
		json_array_append_new(q->verdicts, q->last);
		return;
	}
	if (q->last && plan)
		json_array_append_new(json_object_get(q->last, "plans"), plan_lines(plan));
	else if (q->last)
		json_array_append_new(json_object_get(q->last, "does"), done_line(step, text));
}

static void no_probe(void *u, const char *device_id, const char *node, bool again)
{
	(void)u;
	(void)device_id;
	(void)node;
	(void)again;
}

static void no_run(void *u, const struct plan *p)
{
	(void)u;
	(void)p;
}

static void no_stop(void *u, const char *plan_id, const char *reason)
{
	(void)u;
	(void)plan_id;
	(void)reason;
}

static void no_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	(void)u;
	(void)table;
	(void)row;
	(void)id;
	(void)want_ack;
}

static void no_message(void *u, const json_t *msg)
{
	(void)u;
	(void)msg;
}

static void no_exec(void *u, const char *token, const char *const *argv, const char *const *env, int64_t timeout_ns)
{
	(void)u;
	(void)token;
	(void)argv;
	(void)env;
	(void)timeout_ns;
}

static const struct strset *marks_of(void *u, const char *device)
{
	const struct question *q = u;

	return engine_marks(q->copy.engine, device);
}

static int open_question(struct question *q, struct pipeline *p)
{
	struct pipeline *c = &q->copy;
	struct list *lists[] = {&c->inbox, &c->verdicts, &c->scripts, &c->jobs, &c->work, &c->replays, &c->undos};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_init(lists[i]);
	q->real = p->clock;
	q->boot = pipeline_now(p);
	q->clock = (struct clock){.boot = question_boot, .awake = question_awake, .wall = question_wall, .u = q};
	c->settings = p->settings;
	c->clock = &q->clock;
	c->phase = p->phase;
	c->seq = p->seq;
	c->plans = p->plans;
	c->ops = (struct pipeline_ops){.probe = no_probe,
				       .run = no_run,
				       .stop = no_stop,
				       .store = no_store,
				       .publish = no_message,
				       .notify = no_message,
				       .exec = no_exec};
	c->on_question = on_question;
	c->question_u = q;
	c->inv = inventory_clone(p->inv);
	if (!c->inv || cases_new(&c->cases) < 0 || coalesce_new(&c->coalesce) < 0)
		return -1;
	if (engine_clone(p->engine,
			 &(struct engine_options){.world = &inventory_world_ops,
						  .world_u = c->inv,
						  .on_verdict = on_verdict,
						  .u = c,
						  .prefix = "if-",
						  .room = (size_t)p->settings->windows},
			 &c->engine) < 0)
		return -1;
	inventory_marks(c->inv, marks_of, q);
	return 0;
}

static void close_question(struct question *q)
{
	struct script *s;
	struct set_work *w;
	struct job *j;

	list_foreach (j, &q->copy.jobs, link)
		job_free(j);
	list_foreach (s, &q->copy.scripts, link)
		script_free(s);
	list_foreach (w, &q->copy.work, link)
		free(w);
	engine_free(q->copy.engine);
	coalesce_free(q->copy.coalesce);
	cases_free(q->copy.cases);
	inventory_free(q->copy.inv);
}

/* Timers that the event started, as far as one looks ahead. */
static void look_ahead(struct question *q)
{
	int64_t at;

	for (int i = 0; i < 1000 && engine_deadline(q->copy.engine, &at) && at <= q->boot + AHEAD_NS; i++) {
		q->ahead = MAX(q->ahead, at - q->boot);
		engine_advance(q->copy.engine, question_boot(q), question_awake(q));
		drain(&q->copy);
	}
}

json_t *pipeline_what_if(struct pipeline *p, const struct event *ev)
{
	_cleanup_(freep) struct question *q = calloc(1, sizeof(*q));
	json_t *j = event_to_json(ev), *answer = NULL;
	struct event *copy = NULL;

	if (q && open_question(q, p) == 0 && j && event_from_json(j, &copy, NULL) == 0) {
		q->about = ev;
		q->seq = p->seq + 1;
		q->verdicts = json_array();
		copy->origin = ORIGIN_INJECTED;
		copy->time = 0;
		put_event(&q->copy, copy);
		copy = NULL;
		drain(&q->copy);
		look_ahead(q);
		answer = json_pack("{s:O s:o}", "event", j, "verdicts", q->verdicts);
	}
	event_free(copy);
	if (q)
		close_question(q);
	json_decref(j);
	return answer;
}

/* ---- what a verdict would do ---- */

static void put_line(void *u, const struct verdict *v, const struct plan *plan, const struct verdict_step *step,
		     const char *text)
{
	struct question *q = u;
	json_t *lines = plan ? plan_lines(plan) : NULL;

	(void)v;
	if (lines)
		json_array_extend(q->verdicts, lines);
	else if (step)
		json_array_append_new(q->verdicts, done_line(step, text));
	json_decref(lines);
}

json_t *would_do(struct pipeline *p, const struct verdict *v)
{
	_cleanup_(freep) struct question *q = calloc(1, sizeof(*q));
	json_t *lines = json_array();

	if (q && open_question(q, p) == 0) {
		q->copy.on_question = put_line;
		q->verdicts = lines;
		on_verdict(&q->copy, v);
		carry_out(&q->copy);
	}
	if (q)
		close_question(q);
	return lines;
}

json_t *would_approve(struct pipeline *p, const char *question, struct err *e)
{
	_cleanup_(freep) struct question *q = calloc(1, sizeof(*q));
	json_t *lines = NULL;
	int r = -ENOMEM;

	if (q && open_question(q, p) == 0) {
		q->copy.on_question = put_line;
		q->verdicts = lines = json_array();
		r = engine_answer(q->copy.engine, question, true, e);
		carry_out(&q->copy);
	} else {
		err_sys(e, ENOMEM, "dry run");
	}
	if (q)
		close_question(q);
	if (r < 0)
		json_decref(TAKE_PTR(lines));
	return lines;
}
