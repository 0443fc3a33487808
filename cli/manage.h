// SPDX-License-Identifier: GPL-2.0-or-later
/* What else locks a set, or gives it back, than the commands that are called so. */
#pragma once

#include "cli/cli.h"

/* The locks of one set (on), or their end; the daemon reads its settings again. Exit status; what people should know is
 * appended to notes, a line each. */
int manage_set(struct cli *c, const char *guid, bool on, struct buf *notes);
/* udev looks at these devices again (nodes): what spared writes to members of a locked set is no event for it. */
void manage_look_again(struct cli *c, const json_t *nodes, struct buf *notes);
