// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole picture, for sparectl status. */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <string.h>

static json_t *replacing_status(const struct pipeline *p, const struct array *a)
{
	const struct device *to = inventory_device(p->inv, a->copy_to);
	int64_t eta;
	double progress = array_copy_progress(a, pipeline_now(p), &eta);
	json_t *j = json_pack("{s:s s:s}", "device", a->copy_to, "name", to ? to->name : "");

	if (progress >= 0)
		json_object_set_new(j, "progress", json_real(progress));
	if (eta >= 0)
		json_object_set_new(j, "eta", json_integer(eta));
	return j;
}

static json_t *member_status(const struct pipeline *p, const struct array *a, unsigned slot)
{
	enum member_state state = array_member_state(p->inv, a, slot);
	/* Of a slot that is empty the last one, wherever that is now. */
	const struct device *d = array_slot_device(p->inv, a, slot),
			    *last = d || state != MEMBER_EMPTY ? d : inventory_device(p->inv, a->member[slot].device);
	int64_t eta;
	double progress = array_progress(a, pipeline_now(p), &eta);
	json_t *j = json_pack("{s:i s:s s:s s:s s:b}", "slot", (int)slot, "device",
			      last ? last->id : a->member[slot].device, "name", last ? last->name : "", "state",
			      member_words[state], "present", last && last->present);

	if (state == MEMBER_REBUILDING && progress >= 0) {
		json_object_set_new(j, "progress", json_real(progress));
		if (eta >= 0) {
			json_object_set_new(j, "eta", json_integer(eta));
			json_object_set_new(j, "speed", json_integer(array_speed(a, pipeline_now(p))));
		}
	}
	if (a->running && a->copy_to[0] && a->copy_slot == (int)slot)
		json_object_set_new(j, "replacing", replacing_status(p, a));
	if (a->member[slot].read_last)
		json_object_set_new(j, "read-last", json_true());
	if (state == MEMBER_REBUILDING && a->running && strcmp(a->action, "frozen") == 0)
		json_object_set_new(j, "waits", json_true());
	if (d && d->errors)
		json_object_set_new(j, "errors", json_integer(d->errors));
	return j;
}

static json_t *spare_status(const struct pipeline *p, const struct device *d)
{
	const struct inventory *inv = p->inv;
	const struct device_cache *c = device_cached(inv, d);
	json_t *j = json_pack("{s:s s:s s:s s:s s:I s:i s:s}", "device", d->id, "name", d->name, "kind",
			      spare_kind_words[c->spare_kind], "state", spare_state_words[c->spare_state], "size",
			      (json_int_t)d->size, "fits", c->fits, "reason", c->unfit);

	if (c->pool)
		json_object_set_new(j, "pool", json_string(c->pool));
	if (c->spare_revertible)
		json_object_set_new(j, "revertible", json_true());
	if (c->spare_enclosure)
		json_object_set_new(j, "enclosure", json_true());
	if (d->read.known)
		json_object_set_new(j, "read-check", read_status(p, d));
	return j;
}

static json_t *spares_status(const struct pipeline *p, const char *set)
{
	const struct inventory *inv = p->inv;
	json_t *list = json_array();

	for (size_t i = 0; i < inventory_devices(inv); i++) {
		const struct device *d = inventory_device_at(inv, i);

		if (strcmp(d->set, set) == 0 && device_role(inv, d) == ROLE_SPARE)
			json_array_append_new(list, spare_status(p, d));
	}
	return list;
}

static const char *running_plan(const struct pipeline *p, const struct array *a)
{
	struct job *j;

	list_foreach (j, &p->jobs, link)
		if (j->state == JOB_RUNNING && j->origin != PLAN_BUILTIN && strcmp(j->array, a->id) == 0)
			return j->id;
	return "";
}

