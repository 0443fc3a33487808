// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/crash/rig.h"

#include "tests/unit/ddf_disks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the first data sector of each member. */
struct marker {
	uint64_t generation;
	uint64_t whole; /* 0: it is being rebuilt, and has holes */
};

static const char *const disk_names[RIG_DISKS_MAX] = {"sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg", "sdh"};

static void die(const char *what)
{
	fprintf(stderr, "rig: %s\n", what);
	exit(1);
}

/* --- what act sees --------------------------------------------------------------------------------------- */

static int rig_open(void *u, const struct plan_device *d, struct blockdev **ret, struct err *e)
{
	struct rig *r = u;
	struct fake_disk *disk = fake_disk_get(r->disks, d->node);
	int q = disk ? fake_disk_open(disk, ret) : -ENOENT;

	return q < 0 ? err_sys(e, -q, "%s", d->node) : 0;
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
	const json_t *ev = json_object_get(msg, "event");
	const char *show = json_string_value(json_object_get(msg, "show"));

	if (ev)
		buf_addf(&r->events, "%s\n", json_string_value(json_object_get(ev, "kind")));
	if (show)
		snprintf(r->show, sizeof(r->show), "%s", show);
}

static void begin_table(struct rig *r);

static int rig_hook(void *u, enum fake_dm_call call, const char *name, unsigned nth)
{
	struct rig *r = u;

	(void)call, (void)name, (void)nth;
	r->dm_calls++;
	begin_table(r);
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
		.random = rig_random,
		.report = rig_report,
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
	const struct meta_volume *v = &r->x->set.view->volumes[0];

	r->generation = 1;
	for (unsigned i = 0; i < v->slots; i++)
		if (rig_disk_in(r, i) >= 0 && v->members[i].state == MEMBER_IN_SYNC)
			fake_disk_poke(r->disk[rig_disk_in(r, i)], v->members[i].offset * 512, &m, sizeof(m));
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

		r->disk[i] = fake_disk_add(r->disks, disk_names[i], d->sectors, 512);
		poke_written(r->disk[i], d);
	}
	r->n_disks = set.n;
	joined = test_join(&set, 0);
	if (meta_ddf.set_view(joined, &view, NULL) < 0)
		die("no view");
	memcpy(r->set, view->set, sizeof(r->set));
	memcpy(r->volume, view->volumes[0].guid, sizeof(r->volume));
	memcpy(r->top, view->volumes[0].name, sizeof(r->top));
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
	rig_boot(r, fake_disks_at(loaded.disks, 0, FAKE_KEEP_ALL, 0), &loaded);
	rig_one(r, STEP_CLAIM, -1);
	mark_whole(r);
	fake_disks_mark(r->disks);
}

void rig_boot(struct rig *r, struct fake_disks *disks, const struct rig *like)
{
	*r = (struct rig){
		.disks = disks, .seed = like->seed + 99, .n_disks = like->n_disks, .generation = like->generation};
	memcpy(r->set, like->set, sizeof(r->set));
	memcpy(r->volume, like->volume, sizeof(r->volume));
	memcpy(r->top, like->top, sizeof(r->top));
	memcpy(r->absent, like->absent, sizeof(r->absent));
	for (size_t i = 0; i < r->n_disks; i++)
		r->disk[i] = fake_disk_get(disks, disk_names[i]);
	machine(r);
}

void rig_power_cycle(struct rig *r)
{
	struct fake_disks *same = fake_disks_at(r->disks, fake_disks_recorded(r->disks), FAKE_KEEP_ALL, 0);
	const struct rig was = *r;

	rig_boot(r, same, &was);
	memcpy(r->ack, was.ack, sizeof(was.ack));
	r->n_acks = was.n_acks;
	exec_free(was.x);
	fake_dm_free(was.dm);
	fake_disks_free(was.disks);
	free(was.events.s);
}

void rig_free(struct rig *r)
{
	exec_free(r->x);
	fake_dm_free(r->dm);
	fake_disks_free(r->disks);
	buf_free(&r->events);
}

/* --- plans -------------------------------------------------------------------------------------------------- */

struct plan *rig_plan(struct rig *r)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p || !(p->devices = calloc(RIG_DISKS_MAX, sizeof(*p->devices))))
		die("out of memory");
	memcpy(p->set, r->set, sizeof(p->set));
	memcpy(p->volume, r->volume, sizeof(p->volume));
	snprintf(p->array, sizeof(p->array), "ddf-%.48s", r->volume);
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

int rig_run(struct rig *r, struct plan *p, struct err *e)
{
	struct err why = {0};
	int q = exec_plan(r->x, p, &why);

	plan_free(p);
	if (e)
		*e = why;
	if (!r->dead)
		rig_tick(r);
	return q;
}

