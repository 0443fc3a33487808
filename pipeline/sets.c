// SPDX-License-Identifier: GPL-2.0-or-later
/* What the metadata of several disks say together: sets, arrays, slots. */
#include "pipeline/inventory_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void array_free(struct array *a)
{
	if (!a)
		return;
	free((void *)a->tags);
	free(a->member_ids);
	free(a->cache);
	free(a);
}

void set_free(struct disk_set *s)
{
	if (!s)
		return;
	meta_view_free(s->view);
	free(s);
}

struct strset *strset_new(const char *const *words, size_t n)
{
	size_t bytes = sizeof(struct strset) + n * sizeof(char *);
	struct strset *s;
	char *text;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(words[i]) + 1;
	s = calloc(1, bytes);
	if (!s)
		return NULL;
	s->words = (const char **)(s + 1);
	text = (char *)(s->words + n);
	for (size_t i = 0; i < n; i++) {
		size_t at = s->n;

		while (at > 0 && strcmp(s->words[at - 1], words[i]) > 0)
			at--;
		if (at > 0 && strcmp(s->words[at - 1], words[i]) == 0)
			continue;
		memmove(&s->words[at + 1], &s->words[at], (s->n - at) * sizeof(char *));
		s->words[at] = memcpy(text, words[i], strlen(words[i]) + 1);
		s->n++;
		text += strlen(words[i]) + 1;
	}
	return s;
}

const struct strset *tags_of(const struct setting_group *groups, size_t n, const char *const *texts, size_t n_texts)
{
	const char *words[64];
	size_t n_words = 0;

	for (size_t g = 0; g < n; g++) {
		bool hit = false;

		for (size_t i = 0; i < n_texts && !hit; i++)
			hit = texts[i][0] && glob_match(groups[g].pattern, texts[i]);
		for (size_t i = 0; hit && i < groups[g].n && n_words < ARRAY_SIZE(words); i++)
			words[n_words++] = groups[g].words[i];
	}
	return n_words ? strset_new(words, n_words) : NULL;
}

const char *device_pool(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; d->tags && i < inv->settings->n_pools; i++)
		if (strset_has(d->tags, inv->settings->pools[i].pattern))
			return inv->settings->pools[i].pattern;
	return NULL;
}

bool pool_serves(const struct inventory *inv, const char *pool, const struct array *a)
{
	for (size_t i = 0; i < inv->settings->n_pools; i++) {
		const struct setting_group *g = &inv->settings->pools[i];

		if (strcmp(g->pattern, pool) != 0)
			continue;
		for (size_t k = 0; k < g->n; k++)
			if (glob_match(g->words[k], a->id) || glob_match(g->words[k], a->name))
				return true;
	}
	return false;
}

/* ---- slots ---- */

const struct device *array_slot_device(const struct inventory *inv, const struct array *a, unsigned slot)
{
	const char *ref = a->volume ? a->volume->members[slot].ref : "";

	if (!ref[0])
		return NULL;
	for (size_t i = 0; i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];

		if (strcmp(d->ref, ref) == 0 && strcmp(d->set, a->set) == 0)
			return d;
	}
	return NULL;
}

int array_slot_of(const struct inventory *inv, const struct array *a, const struct device *d)
{
	(void)inv;
	if (!a->volume || !d->ref[0] || strcmp(a->set, d->set) != 0)
		return -1;
	for (unsigned i = 0; i < a->volume->slots; i++)
		if (strcmp(a->volume->members[i].ref, d->ref) == 0)
			return (int)i;
	return -1;
}

static enum member_state computed_state(const struct inventory *inv, const struct array *a, unsigned slot)
{
	const struct meta_member *m = &a->volume->members[slot];
	const struct device *d;

	if (!m->ref[0])
		return m->known ? MEMBER_EMPTY : MEMBER_MISSING;
	if (m->state == MEMBER_FAILED)
		return MEMBER_FAILED;
	d = array_slot_device(inv, a, slot);
	if (!d || !d->present || !d->probed || !d->view)
		return MEMBER_MISSING;
	if (d->standing != META_CURRENT || m->state == MEMBER_MISSING)
		return MEMBER_STALE;
	return m->state;
}

enum member_state array_member_state(const struct inventory *inv, const struct array *a, unsigned slot)
{
	enum member_state s = computed_state(inv, a, slot);
	struct value v = fact_enum(FACT_MEMBER_STATE, (int)s);
	const struct value *told = told_value(inv, SORT_MEMBER, a->member_ids[slot], FACT_MEMBER_STATE, &v);

	return told ? (enum member_state)told->i : s;
}

