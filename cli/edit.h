// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of configuration files as pure functions over their text. Everything that is not ours stays byte for byte. */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <stdbool.h>

/* Appends text to ret with the line in (present) or not in our marked block; an empty block goes. *ret_lines: lines
 * that are left in it. -EINVAL: the marks are damaged. */
int edit_block(const char *file, const char *text, const char *line, bool present, struct buf *ret, size_t *ret_lines,
	       struct err *e);
/* Appends the settings' text with the GUID listed, or not listed, under "manage". -EINVAL: it cannot be parsed, or is
 * written in a way that cannot be edited safely; *e says where and what to write. */
int edit_manage(const char *file, const char *text, const char *guid, bool present, struct buf *ret, struct err *e);
/* The UUID that mdadm gives to the container of that GUID (48 hexadecimal digits). -EINVAL: it is none. */
int edit_mdadm_uuid(const char *guid, char ret[36]);
