// SPDX-License-Identifier: GPL-2.0-or-later
/* A blank disk of a pool that was taken into a set to serve one array, and then could not, is let go of: others may
 * need it. What the set had before stays its spare. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <string.h>

static bool went_well(const struct job *j, size_t i)
{
	return !j->plan->step[i].refused && j->result[i].told && j->result[i].result == ACTION_OK;
}

/* Taken by the step i, and of no use to any step after it. */
static bool taken_in_vain(const struct job *j, size_t i)
{
	bool asked = false;

	if (j->plan->step[i].op != STEP_ADD_SPARE || !went_well(j, i) ||
	    strcmp(j->ask[j->ask_of[i]].action, "add-spare") == 0)
		return false;
	for (size_t k = i + 1; k < j->plan->n_steps; k++) {
		if (strcmp(j->plan->step[k].device, j->plan->step[i].device) != 0)
			continue;
		if (went_well(j, k))
			return false;
		asked = true;
	}
	return asked;
}

void give_back(struct pipeline *p, const struct job *done)
{
	for (size_t i = 0; done->plan && !done->dry_run && i < done->plan->n_steps; i++) {
		const char *device = done->plan->step[i].device;
		json_t *params;
		struct job *j;

		if (!taken_in_vain(done, i))
			continue;
		params = json_pack("{s:s}", "device", device);
		j = params ? job_new(p, done->origin) : NULL;
		if (!j) {
			json_decref(params);
			return;
		}
		j->injected = done->injected;
		snprintf(j->set, sizeof(j->set), "%s", done->set);
		snprintf(j->array, sizeof(j->array), "%s", done->array);
		snprintf(j->verdict, sizeof(j->verdict), "%s", done->verdict);
		snprintf(j->rule, sizeof(j->rule), "%s", done->rule);
		if (job_ask(j, "remove-spare", params, device, -1, FAILURE_STOP, NULL) < 0)
			job_free(j);
		else
			job_queue(p, j);
	}
}
