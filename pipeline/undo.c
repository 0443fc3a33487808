// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans that are taken back by another plan: the opposite of each step, in the opposite order, through the same guards;
 * or, where a step has none, what the disks held before, as act told it. Only while the set's metadata are as the plan
 * left them. */
#include "actions/image.h"
#include "pipeline/inventory_impl.h"
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is kept of a plan: so many plans, and so many that take images; for so long, and those as the history's rows. */
enum { UNDO_MAX = 64 };
#define UNDO_FOR (24 * 3600 * NS_PER_SEC)

struct undo {
	struct list link;
	char plan[PLAN_ID_MAX], by[PLAN_ID_MAX]; /* by: the plan that has undone it */
	char set[META_GUID_MAX];
	uint64_t seq; /* of the set, as the plan left it; 0: the plan is about no set */
	int64_t wall, until;
	bool images;	/* it takes what the disks held */
	bool kept;	/* which act has told, and what the plan left */
	unsigned parts; /* of what it told */
	json_t *asks;	/* [{"action","device","params"}], NULL: it cannot be undone */
	char why[PLAN_REASON_MAX];
};

static const struct inverse {
	const char *action; /* the opposite, NULL: there is none */
	const char *key;    /* the parameter that names the device; NULL: it is about the array */
	const char *why;
	bool images; /* what its disks held is written again */
} inverses[STEP_OP_MAX] = {
	[STEP_ASSEMBLE] = {"stop-array", NULL, NULL},
	[STEP_STOP] = {"assemble", NULL, NULL},
	[STEP_FAIL_MEMBER] = {"re-add-member", "device", NULL},
	[STEP_REMOVE_MEMBER] = {NULL, NULL,
				"the set has forgotten the member; 'sparectl spare add' takes its disk as a spare"},
	[STEP_READD_MEMBER] = {NULL, NULL,
			       "what the member missed was copied to it; 'sparectl array fail' fails it again"},
	[STEP_ADD_SPARE] = {"remove-spare", "device", NULL},
	[STEP_REMOVE_SPARE] = {"add-spare", "device", NULL},
	[STEP_TAKE_SPARE] = {NULL, NULL, "another set gave up the spare"},
	[STEP_ACTIVATE_SPARE] = {NULL, NULL,
				 "the array is rebuilt onto the spare, and the disk before it is behind since"},
	[STEP_RENAME] = {"rename-array", NULL, NULL},
	[STEP_GROW] = {NULL, NULL, "an array is never made smaller"},
	[STEP_DELETE] = {"restore", NULL, NULL, true},
	[STEP_DELETE_SET] = {"restore", NULL, NULL, true},
	[STEP_RESTORE] = {NULL, NULL, "what it gave back can be given up again"},
	[STEP_COPY_BACK] = {NULL, NULL, "'sparectl array replace --cancel' ends the copy while it runs"},
	[STEP_SNAPSHOT] = {"drop-snapshot", NULL, NULL},
	[STEP_DROP_SNAPSHOT] = {NULL, NULL, "what the snapshot held is gone"},
	[STEP_READ_CHECK] = {NULL, NULL, "reading changes nothing"},
	[STEP_SLOT_LIGHT] = {NULL, NULL, "'sparectl disk light DEVICE off' puts it out"},
	[STEP_FAIL_PATH] = {"reinstate-path", "path", NULL},
	[STEP_REINSTATE_PATH] = {"fail-path", "path", NULL},
	[STEP_DEMOTE_PATH] = {"restore-path", "path", NULL},
	[STEP_RESTORE_PATH] = {"demote-path", "path", NULL},
	[STEP_QUEUE_IO] = {"fail-io", "map", NULL},
	[STEP_FAIL_IO] = {"queue-io", "map", NULL},
};

void undo_free(struct undo *u)
{
	if (!u)
		return;
	list_remove(&u->link);
	json_decref(u->asks);
	free(u);
}

/* What a spare is now by its metadata; NULL: it is none. */
static const struct meta_disk *as_spare(const struct inventory *inv, const char *device)
{
	const struct device *d = inventory_device(inv, device);
	const struct disk_set *s = d && d->set[0] ? inventory_set(inv, d->set) : NULL;
	const struct meta_disk *disk = s && s->view ? meta_view_disk(s->view, d->ref) : NULL;

	return disk && disk->spare ? disk : NULL;
}

