// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans in their order: one at a time per set; what is built in goes before what rules and people ask for. A plan is
 * made when its turn comes, on what is known then, and run only once its intent is durable. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct job *job_new(struct pipeline *p, enum plan_origin origin)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	list_init(&j->link);
	j->origin = origin;
	snprintf(j->id, sizeof(j->id), "P-%llu", (unsigned long long)++p->plans);
	return j;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	list_remove(&j->link);
	for (size_t i = 0; i < j->n_asks; i++)
		json_decref(j->ask[i].params);
	plan_free(j->plan);
	undo_free(j->undo);
	json_decref(j->intent);
	json_decref(j->before);
	json_decref(j->took);
	free(j);
}

int job_ask(struct job *j, const char *action, json_t *params, const char *device, int slot,
	    enum step_failure on_failure, const struct verdict_step *of)
{
	struct asked *a = &j->ask[j->n_asks];
	const struct action_ops *ops = action_find(action);

	if (j->n_asks == PLAN_STEPS_MAX || !ops) {
		json_decref(params);
		return -ENOSPC;
	}
	*a = (struct asked){
		.action = ops->desc.name, .params = params, .slot = slot, .on_failure = on_failure, .of = of};
	snprintf(a->device, sizeof(a->device), "%s", device ? device : "");
	j->alone = action_alone(action);
	j->n_asks++;
	return 0;
}

struct job *job_find(const struct pipeline *p, const char *plan_id)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (strcmp(j->id, plan_id) == 0)
			return j;
	return NULL;
}

/* ---- planning ---- */

static struct plan *plan_frame(const struct pipeline *p, const struct job *j)
{
	const struct array *a = j->array[0] ? inventory_array(p->inv, j->array) : NULL;
	struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->origin = j->origin;
	plan->injected = j->injected;
	plan->dry_run = j->dry_run;
	snprintf(plan->id, sizeof(plan->id), "%s", j->id);
	snprintf(plan->set, sizeof(plan->set), "%s", j->set);
	snprintf(plan->verdict, sizeof(plan->verdict), "%s", j->verdict);
	snprintf(plan->rule, sizeof(plan->rule), "%s", j->rule);
	if (a) {
		snprintf(plan->array, sizeof(plan->array), "%s", a->id);
		snprintf(plan->array_name, sizeof(plan->array_name), "%s", a->name);
		snprintf(plan->volume, sizeof(plan->volume), "%.*s", META_GUID_MAX - 1, a->id);
	}
	return plan;
}

static struct step *add_builtin(struct plan *plan, enum step_op op)
{
	struct step *s = &plan->step[plan->n_steps++];

	*s = (struct step){.op = op, .slot = -1};
	return s;
}

/* What is to be made is nowhere yet. */
static int job_draw(const struct pipeline *p, const struct job *j, struct world_array *world)
{
	if (!j->array[0] &&
	    (strcmp(j->ask[0].action, "create-array") == 0 || strcmp(j->ask[0].action, "restore") == 0)) {
		inventory_draw_parts(p->inv, j->set, j->ask[0].params, world);
		/* The settings are written when it is done in earnest. */
		world->managed = world->managed || (j->dry_run && !inventory_set(p->inv, j->set));
		return 0;
	}
	if (j->alone)
		return inventory_draw_alone(p->inv, j->ask[0].device, world);
	return j->array[0] ? inventory_draw(p->inv, j->array, world) : inventory_draw_set(p->inv, j->set, world);
}

static int plan_asks(struct pipeline *p, struct job *j, struct plan *plan, struct err *e)
{
	struct guard_settings guards = {.plans_per_hour = (unsigned)p->settings->budget};
	_cleanup_(freep) struct world_array *world = calloc(1, sizeof(*world));
	int r = world ? 0 : -ENOMEM;

	if (r == 0)
		r = job_draw(p, j, world);
	if (r < 0)
		return err_set(e, -r, "%s is no longer known",
			       j->alone	     ? j->ask[0].device
			       : j->array[0] ? j->array
					     : j->set);
	lend_draw_job(p, j, world);
	for (size_t i = 0; i < j->n_asks; i++) {
		const struct asked *a = &j->ask[i];
		struct ask ask = {.action = a->action,
				  .params = a->params,
				  .device = a->device[0] ? a->device : NULL,
				  .slot = a->slot,
				  .on_failure = a->on_failure};
		const char *device = json_string_value(json_object_get(a->params, "device"));
		size_t first = plan->n_steps;

		inventory_draw_disk(p->inv, device ? device : a->device, world);
		r = plan_ask(plan, &ask, world, &guards, e);
		if (r < 0)
			return r;
		for (size_t k = first; k < plan->n_steps; k++)
			j->ask_of[k] = i;
		if (r == 1 && a->on_failure == FAILURE_STOP)
			break;
	}
	return 0;
}

int job_plan(struct pipeline *p, struct job *j, struct err *e)
{
	_cleanup_(plan_freep) struct plan *plan = plan_frame(p, j);
	int r = 0;

	if (!plan)
		return err_sys(e, ENOMEM, "plan");
	if (j->claim)
		add_builtin(plan, STEP_CLAIM);
	if (j->record)
		add_builtin(plan, STEP_RECORD)->table_later = j->table_later;
	if (j->release)
		add_builtin(plan, STEP_RELEASE);
	if (j->n_asks)
		r = plan_asks(p, j, plan, e);
	if (r == 0)
		r = inventory_plan_devices(p->inv, plan);
	if (r < 0)
		return r;
	plan_free(j->plan);
	j->plan = TAKE_PTR(plan);
	return 0;
}

size_t plan_runnable(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_steps; i++)
		n += !plan->step[i].refused;
	return n;
}

