// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/request.h"

#include "tests/unit/check.h"

static const char *check(const char *text, bool root, struct request_check *rc)
{
	json_t *j = json_loads(text, 0, NULL);
	int r = request_check(j, root, rc);

	json_decref(j);
	return r < 0 ? rc->code : "ok";
}

static void test_table(void)
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
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\"}", false, "ok", NULL},
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\",\"live\":true}", false, "denied", NULL},
		{"{\"v\":1,\"verb\":\"inject\",\"kind\":\"block.error\",\"live\":true}", true, "ok", NULL},
		{"{\"v\":1,\"verb\":\"monitor\",\"types\":[\"event\"]}", false, "ok", NULL},
		{"{\"v\":1,\"verb\":\"monitor\",\"types\":[1]}", false, "usage",
		 "monitor: types must be a list of words"},
		{"{\"v\":1,\"verb\":\"rules-reload\"}", false, "denied", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request_check rc;

		CHECK_STR(check(rows[i].request, rows[i].root, &rc), rows[i].want);
		if (rows[i].message)
			CHECK_STR(rc.message, rows[i].message);
	}
}

static void test_id(void)
{
	struct request_check rc;

	check("{\"v\":9,\"id\":42,\"verb\":1}", true, &rc);
	CHECK_INT(rc.id, 42);
}

/* Every verb has a text, and a changing one is for root. */
static void test_verbs(void)
{
	for (const struct verb *v = verb_table; v->name; v++) {
		CHECK(v->doc && *v->doc);
		CHECK(v->keys != NULL);
		CHECK((v->handler == VERB_PLAN || v->handler == VERB_COMMAND) == (v->action != NULL));
		CHECK(!v->action || v->changes);
	}
	CHECK_INT(message_type("event"), TYPE_EVENT);
	CHECK_INT(message_type("notice"), TYPE_NOTICE);
	CHECK_INT(message_type("show"), 0);
	CHECK_INT(message_type(NULL), 0);
}

int main(void)
{
	test_table();
	test_id();
	test_verbs();
	return CHECK_RESULT;
}
