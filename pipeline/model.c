// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/model_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int model_new(struct model **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_disks; i++)
		json_decref(m->disks[i].copy);
	for (size_t i = 0; i < m->n_sets; i++) {
		free(m->sets[i].view.disks);
		free(m->sets[i].view.volumes);
		json_decref(m->sets[i].told);
		json_decref(m->sets[i].snapshots);
	}
	model_past_free(m);
	free(m->disks);
	free(m->sets);
	free(m);
}

struct model_disk_state *model_find_disk(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i].id, id) == 0)
			return &m->disks[i];
	return NULL;
}

static struct model_disk_state *find_disk_by_ref(const struct model *m, const char *set, const char *ref)
{
	for (size_t i = 0; ref[0] && i < m->n_disks; i++)
		if (strcmp(m->disks[i].ref, ref) == 0 && strcmp(m->disks[i].set, set) == 0)
			return &m->disks[i];
	return NULL;
}

struct model_set_state *model_find_set(const struct model *m, const char *guid)
{
	for (size_t i = 0; i < m->n_sets; i++)
		if (strcmp(m->sets[i].view.set, guid) == 0)
			return &m->sets[i];
	return NULL;
}

struct meta_volume *model_find_volume(const struct model *m, const char *array, struct model_set_state **ret_set,
				      size_t *ret_i)
{
	for (size_t i = 0; i < m->n_sets; i++) {
		struct meta_view *v = &m->sets[i].view;

		for (size_t k = 0; k < v->n_volumes; k++) {
			if (strcmp(v->volumes[k].guid, array) != 0)
				continue;
			*ret_set = &m->sets[i];
			*ret_i = k;
			return &v->volumes[k];
		}
	}
	return NULL;
}

static struct model_set_state *get_set(struct model *m, const char *guid)
{
	struct model_set_state *s = model_find_set(m, guid), *more;

	if (s)
		return s;
	more = reallocarray(m->sets, m->n_sets + 1, sizeof(*more));
	if (!more)
		return NULL;
	m->sets = more;
	s = &more[m->n_sets];
	*s = (struct model_set_state){.view = {.format = "ddf", .maker = "Linux-MD", .seq = 1}};
	snprintf(s->view.set, sizeof(s->view.set), "%s", guid);
	s->view.disks = calloc(META_DISKS_MAX, sizeof(*s->view.disks));
	s->view.volumes = calloc(META_VOLUMES_MAX, sizeof(*s->view.volumes));
	if (!s->view.disks || !s->view.volumes) {
		free(s->view.disks);
		free(s->view.volumes);
		return NULL;
	}
	m->n_sets++;
	return s;
}

static struct meta_disk *find_ref(const struct model_set_state *s, const char *ref)
{
	for (size_t i = 0; i < s->view.n_disks; i++)
		if (strcmp(s->view.disks[i].ref, ref) == 0)
			return &s->view.disks[i];
	return NULL;
}

/* What the set says of the disk. */
static struct meta_disk *find_part(const struct model *m, const struct model_set_state *s, const char *id)
{
	const struct model_disk_state *d = model_find_disk(m, id);

	return d && d->ref[0] && strcmp(d->set, s->view.set) == 0 ? find_ref(s, d->ref) : NULL;
}

static bool serves(const struct model_set_state *s, const char *ref)
{
	for (size_t i = 0; i < s->view.n_volumes; i++)
		for (unsigned k = 0; k < s->view.volumes[i].slots; k++)
			if (strcmp(s->view.volumes[i].members[k].ref, ref) == 0 &&
			    (s->view.volumes[i].members[k].state == MEMBER_IN_SYNC ||
			     s->view.volumes[i].members[k].state == MEMBER_REBUILDING))
				return true;
	return false;
}

/* The present disks of the set hold what it says now; one that fell behind stays so until it serves again. All but what
 * is the disk's own is shared. */
static void write_copies(struct model *m, const struct model_set_state *s, uint64_t before)
{
	json_t *all = meta_view_to_json(&s->view);

	for (size_t i = 0; i < m->n_disks; i++) {
		struct model_disk_state *d = &m->disks[i];
		json_int_t seq = json_integer_value(json_object_get(d->copy, "seq"));

		if (!d->present || strcmp(d->set, s->view.set) != 0 ||
		    (d->copy && (uint64_t)seq < before && !serves(s, d->ref)))
			continue;
		json_decref(d->copy);
		d->copy = json_copy(all);
		json_object_set_new(d->copy, "self", json_string(d->ref));
		json_object_set_new(d->copy, "room_start", json_integer((json_int_t)d->room_start));
		json_object_set_new(d->copy, "room_sectors", json_integer((json_int_t)d->room_sectors));
	}
	json_decref(all);
}

