// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptions of generic netlink families, a file each (spared.genl(5)): which messages of which group are which
 * events. What a message says has a flat list of values; each value has a path ("device-info.disk-state"). */
#pragma once

#include "config/schema.h"
#include "core/fact.h"

enum { GENL_VALUES_MAX = 64, GENL_FACTS_MAX = 4, GENL_TEXT_MAX = 256 };

enum genl_type {
	GENL_U8,
	GENL_U16,
	GENL_U32,
	GENL_U64,
	GENL_S8,
	GENL_S16,
	GENL_S32,
	GENL_S64,
	GENL_TEXT,
	GENL_BINARY,
	GENL_FLAG,
	GENL_NESTED,
};

/* Bytes of a number of that type; 0: it is no number. */
size_t genl_type_size(enum genl_type type);

struct genl_word {
	int64_t value;
	const char *word;
};

struct genl_attr;

struct genl_attrs {
	struct genl_attr *a;
	size_t n;
};

/* An attribute, or a field of the family's own header (id: its offset there, then). */
struct genl_attr {
	const char *name, *path;
	unsigned id;
	enum genl_type type;
	bool optional;		/* a message that names it in a text may be without it */
	size_t value;		/* its place among the values; not for a nested one */
	struct genl_word *word; /* what numbers mean */
	size_t n_words;
	struct genl_attrs nested;
};

/* A text with values in it: "nbd${index}". */
struct genl_text {
	struct genl_part {
		const char *text;	      /* or NULL: */
		const struct genl_attr *attr; /* .. this one's value */
	} * part;
	size_t n;
};

struct genl_fact {
	enum fact_id fact;
	struct genl_text text;
};

struct genl_message {
	const char *name;
	unsigned command;
	const char *kind;
	bool has_device;
	struct genl_text device; /* name of the kernel's block device that it is about */
	struct genl_fact fact[GENL_FACTS_MAX];
	size_t n_facts;
};

struct genl_desc {
	const char *family, *group;
	struct genl_attrs header; /* in their order */
	size_t header_size;
	struct genl_attrs attrs;
	size_t n_values;
	struct genl_message *message;
	size_t n_messages;
	struct tree tree; /* owns all */
};

/* Reads one. 0, or -EINVAL with the problems in d. *ret is to be released in both cases. */
int genl_desc_parse(struct genl_desc *ret, const char *file, const char *text, size_t len, struct diag *d);
void genl_desc_finish(struct genl_desc *g);

struct genl_descs {
	struct genl_desc **desc;
	size_t n;
	const char **kinds; /* of their events, NULL-terminated: for the rule loader */
};

/* Reads all of the drop-in directories, weakest first. -EINVAL: at least one file has errors; those that have none are
 * in *ret. NULL is no error: nothing is described. */
int genl_descs_load(const char *const *dirs, size_t n, struct diag *d, struct genl_descs **ret);
void genl_descs_free(struct genl_descs *l);
DEFINE_CLEANUP(struct genl_descs *, genl_descs_free)
