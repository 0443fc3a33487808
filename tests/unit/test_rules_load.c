// SPDX-License-Identifier: GPL-2.0-or-later
/* Every message of the loader and every lint: tests/golden/diag/NAME.yaml gives NAME.err. SPARED_UPDATE_GOLDEN=1 writes
 * them anew. Then layers, overrides, and that what is shipped loads without a word. */
#include "tests/unit/rules_fixture.h"
#include "tests/unit/scratch.h"

#include "config/dirs.h"
#include "rules/testfile.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN SPARED_TESTS_DIR "/golden/diag"
#define SHIPPED SPARED_TESTS_DIR "/../config/default/rules.d"
#define EXAMPLES SPARED_TESTS_DIR "/../config/examples"

static char *slurp(const char *path)
{
	struct buf out = {0};
	char part[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		return NULL;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_addn(&out, part, n);
	fclose(f);
	return buf_take(&out);
}

/* All that was told. */
static struct buf told;

static void check_golden(const char *name)
{
	char path[1024], expected_path[1024];
	_cleanup_(freep) char *text = NULL, *expected = NULL;
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct ruleset *rs = NULL;
	struct rule_source source = {.file = name};
	struct diag d;

	snprintf(path, sizeof(path), "%s/%s", GOLDEN, name);
	snprintf(expected_path, sizeof(expected_path), "%s/%.*s.err", GOLDEN, (int)(strlen(name) - 5), name);
	text = slurp(path);
	assert_non_null(text);
	source.text = text;
	source.len = strlen(text);
	diag_init(&d);
	ruleset_load(&source, 1, &o, &d, &rs);
	diag_print(&d, "the running rules stay", &out);
	buf_add(&told, buf_str(&out));
	diag_finish(&d);
	ruleset_unref(rs);
	if (getenv("SPARED_UPDATE_GOLDEN")) {
		FILE *f = fopen(expected_path, "we");

		assert_non_null(f);
		fputs(buf_str(&out), f);
		fclose(f);
		return;
	}
	expected = slurp(expected_path);
	if (!expected || strcmp(expected, buf_str(&out)) != 0)
		fail_msg("%s:\n%s\nis not\n%s", name, buf_str(&out), expected ? expected : "(no file)");
}

static void golden_messages(void **state)
{
	DIR *dir = opendir(GOLDEN);
	struct dirent *entry;
	size_t n = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= 5 || strcmp(entry->d_name + len - 5, ".yaml") != 0)
			continue;
		check_golden(entry->d_name);
		n++;
	}
	closedir(dir);
	assert_true(n >= 30);
}

/* shadowed-override needs two files: below. ignored-file: test_config; no-test: tests/cli/rules.sh. */
static void every_lint_has_been_told(void **state)
{
	static const char *const lints[] = {
		"never-true",	     "always-true",  "unreachable",
		"duplicate",	     "oscillating",  "contradicting",
		"no-effect",	     "too-high",     "no-guard",
		"no-limit",	     "self-trigger", "optional-in-unless",
		"distinct-too-high", "optional-per", "unused",
		"text-unknown",	     "edge-only",    "glob-looks-like-text",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lints); i++) {
		char code[64];

		snprintf(code, sizeof(code), "[%s]", lints[i]);
		if (!strstr(buf_str(&told), code))
			fail_msg("no golden text has %s", code);
	}
	buf_free(&told);
}

/* ---- what is shipped ---- */

static struct ruleset *load_dirs(const char *const *dirs, size_t n, bool strict)
{
	static const char *const described[] = {"link.dead", NULL};
	struct ruleset_options o = {.actions = fixture_action_list(), .kinds = described};
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset *rs = NULL;
	struct diag d;

	diag_init(&d);
	d.strict = strict;
	ruleset_load_dirs(dirs, n, &o, &d, &rs);
	diag_print(&d, NULL, &out);
	if (!rs)
		fail_msg("%s", buf_str(&out));
	diag_finish(&d);
	return rs;
}

