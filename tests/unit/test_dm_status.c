// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/dm/dm.h"

#include <errno.h>

#include "tests/unit/unit.h"

static void goldens(void **state _unused_)
{
	FILE *f = fopen(SPARED_TESTS_DIR "/golden/dm/status.txt", "re");
	char line[512], want[512], got[512];
	int n = 0;

	assert_non_null(f);
	while (f && fgets(line, sizeof(line), f)) {
		struct dm_raid_status s;
		struct err e = {0};

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		assert_non_null(fgets(want, sizeof(want), f));
		want[strcspn(want, "\n")] = '\0';
		if (dm_raid_status_parse(line, &s, &e) < 0)
			fail_msg("%s: %s", line, e.msg);
		snprintf(got, sizeof(got), "= %s %u %s %" PRIu64 "/%" PRIu64 " %s %" PRIu64 " %" PRIu64 " %c%s", s.type,
			 s.slots, s.health, s.done, s.total, dm_raid_action_name(s.action), s.mismatches, s.data_offset,
			 s.journal, dm_raid_settled(&s) ? " settled" : "");
		assert_string_equal(got, want);
		n++;
	}
	assert_true(n > 10);
	if (f)
		fclose(f);
}

static void mirrors(void **state _unused_)
{
	static const char *const bad[] = {"",
					  "1 8:0 1/1 1 A 1 core",
					  "2 8:0 8:16 1/0 1 AA 1 core",
					  "2 8:0 8:16 1/16 1 AX 1 core",
					  "2 8:0 8:16 1/16 1 AAA 1 core",
					  "2 8:0 8:16 x/16 1 AA 1 core",
					  "3 8:0 8:16 8:32 1/16 1 AAA 1 core"};
	struct dm_mirror_status s;
	struct err e;

	assert_int_equal(dm_mirror_status_parse("2 8:0 8:16 15/16 1 SA 1 core", &s, NULL), 0);
	assert_int_equal(s.done, 15);
	assert_int_equal(s.total, 16);
	assert_memory_equal(s.health, "SA", 2);
	for_rows (i, bad) {
		assert_int_equal(dm_mirror_status_parse(bad[i], &s, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, "mirror status"));
	}
}

/* Each line, and a part of the message that it must give. */
static void garbage(void **state _unused_)
{
	static const char *const lines[][2] = {
		{"", "before the type"},
		{"   ", "before the type"},
		{"linear 2 AA 1/1 idle 0", "wrong type"},
		{"raid1", "before the number of slots"},
		{"raid1 x AA 1/1 idle 0", "wrong number of slots"},
		{"raid1 0  1/1 idle 0", "wrong number of slots"},
		{"raid1 65 AA 1/1 idle 0", "wrong number of slots"},
		{"raid1 18446744073709551618 AA 1/1 idle 0", "wrong number of slots"},
		{"raid1 2 AAA 1/1 idle 0", "wrong health"},
		{"raid1 2 A 1/1 idle 0", "wrong health"},
		{"raid1 2 AX 1/1 idle 0", "wrong health"},
		{"raid1 2 AA 1 idle 0", "wrong ratio"},
		{"raid1 2 AA 1/ idle 0", "wrong ratio"},
		{"raid1 2 AA /1 idle 0", "wrong ratio"},
		{"raid1 2 AA 1/1x idle 0", "wrong ratio"},
		{"raid1 2 AA -1/1 idle 0", "wrong ratio"},
		{"raid1 2 AA 1/1", "before the sync action"},
		{"raid1 2 AA 1/1 lazy 0", "wrong sync action"},
		{"raid1 2 AA 1/1 idle", "before the mismatch count"},
		{"raid1 2 AA 1/1 idle many", "wrong mismatch count"},
		{"raid1 2 AA 1/1 idle 0 x", "wrong data offset"},
		{"raid1 2 AA 1/1 idle 0 0 AA", "wrong journal state"},
		{"raid1 2 AA 1/1 idle 0 0 -\nraid1", "more than one line"},
	};

	for_rows (i, lines) {
		struct dm_raid_status s;
		struct err e = {0};

		assert_int_equal(dm_raid_status_parse(lines[i][0], &s, &e), -EBADMSG);
		if (!strstr(e.msg, lines[i][1]))
			fail_msg("'%s': %s", lines[i][0], e.msg);
	}
	assert_int_equal(dm_raid_status_parse("raid1", &(struct dm_raid_status){0}, NULL), -EBADMSG);
	assert_string_equal(dm_raid_action_name((enum dm_raid_action)99), "undef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(goldens),
		unit(garbage),
		unit(mirrors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
