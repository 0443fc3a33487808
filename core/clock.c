// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t system_boot(void *u)
{
	(void)u;
	return read_clock(CLOCK_BOOTTIME);
}

static int64_t system_awake(void *u)
{
	(void)u;
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall(void *u)
{
	(void)u;
	return read_clock(CLOCK_REALTIME);
}

const struct clock clock_system = {.boot = system_boot, .awake = system_awake, .wall = system_wall};
