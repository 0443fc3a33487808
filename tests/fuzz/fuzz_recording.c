// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a recording. One that can be read is replayed, and what would come next is forecast. */
#include "actions/actions.h"
#include "pipeline/forecast.h"
#include "pipeline/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play(const struct recording *r, struct ruleset *rules, struct ruleset *none)
{
	const struct forecast_options o = {.device = "sda", .only_pulled = true};
	json_t *answer = NULL;
	struct err e = {0};

	if (replay(r, rules, none, &answer, &e) == 0)
		json_decref(answer);
	answer = NULL;
	if (forecast(r->now, rules, &o, &answer, &e) == 0)
		json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ruleset_options o = {.actions = action_descs};
	_cleanup_(ruleset_unrefp) struct ruleset *rules = NULL, *none = NULL;
	_cleanup_(recording_finish) struct recording r = {0};
	struct err e = {0};
	struct diag d;

	if (recording_parse(&r, "fuzz", (const char *)data, size, &e) < 0)
		return 0;
	diag_init(&d);
	if (ruleset_load(r.rules, r.n_rules, &o, &d, &rules) == 0 && ruleset_load(NULL, 0, &o, &d, &none) == 0)
		play(&r, rules, none);
	diag_finish(&d);
	return 0;
}
