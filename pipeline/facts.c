// SPDX-License-Identifier: GPL-2.0-or-later
/* What rules read of devices, members, arrays and spares: rules-language 3.4. */
#include "pipeline/inventory_impl.h"

#include "actions/guard.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool member_revertible(const struct inventory *inv, const struct array *a, const struct device *d)
{
	const struct disk_set *s = set_find(inv, a->set);
	const struct meta_disk *disk = s && s->view ? meta_view_disk(s->view, d->ref) : NULL;

	return disk && disk->stands_in && disk->revertible;
}

/* ---- derived once for each change ---- */

static void derive_missing(struct array_cache *c, unsigned slot)
{
	snprintf(c->missing_text[slot], sizeof(c->missing_text[slot]), "%u", slot % 1000);
	c->missing_words[c->missing.n++] = c->missing_text[slot];
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One that the metadata know as missing is not current when it comes. */
static bool awaited(const struct meta_member *m, enum member_state now)
{
	return now == MEMBER_MISSING && (!m->known || m->state != MEMBER_MISSING);
}

static void derive_array(const struct inventory *inv, const struct array *a, struct array_cache *c)
{
	_cleanup_(freep) struct world_array *w = calloc(1, sizeof(*w));
	bool all = true;

	if (!w)
		return;
	w->level = a->volume->level;
	w->n_slots = a->volume->slots;
	c->missing = (struct strset){.words = c->missing_words};
	c->rebuilding = false;
	c->awaited = 0;
	for (unsigned i = 0; i < w->n_slots; i++) {
		const struct device *d = array_slot_device(inv, a, i);

		w->slot[i].state = array_member_state(inv, a, i);
		all = all && w->slot[i].state == MEMBER_IN_SYNC;
		c->rebuilding = c->rebuilding || w->slot[i].state == MEMBER_REBUILDING;
		if (!d || !d->present || w->slot[i].state == MEMBER_MISSING)
			derive_missing(c, i);
		c->awaited += awaited(&a->volume->members[i], w->slot[i].state);
	}
	qsort(c->missing_words, c->missing.n, sizeof(c->missing_words[0]), by_text);
	c->present = w->n_slots - (unsigned)c->missing.n;
	c->redundancy = world_redundancy(w);
	c->redundancy_full = raid_redundancy(w->level, w->n_slots);
	c->startable = c->redundancy >= 0 && w->level != RAID_UNSUPPORTED && !set_two_formats(inv, a->set);
	c->complete = all && c->startable;
	c->state = !a->running	   ? ARRAY_INACTIVE
		   : a->read_only  ? ARRAY_READ_ONLY
		   : !c->startable ? ARRAY_FAILED
		   : all	   ? ARRAY_OPTIMAL
				   : ARRAY_DEGRADED;
	array_count_spares(inv, a, c);
}

const struct array_cache *array_cached(const struct inventory *inv, const struct array *a)
{
	static const struct array_cache unknown;
	struct array *mine = (struct array *)(uintptr_t)a;

	if (!a->volume)
		return &unknown;
	if (!mine->cache)
		mine->cache = calloc(1, sizeof(*mine->cache));
	if (!mine->cache)
		return &unknown;
	if (mine->cache->version != inv->version) {
		mine->cache->version = inv->version;
		derive_array(inv, a, mine->cache);
	}
	return mine->cache;
}

bool same_place(const struct device *a, const struct device *b)
{
	return a->slot[0] && strcmp(a->slot, b->slot) == 0 && strcmp(a->enclosure, b->enclosure) == 0;
}

/* The array whose failed or missing member was last in this place. */
static const char *place_of(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; d->slot[0] && i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];

		for (unsigned k = 0; array_visible(a) && k < a->volume->slots; k++) {
			enum member_state s = array_member_state(inv, a, k);
			const struct device *last = device_find(inv, a->member[k].device);

			if ((s == MEMBER_FAILED || s == MEMBER_MISSING) && last && last != d && same_place(last, d))
				return a->id;
		}
	}
	return NULL;
}