static void shipped_rules_load_without_a_word(void **state)
{
	const char *dirs[] = {SHIPPED};
	struct ruleset *rs = load_dirs(dirs, 1, true);

	(void)state;
	assert_true(ruleset_find(rs, "excessive-errors") >= 0);
	assert_true(ruleset_find(rs, "member-failed") >= 0);
	/* The shared cause is looked at first. */
	assert_string_equal(ruleset_rule(rs, 0).name, "shared-cause");
	ruleset_unref(rs);
}

/* Of the examples that are rules: spared.yaml is not one. Each stands alone over the shipped rules: two may be two ways
 * to do the same. */
static void each_example_loads_over_the_shipped_rules(void **state)
{
	const char *dirs[] = {SHIPPED, "/tmp/spared-examples-XXXXXX"};
	char dir[] = "/tmp/spared-examples-XXXXXX", from[512], to[512];
	DIR *examples = opendir(EXAMPLES);
	struct dirent *entry;
	int n = 0;

	(void)state;
	assert_non_null(examples);
	assert_non_null(mkdtemp(dir));
	dirs[1] = dir;
	while ((entry = readdir(examples))) {
		size_t len = strlen(entry->d_name);
		struct ruleset *rs;

		if (len <= 5 || strcmp(entry->d_name + len - 5, ".yaml") != 0 || strstr(entry->d_name, ".test.yaml") ||
		    strcmp(entry->d_name, "spared.yaml") == 0)
			continue;
		snprintf(from, sizeof(from), "%s/%s", EXAMPLES, entry->d_name);
		snprintf(to, sizeof(to), "%s/%s", dir, entry->d_name);
		assert_int_equal(symlink(from, to), 0);
		rs = load_dirs(dirs, 2, true);
		if (strcmp(entry->d_name, "50-site.yaml") == 0)
			assert_true(ruleset_rule(rs, (size_t)ruleset_find(rs, "array-degraded")).disabled);
		ruleset_unref(rs);
		assert_int_equal(unlink(to), 0);
		n++;
	}
	closedir(examples);
	assert_int_equal(scratch_remove(dir), 0);
	assert_true(n >= 15);
}

static void test_files_decode(void **state)
{
	DIR *dir = opendir(SPARED_TESTS_DIR "/rules");
	struct dirent *entry;
	size_t tests = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		_cleanup_(buf_free) struct buf out = {0};
		char path[1024];
		struct test_file t;
		struct diag d;

		if (!strstr(entry->d_name, ".test.yaml"))
			continue;
		snprintf(path, sizeof(path), "%s/rules/%s", SPARED_TESTS_DIR, entry->d_name);
		diag_init(&d);
		test_file_read(&t, path, &d);
		diag_print(&d, NULL, &out);
		if (d.n)
			fail_msg("%s", buf_str(&out));
		tests += t.n;
		test_file_finish(&t);
		diag_finish(&d);
	}
	closedir(dir);
	assert_true(tests > 20);
}

/* ---- facts ---- */

static void what_was_has_the_type_of_what_is(void **state)
{
	int n = 0;

	(void)state;
	for (int f = 0; f < FACT_PREVIOUS_FIRST; f++) {
		const struct fact_desc *now = &fact_table[f], *then = now + FACT_PREVIOUS_OFFSET;

		if (strncmp(now->name, "device.", 7) != 0)
			continue;
		assert_int_equal(fact_lookup(then->name), f + FACT_PREVIOUS_OFFSET);
		assert_string_equal(then->name + 9, now->name);
		assert_int_equal(then->type, now->type);
		assert_ptr_equal(then->words, now->words);
		n++;
	}
	assert_int_equal(n, FACT_MAX - FACT_PREVIOUS_FIRST);
}

/* ---- test files ---- */

