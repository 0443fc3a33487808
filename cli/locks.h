// SPDX-License-Identifier: GPL-2.0-or-later
/* The files that keep other tools off managed sets, and that tell spared to run them (docs/reliability.md). */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { LOCKS = 3 };

struct lock {
	const char *what; /* "udev rule": for people */
	const char *path; /* below the root */
	/* Appends the file's text for this set: locked, or not. program: of the udev rule. */
	int (*edit)(const struct lock *l, const char *path, const char *text, const char *guid, const char *program,
		    bool on, struct buf *ret, struct err *e);
};

/* In the order in which they are written; they are taken away in the opposite order. */
extern const struct lock lock_table[LOCKS];

/* One file, before and after. */
struct lock_change {
	const struct lock *lock;
	char *path, *before, *after; /* before "": there is no file; after "": it goes */
};

/* Computes the change of one lock for several sets; root: "" or a directory. 0, or -errno with *e, and nothing in *ret.
 */
int lock_change(const struct lock *l, const char *root, const char *const *guids, size_t n, const char *program,
		bool on, struct lock_change *ret, struct err *e);
void lock_change_finish(struct lock_change *c);
/* Writes it, whole or not at all, and makes it durable. A file that stays as it is is not touched. 0 or -errno. */
int lock_write(const struct lock_change *c, struct err *e);
