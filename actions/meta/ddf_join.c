// SPDX-License-Identifier: GPL-2.0-or-later
/* Several disks' copies become one set: the tables of the freshest, and of each configuration record the freshest. */
#include "actions/meta/ddf.h"

#include <errno.h>
#include <string.h>

static const struct ddf_header *active_header(const struct meta_copy *c)
{
	return ddf_image_header(c->image[c->active]);
}

static uint32_t copy_seq(const struct meta_copy *c)
{
	return be32_get(active_header(c)->seq);
}

static uint32_t copy_ref(const struct meta_copy *c)
{
	return be32_get(((struct ddf_data *)ddf_section(&c->layout, c->image[c->active]->bytes, DDF_SEC_DATA))->ref);
}

/* ---- tables */

int ddf_table_init(struct ddf_table *t, const uint8_t *bytes, uint32_t sectors)
{
	t->sectors = sectors;
	t->bytes = aligned_alloc(4096, ((size_t)sectors * DDF_SECTOR + 4095) & ~(size_t)4095);
	t->touched = calloc(sectors, sizeof(*t->touched));
	if (!t->bytes || !t->touched)
		return -ENOMEM;
	memcpy(t->bytes, bytes, (size_t)sectors * DDF_SECTOR);
	return 0;
}

static void table_clear(struct ddf_table *t)
{
	free(t->bytes);
	free(t->touched);
}

void ddf_touch(struct ddf_table *t, const void *p, size_t n)
{
	size_t from = (size_t)((const uint8_t *)p - t->bytes) / DDF_SECTOR;
	size_t to = (size_t)((const uint8_t *)p + n - 1 - t->bytes) / DDF_SECTOR;

	t->touched[0] = true; /* its CRC */
	t->sealed = false;
	for (size_t i = from; i <= to; i++)
		t->touched[i] = true;
}

const struct ddf_pd_entry *ddf_pd(const struct meta_set *s, uint32_t ref)
{
	const struct ddf_pd_table *t = ddf_pds(s);

	for (unsigned i = 0; i < be16_get(t->max); i++)
		if (be32_get(t->entry[i].ref) == ref && ddf_pd_used(&t->entry[i]))
			return &t->entry[i];
	return NULL;
}

struct ddf_pd_entry *ddf_pd_edit(struct meta_set *s, uint32_t ref)
{
	struct ddf_pd_entry *pd = (struct ddf_pd_entry *)ddf_pd(s, ref);

	if (pd)
		ddf_touch(&s->pd, pd, sizeof(*pd));
	return pd;
}

const struct ddf_vd_entry *ddf_vd(const struct meta_set *s, const struct ddf_volume *v)
{
	return &ddf_vds(s)->entry[v->entry];
}

struct ddf_vd_entry *ddf_vd_edit(struct meta_set *s, const struct ddf_volume *v)
{
	struct ddf_vd_entry *vd = &ddf_vds(s)->entry[v->entry];

	ddf_touch(&s->vd, vd, sizeof(*vd));
	return vd;
}

/* ---- members */

void ddf_member_clear(struct ddf_member *m)
{
	ddf_image_unref(m->image[0]);
	ddf_image_unref(m->image[1]);
	free(m->work);
	free(m->touched);
}

struct ddf_member *ddf_member(const struct meta_set *s, uint32_t ref)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i].ref == ref)
			return &s->members[i];
	return NULL;
}

static int member_init(struct ddf_member *m, const struct meta_copy *c)
{
	size_t len = (size_t)c->layout.sectors * DDF_SECTOR;

	*m = (struct ddf_member){
		.ref = copy_ref(c),
		.disk_sectors = c->disk_sectors,
		.tail = c->tail,
		.layout = c->layout,
		.image = {ddf_image_ref(c->image[0]), ddf_image_ref(c->image[1])},
		.active = c->active,
		.work = malloc(len),
		.touched = calloc(c->layout.sectors, sizeof(*m->touched)),
	};
	if (!m->work || !m->touched)
		return -ENOMEM;
	memcpy(m->work, c->image[c->active]->bytes, len);
	return 0;
}

static int member_copy(struct ddf_member *m, const struct ddf_member *o)
{
	size_t len = (size_t)o->layout.sectors * DDF_SECTOR, flags = o->layout.sectors * sizeof(*o->touched);

	*m = *o;
	ddf_image_ref(m->image[0]);
	ddf_image_ref(m->image[1]);
	m->work = malloc(len);
	m->touched = malloc(flags);
	if (!m->work || !m->touched)
		return -ENOMEM;
	memcpy(m->work, o->work, len);
	memcpy(m->touched, o->touched, flags);
	return 0;
}

/* ---- volumes */

static int bvd_set(const struct meta_set *s, struct ddf_bvd *b, const void *record, uint64_t seq)
{
	size_t len = (size_t)s->record_sectors * DDF_SECTOR;

	if (!b->record)
		b->record = malloc(len);
	if (!b->record)
		return -ENOMEM;
	memcpy(b->record, record, len);
	b->seq = seq;
	return 0;
}

