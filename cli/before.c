// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/before.h"

#include "cli/client.h"
#include "cli/output.h"

#include <errno.h>
#include <string.h>

enum { SECTOR = 512, ROWS = 1000 };

/* ---- the history ---- */

static int ask(struct cli *c, const char *plan, int64_t before, json_t **ret)
{
	json_t *request = client_request("history");

	json_object_set_new(request, "table", json_string("before"));
	json_object_set_new(request, "limit", json_integer(ROWS));
	request_text(request, "plan", plan);
	if (before)
		json_object_set_new(request, "before", json_integer(before));
	return client_ask(c, request, ret);
}

/* Rows of the plan, or of all, newest first, until fn says that it was the last. */
static int each_row(struct cli *c, const char *plan, bool (*fn)(void *u, const json_t *row), void *u)
{
	int64_t before = 0;
	bool more = true;

	while (more) {
		json_t *answer = NULL, *row;
		int status = ask(c, plan, before, &answer);
		size_t i;

		more = status == CLI_OK && j_bool(answer, "more");
		json_array_foreach(j_list(answer, "rows"), i, row)
		{
			before = j_int(row, "id");
			more = fn(u, row) && more;
		}
		json_decref(answer);
		if (status != CLI_OK)
			return status;
	}
	return CLI_OK;
}

/* Numbers of plans come again when the daemon's state is lost: the newest is meant, which begins with part 0. */
struct first {
	int64_t id;
	bool begun, ended;
};

static bool find_first(void *u, const json_t *row)
{
	struct first *f = u;
	const json_t *part = json_object_get(row, "row");

	if (f->begun)
		return false;
	f->ended = f->ended || json_object_get(part, "end");
	f->id = j_int(row, "id");
	f->begun = j_int(part, "part") == 0;
	return !f->begun;
}

struct since {
	int64_t first;
	json_t *parts; /* newest first */
};

static bool keep(void *u, const json_t *row)
{
	struct since *s = u;

	if (j_int(row, "id") >= s->first)
		json_array_append(s->parts, json_object_get(row, "row"));
	return j_int(row, "id") > s->first;
}

/* Of the plan's disks what it wrote over, and what those wrote over that came after it: what was told first counts. */
static int lay(const struct cli *c, const char *plan, const json_t *parts, struct image *im)
{
	struct err e = {0};

	for (size_t i = json_array_size(parts); i-- > 0;) {
		const json_t *part = json_array_get(parts, i);

		if (strcmp(j_str(part, "plan"), plan) != 0 && !image_disk(im, j_str(part, "disk")))
			continue;
		if (image_lay(im, part, &e) < 0)
			return cli_fail(c, CLI_NO, "failed", "what the disks held before %s cannot be read: %s", plan,
					e.msg);
	}
	return CLI_OK;
}

int before_ask(struct cli *c, const char *plan, struct image **ret)
{
	_cleanup_(image_freep) struct image *im = image_new("", "");
	struct since s = {.parts = json_array()};
	struct first f = {0};
	int status = each_row(c, plan, find_first, &f);

	if (status == CLI_OK && !f.begun)
		status = cli_fail(c, CLI_NO, "not-found",
				  "nothing is kept of what %s wrote over: it wrote over nothing, or the history has "
				  "forgotten it (keep.time and keep.images in spared.yaml)",
				  plan);
	s.first = f.id;
	if (status == CLI_OK)
		status = each_row(c, NULL, keep, &s);
	if (status == CLI_OK && !im)
		status = cli_fail(c, CLI_NO, "failed", "out of memory");
	if (status == CLI_OK)
		status = lay(c, plan, s.parts, im);
	json_decref(s.parts);
	if (status == CLI_OK)
		*ret = TAKE_PTR(im);
	return status;
}

/* ---- a disk ---- */

struct earlier {
	struct blockdev d;
	struct blockdev *under;
	const struct image_disk *im;
};

static int earlier_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	const struct earlier *b = (const struct earlier *)d; /* d is its first member */
	int r = b->under->read(b->under, pos, buf, len);

	return r < 0 ? r : image_over(b->im, pos / SECTOR, buf, (uint32_t)(len / SECTOR));
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
