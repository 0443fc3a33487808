// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/before.h"

#include <errno.h>
#include <string.h>

enum { SECTOR = 512 };

/* ---- rows of the history ---- */

static const char *text_of(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "";
}

static json_int_t id_of(const json_t *row)
{
	return json_integer_value(json_object_get(row, "id"));
}

/* Numbers of plans come again when the daemon's state is lost: the newest is meant, which begins with part 0. */
struct first {
	json_int_t id;
	bool begun;
};

static bool find_first(void *u, const json_t *row)
{
	struct first *f = u;
	const json_t *number = json_object_get(json_object_get(row, "row"), "part");

	f->id = id_of(row);
	f->begun = json_is_integer(number) && json_integer_value(number) == 0;
	return !f->begun;
}

struct since {
	json_int_t first;
	json_t *parts; /* newest first */
};

static bool keep(void *u, const json_t *row)
{
	struct since *s = u;

	if (id_of(row) >= s->first)
		json_array_append(s->parts, json_object_get(row, "row"));
	return id_of(row) > s->first;
}

/* Of the plan's disks what it wrote over, and what those wrote over that came after it: what was told first counts. */
static int lay(const char *plan, const json_t *parts, struct image *im, struct err *e)
{
	for (size_t i = json_array_size(parts); i-- > 0;) {
		const json_t *part = json_array_get(parts, i);

		if (strcmp(text_of(part, "plan"), plan) != 0 && !image_disk(im, text_of(part, "disk")))
			continue;
		if (image_lay(im, part, e) < 0)
			return err_prefix(e, "what the disks held before %s cannot be read", plan);
	}
	return 0;
}

int before_lay(const struct before_rows *rows, const char *plan, struct image **ret, struct err *e)
{
	_cleanup_(image_freep) struct image *im = image_new("", "");
	_cleanup_(json_decrefp) json_t *parts = json_array();
	struct since s = {.parts = parts};
	struct first f = {0};
	int r;

	if (!im || !parts)
		return err_sys(e, ENOMEM, "images");
	r = rows->each(rows->u, plan, find_first, &f);
	if (r == 0 && !f.begun)
		return err_set(e, ENOENT, "nothing is kept of what %s wrote over", plan);
	s.first = f.id;
	if (r == 0)
		r = rows->each(rows->u, NULL, keep, &s);
	if (r != 0)
		return r < 0 ? err_sys(e, -r, "images") : r;
	r = lay(plan, parts, im, e);
	if (r == 0)
		*ret = TAKE_PTR(im);
	return r;
}

/* ---- a disk ---- */

struct earlier {
	struct blockdev d;
	struct blockdev *under;
	const struct image_disk *im;
};

static int read_over(const struct earlier *b, uint64_t pos, void *buf, size_t len)
{
	uint64_t sector = pos / SECTOR;
	uint32_t n = (uint32_t)(len / SECTOR);

	if (b->under->read(b->under, pos, buf, len) == 0)
		return image_over(b->im, sector, buf, n);
	return image_read(b->im, sector, buf, n);
}

static int earlier_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	const struct earlier *b = (const struct earlier *)d; /* d is its first member */
	size_t block = d->sector_size ? d->sector_size : SECTOR;
	int r = read_over(b, pos, buf, len);

	if (r >= 0 || len <= block || len % block)
		return r;
	/* What is under it may have some of it only, as in a capsule. */
	r = 0;
	for (size_t at = 0; at < len && r == 0; at += block)
		r = read_over(b, pos + at, (uint8_t *)buf + at, block);
	return r;
}

static void earlier_close(struct blockdev *d)
{
	free(d);
}

struct blockdev *before_device(struct blockdev *under, const struct image_disk *im)
{
	struct earlier *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	*b = (struct earlier){.d = *under, .under = under, .im = im};
	b->d.read = earlier_read;
	b->d.write = NULL;
	b->d.close = earlier_close;
	return &b->d;
}
