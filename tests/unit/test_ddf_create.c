// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets and volumes that are made here: what we read of them, and what mdadm -E says of each (tests/golden/create; made
 * anew with SPARED_UPDATE=1). */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define SET_GUID "737061726564202030303030303030315834d77a01020304"
#define VOLUME_GUID "737061726564202030303030303030325834d77b01020305"
#define OTHER_GUID "737061726564202030303030303030335834d77c01020306"

enum { DISK_SECTORS = 196608 };

/* A set of n blank disks, nowhere yet. */
static struct meta_set *blank_set(struct test_set *s, size_t n, unsigned sector_size)
{
	struct meta_set *set = NULL;
	struct err e = {0};

	*s = (struct test_set){.name = "made here"};
	for (size_t i = 0; i < n; i++) {
		test_disk_add(s, DISK_SECTORS);
		s->disk[i].reader.u = &s->disk[i];
		s->disk[i].sector_size = s->disk[i].reader.sector_size = sector_size;
		if (i == 0)
			assert_int_equal(
				meta_ddf.create_set(SET_GUID, DISK_SECTORS, sector_size, "S", &set, s->disk[i].ref, &e),
				0);
		else
			assert_int_equal(meta_ddf.add_disk(set, DISK_SECTORS, sector_size, "S", s->disk[i].ref, &e), 0);
	}
	return set;
}

static struct meta_create request(const struct test_set *s, enum raid_level level, int layout, uint32_t chunk,
				  unsigned slots)
{
	struct meta_create c = {
		.guid = VOLUME_GUID, .name = "data", .level = level, .layout = layout, .chunk = chunk, .slots = slots};

	for (unsigned i = 0; i < slots; i++)
		memcpy(c.ref[i], s->disk[i].ref, META_REF_MAX);
	return c;
}

/* Writes, reads back: the bytes must say what memory says. Replaces *set. */
static void commit(struct test_set *s, struct meta_set **set)
{
	char *memory = test_set_text(*set), *disk;

	meta_ddf.set_seq(*set, (*set)->seq + 1ULL);
	test_commit(s, *set);
	meta_ddf.set_free(*set);
	*set = test_join(s, 0);
	disk = test_set_text(*set);
	assert_string_equal(disk, memory);
	free(memory);
	free(disk);
}

static void spare(struct meta_set *set, const char *ref, const char *volume)
{
	struct meta_edit edit = {.op = META_ADD_SPARE};

	memcpy(edit.ref, ref, META_REF_MAX);
	snprintf(edit.volume, sizeof(edit.volume), "%s", volume);
	test_edit(set, edit);
}

/* References are random: "disk 1" takes their place, as wide as they are. */
static void references(const struct test_set *s, char *text)
{
	for (size_t i = 0; i < s->n; i++)
		for (char *p = text; (p = strstr(p, s->disk[i].ref));) {
			char name[16];

			snprintf(name, sizeof(name), "%-8s",
				 (const char *[]){"disk-1", "disk-2", "disk-3", "disk-4", "disk-5", "disk-6", "disk-7",
						  "disk-8"}[i]);
			memcpy(p, name, 8);
		}
}

static void golden(const char *name, const char *text)
{
	char path[256], want[16384] = "";
	FILE *f;

	snprintf(path, sizeof(path), SPARED_TESTS_DIR "/golden/create/%s.txt", name);
	f = fopen(path, getenv("SPARED_UPDATE") ? "we" : "re");
	assert_non_null(f);
	if (getenv("SPARED_UPDATE"))
		fputs(text, f);
	else
		want[fread(want, 1, sizeof(want) - 1, f)] = '\0';
	fclose(f);
	if (!getenv("SPARED_UPDATE"))
		assert_string_equal(text, want);
}

