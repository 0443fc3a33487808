// SPDX-License-Identifier: GPL-2.0-or-later
/* *.test.yaml: events, outcomes, expectations, tests. */
#include "rules/testdecode.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t duration_of(struct decode *c, const struct node *n, const char *what)
{
	struct field f = {.name = what, .type = FIELD_DURATION};
	int64_t ns = 0;

	if (n)
		field_decode(&f, n, c->a, &ns, c->d);
	return ns;
}

static int64_t int_of(struct decode *c, const struct node *n, const char *what, int64_t otherwise)
{
	struct field f = {.name = what, .type = FIELD_INT, .min = 1, .max = 1000000};
	int64_t i = otherwise;

	if (n)
		field_decode(&f, n, c->a, &i, c->d);
	return i;
}

/* ---- events ---- */

struct entries {
	struct test_entry *e;
	size_t n;
};

static void add_entry(struct decode *c, struct entries *list, const struct test_entry *e)
{
	list->e = arena_grow(c->a, list->e, &list->n, sizeof(*list->e));
	list->e[list->n - 1] = *e;
}

static void read_set(struct decode *c, const struct node *key, const struct node *n, struct test_set *out)
{
	static const struct {
		const char *word;
		enum subject_sort sort;
	} sorts[] = {{"device ", SORT_DEVICE},
		     {"array ", SORT_ARRAY},
		     {"member ", SORT_MEMBER},
		     {"snapshot ", SORT_SNAPSHOT}};

	*out = (struct test_set){.slot = -1};
	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++) {
		if (strncmp(key->text, sorts[i].word, strlen(sorts[i].word)) == 0) {
			out->sort = sorts[i].sort;
			out->name = key->text + strlen(sorts[i].word);
		}
	}
	if (out->sort == SORT_MEMBER) {
		const char *slash = strrchr(out->name, '/');
		struct value v;

		if (!slash || value_parse(V_INT, NULL, slash + 1, &v, NULL) < 0 || v.i < 0 || v.i > 10000) {
			diag_error(c->d, &key->at, "member", "a member is written 'member ARRAY/SLOT'");
			return;
		}
		out->slot = (int)v.i;
		out->name = arena_strndup(c->a, out->name, (size_t)(slash - out->name));
	}
	if (out->sort == SORT_NONE)
		diag_error(c->d, &key->at, "subject",
			   "'%s' names no subject: 'device NAME', 'array NAME', 'member ARRAY/SLOT' or "
			   "'snapshot NAME'",
			   key->text);
	else
		out->facts = test_facts_decode(c, n, sort_words[out->sort], NULL);
}

static void set_entry(struct decode *c, const struct node *n, struct test_entry *e)
{
	if (n->kind != NODE_MAP) {
		diag_error(c->d, &n->at, "type", "'set' must be a mapping, not %s", node_kind_name(n));
		return;
	}
	e->sets = arena_array(c->a, struct test_set, n->n + 1);
	for (size_t i = 0; i < n->n; i++)
		read_set(c, n->keys[i], n->items[i], &e->sets[e->n_sets++]);
}

static void clock_entry(struct decode *c, const struct node *n, struct test_entry *e)
{
	const char *text = test_scalar(c, n, "clock");
	struct value v = {0};
	struct err err = {0};

	if ((text[0] != '+' && text[0] != '-') || value_parse(V_DURATION, NULL, text + 1, &v, &err) < 0)
		diag_error(c->d, &n->at, "clock", "'clock' takes a jump such as \"+1h\" or \"-30m\"");
	e->duration = text[0] == '-' ? -v.i : v.i;
}

/* Own keys of an event entry; the rest are facts. */
const char *const entry_words[] = {"at",     "event", "device",	     "array",	     "snapshot", "slot",
				   "repeat", "every", "event.count", "event.origin", NULL};