enum array_state array_state(const struct inventory *inv, const struct array *a)
{
	return array_cached(inv, a)->state;
}

int array_slots_known(struct array *a)
{
	free(a->member_ids);
	a->member_ids = calloc(META_SLOTS_MAX, sizeof(*a->member_ids));
	if (!a->member_ids)
		return -ENOMEM;
	for (unsigned i = 0; i < META_SLOTS_MAX; i++)
		snprintf(a->member_ids[i], sizeof(a->member_ids[i]), "%.*s/%u", META_GUID_MAX, a->id, i);
	return 0;
}

bool array_visible(const struct array *a)
{
	return a->managed && a->volume && a->volume->level != RAID_UNSUPPORTED;
}

/* ---- joining ---- */

/* The views of the present disks of the set, and whose they are. */
static size_t collect(const struct inventory *inv, const char *guid, const struct meta_view **views,
		      struct device **whose)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n_devices && n < META_DISKS_MAX; i++) {
		struct device *d = inv->devices[i];

		if (d->present && d->probed && d->view && strcmp(d->set, guid) == 0) {
			views[n] = d->view;
			whose[n++] = d;
		}
	}
	return n;
}

static bool set_is_managed(const struct inventory *inv, const struct disk_set *s)
{
	if (settings_manages(inv->settings, s->guid))
		return true;
	for (size_t i = 0; s->view && i < s->view->n_volumes; i++)
		if (settings_manages(inv->settings, s->view->volumes[i].guid) ||
		    settings_manages(inv->settings, s->view->volumes[i].name))
			return true;
	return false;
}

static struct array *array_get(struct inventory *inv, const struct meta_volume *v)
{
	struct array **more, *a = array_find(inv, v->guid);
	size_t at = 0;

	if (a)
		return a;
	more = reallocarray(inv->arrays, inv->n_arrays + 1, sizeof(struct array *));
	if (!more)
		return NULL;
	inv->arrays = more;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	snprintf(a->id, sizeof(a->id), "%s", v->guid);
	if (array_slots_known(a) < 0) {
		array_free(a);
		return NULL;
	}
	while (at < inv->n_arrays && strcmp(more[at]->id, a->id) < 0)
		at++;
	memmove(&more[at + 1], &more[at], (inv->n_arrays - at) * sizeof(struct array *));
	more[at] = a;
	inv->n_arrays++;
	return a;
}

/* An array of this set that no disk speaks of any more is gone. */
static void drop_arrays(struct inventory *inv, const struct disk_set *s)
{
	for (size_t i = inv->n_arrays; i-- > 0;) {
		struct array *a = inv->arrays[i];

		if (strcmp(a->set, s->guid) != 0 || (s->view && meta_view_volume(s->view, a->id)))
			continue;
		a->volume = NULL;
		if (!s->view)
			continue; /* restored, its disks are not here yet */
		memmove(&inv->arrays[i], &inv->arrays[i + 1], (inv->n_arrays - i - 1) * sizeof(struct array *));
		inv->n_arrays--;
		array_free(a);
	}
}

static void take_volumes(struct inventory *inv, const struct disk_set *s)
{
	drop_arrays(inv, s);
	for (size_t i = 0; s->view && i < s->view->n_volumes; i++) {
		const struct meta_volume *v = &s->view->volumes[i];
		struct array *a = array_get(inv, v);
		const char *texts[] = {v->guid, v->name};

		if (!a)
			continue;
		a->volume = v;
		a->managed = s->managed;
		snprintf(a->set, sizeof(a->set), "%s", s->guid);
		snprintf(a->name, sizeof(a->name), "%.*s", (int)sizeof(a->name) - 1, v->name[0] ? v->name : v->guid);
		free((void *)a->tags);
		a->tags = tags_of(inv->settings->array_tags, inv->settings->n_array_tags, texts, ARRAY_SIZE(texts));
	}
}

static bool set_is_named(const struct inventory *inv, const char *guid)
{
	for (size_t i = 0; i < inv->n_devices; i++)
		if (strcmp(inv->devices[i]->set, guid) == 0)
			return true;
	return false;
}

static struct disk_set *set_get(struct inventory *inv, const char *guid)
{
	struct disk_set **more, *s = set_find(inv, guid);

	if (s)
		return s;
	more = reallocarray(inv->sets, inv->n_sets + 1, sizeof(struct disk_set *));
	if (!more)
		return NULL;
	inv->sets = more;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->guid, sizeof(s->guid), "%s", guid);
	more[inv->n_sets++] = s;
	return s;
}

