// SPDX-License-Identifier: GPL-2.0-or-later
/* ruletest ROOT DEFAULT FILE..: runs rule tests. ROOT: what "load" is relative to; DEFAULT: directory of the default
 * rules. Kinds of events are also those that the shipped descriptions of netlink families name. */
#include "pipeline/ruletest.h"
#include "config/genl.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	const char *dirs[] = {SPARED_GENL_DIR};
	_cleanup_(genl_descs_freep) struct genl_descs *descs = NULL;
	_cleanup_(buf_free) struct buf out = {0};
	struct ruletest_options o = {.verbose = true};
	struct ruletest_counts counts;
	struct err e = {0};
	struct diag d;
	int r;

	if (argc < 4) {
		fprintf(stderr, "usage: ruletest ROOT DEFAULT FILE..\n");
		return 2;
	}
	diag_init(&d);
	genl_descs_load(dirs, ARRAY_SIZE(dirs), &d, &descs);
	diag_finish(&d);
	o.kinds = descs ? descs->kinds : NULL;
	o.rules_root = argv[1];
	o.default_dir = argv[2];
	r = ruletest_run((const char *const *)&argv[3], (size_t)argc - 3, &o, &out, &counts, &e);
	fputs(buf_str(&out), stdout);
	if (r < 0)
		fprintf(stderr, "ruletest: %s\n", e.msg);
	return r != 0;
}
