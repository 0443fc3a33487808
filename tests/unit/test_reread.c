// SPDX-License-Identifier: GPL-2.0-or-later
/* When disks are read again: after each change, but not more often than twice a second; and nothing waits for that but
 * what asks about the disk itself. */
#include "core/clock.h"
#include "pipeline/pipeline.h"
#include "tests/unit/unit.h"

static int64_t now;
static struct settings settings;
static struct ruleset *rules;
static struct pipeline *p;
static char asked[256];
static int resynced;

static int64_t tell_time(void *u)
{
	(void)u;
	return now;
}
static const struct clock clock_test = {.boot = tell_time, .awake = tell_time, .wall = tell_time};

static void on_probe(void *u, const char *device_id, const char *node, bool again)
{
	(void)u;
	(void)device_id;
	snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%s%s ", node, again ? "+" : "");
}

static void no_run(void *u, const struct plan *plan)
{
	(void)u;
	(void)plan;
}

static void on_store(void *u, const char *table, const json_t *row, const char *id, bool want_ack)
{
	const char *kind = json_string_value(json_object_get(row, "kind"));

	(void)u;
	(void)table;
	(void)id;
	(void)want_ack;
	resynced += kind && strcmp(kind, "broker.resynced") == 0;
}

static void no_message(void *u, const json_t *msg)
{
	(void)u;
	(void)msg;
}

static void tell(const char *action, const char *node, enum origin origin)
{
	pipeline_raw_device(p,
			    &(struct raw_device){.action = action,
						 .devtype = "disk",
						 .devname = node,
						 .major = 8,
						 .minor = (unsigned char)node[5],
						 .diskseq = 1,
						 .id_wwn = node + 5,
						 .has_size = true,
						 .sectors = 1 << 20,
						 .sector_size = 512},
			    origin);
}

static void change(const char *node)
{
	tell("change", node, ORIGIN_KERNEL);
}

/* Both disks are told, and enumeration is done. */
static void enumerate(bool doubt)
{
	pipeline_rescan(p, doubt);
	tell("add", "/dev/a", ORIGIN_SYNTHESISED);
	tell("add", "/dev/b", ORIGIN_SYNTHESISED);
	pipeline_enumerated(p);
}

static void answer(const char *node)
{
	json_t *blank = json_pack("{s:s}", "contents", "blank");

	pipeline_probed(p, pipeline_find_device(p, node), blank, NULL);
	json_decref(blank);
}

/* What was asked for since the last call, until so many milliseconds are over. */
static const char *within(int ms)
{
	static char all[sizeof(asked)];

	now += ms * NS_PER_MS;
	pipeline_advance(p);
	memcpy(all, asked, sizeof(all));
	asked[0] = '\0';
	return all;
}

static int begin(void **state _unused_)
{
	const struct pipeline_ops ops = {
		.probe = on_probe, .run = no_run, .store = on_store, .publish = no_message, .notify = no_message};
	const struct ruleset_options none = {.actions = action_descs};
	struct err e = {0};
	struct diag d;

	now = 100 * NS_PER_SEC;
	asked[0] = '\0';
	resynced = 0;
	settings_init(&settings);
	diag_init(&d);
	assert_int_equal(ruleset_load(NULL, 0, &none, &d, &rules), 0);
	diag_finish(&d);
	assert_int_equal(pipeline_new(&settings, rules, &clock_test, &ops, &p, &e), 0);
	return 0;
}

static int end(void **state)
{
	pipeline_free(p);
	ruleset_unref(rules);
	settings_finish(&settings);
	return unit_end(state);
}

/* A disk that changes all the time is read all the time: the picture is whole when each was read once. */
static void start_does_not_wait(void **state _unused_)
{
	enumerate(false);
	assert_string_equal(within(0), "/dev/a /dev/b ");
	answer("/dev/b");
	now += NS_PER_SEC;
	change("/dev/b");
	assert_string_equal(within(0), "/dev/b+ ");
	assert_false(pipeline_started(p));
	answer("/dev/a");
	assert_true(pipeline_started(p));
	assert_true(pipeline_reads(p, "/dev/b", now));
}

static void last_change_counts(void **state _unused_)
{
	enumerate(false);
	within(0);
	change("/dev/a"); /* while it is read: what was read may be older */
	assert_string_equal(within(10), "");
	answer("/dev/a");
	answer("/dev/b");
	assert_true(pipeline_reads(p, "/dev/a", now));
	assert_false(pipeline_reads(p, "/dev/b", now));
	assert_string_equal(within(499), "");
	assert_string_equal(within(1), "/dev/a+ ");
	answer("/dev/a");
	assert_false(pipeline_reads(p, "/dev/a", now));
	assert_string_equal(within(10000), "");
	for (int i = 0; i < 50; i++) { /* the first at once, the rest together */
		change("/dev/a");
		if (i == 0) {
			assert_string_equal(within(0), "/dev/a+ ");
			answer("/dev/a");
		}
	}
	assert_string_equal(within(400), "");
	change("/dev/a");
	assert_string_equal(within(100), "/dev/a+ ");
	answer("/dev/a");
	assert_string_equal(within(10000), "");
}

/* Attached anew, it is another medium: what was to be read again is read now. */
static void gone_is_forgotten(void **state _unused_)
{
	enumerate(false);
	answer("/dev/a");
	answer("/dev/b");
	within(0);
	change("/dev/a");
	tell("remove", "/dev/a", ORIGIN_KERNEL);
	assert_string_equal(within(10000), "");
	tell("add", "/dev/a", ORIGIN_KERNEL);
	assert_string_equal(within(0), "/dev/a ");
	assert_string_equal(within(10000), "");
}

/* Udev's messages were lost, among them perhaps a change. */
static void lost_changes(void **state _unused_)
{
	enumerate(false);
	answer("/dev/a");
	answer("/dev/b");
	within(1000);
	enumerate(false);
	assert_string_equal(within(1000), "");
	assert_int_equal(resynced, 1);
	enumerate(true);
	assert_string_equal(within(0), "/dev/a+ /dev/b+ ");
	answer("/dev/a");
	assert_int_equal(resynced, 1);
	answer("/dev/b");
	assert_int_equal(resynced, 2);
	change("/dev/a");
	enumerate(true); /* just read: they are read again later, and that is waited for */
	assert_string_equal(within(0), "");
	assert_int_equal(resynced, 2);
	assert_string_equal(within(500), "/dev/a+ /dev/b+ ");
	answer("/dev/a");
	answer("/dev/b");
	assert_int_equal(resynced, 3);
}

/* Who asks about a disk waits until it was read once more, not until it changes no more. */
static void asking_has_an_end(void **state _unused_)
{
	int64_t since;

	enumerate(false);
	answer("/dev/a");
	answer("/dev/b");
	within(1000);
	since = now;
	assert_false(pipeline_reads(p, "/dev/a", since));
	change("/dev/a");
	assert_string_equal(within(10), "/dev/a+ ");
	since = now;
	change("/dev/a");
	answer("/dev/a");
	assert_true(pipeline_reads(p, "/dev/a", since)); /* that was asked for before the change */
	assert_string_equal(within(500), "/dev/a+ ");
	change("/dev/a");
	answer("/dev/a");
	assert_false(pipeline_reads(p, "/dev/a", since));
	assert_true(pipeline_reads(p, "/dev/a", now + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(start_does_not_wait, begin, end),
		cmocka_unit_test_setup_teardown(last_change_counts, begin, end),
		cmocka_unit_test_setup_teardown(gone_is_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(lost_changes, begin, end),
		cmocka_unit_test_setup_teardown(asking_has_an_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
