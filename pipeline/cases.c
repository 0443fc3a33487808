// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/cases.h"

#include "core/clock.h"
#include "core/list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NOTES_MAX = 16, CASES_MAX = 1024 };

#define QUIET_NS (3600 * NS_PER_SEC)

struct sick {
	struct list link;
	char device[DEVICE_ID_MAX], name[32];
	char array[META_GUID_MAX + 8];
	int slot;
	char why[PLAN_REASON_MAX];
	int64_t opened;	    /* wall */
	int64_t last, seen; /* of the last sign of sickness: wall, boot */
	int64_t errors;
	size_t n_notes;
	struct {
		int64_t wall;
		char text[120];
	} notes[NOTES_MAX];
};

struct cases {
	struct list open;
	size_t n;
};

int cases_new(struct cases **ret)
{
	struct cases *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	list_init(&c->open);
	*ret = c;
	return 0;
}

static void drop(struct cases *c, struct sick *s)
{
	list_remove(&s->link);
	c->n--;
	free(s);
}

void cases_clear(struct cases *c)
{
	struct sick *s;

	list_foreach (s, &c->open, link)
		drop(c, s);
}

void cases_free(struct cases *c)
{
	if (c)
		cases_clear(c);
	free(c);
}

static struct sick *find(const struct cases *c, const char *device)
{
	struct sick *s;

	list_foreach (s, &c->open, link)
		if (strcmp(s->device, device) == 0)
			return s;
	return NULL;
}

static json_t *row(const struct sick *s, int64_t closed)
{
	json_t *notes = json_array();

	for (size_t i = 0; i < s->n_notes; i++)
		json_array_append_new(
			notes, json_pack("{s:I s:s}", "wall", (json_int_t)s->notes[i].wall, "text", s->notes[i].text));
	return json_pack("{s:s s:s s:s s:i s:I s:s s:I s:I s:o s:I}", "device", s->device, "name", s->name, "array",
			 s->array, "slot", s->slot, "opened", (json_int_t)s->opened, "why", s->why, "errors",
			 (json_int_t)s->errors, "last", (json_int_t)s->last, "notes", notes, "closed",
			 (json_int_t)closed);
}

static void store_row(const struct sick *s, int64_t closed, void (*store)(void *u, const json_t *row), void *u)
{
	json_t *j = row(s, closed);

	if (j)
		store(u, j);
	json_decref(j);
}

/* Where the device serves, for the moment at which it no longer does. */
static void note_place(struct sick *s, const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; i < inventory_arrays(inv); i++) {
		const struct array *a = inventory_array_at(inv, i);
		int slot = array_slot_of(inv, a, d);

		if (slot < 0)
			continue;
		snprintf(s->array, sizeof(s->array), "%s", a->id);
		s->slot = slot;
		return;
	}
}

static struct sick *open_case(struct cases *c, const struct inventory *inv, const struct device *d,
			      const struct event *ev)
{
	struct sick *s;

	if (c->n >= CASES_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->device, sizeof(s->device), "%s", d->id);
	snprintf(s->name, sizeof(s->name), "%s", d->name);
	s->slot = -1;
	s->opened = ev->wall;
	note_place(s, inv, d);
	list_insert(&c->open, &s->link);
	c->n++;
	return s;
}

/* Kinds that are signs of sickness. */
static const struct {
	const char *kind, *why;
} signs[] = {
	{"block.error", "I/O errors"},
	{"device.removed", "it went away"},
	{"array.member-failed", "it failed as a member"},
	{"spare.lost", "it was lost as a spare"},
};

void cases_event(struct cases *c, struct inventory *inv, const struct event *ev,
		 void (*store)(void *u, const json_t *row), void *u)
{
	const struct device *d = ev->device ? inventory_device(inv, ev->device) : NULL;
	const char *why = NULL;
	struct sick *s;
	bool fresh;

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (strcmp(signs[i].kind, ev->kind) == 0)
			why = signs[i].why;
	if (!d || !why)
		return;
	s = find(c, d->id);
	fresh = !s;
	if (!s && (device_role(inv, d) == ROLE_MEMBER || device_role(inv, d) == ROLE_SPARE ||
		   strncmp(ev->kind, "array.", 6) == 0)) {
		s = open_case(c, inv, d, ev);
		if (s)
			snprintf(s->why, sizeof(s->why), "%s", why);
	}
	if (!s)
		return;
	s->last = ev->wall;
	s->seen = ev->time;
	if (ev->array) {
		snprintf(s->array, sizeof(s->array), "%s", ev->array);
		s->slot = ev->slot;
	}
	if (strcmp(ev->kind, "block.error") == 0) {
		s->errors += ev->count;
		inventory_errors(inv, d->id, s->errors);
	}
	if (fresh)
		store_row(s, 0, store, u);
}

