// SPDX-License-Identifier: GPL-2.0-or-later
/* The multipath target's table and status lines as values. Pure.
 * Documentation/admin-guide/device-mapper has no page of it: parse_priority_group, parse_path and multipath_status,
 * drivers/md/dm-mpath.c. */
#pragma once

#include "actions/dm/dm.h"

enum { DM_MP_GROUPS_MAX = 32, DM_MP_PATHS_MAX = 64, DM_MP_TEXT_MAX = 128, DM_MP_HEAD_MAX = 512 };

struct dm_mp_path {
	char dev[DM_MP_TEXT_MAX];  /* "8:16" as the kernel prints it; a table may also name it by its node */
	char args[DM_MP_TEXT_MAX]; /* of its path selector: "1" */
	unsigned group;
	bool failed; /* status only */
};

struct dm_mp_map {
	char head[DM_MP_HEAD_MAX]; /* features and hardware handler, as they stood */
	unsigned n_groups, first;  /* first: the group to use first, from 1; 0: there is none */
	struct {
		char selector[DM_MP_TEXT_MAX]; /* with its arguments: "round-robin 0" */
		unsigned path_args;
	} group[DM_MP_GROUPS_MAX];
	unsigned n_paths;
	struct dm_mp_path path[DM_MP_PATHS_MAX]; /* in the order of groups */
};

/* -EBADMSG names what is wrong. */
int dm_mp_table_parse(const char *params, struct dm_mp_map *ret, struct err *e);
int dm_mp_table_print(const struct dm_mp_map *m, struct dm_target *ret, struct err *e);
/* Which paths have failed by the status line; the map is as its table says. -EBADMSG if they do not fit. */
int dm_mp_status_take(const char *params, struct dm_mp_map *m, struct err *e);
/* By number, or -1. */
int dm_mp_find(const struct dm_mp_map *m, const char *dev);
/* The path becomes the last group, alone. *ret_group: where it was, from 0; *ret_alone: it was alone there, too. False:
 * it is so already. */
bool dm_mp_demote(struct dm_mp_map *m, unsigned path, unsigned *ret_group, bool *ret_alone);
/* The opposite: back to that group, or to a new one before it. False: it is not the last group, alone. */
bool dm_mp_restore(struct dm_mp_map *m, unsigned path, unsigned group, bool alone);
