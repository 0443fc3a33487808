// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of the rule test runner share: ruletest.c files and tests, ruletest_run.c one test on virtual time,
 * ruletest_serve.c what the pipeline asks for, ruletest_report.c what was expected and what came. */
#pragma once

#include "pipeline/model.h"
#include "pipeline/pipeline_impl.h"
#include "pipeline/ruletest.h"
#include "rules/testfile.h"

/* A verdict that arose, with what became of it. */
struct firing {
	struct verdict *v;
	json_t *plans; /* lines, of all its plans */
	json_t *texts; /* of its notify steps */
	bool expected;
};

/* A plan that act has, until its result is due. */
struct pending_plan {
	struct list link;
	struct plan *plan;
	int64_t due;
	char stopped[PLAN_REASON_MAX]; /* why it ends early; empty: it does not */
};

struct pending_token {
	struct list link;
	char id[DEVICE_ID_MAX];
	enum { TOKEN_PROBE, TOKEN_ACK, TOKEN_EXEC } what;
};

/* Why at a moment: the file's own, and those for what is missing. */
struct why_at {
	int64_t at;
	const char *rule, *subject, *says; /* says NULL: only asked */
	const struct test_why *of;	   /* NULL: for a missing firing */
	char *answer;			   /* found */
};

struct runner {
	const struct test_case *test;
	struct ruleset *rules, *const *reloads; /* those that run; those of the next reload, and so on */
	struct settings settings;
	struct clock clock;
	int64_t boot, awake, wall;
	struct model *model;
	struct pipeline *p;
	bool real_time; /* texts print the time of the wall clock, not durations since 0 */
	struct list plans, tokens;
	struct firing *firings;
	size_t n_firings;
	struct why_at *whys;
	size_t n_whys;
	int *outcome_used; /* by outcome of the test */
	char problem[512]; /* the test itself cannot be run */
};

/* Rules that change arrays, and what the tests showed of them. */
struct coverage {
	struct covered *rules;
	size_t n;
};

void coverage_add(struct coverage *c, const struct ruleset *rules, const struct runner *r);
/* A line for each that no test fires, or none holds back; how many. */
size_t coverage_report(const struct coverage *c, struct buf *out);
void coverage_finish(struct coverage *c);

/* All arrays of a world are in one set, so that they may share disks. */
#define MODEL_SET "test"
#define DEFAULT_SIZE UINT64_C(1000000000000)

/* Makes the model of the world. 0, or -EINVAL with *e. */
int runner_build(struct runner *r, const struct test_world *w, struct err *e);
/* The inventory knows the world, as after an enumeration that found nothing new. */
void runner_know_world(struct runner *r, const struct test_world *w);
void runner_know_device(struct runner *r, const char *name, bool here);

/* A pipeline whose other side is the runner. 0 or -errno. */
int runner_make_pipeline(struct runner *r, struct ruleset *rules, struct err *e);
/* Everything that was asked for is done, until nothing more is. */
void runner_serve(struct runner *r);
/* What was asked for is forgotten. */
void runner_drop(struct runner *r);
/* Virtual time goes on; never back. */
void runner_move_to(struct runner *r, int64_t at);

/* A runner of an empty world; runner_finish is to be called. rules: those of the start, then those of each reload. */
void runner_begin(struct runner *r, const struct test_case *t, struct ruleset *const *rules, struct why_at *whys,
		  size_t n_whys);
/* Runs the test; whys are asked at their moments. 0, or -EINVAL with r->problem. */
int runner_run(struct runner *r, const struct test_case *t, struct ruleset *const *rules, struct why_at *whys,
	       size_t n_whys);
void runner_finish(struct runner *r);
bool firing_kind_is(const struct firing *f, enum test_expect_kind what);

/* Compares; true: as expected. Appends what is not to out. rerun: to ask why of what is missing. */
bool report_test(struct runner *r, const char *file, struct buf *out);
/* The expectations that nothing met, as questions; *ret is malloc'ed. */
size_t missing_whys(struct runner *r, struct why_at **ret);
