// SPDX-License-Identifier: GPL-2.0-or-later
/* From what is asked to steps: one module an action, one table. rules-language 2.8. */
#pragma once

#include "actions/plan.h"

/* Guards may refuse a plan's step, whoever asked; no rule can switch one off. */
struct guard_settings {
	unsigned plans_per_hour; /* destructive plans by rules for one array; 0: no limit */
};

/* A step as a rule or a command asks for it: an action's name and its parameters, already rendered. */
struct ask {
	const char *action;
	const json_t *params; /* object of strings, bools, ints, lists; checked against the action's desc */
	const char *device;   /* the subject's, the default for parameters; NULL if none */
	int slot;	      /* likewise, -1 if none */
	enum step_failure on_failure;
};

struct action_ops {
	struct action_desc desc;
	/* Parameters that a person alone has, and those of the others that a person need not give; and what the
	 * pipeline adds. Each ends with a NULL name; NULL: none. */
	const struct param_desc *personal, *given;
	/* Plans the ask against *world (changing it to the state that the step would leave) and appends steps to p;
	 * what is already so appends nothing. -errno with one line why not: the caller appends a refused step. NULL for
	 * actions that are not about an array (notify, exec, emit, mark, unmark, inhibit): the broker does those
	 * itself. */
	int (*plan)(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e);
};

/* All actions, NULL-terminated. */
extern const struct action_ops *const action_list[];
/* The descs of those that a rule may name, NULL-terminated, for the rule loader. */
extern const struct action_desc *const action_descs[];
const struct action_ops *action_find(const char *name);
/* Its steps are about one device and no array (step_op_alone). */
bool action_alone(const char *name);

/* Plans one ask: finds the action, plans, asks the guards; a refusal becomes a refused step with its reason. Returns 0
 * if the step was planned or is already so, 1 if it was refused, -errno on a usage error. */
int plan_ask(struct plan *p, const struct ask *ask, struct world_array *world, const struct guard_settings *settings,
	     struct err *e);
