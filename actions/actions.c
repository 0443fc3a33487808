// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/actions.h"

#include "actions/guard.h"
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ACTIONS(X)                                                                                                     \
	X(assemble)                                                                                                    \
	X(stop_array)                                                                                                  \
	X(fail_member)                                                                                                 \
	X(remove_member)                                                                                               \
	X(readd_member)                                                                                                \
	X(add_spare)                                                                                                   \
	X(remove_spare)                                                                                                \
	X(replace_member)                                                                                              \
	X(scrub)                                                                                                       \
	X(read_last)                                                                                                   \
	X(rebuild_speed)                                                                                               \
	X(activate_spare)                                                                                              \
	X(read_check)                                                                                                  \
	X(slot_light)                                                                                                  \
	X(fail_path)                                                                                                   \
	X(reinstate_path)                                                                                              \
	X(demote_path)                                                                                                 \
	X(restore_path)                                                                                                \
	X(copy_back)                                                                                                   \
	X(create_array)                                                                                                \
	X(delete_array)                                                                                                \
	X(rename_array)                                                                                                \
	X(grow_array)                                                                                                  \
	X(note_disk)                                                                                                   \
	X(snapshot)                                                                                                    \
	X(drop_snapshot)                                                                                               \
	X(queue_io)                                                                                                    \
	X(fail_io)                                                                                                     \
	X(mark)                                                                                                        \
	X(unmark)                                                                                                      \
	X(inhibit)                                                                                                     \
	X(notify)                                                                                                      \
	X(emit)                                                                                                        \
	X(exec)

/* What undo makes: no rule can name it. */
#define UNDONE(X) X(restore)

const struct action_ops *const action_list[] = {
#define X(name) &action_##name,
	ACTIONS(X) UNDONE(X)
#undef X
		NULL,
};

const struct action_desc *const action_descs[] = {
#define X(name) &action_##name.desc,
	ACTIONS(X)
#undef X
		NULL,
};

const struct action_ops *action_find(const char *name)
{
	for (size_t i = 0; action_list[i]; i++)
		if (strcmp(action_list[i]->desc.name, name) == 0)
			return action_list[i];
	return NULL;
}

/* ---- parameters ---- */

static bool is_list(enum param_type type)
{
	return type == PARAM_WORDS || type == PARAM_ARGV;
}

static bool fits(const struct param_desc *d, const json_t *v)
{
	if (is_list(d->type)) {
		size_t i;
		json_t *item;

		json_array_foreach((json_t *)v, i, item) if (!json_is_string(item)) return false;
		return json_is_array(v);
	}
	switch (d->type) {
	case PARAM_BOOL:
		return json_is_boolean(v);
	case PARAM_INT:
	case PARAM_DURATION:
	case PARAM_SIZE:
		return json_is_integer(v) && json_integer_value(v) >= 0;
	case PARAM_RATE:
		return (json_is_integer(v) && json_integer_value(v) > 0) ||
		       (json_is_string(v) && strcmp(json_string_value(v), "max") == 0);
	case PARAM_ENV:
	case PARAM_FACTS:
		return json_is_object(v);
	default:
		return json_is_string(v);
	}
}

static const struct param_desc *find_param(const struct param_desc *list, const char *name)
{
	while (list && list->name && strcmp(list->name, name) != 0)
		list++;
	return list && list->name ? list : NULL;
}

static int check_params(const struct action_ops *ops, const struct ask *ask, bool operator_asks, struct err *e)
{
	const struct param_desc *personal = operator_asks ? ops->personal : NULL;
	const struct action_desc *d = &ops->desc;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)ask->params, key, value)
	{
		const struct param_desc *p = find_param(d->params, key);

		p = p ? p : find_param(personal, key);
		p = p ? p : find_param(ops->given, key);
		if (!p)
			return err_set(e, EINVAL, "%s has no parameter '%.40s'", d->name, key);
		if (!fits(p, value))
			return err_set(e, EINVAL, "'%s' of %s is of the wrong type", key, d->name);
	}
	for (const struct param_desc *p = d->params; p->name; p++)
		if (p->required && !json_object_get(ask->params, p->name) && !find_param(personal, p->name))
			return err_set(e, EINVAL, "%s needs '%s'", d->name, p->name);
	return 0;
}

/* ---- planning ---- */

static enum step_op op_of(const char *action)
{
	enum step_op op = 0;

	while (op < STEP_OP_MAX && strcmp(step_op_name(op), action) != 0)
		op++;
	return op;
}

bool action_alone(const char *name)
{
	return step_op_alone(op_of(name));
}

/* The step as it is told when it is not done. */
static int add_refused(struct plan *p, const struct ask *ask, const char *reason, struct err *e)
{
	struct step *s = plan_add_step(p, op_of(ask->action), ask, e);

	if (!s)
		return -ENOSPC;
	s->slot = ask->slot;
	s->refused = true;
	snprintf(s->device, sizeof(s->device), "%s", ask->device ? ask->device : "");
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	return 1;
}

static const struct guard *ask_guards(const struct plan *p, size_t first, const struct world_array *before,
				      const struct world_array *after, const struct guard_settings *settings,
				      char reason[PLAN_REASON_MAX])
{
	for (size_t i = first; i < p->n_steps; i++) {
		struct guard_case c = {
			.plan = p, .step = &p->step[i], .before = before, .after = after, .settings = settings};
		const struct guard *g = guard_check(&c, reason, PLAN_REASON_MAX);

		if (g)
			return g;
	}
	return NULL;
}

int plan_ask(struct plan *p, const struct ask *ask, struct world_array *world, const struct guard_settings *settings,
	     struct err *e)
{
	const struct action_ops *ops = action_find(ask->action);
	_cleanup_(freep) struct world_array *before = malloc(sizeof(*before));
	char reason[PLAN_REASON_MAX];
	size_t first = p->n_steps;
	struct err why = {0};
	int r;

	if (!before)
		return err_sys(e, ENOMEM, "plan");
	if (!ops || !ops->plan)
		return err_set(e, EINVAL, "'%.64s' is not an action on an array", ask->action);
	r = check_params(ops, ask, p->origin == PLAN_OPERATOR, e);
	if (r < 0)
		return r;
	*before = *world;
	r = ops->plan(ask, world, p, &why);
	if (r < 0)
		snprintf(reason, sizeof(reason), "%.*s", PLAN_REASON_MAX - 1, why.msg);
	else if (!ask_guards(p, first, before, world, settings, reason))
		return 0;
	p->n_steps = first;
	*world = *before;
	return add_refused(p, ask, reason, e);
}
