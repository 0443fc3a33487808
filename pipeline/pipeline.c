// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole story: handle() is one event's way from the source to the rules; drain() is what follows from it. */
#include "pipeline/pipeline_impl.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- telling ---- */

void publish(struct pipeline *p, const char *type, const char *key, json_t *body)
{
	json_t *msg = body ? json_pack("{s:s s:o}", "type", type, key, body) : NULL;

	if (msg)
		p->ops.publish(p->ops.u, msg);
	json_decref(msg);
}

void tell_people(struct pipeline *p, const char *severity, const char *text, const struct script *s)
{
	const struct verdict_context *c = s && s->v->n_contexts ? &s->v->contexts[0] : NULL;
	json_t *notice = json_pack("{s:s s:s s:s s:s s:s s:s s:b}", "severity", severity, "text", text, "rule",
				   s ? s->v->rule : "", "device", c && c->device_name ? c->device_name : "", "array",
				   c && c->array_name ? c->array_name : "", "verdict", s ? s->v->id : "", "injected",
				   s && s->injected);

	if (notice)
		p->ops.notify(p->ops.u, notice);
	publish(p, "notice", "notice", notice);
}

static json_t *event_row(const struct pipeline *p, const struct event *ev)
{
	const struct device *d = ev->device ? inventory_device(p->inv, ev->device) : NULL;
	const struct array *a = ev->array ? inventory_array(p->inv, ev->array) : NULL;
	json_t *row = event_to_json(ev);

	if (d && d->name[0])
		json_object_set_new(row, "device-name", json_string(d->name));
	else if (event_get(ev, FACT_DEVICE_NAME).type == V_STRING)
		json_object_set_new(row, "device-name", json_string(event_get(ev, FACT_DEVICE_NAME).str));
	if (a)
		json_object_set_new(row, "array-name", json_string(a->name));
	return row;
}

static void record(struct pipeline *p, const struct event *ev)
{
	json_t *row = event_row(p, ev);

	p->ops.store(p->ops.u, "event", row, NULL, false);
	publish(p, "event", "event", row);
}

static void store_case(void *u, const json_t *row)
{
	struct pipeline *p = u;

	p->ops.store(p->ops.u, "case", row, NULL, false);
}

/* ---- one event ---- */

void put_event(struct pipeline *p, struct event *ev)
{
	struct queued_event *q = calloc(1, sizeof(*q));

	if (!q) {
		event_free(ev);
		return;
	}
	q->ev = ev;
	list_insert(&p->inbox, &q->link);
}

void put_caused(struct pipeline *p, struct event *ev, const struct verdict *cause, bool injected)
{
	ev->origin = injected ? ORIGIN_INJECTED : cause ? ORIGIN_OWN : ev->origin;
	if (cause) {
		snprintf(ev->cause, sizeof(ev->cause), "%s", cause->id);
		ev->generation = cause->generation + 1;
	}
	put_event(p, ev);
}

static void stamp(struct pipeline *p, struct event *ev)
{
	int64_t now = pipeline_now(p);

	ev->seq = ++p->seq;
	if (ev->time <= 0 || ev->time > now)
		ev->time = now;
	if (ev->wall == 0)
		ev->wall = clock_wall(p->clock) - (now - ev->time);
	p->counts.events++;
}

void ask_probe(struct pipeline *p, const char *device)
{
	const struct device *d = inventory_device(p->inv, device);

	if (!d || d->probing || !d->present)
		return;
	inventory_probing(p->inv, device, true);
	p->ops.probe(p->ops.u, d->id, d->node, d->probed);
}

/* A chain of causes that does not end is named once a minute. */
static void check_loop(struct pipeline *p, const struct event *ev)
{
	struct event *loop;

	if (ev->generation != GENERATION_MAX || strcmp(ev->kind, "broker.loop") == 0 ||
	    (p->loop_told && ev->time - p->loop_told < 60 * NS_PER_SEC))
		return;
	p->loop_told = ev->time;
	loop = event_new("broker.loop", "rules", ORIGIN_OWN);
	if (!loop)
		return;
	snprintf(loop->cause, sizeof(loop->cause), "%s", ev->cause);
	loop->extra = json_pack("{s:s}", "kind", ev->kind);
	put_event(p, loop);
}

