// SPDX-License-Identifier: GPL-2.0-or-later
/* From raw messages to events: which devices are disks, who they are, what errors mean; and storms. */
#include "pipeline/coalesce.h"
#include "pipeline/normalise.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <stdlib.h>

static const struct raw_device disk = {
	.action = "add",
	.devtype = "disk",
	.devname = "/dev/sda",
	.devpath = "/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
	.major = 8,
	.diskseq = 7,
	.id_wwn = "0x5000c500a1b2c3d4",
	.id_serial = "ST4000_Z1",
	.id_serial_short = "Z1",
	.id_model = "ST4000",
	.id_bus = "ata",
	.id_path = "pci-0000:00:1f.2-ata-1",
	.has_size = true,
	.sectors = 1000,
	.sector_size = 512,
	.rotational = true,
};

static void test_disk(void)
{
	_cleanup_(event_freep) struct event *ev = NULL;

	CHECK_INT(normalise_device(&disk, ORIGIN_KERNEL, false, &ev), 1);
	if (!ev)
		return;
	CHECK_STR(ev->kind, "device.added");
	CHECK_STR(ev->device, "wwn-0x5000c500a1b2c3d4");
	CHECK_STR(event_get(ev, FACT_DEVICE_NAME).str, "sda");
	CHECK_STR(event_get(ev, FACT_DEVICE_SERIAL).str, "Z1");
	CHECK_STR(event_get(ev, FACT_DEVICE_TRANSPORT).str, "sata");
	CHECK_STR(event_get(ev, FACT_DEVICE_CONTROLLER).str, "pci-0000:00:1f.2");
	CHECK_INT(event_get(ev, FACT_DEVICE_MEDIA).i, MEDIA_HDD);
	CHECK_INT(event_get(ev, FACT_DEVICE_SIZE).u, 512000);
	CHECK_INT(event_get(ev, FACT_DEVICE_ENCLOSURE).type, V_NONE);
	CHECK_INT(json_integer_value(json_object_get(ev->extra, "diskseq")), 7);
	CHECK_STR(json_string_value(json_object_get(ev->extra, "node")), "/dev/sda");
}

static void test_kinds(void)
{
	static const struct {
		const char *name, *type, *dm;
		int want, want_virtual;
	} rows[] = {
		{"sda", "disk", NULL, 1, 1},
		{"sda1", "partition", NULL, 0, 0},
		{"nvme0n1", "disk", NULL, 1, 1},
		{"loop0", "disk", NULL, 0, 1},
		{"ram0", "disk", NULL, 0, 0},
		{"zram0", "disk", NULL, 0, 0},
		{"sr0", "disk", NULL, 0, 0},
		{"md127", "disk", NULL, 0, 0},
		{"dm-0", "disk", "SPARED-ddf-ab", 0, 0},
		{"dm-1", "disk", "LVM-x", 0, 0},
		{"dm-2", "disk", "mpath-36", 1, 1},
		{"dm-3", "disk", NULL, 0, 0},
		{"vda", "disk", NULL, 1, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int virtual_disks = 0; virtual_disks <= 1; virtual_disks++) {
			struct raw_device raw = disk;
			struct event *ev = NULL;
			char node[32];

			snprintf(node, sizeof(node), "/dev/%s", rows[i].name);
			raw.devname = node;
			raw.devtype = rows[i].type;
			raw.dm_uuid = rows[i].dm;
			CHECK_INT(normalise_device(&raw, ORIGIN_KERNEL, virtual_disks, &ev),
				  virtual_disks ? rows[i].want_virtual : rows[i].want);
			event_free(ev);
		}
	}
}

static void test_identity(void)
{
	struct raw_device raw = disk;
	char id[128];

	raw.id_fs_type = "mpath_member";
	normalise_identity(&raw, id, sizeof(id));
	CHECK_STR(id, "path-pci-0000:00:1f.2-ata-1");
	raw.id_fs_type = raw.id_wwn = NULL;
	normalise_identity(&raw, id, sizeof(id));
	CHECK_STR(id, "serial-ST4000_Z1");
	raw.id_serial = raw.id_serial_short = NULL;
	normalise_identity(&raw, id, sizeof(id));
	CHECK_STR(id, "path-pci-0000:00:1f.2-ata-1");
	raw.id_path = "";
	normalise_identity(&raw, id, sizeof(id));
	CHECK_STR(id, "name-sda");
	raw.id_serial = "evil\n\x1b[2J";
	normalise_identity(&raw, id, sizeof(id));
	CHECK_STR(id, "serial-evil\\x0a\\x1b[2J");
}

