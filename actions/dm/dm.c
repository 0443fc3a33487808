// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's device-mapper, by the ioctls of linux/dm-ioctl.h on a control fd that stays open. libdevmapper does what
 * is more than an ioctl: the control node, udev's cookies, nodes where no udev runs.
 *
 * dm_task_run is not used: it allocates each ioctl's buffer anew, opens the control device when it is closed, and sets
 * a node's read-ahead through sysfs after each resume (libdm-iface.c: _flatten, _open_control, _dm_task_node_ops).
 * Here, what is called while a device is suspended (status, table, clear, info, resume) uses one static buffer, the
 * open fd and a cookie that suspend has prepared: per call one ioctl, and for a resume without a uevent one semop more.
 * It allocates nothing and touches no file; memory that the process has locked (mlockall faults .bss in) stays enough.
 * test_dm_kernel counts calls of malloc and of everything else that it could call; tests/lab/dm-swap.sh counts them on
 * a real kernel.
 *
 * One thread only, as the library's own state. */
#include "actions/dm/dm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sem.h>
#include <sys/sysmacros.h>
#include <time.h>

enum {
	HELD_MAX = 8,	    /* devices that one plan holds suspended at a time */
	REMOVE_TRIES = 250, /* a device is busy for a moment while udev reads it */
	REMOVE_PAUSE_MS = 20,
	SETTLE_TIMEOUT_S = 30, /* udevd ends a rule that hangs after 180 s, and never completes its cookie */
	LIST_ROOM = 64 * 1024,
	LIST_ROOM_MAX = 16 * 1024 * 1024,
};

/* As cookie and its flags travel: the flags in the upper half of event_nr (libdevmapper.h). */
#define UDEV_FLAGS(f) ((uint32_t)(f) << DM_UDEV_FLAGS_SHIFT)
#define UDEV_ALONE                                                                                                     \
	(DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG)
/* What a private device's uevent carries: flags, and a cookie that nobody waits for. contrib/udev/09-spared.rules knows
 * this number, and spares udev the two programs that are run for each cookie. */
#define UDEV_PRIVATE UDEV_FLAGS(UDEV_ALONE | DM_UDEV_PRIMARY_SOURCE_FLAG)

static struct {
	int control;	   /* /dev/mapper/control, -1 while closed */
	bool node_check;   /* a node may be missing: no udev makes it */
	uint32_t cookie;   /* of all uevents since the last settle, 0: none */
	unsigned prepared; /* uevents counted in the cookie, of which no ioctl has been sent yet */
	unsigned n_held;
	char held[HELD_MAX][DM_NAME_LEN]; /* suspended by us */
	union {
		struct dm_ioctl io;
		char room[sizeof(struct dm_ioctl) + sizeof(struct dm_target_spec) + DM_PARAMS_MAX];
	} u;
} dm = {.control = -1};

static void quiet(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
	(void)level, (void)file, (void)line, (void)dm_errno, (void)fmt;
}

static int control_open(struct err *e)
{
	struct dm_task *t;
	int ok;

	if (dm.control >= 0)
		return 0;
	dm_log_with_errno_init(quiet);
	/* The version task loads the module and makes the control node where that is not done yet. */
	t = dm_task_create(DM_DEVICE_VERSION);
	ok = t && dm_task_run(t);
	if (t)
		dm_task_destroy(t);
	dm_lib_release();
	if (!ok)
		return err_set(e, ENODEV,
			       "the kernel's device-mapper does not answer: is dm_mod loaded, and are we root?");
	dm.control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return dm.control < 0 ? err_sys(e, errno, "/dev/mapper/control") : 0;
}

/* Fills a request's head. The kernel takes any minor version up to its own (check_version, drivers/md/dm-ioctl.c). */
static int request(struct dm_ioctl *io, size_t size, const char *name, struct err *e)
{
	if (strlen(name) > DM_NAME_LEN_MAX)
		return err_set(e, ENAMETOOLONG, "a device's name is longer than %d: %.60s..", DM_NAME_LEN_MAX, name);
	memset(io, 0, sizeof(*io));
	io->version[0] = DM_VERSION_MAJOR;
	io->data_size = (uint32_t)size;
	io->data_start = sizeof(*io);
	memcpy(io->name, name, strlen(name) + 1);
	return 0;
}

/* A request in the static buffer. */
static int small_request(const char *name, uint32_t flags, struct err *e)
{
	int r = control_open(e);

	if (r == 0)
		r = request(&dm.u.io, sizeof(dm.u), name, e);
	dm.u.io.flags = flags;
	return r;
}

