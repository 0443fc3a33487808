// SPDX-License-Identifier: GPL-2.0-or-later
/* What a start does with each slot of a volume, from what the disks say: the format's records, our stamps, the kernel's
 * slices. A pure function: nothing is read, written or asked here. */
#pragma once

#include "actions/meta/slice.h"

/* What was read of the disk that the format puts in a slot. */
struct start_disk {
	bool present;
	bool fails; /* it is here, but cannot be used: not .present */
	enum meta_standing standing;
	uint64_t seq;  /* of the format's copy on this very disk */
	uint64_t hash; /* volume_hash of that copy */
	bool has_stamp;
	struct stamp stamp; /* of this volume's bay */
	int super_status;   /* as slice_super_parse returned it */
	struct slice_super super;
};

struct start_in {
	const char *set;
	const struct meta_volume *volume;	/* as the joined copies say */
	uint64_t seq;				/* the joined copies' */
	bool split;				/* the copies tell two histories */
	bool degraded, read_only, force;	/* what was asked for: STEP_ASSEMBLE */
	struct start_disk disk[META_SLOTS_MAX]; /* by slot */
};

enum start_how {
	START_OUT,	/* "- -" */
	START_AS_FOUND, /* its slice is trusted and in sync */
	START_ANEW,	/* in sync; its slice is written by us */
	START_REBUILD,	/* zeroed slice and "rebuild N" */
};

struct start_slot {
	enum start_how how;
	bool edit;		 /* the format has to be told .state first */
	enum member_state state; /* in-sync (forced), rebuilding, failed, missing */
	char why[80];		 /* for people; empty when there is nothing to say */
};

struct start {
	bool anew;	  /* a new epoch: every listed slice is written by us */
	bool resync;	  /* redundancy may differ where writes were under way: anew: everywhere, else by bitmap */
	bool owed;	  /* as found, and everywhere: the stamps say that mirrors were never compared */
	bool write_hole;  /* parity cannot be trusted where a write was under way, and nothing can repair it */
	uint64_t epoch;	  /* of the trusted slices; 0 with anew: the caller draws one */
	uint64_t events;  /* for slices written anew: higher than any that was seen */
	uint64_t sectors; /* it runs smaller than the format says, until it is whole; 0: as the format says */
	struct start_slot slot[META_SLOTS_MAX];
};

/* The volume's hash as far as every member's own copy can tell it: of a RAID10 of pairs, a copy holds only the record
 * of its own pair. Safe mode's flag counts too: a tool that started the volume cleared it. */
uint64_t volume_hash(const struct meta_volume *v, unsigned slot);
/* True if the disk's stamp belongs to this volume and slot and knows the format's copy on its disk as it is. */
bool start_stamp_matches(const struct start_in *in, unsigned slot);
/* 0 and *ret, or why not: -ENODATA too few members, -EAGAIN incomplete (needs .degraded), -ESTALE split, -EUCLEAN dirty
 * and degraded, -ENOTSUP. Invariant: a slot that any slice of the newest epoch calls failed is never AS_FOUND or ANEW,
 * but for .force. */
int start_analyse(const struct start_in *in, struct start *ret, struct err *e);
