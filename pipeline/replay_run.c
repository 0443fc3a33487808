// SPDX-License-Identifier: GPL-2.0-or-later
/* One run of a recording: what came from outside is said again, what followed from it follows again. */
#include "pipeline/inventory_impl.h"
#include "pipeline/replay_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REBUILD_DEFAULT (3600 * NS_PER_SEC) /* where the recording has no rebuild of the array */
enum { MOMENTS_MAX = 1000000 };
#define SPAN_MAX (400 * 86400 * NS_PER_SEC)

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* ---- disks that came later ---- */

/* What the last picture knows of a disk that the first has not: blank, unless something else is on it. It became a
 * spare, or a member, since. */
static void add_later_disks(struct model *m, const json_t *now)
{
	const json_t *list = json_object_get(json_object_get(json_object_get(now, "state"), "inventory"), "devices");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		json_int_t contents = json_integer_value(json_object_get(d, "contents"));
		const char *id = text_of(d, "id");

		if (!*id || strlen(id) >= DEVICE_ID_MAX || model_sectors(m, id))
			continue;
		model_disk(m, id, (uint64_t)json_integer_value(json_object_get(d, "size")));
		if (contents > CONTENTS_MEMBER && contents <= CONTENTS_UNREADABLE)
			model_contents(m, id, contents_words[contents], text_of(d, "contents-name"));
		model_present(m, id, false);
	}
}

/* ---- outcomes: what failed then, fails again ---- */

/* "activate-spare sdx for data": the action, and the disk by its name then. */
static void outcome_of_line(const char *line, const json_t *now, struct test_outcome *o)
{
	const json_t *list = json_object_get(json_object_get(json_object_get(now, "state"), "inventory"), "devices");
	size_t n = strcspn(line, " "), m = line[n] ? strcspn(line + n + 1, " ") : 0;

	for (int op = 0; op < STEP_OP_MAX; op++)
		if (strlen(step_op_name((enum step_op)op)) == n &&
		    strncmp(step_op_name((enum step_op)op), line, n) == 0)
			o->action = step_op_name((enum step_op)op);
	for (size_t i = 0; m && i < json_array_size(list); i++) {
		const char *name = text_of(json_array_get(list, i), "name");

		if (strlen(name) == m && strncmp(name, line + n + 1, m) == 0)
			o->device = text_of(json_array_get(list, i), "id");
	}
}

static int read_outcomes(struct run *r, const struct recording *rec)
{
	struct test_outcome *list = calloc(json_array_size(rec->rows) + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < json_array_size(rec->rows); i++) {
		const json_t *line = json_array_get(rec->rows, i), *row = json_object_get(line, "row"), *lines;

		if (strcmp(text_of(line, "table"), "outcome") != 0 || strcmp(text_of(row, "origin"), "builtin") == 0 ||
		    (strcmp(text_of(row, "result"), "failed") != 0 && strcmp(text_of(row, "result"), "timeout") != 0))
			continue;
		lines = json_object_get(row, "lines");
		list[n] = (struct test_outcome){.result = TEST_FAILED, .times = 1};
		if (json_array_size(lines))
			outcome_of_line(json_string_value(json_array_get(lines, json_array_size(lines) - 1))
						? json_string_value(json_array_get(lines, json_array_size(lines) - 1))
						: "",
					rec->now, &list[n]);
		n += list[n].action != NULL;
	}
	r->paper.test.outcomes = list;
	r->paper.test.n_outcomes = n;
	free(r->paper.run.outcome_used);
	r->paper.run.outcome_used = calloc(n + 1, sizeof(int));
	return list && r->paper.run.outcome_used ? 0 : -ENOMEM;
}

/* ---- rebuilds: as long as they took then ---- */

static int64_t rebuild_time(const struct recording *rec, const char *array)
{
	for (size_t i = 0; i < json_array_size(rec->rows); i++) {
		const json_t *row = json_object_get(json_array_get(rec->rows, i), "row");
		const json_t *facts = json_object_get(row, "facts");
		json_int_t ns = json_integer_value(json_object_get(facts, "resync.duration"));

		if (strcmp(text_of(row, "kind"), "array.resync-finished") == 0 &&
		    strcmp(text_of(row, "array"), array) == 0 &&
		    strcmp(text_of(facts, "resync.kind"), "rebuild") == 0 && ns > 0 && ns < SPAN_MAX)
			return ns;
	}
	return REBUILD_DEFAULT;
}

