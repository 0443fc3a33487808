// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks by udev: its own multicast group, so that identities and links are there; the kernel's group where no udevd
 * runs (initramfs). It listens before it enumerates, so that nothing falls between. */
#include "broker/sources.h"
#include "broker/udev_describe.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

/* As udevd's own: thousands of messages; memory is charged only while they wait. */
enum { RECEIVE_BUFFER = 128 << 20 };

/* In a storm the loop has others to serve: what is told at once is limited in disks and in time. */
enum { BATCH = 32 };
#define BATCH_TIME (5 * NS_PER_MS)
/* A disk that changes all the time is told of no more often, and once after its last change. */
#define CHANGE_PAUSE (500 * NS_PER_MS)

/* A disk whose change was told a moment ago. */
struct recent {
	dev_t number;
	int64_t told; /* boot */
	bool waits;   /* it changed again */
};

struct udev_source {
	struct udev *udev;
	struct udev_monitor *monitor;
	struct loop_fd *watch;
	bool kernel_group;
	uint64_t seqnum; /* last of the kernel's group */
	uint32_t drops;	 /* of the socket so far */
	struct recent *recent;
	size_t n_recent, cap_recent;
	struct loop_timer *later; /* for those that wait */
	struct udev_queue *queue; /* until the first enumeration is complete */
	struct loop_fd *queue_watch;
	struct loop_timer *settle;
};

static uint64_t new_drops(struct udev_source *us)
{
	return socket_dropped(udev_monitor_get_fd(us->monitor), &us->drops);
}

/* A jump in the kernel's numbers means loss only in the kernel's own group: udevd reorders and drops on purpose. Small
 * steps back are tolerated. Other subsystems are filtered out by the socket, so only its own drop count can tell. */
static void check_sequence(struct source *s, struct udev_device *dev)
{
	struct udev_source *us = s->own;
	uint64_t seqnum = udev_device_get_seqnum(dev);
	uint64_t lost;

	if (!us->kernel_group || seqnum <= us->seqnum)
		return;
	lost = us->seqnum && seqnum > us->seqnum + 1 ? new_drops(us) : 0;
	us->seqnum = seqnum;
	if (lost)
		source_lost(s, lost);
}

static const char *action_of(struct udev_device *dev)
{
	const char *action = udev_device_get_action(dev);

	return action ? action : "change";
}

/* A change that has nothing to say but that. What is read of a disk is as it is now, whichever of its changes asked for
 * it. */
static bool mere_change(struct udev_device *dev)
{
	return strcmp(action_of(dev), "change") == 0 && !udev_says_more(dev);
}

static struct recent *recent_of(const struct udev_source *us, dev_t number)
{
	for (size_t i = 0; i < us->n_recent; i++)
		if (us->recent[i].number == number)
			return &us->recent[i];
	return NULL;
}

/* What else is told of the disk says that it changed, too, or that it is another one. */
static void forget_recent(struct udev_source *us, dev_t number)
{
	struct recent *r = recent_of(us, number);

	if (r)
		*r = us->recent[--us->n_recent];
}

/* Out of memory: the next change is told, too. */
static void note_recent(struct udev_source *us, dev_t number, int64_t now)
{
	struct recent *more;

	if (us->n_recent == us->cap_recent) {
		more = reallocarray(us->recent, us->cap_recent + 64, sizeof(*more));
		if (!more)
			return;
		us->recent = more;
		us->cap_recent += 64;
	}
	us->recent[us->n_recent++] = (struct recent){.number = number, .told = now};
}

/* True: it is told later. */
static bool told_later(struct source *s, struct udev_device *dev, int64_t now)
{
	dev_t number = udev_device_get_devnum(dev);
	struct udev_source *us = s->own;
	struct recent *r = recent_of(us, number);

	if (!mere_change(dev)) {
		forget_recent(us, number);
		return false;
	}
	if (r && now < r->told + CHANGE_PAUSE) {
		s->merged++;
		r->waits = true;
		return true;
	}
	if (r)
		*r = (struct recent){.number = number, .told = now};
	else if (number) /* none: a SCSI device without a disk */
		note_recent(us, number, now);
	return false;
}

static void tell(struct source *s, struct udev_device *dev)
{
	struct described d;

	udev_describe(dev, action_of(dev), &d);
	pipeline_raw_device(s->env->pipeline, &d.raw, ORIGIN_KERNEL);
}

