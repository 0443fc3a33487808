// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/images.h"

#include "actions/image.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_WAIT (10 * NS_PER_SEC) /* for each part */

struct waiting {
	struct list link;
	struct images *im;
	json_t *plan, *parts;
	char of[PLAN_ID_MAX]; /* the plan that the images were taken before */
	uint64_t token;
	struct loop_timer *timer;
};

struct images {
	struct loop *loop;
	struct recorder *recorder;
	struct acts *acts;
	struct list waiting;
	uint64_t tokens;
};

int images_new(struct loop *l, struct recorder *r, struct acts *a, struct images **ret)
{
	struct images *im = calloc(1, sizeof(*im));

	if (!im)
		return -ENOMEM;
	*im = (struct images){.loop = l, .recorder = r, .acts = a};
	list_init(&im->waiting);
	*ret = im;
	return 0;
}

static void waiting_free(struct waiting *w)
{
	list_remove(&w->link);
	loop_timer_free(w->timer);
	json_decref(w->plan);
	json_decref(w->parts);
	free(w);
}

void images_free(struct images *im)
{
	struct waiting *w;

	if (!im)
		return;
	list_foreach (w, &im->waiting, link)
		waiting_free(w);
	free(im);
}

/* With all parts or without: what is missing act finds out. */
static int hand_over(struct waiting *w)
{
	int r = acts_run(w->im->acts, w->plan, w->parts);

	if (r < 0)
		log_error("out of memory: a plan is not run");
	waiting_free(w);
	return r;
}

static int ask(struct waiting *w)
{
	json_t *query = json_pack("{s:s s:i}", "image", w->of, "part", (int)json_array_size(w->parts));
	int r;

	w->token = IMAGES_TOKEN | ++w->im->tokens;
	r = query ? recorder_query(w->im->recorder, w->token, query) : -ENOMEM;
	json_decref(query);
	if (r < 0)
		return hand_over(w);
	loop_timer_in(w->timer, ANSWER_WAIT);
	return 0;
}

static void on_late(void *u)
{
	struct waiting *w = u;

	log_warning("the history does not tell what the disks held before %s", w->of);
	hand_over(w);
}

static const struct step *restoring(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->step[i].op == STEP_RESTORE && !p->step[i].refused)
			return &p->step[i];
	return NULL;
}

int images_run(struct images *im, const struct plan *plan)
{
	const struct step *s = restoring(plan);
	json_t *j = plan_to_json(plan);
	struct waiting *w;
	int r;

	if (!j || !s) {
		r = j ? acts_run(im->acts, j, NULL) : -ENOMEM;
		json_decref(j);
		return r;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		json_decref(j);
		return -ENOMEM;
	}
	*w = (struct waiting){.im = im, .plan = j, .parts = json_array()};
	snprintf(w->of, sizeof(w->of), "%.*s", PLAN_ID_MAX - 1, s->to);
	list_insert(&im->waiting, &w->link);
	r = loop_timer_new(im->loop, on_late, w, &w->timer);
	if (r < 0) {
		waiting_free(w);
		return r;
	}
	return ask(w);
}

void images_answer(struct images *im, uint64_t token, const json_t *answer)
{
	json_t *part = json_object_get(answer, "image");
	struct waiting *w;

	list_foreach (w, &im->waiting, link) {
		if (w->token != token)
			continue;
		loop_timer_stop(w->timer);
		if (part)
			json_array_append(w->parts, part);
		if (!part || json_object_get(part, "left") || json_array_size(w->parts) == IMAGE_PARTS_MAX)
			hand_over(w);
		else
			ask(w);
		return;
	}
}

unsigned images_busy(const struct images *im)
{
	const struct waiting *w;
	unsigned n = 0;

	list_foreach (w, &im->waiting, link)
		n++;
	return n;
}
