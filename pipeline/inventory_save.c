// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the inventory outlives the process, and copies of it for questions. */
#include "pipeline/inventory_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- a copy ---- */

static int clone_devices(struct inventory *to, const struct inventory *from)
{
	for (size_t i = 0; i < from->n_devices; i++) {
		const struct device *d = from->devices[i];
		struct device *copy = device_get(to, d->id);

		if (!copy)
			return -ENOMEM;
		*copy = *d;
		copy->view = NULL;
		copy->cache = NULL;
		copy->tags = d->tags ? strset_new(d->tags->words, d->tags->n) : NULL;
		if (d->view && view_copy(d->view, &copy->view, NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A set whose disks are all away keeps what they said last. */
static int clone_set(struct inventory *to, const struct disk_set *from)
{
	struct disk_set *s;

	set_refresh(to, from->guid);
	s = set_find(to, from->guid);
	if (!s)
		return 0;
	if (!s->view && from->view) {
		if (view_copy(from->view, &s->view, NULL) < 0)
			return -ENOMEM;
		set_refresh(to, from->guid);
	}
	s->seq = from->seq;
	s->version = from->version;
	return 0;
}

static void clone_array(struct array *to, const struct array *from)
{
	struct array mine = *to;

	*to = *from;
	to->volume = mine.volume;
	to->tags = mine.tags;
	to->member_ids = mine.member_ids;
	to->cache = mine.cache;
}

struct inventory *inventory_clone(const struct inventory *inv)
{
	_cleanup_(inventory_freep) struct inventory *to = NULL;

	if (inventory_new(inv->settings, &to) < 0 || clone_devices(to, inv) < 0)
		return NULL;
	for (size_t i = 0; i < inv->n_sets; i++)
		if (clone_set(to, inv->sets[i]) < 0)
			return NULL;
	for (size_t i = 0; i < inv->n_arrays; i++) {
		struct array *a = array_find(to, inv->arrays[i]->id);

		if (a)
			clone_array(a, inv->arrays[i]);
	}
	to->maintenance = inv->maintenance;
	to->maintenance_until = inv->maintenance_until;
	to->now = inv->now;
	to->wall = inv->wall;
	memcpy(to->done, inv->done, sizeof(to->done));
	to->n_done = inv->n_done;
	if (told_clone(to, inv) < 0)
		return NULL;
	return TAKE_PTR(to);
}

/* ---- save ---- */

static json_t *device_save(const struct device *d)
{
	json_t *j = json_pack("{s:s s:s s:b s:I s:i s:i s:I s:i s:I}", "id", d->id, "node", d->node, "present",
			      d->present || d->was_present, "size", (json_int_t)d->size, "sector-size",
			      (int)d->sector_size, "media", (int)d->media, "errors", (json_int_t)d->errors, "contents",
			      (int)d->contents, "diskseq", (json_int_t)d->diskseq);

	for (const struct device_text *t = device_texts; t->key; t++)
		if (device_text_at(d, t)[0])
			json_object_set_new(j, t->key, json_string(device_text_at(d, t)));
	if (d->set[0]) {
		json_object_set_new(j, "set", json_string(d->set));
		json_object_set_new(j, "ref", json_string(d->ref));
	}
	if (d->maintenance)
		json_object_set_new(j, "maintenance", json_integer(d->maintenance_until));
	if (d->read.known)
		json_object_set_new(j, "read", read_save(d));
	if (d->lit[0])
		json_object_set_new(j, "light", json_pack("{s:s s:s}", "at", d->lit, "as", light_words[d->light]));
	if (d->marginal)
		json_object_set_new(j, "marginal",
				    json_pack("{s:i s:b}", "group", (int)d->was_group, "alone", d->was_alone));
	return j;
}

/* What was told of them: the kernel keeps them while nobody listens, and a reboot ends them. */
static json_t *snapshots_save(const struct array *a)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < a->n_snapshots_told; i++)
		json_array_append_new(list, json_pack("{s:s s:b}", "name", a->snapshot_told[i].name, "lost",
						      a->snapshot_told[i].lost));
	return list;
}

static json_t *array_save(const struct inventory *inv, const struct array *a)
{
	json_t *members = json_array(), *plans = json_array();
	json_t *last = json_array(), *before = json_array();
	json_t *j = json_pack("{s:s s:s s:s s:i}", "id", a->id, "set", a->set, "name", a->name, "stopped-by",
			      (int)a->stopped_by);

	for (unsigned i = 0; a->volume && i < a->volume->slots; i++) {
		json_array_append_new(members, json_string(a->member[i].device));
		json_array_append_new(before, json_string(a->member[i].before));
	}
	for (unsigned i = 0; i < a->n_plans; i++) /* as ages: the clock may be another one next time */
		json_array_append_new(plans, json_integer(inv->now - a->plans[i]));
	if (a->maintenance)
		json_object_set_new(j, "maintenance", json_integer(a->maintenance_until));
	for (unsigned i = 0; a->volume && i < a->volume->slots; i++)
		if (a->member[i].read_last)
			json_array_append_new(last, json_integer(i));
	if (a->scrubbed) {
		json_object_set_new(j, "scrubbed", json_integer(a->scrubbed));
		json_object_set_new(j, "mismatches", json_integer((json_int_t)a->mismatches));
	}
	if (a->rate)
		json_object_set_new(j, "rate", json_integer((json_int_t)a->rate));
	if (a->snapshots_known)
		json_object_set_new(j, "snapshots", snapshots_save(a));
	json_object_set_new(j, "read-last", last);
	json_object_set_new(j, "members", members);
	json_object_set_new(j, "before", before);
	json_object_set_new(j, "plans", plans);
	return j;
}

/* Facts of a device that only somebody else knows: what a number was before is asked after a restart, too. */
static bool outlives(const struct told_fact *t)
{
	return t->sort == SORT_DEVICE && !t->over && t->under.type == V_NONE && t->v.type != V_NONE &&
	       t->v.type != V_SET && t->fact >= FACT_DEVICE_ID &&
	       (int)t->fact < FACT_DEVICE_ID + FACT_MAX - FACT_PREVIOUS_FIRST;
}

static json_t *told_save(const struct inventory *inv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inv->n_told; i++)
		if (outlives(&inv->told[i]))
			json_array_append_new(list, json_pack("{s:s s:s s:o}", "id", inv->told[i].id, "fact",
							      fact_table[inv->told[i].fact].name, "value",
							      fact_to_json(&inv->told[i].v)));
	return list;
}

json_t *inventory_save(const struct inventory *inv)
{
	json_t *devices = json_array(), *arrays = json_array(), *sets = json_array();

	for (size_t i = 0; i < inv->n_devices; i++)
		if (inv->devices[i]->present || inv->devices[i]->was_present || inv->devices[i]->set[0])
			json_array_append_new(devices, device_save(inv->devices[i]));
	for (size_t i = 0; i < inv->n_arrays; i++)
		json_array_append_new(arrays, array_save(inv, inv->arrays[i]));
	for (size_t i = 0; i < inv->n_sets; i++)
		json_array_append_new(
			sets, json_pack("{s:s s:I}", "guid", inv->sets[i]->guid, "seq", (json_int_t)inv->sets[i]->seq));
	return json_pack("{s:o s:o s:o s:o s:o s:b}", "devices", devices, "arrays", arrays, "sets", sets, "told",
			 told_save(inv), "done", undone_save(inv), "maintenance",
			 inv->maintenance && inv->maintenance_until == 0);
}

/* ---- restore ---- */

static void take_text(const json_t *j, const char *key, char *to, size_t size)
{
	const char *s = json_string_value(json_object_get(j, key));

	snprintf(to, size, "%s", s ? s : "");
}

static int64_t number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

int64_t saved_moment(const struct inventory *inv, const json_t *age)
{
	const int64_t most = 24 * BUDGET_NS; /* whatever a damaged state says */

	return inv->saved - MIN(MAX(json_integer_value(age), 0), most);
}

static void light_restore(struct device *d, const json_t *j)
{
	const char *as = json_string_value(json_object_get(j, "as"));

	for (unsigned i = 0; as && light_words[i]; i++)
		if (strcmp(light_words[i], as) == 0) {
			d->light = (enum slot_light)i;
			take_text(j, "at", d->lit, sizeof(d->lit));
		}
}

static int device_restore(struct inventory *inv, const json_t *j, struct err *e)
{
	const char *id = json_string_value(json_object_get(j, "id"));
	struct device *d;

	if (!id || !*id || strlen(id) >= DEVICE_ID_MAX)
		return err_set(e, EINVAL, "saved device without an id");
	d = device_get(inv, id);
	if (!d)
		return err_sys(e, ENOMEM, "devices");
	for (const struct device_text *t = device_texts; t->key; t++)
		take_text(j, t->key, device_text_at(d, t), t->size);
	take_text(j, "node", d->node, sizeof(d->node));
	take_text(j, "set", d->set, sizeof(d->set));
	take_text(j, "ref", d->ref, sizeof(d->ref));
	d->was_present = json_is_true(json_object_get(j, "present"));
	d->size = (uint64_t)number(j, "size");
	d->sector_size = (unsigned)number(j, "sector-size");
	d->media = (enum media)MIN(MAX(number(j, "media"), 0), MEDIA_OTHER);
	d->contents = (enum contents)MIN(MAX(number(j, "contents"), 0), CONTENTS_UNREADABLE);
	d->errors = number(j, "errors");
	d->diskseq = (uint64_t)number(j, "diskseq");
	d->maintenance = json_object_get(j, "maintenance");
	d->maintenance_until = number(j, "maintenance");
	read_restore(d, json_object_get(j, "read"));
	light_restore(d, json_object_get(j, "light"));
	d->marginal = json_object_get(j, "marginal");
	d->was_group = (unsigned)MAX(number(json_object_get(j, "marginal"), "group"), 0);
	d->was_alone = json_is_true(json_object_get(json_object_get(j, "marginal"), "alone"));
	return 0;
}

static void snapshots_restore(struct array *a, const json_t *list)
{
	json_t *item;
	size_t i;

	a->snapshots_known = json_is_array(list);
	json_array_foreach((json_t *)list, i, item)
	{
		struct array_snapshot *s = &a->snapshot_told[a->n_snapshots_told];
		char id[sizeof(s->id)];

		if (a->n_snapshots_told == ARRAY_SNAPSHOTS_MAX)
			break;
		*s = (struct array_snapshot){.lost = json_is_true(json_object_get(item, "lost"))};
		take_text(item, "name", s->name, sizeof(s->name));
		snprintf(id, sizeof(id), "%s/%s", a->id, s->name);
		memcpy(s->id, id, sizeof(s->id));
		a->n_snapshots_told++;
	}
}

static int array_restore(struct inventory *inv, const json_t *j, struct err *e)
{
	const char *id = json_string_value(json_object_get(j, "id"));
	const json_t *members = json_object_get(j, "members"), *plans = json_object_get(j, "plans");
	const json_t *last = json_object_get(j, "read-last");
	struct array **more, *a;

	if (!id || !*id || strlen(id) >= META_GUID_MAX || array_find(inv, id))
		return err_set(e, EINVAL, "saved array without an id, or twice");
	more = reallocarray(inv->arrays, inv->n_arrays + 1, sizeof(*more));
	if (!more)
		return err_sys(e, ENOMEM, "arrays");
	inv->arrays = more;
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_sys(e, ENOMEM, "arrays");
	more[inv->n_arrays++] = a;
	take_text(j, "id", a->id, sizeof(a->id));
	take_text(j, "set", a->set, sizeof(a->set));
	take_text(j, "name", a->name, sizeof(a->name));
	a->stopped_by = number(j, "stopped-by") == STOPPED_OPERATOR ? STOPPED_OPERATOR : STOPPED_NONE;
	a->maintenance = json_object_get(j, "maintenance");
	a->maintenance_until = number(j, "maintenance");
	for (size_t i = 0; i < json_array_size(members) && i < META_SLOTS_MAX; i++) {
		const char *device = json_string_value(json_array_get(members, i));
		const char *before = json_string_value(json_array_get(json_object_get(j, "before"), i));

		snprintf(a->member[i].device, sizeof(a->member[i].device), "%s", device ? device : "");
		snprintf(a->member[i].before, sizeof(a->member[i].before), "%s", before ? before : "");
	}
	for (size_t i = 0; i < json_array_size(last); i++) {
		json_int_t slot = json_integer_value(json_array_get(last, i));

		if (slot >= 0 && slot < META_SLOTS_MAX)
			a->member[slot].read_last = true;
	}
	a->scrubbed = number(j, "scrubbed");
	a->mismatches = (uint64_t)number(j, "mismatches");
	a->rate = (uint64_t)number(j, "rate");
	snapshots_restore(a, json_object_get(j, "snapshots"));
	for (size_t i = 0; i < json_array_size(plans) && i < ARRAY_SIZE(a->plans); i++)
		a->plans[a->n_plans++] = saved_moment(inv, json_array_get(plans, i));
	return array_slots_known(a) < 0 ? err_sys(e, ENOMEM, "arrays") : 0;
}

static int set_restore(struct inventory *inv, const json_t *j, struct err *e)
{
	const char *guid = json_string_value(json_object_get(j, "guid"));
	struct disk_set **more = reallocarray(inv->sets, inv->n_sets + 1, sizeof(*more)), *s = calloc(1, sizeof(*s));

	if (more)
		inv->sets = more;
	if (!guid || !more || !s || set_find(inv, guid)) {
		free(s);
		return err_set(e, EINVAL, "saved set without a GUID, or twice");
	}
	snprintf(s->guid, sizeof(s->guid), "%s", guid);
	s->seq = (uint64_t)number(j, "seq");
	inv->sets[inv->n_sets++] = s;
	return 0;
}

static int told_restore(struct inventory *inv, const json_t *j, struct err *e)
{
	const char *id = json_string_value(json_object_get(j, "id"));
	const char *name = json_string_value(json_object_get(j, "fact"));
	int fact = name ? fact_lookup(name) : -ENOENT;
	struct value v;

	if (!id || fact < 0 || fact_from_json((enum fact_id)fact, json_object_get(j, "value"), &v, NULL) < 0)
		return err_set(e, EINVAL, "saved fact '%.64s' that is none", name ? name : "");
	if (device_find(inv, id))
		told_set(inv, SORT_DEVICE, id, (enum fact_id)fact, v, VALUE_NONE);
	return 0;
}

int inventory_restore(struct inventory *inv, const json_t *j, int64_t away, struct err *e)
{
	static const struct {
		const char *key;
		int (*fn)(struct inventory *inv, const json_t *j, struct err *e);
	} parts[] = {{"sets", set_restore},
		     {"devices", device_restore},
		     {"arrays", array_restore},
		     {"told", told_restore},
		     {"done", undone_restore}};

	inv->saved = inv->now - away;
	for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
		const json_t *list = json_object_get(j, parts[k].key);

		for (size_t i = 0; i < json_array_size(list); i++) {
			int r = parts[k].fn(inv, json_array_get(list, i), e);

			if (r < 0)
				return r;
		}
	}
	inv->maintenance = json_is_true(json_object_get(j, "maintenance"));
	inv->version++;
	return 0;
}
