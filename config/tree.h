// SPDX-License-Identifier: GPL-2.0-or-later
/* One YAML document as a tree of nodes that know where they stand. The only part that sees libyaml.
 * Refused, each with its place: duplicate keys, anchors, aliases, tags, merge keys, a second document, more than
 * TREE_DEPTH_MAX levels, more than TREE_SIZE_MAX bytes, tabs in indentation, bytes that are not UTF-8. */
#pragma once

#include "config/diag.h"

enum { TREE_DEPTH_MAX = 16, TREE_SIZE_MAX = 1 << 20 };

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	struct place at;
	bool quoted;	  /* a quoted or block scalar: never null */
	const char *text; /* scalar, NUL-terminated, as YAML unfolds it */
	size_t n;	  /* items of a list, pairs of a mapping */
	struct node **items;
	struct node **keys; /* mapping: scalars, one for each item */
};

struct tree {
	struct arena arena;
	const char *file, *text; /* own copies */
	size_t len;
	struct node *root; /* NULL: the document is empty */
};

/* Parses text. 0, or -EINVAL with at least one error in d. The tree is released by tree_finish in both cases. */
int tree_parse(struct tree *t, const char *file, const char *text, size_t len, struct diag *d);
/* Reads a file of at most TREE_SIZE_MAX + 1 bytes into the arena. 0, or -errno with an error in d. */
int text_read(struct arena *a, const char *path, char **ret, size_t *ret_len, struct diag *d);
/* Reads and parses a file of at most TREE_SIZE_MAX bytes. 0, -EINVAL, or another -errno; each with an error in d. */
int tree_read(struct tree *t, const char *path, struct diag *d);
void tree_finish(struct tree *t);

/* The value of a key, or NULL. */
const struct node *node_get(const struct node *map, const char *key);
/* True for a plain scalar that is empty, "~" or "null". */
bool node_is_null(const struct node *n);
/* "a text", "a list", "a mapping", "nothing" */
const char *node_kind_name(const struct node *n);
/* The place of a part of a plain or quoted one-line scalar: len bytes from offset in its text. */
struct place node_part(const struct node *n, size_t offset, size_t len);
