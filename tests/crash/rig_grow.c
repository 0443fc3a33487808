// SPDX-License-Identifier: GPL-2.0-or-later
/* An array that is made larger: what the kernel makes of a table that is longer than its superblocks say, and whether
 * the redundancy of what is new is there when the format says so. */
#include "tests/crash/rig_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t rig_live_sectors(struct rig *r, const struct rig_volume *v)
{
	const char *live = r->dm ? fake_dm_live(r->dm, v->top) : NULL;
	uint64_t sectors;

	return live && sscanf(live, "%*u %" SCNu64, &sectors) == 1 ? sectors : 0;
}

static uint64_t live_member(struct rig *r, const struct rig_volume *rv)
{
	const struct meta_volume *v = exec_volume(r->x, rv->guid);

	return v ? v->member_sectors * rig_live_sectors(r, rv) / v->sectors : 0;
}

/* The first sector behind which every region has its bit set: md resyncs from there to the end. */
static uint64_t bits_from(const uint8_t *slice, uint64_t member)
{
	const uint8_t *bit = slice + 4096 + 256;
	uint64_t region = 0, n;

	for (unsigned i = 0; i < 4; i++)
		region |= (uint64_t)slice[4096 + 52 + i] << 8 * i;
	region /= 512;
	n = region ? (member + region - 1) / region : 0;
	while (n > 0 && (bit[(n - 1) / 8] >> (n - 1) % 8 & 1))
		n--;
	return n * region;
}

/* raid_ctr and raid_preresume, drivers/md/dm-raid.c: a longer table than the superblocks' is resynced from their end
 * on, a resync offset from there on whatever the bitmap says, and offset 0 where its bits are set. */
void rig_grow_begin(struct rig *r, struct rig_volume *rv, const struct slice_super *fresh, const uint8_t *slice)
{
	uint64_t member = live_member(r, rv);

	rv->resync_from = UINT64_MAX;
	if (fresh->sectors < member)
		rv->resync_from = MIN(fresh->resync_offset, fresh->sectors);
	else if (fresh->resync_offset == 0)
		rv->resync_from = bits_from(slice, member);
	else
		rv->resync_from = fresh->resync_offset;
	/* Where the redundancy is made a resync finds nothing to do, and is over at once. */
	if (rv->resync_from >= member || rv->made >= member)
		rv->resync_from = UINT64_MAX;
}

void rig_grow_super(struct rig *r, const struct rig_volume *rv, struct slice_super *s)
{
	s->array_sectors = rig_live_sectors(r, rv);
	s->sectors = live_member(r, rv);
	s->resync_offset = rv->comparing ? 0 : rv->resync_from;
}

/* Two members that are in sync, by the kernel, hold the same data. */
static bool mirrored(struct rig *r, const struct rig_volume *rv)
{
	const struct meta_volume *v = exec_volume(r->x, rv->guid);
	const char *health = fake_dm_health(r->dm, rig_raid_dm(r, rv));
	bool in_sync[META_SLOTS_MAX] = {0};

	for (unsigned i = 0; v && health && health[i] && i < v->slots; i++)
		in_sync[i] = health[i] == 'A';
	return v && raid_mirrored(v->level, in_sync, v->slots);
}

static void same(struct rig *r, struct rig_volume *rv)
{
	if (rv->differ) {
		rv->differed = true;
		rv->same_at = fake_disks_recorded(r->disks);
	}
	rv->differ = rv->comparing = false;
}

/* A superblock's resync offset, of 0 too, has the regions compared whose bits are set: all that were being written. */
void rig_compare_begin(struct rig *r, struct rig_volume *rv, const struct slice_super *fresh)
{
	rv->comparing = fresh->resync_offset != UINT64_MAX && !strchr(fake_dm_health(r->dm, rig_raid_dm(r, rv)), 'a');
	if (!mirrored(r, rv)) /* what enters is copied from who is left */
		same(r, rv);
	rv->comparing = rv->comparing && rv->differ;
}

void rig_compare_cut(struct rig_volume *rv, size_t records)
{
	rv->differ = rv->differ || (rv->differed && rv->same_at > records) || (rv->wrote && rv->wrote_at <= records);
	rv->wrote = rv->differed = rv->comparing = false;
}

/* A rebuild makes all of parity, and of a mirror of two. What it does not write nobody has compared. */
static bool rebuild_makes(const struct meta_volume *v)
{
	return v->level == RAID4 || v->level == RAID5 || v->level == RAID6 || (v->level == RAID1 && v->slots == 2);
}

void rig_resynced(struct rig *r, struct rig_volume *rv, bool rebuilt)
{
	uint64_t member = live_member(r, rv);

	if ((rv->resync_from <= rv->made || (rebuilt && rebuild_makes(exec_volume(r->x, rv->guid)))) &&
	    member > rv->made) {
		rv->made_before = rv->made;
		rv->made = member;
		rv->made_at = fake_disks_recorded(r->disks);
	}
	rv->resync_from = UINT64_MAX;
	if (rv->comparing || (rebuilt && rebuild_makes(exec_volume(r->x, rv->guid))))
		same(r, rv);
}

void rig_uninitialise(struct rig *r)
{
	struct rig_volume *rv = &r->volume[0];
	struct meta_edit edit = {.op = META_SET_INITIALISED};
	struct err why = {0};

	memcpy(edit.volume, rv->guid, sizeof(edit.volume));
	if (exec_edit(r->x, &edit, &why) < 0 || commit(r->x, &why) < 0) {
		fprintf(stderr, "rig: %s\n", why.msg);
		exit(1);
	}
	rv->made = rv->made_before = 0;
}

const char *rig_unmade(struct rig *r, bool settled)
{
	static char text[200];

	for (unsigned i = 0; i < r->n_volumes; i++) {
		struct rig_volume *rv = &r->volume[i];
		const struct meta_volume *v = exec_volume(r->x, rv->guid);
		uint64_t live = rig_live_sectors(r, rv);

		if (!v || v->level == RAID0 || !live)
			continue;
		text[0] = '\0';
		if (v->initialised && rv->made < v->member_sectors)
			snprintf(text, sizeof(text),
				 "%s is called initialised with %" PRIu64 " sectors a member, of %" PRIu64
				 " redundancy was made",
				 rv->top, v->member_sectors, rv->made);
		else if (v->initialised && rv->differ && !rv->comparing && mirrored(r, rv))
			snprintf(text, sizeof(text), "%s has mirrors that differ, and nobody compares them", rv->top);
		else if (v->sectors < live)
			snprintf(text, sizeof(text), "the table of %s is longer than the metadata say", rv->top);
		else if (settled && (v->sectors > live || !v->initialised))
			snprintf(text, sizeof(text), "%s has %" PRIu64 " sectors, its table %" PRIu64 "%s", rv->top,
				 v->sectors, live, v->initialised ? "" : ", and it is not initialised");
		else if (rv->n_acks && live < rv->ack[rv->n_acks - 1].sectors)
			snprintf(text, sizeof(text), "%s was larger when a write was acknowledged", rv->top);
		if (text[0])
			return text;
	}
	return NULL;
}
