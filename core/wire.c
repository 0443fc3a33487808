// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { KEEP_MAX = 64 << 10 }; /* a larger buffer is given back when it is empty */

ssize_t wire_fill(struct wire_in *in, int fd)
{
	char chunk[16384];
	ssize_t n;

	do
		n = read(fd, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (in->b.len + (size_t)n > 2 * (size_t)WIRE_LINE_MAX)
		return -EMSGSIZE;
	buf_addn(&in->b, chunk, (size_t)n);
	return in->b.oom ? -ENOMEM : n;
}

int wire_next(struct wire_in *in, json_t **ret, struct err *e)
{
	const char *end;
	json_error_t je;
	size_t len;
	json_t *j;

	if (in->b.len == in->scanned)
		return 0;
	end = memchr(in->b.s + in->scanned, '\n', in->b.len - in->scanned);
	if (!end) {
		in->scanned = in->b.len;
		return in->b.len > WIRE_LINE_MAX ? err_set(e, EMSGSIZE, "line longer than %d bytes", WIRE_LINE_MAX) : 0;
	}
	len = (size_t)(end - in->b.s);
	if (len > WIRE_LINE_MAX)
		return err_set(e, EMSGSIZE, "line longer than %d bytes", WIRE_LINE_MAX);
	j = json_loadb(in->b.s, len, JSON_REJECT_DUPLICATES, &je);
	memmove(in->b.s, end + 1, in->b.len - len - 1);
	in->b.len -= len + 1;
	in->b.s[in->b.len] = '\0';
	in->scanned = 0;
	if (in->b.len == 0 && in->b.cap > KEEP_MAX)
		buf_free(&in->b);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, EBADMSG, "not a JSON object: %s", j ? "another type" : je.text);
	}
	*ret = j;
	return 1;
}

void wire_in_free(struct wire_in *in)
{
	buf_free(&in->b);
	in->scanned = 0;
}

int wire_recv(struct wire_in *in, int fd, json_t **ret, struct err *e)
{
	for (;;) {
		int r = wire_next(in, ret, e);
		ssize_t n;

		if (r != 0)
			return r;
		n = wire_fill(in, fd);
		if (n == -EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
			continue;
		}
		if (n < 0)
			return err_sys(e, (int)-n, "cannot read");
		if (n == 0)
			return 0;
	}
}

int wire_format(struct buf *out, const json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT);

	if (!s)
		return -ENOMEM;
	buf_add(out, s);
	buf_addc(out, '\n');
	free(s);
	return out->oom ? -ENOMEM : 0;
}

int wire_send_text(int fd, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int wire_send(int fd, const json_t *j)
{
	_cleanup_(buf_free) struct buf b = {0};
	int r = wire_format(&b, j);

	return r < 0 ? r : wire_send_text(fd, b.s, b.len);
}
