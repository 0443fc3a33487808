// SPDX-License-Identifier: GPL-2.0-or-later
/* The reducer's part about devices: what events and probe answers make of them. */
#include "pipeline/inventory_impl.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_FIRST (10 * NS_PER_SEC) /* from a probe without an answer to the next one; doubled each time */
#define AGAIN_LAST (3600 * NS_PER_SEC)
#define REREAD_PAUSE                                                                                                   \
	(500 * NS_PER_MS) /* a disk that changes all the time is read no more often, and after its last change */

bool device_learn(struct device *d, enum fact_id fact, const struct value *v, bool *changed)
{
	struct device before = *d;

	for (const struct device_text *t = device_texts; t->key; t++) {
		if (t->fact != fact)
			continue;
		*changed = *changed || strcmp(device_text_at(d, t), v->str) != 0;
		snprintf(device_text_at(d, t), t->size, "%s", v->str);
		return true;
	}
	switch ((int)fact) {
	case FACT_DEVICE_SIZE:
		d->size = v->u;
		break;
	case FACT_DEVICE_SECTOR_SIZE:
		d->sector_size = (unsigned)v->u;
		break;
	case FACT_DEVICE_MEDIA:
		d->media = (enum media)v->i;
		break;
	case FACT_DEVICE_READ_ONLY:
		d->read_only = v->b;
		break;
	case FACT_DEVICE_MAINTENANCE:
		d->maintenance = v->b;
		break;
	case FACT_DEVICE_CONTENTS:
		d->contents = (enum contents)v->i;
		break;
	default:
		return false;
	}
	*changed = *changed || d->size != before.size || d->sector_size != before.sector_size ||
		   d->media != before.media || d->read_only != before.read_only ||
		   d->maintenance != before.maintenance || d->contents != before.contents;
	return true;
}

void device_learn_tags(struct inventory *inv, struct device *d)
{
	const char *texts[] = {d->id, d->serial, d->wwn, d->name, d->node};

	free((void *)d->tags);
	d->tags = tags_of(inv->settings->device_tags, inv->settings->n_device_tags, texts, ARRAY_SIZE(texts));
}

static void name_by_id(struct device *d)
{
	snprintf(d->name, sizeof(d->name), "%.*s", (int)sizeof(d->name) - 1, d->id);
}

/* The kernel gives the name of a disk that is away to another one. That is what the name means from then on: the one
 * that is away is called by its identity. */
static void settle_name(struct inventory *inv, struct device *d)
{
	for (size_t i = 0; i < inv->n_devices; i++) {
		struct device *other = inv->devices[i], *away = other->present ? d : other;

		if (other == d || away->present || strcmp(other->name, d->name) != 0)
			continue;
		name_by_id(away);
		away->node[0] = '\0';
		device_learn_tags(inv, away);
	}
}

/* What is read on a path is its map's: the path itself is of no set. Nobody but the map's driver writes to it. */
static bool path_is_of_no_set(struct inventory *inv, struct device *d)
{
	char set[META_GUID_MAX];

	if (!d->is_path || (!d->view && !d->set[0]))
		return false;
	snprintf(set, sizeof(set), "%s", d->set);
	meta_view_free(TAKE_PTR(d->view));
	d->set[0] = d->ref[0] = '\0';
	if (set[0])
		set_refresh(inv, set);
	return true;
}

/* Facts and numbers that the event brings. Returns whether one is new. */
static bool learn_event(struct inventory *inv, struct device *d, const struct event *ev)
{
	const char *node = json_string_value(json_object_get(ev->extra, "node"));
	bool changed = false;

	for (size_t i = 0; i < ev->n_facts; i++) {
		const struct event_fact *f = &ev->facts[i];

		if (fact_table[f->id].from != FROM_INVENTORY || device_learn(d, f->id, &f->v, &changed))
			continue;
		inventory_tell(inv, SORT_DEVICE, d->id, f->id, f->v);
		changed = true;
	}
	if (node && strcmp(node, d->node) != 0) {
		snprintf(d->node, sizeof(d->node), "%s", node);
		changed = true;
	}
	if (json_object_get(ev->extra, "major")) {
		d->major = (unsigned)json_integer_value(json_object_get(ev->extra, "major"));
		d->minor = (unsigned)json_integer_value(json_object_get(ev->extra, "minor"));
	}
	if (ev->extra) {
		const char *fs = json_string_value(json_object_get(ev->extra, "fs-type"));

		d->is_path = fs && strcmp(fs, "mpath_member") == 0;
		device_learn_udev(d, ev->extra);
	}
	if (!d->name[0])
		name_by_id(d);
	if (!d->node[0])
		snprintf(d->node, sizeof(d->node), "/dev/%s", d->name);
	device_learn_tags(inv, d);
	return path_is_of_no_set(inv, d) || changed;
}

