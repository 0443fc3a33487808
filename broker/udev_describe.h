// SPDX-License-Identifier: GPL-2.0-or-later
/* One device as udev and sysfs show it. Files of sysfs are read, never the device: nothing here waits for a disk. */
#pragma once

#include "pipeline/normalise.h"

#include <libudev.h>

/* What is known of a device, and what it points to. */
struct described {
	struct raw_device raw;
	char enclosure[64], slot[64];
	struct raw_number lowers[256];
};

/* The uevent tells more than that something of the device changed: a path that failed, a corrupt block, an attention.
 */
bool udev_says_more(struct udev_device *dev);
/* The number of a SCSI device's disk; 0: it has none. */
dev_t udev_disk_of(struct udev_device *dev);
/* Borrows from dev and points into itself. action: udev's, "add" while enumerating. */
void udev_describe(struct udev_device *dev, const char *action, struct described *d);