static void add_progress(const struct pipeline *p, const struct array *a, json_t *j)
{
	int64_t eta;
	double progress = array_progress(a, pipeline_now(p), &eta);

	if (!a->running || progress < 0)
		return;
	json_object_set_new(j, "action", json_string(a->action));
	json_object_set_new(j, "progress", json_real(progress));
	if (eta >= 0) {
		json_object_set_new(j, "eta", json_integer(eta));
		json_object_set_new(j, "speed", json_integer(array_speed(a, pipeline_now(p))));
	}
}

static void add_snapshots(const struct array *a, json_t *j)
{
	json_t *list = a->n_snapshots ? json_array() : NULL;

	for (unsigned i = 0; list && i < a->n_snapshots; i++) {
		const struct array_snapshot *s = &a->snapshot[i];
		char on[32];

		snprintf(on, sizeof(on), "%u:%u", s->major, s->minor);
		json_array_append_new(list, json_pack("{s:s s:s s:s s:s s:s s:I s:I}", "id", s->id, "name", s->name,
						      "dm", s->dm, "on", on, "state", snapshot_words[s->lost], "used",
						      (json_int_t)s->used * 512, "size", (json_int_t)s->total * 512));
	}
	if (list)
		json_object_set_new(j, "snapshots", list);
}

static json_t *array_status(const struct pipeline *p, const struct array *a)
{
	const struct array_cache *c = array_cached(p->inv, a);
	const struct disk_set *s = inventory_set(p->inv, a->set);
	const char *level = a->volume ? raid_level_name(a->volume->level) : NULL;
	json_t *members = json_array(), *j;

	for (unsigned i = 0; a->volume && i < a->volume->slots; i++)
		json_array_append_new(members, member_status(p, a, i));
	j = json_pack("{s:s s:s s:s s:s s:s s:s s:b s:I s:i s:i s:b s:b s:s s:s s:o s:o s:i s:s s:s}", "id", a->id,
		      "name", a->name, "set", a->set, "format", s ? s->format : "", "level",
		      level ? level : "unsupported", "state", array_words[c->state], "managed", a->managed, "size",
		      a->volume ? (json_int_t)a->volume->sectors * 512 : 0, "redundancy", c->redundancy,
		      "redundancy-full", c->redundancy_full, "rebuilding", c->rebuilding, "maintenance",
		      array_in_maintenance(p->inv, a), "stopped-by", stopped_words[a->stopped_by], "dm", a->dm,
		      "members", members, "spares", spares_status(p, a->set), "spares-fit", c->spares, "spare-reason",
		      c->spare_reason, "plan", running_plan(p, a));
	if (a->volume && a->volume->unsupported[0])
		json_object_set_new(j, "unsupported", json_string(a->volume->unsupported));
	if (a->scrubbed) {
		json_object_set_new(j, "scrubbed", json_integer(a->scrubbed));
		json_object_set_new(j, "mismatches", json_integer((json_int_t)a->mismatches));
	}
	if (a->rate)
		json_object_set_new(j, "rate",
				    a->rate == PLAN_RATE_MAX ? json_string("max") : json_integer((json_int_t)a->rate));
	add_progress(p, a, j);
	add_snapshots(a, j);
	return j;
}

static json_t *set_status(const struct disk_set *s)
{
	return json_pack("{s:s s:s s:s s:b s:b s:I s:s}", "id", s->guid, "format", s->format, "maker", s->maker,
			 "managed", s->managed, "split", s->split, "seq", (json_int_t)s->seq, "stuck", s->stuck);
}

static json_t *words_of(const struct strset *set)
{
	json_t *list = json_array();

	for (size_t i = 0; set && i < set->n; i++)
		json_array_append_new(list, json_string(set->words[i]));
	return list;
}