int rig_one(struct rig *r, enum step_op op, int disk)
{
	struct plan *p = rig_plan(r);

	rig_step(p, op, disk);
	return rig_run(r, p, NULL);
}

int rig_assemble(struct rig *r, bool degraded, bool force, struct err *e)
{
	struct plan *p = rig_plan(r);
	struct step *s = rig_step(p, STEP_ASSEMBLE, -1);

	s->degraded = degraded;
	s->force = force;
	return rig_run(r, p, e);
}

/* --- the kernel --------------------------------------------------------------------------------------------- */

bool rig_running(struct rig *r)
{
	return fake_dm_live(r->dm, r->top) != NULL;
}

/* The disk and first sector of a private device: its table is "0 2048 linear 8:16 65000". */
static struct fake_disk *under(struct rig *r, const char *leg, uint64_t *sector)
{
	const char *live = fake_dm_live(r->dm, leg);
	unsigned major, minor;

	if (!live || sscanf(live, "%*u %*u linear %u:%u %" SCNu64, &major, &minor, sector) != 3 ||
	    minor / 16 >= r->n_disks)
		return NULL;
	return r->absent[minor / 16] ? NULL : r->disk[minor / 16];
}

struct member {
	struct fake_disk *disk;
	uint64_t data, slice; /* sectors */
	char health;
};

/* What the live table lists. Returns the number of slots. */
static unsigned members(struct rig *r, struct member *m)
{
	const char *live = fake_dm_live(r->dm, r->top), *health = fake_dm_health(r->dm, r->top);
	unsigned n = (unsigned)(live ? strlen(health) : 0);
	char copy[DM_PARAMS_MAX + 64], *words[512], *save = NULL;
	size_t n_words = 0;

	if (!live)
		return 0;
	snprintf(copy, sizeof(copy), "%s", live);
	for (char *w = strtok_r(copy, " ", &save); w && n_words < ARRAY_SIZE(words); w = strtok_r(NULL, " ", &save))
		words[n_words++] = w;
	for (unsigned i = 0; i < n; i++) {
		unsigned major, minor;

		m[i] = (struct member){.health = health[i]};
		for (int data = 0; data < 2; data++) {
			const struct leg *leg;

			if (sscanf(words[n_words - 2 * (n - i) + (size_t)data], "%u:%u", &major, &minor) != 2)
				continue;
			leg = leg_by_number(r->x, major, minor);
			if (leg)
				m[i].disk = under(r, leg->name, data ? &m[i].data : &m[i].slice);
		}
	}
	return n;
}

static void put(struct rig *r, struct fake_disk *d, uint64_t sector, const void *bytes, size_t len)
{
	_Alignas(4096) static uint8_t buf[4096];
	struct blockdev *dev;
	size_t size = len <= 512 ? 512 : 4096;

	(void)r;
	if (fake_disk_open(d, &dev) < 0)
		return;
	memset(buf, 0, sizeof(buf));
	memcpy(buf, bytes, len);
	dev->write(dev, sector * 512, buf, size);
	dev->flush(dev);
	blockdev_close(dev);
}

/* md_update_sb: every member that works gets the same events and the failed bits of all that do not. */
static void update_supers(struct rig *r)
{
	_Alignas(4096) static uint8_t buf[SLICE_SECTORS * 512];
	const struct meta_volume *v = exec_volume(r->x, r->volume);
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, m);
	uint64_t events = 0, failed = 0;

	for (unsigned i = 0; i < n; i++) {
		struct slice_super s;

		if (m[i].health == '-' || m[i].health == 'D' || !m[i].disk) {
			failed |= UINT64_C(1) << i;
			continue;
		}
		fake_disk_peek(m[i].disk, m[i].slice * 512, buf, 4096);
		if (slice_super_parse(buf, &s) == 0)
			events = MAX(events, s.events);
	}
	for (unsigned i = 0; i < n; i++) {
		struct slice_super s = {.n_devices = n, .position = i, .events = events + 1, .failed = failed};

		if (failed >> i & 1)
			continue;
		s.recovery_offset = m[i].health == 'A' ? UINT64_MAX : 0;
		s.resync_offset = UINT64_MAX;
		s.array_sectors = v->sectors;
		s.sectors = v->member_sectors;
		slice_geometry(v, &s.level, &s.layout, &s.stripe_sectors);
		slice_encode(&s, false, buf, sizeof(buf));
		put(r, m[i].disk, m[i].slice, buf, 4096);
	}
}

/* A new table came live: super_init_validation takes what the freshest superblock calls failed for a member that
 * returns. */
