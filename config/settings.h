// SPDX-License-Identifier: GPL-2.0-or-later
/* /etc/spared/spared.yaml. One table: name, type, default, doc; each setting knows where it was set. */
#pragma once

#include "config/schema.h"

/* What the tags and pools give to devices and arrays whose id, name, serial, WWN or path matches the pattern. */
struct setting_group {
	const char *pattern; /* glob, or text */
	const char **words;  /* tags, or members of a pool */
	size_t n;
};

enum rules_mode { RULES_ENFORCE, RULES_SHADOW };
enum rules_tests { TESTS_OFF, TESTS_WARN, TESTS_REFUSE };

struct settings {
	/* Managed sets: GUIDs or globs. Empty: nothing is managed. */
	const char **manage;
	size_t n_manage;
	const char **rules_dirs; /* weakest first */
	size_t n_rules_dirs;
	const char **genl_dirs; /* of descriptions of generic netlink families, weakest first */
	size_t n_genl_dirs;
	int rules_mode;			    /* enum rules_mode */
	int rules_tests;		    /* enum rules_tests */
	int64_t windows;		    /* room of the windows of thresholds */
	const char *notify_program;	    /* gets a JSON object on stdin; NULL: none */
	int64_t budget;			    /* destructive plans per array and hour */
	int64_t doubt;			    /* ns: of disks that went at once */
	int64_t settle;			    /* ns: start-up waits so long for the first disks */
	int64_t probe_timeout, act_timeout; /* ns: a worker is given up after it */
	const char *log_level;
	const char *history;	      /* path of the database */
	int64_t keep_time, keep_size; /* ns, bytes: what is older, or beyond it, is pruned */
	int64_t keep_images;	      /* bytes of what disks held before plans */
	const char *control;	      /* path of the control socket */
	const char *run_dir;
	struct setting_group *device_tags, *array_tags, *pools;
	size_t n_device_tags, n_array_tags, n_pools;

	struct tree tree;      /* owns the strings */
	struct place *origins; /* one for each row of the table; no file: the default */
};

/* Defaults only. */
void settings_init(struct settings *s);
/* Defaults, then the file; a file that does not exist leaves the defaults. 0, or -errno with the problems in d; *s is
 * to be released with settings_finish in both cases. */
int settings_read(struct settings *s, const char *path, struct diag *d);
int settings_parse(struct settings *s, const char *file, const char *text, size_t len, struct diag *d);
void settings_finish(struct settings *s);
/* True if the set's GUID (or name) is listed under manage. */
bool settings_manages(const struct settings *s, const char *id);
/* Prints each setting: name, value, where it was set. */
void settings_print(const struct settings *s, struct buf *out);
