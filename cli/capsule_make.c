// SPDX-License-Identifier: GPL-2.0-or-later
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

enum { ROWS = 1000 };

struct making {
	struct cli *c;
	int fd;
	size_t bytes, disks;
};

static int put(void *u, json_t *line)
{
	struct making *m = u;
	int r = wire_send(m->fd, line);

	json_decref(line);
	return r;
}

/* What the daemon knows, if there is one. Plans, verdicts and commands of people are left out: a rule's programs get
 * their arguments in them. */
static int put_answer(struct making *m, const char *part, json_t *request)
{
	json_t *answer = NULL;
	int r;

	if (client_ask(m->c, request, &answer) != CLI_OK) {
		json_decref(answer);
		return -EIO;
	}
	r = put(m, json_pack("{s:s s:o}", "part", part, "body", answer));
	return r < 0 ? r : 0;
}

static int put_daemon(struct making *m)
{
	static const char *const tables[] = {"event", "outcome", "case", "before"};
	int r = put_answer(m, "status", client_request("status"));

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

static int record_disk(const char *path, int fd)
{
	struct making m = {.fd = fd};
	struct sectors s = {0};
	struct err e = {0};
	int r = disk_meta_record(path, &s, &e);

	if (r < 0)
		snprintf(s.error, sizeof(s.error), "%.*s", (int)sizeof(s.error) - 1, e.msg);
	if (!s.name[0])
		snprintf(s.name, sizeof(s.name), "%.63s", path);
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

static int put_disk(struct making *m, const char *path)
{
	int pipe_fds[2], status = 0, r;
	pid_t pid;

	fflush(stdout);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]);
		_exit(record_disk(path, pipe_fds[1]) < 0);
	}
	close(pipe_fds[1]);
	r = pid < 0 ? -errno : copy_lines(m, pipe_fds[0]);
	close(pipe_fds[0]);
	if (pid > 0 && (waitpid(pid, &status, 0) < 0 || status != 0) && r == 0)
		r = -EIO;
	m->disks++;
	return r;
}

/* The disks that are of a set, as the daemon knows them. */
static int put_known_disks(struct making *m)
{
	json_t *answer = NULL, *d;
	size_t i;
	int r = client_ask(m->c, client_request("status"), &answer) == CLI_OK ? 0 : -EIO;

	json_array_foreach(j_list(json_object_get(answer, "status"), "devices"), i, d)
	{
		if (r == 0 && j_bool(d, "present") && j_str(d, "set")[0] && m->disks < CAPSULE_DISKS_MAX)
			r = put_disk(m, j_str(d, "node"));
	}
	json_decref(answer);
	return r;
}

int verb_capsule(struct cli *c)
{
	struct making m = {.c = c, .fd = open(c->args[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
	bool daemon = client_runs(c);
	int r;

	if (m.fd < 0)
		return cli_fail(c, CLI_NO, "failed", "cannot make %s: %s", c->args[0], strerror(errno));
	r = put(&m, json_pack("{s:i s:s s:I}", "capsule", 1, "version", SPARED_VERSION, "made",
			      (json_int_t)clock_wall(&clock_system)));
	if (r == 0 && daemon)
		r = put_daemon(&m);
	for (int i = 1; i < c->n_args && r == 0; i++)
		r = put_disk(&m, c->args[i]);
	if (r == 0 && c->n_args == 1 && daemon)
		r = put_known_disks(&m);
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
