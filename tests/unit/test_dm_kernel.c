// SPDX-License-Identifier: GPL-2.0-or-later
/* dm.c against an ioctl that the test answers (ld --wrap): what is asked of the kernel, and that nothing else is done
 * while a device is suspended. */
#include "actions/dm/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/sem.h>

#include "tests/unit/unit.h"

enum { COOKIE = 0x0D4D4242, FLAGS_PUBLIC = 0x40 };

static struct {
	unsigned long command; /* of the last ioctl */
	struct dm_ioctl io;    /* as it was asked */
	char body[512];	       /* what followed */
	int error;	       /* the next ioctl fails with it */
	const char *status;
	bool no_uevent, suspended;
	unsigned ioctls, other; /* other: what must not be called while suspended */
	unsigned cookies, completed, removed_busy;
	bool semaphore_gone;
} seen;

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	seen.other += seen.suspended;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	seen.other += seen.suspended;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	seen.other += seen.suspended;
	return __libc_realloc(p, n);
}
#endif

int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
struct dm_task *__wrap_dm_task_create(int type);
void __wrap_dm_task_destroy(struct dm_task *t);
int __wrap_dm_task_run(struct dm_task *t);
int __wrap_dm_task_set_cookie(struct dm_task *t, uint32_t *cookie, uint16_t flags);
int __wrap_dm_udev_complete(uint32_t cookie);
int __wrap_dm_mknodes(const char *name);
int __wrap_semget(key_t key, int n, int flags);
int __wrap_semop(int id, struct sembuf *ops, size_t n);
int __wrap_semtimedop(int id, struct sembuf *ops, size_t n, const struct timespec *limit);
int __wrap_semctl(int id, int n, int command, ...);

int __wrap_open(const char *path, int flags, ...)
{
	seen.other += seen.suspended;
	assert_string_equal(path, "/dev/mapper/control");
	assert_true(flags & O_CLOEXEC);
	return 1000;
}

int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

struct dm_task *__wrap_dm_task_create(int type)
{
	assert_true(type == DM_DEVICE_VERSION || type == DM_DEVICE_RESUME);
	seen.other += seen.suspended;
	return (struct dm_task *)&seen;
}

void __wrap_dm_task_destroy(struct dm_task *t)
{
	assert_true(t == (struct dm_task *)&seen);
}

int __wrap_dm_task_run(struct dm_task *t)
{
	(void)t;
	seen.other += seen.suspended;
	return 1;
}

int __wrap_dm_task_set_cookie(struct dm_task *t, uint32_t *cookie, uint16_t flags)
{
	(void)t;
	seen.other += seen.suspended;
	assert_int_equal(flags, 0);
	*cookie = COOKIE;
	seen.cookies++;
	return 1;
}

int __wrap_dm_udev_complete(uint32_t cookie)
{
	assert_int_equal(cookie, COOKIE);
	seen.completed++;
	return 1;
}

int __wrap_dm_mknodes(const char *name)
{
	(void)name;
	seen.other += seen.suspended;
	return 1;
}

int __wrap_semget(key_t key, int n, int flags)
{
	assert_int_equal(key, COOKIE);
	assert_true(n == 1 && flags == 0);
	return 7;
}

int __wrap_semop(int id, struct sembuf *ops, size_t n)
{
	assert_true(id == 7 && n == 1 && ops->sem_op == -1);
	return 0;
}

int __wrap_semtimedop(int id, struct sembuf *ops, size_t n, const struct timespec *limit)
{
	seen.other += seen.suspended;
	assert_true(id == 7 && n == 1 && ops->sem_op == 0 && limit->tv_sec > 0);
	return 0;
}

int __wrap_semctl(int id, int n, int command, ...)
{
	assert_true(id == 7 && n == 0 && command == IPC_RMID);
	seen.semaphore_gone = true;
	return 0;
}

