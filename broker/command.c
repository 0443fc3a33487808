// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/command.h"

#include "broker/asked.h"
#include "broker/broker.h"
#include "broker/metrics.h"
#include "broker/request.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A request whose answer waits: for the end of a plan, or for rows of the history. */
struct pending {
	struct list link;
	struct client_ref client;
	json_int_t id;
	char plan[PLAN_ID_MAX]; /* empty: rows, or a reload */
	bool reload;
	struct peer peer; /* of a reload: it is recorded when it is done */
	uint64_t token;
	json_t *answer; /* of a plan: what is known so far */
	/* It waits until the disk that it names has been read once more; NULL: it does not. */
	json_t *request;
	int64_t since;
	const struct verb *verb;
};

struct commands {
	struct broker *b;
	struct list pending;
	uint64_t tokens;
};

struct request {
	struct client *client;
	const json_t *j;
	const struct verb *verb;
	json_int_t id;
};

typedef void handler_fn(struct commands *c, const struct request *rq);

int commands_new(struct broker *b, struct commands **ret)
{
	struct commands *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->b = b;
	list_init(&c->pending);
	*ret = c;
	return 0;
}

static void pending_free(struct pending *p)
{
	list_remove(&p->link);
	client_unwait(&p->client);
	json_decref(p->answer);
	json_decref(p->request);
	free(p);
}

void commands_free(struct commands *c)
{
	struct pending *p;

	if (!c)
		return;
	list_foreach (p, &c->pending, link)
		pending_free(p);
	free(c);
}

/* NULL: the client was told that it waits for too much. */
static struct pending *pending_new(struct commands *c, const struct request *rq)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (p && client_wait(rq->client, &p->client)) {
		p->id = rq->id;
		list_insert(&c->pending, &p->link);
		return p;
	}
	free(p);
	client_refuse(rq->client, rq->id, "busy", NULL, "more than %d requests wait for their answers",
		      CONTROL_WAITS_MAX);
	return NULL;
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void do_help(struct commands *c _unused_, const struct request *rq)
{
	json_t *list = json_array();

	for (const struct verb *v = verb_table; v->name; v++)
		json_array_append_new(
			list, json_pack("{s:s s:s s:b}", "name", v->name, "doc", v->doc, "changes", (int)v->changes));
	client_answer(rq->client, rq->id, json_pack("{s:o}", "verbs", list));
}

static void do_status(struct commands *c, const struct request *rq)
{
	client_answer(
		rq->client, rq->id,
		json_pack("{s:o s:o}", "status", pipeline_status(c->b->pipeline), "broker", broker_to_json(c->b)));
}

static void do_sources(struct commands *c, const struct request *rq)
{
	client_answer(rq->client, rq->id, json_pack("{s:o}", "sources", broker_sources(c->b)));
}

/* Resident pages, from a file that never waits for a disk. */
static uint64_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void do_metrics(struct commands *c, const struct request *rq)
{
	_cleanup_(json_decrefp) json_t *status = pipeline_status(c->b->pipeline), *broker = broker_to_json(c->b);
	_cleanup_(buf_free) struct buf text = {0};

	metrics_print(&c->b->tally, status, broker, resident_bytes(), &text);
	client_answer(rq->client, rq->id, json_pack("{s:s}", "text", buf_str(&text)));
}

static void do_settings(struct commands *c, const struct request *rq)
{
	_cleanup_(buf_free) struct buf text = {0};

	settings_print(c->b->settings, &text);
	client_answer(rq->client, rq->id, json_pack("{s:s}", "text", buf_str(&text)));
}

static void do_monitor(struct commands *c _unused_, const struct request *rq)
{
	const json_t *types = json_object_get(rq->j, "types"), *word;
	unsigned bits = types ? 0 : TYPE_ALL;
	size_t i;

	json_array_foreach((json_t *)types, i, word)
	{
		unsigned bit = message_type(json_string_value(word));

		if (!bit) {
			client_refuse(rq->client, rq->id, "usage", NULL,
				      "types are event, verdict, plan, outcome, notice and command");
			return;
		}
		bits |= bit;
	}
	client_answer(rq->client, rq->id, json_object());
	client_subscribe(rq->client, bits);
}

