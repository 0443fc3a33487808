// SPDX-License-Identifier: GPL-2.0-or-later
/* What planning and guards know of one array now: a small picture that the inventory draws, and that each planned step
 * changes, so that the next step is planned against the state that it leaves. No pointers: it is copied by assignment.
 */
#pragma once

#include "actions/meta/meta.h"

enum { DEVICE_ID_MAX = 128, WORLD_SPARES_MAX = 64 };

struct world_slot {
	char device[DEVICE_ID_MAX]; /* device.id of the disk that the format puts here, empty if none */
	char name[32];		    /* its kernel name, or the last known */
	char ref[META_REF_MAX];
	enum member_state state; /* with what is known beyond the format: missing and stale too */
	bool readable;		 /* present, and its probe could read it */
	bool two_formats;	 /* it holds metadata of another one, too */
	bool unread;		 /* present, and not read yet */
	uint64_t usable;	 /* sectors that the disk offers to this set */
	enum media media;
	char controller[64], enclosure[64], transport[16];
	uint64_t sector_size;
	char place[48];		    /* in the enclosure: of this disk, or of the last that was in a vacant slot */
	char place_shelf[64];	    /* that enclosure */
	char tags[128];		    /* of the disk, sorted, each with a blank before and after it */
	bool read_last;		    /* while it runs; else when it ran last */
	unsigned together;	    /* so many disks went at once, this one too, a moment ago; 0: not so */
	const char *together_in;    /* "controller", "enclosure": what they have in common */
	char before[DEVICE_ID_MAX]; /* the disk that had the slot until this one took it as a spare, */
	char before_place[48], before_shelf[64]; /* and where that was */
	bool revertible;			 /* by its spare assignment it gives the slot back */
	char copied_to[DEVICE_ID_MAX];		 /* the disk that is to replace it; empty: none */
	unsigned undone; /* so often within an hour a step undid the one before it on this disk and array */
	int last_step;	 /* enum step_op of the last of them, -1: none */
};

struct world_spare {
	char device[DEVICE_ID_MAX], name[32], ref[META_REF_MAX];
	enum spare_kind kind;
	enum spare_state state;
	bool of_set;		       /* already in the array's set */
	bool former;		       /* not of_set: it was a member or spare of the set and has lost its place */
	char from[META_GUID_MAX];      /* the other set that gives it up for this one, empty: none has to, */
	char from_name[META_NAME_MAX]; /* and an array of that */
	char kept[96];		       /* why it cannot be had, now; empty: it can */
	bool revertible, in_enclosure; /* by its spare assignment */
	bool for_array;		       /* likewise: dedicated to this array */
	bool promised;		       /* another plan is about to use it */
	bool beside;	       /* of another array: there it has the place of the disk that is to be replaced here */
	bool strains;	       /* likewise, and that array is degraded: for the format it would be more so meanwhile */
	bool copied_to;	       /* a member is being copied to it: it is taken last, and that ends then */
	bool serves;	       /* dedicated to this array, its pool or global */
	bool elsewhere;	       /* it would, but for its enclosure, where no member is */
	uint64_t free_sectors; /* largest free extent */
	enum media media;
	char controller[64], enclosure[64], transport[16];
	uint64_t sector_size;
	char place[48], tags[128];
	char in_place[32];	 /* of a disk that is away: the one that is in its slot now; empty: none */
	bool flapping, unproven; /* marks that activate-spare avoids */
	bool erring;		 /* it has errors in an open case, or was not read through */
	bool suspect;		 /* several disks at its controller, or in its enclosure, are failing or away */
	enum contents contents;	 /* of a disk that is not of_set: only a blank one is ever taken */
	char holds[96];		 /* the same in words, escaped: "an ext4 file system" */
	bool other_member;	 /* of something else than a set that is known here, by udev */
	bool unused_set;	 /* it is of another set, which has no array: nothing on it counts */
	char map[DEVICE_ID_MAX]; /* the multipath map that it is a path of */
	unsigned was_group;	 /* of a path that is used last: where it was */
	bool was_alone;
	bool path, present, being_read;
};

struct world_array {
	char id[META_GUID_MAX + 8], name[META_NAME_MAX], set[META_GUID_MAX], format[8];
	enum raid_level level;
	enum array_state state;
	enum stopped_by stopped_by;
	unsigned n_slots;
	struct world_slot slot[META_SLOTS_MAX];
	uint64_t member_sectors;
	bool managed, maintenance, split, rebuilding, complete, startable;
	char two_formats[128]; /* "sdc holds metadata of ..": what keeps the set from being started; empty: nothing of
				  the kind */
	enum resync_kind syncing; /* if action_runs */
	bool action_runs;	  /* the kernel compares, repairs, rebuilds or resyncs */
	uint64_t rate;		  /* of that, as it was asked for: STEP_REBUILD_SPEED */
	bool room;		  /* every current member has room for slices */
	char maker[28];		  /* who made the set, escaped: "Linux-MD" */
	unsigned plans_last_hour; /* destructive ones by rules */
	size_t n_spares;	  /* spares, and other disks that are here and could become one */
	struct world_spare spare[WORLD_SPARES_MAX];
};