/* A spare serves where this disk did, or the one that was in its place. */
static void derive_return(const struct inventory *inv, const struct device *d, struct device_cache *c)
{
	c->returns_to = NULL;
	for (size_t i = 0; d->present && !c->returns_to && i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];

		for (unsigned k = 0; array_visible(a) && k < a->volume->slots; k++) {
			const struct device *before =
				a->member[k].before[0] ? device_find(inv, a->member[k].before) : NULL;
			const struct device *now;

			if (!before || (before != d && !same_place(before, d)))
				continue;
			now = array_slot_device(inv, a, k);
			if (!now || now == d || array_member_state(inv, a, k) != MEMBER_IN_SYNC)
				continue;
			c->returns_to = a->id;
			c->revertible = member_revertible(inv, a, now);
			break;
		}
	}
}

static bool is_copied_to(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; i < inv->n_arrays; i++)
		if (inv->arrays[i]->running && strcmp(inv->arrays[i]->copy_to, d->id) == 0)
			return true;
	return false;
}

enum spare_state spare_state_of(const struct inventory *inv, const struct device *d, const struct meta_disk *disk)
{
	if (disk->failed)
		return SPARE_FAILED;
	if (!d->present || (d->probed && !d->view))
		return SPARE_LOST;
	return is_copied_to(inv, d) ? SPARE_ACTIVE : SPARE_IDLE;
}

static void derive_spare(const struct inventory *inv, const struct device *d, const struct meta_disk *disk,
			 struct device_cache *c)
{
	c->role = ROLE_SPARE;
	c->pool = device_pool(inv, d);
	c->spare_kind = disk->dedicated ? SPARE_DEDICATED : c->pool ? SPARE_POOL : SPARE_GLOBAL;
	c->spare_state = spare_state_of(inv, d, disk);
	c->spare_revertible = disk->revertible;
	c->spare_enclosure = disk->enclosure;
	c->fits = inventory_spare_fits(inv, d, c->unfit, sizeof(c->unfit));
}

bool is_spare(const struct device *d, const struct meta_disk *disk)
{
	return disk->spare && !(d->present && disk->missing);
}

static void derive_device(const struct inventory *inv, const struct device *d, struct device_cache *c)
{
	const struct disk_set *s = d->set[0] ? set_find(inv, d->set) : NULL;
	const struct meta_disk *disk = s && s->view ? meta_view_disk(s->view, d->ref) : NULL;

	c->role = d->is_path ? ROLE_PATH : ROLE_NONE;
	c->pool = NULL;
	c->slot_of = place_of(inv, d);
	c->light = light_of(inv, d);
	derive_return(inv, d, c);
	if (!s || !s->managed || c->role == ROLE_PATH)
		return;
	for (size_t i = 0; i < inv->n_arrays; i++) {
		if (array_slot_of(inv, inv->arrays[i], d) >= 0) {
			c->role = ROLE_MEMBER;
			return;
		}
	}
	if (disk && (is_spare(d, disk) || (disk->failed && d->last_spare >= 0)))
		derive_spare(inv, d, disk, c);
}

const struct device_cache *device_cached(const struct inventory *inv, const struct device *d)
{
	static const struct device_cache unknown = {.role = ROLE_NONE};
	struct device *mine = (struct device *)(uintptr_t)d;

	if (!mine->cache)
		mine->cache = calloc(1, sizeof(*mine->cache));
	if (!mine->cache)
		return &unknown;
	if (mine->cache->version != inv->version) {
		mine->cache->version = inv->version;
		derive_device(inv, d, mine->cache);
	}
	return mine->cache;
}

enum role device_role(const struct inventory *inv, const struct device *d)
{
	return device_cached(inv, d)->role;
}

/* ---- binding ---- */

static const struct strset empty_set;

