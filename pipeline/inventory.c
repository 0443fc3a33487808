// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/inventory_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT(fact, member, key)                                                                                        \
	{                                                                                                              \
		fact, offsetof(struct device, member), sizeof(((struct device *)0)->member), key                       \
	}

const struct device_text device_texts[] = {
	TEXT(FACT_DEVICE_NAME, name, "name"),
	TEXT(FACT_DEVICE_WWN, wwn, "wwn"),
	TEXT(FACT_DEVICE_SERIAL, serial, "serial"),
	TEXT(FACT_DEVICE_MODEL, model, "model"),
	TEXT(FACT_DEVICE_VENDOR, vendor, "vendor"),
	TEXT(FACT_DEVICE_FIRMWARE, firmware, "firmware"),
	TEXT(FACT_DEVICE_TRANSPORT, transport, "transport"),
	TEXT(FACT_DEVICE_CONTROLLER, controller, "controller"),
	TEXT(FACT_DEVICE_ENCLOSURE, enclosure, "enclosure"),
	TEXT(FACT_DEVICE_SLOT, slot, "slot"),
	TEXT(FACT_PATH_MAP, map, "map"),
	TEXT(FACT_DEVICE_CONTENTS_NAME, contents_name, "contents-name"),
	{.key = NULL},
};

/* ---- finding and making ---- */

static size_t device_place(const struct inventory *inv, const char *id, bool *found)
{
	size_t low = 0, high = inv->n_devices;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(inv->devices[mid]->id, id);

		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct device *device_find(const struct inventory *inv, const char *id)
{
	bool found;
	size_t i = device_place(inv, id, &found);

	return found ? inv->devices[i] : NULL;
}

static void device_free(struct device *d)
{
	meta_view_free(d->view);
	free((void *)d->tags);
	free(d->cache);
	free(d);
}

struct device *device_get(struct inventory *inv, const char *id)
{
	bool found;
	size_t i = device_place(inv, id, &found);
	struct device **more, *d;

	if (found)
		return inv->devices[i];
	more = reallocarray(inv->devices, inv->n_devices + 1, sizeof(struct device *));
	if (!more)
		return NULL;
	inv->devices = more;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->sector_size = 512;
	d->media = MEDIA_OTHER;
	d->last_spare = -1;
	memmove(&more[i + 1], &more[i], (inv->n_devices - i) * sizeof(struct device *));
	more[i] = d;
	inv->n_devices++;
	return d;
}

struct array *array_find(const struct inventory *inv, const char *id)
{
	for (size_t i = 0; i < inv->n_arrays; i++)
		if (strcmp(inv->arrays[i]->id, id) == 0)
			return inv->arrays[i];
	return NULL;
}

struct disk_set *set_find(const struct inventory *inv, const char *guid)
{
	for (size_t i = 0; i < inv->n_sets; i++)
		if (strcmp(inv->sets[i]->guid, guid) == 0)
			return inv->sets[i];
	return NULL;
}

int inventory_new(const struct settings *settings, struct inventory **ret)
{
	struct inventory *inv = calloc(1, sizeof(*inv));

	if (!inv)
		return -ENOMEM;
	inv->settings = settings;
	inv->version = 1;
	*ret = inv;
	return 0;
}

void inventory_clear(struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_devices; i++)
		device_free(inv->devices[i]);
	for (size_t i = 0; i < inv->n_arrays; i++)
		array_free(inv->arrays[i]);
	for (size_t i = 0; i < inv->n_sets; i++)
		set_free(inv->sets[i]);
	for (size_t i = 0; i < inv->n_told; i++)
		told_free(&inv->told[i]);
	inv->n_devices = inv->n_arrays = inv->n_sets = inv->n_told = 0;
	inv->maintenance = false;
	inv->version++;
}

void inventory_free(struct inventory *inv)
{
	if (!inv)
		return;
	inventory_clear(inv);
	free(inv->devices);
	free(inv->arrays);
	free(inv->sets);
	free(inv->told);
	free(inv);
}

/* ---- reading ---- */

const struct device *inventory_device(const struct inventory *inv, const char *id)
{
	return device_find(inv, id);
}

