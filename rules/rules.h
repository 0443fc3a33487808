// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule engine: what is fired by events and states, and why. Pure: it reads no clock, file (but through
 * ruleset_load_dirs) or device. All times are nanoseconds; "boot" is CLOCK_BOOTTIME (the engine's time), "awake" is
 * CLOCK_MONOTONIC (boot less suspends).
 *
 *     ruleset_load -> ruleset (immutable) -> engine_new -> engine_start
 *     for each event:  engine_before(t); the inventory takes it in; engine_changed(what); engine_event(event)
 *     when no event is left for time t:  engine_advance(t)          verdicts go to the sink
 */
#pragma once

#include "config/diag.h"
#include "core/event.h"
#include "core/fact.h"

/* ---- rule sets ---- */

struct ruleset;

struct rule_source {
	const char *file; /* name in messages; files are ordered by its last part */
	const char *text;
	size_t len;
	int layer; /* weakest 0; a list or condition of a stronger layer replaces one of the same name */
};

/* The stricter ones last. */
enum rule_mode { RULE_ENFORCE, RULE_ASK, RULE_SHADOW };
const char *rule_mode_word(enum rule_mode mode);

struct ruleset_options {
	/* NULL-terminated; must outlive the rule set. */
	const struct action_desc *const *actions;
	/* The stricter of this and the rule's own mode holds. */
	enum rule_mode mode;
	/* NULL: all rules run. Else a NULL-terminated list of the names of those that do; the rest is checked only. */
	const char *const *only;
	/* Event kinds that there are beside the built-in ones and those that rules emit: NULL-terminated, or NULL. */
	const char *const *kinds;
};

/* Compiles sources (parsed and copied; they may go away). A transaction: 0 and *ret, or -EINVAL and nothing, with every
 * problem in d. Warnings (lints) are in d in both cases. */
int ruleset_load(const struct rule_source *sources, size_t n, const struct ruleset_options *o, struct diag *d,
		 struct ruleset **ret);
/* The same from drop-in directories, weakest first. */
int ruleset_load_dirs(const char *const *dirs, size_t n, const struct ruleset_options *o, struct diag *d,
		      struct ruleset **ret);
struct ruleset *ruleset_ref(struct ruleset *rs);
void ruleset_unref(struct ruleset *rs);
DEFINE_CLEANUP(struct ruleset *, ruleset_unref)

struct rule_info {
	const char *name, *description;
	struct place at;     /* of its name */
	const char *trigger; /* "event block.error", "watch member" */
	enum rule_mode mode;
	int priority;
	bool destructive; /* has a step that changes redundancy or data */
	bool disabled;
};

/* Of the texts that it was loaded from: equal where they are. Into text, and returned. */
enum { RULESET_DIGEST_MAX = 17 };
const char *ruleset_digest(const struct ruleset *rs, char text[RULESET_DIGEST_MAX]);
size_t ruleset_size(const struct ruleset *rs);
/* i: 0 .. ruleset_size - 1, in the order of evaluation. The strings live as long as the rule set. */
struct rule_info ruleset_rule(const struct ruleset *rs, size_t i);
/* Index of the rule of that name, or -ENOENT. */
int ruleset_find(const struct ruleset *rs, const char *name);
/* Whether a rule that runs names the fact. */
bool ruleset_names(const struct ruleset *rs, enum fact_id fact);
/* {"v":1,"rules":[{"name","description","trigger","mode","priority","at","destructive","disabled"}]}; with origins also
 * "origin":{KEY:["FILE:LINE:COL",..]}: where each key was set, the strongest last. A new reference. */
json_t *ruleset_to_json(const struct ruleset *rs, bool origins);

/* JSON Schema of rules files, and of their tests. New references. */
json_t *rules_schema(const struct action_desc *const *actions);
json_t *rule_tests_schema(void);

/* ---- verdicts ---- */

enum verdict_kind {
	VERDICT_FIRED,	 /* the steps are to be planned (in shadow mode: planned and told, not done) */
	VERDICT_CLEARED, /* the state is over; the steps are those of clear.do, perhaps none */
	/* Would have fired, but the limit is used up: for the history, once for each time of being due (watch rules) or
	 * until the limit has room again (event rules). No steps. */
	VERDICT_LIMITED,
	VERDICT_HELD,  /* would have fired, but unless held it back: for the history (watch rules only). No steps. */
	VERDICT_ASKED, /* a person is asked: engine_answer. The steps until the first that changes an array are done */
	VERDICT_WITHDRAWN, /* what was asked is not to be answered any more. No steps. */
};

enum on_failure { ON_FAILURE_STOP, ON_FAILURE_CONTINUE, ON_FAILURE_STEPS };

struct verdict_param {
	const char *name;
	enum param_type type;
	struct value v;	   /* scalar types; a string is the verdict's own. V_NONE for lists. */
	const char **list; /* PARAM_WORDS, PARAM_ARGV: n words. PARAM_ENV, PARAM_FACTS: n pairs name, value. */
	size_t n;
};

struct verdict_step {
	const struct action_desc *action;
	struct verdict_param *params; /* those that the rule gives; the rest are the action's defaults (the contexts) */
	size_t n_params;
	const char
		*error; /* the step cannot be done and counts as failed, e.g. "device.slot is not known"; else NULL */
	enum on_failure on_failure;
	/* ON_FAILURE_STEPS: run, then stop. Their texts may hold ${action.result} and ${action.reason}: see
	 * failure_text. */
	struct verdict_step *failure_steps;
	size_t n_failure_steps;
	struct place at; /* of the step in the rule */
};

/* Where the steps apply: one for each array. Strings are the verdict's own, NULL if unknown; slot -1 if unknown. */
struct verdict_context {
	const char *device, *device_name;
	const char *array, *array_name;
	int slot;
};

/* A value: immutable, counted. */
struct verdict {
	char id[40]; /* prefix + counter */
	enum verdict_kind kind;
	enum rule_mode mode;
	const char *rule, *description;
	struct place at; /* of the rule */
	int priority;
	int64_t time;		/* engine time (boot), ns */
	int64_t wall;		/* ns since 1970 UTC */
	enum subject_sort sort; /* of the subject; SORT_NONE for events without one */
	const char *subject;	/* device.id, member.id, array.id or snapshot.id; "" if none */
	const char *key;	/* values of per, comma-separated */
	struct verdict_context *contexts;
	size_t n_contexts;
	const struct facts *facts; /* all facts of the first context, match.* too; own copies */
	const bool *named;	   /* [FACT_MAX]: facts that the rule names */
	uint64_t *events;	   /* seqs of the counted events, oldest first, at most 256 */
	size_t n_events;
	struct verdict_step *steps;
	size_t n_steps;
	size_t from, to;    /* which of them are to be done: those before were when it was asked, those behind wait */
	char asked[40];	    /* id of the question: of one that was approved, or withdrawn; else empty */
	const char *reason; /* LIMITED, HELD, WITHDRAWN: one line; else NULL */
	bool injected;	    /* an injected event is among its causes */
	int generation;	    /* of the event that fired it; events that it causes have + 1 */
};

/* Verdicts that are handed out are const; take a reference to keep one. */
struct verdict *verdict_ref(const struct verdict *v);
void verdict_unref(struct verdict *v);
DEFINE_CLEANUP(struct verdict *, verdict_unref)
/* The step's parameter of that name, or NULL. */
const struct verdict_param *verdict_step_param(const struct verdict_step *s, const char *name);
/* Appends the text of a failure step with what is known only now: how the step before it ended ("failed", "refused"),
 * and why, in one line. */
void failure_text(const char *text, const char *result, const char *reason, struct buf *out);
/* {"v":1,"id","kind","rule","mode","time","wall","subject","sort","key","contexts","match","events","steps"}; times are
 * ns. A new reference. */
json_t *verdict_to_json(const struct verdict *v);
/* "fired", "cleared", "limited", "held", "asked", "withdrawn" */
const char *verdict_kind_word(enum verdict_kind kind);

/* ---- the engine ---- */

/* What the engine asks of the inventory. The inventory does not change while the engine runs one of its functions. */
struct world_ops {
	/* Calls fn for each subject of the sort, in order of id, until one call returns non-zero; returns that, or 0.
	 * Ids: device.id (device, spare, path), member.id "ARRAY/SLOT", array.id, snapshot.id. */
	int (*each)(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu);
	/* The same for the memberships of a device, in order of array id. */
	int (*memberships)(void *u, const char *device, int (*fn)(void *fu, const char *member_id), void *fu);
	/* Puts every inventory fact that the subject leads to into *f (rules-language 3.4): member: device.*, member.*,
	 * array.*; device, spare and path: device.*, spare.*, path.*; array: array.*; snapshot: snapshot.*, array.*.
	 * The id of a device is its device.id. Facts of others are left as they are. False: no such subject. */
	bool (*bind)(void *u, enum subject_sort sort, const char *id, struct facts *f);
};

struct engine_options {
	const struct world_ops *world;
	void *world_u;
	/* Called in the order in which verdicts arose, when the event (or the time step) is done. *v is borrowed. It
	 * may call engine_outcome and engine_changed, nothing else of the engine. */
	void (*on_verdict)(void *u, const struct verdict *v);
	void *u;
	/* ns of a clock that runs on: for the time that rules cost, and for nothing else. NULL: not measured. */
	int64_t (*ticks)(void *u);
	const char *prefix; /* of verdict ids, at most 16 bytes, copied */
	bool virtual_time;  /* texts print times as durations since 0: tests */
	/* The windows of thresholds may have so much room, each for itself and for the events that it keeps; limits the
	 * same. One rule may have a quarter of it. 0: 1,000,000. */
	size_t room;
};

struct engine;

/* Takes its own reference of the rule set. 0, or -ENOMEM. */
int engine_new(struct ruleset *rs, const struct engine_options *o, struct engine **ret);
void engine_free(struct engine *e);
DEFINE_CLEANUP(struct engine *, engine_free)
const struct ruleset *engine_rules(const struct engine *e);

/* Another bound of the room, from the next event on. */
void engine_room(struct engine *e, size_t room);
/* How many windows and limits were dropped, those that were touched least recently first, because there were too many;
 * *ret_rule: whose the last was, "" if none; borrowed. */
uint64_t engine_evicted(const struct engine *e, const char **ret_rule);

/* Bits of the sorts whose facts (or existence) changed, for engine_changed. */
#define SORT_BIT(sort) (1u << (sort))
#define SORT_ALL (~0u)

/* Time moves to this moment, and timers due before it fire. To be called before the inventory takes an event in. */
void engine_before(struct engine *e, int64_t boot, int64_t awake);
/* The wall clock says wall at this moment: for calendars and schedules. To be called again and
 * again: it may be set. Events tell it, too. */
void engine_wall(struct engine *e, int64_t boot, int64_t awake, int64_t wall);
/* Facts of these sorts changed in the inventory. A change of a member's state is one of member, array and device.
 * SORT_ALL is always right, and only costs time. */
void engine_changed(struct engine *e, unsigned sorts);
/* This inventory fact changed, whoever's, and nothing else: only rules that name it look again. */
void engine_changed_fact(struct engine *e, enum fact_id fact);
/* Watch rules whose facts changed are evaluated now, for a change without an event. */
void engine_settle(struct engine *e);
/* One event, which the inventory has taken in: timers due before it fire, event rules see it, then watch rules whose
 * facts changed. awake: the awake clock at the event's time. Events of generation 8 or more are not seen by event
 * rules. */
void engine_event(struct engine *e, const struct event *ev, int64_t awake);
/* "It is now, and no event of this time is left": all timers due until then fire, those of this very moment too. */
void engine_advance(struct engine *e, int64_t boot, int64_t awake);
/* The next moment at which engine_advance has something to do, if the machine stays awake. False: none. */
bool engine_deadline(const struct engine *e, int64_t *ret_boot);
/* Enumeration is complete: from here watch rules are evaluated, and now for every subject. */
void engine_start(struct engine *e, int64_t boot, int64_t awake);

enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_REFUSED };

