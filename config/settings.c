// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/settings.h"

#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum setting_type { SET_STRING, SET_STRINGS, SET_INT, SET_DURATION, SET_SIZE, SET_WORD, SET_GROUPS, SET_VERSION };

/* One setting. A dot in the name is a mapping in the file. */
struct setting {
	const char *name;
	enum setting_type type;
	size_t offset, n_offset; /* n_offset: of the number of elements of a list */
	int64_t min, max;
	const char *const *words;
	const char *doc;
	const char *word_default; /* SET_STRING */
	int64_t int_default;	  /* SET_INT, SET_DURATION, SET_SIZE, SET_WORD */
};

static const char *const mode_words[] = {"enforce", "shadow", NULL};
static const char *const tests_words[] = {"off", "warn", "refuse", NULL};
static const char *const level_words[] = {"error", "warning", "notice", "info", "debug", NULL};

#define DAY (86400 * NS_PER_SEC)
#define YEAR (365 * DAY)
#define AT(member) .offset = offsetof(struct settings, member)
#define LIST(member) AT(member), .n_offset = offsetof(struct settings, n_##member)

static const struct setting settings_table[] = {
	{"version", SET_VERSION, .doc = "version of this file: 1"},
	{"manage", SET_STRINGS, LIST(manage),
	 .doc = "GUIDs of the sets that spared runs, or globs; nothing by default"},
	{"rules.dirs", SET_STRINGS, LIST(rules_dirs), .doc = "directories of rules, weakest first"},
	{"rules.mode", SET_WORD, AT(rules_mode), .words = mode_words,
	 .doc = "shadow: rules plan and tell, but do not act"},
	{"rules.tests", SET_WORD, AT(rules_tests), .words = tests_words,
	 .doc = "what a failing *.test.yaml beside the rules does at a load: nothing, a warning, or the load is "
		"refused"},
	{"rules.windows", SET_INT, AT(windows), .min = 10000, .max = 100000000, .int_default = 1000000,
	 .doc = "windows, and events in them, that all thresholds keep at most; a quarter for one rule"},
	{"genl.dirs", SET_STRINGS, LIST(genl_dirs),
	 .doc = "directories of descriptions of generic netlink families, weakest first"},
	{"notify.program", SET_STRING, AT(notify_program),
	 .doc = "program that gets each notification as JSON on stdin"},
	{"budget.plans-per-hour", SET_INT, AT(budget), .min = 1, .max = 1000, .int_default = 6,
	 .doc = "destructive plans that rules may run on one array within an hour"},
	{"doubt", SET_DURATION, AT(doubt), .max = 3600 * NS_PER_SEC, .int_default = 120 * NS_PER_SEC,
	 .doc = "how long no rule fails a disk of several that went at once behind one controller; 0s: not at all"},
	{"settle", SET_DURATION, AT(settle), .max = 600 * NS_PER_SEC, .int_default = 5 * NS_PER_SEC,
	 .doc = "how long start-up waits for the first disks"},
	{"timeouts.probe", SET_DURATION, AT(probe_timeout), .min = NS_PER_SEC, .max = 3600 * NS_PER_SEC,
	 .int_default = 20 * NS_PER_SEC, .doc = "after which reading a disk's metadata is given up"},
	{"timeouts.act", SET_DURATION, AT(act_timeout), .min = NS_PER_SEC, .max = 3600 * NS_PER_SEC,
	 .int_default = 60 * NS_PER_SEC, .doc = "after which a plan that does not end marks its array stuck"},
	{"tags.devices", SET_GROUPS, LIST(device_tags), .doc = "id, serial or WWN (or glob): list of tags"},
	{"tags.arrays", SET_GROUPS, LIST(array_tags), .doc = "GUID or name (or glob): list of tags"},
	{"pools", SET_GROUPS, LIST(pools),
	 .doc = "name of a pool: array GUIDs or names (or globs) that its spares serve"},
	{"log-level", SET_STRING, AT(log_level), .words = level_words, .word_default = "info",
	 .doc = "error, warning, notice, info or debug"},
	{"history", SET_STRING, AT(history), .word_default = "/var/lib/spared/history.db",
	 .doc = "database of events and plans"},
	{"keep.time", SET_DURATION, AT(keep_time), .min = 3600 * NS_PER_SEC, .max = 100 * YEAR, .int_default = 90 * DAY,
	 .doc = "how long the history keeps what happened"},
	{"keep.size", SET_SIZE, AT(keep_size), .min = 1 << 20, .max = INT64_C(1) << 40, .int_default = 256 << 20,
	 .doc = "size of the history beyond which the oldest goes earlier"},
	{"keep.images", SET_SIZE, AT(keep_images), .min = 0, .max = INT64_C(1) << 40, .int_default = 64 << 20,
	 .doc = "size of what disks held before plans that undo can take back, beyond which the oldest goes"},
	{"control", SET_STRING, AT(control), .word_default = "/run/spared/control.sock", .doc = "control socket"},
	{"run-dir", SET_STRING, AT(run_dir), .word_default = "/run/spared", .doc = "directory for run-time files"},
};

