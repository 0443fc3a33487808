// SPDX-License-Identifier: GPL-2.0-or-later
/* The lines of a script that come before the first time: settings, rules, disks, arrays. */
#include "config/diag.h"
#include "config/dirs.h"
#include "tests/pipeline/play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int play_number(const char *word)
{
	return (int)strtol(word, NULL, 10);
}

int play_split(char *text, char **words, int max)
{
	int n = 0;

	for (char *save, *w = strtok_r(text, " \t\n", &save); w && n < max; w = strtok_r(NULL, " \t\n", &save))
		words[n++] = w;
	return n;
}

void play_managed(struct play *y, char **globs, int n)
{
	y->settings.n_manage = (size_t)n;
	for (int i = 0; i < n && i < 8; i++) {
		snprintf(y->words[i], sizeof(y->words[i]), "%s", globs[i]);
		y->manage[i] = y->words[i];
	}
}

static char *read_file(const char *path, size_t *len)
{
	struct buf b = {0};
	FILE *f = fopen(path, "re");

	for (int c; f && (c = fgetc(f)) != EOF;)
		buf_addc(&b, (char)c);
	if (f)
		fclose(f);
	*len = b.len;
	return buf_take(&b);
}

/* The files, by their paths; a recording names them without their directory, which is another one everywhere. */
static int load_files(struct play *y, char **paths, size_t n, struct diag *d)
{
	struct ruleset_options o = {.actions = action_descs};
	struct rule_source sources[16] = {0};
	int r;

	for (size_t i = 0; i < n && i < ARRAY_SIZE(sources); i++) {
		const char *slash = strrchr(paths[i], '/');
		json_t *j;

		sources[i].file = slash ? slash + 1 : paths[i];
		sources[i].text = read_file(paths[i], &sources[i].len);
		j = json_pack("{s:s s:i s:s%}", "file", sources[i].file, "layer", 0, "text", sources[i].text,
			      sources[i].len);
		json_array_append_new(y->rule_files, j);
	}
	r = ruleset_load(sources, MIN(n, ARRAY_SIZE(sources)), &o, d, &y->rules);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		free((void *)sources[i].text);
	return r;
}

int play_rules(struct play *y, char **names, int n)
{
	_cleanup_(buf_free) struct buf problems = {0};
	struct drop_ins found = {0};
	char own[8][512], *paths[16];
	size_t n_paths = 0;
	struct diag d;
	int r = 0;

	diag_init(&d);
	ruleset_unref(TAKE_PTR(y->rules));
	if (n == 1 && strcmp(names[0], "shipped") == 0) {
		r = drop_ins_list(&y->rules_dir, 1, &d, &found);
		for (size_t i = 0; i < found.n && n_paths < ARRAY_SIZE(paths); i++)
			paths[n_paths++] = found.files[i].path;
	}
	for (int i = 0; found.n == 0 && i < n && i < 8; i++) {
		const char *slash = strrchr(y->script, '/');

		snprintf(own[i], sizeof(own[i]), "%.*s%s", slash ? (int)(slash - y->script + 1) : 0, y->script,
			 names[i]);
		paths[n_paths++] = own[i];
	}
	if (r == 0)
		r = load_files(y, paths, n_paths, &d);
	if (r < 0) {
		diag_print(&d, NULL, &problems);
		fputs(buf_str(&problems), stderr);
	}
	drop_ins_finish(&found);
	diag_finish(&d);
	return r;
}

void play_place(struct play *y, size_t disk, const char *word)
{
	char **at = strncmp(word, "enclosure=", 10) == 0 ? y->enclosure
		    : strncmp(word, "slot=", 5) == 0	 ? y->slot
							 : NULL;

	if (!at || disk >= y->n_disks)
		return;
	free(at[disk]);
	at[disk] = strdup(strchr(word, '=') + 1);
}

