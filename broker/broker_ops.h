// SPDX-License-Identifier: GPL-2.0-or-later
/* What joins the pipeline to the parts around it: its requests go to them, their results come back. broker_ops.c. */
#pragma once

#include "broker/broker.h"

struct pipeline_ops broker_pipeline_ops(struct broker *b);
struct recorder_ops broker_recorder_ops(struct broker *b);
void broker_probed(void *u, const char *device_id, const json_t *answer, const char *reason);
void broker_act_message(void *u, const char *plan_id, const json_t *msg);
void broker_act_done(void *u, const char *plan_id, enum action_result result, const char *reason);
void broker_program_done(void *u, const char *token, int status, const char *reason);
/* The history is open (or given up): what was known is taken up again, and listening begins. */
void broker_opened(struct broker *b, const json_t *state, const json_t *unfinished);
/* Tells the history's state as an event when it has changed. Not from within a call of the pipeline. */
void broker_tell_history(struct broker *b);
