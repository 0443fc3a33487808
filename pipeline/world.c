// SPDX-License-Identifier: GPL-2.0-or-later
/* The picture of one array that planning and guards work on. */
#include "pipeline/inventory_impl.h"

#include "actions/guard.h"
#include "actions/steps.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool has_mark(const struct inventory *inv, const struct device *d, const char *mark)
{
	static const struct strset none;
	const struct strset *marks = inv->marks ? inv->marks(inv->marks_u, d->id) : NULL;
	const struct value computed = value_set(marks ? marks : &none);
	const struct value *told = told_value(inv, SORT_DEVICE, d->id, FACT_DEVICE_MARKS, &computed);

	return (marks && strset_has(marks, mark)) || (told && strset_has(told->set, mark));
}

/* Sectors that a disk of the set has left behind its last extent. */
static uint64_t free_sectors(const struct disk_set *s, const struct device *d, const struct meta_disk *disk)
{
	uint64_t size = disk->sectors, used = 0;

	for (size_t i = 0; s->view && i < s->view->n_volumes; i++) {
		const struct meta_volume *v = &s->view->volumes[i];

		for (unsigned k = 0; k < v->slots; k++)
			if (strcmp(v->members[k].ref, d->ref) == 0)
				used = MAX(used, v->members[k].offset + v->member_sectors);
	}
	return size > used ? size - used : 0;
}

/* What will be left of a blank disk when it is one of the set. */
static uint64_t blank_sectors(const struct disk_set *s, const struct device *d)
{
	uint64_t size = d->size / 512, reserved = 0;

	for (size_t i = 0; meta_formats[i]; i++)
		if (strcmp(meta_formats[i]->name, s ? s->format : meta_formats[0]->name) == 0)
			reserved = meta_formats[i]->reserved;
	return size > reserved ? size - reserved : 0;
}

/* A member that is away, has failed, or has errors in an open case. */
static bool is_sick(const struct inventory *inv, const struct device *d)
{
	if (device_cached(inv, d)->role != ROLE_MEMBER)
		return false;
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];
		int slot = array_slot_of(inv, a, d);

		if (slot >= 0 && array_member_state(inv, a, (unsigned)slot) == MEMBER_FAILED)
			return true;
	}
	return !d->present || d->errors > 0;
}

/* Two at the same place are rather the place's fault, which a spare there would share. */
static bool is_suspect(const struct inventory *inv, const struct device *d)
{
	unsigned controller = 0, enclosure = 0;

	for (size_t i = 0; (d->controller[0] || d->enclosure[0]) && i < inv->n_devices; i++) {
		const struct device *other = inv->devices[i];
		bool same_controller = d->controller[0] && strcmp(d->controller, other->controller) == 0;
		bool same_enclosure = d->enclosure[0] && strcmp(d->enclosure, other->enclosure) == 0;

		if ((same_controller || same_enclosure) && is_sick(inv, other)) {
			controller += same_controller;
			enclosure += same_enclosure;
		}
	}
	return controller >= 2 || enclosure >= 2;
}

static void draw_tags(const struct device *d, char *to, size_t size)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; d->tags && i < d->tags->n && used + strlen(d->tags->words[i]) + 3 < size; i++)
		used += (size_t)snprintf(to + used, size - used, " %s ", d->tags->words[i]);
}

static void draw_spare(const struct inventory *inv, const struct device *d, struct world_spare *w)
{
	snprintf(w->device, sizeof(w->device), "%s", d->id);
	snprintf(w->name, sizeof(w->name), "%s", d->name);
	w->media = d->media;
	snprintf(w->controller, sizeof(w->controller), "%s", d->controller);
	snprintf(w->enclosure, sizeof(w->enclosure), "%s", d->enclosure);
	snprintf(w->transport, sizeof(w->transport), "%s", d->transport);
	w->sector_size = d->sector_size;
	w->flapping = has_mark(inv, d, "flapping");
	w->unproven = has_mark(inv, d, "unproven");
	w->erring = d->errors > 0 || (d->read.known && d->read.state == READ_CHECK_FAILED);
	snprintf(w->place, sizeof(w->place), "%s", d->slot);
	draw_tags(d, w->tags, sizeof(w->tags));
	w->present = d->present;
	w->path = d->is_path;
	w->was_group = d->was_group;
	w->was_alone = d->was_alone;
	w->being_read = d->read.known && d->read.state == READ_CHECK_RUNNING;
	if (strcmp(d->map, d->id) != 0)
		snprintf(w->map, sizeof(w->map), "%s", d->map);
	w->contents = d->contents;
	w->other_member = d->contents == CONTENTS_FOREIGN && strstr(d->contents_name, "_member)");
	if (d->beside[0])
		snprintf(w->kept, sizeof(w->kept), "also holds %.80s", d->beside);
	snprintf(w->holds, sizeof(w->holds), "%.*s", (int)sizeof(w->holds) - 1, d->contents_name);
}

