// SPDX-License-Identifier: GPL-2.0-or-later
/* A connection of JSON lines in the loop: bounded in both directions, never blocking. Clients and workers are each one.
 */
#pragma once

#include "broker/loop.h"
#include "core/wire.h"

struct chan;

struct chan_ops {
	/* A line came. j is borrowed. */
	void (*line)(void *u, const json_t *j);
	/* A line that is no JSON object; the connection goes on. NULL: it is closed instead. */
	void (*bad)(void *u, const struct err *e);
	/* The other side is gone, or broke a limit (-EMSGSIZE, -ENOBUFS): reason 0 or -errno. Called once, nothing
	 * follows. */
	void (*closed)(void *u, int reason);
};

/* Takes the fd, which is made non-blocking. in_max: bytes of one line, at most WIRE_LINE_MAX. out_max: bytes that may
 * wait. 0 or -errno; the fd is taken in both cases. */
int chan_new(struct loop *l, int fd, size_t in_max, size_t out_max, const struct chan_ops *ops, void *u,
	     struct chan **ret);
/* Queues a line. -ENOBUFS: it would be more than out_max, the line is not queued. -EPIPE: closed. */
int chan_send(struct chan *c, const json_t *j);
/* The same with a line that is printed already, its newline included. */
int chan_send_text(struct chan *c, const char *text, size_t len);
/* True if so many more bytes may be queued. */
bool chan_has_room(const struct chan *c, size_t bytes);
/* Forgets the lines that wait, but for one that is half sent. Returns how many. */
size_t chan_drop_waiting(struct chan *c);
/* Reads no more; what waits is still sent, then closed is called. A side that does not read keeps it waiting: the
 * caller frees it. */
void chan_close_soon(struct chan *c);
/* May be called in its own callbacks. */
void chan_free(struct chan *c);
DEFINE_CLEANUP(struct chan *, chan_free)
int chan_fd(const struct chan *c);
