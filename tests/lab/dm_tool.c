// SPDX-License-Identifier: GPL-2.0-or-later
/* spared's own device-mapper and slice code on the command line, for the lab's scripts.
 *
 *   dm_tool linear NAME UUID DEVICE START SECTORS          a private device
 *   dm_tool start NAME UUID TYPE SECTORS CHUNK SLOT..      creates and starts an array; a slot is SLICE:DATA, ! after
 * it: rebuild;
 *                                                          - for no member
 *   dm_tool swap NAME TYPE SECTORS CHUNK SLOT.. [-- COMMAND]  one swap; COMMAND runs between load and suspend. Prints
 * what took how long; after the suspend every system call but ioctl, the semaphore's and write ends the process, and
 * calls of malloc are counted dm_tool status|remove NAME, dm_tool list PREFIX dm_tool slice DEVICE key=value.. writes a
 * slice: pos n level layout chunk array sectors events failed recovery resync (-1: done) dirty=0|1 dm_tool super DEVICE
 * what a slice holds; -ENODATA and the like as words dm_tool resync DEVICE FROM                             changes a
 * slice's resync offset dm_tool blank DEVICE                                   zeroes a slice
 */
#include "actions/dm/dm.h"
#include "actions/meta/blockio.h"
#include "actions/meta/slice.h"
#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static const struct dm_ops *const dm = &dm_kernel;
static struct err err;
static unsigned allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static int fail(int r)
{
	fprintf(stderr, "dm_tool: %s (%s)\n", err.msg[0] ? err.msg : "failed", strerror(-r));
	return 1;
}

static void device_number(const char *path, unsigned *maj, unsigned *min)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode)) {
		fprintf(stderr, "dm_tool: %s is no block device\n", path);
		exit(2);
	}
	*maj = major(st.st_rdev);
	*min = minor(st.st_rdev);
}

static void read_slot(char *w, struct dm_raid_slot *s)
{
	char *data = strstr(w, ":");

	*s = (struct dm_raid_slot){.listed = strcmp(w, "-") != 0};
	if (!s->listed)
		return;
	if (!data)
		exit(2);
	*data++ = '\0';
	if (data[strlen(data) - 1] == '!') {
		s->rebuild = true;
		data[strlen(data) - 1] = '\0';
	}
	device_number(w, &s->meta_major, &s->meta_minor);
	device_number(data, &s->data_major, &s->data_minor);
}

/* TYPE SECTORS CHUNK SLOT.., ended by NULL or "--". Returns how many words it took. */
static int read_table(char **w, struct dm_target *ret)
{
	static const struct {
		const char *name;
		int level, layout;
	} types[] = {{"raid1", 1, 0},	 {"raid5_n", 4, 0},   {"raid5_la", 5, 0},
		     {"raid5_ra", 5, 1}, {"raid5_ls", 5, 2},  {"raid6_zr", 6, 8},
		     {"raid6_nr", 6, 9}, {"raid6_nc", 6, 10}, {"raid10", 10, 0x102}};
	struct dm_raid_slot slots[64];
	struct dm_raid_table t = {.slot = slots};
	int i, r = -EINVAL;

	for (size_t k = 0; k < ARRAY_SIZE(types); k++)
		if (strcmp(types[k].name, w[0]) == 0)
			r = dm_raid_type_of(types[k].level, types[k].layout, &t.type);
	if (r < 0)
		exit(2);
	t.sectors = strtoull(w[1], NULL, 10);
	t.chunk = (uint32_t)strtoul(w[2], NULL, 10);
	for (i = 3; w[i] && strcmp(w[i], "--") != 0; i++)
		read_slot(w[i], &slots[t.slots++]);
	r = dm_raid_table_print(&t, ret, &err);
	if (r < 0)
		exit(fail(r));
	return i;
}

static int start(const char *name, const char *uuid, const struct dm_target *t, bool private_dev)
{
	int r = dm->create(dm->u, name, uuid, &err);

	if (r < 0)
		return fail(r);
	r = dm->load(dm->u, name, t, 1, false, &err);
	if (r == 0)
		r = dm->resume(dm->u, name, private_dev, &err);
	if (r < 0) {
		struct err first = err;

		dm->remove(dm->u, name, true, NULL);
		dm->settle(dm->u);
		err = first;
		return fail(r);
	}
	r = dm->settle(dm->u);
	return r < 0 ? fail(r) : 0;
}

