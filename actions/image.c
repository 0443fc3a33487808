// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SECTOR = 512, RUN_OVERHEAD = 32 };

struct image *image_new(const char *plan, const char *set)
{
	struct image *im = calloc(1, sizeof(*im));

	if (!im)
		return NULL;
	snprintf(im->plan, sizeof(im->plan), "%s", plan);
	snprintf(im->set, sizeof(im->set), "%s", set);
	return im;
}

void image_free(struct image *im)
{
	if (!im)
		return;
	for (size_t i = 0; i < im->n_disks; i++) {
		for (size_t k = 0; k < im->disk[i]->n_runs; k++)
			free(im->disk[i]->run[k].bytes);
		free(im->disk[i]->run);
		free(im->disk[i]);
	}
	free(im);
}

struct image_disk *image_disk(const struct image *im, const char *device)
{
	for (size_t i = 0; i < im->n_disks; i++)
		if (strcmp(im->disk[i]->device, device) == 0)
			return im->disk[i];
	return NULL;
}

struct image_disk *image_add_disk(struct image *im, const char *device, const char *name, uint64_t sectors,
				  unsigned sector_size)
{
	struct image_disk *d = im->n_disks < ARRAY_SIZE(im->disk) ? calloc(1, sizeof(*d)) : NULL;

	if (!d)
		return NULL;
	snprintf(d->device, sizeof(d->device), "%s", device);
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->sectors = sectors;
	d->sector_size = sector_size;
	im->disk[im->n_disks++] = d;
	return d;
}

/* ---- sectors ---- */

static const struct image_run *find(const struct image_disk *d, uint64_t sector)
{
	for (size_t i = d->n_runs; i-- > 0;)
		if (sector >= d->run[i].sector && sector - d->run[i].sector < d->run[i].sectors)
			return &d->run[i];
	return NULL;
}

static bool is_fill(const uint8_t *sector)
{
	return memcmp(sector, sector + 1, SECTOR - 1) == 0;
}

/* data NULL: filled with the byte. */
static int add_run(struct image *im, struct image_disk *d, uint64_t sector, uint32_t sectors, const uint8_t *data,
		   uint8_t fill)
{
	size_t len = data ? (size_t)sectors * SECTOR : 0;
	struct image_run *r;

	if (len > IMAGE_BYTES_MAX - im->bytes || sectors > IMAGE_SECTORS_MAX - d->held || d->n_runs == IMAGE_RUNS_MAX)
		return -ENOSPC;
	if (d->n_runs == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 64;
		struct image_run *more = reallocarray(d->run, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->run = more;
		d->cap = cap;
	}
	r = &d->run[d->n_runs];
	*r = (struct image_run){.sector = sector, .sectors = sectors, .fill = fill};
	if (data) {
		r->bytes = malloc(len);
		if (!r->bytes)
			return -ENOMEM;
		memcpy(r->bytes, data, len);
	}
	d->n_runs++;
	d->held += sectors;
	im->bytes += len;
	return 0;
}

/* As long as the next sector is of the same kind: filled with the same byte, with different ones, or there already. */
static uint32_t alike(const struct image_disk *d, uint64_t at, const uint8_t *bytes, uint32_t from, uint32_t n)
{
	bool had = find(d, at + from), fill = is_fill(bytes + (size_t)from * SECTOR);
	uint32_t i = from + 1;

	for (; i < n; i++) {
		const uint8_t *s = bytes + (size_t)i * SECTOR;

		if ((find(d, at + i) != NULL) != had || is_fill(s) != fill ||
		    (fill && s[0] != bytes[(size_t)from * SECTOR]))
			break;
	}
	return i;
}

int image_add(struct image *im, struct image_disk *d, uint64_t sector, const void *bytes, uint32_t sectors)
{
	const uint8_t *p = bytes;
	int r = 0;

	if (sectors > d->sectors || sector > d->sectors - sectors)
		return -ERANGE;
	for (uint32_t from = 0, to; from < sectors && r == 0; from = to) {
		const uint8_t *s = p + (size_t)from * SECTOR;

		to = alike(d, sector, p, from, sectors);
		if (!find(d, sector + from))
			r = add_run(im, d, sector + from, to - from, is_fill(s) ? NULL : s, s[0]);
	}
	return r;
}

/* How many sectors from there on are all there already, or all not. */
static uint32_t stretch(const struct image_disk *d, uint64_t sector, uint32_t sectors, bool *had)
{
	const struct image_run *r = find(d, sector);
	uint64_t end = sector + sectors;

	*had = r;
	if (r)
		return (uint32_t)(MIN(end, r->sector + r->sectors) - sector);
	for (size_t i = 0; i < d->n_runs; i++)
		if (d->run[i].sector > sector)
			end = MIN(end, d->run[i].sector);
	return (uint32_t)(end - sector);
}

/* Without bytes: a gap, or filled. */
static int add_bare(struct image *im, struct image_disk *d, uint64_t sector, uint32_t sectors, bool gap, uint8_t fill)
{
	int r = 0;

	if (sectors > d->sectors || sector > d->sectors - sectors)
		return -ERANGE;
	for (uint32_t at = 0, n; at < sectors && r == 0; at += n) {
		bool had;

		n = stretch(d, sector + at, sectors - at, &had);
		if (had)
			continue;
		r = add_run(im, d, sector + at, n, NULL, fill);
		if (r == 0)
			d->run[d->n_runs - 1].gap = gap;
	}
	return r;
}

int image_gap(struct image *im, struct image_disk *d, uint64_t sector, uint32_t sectors)
{
	return add_bare(im, d, sector, sectors, true, 0);
}

int image_read(const struct image_disk *d, uint64_t sector, void *buf, uint32_t sectors)
{
	for (uint32_t i = 0; i < sectors; i++) {
		const struct image_run *r = find(d, sector + i);
		uint8_t *to = (uint8_t *)buf + (size_t)i * SECTOR;

		if (!r || r->gap)
			return -EIO;
		if (r->bytes)
			memcpy(to, r->bytes + (sector + i - r->sector) * SECTOR, SECTOR);
		else
			memset(to, r->fill, SECTOR);
	}
	return 0;
}

int image_over(const struct image_disk *d, uint64_t sector, void *buf, uint32_t sectors)
{
	for (uint32_t i = 0; i < sectors; i++) {
		const struct image_run *r = find(d, sector + i);

		if (r && r->gap)
			return -ENODATA;
		if (r)
			image_read(d, sector + i, (uint8_t *)buf + (size_t)i * SECTOR, 1);
	}
	return 0;
}

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	const struct image_disk *d = u;

	if (sectors > d->sectors || sector > d->sectors - sectors)
		return -ERANGE;
	return image_read(d, sector, buf, sectors);
}

