// SPDX-License-Identifier: GPL-2.0-or-later
/* Block errors on a stock kernel, in tracefs instances of our own, so that no other tracer is disturbed. Two sources,
 * each with a trace event: block_rq_error (5.18 and later) for disks with a request queue, for which there may be a
 * better source; block_bio_complete for those without one (device-mapper, md, null_blk in bio mode, brd, pmem). No
 * failed I/O of one device is told by both: the kernel marks bios of requests as told (blk_update_request). One
 * non-blocking fd a CPU; the buffers overwrite the oldest and count what was lost. Sources:
 * Documentation/trace/ftrace.rst (instances, buffer_percent), kernel/trace/trace.c, include/trace/events/block.h. */
#include "broker/sources.h"
#include "broker/tracefs_decode.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define TRACEFS "/sys/kernel/tracing"
#define EVENTS "events/block/"
#define DEFAULT_RUN_DIR "/run/spared"
#define KEPT_FOR (60 * NS_PER_SEC) /* what a restart takes, and more */
#define CPU_BUFFER_KB "64"	   /* of each CPU: some 1000 errors */

enum {
	TRACEFS_MAGIC_NUMBER = 0x74726163, /* linux/magic.h */
	PAGES_AT_ONCE = 32,
};
#define TIME_AT_ONCE (5 * NS_PER_MS) /* in a storm the loop has others to serve */

/* -EOPNOTSUPP is no fault. Of bios neither is -EAGAIN: it would have had to wait, and was asked not to; nor -EREMCHG:
 * device-mapper tries again by itself (block/blk-core.c: blk_errors). */
struct trace_event {
	const char *name, *filter, *instance;
};
static const struct trace_event requests = {"block_rq_error", "error != 0 && error != -95", "spared"},
				bios = {"block_bio_complete",
					"error != 0 && error != -95 && error != -11 && error != -78", "spared-bios"};

struct cpu_pipe {
	struct source *s;
	unsigned cpu;
	int fd;
	struct loop_fd *watch;
	uint64_t overrun; /* of per_cpu/cpuN/stats when last read */
};

struct tracefs_source {
	char instance[PATH_MAX];
	struct trace_layout layout;
	const struct trace_event *event;
	struct trace_format format;
	struct cpu_pipe *pipes;
	size_t n_pipes;
	void *page;
	size_t page_size;
	bool keep;     /* for the next broker */
	int64_t from;  /* boot: what happened earlier is not told; 0: everything is */
	int64_t until; /* boot: what happened later is told by another source; 0: nothing is */
};

/* name below base, e.g. instance + "buffer_size_kb". */
static int write_file(const char *base, const char *name, const char *text, struct err *e)
{
	char path[PATH_MAX + 64];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	if (*text && write(fd, text, strlen(text)) < 0)
		r = err_sys(e, errno, "cannot write '%s' to %s", text, path);
	close(fd);
	return r;
}

