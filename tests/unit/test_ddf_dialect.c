// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks in little-endian byte order, and with the other CRCs: what is edited and written there is what disks of mdadm's
 * would get, in their own kind. test_ddf_golden.c reads all sets in them, test_ddf_torn.c cuts their writes. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

static const struct {
	const char *blocks, *kind;
	bool little, usual_crc;
} kinds[] = {
	{"", ":little", true, false},
	{"", ":usual", false, true},
	{"", ":little:usual", true, true},
	{":4096", ":little", true, false},
};

/* A failure; the spare in its place, and another name; that it is in sync, as somebody who has just read the disks. */
static void edits(struct test_set *s)
{
	struct meta_set *set = test_join(s, 0);
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = 1, .state = MEMBER_FAILED};

	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	test_commit(s, set);
	meta_ddf.set_free(set);
	set = test_join(s, 0);
	edit.op = META_ASSIGN;
	snprintf(edit.ref, sizeof(edit.ref), "eab721f2"); /* the spare of spare-global */
	test_edit(set, edit);
	edit.op = META_RENAME_VOLUME;
	snprintf(edit.name, sizeof(edit.name), "other");
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	test_commit(s, set);
	meta_ddf.set_free(set);
	set = test_join(s, 0);
	edit.op = META_SET_MEMBER;
	edit.state = MEMBER_IN_SYNC;
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	test_commit(s, set);
	meta_ddf.set_free(set);
}

/* Time stands still, so that both sides of a comparison are written with the same one. */
uint32_t __wrap_ddf_now(void);
uint32_t __wrap_ddf_now(void)
{
	return 1480000000;
}

/* Turned back by the tool that turned them, the disks are mdadm's to the last byte. */
static void edits_are_the_same(void **state _unused_)
{
	for_rows (i, kinds) {
		struct test_set here, there;
		char name[64], kind[64];

		snprintf(name, sizeof(name), "spare-global%s", kinds[i].blocks);
		snprintf(kind, sizeof(kind), "%s%s", name, kinds[i].kind);
		row_name("%s", kind);
		test_set_load(&here, name);
		test_set_load(&there, kind);
		edits(&here);
		edits(&there);
		for (size_t d = 0; d < here.n; d++) {
			const struct test_disk *x = &there.disk[d];
			const uint8_t *anchor = test_sector(&there.disk[d], x->sectors - x->sector_size / DDF_SECTOR);

			assert_int_equal(anchor[0], kinds[i].little ? 0x11 : 0xDE);
			assert_memory_not_equal(x->bytes, here.disk[d].bytes, (size_t)(x->sectors - x->first) * 512);
		}
		test_set_dialect(&there, false, false);
		for (size_t d = 0; d < here.n; d++)
			assert_memory_equal(there.disk[d].bytes, here.disk[d].bytes,
					    (size_t)(here.disk[d].sectors - here.disk[d].first) * 512);
		test_set_free(&here);
		test_set_free(&there);
	}
}

/* A disk that joins a set is written in the set's kind, and read in it. */
static void a_disk_joins(void **state _unused_)
{
	for_rows (i, kinds) {
		struct meta_edit spare = {.op = META_ADD_SPARE};
		struct test_set s;
		struct meta_set *set;
		char name[64], *memory, *disks;
		struct meta_copy *c;
		struct err e;
		size_t n;

		snprintf(name, sizeof(name), "raid4%s%s", kinds[i].blocks, kinds[i].kind);
		row_name("%s", name);
		test_set_load(&s, name);
		set = test_join(&s, 0);
		n = test_disk_add(&s, 131072);
		s.disk[n].reader.u = &s.disk[n];
		assert_int_equal(meta_ddf.add_disk(set, 131072, s.disk[0].sector_size, "S", s.disk[n].ref, &e), 0);
		memcpy(spare.ref, s.disk[n].ref, sizeof(spare.ref));
		test_edit(set, spare);
		meta_ddf.set_seq(set, set->seq + 1U);
		test_commit(&s, set);
		memory = test_set_text(set);
		meta_ddf.set_free(set);
		assert_int_equal(meta_ddf.parse(&s.disk[n].reader, &c, &e), 0);
		assert_true(c->tail.dialect.little == kinds[i].little &&
			    c->tail.dialect.usual_crc == kinds[i].usual_crc);
		meta_ddf.copy_free(c);
		set = test_join(&s, 0);
		disks = test_set_text(set);
		assert_string_equal(disks, memory);
		free(memory);
		free(disks);
		meta_ddf.set_free(set);
		test_set_free(&s);
	}
}

static void no_mixture(void **state _unused_)
{
	static const struct {
		const char *name, *why;
	} others[] = {{"raid1:little", "numbers in different byte orders"}, {"raid1:usual", "CRCs of different kinds"}};

	for_rows (i, others) {
		struct test_set here, there;
		struct meta_copy *c[2];
		struct meta_set *set;
		struct err e;

		test_set_load(&here, "raid1");
		test_set_load(&there, others[i].name);
		assert_int_equal(meta_ddf.parse(&here.disk[0].reader, &c[0], &e), 0);
		assert_int_equal(meta_ddf.parse(&there.disk[1].reader, &c[1], &e), 0);
		assert_int_equal(meta_ddf.join((const struct meta_copy *const *)c, 2, &set, &e), -ENOTSUP);
		assert_non_null(strstr(e.msg, others[i].why));
		meta_ddf.copy_free(c[0]);
		meta_ddf.copy_free(c[1]);
		test_set_free(&here);
		test_set_free(&there);
	}
}

/* A wrong CRC is wrong in each kind, also where it would be right in another one. */
static void damaged(void **state _unused_)
{
	for_rows (i, kinds) {
		struct test_set s;
		char name[64], *text;

		snprintf(name, sizeof(name), "raid1%s%s", kinds[i].blocks, kinds[i].kind);
		row_name("%s", name);
		test_set_load(&s, name);
		for (unsigned copy = 1; copy <= 2; copy++) {
			uint64_t at = s.disk[0].sectors - copy * 32768UL + s.disk[0].sector_size / DDF_SECTOR;
			uint8_t *p = test_sector(&s.disk[0], at);
			uint32_t crc = copy == 1 ? ddf_crc_usual(p, s.disk[0].sector_size) : 0;

			if (kinds[i].usual_crc)
				crc = ddf_crc(p, s.disk[0].sector_size);
			crc = kinds[i].little ? htole32(crc) : htobe32(crc);
			memcpy(p + 4, &crc, sizeof(crc));
		}
		text = test_disk_text(&s.disk[0]);
		assert_non_null(strstr(text, "controller data: the CRC is wrong"));
		free(text);
		test_set_free(&s);
	}
}

/* Some controllers do not say how many elements a record has room for. */
static void elements_not_told(void **state _unused_)
{
	struct test_set s;
	struct meta_copy *c;
	struct err e;

	test_set_load(&s, "raid1");
	for (unsigned i = 0; i < 3; i++) {
		struct ddf_header *h =
			(struct ddf_header *)test_sector(&s.disk[0], s.disk[0].sectors - (i ? i * 32768 : 1));

		h->max_primary_elements = be16_of(UINT16_MAX);
		ddf_seal(h, DDF_SECTOR);
	}
	assert_int_equal(meta_ddf.parse(&s.disk[0].reader, &c, &e), 0);
	assert_int_equal(c->layout.max_elements, (7 * 512 - 512) / 12); /* which are 256, as mdadm's records have */
	meta_ddf.copy_free(c);
	test_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(edits_are_the_same), unit(a_disk_joins), unit(no_mixture), unit(damaged), unit(elements_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
