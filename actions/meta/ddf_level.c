// SPDX-License-Identifier: GPL-2.0-or-later
/* What a volume's records mean: level, layout, slots, and the state of each slot.
 *
 * DDF keeps "rebuilding" per physical disk, not per volume: a disk that takes part in two volumes and is rebuilt in one
 * of them is called Rebuilding, and mdadm then leaves it out of both (container_content_ddf). Which of its slots are
 * really behind is known here by a note of ours in the vendor bytes of the configuration records, valid for exactly the
 * header sequence number that it names. Without a valid note a slot on a Rebuilding disk is behind unless its volume is
 * Optimal, which neither mdadm nor DDF say of a volume with a member that is not in sync. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* DDF 4.2 by md's numbers. Qualifier DDF_ANY: whatever it is. */
enum { DDF_ANY = -1 };
static const struct level_row {
	uint8_t primary;
	int qualifier;
	enum raid_level level;
	int layout;
	unsigned min, max; /* slots */
	const char *name;
} levels[] = {
	{DDF_RAID0, DDF_RAID0_SIMPLE, RAID0, 0, 1, META_SLOTS_MAX, "RAID0"},
	{DDF_RAID1, DDF_RAID1_SIMPLE, RAID1, 0, 2, 2, "RAID1"},
	{DDF_RAID1, DDF_RAID1_MULTI, RAID1, 0, 3, 3, "RAID1"},
	{DDF_RAID1E, DDF_RAID1E_ADJACENT, RAID10, 0x102, 3, META_SLOTS_MAX, "RAID1E"},
	{DDF_RAID4, DDF_RAID4_N, RAID4, 0, 2, META_SLOTS_MAX, "RAID4"},
	{DDF_RAID5, DDF_N_RESTART, RAID5, 0, 2, META_SLOTS_MAX, "RAID5"},
	{DDF_RAID5, DDF_RAID5_0_RESTART, RAID5, 1, 2, META_SLOTS_MAX, "RAID5"},
	{DDF_RAID5, DDF_N_CONTINUE, RAID5, 2, 2, META_SLOTS_MAX, "RAID5"},
	{DDF_RAID6, DDF_RAID6_0_RESTART, RAID6, 8, 4, META_SLOTS_MAX, "RAID6"},
	{DDF_RAID6, DDF_N_RESTART, RAID6, 9, 4, META_SLOTS_MAX, "RAID6"},
	{DDF_RAID6, DDF_N_CONTINUE, RAID6, 10, 4, META_SLOTS_MAX, "RAID6"},
	{DDF_RAID0, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID0"},
	{DDF_RAID1, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID1"},
	{DDF_RAID5, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID5"},
	{DDF_RAID6, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID6"},
	{DDF_RAID3, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID3"},
	{DDF_RAID4, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID4"},
	{DDF_RAID1E, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID1E"},
	{DDF_JBOD, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "JBOD"},
	{DDF_CONCAT, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "concatenation"},
	{DDF_RAID5E, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID5E"},
	{DDF_RAID5EE, DDF_ANY, RAID_UNSUPPORTED, 0, 0, 0, "RAID5EE"},
};

struct note {
	char magic[8];
	be32 seq; /* of the header: another one, and somebody else has written since */
	uint8_t zero[4];
	be64 behind; /* bit per element */
	uint8_t filler[8];
};
static_assert(sizeof(struct note) == sizeof(((struct ddf_conf *)0)->vendor), "note");
static const char note_magic[8] = "spared\0\1";

const struct ddf_conf *ddf_volume_conf(const struct ddf_volume *v)
{
	for (unsigned i = 0; i < v->n_bvds; i++)
		if (v->bvd[i].record)
			return ddf_conf(&v->bvd[i]);
	return NULL;
}

unsigned ddf_slots(const struct ddf_volume *v)
{
	const struct ddf_conf *c = ddf_volume_conf(v);

	return c ? be16_get(c->primary_elements) * v->n_bvds : 0;
}

/* Element n of a record. Unused references may stand between used ones and do not count (mdadm's find_index_in_bvd);
 * when some are missing only a record that is filled from its start tells which. */
static int element(const struct meta_set *s, const struct ddf_conf *c, unsigned n, unsigned *index)
{
	unsigned used = 0, last = 0, nth = UINT32_MAX;

	for (unsigned i = 0; i < s->max_elements; i++) {
		if (be32_get(c->ref[i]) == DDF_NO_REF)
			continue;
		if (used++ == n)
			nth = i;
		last = i + 1;
	}
	if (used == be16_get(c->primary_elements))
		*index = nth;
	else if (last == used)
		*index = n;
	else
		return -ENOENT;
	return 0;
}

int ddf_slot(const struct meta_set *s, const struct ddf_volume *v, unsigned slot, struct ddf_bvd **bvd, unsigned *index)
{
	const struct ddf_conf *c = ddf_volume_conf(v);
	unsigned n = c ? be16_get(c->primary_elements) : 0;

	if (slot >= n * v->n_bvds)
		return -ENOENT;
	*bvd = &v->bvd[slot / n];
	return (*bvd)->record ? element(s, ddf_conf(*bvd), slot % n, index) : -ENOENT;
}

uint32_t ddf_slot_ref(const struct meta_set *s, const struct ddf_volume *v, unsigned slot)
{
	struct ddf_bvd *b;
	unsigned i;
	uint32_t ref;

	if (ddf_slot(s, v, slot, &b, &i) < 0)
		return DDF_NO_REF;
	ref = be32_get(ddf_conf(b)->ref[i]);
	return ddf_pd(s, ref) ? ref : DDF_NO_REF; /* mdadm writes 0 for a member that is gone */
}

enum member_state ddf_slot_state(const struct meta_set *s, const struct ddf_volume *v, unsigned slot)
{
	const struct ddf_pd_entry *pd;
	struct ddf_bvd *b;
	unsigned i, state;

	if (ddf_slot(s, v, slot, &b, &i) < 0)
		return MEMBER_MISSING; /* of a basic volume of which no disk is here */
	pd = ddf_pd(s, be32_get(ddf_conf(b)->ref[i]));
	if (!pd)
		return MEMBER_EMPTY;
	state = be16_get(pd->state);
	if (state & DDF_PD_FAILED)
		return MEMBER_FAILED;
	if ((state & DDF_PD_MISSING) || !(state & DDF_PD_ONLINE))
		return MEMBER_MISSING;
	return v->behind >> slot & 1 ? MEMBER_REBUILDING : MEMBER_IN_SYNC;
}

/* How bad a volume's state is; those of nothing that runs are not compared. */
static int state_rank(uint8_t state)
{
	static const int8_t rank[DDF_VD_STATE_MASK + 1] = {
		[DDF_VD_PARTIALLY_OPTIMAL] = 1,
		[DDF_VD_DEGRADED] = 2,
		[DDF_VD_FAILED] = 3,
	};

	return rank[state & DDF_VD_STATE_MASK];
}

static bool slot_behind(const struct meta_set *s, const struct ddf_volume *v, unsigned slot, bool optimal)
{
	const struct ddf_pd_entry *pd = ddf_pd(s, ddf_slot_ref(s, v, slot));
	unsigned state = pd ? be16_get(pd->state) : 0, all = ddf_slots(v), n = MAX(all / v->n_bvds, 1);
	const struct ddf_conf *c = ddf_conf(&v->bvd[slot / n]);
	const struct note *note = c ? (const struct note *)c->vendor : NULL;

	if ((state & (DDF_PD_ONLINE | DDF_PD_FAILED | DDF_PD_MISSING)) != DDF_PD_ONLINE)
		return true;
	if (!(state & DDF_PD_REBUILDING))
		return false;
	if (note && memcmp(note->magic, note_magic, sizeof(note_magic)) == 0 && be32_get(note->seq) == s->seq)
		return be64_get(note->behind) >> slot % n & 1;
	return !optimal;
}

/* Rebuilding is said of a whole disk. mdadm takes it back as soon as one of two arrays has its spare rebuilt: the other
 * one, whose turn comes then, is Degraded meanwhile with each of its disks Online. Any of them could be the spare. */
void ddf_volume_behind(struct meta_set *s, struct ddf_volume *v)
{
	uint8_t state = ddf_vd(s, v)->state;
	unsigned slots = MIN(ddf_slots(v), META_SLOTS_MAX);

	v->behind = 0;
	for (unsigned slot = 0; slot < slots; slot++)
		v->behind |= (uint64_t)slot_behind(s, v, slot, (state & DDF_VD_STATE_MASK) == DDF_VD_OPTIMAL) << slot;
	v->doubt = slots && slots == ddf_slots(v) && state_rank(state) > state_rank(ddf_volume_state(s, v));
	for (unsigned slot = 0; slot < slots && v->doubt; slot++)
		v->behind |= UINT64_C(1) << slot;
}

/* Of one in doubt: as it is, or, when a disk has gone that could have been a good one, what keeps it in doubt. */
uint8_t ddf_volume_state_next(const struct meta_set *s, const struct ddf_volume *v)
{
	struct ddf_volume told = *v;

	if (!v->doubt)
		return ddf_volume_state(s, v);
	ddf_volume_told(s, &told);
	return ddf_volume_state(s, &told) == DDF_VD_OPTIMAL ? ddf_vd(s, v)->state & DDF_VD_STATE_MASK : DDF_VD_FAILED;
}

void ddf_volume_told(const struct meta_set *s, struct ddf_volume *v)
{
	v->doubt = false;
	v->behind = 0;
	for (unsigned slot = 0; slot < MIN(ddf_slots(v), META_SLOTS_MAX); slot++)
		v->behind |= (uint64_t)slot_behind(s, v, slot, false) << slot;
}

void ddf_note(const struct meta_set *s, const struct ddf_volume *v, unsigned bvd, struct ddf_conf *c)
{
	unsigned n = be16_get(c->primary_elements);
	bool ours = memcmp(c->vendor, note_magic, sizeof(note_magic)) == 0, rebuilding = false;
	struct note note = {.seq = be32_of(s->seq), .behind = be64_of(0)};
	uint64_t behind = 0;

	if (!ours && !ddf_is_blank(c->vendor, sizeof(c->vendor)))
		return;
	for (unsigned i = 0; i < n && bvd * n + i < META_SLOTS_MAX; i++) {
		const struct ddf_pd_entry *pd = ddf_pd(s, ddf_slot_ref(s, v, bvd * n + i));

		behind |= (v->behind >> (bvd * n + i) & 1) << i;
		rebuilding |= pd && (be16_get(pd->state) & DDF_PD_REBUILDING);
	}
	if (!rebuilding) {
		if (ours)
			memset(c->vendor, 0xFF, sizeof(c->vendor));
		return;
	}
	memcpy(note.magic, note_magic, sizeof(note_magic));
	note.behind = be64_of(behind);
	memset(note.filler, 0xFF, sizeof(note.filler));
	memcpy(c->vendor, &note, sizeof(note));
}

/* ---- levels */

static void unsupported(struct meta_volume *ret, const char *fmt, ...) _printf_(2, 3);
static void unsupported(struct meta_volume *ret, const char *fmt, ...)
{
	va_list ap;

	ret->level = RAID_UNSUPPORTED;
	ret->layout = 0;
	va_start(ap, fmt);
	vsnprintf(ret->unsupported, sizeof(ret->unsupported), fmt, ap);
	va_end(ap);
}

static const struct level_row *level_row(const struct ddf_conf *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].primary == c->level &&
		    (levels[i].qualifier == DDF_ANY || levels[i].qualifier == c->qualifier))
			return &levels[i];
	return NULL;
}

/* Basic volumes that are joined by a secondary level: md knows two-way mirrors with stripes over them. DDF 4.3;
 * "spanned" and "striped" are both read as such by mdadm (check_secondary). */
static bool secondary_level(const struct ddf_volume *v, const struct ddf_conf *c, struct meta_volume *ret)
{
	if (c->level != DDF_RAID1 || c->qualifier != DDF_RAID1_SIMPLE || be16_get(c->primary_elements) != 2) {
		unsupported(ret,
			    "secondary levels over anything but mirrors of two (level %u, qualifier %u, %u elements)",
			    c->level, c->qualifier, be16_get(c->primary_elements));
		return false;
	}
	if (c->secondary_level != DDF_SPANNED && c->secondary_level != DDF_STRIPED) {
		unsupported(ret, "secondary level %u", c->secondary_level);
		return false;
	}
	for (unsigned i = 0; i < v->n_bvds; i++) {
		const struct ddf_conf *o = ddf_conf(&v->bvd[i]);

		if (o &&
		    (o->level != c->level || o->qualifier != c->qualifier || o->secondary_level != c->secondary_level ||
		     o->primary_elements.raw != c->primary_elements.raw || o->stripe_size != c->stripe_size ||
		     be64_get(o->blocks) != be64_get(c->blocks) || be64_get(o->vd_blocks) != be64_get(c->vd_blocks))) {
			unsupported(ret, "its basic volumes differ");
			return false;
		}
	}
	ret->level = RAID10;
	ret->layout = 0x102;
	return true;
}

static bool primary_level(const struct ddf_conf *c, struct meta_volume *ret)
{
	const struct level_row *row = level_row(c);

	if (!row || row->level == RAID_UNSUPPORTED) {
		if (row)
			unsupported(ret, "DDF %s with qualifier %u", row->name, c->qualifier);
		else
			unsupported(ret, "DDF level 0x%02x", c->level);
		return false;
	}
	if (ret->slots < row->min || ret->slots > row->max) {
		unsupported(ret, "DDF %s with qualifier %u and %u elements", row->name, c->qualifier, ret->slots);
		return false;
	}
	ret->level = row->level;
	ret->layout = row->layout;
	return true;
}

/* A RAID10 of three holds one and a half. */
static uint64_t data_halves(enum raid_level level, unsigned slots)
{
	switch (level) {
	case RAID1:
		return 2;
	case RAID4:
	case RAID5:
		return 2 * (uint64_t)(slots - 1);
	case RAID6:
		return 2 * (uint64_t)(slots - 2);
	case RAID10:
		return slots;
	default:
		return 2 * (uint64_t)slots;
	}
}

uint64_t ddf_usable(enum raid_level level, unsigned slots, uint64_t member)
{
	uint64_t twice;

	return __builtin_mul_overflow(member, data_halves(level, slots), &twice) ? UINT64_MAX : twice / 2;
}

uint64_t ddf_member_for(enum raid_level level, unsigned slots, uint64_t data)
{
	uint64_t halves = data_halves(level, slots), twice;

	return __builtin_mul_overflow(data, UINT64_C(2), &twice) ? UINT64_MAX : twice / halves + (twice % halves != 0);
}

uint32_t ddf_granule(enum raid_level level, unsigned slots, uint32_t chunk)
{
	return level == RAID10 && slots % 2 ? 2 * chunk : chunk;
}

static bool slots_told(const struct meta_set *s, const struct ddf_volume *v)
{
	unsigned i;

	for (unsigned b = 0; b < v->n_bvds; b++)
		if (v->bvd[b].record && element(s, ddf_conf(&v->bvd[b]), 0, &i) < 0)
			return false;
	return true;
}

static bool disk_twice(const struct meta_set *s, const struct ddf_volume *v, unsigned slots)
{
	uint32_t ref[META_SLOTS_MAX];

	for (unsigned i = 0; i < slots; i++) {
		ref[i] = ddf_slot_ref(s, v, i);
		for (unsigned k = 0; k < i; k++)
			if (ref[i] != DDF_NO_REF && ref[i] == ref[k])
				return true;
	}
	return false;
}

/* What the numbers of a supported level must fulfil. */
static void numbers_check(const struct meta_set *s, const struct ddf_volume *v, const struct ddf_conf *c,
			  struct meta_volume *ret)
{
	uint64_t room = ddf_usable(ret->level, ret->slots, be64_get(c->blocks)), size = be64_get(c->vd_blocks);
	unsigned block = be16_get(c->block_size);

	if (ddf_vd(s, v)->state & DDF_VD_MORPHING)
		unsupported(ret, "it is being changed from one level or size to another (Morphing)");
	else if (block != 0xFFFF && block != 0 && block != ddf_block(s->unit))
		unsupported(ret, "blocks of %u bytes", block);
	else if (ret->level != RAID1 && (c->stripe_size > 20 || (uint64_t)1 << c->stripe_size > be64_get(c->blocks)))
		unsupported(ret, "a stripe size of 2^%u blocks", c->stripe_size);
	else if (room == UINT64_MAX || size > room)
		unsupported(ret, "it claims more blocks than its members hold");
	else if (ret->level == RAID10 && ret->slots % 2 && size * 2 % ((uint64_t)ret->slots << c->stripe_size))
		unsupported(ret, "its %llu KiB do not divide into whole chunks over %u members",
			    (unsigned long long)(size * s->unit / 2), ret->slots);
	else if (!slots_told(s, v))
		unsupported(ret, "some of its members are not named, and which slots they had cannot be told");
	else if (disk_twice(s, v, ret->slots))
		unsupported(ret, "one disk is in two of its slots");
	else
		ret->chunk = ret->level == RAID1 ? 0 : (1U << c->stripe_size) * s->unit;
}

void ddf_level(const struct meta_set *s, const struct ddf_volume *v, struct meta_volume *ret)
{
	const struct ddf_conf *c = ddf_volume_conf(v);
	unsigned slots = ddf_slots(v);

	if (!c) {
		unsupported(ret, "no disk with its configuration record is present");
		return;
	}
	if (slots > META_SLOTS_MAX) {
		unsupported(ret, "%u members, the limit is %d", slots, META_SLOTS_MAX);
		return;
	}
	ret->slots = slots;
	if (v->n_bvds > 1 ? secondary_level(v, c, ret) : primary_level(c, ret))
		numbers_check(s, v, c, ret);
}

/* ---- the reverse */

int ddf_level_records(enum raid_level level, int layout, unsigned slots, struct ddf_conf *ret, struct err *e)
{
	ret->primary_elements = be16_of((uint16_t)slots);
	ret->secondary_elements = 1;
	ret->secondary_seq = 0;
	ret->secondary_level = DDF_NO_SECONDARY;
	if (level == RAID10 && layout == 0x102 && slots % 2 == 0 && slots >= 4 && slots <= META_SLOTS_MAX) {
		ret->primary_elements = be16_of(2);
		ret->level = DDF_RAID1;
		ret->qualifier = DDF_RAID1_SIMPLE;
		ret->secondary_elements = (uint8_t)(slots / 2);
		ret->secondary_level = DDF_SPANNED;
		return (int)slots / 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(levels) && level != RAID_UNSUPPORTED; i++) {
		const struct level_row *row = &levels[i];

		if (row->level != level || row->layout != layout || slots < row->min || slots > row->max)
			continue;
		ret->level = row->primary;
		ret->qualifier = (uint8_t)row->qualifier;
		return 1;
	}
	return err_set(e, EINVAL, "DDF has no %s of %u members with layout %d that Linux reads",
		       raid_level_name(level) ? raid_level_name(level) : "such level", slots, layout);
}

/* ---- VD_State */

static uint8_t bvd_state(const struct meta_set *s, const struct ddf_volume *v, unsigned bvd)
{
	const struct ddf_conf *c = ddf_volume_conf(v);
	unsigned n = be16_get(c->primary_elements), working = 0;
	bool in_sync[META_SLOTS_MAX] = {false};

	for (unsigned i = 0; i < MIN(n, META_SLOTS_MAX); i++) {
		in_sync[i] = ddf_slot_state(s, v, bvd * n + i) == MEMBER_IN_SYNC;
		working += in_sync[i];
	}
	if (working == n)
		return DDF_VD_OPTIMAL;
	switch (c->level) {
	case DDF_RAID1:
		return working == 0 ? DDF_VD_FAILED : working >= 2 ? DDF_VD_PARTIALLY_OPTIMAL : DDF_VD_DEGRADED;
	case DDF_RAID1E:
		return raid_runnable(RAID10, in_sync, n) ? DDF_VD_DEGRADED : DDF_VD_FAILED;
	case DDF_RAID4:
	case DDF_RAID5:
		return working + 1 < n ? DDF_VD_FAILED : DDF_VD_DEGRADED;
	case DDF_RAID6:
		return working + 2 < n ? DDF_VD_FAILED : working + 1 < n ? DDF_VD_DEGRADED : DDF_VD_PARTIALLY_OPTIMAL;
	default:
		return DDF_VD_FAILED;
	}
}

uint8_t ddf_volume_state(const struct meta_set *s, const struct ddf_volume *v)
{
	uint8_t state = bvd_state(s, v, 0);

	for (unsigned i = 1; i < v->n_bvds; i++) {
		uint8_t other = bvd_state(s, v, i);

		if (state == DDF_VD_OPTIMAL && other == DDF_VD_OPTIMAL)
			continue;
		if (state == DDF_VD_FAILED || other == DDF_VD_FAILED)
			state = DDF_VD_FAILED;
		else if (state == DDF_VD_DEGRADED || other == DDF_VD_DEGRADED)
			state = DDF_VD_DEGRADED;
		else
			state = DDF_VD_PARTIALLY_OPTIMAL;
	}
	return state;
}