static bool is_dedicated(const struct meta_disk *disk, const struct array *a)
{
	for (unsigned i = 0; disk->dedicated && i < disk->n_dedicated; i++)
		if (strcmp(disk->dedicated_to[i], a->id) == 0)
			return true;
	return false;
}

static bool serves_array(const struct inventory *inv, const struct meta_disk *disk, const char *pool,
			 const struct array *a)
{
	if (!a)
		return true;
	if (pool)
		return pool_serves(inv, pool, a);
	return !disk->dedicated || is_dedicated(disk, a);
}

/* A member of the array is in the disk's own enclosure, as far as that is known. */
static bool in_enclosure(const struct inventory *inv, const struct array *a, const struct device *d)
{
	for (unsigned i = 0; d->enclosure[0] && i < a->volume->slots; i++) {
		const struct device *m = array_slot_device(inv, a, i);

		if (m && strcmp(m->enclosure, d->enclosure) == 0)
			return true;
	}
	return !d->enclosure[0];
}

static void draw_set_spare(const struct inventory *inv, const struct disk_set *s, const struct array *a,
			   const struct device *d, const struct meta_disk *disk, struct world_spare *w)
{
	const struct device_cache *c = device_cached(inv, d);
	struct value state = fact_enum(FACT_SPARE_STATE, (int)c->spare_state);
	const struct value *told = told_value(inv, SORT_DEVICE, d->id, FACT_SPARE_STATE, &state);

	draw_spare(inv, d, w);
	snprintf(w->ref, sizeof(w->ref), "%s", d->ref);
	w->of_set = true;
	w->revertible = disk->revertible;
	w->in_enclosure = disk->enclosure;
	w->for_array = a && is_dedicated(disk, a);
	w->kind = c->spare_kind;
	w->state = told ? (enum spare_state)told->i : c->spare_state;
	/* What it is wanted for can wait: a member that has failed cannot. */
	w->copied_to = w->state == SPARE_ACTIVE;
	w->state = w->copied_to ? SPARE_IDLE : w->state;
	w->serves = serves_array(inv, disk, c->pool, a);
	w->elsewhere = w->serves && disk->enclosure && a && !in_enclosure(inv, a, d);
	w->serves = w->serves && !w->elsewhere;
	w->free_sectors = free_sectors(s, d, disk);
}

/* Its disk has come back, or was failed, and another has its place; or the set has forgotten it, and it does not know:
 * neither member nor spare any more. */
static bool left_behind(const struct inventory *inv, const struct disk_set *s, const struct device *d)
{
	const struct meta_disk *disk;

	if (!s->view || strcmp(d->set, s->guid) != 0)
		return false;
	disk = meta_view_disk(s->view, d->ref);
	return (!disk || !is_spare(d, disk)) && device_cached(inv, d)->role == ROLE_NONE;
}

/* A disk that is here and of no set that counts, or not any more. */
static bool is_stranger(const struct inventory *inv, const struct disk_set *s, const struct device *d)
{
	return d->present && d->probed && !d->is_path && (left_behind(inv, s, d) || strcmp(d->set, s->guid) != 0);
}

static void draw_stranger(const struct inventory *inv, const struct disk_set *s, const struct array *a,
			  const struct device *d, struct world_spare *w)
{
	const struct disk_set *owner = lend_owner(inv, s, d);
	const char *pool = device_pool(inv, d);

	draw_spare(inv, d, w);
	w->former = left_behind(inv, s, d);
	w->kind = SPARE_POOL;
	w->free_sectors = blank_sectors(s, d);
	w->serves = a && (owner || d->contents == CONTENTS_BLANK) && pool && pool_serves(inv, pool, a);
	if (owner)
		lend_draw(inv, owner, d, w);
}