static void ranges_from_and_repetition_are_written_out(void **state)
{
	static const char text[] =
		"version: 1\nworlds:\n  a:\n    devices:\n      sda..sdc: {size: 4TB, controller: c0}\n"
		"    arrays:\n      data: {level: raid5, members: [sda, sdb, sdc]}\n"
		"  b:\n    from: a\n    devices: {sdb: {present: false}}\n    arrays: {data: {spares: [sdb]}}\n"
		"tests:\n  - name: t\n    world: b\n    events:\n"
		"      - {at: 5s, event: device.removed, device: [sda, sdc]}\n"
		"      - {at: 0s, event: block.error, device: sda, error.status: io, repeat: 3, every: 5s}\n"
		"      - {at: 1s, set: {member data/1: {state: failed}, device sda: {spare.state: lost}}}\n"
		"    expect:\n      - {at: 20s, rule: r, with: {match.span: 45s}, plan: [x]}\n";
	struct test_file t;
	struct diag d;
	struct test_case *c;

	(void)state;
	diag_init(&d);
	assert_int_equal(test_file_parse(&t, "t.test.yaml", text, sizeof(text) - 1, &d), 0);
	c = &t.tests[0];
	assert_int_equal(c->world->n_devices, 3);
	assert_false(test_facts_get(&c->world->devices[1].facts, FACT_DEVICE_PRESENT).b);
	assert_string_equal(test_facts_get(&c->world->devices[1].facts, FACT_DEVICE_CONTROLLER).str, "c0");
	assert_int_equal(c->world->arrays[0].members.n, 3);
	assert_int_equal(c->world->arrays[0].spares.n, 1);
	assert_int_equal(c->n_entries, 6);
	assert_int_equal(c->entries[0].at, 0);
	assert_int_equal(c->entries[1].what, TEST_SET);
	assert_int_equal(c->entries[1].sets[0].slot, 1);
	assert_string_equal(c->entries[1].sets[0].name, "data");
	/* Equal times keep the file's order. */
	assert_string_equal(c->entries[2].kind, "device.removed");
	assert_string_equal(c->entries[3].device, "sdc");
	assert_string_equal(c->entries[4].kind, "block.error");
	assert_int_equal(c->until, 20 * S);
	test_file_finish(&t);
	diag_finish(&d);
}

/* ---- layers ---- */

#define RULE(name, rest) "version: 1\nrules:\n  - name: " name "\n    description: d\n" rest

static void stronger_layers_change_rules_by_name(void **state)
{
	static const char base[] =
		"version: 1\nlists: {bad: [io]}\nrules:\n  - name: a\n    description: d\n    event: block.error\n"
		"    where: {error.status: {in: bad}}\n    unless: {member.expendable: false}\n    limit: 1h\n    do: "
		"[fail-member]\n";
	static const char site[] =
		"version: 1\nlists: {bad: [medium]}\noverride:\n  a:\n    unless: {device.name: sdb}\n"
		"    limit: {count: 2}\n    priority: 7\n    description: ours\n  \"none?\": {priority: 1}\n";
	struct rule_source sources[] = {{"10-base.yaml", base, sizeof(base) - 1, 0},
					{"50-site.yaml", site, sizeof(site) - 1, 2}};
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct fixture fx = {0};
	struct engine_options eo = fixture_options(&fx);
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(ruleset_load(sources, 2, &o, &d, &fx.rules), 0);
	diag_finish(&d);
	assert_int_equal(ruleset_rule(fx.rules, 0).priority, 7);
	assert_string_equal(ruleset_rule(fx.rules, 0).description, "ours");
	fake_disks(&fx);
	assert_int_equal(engine_new(fx.rules, &eo, &fx.engine), 0);
	engine_start(fx.engine, 0, 0);
	/* The list is the stronger one's; unless got one more alternative; the limit only another count. */
	block_error(&fx, "sdb", 1 * S, 1);
	for (int i = 2; i < 6; i++)
		block_error(&fx, "sda", i * S, 1);
	expect_log(&fx, "2s a sda\n3s a sda\n4s a sda limited\n");
	fake_set(&fx, SORT_MEMBER, "data/2", FACT_MEMBER_EXPENDABLE, value_bool(false));
	block_error(&fx, "sdc", 7 * S, 1);
	expect_log(&fx, "");
	fixture_end(&fx);
}

