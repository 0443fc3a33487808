// SPDX-License-Identifier: GPL-2.0-or-later
/* device-mapper: tables and status lines as text (pure), and the calls (libdevmapper) behind a struct that tests
 * replace. */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { DM_NAME_LEN_MAX = 127, DM_UUID_LEN_MAX = 128, DM_PARAMS_MAX = 8192, DM_TARGETS_MAX = 64 };

struct dm_target {
	uint64_t start, len; /* sectors of 512 bytes */
	char type[16];
	char params[DM_PARAMS_MAX];
};

/* The raid target's table, by slots. */
enum dm_raid_type {
	DM_RAID0,
	DM_RAID1,
	DM_RAID5_N,
	DM_RAID5_LA,
	DM_RAID5_RA,
	DM_RAID5_LS,
	DM_RAID6_ZR,
	DM_RAID6_NR,
	DM_RAID6_NC,
	DM_RAID10_NEAR,
};

struct dm_raid_slot {
	bool listed;  /* false: "- -" */
	bool rebuild; /* "rebuild N" */
	unsigned meta_major, meta_minor, data_major, data_minor;
	bool read_last; /* "write_mostly N": RAID1 only */
};

struct dm_raid_table {
	enum dm_raid_type type;
	uint64_t sectors; /* of the array; divides by the number of data members */
	uint32_t chunk;	  /* sectors; 0 for RAID1 */
	uint32_t region;  /* "region_size", sectors; 0: dm-raid's default */
	uint32_t min_rate,
		max_rate; /* "min_recovery_rate", "max_recovery_rate", KiB a second and member; 0: the kernel's */
	unsigned slots;
	const struct dm_raid_slot *slot;
};

/* md's level (0, 1, 4, 5, 6, 10) and layout number to the target's type, or -ENOTSUP. raid-on-dm 1. */
int dm_raid_type_of(int level, int layout, enum dm_raid_type *ret);
/* The target's line. -EINVAL if it does not divide, -E2BIG. */
int dm_raid_table_print(const struct dm_raid_table *t, struct dm_target *ret, struct err *e);
/* A name that dm and udev's links can carry: other characters become \xNN, as libdevmapper does it (dmsetup shows and
 * takes the raw name). -EINVAL when empty, -ENAMETOOLONG. dm_ops take and give escaped names. */
int dm_name_escape(const char *raw, char ret[DM_NAME_LEN_MAX + 1]);
/* A private device: one linear target. */
void dm_linear_print(unsigned major, unsigned minor, uint64_t start, uint64_t len, struct dm_target *ret);

/* A private device that is being copied: reads from the first, writes to both. Errors are told by an event, and a write
 * that fails on one side waits for another table (hold_bio, drivers/md/dm-raid1.c). */
struct dm_mirror_side {
	unsigned major, minor;
	uint64_t start;
};
void dm_mirror_print(const struct dm_mirror_side side[2], uint64_t len, struct dm_target *ret);
/* Reads such a table. False: it is none. */
bool dm_mirror_parse(const char *params, struct dm_mirror_side side[2]);
/* In the place of a device that is gone. */
void dm_error_print(uint64_t len, struct dm_target *ret);

struct dm_mirror_status {
	char health[2]; /* 'A' well, 'D' a write failed, 'S' it cannot be copied, 'R' a read failed, 'F' a flush, 'U' */
	uint64_t done, total; /* regions */
};
int dm_mirror_status_parse(const char *params, struct dm_mirror_status *ret, struct err *e);

/* What is written to the origin for the first time is copied to the snapshots' devices before: the origin's own device
 * has this table, over the device that its data are on. */
void dm_origin_print(unsigned major, unsigned minor, uint64_t len, struct dm_target *ret);

/* Where a snapshot keeps what was written over. */
struct dm_cow {
	unsigned major, minor;
};
/* A snapshot of that device, as it is when the snapshot is resumed. It ends with the machine's run. */
void dm_snapshot_print(unsigned major, unsigned minor, const struct dm_cow *cow, uint64_t len, struct dm_target *ret);
/* Reads such a table. False: it is none. */
bool dm_snapshot_parse(const char *params, struct dm_cow *ret);

