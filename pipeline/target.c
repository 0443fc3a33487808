// SPDX-License-Identifier: GPL-2.0-or-later
/* Which set and which array an ask is about: by its parameters, else by what it came of. */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Names of devices become ids. */
static int resolve_device(const struct inventory *inv, json_t *params, const char *key, struct err *e)
{
	const char *name = json_string_value(json_object_get(params, key));
	const struct device *d = name ? inventory_find_device(inv, name) : NULL;

	if (name && !d)
		return err_set(e, ENOENT, "no device '%.64s' is known", name);
	if (d)
		json_object_set_new(params, key, json_string(d->id));
	return 0;
}

static const struct array *array_of_device(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; d && i < inventory_arrays(inv); i++)
		if (array_slot_of(inv, inventory_array_at(inv, i), d) >= 0)
			return inventory_array_at(inv, i);
	return NULL;
}

static const struct disk_set *only_managed_set(const struct inventory *inv)
{
	const struct disk_set *only = NULL;

	for (size_t i = 0; i < inventory_sets(inv); i++) {
		if (!inventory_set_at(inv, i)->managed)
			continue;
		if (only)
			return NULL;
		only = inventory_set_at(inv, i);
	}
	return only;
}

static int resolve_devices(const struct inventory *inv, json_t *params, const char *key, struct err *e)
{
	json_t *list = json_object_get(params, key), *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		const struct device *d = inventory_find_device(inv, json_string_value(name));

		if (!d)
			return err_set(e, ENOENT, "no device '%.64s' is known", json_string_value(name));
		json_array_set_new(list, i, json_string(d->id));
	}
	return 0;
}

/* A device's name can be had once. */
static int name_free(const struct inventory *inv, const char *name, struct err *e)
{
	const struct array *a = name ? inventory_find_array(inv, name) : NULL;

	return a ? err_set(e, EEXIST, "there is an array '%.64s' already, in the set %s", name, a->set) : 0;
}

/* By its GUID, or by an array of it. */
static const struct disk_set *set_named(const struct inventory *inv, const char *name)
{
	const struct array *a = inventory_find_array(inv, name);

	return inventory_set(inv, a ? a->set : name);
}

/* What is made has GUIDs that nobody else has. Where whoever asks has drawn none they come of the array's name, of this
 * machine's disks and of the time, for there is no chance in here: what is replayed is the same. */
static void give_guids(const struct inventory *inv, json_t *params, const char *name)
{
	uint64_t hash = meta_hash(META_HASH_START, name, strlen(name));

	for (size_t i = 0; i < inventory_devices(inv); i++) {
		const char *id = inventory_device_at(inv, i)->id;

		hash = meta_hash(hash, id, strlen(id));
	}
	for (size_t i = 0; i < 2; i++) {
		const char *key = i ? "new-set" : "volume";
		char guid[META_GUID_MAX];

		if (json_object_get(params, key) || (i && json_object_get(params, "set")))
			continue;
		hash = meta_hash(hash, key, strlen(key));
		meta_formats[0]->guid_of(hash, inv->wall, guid);
		json_object_set_new(params, key, json_string(guid));
	}
}

/* One that is there already is what it is about then. */
static int target_of_create(const struct inventory *inv, json_t *params, char set[META_GUID_MAX],
			    char array_id[META_GUID_MAX + 8], struct err *e)
{
	const char *name = json_string_value(json_object_get(params, "set"));
	const char *array_name = json_string_value(json_object_get(params, "name")), *new_set;
	const struct array *a = array_name ? inventory_find_array(inv, array_name) : NULL;
	const struct disk_set *s = name ? set_named(inv, name) : NULL;
	int r;

	if (a) {
		snprintf(set, META_GUID_MAX, "%s", a->set);
		snprintf(array_id, META_GUID_MAX + 8, "%s", a->id);
		return 0;
	}
	give_guids(inv, params, array_name ? array_name : "");
	new_set = json_string_value(json_object_get(params, "new-set"));
	r = resolve_devices(inv, params, "devices", e);
	if (r == 0)
		r = resolve_devices(inv, params, "spares", e);
	if (r < 0)
		return r;
	if (name && !s)
		return err_set(e, ENOENT, "no set '%.64s' is known", name);
	if (!s && strlen(new_set) >= META_GUID_MAX)
		return err_set(e, EINVAL, "create-array: in which set?");
	if (!s && inventory_set(inv, new_set))
		return err_set(e, EEXIST, "there is a set %s already", new_set);
	snprintf(set, META_GUID_MAX, "%s", s ? s->guid : new_set);
	return 0;
}

