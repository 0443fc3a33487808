// SPDX-License-Identifier: GPL-2.0-or-later
/* Table lines. Pure: text in, text out. */
#include "actions/dm/dm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What dm-raid knows of a type (raid_types, drivers/md/dm-raid.c). level and layout are md's numbers; of md's level 4,
 * whose parity is on the last member, dm-raid says raid5_n, for its raid4 has it on the first. */
static const struct raid_desc {
	const char *name;
	int level, layout;
	unsigned parity; /* members' worth of redundancy that the target length does not count */
	unsigned copies; /* of each block, 1 where parity protects */
	unsigned slots_min;
} raid_descs[] = {
	[DM_RAID0] = {"raid0", 0, 0, 0, 1, 2},	      [DM_RAID1] = {"raid1", 1, 0, 0, 0, 2},
	[DM_RAID5_N] = {"raid5_n", 4, 0, 1, 1, 2},    [DM_RAID5_LA] = {"raid5_la", 5, 0, 1, 1, 2},
	[DM_RAID5_RA] = {"raid5_ra", 5, 1, 1, 1, 2},  [DM_RAID5_LS] = {"raid5_ls", 5, 2, 1, 1, 2},
	[DM_RAID6_ZR] = {"raid6_zr", 6, 8, 2, 1, 4},  [DM_RAID6_NR] = {"raid6_nr", 6, 9, 2, 1, 4},
	[DM_RAID6_NC] = {"raid6_nc", 6, 10, 2, 1, 4}, [DM_RAID10_NEAR] = {"raid10", 10, 0x102, 0, 2, 2},
};

int dm_raid_type_of(int level, int layout, enum dm_raid_type *ret)
{
	/* Levels without a layout: whatever number stands there means nothing. */
	if (level == 0 || level == 1 || level == 4)
		layout = 0;
	for (size_t i = 0; i < ARRAY_SIZE(raid_descs); i++)
		if (raid_descs[i].level == level && raid_descs[i].layout == layout) {
			*ret = (enum dm_raid_type)i;
			return 0;
		}
	return -ENOTSUP;
}

/* Sectors of each member that the table uses, or 0 when the length does not divide. */
static uint64_t member_sectors(const struct dm_raid_table *t, const struct raid_desc *d)
{
	uint64_t data = t->sectors;
	unsigned by = t->slots - d->parity;

	if (t->type == DM_RAID1)
		return data;
	if (data > UINT64_MAX / d->copies)
		return 0;
	data *= d->copies;
	return data % by ? 0 : data / by;
}

static int check_size(const struct dm_raid_table *t, const struct raid_desc *d, struct err *e)
{
	uint64_t each;

	if (t->slots < d->slots_min || t->slots > 64)
		return err_set(e, EINVAL, "%s needs %u to 64 members, not %u", d->name, d->slots_min, t->slots);
	if (t->type == DM_RAID1 ? t->chunk != 0 : t->chunk < 8 || (t->chunk & (t->chunk - 1)))
		return err_set(e, EINVAL, "%s cannot have a chunk of %u sectors", d->name, t->chunk);
	each = t->sectors ? member_sectors(t, d) : 0;
	if (!each || (t->chunk && each % t->chunk))
		return err_set(e, EINVAL, "%" PRIu64 " sectors do not divide by %u members of %s with a chunk of %u",
			       t->sectors, t->slots, d->name, t->chunk);
	if (t->region && (t->region & (t->region - 1)))
		return err_set(e, EINVAL, "a region of %u sectors is not a power of two", t->region);
	return 0;
}

static int check_slots(const struct dm_raid_table *t, const struct raid_desc *d, struct err *e)
{
	bool any = false;

	for (unsigned i = 0; i < t->slots; i++) {
		const struct dm_raid_slot *s = &t->slot[i];
		bool meta = s->meta_major || s->meta_minor;

		if (s->rebuild && (!s->listed || t->type == DM_RAID0))
			return err_set(e, EINVAL, "slot %u cannot be rebuilt: %s", i,
				       s->listed ? "RAID0 has no redundancy" : "no member is listed there");
		if (s->read_last && t->type != DM_RAID1)
			return err_set(e, EINVAL, "slot %u cannot be read last: %s has one place for each block", i,
				       d->name);
		if (!s->listed)
			continue;
		/* Without a slice a failed member hangs every later write: mddev->external without a mdmon
		 * (md_update_sb). */
		if (meta != (t->type != DM_RAID0))
			return err_set(e, EINVAL, "slot %u of %s %s", i, d->name,
				       meta ? "has a slice, and needs none" : "has no slice");
		any = any || !s->rebuild;
	}
	return any ? 0 : err_set(e, EINVAL, "%s lists no member with data", d->name);
}

