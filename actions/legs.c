// SPDX-License-Identifier: GPL-2.0-or-later
/* Private devices: per member a linear device over its data and one over its slice, so that dm-raid sees exactly these
 * sectors, and one claim per disk of the set. Their names carry the disk's reference: a slot's old and new leg exist
 * side by side during a swap. udev is kept away from them. */
#include "actions/exec_run.h"

#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UUID_PREFIX "SPARED-"

static int uuid_prefix(const struct exec *x, const char *guid, const char *rest, char *ret, size_t size)
{
	int n = snprintf(ret, size, UUID_PREFIX "%s-%s%s", x->set.format->name, guid, rest);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* --- what the kernel has ---------------------------------------------------------------------------------- */

/* Reads "SPARED-ddf-<guid>-leg3-1234abcd". */
static bool leg_parse(const struct exec *x, const char *uuid, struct leg *ret)
{
	char prefix[DM_UUID_LEN_MAX + 1], kind[8], ref[META_REF_MAX];
	const char *rest;
	unsigned slot;
	size_t n;

	if (uuid_prefix(x, "", "", prefix, sizeof(prefix)) < 0 || strncmp(uuid, prefix, strlen(prefix)) != 0)
		return false;
	uuid += strlen(prefix);
	rest = strchr(uuid, '-');
	n = rest ? (size_t)(rest - uuid) : 0;
	if (n == 0 || n >= sizeof(ret->volume) || sscanf(rest, "-%4[a-z]%u-%19[0-9a-zA-Z]", kind, &slot, ref) != 3)
		return false;
	if (slot >= META_SLOTS_MAX || (strcmp(kind, "leg") != 0 && strcmp(kind, "meta") != 0))
		return false;
	*ret = (struct leg){.meta = kind[0] == 'm', .slot = slot};
	memcpy(ret->volume, uuid, n);
	memcpy(ret->ref, ref, sizeof(ret->ref));
	return true;
}

static int leg_add(struct exec *x, const struct leg *leg, struct err *e)
{
	if (x->n_legs == x->cap_legs) {
		size_t cap = x->cap_legs ? 2 * x->cap_legs : 32;
		struct leg *grown = realloc(x->leg, cap * sizeof(*grown));

		if (!grown)
			return err_set(e, ENOMEM, "out of memory");
		x->leg = grown;
		x->cap_legs = cap;
	}
	x->leg[x->n_legs++] = *leg;
	return 0;
}

static void leg_forget(struct exec *x, const char *name)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (strcmp(x->leg[i].name, name) == 0) {
			x->leg[i] = x->leg[--x->n_legs];
			return;
		}
}

static int leg_name(const struct volume_run *run, unsigned slot, const char *ref, bool meta,
		    char ret[DM_NAME_LEN_MAX + 1])
{
	int n = snprintf(ret, DM_NAME_LEN_MAX + 1, "%.80s-%s%u-%s", run->top, meta ? "meta" : "leg", slot, ref);

	return n > DM_NAME_LEN_MAX ? -ENAMETOOLONG : 0;
}

static int leg_recover(struct exec *x, const char *name, struct err *e)
{
	struct dm_info_view info;
	int r = x->env.dm->info(x->env.dm->u, name, &info, e);

	if (r < 0 || !info.exists || !info.live_table || (!info.suspended && !info.inactive_table))
		return r;
	r = swap_back_out(x, name);
	return r < 0 ? err_sys(e, -r, "%s is suspended and cannot be resumed with its old table", name) : 0;
}

/* By name: a list of all would need memory. */
int legs_recover(struct exec *x, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < x->n_runs; i++) {
		const struct volume_run *run = x->run[i];
		const struct meta_volume *v = exec_volume(x, run->guid);
		char name[DM_NAME_LEN_MAX + 1];

		for (unsigned k = 0; v && k < 2 * v->slots && r == 0; k++)
			if (v->members[k / 2].ref[0] && leg_name(run, k / 2, v->members[k / 2].ref, k % 2, name) == 0)
				r = leg_recover(x, name, e);
	}
	return r;
}

static void leg_lies_on(struct exec *x, struct leg *leg)
{
	struct dm_mirror_side side[2];

	if (x->env.dm->table(x->env.dm->u, leg->name, x->dm_params, NULL) < 0)
		return;
	if (dm_mirror_parse(x->dm_params, side)) {
		leg->copies = true;
		leg->to = side[1];
		leg->disk_major = side[0].major;
		leg->disk_minor = side[0].minor;
		leg->start = side[0].start;
	} else if (sscanf(x->dm_params, "%u:%u %" SCNu64, &leg->disk_major, &leg->disk_minor, &leg->start) != 3) {
		leg->disk_major = leg->disk_minor = 0;
	}
}

