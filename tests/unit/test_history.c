// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/history.h"

#include "core/clock.h"
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

	put(h, 0, "outcome", "P-0", json_pack("{s:s s:s s:s}", "array", "data", "array-id", "a2", "device", "wwn-3"));
	put(h, 1, "event", "", json_pack("{s:s s:s}", "kind", "block.error", "device", "wwn-1"));
	put(h, 2, "event", "", json_pack("{s:s s:s}", "kind", "device.added", "device", "wwn-2"));
	put(h, 3, "verdict", "", json_pack("{s:s s:[{s:s}]}", "rule", "r", "contexts", "array", "a1"));
	put(h, 3, "verdict", "", json_pack("{s:s}", "rule", "sent again"));
	assert_int_equal(count(h, json_object(), NULL), 4);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "array", "a2", "device", "wwn-3"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "device", "wwn-1"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "array", "a1"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "kind", "block.*"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s s:i}", "table", "event", "since", 2000), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:i}", "limit", 2), &more), 2);
	assert_true(more);
	assert_int_equal(count(h, json_pack("{s:i}", "before", 2), &more), 1);
	assert_false(more);
	/* Pictures are told only where they are asked for. */
	put(h, 4, "world", "", json_pack("{s:i}", "v", 1));
	assert_int_equal(count(h, json_object(), NULL), 4);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "world"), NULL), 1);
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

static json_t *ask(struct history *h, json_t *query)
{
	json_t *answer = NULL;
	struct err e = {0};

	assert_int_equal(history_query(h, query, 1 << 20, &answer, &e), 0);
	json_decref(query);
	return answer;
}

static const char *table_at(const json_t *answer, size_t i)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(answer, "rows"), i), "table"));
}

/* What made it fire, by the numbers that the verdict has; and what came of it. */
static void test_verdict(void **fixture _unused_)
{
	struct history *h = open_as(6);
	json_t *answer, *query = json_pack("{s:s}", "verdict", "v-none");

	for (int i = 1; i <= 3; i++)
		put(h, i, "event", "", json_pack("{s:i s:s}", "seq", 100 + i, "kind", "block.error"));
	put(h, 4, "verdict", "v-7", json_pack("{s:s s:[i,i,i]}", "id", "v-7", "events", 99, 101, 103));
	put(h, 5, "intent", "P-7", json_pack("{s:s}", "verdict", "v-7"));
	put(h, 6, "intent", "P-8", json_pack("{s:s}", "verdict", "v-8"));
	put(h, 7, "outcome", "P-8", json_pack("{s:s}", "verdict", "v-8"));
	put(h, 8, "outcome", "P-7", json_pack("{s:s}", "verdict", "v-7"));
	/* A number that came again, after a state was lost. */
	put(h, 9, "event", "", json_pack("{s:i s:s}", "seq", 101, "kind", "device.added"));
	/* And of one plan: also who asked. */
	put(h, 10, "command", "", json_pack("{s:s s:s}", "kind", "spare-add", "plan", "P-8"));
	put(h, 11, "command", "", json_pack("{s:s s:s}", "kind", "spare-add", "plan", "P-88"));
	answer = ask(h, json_pack("{s:s}", "plan", "P-8"));
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 3);
	assert_string_equal(table_at(answer, 0), "command");
	assert_string_equal(table_at(answer, 1), "outcome");
	assert_string_equal(table_at(answer, 2), "intent");
	json_decref(answer);
	answer = ask(h, json_pack("{s:s}", "verdict", "v-7"));
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 5);
	assert_string_equal(table_at(answer, 0), "outcome");
	assert_string_equal(table_at(answer, 1), "intent");
	assert_string_equal(table_at(answer, 2), "verdict");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(json_object_get(answer, "rows"), 4), "wall")), 1000);
	json_decref(answer);
	assert_int_equal(history_query(h, query, 1 << 20, &answer, NULL), -ENOENT);
	json_decref(query);
	history_close(h);
}

