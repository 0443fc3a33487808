// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of the multipath target, and steps on its paths. The lines are what a Debian 6.1 kernel printed. */
#include "actions/dm/multipath.h"
#include "actions/path_exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define TWO "0 0 2 1 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:16 1"
#define ONE_GROUP "0 0 1 1 round-robin 0 2 1 8:0 1 8:16 1"
#define ALUA                                                                                                           \
	"3 queue_if_no_path queue_mode bio 1 alua 2 2 service-time 0 2 2 8:0 1 1 8:16 1 1 service-time 0 2 2 8:32 1 "  \
	"1 "                                                                                                           \
	"8:48 1 1"

static void print(const struct dm_mp_map *m, struct dm_target *t)
{
	struct err e = {0};

	assert_int_equal(dm_mp_table_print(m, t, &e), 0);
	assert_string_equal(t->type, "multipath");
}

static void test_tables(void **state _unused_)
{
	static const struct {
		const char *line;
		unsigned groups, paths;
	} rows[] = {{ONE_GROUP, 1, 2},
		    {TWO, 2, 2},
		    {ALUA, 2, 4},
		    {"1 queue_if_no_path 0 0 0", 0, 0},
		    {"0 0 1 1 queue-length 1 x 1 0 /dev/sda", 1, 1}};
	static struct dm_mp_map m;
	static struct dm_target t;
	struct err e = {0};

	for_rows (i, rows) {
		assert_int_equal(dm_mp_table_parse(rows[i].line, &m, &e), 0);
		assert_int_equal(m.n_groups, rows[i].groups);
		assert_int_equal(m.n_paths, rows[i].paths);
		print(&m, &t);
		assert_string_equal(t.params, rows[i].line);
	}
}

static void test_broken(void **state _unused_)
{
	static const char *const rows[] = {"",
					   "0",
					   "0 0 1 2 round-robin 0 1 1 8:0 1",
					   "0 0 1 1 round-robin 0 2 1 8:0 1",
					   "0 0 1 1 round-robin 0 1 1 8:0 1 more",
					   "0 0 33 1",
					   "0 0 1 1 round-robin 0 65 0",
					   "-1 0 1 1",
					   "9999999 0",
					   "5 a b",
					   "0 0 1 1 round-robin 0 1 9999999 8:0"};
	static struct dm_mp_map m;

	for_rows (i, rows) {
		struct err e = {0};

		assert_int_equal(dm_mp_table_parse(rows[i], &m, &e), -EBADMSG);
		assert_true(e.msg[0]);
	}
}

static void test_status(void **state _unused_)
{
	static struct dm_mp_map m;
	struct err e = {0};

	assert_int_equal(dm_mp_table_parse(ALUA, &m, &e), 0);
	assert_int_equal(
		dm_mp_status_take("2 0 1 0 2 2 E 0 2 2 8:0 A 0 0 1 8:16 F 3 0 1 A 0 2 2 8:32 A 0 0 1 8:48 A 0 0 1 ", &m,
				  &e),
		0);
	assert_true(!m.path[0].failed && m.path[1].failed && !m.path[2].failed && !m.path[3].failed);
	/* Of another table. */
	assert_int_equal(dm_mp_status_take("2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:16 A 0", &m, &e), -EBADMSG);
	assert_int_equal(dm_mp_status_take("2 0 1 0 2 2 E 0 2 2 8:0 A 0 0 1", &m, &e), -EBADMSG);
}

