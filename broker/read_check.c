// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/read_check.h"

#include "broker/proc.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/value.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

/* A piece is a place as error.region counts them. BAD_MAX: a disk with so many is not worth the hours that its retries
 * of the rest would take. */
enum { DISK = 3, PIECE = 1 << 20, BAD_MAX = 64 };
#define TELL_EVERY (1 * NS_PER_SEC)

struct reading {
	struct blockdev *dev;
	uint64_t speed, pos, size, bad;
	int64_t region; /* the first that could not be read, -1: none */
	int64_t base;	/* boot: when pos would have been 0 at this speed */
	int64_t told;	/* boot, of the last line */
	int (*tell)(void *u, json_t *line);
	void *u;
};

static int tell_progress(struct reading *rd, int64_t now)
{
	json_t *j = json_pack("{s:{s:I s:I s:I}}", "progress", "done", (json_int_t)rd->pos, "total",
			      (json_int_t)rd->size, "bad", (json_int_t)rd->bad);

	if (j && rd->region >= 0)
		json_object_set_new(json_object_get(j, "progress"), "region", json_integer(rd->region));
	rd->told = now;
	return j ? rd->tell(rd->u, j) : -ENOMEM;
}

static int tell_end(struct reading *rd, const char *result, const char *reason)
{
	json_t *j = json_pack("{s:{s:s s:s}}", "end", "result", result, "reason", reason);

	return j ? rd->tell(rd->u, j) : -ENOMEM;
}

/* Waits until so much may have been read. What was lost while the disk was slow is not made up for. */
static void pace(struct reading *rd)
{
	int64_t now = clock_boot(&clock_system);
	int64_t due = rd->base + (int64_t)((double)rd->pos / (double)rd->speed * (double)NS_PER_SEC);

	if (due < now) {
		rd->base += now - due;
		return;
	}
	due -= now;
	nanosleep(&(struct timespec){.tv_sec = due / NS_PER_SEC, .tv_nsec = due % NS_PER_SEC}, NULL);
}

static int tell_failed(struct reading *rd)
{
	_cleanup_(buf_free) struct buf reason = {0};
	struct value at = value_size((uint64_t)rd->region * PIECE);

	buf_addf(&reason, "%s: %" PRIu64 " place%s cannot be read, the first at ", rd->dev->name, rd->bad,
		 rd->bad == 1 ? "" : "s");
	value_print(&at, VALUE_CANONICAL, &reason);
	if (rd->pos < rd->size)
		buf_add(&reason, "; the rest was not read");
	return tell_end(rd, "failed", buf_str(&reason));
}

/* 0: go on; 1: the disk is gone. */
static int read_piece(struct reading *rd, void *buf)
{
	size_t len = (size_t)MIN(rd->size - rd->pos, (uint64_t)PIECE);
	int r = rd->dev->read(rd->dev, rd->pos, buf, len);

	if (r < 0 && (r == -ENODEV || r == -ENXIO || (rd->dev->gone && rd->dev->gone(rd->dev))))
		return 1;
	if (r < 0 && rd->bad++ == 0)
		rd->region = (int64_t)(rd->pos / PIECE);
	rd->pos += len;
	return 0;
}

int read_check_run(struct blockdev *dev, uint64_t speed, int (*tell)(void *u, json_t *line), void *u)
{
	struct reading rd = {.dev = dev,
			     .speed = MAX(speed, 1u),
			     .size = dev->sectors * 512,
			     .region = -1,
			     .base = clock_boot(&clock_system),
			     .tell = tell,
			     .u = u};
	_cleanup_(freep) void *buf = blockio_alloc(PIECE);
	int r = buf ? 0 : -ENOMEM;

	while (r == 0 && rd.pos < rd.size && rd.bad < BAD_MAX) {
		uint64_t bad = rd.bad;
		int64_t now;
		char reason[128];

		if (read_piece(&rd, buf)) {
			snprintf(reason, sizeof(reason), "%s is gone", dev->name);
			return tell_end(&rd, "refused", reason);
		}
		now = clock_boot(&clock_system);
		if (rd.bad != bad || now >= rd.told + TELL_EVERY)
			r = tell_progress(&rd, now);
		pace(&rd);
	}
	if (r == 0)
		r = tell_progress(&rd, 0);
	if (r < 0)
		return r;
	return rd.bad ? tell_failed(&rd) : tell_end(&rd, "ok", "");
}

/* ---- the process ---- */

static int send_line(void *u, json_t *line)
{
	int r = wire_send(STDOUT_FILENO, line);

	(void)u;
	json_decref(line);
	return r;
}

/* The number that was given to the disk when it was attached is no longer that of the one behind this node. */
static bool is_another(uint64_t diskseq)
{
	uint64_t now = 0;

	return diskseq && ioctl(DISK, BLKGETDISKSEQ, &now) == 0 && now != diskseq;
}

/* Nobody else waits for this disk's answer, nor for the processor. What a scheduler of the disk's queue makes of it is
 * its own affair (bfq, mq-deadline). */
static void be_last(void)
{
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) < 0)
		log_debug("I/O priority: %s", strerror(errno));
}

int read_check_main(int argc, char **argv)
{
	_cleanup_(blockdev_closep) struct blockdev *dev = NULL;
	struct reading none = {.tell = send_line};
	struct err e = {0};
	int r;

	prctl(PR_SET_NAME, "spared-read");
	if (argc != 4)
		return 1;
	be_last();
	if (open(argv[3], O_RDONLY | O_NONBLOCK | O_CLOEXEC) != DISK) /* it may hang: nobody waits for this process */
		return PROC_EXIT_OPEN;
	r = blockio_open_fd(DISK, argv[0], &dev, &e);
	if (r == 0 && is_another(strtoull(argv[2], NULL, 10)))
		r = tell_end(&none, "refused", "another disk has its name now");
	else if (r == 0)
		r = read_check_run(dev, strtoull(argv[1], NULL, 10), send_line, NULL);
	else
		r = tell_end(&none, "failed", e.msg);
	return r < 0 ? 1 : 0;
}
