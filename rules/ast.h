// SPDX-License-Identifier: GPL-2.0-or-later
/* Compiled rules, as the parts of rules/ share them. Everything belongs to the rule set and never changes. */
#pragma once

#include "config/schema.h"
#include "rules/calendar.h"
#include "rules/rules.h"

enum { PER_MAX = 4, GENERATION_MAX = 8, CALENDARS_MAX = 64 };

enum truth { TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE };

/* ---- templates ---- */

struct template_part {
	const char *text; /* literal; NULL: a fact */
	enum fact_id fact;
	size_t kept;	      /* of an earlier step: its number among the rule's kept facts + 1; 0: of this one */
	const char *name;     /* as it is written */
	const char *fallback; /* text after ":-"; NULL: none */
	struct value fallback_value;
	bool late; /* action.reason, action.result in failure steps: known only when the step has failed */
};

struct template
{
	struct template_part *parts;
	size_t n;
	bool whole; /* exactly one fact: keeps its type */
	struct place at;
};

/* ---- conditions ---- */

enum cond_op { COND_ALL, COND_ANY, COND_NOT, COND_TEST };

enum test_op { TEST_EQ, TEST_GLOB, TEST_REGEX, TEST_IN, TEST_LT, TEST_LE, TEST_GT, TEST_GE, TEST_EXISTS, TEST_HAS };

struct regex;

struct cond {
	enum cond_op op;
	struct cond **kids; /* ALL, ANY, NOT (one) */
	size_t n;
	/* TEST */
	enum fact_id fact;
	const char *name; /* of the fact, as people know it */
	size_t calendar;  /* CALENDAR: its number in the rule set */
	enum test_op test;
	bool size;		       /* of the number of elements of a set */
	struct value want;	       /* EXISTS: a boolean */
	const struct template *wanted; /* a whole template instead of want */
	struct regex *regex;	       /* REGEX: want is its text */
	struct value *list;	       /* IN */
	size_t n_list;
	const char *list_name; /* IN by name; NULL: written out */
	struct place at;
};

/* One of the tests of a condition that are all to be true: what each event asks, small. */
struct quick {
	uint16_t fact;
	uint8_t type; /* enum value_type of what is wanted */
	uint8_t how;  /* enum quick_how */
	union {
		uint64_t u; /* QUICK_SAME: its bits; QUICK_WORDS: a bit for each word of the fact */
		int64_t i;  /* QUICK_LESS, QUICK_MORE: than this */
		const char *str;
		const struct cond *cond;
	};
};

enum quick_how { QUICK_COND, QUICK_SAME, QUICK_TEXT, QUICK_WORDS, QUICK_LESS, QUICK_MORE };
enum { QUICK_MAX = 4, QUICK_TEXT_MAX = 32 };

/* ---- steps ---- */

enum effect { EFFECT_NONE, EFFECT_MARK, EFFECT_UNMARK, EFFECT_INHIBIT };

struct param {
	const struct param_desc *desc;
	struct template **texts; /* one for a scalar, else the elements or the values of pairs */
	const char **names;	 /* of pairs */
	size_t n;
	struct value v; /* a scalar without template: typed */
	struct place at;
};

struct step {
	const struct action_desc *action;
	struct param *params;
	size_t n_params;
	enum on_failure on_failure;
	struct step *failure;
	size_t n_failure;
	enum effect effect;
	/* inhibit: which rules of the set, by their values of which facts, for how long awake. */
	bool *covers; /* [n_rules] */
	const char **patterns;
	const struct node *patterns_node;
	size_t n_patterns;
	enum fact_id per[PER_MAX];
	size_t n_per;
	int64_t for_ns;
	bool until_clear;
	struct place at;
};

struct steps {
	struct step *s;
	size_t n;
};

/* ---- sequence, absence ---- */

enum { PARTS_MAX = 8, KEPT_MAX = 16 };

/* One of the events that a rule waits for. */
struct part {
	const char *as; /* NULL: it has no name */
	bool used;	/* the name is */
	const char **kinds;
	size_t n_kinds;
	struct cond *where;
	struct place at;
};

