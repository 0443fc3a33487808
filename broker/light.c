// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/light.h"

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Attributes of a component: Linux, drivers/misc/enclosure.c. */
static const struct {
	const char *light, *file, *value;
} writes[] = {
	{"fault", "fault", "1"},
	{"locate", "locate", "1"},
	{"off", "fault", "0"},
	{"off", "locate", "0"},
};

static int end(const char *result, const char *fmt, const char *path, const char *why)
{
	_cleanup_(buf_free) struct buf reason = {0};
	json_t *line;

	buf_addf(&reason, fmt, path, why);
	line = json_pack("{s:{s:s s:s}}", "end", "result", result, "reason", buf_str(&reason));
	if (line)
		wire_send(STDOUT_FILENO, line);
	json_decref(line);
	return 0;
}

static void show(const char *path, const char *value)
{
	char text[512];
	json_t *line;

	snprintf(text, sizeof(text), "%s: %s\n", path, value);
	line = json_pack("{s:s}", "show", text);
	if (line)
		wire_send(STDOUT_FILENO, line);
	json_decref(line);
}

static int put(const char *path, const char *value)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int light_main(int argc, char **argv)
{
	prctl(PR_SET_NAME, "spared-light");
	if (argc != 3)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		char path[384];
		int r;

		if (strcmp(writes[i].light, argv[1]) != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/class/enclosure/%s/%s", argv[0], writes[i].file);
		if (strcmp(argv[2], "dry-run") == 0) {
			show(path, writes[i].value);
			continue;
		}
		r = put(path, writes[i].value);
		if (r < 0)
			return end("failed", "%s: %s", path, strerror(-r));
	}
	return end("ok", "%s%s", "", "");
}
