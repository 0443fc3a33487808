// SPDX-License-Identifier: GPL-2.0-or-later
/* blockio on image files, and the fake disks that stand in for it. */
#include "actions/meta/blockio.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/fakes/fake_disk.h"
#include "tests/unit/check.h"

enum { SIZE = 1024 * 1024 };

static void image(const char *dir)
{
	char path[256];
	struct blockdev *d = NULL;
	struct err e = {0};
	uint8_t *buf = blockio_alloc(8192), *back = blockio_alloc(8192);
	int fd;

	snprintf(path, sizeof(path), "%s/blockio.XXXXXX", dir);
	fd = mkstemp(path);
	CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
	close(fd);

	CHECK_INT(blockio_open(path, true, &d, &e), 0);
	CHECK_INT(d->sectors, SIZE / 512);
	CHECK_INT(d->sector_size, 512);
	CHECK_INT(d->major, 0);
	CHECK_STR(d->name, strrchr(path, '/') + 1);
	memset(buf, 0x5a, 8192);
	CHECK_INT(d->write(d, SIZE - 8192, buf, 8192), 0);
	CHECK_INT(d->flush(d), 0);
	CHECK_INT(d->read(d, SIZE - 8192, back, 8192), 0);
	CHECK(memcmp(buf, back, 8192) == 0);
	CHECK_INT(d->read(d, 0, back, 512), 0);
	CHECK_INT(back[0], 0);
	/* What O_DIRECT would refuse, and what lies outside. */
	CHECK_INT(d->write(d, 1, buf, 512), -EINVAL);
	CHECK_INT(d->write(d, 0, buf, 100), -EINVAL);
	CHECK_INT(d->write(d, 0, buf + 512, 512), -EINVAL);
	CHECK_INT(d->write(d, 0, buf, 0), -EINVAL);
	CHECK_INT(d->write(d, SIZE - 4096, buf, 8192), -ERANGE);
	CHECK_INT(d->read(d, SIZE, buf, 512), -ERANGE);
	CHECK_INT(d->read(d, UINT64_MAX / 512 * 512, buf, 512), -ERANGE);
	/* It shrinks under us. */
	CHECK_INT(truncate(path, 4096), 0);
	CHECK_INT(d->read(d, 0, back, 8192), -EIO);
	blockdev_close(d);

	CHECK_INT(blockio_open(path, false, &d, &e), 0);
	CHECK_INT(d->write(d, 0, buf, 512), -EBADF);
	blockdev_close(d);

	unlink(path);
	CHECK_INT(blockio_open(path, false, &d, &e), -ENOENT);
	CHECK(strstr(e.msg, path));
	CHECK_INT(blockio_open("/dev/null", false, &d, &e), -ENOTBLK);
	CHECK_INT(blockio_open("/tmp", false, &d, &e), -ENOTBLK);
	free(buf);
	free(back);
}

static void passed_fd(void)
{
	char path[] = "/tmp/blockio.XXXXXX";
	struct blockdev *d = NULL;
	int fd = mkstemp(path);

	CHECK_INT(ftruncate(fd, 4096), 0);
	unlink(path);
	CHECK_INT(blockio_open_fd(fd, "sdx", &d, NULL), 0);
	CHECK_STR(d->name, "sdx");
	CHECK_INT(d->sectors, 8);
	blockdev_close(d);
	CHECK_INT(fcntl(fd, F_GETFD), -1); /* it was taken */
}

static uint8_t first_byte(struct fake_disks *g, const char *name, uint64_t pos)
{
	uint8_t b;

	fake_disk_peek(fake_disk_get(g, name), pos, &b, 1);
	return b;
}