struct meta_reader image_reader(struct image_disk *d)
{
	return (struct meta_reader){.read = reader_read, .u = d, .sectors = d->sectors, .sector_size = d->sector_size};
}

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64(const uint8_t *p, size_t len)
{
	_cleanup_(freep) char *text = malloc((len + 2) / 3 * 4 + 1);
	size_t n = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < len ? p[i + 2] : 0);

		text[n++] = digits[v >> 18];
		text[n++] = digits[v >> 12 & 63];
		text[n++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		text[n++] = i + 2 < len ? digits[v & 63] : '=';
	}
	return json_stringn(text, n);
}

static int digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : c == '=' ? 0 : -1;
}

/* Exactly len bytes. */
static int unbase64(const char *text, size_t n, uint8_t *ret, size_t len)
{
	if (n != (len + 2) / 3 * 4)
		return -EBADMSG;
	for (size_t i = 0, k = 0; i < n; i += 4) {
		uint32_t v = 0;

		for (size_t m = 0; m < 4; m++) {
			int d = digit(text[i + m]);

			if (d < 0)
				return -EBADMSG;
			v = v << 6 | (uint32_t)d;
		}
		for (int shift = 16; shift >= 0 && k < len; shift -= 8)
			ret[k++] = (uint8_t)(v >> shift);
	}
	return 0;
}

/* ---- parts ---- */

struct telling {
	struct image *im;
	void (*tell)(void *u, const json_t *part);
	void *u;
};

/* Takes what. */
static int tell_part(const struct telling *t, const char *key, json_t *what, const struct image_disk *d)
{
	json_t *j = what ? json_pack("{s:s s:s s:i s:O}", "plan", t->im->plan, "set", t->im->set, "part",
				     (int)t->im->parts++, key, what)
			 : NULL;

	json_decref(what);
	if (j && d &&
	    (json_object_set_new(j, "disk", json_string(d->device)) < 0 ||
	     json_object_set_new(j, "name", json_string(d->name)) < 0 ||
	     json_object_set_new(j, "sectors", json_integer((json_int_t)d->sectors)) < 0 ||
	     json_object_set_new(j, "sector-size", json_integer(d->sector_size)) < 0)) {
		json_decref(j);
		j = NULL;
	}
	if (!j)
		return -ENOMEM;
	t->tell(t->u, j);
	json_decref(j);
	return 0;
}

