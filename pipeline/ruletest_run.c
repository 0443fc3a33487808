// SPDX-License-Identifier: GPL-2.0-or-later
/* One test: its world, its events, its end, on virtual time. */
#include "pipeline/ruletest_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t clock_of(void *u, size_t offset)
{
	return *(const int64_t *)((const char *)u + offset);
}

static int64_t virtual_boot(void *u)
{
	return clock_of(u, offsetof(struct runner, boot));
}

static int64_t virtual_awake(void *u)
{
	return clock_of(u, offsetof(struct runner, awake));
}

static int64_t virtual_wall(void *u)
{
	return clock_of(u, offsetof(struct runner, wall));
}

void runner_move_to(struct runner *r, int64_t at)
{
	int64_t by = at - r->boot;

	if (by <= 0)
		return;
	r->boot += by;
	r->awake += by;
	r->wall += by;
}

/* ---- entries ---- */

static const struct test_device *world_device(const struct runner *r, const char *name)
{
	for (size_t i = 0; i < r->test->world->n_devices; i++)
		if (strcmp(r->test->world->devices[i].name, name) == 0)
			return &r->test->world->devices[i];
	return NULL;
}

/* What the kernel would have found when it says this. */
static void model_follows(struct runner *r, const struct test_entry *en)
{
	const struct device *d = en->device ? inventory_device(r->p->inv, en->device) : NULL;

	if (strcmp(en->kind, "device.removed") == 0 || strcmp(en->kind, "device.added") == 0) {
		if (!world_device(r, en->device))
			model_disk(r->model, en->device, DEFAULT_SIZE);
		model_present(r->model, en->device, strcmp(en->kind, "device.added") == 0);
	} else if (strcmp(en->kind, "array.resync-finished") == 0 && en->array) {
		model_rebuilt(r->model, en->array);
	} else if (strcmp(en->kind, "array.member-failed") == 0 && en->array) {
		const struct array *a = inventory_array(r->p->inv, en->array);
		int slot = en->slot >= 0 ? en->slot : a && d ? array_slot_of(r->p->inv, a, d) : -1;

		if (slot >= 0)
			model_slot(r->model, en->array, (unsigned)slot, MEMBER_FAILED);
	} else {
		return;
	}
	if (en->array) { /* the test tells it itself: what follows is no news */
		_cleanup_(plan_freep) struct plan *p = calloc(1, sizeof(*p));
		json_t *state = model_state(r->model, MODEL_SET);
		unsigned changed;

		snprintf(p->set, sizeof(p->set), MODEL_SET);
		inventory_plan_devices(r->p->inv, p);
		inventory_state(r->p->inv, state, p, r->boot, &changed, NULL);
		inventory_differences(r->p->inv, r->boot, true, NULL, NULL);
		engine_changed(r->p->engine, SORT_ALL);
		json_decref(state);
	}
}

static void feed_entry(struct runner *r, const struct test_entry *en)
{
	struct event *ev = event_new(en->kind, "test", en->origin);

	if (!ev)
		return;
	model_follows(r, en);
	ev->device = en->device ? strdup(en->device) : NULL;
	ev->array = en->array ? strdup(en->array) : NULL;
	ev->snapshot = en->snapshot ? strdup(en->snapshot) : NULL;
	ev->slot = en->slot;
	ev->count = en->count;
	if (strcmp(en->kind, "device.added") == 0)
		event_set(ev, FACT_DEVICE_NAME, value_str(en->device));
	for (size_t i = 0; i < en->facts.n; i++)
		event_set(ev, en->facts.f[i].id, en->facts.f[i].v);
	pipeline_feed(r->p, ev);
	runner_serve(r);
}

/* A member's state that the metadata hold goes into the model; the rest is told. */
static bool set_in_model(struct runner *r, const struct test_set *s, const struct test_fact *f)
{
	if (s->sort != SORT_MEMBER || f->id != FACT_MEMBER_STATE || f->v.i == MEMBER_MISSING || f->v.i == MEMBER_STALE)
		return false;
	if (!model_slot(r->model, s->name, (unsigned)s->slot, (enum member_state)f->v.i))
		return false;
	want(r->p, MODEL_SET, false, true, false);
	return true;
}

static void set_entry(struct runner *r, const struct test_entry *en)
{
	engine_before(r->p->engine, r->boot, r->awake);
	for (size_t i = 0; i < en->n_sets; i++) {
		const struct test_set *s = &en->sets[i];
		char id[META_GUID_MAX + 16];

		snprintf(id, sizeof(id), s->sort == SORT_MEMBER ? "%.50s/%d" : "%.50s", s->name, s->slot);
		for (size_t k = 0; k < s->facts.n; k++)
			if (!set_in_model(r, s, &s->facts.f[k]))
				inventory_tell(r->p->inv, s->sort, id, s->facts.f[k].id, s->facts.f[k].v);
	}
	model_changed(r->p, SORT_ALL, NULL);
	drain(r->p);
	runner_serve(r);
}

static int restart(struct runner *r)
{
	json_t *state = pipeline_save(r->p);
	struct pipeline *old = r->p;
	struct err e = {0};
	int rc;

	runner_drop(r);
	rc = runner_make_pipeline(r, r->rules, &e);
	if (rc == 0)
		rc = pipeline_restore(r->p, state, &e);
	if (rc == 0) {
		for (size_t i = 0; i < inventory_devices(old->inv); i++)
			if (inventory_device_at(old->inv, i)->present)
				runner_know_device(r, inventory_device_at(old->inv, i)->name, true);
		pipeline_free(old);
		pipeline_enumerated(r->p);
		runner_serve(r);
	} else {
		snprintf(r->problem, sizeof(r->problem), "restart: %.400s", e.msg);
	}
	json_decref(state);
	return rc;
}

