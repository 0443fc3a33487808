// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of rule tests: finding them, the rules that each test loads, results. */
#include "pipeline/ruletest.h"

#include "config/dirs.h"
#include "pipeline/ruletest_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct session {
	const struct ruletest_options *o;
	struct buf *out;
	struct ruletest_counts *counts;
	struct buf junit;
	struct coverage covered;
};

/* ---- the rules of a test ---- */

struct rule_files {
	char **paths;
	int *layers;
	size_t n;
	int top; /* the layer of what comes next */
};

static int add_path(struct rule_files *f, const char *path, int layer)
{
	char **more = reallocarray(f->paths, f->n + 1, sizeof(*more));
	int *layers;

	if (!more)
		return -ENOMEM;
	f->paths = more;
	layers = reallocarray(f->layers, f->n + 1, sizeof(*layers));
	if (!layers)
		return -ENOMEM;
	f->layers = layers;
	layers[f->n] = layer;
	f->top = MAX(f->top, layer + 1);
	more[f->n] = strdup(path);
	return more[f->n++] ? 0 : -ENOMEM;
}

static void rule_files_finish(struct rule_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->paths[i]);
	free(f->paths);
	free(f->layers);
}

/* "default" and what is below it may be kept elsewhere. */
static void resolve(const struct ruletest_options *o, const char *name, struct buf *out)
{
	size_t n = strlen("default");

	if (o->default_dir && strncmp(name, "default", n) == 0 && (name[n] == '/' || !name[n]))
		buf_addf(out, "%s%s", o->default_dir, name + n);
	else
		buf_addf(out, "%s%s%s", name[0] == '/' || !o->rules_root ? "" : o->rules_root,
			 name[0] == '/' || !o->rules_root ? "" : "/", name);
}

static int add_rules(const struct ruletest_options *o, const char *name, struct rule_files *f, struct diag *d)
{
	_cleanup_(buf_free) struct buf path = {0};
	const char *dir;
	struct drop_ins found;
	struct stat st;
	int r, layer = f->top;
	bool layers = o->default_dirs && strcmp(name, "default") == 0;

	resolve(o, name, &path);
	dir = buf_str(&path);
	if (!layers && stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return add_path(f, dir, layer);
	r = drop_ins_list(layers ? o->default_dirs : &dir, layers ? o->n_default_dirs : 1, d, &found);
	/* Of one directory each file is a layer of its own: what a test loads later is stronger. */
	for (size_t i = 0; r == 0 && i < found.n; i++)
		r = add_path(f, found.files[i].path, layer + (int)(layers ? found.files[i].layer : i));
	drop_ins_finish(&found);
	return r;
}

static char *read_text(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct buf b = {0};
	char chunk[4096];
	size_t n;

	if (!f)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_addn(&b, chunk, n);
	fclose(f);
	*len = b.len;
	return buf_take(&b);
}

static int load_rules(const struct session *s, const struct test_case *t, const struct test_words *load, struct diag *d,
		      struct ruleset **ret)
{
	struct ruleset_options ro = {.actions = action_descs, .kinds = s->o->kinds};
	struct rule_source *sources;
	struct rule_files f = {0};
	const char **only = calloc(t->only.n + 1, sizeof(*only));
	int r = only ? 0 : -ENOMEM;

	if (load->n == 0)
		r = add_rules(s->o, "default", &f, d);
	for (size_t i = 0; r == 0 && i < load->n; i++)
		r = add_rules(s->o, load->w[i], &f, d);
	sources = calloc(f.n + 1, sizeof(*sources));
	for (size_t i = 0; r == 0 && sources && i < f.n; i++) {
		sources[i] = (struct rule_source){.file = f.paths[i], .layer = f.layers[i]};
		sources[i].text = read_text(f.paths[i], &sources[i].len);
		if (!sources[i].text) {
			struct place at = {.file = f.paths[i]};

			diag_error(d, &at, "unreadable", "the file cannot be read");
			r = -EINVAL;
		}
	}
	for (size_t i = 0; only && i < t->only.n; i++)
		only[i] = t->only.w[i];
	ro.only = t->only.n ? only : NULL;
	if (r == 0)
		r = ruleset_load(sources, f.n, &ro, d, ret);
	for (size_t i = 0; sources && i < f.n; i++)
		free((void *)sources[i].text);
	free(sources);
	free(only);
	rule_files_finish(&f);
	return r;
}

static void drop_rules(struct ruleset **rules)
{
	for (size_t i = 0; rules && rules[i]; i++)
		ruleset_unref(rules[i]);
	free(rules);
}

/* The rules of the test, then those of each of its reloads, in their order; ends with NULL. NULL: with the problems in
 * d. */
static struct ruleset **load_all(const struct session *s, const struct test_case *t, struct diag *d)
{
	struct ruleset **rules = calloc(t->n_entries + 2, sizeof(*rules));
	int r = rules ? load_rules(s, t, &t->load, d, &rules[0]) : -ENOMEM;
	size_t n = 1;

	for (size_t i = 0; r == 0 && i < t->n_entries; i++)
		if (t->entries[i].what == TEST_RELOAD)
			r = load_rules(s, t, &t->entries[i].files, d, &rules[n++]);
	if (r == 0)
		return rules;
	drop_rules(rules);
	return NULL;
}

/* ---- one test ---- */

static struct why_at *whys_of(const struct test_case *t, const struct why_at *more, size_t n_more, size_t *ret_n)
{
	struct why_at *list = calloc(t->n_whys + n_more + 1, sizeof(*list));

	for (size_t i = 0; list && i < t->n_whys; i++)
		list[i] = (struct why_at){.at = t->whys[i].at,
					  .rule = t->whys[i].rule,
					  .subject = t->whys[i].device ? t->whys[i].device : t->whys[i].array,
					  .says = t->whys[i].says,
					  .of = &t->whys[i]};
	for (size_t i = 0; list && i < n_more; i++)
		list[t->n_whys + i] = more[i];
	*ret_n = list ? t->n_whys + n_more : 0;
	return list;
}

static void whys_free(struct why_at *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].answer);
	free(list);
}

