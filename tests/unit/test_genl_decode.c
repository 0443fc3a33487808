// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptions of generic netlink families, what is wrong with them, and messages as they describe them. */
#include "broker/genl_decode.h"

#include "tests/unit/attrs.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

static struct diag d;

static int parse(const char *text, struct genl_desc *g)
{
	diag_init(&d);
	return genl_desc_parse(g, "x.yaml", text, strlen(text), &d);
}

/* A shipped file, as it lies in the tree. */
static void shipped(const char *name, struct genl_desc *g)
{
	char path[512], text[16384];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/../config/default/genl.d/%s", SPARED_TESTS_DIR, name);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(parse(text, g), 0);
	assert_int_equal(d.warnings, 0);
	diag_finish(&d);
}

#define HEAD "version: 1\nfamily: fam\ngroup: grp\n"
#define ATTRS "attributes: {index: {id: 1, type: u32}, name: {id: 2, type: text}}\n"
#define MSG(rest) "messages: {dead: {command: 4, event: link.dead" rest "}}\n"

static void test_diagnostics(void **state _unused_)
{
	static const struct {
		const char *text, *message, *hint;
		int line;
	} rows[] = {
		{"", "nothing is described", NULL, 0},
		{"version: 1\nfamly: fam\ngroup: g\nmessages: {}\n", "unknown key 'famly' in 'description'",
		 "did you mean 'family'?", 2},
		{HEAD ATTRS "messages: {}\n", "'messages' has none", NULL, 5},
		{HEAD "attributes: {index: {id: 1, type: u23}}\n" MSG(""), NULL, "did you mean 'u32'?", 4},
		{HEAD "attributes: {index: {id: 1, typ: u32}}\n" MSG(""), "unknown key 'typ' in attribute 'index'",
		 "did you mean 'type'?", 4},
		{HEAD "attributes: {index: {id: 1}}\n" MSG(""), "attribute 'index' has no 'type', and no 'nested'",
		 NULL, 4},
		{HEAD "attributes: {index: {id: 0, type: u8}}\n" MSG(""),
		 "'id' must be an integer from 1 to 16383, not '0'", NULL, 4},
		{HEAD "attributes: {a: {id: 1, type: u8}, b: {id: 1, type: u8}}\n" MSG(""),
		 "'b' has the id 1, as 'a' has", NULL, 4},
		{HEAD "attributes: {a: {id: 1, type: text, words: {0: no}}}\n" MSG(""),
		 "'a' is text: only numbers have words", NULL, 4},
		{HEAD "header: {a: text}\n" MSG(""), "a field of the header is a number, not 'text'", NULL, 4},
		{HEAD ATTRS MSG(", device: 'nbd${indx}'"), "there is no value 'indx'", "did you mean 'index'?", 5},
		{HEAD ATTRS MSG(", device: 'nbd${index'"), "'device': '${' without '}'", NULL, 5},
		{HEAD ATTRS MSG(", facts: {message.sate: x}"), "a message cannot set 'message.sate'",
		 "did you mean 'message.state'?", 5},
		{HEAD ATTRS MSG(", facts: {device.name: x}"), "a message cannot set 'device.name'",
		 "it may set message.about, message.state and message.value", 5},
		{HEAD ATTRS MSG(", facts: {message.value: '${name}'}"),
		 "message.value is a number: one, or one '${..}' that is one and has no words", NULL, 5},
		{HEAD "messages: {a: {command: 1, event: device.removed}}\n",
		 "'device.removed' is a built-in kind: say another, such as 'link.dead'", NULL, 4},
		{HEAD "messages: {a: {command: 1, event: gone}}\n", "'gone' is not a kind: two words joined by one dot",
		 NULL, 4},
		{HEAD "messages: {a: {command: 1, event: l.a}, b: {command: 1, event: l.b}}\n",
		 "'b' has the command 1, as 'a' has", NULL, 4},
		{HEAD "messages: {a: {comand: 1, event: l.a}}\n", "unknown key 'comand' in message 'a'",
		 "did you mean 'command'?", 4},
	};

	for_rows (i, rows) {
		struct genl_desc g;

		row_name("%s", rows[i].text);
		assert_int_equal(parse(rows[i].text, &g), -EINVAL);
		assert_true(d.errors >= 1);
		if (rows[i].message)
			assert_string_equal(d.items[0].message, rows[i].message);
		if (rows[i].hint) {
			assert_non_null(d.items[0].hints[0]);
			assert_string_equal(d.items[0].hints[0], rows[i].hint);
		}
		assert_int_equal(d.items[0].at.line, rows[i].line);
		genl_desc_finish(&g);
		diag_finish(&d);
	}
}

