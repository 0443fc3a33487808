// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps that make and end snapshots, and what a dry run shows of them. Nothing of them is in the format: all is
 * done after the plan's commit. */
#include "actions/exec_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct volume_run *step_run(struct exec *x, struct err *e)
{
	struct volume_run *run = exec_run(x, x->plan->volume);

	if (run && run->running && !run->read_only)
		return run;
	err_set(e, ENODEV, "%s is not running", run ? run->top : x->plan->volume);
	return NULL;
}

int step_snapshot_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = step_run(x, e);
	struct cow_place place;

	if (!run)
		return -ENODEV;
	if (snapshot_find(run, s->to))
		return 1;
	if (run->sectors != exec_volume(x, run->guid)->sectors)
		return err_set(e, EBUSY, "%s is being made larger: a snapshot is made when that has ended", run->top);
	if (run->n_snapshots == SNAPSHOTS_MAX)
		return err_set(e, ENOSPC, "%s has %d snapshots, and more slow it down too much", run->top,
			       SNAPSHOTS_MAX);
	/* Nothing is wiped before the rest of the plan is known to go. */
	return s->wipe ? 0 : cow_open(x, run, s->by, false, &place, e);
}

int step_snapshot_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = step_run(x, e);
	struct cow_place place;
	int r = -EAGAIN;

	if (!run)
		return -ENODEV;
	if (snapshot_find(run, s->to))
		return 0;
	r = cow_open(x, run, s->by, s->wipe, &place, e);
	if (r < 0)
		return r;
	r = snapshot_make(x, run, s->to, &place, e);
	/* What failed meanwhile is recorded, and then it is tried once more. */
	if (r == -EAGAIN) {
		r = converge(x, run, e);
		if (r == 0 && run->running)
			r = snapshot_make(x, run, s->to, &place, e);
	}
	if (r == 0 && snapshot_find(run, s->to))
		snprintf(x->note, sizeof(x->note), "/dev/mapper/%s", snapshot_find(run, s->to)->dm);
	return r;
}

int step_drop_snapshot_prepare(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = step_run(x, e);

	if (!run)
		return -ENODEV;
	return snapshot_find(run, s->to) ? 0 : 1;
}

int step_drop_snapshot_finish(struct exec *x, const struct step *s, struct err *e)
{
	struct volume_run *run = step_run(x, e);
	int r = run ? snapshot_drop(x, run, s->to, e) : -ENODEV;

	return MIN(r, 0);
}

void snapshots_show(const struct exec *x, const struct volume_run *run, struct buf *out)
{
	char name[DM_NAME_LEN_MAX + 1];

	for (size_t i = 0; i < x->plan->n_steps; i++) {
		const struct step *s = &x->plan->step[i];

		if (s->refused || strcmp(run->guid, x->plan->volume) != 0)
			continue;
		layer_name(run, name);
		if (s->op == STEP_SNAPSHOT && !snapshot_find(run, s->to)) {
			if (!run->layered) {
				buf_addf(out, "table of %s after:  raid ", name);
				target_show(x, run->table, out);
				buf_addf(out, "\ntable of %s after:  snapshot-origin %s\n", run->top, name);
			}
			buf_addf(out, "table of %.80s-cow-%s after:  linear %s\n", run->top, s->to, s->by);
			buf_addf(out, "table of %.80s-snap-%s after:  snapshot %s %.80s-cow-%s N\n", run->top, s->to,
				 name, run->top, s->to);
		} else if (s->op == STEP_DROP_SNAPSHOT && snapshot_find(run, s->to) && run->n_snapshots == 1) {
			buf_addf(out, "table of %s after:  raid ", run->top);
			target_show(x, run->table, out);
			buf_addc(out, '\n');
		}
	}
}
