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
	STEP_ADD_SPARE,
	STEP_REMOVE_SPARE,
	STEP_ACTIVATE_SPARE,
	STEP_SCRUB,
	STEP_READ_LAST,
	STEP_REBUILD_SPEED,
	STEP_RECORD,  /* built in: write into the format what the kernel or udev found, and bring the table in line */
	STEP_CLAIM,   /* built in: hold all disks of a managed set against other tools */
	STEP_RELEASE, /* built in: let go of them, when the set is managed no more and none of its volumes runs */
	STEP_OP_MAX,
};

/* As fast as the disks can, whatever else wants them. */
#define PLAN_RATE_MAX UINT64_MAX

enum step_failure { FAILURE_STOP, FAILURE_CONTINUE };
enum plan_origin { PLAN_RULE, PLAN_OPERATOR, PLAN_BUILTIN, PLAN_SHUTDOWN };

enum { PLAN_STEPS_MAX = 16, PLAN_DEVICES_MAX = META_DISKS_MAX, PLAN_ID_MAX = 24, PLAN_REASON_MAX = 256 };

struct step {
	enum step_op op;
	int slot;			 /* of the array, -1: none, or act chooses the device's */
	char device[DEVICE_ID_MAX];	 /* member or spare that the step is about */
	char name[32];			 /* its kernel name when planned, for people */
	char ref[META_REF_MAX];		 /* within the set, empty for a disk that is not in it yet */
	bool degraded, read_only, force; /* STEP_ASSEMBLE; force: a person's act beyond redundancy */
	bool dedicated;			 /* STEP_ADD_SPARE: to the plan's array; else global */
	bool repair;			 /* STEP_SCRUB: put right what does not match */
	bool undo;			 /* STEP_SCRUB: end the one that runs; STEP_READ_LAST: read it as the others */
	uint64_t rate;			 /* STEP_REBUILD_SPEED: bytes a second and member; 0: the kernel's own limits */
	bool table_later;		 /* STEP_RECORD: who only leaves is taken out of the table by the next plan */
	enum step_failure on_failure;
	bool refused; /* by a guard or while planning: printed, recorded, not run */
	char reason[PLAN_REASON_MAX];
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