/* What became of a verdict. A refused one of a watch rule is due again when one of the facts that the guard named
 * changes (n_facts 0: any fact of its subject), at most every 10 s. An unknown id is ignored. */
void engine_outcome(struct engine *e, const char *verdict_id, enum outcome outcome, const enum fact_id *facts,
		    size_t n_facts);

/* What was refused may be allowed now, though no fact tells: such verdicts are due again, at most every 10 s. */
void engine_retry(struct engine *e);

/* Marks that the mark action gave and that are not over: they are added to device.marks. The set is borrowed until the
 * engine runs again; NULL if none. */
const struct strset *engine_marks(struct engine *e, const char *device);
/* A person gives or takes a mark. for_ns 0: for ever. 0 or -ENOMEM. */
int engine_mark(struct engine *e, const char *device, const char *as, int64_t for_ns);
void engine_unmark(struct engine *e, const char *device, const char *as);

/* What silences the rule of that name ends, for all that it silenced. 0, or -ENOENT with *err. */
int engine_uninhibit(struct engine *e, const char *rule, struct err *err);

/* Another rule set takes over. Rules that are unchanged (same name, same hash of what decides) keep windows, states and
 * limits. *ret_kept, *ret_reset, *ret_new, *ret_removed may be NULL. 0, or -ENOMEM and the old set stays. */