static const char *fact(const struct event *ev, enum fact_id id)
{
	struct value v = event_get(ev, id);

	return v.type == V_STRING ? v.str : "";
}

static void test_nbd(void **state _unused_)
{
	struct genl_heard heard;
	struct attrs a = {0};
	struct genl_desc g;
	struct err e = {0};

	shipped("nbd.yaml", &g);
	attrs_u32(&a, 1, 3);
	attrs_u32(&a, 77, 3); /* of a later kernel */
	assert_int_equal(genl_decode(&g, "genl", 4, a.bytes, a.len, &heard, &e), 1);
	assert_string_equal(heard.device, "nbd3");
	assert_string_equal(heard.event->kind, "link.dead");
	assert_string_equal(heard.event->source, "genl");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_FAMILY), "nbd");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_NAME), "link-dead");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_ABOUT), "nbd3");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_STATE), "dead");
	assert_int_equal(json_integer_value(json_object_get(heard.event->extra, "index")), 3);
	event_free(heard.event);
	assert_int_equal(genl_decode(&g, "genl", 5, a.bytes, a.len, &heard, &e), 0);
	assert_int_equal(genl_decode(&g, "genl", 4, NULL, 0, &heard, &e), -EBADMSG);
	assert_string_equal(e.msg, "there is no index");
	a.len = 0;
	attrs_put(&a, 1, "abc", 2);
	assert_int_equal(genl_decode(&g, "genl", 4, a.bytes, a.len, &heard, &e), -EBADMSG);
	assert_string_equal(e.msg, "index: 2 bytes, not 4");
	a.bytes[0] = 200; /* longer than what there is */
	assert_int_equal(genl_decode(&g, "genl", 4, a.bytes, a.len, &heard, &e), -EBADMSG);
	assert_string_equal(e.msg, "8 bytes that are no attribute");
	genl_desc_finish(&g);
}

/* A device's state: the header, nested attributes with the flag in their type that DRBD sets (bit 14), words. */
static struct attrs drbd_device(uint32_t disk_state, bool gone)
{
	const uint32_t header[2] = {7, 0};
	struct attrs a = {0};
	size_t at;

	memcpy(a.bytes, header, sizeof(header));
	a.len = sizeof(header);
	at = attrs_put(&a, 2, NULL, 0);
	attrs_u32(&a, 1 | 0x4000, 0);
	attrs_text(&a, 2 | 0x4000, "r0\033");
	attrs_end(&a, at);
	at = attrs_put(&a, 23, NULL, 0);
	attrs_u32(&a, 1, gone ? 3 : 2);
	attrs_end(&a, at);
	if (gone)
		return a;
	at = attrs_put(&a, 16, NULL, 0);
	attrs_u32(&a, 1, disk_state);
	attrs_end(&a, at);
	return a;
}

