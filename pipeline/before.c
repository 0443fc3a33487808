// SPDX-License-Identifier: GPL-2.0-or-later
/* What plans wrote over goes from act to the history, whether a rule, a person or nobody asked for the plan. */
#include "pipeline/pipeline_impl.h"

void before_part(struct pipeline *p, struct job *j, const char *plan_id, const json_t *part, bool wait)
{
	json_t *end = json_object_get(part, "end");

	if (j && end) {
		json_decref(j->before);
		j->before = json_incref(end);
	}
	p->ops.store(p->ops.u, "before", part, plan_id, wait);
}

void before_kept(struct pipeline *p, const char *plan_id)
{
	if (p->ops.kept)
		p->ops.kept(p->ops.u, plan_id);
}
