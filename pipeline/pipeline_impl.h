// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of the pipeline share: pipeline.c the story, raw.c what comes before it, verdicts.c steps of verdicts,
 * jobs.c plans in their order, outcome.c what came of them, builtin.c recording, command.c people, status.c, what_if.c,
 * keep.c restarts. */
#pragma once

#include "core/list.h"
#include "pipeline/cases.h"
#include "pipeline/coalesce.h"
#include "pipeline/inventory.h"
#include "pipeline/pipeline.h"
#include "pipeline/stack.h"

/* While an array rebuilds, how often its progress is read. */
#define REFRESH_NS (5 * NS_PER_SEC)
/* How long a recording's swap waits for a plan that swaps anyway: udev's word that a disk was pulled, for which a rule
 * may wait, comes some ten milliseconds after the failure. */
#define FOLLOW_NS (100 * NS_PER_MS)
/* After which what is built in and failed is tried again. */
#define RETRY_NS (10 * NS_PER_SEC)
/* How often that is doubled while act hangs: up to some 20 minutes. */
enum { RETRY_DOUBLED_MAX = 8 };
/* Events of this generation and above are not seen by rules. */
enum { GENERATION_MAX = 8 };

enum phase {
	PHASE_ENUMERATING, /* devices are told, probes are awaited */
	PHASE_CLAIMING,	   /* act takes hold of managed sets, and says what runs */
	PHASE_STARTED,
};

/* One ask of a job, with what it owns. */
struct asked {
	const char *action;
	json_t *params;
	char device[DEVICE_ID_MAX];
	int slot;
	enum step_failure on_failure;
	const struct verdict_step *of; /* NULL for commands */
};

enum job_state {
	JOB_WAITING,
	JOB_STORING,
	JOB_LENDING,
	JOB_RUNNING
}; /* lending: another job comes before it goes on */

/* One plan to be: made when its turn comes, on what is known then. */
struct job {
	struct list link;
	enum job_state state;
	enum plan_origin origin;
	bool dry_run, injected, acked, replanned;
	bool quiet;		  /* built in, and no news unless it fails */
	bool alone;		  /* about one device: no set, no array, no order; nothing is kept before it runs */
	bool of_member, stopping; /* alone: the disk was a member when it began; it is being ended early */
	bool by_person;		  /* it is a person who ends it */
	char id[PLAN_ID_MAX];
	char set[META_GUID_MAX], array[META_GUID_MAX + 8];
	char verdict[40], rule[65];			    /* empty if no rule asked */
	struct script *script;				    /* that waits for it, NULL for commands and built-in ones */
	bool claim, record, release;			    /* built in */
	bool table_later;				    /* of record: its swap is left to the plan that follows */
	char lent[DEVICE_ID_MAX], lent_from[META_GUID_MAX]; /* a disk that this set gave up for it */
	char no_lending[96];	     /* why no other set's spare can be had for it; empty: nobody tried in vain */
	char lends_for[PLAN_ID_MAX]; /* the job that waits for this one; empty: none */
	char give_to[META_GUID_MAX]; /* to which set the disk goes that this one gets rid of */
	bool over, over_ran;	     /* it is, but for a disk that goes back; it had run */
	enum action_result over_result;
	char over_reason[PLAN_REASON_MAX];
	struct asked ask[PLAN_STEPS_MAX];
	size_t n_asks;
	struct plan *plan;	       /* NULL until its turn */
	size_t ask_of[PLAN_STEPS_MAX]; /* by step */
	json_t *intent;		       /* as stored */
	json_t *before;		       /* how much of what it wrote over is kept; NULL: it wrote over nothing */
	struct undo *undo;	       /* how it would be taken back */
	json_t *took;		       /* act's own phases, microseconds: see exec.h */
	struct {
		bool told;
		enum action_result result;
		char reason[PLAN_REASON_MAX];
	} result[PLAN_STEPS_MAX];
};

/* A verdict that is being carried out. */
struct script {
	struct list link;
	struct verdict *v;
	const struct verdict_step *steps;
	size_t n, at;
	size_t context, group_end; /* while a group of steps about arrays is planned for one context after the other */
	bool waits;		   /* for a job or a program */
	bool injected;		   /* an injected event is among its causes */
	bool in_failure;	   /* the steps are those of on-failure */
	const struct verdict_step *failed; /* of the group that is being done; NULL: none */
	enum outcome worst;
	char token[24]; /* of the program */
	struct {
		const char *name; /* of the action */
		enum action_result result;
		char reason[PLAN_REASON_MAX];
		char plan[PLAN_ID_MAX];
	} why; /* of .failed, for on-failure steps */
};

/* What is to be done to a set without anybody asking. */
struct set_work {
	struct list link;
	char set[META_GUID_MAX];
	bool claim, record, release, loud, injected;
	int64_t follow;	       /* boot, when the tables that are behind what was recorded follow; 0: none is */
	bool held;	       /* its disks were claimed */
	bool failing;	       /* people were told that the last one failed */
	unsigned tries, hangs; /* in a row that failed, and that act hung in */
	int64_t retry;	       /* boot, when it is tried again; 0: not needed */
};