static void begin_table(struct rig *r)
{
	_Alignas(4096) static uint8_t buf[4096];
	const char *live = r->x && r->dm ? fake_dm_live(r->dm, r->top) : NULL;
	struct slice_super s, fresh = {0};
	struct member m[META_SLOTS_MAX];
	unsigned n;

	if (!live || strcmp(live, r->live) == 0)
		return;
	snprintf(r->live, sizeof(r->live), "%s", live);
	n = members(r, m);
	for (unsigned i = 0; i < n; i++) {
		if (m[i].health != 'A' || !m[i].disk)
			continue;
		fake_disk_peek(m[i].disk, m[i].slice * 512, buf, sizeof(buf));
		if (slice_super_parse(buf, &s) == 0 && s.events > fresh.events)
			fresh = s;
	}
	for (unsigned i = 0; i < n; i++)
		if (fresh.failed >> i & 1)
			fake_dm_recover(r->dm, r->top, i);
}

/* A member that begins its rebuild has holes from now on, whatever it held. */
static void mark_holes(struct rig *r)
{
	struct marker hole = {0};
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, m);

	for (unsigned i = 0; i < n; i++)
		if (m[i].health == 'a' && m[i].disk) {
			struct marker old;

			fake_disk_peek(m[i].disk, m[i].data * 512, &old, sizeof(old));
			if (old.whole)
				put(r, m[i].disk, m[i].data, &hole, sizeof(hole));
		}
	if (n)
		update_supers(r);
}

void rig_tick(struct rig *r)
{
	begin_table(r);
	mark_holes(r);
}

void rig_fail(struct rig *r, unsigned slot)
{
	fake_dm_fail_member(r->dm, r->top, slot);
	update_supers(r);
}

void rig_write(struct rig *r)
{
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, m);

	if (!n || r->dead || r->n_acks == RIG_ACKS_MAX)
		return;
	r->generation++;
	for (unsigned i = 0; i < n; i++) {
		struct marker k = {.generation = r->generation, .whole = m[i].health == 'A'};

		if ((m[i].health == 'A' || m[i].health == 'a') && m[i].disk)
			put(r, m[i].disk, m[i].data, &k, sizeof(k));
	}
	r->ack[r->n_acks++] = (struct rig_ack){fake_disks_recorded(r->disks), r->generation};
}

void rig_rebuilt(struct rig *r)
{
	struct marker whole = {.generation = r->generation, .whole = 1};
	struct member m[META_SLOTS_MAX];
	unsigned n = r->dead ? 0 : members(r, m);

	if (!n)
		return;
	for (unsigned i = 0; i < n; i++)
		if (m[i].health == 'a' && m[i].disk)
			put(r, m[i].disk, m[i].data, &whole, sizeof(whole));
	fake_dm_rebuilt(r->dm, r->top);
	update_supers(r);
}

/* --- looking ------------------------------------------------------------------------------------------------ */

const char *rig_states(struct rig *r)
{
	static const char letters[] = {[MEMBER_IN_SYNC] = 'i', [MEMBER_REBUILDING] = 'r', [MEMBER_STALE] = 's',
				       [MEMBER_MISSING] = 'm', [MEMBER_FAILED] = 'f',	  [MEMBER_EMPTY] = 'e'};
	static char text[META_SLOTS_MAX + 1];
	const struct meta_volume *v = exec_volume(r->x, r->volume);

	memset(text, 0, sizeof(text));
	for (unsigned i = 0; v && i < v->slots; i++)
		text[i] = letters[v->members[i].state];
	return text;
}

int rig_disk_in(struct rig *r, unsigned slot)
{
	const struct meta_volume *v = exec_volume(r->x, r->volume);
	const struct set_disk *d = v ? set_disk_by_ref(&r->x->set, v->members[slot].ref) : NULL;

	return d ? d->device.node[2] - 'a' : -1;
}

const char *rig_stale(struct rig *r, uint64_t acknowledged)
{
	static char text[160];
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, m);

	for (unsigned i = 0; i < n; i++) {
		struct marker k;

		if (m[i].health != 'A' || !m[i].disk)
			continue;
		fake_disk_peek(m[i].disk, m[i].data * 512, &k, sizeof(k));
		if (k.whole && k.generation >= acknowledged)
			continue;
		snprintf(text, sizeof(text),
			 "slot %u is listed as in sync with generation %" PRIu64 "%s, %" PRIu64 " was acknowledged", i,
			 k.generation, k.whole ? "" : " and holes", acknowledged);
		return text;
	}
	return NULL;
}

uint64_t rig_acknowledged(const struct rig *r, size_t records)
{
	uint64_t generation = 1;

	for (size_t i = 0; i < r->n_acks && r->ack[i].records <= records; i++)
		generation = r->ack[i].generation;
	return generation;
}
