// SPDX-License-Identifier: GPL-2.0-or-later
/* ddf_lay CASE DEVICE...: lays a case of tests/golden/meta on devices, one for each of its disks, in their own block
 * size, and prints the set. The devices are as large as the case's disks, and blank. CASE:4096 lays it on image files
 * of disks with blocks of that size. */
#include "actions/meta/blockio.h"
#include "tests/unit/ddf_disks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STEP = 4096 };

/* Only what is not zero. */
static int lay(const struct test_disk *d, struct blockdev *dev)
{
	_cleanup_(freep) void *buf = blockio_alloc(STEP);
	static const uint8_t zero[STEP];
	int r = buf ? 0 : -ENOMEM;

	for (uint64_t at = d->first * 512; at < d->sectors * 512 && r == 0; at += STEP) {
		const uint8_t *from = d->bytes + (at - d->first * 512);

		if (memcmp(from, zero, STEP) != 0) {
			memcpy(buf, from, STEP);
			r = dev->write(dev, at, buf, STEP);
		}
	}
	return r < 0 ? r : dev->flush(dev);
}

int main(int argc, char **argv)
{
	struct blockdev *dev[TEST_DISKS_MAX] = {0};
	struct test_set s;
	struct err e = {0};
	char name[64], *text;
	size_t n = (size_t)argc - 2;

	if (argc < 3 || n == 0 || n > TEST_DISKS_MAX)
		return 2;
	for (size_t i = 0; i < n; i++)
		if (blockio_open(argv[2 + i], true, &dev[i], &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			return 1;
		}
	snprintf(name, sizeof(name), "%s%s", argv[1], dev[0]->sector_size == 4096 ? ":4096" : "");
	test_set_load(&s, name);
	for (size_t i = 0; i < n; i++) {
		if (strchr(argv[1], ':'))
			dev[i]->sector_size = s.disk[i].sector_size;
		if (n != s.n || dev[i]->sectors != s.disk[i].sectors || dev[i]->sector_size != s.disk[i].sector_size ||
		    lay(&s.disk[i], dev[i]) < 0) {
			fprintf(stderr, "%s has %zu disks of %llu sectors: %s does not do\n", name, s.n,
				(unsigned long long)s.disk[0].sectors, argv[2 + i]);
			return 1;
		}
		blockdev_close(dev[i]);
	}
	text = test_disk_text(&s.disk[0]);
	printf("%s", text);
	free(text);
	test_set_free(&s);
	return 0;
}
