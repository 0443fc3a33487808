// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's state, as the parts of rules/ share it. */
#pragma once

#include "rules/ast.h"

/* ---- timers: two heaps, one for each clock ---- */

enum timer_kind { TIMER_WINDOW, TIMER_LIMIT, TIMER_WATCH, TIMER_INHIBITION, TIMER_MARK };

struct timer {
	int64_t at;
	size_t pos; /* in its heap + 1; 0: not waiting */
	bool awake; /* of which clock */
	enum timer_kind kind;
	size_t rule; /* equal times: by rule, then key */
	const char *key;
	void *owner;
};

struct timers {
	struct timer **heap;
	size_t n, cap;
};

/* 0 or -ENOMEM. An armed timer is moved. */
int timer_arm(struct engine *e, struct timer *t, int64_t at, bool awake);
void timer_cancel(struct engine *e, struct timer *t);
/* The first timer of a clock, or NULL. */
struct timer *timer_first(const struct timers *q);

/* ---- tables by (rule, key) ---- */

struct entry_node {
	struct entry_node *next;
	uint64_t hash;
	size_t rule;
	char *key;
};

struct table {
	struct entry_node **slots;
	size_t n, n_slots;
};

struct entry_node *table_find(const struct table *t, size_t rule, const char *key);
/* Allocates a zeroed entry of the size, which starts with its node. NULL when out of memory. */
void *table_add(struct table *t, size_t rule, const char *key, size_t size);
/* Unlinks and frees the entry and its key. */
void table_remove(struct table *t, struct entry_node *n);
/* All entries, sorted by rule and key; *n. NULL when empty or out of memory. To be freed. */
struct entry_node **table_sorted(const struct table *t, size_t *n);

/* ---- what is kept ---- */

/* One counted event. */
struct hit {
	int64_t time; /* engine time */
	int64_t weight;
	uint64_t seq;
	char *value; /* with distinct */
	char *cover; /* values of the rule's cover facts, joined; NULL: none */
};

struct window {
	struct entry_node node;
	struct timer timer;
	struct hit *hits; /* oldest first */
	size_t first, end, cap;
	int64_t sum; /* of the weights of hits[first..end) */
	bool raised; /* with clear: fired, not over yet */
	bool clearing;
	int64_t raised_at;
	bool injected;
};

struct limit {
	struct entry_node node;
	struct timer timer;
	int64_t *times; /* verdicts, oldest first, at most limit.count */
	size_t n;
	bool told; /* a verdict of an event rule was limited since the last of them */
};

enum watch_state { WATCH_SUMMING, WATCH_PENDING, WATCH_DUE, WATCH_ACTIVE, WATCH_CLEARING };

struct span {
	int64_t from, to;
};

struct watch {
	struct entry_node node; /* key: of the subject */
	struct timer timer;
	enum watch_state state;
	enum subject_sort sort; /* of id */
	char *id;		/* what is bound */
	int64_t since_awake;	/* of pending, clearing */
	int64_t since_boot;	/* the state began */
	int64_t fired_awake, fired_boot;
	bool raised;	  /* has fired and was not cleared */
	bool recorded;	  /* held or limited was told for this time of being due */
	const char *held; /* why due is not active: a literal */
	bool refused;
	bool changed;	  /* refused, and something changed since */
	uint32_t *prints; /* [FACT_MAX] hashes of the facts when it fired */
	bool *guarded;	  /* [FACT_MAX] facts that the guard named; NULL: any */
	char verdict[40];
	struct span *spans; /* true in the past, for {total, within} */
	size_t n_spans;
	uint64_t pass;
};

struct inhibition {
	struct inhibition *next;
	struct timer timer;
	size_t rule; /* that inhibits */
	char *key;   /* its key, for until: clear */
	bool until_clear;
	const bool *covers; /* of the rule set */
	struct key_facts per;
	char *values[PER_MAX];
};

struct mark {
	struct mark *next;
	struct timer timer;
	char *device, *as;
	bool ends;
};

enum { MARKS_MAX = 64, VALUES_MAX = 16, EVENTS_MAX = 256 };

/* The facts of one context. */
struct bound {
	struct facts f;
	struct strset marks;
	const char *mark_words[MARKS_MAX];
	bool passed, done;
};

/* What a correlation found, for match.*. */
struct match {
	const char *key;
	int64_t count, distinct, first, last, held;
	const char *values[VALUES_MAX];
	struct strset set;
	uint64_t events[EVENTS_MAX];
	size_t n_events;
	bool injected;
	int generation;
};

