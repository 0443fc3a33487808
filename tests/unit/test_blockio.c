// SPDX-License-Identifier: GPL-2.0-or-later
/* blockio on image files, and the fake disks that stand in for it. */
#include "actions/meta/blockio.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/fakes/fake_disk.h"
#include "tests/unit/unit.h"

enum { SIZE = 1024 * 1024 };

static void image_in(const char *dir)
{
	char path[256];
	struct blockdev *d = NULL;
	struct err e = {0};
	uint8_t *buf = blockio_alloc(8192), *back = blockio_alloc(8192);
	int fd;

	snprintf(path, sizeof(path), "%s/blockio.XXXXXX", dir);
	fd = mkstemp(path);
	assert_true(fd >= 0 && ftruncate(fd, SIZE) == 0);
	close(fd);

	assert_int_equal(blockio_open(path, true, &d, &e), 0);
	assert_int_equal(d->sectors, SIZE / 512);
	assert_int_equal(d->sector_size, 512);
	assert_int_equal(d->major, 0);
	assert_string_equal(d->name, strrchr(path, '/') + 1);
	memset(buf, 0x5a, 8192);
	assert_int_equal(d->write(d, SIZE - 8192, buf, 8192), 0);
	assert_int_equal(d->flush(d), 0);
	assert_int_equal(d->read(d, SIZE - 8192, back, 8192), 0);
	assert_memory_equal(buf, back, 8192);
	assert_int_equal(d->read(d, 0, back, 512), 0);
	assert_int_equal(back[0], 0);
	/* What O_DIRECT would refuse, and what lies outside. */
	assert_int_equal(d->write(d, 1, buf, 512), -EINVAL);
	assert_int_equal(d->write(d, 0, buf, 100), -EINVAL);
	assert_int_equal(d->write(d, 0, buf + 512, 512), -EINVAL);
	assert_int_equal(d->write(d, 0, buf, 0), -EINVAL);
	assert_int_equal(d->write(d, SIZE - 4096, buf, 8192), -ERANGE);
	assert_int_equal(d->read(d, SIZE, buf, 512), -ERANGE);
	assert_int_equal(d->read(d, UINT64_MAX / 512 * 512, buf, 512), -ERANGE);
	/* It shrinks under us. */
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(d->read(d, 0, back, 8192), -EIO);
	blockdev_close(d);

	assert_int_equal(blockio_open(path, false, &d, &e), 0);
	assert_int_equal(d->write(d, 0, buf, 512), -EBADF);
	blockdev_close(d);

	unlink(path);
	assert_int_equal(blockio_open(path, false, &d, &e), -ENOENT);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(blockio_open("/dev/null", false, &d, &e), -ENOTBLK);
	assert_int_equal(blockio_open("/tmp", false, &d, &e), -ENOTBLK);
	free(buf);
	free(back);
}

/* The second is a tmpfs, where older kernels refuse O_DIRECT. */
static void image(void **state _unused_)
{
	static const char *const dirs[] = {"/tmp", "/dev/shm"};

	for_rows (i, dirs)
		image_in(dirs[i]);
}

static void passed_fd(void **state _unused_)
{
	char path[] = "/tmp/blockio.XXXXXX";
	struct blockdev *d = NULL;
	int fd = mkstemp(path);

	assert_int_equal(ftruncate(fd, 4096), 0);
	unlink(path);
	assert_int_equal(blockio_open_fd(fd, "sdx", &d, NULL), 0);
	assert_string_equal(d->name, "sdx");
	assert_int_equal(d->sectors, 8);
	blockdev_close(d);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was taken */
}

static uint8_t first_byte(struct fake_disks *g, const char *name, uint64_t pos)
{
	uint8_t b;

	fake_disk_peek(fake_disk_get(g, name), pos, &b, 1);
	return b;
}

