// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fakes/fake_disk.h"

#include "core/list.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"

enum { PAGE = 4096 };

/* Shared by the images that hold the same bytes; copied when one of them is written. */
struct page {
	unsigned refs;
	uint8_t bytes[PAGE];
};

struct image {
	struct page **page; /* NULL: zeros */
	size_t n;
};

struct fault {
	unsigned in; /* operations until it happens, 0: none is waiting */
	int code;
};

struct fake_disk {
	struct list node;
	struct fake_disks *group;
	char name[64];
	unsigned major, minor, sector_size;
	uint64_t sectors;
	struct image now, marked;
	struct fault write, read, flush;
	bool pulled, unwritable;
};

struct entry {
	struct fake_record r;
	uint8_t *data; /* FAKE_WRITE */
};

struct fake_disks {
	struct list disks;
	unsigned n_disks;
	struct entry *record;
	size_t n_record, room;
	bool cutting, cut;
	unsigned writes_left;
	unsigned fail_in; /* writes and flushes until one fails, 0: none does */
	enum fake_failure failure;
	struct fake_disk *failed;
	struct buf log;
};

struct handle {
	struct blockdev d;
	struct fake_disk *disk;
};

/* Memory that a test has none of ends the test. */
static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void image_copy(struct image *to, const struct image *from)
{
	to->n = from->n;
	to->page = must(calloc(from->n, sizeof(struct page *)));
	for (size_t i = 0; i < from->n; i++)
		if (from->page[i]) {
			to->page[i] = from->page[i];
			to->page[i]->refs++;
		}
}

static void page_unref(struct page *p)
{
	if (p && --p->refs == 0)
		free(p);
}

/* The page, for this image alone. */
static uint8_t *page_own(struct page **at)
{
	struct page *own;

	if (*at && (*at)->refs == 1)
		return (*at)->bytes;
	own = must(calloc(1, sizeof(*own)));
	own->refs = 1;
	if (*at)
		memcpy(own->bytes, (*at)->bytes, PAGE);
	page_unref(*at);
	*at = own;
	return own->bytes;
}

static void image_free(struct image *m)
{
	for (size_t i = 0; i < m->n; i++)
		page_unref(m->page[i]);
	free((void *)m->page);
	*m = (struct image){0};
}

static void image_read(const struct image *m, uint64_t pos, void *buf, size_t len)
{
	for (uint8_t *to = buf; len > 0;) {
		size_t at = pos % PAGE, part = MIN(len, PAGE - at);
		const uint8_t *page = m->page[pos / PAGE] ? m->page[pos / PAGE]->bytes : NULL;

		if (page)
			memcpy(to, page + at, part);
		else
			memset(to, 0, part);
		to += part, pos += part, len -= part;
	}
}

static void image_write(struct image *m, uint64_t pos, const void *buf, size_t len)
{
	for (const uint8_t *from = buf; len > 0;) {
		size_t at = pos % PAGE, part = MIN(len, PAGE - at);

		memcpy(page_own(&m->page[pos / PAGE]) + at, from, part);
		from += part, pos += part, len -= part;
	}
}

struct fake_disks *fake_disks_new(void)
{
	struct fake_disks *g = must(calloc(1, sizeof(*g)));

	list_init(&g->disks);
	return g;
}

static void forget(struct fake_disks *g)
{
	for (size_t i = 0; i < g->n_record; i++)
		free(g->record[i].data);
	g->n_record = 0;
}

void fake_disks_free(struct fake_disks *g)
{
	struct fake_disk *d;

	forget(g);
	free(g->record);
	buf_free(&g->log);
	list_foreach (d, &g->disks, node) {
		image_free(&d->now);
		image_free(&d->marked);
		free(d);
	}
	free(g);
}

struct fake_disk *fake_disk_add(struct fake_disks *g, const char *name, uint64_t sectors, unsigned sector_size)
{
	struct fake_disk *d = must(calloc(1, sizeof(*d)));

	d->group = g;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->major = 8;
	d->minor = 16 * g->n_disks++;
	d->sectors = sectors;
	d->sector_size = sector_size;
	d->now.n = (sectors * 512 + PAGE - 1) / PAGE;
	d->now.page = must(calloc(d->now.n, sizeof(*d->now.page)));
	image_copy(&d->marked, &d->now);
	list_insert(&g->disks, &d->node);
	return d;
}

struct fake_disk *fake_disk_get(struct fake_disks *g, const char *name)
{
	struct fake_disk *d;