static void answer_status(struct dm_ioctl *io)
{
	char *p = (char *)io + io->data_start;

	memcpy(p, &(struct dm_target_spec){.length = 64, .target_type = "raid"}, sizeof(struct dm_target_spec));
	io->target_count = 1;
	if (sizeof(*io) + sizeof(struct dm_target_spec) + strlen(seen.status) + 1 > io->data_size)
		io->flags |= DM_BUFFER_FULL_FLAG;
	else
		memcpy(p + sizeof(struct dm_target_spec), seen.status, strlen(seen.status) + 1);
}

static void answer_list(struct dm_ioctl *io)
{
	struct dm_name_list *l = (struct dm_name_list *)((char *)io + io->data_start);

	for (unsigned i = 0; i < 3; i++) {
		l->dev = 0xfd00 + i;
		l->next = i < 2 ? 64 : 0;
		snprintf(l->name, 32, "dev%u", i);
		l = (struct dm_name_list *)((char *)l + 64);
	}
}

int __wrap_ioctl(int fd, unsigned long command, ...)
{
	struct dm_ioctl *io;
	va_list ap;

	va_start(ap, command);
	io = va_arg(ap, struct dm_ioctl *);
	va_end(ap);
	assert_int_equal(fd, 1000);
	assert_int_equal(io->version[0], 4);
	assert_int_equal(io->version[1], 0);
	assert_true(io->data_size >= io->data_start && io->data_start == sizeof(*io));
	seen.ioctls++;
	seen.command = command;
	seen.io = *io;
	memcpy(seen.body, io + 1, MIN(sizeof(seen.body), io->data_size - sizeof(*io)));
	if (seen.removed_busy && command == DM_DEV_REMOVE) {
		seen.removed_busy--;
		errno = EBUSY;
		return -1;
	}
	if (seen.error) {
		errno = seen.error;
		seen.error = 0;
		return -1;
	}
	if (command == DM_DEV_SUSPEND) {
		seen.suspended = io->flags & DM_SUSPEND_FLAG;
		if (!seen.suspended && !seen.no_uevent)
			io->flags |= DM_UEVENT_GENERATED_FLAG;
	} else if (command == DM_DEV_REMOVE) {
		io->flags |= DM_UEVENT_GENERATED_FLAG;
	} else if (command == DM_TABLE_STATUS) {
		answer_status(io);
	} else if (command == DM_LIST_DEVICES) {
		answer_list(io);
	} else if (command == DM_DEV_STATUS) {
		io->flags = DM_ACTIVE_PRESENT_FLAG | DM_READONLY_FLAG;
		io->event_nr = 5;
		io->dev = 0xfd03;
		snprintf(io->uuid, sizeof(io->uuid), strcmp(io->name, "dev1") ? "SPARED-ddf-%s" : "LVM-%s", io->name);
	}
	return 0;
}

static const struct dm_ops *const dm = &dm_kernel;
static struct err e;

