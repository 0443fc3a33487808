// SPDX-License-Identifier: GPL-2.0-or-later
/* What people ask for goes the same way as what rules ask for: the same planning, the same guards, the same queue. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static json_t *refuse(const char *code, const char *text)
{
	return json_pack("{s:b s:s s:s s:[]}", "ok", 0, "code", code, "error", text, "plan");
}

const char *pipeline_find_device(const struct pipeline *p, const char *name)
{
	const struct device *d = inventory_find_device(p->inv, name);

	return d ? d->id : NULL;
}

bool pipeline_reads(const struct pipeline *p, const char *name, int64_t since)
{
	const struct device *d = inventory_find_device(p->inv, name);

	return d && d->present && (d->probing || d->reread) && d->as_of < since;
}

const char *pipeline_find_array(const struct pipeline *p, const char *name)
{
	const struct array *a = inventory_find_array(p->inv, name);

	return a ? a->id : NULL;
}

/* ---- commands without a plan ---- */

static json_t *do_maintenance(struct pipeline *p, const json_t *command)
{
	const char *device = NULL, *array = NULL;
	json_int_t ns = 0;
	json_error_t je;
	int on;

	if (json_unpack_ex((json_t *)command, &je, 0, "{s:b s?s s?s s?I}", "on", &on, "device", &device, "array",
			   &array, "for", &ns) < 0)
		return refuse("usage", je.text);
	if ((device && !pipeline_find_device(p, device)) || (array && !pipeline_find_array(p, array)))
		return refuse("not-found", "no such device or array is known");
	inventory_maintenance(p->inv, device ? pipeline_find_device(p, device) : NULL,
			      array ? pipeline_find_array(p, array) : NULL, on, ns > 0 ? pipeline_now(p) + ns : 0);
	inventory_touch(p->inv);
	model_changed(p, SORT_ALL, NULL);
	drain(p);
	return json_pack("{s:b s:[] s:s}", "ok", 1, "plan", "plan-id", "");
}

static json_t *do_mark(struct pipeline *p, const json_t *command)
{
	const char *verb, *device, *as, *id;
	json_int_t ns = 0;
	json_error_t je;

	if (json_unpack_ex((json_t *)command, &je, 0, "{s:s s:s s:s s?I}", "verb", &verb, "device", &device, "as", &as,
			   "for", &ns) < 0)
		return refuse("usage", je.text);
	id = pipeline_find_device(p, device);
	if (!id)
		return refuse("not-found", "no such device is known");
	if (!name_valid(as))
		return refuse("usage", "a mark is a word of a-z, 0-9 and '-'");
	if (strcmp(verb, "unmark") == 0)
		engine_unmark(p->engine, id, as);
	else if (engine_mark(p->engine, id, as, ns) < 0)
		return refuse("failed", "out of memory");
	inventory_touch(p->inv);
	model_changed(p, SORT_ALL, NULL);
	drain(p);
	return json_pack("{s:b s:[] s:s}", "ok", 1, "plan", "plan-id", "");
}

static json_t *do_read_stop(struct pipeline *p, const json_t *command)
{
	const char *device = json_string_value(json_object_get(command, "device"));
	const char *id = device ? pipeline_find_device(p, device) : NULL;

	if (!id)
		return refuse("not-found", "no such device is known");
	read_stop(p, id);
	drain(p);
	return json_pack("{s:b s:[] s:s}", "ok", 1, "plan", "plan-id", "");
}

static json_t *do_answer(struct pipeline *p, const json_t *command)
{
	const char *verb, *id;
	json_t *lines = NULL;
	struct err e = {0};
	json_error_t je;
	int dry_run = 0, r;

	if (json_unpack_ex((json_t *)command, &je, 0, "{s:s s:s s?b}", "verb", &verb, "question", &id, "dry-run",
			   &dry_run) < 0)
		return refuse("usage", je.text);
	engine_before(p->engine, pipeline_now(p), clock_awake(p->clock));
	if (dry_run) {
		lines = would_approve(p, id, &e);
		r = lines ? 0 : -e.code;
	} else {
		r = engine_answer(p->engine, id, strcmp(verb, "approve") == 0, &e);
		inventory_touch(p->inv);
		drain(p);
	}
	if (r < 0)
		return refuse(r == -ENOENT ? "not-found" : r == -ESTALE ? "refused" : "usage", e.msg);
	return json_pack("{s:b s:o s:s}", "ok", 1, "plan", lines ? lines : json_array(), "plan-id", "");
}

