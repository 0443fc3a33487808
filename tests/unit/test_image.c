// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/image.h"

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
		cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
