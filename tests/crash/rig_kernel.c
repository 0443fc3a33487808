// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/crash/rig_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- the kernel --------------------------------------------------------------------------------------------- */

bool rig_running(struct rig *r)
{
	for (unsigned i = 0; i < r->n_volumes; i++)
		if (!fake_dm_live(r->dm, r->volume[i].top))
			return false;
	return true;
}

const char *rig_suspended(struct rig *r)
{
	static char text[64];

	for (unsigned i = 0; i < r->n_volumes; i++) {
		snprintf(text, sizeof(text), "%s is left suspended", r->volume[i].top);
		if (fake_dm_suspended(r->dm, r->volume[i].top))
			return text;
	}
	return NULL;
}

/* Under a snapshot-origin the raid table is below; already when it works there and the device above is still suspended.
 */
const char *rig_raid_dm(struct rig *r, const struct rig_volume *v)
{
	static char below[META_NAME_MAX + 8];
	const char *live = fake_dm_live(r->dm, v->top), *lower;

	snprintf(below, sizeof(below), "%s-real", v->top);
	lower = fake_dm_live(r->dm, below);
	if (!live || !lower)
		return v->top;
	return strstr(live, " snapshot-origin ") ||
			       (fake_dm_suspended(r->dm, v->top) && !fake_dm_suspended(r->dm, below))
		       ? below
		       : v->top;
}

static struct fake_disk *disk_of(struct rig *r, unsigned minor)
{
	return minor / 16 >= r->n_disks || r->absent[minor / 16] ? NULL : r->disk[minor / 16];
}

/* Where a private device lies: "0 2048 linear 8:16 65000", or "0 2048 mirror core 1 128 2 8:16 65000 8:32 0 1 .." */
struct place {
	const char *leg;
	bool mirror, gone; /* gone: the disk was pulled */
	struct fake_disk *disk, *copy;
	uint64_t sector, copy_sector;
};

static struct place under(struct rig *r, const char *leg)
{
	const char *live = fake_dm_live(r->dm, leg);
	unsigned minor, copy;
	struct place p = {.leg = leg};
	bool listed = false;

	if (live && sscanf(live, "%*u %*u linear %*u:%u %" SCNu64, &minor, &p.sector) == 2) {
		listed = true;
		p.disk = disk_of(r, minor);
	}
	if (live && sscanf(live, "%*u %*u mirror core 1 %*u 2 %*u:%u %" SCNu64 " %*u:%u %" SCNu64, &minor, &p.sector,
			   &copy, &p.copy_sector) == 4) {
		p.mirror = listed = true;
		p.disk = disk_of(r, minor);
		p.copy = disk_of(r, copy);
	}
	p.gone = listed && !p.disk;
	return p;
}

struct member {
	struct fake_disk *disk;
	struct place data, slice;
	char health;
};

/* What the volume's live table lists. Returns the number of slots. */
static unsigned members(struct rig *r, const struct rig_volume *v, struct member *m)
{
	const char *live = fake_dm_live(r->dm, rig_raid_dm(r, v)), *health = fake_dm_health(r->dm, rig_raid_dm(r, v));
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
			if (!leg)
				continue;
			*(data ? &m[i].data : &m[i].slice) = under(r, leg->name);
			m[i].disk = m[i].data.disk;
		}
	}
	return n;
}

static int put(struct fake_disk *d, uint64_t sector, const void *bytes, size_t len)
{
	_Alignas(4096) static uint8_t buf[4096];
	struct blockdev *dev;
	int q = fake_disk_open(d, &dev);
	size_t size;

	if (q < 0)
		return q;
	size = len <= dev->sector_size ? dev->sector_size : 4096; /* md writes whole logical blocks */
	memset(buf, 0, sizeof(buf));
	memcpy(buf, bytes, len);
	q = dev->write(dev, sector * 512, buf, size);
	if (q == 0)
		q = dev->flush(dev);
	blockdev_close(dev);
	return q;
}