/* The request without what only the connection needs. */
static json_t *strip(const json_t *request)
{
	static const char *const own[] = {"v", "id", "verb", "wait", "live"};
	json_t *j = json_copy((json_t *)request);

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		json_object_del(j, own[i]);
	return j;
}

/* Replaces the name of a device or an array by its id. -ENOENT: there is none; it has been answered. */
static int resolve(struct commands *c, const struct request *rq, json_t *j, const char *key,
		   const char *(*find)(const struct pipeline *p, const char *name))
{
	const char *name = text_of(j, key), *id;

	if (!name)
		return 0;
	id = find(c->b->pipeline, name);
	if (!id) {
		client_refuse(rq->client, rq->id, "not-found", NULL, "no %s '%.100s'", key, name);
		return -ENOENT;
	}
	json_object_set_new(j, key, json_string(id));
	return 0;
}

/* The history also knows devices and arrays that are no more: a name that is not found is taken as an id. */
static void history_ids(struct commands *c, json_t *query)
{
	const char *device = text_of(query, "device"), *array = text_of(query, "array");
	const char *id = device ? pipeline_find_device(c->b->pipeline, device) : NULL;

	if (id)
		json_object_set_new(query, "device", json_string(id));
	id = array ? pipeline_find_array(c->b->pipeline, array) : NULL;
	if (id)
		json_object_set_new(query, "array", json_string(id));
}

static void do_history(struct commands *c, const struct request *rq)
{
	struct pending *p = pending_new(c, rq);
	json_t *query = strip(rq->j);

	history_ids(c, query);
	if (p) {
		p->token = ++c->tokens;
		if (recorder_query(c->b->recorder, p->token, query) < 0) {
			pending_free(p);
			client_refuse(rq->client, rq->id, "failed", NULL, "the history cannot be asked now");
		}
	}
	json_decref(query);
}

/* It is as large as what it shows; what does not fit a line is not told. */
static void do_world(struct commands *c, const struct request *rq)
{
	json_t *world = pipeline_world(c->b->pipeline);
	size_t size = world ? json_dumpb(world, NULL, 0, JSON_COMPACT) : 0;

	if (size > 0 && size < WORLD_SIZE_MAX) {
		client_answer(rq->client, rq->id, json_pack("{s:o}", "world", world));
		return;
	}
	json_decref(world);
	client_refuse(rq->client, rq->id, "failed", NULL, "the picture has %zu bytes, and at most %d fit", size,
		      WORLD_SIZE_MAX);
}

static void log_command(const struct request *rq)
{
	const struct peer *peer = client_peer(rq->client);
	_cleanup_(freep) char *text = json_dumps(rq->j, JSON_COMPACT);

	log_notice("uid %u (pid %d) asks: %s", (unsigned)peer->uid, (int)peer->pid, text ? text : rq->verb->name);
}

/* A dry run changes nothing. */
static void record_command(struct commands *c, const struct request *rq, const char *plan, const char *refusal)
{
	json_t *request;

	if (json_is_true(json_object_get(rq->j, "dry-run")))
		return;
	request = strip(rq->j);
	json_object_del(request, "extra"); /* it is in the event, and may be long */
	asked_record(c->b, client_peer(rq->client), rq->verb->name, request, plan, refusal);
	json_decref(request);
}