	list_foreach (d, &g->disks, node)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

int fake_disk_load(struct fake_disk *d, const char *path)
{
	static const uint8_t zeros[PAGE];
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t pos = 0, end = d->sectors * 512;
	uint8_t page[PAGE];
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	for (; pos < end; pos += (uint64_t)n) {
		n = read(fd, page, MIN(end - pos, (uint64_t)sizeof(page)));
		if (n <= 0)
			break;
		if (n < PAGE || memcmp(page, zeros, PAGE) != 0)
			image_write(&d->now, pos, page, (size_t)n);
	}
	if (n < 0)
		return -errno;
	image_free(&d->marked);
	image_copy(&d->marked, &d->now);
	return 0;
}

int fake_disk_save(const struct fake_disk *d, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, (off_t)(d->sectors * 512)) < 0)
		return -errno;
	for (size_t i = 0; i < d->now.n; i++) {
		size_t len = MIN((size_t)PAGE, (size_t)(d->sectors * 512 - i * PAGE));

		if (d->now.page[i] && pwrite(fd, d->now.page[i]->bytes, len, (off_t)(i * PAGE)) != (ssize_t)len)
			return -EIO;
	}
	return 0;
}

/* What every operation asks first. */
static int blocked(struct fake_disk *d, struct fault *f)
{
	if (d->pulled || d->group->cut)
		return -ENODEV;
	if (f->in && --f->in == 0)
		return -f->code;
	return 0;
}

/* The same for a write or a flush. */
static int unwritable(struct fake_disk *d, struct fault *f)
{
	struct fake_disks *g = d->group;
	int r = blocked(d, f);

	if (r < 0)
		return r;
	if (g->fail_in && --g->fail_in == 0) {
		g->failed = d;
		d->unwritable = g->failure == FAKE_FAIL_WRITES;
		d->pulled = g->failure == FAKE_FAIL_PULL;
		return d->pulled ? -ENODEV : -EIO;
	}
	return d->unwritable ? -EIO : 0;
}

static int check_range(const struct blockdev *d, uint64_t pos, const void *buf, size_t len)
{
	if (len == 0 || pos % d->sector_size || len % d->sector_size || (uintptr_t)buf % PAGE)
		return -EINVAL;
	return pos / 512 > d->sectors || len / 512 > d->sectors - pos / 512 ? -ERANGE : 0;
}

static void take_down(struct fake_disk *d, enum fake_op op, uint64_t pos, const void *buf, size_t len)
{
	struct fake_disks *g = d->group;

	if (g->n_record == g->room) {
		g->room = g->room ? 2 * g->room : 64;
		g->record = must(realloc(g->record, g->room * sizeof(*g->record)));
	}
	g->record[g->n_record++] = (struct entry){
		.r = {.op = op, .disk = d, .pos = pos, .len = len},
		.data = buf ? memcpy(must(malloc(len)), buf, len) : NULL,
	};
}

static int handle_read(struct blockdev *b, uint64_t pos, void *buf, size_t len)
{
	struct fake_disk *d = ((struct handle *)b)->disk;
	int r = check_range(b, pos, buf, len);

	if (r == 0)
		r = blocked(d, &d->read);
	if (r == 0)
		image_read(&d->now, pos, buf, len);
	return r;
}

static int handle_write(struct blockdev *b, uint64_t pos, const void *buf, size_t len)
{
	struct fake_disk *d = ((struct handle *)b)->disk;
	struct fake_disks *g = d->group;
	int r = check_range(b, pos, buf, len);

	if (r < 0)
		return r;
	if (g->cutting && g->writes_left == 0)
		g->cut = true;
	r = unwritable(d, &d->write);
	if (r < 0)
		return r;
	if (g->cutting)
		g->writes_left--;
	image_write(&d->now, pos, buf, len);
	take_down(d, FAKE_WRITE, pos, buf, len);
	return 0;
}

static int handle_flush(struct blockdev *b)
{
	struct fake_disk *d = ((struct handle *)b)->disk;
	int r = unwritable(d, &d->flush);

	if (r == 0)
		take_down(d, FAKE_FLUSH, 0, NULL, 0);
	return r;
}

static bool handle_gone(const struct blockdev *b)
{
	return ((const struct handle *)b)->disk->pulled;
}

static void handle_close(struct blockdev *b)
{
	free(b);
}

int fake_disk_open(struct fake_disk *d, struct blockdev **ret)
{
	struct handle *h;

	if (d->pulled || d->group->cut)
		return -ENODEV;
	h = must(calloc(1, sizeof(*h)));
	h->disk = d;
	h->d = (struct blockdev){
		.read = handle_read,
		.write = handle_write,
		.flush = handle_flush,
		.close = handle_close,
		.gone = handle_gone,
		.major = d->major,
		.minor = d->minor,
		.sectors = d->sectors,
		.sector_size = d->sector_size,
	};
	memcpy(h->d.name, d->name, sizeof(h->d.name));
	*ret = &h->d;
	return 0;
}

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct fake_disk *d = u;

	if (sector > d->sectors || sectors > d->sectors - sector)
		return -ERANGE;
	image_read(&d->now, sector * 512, buf, (size_t)sectors * 512);
	return 0;
}

