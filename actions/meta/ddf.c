// SPDX-License-Identifier: GPL-2.0-or-later
/* SNIA DDF as a format of the table. The map of the files is in ddf.h. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static int ddf_probe(const struct meta_reader *r, struct err *e)
{
	unsigned unit = ddf_unit(r->sector_size);
	struct ddf_tail t;

	if (unit == 0 || r->sectors % unit ||
	    r->sectors <= DDF_RESERVED / 2) /* no room for a copy and the workspace that DDF 5.5 asks for */
		return 0;
	return ddf_tail_read(r, &t, e);
}

const struct meta_format meta_ddf = {
	.name = "ddf",
	.reserved = DDF_RESERVED,
	.probe = ddf_probe,
	.parse = ddf_copy_read,
	.copy_free = ddf_copy_free,
	.copy_hash = ddf_copy_hash,
	.copy_view = ddf_copy_view,
	.join = ddf_join,
	.set_clone = ddf_set_clone,
	.set_free = ddf_set_free,
	.set_rewrite = ddf_set_rewrite,
	.set_restore = ddf_set_restore,
	.set_unwritten = ddf_set_unwritten,
	.set_view = ddf_set_view,
	.edit = ddf_edit,
	.add_disk = ddf_add_disk,
	.new_guid = ddf_new_guid,
	.guid_of = ddf_guid_of,
	.create_set = ddf_create_set,
	.create_volume = ddf_create_volume,
	.erase = ddf_erase,
	.set_seq = ddf_set_seq,
	.encode = ddf_encode,
};
