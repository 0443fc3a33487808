// SPDX-License-Identifier: GPL-2.0-or-later
/* The process that does one step on a path of a multipath map. */
#pragma once

/* `spared --path OP NAME MAJOR:MINOR MAP-MAJOR:MINOR dry-run|do GROUP ALONE`; lines on stdout: {"show":text},
 * {"path":{"marginal","moved","group","alone"}}, then {"end":{"result","reason"}}. */
int path_main(int argc, char **argv);
