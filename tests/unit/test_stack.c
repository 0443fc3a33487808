// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors that a stack of devices hands upwards are told once, by the lowest. */
#include "pipeline/stack.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

/* Disks are 8:N, layers 254:N. */
static void put(struct stack *s, unsigned major, unsigned minor, const char *action, const struct raw_number *lowers,
		size_t n)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/%s%u", major == 8 ? "sd" : "dm-", minor);
	assert_int_equal(stack_device(s, &(struct raw_device){.action = action,
							      .devtype = "disk",
							      .devname = node,
							      .major = major,
							      .minor = minor,
							      .lowers = lowers,
							      .n_lowers = n}),
			 0);
}

/* sd1 <- dm-0 <- dm-1; sd2 */
static struct stack *linear_on_linear(void)
{
	struct stack *s;

	assert_int_equal(stack_new(&s), 0);
	put(s, 8, 1, "add", NULL, 0);
	put(s, 8, 2, "add", NULL, 0);
	put(s, 254, 0, "add", &(struct raw_number){8, 1}, 1);
	put(s, 254, 1, "add", &(struct raw_number){254, 0}, 1);
	return s;
}

static struct event *error(const char *device, int number, enum operation operation, int64_t ms)
{
	struct event *ev = event_new("block.error", "tracefs", ORIGIN_KERNEL);

	ev->device = strdup(device);
	ev->time = ms * NS_PER_MS;
	event_set(ev, FACT_ERROR_ERRNO, value_int(number));
	event_set(ev, FACT_ERROR_OPERATION, fact_enum(FACT_ERROR_OPERATION, (int)operation));
	return ev;
}

/* The names of what goes on, in order. */
static char said[256];

static void say(void *u, struct event *ev)
{
	(void)u;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s ", ev->device + strlen("name-"));
	event_free(ev);
}

static void tell(struct stack *s, const char *device, int number, int64_t ms)
{
	stack_error(s, error(device, number, OPERATION_READ, ms), false, ms * NS_PER_MS, say, NULL);
}

static void test_orders(void **state _unused_)
{
	static const struct {
		const char *what;
		struct {
			const char *device;
			int error;
			int64_t ms;
		} in[4];
		const char *want;
		uint64_t copies;
	} rows[] = {
		{"the disk first", {{"name-sd1", EIO, 1}, {"name-dm-0", EIO, 1}, {"name-dm-1", EIO, 2}}, "sd1 ", 2},
		{"the disk last", {{"name-dm-1", EIO, 1}, {"name-dm-0", EIO, 2}, {"name-sd1", EIO, 100}}, "sd1 ", 2},
		{"no disk", {{"name-dm-1", EIO, 1}, {"name-dm-0", EIO, 2}}, "dm-0 ", 1},
		{"no disk, the lower first", {{"name-dm-0", EIO, 1}, {"name-dm-1", EIO, 2}}, "dm-0 ", 1},
		{"only the top", {{"name-dm-1", EILSEQ, 1}}, "dm-1 ", 0},
		{"EIO for any error", {{"name-sd1", ENODATA, 1}, {"name-dm-0", EIO, 1}}, "sd1 ", 1},
		{"another error", {{"name-sd1", ENODATA, 1}, {"name-dm-0", EILSEQ, 1}}, "sd1 dm-0 ", 0},
		{"another disk", {{"name-sd2", EIO, 1}, {"name-dm-0", EIO, 1}}, "sd2 dm-0 ", 0},
		{"just in time", {{"name-sd1", EIO, 1}, {"name-dm-0", EIO, 1001}}, "sd1 ", 1},
		{"too late", {{"name-sd1", EIO, 1}, {"name-dm-0", EIO, 1002}}, "sd1 dm-0 ", 0},
		{"not known", {{"name-sd9", EIO, 1}}, "sd9 ", 0},
	};

	for_rows (i, rows) {
		_cleanup_(stack_freep) struct stack *s = linear_on_linear();
		int64_t at;

		said[0] = '\0';
		for (size_t k = 0; k < 4 && rows[i].in[k].device; k++)
			tell(s, rows[i].in[k].device, rows[i].in[k].error, rows[i].in[k].ms);
		while (stack_deadline(s, &at))
			stack_due(s, at, say, NULL);
		assert_string_equal(said, rows[i].want);
		assert_int_equal(stack_copies(s), rows[i].copies);
	}
}