/* The first error of a text. */
static void check_refused(const struct buf *text, const char *message)
{
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct rule_source source = {.file = "many.yaml", .text = text->s, .len = text->len};
	struct ruleset *rs = NULL;
	struct err e = {0};
	struct diag d;

	diag_init(&d);
	assert_true(ruleset_load(&source, 1, &o, &d, &rs) < 0);
	diag_first_error(&d, &e);
	if (!strstr(e.msg, message))
		fail_msg("'%s' is not '%s'", e.msg, message);
	diag_finish(&d);
}

static void what_is_too_much_is_refused(void **state)
{
	_cleanup_(buf_free) struct buf rules = {0}, calendars = {0}, bytes = {0};

	(void)state;
	buf_add(&rules, "version: 1\nrules:\n");
	for (int i = 0; i < 10001; i++)
		buf_addf(&rules, "- {name: r%d, description: d, event: device.added, do: [fail-member]}\n", i);
	check_refused(&rules, "more than 10000 rules");
	buf_add(&calendars, "version: 1\ncalendars:\n");
	for (int i = 0; i < 65; i++)
		buf_addf(&calendars, "  c%d: [Mon]\n", i);
	check_refused(&calendars, "more than 64 calendars");
	buf_add(&bytes, "version: 1\n#");
	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&bytes, 'x');
	check_refused(&bytes, "bytes, more than 1 MiB");
}

static void check_warning(const struct rule_source *sources, size_t n, const char *file, int line, const char *code,
			  const char *message)
{
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct ruleset *rs = NULL;
	struct diag d;

	diag_init(&d);
	assert_int_equal(ruleset_load(sources, n, &o, &d, &rs), 0);
	assert_int_equal(d.warnings, 1);
	assert_string_equal(d.items[0].at.file, file);
	assert_int_equal(d.items[0].at.line, line);
	assert_string_equal(d.items[0].code, code);
	assert_string_equal(d.items[0].message, message);
	ruleset_unref(rs);
	diag_finish(&d);
}

static void an_override_that_another_replaces_is_told(void **state)
{
	static const char base[] = RULE("a", "    event: device.added\n    unless: {device.media: ssd}\n"
					     "    limit: {count: 2, within: 1h}\n    do: [{mark: {as: new}}]\n");
	static const char first[] =
		"version: 1\noverride:\n  a:\n    limit: {count: 3}\n    unless: {device.media: nvme}\n";
	static const char second[] =
		"version: 1\noverride:\n  a: {limit: {count: 4, within: 2h}, unless: {device.media: other}}\n";
	struct rule_source sources[] = {{"10-a.yaml", base, sizeof(base) - 1, 0},
					{"50-a.yaml", first, sizeof(first) - 1, 1},
					{"60-a.yaml", second, sizeof(second) - 1, 1}};

	(void)state;
	/* Only the count: another time was not set before, and unless has one alternative more. */
	check_warning(sources, 3, "50-a.yaml", 4, "shadowed-override", "'count' is set again at 60-a.yaml:3");
}

static void one_error_and_nothing_is_loaded(void **state)
{
	static const char good[] = RULE("a", "    event: device.added\n    do: [{mark: {as: new}}]\n");
	static const char bad[] = RULE("b", "    event: device.add\n    do: [{mark: {as: new}}]\n");
	struct rule_source sources[] = {{"a.yaml", good, sizeof(good) - 1, 0}, {"b.yaml", bad, sizeof(bad) - 1, 0}};
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct ruleset *rs = NULL;
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_true(ruleset_load(sources, 2, &o, &d, &rs) < 0);
	assert_null(rs);
	assert_int_equal(d.errors, 1);
	diag_finish(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(golden_messages),
		unit(every_lint_has_been_told),
		unit(shipped_rules_load_without_a_word),
		unit(each_example_loads_over_the_shipped_rules),
		unit(test_files_decode),
		unit(what_was_has_the_type_of_what_is),
		unit(ranges_from_and_repetition_are_written_out),
		unit(stronger_layers_change_rules_by_name),
		unit(what_is_too_much_is_refused),
		unit(an_override_that_another_replaces_is_told),
		unit(one_error_and_nothing_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
