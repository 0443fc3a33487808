// SPDX-License-Identifier: GPL-2.0-or-later
/* One direction, in one place: event -> inventory -> rules -> plan -> guards -> act -> record; outcomes come back as
 * events. Pure: no fd, no clock of its own, no process. The daemon, rule unit tests, pipeline tests and "what would
 * happen if" run this same code. Not reentrant: no function here may be called from within one of the ops. */
#pragma once

#include "actions/actions.h"
#include "config/settings.h"
#include "core/clock.h"
#include "core/event.h"
#include "pipeline/normalise.h"
#include "rules/rules.h"

struct pipeline;

/* What the pipeline asks of the process around it. No call may block; its result comes back later through the function
 * that is named. What is passed is borrowed. */
struct pipeline_ops {
	/* Read the metadata of a device: pipeline_probed. One at a time per device. again: it was read before. */
	void (*probe)(void *u, const char *device_id, const char *node, bool again);
	/* Run a plan: act's messages through pipeline_act_message, the end through pipeline_act_done. One at a time per
	 * set; a plan without a set is about one device (step_op_alone), and may run beside any other. */
	void (*run)(void *u, const struct plan *p);
	/* What the running plan waits for (act's "wait") is durable, or will not be. NULL: no plan waits. */
	void (*kept)(void *u, const char *plan_id);
	/* End a plan about one device early: pipeline_act_done with ACTION_REFUSED and the reason follows. */
	void (*stop)(void *u, const char *plan_id, const char *reason);
	/* Keep a row of the history: table "event", "verdict", "intent", "outcome", "case",
	 * "world", "image", "before". want_ack:
	 * pipeline_stored(id) once it is durable (intents, and what a plan waits for); where nothing can be stored it
	 * is to be called too, so that people are not left waiting. */
	void (*store)(void *u, const char *table, const json_t *row, const char *id, bool want_ack);
	/* Tell subscribers: {"type":"event|verdict|plan|outcome|notice",..}; see docs of `sparectl monitor`. */
	void (*publish)(void *u, const json_t *msg);
	/* Tell people: {"severity","text","rule","device","array","verdict","injected"}: the journal, and the settings'
	 * program.
	 * "" for what is not known. */
	void (*notify)(void *u, const json_t *notice);
	/* Run a program: pipeline_exec_done(token). argv, env ("NAME=value"): NULL-terminated. */
	void (*exec)(void *u, const char *token, const char *const *argv, const char *const *env, int64_t timeout_ns);
	void *u;
};

/* settings must outlive the pipeline (or the next pipeline_reload); the rule set is referenced. 0 or -errno. */
int pipeline_new(const struct settings *settings, struct ruleset *rules, const struct clock *clock,
		 const struct pipeline_ops *ops, struct pipeline **ret, struct err *e);
void pipeline_free(struct pipeline *p);
DEFINE_CLEANUP(struct pipeline *, pipeline_free)

/* ---- what comes in ---- */

/* The sentence of docs/architecture.md in code. Takes ev. An event without a time gets the present one. */
void pipeline_feed(struct pipeline *p, struct event *ev);
/* What a source hears, before it is an event (pipeline/normalise.h): udev's view of one device, and what a uevent tells
 * beside it (pipeline/uevent.h). origin: ORIGIN_KERNEL,
 * or ORIGIN_SYNTHESISED while a source enumerates. */
void pipeline_raw_device(struct pipeline *p, const struct raw_device *raw, enum origin origin);
/* A block-layer error. Errors of devices that are not known (our own legs among them: the disk below tells too) and of
 * unsupported operations are dropped and counted; the same error again within 100 ms is merged; one that a device below
 * told is dropped and counted (pipeline/stack.h). */
void pipeline_raw_error(struct pipeline *p, const struct raw_error *raw);
/* The event number of a device-mapper device changed, or it came or went. uuid: its DM UUID; others' are ignored. */
void pipeline_dm_changed(struct pipeline *p, const char *uuid, uint32_t event_nr);
/* A source enumerates all over again (start, lost messages): every device that is then not told by pipeline_raw_device
 * before pipeline_enumerated is gone. doubt: what was lost may have been changes of disks. */
void pipeline_rescan(struct pipeline *p, bool doubt);
/* All devices have been told. Once the probes that this asked for have answered, the rules start (broker.started) or
 * the picture is whole again (broker.resynced). */
void pipeline_enumerated(struct pipeline *p);
/* True once each disk was read, at the start. */
bool pipeline_read(const struct pipeline *p);
/* True once broker.started was said. */
bool pipeline_started(const struct pipeline *p);
/* An intent of the history that has no outcome (the row as it was stored): before the first pipeline_enumerated. */
int pipeline_replay(struct pipeline *p, const json_t *intent, struct err *e);

/* ---- what comes back ---- */

/* A probe's answer: {"contents":word,"contents-name":text or null,"view":meta_view or null}, or NULL with a reason:
 * died, hung, refused, lies. */
void pipeline_probed(struct pipeline *p, const char *device_id, const json_t *answer, const char *reason);
/* {"event":..}, {"step":i,"result":"ok|already|failed","reason":..}, {"state":..}, {"show":text}; of a disk that is
 * read through {"progress":{"done","total","bad","region"}} */
void pipeline_act_message(struct pipeline *p, const char *plan_id, const json_t *msg);
/* The end of a plan. ACTION_REFUSED: it no longer holds (a health character changed before the swap): it is planned
 * anew, once. ACTION_FAILED: reason says what; act's death is one. ACTION_TIMEOUT: act hangs, the set is marked stuck.
 */