/* Takes a disk's record in if none as fresh is known: by the header that it came with, then by its own number. What the
 * freshest record says of the number of secondary elements holds; a record that disagrees is stale. */
static int volume_take(const struct meta_set *s, struct ddf_volume *v, const struct ddf_conf *conf, uint64_t seq)
{
	unsigned n = conf->secondary_elements, i = n > 1 ? conf->secondary_seq : 0;
	struct ddf_bvd *b;

	if (!v->n_bvds) {
		v->bvd = calloc(n, sizeof(*v->bvd));
		if (!v->bvd)
			return -ENOMEM;
		v->n_bvds = n;
	}
	if (n != v->n_bvds)
		return 0;
	b = &v->bvd[i];
	if (b->record && (seq < b->seq || (seq == b->seq && be32_get(conf->seq) <= be32_get(ddf_conf(b)->seq))))
		return 0;
	return bvd_set(s, b, conf, seq);
}

static int volume_fill(const struct meta_set *s, struct ddf_volume *v, const struct meta_copy *const *by_age, size_t n)
{
	const char *guid = ddf_vds(s)->entry[v->entry].guid;

	for (size_t i = 0; i < n; i++) {
		const struct meta_copy *c = by_age[i];

		for (unsigned k = 0; k < ddf_conf_slots(&c->layout); k++) {
			const void *rec = ddf_conf_slot(&c->layout, c->image[c->active]->bytes, k);
			const struct ddf_conf *conf = rec;

			if (ddf_magic(rec) == (uint32_t)DDF_CONF_MAGIC && memcmp(conf->guid, guid, DDF_GUID_LEN) == 0 &&
			    volume_take(s, v, conf, copy_seq(c)) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int volumes_init(struct meta_set *s, const struct meta_copy *const *by_age, size_t n)
{
	const struct ddf_vd_table *t = ddf_vds(s);

	s->volumes = calloc(META_VOLUMES_MAX, sizeof(*s->volumes));
	if (!s->volumes)
		return -ENOMEM;
	for (unsigned i = 0; i < be16_get(t->max); i++) {
		if (!ddf_vd_used(&t->entry[i]))
			continue;
		s->volumes[s->n_volumes].entry = i;
		if (volume_fill(s, &s->volumes[s->n_volumes++], by_age, n) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int volume_copy(const struct meta_set *s, struct ddf_volume *v, const struct ddf_volume *o)
{
	*v = *o;
	v->bvd = o->n_bvds ? calloc(o->n_bvds, sizeof(*v->bvd)) : NULL;
	if (o->n_bvds && !v->bvd) {
		v->n_bvds = 0;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < o->n_bvds; i++)
		if (o->bvd[i].record && bvd_set(s, &v->bvd[i], o->bvd[i].record, o->bvd[i].seq) < 0)
			return -ENOMEM;
	return 0;
}

/* ---- the set */

void ddf_set_free(struct meta_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_members; i++)
		ddf_member_clear(&s->members[i]);
	for (size_t i = 0; i < s->n_volumes; i++) {
		for (unsigned k = 0; k < s->volumes[i].n_bvds; k++)
			free(s->volumes[i].bvd[k].record);
		free(s->volumes[i].bvd);
	}
	table_clear(&s->pd);
	table_clear(&s->vd);
	free(s->members);
	free(s->volumes);
	free(s);
}

static int by_age_cmp(const void *av, const void *bv)
{
	uint32_t a = copy_seq(*(const struct meta_copy *const *)av), b = copy_seq(*(const struct meta_copy *const *)bv);

	return a > b ? -1 : a < b;
}

/* Disks of one set lay their records out alike; only where the copies begin differs. */
static int alike(const struct meta_copy *a, const struct meta_copy *b, struct err *e)
{
	const struct ddf_layout *x = &a->layout, *y = &b->layout;

	if (memcmp(active_header(a)->guid, active_header(b)->guid, DDF_GUID_LEN) != 0)
		return err_set(e, EINVAL, "disks %08x and %08x are of two DDF containers", copy_ref(a), copy_ref(b));
	if (x->unit != y->unit)
		return err_set(e, ENOTSUP, "disks %08x and %08x of one DDF container have sectors of %zu and %zu bytes",
			       copy_ref(a), copy_ref(b), ddf_block(x->unit), ddf_block(y->unit));
	if (a->tail.dialect.little != b->tail.dialect.little || a->tail.dialect.usual_crc != b->tail.dialect.usual_crc)
		return err_set(e, ENOTSUP, "disks %08x and %08x of one DDF container have %s", copy_ref(a), copy_ref(b),
			       a->tail.dialect.little != b->tail.dialect.little ? "numbers in different byte orders"
										: "CRCs of different kinds");
	if (x->section[DDF_SEC_PD].sectors != y->section[DDF_SEC_PD].sectors ||
	    x->section[DDF_SEC_VD].sectors != y->section[DDF_SEC_VD].sectors ||
	    x->record_sectors != y->record_sectors || x->max_elements != y->max_elements)
		return err_set(e, EBADMSG, "disks %08x and %08x of one DDF container have tables of different sizes",
			       copy_ref(a), copy_ref(b));
	return 0;
}

static int copies_check(const struct meta_copy *const *by_age, size_t n, struct err *e)
{
	for (size_t i = 1; i < n; i++) {
		int r = alike(by_age[0], by_age[i], e);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (copy_ref(by_age[i]) == copy_ref(by_age[k]))
				return err_set(e, EBADMSG, "two disks say that they are %08x: one is a clone",
					       copy_ref(by_age[i]));
	}
	return 0;
}

static int set_fill(struct meta_set *s, const struct meta_copy *const *by_age, size_t n)
{
	const struct meta_copy *top = by_age[0];
	const uint8_t *bytes = top->image[top->active]->bytes;
	const struct ddf_layout *l = &top->layout;

	s->seq = s->joined_seq = copy_seq(top);
	s->timestamp = be32_get(active_header(top)->timestamp);
	s->unit = l->unit;
	s->record_sectors = l->record_sectors;
	s->max_elements = l->max_elements;
	if (ddf_table_init(&s->pd, ddf_section(l, bytes, DDF_SEC_PD), l->section[DDF_SEC_PD].sectors) < 0 ||
	    ddf_table_init(&s->vd, ddf_section(l, bytes, DDF_SEC_VD), l->section[DDF_SEC_VD].sectors) < 0)
		return -ENOMEM;
	s->members = calloc(n, sizeof(*s->members));
	if (!s->members)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (member_init(&s->members[s->n_members++], by_age[i]) < 0)
			return -ENOMEM;
	return volumes_init(s, by_age, n);
}

int ddf_join(const struct meta_copy *const *copies, size_t n, struct meta_set **ret, struct err *e)
{
	_cleanup_(ddf_set_freep) struct meta_set *s = calloc(1, sizeof(*s));
	_cleanup_(freep) const struct meta_copy **by_age = calloc(MAX(n, 1), sizeof(*by_age));
	int r;

	if (!s || !by_age)
		return err_set(e, ENOMEM, "out of memory");
	if (n == 0 || n > META_DISKS_MAX)
		return err_set(e, EINVAL, "a DDF set of %zu disks cannot be joined", n);
	memcpy(by_age, copies, n * sizeof(*by_age));
	qsort(by_age, n, sizeof(*by_age), by_age_cmp);
	r = copies_check(by_age, n, e);
	if (r < 0)
		return r;
	if (set_fill(s, by_age, n) < 0)
		return err_set(e, ENOMEM, "out of memory");
	r = ddf_check_set(s, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_volumes; i++)
		ddf_volume_behind(s, &s->volumes[i]);
	*ret = TAKE_PTR(s);
	return 0;
}

static int set_copy(struct meta_set *s, const struct meta_set *o)
{
	s->members = calloc(MAX(o->n_members, 1), sizeof(*s->members));
	s->volumes = calloc(META_VOLUMES_MAX, sizeof(*s->volumes));
	if (!s->members || !s->volumes || ddf_table_init(&s->pd, o->pd.bytes, o->pd.sectors) < 0 ||
	    ddf_table_init(&s->vd, o->vd.bytes, o->vd.sectors) < 0)
		return -ENOMEM;
	memcpy(s->pd.touched, o->pd.touched, o->pd.sectors * sizeof(*o->pd.touched));
	memcpy(s->vd.touched, o->vd.touched, o->vd.sectors * sizeof(*o->vd.touched));
	for (size_t i = 0; i < o->n_members; i++)
		if (member_copy(&s->members[s->n_members++], &o->members[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < o->n_volumes; i++)
		if (volume_copy(s, &s->volumes[s->n_volumes++], &o->volumes[i]) < 0)
			return -ENOMEM;
	return 0;
}

struct meta_set *ddf_set_clone(const struct meta_set *o)
{
	_cleanup_(ddf_set_freep) struct meta_set *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->seq = o->seq;
	s->joined_seq = o->joined_seq;
	s->timestamp = o->timestamp;
	s->edited = o->edited;
	s->unit = o->unit;
	s->record_sectors = o->record_sectors;
	s->max_elements = o->max_elements;
	return set_copy(s, o) < 0 ? NULL : TAKE_PTR(s);
}

void ddf_set_rewrite(struct meta_set *s)
{
	s->pd.sealed = s->vd.sealed = false;
	memset(s->pd.touched, true, s->pd.sectors * sizeof(*s->pd.touched));
	memset(s->vd.touched, true, s->vd.sectors * sizeof(*s->vd.touched));
	for (size_t i = 0; i < s->n_members; i++)
		memset(s->members[i].touched, true, s->members[i].layout.sectors * sizeof(*s->members[i].touched));
}