/* To a member's private device. -EBUSY: a side of a mirror failed, and the write waits until that is one no more. */
static int put_at(struct rig *r, const struct place *p, const void *bytes, size_t len)
{
	int q = p->disk ? put(p->disk, p->sector, bytes, len) : -ENODEV, c;

	if (!p->mirror)
		return q;
	if (strcmp(fake_dm_health(r->dm, p->leg), "AA") != 0)
		return -EBUSY;
	c = p->copy ? put(p->copy, p->copy_sector, bytes, len) : -ENODEV;
	if (q == 0 && c == 0)
		return 0;
	fake_dm_copy_fails(r->dm, p->leg, q < 0 ? "DA" : "AD");
	return -EBUSY;
}

static bool works(char health)
{
	return health == 'A' || health == 'a';
}

/* A member that cannot be written is failed, unless nothing would be left (raid1's last one gives errors instead).
 * Returns true if it is failed now. */
static bool write_failed(struct rig *r, const struct rig_volume *v, unsigned slot)
{
	const char *health = fake_dm_health(r->dm, rig_raid_dm(r, v));
	bool others = false;

	for (unsigned i = 0; health[i]; i++)
		others = others || (i != slot && health[i] == 'A');
	if (others)
		fake_dm_fail_member(r->dm, rig_raid_dm(r, v), slot);
	return others;
}

/* md_update_sb: every member that works gets the same events and the failed bits of all that do not. */
static void update_supers(struct rig *r, const struct rig_volume *rv)
{
	_Alignas(4096) static uint8_t buf[SLICE_SECTORS * 512];
	const struct meta_volume *v = exec_volume(r->x, rv->guid);
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, rv, m);
	uint64_t events = 0, failed = 0;
	bool again = false;
	int q;

	for (unsigned i = 0; i < n; i++) {
		struct slice_super s;

		if (!works(m[i].health) || (!m[i].disk && !m[i].slice.gone)) {
			failed |= UINT64_C(1) << i;
			continue;
		}
		if (!m[i].disk)
			continue;
		fake_disk_peek(m[i].disk, m[i].slice.sector * 512, buf, 4096);
		if (slice_super_parse(buf, &s) == 0)
			events = MAX(events, s.events);
	}
	for (unsigned i = 0; i < n; i++) {
		struct slice_super s = {.n_devices = n, .position = i, .events = events + 1, .failed = failed};

		if (failed >> i & 1)
			continue;
		s.recovery_offset = m[i].health == 'A' ? UINT64_MAX : 0;
		rig_grow_super(r, rv, &s);
		slice_geometry(v, &s.level, &s.layout, &s.stripe_sectors);
		slice_encode(&s, false, buf, sizeof(buf));
		q = put_at(r, &m[i].slice, buf, 4096);
		if (q < 0 && q != -EBUSY)
			again = write_failed(r, rv, i) || again;
	}
	if (again)
		update_supers(r, rv);
}

/* A new table came live, or an old one on another device: super_init_validation takes what the freshest superblock
 * calls failed for a member that returns, and goes on with one that was not whole. */