/* The next sequence number, if something changed since the last state. */
static void advance(struct model *m, struct model_set_state *s)
{
	uint64_t before = s->view.seq;
	json_t *now = meta_view_to_json(&s->view);

	if (s->told && json_equal(now, s->told)) {
		json_decref(now);
		return;
	}
	json_decref(now);
	s->view.seq += s->told ? 1 : 0;
	json_decref(s->told);
	s->told = meta_view_to_json(&s->view);
	write_copies(m, s, before);
}

/* ---- building ---- */

int model_disk(struct model *m, const char *id, uint64_t bytes)
{
	struct model_disk_state *more = reallocarray(m->disks, m->n_disks + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->disks = more;
	more[m->n_disks] = (struct model_disk_state){.sectors = bytes / 512, .present = true, .contents = "blank"};
	snprintf(more[m->n_disks++].id, DEVICE_ID_MAX, "%s", id);
	return 0;
}

uint64_t model_sectors(const struct model *m, const char *id)
{
	const struct model_disk_state *d = model_find_disk(m, id);

	return d ? d->sectors : 0;
}

int model_contents(struct model *m, const char *id, const char *contents, const char *name)
{
	struct model_disk_state *d = model_find_disk(m, id);

	if (!d)
		return -ENOENT;
	snprintf(d->contents, sizeof(d->contents), "%s", contents);
	snprintf(d->contents_name, sizeof(d->contents_name), "%s", name ? name : "");
	return 0;
}

int model_beside(struct model *m, const char *id, const char *what)
{
	struct model_disk_state *d = model_find_disk(m, id);

	if (!d)
		return -ENOENT;
	snprintf(d->beside, sizeof(d->beside), "%s", what);
	return 0;
}

/* The disk joins the set. */
static struct meta_disk *join(struct model *m, struct model_set_state *s, const char *id)
{
	struct model_disk_state *d = model_find_disk(m, id);
	struct meta_disk *p = d ? find_part(m, s, id) : NULL;

	if (!d || p || s->view.n_disks == META_DISKS_MAX)
		return p;
	p = &s->view.disks[s->view.n_disks++];
	*p = (struct meta_disk){.sectors = d->sectors > RESERVED_SECTORS ? d->sectors - RESERVED_SECTORS : 0};
	if (strlen(id) < META_REF_MAX)
		snprintf(p->ref, sizeof(p->ref), "%s", id);
	else
		snprintf(p->ref, sizeof(p->ref), "joined-%zu", (size_t)(d - m->disks));
	snprintf(p->guid, sizeof(p->guid), "%.*s", META_GUID_MAX - 1, id);
	snprintf(d->ref, sizeof(d->ref), "%s", p->ref);
	snprintf(d->set, sizeof(d->set), "%s", s->view.set);
	d->room_start = d->sectors - RESERVED_SECTORS / 2;
	d->room_sectors = ROOM_SECTORS;
	return p;
}

static int add_members(struct model *m, struct model_set_state *s, struct meta_volume *v, const struct model_array *a,
		       struct err *e)
{
	v->member_sectors = UINT64_MAX;
	for (unsigned i = 0; i < v->slots; i++) {
		struct meta_disk *p;

		v->members[i].known = true;
		v->members[i].state = MEMBER_EMPTY;
		if (!a->members[i][0] || strcmp(a->members[i], "-") == 0)
			continue;
		p = join(m, s, a->members[i]);
		if (!p)
			return err_set(e, ENOENT, "array %s: no device '%s'", a->name, a->members[i]);
		p->spare = false;
		snprintf(v->members[i].ref, sizeof(v->members[i].ref), "%s", p->ref);
		v->members[i].state = MEMBER_IN_SYNC;
		v->member_sectors = MIN(v->member_sectors, p->sectors);
	}
	return 0;
}

static int add_spares(struct model *m, struct model_set_state *s, const struct model_array *a, struct err *e)
{
	for (size_t i = 0; i < a->n_spares; i++) {
		struct meta_disk *p = join(m, s, a->spares[i]);

		if (!p)
			return err_set(e, ENOENT, "array %s: no device '%s'", a->name, a->spares[i]);
		p->spare = p->dedicated = true;
		if (p->n_dedicated < ARRAY_SIZE(p->dedicated_to))
			snprintf(p->dedicated_to[p->n_dedicated++], META_GUID_MAX, "%s", a->name);
	}
	return 0;
}

int model_array(struct model *m, const struct model_array *a, struct err *e)
{
	struct model_set_state *s = get_set(m, a->set);
	struct meta_volume *v;
	int r;

	if (!s || s->view.n_volumes == META_VOLUMES_MAX || a->n_members > META_SLOTS_MAX)
		return err_set(e, E2BIG, "array %s: too many arrays or members", a->name);
	s->running[s->view.n_volumes] = a->running;
	v = &s->view.volumes[s->view.n_volumes++];
	*v = (struct meta_volume){.level = a->level,
				  .chunk = 128,
				  .slots = (unsigned)a->n_members,
				  .clean = true,
				  .initialised = true,
				  .known = true,
				  .seq = 1};
	snprintf(v->guid, sizeof(v->guid), "%s", a->name);
	snprintf(v->name, sizeof(v->name), "%.*s", META_NAME_MAX - 1, a->name);
	r = add_members(m, s, v, a, e);
	if (r == 0)
		r = add_spares(m, s, a, e);
	v->sectors = v->member_sectors;
	write_copies(m, s, s->view.seq);
	return r;
}

int model_spare(struct model *m, const char *set, const char *id)
{
	struct model_set_state *s = get_set(m, set);
	struct meta_disk *p = s ? join(m, s, id) : NULL;

	if (!p)
		return -ENOENT;
	p->spare = true;
	write_copies(m, s, s->view.seq);
	return 0;
}

static bool in_array(const struct meta_member *m)
{
	return m->state == MEMBER_IN_SYNC || m->state == MEMBER_REBUILDING;
}

static void load_tables(struct model_set_state *s)
{
	for (size_t i = 0; i < s->view.n_volumes; i++)
		for (unsigned k = 0; k < s->view.volumes[i].slots; k++)
			s->listed[i][k] = in_array(&s->view.volumes[i].members[k]);
}

int model_view(struct model *m, const struct meta_view *v)
{
	struct model_set_state *s = get_set(m, v->set);

	if (!s || s->view.n_disks || s->view.n_volumes || v->n_disks > META_DISKS_MAX ||
	    v->n_volumes > META_VOLUMES_MAX)
		return -ENOMEM;
	s->view.format = v->format;
	s->view.seq = v->seq;
	snprintf(s->view.maker, sizeof(s->view.maker), "%s", v->maker);
	if (v->n_disks)
		memcpy(s->view.disks, v->disks, v->n_disks * sizeof(*v->disks));
	if (v->n_volumes)
		memcpy(s->view.volumes, v->volumes, v->n_volumes * sizeof(*v->volumes));
	s->view.n_disks = v->n_disks;
	s->view.n_volumes = v->n_volumes;
	load_tables(s);
	return 0;
}

int model_copy(struct model *m, const char *id, const struct meta_view *copy)
{
	struct model_disk_state *d = model_find_disk(m, id);

	if (!d)
		return -ENOENT;
	snprintf(d->set, sizeof(d->set), "%s", copy->set);
	snprintf(d->ref, sizeof(d->ref), "%s", copy->self);
	d->room_start = copy->room_start;
	d->room_sectors = copy->room_sectors;
	json_decref(d->copy);
	d->copy = meta_view_to_json(copy);
	return d->copy ? 0 : -ENOMEM;
}

int model_known(struct model *m, const char *id, const char *set, const char *ref)
{
	struct model_disk_state *d = model_find_disk(m, id);

	if (!d)
		return -ENOENT;
	snprintf(d->set, sizeof(d->set), "%s", set);
	snprintf(d->ref, sizeof(d->ref), "%s", ref);
	return 0;
}

void model_present(struct model *m, const char *id, bool present)
{
	struct model_disk_state *d = model_find_disk(m, id);

	if (d)
		d->present = present;
}

static void set_slot(struct model_set_state *s, struct meta_volume *v, unsigned slot, enum member_state state)
{
	struct meta_disk *p = find_ref(s, v->members[slot].ref);

	v->members[slot].state = state;
	if (state == MEMBER_EMPTY)
		v->members[slot].ref[0] = '\0';
	if (p && state == MEMBER_FAILED)
		p->failed = true;
	if (p && state == MEMBER_IN_SYNC)
		p->failed = false;
}

bool model_slot(struct model *m, const char *array, unsigned slot, enum member_state state)
{
	struct model_set_state *s;
	size_t i;
	struct meta_volume *v = model_find_volume(m, array, &s, &i);

	if (!v || slot >= v->slots)
		return false;
	set_slot(s, v, slot, state);
	return true;
}

void model_rebuilt(struct model *m, const char *array)
{
	struct model_set_state *s;
	size_t i;
	struct meta_volume *v = model_find_volume(m, array, &s, &i);

	for (unsigned k = 0; v && k < v->slots; k++)
		if (v->members[k].state == MEMBER_REBUILDING)
			v->members[k].state = MEMBER_IN_SYNC;
}

void model_copied(struct model *m, const char *array, bool whole)
{
	struct model_set_state *s;
	size_t i;
	struct meta_volume *v = model_find_volume(m, array, &s, &i);
	struct meta_disk *old, *by;

	if (!v || !s->copied_to[i][0])
		return;
	old = find_ref(s, v->members[s->copied_slot[i]].ref);
	by = find_ref(s, s->copied_to[i]);
	if (whole && old && by) {
		old->spare = old->stands_in;
		old->failed = !old->stands_in;
		old->stands_in = false;
		by->spare = by->dedicated = false;
		by->n_dedicated = 0;
		snprintf(v->members[s->copied_slot[i]].ref, META_REF_MAX, "%s", by->ref);
	}
	s->copy_broke[i] = !whole;
	s->copied_to[i][0] = '\0';
}

void model_run_state(struct model *m, const char *array, bool running)
{
	struct model_set_state *s;
	size_t i;

	if (model_find_volume(m, array, &s, &i))
		s->running[i] = running;
}

int model_snapshots(struct model *m, const char *array, char *const *names, size_t n)
{
	struct model_set_state *s;
	size_t at;
	json_t *list;

	if (!model_find_volume(m, array, &s, &at))
		return -ENOENT;
	if (!s->snapshots)
		s->snapshots = json_object();
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(names[i], "=");

		json_array_append_new(list, json_pack("{s:s% s:s s:i s:i s:b s:i s:i}", "name", names[i], len, "dm", "",
						      "major", 8, "minor", 0, "lost", names[i][len] != '\0', "used", 1,
						      "total", 2));
	}
	return json_object_set_new(s->snapshots, s->view.volumes[at].guid, list) < 0 ? -ENOMEM : 0;
}

