// SPDX-License-Identifier: GPL-2.0-or-later
/* What lay on disks before a plan: the disks as they are, under what this plan and all since then wrote over. */
#pragma once

#include "actions/image.h"
#include "cli/cli.h"
#include "cli/disk.h"

/* What the daemon's history has, of the disks that the plan wrote to. CLI_OK and *ret; else the exit status, and what
 * is wrong has been told. */
int before_ask(struct cli *c, const char *plan, struct image **ret);
/* A device that reads from another one (borrowed), but for what the image has. NULL: out of memory. */
struct blockdev *before_device(struct blockdev *under, const struct image_disk *im);
