// SPDX-License-Identifier: GPL-2.0-or-later
/* Signatures of other formats, each where libblkid looks for it; in the data of a volume they are not looked for. That
 * libblkid sees the same is asked of it where it is installed. */
#include "actions/meta/meta.h"
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTORS = 8192 };
static uint8_t disk[SECTORS * 512];

static int read_disk(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	const uint64_t *have = u;

	if (sector > *have || sectors > *have - sector)
		return -ERANGE;
	memcpy(buf, disk + sector * 512, (size_t)sectors * 512);
	return 0;
}

static struct meta_reader reader(uint64_t *sectors)
{
	return (struct meta_reader){.read = read_disk, .u = sectors, .sectors = *sectors, .sector_size = 512};
}

static const char *found(uint64_t sectors, const struct meta_view *own)
{
	static char text[400];
	const struct meta_other *list[META_OTHERS_MAX];
	struct meta_reader r = reader(&sectors);

	meta_others_text(list, meta_others(&r, own, list), text, sizeof(text));
	return text;
}

static void put(uint64_t sector, size_t byte, const char *bytes, size_t len)
{
	memcpy(disk + sector * 512 + byte, bytes, len);
}

static void put_md(uint64_t sector, uint64_t data, uint64_t size)
{
	uint64_t at[3] = {htole64(data), htole64(size), htole64(sector)};

	put(sector, 0, "\xfc\x4e\x2b\xa9\1\0\0\0", 8);
	put(sector, 128, (const char *)at, sizeof(at));
}

/* NULL: there is no blkid here. */
static const char *by_blkid(void)
{
	static char word[64];
	char path[] = "/tmp/spared-others-XXXXXX", command[96];
	int fd = mkstemp(path);
	FILE *p;

	word[0] = '\0';
	assert_int_equal(write(fd, disk, sizeof(disk)), sizeof(disk));
	close(fd);
	snprintf(command, sizeof(command), "blkid -p -s TYPE -o value %s", path);
	p = system("blkid -V > /dev/null 2>&1") == 0 ? popen(command, "r") : NULL;
	if (p && fgets(word, sizeof(word), p))
		word[strcspn(word, "\n")] = '\0';
	if (p)
		pclose(p);
	unlink(path);
	return p ? word : NULL;
}

static const struct {
	uint64_t sector;
	size_t byte;
	const char *bytes, *type;
} places[] = {
	{SECTORS - 2, 0, "Intel Raid ISM Cfg Sig. 1.3.00", "isw_raid_member"},
	{SECTORS - 2, 0, "NVIDIA", "nvidia_raid_member"},
	{SECTORS - 11, 0, "\xf3\x16\x78\x5a", "hpt45x_raid_member"},
	{SECTORS - 11, 0, "\xfd\x16\x78\x5a", "hpt45x_raid_member"},
	{9, 32, "\xf0\x16\x78\x5a", "hpt37x_raid_member"},
	{SECTORS - 16, 0, "Promise Technology, Inc.", "promise_fasttrack_raid_member"},
	{SECTORS - 991, 0, "Promise Technology, Inc.", "promise_fasttrack_raid_member"},
	{SECTORS - 3087, 0, "Promise Technology, Inc.", "promise_fasttrack_raid_member"},
	{SECTORS - 128, 0, "\xfc\x4e\x2b\xa9", "linux_raid_member"},
};

static void each_place(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *blkid;

		memset(disk, 0, sizeof(disk));
		assert_string_equal(found(SECTORS, NULL), "");
		put(places[i].sector, places[i].byte, places[i].bytes, strlen(places[i].bytes));
		assert_non_null(strstr(found(SECTORS, NULL), places[i].type));
		assert_null(strchr(found(SECTORS, NULL), ','));
		blkid = by_blkid();
		if (blkid)
			assert_string_equal(blkid, places[i].type);
		else
			print_message("there is no blkid: nothing else looks for %s\n", places[i].type);
		/* A disk of another size has it elsewhere. */
		if (places[i].sector > 16)
			assert_string_equal(found(SECTORS - 1000, NULL), "");
	}
	for (uint64_t n = 0; n < 9; n++) /* too small for any */
		assert_string_equal(found(n, NULL), "");
}

static void linux_md(void **state _unused_)
{
	static const uint64_t at[] = {0, 8, SECTORS - 16};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		const char *blkid;

		memset(disk, 0, sizeof(disk));
		put_md(at[i], 2048, 4000);
		assert_string_equal(found(SECTORS, NULL), "metadata of a Linux MD array (linux_raid_member)");
		blkid = by_blkid();
		assert_true(!blkid || strcmp(blkid, "linux_raid_member") == 0);
		put(at[i], 144, "\x77", 1); /* one that belongs elsewhere */
		assert_string_equal(found(SECTORS, NULL), "");
	}
}

/* Of a view of mdadm's own: a volume lies at the beginning of the disk. */
static void in_the_data_of_a_volume(void **state _unused_)
{
	const struct meta_volume *v;
	struct meta_view *view;
	struct meta_set *set;
	struct test_set s;
	uint64_t last = 0;

	test_set_load(&s, "raid1");
	set = test_join(&s, 0);
	assert_int_equal(meta_ddf.set_view(set, &view, NULL), 0);
	v = &view->volumes[0];
	snprintf(view->self, sizeof(view->self), "%s", v->members[0].ref);
	last = v->members[0].offset + v->member_sectors;
	assert_int_equal(v->members[0].offset, 0);
	assert_true(last + 64 < SECTORS * 16);
	memset(disk, 0, sizeof(disk));
	put(9, 32, "\xf0\x16\x78\x5a", 4);
	assert_string_equal(found(SECTORS, view), "");
	put_md(8, 2048, last - 2048); /* made of the volume */
	assert_string_equal(found(SECTORS, view), "");
	put_md(8, 2048, SECTORS); /* of a larger disk than this */
	assert_string_equal(found(SECTORS, view), "");
	if (last < SECTORS) {
		put_md(8, 2048, SECTORS - 2048); /* of the whole disk */
		assert_non_null(strstr(found(SECTORS, view), "linux_raid_member"));
	}
	put(SECTORS - 2, 0, "Intel Raid ISM Cfg Sig. ", 24);
	assert_true(last > SECTORS - 2 || strstr(found(SECTORS, view), "isw_raid_member"));
	meta_view_free(view);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* It has the data of a volume yet that it was a member of: an array was made of that. */
static void on_a_spare(void **state _unused_)
{
	struct meta_disk own = {.ref = "0badcafe", .spare = true, .sectors = SECTORS - 1024};
	struct meta_view view = {.self = "0badcafe", .n_disks = 1, .disks = &own};

	memset(disk, 0, sizeof(disk));
	put_md(8, 2048, 1024);
	assert_string_equal(found(SECTORS, NULL), "metadata of a Linux MD array (linux_raid_member)");
	assert_string_equal(found(SECTORS, &view), "");
	put_md(8, 2048, SECTORS - 2048); /* of the whole disk, made over a spare */
	assert_string_equal(found(SECTORS, &view), "metadata of a Linux MD array (linux_raid_member)");
	memset(disk, 0, sizeof(disk));
	put_md(SECTORS - 16, 0, 1024); /* where no volume can be */
	assert_string_equal(found(SECTORS, &view), "metadata of a Linux MD array (linux_raid_member)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(each_place),
		unit(linux_md),
		unit(in_the_data_of_a_volume),
		unit(on_a_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
