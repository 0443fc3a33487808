// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

/* Whether the name is one of a rule file; says why not where it looks like a mistake. */
static bool is_drop_in(const char *path, const char *name, struct diag *d)
{
	struct place at = {.file = path};

	if (name[0] == '.')
		return false;
	if (ends_with(name, ".yml")) {
		diag_warning(d, &at, "ignored-file", "this file is not read\nrename it to '.yaml'");
		return false;
	}
	return ends_with(name, ".yaml") && !ends_with(name, ".test.yaml");
}

/* A regular file with something in it; an empty one or a device (/dev/null) masks the name. */
static bool has_content(const char *path, struct diag *d, int *r)
{
	struct place at = {.file = path};
	struct stat st;

	if (stat(path, &st) < 0 || (S_ISREG(st.st_mode) && access(path, R_OK) < 0)) {
		diag_error(d, &at, "ignored-file", "cannot read it: %s", strerror(errno));
		*r = -EINVAL;
		return false;
	}
	if (S_ISREG(st.st_mode) && st.st_mode & S_IWOTH) {
		diag_error(d, &at, "ignored-file", "every user may write this file\nchmod o-w it");
		*r = -EINVAL;
	}
	return S_ISREG(st.st_mode) && st.st_size > 0;
}

static int add_file(struct drop_ins *l, const char *path, size_t layer)
{
	struct drop_in *more = reallocarray(l->files, l->n + 1, sizeof(*more));
	char *copy = more ? strdup(path) : NULL;

	l->files = more ? more : l->files;
	if (!copy)
		return -ENOMEM;
	l->files[l->n++] = (struct drop_in){.path = copy, .name = strrchr(copy, '/') + 1, .layer = layer};
	return 0;
}

static void hide_file(struct drop_ins *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->files[i].name, name) == 0) {
			free(l->files[i].path);
			l->files[i] = l->files[--l->n];
			return;
		}
	}
}

static int read_dir(struct drop_ins *l, const char *dir, size_t layer, struct diag *d)
{
	struct place at = {.file = dir};
	struct dirent *entry;
	DIR *handle = opendir(dir);
	int r = 0;

	if (!handle && errno == ENOENT)
		return 0;
	if (!handle) {
		r = -errno;
		diag_error(d, &at, "unreadable", "cannot read the directory: %s", strerror(-r));
		return r;
	}
	while (r != -ENOMEM && (entry = readdir(handle))) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (!is_drop_in(path, entry->d_name, d))
			continue;
		hide_file(l, entry->d_name);
		if (has_content(path, d, &r) && add_file(l, path, layer) < 0)
			r = -ENOMEM;
	}
	closedir(handle);
	return r;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

int drop_ins_list(const char *const *dirs, size_t n, struct diag *d, struct drop_ins *ret)
{
	int r = 0;

	*ret = (struct drop_ins){0};
	for (size_t i = 0; i < n; i++) {
		int q = read_dir(ret, dirs[i], i, d);

		r = r ? r : q;
	}
	if (ret->n > 1)
		qsort(ret->files, ret->n, sizeof(*ret->files), compare_files);
	if (r < 0)
		drop_ins_finish(ret);
	return r;
}

void drop_ins_finish(struct drop_ins *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->files[i].path);
	free(l->files);
	*l = (struct drop_ins){0};
}
