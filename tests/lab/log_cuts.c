// SPDX-License-Identifier: GPL-2.0-or-later
/* log_cuts DIR VOLUME [--cuts N] [--looks N] [--at N]: cuts the power of a recorded machine (recorded.h) at each write
 * and flush of metadata, when it is asked for and when it is done, and starts what is left on the crash tests' machine:
 * the same reading of disks, the same decision what to list. What no flush covered is on the disks, or is not, or in
 * part. --cuts: about so many, evenly, instead of all; --looks: that many of them are written to files that mdadm and
 * sparectl read, too. --at: the cuts at that time alone, with all that a start has to say. A line for each part of the
 * recording; exit status 1: something was found. */
#include "tests/crash/rig.h"
#include "tests/lab/recorded.h"
#include "tests/lab/writer.h"
#include "tests/unit/ddf_disks.h"

#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS_MAX = 65536, COMPLAINTS_MAX = 100 };

/* What of the writes that a cut may take is on the disks. */
enum keep { KEEP_ALL, KEEP_NONE, KEEP_SECTORS, KEEP_WRITES, KEEP_DISKS, KEEP_MAX };
static const char *const keep_words[KEEP_MAX] = {"all kept", "none kept", "any sectors kept", "any writes kept",
						 "of some disks kept"};

struct cuts {
	struct recorded rec;
	const char *dir, *name;
	char set[META_GUID_MAX], volume[META_GUID_MAX];
	struct fake_disks *stable; /* what no cut takes any more, and that comes before all that one may take */
	size_t applied[REC_DISKS_MAX];
	/* Of the writer's blocks: how often each was written and acknowledged. */
	size_t next_queued, next_acked;
	uint32_t issued[BLOCKS_MAX], acked[BLOCKS_MAX];
	uint64_t seed, random;
	size_t only; /* 0: all; else the images are left in dir: DISK.KEEP */
	/* The cut that is judged. */
	const struct rec_mark *mark;
	size_t at;
	enum keep keep;
	unsigned failures;
};

static void complain(struct cuts *c, const char *what)
{
	if (c->failures++ < COMPLAINTS_MAX)
		fprintf(stderr, "%s, cut at %zu of %zu, %s: %s\n", c->mark->name, c->at, c->rec.end,
			keep_words[c->keep], what);
}

static uint64_t next_random(struct cuts *c)
{
	return c->random = mix(c->random);
}

/* --- the disks after a cut --------------------------------------------------------------------------------- */

static void put(struct fake_disk *d, const struct rec_op *op)
{
	fake_disk_poke(d, op->sector * 512, op->bytes, (size_t)op->sectors * 512);
}

/* Up to the first write that a cut could take. */
static void apply_stable(struct cuts *c)
{
	for (size_t i = 0; i < c->rec.n_disks; i++) {
		const struct rec_disk *d = &c->rec.disk[i];

		for (; c->applied[i] < d->n_ops; c->applied[i]++) {
			const struct rec_op *op = &c->rec.op[d->op[c->applied[i]]];

			if (op->error)
				continue;
			if (op->done > c->at || op->stable > c->at)
				break;
			put(fake_disk_get(c->stable, d->name), op);
		}
	}
	fake_disks_mark(c->stable);
}

/* A write that may be lost: as it was kept. */
static void put_some(struct cuts *c, struct fake_disk *d, const struct rec_op *op, bool disk_kept)
{
	if (c->keep == KEEP_ALL || (c->keep == KEEP_DISKS && disk_kept) ||
	    (c->keep == KEEP_WRITES && next_random(c) & 1))
		put(d, op);
	for (uint32_t k = 0; c->keep == KEEP_SECTORS && k < op->sectors; k++)
		if (next_random(c) & 1)
			fake_disk_poke(d, (op->sector + k) * 512, op->bytes + (size_t)k * 512, 512);
}

/* In the order in which they were done: what was written over does not come back. Then what was under way. */
static struct fake_disks *disks_at(struct cuts *c)
{
	struct fake_disks *disks = fake_disks_at(c->stable, 0, FAKE_KEEP_ALL, 0);

