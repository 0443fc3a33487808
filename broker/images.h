// SPDX-License-Identifier: GPL-2.0-or-later
/* What disks held before a plan lies in the history. A plan that gives it back is run once its parts have been asked
 * for, one by one; where one is missing, or no answer comes, act is told to run it all the same, and refuses. */
#pragma once

#include "actions/plan.h"
#include "broker/acts.h"
#include "broker/loop.h"
#include "broker/recorder.h"

struct images;

/* Answers of the recorder to a token with this bit are for images_answer. */
#define IMAGES_TOKEN (UINT64_C(1) << 62)

int images_new(struct loop *l, struct recorder *r, struct acts *a, struct images **ret);
void images_free(struct images *im);
DEFINE_CLEANUP(struct images *, images_free)
/* Runs the plan; at once, if it needs none. 0 or -errno: it will not be told of again. */
int images_run(struct images *im, const struct plan *plan);
void images_answer(struct images *im, uint64_t token, const json_t *answer);
/* Plans that wait for their images. */
unsigned images_busy(const struct images *im);
