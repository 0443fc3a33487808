// SPDX-License-Identifier: GPL-2.0-or-later
/* Each sector that a plan changed is told with what it held before, as the disk knew it; but for what nobody had read:
 * slices, which are the kernel's, disks that were none of the set, or are made so first, and those that a write failed
 * on. */
#include "tests/crash/rig_impl.h"

#include "actions/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SECTOR = 512 };

void rig_before_begin(struct rig *r)
{
	static unsigned plans;

	/* Of each fourth plan: that all of them are alike is not worth twice the time. */
	r->was = plans++ % 4 == 0 ? fake_disks_copy(r->disks) : NULL;
	r->before = json_array();
	r->begun = fake_disks_recorded(r->disks);
	r->waited = SIZE_MAX;
}

/* Whatever test runs the plan. */
static void wrong(const struct fake_disk *d, uint64_t sector, const char *what)
{
	fprintf(stderr, "rig: %s, sector %" PRIu64 ": %s\n", fake_disk_name(d), sector, what);
	abort();
}

/* Whole, and of the set. */
static bool was_ours(const struct rig *r, struct fake_disk *was)
{
	struct meta_reader rd = fake_disk_reader(was);
	struct meta_copy *copy = NULL;
	struct meta_view *view = NULL;
	bool ours = false;

	if (meta_ddf.probe(&rd, NULL) > 0 && meta_ddf.parse(&rd, &copy, NULL) == 0) {
		ours = meta_ddf.copy_view(copy, &view, NULL) == 0 && strcmp(view->set, r->set) == 0;
		meta_ddf.copy_free(copy);
	}
	meta_view_free(view);
	return ours;
}

static bool in_slice(const struct set_disk *d, uint64_t sector)
{
	uint64_t first = d->view ? slice_bay_sector(d->view->room_start, 0) : UINT64_MAX;

	return sector >= first && sector - first < (uint64_t)SLICE_BAYS_MAX * SLICE_BAY_SECTORS &&
	       (sector - first) % SLICE_BAY_SECTORS >= 2 * (uint64_t)STAMP_SECTORS;
}

static const struct image_run *told(const struct image_disk *im, uint64_t sector)
{
	for (size_t i = 0; im && i < im->n_runs; i++)
		if (sector >= im->run[i].sector && sector - im->run[i].sector < im->run[i].sectors)
			return &im->run[i];
	return NULL;
}

/* cut: it need not be all of it; made: the plan makes something. */
static void check_sector(struct rig *r, struct set_disk *d, const struct image_disk *im, struct fake_disk *now,
			 uint64_t sector, bool cut, bool made)
{
	struct fake_disk *was = fake_disk_get(r->was, fake_disk_name(now));
	const struct image_run *run = told(im, sector);
	uint8_t old[SECTOR], new[SECTOR], said[SECTOR];

	fake_disk_peek(was, sector * SECTOR, old, SECTOR);
	fake_disk_peek(now, sector * SECTOR, new, SECTOR);
	if (!run && memcmp(old, new, SECTOR) != 0 && !cut)
		wrong(now, sector, "what it held before is not told");
	else if (run && run->gap && !d->error && !cut && !made && !in_slice(d, sector) && was_ours(r, was))
		wrong(now, sector, "what it held before is told as not known");
	else if (run && !run->gap && (image_read(im, sector, said, 1) < 0 || memcmp(old, said, SECTOR) != 0))
		wrong(now, sector, "it is told to have held something else before");
}

static void check_record(struct rig *r, const struct image *im, const struct fake_record *rec, bool cut, bool made)
{
	char id[80];
	struct set_disk *d;

	snprintf(id, sizeof(id), "disk-%s", fake_disk_name(rec->disk));
	d = set_disk_by_id(&r->x->set, id);
	if (!d || rec->op != FAKE_WRITE)
		return;
	for (uint64_t at = 0; at < rec->len / SECTOR; at++)
		check_sector(r, d, image_disk(im, id), rec->disk, rec->pos / SECTOR + at, cut, made);
}

static void check(struct rig *r, const struct plan *p)
{
	const json_t *end = json_object_get(json_array_get(r->before, json_array_size(r->before) - 1), "end");
	struct image *im = image_new("", "");
	json_t *part;
	size_t i;

	json_array_foreach(r->before, i, part)
	{
		if (image_lay(im, part, NULL) < 0 && !r->memory_short)
			abort();
	}
	if (json_array_size(r->before) && !end && !r->memory_short)
		abort();
	for (i = r->begun; i < fake_disks_recorded(r->disks); i++)
		check_record(r, im, fake_disks_record(r->disks, i), r->memory_short, p->create != NULL);
	image_free(im);
}

void rig_before_end(struct rig *r, const struct plan *p)
{
	if (r->was && !r->dead && !fake_disks_is_cut(r->disks) && !p->dry_run)
		check(r, p);
	if (r->was)
		fake_disks_free(TAKE_PTR(r->was));
	json_decref(TAKE_PTR(r->before));
}
