// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters and states in Prometheus' text format. Pure: what it prints comes from the objects of the verb status. */
#pragma once

#include "broker/tally.h"
#include "core/buf.h"

/* status, broker: as the verb status gives them; rss: bytes of memory. */
void metrics_print(const struct tally *t, const json_t *status, const json_t *broker, uint64_t rss, struct buf *out);
