// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/tracefs_decode.h"

#include "tests/unit/unit.h"

#include <errno.h>

static const char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				  "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				  "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";

#define FORMAT_HEAD                                                                                                    \
	"name: block_rq_error\nID: 1063\nformat:\n"                                                                    \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                         \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                                         \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"                                 \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"                                                   \
	"\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n"                                                          \
	"\tfield:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;\n"                                                   \
	"\tfield:unsigned int nr_sector;\toffset:24;\tsize:4;\tsigned:0;\n"

static const char format_6_1[] = FORMAT_HEAD "\tfield:int error;\toffset:28;\tsize:4;\tsigned:1;\n"
					     "\tfield:char rwbs[8];\toffset:32;\tsize:8;\tsigned:0;\n"
					     "\tfield:__data_loc char[] cmd;\toffset:40;\tsize:4;\tsigned:0;\n"
					     "\nprint fmt: \"%d,%d %s\"\n";
/* Later kernels have the priority, too. */
static const char format_later[] = FORMAT_HEAD "\tfield:int error;\toffset:28;\tsize:4;\tsigned:1;\n"
					       "\tfield:unsigned short ioprio;\toffset:32;\tsize:2;\tsigned:0;\n"
					       "\tfield:char rwbs[10];\toffset:34;\tsize:10;\tsigned:0;\n";

/* Devices without a request queue. */
static const char format_bio[] = "name: block_bio_complete\nID: 1058\nformat:\n"
				 "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
				 "\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n"
				 "\tfield:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;\n"
				 "\tfield:unsigned nr_sector;\toffset:24;\tsize:4;\tsigned:0;\n"
				 "\tfield:int error;\toffset:28;\tsize:4;\tsigned:1;\n"
				 "\tfield:char rwbs[8];\toffset:32;\tsize:8;\tsigned:0;\n";

#define RB_EXTEND_HEAD(delta) (30u | (uint32_t)(delta) << 5)

struct page {
	uint8_t bytes[4096];
	size_t len;
};

static void put(struct page *p, const void *data, size_t len)
{
	memcpy(p->bytes + p->len, data, len);
	p->len += len;
}

static void put32(struct page *p, uint32_t v)
{
	put(p, &v, sizeof(v));
}

static void begin(struct page *p, uint64_t time)
{
	*p = (struct page){0};
	put(p, &time, sizeof(time));
	p->len = 16;
}

static void finish(struct page *p, uint64_t flags)
{
	uint64_t commit = (p->len - 16) | flags;

	memcpy(p->bytes + 8, &commit, sizeof(commit));
}

static void put_record(struct page *p, uint32_t delta, uint16_t type, uint32_t dev, uint64_t sector, int32_t error,
		       const char *rwbs)
{
	uint8_t data[44] = {0};
	uint32_t nr = 8;

	put32(p, (sizeof(data) / 4) | delta << 5);
	memcpy(data, &type, 2);
	memcpy(data + 8, &dev, 4);
	memcpy(data + 16, &sector, 8);
	memcpy(data + 24, &nr, 4);
	memcpy(data + 28, &error, 4);
	memcpy(data + 32, rwbs, strnlen(rwbs, 8));
	put(p, data, sizeof(data));
}

struct heard {
	struct trace_error te[16];
	size_t n;
};

static void hear(void *u, const struct trace_error *te)
{
	struct heard *h = u;

	if (h->n < 16)
		h->te[h->n++] = *te;
}

static struct trace_layout layout;
static struct trace_format format;

static int decode(const struct page *p, size_t len, struct heard *h, uint64_t *lost)
{
	*h = (struct heard){0};
	*lost = 0;
	return trace_page_decode(p->bytes, len, &layout, &format, 1, hear, h, lost, NULL);
}

static void test_formats(void **state _unused_)
{
	struct trace_format f;
	struct err e = {0};

	assert_int_equal(trace_layout_parse(header_page, &layout, &e), 0);
	assert_int_equal(layout.commit_size, 8);
	assert_int_equal(layout.data_offset, 16);
	assert_int_equal(trace_layout_parse("field: int nothing;", &layout, &e), -EBADMSG);
	assert_int_equal(trace_format_parse(format_later, &f, &e), 0);
	assert_int_equal(f.rwbs.offset, 34);
	assert_int_equal(f.rwbs.size, 10);
	assert_int_equal(trace_format_parse(FORMAT_HEAD, &f, &e), -EBADMSG);
	assert_string_equal(e.msg, "the trace event has no field error");
	assert_int_equal(trace_format_parse("", &f, &e), -EBADMSG);
	assert_int_equal(trace_format_parse(format_6_1, &format, &e), 0);
	assert_int_equal(format.id, 1063);
	assert_int_equal(format.sector.offset, 16);
}

