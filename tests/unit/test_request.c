// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/request.h"

#include "tests/unit/unit.h"

static const char *check(const char *text, bool root, struct request_check *rc)
{
	json_t *j = json_loads(text, 0, NULL);
	int r = request_check(j, root, rc);

	json_decref(j);
	return r < 0 ? rc->code : "ok";
}

static void test_table(void **state _unused_)
{
	static const struct {
		const char *request;
		bool root;
		const char *want, *message;
	} rows[] = {
		{"{\"v\":1,\"verb\":\"status\"}", false, "ok", NULL},
		{"{\"v\":1,\"id\":7,\"verb\":\"status\"}", false, "ok", NULL},
		{"{\"verb\":\"status\"}", true, "malformed", "v must be an integer"},
		{"{\"v\":\"1\",\"verb\":\"status\"}", true, "malformed", "v must be an integer"},
		{"{\"v\":2,\"verb\":\"status\"}", true, "version", "this is version 1 of the protocol"},
		{"{\"v\":1,\"id\":\"x\",\"verb\":\"status\"}", true, "malformed", "id must be an integer"},
		{"{\"v\":1}", true, "malformed", "verb must be a string"},
		{"{\"v\":1,\"verb\":\"statsu\"}", true, "unknown-verb", "no verb 'statsu'; did you mean 'status'?"},
		{"{\"v\":1,\"verb\":\"\\u001b[31m\"}", true, "unknown-verb", "no verb '\\x1b[31m'"},
		{"{\"v\":1,\"verb\":\"status\",\"x\":1}", true, "usage", "status has no key 'x'"},
		{"{\"v\":1,\"verb\":\"array-fail\",\"array\":5}", true, "usage", "array-fail: array must be a string"},
		{"{\"v\":1,\"verb\":\"array-stop\"}", true, "usage", "array-stop needs array"},
		{"{\"v\":1,\"verb\":\"array-stop\",\"array\":\"r5\"}", false, "denied", "array-stop is for root only"},
		{"{\"v\":1,\"verb\":\"array-stop\",\"array\":\"r5\",\"dry-run\":true}", true, "ok", NULL},
		{"{\"v\":1,\"verb\":\"array-copy-back\",\"device\":\"sdb\",\"always\":true}", true, "ok", NULL},
		{"{\"v\":1,\"verb\":\"array-copy-back\",\"array\":\"r5\"}", true, "usage",
		 "array-copy-back needs device"},
		{"{\"v\":1,\"verb\":\"spare-add\",\"device\":\"sdb\",\"revertible\":true,\"enclosure\":true}", true,
		 "ok", NULL},
		{"{\"v\":1,\"verb\":\"spare-remove\",\"device\":\"sdb\",\"revertible\":true}", true, "usage",
		 "spare-remove has no key 'revertible'"},
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\"}", false, "ok", NULL},
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\",\"live\":true}", false, "denied", NULL},
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\",\"live\":true}", true, "ok", NULL},
		{"{\"v\":1,\"verb\":\"monitor\",\"types\":[\"event\"]}", false, "ok", NULL},
		{"{\"v\":1,\"verb\":\"monitor\",\"types\":[1]}", false, "usage",
		 "monitor: types must be a list of words"},
		{"{\"v\":1,\"verb\":\"rules-reload\"}", false, "denied", NULL},
	};

	for_rows (i, rows) {
		struct request_check rc;

		assert_string_equal(check(rows[i].request, rows[i].root, &rc), rows[i].want);
		if (rows[i].message)
			assert_string_equal(rc.message, rows[i].message);
	}
}

static void test_id(void **state _unused_)
{
	struct request_check rc;

	check("{\"v\":9,\"id\":42,\"verb\":1}", true, &rc);
	assert_int_equal(rc.id, 42);
}

/* Every verb has a text, and a changing one is for root. */
static void test_verbs(void **state _unused_)
{
	for (const struct verb *v = verb_table; v->name; v++) {
		assert_true(v->doc && *v->doc);
		assert_non_null(v->keys);
		assert_true((v->handler == VERB_PLAN || v->handler == VERB_COMMAND) == (v->action != NULL));
		assert_true(!v->action || v->changes);
	}
	assert_int_equal(message_type("event"), TYPE_EVENT);
	assert_int_equal(message_type("notice"), TYPE_NOTICE);
	assert_int_equal(message_type("show"), 0);
	assert_int_equal(message_type(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_table),
		unit(test_id),
		unit(test_verbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
