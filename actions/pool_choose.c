// SPDX-License-Identifier: GPL-2.0-or-later
/* Which blank disks of a pool become an array: as many as it has members, of one logical block, that hold what it is to
 * hold. The smallest that do; and where they are to give all their room, those that waste least of it. */
#include "actions/steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool may_take(const struct world_spare *w, uint64_t sectors)
{
	return w->contents == CONTENTS_BLANK && !w->of_set && !w->promised && !w->kept[0] && !w->flapping &&
	       !w->erring && !w->suspect && w->free_sectors >= sectors;
}

static int by_size(const void *x, const void *y)
{
	const struct world_spare *const *a = x, *const *b = y;

	if ((*a)->sector_size != (*b)->sector_size)
		return (*a)->sector_size < (*b)->sector_size ? -1 : 1;
	if ((*a)->free_sectors != (*b)->free_sectors)
		return (*a)->free_sectors < (*b)->free_sectors ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

static int by_place(const void *x, const void *y)
{
	const struct world_spare *const *a = x, *const *b = y;

	return *a < *b ? -1 : *a > *b;
}

int pool_choose(const struct world_array *a, unsigned members, uint64_t sectors, const char **ret, struct err *e)
{
	const struct world_spare *fit[WORLD_SPARES_MAX], **best = NULL;
	unsigned n = 0;

	if (members == 0 || members > META_SLOTS_MAX)
		return err_set(e, EINVAL, "how many disks of the pool? 2 to %d", META_SLOTS_MAX);
	for (size_t i = 0; i < a->n_spares; i++)
		if (may_take(&a->spare[i], sectors))
			fit[n++] = &a->spare[i];
	qsort(fit, n, sizeof(*fit), by_size);
	for (const struct world_spare **w = fit; w + members <= fit + n; w++) {
		const struct world_spare *last = w[members - 1];

		if (w[0]->sector_size != last->sector_size)
			continue;
		if (!best || (sectors == 0 && last->free_sectors - w[0]->free_sectors <
						      best[members - 1]->free_sectors - best[0]->free_sectors))
			best = w;
	}
	if (!best)
		return err_set(e, ENODEV,
			       "%u disks of the pool are wanted: blank, sound, large enough, of one size of blocks; "
			       "there are %u",
			       members, n);
	qsort(best, members, sizeof(*best), by_place);
	for (unsigned i = 0; i < members; i++)
		ret[i] = best[i]->device;
	return 0;
}