	for (size_t i = 0; i < c->rec.n_disks; i++) {
		const struct rec_disk *d = &c->rec.disk[i];
		struct fake_disk *disk = fake_disk_get(disks, d->name);
		bool disk_kept = next_random(c) & 1;

		for (size_t k = c->applied[i]; k < d->n_ops; k++) {
			const struct rec_op *op = &c->rec.op[d->op[k]];

			if (op->error || op->queued > c->at)
				continue;
			if (op->stable <= c->at)
				put(disk, op);
			else
				put_some(c, disk, op, disk_kept);
		}
	}
	fake_disks_mark(disks);
	return disks;
}

static void count_blocks(struct cuts *c)
{
	const struct recorded *r = &c->rec;

	for (; c->next_queued < r->n_blocks && r->block[c->next_queued].queued <= c->at; c->next_queued++)
		if (r->block[c->next_queued].block < BLOCKS_MAX)
			c->issued[r->block[c->next_queued].block]++;
	for (; c->next_acked + 1 < c->next_queued; c->next_acked++)
		if (r->block[c->next_acked].block < BLOCKS_MAX)
			c->acked[r->block[c->next_acked].block]++;
}

/* --- data -------------------------------------------------------------------------------------------------- */

struct data {
	struct rig *r;
	const struct meta_volume *v;
	const struct volume_run *run;
	const char *health;
};

static const struct fake_disk *serving(const struct data *d, unsigned slot)
{
	const struct set_disk *disk = set_disk_by_ref(&d->r->x->set, d->run->listed[slot]);

	return d->health[slot] == 'A' && disk ? fake_disk_get(d->r->disks, disk->device.node) : NULL;
}

static bool read_member(const struct data *d, unsigned slot, uint64_t sector, uint8_t *buf)
{
	const struct fake_disk *disk = serving(d, slot);

	if (disk)
		fake_disk_peek(disk, (d->v->members[slot].offset + sector) * 512, buf, BLOCK);
	return disk;
}

/* Where a block lies: RAID5 left-symmetric, as md counts (raid5_compute_sector); of RAID1 everywhere. */
static uint64_t place_of(const struct data *d, uint64_t block, unsigned *slot)
{
	unsigned n = d->v->slots;
	uint64_t chunk, stripe;

	*slot = 0;
	if (d->v->level == RAID1)
		return block * 8;
	chunk = block * 8 / d->v->chunk;
	stripe = chunk / (n - 1);
	*slot = (unsigned)((n - stripe % n + chunk % (n - 1)) % n);
	return stripe * d->v->chunk + block * 8 % d->v->chunk;
}

/* From the slot's member, or without it from all others. */
static bool read_block(const struct data *d, unsigned slot, uint64_t sector, bool without, uint8_t *buf)
{
	uint8_t other[BLOCK];

	if (!without && read_member(d, slot, sector, buf))
		return true;
	memset(buf, 0, BLOCK);
	for (unsigned i = 0; i < d->v->slots; i++) {
		if (i == slot)
			continue;
		if (!read_member(d, i, sector, other))
			return false;
		for (size_t k = 0; k < BLOCK; k++)
			buf[k] ^= other[k];
	}
	return true;
}

/* A block of the same row of chunks was being written, so that the parity may be neither. */
static bool row_in_flight(const struct cuts *c, const struct data *d, uint64_t sector)
{
	unsigned slot;

	for (size_t b = c->next_acked; b < c->next_queued; b++)
		if (place_of(d, c->rec.block[b].block, &slot) == sector)
			return true;
	return false;
}

static bool is_right(const struct cuts *c, uint64_t block, const uint8_t *buf)
{
	for (int i = 0; i < PER_BLOCK; i++) {
		int64_t found = sector_generation(buf, c->seed, block, i);

		if (found < c->acked[block] || found > c->issued[block])
			return false;
	}
	return true;
}

