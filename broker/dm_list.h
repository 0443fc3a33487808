// SPDX-License-Identifier: GPL-2.0-or-later
/* The answer of DM_LIST_DEVICES, and what changed since the last one. Pure. Source: linux/dm-ioctl.h (struct
 * dm_name_list) and drivers/md/dm-ioctl.c (list_devices). */
#pragma once

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

struct dm_list_entry {
	uint64_t dev; /* the kernel's huge_encode_dev */
	uint32_t event_nr;
	char name[128], uuid[129]; /* uuid: empty if none */
};

struct dm_list {
	struct dm_list_entry *entries; /* sorted by uuid, then name */
	size_t n;
};

/* Reads the entries whose UUID begins with prefix. data: the whole struct dm_ioctl buffer of len bytes, of which
 * data_start and data_size are its own fields. 0, -EBADMSG or -ENOMEM. */
int dm_list_decode(const void *data, size_t len, const char *prefix, struct dm_list *ret, struct err *e);
void dm_list_finish(struct dm_list *l);

enum dm_change { DM_CHANGE_ADDED, DM_CHANGE_EVENT, DM_CHANGE_REMOVED };
/* Calls fn for each difference from before to now, in order of UUID. A removed one is given as it was. */
void dm_list_diff(const struct dm_list *before, const struct dm_list *now,
		  void (*fn)(void *u, enum dm_change change, const struct dm_list_entry *entry), void *u);