/* The array's rebuild, with the moment at which it ends: due, INT64_MAX: none runs. NULL: out of memory. */
static struct rebuild *rebuild_of(struct run *r, const struct array *a)
{
	struct rebuild *b = NULL;

	for (size_t i = 0; i < r->n_rebuilds && !b; i++)
		b = strcmp(r->rebuilds[i].array, a->id) == 0 ? &r->rebuilds[i] : NULL;
	if (!b) {
		struct rebuild *more = reallocarray(r->rebuilds, r->n_rebuilds + 1, sizeof(*more));

		if (!more)
			return NULL;
		r->rebuilds = more;
		b = &more[r->n_rebuilds++];
		*b = (struct rebuild){.takes = rebuild_time(r->rec, a->id), .due = INT64_MAX};
		snprintf(b->array, sizeof(b->array), "%s", a->id);
	}
	if (!array_cached(r->paper.run.p->inv, a)->rebuilding)
		b->due = INT64_MAX;
	else if (b->due == INT64_MAX && !b->ended)
		b->due = r->paper.run.boot + b->takes;
	b->ended = b->ended && array_cached(r->paper.run.p->inv, a)->rebuilding;
	return b;
}

/* The kernel tells it at once. */
static void end_rebuild(struct run *r, struct rebuild *b, const struct array *a)
{
	b->due = INT64_MAX;
	b->ended = true;
	model_rebuilt(r->paper.run.model, a->id);
	want(r->paper.run.p, a->set, false, true, false);
	drain(r->paper.run.p);
	runner_serve(&r->paper.run);
}

/* Rebuilds that are due end. When the next one does, but not after until. */
static int64_t end_rebuilds(struct run *r, int64_t until)
{
	const struct inventory *inv = r->paper.run.p->inv;

	for (size_t i = 0; i < inventory_arrays(inv); i++) {
		const struct array *a = inventory_array_at(inv, i);
		struct rebuild *b = a->volume ? rebuild_of(r, a) : NULL;

		if (b && b->due <= r->paper.run.boot)
			end_rebuild(r, b, a);
		else if (b)
			until = MIN(until, b->due);
	}
	return until;
}

static int run_to(struct run *r, int64_t boot, struct err *e)
{
	while (r->paper.run.boot < boot) {
		int64_t until = end_rebuilds(r, boot);

		if (++r->moments > MOMENTS_MAX)
			return err_set(e, EINVAL, "more happens than can be played: replay a shorter time");
		if (!paper_step(&r->paper, until))
			paper_run_to(&r->paper, until);
	}
	return 0;
}

/* ---- rows ---- */

/* What sources told, and not what was derived from it or done: that is derived and done again. */
static bool from_outside(const struct event *ev)
{
	static const char *const own[] = {"inventory", "act", "rules", "broker", "history", NULL};

	if (ev->origin == ORIGIN_OWN || ev->origin == ORIGIN_OPERATOR)
		return false;
	for (size_t i = 0; own[i]; i++)
		if (strcmp(ev->source, own[i]) == 0)
			return ev->origin == ORIGIN_INJECTED && ev->generation == 0 && !ev->cause[0];
	return true;
}

/* The kernel took out this member of this array: it does again, if it is still the one in the slot. */
static void kick(struct run *r, const struct event *ev)
{
	const struct inventory *inv = r->paper.run.p->inv;
	const struct array *a = ev->array ? inventory_array(inv, ev->array) : NULL;
	const struct device *d = ev->device ? inventory_device(inv, ev->device) : NULL;
	int slot = a && d ? array_slot_of(inv, a, d) : -1;
	enum member_state s = slot >= 0 ? array_member_state(inv, a, (unsigned)slot) : MEMBER_EMPTY;

	if (s == MEMBER_IN_SYNC || s == MEMBER_REBUILDING)
		paper_kick(&r->paper, a->id, (unsigned)slot);
}

static void follow(struct run *r, const struct event *ev)
{
	struct model *m = r->paper.run.model;
	struct value size = event_get(ev, FACT_DEVICE_SIZE);

	if (!ev->device || strlen(ev->device) >= DEVICE_ID_MAX)
		return;
	if (strcmp(ev->kind, "device.added") == 0) {
		if (!model_sectors(m, ev->device) && size.type == V_SIZE)
			model_disk(m, ev->device, size.u);
		model_present(m, ev->device, true);
	} else if (strcmp(ev->kind, "device.removed") == 0) {
		model_present(m, ev->device, false);
	}
}

