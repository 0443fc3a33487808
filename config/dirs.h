// SPDX-License-Identifier: GPL-2.0-or-later
/* Drop-in directories, weakest first: a file in a stronger one hides one of the same name; an empty file or a link to
 * /dev/null masks it. */
#pragma once

#include "config/diag.h"

struct drop_in {
	char *path;
	const char *name; /* last part of path: drop-ins are sorted by it */
	size_t layer;	  /* index of its directory */
};

struct drop_ins {
	struct drop_in *files;
	size_t n;
};

/* Lists "*.yaml" (not "*.test.yaml") of the directories; a directory that does not exist is empty. Dot files and other
 * extensions are skipped, with the lint ignored-file for "*.yml" and unreadable ones; a world-writable file is an
 * error. 0 or -errno; problems are in d. */
int drop_ins_list(const char *const *dirs, size_t n, struct diag *d, struct drop_ins *ret);
void drop_ins_finish(struct drop_ins *l);
