// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading disks' metadata: one short-lived process a disk (probe.h), some at once. One that hangs is killed and
 * outlived; whatever a disk does to the process that reads it, the others are read. */
#pragma once

#include "broker/loop.h"
#include "core/err.h"

#include <jansson.h>
#include <stdbool.h>

struct probes;

struct probes_ops {
	/* {"contents","contents-name","view"} (borrowed), or NULL with the reason. */
	void (*answer)(void *u, const char *device_id, const json_t *answer, const char *reason);
	void *u;
};

/* at_once: disks. */
int probes_new(struct loop *l, unsigned at_once, const struct probes_ops *ops, struct probes **ret);
void probes_free(struct probes *p); /* kills what runs */
DEFINE_CLEANUP(struct probes *, probes_free)
/* Queues the job; nothing is called back from here. again: it goes after all that were never read. */
void probes_ask(struct probes *p, const char *device_id, const char *node, int64_t timeout_ns, bool again);
/* Starts what is queued. True if something was called back. */
bool probes_turn(struct probes *p);
/* {"running","queued","killed","hanging"}. A new reference. */
json_t *probes_to_json(const struct probes *p);
