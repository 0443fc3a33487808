// SPDX-License-Identifier: GPL-2.0-or-later
/* The probe process: reads disks one after the other, each in a process of its own that it forks. So each disk has one
 * that begins with nothing of another's, and none has to be executed, which costs ten times as much as a fork. The one
 * that forks touches no disk.
 *
 * First it says {"ready":true}. In, on stdin: {"node":"/dev/sdb"}. Out, on the same socket: {"status":as waitpid(2)
 * tells,"said":bool}, and if it said a line, that line as it is: only who asked reads it. What the disk's process reads
 * may be anybody's: it is in a sandbox (sandbox.h) before the first byte. It keeps the socket open, though it cannot
 * write to it: whoever listens hears the end once both are gone.
 */
#pragma once

#include "actions/meta/blockio.h"

#include <jansson.h>

/* The disk's fd in its process. */
enum { PROBE_DISK = 3 };

/* What the device holds. A new reference, or NULL when out of memory. */
json_t *probe_describe(struct blockdev *dev);
/* Serves requests until the end of stdin; describe is called in the disk's process:
 * {"contents","contents-name","view"}, a new reference, or NULL. The exit status. */
int probe_serve(json_t *(*describe)(const char *node));
int probe_main(int argc, char **argv);
