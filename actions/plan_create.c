// SPDX-License-Identifier: GPL-2.0-or-later
/* What a plan makes, printed and as JSON. */
#include "actions/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_size(uint64_t sectors, struct buf *out)
{
	struct value v = value_size(sectors * 512);

	value_print(&v, VALUE_CANONICAL, out);
}

static void print_disks(const struct plan_create *c, unsigned from, unsigned to, struct buf *out)
{
	for (unsigned i = from; i < to; i++) {
		buf_add(out, i == from ? " " : ", ");
		value_escape(c->disk[i].name, 0, out);
		if (c->disk[i].wipe)
			buf_add(out, " (wiped)");
	}
}

void create_print(const struct plan *p, struct buf *out)
{
	const struct plan_create *c = p->create;

	if (c->n_slots) {
		buf_addf(out, ": %s of", raid_level_name(c->level));
		print_disks(c, 0, c->n_slots, out);
		if (c->chunk) {
			buf_add(out, ", chunks of ");
			print_size(c->chunk, out);
		}
		if (c->sectors) {
			buf_add(out, ", ");
			print_size(c->sectors, out);
		}
	}
	if (c->n_disks > c->n_slots) {
		buf_add(out, c->n_slots ? ", spare" : ": spare");
		print_disks(c, c->n_slots, c->n_disks, out);
	}
	if (c->assume_clean)
		buf_add(out, ", assumed to be clean");
	buf_addf(out, ", in the %sset %s", c->new_set ? "new " : "", p->set);
}

json_t *create_to_json(const struct plan_create *c)
{
	json_t *disks = json_array();

	for (unsigned i = 0; i < c->n_disks; i++)
		json_array_append_new(disks, json_pack("{s:s s:s s:b}", "device", c->disk[i].device, "name",
						       c->disk[i].name, "wipe", c->disk[i].wipe));
	return json_pack("{s:b s:b s:s s:i s:I s:I s:i s:o}", "new-set", c->new_set, "assume-clean", c->assume_clean,
			 "level", c->n_slots ? raid_level_name(c->level) : "", "layout", c->layout, "chunk",
			 (json_int_t)c->chunk, "sectors", (json_int_t)c->sectors, "slots", (int)c->n_slots, "disks",
			 disks);
}

static int disk_from_json(const json_t *j, struct plan_create_disk *d, struct err *e)
{
	const char *device, *name;
	json_error_t je;
	int wipe;

	if (json_unpack_ex((json_t *)j, &je, JSON_STRICT, "{s:s s:s s:b}", "device", &device, "name", &name, "wipe",
			   &wipe) < 0)
		return err_set(e, EINVAL, "plan: create: disk: %s", je.text);
	if (strlen(device) >= sizeof(d->device) || strlen(name) >= sizeof(d->name))
		return err_set(e, EINVAL, "plan: create: a disk's name is too long");
	memcpy(d->device, device, strlen(device) + 1);
	memcpy(d->name, name, strlen(name) + 1);
	d->wipe = wipe;
	return 0;
}

static int level_from_json(const char *word, struct plan_create *c, struct err *e)
{
	for (int level = RAID0; level < RAID_LEVELS; level++)
		if (strcmp(word, raid_level_name((enum raid_level)level)) == 0) {
			c->level = (enum raid_level)level;
			return 0;
		}
	return c->n_slots ? err_set(e, EINVAL, "plan: create: '%.20s' is no level", word) : 0;
}

int create_from_json(const json_t *j, struct plan_create **ret, struct err *e)
{
	_cleanup_(freep) struct plan_create *c = calloc(1, sizeof(*c));
	json_int_t chunk, sectors;
	int new_set, assume_clean, slots, r;
	const char *level;
	json_error_t je;
	json_t *disks;

	if (!c)
		return err_sys(e, ENOMEM, "plan");
	if (json_unpack_ex((json_t *)j, &je, JSON_STRICT, "{s:b s:b s:s s:i s:I s:I s:i s:o}", "new-set", &new_set,
			   "assume-clean", &assume_clean, "level", &level, "layout", &c->layout, "chunk", &chunk,
			   "sectors", &sectors, "slots", &slots, "disks", &disks) < 0)
		return err_set(e, EINVAL, "plan: create: %s", je.text);
	if (!json_is_array(disks) || json_array_size(disks) > ARRAY_SIZE(c->disk) || slots < 0 ||
	    (size_t)slots > json_array_size(disks) || slots > META_SLOTS_MAX)
		return err_set(e, EINVAL, "plan: create: %d slots of %zu disks", slots, json_array_size(disks));
	if (chunk < 0 || chunk > UINT32_MAX || sectors < 0)
		return err_set(e, EINVAL, "plan: create: a size that cannot be");
	c->new_set = new_set;
	c->assume_clean = assume_clean;
	c->chunk = (uint32_t)chunk;
	c->sectors = (uint64_t)sectors;
	c->n_slots = (unsigned)slots;
	r = level_from_json(level, c, e);
	for (; r == 0 && c->n_disks < json_array_size(disks); c->n_disks++)
		r = disk_from_json(json_array_get(disks, c->n_disks), &c->disk[c->n_disks], e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}