/* What we say, then what mdadm says of the first disk. */
static void compare(const char *name, struct test_set *s, const struct meta_set *set)
{
	char *text = test_set_text(set), *mdadm = test_mdadm(&s->disk[0]), *whole = NULL;
	_cleanup_(buf_free) struct buf all = {0};

	if (mdadm) {
		buf_addf(&all, "%s\n=== mdadm -E\n%s", text, mdadm);
		whole = buf_take(&all);
		references(s, whole);
		golden(name, whole);
	}
	free(whole);
	free(text);
	free(mdadm);
}

static const struct {
	const char *name;
	enum raid_level level;
	int layout;
	uint32_t chunk;
	unsigned slots;
} made[] = {
	{"raid0", RAID0, 0, 128, 3},
	{"raid1", RAID1, 0, 0, 2},
	{"raid1-three", RAID1, 0, 0, 3},
	{"raid4", RAID4, 0, 128, 3},
	{"raid5-n-restart", RAID5, 0, 128, 3},
	{"raid5-0-restart", RAID5, 1, 1024, 4},
	{"raid5-n-continue", RAID5, 2, 128, 3},
	{"raid6-0-restart", RAID6, 8, 128, 4},
	{"raid6-n-restart", RAID6, 9, 128, 5},
	{"raid6-n-continue", RAID6, 10, 1024, 5},
	{"raid10", RAID10, 0x102, 128, 4},
	{"raid10-six", RAID10, 0x102, 128, 6},
	{"raid10-three", RAID10, 0x102, 128, 3},
	{"raid10-five", RAID10, 0x102, 2048, 5},
};

/* One volume over all disks but the last, which is a spare. */
static void each_level(void **state _unused_)
{
	for_rows (i, made) {
		struct test_set s;
		struct meta_set *set = blank_set(&s, made[i].slots + 1, 512);
		struct meta_create c = request(&s, made[i].level, made[i].layout, made[i].chunk, made[i].slots);
		struct err e = {0};

		row_name("%s", made[i].name);
		c.sectors = 65536;
		spare(set, s.disk[made[i].slots].ref, "");
		assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
		commit(&s, &set);
		compare(made[i].name, &s, set);
		/* On a disk, and alone: all that its own slot needs. */
		for (unsigned k = 0; k < made[i].slots; k++) {
			char *alone = test_disk_text(&s.disk[k]);

			assert_non_null(strstr(alone, "volume data"));
			assert_non_null(strstr(alone, s.disk[k].ref));
			free(alone);
		}
		meta_ddf.set_free(set);
		test_set_free(&s);
	}
}

/* The same sets on disks with larger blocks say the same. */
static void blocks_of_4096(void **state _unused_)
{
	for_rows (i, made) {
		char *text[2];

		row_name("%s", made[i].name);
		for (unsigned k = 0; k < 2; k++) {
			struct test_set s;
			struct meta_set *set = blank_set(&s, made[i].slots, k ? 4096 : 512);
			struct meta_create c = request(&s, made[i].level, made[i].layout, made[i].chunk, made[i].slots);
			struct err e = {0};

			assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
			commit(&s, &set);
			text[k] = test_set_text(set);
			references(&s, text[k]);
			meta_ddf.set_free(set);
			test_set_free(&s);
		}
		assert_string_equal(text[1], text[0]);
		free(text[0]);
		free(text[1]);
	}
}

static const struct meta_volume *volume(const struct meta_view *v, const char *guid)
{
	const struct meta_volume *found = meta_view_volume(v, guid);

	assert_non_null(found);
	return found;
}