/* ---- what it answers ---- */

json_t *model_probe(const struct model *m, const char *id)
{
	const struct model_disk_state *d = model_find_disk(m, id);

	if (!d || !d->present)
		return NULL;
	if (d->copy)
		return json_pack("{s:s s:s s:O s:s*}", "contents", "member", "contents-name", "ddf member", "view",
				 d->copy, "beside", d->beside[0] ? d->beside : NULL);
	return json_pack("{s:s s:s s:n}", "contents", d->contents, "contents-name", d->contents_name, "view");
}

static int do_readd(struct model_set_state *s, struct meta_volume *v, const struct step *step, struct err *e)
{
	if (!v || step->slot < 0)
		return err_set(e, EINVAL, "re-add without a slot");
	set_slot(s, v, (unsigned)step->slot, MEMBER_REBUILDING);
	return 0;
}

static int do_activate(const struct model *m, struct model_set_state *s, struct meta_volume *v, const struct step *step,
		       struct err *e)
{
	struct meta_disk *p = find_part(m, s, step->device), *displaced;

	if (!v || !p || step->slot < 0)
		return err_set(e, EINVAL, "%s is no spare here", step->device);
	displaced = find_ref(s, v->members[step->slot].ref);
	if (displaced && v->members[step->slot].state == MEMBER_MISSING)
		displaced->failed = true;
	p->stands_in = p->revertible;
	p->spare = p->dedicated = false;
	p->n_dedicated = 0;
	snprintf(v->members[step->slot].ref, META_REF_MAX, "%s", p->ref);
	v->members[step->slot].state = MEMBER_REBUILDING;
	return 0;
}

