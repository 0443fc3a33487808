// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/normalise.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- which block devices are disks ---- */

/* DISK_LAYER: is made of disks, or of memory; its errors are told when nothing below tells them. */
enum standing { DISK_YES, DISK_VIRTUAL, DISK_LAYER, DISK_NO };

/* By the beginning of the kernel name; what is not listed is a disk. */
static const struct {
	const char *prefix;
	enum standing standing;
} disk_kinds[] = {
	{"loop", DISK_VIRTUAL}, {"ram", DISK_LAYER},   {"zram", DISK_LAYER}, {"sr", DISK_NO},	     {"fd", DISK_NO},
	{"md", DISK_LAYER},	{"mtdblock", DISK_NO}, {"drbd", DISK_LAYER}, {"bcache", DISK_LAYER},
};

static const char *kernel_name(const struct raw_device *raw)
{
	const char *slash = raw->devname ? strrchr(raw->devname, '/') : NULL;

	return slash ? slash + 1 : raw->devname ? raw->devname : "";
}

/* Of device-mapper only multipath maps are disks. Ours are told about by what they are made of. */
static enum standing dm_standing(const char *uuid)
{
	if (uuid && strncmp(uuid, "mpath-", 6) == 0)
		return DISK_YES;
	return uuid && strncmp(uuid, "SPARED-", 7) == 0 ? DISK_NO : DISK_LAYER;
}

static enum standing standing_of(const struct raw_device *raw)
{
	const char *name = kernel_name(raw);

	if (!*name || (raw->devtype && strcmp(raw->devtype, "disk") != 0))
		return DISK_NO;
	if (strncmp(name, "dm-", 3) == 0)
		return dm_standing(raw->dm_uuid);
	for (size_t i = 0; i < ARRAY_SIZE(disk_kinds); i++)
		if (strncmp(name, disk_kinds[i].prefix, strlen(disk_kinds[i].prefix)) == 0)
			return disk_kinds[i].standing;
	return DISK_YES;
}

static bool is_disk(const struct raw_device *raw, bool virtual_disks)
{
	enum standing s = standing_of(raw);

	return s == DISK_YES || (s == DISK_VIRTUAL && virtual_disks);
}

bool normalise_is_layer(const struct raw_device *raw)
{
	return standing_of(raw) == DISK_LAYER;
}

/* ---- who a disk is ---- */

/* What identifies a disk best, first; each row is one place to look. */
void normalise_identity(const struct raw_device *raw, char *buf, size_t size)
{
	/* The paths of a multipath map have one WWN and are several devices. */
	bool path = raw->id_fs_type && strcmp(raw->id_fs_type, "mpath_member") == 0;
	const struct {
		const char *prefix, *text;
	} ways[] = {
		{"dm-", raw->dm_uuid},
		{"wwn-", path ? NULL : raw->id_wwn},
		{"serial-", path ? NULL : raw->id_serial},
		{"serial-", path ? NULL : raw->id_serial_short},
		{"path-", raw->id_path},
		{"name-", kernel_name(raw)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].text && ways[i].text[0]) {
			_cleanup_(buf_free) struct buf b = {0};

			value_escape(ways[i].text, 0, &b);
			snprintf(buf, size, "%s%s", ways[i].prefix, buf_str(&b));
			return;
		}
	}
	snprintf(buf, size, "name-");
}

bool normalise_dm_uuid(const char *uuid, char *volume, size_t size, bool *ret_leg)
{
	const char *guid;
	size_t n;

	if (!uuid || strncmp(uuid, "SPARED-", 7) != 0)
		return false;
	guid = strchr(uuid + 7, '-');
	if (!guid)
		return false;
	guid++;
	n = strcspn(guid, "-");
	*ret_leg = strncmp(guid + n, "-leg", 4) == 0 || strncmp(guid + n, "-meta", 5) == 0 ||
		   strncmp(guid + n, "-snap-", 6) == 0;
	if (n == 0 || (guid[n] && !*ret_leg && strcmp(guid + n, "-real") != 0) || n >= size)
		return false;
	snprintf(volume, size, "%.*s", (int)n, guid);
	return true;
}

/* The controller is what stands before the port in ID_PATH ("pci-0000:00:1f.2-ata-1" -> "pci-0000:00:1f.2"), else the
 * last PCI address of the device's path. */
