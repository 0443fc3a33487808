// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pipeline/play.h"

#include "pipeline/recording.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t clock_time(void *u)
{
	return ((struct play *)u)->boot;
}

static int64_t clock_wall_time(void *u)
{
	return ((struct play *)u)->boot + 1700000000 * NS_PER_SEC;
}

const char *play_id(const char *name)
{
	static char id[4][DEVICE_ID_MAX];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(id[n], sizeof(id[n]), "wwn-%s", name);
	return id[n];
}

static const char *name_of(const char *id)
{
	return strncmp(id, "wwn-", 4) == 0 ? id + 4 : id;
}

void play_time_stamp(struct play *y)
{
	struct value v = value_duration(y->boot - NS_PER_SEC);
	size_t at = y->out.len;

	value_print(&v, VALUE_CANONICAL, &y->out);
	buf_pad(&y->out, ' ', y->out.len - at < 8 ? 8 - (y->out.len - at) : 1);
}

static void add_wait(struct play *y, int what, const char *id, const struct plan *plan)
{
	struct waiting *w = calloc(1, sizeof(*w));

	w->what = what;
	snprintf(w->id, sizeof(w->id), "%s", id);
	if (plan) {
		json_t *j = plan_to_json(plan);
		struct err e;

		if (plan_from_json(j, &w->plan, &e) < 0)
			fprintf(stderr, "%s:%d: the plan does not read back: %s\n", y->script, y->line, e.msg);
		json_decref(j);
	}
	*y->last = w;
	y->last = &w->next;
}

/* ---- ops ---- */

static void op_probe(void *u, const char *device_id, const char *node, bool again)
{
	(void)node;
	(void)again;
	add_wait(u, WAIT_PROBE, device_id, NULL);
}

static void op_run(void *u, const struct plan *p)
{
	add_wait(u, WAIT_PLAN, p->id, p);
}

/* The plan goes on that act has waited with. */
static void op_kept(void *u, const char *plan_id)
{
	struct plan *plan = NULL;
	struct play *y = u;

	if (!json_object_get(y->waiting_plans, plan_id))
		return;
	play_time_stamp(y);
	buf_addf(&y->out, "kept    what %s is about to write over\n", plan_id);
	if (plan_from_json(json_object_get(y->waiting_plans, plan_id), &plan, NULL) == 0)
		add_wait(y, WAIT_GOES_ON, plan_id, plan);
	plan_free(plan);
	json_object_del(y->waiting_plans, plan_id);
}

static void op_stop(void *u, const char *plan_id, const char *reason)
{
	struct play *y = u;

	for (struct waiting *w = y->first; w; w = w->next)
		if (w->what == WAIT_PLAN && strcmp(w->id, plan_id) == 0) {
			w->what = WAIT_STOPPED;
			snprintf(w->reason, sizeof(w->reason), "%s", reason);
		}
}

static void op_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	struct play *y = u;

	y->stored++;
	if (strcmp(table, "world") == 0 && !y->world)
		y->world = json_deep_copy(row);
	else if (y->world && recording_wants(table))
		json_array_append_new(y->rows, json_pack("{s:s s:I s:o}", "table", table, "wall",
							 (json_int_t)clock_wall_time(y), "row", json_deep_copy(row)));
	if (y->act_waits && strcmp(table, "before") == 0) {
		play_time_stamp(y);
		buf_addf(&y->out, "before  part %d of %s%s\n", (int)json_integer_value(json_object_get(row, "part")),
			 id, want_ack ? ", which waits" : "");
	}
	if (y->act_waits && strcmp(table, "outcome") == 0 && !json_object_get(row, "before"))
		buf_addf(&y->out, "the outcome of %s does not tell what it wrote over\n", id);
	if (strcmp(table, "intent") == 0)
		json_object_set_new(y->intents, id, json_deep_copy(row));
	if (strcmp(table, "outcome") == 0)
		json_object_del(y->intents, id);
	if (strcmp(table, "case") == 0 && !y->quiet) {
		play_time_stamp(y);
		buf_addf(&y->out, "case    %s %s: %s\n", json_string_value(json_object_get(row, "name")),
			 json_integer_value(json_object_get(row, "closed")) ? "closed" : "opened",
			 json_string_value(json_object_get(row, "why")));
	}
	if (want_ack)
		add_wait(y, WAIT_ACK, id, NULL);
}

