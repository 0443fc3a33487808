// SPDX-License-Identifier: GPL-2.0-or-later
/* Facts of events and subjects: the contexts that conditions are tested in. */
#include "rules/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int bind_room(struct engine *e, size_t n)
{
	struct bound *more;

	if (n <= e->cap_bound)
		return 0;
	more = reallocarray(e->bound, n + 8, sizeof(*more));
	if (!more)
		return -ENOMEM;
	e->bound = more;
	e->cap_bound = n + 8;
	/* The sets of marks are inside: they have moved. */
	for (size_t i = 0; i < e->n_bound; i++) {
		e->bound[i].marks.words = e->bound[i].mark_words;
		if (e->bound[i].marks.n)
			e->bound[i].f.v[FACT_DEVICE_MARKS] = value_set(&e->bound[i].marks);
	}
	return 0;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_mark(struct bound *b, const char *word)
{
	for (size_t i = 0; i < b->marks.n; i++)
		if (strcmp(b->mark_words[i], word) == 0)
			return;
	if (b->marks.n < MARKS_MAX)
		b->mark_words[b->marks.n++] = word;
}

/* The engine's marks join those that the world has. */
static void bind_marks(struct engine *e, struct bound *b)
{
	const struct value *id = &b->f.v[FACT_DEVICE_ID], *old = &b->f.v[FACT_DEVICE_MARKS];
	bool any = false;

	b->marks = (struct strset){.words = b->mark_words};
	if (id->type != V_STRING)
		return;
	for (const struct mark *m = e->marks; m; m = m->next)
		any |= strcmp(m->device, id->str) == 0;
	if (!any)
		return;
	for (size_t i = 0; old->type == V_SET && i < old->set->n; i++)
		add_mark(b, old->set->words[i]);
	for (const struct mark *m = e->marks; m; m = m->next)
		if (strcmp(m->device, id->str) == 0)
			add_mark(b, m->as);
	qsort(b->mark_words, b->marks.n, sizeof(const char *), compare_words);
	b->f.v[FACT_DEVICE_MARKS] = value_set(&b->marks);
}

bool bind_subject(struct engine *e, enum subject_sort sort, const char *id, struct bound *b)
{
	memset(&b->f, 0, sizeof(b->f));
	b->f.calendars = e->calendars;
	if (!e->o.world->bind(e->o.world_u, sort, id, &b->f))
		return false;
	bind_marks(e, b);
	return true;
}

static void bind_identity(const struct event *ev, struct facts *f)
{
	if (ev->device && f->v[FACT_DEVICE_ID].type == V_NONE)
		f->v[FACT_DEVICE_ID] = value_str(ev->device);
	if (ev->array && f->v[FACT_ARRAY_ID].type == V_NONE)
		f->v[FACT_ARRAY_ID] = value_str(ev->array);
	if (ev->snapshot && f->v[FACT_SNAPSHOT_ID].type == V_NONE)
		f->v[FACT_SNAPSHOT_ID] = value_str(ev->snapshot);
}

void bind_begin(struct engine *e, const struct event *ev)
{
	e->event = ev;
	e->n_bound = 0;
	e->members_bound = false;
}

void bind_end(struct engine *e)
{
	if (e->light_bound)
		for (size_t i = 0; i < e->event->n_facts; i++)
			e->light.f.v[e->event->facts[i].id].type = V_NONE;
	e->light.f.v[FACT_DEVICE_ID].type = V_NONE;
	e->light_bound = false;
	e->event = NULL;
}

/* bound[0], which there always is. */
static void bind_event(struct engine *e)
{
	const struct world_ops *world = e->o.world;
	const struct event *ev = e->event;
	struct bound *b;

	if (e->n_bound > 0)
		return;
	e->n_bound = 1;
	b = &e->bound[0];
	memset(&b->f, 0, sizeof(b->f));
	b->f.calendars = e->calendars;
	if (ev->array && ev->slot >= 0) {
		buf_clear(&e->scratch);
		buf_addf(&e->scratch, "%s/%d", ev->array, ev->slot);
		if (!world->bind(e->o.world_u, SORT_MEMBER, buf_str(&e->scratch), &b->f))
			world->bind(e->o.world_u, SORT_ARRAY, ev->array, &b->f);
	} else if (ev->array) {
		world->bind(e->o.world_u, SORT_ARRAY, ev->array, &b->f);
	}
	if (ev->snapshot)
		world->bind(e->o.world_u, SORT_SNAPSHOT, ev->snapshot, &b->f);
	if (ev->device)
		world->bind(e->o.world_u, SORT_DEVICE, ev->device, &b->f);
	bind_marks(e, b);
	event_bind(ev, &b->f);
	bind_identity(ev, &b->f);
}

/* An event of a device alone: the world could only say more of it, nothing else. */
static bool is_plain(const struct event *ev)
{
	return ev->device && !ev->array && !ev->snapshot;
}

static struct bound *bind_light(struct engine *e)
{
	if (e->light_bound)
		return &e->light;
	e->light_bound = true;
	e->light.f.calendars = e->calendars;
	event_bind(e->event, &e->light.f);
	bind_identity(e->event, &e->light.f);
	return &e->light;
}

void bind_all(struct engine *e, struct bound **b)
{
	if (b[0] != &e->light)
		return;
	bind_event(e);
	b[0] = &e->bound[0];
}

struct value bind_fact(struct engine *e, enum fact_id fact)
{
	const struct event *ev = e->event;
	struct value own = e->n_bound == 0 ? event_get(ev, fact) : VALUE_NONE;

	if (own.type != V_NONE)
		return own;
	if (e->n_bound == 0 && fact == FACT_DEVICE_ID && is_plain(ev))
		return value_str(ev->device);
	bind_event(e);
	return e->bound[0].f.v[fact];
}

static int add_membership(void *u, const char *member)
{
	struct engine *e = u;

	if (bind_room(e, e->n_bound + 1) < 0)
		return -ENOMEM;
	e->n_bound++;
	if (!bind_subject(e, SORT_MEMBER, member, &e->bound[e->n_bound - 1]))
		e->n_bound--;
	return 0;
}

int bind_memberships(struct engine *e, const char *device)
{
	return e->o.world->memberships(e->o.world_u, device, add_membership, e);
}

/* Of a path event the map is the member; the device is still the path. */
static const char *map_of(const struct event *ev, const struct facts *f)
{
	const struct value *map = &f->v[FACT_PATH_MAP];

	return strncmp(ev->kind, "path.", 5) == 0 && map->type == V_STRING ? map->str : NULL;
}

void bind_members(struct engine *e)
{
	const struct event *ev = e->event;
	const char *map;

	bind_event(e);
	if (!ev->device || ev->array || e->members_bound)
		return;
	e->members_bound = true;
	map = map_of(ev, &e->bound[0].f);
	bind_memberships(e, map ? map : ev->device);
	for (size_t i = 1; i < e->n_bound; i++) {
		if (map) {
			e->o.world->bind(e->o.world_u, SORT_DEVICE, ev->device, &e->bound[i].f);
			bind_marks(e, &e->bound[i]);
		}
		event_bind(ev, &e->bound[i].f);
		bind_identity(ev, &e->bound[i].f);
	}
}

size_t bind_contexts(struct engine *e, const struct rule *r, struct bound **ret)
{
	*ret = e->bound;
	if (!r->asks_world && !e->inhibitions && is_plain(e->event)) {
		*ret = bind_light(e);
		return 1;
	}
	bind_event(e);
	if (r->memberships)
		bind_members(e);
	if (r->memberships && e->n_bound > 1) {
		*ret = &e->bound[1];
		return e->n_bound - 1;
	}
	*ret = e->bound;
	return 1;
}

bool key_text(const struct key_facts *per, const struct facts *f, struct buf *out)
{
	bool known = true;

	buf_clear(out);
	for (size_t i = 0; i < per->n; i++) {
		if (i > 0)
			buf_addc(out, '\x1f');
		known &= f->v[per->f[i]].type != V_NONE;
		value_print(&f->v[per->f[i]], VALUE_CANONICAL, out);
	}
	return known;
}

void key_show(const char *key, struct buf *out)
{
	for (; *key; key++)
		buf_add(out, *key == '\x1f' ? "," : (char[]){*key, '\0'});
}

struct bound *bind_asked(struct engine *e, const struct rule *r, enum subject_sort sort, const char *id)
{
	if (bind_room(e, 1) < 0)
		return NULL;
	e->event = NULL;
	e->n_bound = 1;
	if (!bind_subject(e, sort, id, &e->bound[0]))
		return NULL;
	if (sort != SORT_DEVICE || !r->memberships)
		return &e->bound[0];
	bind_memberships(e, id);
	for (size_t i = 1; i < e->n_bound; i++) {
		key_text(&r->subject, &e->bound[i].f, &e->key);
		if (table_find(&e->watches, r->index, buf_str(&e->key)))
			return &e->bound[i];
	}
	return &e->bound[e->n_bound > 1];
}