static void start(void **state _unused_)
{
	static const struct dm_target t[2] = {{0, 64, "linear", "8:16 2048"}, {64, 8, "error", ""}};
	const struct dm_target_spec *spec = (const void *)seen.body;

	assert_int_equal(dm->create(NULL, "leg", "SPARED-ddf-1-leg0", &e), 0);
	assert_true(seen.command == DM_DEV_CREATE);
	assert_string_equal(seen.io.uuid, "SPARED-ddf-1-leg0");
	assert_int_equal(dm->load(NULL, "leg", t, 2, true, &e), 0);
	assert_true(seen.command == DM_TABLE_LOAD);
	assert_int_equal(seen.io.target_count, 2);
	assert_int_equal(seen.io.flags, DM_READONLY_FLAG);
	assert_int_equal(spec->length, 64);
	assert_string_equal(spec->target_type, "linear");
	assert_string_equal((const char *)(spec + 1), "8:16 2048");
	assert_int_equal(spec->next % 8, 0);
	spec = (const void *)(seen.body + spec->next);
	assert_int_equal(spec->sector_start, 64);
	assert_string_equal(spec->target_type, "error");
	/* Nobody waits for what udev makes of a private device; contrib/udev/09-spared.rules knows the number. */
	assert_int_equal(dm->resume(NULL, "leg", DM_PRIVATE, &e), 0);
	assert_true(seen.command == DM_DEV_SUSPEND && !(seen.io.flags & DM_SUSPEND_FLAG));
	assert_int_equal(seen.io.event_nr, 5111808);
	assert_int_equal(dm->settle(NULL), 0);
	assert_int_equal(seen.cookies, 0);
	assert_int_equal(dm->resume(NULL, "r1", DM_SHOWN, &e), 0);
	assert_int_equal(seen.io.event_nr, FLAGS_PUBLIC << 16 | (COOKIE & 0xffff));
	assert_false(seen.semaphore_gone);
	assert_int_equal(dm->settle(NULL), 0);
	assert_true(seen.semaphore_gone);
	assert_int_equal(seen.cookies, 1);
	assert_int_equal(seen.completed, 0);
	assert_int_equal(dm->load(NULL, "leg", t, 0, true, &e), -EINVAL);
	seen.error = EINVAL;
	assert_int_equal(dm->load(NULL, "leg", t, 1, true, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "linear 8:16 2048"));
}