/* A SCSI device that changed: the kernel says so when it has found its place in an enclosure (drivers/scsi/ses.c),
 * which may be after its disk came. Takes dev; the disk has changed, if it is here already. */
static struct udev_device *disk_instead(struct udev_source *us, struct udev_device *dev)
{
	dev_t number = udev_device_get_devnum(dev) || !mere_change(dev) ? 0 : udev_disk_of(dev);
	struct udev_device *disk = number ? udev_device_new_from_devnum(us->udev, 'b', number) : NULL;

	if (disk)
		udev_device_unref(dev);
	return disk ? disk : dev;
}

/* NULL: nothing is there now. */
static struct udev_device *receive(struct source *s)
{
	struct udev_source *us = s->own;
	struct udev_device *dev;

	do {
		errno = 0;
		dev = udev_monitor_receive_device(us->monitor);
		if (!dev && errno == ENOBUFS)
			source_lost(s, new_drops(us));
	} while (!dev && errno == ENOBUFS);
	if (dev) {
		s->received++;
		check_sequence(s, dev);
		dev = disk_instead(us, dev);
	}
	return dev;
}

/* The timer is set for the first that waits; who does not wait and may be told of again is forgotten. */
static void arm_later(struct udev_source *us, int64_t now)
{
	int64_t first = INT64_MAX;
	size_t n = 0;

	for (size_t i = 0; i < us->n_recent; i++) {
		int64_t due = us->recent[i].told + CHANGE_PAUSE;

		if (us->recent[i].waits)
			first = MIN(first, due);
		if (us->recent[i].waits || due > now)
			us->recent[n++] = us->recent[i];
	}
	us->n_recent = n;
	if (first < INT64_MAX)
		loop_timer_at(us->later, first);
}

static void on_monitor(void *u, unsigned ready _unused_)
{
	struct source *s = u;
	struct udev_device *dev;
	int64_t now = clock_boot(&clock_system), until = now + BATCH_TIME;

	for (int n = 0; n < BATCH && now < until && (dev = receive(s)); now = clock_boot(&clock_system)) {
		if (!told_later(s, dev, now)) {
			tell(s, dev);
			n++;
		}
		udev_device_unref(dev);
	}
	arm_later(s->own, now);
}

/* It is told as it is now; one that is gone has told so itself. */
static void on_later(void *u)
{
	struct source *s = u;
	struct udev_source *us = s->own;
	int64_t now = clock_boot(&clock_system), until = now + BATCH_TIME;

	for (size_t i = 0; i < us->n_recent && now < until; i++, now = clock_boot(&clock_system)) {
		struct recent *r = &us->recent[i];
		struct udev_device *dev;

		if (!r->waits || r->told + CHANGE_PAUSE > now)
			continue;
		*r = (struct recent){.number = r->number, .told = now};
		dev = udev_device_new_from_devnum(us->udev, 'b', r->number);
		if (dev)
			tell(s, dev);
		udev_device_unref(dev);
	}
	arm_later(us, now);
}

static void udev_enumerate_disks(struct source *s)
{
	struct udev_source *us = s->own;
	struct udev_enumerate *en = udev_enumerate_new(us->udev);
	struct udev_list_entry *entry;

	if (!en || udev_enumerate_add_match_subsystem(en, "block") < 0 || udev_enumerate_scan_devices(en) < 0) {
		log_error("source udev: cannot enumerate block devices");
		udev_enumerate_unref(en);
		return;
	}
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(en))
	{
		struct udev_device *dev = udev_device_new_from_syspath(us->udev, udev_list_entry_get_name(entry));
		const char *type = dev ? udev_device_get_devtype(dev) : NULL;
		struct described d;

		/* A disk that udevd has not handled yet has no identity: its own event is still to come. */
		if (type && strcmp(type, "disk") == 0 && (us->kernel_group || udev_device_get_is_initialized(dev))) {
			udev_describe(dev, "add", &d);
			pipeline_raw_device(s->env->pipeline, &d.raw, ORIGIN_SYNTHESISED);
		}
		udev_device_unref(dev);
	}
	udev_enumerate_unref(en);
}

