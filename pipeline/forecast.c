// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/forecast.h"

#include "pipeline/inventory_impl.h"
#include "pipeline/paper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SETTLE (60 * NS_PER_SEC)	 /* what is pending anyway is done before the member goes */
#define HORIZON (24 * 3600 * NS_PER_SEC) /* after which nothing more is waited for */
#define ERRORS_EVERY (2 * NS_PER_SEC)
enum { ERRORS_MAX = 40, MOMENTS_MAX = 2000 };

/* One way in which one member goes. */
struct gone {
	struct paper paper;
	const char *array;
	char device[DEVICE_ID_MAX];
	unsigned slot;
	size_t from;   /* firings before it are not its */
	int64_t at;    /* when it went */
	json_t *case_; /* the answer so far */
};

static const struct array *array_of(const struct gone *g)
{
	return inventory_array(g->paper.run.p->inv, g->array);
}

static const struct inventory *inv_of(const struct gone *g)
{
	return g->paper.run.p->inv;
}

/* ---- what it came to ---- */

/* Another disk has its place. NULL: none has. */
static const struct device *taker(const struct gone *g)
{
	const struct array *a = array_of(g);
	const struct device *d = a && a->volume ? array_slot_device(inv_of(g), a, g->slot) : NULL;
	enum member_state s = d ? array_member_state(inv_of(g), a, g->slot) : MEMBER_EMPTY;

	return d && strcmp(d->id, g->device) != 0 && (s == MEMBER_REBUILDING || s == MEMBER_IN_SYNC) ? d : NULL;
}

/* The disk that it is being copied to. NULL: to none. */
static const struct device *copied_to(const struct gone *g)
{
	const struct array *a = array_of(g);

	return a && a->copy_to[0] && a->copy_slot == (int)g->slot ? inventory_device(inv_of(g), a->copy_to) : NULL;
}

static bool still_serves(const struct gone *g)
{
	const struct array *a = array_of(g);
	const struct device *d = a && a->volume ? array_slot_device(inv_of(g), a, g->slot) : NULL;

	return d && strcmp(d->id, g->device) == 0 && array_member_state(inv_of(g), a, g->slot) == MEMBER_IN_SYNC;
}

static bool concerns(const struct gone *g, const struct verdict *v)
{
	for (size_t i = 0; i < v->n_contexts; i++) {
		const struct verdict_context *c = &v->contexts[i];

		if ((c->array && strcmp(c->array, g->array) == 0) || (c->device && strcmp(c->device, g->device) == 0))
			return true;
	}
	return false;
}

static bool starts_with(const char *s, const char *what)
{
	return strncmp(s, what, strlen(what)) == 0;
}

/* The line of a plan that begins so; NULL: none does. */
static const char *line_of(const struct firing *f, const char *begins)
{
	for (size_t i = 0; i < json_array_size(f->plans); i++) {
		const char *line = json_string_value(json_array_get(f->plans, i));

		if (starts_with(line, begins))
			return line;
	}
	return NULL;
}

static const struct firing *who_did(const struct gone *g, const char *action)
{
	const struct runner *r = &g->paper.run;

	for (size_t i = r->n_firings; i-- > g->from;)
		if (line_of(&r->firings[i], action))
			return &r->firings[i];
	return NULL;
}

static void set_text(json_t *j, const char *key, const char *text)
{
	json_object_set_new(j, key, json_string(text));
}

/* ---- why nothing does ---- */

