// SPDX-License-Identifier: GPL-2.0-or-later
/* A spare of one set serves another, where a pool says so. The plan that needs it says the whole, and is stored before
 * anything is done; a plan of the other set, which forgets and wipes the disk, comes before it; and where the spare
 * then does not serve, two more give it back before the first is over. So an intent without an outcome is all that has
 * to be known after a restart. */
#include "actions/steps.h"
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- which there are ---- */

static bool is_member(const struct inventory *inv, const struct device *d)
{
	for (size_t i = 0; i < inv->n_arrays; i++)
		if (array_slot_of(inv, inv->arrays[i], d) >= 0)
			return true;
	return false;
}

/* One for the whole of its set: what else a format's record of a spare says would be lost. */
const struct disk_set *lend_owner(const struct inventory *inv, const struct disk_set *s, const struct device *d)
{
	const struct disk_set *owner;
	const struct meta_disk *disk;

	if (!d->set[0] || strcmp(d->set, s->guid) == 0 || d->standing != META_CURRENT || !device_pool(inv, d))
		return NULL;
	owner = set_find(inv, d->set);
	disk = owner && owner->managed && owner->view ? meta_view_disk(owner->view, d->ref) : NULL;
	if (!disk || !is_spare(d, disk) || disk->dedicated || disk->enclosure || disk->revertible || is_member(inv, d))
		return NULL;
	return owner;
}

/* An array of that set: for people, who know sets by these. whole: NULL, or the first that lacks a member. */
static const struct array *array_of(const struct inventory *inv, const struct disk_set *owner, bool lacking)
{
	for (size_t i = 0; i < inv->n_arrays; i++) {
		const struct array *a = inv->arrays[i];
		bool whole = true;

		if (strcmp(a->set, owner->guid) != 0 || !a->volume)
			continue;
		for (unsigned k = 0; k < a->volume->slots; k++)
			whole = whole && array_member_state(inv, a, k) == MEMBER_IN_SYNC;
		if (!lacking || !whole)
			return a;
	}
	return NULL;
}

static void name_owner(const struct inventory *inv, const struct disk_set *owner, struct world_spare *w)
{
	const struct array *a = array_of(inv, owner, false);

	snprintf(w->from, sizeof(w->from), "%s", owner->guid);
	snprintf(w->from_name, sizeof(w->from_name), "%s", a ? a->name : "");
}

void lend_draw(const struct inventory *inv, const struct disk_set *owner, const struct device *d, struct world_spare *w)
{
	const struct meta_disk *disk = meta_view_disk(owner->view, d->ref);
	const struct array *lacking = array_of(inv, owner, true);

	name_owner(inv, owner, w);
	w->state = spare_state_of(inv, d, disk);
	if (device_in_maintenance(inv, d))
		snprintf(w->kept, sizeof(w->kept), "is in maintenance");
	else if (owner->split || owner->stuck[0])
		snprintf(w->kept, sizeof(w->kept), "cannot be had: its set %s",
			 owner->split ? "has two histories" : "is stuck");
	else if (lacking)
		snprintf(w->kept, sizeof(w->kept), "is kept for %s, which is not whole", lacking->name);
}

/* ---- while a plan is made ---- */

/* Who was first has the disk, until his plan is over. */
static void reserve(const struct pipeline *p, const struct job *j, struct world_array *w)
{
	struct job *o;

	list_foreach (o, &p->jobs, link) {
		bool begun = o->plan && (o->state != JOB_WAITING || o->acked);

		if (!begun || o->alone || o->dry_run || strcmp(o->set, j->set) == 0 || strcmp(o->id, j->lends_for) == 0)
			continue;
		for (size_t i = 0; i < o->plan->n_steps; i++) {
			const struct step *step = &o->plan->step[i];
			const char *device = step->by[0] ? step->by : step->device;
			struct world_spare *s = device[0] && !step->refused ? world_spare_named(w, device) : NULL;

			if (s)
				s->promised = true;
		}
	}
}

