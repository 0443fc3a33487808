// SPDX-License-Identifier: GPL-2.0-or-later
/* The unit tests of rules, run in a process of their own before the rules are used: setting rules.tests. */
#pragma once

#include "broker/loop.h"
#include "config/settings.h"

#include <stdbool.h>

struct trial;

struct trial_ops {
	/* The tests have ended: all passed, or not, with what was printed about them. digest: of the rules that were
	 * tested, "" if they could not be loaded. Once; the trial is to be freed, there or later. */
	void (*done)(void *u, bool passed, const char *digest, const char *text);
	void *u;
};

/* Tests the rules of the settings' directories as they are on disk now. 0 or -errno. */
int trial_new(struct loop *l, const struct settings *s, const struct trial_ops *ops, struct trial **ret, struct err *e);
void trial_free(struct trial *t); /* ends it, if it runs */
DEFINE_CLEANUP(struct trial *, trial_free)
/* The process: enforce|shadow, directories of rules, "--", directories of descriptions of netlink families. One line on
 * stdout: {"passed":bool,"digest":text,"text":text}. */
int trial_main(int argc, char **argv);