static void first_complete(struct source *s)
{
	struct udev_source *us = s->own;

	loop_fd_free(us->queue_watch);
	us->queue_watch = NULL;
	loop_timer_free(us->settle);
	us->settle = NULL;
	us->queue = udev_queue_unref(us->queue);
	s->env->enumerated(s->env->u);
}

static void on_queue(void *u, unsigned ready _unused_)
{
	struct source *s = u;
	struct udev_source *us = s->own;

	udev_queue_flush(us->queue);
	if (udev_queue_get_queue_is_empty(us->queue))
		first_complete(s);
}

static void on_settle(void *u)
{
	struct source *s = u;

	log_notice("udev is still busy after %lld s: starting with the disks that are known",
		   (long long)(s->env->settings->settle / NS_PER_SEC));
	first_complete(s);
}

/* At start-up the picture is complete when udevd has nothing left to do, or after the settle time. */
static void wait_for_udevd(struct source *s)
{
	struct udev_source *us = s->own;
	int fd;

	us->queue = udev_queue_new(us->udev);
	fd = us->queue ? udev_queue_get_fd(us->queue) : -1;
	if (us->kernel_group || fd < 0 || s->env->settings->settle == 0 || udev_queue_get_queue_is_empty(us->queue) ||
	    loop_timer_new(s->env->loop, on_settle, s, &us->settle) < 0 ||
	    loop_fd_new(s->env->loop, fd, LOOP_READ, on_queue, s, &us->queue_watch) < 0) {
		first_complete(s);
		return;
	}
	loop_timer_in(us->settle, s->env->settings->settle);
}

static void udev_source_free(struct udev_source *us)
{
	loop_fd_free(us->queue_watch);
	loop_timer_free(us->settle);
	udev_queue_unref(us->queue);
	loop_fd_free(us->watch);
	loop_timer_free(us->later);
	free(us->recent);
	udev_monitor_unref(us->monitor);
	udev_unref(us->udev);
	free(us);
}
DEFINE_CLEANUP(struct udev_source *, udev_source_free)

static int udev_start(struct source *s, struct err *e)
{
	_cleanup_(udev_source_freep) struct udev_source *us = calloc(1, sizeof(*us));
	int r;

	if (!us)
		return err_sys(e, ENOMEM, "udev source");
	us->kernel_group = access("/run/udev/control", F_OK) < 0;
	us->udev = udev_new();
	us->monitor = us->udev ? udev_monitor_new_from_netlink(us->udev, us->kernel_group ? "kernel" : "udev") : NULL;
	if (!us->monitor)
		return err_sys(e, errno ? errno : ENOMEM, "cannot listen to %s events",
			       us->kernel_group ? "kernel" : "udev");
	if (udev_monitor_set_receive_buffer_size(us->monitor, RECEIVE_BUFFER) < 0)
		log_warning("source udev: the receive buffer stays small: %s", strerror(errno));
	r = udev_monitor_filter_add_match_subsystem_devtype(us->monitor, "block", "disk");
	if (r >= 0) /* unit attentions and places in enclosures are told of the SCSI device, the disk's parent */
		r = udev_monitor_filter_add_match_subsystem_devtype(us->monitor, "scsi", "scsi_device");
	if (r >= 0)
		r = udev_monitor_enable_receiving(us->monitor);
	if (r < 0)
		return err_sys(e, -r, "cannot listen to udev events");
	r = loop_timer_new(s->env->loop, on_later, s, &us->later);
	if (r == 0)
		r = loop_fd_new(s->env->loop, udev_monitor_get_fd(us->monitor), LOOP_READ, on_monitor, s, &us->watch);
	if (r < 0)
		return err_sys(e, -r, "udev source");
	if (us->kernel_group)
		log_notice("no udevd: listening to the kernel's own events; disks are known by their paths only");
	s->own = TAKE_PTR(us);
	udev_enumerate_disks(s);
	wait_for_udevd(s);
	return 0;
}

static void udev_stop(struct source *s)
{
	udev_source_free(s->own);
}

/* What waits in the socket is older than what enumeration shows: it is read first. */
static void udev_again(struct source *s)
{
	on_monitor(s, LOOP_READ);
	udev_enumerate_disks(s);
}

const struct source_ops source_udev = {
	.name = "udev",
	.doc = "disks that come, go and change, and what they tell, by udev",
	.start = udev_start,
	.stop = udev_stop,
	.enumerate = udev_again,
	.tells_disks = true,
};