static json_t *inverse_ask(const struct pipeline *p, const struct job *j, const struct step *s)
{
	const struct inverse *inv = &inverses[s->op];
	const struct meta_disk *spare = s->op == STEP_REMOVE_SPARE ? as_spare(p->inv, s->device) : NULL;
	json_t *params = json_object();

	if (inv->key)
		json_object_set_new(params, inv->key, json_string(s->device));
	/* A spare is given back to whom it served alone, and anything else is done to the same array. */
	if (spare && spare->dedicated && spare->n_dedicated == 1)
		json_object_set_new(params, "array", json_string(spare->dedicated_to[0]));
	else if (j->array[0] && s->op != STEP_REMOVE_SPARE && s->op != STEP_ADD_SPARE)
		json_object_set_new(params, "array", json_string(j->array));
	if (spare && spare->revertible)
		json_object_set_new(params, "revertible", json_true());
	if (spare && spare->enclosure)
		json_object_set_new(params, "enclosure", json_true());
	if (s->op == STEP_STOP) /* it may have run without some members */
		json_object_set_new(params, "degraded", json_true());
	if (s->op == STEP_SNAPSHOT)
		json_object_set_new(params, "name", json_string(s->to));
	if (s->op == STEP_RENAME)
		json_object_set_new(params, "to", json_string(j->plan->array_name));
	return json_pack("{s:s s:s s:o}", "action", inv->action, "device", s->device, "params", params);
}

/* All of the plan at once: what is restored is the state before its first step. What it stopped stays stopped. */
static json_t *restore_ask(const struct job *j)
{
	const struct plan *plan = j->plan;
	json_t *devices = json_array();

	for (size_t i = 0; i < plan->n_devices; i++)
		json_array_append_new(devices, json_string(plan->devices[i].id));
	return json_pack("[{s:s s:s s:{s:s s:s s:s s:s s:s s:o}}]", "action", "restore", "device", "", "params", "plan",
			 plan->id, "set", plan->set, "name", plan->array_name, "volume", plan->volume, "was",
			 plan->array, "devices", devices);
}

static bool wipes(const struct plan *plan)
{
	for (unsigned i = 0; plan->create && i < plan->create->n_disks; i++)
		if (plan->create->disk[i].wipe)
			return true;
	return false;
}

/* A disk that becomes one of a set that is there. */
static const char *disk_that_joins(const struct pipeline *p, const struct plan *plan)
{
	for (unsigned i = 0; !plan->create->new_set && i < plan->create->n_disks; i++) {
		const struct device *d = inventory_device(p->inv, plan->create->disk[i].device);

		if (!d || strcmp(d->set, plan->set) != 0)
			return plan->create->disk[i].name;
	}
	return NULL;
}

/* What was made is deleted; then what was wiped for it is given back. */
static json_t *delete_asks(const struct plan *plan)
{
	const struct plan_create *c = plan->create;
	json_t *params = json_object(), *asks;

	if (plan->volume[0]) {
		json_object_set_new(params, "array", json_string(plan->volume));
		json_object_set_new(params, "stop", json_true());
	} else {
		json_object_set_new(params, "set", json_string(plan->set));
	}
	if (c->new_set)
		json_object_set_new(params, "container", json_true());
	asks = json_pack("[{s:s s:s s:o}]", "action", "delete-array", "device", "", "params", params);
	if (wipes(plan))
		json_array_append_new(asks, json_pack("{s:s s:s s:{s:s s:s s:b}}", "action", "restore", "device", "",
						      "params", "plan", plan->id, "set", plan->set, "wiped", 1));
	return asks;
}

static void prepare_create(const struct pipeline *p, const struct job *j, struct undo *u)
{
	const char *joins = disk_that_joins(p, j->plan);

	json_decref(TAKE_PTR(u->asks));
	u->images = wipes(j->plan);
	if (joins)
		snprintf(u->why, sizeof(u->why),
			 "%s is a disk of the set since: 'sparectl array delete', then 'sparectl spare remove'", joins);
	else
		u->asks = delete_asks(j->plan);
}