static void event_entry(struct decode *c, const struct node *n, const struct node *kind, struct test_entry *e)
{
	const struct node *slot = node_get(n, "slot"), *origin = node_get(n, "event.origin");
	struct field origin_field = {.name = "event.origin", .type = FIELD_WORD, .words = origin_words};
	struct field slot_field = {.name = "slot", .type = FIELD_INT, .min = 0, .max = 10000};
	int64_t slot_value = -1;
	int word = ORIGIN_KERNEL;

	e->kind = test_scalar(c, kind, "event");
	if (!kind_valid(e->kind))
		diag_error(c->d, &kind->at, "kind", "'%s' is not an event kind", e->kind);
	e->array = node_get(n, "array") ? test_scalar(c, node_get(n, "array"), "array") : NULL;
	e->snapshot = node_get(n, "snapshot") ? test_scalar(c, node_get(n, "snapshot"), "snapshot") : NULL;
	if (slot)
		field_decode(&slot_field, slot, c->a, &slot_value, c->d);
	if (origin)
		field_decode(&origin_field, origin, c->a, &word, c->d);
	e->slot = (int)slot_value;
	e->origin = (enum origin)word;
	e->count = (int)int_of(c, node_get(n, "event.count"), "event.count", 1);
	e->facts = test_facts_decode(c, n, NULL, entry_words);
}

/* What an entry is: the first of these keys that it has. */
static const struct {
	const char *key;
	enum test_entry_kind what;
} entry_kinds[] = {
	{"event", TEST_EVENT},	 {"set", TEST_SET},	{"suspend", TEST_SUSPEND}, {"restart", TEST_RESTART},
	{"reload", TEST_RELOAD}, {"clock", TEST_CLOCK}, {"approve", TEST_APPROVE}, {"deny", TEST_DENY},
};

static void check_keys(struct decode *c, const struct node *n, const char *key)
{
	for (size_t i = 0; i < n->n; i++) {
		const char *k = n->keys[i]->text;

		if (strcmp(k, "at") != 0 && strcmp(k, key) != 0 && strcmp(k, "repeat") != 0 && strcmp(k, "every") != 0)
			diag_error(c->d, &n->keys[i]->at, "unknown-key", "unknown key '%s' beside '%s'", k, key);
	}
}

static bool entry_of(struct decode *c, const struct node *n, struct test_entry *e)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(entry_kinds) && !node_get(n, entry_kinds[i].key))
		i++;
	if (n->kind != NODE_MAP || i == ARRAY_SIZE(entry_kinds)) {
		diag_error(c->d, &n->at, "entry",
			   "an entry of 'events' has 'event', 'set', 'suspend', 'restart', 'reload', 'clock', "
			   "'approve' or 'deny'");
		return false;
	}
	if (!node_get(n, "at"))
		diag_error(c->d, &n->at, "missing-key", "an entry of 'events' needs 'at'");
	*e = (struct test_entry){.what = entry_kinds[i].what, .slot = -1, .count = 1, .place = n->at};
	e->at = duration_of(c, node_get(n, "at"), "at");
	if (e->what != TEST_EVENT)
		check_keys(c, n, entry_kinds[i].key);
	switch (e->what) {
	case TEST_EVENT:
		event_entry(c, n, node_get(n, "event"), e);
		break;
	case TEST_SET:
		set_entry(c, node_get(n, "set"), e);
		break;
	case TEST_SUSPEND:
		e->duration = duration_of(c, node_get(n, "suspend"), "suspend");
		break;
	case TEST_RELOAD:
		e->files = test_words(c, node_get(n, "reload"), "reload");
		break;
	case TEST_CLOCK:
		clock_entry(c, node_get(n, "clock"), e);
		break;
	case TEST_APPROVE:
	case TEST_DENY:
		e->rule = test_scalar(c, node_get(n, entry_kinds[i].key), entry_kinds[i].key);
		break;
	case TEST_RESTART:
		break;
	}
	return true;
}

