// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/image.h"
#include "actions/known.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DISK = 1 << 16 };

static json_t *told;

static void tell(void *u _unused_, const json_t *part)
{
	json_array_append_new(told, json_deep_copy(part));
}

static int set_up(void **state _unused_)
{
	told = json_array();
	return 0;
}

static int tear_down(void **state _unused_)
{
	json_decref(told);
	return 0;
}

/* Sector n of a disk as the test has it: every third is filled, the others have their number in them. */
static void sector(uint64_t n, uint8_t buf[512])
{
	memset(buf, n % 3 ? 0 : 0xff, 512);
	if (n % 3 == 1)
		memcpy(buf + 100, &n, sizeof(n));
}

static void add(struct image *im, struct image_disk *d, uint64_t from, uint32_t n, int want)
{
	uint8_t *bytes = malloc((size_t)n * 512);

	for (uint32_t i = 0; i < n; i++)
		sector(from + i, bytes + (size_t)i * 512);
	assert_int_equal(image_add(im, d, from, bytes, n), want);
	free(bytes);
}

static struct image *take_all(struct err *e)
{
	struct image *im = NULL;
	json_t *part;
	size_t i;
	int r = 0;

	json_array_foreach(told, i, part) r = r == 0 ? image_take(&im, part, e) : r;
	if (r == 0)
		return im;
	image_free(im);
	return NULL;
}

/* Two copies of the same are told once, and a lie about it is found. */
static void test_as(void **state _unused_)
{
	struct image *im = image_new("P-17", "set"), *back;
	struct image_disk *a = image_add_disk(im, "wwn-a", "sda", DISK, 512);
	uint8_t bytes[1024], is[1024];
	struct err e = {0};
	json_t *runs, *as;

	sector(7, bytes);
	sector(10, bytes + 512);
	assert_int_equal(image_add(im, a, 100, bytes, 2), 0);
	assert_int_equal(image_add(im, a, 200, bytes, 1), 0);
	assert_int_equal(image_add(im, a, 300, bytes, 2), 0);
	assert_int_equal(image_tell(im, tell, NULL), 0);
	runs = json_object_get(json_array_get(told, 0), "runs");
	assert_true(json_is_string(json_array_get(json_array_get(runs, 1), 2)));
	as = json_object_get(json_array_get(json_array_get(runs, 2), 2), "as");
	assert_int_equal(json_integer_value(as), 0);
	assert_true(json_is_integer(as));
	back = take_all(&e);
	assert_non_null(back);
	assert_int_equal(image_read(image_disk(back, "wwn-a"), 300, is, 2), 0);
	assert_memory_equal(is, bytes, sizeof(is));
	image_free(back);
	for (int lie = 1; lie < 4; lie++) { /* of another size, itself, nowhere */
		json_integer_set(as, lie);
		assert_null(take_all(&e));
	}
	image_free(im);
}

/* What was written over and not known stays a gap, on the way and beside what is there. */
static void test_gaps(void **state _unused_)
{
	struct image *im = image_new("P-17", "set"), *later = image_new("", "");
	struct image_disk *a = image_add_disk(im, "wwn-a", "sda", DISK, 512);
	uint8_t is[512], want[512];
	json_t *part;
	size_t i;

	add(im, a, 1000, 4, 0);
	assert_int_equal(image_gap(im, a, 990, 100), 0);
	assert_int_equal(image_gap(im, a, DISK - 1, 2), -ERANGE);
	assert_int_equal(image_tell(im, tell, NULL), 0);
	assert_int_equal(json_array_size(told), 1);
	assert_int_equal(image_tell(im, tell, NULL), 0);
	assert_int_equal(json_array_size(told), 1); /* nothing is told twice */
	add(im, a, 1050, 50, 0);		    /* forty of them are a gap already */
	assert_int_equal(image_tell(im, tell, NULL), 0);
	assert_int_equal(image_tell_end(im, true, tell, NULL), 0);
	assert_int_equal(json_array_size(told), 3);
	part = json_object_get(json_array_get(told, 2), "end");
	assert_int_equal(json_integer_value(json_object_get(part, "sectors")), 14);
	assert_true(json_is_true(json_object_get(part, "cut")));
	a = image_add_disk(later, "wwn-a", "sda", DISK, 512);
	add(later, a, 2000, 1, 0);
	json_array_foreach(told, i, part) assert_int_equal(image_lay(later, part, NULL), 0);
	for (uint64_t n = 980; n < 1110; n++) {
		bool kept = (n >= 1000 && n < 1004) || (n >= 1090 && n < 1100), gap = n >= 990 && n < 1090 && !kept;

		memset(is, 0x77, sizeof(is));
		assert_int_equal(image_read(a, n, is, 1), kept ? 0 : -EIO);
		assert_int_equal(image_over(a, n, is, 1), gap ? -ENODATA : 0);
		memset(want, 0x77, sizeof(want));
		if (kept)
			sector(n, want);
		if (!gap)
			assert_memory_equal(is, want, sizeof(is));
	}
	/* What was told first counts. */
	memset(is, 0, sizeof(is));
	assert_int_equal(image_over(a, 2000, is, 1), 0);
	sector(2000, want);
	assert_memory_equal(is, want, sizeof(is));
	image_free(im);
	image_free(later);
}

