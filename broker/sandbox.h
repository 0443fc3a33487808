// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process that parses somebody's disk gives up before it reads the first byte: its privileges, most of its
 * resources, and every system call that parsing does not need. */
#pragma once

#include "core/err.h"

#include <stdbool.h>

/* For good. What is left: pread on the fd disk, write on the fd out, memory up to a limit, and the end; anything else
 * kills the process (SIGSYS). stderr is not among it: what is on a disk does not write into the log.
 * In a sanitizer build it does nothing: the sanitizers need what it forbids. */
int sandbox_enter(int disk, int out, struct err *e);
/* Makes the filter for these fds ahead, for all processes that are forked from this one. */
int sandbox_prepare(int disk, int out, struct err *e);
/* False in a sanitizer build. */
bool sandbox_is_whole(void);