/* A set that has no array, and that nobody runs. */
static bool set_unused(const struct inventory *inv, const char *guid)
{
	const struct disk_set *s = guid[0] ? set_find(inv, guid) : NULL;

	return s && s->view && s->view->n_volumes == 0 && !s->managed;
}

static void draw_part(const struct inventory *inv, const struct disk_set *s, const struct device *d,
		      struct world_spare *w)
{
	const struct meta_disk *disk =
		s && s->view && strcmp(d->set, s->guid) == 0 ? meta_view_disk(s->view, d->ref) : NULL;

	draw_spare(inv, d, w);
	w->unused_set = set_unused(inv, d->set);
	w->free_sectors = blank_sectors(s, d);
	if (!disk)
		return;
	snprintf(w->ref, sizeof(w->ref), "%s", d->ref);
	w->of_set = true;
	w->free_sectors = free_sectors(s, d, disk);
	w->state = disk->failed ? SPARE_FAILED : disk->missing || d->standing != META_CURRENT ? SPARE_LOST : SPARE_IDLE;
}

/* A format may know of whole disks only: one that would be called rebuilding must not be the last that another has. */
static bool draw_successor(const struct inventory *inv, const struct disk_set *s, const struct array *a,
			   const struct device *d, struct world_spare *w)
{
	const struct array *o;

	if (!successor_in(inv, a, d))
		return false;
	draw_part(inv, s, d, w);
	w->kind = device_pool(inv, d) ? SPARE_POOL : SPARE_GLOBAL;
	w->serves = w->beside = true;
	o = successor_kept(inv, a, d, &w->strains);
	if (o)
		snprintf(w->kept, sizeof(w->kept), "serves %.64s, which cannot do without it", o->name);
	return true;
}

/* The lower the more wanted: there may be more disks than the picture has room for. */
static int stranger_rank(const struct inventory *inv, const struct disk_set *s, const struct device *d)
{
	if (left_behind(inv, s, d))
		return 0;
	if (lend_owner(inv, s, d))
		return 2;
	return d->contents != CONTENTS_BLANK ? 4 : device_pool(inv, d) ? 1 : 3;
}

/* Spares of the set first, and who replaces a disk of this array in another one; then disks that are here and of
 * nobody: blank ones first, for they may be taken, then those that another set may give up. */
static void draw_spares(const struct inventory *inv, const struct disk_set *s, const struct array *a,
			struct world_array *w)
{
	for (size_t i = 0; i < inv->n_devices && w->n_spares < WORLD_SPARES_MAX; i++) {
		const struct device *d = inv->devices[i];
		const struct meta_disk *disk =
			s->view && strcmp(d->set, s->guid) == 0 ? meta_view_disk(s->view, d->ref) : NULL;

		if (disk && (is_spare(d, disk) || (disk->failed && device_cached(inv, d)->role == ROLE_SPARE)))
			draw_set_spare(inv, s, a, d, disk, &w->spare[w->n_spares++]);
		else if (a && disk)
			w->n_spares += draw_successor(inv, s, a, d, &w->spare[w->n_spares]);
	}
	for (int rank = 0; rank <= 4; rank++)
		for (size_t i = 0; i < inv->n_devices && w->n_spares < WORLD_SPARES_MAX; i++)
			if (is_stranger(inv, s, inv->devices[i]) && stranger_rank(inv, s, inv->devices[i]) == rank)
				draw_stranger(inv, s, a, inv->devices[i], &w->spare[w->n_spares++]);
}

void inventory_draw_disk(const struct inventory *inv, const char *device, struct world_array *w)
{
	const struct device *d = inventory_find_device(inv, device);
	const struct disk_set *s = set_find(inv, w->set);
	struct world_spare *last = &w->spare[WORLD_SPARES_MAX - 1];

	if (!d || !s || w->n_spares < WORLD_SPARES_MAX || last->of_set || !is_stranger(inv, s, d))
		return;
	for (size_t i = 0; i < w->n_spares; i++)
		if (strcmp(w->spare[i].device, d->id) == 0)
			return;
	*last = (struct world_spare){0};
	draw_stranger(inv, s, array_find(inv, w->id), d, last);
}

static void draw_before(const struct inventory *inv, const struct array *a, unsigned slot, const struct device *d,
			struct world_slot *w)
{
	const struct device *before = device_find(inv, a->member[slot].before);

