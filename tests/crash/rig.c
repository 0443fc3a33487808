// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/crash/rig_impl.h"

#include "tests/unit/ddf_disks.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const disk_names[RIG_DISKS_MAX] = {"sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg", "sdh"};

static void die(const char *what)
{
	fprintf(stderr, "rig: %s\n", what);
	exit(1);
}

/* Memory stays with the process from one cut to the next: clearing the same pages anew each time was a third of the
 * time. */
__attribute__((constructor)) static void rig_keeps_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_TOP_PAD, 64 << 20);
}

/* --- what act sees --------------------------------------------------------------------------------------- */

static int rig_open(void *u, const struct plan_device *d, struct blockdev **ret, struct err *e)
{
	struct rig *r = u;
	struct fake_disk *disk = fake_disk_get(r->disks, d->node);
	int q = disk ? fake_disk_open(disk, ret) : -ENOENT;

	return q < 0 ? err_sys(e, -q, "%s", d->node) : 0;
}

static int empty_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	(void)d, (void)pos;
	memset(buf, 0, len);
	return 0;
}

static int empty_write(struct blockdev *d, uint64_t pos, const void *buf, size_t len)
{
	(void)d, (void)pos, (void)buf, (void)len;
	return 0;
}

static int empty_flush(struct blockdev *d)
{
	(void)d;
	return 0;
}

static void empty_close(struct blockdev *d)
{
	(void)d;
}

/* Some other device, with nothing on it. */
static int rig_open_free(void *u, const char *node, struct blockdev **ret, struct err *e)
{
	static struct blockdev empty = {.read = empty_read,
					.write = empty_write,
					.flush = empty_flush,
					.close = empty_close,
					.name = "loop0",
					.major = 7,
					.sectors = 16384,
					.sector_size = 512};

	(void)u, (void)node, (void)e;
	*ret = &empty;
	return 0;
}

static uint64_t rig_random(void *u)
{
	struct rig *r = u;

	r->seed = r->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return r->seed >> 11;
}

static void rig_report(void *u, const json_t *msg)
{
	struct rig *r = u;
	const json_t *ev = json_object_get(msg, "event"), *step = json_object_get(msg, "step");
	const char *show = json_string_value(json_object_get(msg, "show"));
	const json_t *image = json_object_get(msg, "image");

	if (ev)
		buf_addf(&r->events, "%s\n", json_string_value(json_object_get(ev, "kind")));
	if (step)
		buf_addf(&r->steps, "%d %s %s\n", (int)json_integer_value(step),
			 json_string_value(json_object_get(msg, "result")),
			 json_string_value(json_object_get(msg, "reason")));
	if (image && json_integer_value(json_object_get(image, "part")) == 0) {
		json_decref(r->images);
		r->images = json_array();
	}
	if (image)
		json_array_append_new(r->images, json_deep_copy(image));
	if (json_object_get(msg, "before"))
		json_array_append(r->before, json_object_get(msg, "before"));
	if (show)
		snprintf(r->show, sizeof(r->show), "%s", show);
}

static void rig_waits(void *u)
{
	struct rig *r = u;

	if (r->waited == SIZE_MAX)
		r->waited = fake_disks_recorded(r->disks);
}

static int rig_hook(void *u, enum fake_dm_call call, const char *name, unsigned nth)
{
	struct rig *r = u;

	(void)call, (void)name, (void)nth;
	r->dm_calls++;
	rig_begin_tables(r);
	if (r->die_at && r->dm_calls >= r->die_at && !r->dead) {
		r->dead = true;
		fake_disks_cut_after(r->disks, 0);
	}
	return r->dead ? -ESHUTDOWN : 0;
}

void rig_restart_act(struct rig *r)
{
	struct exec_env env = {
		.dm = fake_dm_ops(r->dm),
		.clock = &clock_system,
		.open = rig_open,
		.open_free = rig_open_free,
		.random = rig_random,
		.report = rig_report,
		.kept = rig_waits,
		.u = r,
	};

	exec_free(r->x);
	r->x = exec_new(&env);
	if (!r->x)
		die("out of memory");
}