struct meta_reader fake_disk_reader(struct fake_disk *d)
{
	return (struct meta_reader){.read = reader_read, .u = d, .sectors = d->sectors, .sector_size = d->sector_size};
}

void fake_disk_peek(const struct fake_disk *d, uint64_t pos, void *buf, size_t len)
{
	image_read(&d->now, pos, buf, len);
}

void fake_disk_poke(struct fake_disk *d, uint64_t pos, const void *buf, size_t len)
{
	image_write(&d->now, pos, buf, len);
}

void fake_disk_fail_write(struct fake_disk *d, unsigned n, int code)
{
	d->write = (struct fault){n, code};
}

void fake_disk_fail_read(struct fake_disk *d, unsigned n, int code)
{
	d->read = (struct fault){n, code};
}

void fake_disk_fail_flush(struct fake_disk *d, unsigned n, int code)
{
	d->flush = (struct fault){n, code};
}

void fake_disk_pull(struct fake_disk *d, bool pulled)
{
	d->pulled = pulled;
}

void fake_disks_fail_at(struct fake_disks *g, unsigned n, enum fake_failure how)
{
	g->fail_in = n;
	g->failure = how;
	g->failed = NULL;
}

struct fake_disk *fake_disks_failed(const struct fake_disks *g)
{
	return g->failed;
}

const char *fake_disk_name(const struct fake_disk *d)
{
	return d->name;
}

void fake_disks_mark(struct fake_disks *g)
{
	struct fake_disk *d;

	forget(g);
	list_foreach (d, &g->disks, node) {
		image_free(&d->marked);
		image_copy(&d->marked, &d->now);
	}
}

size_t fake_disks_recorded(const struct fake_disks *g)
{
	return g->n_record;
}

const struct fake_record *fake_disks_record(const struct fake_disks *g, size_t i)
{
	return &g->record[i].r;
}

const char *fake_disks_log(struct fake_disks *g)
{
	buf_clear(&g->log);
	for (size_t i = 0; i < g->n_record; i++) {
		const struct fake_record *r = &g->record[i].r;

		if (r->op == FAKE_FLUSH)
			buf_addf(&g->log, "%s flush\n", r->disk->name);
		else
			buf_addf(&g->log, "%s write %" PRIu64 "+%zu\n", r->disk->name, r->pos, r->len);
	}
	return buf_str(&g->log);
}

void fake_disks_cut_after(struct fake_disks *g, unsigned n)
{
	g->cutting = true;
	g->writes_left = n;
}

bool fake_disks_is_cut(const struct fake_disks *g)
{
	return g->cut;
}

struct fake_disks *fake_disks_copy(const struct fake_disks *g)
{
	struct fake_disks *ret = fake_disks_new();
	struct fake_disk *d;

	list_foreach (d, &g->disks, node) {
		struct fake_disk *c = fake_disk_add(ret, d->name, d->sectors, d->sector_size);

		image_free(&c->now);
		image_copy(&c->now, &d->now);
	}
	return ret;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool flushed(const struct fake_disks *g, size_t i, size_t n)
{
	for (size_t k = i + 1; k < n; k++)
		if (g->record[k].r.op == FAKE_FLUSH && g->record[k].r.disk == g->record[i].r.disk)
			return true;
	return false;
}

struct fake_disks *fake_disks_at(struct fake_disks *g, size_t n, enum fake_keep keep, uint64_t seed)
{
	struct fake_disks *ret = fake_disks_new();
	struct fake_disk *d;

	list_foreach (d, &g->disks, node) {
		struct fake_disk *c = fake_disk_add(ret, d->name, d->sectors, d->sector_size);

		image_free(&c->now);
		image_copy(&c->now, &d->marked);
	}
	for (size_t i = 0; i < n && i < g->n_record; i++) {
		const struct entry *w = &g->record[i];
		bool stable = keep == FAKE_KEEP_ALL || flushed(g, i, n);
		unsigned unit = w->r.disk->sector_size;

		if (w->r.op != FAKE_WRITE || (!stable && keep == FAKE_KEEP_NONE))
			continue;
		d = fake_disk_get(ret, w->r.disk->name);
		for (size_t at = 0; at < w->r.len; at += unit)
			if (stable || next_random(&seed) & 1)
				image_write(&d->now, w->r.pos + at, w->data + at, unit);
	}
	fake_disks_mark(ret);
	return ret;
}
