// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine for crash tests: disks that record, a device-mapper in memory, and the part of the kernel's md that decides
 * what survives: superblocks in the slices, and user data. Each member's first data sector holds the generation of the
 * last write that it saw, so that a stale member that is listed as in sync is caught by what it holds, not by what
 * anyone says. */
#pragma once

#include "actions/exec_run.h"
#include "tests/fakes/fake_disk.h"
#include "tests/fakes/fake_dm.h"

enum { RIG_DISKS_MAX = 8, RIG_ACKS_MAX = 256 };

struct rig_ack {
	size_t records; /* that were down when the write was acknowledged */
	uint64_t generation;
};

struct rig {
	struct fake_disks *disks;
	struct fake_dm *dm;
	struct exec *x;
	size_t n_disks;
	struct fake_disk *disk[RIG_DISKS_MAX];
	bool absent[RIG_DISKS_MAX]; /* not named in plans */
	char set[META_GUID_MAX], volume[META_GUID_MAX], top[META_NAME_MAX];
	uint64_t seed, generation;
	size_t n_acks;
	struct rig_ack ack[RIG_ACKS_MAX];
	bool dead;		       /* act was killed: nothing that it asks for has an effect */
	unsigned die_at, dm_calls;     /* kill it before that device-mapper call; 0: never */
	char live[DM_PARAMS_MAX + 64]; /* the table that the kernel has begun */
	struct buf events;	       /* kinds of reported events, a line each */
	char show[8192];
};

/* A machine with the disks of a case of tests/golden/meta. Ends the test when it cannot. */
void rig_load(struct rig *r, const char *name);
void rig_unload(void); /* frees what rig_load keeps of the last case */
/* Another machine with other disks: after a power cut. Takes the disks. */
void rig_boot(struct rig *r, struct fake_disks *disks, const struct rig *like);
/* Power off and on, everything written kept. */
void rig_power_cycle(struct rig *r);
void rig_free(struct rig *r);
/* A new act process on the same kernel and disks; next_act: after one that was killed. */
void rig_restart_act(struct rig *r);
void rig_next_act(struct rig *r);

/* A plan of one step (or of all that were added with rig_step), on the present disks. */
struct plan *rig_plan(struct rig *r);
struct step *rig_step(struct plan *p, enum step_op op, int disk);
/* Runs it and frees it. 0 or -errno; *e may be NULL. */
int rig_run(struct rig *r, struct plan *p, struct err *e);
int rig_one(struct rig *r, enum step_op op, int disk);
int rig_assemble(struct rig *r, bool degraded, bool force, struct err *e);

/* The kernel: a failing member, a user's write that is acknowledged, the end of all rebuilds. Nothing while not
 * running. */
void rig_fail(struct rig *r, unsigned slot);
void rig_write(struct rig *r);
void rig_rebuilt(struct rig *r);
bool rig_running(struct rig *r);
/* What the kernel does when a table goes live: call it after a plan. */
void rig_tick(struct rig *r);

/* By slot: i in sync, r rebuilding, f failed, m missing, e empty; as the joined metadata say. Static. */
const char *rig_states(struct rig *r);
/* The number of the disk in the slot, -1: none of the machine's. */
int rig_disk_in(struct rig *r, unsigned slot);
/* NULL, or why what runs must not: a listed in-sync member without the acknowledged generation, or with holes. */
const char *rig_stale(struct rig *r, uint64_t acknowledged);
uint64_t rig_acknowledged(const struct rig *r, size_t records);