static void drop(struct model *m, struct model_set_state *s, const char *id)
{
	struct model_disk_state *d = model_find_disk(m, id);
	struct meta_disk *p = find_part(m, s, id);

	if (p)
		*p = s->view.disks[--s->view.n_disks];
	if (d) {
		d->set[0] = d->ref[0] = '\0';
		json_decref(d->copy);
		d->copy = NULL;
	}
}

/* The other set has to have given it up before. */
static int do_take(const struct model *m, const struct step *step, struct err *e)
{
	const struct model_disk_state *d = model_find_disk(m, step->device);

	return d && d->set[0] ? err_set(e, ESTALE, "%s is still of another set", step->device) : 0;
}

static int do_add_spare(struct model *m, struct model_set_state *s, const struct plan *plan, const struct step *step,
			struct err *e)
{
	struct meta_disk *p = join(m, s, step->device);
	bool known = false;

	if (!p)
		return err_set(e, EINVAL, "%s is not here", step->device);
	p->failed = p->missing = false;
	p->spare = true;
	p->dedicated = step->dedicated;
	p->revertible = step->revertible;
	p->enclosure = step->enclosure;
	for (unsigned i = 0; i < p->n_dedicated; i++)
		known = known || strcmp(p->dedicated_to[i], plan->volume) == 0;
	if (step->dedicated && plan->volume[0] && !known && p->n_dedicated < ARRAY_SIZE(p->dedicated_to))
		snprintf(p->dedicated_to[p->n_dedicated++], META_GUID_MAX, "%s", plan->volume);
	return 0;
}

