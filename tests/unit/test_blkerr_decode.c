// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/blkerr_decode.h"
#include "contrib/blkerr/blkerr.h"

#include "tests/unit/attrs.h"
#include "tests/unit/unit.h"

#include <errno.h>

/* What the lab's kernel sent for a medium error, less one attribute, and with one of another value. */
static struct attrs an_error(unsigned without)
{
	struct attrs a = {0};
	const struct {
		unsigned type;
		size_t size;
		uint64_t value;
	} rows[] = {
		{BLKERR_A_MAJOR, 4, 8},	    {BLKERR_A_MINOR, 4, 16},	    {BLKERR_A_DISKSEQ, 8, 7},
		{BLKERR_A_SECTOR, 8, 1000}, {BLKERR_A_SECTORS, 4, 8},	    {BLKERR_A_STATUS, 4, 7},
		{BLKERR_A_ERRNO, 4, 61},    {BLKERR_A_TIME, 8, 7467194316}, {BLKERR_A_SEQ, 8, 3},
		{BLKERR_A_DROPPED, 8, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type != without)
			attrs_put(&a, rows[i].type, &rows[i].value, rows[i].size);
	if (without != BLKERR_A_OPERATION)
		attrs_text(&a, BLKERR_A_OPERATION, "RS");
	return a;
}

static void test_error(void **state _unused_)
{
	struct attrs a = an_error(0);
	struct blkerr_message m;

	attrs_text(&a, BLKERR_A_LAST + 3, "of a later module");
	assert_int_equal(blkerr_decode(BLKERR_CMD_ERROR, a.bytes, a.len, &m, NULL), 0);
	assert_int_equal(m.major, 8);
	assert_int_equal(m.minor, 16);
	assert_int_equal(m.diskseq, 7);
	assert_int_equal(m.sector, 1000);
	assert_int_equal(m.sectors, 8);
	assert_int_equal(m.status, 7);
	assert_int_equal(m.error, 61);
	assert_int_equal(m.time, 7467194316);
	assert_int_equal(m.seq, 3);
	assert_int_equal(m.dropped, 2);
	assert_string_equal(m.operation, "RS");
}

static void test_stats(void **state _unused_)
{
	struct attrs a = {0};
	struct blkerr_message m;

	for (unsigned i = BLKERR_A_SEQ; i <= BLKERR_A_SENT; i++)
		attrs_u64(&a, i, 100 + i);
	assert_int_equal(blkerr_decode(BLKERR_CMD_STATS, a.bytes, a.len, &m, NULL), 0);
	assert_int_equal(m.seq, 100 + BLKERR_A_SEQ);
	assert_int_equal(m.limited, 100 + BLKERR_A_LIMITED);
	assert_int_equal(m.overrun, 100 + BLKERR_A_OVERRUN);
	assert_int_equal(m.sent, 100 + BLKERR_A_SENT);
}

/* Each attribute that is missing is named; a message that is cut is never read beyond. */
static void test_incomplete(void **state _unused_)
{
	struct blkerr_message m;
	struct attrs a;

	for (unsigned without = BLKERR_A_MAJOR; without <= BLKERR_A_DROPPED; without++) {
		struct err e = {0};

		a = an_error(without);
		assert_int_equal(blkerr_decode(BLKERR_CMD_ERROR, a.bytes, a.len, &m, &e), -EBADMSG);
		assert_int_equal(strncmp(e.msg, "no ", 3), 0);
	}
	a = an_error(0);
	for (size_t len = 0; len < a.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);
		int r;

		memcpy(cut, a.bytes, len);
		r = blkerr_decode(BLKERR_CMD_ERROR, cut, len, &m, NULL);
		free(cut);
		/* The padding of the last one may be missing. */
		assert_true(r == -EBADMSG || (r == 0 && len > a.len - 4));
	}
}

static void test_wrong(void **state _unused_)
{
	static const struct {
		unsigned type;
		size_t size;
		uint64_t value;
		const char *msg;
	} rows[] = {
		{BLKERR_A_MAJOR, 4, 4096, "device 4096:16"},
		{BLKERR_A_MINOR, 4, 1 << 20, "device 8:1048576"},
		{BLKERR_A_MINOR, 8, 1, "MINOR of 8 bytes"},
		{BLKERR_A_SECTOR, 4, 1, "SECTOR of 4 bytes"},
		{BLKERR_A_ERRNO, 4, 0, "errno 0"},
		{BLKERR_A_ERRNO, 4, 4096, "errno 4096"},
		{BLKERR_A_TIME, 8, UINT64_MAX, "a time or a number that cannot be"},
		{BLKERR_A_SEQ, 8, 0, "a time or a number that cannot be"},
		{BLKERR_A_OPERATION, 2, 0x5352, "OPERATION of 2 bytes"}, /* not ended */
		{BLKERR_A_OPERATION, 4, 0x531b, "OPERATION of 4 bytes"}, /* an escape */
		{BLKERR_A_OPERATION, 0, 0, "OPERATION of 0 bytes"},
	};
	struct blkerr_message m;

	for_rows (i, rows) {
		struct attrs a = an_error(rows[i].type);
		struct err e = {0};

		attrs_put(&a, rows[i].type, &rows[i].value, rows[i].size);
		assert_int_equal(blkerr_decode(BLKERR_CMD_ERROR, a.bytes, a.len, &m, &e), -EBADMSG);
		assert_string_equal(e.msg, rows[i].msg);
	}
	assert_int_equal(blkerr_decode(0, NULL, 0, &m, NULL), -EBADMSG);
	assert_int_equal(blkerr_decode(3, NULL, 0, &m, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_error),
		unit(test_stats),
		unit(test_incomplete),
		unit(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
