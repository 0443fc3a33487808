// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/path.h"

#include "actions/path_exec.h"
#include "core/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* multipathd's own socket, abstract: whether it runs can be asked without knowing where its files are. */
#define MULTIPATHD "/org/kernel/linux/storage/multipathd"

static bool multipathd_runs(void *u _unused_)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path + 1, MULTIPATHD, sizeof(MULTIPATHD) - 1);
	return fd >= 0 && connect(fd, (struct sockaddr *)&a,
				  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(MULTIPATHD))) == 0;
}

static void send_line(json_t *line)
{
	if (line)
		wire_send(STDOUT_FILENO, line);
	json_decref(line);
}

static void send_show(void *u _unused_, const char *text)
{
	send_line(json_pack("{s:s}", "show", text));
}

static int read_task(char **argv, struct path_task *t)
{
	*t = (struct path_task){.dry_run = strcmp(argv[4], "dry-run") == 0,
				.group = (unsigned)strtoul(argv[5], NULL, 10),
				.alone = strcmp(argv[6], "alone") == 0};
	while (t->op < STEP_OP_MAX && strcmp(step_op_name(t->op), argv[0]) != 0)
		t->op++;
	snprintf(t->name, sizeof(t->name), "%s", argv[1]);
	snprintf(t->dev, sizeof(t->dev), "%s", argv[2]);
	return sscanf(argv[3], "%u:%u", &t->major, &t->minor) == 2 && t->op < STEP_OP_MAX ? 0 : -1;
}

int path_main(int argc, char **argv)
{
	static const struct path_env env = {.dm = &dm_kernel, .has_daemon = multipathd_runs, .show = send_show};
	static const char *const results[] = {
		[ACTION_OK] = "ok", [ACTION_REFUSED] = "refused", [ACTION_FAILED] = "failed"};
	struct path_task t;
	struct path_done done;

	prctl(PR_SET_NAME, "spared-path");
	if (argc != 7 || read_task(argv, &t) < 0)
		return 1;
	path_do(&env, &t, &done);
	if (done.result == ACTION_OK && !t.dry_run && (t.op == STEP_DEMOTE_PATH || t.op == STEP_RESTORE_PATH))
		send_line(json_pack("{s:{s:b s:b s:i s:b}}", "path", "marginal", done.marginal, "moved", done.moved,
				    "group", (int)done.group, "alone", done.alone));
	send_line(json_pack("{s:{s:s s:s}}", "end", "result", results[done.result], "reason", done.reason));
	return 0;
}