/* A medium that is not known to be the one that was read. */
static void not_read(struct device *d)
{
	d->probed = false;
	d->probing = d->probe_late = false;
	d->reread = d->doubted = false;
	d->probe_again = 0;
	d->unanswered = 0;
}

/* A disk that is slow now, as one that spins up or one of a busy machine, is not taken for unreadable for ever. */
static void note_answer(const struct inventory *inv, struct device *d, bool answered)
{
	int64_t wait = AGAIN_FIRST << MIN(d->unanswered, 16U);

	d->unanswered = answered ? 0 : d->unanswered + 1;
	d->answered = inv->now;
	d->as_of = d->asked;
	d->probe_again = answered ? 0 : inv->now + MIN(wait, AGAIN_LAST);
	if (d->reread)
		d->probe_again = inv->now + REREAD_PAUSE;
}

/* It may hold something else now. True if it is to be read at once; else it is when that is due. */
static bool read_again(const struct inventory *inv, struct device *d)
{
	int64_t due = d->answered + REREAD_PAUSE;

	if (!d->probing && (!d->probed || due <= inv->now))
		return true;
	d->reread = true;
	if (!d->probing)
		d->probe_again = due;
	return false;
}

void inventory_probe_again(struct inventory *inv, int64_t boot, void (*fn)(void *u, const char *device), void *u)
{
	for (size_t i = 0; i < inv->n_devices; i++) {
		struct device *d = inv->devices[i];

		if (d->probe_again == 0 || d->probe_again > boot)
			continue;
		d->probe_again = 0;
		fn(u, d->id);
	}
}

/* A member that a running array reads and writes. */
static bool in_use(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];
		int slot = a->running ? array_slot_of(inv, a, d) : -1;
		enum member_state state = slot >= 0 ? array_member_state(inv, a, (unsigned)slot) : MEMBER_EMPTY;

		if (state == MEMBER_IN_SYNC || state == MEMBER_REBUILDING)
			return true;
	}
	return false;
}

/* What runs nobody else writes; our own writes are no news. A disk that is out of its array may have been wiped. */
static bool others_write(const struct inventory *inv, const struct device *d)
{
	const struct disk_set *s = d->set[0] ? set_find(inv, d->set) : NULL;

	return !s || !s->managed || !in_use(inv, d);
}

static unsigned device_came(struct inventory *inv, struct device *d, const struct event *ev, bool *probe, bool *news)
{
	uint64_t diskseq = (uint64_t)json_integer_value(json_object_get(ev->extra, "diskseq"));
	bool same = d->present && diskseq == d->diskseq, known = d->was_present, changed;

	changed = learn_event(inv, d, ev);
	d->diskseq = diskseq;
	d->seen = d->present = true;
	d->was_present = false;
	d->injected = ev->origin == ORIGIN_INJECTED;
	settle_name(inv, d);
	if (!same)
		not_read(d);
	*probe = !d->probed && !d->probing;
	d->doubted = d->doubted && same && others_write(inv, d);
	if (d->doubted)
		*probe = read_again(inv, d);
	*news = !same ? !known : changed;
	inv->version++;
	if (!same && d->set[0])
		set_refresh(inv, d->set);
	return SORT_ALL;
}

static unsigned device_changed(struct inventory *inv, struct device *d, const struct event *ev, bool *probe, bool *news)
{
	const char *node = json_string_value(json_object_get(ev->extra, "node"));
	uint64_t size = d->size;

	/* Of a name that it no longer has: udevd tells the events of two names in any order. */
	if (d->present && node && d->node[0] && strcmp(node, d->node) != 0)
		return 0;
	*news = learn_event(inv, d, ev);
	d->seen = true;
	*probe = ev->extra && (others_write(inv, d) || d->size != size || !d->probed) && read_again(inv, d);
	if (*news) {
		settle_name(inv, d);
		inv->version++;
	}
	return *news ? SORT_ALL : 0;
}

static unsigned device_went(struct inventory *inv, struct device *d, const struct event *ev, bool *news)
{
	const char *node = json_string_value(json_object_get(ev->extra, "node"));

	if (!d->present) { /* known from before the start, and not here now: that is news */
		*news = d->was_present;
		d->was_present = false;
		return *news ? SORT_ALL : 0;
	}
	if (node && d->node[0] && strcmp(node, d->node) != 0) /* it came back under another name before this was told */
		return 0;
	d->present = false;
	d->injected = ev->origin == ORIGIN_INJECTED;
	settle_name(inv, d);
	not_read(d);
	*news = true;
	inv->version++;
	if (d->set[0])
		set_refresh(inv, d->set);
	d->went = MAX(ev->time, 1);
	inv->now = MAX(inv->now, ev->time);
	together_went(inv, d);
	return SORT_ALL;
}

