// SPDX-License-Identifier: GPL-2.0-or-later
/* What udev (libblkid) says is on a disk that holds nothing of ours: told by its name, and never touched. */
#include "pipeline/inventory_impl.h"

#include <stdio.h>
#include <string.h>

/* The formats of RAID that libblkid knows (the files _raid.c of its superblocks), and other things that are no file
 * system. */
static const struct {
	const char *type, *name;
} known[] = {
	{"adaptec_raid_member", "metadata of an Adaptec RAID"},
	{"ddf_raid_member", "metadata of a DDF set"},
	{"hpt37x_raid_member", "metadata of a HighPoint HPT37x RAID"},
	{"hpt45x_raid_member", "metadata of a HighPoint HPT45x RAID"},
	{"isw_raid_member", "metadata of an Intel Matrix RAID"},
	{"jmicron_raid_member", "metadata of a JMicron RAID"},
	{"linux_raid_member", "metadata of a Linux MD array"},
	{"lsi_mega_raid_member", "metadata of an LSI MegaRAID"},
	{"nvidia_raid_member", "metadata of an NVIDIA RAID"},
	{"promise_fasttrack_raid_member", "metadata of a Promise FastTrak RAID"},
	{"silicon_medley_raid_member", "metadata of a Silicon Image Medley RAID"},
	{"via_raid_member", "metadata of a VIA RAID"},
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

/* Some formats lie further from the ends of a disk than the MiB that is read to find it blank (Promise's up to 3087
 * sectors), so udev's word counts there, too. */
void device_name_contents(struct device *d)
{
	if (!d->probed || (d->contents != CONTENTS_FOREIGN && d->contents != CONTENTS_BLANK) || !udev_knows(d))
		return;
	d->contents = is_file_system(d) ? CONTENTS_FILESYSTEM : CONTENTS_FOREIGN;
	describe(d, d->contents_name, sizeof(d->contents_name));
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