static void do_inject(struct commands *c, const struct request *rq)
{
	bool live = json_is_true(json_object_get(rq->j, "live"));
	json_t *j = strip(rq->j);
	struct event *ev = NULL;
	struct err e = {0};

	json_object_set_new(j, "source", json_string("control"));
	json_object_set_new(j, "origin", json_string(origin_words[ORIGIN_INJECTED]));
	if (resolve(c, rq, j, "device", pipeline_find_device) == 0 &&
	    resolve(c, rq, j, "array", pipeline_find_array) == 0) {
		if (event_from_json(j, &ev, &e) < 0) {
			client_refuse(rq->client, rq->id, "usage", NULL, "%s", e.msg);
		} else if (live) {
			log_notice("%s is injected by uid %u (pid %d)", ev->kind,
				   (unsigned)client_peer(rq->client)->uid, (int)client_peer(rq->client)->pid);
			record_command(c, rq, "", NULL);
			pipeline_feed(c->b->pipeline, TAKE_PTR(ev));
			client_answer(rq->client, rq->id, json_pack("{s:I}", "seq", (json_int_t)c->b->last_seq));
		} else {
			client_answer(rq->client, rq->id,
				      json_pack("{s:o}", "matches", pipeline_what_if(c->b->pipeline, ev)));
		}
	}
	event_free(ev);
	json_decref(j);
}

static void do_rules_list(struct commands *c, const struct request *rq)
{
	json_t *j = ruleset_to_json(c->b->rules, json_is_true(json_object_get(rq->j, "origin")));

	client_answer(rq->client, rq->id,
		      json_pack("{s:O s:o}", "rules", json_object_get(j, "rules"), "questions",
				pipeline_questions(c->b->pipeline)));
	json_decref(j);
}

static void do_rules_stats(struct commands *c, const struct request *rq)
{
	client_answer(rq->client, rq->id, pipeline_rule_stats(c->b->pipeline));
}

static void do_rules_why(struct commands *c, const struct request *rq)
{
	json_t *why = NULL;
	struct err e = {0};
	int r = pipeline_why(c->b->pipeline, text_of(rq->j, "rule"), text_of(rq->j, "subject"), &why, &e);

	if (r < 0)
		client_refuse(rq->client, rq->id, r == -ENOENT ? "not-found" : "usage", NULL, "%s", e.msg);
	else
		client_answer(rq->client, rq->id, json_pack("{s:o}", "why", why));
}

static void do_spare_why(struct commands *c, const struct request *rq)
{
	json_t *why = NULL;
	struct err e = {0};

	if (pipeline_why_spare(c->b->pipeline, text_of(rq->j, "subject"), &why, &e) < 0)
		client_refuse(rq->client, rq->id, "not-found", NULL, "%s", e.msg);
	else
		client_answer(rq->client, rq->id, json_pack("{s:o}", "why", why));
}

static void answer_reload(struct client *client, json_int_t id, const struct reload_counts *n, const char *tests)
{
	json_t *j = json_pack("{s:{s:I s:I s:I s:I}}", "reload", "kept", (json_int_t)n->kept, "reset",
			      (json_int_t)n->reset, "added", (json_int_t)n->added, "removed", (json_int_t)n->removed);

	if (j && tests)
		json_object_set_new(j, "tests", json_string(tests));
	client_answer(client, id, j);
}

/* Its answer comes when the tests have ended. */
static void wait_for_tests(struct commands *c, const struct request *rq)
{
	struct pending *p = pending_new(c, rq);

	if (!p)
		return;
	p->reload = true;
	p->peer = *client_peer(rq->client);
}

static void do_reload(struct commands *c, const struct request *rq)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct reload_counts n = {0};
	struct diag d;
	int r;

	diag_init(&d);
	log_command(rq);
	r = broker_reload(c->b, &d, &n);
	if (r == 1) {
		wait_for_tests(c, rq);
	} else if (r < 0) {
		record_command(c, rq, "", "settings or rules have errors");
		diag_print(&d, "the running rules stay", &text);
		client_refuse(rq->client, rq->id, r == -EBUSY ? "busy" : "usage",
			      json_pack("{s:o s:s}", "problems", diag_to_json(&d), "text", buf_str(&text)),
			      "%zu problems; nothing was loaded, the running settings and rules stay", d.errors);
	} else {
		record_command(c, rq, "", NULL);
		answer_reload(rq->client, rq->id, &n, NULL);
	}
	diag_finish(&d);
}

