// SPDX-License-Identifier: GPL-2.0-or-later
/* From raw messages to events: which devices are disks, who they are, what errors mean; and storms. */
#include "pipeline/coalesce.h"
#include "pipeline/normalise.h"
#include "tests/unit/unit.h"

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

static void test_disk(void **state _unused_)
{
	_cleanup_(event_freep) struct event *ev = NULL;

	assert_int_equal(normalise_device(&disk, ORIGIN_KERNEL, false, &ev), 1);
	if (!ev)
		return;
	assert_string_equal(ev->kind, "device.added");
	assert_string_equal(ev->device, "wwn-0x5000c500a1b2c3d4");
	assert_string_equal(event_get(ev, FACT_DEVICE_NAME).str, "sda");
	assert_string_equal(event_get(ev, FACT_DEVICE_SERIAL).str, "Z1");
	assert_string_equal(event_get(ev, FACT_DEVICE_TRANSPORT).str, "sata");
	assert_string_equal(event_get(ev, FACT_DEVICE_CONTROLLER).str, "pci-0000:00:1f.2");
	assert_int_equal(event_get(ev, FACT_DEVICE_MEDIA).i, MEDIA_HDD);
	assert_int_equal(event_get(ev, FACT_DEVICE_SIZE).u, 512000);
	assert_int_equal(event_get(ev, FACT_DEVICE_ENCLOSURE).type, V_NONE);
	assert_int_equal(json_integer_value(json_object_get(ev->extra, "diskseq")), 7);
	assert_string_equal(json_string_value(json_object_get(ev->extra, "node")), "/dev/sda");
}

static void test_kinds(void **state _unused_)
{
	static const struct {
		const char *name, *type, *dm;
		int want, want_virtual, want_layer;
	} rows[] = {
		{"sda", "disk", NULL, 1, 1, 0},
		{"sda1", "partition", NULL, 0, 0, 0},
		{"nvme0n1", "disk", NULL, 1, 1, 0},
		{"loop0", "disk", NULL, 0, 1, 0},
		{"ram0", "disk", NULL, 0, 0, 1},
		{"zram0", "disk", NULL, 0, 0, 1},
		{"sr0", "disk", NULL, 0, 0, 0},
		{"md127", "disk", NULL, 0, 0, 1},
		{"dm-0", "disk", "SPARED-ddf-ab", 0, 0, 0},
		{"dm-1", "disk", "LVM-x", 0, 0, 1},
		{"dm-2", "disk", "mpath-36", 1, 1, 0},
		{"dm-3", "disk", NULL, 0, 0, 1},
		{"vda", "disk", NULL, 1, 1, 0},
	};

	for_rows (i, rows) {
		for (int virtual_disks = 0; virtual_disks <= 1; virtual_disks++) {
			struct raw_device raw = disk;
			struct event *ev = NULL;
			char node[32];

			snprintf(node, sizeof(node), "/dev/%s", rows[i].name);
			raw.devname = node;
			raw.devtype = rows[i].type;
			raw.dm_uuid = rows[i].dm;
			assert_int_equal(normalise_device(&raw, ORIGIN_KERNEL, virtual_disks, &ev),
					 virtual_disks ? rows[i].want_virtual : rows[i].want);
			assert_int_equal(normalise_is_layer(&raw), rows[i].want_layer);
			event_free(ev);
		}
	}
}

static void test_identity(void **state _unused_)
{
	struct raw_device raw = disk;
	char id[128];

	raw.id_fs_type = "mpath_member";
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "path-pci-0000:00:1f.2-ata-1");
	raw.id_path = NULL; /* the other paths have the same WWN and serial number */
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "name-sda");
	raw.id_path = disk.id_path;
	raw.id_fs_type = raw.id_wwn = NULL;
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "serial-ST4000_Z1");
	raw.id_serial = raw.id_serial_short = NULL;
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "path-pci-0000:00:1f.2-ata-1");
	raw.id_path = "";
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "name-sda");
	raw.id_serial = "evil\n\x1b[2J";
	normalise_identity(&raw, id, sizeof(id));
	assert_string_equal(id, "serial-evil\\x0a\\x1b[2J");
}

static void test_dm_uuid(void **state _unused_)
{
	char guid[52];
	bool leg;

	assert_true(normalise_dm_uuid("SPARED-ddf-4c696e7578", guid, sizeof(guid), &leg));
	assert_string_equal(guid, "4c696e7578");
	assert_true(!leg);
	assert_true(normalise_dm_uuid("SPARED-ddf-4c696e7578-leg0-1234", guid, sizeof(guid), &leg) && leg);
	assert_string_equal(guid, "4c696e7578");
	assert_true(normalise_dm_uuid("SPARED-ddf-4c696e7578-meta0-1234", guid, sizeof(guid), &leg) && leg);
	assert_true(normalise_dm_uuid("SPARED-ddf-4c696e7578-snap-nightly", guid, sizeof(guid), &leg) && leg);
	assert_true(normalise_dm_uuid("SPARED-ddf-4c696e7578-real", guid, sizeof(guid), &leg) && !leg);
	assert_true(!normalise_dm_uuid("SPARED-ddf-4c696e7578-claim-1234", guid, sizeof(guid), &leg));
	assert_true(!normalise_dm_uuid("SPARED-ddf-", guid, sizeof(guid), &leg));
	assert_true(!normalise_dm_uuid("SPARED-ddf", guid, sizeof(guid), &leg));
	assert_true(!normalise_dm_uuid("LVM-1", guid, sizeof(guid), &leg));
	assert_true(!normalise_dm_uuid(NULL, guid, sizeof(guid), &leg));
}

static void test_errors(void **state _unused_)
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

	for_rows (i, rows) {
		struct raw_error raw = {.source = "tracefs",
					.sector = 4656,
					.sectors = 16,
					.error = rows[i].error,
					.rwbs = rows[i].rwbs};
		_cleanup_(event_freep) struct event *ev = NULL;

		assert_int_equal(normalise_error(&raw, "wwn-1", &ev), rows[i].want);
		if (!ev)
			continue;
		assert_int_equal(event_get(ev, FACT_ERROR_STATUS).i, rows[i].status);
		assert_int_equal(event_get(ev, FACT_ERROR_OPERATION).i, rows[i].operation);
		assert_int_equal(event_get(ev, FACT_ERROR_REGION).i, 2);
		assert_int_equal(ev->count, 1);
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

static void test_storm(void **state _unused_)
{
	_cleanup_(coalesce_freep) struct coalesce *c = NULL;
	int64_t deadline;

	assert_int_equal(coalesce_new(&c), 0);
	for (int i = 0; i < 1000; i++)
		storm_error(c, NS_PER_SEC, (uint64_t)(i % 3) * 2048);
	assert_int_equal(passed, 3); /* the first of each place at once */
	assert_true(coalesce_deadline(c, &deadline));
	assert_int_equal(deadline, NS_PER_SEC + COALESCE_WINDOW_NS);
	coalesce_due(c, deadline, count, NULL);
	assert_int_equal(passed, 6);
	assert_int_equal(summed, 1000); /* none is lost */
	assert_true(!coalesce_deadline(c, &deadline));
	/* more places than there is room for: they go on, and are counted */
	passed = summed = 0;
	for (int i = 0; i < 10000; i++)
		storm_error(c, 2 * NS_PER_SEC, (uint64_t)(i % 1000) * 2048);
	coalesce_due(c, 3 * NS_PER_SEC, count, NULL);
	assert_int_equal(summed, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_disk),    unit(test_kinds),  unit(test_identity),
		unit(test_dm_uuid), unit(test_errors), unit(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
