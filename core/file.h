// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel tells in files of /proc and /sys, which never wait for a disk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The first line, without its end, cut at size bytes. False: the file cannot be read, or is empty. */
bool file_line(const char *path, char *ret, size_t size);
