// SPDX-License-Identifier: GPL-2.0-or-later
/* The process that reads a disk from end to end: past the page cache, slowly, with the lowest I/O priority. What it
 * reads it throws away. */
#pragma once

#include "actions/meta/blockio.h"

#include <jansson.h>

/* `spared --read-check NAME SPEED DISKSEQ`, the disk as fd 3, lines on stdout: {"progress":{"done","total","bad",
 * "region"}} at most once a second and after each place that cannot be read, then {"end":{"result","reason"}}. Result
 * "refused": it ended early, which says nothing of the disk. */
int read_check_main(int argc, char **argv);
/* The reading itself. speed: bytes a second. tell: lines as above. 0, or its -errno. */
int read_check_run(struct blockdev *dev, uint64_t speed, int (*tell)(void *u, json_t *line), void *u);
