// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/ddf_disks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* What a command prints, NUL-terminated; NULL if it cannot be run or fails. */
static uint8_t *output_of(const char *const argv[], size_t *ret_len)
{
	size_t len = 0, cap = 1 << 16;
	uint8_t *out = malloc(cap + 1);
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	if (!out || pipe2(fd, O_CLOEXEC) < 0)
		die(argv[0], "no pipe");
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], 1);
		close(2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(fd[1]);
	while ((n = read(fd[0], out + len, cap - len)) > 0) {
		len += (size_t)n;
		if (len == cap)
			out = realloc(out, (cap *= 2) + 1);
		if (!out)
			die(argv[0], "out of memory");
	}
	close(fd[0]);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		free(out);
		return NULL;
	}
	out[len] = 0;
	*ret_len = len;
	return out;
}

/* ---- disks */

static int disk_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	const struct test_disk *d = u;

	if (sector > d->sectors || sectors > d->sectors - sector)
		return -ERANGE;
	for (uint32_t i = 0; i < sectors; i++)
		if (sector + i < d->first)
			memset((uint8_t *)buf + (size_t)i * 512, 0, 512);
		else
			memcpy((uint8_t *)buf + (size_t)i * 512, d->bytes + (sector + i - d->first) * 512, 512);
	return 0;
}

uint8_t *test_sector(struct test_disk *d, uint64_t sector)
{
	if (sector < d->first || sector >= d->sectors)
		die(d->ref, "a sector outside of what is kept");
	return d->bytes + (sector - d->first) * 512;
}

void test_write(struct test_disk *d, const struct meta_write *w)
{
	for (size_t i = 0; i < w->len / 512; i++)
		memcpy(test_sector(d, w->sector + i), (uint8_t *)w->buf + i * 512, 512);
}

void test_disk_copy(struct test_disk *to, const struct test_disk *from)
{
	size_t len = (size_t)(from->sectors - from->first) * 512;

	if (!to->bytes) {
		*to = *from;
		to->bytes = malloc(len);
		to->reader.u = to;
	}
	memcpy(to->bytes, from->bytes, len);
}

void test_disk_free(struct test_disk *d)
{
	free(d->bytes);
	*d = (struct test_disk){0};
}

static void disk_init(struct test_disk *d, uint64_t sectors, uint8_t *bytes, size_t len)
{
	*d = (struct test_disk){.sectors = sectors, .first = sectors - len / 512, .sector_size = 512, .bytes = bytes};
	d->reader = (struct meta_reader){.read = disk_read, .u = d, .sectors = sectors, .sector_size = 512};
}

size_t test_disk_add(struct test_set *s, uint64_t sectors)
{
	size_t len = (size_t)33 << 20;
	uint8_t *bytes = calloc(1, len);

	if (!bytes || s->n == TEST_DISKS_MAX)
		die(s->name, "no room for a disk");
	disk_init(&s->disk[s->n], sectors, bytes, len);
	s->disk[s->n].reader.sector_size = s->disk[s->n].sector_size = s->disk[0].sector_size;
	return s->n++;
}

void test_set_load(struct test_set *s, const char *name)
{
	char path[512], line[512];
	const char *kind = strchrnul(name, ':');
	FILE *f;

	*s = (struct test_set){0};
	snprintf(s->name, sizeof(s->name), "%.*s", (int)strcspn(name, ":"), name);
	name = s->name;
	snprintf(path, sizeof(path), SPARED_TESTS_DIR "/golden/meta/%s.txt", name);
	f = fopen(path, "re");
	if (!f)
		die(path, "cannot be read");
	while (fgets(line, sizeof(line), f)) {
		uint64_t sectors;
		char ref[16];
		unsigned n;
		size_t len;
		uint8_t *bytes;

		if (sscanf(line, "disk index=%u sectors=%" SCNu64 " wwn=%*s refno=%8s", &n, &sectors, ref) != 3)
			continue;
		snprintf(path, sizeof(path), SPARED_TESTS_DIR "/golden/meta/%s-%u.tail.xz", name, n);
		bytes = output_of((const char *const[]){"xz", "-dc", path, NULL}, &len);
		if (!bytes || s->n == TEST_DISKS_MAX)
			die(path, "cannot be unpacked");
		disk_init(&s->disk[s->n], sectors, bytes, len);
		snprintf(s->disk[s->n++].ref, META_REF_MAX, "%s", ref);
	}
	fclose(f);
	for (size_t i = 0; i < s->n; i++)
		s->disk[i].reader.u = &s->disk[i];
	if (strstr(kind, ":4096"))
		test_set_to_4kn(s);
	if (strstr(kind, ":little") || strstr(kind, ":usual"))
		test_set_dialect(s, strstr(kind, ":little"), strstr(kind, ":usual"));
}

void test_set_free(struct test_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		test_disk_free(&s->disk[i]);
	s->n = 0;
}

/* ---- sets */

struct meta_set *test_join(struct test_set *s, unsigned without)
{
	struct meta_copy *copies[TEST_DISKS_MAX] = {0};
	struct meta_set *set;
	struct err e;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!(without >> i & 1) && meta_ddf.parse(&s->disk[i].reader, &copies[n++], &e) < 0)
			die(s->name, e.msg);
	if (meta_ddf.join((const struct meta_copy *const *)copies, n, &set, &e) < 0)
		die(s->name, e.msg);
	while (n)
		meta_ddf.copy_free(copies[--n]);
	return set;
}

