// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/probe.h"

#include "actions/meta/meta.h"
#include "broker/sandbox.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { DISK = 3, BLANK_BYTES = 1 << 20 };

struct reading {
	struct blockdev *dev;
	int error; /* the first, of the disk itself */
};

/* Formats read by sectors of 512 bytes; the disk by its own, aligned: a bounce buffer covers the range. */
static int read_sectors(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct reading *rd = u;
	struct blockdev *dev = rd->dev;
	uint64_t unit = MAX(dev->sector_size, 512u) / 512, from = sector - sector % unit;
	uint64_t end = (sector + sectors + unit - 1) / unit * unit;
	_cleanup_(freep) void *bounce = NULL;
	int r;

	if (sectors == 0 || sector > dev->sectors || sectors > dev->sectors - sector || end > dev->sectors)
		return -ERANGE;
	bounce = blockio_alloc((size_t)(end - from) * 512);
	if (!bounce)
		return -ENOMEM;
	r = dev->read(dev, from * 512, bounce, (size_t)(end - from) * 512);
	if (r < 0) {
		rd->error = rd->error ? rd->error : r;
		return r;
	}
	memcpy(buf, (char *)bounce + (sector - from) * 512, (size_t)sectors * 512);
	return 0;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* 1: the first and the last MiB are zero; 0: they are not; or -errno. */
static int is_blank(const struct meta_reader *r)
{
	uint32_t sectors = (uint32_t)MIN(r->sectors, BLANK_BYTES / 512);
	_cleanup_(freep) unsigned char *buf = malloc((size_t)sectors * 512 + 1);
	int status;

	if (!buf)
		return -ENOMEM;
	if (sectors == 0)
		return -ENODATA;
	status = r->read(r->u, 0, buf, sectors);
	if (status < 0 || !all_zero(buf, (size_t)sectors * 512))
		return status < 0 ? status : 0;
	status = r->read(r->u, r->sectors - sectors, buf, sectors);
	return status < 0 ? status : all_zero(buf, (size_t)sectors * 512);
}

static json_t *answer(enum contents contents, const char *name, json_t *view)
{
	_cleanup_(buf_free) struct buf safe = {0};

	if (name)
		value_escape(name, 120, &safe);
	return json_pack("{s:s s:s? s:o}", "contents", contents_words[contents], "contents-name",
			 name ? buf_str(&safe) : NULL, "view", view ? view : json_null());
}

/* What a format that recognised the disk makes of it. */
static json_t *describe_member(const struct meta_format *f, const struct meta_reader *r)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	struct meta_copy *copy = NULL;
	struct err e = {0};
	int status = f->parse(r, &copy, &e);
	char name[160];

	if (status == 0)
		status = f->copy_view(copy, &view, &e);
	if (copy)
		f->copy_free(copy);
	if (status == 0) {
		snprintf(name, sizeof(name), "member of %s set %s", f->name, view->set);
		return answer(CONTENTS_MEMBER, name, meta_view_to_json(view));
	}
	snprintf(name, sizeof(name), "%s metadata that cannot be used: %.100s", f->name, e.msg);
	return answer(CONTENTS_UNREADABLE, name, NULL);
}

json_t *probe_describe(struct blockdev *dev)
{
	struct reading rd = {.dev = dev};
	struct meta_reader r = {
		.read = read_sectors, .u = &rd, .sectors = dev->sectors, .sector_size = dev->sector_size};
	struct err e = {0};
	int blank;

	for (size_t i = 0; meta_formats[i]; i++)
		if (meta_formats[i]->probe(&r, &e) == 1)
			return describe_member(meta_formats[i], &r);
	blank = rd.error ? rd.error : is_blank(&r);
	if (blank < 0)
		return answer(CONTENTS_UNREADABLE, strerror(-blank), NULL);
	return blank ? answer(CONTENTS_BLANK, NULL, NULL) : answer(CONTENTS_FOREIGN, NULL, NULL);
}

/* Sizes are asked for with all rights; from the first byte that is read there are none. */
static json_t *describe_shut_in(const char *name)
{
	_cleanup_(blockdev_closep) struct blockdev *dev = NULL;
	struct err e = {0};
	int r;

	json_object_seed(0); /* reads /dev/urandom */
	r = blockio_open_fd(DISK, name, &dev, &e);
	if (r == 0)
		r = sandbox_enter(DISK, STDOUT_FILENO, &e);
	return r < 0 ? answer(CONTENTS_UNREADABLE, e.msg, NULL) : probe_describe(dev);
}

int probe_main(int argc, char **argv)
{
	json_t *j;
	int r;

	prctl(PR_SET_NAME, "spared-probe");
	j = describe_shut_in(argc == 1 ? argv[0] : "disk");
	r = j ? wire_send(STDOUT_FILENO, j) : -ENOMEM;
	json_decref(j);
	return r < 0 ? 1 : 0;
}
