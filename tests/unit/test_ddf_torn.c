// SPDX-License-Identifier: GPL-2.0-or-later
/* A write that is cut anywhere leaves the old state or the new one, to us and to mdadm. Up to the cut the flushed
 * groups are whole; of the group after the last flush any sectors may have reached the disk, in any order. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

struct sides {
	char *ours[2], *mdadm[2]; /* before, after */
	unsigned seen[2];
};

/* Whether the disk tells the one or the other. mdadm is asked only now and then: it is a process each time. */
static void judge(struct sides *x, const struct test_disk *d, bool ask_mdadm, const char *where, size_t cut)
{
	char *text = test_disk_text(d), *mdadm = ask_mdadm ? test_mdadm(d) : NULL;

	if (strcmp(text, x->ours[0]) == 0)
		x->seen[0]++;
	else if (strcmp(text, x->ours[1]) == 0)
		x->seen[1]++;
	else
		fail_msg("%s, cut at %zu: neither the old state nor the new one:\n%s", where, cut, text);
	if (mdadm && strcmp(mdadm, x->mdadm[0]) != 0 && strcmp(mdadm, x->mdadm[1]) != 0)
		fail_msg("%s, cut at %zu: to mdadm neither the old state nor the new one:\n%s", where, cut, mdadm);
	free(text);
	free(mdadm);
}

static void sector_write(struct test_disk *d, const struct meta_write *w, size_t i)
{
	memcpy(test_sector(d, w->sector + i), (uint8_t *)w->buf + i * 512, 512);
}

/* In order, cut after every sector of a small write and every 16th of a large one. */
static void cut_in_order(struct sides *x, const struct test_disk *start, const struct meta_writes *w, const char *where)
{
	struct test_disk d = {0};
	size_t cut = 0;

	test_disk_copy(&d, start);
	for (size_t k = 0; k < w->n; k++) {
		size_t n = w->w[k].len / 512;

		for (size_t i = 0; i < n; i++, cut++) {
			if (i < 10 || i % 16 == 0)
				judge(x, &d, i < 2, where, cut);
			sector_write(&d, &w->w[k], i);
		}
	}
	judge(x, &d, true, where, cut);
	test_disk_free(&d);
}

/* Any sectors of the group that was under way. */
static void cut_at_random(struct sides *x, const struct test_disk *start, const struct meta_writes *w, unsigned seed,
			  const char *where)
{
	struct test_disk d = {0}, base = {0};
	size_t from = 0;

	srand(seed);
	test_disk_copy(&base, start);
	for (size_t k = 0; k < w->n; k++) {
		if (!w->w[k].flush)
			continue;
		for (int round = 0; round < 12; round++) {
			test_disk_copy(&d, &base);
			for (size_t g = from; g <= k; g++)
				for (size_t i = 0; i < w->w[g].len / 512; i++)
					if (rand() % 4 >= round % 4)
						sector_write(&d, &w->w[g], i);
			judge(x, &d, round < 4, where, k);
		}
		for (; from <= k; from++)
			test_write(&base, &w->w[from]);
	}
	assert_int_equal(from, w->n); /* nothing is left unflushed */
	test_disk_free(&base);
	test_disk_free(&d);
}

static void cut(const struct test_disk *start, const struct meta_set *set, const char *where)
{
	struct meta_writes w;
	struct test_disk end = {0};
	struct sides x = {0};
	struct err e;

	assert_int_equal(meta_ddf.encode(set, start->ref, &w, &e), 0);
	assert_true(w.n > 0);
	test_disk_copy(&end, start);
	for (size_t i = 0; i < w.n; i++) {
		assert_true(w.w[i].len % 4096 == 0 && w.w[i].sector % 8 == 0 && (uintptr_t)w.w[i].buf % 4096 == 0);
		test_write(&end, &w.w[i]);
	}
	x.ours[0] = test_disk_text(start);
	x.ours[1] = test_disk_text(&end);
	x.mdadm[0] = test_mdadm(start);
	x.mdadm[1] = test_mdadm(&end);
	assert_true(strcmp(x.ours[0], x.ours[1]) != 0);
	cut_in_order(&x, start, &w, where);
	cut_at_random(&x, start, &w, 1, where);
	assert_true(x.seen[0] > 0 && x.seen[1] > 0);
	for (int i = 0; i < 2; i++) {
		free(x.ours[i]);
		free(x.mdadm[i]);
	}
	meta_writes_free(&w);
	test_disk_free(&end);
}

static struct meta_set *failed_set(struct test_set *s, const char *name, unsigned without)
{
	struct meta_set *set;
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = 1, .state = MEMBER_FAILED};

	if (!s->n)
		test_set_load(s, name);
	set = test_join(s, without);
	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	return set;
}

