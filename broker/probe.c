// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/probe.h"

#include "actions/meta/meta.h"
#include "broker/proc.h"
#include "broker/sandbox.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	BROKER = STDIN_FILENO,
	BLANK_BYTES = 1 << 20,
	BLANK_PIECE = 64 << 10,
	OTHERS_TEXT = 120 /* of what is told of other formats */
};

struct reading {
	struct blockdev *dev;
	int error; /* the first, of the disk itself */
};

static int read_sectors(void *u, uint64_t sector, void *buf, uint32_t sectors)
{
	struct reading *rd = u;
	int r = blockio_read_sectors(rd->dev, sector, buf, sectors);

	if (r < 0 && r != -ERANGE) /* that is what was asked for */
		rd->error = rd->error ? rd->error : r;
	return r;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* 1: all zero; 0: not; or -errno. A piece at a time, which is not new memory each time, and mostly the first one tells.
 */
static int is_zero(const struct meta_reader *r, uint64_t sector, uint32_t sectors)
{
	_cleanup_(freep) unsigned char *buf = aligned_alloc(BLOCKIO_ALIGN, BLANK_PIECE);

	if (!buf)
		return -ENOMEM;
	for (uint32_t at = 0; at < sectors; at += BLANK_PIECE / 512) {
		uint32_t n = MIN(sectors - at, BLANK_PIECE / 512u);
		int status = r->read(r->u, sector + at, buf, n);

		if (status < 0 || !all_zero(buf, (size_t)n * 512))
			return status < 0 ? status : 0;
	}
	return 1;
}

/* 1: the first and the last MiB are zero; 0: they are not; or -errno. */
static int is_blank(const struct meta_reader *r)
{
	uint32_t sectors = (uint32_t)MIN(r->sectors, BLANK_BYTES / 512);
	int status = sectors ? is_zero(r, 0, sectors) : -ENODATA;

	return status == 1 ? is_zero(r, r->sectors - sectors, sectors) : status;
}

static json_t *answer(enum contents contents, const char *name, json_t *view)
{
	_cleanup_(buf_free) struct buf safe = {0};

	if (name)
		value_escape(name, 120, &safe);
	return json_pack("{s:s s:s? s:o}", "contents", contents_words[contents], "contents-name",
			 name ? buf_str(&safe) : NULL, "view", view ? view : json_null());
}

/* Metadata of two formats are on it: which of them counts is a person's to say. */
static json_t *answer_beside(json_t *answer, const char *others)
{
	if (answer && others[0])
		json_object_set_new(answer, "beside", json_string(others));
	return answer;
}

/* What a format that recognised the disk makes of it. */
static json_t *describe_member(const struct meta_format *f, const struct meta_reader *r)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	struct meta_copy *copy = NULL;
	const struct meta_other *other[META_OTHERS_MAX];
	struct err e = {0};
	int status = f->parse(r, &copy, &e), n;
	char name[160], others[OTHERS_TEXT];

	if (status == 0)
		status = f->copy_view(copy, &view, &e);
	if (copy)
		f->copy_free(copy);
	n = meta_others(r, view, other);
	meta_others_text(other, n, others, sizeof(others));
	if (status == 0) {
		snprintf(name, sizeof(name), "member of %s set %s", f->name, view->set);
		return answer_beside(answer(CONTENTS_MEMBER, name, meta_view_to_json(view)), others);
	}
	snprintf(name, sizeof(name), "%s metadata that cannot be used: %.100s", f->name, e.msg);
	return answer_beside(answer(CONTENTS_UNREADABLE, name, NULL), others);
}

/* What is in no format of ours. */
static json_t *describe_other(const struct meta_reader *r)
{
	const struct meta_other *other[META_OTHERS_MAX];
	int n = meta_others(r, NULL, other), blank;
	char others[OTHERS_TEXT];

	if (n > 0) {
		meta_others_text(other, n, others, sizeof(others));
		return answer(CONTENTS_FOREIGN, others, NULL);
	}
	blank = n < 0 ? n : is_blank(r);
	if (blank < 0)
		return answer(CONTENTS_UNREADABLE, strerror(-blank), NULL);
	return blank ? answer(CONTENTS_BLANK, NULL, NULL) : answer(CONTENTS_FOREIGN, NULL, NULL);
}