/* Lists of devices and repetitions are written out. */
static void add_entries(struct decode *c, const struct node *n, struct entries *list)
{
	struct test_words devices = {0};
	struct test_entry e;
	int64_t times, every;

	if (!entry_of(c, n, &e))
		return;
	if (e.what == TEST_EVENT && node_get(n, "device"))
		devices = test_words(c, node_get(n, "device"), "device");
	times = int_of(c, node_get(n, "repeat"), "repeat", 1);
	every = duration_of(c, node_get(n, "every"), "every");
	for (int64_t t = 0; t < times && list->n < 1000000; t++) {
		struct test_entry one = e;

		if (__builtin_mul_overflow(t, every, &one.at) || __builtin_add_overflow(one.at, e.at, &one.at))
			return;
		for (size_t i = 0; i < devices.n; i++) {
			one.device = devices.w[i];
			add_entry(c, list, &one);
		}
		if (devices.n == 0)
			add_entry(c, list, &one);
	}
}

/* Stable: equal times keep their order. */
static void sort_entries(struct decode *c, struct entries *list)
{
	struct test_entry *from = list->e, *to = arena_array(c->a, struct test_entry, list->n + 1), *swap;

	for (size_t width = 1; width < list->n; width *= 2) {
		for (size_t low = 0; low < list->n; low += 2 * width) {
			size_t mid = MIN(low + width, list->n), high = MIN(low + 2 * width, list->n), a = low, b = mid;

			for (size_t k = low; k < high; k++)
				to[k] = a < mid && (b >= high || from[a].at <= from[b].at) ? from[a++] : from[b++];
		}
		swap = from;
		from = to;
		to = swap;
	}
	list->e = from;
}

/* ---- outcomes, expectations, why ---- */

struct raw_outcome {
	const char *action, *device, *array;
	int result;
	int64_t times, after;
};

static const char *const result_words[] = {"failed", "refused", NULL};

static const struct field outcome_fields[] = {
	{"action", FIELD_STRING, offsetof(struct raw_outcome, action), .required = true},
	{"device", FIELD_STRING, offsetof(struct raw_outcome, device)},
	{"array", FIELD_STRING, offsetof(struct raw_outcome, array)},
	{"result", FIELD_WORD, offsetof(struct raw_outcome, result), .required = true, .words = result_words},
	{"times", FIELD_INT, offsetof(struct raw_outcome, times), .min = 1, .max = 100000},
	{"after", FIELD_DURATION, offsetof(struct raw_outcome, after)},
	{NULL},
};
const struct schema outcome_schema = {"outcome", outcome_fields, NULL};

static void read_outcome(struct decode *c, const struct node *n, struct test_outcome *out)
{
	struct raw_outcome raw = {0};

	schema_decode(&outcome_schema, n, NULL, c->a, &raw, c->d);
	*out = (struct test_outcome){raw.action,     raw.device, raw.array, (enum test_result)raw.result,
				     (int)raw.times, raw.after,	 n->at};
}

struct raw_expect {
	int64_t at, times;
	const char *rule, *text;
	const struct node *with, *plan;
	bool cleared, limited, shadow, asked, withdrawn;
};

static const struct field expect_fields[] = {
	{"at", FIELD_DURATION, offsetof(struct raw_expect, at), .required = true},
	{"rule", FIELD_STRING, offsetof(struct raw_expect, rule), .required = true},
	{"with", FIELD_NODE, offsetof(struct raw_expect, with)},
	{"plan", FIELD_NODE, offsetof(struct raw_expect, plan)},
	{"text", FIELD_STRING, offsetof(struct raw_expect, text)},
	{"times", FIELD_INT, offsetof(struct raw_expect, times), .min = 1, .max = 100000},
	{"cleared", FIELD_BOOL, offsetof(struct raw_expect, cleared)},
	{"limited", FIELD_BOOL, offsetof(struct raw_expect, limited)},
	{"shadow", FIELD_BOOL, offsetof(struct raw_expect, shadow)},
	{"asked", FIELD_BOOL, offsetof(struct raw_expect, asked)},
	{"withdrawn", FIELD_BOOL, offsetof(struct raw_expect, withdrawn)},
	{NULL},
};
const struct schema expect_schema = {"expect", expect_fields, NULL};

