// SPDX-License-Identifier: GPL-2.0-or-later
/* A request before it is run: shape, version, verb, keys and their types, privilege. Pure. */
#pragma once

#include "core/err.h"
#include "core/value.h"

#include <jansson.h>
#include <stdbool.h>

/* Who answers a verb. */
enum verb_handler {
	VERB_HELP,
	VERB_STATUS,
	VERB_SOURCES,
	VERB_METRICS,
	VERB_SETTINGS,
	VERB_MONITOR,
	VERB_HISTORY,
	VERB_WORLD,
	VERB_INJECT,
	VERB_RULES_LIST,
	VERB_RULES_STATS,
	VERB_RULES_WHY,
	VERB_SPARE_WHY,
	VERB_RELOAD,
	VERB_PLAN,    /* the pipeline makes a plan */
	VERB_COMMAND, /* the pipeline does it at once */
	VERB_HANDLERS,
};

struct verb_keys;

struct verb {
	const char *name, *doc;
	enum verb_handler handler;
	const char *action; /* VERB_PLAN, VERB_COMMAND: the pipeline's name for it */
	bool changes;	    /* for root only */
	const struct verb_keys *keys;
};

/* Ends with a NULL name. */
extern const struct verb verb_table[];

struct request_check {
	json_int_t id;
	const struct verb *verb;
	const char *code; /* of the refusal, see control.h */
	char message[320];
};

/* 0, or -EINVAL with the refusal in *ret. root: the peer may change things. */
int request_check(const json_t *request, bool root, struct request_check *ret);

enum {
	TYPE_EVENT = 1,
	TYPE_VERDICT = 2,
	TYPE_PLAN = 4,
	TYPE_OUTCOME = 8,
	TYPE_NOTICE = 16,
	TYPE_COMMAND = 32,
	TYPE_ALL = 63
};
/* The bit of "event", "verdict", "plan", "outcome", "notice" or "command"; 0 for another word. */
unsigned message_type(const char *word);
