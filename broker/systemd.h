// SPDX-License-Identifier: GPL-2.0-or-later
/* The service manager's side: readiness and socket activation, by their plain protocols (sd_notify(3),
 * sd_listen_fds(3)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Sends "READY=1", ..; without a manager nothing happens. */
void systemd_notify(const char *state);
/* The socket that the manager passed, or -1. The environment is cleared. */
int systemd_listen_fd(void);
/* How often WATCHDOG=1 is to be sent at the latest, ns; 0: not at all. */
int64_t systemd_watchdog(void);