int legs_read(struct exec *x, struct err *e)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	char prefix[DM_UUID_LEN_MAX + 1];
	size_t n = 0;
	int r;

	x->n_legs = 0;
	r = uuid_prefix(x, "", "", prefix, sizeof(prefix));
	if (r == 0)
		r = x->env.dm->list(x->env.dm->u, prefix, &all, &n, e);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct leg leg;

		if (!leg_parse(x, all[i].uuid, &leg) || !meta_view_volume(x->set.view, leg.volume))
			continue;
		memcpy(leg.name, all[i].name, sizeof(leg.name));
		leg.major = all[i].major;
		leg.minor = all[i].minor;
		if (all[i].live_table)
			leg_lies_on(x, &leg);
		r = leg_add(x, &leg, e);
	}
	return r;
}

const struct leg *leg_find(const struct exec *x, const char *volume, unsigned slot, const char *ref, bool meta)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (x->leg[i].meta == meta && x->leg[i].slot == slot && strcmp(x->leg[i].ref, ref) == 0 &&
		    strcmp(x->leg[i].volume, volume) == 0)
			return &x->leg[i];
	return NULL;
}

const struct leg *leg_by_number(const struct exec *x, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (x->leg[i].major == major && x->leg[i].minor == minor)
			return &x->leg[i];
	return NULL;
}

/* --- making and dropping ---------------------------------------------------------------------------------- */

/* A private device with exactly this table: one that is right is left alone, one that is not is made anew. */
static int private_make(struct exec *x, const char *name, const char *uuid, const struct dm_target *t,
			struct dm_info_view *info, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	int r = dm->info(dm->u, name, info, e);
	uint64_t len = 0;
	char type[16];

	if (r < 0)
		return r;
	if (info->exists && strcmp(info->uuid, uuid) != 0)
		return err_set(e, EEXIST, "a device called %s is there and not ours (UUID %s)", name, info->uuid);
	if (info->exists && info->live_table && !info->suspended && dm->table(dm->u, name, x->dm_params, NULL) == 0 &&
	    strcmp(x->dm_params, t->params) == 0 && dm->target(dm->u, name, type, &len, NULL) == 0 && len == t->len)
		return 0;
	if (info->exists) {
		r = dm->remove(dm->u, name, true, e);
		if (r < 0)
			return r;
	}
	exec_mark(x, "private device");
	r = dm->create(dm->u, name, uuid, e);
	if (r == 0)
		r = dm->load(dm->u, name, t, 1, false, e);
	if (r == 0)
		r = dm->resume(dm->u, name, DM_PRIVATE, e);
	if (r == 0)
		r = dm->info(dm->u, name, info, e);
	if (r < 0)
		dm->remove(dm->u, name, false, NULL);
	return r;
}

static int leg_make(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot,
		    const struct set_disk *d, uint64_t start, uint64_t len, bool meta, struct err *e)
{
	struct leg leg = {
		.meta = meta, .slot = slot, .disk_major = d->dev->major, .disk_minor = d->dev->minor, .start = start};
	char uuid[DM_UUID_LEN_MAX + 1], rest[48];
	struct dm_info_view info;
	struct dm_target t;
	int r;

	if (leg_name(run, slot, d->ref, meta, leg.name) < 0)
		return err_set(e, ENAMETOOLONG, "the name of %s is too long", v->name);
	snprintf(rest, sizeof(rest), "-%s%u-%s", meta ? "meta" : "leg", slot, d->ref);
	memcpy(leg.volume, v->guid, sizeof(leg.volume));
	memcpy(leg.ref, d->ref, sizeof(leg.ref));
	r = uuid_prefix(x, v->guid, rest, uuid, sizeof(uuid));
	if (r < 0)
		return err_set(e, ENAMETOOLONG, "the UUID of a leg of %s is too long", v->name);
	dm_linear_print(d->dev->major, d->dev->minor, start, len, &t);
	r = private_make(x, leg.name, uuid, &t, &info, e);
	if (r < 0)
		return r;
	leg_forget(x, leg.name);
	leg.major = info.major;
	leg.minor = info.minor;
	return leg_add(x, &leg, e);
}

int legs_make(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot, int bay,
	      struct dm_raid_slot *ret, struct err *e)
{
	const struct set_disk *d = set_disk_by_ref(&x->set, v->members[slot].ref);
	const struct leg *leg;
	int r;