static void read_expect(struct decode *c, const struct node *n, struct test_expect *out)
{
	struct raw_expect raw = {.times = 1};

	schema_decode(&expect_schema, n, NULL, c->a, &raw, c->d);
	*out = (struct test_expect){
		.at = raw.at, .rule = raw.rule, .text = raw.text, .times = (int)raw.times, .place = n->at};
	out->what = raw.cleared	    ? EXPECT_CLEARED
		    : raw.limited   ? EXPECT_LIMITED
		    : raw.shadow    ? EXPECT_SHADOW
		    : raw.asked	    ? EXPECT_ASKED
		    : raw.withdrawn ? EXPECT_WITHDRAWN
				    : EXPECT_FIRED;
	if (raw.with)
		out->with = test_facts_decode(c, raw.with, NULL, NULL);
	out->has_plan = raw.plan != NULL;
	if (raw.plan)
		out->plan = test_words(c, raw.plan, "plan");
}

static const struct field why_fields[] = {
	{"at", FIELD_DURATION, offsetof(struct test_why, at), .required = true},
	{"rule", FIELD_STRING, offsetof(struct test_why, rule), .required = true},
	{"device", FIELD_STRING, offsetof(struct test_why, device)},
	{"array", FIELD_STRING, offsetof(struct test_why, array)},
	{"says", FIELD_STRING, offsetof(struct test_why, says), .required = true},
	{NULL},
};
const struct schema why_schema = {"why", why_fields, NULL};

static void read_why(struct decode *c, const struct node *n, struct test_why *out)
{
	*out = (struct test_why){.place = n->at};
	schema_decode(&why_schema, n, NULL, c->a, out, c->d);
}

/* ---- tests ---- */

struct raw_test {
	const char *name, *wall;
	const struct node *world, *load, *only, *events, *outcomes, *expect, *why;
	int64_t until;
};

static const struct field test_fields[] = {
	{"name", FIELD_STRING, offsetof(struct raw_test, name), .required = true},
	{"world", FIELD_NODE, offsetof(struct raw_test, world), .required = true},
	{"load", FIELD_NODE, offsetof(struct raw_test, load)},
	{"only", FIELD_NODE, offsetof(struct raw_test, only)},
	{"wall", FIELD_STRING, offsetof(struct raw_test, wall)},
	{"events", FIELD_NODE, offsetof(struct raw_test, events)},
	{"outcomes", FIELD_NODE, offsetof(struct raw_test, outcomes)},
	{"until", FIELD_DURATION, offsetof(struct raw_test, until)},
	{"expect", FIELD_NODE, offsetof(struct raw_test, expect), .required = true},
	{"why", FIELD_NODE, offsetof(struct raw_test, why)},
	{NULL},
};
const struct schema test_schema = {"test", test_fields, NULL};

static size_t list_size(struct decode *c, const struct node *n, const char *what)
{
	if (!n || n->kind == NODE_LIST)
		return n ? n->n : 0;
	diag_error(c->d, &n->at, "type", "'%s' must be a list, not %s", what, node_kind_name(n));
	return 0;
}

/* "2026-01-01 12:00", UTC. */
static int64_t wall_of(struct decode *c, const struct node *test, const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);

	if (!end || *end)
		diag_error(c->d, &node_get(test, "wall")->at, "wall",
			   "'wall' takes a time such as \"2026-01-01 12:00\"");
	return end ? timegm(&tm) * NS_PER_SEC : 0;
}

static int64_t last_time(const struct test_case *t)
{
	int64_t last = 0;

	for (size_t i = 0; i < t->n_entries; i++)
		last = MAX(last, t->entries[i].at);
	for (size_t i = 0; i < t->n_expects; i++)
		last = MAX(last, t->expects[i].at);
	for (size_t i = 0; i < t->n_whys; i++)
		last = MAX(last, t->whys[i].at);
	return last;
}