void rig_next_act(struct rig *r)
{
	struct fake_disks *was = r->disks;

	r->dead = false;
	r->die_at = 0;
	exec_free(TAKE_PTR(r->x));
	r->disks = fake_disks_at(was, fake_disks_recorded(was), FAKE_KEEP_ALL, 0);
	for (size_t i = 0; i < r->n_disks; i++)
		r->disk[i] = fake_disk_get(r->disks, disk_names[i]);
	fake_disks_free(was);
	rig_restart_act(r);
}

static void machine(struct rig *r)
{
	r->dm = fake_dm_new();
	if (!r->dm)
		die("out of memory");
	fake_dm_set_hook(r->dm, rig_hook, r);
	rig_restart_act(r);
}

/* --- setting up ------------------------------------------------------------------------------------------- */

static void mark_whole(struct rig *r)
{
	struct marker m = {.generation = 1, .whole = 1};

	for (unsigned n = 0; n < r->n_volumes; n++) {
		const struct meta_volume *v = exec_volume(r->x, r->volume[n].guid);

		r->volume[n].generation = 1;
		r->volume[n].made = v->member_sectors;
		for (unsigned i = 0; i < v->slots; i++)
			if (rig_disk_of(r, v, i) >= 0 && v->members[i].state == MEMBER_IN_SYNC)
				fake_disk_poke(r->disk[rig_disk_of(r, v, i)], v->members[i].offset * 512, &m,
					       sizeof(m));
	}
}

/* Only what is not zero: the disk's image stays small, and it is copied at every cut. */
static void poke_written(struct fake_disk *disk, const struct test_disk *d)
{
	static const uint8_t zero[4096];

	for (uint64_t at = d->first; at < d->sectors; at += 8) {
		const uint8_t *bytes = d->bytes + (at - d->first) * 512;

		if (memcmp(bytes, zero, sizeof(zero)) != 0)
			fake_disk_poke(disk, at * 512, bytes, sizeof(zero));
	}
}

static void load_case(struct rig *r, const char *name)
{
	struct test_set set = {0};
	struct meta_set *joined;
	struct meta_view *view;

	*r = (struct rig){.disks = fake_disks_new(), .seed = 42};
	test_set_load(&set, name);
	for (size_t i = 0; i < set.n; i++) {
		struct test_disk *d = &set.disk[i];

		r->disk[i] = fake_disk_add(r->disks, disk_names[i], d->sectors, d->sector_size);
		poke_written(r->disk[i], d);
	}
	r->n_disks = set.n;
	joined = test_join(&set, 0);
	if (meta_ddf.set_view(joined, &view, NULL) < 0)
		die("no view");
	memcpy(r->set, view->set, sizeof(r->set));
	r->n_volumes = (unsigned)MIN(view->n_volumes, (size_t)RIG_VOLUMES_MAX);
	for (unsigned i = 0; i < r->n_volumes; i++) {
		memcpy(r->volume[i].guid, view->volumes[i].guid, sizeof(r->volume[i].guid));
		memcpy(r->volume[i].top, view->volumes[i].name, sizeof(r->volume[i].top));
	}
	meta_view_free(view);
	meta_ddf.set_free(joined);
	test_set_free(&set);
}

/* Unpacked once a case. */
static struct rig loaded;
static char loaded_name[64];

void rig_unload(void)
{
	if (loaded.disks)
		fake_disks_free(loaded.disks);
	loaded = (struct rig){0};
	loaded_name[0] = '\0';
}

void rig_load(struct rig *r, const char *name)
{
	if (strcmp(loaded_name, name) != 0) {
		rig_unload();
		load_case(&loaded, name);
		fake_disks_mark(loaded.disks);
		snprintf(loaded_name, sizeof(loaded_name), "%s", name);
	}
	rig_boot(r, fake_disks_at(loaded.disks, 0, FAKE_KEEP_ALL, 0), &loaded, 0);
	rig_one(r, STEP_CLAIM, -1);
	mark_whole(r);
	fake_disks_mark(r->disks);
}

/* What was acknowledged before so many records, in one entry that stands before all of the next record. */
static void keep_ack(struct rig_volume *v, size_t records)
{
	struct rig_ack last = {.generation = 1};

	for (size_t i = 0; i < v->n_acks && v->ack[i].records <= records; i++)
		last = (struct rig_ack){.generation = v->ack[i].generation, .sectors = v->ack[i].sectors};
	v->n_acks = 1;
	v->ack[0] = last;
}

