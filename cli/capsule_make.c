// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/before.h"
#include "cli/capsule.h"
#include "cli/client.h"
#include "cli/disk.h"
#include "cli/output.h"

#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { ROWS = 1000, LAYERS_MAX = 256 };

struct making {
	struct cli *c;
	int fd;
	size_t bytes, disks;
	json_t *before; /* parts of what plans wrote over, newest first */
};

static int put(void *u, json_t *line)
{
	struct making *m = u;
	int r = wire_send(m->fd, line);

	json_decref(line);
	return r;
}

/* Takes answer. */
static int put_body(struct making *m, const char *part, json_t *answer)
{
	int r = put(m, json_pack("{s:s s:o}", "part", part, "body", answer));

	return r < 0 ? r : 0;
}

/* What the daemon knows, if there is one. Plans, verdicts and commands of people are left out: a rule's programs get
 * their arguments in them. */
static int put_answer(struct making *m, const char *part, json_t *request)
{
	json_t *answer = NULL;

	if (client_ask(m->c, request, &answer) != CLI_OK) {
		json_decref(answer);
		return -EIO;
	}
	return put_body(m, part, answer);
}

/* What plans wrote over, the newest first: kept for the disks, or put into the file. */
static int each_page(struct making *m, bool write)
{
	int64_t before = 0;
	size_t bytes = 0, i;
	bool more = true;
	int r = 0;

	for (int n = 0; r == 0 && more && bytes < CAPSULE_BEFORE_MAX && n < CAPSULE_BEFORE_LINES_MAX; n++) {
		json_t *answer = NULL, *row;

		r = before_page(m->c, NULL, before, &answer) == CLI_OK ? 0 : -EIO;
		more = j_bool(answer, "more");
		bytes += json_dumpb(answer, NULL, 0, JSON_COMPACT);
		json_array_foreach(j_list(answer, "rows"), i, row)
		{
			before = j_int(row, "id");
			if (!write)
				json_array_append(m->before, json_object_get(row, "row"));
		}
		if (r == 0 && write)
			r = put_body(m, "history", json_incref(answer));
		json_decref(answer);
	}
	return r;
}

static int put_daemon(struct making *m, json_t *status)
{
	static const char *const tables[] = {"event", "outcome", "case"};
	int r = put_body(m, "status", json_incref(status));

	if (r == 0)
		r = put_answer(m, "sources", client_request("sources"));
	if (r == 0)
		r = put_answer(m, "rules", client_request("rules-list"));
	for (size_t i = 0; i < ARRAY_SIZE(tables) && r == 0; i++) {
		json_t *request = client_request("history");

		json_object_set_new(request, "table", json_string(tables[i]));
		json_object_set_new(request, "limit", json_integer(ROWS));
		r = put_answer(m, "history", request);
	}
	return r;
}

/* ---- disks: each in a process that has given up its rights ---- */

/* A disk, and what it held before each plan. */
struct past {
	const char *device; /* its identity; empty: not known */
	const json_t *parts;
	struct {
		struct image *im;
		struct blockdev *d;
	} layer[LAYERS_MAX];
	size_t n;
};

static struct blockdev *add_layer(struct past *p, struct blockdev *under, const json_t *part)
{
	struct image *im = image_new("", "");

	p->layer[p->n].im = im;
	if (im && image_lay(im, part, NULL) == 0)
		p->layer[p->n].d = before_device(under, im->disk[0]);
	return p->layer[p->n++].d;
}

/* Reads the tape as it was before each part, the newest first: of a set that is gone nothing else would be looked at
 * and kept. */
static void record_past(void *u, struct blockdev *tape)
{
	struct past *p = u;
	struct blockdev *d = tape;

	for (size_t i = 0; i < json_array_size(p->parts) && p->n < LAYERS_MAX && d; i++) {
		const json_t *part = json_array_get(p->parts, i);
		struct disk_meta m = {0};

		if (!p->device[0] || strcmp(j_str(part, "disk"), p->device) != 0)
			continue;
		d = add_layer(p, d, part);
		if (d)
			disk_meta_of(d, &m, NULL);
		disk_meta_finish(&m);
	}
	while (p->n-- > 0) {
		blockdev_close(p->layer[p->n].d);
		image_free(p->layer[p->n].im);
	}
}

