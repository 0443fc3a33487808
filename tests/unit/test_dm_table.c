// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/dm/dm.h"

#include <errno.h>

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	int level, layout;
	enum dm_raid_type type;
} types[] = {
	{"raid5_n", 4, 0, DM_RAID5_N},	       {"raid0", 0, 0, DM_RAID0},	{"raid1", 1, 0, DM_RAID1},
	{"raid5_la", 5, 0, DM_RAID5_LA},       {"raid5_ra", 5, 1, DM_RAID5_RA}, {"raid5_ls", 5, 2, DM_RAID5_LS},
	{"raid6_zr", 6, 8, DM_RAID6_ZR},       {"raid6_nr", 6, 9, DM_RAID6_NR}, {"raid6_nc", 6, 10, DM_RAID6_NC},
	{"raid10", 10, 0x102, DM_RAID10_NEAR},
};

static void read_slot(const char *w, struct dm_raid_slot *s)
{
	const char *data = strchr(w, '/');

	*s = (struct dm_raid_slot){
		.listed = data, .rebuild = w[strlen(w) - 1] == 'r', .read_last = w[strlen(w) - 1] == 'l'};
	if (!data)
		return;
	sscanf(w, "%u:%u", &s->meta_major, &s->meta_minor);
	sscanf(data + 1, "%u:%u", &s->data_major, &s->data_minor);
}

/* "type sectors chunk region [min-max] slot.." */
static bool read_spec(char *line, struct dm_raid_table *t, struct dm_raid_slot *slots)
{
	char *save = NULL, *w = strtok_r(line, " ", &save);
	uint64_t numbers[3];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, w) == 0)
			break;
	if (i == ARRAY_SIZE(types))
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++)
		numbers[k] = strtoull(strtok_r(NULL, " ", &save), NULL, 10);
	*t = (struct dm_raid_table){
		.type = types[i].type,
		.sectors = numbers[0],
		.chunk = (uint32_t)numbers[1],
		.region = (uint32_t)numbers[2],
		.slot = slots,
	};
	while ((w = strtok_r(NULL, " ", &save)) && !strchr(w, '/') &&
	       sscanf(w, "%u-%u", &t->min_rate, &t->max_rate) == 2)
		;
	for (; w; w = strtok_r(NULL, " ", &save))
		read_slot(w, &slots[t->slots++]);
	return true;
}

static void goldens(void **state _unused_)
{
	FILE *f = fopen(SPARED_TESTS_DIR "/golden/dm/tables.txt", "re");
	static struct dm_target target;
	char line[512], want[512], got[DM_PARAMS_MAX + 64];
	int n = 0;

	assert_non_null(f);
	while (f && fgets(line, sizeof(line), f)) {
		struct dm_raid_slot slots[64];
		struct dm_raid_table t;
		struct err e = {0};
		int r;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		assert_non_null(fgets(want, sizeof(want), f));
		want[strcspn(want, "\n")] = '\0';
		assert_true(read_spec(line, &t, slots));
		r = dm_raid_table_print(&t, &target, &e);
		if (r < 0)
			snprintf(got, sizeof(got), "! %s", e.msg);
		else
			snprintf(got, sizeof(got), "= %" PRIu64 " %" PRIu64 " %s %s", target.start, target.len,
				 target.type, target.params);
		assert_string_equal(got, want);
		assert_true(r == 0 || r == -EINVAL);
		n++;
	}
	assert_true(n > 15);
	if (f)
		fclose(f);
}

static void type_of(void **state _unused_)
{
	enum dm_raid_type t;

	for_rows (i, types) {
		assert_int_equal(dm_raid_type_of(types[i].level, types[i].layout, &t), 0);
		assert_int_equal(t, types[i].type);
	}
	assert_int_equal(dm_raid_type_of(5, 3, &t), -ENOTSUP);
	assert_int_equal(dm_raid_type_of(6, 2, &t), -ENOTSUP); /* md's default RAID6: dm-raid has nothing like it */
	assert_int_equal(dm_raid_type_of(10, 0x201, &t), -ENOTSUP);
	assert_int_equal(dm_raid_type_of(3, 0, &t), -ENOTSUP);
}

