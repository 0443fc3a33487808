// SPDX-License-Identifier: GPL-2.0-or-later
/* Lights of slots as they were put on: kept with the disk for which they were, which may be gone while its slot is lit.
 */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <stdio.h>
#include <string.h>

static bool is_at(const struct device *d, const char *place)
{
	size_t n = strlen(d->enclosure);

	return n && strncmp(place, d->enclosure, n) == 0 && place[n] == '/' && strcmp(place + n + 1, d->slot) == 0;
}

const struct device *light_of(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; i < inv->n_devices; i++)
		if (inv->devices[i]->lit[0] && is_at(d, inv->devices[i]->lit))
			return inv->devices[i];
	return NULL;
}

static void put(struct inventory *inv, const struct step *s)
{
	struct device *d = device_find(inv, s->device);

	for (size_t i = 0; i < inv->n_devices; i++)
		if (strcmp(inv->devices[i]->lit, s->place) == 0)
			inv->devices[i]->lit[0] = '\0';
	for (unsigned i = 0; d && light_words[i]; i++)
		if (strcmp(light_words[i], s->to) == 0) {
			d->light = (enum slot_light)i;
			snprintf(d->lit, sizeof(d->lit), "%s", s->place);
		}
	inventory_touch(inv);
}

void light_over(struct pipeline *p, const struct job *j, enum action_result result)
{
	const struct step *s = j->plan && j->plan->n_steps ? &j->plan->step[0] : NULL;

	if (!s || s->op != STEP_SLOT_LIGHT || j->state != JOB_RUNNING || j->dry_run || result != ACTION_OK)
		return;
	put(p->inv, s);
	model_changed(p, SORT_BIT(SORT_DEVICE) | SORT_BIT(SORT_SPARE), NULL);
}
