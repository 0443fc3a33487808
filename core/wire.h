// SPDX-License-Identifier: GPL-2.0-or-later
/* One JSON object a line, both ways, bounded: the control protocol and the workers' pipes. */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#include <jansson.h>

/* A line that is longer ends the connection with -EMSGSIZE. */
enum { WIRE_LINE_MAX = 1 << 20 };

/* Reads on a non-blocking or blocking fd. */
struct wire_in {
	struct buf b;
	size_t scanned;
};

/* Reads what is there (one read(2)). 0: end of file; > 0: bytes; -EAGAIN; -EMSGSIZE; other -errno. */
ssize_t wire_fill(struct wire_in *in, int fd);
/* Takes the next whole line: 1 and *ret (new reference), 0 if there is none yet, -EBADMSG with *e if it is no JSON
 * object. */
int wire_next(struct wire_in *in, json_t **ret, struct err *e);
void wire_in_free(struct wire_in *in);

/* Waits until a line is there. 1, 0 at end of file, or -errno. */
int wire_recv(struct wire_in *in, int fd, json_t **ret, struct err *e);
/* Writes j and a newline, all of it, on a blocking fd. */
int wire_send(int fd, const json_t *j);
/* The same with lines that are printed already. */
int wire_send_text(int fd, const char *text, size_t len);
/* Appends j and a newline to an output buffer. */
int wire_format(struct buf *out, const json_t *j);