const struct device *inventory_find_device(const struct inventory *inv, const char *name)
{
	const struct device *d = device_find(inv, name), *away = NULL;

	if (d)
		return d;
	if (strncmp(name, "/dev/", 5) == 0)
		name += 5;
	for (size_t i = 0; i < inv->n_devices; i++) {
		if (strcmp(inv->devices[i]->name, name) != 0)
			continue;
		if (inv->devices[i]->present)
			return inv->devices[i];
		away = inv->devices[i];
	}
	return away;
}

const struct device *inventory_device_by_number(const struct inventory *inv, unsigned major, unsigned minor,
						uint64_t diskseq)
{
	for (size_t i = 0; i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];

		if (d->present && d->major == major && d->minor == minor)
			return diskseq && d->diskseq && diskseq != d->diskseq ? NULL : d;
	}
	return NULL;
}

const struct array *inventory_array(const struct inventory *inv, const char *id)
{
	return array_find(inv, id);
}

const struct array *inventory_find_array(const struct inventory *inv, const char *name)
{
	const struct array *a = array_find(inv, name);

	if (!a && strncmp(name, "/dev/mapper/", 12) == 0)
		name += 12;
	for (size_t i = 0; !a && i < inv->n_arrays; i++)
		if (strcmp(inv->arrays[i]->name, name) == 0)
			a = inv->arrays[i];
	return a;
}

const struct disk_set *inventory_set(const struct inventory *inv, const char *guid)
{
	return set_find(inv, guid);
}

size_t inventory_devices(const struct inventory *inv)
{
	return inv->n_devices;
}

const struct device *inventory_device_at(const struct inventory *inv, size_t i)
{
	return inv->devices[i];
}

size_t inventory_arrays(const struct inventory *inv)
{
	return inv->n_arrays;
}

const struct array *inventory_array_at(const struct inventory *inv, size_t i)
{
	return inv->arrays[i];
}

size_t inventory_sets(const struct inventory *inv)
{
	return inv->n_sets;
}

const struct disk_set *inventory_set_at(const struct inventory *inv, size_t i)
{
	return inv->sets[i];
}

bool inventory_probes_open(const struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];

		if ((d->probing && !d->probed) || (d->doubted && (d->probing || d->reread)))
			return true;
	}
	return false;
}

void inventory_probing(struct inventory *inv, const char *device, bool probing)
{
	struct device *d = device_find(inv, device);

	if (!d)
		return;
	d->probing = probing;
	d->asked = probing ? inv->now : d->asked;
	d->reread = d->reread && !probing;
}

/* ---- changes by people and by the pipeline ---- */

void inventory_settings(struct inventory *inv, const struct settings *settings)
{
	inv->settings = settings;
	inv->version++;
	for (size_t i = 0; i < inv->n_devices; i++)
		device_learn_tags(inv, inv->devices[i]);
	for (size_t i = 0; i < inv->n_sets; i++)
		set_refresh(inv, inv->sets[i]->guid);
}

static bool maintenance_over(bool *on, int64_t *until, int64_t now)
{
	if (!*on || *until == 0 || *until > now)
		return false;
	*on = false;
	*until = 0;
	return true;
}

/* Plans of rules that the budget counts no more: what it refused may be asked again. */
static bool budget_grows(struct array *a, int64_t boot)
{
	unsigned old = 0;

	while (old < a->n_plans && a->plans[old] <= boot - BUDGET_NS)
		old++;
	a->n_plans -= old;
	if (old)
		memmove(&a->plans[0], &a->plans[old], a->n_plans * sizeof(a->plans[0]));
	return old > 0;
}

bool inventory_time(struct inventory *inv, int64_t boot)
{
	bool changed = maintenance_over(&inv->maintenance, &inv->maintenance_until, boot);

	inv->now = boot;
	for (size_t i = 0; i < inv->n_devices; i++)
		changed |= maintenance_over(&inv->devices[i]->maintenance, &inv->devices[i]->maintenance_until, boot);
	for (size_t i = 0; i < inv->n_arrays; i++) {
		changed |= maintenance_over(&inv->arrays[i]->maintenance, &inv->arrays[i]->maintenance_until, boot);
		changed |= budget_grows(inv->arrays[i], boot);
	}
	changed |= together_over(inv);
	return changed;
}