/* What stood in the way of a rule that would have: the strongest reason first. */
static bool reason_by_verdicts(const struct gone *g, struct buf *out)
{
	static const enum verdict_kind kinds[] = {VERDICT_ASKED, VERDICT_HELD, VERDICT_LIMITED};
	const struct runner *r = &g->paper.run;

	for (size_t i = g->from; i < r->n_firings; i++) {
		const char *line = line_of(&r->firings[i], "refused: activate-spare: ");

		if (line && concerns(g, r->firings[i].v)) {
			buf_addf(out, "%s: %s", r->firings[i].v->rule, line + strlen("refused: activate-spare: "));
			return true;
		}
	}
	for (size_t i = g->from; i < r->n_firings; i++) {
		const struct firing *f = &r->firings[i];

		if (f->v->mode == RULE_SHADOW && f->v->kind == VERDICT_FIRED && line_of(f, "activate-spare")) {
			buf_addf(out, "%s: it is in shadow mode, and only plans", f->v->rule);
			return true;
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = g->from; i < r->n_firings; i++) {
			const struct verdict *v = r->firings[i].v;
			int rule = ruleset_find(r->rules, v->rule);

			if (v->kind != kinds[k] || !concerns(g, v) || rule < 0 ||
			    !ruleset_rule(r->rules, (size_t)rule).destructive)
				continue;
			buf_addf(out, "%s: %s", v->rule,
				 v->reason && *v->reason ? v->reason : "it asks a person first");
			return true;
		}
	return false;
}

static void reason_by_state(struct gone *g, struct buf *out)
{
	char member[META_GUID_MAX + 16];
	json_t *why = NULL;

	snprintf(member, sizeof(member), "%.60s/%u", g->array, g->slot);
	if (pipeline_why_spare(g->paper.run.p, member, &why, NULL) == 0)
		buf_add(out, json_string_value(json_object_get(why, "answer")));
	json_decref(why);
}

/* A rule that spoke of it, in its words. */
static bool reason_by_texts(const struct gone *g, struct buf *out)
{
	const struct runner *r = &g->paper.run;

	for (size_t i = g->from; i < r->n_firings; i++) {
		if (!concerns(g, r->firings[i].v) || json_array_size(r->firings[i].texts) == 0)
			continue;
		buf_addf(out, "%s: %s", r->firings[i].v->rule,
			 json_string_value(json_array_get(r->firings[i].texts, 0)));
		return true;
	}
	return false;
}

static void say_why(struct gone *g, bool kept)
{
	_cleanup_(buf_free) struct buf why = {0};
	const struct array *a = array_of(g);

	if (a && array_state(inv_of(g), a) == ARRAY_FAILED)
		buf_add(&why, "the array fails: it has no redundancy left to lose this member");
	else if (kept && reason_by_texts(g, &why))
		;
	else if (!reason_by_verdicts(g, &why))
		reason_by_state(g, &why);
	/* That it is in sync is known, and all that is said of it. */
	if (kept && why.len > 10 && strcmp(buf_str(&why) + why.len - 10, "is in sync") == 0) {
		buf_clear(&why);
		buf_add(&why, "no rule acts on its errors");
	}
	set_text(g->case_, "reason", buf_str(&why));
}

/* ---- how it goes ---- */

static void send_error(struct gone *g, int n)
{
	struct event *ev = event_new("block.error", "forecast", ORIGIN_KERNEL);

	if (!ev)
		return;
	ev->device = strdup(g->device);
	event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, ERROR_MEDIUM));
	event_set(ev, FACT_ERROR_ERRNO, value_int(ENODATA));
	event_set(ev, FACT_ERROR_OPERATION, fact_enum(FACT_ERROR_OPERATION, OPERATION_READ));
	event_set(ev, FACT_ERROR_SECTOR, value_int((int64_t)n * 2048 * 16));
	event_set(ev, FACT_ERROR_SECTORS, value_int(8));
	event_set(ev, FACT_ERROR_REGION, value_int((int64_t)n * 16));
	event_set(ev, FACT_ERROR_READAHEAD, value_bool(false));
	paper_feed(&g->paper, ev);
}

static void go_errors(struct gone *g)
{
	for (int i = 1; i <= ERRORS_MAX && still_serves(g) && !copied_to(g); i++) {
		send_error(g, i);
		paper_run_to(&g->paper, g->paper.run.boot + ERRORS_EVERY);
	}
}

static void go_failed(struct gone *g)
{
	paper_kick(&g->paper, g->array, g->slot);
}

static void go_pulled(struct gone *g)
{
	paper_pull(&g->paper, g->device);
}