static void read_lists(struct decode *c, const struct raw_test *raw, struct test_case *t)
{
	struct entries entries = {0};
	size_t n = list_size(c, raw->events, "events");

	for (size_t i = 0; i < n; i++)
		add_entries(c, raw->events->items[i], &entries);
	sort_entries(c, &entries);
	t->entries = entries.e;
	t->n_entries = entries.n;
	n = list_size(c, raw->outcomes, "outcomes");
	t->outcomes = arena_array(c->a, struct test_outcome, n + 1);
	for (size_t i = 0; i < n; i++)
		read_outcome(c, raw->outcomes->items[i], &t->outcomes[t->n_outcomes++]);
	n = list_size(c, raw->expect, "expect");
	t->expects = arena_array(c->a, struct test_expect, n + 1);
	for (size_t i = 0; i < n; i++)
		read_expect(c, raw->expect->items[i], &t->expects[t->n_expects++]);
	n = list_size(c, raw->why, "why");
	t->whys = arena_array(c->a, struct test_why, n + 1);
	for (size_t i = 0; i < n; i++)
		read_why(c, raw->why->items[i], &t->whys[t->n_whys++]);
}

static void read_test(struct decode *c, const struct node *n, struct test_case *t)
{
	struct raw_test raw = {0};

	t->place = n->at;
	schema_decode(&test_schema, n, NULL, c->a, &raw, c->d);
	t->name = raw.name ? raw.name : "";
	t->world = raw.world ? test_world_decode(c, raw.world) : arena_new(c->a, struct test_world);
	t->load = test_words(c, raw.load, "load");
	t->only = test_words(c, raw.only, "only");
	/* 2026-01-01 12:00 UTC. */
	t->wall = raw.wall ? wall_of(c, n, raw.wall) : INT64_C(1767268800) * NS_PER_SEC;
	read_lists(c, &raw, t);
	t->until = raw.until ? raw.until : last_time(t);
	for (struct test_case *other = c->file->tests; other < t; other++)
		if (strcmp(other->name, t->name) == 0)
			diag_error(c->d, &t->place, "duplicate-name", "test '%s' is already defined at line %d",
				   t->name, other->place.line);
}

struct raw_test_file {
	int64_t version;
	const struct node *worlds, *tests;
};

static const struct field test_file_fields[] = {
	{"version", FIELD_INT, offsetof(struct raw_test_file, version), .required = true, .min = 1, .max = 1},
	{"worlds", FIELD_NODE, offsetof(struct raw_test_file, worlds)},
	{"tests", FIELD_NODE, offsetof(struct raw_test_file, tests)},
	{NULL},
};
const struct schema test_file_schema = {"test file", test_file_fields, NULL};

static int decode_file(struct test_file *t, struct diag *d)
{
	struct decode c = {.file = t, .a = &t->arena, .d = d};
	struct raw_test_file raw = {0};
	size_t errors = d->errors, n;

	if (!t->tree.root)
		return 0;
	schema_decode(&test_file_schema, t->tree.root, NULL, c.a, &raw, d);
	if (raw.worlds && raw.worlds->kind != NODE_MAP)
		diag_error(d, &raw.worlds->at, "type", "'worlds' must be a mapping, not %s",
			   node_kind_name(raw.worlds));
	c.worlds = raw.worlds;
	n = list_size(&c, raw.tests, "tests");
	t->tests = arena_array(c.a, struct test_case, n + 1);
	for (size_t i = 0; i < n; i++)
		read_test(&c, raw.tests->items[i], &t->tests[t->n++]);
	return d->errors > errors ? -EINVAL : 0;
}

int test_file_parse(struct test_file *ret, const char *file, const char *text, size_t len, struct diag *d)
{
	int r;

	*ret = (struct test_file){0};
	r = tree_parse(&ret->tree, file, text, len, d);
	return r < 0 ? r : decode_file(ret, d);
}

int test_file_read(struct test_file *ret, const char *path, struct diag *d)
{
	int r;

	*ret = (struct test_file){0};
	r = tree_read(&ret->tree, path, d);
	return r < 0 ? r : decode_file(ret, d);
}

void test_file_finish(struct test_file *t)
{
	tree_finish(&t->tree);
	arena_finish(&t->arena);
	*t = (struct test_file){0};
}