static struct value text_or_unknown(const char *s)
{
	return value_str(s[0] ? s : NULL);
}

static void bind_told(const struct inventory *inv, enum subject_sort sort, const char *id, struct facts *f)
{
	for (size_t i = 0; id && i < inv->n_told; i++) {
		const struct told_fact *t = &inv->told[i];
		const struct value *v;

		if (t->sort != sort || t->over || strcmp(t->id, id) != 0)
			continue;
		v = told_value(inv, sort, id, t->fact, &f->v[t->fact]);
		if (v)
			f->v[t->fact] = *v;
	}
}

static void bind_spare(const struct device_cache *c, struct facts *f)
{
	f->v[FACT_SPARE_KIND] = fact_enum(FACT_SPARE_KIND, (int)c->spare_kind);
	f->v[FACT_SPARE_POOL] = value_str(c->pool);
	f->v[FACT_SPARE_STATE] = fact_enum(FACT_SPARE_STATE, (int)c->spare_state);
	f->v[FACT_SPARE_FITS] = value_int(c->fits);
	f->v[FACT_SPARE_UNFIT_REASON] = value_str(c->unfit);
}

const struct array *inventory_returns_to(const struct inventory *inv, const struct device *d)
{
	const char *id = d ? device_cached(inv, d)->returns_to : NULL;

	return id ? inventory_array(inv, id) : NULL;
}

static void bind_device(const struct inventory *inv, const struct device *d, struct facts *f)
{
	const struct device_cache *c = device_cached(inv, d);
	const struct strset *marks = inv->marks ? inv->marks(inv->marks_u, d->id) : NULL;

	f->v[FACT_DEVICE_ID] = value_str(d->id);
	for (const struct device_text *t = device_texts; t->key; t++)
		f->v[t->fact] = text_or_unknown(device_text_at(d, t));
	f->v[FACT_DEVICE_SIZE] = value_size(d->size);
	f->v[FACT_DEVICE_SECTOR_SIZE] = value_size(d->sector_size);
	f->v[FACT_DEVICE_MEDIA] = fact_enum(FACT_DEVICE_MEDIA, (int)d->media);
	f->v[FACT_DEVICE_ROLE] = fact_enum(FACT_DEVICE_ROLE, (int)c->role);
	f->v[FACT_DEVICE_PRESENT] = value_bool(d->present);
	f->v[FACT_DEVICE_READ_ONLY] = value_bool(d->read_only);
	f->v[FACT_DEVICE_SLOT_OF] = value_str(c->slot_of);
	if (c->light) {
		f->v[FACT_DEVICE_SLOT_LIGHT] = fact_enum(FACT_DEVICE_SLOT_LIGHT, (int)c->light->light);
		f->v[FACT_DEVICE_SLOT_LIGHT_FOR] = value_str(c->light->id);
	}
	f->v[FACT_DEVICE_RETURNS_TO] = value_str(c->returns_to);
	if (c->returns_to)
		f->v[FACT_DEVICE_REVERTIBLE] = value_bool(c->revertible);
	if (d->probed || !d->present) /* before it is read nobody knows, and unknown never acts */
		f->v[FACT_DEVICE_CONTENTS] = fact_enum(FACT_DEVICE_CONTENTS, (int)d->contents);
	f->v[FACT_DEVICE_TAGS] = value_set(d->tags ? d->tags : &empty_set);
	f->v[FACT_DEVICE_MARKS] = value_set(marks ? marks : &empty_set);
	f->v[FACT_DEVICE_MAINTENANCE] = value_bool(device_in_maintenance(inv, d));
	f->v[FACT_DEVICE_ERRORS] = value_int(d->errors);
	if (c->role == ROLE_SPARE)
		bind_spare(c, f);
	if (d->map[0] && strcmp(d->map, d->id) != 0)
		f->v[FACT_PATH_MARGINAL] = value_bool(d->marginal);
	bind_read(inv, d, f);
	bind_told(inv, SORT_DEVICE, d->id, f);
}