struct dm_snapshot_status {
	bool lost;	      /* its device is full, or failed: reads of it fail from then on */
	uint64_t used, total; /* sectors of its device */
};
int dm_snapshot_status_parse(const char *params, struct dm_snapshot_status *ret, struct err *e);

enum dm_raid_action { DM_IDLE, DM_FROZEN, DM_RESYNC, DM_RECOVER, DM_CHECK, DM_REPAIR, DM_RESHAPE, DM_UNDEF };

struct dm_raid_status {
	char type[16];
	unsigned slots;
	char health[64 + 1];  /* 'A' in sync, 'a' here but not in sync, 'D' failed, '-' not listed */
	uint64_t done, total; /* sectors of the running action */
	enum dm_raid_action action;
	uint64_t mismatches;  /* sectors, found by the last check or repair */
	uint64_t data_offset; /* sectors; 0 on kernels that do not tell */
	char journal;	      /* of a journal device: 'A', 'a' or 'D'; '-' without one */
};

/* Reads the raid target's status line (Documentation/admin-guide/device-mapper/dm-raid.rst). -EBADMSG names what is
 * wrong. */
int dm_raid_status_parse(const char *params, struct dm_raid_status *ret, struct err *e);
/* True when every slot is 'A' or '-' and nothing runs: the ratio alone lies (raid-on-dm 3). */
bool dm_raid_settled(const struct dm_raid_status *s);
/* The kernel's word for it. */
const char *dm_raid_action_name(enum dm_raid_action action);

struct dm_info_view {
	bool exists, suspended, live_table, inactive_table, read_only;
	unsigned major, minor;
	uint32_t event_nr;
	int open_count;
	char name[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1];
};

/* To whom udev shows a device that is resumed. */
enum dm_shown {
	DM_SHOWN,
	DM_PRIVATE, /* rules of others leave it alone, and nobody waits for udev */
	DM_LINKED   /* rules of others leave it alone; its name is waited for */
};

/* Every call: 0 or -errno with a message that names the device. What udev makes of a resume or a remove is waited for
 * by settle, with a cookie; what it makes of a private device nobody waits for. */
struct dm_ops {
	int (*create)(void *u, const char *name, const char *uuid, struct err *e); /* without a table */
	int (*load)(void *u, const char *name, const struct dm_target *t, size_t n, bool read_only, struct err *e);
	/* Preallocates what status_held needs, then suspends. noflush as told. */
	int (*suspend)(void *u, const char *name, bool noflush, struct err *e);
	/* The same; a file system on it is written out and frozen before, and thaws with the resume. */
	int (*suspend_frozen)(void *u, const char *name, struct err *e);
	/* Status of the live table; never flushes; usable while suspended, then it allocates nothing. params:
	 * DM_PARAMS_MAX bytes */
	int (*status)(void *u, const char *name, char *params, struct err *e);
	int (*table)(void *u, const char *name, char *params, struct err *e); /* of the live table's first target */
	/* What the live table is made of: the type and the length of its only target. -ENODATA: none, -E2BIG: several.
	 */
	int (*target)(void *u, const char *name, char type[16], uint64_t *len, struct err *e);
	int (*message)(void *u, const char *name, const char *text, struct err *e); /* to its first target */
	int (*clear)(void *u, const char *name, struct err *e);			    /* drops the inactive table */
	int (*resume)(void *u, const char *name, enum dm_shown shown, struct err *e);
	int (*settle)(void *u); /* waits for udev to have done all that resume and remove asked for */
	int (*remove)(void *u, const char *name, bool retry, struct err *e);
	int (*info)(void *u, const char *name, struct dm_info_view *ret,
		    struct err *e); /* not there: 0 with exists false */
	/* All devices whose UUID begins with prefix. ret: malloc'ed. */
	int (*list)(void *u, const char *prefix, struct dm_info_view **ret, size_t *n, struct err *e);
	void *u;
};

extern const struct dm_ops dm_kernel;