	snprintf(w->before, sizeof(w->before), "%s", a->member[slot].before);
	if (before) {
		snprintf(w->before_place, sizeof(w->before_place), "%s", before->slot);
		snprintf(w->before_shelf, sizeof(w->before_shelf), "%s", before->enclosure);
	}
	w->revertible = member_revertible(inv, a, d);
}

static void draw_slot(const struct inventory *inv, const struct array *a, unsigned slot, struct world_slot *w)
{
	const struct device *d = array_slot_device(inv, a, slot),
			    *last = d ? d : device_find(inv, a->member[slot].device);
	enum together what = TOGETHER_CONTROLLER;
	enum step_op last_op = STEP_OP_MAX;
	int64_t until;

	w->state = array_member_state(inv, a, slot);
	snprintf(w->ref, sizeof(w->ref), "%s", a->volume->members[slot].ref);
	if (last) {
		snprintf(w->place, sizeof(w->place), "%s", last->slot);
		snprintf(w->place_shelf, sizeof(w->place_shelf), "%s", last->enclosure);
	}
	if (!d)
		return;
	snprintf(w->device, sizeof(w->device), "%s", d->id);
	snprintf(w->name, sizeof(w->name), "%s", d->name);
	w->readable = d->present && d->probed && d->view;
	w->two_formats = d->beside[0];
	if (a->running && a->copy_to[0] && a->copy_slot == (int)slot)
		snprintf(w->copied_to, sizeof(w->copied_to), "%s", a->copy_to);
	draw_before(inv, a, slot, d, w);
	w->read_last = a->member[slot].read_last && strcmp(a->member[slot].device, d->id) == 0;
	w->unread = d->present && !d->probed;
	w->usable = d->size / 512;
	w->media = d->media;
	snprintf(w->controller, sizeof(w->controller), "%s", d->controller);
	snprintf(w->enclosure, sizeof(w->enclosure), "%s", d->enclosure);
	w->undone = inventory_undone(inv, a->id, d->id, &last_op);
	w->last_step = w->undone ? (int)last_op : -1;
	w->together = inventory_together(inv, d, &what, &until);
	w->together_in = what == TOGETHER_CONTROLLER ? "controller" : "enclosure";
	snprintf(w->transport, sizeof(w->transport), "%s", d->transport);
	w->sector_size = d->sector_size;
	draw_tags(d, w->tags, sizeof(w->tags));
}

static bool has_room(const struct inventory *inv, const struct array *a)
{
	if (a->volume->level == RAID0)
		return true;
	for (unsigned i = 0; i < a->volume->slots; i++) {
		const struct device *d = array_slot_device(inv, a, i);

		if (d && d->present && d->view && d->view->room_sectors == 0)
			return false;
	}
	return true;
}

static bool any_slot_in_maintenance(const struct inventory *inv, const struct array *a)
{
	for (unsigned i = 0; i < a->volume->slots; i++) {
		const struct device *d = array_slot_device(inv, a, i);

		if (d && d->maintenance)
			return true;
	}
	return false;
}

static unsigned plans_within(const struct inventory *inv, const struct array *a, int64_t ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_plans; i++)
		n += a->plans[i] > inv->now - ns;
	return n;
}

static void draw_told(const struct inventory *inv, struct world_array *w)
{
	const struct {
		enum fact_id fact;
		struct value v;
		bool *flag;
	} flags[] = {
		{FACT_ARRAY_SPLIT, value_bool(w->split), &w->split},
		{FACT_ARRAY_COMPLETE, value_bool(w->complete), &w->complete},
		{FACT_ARRAY_STARTABLE, value_bool(w->startable), &w->startable},
	};
	struct value state = fact_enum(FACT_ARRAY_STATE, (int)w->state);
	struct value by = fact_enum(FACT_ARRAY_STOPPED_BY, (int)w->stopped_by);
	const struct value *told;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		told = told_value(inv, SORT_ARRAY, w->id, flags[i].fact, &flags[i].v);
		if (told)
			*flags[i].flag = told->b;
	}
	told = told_value(inv, SORT_ARRAY, w->id, FACT_ARRAY_STATE, &state);
	if (told)
		w->state = (enum array_state)told->i;
	told = told_value(inv, SORT_ARRAY, w->id, FACT_ARRAY_STOPPED_BY, &by);
	if (told)
		w->stopped_by = (enum stopped_by)told->i;
}