static void test_hold(void **state _unused_)
{
	_cleanup_(stack_freep) struct stack *s = linear_on_linear();
	int64_t at = 0;

	said[0] = '\0';
	tell(s, "name-dm-1", EIO, 1000);
	assert_string_equal(said, "");
	assert_true(stack_deadline(s, &at));
	assert_int_equal(at, 1000 * NS_PER_MS + STACK_HOLD_NS);
	stack_due(s, at - 1, say, NULL);
	assert_string_equal(said, "");
	stack_due(s, at, say, NULL);
	assert_string_equal(said, "dm-1 ");
	assert_true(!stack_deadline(s, &at));
	/* What rules count on neither waits nor is dropped, and is the lowest to those above. */
	stack_error(s, error("name-dm-0", EIO, OPERATION_READ, 5000), true, 5000 * NS_PER_MS, say, NULL);
	assert_string_equal(said, "dm-1 dm-0 ");
	tell(s, "name-dm-1", EIO, 5000);
	assert_string_equal(said, "dm-1 dm-0 ");
	/* A failed write says nothing about a read. */
	stack_error(s, error("name-sd1", EIO, OPERATION_WRITE, 9000), false, 9000 * NS_PER_MS, say, NULL);
	tell(s, "name-dm-0", EIO, 9000);
	stack_due(s, 9200 * NS_PER_MS, say, NULL);
	assert_string_equal(said, "dm-1 dm-0 sd1 dm-0 ");
}

/* More than can wait: the oldest goes on, none is lost. */
static void test_many(void **state _unused_)
{
	_cleanup_(stack_freep) struct stack *s;
	size_t told = 0;

	assert_int_equal(stack_new(&s), 0);
	put(s, 8, 1, "add", NULL, 0);
	for (unsigned i = 0; i < 2 * STACK_TOLD_MAX; i++)
		put(s, 254, i, "add", &(struct raw_number){8, 1}, 1);
	for (unsigned i = 0; i < 2 * STACK_TOLD_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "name-dm-%u", i);
		said[0] = '\0';
		tell(s, name, ENODATA, 1);
		told += said[0] ? 1 : 0;
	}
	assert_int_equal(told, 2 * STACK_TOLD_MAX - STACK_HELD_MAX);
	said[0] = '\0';
	tell(s, "name-sd1", ENODATA, 2);
	assert_string_equal(said, "sd1 ");
	assert_int_equal(stack_copies(s), STACK_HELD_MAX);
}

/* A device that two others lie on, which a third lies on; a circle, which no kernel makes. */
static void test_shapes(void **state _unused_)
{
	_cleanup_(stack_freep) struct stack *s = linear_on_linear();
	struct raw_number both[] = {{254, 0}, {254, 2}};

	put(s, 254, 2, "add", &(struct raw_number){8, 1}, 1);
	put(s, 254, 3, "add", both, 2);
	said[0] = '\0';
	tell(s, "name-sd1", EIO, 1);
	tell(s, "name-dm-3", EIO, 1);
	assert_string_equal(said, "sd1 ");
	put(s, 254, 0, "change", &(struct raw_number){254, 1}, 1);
	said[0] = '\0';
	tell(s, "name-dm-1", EIO, 5000);
	tell(s, "name-dm-0", EIO, 5000);
	stack_due(s, 6000 * NS_PER_MS, say, NULL);
	assert_string_equal(said, "");
}

/* A part that is gone keeps its name until nothing lies on it. */
static void test_gone(void **state _unused_)
{
	_cleanup_(stack_freep) struct stack *s = linear_on_linear();
	struct raw_number disk = {8, 1}, other = {8, 2};

	put(s, 8, 2, "remove", NULL, 0);
	assert_null(stack_find(s, other));
	put(s, 8, 1, "remove", NULL, 0);
	assert_non_null(stack_find(s, disk));
	assert_true(stack_find(s, disk)->gone);
	assert_string_equal(stack_find(s, disk)->id, "name-sd1");
	put(s, 8, 1, "add", NULL, 0);
	assert_true(!stack_find(s, disk)->gone);
	put(s, 8, 1, "remove", NULL, 0);
	put(s, 254, 0, "change", NULL, 0);
	assert_null(stack_find(s, disk));
	stack_rescan(s);
	put(s, 254, 1, "add", &(struct raw_number){254, 0}, 1);
	stack_unseen(s);
	assert_true(stack_find(s, (struct raw_number){254, 0})->gone);
	stack_rescan(s);
	stack_unseen(s);
	assert_null(stack_find(s, (struct raw_number){254, 1}));
}

static void test_partitions(void **state _unused_)
{
	_cleanup_(stack_freep) struct stack *s;

	assert_int_equal(stack_new(&s), 0);
	assert_int_equal(stack_device(s, &(struct raw_device){.action = "add",
							      .devtype = "partition",
							      .devname = "/dev/sda1",
							      .major = 8,
							      .minor = 1}),
			 0);
	assert_null(stack_find(s, (struct raw_number){8, 1}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_orders), unit(test_hold), unit(test_many),
		unit(test_shapes), unit(test_gone), unit(test_partitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
