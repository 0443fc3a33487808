// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/systemd.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LISTEN_FD = 3 };

void systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = -1;
	size_t len;

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(addr.sun_path))
		return;
	len = strlen(path);
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* an abstract name */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_debug("service manager: %s", strerror(errno));
}

/* True if the variable holds this process's id, or (if_missing) is not there. */
static bool is_for_us(const char *name, bool if_missing)
{
	const char *pid = getenv(name);

	return pid ? strtol(pid, NULL, 10) == getpid() : if_missing;
}

int systemd_listen_fd(void)
{
	const char *fds = getenv("LISTEN_FDS");
	int fd = is_for_us("LISTEN_PID", false) && fds && strtol(fds, NULL, 10) >= 1 ? LISTEN_FD : -1;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return fd;
}

int64_t systemd_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");

	return usec && is_for_us("WATCHDOG_PID", true) ? strtoll(usec, NULL, 10) * NS_PER_US : 0;
}