static int play_event(struct run *r, const json_t *row, struct err *e)
{
	_cleanup_(json_decrefp) json_t *own = json_copy((json_t *)row);
	_cleanup_(event_freep) struct event *ev = NULL;
	int rc;

	json_object_del(own, "device-name");
	json_object_del(own, "array-name");
	rc = event_from_json(own, &ev, e);
	if (rc < 0)
		return rc;
	if (strcmp(ev->kind, "array.member-failed") == 0 && strcmp(ev->source, "inventory") == 0 &&
	    ev->origin == ORIGIN_KERNEL) {
		kick(r, ev);
	} else if (from_outside(ev)) {
		follow(r, ev);
		ev->seq = 0;
		ev->time = ev->wall = 0;
		paper_feed(&r->paper, TAKE_PTR(ev));
	}
	return 0;
}

/* Protocol verbs and the pipeline's own names. */
static const struct {
	const char *verb, *action;
} commands[] = {
	{"array-start", "assemble"},
	{"array-stop", "stop-array"},
	{"array-fail", "fail-member"},
	{"array-remove", "remove-member"},
	{"array-re-add", "re-add-member"},
	{"spare-add", "add-spare"},
	{"spare-remove", "remove-spare"},
	{"spare-activate", "activate-spare"},
	{"maintenance", "maintenance"},
	{"rules-approve", "approve"},
	{"rules-deny", "deny"},
};

const char *replay_action(const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].verb, verb) == 0)
			return commands[i].action;
	return NULL;
}

/* A question has another id now: it is answered by its rule's name. */
static void name_question(const struct recording *rec, json_t *request)
{
	const char *id = text_of(request, "question");

	for (size_t i = 0; *id && i < json_array_size(rec->rows); i++) {
		const json_t *line = json_array_get(rec->rows, i), *row = json_object_get(line, "row");

		if (strcmp(text_of(line, "table"), "verdict") != 0 || strcmp(text_of(row, "id"), id) != 0)
			continue;
		json_object_set_new(request, "question", json_string(text_of(row, "rule")));
		return;
	}
}

static void play_command(struct run *r, const json_t *row)
{
	const char *action = replay_action(text_of(row, "kind"));
	_cleanup_(json_decrefp) json_t *request = json_copy(json_object_get(row, "request"));
	json_t *answer;
	char plan[PLAN_ID_MAX];

	if (!action || !request || strcmp(text_of(row, "result"), "refused") == 0)
		return;
	name_question(r->rec, request);
	json_object_set_new(request, "verb", json_string(action));
	answer = pipeline_command(r->paper.run.p, request, plan);
	json_decref(answer);
	paper_run_to(&r->paper, r->paper.run.boot);
}

static int play_row(struct run *r, const json_t *line, struct err *e)
{
	const json_t *row = json_object_get(line, "row");
	json_int_t wall = json_integer_value(json_object_get(row, "wall"));
	bool event = strcmp(text_of(line, "table"), "event") == 0;
	int rc = 0;

	if (!event && strcmp(text_of(line, "table"), "command") != 0)
		return 0;
	if (wall > r->start_wall && wall - r->start_wall < SPAN_MAX)
		rc = run_to(r, r->start_boot + (wall - r->start_wall), e);
	if (rc < 0)
		return rc;
	if (event)
		return play_event(r, row, e);
	play_command(r, row);
	return 0;
}

/* ---- the whole ---- */

int run_recording(struct run *r, const struct recording *rec, struct ruleset *rules, struct err *e)
{
	json_int_t made = json_integer_value(json_object_get(json_object_get(rec->now, "state"), "wall"));
	int rc;

	*r = (struct run){.rec = rec};
	rc = paper_open(&r->paper, rec->world, rules, e);
	if (rc == 0 && read_outcomes(r, rec) < 0)
		rc = err_sys(e, ENOMEM, "replay");
	if (rc < 0)
		return rc;
	r->start_boot = r->paper.run.boot;
	r->start_wall = r->paper.run.wall;
	add_later_disks(r->paper.run.model, rec->now);
	for (size_t i = 0; i < json_array_size(rec->rows) && rc == 0; i++)
		rc = play_row(r, json_array_get(rec->rows, i), e);
	if (rc == 0 && made > r->start_wall && made - r->start_wall < SPAN_MAX)
		rc = run_to(r, r->start_boot + (made - r->start_wall), e);
	return rc;
}

void run_finish(struct run *r)
{
	paper_close(&r->paper);
	free(r->rebuilds);
}