void lend_draw_job(const struct pipeline *p, const struct job *j, struct world_array *w)
{
	const struct disk_set *owner = j->lent[0] ? inventory_set(p->inv, j->lent_from) : NULL;

	reserve(p, j, w);
	for (size_t i = 0; i < w->n_spares; i++) {
		struct world_spare *s = &w->spare[i];

		if (owner && !s->of_set && strcmp(s->device, j->lent) == 0) {
			name_owner(p->inv, owner, s);
			s->serves = true;
			s->kept[0] = '\0';
		} else if (s->from[0] && j->no_lending[0]) {
			snprintf(s->kept, sizeof(s->kept), "%s", j->no_lending);
		}
	}
}

/* ---- the plans before and after ---- */

static struct job *lend_job(struct pipeline *p, const struct job *like, const char *set, const char *action,
			    const char *device)
{
	json_t *params = json_pack("{s:s}", "device", device);
	struct job *j = params ? job_new(p, like->origin) : NULL;

	if (!j) {
		json_decref(params);
		return NULL;
	}
	if (strcmp(action, "remove-spare") == 0)
		json_object_set_new(params, "wipe", json_true());
	j->injected = like->injected;
	snprintf(j->set, sizeof(j->set), "%s", set);
	snprintf(j->verdict, sizeof(j->verdict), "%s", like->verdict);
	snprintf(j->rule, sizeof(j->rule), "%s", like->rule);
	if (job_ask(j, action, params, device, -1, FAILURE_STOP, NULL) < 0) {
		job_free(j);
		return NULL;
	}
	return j;
}

/* Before the plan that waits for it, which is of the same set or of another. */
static bool lend_queue(struct job *j, struct job *waits)
{
	if (!j)
		return false;
	snprintf(j->lends_for, sizeof(j->lends_for), "%s", waits->id);
	list_insert(&waits->link, &j->link);
	waits->state = JOB_LENDING;
	return true;
}

static const struct step *take_step(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->step[i].op == STEP_TAKE_SPARE && !plan->step[i].refused)
			return &plan->step[i];
	return NULL;
}

bool lend_begin(struct pipeline *p, struct job *j)
{
	const struct step *take = take_step(j->plan);
	const struct device *d = take ? inventory_device(p->inv, take->device) : NULL;

	if (!d || strcmp(d->set, take->from) != 0)
		return false;
	return lend_queue(lend_job(p, j, take->from, "remove-spare", take->device), j);
}

/* The step took the disk that another set gave up, or copies to it. */
static bool serves(const struct job *j)
{
	for (size_t i = 0; j->plan && j->state == JOB_RUNNING && i < j->plan->n_steps; i++) {
		const struct step *s = &j->plan->step[i];
		bool uses = (s->op == STEP_ACTIVATE_SPARE && strcmp(s->device, j->lent) == 0) ||
			    (s->op == STEP_REPLACE_MEMBER && strcmp(s->by, j->lent) == 0);

		if (uses && !s->refused && j->result[i].told && j->result[i].result == ACTION_OK)
			return true;
	}
	return false;
}

static struct job *give_back_job(struct pipeline *p, const struct job *like, bool joined, const char *device,
				 const char *from)
{
	struct job *back = lend_job(p, like, joined ? like->set : from, joined ? "remove-spare" : "add-spare", device);

	if (back && joined)
		snprintf(back->give_to, sizeof(back->give_to), "%s", from);
	return back;
}

/* A process that hangs may still write to it. */
bool lend_returns(struct pipeline *p, struct job *j, enum action_result result, const char *reason)
{
	bool ran = j->state == JOB_RUNNING;

	if (!j->lent[0] || j->over || result == ACTION_TIMEOUT || serves(j))
		return false;
	if (!lend_queue(give_back_job(p, j, ran, j->lent, j->lent_from), j))
		return false;
	j->over = true;
	j->over_ran = ran;
	j->over_result = result;
	snprintf(j->over_reason, sizeof(j->over_reason), "%s", reason ? reason : "");
	return true;
}

static void go_on(struct pipeline *p, struct job *j)
{
	j->state = j->over_ran ? JOB_RUNNING : JOB_WAITING;
	job_finish(p, j, j->over_result, j->over_reason[0] ? j->over_reason : NULL);
}