void rig_boot(struct rig *r, struct fake_disks *disks, const struct rig *like, size_t records)
{
	*r = (struct rig){
		.disks = disks, .seed = like->seed + 99, .n_disks = like->n_disks, .n_volumes = like->n_volumes};
	memcpy(r->set, like->set, sizeof(r->set));
	memcpy(r->volume, like->volume, sizeof(r->volume));
	memcpy(r->absent, like->absent, sizeof(r->absent));
	r->images = json_incref(like->images);
	for (unsigned i = 0; i < r->n_volumes; i++) {
		r->volume[i].live[0] = '\0';
		r->volume[i].broken = false;
		keep_ack(&r->volume[i], records);
		if (r->volume[i].made_at > records)
			r->volume[i].made = r->volume[i].made_before;
		r->volume[i].made_at = 0;
		rig_compare_cut(&r->volume[i], records);
	}
	for (size_t i = 0; i < r->n_disks; i++)
		r->disk[i] = fake_disk_get(disks, disk_names[i]);
	machine(r);
}

static void finish(struct rig *r)
{
	exec_free(r->x);
	fake_dm_free(r->dm);
	fake_disks_free(r->disks);
	buf_free(&r->events);
	buf_free(&r->steps);
	buf_free(&r->errors);
	json_decref(r->images);
}

void rig_power_cycle(struct rig *r)
{
	struct fake_disks *same = fake_disks_at(r->disks, fake_disks_recorded(r->disks), FAKE_KEEP_ALL, 0);
	struct rig was = *r;

	rig_boot(r, same, &was, SIZE_MAX);
	finish(&was);
}

void rig_free(struct rig *r)
{
	finish(r);
}

/* --- plans -------------------------------------------------------------------------------------------------- */

struct plan *rig_plan(struct rig *r, unsigned volume)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p || !(p->devices = calloc(RIG_DISKS_MAX, sizeof(*p->devices))))
		die("out of memory");
	memcpy(p->set, r->set, sizeof(p->set));
	memcpy(p->volume, r->volume[volume].guid, sizeof(p->volume));
	snprintf(p->array, sizeof(p->array), "ddf-%.48s", p->volume);
	for (unsigned i = 0; i < r->n_disks; i++) {
		struct plan_device *d = &p->devices[p->n_devices];

		if (r->absent[i])
			continue;
		p->n_devices++;
		snprintf(d->id, sizeof(d->id), "disk-%s", disk_names[i]);
		snprintf(d->node, sizeof(d->node), "%s", disk_names[i]);
		d->major = 8;
		d->minor = 16 * i;
		d->diskseq = i + 1;
	}
	return p;
}

struct step *rig_step(struct plan *p, enum step_op op, int disk)
{
	struct step *s = &p->step[p->n_steps++];

	*s = (struct step){.op = op, .slot = -1};
	if (disk >= 0)
		snprintf(s->device, sizeof(s->device), "disk-%s", disk_names[disk]);
	return s;
}

struct step *rig_step_replace(struct plan *p, int disk, int by)
{
	struct step *s = rig_step(p, STEP_REPLACE_MEMBER, disk);

	snprintf(s->by, sizeof(s->by), "disk-%s", disk_names[by]);
	return s;
}

/* It is copied, or it has the slot already. */
const struct rig_kept rig_kept[RIG_KEPT] = {
	{FAKE_KEEP_ALL, 0}, {FAKE_KEEP_NONE, 0}, {FAKE_KEEP_RANDOM, 1}, {FAKE_KEEP_RANDOM, 2}};

int rig_spare_disk(struct rig *r)
{
	for (unsigned i = 0; i < r->n_disks; i++)
		if (!rig_in_slot(r, i))
			return (int)i;
	return -1;
}

