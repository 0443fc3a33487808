// SPDX-License-Identifier: GPL-2.0-or-later
/* What the decoding of test files shares: facts and worlds. */
#pragma once

#include "config/schema.h"
#include "rules/testfile.h"

struct decode {
	struct test_file *file;
	struct arena *a;
	struct diag *d;
	const struct node *worlds;
	const struct node *open[16]; /* worlds whose "from" is being followed */
	size_t n_open;
};

/* NULL gives none. */
struct test_words test_words(struct decode *c, const struct node *n, const char *what);
/* All keys of the mapping that are none of the words. prefix: of the facts whose names are short; NULL: none. */
struct test_facts test_facts_decode(struct decode *c, const struct node *map, const char *prefix,
				    const char *const *except);
/* A text, or an error and "". */
const char *test_scalar(struct decode *c, const struct node *n, const char *what);
/* A world by name or written out, with "from" merged. */
struct test_world *test_world_decode(struct decode *c, const struct node *n);
