// SPDX-License-Identifier: GPL-2.0-or-later
/* Between the broker and an act process.
 *
 * fd 3: a socket of JSON lines. To act: {"job":plan-id,"plan":plan}, one at a time. From act: {"job","msg":{..exec's
 * message..}} and at the end {"job","done":"ok|failed|refused|timeout","reason"}. End of file: act leaves when its plan
 * has ended. fd 4: a page of shared memory with struct act_progress, so that telling "I am alive" costs no call and no
 * memory while an array is suspended.
 *
 * SIGTERM and SIGALRM interrupt what act waits for, so that its error path runs (clear the inactive table, resume). */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { ACT_SOCKET = 3, ACT_PROGRESS = 4, ACT_WHAT_MAX = 64 };

struct act_progress {
	_Atomic uint64_t marks;	 /* grows with each thing that act does */
	_Atomic int64_t boot;	 /* CLOCK_BOOTTIME of the last, ns */
	char what[ACT_WHAT_MAX]; /* the last; may be torn, for people only */
};

/* The act process's main: argv: run directory, act timeout in ns. */
int act_main(int argc, char **argv);
