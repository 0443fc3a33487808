// SPDX-License-Identifier: GPL-2.0-or-later
/* The only fd on a member's bytes. O_DIRECT: buffered reads of a slice gave event counts of long ago, as the kernel
 * writes slices past the page cache. An image file may lie where O_DIRECT is refused (tmpfs): it is read and written
 * buffered. */
#include "actions/meta/blockio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { IMAGE_SECTOR = 512 };

struct blockfile {
	struct blockdev d;
	int fd;
};

static struct blockfile *blockfile(struct blockdev *d)
{
	return (struct blockfile *)d; /* d is its first member */
}

/* 0, or why the device or O_DIRECT would not do it: a clear word here instead of the kernel's EINVAL, or a short write.
 */
static int check_range(const struct blockdev *d, uint64_t pos, const void *buf, size_t len)
{
	if (len == 0 || pos % d->sector_size || len % d->sector_size || (uintptr_t)buf % BLOCKIO_ALIGN)
		return -EINVAL;
	if (pos / 512 > d->sectors || len / 512 > d->sectors - pos / 512)
		return -ERANGE;
	return 0;
}

static int file_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	int r = check_range(d, pos, buf, len);

	for (size_t done = 0; r == 0 && done < len;) {
		ssize_t n = pread(blockfile(d)->fd, (char *)buf + done, len - done, (off_t)(pos + done));

		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			r = -EIO; /* it has shrunk */
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

static int file_write(struct blockdev *d, uint64_t pos, const void *buf, size_t len)
{
	int r = check_range(d, pos, buf, len);

	for (size_t done = 0; r == 0 && done < len;) {
		ssize_t n = pwrite(blockfile(d)->fd, (const char *)buf + done, len - done, (off_t)(pos + done));

		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			r = -EIO;
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}

/* fdatasync on a block device writes its page cache, if any, and sends the disk a cache flush (blkdev_fsync). An error
 * is told once: it is not tried again, what was written before counts as lost. */
/* A pulled disk fails I/O before its uevent is heard. The SCSI layer says "cancel" first of all (__scsi_remove_device,
 * drivers/scsi/scsi_sysfs.c), NVMe "deleting" or "dead" (nvme_sysfs_show_state); a disk that is only offline is still
 * there. */
static bool file_gone(const struct blockdev *d)
{
	static const char *const going[] = {"cancel", "deleted", "deleting", "deleting (no IO)", "dead"};
	char path[64], state[32] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", d->major, d->minor);
	if (d->major == 0)
		return false;
	if (access(path, F_OK) < 0)
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/device/state", d->major, d->minor);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, state, sizeof(state) - 1);
	close(fd);
	if (n < 0)
		return errno == ENODEV;
	state[strcspn(state, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(going); i++)
		if (strcmp(state, going[i]) == 0)
			return true;
	return false;
}

static int file_flush(struct blockdev *d)
{
	return fdatasync(blockfile(d)->fd) < 0 ? -errno : 0;
}

static void file_close(struct blockdev *d)
{
	close(blockfile(d)->fd);
	free(d);
}

/* O_DIRECT after the fact, for an fd that came without: needed on a block device, welcome on a file. */
static int set_direct(int fd, bool needed)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (flags & O_DIRECT)
		return 0;
	return fcntl(fd, F_SETFL, flags | O_DIRECT) < 0 && needed ? -errno : 0;
}

static int fill_size(struct blockfile *f, const struct stat *st)
{
	uint64_t bytes = (uint64_t)st->st_size;
	int sector = IMAGE_SECTOR;

	if (S_ISBLK(st->st_mode)) {
		if (ioctl(f->fd, BLKGETSIZE64, &bytes) < 0 || ioctl(f->fd, BLKSSZGET, &sector) < 0)
			return -errno;
		f->d.major = major(st->st_rdev);
		f->d.minor = minor(st->st_rdev);
	}
	if (sector < 512 || sector > BLOCKIO_ALIGN || (sector & (sector - 1)))
		return -ENOTSUP;
	f->d.sectors = bytes / 512;
	f->d.sector_size = (unsigned)sector;
	return 0;
}

int blockio_open_fd(int fd, const char *name, struct blockdev **ret, struct err *e)
{
	_cleanup_(closep) int own = fd;
	_cleanup_(freep) struct blockfile *f = calloc(1, sizeof(*f));
	struct stat st;
	int r;

	if (!f)
		return err_sys(e, ENOMEM, "%s", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", name);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ENOTBLK, "%s is neither a block device nor an image file", name);
	f->d = (struct blockdev){
		.read = file_read, .write = file_write, .flush = file_flush, .close = file_close, .gone = file_gone};
	f->fd = fd;
	snprintf(f->d.name, sizeof(f->d.name), "%s", name);
	r = set_direct(fd, S_ISBLK(st.st_mode));
	if (r == 0)
		r = fill_size(f, &st);
	if (r < 0)
		return err_sys(e, -r, "%s", name);
	TAKE_FD(own);
	*ret = &TAKE_PTR(f)->d;
	return 0;
}

/* A device's kernel name: what its link or node leads to. */
static void kernel_name(int fd, const char *path, char *name, size_t size)
{
	char proc[40], target[PATH_MAX];
	const char *base = strrchr(path, '/');
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		base = strrchr(target, '/');
	}
	snprintf(name, size, "%s", base ? base + 1 : path);
}

int blockio_open(const char *path, bool writable, struct blockdev **ret, struct err *e)
{
	int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK, fd;
	char name[64];

	fd = open(path, flags | O_DIRECT);
	if (fd < 0 && errno == EINVAL) /* a file system without O_DIRECT: blockio_open_fd refuses a device */
		fd = open(path, flags);
	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	kernel_name(fd, path, name, sizeof(name));
	return blockio_open_fd(fd, name, ret, e);
}

void *blockio_alloc(size_t len)
{
	void *p = NULL;

	len = (len + BLOCKIO_ALIGN - 1) / BLOCKIO_ALIGN * BLOCKIO_ALIGN;
	if (posix_memalign(&p, BLOCKIO_ALIGN, len) != 0)
		return NULL;
	return memset(p, 0, len);
}

/* The disk is read by its own sectors, aligned: a bounce buffer covers the range, where it is not as the disk wants it
 * already. Large ones are: to copy them costs as much as to read them. */
int blockio_read_sectors(struct blockdev *d, uint64_t sector, void *buf, uint32_t sectors)
{
	uint64_t unit = MAX(d->sector_size, 512u) / 512, from = sector - sector % unit;
	uint64_t end = (sector + sectors + unit - 1) / unit * unit;
	bool fits = from == sector && end == sector + sectors && (uintptr_t)buf % BLOCKIO_ALIGN == 0;
	_cleanup_(freep) void *bounce = NULL;
	int r;

	if (sectors == 0 || sector > d->sectors || sectors > d->sectors - sector || end > d->sectors)
		return -ERANGE;
	if (!fits)
		bounce = blockio_alloc((size_t)(end - from) * 512);
	if (!fits && !bounce)
		return -ENOMEM;
	if (fits) /* what a disk does not fill, though it says so, is zero, never what was here before */
		memset(buf, 0, (size_t)sectors * 512);
	r = d->read(d, from * 512, fits ? buf : bounce, (size_t)(end - from) * 512);
	if (r == 0 && !fits)
		memcpy(buf, (char *)bounce + (sector - from) * 512, (size_t)sectors * 512);
	return r;
}