static json_t *device_status(const struct pipeline *p, const struct device *d)
{
	json_t *j = json_pack("{s:s s:s s:s s:b s:I s:i s:s s:s s:s s:I s:b s:o s:o}", "id", d->id, "name", d->name,
			      "node", d->node, "present", d->present, "size", (json_int_t)d->size, "sector-size",
			      (int)d->sector_size, "media", media_words[d->media], "role",
			      role_words[device_role(p->inv, d)], "contents", contents_words[d->contents], "errors",
			      (json_int_t)d->errors, "maintenance", device_in_maintenance(p->inv, d), "tags",
			      words_of(d->tags), "marks", words_of(engine_marks(p->engine, d->id)));

	for (const struct device_text *t = device_texts; t->key; t++)
		if (device_text_at(d, t)[0] && strcmp(t->key, "name") != 0)
			json_object_set_new(j, t->key, json_string(device_text_at(d, t)));
	if (d->beside[0])
		json_object_set_new(j, "beside", json_string(d->beside));
	if (d->set[0])
		json_object_set_new(j, "set", json_string(d->set));
	if (d->read.known)
		json_object_set_new(j, "read-check", read_status(p, d));
	if (d->marginal)
		json_object_set_new(j, "marginal", json_true());
	if (d->view && d->standing != META_CURRENT)
		json_object_set_new(j, "standing", json_string(d->standing == META_SPLIT ? "split" : "stale"));
	return j;
}

static json_t *plans_status(const struct pipeline *p)
{
	static const char *const states[] = {[JOB_WAITING] = "waiting",
					     [JOB_STORING] = "storing",
					     [JOB_LENDING] = "lending",
					     [JOB_RUNNING] = "running"};
	static const char *const origins[] = {"rule", "operator", "builtin", "shutdown"};
	json_t *list = json_array();
	struct job *j;

	list_foreach (j, &p->jobs, link)
		json_array_append_new(list,
				      json_pack("{s:s s:s s:s s:s s:s s:s s:o}", "id", j->id, "state", states[j->state],
						"origin", origins[j->origin], "rule", j->rule, "set", j->set, "array",
						j->array, "lines", j->plan ? plan_lines(j->plan) : json_array()));
	return list;
}

json_t *pipeline_questions(const struct pipeline *p)
{
	return engine_questions(p->engine);
}

json_t *pipeline_rule_stats(const struct pipeline *p)
{
	return json_pack("{s:o s:o}", "rules", engine_stats(p->engine), "totals", engine_totals(p->engine));
}

json_t *pipeline_status(const struct pipeline *p)
{
	json_t *arrays = json_array(), *sets = json_array(), *devices = json_array();
	const char *rule;

	for (size_t i = 0; i < inventory_arrays(p->inv); i++)
		json_array_append_new(arrays, array_status(p, inventory_array_at(p->inv, i)));
	for (size_t i = 0; i < inventory_sets(p->inv); i++)
		json_array_append_new(sets, set_status(inventory_set_at(p->inv, i)));
	for (size_t i = 0; i < inventory_devices(p->inv); i++)
		json_array_append_new(devices, device_status(p, inventory_device_at(p->inv, i)));
	return json_pack("{s:i s:b s:i s:b s:o s:o s:o s:o s:o s:o s:{s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I}}", "v",
			 1, "started", p->phase == PHASE_STARTED, "managed", (int)p->settings->n_manage, "maintenance",
			 p->inv->maintenance, "sets", sets, "arrays", arrays, "devices", devices, "cases",
			 cases_to_json(p->cases), "plans", plans_status(p), "questions", engine_questions(p->engine),
			 "counts", "events", (json_int_t)p->counts.events, "verdicts", (json_int_t)p->counts.verdicts,
			 "plans", (json_int_t)p->counts.plans, "merged", (json_int_t)coalesce_merged(p->coalesce),
			 "copies", (json_int_t)stack_copies(p->stack), "malformed", (json_int_t)p->counts.malformed,
			 "unknown-device", (json_int_t)p->counts.unknown_devices, "not-faults",
			 (json_int_t)p->counts.not_faults, "no-news", (json_int_t)p->counts.no_news, "evicted",
			 (json_int_t)engine_evicted(p->engine, &rule));
}
