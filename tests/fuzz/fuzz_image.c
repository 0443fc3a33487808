// SPDX-License-Identifier: GPL-2.0-or-later
/* What disks held, as the history gives it back, a part a line: whatever is in it, what is taken is bounded, tells
 * again as the same, and is read as disks are. */
#include "actions/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(void *u, const json_t *part)
{
	struct image **im = u;

	if (image_take(im, part, NULL) < 0)
		abort();
}

/* Laid under what is there, in no order; all that is told after it is what was there before. */
static void lay(void *u, const json_t *part)
{
	struct err e = {0};

	if (image_lay(u, part, &e) < 0 && !e.msg[0])
		abort();
}

static void check_laid(struct image *im)
{
	struct image *under = image_new("", "");
	uint8_t was[512], is[512];

	for (int times = 0; under && times < 2; times++) {
		for (size_t i = 0; i < im->n_disks; i++)
			im->disk[i]->told = 0;
		if (image_tell(im, lay, under) < 0)
			abort();
	}
	for (size_t i = 0; under && i < im->n_disks; i++) {
		const struct image_disk *d = image_disk(under, im->disk[i]->device);

		for (size_t k = 0; d && k < im->disk[i]->n_runs; k++) {
			uint64_t sector = im->disk[i]->run[k].sector;
			int r = image_read(im->disk[i], sector, was, 1);

			if (image_read(d, sector, is, 1) != r || (r == 0 && memcmp(was, is, sizeof(is)) != 0))
				abort();
		}
	}
	image_free(under);
}

static void check(struct image *im)
{
	struct image *same = NULL;

	for (size_t i = 0; i < im->n_disks; i++) {
		struct meta_reader rd = image_reader(im->disk[i]);
		struct meta_copy *copy = NULL;
		struct err e = {0};

		if (im->bytes > IMAGE_BYTES_MAX || im->disk[i]->held > IMAGE_SECTORS_MAX)
			abort();
		if (meta_ddf.probe(&rd, &e) == 1 && meta_ddf.parse(&rd, &copy, &e) == 0)
			meta_ddf.copy_free(copy);
	}
	im->parts = 0;
	if (image_tell(im, again, &same) < 0 || image_tell_left(im, again, &same) < 0 || !same || !same->whole ||
	    same->bytes != im->bytes || same->n_disks != im->n_disks)
		abort();
	image_free(same);
	check_laid(im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image *im = NULL;
	int r = 0;

	while (size > 0 && r == 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end ? (size_t)(end - data) : size;
		json_t *part = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
		struct err e = {0};

		r = part ? image_take(&im, part, &e) : -EBADMSG;
		if (part && r < 0 && !e.msg[0])
			abort();
		json_decref(part);
		n += end ? 1 : 0;
		data += n;
		size -= n;
	}
	if (r == 0 && im)
		check(im);
	image_free(im);
	return 0;
}