void inventory_wall(struct inventory *inv, int64_t wall)
{
	inv->wall = wall;
}

bool inventory_deadline(const struct inventory *inv, int64_t *ret_boot)
{
	int64_t first = inv->maintenance ? inv->maintenance_until : 0, t = inv->doubt_until;

	first = t > 0 && (first == 0 || t < first) ? t : first;

	for (size_t i = 0; i < inv->n_devices; i++) {
		t = inv->devices[i]->maintenance ? inv->devices[i]->maintenance_until : 0;
		first = t > 0 && (first == 0 || t < first) ? t : first;
		t = inv->devices[i]->probe_again;
		first = t > 0 && (first == 0 || t < first) ? t : first;
	}
	for (size_t i = 0; i < inv->n_arrays; i++) {
		t = inv->arrays[i]->maintenance ? inv->arrays[i]->maintenance_until : 0;
		first = t > 0 && (first == 0 || t < first) ? t : first;
		t = inv->arrays[i]->n_plans ? inv->arrays[i]->plans[0] + BUDGET_NS : 0;
		first = t > 0 && (first == 0 || t < first) ? t : first;
	}
	*ret_boot = first;
	return first > 0;
}

int inventory_maintenance(struct inventory *inv, const char *device, const char *array, bool on, int64_t until)
{
	struct device *d = device ? device_find(inv, device) : NULL;
	struct array *a = array ? array_find(inv, array) : NULL;

	if ((device && !d) || (array && !a))
		return -ENOENT;
	if (d) {
		d->maintenance = on;
		d->maintenance_until = on ? until : 0;
	}
	if (a) {
		a->maintenance = on;
		a->maintenance_until = on ? until : 0;
	}
	if (!d && !a) {
		inv->maintenance = on;
		inv->maintenance_until = on ? until : 0;
	}
	return 0;
}

bool device_in_maintenance(const struct inventory *inv, const struct device *d)
{
	if (inv->maintenance || d->maintenance)
		return true;
	for (size_t i = 0; i < inv->n_arrays; i++)
		if (inv->arrays[i]->maintenance && array_slot_of(inv, inv->arrays[i], d) >= 0)
			return true;
	return false;
}

bool array_in_maintenance(const struct inventory *inv, const struct array *a)
{
	return inv->maintenance || a->maintenance;
}

void inventory_errors(struct inventory *inv, const char *device, int64_t errors)
{
	struct device *d = device_find(inv, device);

	if (d)
		d->errors = errors;
}

void inventory_stopped(struct inventory *inv, const char *array, enum stopped_by by)
{
	struct array *a = array_find(inv, array);

	if (a)
		a->stopped_by = by;
}

void inventory_path_moved(struct inventory *inv, const char *device, const json_t *told)
{
	struct device *d = device_find(inv, device);
	int marginal, moved, group, alone;

	if (!d || json_unpack((json_t *)told, "{s:b s:b s:i s:b}", "marginal", &marginal, "moved", &moved, "group",
			      &group, "alone", &alone) < 0)
		return;
	/* One that was last already may have been so by us, and where it came from is known. */
	if (moved || !marginal) {
		d->was_group = (unsigned)MAX(group, 0);
		d->was_alone = alone;
	}
	d->marginal = marginal;
	inventory_touch(inv);
}

void inventory_stuck(struct inventory *inv, const char *set, const char *reason)
{
	struct disk_set *s = set_find(inv, set);

	if (s)
		snprintf(s->stuck, sizeof(s->stuck), "%s", reason ? reason : "");
}

void inventory_spent(struct inventory *inv, const char *array, int64_t boot)
{
	struct array *a = array_find(inv, array);

	if (!a)
		return;
	if (a->n_plans == ARRAY_SIZE(a->plans))
		memmove(&a->plans[0], &a->plans[1], --a->n_plans * sizeof(a->plans[0]));
	a->plans[a->n_plans++] = boot;
}

void inventory_marks(struct inventory *inv, const struct strset *(*fn)(void *u, const char *device), void *u)
{
	inv->marks = fn;
	inv->marks_u = u;
}

void inventory_touch(struct inventory *inv)
{
	inv->version++;
}