unsigned inventory_event(struct inventory *inv, const struct event *ev, bool *ret_probe, bool *ret_news)
{
	const char *node = json_string_value(json_object_get(ev->extra, "node"));
	bool probe = false, news = true;
	unsigned changed = 0;
	struct device *d = ev->device ? device_find(inv, ev->device) : NULL;

	if (strcmp(ev->kind, "device.added") == 0 && ev->device) {
		d = device_get(inv, ev->device);
		changed = d ? device_came(inv, d, ev, &probe, &news) : 0;
	} else if (strcmp(ev->kind, "device.removed") == 0) {
		if (!d && node)
			d = (struct device *)(uintptr_t)inventory_find_device(inv, node);
		news = false;
		changed = d ? device_went(inv, d, ev, &news) : 0;
	} else if (strcmp(ev->kind, "device.changed") == 0) {
		news = false;
		changed = d ? device_changed(inv, d, ev, &probe, &news) : 0;
	} else if (d) {
		for (size_t i = 0; i < ev->n_facts; i++)
			if (fact_table[ev->facts[i].id].from == FROM_INVENTORY && ev->facts[i].id != FACT_DEVICE_ID)
				changed |= inventory_tell(inv, SORT_DEVICE, d->id, ev->facts[i].id, ev->facts[i].v);
	}
	if (ret_probe)
		*ret_probe = probe;
	if (ret_news)
		*ret_news = news;
	return changed;
}

static void learn_beside(struct device *d, const char *text)
{
	_cleanup_(buf_free) struct buf b = {0};

	if (text)
		value_escape(text, sizeof(d->beside) - 1, &b);
	snprintf(d->beside, sizeof(d->beside), "%s", buf_str(&b));
}

static void learn_contents(struct device *d, const json_t *answer, const char *reason)
{
	const char *word = json_string_value(json_object_get(answer, "contents"));
	const char *name = answer ? json_string_value(json_object_get(answer, "contents-name")) : reason;
	_cleanup_(buf_free) struct buf b = {0};
	struct value v;

	d->contents = word && value_parse(V_ENUM, contents_words, word, &v, NULL) == 0 ? (enum contents)v.i
										       : CONTENTS_UNREADABLE;
	if (name)
		value_escape(name, 0, &b);
	snprintf(d->contents_name, sizeof(d->contents_name), "%s", buf_str(&b));
	learn_beside(d, json_string_value(json_object_get(answer, "beside")));
	device_name_contents(d);
}

unsigned inventory_probed(struct inventory *inv, const char *device_id, const json_t *answer, const char *reason,
			  const char **ret_set)
{
	struct device *d = device_find(inv, device_id);
	const json_t *view = json_object_get(answer, "view");
	char before[META_GUID_MAX];
	struct err e = {0};

	*ret_set = "";
	if (!d || !d->present)
		return 0;
	snprintf(before, sizeof(before), "%s", d->set);
	d->probing = false;
	if (d->probe_late) {
		d->probe_late = false;
		d->probe_again = inv->now;
		return 0;
	}
	d->probed = true;
	d->doubted = false;
	note_answer(inv, d, answer);
	meta_view_free(TAKE_PTR(d->view));
	if (json_is_object(view) && meta_view_from_json(view, &d->view, &e) < 0) {
		answer = NULL;
		reason = e.msg;
	}
	learn_contents(d, answer, reason);
	if (d->is_path)
		meta_view_free(TAKE_PTR(d->view));
	if (d->view) {
		snprintf(d->set, sizeof(d->set), "%s", d->view->set);
		snprintf(d->ref, sizeof(d->ref), "%s", d->view->self);
	} else if (answer) { /* it was read, and holds nothing of a set: whatever it was, it is that no more */
		d->set[0] = d->ref[0] = '\0';
	}
	inv->version++;
	if (before[0])
		set_refresh(inv, before);
	if (d->set[0] && strcmp(before, d->set) != 0)
		set_refresh(inv, d->set);
	*ret_set = d->set;
	return SORT_ALL;
}

void inventory_rescan(struct inventory *inv, bool doubt)
{
	for (size_t i = 0; i < inv->n_devices; i++) {
		inv->devices[i]->seen = false;
		inv->devices[i]->doubted |= doubt;
	}
}

void inventory_unseen(const struct inventory *inv, void (*fn)(void *u, const struct device *d), void *u)
{
	for (size_t i = 0; i < inv->n_devices; i++)
		if (!inv->devices[i]->seen && (inv->devices[i]->present || inv->devices[i]->was_present))
			fn(u, inv->devices[i]);
}
