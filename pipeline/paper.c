// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/paper.h"

#include "pipeline/inventory_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DISKS_MAX = 4096, WORDS_MAX = 4096, MOMENTS_MAX = 100000 };

/* Beyond it a time is no time: what is added to it later must not run over. */
#define TIME_MAX (INT64_C(1) << 61)

int keys_known(const json_t *j, const char *const *keys, const char *what, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return err_set(e, EINVAL, "%s is no object", what);
	json_object_foreach((json_t *)j, key, v)
	{
		size_t i = 0;

		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (!keys[i])
			return err_set(e, EINVAL, "%s: the key '%.40s' is not known", what, key);
	}
	return 0;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* ---- the shape ---- */

static int check_list(const json_t *j, const char *key, size_t max, const char *const *keys, struct err *e)
{
	const json_t *list = json_object_get(j, key);
	int r = 0;

	if (!json_is_array(list) || json_array_size(list) > max)
		return err_set(e, EINVAL, "'%s' is not a list of at most %zu", key, max);
	for (size_t i = 0; keys && i < json_array_size(list) && r == 0; i++)
		r = keys_known(json_array_get(list, i), keys, key, e);
	return r;
}

static int check_state(const json_t *state, struct err *e)
{
	static const char *const top[] = {"v",	       "boot",	"wall",	  "seq",  "plans",
					  "inventory", "cases", "engine", "undo", NULL};
	static const char *const inventory[] = {"devices", "arrays", "sets", "maintenance", "told", "done", NULL};
	static const char *const device[] = {
		"id",	    "node",    "present",	"size",	    "sector-size", "media",	 "errors",
		"contents", "diskseq", "set",		"ref",	    "maintenance", "name",	 "wwn",
		"serial",   "model",   "vendor",	"firmware", "transport",   "controller", "enclosure",
		"slot",	    "map",     "contents-name", "read",	    "marginal",	   "light",	 NULL};
	static const char *const array[] = {"id",	 "set",	   "name",	"stopped-by", "maintenance",
					    "members",	 "plans",  "scrubbed",	"mismatches", "rate",
					    "read-last", "before", "snapshots", NULL};
	static const char *const set[] = {"guid", "seq", NULL};
	static const char *const engine[] = {"v",	  "boot",	 "awake",  "wall-offset", "counter", "windows",
					     "attempts",  "schedules",	 "visits", "limits",	  "watches", "groups",
					     "questions", "inhibitions", "marks",  NULL};
	const json_t *inv = json_object_get(state, "inventory");
	int r = keys_known(state, top, "state", e);

	if (r == 0)
		r = keys_known(inv, inventory, "inventory", e);
	if (r == 0)
		r = check_list(inv, "devices", DISKS_MAX, device, e);
	if (r == 0)
		r = check_list(inv, "arrays", DISKS_MAX, array, e);
	if (r == 0)
		r = check_list(inv, "sets", DISKS_MAX, set, e);
	return r < 0 ? r : keys_known(json_object_get(state, "engine"), engine, "engine", e);
}

static int check_world(const json_t *world, struct err *e)
{
	static const char *const top[] = {"v",	   "rules", "settings", "state", "views",
					  "disks", "sets",  "running",	"told",	 NULL};
	static const char *const disk[] = {"id",   "path",	 "read-only",	 "view",
					   "self", "room-start", "room-sectors", NULL};
	static const char *const set[] = {"guid", "view", NULL};
	int r = keys_known(world, top, "world", e);

	if (r == 0 && json_integer_value(json_object_get(world, "v")) != 1)
		return err_set(e, EINVAL, "the picture's version is not 1: another spared made it");
	if (r == 0)
		r = check_state(json_object_get(world, "state"), e);
	if (r == 0)
		r = check_list(world, "views", DISKS_MAX, NULL, e);
	if (r == 0)
		r = check_list(world, "disks", DISKS_MAX, disk, e);
	if (r == 0)
		r = check_list(world, "sets", DISKS_MAX, set, e);
	if (r == 0)
		r = check_list(world, "running", DISKS_MAX, NULL, e);
	return r < 0 ? r : check_list(world, "told", DISKS_MAX, NULL, e);
}

/* ---- settings ---- */

static int read_words(struct arena *a, const json_t *list, const char *what, const char ***ret, size_t *ret_n,
		      struct err *e)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > WORDS_MAX)
		return err_set(e, EINVAL, "'%s' is not a list of words", what);
	*ret = arena_array(a, const char *, n + 1);
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(list, i));

		if (!word)
			return err_set(e, EINVAL, "'%s' is not a list of words", what);
		(*ret)[i] = arena_strdup(a, word);
	}
	return 0;
}

