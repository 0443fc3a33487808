// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of the kernel that the machine plays, and what is to be seen of it. */
#include "tests/crash/rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
void rig_begin_table(struct rig *r)
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
	rig_begin_table(r);
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