struct rule_stats {
	uint64_t seen, matched, fired, cleared, limited, held, no_key;
	int64_t last;
	uint64_t last_seq;
};

struct engine {
	struct engine_options o;
	char prefix[17];
	struct ruleset *rs;
	int64_t boot, awake;
	int64_t wall_offset; /* wall - boot, by the last event */
	bool started;
	unsigned dirty;
	uint64_t counter, pass;
	struct timers by_boot, by_awake;
	struct table windows, limits, watches;
	struct inhibition *inhibitions;
	struct mark *marks;
	struct strset marks_set; /* what engine_marks returned last */
	const char *marks_words[MARKS_MAX];
	struct rule_stats *stats;
	struct bound *bound; /* [0]: the event or subject itself; then one for each membership */
	size_t n_bound, cap_bound;
	bool members_bound;
	struct buf key, limit_key, scratch;
	struct verdict **queue;
	size_t n_queue, cap_queue;
	bool flushing;
	const struct event *event; /* being evaluated */
};

/* bind.c */

/* Empties the context and puts the subject's facts and marks into it. False: no such subject. */
bool bind_subject(struct engine *e, enum subject_sort sort, const char *id, struct bound *b);
/* Binds e->bound[0] for the event. */
void bind_event(struct engine *e, const struct event *ev);
/* Binds one context for each membership of the event's device behind it, once for each event. The number of contexts
 * that the rule looks at, the first of which is at *ret. */
size_t bind_contexts(struct engine *e, const struct rule *r, struct bound **ret);
/* The same for a device that is watched or asked about. */
int bind_memberships(struct engine *e, const char *device);
/* Room for at least n contexts. 0 or -ENOMEM. The array may move. */
int bind_room(struct engine *e, size_t n);
/* Writes the values of the key facts into out, separated by \x1f. False if one is unknown. */
bool key_text(const struct key_facts *per, const struct facts *f, struct buf *out);
/* The same as rules and texts show it: separated by commas. */
void key_show(const char *key, struct buf *out);

/* window.c */

/* Counts the event for the key; fires if it is time. b: the passing contexts of that key, the first n. */
void window_event(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n);
void window_timer(struct engine *e, struct window *w);
/* Forgets what is covered by the inhibition in all windows. */
void window_inhibit(struct engine *e, const struct inhibition *in);
void window_free(struct engine *e, struct window *w);
/* The hits of a window that are still in it, now. */
void window_prune(struct engine *e, const struct rule *r, struct window *w);
int window_add(struct window *w, struct hit hit);
/* Arms the timer that frees or clears it. */
void window_arm(struct engine *e, const struct rule *r, struct window *w);

/* gate.c */

enum gate { GATE_FIRED, GATE_LIMITED, GATE_HELD };

/* unless, limit, then the verdict and its effects. A verdict of an event rule that is limited is told once until the
 * limit has room again: in a storm each event could be one. */
enum gate gate_fire(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n,
		    struct verdict **ret);
/* When the limit of the rule has room for the facts again; now or earlier: it has. */
int64_t gate_limit_opens(struct engine *e, const struct rule *r, const struct facts *f);
bool gate_inhibited(const struct engine *e, const struct rule *r, const struct facts *f);
/* Puts match.* into the contexts. */
void gate_match(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n);
/* The steps that change the engine itself (inhibit, mark) act at once: rules after this one see them. v may be NULL. */
void gate_effects(struct engine *e, const struct rule *r, const struct steps *steps, const struct match *m,
		  const struct verdict *v, struct bound **b, size_t n);
void limit_free(struct engine *e, struct limit *l);
void inhibition_end(struct engine *e, struct inhibition *in);
/* Ends the inhibitions of the rule and key that last until it clears. */
void inhibition_cleared(struct engine *e, const struct rule *r, const char *key);
void mark_end(struct engine *e, struct mark *m);

/* watch.c */

void watch_all(struct engine *e, unsigned sorts);
void watch_timer(struct engine *e, struct watch *w);
void watch_free(struct engine *e, struct watch *w);
/* Time of which {total, within} was true, at time at, if it stays as it is. */
int64_t watch_total(const struct rule *r, const struct watch *w, int64_t at);

/* verdict.c */

/* Builds one and puts it into the queue. NULL when out of memory. */
struct verdict *verdict_queue(struct engine *e, const struct rule *r, enum verdict_kind kind, const struct match *m,
			      struct bound **b, size_t n, const char *reason);