/* Every acknowledged block reads back; and without any one of the members that are listed as in sync, if all are. */
static void check_data(struct cuts *c, struct rig *r)
{
	struct data d = {.r = r, .v = exec_volume(r->x, c->volume), .run = exec_run(r->x, c->volume)};
	uint8_t buf[BLOCK];
	char text[96];

	d.health = fake_dm_health(r->dm, r->volume[0].top);
	for (uint64_t b = 0; b < BLOCKS_MAX; b++) {
		unsigned slot;
		uint64_t sector = place_of(&d, b, &slot);
		bool busy;

		if (!c->acked[b])
			continue;
		busy = row_in_flight(c, &d, sector);
		for (unsigned without = 0; without < 2; without++) {
			bool parity = without || !serving(&d, slot);

			if ((parity && busy) || (without && strspn(d.health, "A") < d.v->slots))
				continue;
			if (read_block(&d, slot, sector, without, buf) && is_right(c, b, buf))
				continue;
			snprintf(text, sizeof(text), "block %" PRIu64 " is not as acknowledged%s (%s)", b,
				 without ? ", read from the others" : "", d.health);
			complain(c, text);
			return;
		}
	}
}

/* --- what others read -------------------------------------------------------------------------------------- */

static char letter_of(enum member_state state)
{
	return "irsmfe"[state == MEMBER_IN_SYNC	     ? 0
			: state == MEMBER_REBUILDING ? 1
			: state == MEMBER_STALE	     ? 2
			: state == MEMBER_MISSING    ? 3
			: state == MEMBER_FAILED     ? 4
						     : 5];
}

/* What a command prints; NULL: it failed. */
static char *output_of(const char *command, const char *path)
{
	static char text[1 << 16];
	char line[512];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "%s %s 2> /dev/null", command, path);
	f = popen(line, "re");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	return f && pclose(f) == 0 ? text : NULL;
}

static void mdadm_states(const char *text, const struct meta_volume *v, char *ret)
{
	char words[64];

	for (unsigned i = 0; i < v->slots; i++) {
		test_mdadm_disk(text, v->members[i].ref, words, sizeof(words));
		ret[i] = strstr(words, "Failed")    ? 'f'
			 : strstr(words, "Missing") ? 'm'
			 : strstr(words, "Rebuild") ? 'r'
			 : strstr(words, "Online")  ? 'i'
						    : '?';
	}
	ret[v->slots] = '\0';
}

static void sparectl_states(const char *text, const char *name, char *ret)
{
	char head[64], word[16];
	const char *at;
	size_t n = 0;

	snprintf(head, sizeof(head), "volume %s ", name);
	/* The line behind the volume's has its level, if the disk has its record. */
	at = strstr(text, head);
	at = at ? strchr(at, '\n') : NULL;
	for (at = at ? strchr(at + 1, '\n') : NULL; at && sscanf(at, "\n  slot %*u %15s", word) == 1; n++) {
		struct value v;

		ret[n] = value_parse(V_ENUM, member_words, word, &v, NULL) == 0 ? letter_of((enum member_state)v.i)
										: '?';
		at = strchr(at + 1, '\n');
	}
	ret[n] = '\0';
}

/* mdadm and sparectl read of each disk alone what our reading of it says. */
static void look(struct cuts *c, struct fake_disks *disks)
{
	for (size_t i = 0; i < c->rec.n_disks; i++) {
		struct fake_disk *disk = fake_disk_get(disks, c->rec.disk[i].name);
		char path[300], ours[META_SLOTS_MAX + 1] = "", theirs[META_SLOTS_MAX + 1] = "", said[400];
		struct meta_reader reader = fake_disk_reader(disk);
		_cleanup_(meta_view_freep) struct meta_view *view = NULL;
		const struct meta_volume *v = NULL;
		struct meta_copy *copy = NULL;
		const char *text;

		if (meta_ddf.parse(&reader, &copy, NULL) == 0) {
			meta_ddf.copy_view(copy, &view, NULL);
			meta_ddf.copy_free(copy);
		}
		snprintf(path, sizeof(path), "%s/%s.%d", c->dir, c->rec.disk[i].name, (int)c->keep);
		if (fake_disk_save(disk, path) < 0)
			complain(c, "an image cannot be written");
		for (size_t k = 0; view && k < view->n_volumes; k++)
			if (strcmp(view->volumes[k].guid, c->volume) == 0)
				v = &view->volumes[k];
		for (unsigned k = 0; v && k < v->slots; k++)
			ours[k] = letter_of(v->members[k].state);
		text = output_of("mdadm -E", path);
		if (v && text)
			mdadm_states(text, v, theirs);
		if (strcmp(ours, theirs) != 0) {
			snprintf(said, sizeof(said), "%s: mdadm reads '%s', here it is '%s'", c->rec.disk[i].name,
				 theirs, ours);
			complain(c, said);
		}
		theirs[0] = '\0';
		text = output_of("sparectl meta show", path);
		if (text)
			sparectl_states(text, c->name, theirs);
		if (strcmp(ours, theirs) != 0) {
			snprintf(said, sizeof(said), "%s: sparectl reads '%s', here it is '%s'", c->rec.disk[i].name,
				 theirs, ours);
			complain(c, said);
		}
		if (!c->only)
			unlink(path);
	}
}