/* A test that failed is run once more, to ask why what is missing did not come. */
static bool explain(const struct test_case *t, struct ruleset *const *rules, const struct why_at *more, size_t n_more,
		    const char *file, struct buf *out)
{
	struct runner r;
	size_t n;
	struct why_at *whys = whys_of(t, more, n_more, &n);
	bool ok = false;

	if (runner_run(&r, t, rules, whys, n) < 0)
		buf_addf(out, "FAIL %s:%d \"%s\"\n  %s\n", file, t->place.line, t->name, r.problem);
	else
		ok = report_test(&r, file, out);
	runner_finish(&r);
	whys_free(whys, n);
	return ok;
}

static bool run_test(struct session *s, const struct test_case *t, const char *file)
{
	struct ruleset **rules;
	struct why_at *missing = NULL, *whys;
	size_t n, n_missing = 0;
	struct diag d;
	struct runner r;
	bool ok;

	diag_init(&d);
	rules = load_all(s, t, &d);
	if (!rules) {
		buf_addf(s->out, "FAIL %s:%d \"%s\": its rules cannot be loaded\n", file, t->place.line, t->name);
		diag_print(&d, NULL, s->out);
		diag_finish(&d);
		return false;
	}
	diag_finish(&d);
	whys = whys_of(t, NULL, 0, &n);
	ok = runner_run(&r, t, rules, whys, n) == 0 && report_test(&r, file, NULL);
	if (!ok && !r.problem[0])
		n_missing = missing_whys(&r, &missing);
	coverage_add(&s->covered, rules[0], &r);
	runner_finish(&r);
	whys_free(whys, n);
	if (!ok)
		explain(t, rules, missing, n_missing, file, s->out);
	drop_rules(rules);
	free(missing);
	return ok;
}

/* ---- files ---- */

/* Text of an XML document: what stands for markup is named, and what XML cannot hold at all is "?". */
static void junit_text(struct buf *b, const char *s)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}};

	for (; *s; s++) {
		const char *text = (unsigned char)*s < ' ' && *s != '\n' && *s != '\t' ? "?" : NULL;

		for (size_t i = 0; i < ARRAY_SIZE(escapes); i++)
			if (escapes[i].c == *s)
				text = escapes[i].text;
		if (text)
			buf_add(b, text);
		else
			buf_addc(b, *s);
	}
}

/* What: "failure", "error", or NULL: it went well. text: what was printed about it. */
static void junit_case(struct buf *b, const char *file, const char *name, int line, const char *what, const char *text)
{
	_cleanup_(buf_free) struct buf first = {0};

	buf_add(b, "    <testcase classname=\"");
	junit_text(b, file);
	buf_add(b, "\" name=\"");
	junit_text(b, name);
	buf_addf(b, "\" line=\"%d\"", line);
	if (!what) {
		buf_add(b, "/>\n");
		return;
	}
	buf_addn(&first, text, strcspn(text, "\n"));
	buf_addf(b, ">\n      <%s message=\"", what);
	junit_text(b, buf_str(&first));
	buf_add(b, "\">");
	junit_text(b, text);
	buf_addf(b, "</%s>\n    </testcase>\n", what);
}