/* A fact of a step that is read when later ones come. */
struct kept_fact {
	size_t part;
	enum fact_id fact;
};

/* ---- rules ---- */

enum trigger { TRIGGER_EVENT, TRIGGER_WATCH, TRIGGER_SCHEDULE };

struct key_facts {
	enum fact_id f[PER_MAX];
	size_t n;
};

struct rule {
	/* What each event asks that the rule may concern, side by side. */
	struct quick quick[QUICK_MAX]; /* where, for events */
	char text[QUICK_TEXT_MAX];     /* texts that it compares with, as many as have room */
	uint8_t n_quick;
	bool memberships; /* names member.* or array.*: one context for each membership of a device */
	bool asks_world;  /* before it fires it wants more than an event of a device tells by itself */
	bool stop, has_clear;
	int distinct; /* a fact, or -1 */
	int of;	      /* the counter that it is a share of, or -1 */
	double ratio; /* 0: none */
	size_t index; /* order of evaluation */
	size_t n_parts;
	int64_t count, within;	/* threshold; count 0: none. Of a watch: so many subjects are in the state */
	struct key_facts per;	/* what is counted together; without a threshold the subject */
	struct key_facts cover; /* facts by which inhibitions may cover its windows */

	const char *name, *description;
	struct place at;
	const char *file;		      /* last part of the file's name */
	size_t position;		      /* in all files, in order of reading */
	const struct node *node;	      /* with the overrides merged into it */
	const struct node *base, **overrides; /* as they were read */
	size_t n_overrides;
	bool disabled;
	struct place disabled_at; /* no file: not by a file */

	enum trigger trigger;
	const char **kinds; /* words and globs */
	size_t n_kinds;
	enum subject_sort sort; /* watch; schedule with each */
	const char *trigger_text;

	struct calendar *calendar; /* schedule */
	int64_t spread;
	bool persistent;

	struct cond *where;	  /* NULL: true */
	struct key_facts subject; /* watch: one state for each */

	struct part *parts; /* sequence: its steps; absence: the event, and what should have come. within is theirs */
	bool absence;
	struct kept_fact *kept; /* at most KEPT_MAX */
	size_t n_kept;

	int64_t for_ns, for_within; /* for_within 0: without a break */

	struct cond *clear_where;
	int64_t clear_count, clear_for;
	struct steps clear_do;

	struct cond *unless;
	int64_t limit_count, limit_within; /* limit_count 0: none */
	struct key_facts limit_per;
	bool limit_per_given;
	int64_t repeat; /* 0: never */
	enum rule_mode mode;
	int priority;
	struct steps steps;
	size_t ask_from; /* mode ask: the first step that waits for an answer */
	int64_t ask_deadline;
	bool ask_then_do;

	struct regex **regexes; /* of all its conditions; the rule set frees them */
	size_t n_regexes;

	bool destructive;
	const struct step *final; /* a step that gives data up; NULL: none */
	bool named[FACT_MAX];
	unsigned sorts; /* SORT_BITs of inventory facts that it names, and of its own sort */
	uint64_t hash;	/* of what decides: rules-language 4.13 */
};

/* The rules that need one value, or another one of the same hash, in order of evaluation. n 0: the slot is free. Small:
 * each event asks for one. */
struct same_value {
	uint32_t hash, n;
	union {
		const struct rule *one; /* n 1 */
		const struct rule **rules;
	};
};

struct rules_by_value {
	struct same_value *slots;
	size_t n_slots, n; /* n_slots: a power of two */
};

/* Rules by the value of a fact that they need. */
struct fact_index {
	enum fact_id fact;
	bool wide; /* each membership of the device has its own value */
	struct rules_by_value by;
};

/* Facts by which the rules of a kind are found, at most. */
enum { INDEXED_MAX = 8 };

/* Rules of one event kind, in order of evaluation. */
struct kind_index {
	const char *kind;
	const struct rule **rules, **rest; /* rest: those that no fact tells */
	size_t n, n_rest;
	struct fact_index *facts;
	size_t n_facts;
	const struct rule **stops; /* rules with "stop" */
	size_t n_stops;
	size_t heard; /* its first place in the engine's counts: of events that came through, then of each stop */
};

