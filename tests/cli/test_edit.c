// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of configuration files: what is ours comes and goes, the rest stays byte for byte. */
#include "cli/edit.h"

#include "tests/unit/check.h"

#include <errno.h>

#define G1 "4c696e75782d4d44deadbeef00000000583480bb74b063ae"
#define G2 "4c696e75782d4d44deadbeef00000000583480bb74b063af"

/* What 'mdadm -E --brief' 4.2 prints for a container of this GUID. */
static void test_mdadm_uuid(void)
{
	char uuid[36];

	CHECK_INT(edit_mdadm_uuid(G1, uuid), 0);
	CHECK_STR(uuid, "30237a06:9da769f7:3c6cb7fb:68107a77");
	CHECK_INT(edit_mdadm_uuid("4c69", uuid), -EINVAL);
	CHECK_INT(edit_mdadm_uuid("not hexadecimal at all, but forty-eight letters.", uuid), -EINVAL);
}

static void test_block(void)
{
	static const char text[] = "HOMEHOST <system>\nMAILADDR root";
	_cleanup_(buf_free) struct buf one = {0}, again = {0}, two = {0}, back = {0}, none = {0};
	struct err e = {0};
	size_t n;

	CHECK_INT(edit_block("f", text, "A", true, &one, &n, &e), 0);
	CHECK_INT(n, 1);
	CHECK_STR(buf_str(&one),
		  "HOMEHOST <system>\nMAILADDR root\n"
		  "# spared: begin (by 'sparectl manage'; 'sparectl release' takes it away)\nA\n# spared: end\n");
	CHECK_INT(edit_block("f", buf_str(&one), "A", true, &again, &n, &e), 0);
	CHECK_STR(buf_str(&again), buf_str(&one));
	CHECK_INT(edit_block("f", buf_str(&one), "B", true, &two, &n, &e), 0);
	CHECK_INT(n, 2);
	CHECK_INT(edit_block("f", buf_str(&two), "B", false, &back, &n, &e), 0);
	CHECK_STR(buf_str(&back), buf_str(&one));
	CHECK_INT(edit_block("f", buf_str(&back), "A", false, &none, &n, &e), 0);
	CHECK_INT(n, 0);
	CHECK_STR(buf_str(&none), "HOMEHOST <system>\nMAILADDR root\n");
}

static void test_block_damaged(void)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct err e = {0};
	size_t n;

	CHECK_INT(edit_block("f", "# spared: begin\nA\n", "A", true, &out, &n, &e), -EINVAL);
	CHECK_INT(edit_block("f", "# spared: begin\n# spared: end\n# spared: begin\n# spared: end\n", "A", true, &out,
			     &n, &e),
		  -EINVAL);
	CHECK_INT(e.line, 3);
	CHECK_INT(out.len, 0);
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

static void test_manage(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(manage_table); i++) {
		_cleanup_(buf_free) struct buf on = {0}, again = {0}, off = {0}, off_again = {0};
		struct err e = {0};

		CHECK_INT(edit_manage("f", manage_table[i].before, G1, true, &on, &e), 0);
		CHECK_STR(buf_str(&on), manage_table[i].managed);
		CHECK_INT(edit_manage("f", buf_str(&on), G1, true, &again, &e), 0);
		CHECK_STR(buf_str(&again), buf_str(&on));
		CHECK_INT(edit_manage("f", buf_str(&on), G1, false, &off, &e), 0);
		CHECK_STR(buf_str(&off), manage_table[i].released);
		CHECK_INT(edit_manage("f", buf_str(&off), G1, false, &off_again, &e), 0);
		CHECK_STR(buf_str(&off_again), buf_str(&off));
	}
}

static void test_manage_refused(void)
{
	static const char *const texts[] = {
		"{version: 1}",		  /* nothing can be put behind it */
		"version: 1\nmange: x\n", /* a typing error */
		"version: 1\n\tsettle: 1s\n",
	};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(buf_free) struct buf out = {0};

		CHECK_INT(edit_manage("f", texts[i], G1, true, &out, &e), -EINVAL);
		CHECK_STR(e.file, "f");
		CHECK(e.line > 0);
	}
	/* A pattern keeps it managed. */
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(buf_free) struct buf out = {0};

		CHECK_INT(edit_manage("f", i ? "manage: [" G1 ", \"4c69*\"]\n" : "manage: \"4c69*\"\n", G1, false, &out,
				      &e),
			  -EINVAL);
		CHECK(strstr(e.msg, "pattern") != NULL);
	}
}

int main(void)
{
	test_mdadm_uuid();
	test_block();
	test_block_damaged();
	test_manage();
	test_manage_refused();
	return CHECK_RESULT;
}
