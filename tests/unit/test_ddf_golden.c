// SPDX-License-Identifier: GPL-2.0-or-later
/* What mdadm wrote is read as md ran it. Each case of tests/golden/meta says, by md's own sysfs files, which disk was
 * in which slot at which offset. What we make of it lies in tests/golden/ddf; SPARED_UPDATE=1 writes it anew. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static const char *const cases[] = {
	"raid0",	   "raid1",	      "raid5-n-continue",
	"raid5-n-restart", "raid5-0-restart", "raid6-n-continue",
	"raid6-n-restart", "raid6-0-restart", "raid10",
	"raid1e",	   "two-volumes",     "spare-global",
	"raid1e-three",	   "raid1e-five",     "raid4",
	"spares-only",	   "degraded",	      "stale",
	"rebuilding",	   "rebuilt",	      "dirty",
	"raid10-rebuilt",  "two-behind",
};

/* Sectors of a copy, and of what is written with it. On blocks of 4096 bytes a record is a block: 88 blocks. */
static unsigned copy_sectors(const struct test_set *s)
{
	return s->disk[0].sector_size == 4096 ? 88 * 8 : 618;
}

/* A disk that is not as the others: pulled earlier, or imaged between the writes of its two copies. */
static bool stale(const struct test_set *s, size_t disk)
{
	return strcmp(s->name, "stale") == 0 && disk == 2;
}
static bool torn(const struct test_set *s, size_t disk)
{
	return strcmp(s->name, "rebuilding") == 0 && disk == 0 && s->disk[0].sector_size == 512;
}

/* What md had in sync is not said to be on the disks, or not which one it is (test_ddf_mdadm.c). */
static bool in_sync_unsaid(const struct test_set *s, const struct meta_volume *v, unsigned slot)
{
	return (strcmp(s->name, "raid10-rebuilt") == 0 && slot == 1) ||
	       (strcmp(s->name, "two-behind") == 0 && v->members[0].state == MEMBER_REBUILDING);
}

static const struct meta_volume *volume_named(const struct meta_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_volumes; i++)
		if (strcmp(v->volumes[i].name, name) == 0)
			return &v->volumes[i];
	return NULL;
}

static void volume_line(const struct test_set *s, const struct meta_view *v, const char *line)
{
	char name[32], level[16];
	unsigned layout, chunk, slots;
	uint64_t component, sectors;
	const struct meta_volume *u;

	if (sscanf(line,
		   "volume name=%31s level=%15s layout=%u chunk=%u raid_disks=%u component_sectors=%" SCNu64
		   " array_sectors=%" SCNu64,
		   name, level, &layout, &chunk, &slots, &component, &sectors) != 7)
		return;
	u = volume_named(v, name);
	assert_non_null(u);
	if (strcmp(s->name, "raid1e") == 0)
		return;
	assert_string_equal(raid_level_name(u->level), level);
	assert_int_equal(u->layout, layout);
	assert_int_equal(u->chunk, u->level == RAID1 ? 0 : chunk / 512);
	assert_int_equal(u->slots, slots);
	assert_int_equal(u->sectors, sectors);
	/* mdadm leaves a part of each member of an odd number unused. */
	if (component && !(u->level == RAID10 && slots % 2))
		assert_int_equal(u->member_sectors, component);
}

static void member_line(const struct test_set *s, const struct meta_view *v, const char *line)
{
	char name[32], state[32], slot[16];
	unsigned disk, n;
	uint64_t offset;
	const struct meta_volume *u;

	if (sscanf(line, "member volume=%31s slot=%15s disk=%u offset=%" SCNu64 " state=%31s", name, slot, &disk,
		   &offset, state) != 5 ||
	    sscanf(slot, "%u", &n) != 1)
		return;
	u = volume_named(v, name);
	if (!u || u->level == RAID_UNSUPPORTED || n >= u->slots)
		return;
	assert_string_equal(u->members[n].ref, s->disk[disk - 1].ref);
	assert_int_equal(u->members[n].offset, offset);
	assert_string_equal(member_words[u->members[n].state],
			    strcmp(state, "in_sync") == 0 && !in_sync_unsaid(s, u, n) ? "in-sync" : "rebuilding");
}

static void against_md(const struct test_set *s, const struct meta_view *v)
{
	char path[512], line[512];
	FILE *f;

	snprintf(path, sizeof(path), SPARED_TESTS_DIR "/golden/meta/%s.txt", s->name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && line[0] != '=') {
		volume_line(s, v, line);
		member_line(s, v, line);
	}
	if (f)
		fclose(f);
}

static void against_golden(const struct test_set *s, const char *text)
{
	char path[512], want[8192] = "";
	FILE *f;

	snprintf(path, sizeof(path), SPARED_TESTS_DIR "/golden/ddf/%s.view", s->name);
	if (getenv("SPARED_UPDATE")) {
		f = fopen(path, "we");
		assert_true(f && fputs(text, f) >= 0);
	} else {
		f = fopen(path, "re");
		assert_true(f && fread(want, 1, sizeof(want) - 1, f) > 0);
		assert_string_equal(text, want);
	}
	if (f)
		fclose(f);
}

