// SPDX-License-Identifier: GPL-2.0-or-later
/* A set's bytes for one disk, and the order in which they must reach it.
 *
 * A copy is written in two steps: (1) its header, marked open and with the sequence number that the disk has had, and
 * whatever differs behind it; flush; (2) the header, closed, with the new number; flush. Only then is the other copy
 * written the same way. The copy that is read now (active) comes last: usually that is the primary, so the secondary is
 * first, as DDF 5.5 asks. Only sectors that differ from what was read, or were ever changed in the set, are written, in
 * whole granules of 4096 bytes.
 *
 * What a reader finds when it is cut at any point, with any of the unflushed sectors in any order:
 *   secondary, step 1   we: open or a wrong CRC, so the primary (old).  mdadm: the primary, whose number is not lower
 * (old) secondary, step 2   we: the higher number of two whole copies: old until the sector is there, then new.  mdadm:
 * the same primary, step 1     we: open or a wrong CRC, so the secondary (new).  mdadm checks no CRC behind the header,
 * and reads an open primary if its number is higher: so it carries the old one, and mdadm takes the secondary (new)
 *   primary, step 2     both: new
 *   a torn header       its CRC is wrong: the other copy.
 * When the secondary is the active copy the same holds with the names exchanged: the primary is then written first,
 * open with the secondary's number, and mdadm prefers a closed secondary to an open primary of the same number. That it
 * is open is flushed before the rest: where both copies have been written since they were read, their numbers are the
 * same, and a primary that seems closed would be taken with whatever has reached it. The
 * anchor tells places only and changes with no edit; it is written last, on a disk that was blank: until then there is
 * no DDF.
 *
 * Not covered: a disk whose only readable copy is one marked open (mdadm may read the copy that is being rewritten),
 * and disks with no secondary copy, which are refused. */
#include "actions/meta/ddf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct job {
	const struct meta_set *set;
	const struct ddf_member *m;
	uint8_t *want; /* a whole copy; its header is set for each step */
	uint8_t *raw;  /* the same as the disk has it */
	bool *changed; /* by sector: written even if it looks the same as what was read */
	bool stale;    /* the disk missed updates */
	bool restamp;  /* tables, sequence and time are the set's, not the disk's own */
	struct meta_writes *out;
};

static void table_place(const struct job *j, const struct ddf_table *t, enum ddf_section sec)
{
	const struct ddf_layout *l = &j->m->layout;
	uint8_t *p = ddf_section(l, j->want, sec);

	memcpy(p, t->bytes, (size_t)t->sectors * DDF_SECTOR);
	if (t->touched[0] && !t->sealed)
		ddf_seal(p, (size_t)t->sectors * DDF_SECTOR);
	for (uint32_t i = 0; i < t->sectors; i++)
		j->changed[l->section[sec].offset + i] |= t->touched[i];
}

/* Record n of the configuration section is that of the basic volume. */
static void conf_put(const struct job *j, unsigned n, const struct ddf_bvd *b)
{
	size_t len = (size_t)j->m->layout.record_sectors * DDF_SECTOR;
	struct ddf_conf *c = (struct ddf_conf *)ddf_conf_slot(&j->m->layout, j->want, n);

	memcpy(c, b->record, len);
	if (!j->set->edited)
		return;
	for (size_t i = 0; i < j->set->n_volumes; i++) {
		const struct ddf_volume *v = &j->set->volumes[i];

		if (v->n_bvds && b >= v->bvd && b < v->bvd + v->n_bvds)
			ddf_note(j->set, v, (unsigned)(b - v->bvd), c);
	}
	ddf_seal(c, len);
}

/* Record n of the configuration section: the set's own if the disk is one of its, blank if it is not any more. What is
 * of no volume of the set is kept, unless the disk is behind: then the volume was deleted while it was away. */
static void conf_place(const struct job *j, unsigned n)
{
	const struct ddf_layout *l = &j->m->layout;
	uint8_t *rec = ddf_conf_slot(l, j->want, n);
	const struct ddf_bvd *b;
	bool known;

	if (ddf_magic(rec) != (uint32_t)DDF_CONF_MAGIC)
		return;
	b = ddf_bvd_of(j->set, (const struct ddf_conf *)rec, &known);
	if (!known && !j->stale)
		return;
	if (j->set->edited)
		memset(j->changed + l->section[DDF_SEC_CONFIG].offset + (size_t)n * l->record_sectors, true,
		       l->record_sectors);
	if (ddf_carries(j->set, b, j->m->ref))
		conf_put(j, n, b);
	else
		memset(rec, 0xFF, (size_t)l->record_sectors * DDF_SECTOR);
}

/* mdadm takes a member's record away where it has listed the spare of another pair in its place (docs/formats.md); the
 * other half of the pair would be the only one that has it. */
