// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs *.test.yaml (rules-language 8): the same inventory, engine, planner and guards as the daemon, on virtual time.
 */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>

struct ruletest_options {
	const char *const *kinds; /* event kinds beside the built-in ones: NULL-terminated, or NULL */
	/* Directory that "load" is relative to; its sub-directory "default" is the default set. */
	const char *rules_root;
	/* The default set where it is elsewhere (config/default/rules.d); NULL: rules_root/default. */
	const char *default_dir;
	/* The default set as layers of directories, weakest first; NULL: default_dir alone. */
	const char *const *default_dirs;
	size_t n_default_dirs;
	const char *only;  /* run tests whose name holds this text; NULL: all */
	bool strict;	   /* rules that change arrays and are not tested both ways are told, and a failure */
	bool verbose;	   /* a line for each test that passed, too */
	const char *junit; /* write the results to this file, too; NULL: no */
};

struct ruletest_counts {
	size_t files, tests, passed, failed, broken; /* broken: files that could not be read */
	size_t untested;			     /* strict: rules */
};

/* Runs the files, and the *.test.yaml of the directories (with theirs), in the order of their names. What failed is
 * appended to out, each with its time line; the last line sums up. 0: all passed; 1: not; -errno with *e: nothing was
 * run. */
int ruletest_run(const char *const *paths, size_t n, const struct ruletest_options *o, struct buf *out,
		 struct ruletest_counts *counts, struct err *e);
