// SPDX-License-Identifier: GPL-2.0-or-later
/* Metadata that lie: the CRC is right and what it covers is wrong. All are refused by name and reason, and nothing is
 * read or written outside of the disk. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

enum where { HEADER, PD_TABLE, VD_TABLE, CONF, DATA };

/* Where mdadm puts them in a copy, and how long the CRC is; sectors. */
static const struct {
	unsigned sector, sectors;
} places[] = {
	[HEADER] = {0, 1}, [PD_TABLE] = {2, 128}, [VD_TABLE] = {130, 32}, [CONF] = {169, 7}, [DATA] = {617, 1},
};

#define AT(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define SECTION(n, part) offsetof(struct ddf_header, section[n].part), 4
#define PD(n, field) (64 + (n)*64 + offsetof(struct ddf_pd_entry, field)), sizeof(((struct ddf_pd_entry *)0)->field)
#define ELEMENT(n) (512 + (n)*4), 4
#define LBA(n) (512 + 1024 + (n)*8), 8

/* One number of disk 1 of two-volumes, in both copies; the CRCs are made right again. */
static const struct lie {
	enum where where;
	size_t offset, size;
	uint64_t value;
	const char *want;
} lies[] = {
	{HEADER, AT(ddf_header, primary_lba), 98303,
	 "DDF primary copy: sectors 98303 + 618 do not fit into a disk of 98304"},
	{HEADER, AT(ddf_header, primary_lba), UINT64_MAX - 5, "DDF primary copy: sectors"},
	{HEADER, AT(ddf_header, secondary_lba), 98304 - 500, "DDF secondary copy: sectors 97804 + 618 do not fit"},
	{HEADER, AT(ddf_header, secondary_lba), 65536, "primary and secondary copies lie over each other"},
	{HEADER, SECTION(DDF_SEC_PD, offset), 1, "physical disk records lie over the controller data"},
	{HEADER, SECTION(DDF_SEC_PD, length), 0, "the DDF header has no physical disk records"},
	{HEADER, SECTION(DDF_SEC_VD, offset), 0xFFFFFFF0,
	 "virtual disk records: offset 4294967280, length 32 cannot be"},
	{HEADER, SECTION(DDF_SEC_CONFIG, length), 0x10000, "physical disk data lie over the configuration records"},
	{HEADER, SECTION(DDF_SEC_BBM, length), 0x7FFFFFFF, NULL}, /* its offset says that there is none */
	{HEADER, AT(ddf_header, config_record_length), 0,
	 "configuration records of 0 sectors cannot hold 256 elements"},
	{HEADER, AT(ddf_header, config_record_length), 6,
	 "configuration records of 6 sectors cannot hold 256 elements"},
	{HEADER, AT(ddf_header, config_record_length), 456, "455 sectors hold no record of 456"},
	{HEADER, AT(ddf_header, max_primary_elements), 65534, "records of 7 sectors cannot hold 65534 elements"},
	{HEADER, AT(ddf_header, max_pd_entries), 1024, "physical disk records: 128 sectors cannot hold 1024 entries"},
	{HEADER, AT(ddf_header, max_vd_entries), 256, "virtual disk records: 32 sectors cannot hold 256 entries"},
	{HEADER, AT(ddf_header, revision), 0x3031393930303030, "revision is not known"},
	{HEADER, AT(ddf_header, workspace_lba), UINT64_MAX, NULL},
	{PD_TABLE, AT(ddf_pd_table, max), 1024, "physical disk records: 1024 entries do not fit into 65536 bytes"},
	{PD_TABLE, AT(ddf_pd_table, magic), 0x22222223, "physical disk records: signature 22222223 is not 22222222"},
	{PD_TABLE, PD(1, ref), 0x044330C2, "two disks have reference 044330c2"},
	{PD_TABLE, PD(0, ref), 0x12345678, "disk 83a97a81 is not among the physical disk records"},
	{PD_TABLE, PD(0, size), 32769, "32769 usable sectors reach into the DDF copy at sector 32768"},
	{PD_TABLE, PD(1, size), 8191, "sectors 8192 + 6144 lie beyond the 8191 usable ones of disk 5ef34759"},
	{VD_TABLE, AT(ddf_vd_table, max), 256, "virtual disk records: 256 entries do not fit into 16384 bytes"},
	{CONF, AT(ddf_conf, primary_elements), 0, "configuration record 1: 0 elements, the limit is 256"},
	{CONF, AT(ddf_conf, primary_elements), 257, "configuration record 1: 257 elements, the limit is 256"},
	{CONF, AT(ddf_conf, primary_elements), 3, "more disks than its 3 elements"},
	{CONF, AT(ddf_conf, secondary_elements), 0, "no secondary elements"},
	{CONF, AT(ddf_conf, blocks), 0, "the volume has no blocks"},
	{CONF, AT(ddf_conf, blocks), 8193, "two volumes use sector 8192 of disk"},
	{CONF, AT(ddf_conf, blocks), UINT64_MAX, "lie beyond the"},
	{CONF, LBA(0), UINT64_MAX - 1, "lie beyond the"},
	{CONF, LBA(0), 1, "two volumes use sector 8192 of disk"},
	{CONF, LBA(0), 30000, "sectors 30000 + 8192 lie beyond the 32768 usable ones of disk"},
	{CONF, AT(ddf_conf, vd_blocks), 24577,
	 "unsupported layout 0 chunk 0 sectors 24577 of 8192 each clean initialised: it claims"},
	{CONF, AT(ddf_conf, stripe_size), 40, "a stripe size of 2^40 blocks"},
	{CONF, AT(ddf_conf, stripe_size), 14, "a stripe size of 2^14 blocks"},
	{CONF, AT(ddf_conf, block_size), 4096, "blocks of 4096 bytes"},
	{CONF, AT(ddf_conf, level), 4, "DDF RAID4 with qualifier 3"},
	{CONF, AT(ddf_conf, level), 0x77, "DDF level 0x77"},
	{CONF, AT(ddf_conf, qualifier), 9, "DDF RAID5 with qualifier 9"},
	{CONF, AT(ddf_conf, secondary_elements), 2, "secondary levels over anything but mirrors of two"},
	{CONF, ELEMENT(0), 0xFFFFFFFF, "which slots they had cannot be told"},
	{CONF, ELEMENT(3), 0xFFFFFFFF, "  slot 3 - offset 0 empty"},
	{CONF, ELEMENT(0), 0, "  slot 0 - offset 0 empty"},
	{DATA, AT(ddf_data, ref), 0, "disk 00000000 is not among the physical disk records"},
	{DATA, AT(ddf_data, magic), 0, "physical disk data: signature 00000000 is not 33333333"},
};

