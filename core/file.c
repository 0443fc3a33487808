// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/file.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <string.h>

bool file_line(const char *path, char *ret, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n <= 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}
