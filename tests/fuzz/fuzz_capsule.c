// SPDX-License-Identifier: GPL-2.0-or-later
/* A capsule from somebody: whatever is in it, what is read of it is bounded, and its disks are read as disks are. */
#include "cli/capsule.h"
#include "cli/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines;

static int take(void *u, json_t *line)
{
	struct sectors *again = u;
	const char *part = json_string_value(json_object_get(line, "part"));
	struct err e = {0};
	int r = strcmp(part, "disk") == 0 ? sectors_begin(again, line, &e) : sectors_add(again, line, &e);

	json_decref(line);
	lines++;
	return r;
}

/* What is written of it reads back as the same. */
static void check_disk(const struct sectors *s)
{
	struct disk_meta m = {0};
	struct sectors again = {0};
	struct blockdev *d = sectors_play(s);
	struct err e = {0};

	if (s->total > SECTORS_MAX)
		abort();
	for (size_t i = 0; i < s->n_runs; i++)
		if (s->runs[i].at > s->size || s->runs[i].n > s->size - s->runs[i].at)
			abort();
	if (sectors_write(s, take, &again) < 0 || again.total != s->total || again.size != s->size)
		abort();
	if (d && s->sector_size)
		disk_meta_of(d, &m, &e);
	disk_meta_finish(&m);
	if (d)
		d->close(d);
	sectors_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capsule c = {0};
	struct err e = {0};
	int r = capsule_parse((const char *)data, size, &c, &e);

	if (r < 0 && r != -ENOMEM && (r != -EBADMSG || !e.msg[0]))
		abort();
	if (r == 0 &&
	    (!capsule_is((const char *)data, size) && size > 0 && data[0] == '{' && c.n_disks > CAPSULE_DISKS_MAX))
		abort();
	for (size_t i = 0; r == 0 && i < c.n_disks; i++)
		check_disk(&c.disks[i]);
	capsule_finish(&c);
	return 0;
}
