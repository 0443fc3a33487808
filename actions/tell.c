// SPDX-License-Identifier: GPL-2.0-or-later
/* Actions that are not about an array: the pipeline does them itself, mark, unmark and inhibit the rule engine. */
#include "actions/steps.h"

static const char *const severities[] = {"debug",    "info",  "notice",	   "warning", "error",
					 "critical", "alert", "emergency", NULL};

const struct action_ops action_notify = {
	.desc = {.name = "notify",
		 .doc = "Tells people: the journal, and the program of the settings.",
		 .params =
			 (const struct param_desc[]){{"severity", PARAM_ENUM, .required = true, .words = severities,
						      .doc = "how bad it is"},
						     {"text", PARAM_STRING, .required = true, .doc = "one sentence"},
						     {"to", PARAM_STRING, .doc = "whom, as the program understands it"},
						     {NULL}}},
};

const struct action_ops action_exec = {
	.desc = {.name = "exec",
		 .doc = "Runs a program, without a shell.",
		 .params =
			 (const struct param_desc[]){
				 {"argv", PARAM_ARGV, .required = true, .doc = "program and arguments"},
				 {"env", PARAM_ENV, .doc = "further environment"},
				 {"timeout", PARAM_DURATION, .doc = "it is killed after this time; 30s"},
				 {NULL}}},
};

const struct action_ops action_emit = {
	.desc = {.name = "emit",
		 .doc = "Makes an event of one's own, for other rules.",
		 .params = (const struct param_desc[]){{"kind", PARAM_STRING, .required = true,
							.doc = "two words joined by a dot"},
						       {"facts", PARAM_FACTS, .doc = "what it tells"},
						       {NULL}}},
};

const struct action_ops action_mark = {
	.desc = {.name = "mark",
		 .doc = "Puts a mark on a device, for a time.",
		 .params = (const struct param_desc[]){{"as", PARAM_STRING, .required = true, .doc = "the mark"},
						       {"device", PARAM_DEVICE, .doc = "the device; the subject"},
						       {"for", PARAM_DURATION, .doc = "how long; for ever"},
						       {NULL}}},
};

const struct action_ops action_unmark = {
	.desc = {.name = "unmark",
		 .doc = "Takes a mark away.",
		 .params = (const struct param_desc[]){{"as", PARAM_STRING, .required = true, .doc = "the mark"},
						       {"device", PARAM_DEVICE, .doc = "the device; the subject"},
						       {NULL}}},
};

static const char *const until_words[] = {"clear", NULL};

const struct action_ops action_inhibit = {
	.desc = {.name = "inhibit",
		 .doc = "Keeps other rules from acting on the same thing, for a time.",
		 .params =
			 (const struct param_desc[]){
				 {"rules", PARAM_WORDS, .required = true, .doc = "names or globs"},
				 {"for", PARAM_DURATION, .required = true, .doc = "how long, at most 24h"},
				 {"per", PARAM_WORDS, .doc = "facts that must be alike; the rule's key"},
				 {"until", PARAM_ENUM, .words = until_words, .doc = "ends when this rule clears"},
				 {NULL}}},
};