static void set_drop(struct inventory *inv, struct disk_set *s)
{
	meta_view_free(TAKE_PTR(s->view));
	for (size_t i = inv->n_arrays; i-- > 0;) {
		if (strcmp(inv->arrays[i]->set, s->guid) != 0)
			continue;
		array_free(inv->arrays[i]);
		memmove(&inv->arrays[i], &inv->arrays[i + 1], (inv->n_arrays - i - 1) * sizeof(struct array *));
		inv->n_arrays--;
	}
	for (size_t i = 0; i < inv->n_sets; i++) {
		if (inv->sets[i] != s)
			continue;
		inv->sets[i] = inv->sets[--inv->n_sets];
		break;
	}
	set_free(s);
}

/* What a copy that is not old has at least. Two histories do not compare by number: neither is an old copy, and when a
 * person has wiped the one, the one that is left may have the lower number. */
static uint64_t seq_seen(const struct disk_set *s, const struct meta_view *joined, const struct meta_view *const *views,
			 const enum meta_standing *standing, size_t n)
{
	uint64_t seq = joined->seq;

	if (!s->split)
		return MAX(s->seq, seq);
	for (size_t i = 0; i < n; i++)
		if (standing[i] != META_STALE)
			seq = MIN(seq, views[i]->seq);
	return seq;
}

/* A lower sequence number than was seen before: these disks all are old copies. */
static void take_view(struct disk_set *s, struct meta_view *joined, const struct meta_view *const *views,
		      enum meta_standing *standing, size_t n)
{
	bool old = joined->seq < s->seq;

	for (size_t i = 0; old && i < n; i++)
		standing[i] = META_STALE;
	if (old && s->view) {
		meta_view_free(joined);
		return;
	}
	meta_view_free(s->view);
	s->view = joined;
	s->seq = seq_seen(s, joined, views, standing, n);
	snprintf(s->format, sizeof(s->format), "%s", joined->format);
	snprintf(s->maker, sizeof(s->maker), "%s", joined->maker);
}

void set_refresh(struct inventory *inv, const char *guid)
{
	const struct meta_view *views[META_DISKS_MAX];
	struct device *whose[META_DISKS_MAX];
	enum meta_standing standing[META_DISKS_MAX];
	struct meta_view *joined = NULL;
	struct disk_set *s;
	size_t n;

	inv->version++;
	if (!set_is_named(inv, guid)) {
		s = set_find(inv, guid);
		if (s)
			set_drop(inv, s);
		return;
	}
	s = set_get(inv, guid);
	if (!s)
		return;
	s->version++;
	n = collect(inv, guid, views, whose);
	s->two_formats = false;
	for (size_t i = 0; i < n; i++)
		s->two_formats |= whose[i]->beside[0] != '\0';
	if (n > 0 && meta_view_merge(views, n, &joined, standing, &s->split, NULL) == 0) {
		take_view(s, joined, views, standing, n);
		for (size_t i = 0; i < n; i++)
			whose[i]->standing = standing[i];
	}
	s->managed = set_is_managed(inv, s);
	take_volumes(inv, s);
}

void inventory_forget_set(struct inventory *inv, const char *set)
{
	char guid[META_GUID_MAX];

	snprintf(guid, sizeof(guid), "%s", set);
	for (size_t i = 0; i < inv->n_devices; i++) {
		struct device *d = inv->devices[i];

		if (strcmp(d->set, guid) != 0)
			continue;
		meta_view_free(TAKE_PTR(d->view));
		d->set[0] = d->ref[0] = '\0';
	}
	set_refresh(inv, guid);
}

void inventory_wiped(struct inventory *inv, const char *device)
{
	struct device *d = device_find(inv, device);
	char guid[META_GUID_MAX];

	if (!d)
		return;
	snprintf(guid, sizeof(guid), "%s", d->set);
	meta_view_free(TAKE_PTR(d->view));
	d->set[0] = d->ref[0] = d->fs_type[0] = d->contents_name[0] = d->beside[0] = '\0';
	d->contents = CONTENTS_BLANK;
	d->probe_late = d->probing;
	set_refresh(inv, guid);
}

const struct device *set_two_formats(const struct inventory *inv, const char *set)
{
	const struct disk_set *s = set_find(inv, set);
	const struct device *found = NULL;

	for (size_t i = 0; s && s->two_formats && i < inv->n_devices && !found; i++) {
		const struct device *d = inv->devices[i];

		found = d->present && d->beside[0] && strcmp(d->set, set) == 0 ? d : NULL;
	}
	for (size_t i = 0; i < inv->n_arrays && found; i++)
		if (inv->arrays[i]->running && strcmp(inv->arrays[i]->set, set) == 0)
			return NULL;
	return found;
}
