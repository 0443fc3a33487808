// SPDX-License-Identifier: GPL-2.0-or-later
/* What udev (libblkid) says is on a disk that holds nothing of ours: told by its name, and never touched. */
#include "pipeline/inventory_impl.h"

#include <stdio.h>
#include <string.h>

/* What is no file system, beside the formats of RAID that libblkid knows (actions/meta/others.c). */
static const struct {
	const char *type, *name;
} known[] = {
	{"ddf_raid_member", "metadata of a DDF set"},
	{"LVM2_member", "an LVM physical volume"},
	{"LVM1_member", "an LVM physical volume"},
	{"mpath_member", "a path of a multipath map"},
	{"zfs_member", "metadata of a ZFS pool"},
	{"drbd", "a DRBD device"},
	{"bcache", "a bcache device"},
	{"crypto_LUKS", "a LUKS volume"},
	{"swap", "swap space"},
};

static void describe(const struct device *d, char *ret, size_t size)
{
	const char *other = meta_other_name(d->fs_type);

	if (other) {
		snprintf(ret, size, "%s (%s)", other, d->fs_type);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].type, d->fs_type) == 0) {
			snprintf(ret, size, "%s (%s)", known[i].name, d->fs_type);
			return;
		}
	if (strstr(d->fs_type, "_member"))
		snprintf(ret, size, "metadata of something (%s)", d->fs_type);
	else if (d->fs_type[0])
		snprintf(ret, size, "%s %s file system", strchr("aeiou", d->fs_type[0]) ? "an" : "a", d->fs_type);
	else
		snprintf(ret, size, "a partition table (%s)", d->part_table);
}

static bool is_file_system(const struct device *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].type, d->fs_type) == 0)
			return false;
	return d->fs_type[0] && !strstr(d->fs_type, "_member");
}

/* Our own reading knows of DDF, whatever udev remembers of a disk; and what a map is made of says the map. */
static bool udev_knows(const struct device *d)
{
	if (strcmp(d->fs_type, "ddf_raid_member") == 0 || strcmp(d->fs_type, "mpath_member") == 0)
		return false;
	return d->fs_type[0] || d->part_table[0];
}

/* udev names one of all that a disk holds. What our reading has found beside that is told, too. */
void device_name_contents(struct device *d)
{
	char found[sizeof(d->contents_name)], named[sizeof(d->contents_name)];

	if (!d->probed || (d->contents != CONTENTS_FOREIGN && d->contents != CONTENTS_BLANK) || !udev_knows(d))
		return;
	memcpy(found, d->contents_name, sizeof(found));
	if (found[0] && d->fs_type[0] && strstr(found, d->fs_type))
		return;
	d->contents = is_file_system(d) ? CONTENTS_FILESYSTEM : CONTENTS_FOREIGN;
	describe(d, named, sizeof(named));
	snprintf(d->contents_name, sizeof(d->contents_name), "%s%s%.100s", named, found[0] ? ", " : "", found);
}

/* From a string of udev's, which is a disk's: escaped. */
void device_learn_udev(struct device *d, const json_t *extra)
{
	static const char *const keys[] = {"fs-type", "part-table"};
	char *const to[] = {d->fs_type, d->part_table};
	const size_t sizes[] = {sizeof(d->fs_type), sizeof(d->part_table)};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *text = json_string_value(json_object_get(extra, keys[i]));
		_cleanup_(buf_free) struct buf b = {0};

		if (text)
			value_escape(text, sizes[i] - 1, &b);
		snprintf(to[i], sizes[i], "%s", buf_str(&b));
	}
	device_name_contents(d);
}
