// SPDX-License-Identifier: GPL-2.0-or-later
/* What a kernel uevent tells beside that a device changed: a path of a multipath map failed or is back, a block does
 * not match its checksum, a SCSI device wants attention. Pure. Sources: drivers/md/dm-uevent.c,
 * drivers/md/dm-verity-target.c (verity_handle_err), drivers/scsi/scsi_lib.c (scsi_evt_emit). */
#pragma once

#include "pipeline/normalise.h"

/* 1: the uevent tells such a thing, of the device of this number. 0: it does not. -EBADMSG: it is malformed. */
int uevent_about(const struct raw_device *raw, struct raw_number *number);
/* 1 and *ret: path.failed, path.reinstated, device.attention or block.corrupt, about device_id; name: NULL, or a kernel
 * name to tell beside it. 0: uevent_about is not 1. -ENOMEM. */
int uevent_normalise(const struct raw_device *raw, const char *device_id, const char *name, enum origin origin,
		     struct event **ret);