static json_t *do_uninhibit(struct pipeline *p, const json_t *command)
{
	const char *rule;
	struct err e = {0};
	json_error_t je;

	if (json_unpack_ex((json_t *)command, &je, 0, "{s:s}", "rule", &rule) < 0)
		return refuse("usage", je.text);
	engine_before(p->engine, pipeline_now(p), clock_awake(p->clock));
	if (engine_uninhibit(p->engine, rule, &e) < 0)
		return refuse("not-found", e.msg);
	drain(p);
	return json_pack("{s:b s:[] s:s}", "ok", 1, "plan", "plan-id", "");
}

/* ---- commands with one ---- */

static json_t *params_of(const json_t *command)
{
	json_t *params = json_deep_copy(command);

	json_object_del(params, "verb");
	json_object_del(params, "dry-run");
	return params;
}

static int make_job(struct pipeline *p, enum plan_origin origin, const json_t *command, const char *action,
		    struct job **ret, struct err *e)
{
	struct job *j = job_new(p, origin);
	const char *device;
	json_t *params;
	int r;

	if (!j)
		return err_sys(e, ENOMEM, "plan");
	*ret = j;
	j->dry_run = json_is_true(json_object_get(command, "dry-run"));
	if (strcmp(action, "undo") == 0) {
		const char *id = json_string_value(json_object_get(command, "plan"));

		r = id ? undo_asks(p, id, j, e) : err_set(e, EINVAL, "which plan?");
		return r < 0 ? r : job_plan(p, j, e);
	}
	params = params_of(command);
	r = job_target(p->inv, action, params, NULL, NULL, j->set, j->array, e);
	if (r < 0) {
		json_decref(params);
		return r;
	}
	device = alone_device(params);
	r = job_ask(j, action, params, device, -1, FAILURE_STOP, NULL);
	return r < 0 ? r : job_plan(p, j, e);
}

static const char *first_refusal(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->step[i].refused)
			return plan->step[i].reason;
	return NULL;
}

static json_t *do_plan(struct pipeline *p, const json_t *command, const char *action, char ret_plan_id[PLAN_ID_MAX])
{
	struct job *j = NULL;
	struct err e = {0};
	const char *reason;
	json_t *answer;
	int r = make_job(p, PLAN_OPERATOR, command, action, &j, &e);

	if (r < 0) {
		undo_failed(p, j ? j->id : "");
		job_free(j);
		return refuse(r == -ENOENT ? "not-found" : r == -EEXIST || r == -EPERM ? "refused" : "usage", e.msg);
	}
	reason = first_refusal(j->plan);
	if (reason || plan_runnable(j->plan) == 0) {
		answer = reason ? refuse("refused", reason)
				: json_pack("{s:b s:[] s:s}", "ok", 1, "plan", "plan-id", "");
		if (reason)
			json_object_set_new(answer, "plan", plan_lines(j->plan));
		undo_failed(p, j->id);
		job_free(j);
		return answer;
	}
	snprintf(ret_plan_id, PLAN_ID_MAX, "%s", j->id);
	answer = json_pack("{s:b s:o s:s}", "ok", 1, "plan", plan_lines(j->plan), "plan-id", j->id);
	if (strcmp(action, "undo") == 0)
		undo_tell(p, json_string_value(json_object_get(command, "plan")), j, answer);
	job_queue(p, j);
	drain(p);
	return answer;
}

json_t *pipeline_command(struct pipeline *p, const json_t *command, char ret_plan_id[PLAN_ID_MAX])
{
	const char *verb = json_string_value(json_object_get(command, "verb"));
	const struct action_ops *ops = verb ? action_find(verb) : NULL;

	ret_plan_id[0] = '\0';
	if (!verb)
		return refuse("usage", "a command needs a verb");
	if (strcmp(verb, "maintenance") == 0)
		return do_maintenance(p, command);
	if (strcmp(verb, "mark") == 0 || strcmp(verb, "unmark") == 0)
		return do_mark(p, command);
	if (strcmp(verb, "approve") == 0 || strcmp(verb, "deny") == 0)
		return do_answer(p, command);
	if (strcmp(verb, "uninhibit") == 0)
		return do_uninhibit(p, command);
	if (strcmp(verb, "read-check-stop") == 0)
		return do_read_stop(p, command);
	if (strcmp(verb, "undo") != 0 && (!ops || !ops->plan))
		return refuse("usage", "this is not something that can be done to an array");
	return do_plan(p, command, verb, ret_plan_id);
}