static const char *const default_rules_dirs[] = {"/usr/lib/spared/rules.d", "/usr/local/lib/spared/rules.d",
						 "/run/spared/rules.d", "/etc/spared/rules.d"};
static const char *const default_genl_dirs[] = {"/usr/lib/spared/genl.d", "/usr/local/lib/spared/genl.d",
						"/run/spared/genl.d", "/etc/spared/genl.d"};

#define MEMBER(s, type, at) ((type *)((char *)(uintptr_t)(s) + (at)))

static const char **default_dirs(struct settings *s, const char *const *dirs, size_t n)
{
	const char **copy = arena_array(&s->tree.arena, const char *, n);

	memcpy(copy, dirs, n * sizeof(*copy));
	return copy;
}

void settings_init(struct settings *s)
{
	*s = (struct settings){0};
	s->origins = calloc(ARRAY_SIZE(settings_table), sizeof(*s->origins));
	s->n_rules_dirs = ARRAY_SIZE(default_rules_dirs);
	s->rules_dirs = default_dirs(s, default_rules_dirs, s->n_rules_dirs);
	s->n_genl_dirs = ARRAY_SIZE(default_genl_dirs);
	s->genl_dirs = default_dirs(s, default_genl_dirs, s->n_genl_dirs);
	for (size_t i = 0; i < ARRAY_SIZE(settings_table); i++) {
		const struct setting *row = &settings_table[i];

		if (row->type == SET_STRING)
			*MEMBER(s, const char *, row->offset) = row->word_default;
		else if (row->type == SET_INT || row->type == SET_DURATION || row->type == SET_SIZE)
			*MEMBER(s, int64_t, row->offset) = row->int_default;
	}
}

void settings_finish(struct settings *s)
{
	free(s->origins);
	tree_finish(&s->tree);
	*s = (struct settings){0};
}

static const char **take_words(struct settings *s, const struct strings *from)
{
	const char **words = arena_array(&s->tree.arena, const char *, from->n + 1);

	for (size_t i = 0; i < from->n; i++)
		words[i] = from->nodes[i]->text;
	return words;
}

static void decode_groups(struct settings *s, const struct setting *row, const struct node *n, struct diag *d)
{
	struct setting_group *groups;

	if (n->kind != NODE_MAP) {
		diag_error(d, &n->at, "type", "'%s' must be a mapping, not %s", row->name, node_kind_name(n));
		return;
	}
	groups = arena_array(&s->tree.arena, struct setting_group, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		struct field f = {.name = n->keys[i]->text, .type = FIELD_STRINGS};
		struct strings words;

		if (field_decode(&f, n->items[i], &s->tree.arena, &words, d) < 0)
			continue;
		groups[i] = (struct setting_group){n->keys[i]->text, take_words(s, &words), words.n};
	}
	*MEMBER(s, struct setting_group *, row->offset) = groups;
	*MEMBER(s, size_t, row->n_offset) = n->n;
}

static void decode_setting(struct settings *s, const struct setting *row, const struct node *n, struct diag *d)
{
	static const enum field_type types[] = {
		[SET_STRING] = FIELD_STRING,	 [SET_STRINGS] = FIELD_STRINGS, [SET_INT] = FIELD_INT,
		[SET_DURATION] = FIELD_DURATION, [SET_WORD] = FIELD_WORD,	[SET_VERSION] = FIELD_INT,
		[SET_SIZE] = FIELD_SIZE,
	};
	struct field f = {.name = row->name, .min = row->min, .max = row->max, .words = row->words};
	struct strings words;
	int64_t version;
	int word;

	if (row->type == SET_GROUPS) {
		decode_groups(s, row, n, d);
		return;
	}
	f.type = types[row->type];
	switch (row->type) {
	case SET_VERSION:
		f.min = f.max = 1;
		field_decode(&f, n, &s->tree.arena, &version, d);
		break;
	case SET_STRINGS:
		if (field_decode(&f, n, &s->tree.arena, &words, d) < 0)
			break;
		*MEMBER(s, const char **, row->offset) = take_words(s, &words);
		*MEMBER(s, size_t, row->n_offset) = words.n;
		break;
	case SET_STRING:
		if (row->words) {
			f.type = FIELD_WORD;
			if (field_decode(&f, n, &s->tree.arena, &word, d) == 0)
				*MEMBER(s, const char *, row->offset) = row->words[word];
			break;
		}
		field_decode(&f, n, &s->tree.arena, MEMBER(s, char, row->offset), d);
		break;
	default:
		field_decode(&f, n, &s->tree.arena, MEMBER(s, char, row->offset), d);
	}
}

