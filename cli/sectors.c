// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/sectors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SECTOR = 512 };

void sectors_finish(struct sectors *s)
{
	for (size_t i = 0; i < s->n_runs; i++)
		free(s->runs[i].data);
	free(s->runs);
	*s = (struct sectors){0};
}

static const uint8_t *find(const struct sectors *s, uint64_t sector)
{
	for (size_t i = s->n_runs; i-- > 0;)
		if (sector >= s->runs[i].at && sector - s->runs[i].at < s->runs[i].n)
			return s->runs[i].data + (sector - s->runs[i].at) * SECTOR;
	return NULL;
}

/* data NULL: filled with the byte. */
static int keep(struct sectors *s, uint64_t at, uint32_t n, const uint8_t *data, int fill)
{
	struct sectors_run *more;
	uint8_t *copy;

	if (n == 0)
		return 0;
	if (n > SECTORS_MAX - s->total)
		return -ENOSPC;
	more = reallocarray(s->runs, s->n_runs + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->runs = more;
	copy = calloc(n, SECTOR);
	if (!copy)
		return -ENOMEM;
	if (data)
		memcpy(copy, data, (size_t)n * SECTOR);
	else
		memset(copy, fill, (size_t)n * SECTOR);
	more[s->n_runs++] = (struct sectors_run){at, n, copy};
	s->total += n;
	return 0;
}

/* ---- devices ---- */

struct tape {
	struct blockdev d;
	struct sectors *s; /* recording */
	const struct sectors *from_s;
	struct blockdev *from;
};

static int from_kept(const struct sectors *s, uint64_t pos, void *buf, size_t len)
{
	for (size_t done = 0; done < len; done += SECTOR) {
		const uint8_t *sector = find(s, (pos + done) / SECTOR);

		if (!sector)
			return -EIO;
		memcpy((uint8_t *)buf + done, sector, SECTOR);
	}
	return 0;
}

/* What was read once is not read again: it may have been written meanwhile. */
static int tape_record(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	struct tape *t = (struct tape *)d;
	int r = from_kept(t->s, pos, buf, len) == 0 ? 0 : t->from->read(t->from, pos, buf, len);
	uint64_t at = pos / SECTOR;
	uint32_t n = (uint32_t)(len / SECTOR);

	for (uint32_t i = 0, first = 0; r == 0 && i <= n; i++) {
		if (i < n && !find(t->s, at + i))
			continue;
		/* More than there is room for is left out: it is no metadata of a format that is known here. */
		if (i > first &&
		    keep(t->s, at + first, i - first, (uint8_t *)buf + (size_t)first * SECTOR, 0) == -ENOMEM)
			return -ENOMEM;
		first = i + 1;
	}
	return r;
}

static int tape_play(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	const struct tape *t = (const struct tape *)d;

	return from_kept(t->from_s, pos, buf, len);
}

static void tape_close(struct blockdev *d)
{
	free(d);
}

struct blockdev *sectors_record(struct sectors *s, struct blockdev *from)
{
	struct tape *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct tape){.d = *from, .s = s, .from = from};
	t->d.read = tape_record;
	t->d.close = tape_close;
	t->d.write = NULL;
	snprintf(s->name, sizeof(s->name), "%s", from->name);
	s->size = from->sectors;
	s->sector_size = from->sector_size;
	return &t->d;
}

struct blockdev *sectors_play(const struct sectors *s)
{
	struct tape *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->from_s = s;
	t->d = (struct blockdev){
		.read = tape_play, .close = tape_close, .sectors = s->size, .sector_size = s->sector_size};
	snprintf(t->d.name, sizeof(t->d.name), "%s", s->name);
	return &t->d;
}

/* ---- lines ---- */

static bool is_fill(const uint8_t *sector, uint8_t byte)
{
	return sector[0] == byte && memcmp(sector, sector + 1, SECTOR - 1) == 0;
}

static json_t *filled(uint64_t at, uint32_t n, uint8_t byte)
{
	return json_pack("{s:s s:I s:I s:i}", "part", "sectors", "at", (json_int_t)at, "count", (json_int_t)n, "fill",
			 (int)byte);
}