/* What udev found: members that went away are missing. */
static void do_record(struct model *m, struct model_set_state *s)
{
	for (size_t i = 0; i < s->view.n_volumes; i++) {
		struct meta_volume *v = &s->view.volumes[i];

		for (unsigned k = 0; s->running[i] && k < v->slots; k++) {
			const struct model_disk_state *d = find_disk_by_ref(m, s->view.set, v->members[k].ref);

			if (d && !d->present && v->members[k].state != MEMBER_FAILED)
				v->members[k].state = MEMBER_MISSING;
		}
	}
}

static bool is_behind(const struct model_set_state *s, size_t i)
{
	for (unsigned k = 0; s->running[i] && k < s->view.volumes[i].slots; k++)
		if (s->listed[i][k] && !in_array(&s->view.volumes[i].members[k]))
			return true;
	return false;
}

static int do_step(struct model *m, struct model_set_state *s, const struct plan *p, const struct step *step,
		   struct err *e)
{
	size_t i = 0;
	struct meta_volume *v = p->volume[0] ? model_find_volume(m, p->volume, &s, &i) : NULL;

	switch (step->op) {
	case STEP_ASSEMBLE:
	case STEP_STOP:
		s->running[i] = step->op == STEP_ASSEMBLE;
		return 0;
	case STEP_FAIL_MEMBER:
		if (v && step->slot >= 0)
			set_slot(s, v, (unsigned)step->slot, MEMBER_FAILED);
		return 0;
	case STEP_REMOVE_MEMBER:
		if (v && step->slot >= 0)
			set_slot(s, v, (unsigned)step->slot, MEMBER_EMPTY);
		drop(m, s, step->device);
		return 0;
	case STEP_REMOVE_SPARE:
		drop(m, s, step->device);
		return 0;
	case STEP_TAKE_SPARE:
		return do_take(m, step, e);
	case STEP_READD_MEMBER:
		return do_readd(s, v, step, e);
	case STEP_ACTIVATE_SPARE:
		if (strcmp(s->copied_to[i], step->device) == 0)
			s->copied_to[i][0] = '\0';
		return do_activate(m, s, v, step, e);
	case STEP_ADD_SPARE:
		return do_add_spare(m, s, p, step, e);
	case STEP_REPLACE_MEMBER:
	case STEP_COPY_BACK:
		if (step->slot >= 0)
			snprintf(s->copied_to[i], sizeof(s->copied_to[i]), "%s", step->undo ? "" : step->by);
		if (v && step->slot >= 0 && find_ref(s, v->members[step->slot].ref))
			find_ref(s, v->members[step->slot].ref)->stands_in = step->op == STEP_COPY_BACK;
		s->copied_slot[i] = step->slot;
		s->copy_broke[i] = false;
		return 0;
	case STEP_SCRUB:
		s->scrub[i] = step->undo ? NULL : step->repair ? "repair" : "check";
		return 0;
	case STEP_READ_LAST:
		if (step->slot >= 0)
			s->read_last[i][step->slot] = !step->undo;
		return 0;
	case STEP_REBUILD_SPEED:
		s->rate[i] = step->rate;
		return 0;
	case STEP_RECORD:
		do_record(m, s);
		return 0;
	case STEP_DELETE:
		model_keep(m, s, p->id);
		model_delete(s, p->volume);
		return 0;
	case STEP_RENAME:
		if (v)
			snprintf(v->name, sizeof(v->name), "%s", step->to);
		return 0;
	case STEP_GROW:
		if (v && step->size) {
			v->member_sectors = v->member_sectors * (step->size / 512) / v->sectors;
			v->sectors = step->size / 512;
		}
		return 0;
	case STEP_DELETE_SET:
		model_keep(m, s, p->id);
		model_delete_set(m, s);
		return 0;
	case STEP_CREATE:
	case STEP_RESTORE:
	case STEP_NOTE_DISK:
	case STEP_SNAPSHOT:
	case STEP_DROP_SNAPSHOT:
	case STEP_CLAIM:
	case STEP_RELEASE:
	case STEP_READ_CHECK:
	case STEP_SLOT_LIGHT:
	case STEP_FAIL_PATH:
	case STEP_REINSTATE_PATH:
	case STEP_DEMOTE_PATH:
	case STEP_RESTORE_PATH:
	case STEP_QUEUE_IO:
	case STEP_FAIL_IO:
	case STEP_OP_MAX:
		break;
	}
	return 0;
}

