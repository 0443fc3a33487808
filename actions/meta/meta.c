// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of formats, and what is true of RAID levels whatever the format. */
#include "actions/meta/meta.h"

const struct meta_format *const meta_formats[] = {
	&meta_ddf,
	NULL,
};

uint64_t meta_hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

static const struct {
	const char *name;
	int number;
} levels[RAID_LEVELS] = {
	[RAID_UNSUPPORTED] = {NULL, -1}, [RAID0] = {"raid0", 0}, [RAID1] = {"raid1", 1},    [RAID4] = {"raid4", 4},
	[RAID5] = {"raid5", 5},		 [RAID6] = {"raid6", 6}, [RAID10] = {"raid10", 10},
};

const char *raid_level_name(enum raid_level level)
{
	return (unsigned)level < RAID_LEVELS ? levels[level].name : NULL;
}

int raid_level_number(enum raid_level level)
{
	return (unsigned)level < RAID_LEVELS ? levels[level].number : -1;
}

int raid_redundancy(enum raid_level level, unsigned slots)
{
	switch (level) {
	case RAID1:
		return slots ? (int)slots - 1 : 0;
	case RAID4:
	case RAID5:
	case RAID10:
		return 1;
	case RAID6:
		return 2;
	default:
		return 0;
	}
}

/* Near-2: slots 2n and 2n+1 hold the same data. Over an odd number the copies run on from the last slot to the first
 * one, so that each slot shares a half of its data with either neighbour. */
static bool copies_runnable(const bool *in_sync, unsigned slots)
{
	for (unsigned i = 0; i < slots; i += slots % 2 ? 1 : 2)
		if (!in_sync[i] && !in_sync[(i + 1) % slots])
			return false;
	return slots > 1;
}

bool raid_runnable(enum raid_level level, const bool *in_sync, unsigned slots)
{
	unsigned out = 0;

	if (level == RAID_UNSUPPORTED || slots == 0)
		return false;
	if (level == RAID10)
		return copies_runnable(in_sync, slots);
	for (unsigned i = 0; i < slots; i++)
		out += !in_sync[i];
	return out <= (unsigned)raid_redundancy(level, slots);
}

bool raid_doubted(enum raid_level level, const enum member_state *state, unsigned slots)
{
	int in_sync = 0, rebuilding = 0;

	for (unsigned i = 0; i < slots; i++) {
		in_sync += state[i] == MEMBER_IN_SYNC;
		rebuilding += state[i] == MEMBER_REBUILDING;
	}
	return in_sync == 0 && rebuilding > raid_redundancy(level, slots) && rebuilding > (int)slots / 2;
}

bool meta_volume_doubted(const struct meta_volume *v)
{
	enum member_state state[META_SLOTS_MAX];

	for (unsigned i = 0; i < v->slots; i++)
		state[i] = v->members[i].state;
	return raid_doubted(v->level, state, v->slots);
}

bool raid_mirrored(enum raid_level level, const bool *in_sync, unsigned slots)
{
	unsigned n = 0, pairs = 0;

	for (unsigned i = 0; i < slots; i++) {
		n += in_sync[i];
		pairs += (i % 2 == 0 || slots % 2) && in_sync[i] && in_sync[(i + 1) % slots];
	}
	return level == RAID1 ? n > 1 : level == RAID10 && slots > 1 && pairs > 0;
}

void meta_writes_free(struct meta_writes *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->w[i].buf);
	free(w->w);
	*w = (struct meta_writes){0};
}
