// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks with logical blocks of 4096 bytes: what is read, edited and written is what disks with blocks of 512 would get,
 * in their own unit; and what cannot be is refused. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

static const struct ddf_header *anchor(struct test_disk *d)
{
	return (const struct ddf_header *)test_sector(d, d->sectors - d->sector_size / 512);
}

/* A failure, a spare in its place, and a blank disk added as a spare; then as the disks say it. */
static char *after_edits(const char *name, unsigned sector_size)
{
	struct test_set s;
	struct meta_set *set;
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = 1, .state = MEMBER_FAILED};
	char *memory, *disks;
	struct err e;
	size_t n;

	test_set_load(&s, name);
	set = test_join(&s, 0);
	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	edit.op = META_ASSIGN;
	snprintf(edit.ref, sizeof(edit.ref), "eab721f2"); /* the spare of spare-global */
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	test_commit(&s, set);
	n = test_disk_add(&s, 131072);
	assert_int_equal(s.disk[n].sector_size, sector_size);
	assert_int_equal(meta_ddf.add_disk(set, 131072, sector_size, "S", s.disk[n].ref, &e), 0);
	memcpy(edit.ref, s.disk[n].ref, sizeof(edit.ref));
	edit.op = META_ADD_SPARE;
	edit.volume[0] = '\0';
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	test_commit(&s, set);
	memory = test_set_text(set);
	meta_ddf.set_free(set);
	set = test_join(&s, 0);
	disks = test_set_text(set);
	assert_string_equal(disks, memory);
	memset(strstr(disks, s.disk[n].ref), '-', 8); /* its reference is random */
	free(memory);
	meta_ddf.set_free(set);
	test_set_free(&s);
	return disks;
}

static void edits_are_the_same(void **state _unused_)
{
	char *small = after_edits("spare-global", 512), *large = after_edits("spare-global:4096", 4096);

	assert_string_equal(large, small);
	assert_non_null(strstr(large, "slot 1 eab721f2 offset 0 rebuilding"));
	free(small);
	free(large);
}

/* A record is a whole block, its CRC as well; numbers are in blocks. */
static void on_the_disk(void **state _unused_)
{
	struct test_set s;
	struct test_disk *d = &s.disk[0];
	const struct ddf_header *h;
	uint64_t primary;
	char *text;

	test_set_load(&s, "spare-global:4096");
	h = anchor(d);
	primary = be64_get(h->primary_lba);
	assert_int_equal(primary, (d->sectors - 32768) / 8);
	assert_int_equal(be32_get(h->crc), ddf_crc(h, 4096));
	assert_int_equal(be32_get(h->section[DDF_SEC_CONTROLLER].offset), 1);
	for (int i = 0; i < 2; i++) {
		const uint8_t *p = test_sector(d, (primary + (i ? 1 : 0)) * 8);

		assert_int_equal(ddf_magic(p), (uint32_t)(i ? DDF_CONTROLLER_MAGIC : DDF_HEADER_MAGIC));
	}
	/* a bit in the block's last sector counts */
	test_sector(d, primary * 8 + 7)[500] ^= 1;
	test_sector(d, (primary * 8) - 32768 + 8 + 7)[500] ^= 1; /* the secondary's controller data */
	text = test_disk_text(d);
	assert_non_null(strstr(text, "the DDF primary header's CRC is wrong"));
	free(text);
	test_set_free(&s);
}

/* The same bytes seen through another block size hold no DDF. */
static void other_blocks(void **state _unused_)
{
	static const struct {
		unsigned sector_size;
		int parse;
	} sizes[] = {{512, -EBADMSG}, {1024, -EBADMSG}, {2048, -EBADMSG}, {8192, -ENOTSUP},
		     {520, -ENOTSUP}, {0, -ENOTSUP},	{1, -ENOTSUP}};
	struct test_set s;

	test_set_load(&s, "raid1:4096");
	for_rows (i, sizes) {
		struct meta_copy *c;
		struct err e = {0};

		s.disk[0].reader.sector_size = sizes[i].sector_size;
		assert_int_equal(meta_ddf.probe(&s.disk[0].reader, &e), 0);
		assert_int_equal(meta_ddf.parse(&s.disk[0].reader, &c, &e), sizes[i].parse);
		assert_true(e.msg[0]);
	}
	test_set_free(&s);
}