static void put(uint8_t *p, size_t size, uint64_t value)
{
	while (size-- > 0) {
		p[size] = (uint8_t)value;
		value >>= 8;
	}
}

static void tell(struct test_disk *d, const struct lie *l)
{
	const uint64_t copies[] = {d->sectors - 32768, d->sectors - 65536, d->sectors - 1};

	for (size_t i = 0; i < (l->where == HEADER ? 3U : 2U); i++) {
		uint8_t *record = test_sector(d, copies[i] + places[l->where].sector);

		put(record + l->offset, l->size, l->value);
		ddf_seal(record, (size_t)places[l->where].sectors * 512);
	}
}

static void lying(void **state)
{
	const struct test_set *s = *state;
	for_rows (i, lies) {
		struct test_disk d = {0};
		char *text;

		test_disk_copy(&d, &s->disk[0]);
		tell(&d, &lies[i]);
		text = test_disk_text(&d);
		if (lies[i].want && !strstr(text, lies[i].want))
			fail_msg("'%s' is not in:\n%s", lies[i].want, text);
		if (!lies[i].want)
			assert_ptr_equal(strstr(text, "set "), text);
		free(text);
		test_disk_free(&d);
	}
}

/* One bit of one copy: the other one is read. Of both: refused. */
static void damaged(void **state)
{
	const struct test_set *s = *state;
	static const unsigned sectors[] = {0, 1, 2, 60, 129, 130, 161, 162, 168, 617};
	char *whole = test_disk_text(&s->disk[0]);

	for_rows (i, sectors) {
		struct test_disk d = {0};
		char *text;

		test_disk_copy(&d, &s->disk[0]);
		test_sector(&d, d.sectors - 32768 + sectors[i])[77] ^= 4;
		text = test_disk_text(&d);
		assert_string_equal(text, whole);
		free(text);
		test_sector(&d, d.sectors - 65536 + sectors[i])[77] ^= 4;
		text = test_disk_text(&d);
		assert_true(strncmp(text, "-74: ", 5) == 0 && strstr(text, "CRC is wrong"));
		free(text);
		test_disk_free(&d);
	}
	free(whole);
}

static void anchors(void **state)
{
	const struct test_set *s = *state;
	struct test_disk d = {0};
	struct meta_copy *c;
	struct err e;

	test_disk_copy(&d, &s->disk[0]);
	test_sector(&d, d.sectors - 1)[300] ^= 1;
	assert_int_equal(meta_ddf.probe(&d.reader, &e), 1);
	assert_int_equal(meta_ddf.parse(&d.reader, &c, &e), -EBADMSG);
	assert_string_equal(e.msg, "the DDF anchor's CRC is wrong");
	memset(test_sector(&d, d.sectors - 1), 0, 512);
	assert_int_equal(meta_ddf.probe(&d.reader, &e), 0);
	assert_int_equal(meta_ddf.parse(&d.reader, &c, &e), -EBADMSG);
	test_disk_free(&d);

	/* the same bytes on a disk of another size: the anchor is not where it was */
	test_disk_copy(&d, &s->disk[0]);
	d.reader.sectors -= 8;
	assert_int_equal(meta_ddf.probe(&d.reader, &e), 0);
	d.reader.sectors = 0;
	assert_int_equal(meta_ddf.probe(&d.reader, &e), 0);
	assert_int_equal(meta_ddf.parse(&d.reader, &c, &e), -EBADMSG);
	test_disk_free(&d);
}

