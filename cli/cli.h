// SPDX-License-Identifier: GPL-2.0-or-later
/* sparectl: one table of verbs, one of options. Each verb is a function that gets what was parsed and gives an exit
 * status. */
#pragma once

#include "config/diag.h"
#include "config/settings.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/wire.h"

#include <jansson.h>

/* Exit status, documented in sparectl(8). */
enum { CLI_OK, CLI_NO, CLI_USAGE, CLI_NO_DAEMON, CLI_REFUSED };

/* X(ID, name, letter, argument, doc): every option of every verb. */
#define CLI_OPTIONS(X)                                                                                                 \
	X(JSON, "json", 0, NULL, "print JSON")                                                                         \
	X(DRY_RUN, "dry-run", 0, NULL, "print what would be changed, and change nothing")                              \
	X(NO_WAIT, "no-wait", 0, NULL, "return when the plan is queued")                                               \
	X(YES, "yes", 'y', NULL, "do not ask for confirmation")                                                        \
	X(FORCE, "force", 0, NULL, "start an array that has lost more members than its level allows")                  \
	X(DEGRADED, "degraded", 0, NULL, "start it although members are missing")                                      \
	X(READ_ONLY, "read-only", 0, NULL, "start it read-only")                                                       \
	X(ARRAY, "array", 0, "ARRAY", "only this array; of a spare: dedicated to it")                                  \
	X(DEVICE, "device", 0, "DEVICE", "only this device")                                                           \
	X(RULE, "rule", 0, "RULE", "only this rule")                                                                   \
	X(SLOT, "slot", 0, "N", "slot of the array")                                                                   \
	X(LEVEL, "level", 0, "LEVEL", "raid0, raid1, raid4, raid5, raid6 or raid10")                                   \
	X(LAYOUT, "layout", 0, "LAYOUT", "of raid5 and raid6: n-continue (default), n-restart, 0-restart")             \
	X(CHUNK, "chunk", 0, "SIZE", "of the stripes' parts (default: 64KiB)")                                         \
	X(SIZE, "size", 0, "SIZE", "usable (default: all that the disks have room for)")                               \
	X(SPARE, "spare", 0, "DEVICE,..", "spares of the new set")                                                     \
	X(IN, "in", 0, "SET", "in this set (GUID, or an array of it) instead of a new one")                            \
	X(POOL, "pool", 0, "TAG", "of blank disks that have this tag in the settings")                                 \
	X(MEMBERS, "members", 0, "N", "so many disks of the pool")                                                     \
	X(FORMAT, "format", 0, "FORMAT", "of the metadata: ddf")                                                       \
	X(ASSUME_CLEAN, "assume-clean", 0, NULL, "no initial resync; what is on the disks must be redundant already")  \
	X(WIPE, "wipe", 0, NULL, "give up what the disks hold")                                                        \
	X(NO_MANAGE, "no-manage", 0, NULL, "leave the locks alone: the settings manage the set by a pattern")          \
	X(STOP, "stop", 0, NULL, "stop the array before")                                                              \
	X(CONTAINER, "container", 0, NULL, "and its set, if it was the last array of it")                              \
	X(SINCE, "since", 0, "TIME", "not older: a duration (1h) or a time (2026-01-31T12:00:00Z)")                    \
	X(UNTIL, "until", 0, "TIME", "older: likewise")                                                                \
	X(KIND, "kind", 0, "KIND", "only this kind of event or command; a glob")                                       \
	X(PERSON, "person", 0, "USER", "only what this user (name or uid) asked for")                                  \
	X(VERDICT, "verdict", 0, "ID", "why this verdict fired: its events, and what came of it")                      \
	X(PLAN, "plan", 0, "ID",                                                                                       \
	  "this plan: who asked, what was to be done, what came of it, and until when it can be undone")               \
	X(BEFORE, "before", 0, "PLAN", "as it was before this plan, as far as the history has it")                     \
	X(ERRORS, "errors", 0, NULL, "errors by day and device")                                                       \
	X(LIMIT, "limit", 'n', "N", "at most N rows (default 100)")                                                    \
	X(SPEED, "speed", 0, "RATE", "read at most so much a second (50MB/s)")                                         \
	X(FOR, "for", 0, "DURATION", "it ends by itself after this time")                                              \
	X(WITH, "with", 0, "DEVICE", "by this disk; else by the spare that fits best")                                 \
	X(ALWAYS, "always", 0, NULL, "also where the spare's assignment does not say that it gives the slot back")     \
	X(REVERTIBLE, "revertible", 0, NULL, "a spare that gives a slot back: see array copy-back")                    \
	X(ENCLOSURE, "enclosure", 0, NULL, "a spare only for arrays with a member in its own enclosure")               \
	X(CANCEL, "cancel", 0, NULL, "end the one that runs")                                                          \
	X(ON, "on", 0, "DEVICE", "an empty device, which holds what is written over")                                  \
	X(REMOVE, "remove", 0, NULL, "end it; what it held is gone")                                                   \
	X(OFF, "off", 0, NULL, "take it back")                                                                         \
	X(LIVE, "live", 0, NULL, "the real thing: the event is counted and rules act")                                 \
	X(WATCH, "watch", 'w', NULL, "draw again whenever something happens")                                          \
	X(STRICT, "strict", 0, NULL, "warnings count as errors")                                                       \
	X(INSTALLED, "installed", 0, NULL, "together with the installed rules, as the strongest layer")                \
	X(ORIGIN, "origin", 0, NULL, "with the place where each key was set, the strongest last")                      \
	X(ONLY, "only", 0, "TEXT", "only tests whose name holds TEXT")                                                 \
	X(JUNIT, "junit", 0, "FILE", "write the results to FILE, too")                                                 \
	X(RULES, "rules", 0, "DIR", "directory of the default set of rules")                                           \
	X(BASE, "base", 0, "DIR", "directory that 'load' of tests is relative to (default: .)")                        \
	X(PULL, "pull", 0, "DEVICE", "only that this device is pulled; all: that any one is")                          \
	X(TYPE, "type", 0, "TYPE,..", "only this type: event, verdict, intent, outcome, command, ..")                  \
	X(ROOT, "root", 0, "DIR", "the files below DIR; no program is run and spared is not told")                     \
	X(INITRAMFS, "initramfs", 0, NULL, "run update-initramfs -u afterwards")                                       \
	X(CONFIG, "config", 0, "FILE", "settings (default: /etc/spared/spared.yaml)")                                  \
	X(CONTROL, "control", 0, "PATH", "control socket (default: as in the settings)")                               \
	X(TIMEOUT, "timeout", 0, "DURATION", "how long to wait for an answer (default: 30s; for a plan: 10m)")         \
	X(COLOR, "color", 0, "WHEN", "auto (default: on a terminal), always or never")                                 \
	X(VERBOSE, "verbose", 'v', NULL, "say more")                                                                   \
	X(VERSION, "version", 'V', NULL, "print the version")                                                          \
	X(HELP, "help", 'h', NULL, "print help")

