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

const char *raid_level_name(enum raid_level level)
{
	static const char *const names[] = {
		[RAID_UNSUPPORTED] = NULL, [RAID0] = "raid0", [RAID1] = "raid1",
		[RAID5] = "raid5",	   [RAID6] = "raid6", [RAID10] = "raid10",
	};

	return (unsigned)level < ARRAY_SIZE(names) ? names[level] : NULL;
}

int raid_redundancy(enum raid_level level, unsigned slots)
{
	switch (level) {
	case RAID1:
		return slots ? (int)slots - 1 : 0;
	case RAID5:
	case RAID10:
		return 1;
	case RAID6:
		return 2;
	default:
		return 0;
	}
}

/* Near-2: slots 2n and 2n+1 hold the same data. */
static bool pairs_runnable(const bool *in_sync, unsigned slots)
{
	for (unsigned i = 0; i + 1 < slots; i += 2)
		if (!in_sync[i] && !in_sync[i + 1])
			return false;
	return slots % 2 == 0;
}

bool raid_runnable(enum raid_level level, const bool *in_sync, unsigned slots)
{
	unsigned out = 0;

	if (level == RAID_UNSUPPORTED || slots == 0)
		return false;
	if (level == RAID10)
		return pairs_runnable(in_sync, slots);
	for (unsigned i = 0; i < slots; i++)
		out += !in_sync[i];
	return out <= (unsigned)raid_redundancy(level, slots);
}

void meta_writes_free(struct meta_writes *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->w[i].buf);
	free(w->w);
	*w = (struct meta_writes){0};
}