/* Last, and back where it was. */
static void test_moves(void **state _unused_)
{
	static const struct {
		const char *before;
		unsigned path;
		const char *after; /* NULL: it is last already */
	} rows[] = {
		{ONE_GROUP, 0, "0 0 2 1 round-robin 0 1 1 8:16 1 round-robin 0 1 1 8:0 1"},
		{ONE_GROUP, 1, "0 0 2 1 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:16 1"},
		{TWO, 0, "0 0 2 1 round-robin 0 1 1 8:16 1 round-robin 0 1 1 8:0 1"},
		{TWO, 1, NULL},
		{ALUA, 2,
		 "3 queue_if_no_path queue_mode bio 1 alua 3 1 service-time 0 2 2 8:0 1 1 8:16 1 1 service-time 0 1 2 "
		 "8:48 1 1 service-time 0 1 2 8:32 1 1"},
	};
	static struct dm_mp_map m;
	static struct dm_target t;
	struct err e = {0};

	for_rows (i, rows) {
		unsigned group, n = 0;
		bool alone;

		assert_int_equal(dm_mp_table_parse(rows[i].before, &m, &e), 0);
		assert_int_equal(dm_mp_demote(&m, rows[i].path, &group, &alone), rows[i].after != NULL);
		print(&m, &t);
		assert_string_equal(t.params, rows[i].after ? rows[i].after : rows[i].before);
		if (!rows[i].after)
			continue;
		assert_true(dm_mp_restore(&m, m.n_paths - 1, group, alone));
		print(&m, &t);
		assert_int_equal(dm_mp_table_parse(t.params, &m, &e), 0);
		for (unsigned p = 0; p < m.n_paths; p++)
			n += m.path[p].group == group;
		assert_int_equal(n, alone ? 1 : 2);
		assert_false(dm_mp_restore(&m, 0, 0, false)); /* it is not last */
	}
}

/* ---- steps ---- */

static struct kernel {
	const char *table, *status, *uuid;
	bool daemon, suspended;
	int fail_resume;
	char said[1024]; /* what was asked of the kernel that changes something */
} kernel;