/* 0 or -errno. Only a suspend can be interrupted; it is then undone, and the caller decides. */
static int dm_ioctl(unsigned long command, struct dm_ioctl *io)
{
	int r;

	do
		r = ioctl(dm.control, command, io);
	while (r < 0 && errno == EINTR && !(command == DM_DEV_SUSPEND && (io->flags & DM_SUSPEND_FLAG)));
	return r < 0 ? -errno : 0;
}

static int failed(struct err *e, int r, const char *what, const char *name)
{
	return r == -ENXIO ? err_set(e, ENXIO, "cannot %s %s: there is no such device", what, name)
			   : err_sys(e, -r, "cannot %s %s", what, name);
}

/* --- udev cookies: a semaphore that the last rule of each uevent counts down (dmsetup udevcomplete) --- */

/* Counts uevents to come in the cookie, so that as many are ready. Allocates when it has to count. */
static int cookie_prepare(unsigned want, struct err *e)
{
	while (dm.prepared < want) {
		struct dm_task *t = dm_task_create(DM_DEVICE_RESUME);
		int ok;

		if (!t)
			return err_sys(e, ENOMEM, "udev cookie");
		ok = dm_task_set_cookie(t, &dm.cookie, 0);
		dm_task_destroy(t);
		if (!ok)
			return err_set(e, ENOSPC, "cannot make a udev cookie: are there semaphores left (ipcs -s)?");
		dm.prepared++;
	}
	return 0;
}

/* What the ioctl carries as event_nr. Without a udev that completes cookies: flags only. */
static uint32_t cookie_take(uint16_t flags)
{
	dm.prepared--;
	return (dm.cookie & ~DM_UDEV_FLAGS_MASK) | UDEV_FLAGS(flags | DM_UDEV_PRIMARY_SOURCE_FLAG);
}

/* After the ioctl: where the kernel sent no uevent, no rule will count down. */
static void cookie_used(int r, const struct dm_ioctl *io)
{
	if (dm.cookie && (r < 0 || !(io->flags & DM_UEVENT_GENERATED_FLAG)))
		dm_udev_complete(dm.cookie);
	if (!dm.cookie)
		dm.node_check = true;
}

/* --- what is suspended by us --- */

static unsigned held_find(const char *name)
{
	unsigned i;

	for (i = 0; i < dm.n_held; i++)
		if (strcmp(dm.held[i], name) == 0)
			break;
	return i;
}

static void held_drop(const char *name)
{
	unsigned i = held_find(name);

	if (i < dm.n_held)
		memmove(dm.held[i], dm.held[--dm.n_held], sizeof(dm.held[i]));
}

/* --- dm_ops --- */

static int kernel_create(void *u, const char *name, const char *uuid, struct err *e)
{
	int r = small_request(name, 0, e);

	(void)u;
	if (r < 0)
		return r;
	if (strlen(uuid) > DM_UUID_LEN_MAX)
		return err_set(e, ENAMETOOLONG, "the UUID of %s is longer than %d", name, DM_UUID_LEN_MAX);
	memcpy(dm.u.io.uuid, uuid, strlen(uuid) + 1);
	r = dm_ioctl(DM_DEV_CREATE, &dm.u.io);
	if (r == -EBUSY)
		return err_set(e, EEXIST, "cannot create %s: its name or its UUID %s is in use", name, uuid);
	return r < 0 ? failed(e, r, "create", name) : 0;
}

static size_t target_size(const struct dm_target *t)
{
	return (sizeof(struct dm_target_spec) + strlen(t->params) + 1 + 7) & ~(size_t)7;
}