bool rig_one_of(const char *states, const char *allowed)
{
	size_t n = strlen(states);

	for (const char *p = allowed; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (n && strncmp(p, states, n) == 0 && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool replaces(const struct rig *r, const struct plan *p, const struct step *s)
{
	const struct set_disk *d = set_disk_by_id(&r->x->set, s->by);
	const struct meta_volume *v = exec_volume(r->x, p->volume);

	for (size_t i = 0; i < r->x->n_legs; i++)
		if (d && r->x->leg[i].copies && r->x->leg[i].to.minor == d->dev->minor)
			return true;
	for (unsigned i = 0; d && d->ref[0] && i < v->slots; i++)
		if (strcmp(v->members[i].ref, d->ref) == 0)
			return true;
	return false;
}

static bool later_failed(const struct rig *r)
{
	return strstr(buf_str(&r->steps), " failed ");
}

/* The state that a step which was told as done leaves. */
static bool holds(const struct rig *r, const struct plan *p, const struct step *s)
{
	const struct set_disk *d = set_disk_by_id(&r->x->set, s->device);
	const struct meta_disk *md = d ? meta_view_disk(r->x->set.view, d->ref) : NULL;
	const struct meta_volume *v = exec_volume(r->x, p->volume);
	const struct volume_run *run = exec_run(r->x, p->volume);
	bool member = false;

	for (unsigned i = 0; v && d && d->ref[0] && i < v->slots; i++)
		member =
			member || (strcmp(v->members[i].ref, d->ref) == 0 &&
				   (!run->running || strcmp(run->listed[i], d->ref) == 0) &&
				   (v->members[i].state == MEMBER_IN_SYNC || v->members[i].state == MEMBER_REBUILDING));
	switch (s->op) {
	case STEP_ASSEMBLE:
		return run->running;
	case STEP_STOP:
		return !run || !run->running;
	case STEP_FAIL_MEMBER:
		return !member;
	case STEP_READD_MEMBER:
	case STEP_ACTIVATE_SPARE:
		return member && !d->error;
	case STEP_REPLACE_MEMBER:
	case STEP_COPY_BACK:
		return s->undo || replaces(r, p, s);
	case STEP_ADD_SPARE: /* it may fail in the step after this */
		return md && (later_failed(r) || (md->spare && !md->failed && !d->error));
	case STEP_REMOVE_MEMBER:
	case STEP_REMOVE_SPARE:
		return !md;
	default:
		return true;
	}
}

static void check_steps(struct rig *r, const struct plan *p)
{
	const char *line = buf_str(&r->steps);
	unsigned step;
	char result[16];

	for (; sscanf(line, "%u %15s", &step, result) == 2; line = strchr(line, '\n') + 1)
		if (strcmp(result, "failed") != 0 && !holds(r, p, &p->step[step]) && !r->wrong[0])
			snprintf(r->wrong, sizeof(r->wrong), "%s of %s is told as %s and is not so",
				 step_op_name(p->step[step].op), p->step[step].device, result);
}

static void give_images(struct rig *r, const struct plan *p)
{
	json_t *image;
	size_t i;

	if (p->n_steps && p->step[p->n_steps - 1].op == STEP_RESTORE)
		json_array_foreach(r->images, i, image) exec_give(r->x, image, NULL);
}

int rig_run(struct rig *r, struct plan *p, struct err *e)
{
	struct err why = {0};
	int q;

	give_images(r, p);

	buf_clear(&r->steps);
	rig_before_begin(r);
	q = exec_plan(r->x, p, &why);
	rig_before_end(r, p);
	if (q < 0)
		buf_addf(&r->errors, "%s\n", why.msg);
	if (!r->dead && !p->dry_run)
		check_steps(r, p);
	plan_free(p);
	if (e)
		*e = why;
	if (!r->dead)
		rig_tick(r);
	return q;
}

int rig_one(struct rig *r, enum step_op op, int disk)
{
	struct plan *p = rig_plan(r, 0);

	rig_step(p, op, disk);
	return rig_run(r, p, NULL);
}

int rig_assemble(struct rig *r, bool degraded, bool force, struct err *e)
{
	int first = 0;

	for (unsigned i = 0; i < r->n_volumes; i++) {
		struct plan *p = rig_plan(r, i);
		struct step *s = rig_step(p, STEP_ASSEMBLE, -1);
		int q;

		s->degraded = degraded;
		s->force = force;
		q = rig_run(r, p, first == 0 ? e : NULL);
		first = first ? first : q;
	}
	return first;
}

int rig_stop(struct rig *r)
{
	int first = 0;

	for (unsigned i = 0; i < r->n_volumes; i++) {
		struct plan *p = rig_plan(r, i);
		int q;

		rig_step(p, STEP_STOP, -1);
		q = rig_run(r, p, NULL);
		first = first ? first : q;
	}
	return first;
}
