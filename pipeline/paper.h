// SPDX-License-Identifier: GPL-2.0-or-later
/* A pipeline on paper: made of a portable picture (pipeline_world), it goes on as the broker's would, on virtual time,
 * with a model of the disks and of act behind it. Nothing outside is read or written; nothing here is random. */
#pragma once

#include "pipeline/ruletest_impl.h"

struct paper {
	struct test_case test; /* no events of its own; outcomes that act is to have */
	struct runner run;
	char digest[RULESET_DIGEST_MAX]; /* of the rules that ran where the picture was made */
};

/* Reads a picture and starts it, as after a restart: what is pending by then is done. rules: any. 0, or -EINVAL: it is
 * no such picture, and *e says where; unknown keys are errors. paper_close is to be called in both cases. */
int paper_open(struct paper *p, const json_t *world, struct ruleset *rules, struct err *e);
void paper_close(struct paper *p);
/* The settings' mode of rules: what they are to be loaded with. */
int paper_rules_mode(const json_t *world, enum rule_mode *ret, struct err *e);
/* Time goes on until then (CLOCK_BOOTTIME of the picture), and all that is due is done. At most so many moments: the
 * time that it came to. */
int64_t paper_run_to(struct paper *p, int64_t boot);
/* The same until the next moment at which something happens, but not beyond. False: there is none. */
bool paper_step(struct paper *p, int64_t until);
/* Something is said to the pipeline, and what follows at once is done. Takes ev. */
void paper_feed(struct paper *p, struct event *ev);
/* The kernel takes a member out of its array, which still is attached. */
void paper_kick(struct paper *p, const char *array, unsigned slot);
/* A disk is pulled, or put back. */
void paper_pull(struct paper *p, const char *device);
/* The keys of an object are all among these (NULL-terminated). 0 or -EINVAL. */
int keys_known(const json_t *j, const char *const *keys, const char *what, struct err *e);