static int kernel_load(void *u, const char *name, const struct dm_target *t, size_t n, bool read_only, struct err *e)
{
	_cleanup_(freep) struct dm_ioctl *io = NULL;
	size_t size = sizeof(*io);
	char *pos;
	int r;

	(void)u;
	/* Loading runs modprobe, which may live on what is suspended. */
	if (dm.n_held)
		return err_set(e, EDEADLK, "refused to load a table for %s while %s is suspended", name, dm.held[0]);
	if (n == 0 || n > DM_TARGETS_MAX)
		return err_set(e, EINVAL, "a table of %zu targets for %s", n, name);
	r = control_open(e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		size += target_size(&t[i]);
	io = calloc(1, size);
	if (!io)
		return err_sys(e, ENOMEM, "table of %s", name);
	r = request(io, size, name, e);
	if (r < 0)
		return r;
	io->flags = read_only ? DM_READONLY_FLAG : 0;
	io->target_count = (uint32_t)n;
	pos = (char *)(io + 1);
	for (size_t i = 0; i < n; i++) {
		struct dm_target_spec *spec = (struct dm_target_spec *)pos;

		spec->sector_start = t[i].start;
		spec->length = t[i].len;
		spec->next = (uint32_t)target_size(&t[i]);
		strncpy(spec->target_type, t[i].type, sizeof(spec->target_type) - 1);
		memcpy(spec + 1, t[i].params, strlen(t[i].params) + 1);
		pos += spec->next;
	}
	r = dm_ioctl(DM_TABLE_LOAD, io);
	if (r == -EINVAL)
		return err_set(e, EINVAL, "the kernel refused the table of %s (its log says why): %s %.400s", name,
			       t[0].type, t[0].params);
	return r < 0 ? failed(e, r, "load a table for", name) : 0;
}

static int hold(const char *name, uint32_t flags, struct err *e)
{
	int r;

	if (held_find(name) < dm.n_held)
		return 0;
	if (dm.n_held == HELD_MAX)
		return err_set(e, ENOSPC, "%d devices are suspended already", HELD_MAX);
	r = control_open(e);
	/* Two for each: the resume that swaps may fail, the one that rolls back must not need memory; and two devices
	 * that come live meanwhile, a snapshot and what it is of. */
	if (r == 0)
		r = cookie_prepare(2 * (dm.n_held + 2), e);
	if (r == 0)
		r = small_request(name, DM_SUSPEND_FLAG | flags, e);
	if (r < 0)
		return r;
	r = dm_ioctl(DM_DEV_SUSPEND, &dm.u.io);
	if (r < 0)
		return failed(e, r, "suspend", name);
	memcpy(dm.held[dm.n_held++], name, strlen(name) + 1);
	return 0;
}

/* No freeze of the file system above: that writes all its dirty pages first, and a swap of members needs none. */
static int kernel_suspend(void *u, const char *name, bool noflush, struct err *e)
{
	(void)u;
	return hold(name, DM_SKIP_LOCKFS_FLAG | (noflush ? DM_NOFLUSH_FLAG : 0), e);
}

static int kernel_suspend_frozen(void *u, const char *name, struct err *e)
{
	(void)u;
	return hold(name, 0, e);
}

/* Of the live table's first target. */
static int target_text(const char *name, uint32_t flags, const char *what, char *params, struct err *e)
{
	const struct dm_ioctl *io = &dm.u.io;
	const char *text;
	size_t room, len;
	int r = small_request(name, flags | DM_NOFLUSH_FLAG, e);

	if (r < 0)
		return r;
	r = dm_ioctl(DM_TABLE_STATUS, &dm.u.io);
	if (r < 0)
		return failed(e, r, what, name);
	if (io->flags & DM_BUFFER_FULL_FLAG)
		return err_set(e, E2BIG, "cannot %s %s: it is longer than %d", what, name, DM_PARAMS_MAX);
	if (io->target_count == 0)
		return err_set(e, ENODATA, "%s has no live table", name);
	if (io->data_start > sizeof(dm.u) - sizeof(struct dm_target_spec) - 1)
		return err_set(e, EBADMSG, "cannot %s %s: the answer makes no sense", what, name);
	text = dm.u.room + io->data_start + sizeof(struct dm_target_spec);
	room = sizeof(dm.u) - (size_t)(text - dm.u.room);
	len = strnlen(text, MIN(room, (size_t)DM_PARAMS_MAX));
	if (len == room || len == DM_PARAMS_MAX)
		return err_set(e, E2BIG, "cannot %s %s: it is longer than %d", what, name, DM_PARAMS_MAX);
	memcpy(params, text, len + 1);
	return 0;
}

static int kernel_status(void *u, const char *name, char *params, struct err *e)
{
	(void)u;
	return target_text(name, 0, "read the status of", params, e);
}

static int kernel_table(void *u, const char *name, char *params, struct err *e)
{
	(void)u;
	return target_text(name, DM_STATUS_TABLE_FLAG, "read the table of", params, e);
}

static int kernel_target(void *u, const char *name, char type[16], uint64_t *len, struct err *e)
{
	const struct dm_ioctl *io = &dm.u.io;
	struct dm_target_spec spec;
	int r = small_request(name, DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG, e);

	(void)u;
	if (r < 0)
		return r;
	r = dm_ioctl(DM_TABLE_STATUS, &dm.u.io);
	if (r < 0)
		return failed(e, r, "read the table of", name);
	if (io->target_count == 0)
		return err_set(e, ENODATA, "%s has no live table", name);
	if (io->target_count > 1)
		return err_set(e, E2BIG, "the table of %s has %u targets", name, io->target_count);
	if (io->data_start > sizeof(dm.u) - sizeof(spec))
		return err_set(e, EBADMSG, "cannot read the table of %s: the answer makes no sense", name);
	memcpy(&spec, dm.u.room + io->data_start, sizeof(spec));
	snprintf(type, 16, "%.*s", (int)strnlen(spec.target_type, 15), spec.target_type);
	*len = spec.length;
	return 0;
}

static int kernel_message(void *u, const char *name, const char *text, struct err *e)
{
	struct dm_target_msg *msg = (struct dm_target_msg *)(dm.u.room + sizeof(struct dm_ioctl));
	int r = small_request(name, 0, e);

	(void)u;
	if (r < 0)
		return r;
	if (strlen(text) >= DM_PARAMS_MAX)
		return err_set(e, E2BIG, "a message to %s is longer than %d", name, DM_PARAMS_MAX);
	msg->sector = 0;
	memcpy(msg->message, text, strlen(text) + 1);
	r = dm_ioctl(DM_TARGET_MSG, &dm.u.io);
	return r == -EBUSY ? err_set(e, EBUSY, "%s does not take '%.60s' while it resyncs", name, text)
	       : r < 0	   ? err_sys(e, -r, "%s does not take the message '%.60s'", name, text)
			   : 0;
}

static int kernel_clear(void *u, const char *name, struct err *e)
{
	int r = small_request(name, 0, e);

	(void)u;
	if (r < 0)
		return r;
	r = dm_ioctl(DM_TABLE_CLEAR, &dm.u.io);
	return r < 0 ? failed(e, r, "clear the inactive table of", name) : 0;
}

static int kernel_resume(void *u, const char *name, enum dm_shown shown, struct err *e)
{
	int r;

	(void)u;
	r = control_open(e);
	if (r < 0)
		return r;
	/* Does nothing after a suspend, which has prepared it. */
	if (shown != DM_PRIVATE)
		r = cookie_prepare(1, e);
	if (r == 0)
		r = small_request(name, DM_SKIP_LOCKFS_FLAG, e);
	if (r < 0)
		return r;
	dm.u.io.event_nr = shown == DM_PRIVATE ? UDEV_PRIVATE : cookie_take(shown == DM_LINKED ? UDEV_ALONE : 0);
	r = dm_ioctl(DM_DEV_SUSPEND, &dm.u.io);
	if (shown != DM_PRIVATE)
		cookie_used(r, &dm.u.io);
	if (r < 0)
		return failed(e, r, "resume", name);
	held_drop(name);
	return 0;
}

/* Counts the cookie down by our own share and waits until udev has done the rest, but not for ever. */
static int cookie_wait(uint32_t cookie)
{
	struct sembuf own = {.sem_op = -1, .sem_flg = IPC_NOWAIT}, zero = {.sem_op = 0};
	struct timespec limit = {.tv_sec = SETTLE_TIMEOUT_S};
	int id = semget((key_t)cookie, 1, 0), r;

	if (id < 0)
		return errno == ENOENT ? 0 : -errno;
	if (semop(id, &own, 1) < 0 && errno != EAGAIN)
		return -errno;
	do
		r = semtimedop(id, &zero, 1, &limit) < 0 ? -errno : 0;
	while (r == -EINTR);
	semctl(id, 0, IPC_RMID);
	return r == -EAGAIN ? -ETIMEDOUT : r == -EIDRM ? 0 : r;
}

static int kernel_settle(void *u)
{
	uint32_t cookie = dm.cookie;

	(void)u;
	if (dm.n_held)
		return -EDEADLK;
	if (dm.node_check) {
		dm.node_check = false;
		dm_mknodes(NULL);
		dm_lib_release();
	}
	if (!cookie)
		return 0;
	for (; dm.prepared; dm.prepared--)
		dm_udev_complete(cookie);
	dm.cookie = 0;
	return cookie_wait(cookie);
}

static int kernel_remove(void *u, const char *name, bool retry, struct err *e)
{
	const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_MS * 1000000L};
	int r = 0;

	(void)u;
	for (int i = 0; i < (retry ? REMOVE_TRIES : 1); i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = control_open(e);
		if (r == 0)
			r = cookie_prepare(1, e);
		if (r == 0)
			r = small_request(name, 0, e);
		if (r < 0)
			return r;
		dm.u.io.event_nr = cookie_take(0);
		r = dm_ioctl(DM_DEV_REMOVE, &dm.u.io);
		cookie_used(r, &dm.u.io);
		if (r != -EBUSY)
			break;
	}
	if (r < 0)
		return failed(e, r, "remove", name);
	held_drop(name);
	if (!dm.cookie)
		dm_mknodes(name);
	return 0;
}

