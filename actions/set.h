// SPDX-License-Identifier: GPL-2.0-or-later
/* The disks of one set, open, with what they say: the format's copies, joined, and the bays with our stamps and the
 * kernel's slices. Disks stay open between plans: closing a disk that was open for writing makes udev look at it again.
 */
#pragma once

#include "actions/io_batch.h"
#include "actions/known.h"
#include "actions/meta/slice.h"
#include "actions/plan.h"

struct exec_env;

/* What lies in one bay of a disk, and what the next commit shall make of it. */
struct bay {
	bool used; /* a valid stamp of this set */
	struct stamp stamp;
	unsigned copy;	  /* the stamp's copy that counts: 0 A, 1 B */
	bool running;	  /* what the stamp shall say when the next commit is done */
	int super_status; /* slice_super_parse */
	struct slice_super super;
};

/* Of a bay's bytes: both stamps and the slice's superblock. */
enum { SET_SUPER_BYTES = 4096, SET_BAY_HEAD = 2 * STAMP_SECTORS * 512 + SET_SUPER_BYTES };

/* A sector that changes whenever the format's metadata do. */
struct watch {
	uint64_t sector;
	uint8_t bytes[512];
};

struct set_disk {
	struct plan_device device; /* as the plan named it; kept when the disk is gone */
	struct blockdev *dev;	   /* NULL: gone */
	char ref[META_REF_MAX];	   /* within the set; empty: not of this set */
	bool ours;		   /* its copy belongs to the set */
	bool foreign;		   /* it holds metadata, but of another set or damaged: .problem */
	char problem[META_REASON_MAX];
	struct meta_copy *copy;
	struct meta_view *view; /* what its copy says */
	uint64_t seq;		/* of its copy */
	enum meta_standing standing;
	bool torn;    /* behind only by an update that was cut: as good as current */
	bool joining; /* made a disk of the set by the running plan, and not yet written */
	bool adopted; /* its copy is to be brought up to date with the set's, though it stands behind */
	int error;    /* -errno of a write that failed: not written to any more, or not before the next plan, if that it
			 failed could not be recorded */
	int64_t fell; /* when it was found failed, awake time; 0: not since it was opened */
	struct known known; /* of its format's sectors and our stamps, when it is ours */
	size_t n_watch;
	struct watch watch[4];
	unsigned n_bays;
	struct bay bay[SLICE_BAYS_MAX];
};

struct set {
	const struct exec_env *env;
	struct io_pool *pool;
	const struct meta_format *format;
	char guid[META_GUID_MAX];
	size_t n_disks;
	struct set_disk *disk[META_DISKS_MAX];
	struct meta_set *meta;	/* as on the disks */
	struct meta_view *view; /* of meta */
	bool split;		/* two histories */
	bool rejoin;		/* a disk was made one of the set: .meta is to be read from the disks again */
};

/* Opens what the plan names, closes what it names no more, reads what is new or was changed by others, and joins it.
 * -ENODATA: no disk of the set can be read. Of a plan that makes the set: 0, and .meta is NULL. */
int set_open(struct set *s, const struct plan *p, struct err *e);
void set_close(struct set *s);
/* Joins what the disks that are open hold. */
int set_join(struct set *s, struct err *e);
/* Reads one disk again: after its metadata were made, or for what the kernel wrote into its slices. */
int set_disk_read(struct set *s, struct set_disk *d, struct err *e);
int set_disk_read_bays(struct set *s, struct set_disk *d, struct err *e);
/* -EUCLEAN: beside our format it holds "metadata of an Intel Matrix RAID (isw_raid_member)". 0: nothing that is known,
 * or it cannot be read. */
int set_disk_of_one_format(struct set *s, struct set_disk *d, struct err *e);
/* One of these, of several disks side by side. */
struct set_look {
	struct set_disk *disk;
	int result;
	struct err why;
};
void set_look_at(struct set *s, struct set_look *list, size_t n,
		 int (*read)(struct set *s, struct set_disk *d, struct err *e));
/* What was read of it is not so any more. */
void set_disk_forget(const struct set *s, struct set_disk *d);
/* What the head of a bay says. */
void set_bay_parse(const struct set *s, struct bay *b, const uint8_t *head);
/* The disk holds these bytes now: what set_open compares with. */
void set_disk_wrote(struct set_disk *d, const struct meta_writes *w);
/* NULL if there is none; a disk that is gone is found, with .dev NULL. */
struct set_disk *set_disk_by_ref(const struct set *s, const char *ref);
struct set_disk *set_disk_by_id(const struct set *s, const char *id);
/* The index in .disk, which io_batch calls the disk's number. */
unsigned set_disk_number(const struct set *s, const struct set_disk *d);
/* Here, of this set, its copy as new as the set's (or torn), and it can be written. */
bool set_disk_current(const struct set_disk *d);
/* The view gives it something to do: a slot, as in sync or rebuilding, or the place of a spare. */
bool set_disk_has_role(const struct meta_view *v, const struct set_disk *d);
/* The bay whose stamp names the volume, or -1. */
int set_bay_of(const struct set_disk *d, const char *volume);
/* That bay, or the lowest one that no live volume of the set holds, with an empty stamp; -ENOSPC with a reason. */
int set_bay_take(const struct set *s, struct set_disk *d, const struct meta_volume *v, struct err *e);
/* Reads the slice's superblock of the volume's bay again: the kernel writes it. 0 or -errno. */
int set_slice_refresh(struct set_disk *d, const char *volume);
/* First sector of the slice in bay n. */
uint64_t set_slice_sector(const struct set_disk *d, unsigned bay);
/* The member of the volume that this disk is, by its own copy; NULL if that does not say. */
const struct meta_volume *set_disk_own_volume(const struct set_disk *d, const char *volume);
