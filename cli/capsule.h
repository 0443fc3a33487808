// SPDX-License-Identifier: GPL-2.0-or-later
/* A capsule: one file of JSON lines with what a report of a problem needs. The first line is
 * {"capsule":1,"version","made"}; each that follows has a "part": status, sources, rules, history, disk, sectors. A
 * reader passes over parts that it does not know. */
#pragma once

#include "cli/before.h"
#include "cli/sectors.h"

enum {
	CAPSULE_DISKS_MAX = 256,
	CAPSULE_BYTES_MAX = 128 << 20,
	CAPSULE_LINE_MAX = 2 << 20,
	CAPSULE_SECTORS_MAX = 1 << 19,
	CAPSULE_BEFORE_MAX = 4 << 20, /* of what plans wrote over, but for a last answer of the daemon's */
	CAPSULE_BEFORE_LINES_MAX = 256,
};

struct capsule {
	char version[32];
	struct sectors *disks;
	size_t n_disks;
	/* Lines of the text that have what plans wrote over, newest first. */
	struct {
		const char *text;
		size_t len;
	} before[CAPSULE_BEFORE_LINES_MAX];
	size_t n_before, before_bytes;
};

/* True if the text begins as one does. */
bool capsule_is(const char *text, size_t len);
/* -EBADMSG with the line's number. *ret is to be finished in both cases, and is of no use without the text. */
int capsule_parse(const char *text, size_t len, struct capsule *ret, struct err *e);
/* The rows of what plans wrote over. The capsule must outlive it. */
struct before_rows capsule_before(struct capsule *c);
void capsule_finish(struct capsule *c);