/* That it is not so any more is a finding; that nothing is asked is a mistake of the test. */
static int answer_entry(struct runner *r, const struct test_entry *en)
{
	json_t *command =
		json_pack("{s:s s:s}", "verb", en->what == TEST_APPROVE ? "approve" : "deny", "question", en->rule);
	char plan[PLAN_ID_MAX];
	json_t *answer = pipeline_command(r->p, command, plan);
	const char *code = json_string_value(json_object_get(answer, "code"));
	int rc = !code || strcmp(code, "refused") == 0 ? 0 : -EINVAL;

	if (rc < 0)
		snprintf(r->problem, sizeof(r->problem), "%s:%d: %s", en->place.file, en->place.line,
			 json_string_value(json_object_get(answer, "error")));
	runner_serve(r);
	json_decref(answer);
	json_decref(command);
	return rc;
}

static int reload(struct runner *r)
{
	int rc;

	r->rules = *r->reloads++;
	rc = pipeline_reload(r->p, &r->settings, r->rules, NULL);
	runner_serve(r);
	return rc;
}

static int do_entry(struct runner *r, const struct test_entry *en)
{
	switch (en->what) {
	case TEST_EVENT:
		feed_entry(r, en);
		return 0;
	case TEST_SET:
		set_entry(r, en);
		return 0;
	case TEST_SUSPEND:
		r->boot += en->duration;
		r->wall += en->duration;
		return 0;
	case TEST_RESTART:
		return restart(r);
	case TEST_APPROVE:
	case TEST_DENY:
		return answer_entry(r, en);
	case TEST_CLOCK:
		r->wall += en->duration;
		return 0;
	case TEST_RELOAD:
		return reload(r);
	}
	return 0;
}

/* ---- time ---- */

static void ask_whys(struct runner *r, int64_t at)
{
	for (size_t i = 0; i < r->n_whys; i++) {
		struct why_at *w = &r->whys[i];
		struct err e = {0};
		json_t *why;

		if (w->at != at || w->answer)
			continue;
		if (pipeline_why(r->p, w->rule, w->subject, &why, &e) < 0) {
			w->answer = strdup(e.msg);
			continue;
		}
		w->answer = strdup(json_string_value(json_object_get(why, "answer")));
		json_decref(why);
	}
}

/* What the file makes happen after "until" is still the test's. */
static int64_t end_of(const struct test_case *t)
{
	return t->n_entries ? MAX(t->until, t->entries[t->n_entries - 1].at) : t->until;
}

/* The next moment at which something happens, until the test's end. */
static int64_t next_moment(const struct runner *r, size_t entry)
{
	int64_t at = end_of(r->test), t;
	struct pending_plan *w;

	if (entry < r->test->n_entries)
		at = MIN(at, MAX(r->test->entries[entry].at, r->boot));
	if (pipeline_deadline(r->p, &t) && t > r->boot)
		at = MIN(at, t);
	list_foreach (w, &r->plans, link)
		at = MIN(at, MAX(w->due, r->boot));
	for (size_t i = 0; i < r->n_whys; i++)
		if (!r->whys[i].answer && r->whys[i].at >= r->boot)
			at = MIN(at, r->whys[i].at);
	return at;
}

static int run_time(struct runner *r)
{
	size_t entry = 0;
	int rc = 0;

	for (;;) {
		int64_t at = next_moment(r, entry);

		runner_move_to(r, at);
		runner_serve(r);
		while (rc == 0 && entry < r->test->n_entries && r->test->entries[entry].at <= r->boot)
			rc = do_entry(r, &r->test->entries[entry++]);
		if (rc < 0)
			return rc;
		pipeline_advance(r->p);
		runner_serve(r);
		ask_whys(r, r->boot);
		if (r->boot >= end_of(r->test) && entry >= r->test->n_entries)
			return 0;
	}
}

void runner_begin(struct runner *r, const struct test_case *t, struct ruleset *const *rules, struct why_at *whys,
		  size_t n_whys)
{
	static const char *manage_all[] = {"*"};

	*r = (struct runner){
		.test = t, .rules = rules[0], .reloads = rules + 1, .whys = whys, .n_whys = n_whys, .wall = t->wall};
	list_init(&r->plans);
	list_init(&r->tokens);
	r->clock = (struct clock){.boot = virtual_boot, .awake = virtual_awake, .wall = virtual_wall, .u = r};
	settings_init(&r->settings);
	r->settings.manage = manage_all;
	r->settings.n_manage = 1;
	r->outcome_used = calloc(t->n_outcomes + 1, sizeof(int));
}

int runner_run(struct runner *r, const struct test_case *t, struct ruleset *const *rules, struct why_at *whys,
	       size_t n_whys)
{
	struct err e = {0};
	int rc;

	runner_begin(r, t, rules, whys, n_whys);
	rc = model_new(&r->model);
	if (rc == 0)
		rc = runner_build(r, t->world, &e);
	if (rc == 0)
		rc = runner_make_pipeline(r, r->rules, &e);
	if (rc < 0) {
		snprintf(r->problem, sizeof(r->problem), "%.500s", e.msg[0] ? e.msg : strerror(-rc));
		return -EINVAL;
	}
	runner_know_world(r, t->world);
	pipeline_enumerated(r->p);
	runner_serve(r);
	return run_time(r);
}

void runner_finish(struct runner *r)
{
	for (size_t i = 0; i < r->n_firings; i++) {
		verdict_unref(r->firings[i].v);
		json_decref(r->firings[i].plans);
		json_decref(r->firings[i].texts);
	}
	runner_drop(r);
	free(r->firings);
	free(r->outcome_used);
	pipeline_free(r->p);
	model_free(r->model);
	settings_finish(&r->settings);
}