void pipeline_act_done(struct pipeline *p, const char *plan_id, enum action_result result, const char *reason);
void pipeline_stored(struct pipeline *p, const char *id);
/* status: as waitpid(2) tells; reason: NULL, or why it was not run or was killed. */
void pipeline_exec_done(struct pipeline *p, const char *token, int status, const char *reason);

/* ---- time ---- */

/* Time is now and no event of this moment is left: fires timers. */
void pipeline_advance(struct pipeline *p);
/* The next moment (CLOCK_BOOTTIME) at which pipeline_advance has something to do. False: none. */
bool pipeline_deadline(const struct pipeline *p, int64_t *ret_boot);

/* ---- people ---- */

/* A person's command: {"verb":V, ..}. V is an action's name with its parameters (actions/actions.h; array and device by
 * name, id or /dev path), "force" and "dry-run"; or
 *   {"verb":"maintenance","on":bool,"device"|"array":..,"for":ns}    both left out: everything; for 0: until it is
 * taken back
 *   {"verb":"uninhibit","rule":name}: what silences the rule ends
 *   {"verb":"approve"|"deny","question":id, or the name of the rule that asks}; approve with "dry-run": the lines of
 * what would be done
 *   {"verb":"read-check-stop","device":..}
 *   {"verb":"undo","plan":id}
 *   {"verb":"mark","device":..,"as":..,"for":ns}  {"verb":"unmark","device":..,"as":..}
 * The answer is a new reference: {"ok":true,"plan":[lines],"plan-id":..} or {"ok":false,"code":C,"error":one
 * line,"plan":[..]}; C is one of "usage", "not-found", "refused". *ret_plan_id: the plan that is queued, empty if there
 * is nothing to do; its end is told by publish ({"type":"outcome","plan":id,..}), and "show" texts of a dry run before
 * it ({"type":"show",..}). */
json_t *pipeline_command(struct pipeline *p, const json_t *command, char ret_plan_id[PLAN_ID_MAX]);
/* The machine goes down: running arrays that nobody has open are stopped, so that they are clean. They are started
 * again with the machine: it is nobody's wish that they stay stopped. Rules see none of it. */
void pipeline_shut_down(struct pipeline *p);
/* True while a plan about a set waits or runs. */
bool pipeline_busy(const struct pipeline *p);
/* What an event would do, on a copy; nothing changes:
 * {"event":..,"verdicts":[{"rule","id","kind","mode","reason","subject","plans":[[lines],..],"does":[lines]}]}. A new
 * reference. */
json_t *pipeline_what_if(struct pipeline *p, const struct event *ev);
/* As engine_questions. */
json_t *pipeline_questions(const struct pipeline *p);
/* {"rules": as engine_stats gives, "totals": as engine_totals}. A new reference. */
json_t *pipeline_rule_stats(const struct pipeline *p);
/* The whole picture for sparectl status:
 * {"v":1,"started","managed","sets":[..],"arrays":[..],"devices":[..],"cases":[..],
 * "plans":[..],"questions":[..],"counts":{..}}. A new reference. */
json_t *pipeline_status(const struct pipeline *p);
/* A portable picture of all that decides: see snapshot.c, and spared-record(5). From it paper_open makes a pipeline
 * that goes on as this one would, in another process. A new reference. */
json_t *pipeline_world(const struct pipeline *p);
/* It is told and stored only if its text is smaller: a line of the protocol, with what stands around it. */
enum { WORLD_SIZE_MAX = (1 << 20) - 4096 };
/* As engine_why, and "would_do":[one line for each step, as it would be done now].
 * subject: a device (id, name, /dev path), "ARRAY/SLOT", or an array (id, name), as the rule's trigger needs it. */
int pipeline_why(struct pipeline *p, const char *rule, const char *subject, json_t **ret, struct err *e);
/* Why no spare takes the place in a slot. subject: "ARRAY/SLOT", a member that is or was in one, or an array (its first
 * slot that lacks one): {"v":1,"array","slot","device","state","answer":one line,"rules":[{"rule","result","answer"}]}:
 * of the rules that change arrays. 0 and a new reference, or -ENOENT. */
int pipeline_why_spare(struct pipeline *p, const char *subject, json_t **ret, struct err *e);
/* Finds a device by id, kernel name or /dev path, an array by id, GUID or name. The id, or NULL. Borrowed until the
 * next call of any function here. */
const char *pipeline_find_device(const struct pipeline *p, const char *name);
/* The device (id, kernel name, /dev path) is here and is being read, and was not since (boot). */
bool pipeline_reads(const struct pipeline *p, const char *name, int64_t since);
const char *pipeline_find_array(const struct pipeline *p, const char *name);

/* ---- rules and restarts ---- */

/* 0, or -ENOMEM and the old ones stay. */
int pipeline_reload(struct pipeline *p, const struct settings *settings, struct ruleset *rules,
		    struct reload_counts *ret);
/* What must outlive the process: engine, devices and arrays as last seen, cases, maintenance, counters. A new
 * reference. */
json_t *pipeline_save(const struct pipeline *p);
/* Into a new pipeline, before anything is fed. -EINVAL: the state is not read, and the pipeline is as new. */
int pipeline_restore(struct pipeline *p, const json_t *state, struct err *e);
