// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { NOBODY = 65534, IMAGE_BLOCK = 4096 };

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct blockdev *d = u;
	uint64_t unit = d->sector_size / 512, first = sector / unit * unit;
	uint64_t end = (sector + sectors + unit - 1) / unit * unit;
	_cleanup_(freep) void *room = NULL;
	int r;

	if (sector > d->sectors || sectors > d->sectors - sector)
		return -ERANGE;
	room = blockio_alloc((size_t)(end - first) * 512);
	if (!room)
		return -ENOMEM;
	r = d->read(d, first * 512, room, (size_t)(end - first) * 512);
	if (r == 0)
		memcpy(buf, (const char *)room + (sector - first) * 512, (size_t)sectors * 512);
	return r;
}

static void read_bays(struct blockdev *d, struct disk_meta *m)
{
	unsigned count = slice_bay_count(m->view->room_start, m->view->room_sectors);
	_cleanup_(freep) uint8_t *head = blockio_alloc((2 * STAMP_SECTORS + 8) * 512);

	for (unsigned bay = 0; head && bay < MIN(count, (unsigned)SLICE_BAYS_MAX); bay++) {
		struct disk_bay *b = &m->bays[m->n_bays];
		struct stamp other;
		int r;

		*b = (struct disk_bay){.bay = bay, .sector = slice_bay_sector(m->view->room_start, bay)};
		memset(head, 0, (2 * STAMP_SECTORS + 8) * 512);
		/* Stamps without the slice, where that cannot be read. */
		if (reader_read(d, b->sector, head, 2 * STAMP_SECTORS + 8) < 0 &&
		    reader_read(d, b->sector, head, 2 * STAMP_SECTORS) < 0)
			continue;
		b->stamp_status = stamp_parse(head, &b->stamp);
		r = stamp_parse(head + STAMP_SECTORS * 512, &other);
		if (r == 0 && (b->stamp_status < 0 || other.generation > b->stamp.generation)) {
			b->stamp = other;
			b->stamp_status = 0;
		} else if (r == -EBADMSG && b->stamp_status == -ENODATA) {
			b->stamp_status = r;
		}
		b->super_status = slice_super_parse(head + 2 * STAMP_SECTORS * 512, &b->super);
		if (b->stamp_status != -ENODATA || b->super_status != -ENODATA)
			m->n_bays++;
	}
}

static int read_formats(struct blockdev *d, struct disk_meta *m, struct err *e)
{
	const struct meta_reader r = {
		.read = reader_read, .u = d, .sectors = d->sectors, .sector_size = d->sector_size};

	for (const struct meta_format *const *f = meta_formats; *f; f++) {
		struct meta_copy *copy = NULL;
		int found = (*f)->probe(&r, e), status;

		if (found < 0)
			return found;
		if (found == 0)
			continue;
		status = (*f)->parse(&r, &copy, e);
		if (status == 0) {
			status = (*f)->copy_view(copy, &m->view, e);
			(*f)->copy_free(copy);
		}
		return status;
	}
	return 0;
}

/* Of which size a disk's blocks were, its image does not tell: metadata that are found by it do. */
static int read_image(struct blockdev *d, struct disk_meta *m, struct err *e)
{
	unsigned first = d->sector_size;
	int r = read_formats(d, m, e);

	if (r < 0 || m->view || d->sectors % (IMAGE_BLOCK / 512) != 0)
		return r;
	d->sector_size = IMAGE_BLOCK;
	r = read_formats(d, m, e);
	if (!m->view)
		d->sector_size = first;
	return r == -EIO ? 0 : r; /* a capsule has not what was never read */
}

int disk_drop_rights(struct err *e)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot give up root's rights");
	return 0;
}

int disk_meta_of(struct blockdev *d, struct disk_meta *ret, struct err *e)
{
	int r;

	*ret = (struct disk_meta){.sectors = d->sectors};
	snprintf(ret->name, sizeof(ret->name), "%s", d->name);
	r = d->major || d->minor ? read_formats(d, ret, e) : read_image(d, ret, e);
	ret->sector_size = d->sector_size;
	if (r == 0 && ret->view && ret->view->room_sectors)
		read_bays(d, ret);
	return r;
}

int disk_meta_read(const char *path, bool drop_rights, struct disk_meta *ret, struct err *e)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	int r = blockio_open(path, false, &d, e);

	*ret = (struct disk_meta){0};
	if (r == 0 && drop_rights)
		r = disk_drop_rights(e);
	if (r < 0)
		return r;
	r = disk_meta_of(d, ret, e);
	return r < 0 ? err_prefix(e, "%s", path) : 0;
}

int disk_meta_record(const char *path, struct sectors *s, void (*also)(void *u, struct blockdev *tape), void *u,
		     struct err *e)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL, *tape = NULL;
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	int r = blockio_open(path, false, &d, e);

	if (r == 0)
		r = disk_drop_rights(e);
	if (r < 0)
		return r;
	tape = sectors_record(s, d);
	if (!tape)
		return err_sys(e, ENOMEM, "%s", path);
	r = disk_meta_of(tape, &m, e);
	also(u, tape);
	return r;
}

void disk_meta_finish(struct disk_meta *m)
{
	meta_view_free(m->view);
	m->view = NULL;
}

/* Names in /sys/block that are never a member. */
static const char *const other_disks[] = {"loop*", "ram*", "zram*", "dm-*", "md*", "sr*", "fd*"};

static bool may_be_member(const char *name)
{
	if (name[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(other_disks); i++)
		if (fnmatch(other_disks[i], name, 0) == 0)
			return false;
	return true;
}

void disk_meta_members(const char *set, void (*fn)(void *u, const char *name), void *u)
{
	DIR *dir = opendir("/sys/block");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(disk_meta_finish) struct disk_meta m = {0};
		char path[300];

		if (!may_be_member(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (disk_meta_read(path, false, &m, NULL) == 0 && m.view && strcmp(m.view->set, set) == 0)
			fn(u, m.name);
	}
	if (dir)
		closedir(dir);
}
