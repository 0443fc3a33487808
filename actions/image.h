// SPDX-License-Identifier: GPL-2.0-or-later
/* What disks held before a plan wrote to them, as a value: the sectors that their format reads, those of our slices,
 * and those that are wiped. Sectors that are filled with one byte, which most are, take no room. Told and kept in
 * parts, a line each. */
#pragma once

#include "actions/meta/meta.h"
#include "actions/plan.h"

enum {
	IMAGE_BYTES_MAX = 16 << 20,  /* of one plan's images: what is more is not kept */
	IMAGE_SECTORS_MAX = 1 << 20, /* of one disk, filled ones included */
	IMAGE_RUNS_MAX = 1 << 15,    /* of one disk: each is looked for among all */
	IMAGE_PART_MAX = 128 << 10,  /* bytes in one part */
	IMAGE_PARTS_MAX = 1024,
};

struct image_run {
	uint64_t sector;
	uint32_t sectors;
	uint8_t fill;
	bool gap;	/* what was there is not kept */
	uint8_t *bytes; /* NULL: all of it is .fill */
};

struct image_disk {
	char device[DEVICE_ID_MAX], name[32];
	uint64_t sectors;
	unsigned sector_size;
	uint64_t held; /* sectors in the runs */
	uint64_t left; /* hash of what the plan left: of its format's copy, or of its first MiB if that is gone */
	size_t n_runs, cap;
	struct image_run *run;
	size_t told; /* runs that image_tell has told */
};

struct image {
	char plan[PLAN_ID_MAX], set[META_GUID_MAX];
	size_t bytes; /* in the runs */
	size_t n_disks;
	struct image_disk *disk[PLAN_DEVICES_MAX];
	unsigned parts; /* that were told, or taken */
	bool whole;	/* its last part came */
};

struct image *image_new(const char *plan, const char *set);
void image_free(struct image *im);
DEFINE_CLEANUP(struct image *, image_free)
/* NULL: there is none. */
struct image_disk *image_disk(const struct image *im, const char *device);
/* A new one. NULL: out of memory, or too many. */
struct image_disk *image_add_disk(struct image *im, const char *device, const char *name, uint64_t sectors,
				  unsigned sector_size);
/* Keeps sectors of a disk; those that are there already stay. -ENOSPC: more than is kept. */
int image_add(struct image *im, struct image_disk *d, uint64_t sector, const void *bytes, uint32_t sectors);
/* They were written, and what they held is not known: of those that are not there already. */
int image_gap(struct image *im, struct image_disk *d, uint64_t sector, uint32_t sectors);
/* Reads what is kept; -EIO for any other sector. */
int image_read(const struct image_disk *d, uint64_t sector, void *buf, uint32_t sectors);
/* Puts what is kept over what was read elsewhere. -ENODATA: there is a gap. */
int image_over(const struct image_disk *d, uint64_t sector, void *buf, uint32_t sectors);
/* The format's reader on it. The disk must outlive it. */
struct meta_reader image_reader(struct image_disk *d);

/* In parts: {"plan","set","part":number,"disk","name","sectors","sector-size","runs":[[sector,sectors,fill, base64,
 * null: a gap, or {"as":index of a run of this part that has the same}],..]}, of what was not told before; tell is
 * called with each, borrowed. 0 or -errno. */
int image_tell(struct image *im, void (*tell)(void *u, const json_t *part), void *u);
/* The last part, once the plan is done: {"plan","set","part","left":{disk:hash}}. Without it nothing is taken back. */
int image_tell_left(struct image *im, void (*tell)(void *u, const json_t *part), void *u);
/* The last part of what nothing is taken back by: {"plan","set","part","end":{"disks","sectors","bytes","cut":there was
 * more than is kept}}. */
int image_tell_end(struct image *im, bool cut, void (*tell)(void *u, const json_t *part), void *u);
/* Adds a part of any plan to what im has: what was there before counts. -EBADMSG with a reason. */
int image_lay(struct image *im, const json_t *part, struct err *e);
/* The next part of one that was told so. -EBADMSG with a reason: nothing that was told. */
int image_take(struct image **im, const json_t *part, struct err *e);