	if (!d || !d->dev)
		return err_set(e, ENODEV, "the disk of slot %u of %s is not here", slot, v->name);
	r = leg_make(x, run, v, slot, d, v->members[slot].offset, v->member_sectors, false, e);
	if (r == 0 && bay >= 0)
		r = leg_make(x, run, v, slot, d, set_slice_sector(d, (unsigned)bay), SLICE_SECTORS, true, e);
	if (r < 0)
		return r;
	leg = leg_find(x, v->guid, slot, d->ref, false);
	*ret = (struct dm_raid_slot){.listed = true, .data_major = leg->major, .data_minor = leg->minor};
	if (bay >= 0) {
		leg = leg_find(x, v->guid, slot, d->ref, true);
		ret->meta_major = leg->major;
		ret->meta_minor = leg->minor;
	}
	return 0;
}

void legs_drop(struct exec *x, const char *volume, unsigned slot, const char *ref)
{
	for (int meta = 0; meta < 2; meta++) {
		const struct leg *leg = leg_find(x, volume, slot, ref, meta);
		char name[DM_NAME_LEN_MAX + 1];
		struct err why;

		if (!leg)
			continue;
		memcpy(name, leg->name, sizeof(name));
		if (x->env.dm->remove(x->env.dm->u, name, true, &why) < 0)
			log_warning("%s", why.msg);
		else
			leg_forget(x, name);
	}
}

void legs_drop_all(struct exec *x, const char *volume)
{
	for (size_t i = x->n_legs; i-- > 0;)
		if (i < x->n_legs && strcmp(x->leg[i].volume, volume) == 0)
			legs_drop(x, volume, x->leg[i].slot, x->leg[i].ref);
}

void legs_drop_strays(struct exec *x, const struct volume_run *run)
{
	for (size_t i = x->n_legs; i-- > 0;)
		if (i < x->n_legs && strcmp(x->leg[i].volume, run->guid) == 0 &&
		    strcmp(run->listed[x->leg[i].slot], x->leg[i].ref) != 0)
			legs_drop(x, run->guid, x->leg[i].slot, x->leg[i].ref);
}

/* --- claims ------------------------------------------------------------------------------------------------ */

/* One logical sector is enough: device-mapper opens the whole disk for itself. */
int claim_disk(struct exec *x, const struct set_disk *d, struct err *e)
{
	char name[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1], rest[40];
	struct dm_info_view info;
	struct dm_target t;

	snprintf(name, sizeof(name), "spared-claim-%s", d->ref);
	snprintf(rest, sizeof(rest), "-claim-%s", d->ref);
	if (uuid_prefix(x, x->set.guid, rest, uuid, sizeof(uuid)) < 0)
		return err_set(e, ENAMETOOLONG, "the UUID of a claim is too long");
	dm_linear_print(d->dev->major, d->dev->minor, 0, d->dev->sector_size / 512, &t);
	return private_make(x, name, uuid, &t, &info, e);
}

static int claims_list(struct exec *x, struct dm_info_view **ret, size_t *n, struct err *e)
{
	char prefix[DM_UUID_LEN_MAX + 1];

	*ret = NULL;
	*n = 0;
	if (uuid_prefix(x, x->set.guid, "-claim-", prefix, sizeof(prefix)) < 0)
		return err_set(e, ENAMETOOLONG, "the UUID of a claim is too long");
	return x->env.dm->list(x->env.dm->u, prefix, ret, n, e);
}

bool claims_held(struct exec *x)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n;

	return claims_list(x, &all, &n, NULL) == 0 && n > 0;
}

int claims_make(struct exec *x, struct err *e)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n;
	int r = claims_list(x, &all, &n, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *ref = strrchr(all[i].uuid, '-') + 1;
		const struct set_disk *d = set_disk_by_ref(&x->set, ref);

		if (!d || !d->dev || !meta_view_disk(x->set.view, ref))
			r = x->env.dm->remove(x->env.dm->u, all[i].name, true, e);
	}
	for (size_t i = 0; i < x->set.n_disks && r == 0; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->ours && meta_view_disk(x->set.view, x->set.disk[i]->ref))
			r = claim_disk(x, x->set.disk[i], e);
	return r;
}

int claims_drop(struct exec *x, struct err *e)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n;
	int r;

	for (size_t i = 0; i < x->n_runs; i++)
		if (x->run[i]->running)
			return err_set(e, EBUSY, "%s runs: the disks of its set stay held", x->run[i]->dm);
	r = claims_list(x, &all, &n, e);
	for (size_t i = 0; i < n && r == 0; i++)
		r = x->env.dm->remove(x->env.dm->u, all[i].name, true, e);
	return r;
}
