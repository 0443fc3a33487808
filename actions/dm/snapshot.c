// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables and status lines of snapshots (drivers/md/dm-snap.c). Pure. */
#include "actions/dm/dm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Sectors that are kept at a time: 16 KiB. Each chunk that is written for the first time costs a read and a write of
 * that much, and an entry in the kernel's memory. */
enum { SNAPSHOT_CHUNK = 32 };

void dm_origin_print(unsigned major, unsigned minor, uint64_t len, struct dm_target *ret)
{
	*ret = (struct dm_target){.start = 0, .len = len, .type = "snapshot-origin"};
	snprintf(ret->params, sizeof(ret->params), "%u:%u", major, minor);
}

void dm_snapshot_print(unsigned major, unsigned minor, const struct dm_cow *cow, uint64_t len, struct dm_target *ret)
{
	*ret = (struct dm_target){.start = 0, .len = len, .type = "snapshot"};
	/* Not persistent: nothing would put it together again after a reboot. */
	snprintf(ret->params, sizeof(ret->params), "%u:%u %u:%u N %d", major, minor, cow->major, cow->minor,
		 SNAPSHOT_CHUNK);
}

bool dm_snapshot_parse(const char *params, struct dm_cow *ret)
{
	return sscanf(params, "%*u:%*u %u:%u ", &ret->major, &ret->minor) == 2;
}

int dm_snapshot_status_parse(const char *params, struct dm_snapshot_status *ret, struct err *e)
{
	struct dm_snapshot_status s = {0};
	int n = 0;

	/* snapshot_status: words for what is lost, else sectors. "Overflow" is a persistent one's word for the same. */
	if (strcmp(params, "Invalid") == 0 || strcmp(params, "Overflow") == 0) {
		*ret = (struct dm_snapshot_status){.lost = true};
		return 0;
	}
	if (params[strspn(params, "0123456789/ ")] ||
	    sscanf(params, "%19" SCNu64 "/%19" SCNu64 " %*19u%n", &s.used, &s.total, &n) != 2 || params[n] ||
	    s.total == 0 || s.used > s.total)
		return err_set(e, EBADMSG, "snapshot status: '%.200s' makes no sense", params);
	*ret = s;
	return 0;
}
