// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages of the kernel module blkerr (contrib/blkerr/blkerr.h). Pure. */
#pragma once

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

struct blkerr_message {
	uint8_t command; /* BLKERR_CMD_ERROR, BLKERR_CMD_STATS: decides what is known below */
	uint64_t seq, dropped;

	/* an error */
	uint32_t major, minor, sectors, status, error; /* error: positive errno */
	uint64_t diskseq, sector;
	uint64_t time; /* CLOCK_BOOTTIME, ns */
	char operation[12];

	/* statistics */
	uint64_t limited, overrun, sent;
};

/* payload: what follows the generic netlink header. 0, or -EBADMSG with what is wrong. Attributes that are not known
 * are passed over: they are of a later module. */
int blkerr_decode(uint8_t command, const void *payload, size_t len, struct blkerr_message *ret, struct err *e);