/* The anchor 256 blocks before the last one: the same set, and what is written leaves the last block alone. */
static void anchor_before_the_end(void **state)
{
	const struct test_set *s = *state;
	struct test_set moved = {.n = s->n, .name = "moved"};
	char *was = test_disk_text(&s->disk[0]), *is, *before, *after;
	struct meta_edit edit = {.op = META_SET_CLEAN, .clean = false};
	struct meta_set *set;
	struct meta_copy *c;
	struct err e = {0};

	for (size_t i = 0; i < s->n; i++) {
		struct test_disk *d = &moved.disk[i];

		test_disk_copy(d, &s->disk[i]);
		memcpy(test_sector(d, d->sectors - 257), test_sector(d, d->sectors - 1), 512);
		memset(test_sector(d, d->sectors - 1), 0x5A, 512);
	}
	assert_int_equal(meta_ddf.probe(&moved.disk[0].reader, &e), 1);
	is = test_disk_text(&moved.disk[0]);
	assert_string_equal(is, was);
	set = test_join(&moved, 0);
	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1ULL);
	test_commit(&moved, set);
	before = test_set_text(set);
	meta_ddf.set_free(set);
	set = test_join(&moved, 0);
	after = test_set_text(set);
	assert_string_equal(after, before);
	assert_int_equal(*test_sector(&moved.disk[0], moved.disk[0].sectors - 1), 0x5A);
	meta_ddf.set_free(set);
	/* A copy that lies over it cannot be. */
	put(test_sector(&moved.disk[0], moved.disk[0].sectors - 257) + offsetof(struct ddf_header, primary_lba), 8,
	    moved.disk[0].sectors - 700);
	ddf_seal(test_sector(&moved.disk[0], moved.disk[0].sectors - 257), 512);
	assert_int_equal(meta_ddf.parse(&moved.disk[0].reader, &c, &e), -EBADMSG);
	assert_string_equal(e.msg, "the DDF primary copy lies over the anchor");
	test_set_free(&moved);
	free(was);
	free(is);
	free(before);
	free(after);
}

/* A signature in the other byte order is DDF, and does not make the rest right. */
static void backwards(void **state)
{
	const struct test_set *s = *state;
	static const unsigned places_of[] = {1, 257};

	for_rows (i, places_of) {
		struct test_disk d = {0};
		struct meta_copy *c;
		struct err e = {0};

		test_disk_copy(&d, &s->disk[0]);
		memset(test_sector(&d, d.sectors - 1), 0, 512);
		put(test_sector(&d, d.sectors - places_of[i]), 4, 0x11DE11DE);
		assert_int_equal(meta_ddf.probe(&d.reader, &e), 1);
		assert_int_equal(meta_ddf.parse(&d.reader, &c, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, "anchor's CRC is wrong"));
		test_disk_free(&d);
	}
}

/* Disks that cannot be one set. */
static void strangers(void **state)
{
	struct test_set *s = *state;
	struct test_set other;
	struct meta_copy *c[3] = {0};
	struct meta_set *set;
	struct err e;

	test_set_load(&other, "raid1");
	assert_int_equal(meta_ddf.parse(&s->disk[0].reader, &c[0], &e), 0);
	assert_int_equal(meta_ddf.parse(&other.disk[0].reader, &c[1], &e), 0);
	assert_int_equal(meta_ddf.parse(&s->disk[0].reader, &c[2], &e), 0);
	assert_int_equal(meta_ddf.join((const struct meta_copy *const[]){c[0], c[1]}, 2, &set, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "two DDF containers"));
	assert_int_equal(meta_ddf.join((const struct meta_copy *const[]){c[0], c[2]}, 2, &set, &e), -EBADMSG);
	assert_string_equal(e.msg, "two disks say that they are 83a97a81: one is a clone");
	assert_int_equal(meta_ddf.join(NULL, 0, &set, &e), -EINVAL);
	for (int i = 0; i < 3; i++)
		meta_ddf.copy_free(c[i]);
	test_set_free(&other);
}

static int load(void **state)
{
	static struct test_set set;

	test_set_load(&set, "two-volumes");
	*state = &set;
	return 0;
}

static int unload(void **state)
{
	test_set_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(lying),	 unit(damaged),	  unit(anchors), unit(anchor_before_the_end),
		unit(backwards), unit(strangers),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