static void test_errors(void **fixture _unused_)
{
	struct history *h = open_as(7);
	json_t *answer, *list, *last;
	static const struct {
		int day, count;
		const char *device, *status;
	} rows[] = {{1, 1, "e-1", "medium"},
		    {1, 4, "e-1", "medium"},
		    {1, 1, "e-1", "io"},
		    {1, 1, "e-2", "io"},
		    {2, 7, "e-1", "medium"}};

	for (int i = 0; i < (int)ARRAY_SIZE(rows); i++) {
		json_t *row = json_pack("{s:s s:s s:i s:{s:s}}", "kind", "block.error", "device", rows[i].device,
					"count", rows[i].count, "facts", "error.status", rows[i].status);
		json_t *line = json_pack("{s:i s:s s:I s:o}", "seq", i + 1, "table", "event", "wall",
					 (json_int_t)rows[i].day * 86400 * 1000000000 + 1, "row", row);

		assert_int_equal(history_begin(h, false, NULL), 0);
		assert_int_equal(history_put(h, line, NULL), 0);
		assert_int_equal(history_end(h, NULL), 0);
		json_decref(line);
	}
	answer = ask(h, json_pack("{s:b s:I}", "errors", 1, "since", (json_int_t)86400 * 1000000000));
	list = json_object_get(answer, "errors");
	assert_int_equal(json_array_size(list), 3);
	last = json_array_get(list, 1);
	assert_string_equal(json_string_value(json_object_get(last, "day")), "1970-01-02");
	assert_string_equal(json_string_value(json_object_get(last, "device")), "e-1");
	assert_int_equal(json_integer_value(json_object_get(last, "errors")), 6);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(last, "statuses"), "medium")), 5);
	json_decref(answer);
	answer = ask(h, json_pack("{s:b s:s}", "errors", 1, "device", "e-2"));
	assert_int_equal(json_array_size(json_object_get(answer, "errors")), 1);
	json_decref(answer);
	answer = ask(h, json_pack("{s:b s:i}", "errors", 1, "limit", 1));
	assert_int_equal(json_array_size(json_object_get(answer, "errors")), 1);
	assert_true(json_is_true(json_object_get(answer, "more")));
	json_decref(answer);
	history_close(h);
}

static void test_person(void **fixture _unused_)
{
	struct history *h = open_as(8);

	put(h, 1, "command", "",
	    json_pack("{s:s s:i s:s s:i s:s}", "kind", "array-stop", "uid", 0, "user", "root", "login-uid", 1000,
		      "login", "alice"));
	put(h, 2, "command", "", json_pack("{s:s s:i}", "kind", "array-fail", "uid", 77));
	assert_int_equal(count(h, json_pack("{s:s}", "person", "alice"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "person", "77"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "person", "1000"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "person", "bob"), NULL), 0);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "table", "command", "kind", "array-*"), NULL), 2);
	history_close(h);
}

/* The oldest goes, a batch at a time; an intent that nothing came of stays, for it will be replayed. */
static void test_prune(void **fixture _unused_)
{
	enum { ROWS = 1000 };
	int64_t day = INT64_C(86400) * 1000000000, bytes;
	struct history *h;
	bool more = true;
	json_t *unfinished;
	int gone = 0;
	char text[512];

	unlink(path);
	h = open_as(9);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put(h, 1, "intent", "P-9", json_pack("{s:s}", "plan", "P-9"));
	assert_int_equal(history_begin(h, false, NULL), 0);
	for (int i = 2; i <= ROWS; i++) {
		json_t *line = json_pack("{s:i s:s s:I s:{s:s}}", "seq", i, "table", "event", "wall",
					 (json_int_t)clock_wall(&clock_system) - (i <= ROWS / 2 ? 2 * day : 0), "row",
					 "text", text);

		assert_int_equal(history_put(h, line, NULL), 0);
		json_decref(line);
	}
	assert_int_equal(history_end(h, NULL), 0);
	bytes = history_bytes(h);
	assert_true(bytes > ROWS * 512);
	while (more) {
		int n = history_prune(h, day, INT64_MAX, &more, NULL);

		assert_in_range(n, 0, HISTORY_PRUNE_BATCH);
		gone += n;
	}
	assert_int_equal(gone, ROWS / 2 - 1);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "intent"), NULL), 1);
	unfinished = history_unfinished(h);
	assert_int_equal(json_array_size(unfinished), 1);
	json_decref(unfinished);
	assert_true(history_bytes(h) < bytes * 2 / 3);
	/* By size: however young it is. */
	assert_true(history_prune(h, day, 300000, &more, NULL) > 0);
	while (history_bytes(h) > 300000)
		assert_true(history_prune(h, day, 300000, &more, NULL) > 0);
	assert_true(count(h, json_pack("{s:s s:i}", "table", "event", "limit", 1000), NULL) > 10);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "intent"), NULL), 1);
	history_close(h);
}

