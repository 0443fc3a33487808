// SPDX-License-Identifier: GPL-2.0-or-later
/* The only way to a member's bytes. Behind a struct, so that crash tests record and cut it, and golden images stand in.
 */
#pragma once

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCKIO_ALIGN = 4096 }; /* for O_DIRECT */

/* All positions and lengths are bytes and multiples of sector_size; buffers are aligned to BLOCKIO_ALIGN. */
struct blockdev {
	/* Read or write all of it, or -errno. */
	int (*read)(struct blockdev *d, uint64_t pos, void *buf, size_t len);
	int (*write)(struct blockdev *d, uint64_t pos, const void *buf, size_t len);
	/* What was written before is on stable storage when it returns 0. */
	int (*flush)(struct blockdev *d);
	void (*close)(struct blockdev *d);
	/* True once the kernel has taken the device away, or is about to; NULL: it cannot go. Never waits for the
	 * device. */
	bool (*gone)(const struct blockdev *d);
	char name[64];	       /* kernel name, for messages and tables: "sda" */
	unsigned major, minor; /* 0:0 for images */
	uint64_t sectors;      /* of 512 bytes */
	unsigned sector_size;  /* logical, bytes */
};

static inline void blockdev_close(struct blockdev *d)
{
	if (d)
		d->close(d);
}
DEFINE_CLEANUP(struct blockdev *, blockdev_close)

/* Opens a block device or an image file with O_DIRECT where it can. writable: O_RDWR, never O_EXCL here. 0 or -errno.
 */
int blockio_open(const char *path, bool writable, struct blockdev **ret, struct err *e);
/* The same on an fd that was opened elsewhere (probe); takes the fd. */
int blockio_open_fd(int fd, const char *name, struct blockdev **ret, struct err *e);
/* What a format reads: sectors of 512 bytes, into any buffer. 0 or -errno; -ERANGE: not all of them are on the disk. */
int blockio_read_sectors(struct blockdev *d, uint64_t sector, void *buf, uint32_t sectors);
/* Zeroed memory aligned to 4096; freed with free(). NULL when out of memory. */
void *blockio_alloc(size_t len);