void play_lines(struct play *y, const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++)
		buf_addf(&y->out, "%s%s", i ? ", " : "", json_string_value(json_array_get(lines, i)));
}

static void say_event(struct play *y, const json_t *ev)
{
	const char *device = json_string_value(json_object_get(ev, "device"));
	const char *array = json_string_value(json_object_get(ev, "array"));
	const char *origin = json_string_value(json_object_get(ev, "origin"));
	const json_t *facts = json_object_get(ev, "facts");
	const char *shown[] = {"action.name",	"action.reason", "member.previous-state", "resync.kind",
			       "resync.result", "path.map",	 "previous.device.slot"};

	buf_addf(&y->out, "event   %s", json_string_value(json_object_get(ev, "kind")));
	if (device)
		buf_addf(&y->out, " %s", name_of(device));
	if (array)
		buf_addf(&y->out, " %s", array);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (json_object_get(facts, shown[i]))
			buf_addf(&y->out, " %s=%s", strchr(shown[i], '.') + 1,
				 json_string_value(json_object_get(facts, shown[i])));
	if (json_integer_value(json_object_get(ev, "count")) > 1)
		buf_addf(&y->out, " count=%d", (int)json_integer_value(json_object_get(ev, "count")));
	if (strcmp(origin, "kernel") != 0)
		buf_addf(&y->out, " (%s)", origin);
}

static void say_verdict(struct play *y, const json_t *v)
{
	const char *reason = json_string_value(json_object_get(v, "reason"));

	buf_addf(&y->out, "verdict %s %s %s", json_string_value(json_object_get(v, "rule")),
		 json_string_value(json_object_get(v, "kind")),
		 name_of(json_string_value(json_object_get(v, "subject"))));
	if (reason && *reason)
		buf_addf(&y->out, ": %s", reason);
}

static void op_publish(void *u, const json_t *msg)
{
	const char *type = json_string_value(json_object_get(msg, "type"));
	const char *reason = json_string_value(json_object_get(msg, "reason"));
	struct play *y = u;

	if (y->quiet || strcmp(type, "show") == 0)
		return;
	play_time_stamp(y);
	if (strcmp(type, "event") == 0) {
		say_event(y, json_object_get(msg, "event"));
	} else if (strcmp(type, "verdict") == 0) {
		say_verdict(y, json_object_get(msg, "verdict"));
	} else if (strcmp(type, "plan") == 0) {
		buf_addf(&y->out,
			 "plan    %s %s: ", json_string_value(json_object_get(json_object_get(msg, "plan"), "id")),
			 json_string_value(json_object_get(msg, "state")));
		play_lines(y, json_object_get(msg, "lines"));
	} else if (strcmp(type, "outcome") == 0 &&
		   strcmp(json_string_value(json_object_get(msg, "result")), "replayed") == 0) {
		buf_addf(&y->out, "outcome %s replayed", json_string_value(json_object_get(msg, "plan")));
	} else if (strcmp(type, "outcome") == 0) {
		buf_addf(&y->out, "outcome %s %s: ", json_string_value(json_object_get(msg, "plan")),
			 json_string_value(json_object_get(msg, "result")));
		play_lines(y, json_object_get(msg, "lines"));
		if (reason && *reason)
			buf_addf(&y->out, " (%s)", reason);
	} else {
		const json_t *n = json_object_get(msg, "notice");

		buf_addf(&y->out, "notice  %s: %s", json_string_value(json_object_get(n, "severity")),
			 json_string_value(json_object_get(n, "text")));
	}
	buf_addc(&y->out, '\n');
}

static void op_notify(void *u, const json_t *notice)
{
	(void)u;
	(void)notice;
}

