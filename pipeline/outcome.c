// SPDX-License-Identifier: GPL-2.0-or-later
/* What becomes of plans: act's messages change the picture, steps that are done or not come back as events. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const result_kinds[] = {
	[ACTION_OK] = "action.succeeded",
	[ACTION_FAILED] = "action.failed",
	[ACTION_REFUSED] = "action.refused",
	[ACTION_TIMEOUT] = "action.failed",
};

static void tell_step(struct pipeline *p, const struct job *j, const struct step *step, const char *kind,
		      const enum action_result *result, const char *reason)
{
	struct event *ev = event_new(kind, "act", j->origin == PLAN_OPERATOR ? ORIGIN_OPERATOR : ORIGIN_OWN);

	if (!ev)
		return;
	snprintf(ev->cause, sizeof(ev->cause), "%s", j->verdict);
	ev->device = step->device[0] ? strdup(step->device) : NULL;
	ev->array = j->plan->array[0] ? strdup(j->plan->array) : NULL;
	ev->slot = step->slot;
	event_set(ev, FACT_ACTION_NAME, value_str(step_op_name(step->op)));
	event_set(ev, FACT_ACTION_PLAN, value_str(j->id));
	if (j->plan->rule[0])
		event_set(ev, FACT_ACTION_RULE, value_str(j->plan->rule));
	if (result)
		event_set(ev, FACT_ACTION_RESULT, fact_enum(FACT_ACTION_RESULT, (int)*result));
	if (reason && *reason)
		event_set(ev, FACT_ACTION_REASON, value_str(reason));
	put_caused(p, ev, j->script ? j->script->v : NULL, j->injected);
}

static bool destructive(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct action_ops *ops = action_find(step_op_name(plan->step[i].op));

		if (!plan->step[i].refused && ops && ops->desc.destructive)
			return true;
	}
	return false;
}

static void begin_step(struct pipeline *p, struct job *j, const struct step *step)
{
	tell_step(p, j, step, "action.started", NULL, NULL);
	inventory_did(p->inv, j->array, step, pipeline_now(p));
}

void job_started(struct pipeline *p, struct job *j)
{
	p->counts.plans++;
	if (j->origin == PLAN_BUILTIN || j->dry_run) {
		if (!j->quiet)
			tell_plan(p, j, "started");
		return;
	}
	tell_plan(p, j, "started");
	if (j->origin == PLAN_RULE && destructive(j->plan))
		inventory_spent(p->inv, j->array, pipeline_now(p));
	for (size_t i = 0; i < j->plan->n_steps; i++)
		if (!j->plan->step[i].refused)
			begin_step(p, j, &j->plan->step[i]);
}

/* ---- messages while it runs ---- */

static void take_step(struct job *j, const json_t *msg)
{
	const char *result = json_string_value(json_object_get(msg, "result"));
	const char *reason = json_string_value(json_object_get(msg, "reason"));
	json_int_t i = json_integer_value(json_object_get(msg, "step"));

	if (i < 0 || (size_t)i >= j->plan->n_steps || !result)
		return;
	j->result[i].told = true;
	j->result[i].result = strcmp(result, "ok") == 0 || strcmp(result, "already") == 0 ? ACTION_OK : ACTION_FAILED;
	snprintf(j->result[i].reason, sizeof(j->result[i].reason), "%s", reason ? reason : "");
}

/* Who stopped an array is known before rules hear that it is stopped. One that was deleted and is back is started by
 * a person: it was stopped by one. */
static void remember_stop(struct pipeline *p, const struct job *j)
{
	const struct array *a = j->plan->array[0] ? inventory_array(p->inv, j->plan->array) : NULL;

	for (size_t i = 0; a && !a->running && i < j->plan->n_steps; i++)
		if ((j->plan->step[i].op == STEP_STOP || j->plan->step[i].op == STEP_RESTORE) &&
		    !j->plan->step[i].refused)
			inventory_stopped(p->inv, j->plan->array,
					  j->origin == PLAN_OPERATOR ? STOPPED_OPERATOR : STOPPED_BROKER);
}