/* What plans wrote over is told of where it is asked for, by plan and by disk, and does not crowd out what undo needs.
 */
static void test_before(void **state _unused_)
{
	struct history *h;
	char text[4001];

	unlink(path);
	h = open_as(9);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put(h, 1, "image", "P-0", json_pack("{s:s s:i s:s}", "plan", "P-0", "part", 0, "text", text));
	for (int i = 0; i < 12; i++) {
		char plan[8];

		snprintf(plan, sizeof(plan), "P-%d", 1 + i / 3);
		put(h, i + 2, "before", plan,
		    json_pack("{s:s s:i s:s s:s}", "plan", plan, "part", i % 3, "disk", i % 3 ? "wwn-a" : "wwn-b",
			      "text", text));
	}
	put(h, 20, "outcome", "P-4", json_pack("{s:s}", "plan", "P-4"));
	assert_int_equal(count(h, json_pack("{s:i}", "limit", 1000), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s}", "plan", "P-4"), NULL), 1);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "plan", "P-4", "table", "before"), NULL), 3);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "device", "wwn-a", "table", "before"), NULL), 8);
	assert_int_equal(count(h, json_pack("{s:s}", "device", "wwn-a"), NULL), 0);
	assert_int_equal(history_prune_images(h, 30000, NULL), 0);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "before"), NULL), 6);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "plan", "P-2", "table", "before"), NULL), 0);
	assert_int_equal(count(h, json_pack("{s:s s:s}", "plan", "P-3", "table", "before"), NULL), 3);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "image"), NULL), 1);
	history_close(h);
}

/* Of the plans' images the oldest go, as a whole; and no other row. */
static void test_images(void **state _unused_)
{
	struct history *h;
	json_t *part = NULL;
	char text[4001];

	unlink(path);
	h = open_as(9);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 12; i++) {
		char plan[8];

		snprintf(plan, sizeof(plan), "P-%d", i / 3);
		put(h, i + 1, "image", plan, json_pack("{s:s s:i s:s}", "plan", plan, "part", i % 3, "text", text));
	}
	put(h, 20, "event", "", json_pack("{s:s}", "text", text));
	assert_int_equal(history_prune_images(h, 30000, NULL), 0);
	for (int plan = 0; plan < 4; plan++) {
		json_t *query = json_pack("{s:s s:i}", "image",
					  plan == 0   ? "P-0"
					  : plan == 1 ? "P-1"
					  : plan == 2 ? "P-2"
						      : "P-3",
					  "part", 2);

		assert_int_equal(history_query(h, query, 100000, &part, NULL), plan < 2 ? -ENOENT : 0);
		if (plan >= 2) {
			assert_int_equal(json_integer_value(json_object_get(json_object_get(part, "image"), "part")),
					 2);
			json_decref(part);
		}
		json_decref(query);
	}
	/* Nothing that a person reads. */
	assert_int_equal(count(h, json_pack("{s:i}", "limit", 1000), NULL), 1);
	assert_int_equal(history_prune_images(h, 0, NULL), 0);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "image"), NULL), 0);
	assert_int_equal(count(h, json_pack("{s:s}", "table", "event"), NULL), 1);
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
		unit(test_rows),   unit(test_unfinished), unit(test_state),  unit(test_verdict), unit(test_errors),
		unit(test_person), unit(test_prune),	  unit(test_images), unit(test_before),	 unit(test_broken),
	};

	setenv("TZ", "UTC", 1); /* of days */
	return cmocka_run_group_tests(tests, begin, end);
}