static int read_groups(struct arena *a, const json_t *list, const char *what, struct setting_group **ret, size_t *ret_n,
		       struct err *e)
{
	size_t n = json_array_size(list);
	int r = 0;

	if (!json_is_array(list) || n > WORDS_MAX)
		return err_set(e, EINVAL, "'%s' is not a list", what);
	*ret = arena_array(a, struct setting_group, n + 1);
	*ret_n = n;
	for (size_t i = 0; i < n && r == 0; i++) {
		const json_t *group = json_array_get(list, i);
		const char *pattern = json_string_value(json_array_get(group, 0));

		if (!pattern || json_array_size(group) != 2)
			return err_set(e, EINVAL, "'%s' is not a list of names with words", what);
		(*ret)[i].pattern = arena_strdup(a, pattern);
		r = read_words(a, json_array_get(group, 1), what, &(*ret)[i].words, &(*ret)[i].n, e);
	}
	return r;
}

static int read_settings(struct settings *s, const json_t *j, struct err *e)
{
	static const char *const keys[] = {"manage",	  "budget",	"doubt", "windows", "rules-mode",
					   "device-tags", "array-tags", "pools", NULL};
	struct arena *a = &s->tree.arena;
	int r = keys_known(j, keys, "settings", e);

	if (r < 0)
		return r;
	s->budget = json_integer_value(json_object_get(j, "budget"));
	s->windows = json_integer_value(json_object_get(j, "windows"));
	s->doubt = json_integer_value(json_object_get(j, "doubt"));
	s->rules_mode = strcmp(text_of(j, "rules-mode"), "shadow") == 0 ? RULES_SHADOW : RULES_ENFORCE;
	if (s->doubt < 0 || s->doubt > 3600 * NS_PER_SEC)
		return err_set(e, EINVAL, "settings: doubt is out of its range");
	if (s->budget < 1 || s->budget > 1000 || s->windows < 10000 || s->windows > 100000000)
		return err_set(e, EINVAL, "settings: budget or windows is out of its range");
	r = read_words(a, json_object_get(j, "manage"), "manage", &s->manage, &s->n_manage, e);
	if (r == 0)
		r = read_groups(a, json_object_get(j, "device-tags"), "device-tags", &s->device_tags, &s->n_device_tags,
				e);
	if (r == 0)
		r = read_groups(a, json_object_get(j, "array-tags"), "array-tags", &s->array_tags, &s->n_array_tags, e);
	return r < 0 ? r : read_groups(a, json_object_get(j, "pools"), "pools", &s->pools, &s->n_pools, e);
}

int paper_rules_mode(const json_t *world, enum rule_mode *ret, struct err *e)
{
	const char *word = text_of(json_object_get(world, "settings"), "rules-mode");

	*ret = strcmp(word, "shadow") == 0 ? RULE_SHADOW : RULE_ENFORCE;
	return *ret == RULE_SHADOW || strcmp(word, "enforce") == 0
		       ? 0
		       : err_set(e, EINVAL, "the picture's settings do not tell the mode of rules");
}

/* ---- the model of what is there ---- */

static int read_view(const json_t *world, const json_t *of, struct meta_view **ret, struct err *e)
{
	const json_t *view = json_array_get(json_object_get(world, "views"),
					    (size_t)json_integer_value(json_object_get(of, "view")));

	return view ? meta_view_from_json(view, ret, e) : err_set(e, EINVAL, "a view is named that is not there");
}

static int model_disks(struct model *m, const json_t *state, struct err *e)
{
	const json_t *list = json_object_get(json_object_get(state, "inventory"), "devices");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		const char *id = text_of(d, "id");
		json_int_t contents = json_integer_value(json_object_get(d, "contents"));

		if (!*id || strlen(id) >= DEVICE_ID_MAX || model_sectors(m, id))
			return err_set(e, EINVAL, "a device has no id, or is there twice");
		if (model_disk(m, id, (uint64_t)json_integer_value(json_object_get(d, "size"))) < 0)
			return err_sys(e, ENOMEM, "disks");
		if (contents != CONTENTS_MEMBER && contents >= 0 && contents <= CONTENTS_UNREADABLE)
			model_contents(m, id, contents_words[contents], text_of(d, "contents-name"));
		model_known(m, id, text_of(d, "set"), text_of(d, "ref"));
		model_present(m, id, false);
	}
	return 0;
}