static void op_exec(void *u, const char *token, const char *const *argv, const char *const *env, int64_t timeout_ns)
{
	struct play *y = u;

	(void)env;
	(void)timeout_ns;
	play_time_stamp(y);
	buf_addf(&y->out, "exec    %s\n", argv[0]);
	add_wait(y, WAIT_EXEC, token, NULL);
}

/* ---- the other side ---- */

/* Act tells what the disks held; here the model knows. */
static void tell_images(struct play *y, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->step[i].op == STEP_DELETE || plan->step[i].op == STEP_DELETE_SET ||
		    plan->step[i].op == STEP_CREATE) {
			json_t *msg = json_pack("{s:{s:s s:s s:i s:{}}}", "image", "plan", plan->id, "set", plan->set,
						"part", 0, "left");

			pipeline_act_message(y->p, plan->id, msg);
			json_decref(msg);
			return;
		}
}

/* True: it waits until that is durable. */
static bool tell_before(struct play *y, const struct plan *plan)
{
	bool wait = plan->origin == PLAN_RULE || plan->origin == PLAN_OPERATOR;
	json_t *msg = json_pack("{s:{s:s s:s s:i s:{s:i s:i s:i s:b}}}", "before", "plan", plan->id, "set", plan->set,
				"part", 0, "end", "disks", 1, "sectors", 8, "bytes", 4096, "cut", 0);

	if (wait) {
		json_object_set_new(msg, "wait", json_true());
		json_object_set_new(y->waiting_plans, plan->id, plan_to_json(plan));
	}
	pipeline_act_message(y->p, plan->id, msg);
	json_decref(msg);
	return wait;
}

static void do_plan(struct play *y, struct plan *plan)
{
	enum action_result result = ACTION_OK;
	struct err e = {0};
	json_t *msg;

	if (plan->origin != PLAN_BUILTIN && y->next_count > 0) {
		y->next_count--;
		result = y->next_result;
	}
	if (plan->origin == PLAN_BUILTIN && y->builtin_fails > 0) {
		y->builtin_fails--;
		pipeline_act_done(y->p, plan->id, y->builtin_hangs ? ACTION_TIMEOUT : ACTION_FAILED,
				  y->builtin_hangs ? "act hangs" : "act died");
		return;
	}
	if (plan->origin == PLAN_BUILTIN && plan->n_steps == 1 && plan->step[0].op == STEP_RECORD &&
	    !plan->step[0].table_later) {
		play_time_stamp(y);
		buf_addf(&y->out, "table   %s takes out who has left\n", plan->id);
	}
	for (size_t i = 0; i < plan->n_steps && result == ACTION_OK && !plan->dry_run; i++) {
		bool fails = y->fail_op && strcmp(step_op_name(plan->step[i].op), y->fail_op) == 0;

		if (plan->step[i].refused)
			continue;
		if (fails || model_step(y->model, plan, &plan->step[i], &e) < 0)
			result = ACTION_FAILED;
		msg = json_pack("{s:i s:s}", "step", (int)i, "result", result == ACTION_OK ? "ok" : "failed");
		if (y->fail_op)
			pipeline_act_message(y->p, plan->id, msg);
		json_decref(msg);
		if (fails)
			y->fail_op = NULL;
	}
	if (!plan->dry_run && result == ACTION_OK)
		tell_images(y, plan);
	if (!plan->dry_run && result != ACTION_TIMEOUT && plan->set[0]) {
		msg = json_pack("{s:o}", "state", model_state(y->model, plan->set));
		pipeline_act_message(y->p, plan->id, msg);
		json_decref(msg);
	}
	pipeline_act_done(y->p, plan->id, result,
			  result == ACTION_OK	     ? NULL
			  : result == ACTION_REFUSED ? "a health character changed"
			  : result == ACTION_TIMEOUT ? "act hangs"
			  : e.msg[0]		     ? e.msg
						     : "the disk does not answer");
}

