// SPDX-License-Identifier: GPL-2.0-or-later
/* A model of disks, their metadata and act, for tests: what a probe would read and what a plan would leave. Everything
 * succeeds at once. Sets are those that meta_view can tell; nothing here is written anywhere. */
#pragma once

#include "actions/plan.h"

struct model;

struct model_array {
	const char *name; /* also its GUID */
	const char *set;  /* the set that it is in */
	enum raid_level level;
	const char *const *members; /* device ids by slot; "-" or "": empty */
	size_t n_members;
	const char *const *spares; /* dedicated to it */
	size_t n_spares;
	bool running;
};

int model_new(struct model **ret);
void model_free(struct model *m);
DEFINE_CLEANUP(struct model *, model_free)
/* A disk, with its size in bytes. It is blank until an array or model_spare takes it. */
int model_disk(struct model *m, const char *id, uint64_t bytes);
uint64_t model_sectors(const struct model *m, const char *id); /* 0: no such disk */
/* A member is of two formats: "metadata of an Intel Matrix RAID (isw_raid_member)". */
int model_beside(struct model *m, const char *id, const char *what);
/* What a blank probe of the disk says instead: "filesystem", "ext4". */
int model_contents(struct model *m, const char *id, const char *contents, const char *name);
/* Sizes follow from the smallest member. -ENOENT: a disk is not known. */
int model_array(struct model *m, const struct model_array *a, struct err *e);
/* A global spare of the set. */
int model_spare(struct model *m, const char *set, const char *id);
/* A set as its metadata say together: a picture of one that exists. Its arrays do not run. -ENOMEM: too much, or it is
 * there already. */
int model_view(struct model *m, const struct meta_view *v);
/* What lies on the disk: one of such a set. */
int model_copy(struct model *m, const char *id, const struct meta_view *copy);
/* The disk is of that set, and is not here. */
int model_known(struct model *m, const char *id, const char *set, const char *ref);
/* Attached or not: what is away is not written to, and so falls behind. */
void model_present(struct model *m, const char *id, bool present);
/* A slot's state, as the kernel would find it: in-sync, rebuilding, failed, empty. The disks that are here learn it
 * when act records next. False: no such array or slot. */
bool model_slot(struct model *m, const char *array, unsigned slot, enum member_state state);
/* Rebuilding members are in sync. */
void model_rebuilt(struct model *m, const char *array);
/* The member that is copied is whole on the other disk, which has its slot; or cannot be read everywhere. */
void model_copied(struct model *m, const char *array, bool whole);
void model_run_state(struct model *m, const char *array, bool running);
/* What the kernel has of the array from now on, "name" or "name=lost" each; before, states say nothing of them. */
int model_snapshots(struct model *m, const char *array, char *const *names, size_t n);

/* What a probe of the disk answers (pipeline_probed). A new reference. */
json_t *model_probe(const struct model *m, const char *id);
/* Does one step of a plan. 0, or -EINVAL with *e: it makes no sense. */
int model_step(struct model *m, const struct plan *p, const struct step *s, struct err *e);
/* Act's state message of the set, after the steps: the present disks hold it too. A new reference, NULL: no such set.
 */
json_t *model_state(struct model *m, const char *set);
