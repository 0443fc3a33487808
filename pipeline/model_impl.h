// SPDX-License-Identifier: GPL-2.0-or-later
/* What the two halves of the model share: model.c disks, sets and plans on members, model_make.c arrays that come and
 * go.
 */
#pragma once

#include "pipeline/model.h"

/* What DDF as mdadm makes it keeps for itself at a disk's end, sectors. */
enum { RESERVED_SECTORS = 65536, ROOM_SECTORS = 32000 };

struct model_disk_state {
	char id[DEVICE_ID_MAX], set[META_GUID_MAX];
	char ref[META_REF_MAX]; /* within its set */
	uint64_t sectors, room_start, room_sectors;
	bool present;
	char contents[16], contents_name[64];
	char beside[64]; /* of another format than ours */
	json_t *copy;	 /* the set's view as this disk holds it, NULL: none */
};

struct model_set_state {
	struct meta_view view;
	bool running[META_VOLUMES_MAX];
	bool listed[META_VOLUMES_MAX][META_SLOTS_MAX]; /* by the kernel's table */
	const char *scrub[META_VOLUMES_MAX];	       /* what the kernel compares, NULL: nothing */
	bool read_last[META_VOLUMES_MAX][META_SLOTS_MAX];
	uint64_t rate[META_VOLUMES_MAX];
	int copied_slot[META_VOLUMES_MAX];
	bool copy_broke[META_VOLUMES_MAX];
	char copied_to[META_VOLUMES_MAX][DEVICE_ID_MAX]; /* empty: nothing is copied */
	json_t *snapshots; /* {array: its list}, as a state tells them; NULL: nothing is said of them */
	json_t *told;	   /* the view at the last state */
};

/* A set as it was before a plan that deleted of it. */
struct model_past {
	char plan[PLAN_ID_MAX];
	json_t *view;  /* meta_view */
	json_t *disks; /* {id: ref} */
};

enum { MODEL_PAST_MAX = 8 };

struct model {
	struct model_past past[MODEL_PAST_MAX];
	size_t n_past;
	struct model_disk_state *disks;
	struct model_set_state *sets;
	size_t n_disks, n_sets;
};

struct model_set_state *model_find_set(const struct model *m, const char *guid);
struct model_disk_state *model_find_disk(const struct model *m, const char *id);
struct meta_volume *model_find_volume(const struct model *m, const char *array, struct model_set_state **ret_set,
				      size_t *ret_i);

/* ---- model_make.c */

int model_create(struct model *m, const struct plan *p, struct err *e);
/* Before a plan deletes, and when another takes that back. */
void model_keep(struct model *m, const struct model_set_state *s, const char *plan);
int model_restore(struct model *m, const char *plan, struct err *e);
void model_past_free(struct model *m);
void model_delete(struct model_set_state *s, const char *volume);
void model_delete_set(struct model *m, struct model_set_state *s);
/* "disks" of a state. */
json_t *model_disks(const struct model *m, const char *set);