static void begin_table(struct rig *r, struct rig_volume *v)
{
	_Alignas(4096) static uint8_t buf[SLICE_HEAD_BYTES], slice[SLICE_HEAD_BYTES];
	const char *on = r->x && r->dm ? rig_raid_dm(r, v) : NULL, *table = on ? fake_dm_live(r->dm, on) : NULL;
	struct slice_super s, fresh = {0};
	bool part[META_SLOTS_MAX] = {0};
	struct member m[META_SLOTS_MAX];
	char live[sizeof(v->live)];
	unsigned n;

	if (!table && on)
		v->wrote = false;
	snprintf(live, sizeof(live), "%s %.*s", on ? on : "", DM_PARAMS_MAX, table ? table : "");
	if (!table || strcmp(live, v->live) == 0)
		return;
	memcpy(v->live, live, sizeof(live));
	n = members(r, v, m);
	for (unsigned i = 0; i < n; i++) {
		if (m[i].health != 'A' || !m[i].disk)
			continue;
		fake_disk_peek(m[i].disk, m[i].slice.sector * 512, buf, sizeof(buf));
		if (slice_super_parse(buf, &s) < 0)
			continue;
		part[i] = s.recovery_offset != UINT64_MAX;
		if (s.events > fresh.events) {
			fresh = s;
			memcpy(slice, buf, sizeof(slice));
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (part[i] || fresh.failed >> i & 1)
			fake_dm_recover(r->dm, rig_raid_dm(r, v), i);
	rig_grow_begin(r, v, &fresh, slice);
	/* "rebuild" in a table makes the kernel forget a resync (raid_ctr), and a recovery by bitmap clears the bits
	 * that it would go by. */
	if (strchr(fake_dm_health(r->dm, rig_raid_dm(r, v)), 'a'))
		v->resync_from = UINT64_MAX;
	rig_compare_begin(r, v, &fresh);
}

void rig_begin_tables(struct rig *r)
{
	for (unsigned i = 0; i < r->n_volumes; i++)
		begin_table(r, &r->volume[i]);
}

/* A member that begins its rebuild has holes from now on, whatever it held. */
static void mark_holes(struct rig *r, const struct rig_volume *v)
{
	struct marker hole = {0};
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, v, m);

	for (unsigned i = 0; i < n; i++)
		if (m[i].health == 'a' && m[i].disk) {
			struct marker old;

			fake_disk_peek(m[i].disk, m[i].data.sector * 512, &old, sizeof(old));
			if (old.whole && put_at(r, &m[i].data, &hole, sizeof(hole)) < 0)
				write_failed(r, v, i);
		}
	if (n)
		update_supers(r, v);
}

void rig_tick(struct rig *r)
{
	rig_begin_tables(r);
	for (unsigned i = 0; i < r->n_volumes; i++)
		mark_holes(r, &r->volume[i]);
}

void rig_fail(struct rig *r, unsigned slot)
{
	if (r->dead)
		return;
	fake_dm_fail_member(r->dm, rig_raid_dm(r, &r->volume[0]), slot);
	update_supers(r, &r->volume[0]);
}

/* Acknowledged once all members that work have it, and those that do not are known as such in the others' slices. */
static void write_volume(struct rig *r, struct rig_volume *v)
{
	const struct meta_volume *meta = exec_volume(r->x, v->guid);
	bool failed = false, refused = false, held = false, in_sync[META_SLOTS_MAX] = {0};
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, v, m);
	int q;

	if (!n || r->dead || v->n_acks == RIG_ACKS_MAX)
		return;
	v->generation++;
	if (!v->wrote)
		v->wrote_at = fake_disks_recorded(r->disks);
	v->wrote = true;
	for (unsigned i = 0; i < n; i++) {
		struct marker k = {.generation = v->generation, .whole = m[i].health == 'A'};

		if (!works(m[i].health) || (!m[i].disk && !m[i].data.gone))
			continue;
		in_sync[i] = k.whole;
		q = put_at(r, &m[i].data, &k, sizeof(k));
		held = held || q == -EBUSY;
		if (q == 0 || q == -EBUSY)
			continue;
		in_sync[i] = false;
		if (write_failed(r, v, i))
			failed = true;
		else
			refused = true;
	}
	if (failed)
		update_supers(r, v);
	v->broken = refused || !raid_runnable(meta->level, in_sync, meta->slots);
	if (!v->broken && !held)
		v->ack[v->n_acks++] =
			(struct rig_ack){fake_disks_recorded(r->disks), v->generation, rig_live_sectors(r, v)};
}

void rig_write(struct rig *r)
{
	for (unsigned i = 0; i < r->n_volumes; i++)
		write_volume(r, &r->volume[i]);
}