void commands_reloaded(struct commands *c, int r, const struct reload_counts *n, const char *tests)
{
	struct pending *p;

	list_foreach (p, &c->pending, link) {
		json_t *request;

		if (!p->reload)
			continue;
		request = json_object();
		asked_record(c->b, &p->peer, "rules-reload", request, "", r < 0 ? "tests of the rules fail" : NULL);
		json_decref(request);
		if (p->client.client && r < 0)
			client_refuse(
				p->client.client, p->id, "usage",
				json_pack("{s:[] s:s}", "problems", "text", tests ? tests : ""),
				"tests of the rules fail; nothing was loaded, the running settings and rules stay");
		else if (p->client.client)
			answer_reload(p->client.client, p->id, n, tests);
		pending_free(p);
	}
}

/* {"ok":false,"code","error":text,"plan"} of the pipeline, in the protocol's shape. Takes answer. */
static void refuse_as_told(const struct request *rq, json_t *answer)
{
	const char *code = text_of(answer, "code"), *text = text_of(answer, "error");
	json_t *more = json_object();

	if (json_object_get(answer, "plan"))
		json_object_set(more, "plan", json_object_get(answer, "plan"));
	client_refuse(rq->client, rq->id, code ? code : "failed", more, "%s", text ? text : "it failed");
	json_decref(answer);
}

static json_t *as_command(const struct request *rq)
{
	json_t *command = strip(rq->j);
	json_t *device = json_object_get(command, "device");

	json_object_set_new(command, "verb", json_string(rq->verb->action));
	if (json_object_get(command, "with")) {
		json_object_set(command, "spare", json_object_get(command, "with"));
		json_object_del(command, "with");
	}
	/* The one action whose disk is not a member. */
	if (device && strcmp(rq->verb->action, "activate-spare") == 0) {
		json_object_set(command, "spare", device);
		json_object_del(command, "device");
	}
	return command;
}

static bool is_read_now(const struct commands *c, const json_t *request, int64_t since)
{
	static const char *const lists[] = {"devices", "spares"};
	const char *device = text_of(request, "device");
	bool any = device && pipeline_reads(c->b->pipeline, device, since);
	const json_t *name;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		json_array_foreach(json_object_get(request, lists[k]), i, name) any =
			any || pipeline_reads(c->b->pipeline, json_string_value(name), since);
	return any;
}

/* What a disk holds is not known while it is read, as it is after each change of it: nobody is told then that it is not
 * here. */
static bool put_off(struct commands *c, const struct request *rq)
{
	int64_t now = clock_boot(&clock_system);
	struct pending *p = is_read_now(c, rq->j, now) ? pending_new(c, rq) : NULL;

	if (p) {
		p->since = now;
		p->request = json_incref((json_t *)rq->j);
		p->verb = rq->verb;
	}
	return p;
}

static void do_plan(struct commands *c, const struct request *rq)
{
	bool wait = json_is_true(json_object_get(rq->j, "wait")) || json_is_true(json_object_get(rq->j, "dry-run"));
	struct pending *p = wait ? pending_new(c, rq) : NULL;
	json_t *command, *answer;
	char plan[PLAN_ID_MAX] = "";

	if (wait && !p)
		return;
	log_command(rq);
	command = as_command(rq);
	answer = pipeline_command(c->b->pipeline, command, plan);
	json_decref(command);
	record_command(c, rq, plan, json_is_false(json_object_get(answer, "ok")) ? text_of(answer, "error") : NULL);
	if (answer && plan[0] && p && json_is_true(json_object_get(answer, "ok"))) {
		snprintf(p->plan, sizeof(p->plan), "%s", plan);
		p->answer = answer;
		return;
	}
	if (p)
		pending_free(p);
	if (answer && json_is_false(json_object_get(answer, "ok")))
		refuse_as_told(rq, answer);
	else
		client_answer(rq->client, rq->id, answer);
}