static void bind_array(const struct inventory *inv, const struct array *a, struct facts *f)
{
	const struct array_cache *c = array_cached(inv, a);

	f->v[FACT_ARRAY_ID] = value_str(a->id);
	f->v[FACT_ARRAY_NAME] = value_str(a->name);
	f->v[FACT_ARRAY_FORMAT] = value_str(set_find(inv, a->set) ? set_find(inv, a->set)->format : "");
	f->v[FACT_ARRAY_LEVEL] = value_str(raid_level_name(a->volume->level));
	f->v[FACT_ARRAY_STATE] = fact_enum(FACT_ARRAY_STATE, (int)c->state);
	f->v[FACT_ARRAY_STOPPED_BY] = fact_enum(FACT_ARRAY_STOPPED_BY, (int)a->stopped_by);
	f->v[FACT_ARRAY_SLOTS] = value_int(a->volume->slots);
	f->v[FACT_ARRAY_PRESENT] = value_int(c->present);
	f->v[FACT_ARRAY_MISSING] = value_int((int64_t)c->missing.n);
	f->v[FACT_ARRAY_MISSING_SLOTS] = value_set(&c->missing);
	f->v[FACT_ARRAY_AWAITED] = value_int(c->awaited);
	f->v[FACT_ARRAY_COMPLETE] = value_bool(c->complete);
	f->v[FACT_ARRAY_STARTABLE] = value_bool(c->startable);
	f->v[FACT_ARRAY_SPLIT] = value_bool(set_find(inv, a->set) && set_find(inv, a->set)->split);
	f->v[FACT_ARRAY_REDUNDANCY] = value_int(c->redundancy);
	f->v[FACT_ARRAY_REDUNDANCY_FULL] = value_int(c->redundancy_full);
	f->v[FACT_ARRAY_REBUILDING] = value_bool(c->rebuilding);
	if (a->scrubbed) {
		f->v[FACT_ARRAY_MISMATCHES] = value_int((int64_t)a->mismatches);
		f->v[FACT_ARRAY_SCRUB_AGE] = value_duration(MAX(inv->wall - a->scrubbed, 0));
	}
	f->v[FACT_ARRAY_SPARES] = value_int(c->spares);
	f->v[FACT_ARRAY_SPARE_REASON] = value_str(c->spare_reason);
	f->v[FACT_ARRAY_MAINTENANCE] = value_bool(array_in_maintenance(inv, a));
	f->v[FACT_ARRAY_TAGS] = value_set(a->tags ? a->tags : &empty_set);
	f->v[FACT_ARRAY_SIZE] = value_size(a->volume->sectors * 512);
	bind_told(inv, SORT_ARRAY, a->id, f);
}

static bool expendable(const struct inventory *inv, const struct array *a, unsigned slot)
{
	bool map[META_SLOTS_MAX] = {false};

	for (unsigned i = 0; i < a->volume->slots; i++)
		map[i] = i != slot && array_member_state(inv, a, i) == MEMBER_IN_SYNC;
	return raid_runnable(a->volume->level, map, a->volume->slots);
}

/* A member's disk that was never here: what is certain of it all the same. */
static void bind_unseen(const struct inventory *inv, const struct array *a, struct facts *f)
{
	f->v[FACT_DEVICE_ROLE] = fact_enum(FACT_DEVICE_ROLE, ROLE_MEMBER);
	f->v[FACT_DEVICE_PRESENT] = value_bool(false);
	f->v[FACT_DEVICE_MAINTENANCE] = value_bool(array_in_maintenance(inv, a));
	f->v[FACT_DEVICE_TAGS] = f->v[FACT_DEVICE_MARKS] = value_set(&empty_set);
	f->v[FACT_DEVICE_ERRORS] = value_int(0);
}

