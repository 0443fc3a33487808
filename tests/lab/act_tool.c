// SPDX-License-Identifier: GPL-2.0-or-later
/* Plan steps on real disks without the daemon, for the lab.
 *
 *   act_tool SET-DISKS STEP...          disks: comma-separated nodes; the set is the first disk's that has one
 *   STEP: claim | release | record | assemble[:degraded][:force][:read-only] | stop | fail=DISK | remove=DISK |
 * readd=DISK | add-spare=DISK[:dedicated] | remove-spare=DISK | activate-spare[=DISK] | snapshot=NAME:DEVICE (wiped) |
 * drop-snapshot=NAME | dry-run
 *   --volume NAME                       of several; else the set's first
 *   --watch                             then a "record" whenever the kernel has an event, until the volume is settled
 *   --hold POINT=COMMAND                runs a shell command before that mark ("swap suspend", "commit format", ..),
 * once
 *   --die [N ]POINT                     ends without a word before that mark, when it comes the Nth time; or before
 * that call to device-mapper: "2 dm resume"
 *   --trace                             a line with the time at each mark and call
 *   --threads N                         disks written at the same time (8)
 *   --repeat N                          the same plan N times with one process (disks stay open)
 * Prints each message as a line of JSON. Exit status 0: the plan was done. */
#include "actions/exec_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

struct tool {
	const char *hold, *die, *volume;
	bool held, watch, trace;
	unsigned repeat, threads, die_at;
	struct dm_ops dm;
};

/* What calls to device-mapper are told to. */
static struct tool *told;

static uint64_t tool_random(void *u)
{
	uint64_t n = 0;

	(void)u;
	return getrandom(&n, sizeof(n), 0) == sizeof(n) ? n : (uint64_t)time(NULL);
}