/* Windows that were dropped are told when it begins, and once a minute while it goes on. */
static void check_evicted(struct pipeline *p, const struct event *ev)
{
	const char *rule;
	uint64_t n = engine_evicted(p->engine, &rule);
	struct event *evicted;

	if (n == p->evicted || (p->evicted_told && ev->time - p->evicted_told < 60 * NS_PER_SEC))
		return;
	evicted = event_new("broker.evicted", "rules", ORIGIN_OWN);
	if (!evicted)
		return;
	event_set(evicted, FACT_EVICTED_RULE, value_str(rule));
	event_set(evicted, FACT_EVICTED_COUNT, value_int((int64_t)(n - p->evicted)));
	p->evicted_told = ev->time;
	p->evicted = n;
	put_event(p, evicted);
}

struct difference_cause {
	struct pipeline *p;
	const struct job *job;
	bool injected; /* by the event that made the difference */
};

/* A member that failed while a plan about others ran is the kernel's finding. */
static bool is_of_plan(const struct job *j, const struct event *ev)
{
	if (strcmp(ev->kind, "array.member-failed") != 0)
		return true;
	for (size_t i = 0; i < j->plan->n_steps; i++)
		if (!j->plan->step[i].refused && j->plan->step[i].slot == ev->slot)
			return true;
	return false;
}

static void put_difference(void *u, struct event *ev)
{
	const struct difference_cause *c = u;
	const struct job *j = c->job && is_of_plan(c->job, ev) ? c->job : NULL;

	if (j && j->origin != PLAN_BUILTIN)
		ev->origin = j->origin == PLAN_OPERATOR ? ORIGIN_OPERATOR : ORIGIN_OWN;
	put_caused(c->p, ev, j && j->script ? j->script->v : NULL, c->injected || (j && j->injected));
}

static void tell_differences(struct pipeline *p, const struct job *cause, bool injected)
{
	struct difference_cause c = {p, cause, injected};

	if (p->phase == PHASE_STARTED)
		inventory_differences(p->inv, pipeline_now(p), false, put_difference, &c);
}

void model_changed(struct pipeline *p, unsigned sorts, const struct job *cause)
{
	if (!sorts)
		return;
	if (!p->shutting_down) {
		engine_before(p->engine, pipeline_now(p), clock_awake(p->clock));
		engine_changed(p->engine, sorts);
		engine_settle(p->engine);
	}
	tell_differences(p, cause, false);
}

/* The sentence: an event is taken in by the inventory, kept and told, heard by the rules, and facts are recorded. */
static void handle(struct pipeline *p, struct event *ev)
{
	bool must_probe, news;
	unsigned changed;

	stamp(p, ev);
	if (!p->shutting_down)
		engine_before(p->engine, ev->time, clock_awake(p->clock));
	previous_facts(p, ev);
	changed = inventory_event(p->inv, ev, &must_probe, &news);
	if (must_probe)
		ask_probe(p, ev->device);
	if (!news) {
		p->counts.no_news++;
		return;
	}
	record(p, ev);
	cases_event(p->cases, p->inv, ev, store_case, p);
	builtin_event(p, ev);
	if (!p->shutting_down) {
		engine_changed(p->engine, changed);
		engine_changed_fact(p->engine, FACT_DEVICE_ERRORS); /* of cases */
		engine_event(p->engine, ev, clock_awake(p->clock));
	}
	check_loop(p, ev);
	check_evicted(p, ev);
	tell_differences(p, NULL, ev->origin == ORIGIN_INJECTED);
}

static struct event *take_event(struct pipeline *p)
{
	struct queued_event *q;
	struct event *ev;

	if (list_empty(&p->inbox))
		return NULL;
	q = container_of(p->inbox.next, struct queued_event, link);
	ev = q->ev;
	list_remove(&q->link);
	free(q);
	return ev;
}

void on_verdict(void *u, const struct verdict *v)
{
	struct pipeline *p = u;
	struct queued_verdict *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	q->v = verdict_ref(v);
	list_insert(&p->verdicts, &q->link);
}

static void say_broker(struct pipeline *p, const char *kind)
{
	struct event *ev = event_new(kind, "broker", ORIGIN_OWN);

	if (ev)
		put_event(p, ev);
}

