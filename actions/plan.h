// SPDX-License-Identifier: GPL-2.0-or-later
/* A plan: the ordered steps that one verdict, one command or the built-in recording asks for on one array. A value: it
 * is printed, guarded, stored as the intent, sent to act, and replayed after a crash; so each step must be idempotent.
 */
#pragma once

#include "actions/world.h"

enum step_op {
	STEP_ASSEMBLE,
	STEP_STOP,
	STEP_FAIL_MEMBER,
	STEP_REMOVE_MEMBER,
	STEP_READD_MEMBER,
	STEP_TAKE_SPARE, /* another set has given up the disk for this one: its plan ran before */
	STEP_ADD_SPARE,
	STEP_REMOVE_SPARE,
	STEP_ACTIVATE_SPARE,
	STEP_REPLACE_MEMBER,
	STEP_COPY_BACK, /* the same, and the member, a spare that stood in, is one again */
	STEP_SCRUB,
	STEP_READ_LAST,
	STEP_REBUILD_SPEED,
	STEP_CREATE,	     /* a volume, in a set that is there or in a new one: plan.create says which */
	STEP_DELETE,	     /* the volume's records go; it does not run */
	STEP_RENAME,	     /* the volume gets another name; it does not run */
	STEP_GROW,	     /* the volume gets more of its disks */
	STEP_DELETE_SET,     /* a set without volumes: its disks are blank again */
	STEP_RESTORE,	     /* the set's metadata become what they were before the plan .to */
	STEP_NOTE_DISK,	     /* what is known of a disk's health is written down */
	STEP_SNAPSHOT,	     /* the volume as it is now is kept as .to, what is written over on the device .by */
	STEP_DROP_SNAPSHOT,  /* of that name */
	STEP_READ_CHECK,     /* alone: about one device, done by a process of its own, see step_op_alone */
	STEP_SLOT_LIGHT,     /* alone: the light .to of the slot .place */
	STEP_FAIL_PATH,	     /* alone */
	STEP_REINSTATE_PATH, /* alone */
	STEP_DEMOTE_PATH,    /* alone */
	STEP_RESTORE_PATH,   /* alone */
	STEP_QUEUE_IO,	     /* alone: the device is the map */
	STEP_FAIL_IO,	     /* alone */
	STEP_RECORD,  /* built in: write into the format what the kernel or udev found, and bring the table in line */
	STEP_CLAIM,   /* built in: hold all disks of a managed set against other tools */
	STEP_RELEASE, /* built in: let go of them, when the set is managed no more and none of its volumes runs */
	STEP_OP_MAX,
};

/* As fast as the disks can, whatever else wants them. */
#define PLAN_RATE_MAX UINT64_MAX

enum step_failure { FAILURE_STOP, FAILURE_CONTINUE };
enum plan_origin { PLAN_RULE, PLAN_OPERATOR, PLAN_BUILTIN, PLAN_SHUTDOWN };

enum {
	PLAN_STEPS_MAX = 16,
	PLAN_DEVICES_MAX = META_DISKS_MAX,
	PLAN_ID_MAX = 24,
	PLAN_REASON_MAX = 256,
	SNAPSHOT_NAME_MAX = 32
};

