// SPDX-License-Identifier: GPL-2.0-or-later
/* What lay on disks before a plan: the disks as they are, under what this plan and all since then wrote over. */
#pragma once

#include "actions/image.h"
#include "cli/cli.h"
#include "cli/disk.h"

/* Where rows of the history's table "before" come from. */
struct before_rows {
	/* Calls fn with the rows of the plan, or of all, newest first, until it says that this was the last. 0,
	 * -errno, or more than 0: before_lay returns that as it is. */
	int (*each)(void *u, const char *plan, bool (*fn)(void *u, const json_t *row), void *fn_u);
	void *u;
};

/* Of the disks that the plan wrote to. -ENOENT: there is nothing of it. */
int before_lay(const struct before_rows *rows, const char *plan, struct image **ret, struct err *e);
/* A device that reads from another one (borrowed), but for what the image has. NULL: out of memory. */
struct blockdev *before_device(struct blockdev *under, const struct image_disk *im);

/* ---- the daemon's history (before_ask.c) ---- */

/* CLI_OK and *ret; else the exit status, and what is wrong has been told. */
int before_ask(struct cli *c, const char *plan, struct image **ret);
/* One answer: rows older than that id (0: the newest) of the plan (NULL: of all), and whether there are more. */
int before_page(struct cli *c, const char *plan, int64_t before, json_t **ret);