static int model_copies(struct model *m, const json_t *world, struct err *e)
{
	const json_t *list = json_object_get(world, "disks");

	for (size_t i = 0; i < json_array_size(list); i++) {
		_cleanup_(meta_view_freep) struct meta_view *v = NULL;
		const json_t *d = json_array_get(list, i);
		int r;

		model_present(m, text_of(d, "id"), true);
		if (json_integer_value(json_object_get(d, "view")) < 0)
			continue;
		r = read_view(world, d, &v, e);
		if (r < 0)
			return r;
		snprintf(v->self, sizeof(v->self), "%s", text_of(d, "self"));
		v->room_start = (uint64_t)json_integer_value(json_object_get(d, "room-start"));
		v->room_sectors = (uint64_t)json_integer_value(json_object_get(d, "room-sectors"));
		if (model_copy(m, text_of(d, "id"), v) < 0)
			return err_set(e, EINVAL, "a disk is here that the state does not know");
	}
	return 0;
}

static int model_sets(struct model *m, const json_t *world, struct err *e)
{
	const json_t *sets = json_object_get(world, "sets"), *running = json_object_get(world, "running");

	for (size_t i = 0; i < json_array_size(sets); i++) {
		_cleanup_(meta_view_freep) struct meta_view *v = NULL;
		int r = read_view(world, json_array_get(sets, i), &v, e);

		if (r < 0)
			return r;
		if (model_view(m, v) < 0)
			return err_set(e, EINVAL, "set %s is there twice", v->set);
	}
	for (size_t i = 0; i < json_array_size(running); i++) {
		const char *array = json_string_value(json_array_get(running, i));

		if (array)
			model_run_state(m, array, true);
	}
	return 0;
}

/* ---- the inventory ---- */

static const json_t *saved_device(const json_t *world, const char *id)
{
	const json_t *list = json_object_get(json_object_get(json_object_get(world, "state"), "inventory"), "devices");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(text_of(json_array_get(list, i), "id"), id) == 0)
			return json_array_get(list, i);
	return NULL;
}

/* A disk as an enumeration finds it: known, and no news. */
static void know_disk(struct paper *p, const json_t *world, const json_t *disk)
{
	const json_t *saved = saved_device(world, text_of(disk, "id"));
	struct event *ev = event_new("device.added", "udev", ORIGIN_SYNTHESISED);
	json_t *answer = model_probe(p->run.model, text_of(disk, "id"));
	const char *set;

	if (ev && saved && answer) {
		ev->device = strdup(text_of(disk, "id"));
		ev->extra = json_pack("{s:O? s:O?}", "node", json_object_get(saved, "node"), "diskseq",
				      json_object_get(saved, "diskseq"));
		if (json_is_true(json_object_get(disk, "path")))
			json_object_set_new(ev->extra, "fs-type", json_string("mpath_member"));
		event_set(ev, FACT_DEVICE_READ_ONLY, value_bool(json_is_true(json_object_get(disk, "read-only"))));
		inventory_event(p->run.p->inv, ev, NULL, NULL);
		inventory_probed(p->run.p->inv, ev->device, answer, NULL, &set);
	}
	json_decref(answer);
	event_free(ev);
}

static void tell_facts(struct paper *p, const json_t *world)
{
	const json_t *list = json_object_get(world, "told");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *t = json_array_get(list, i);
		const char *sort = json_string_value(json_array_get(t, 0)),
			   *id = json_string_value(json_array_get(t, 1)),
			   *name = json_string_value(json_array_get(t, 2));
		int fact = name ? fact_lookup(name) : -ENOENT;
		struct value v;

		for (int s = SORT_NONE + 1; s < SORT_MAX && sort && id && fact >= 0; s++)
			if (strcmp(sort_words[s], sort) == 0 &&
			    fact_from_json((enum fact_id)fact, json_array_get(t, 3), &v, NULL) == 0)
				inventory_tell(p->run.p->inv, (enum subject_sort)s, id, (enum fact_id)fact, v);
	}
}