struct step {
	enum step_op op;
	int slot;			     /* of the array, -1: none, or act chooses the device's */
	char device[DEVICE_ID_MAX];	     /* member or spare that the step is about */
	char name[32];			     /* its kernel name when planned, for people */
	char ref[META_REF_MAX];		     /* within the set, empty for a disk that is not in it yet */
	bool degraded, read_only, force;     /* STEP_ASSEMBLE; force: a person's act beyond redundancy */
	bool dedicated;			     /* STEP_ADD_SPARE: to the plan's array; else global */
	bool revertible;		     /* STEP_ADD_SPARE: it gives its slot back */
	bool enclosure;			     /* STEP_ADD_SPARE: for members in its own enclosure only */
	bool wipe;			     /* STEP_REMOVE_SPARE: nothing of the set is left on it */
	char from[META_GUID_MAX];	     /* STEP_TAKE_SPARE: the other set, */
	char from_name[META_NAME_MAX];	     /* and an array of it, for people */
	char by[DEVICE_ID_MAX], by_name[32]; /* STEP_REPLACE_MEMBER, STEP_COPY_BACK: the disk that it is copied to */
	bool wiped;			     /* STEP_RESTORE: only what was wiped, when the set is gone */
	bool repair;			     /* STEP_SCRUB: put right what does not match */
	bool undo;		 /* STEP_SCRUB, STEP_REPLACE_MEMBER: end what runs; STEP_READ_LAST: take it back */
	uint64_t rate;		 /* STEP_REBUILD_SPEED: bytes a second and member; 0: the kernel's own limits */
	char map[DEVICE_ID_MAX]; /* STEP_*_PATH: the map that the path is of */
	char place[128];	 /* STEP_SLOT_LIGHT: ENCLOSURE/SLOT, as below /sys/class/enclosure */
	uint64_t speed;		 /* STEP_READ_CHECK: bytes a second at most */
	uint64_t size;		 /* STEP_GROW: usable bytes; 0: all there is room for */
	unsigned group;		 /* STEP_RESTORE_PATH: the priority group where it was, */
	bool was_alone;		 /* alone or not */
	bool table_later;	 /* STEP_RECORD: who only leaves is taken out of the table by the next plan */
	enum step_failure on_failure;
	bool refused;		/* by a guard or while planning: printed, recorded, not run */
	char to[META_NAME_MAX]; /* STEP_RENAME: the new name; STEP_NOTE_DISK: the word; STEP_RESTORE: the
				   plan; STEP_SLOT_LIGHT: fault, locate or off */
	char reason[PLAN_REASON_MAX];
};

/* What STEP_CREATE makes; of STEP_RESTORE the disks, and whether the set is nowhere. */
struct plan_create {
	bool new_set;	   /* the plan's set is nowhere yet; else it is there */
	bool assume_clean; /* what is on the disks counts as in sync: a person's word */
	enum raid_level level;
	int layout;	  /* md's number */
	uint32_t chunk;	  /* sectors */
	uint64_t sectors; /* usable, at least; 0: all there is room for */
	unsigned n_slots; /* 0: a set without a volume */
	unsigned n_disks; /* the slots' first, then spares */
	struct plan_create_disk {
		char device[DEVICE_ID_MAX], name[32];
		bool wipe; /* it holds something, which a person has asked to be wiped */
	} disk[WORLD_SPARES_MAX];
};

struct plan_device {
	char id[DEVICE_ID_MAX];
	char node[64]; /* /dev/sdb */
	unsigned major, minor;
	uint64_t diskseq; /* 0: not known */
};

struct plan {
	char id[PLAN_ID_MAX]; /* "P-17" */
	enum plan_origin origin;
	bool injected; /* caused by an injected event */
	bool dry_run;
	char verdict[40], rule[65];
	char set[META_GUID_MAX];
	char array[META_GUID_MAX + 8], array_name[META_NAME_MAX], volume[META_GUID_MAX];
	size_t n_steps;
	struct step step[PLAN_STEPS_MAX];
	/* All present disks of the set, and those that steps bring in. A disk that act cannot find here is absent. */
	size_t n_devices;
	struct plan_device *devices;
	struct plan_create *create; /* NULL: no step makes anything */
};

void plan_free(struct plan *p);
DEFINE_CLEANUP(struct plan *, plan_free)
/* "fail-member sdb from data", "activate-spare sdx for data", "refused: activate-spare: no valid spare". */
void step_print(const struct plan *p, const struct step *s, struct buf *out);
/* One line a step. */
void plan_print(const struct plan *p, struct buf *out);
json_t *plan_to_json(const struct plan *p);
int plan_from_json(const json_t *j, struct plan **ret, struct err *e);
const char *step_op_name(enum step_op op);
/* plan_create.c. */
void create_print(const struct plan *p, struct buf *out);
json_t *create_to_json(const struct plan_create *c);
int create_from_json(const json_t *j, struct plan_create **ret, struct err *e);
/* Disks become ones of the set that were none before. */
bool plan_joins(const struct plan *p);
/* It is about one device and no array: a plan of it has this one step, no set, and is not run by act. */
bool step_op_alone(enum step_op op);