static const struct {
	const char *name;
	void (*go)(struct gone *g);
	bool fails; /* by itself */
} ways[] = {{"errors", go_errors, true}, {"failed", go_failed, true}, {"pulled", go_pulled, false}};

static int redundancy_of(const struct gone *g)
{
	const struct array *a = array_of(g);

	return a ? array_cached(inv_of(g), a)->redundancy : -1;
}

static void tell_disk(struct gone *g, const char *result, const char *action, const struct device *by)
{
	const struct firing *f = who_did(g, action);

	set_text(g->case_, "result", result);
	set_text(g->case_, "rule", f ? f->v->rule : "");
	set_text(g->case_, "spare", by->name);
	json_object_set_new(g->case_, "after", json_integer(g->paper.run.boot - g->at));
}

/* The rebuild ends at once: what is left then is asked. */
static void tell_taken(struct gone *g, const struct device *by)
{
	tell_disk(g, "spare", "activate-spare", by);
	model_rebuilt(g->paper.run.model, g->array);
	paper_run_to(&g->paper, g->paper.run.boot + SETTLE);
}

/* A spare that is put in, or the time when nothing more is to come. */
static const struct device *wait_for_taker(struct gone *g)
{
	const struct device *by = taker(g);

	for (int i = 0; !by && i < MOMENTS_MAX && paper_step(&g->paper, g->at + HORIZON); i++)
		by = taker(g);
	return by;
}

static void play(struct gone *g, void (*go)(struct gone *g))
{
	const struct device *by;
	bool kept;

	paper_run_to(&g->paper, g->paper.run.boot + SETTLE);
	g->from = g->paper.run.n_firings;
	g->at = g->paper.run.boot;
	go(g);
	kept = still_serves(g);
	by = kept ? NULL : wait_for_taker(g);
	json_object_set_new(g->case_, "meanwhile", json_integer(redundancy_of(g)));
	if (by) {
		tell_taken(g, by);
	} else if (kept && copied_to(g)) {
		tell_disk(g, "copy", "replace-member", copied_to(g));
	} else {
		set_text(g->case_, "result", kept ? "kept" : "lost");
		say_why(g, kept);
	}
	json_object_set_new(g->case_, "redundancy", json_integer(redundancy_of(g)));
	json_object_set_new(g->case_, "spares",
			    json_integer(array_of(g) ? array_cached(inv_of(g), array_of(g))->spares : 0));
}

/* ---- all of them ---- */

struct question {
	const json_t *world;
	struct ruleset *rules;
	const struct forecast_options *o;
	const struct inventory *inv; /* as it is now */
	json_t *arrays;
	int unhandled;
	bool found;
};

static int add_case(struct question *q, const struct array *a, unsigned slot, const struct device *d, size_t way,
		    json_t *cases, struct err *e)
{
	_cleanup_(freep) struct gone *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_sys(e, ENOMEM, "forecast");
	g->array = a->id;
	g->slot = slot;
	g->case_ = json_pack("{s:s}", "case", ways[way].name);
	snprintf(g->device, sizeof(g->device), "%s", d->id);
	r = paper_open(&g->paper, q->world, q->rules, e);
	if (r == 0) {
		play(g, ways[way].go);
		json_array_append(cases, g->case_);
	}
	paper_close(&g->paper);
	json_decref(g->case_);
	return r;
}

static bool is_asked(const struct question *q, const struct device *d)
{
	return !q->o->device || strcmp(q->o->device, d->id) == 0;
}

static int add_member(struct question *q, const struct array *a, unsigned slot, json_t *members, struct err *e)
{
	const struct device *d = array_slot_device(q->inv, a, slot);
	enum member_state state = array_member_state(q->inv, a, slot);
	json_t *cases, *j;
	int r = 0;

	if (!d || !d->present || !is_asked(q, d) || (state != MEMBER_IN_SYNC && state != MEMBER_REBUILDING))
		return 0;
	q->found = true;
	cases = json_array();
	j = json_pack("{s:i s:s s:s s:s s:o}", "slot", (int)slot, "device", d->id, "name", d->name, "state",
		      member_words[state], "cases", cases);
	json_array_append_new(members, j);
	for (size_t i = 0; i < ARRAY_SIZE(ways) && r == 0; i++)
		if (!q->o->only_pulled || !ways[i].fails)
			r = add_case(q, a, slot, d, i, cases, e);
	return r;
}