static void fake_record(void **state _unused_)
{
	_cleanup_(fake_disks_freep) struct fake_disks *g = fake_disks_new();
	_cleanup_(blockdev_closep) struct blockdev *a = NULL, *b = NULL;
	struct fake_disks *cut;
	uint8_t *buf = blockio_alloc(4096);
	unsigned torn = 0;

	assert_int_equal(fake_disk_open(fake_disk_add(g, "sda", 2048, 512), &a), 0);
	assert_int_equal(fake_disk_open(fake_disk_add(g, "sdb", 2048, 512), &b), 0);
	assert_int_equal(b->minor, 16);
	memset(buf, 1, 4096);
	assert_int_equal(a->write(a, 0, buf, 4096), 0);
	assert_int_equal(a->flush(a), 0);
	memset(buf, 2, 4096);
	assert_int_equal(a->write(a, 4096, buf, 4096), 0);
	assert_int_equal(b->write(b, 0, buf, 512), 0);
	assert_string_equal(fake_disks_log(g), "sda write 0+4096\nsda flush\nsda write 4096+4096\nsdb write 0+512\n");

	cut = fake_disks_at(g, 3, FAKE_KEEP_ALL, 0);
	assert_int_equal(first_byte(cut, "sda", 4096), 2);
	assert_int_equal(first_byte(cut, "sdb", 0), 0);
	fake_disks_free(cut);
	cut = fake_disks_at(g, 4, FAKE_KEEP_NONE, 0);
	assert_int_equal(first_byte(cut, "sda", 0), 1);
	assert_int_equal(first_byte(cut, "sda", 4096), 0);
	fake_disks_free(cut);
	for (uint64_t seed = 0; seed < 8; seed++) {
		cut = fake_disks_at(g, 4, FAKE_KEEP_RANDOM, seed);
		assert_int_equal(first_byte(cut, "sda", 0), 1);
		torn += first_byte(cut, "sda", 4096) != first_byte(cut, "sda", 4608);
		fake_disks_free(cut);
	}
	assert_true(torn > 0);
	free(buf);
}

static void fake_faults(void **state _unused_)
{
	_cleanup_(fake_disks_freep) struct fake_disks *g = fake_disks_new();
	struct fake_disk *disk = fake_disk_add(g, "sda", 64, 4096);
	_cleanup_(blockdev_closep) struct blockdev *a = NULL;
	uint8_t *buf = blockio_alloc(4096);

	assert_int_equal(fake_disk_open(disk, &a), 0);
	assert_int_equal(a->write(a, 512, buf, 4096), -EINVAL);
	fake_disk_fail_write(disk, 2, EIO);
	assert_int_equal(a->write(a, 0, buf, 4096), 0);
	assert_int_equal(a->write(a, 0, buf, 4096), -EIO);
	assert_int_equal(a->write(a, 0, buf, 4096), 0);
	fake_disk_fail_flush(disk, 1, EIO);
	assert_int_equal(a->flush(a), -EIO);
	fake_disk_fail_read(disk, 1, ETIMEDOUT);
	assert_int_equal(a->read(a, 0, buf, 4096), -ETIMEDOUT);
	assert_int_equal(a->read(a, 0, buf, 4096), 0);
	fake_disk_pull(disk, true);
	assert_int_equal(a->read(a, 0, buf, 4096), -ENODEV);
	fake_disk_pull(disk, false);

	fake_disks_mark(g);
	assert_int_equal(fake_disks_recorded(g), 0);
	fake_disks_cut_after(g, 1);
	assert_int_equal(a->write(a, 0, buf, 4096), 0);
	assert_true(!fake_disks_is_cut(g));
	assert_int_equal(a->write(a, 0, buf, 4096), -ENODEV);
	assert_true(fake_disks_is_cut(g));
	assert_int_equal(a->read(a, 0, buf, 4096), -ENODEV);
	assert_int_equal(fake_disks_recorded(g), 1);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(image),
		unit(passed_fd),
		unit(fake_record),
		unit(fake_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
