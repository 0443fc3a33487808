// SPDX-License-Identifier: GPL-2.0-or-later
/* From what sources hear to events: pure, and by tables. Sources fill one of the structs below and know nothing of
 * kinds, facts or identities. */
#pragma once

#include "core/event.h"

struct raw_number {
	unsigned major, minor;
};

/* One block device as udev and sysfs show it. Strings are borrowed, NULL if not known. */
struct raw_device {
	const char *action;  /* udev's: add, change, remove, move, bind, ..; "add" while enumerating */
	const char *devtype; /* DEVTYPE: disk, partition */
	const char *devname; /* DEVNAME: /dev/sdb */
	const char *devpath; /* DEVPATH: /devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda */
	unsigned major, minor;
	uint64_t diskseq;      /* 0: not known */
	int64_t boot;	       /* CLOCK_BOOTTIME of receipt, ns; 0: now */
	const char *id_wwn;    /* ID_WWN_WITH_EXTENSION, else ID_WWN */
	const char *id_serial; /* ID_SERIAL (vendor, model and serial number in one word) */
	const char *id_serial_short;
	const char *id_model, *id_vendor, *id_revision;
	const char *id_bus;			/* ID_BUS */
	const char *id_path;			/* ID_PATH: pci-0000:00:1f.2-ata-1 */
	const char *id_fs_type, *id_part_table; /* ID_FS_TYPE, ID_PART_TABLE_TYPE */
	const char *dm_uuid, *dm_name;
	/* What a kernel uevent says beside that something changed; see uevent.h. */
	const char *dm_action, *dm_path, *dm_valid_paths; /* DM_ACTION, DM_PATH, DM_NR_VALID_PATHS */
	const char *verity_error;			  /* DM_VERITY_ERR_BLOCK_NR */
	const char *scsi_attention;			  /* SDEV_UA, of a SCSI device; the rest is of its disk */
	bool medium_changed;				  /* SDEV_MEDIA_CHANGE */
	const struct raw_number *lowers;		  /* whole disks that it is made of, by sysfs' slaves */
	size_t n_lowers;
	bool has_size;	      /* sysfs was read: the four below are known */
	uint64_t sectors;     /* of 512 bytes */
	unsigned sector_size; /* logical, bytes */
	bool rotational, read_only, removable;
	const char *enclosure, *slot; /* from sysfs' enclosure class, where there is one */
};

/* One failed request as the block layer tells it. */
struct raw_error {
	const char *source;    /* "tracefs", "blkerr" */
	unsigned major, minor; /* of the whole disk */
	uint64_t diskseq;      /* which disk had this number; 0: not known */
	uint64_t sector;       /* ~0: not known (flushes) */
	uint32_t sectors;
	int error;	  /* errno, either sign */
	const char *rwbs; /* the tracepoint's letters: "RS", "WFS", "RA", "D" .. */
	int64_t boot;	  /* CLOCK_BOOTTIME, ns; 0: now */
	int count;	  /* raw events that it stands for; 0 means 1 */
};

/* 1 and *ret: device.added, device.removed or device.changed, with device.* facts and, in extra,
 * {"node","major","minor", "diskseq","fs-type"}. 0: not a disk (a partition, an optical or RAM disk, another
 * device-mapper device, one without a medium). virtual_disks: loop devices count too. -ENOMEM. */
int normalise_device(const struct raw_device *raw, enum origin origin, bool virtual_disks, struct event **ret);
/* True for a device that is no disk, but whose errors are told: one of device-mapper's or md's that is not our own, a
 * RAM disk. */
bool normalise_is_layer(const struct raw_device *raw);
/* 1 and *ret: block.error of device_id. 0: not a fault (an operation that the device does not have). -ENOMEM. */
int normalise_error(const struct raw_error *raw, const char *device_id, struct event **ret);
/* The stable identity of a disk: "wwn-..", "serial-..", "path-..", else "name-..". A path of a multipath map never has
 * the WWN or the serial number, which are the same for all paths. */
void normalise_identity(const struct raw_device *raw, char *buf, size_t size);
/* True for the DM UUIDs of our arrays, "SPARED-<format>-<guid>", and of the devices under them; volume: its GUID. *leg:
 * it is one of those. */
bool normalise_dm_uuid(const char *uuid, char *volume, size_t size, bool *ret_leg);