/* ---- life ---- */

static int start_clock(struct paper *p, const json_t *state, struct err *e)
{
	p->run.boot = p->run.awake = json_integer_value(json_object_get(state, "boot"));
	p->run.wall = json_integer_value(json_object_get(state, "wall"));
	return p->run.boot > 0 && p->run.boot < TIME_MAX && p->run.wall > 0 && p->run.wall < TIME_MAX
		       ? 0
		       : err_set(e, EINVAL, "the picture has no time, or an impossible one");
}

static int start(struct paper *p, const json_t *world, struct err *e)
{
	const json_t *state = json_object_get(world, "state"), *disks = json_object_get(world, "disks");
	int r = runner_make_pipeline(&p->run, p->run.rules, e);

	if (r == 0)
		r = pipeline_restore(p->run.p, state, e);
	if (r < 0)
		return r;
	p->run.p->world_stored = TIME_MAX; /* nobody keeps pictures of this one */
	for (size_t i = 0; i < json_array_size(disks); i++)
		know_disk(p, world, json_array_get(disks, i));
	tell_facts(p, world);
	pipeline_enumerated(p->run.p);
	runner_serve(&p->run);
	if (!pipeline_started(p->run.p))
		return err_set(e, EINVAL, "the picture cannot be started on paper");
	return 0;
}

int paper_open(struct paper *p, const json_t *world, struct ruleset *rules, struct err *e)
{
	const json_t *state = json_object_get(world, "state");
	int r;

	*p = (struct paper){0};
	runner_begin(&p->run, &p->test, &rules, NULL, 0);
	p->run.real_time = true;
	r = check_world(world, e);
	if (r == 0)
		r = start_clock(p, state, e);
	if (r == 0)
		r = read_settings(&p->run.settings, json_object_get(world, "settings"), e);
	if (r == 0)
		r = model_new(&p->run.model);
	if (r == 0)
		r = model_disks(p->run.model, state, e);
	if (r == 0)
		r = model_copies(p->run.model, world, e);
	if (r == 0)
		r = model_sets(p->run.model, world, e);
	if (r < 0)
		return r;
	snprintf(p->digest, sizeof(p->digest), "%s", text_of(world, "rules"));
	return start(p, world, e);
}

void paper_close(struct paper *p)
{
	runner_finish(&p->run);
	free(p->test.outcomes);
	p->test.outcomes = NULL;
}

/* ---- time ---- */

/* As the loop does: before it sleeps time moves on once more, for what act has told may wait for that. */
static void settle(struct paper *p)
{
	for (int i = 0; i < 2; i++) {
		runner_serve(&p->run);
		pipeline_advance(p->run.p);
	}
	runner_serve(&p->run);
}

static void come_to(struct paper *p, int64_t at)
{
	runner_move_to(&p->run, at);
	settle(p);
}

bool paper_step(struct paper *p, int64_t until)
{
	struct pending_plan *w;
	int64_t at = INT64_MAX, t;

	if (pipeline_deadline(p->run.p, &t))
		at = MAX(t, p->run.boot);
	list_foreach (w, &p->run.plans, link)
		at = MIN(at, MAX(w->due, p->run.boot));
	if (at > until)
		return false;
	come_to(p, at);
	return true;
}

int64_t paper_run_to(struct paper *p, int64_t boot)
{
	for (int i = 0; i < MOMENTS_MAX; i++)
		if (!paper_step(p, boot)) {
			come_to(p, boot);
			break;
		}
	return p->run.boot;
}

/* ---- what happens ---- */

void paper_feed(struct paper *p, struct event *ev)
{
	pipeline_feed(p->run.p, ev);
	settle(p);
}

void paper_kick(struct paper *p, const char *array, unsigned slot)
{
	const struct array *a = inventory_array(p->run.p->inv, array);

	if (!a || !model_slot(p->run.model, array, slot, MEMBER_FAILED))
		return;
	want(p->run.p, a->set, false, true, true);
	drain(p->run.p);
	come_to(p, p->run.boot);
}

void paper_pull(struct paper *p, const char *device)
{
	struct event *ev = event_new("device.removed", "udev", ORIGIN_KERNEL);

	if (!ev)
		return;
	ev->device = strdup(device);
	model_present(p->run.model, device, false);
	paper_feed(p, ev);
}