static void tool_report(void *u, const json_t *msg)
{
	(void)u;
	json_dumpf(msg, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

static void tool_mark(void *u, const char *what)
{
	struct tool *t = u;
	size_t n = t->hold ? strcspn(t->hold, "=") : 0;

	if (t->trace)
		printf("{\"mark\":\"%s\",\"us\":%lld}\n", what, (long long)(clock_awake(&clock_system) / NS_PER_US));
	if (t->die && strcmp(t->die, what) == 0 && --t->die_at == 0)
		_exit(77);
	if (t->hold && !t->held && strlen(what) == n && strncmp(t->hold, what, n) == 0) {
		t->held = true;
		if (system(t->hold + n + 1) != 0)
			fprintf(stderr, "act_tool: the command failed: %s\n", t->hold + n + 1);
	}
}

static int on_load(void *u, const char *name, const struct dm_target *t, size_t n, bool read_only, struct err *e)
{
	tool_mark(told, "dm load");
	return dm_kernel.load(u, name, t, n, read_only, e);
}

static int on_suspend(void *u, const char *name, bool noflush, struct err *e)
{
	tool_mark(told, "dm suspend");
	return dm_kernel.suspend(u, name, noflush, e);
}

static int on_suspend_frozen(void *u, const char *name, struct err *e)
{
	tool_mark(told, "dm suspend");
	return dm_kernel.suspend_frozen(u, name, e);
}

static int on_resume(void *u, const char *name, enum dm_shown shown, struct err *e)
{
	tool_mark(told, "dm resume");
	return dm_kernel.resume(u, name, shown, e);
}

static int on_remove(void *u, const char *name, bool retry, struct err *e)
{
	tool_mark(told, "dm remove");
	return dm_kernel.remove(u, name, retry, e);
}

static struct plan *plan_new(char *disks)
{
	struct plan *p = calloc(1, sizeof(*p));
	char *save = NULL;

	p->devices = calloc(PLAN_DEVICES_MAX, sizeof(*p->devices));
	snprintf(p->id, sizeof(p->id), "P-1");
	for (char *w = strtok_r(disks, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		struct plan_device *d = &p->devices[p->n_devices];
		const char *base = strrchr(w, '/');
		struct stat st;

		if (stat(w, &st) < 0 || !S_ISBLK(st.st_mode))
			continue; /* it is gone */
		snprintf(d->id, sizeof(d->id), "%s", base ? base + 1 : w);
		snprintf(d->node, sizeof(d->node), "%s", w);
		d->major = major(st.st_rdev);
		d->minor = minor(st.st_rdev);
		p->n_devices++;
	}
	return p;
}

static int reader_read(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	ssize_t n = pread(*(int *)u, buf, (size_t)sectors * 512, (off_t)sector * 512);

	return n == (ssize_t)sectors * 512 ? 0 : n < 0 ? -errno : -ERANGE;
}

/* The set and volume that the disks belong to, by the first disk that says so. */
static int find_set(struct plan *p, const char *volume)
{
	for (size_t i = 0; i < p->n_devices; i++) {
		int fd = open(p->devices[i].node, O_RDONLY | O_CLOEXEC);
		_cleanup_(meta_view_freep) struct meta_view *v = NULL;
		struct meta_reader r = {.read = reader_read, .u = &fd, .sector_size = 512};
		struct meta_copy *c = NULL;

		r.sectors = (uint64_t)lseek(fd, 0, SEEK_END) / 512;
		if (fd >= 0 && meta_ddf.parse(&r, &c, NULL) == 0)
			meta_ddf.copy_view(c, &v, NULL);
		if (c)
			meta_ddf.copy_free(c);
		if (fd >= 0)
			close(fd);
		for (size_t k = 0; v && k < v->n_volumes; k++)
			if (!volume || strcmp(v->volumes[k].name, volume) == 0) {
				memcpy(p->set, v->set, sizeof(p->set));
				memcpy(p->volume, v->volumes[k].guid, sizeof(p->volume));
				snprintf(p->array, sizeof(p->array), "ddf-%s", p->volume);
				return 0;
			}
	}
	fprintf(stderr, "act_tool: no set or no volume %s on these disks\n", volume ? volume : "");
	return -ENOENT;
}

static int add_step(struct plan *p, char *text)
{
	static const char *const words[STEP_OP_MAX] = {
		[STEP_ASSEMBLE] = "assemble",
		[STEP_STOP] = "stop",
		[STEP_FAIL_MEMBER] = "fail",
		[STEP_REMOVE_MEMBER] = "remove",
		[STEP_READD_MEMBER] = "readd",
		[STEP_ADD_SPARE] = "add-spare",
		[STEP_REMOVE_SPARE] = "remove-spare",
		[STEP_ACTIVATE_SPARE] = "activate-spare",
		[STEP_RECORD] = "record",
		[STEP_CLAIM] = "claim",
		[STEP_RELEASE] = "release",
		[STEP_SNAPSHOT] = "snapshot",
		[STEP_DROP_SNAPSHOT] = "drop-snapshot",
	};
	char *flags = strchr(text, ':'), *disk;
	struct step *s = &p->step[p->n_steps];

	if (strcmp(text, "dry-run") == 0) {
		p->dry_run = true;
		return 0;
	}
	if (flags)
		*flags++ = '\0';
	disk = strchr(text, '=');
	if (disk)
		*disk++ = '\0';
	for (int op = 0; op < STEP_OP_MAX; op++) {
		if (!words[op] || strcmp(text, words[op]) != 0)
			continue;
		*s = (struct step){.op = (enum step_op)op, .slot = -1};
		snprintf(s->device, sizeof(s->device), "%s",
			 disk ? disk + (strncmp(disk, "/dev/", 5) == 0 ? 5 : 0) : "");
		if (op == STEP_SNAPSHOT || op == STEP_DROP_SNAPSHOT) {
			s->device[0] = '\0';
			snprintf(s->to, sizeof(s->to), "%s", disk ? disk : "");
			snprintf(s->by, sizeof(s->by), "%s", flags ? flags : "");
			s->wipe = op == STEP_SNAPSHOT;
			flags = NULL;
		}
		s->degraded = flags && strstr(flags, "degraded");
		s->force = flags && strstr(flags, "force");
		s->read_only = flags && strstr(flags, "read-only");
		s->dedicated = flags && strstr(flags, "dedicated");
		p->n_steps++;
		return 0;
	}
	fprintf(stderr, "act_tool: no step %s\n", text);
	return -EINVAL;
}

static const struct volume_run *own_run(const struct exec *x, const struct plan *p)
{
	for (size_t i = 0; i < x->n_runs; i++)
		if (strcmp(x->run[i]->guid, p->volume) == 0)
			return x->run[i];
	return NULL;
}

/* As the broker does: an event of the kernel, a record; here by looking every few milliseconds. */
static int watch(struct exec *x, struct plan *p, struct err *e)
{
	struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
	const struct volume_run *run = own_run(x, p);
	uint32_t seen = run ? run->info.event_nr : 0;
	int r = 0;

	p->n_steps = 0;
	add_step(p, (char[]){"record"});
	for (unsigned i = 0; run && run->running && !dm_raid_settled(&run->status) && i < 12000 && r == 0; i++) {
		struct dm_info_view info;

		nanosleep(&pause, NULL);
		if (dm_kernel.info(NULL, run->dm, &info, e) < 0 || info.event_nr == seen)
			continue;
		seen = info.event_nr;
		r = exec_plan(x, p, e);
		run = own_run(x, p);
	}
	return r;
}

static int run(struct tool *t, struct plan *p)
{
	struct exec_env env = {
		.dm = &t->dm,
		.clock = &clock_system,
		.open = exec_open_node,
		.open_free = exec_open_free,
		.random = tool_random,
		.io_threads = t->threads,
		.report = tool_report,
		.mark = tool_mark,
		.u = t,
	};
	struct exec *x;
	struct err e = {0};
	int r = 0;

	t->dm = dm_kernel;
	t->dm.load = on_load;
	t->dm.suspend = on_suspend;
	t->dm.suspend_frozen = on_suspend_frozen;
	t->dm.resume = on_resume;
	t->dm.remove = on_remove;
	told = t;
	x = exec_new(&env);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	for (unsigned i = 0; i < t->repeat && r == 0; i++)
		r = exec_plan(x, p, &e);
	if (r == 0 && t->watch)
		r = watch(x, p, &e);
	if (r < 0)
		fprintf(stderr, "act_tool: %s (%s)\n", e.msg, strerror(-r));
	exec_free(x);
	return r;
}

int main(int argc, char **argv)
{
	struct tool t = {.repeat = 1, .threads = 8};
	struct plan *p;
	int i, r = 0;

	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--watch") == 0)
			t.watch = true;
		else if (strcmp(argv[i], "--volume") == 0)
			t.volume = argv[++i];
		else if (strcmp(argv[i], "--hold") == 0)
			t.hold = argv[++i];
		else if (strcmp(argv[i], "--die") == 0)
			t.die = argv[++i];
		else if (strcmp(argv[i], "--trace") == 0)
			t.trace = true;
		else if (strcmp(argv[i], "--threads") == 0)
			t.threads = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--repeat") == 0)
			t.repeat = (unsigned)atoi(argv[++i]);
	}
	if (i >= argc)
		return 2;
	t.die_at = 1;
	if (t.die && strspn(t.die, "0123456789")) {
		t.die_at = (unsigned)atoi(t.die);
		t.die += strspn(t.die, "0123456789 ");
	}
	p = plan_new(argv[i++]);
	r = find_set(p, t.volume);
	for (; i < argc && r == 0; i++)
		r = add_step(p, argv[i]);
	if (r == 0)
		r = run(&t, p);
	plan_free(p);
	return r < 0 ? 1 : 0;
}