int model_step(struct model *m, const struct plan *p, const struct step *step, struct err *e)
{
	struct model_set_state *s = model_find_set(m, p->set);
	int r;

	if (step_op_alone(step->op))
		return 0;
	if (step->op == STEP_CREATE)
		return model_create(m, p, e);
	if (step->op == STEP_RESTORE && step->wiped)
		return 0;
	if (step->op == STEP_RESTORE)
		return model_restore(m, step->to, e);
	r = s ? do_step(m, s, p, step, e) : err_set(e, EINVAL, "no set %s", p->set);
	if (r == 0 && !step->table_later && step->op != STEP_DELETE_SET)
		load_tables(s);
	return r;
}

static json_t *model_options(const struct model_set_state *s, size_t i)
{
	json_t *last = json_array();

	for (unsigned k = 0; k < s->view.volumes[i].slots; k++)
		if (s->read_last[i][k])
			json_array_append_new(last, json_integer(k));
	return json_pack("{s:o s:I}", "read-last", last, "rate",
			 s->rate[i] == PLAN_RATE_MAX ? (json_int_t)-1 : (json_int_t)s->rate[i]);
}

static json_t *model_copies(const struct model_set_state *s, size_t i)
{
	if (!s->copied_to[i][0])
		return json_array();
	return json_pack("[{s:i s:s s:i s:i}]", "slot", s->copied_slot[i], "to", s->copied_to[i], "done", 1, "total",
			 2);
}

json_t *model_state(struct model *m, const char *set)
{
	struct model_set_state *s = model_find_set(m, set);
	json_t *volumes;

	if (!s)
		return NULL;
	volumes = json_array();
	advance(m, s);
	for (size_t i = 0; i < s->view.n_volumes; i++) {
		bool rebuilds = false;

		for (unsigned k = 0; k < s->view.volumes[i].slots; k++)
			rebuilds = rebuilds || s->view.volumes[i].members[k].state == MEMBER_REBUILDING;
		json_array_append_new(volumes,
				      json_pack("{s:s s:b s:s s:b s:i s:s s:o s:o s:s s:O*}", "guid",
						s->view.volumes[i].guid, "running", s->running[i], "dm",
						s->view.volumes[i].name, "behind", is_behind(s, i), "event_nr",
						(int)s->view.seq, "action",
						!s->running[i] ? "idle"
						: rebuilds     ? "recover"
						: s->scrub[i]  ? s->scrub[i]
							       : "idle",
						"options", model_options(s, i), "copies", model_copies(s, i),
						"copy-ended", s->copy_broke[i] ? "it cannot be read everywhere" : "",
						"snapshots", json_object_get(s->snapshots, s->view.volumes[i].guid)));
	}
	return json_pack("{s:s s:I s:o s:o s:o}", "set", set, "seq", (json_int_t)s->view.seq, "view",
			 meta_view_to_json(&s->view), "volumes", volumes, "disks", model_disks(m, set));
}