/* An intent without an outcome, found at start. */
struct replay {
	struct list link;
	char plan[PLAN_ID_MAX], set[META_GUID_MAX];
	json_t *intent;
	bool recorded; /* its outcome is stored; the rules have yet to hear of it */
};

struct queued_event {
	struct list link;
	struct event *ev;
};

struct queued_verdict {
	struct list link;
	struct verdict *v;
};

struct pipeline {
	const struct settings *settings;
	const struct clock *clock;
	struct pipeline_ops ops;
	struct inventory *inv;
	struct engine *engine;
	struct cases *cases;
	struct coalesce *coalesce;
	struct stack *stack;
	enum phase phase;
	bool enumerated; /* pipeline_enumerated was called */
	bool rescanning; /* after the start: a source tells everything again */
	bool draining;
	bool shutting_down; /* rules see nothing more: what they saw last is what they find at the next start */
	bool stopped;	    /* an array was, since those that run were last told to stop for it */
	uint64_t seq, plans, tokens;
	int64_t refresh;      /* boot, when progress is read next; 0: not needed */
	int64_t loop_told;    /* boot, of the last broker.loop */
	int64_t evicted_told; /* boot, of the last broker.evicted */
	int64_t world_stored; /* boot, of the last picture in the history */
	uint64_t world_seq;   /* its last event */
	uint64_t evicted;     /* how many it and those before it told of */
	struct list inbox, verdicts, scripts, jobs, work, replays, undos;
	struct {
		uint64_t events, unknown_devices, not_faults, malformed, no_news, verdicts, plans;
	} counts;
	/* Only for questions: verdicts, and plans and steps of them, are told to it and nothing is done. step: of what
	 * text is about; plan and step NULL: the verdict itself. */
	void (*on_question)(void *u, const struct verdict *v, const struct plan *plan, const struct verdict_step *step,
			    const char *text);
	void *question_u;
	/* Tests see each verdict as it arises. */
	void (*seen)(void *u, const struct verdict *v);
	void *seen_u;
};

/* pipeline_new for tests: texts print times as durations since 0. */
int pipeline_make(const struct settings *settings, struct ruleset *rules, const struct clock *clock,
		  const struct pipeline_ops *ops, bool virtual_time, struct pipeline **ret, struct err *e);

static inline int64_t pipeline_now(const struct pipeline *p)
{
	return clock_boot(p->clock);
}

/* ---- pipeline.c ---- */

/* Puts an event of our own in: caused by a verdict or a plan (NULL: by nothing). Takes ev. */
void put_caused(struct pipeline *p, struct event *ev, const struct verdict *cause, bool injected);
void put_event(struct pipeline *p, struct event *ev);
/* Handles all that waits: events, verdicts, scripts, jobs. */
void drain(struct pipeline *p);
/* Something became known without an event: watch rules are asked, differences told. */
void model_changed(struct pipeline *p, unsigned sorts, const struct job *cause);
void ask_probe(struct pipeline *p, const char *device);
void publish(struct pipeline *p, const char *type, const char *key, json_t *body); /* takes body */
void tell_people(struct pipeline *p, const char *severity, const char *text, const struct script *s);
void on_verdict(void *u, const struct verdict *v);

/* ---- previous.c ---- */

/* Before the inventory takes device.changed in. */
void previous_facts(struct pipeline *p, struct event *ev);

/* ---- raw.c ---- */

/* Errors that were merged, or waited for one below them, go on when their time has come. */
void raw_due(struct pipeline *p);

/* ---- snapshot.c ---- */

/* A picture goes into the history: at the start, and when the last one is old and something happened since. */
void world_store(struct pipeline *p);

/* ---- what_if.c ---- */

/* One line for each step of the verdict, as it would be done now. A new reference. */
json_t *would_do(struct pipeline *p, const struct verdict *v);
/* The same of a yes to the question, on copies: nothing is answered. NULL with *e, a negative errno in it. */
json_t *would_approve(struct pipeline *p, const char *question, struct err *e);

/* ---- verdicts.c ---- */

void carry_out(struct pipeline *p); /* verdicts that arose -> scripts */
void script_job_done(struct pipeline *p, struct script *s, const struct job *j);
void script_free(struct script *s);
/* The text with ${action.*} filled in. */
char *fill_action(const struct script *s, const char *text);

/* ---- jobs.c ---- */

struct job *job_new(struct pipeline *p, enum plan_origin origin);
void job_free(struct job *j);
/* Adds an ask; takes params. -ENOSPC. */
int job_ask(struct job *j, const char *action, json_t *params, const char *device, int slot,
	    enum step_failure on_failure, const struct verdict_step *of);
/* Makes the plan on what is known now. 0 or -errno. */
int job_plan(struct pipeline *p, struct job *j, struct err *e);
/* The device of the first step that has one, for the history; or "". */
const char *plan_device(const struct plan *plan);
size_t plan_runnable(const struct plan *plan);
void job_queue(struct pipeline *p, struct job *j); /* takes j */
void jobs_pump(struct pipeline *p);		   /* starts what can be started */
struct job *job_find(const struct pipeline *p, const char *plan_id);
json_t *plan_lines(const struct plan *plan);
/* {"type":"plan","plan":..,"lines":[..],"state":"shadow|queued|started"} */
void tell_plan(struct pipeline *p, const struct job *j, const char *state);