static void take_state(struct pipeline *p, struct job *j, const json_t *state)
{
	json_t *took = json_object_get(state, "timing");
	struct err e = {0};
	unsigned changed;

	if (took) {
		json_decref(j->took);
		j->took = json_incref(took);
	}
	if (inventory_state(p->inv, state, j->plan, pipeline_now(p), &changed, &e) < 0) {
		char text[PLAN_REASON_MAX + 64];

		snprintf(text, sizeof(text), "plan %s: what was told of the set cannot be read: %.200s", j->id, e.msg);
		tell_people(p, "error", text, NULL);
		return;
	}
	remember_stop(p, j);
	model_changed(p, changed, j);
}

/* Of act's events only those that the picture does not give by itself. */
static void take_event(struct pipeline *p, struct job *j, const json_t *body)
{
	struct event *ev;

	if (event_from_json(body, &ev, NULL) < 0)
		return;
	if (strcmp(ev->kind, "array.mismatch") != 0) {
		event_free(ev);
		return;
	}
	put_caused(p, ev, j->script ? j->script->v : NULL, j->injected);
}

void pipeline_act_message(struct pipeline *p, const char *plan_id, const json_t *msg)
{
	struct job *j = job_find(p, plan_id);
	const json_t *show = json_object_get(msg, "show");

	if (json_object_get(msg, "before"))
		before_part(p, j, plan_id, json_object_get(msg, "before"), json_is_true(json_object_get(msg, "wait")));
	if (!j || j->state != JOB_RUNNING)
		return;
	if (json_object_get(msg, "step"))
		take_step(j, msg);
	if (json_object_get(msg, "state") && !j->dry_run)
		take_state(p, j, json_object_get(msg, "state"));
	if (json_object_get(msg, "event") && !j->dry_run)
		take_event(p, j, json_object_get(msg, "event"));
	if (json_object_get(msg, "image") && !j->dry_run)
		undo_image(p, j, json_object_get(msg, "image"), json_is_true(json_object_get(msg, "wait")));
	if (json_object_get(msg, "progress"))
		read_told(p, j, json_object_get(msg, "progress"));
	if (json_object_get(msg, "path") && j->alone) {
		inventory_path_moved(p->inv, j->plan->step[0].device, json_object_get(msg, "path"));
		model_changed(p, SORT_BIT(SORT_DEVICE) | SORT_BIT(SORT_PATH), NULL);
	}
	if (show) {
		json_t *m = json_pack("{s:s s:s s:O}", "type", "show", "plan", plan_id, "text", show);

		if (m)
			p->ops.publish(p->ops.u, m);
		json_decref(m);
	}
	drain(p);
}

/* ---- the end ---- */

/* Steps of which act said nothing: all went well, or the first of them is the one that did not. */
static void fill_results(struct job *j, enum action_result result, const char *reason)
{
	bool failed = false;

	for (size_t i = 0; i < j->plan->n_steps; i++) {
		if (j->plan->step[i].refused)
			continue;
		failed = failed || (j->result[i].told && j->result[i].result != ACTION_OK);
		if (j->result[i].told || (result != ACTION_OK && failed))
			continue;
		j->result[i].told = true;
		j->result[i].result = result;
		snprintf(j->result[i].reason, sizeof(j->result[i].reason), "%s", reason ? reason : "");
		failed = result != ACTION_OK;
	}
}

static void tell_steps(struct pipeline *p, struct job *j)
{
	for (size_t i = 0; j->plan && i < j->plan->n_steps; i++) {
		const struct step *step = &j->plan->step[i];
		const enum action_result refused = ACTION_REFUSED,
					 *result = step->refused ? &refused : &j->result[i].result;
		_cleanup_(buf_free) struct buf b = {0};

		if (!step->refused && !j->result[i].told)
			continue;
		tell_step(p, j, step, result_kinds[*result], result,
			  step->refused ? step->reason : j->result[i].reason);
		step_print(j->plan, step, &b);
		if (!step->refused && *result != ACTION_OK)
			buf_addf(&b, ": failed: %s", j->result[i].reason);
		cases_note(p->cases, j->n_asks && j->ask[0].device[0] ? j->ask[0].device : step->device,
			   clock_wall(p->clock), buf_str(&b));
	}
}