enum cli_option {
#define X(id, ...) OPT_##id,
	CLI_OPTIONS(X)
#undef X
		OPT_MAX
};

#define OPT(id) (UINT64_C(1) << OPT_##id)
/* Understood by every verb. */
#define OPT_GLOBAL (OPT(JSON) | OPT(CONFIG) | OPT(CONTROL) | OPT(TIMEOUT) | OPT(COLOR) | OPT(VERSION) | OPT(HELP))

struct cli_option_row {
	const char *name, *arg, *doc;
	char letter;
};
extern const struct cli_option_row cli_options[OPT_MAX];

struct cli {
	const struct verb *verb;
	const char *opt[OPT_MAX]; /* the argument, "" for one without; NULL: not given */
	char **args;		  /* NULL-terminated */
	int n_args;
	bool colour;
	struct settings settings; /* read by cli_settings */
	bool settings_read;
	int fd;		   /* of the control socket, -1: not connected */
	struct wire_in in; /* what came over it */
	json_t *names;	   /* of devices and arrays, by id: client_names */
};

struct verb {
	const char *name; /* one word or two */
	const char *args; /* for help and completion */
	const char *doc;  /* one line; NULL: not for people */
	uint64_t options; /* beside OPT_GLOBAL */
	int min, max;	  /* number of arguments; max -1: any */
	int (*fn)(struct cli *c);
	/* What --help teaches. */
	const char *about;
	struct {
		const char *command, *what;
	} examples[2];
	const char *yes, *no; /* what status 0 and 1 mean, where that is special */
	unsigned exits;	      /* bits of CLI_NO_DAEMON and CLI_REFUSED: they can happen */
	const char *see;
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */

/* Splits a command line into c. 0, or -EINVAL with *e: what is wrong, and what to do. */
int cli_parse(struct cli *c, char **argv, struct err *e);
void cli_finish(struct cli *c);
/* All verbs, or the one that was named. */
void cli_help(const struct cli *c, struct buf *out);
/* Sets colour by --color, the terminal and the environment. Exit status. */
int cli_colour(struct cli *c);
/* "sparectl: message" on stderr, with --json an object on stdout. Returns status. */
int cli_fail(const struct cli *c, int status, const char *code, const char *fmt, ...) _printf_(4, 5);
int cli_fail_err(const struct cli *c, int status, const struct err *e);
/* The settings, read once. A file with errors: told, and the defaults are used. */
const struct settings *cli_settings(struct cli *c);
/* Kinds of events that are described in files: NULL-terminated, or NULL. What is wrong with these is told, once. */
const char *const *cli_event_kinds(struct cli *c, struct diag *d);
/* True if the person at the terminal types this word. */
bool cli_confirm(const char *word);

#define GIVEN(c, id) ((c)->opt[OPT_##id] != NULL)

/* ---- verbs, by file ---- */

int verb_status(struct cli *c); /* status.c */
int verb_sources(struct cli *c);
int verb_metrics(struct cli *c);
int verb_monitor(struct cli *c); /* events.c */
int verb_inject(struct cli *c);
int verb_history(struct cli *c);  /* history.c */
int verb_forecast(struct cli *c); /* paper.c */
int verb_record(struct cli *c);	  /* record.c */
int verb_replay(struct cli *c);	  /* replay.c */
int verb_array(struct cli *c);	  /* change.c */
int verb_replace(struct cli *c);
int verb_copy_back(struct cli *c);
int verb_scrub(struct cli *c);
int verb_read_last(struct cli *c);
int verb_speed(struct cli *c);
int verb_spare(struct cli *c);
int verb_spare_why(struct cli *c);
int verb_create(struct cli *c); /* create.c */
int verb_set_create(struct cli *c);
int verb_delete(struct cli *c);
int verb_set_delete(struct cli *c);
int verb_rename(struct cli *c);
int verb_grow(struct cli *c);
int verb_snapshot(struct cli *c);
int verb_disk_check(struct cli *c);
int verb_disk_light(struct cli *c);
int verb_path(struct cli *c);
int verb_undo(struct cli *c);
int verb_maintenance(struct cli *c);
int verb_rules_check(struct cli *c); /* rules.c */
int verb_rules_test(struct cli *c);
int verb_rules_list(struct cli *c);
int verb_rules_stats(struct cli *c);
int verb_rules_why(struct cli *c);
int verb_rules_reload(struct cli *c);
int verb_rules_answer(struct cli *c);
int verb_rules_uninhibit(struct cli *c);
int verb_rules_doc(struct cli *c);
int verb_rules_schema(struct cli *c);
int verb_complete(struct cli *c);  /* complete.c */
int verb_meta_show(struct cli *c); /* meta.c */
int verb_capsule(struct cli *c);   /* capsule_make.c */
int verb_udev_check(struct cli *c);
int verb_manage(struct cli *c); /* manage.c */
int verb_release(struct cli *c);