/* The picture is whole: the rules begin. */
static void start_rules(struct pipeline *p)
{
	p->phase = PHASE_STARTED;
	inventory_differences(p->inv, pipeline_now(p), true, NULL, NULL);
	engine_changed(p->engine, SORT_ALL);
	engine_wall(p->engine, pipeline_now(p), clock_awake(p->clock), clock_wall(p->clock));
	world_store(p); /* from it the rules start again, as now */
	engine_start(p->engine, pipeline_now(p), clock_awake(p->clock));
	builtin_replayed(p);
	say_broker(p, "broker.started");
}

void drain(struct pipeline *p)
{
	struct event *ev;

	if (p->draining)
		return;
	p->draining = true;
	do {
		while ((ev = take_event(p))) {
			handle(p, ev);
			event_free(ev);
		}
		carry_out(p);
		reads_check(p);
		jobs_pump(p);
		if (p->phase == PHASE_CLAIMING && !builtin_pending(p) && list_empty(&p->inbox))
			start_rules(p);
	} while (!list_empty(&p->inbox) || !list_empty(&p->verdicts));
	cases_settle(p->cases, p->inv, pipeline_now(p), clock_wall(p->clock), store_case, p);
	p->draining = false;
}

bool pipeline_busy(const struct pipeline *p)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (!j->alone)
			return true;
	return false;
}

void pipeline_feed(struct pipeline *p, struct event *ev)
{
	put_event(p, ev);
	drain(p);
}

/* ---- the picture ---- */

void pipeline_rescan(struct pipeline *p, bool doubt)
{
	inventory_rescan(p->inv, doubt);
	stack_rescan(p->stack);
	p->rescanning = p->phase == PHASE_STARTED;
}

static void put_removed(void *u, const struct device *d)
{
	struct event *ev = event_new("device.removed", "udev", ORIGIN_SYNTHESISED);

	if (!ev)
		return;
	ev->device = strdup(d->id);
	put_event(u, ev);
}

/* Devices that a restored picture had and that are not here are told as removed: they are present to nobody. */
static void check_enumerated(struct pipeline *p)
{
	if (p->phase == PHASE_ENUMERATING && !inventory_probes_open(p->inv)) {
		p->phase = PHASE_CLAIMING;
		builtin_start(p);
	} else if (p->rescanning && !inventory_probes_open(p->inv)) {
		p->rescanning = false;
		say_broker(p, "broker.resynced");
	}
}

void pipeline_enumerated(struct pipeline *p)
{
	p->enumerated = true;
	stack_unseen(p->stack);
	inventory_unseen(p->inv, put_removed, p);
	drain(p);
	check_enumerated(p);
	drain(p);
}

bool pipeline_read(const struct pipeline *p)
{
	return p->phase != PHASE_ENUMERATING;
}

bool pipeline_started(const struct pipeline *p)
{
	return p->phase == PHASE_STARTED;
}

/* A disk that cannot be read, or whose metadata are refused, is told once for each reason. */
static void tell_unreadable(struct pipeline *p, const char *device_id, const char *before)
{
	const struct device *d = inventory_device(p->inv, device_id);
	char text[sizeof(d->name) + sizeof(d->contents_name) + 32];

	if (!d || !d->size || d->contents != CONTENTS_UNREADABLE || strcmp(before, d->contents_name) == 0)
		return;
	snprintf(text, sizeof(text), "%s is left alone: %s", d->name, d->contents_name);
	tell_people(p, "warning", text, NULL);
}

void pipeline_probed(struct pipeline *p, const char *device_id, const json_t *answer, const char *reason)
{
	const struct device *d = inventory_device(p->inv, device_id);
	char before[sizeof(d->contents_name)] = "";
	unsigned changed;
	const char *set;

	if (d && d->contents == CONTENTS_UNREADABLE)
		memcpy(before, d->contents_name, sizeof(before));
	changed = inventory_probed(p->inv, device_id, answer, reason, &set);
	tell_unreadable(p, device_id, before);
	if (*set && answer)
		want(p, set, true, false, false);
	model_changed(p, changed, NULL);
	drain(p);
	if (p->enumerated)
		check_enumerated(p);
	drain(p);
}

/* ---- time ---- */

static void probe_again(void *u, const char *device)
{
	ask_probe(u, device);
}