int dm_raid_table_print(const struct dm_raid_table *t, struct dm_target *ret, struct err *e)
{
	const struct raid_desc *d;
	_cleanup_(buf_free) struct buf params = {0}, args = {0};
	unsigned n_args = 1;
	int r;

	if ((unsigned)t->type >= ARRAY_SIZE(raid_descs))
		return err_set(e, EINVAL, "unknown RAID type %d", (int)t->type);
	d = &raid_descs[t->type];
	r = check_size(t, d, e);
	if (r == 0)
		r = check_slots(t, d, e);
	if (r < 0)
		return r;

	/* In the order in which the kernel prints them (raid_status, STATUSTYPE_TABLE), so that the two compare. */
	buf_addf(&args, " %u", t->chunk);
	for (unsigned i = 0; i < t->slots; i++)
		if (t->slot[i].rebuild) {
			buf_addf(&args, " rebuild %u", i);
			n_args += 2;
		}
	if (t->min_rate) {
		buf_addf(&args, " min_recovery_rate %u", t->min_rate);
		n_args += 2;
	}
	if (t->max_rate) {
		buf_addf(&args, " max_recovery_rate %u", t->max_rate);
		n_args += 2;
	}
	for (unsigned i = 0; i < t->slots; i++)
		if (t->slot[i].read_last) {
			buf_addf(&args, " write_mostly %u", i);
			n_args += 2;
		}
	if (t->region) {
		buf_addf(&args, " region_size %u", t->region);
		n_args += 2;
	}
	if (t->type == DM_RAID10_NEAR) {
		buf_addf(&args, " raid10_copies %u raid10_format near", d->copies);
		n_args += 4;
	}
	buf_addf(&params, "%s %u%s %u", d->name, n_args, buf_str(&args), t->slots);
	for (unsigned i = 0; i < t->slots; i++) {
		const struct dm_raid_slot *s = &t->slot[i];

		if (!s->listed)
			buf_add(&params, " - -");
		else if (t->type == DM_RAID0)
			buf_addf(&params, " - %u:%u", s->data_major, s->data_minor);
		else
			buf_addf(&params, " %u:%u %u:%u", s->meta_major, s->meta_minor, s->data_major, s->data_minor);
	}
	if (args.oom || params.oom)
		return err_sys(e, ENOMEM, "table of %s", d->name);
	if (params.len >= sizeof(ret->params))
		return err_set(e, E2BIG, "the table of %s with %u members is too long", d->name, t->slots);
	*ret = (struct dm_target){.start = 0, .len = t->sectors, .type = "raid"};
	memcpy(ret->params, params.s, params.len + 1);
	return 0;
}

void dm_linear_print(unsigned major, unsigned minor, uint64_t start, uint64_t len, struct dm_target *ret)
{
	*ret = (struct dm_target){.start = 0, .len = len, .type = "linear"};
	snprintf(ret->params, sizeof(ret->params), "%u:%u %" PRIu64, major, minor, start);
}

/* The log has three bits for each region in the kernel's memory: it stays below half a MiB. */
static uint64_t mirror_region(uint64_t len)
{
	uint64_t region = 1024;

	while (len / region > UINT64_C(1) << 20)
		region *= 2;
	while (region > 8 && len / region < 16)
		region /= 2;
	return region;
}

void dm_mirror_print(const struct dm_mirror_side side[2], uint64_t len, struct dm_target *ret)
{
	*ret = (struct dm_target){.start = 0, .len = len, .type = "mirror"};
	snprintf(ret->params, sizeof(ret->params),
		 "core 1 %" PRIu64 " 2 %u:%u %" PRIu64 " %u:%u %" PRIu64 " 1 handle_errors", mirror_region(len),
		 side[0].major, side[0].minor, side[0].start, side[1].major, side[1].minor, side[1].start);
}

bool dm_mirror_parse(const char *params, struct dm_mirror_side side[2])
{
	return sscanf(params, "core %*u %*u 2 %u:%u %" SCNu64 " %u:%u %" SCNu64, &side[0].major, &side[0].minor,
		      &side[0].start, &side[1].major, &side[1].minor, &side[1].start) == 6;
}

void dm_error_print(uint64_t len, struct dm_target *ret)
{
	*ret = (struct dm_target){.start = 0, .len = len, .type = "error"};
}

/* The characters that udev leaves alone in a link's name (libdevmapper's mangling, _is_whitelisted_char). */
static bool name_char_ok(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("#+-.:=@_", c));
}

int dm_name_escape(const char *raw, char ret[DM_NAME_LEN_MAX + 1])
{
	size_t n = 0;

	for (const char *p = raw; *p; p++) {
		size_t need = name_char_ok(*p) ? 1 : 4;

		if (n + need > DM_NAME_LEN_MAX)
			return -ENAMETOOLONG;
		if (need == 1)
			ret[n] = *p;
		else
			snprintf(ret + n, 5, "\\x%02x", (unsigned char)*p);
		n += need;
	}
	ret[n] = '\0';
	return n ? 0 : -EINVAL;
}
