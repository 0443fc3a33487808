// SPDX-License-Identifier: GPL-2.0-or-later
/* The status line of the raid, the mirror and the snapshot target: whatever it is, what is read from it fits. */
#include "actions/dm/dm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1), name[DM_NAME_LEN_MAX + 1];
	struct dm_mirror_side side[2];
	struct dm_mirror_status m;
	struct dm_snapshot_status snap;
	struct dm_raid_status s;
	struct dm_cow cow;
	struct err e = {0};
	int r;

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	r = dm_raid_status_parse(line, &s, &e);
	if (r == 0) {
		if (strlen(s.health) != s.slots || s.slots == 0 || s.slots > 64 || strncmp(s.type, "raid", 4) != 0)
			abort();
		if (dm_raid_settled(&s) && (strchr(s.health, 'D') || strchr(s.health, 'a') || s.action != DM_IDLE))
			abort();
	} else if (r != -EBADMSG || !e.msg[0]) {
		abort();
	}
	e = (struct err){0};
	r = dm_mirror_status_parse(line, &m, &e);
	if (r == 0 ? m.total == 0 || !strchr("ADSRFU", m.health[0]) || !m.health[0] : r != -EBADMSG || !e.msg[0])
		abort();
	dm_mirror_parse(line, side);
	e = (struct err){0};
	r = dm_snapshot_status_parse(line, &snap, &e);
	if (r == 0 ? snap.used > snap.total || (!snap.lost && !snap.total) : r != -EBADMSG || !e.msg[0])
		abort();
	dm_snapshot_parse(line, &cow);
	if (dm_name_escape(line, name) == 0 && (!name[0] || strpbrk(name, "/ \n")))
		abort();
	free(line);
	return 0;
}