static void test_records(void **state _unused_)
{
	struct heard h;
	struct page p;
	uint64_t lost;

	begin(&p, 1000);
	put_record(&p, 5, 1063, 8u << 20 | 16, 4656, -61, "RS");
	put_record(&p, 7, 99, 8u << 20, 1, -5, "R"); /* another event's */
	put32(&p, RB_EXTEND_HEAD(3));
	put32(&p, 2);
	put_record(&p, 1, 1063, 254u << 20 | 0xfffff, UINT64_MAX, -5, "FWFS");
	finish(&p, 0);
	assert_int_equal(decode(&p, p.len, &h, &lost), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(lost, 0);
	assert_int_equal(h.te[0].time, 1005);
	assert_int_equal(h.te[0].major, 8);
	assert_int_equal(h.te[0].minor, 16);
	assert_int_equal(h.te[0].sector, 4656);
	assert_int_equal(h.te[0].sectors, 8);
	assert_int_equal(h.te[0].error, -61);
	assert_string_equal(h.te[0].rwbs, "RS");
	assert_int_equal(h.te[1].time, 1012 + 3 + (INT64_C(2) << 27) + 1);
	assert_int_equal(h.te[1].minor, 0xfffff);
	assert_true(h.te[1].sector == UINT64_MAX);
	assert_string_equal(h.te[1].rwbs, "FWFS");
}

/* Two events in one buffer, each by its own layout. */
static void test_bio(void **state _unused_)
{
	struct trace_format both[2] = {format};
	struct heard h = {0};
	struct err e = {0};
	struct page p;
	uint64_t lost = 0;

	assert_int_equal(trace_format_parse(format_bio, &both[1], &e), 0);
	assert_int_equal(both[1].id, 1058);
	begin(&p, 0);
	put_record(&p, 1, 1063, 8u << 20, 100, -61, "R");
	put_record(&p, 1, 1058, 254u << 20 | 2, 36, -61, "R");
	finish(&p, 0);
	assert_int_equal(trace_page_decode(p.bytes, p.len, &layout, both, 2, hear, &h, &lost, &e), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.te[1].major, 254);
	assert_int_equal(h.te[1].minor, 2);
	assert_int_equal(h.te[1].sector, 36);
	assert_int_equal(h.te[1].error, -61);
}

static void test_lost(void **state _unused_)
{
	struct heard h;
	struct page p;
	uint64_t lost, missed = 3816;

	begin(&p, 0);
	put_record(&p, 0, 1063, 8u << 20, 1, -5, "R");
	finish(&p, 1u << 31);
	assert_int_equal(decode(&p, p.len, &h, &lost), 0);
	assert_int_equal(lost, 1);
	finish(&p, 1u << 31 | 1u << 30);
	put(&p, &missed, sizeof(missed));
	assert_int_equal(decode(&p, p.len, &h, &lost), 0);
	assert_int_equal(lost, 3816);
	assert_int_equal(h.n, 1);
}

/* A page that lies gives what was right before the lie, and no more. */
static void test_hostile(void **state _unused_)
{
	struct heard h;
	struct page p;
	uint64_t lost;

	begin(&p, 0);
	put_record(&p, 0, 1063, 8u << 20, 1, -5, "R");
	put32(&p, 28);
	finish(&p, 0);
	assert_int_equal(decode(&p, p.len, &h, &lost), -EBADMSG);
	assert_int_equal(h.n, 1);
	assert_int_equal(decode(&p, 15, &h, &lost), -EBADMSG);
	assert_int_equal(decode(&p, 40, &h, &lost), -EBADMSG);
	begin(&p, 0);
	put32(&p, 0); /* a long record of no length */
	put32(&p, 0);
	finish(&p, 0);
	assert_int_equal(decode(&p, p.len, &h, &lost), -EBADMSG);
	begin(&p, 0);
	put32(&p, 0);
	put32(&p, UINT32_MAX);
	finish(&p, 0);
	assert_int_equal(decode(&p, p.len, &h, &lost), -EBADMSG);
	begin(&p, 0);
	put32(&p, 29); /* padding to the end of the page */
	finish(&p, 0);
	assert_int_equal(decode(&p, p.len, &h, &lost), 0);
}

static int sum_cpu(void *u, unsigned cpu)
{
	*(unsigned *)u += cpu + 1;
	return 0;
}

static void test_cpus(void **state _unused_)
{
	unsigned sum = 0;

	assert_int_equal(cpu_list_parse("0-3,8\n", sum_cpu, &sum), 0);
	assert_int_equal(sum, 1 + 2 + 3 + 4 + 9);
	assert_int_equal(cpu_list_parse("3-1", sum_cpu, &sum), -EBADMSG);
	assert_int_equal(cpu_list_parse("0-99999", sum_cpu, &sum), -EBADMSG);
	assert_int_equal(cpu_list_parse("x", sum_cpu, &sum), -EBADMSG);
	assert_int_equal(cpu_list_parse("", sum_cpu, &sum), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_formats), unit(test_records), unit(test_bio),
		unit(test_lost),    unit(test_hostile), unit(test_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
