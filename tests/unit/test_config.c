// SPDX-License-Identifier: GPL-2.0-or-later
/* config/: the tree with its places, words, settings, drop-in directories, and how problems are printed. */
#include "config/dirs.h"
#include "config/settings.h"
#include "core/clock.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tree_knows_where_things_stand(void **state)
{
	static const char text[] = "a: 1\nlist:\n  - \"two words\"\n  - {k: v}\n";
	struct tree t;
	struct diag d;
	const struct node *list;

	(void)state;
	diag_init(&d);
	assert_int_equal(tree_parse(&t, "f.yaml", text, sizeof(text) - 1, &d), 0);
	assert_int_equal(t.root->kind, NODE_MAP);
	list = node_get(t.root, "list");
	assert_int_equal(list->n, 2);
	assert_true(list->items[0]->quoted);
	assert_int_equal(list->items[0]->at.line, 3);
	assert_int_equal(list->items[0]->at.col, 5);
	assert_int_equal(list->items[0]->at.end_col, 16);
	assert_int_equal(node_part(list->items[0], 4, 5).col, 10);
	assert_string_equal(node_get(list->items[1], "k")->text, "v");
	assert_null(node_get(t.root, "b"));
	tree_finish(&t);
	diag_finish(&d);
}

static void refused(const char *text, size_t len, const char *message)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct tree t;
	struct diag d;

	diag_init(&d);
	assert_int_equal(tree_parse(&t, "f.yaml", text, len, &d), -EINVAL);
	diag_print(&d, NULL, &out);
	if (!strstr(buf_str(&out), message))
		fail_msg("'%s' is not in\n%s", message, buf_str(&out));
	tree_finish(&t);
	diag_finish(&d);
}

static void tree_refuses_what_rules_do_not_need(void **state)
{
	_cleanup_(freep) char *huge = calloc(1, TREE_SIZE_MAX + 2);

	(void)state;
	memset(huge, '#', TREE_SIZE_MAX + 1);
	refused(huge, TREE_SIZE_MAX + 1, "more than 1 MiB");
	refused("a: \xff\n", 5, "f.yaml:1:");
	refused("a: \"\\0\"\n", 8, "NUL");
	refused("? {a: b}\n: c\n", 13, "a key must be a word");
	refused("a: [1\n", 6, "f.yaml:");
	refused("a: *b\n", 6, "'*' starts an alias");
}

static void words_that_are_near_are_found(void **state)
{
	static const char *const words[] = {"event", "where", "threshold", "ab", NULL};

	(void)state;
	assert_string_equal(suggest("treshold", words), "threshold");
	assert_string_equal(suggest("evnet", words), "event");
	assert_string_equal(suggest("wher", words), "where");
	assert_null(suggest("zz", words));
	assert_null(suggest("something", words));
	assert_null(suggest("", words));
}