/* calendars: NAME: [INTERVAL, ..] */
struct named_calendar {
	const char *name;
	struct interval *v;
	size_t n;
};

struct ruleset {
	int refs;
	struct arena arena;
	struct tree *trees;
	size_t n_trees;
	struct rule *rules; /* in order of evaluation */
	size_t n;
	struct kind_index *kinds; /* sorted by kind */
	size_t n_kinds;
	size_t n_heard; /* counts of all kinds */
	const struct rule **watches;
	size_t n_watches;
	struct named_calendar *calendars;
	size_t n_calendars;
	enum rule_mode mode;
	bool named[FACT_MAX]; /* by a rule that runs */
	uint64_t digest;      /* of all texts that it was loaded from, in their order */
};

/* ---- what a load knows ---- */

/* A list or condition of the files. */
struct named_node {
	const char *name;
	const struct node *node, *key;
	int layer;
	bool used;
	bool open; /* being expanded: for cycles */
};

struct named_nodes {
	struct named_node *v;
	size_t n;
};

struct load {
	struct ruleset *rs;
	struct diag *d;
	const struct ruleset_options *o;
	struct named_nodes lists, conditions, calendars;
	struct rules_by_value names; /* until the rules are in their order */
	const char **emitted;	     /* kinds that emit steps name, and those that the caller knows */
	size_t n_emitted;
	const struct named_calendar *calendar; /* that is being tested; NULL: another fact is */
	struct rule *rule;		       /* being compiled */
	unsigned scope;			       /* what may be named where we are */
	int depth;			       /* of named conditions */
	/* The line that a lint looked at last. */
	const struct tree *lint_tree;
	const char *lint_at;
	int lint_line;
};

/* Scopes: which facts a condition or template may name. */
enum { SCOPE_MATCH = 1, SCOPE_NOTIFY = 2, SCOPE_FAILURE = 4 };

/* field.c */

/* The fact of that name, checked against the rule's trigger and the scope; -1 after an error at the place. */
int field_resolve(struct load *l, const char *name, const struct place *at);
/* The fact that is the key by default of events of that kind; -1: none. */
int field_kind_key(const char *kind);
/* The same of a watched sort. */
enum fact_id field_sort_key(enum subject_sort sort);
/* The sort whose inventory the fact belongs to; SORT_NONE for others. */
enum subject_sort field_sort(enum fact_id fact);
/* Whether the rule's trigger can bring the fact at all. */
bool field_can_exist(const struct rule *r, enum fact_id fact);
/* True if some kind of the rule matches one of the comma-separated globs. */
bool field_kind_matches(const char *globs, const char *kind);

/* origin.c */

/* all: {KEY: [places, strongest last]} of each key; else {"rule": place of the name} and the place of each key that an
 * override has set. A new reference. */
json_t *rule_origins(const struct rule *r, bool all);

/* template.c */

/* NULL after an error. */
struct template *template_compile(struct load *l, const struct node *n);
bool template_is(const char *text);
/* The typed value of a whole template; unknown if the fact is and there is no default. */
struct value template_value(const struct template *t, const struct facts *f);
/* Appends the text. NULL, or the name of the first fact that is not known; it prints as "?". */
const char *template_print(const struct template *t, const struct facts *f, enum value_style style, struct buf *out);

/* cond.c */

struct cond *cond_compile(struct load *l, const struct node *n);
/* Operators of tests, and the types that they take; ends with a NULL word. */
enum op_group { GROUP_ANY, GROUP_ORDERED, GROUP_SET, GROUP_TEXT, GROUP_SCALAR };

struct operator_row {
	const char *word;
	enum op_group group;
	enum test_op op;
};

extern const struct operator_row operators[];
bool operator_takes(const struct operator_row *row, enum value_type type);
/* The condition in one canonical text, lists and named conditions expanded: what hashes are made of. */
void cond_print(const struct cond *c, struct buf *out);
/* "fact op value" of a test, as the rule has it. */
void cond_print_want(const struct cond *c, struct buf *out);
const char *cond_op_word(const struct cond *c);

/* regex.c */