static void draw_frame(const struct disk_set *s, struct world_array *w)
{
	*w = (struct world_array){.managed = s->managed, .split = s->split, .room = true};
	snprintf(w->set, sizeof(w->set), "%s", s->guid);
	snprintf(w->format, sizeof(w->format), "%s", s->format);
	snprintf(w->maker, sizeof(w->maker), "%s", s->maker);
}

/* Nothing is known of it that speaks against it; which of them are taken the plan says. */
static bool is_of_pool(const struct device *d, const char *pool)
{
	return d->present && d->probed && !d->is_path && !d->read_only && !d->maintenance &&
	       d->contents == CONTENTS_BLANK && d->tags && strset_has(d->tags, pool);
}

void inventory_draw_parts(const struct inventory *inv, const char *set_guid, const json_t *params,
			  struct world_array *w)
{
	const char *pool = json_string_value(json_object_get(params, "pool"));
	static const char *const keys[] = {"devices", "spares"};
	const struct disk_set *s = set_find(inv, set_guid);
	const json_t *id;
	size_t i;

	*w = (struct world_array){.managed = settings_manages(inv->settings, set_guid), .room = true};
	snprintf(w->set, sizeof(w->set), "%s", set_guid);
	if (s)
		draw_frame(s, w);
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		json_array_foreach(json_object_get(params, keys[k]), i, id)
		{
			const struct device *d = inventory_device(inv, json_string_value(id));

			if (d && d->present && d->probed && !d->is_path && w->n_spares < WORLD_SPARES_MAX &&
			    !world_spare_named(w, d->id))
				draw_part(inv, s, d, &w->spare[w->n_spares++]);
		}
	for (i = 0; pool && i < inv->n_devices && w->n_spares < WORLD_SPARES_MAX; i++)
		if (is_of_pool(inv->devices[i], pool) && !world_spare_named(w, inv->devices[i]->id))
			draw_part(inv, s, inv->devices[i], &w->spare[w->n_spares++]);
}

int inventory_draw(const struct inventory *inv, const char *array_id, struct world_array *w)
{
	const struct array *a = array_find(inv, array_id);
	const struct disk_set *s = a ? set_find(inv, a->set) : NULL;
	const struct device *mixed;
	const struct array_cache *c;

	if (!s || !a->volume)
		return -ENOENT;
	draw_frame(s, w);
	snprintf(w->id, sizeof(w->id), "%s", a->id);
	snprintf(w->name, sizeof(w->name), "%s", a->name);
	w->level = a->volume->level;
	w->n_slots = a->volume->slots;
	w->member_sectors = a->volume->member_sectors;
	w->stopped_by = a->stopped_by;
	for (unsigned i = 0; i < w->n_slots; i++)
		draw_slot(inv, a, i, &w->slot[i]);
	w->rate = a->rate;
	w->action_runs = array_resyncs(a, &w->syncing);
	mixed = set_two_formats(inv, a->set);
	if (mixed)
		snprintf(w->two_formats, sizeof(w->two_formats), "%s holds %.90s", mixed->name, mixed->beside);
	c = array_cached(inv, a);
	w->state = c->state;
	w->complete = c->complete;
	w->startable = c->startable;
	w->rebuilding = c->rebuilding;
	w->room = has_room(inv, a);
	w->maintenance = array_in_maintenance(inv, a) || any_slot_in_maintenance(inv, a);
	w->plans_last_hour = plans_within(inv, a, BUDGET_NS);
	draw_spares(inv, s, a, w);
	for (size_t i = 0; i < w->n_spares; i++) {
		const struct device *d = device_find(inv, w->spare[i].device);

		w->spare[i].suspect = d && is_suspect(inv, d);
	}
	draw_told(inv, w);
	return 0;
}

int inventory_draw_alone(const struct inventory *inv, const char *device, struct world_array *w)
{
	const struct device *d = device_find(inv, device);

	if (!d)
		return -ENOENT;
	*w = (struct world_array){.managed = true, .room = true, .n_spares = 1};
	snprintf(w->name, sizeof(w->name), "%s", d->name);
	w->maintenance = device_in_maintenance(inv, d);
	draw_spare(inv, d, &w->spare[0]);
	for (size_t i = 0; !d->present && i < inv->n_devices; i++) {
		const struct device *o = inv->devices[i];

		if (o->present && same_place(o, d))
			snprintf(w->spare[0].in_place, sizeof(w->spare[0].in_place), "%s", o->name);
	}
	return 0;
}