/* Act tells no state of a set that is no more. */
static void forget_set(struct pipeline *p, const struct job *j, enum action_result result)
{
	for (size_t i = 0; j->plan && i < j->plan->n_steps && result == ACTION_OK; i++)
		if (j->plan->step[i].op == STEP_DELETE_SET && !j->plan->step[i].refused) {
			inventory_forget_set(p->inv, j->set);
			model_changed(p, SORT_ALL, j);
		}
}

/* Of what was made act has told all, and no probe must read it while the next plan writes: members would look stale. It
 * is held like all that is managed. What could not be made is to be seen. */
static void made(struct pipeline *p, const struct job *j, bool ok)
{
	for (size_t k = 0; k < j->plan->create->n_disks && !ok; k++) {
		const struct device *d = inventory_device(p->inv, j->plan->create->disk[k].device);

		if (d && strcmp(d->set, j->set) != 0)
			ask_probe(p, d->id);
	}
	if (ok)
		want(p, j->set, true, false, false);
}

/* What disks hold changed in a way that only reading them tells. */
static void read_again(struct pipeline *p, const struct job *j)
{
	for (size_t i = 0; j->plan && i < j->plan->n_steps; i++) {
		enum step_op op = j->plan->step[i].op;

		if (j->plan->step[i].refused)
			continue;
		if (j->plan->step[i].wipe && j->result[i].told && j->result[i].result == ACTION_OK) {
			inventory_wiped(p->inv, j->plan->step[i].device);
			model_changed(p, SORT_ALL, j);
		} else if (op == STEP_ADD_SPARE || op == STEP_REMOVE_SPARE || op == STEP_REMOVE_MEMBER ||
			   op == STEP_READD_MEMBER) {
			ask_probe(p, j->plan->step[i].device);
		}
		if (op == STEP_CREATE || (op == STEP_RESTORE && j->plan->create))
			made(p, j, j->result[i].result == ACTION_OK);
		for (size_t k = 0; op == STEP_DELETE_SET && k < j->plan->n_devices; k++)
			ask_probe(p, j->plan->devices[k].id);
	}
}

/* {"plan","verdict","rule","origin","set","array","array-id","device","result","reason","lines","injected","dry-run","wall",
 * "took": microseconds by phase, null if act told none; "before": as act ends what it tells of that} */
static void tell_outcome(struct pipeline *p, const struct job *j, enum action_result result, const char *reason)
{
	static const char *const origins[] = {"rule", "operator", "builtin", "shutdown"};
	const struct plan *plan = j->plan;
	json_t *row = json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:s s:s s:o s:b s:b s:I s:O?}", "plan", j->id,
				"verdict", j->verdict, "rule", j->rule, "origin", origins[j->origin], "set", j->set,
				"array", plan ? plan->array_name : "", "array-id", j->array, "device",
				plan_device(plan), "result", action_words[result], "reason", reason ? reason : "",
				"lines", plan ? plan_lines(plan) : json_array(), "injected", j->injected, "dry-run",
				j->dry_run, "wall", (json_int_t)clock_wall(p->clock), "took", j->took);
	json_t *undo = undo_told(p, j->id), *msg;

	if (undo && !j->dry_run)
		json_object_set(row, "undo", undo);
	json_decref(undo);
	if (j->before)
		json_object_set(row, "before", j->before);
	msg = row ? json_copy(row) : NULL;

	if (row && !j->dry_run)
		p->ops.store(p->ops.u, "outcome", row, j->id, false);
	if (msg && json_object_set_new(msg, "type", json_string("outcome")) == 0)
		p->ops.publish(p->ops.u, msg);
	json_decref(row);
	json_decref(msg);
}

/* The plan as a whole: the worst of its steps. One that went well may have something to say, too: a forced start, a
 * return that could not be by bitmap. */
static enum action_result whole_result(const struct job *j, enum action_result result, const char **reason)
{
	for (size_t i = 0; j->plan && i < j->plan->n_steps && result == ACTION_OK; i++) {
		if (j->plan->step[i].refused) {
			*reason = j->plan->step[i].reason;
			return ACTION_REFUSED;
		}
		if (j->result[i].told && j->result[i].result != ACTION_OK) {
			*reason = j->result[i].reason;
			return j->result[i].result;
		}
		if (j->result[i].told && j->result[i].reason[0] && !(*reason && **reason))
			*reason = j->result[i].reason;
	}
	return result;
}

