// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/dm_list.h"

#include "core/buf.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/dm-ioctl.h>

/* A list as drivers/md/dm-ioctl.c writes it. */
struct answer {
	uint64_t words[1024];
	size_t len, last; /* last: of the last entry */
};

static uint8_t *bytes(struct answer *a)
{
	return (uint8_t *)a->words;
}

static void align(struct answer *a)
{
	a->len = (a->len + 7) & ~(size_t)7;
}

static void begin(struct answer *a)
{
	*a = (struct answer){.len = sizeof(struct dm_ioctl)};
	align(a);
}

static void add(struct answer *a, uint64_t dev, const char *name, uint32_t event_nr, const char *uuid)
{
	uint32_t tail[2] = {event_nr, uuid ? DM_NAME_LIST_FLAG_HAS_UUID : DM_NAME_LIST_FLAG_DOESNT_HAVE_UUID};
	uint32_t next;

	if (a->last) {
		next = (uint32_t)(a->len - a->last);
		memcpy(bytes(a) + a->last + offsetof(struct dm_name_list, next), &next, sizeof(next));
	}
	a->last = a->len;
	memcpy(bytes(a) + a->len, &dev, sizeof(dev));
	memcpy((char *)bytes(a) + a->len + offsetof(struct dm_name_list, name), name, strlen(name) + 1);
	a->len += offsetof(struct dm_name_list, name) + strlen(name) + 1;
	align(a);
	memcpy(bytes(a) + a->len, tail, sizeof(tail));
	a->len += sizeof(tail);
	if (uuid) {
		memcpy((char *)bytes(a) + a->len, uuid, strlen(uuid) + 1);
		a->len += strlen(uuid) + 1;
	}
	align(a);
}

static void finish(struct answer *a)
{
	struct dm_ioctl head = {.data_size = (uint32_t)a->len, .data_start = (sizeof(head) + 7) & ~7u};

	memcpy(a->words, &head, sizeof(head));
}

static void told(void *u, enum dm_change change, const struct dm_list_entry *entry)
{
	buf_addf(u, "%c%s:%u ", "+=-"[change], entry -> uuid, entry -> event_nr);
}

static void test_decode(void **state _unused_)
{
	_cleanup_(dm_list_finish) struct dm_list l = {0};
	struct answer a;

	begin(&a);
	add(&a, 1, "root", 4, NULL);
	add(&a, 2, "r6", 7, "SPARED-ddf-bb");
	add(&a, 3, "vg-lv", 1, "LVM-x");
	add(&a, 4, "r5", 3, "SPARED-ddf-aa");
	finish(&a);
	assert_int_equal(dm_list_decode(a.words, a.len, "SPARED-", &l, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.entries[0].name, "r5");
	assert_string_equal(l.entries[0].uuid, "SPARED-ddf-aa");
	assert_int_equal(l.entries[0].event_nr, 3);
	assert_int_equal(l.entries[1].event_nr, 7);
	assert_int_equal(l.entries[1].dev, 2);
}

static void test_empty(void **state _unused_)
{
	_cleanup_(dm_list_finish) struct dm_list l = {0};
	struct answer a;

	begin(&a);
	add(&a, 0, "", 0, NULL);
	finish(&a);
	assert_int_equal(dm_list_decode(a.words, a.len, "", &l, NULL), 0);
	assert_int_equal(l.n, 0);
}

static void test_hostile(void **state _unused_)
{
	struct dm_list l = {0};
	struct answer a;
	uint32_t next = 1 << 20;

	begin(&a);
	add(&a, 1, "a", 1, "SPARED-a");
	finish(&a);
	assert_int_equal(dm_list_decode(a.words, 100, "", &l, NULL), -EBADMSG);
	for (size_t cut = sizeof(struct dm_ioctl) + 1; cut + 8 < a.len; cut++) {
		struct answer b = a;

		b.len = cut;
		finish(&b);
		assert_int_equal(dm_list_decode(b.words, b.len, "", &l, NULL),
				 cut <= sizeof(struct dm_ioctl) ? 0 : -EBADMSG);
		dm_list_finish(&l);
	}
	memcpy(bytes(&a) + a.last + offsetof(struct dm_name_list, next), &next, sizeof(next));
	assert_int_equal(dm_list_decode(a.words, a.len, "", &l, NULL), -EBADMSG);
	next = 4; /* overlapping entries end by the limit or as garbage, never beyond the buffer */
	memcpy(bytes(&a) + a.last + offsetof(struct dm_name_list, next), &next, sizeof(next));
	dm_list_decode(a.words, a.len, "", &l, NULL);
	dm_list_finish(&l);
}

static void test_diff(void **state _unused_)
{
	struct dm_list_entry before[] = {{.uuid = "a", .event_nr = 1}, {.uuid = "b", .event_nr = 2}, {.uuid = "d"}};
	struct dm_list_entry now[] = {{.uuid = "b", .event_nr = 3}, {.uuid = "c", .event_nr = 0}, {.uuid = "d"}};
	_cleanup_(buf_free) struct buf out = {0};

	dm_list_diff(&(struct dm_list){before, 3}, &(struct dm_list){now, 3}, told, &out);
	assert_string_equal(buf_str(&out), "-a:1 =b:3 +c:0 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_decode),
		unit(test_empty),
		unit(test_hostile),
		unit(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
