// SPDX-License-Identifier: GPL-2.0-or-later
/* An event: what happened, when, to whom, with typed facts. Immutable once it was fed to the pipeline. */
#pragma once

#include "core/fact.h"

#include <jansson.h>

enum { EVENT_FACTS_MAX = 32, EVENT_FACTS_FEW = 8, EVENT_KIND_MAX = 65, EVENT_SOURCE_MAX = 24, EVENT_CAUSE_MAX = 40 };

struct event_fact {
	enum fact_id id;
	struct value v; /* strings are the event's own */
};

struct event {
	uint64_t seq; /* set by the pipeline; 0 before */
	int64_t time; /* CLOCK_BOOTTIME, ns */
	int64_t wall; /* CLOCK_REALTIME, ns */
	char kind[EVENT_KIND_MAX];
	char source[EVENT_SOURCE_MAX];
	enum origin origin;
	int count; /* raw events that it stands for, >= 1 */
	int generation;
	char cause[EVENT_CAUSE_MAX]; /* id of the verdict that caused it, empty if none */
	/* The subject, as far as it is known; owned strings, NULL if none. */
	char *device;		  /* device.id */
	char *array;		  /* array.id */
	int slot;		  /* of the array, -1 if none */
	char *snapshot;		  /* snapshot.id */
	char *map;		  /* path events: device id of the map */
	json_t *extra;		  /* facts of no table (emit, raw udev properties): an object, or NULL */
	struct event_fact *facts; /* few, or an allocation of its own when there are more */
	size_t n_facts;		  /* at most EVENT_FACTS_MAX */
	struct event_fact few[EVENT_FACTS_FEW];
};

/* A new event with count 1, slot -1; NULL when out of memory. The caller frees it. */
struct event *event_new(const char *kind, const char *source, enum origin origin);
void event_free(struct event *ev);
DEFINE_CLEANUP(struct event *, event_free)

/* 0, -ENOMEM, or -ENOSPC when the event is full. A string is copied; a second value of one fact replaces the first. */
int event_set(struct event *ev, enum fact_id id, struct value v);
/* The event's own value of a fact, also event.*; unknown if it has none. */
struct value event_get(const struct event *ev, enum fact_id id);
/* Puts the facts that the event itself brings into f. */
void event_bind(const struct event *ev, struct facts *f);

/* A fact's value as it stands in the JSON of an event; null for unknown ones and sets. A new reference. */
json_t *fact_to_json(const struct value *v);
/* Reads one back; a string is borrowed of j. 0 or -EINVAL with one line. */
int fact_from_json(enum fact_id id, const json_t *j, struct value *ret, struct err *e);

/* {"v":1,"seq","time","wall","kind","source","origin","count","generation","cause","device","array","slot","facts":{..},"extra"}.
 * A new reference. */
json_t *event_to_json(const struct event *ev);
/* Reads one back; unknown keys are errors. */
int event_from_json(const json_t *j, struct event **ret, struct err *e);
