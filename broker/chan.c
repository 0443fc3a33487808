// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { KEEP_MAX = 256 << 10 }; /* a larger output buffer is given back when it is empty */

struct chan {
	struct loop_fd *watch;
	int fd;
	size_t in_max, out_max;
	const struct chan_ops *ops;
	void *u;
	struct wire_in in;
	struct buf out;
	size_t sent;  /* of out */
	bool in_line; /* what was sent last is a part of a line */
	bool busy;    /* in a callback: chan_free waits for its end */
	bool dead;    /* freed in a callback */
	bool closing, closed;
};

static void chan_destroy(struct chan *c)
{
	loop_fd_free(c->watch);
	closep(&c->fd);
	wire_in_free(&c->in);
	buf_free(&c->out);
	free(c);
}

void chan_free(struct chan *c)
{
	if (!c)
		return;
	c->closed = true;
	if (c->busy)
		c->dead = true;
	else
		chan_destroy(c);
}

static void chan_end(struct chan *c, int reason)
{
	if (c->closed)
		return;
	c->closed = true;
	loop_fd_want(c->watch, 0);
	c->ops->closed(c->u, reason);
}

static void chan_watch(struct chan *c)
{
	if (c->closed)
		return;
	loop_fd_want(c->watch, (c->closing ? 0 : LOOP_READ) | (c->out.len > c->sent ? LOOP_WRITE : 0));
}

/* 0: a whole line is there or may still come; -EMSGSIZE: it is already too long. */
static int chan_check_length(const struct chan *c)
{
	size_t look = MIN(c->in.b.len, c->in_max + 1);

	if (c->in.b.len <= c->in_max || memchr(c->in.b.s, '\n', look))
		return 0;
	return -EMSGSIZE;
}

static void chan_lines(struct chan *c)
{
	while (!c->closed && !c->closing) {
		struct err e = {0};
		json_t *j = NULL;
		int r = chan_check_length(c);

		if (r == 0)
			r = wire_next(&c->in, &j, &e);
		if (r == 0)
			return;
		if (r == -EBADMSG && c->ops->bad)
			c->ops->bad(c->u, &e);
		else if (r < 0)
			chan_end(c, r);
		else
			c->ops->line(c->u, j);
		json_decref(j);
	}
}

static int chan_read(struct chan *c)
{
	ssize_t n = wire_fill(&c->in, c->fd);

	if (n == -EAGAIN)
		return 0;
	if (n == 0)
		return -ESHUTDOWN;
	if (n < 0)
		return (int)n;
	chan_lines(c);
	return 0;
}

static int chan_write(struct chan *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = write(c->fd, c->out.s + c->sent, c->out.len - c->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		c->sent += (size_t)n;
		c->in_line = c->out.s[c->sent - 1] != '\n';
	}
	c->sent = 0;
	if (c->out.cap > KEEP_MAX)
		buf_free(&c->out);
	else
		buf_clear(&c->out);
	return c->closing ? -ESHUTDOWN : 0;
}

static void on_ready(void *u, unsigned ready)
{
	struct chan *c = u;
	int r = 0;

	c->busy = true;
	if (ready & LOOP_WRITE)
		r = chan_write(c);
	if (r == 0 && (ready & LOOP_READ) && !c->closed && !c->closing)
		r = chan_read(c);
	if (r < 0)
		chan_end(c, r == -ESHUTDOWN ? 0 : r);
	chan_watch(c);
	c->busy = false;
	if (c->dead)
		chan_destroy(c);
}

int chan_new(struct loop *l, int fd, size_t in_max, size_t out_max, const struct chan_ops *ops, void *u,
	     struct chan **ret)
{
	struct chan *c = calloc(1, sizeof(*c));
	int flags, r;

	if (!c) {
		closep(&fd);
		return -ENOMEM;
	}
	*c = (struct chan){.fd = fd, .in_max = in_max, .out_max = out_max, .ops = ops, .u = u};
	flags = fcntl(fd, F_GETFL);
	r = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = loop_fd_new(l, fd, LOOP_READ, on_ready, c, &c->watch);
	if (r < 0) {
		chan_destroy(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Frees the room of what was sent, when that is most of it. */
static void chan_compact(struct chan *c)
{
	if (c->sent < c->out.len / 2 || c->sent == 0)
		return;
	memmove(c->out.s, c->out.s + c->sent, c->out.len - c->sent);
	c->out.len -= c->sent;
	c->out.s[c->out.len] = '\0';
	c->sent = 0;
}

int chan_send_text(struct chan *c, const char *text, size_t len)
{
	if (c->closed || c->closing)
		return -EPIPE;
	chan_compact(c);
	if (c->out.len - c->sent + len > c->out_max)
		return -ENOBUFS;
	buf_addn(&c->out, text, len);
	if (c->out.oom) {
		c->out.oom = false; /* nothing was added */
		return -ENOMEM;
	}
	chan_watch(c);
	return 0;
}

int chan_send(struct chan *c, const json_t *j)
{
	_cleanup_(buf_free) struct buf line = {0};
	int r = wire_format(&line, j);

	return r < 0 ? r : chan_send_text(c, line.s, line.len);
}

size_t chan_drop_waiting(struct chan *c)
{
	size_t keep = c->sent, dropped = 0;

	if (c->in_line)
		keep += strcspn(c->out.s + c->sent, "\n") + 1;
	for (size_t i = keep; i < c->out.len; i++)
		dropped += c->out.s[i] == '\n';
	if (keep < c->out.len) {
		c->out.len = keep;
		c->out.s[keep] = '\0';
	}
	return dropped;
}

bool chan_has_room(const struct chan *c, size_t bytes)
{
	return !c->closed && !c->closing && c->out.len - c->sent + bytes <= c->out_max;
}

void chan_close_soon(struct chan *c)
{
	c->closing = true;
	loop_fd_want(c->watch, LOOP_WRITE);
}

int chan_fd(const struct chan *c)
{
	return c->fd;
}