static void info_view(const struct dm_ioctl *io, struct dm_info_view *ret)
{
	*ret = (struct dm_info_view){
		.exists = true,
		.suspended = io->flags & DM_SUSPEND_FLAG,
		.live_table = io->flags & DM_ACTIVE_PRESENT_FLAG,
		.inactive_table = io->flags & DM_INACTIVE_PRESENT_FLAG,
		.read_only = io->flags & DM_READONLY_FLAG,
		.major = major(io->dev),
		.minor = minor(io->dev),
		.event_nr = io->event_nr,
		.open_count = io->open_count,
	};
	memcpy(ret->name, io->name, sizeof(ret->name) - 1);
	memcpy(ret->uuid, io->uuid, sizeof(ret->uuid) - 1);
}

static int kernel_info(void *u, const char *name, struct dm_info_view *ret, struct err *e)
{
	int r = small_request(name, 0, e);

	(void)u;
	if (r < 0)
		return r;
	r = dm_ioctl(DM_DEV_STATUS, &dm.u.io);
	if (r == -ENXIO) {
		*ret = (struct dm_info_view){.exists = false};
		return 0;
	}
	if (r < 0)
		return failed(e, r, "look at", name);
	info_view(&dm.u.io, ret);
	return 0;
}

/* The names of all devices as the kernel lists them: a chain of struct dm_name_list. The caller frees it. */
static int name_list(struct dm_ioctl **ret, struct err *e)
{
	for (size_t size = LIST_ROOM; size <= LIST_ROOM_MAX; size *= 2) {
		_cleanup_(freep) struct dm_ioctl *io = calloc(1, size);
		int r;

		if (!io)
			return err_sys(e, ENOMEM, "list of devices");
		r = request(io, size, "", e);
		if (r == 0)
			r = dm_ioctl(DM_LIST_DEVICES, io);
		if (r < 0)
			return err_sys(e, -r, "cannot list device-mapper's devices");
		if (!(io->flags & DM_BUFFER_FULL_FLAG)) {
			*ret = TAKE_PTR(io);
			return 0;
		}
	}
	return err_set(e, E2BIG, "too many device-mapper devices");
}

