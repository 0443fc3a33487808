// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/udev_describe.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

/* Calls fn for each entry of a directory of the device's in sysfs. */
static void each_entry(struct udev_device *dev, const char *name, struct described *d,
		       void (*fn)(struct described *d, int dir, const char *entry))
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", udev_device_get_syspath(dev), name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			fn(d, dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
}

/* enclosure_device:SLOT -> ../../../enclosure/0:0:8:0/SLOT (drivers/misc/enclosure.c). */
static void take_enclosure(struct described *d, int dir, const char *entry)
{
	static const char prefix[] = "enclosure_device:";
	char target[PATH_MAX], *name;
	ssize_t n;

	if (d->raw.slot || strncmp(entry, prefix, sizeof(prefix) - 1) != 0)
		return;
	n = readlinkat(dir, entry, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (name)
		*name = '\0';
	name = strrchr(target, '/');
	snprintf(d->slot, sizeof(d->slot), "%.63s", entry + sizeof(prefix) - 1);
	snprintf(d->enclosure, sizeof(d->enclosure), "%.63s", name ? name + 1 : target);
	d->raw.enclosure = d->enclosure;
	d->raw.slot = d->slot;
}

/* "8:16" */
static bool read_number(int dir, const char *name, struct raw_number *ret)
{
	char text[32] = "";
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	bool ok =
		fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%u:%u", &ret->major, &ret->minor) == 2;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Of a partition its disk: errors are told of that. */
static void add_lower(struct described *d, int dir, const char *entry)
{
	char name[NAME_MAX + 16];
	bool partition;

	if (d->raw.n_lowers == ARRAY_SIZE(d->lowers))
		return;
	snprintf(name, sizeof(name), "%s/partition", entry);
	partition = faccessat(dir, name, F_OK, 0) == 0;
	snprintf(name, sizeof(name), "%s/%sdev", entry, partition ? "../" : "");
	if (read_number(dir, name, &d->lowers[d->raw.n_lowers]))
		d->raw.n_lowers++;
}

/* What a SCSI device says is about its disk: .../6:0:0:0/block/sdb. */
static void take_disk(struct described *d, int dir, const char *entry)
{
	struct raw_number number;
	char name[NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s/dev", entry);
	if (!read_number(dir, name, &number))
		return;
	d->raw.major = number.major;
	d->raw.minor = number.minor;
}

static void describe_sysfs(struct udev_device *dev, struct described *d)
{
	const char *size = udev_device_get_sysattr_value(dev, "size");

	if (!size)
		return;
	d->raw.has_size = true;
	d->raw.sectors = number(size);
	d->raw.sector_size = (unsigned)number(udev_device_get_sysattr_value(dev, "queue/logical_block_size"));
	d->raw.rotational = number(udev_device_get_sysattr_value(dev, "queue/rotational")) != 0;
	d->raw.read_only = number(udev_device_get_sysattr_value(dev, "ro")) != 0;
	d->raw.removable = number(udev_device_get_sysattr_value(dev, "removable")) != 0;
	each_entry(dev, "device", d, take_enclosure);
	d->raw.lowers = d->lowers;
	each_entry(dev, "slaves", d, add_lower);
}

static const char *property(struct udev_device *dev, const char *name)
{
	return udev_device_get_property_value(dev, name);
}

dev_t udev_disk_of(struct udev_device *dev)
{
	struct described d = {0};

	each_entry(dev, "block", &d, take_disk);
	return d.raw.major ? makedev(d.raw.major, d.raw.minor) : 0;
}

bool udev_says_more(struct udev_device *dev)
{
	static const char *const names[] = {"DM_ACTION", "DM_VERITY_ERR_BLOCK_NR", "SDEV_UA", "SDEV_MEDIA_CHANGE"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (property(dev, names[i]))
			return true;
	return false;
}

void udev_describe(struct udev_device *dev, const char *action, struct described *d)
{
	dev_t number_of = udev_device_get_devnum(dev);
	const char *wwn = property(dev, "ID_WWN_WITH_EXTENSION");

	*d = (struct described){.raw = {
					.action = action,
					.devtype = udev_device_get_devtype(dev),
					.devname = udev_device_get_devnode(dev),
					.devpath = udev_device_get_devpath(dev),
					.major = major(number_of),
					.minor = minor(number_of),
					.diskseq = number(property(dev, "DISKSEQ")),
					.id_wwn = wwn ? wwn : property(dev, "ID_WWN"),
					.id_serial = property(dev, "ID_SERIAL"),
					.id_serial_short = property(dev, "ID_SERIAL_SHORT"),
					.id_model = property(dev, "ID_MODEL"),
					.id_vendor = property(dev, "ID_VENDOR"),
					.id_revision = property(dev, "ID_REVISION"),
					.id_bus = property(dev, "ID_BUS"),
					.id_path = property(dev, "ID_PATH"),
					.id_fs_type = property(dev, "ID_FS_TYPE"),
					.id_part_table = property(dev, "ID_PART_TABLE_TYPE"),
					.dm_uuid = property(dev, "DM_UUID"),
					.dm_name = property(dev, "DM_NAME"),
					.dm_action = property(dev, "DM_ACTION"),
					.dm_path = property(dev, "DM_PATH"),
					.dm_valid_paths = property(dev, "DM_NR_VALID_PATHS"),
					.verity_error = property(dev, "DM_VERITY_ERR_BLOCK_NR"),
					.scsi_attention = property(dev, "SDEV_UA"),
					.medium_changed = property(dev, "SDEV_MEDIA_CHANGE") != NULL,
				}};
	if (d->raw.scsi_attention || d->raw.medium_changed)
		each_entry(dev, "block", d, take_disk);
	else if (strcmp(action, "remove") != 0)
		describe_sysfs(dev, d);
}
