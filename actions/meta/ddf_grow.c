// SPDX-License-Identifier: GPL-2.0-or-later
/* A volume gets more of its disks: its extents become longer, where nobody uses what lies right behind them. What is
 * new has no redundancy yet, so the volume counts as not initialised until that is made. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

enum { EXTENT_SECTORS = 2048 }; /* extents end at whole MiB, as those of new volumes do */

static int level_check(const struct meta_volume *v, struct err *e)
{
	if (v->level == RAID_UNSUPPORTED)
		return err_set(e, EINVAL, "it is not supported: %s", v->unsupported);
	if (v->level == RAID10)
		return err_set(
			e, ENOTSUP,
			"a RAID10 is not made larger: in DDF each disk has the record of its own pair only, and a "
			"cut would leave pairs of two sizes");
	return 0;
}

/* The least that is free behind an extent, and on which disk that is. */
static int room_find(const struct meta_set *s, const struct ddf_volume *v, unsigned slots, uint64_t *room,
		     uint32_t *fullest, struct err *e)
{
	*room = UINT64_MAX;
	for (unsigned slot = 0; slot < slots; slot++) {
		uint32_t ref = ddf_slot_ref(s, v, slot);
		struct ddf_bvd *b;
		unsigned index;
		uint64_t here;

		if (ddf_slot_state(s, v, slot) != MEMBER_IN_SYNC)
			return err_set(e, EINVAL,
				       "slot %u is %s: only an array with all members in sync is made larger", slot,
				       member_words[ddf_slot_state(s, v, slot)]);
		if (ddf_slot(s, v, slot, &b, &index) < 0)
			return err_set(e, ENODEV, "no disk with the configuration record of slot %u is here", slot);
		here = ddf_room_behind(s, ref, ddf_sectors(s->unit, ddf_conf_lba(ddf_conf(b), s->max_elements)[index]));
		if (here < *room) {
			*room = here;
			*fullest = ref;
		}
	}
	return 0;
}

static int member_choose(const struct meta_volume *v, uint64_t old, uint64_t usable, uint64_t wanted, uint64_t room,
			 uint32_t fullest, uint64_t *ret, struct err *e)
{
	uint64_t granule = MAX(v->chunk, (uint32_t)EXTENT_SECTORS), most = (old + room) / granule * granule;
	uint64_t each = ddf_member_for(v->level, v->slots, wanted);

	if (wanted && wanted < usable)
		return err_set(e, EINVAL, "it has %llu KiB, and an array is never made smaller",
			       (unsigned long long)usable / 2);
	if (wanted && (each > UINT64_MAX - granule || each > most))
		return err_set(
			e, ENOSPC,
			"disk %08x has %llu KiB free right behind the array's extent; each member needs %llu KiB "
			"more",
			fullest, (unsigned long long)room / 2, (unsigned long long)(each - MIN(each, old) + 1) / 2);
	*ret = wanted ? (each + granule - 1) / granule * granule : most;
	if (*ret > most)
		*ret = most;
	if (*ret <= old)
		return err_set(e, ENOSPC,
			       "there is no room: disk %08x has %llu KiB free right behind the array's extent, and it "
			       "grows by whole %llu KiB",
			       fullest, (unsigned long long)room / 2, (unsigned long long)granule / 2);
	return 0;
}

int ddf_grow_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	_cleanup_(freep) struct meta_volume *level = calloc(1, sizeof(*level));
	uint64_t room, member = 0;
	struct ddf_volume *v = NULL;
	struct ddf_vd_entry *vd;
	const struct ddf_conf *c;
	uint32_t fullest = 0;
	int r;

	if (!level)
		return err_set(e, ENOMEM, "out of memory");
	r = ddf_find_volume(s, edit->volume, &v, e);
	if (r < 0)
		return r;
	ddf_level(s, v, level);
	c = ddf_volume_conf(v);
	r = c ? level_check(level, e) : err_set(e, ENODEV, "no disk holds its record");
	if (r == 0)
		r = room_find(s, v, level->slots, &room, &fullest, e);
	if (r == 0)
		r = member_choose(level, ddf_sectors(s->unit, c->blocks), ddf_sectors(s->unit, c->vd_blocks),
				  edit->sectors, room, fullest, &member, e);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < v->n_bvds; i++) {
		ddf_conf(&v->bvd[i])->blocks = be64_of(member / s->unit);
		ddf_conf(&v->bvd[i])->vd_blocks = be64_of(ddf_usable(level->level, level->slots, member / s->unit));
		ddf_conf_touch(&v->bvd[i]);
	}
	vd = ddf_vd_edit(s, v);
	if (level->level != RAID0)
		vd->init_state = (uint8_t)((vd->init_state & ~DDF_VD_INIT_MASK) | DDF_VD_NOT_INIT);
	return 0;
}
