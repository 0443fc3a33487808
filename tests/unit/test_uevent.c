// SPDX-License-Identifier: GPL-2.0-or-later
/* What kernel uevents tell beside that a device changed. The properties are as a 6.1 kernel sent them. */
#include "pipeline/uevent.h"
#include "tests/unit/unit.h"

#include <errno.h>

static const struct raw_device map = {.action = "change",
				      .devtype = "disk",
				      .devname = "/dev/dm-0",
				      .major = 254,
				      .dm_name = "mp",
				      .dm_uuid = "mpath-36001",
				      .dm_action = "PATH_FAILED",
				      .dm_path = "8:16",
				      .dm_valid_paths = "1"};

static void test_paths(void **state _unused_)
{
	_cleanup_(event_freep) struct event *ev = NULL;
	struct raw_device raw = map;
	struct raw_number number;

	assert_int_equal(uevent_about(&raw, &number), 1);
	assert_int_equal(number.major, 8);
	assert_int_equal(number.minor, 16);
	assert_int_equal(uevent_normalise(&raw, "path-1", NULL, ORIGIN_KERNEL, &ev), 1);
	assert_string_equal(ev->kind, "path.failed");
	assert_string_equal(ev->device, "path-1");
	assert_string_equal(ev->map, "dm-mpath-36001");
	assert_string_equal(event_get(ev, FACT_PATH_MAP).str, "dm-mpath-36001");
	assert_int_equal(event_get(ev, FACT_PATH_VALID).i, 1);
	assert_int_equal(event_get(ev, FACT_DEVICE_NAME).type, V_NONE);
	assert_string_equal(json_string_value(json_object_get(ev->extra, "dm-name")), "mp");
	event_free(TAKE_PTR(ev));
	raw.dm_action = "PATH_REINSTATED";
	raw.dm_uuid = NULL;
	assert_int_equal(uevent_normalise(&raw, "path-1", "sdb", ORIGIN_KERNEL, &ev), 1);
	assert_string_equal(ev->kind, "path.reinstated");
	assert_string_equal(ev->map, "name-dm-0");
	assert_string_equal(event_get(ev, FACT_DEVICE_NAME).str, "sdb");
}

static void test_verity(void **state _unused_)
{
	static const struct {
		const char *text;
		int want, part;
		int64_t block;
	} rows[] = {
		{"0,100", 1, CORRUPT_DATA, 100},
		{"1,7", 1, CORRUPT_METADATA, 7},
		{"5,0", 1, CORRUPT_OTHER, 0},
		{"0", -EBADMSG, 0, 0},
		{"", -EBADMSG, 0, 0},
		{",1", -EBADMSG, 0, 0},
		{"0,", -EBADMSG, 0, 0},
		{"0,1 ", -EBADMSG, 0, 0},
		{"-1,1", -EBADMSG, 0, 0},
		{"99999999999,1", -EBADMSG, 0, 0},
		{"0,9999999999999999999", -EBADMSG, 0, 0},
	};

	for_rows (i, rows) {
		struct raw_device raw = {.action = "change", .major = 254, .minor = 3, .verity_error = rows[i].text};
		_cleanup_(event_freep) struct event *ev = NULL;
		struct raw_number number;

		assert_int_equal(uevent_about(&raw, &number), rows[i].want);
		assert_int_equal(uevent_normalise(&raw, "dm-v", "dm-3", ORIGIN_KERNEL, &ev), rows[i].want > 0);
		if (!ev)
			continue;
		assert_int_equal(number.minor, 3);
		assert_string_equal(ev->kind, "block.corrupt");
		assert_int_equal(event_get(ev, FACT_CORRUPT_PART).i, rows[i].part);
		assert_int_equal(event_get(ev, FACT_CORRUPT_BLOCK).i, rows[i].block);
	}
}

static void test_attention(void **state _unused_)
{
	static const struct {
		const char *text;
		bool medium;
		enum attention want;
	} rows[] = {
		{"INQUIRY_DATA_HAS_CHANGED", false, ATTENTION_INQUIRY},
		{"CAPACITY_DATA_HAS_CHANGED", false, ATTENTION_CAPACITY},
		{"THIN_PROVISIONING_SOFT_THRESHOLD_REACHED", false, ATTENTION_THIN},
		{"MODE_PARAMETERS_CHANGED", false, ATTENTION_MODE},
		{"REPORTED_LUNS_DATA_HAS_CHANGED", false, ATTENTION_LUNS},
		{"ASYMMETRIC_ACCESS_STATE_CHANGED", false, ATTENTION_ACCESS},
		{"POWER_ON_RESET_OCCURRED", false, ATTENTION_RESET},
		{"SOMETHING_NEW", false, ATTENTION_OTHER},
		{NULL, true, ATTENTION_MEDIUM},
	};

	for_rows (i, rows) {
		struct raw_device raw = {.action = "change",
					 .devtype = "scsi_device",
					 .major = 8,
					 .scsi_attention = rows[i].text,
					 .medium_changed = rows[i].medium};
		_cleanup_(event_freep) struct event *ev = NULL;
		struct raw_number number;

		assert_int_equal(uevent_about(&raw, &number), 1);
		assert_int_equal(number.major, 8);
		assert_int_equal(uevent_normalise(&raw, "wwn-1", NULL, ORIGIN_KERNEL, &ev), 1);
		assert_string_equal(ev->kind, "device.attention");
		assert_int_equal(event_get(ev, FACT_ATTENTION_WHAT).i, rows[i].want);
		raw.major = 0; /* a tape */
		assert_int_equal(uevent_about(&raw, &number), 0);
	}
}

static void test_nothing(void **state _unused_)
{
	static const struct {
		const char *action, *dm_action, *path, *valid;
		int want;
	} rows[] = {
		{"change", NULL, NULL, NULL, 0},
		{"change", "PATH_WHATEVER", "8:0", "1", 0},
		{"add", "PATH_FAILED", "8:0", "1", 0},
		{NULL, "PATH_FAILED", "8:0", "1", 0},
		{"change", "PATH_FAILED", NULL, "1", -EBADMSG},
		{"change", "PATH_FAILED", "8:0", NULL, -EBADMSG},
		{"change", "PATH_FAILED", "8", "1", -EBADMSG},
		{"change", "PATH_FAILED", "8:0x", "1", -EBADMSG},
		{"change", "PATH_FAILED", "8:4294967296", "1", -EBADMSG},
		{"change", "PATH_FAILED", "8:0", "many", -EBADMSG},
	};

	for_rows (i, rows) {
		struct raw_device raw = {.action = rows[i].action,
					 .dm_action = rows[i].dm_action,
					 .dm_path = rows[i].path,
					 .dm_valid_paths = rows[i].valid};
		struct event *ev = NULL;
		struct raw_number number;

		assert_int_equal(uevent_about(&raw, &number), rows[i].want);
		assert_int_equal(uevent_normalise(&raw, "x", NULL, ORIGIN_KERNEL, &ev), 0);
		assert_null(ev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_paths),
		unit(test_verity),
		unit(test_attention),
		unit(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
