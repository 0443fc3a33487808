// SPDX-License-Identifier: GPL-2.0-or-later
/* What comes back to the broker as JSON, told to the pipeline, a line each: the saved state and unfinished intents of a
 * history that anybody may have written to, what a probe read on a disk, what act tells. Whatever it is, status and
 * state can be made afterwards.
 *
 *   restore STATE     replay INTENT     probed ANSWER (of the next disk that is asked for)
 *   act MESSAGE, done (of the plan that runs)
 *   add NAME          a disk comes      command COMMAND     event EVENT      enumerated */
#include "core/clock.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED_MAX = 16 };

struct played {
	struct pipeline *p;
	char asked[ASKED_MAX][DEVICE_ID_MAX]; /* probes without an answer, oldest first */
	size_t n_asked;
	char plan[PLAN_ID_MAX], stored[PLAN_ID_MAX];
	int64_t now;
};

static int64_t tell_time(void *u)
{
	const struct played *y = u;

	return y->now;
}

static void on_probe(void *u, const char *device_id, const char *node, bool again)
{
	struct played *y = u;

	(void)node;
	(void)again;
	if (y->n_asked < ASKED_MAX)
		snprintf(y->asked[y->n_asked++], DEVICE_ID_MAX, "%s", device_id);
}

/* What act reads of a plan is what was written. */
static void on_run(void *u, const struct plan *p)
{
	struct played *y = u;
	struct plan *copy = NULL;
	json_t *j = plan_to_json(p);
	struct err e = {0};

	if (plan_from_json(j, &copy, &e) < 0)
		abort();
	plan_free(copy);
	json_decref(j);
	snprintf(y->plan, sizeof(y->plan), "%s", p->id);
}

static void on_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	struct played *y = u;

	(void)table;
	(void)row;
	if (want_ack && strlen(id) < sizeof(y->stored))
		snprintf(y->stored, sizeof(y->stored), "%s", id);
}

static void no_message(void *u, const json_t *msg)
{
	(void)u;
	(void)msg;
}

static void take_probed(struct played *y, const json_t *j)
{
	char id[DEVICE_ID_MAX];

	if (y->n_asked == 0)
		return;
	memcpy(id, y->asked[0], sizeof(id));
	memmove(y->asked[0], y->asked[1], --y->n_asked * sizeof(y->asked[0]));
	pipeline_probed(y->p, id, json_is_object(j) ? j : NULL, json_is_object(j) ? NULL : "the probe died");
}

static void take_json(struct played *y, const char *word, const json_t *j)
{
	char id[PLAN_ID_MAX];
	struct err e = {0};
	struct event *ev;

	if (strcmp(word, "restore") == 0)
		pipeline_restore(y->p, j, &e);
	else if (strcmp(word, "replay") == 0)
		pipeline_replay(y->p, j, &e);
	else if (strcmp(word, "probed") == 0)
		take_probed(y, j);
	else if (strcmp(word, "act") == 0 && y->plan[0])
		pipeline_act_message(y->p, y->plan, j);
	else if (strcmp(word, "command") == 0)
		json_decref(pipeline_command(y->p, j, id));
	else if (strcmp(word, "event") == 0 && event_from_json(j, &ev, &e) == 0)
		pipeline_feed(y->p, ev);
}

static void add_disk(struct played *y, const char *name)
{
	pipeline_raw_device(y->p,
			    &(struct raw_device){.action = "add",
						 .devtype = "disk",
						 .devname = name,
						 .major = 8,
						 .minor = (unsigned char)name[strlen(name) - 1],
						 .id_wwn = name + 5,
						 .has_size = true,
						 .sectors = 1 << 20,
						 .sector_size = 512},
			    ORIGIN_KERNEL);
}

static void take_line(struct played *y, char *line)
{
	const char *word = strsep(&line, " ");
	char stored[PLAN_ID_MAX];
	json_t *j;

	if (strcmp(word, "enumerated") == 0)
		pipeline_enumerated(y->p);
	else if (strcmp(word, "done") == 0 && y->plan[0])
		pipeline_act_done(y->p, y->plan, ACTION_OK, NULL);
	else if (strcmp(word, "add") == 0 && line && strncmp(line, "/dev/", 5) == 0 && strlen(line) < 32)
		add_disk(y, line);
	j = line ? json_loads(line, 0, NULL) : NULL;
	if (json_is_object(j) || strcmp(word, "probed") == 0)
		take_json(y, word, j);
	json_decref(j);
	memcpy(stored, y->stored, sizeof(stored));
	y->stored[0] = '\0';
	if (stored[0])
		pipeline_stored(y->p, stored);
	y->now += NS_PER_SEC;
	pipeline_advance(y->p);
}

static struct ruleset *no_rules(void)
{
	const struct ruleset_options o = {.actions = action_descs};
	struct ruleset *rules = NULL;
	struct diag d;

	diag_init(&d);
	if (ruleset_load(NULL, 0, &o, &d, &rules) < 0)
		abort();
	diag_finish(&d);
	return rules;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *all[] = {"*"};
	struct played y = {.now = NS_PER_SEC};
	const struct clock clock = {.boot = tell_time, .awake = tell_time, .wall = tell_time, .u = &y};
	const struct pipeline_ops ops = {.probe = on_probe,
					 .run = on_run,
					 .store = on_store,
					 .publish = no_message,
					 .notify = no_message,
					 .u = &y};
	char *text = size < 65536 ? strndup((const char *)data, size) : NULL, *rest = text, *line;
	struct ruleset *rules = no_rules();
	struct settings settings;
	struct err e = {0};

	settings_init(&settings);
	settings.manage = all;
	settings.n_manage = 1;
	if (!text || pipeline_new(&settings, rules, &clock, &ops, &y.p, &e) < 0)
		abort();
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(&y, line);
	json_decref(pipeline_status(y.p));
	json_decref(pipeline_save(y.p));
	pipeline_free(y.p);
	settings.manage = NULL;
	settings.n_manage = 0;
	settings_finish(&settings);
	ruleset_unref(rules);
	free(text);
	return 0;
}
