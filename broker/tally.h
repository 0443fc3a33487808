// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters of what was told since the start: for the verbs sources and metrics. Fixed in size. */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* Classes of event kinds: the word before the dot. The last one holds all others. */
#define TALLY_CLASSES(X) X(device) X(block) X(path) X(array) X(spare) X(action) X(broker) X(other)
enum tally_class {
#define X(word) TALLY_##word,
	TALLY_CLASSES(X)
#undef X
		TALLY_CLASS_MAX
};
enum { TALLY_SOURCES_MAX = 24, TALLY_VERDICTS = 4, TALLY_RESULTS = 5 };

struct tally_source {
	char name[32];
	uint64_t events[TALLY_CLASS_MAX];
	uint64_t merged;      /* messages that became part of an event beside its first */
	int64_t lag, lag_max; /* ns from what happened to its event, of the last one and at most; -1: not known */
};

struct tally {
	struct tally_source source[TALLY_SOURCES_MAX]; /* the last one also holds what has no room */
	size_t n_sources;
	uint64_t verdicts[TALLY_VERDICTS], results[TALLY_RESULTS];
};

extern const char *const tally_class_words[TALLY_CLASS_MAX], *const tally_verdict_words[TALLY_VERDICTS],
								     *const tally_result_words[TALLY_RESULTS];

/* A message of the pipeline, as it is published. now: CLOCK_BOOTTIME. */
void tally_message(struct tally *t, const json_t *msg, int64_t now);
/* Adds "events", "merged" and, if known, "lag" and "lag-max" to the entries of a list of sources. */
void tally_add_to(const struct tally *t, json_t *sources);
