// SPDX-License-Identifier: GPL-2.0-or-later
/* The probe process: says what is on the disk behind fd 3, as one JSON line on stdout:
 * {"contents","contents-name","view"}. It opens nothing. What it reads may be anybody's: it is
 * in a sandbox (sandbox.h) before the first byte. */
#pragma once

#include "actions/meta/blockio.h"

#include <jansson.h>

/* What the device holds. A new reference, or NULL when out of memory. */
json_t *probe_describe(struct blockdev *dev);
/* The probe process's main; argv: the device's node, for messages. */
int probe_main(int argc, char **argv);