void test_commit(struct test_set *s, const struct meta_set *set)
{
	for (size_t i = 0; i < s->n; i++) {
		struct meta_writes w = {0};
		struct err e;
		int r = meta_ddf.encode(set, s->disk[i].ref, &w, &e);

		if (r == -ENODEV)
			continue;
		if (r < 0)
			die(s->name, e.msg);
		for (size_t k = 0; k < w.n; k++)
			test_write(&s->disk[i], &w.w[k]);
		meta_writes_free(&w);
	}
}

void test_edit(struct meta_set *set, struct meta_edit edit)
{
	struct err e;

	if (meta_ddf.edit(set, &edit, &e) < 0)
		die("edit", e.msg);
}

/* ---- text */

char *test_view_text(const struct meta_view *v)
{
	struct buf b = {0};

	assert(v);
	buf_addf(&b, "set %s by %s, format %s\n", v->set, v->maker, v->format);
	if (v->self[0])
		buf_addf(&b, "of %s, room %" PRIu64 " + %" PRIu64 "\n", v->self, v->room_start, v->room_sectors);
	for (size_t i = 0; i < v->n_disks; i++) {
		const struct meta_disk *d = &v->disks[i];

		buf_addf(&b, "disk %s%s%s%s%s sectors %" PRIu64, d->ref, d->failed ? " failed" : "",
			 d->missing ? " missing" : "", d->spare ? " spare" : "", d->dedicated ? " dedicated" : "",
			 d->sectors);
		for (unsigned k = 0; k < d->n_dedicated; k++)
			buf_addf(&b, " to %s", d->dedicated_to[k]);
		buf_addc(&b, '\n');
	}
	for (size_t i = 0; i < v->n_volumes; i++) {
		const struct meta_volume *u = &v->volumes[i];
		const char *level = raid_level_name(u->level);

		buf_addf(&b, "volume %s %s layout %d chunk %u sectors %" PRIu64 " of %" PRIu64 " each%s%s%s%s%s\n",
			 u->name, level ? level : "unsupported", u->layout, u->chunk, u->sectors, u->member_sectors,
			 u->clean ? " clean" : " dirty", u->initialised ? " initialised" : "",
			 u->known ? "" : " unknown", u->unsupported[0] ? ": " : "", u->unsupported);
		for (unsigned k = 0; k < u->slots; k++)
			buf_addf(&b, "  slot %u %s offset %" PRIu64 " %s\n", k,
				 u->members[k].ref[0] ? u->members[k].ref : "-", u->members[k].offset,
				 member_words[u->members[k].state]);
	}
	return buf_take(&b);
}

char *test_set_text(const struct meta_set *set)
{
	struct meta_view *v;
	struct err e;
	char *s;

	if (meta_ddf.set_view(set, &v, &e) < 0)
		die("set_view", e.msg);
	s = test_view_text(v);
	meta_view_free(v);
	return s;
}

char *test_disk_text(const struct test_disk *d)
{
	struct meta_copy *c = NULL;
	struct meta_view *v = NULL;
	struct buf b = {0};
	struct err e;
	char *s;
	int r;

	r = meta_ddf.parse(&d->reader, &c, &e);
	if (r == 0)
		r = meta_ddf.copy_view(c, &v, &e);
	if (r < 0)
		buf_addf(&b, "%d: %s", r, e.msg);
	s = r < 0 ? buf_take(&b) : test_view_text(v);
	meta_ddf.copy_free(c);
	meta_view_free(v);
	return s;
}

/* ---- mdadm */

char *test_mdadm(const struct test_disk *d)
{
	static const uint8_t blank[4096];
	static bool absent;
	char path[] = "/tmp/spared-ddf-XXXXXX";
	size_t kept = (size_t)(d->sectors - d->first) * 512, len;
	uint8_t *out = NULL;
	char *text;
	int fd;

	if (absent)
		return NULL;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)(d->sectors * 512)) < 0)
		die(path, "cannot be made");
	for (size_t at = 0; at < kept; at += 4096)
		if (memcmp(d->bytes + at, blank, sizeof(blank)) != 0 &&
		    pwrite(fd, d->bytes + at, 4096, (off_t)(d->first * 512 + at)) != 4096)
			die(path, "cannot be written");
	out = output_of((const char *const[]){"/sbin/mdadm", "-E", path, NULL}, &len);
	close(fd);
	unlink(path);
	if (!out && access("/sbin/mdadm", X_OK) < 0) {
		absent = true;
		fprintf(stderr, "skipped: there is no mdadm to ask\n");
		return NULL;
	}
	if (!out)
		return strdup("mdadm refuses");
	text = strchr((char *)out, '\n');
	text = strdup(text ? text + 1 : "");
	free(out);
	return text;
}

void test_mdadm_disk(const char *text, const char *ref, char *ret, size_t size)
{
	const char *line, *k, *end;

	ret[0] = 0;
	line = strstr(text, "RefNo");
	line = line ? strstr(line, ref) : NULL;
	k = line ? strstr(line, "K ") : NULL;
	if (!k)
		return;
	for (k += 2; *k == ' '; k++)
		;
	end = strchrnul(k, '\n');
	snprintf(ret, size, "%.*s", (int)(end - k), k);
}