/* ---- the end of the machine ---- */

static void stop_for_shutdown(struct pipeline *p, const struct array *a)
{
	json_t *command = json_pack("{s:s}", "array", a->id);
	struct job *j = NULL;
	struct err e = {0};
	int r = command ? make_job(p, PLAN_SHUTDOWN, command, "stop-array", &j, &e) : -ENOMEM;
	const char *reason = r < 0 ? e.msg : first_refusal(j->plan);
	char text[PLAN_REASON_MAX + 64];

	json_decref(command);
	if (!reason) {
		job_queue(p, j);
		return;
	}
	snprintf(text, sizeof(text), "%s goes on to the end of the machine: %.200s", a->name, reason);
	tell_people(p, "warning", text, NULL);
	job_free(j);
}

static void stop_what_runs(struct pipeline *p)
{
	p->stopped = false;
	for (size_t i = 0; i < inventory_arrays(p->inv); i++)
		if (inventory_array_at(p->inv, i)->running)
			stop_for_shutdown(p, inventory_array_at(p->inv, i));
}

void pipeline_shut_down(struct pipeline *p)
{
	p->shutting_down = true;
	stop_what_runs(p);
	drain(p);
}

void shutdown_stopped(struct pipeline *p, bool ok)
{
	struct job *j;

	p->stopped = p->stopped || ok;
	list_foreach (j, &p->jobs, link)
		if (j->origin == PLAN_SHUTDOWN)
			return;
	if (p->stopped)
		stop_what_runs(p);
}

/* ---- why ---- */

static const struct rule_info *find_rule(const struct ruleset *rs, const char *name, struct rule_info *ret)
{
	int i = ruleset_find(rs, name);

	if (i < 0)
		return NULL;
	*ret = ruleset_rule(rs, (size_t)i);
	return ret;
}

static int first_member(void *u, const char *id)
{
	snprintf(u, META_GUID_MAX + 16, "%s", id);
	return 1;
}

/* "data/2": by the array's name or id. */
static bool member_named(const struct pipeline *p, const char *subject, char *id, size_t size)
{
	const char *slash = strrchr(subject, '/');
	char name[META_GUID_MAX + 8];
	const struct array *a;

	if (!slash || (size_t)(slash - subject) >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(slash - subject), subject);
	a = inventory_find_array(p->inv, name);
	if (a)
		snprintf(id, size, "%s/%s", a->id, slash + 1);
	return a;
}

static int why_of(struct pipeline *p, const char *rule, enum subject_sort sort, const char *id, json_t **ret,
		  struct err *e)
{
	struct verdict *v;
	int r = engine_why(p->engine, rule, sort, id, ret, e);

	if (r < 0)
		return r;
	r = engine_would(p->engine, rule, sort, id, &v, e);
	if (r < 0) {
		json_decref(*ret);
		return r;
	}
	json_object_set_new(*ret, "would_do", would_do(p, v));
	verdict_unref(v);
	return 0;
}

int pipeline_why(struct pipeline *p, const char *rule, const char *subject, json_t **ret, struct err *e)
{
	const struct device *d;
	const struct array *a;
	char id[META_GUID_MAX + 16];
	struct rule_info info;
	bool of_member, named;

	/* The answer is as of now, not of when something happened last. */
	if (p->phase == PHASE_STARTED && !p->shutting_down) {
		engine_before(p->engine, pipeline_now(p), clock_awake(p->clock));
		drain(p);
	}
	d = inventory_find_device(p->inv, subject);
	a = inventory_find_array(p->inv, subject);
	if (!find_rule(engine_rules(p->engine), rule, &info))
		return err_set(e, ENOENT, "no rule '%.64s'", rule);
	of_member = strcmp(info.trigger, "watch member") == 0 || strstr(info.trigger, "each member");
	named = member_named(p, subject, id, sizeof(id));
	if (of_member && !named && d)
		named = inventory_world_ops.memberships(p->inv, d->id, first_member, id) == 1;
	if (named && (of_member || !d))
		return why_of(p, rule, SORT_MEMBER, id, ret, e);
	if (d)
		return why_of(p, rule,
			      strstr(info.trigger, "watch spare") || strstr(info.trigger, "each spare") ? SORT_SPARE
													: SORT_DEVICE,
			      d->id, ret, e);
	if (a)
		return why_of(p, rule, SORT_ARRAY, a->id, ret, e);
	return err_set(e, ENOENT, "no device, member or array '%.64s' is known", subject);
}