struct reload_counts {
	size_t kept, reset, added, removed;
};
int engine_reload(struct engine *e, struct ruleset *rs, struct reload_counts *ret);
/* A second engine with the same state, that another world and sink are given to: for what-if questions. */
int engine_clone(struct engine *e, const struct engine_options *o, struct engine **ret);
/* Windows, limits, marks, inhibitions and states as JSON; of windows and of limits those that were touched last and
 * have so much room together. boot, awake: now, which may be later than what the engine has heard of. A new reference;
 * NULL when out of memory. */
json_t *engine_save(const struct engine *e, int64_t boot, int64_t awake, size_t room);
/* Into a new engine, before engine_start. boot, awake: now. away: ns that passed since engine_save, never negative (by
 * CLOCK_BOOTTIME in one boot, else by the wall clock). Windows age by it; what was pending starts anew at engine_start;
 * what was active stays so. 0, or -EINVAL and the engine is as new. */
int engine_restore(struct engine *e, const json_t *state, int64_t boot, int64_t awake, int64_t away, struct err *err);

/* ---- questions ---- */

/* A person's answer to the question of that id (that of the verdict), or of that rule, if it asks but once. Approved,
 * and still so: a verdict with the steps that are left. 0; -ENOENT: nothing of that name is asked; -EINVAL: several
 * are; -ESTALE: it is not so any more, and was withdrawn. Each with *err. */
