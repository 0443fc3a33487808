// SPDX-License-Identifier: GPL-2.0-or-later
/* Steps that undo each other on one disk of one array, within an hour: two rules, or a rule and a disk, that do not
 * agree. The guard oscillation asks. */
#include "pipeline/inventory_impl.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOUR (3600 * NS_PER_SEC)

static bool undoes(enum step_op a, enum step_op b)
{
	static const enum step_op pairs[][2] = {{STEP_FAIL_MEMBER, STEP_READD_MEMBER},
						{STEP_ADD_SPARE, STEP_REMOVE_SPARE}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if ((a == pairs[i][0] && b == pairs[i][1]) || (a == pairs[i][1] && b == pairs[i][0]))
			return true;
	return false;
}

void inventory_did(struct inventory *inv, const char *array, const struct step *step, int64_t boot)
{
	struct done_step *d;

	if (!step->device[0])
		return;
	if (inv->n_done == ARRAY_SIZE(inv->done))
		memmove(&inv->done[0], &inv->done[1], --inv->n_done * sizeof(inv->done[0]));
	d = &inv->done[inv->n_done++];
	*d = (struct done_step){.time = boot, .op = step->op};
	snprintf(d->array, sizeof(d->array), "%s", array);
	snprintf(d->device, sizeof(d->device), "%s", step->device);
}

unsigned inventory_undone(const struct inventory *inv, const char *array, const char *device, enum step_op *ret_last)
{
	unsigned n = 0;
	bool any = false;

	for (size_t i = 0; i < inv->n_done; i++) {
		const struct done_step *d = &inv->done[i];

		if (inv->now - d->time >= HOUR || strcmp(d->device, device) != 0 || strcmp(d->array, array) != 0)
			continue;
		n += any && undoes(d->op, *ret_last);
		*ret_last = d->op;
		any = true;
	}
	return n;
}

/* As ages: the clock may be another one next time. */
json_t *undone_save(const struct inventory *inv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_done; i++) {
		const struct done_step *d = &inv->done[i];

		if (inv->now - d->time < HOUR)
			json_array_append_new(list, json_pack("{s:s s:s s:s s:I}", "array", d->array, "device",
							      d->device, "step", step_op_name(d->op), "age",
							      (json_int_t)(inv->now - d->time)));
	}
	return list;
}

int undone_restore(struct inventory *inv, const json_t *j, struct err *e)
{
	const char *array = json_string_value(json_object_get(j, "array"));
	const char *device = json_string_value(json_object_get(j, "device"));
	const char *name = json_string_value(json_object_get(j, "step"));
	struct step step = {0};
	int op = 0;

	while (name && op < STEP_OP_MAX && strcmp(step_op_name((enum step_op)op), name) != 0)
		op++;
	if (!array || !device || !name || op == STEP_OP_MAX)
		return err_set(e, EINVAL, "saved step '%.40s' that is none", name ? name : "");
	step.op = (enum step_op)op;
	snprintf(step.device, sizeof(step.device), "%s", device);
	inventory_did(inv, array, &step, saved_moment(inv, json_object_get(j, "age")));
	return 0;
}