json_t *probe_describe(struct blockdev *dev)
{
	struct reading rd = {.dev = dev};
	struct meta_reader r = {
		.read = read_sectors, .u = &rd, .sectors = dev->sectors, .sector_size = dev->sector_size};
	struct err e = {0};

	for (size_t i = 0; meta_formats[i]; i++)
		if (meta_formats[i]->probe(&r, &e) == 1)
			return describe_member(meta_formats[i], &r);
	return rd.error ? answer(CONTENTS_UNREADABLE, strerror(-rd.error), NULL) : describe_other(&r);
}

/* Sizes are asked for with all rights; from the first byte that is read there are none. */
static json_t *describe_shut_in(const char *node)
{
	_cleanup_(blockdev_closep) struct blockdev *dev = NULL;
	struct err e = {0};
	int r;

	r = blockio_open_fd(PROBE_DISK, node, &dev, &e);
	if (r == 0)
		r = sandbox_enter(PROBE_DISK, STDOUT_FILENO, &e);
	return r < 0 ? answer(CONTENTS_UNREADABLE, e.msg, NULL) : probe_describe(dev);
}

/* The disk's process, and its exit status. The open may hang. A disk that was read before has time. */
static int read_disk(const json_t *request, int out, pid_t parent, json_t *(*describe)(const char *node))
{
	const char *node = json_string_value(json_object_get(request, "node"));
	json_t *j;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (json_is_true(json_object_get(request, "again")))
		setpriority(PRIO_PROCESS, 0, 0);
	if (!node || getppid() != parent || dup2(out, STDOUT_FILENO) < 0)
		return PROC_EXIT_EXEC;
	syscall(SYS_close_range, PROBE_DISK, ~0u, 0);
	if (open(node, O_RDONLY | O_NONBLOCK) != PROBE_DISK)
		return PROC_EXIT_OPEN;
	j = describe(node);
	r = j ? wire_send(STDOUT_FILENO, j) : -ENOMEM;
	json_decref(j);
	return r < 0 ? 1 : 0;
}

/* One line is heard; who says more is ended by it. What it says is the broker's to judge. */
static bool hear(int fd, struct buf *ret)
{
	_cleanup_(wire_in_free) struct wire_in in = {0};
	const char *end = NULL;

	while (!end && in.b.len <= WIRE_LINE_MAX && wire_fill(&in, fd) > 0)
		end = memchr(in.b.s, '\n', in.b.len);
	if (end)
		buf_addn(ret, in.b.s, (size_t)(end - in.b.s) + 1);
	return end && !ret->oom;
}

/* The disk's process, from its start to its end: what is told of it. */
static int serve(const json_t *request, json_t *(*describe)(const char *node), struct buf *ret)
{
	_cleanup_(buf_free) struct buf said = {0};
	pid_t parent = getpid(), pid;
	int fds[2], status = -1;
	json_t *line;
	bool heard;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		_exit(read_disk(request, fds[1], parent, describe));
	close(fds[1]);
	heard = pid > 0 && hear(fds[0], &said);
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	line = json_pack("{s:i s:b}", "status", status, "said", heard);
	r = line ? wire_format(ret, line) : -ENOMEM;
	json_decref(line);
	if (heard)
		buf_addn(ret, said.s, said.len);
	return ret->oom ? -ENOMEM : r;
}

int probe_serve(json_t *(*describe)(const char *node))
{
	json_t *line = json_pack("{s:b}", "ready", 1);
	int r = line ? wire_send(BROKER, line) : -ENOMEM;
	struct wire_in in = {0};
	struct err e = {0};

	json_decref(line);
	while (r == 0 && (r = wire_recv(&in, BROKER, &line, &e)) == 1) {
		_cleanup_(buf_free) struct buf told = {0};

		r = serve(line, describe, &told);
		if (r == 0)
			r = wire_send_text(BROKER, told.s, told.len);
		json_decref(line);
	}
	wire_in_free(&in);
	return r < 0 ? 1 : 0;
}

int probe_main(int argc _unused_, char **argv _unused_)
{
	struct err e = {0};

	prctl(PR_SET_NAME, "spared-probe");
	json_object_seed(0); /* reads /dev/urandom */
	if (sandbox_prepare(PROBE_DISK, STDOUT_FILENO, &e) < 0)
		log_warning("%s", e.msg); /* each will try it by itself, and tell */
	return probe_serve(describe_shut_in);
}