static int cmd_linear(char **w)
{
	struct dm_target t;
	unsigned maj, min;

	device_number(w[2], &maj, &min);
	dm_linear_print(maj, min, strtoull(w[3], NULL, 10), strtoull(w[4], NULL, 10), &t);
	return start(w[0], w[1], &t, true);
}

static int cmd_start(char **w)
{
	static struct dm_target t;

	read_table(w + 2, &t);
	return start(w[0], w[1], &t, false);
}

/* From now on only what a swap may do: anything else ends the process with SIGSYS. */
static int seal(void)
{
	static const int allowed[] = {SYS_ioctl, SYS_semget,	    SYS_semop,	    SYS_semtimedop, SYS_semctl,
				      SYS_write, SYS_clock_gettime, SYS_newfstatat, SYS_exit_group};
	struct sock_filter f[2 * ARRAY_SIZE(allowed) + 2];
	struct sock_fprog prog = {.filter = f};
	unsigned n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
}

static double ms_since(int64_t *t)
{
	int64_t now = clock_awake(&clock_system);
	double ms = (double)(now - *t) / NS_PER_MS;

	*t = now;
	return ms;
}

static int status_of(const char *name, struct dm_raid_status *s)
{
	static char params[DM_PARAMS_MAX];
	int r = dm->status(dm->u, name, params, &err);

	return r < 0 ? r : dm_raid_status_parse(params, s, &err);
}

static int cmd_swap(char **w)
{
	static struct dm_target t;
	struct dm_raid_status before, held = {0};
	double load, suspend, status, resume, settle;
	static char out[512];
	int64_t time;
	int r, last = 1 + read_table(w + 1, &t);
	bool same;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return fail(-errno);
	r = status_of(w[0], &before);
	time = clock_awake(&clock_system);
	if (r == 0)
		r = dm->load(dm->u, w[0], &t, 1, false, &err);
	if (r < 0)
		return fail(r);
	load = ms_since(&time);
	if (w[last] && w[last + 1] && system(w[last + 1]) != 0)
		return fail(-ECHILD);
	time = clock_awake(&clock_system);
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	r = dm->suspend(dm->u, w[0], true, &err);
	suspend = ms_since(&time);
	if (r < 0)
		return fail(r);
	allocations = 0;
	if (seal() < 0)
		return fail(-errno);
	time = clock_awake(&clock_system);
	r = status_of(w[0], &held);
	status = ms_since(&time);
	same = r == 0 && strcmp(before.health, held.health) == 0;
	if (!same)
		dm->clear(dm->u, w[0], &err);
	r = dm->resume(dm->u, w[0], false, &err);
	resume = ms_since(&time);
	if (r == 0 && allocations > 0)
		r = -ENOTSUP;
	if (r == 0)
		r = dm->settle(dm->u);
	settle = ms_since(&time);
	if (r < 0)
		return fail(r);
	printf("swapped=%d before=%s held=%s action=%s load=%.1f suspend=%.1f status=%.2f resume=%.1f settle=%.1f "
	       "allocations=%u\n",
	       same, before.health, held.health, dm_raid_action_name(held.action), load, suspend, status, resume,
	       settle, allocations);
	fflush(stdout);
	_exit(same ? 0 : 3);
}

static int cmd_status(char **w)
{
	struct dm_raid_status s;
	int r = status_of(w[0], &s);

	if (r < 0)
		return fail(r);
	printf("%s %s %" PRIu64 "/%" PRIu64 "%s\n", s.health, dm_raid_action_name(s.action), s.done, s.total,
	       dm_raid_settled(&s) ? " settled" : "");
	return 0;
}

static int cmd_remove(char **w)
{
	int r = dm->remove(dm->u, w[0], true, &err);

	if (r == 0)
		r = dm->settle(dm->u);
	return r < 0 ? fail(r) : 0;
}

static int cmd_list(char **w)
{
	_cleanup_(freep) struct dm_info_view *all = NULL;
	size_t n;
	int r = dm->list(dm->u, w[0], &all, &n, &err);

	if (r < 0)
		return fail(r);
	for (size_t i = 0; i < n; i++)
		printf("%s %s %u:%u event=%u open=%d%s%s%s\n", all[i].name, all[i].uuid, all[i].major, all[i].minor,
		       all[i].event_nr, all[i].open_count, all[i].suspended ? " suspended" : "",
		       all[i].live_table ? " live" : "", all[i].inactive_table ? " inactive" : "");
	return 0;
}

