// SPDX-License-Identifier: GPL-2.0-or-later
/* The shared view of a set, to and from JSON. One table a struct: both directions read it. */
#include "actions/meta/meta.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum field_type { F_STR, F_BOOL, F_U32, F_U64, F_INT, F_LEVEL, F_STATE, F_FORMAT };

struct field {
	const char *key;
	enum field_type type;
	size_t offset, size; /* size: of a string's array, with its NUL */
};

#define STR(type, name)                                                                                                \
	{                                                                                                              \
#name, F_STR, offsetof(struct type, name), sizeof(((struct type *)0)->name)                            \
	}
#define FIELD(type, name, kind)                                                                                        \
	{                                                                                                              \
#name, kind, offsetof(struct type, name), 0                                                            \
	}

static const struct field view_fields[] = {
	FIELD(meta_view, format, F_FORMAT),
	STR(meta_view, set),
	STR(meta_view, maker),
	STR(meta_view, self),
	FIELD(meta_view, seq, F_U64),
	FIELD(meta_view, room_start, F_U64),
	FIELD(meta_view, room_sectors, F_U64),
};
static const struct field disk_fields[] = {
	STR(meta_disk, ref),
	STR(meta_disk, guid),
	FIELD(meta_disk, failed, F_BOOL),
	FIELD(meta_disk, missing, F_BOOL),
	FIELD(meta_disk, spare, F_BOOL),
	FIELD(meta_disk, dedicated, F_BOOL),
	FIELD(meta_disk, revertible, F_BOOL),
	FIELD(meta_disk, stands_in, F_BOOL),
	FIELD(meta_disk, enclosure, F_BOOL),
	FIELD(meta_disk, predicted, F_BOOL),
	FIELD(meta_disk, read_errors, F_BOOL),
	FIELD(meta_disk, foreign, F_BOOL),
	FIELD(meta_disk, sectors, F_U64),
};
static const struct field volume_fields[] = {
	STR(meta_volume, guid),
	STR(meta_volume, name),
	FIELD(meta_volume, level, F_LEVEL),
	FIELD(meta_volume, layout, F_INT),
	FIELD(meta_volume, chunk, F_U32),
	FIELD(meta_volume, member_sectors, F_U64),
	FIELD(meta_volume, sectors, F_U64),
	FIELD(meta_volume, clean, F_BOOL),
	FIELD(meta_volume, initialised, F_BOOL),
	FIELD(meta_volume, seq, F_U32),
	FIELD(meta_volume, known, F_BOOL),
	STR(meta_volume, unsupported),
};
static const struct field member_fields[] = {
	STR(meta_member, ref),
	FIELD(meta_member, offset, F_U64),
	FIELD(meta_member, state, F_STATE),
	FIELD(meta_member, known, F_BOOL),
};

void meta_view_free(struct meta_view *v)
{
	if (!v)
		return;
	free(v->disks);
	free(v->volumes);
	free(v);
}

const struct meta_disk *meta_view_disk(const struct meta_view *v, const char *ref)
{
	for (size_t i = 0; i < v->n_disks; i++)
		if (strcmp(v->disks[i].ref, ref) == 0)
			return &v->disks[i];
	return NULL;
}

const struct meta_volume *meta_view_volume(const struct meta_view *v, const char *guid)
{
	for (size_t i = 0; i < v->n_volumes; i++)
		if (strcmp(v->volumes[i].guid, guid) == 0)
			return &v->volumes[i];
	return NULL;
}

/* ---- to JSON */

static json_t *field_to_json(const struct field *f, const void *base)
{
	const char *p = (const char *)base + f->offset;

	switch (f->type) {
	case F_STR:
		return json_string(p);
	case F_BOOL:
		return json_boolean(*(const bool *)p);
	case F_U32:
		return json_integer(*(const uint32_t *)p);
	case F_U64:
		return json_integer((json_int_t)MIN(*(const uint64_t *)p, (uint64_t)INT64_MAX));
	case F_INT:
		return json_integer(*(const int *)p);
	case F_LEVEL: {
		const char *name = raid_level_name(*(const enum raid_level *)p);

		return name ? json_string(name) : json_null();
	}
	case F_STATE:
		return json_string(member_words[*(const enum member_state *)p]);
	case F_FORMAT:
		return json_string(*(const char *const *)p);
	}
	return NULL;
}

