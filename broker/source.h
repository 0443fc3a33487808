// SPDX-License-Identifier: GPL-2.0-or-later
/* A source: hears something outside and hands it to the pipeline. One file each, one const ops struct each, one table.
 */
#pragma once

#include "broker/loop.h"
#include "config/genl.h"
#include "pipeline/pipeline.h"

struct source;

/* What a source may use. */
struct source_env {
	struct loop *loop;
	struct pipeline *pipeline;
	const struct settings *settings;
	const struct genl_descs *genl; /* NULL: none */
	/* Something was lost, see source_lost: soon an event says so, and everything is enumerated again. */
	void (*overflow)(void *u);
	/* The first enumeration is complete, or was waited for long enough. */
	void (*enumerated)(void *u);
	int64_t retry_ns;		       /* after which a source that failed is started again */
	const struct source_ops *const *table; /* NULL: source_table */
	void *u;
};

struct source_ops {
	const char *name, *doc;
	/* Sources of one role tell the same: only the first of the table that starts is used, and one before it that
	 * can start later takes over. NULL: always used. */
	const char *role;
	/* Begins to listen: state kept in *ret. Called before the loop runs, or from it for one that failed before
	 * (retry). 1: what it listens to is not there, *e says so: it is off, and calls source_again when that comes.
	 */
	int (*start)(struct source *s, struct err *e);
	void (*stop)(struct source *s);
	/* A better source of its role is on now, and stop follows: what waits is told. The moment (boot) up to which it
	 * told what happened. NULL: it cannot say. */
	int64_t (*leave)(struct source *s);
	/* Everything is told again, as if it were new; NULL: nothing to tell. */
	void (*enumerate)(struct source *s);
	bool tells_disks; /* what it loses may be changes of disks */
	bool retry;	  /* starting is tried again, for what it needs may come later */
	bool reads_files; /* it is stopped and started anew when files were read again */
};

enum source_state { SOURCE_OFF, SOURCE_ON, SOURCE_FAILED };

struct source {
	const struct source_ops *ops;
	const struct source_env *env;
	enum source_state state;
	char reason[256];			   /* why it is off or failed, or what it says of itself */
	uint64_t received, dropped, lost, rescans; /* raw messages */
	uint64_t merged;			   /* told together with others of the same */
	bool overflowed;			   /* since the last sources_overflowed */
	uint64_t lost_before;			   /* lost at that time */
	unsigned starts;			   /* how often it was tried */
	int64_t since;				   /* boot: what happened before was told by another of its role */
	void *own;				   /* of the ops; NULL when not started */
};

/* In order of preference within a role; NULL-terminated. */
extern const struct source_ops *const source_table[];

/* The block-error role: failed requests of the block layer, told by pipeline_raw_error. */
#define SOURCE_ROLE_ERRORS "block errors"

/* A source says that it cannot go on. It is started again later if its ops say so. */
void source_failed(struct source *s, const struct err *e);
/* A source says that what it listens to came, or went: it is stopped and started anew, and so are others of its role.
 * The last thing that it does in a callback. */
void source_again(struct source *s);
/* A source says that it lost messages; 0: it is not known how many. */
void source_lost(struct source *s, uint64_t lost);
/* How many messages a socket dropped since the last call, of which *so_far keeps the count (at first 0). */
uint64_t socket_dropped(int fd, uint32_t *so_far);

struct sources;

int sources_new(const struct source_env *env, struct sources **ret);
void sources_free(struct sources *ss); /* stops them */
DEFINE_CLEANUP(struct sources *, sources_free)
/* Starts all of the table; what fails is logged, shown, and not needed. */
void sources_start(struct sources *ss);
/* True if the source of that name is on. */
bool sources_run(const struct sources *ss, const char *name);
/* Starts again those that failed and may be retried, and lets them tell what is there: when a plan has ended, which may
 * have loaded what they need, and by themselves every retry_ns. */
void sources_retry(struct sources *ss);
/* Calls fn for each source that lost something since the last call; lost 0: it is not known how much. True if changes
 * of disks may be among it. */
bool sources_overflowed(struct sources *ss, void (*fn)(void *u, const struct source *s, uint64_t lost), void *u);
/* Other settings and descriptions hold from now on; they must outlive the sources. The old ones are not used any more.
 */
void sources_set_settings(struct sources *ss, const struct settings *settings, const struct genl_descs *genl);
/* All present devices are told again, between pipeline_rescan and pipeline_enumerated. */
void sources_enumerate(struct sources *ss);
/* A list of {"name","doc","state","reason","received","dropped","merged","lost","rescans"}. A new reference. */
json_t *sources_to_json(const struct sources *ss);