int inventory_draw_set(const struct inventory *inv, const char *set_guid, struct world_array *w)
{
	const struct disk_set *s = set_find(inv, set_guid);

	if (!s)
		return -ENOENT;
	draw_frame(s, w);
	w->maintenance = inv->maintenance;
	draw_spares(inv, s, NULL, w);
	return 0;
}

/* ---- what spares are good for ---- */

/* How many present spares could replace any member, and one line why not more. */
void array_count_spares(const struct inventory *inv, const struct array *a, struct array_cache *c)
{
	_cleanup_(freep) struct world_array *w = calloc(1, sizeof(*w));
	_cleanup_(buf_free) struct buf why = {0};
	const struct disk_set *s = set_find(inv, a->set);
	char reason[PLAN_REASON_MAX];

	c->spares = 0;
	c->spare_reason[0] = '\0';
	if (!w || !s)
		return;
	draw_frame(s, w);
	snprintf(w->name, sizeof(w->name), "%s", a->name);
	w->member_sectors = a->volume->member_sectors;
	draw_spares(inv, s, a, w);
	for (size_t i = 0; i < w->n_spares; i++) {
		static const char *const avoid[] = {"flapping"};

		if (!w->spare[i].of_set && !w->spare[i].serves)
			continue;
		if (!spare_unfit(w, -1, &w->spare[i], NULL, 0, avoid, 1, reason, sizeof(reason)))
			c->spares++;
		else
			buf_addf(&why, "%s%s", why.len ? "; " : "", reason);
	}
	snprintf(c->spare_reason, sizeof(c->spare_reason), "%s",
		 why.len     ? buf_str(&why)
		 : c->spares ? "every spare fits"
			     : "there is no spare");
}

int inventory_spare_fits(const struct inventory *inv, const struct device *d, char *reason, size_t size)
{
	_cleanup_(freep) struct world_array *w = calloc(1, sizeof(*w));
	const struct disk_set *s = set_find(inv, d->set);
	int n = 0;

	snprintf(reason, size, "its set has no array that it serves");
	for (size_t i = 0; w && s && i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];
		const struct disk_set *of = strcmp(a->set, d->set) == 0 ? s : set_find(inv, a->set);

		if (!array_visible(a) || !of || (of != s && !lend_owner(inv, of, d)))
			continue;
		draw_frame(of, w);
		snprintf(w->name, sizeof(w->name), "%s", a->name);
		w->member_sectors = a->volume->member_sectors;
		draw_spares(inv, of, a, w);
		for (size_t k = 0; k < w->n_spares; k++)
			if (strcmp(w->spare[k].device, d->id) == 0 && (of == s || w->spare[k].serves))
				n += !spare_unfit(w, -1, &w->spare[k], NULL, 0, NULL, 0, reason, size);
	}
	if (n > 0)
		reason[0] = '\0';
	return n;
}

int inventory_plan_devices(const struct inventory *inv, struct plan *p)
{
	struct plan_device *devices = calloc(inv->n_devices + 1, sizeof(*devices));
	size_t n = 0;

	if (!devices)
		return -ENOMEM;
	for (size_t i = 0; i < inv->n_devices && n < PLAN_DEVICES_MAX; i++) {
		const struct device *d = inv->devices[i];
		bool wanted = p->set[0] && strcmp(d->set, p->set) == 0;

		for (unsigned k = 0; p->create && k < p->create->n_disks && !wanted; k++)
			wanted = strcmp(p->create->disk[k].device, d->id) == 0;

		for (size_t k = 0; k < p->n_steps && !wanted; k++)
			wanted = strcmp(p->step[k].device, d->id) == 0 || strcmp(p->step[k].map, d->id) == 0;
		if (!wanted || !d->present)
			continue;
		devices[n] = (struct plan_device){.major = d->major, .minor = d->minor, .diskseq = d->diskseq};
		snprintf(devices[n].id, sizeof(devices[n].id), "%s", d->id);
		snprintf(devices[n].node, sizeof(devices[n].node), "%s", d->node);
		n++;
	}
	free(p->devices);
	p->devices = devices;
	p->n_devices = n;
	return 0;
}
