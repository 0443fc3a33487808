// SPDX-License-Identifier: GPL-2.0-or-later
/* The multipath target's lines: the first line is a table, the second the status. What is read is printed as it was,
 * and moves of its paths lose none of them. */
#include "actions/dm/multipath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_moves(const struct dm_mp_map *m)
{
	static struct dm_mp_map moved, again;
	static struct dm_target t;
	unsigned group;
	struct err e;
	bool alone;

	for (unsigned i = 0; i < m->n_paths && m->n_paths > 1; i++) {
		moved = *m;
		if (!dm_mp_demote(&moved, i, &group, &alone))
			continue;
		if (moved.n_paths != m->n_paths || group >= m->n_groups ||
		    strcmp(moved.path[moved.n_paths - 1].dev, m->path[i].dev) != 0)
			abort();
		if (dm_mp_table_print(&moved, &t, &e) == 0 && dm_mp_table_parse(t.params, &again, &e) != 0)
			abort();
		if (dm_mp_restore(&moved, moved.n_paths - 1, group, alone) && moved.n_groups != m->n_groups)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dm_mp_map m, again;
	static struct dm_target t;
	char *text = malloc(size + 1), *status;
	struct err e = {0};
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	status = strchr(text, '\n');
	if (status)
		*status++ = '\0';
	r = dm_mp_table_parse(text, &m, &e);
	if (r == 0) {
		if (m.n_paths > DM_MP_PATHS_MAX || m.n_groups > DM_MP_GROUPS_MAX || m.first > m.n_groups)
			abort();
		if (dm_mp_table_print(&m, &t, &e) == 0 && dm_mp_table_parse(t.params, &again, &e) != 0)
			abort();
		check_moves(&m);
		r = status ? dm_mp_status_take(status, &m, &e) : 0;
	}
	if (r < 0 && (r != -EBADMSG || !e.msg[0]))
		abort();
	free(text);
	return 0;
}