static int record_disk(const char *path, const char *device, const json_t *before, int fd)
{
	struct past past = {.device = device, .parts = before};
	struct making m = {.fd = fd};
	struct sectors s = {0};
	struct err e = {0};
	int r = disk_meta_record(path, &s, record_past, &past, &e);

	if (r < 0)
		snprintf(s.error, sizeof(s.error), "%.*s", (int)sizeof(s.error) - 1, e.msg);
	if (!s.name[0])
		snprintf(s.name, sizeof(s.name), "%.63s", path);
	snprintf(s.device, sizeof(s.device), "%.127s", device);
	r = sectors_write(&s, put, &m);
	sectors_finish(&s);
	return r;
}

static int copy_lines(struct making *m, int from)
{
	static char buf[1 << 16];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write(m->fd, buf, (size_t)n) != n)
			return -EIO;
		m->bytes += (size_t)n;
		if (m->bytes > CAPSULE_BYTES_MAX)
			return -EFBIG;
	}
	return 0;
}

static int put_disk(struct making *m, const char *path, const char *device)
{
	int pipe_fds[2], status = 0, r;
	pid_t pid;

	fflush(stdout);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]);
		_exit(record_disk(path, device, m->before, pipe_fds[1]) < 0);
	}
	close(pipe_fds[1]);
	r = pid < 0 ? -errno : copy_lines(m, pipe_fds[0]);
	close(pipe_fds[0]);
	if (pid > 0 && (waitpid(pid, &status, 0) < 0 || status != 0) && r == 0)
		r = -EIO;
	m->disks++;
	return r;
}

static const char *device_of(const json_t *devices, const char *path)
{
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		if (j_bool(d, "present") && strcmp(j_str(d, "node"), path) == 0)
			return j_str(d, "id");
	}
	return "";
}

/* The disks that are named, or all that are of a set, as the daemon knows them. */
static int put_disks(struct making *m, const json_t *devices)
{
	const json_t *d;
	size_t i;
	int r = 0;

	for (int k = 1; k < m->c->n_args && r == 0; k++)
		r = put_disk(m, m->c->args[k], device_of(devices, m->c->args[k]));
	json_array_foreach(devices, i, d)
	{
		if (m->c->n_args == 1 && r == 0 && j_bool(d, "present") && j_str(d, "set")[0] &&
		    m->disks < CAPSULE_DISKS_MAX)
			r = put_disk(m, j_str(d, "node"), j_str(d, "id"));
	}
	return r;
}

static int make(struct making *m, bool daemon)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	int r = put(m, json_pack("{s:i s:s s:I}", "capsule", 1, "version", SPARED_VERSION, "made",
				 (json_int_t)clock_wall(&clock_system)));

	if (r == 0 && daemon && client_ask(m->c, client_request("status"), &status) != CLI_OK)
		r = -EIO;
	if (r == 0 && daemon)
		r = put_daemon(m, status);
	if (r == 0 && daemon)
		r = each_page(m, false);
	if (r == 0)
		r = put_disks(m, j_list(json_object_get(status, "status"), "devices"));
	/* After the disks: of a plan that wrote meanwhile what was there before is in it, too. */
	if (r == 0 && daemon)
		r = each_page(m, true);
	return r < 0 ? r : 0;
}

int verb_capsule(struct cli *c)
{
	_cleanup_(json_decrefp) json_t *before = json_array();
	struct making m = {
		.c = c, .fd = open(c->args[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), .before = before};
	bool daemon = client_runs(c);
	int r;

	if (m.fd < 0)
		return cli_fail(c, CLI_NO, "failed", "cannot make %s: %s", c->args[0], strerror(errno));
	r = make(&m, daemon);
	if (close(m.fd) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		unlink(c->args[0]);
		return cli_fail(c, CLI_NO, "failed", "%s is not made: %s", c->args[0], strerror(-r));
	}
	if (GIVEN(c, JSON))
		out_json(json_pack("{s:s s:b s:I}", "file", c->args[0], "daemon", (int)daemon, "disks",
				   (json_int_t)m.disks));
	else
		printf("%s: %zu disks%s\n", c->args[0], m.disks, daemon ? "" : "; spared does not run");
	return CLI_OK;
}