static void conf_give(const struct job *j, const struct ddf_bvd *b)
{
	const struct ddf_layout *l = &j->m->layout;
	unsigned n = ddf_conf_slots(l), used = 0, room = n;
	bool known;

	while (n-- > 0) {
		const struct ddf_conf *c = (const struct ddf_conf *)ddf_conf_slot(l, j->want, n);

		if (ddf_magic(c) == UINT32_MAX || ddf_magic(c) == 0)
			room = n;
		else if (ddf_magic(c) == (uint32_t)DDF_CONF_MAGIC && ddf_bvd_of(j->set, c, &known) == b)
			return;
		else
			used += ddf_magic(c) == (uint32_t)DDF_CONF_MAGIC;
	}
	if (used < l->max_partitions && room < ddf_conf_slots(l))
		conf_put(j, room, b);
}

static void confs_place(const struct job *j)
{
	for (unsigned n = 0; n < ddf_conf_slots(&j->m->layout); n++)
		conf_place(j, n);
	for (size_t i = 0; i < j->set->n_volumes; i++)
		for (unsigned k = 0; k < j->set->volumes[i].n_bvds; k++)
			if (j->set->volumes[i].bvd[k].record &&
			    ddf_carries(j->set, &j->set->volumes[i].bvd[k], j->m->ref))
				conf_give(j, &j->set->volumes[i].bvd[k]);
}

static void header_place(const struct job *j, int copy, bool open)
{
	struct ddf_header *h = (struct ddf_header *)j->want;
	const struct ddf_header *own = (const struct ddf_header *)j->m->work;

	*h = *own;
	h->type = (uint8_t)(copy + DDF_PRIMARY);
	h->open_flag = open ? DDF_OPEN : DDF_CLOSED;
	if (open && j->m->blank)
		h->seq = be32_of(0);
	if (!open && j->restamp) {
		h->seq = be32_of(j->set->seq);
		h->timestamp = be32_of(j->set->timestamp);
	}
	ddf_seal(h, ddf_block(j->m->layout.unit));
	memcpy(j->raw, h, ddf_block(j->m->layout.unit));
	ddf_header_out(&j->m->tail.dialect, j->m->layout.unit, j->raw);
}

/* ---- writes */

static int write_add(struct meta_writes *w, uint64_t sector, const void *bytes, uint32_t sectors, uint32_t filled)
{
	size_t len = (size_t)sectors * DDF_SECTOR;
	struct meta_write *list = realloc(w->w, (w->n + 1) * sizeof(*list));
	uint8_t *buf;

	if (!list)
		return -ENOMEM;
	w->w = list;
	buf = aligned_alloc(4096, (len + 4095) & ~(size_t)4095);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, bytes, (size_t)filled * DDF_SECTOR);
	memset(buf + (size_t)filled * DDF_SECTOR, 0, len - (size_t)filled * DDF_SECTOR);
	w->w[w->n++] = (struct meta_write){.sector = sector, .buf = buf, .len = len};
	return 0;
}

/* Sectors [from, to) of a copy, relative to its header; those behind the DDF sections as they were read. */
static int sectors_add(const struct job *j, int copy, uint32_t from, uint32_t to)
{
	const struct ddf_image *im = j->m->image[copy];
	uint32_t own = MIN(to, j->m->layout.sectors);
	int r;

	r = write_add(j->out, j->m->layout.lba[copy] + from, j->raw + (size_t)from * DDF_SECTOR, to - from, own - from);
	if (r == 0 && own < to && im)
		memcpy((uint8_t *)j->out->w[j->out->n - 1].buf + (size_t)(own - from) * DDF_SECTOR,
		       im->bytes + (size_t)own * DDF_SECTOR, (size_t)(to - own) * DDF_SECTOR);
	return r;
}

static bool sector_needed(const struct job *j, int copy, uint32_t i)
{
	const struct ddf_image *im = j->m->image[copy];
	size_t at = (size_t)i * DDF_SECTOR;

	return j->changed[i] || !im || memcmp(j->want + at, im->bytes + at, DDF_SECTOR) != 0;
}

/* End of the granule that sector i of the copy lies in, relative to the header. */
static uint32_t granule_end(const struct job *j, int copy, uint32_t i, uint32_t limit)
{
	uint64_t abs = j->m->layout.lba[copy] + i;

	return MIN(limit, i + DDF_GRANULE - (uint32_t)(abs % DDF_GRANULE));
}

/* Granules in which a sector is needed, adjacent ones as one write. With header: the first one whatever is in it. */
static int differences_add(const struct job *j, int copy, bool header)
{
	uint32_t limit = ddf_image_sectors(&j->m->layout, (unsigned)copy, j->m->disk_sectors);
	uint32_t from = 0, to = 0;
	int r;

	for (uint32_t start = 0, end; start < limit; start = end) {
		bool needed = header && start == 0;

		end = granule_end(j, copy, start, limit);
		for (uint32_t i = start; i < MIN(end, j->m->layout.sectors) && !needed; i++)
			needed = sector_needed(j, copy, i);
		if (!needed)
			continue;
		if (start != to && to > from) {
			r = sectors_add(j, copy, from, to);
			if (r < 0)
				return r;
		}
		from = start == to && to > from ? from : start;
		to = end;
	}
	return to > from ? sectors_add(j, copy, from, to) : 0;
}

