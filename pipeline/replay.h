// SPDX-License-Identifier: GPL-2.0-or-later
/* What a recording would have come to under other rules: the same events, twice, on paper. */
#pragma once

#include "pipeline/recording.h"

/* Plays the recording with each rule set and compares. *ret, a new reference:
 * {"span":ns, "rows":[{"at":ns since the first picture, "wall":ns, "change":"same"|"gone"|"new"|"changed",
 *    "left":ENTRY or null, "right":ENTRY or null}],
 *  "left":{"verdicts":n, "arrays":[{"name","state","members":[text]}]}, "right":likewise,
 *  "recorded":verdicts in the recording, "met":how many of them "left" has, too, "same":bool}
 * ENTRY: {"at","rule","kind","mode","subject","reason","plans":[line],"texts":[text]}. The same input gives the same
 * bytes. 0 or -EINVAL with *e. */
int replay(const struct recording *r, struct ruleset *left, struct ruleset *right, json_t **ret, struct err *e);
/* The pipeline's name of a verb of the control protocol that changes something, as commands are recorded; NULL: it has
 * none. */
const char *replay_action(const char *verb);