/* On what is known before the plan runs. */
void undo_prepare(struct pipeline *p, struct job *j)
{
	struct undo *u;

	if (j->origin == PLAN_BUILTIN || j->origin == PLAN_SHUTDOWN || j->dry_run)
		return;
	undo_free(j->undo);
	u = j->undo = calloc(1, sizeof(*u));
	if (!u)
		return;
	list_init(&u->link);
	snprintf(u->plan, sizeof(u->plan), "%s", j->id);
	snprintf(u->set, sizeof(u->set), "%s", j->set);
	u->asks = json_array();
	if (j->plan->create && j->plan->step[0].op == STEP_CREATE) {
		prepare_create(p, j, u);
		return;
	}
	for (size_t i = j->plan->n_steps; i-- > 0;) {
		const struct step *s = &j->plan->step[i];

		if (s->refused)
			continue;
		u->images = u->images || inverses[s->op].images;
		if (s->op == STEP_ADD_SPARE && as_spare(p->inv, s->device))
			snprintf(u->why, sizeof(u->why),
				 "%s was a spare before: 'sparectl spare remove', then 'sparectl spare add'", s->name);
		else if (inverses[s->op].action && u->asks)
			json_array_append_new(u->asks, inverse_ask(p, j, s));
		else if (!inverses[s->op].action)
			snprintf(u->why, sizeof(u->why), "%s: %s", step_op_name(s->op),
				 inverses[s->op].why ? inverses[s->op].why : "there is no opposite");
	}
	if (u->images || u->why[0])
		json_decref(TAKE_PTR(u->asks));
	if (u->images && !u->why[0])
		u->asks = restore_ask(j);
}

/* A part of what the disks held, or that it is not told; with the last one, what the plan left. */
void undo_image(struct pipeline *p, struct job *j, const json_t *part, bool wait)
{
	const char *none = json_string_value(json_object_get(part, "none"));

	if (!j->undo || !j->undo->images || j->undo->why[0] || j->undo->parts++ >= IMAGE_PARTS_MAX) {
		if (wait)
			before_kept(p, j->id);
		return;
	}
	if (none)
		snprintf(j->undo->why, sizeof(j->undo->why), "what the disks held was not kept: %.*s", 200, none);
	else
		p->ops.store(p->ops.u, "image", part, j->id, wait);
	j->undo->kept = j->undo->kept || json_object_get(part, "left");
}

static uint64_t seq_of(const struct pipeline *p, const char *set)
{
	const struct disk_set *s = set[0] ? inventory_set(p->inv, set) : NULL;

	return s ? s->seq : 0;
}

/* The oldest of either kind beyond so many, and what is too old: what takes images is not crowded out by what rules do.
 */
static void forget_old(struct pipeline *p)
{
	int64_t now = clock_wall(p->clock);
	size_t n[2] = {0};
	struct undo *u;

	list_foreach (u, &p->undos, link)
		n[u->images]++;
	list_foreach (u, &p->undos, link) {
		if (n[u->images] <= UNDO_MAX && u->until > now)
			continue;
		n[u->images]--;
		undo_free(u);
	}
}

/* A plan that did not end well is not undone as a whole: what of it was done is to be seen. */
void undo_keep(struct pipeline *p, struct job *j, enum action_result result)
{
	struct undo *u = TAKE_PTR(j->undo);

	if (!u)
		return;
	if (result != ACTION_OK)
		snprintf(u->why, sizeof(u->why), "it did not end well: see 'sparectl history' for what of it was done");
	else if (u->images && !u->kept && !u->why[0])
		snprintf(u->why, sizeof(u->why), "what the disks held was not kept");
	if (u->why[0])
		json_decref(TAKE_PTR(u->asks));
	u->seq = seq_of(p, u->set);
	u->wall = clock_wall(p->clock);
	u->until = u->wall + (u->images ? p->settings->keep_time : UNDO_FOR);
	list_insert(&p->undos, &u->link);
	forget_old(p);
}

/* ---- taking back ---- */

static struct undo *find(struct pipeline *p, const char *plan)
{
	struct undo *u;

	forget_old(p);
	list_foreach (u, &p->undos, link)
		if (strcmp(u->plan, plan) == 0)
			return u;
	return NULL;
}

static int check(const struct pipeline *p, const struct undo *u, struct err *e)
{
	const struct job *by = u->by[0] ? job_find(p, u->by) : NULL;
	uint64_t seq = seq_of(p, u->set);

	if (by || u->by[0])
		return err_set(e, EPERM, "%s %s undone by %s", u->plan, by ? "is being" : "was", u->by);
	if (!u->asks)
		return err_set(e, EPERM, "%s cannot be undone: %s", u->plan, u->why);
	if (seq != u->seq)
		return err_set(e, EPERM,
			       "%s cannot be undone any more: the set was written since (sequence number %" PRIu64
			       ", then %" PRIu64 ")",
			       u->plan, seq, u->seq);
	return 0;
}

