// SPDX-License-Identifier: GPL-2.0-or-later
/* One line for each thing that happened, the same for monitor and history. */
#pragma once

#include "cli/cli.h"

/* Appends the line of a published or stored object of that type ("event", "verdict", "plan", "intent", "outcome",
 * "case", "notice"), with its newline. */
void describe(const struct cli *c, const char *type, const json_t *j, struct buf *out);
/* Appends the value of a fact as people read it: of "x.size" and "x.duration" JSON has plain numbers. */
void describe_fact(const char *name, const json_t *v, struct buf *out);
