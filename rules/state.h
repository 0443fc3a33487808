// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's state, as the parts of rules/ share it. */
#pragma once

#include "core/list.h"
#include "rules/ast.h"

#include <stdio.h>

/* Memory that is wanted soon. */
static inline void fetch_lines(const void *p, size_t n)
{
	enum { LINE = 64 };

	for (size_t i = 0; i < n + LINE - 1; i += LINE)
		__builtin_prefetch((const char *)p + MIN(i, n - 1));
}

/* ---- timers: two heaps, one for each clock ---- */

enum timer_kind {
	TIMER_WINDOW,
	TIMER_ORDER,
	TIMER_CALENDAR,
	TIMER_SCHEDULE,
	TIMER_VISIT,
	TIMER_LIMIT,
	TIMER_WATCH,
	TIMER_QUESTION,
	TIMER_INHIBITION,
	TIMER_MARK
};

/* Small, as there may be a million: whose it is, its kind tells. */
struct timer {
	int64_t at;
	uint32_t pos; /* in its heap + 1; 0: not waiting */
	uint8_t kind; /* enum timer_kind */
	bool awake;   /* of which clock */
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
/* The window, attempt, .. that it is a part of. */
void *timer_owner(struct timer *t);
/* Whose rule it is. Equal times: by rule, then key. */
size_t timer_rule(const struct timer *t);

/* ---- tables by (rule, key) ---- */

enum entry_orders { OF_ALL, OF_RULE, N_ORDERS };

struct entry_link {
	struct entry_node *older, *newer;
};

/* Small, as there may be a million. The key stands behind the entry. */
struct entry_node {
	struct entry_node *next;
	struct entry_link link[N_ORDERS];
	uint32_t hash, rule;
	uint32_t room; /* 1, and 1 for each thing of which it keeps more than one */
	uint16_t key_at;
	/* What entries of several sorts keep; here, where there is room for it. */
	uint8_t phase; /* window: enum window_phase */
	bool injected; /* window, attempt: an injected event is in it */
};

/* By the time when they were touched last. */
struct entry_order {
	struct entry_node *oldest, *newest;
	size_t n, room;
};

typedef void entry_free_fn(struct engine *e, struct entry_node *n);

struct table {
	struct entry_node **slots;
	size_t n_slots;
	struct entry_order all, *of_rule; /* of_rule: [n_rules] */
	entry_free_fn *free_one;
};

/* The room that a table may have in all, unless the options say otherwise, and the part of it that one rule may. */
enum { ROOM_DEFAULT = 1000000, ROOM_SHARE = 4 };

/* 0 or -ENOMEM. */
int table_init(struct table *t, size_t n_rules, entry_free_fn *free_one);
void table_finish(struct engine *e, struct table *t);
struct entry_node *table_find(const struct table *t, size_t rule, const char *key);
/* The entry of the rule that was touched last is wanted soon. */
void table_fetch(const struct table *t, size_t rule);
const char *entry_key(const struct entry_node *n);
/* Allocates a zeroed entry of the size, which starts with its node. NULL when out of memory. */
void *table_add(struct table *t, size_t rule, const char *key, size_t size);
/* Unlinks and frees the entry and its key. */
void table_remove(struct table *t, struct entry_node *n);
/* It was used just now, and has so much room. */
void table_touch(struct table *t, struct entry_node *n, size_t room);
/* Something of the rule was dropped, for there was too much: it is counted, and will be told. */
void evicted(struct engine *e, size_t rule);
/* Evicts what was touched least recently, of n's rule and of all, until neither has more than it may; never n itself.
 */
void table_bound(struct engine *e, struct table *t, const struct entry_node *n);
/* FNV-1a: of what is saved. */
uint64_t text_hash(uint64_t seed, const char *text);
/* The same purpose, eight bytes at a time: of what is not. */
uint64_t key_hash(uint64_t seed, const char *text);
/* Equal values have equal hashes. */
uint64_t value_hash(const struct value *v);

/* ---- what is kept ---- */

/* One counted event; with distinct, all events of one value. */
struct hit {
	int64_t time; /* engine time, of the last */
	uint64_t seq;
	uint32_t weight, older, newer, chain;
};

/* What some windows want to know of each, too. */
struct hit_more {
	union {
		uint64_t hash;	 /* with distinct: of the value */
		int64_t counter; /* with ratio: what it was a share of; -1: not known */
	};
	char *value; /* with distinct: its text, at most VALUE_KEPT bytes of it */
	char *cover; /* values of the rule's cover facts, joined; NULL: none */
};

/* With ratio a window keeps so many events at least. */
enum { VALUE_KEPT = 256, RATIO_KEPT = 4096 };

/* It does not move: room may be the one. */
struct hits {
	struct hit *room; /* [cap]; where more, followed by [cap] hit_more and [cap] slots by value */
	int64_t sum;	  /* of the weights */
	uint32_t n, oldest, newest, unused;
	uint32_t cap : 31; /* a power of two, or 0 */
	bool more : 1;
	struct hit one; /* most windows have but one event */
};

/* In the order of time: NULL at the end. */
struct hit *hits_oldest(const struct hits *h);
struct hit *hits_newest(const struct hits *h);
struct hit *hits_newer(const struct hits *h, const struct hit *hit);
struct hit *hits_older(const struct hits *h, const struct hit *hit);
/* What more is known of it; NULL: nothing. */
struct hit_more *hits_more(const struct hits *h, const struct hit *hit);
/* The one of that value, of which len bytes are compared, and its hash. NULL: none. */
struct hit *hits_find(const struct hits *h, uint64_t hash, const char *value, size_t len);
/* Adds a copy as the newest; value and cover become its own. Either all have more or none, either all a value or none.
 * 0 or -ENOMEM. */
int hits_add(struct hits *h, const struct hit *from, const struct hit_more *more);
/* It counts for so much more, and is the newest now. */
void hits_renew(struct hits *h, struct hit *hit, int64_t weight);
void hits_drop(struct hits *h, struct hit *hit);
void hits_finish(struct hits *h);

/* Raised: with clear, fired and not over yet. */
enum window_phase { WINDOW_COUNTING, WINDOW_RAISED, WINDOW_CLEARING };

struct window {
	struct entry_node node;
	struct timer timer;
	struct hits hits;
	int64_t raised_at[]; /* [1] of a rule with clear */
};

/* A sequence that has begun, or an absence that is waited for. */
struct attempt {
	struct entry_node node;
	struct timer timer;
	int64_t first;		       /* engine time of the first event */
	struct event *came[PARTS_MAX]; /* what came; of a sequence only what is kept of it */
	size_t n;
	char *cover; /* values of the rule's cover facts at the first; NULL: none */
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

/* A subject of a watch rule; or, with a threshold, a group of them that is in the state once enough are. A subject is
 * counted while it is active. */
struct watch {
	struct entry_node node; /* key: of the subject, or what the group has in common */
	bool is_group;
	struct list peers;   /* group: those that are counted, the latest last; subject: its place among them */
	int64_t n_members;   /* group */
	struct watch *group; /* subject that is counted, else NULL */
	struct timer timer;
	enum watch_state state;
	enum subject_sort sort; /* of id */
	char *id;		/* what is bound */
	int64_t since_awake;	/* of pending, clearing; interrupted: the start */
	int64_t since_boot;	/* the state began */
	int64_t fired_awake, fired_boot;
	bool raised;	  /* has fired and was not cleared */
	bool recorded;	  /* held or limited was told for this time of being due */
	const char *held; /* why due is not active: a literal */
	bool waits;	  /* fired, and what became of it is not known yet */
	bool interrupted; /* so when it was saved: due again after its time, if the state lasts */
	bool refused;
	bool changed;	  /* refused, and something changed since */
	uint32_t *prints; /* [FACT_MAX] hashes of the facts when it fired */
	bool *guarded;	  /* [FACT_MAX] facts that the guard named; NULL: any */
	char verdict[40];
	struct span *spans; /* true in the past, for {total, within} */
	size_t n_spans;
	uint64_t pass;
};

/* One subject's, or group's, way through the states. */
struct step_of_time {
	struct engine *e;
	const struct rule *r;
	struct watch *w;
	struct bound *b;
	bool holds, covered, timed; /* timed: a timer has come, so that what ends now has ended */
};

/* When a schedule is due. */
struct schedule {
	struct timer timer;
	size_t rule;
	int64_t next, last; /* wall; last 0: never yet */
};

/* A subject whose share of the spread is not over. */
struct visit_due {
	struct entry_node node; /* key: its id */
	struct timer timer;
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

/* What a person is asked. The facts that events and the match brought are kept; the others are read again. */
struct question {
	struct question *next;
	struct timer timer; /* its deadline */
	struct arena arena;
	char id[40];
	size_t rule;
	const char *key;
	enum subject_sort sort;
	const char *subject;
	struct verdict_context *contexts;
	size_t n;
	struct value facts[FACT_MAX];
	int64_t asked; /* engine time */
	int generation;
	bool injected;
};

struct mark {
	struct mark *next;
	struct timer timer;
	char *device, *as;
	bool ends;
};

/* Of these there are few, unless a rule makes one for each of many keys: the oldest goes then. */
enum { INHIBITIONS_MAX = 4096, QUESTIONS_MAX = 1024 };

enum { MARKS_MAX = 64, VALUES_MAX = 16, EVENTS_MAX = 256, CONTEXTS_MAX = 64 };

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
	double share; /* with ratio; 0: none */
	const char *values[VALUES_MAX];
	struct strset set;
	uint64_t events[EVENTS_MAX];
	size_t n_events;
	bool injected;
	int generation;
};

/* Events that came to a rule. */
struct heard {
	uint64_t n, seq; /* seq: of the last */
	int64_t time;
};

/* A verdict of a rule in shadow mode that nobody has acted by yet; rule empty: none. */
struct shadow_verdict {
	char rule[65], device[128], array[64];
	int64_t time;
};
enum { SHADOWS_KEPT = 64 };

struct rule_stats {
	struct heard heard; /* what heard_of does not count: before a reload, and what is no event */
	uint64_t matched, fired, cleared, limited, held, no_key, inhibited;
	uint64_t evicted;
	uint64_t agreed; /* verdicts in shadow mode, of which a step was then really taken */
	int64_t last;
	int64_t spent; /* ns, about */
	bool refused;  /* a plan of it was, at some time: any fact of its subjects may matter */
};

struct engine {
	struct engine_options o;
	char prefix[17];
	struct ruleset *rs;
	int64_t boot, awake;
	int64_t wall_offset; /* wall - boot, by the last event */
	bool started;
	unsigned dirty;
	bool dirty_facts[FACT_MAX], any_dirty_fact;
	uint64_t counter, pass, samples;
	struct timers by_boot, by_awake;
	bool asleep;   /* what fires now was due while the machine slept */
	int64_t until; /* to where time is moving */
	bool calendars[CALENDARS_MAX];
	struct timer *boundary;	    /* of calendars; of its own, as an engine is moved by a reload */
	struct schedule *schedules; /* [n_rules] */
	struct table windows, attempts, visits, limits, watches, groups;
	struct value earlier[KEPT_MAX]; /* of the attempt that is being looked at */
	uint64_t evicted;		/* windows and limits, since the engine was made */
	char evicted_rule[65];		/* whose the last was */
	struct inhibition *inhibitions; /* the newest first */
	struct question *questions;	/* the newest first */
	size_t n_inhibitions, n_questions;
	json_t *gone;			  /* questions as they were saved, whose rules are gone; told at the start */
	struct mark *marks, *ended_marks; /* facts that are bound may still name the latter */
	struct strset marks_set;	  /* what engine_marks returned last */
	const char *marks_words[MARKS_MAX];
	struct rule_stats *stats;
	struct heard *heard; /* [n_heard] of the rule set */
	struct shadow_verdict shadows[SHADOWS_KEPT];
	size_t n_shadows;
	struct bound *bound;	   /* [0]: the event or subject itself; then one for each membership */
	size_t n_bound, cap_bound; /* n_bound 0: nobody has asked for the event's facts yet */
	struct bound light;	   /* what the event tells by itself */
	bool light_bound;
	bool members_bound;
	struct buf key, limit_key, scratch, compared;
	struct verdict **queue;
	size_t n_queue, cap_queue;
	bool flushing;
	const struct event *event;     /* being evaluated */
	const struct kind_index *kind; /* of the last event */
};

/* shadow.c */

void shadow_note(struct engine *e, const struct verdict *v);
/* A step was taken: action.succeeded. */
void shadow_done(struct engine *e, const struct event *ev);

/* bind.c */

/* Empties the context and puts the subject's facts and marks into it. False: no such subject. */
bool bind_subject(struct engine *e, enum subject_sort sort, const char *id, struct bound *b);
/* The event is evaluated from now on. Its facts are bound when they are wanted. */
void bind_begin(struct engine *e, const struct event *ev);
void bind_end(struct engine *e);
/* Where a rule was content with what the event tells by itself, it has all from now on. */
void bind_all(struct engine *e, struct bound **b);
/* The fact of the event that is being evaluated. Where it is certain without the world, nothing is bound for it: most
 * events concern no rule. */
struct value bind_fact(struct engine *e, enum fact_id fact);
/* Binds one context for each membership of the event's device behind it, once for each event. The number of contexts
 * that the rule looks at, the first of which is at *ret. */
size_t bind_contexts(struct engine *e, const struct rule *r, struct bound **ret);
/* The same for a device that is watched or asked about. */
int bind_memberships(struct engine *e, const char *device);
/* The same for the memberships of the event's device, once for each event. */
void bind_members(struct engine *e);
/* Binds what a person asks about; of a device, where the rule looks at its memberships, the first that is watched, else
 * the first. NULL: no such subject. */
struct bound *bind_asked(struct engine *e, const struct rule *r, enum subject_sort sort, const char *id);
/* Room for at least n contexts. 0 or -ENOMEM. The array may move. */
int bind_room(struct engine *e, size_t n);
/* Writes the values of the key facts into out, separated by \x1f. False if one is unknown. */
bool key_text(const struct key_facts *per, const struct facts *f, struct buf *out);
/* The same as rules and texts show it: separated by commas. */
void key_show(const char *key, struct buf *out);

/* index.c */

struct rule_run {
	const struct rule **next, **end;
};

/* Rules that an event may concern, in order of evaluation. */
struct candidates {
	struct rule_run run[1 + INDEXED_MAX * (1 + CONTEXTS_MAX)];
	size_t n;
};

/* Of the event that is bound. */
void candidates_find(struct engine *e, const struct kind_index *k, struct candidates *c);
/* The next of them, each once; NULL: no more. */
const struct rule *candidates_next(struct candidates *c);
/* The event came to the rules of the kind: to all, or to those until the one that stopped it. */
void heard_event(struct engine *e, const struct kind_index *k, const struct rule *stopped_by);
/* What the rule has heard, also of events that the index kept from it. */
struct heard heard_of(const struct engine *e, const struct rule *r);

/* window.c */

/* Counts the event for the key; fires if it is time. b: the passing contexts of that key, the first n. */
void window_event(struct engine *e, const struct rule *r, const char *key, struct bound **b, size_t n);
void window_timer(struct engine *e, struct window *w);
/* What it has counted, for match.*. */
void window_match(const struct engine *e, const struct rule *r, const struct window *w, struct match *m);
/* Forgets what is covered by the inhibition in all windows. */
void window_inhibit(struct engine *e, const struct inhibition *in);
void window_free(struct engine *e, struct window *w);
/* Whether its window has a hit_more for each event. */
bool window_wants_more(const struct rule *r);
/* Empty, for the key. NULL when out of memory. */
struct window *window_new(struct engine *e, const struct rule *r, const char *key);
/* The share of the counter's increase that was counted. 0: not known, for the counter did not grow. */
double window_share(const struct window *w);
/* Drops what is no longer in it. */
void window_prune(struct engine *e, const struct rule *r, struct window *w);
/* Its room is counted; others may be evicted for it. */
void window_touch(struct engine *e, struct window *w);
/* Arms the timer that frees or clears it, unless it waits already. */
void window_arm(struct engine *e, const struct rule *r, struct window *w);

/* Whether the joined values of the rule's cover facts agree with what the inhibition covers. */
bool cover_agrees(const struct rule *r, const char *cover, const struct inhibition *in);

/* order.c */

/* The event for a rule with parts. True: it was one of them. */
bool order_event(struct engine *e, const struct rule *r, struct bound *all, size_t n);
void order_timer(struct engine *e, struct attempt *a);
void order_inhibit(struct engine *e, const struct inhibition *in);
void order_free(struct engine *e, struct attempt *a);
/* Arms the timer that ends it: of a new one, or of one that was saved and has rest_ns left. */
void order_arm(struct engine *e, const struct rule *r, struct attempt *a, int64_t rest_ns);

/* why.c */

/* Why a verdict is held or limited, one line: "held by unless: device.maintenance is true". */
void why_not_now(const struct rule *r, enum verdict_kind kind, const struct facts *f, struct buf *out);

/* gate.c */

enum gate { GATE_FIRED, GATE_LIMITED, GATE_HELD };

/* unless, limit, then the verdict and its effects. A verdict of an event rule that is limited is told once until the
 * limit has room again: in a storm each event could be one. */
enum gate gate_fire(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n,
		    struct verdict **ret);
/* When the limit of the rule has room for the facts again; now or earlier: it has. */
int64_t gate_limit_opens(struct engine *e, const struct rule *r, const struct facts *f);
/* How many verdicts of the rule count for its limit; after gate_limit_opens. */
size_t gate_limit_used(struct engine *e, const struct rule *r, const struct facts *f);
/* The inhibition that covers the rule and the facts; NULL: none. */
const struct inhibition *gate_inhibition(struct engine *e, const struct rule *r, const struct facts *f);
bool gate_inhibited(struct engine *e, const struct rule *r, const struct facts *f);
/* Puts match.* into the contexts. */
void gate_match(struct engine *e, const struct rule *r, const struct match *m, struct bound **b, size_t n);
/* The steps that change the engine itself (inhibit, mark) act at once: rules after this one see them. v may be NULL. */
void gate_effects(struct engine *e, const struct rule *r, const struct steps *steps, const struct match *m,
		  const struct verdict *v, struct bound **b, size_t n);
void limit_free(struct engine *e, struct limit *l);
/* It holds from now on. */
void inhibition_add(struct engine *e, struct inhibition *in);
void inhibition_end(struct engine *e, struct inhibition *in);
/* It is over: ends the inhibitions of the rule and key that last until it clears, and withdraws what was asked. */
void key_cleared(struct engine *e, const struct rule *r, const char *key);
void mark_end(struct engine *e, struct mark *m);
/* When nothing is bound any more: those that have ended. */
void marks_free(struct engine *e);

/* watch.c */

/* The rules about the sorts, and about facts that are dirty. */
void watch_all(struct engine *e, unsigned sorts);
void watch_timer(struct engine *e, struct watch *w);
void watch_free(struct engine *e, struct watch *w);
/* Time of which {total, within} was true, at time at, if it stays as it is. */
int64_t watch_total(const struct rule *r, const struct watch *w, int64_t at);

/* Moves w as far as it goes now; it may be gone then. */
void watch_move(struct step_of_time *s);

/* group.c */

/* The subject is counted from now on, in the group that its facts name; false: it is in none, for they are unknown. */
bool group_join(struct engine *e, const struct rule *r, struct watch *w, const struct facts *f);
/* The same by the group's key: what was saved. */
void group_put(struct engine *e, const struct rule *r, struct watch *w, const char *key);
void group_leave(struct watch *w);
/* All groups of the rule, after its subjects. */
void group_all(struct engine *e, const struct rule *r);
void group_timer(struct engine *e, struct watch *group);
/* How many, and which, for match.*. */
void group_match(const struct watch *group, struct match *m);
/* An entry in the table: of a subject, or (is_group) of a group. NULL when out of memory. */
struct watch *watch_add(struct engine *e, const struct rule *r, const char *key, bool is_group);

/* ask.c */

/* v: the verdict that asks. */
void question_new(struct engine *e, const struct rule *r, const char *key, const struct verdict *v);
struct question *question_find(const struct engine *e, const struct rule *r, const char *key);
void question_withdraw(struct engine *e, struct question *q, const char *why);
/* Tells that it is withdrawn. r: the rule that asked, perhaps none of the rule set any more. */
void question_over(struct engine *e, const struct rule *r, const struct question *q, const char *why);
/* What is covered is not asked any more. */
void question_inhibit(struct engine *e, const struct inhibition *in);
void question_timer(struct engine *e, struct question *q);
void question_free(struct engine *e, struct question *q);
/* Waits for its deadline. */
void question_arm(struct engine *e, struct question *q, int64_t awake);

/* restore.c: of an entry of the saved state; "" if it has none. */
const char *saved_text(const json_t *j, const char *name);
bool saved_flag(const json_t *j, const char *name);
enum subject_sort saved_sort(const json_t *j);

/* restore_ask.c */

void question_restore(struct engine *e, const struct rule *r, const json_t *j, int64_t asked, int64_t ends);
/* It was saved, and its rule does not ask it any more: kept until that is told. */
void question_gone(struct engine *e, json_t *j);
void questions_withdraw_gone(struct engine *e);

/* schedule.c */

/* The wall clock was looked at: calendars and schedules follow it. */
void schedule_wall(struct engine *e);
/* Enumeration is complete: what was missed is made up for. */
void schedule_start(struct engine *e);
void calendar_timer(struct engine *e);
void schedule_timer(struct engine *e, struct schedule *s);
void visit_timer(struct engine *e, struct visit_due *v);
void visit_free(struct engine *e, struct visit_due *v);
void visit_arm(struct engine *e, const struct rule *r, const char *id, int64_t boot);
/* The next time of the rule, on the engine's clock. */
bool schedule_next(const struct engine *e, const struct rule *r, int64_t *ret_boot);

/* stats.c */

/* Whether what comes now is timed. */
bool stats_sampled(struct engine *e);
/* When it began; 0: it is not timed. */
int64_t stats_ticks(const struct engine *e, bool sampled);
void stats_spent(struct engine *e, const struct rule *r, bool sampled, int64_t begin);

/* save.c */

enum { HASH_TEXT = 20 };

/* What tells whether saved state is still that of the rule. */
const char *rule_hash_text(const struct rule *r, char text[HASH_TEXT]);

/* verdict.c */

/* Builds one with the next number. NULL when out of memory. */
struct verdict *verdict_new(struct engine *e, const struct rule *r, enum verdict_kind kind, const struct match *m,
			    struct bound **b, size_t n, const char *reason);
/* Hands the queued verdicts out. */
void verdicts_flush(struct engine *e);
/* The same, and puts it into the queue. NULL when out of memory. */
struct verdict *verdict_queue(struct engine *e, const struct rule *r, enum verdict_kind kind, const struct match *m,
			      struct bound **b, size_t n, const char *reason);