int engine_answer(struct engine *e, const char *id, bool approve, struct err *err);
/* What is asked: [{"id","rule","description","subject","device","array","asked":wall ns,"deadline":wall ns,"then"}]. A
 * new reference. */
json_t *engine_questions(const struct engine *e);

/* ---- why ---- */

/* Why the rule did, or did not, fire for the subject: {"v":1,"rule","subject","result","answer","line","parts","key",
 * "origin"}, as rules-language 7. sort and id name the subject. 0 and a new reference, or -ENOENT with *err (no such
 * rule, subject).
 */
int engine_why(struct engine *e, const char *rule, enum subject_sort sort, const char *id, json_t **ret,
	       struct err *err);
/* The verdict that the rule would make for the subject now, with what its window has counted. It is not handed out,
 * and nothing is used up but its number. 0 and a verdict of the caller's, or -ENOENT with *err, or -ENOMEM. */
int engine_would(struct engine *e, const char *rule, enum subject_sort sort, const char *id, struct verdict **ret,
		 struct err *err);
/* The text of such an object (where "would_do":[lines] may have been added): the answer first, then the parts. */
void why_print(const json_t *why, struct buf *out);
/* Per rule, in their order: [{"rule","seen","last-seen":wall
 * ns,"matched","no-key","inhibited","held","limited","fired", "cleared","last":wall ns of the last
 * firing,"windows","attempts","states","evicted","spent":ns,"regex-limit"}]: since the engine was made, or the rule
 * changed; times are 0 for never. A new reference. */
json_t *engine_stats(const struct engine *e);
/* {"windows","attempts","states","limits","timers","room-used","room","evicted","evicted-rule"}. A new reference. */
json_t *engine_totals(const struct engine *e);
