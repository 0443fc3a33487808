// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/schema.h"

#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int decode_text(const struct field *f, const struct node *n, void *out, struct diag *d)
{
	struct value v;
	struct err e = {0};

	if (f->type == FIELD_NAME && !name_valid(n->text)) {
		diag_error(d, &n->at, "name", "'%s' is not a name", n->text);
		diag_hint(d, "names are lower case: a letter, then letters, digits and '-', at most 64");
		return -EINVAL;
	}
	if (value_parse(V_STRING, NULL, n->text, &v, &e) < 0) {
		diag_error(d, &n->at, "text", "'%s': %s", f->name, e.msg);
		return -EINVAL;
	}
	if (f->max && strlen(n->text) > (size_t)f->max) {
		diag_error(d, &n->at, "length", "'%s' is longer than %" PRId64 " characters", f->name, f->max);
		return -EINVAL;
	}
	*(const char **)out = n->text;
	return 0;
}

static int decode_int(const struct field *f, const struct node *n, void *out, struct diag *d)
{
	struct value v;

	if (value_parse(V_INT, NULL, n->text, &v, NULL) < 0 || ((f->min || f->max) && (v.i < f->min || v.i > f->max))) {
		if (f->min || f->max)
			diag_error(d, &n->at, "integer",
				   "'%s' must be an integer from %" PRId64 " to %" PRId64 ", not '%s'", f->name, f->min,
				   f->max, n->text);
		else
			diag_error(d, &n->at, "integer", "'%s' must be an integer, not '%s'", f->name, n->text);
		return -EINVAL;
	}
	*(int64_t *)out = v.i;
	return 0;
}

/* A number with a unit: of a duration or a size. */
static int64_t number_of(const struct value *v)
{
	return v->type == V_SIZE ? (int64_t)MIN(v->u, (uint64_t)INT64_MAX) : v->i;
}

static void unit_range(const struct field *f, const struct node *n, struct diag *d)
{
	_cleanup_(buf_free) struct buf least = {0}, most = {0};
	bool size = f->type == FIELD_SIZE;
	struct value min = size ? value_size((uint64_t)f->min) : value_duration(f->min);
	struct value max = size ? value_size((uint64_t)f->max) : value_duration(f->max);

	value_print(&min, VALUE_CANONICAL, &least);
	value_print(&max, VALUE_CANONICAL, &most);
	if (f->max)
		diag_error(d, &n->at, "range", "'%s' must be from %s to %s, not '%s'", f->name, buf_str(&least),
			   buf_str(&most), n->text);
	else
		diag_error(d, &n->at, "range", "'%s' must be at least %s, not '%s'", f->name, buf_str(&least), n->text);
}

static int decode_typed(const struct field *f, enum value_type type, const struct node *n, struct value *v,
			struct diag *d)
{
	struct err e = {0};

	if (value_parse(type, NULL, n->text, v, &e) == 0)
		return 0;
	if (strncmp(e.msg, "needs ", 6) == 0)
		diag_error(d, &n->at, "unit", "'%s' %s", f->name, e.msg);
	else
		diag_error(d, &n->at, value_type_name(type), "%s", e.msg);
	return -EINVAL;
}

static int decode_word(const struct field *f, const struct node *n, void *out, struct diag *d)
{
	_cleanup_(buf_free) struct buf all = {0};
	const char *near;

	for (int i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], n->text) == 0) {
			*(int *)out = i;
			return 0;
		}
		buf_addf(&all, "%s%s", i ? ", " : "", f->words[i]);
	}
	diag_error(d, &n->at, "word", "'%s' is not a value of '%s' (%s)", n->text, f->name, buf_str(&all));
	near = suggest(n->text, f->words);
	if (near)
		diag_hint(d, "did you mean '%s'?", near);
	return -EINVAL;
}

static int decode_strings(const struct field *f, const struct node *n, struct arena *a, struct strings *out,
			  struct diag *d)
{
	int r = 0;