static void swap(void **state _unused_)
{
	static const struct dm_target t = {0, 64, "raid", "raid1 1 0 2 1:1 1:2 1:3 1:4"};
	static char params[DM_PARAMS_MAX], longest[DM_PARAMS_MAX];
	struct dm_info_view *all;
	size_t n;

	memset(longest, 'x', sizeof(longest) - 1);
	seen.other = seen.cookies = seen.completed = 0;
	assert_int_equal(dm->suspend(NULL, "r1", true, &e), 0);
	assert_int_equal(seen.io.flags, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG);
	assert_true(seen.suspended);
	seen.status = "raid1 2 AD 0/64 frozen 0 0 -";
	assert_int_equal(dm->status(NULL, "r1", params, &e), 0);
	assert_true(seen.command == DM_TABLE_STATUS && seen.io.flags == DM_NOFLUSH_FLAG);
	assert_string_equal(params, seen.status);
	seen.status = longest;
	assert_int_equal(dm->status(NULL, "r1", params, &e), 0);
	assert_int_equal(strlen(params), DM_PARAMS_MAX - 1);
	/* Loading, waiting and suspending again are refused or nothing. */
	seen.suspended = false;
	assert_int_equal(dm->load(NULL, "r2", &t, 1, false, &e), -EDEADLK);
	assert_int_equal(dm->settle(NULL), -EDEADLK);
	assert_int_equal(dm->suspend(NULL, "r1", true, &e), 0);
	seen.suspended = true;
	/* The swap fails; the way back needs no memory either. */
	seen.error = ENOMEM;
	assert_int_equal(dm->resume(NULL, "r1", DM_SHOWN, &e), -ENOMEM);
	assert_int_equal(seen.completed, 1);
	assert_int_equal(dm->clear(NULL, "r1", &e), 0);
	assert_true(seen.command == DM_TABLE_CLEAR);
	seen.no_uevent = true;
	assert_int_equal(dm->resume(NULL, "r1", DM_SHOWN, &e), 0);
	assert_int_equal(seen.io.event_nr, FLAGS_PUBLIC << 16 | (COOKIE & 0xffff));
	assert_int_equal(seen.completed, 2);
	assert_int_equal(seen.other, 0);
	assert_int_equal(dm->settle(NULL), 0);
	assert_int_equal(seen.cookies, seen.completed);

	seen.error = EINTR; /* a suspend that a signal ended is told, not begun again */
	assert_int_equal(dm->suspend(NULL, "r1", false, &e), -EINTR);
	assert_int_equal(dm->settle(NULL), 0);
	seen.error = EINTR;
	assert_int_equal(dm->clear(NULL, "r1", &e), 0);
	assert_int_equal(dm->list(NULL, "SPARED-", &all, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_string_equal(all[1].name, "dev2");
	assert_true(all[0].event_nr == 5 && all[0].major == 253 && all[0].minor == 3 && all[0].live_table &&
		    all[0].read_only);
	free(all);
}

/* Several devices held at once: the cookie counts for all of their resumes, also for those that fail first. */
static void held(void **state _unused_)
{
	char name[8];
	int i;

	seen.other = seen.cookies = 0;
	seen.no_uevent = false;
	for (i = 0; i < 8; i++) {
		seen.suspended = false; /* preparing allocates: before the suspend of its own device */
		snprintf(name, sizeof(name), "h%d", i);
		assert_int_equal(dm->suspend(NULL, name, false, &e), 0);
	}
	seen.suspended = false;
	assert_int_equal(dm->suspend(NULL, "one too many", false, &e), -ENOSPC);
	seen.suspended = true;
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		seen.error = EIO;
		assert_int_equal(dm->resume(NULL, name, DM_SHOWN, &e), -EIO);
		assert_int_equal(dm->resume(NULL, name, DM_SHOWN, &e), 0);
		seen.suspended = true;
	}
	assert_int_equal(seen.other, 0);
	/* Two for each, and two for devices that come live meanwhile. */
	assert_int_equal(seen.cookies, 18);
	seen.suspended = false;
	assert_int_equal(dm->settle(NULL), 0);
}

static void errors(void **state _unused_)
{
	char params[DM_PARAMS_MAX], longest[200];
	struct dm_info_view v;

	seen.error = ENXIO;
	assert_int_equal(dm->info(NULL, "gone", &v, &e), 0);
	assert_true(!v.exists);
	seen.error = ENXIO;
	assert_int_equal(dm->status(NULL, "gone", params, &e), -ENXIO);
	assert_non_null(strstr(e.msg, "gone"));
	seen.error = EBUSY;
	assert_int_equal(dm->create(NULL, "leg", "u", &e), -EEXIST);
	seen.removed_busy = 2;
	assert_int_equal(dm->remove(NULL, "leg", true, &e), 0);
	seen.removed_busy = 1;
	assert_int_equal(dm->remove(NULL, "leg", false, &e), -EBUSY);
	assert_int_equal(dm->settle(NULL), 0);
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(dm->clear(NULL, longest, &e), -ENAMETOOLONG);
	assert_int_equal(dm->create(NULL, "leg", longest, &e), -ENAMETOOLONG);
}

static void message(void **state _unused_)
{
	const struct dm_target_msg *msg = (const void *)seen.body;
	static char longest[DM_PARAMS_MAX + 1];
	char type[16];
	uint64_t len;

	assert_int_equal(dm->message(NULL, "mp", "fail_path 8:16", &e), 0);
	assert_true(seen.command == DM_TARGET_MSG && msg->sector == 0);
	assert_string_equal(seen.io.name, "mp");
	assert_string_equal(msg->message, "fail_path 8:16");
	seen.error = EINVAL;
	assert_int_equal(dm->message(NULL, "mp", "what", &e), -EINVAL);
	assert_string_equal(e.msg, "mp does not take the message 'what': Invalid argument");
	memset(longest, 'm', sizeof(longest) - 1);
	assert_int_equal(dm->message(NULL, "mp", longest, &e), -E2BIG);
	seen.status = "x";
	assert_int_equal(dm->target(NULL, "mp", type, &len, &e), 0);
	assert_true(seen.command == DM_TABLE_STATUS && seen.io.flags == (DM_STATUS_TABLE_FLAG | DM_NOFLUSH_FLAG));
	assert_string_equal(type, "raid");
	assert_int_equal(len, 64);
	seen.error = ENXIO;
	assert_int_equal(dm->target(NULL, "gone", type, &len, &e), -ENXIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(start), unit(swap), unit(held), unit(errors), unit(message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