void pipeline_advance(struct pipeline *p)
{
	int64_t now = pipeline_now(p);

	inventory_wall(p->inv, clock_wall(p->clock));
	raw_due(p);
	drain(p);
	if (inventory_time(p->inv, now)) {
		engine_retry(p->engine); /* guards look at time, too */
		model_changed(p, SORT_ALL, NULL);
	}
	inventory_probe_again(p->inv, now, probe_again, p);
	builtin_refresh(p);
	engine_wall(p->engine, now, clock_awake(p->clock), clock_wall(p->clock));
	world_store(p);
	if (!p->shutting_down)
		engine_advance(p->engine, now, clock_awake(p->clock));
	drain(p);
}

bool pipeline_deadline(const struct pipeline *p, int64_t *ret_boot)
{
	int64_t t[6];
	const bool known[6] = {
		engine_deadline(p->engine, &t[0]), coalesce_deadline(p->coalesce, &t[1]),
		inventory_deadline(p->inv, &t[2]), cases_deadline(p->cases, &t[3]) && t[3] > pipeline_now(p),
		builtin_deadline(p, &t[4]),	   stack_deadline(p->stack, &t[5]),
	};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		if (known[i] && (!any || t[i] < *ret_boot))
			*ret_boot = t[i];
		any = any || known[i];
	}
	return any;
}

/* ---- life ---- */

static int64_t ticks(void *u)
{
	return clock_awake(((struct pipeline *)u)->clock);
}

static int make_engine(struct pipeline *p, struct ruleset *rules, bool virtual_time)
{
	char prefix[16] = "V-";

	if (!virtual_time) /* ids of verdicts are not used twice, whatever was before */
		snprintf(prefix, sizeof(prefix), "%llx-",
			 (unsigned long long)(clock_wall(p->clock) / NS_PER_SEC) & 0xffffffffff);
	return engine_new(rules,
			  &(struct engine_options){.world = &inventory_world_ops,
						   .world_u = p->inv,
						   .on_verdict = on_verdict,
						   .u = p,
						   .ticks = ticks,
						   .prefix = prefix,
						   .virtual_time = virtual_time,
						   .room = (size_t)p->settings->windows},
			  &p->engine);
}

static const struct strset *marks_of(void *u, const char *device)
{
	struct pipeline *p = u;

	return engine_marks(p->engine, device);
}

int pipeline_new(const struct settings *settings, struct ruleset *rules, const struct clock *clock,
		 const struct pipeline_ops *ops, struct pipeline **ret, struct err *e)
{
	return pipeline_make(settings, rules, clock, ops, false, ret, e);
}

int pipeline_make(const struct settings *settings, struct ruleset *rules, const struct clock *clock,
		  const struct pipeline_ops *ops, bool virtual_time, struct pipeline **ret, struct err *e)
{
	_cleanup_(pipeline_freep) struct pipeline *p = calloc(1, sizeof(*p));
	struct list *lists[] = {&p->inbox, &p->verdicts, &p->scripts, &p->jobs, &p->work, &p->replays, &p->undos};

	if (!p)
		return err_sys(e, ENOMEM, "pipeline");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_init(lists[i]);
	p->settings = settings;
	p->clock = clock;
	p->ops = *ops;
	if (inventory_new(settings, &p->inv) < 0 || cases_new(&p->cases) < 0 || coalesce_new(&p->coalesce) < 0 ||
	    stack_new(&p->stack) < 0 || make_engine(p, rules, virtual_time) < 0)
		return err_sys(e, ENOMEM, "pipeline");
	inventory_time(p->inv, pipeline_now(p));
	inventory_wall(p->inv, clock_wall(p->clock));
	inventory_marks(p->inv, marks_of, p);
	*ret = TAKE_PTR(p);
	return 0;
}

static void drop_queues(struct pipeline *p)
{
	struct queued_verdict *v;
	struct set_work *w;
	struct replay *r;
	struct script *s;
	struct event *ev;
	struct job *j;

	while ((ev = take_event(p)))
		event_free(ev);
	list_foreach (v, &p->verdicts, link) {
		verdict_unref(v->v);
		free(v);
	}
	list_foreach (j, &p->jobs, link)
		job_free(j);
	list_foreach (s, &p->scripts, link)
		script_free(s);
	list_foreach (w, &p->work, link)
		free(w);
	list_foreach (r, &p->replays, link)
		replay_free(r);
	undo_clear(p);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	drop_queues(p);
	engine_free(p->engine);
	stack_free(p->stack);
	coalesce_free(p->coalesce);
	cases_free(p->cases);
	inventory_free(p->inv);
	free(p);
}
