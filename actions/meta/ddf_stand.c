// SPDX-License-Identifier: GPL-2.0-or-later
/* Spares that give their slot back. A spare assignment record that calls its disk revertible stays on the disk while
 * that serves, marked active (DDF 5.9). One that was written for the time of a copy alone is active and not revertible:
 * it goes with the copy. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static struct ddf_spare *record_of(struct ddf_member *m)
{
	struct ddf_spare *rec = ddf_spare_place(m);

	return rec && ddf_magic(rec) == DDF_SPARE_MAGIC ? rec : NULL;
}

static void record_type(struct ddf_member *m, struct ddf_spare *rec, unsigned type)
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;

	rec->type = (uint8_t)type;
	rec->timestamp = be32_of(ddf_now());
	ddf_seal(rec, len);
	ddf_member_touch(m, rec, len);
}

/* With this in its type; a new one, where there is none. */
int ddf_spare_mark(struct ddf_member *m, unsigned type, struct err *e)
{
	size_t len = (size_t)m->layout.record_sectors * DDF_SECTOR;
	struct ddf_spare *rec = ddf_spare_place(m);

	if (!rec)
		return err_set(e, ENOSPC, "disk %08x has no free configuration record", m->ref);
	if (ddf_magic(rec) == DDF_SPARE_MAGIC) {
		record_type(m, rec, rec->type | type);
		return 0;
	}
	memset(rec, 0xFF, len);
	rec->magic = be32_of(DDF_SPARE_MAGIC);
	rec->used = be16_of(0);
	rec->max = be16_of((uint16_t)((len - sizeof(*rec)) / sizeof(rec->entry[0])));
	record_type(m, rec, type);
	return 0;
}

void ddf_spare_idle(struct ddf_member *m)
{
	struct ddf_spare *rec = record_of(m);

	if (rec && (rec->type & DDF_SPARE_REVERTIBLE))
		record_type(m, rec, rec->type & ~(unsigned)DDF_SPARE_ACTIVE);
	else if (rec && (rec->type & DDF_SPARE_ACTIVE))
		ddf_spare_drop(m);
}

void ddf_spare_serves(struct ddf_member *m)
{
	struct ddf_spare *rec = record_of(m);

	if (rec && (rec->type & DDF_SPARE_REVERTIBLE))
		record_type(m, rec, rec->type | DDF_SPARE_ACTIVE);
	else
		ddf_spare_drop(m);
}

static int find_member(struct meta_set *s, const char *text, struct ddf_member **ret, struct err *e)
{
	uint32_t ref = 0;
	int r = ddf_ref_parse(text, &ref, e);

	if (r < 0)
		return r;
	*ret = ddf_pd(s, ref) ? ddf_member(s, ref) : NULL;
	return *ret ? 0 : err_set(e, ENODEV, "disk %s is not here", text);
}

int ddf_stand_in(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_member *m = NULL;
	int r = find_member(s, edit->ref, &m, e);

	if (r < 0)
		return r;
	if (!edit->clean) {
		ddf_spare_drop(m);
		return 0;
	}
	return ddf_spare_mark(m, DDF_SPARE_ACTIVE, e);
}

int ddf_spare_again(struct meta_set *s, const struct meta_edit *edit, struct err *e)
{
	struct ddf_pd_entry *pd;
	struct ddf_spare *rec;
	struct ddf_member *m = NULL;
	unsigned type;
	int r = find_member(s, edit->ref, &m, e);

	if (r < 0)
		return r;
	ddf_spare_idle(m);
	pd = ddf_pd_edit(s, m->ref);
	type = be16_get(pd->type) & ~(unsigned)(DDF_PD_SPARE | DDF_PD_GLOBAL_SPARE);
	rec = record_of(m);
	type |= rec && (rec->type & DDF_SPARE_DEDICATED) ? DDF_PD_SPARE : DDF_PD_GLOBAL_SPARE;
	pd->type = be16_of((uint16_t)type);
	return 0;
}