static void junit_file(struct session *s, const char *file, const struct buf *cases, size_t tests, size_t failed,
		       bool broken)
{
	buf_add(&s->junit, "  <testsuite name=\"");
	junit_text(&s->junit, file);
	buf_addf(&s->junit, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\">\n%s  </testsuite>\n", tests, failed,
		 broken, buf_str(cases));
}

static void run_file(struct session *s, const char *path)
{
	_cleanup_(buf_free) struct buf cases = {0};
	size_t tests = s->counts->tests, failed = s->counts->failed, begin = s->out->len;
	struct test_file f;
	struct diag d;
	bool broken;

	s->counts->files++;
	diag_init(&d);
	broken = test_file_read(&f, path, &d) < 0;
	if (broken) {
		s->counts->broken++;
		diag_print(&d, NULL, s->out);
		f.n = 0;
		junit_case(&cases, path, path, 1, "error", buf_str(s->out) + MIN(begin, s->out->len));
	}
	for (size_t i = 0; i < f.n; i++) {
		const struct test_case *t = &f.tests[i];
		size_t from = s->out->len;
		bool ok;

		if (s->o->only && !strstr(t->name, s->o->only))
			continue;
		ok = run_test(s, t, path);
		s->counts->tests++;
		s->counts->passed += ok;
		s->counts->failed += !ok;
		junit_case(&cases, path, t->name, t->place.line, ok ? NULL : "failure",
			   buf_str(s->out) + MIN(from, s->out->len));
		if (ok && s->o->verbose)
			buf_addf(s->out, "ok   %s:%d \"%s\"\n", path, t->place.line, t->name);
	}
	junit_file(s, path, &cases, s->counts->tests - tests + broken, s->counts->failed - failed, broken);
	test_file_finish(&f);
	diag_finish(&d);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int run_path(struct session *s, const char *path, struct err *e);

static int run_directory(struct session *s, const char *path, struct err *e)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), r = 0;

	if (n < 0)
		return err_sys(e, errno, "%s", path);
	for (int i = 0; i < n; i++) {
		_cleanup_(buf_free) struct buf sub = {0};
		struct stat st;

		buf_addf(&sub, "%s/%s", path, names[i]->d_name);
		if (r == 0 && names[i]->d_name[0] != '.' && stat(buf_str(&sub), &st) == 0 &&
		    (S_ISDIR(st.st_mode) || ends_with(names[i]->d_name, ".test.yaml")))
			r = run_path(s, buf_str(&sub), e);
		free(names[i]);
	}
	free(names);
	return r;
}

static int run_path(struct session *s, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return run_directory(s, path, e);
	run_file(s, path);
	return 0;
}

static int write_junit(const struct session *s, struct err *e)
{
	FILE *f = fopen(s->o->junit, "we");

	if (!f)
		return err_sys(e, errno, "%s", s->o->junit);
	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rules\" tests=\"%zu\" "
		"failures=\"%zu\" errors=\"%zu\">\n%s</testsuites>\n",
		s->counts->tests + s->counts->broken, s->counts->failed, s->counts->broken, buf_str(&s->junit));
	return fclose(f) == 0 ? 0 : err_sys(e, errno, "%s", s->o->junit);
}

int ruletest_run(const char *const *paths, size_t n, const struct ruletest_options *o, struct buf *out,
		 struct ruletest_counts *counts, struct err *e)
{
	struct session s = {.o = o, .out = out, .counts = counts};
	int r = 0;

	*counts = (struct ruletest_counts){0};
	for (size_t i = 0; i < n && r == 0; i++)
		r = run_path(&s, paths[i], e);
	if (r == 0 && o->junit)
		r = write_junit(&s, e);
	buf_free(&s.junit);
	if (r == 0 && o->strict)
		counts->untested = coverage_report(&s.covered, out);
	coverage_finish(&s.covered);
	if (r < 0)
		return r;
	buf_addf(out, "%zu tests in %zu files: %zu passed, %zu failed", counts->tests, counts->files, counts->passed,
		 counts->failed);
	if (counts->broken)
		buf_addf(out, ", %zu files could not be read", counts->broken);
	buf_add(out, "\n");
	return counts->failed || counts->broken || counts->untested ? 1 : 0;
}