/* What one part has so far: of two copies of the format most sectors are the same, and told once. */
struct told_runs {
	json_t *list;
	size_t bytes, n;
	struct {
		const uint8_t *bytes;
		uint32_t sectors;
		int at; /* in the list */
	} run[64];
};

static json_t *tell_bytes(struct told_runs *t, const uint8_t *bytes, uint32_t sectors)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->run[i].sectors == sectors && memcmp(t->run[i].bytes, bytes, (size_t)sectors * SECTOR) == 0)
			return json_pack("{s:i}", "as", t->run[i].at);
	if (t->n < ARRAY_SIZE(t->run)) {
		t->run[t->n].bytes = bytes;
		t->run[t->n].sectors = sectors;
		t->run[t->n++].at = (int)json_array_size(t->list);
	}
	return base64(bytes, (size_t)sectors * SECTOR);
}

static int tell_run(struct told_runs *t, const struct image_run *run, uint32_t at, uint32_t sectors)
{
	json_t *what;

	if (run->bytes)
		what = tell_bytes(t, run->bytes + (size_t)at * SECTOR, sectors);
	else
		what = run->gap ? json_null() : json_integer(run->fill);
	t->bytes += run->bytes ? (size_t)sectors * SECTOR : RUN_OVERHEAD;
	return json_array_append_new(t->list, json_pack("[I I o]", (json_int_t)run->sector + (json_int_t)at,
							(json_int_t)sectors, what)) < 0
		       ? -ENOMEM
		       : 0;
}

/* A long run is told in pieces. */
static int tell_disk(const struct telling *t, const struct image_disk *d)
{
	struct told_runs told = {.list = json_array()};
	int r = 0;

	for (size_t i = d->told; i < d->n_runs && r == 0; i++) {
		const struct image_run *run = &d->run[i];

		for (uint32_t at = 0, n; at < run->sectors && r == 0; at += n) {
			n = run->bytes ? MIN(run->sectors - at, (uint32_t)(IMAGE_PART_MAX / SECTOR)) : run->sectors;
			if (run->bytes && told.bytes + (size_t)n * SECTOR > IMAGE_PART_MAX) {
				r = tell_part(t, "runs", told.list, d);
				told = (struct told_runs){.list = json_array()};
			}
			if (r == 0)
				r = tell_run(&told, run, at, n);
		}
	}
	if (r < 0) {
		json_decref(told.list);
		return r;
	}
	return tell_part(t, "runs", told.list, d);
}

int image_tell(struct image *im, void (*tell)(void *u, const json_t *part), void *u)
{
	const struct telling t = {.im = im, .tell = tell, .u = u};
	int r = 0;

	for (size_t i = 0; i < im->n_disks && r == 0; i++) {
		struct image_disk *d = im->disk[i];

		if (d->told == 0 || d->told < d->n_runs)
			r = tell_disk(&t, d);
		d->told = d->n_runs;
	}
	return r;
}

int image_tell_end(struct image *im, bool cut, void (*tell)(void *u, const json_t *part), void *u)
{
	const struct telling t = {.im = im, .tell = tell, .u = u};
	uint64_t sectors = 0;

	for (size_t i = 0; i < im->n_disks; i++)
		for (size_t k = 0; k < im->disk[i]->n_runs; k++)
			sectors += im->disk[i]->run[k].gap ? 0 : im->disk[i]->run[k].sectors;
	return tell_part(&t, "end",
			 json_pack("{s:i s:I s:I s:b}", "disks", (int)im->n_disks, "sectors", (json_int_t)sectors,
				   "bytes", (json_int_t)im->bytes, "cut", (int)cut),
			 NULL);
}

int image_tell_left(struct image *im, void (*tell)(void *u, const json_t *part), void *u)
{
	const struct telling t = {.im = im, .tell = tell, .u = u};
	json_t *left = json_object();

	for (size_t i = 0; i < im->n_disks; i++)
		json_object_set_new(left, im->disk[i]->device, json_integer((json_int_t)im->disk[i]->left));
	return tell_part(&t, "left", left, NULL);
}

