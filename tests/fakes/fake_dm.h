// SPDX-License-Identifier: GPL-2.0-or-later
/* A device-mapper in memory: devices, live and inactive tables, raid status, event numbers. It behaves as the kernel in
 * what DESIGN calls a swap (a resume with an inactive table swaps it in; one without revives failed members), refuses
 * what the kernel refuses, and takes down calls in an order that could lose data or hang a real machine. */
#pragma once

#include "actions/dm/dm.h"

enum fake_dm_call {
	FAKE_CREATE,
	FAKE_LOAD,
	FAKE_SUSPEND,
	FAKE_STATUS,
	FAKE_TABLE,
	FAKE_CLEAR,
	FAKE_RESUME,
	FAKE_MESSAGE,
	FAKE_SETTLE,
	FAKE_REMOVE,
	FAKE_INFO,
	FAKE_LIST,
};

struct fake_dm;

struct fake_dm *fake_dm_new(void);
void fake_dm_free(struct fake_dm *f);
DEFINE_CLEANUP(struct fake_dm *, fake_dm_free)
/* Valid as long as f. */
const struct dm_ops *fake_dm_ops(struct fake_dm *f);

/* Called before each call; nth counts from 1. 0: go on; -errno: the call fails with it and has no effect. The hook may
 * call fake_dm_fail_member and the like (a failure between load and suspend), or leave by longjmp (a process that dies
 * there). */
typedef int fake_dm_hook(void *u, enum fake_dm_call call, const char *name, unsigned nth);
void fake_dm_set_hook(struct fake_dm *f, fake_dm_hook *hook, void *u);
/* The n-th call from now (1: the next) fails with -code and has no effect; with late, it fails and has had its effect.
 */
void fake_dm_fail_call(struct fake_dm *f, unsigned n, int code, bool late);
unsigned fake_dm_calls(const struct fake_dm *f);

/* What the kernel does by itself. The device must be there and run a raid table. */
void fake_dm_fail_member(struct fake_dm *f, const char *name, unsigned slot); /* 'D', one event */
void fake_dm_rebuilt(struct fake_dm *f, const char *name);		      /* every 'a' becomes 'A', one event */
void fake_dm_set_action(struct fake_dm *f, const char *name, enum dm_raid_action action, uint64_t done, uint64_t total);
/* 'A' becomes 'a', as for a member that the freshest superblock calls failed: it is recovered by the bitmap. */
void fake_dm_recover(struct fake_dm *f, const char *name, unsigned slot);
/* A mirror: all of it is copied, if nothing failed; what became of its two sides, as the kernel tells ("SA"). */
void fake_dm_copied(struct fake_dm *f, const char *name);
void fake_dm_copy_fails(struct fake_dm *f, const char *name, const char *health);
bool fake_dm_mirrors(struct fake_dm *f, const char *name);
/* The status line instead of the simulated one, until NULL. */
void fake_dm_set_status(struct fake_dm *f, const char *name, const char *params);
void fake_dm_set_open(struct fake_dm *f, const char *name, int open_count);

/* The live or inactive table's first target as "start len type params", NULL if there is none. */
const char *fake_dm_live(struct fake_dm *f, const char *name);
const char *fake_dm_inactive(struct fake_dm *f, const char *name);
const char *fake_dm_health(struct fake_dm *f, const char *name);
bool fake_dm_suspended(struct fake_dm *f, const char *name);
/* All changing calls so far, a line each: "load r5: 0 32768 raid raid5_ls ..", "suspend r5", .. */
const char *fake_dm_log(const struct fake_dm *f);

/* The first illegal order, or NULL. Illegal: a load, create, remove, settle or list while anything is suspended; a
 * second suspend of one device; a swap of a raid table without the status read again since the suspend; a swap although
 * a health character is not as it was at the load; a raid table that comes live while another device has the same; a
 * snapshot that is resumed while its origin is not suspended. */
const char *fake_dm_violation(const struct fake_dm *f);
/* The same, at a plan's end: also a device left suspended, with an inactive table, or udev not waited for. */
const char *fake_dm_violation_at_end(struct fake_dm *f);
