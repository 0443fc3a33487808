// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/history.h"

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/spared-history-XXXXXX", path[64];

static struct history *open_as(int64_t run)
{
	struct history *h = NULL;
	struct err e = {0};

	assert_int_equal(history_open(path, run, &h, &e), 0);
	return h;
}

static void put(struct history *h, int seq, const char *table, const char *key, json_t *row)
{
	json_t *line = json_pack("{s:i s:s s:s s:I s:o}", "seq", seq, "table", table, "key", key, "wall",
				 (json_int_t)seq * 1000, "row", row);

	assert_int_equal(history_begin(h, true, NULL), 0);
	assert_int_equal(history_put(h, line, NULL), 0);
	assert_int_equal(history_end(h, NULL), 0);
	json_decref(line);
}

static size_t count(struct history *h, json_t *query, bool *more)
{
	json_t *answer = NULL;
	struct err e = {0};
	size_t n;

	assert_int_equal(history_query(h, query, 1 << 20, &answer, &e), 0);
	n = json_array_size(json_object_get(answer, "rows"));
	if (more)
		*more = json_is_true(json_object_get(answer, "more"));
	json_decref(answer);
	json_decref(query);
	return n;
}

static void test_rows(void **state _unused_)
{
	struct history *h = open_as(1);
	json_t *answer = NULL, *query, *row;
	bool more;

	put(h, 1, "event", "", json_pack("{s:s s:s}", "kind", "block.error", "device", "wwn-1"));
	put(h, 2, "event", "", json_pack("{s:s s:s}", "kind", "device.added", "device", "wwn-2"));
	put(h, 3, "verdict", "", json_pack("{s:s s:[{s:s}]}", "rule", "r", "contexts", "array", "a1"));
	put(h, 3, "verdict", "", json_pack("{s:s}", "rule", "sent again"));
	assert_int_equal(count(h, json_object(), NULL), 3);
	assert_int_equal(count(h, json_pack("{s:s}", "device", "wwn-1"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "array", "a1"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "kind", "block.*"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s s:i}", "table", "event", "since", 2000), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:i}", "limit", 2), &more), 2);
	assert_true(more);
	assert_int_equal(count(h, json_pack("{s:i}", "before", 2), &more), 1);
	assert_false(more);
	query = json_pack("{s:i}", "limit", 0);
	assert_int_equal(history_query(h, query, 1 << 20, &answer, NULL), -EINVAL);
	json_decref(query);
	query = json_pack("{s:i}", "device", 0);
	assert_int_equal(history_query(h, query, 1 << 20, &answer, NULL), -EINVAL);
	json_decref(query);
	/* A line has an end: fewer rows, and the word that there are more. */
	query = json_object();
	assert_int_equal(history_query(h, query, 10, &answer, NULL), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 1);
	assert_true(json_is_true(json_object_get(answer, "more")));
	row = json_array_get(json_object_get(answer, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(row, "row"), "rule")), "r");
	assert_int_equal(json_integer_value(json_object_get(row, "wall")), 3000);
	json_decref(query);
	json_decref(answer);
	history_close(h);
}

/* What was begun and has no outcome is found by the next broker; ids of plans may come again. */
static void test_unfinished(void **state _unused_)
{
	struct history *h = open_as(2);
	json_t *list;

	put(h, 1, "intent", "P-1", json_pack("{s:s}", "id", "P-1"));
	put(h, 2, "intent", "P-2", json_pack("{s:s}", "id", "P-2"));
	put(h, 3, "outcome", "P-1", json_pack("{s:s}", "result", "ok"));
	history_close(h);
	h = open_as(3);
	list = history_unfinished(h);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "P-2");
	json_decref(list);
	put(h, 1, "outcome", "P-2", json_object());
	put(h, 2, "intent", "P-1", json_pack("{s:s}", "id", "P-1"));
	list = history_unfinished(h);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	history_close(h);
}

static void test_state(void **fixture _unused_)
{
	struct history *h = open_as(4);
	json_t *state = json_pack("{s:i}", "x", 1);

	assert_null(history_state(h));
	assert_int_equal(history_begin(h, false, NULL), 0);
	assert_int_equal(history_save(h, state, NULL), 0);
	assert_int_equal(history_end(h, NULL), 0);
	json_decref(state);
	history_close(h);
	h = open_as(5);
	state = history_state(h);
	assert_int_equal(json_integer_value(json_object_get(state, "x")), 1);
	json_decref(state);
	history_close(h);
}

static void test_broken(void **state _unused_)
{
	struct history *h = NULL;
	struct err e = {0};
	FILE *f;

	assert_true(history_open("/nonexistent/history.db", 1, &h, &e) < 0);
	unlink(path);
	f = fopen(path, "w");
	fputs("this is no database, but long enough to look like a header of one ........................", f);
	fclose(f);
	assert_true(history_open(path, 1, &h, &e) < 0);
	assert_true(e.msg[0] != '\0');
}

static int begin(void **state _unused_)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/h.db", dir);
	return 0;
}

static int end(void **state _unused_)
{
	return scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_rows),
		unit(test_unfinished),
		unit(test_state),
		unit(test_broken),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
