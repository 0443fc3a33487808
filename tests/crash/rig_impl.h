// SPDX-License-Identifier: GPL-2.0-or-later
/* What the two halves of the rig share: rig.c the machine and its plans, rig_kernel.c what md does, and looking at it.
 */
#pragma once

#include "tests/crash/rig.h"

/* In the first data sector of each member. */
struct marker {
	uint64_t generation;
	uint64_t whole; /* 0: it is being rebuilt, and has holes */
};

/* The number of the disk in the slot, -1: none of the machine's. */
int rig_disk_of(const struct rig *r, const struct meta_volume *v, unsigned slot);
/* Tables that came live since it was called last begin to work. */
void rig_begin_tables(struct rig *r);
/* The device with the raid table. */
const char *rig_raid_dm(struct rig *r, const struct rig_volume *v);
/* rig_grow.c: length of the live table; what a new one, a superblock's update, the end of a resync or rebuild mean. */
uint64_t rig_live_sectors(struct rig *r, const struct rig_volume *v);
void rig_grow_begin(struct rig *r, struct rig_volume *rv, const struct slice_super *fresh, const uint8_t *slice);
void rig_grow_super(struct rig *r, const struct rig_volume *rv, struct slice_super *s);
void rig_compare_begin(struct rig *r, struct rig_volume *rv, const struct slice_super *fresh);
/* Power goes, and leaves so many records. */
void rig_compare_cut(struct rig_volume *rv, size_t records);
void rig_resynced(struct rig *r, struct rig_volume *rv, bool rebuilt);
