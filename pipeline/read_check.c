// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks that are read through: how far one is, how it went, and what ends it early. What is known of it outlives the
 * process; the reading does not. */
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- what is known ---- */

void inventory_read_started(struct inventory *inv, const char *device, int64_t boot)
{
	struct device *d = device_find(inv, device);

	if (!d)
		return;
	d->read = (struct read_memory){.known = true,
				       .state = READ_CHECK_RUNNING,
				       .since = boot,
				       .total = d->size,
				       .region = -1,
				       .whole = d->read.whole};
	inventory_touch(inv);
}

/* {"done","total","bad","region"}: bytes, and places that could not be read with the first of them. */
void inventory_read_progress(struct inventory *inv, const char *device, const json_t *told)
{
	struct device *d = device_find(inv, device);
	json_int_t done = 0, total = 0, bad = 0, region = -1;

	if (!d || json_unpack((json_t *)told, "{s:I s:I s:I s?I}", "done", &done, "total", &total, "bad", &bad,
			      "region", &region) < 0)
		return;
	d->read.done = (uint64_t)MAX(done, 0);
	d->read.total = (uint64_t)MAX(total, 0);
	if (bad != d->read.bad)
		inventory_touch(inv);
	d->read.bad = MAX(bad, 0);
	d->read.region = region;
}

void inventory_read_over(struct inventory *inv, const char *device, enum read_check state)
{
	struct device *d = device_find(inv, device);

	if (!d || !d->read.known)
		return;
	d->read.state = state;
	if (state == READ_CHECK_OK)
		d->read.whole = inv->wall;
	inventory_touch(inv);
}

void bind_read(const struct inventory *inv, const struct device *d, struct facts *f)
{
	if (!d->read.known)
		return;
	f->v[FACT_DEVICE_READ_CHECK] = fact_enum(FACT_DEVICE_READ_CHECK, (int)d->read.state);
	f->v[FACT_DEVICE_READ_ERRORS] = value_int(d->read.bad);
	if (d->read.region >= 0)
		f->v[FACT_DEVICE_READ_REGION] = value_int(d->read.region);
	if (d->read.whole && device_cached(inv, d)->role == ROLE_SPARE)
		f->v[FACT_SPARE_READ_AGE] = value_duration(MAX(inv->wall - d->read.whole, 0));
}

json_t *read_save(const struct device *d)
{
	return json_pack("{s:i s:I s:I s:I}", "state", (int)d->read.state, "bad", (json_int_t)d->read.bad, "region",
			 (json_int_t)d->read.region, "whole", (json_int_t)d->read.whole);
}

/* What was being read is not any more. */
void read_restore(struct device *d, const json_t *j)
{
	json_int_t bad, region, whole;
	int state;

	if (!j || json_unpack((json_t *)j, "{s:i s:I s:I s:I}", "state", &state, "bad", &bad, "region", &region,
			      "whole", &whole) < 0)
		return;
	if (state != READ_CHECK_OK && state != READ_CHECK_FAILED && state != READ_CHECK_STOPPED)
		state = READ_CHECK_UNFINISHED;
	d->read = (struct read_memory){
		.known = true, .state = (enum read_check)state, .bad = bad, .region = region, .whole = whole};
}

/* {"state","errors"} with "progress" 0..1 and "eta" while it runs, "region" of the first error, "whole": when all of it
 * could be read last. NULL: it never was. */
json_t *read_status(const struct pipeline *p, const struct device *d)
{
	int64_t spent = pipeline_now(p) - d->read.since;
	json_t *j;

	if (!d->read.known)
		return NULL;
	j = json_pack("{s:s s:I}", "state", read_check_words[d->read.state], "errors", (json_int_t)d->read.bad);
	if (d->read.region >= 0)
		json_object_set_new(j, "region", json_integer(d->read.region));
	if (d->read.whole)
		json_object_set_new(j, "whole", json_integer(d->read.whole));
	if (d->read.state != READ_CHECK_RUNNING || d->read.total == 0)
		return j;
	json_object_set_new(j, "progress", json_real((double)d->read.done / (double)d->read.total));
	if (d->read.done > 0 && spent > 0)
		json_object_set_new(j, "eta",
				    json_integer((json_int_t)((double)spent * (double)(d->read.total - d->read.done) /
							      (double)d->read.done)));
	return j;
}

/* ---- while it runs ---- */

static const struct step *reads(const struct job *j)
{
	return j->alone && j->plan && !j->dry_run && j->plan->step[0].op == STEP_READ_CHECK && !j->plan->step[0].refused
		       ? &j->plan->step[0]
		       : NULL;
}

void read_started(struct pipeline *p, struct job *j)
{
	const struct step *s = reads(j);
	const struct device *d = s ? inventory_device(p->inv, s->device) : NULL;

	if (!d)
		return;
	j->of_member = device_role(p->inv, d) == ROLE_MEMBER;
	inventory_read_started(p->inv, d->id, pipeline_now(p));
	model_changed(p, SORT_BIT(SORT_DEVICE) | SORT_BIT(SORT_SPARE), NULL);
}

void read_told(struct pipeline *p, const struct job *j, const json_t *progress)
{
	const struct step *s = reads(j);

	if (s)
		inventory_read_progress(p->inv, s->device, progress);
}

/* Refused: it was ended early, which says nothing of the disk. */
void read_over(struct pipeline *p, const struct job *j, enum action_result result)
{
	const struct step *s = reads(j);

	if (!s || j->state != JOB_RUNNING)
		return;
	inventory_wall(p->inv, clock_wall(p->clock));
	inventory_read_over(p->inv, s->device,
			    result == ACTION_OK	       ? READ_CHECK_OK
			    : result != ACTION_REFUSED ? READ_CHECK_FAILED
			    : j->by_person	       ? READ_CHECK_STOPPED
						       : READ_CHECK_UNFINISHED);
	model_changed(p, SORT_BIT(SORT_DEVICE) | SORT_BIT(SORT_SPARE), NULL);
}

static void stop(struct pipeline *p, struct job *j, const char *reason)
{
	j->stopping = true;
	p->ops.stop(p->ops.u, j->id, reason);
}

/* A disk that has become a member has better things to do. */
void reads_check(struct pipeline *p)
{
	struct job *j;

	list_foreach (j, &p->jobs, link) {
		const struct step *s = j->state == JOB_RUNNING && !j->stopping ? reads(j) : NULL;
		const struct device *d = s ? inventory_device(p->inv, s->device) : NULL;
		char reason[PLAN_REASON_MAX];

		if (!d)
			continue;
		snprintf(reason, sizeof(reason), "%s %s", d->name,
			 d->present ? "has become a member: it is not read to the end" : "is gone");
		if (!d->present || (!j->of_member && device_role(p->inv, d) == ROLE_MEMBER))
			stop(p, j, reason);
	}
}

bool read_stop(struct pipeline *p, const char *device)
{
	struct job *j;

	list_foreach (j, &p->jobs, link) {
		const struct step *s = j->state == JOB_RUNNING && !j->stopping ? reads(j) : NULL;

		if (s && strcmp(s->device, device) == 0) {
			j->by_person = true;
			stop(p, j, "a person has stopped it");
			return true;
		}
	}
	return false;
}
