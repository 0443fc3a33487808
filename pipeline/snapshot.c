// SPDX-License-Identifier: GPL-2.0-or-later
/* A portable picture: what a restart would find (pipeline_save), what the disks would say then, what runs, and the
 * settings and rules that decide. paper.c reads it. */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <string.h>

static json_t *words_json(const char *const *words, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	return list;
}

static json_t *groups_json(const struct setting_group *groups, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("[s o]", groups[i].pattern, words_json(groups[i].words, groups[i].n)));
	return list;
}

static json_t *settings_json(const struct settings *s)
{
	return json_pack("{s:o s:I s:I s:I s:s s:o s:o s:o}", "manage", words_json(s->manage, s->n_manage), "budget",
			 (json_int_t)s->budget, "doubt", (json_int_t)s->doubt, "windows", (json_int_t)s->windows,
			 "rules-mode", s->rules_mode == RULES_SHADOW ? "shadow" : "enforce", "device-tags",
			 groups_json(s->device_tags, s->n_device_tags), "array-tags",
			 groups_json(s->array_tags, s->n_array_tags), "pools", groups_json(s->pools, s->n_pools));
}

/* Most disks of a set say the same: a view is told once, without what is the disk's own. Its place in the list. */
static int add_view(json_t *views, const struct meta_view *v)
{
	struct meta_view plain = *v;
	json_t *j;
	size_t i;

	plain.self[0] = '\0';
	plain.room_start = plain.room_sectors = 0;
	j = meta_view_to_json(&plain);
	for (i = 0; i < json_array_size(views); i++)
		if (json_equal(json_array_get(views, i), j))
			break;
	if (i == json_array_size(views))
		json_array_append(views, j);
	json_decref(j);
	return (int)i;
}

static json_t *disks_json(const struct inventory *inv, json_t *views)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];
		json_t *j;

		if (!d->present)
			continue;
		j = json_pack("{s:s s:b s:b s:i}", "id", d->id, "path", d->is_path, "read-only", d->read_only, "view",
			      d->view ? add_view(views, d->view) : -1);
		if (d->view) {
			json_object_set_new(j, "self", json_string(d->view->self));
			json_object_set_new(j, "room-start", json_integer((json_int_t)d->view->room_start));
			json_object_set_new(j, "room-sectors", json_integer((json_int_t)d->view->room_sectors));
		}
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *sets_json(const struct inventory *inv, json_t *views)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_sets; i++)
		if (inv->sets[i]->view)
			json_array_append_new(list, json_pack("{s:s s:i}", "guid", inv->sets[i]->guid, "view",
							      add_view(views, inv->sets[i]->view)));
	return list;
}

static json_t *running_json(const struct inventory *inv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_arrays; i++)
		if (inv->arrays[i]->running)
			json_array_append_new(list, json_string(inv->arrays[i]->id));
	return list;
}

static json_t *told_json(const struct inventory *inv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_told; i++) {
		const struct told_fact *t = &inv->told[i];

		if (!t->over && t->v.type != V_SET)
			json_array_append_new(list, json_pack("[s s s o]", sort_words[t->sort], t->id,
							      fact_table[t->fact].name, fact_to_json(&t->v)));
	}
	return list;
}

#define WORLD_EVERY (6 * 3600 * NS_PER_SEC)

void world_store(struct pipeline *p)
{
	int64_t now = pipeline_now(p);
	json_t *world;

	if (p->phase != PHASE_STARTED || p->shutting_down || pipeline_busy(p) ||
	    (p->world_stored && (now - p->world_stored < WORLD_EVERY || p->seq == p->world_seq)))
		return;
	p->world_stored = now;
	p->world_seq = p->seq;
	world = pipeline_world(p);
	if (world && json_dumpb(world, NULL, 0, JSON_COMPACT) < WORLD_SIZE_MAX)
		p->ops.store(p->ops.u, "world", world, NULL, false);
	json_decref(world);
}

json_t *pipeline_world(const struct pipeline *p)
{
	json_t *views = json_array(), *disks = disks_json(p->inv, views), *sets = sets_json(p->inv, views);
	char digest[RULESET_DIGEST_MAX];

	return json_pack("{s:i s:s s:o s:o s:o s:o s:o s:o s:o}", "v", 1, "rules",
			 ruleset_digest(engine_rules(p->engine), digest), "settings", settings_json(p->settings),
			 "state", pipeline_save(p), "views", views, "disks", disks, "sets", sets, "running",
			 running_json(p->inv), "told", told_json(p->inv));
}
