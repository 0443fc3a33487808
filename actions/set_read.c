// SPDX-License-Identifier: GPL-2.0-or-later
/* What the disks of a set say: one by one, or all side by side. A reading touches its own disk's part of the set and
 * nothing else. */
#include "actions/set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- one disk ---------------------------------------------------------------------------------------------- */

/* The format's reader on a disk: it notes the first sector of each read, which is where sequence numbers are. */
struct disk_reader {
	struct meta_reader r;
	struct set_disk *disk;
	bool notes;
};

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct disk_reader *dr = u;
	struct set_disk *d = dr->disk;
	int r = blockio_read_sectors(d->dev, sector, buf, sectors);

	if (r < 0)
		return r;
	if (dr->notes)
		known_learn(&d->known, sector, buf, sectors);
	if (dr->notes && d->n_watch < ARRAY_SIZE(d->watch)) {
		d->watch[d->n_watch].sector = sector;
		memcpy(d->watch[d->n_watch++].bytes, buf, 512);
	}
	return 0;
}

static struct disk_reader disk_reader(struct set_disk *d, bool notes)
{
	return (struct disk_reader){
		.r = {.read = reader_read, .sectors = d->dev->sectors, .sector_size = d->dev->sector_size},
		.disk = d,
		.notes = notes};
}

void set_disk_forget(const struct set *s, struct set_disk *d)
{
	if (d->copy)
		s->format->copy_free(d->copy);
	d->copy = NULL;
	meta_view_free(d->view);
	d->view = NULL;
	d->ours = d->foreign = d->torn = d->adopted = false;
	d->problem[0] = '\0';
	d->n_watch = 0;
	d->n_bays = 0;
	known_clear(&d->known);
}

void set_bay_parse(const struct set *s, struct bay *b, const uint8_t *head)
{
	struct stamp st;

	b->used = false;
	for (unsigned copy = 0; copy < 2; copy++) {
		if (stamp_parse(head + (size_t)copy * STAMP_SECTORS * 512, &st) < 0 || strcmp(st.set, s->guid) != 0)
			continue;
		if (b->used && st.generation <= b->stamp.generation)
			continue;
		*b = (struct bay){.used = true, .stamp = st, .copy = copy, .running = st.running};
	}
	b->super_status = slice_super_parse(head + 2 * STAMP_SECTORS * 512, &b->super);
}

int set_disk_read_bays(struct set *s, struct set_disk *d, struct err *e)
{
	uint64_t start = d->view->room_start;
	unsigned n = MIN(slice_bay_count(start, d->view->room_sectors), (unsigned)SLICE_BAYS_MAX);
	_cleanup_(freep) uint8_t *head = blockio_alloc((size_t)SLICE_BAYS_MAX * SET_BAY_HEAD);
	int r = 0;

	if (!head)
		return err_sys(e, ENOMEM, "slices");
	for (unsigned i = 0; i < n && r == 0; i++)
		r = d->dev->read(d->dev, slice_bay_sector(start, i) * 512, head + (size_t)i * SET_BAY_HEAD,
				 SET_BAY_HEAD);
	if (r < 0)
		return err_sys(e, -r, "%s: cannot read its slices", d->dev->name);
	d->n_bays = n;
	for (unsigned i = 0; i < n; i++) {
		d->bay[i] = (struct bay){0};
		set_bay_parse(s, &d->bay[i], head + (size_t)i * SET_BAY_HEAD);
		known_learn(&d->known, slice_bay_sector(start, i), head + (size_t)i * SET_BAY_HEAD, 2 * STAMP_SECTORS);
	}
	return 0;
}

int set_slice_refresh(struct set_disk *d, const char *volume)
{
	_cleanup_(freep) void *buf = blockio_alloc(4096);
	int bay = set_bay_of(d, volume), r;

	if (!buf)
		return -ENOMEM;
	if (bay < 0)
		return -ENOENT;
	r = d->dev->read(d->dev, set_slice_sector(d, (unsigned)bay) * 512, buf, 4096);
	if (r == 0)
		d->bay[bay].super_status = slice_super_parse(buf, &d->bay[bay].super);
	return r;
}

/* A disk that is not ours stays in the list: a step may be about it. */
static int not_ours(struct set_disk *d, bool foreign, const char *problem)
{
	known_clear(&d->known); /* what is on it is somebody else's */
	d->ours = false;
	d->foreign = foreign;
	snprintf(d->problem, sizeof(d->problem), "%.*s", (int)sizeof(d->problem) - 1, problem);
	return 0;
}

int set_disk_read(struct set *s, struct set_disk *d, struct err *e)
{
	struct disk_reader dr = disk_reader(d, true);
	struct err why = {0};
	int r;

	dr.r.u = &dr;
	set_disk_forget(s, d);
	r = s->format->probe(&dr.r, &why);
	if (r < 0)
		return err_set(e, -r, "%s cannot be read: %s", d->dev->name, why.msg);
	if (r == 0)
		return not_ours(d, false, "");
	d->n_watch = 0;
	r = s->format->parse(&dr.r, &d->copy, &why);
	if (r == 0)
		r = s->format->copy_view(d->copy, &d->view, &why);
	if (r == -EIO || r == -ENOMEM)
		return err_set(e, -r, "%s cannot be read: %s", d->dev->name, why.msg);
	if (r < 0)
		return not_ours(d, true, why.msg);
	if (strcmp(d->view->set, s->guid) != 0)
		return not_ours(d, true, "it belongs to another set");
	d->ours = true;
	d->seq = d->view->seq;
	memcpy(d->ref, d->view->self, sizeof(d->ref));
	return set_disk_read_bays(s, d, e);
}

int set_disk_of_one_format(struct set *s _unused_, struct set_disk *d, struct err *e)
{
	const struct meta_other *other[META_OTHERS_MAX];
	struct disk_reader dr = disk_reader(d, false);
	char others[160];

	dr.r.u = &dr;
	meta_others_text(other, meta_others(&dr.r, d->view, other), others, sizeof(others));
	return others[0] ? err_set(e, EUCLEAN, "%s", others) : 0;
}

void set_disk_wrote(struct set_disk *d, const struct meta_writes *w)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < d->n_watch; k++) {
			uint64_t at = d->watch[k].sector;

			if (at >= w->w[i].sector && at < w->w[i].sector + w->w[i].len / 512)
				memcpy(d->watch[k].bytes, (char *)w->w[i].buf + (at - w->w[i].sector) * 512, 512);
		}
}

/* --- several disks ----------------------------------------------------------------------------------------- */

struct look {
	struct set *set;
	struct set_look *list;
	int (*read)(struct set *s, struct set_disk *d, struct err *e);
};

static void look_at(void *u, size_t i)
{
	const struct look *all = u;
	struct set_look *one = &all->list[i];

	one->result = all->read(all->set, one->disk, &one->why);
}

void set_look_at(struct set *s, struct set_look *list, size_t n,
		 int (*read)(struct set *s, struct set_disk *d, struct err *e))
{
	struct look all = {s, list, read};

	io_pool_each(s->pool, n, look_at, &all);
}