static void globs_match_the_whole_string(void **state)
{
	(void)state;
	assert_true(glob_match("array.*", "array.failed"));
	assert_false(glob_match("array.*", "xarray.failed"));
	assert_true(glob_match("sd[a-c]?", "sdb1"));
	assert_false(glob_match("sd[!a-c]?", "sdb1"));
	assert_true(glob_match("\\*", "*"));
	assert_false(glob_match("\\*", "x"));
	assert_true(glob_match("*a*b*c", "xxaxxbxxc"));
	assert_false(glob_match("*a*b*c", "xxaxxbxx"));
	assert_true(glob_match("[", "["));
	assert_true(glob_match("", ""));
	assert_false(glob_match("?", ""));
	/* Linear: this would not end with backtracking. */
	assert_false(glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void settings_have_defaults_and_origins(void **state)
{
	static const char text[] = "manage: [\"4C53*\"]\nbudget: {plans-per-hour: 3}\nrules: {mode: shadow}\n"
				   "tags: {devices: {wwn-1: [worn, old]}}\nsettle: 1m\n";
	_cleanup_(buf_free) struct buf out = {0};
	struct settings s;
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(settings_parse(&s, "spared.yaml", text, sizeof(text) - 1, &d), 0);
	assert_int_equal(d.n, 0);
	assert_true(settings_manages(&s, "4C53-abc"));
	assert_false(settings_manages(&s, "other"));
	assert_int_equal(s.budget, 3);
	assert_int_equal(s.rules_mode, RULES_SHADOW);
	assert_int_equal(s.settle, 60 * NS_PER_SEC);
	assert_int_equal(s.n_rules_dirs, 4);
	assert_string_equal(s.rules_dirs[3], "/etc/spared/rules.d");
	assert_int_equal(s.n_device_tags, 1);
	assert_string_equal(s.device_tags[0].words[1], "old");
	settings_print(&s, &out);
	assert_non_null(strstr(buf_str(&out), "budget.plans-per-hour  3   (spared.yaml:2)"));
	assert_non_null(strstr(buf_str(&out), "log-level              info   (default)"));
	settings_finish(&s);
	diag_finish(&d);
}

static void settings_manage_nothing_by_default(void **state)
{
	struct settings s;
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(settings_read(&s, "/nonexistent/spared.yaml", &d), 0);
	assert_false(settings_manages(&s, "anything"));
	assert_string_equal(s.control, "/run/spared/control.sock");
	settings_finish(&s);
	diag_finish(&d);
}

static void settings_report_every_problem(void **state)
{
	static const char text[] =
		"mange: [x]\nbudget: {plans-per-hour: 0}\nrules: {mode: shadw, dir: x}\nlog-level: loud\n";
	_cleanup_(buf_free) struct buf out = {0};
	struct settings s;
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(settings_parse(&s, "spared.yaml", text, sizeof(text) - 1, &d), -EINVAL);
	assert_int_equal(d.errors, 5);
	diag_print(&d, NULL, &out);
	assert_non_null(strstr(buf_str(&out), "spared.yaml:1:1: error: unknown setting 'mange'\n  mange: [x]\n  ^^^^^\n"
					      "  hint: did you mean 'manage'?\n"));
	assert_non_null(strstr(buf_str(&out), "5 errors, 0 warnings.\n"));
	settings_finish(&s);
	diag_finish(&d);
}

static void example_settings_are_right(void **state)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct settings s;
	struct diag d;

	(void)state;
	diag_init(&d);
	settings_read(&s, SPARED_TESTS_DIR "/../config/examples/spared.yaml", &d);
	diag_print(&d, NULL, &out);
	assert_string_equal(buf_str(&out), "");
	settings_finish(&s);
	diag_finish(&d);
}

/* ---- directories ---- */

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void stronger_directories_hide_and_mask(void **state)
{
	char root[] = "/tmp/spared-dirs-XXXXXX", usr[64], etc[64], path[128];
	const char *dirs[] = {usr, "/nonexistent", etc};
	struct drop_ins l;
	struct diag d;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(usr, sizeof(usr), "%s/usr", root);
	snprintf(etc, sizeof(etc), "%s/etc", root);
	mkdir(usr, 0755);
	mkdir(etc, 0755);
	put(usr, "10-a.yaml", "x");
	put(usr, "20-b.yaml", "x");
	put(usr, "30-c.yaml", "x");
	put(usr, "40-d.yaml", "x");
	put(usr, "40-d.test.yaml", "x");
	put(usr, "notes.txt", "x");
	put(usr, "50-e.yml", "x");
	put(etc, "20-b.yaml", "y");
	put(etc, "30-c.yaml", "");
	put(etc, ".hidden.yaml", "y");
	snprintf(path, sizeof(path), "%s/40-d.yaml", etc);
	assert_int_equal(symlink("/dev/null", path), 0);
	diag_init(&d);
	assert_int_equal(drop_ins_list(dirs, 3, &d, &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.files[0].name, "10-a.yaml");
	assert_int_equal(l.files[0].layer, 0);
	assert_string_equal(l.files[1].name, "20-b.yaml");
	assert_int_equal(l.files[1].layer, 2);
	assert_int_equal(d.warnings, 1);
	assert_string_equal(d.items[0].code, "ignored-file");
	drop_ins_finish(&l);
	diag_finish(&d);

	snprintf(path, sizeof(path), "%s/10-a.yaml", usr);
	chmod(path, 0666);
	diag_init(&d);
	assert_true(drop_ins_list(dirs, 3, &d, &l) < 0);
	assert_int_equal(d.errors, 1);
	diag_finish(&d);
	assert_int_equal(scratch_remove(root), 0);
}

static void problems_are_sorted_and_machine_readable(void **state)
{
	struct place second = {"b.yaml", 2, 1, 3}, first = {"a.yaml", 9, 4, 5};
	_cleanup_(buf_free) struct buf out = {0};
	struct err e = {0};
	struct diag d;
	json_t *j;

	(void)state;
	diag_init(&d);
	diag_warning(&d, &second, "unused", "list 'x' is not used");
	diag_error(&d, &first, "word", "bad\x1b[31m\nlook here");
	diag_print(&d, "nothing is loaded", &out);
	assert_string_equal(buf_str(&out), "a.yaml:9:4: error: bad\\x1b[31m\n  hint: look here\n"
					   "b.yaml:2:1: warning: list 'x' is not used [unused]\n"
					   "1 error, 1 warning; nothing is loaded.\n");
	j = diag_to_json(&d);
	assert_int_equal(json_array_size(j), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 0), "line")), 9);
	json_decref(j);
	assert_int_equal(diag_first_error(&d, &e), -EINVAL);
	assert_string_equal(e.file, "a.yaml");
	diag_finish(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(tree_knows_where_things_stand),	  unit(tree_refuses_what_rules_do_not_need),
		unit(words_that_are_near_are_found),	  unit(globs_match_the_whole_string),
		unit(settings_have_defaults_and_origins), unit(settings_manage_nothing_by_default),
		unit(settings_report_every_problem),	  unit(example_settings_are_right),
		unit(stronger_directories_hide_and_mask), unit(problems_are_sorted_and_machine_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