/* Why nothing is forecast of it; NULL: something is. */
static const char *left_out(const struct inventory *inv, const struct array *a)
{
	const struct array_cache *c = array_cached(inv, a);

	if (!a->managed)
		return "it is not managed";
	if (a->volume->level == RAID_UNSUPPORTED)
		return a->volume->unsupported;
	if (c->redundancy_full < 1)
		return "it has no redundancy by its level";
	return c->state == ARRAY_INACTIVE ? "it does not run" : NULL;
}

static bool is_lost(const json_t *members)
{
	for (size_t i = 0; i < json_array_size(members); i++) {
		const json_t *cases = json_object_get(json_array_get(members, i), "cases");

		for (size_t k = 0; k < json_array_size(cases); k++)
			if (strcmp(json_string_value(json_object_get(json_array_get(cases, k), "result")), "lost") == 0)
				return true;
	}
	return false;
}

static int add_array(struct question *q, const struct array *a, struct err *e)
{
	const struct array_cache *c = array_cached(q->inv, a);
	const char *level = raid_level_name(a->volume->level), *reason = left_out(q->inv, a);
	bool failed = c->state == ARRAY_FAILED;
	json_t *members = json_array();
	int r = 0;

	for (unsigned i = 0; !reason && !failed && i < a->volume->slots && r == 0; i++)
		r = add_member(q, a, i, members, e);
	if (r < 0 || (q->o->device && json_array_size(members) == 0)) {
		json_decref(members);
		return r;
	}
	failed = failed || is_lost(members);
	q->unhandled += !reason && failed;
	json_array_append_new(q->arrays,
			      json_pack("{s:s s:s s:s s:s s:b s:i s:i s:i s:s s:o s:s s:o}", "id", a->id, "name",
					a->name, "level", level ? level : "unsupported", "state", array_words[c->state],
					"managed", a->managed, "redundancy", c->redundancy, "redundancy-full",
					c->redundancy_full, "spares", c->spares, "spare-reason", c->spare_reason,
					"handled", reason ? json_null() : json_boolean(!failed), "reason",
					reason			   ? reason
					: c->state == ARRAY_FAILED ? "it has failed already"
								   : "",
					"members", members));
	return 0;
}

/* The world as it is now, after what is pending. o.device: becomes its id. */
static int ask_all(struct question *q, struct paper *now, struct forecast_options *o, struct err *e)
{
	const struct device *d;
	int r = paper_open(now, q->world, q->rules, e);

	if (r < 0)
		return r;
	paper_run_to(now, now->run.boot + SETTLE);
	q->inv = now->run.p->inv;
	d = o->device ? inventory_find_device(q->inv, o->device) : NULL;
	if (o->device && !d)
		return err_set(e, ENOENT, "no device '%.64s' is known", o->device);
	o->device = d ? d->id : NULL;
	for (size_t i = 0; r == 0 && i < inventory_arrays(q->inv); i++)
		if (inventory_array_at(q->inv, i)->volume)
			r = add_array(q, inventory_array_at(q->inv, i), e);
	if (r == 0 && d && !q->found)
		r = err_set(e, ENOENT, "%s is no member of an array that runs and is managed", d->name);
	return r;
}

int forecast(const json_t *world, struct ruleset *rules, const struct forecast_options *o, json_t **ret, struct err *e)
{
	struct forecast_options named = *o;
	struct question q = {.world = world, .rules = rules, .o = &named, .arrays = json_array()};
	struct paper *now = calloc(1, sizeof(*now));
	int r = now ? ask_all(&q, now, &named, e) : err_sys(e, ENOMEM, "forecast");

	*ret = r == 0 ? json_pack("{s:O s:i}", "arrays", q.arrays, "unhandled", q.unhandled) : NULL;
	json_decref(q.arrays);
	if (now)
		paper_close(now);
	free(now);
	return r;
}