static void said(const char *fmt, ...) _printf_(1, 2);
static void said(const char *fmt, ...)
{
	size_t n = strlen(kernel.said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(kernel.said + n, sizeof(kernel.said) - n, fmt, ap);
	va_end(ap);
}

static int k_list(void *u _unused_, const char *prefix _unused_, struct dm_info_view **ret, size_t *n,
		  struct err *e _unused_)
{
	*ret = calloc(1, sizeof(**ret));
	(*ret)->minor = 5;
	(*ret)->major = 254;
	strcpy((*ret)->name, "mp");
	snprintf((*ret)->uuid, sizeof((*ret)->uuid), "%s", kernel.uuid);
	*n = 1;
	return 0;
}

static int k_target(void *u _unused_, const char *name _unused_, char type[16], uint64_t *len, struct err *e _unused_)
{
	snprintf(type, 16, "multipath");
	*len = 4096;
	return 0;
}

static int k_table(void *u _unused_, const char *name _unused_, char *params, struct err *e _unused_)
{
	snprintf(params, DM_PARAMS_MAX, "%s", kernel.table);
	return 0;
}

static int k_status(void *u _unused_, const char *name _unused_, char *params, struct err *e _unused_)
{
	snprintf(params, DM_PARAMS_MAX, "%s", kernel.status);
	return 0;
}

static int k_load(void *u _unused_, const char *name _unused_, const struct dm_target *t, size_t n, bool ro _unused_,
		  struct err *e _unused_)
{
	assert_int_equal(n, 1);
	assert_int_equal(t->len, 4096);
	said("load %s; ", t->params);
	return 0;
}

static int k_suspend(void *u _unused_, const char *name _unused_, bool noflush, struct err *e _unused_)
{
	assert_true(noflush);
	kernel.suspended = true;
	said("suspend; ");
	return 0;
}

static int k_resume(void *u _unused_, const char *name _unused_, enum dm_shown shown, struct err *e)
{
	assert_int_equal(shown, DM_SHOWN);
	if (kernel.fail_resume-- > 0)
		return err_set(e, ENOMEM, "cannot resume mp");
	kernel.suspended = false;
	said("resume; ");
	return 0;
}

static int k_clear(void *u _unused_, const char *name _unused_, struct err *e _unused_)
{
	said("clear; ");
	return 0;
}

static int k_message(void *u _unused_, const char *name _unused_, const char *text, struct err *e _unused_)
{
	said("%s; ", text);
	return 0;
}

static int k_settle(void *u _unused_)
{
	return 0;
}

static bool has_daemon(void *u _unused_)
{
	return kernel.daemon;
}

static void take_show(void *u _unused_, const char *text)
{
	said("show %s; ", text);
}

static const struct dm_ops k_ops = {.list = k_list,
				    .target = k_target,
				    .table = k_table,
				    .status = k_status,
				    .load = k_load,
				    .suspend = k_suspend,
				    .resume = k_resume,
				    .clear = k_clear,
				    .message = k_message,
				    .settle = k_settle};

#define BOTH "2 0 0 0 1 1 A 0 2 1 8:0 A 0 1 8:16 A 0 1"
#define FIRST "2 0 0 0 1 1 A 0 2 1 8:0 A 0 1 8:16 F 4 1"
#define SWAP(table) "load " table "; suspend; resume; "
#define DEMOTED "0 0 2 1 round-robin 0 1 1 8:16 1 round-robin 0 1 1 8:0 1"

static const struct {
	enum step_op op;
	const char *dev, *table, *status;
	bool daemon, dry_run;
	int fail_resume;
	enum action_result result;
	const char *reason, *said;
} steps[] = {
	{STEP_FAIL_PATH, "8:0", ONE_GROUP, BOTH, .result = ACTION_OK, .said = "fail_path 8:0; "},
	{STEP_FAIL_PATH, "8:16", ONE_GROUP, FIRST, .result = ACTION_OK, .said = ""},
	{STEP_FAIL_PATH, "8:0", ONE_GROUP, FIRST, .result = ACTION_REFUSED,
	 .reason = "sdb is the last path of mp that works", .said = ""},
	{STEP_FAIL_PATH, "8:32", ONE_GROUP, BOTH, .result = ACTION_REFUSED, .reason = "sdb is no path of mp now",
	 .said = ""},
	{STEP_FAIL_PATH, "8:0", ONE_GROUP, BOTH, .daemon = true, .result = ACTION_REFUSED,
	 .reason = "mp is multipathd's, which would undo it; 'multipathd fail path sdb' asks it", .said = ""},
	{STEP_DEMOTE_PATH, "8:0", ONE_GROUP, BOTH, .daemon = true, .result = ACTION_REFUSED,
	 .reason = "mp is multipathd's, which would undo it; 'multipathd path sdb setmarginal' asks it", .said = ""},
	{STEP_FAIL_PATH, "8:0", ONE_GROUP, BOTH, .dry_run = true, .result = ACTION_OK,
	 .said = "show message to mp: fail_path 8:0; "},
	{STEP_REINSTATE_PATH, "8:16", ONE_GROUP, FIRST, .result = ACTION_OK, .said = "reinstate_path 8:16; "},
	{STEP_REINSTATE_PATH, "8:16", ONE_GROUP, BOTH, .result = ACTION_OK, .said = ""},
	{STEP_DEMOTE_PATH, "8:0", ONE_GROUP, BOTH, .result = ACTION_OK, .said = SWAP(DEMOTED)},
	/* A new table takes all paths for good. */
	{STEP_DEMOTE_PATH, "8:0", ONE_GROUP, FIRST, .result = ACTION_OK, .said = SWAP(DEMOTED) "fail_path 8:16; "},
	{STEP_DEMOTE_PATH, "8:0", ONE_GROUP, BOTH, .dry_run = true, .result = ACTION_OK,
	 .said = "show table before of mp: " ONE_GROUP "; show table after of mp: " DEMOTED "; "},
	{STEP_DEMOTE_PATH, "8:0", "0 0 1 1 round-robin 0 1 1 8:0 1", "2 0 0 0 1 1 A 0 1 1 8:0 A 0 1",
	 .result = ACTION_REFUSED, .reason = "sdb is the only path of mp", .said = ""},
	/* The old table goes on. */
	{STEP_DEMOTE_PATH, "8:0", ONE_GROUP, BOTH, .fail_resume = 1, .result = ACTION_FAILED,
	 .reason = "cannot resume mp", .said = "load " DEMOTED "; suspend; clear; resume; "},
	{STEP_RESTORE_PATH, "8:0", DEMOTED, "2 0 0 0 2 1 A 0 1 1 8:16 A 0 1 E 0 1 1 8:0 A 0 1", .result = ACTION_OK,
	 .said = SWAP("0 0 1 1 round-robin 0 2 1 8:16 1 8:0 1")},
	{STEP_RESTORE_PATH, "8:0", ONE_GROUP, BOTH, .result = ACTION_OK, .said = ""},
	{STEP_QUEUE_IO, "254:5", ONE_GROUP, FIRST, .result = ACTION_OK, .said = "queue_if_no_path; "},
	{STEP_QUEUE_IO, "254:5", "1 queue_if_no_path 0 1 1 round-robin 0 2 1 8:0 1 8:16 1",
	 "2 0 0 0 1 1 A 0 2 1 8:0 A 0 1 8:16 A 0 1", .result = ACTION_OK, .said = ""},
	{STEP_FAIL_IO, "254:5", "1 queue_if_no_path 0 1 1 round-robin 0 2 1 8:0 1 8:16 1",
	 "2 0 0 0 1 1 A 0 2 1 8:0 A 0 1 8:16 A 0 1", .result = ACTION_OK, .said = "fail_if_no_path; "},
	{STEP_FAIL_IO, "254:5", ONE_GROUP, BOTH, .daemon = true, .result = ACTION_REFUSED,
	 .reason = "mp is multipathd's, which would undo it; 'multipathd disablequeueing map mp' asks it", .said = ""},
	{STEP_FAIL_PATH, "8:0", "what is this", BOTH, .result = ACTION_FAILED, .said = ""},
};

static void test_steps(void **state _unused_)
{
	static const struct path_env env = {.dm = &k_ops, .has_daemon = has_daemon, .show = take_show};

	for_rows (i, steps) {
		struct path_task t = {
			.op = steps[i].op, .name = "sdb", .major = 254, .minor = 5, .dry_run = steps[i].dry_run};
		struct path_done done;

		row_name("%s", step_op_name(steps[i].op));
		kernel = (struct kernel){.table = steps[i].table,
					 .status = steps[i].status,
					 .uuid = "mpath-x",
					 .daemon = steps[i].daemon,
					 .fail_resume = steps[i].fail_resume};
		snprintf(t.dev, sizeof(t.dev), "%s", steps[i].dev);
		path_do(&env, &t, &done);
		assert_int_equal(done.result, steps[i].result);
		assert_string_equal(kernel.said, steps[i].said);
		assert_false(kernel.suspended);
		if (steps[i].reason)
			assert_string_equal(done.reason, steps[i].reason);
		if (done.result != ACTION_OK)
			assert_true(done.reason[0]);
	}
	/* A map that another tool than multipathd made is nobody's, and one that is gone is told. */
	kernel = (struct kernel){.table = ONE_GROUP, .status = BOTH, .uuid = "other", .daemon = true};
	struct path_task t = {.op = STEP_FAIL_PATH, .name = "sdb", .dev = "8:0", .major = 254, .minor = 5};
	struct path_done done;

	path_do(&env, &t, &done);
	assert_int_equal(done.result, ACTION_OK);
	t.minor = 6;
	path_do(&env, &t, &done);
	assert_int_equal(done.result, ACTION_REFUSED);
	assert_string_equal(done.reason, "the map of sdb is gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_tables), unit(test_broken), unit(test_status), unit(test_moves), unit(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
