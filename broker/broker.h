// SPDX-License-Identifier: GPL-2.0-or-later
/* The process: owner of all long-lived objects. init -> run -> finish. */
#pragma once

#include "broker/acts.h"
#include "broker/alone.h"
#include "broker/command.h"
#include "broker/control.h"
#include "broker/images.h"
#include "broker/loop.h"
#include "broker/probes.h"
#include "broker/programs.h"
#include "broker/recorder.h"
#include "broker/source.h"
#include "broker/tally.h"
#include "broker/trial.h"
#include "config/settings.h"
#include "pipeline/pipeline.h"
#include "rules/rules.h"

enum broker_stage { BROKER_STARTING, BROKER_RUNNING, BROKER_STOPPING, BROKER_SAVING };

struct broker_options {
	const char *config;    /* path of spared.yaml */
	const char *log_level; /* NULL: the settings' */
};

/* What a load gives. */
struct loaded {
	struct settings *settings;
	struct genl_descs *genl;
	struct ruleset *rules;
};

struct broker {
	struct broker_options options;
	enum broker_stage stage;
	int status; /* of the process */
	int lock;   /* of the run directory: one broker */
	struct settings *settings;
	struct genl_descs *genl;
	struct ruleset *rules;
	struct loop *loop;
	struct pipeline *pipeline;
	struct sources *sources;
	struct probes *probes;
	struct acts *acts;
	struct alones *alones;
	struct recorder *recorder;
	struct images *images;
	struct programs *programs;
	struct control *control;
	struct commands *commands;
	struct loop_signal *signals[4];
	struct loop_timer *deadline; /* of the pipeline */
	struct loop_timer *rescan;   /* the next that is allowed */
	struct loop_timer *save;     /* of the state, some time after a change */
	struct loop_timer *stop;     /* the end of waiting for what runs */
	struct loop_timer *watchdog; /* systemd's, if it asks */
	struct loop_timer *patience; /* with the first picture */
	struct loop_timer *tidy;     /* memory that is free goes back to the system */
	int64_t watchdog_every;
	int64_t started_wall, started_boot;
	int64_t deadline_set; /* moment that the timer is set to, 0: none */
	int64_t last_rescan;
	bool opened, enumerated, overflowed, save_due, tidy_due;
	bool machine_ends; /* arrays are stopped before the process ends */
	bool told_read;
	bool accepting;		  /* requests: the first picture is whole, or was waited for */
	char history_reason[256]; /* why the history is not written; empty: it is */
	uint64_t history_missed;  /* rows */
	bool history_lost;	  /* that it is not was told as an event */
	struct loaded next;	  /* what waits for its tests; rules NULL: nothing does */
	struct trial *trial;	  /* the last that was begun */
	struct tally tally;	  /* of what was published */
	uint64_t last_seq;	  /* of the event that was published last */
};

/* 0 or -errno; *b is to be finished in both cases. */
int broker_init(struct broker *b, const struct broker_options *options, struct err *e);
/* Until a signal ends it. The process's exit status. */
int broker_run(struct broker *b);
void broker_finish(struct broker *b);
/* Reads settings and rules again. 0: they run, and *ret tells; 1: their tests run first, and commands_reloaded tells;
 * else -errno with the problems in d, and the running ones stay. */
int broker_reload(struct broker *b, struct diag *d, struct reload_counts *ret);
/* What needed much memory for a moment is done: soon, what is free goes back. */
void broker_tidy(struct broker *b);
/* The sources with their counters, those of the tally included. A new reference. */
json_t *broker_sources(const struct broker *b);
/* {"version","pid","started","uptime","settled","history","subscribers","sources","workers"}. A new reference. */
json_t *broker_to_json(const struct broker *b);