/* The disk is in no set any more, or still in the one that was to give it up, and then it is that one's. */
static void taken(struct pipeline *p, struct job *j, const struct job *done, enum action_result result,
		  const char *reason)
{
	bool gone = result == ACTION_OK && plan_runnable(done->plan) > 0;

	j->state = JOB_WAITING;
	if (gone) {
		snprintf(j->lent, sizeof(j->lent), "%s", done->ask[0].device);
		snprintf(j->lent_from, sizeof(j->lent_from), "%s", done->set);
		return;
	}
	j->acked = false;
	snprintf(j->no_lending, sizeof(j->no_lending), "could not be had: %s",
		 reason && *reason ? reason : "another plan was first");
	if (result == ACTION_FAILED) {
		struct job *back = lend_job(p, done, done->set, "add-spare", done->ask[0].device);

		if (back)
			job_queue(p, back);
	}
}

void lend_over(struct pipeline *p, const struct job *done, enum action_result result, const char *reason)
{
	struct job *j = done->lends_for[0] ? job_find(p, done->lends_for) : NULL, *next;

	if (done->give_to[0] && result == ACTION_OK) {
		next = lend_job(p, done, done->give_to, "add-spare", done->ask[0].device);
		if (j && lend_queue(next, j))
			return;
		if (!j && next)
			job_queue(p, next);
	}
	if (!j || j->state != JOB_LENDING)
		return;
	if (j->over)
		go_on(p, j);
	else
		taken(p, j, done, result, reason);
}

/* ---- a blank disk of a pool, of no set ---- */

/* Taken by the step i, and of no use to any step after it. */
static bool taken_in_vain(const struct job *j, size_t i)
{
	const struct step *s = &j->plan->step[i];
	bool asked = false;

	if (s->op != STEP_ADD_SPARE || s->refused || !j->result[i].told || j->result[i].result != ACTION_OK ||
	    strcmp(j->ask[j->ask_of[i]].action, "add-spare") == 0 || strcmp(s->device, j->lent) == 0)
		return false;
	for (size_t k = i + 1; k < j->plan->n_steps; k++) {
		if (strcmp(j->plan->step[k].device, s->device) != 0)
			continue;
		if (!j->plan->step[k].refused && j->result[k].told && j->result[k].result == ACTION_OK)
			return false;
		asked = true;
	}
	return asked;
}

/* One that was taken into a set to serve one array, and then could not, is let go of: others may need it. What the set
 * had before stays its spare. */
void give_back(struct pipeline *p, const struct job *done)
{
	for (size_t i = 0; done->plan && !done->dry_run && i < done->plan->n_steps; i++) {
		struct job *j = taken_in_vain(done, i)
					? lend_job(p, done, done->set, "remove-spare", done->plan->step[i].device)
					: NULL;

		if (j)
			job_queue(p, j);
	}
}

/* ---- restarts ---- */

void lend_replayed(struct pipeline *p, const json_t *intent, struct job *resumed)
{
	const json_t *steps = json_object_get(json_object_get(intent, "body"), "steps"), *step;
	const char *op = "", *device = "", *from = "", *set = json_string_value(json_object_get(intent, "set"));
	struct job like = {.origin = PLAN_RULE};
	const struct device *d;
	struct job *back;
	size_t i;

	json_array_foreach((json_t *)steps, i, step)
	{
		json_unpack((json_t *)step, "{s:s s?s s?s}", "op", &op, "device", &device, "from", &from);
		if (strcmp(op, step_op_name(STEP_TAKE_SPARE)) == 0)
			break;
	}
	d = i < json_array_size(steps) && set ? inventory_device(p->inv, device) : NULL;
	if (!d || !d->present || is_member(p->inv, d) || !inventory_set(p->inv, from))
		return;
	/* As it was before. */
	if (strcmp(d->set, from) == 0 && device_role(p->inv, d) == ROLE_SPARE)
		return;
	if (d->set[0] && strcmp(d->set, from) != 0 && strcmp(d->set, set) != 0)
		return;
	if (resumed) {
		snprintf(resumed->lent, sizeof(resumed->lent), "%s", d->id);
		snprintf(resumed->lent_from, sizeof(resumed->lent_from), "%s", from);
		return;
	}
	snprintf(like.set, sizeof(like.set), "%s", set);
	back = give_back_job(p, &like, strcmp(d->set, set) == 0, d->id, from);
	if (back)
		job_queue(p, back);
}
