// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's answer to DM_LIST_DEVICES, and one that came before it: the first two bytes are how much of the rest is
 * the older one's. */
#include "broker/dm_list.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of just that size, so that a sanitizer sees what is read beyond. */
static bool decode(const uint8_t *data, size_t len, struct dm_list *ret)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct err e = {0};
	int r;

	memcpy(exact, data, len);
	r = dm_list_decode(exact, len, "SPARED-", ret, &e);
	free(exact);
	if (r < 0 && !e.msg[0])
		abort();
	return r == 0;
}

static void count(void *u, enum dm_change change, const struct dm_list_entry *entry)
{
	size_t *n = u;

	(void)change;
	if (strncmp(entry->uuid, "SPARED-", 7) != 0)
		abort();
	*n += strlen(entry->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dm_list before = {0}, now = {0};
	size_t first, n = 0;

	if (size < 2 || size > 65536)
		return 0;
	first = MIN((size_t)data[0] | (size_t)data[1] << 8, size - 2);
	if (decode(data + 2, first, &before) && decode(data + 2 + first, size - 2 - first, &now)) {
		dm_list_diff(&before, &now, count, &n);
		dm_list_diff(&before, &before, count, &n);
	}
	dm_list_finish(&before);
	dm_list_finish(&now);
	return 0;
}