static int kernel_list(void *u, const char *prefix, struct dm_info_view **ret, size_t *n, struct err *e)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	_cleanup_(freep) struct dm_ioctl *io = NULL;
	const struct dm_name_list *item;
	size_t count = 0, room = 0;
	int r = control_open(e);

	if (r == 0)
		r = name_list(&io, e);
	if (r < 0)
		return r;
	assert(io);
	item = (const struct dm_name_list *)((char *)io + io->data_start);
	/* An empty list is one entry of device 0 (list_devices, drivers/md/dm-ioctl.c). */
	while (item->dev) {
		struct dm_info_view v = {0};

		r = kernel_info(u, item->name, &v, e);
		if (r < 0)
			return r;
		if (v.exists && strncmp(v.uuid, prefix, strlen(prefix)) == 0) {
			if (count == room) {
				struct dm_info_view *more = realloc(all, (room += 16) * sizeof(*all));

				if (!more)
					return err_sys(e, ENOMEM, "list of devices");
				all = more;
			}
			all[count++] = v;
		}
		if (!item->next)
			break;
		item = (const struct dm_name_list *)((const char *)item + item->next);
	}
	*ret = TAKE_PTR(all);
	*n = count;
	return 0;
}

const struct dm_ops dm_kernel = {
	.create = kernel_create,
	.load = kernel_load,
	.suspend = kernel_suspend,
	.suspend_frozen = kernel_suspend_frozen,
	.status = kernel_status,
	.table = kernel_table,
	.target = kernel_target,
	.message = kernel_message,
	.clear = kernel_clear,
	.resume = kernel_resume,
	.settle = kernel_settle,
	.remove = kernel_remove,
	.info = kernel_info,
	.list = kernel_list,
};
