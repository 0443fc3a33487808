// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/read_check.h"
#include "core/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

/* A disk of which some places cannot be read, or that goes away at one. */
struct disk {
	struct blockdev dev;
	uint64_t bad_from, bad_to, gone_at; /* bytes; gone_at 0: never */
	uint64_t read;
	bool gone;
};

static int disk_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	struct disk *disk = (struct disk *)d;

	(void)buf;
	assert_true(pos % 4096 == 0 && len % 512 == 0 && pos + len <= d->sectors * 512);
	assert_int_equal(pos, disk->read); /* all of it, in order, each place once */
	disk->read += len;
	disk->gone = disk->gone_at && pos + len > disk->gone_at;
	if (disk->gone)
		return -EIO;
	return pos < disk->bad_to && pos + len > disk->bad_from ? -ENODATA : 0;
}

static bool disk_gone(const struct blockdev *d)
{
	return ((const struct disk *)d)->gone;
}

struct told {
	json_t *last, *end;
	int lines;
};

static int take_line(void *u, json_t *line)
{
	struct told *t = u;

	t->lines++;
	assert_null(t->end); /* nothing follows the end */
	if (json_object_get(line, "end")) {
		t->end = line;
		return 0;
	}
	json_decref(t->last);
	t->last = line;
	return 0;
}

struct reading_row {
	const char *name;
	uint64_t size, bad_from, bad_to, gone_at;
	const char *result, *reason;
	int64_t done, bad, region;
};

static const struct reading_row rows[] = {
	{"whole", 8 * MIB, 0, 0, 0, "ok", "", 8 * MIB, 0, -1},
	{"ends within a piece", 3 * MIB + 512, 0, 0, 0, "ok", "", 3 * MIB + 512, 0, -1},
	{"nothing", 0, 0, 0, 0, "ok", "", 0, 0, -1},
	{"one place", 8 * MIB, 5 * MIB + 4096, 5 * MIB + 4608, 0, "failed",
	 "sdx: 1 place cannot be read, the first at 5MiB", 8 * MIB, 1, 5},
	{"the last, short one", 3 * MIB + 512, 3 * MIB, 3 * MIB + 512, 0, "failed",
	 "sdx: 1 place cannot be read, the first at 3MiB", 3 * MIB + 512, 1, 3},
	{"over a border", 8 * MIB, 2 * MIB - 512, 2 * MIB + 512, 0, "failed",
	 "sdx: 2 places cannot be read, the first at 1MiB", 8 * MIB, 2, 1},
	{"too many", 200 * MIB, 10 * MIB, 200 * MIB, 0, "failed",
	 "sdx: 64 places cannot be read, the first at 10MiB; the rest was not read", 74 * MIB, 64, 10},
	{"pulled", 8 * MIB, 0, 0, 4 * MIB, "refused", "sdx is gone", -1, 0, -1},
};

static void test_reading(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct reading_row *row = &rows[i];
		struct disk disk = {.dev = {.read = disk_read,
					    .gone = disk_gone,
					    .name = "sdx",
					    .sectors = row->size / 512,
					    .sector_size = 512},
				    .bad_from = row->bad_from,
				    .bad_to = row->bad_to,
				    .gone_at = row->gone_at};
		struct told t = {0};
		json_int_t done, total, bad, region = -1;

		assert_int_equal(read_check_run(&disk.dev, UINT64_C(1) << 40, take_line, &t), 0);
		assert_string_equal(json_string_value(json_object_get(json_object_get(t.end, "end"), "result")),
				    row->result);
		assert_string_equal(json_string_value(json_object_get(json_object_get(t.end, "end"), "reason")),
				    row->reason);
		if (row->done >= 0) {
			assert_int_equal(json_unpack(t.last, "{s:{s:I s:I s:I s?I}}", "progress", "done", &done,
						     "total", &total, "bad", &bad, "region", &region),
					 0);
			assert_int_equal(done, row->done);
			assert_int_equal(total, row->size);
			assert_int_equal(bad, row->bad);
			assert_int_equal(region, row->region);
			assert_true(t.lines <= row->bad + 3); /* a line a second, and one a place */
		}
		json_decref(t.last);
		json_decref(t.end);
	}
}

static void test_speed(void **state _unused_)
{
	struct disk disk = {.dev = {.read = disk_read, .name = "sdx", .sectors = 4 * MIB / 512, .sector_size = 512}};
	int64_t from = clock_boot(&clock_system);
	struct told t = {0};

	assert_int_equal(read_check_run(&disk.dev, 20 * MIB, take_line, &t), 0);
	from = clock_boot(&clock_system) - from;
	assert_true(from >= 190 * NS_PER_MS); /* 4 MiB at 20 a second */
	json_decref(t.last);
	json_decref(t.end);
}

/* Who listens is gone: nobody reads on. */
static int hang_up(void *u, json_t *line)
{
	++*(int *)u;
	json_decref(line);
	return -EPIPE;
}

static void test_nobody_listens(void **state _unused_)
{
	struct disk disk = {.dev = {.read = disk_read, .name = "sdx", .sectors = 64 * MIB / 512, .sector_size = 512}};
	int lines = 0;

	assert_int_equal(read_check_run(&disk.dev, UINT64_C(1) << 40, hang_up, &lines), -EPIPE);
	assert_int_equal(lines, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_speed),
		cmocka_unit_test(test_nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
