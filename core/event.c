// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of a storm's events each is made by this: no printf; malloc, for glibc keeps nothing at hand for calloc; and each
 * field by itself, for GCC clears the whole by one instruction, which takes longer. */
static void take_word(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

struct event *event_new(const char *kind, const char *source, enum origin origin)
{
	struct event *ev = malloc(sizeof(*ev));

	if (!ev)
		return NULL;
	ev->seq = 0;
	ev->time = ev->wall = 0;
	ev->origin = origin;
	ev->count = 1;
	ev->generation = 0;
	ev->cause[0] = '\0';
	ev->device = ev->array = ev->snapshot = ev->map = NULL;
	ev->slot = -1;
	ev->extra = NULL;
	ev->facts = ev->few;
	ev->n_facts = 0;
	take_word(ev->kind, sizeof(ev->kind), kind);
	take_word(ev->source, sizeof(ev->source), source);
	return ev;
}

static void drop_value(struct value *v)
{
	if (v->type == V_STRING)
		free((void *)v->str);
}

void event_free(struct event *ev)
{
	if (!ev)
		return;
	for (size_t i = 0; i < ev->n_facts; i++)
		drop_value(&ev->facts[i].v);
	free(ev->device);
	free(ev->array);
	free(ev->snapshot);
	free(ev->map);
	json_decref(ev->extra);
	if (ev->facts != ev->few)
		free(ev->facts);
	free(ev);
}

/* A place for one fact more. 0, -ENOMEM or -ENOSPC. */
static int make_room(struct event *ev)
{
	if (ev->n_facts == EVENT_FACTS_MAX)
		return -ENOSPC;
	if (ev->n_facts != EVENT_FACTS_FEW)
		return 0;
	ev->facts = malloc(EVENT_FACTS_MAX * sizeof(*ev->facts));
	if (!ev->facts) {
		ev->facts = ev->few;
		return -ENOMEM;
	}
	memcpy(ev->facts, ev->few, sizeof(ev->few));
	return 0;
}

int event_set(struct event *ev, enum fact_id id, struct value v)
{
	struct event_fact *slot = NULL;
	int r = 0;

	if (v.type == V_STRING) {
		v.str = strdup(v.str);
		if (!v.str)
			return -ENOMEM;
	}
	for (size_t i = 0; i < ev->n_facts; i++)
		if (ev->facts[i].id == id)
			slot = &ev->facts[i];
	if (slot)
		drop_value(&slot->v);
	else
		r = make_room(ev);
	if (r < 0) {
		drop_value(&v);
		return r;
	}
	if (!slot)
		slot = &ev->facts[ev->n_facts++];
	slot->id = id;
	slot->v = v;
	return 0;
}

/* What every event has. */
static void bind_envelope(const struct event *ev, struct facts *f)
{
	f->v[FACT_EVENT_KIND] = value_str(ev->kind);
	f->v[FACT_EVENT_SEQ] = value_int((int64_t)ev->seq);
	f->v[FACT_EVENT_TIME] = value_time(ev->wall);
	f->v[FACT_EVENT_SOURCE] = value_str(ev->source);
	f->v[FACT_EVENT_ORIGIN] = fact_enum(FACT_EVENT_ORIGIN, (int)ev->origin);
	f->v[FACT_EVENT_COUNT] = value_int(ev->count);
	f->v[FACT_EVENT_GENERATION] = value_int(ev->generation);
}

struct value event_get(const struct event *ev, enum fact_id id)
{
	struct facts f;

	if (id <= FACT_EVENT_GENERATION) {
		bind_envelope(ev, &f);
		return f.v[id];
	}
	for (size_t i = 0; i < ev->n_facts; i++)
		if (ev->facts[i].id == id)
			return ev->facts[i].v;
	return VALUE_NONE;
}

void event_bind(const struct event *ev, struct facts *f)
{
	bind_envelope(ev, f);
	for (size_t i = 0; i < ev->n_facts; i++)
		f->v[ev->facts[i].id] = ev->facts[i].v;
}

json_t *fact_to_json(const struct value *v)
{
	_cleanup_(buf_free) struct buf b = {0};

	switch (v->type) {
	case V_BOOL:
		return json_boolean(v->b);
	case V_INT:
	case V_DURATION:
	case V_TIME:
		return json_integer(v->i);
	case V_SIZE:
	case V_RATE:
		return json_integer((json_int_t)v->u);
	case V_NUMBER:
	case V_PERCENT:
		return json_real(v->d);
	case V_ENUM:
		return json_string(v->words[v->i]);
	case V_STRING:
		value_escape(v->str, 0, &b);
		return json_string(buf_str(&b));
	case V_NONE:
	case V_SET:
		break;
	}
	return json_null();
}

static void set_if(json_t *j, const char *key, const char *s)
{
	if (s && *s)
		json_object_set_new(j, key, json_string(s));
}

json_t *event_to_json(const struct event *ev)
{
	json_t *facts = json_object();
	json_t *j =
		json_pack("{s:i s:I s:I s:I s:s s:s s:s s:i s:i}", "v", 1, "seq", (json_int_t)ev->seq, "time",
			  (json_int_t)ev->time, "wall", (json_int_t)ev->wall, "kind", ev->kind, "source", ev->source,
			  "origin", origin_words[ev->origin], "count", ev->count, "generation", ev->generation);

	set_if(j, "cause", ev->cause);
	set_if(j, "device", ev->device);
	set_if(j, "array", ev->array);
	set_if(j, "snapshot", ev->snapshot);
	set_if(j, "map", ev->map);
	if (ev->slot >= 0)
		json_object_set_new(j, "slot", json_integer(ev->slot));
	for (size_t i = 0; i < ev->n_facts; i++)
		json_object_set_new(facts, fact_table[ev->facts[i].id].name, fact_to_json(&ev->facts[i].v));
	json_object_set_new(j, "facts", facts);
	if (ev->extra)
		json_object_set(j, "extra", ev->extra);
	return j;
}

int fact_from_json(enum fact_id id, const json_t *j, struct value *ret, struct err *e)
{
	const struct fact_desc *d = &fact_table[id];

	switch (d->type) {
	case V_BOOL:
		if (!json_is_boolean(j))
			break;
		*ret = value_bool(json_is_true(j));
		return 0;
	case V_INT:
	case V_DURATION:
	case V_TIME:
	case V_SIZE:
	case V_RATE:
		if (!json_is_integer(j))
			break;
		*ret = (struct value){.type = d->type, .i = json_integer_value(j)};
		return 0;
	case V_NUMBER:
	case V_PERCENT:
		if (!json_is_number(j))
			break;
		*ret = (struct value){.type = d->type, .d = json_number_value(j)};
		return 0;
	case V_STRING:
		if (!json_is_string(j))
			break;
		*ret = value_str(json_string_value(j));
		return 0;
	case V_ENUM:
		if (!json_is_string(j))
			break;
		return value_parse(V_ENUM, d->words, json_string_value(j), ret, e);
	case V_NONE:
	case V_SET:
		break;
	}
	return err_set(e, EINVAL, "%s must be of type %s", d->name, value_type_name(d->type));
}

static int facts_from_json(struct event *ev, const json_t *facts, struct err *e)
{
	const char *name;
	json_t *item;

	json_object_foreach((json_t *)facts, name, item)
	{
		struct value v;
		int id = fact_lookup(name), r;

		if (id < 0 || fact_table[id].from == FROM_MATCH)
			return err_set(e, EINVAL, "unknown fact '%s'", name);
		r = fact_from_json((enum fact_id)id, item, &v, e);
		if (r < 0)
			return r;
		r = event_set(ev, (enum fact_id)id, v);
		if (r < 0)
			return err_sys(e, -r, "event with too many facts");
	}
	return 0;
}

static int copy_if(const char *s, char **ret)
{
	if (!s)
		return 0;
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

int event_from_json(const json_t *j, struct event **ret, struct err *e)
{
	const char *kind, *source = "control", *origin = origin_words[ORIGIN_KERNEL], *cause = "";
	const char *device = NULL, *array = NULL, *snapshot = NULL, *map = NULL;
	_cleanup_(event_freep) struct event *ev = NULL;
	json_int_t seq = 0, time = 0, wall = 0;
	int v = 1, count = 1, generation = 0, slot = -1, r;
	json_t *facts = NULL, *extra = NULL;
	struct value word;
	json_error_t je;

	if (json_unpack_ex((json_t *)j, &je, JSON_STRICT,
			   "{s?i s?I s?I s?I s:s s?s s?s s?i s?i s?s s?s s?s s?s s?s s?i s?o s?o}", "v", &v, "seq",
			   &seq, "time", &time, "wall", &wall, "kind", &kind, "source", &source, "origin", &origin,
			   "count", &count, "generation", &generation, "cause", &cause, "device", &device, "array",
			   &array, "snapshot", &snapshot, "map", &map, "slot", &slot, "facts", &facts, "extra",
			   &extra) < 0)
		return err_set(e, EINVAL, "event: %s", je.text);
	if (v != 1)
		return err_set(e, EINVAL, "event of version %d, this is version 1", v);
	if (!kind_valid(kind))
		return err_set(e, EINVAL, "'%.64s' is not an event kind (two words joined by a dot)", kind);
	if (count < 1 || slot < -1)
		return err_set(e, EINVAL, "event with count %d, slot %d", count, slot);
	r = value_parse(V_ENUM, origin_words, origin, &word, e);
	if (r < 0)
		return err_prefix(e, "event origin");
	ev = event_new(kind, source, (enum origin)word.i);
	if (!ev)
		return err_sys(e, ENOMEM, "event");
	ev->seq = (uint64_t)seq;
	ev->time = time;
	ev->wall = wall;
	ev->count = count;
	ev->generation = generation;
	ev->slot = slot;
	snprintf(ev->cause, sizeof(ev->cause), "%s", cause);
	ev->extra = json_incref(extra);
	if (copy_if(device, &ev->device) < 0 || copy_if(array, &ev->array) < 0 ||
	    copy_if(snapshot, &ev->snapshot) < 0 || copy_if(map, &ev->map) < 0)
		return err_sys(e, ENOMEM, "event");
	r = facts ? facts_from_json(ev, facts, e) : 0;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ev);
	return 0;
}