	if (n->kind == NODE_MAP) {
		diag_error(d, &n->at, "type", "'%s' must be a text or a list of texts, not a mapping", f->name);
		return -EINVAL;
	}
	*out = (struct strings){0};
	if (n->kind == NODE_SCALAR) {
		out->nodes = arena_array(a, const struct node *, 1);
		out->nodes[out->n++] = n;
		return 0;
	}
	out->nodes = arena_array(a, const struct node *, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		if (n->items[i]->kind != NODE_SCALAR || node_is_null(n->items[i])) {
			diag_error(d, &n->items[i]->at, "type", "'%s' takes a list of texts, not %s", f->name,
				   node_kind_name(n->items[i]));
			r = -EINVAL;
			continue;
		}
		out->nodes[out->n++] = n->items[i];
	}
	return r;
}

int field_decode(const struct field *f, const struct node *n, struct arena *a, void *out, struct diag *d)
{
	struct value v;
	int r;

	if (node_is_null(n)) {
		diag_error(d, &n->at, "null", "'%s' has no value", f->name);
		return -EINVAL;
	}
	if (f->type == FIELD_NODE) {
		*(const struct node **)out = n;
		return 0;
	}
	if (f->type == FIELD_STRINGS)
		return decode_strings(f, n, a, out, d);
	if (n->kind != NODE_SCALAR) {
		diag_error(d, &n->at, "type", "'%s' must be a text, not %s", f->name, node_kind_name(n));
		return -EINVAL;
	}
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_NAME:
		return decode_text(f, n, out, d);
	case FIELD_INT:
		return decode_int(f, n, out, d);
	case FIELD_WORD:
		return decode_word(f, n, out, d);
	case FIELD_BOOL:
		r = decode_typed(f, V_BOOL, n, &v, d);
		if (r == 0)
			*(bool *)out = v.b;
		return r;
	default:
		r = decode_typed(f, f->type == FIELD_SIZE ? V_SIZE : V_DURATION, n, &v, d);
		if (r == 0 && (number_of(&v) < f->min || (f->max && number_of(&v) > f->max))) {
			unit_range(f, n, d);
			r = -EINVAL;
		}
		if (r == 0)
			*(int64_t *)out = number_of(&v);
		return r;
	}
}

static const char *next_field(const void *u, size_t i)
{
	return ((const struct field *)u)[i].name;
}

static void unknown_key(const struct schema *s, const struct node *key, const char *name, struct diag *d)
{
	const char *near = suggest_from(key->text, next_field, s->fields);
	_cleanup_(buf_free) struct buf where = {0};

	if (name)
		buf_addf(&where, " in %s '%s'", s->what, name);
	else
		buf_addf(&where, " in '%s'", s->what);
	diag_error(d, &key->at, "unknown-key", "unknown key '%s'%s", key->text, buf_str(&where));
	for (const struct retired *old = s->retired; old && old->word; old++) {
		if (strcmp(old->word, key->text) == 0) {
			diag_hint(d, "%s", old->hint);
			return;
		}
	}
	if (near)
		diag_hint(d, "did you mean '%s'?", near);
}

int schema_decode(const struct schema *s, const struct node *map, const char *name, struct arena *a, void *out,
		  struct diag *d)
{
	int r = 0;

	if (map->kind != NODE_MAP) {
		diag_error(d, &map->at, "type", "'%s' must be a mapping, not %s", s->what, node_kind_name(map));
		return -EINVAL;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct field *f = s->fields;

		while (f->name && strcmp(f->name, map->keys[i]->text) != 0)
			f++;
		if (!f->name) {
			unknown_key(s, map->keys[i], name, d);
			r = -EINVAL;
		} else if (field_decode(f, map->items[i], a, (char *)out + f->offset, d) < 0) {
			r = -EINVAL;
		}
	}
	for (const struct field *f = s->fields; f->name; f++) {
		if (!f->required || node_get(map, f->name))
			continue;
		if (name)
			diag_error(d, &map->at, "missing-key", "%s '%s' has no '%s'", s->what, name, f->name);
		else
			diag_error(d, &map->at, "missing-key", "'%s' needs '%s'", s->what, f->name);
		r = -EINVAL;
	}
	return r;
}