json_t *plan_lines(const struct plan *plan)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < plan->n_steps; i++) {
		_cleanup_(buf_free) struct buf b = {0};

		step_print(plan, &plan->step[i], &b);
		json_array_append_new(lines, json_string(buf_str(&b)));
	}
	return lines;
}

void tell_plan(struct pipeline *p, const struct job *j, const char *state)
{
	json_t *msg = json_pack("{s:s s:s s:o s:o}", "type", "plan", "state", state, "plan", plan_to_json(j->plan),
				"lines", plan_lines(j->plan));

	if (msg)
		p->ops.publish(p->ops.u, msg);
	json_decref(msg);
}

/* ---- the queue ---- */

void job_queue(struct pipeline *p, struct job *j)
{
	list_insert(&p->jobs, &j->link);
}

static bool set_busy(const struct pipeline *p, const char *set)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (j->state == JOB_RUNNING && strcmp(j->set, set) == 0)
			return true;
	return false;
}

static void run(struct pipeline *p, struct job *j)
{
	j->state = JOB_RUNNING;
	undo_prepare(p, j);
	job_started(p, j);
	read_started(p, j);
	p->ops.run(p->ops.u, j->plan);
}

/* What was asked, and the state of its slot then: what is needed to ask again. */
static json_t *asks_to_json(const struct pipeline *p, const struct job *j)
{
	const struct array *a = j->array[0] ? inventory_array(p->inv, j->array) : NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < j->n_asks; i++) {
		const struct asked *k = &j->ask[i];
		const struct device *d = k->device[0] ? inventory_device(p->inv, k->device) : NULL;
		int slot = k->slot >= 0 ? k->slot : a && d ? array_slot_of(p->inv, a, d) : -1;
		json_t *ask = json_pack("{s:s s:s s:i s:O}", "action", k->action, "device", k->device, "slot", slot,
					"params", k->params);

		if (a && a->volume && slot >= 0 && (unsigned)slot < a->volume->slots)
			json_object_set_new(ask, "was",
					    json_string(member_words[array_member_state(p->inv, a, (unsigned)slot)]));
		json_array_append_new(list, ask);
	}
	return list;
}

const char *plan_device(const struct plan *plan)
{
	for (size_t i = 0; plan && i < plan->n_steps; i++)
		if (plan->step[i].device[0])
			return plan->step[i].device;
	return "";
}

/* {"plan","set","array","array-id","device","verdict","rule","origin","injected","wall","lines","asks","body"} */
static json_t *intent_row(struct pipeline *p, const struct job *j)
{
	static const char *const origins[] = {"rule", "operator", "builtin", "shutdown"};

	return json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:b s:I s:o s:o s:o}", "plan", j->id, "set", j->set, "array",
			 j->plan->array_name, "array-id", j->array, "device", plan_device(j->plan), "verdict",
			 j->verdict, "rule", j->rule, "origin", origins[j->origin], "injected", j->injected, "wall",
			 (json_int_t)clock_wall(p->clock), "lines", plan_lines(j->plan), "asks", asks_to_json(p, j),
			 "body", plan_to_json(j->plan));
}

/* The intent is durable already, unless the plan became another one while it waited. */
static bool intent_stored(struct pipeline *p, struct job *j)
{
	json_t *body = plan_to_json(j->plan), *row;
	bool same = j->acked && json_equal(body, json_object_get(j->intent, "body"));

	json_decref(body);
	if (same)
		return true;
	row = intent_row(p, j);
	json_decref(j->intent);
	j->intent = row;
	j->acked = false;
	j->state = JOB_STORING;
	p->ops.store(p->ops.u, "intent", row, j->id, true);
	return false;
}

/* Its turn has come. */
static void start(struct pipeline *p, struct job *j)
{
	struct err e = {0};

	if (job_plan(p, j, &e) < 0)
		job_finish(p, j, ACTION_REFUSED, e.msg);
	else if (plan_runnable(j->plan) == 0)
		job_finish(p, j, ACTION_OK, NULL);
	else if (j->origin == PLAN_BUILTIN || j->dry_run || j->alone || (intent_stored(p, j) && !lend_begin(p, j)))
		run(p, j);
}

static void start_builtin(struct pipeline *p)
{
	struct set_work *w;

	list_foreach (w, &p->work, link) {
		struct job *j = set_busy(p, w->set) ? NULL : builtin_job(p, w->set);

		if (!j)
			continue;
		job_queue(p, j);
		start(p, j);
	}
}

static bool before_in_set(const struct pipeline *p, const struct job *j)
{
	for (const struct list *l = p->jobs.next; l != &j->link; l = l->next)
		if (strcmp(container_of(l, struct job, link)->set, j->set) == 0)
			return true;
	return false;
}

/* The first job that may start: nothing of its set runs, and none of its set waits before it. What is about one device
 * waits for nothing. */
static struct job *next_job(struct pipeline *p)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (j->state == JOB_WAITING && (j->alone || (!set_busy(p, j->set) && !before_in_set(p, j))))
			return j;
	return NULL;
}

void jobs_pump(struct pipeline *p)
{
	struct job *j;

	if (p->phase == PHASE_ENUMERATING)
		return;
	start_builtin(p);
	if (p->phase != PHASE_STARTED)
		return;
	while ((j = next_job(p)))
		start(p, j);
}

void pipeline_stored(struct pipeline *p, const char *id)
{
	struct job *j = job_find(p, id);

	if (j && j->state == JOB_RUNNING)
		before_kept(p, id);
	if (!j || j->state != JOB_STORING)
		return;
	j->acked = true;
	j->state = JOB_WAITING;
	drain(p);
}