static json_t *fields_to_json(const struct field *f, size_t n, const void *base)
{
	json_t *o = json_object();

	for (size_t i = 0; o && i < n; i++)
		if (json_object_set_new(o, f[i].key, field_to_json(&f[i], base)) < 0) {
			json_decref(o);
			return NULL;
		}
	return o;
}

static json_t *disk_to_json(const struct meta_disk *d)
{
	json_t *o = fields_to_json(disk_fields, ARRAY_SIZE(disk_fields), d), *list = json_array();
	bool ok = o && list;

	for (unsigned i = 0; ok && i < d->n_dedicated; i++)
		ok = json_array_append_new(list, json_string(d->dedicated_to[i])) == 0;
	if (ok && json_object_set(o, "dedicated_to", list) == 0) {
		json_decref(list);
		return o;
	}
	json_decref(list);
	json_decref(o);
	return NULL;
}

static json_t *volume_to_json(const struct meta_volume *v)
{
	json_t *o = fields_to_json(volume_fields, ARRAY_SIZE(volume_fields), v), *list = json_array();
	bool ok = o && list;

	for (unsigned i = 0; ok && i < v->slots; i++)
		ok = json_array_append_new(
			     list, fields_to_json(member_fields, ARRAY_SIZE(member_fields), &v->members[i])) == 0;
	if (ok && json_object_set(o, "members", list) == 0) {
		json_decref(list);
		return o;
	}
	json_decref(list);
	json_decref(o);
	return NULL;
}

