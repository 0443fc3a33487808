// SPDX-License-Identifier: GPL-2.0-or-later
/* Properties of devices, a line each: the last part of an input's line is a value, which the kernel, udev's rules or a
 * disk made up. "LOWER=8:16" stands for an entry of sysfs' slaves. An empty line ends a device. */
#include "pipeline/stack.h"
#include "pipeline/uevent.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *key;
	size_t offset;
} keys[] = {
	{"ACTION=", offsetof(struct raw_device, action)},
	{"DEVTYPE=", offsetof(struct raw_device, devtype)},
	{"DEVNAME=", offsetof(struct raw_device, devname)},
	{"DEVPATH=", offsetof(struct raw_device, devpath)},
	{"ID_WWN=", offsetof(struct raw_device, id_wwn)},
	{"ID_SERIAL=", offsetof(struct raw_device, id_serial)},
	{"ID_SERIAL_SHORT=", offsetof(struct raw_device, id_serial_short)},
	{"ID_MODEL=", offsetof(struct raw_device, id_model)},
	{"ID_VENDOR=", offsetof(struct raw_device, id_vendor)},
	{"ID_REVISION=", offsetof(struct raw_device, id_revision)},
	{"ID_BUS=", offsetof(struct raw_device, id_bus)},
	{"ID_PATH=", offsetof(struct raw_device, id_path)},
	{"ID_FS_TYPE=", offsetof(struct raw_device, id_fs_type)},
	{"DM_UUID=", offsetof(struct raw_device, dm_uuid)},
	{"DM_NAME=", offsetof(struct raw_device, dm_name)},
	{"DM_ACTION=", offsetof(struct raw_device, dm_action)},
	{"DM_PATH=", offsetof(struct raw_device, dm_path)},
	{"DM_NR_VALID_PATHS=", offsetof(struct raw_device, dm_valid_paths)},
	{"DM_VERITY_ERR_BLOCK_NR=", offsetof(struct raw_device, verity_error)},
	{"SDEV_UA=", offsetof(struct raw_device, scsi_attention)},
};

struct played {
	struct raw_device raw;
	struct raw_number lowers[8];
	struct stack *stack;
};

static void take_line(struct played *p, const char *line)
{
	struct raw_number n;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
			*(const char **)((char *)&p->raw + keys[i].offset) = line + strlen(keys[i].key);
	if (sscanf(line, "NUMBER=%u:%u", &n.major, &n.minor) == 2) {
		p->raw.major = n.major;
		p->raw.minor = n.minor;
	}
	if (sscanf(line, "LOWER=%u:%u", &n.major, &n.minor) == 2 && p->raw.n_lowers < ARRAY_SIZE(p->lowers))
		p->lowers[p->raw.n_lowers++] = n;
}

static void drop(void *u, struct event *ev)
{
	(void)u;
	event_free(ev);
}

/* An event prints, and reads back. */
static void check_event(struct event *ev)
{
	json_t *j = event_to_json(ev);
	char *text = json_dumps(j, 0);

	if (!text)
		abort();
	free(text);
	json_decref(j);
	event_free(ev);
}

static void take_device(struct played *p)
{
	struct raw_number about;
	struct event *ev;
	char id[128];

	p->raw.lowers = p->lowers;
	stack_device(p->stack, &p->raw);
	if (normalise_device(&p->raw, ORIGIN_KERNEL, false, &ev) > 0)
		check_event(ev);
	normalise_identity(&p->raw, id, sizeof(id));
	if (uevent_about(&p->raw, &about) > 0 &&
	    uevent_normalise(&p->raw, id, stack_find(p->stack, about) ? "sda" : NULL, ORIGIN_KERNEL, &ev) > 0)
		check_event(ev);
	ev = event_new("block.error", "tracefs", ORIGIN_KERNEL);
	ev->device = strdup(id);
	stack_error(p->stack, ev, false, 0, drop, NULL);
	p->raw = (struct raw_device){.has_size = true, .sectors = 8};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct played p = {.raw = {.has_size = true, .sectors = 8}};
	char *text = size < 65536 ? strndup((const char *)data, size) : NULL, *rest = text, *line;

	if (!text || stack_new(&p.stack) < 0) {
		free(text);
		return 0;
	}
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line)
			take_line(&p, line);
		else
			take_device(&p);
	}
	stack_unseen(p.stack);
	stack_free(p.stack);
	free(text);
	return 0;
}
