// SPDX-License-Identifier: GPL-2.0-or-later
/* A test's world: its disks and arrays in the model, and what is known of them when the test begins. */
#include "pipeline/ruletest_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool present(const struct test_device *d)
{
	struct value v = test_facts_get(&d->facts, FACT_DEVICE_PRESENT);

	return v.type == V_NONE || v.b;
}

static uint64_t size_of(const struct test_device *d)
{
	struct value v = test_facts_get(&d->facts, FACT_DEVICE_SIZE);

	return v.type == V_NONE ? DEFAULT_SIZE : v.u;
}

static bool has_role(const struct test_device *d, enum role role)
{
	struct value v = test_facts_get(&d->facts, FACT_DEVICE_ROLE);

	return v.type == V_ENUM && v.i == (int)role;
}

static int level_of(const char *name, enum raid_level *ret)
{
	for (enum raid_level l = RAID0; l < RAID_LEVELS; l++) {
		if (name && strcmp(raid_level_name(l), name) == 0) {
			*ret = l;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_listed(const struct test_world *w, const char *device)
{
	for (size_t i = 0; i < w->n_arrays; i++) {
		for (size_t k = 0; k < w->arrays[i].spares.n; k++)
			if (strcmp(w->arrays[i].spares.w[k], device) == 0)
				return true;
		for (size_t k = 0; k < w->arrays[i].members.n; k++)
			if (strcmp(w->arrays[i].members.w[k], device) == 0)
				return true;
	}
	return false;
}

/* What the probe will find on a disk that is in no array. */
static void build_contents(struct runner *r, const struct test_device *d)
{
	struct value contents = test_facts_get(&d->facts, FACT_DEVICE_CONTENTS);
	struct value name = test_facts_get(&d->facts, FACT_DEVICE_CONTENTS_NAME);

	if (contents.type == V_ENUM)
		model_contents(r->model, d->name, contents_words[contents.i], name.type == V_STRING ? name.str : "");
}

int runner_build(struct runner *r, const struct test_world *w, struct err *e)
{
	for (size_t i = 0; i < w->n_devices; i++)
		if (model_disk(r->model, w->devices[i].name, size_of(&w->devices[i])) < 0)
			return err_sys(e, ENOMEM, "world");
	for (size_t i = 0; i < w->n_arrays; i++) {
		const struct test_array *a = &w->arrays[i];
		struct model_array m = {.name = a->name,
					.set = MODEL_SET,
					.members = a->members.w,
					.n_members = a->members.n,
					.spares = a->spares.w,
					.n_spares = a->spares.n,
					.running = !w->boot};
		int rc = level_of(a->level, &m.level);

		if (rc < 0)
			return err_set(e, EINVAL, "array %s: level '%s' is not supported", a->name,
				       a->level ? a->level : "");
		rc = model_array(r->model, &m, e);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < w->n_devices; i++) {
		char own[META_GUID_MAX];

		/* A spare of no array is a set of its own. */
		snprintf(own, sizeof(own), "of-%.40s", w->devices[i].name);
		if (has_role(&w->devices[i], ROLE_SPARE) && !is_listed(w, w->devices[i].name))
			model_spare(r->model, own, w->devices[i].name);
		else if (!is_listed(w, w->devices[i].name))
			build_contents(r, &w->devices[i]);
		if (!present(&w->devices[i]))
			model_present(r->model, w->devices[i].name, false);
	}
	return 0;
}

static struct event *device_event(const char *kind, const char *name)
{
	struct event *ev = event_new(kind, "udev", ORIGIN_SYNTHESISED);

	if (!ev)
		return NULL;
	ev->device = strdup(name);
	return ev;
}

/* A device as the start-up finds it: known, not news. */
void runner_know_device(struct runner *r, const char *name, bool here)
{
	struct event *ev = device_event("device.added", name);
	const char *set;
	json_t *answer;

	if (!ev)
		return;
	event_set(ev, FACT_DEVICE_NAME, value_str(name));
	inventory_event(r->p->inv, ev, NULL, NULL);
	event_free(ev);
	model_present(r->model, name, true);
	answer = model_probe(r->model, name);
	inventory_probed(r->p->inv, name, answer, NULL, &set);
	json_decref(answer);
	model_present(r->model, name, here);
	if (here)
		return;
	ev = device_event("device.removed", name);
	inventory_event(r->p->inv, ev, NULL, NULL);
	event_free(ev);
}

static void tell_facts(struct runner *r, enum subject_sort sort, const char *id, const struct test_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->f[i].id != FACT_DEVICE_PRESENT && facts->f[i].id != FACT_DEVICE_ROLE)
			inventory_tell(r->p->inv, sort, id, facts->f[i].id, facts->f[i].v);
}

void runner_know_world(struct runner *r, const struct test_world *w)
{
	for (size_t i = 0; i < w->n_devices; i++) {
		const struct test_device *d = &w->devices[i];

		runner_know_device(r, d->name, present(d));
		inventory_tell(r->p->inv, SORT_DEVICE, d->name, FACT_DEVICE_SIZE, value_size(size_of(d)));
		inventory_tell(r->p->inv, SORT_DEVICE, d->name, FACT_DEVICE_MEDIA,
			       fact_enum(FACT_DEVICE_MEDIA, MEDIA_HDD));
		tell_facts(r, SORT_DEVICE, d->name, &d->facts);
		if (has_role(d, ROLE_PATH))
			inventory_tell(r->p->inv, SORT_DEVICE, d->name, FACT_DEVICE_ROLE,
				       fact_enum(FACT_DEVICE_ROLE, ROLE_PATH));
	}
	for (size_t i = 0; i < w->n_arrays; i++)
		tell_facts(r, SORT_ARRAY, w->arrays[i].name, &w->arrays[i].facts);
	for (size_t i = 0; i < w->n_snapshots; i++)
		tell_facts(r, SORT_SNAPSHOT, w->snapshots[i].name, &w->snapshots[i].facts);
}