static int cmd_slice(char **w)
{
	struct slice_super s = {.recovery_offset = UINT64_MAX, .resync_offset = UINT64_MAX, .events = 1};
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	_cleanup_(freep) void *buf = NULL;
	size_t len = SLICE_SECTORS * 512;
	bool dirty = false;
	int r;

	for (char **k = w + 1; *k; k++) {
		char *value = strchr(*k, '=');
		int64_t v;

		if (!value)
			return 2;
		*value++ = '\0';
		v = strtoll(value, NULL, 0);
		if (strcmp(*k, "dirty") == 0)
			dirty = v;
#define KEY(word, field) else if (strcmp(*k, word) == 0) s.field = (__typeof__(s.field))v
		KEY("pos", position);
		KEY("n", n_devices);
		KEY("level", level);
		KEY("layout", layout);
		KEY("chunk", stripe_sectors);
		KEY("array", array_sectors);
		KEY("sectors", sectors);
		KEY("events", events);
		KEY("failed", failed);
		KEY("recovery", recovery_offset);
		KEY("resync", resync_offset);
#undef KEY
		else return 2;
	}
	buf = blockio_alloc(len);
	r = blockio_open(w[0], true, &d, &err);
	if (r < 0 || !buf)
		return fail(r);
	slice_encode(&s, dirty, buf, len);
	r = d->write(d, 0, buf, len);
	if (r == 0)
		r = d->flush(d);
	return r < 0 ? fail(r) : 0;
}

static int cmd_super(char **w)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	_cleanup_(freep) uint8_t *buf = blockio_alloc(SLICE_SECTORS * 512);
	struct slice_super s;
	unsigned bits = 0;
	int r = blockio_open(w[0], false, &d, &err);

	if (r == 0)
		r = d->read(d, 0, buf, SLICE_SECTORS * 512);
	if (r < 0 || !buf)
		return fail(r);
	r = slice_super_parse(buf, &s);
	if (r < 0) {
		printf("%s\n", r == -ENODATA ? "none" : "damaged");
		return 0;
	}
	for (size_t i = 4096 + 256; i < SLICE_SECTORS * 512; i++)
		bits += (unsigned)__builtin_popcount(buf[i]);
	printf("pos=%u n=%u events=%" PRIu64 " failed=%" PRIx64 " recovery=%" PRId64 " resync=%" PRId64
	       " level=%u layout=%u chunk=%u array=%" PRIu64 " sectors=%" PRIu64 " bits=%u\n",
	       s.position, s.n_devices, s.events, s.failed, (int64_t)s.recovery_offset, (int64_t)s.resync_offset,
	       s.level, s.layout, s.stripe_sectors, s.array_sectors, s.sectors, bits);
	return 0;
}

static int cmd_resync(char **w)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	_cleanup_(freep) void *buf = blockio_alloc(4096);
	int r = blockio_open(w[0], true, &d, &err);

	if (r == 0)
		r = d->read(d, 0, buf, 4096);
	if (r == 0)
		r = slice_set_resync(buf, (uint64_t)strtoll(w[1], NULL, 0));
	if (r == 0)
		r = d->write(d, 0, buf, 4096);
	if (r == 0)
		r = d->flush(d);
	return r < 0 ? fail(r) : 0;
}

static int cmd_blank(char **w)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	_cleanup_(freep) void *buf = blockio_alloc(SLICE_SECTORS * 512);
	int r = blockio_open(w[0], true, &d, &err);

	if (r == 0)
		r = d->write(d, 0, buf, SLICE_SECTORS * 512);
	if (r == 0)
		r = d->flush(d);
	return r < 0 ? fail(r) : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int words;
		int (*run)(char **w);
	} commands[] = {
		{"linear", 5, cmd_linear}, {"start", 6, cmd_start},   {"swap", 5, cmd_swap},
		{"status", 1, cmd_status}, {"remove", 1, cmd_remove}, {"list", 1, cmd_list},
		{"slice", 2, cmd_slice},   {"super", 1, cmd_super},   {"blank", 1, cmd_blank},
		{"resync", 2, cmd_resync},
	};

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].words)
			return commands[i].run(argv + 2);
	fprintf(stderr, "dm_tool: wrong usage\n");
	return 2;
}