static void do_change(struct commands *c, const struct request *rq)
{
	if (!put_off(c, rq))
		do_plan(c, rq);
}

bool commands_turn(struct commands *c)
{
	struct pending *p;
	bool any = false;

	list_foreach (p, &c->pending, link) {
		struct request rq = {.client = p->client.client, .verb = p->verb, .id = p->id};
		json_t *request;

		if (!p->request || is_read_now(c, p->request, p->since))
			continue;
		rq.j = request = TAKE_PTR(p->request);
		pending_free(p);
		if (rq.client)
			do_plan(c, &rq);
		json_decref(request);
		any = true;
	}
	return any;
}

static handler_fn *const handlers[VERB_HANDLERS] = {
	[VERB_HELP] = do_help,		 [VERB_STATUS] = do_status,	      [VERB_METRICS] = do_metrics,
	[VERB_SOURCES] = do_sources,	 [VERB_SETTINGS] = do_settings,	      [VERB_MONITOR] = do_monitor,
	[VERB_HISTORY] = do_history,	 [VERB_INJECT] = do_inject,	      [VERB_RULES_LIST] = do_rules_list,
	[VERB_WORLD] = do_world,	 [VERB_RULES_STATS] = do_rules_stats, [VERB_RULES_WHY] = do_rules_why,
	[VERB_SPARE_WHY] = do_spare_why, [VERB_RELOAD] = do_reload,	      [VERB_PLAN] = do_change,
	[VERB_COMMAND] = do_change,
};

bool commands_run(struct commands *c, struct client *client, const json_t *request)
{
	struct request_check rc;

	if (request_check(request, client_peer(client)->uid == 0, &rc) < 0) {
		client_refuse(client, rc.id, rc.code, NULL, "%s", rc.message);
		return strcmp(rc.code, "malformed") != 0;
	}
	handlers[rc.verb->handler](c, &(struct request){.client = client, .j = request, .verb = rc.verb, .id = rc.id});
	return true;
}

static void plan_ended(struct pending *p, const json_t *outcome)
{
	const char *result = text_of(outcome, "result"), *reason = text_of(outcome, "reason");
	json_t *answer = TAKE_PTR(p->answer);

	json_object_set_new(answer, "result", json_string(result ? result : "failed"));
	json_object_set_new(answer, "reason", json_string(reason ? reason : ""));
	if (!p->client.client)
		json_decref(answer);
	else if (result && strcmp(result, "ok") == 0)
		client_answer(p->client.client, p->id, answer);
	else
		client_refuse(p->client.client, p->id, result && strcmp(result, "refused") == 0 ? "refused" : "failed",
			      answer, "%s", reason && *reason ? reason : "the plan failed");
	pending_free(p);
}

void commands_published(struct commands *c, const json_t *msg)
{
	const char *type = text_of(msg, "type"), *plan = text_of(msg, "plan"), *text = text_of(msg, "text");
	struct pending *p;

	if (!type || !plan)
		return;
	list_foreach (p, &c->pending, link) {
		if (!p->plan[0] || strcmp(p->plan, plan) != 0)
			continue;
		if (strcmp(type, "outcome") == 0) {
			plan_ended(p, msg);
		} else if (strcmp(type, "show") == 0 && text) {
			if (!json_object_get(p->answer, "show"))
				json_object_set_new(p->answer, "show", json_array());
			json_array_append_new(json_object_get(p->answer, "show"), json_string(text));
		}
	}
}

void commands_rows(struct commands *c, uint64_t token, const json_t *answer)
{
	const char *error = text_of(answer, "error");
	struct pending *p;

	list_foreach (p, &c->pending, link) {
		if (p->reload || p->token != token)
			continue;
		if (p->client.client && error)
			client_refuse(p->client.client, p->id, text_of(answer, "code"), NULL, "%s", error);
		else if (p->client.client) {
			json_t *own = json_copy((json_t *)answer);

			json_object_del(own, "token");
			client_answer(p->client.client, p->id, own);
		}
		pending_free(p);
		return;
	}
}
