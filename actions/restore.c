// SPDX-License-Identifier: GPL-2.0-or-later
/* restore: the metadata of a set become what they were before a plan that has no opposite. What undo asks for: no rule
 * can, and no person but by the plan's number. */
#include "actions/steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Each disk is here, and holds what the plan left: the set's metadata, or nothing. */
static int add_disk(const struct world_array *a, const char *device, struct plan_create *c, struct err *e)
{
	const struct world_spare *w = world_spare_named((struct world_array *)a, device);
	struct plan_create_disk *d = &c->disk[c->n_disks];

	if (!w)
		return err_set(e, ENODEV, "%s is not here", device);
	/* What the array held may look like something of the disk's own: act knows what it was. */
	if (c->new_set && (w->contents == CONTENTS_MEMBER || w->contents == CONTENTS_UNREADABLE))
		return err_set(e, EBUSY, "%s holds something else by now: %s", w->name,
			       w->holds[0] ? w->holds : contents_words[w->contents]);
	if (!c->new_set && !w->of_set)
		return err_set(e, EBUSY, "%s is no disk of the set any more", w->name);
	memcpy(d->device, w->device, sizeof(d->device));
	memcpy(d->name, w->name, sizeof(d->name));
	c->n_disks++;
	return 0;
}

static int fill(const struct ask *ask, const struct world_array *world, struct plan *p, struct err *e)
{
	const char *name = ask_text(ask, "name"), *volume = ask_text(ask, "volume");
	const char *words[ARRAY_SIZE(p->create->disk) + 1];
	size_t n = ask_words(ask, "devices", NULL, words, ARRAY_SIZE(words));
	int r = 0;

	if (n == 0 || n > ARRAY_SIZE(p->create->disk))
		return err_set(e, EINVAL, "restore: a set of %zu disks", n);
	p->create->new_set = !world->format[0]; /* nobody knows the set */
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_disk(world, words[i], p->create, e);
	snprintf(p->array_name, sizeof(p->array_name), "%s", name ? name : "");
	snprintf(p->volume, sizeof(p->volume), "%s", volume ? volume : "");
	snprintf(p->array, sizeof(p->array), "%s", ask_text(ask, "was") ? ask_text(ask, "was") : "");
	return r;
}

static int plan_restore(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	struct step *s;
	int r;

	if (ask_flag(ask, "wiped")) {
		s = plan_add_step(p, STEP_RESTORE, ask, e);
		if (!s)
			return -e->code;
		s->wiped = true;
		snprintf(s->to, sizeof(s->to), "%s", ask_text(ask, "plan"));
		return 0;
	}
	if (p->create)
		return err_set(e, EINVAL, "a plan makes one array");
	p->create = calloc(1, sizeof(*p->create));
	if (!p->create)
		return err_sys(e, ENOMEM, "plan");
	r = fill(ask, world, p, e);
	s = r == 0 ? plan_add_step(p, STEP_RESTORE, ask, e) : NULL;
	if (!s) {
		free(TAKE_PTR(p->create));
		return r < 0 ? r : -e->code;
	}
	snprintf(s->to, sizeof(s->to), "%s", ask_text(ask, "plan"));
	return 0;
}

const struct action_ops action_restore = {
	.desc = {.name = "restore",
		 .doc = "Gives a set the metadata that it had before a plan.",
		 .params =
			 (const struct param_desc[]){{"plan", PARAM_STRING, .required = true, .doc = "the plan"},
						     {"set", PARAM_STRING, .required = true, .doc = "GUID of the set"},
						     {"devices", PARAM_WORDS, .doc = "its disks then"},
						     {"name", PARAM_STRING, .doc = "of the array that comes back"},
						     {"volume", PARAM_STRING, .doc = "its GUID"},
						     {"was", PARAM_STRING, .doc = "its id"},
						     {"wiped", PARAM_BOOL, .doc = "only what the plan wiped"},
						     {NULL}}},
	.plan = plan_restore,
};