/* The words that may follow a prefix: "rules." gives "dirs", "mode"; "" gives "manage", "rules", .. */
static size_t key_words(const char *prefix, const char **words, struct arena *a)
{
	size_t n = 0, skip = strlen(prefix);

	for (size_t i = 0; i < ARRAY_SIZE(settings_table); i++) {
		const char *rest = settings_table[i].name + skip;

		if (strncmp(settings_table[i].name, prefix, skip) == 0)
			words[n++] = arena_strndup(a, rest, strcspn(rest, "."));
	}
	words[n] = NULL;
	return n;
}

static void decode_section(struct settings *s, const char *prefix, const struct node *map, struct diag *d);

static void decode_key(struct settings *s, const char *prefix, const struct node *key, const struct node *n,
		       struct diag *d)
{
	const char *words[ARRAY_SIZE(settings_table) + 1], *near;
	const char *name = arena_printf(&s->tree.arena, "%s%s", prefix, key->text);
	const char *section = arena_printf(&s->tree.arena, "%s.", name);

	for (size_t i = 0; i < ARRAY_SIZE(settings_table); i++) {
		if (strcmp(settings_table[i].name, name) == 0) {
			decode_setting(s, &settings_table[i], n, d);
			if (s->origins)
				s->origins[i] = key->at;
			return;
		}
		if (strncmp(settings_table[i].name, section, strlen(section)) == 0) {
			decode_section(s, section, n, d);
			return;
		}
	}
	key_words(prefix, words, &s->tree.arena);
	diag_error(d, &key->at, "unknown-key", "unknown setting '%s'", name);
	near = suggest(key->text, words);
	if (near)
		diag_hint(d, "did you mean '%s'?", near);
}

static void decode_section(struct settings *s, const char *prefix, const struct node *map, struct diag *d)
{
	if (map->kind != NODE_MAP) {
		diag_error(d, &map->at, "type", "%s must be a mapping, not %s", *prefix ? prefix : "the settings",
			   node_kind_name(map));
		return;
	}
	for (size_t i = 0; i < map->n; i++)
		decode_key(s, prefix, map->keys[i], map->items[i], d);
}

int settings_parse(struct settings *s, const char *file, const char *text, size_t len, struct diag *d)
{
	struct arena defaults;
	size_t errors = d->errors;
	int r;

	settings_init(s);
	defaults = TAKE(s->tree.arena, (struct arena){0});
	r = tree_parse(&s->tree, file, text, len, d);
	arena_join(&s->tree.arena, &defaults);
	if (r == 0 && s->tree.root)
		decode_section(s, "", s->tree.root, d);
	return d->errors > errors ? -EINVAL : r;
}

int settings_read(struct settings *s, const char *path, struct diag *d)
{
	_cleanup_(arena_finish) struct arena arena = {0};
	char *text;
	size_t len;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		settings_init(s);
		return 0;
	}
	r = text_read(&arena, path, &text, &len, d);
	if (r < 0) {
		settings_init(s);
		return r;
	}
	return settings_parse(s, path, text, len, d);
}

bool settings_manages(const struct settings *s, const char *id)
{
	for (size_t i = 0; i < s->n_manage; i++)
		if (glob_match(s->manage[i], id))
			return true;
	return false;
}

static void print_setting(const struct settings *s, const struct setting *row, struct buf *out)
{
	const char *const *words = row->n_offset ? *MEMBER(s, const char *const *const, row->offset) : NULL;
	size_t n = row->n_offset ? *MEMBER(s, const size_t, row->n_offset) : 0;
	const char *text;
	struct value v;

	switch (row->type) {
	case SET_STRING:
		text = *MEMBER(s, const char *const, row->offset);
		buf_add(out, text ? text : "none");
		break;
	case SET_STRINGS:
		for (size_t i = 0; i < n; i++)
			buf_addf(out, "%s%s", i ? ", " : "", words[i]);
		buf_add(out, n ? "" : "none");
		break;
	case SET_GROUPS:
		buf_addf(out, "%zu", n);
		break;
	case SET_WORD:
		buf_add(out, row->words[*MEMBER(s, const int, row->offset)]);
		break;
	case SET_INT:
		buf_addf(out, "%" PRId64, *MEMBER(s, const int64_t, row->offset));
		break;
	case SET_SIZE:
		v = value_size((uint64_t)*MEMBER(s, const int64_t, row->offset));
		value_print(&v, VALUE_CANONICAL, out);
		break;
	default:
		v = value_duration(*MEMBER(s, const int64_t, row->offset));
		value_print(&v, VALUE_CANONICAL, out);
	}
}

void settings_print(const struct settings *s, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings_table); i++) {
		const struct setting *row = &settings_table[i];
		const struct place *at = s->origins ? &s->origins[i] : NULL;

		if (row->type == SET_VERSION)
			continue;
		buf_addf(out, "%-22s ", row->name);
		print_setting(s, row, out);
		if (at && at->file)
			buf_addf(out, "   (%s:%d)\n", at->file, at->line);
		else
			buf_add(out, "   (default)\n");
	}
}
