// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: rules propose, guards decide. One row a guard; each looks at one step that was just planned and at the array
 * as it was before and as the step would leave it, and names numbers when it refuses. */
#pragma once

#include "actions/actions.h"

struct guard_case {
	const struct plan *plan;
	const struct step *step;
	const struct world_array *before, *after;
	const struct guard_settings *settings;
};

struct guard {
	const char *name;
	const char *doc;
	bool rules_only; /* not asked for a person's plan, nor for the built-in recording */
	/* True: refused, with one line in reason. */
	bool (*refuses)(const struct guard_case *c, char *reason, size_t size);
};

/* In the order in which they are asked; ends with a NULL name. */
extern const struct guard guard_table[];
/* The first guard that refuses, with its reason; NULL: none does. */
const struct guard *guard_check(const struct guard_case *c, char *reason, size_t size);

/* Why the spare cannot take the slot of the array now, one line ("sdx is 4.1kB too small"); false and nothing: it can.
 * same: NULL or the words that must be alike ("media", "controller", ..). slot: -1, or the slot it is for. */
bool spare_unfit(const struct world_array *a, int slot, const struct world_spare *s, const char *const *same,
		 size_t n_same, const char *const *avoid, size_t n_avoid, char *reason, size_t size);
/* Members that may be lost now, whichever they are: -1: already too many. */
int world_redundancy(const struct world_array *a);
/* True if the array can serve all data without this slot. */
bool world_expendable(const struct world_array *a, unsigned slot);