static void end_rebuild(struct rig *r, struct rig_volume *v)
{
	struct marker whole = {.generation = v->generation, .whole = 1};
	struct member m[META_SLOTS_MAX];
	unsigned n = r->dead ? 0 : members(r, v, m);
	bool rebuilt = n && strchr(fake_dm_health(r->dm, rig_raid_dm(r, v)), 'a');

	for (unsigned i = 0; i < n; i++)
		if (m[i].health == 'a' && m[i].disk && put_at(r, &m[i].data, &whole, sizeof(whole)) < 0)
			write_failed(r, v, i);
	if (!n)
		return;
	fake_dm_rebuilt(r->dm, rig_raid_dm(r, v));
	rig_resynced(r, v, rebuilt);
	update_supers(r, v);
}

void rig_rebuilt(struct rig *r)
{
	for (unsigned i = 0; i < r->n_volumes; i++)
		end_rebuild(r, &r->volume[i]);
}

/* The first sectors tell all: of data the marker, of a slice its superblocks. */
static void copy_leg(struct rig *r, const char *leg)
{
	_Alignas(4096) static uint8_t buf[8192];
	struct place p = under(r, leg);

	if (!p.mirror || !p.disk || !p.copy || strcmp(fake_dm_health(r->dm, leg), "AA") != 0)
		return;
	fake_disk_peek(p.disk, p.sector * 512, buf, sizeof(buf));
	for (size_t at = 0; at < sizeof(buf); at += 4096)
		if (put(p.copy, p.copy_sector + at / 512, buf + at, 4096) < 0) {
			fake_dm_copy_fails(r->dm, leg, "AD");
			return;
		}
	fake_dm_copied(r->dm, leg);
}

void rig_copied(struct rig *r)
{
	for (size_t i = 0; i < r->x->n_legs && !r->dead; i++)
		copy_leg(r, r->x->leg[i].name);
}

void rig_unreadable(struct rig *r)
{
	for (size_t i = 0; i < r->x->n_legs && !r->dead; i++)
		if (!r->x->leg[i].meta && fake_dm_mirrors(r->dm, r->x->leg[i].name))
			fake_dm_copy_fails(r->dm, r->x->leg[i].name, "SA");
}

/* --- looking ------------------------------------------------------------------------------------------------ */

const char *rig_states(struct rig *r)
{
	static const char letters[] = {[MEMBER_IN_SYNC] = 'i', [MEMBER_REBUILDING] = 'r', [MEMBER_STALE] = 's',
				       [MEMBER_MISSING] = 'm', [MEMBER_FAILED] = 'f',	  [MEMBER_EMPTY] = 'e'};
	static char text[RIG_VOLUMES_MAX * (META_SLOTS_MAX + 1) + 1];
	size_t n = 0;

	for (unsigned k = 0; k < r->n_volumes; k++) {
		const struct meta_volume *v = exec_volume(r->x, r->volume[k].guid);

		if (k > 0)
			text[n++] = '/';
		for (unsigned i = 0; v && i < v->slots; i++)
			text[n++] = letters[v->members[i].state];
	}
	text[n] = '\0';
	return text;
}

int rig_disk_of(const struct rig *r, const struct meta_volume *v, unsigned slot)
{
	const struct set_disk *d = v ? set_disk_by_ref(&r->x->set, v->members[slot].ref) : NULL;

	return d ? d->device.node[2] - 'a' : -1;
}

int rig_disk_in(struct rig *r, unsigned slot)
{
	return rig_disk_of(r, exec_volume(r->x, r->volume[0].guid), slot);
}

unsigned rig_last_slot(struct rig *r)
{
	return exec_volume(r->x, r->volume[0].guid)->slots - 1;
}

bool rig_in_slot(struct rig *r, unsigned disk)
{
	for (unsigned n = 0; n < r->n_volumes; n++) {
		const struct meta_volume *v = exec_volume(r->x, r->volume[n].guid);

		for (unsigned i = 0; i < v->slots; i++)
			if (rig_disk_of(r, v, i) == (int)disk)
				return true;
	}
	return false;
}

