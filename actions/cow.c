// SPDX-License-Identifier: GPL-2.0-or-later
/* The device of a person's choice that a snapshot fills: nobody else's, empty, and not on the array itself, whose
 * writes would wait for writes of the array. What is kept there is the array's, its superblocks and labels too, in the
 * order in which they were written over: were the first of them at the device's beginning, or one at its end, the
 * device would look like the array to whoever finds file systems and volumes by what they hold, now and after the
 * snapshot. So a private device over its middle is what is filled; both ends stay blank. */
#include "actions/exec_run.h"

#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { END = 1 << 20, END_SECTORS = END / 512, SMALLEST = 4 * END, DEPTH_MAX = 8 };

/* The first line of /sys/dev/block/MAJOR:MINOR/WHAT. */
static bool sysfs_line(dev_t dev, const char *what, char *ret, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), what);
	return file_line(path, ret, size);
}

static bool lies_on(dev_t dev, dev_t below, unsigned depth);

static bool named_lies_on(dev_t dev, const char *what, dev_t below, unsigned depth)
{
	char line[32];
	unsigned x, y;

	return sysfs_line(dev, what, line, sizeof(line)) && sscanf(line, "%u:%u", &x, &y) == 2 &&
	       lies_on(makedev(x, y), below, depth + 1);
}

/* Through device-mapper and md, partitions, and files behind loop devices. */
static bool lies_on(dev_t dev, dev_t below, unsigned depth)
{
	char path[PATH_MAX], what[PATH_MAX];
	const struct dirent *entry;
	bool found = dev == below;
	struct stat st;
	DIR *dir;

	if (found || depth == DEPTH_MAX)
		return found;
	if (sysfs_line(dev, "loop/backing_file", path, sizeof(path)) && stat(path, &st) == 0)
		found = lies_on(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, below, depth + 1);
	if (!found && sysfs_line(dev, "partition", path, sizeof(path)))
		found = named_lies_on(dev, "../dev", below, depth);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(dev), minor(dev));
	dir = found ? NULL : opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(what, sizeof(what), "slaves/%s/dev", entry->d_name);
		found = named_lies_on(dev, what, below, depth);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Zeroes at both ends: there every format keeps what it is known by. */
static int empty(struct blockdev *d, bool wipe, struct err *e)
{
	_cleanup_(freep) uint8_t *buf = blockio_alloc(END), *zero = blockio_alloc(END);
	size_t len = (size_t)MIN(d->sectors * 512, (uint64_t)END);
	uint64_t at[2] = {0, d->sectors * 512 - len};
	int r = buf && zero ? 0 : -ENOMEM;

	for (unsigned i = 0; i < 2 && r == 0; i++) {
		if (wipe)
			r = d->write(d, at[i], zero, len);
		else
			r = d->read(d, at[i], buf, len);
		if (r == 0 && !wipe && memcmp(buf, zero, len) != 0)
			return err_set(e, EBUSY, "%s is not empty: with --wipe what it holds is given up", d->name);
	}
	if (r == 0 && wipe)
		r = d->flush(d);
	return r < 0 ? err_sys(e, -r, "%s", d->name) : 0;
}

int cow_open(struct exec *x, const struct volume_run *run, const char *node, bool wipe, struct cow_place *ret,
	     struct err *e)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	struct dm_info_view top = {0};
	int r = x->env.dm->info(x->env.dm->u, run->top, &top, e);

	if (r == 0)
		r = x->env.open_free(x->env.u, node, &d, e);
	if (r < 0 || !d)
		return r;
	for (size_t i = 0; i < x->set.n_disks; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->dev->major == d->major &&
		    x->set.disk[i]->dev->minor == d->minor)
			return err_set(e, EBUSY, "%s is a disk of the set itself", d->name);
	if (lies_on(makedev(d->major, d->minor), makedev(top.major, top.minor), 0))
		return err_set(e, EDEADLK, "%s lies on %s itself, whose writes would wait for it", d->name, run->top);
	if (d->sectors * 512 < SMALLEST)
		return err_set(e, ENOSPC, "%s is too small: %d MiB is the least", d->name, SMALLEST >> 20);
	*ret = (struct cow_place){.major = d->major, .minor = d->minor, .sectors = d->sectors};
	return empty(d, wipe, e);
}

static void cow_name(const struct volume_run *run, const char *name, char ret[DM_NAME_LEN_MAX + 1])
{
	snprintf(ret, DM_NAME_LEN_MAX + 1, "%.80s-cow-%.*s", run->top, SNAPSHOT_NAME_MAX - 1, name);
}

static void cow_uuid(const struct exec *x, const struct volume_run *run, const char *name,
		     char ret[DM_UUID_LEN_MAX + 1])
{
	char rest[SNAPSHOT_NAME_MAX + 8];

	snprintf(rest, sizeof(rest), "-cow-%s", name);
	layer_uuid(x, run, rest, ret);
}

int cow_make(struct exec *x, const struct volume_run *run, const char *name, const struct cow_place *place,
	     struct dm_cow *ret, struct err *e)
{
	const struct dm_ops *dm = x->env.dm;
	char dev[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1];
	struct dm_info_view info = {0};
	int r;

	cow_name(run, name, dev);
	cow_uuid(x, run, name, uuid);
	dm_linear_print(place->major, place->minor, END_SECTORS, place->sectors - 2 * (uint64_t)END_SECTORS,
			&x->target[1]);
	exec_mark(x, "snapshot space");
	r = cow_drop(x, run, name, e); /* of a process that died */
	if (r == 0)
		r = dm->create(dm->u, dev, uuid, e);
	if (r == 0)
		r = dm->load(dm->u, dev, &x->target[1], 1, false, e);
	if (r == 0)
		r = dm->resume(dm->u, dev, DM_PRIVATE, e);
	if (r == 0)
		r = dm->info(dm->u, dev, &info, e);
	*ret = (struct dm_cow){.major = info.major, .minor = info.minor};
	return r;
}

/* Its device, if there is one and it is ours. */
static int cow_find(struct exec *x, const struct volume_run *run, const char *name, struct dm_info_view *ret,
		    struct err *e)
{
	char dev[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1];
	int r;

	cow_name(run, name, dev);
	cow_uuid(x, run, name, uuid);
	r = x->env.dm->info(x->env.dm->u, dev, ret, e);
	ret->exists = r == 0 && ret->exists && strcmp(ret->uuid, uuid) == 0;
	return r;
}

void cow_read(struct exec *x, const struct volume_run *run, const char *name, struct dm_cow *cow)
{
	struct dm_info_view info = {0};
	struct dm_cow on;

	if (cow_find(x, run, name, &info, NULL) == 0 && info.exists && info.live_table &&
	    x->env.dm->table(x->env.dm->u, info.name, x->dm_params, NULL) == 0 &&
	    sscanf(x->dm_params, "%u:%u", &on.major, &on.minor) == 2)
		*cow = on;
}

int cow_drop(struct exec *x, const struct volume_run *run, const char *name, struct err *e)
{
	struct dm_info_view info = {0};
	int r = cow_find(x, run, name, &info, e);

	return r == 0 && info.exists ? x->env.dm->remove(x->env.dm->u, info.name, true, e) : r;
}
