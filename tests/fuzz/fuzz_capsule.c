// SPDX-License-Identifier: GPL-2.0-or-later
/* A capsule from somebody: whatever is in it, what is read of it is bounded, and its disks are read as disks are. */
#include "cli/before.h"
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

/* The newest plan, and the oldest. */
static char plan[2][64];

static bool name_plan(void *u, const json_t *row)
{
	size_t *n = u;

	snprintf(plan[*n > 0], sizeof(plan[0]), "%s",
		 json_string_value(json_object_get(json_object_get(row, "row"), "plan")));
	return ++*n < 1000;
}

/* What disks held before a plan is bounded, and read as disks are. */
static void check_before(struct capsule *c, const char *of)
{
	const struct before_rows rows = capsule_before(c);
	struct image *im = NULL;
	struct err e = {0};
	int r = before_lay(&rows, of, &im, &e);

	if ((r < 0 && !e.msg[0]) || (r == 0) != (im != NULL))
		abort();
	for (size_t i = 0; i < c->n_disks && im; i++) {
		const struct image_disk *d = image_disk(im, c->disks[i].device);
		struct blockdev *now = d ? sectors_play(&c->disks[i]) : NULL;
		struct blockdev *then = now ? before_device(now, d) : NULL;
		struct disk_meta m = {0};

		if (d && d->n_runs > IMAGE_RUNS_MAX)
			abort();
		if (then && now->sector_size && now->sectors == d->sectors)
			disk_meta_of(then, &m, &e);
		disk_meta_finish(&m);
		blockdev_close(then);
		blockdev_close(now);
	}
	image_free(im);
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
	if (r == 0) {
		const struct before_rows rows = capsule_before(&c);
		size_t n = 0;

		rows.each(rows.u, NULL, name_plan, &n);
		for (size_t i = 0; i < MIN(n, ARRAY_SIZE(plan)); i++)
			check_before(&c, plan[i]);
	}
	capsule_finish(&c);
	return 0;
}
