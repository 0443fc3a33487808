// SPDX-License-Identifier: GPL-2.0-or-later
/* Sectors of a disk that somebody read, kept to be read again elsewhere: written as lines of JSON, and read from them.
 * What is read is hostile. */
#pragma once

#include "actions/meta/blockio.h"

#include <jansson.h>

/* SECTORS_MAX: of one disk, 16 MiB; metadata are less. */
enum { SECTORS_MAX = 32768, SECTORS_LINE = 64 /* of one line */ };

struct sectors_run {
	uint64_t at; /* sector of 512 bytes */
	uint32_t n;
	uint8_t *data;
};

struct sectors {
	char name[64], device[128]; /* device: its identity; empty: not told */
	uint64_t size;		    /* of the disk, sectors */
	unsigned sector_size;
	char error[128]; /* why it could not be read; empty: it could */
	struct sectors_run *runs;
	size_t n_runs, total; /* total: sectors */
};

void sectors_finish(struct sectors *s);
/* A device that reads from another one (borrowed) and keeps what it read; s outlives it. NULL: out of memory. */
struct blockdev *sectors_record(struct sectors *s, struct blockdev *from);
/* A device that gives what was kept; what was not cannot be read. */
struct blockdev *sectors_play(const struct sectors *s);
/* Calls fn with each line, which it takes: {"part":"disk",..}, then {"part":"sectors","at","count","fill"|"data"}. 0,
 * or fn's -errno. */
int sectors_write(const struct sectors *s, int (*fn)(void *u, json_t *line), void *u);
/* {"part":"disk",..} begins one; {"part":"sectors",..} adds to it. -EBADMSG with *e. */
int sectors_begin(struct sectors *s, const json_t *line, struct err *e);
int sectors_add(struct sectors *s, const json_t *line, struct err *e);