static void fake_record(void)
{
	_cleanup_(fake_disks_freep) struct fake_disks *g = fake_disks_new();
	_cleanup_(blockdev_closep) struct blockdev *a = NULL, *b = NULL;
	struct fake_disks *cut;
	uint8_t *buf = blockio_alloc(4096);
	unsigned torn = 0;

	CHECK_INT(fake_disk_open(fake_disk_add(g, "sda", 2048, 512), &a), 0);
	CHECK_INT(fake_disk_open(fake_disk_add(g, "sdb", 2048, 512), &b), 0);
	CHECK_INT(b->minor, 16);
	memset(buf, 1, 4096);
	CHECK_INT(a->write(a, 0, buf, 4096), 0);
	CHECK_INT(a->flush(a), 0);
	memset(buf, 2, 4096);
	CHECK_INT(a->write(a, 4096, buf, 4096), 0);
	CHECK_INT(b->write(b, 0, buf, 512), 0);
	CHECK_STR(fake_disks_log(g), "sda write 0+4096\nsda flush\nsda write 4096+4096\nsdb write 0+512\n");

	cut = fake_disks_at(g, 3, FAKE_KEEP_ALL, 0);
	CHECK_INT(first_byte(cut, "sda", 4096), 2);
	CHECK_INT(first_byte(cut, "sdb", 0), 0);
	fake_disks_free(cut);
	cut = fake_disks_at(g, 4, FAKE_KEEP_NONE, 0);
	CHECK_INT(first_byte(cut, "sda", 0), 1);
	CHECK_INT(first_byte(cut, "sda", 4096), 0);
	fake_disks_free(cut);
	for (uint64_t seed = 0; seed < 8; seed++) {
		cut = fake_disks_at(g, 4, FAKE_KEEP_RANDOM, seed);
		CHECK_INT(first_byte(cut, "sda", 0), 1);
		torn += first_byte(cut, "sda", 4096) != first_byte(cut, "sda", 4608);
		fake_disks_free(cut);
	}
	CHECK(torn > 0);
	free(buf);
}

static void fake_faults(void)
{
	_cleanup_(fake_disks_freep) struct fake_disks *g = fake_disks_new();
	struct fake_disk *disk = fake_disk_add(g, "sda", 64, 4096);
	_cleanup_(blockdev_closep) struct blockdev *a = NULL;
	uint8_t *buf = blockio_alloc(4096);

	CHECK_INT(fake_disk_open(disk, &a), 0);
	CHECK_INT(a->write(a, 512, buf, 4096), -EINVAL);
	fake_disk_fail_write(disk, 2, EIO);
	CHECK_INT(a->write(a, 0, buf, 4096), 0);
	CHECK_INT(a->write(a, 0, buf, 4096), -EIO);
	CHECK_INT(a->write(a, 0, buf, 4096), 0);
	fake_disk_fail_flush(disk, 1, EIO);
	CHECK_INT(a->flush(a), -EIO);
	fake_disk_fail_read(disk, 1, ETIMEDOUT);
	CHECK_INT(a->read(a, 0, buf, 4096), -ETIMEDOUT);
	CHECK_INT(a->read(a, 0, buf, 4096), 0);
	fake_disk_pull(disk, true);
	CHECK_INT(a->read(a, 0, buf, 4096), -ENODEV);
	fake_disk_pull(disk, false);

	fake_disks_mark(g);
	CHECK_INT(fake_disks_recorded(g), 0);
	fake_disks_cut_after(g, 1);
	CHECK_INT(a->write(a, 0, buf, 4096), 0);
	CHECK(!fake_disks_is_cut(g));
	CHECK_INT(a->write(a, 0, buf, 4096), -ENODEV);
	CHECK(fake_disks_is_cut(g));
	CHECK_INT(a->read(a, 0, buf, 4096), -ENODEV);
	CHECK_INT(fake_disks_recorded(g), 1);
	free(buf);
}

int main(void)
{
	image("/tmp");
	image("/dev/shm"); /* a tmpfs, where older kernels refuse O_DIRECT */
	passed_fd();
	fake_record();
	fake_faults();
	return CHECK_RESULT;
}