/* A plan that could not even be made: its first ask is told as refused. */
static void refuse_all(struct job *j, const char *reason)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct step *step;
	enum step_op op = 0;

	if (!plan)
		return;
	while (op < STEP_OP_MAX - 1 && j->n_asks && strcmp(step_op_name(op), j->ask[0].action) != 0)
		op++;
	snprintf(plan->id, sizeof(plan->id), "%s", j->id);
	snprintf(plan->set, sizeof(plan->set), "%s", j->set);
	step = &plan->step[plan->n_steps++];
	*step = (struct step){.op = op, .slot = -1, .refused = true};
	snprintf(step->device, sizeof(step->device), "%s", j->n_asks ? j->ask[0].device : "");
	snprintf(step->reason, sizeof(step->reason), "%s", reason);
	plan_free(j->plan);
	j->plan = plan;
	j->ask_of[0] = 0;
}

/* A person's command has written the locks of a new set before it is made; a rule cannot. */
static void tell_unlocked(struct pipeline *p, const struct job *j, enum action_result result)
{
	char text[2 * META_GUID_MAX + 128];

	if (result != ACTION_OK || j->origin != PLAN_RULE || !j->plan || !j->plan->create || !j->plan->create->new_set)
		return;
	snprintf(text, sizeof(text),
		 "the set %s of %s is new: 'sparectl manage %s' keeps other tools off it at the next boot", j->set,
		 j->plan->array_name, j->set);
	tell_people(p, "warning", text, NULL);
}

void job_finish(struct pipeline *p, struct job *j, enum action_result result, const char *reason)
{
	struct script *s = j->script;
	bool quiet;

	if (j->plan && j->state == JOB_RUNNING)
		fill_results(j, result, reason);
	if (lend_returns(p, j, result, reason))
		return;
	list_remove(&j->link);
	if (result == ACTION_REFUSED && j->state != JOB_RUNNING) {
		refuse_all(j, reason);
		result = ACTION_OK;
	}
	if (j->plan)
		fill_results(j, result, reason);
	result = whole_result(j, result, &reason);
	read_over(p, j, result);
	light_over(p, j, result);
	quiet = j->origin == PLAN_BUILTIN && j->quiet && result == ACTION_OK;
	if (j->origin == PLAN_BUILTIN) {
		builtin_done(p, j, result, reason);
	} else if (!j->dry_run) {
		tell_steps(p, j);
		forget_set(p, j, result);
		read_again(p, j);
		give_back(p, j);
		if (result != ACTION_OK)
			undo_failed(p, j->id);
		undo_keep(p, j, result);
		tell_unlocked(p, j, result);
	}
	if (!quiet && j->plan && (j->plan->n_steps || j->origin == PLAN_OPERATOR))
		tell_outcome(p, j, result, reason);
	if (s)
		script_job_done(p, s, j);
	lend_over(p, j, result, reason);
	if (j->origin == PLAN_SHUTDOWN)
		shutdown_stopped(p, result == ACTION_OK);
	job_free(j);
}

void pipeline_act_done(struct pipeline *p, const char *plan_id, enum action_result result, const char *reason)
{
	struct job *j = job_find(p, plan_id);

	if (!j || j->state != JOB_RUNNING)
		return;
	inventory_stuck(p->inv, j->set, result == ACTION_TIMEOUT ? (reason ? reason : "act hangs") : "");
	if (result == ACTION_REFUSED && !j->replanned && !j->alone && j->origin != PLAN_BUILTIN) {
		j->replanned = true;
		j->acked = false;
		j->state = JOB_WAITING;
		memset(j->result, 0, sizeof(j->result));
		want(p, j->set, false, true, false);
	} else {
		if (result != ACTION_OK && j->origin != PLAN_BUILTIN &&
		    !j->dry_run) /* what is left of it is to be seen */
			want(p, j->set, true, true, false);
		job_finish(p, j, result, reason);
	}
	drain(p);
}