static int add_disk(struct play *y, char **w, int n)
{
	struct value size;
	struct err e = {0};

	if (y->n_disks == ARRAY_SIZE(y->disks) || n < 3 || value_parse(V_SIZE, NULL, w[2], &size, &e) < 0)
		return -EINVAL;
	snprintf(y->disks[y->n_disks++], 32, "%s", w[1]);
	model_disk(y->model, play_id(w[1]), size.u);
	for (int i = 3; i < n; i++) {
		play_place(y, y->n_disks - 1, w[i]);
		if (strncmp(w[i], "holds=", 6) == 0)
			model_contents(y->model, play_id(w[1]), "filesystem", w[i] + 6);
		if (strncmp(w[i], "beside=", 7) == 0)
			model_beside(y->model, play_id(w[1]), w[i] + 7);
		if (strncmp(w[i], "udev=", 5) != 0)
			continue;
		y->fs_type[y->n_disks - 1] = strdup(w[i] + 5);
		model_contents(y->model, play_id(w[1]), strstr(w[i], "promise") ? "blank" : "foreign", NULL);
	}
	return 0;
}

static int add_array(struct play *y, char **w, int n)
{
	struct model_array a = {.name = w[1], .set = y->set, .running = true};
	static char ids[64][DEVICE_ID_MAX];
	const char *members[64];
	struct err e = {0};
	int k = 0;

	for (a.level = RAID0; a.level < RAID_LEVELS - 1 && strcmp(raid_level_name(a.level), w[2]) != 0; a.level++)
		;
	a.members = members;
	for (int i = 3; i < n; i++) {
		if (strcmp(w[i], "spares") == 0) {
			a.n_members = (size_t)k;
			a.spares = &members[k];
			continue;
		}
		snprintf(ids[k], sizeof(ids[k]), "%s", strcmp(w[i], "-") == 0 ? "-" : play_id(w[i]));
		members[k] = ids[k];
		k++;
	}
	a.n_members = a.spares ? a.n_members : (size_t)k;
	a.n_spares = (size_t)k - a.n_members;
	if (model_array(y->model, &a, &e) < 0) {
		fprintf(stderr, "%s:%d: %s\n", y->script, y->line, e.msg);
		return -EINVAL;
	}
	return 0;
}

/* "pool NAME ARRAY", "tag DISK WORD": one of each is enough. */
static void set_group(struct setting_group **list, size_t *n, const char *pattern, const char *word)
{
	static struct {
		char pattern[DEVICE_ID_MAX], word[DEVICE_ID_MAX];
		const char *words[1];
		struct setting_group group;
	} made[2];
	size_t i = strncmp(pattern, "wwn-", 4) == 0;

	snprintf(made[i].pattern, sizeof(made[i].pattern), "%s", pattern);
	snprintf(made[i].word, sizeof(made[i].word), "%s", word);
	made[i].words[0] = made[i].word;
	made[i].group = (struct setting_group){.pattern = made[i].pattern, .words = made[i].words, .n = 1};
	*list = &made[i].group;
	*n = 1;
}

int play_setup(struct play *y, char *text)
{
	char none[] = "", *w[64];
	int n;

	/* A word that is missing is empty. */
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		w[i] = none;
	n = play_split(text, w, 64);
	if (strcmp(w[0], "manage") == 0) {
		play_managed(y, &w[1], n - 1);
		return 0;
	}
	if (strcmp(w[0], "pool") == 0) {
		set_group(&y->settings.pools, &y->settings.n_pools, w[1], w[2]);
		return 0;
	}
	if (strcmp(w[0], "tag") == 0) {
		set_group(&y->settings.device_tags, &y->settings.n_device_tags, play_id(w[1]), w[2]);
		return 0;
	}
	if (strcmp(w[0], "budget") == 0) {
		y->settings.budget = play_number(w[1]);
		return 0;
	}
	if (strcmp(w[0], "windows") == 0) {
		y->settings.windows = play_number(w[1]);
		return 0;
	}
	if (strcmp(w[0], "rules") == 0)
		return play_rules(y, &w[1], n - 1);
	if (strcmp(w[0], "disk") == 0)
		return add_disk(y, w, n);
	if (strcmp(w[0], "set") == 0) {
		snprintf(y->set, sizeof(y->set), "%s", w[1]);
		return 0;
	}
	if (strcmp(w[0], "array") == 0)
		return add_array(y, w, n);
	if (strcmp(w[0], "spare") == 0)
		return model_spare(y->model, y->set, play_id(w[1]));
	if (strcmp(w[0], "stopped") == 0)
		return model_run_state(y->model, w[1], false), 0;
	if (strcmp(w[0], "away") == 0)
		return model_present(y->model, play_id(w[1]), false), 0;
	if (strcmp(w[0], "start") == 0) {
		int r = play_pipeline(y);

		if (r == 0)
			play_enumerate(y);
		return r;
	}
	return -EINVAL;
}
