// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/broker_ops.h"

#include "broker/request.h"
#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAVE_AFTER (2 * NS_PER_SEC)	 /* the state is saved so long after a change */
#define NOTIFY_TIMEOUT (60 * NS_PER_SEC) /* of the notification program */

/* ---- what the pipeline asks for: nothing here calls it back ---- */

static void on_probe(void *u, const char *device_id, const char *node, bool again)
{
	struct broker *b = u;

	probes_ask(b->probes, device_id, node, b->settings->probe_timeout, again);
}

static void on_run(void *u, const struct plan *p)
{
	struct broker *b = u;

	if ((step_op_alone(p->step[0].op) ? alones_run(b->alones, p) : images_run(b->images, p)) < 0)
		log_error("out of memory: plan %s is not run", p->id);
}

static void on_kept(void *u, const char *plan_id)
{
	struct broker *b = u;

	acts_kept(b->acts, plan_id);
}

static void on_stop(void *u, const char *plan_id, const char *reason)
{
	struct broker *b = u;

	alones_stop(b->alones, plan_id, reason);
}

static void on_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	struct broker *b = u;

	recorder_store(b->recorder, table, row, id, want_ack);
	/* What events alone change is found again by enumeration; the rest has to be kept. */
	if (strcmp(table, "event") != 0 && !b->save_due) {
		b->save_due = true;
		loop_timer_in(b->save, SAVE_AFTER);
	}
}

static void on_publish(void *u, const json_t *msg)
{
	struct broker *b = u;
	unsigned type = message_type(json_string_value(json_object_get(msg, "type")));

	if (type == TYPE_EVENT) {
		const json_t *seq = json_object_get(json_object_get(msg, "event"), "seq");

		b->last_seq = (uint64_t)json_integer_value(seq ? seq : json_object_get(msg, "seq"));
	}
	tally_message(&b->tally, msg, clock_boot(&clock_system));
	commands_published(b->commands, msg);
	if (b->control && type)
		control_publish(b->control, type, msg);
}

static void on_notify(void *u, const json_t *notice)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {{"emergency", LOG_ERROR}, {"alert", LOG_ERROR}, {"critical", LOG_ERROR}, {"error", LOG_ERROR},
		      {"warning", LOG_WARN},	{"info", LOG_INF},    {"debug", LOG_DBG}};
	struct broker *b = u;
	const char *severity = json_string_value(json_object_get(notice, "severity"));
	const char *text = json_string_value(json_object_get(notice, "text"));
	enum log_level level = LOG_NOTE;

	for (size_t i = 0; severity && i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].word, severity) == 0)
			level = levels[i].level;
	log_msg(level, "%s", text ? text : "");
	if (b->settings->notify_program && *b->settings->notify_program)
		programs_run(b->programs, NULL, (const char *const[]){b->settings->notify_program, NULL}, NULL, notice,
			     NOTIFY_TIMEOUT);
}

static void on_exec(void *u, const char *token, const char *const *argv, const char *const *env, int64_t timeout_ns)
{
	struct broker *b = u;

	programs_run(b->programs, token, argv, env, NULL, timeout_ns);
}

struct pipeline_ops broker_pipeline_ops(struct broker *b)
{
	return (struct pipeline_ops){.probe = on_probe,
				     .run = on_run,
				     .kept = on_kept,
				     .stop = on_stop,
				     .store = on_store,
				     .publish = on_publish,
				     .notify = on_notify,
				     .exec = on_exec,
				     .u = b};
}

/* ---- what comes back, from the loop ---- */

void broker_probed(void *u, const char *device_id, const json_t *answer, const char *reason)
{
	struct broker *b = u;

	if (reason)
		log_warning("%s: %s", device_id, reason);
	pipeline_probed(b->pipeline, device_id, answer, reason);
}

void broker_act_message(void *u, const char *plan_id, const json_t *msg)
{
	struct broker *b = u;

	pipeline_act_message(b->pipeline, plan_id, msg);
}

void broker_act_done(void *u, const char *plan_id, enum action_result result, const char *reason)
{
	struct broker *b = u;

	pipeline_act_done(b->pipeline, plan_id, result, reason);
	/* The first plan may have loaded the device-mapper module. */
	if (b->sources)
		sources_retry(b->sources);
}

void broker_program_done(void *u, const char *token, int status, const char *reason)
{
	struct broker *b = u;

	pipeline_exec_done(b->pipeline, token, status, reason);
}

static void on_opened(void *u, const json_t *state, const json_t *unfinished)
{
	broker_opened(u, state, unfinished);
}

static void on_stored(void *u, const char *id)
{
	struct broker *b = u;

	pipeline_stored(b->pipeline, id);
}

static void on_answer(void *u, uint64_t token, const json_t *answer)
{
	struct broker *b = u;

	if (token & IMAGES_TOKEN)
		images_answer(b->images, token, answer);
	else
		commands_rows(b->commands, token, answer);
}

static void on_trouble(void *u, const char *reason, uint64_t lost)
{
	struct broker *b = u;
	json_t *msg;
	char text[256];

	/* The event follows when the pipeline may be fed (broker_tell_history); people are told now. */
	snprintf(b->history_reason, sizeof(b->history_reason), "%.200s", reason ? reason : "");
	b->history_missed = lost;
	if (reason)
		snprintf(text, sizeof(text), "the history cannot be written: %.200s; plans go on without it", reason);
	else if (lost)
		snprintf(text, sizeof(text), "the history is written again; it misses %" PRIu64 " rows", lost);
	else
		snprintf(text, sizeof(text), "the history is written again; nothing is missing");
	msg = json_pack("{s:s s:{s:s s:s}}", "type", "notice", "notice", "severity", reason ? "error" : "info", "text",
			text);
	if (msg) {
		on_notify(b, json_object_get(msg, "notice"));
		if (b->control)
			control_publish(b->control, TYPE_NOTICE, msg);
	}
	json_decref(msg);
}

void broker_tell_history(struct broker *b)
{
	bool lost = b->history_reason[0] != '\0';
	struct event *ev;

	if (lost == b->history_lost || !b->opened || b->stage > BROKER_RUNNING)
		return;
	b->history_lost = lost;
	ev = event_new(lost ? "broker.history-lost" : "broker.history-restored", "history", ORIGIN_OWN);
	if (!ev)
		return;
	if (lost)
		event_set(ev, FACT_HISTORY_REASON, value_str(b->history_reason));
	else
		event_set(ev, FACT_HISTORY_MISSED, value_int((int64_t)b->history_missed));
	pipeline_feed(b->pipeline, ev);
}

struct recorder_ops broker_recorder_ops(struct broker *b)
{
	return (struct recorder_ops){
		.opened = on_opened, .stored = on_stored, .answer = on_answer, .trouble = on_trouble, .u = b};
}
