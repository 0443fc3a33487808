// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs of the administrator: what rules run, and the notification program. A few at once, each with a timeout. */
#pragma once

#include "broker/loop.h"

#include <jansson.h>
#include <stdbool.h>

struct programs;

struct programs_ops {
	/* token as given to programs_run; not called for NULL. status as waitpid(2) tells; reason NULL, or why it was
	 * not run or was killed. */
	void (*done)(void *u, const char *token, int status, const char *reason);
	void *u;
};

int programs_new(struct loop *l, const struct programs_ops *ops, struct programs **ret);
void programs_free(struct programs *p); /* leaves them running */
DEFINE_CLEANUP(struct programs *, programs_free)
/* Queues it; nothing is called back from here. input: given on stdin as one line, or NULL. All is copied. */
void programs_run(struct programs *p, const char *token, const char *const *argv, const char *const *env,
		  const json_t *input, int64_t timeout_ns);
/* Starts what is queued. True if something was called back. */
bool programs_turn(struct programs *p);