static void bind_member(const struct inventory *inv, const struct array *a, unsigned slot, struct facts *f)
{
	const struct device *d = array_slot_device(inv, a, slot);
	enum member_state state = array_member_state(inv, a, slot);
	int64_t eta;
	double progress = array_progress(a, inv->now, &eta);

	if (!d && a->member[slot].device[0] && !a->volume->members[slot].ref[0])
		d = device_find(inv, a->member[slot].device);
	if (d)
		bind_device(inv, d, f);
	else
		bind_unseen(inv, a, f);
	bind_array(inv, a, f);
	f->v[FACT_MEMBER_ID] = value_str(a->member_ids[slot]);
	f->v[FACT_MEMBER_SLOT] = value_int(slot);
	f->v[FACT_MEMBER_STATE] = fact_enum(FACT_MEMBER_STATE, (int)state);
	if (state == MEMBER_REBUILDING && progress >= 0)
		f->v[FACT_MEMBER_PROGRESS] = value_percent(progress);
	f->v[FACT_MEMBER_EXPENDABLE] = value_bool(expendable(inv, a, slot));
	bind_told(inv, SORT_MEMBER, a->member_ids[slot], f);
}

/* "ARRAY/SLOT" */
static const struct array *member_of(const struct inventory *inv, const char *id, unsigned *slot)
{
	const char *slash = strrchr(id, '/');
	char array[META_GUID_MAX + 8];
	const struct array *a;
	char *end;

	if (!slash || (size_t)(slash - id) >= sizeof(array))
		return NULL;
	snprintf(array, sizeof(array), "%.*s", (int)(slash - id), id);
	a = array_find(inv, array);
	*slot = (unsigned)strtoul(slash + 1, &end, 10);
	return a && array_visible(a) && slash[1] && !*end && *slot < a->volume->slots ? a : NULL;
}

/* The next snapshot after that id, in order, of which only what was told is known; NULL: none. */
static const char *next_snapshot(const struct inventory *inv, const char *after)
{
	const char *next = NULL;

	for (size_t i = 0; i < inv->n_told; i++) {
		const struct told_fact *t = &inv->told[i];

		if (t->sort == SORT_SNAPSHOT && strcmp(t->id, after) > 0 && (!next || strcmp(t->id, next) < 0))
			next = t->id;
	}
	return next;
}

static const struct array_snapshot *find_snapshot(const struct inventory *inv, const char *id, const struct array **of)
{
	for (size_t i = 0; i < inventory_arrays(inv); i++) {
		const struct array *a = inventory_array_at(inv, i);

		for (unsigned k = 0; k < a->n_snapshots; k++)
			if (strcmp(a->snapshot[k].id, id) == 0) {
				*of = a;
				return &a->snapshot[k];
			}
	}
	return NULL;
}

static bool bind_snapshot(const struct inventory *inv, const char *id, struct facts *f)
{
	const struct array *origin = NULL;
	const struct array_snapshot *found = find_snapshot(inv, id, &origin);
	const char *told = found ? NULL : next_snapshot(inv, "");

	if (found) {
		f->v[FACT_SNAPSHOT_ID] = value_str(found->id);
		f->v[FACT_SNAPSHOT_NAME] = value_str(found->name);
		f->v[FACT_SNAPSHOT_ORIGIN] = value_str(origin->name);
		f->v[FACT_SNAPSHOT_STATE] = fact_enum(FACT_SNAPSHOT_STATE, found->lost);
		f->v[FACT_SNAPSHOT_USED] = value_percent(found->lost	? 1
							 : found->total ? (double)found->used / (double)found->total
									: 0);
		bind_told(inv, SORT_SNAPSHOT, id, f);
	}
	while (told && strcmp(told, id) != 0)
		told = next_snapshot(inv, told);
	if (!found && !told)
		return false;
	if (told) {
		f->v[FACT_SNAPSHOT_ID] = f->v[FACT_SNAPSHOT_NAME] = value_str(told);
		bind_told(inv, SORT_SNAPSHOT, told, f);
		if (f->v[FACT_SNAPSHOT_ORIGIN].type == V_STRING)
			origin = inventory_find_array(inv, f->v[FACT_SNAPSHOT_ORIGIN].str);
	}
	if (origin && array_visible(origin))
		bind_array(inv, origin, f);
	return true;
}