/* --- a start ------------------------------------------------------------------------------------------------- */

static bool allowed(const struct cuts *c, const char *states)
{
	size_t n = strlen(states);

	for (const char *p = c->mark->states; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strncmp(p, states, n) == 0 && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* One that was being made or deleted: whole, or away. */
static void start_other(struct cuts *c, struct rig *r, const char *guid)
{
	struct plan *p = rig_plan(r, 0);
	const struct meta_volume *v;
	struct err why = {0};
	char id[META_GUID_MAX];

	snprintf(id, sizeof(id), "%s", guid);
	memcpy(p->volume, id, sizeof(p->volume));
	snprintf(p->array, sizeof(p->array), "ddf-%s", id);
	rig_step(p, STEP_ASSEMBLE, -1);
	if (rig_run(r, p, &why) < 0)
		complain(c, why.msg);
	v = exec_volume(r->x, id);
	for (unsigned i = 0; v && i < v->slots; i++)
		if (v->members[i].state != MEMBER_IN_SYNC) {
			complain(c, "an array beside it is there in part");
			return;
		}
}

static void judge(struct cuts *c, struct rig *r)
{
	struct err why = {0};
	char text[200];
	int q;

	/* What a cut left of one that was being made. */
	q = rig_one(r, STEP_RECORD, -1);
	if (q == -ENODATA || !exec_volume(r->x, c->volume)) {
		if (!allowed(c, "-"))
			complain(c, q < 0 ? buf_str(&r->errors) : "it is not there any more");
		return;
	}
	if (q < 0)
		complain(c, buf_str(&r->errors));
	if (rig_assemble(r, true, false, &why) < 0) {
		complain(c, why.msg);
		return;
	}
	snprintf(text, sizeof(text), "%s", rig_states(r));
	if (!allowed(c, text)) {
		char said[400];

		snprintf(said, sizeof(said), "a start finds %s, not one of: %s", text, c->mark->states);
		complain(c, said);
	}
	check_data(c, r);
	for (size_t i = 0; i < r->x->set.view->n_volumes; i++)
		if (strcmp(r->x->set.view->volumes[i].guid, c->volume) != 0)
			start_other(c, r, r->x->set.view->volumes[i].guid);
	if (fake_dm_violation_at_end(r->dm))
		complain(c, fake_dm_violation_at_end(r->dm));
}

static void cut(struct cuts *c, bool looked)
{
	struct rig like = {.n_disks = c->rec.n_disks, .n_volumes = 1, .seed = c->at}, r;
	struct fake_disks *disks;

	c->random = mix(c->at * KEEP_MAX + c->keep);
	disks = disks_at(c);
	if (looked)
		look(c, disks);
	memcpy(like.set, c->set, sizeof(like.set));
	memcpy(like.volume[0].guid, c->volume, sizeof(like.volume[0].guid));
	snprintf(like.volume[0].top, sizeof(like.volume[0].top), "%s", c->name);
	rig_boot(&r, disks, &like, 0);
	judge(c, &r);
	rig_free(&r);
}

/* --- all of them ----------------------------------------------------------------------------------------------- */

/* The set and the volume, of which the disks spoke at the end. */
static void find_volume(struct cuts *c)
{
	c->at = c->rec.end;
	apply_stable(c);
	for (size_t i = 0; i < c->rec.n_disks; i++) {
		struct meta_reader reader = fake_disk_reader(fake_disk_get(c->stable, c->rec.disk[i].name));
		_cleanup_(meta_view_freep) struct meta_view *view = NULL;
		struct meta_copy *copy = NULL;

		if (meta_ddf.parse(&reader, &copy, NULL) < 0)
			continue;
		meta_ddf.copy_view(copy, &view, NULL);
		meta_ddf.copy_free(copy);
		for (size_t k = 0; view && k < view->n_volumes; k++)
			if (strcmp(view->volumes[k].name, c->name) == 0) {
				memcpy(c->set, view->set, sizeof(c->set));
				memcpy(c->volume, view->volumes[k].guid, sizeof(c->volume));
				return;
			}
	}
	fprintf(stderr, "log_cuts: there is no volume %s at the end\n", c->name);
	exit(2);
}

static void blank_disks(struct cuts *c)
{
	if (c->stable)
		fake_disks_free(c->stable);
	c->stable = fake_disks_new();
	for (size_t i = 0; i < c->rec.n_disks; i++)
		fake_disk_add(c->stable, c->rec.disk[i].name, c->rec.disk[i].sectors, 512);
	memset(c->applied, 0, sizeof(c->applied));
}

static int compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* When a write or flush of metadata was asked for, and when it was done. */
static size_t points(const struct recorded *r, size_t **ret)
{
	size_t n = 0, *at = calloc(2 * r->n_ops + 1, sizeof(*at));

	if (!at)
		abort();
	for (size_t i = 0; i < r->n_ops; i++) {
		if (!r->op[i].metadata || !recorded_mark(r, r->op[i].queued))
			continue;
		at[n++] = r->op[i].queued;
		if (r->op[i].done != REC_NEVER)
			at[n++] = r->op[i].done;
	}
	qsort(at, n, sizeof(*at), compare);
	*ret = at;
	return n;
}

/* Every how many of so many, for so many; not always in the same way of keeping. */
static size_t stride(size_t of, size_t wanted)
{
	size_t n = wanted && of > wanted ? of / wanted : 1;

	return n + (n > 1 && n % KEEP_MAX == 0);
}

struct part {
	const char *name;
	size_t points, cuts, looks;
};

static void tell(const struct part *p)
{
	if (p->name)
		printf("%s: %zu writes and flushes of metadata, %zu cuts, %zu read by mdadm and sparectl\n", p->name,
		       p->points / 2, p->cuts, p->looks);
}

static void cut_all(struct cuts *c, size_t wanted, size_t looks)
{
	size_t *at, n = points(&c->rec, &at), seen = 0, done = 0, every = stride(n * KEEP_MAX, wanted);
	size_t look_every = looks && !c->only ? stride(n * KEEP_MAX / every, looks) : 1;
	struct part part = {0};

	for (size_t i = 0; i < n; i++) {
		const struct rec_mark *mark = recorded_mark(&c->rec, at[i]);

		if (mark != c->mark) {
			tell(&part);
			part = (struct part){.name = mark->name};
		}
		part.points++;
		c->mark = mark;
		c->at = at[i];
		if (c->only && c->at != c->only)
			continue;
		apply_stable(c);
		count_blocks(c);
		for (unsigned k = 0; k < KEEP_MAX; k++) {
			bool looked = looks && done % look_every == 0;

			if (seen++ % every)
				continue;
			c->keep = (enum keep)k;
			cut(c, looked);
			done++, part.cuts++, part.looks += looked;
		}
	}
	tell(&part);
	printf("all: %zu writes and flushes of metadata, %zu cuts, %u complaints\n", n / 2, done, c->failures);
	free(at);
}

int main(int argc, char **argv)
{
	static struct cuts c;
	size_t cuts = 0, looks = 0;

	if (argc < 3)
		return 2;
	c.dir = argv[1], c.name = argv[2], c.seed = 1;
	for (int i = 3; i + 1 < argc; i += 2) {
		size_t n = strtoul(argv[i + 1], NULL, 0);

		if (strcmp(argv[i], "--cuts") == 0)
			cuts = n;
		else if (strcmp(argv[i], "--looks") == 0)
			looks = n;
		else if (strcmp(argv[i], "--at") == 0)
			c.only = n;
		else
			return 2;
	}
	log_setup(c.only ? LOG_INF : (enum log_level)0, NULL);
	recorded_read(&c.rec, c.dir);
	blank_disks(&c);
	find_volume(&c);
	blank_disks(&c);
	cut_all(&c, cuts, looks);
	fake_disks_free(c.stable);
	return c.failures ? 1 : 0;
}