bool rig_names(struct rig *r, const char *text, size_t len, const struct fake_disk *disk)
{
	const char *name = fake_disk_name(disk);

	for (size_t i = 0; i < r->x->set.n_disks; i++) {
		const struct set_disk *d = r->x->set.disk[i];

		if (strcmp(d->device.node, name) == 0 && d->ref[0] && memmem(text, len, d->ref, strlen(d->ref)))
			return true;
	}
	return memmem(text, len, name, strlen(name));
}

static const char *stale_in(struct rig *r, const struct rig_volume *v)
{
	static char text[200];
	uint64_t acknowledged = v->n_acks ? v->ack[v->n_acks - 1].generation : 1;
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, v, m);

	for (unsigned i = 0; i < n; i++) {
		struct marker k;

		if (m[i].health != 'A' || !m[i].disk)
			continue;
		fake_disk_peek(m[i].disk, m[i].data.sector * 512, &k, sizeof(k));
		if (k.whole && k.generation >= acknowledged)
			continue;
		snprintf(text, sizeof(text),
			 "slot %u of %s is listed as in sync with generation %" PRIu64 "%s, %" PRIu64
			 " was acknowledged",
			 i, v->top, k.generation, k.whole ? "" : " and holes", acknowledged);
		return text;
	}
	return NULL;
}

const char *rig_stale(struct rig *r)
{
	const char *text = NULL;

	for (unsigned i = 0; i < r->n_volumes && !text; i++)
		text = stale_in(r, &r->volume[i]);
	return text;
}

static bool enough_in(struct rig *r, const struct rig_volume *rv, const struct fake_disk *without)
{
	uint64_t acknowledged = rv->n_acks ? rv->ack[rv->n_acks - 1].generation : 1;
	const char *health = fake_dm_live(r->dm, rig_raid_dm(r, rv)) ? fake_dm_health(r->dm, rig_raid_dm(r, rv)) : NULL;
	const struct meta_volume *v = exec_volume(r->x, rv->guid);
	bool current[META_SLOTS_MAX];

	if (!v) /* let go of */
		return true;
	for (unsigned i = 0; i < v->slots; i++) {
		const struct fake_disk *disk = rig_disk_of(r, v, i) >= 0 ? r->disk[rig_disk_of(r, v, i)] : NULL;
		struct marker k = {0};

		if (disk && disk != without)
			fake_disk_peek(disk, v->members[i].offset * 512, &k, sizeof(k));
		current[i] = k.whole && k.generation >= acknowledged && !(health && health[i] == 'D');
	}
	return !rv->broken && raid_runnable(v->level, current, v->slots);
}

bool rig_enough(struct rig *r, const struct fake_disk *without)
{
	for (unsigned i = 0; i < r->n_volumes; i++)
		if (!enough_in(r, &r->volume[i], without))
			return false;
	return true;
}

static const char *disagrees_in(struct rig *r, const struct rig_volume *rv)
{
	static char text[200];
	const struct meta_volume *v = exec_volume(r->x, rv->guid);
	struct member m[META_SLOTS_MAX];
	unsigned n = members(r, rv, m);

	for (unsigned i = 0; i < n && v; i++) {
		enum member_state state = v->members[i].state;
		bool held = state == MEMBER_IN_SYNC || state == MEMBER_REBUILDING;
		struct fake_disk *disk = held && rig_disk_of(r, v, i) >= 0 ? r->disk[rig_disk_of(r, v, i)] : NULL;

		if (works(m[i].health) == held && (!held || m[i].disk == disk) &&
		    !(state == MEMBER_IN_SYNC && m[i].health == 'a'))
			continue;
		snprintf(text, sizeof(text), "slot %u of %s is '%c' in the table and %s in the metadata", i, rv->top,
			 m[i].health, member_words[state]);
		return text;
	}
	return NULL;
}

const char *rig_disagrees(struct rig *r)
{
	const char *text = NULL;

	for (unsigned i = 0; i < r->n_volumes && !text; i++)
		text = disagrees_in(r, &r->volume[i]);
	return text;
}