void cases_note(struct cases *c, const char *device, int64_t wall, const char *text)
{
	struct sick *s = find(c, device);

	if (!s)
		return;
	if (s->n_notes == NOTES_MAX) /* the first one tells how it began and is kept */
		memmove(&s->notes[1], &s->notes[2], (--s->n_notes - 1) * sizeof(s->notes[0]));
	s->notes[s->n_notes].wall = wall;
	snprintf(s->notes[s->n_notes].text, sizeof(s->notes[0].text), "%s", text);
	s->n_notes++;
}

static bool over(const struct sick *s, const struct inventory *inv, int64_t boot)
{
	const struct device *d = inventory_device(inv, s->device);
	const struct array *a = s->array[0] ? inventory_array(inv, s->array) : NULL;
	int slot = a && d ? array_slot_of(inv, a, d) : -1;

	if (a && slot < 0 && s->slot >= 0 && a->volume && (unsigned)s->slot < a->volume->slots)
		return array_member_state(inv, a, (unsigned)s->slot) == MEMBER_IN_SYNC; /* replaced */
	if (!d || !d->present || boot - s->seen < QUIET_NS)
		return false;
	return slot < 0 || array_member_state(inv, a, (unsigned)slot) == MEMBER_IN_SYNC;
}

void cases_settle(struct cases *c, struct inventory *inv, int64_t boot, int64_t wall,
		  void (*store)(void *u, const json_t *row), void *u)
{
	struct sick *s;

	list_foreach (s, &c->open, link) {
		if (!over(s, inv, boot))
			continue;
		inventory_errors(inv, s->device, 0);
		store_row(s, wall, store, u);
		drop(c, s);
	}
}

bool cases_deadline(const struct cases *c, int64_t *ret_boot)
{
	struct sick *s;
	bool any = false;

	list_foreach (s, &c->open, link) {
		if (any && s->seen + QUIET_NS >= *ret_boot)
			continue;
		*ret_boot = s->seen + QUIET_NS;
		any = true;
	}
	return any;
}

json_t *cases_to_json(const struct cases *c)
{
	json_t *list = json_array();
	struct sick *s;

	list_foreach (s, &c->open, link)
		json_array_append_new(list, row(s, 0));
	return list;
}

json_t *cases_save(const struct cases *c, int64_t boot)
{
	json_t *list = json_array();
	struct sick *s;

	list_foreach (s, &c->open, link) {
		json_t *j = row(s, 0);

		json_object_set_new(j, "age", json_integer(boot - s->seen));
		json_array_append_new(list, j);
	}
	return list;
}

static int restore_one(struct cases *c, struct inventory *inv, const json_t *j, int64_t boot, struct err *e)
{
	const char *device, *name, *array, *why;
	json_int_t opened, errors, last, age = 0, closed = 0;
	json_t *notes, *note;
	struct sick *s;
	json_error_t je;
	int slot;
	size_t i;

	if (json_unpack_ex((json_t *)j, &je, 0, "{s:s s:s s:s s:i s:I s:s s:I s:I s:o s:I s?I}", "device", &device,
			   "name", &name, "array", &array, "slot", &slot, "opened", &opened, "why", &why, "errors",
			   &errors, "last", &last, "notes", &notes, "closed", &closed, "age", &age) < 0)
		return err_set(e, EINVAL, "saved case: %s", je.text);
	s = c->n < CASES_MAX ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return err_sys(e, ENOMEM, "cases");
	snprintf(s->device, sizeof(s->device), "%s", device);
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->array, sizeof(s->array), "%s", array);
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->slot = slot;
	s->opened = opened;
	s->errors = errors;
	s->last = last;
	s->seen = boot - age;
	list_insert(&c->open, &s->link);
	c->n++;
	json_array_foreach(notes, i, note)
	{
		const char *text = json_string_value(json_object_get(note, "text"));

		if (text)
			cases_note(c, device, json_integer_value(json_object_get(note, "wall")), text);
	}
	inventory_errors(inv, device, errors);
	return 0;
}

int cases_restore(struct cases *c, struct inventory *inv, const json_t *j, int64_t boot, struct err *e)
{
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)j, i, item) if (r == 0) r = restore_one(c, inv, item, boot, e);
	return r;
}
