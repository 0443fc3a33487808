// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of configuration files: what is ours comes and goes, the rest stays byte for byte. */
#include "cli/edit.h"

#include "tests/unit/unit.h"

#include <errno.h>

#define G1 "4c696e75782d4d44deadbeef00000000583480bb74b063ae"
#define G2 "4c696e75782d4d44deadbeef00000000583480bb74b063af"

/* What 'mdadm -E --brief' 4.2 prints for a container of this GUID. */
static void test_mdadm_uuid(void **state _unused_)
{
	char uuid[36];

	assert_int_equal(edit_mdadm_uuid(G1, uuid), 0);
	assert_string_equal(uuid, "30237a06:9da769f7:3c6cb7fb:68107a77");
	assert_int_equal(edit_mdadm_uuid("4c69", uuid), -EINVAL);
	assert_int_equal(edit_mdadm_uuid("not hexadecimal at all, but forty-eight letters.", uuid), -EINVAL);
}

static void test_block(void **state _unused_)
{
	static const char text[] = "HOMEHOST <system>\nMAILADDR root";
	_cleanup_(buf_free) struct buf one = {0}, again = {0}, two = {0}, back = {0}, none = {0};
	struct err e = {0};
	size_t n;

	assert_int_equal(edit_block("f", text, "A", true, &one, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_string_equal(
		buf_str(&one),
		"HOMEHOST <system>\nMAILADDR root\n"
		"# spared: begin (by 'sparectl manage'; 'sparectl release' takes it away)\nA\n# spared: end\n");
	assert_int_equal(edit_block("f", buf_str(&one), "A", true, &again, &n, &e), 0);
	assert_string_equal(buf_str(&again), buf_str(&one));
	assert_int_equal(edit_block("f", buf_str(&one), "B", true, &two, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(edit_block("f", buf_str(&two), "B", false, &back, &n, &e), 0);
	assert_string_equal(buf_str(&back), buf_str(&one));
	assert_int_equal(edit_block("f", buf_str(&back), "A", false, &none, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_string_equal(buf_str(&none), "HOMEHOST <system>\nMAILADDR root\n");
}

static void test_block_damaged(void **state _unused_)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct err e = {0};
	size_t n;

	assert_int_equal(edit_block("f", "# spared: begin\nA\n", "A", true, &out, &n, &e), -EINVAL);
	assert_int_equal(edit_block("f", "# spared: begin\n# spared: end\n# spared: begin\n# spared: end\n", "A", true,
				    &out, &n, &e),
			 -EINVAL);
	assert_int_equal(e.line, 3);
	assert_int_equal(out.len, 0);
}

/* Each: the file before, with G1 managed, and with it released again. */
static const struct {
	const char *before, *managed, *released;
} manage_table[] = {
	{"", "version: 1\nmanage:\n  - " G1 "\n", "version: 1\nmanage:\n  []\n"},
	{"version: 1\n", "version: 1\nmanage:\n  - " G1 "\n", "version: 1\nmanage:\n  []\n"},
	{"version: 1", "version: 1\nmanage:\n  - " G1 "\n", "version: 1\nmanage:\n  []\n"},
	{"# mine\nversion: 1 # one\nmanage:\n  - " G2 " # the other\nsettle: 3s\n",
	 "# mine\nversion: 1 # one\nmanage:\n  - " G1 "\n  - " G2 " # the other\nsettle: 3s\n",
	 "# mine\nversion: 1 # one\nmanage:\n  - " G2 " # the other\nsettle: 3s\n"},
	{"manage:\n- " G2 "\n", "manage:\n- " G1 "\n- " G2 "\n", "manage:\n- " G2 "\n"},
	{"manage: [" G2 "] # x\n", "manage: [" G1 ", " G2 "] # x\n", "manage: [" G2 "] # x\n"},
	{"manage: []\nsettle: 1s\n", "manage: [" G1 "]\nsettle: 1s\n", "manage: []\nsettle: 1s\n"},
	{"manage: " G2 "\n", "manage: [" G2 ", " G1 "]\n", "manage: [" G2 "]\n"},
	{"manage:\n  []\n", "manage:\n  [" G1 "]\n", "manage:\n  []\n"},
};

static void test_manage(void **state _unused_)
{
	for_rows (i, manage_table) {
		_cleanup_(buf_free) struct buf on = {0}, again = {0}, off = {0}, off_again = {0};
		struct err e = {0};

		assert_int_equal(edit_manage("f", manage_table[i].before, G1, true, &on, &e), 0);
		assert_string_equal(buf_str(&on), manage_table[i].managed);
		assert_int_equal(edit_manage("f", buf_str(&on), G1, true, &again, &e), 0);
		assert_string_equal(buf_str(&again), buf_str(&on));
		assert_int_equal(edit_manage("f", buf_str(&on), G1, false, &off, &e), 0);
		assert_string_equal(buf_str(&off), manage_table[i].released);
		assert_int_equal(edit_manage("f", buf_str(&off), G1, false, &off_again, &e), 0);
		assert_string_equal(buf_str(&off_again), buf_str(&off));
	}
}

static void test_manage_refused(void **state _unused_)
{
	static const char *const texts[] = {
		"{version: 1}",		  /* nothing can be put behind it */
		"version: 1\nmange: x\n", /* a typing error */
		"version: 1\n\tsettle: 1s\n",
	};
	struct err e = {0};

	for_rows (i, texts) {
		_cleanup_(buf_free) struct buf out = {0};

		assert_int_equal(edit_manage("f", texts[i], G1, true, &out, &e), -EINVAL);
		assert_string_equal(e.file, "f");
		assert_true(e.line > 0);
	}
	/* A pattern keeps it managed. */
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(buf_free) struct buf out = {0};

		assert_int_equal(edit_manage("f", i ? "manage: [" G1 ", \"4c69*\"]\n" : "manage: \"4c69*\"\n", G1,
					     false, &out, &e),
				 -EINVAL);
		assert_non_null(strstr(e.msg, "pattern"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_mdadm_uuid), unit(test_block),	  unit(test_block_damaged),
		unit(test_manage),     unit(test_manage_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