/* DDF 2.0 allows disks of several block sizes in one set; md and this program do not. */
static void no_mixture(void **state _unused_)
{
	struct test_set small, large;
	struct meta_copy *c[2];
	struct meta_set *set;
	char ref[META_REF_MAX];
	struct err e;

	test_set_load(&small, "raid1");
	test_set_load(&large, "raid1:4096");
	assert_int_equal(meta_ddf.parse(&small.disk[0].reader, &c[0], &e), 0);
	assert_int_equal(meta_ddf.parse(&large.disk[1].reader, &c[1], &e), 0);
	assert_int_equal(meta_ddf.join((const struct meta_copy *const *)c, 2, &set, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "of one DDF container have sectors of "));
	set = test_join(&large, 0);
	assert_int_equal(meta_ddf.add_disk(set, 131072, 512, "", ref, &e), -EINVAL);
	assert_string_equal(e.msg, "the disk has sectors of 512 bytes, the disks of the set have 4096");
	assert_int_equal(meta_ddf.add_disk(set, 131071, 4096, "", ref, &e), -EINVAL);
	meta_ddf.set_free(set);
	meta_ddf.copy_free(c[0]);
	meta_ddf.copy_free(c[1]);
	test_set_free(&small);
	test_set_free(&large);
}

#define AT(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)

/* Numbers that are right in blocks and cannot be in sectors: times eight they would come out small again. */
static void too_large(void **state _unused_)
{
	static const struct {
		bool conf;
		size_t offset, size;
		uint64_t value;
		const char *want;
	} lies[] = {
		{false, AT(ddf_header, primary_lba), (UINT64_C(1) << 61) + 8192, "do not fit into a disk of"},
		{false, AT(ddf_header, secondary_lba), (UINT64_C(1) << 61) + 4096, "do not fit into a disk of"},
		{false, offsetof(struct ddf_header, section[DDF_SEC_PD].offset), 4, 0x20000001, "cannot be"},
		{false, offsetof(struct ddf_header, section[DDF_SEC_CONFIG].length), 4, 0x20000001, "cannot be"},
		{false, AT(ddf_header, config_record_length), 66, "hold no record of"},
		{true, AT(ddf_conf, blocks), UINT64_C(1) << 61, "lie beyond the"},
		{true, AT(ddf_conf, vd_blocks), (UINT64_C(1) << 61) + 1, "it claims more blocks"},
		{true, 512 + 256 * 4, 8, UINT64_C(1) << 61, "lie beyond the"},
		{true, AT(ddf_conf, block_size), 512, "blocks of 512 bytes"},
		{true, AT(ddf_conf, block_size), 0xFFFF, "volume "},
	};
	struct test_set s;

	test_set_load(&s, "raid5-n-continue:4096");
	for_rows (i, lies) {
		struct test_disk d = {0};
		struct ddf_layout l;
		char *text;

		test_disk_copy(&d, &s.disk[0]);
		assert_int_equal(ddf_layout_read(anchor(&d), d.sectors, 8, &l, NULL), 0);
		for (int k = 0; k < 3; k++) {
			uint8_t *copy = test_sector(&d, k < 2 ? l.lba[k] : d.sectors - 8), *record = copy;
			uint64_t v = lies[i].value;

			if (lies[i].conf && k == 2)
				continue;
			for (unsigned n = 0; lies[i].conf && ddf_magic(record) != (uint32_t)DDF_CONF_MAGIC; n++)
				record = ddf_conf_slot(&l, copy, n);
			for (size_t n = lies[i].size; n-- > 0; v >>= 8)
				record[lies[i].offset + n] = (uint8_t)v;
			ddf_seal(record, 4096);
		}
		text = test_disk_text(&d);
		if (!strstr(text, lies[i].want))
			fail_msg("'%s' is not in:\n%s", lies[i].want, text);
		free(text);
		test_disk_free(&d);
	}
	test_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(edits_are_the_same), unit(on_the_disk), unit(other_blocks), unit(no_mixture), unit(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
