// SPDX-License-Identifier: GPL-2.0-or-later
/* What would happen if a member of an array went, on paper: for each member of each array, by the rules and guards that
 * run, in each way that it can go. */
#pragma once

#include "core/err.h"
#include "rules/rules.h"

#include <jansson.h>

struct forecast_options {
	const char *device; /* only this one (id, kernel name or /dev path); NULL: all members */
	bool only_pulled;   /* not the ways in which a disk fails by itself */
};

/* world: a picture as pipeline_world makes. The answer is a new reference:
 * {"arrays":[{"id","name","level","state","managed","redundancy","redundancy-full","spares","spare-reason",
 *   "handled":bool or null, "reason":why nothing is forecast, "members":[{"slot","device","name","state","cases":[
 *     {"case":"errors"|"failed"|"pulled","result":"spare"|"kept"|"lost","rule","spare","after":ns,
 *      "meanwhile":redundancy,"redundancy":then,"spares":then,"reason":one line}]}]}], "unhandled":n}
 * "spare": a spare takes its place; "kept": errors, and the member stays, as the rules want it; "lost": nothing takes
 * its place. 0, -ENOENT (no such member) or -EINVAL with *e. */
int forecast(const json_t *world, struct ruleset *rules, const struct forecast_options *o, json_t **ret, struct err *e);