/* The views of the disks, merged, say the same as their bytes, joined. */
static void merged(struct test_set *s, const char *joined)
{
	struct meta_view *views[TEST_DISKS_MAX], *v = NULL;
	enum meta_standing standing[TEST_DISKS_MAX];
	bool split = true;
	struct err e;
	char *text;

	for (size_t i = 0; i < s->n; i++) {
		struct meta_copy *c = NULL;

		assert_int_equal(meta_ddf.probe(&s->disk[i].reader, &e), 1);
		assert_int_equal(meta_ddf.parse(&s->disk[i].reader, &c, &e), 0);
		assert_int_equal(meta_ddf.copy_view(c, &views[i], &e), 0);
		assert_string_equal(views[i]->self, s->disk[i].ref);
		/* raid-on-dm.md 5: from behind the secondary copy, which is at the workspace's start, to the primary */
		assert_int_equal(views[i]->room_start, s->disk[i].sectors - 65536 + copy_sectors(s));
		assert_int_equal(views[i]->room_sectors, 32768 - copy_sectors(s));
		meta_ddf.copy_free(c);
	}
	assert_int_equal(meta_view_merge((const struct meta_view *const *)views, s->n, &v, standing, &split, &e), 0);
	assert_false(split);
	for (size_t i = 0; i < s->n; i++) {
		assert_int_equal(standing[i], stale(s, i) ? META_STALE : META_CURRENT);
		meta_view_free(views[i]);
	}
	text = test_view_text(v);
	assert_string_equal(text, joined);
	free(text);
	meta_view_free(v);
}

/* Nothing was changed, so nothing is written, but to a disk or a copy that is behind. */
static void unchanged(struct test_set *s, const struct meta_set *set)
{
	for (size_t i = 0; i < s->n; i++) {
		struct meta_writes w = {0};
		struct err e;

		if (stale(s, i) || torn(s, i))
			continue;
		assert_int_equal(meta_ddf.encode(set, s->disk[i].ref, &w, &e), 0);
		assert_int_equal(w.n, 0);
		meta_writes_free(&w);
	}
}

/* All bytes of both copies are written anew, from the set, and are the same. */
static void reproduced(struct test_set *s, struct meta_set *set)
{
	for (size_t i = 0; i < set->n_members; i++)
		memset(set->members[i].touched, true, set->members[i].layout.sectors);
	for (size_t i = 0; i < s->n; i++) {
		struct meta_writes w = {0};
		struct test_disk d = {0};
		struct err e;
		size_t len = 0;

		if (stale(s, i) || torn(s, i))
			continue;
		test_disk_copy(&d, &s->disk[i]);
		assert_int_equal(meta_ddf.encode(set, s->disk[i].ref, &w, &e), 0);
		for (size_t k = 0; k < w.n; k++) {
			len += w.w[k].len;
			test_write(&d, &w.w[k]);
		}
		assert_int_equal(len, 2 * ((copy_sectors(s) + 7) / 8 * 8 + 8) * 512);
		assert_memory_equal(d.bytes, s->disk[i].bytes, (size_t)(d.sectors - d.first) * 512);
		meta_writes_free(&w);
		test_disk_free(&d);
	}
}

static void read_and_write(struct test_set *s)
{
	struct meta_set *set = test_join(s, 0);
	struct meta_view *v = NULL;
	struct err e;
	char *text = test_set_text(set);

	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	against_md(s, v);
	against_golden(s, text);
	merged(s, text);
	unchanged(s, set);
	reproduced(s, set);
	free(text);
	meta_view_free(v);
	meta_ddf.set_free(set);
}

/* As mdadm wrote them. Then in little-endian byte order: they say the same, too, and are written as they were. */
static void cases_are_read_and_written(void **state _unused_)
{
	for_rows (i, cases) {
		struct test_set s;

		row_name("%s", cases[i]);
		test_set_load(&s, cases[i]);
		read_and_write(&s);
		row_name("%s, little-endian", cases[i]);
		test_set_dialect(&s, true, false);
		read_and_write(&s);
		test_set_free(&s);
	}
}

/* The same sets on disks with larger blocks; and there with the CRCs that FreeBSD's graid writes. */
static void blocks_of_4096(void **state _unused_)
{
	for_rows (i, cases) {
		struct test_set s;
		char name[64];

		snprintf(name, sizeof(name), "%s:4096", cases[i]);
		row_name("%s", name);
		test_set_load(&s, name);
		read_and_write(&s);
		row_name("%s, other CRCs", name);
		test_set_dialect(&s, i % 2, true);
		read_and_write(&s);
		test_set_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(cases_are_read_and_written),
		unit(blocks_of_4096),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