/* NULL after an error. It belongs to the rule that is being compiled. */
struct regex *regex_compile(struct load *l, const struct node *n);
void regex_free(struct regex *x);
/* Unknown: a limit was hit before it was certain. Allocates nothing that it does not keep. */
enum truth regex_match(struct regex *x, const char *text);
/* How many matches of the rule were given up. */
uint64_t regex_over(const struct rule *r);

/* eval.c */

/* Whether the value passes the test, which wants the other. */
enum truth test_passes(const struct cond *c, struct value v, struct value want);
/* Allocates nothing. */
enum truth cond_eval(const struct cond *c, const struct facts *f);
/* The same of a subject without an event: tests of what only an event tells are left out. */
enum truth cond_eval_subject(const struct cond *c, const struct facts *f);
/* What it tests. */
struct value cond_value(const struct cond *c, const struct facts *f);
/* Only an event, or a match, brings it. */
bool fact_of_event(enum fact_id f);
/* The test needs one: it is of such a fact, or compares with one. */
bool test_of_event(const struct cond *c);

/* quick.c */

/* When all that it says is known. */
void quick_compile(struct rule *r);
/* Whether where is true. */
bool quick_eval(const struct rule *r, const struct facts *f);

/* step.c */

void steps_compile(struct load *l, const struct node *n, struct steps *out);
/* Kinds that emit steps of the rule name are added to l->emitted. */
void steps_collect_kinds(struct load *l, const struct node *n);

/* compile.c */

void rule_compile(struct load *l, struct rule *r);
/* Reads "per". */
void per_compile(struct load *l, const struct node *n, struct key_facts *out);

/* Reads "event" into the rule's kinds and the text of its trigger. */
void event_compile(struct load *l, struct rule *r, const struct node *n);
/* The key that all kinds of the rule have in common; -1: none. */
int default_key(const struct rule *r);

/* Words of subject sorts that can be watched, from SORT_DEVICE on. */
extern const char *const watch_words[];

/* compile_gates.c */

void threshold_compile(struct load *l, struct rule *r, const struct node *n);
void for_compile(struct load *l, struct rule *r, const struct node *n);
void limit_compile(struct load *l, struct rule *r, const struct node *n);
/* After the threshold. */
void clear_compile(struct load *l, struct rule *r, const struct node *n);
/* After the steps; n may be NULL. A rule that changes no array has nothing to ask about. */
void ask_compile(struct load *l, struct rule *r, const struct node *n);

/* compile_order.c */

void sequence_compile(struct load *l, struct rule *r, const struct node *n);
/* After the rule's event and where. */
void absence_compile(struct load *l, struct rule *r, const struct node *n);
/* The rule hears the kinds of all its parts. */
void order_finish(struct load *l, struct rule *r);
/* The fact of an earlier step that is called so; *ret_kept: its number + 1. -1 after an error; -2: it is none of a
 * step. */
int order_resolve(struct load *l, const char *name, const struct place *at, size_t *ret_kept);
/* For the hash of what decides. */
void order_print(const struct rule *r, struct buf *out);

/* compile_calendar.c */

void calendars_compile(struct load *l);
/* The calendar of that name; NULL after an error. */
const struct named_calendar *calendar_find(struct load *l, const char *name, const struct place *at);
void schedule_compile(struct load *l, struct rule *r, const struct node *n);

/* index.c */

/* One of the words and globs is the kind. */
bool kinds_match(const char *const *kinds, size_t n, const char *kind);
/* When all rules are compiled and in their order. */
void kinds_index(struct load *l);
/* The rule, which does not move, is found by its name. */
void name_add(struct arena *a, struct rules_by_value *x, const struct rule *r);
const struct rule *name_find(const struct rules_by_value *x, const char *name);
/* NULL: there is no such kind. */
const struct kind_index *kind_find(const struct ruleset *rs, const char *kind);

/* load.c, override.c */

struct named_node *named_find(struct named_nodes *list, const char *name);
/* Merges the override into the rule's mapping: a new node. */
struct node *override_merge(struct load *l, const struct node *rule, const struct node *with);

/* lint.c */

void lint_rule(struct load *l, const struct rule *r);
void lint_set(struct load *l);
