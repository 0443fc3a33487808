// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies on one disk or image, read without the daemon. */
#pragma once

#include "actions/meta/blockio.h"
#include "actions/meta/meta.h"
#include "actions/meta/slice.h"
#include "cli/sectors.h"

struct disk_bay {
	unsigned bay;
	uint64_t sector;
	int stamp_status, super_status; /* 0, -ENODATA: none, -EBADMSG: damaged, -ESTALE: not as it was then */
	struct stamp stamp;
	struct slice_super super;
};

struct disk_meta {
	char name[64];
	uint64_t sectors;
	unsigned sector_size;
	struct meta_view *view; /* NULL: no format that is known here */
	struct disk_bay bays[SLICE_BAYS_MAX];
	unsigned n_bays; /* those that hold something */
};

/* Opens read-only, gives up root's rights for good (root only: what is on a disk is not to be trusted), reads and
 * parses. 0, or -errno with *e. */
int disk_meta_read(const char *path, bool drop_rights, struct disk_meta *ret, struct err *e);
/* Of an open device; its rights are the caller's affair. */
int disk_meta_of(struct blockdev *d, struct disk_meta *ret, struct err *e);
/* The same, without rights from the first byte on, keeping what was read in *s also where it is no metadata. also:
 * reads more of it, to be kept. */
int disk_meta_record(const char *path, struct sectors *s, void (*also)(void *u, struct blockdev *tape), void *u,
		     struct err *e);
/* Of root, for good. */
int disk_drop_rights(struct err *e);
void disk_meta_finish(struct disk_meta *m);
/* Calls fn for each whole disk of this machine that is a member of the set. Disks that cannot be read are left out. */
void disk_meta_members(const char *set, void (*fn)(void *u, const char *name), void *u);