static int read_file(const char *base, const char *name, char *text, size_t size, struct err *e)
{
	char path[PATH_MAX + 64];
	size_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	while (len < size - 1) {
		ssize_t n = read(fd, text + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	return 0;
}

static int mount_tracefs(struct err *e)
{
	struct statfs fs;

	if (statfs(TRACEFS, &fs) == 0 && fs.f_type == TRACEFS_MAGIC_NUMBER)
		return 0;
	if (mount("tracefs", TRACEFS, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != EBUSY)
		return err_sys(e, errno, "cannot mount tracefs on %s", TRACEFS);
	return 0;
}

/* Instance names are global: a broker with a run directory of its own takes one of its own. */
static void name_instance(const char *run_dir, const char *name, char *path, size_t size)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *c = run_dir; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	if (strcmp(run_dir, DEFAULT_RUN_DIR) == 0)
		snprintf(path, size, TRACEFS "/instances/%s", name);
	else
		snprintf(path, size, TRACEFS "/instances/%s-%08x", name, hash);
}

/* A file of the event. */
static int write_event(const struct tracefs_source *t, const char *file, const char *text, struct err *e)
{
	char name[128];

	snprintf(name, sizeof(name), EVENTS "%s/%s", t->event->name, file);
	return write_file(t->instance, name, text, e);
}

static bool file_begins(const char *base, const char *name, const char *text)
{
	char is[256];

	return read_file(base, name, is, sizeof(is), NULL) == 0 && strncmp(is, text, strlen(text)) == 0;
}

/* It listens as we would have it: left by a broker that ended, or died, and what failed since then is in it. */
static bool listens(const struct tracefs_source *t)
{
	char name[128], clocks[256];

	snprintf(name, sizeof(name), EVENTS "%s/filter", t->event->name);
	if (!file_begins(t->instance, name, t->event->filter))
		return false;
	snprintf(name, sizeof(name), EVENTS "%s/enable", t->event->name);
	return file_begins(t->instance, name, "1") && file_begins(t->instance, "tracing_on", "1") &&
	       read_file(t->instance, "trace_clock", clocks, sizeof(clocks), NULL) == 0 && strstr(clocks, "[mono]");
}

/* Makes the instance, or empties the one that is there; sets it up with the event still off. */
static int prepare_instance(struct tracefs_source *t, struct err *e)
{
	static const struct {
		const char *file, *text;
	} setup[] = {
		{"buffer_size_kb", CPU_BUFFER_KB}, /* at once: 1.4 MiB a CPU is the kernel's default */
		{"trace_clock", "mono"},	   /* CLOCK_MONOTONIC; setting it empties the buffers */
		{"buffer_percent", "0"},	   /* wake at the first record, not when half full */
		{"options/overwrite", "1"},	   /* the newest count */
		{"trace", ""},			   /* truncated: what was in it goes */
		{"tracing_on", "1"},
	};
	int r;

	if (mkdir(t->instance, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make %s", t->instance);
	r = write_event(t, "enable", "0", e);
	for (size_t i = 0; i < ARRAY_SIZE(setup) && r == 0; i++)
		r = write_file(t->instance, setup[i].file, setup[i].text, e);
	return r < 0 ? r : write_event(t, "filter", t->event->filter, e);
}

static int read_format(struct tracefs_source *t, struct err *e)
{
	char text[8192], name[128];
	int r = read_file(TRACEFS, "events/header_page", text, sizeof(text), e);

	if (r == 0)
		r = trace_layout_parse(text, &t->layout, e);
	snprintf(name, sizeof(name), EVENTS "%s/format", t->event->name);
	if (r == 0)
		r = read_file(TRACEFS, name, text, sizeof(text), e);
	return r < 0 ? r : trace_format_parse(text, &t->format, e);
}

/* "overrun: 12" of the CPU's statistics: records that were overwritten unread. */
static uint64_t read_overrun(const struct tracefs_source *t, unsigned cpu)
{
	char name[64], text[1024];
	const char *at;

	snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
	if (read_file(t->instance, name, text, sizeof(text), NULL) < 0)
		return 0;
	at = strstr(text, "overrun: ");
	return at ? strtoull(at + strlen("overrun: "), NULL, 10) : 0;
}

static void on_error(void *u, const struct trace_error *te)
{
	struct source *s = u;
	const struct tracefs_source *t = s->own;
	/* CLOCK_MONOTONIC stands still in suspend; the difference is taken now, just after the error. */
	int64_t asleep = clock_boot(&clock_system) - clock_awake(&clock_system);

	if ((t->until && te->time + asleep >= t->until) || te->time + asleep < t->from)
		return;
	s->received++;
	pipeline_raw_error(s->env->pipeline, &(struct raw_error){
						     .source = s->ops->name,
						     .major = te->major,
						     .minor = te->minor,
						     .sector = te->sector,
						     .sectors = te->sectors,
						     .error = te->error,
						     .rwbs = te->rwbs,
						     .boot = te->time + asleep,
						     .count = 1,
					     });
}

/* The page tells that something is missing, the statistics how much. */
static void count_lost(struct cpu_pipe *p, uint64_t told)
{
	struct source *s = p->s;
	uint64_t overrun = read_overrun(s->own, p->cpu);
	uint64_t lost = overrun > p->overrun ? overrun - p->overrun : told;

	p->overrun = overrun;
	source_lost(s, lost);
}

static void on_pipe(void *u, unsigned ready _unused_)
{
	struct cpu_pipe *p = u;
	struct source *s = p->s;
	struct tracefs_source *t = s->own;
	int64_t until = clock_boot(&clock_system) + TIME_AT_ONCE;
	uint64_t told = 0;

	for (int i = 0; i < PAGES_AT_ONCE && (i == 0 || clock_boot(&clock_system) < until); i++) {
		ssize_t n = read(p->fd, t->page, t->page_size);
		struct err e = {0};

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (trace_page_decode(t->page, (size_t)n, &t->layout, &t->format, 1, on_error, s, &told, &e) < 0) {
			s->dropped++;
			log_warning("source %s: %s", s->ops->name, e.msg);
		}
	}
	if (told)
		count_lost(p, told);
}

struct open_pipes {
	struct source *s;
	struct tracefs_source *t;
	size_t cap;
	struct err *e;
};

/* All possible CPUs: one that is plugged later has its buffer already. */
static int open_pipe(void *u, unsigned cpu)
{
	struct open_pipes *o = u;
	struct tracefs_source *t = o->t;
	struct cpu_pipe *p;
	char path[PATH_MAX + 64];

	if (t->n_pipes == o->cap)
		return err_set(o->e, EOVERFLOW, "more CPUs than %zu", o->cap);
	p = &t->pipes[t->n_pipes];
	*p = (struct cpu_pipe){.s = o->s, .cpu = cpu, .overrun = read_overrun(t, cpu)};
	snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", t->instance, cpu);
	p->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (p->fd < 0)
		return err_sys(o->e, errno, "cannot open %s", path);
	t->n_pipes++;
	if (loop_fd_new(o->s->env->loop, p->fd, LOOP_READ, on_pipe, p, &p->watch) < 0)
		return err_sys(o->e, ENOMEM, "trace pipe");
	return 0;
}

static int count_cpu(void *u, unsigned cpu _unused_)
{
	++*(size_t *)u;
	return 0;
}

static int open_pipes(struct source *s, struct tracefs_source *t, struct err *e)
{
	struct open_pipes o = {.s = s, .t = t, .e = e};
	char text[1024];
	int r = read_file("/sys/devices/system/cpu", "possible", text, sizeof(text), e);

	if (r < 0)
		return r;
	if (cpu_list_parse(text, count_cpu, &o.cap) < 0 || o.cap == 0)
		return err_set(e, EBADMSG, "cannot read the list of possible CPUs");
	t->pipes = calloc(o.cap, sizeof(*t->pipes));
	if (!t->pipes)
		return err_sys(e, ENOMEM, "trace pipes");
	return cpu_list_parse(text, open_pipe, &o);
}

/* A restart loses no error: the instance listens on, within its few pages, until a broker reads it or the machine is
 * off. It goes where another source tells the same now, or where it could not be set up. rmdir is EBUSY while a pipe is
 * open. */
static void tracefs_source_free(struct tracefs_source *t)
{
	bool remove = t->instance[0] && !t->keep;

	if (remove)
		write_event(t, "enable", "0", NULL);
	for (size_t i = 0; i < t->n_pipes; i++) {
		loop_fd_free(t->pipes[i].watch);
		close(t->pipes[i].fd);
	}
	if (remove)
		rmdir(t->instance);
	free(t->pipes);
	free(t->page);
	free(t);
}
DEFINE_CLEANUP(struct tracefs_source *, tracefs_source_free)

static int tracefs_start(struct source *s, struct err *e)
{
	_cleanup_(tracefs_source_freep) struct tracefs_source *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_sys(e, ENOMEM, "tracefs source");
	t->event = s->ops == &source_bios ? &bios : &requests;
	t->page_size = (size_t)sysconf(_SC_PAGESIZE);
	t->page = malloc(t->page_size);
	if (!t->page)
		return err_sys(e, ENOMEM, "tracefs source");
	r = mount_tracefs(e);
	if (r == 0)
		r = read_format(t, e);
	if (r < 0)
		return r;
	name_instance(s->env->settings->run_dir, t->event->instance, t->instance, sizeof(t->instance));
	if (listens(t))
		t->from = clock_boot(&clock_system) - KEPT_FOR;
	else
		r = prepare_instance(t, e);
	if (r == 0)
		r = open_pipes(s, t, e);
	if (r == 0)
		r = write_event(t, "enable", "1", e);
	if (r < 0)
		return r;
	t->keep = true;
	s->own = TAKE_PTR(t);
	return 0;
}

static int64_t tracefs_leave(struct source *s)
{
	struct tracefs_source *t = s->own;

	t->keep = false;
	t->until = clock_boot(&clock_system);
	write_event(t, "enable", "0", NULL);
	for (size_t i = 0; i < t->n_pipes; i++)
		on_pipe(&t->pipes[i], LOOP_READ);
	return t->until;
}

static void tracefs_stop(struct source *s)
{
	tracefs_source_free(s->own);
}

const struct source_ops source_tracefs = {
	.name = "tracefs",
	.doc = "failed requests of the block layer, by a trace instance",
	.role = SOURCE_ROLE_ERRORS,
	.start = tracefs_start,
	.stop = tracefs_stop,
	.leave = tracefs_leave,
};

const struct source_ops source_bios = {
	.name = "bios",
	.doc = "failed bios of devices without a request queue, by a trace instance",
	.start = tracefs_start,
	.stop = tracefs_stop,
};