static bool world_bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	const struct inventory *inv = u;
	const struct device *d = NULL;
	const struct array *a;
	unsigned slot;

	switch (sort) {
	case SORT_DEVICE:
	case SORT_SPARE:
	case SORT_PATH:
		d = device_find(inv, id);
		if (d)
			bind_device(inv, d, f);
		return d;
	case SORT_MEMBER:
		a = member_of(inv, id, &slot);
		if (a)
			bind_member(inv, a, slot, f);
		return a;
	case SORT_ARRAY:
		a = array_find(inv, id);
		if (!a || !array_visible(a))
			return false;
		bind_array(inv, a, f);
		return true;
	case SORT_SNAPSHOT:
		return bind_snapshot(inv, id, f);
	default:
		return false;
	}
}

/* ---- lists ---- */

static int each_device(const struct inventory *inv, enum role role, bool any, int (*fn)(void *fu, const char *id),
		       void *fu)
{
	int r = 0;

	for (size_t i = 0; i < inv->n_devices && r == 0; i++)
		if (any || device_role(inv, inv->devices[i]) == role)
			r = fn(fu, inv->devices[i]->id);
	return r;
}

static int each_array(const struct inventory *inv, bool members, int (*fn)(void *fu, const char *id), void *fu)
{
	int r = 0;

	for (size_t i = 0; i < inv->n_arrays && r == 0; i++) {
		const struct array *a = inv->arrays[i];

		if (!array_visible(a))
			continue;
		if (!members)
			r = fn(fu, a->id);
		for (unsigned k = 0; members && k < a->volume->slots && r == 0; k++)
			r = fn(fu, a->member_ids[k]);
	}
	return r;
}

static int each_snapshot(const struct inventory *inv, int (*fn)(void *fu, const char *id), void *fu)
{
	int r = 0;

	for (size_t i = 0; i < inventory_arrays(inv) && r == 0; i++)
		for (unsigned k = 0; k < inventory_array_at(inv, i)->n_snapshots && r == 0; k++)
			r = fn(fu, inventory_array_at(inv, i)->snapshot[k].id);
	for (const char *s = next_snapshot(inv, ""); s && r == 0; s = next_snapshot(inv, s))
		r = fn(fu, s);
	return r;
}

static int world_each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	switch (sort) {
	case SORT_DEVICE:
		return each_device(u, ROLE_NONE, true, fn, fu);
	case SORT_SPARE:
		return each_device(u, ROLE_SPARE, false, fn, fu);
	case SORT_PATH:
		return each_device(u, ROLE_PATH, false, fn, fu);
	case SORT_ARRAY:
		return each_array(u, false, fn, fu);
	case SORT_MEMBER:
		return each_array(u, true, fn, fu);
	case SORT_SNAPSHOT:
		return each_snapshot(u, fn, fu);
	default:
		return 0;
	}
}

static int world_memberships(void *u, const char *device, int (*fn)(void *fu, const char *member_id), void *fu)
{
	const struct inventory *inv = u;
	const struct device *d = device_find(inv, device);
	int r = 0;

	for (size_t i = 0; d && i < inv->n_arrays && r == 0; i++) {
		const struct array *a = inv->arrays[i];
		int slot = array_visible(a) ? array_slot_of(inv, a, d) : -1;

		if (slot >= 0)
			r = fn(fu, a->member_ids[slot]);
	}
	return r;
}

const struct world_ops inventory_world_ops = {
	.each = world_each,
	.memberships = world_memberships,
	.bind = world_bind,
};