static void healthy(void **state _unused_)
{
	struct test_set s = {0};
	struct meta_set *set = failed_set(&s, "two-volumes", 0);

	cut(&s.disk[0], set, "a member");
	cut(&s.disk[3], set, "the failed member");
	meta_ddf.set_free(set);
	test_set_free(&s);
	s.n = 0;
	set = failed_set(&s, "two-volumes:4096", 0);
	cut(&s.disk[0], set, "a member with blocks of 4096");
	meta_ddf.set_free(set);
	test_set_free(&s);
	s.n = 0;
	set = failed_set(&s, "two-volumes:little:usual", 0);
	cut(&s.disk[0], set, "a member in little-endian byte order");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* The primary is bad: what is read now is the secondary, and the primary is written first. */
static void primary_bad(void **state _unused_)
{
	static const struct {
		const char *what;
		unsigned sector, byte; /* that is turned over */
	} damage[] = {
		{"the primary's header is bad", 0, 100},
		{"the primary's disk records are bad", 4, 100},
	};

	for_rows (i, damage) {
		struct test_set s = {0};
		struct meta_set *set;

		test_set_load(&s, "raid5-n-continue");
		test_sector(&s.disk[0], s.disk[0].sectors - 32768 + damage[i].sector)[damage[i].byte] ^= 0xFF;
		set = failed_set(&s, NULL, 0);
		assert_int_equal(ddf_member(set, (uint32_t)strtoul(s.disk[0].ref, NULL, 16))->active, 1);
		/* mdadm checks no CRC behind the header: what it reads of a primary that is rotten there is not ours to
		 * judge */
		if (i == 0)
			cut(&s.disk[0], set, damage[i].what);
		meta_ddf.set_free(set);
		test_set_free(&s);
	}
}

/* The other copy is bad, or older: an earlier write was cut. */
static void secondary_bad(void **state _unused_)
{
	struct test_set s = {0};
	struct meta_set *set;

	test_set_load(&s, "raid5-n-continue");
	test_sector(&s.disk[0], s.disk[0].sectors - 65536)[100] ^= 0xFF;
	set = failed_set(&s, NULL, 0);
	cut(&s.disk[0], set, "the secondary's header is bad");
	meta_ddf.set_free(set);
	test_set_free(&s);

	test_set_load(&s, "rebuilding");
	set = failed_set(&s, NULL, 0);
	cut(&s.disk[0], set, "the secondary is older");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* Cut after the first copy was complete, then written once more: the secondary is ahead and is the one to keep. */
static void twice(void **state _unused_)
{
	struct test_set s = {0};
	struct meta_set *set = failed_set(&s, "raid6-n-restart", 0);
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = 2, .state = MEMBER_FAILED};
	struct meta_writes w;
	struct err e;
	size_t k = 0, flushes = 0;

	assert_int_equal(meta_ddf.encode(set, s.disk[0].ref, &w, &e), 0);
	for (; k < w.n && flushes < 2; k++) {
		test_write(&s.disk[0], &w.w[k]);
		flushes += w.w[k].flush;
	}
	meta_writes_free(&w);
	meta_ddf.set_free(set);
	set = test_join(&s, 0);
	assert_int_equal(ddf_member(set, (uint32_t)strtoul(s.disk[0].ref, NULL, 16))->active, 1);
	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	cut(&s.disk[0], set, "the secondary is ahead");
	/* Once more without being read in between: now both have the same number, and still the primary is first. */
	test_commit(&s, set);
	edit.state = MEMBER_IN_SYNC;
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	cut(&s.disk[0], set, "the secondary was ahead");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A blank disk has no DDF until its anchor is there, and then all of it. */
static void blank_of(const char *name)
{
	struct test_set s = {0};
	struct meta_set *set;
	struct test_disk d = {0};
	struct meta_writes w;
	struct err e;
	size_t n;

	test_set_load(&s, name);
	set = test_join(&s, 0);
	n = test_disk_add(&s, 131072);
	assert_int_equal(meta_ddf.add_disk(set, 131072, s.disk[n].sector_size, "", s.disk[n].ref, &e), 0);
	meta_ddf.set_seq(set, set->seq + 1U);
	assert_int_equal(meta_ddf.encode(set, s.disk[n].ref, &w, &e), 0);
	test_disk_copy(&d, &s.disk[n]);
	for (size_t k = 0; k < w.n; k++) {
		assert_int_equal(meta_ddf.probe(&d.reader, &e), 0);
		test_write(&d, &w.w[k]);
	}
	assert_int_equal(meta_ddf.probe(&d.reader, &e), 1);
	assert_true(w.w[w.n - 1].flush);
	assert_int_equal(w.w[w.n - 1].sector + w.w[w.n - 1].len / 512, 131072);
	meta_writes_free(&w);
	test_disk_free(&d);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void blank(void **state _unused_)
{
	blank_of("spares-only");
	blank_of("spares-only:4096");
}

/* A set that is written twice without being read in between: what the second edit takes back is written, too. */
static void set_reused(void **state _unused_)
{
	struct test_set s = {0};
	struct meta_set *set = failed_set(&s, "raid1", 0);
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = 1, .state = MEMBER_IN_SYNC};
	char *memory, *disk;

	test_commit(&s, set);
	ddf_guid_text(ddf_vd(set, &set->volumes[0])->guid, edit.volume);
	test_edit(set, edit);
	meta_ddf.set_seq(set, set->seq + 1U);
	cut(&s.disk[0], set, "a set written again");
	test_commit(&s, set);
	memory = test_set_text(set);
	meta_ddf.set_free(set);
	set = test_join(&s, 0);
	disk = test_set_text(set);
	assert_string_equal(disk, memory);
	free(memory);
	free(disk);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(healthy), unit(primary_bad), unit(secondary_bad), unit(twice), unit(blank), unit(set_reused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