/* Three volumes on the same disks; the one in the middle goes, and its place is taken again. */
static void several_volumes(void **state _unused_)
{
	struct meta_edit gone = {.op = META_DELETE_VOLUME, .volume = OTHER_GUID};
	struct meta_view *v = NULL;
	struct meta_set *set;
	struct meta_create c;
	struct test_set s;
	struct err e = {0};

	set = blank_set(&s, 5, 512);
	c = request(&s, RAID1, 0, 0, 2);
	c.sectors = 10000;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	c = request(&s, RAID5, 2, 128, 4);
	memcpy(c.guid, OTHER_GUID, sizeof(OTHER_GUID));
	snprintf(c.name, sizeof(c.name), "middle");
	c.sectors = 3 * 20480;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	commit(&s, &set);
	c = request(&s, RAID6, 10, 128, 4);
	c.guid[47] = '9';
	snprintf(c.name, sizeof(c.name), "rest");
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	spare(set, s.disk[4].ref, OTHER_GUID);
	commit(&s, &set);
	compare("three-volumes", &s, set);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_int_equal(volume(v, VOLUME_GUID)->member_sectors, 10240);
	assert_int_equal(volume(v, OTHER_GUID)->members[0].offset, 10240);
	assert_int_equal(volume(v, OTHER_GUID)->members[3].offset, 0);
	/* What the fullest disk has behind the other two, in whole MiB. */
	assert_int_equal(volume(v, c.guid)->members[0].offset, 10240 + 20480);
	assert_int_equal(volume(v, c.guid)->members[3].offset, 20480);
	assert_int_equal(volume(v, c.guid)->member_sectors, (DISK_SECTORS - 65536 - 30720) / 2048 * 2048);
	meta_view_free(v);

	test_edit(set, gone);
	commit(&s, &set);
	compare("one-deleted", &s, set);
	for (unsigned i = 0; i < 5; i++) {
		char *alone = test_disk_text(&s.disk[i]);

		assert_null(strstr(alone, "middle"));
		free(alone);
	}
	c = request(&s, RAID5, 2, 128, 3);
	memcpy(c.guid, OTHER_GUID, sizeof(OTHER_GUID));
	snprintf(c.name, sizeof(c.name), "again");
	c.sectors = 2 * 20480;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	commit(&s, &set);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_int_equal(volume(v, OTHER_GUID)->members[0].offset, 10240);
	meta_view_free(v);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void renamed(void **state _unused_)
{
	struct meta_edit edit = {.op = META_RENAME_VOLUME, .volume = VOLUME_GUID, .name = "another name"};
	struct test_set s;
	struct meta_set *set = blank_set(&s, 2, 512);
	struct meta_create c = request(&s, RAID1, 0, 0, 2);
	struct err e = {0};

	c.initialised = true;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	commit(&s, &set);
	test_edit(set, edit);
	commit(&s, &set);
	compare("renamed", &s, set);
	snprintf(edit.name, sizeof(edit.name), "seventeen letters");
	assert_int_equal(meta_ddf.edit(set, &edit, &e), -EINVAL);
	memcpy(edit.volume, OTHER_GUID, sizeof(OTHER_GUID));
	assert_int_equal(meta_ddf.edit(set, &edit, &e), -ENOENT);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void refused_to_grow(struct meta_set *set, uint64_t sectors, int r, const char *why)
{
	struct meta_edit edit = {.op = META_GROW_VOLUME, .volume = VOLUME_GUID, .sectors = sectors};
	char *before = test_set_text(set), *after;
	struct err e = {0};

	assert_int_equal(meta_ddf.edit(set, &edit, &e), r);
	if (!strstr(e.msg, why))
		fail_msg("'%s' is not in: %s", why, e.msg);
	after = test_set_text(set);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void grown(void **state _unused_)
{
	struct meta_edit edit = {.op = META_GROW_VOLUME, .volume = VOLUME_GUID, .sectors = 2 * 30000};
	struct meta_edit gone = {.op = META_DELETE_VOLUME, .volume = OTHER_GUID};
	struct test_set s;
	struct meta_set *set = blank_set(&s, 4, 512);
	struct meta_create c = request(&s, RAID5, 2, 128, 3);
	struct meta_view *v = NULL;
	struct err e = {0};

	c.initialised = true;
	c.sectors = 2 * 20480;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	c = (struct meta_create){
		.guid = OTHER_GUID, .name = "behind", .level = RAID1, .slots = 2, .sectors = 4096, .initialised = true};
	memcpy(c.ref[0], s.disk[1].ref, META_REF_MAX);
	memcpy(c.ref[1], s.disk[3].ref, META_REF_MAX);
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	commit(&s, &set);
	refused_to_grow(set, 0, -ENOSPC, "has 0 KiB free right behind");
	refused_to_grow(set, 2 * 20480 - 1, -EINVAL, "never made smaller");
	test_edit(set, gone);
	refused_to_grow(set, UINT64_MAX, -ENOSPC, "has 55296 KiB free right behind");
	refused_to_grow(set, 2 * (uint64_t)(DISK_SECTORS - 65536) + 2, -ENOSPC, "each member needs 55297 KiB more");

	/* In whole MiB, and for mdadm not initialised. */
	test_edit(set, edit);
	commit(&s, &set);
	compare("grown", &s, set);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_int_equal(volume(v, VOLUME_GUID)->member_sectors, 30720);
	assert_int_equal(volume(v, VOLUME_GUID)->sectors, 2 * 30720);
	assert_false(volume(v, VOLUME_GUID)->initialised);
	meta_view_free(v);

	edit.sectors = 0;
	test_edit(set, edit);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_int_equal(volume(v, VOLUME_GUID)->member_sectors, DISK_SECTORS - 65536);
	meta_view_free(v);
	refused_to_grow(set, 0, -ENOSPC, "there is no room");
	gone = (struct meta_edit){.op = META_SET_MEMBER, .volume = VOLUME_GUID, .slot = 1, .state = MEMBER_FAILED};
	test_edit(set, gone);
	refused_to_grow(set, 0, -EINVAL, "slot 1 is failed");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void pairs_do_not_grow(void **state _unused_)
{
	static const unsigned slots[] = {3, 4, 5};

	for_rows (i, slots) {
		struct test_set s;
		struct meta_set *set = blank_set(&s, slots[i], 512);
		struct meta_create c = request(&s, RAID10, 0x102, 128, slots[i]);

		c.sectors = (uint64_t)slots[i] * 10240;
		assert_int_equal(meta_ddf.create_volume(set, &c, NULL), 0);
		refused_to_grow(set, 0, -ENOTSUP, "RAID10");
		meta_ddf.set_free(set);
		test_set_free(&s);
	}
}

/* Neither we nor mdadm find anything on a disk that was erased. */
static void erased(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set = blank_set(&s, 2, 512);
	struct meta_writes w = {0};
	struct err e = {0};
	char *text;

	commit(&s, &set);
	assert_int_equal(meta_ddf.erase(set, s.disk[1].ref, &w, &e), 0);
	for (size_t i = 0; i < w.n; i++)
		test_write(&s.disk[1], &w.w[i]);
	meta_writes_free(&w);
	assert_int_equal(meta_ddf.probe(&s.disk[1].reader, &e), 0);
	assert_int_equal(meta_ddf.probe(&s.disk[0].reader, &e), 1);
	text = test_mdadm(&s.disk[1]);
	if (text)
		assert_null(strstr(text, "de11de11"));
	free(text);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static const struct {
	enum raid_level level;
	int layout;
	uint32_t chunk, sectors;
	unsigned slots;
	const char *name;
	int code;
	const char *why;
} refusals[] = {
	{RAID1, 0, 0, 0, 4, "data", EINVAL, "DDF has no raid1 of 4 members with layout 0 that Linux reads"},
	{RAID1, 0, 128, 0, 2, "data", EINVAL, "RAID1 has no chunks"},
	{RAID5, 3, 128, 0, 3, "data", EINVAL, "DDF has no raid5 of 3 members with layout 3"},
	{RAID5, 2, 100, 0, 3, "data", EINVAL, "a chunk of 100 sectors cannot be"},
	{RAID5, 2, 0, 0, 3, "data", EINVAL, "a chunk of 0 sectors cannot be"},
	{RAID6, 2, 128, 0, 4, "data", EINVAL, "DDF has no raid6"},
	{RAID5, 2, 128, 4096, 1, "data", EINVAL, "DDF has no raid5 of 1 members"},
	{RAID6, 10, 128, 4096, 2, "data", EINVAL, "DDF has no raid6 of 2 members"},
	{RAID10, 0x102, 128, 0, 2, "data", EINVAL, "DDF has no raid10 of 2 members"},
	{RAID10, 0x103, 128, 0, 3, "data", EINVAL, "DDF has no raid10 of 3 members with layout 259"},
	{RAID4, 5, 128, 0, 3, "data", EINVAL, "DDF has no raid4 of 3 members with layout 5"},
	{RAID10, 0x201, 128, 0, 4, "data", EINVAL, "DDF has no raid10 of 4 members with layout 513"},
	{RAID_UNSUPPORTED, 0, 128, 0, 4, "data", EINVAL, "DDF has no such level"},
	{RAID5, 2, 128, 400000, 3, "data", ENOSPC, "KiB free in one piece; each member needs 100000 KiB"},
	{RAID5, 2, 128, 0, 3, "", EINVAL, "is no name for a DDF volume"},
	{RAID5, 2, 128, 0, 3, "seventeen letters", EINVAL, "is no name for a DDF volume"},
	{RAID5, 2, 128, 0, 3, "a/b", EINVAL, "control character or a '/'"},
	{RAID5, 2, 128, 0, 3, "there", EEXIST, "the set has a volume 'there' already"},
};

/* Nothing is changed by what is refused. */
static void refused(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set = blank_set(&s, 4, 512);
	struct meta_create c = request(&s, RAID1, 0, 0, 2);
	struct err e = {0};
	char *before, *after;

	memcpy(c.guid, OTHER_GUID, sizeof(OTHER_GUID));
	snprintf(c.name, sizeof(c.name), "there");
	c.sectors = 2048;
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), 0);
	before = test_set_text(set);
	for_rows (i, refusals) {
		c = request(&s, refusals[i].level, refusals[i].layout, refusals[i].chunk, refusals[i].slots);
		snprintf(c.name, sizeof(c.name), "%s", refusals[i].name);
		c.sectors = refusals[i].sectors;
		assert_int_equal(meta_ddf.create_volume(set, &c, &e), -refusals[i].code);
		assert_non_null(strstr(e.msg, refusals[i].why));
	}
	c = request(&s, RAID5, 2, 128, 3);
	memcpy(c.ref[1], c.ref[2], META_REF_MAX);
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "is given twice"));
	c = request(&s, RAID5, 2, 128, 3);
	memcpy(c.guid, OTHER_GUID, sizeof(OTHER_GUID));
	assert_int_equal(meta_ddf.create_volume(set, &c, &e), -EEXIST);
	after = test_set_text(set);
	assert_string_equal(after, before);
	free(before);
	free(after);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void guids(void **state _unused_)
{
	char a[META_GUID_MAX], b[META_GUID_MAX];
	struct meta_set *set = NULL;
	char ref[META_REF_MAX];
	struct err e = {0};

	assert_int_equal(meta_ddf.new_guid(a, &e), 0);
	assert_int_equal(meta_ddf.new_guid(b, &e), 0);
	assert_int_equal(strlen(a), 48);
	assert_string_not_equal(a, b);
	assert_memory_equal(a, "7370617265642020", 16); /* "spared  " */
	assert_int_equal(meta_ddf.create_set("no GUID", DISK_SECTORS, 512, "", &set, ref, &e), -EINVAL);
	assert_int_equal(meta_ddf.create_set(SET_GUID, 65536, 512, "", &set, ref, &e), -ENOSPC);
	assert_int_equal(meta_ddf.create_set(SET_GUID, DISK_SECTORS, 520, "", &set, ref, &e), -ENOTSUP);
	assert_null(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(each_level),	 unit(blocks_of_4096), unit(several_volumes), unit(renamed), unit(grown),
		unit(pairs_do_not_grow), unit(erased),	       unit(refused),	      unit(guids),
	};

	setenv("TZ", "UTC", 1); /* mdadm prints times */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
