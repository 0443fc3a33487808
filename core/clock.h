// SPDX-License-Identifier: GPL-2.0-or-later
/* Time behind a struct, so that tests and replay supply it. All values are nanoseconds. */
#pragma once

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SEC INT64_C(1000000000)

struct clock {
	/* CLOCK_BOOTTIME: never set, runs on in suspend. The engine's time. */
	int64_t (*boot)(void *u);
	/* CLOCK_MONOTONIC: stands still in suspend. "Awake" time. */
	int64_t (*awake)(void *u);
	/* CLOCK_REALTIME, since 1970 UTC. */
	int64_t (*wall)(void *u);
	void *u;
};

extern const struct clock clock_system;

static inline int64_t clock_boot(const struct clock *c)
{
	return c->boot(c->u);
}

static inline int64_t clock_awake(const struct clock *c)
{
	return c->awake(c->u);
}

static inline int64_t clock_wall(const struct clock *c)
{
	return c->wall(c->u);
}
