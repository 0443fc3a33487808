// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int model_create(struct model *m, const struct plan *p, struct err *e)
{
	const struct plan_create *c = p->create;
	const char *members[META_SLOTS_MAX];
	struct model_array a = {
		.name = p->volume, .set = p->set, .level = c->level, .members = members, .n_members = c->n_slots};
	struct model_set_state *s;
	int r = 0;
	size_t i;

	for (unsigned k = 0; k < c->n_slots; k++)
		members[k] = c->disk[k].device;
	if (c->n_slots)
		r = model_array(m, &a, e);
	if (r == 0 && c->n_slots)
		snprintf(model_find_volume(m, p->volume, &s, &i)->name, META_NAME_MAX, "%s", p->array_name);
	for (unsigned k = c->n_slots; k < c->n_disks && r == 0; k++)
		r = model_spare(m, p->set, c->disk[k].device);
	return r;
}

void model_keep(struct model *m, const struct model_set_state *s, const char *plan)
{
	struct model_past *past;

	if (m->n_past && strcmp(m->past[m->n_past - 1].plan, plan) == 0)
		return;
	if (m->n_past == MODEL_PAST_MAX)
		model_past_free(m);
	past = &m->past[m->n_past++];
	snprintf(past->plan, sizeof(past->plan), "%s", plan);
	past->view = meta_view_to_json(&s->view);
	past->disks = json_object();
	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i].set, s->view.set) == 0)
			json_object_set_new(past->disks, m->disks[i].id, json_string(m->disks[i].ref));
}

void model_past_free(struct model *m)
{
	for (size_t i = 0; i < m->n_past; i++) {
		json_decref(m->past[i].view);
		json_decref(m->past[i].disks);
	}
	m->n_past = 0;
}

/* The set anew, with all that it had. */
static int put_past(struct model *m, const struct model_past *past, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	_cleanup_(json_decrefp) json_t *running = json_object();
	struct model_set_state *s;
	uint64_t seq;
	int r = meta_view_from_json(past->view, &view, e);

	if (r < 0)
		return r;
	s = model_find_set(m, view->set);
	seq = MAX(view->seq, s ? s->view.seq : 0) + 1;
	for (size_t i = 0; s && i < s->view.n_volumes; i++)
		json_object_set_new(running, s->view.volumes[i].guid, json_boolean(s->running[i]));
	if (s)
		model_delete_set(m, s);
	r = model_view(m, view);
	s = model_find_set(m, view->set);
	if (r < 0 || !s)
		return err_sys(e, -r, "model");
	s->view.seq = seq;
	for (size_t i = 0; i < s->view.n_volumes; i++)
		s->running[i] = json_is_true(json_object_get(running, s->view.volumes[i].guid));
	for (size_t i = 0; i < m->n_disks; i++) {
		const json_t *ref = json_object_get(past->disks, m->disks[i].id);

		if (ref)
			model_known(m, m->disks[i].id, view->set, json_string_value(ref));
		if (ref)
			m->disks[i].present = true;
	}
	return 0;
}

int model_restore(struct model *m, const char *plan, struct err *e)
{
	for (size_t i = m->n_past; i-- > 0;)
		if (strcmp(m->past[i].plan, plan) == 0)
			return put_past(m, &m->past[i], e);
	return err_set(e, ENODATA, "what the disks held before %s is not kept any more", plan);
}

void model_delete(struct model_set_state *s, const char *volume)
{
	struct meta_view *v = &s->view;

	for (size_t i = 0; i < v->n_volumes; i++) {
		size_t after = v->n_volumes - i - 1;

		if (strcmp(v->volumes[i].guid, volume) != 0)
			continue;
		memmove(&v->volumes[i], &v->volumes[i + 1], after * sizeof(v->volumes[0]));
		memmove(&s->running[i], &s->running[i + 1], after * sizeof(s->running[0]));
		memmove(&s->listed[i], &s->listed[i + 1], after * sizeof(s->listed[0]));
		memmove(&s->scrub[i], &s->scrub[i + 1], after * sizeof(s->scrub[0]));
		memmove(&s->read_last[i], &s->read_last[i + 1], after * sizeof(s->read_last[0]));
		memmove(&s->rate[i], &s->rate[i + 1], after * sizeof(s->rate[0]));
		memmove(&s->copied_slot[i], &s->copied_slot[i + 1], after * sizeof(s->copied_slot[0]));
		memmove(&s->copy_broke[i], &s->copy_broke[i + 1], after * sizeof(s->copy_broke[0]));
		memmove(&s->copied_to[i], &s->copied_to[i + 1], after * sizeof(s->copied_to[0]));
		v->n_volumes--;
		return;
	}
}

void model_delete_set(struct model *m, struct model_set_state *s)
{
	for (size_t i = 0; i < m->n_disks; i++) {
		struct model_disk_state *d = &m->disks[i];

		if (strcmp(d->set, s->view.set) != 0)
			continue;
		d->set[0] = d->ref[0] = '\0';
		json_decref(d->copy);
		d->copy = NULL;
	}
	free(s->view.disks);
	free(s->view.volumes);
	json_decref(s->told);
	json_decref(s->snapshots);
	*s = m->sets[--m->n_sets];
}

json_t *model_disks(const struct model *m, const char *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_disks; i++) {
		const struct model_disk_state *d = &m->disks[i];

		if (d->present && strcmp(d->set, set) == 0)
			json_array_append_new(list, json_pack("{s:s s:s s:I s:I}", "id", d->id, "ref", d->ref, "room",
							      (json_int_t)d->room_start, "sectors",
							      (json_int_t)d->room_sectors));
	}
	return list;
}