static json_t *as_hex(uint64_t at, uint32_t n, const uint8_t *data)
{
	static const char digits[] = "0123456789abcdef";
	static char text[2 * SECTORS_LINE * SECTOR + 1];

	for (size_t i = 0; i < (size_t)n * SECTOR; i++) {
		text[2 * i] = digits[data[i] >> 4];
		text[2 * i + 1] = digits[data[i] & 15];
	}
	text[2 * (size_t)n * SECTOR] = '\0';
	return json_pack("{s:s s:I s:I s:s}", "part", "sectors", "at", (json_int_t)at, "count", (json_int_t)n, "data",
			 text);
}

static int write_run(const struct sectors_run *run, int (*fn)(void *u, json_t *line), void *u)
{
	int r = 0;

	for (uint32_t i = 0, n; i < run->n && r == 0; i += n) {
		const uint8_t *first = run->data + (size_t)i * SECTOR;
		bool fill = is_fill(first, first[0]);
		json_t *line;

		for (n = 1; i + n < run->n && (fill || n < SECTORS_LINE); n++) {
			const uint8_t *next = first + (size_t)n * SECTOR;

			if (fill ? !is_fill(next, first[0]) : is_fill(next, next[0]))
				break;
		}
		line = fill ? filled(run->at + i, n, first[0]) : as_hex(run->at + i, n, first);
		r = line ? fn(u, line) : -ENOMEM;
	}
	return r;
}

int sectors_write(const struct sectors *s, int (*fn)(void *u, json_t *line), void *u)
{
	json_t *line = json_pack("{s:s s:s s:s* s:I s:i s:s}", "part", "disk", "name", s->name, "device",
				 s->device[0] ? s->device : NULL, "sectors", (json_int_t)s->size, "sector-size",
				 (int)s->sector_size, "error", s->error);
	int r = line ? fn(u, line) : -ENOMEM;

	for (size_t i = 0; i < s->n_runs && r == 0; i++)
		r = write_run(&s->runs[i], fn, u);
	return r;
}

int sectors_begin(struct sectors *s, const json_t *line, struct err *e)
{
	const char *name, *device = "", *error;
	json_int_t size;
	int sector_size;

	*s = (struct sectors){0};
	if (json_unpack((json_t *)line, "{s:s s?s s:I s:i s:s}", "name", &name, "device", &device, "sectors", &size,
			"sector-size", &sector_size, "error", &error) < 0 ||
	    strlen(name) >= sizeof(s->name) || strlen(device) >= sizeof(s->device) || size < 0 ||
	    size > INT64_MAX / SECTOR || (sector_size != 512 && sector_size != 4096 && sector_size != 0))
		return err_set(e, EBADMSG, "a disk of the capsule makes no sense");
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->device, sizeof(s->device), "%s", device);
	snprintf(s->error, sizeof(s->error), "%.*s", (int)sizeof(s->error) - 1, error);
	s->size = (uint64_t)size;
	s->sector_size = (unsigned)sector_size;
	return 0;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(const char *text, size_t n, uint8_t *to)
{
	if (strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int sectors_add(struct sectors *s, const json_t *line, struct err *e)
{
	static uint8_t data[SECTORS_LINE * SECTOR];
	const char *text = NULL;
	json_int_t at, count;
	int fill = -1, r;

	if (json_unpack((json_t *)line, "{s:I s:I s?i s?s}", "at", &at, "count", &count, "fill", &fill, "data", &text) <
		    0 ||
	    at < 0 || count < 1 || count > SECTORS_MAX || (uint64_t)at > s->size ||
	    (uint64_t)count > s->size - (uint64_t)at || (text != NULL) == (fill >= 0) || fill > 255)
		return err_set(e, EBADMSG, "sectors of %s in the capsule make no sense", s->name);
	if (text && (count > SECTORS_LINE || !from_hex(text, (size_t)count * SECTOR, data)))
		return err_set(e, EBADMSG, "sectors of %s in the capsule are no hexadecimal digits, or too many",
			       s->name);
	r = keep(s, (uint64_t)at, (uint32_t)count, text ? data : NULL, fill);
	if (r == -ENOSPC)
		return err_set(e, EBADMSG, "more than %d sectors of %s in the capsule", SECTORS_MAX, s->name);
	return r < 0 ? err_sys(e, -r, "%s", s->name) : 0;
}
