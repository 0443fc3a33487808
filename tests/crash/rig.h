// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine for crash tests: disks that record, a device-mapper in memory, and the part of the kernel's md that decides
 * what survives: superblocks in the slices, and user data. Each member's first data sector holds the generation of the
 * last write that it saw, so that a stale member that is listed as in sync is caught by what it holds, not by what
 * anyone says. */
#pragma once

#include "actions/exec_run.h"
#include "tests/fakes/fake_disk.h"
#include "tests/fakes/fake_dm.h"

enum { RIG_DISKS_MAX = 8, RIG_VOLUMES_MAX = 2, RIG_ACKS_MAX = 256, RIG_KEPT = 4 };

/* What a cut leaves of what was not flushed: each is tried. */
struct rig_kept {
	enum fake_keep keep;
	uint64_t seed;
};
extern const struct rig_kept rig_kept[RIG_KEPT];

struct rig_ack {
	size_t records; /* that were down when the write was acknowledged */
	uint64_t generation;
	uint64_t sectors; /* of the array then */
};

struct rig_volume {
	char guid[META_GUID_MAX], top[META_NAME_MAX];
	char live[DM_PARAMS_MAX + 128]; /* the device and table that the kernel has begun */
	uint64_t generation;		/* of the last write, acknowledged or not */
	bool broken;			/* the kernel could not acknowledge it: it has lost too many members */
	/* Sectors of each member whose redundancy is made, since so many records, and before; and from where on the
	 * kernel's resync makes it, ~0: none runs. */
	uint64_t made, made_before, resync_from;
	size_t made_at;
	/* It has been written to since its start, at so many records: a power cut leaves mirrors that differ. They do,
	 * until a resync has compared them, which runs; or did, until so many records. */
	bool wrote, differ, comparing, differed;
	size_t wrote_at;
	size_t same_at;
	size_t n_acks;
	struct rig_ack ack[RIG_ACKS_MAX];
};

struct rig {
	struct fake_disks *disks;
	struct fake_dm *dm;
	struct exec *x;
	size_t n_disks;
	struct fake_disk *disk[RIG_DISKS_MAX];
	bool absent[RIG_DISKS_MAX]; /* not named in plans */
	char set[META_GUID_MAX];
	unsigned n_volumes;
	struct rig_volume volume[RIG_VOLUMES_MAX];
	uint64_t seed;
	bool dead; /* act was killed: nothing that it asks for has an effect, and nothing else happens */
	unsigned die_at, dm_calls; /* kill it before that device-mapper call; 0: never */
	struct buf events;	   /* kinds of reported events, a line each */
	struct buf steps;	   /* what each step of the last plan came to, a line each: "0 ok by bitmap" */
	struct buf errors;	   /* of all plans that failed, a line each */
	char wrong[256];	   /* the first step that was told as done and is not so */
	char show[8192];
	json_t *images; /* of the last plan that told some: given to one that restores */
	/* What the disks held before the running plan, and what it told of that; how many records were down when it
	 * began, and when it waited for the history (~0: it did not). */
	struct fake_disks *was;
	json_t *before;
	size_t begun, waited;
	bool memory_short; /* once: what it did not learn then it need not tell */
};

/* A machine with the disks of a case of tests/golden/meta. Ends the test when it cannot. */
void rig_load(struct rig *r, const char *name);
void rig_unload(void); /* frees what rig_load keeps of the last case */
/* Another machine with other disks: after a power cut that came after so many records. Takes the disks. */
void rig_boot(struct rig *r, struct fake_disks *disks, const struct rig *like, size_t records);
/* Power off and on, everything written kept. */
void rig_power_cycle(struct rig *r);
void rig_free(struct rig *r);
/* A new act process on the same kernel and disks; next_act: after one that was killed. */
void rig_restart_act(struct rig *r);
void rig_next_act(struct rig *r);

/* A plan on a volume and on the present disks; steps are added with rig_step. */
struct plan *rig_plan(struct rig *r, unsigned volume);
struct step *rig_step(struct plan *p, enum step_op op, int disk);
/* A member is to be copied to another disk. */
struct step *rig_step_replace(struct plan *p, int disk, int by);
/* Runs it and frees it. 0 or -errno; *e may be NULL. */
int rig_run(struct rig *r, struct plan *p, struct err *e);
/* A plan of one step on the first volume; on all of them, one after the other. The first error. */
int rig_one(struct rig *r, enum step_op op, int disk);
int rig_assemble(struct rig *r, bool degraded, bool force, struct err *e);
int rig_stop(struct rig *r);

/* What a plan wrote over is what it told. Around each that rig_run runs; ends the test where it is not so. */
void rig_before_begin(struct rig *r);
void rig_before_end(struct rig *r, const struct plan *p);

/* The kernel: a failing member of the first volume, a user's write to each that is acknowledged, the end of all
 * rebuilds. Nothing while not running. A member whose disk cannot be written is failed, as md does it. */
void rig_fail(struct rig *r, unsigned slot);
void rig_write(struct rig *r);
void rig_rebuilt(struct rig *r);
/* Mirrors copy all that is left; a sector of the old disk cannot be read. */
void rig_copied(struct rig *r);
void rig_unreadable(struct rig *r);
bool rig_running(struct rig *r); /* all volumes */
/* NULL, or the volume that is left suspended. */
const char *rig_suspended(struct rig *r);
/* What the kernel does when a table goes live: call it after a plan. */
void rig_tick(struct rig *r);

/* By slot: i in sync, r rebuilding, f failed, m missing, e empty; as the joined metadata say; a '/' between volumes.
 * Static. */
const char *rig_states(struct rig *r);
/* The number of the disk in the first volume's slot, -1: none of the machine's. */
int rig_disk_in(struct rig *r, unsigned slot);
unsigned rig_last_slot(struct rig *r); /* of the first volume */
bool rig_in_slot(struct rig *r, unsigned disk);
int rig_spare_disk(struct rig *r); /* the first that is in no slot: a spare, or a blank one. -1: none */
/* The states are one of those allowed, which blanks separate. */
bool rig_one_of(const char *states, const char *allowed);
/* The text has the disk's name, or its reference in the set. */
bool rig_names(struct rig *r, const char *text, size_t len, const struct fake_disk *disk);
/* NULL, or why what runs must not: a listed in-sync member without the acknowledged generation, or with holes. */
const char *rig_stale(struct rig *r);
/* Each volume can run without that disk, by what the other members hold and by what the kernel has failed. */
bool rig_enough(struct rig *r, const struct fake_disk *without);
/* NULL, or where the live tables and the metadata differ: a member that is listed and not in the format, or the other
 * way round. Beyond redundancy they may. */
const char *rig_disagrees(struct rig *r);
/* Before its first start: of the first volume no redundancy is made, and its metadata say so. */
void rig_uninitialise(struct rig *r);
/* NULL, or the volume that is called initialised and is not, or whose table is longer than the metadata say, or shorter
 * than it was when a write was acknowledged; settled: or that has not come to its end, a table of the metadata's size.
 */
const char *rig_unmade(struct rig *r, bool settled);
