// SPDX-License-Identifier: GPL-2.0-or-later
/* The other side of the pipeline for its tests: virtual time, a model of disks and act, and a journal of what it says.
 */
#pragma once

#include "pipeline/model.h"
#include "pipeline/pipeline.h"

#define SET "test"

struct waiting {
	struct waiting *next;
	enum { WAIT_PROBE, WAIT_ACK, WAIT_EXEC, WAIT_PLAN, WAIT_GOES_ON, WAIT_STOPPED } what;
	char id[DEVICE_ID_MAX], reason[PLAN_REASON_MAX];
	struct plan *plan;
};

struct play {
	struct settings settings;
	const char *manage[8];
	char words[8][64];
	struct clock clock;
	int64_t boot;
	struct model *model;
	struct pipeline *p;
	struct ruleset *rules;
	struct waiting *first, **last;
	bool holding, holding_alone, quiet;
	const char *hold_op; /* .holding: only plans with a step of this action, NULL: all, */
	int hold_from;	     /* from so many of them on */
	char set[32];	     /* of the arrays and spares that follow */
	char probe_fails[DEVICE_ID_MAX];
	enum action_result next_result;
	int next_count, builtin_fails;
	const char *fail_op;   /* the next step of this action fails; NULL: none does */
	bool builtin_hangs;    /* instead */
	bool act_waits;	       /* act tells what plans are about to write over; those that were decided wait for it */
	json_t *waiting_plans; /* by id */
	json_t *intents;       /* by id: stored and without an outcome */
	json_t *rows, *world;  /* what a recording has: what was stored since the start, and the picture then */
	json_t *rule_files;
	struct buf out;
	size_t stored;
	const char *rules_dir, *script;
	int line;
	char disks[32][32];
	char *fs_type[32];		/* by udev; NULL: nothing */
	char *enclosure[32], *slot[32]; /* by sysfs, likewise */
	size_t n_disks;
};

void play_begin(struct play *y, const char *script, const char *rules_dir);
void play_finish(struct play *y);
int play_pipeline(struct play *y);
/* Does what the pipeline asked for, until it asks for nothing more. */
void play_serve(struct play *y);
void play_drop(struct play *y);		      /* what it asked for is lost */
void play_run_to(struct play *y, int64_t to); /* boot */
void play_time_stamp(struct play *y);	      /* begins a line of the journal */
void play_lines(struct play *y, const json_t *lines);
/* Loads the files of these names, or the shipped ones. 0 or -errno. */
int play_rules(struct play *y, char **names, int n);
/* One line before the first time. 0 or -EINVAL. */
int play_setup(struct play *y, char *text);
void play_managed(struct play *y, char **globs, int n); /* the settings name these sets */
void play_enumerate(struct play *y);			/* all disks that are here are told */
int play_number(const char *word);
int play_split(char *text, char **words, int max); /* into words; how many */
/* enclosure=NAME, slot=NAME: where a disk sits from now on; other words are none. */
void play_place(struct play *y, size_t disk, const char *word);
const char *play_id(const char *name); /* a disk's device.id */