static void test_drbd(void **state _unused_)
{
	struct attrs a = drbd_device(2, false);
	struct genl_heard heard;
	struct genl_desc g;

	shipped("drbd.yaml", &g);
	assert_int_equal(g.header_size, 8);
	assert_int_equal(genl_decode(&g, "genl", 35, a.bytes, a.len, &heard, NULL), 1);
	assert_string_equal(heard.device, "");
	assert_string_equal(heard.event->kind, "link.disk-state");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_ABOUT), "r0\\x1b");
	assert_string_equal(fact(heard.event, FACT_MESSAGE_STATE), "failed");
	assert_int_equal(event_get(heard.event, FACT_MESSAGE_VALUE).i, 7);
	assert_string_equal(json_string_value(json_object_get(heard.event->extra, "notification.what")), "change");
	assert_int_equal(json_integer_value(json_object_get(heard.event->extra, "header.minor")), 7);
	event_free(heard.event);
	/* A number without a word is said as it is. */
	a = drbd_device(99, false);
	assert_int_equal(genl_decode(&g, "genl", 35, a.bytes, a.len, &heard, NULL), 1);
	assert_string_equal(fact(heard.event, FACT_MESSAGE_STATE), "99");
	event_free(heard.event);
	a = drbd_device(0, true);
	assert_int_equal(genl_decode(&g, "genl", 35, a.bytes, a.len, &heard, NULL), 1);
	assert_string_equal(fact(heard.event, FACT_MESSAGE_STATE), "");
	event_free(heard.event);
	/* Cut anywhere: an error, or what is whole until there. */
	a = drbd_device(2, false);
	for (size_t len = 0; len < a.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);
		struct err e = {0};
		int r;

		memcpy(cut, a.bytes, len);
		r = genl_decode(&g, "genl", 35, cut, len, &heard, &e);
		assert_true(r == 1 || r == -EBADMSG);
		if (r == 1)
			event_free(heard.event);
		free(cut);
	}
	genl_desc_finish(&g);
}

/* Each type of number at its bounds, a text with and without its end, a flag, bytes. */
static void test_types(void **state _unused_)
{
	static const char text[] = HEAD
		"attributes:\n  a: {id: 1, type: u8}\n  b: {id: 2, type: s8}\n  c: {id: 3, type: u16}\n"
		"  d: {id: 4, type: s16}\n  e: {id: 5, type: s32}\n  f: {id: 6, type: u64}\n  g: {id: 7, type: s64}\n"
		"  h: {id: 8, type: flag}\n  i: {id: 9, type: binary}\n  j: {id: 10, type: text}\n"
		"messages: {all: {command: 1, event: x.all, facts: {message.about: '${a} ${b} ${c} ${d} ${e} ${f} ${g} "
		"${h} "
		"${i} ${j}', message.value: '${g}'}}}\n";
	static const int64_t minus = -1;
	const uint64_t big = 1000000000000;
	struct genl_heard heard;
	struct attrs a = {0};
	struct genl_desc g;
	struct err e = {0};

	assert_int_equal(parse(text, &g), 0);
	attrs_put(&a, 1, &minus, 1);
	attrs_put(&a, 2, &minus, 1);
	attrs_put(&a, 3, &minus, 2);
	attrs_put(&a, 4, &minus, 2);
	attrs_put(&a, 5, &minus, 4);
	attrs_put(&a, 6, &big, 8);
	attrs_put(&a, 7, &minus, 8);
	attrs_put(&a, 8, NULL, 0);
	attrs_put(&a, 9, "\1\xff", 2);
	attrs_put(&a, 10, "end", 3);
	assert_int_equal(genl_decode(&g, "genl", 1, a.bytes, a.len, &heard, &e), 1);
	assert_string_equal(fact(heard.event, FACT_MESSAGE_ABOUT), "255 -1 65535 -1 -1 1000000000000 -1 yes 01ff end");
	assert_int_equal(event_get(heard.event, FACT_MESSAGE_VALUE).i, -1);
	assert_true(json_is_true(json_object_get(heard.event->extra, "h")));
	event_free(heard.event);
	attrs_put(&a, 10, "a\0b", 4);
	assert_int_equal(genl_decode(&g, "genl", 1, a.bytes, a.len, &heard, &e), -EBADMSG);
	assert_string_equal(e.msg, "j: a text of 4 bytes, of which 1 are text");
	genl_desc_finish(&g);
	diag_finish(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_diagnostics),
		unit(test_nbd),
		unit(test_drbd),
		unit(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
