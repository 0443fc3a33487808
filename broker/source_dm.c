// SPDX-License-Identifier: GPL-2.0-or-later
/* Device-mapper events by one fd for all devices: poll(2) on /dev/mapper/control tells that some event number grew
 * since DM_DEV_ARM_POLL (drivers/md/dm-ioctl.c: dm_poll, dm_get_event). It is armed before the list is read, so that an
 * event in between wakes again. Reading the list takes no device's lock: a suspended or stuck device does not stop it.
 */
#include "broker/dm_list.h"
#include "broker/sources.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>

#define DM_CONTROL "/dev/mapper/control"
#define OUR_UUIDS "SPARED-"

enum { LIST_FIRST = 16 << 10, LIST_LAST = 16 << 20 }; /* bytes of the list's buffer */

struct dm_source {
	int fd;
	struct loop_fd *watch;
	struct dm_list last;
	void *data;
	size_t len;
};

static void ioctl_prepare(struct dm_source *d, size_t len)
{
	struct dm_ioctl *head = d->data;

	memset(head, 0, sizeof(*head));
	/* ARM_POLL came with 4.37; an older kernel refuses the version. */
	head->version[0] = DM_VERSION_MAJOR;
	head->version[1] = 37;
	head->data_size = (uint32_t)len;
	head->data_start = sizeof(*head);
	head->flags = DM_UUID_FLAG; /* lists carry UUIDs */
}

static int read_list(struct dm_source *d, struct dm_list *ret, struct err *e)
{
	struct dm_ioctl *head;

	ioctl_prepare(d, sizeof(*head));
	if (ioctl(d->fd, DM_DEV_ARM_POLL, d->data) < 0)
		return err_sys(e, errno, "DM_DEV_ARM_POLL");
	for (;;) {
		void *more;

		ioctl_prepare(d, d->len);
		if (ioctl(d->fd, DM_LIST_DEVICES, d->data) < 0)
			return err_sys(e, errno, "DM_LIST_DEVICES");
		head = d->data;
		if (!(head->flags & DM_BUFFER_FULL_FLAG))
			return dm_list_decode(d->data, d->len, OUR_UUIDS, ret, e);
		if (d->len >= LIST_LAST)
			return err_set(e, E2BIG, "more device-mapper devices than %d MiB list", LIST_LAST >> 20);
		more = realloc(d->data, d->len * 2);
		if (!more)
			return err_sys(e, ENOMEM, "device list");
		d->data = more;
		d->len *= 2;
	}
}

static void on_change(void *u, enum dm_change change _unused_, const struct dm_list_entry *entry)
{
	struct source *s = u;

	s->received++;
	pipeline_dm_changed(s->env->pipeline, entry->uuid, entry->event_nr);
}

static void on_ready(void *u, unsigned ready _unused_)
{
	struct source *s = u;
	struct dm_source *d = s->own;
	struct dm_list now = {0};
	struct err e = {0};

	if (read_list(d, &now, &e) < 0) {
		loop_fd_want(d->watch, 0);
		source_failed(s, &e);
		return;
	}
	dm_list_diff(&d->last, &now, on_change, s);
	dm_list_finish(&d->last);
	d->last = now;
}

static void dm_source_free(struct dm_source *d)
{
	loop_fd_free(d->watch);
	closep(&d->fd);
	dm_list_finish(&d->last);
	free(d->data);
	free(d);
}
DEFINE_CLEANUP(struct dm_source *, dm_source_free)

static int dm_start(struct source *s, struct err *e)
{
	_cleanup_(dm_source_freep) struct dm_source *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_sys(e, ENOMEM, "device-mapper source");
	d->fd = -1;
	d->len = LIST_FIRST;
	d->data = malloc(d->len);
	if (!d->data)
		return err_sys(e, ENOMEM, "device-mapper source");
	d->fd = open(DM_CONTROL, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return err_sys(e, errno, "cannot open %s", DM_CONTROL);
	r = read_list(d, &d->last, e);
	if (r < 0)
		return r;
	r = loop_fd_new(s->env->loop, d->fd, LOOP_READ, on_ready, s, &d->watch);
	if (r < 0)
		return err_sys(e, -r, "device-mapper source");
	s->own = TAKE_PTR(d);
	return 0;
}

static void dm_stop(struct source *s)
{
	dm_source_free(s->own);
}

/* What runs now is told as if it had changed. */
static void dm_enumerate(struct source *s)
{
	struct dm_source *d = s->own;

	for (size_t i = 0; i < d->last.n; i++)
		on_change(s, DM_CHANGE_ADDED, &d->last.entries[i]);
}

const struct source_ops source_dm = {
	.name = "dm",
	.doc = "device-mapper events, by one fd for all devices",
	.start = dm_start,
	.stop = dm_stop,
	.enumerate = dm_enumerate,
	.retry = true,
};