/* ---- target.c ---- */

/* Which set and array the ask is about: its parameters, else the context. 0, or -errno with one line. Device names in
 * params become ids, and what is to be made gets GUIDs. */
int job_target(const struct inventory *inv, const char *action, json_t *params, const char *device, const char *array,
	       char set[META_GUID_MAX], char array_id[META_GUID_MAX + 8], struct err *e);
/* The device that the parameters of an action on one device name, or NULL. */
const char *alone_device(const json_t *params);

/* ---- command.c ---- */

/* A plan to stop an array at the machine's end is over. When all of them are, those that could not be stopped get
 * another try if others could: one may have lain on the other, with what its snapshots fill or otherwise. */
void shutdown_stopped(struct pipeline *p, bool ok);

/* ---- outcome.c ---- */

void job_started(struct pipeline *p, struct job *j);
void job_finish(struct pipeline *p, struct job *j, enum action_result result, const char *reason); /* frees j */

/* ---- undo.c ---- */

void undo_prepare(struct pipeline *p, struct job *j);				   /* before it runs */
void undo_image(struct pipeline *p, struct job *j, const json_t *part, bool wait); /* while it runs */
/* ---- before.c: what plans wrote over ---- */
/* A part of it. job NULL: of a plan that nobody asked for. */
void before_part(struct pipeline *p, struct job *j, const char *plan_id, const json_t *part, bool wait);
void before_kept(struct pipeline *p, const char *plan_id);
void undo_keep(struct pipeline *p, struct job *j, enum action_result result); /* after it */
void undo_free(struct undo *u);
/* Asks the job for the opposite of the plan. 0, -ENOENT, or -EPERM with the reason. */
int undo_asks(struct pipeline *p, const char *plan, struct job *j, struct err *e);
void undo_failed(struct pipeline *p, const char *by);
/* {"until":wall ns,"why"}, why not: empty if it can be undone. NULL: no plan that anybody would undo. */
json_t *undo_told(const struct pipeline *p, const char *plan);
/* Adds to the answer of who asks: "until", "new-set" if a set that was deleted is made again, "old-set" if one goes. */
void undo_tell(const struct pipeline *p, const char *plan, const struct job *j, json_t *answer);
json_t *undo_save(const struct pipeline *p);
void undo_restore(struct pipeline *p, const json_t *list);
void undo_clear(struct pipeline *p);

/* ---- lend.c ---- */

/* The picture of the job's plan: disks that others were promised, and the one that another set gave up for it. */
void lend_draw_job(const struct pipeline *p, const struct job *j, struct world_array *w);
/* True: another set has to give up a disk first, and the job waits for that. */
bool lend_begin(struct pipeline *p, struct job *j);
/* True: the disk that was given up for it does not serve and goes back; the job is finished again after that. */
bool lend_returns(struct pipeline *p, struct job *j, enum action_result result, const char *reason);
/* A job is done that others may wait for. */
void lend_over(struct pipeline *p, const struct job *done, enum action_result result, const char *reason);
void give_back(struct pipeline *p, const struct job *done);
/* An intent that was found at the start, and what was made of it: NULL, if nothing. */
void lend_replayed(struct pipeline *p, const json_t *intent, struct job *resumed);

/* ---- read_check.c ---- */

void read_started(struct pipeline *p, struct job *j);
void read_told(struct pipeline *p, const struct job *j, const json_t *progress);
/* lights.c: the slot has its light. */
void light_over(struct pipeline *p, const struct job *j, enum action_result result);
void read_over(struct pipeline *p, const struct job *j, enum action_result result);
/* Those that are to end early are ended. */
void reads_check(struct pipeline *p);
/* False: it is not being read. */
bool read_stop(struct pipeline *p, const char *device);
json_t *read_status(const struct pipeline *p, const struct device *d);

/* ---- builtin.c ---- */

/* The set is to be claimed, or what happened to it recorded; quiet: only to see how it is. Unmanaged sets are left
 * alone. */
void want(struct pipeline *p, const char *set, bool claim, bool record, bool loud);
void builtin_event(struct pipeline *p, const struct event *ev);
/* A built-in job for the set if one is wanted, else NULL. */
struct job *builtin_job(struct pipeline *p, const char *set);
bool builtin_pending(const struct pipeline *p);
void builtin_refresh(struct pipeline *p);
bool builtin_deadline(const struct pipeline *p, int64_t *ret_boot);
void builtin_done(struct pipeline *p, const struct job *j, enum action_result result, const char *reason);
/* What rules had decided when the process ended is asked for again, where it is still as it was then. */
void builtin_replayed(struct pipeline *p);
void replay_free(struct replay *r);
/* Settings were read again: sets that are managed now are claimed, those that are no more are let go of. */
void builtin_reloaded(struct pipeline *p);
void builtin_start(struct pipeline *p); /* all managed sets are claimed, unfinished intents recorded */
