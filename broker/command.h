// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs of the control protocol (control.h): one table, which help and access control read too. */
#pragma once

#include "broker/control.h"
#include "rules/rules.h"

struct commands;

int commands_new(struct broker *b, struct commands **ret);
void commands_free(struct commands *c);
DEFINE_CLEANUP(struct commands *, commands_free)

/* One request of a client; it is answered now or later. False: it was malformed. */
bool commands_run(struct commands *c, struct client *client, const json_t *request);
/* Goes on with requests that waited for a disk to be read. True: the pipeline was called. */
bool commands_turn(struct commands *c);
/* What the pipeline publishes: ends of plans that a client waits for. */
void commands_published(struct commands *c, const json_t *msg);
/* The tests that a reload waited for have ended: r as broker_reload. tests: what failed, or NULL. */
void commands_reloaded(struct commands *c, int r, const struct reload_counts *n, const char *tests);
/* The record process's answer. */
void commands_rows(struct commands *c, uint64_t token, const json_t *answer);
