// SPDX-License-Identifier: GPL-2.0-or-later
/* What a device was before device.changed. The event carries what rules ask for, so that the history tells it, and a
 * sequence or a restart keeps it. */
#include "pipeline/pipeline_impl.h"

#include <string.h>

void previous_facts(struct pipeline *p, struct event *ev)
{
	const struct ruleset *rules = engine_rules(p->engine);
	struct facts before;
	bool bound = false;

	if (!ev->device || strcmp(ev->kind, "device.changed") != 0)
		return;
	for (int f = FACT_PREVIOUS_FIRST; f < FACT_MAX; f++) {
		const struct value *v = &before.v[f - FACT_PREVIOUS_OFFSET];

		if (!ruleset_names(rules, (enum fact_id)f) || event_get(ev, (enum fact_id)f).type != V_NONE)
			continue;
		if (!bound) {
			memset(&before, 0, sizeof(before));
			if (!inventory_world_ops.bind(p->inv, SORT_DEVICE, ev->device, &before))
				return;
			bound = true;
		}
		/* One for which an event has no room stays unknown. */
		if (v->type != V_NONE && v->type != V_SET)
			event_set(ev, (enum fact_id)f, *v);
	}
}