static void full_width(void **state _unused_)
{
	static struct dm_target target;
	struct dm_raid_slot slots[64];
	struct dm_raid_table t = {.type = DM_RAID6_NC, .sectors = 62 * 1024, .chunk = 1024, .slots = 64, .slot = slots};

	for (unsigned i = 0; i < 64; i++)
		slots[i] = (struct dm_raid_slot){true, i < 2, 4095, 1048575, 4095, 1048574};
	assert_int_equal(dm_raid_table_print(&t, &target, NULL), 0);
	t.sectors = UINT64_MAX;
	assert_int_equal(dm_raid_table_print(&t, &target, NULL), -EINVAL);
	t.slots = 65;
	assert_int_equal(dm_raid_table_print(&t, &target, NULL), -EINVAL);
	t.type = (enum dm_raid_type)77;
	assert_int_equal(dm_raid_table_print(&t, &target, NULL), -EINVAL);
}

static void linear(void **state _unused_)
{
	static struct dm_target t;

	dm_linear_print(8, 16, 24576, 32768, &t);
	assert_string_equal(t.type, "linear");
	assert_string_equal(t.params, "8:16 24576");
	assert_int_equal(t.len, 32768);
}

static void mirror(void **state _unused_)
{
	const struct dm_mirror_side side[2] = {{8, 16, 2048}, {8, 32, 0}};
	struct dm_mirror_side read[2];
	static struct dm_target t;

	dm_mirror_print(side, 1 << 20, &t);
	assert_string_equal(t.type, "mirror");
	assert_int_equal(t.len, 1 << 20);
	assert_string_equal(t.params, "core 1 1024 2 8:16 2048 8:32 0 1 handle_errors");
	assert_true(dm_mirror_parse(t.params, read));
	assert_memory_equal(side, read, sizeof(side));
	assert_false(dm_mirror_parse("8:16 2048", read));
	dm_mirror_print(side, 8192, &t); /* a slice: some regions at least, so that it is seen how far it is */
	assert_string_equal(t.params, "core 1 512 2 8:16 2048 8:32 0 1 handle_errors");
	dm_mirror_print(side, UINT64_C(8) << 30, &t); /* 4 TiB */
	assert_string_equal(t.params, "core 1 8192 2 8:16 2048 8:32 0 1 handle_errors");
	dm_error_print(8192, &t);
	assert_string_equal(t.type, "error");
}

static void names(void **state _unused_)
{
	char s[DM_NAME_LEN_MAX + 1], longest[DM_NAME_LEN_MAX + 2];

	assert_int_equal(dm_name_escape("vol-1_a.b:c@d=e+f#g", s), 0);
	assert_string_equal(s, "vol-1_a.b:c@d=e+f#g");
	assert_int_equal(dm_name_escape("my vol/\xc3\xa4", s), 0);
	assert_string_equal(s, "my\\x20vol\\x2f\\xc3\\xa4");
	assert_int_equal(dm_name_escape("", s), -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(dm_name_escape(longest, s), -ENAMETOOLONG);
	longest[DM_NAME_LEN_MAX] = '\0';
	assert_int_equal(dm_name_escape(longest, s), 0);
}

static void snapshots(void **state _unused_)
{
	static const struct {
		const char *line;
		bool ok, lost;
		uint64_t used, total;
	} lines[] = {{"160/131072 0", true, false, 160, 131072},
		     {"2048/2048 16", true, false, 2048, 2048},
		     {"Invalid", true, true, 0, 0},
		     {"Overflow", true, true, 0, 0},
		     {"Unknown", false, false, 0, 0},
		     {"", false, false, 0, 0},
		     {"3/2 0", false, false, 0, 0},
		     {"0/0 0", false, false, 0, 0},
		     {"1/2", false, false, 0, 0},
		     {"1/2 0 0", false, false, 0, 0},
		     {"-1/2 0", false, false, 0, 0},
		     {"1/99999999999999999999 0", false, false, 0, 0}};
	const struct dm_cow cow = {7, 1};
	struct dm_snapshot_status s;
	struct dm_target t;
	struct dm_cow read;
	struct err e;

	dm_origin_print(253, 9, 32768, &t);
	assert_string_equal(t.type, "snapshot-origin");
	assert_string_equal(t.params, "253:9");
	dm_snapshot_print(253, 9, &cow, 32768, &t);
	assert_string_equal(t.type, "snapshot");
	assert_string_equal(t.params, "253:9 7:1 N 32");
	assert_true(dm_snapshot_parse(t.params, &read) && read.major == 7 && read.minor == 1);
	assert_true(!dm_snapshot_parse("253:9", &read));
	for_rows (i, lines) {
		assert_int_equal(dm_snapshot_status_parse(lines[i].line, &s, &e), lines[i].ok ? 0 : -EBADMSG);
		if (lines[i].ok)
			assert_true(s.lost == lines[i].lost && s.used == lines[i].used && s.total == lines[i].total);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(goldens), unit(type_of), unit(full_width), unit(linear),
		unit(mirror),  unit(names),   unit(snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