int undo_asks(struct pipeline *p, const char *plan, struct job *j, struct err *e)
{
	struct undo *u = find(p, plan);
	int r = u ? check(p, u, e)
		  : err_set(e, ENOENT, "no plan '%.40s' to undo: the last %d are known, and mostly for a day", plan,
			    UNDO_MAX);
	json_t *ask;
	size_t i;

	if (r < 0)
		return r;
	json_array_foreach(u->asks, i, ask)
	{
		const char *action = json_string_value(json_object_get(ask, "action"));
		const char *device = json_string_value(json_object_get(ask, "device"));
		json_t *params = json_deep_copy(json_object_get(ask, "params"));
		char set[META_GUID_MAX], array[META_GUID_MAX + 8];

		r = job_target(p->inv, action, params, device, NULL, set, array, e);
		if (r < 0) {
			json_decref(params);
			return r;
		}
		if (i == 0) {
			snprintf(j->set, sizeof(j->set), "%s", set);
			snprintf(j->array, sizeof(j->array), "%s", array);
		}
		r = job_ask(j, action, params, device, -1, FAILURE_STOP, NULL);
		if (r < 0)
			return err_sys(e, -r, "%s", plan);
	}
	if (!j->dry_run)
		snprintf(u->by, sizeof(u->by), "%s", j->id);
	return 0;
}

/* The plan that was to undo it did not. */
void undo_failed(struct pipeline *p, const char *by)
{
	struct undo *u;

	list_foreach (u, &p->undos, link)
		if (strcmp(u->by, by) == 0)
			u->by[0] = '\0';
}

json_t *undo_told(const struct pipeline *p, const char *plan)
{
	struct undo *u;

	list_foreach (u, &p->undos, link)
		if (strcmp(u->plan, plan) == 0)
			return json_pack("{s:I s:s}", "until", (json_int_t)u->until, "why", u->why);
	return NULL;
}

void undo_tell(const struct pipeline *p, const char *plan, const struct job *j, json_t *answer)
{
	struct undo *u;

	list_foreach (u, &p->undos, link)
		if (strcmp(u->plan, plan) == 0)
			json_object_set_new(answer, "until", json_integer((json_int_t)u->until));
	if (j->plan->create && j->plan->create->new_set)
		json_object_set_new(answer, "new-set", json_string(j->plan->set));
	for (size_t i = 0; i < j->plan->n_steps; i++)
		if (j->plan->step[i].op == STEP_DELETE_SET)
			json_object_set_new(answer, "old-set", json_string(j->plan->set));
}

/* ---- restarts ---- */

json_t *undo_save(const struct pipeline *p)
{
	json_t *list = json_array();
	struct undo *u;

	list_foreach (u, &p->undos, link)
		json_array_append_new(list, json_pack("{s:s s:s s:s s:I s:I s:I s:b s:O? s:s}", "plan", u->plan, "by",
						      u->by, "set", u->set, "seq", (json_int_t)u->seq, "wall",
						      (json_int_t)u->wall, "until", (json_int_t)u->until, "images",
						      u->images, "asks", u->asks, "why", u->why));
	return list;
}

void undo_restore(struct pipeline *p, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
	{
		const char *plan, *by, *set, *why;
		json_int_t seq, wall, until = 0;
		json_t *asks;
		struct undo *u;
		int images = 0;

		if (i == (size_t)2 * UNDO_MAX ||
		    json_unpack(item, "{s:s s:s s:s s:I s:I s?I s?b s:o s:s}", "plan", &plan, "by", &by, "set", &set,
				"seq", &seq, "wall", &wall, "until", &until, "images", &images, "asks", &asks, "why",
				&why) < 0)
			return;
		u = calloc(1, sizeof(*u));
		if (!u)
			return;
		*u = (struct undo){
			.seq = (uint64_t)seq, .wall = wall, .until = until ? until : wall + UNDO_FOR, .images = images};
		u->asks = json_is_array(asks) ? json_incref(asks) : NULL;
		snprintf(u->plan, sizeof(u->plan), "%s", plan);
		snprintf(u->by, sizeof(u->by), "%s", by);
		snprintf(u->set, sizeof(u->set), "%s", set);
		snprintf(u->why, sizeof(u->why), "%s", why);
		list_insert(&p->undos, &u->link);
	}
}

void undo_clear(struct pipeline *p)
{
	struct undo *u;

	list_foreach (u, &p->undos, link)
		undo_free(u);
}
