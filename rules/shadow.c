// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether others did what a rule in shadow mode would have done: the better it agrees, the sooner it may act.
 * rules-language 4.10. */
#include "rules/state.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>

#define AGREES_WITHIN (3600 * NS_PER_SEC)

void shadow_note(struct engine *e, const struct verdict *v)
{
	for (size_t i = 0; i < v->n_contexts; i++) {
		const struct verdict_context *c = &v->contexts[i];
		struct shadow_verdict *s = &e->shadows[e->n_shadows++ % SHADOWS_KEPT];

		*s = (struct shadow_verdict){.time = v->time};
		snprintf(s->rule, sizeof(s->rule), "%s", v->rule);
		snprintf(s->device, sizeof(s->device), "%s", c->device ? c->device : "");
		snprintf(s->array, sizeof(s->array), "%s", c->array ? c->array : "");
	}
}

static bool takes(const struct steps *steps, const char *action)
{
	for (size_t i = 0; i < steps->n; i++)
		if (strcmp(steps->s[i].action->name, action) == 0)
			return true;
	return false;
}

/* What was done to a disk counts for the verdicts about it; to an array, for those about no disk of it. */
static bool is_about(const struct shadow_verdict *s, const struct event *ev)
{
	if (s->device[0])
		return ev->device && strcmp(ev->device, s->device) == 0;
	return s->array[0] && ev->array && strcmp(ev->array, s->array) == 0;
}

void shadow_done(struct engine *e, const struct event *ev)
{
	struct value action = event_get(ev, FACT_ACTION_NAME);

	for (size_t i = 0; i < SHADOWS_KEPT && action.type == V_STRING; i++) {
		struct shadow_verdict *s = &e->shadows[i];
		int rule = s->rule[0] && is_about(s, ev) ? ruleset_find(e->rs, s->rule) : -1;

		if (rule < 0 || ev->time - s->time >= AGREES_WITHIN || !takes(&e->rs->rules[rule].steps, action.str))
			continue;
		e->stats[rule].agreed++;
		s->rule[0] = '\0';
	}
}