static void serve_one(struct play *y, struct waiting *w)
{
	bool fails = strcmp(w->id, y->probe_fails) == 0;
	json_t *answer;

	switch (w->what) {
	case WAIT_PROBE:
		answer = fails ? NULL : model_probe(y->model, w->id);
		pipeline_probed(y->p, w->id, answer, answer ? NULL : "the probe died");
		json_decref(answer);
		break;
	case WAIT_ACK:
		pipeline_stored(y->p, w->id);
		break;
	case WAIT_EXEC:
		pipeline_exec_done(y->p, w->id, 0, NULL);
		break;
	case WAIT_PLAN:
		if (!y->act_waits || w->plan->dry_run || !tell_before(y, w->plan))
			do_plan(y, w->plan);
		break;
	case WAIT_GOES_ON:
		do_plan(y, w->plan);
		break;
	case WAIT_STOPPED:
		pipeline_act_done(y->p, w->id, ACTION_REFUSED, w->reason);
		break;
	}
}

static bool is_held(struct play *y, const struct plan *plan)
{
	bool has = !y->hold_op;

	for (size_t i = 0; i < plan->n_steps; i++)
		has = has || strcmp(step_op_name(plan->step[i].op), y->hold_op) == 0;
	return has && --y->hold_from <= 0;
}

static struct waiting *take_waiting(struct play *y)
{
	for (struct waiting **at = &y->first; *at; at = &(*at)->next) {
		struct waiting *w = *at;

		if (w->what == WAIT_PLAN && y->holding && w->plan->origin != PLAN_BUILTIN && is_held(y, w->plan))
			continue;
		if (w->what == WAIT_PLAN && y->holding_alone && step_op_alone(w->plan->step[0].op))
			continue;
		*at = w->next;
		if (y->last == &w->next)
			y->last = at;
		return w;
	}
	return NULL;
}

void play_serve(struct play *y)
{
	struct waiting *w;

	while ((w = take_waiting(y))) {
		serve_one(y, w);
		plan_free(w->plan);
		free(w);
	}
}

void play_drop(struct play *y)
{
	while (y->first) {
		struct waiting *w = y->first;

		y->first = w->next;
		plan_free(w->plan);
		free(w);
	}
	y->last = &y->first;
}

void play_run_to(struct play *y, int64_t to)
{
	int64_t t;

	play_serve(y);
	while (pipeline_deadline(y->p, &t) && t <= to) {
		y->boot = MAX(y->boot, t);
		pipeline_advance(y->p);
		play_serve(y);
	}
	y->boot = to;
}

/* ---- life ---- */

int play_pipeline(struct play *y)
{
	const struct pipeline_ops ops = {.probe = op_probe,
					 .run = op_run,
					 .kept = op_kept,
					 .stop = op_stop,
					 .store = op_store,
					 .publish = op_publish,
					 .notify = op_notify,
					 .exec = op_exec,
					 .u = y};
	struct err e = {0};
	int r = pipeline_new(&y->settings, y->rules, &y->clock, &ops, &y->p, &e);

	if (r < 0)
		fprintf(stderr, "%s:%d: %s\n", y->script, y->line, e.msg);
	return r;
}

void play_begin(struct play *y, const char *script, const char *rules_dir)
{
	*y = (struct play){.script = script,
			   .set = SET,
			   .rules_dir = rules_dir,
			   .boot = NS_PER_SEC,
			   .intents = json_object(),
			   .waiting_plans = json_object(),
			   .rows = json_array(),
			   .rule_files = json_array()};
	y->last = &y->first;
	settings_init(&y->settings);
	y->manage[0] = "*";
	y->settings.manage = y->manage;
	y->settings.n_manage = 1;
	y->clock = (struct clock){.boot = clock_time, .awake = clock_time, .wall = clock_wall_time, .u = y};
	model_new(&y->model);
}

void play_finish(struct play *y)
{
	play_drop(y);
	pipeline_free(y->p);
	ruleset_unref(y->rules);
	model_free(y->model);
	json_decref(y->intents);
	json_decref(y->waiting_plans);
	json_decref(y->rows);
	json_decref(y->world);
	json_decref(y->rule_files);
	for (size_t i = 0; i < y->n_disks; i++) {
		free(y->fs_type[i]);
		free(y->enclosure[i]);
		free(y->slot[i]);
	}
	settings_finish(&y->settings);
	buf_free(&y->out);
}