json_t *meta_view_to_json(const struct meta_view *v)
{
	json_t *o = fields_to_json(view_fields, ARRAY_SIZE(view_fields), v);
	json_t *disks = json_array(), *volumes = json_array();
	bool ok = o && disks && volumes;

	for (size_t i = 0; ok && i < v->n_disks; i++)
		ok = json_array_append_new(disks, disk_to_json(&v->disks[i])) == 0;
	for (size_t i = 0; ok && i < v->n_volumes; i++)
		ok = json_array_append_new(volumes, volume_to_json(&v->volumes[i])) == 0;
	ok = ok && json_object_set(o, "disks", disks) == 0 && json_object_set(o, "volumes", volumes) == 0;
	json_decref(disks);
	json_decref(volumes);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

/* ---- from JSON */

static int word_index(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static int level_from_json(const json_t *j)
{
	if (json_is_null(j))
		return RAID_UNSUPPORTED;
	for (int i = RAID0; json_is_string(j) && raid_level_name(i); i++)
		if (strcmp(raid_level_name(i), json_string_value(j)) == 0)
			return i;
	return -1;
}

static bool integer_in(const json_t *j, json_int_t min, json_int_t max)
{
	return json_is_integer(j) && json_integer_value(j) >= min && json_integer_value(j) <= max;
}

static bool string_from_json(const struct field *f, const json_t *j, char *p)
{
	if (!json_is_string(j) || json_string_length(j) >= f->size)
		return false;
	memcpy(p, json_string_value(j), json_string_length(j) + 1);
	return true;
}

static bool format_from_json(const json_t *j, const char **p)
{
	for (int i = 0; json_is_string(j) && meta_formats[i]; i++)
		if (strcmp(meta_formats[i]->name, json_string_value(j)) == 0) {
			*p = meta_formats[i]->name;
			return true;
		}
	return false;
}

static bool field_from_json(const struct field *f, const json_t *j, void *base)
{
	char *p = (char *)base + f->offset;
	int word;

	switch (f->type) {
	case F_STR:
		return string_from_json(f, j, p);
	case F_BOOL:
		*(bool *)p = json_is_true(j);
		return json_is_boolean(j);
	case F_U32:
		*(uint32_t *)p = (uint32_t)json_integer_value(j);
		return integer_in(j, 0, UINT32_MAX);
	case F_U64:
		*(uint64_t *)p = (uint64_t)json_integer_value(j);
		return integer_in(j, 0, INT64_MAX);
	case F_INT:
		*(int *)p = (int)json_integer_value(j);
		return integer_in(j, 0, INT32_MAX);
	case F_LEVEL:
		word = level_from_json(j);
		*(enum raid_level *)p = MAX(word, 0);
		return word >= 0;
	case F_STATE:
		word = json_is_string(j) ? word_index(member_words, json_string_value(j)) : -1;
		*(enum member_state *)p = MAX(word, 0);
		return word >= 0 && word != MEMBER_STALE;
	case F_FORMAT:
		return format_from_json(j, (const char **)p);
	}
	return false;
}

/* Every field once, and nothing but the fields and n_more keys that the caller reads itself. */
static int fields_from_json(const struct field *f, size_t n, const json_t *o, size_t n_more, void *base, struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, EBADMSG, "a view's part is no object");
	for (size_t i = 0; i < n; i++)
		if (!field_from_json(&f[i], json_object_get(o, f[i].key), base))
			return err_set(e, EBADMSG, "a view's '%s' is missing or wrong", f[i].key);
	if (json_object_size(o) != n + n_more)
		return err_set(e, EBADMSG, "a view has a key that is not known, beside '%s'", f[0].key);
	return 0;
}

static int array_get(const json_t *o, const char *key, size_t max, const json_t **ret, struct err *e)
{
	*ret = json_object_get(o, key);
	if (!json_is_array(*ret) || json_array_size(*ret) > max)
		return err_set(e, EBADMSG, "a view's '%s' is not a list of at most %zu", key, max);
	return 0;
}

static int disk_from_json(const json_t *o, struct meta_disk *d, struct err *e)
{
	static const struct field item = {"dedicated_to", F_STR, 0, META_GUID_MAX};
	const json_t *list = NULL;
	int r;

	r = fields_from_json(disk_fields, ARRAY_SIZE(disk_fields), o, 1, d, e);
	if (r == 0)
		r = array_get(o, "dedicated_to", ARRAY_SIZE(d->dedicated_to), &list, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!string_from_json(&item, json_array_get(list, i), d->dedicated_to[d->n_dedicated++]))
			return err_set(e, EBADMSG, "a view's 'dedicated_to' is wrong");
	return 0;
}

static int volume_from_json(const json_t *o, struct meta_volume *v, struct err *e)
{
	const json_t *list = NULL;
	int r;

	r = fields_from_json(volume_fields, ARRAY_SIZE(volume_fields), o, 1, v, e);
	if (r == 0)
		r = array_get(o, "members", META_SLOTS_MAX, &list, e);
	if (r < 0)
		return r;
	v->slots = (unsigned)json_array_size(list);
	for (unsigned i = 0; i < v->slots && r == 0; i++)
		r = fields_from_json(member_fields, ARRAY_SIZE(member_fields), json_array_get(list, i), 0,
				     &v->members[i], e);
	return r;
}

static int lists_from_json(const json_t *j, struct meta_view *v, struct err *e)
{
	const json_t *disks = NULL, *volumes = NULL;
	int r;

	r = array_get(j, "disks", META_DISKS_MAX, &disks, e);
	if (r == 0)
		r = array_get(j, "volumes", META_VOLUMES_MAX, &volumes, e);
	if (r < 0)
		return r;
	v->disks = calloc(json_array_size(disks) + 1, sizeof(*v->disks));
	v->volumes = calloc(json_array_size(volumes) + 1, sizeof(*v->volumes));
	if (!v->disks || !v->volumes)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < json_array_size(disks) && r == 0; i++)
		r = disk_from_json(json_array_get(disks, i), &v->disks[v->n_disks++], e);
	for (size_t i = 0; i < json_array_size(volumes) && r == 0; i++)
		r = volume_from_json(json_array_get(volumes, i), &v->volumes[v->n_volumes++], e);
	return r;
}

int meta_view_from_json(const json_t *j, struct meta_view **ret, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	r = fields_from_json(view_fields, ARRAY_SIZE(view_fields), j, 2, v, e);
	if (r == 0)
		r = lists_from_json(j, v, e);
	if (r == 0)
		*ret = TAKE_PTR(v);
	return r;
}
