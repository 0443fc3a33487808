// SPDX-License-Identifier: GPL-2.0-or-later
/* A directory of a test's own. */
#pragma once

#include "core/cleanup.h"

#include <ftw.h>
#include <stdio.h>

_unused_ static int scratch_remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
				       struct FTW *at _unused_)
{
	return remove(path);
}

/* With all that is in it. 0 or -1. */
_unused_ static int scratch_remove(const char *dir)
{
	return nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
