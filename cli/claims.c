// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/claims.h"

#include "core/cleanup.h"
#include "core/file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define UUID_PREFIX "SPARED-"

/* The first line of /sys/block/DEV/dm/WHAT. */
static bool dm_text(const char *dev, const char *what, char *ret, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/block/%s/dm/%s", dev, what);
	return file_line(path, ret, size);
}

/* The next entry of a directory in /sys/block, or NULL. */
static const char *next_name(DIR *dir)
{
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return entry->d_name;
	return NULL;
}

static DIR *open_dir(const char *dev, const char *what)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", dev, what);
	return opendir(path);
}

/* The disk below a claim. */
static bool held_disk(const char *dev, char *ret, size_t size)
{
	DIR *dir = open_dir(dev, "slaves");
	const char *name = next_name(dir);

	if (name)
		snprintf(ret, size, "%s", name);
	if (dir)
		closedir(dir);
	return name;
}

size_t claims_each(const char *set, void (*fn)(void *u, const char *name, const char *disk), void *u)
{
	char middle[128], uuid[256], name[256], disk[NAME_MAX + 1];
	DIR *dir = opendir("/sys/block");
	const char *dev;
	size_t n = 0;

	snprintf(middle, sizeof(middle), "-%s-claim-", set);
	while ((dev = next_name(dir))) {
		if (!dm_text(dev, "uuid", uuid, sizeof(uuid)) || strncmp(uuid, UUID_PREFIX, strlen(UUID_PREFIX)) != 0 ||
		    !strstr(uuid, middle) || !dm_text(dev, "name", name, sizeof(name)) ||
		    !held_disk(dev, disk, sizeof(disk)))
			continue;
		n++;
		if (fn)
			fn(u, name, disk);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void look_beside(void *u, const char *name _unused_, const char *disk)
{
	DIR *dir = open_dir(disk, "holders");
	const char *dev;
	char uuid[256];
	bool *used = u;

	while ((dev = next_name(dir)))
		if (dm_text(dev, "uuid", uuid, sizeof(uuid)) && strncmp(uuid, UUID_PREFIX, strlen(UUID_PREFIX)) == 0 &&
		    (strstr(uuid, "-leg") || strstr(uuid, "-meta")))
			*used = true;
	if (dir)
		closedir(dir);
}

bool claims_in_use(const char *set)
{
	bool used = false;

	claims_each(set, look_beside, &used);
	return used;
}