/* What a disk holds, by two reads and a write. */
static void test_known(void **state _unused_)
{
	uint8_t bytes[4 * 512], is[512], want[512];
	struct known k = {0};

	for (uint64_t i = 0; i < 4; i++)
		sector(100 + i, bytes + i * 512);
	assert_int_equal(known_learn(&k, 100, bytes, 4), 0);
	assert_int_equal(known_learn(&k, 102, bytes, 4), 0); /* 102 to 105 are as 100 to 103 were */
	for (uint64_t n = 98; n < 108; n++) {
		bool there = n >= 100 && n < 106;

		assert_int_equal(known_get(&k, n, is), there);
		sector(n < 102 ? n : n - 2, want);
		if (there)
			assert_memory_equal(is, want, sizeof(is));
		assert_int_equal(known_is(&k, n, want), there);
	}
	assert_false(known_any(&k, 90, 10));
	assert_true(known_any(&k, 90, 11));
	sector(7, want);
	known_wrote(&k, 103, want, 1);
	known_wrote(&k, 200, want, 1);
	assert_true(known_is(&k, 103, want));
	assert_false(known_is(&k, 104, want));
	assert_false(known_get(&k, 200, is));
	known_lose(&k, 103, 1);
	assert_false(known_get(&k, 103, is));
	assert_int_equal(known_learn(&k, 100, bytes, 4), 0);
	assert_true(known_get(&k, 103, is));
	known_clear(&k);
	assert_false(known_any(&k, 0, UINT32_MAX));
}

static void test_there_and_back(void **state _unused_)
{
	struct image *im = image_new("P-17", "set"), *back;
	struct image_disk *a = image_add_disk(im, "wwn-a", "sda", DISK, 512);
	struct image_disk *b = image_add_disk(im, "wwn-b", "sdb", DISK, 4096);
	uint8_t is[512], want[512];
	struct err e = {0};

	add(im, a, 1000, 3000, 0);
	add(im, a, 900, 200, 0); /* half of it is there already */
	add(im, b, 0, 8, 0);
	add(im, b, DISK - 8, 9, -ERANGE);
	a->left = 7;
	b->left = UINT64_MAX;
	assert_int_equal(image_tell(im, tell, NULL), 0);
	assert_true(json_array_size(told) > 5);
	assert_int_equal(image_tell_left(im, tell, NULL), 0);
	back = take_all(&e);
	assert_non_null(back);
	assert_true(back->whole);
	assert_int_equal(back->bytes, im->bytes);
	assert_true(image_disk(back, "wwn-a")->left == 7 && image_disk(back, "wwn-b")->left == UINT64_MAX);
	for (uint64_t n = 900; n < 4000; n++) {
		sector(n, want);
		assert_int_equal(image_read(image_disk(back, "wwn-a"), n, is, 1), 0);
		assert_memory_equal(is, want, 512);
	}
	assert_int_equal(image_read(image_disk(back, "wwn-a"), 899, is, 1), -EIO);
	assert_int_equal(image_disk(back, "wwn-b")->sector_size, 4096);
	image_free(back);
	image_free(im);
}

static void test_parts(void **state _unused_)
{
	struct image *im = image_new("P-17", "set"), *back;
	struct image_disk *a = image_add_disk(im, "wwn-a", "sda", DISK, 512);
	struct err e = {0};

	add(im, a, 0, 3000, 0);
	assert_int_equal(image_tell(im, tell, NULL), 0);
	/* What it left was not told: it did not end. */
	back = take_all(&e);
	assert_non_null(back);
	assert_false(back->whole);
	image_free(back);
	assert_int_equal(image_tell_left(im, tell, NULL), 0);
	json_array_remove(told, 1);
	assert_null(take_all(&e));
	assert_string_equal(e.msg, "image: part 1 is missing");
	image_free(im);
}

static void test_bounds(void **state _unused_)
{
	static const char *const bad[] = {
		"{}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0,\"disk\":\"d\",\"name\":\"\",\"sectors\":8,\"sector-size\":"
		"512,"
		"\"runs\":[[8,1,0]]}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0,\"disk\":\"d\",\"name\":\"\",\"sectors\":8,\"sector-size\":"
		"512,"
		"\"runs\":[[0,1,256]]}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0,\"disk\":\"d\",\"name\":\"\",\"sectors\":8,\"sector-size\":"
		"512,"
		"\"runs\":[[0,1,\"AAAA\"]]}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0,\"disk\":\"d\",\"name\":\"\",\"sectors\":8,\"sector-size\":"
		"0,"
		"\"runs\":[]}",
		"{\"plan\":\"P-1\",\"set\":\"s\",\"part\":0,\"disk\":\"d\",\"name\":\"\",\"sectors\":-1,\"sector-"
		"size\":512,"
		"\"runs\":[]}",
	};
	struct image *im = image_new("P-17", "set");
	struct image_disk *a = image_add_disk(im, "wwn-a", "sda", UINT64_C(1) << 40, 512);
	uint8_t *much = malloc(IMAGE_BYTES_MAX + 512);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *part = json_loads(bad[i], 0, NULL);
		struct image *taken = NULL;
		struct err e = {0};

		assert_non_null(part);
		assert_int_equal(image_take(&taken, part, &e), -EBADMSG);
		assert_true(e.msg[0]);
		image_free(taken);
		json_decref(part);
	}
	for (size_t i = 0; i < IMAGE_BYTES_MAX + 512; i++)
		much[i] = (uint8_t)(i * 7);
	assert_int_equal(image_add(im, a, 0, much, IMAGE_BYTES_MAX / 512 + 1), -ENOSPC);
	free(much);
	image_free(im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gaps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_as, set_up, tear_down),
		cmocka_unit_test(test_known),
		cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