static bool controller_of(const struct raw_device *raw, char *buf, size_t size)
{
	const char *at = NULL;

	if (raw->id_path && strncmp(raw->id_path, "pci-", 4) == 0) {
		size_t n = 4 + strspn(raw->id_path + 4, "0123456789abcdefABCDEF:.");

		snprintf(buf, size, "%.*s", (int)n, raw->id_path);
		return true;
	}
	for (const char *p = raw->devpath; p && (p = strchr(p, '/')); p++) {
		unsigned domain, bus, slot, function;
		int n = 0;

		if (sscanf(p, "/%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &n) == 4 && n == 13)
			at = p + 1;
	}
	if (!at)
		return false;
	snprintf(buf, size, "pci-%.12s", at);
	return true;
}

static enum media media_of(const struct raw_device *raw)
{
	if (strncmp(kernel_name(raw), "nvme", 4) == 0)
		return MEDIA_NVME;
	if (raw->has_size)
		return raw->rotational ? MEDIA_HDD : MEDIA_SSD;
	return MEDIA_OTHER;
}

/* By a piece of ID_PATH, then ID_BUS; the first row that is found. */
static const char *transport_of(const struct raw_device *raw)
{
	static const struct {
		const char *piece, *transport;
	} paths[] = {
		{"-sas-", "sas"},     {"-ata-", "sata"}, {"-nvme-", "nvme"},   {"-fc-", "fc"},	{"-usb-", "usb"},
		{"-iscsi-", "iscsi"}, {"ip-", "iscsi"},	 {"virtio", "virtio"}, {"-nbd", "nbd"},
	};

	for (size_t i = 0; raw->id_path && i < ARRAY_SIZE(paths); i++)
		if (strstr(raw->id_path, paths[i].piece))
			return paths[i].transport;
	if (strncmp(kernel_name(raw), "nbd", 3) == 0)
		return "nbd";
	if (strncmp(kernel_name(raw), "nvme", 4) == 0)
		return "nvme";
	if (raw->id_bus && strcmp(raw->id_bus, "ata") == 0)
		return "sata";
	return raw->id_bus;
}

/* ---- device events ---- */

static const struct {
	const char *action, *kind;
} device_kinds[] = {
	{"add", "device.added"},      {"remove", "device.removed"},  {"change", "device.changed"},
	{"online", "device.changed"}, {"offline", "device.changed"},
};

static const char *device_kind(const char *action)
{
	for (size_t i = 0; action && i < ARRAY_SIZE(device_kinds); i++)
		if (strcmp(device_kinds[i].action, action) == 0)
			return device_kinds[i].kind;
	return NULL;
}

static int set_texts(struct event *ev, const struct raw_device *raw)
{
	char controller[64];
	const struct {
		enum fact_id fact;
		const char *text;
	} texts[] = {
		{FACT_DEVICE_NAME, kernel_name(raw)},
		{FACT_DEVICE_WWN, raw->id_wwn},
		{FACT_DEVICE_SERIAL, raw->id_serial_short ? raw->id_serial_short : raw->id_serial},
		{FACT_DEVICE_MODEL, raw->id_model},
		{FACT_DEVICE_VENDOR, raw->id_vendor},
		{FACT_DEVICE_FIRMWARE, raw->id_revision},
		{FACT_DEVICE_TRANSPORT, transport_of(raw)},
		{FACT_DEVICE_CONTROLLER, controller_of(raw, controller, sizeof(controller)) ? controller : NULL},
		{FACT_DEVICE_ENCLOSURE, raw->enclosure},
		{FACT_DEVICE_SLOT, raw->slot},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(buf_free) struct buf b = {0};

		if (!texts[i].text || !texts[i].text[0])
			continue;
		value_escape(texts[i].text, 0, &b); /* what a disk says is hostile */
		if (event_set(ev, texts[i].fact, value_str(buf_str(&b))) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int set_numbers(struct event *ev, const struct raw_device *raw)
{
	if (!raw->has_size)
		return 0;
	if (event_set(ev, FACT_DEVICE_SIZE, value_size(raw->sectors * 512)) < 0 ||
	    event_set(ev, FACT_DEVICE_SECTOR_SIZE, value_size(raw->sector_size ? raw->sector_size : 512)) < 0 ||
	    event_set(ev, FACT_DEVICE_MEDIA, fact_enum(FACT_DEVICE_MEDIA, (int)media_of(raw))) < 0 ||
	    event_set(ev, FACT_DEVICE_READ_ONLY, value_bool(raw->read_only)) < 0)
		return -ENOMEM;
	return 0;
}

static int set_extra(struct event *ev, const struct raw_device *raw)
{
	ev->extra = json_pack("{s:s s:i s:i s:I s:s? s:s?}", "node", raw->devname, "major", (int)raw->major, "minor",
			      (int)raw->minor, "diskseq", (json_int_t)raw->diskseq, "fs-type", raw->id_fs_type,
			      "part-table", raw->id_part_table);
	return ev->extra ? 0 : -ENOMEM;
}

int normalise_device(const struct raw_device *raw, enum origin origin, bool virtual_disks, struct event **ret)
{
	const char *kind = device_kind(raw->action);
	_cleanup_(event_freep) struct event *ev = NULL;
	char id[128];

	if (!kind || !is_disk(raw, virtual_disks) ||
	    (raw->has_size && raw->sectors == 0 && strcmp(kind, "device.removed") != 0))
		return 0;
	ev = event_new(kind, "udev", origin);
	if (!ev)
		return -ENOMEM;
	normalise_identity(raw, id, sizeof(id));
	ev->device = strdup(id);
	ev->time = raw->boot;
	if (!ev->device || set_extra(ev, raw) < 0 || set_texts(ev, raw) < 0 ||
	    (strncmp(id, "dm-", 3) == 0 && event_set(ev, FACT_PATH_MAP, value_str(id)) < 0) || /* itself a map */
	    (strcmp(kind, "device.removed") != 0 && set_numbers(ev, raw) < 0))
		return -ENOMEM;
	*ret = TAKE_PTR(ev);
	return 1;
}

/* ---- block errors ---- */

/* blk_errors[] of the kernel (block/blk-core.c), read backwards; kernel-events.md 3. */
static const struct {
	int error;
	enum error_status status;
} statuses[] = {
	{ENODATA, ERROR_MEDIUM},    {EIO, ERROR_IO},	       {EREMOTEIO, ERROR_TARGET},
	{EILSEQ, ERROR_PROTECTION}, {EBADE, ERROR_PROTECTION}, {ETIMEDOUT, ERROR_TIMEOUT},
	{ENOLINK, ERROR_TRANSPORT}, {ENOSPC, ERROR_NOSPC},     {ENODEV, ERROR_OFFLINE},
	{ENXIO, ERROR_OFFLINE},	    {ENOMEM, ERROR_RESOURCE},  {EAGAIN, ERROR_RESOURCE},
	{EBUSY, ERROR_RESOURCE},
};

static enum error_status status_of(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].error == error)
			return statuses[i].status;
	return ERROR_OTHER;
}

/* The first letter that says what was tried (blk_fill_rwbs): F before the operation is a flush ahead of it. */
static enum operation operation_of(const char *rwbs)
{
	static const struct {
		char letter;
		enum operation operation;
	} letters[] = {{'R', OPERATION_READ},
		       {'W', OPERATION_WRITE},
		       {'D', OPERATION_DISCARD},
		       {'E', OPERATION_DISCARD},
		       {'Z', OPERATION_ZEROES}};

	for (const char *p = rwbs; p && *p; p++)
		for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
			if (letters[i].letter == *p)
				return letters[i].operation;
	return rwbs && strchr(rwbs, 'F') ? OPERATION_FLUSH : OPERATION_OTHER;
}

int normalise_error(const struct raw_error *raw, const char *device_id, struct event **ret)
{
	int error = raw->error < 0 ? -raw->error : raw->error;
	_cleanup_(event_freep) struct event *ev = NULL;
	int r;

	if (error == 0 || error == EOPNOTSUPP)
		return 0;
	ev = event_new("block.error", raw->source, ORIGIN_KERNEL);
	if (!ev)
		return -ENOMEM;
	ev->device = strdup(device_id);
	ev->time = raw->boot;
	ev->count = MAX(raw->count, 1);
	r = ev->device ? 0 : -ENOMEM;
	if (r == 0)
		r = event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, (int)status_of(error)));
	if (r == 0)
		r = event_set(ev, FACT_ERROR_ERRNO, value_int(error));
	if (r == 0)
		r = event_set(ev, FACT_ERROR_OPERATION, fact_enum(FACT_ERROR_OPERATION, (int)operation_of(raw->rwbs)));
	if (r == 0)
		r = event_set(ev, FACT_ERROR_READAHEAD, value_bool(raw->rwbs && strstr(raw->rwbs, "RA")));
	if (r == 0 && raw->sector <= INT64_MAX) {
		r = event_set(ev, FACT_ERROR_SECTOR, value_int((int64_t)raw->sector));
		if (r == 0)
			r = event_set(ev, FACT_ERROR_SECTORS, value_int(raw->sectors));
		if (r == 0)
			r = event_set(ev, FACT_ERROR_REGION, value_int((int64_t)(raw->sector / 2048)));
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ev);
	return 1;
}