static void test_dm_uuid(void)
{
	char guid[52];

	CHECK(normalise_dm_uuid("SPARED-ddf-4c696e7578", guid, sizeof(guid)));
	CHECK_STR(guid, "4c696e7578");
	CHECK(!normalise_dm_uuid("SPARED-ddf-4c696e7578-leg0", guid, sizeof(guid)));
	CHECK(!normalise_dm_uuid("SPARED-ddf-4c696e7578-meta0", guid, sizeof(guid)));
	CHECK(!normalise_dm_uuid("SPARED-ddf-", guid, sizeof(guid)));
	CHECK(!normalise_dm_uuid("SPARED-ddf", guid, sizeof(guid)));
	CHECK(!normalise_dm_uuid("LVM-1", guid, sizeof(guid)));
	CHECK(!normalise_dm_uuid(NULL, guid, sizeof(guid)));
}

static void test_errors(void)
{
	static const struct {
		int error;
		const char *rwbs;
		int want;
		enum error_status status;
		enum operation operation;
	} rows[] = {
		{-ENODATA, "RS", 1, ERROR_MEDIUM, OPERATION_READ},
		{-EIO, "WFS", 1, ERROR_IO, OPERATION_WRITE},
		{EREMOTEIO, "FFS", 1, ERROR_TARGET, OPERATION_FLUSH},
		{-EILSEQ, "R", 1, ERROR_PROTECTION, OPERATION_READ},
		{-ETIMEDOUT, "D", 1, ERROR_TIMEOUT, OPERATION_DISCARD},
		{-ENOLINK, "W", 1, ERROR_TRANSPORT, OPERATION_WRITE},
		{-ENODEV, "W", 1, ERROR_OFFLINE, OPERATION_WRITE},
		{-EOPNOTSUPP, "D", 0, 0, 0},
		{0, "R", 0, 0, 0},
		{-E2BIG, "", 1, ERROR_OTHER, OPERATION_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct raw_error raw = {.source = "tracefs",
					.sector = 4656,
					.sectors = 16,
					.error = rows[i].error,
					.rwbs = rows[i].rwbs};
		_cleanup_(event_freep) struct event *ev = NULL;

		CHECK_INT(normalise_error(&raw, "wwn-1", &ev), rows[i].want);
		if (!ev)
			continue;
		CHECK_INT(event_get(ev, FACT_ERROR_STATUS).i, rows[i].status);
		CHECK_INT(event_get(ev, FACT_ERROR_OPERATION).i, rows[i].operation);
		CHECK_INT(event_get(ev, FACT_ERROR_REGION).i, 2);
		CHECK_INT(ev->count, 1);
	}
}

static int passed, summed;

static void count(void *u, struct event *ev)
{
	(void)u;
	passed++;
	summed += ev->count;
	event_free(ev);
}

static void storm_error(struct coalesce *c, int64_t at, uint64_t sector)
{
	struct raw_error raw = {.source = "tracefs", .sector = sector, .error = EIO, .rwbs = "R", .boot = at};
	struct event *ev;

	if (normalise_error(&raw, "wwn-1", &ev) == 1)
		coalesce_add(c, ev, count, NULL);
}

static void test_storm(void)
{
	_cleanup_(coalesce_freep) struct coalesce *c = NULL;
	int64_t deadline;

	CHECK_INT(coalesce_new(&c), 0);
	for (int i = 0; i < 1000; i++)
		storm_error(c, NS_PER_SEC, (uint64_t)(i % 3) * 2048);
	CHECK_INT(passed, 3); /* the first of each place at once */
	CHECK(coalesce_deadline(c, &deadline));
	CHECK_INT(deadline, NS_PER_SEC + COALESCE_WINDOW_NS);
	coalesce_due(c, deadline, count, NULL);
	CHECK_INT(passed, 6);
	CHECK_INT(summed, 1000); /* none is lost */
	CHECK(!coalesce_deadline(c, &deadline));
	/* more places than there is room for: they go on, and are counted */
	passed = summed = 0;
	for (int i = 0; i < 10000; i++)
		storm_error(c, 2 * NS_PER_SEC, (uint64_t)(i % 1000) * 2048);
	coalesce_due(c, 3 * NS_PER_SEC, count, NULL);
	CHECK_INT(summed, 10000);
}

int main(void)
{
	test_disk();
	test_kinds();
	test_identity();
	test_dm_uuid();
	test_errors();
	test_storm();
	return CHECK_RESULT;
}