/* An array, or a set that has none. */
static int target_of_delete(const struct inventory *inv, const char *name, char set[META_GUID_MAX], struct err *e)
{
	const struct disk_set *s = inventory_set(inv, name);

	if (!s)
		return err_set(e, ENOENT, "no set '%.64s' is known", name);
	if (s->view && s->view->n_volumes)
		return err_set(e, EEXIST, "the set has an array, %s: delete that one", s->view->volumes[0].name);
	snprintf(set, META_GUID_MAX, "%s", s->guid);
	return 0;
}

const char *alone_device(const json_t *params)
{
	const char *path = json_string_value(json_object_get(params, "path"));

	if (!path)
		path = json_string_value(json_object_get(params, "map"));
	return path ? path : json_string_value(json_object_get(params, "device"));
}

/* What is about one device alone: it only has to be known. */
static int alone_target(const struct inventory *inv, const char *action, const json_t *params, const char *device,
			struct err *e)
{
	const char *name = alone_device(params) ? alone_device(params) : device;

	if (!name || !inventory_device(inv, name))
		return err_set(e, EINVAL, "%s: which device?", action);
	return 0;
}

int job_target(const struct inventory *inv, const char *action, json_t *params, const char *device, const char *array,
	       char set[META_GUID_MAX], char array_id[META_GUID_MAX + 8], struct err *e)
{
	const char *name = json_string_value(json_object_get(params, "array"));
	const struct array *a = name ? inventory_find_array(inv, name) : array ? inventory_array(inv, array) : NULL;
	const struct disk_set *s = NULL;
	const struct device *d;
	int r;

	array_id[0] = '\0';
	if (strcmp(action, "restore") == 0) {
		snprintf(set, META_GUID_MAX, "%s", json_string_value(json_object_get(params, "set")));
		return 0;
	}
	if (strcmp(action, "create-array") == 0)
		return target_of_create(inv, params, set, array_id, e);
	if (strcmp(action, "delete-array") == 0 && json_object_get(params, "set"))
		return target_of_delete(inv, json_string_value(json_object_get(params, "set")), set, e);
	r = strcmp(action, "rename-array") == 0 ? name_free(inv, json_string_value(json_object_get(params, "to")), e)
						: 0;
	if (r == 0)
		r = resolve_device(inv, params, "device", e);
	if (r == 0)
		r = resolve_device(inv, params, "spare", e);
	if (r == 0)
		r = resolve_device(inv, params, "path", e);
	if (r == 0)
		r = resolve_device(inv, params, "map", e);
	if (r < 0)
		return r;
	set[0] = array_id[0] = '\0';
	if (action_alone(action))
		return alone_target(inv, action, params, device, e);
	if (name && !a)
		return err_set(e, ENOENT, "no array '%.64s' is known", name);
	if (json_object_get(params, "device"))
		device = json_string_value(json_object_get(params, "device"));
	d = device ? inventory_device(inv, device) : NULL;
	if (!a && strcmp(action, "copy-back") == 0)
		a = inventory_returns_to(inv, d);
	if (!a)
		a = array_of_device(inv, d);
	if (!a && d && d->set[0])
		s = inventory_set(inv, d->set);
	if (!a && !s && strcmp(action, "add-spare") == 0)
		s = only_managed_set(inv);
	if (!a && !s)
		return err_set(e, EINVAL, "%s: which array?", action);
	snprintf(set, META_GUID_MAX, "%s", a ? a->set : s->guid);
	snprintf(array_id, META_GUID_MAX + 8, "%s", a ? a->id : "");
	return 0;
}