/* runs: of the part, for one that is as another one. */
static int take_run(struct image *im, struct image_disk *d, const json_t *run, const json_t *runs)
{
	const json_t *what = json_array_get(run, 2), *as = json_object_get(what, "as"), *other;
	json_int_t sector = json_integer_value(json_array_get(run, 0));
	json_int_t sectors = json_integer_value(json_array_get(run, 1));
	_cleanup_(freep) uint8_t *bytes = NULL;

	if (sector < 0 || sectors <= 0 || (uint64_t)sectors > IMAGE_SECTORS_MAX || (uint64_t)sectors > d->sectors ||
	    (uint64_t)sector > d->sectors - (uint64_t)sectors)
		return -EBADMSG;
	if (json_is_integer(what) && json_integer_value(what) >= 0 && json_integer_value(what) <= UINT8_MAX)
		return add_bare(im, d, (uint64_t)sector, (uint32_t)sectors, false, (uint8_t)json_integer_value(what));
	if (json_is_null(what))
		return image_gap(im, d, (uint64_t)sector, (uint32_t)sectors);
	if (as) {
		other = json_array_get(runs, (size_t)json_integer_value(as));
		what = json_equal(json_array_get(other, 1), json_array_get(run, 1)) ? json_array_get(other, 2) : NULL;
	}
	if (!json_is_string(what) || sectors > IMAGE_PART_MAX / SECTOR)
		return -EBADMSG;
	bytes = calloc((size_t)sectors, SECTOR);
	if (!bytes)
		return -ENOMEM;
	if (unbase64(json_string_value(what), json_string_length(what), bytes, (size_t)sectors * SECTOR) < 0)
		return -EBADMSG;
	return image_add(im, d, (uint64_t)sector, bytes, (uint32_t)sectors);
}

static int take_runs(struct image *im, const json_t *part, struct err *e)
{
	const char *device, *name;
	json_int_t sectors;
	struct image_disk *d;
	int sector_size, r = 0;
	json_t *runs, *run;
	json_error_t je;
	size_t i;

	if (json_unpack_ex((json_t *)part, &je, 0, "{s:s s:s s:I s:i s:o}", "disk", &device, "name", &name, "sectors",
			   &sectors, "sector-size", &sector_size, "runs", &runs) < 0)
		return err_set(e, EBADMSG, "image: %s", je.text);
	if (strlen(device) >= DEVICE_ID_MAX || sectors < 0 || sector_size < 512 || sector_size > 4096)
		return err_set(e, EBADMSG, "image: a disk that cannot be");
	d = image_disk(im, device);
	if (!d)
		d = image_add_disk(im, device, name, (uint64_t)sectors, (unsigned)sector_size);
	if (!d)
		return err_set(e, ENOMEM, "image: too many disks, or out of memory");
	json_array_foreach(runs, i, run)
	{
		if (r == 0)
			r = take_run(im, d, run, runs);
	}
	return r < 0 ? err_sys(e, -r, "image of %s", d->name) : 0;
}

int image_lay(struct image *im, const json_t *part, struct err *e)
{
	return json_object_get(part, "end") ? 0 : take_runs(im, part, e);
}

static void take_left(struct image *im, const json_t *left)
{
	for (size_t i = 0; i < im->n_disks; i++)
		im->disk[i]->left = (uint64_t)json_integer_value(json_object_get(left, im->disk[i]->device));
	im->whole = true;
}

int image_take(struct image **im, const json_t *part, struct err *e)
{
	const json_t *left = json_object_get(part, "left");
	json_int_t number = 0;
	const char *plan, *set;
	json_error_t je;

	if (json_unpack_ex((json_t *)part, &je, 0, "{s:s s:s s:I}", "plan", &plan, "set", &set, "part", &number) < 0)
		return err_set(e, EBADMSG, "image: %s", je.text);
	if (strlen(plan) >= PLAN_ID_MAX || strlen(set) >= META_GUID_MAX)
		return err_set(e, EBADMSG, "image: of which plan and set?");
	if (!*im)
		*im = image_new(plan, set);
	if (!*im)
		return err_set(e, ENOMEM, "out of memory");
	if ((*im)->whole || strcmp((*im)->plan, plan) != 0 || strcmp((*im)->set, set) != 0)
		return err_set(e, EBADMSG, "image: a part of another plan");
	if (number != (json_int_t)(*im)->parts)
		return err_set(e, EBADMSG, "image: part %u is missing", (*im)->parts);
	(*im)->parts++;
	if (!left)
		return take_runs(*im, part, e);
	take_left(*im, left);
	return 0;
}