static bool copy_needed(const struct job *j, int copy)
{
	for (uint32_t i = 0; i < j->m->layout.sectors; i++)
		if (sector_needed(j, copy, i))
			return true;
	return false;
}

/* What was added is not empty: the header is in it. */
static void flush_last(struct meta_writes *w)
{
	assert(w->n > 0 && w->w);
	w->w[w->n - 1].flush = true;
}

static int copy_add(const struct job *j, int copy)
{
	uint32_t limit = ddf_image_sectors(&j->m->layout, (unsigned)copy, j->m->disk_sectors);
	int r;

	header_place(j, copy, false);
	if (!copy_needed(j, copy))
		return 0;
	header_place(j, copy, true);
	if (copy == 0 && j->m->active == 1) {
		r = sectors_add(j, copy, 0, granule_end(j, copy, 0, limit));
		if (r < 0)
			return r;
		flush_last(j->out);
	}
	r = differences_add(j, copy, true);
	if (r < 0)
		return r;
	flush_last(j->out);
	header_place(j, copy, false);
	r = sectors_add(j, copy, 0, granule_end(j, copy, 0, limit));
	if (r < 0)
		return r;
	flush_last(j->out);
	return 0;
}

static int anchor_add(const struct job *j)
{
	const struct ddf_tail *t = &j->m->tail;
	struct ddf_tail raw = *t;
	int r;

	ddf_header_out(&t->dialect, t->unit, (uint8_t *)ddf_anchor(&raw));
	r = write_add(j->out, t->lba, raw.bytes, t->sectors, t->sectors);
	if (r == 0)
		flush_last(j->out);
	return r;
}

static int job_fill(struct job *j)
{
	const struct ddf_layout *l = &j->m->layout;
	size_t len = (size_t)l->sectors * DDF_SECTOR;

	j->want = malloc(len);
	j->raw = malloc(len);
	j->changed = malloc(l->sectors * sizeof(*j->changed));
	if (!j->want || !j->raw || !j->changed)
		return -ENOMEM;
	memcpy(j->want, j->m->work, len);
	memcpy(j->changed, j->m->touched, l->sectors * sizeof(*j->changed));
	j->stale = be32_get(((const struct ddf_header *)j->m->work)->seq) != j->set->joined_seq;
	j->restamp = j->set->edited || j->stale;
	if (j->restamp) {
		table_place(j, &j->set->pd, DDF_SEC_PD);
		table_place(j, &j->set->vd, DDF_SEC_VD);
		confs_place(j);
	}
	j->changed[0] |= j->set->edited;
	memcpy(j->raw, j->want, len);
	ddf_copy_out(&j->m->tail.dialect, l, j->raw);
	return 0;
}

int ddf_encode(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e)
{
	struct meta_writes out = {0};
	struct job j = {.set = s, .out = &out};
	uint32_t n;
	int r;

	r = ddf_ref_parse(ref, &n, e);
	if (r < 0)
		return r;
	j.m = ddf_member(s, n);
	if (!j.m)
		return err_set(e, ENODEV, "disk %s is not here", ref);
	if (!ddf_pd(s, n))
		return err_set(e, ENOENT, "the set no longer knows disk %s", ref);
	if (j.m->layout.lba[1] == DDF_NO_LBA)
		return err_set(e, ENOTSUP, "disk %s has no secondary DDF copy: a torn write would lose the only one",
			       ref);
	r = job_fill(&j);
	if (r == 0)
		r = copy_add(&j, !j.m->active);
	if (r == 0)
		r = copy_add(&j, j.m->active);
	if (r == 0 && j.m->blank)
		r = anchor_add(&j);
	free(j.want);
	free(j.raw);
	free(j.changed);
	if (r < 0) {
		meta_writes_free(&out);
		return err_set(e, -r, "out of memory");
	}
	*ret = out;
	return 0;
}

/* The anchor first: without it there is no DDF, whatever is left of the rest. Headers then, so that nobody who looks
 * for one finds a set that is no more. */
int ddf_erase(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e)
{
	_Alignas(8) static const uint8_t zero[DDF_GRANULE * DDF_SECTOR];
	struct meta_writes out = {0};
	const struct ddf_member *m;
	struct ddf_tail t;
	uint32_t n;
	int r = ddf_ref_parse(ref, &n, e);

	if (r < 0)
		return r;
	m = ddf_member(s, n);
	if (!m)
		return err_set(e, ENODEV, "disk %s is not here", ref);
	t = m->tail;
	memset(ddf_anchor(&t), 0, ddf_block(t.unit));
	r = write_add(&out, t.lba, t.bytes, t.sectors, t.sectors);
	if (r == 0)
		flush_last(&out);
	for (int copy = 0; copy < 2 && r == 0; copy++)
		if (m->layout.lba[copy] != DDF_NO_LBA)
			r = write_add(&out, m->layout.lba[copy], zero, t.unit, t.unit);
	if (r < 0) {
		meta_writes_free(&out);
		return err_set(e, -r, "out of memory");
	}
	flush_last(&out);
	*ret = out;
	return 0;
}
