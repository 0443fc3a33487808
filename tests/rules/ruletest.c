// SPDX-License-Identifier: GPL-2.0-or-later
/* ruletest ROOT DEFAULT FILE..: runs rule tests. ROOT: what "load" is relative to; DEFAULT: directory of the default
 * rules. */
#include "pipeline/ruletest.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct ruletest_options o = {.verbose = true};
	struct ruletest_counts counts;
	struct err e = {0};
	int r;

	if (argc < 4) {
		fprintf(stderr, "usage: ruletest ROOT DEFAULT FILE..\n");
		return 2;
	}
	o.rules_root = argv[1];
	o.default_dir = argv[2];
	r = ruletest_run((const char *const *)&argv[3], (size_t)argc - 3, &o, &out, &counts, &e);
	fputs(buf_str(&out), stdout);
	if (r < 0)
		fprintf(stderr, "ruletest: %s\n", e.msg);
	return r != 0;
}
