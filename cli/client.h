// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket from the asking side (broker/control.h). */
#pragma once

#include "cli/cli.h"

/* Connects, once, within that time. 0 or -errno; -ENOENT and -ECONNREFUSED mean that no daemon runs. */
int client_connect(struct cli *c, int64_t wait, struct err *e);
/* A request for the verb, with "v" and "verb" set. */
json_t *client_request(const char *verb);
/* Puts a key into a request, if it is given. */
void request_text(json_t *request, const char *key, const char *text);
void request_flag(json_t *request, const char *key, const char *given);
/* Asks and waits for the answer. CLI_OK and *ret (a new reference); else the exit status, and what is wrong has been
 * told, with *ret where the answer holds more than an error (or NULL). Takes request. */
int client_ask(struct cli *c, json_t *request, json_t **ret);
/* Sends a changing request with the options of all such commands, and prints what came of it; takes it. Exit status.
 * (change.c) */
int cli_change(struct cli *c, json_t *request);
/* The answer to a verb without keys, or NULL; says nothing. */
json_t *client_ask_quietly(struct cli *c, const char *verb);
/* The next line that is not an answer, however long that takes. 1, 0 at the end, or -errno. */
int client_next(struct cli *c, json_t **ret);
/* Learns what devices and arrays are called now: for lines that have their ids. Exit status. */
int client_names(struct cli *c);
/* True if a daemon answers; says nothing. */
bool client_runs(struct cli *c);
