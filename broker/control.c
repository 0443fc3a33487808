// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/control.h"

#include "broker/asked.h"
#include "broker/broker.h"
#include "broker/chan.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CUT_OFF_WAIT (60 * NS_PER_SEC) /* for the last words to a client that is cut off */
#define ACCEPT_PAUSE (1 * NS_PER_SEC)  /* when the process is out of fds */
#define GROUP "spared"

enum { LAST_WORDS = 4096, BACKLOG = 128, ACCEPTS_AT_ONCE = 16 };

struct client {
	struct list link;
	struct control *control;
	struct chan *chan;
	struct peer peer;
	struct loop_timer *timer; /* set when it is being cut off */
	struct client_ref *waits;
	unsigned n_waits, bad, types;
};

struct control {
	struct broker *b;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *pause;
	struct list clients;
	unsigned n_clients;
	char path[108]; /* made by us, to be removed; empty: of socket activation */
};

const struct peer *client_peer(const struct client *c)
{
	return &c->peer;
}

static void client_free(struct client *c)
{
	while (c->waits)
		client_unwait(c->waits);
	list_remove(&c->link);
	c->control->n_clients--;
	loop_timer_free(c->timer);
	chan_free(c->chan);
	free(c);
}

bool client_wait(struct client *c, struct client_ref *ref)
{
	if (c->n_waits >= CONTROL_WAITS_MAX)
		return false;
	*ref = (struct client_ref){.client = c, .next = c->waits, .link = &c->waits};
	if (c->waits)
		c->waits->link = &ref->next;
	c->waits = ref;
	c->n_waits++;
	return true;
}

void client_unwait(struct client_ref *ref)
{
	if (!ref->client)
		return;
	ref->client->n_waits--;
	*ref->link = ref->next;
	if (ref->next)
		ref->next->link = ref->link;
	*ref = (struct client_ref){0};
}

static void on_cut_off(void *u)
{
	client_free(u);
}

/* Last words, then the connection ends. forget: the client does not read; what waits for it goes, and the words stay
 * for a while, so that it finds them when it does read. */
static void client_cut_off(struct client *c, bool forget, const char *text)
{
	json_t *notice;
	size_t lost;

	if (c->timer)
		return;
	c->types = 0;
	lost = forget ? chan_drop_waiting(c->chan) : 0;
	notice = json_pack("{s:s s:{s:s s:s s:I}}", "type", "notice", "notice", "severity", "warning", "text", text,
			   "lost", (json_int_t)lost);
	if (notice)
		chan_send(c->chan, notice);
	json_decref(notice);
	chan_close_soon(c->chan);
	if (loop_timer_new(c->control->b->loop, on_cut_off, c, &c->timer) == 0)
		loop_timer_in(c->timer, CUT_OFF_WAIT);
}

void client_answer(struct client *c, json_int_t id, json_t *j)
{
	_cleanup_(buf_free) struct buf line = {0};
	int r;

	if (!j)
		j = json_pack("{s:b s:{s:s s:s}}", "ok", 0, "error", "code", "internal", "message", "out of memory");
	json_object_set_new(j, "v", json_integer(CONTROL_VERSION));
	json_object_set_new(j, "id", json_integer(id));
	if (!json_object_get(j, "ok"))
		json_object_set_new(j, "ok", json_true());
	r = wire_format(&line, j);
	json_decref(j);
	if (r == 0 && line.len > WIRE_LINE_MAX) {
		client_refuse(c, id, "internal", NULL, "the answer would be longer than %d bytes", WIRE_LINE_MAX);
		return;
	}
	if (r == 0)
		r = chan_has_room(c->chan, line.len + LAST_WORDS) ? chan_send_text(c->chan, line.s, line.len)
								  : -ENOBUFS;
	if (r == -ENOBUFS)
		client_cut_off(c, true, "cut off: answers are not read");
}

void client_refuse(struct client *c, json_int_t id, const char *code, json_t *more, const char *fmt, ...)
{
	json_t *j = more ? more : json_object();
	char message[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	json_object_set_new(j, "ok", json_false());
	json_object_set_new(j, "error", json_pack("{s:s s:s%}", "code", code, "message", message, strlen(message)));
	client_answer(c, id, j);
}

void client_subscribe(struct client *c, unsigned types)
{
	c->types = types;
}

unsigned control_subscribers(const struct control *c)
{
	const struct client *client;
	unsigned n = 0;

	list_foreach (client, &c->clients, link)
		n += client->types != 0;
	return n;
}

void control_publish(struct control *c, unsigned type, const json_t *msg)
{
	_cleanup_(buf_free) struct buf line = {0};
	struct client *client;

	list_foreach (client, &c->clients, link) {
		if (!(client->types & type))
			continue;
		if (line.len == 0 && wire_format(&line, msg) < 0)
			return;
		if (!chan_has_room(client->chan, line.len + LAST_WORDS) ||
		    chan_send_text(client->chan, line.s, line.len) < 0)
			client_cut_off(client, true, "cut off: messages are not read");
	}
}

static void client_bad(struct client *c)
{
	if (++c->bad >= CONTROL_BAD_MAX)
		client_cut_off(c, false, "cut off: too many malformed requests");
}

static void on_line(void *u, const json_t *j)
{
	struct client *c = u;

	if (!commands_run(c->control->b->commands, c, j))
		client_bad(c);
}

static void on_bad(void *u, const struct err *e)
{
	client_refuse(u, 0, "malformed", NULL, "%s", e->msg);
	client_bad(u);
}

static void on_closed(void *u, int reason)
{
	struct client *c = u;

	if (reason == -EMSGSIZE)
		log_notice("control: a client of uid %u sent a line of more than %d bytes", (unsigned)c->peer.uid,
			   CONTROL_REQUEST_MAX);
	broker_tidy(c->control->b);
	client_free(c);
}

static void client_new(struct control *control, int fd)
{
	static const struct chan_ops ops = {.line = on_line, .bad = on_bad, .closed = on_closed};
	struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t len = sizeof(cred);
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->control = control;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		log_warning("control: who connects is not known: %s", strerror(errno));
	c->peer = (struct peer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid, .login = (uid_t)-1};
	asked_look(&c->peer);
	if (chan_new(control->b->loop, fd, CONTROL_REQUEST_MAX, CONTROL_OUT_MAX, &ops, c, &c->chan) < 0) {
		free(c);
		return;
	}
	list_insert(&control->clients, &c->link);
	if (++control->n_clients > CONTROL_CLIENTS_MAX) {
		client_refuse(c, 0, "busy", NULL, "more than %d connections", CONTROL_CLIENTS_MAX);
		client_cut_off(c, false, "cut off: too many connections");
	}
}

static void on_pause_over(void *u)
{
	struct control *c = u;

	loop_fd_want(c->watch, LOOP_READ);
}

static void on_connect(void *u, unsigned ready _unused_)
{
	struct control *c = u;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			client_new(c, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		log_error("control: cannot accept: %s", strerror(errno));
		loop_fd_want(c->watch, 0);
		loop_timer_in(c->pause, ACCEPT_PAUSE);
		return;
	}
}

/* Root and the group, if it exists, may connect. The run directory's lock is held: a socket that is there is a dead
 * one. */
static int listen_at(const char *path, struct err *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct group *group = getgrnam(GROUP);
	mode_t mask;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "control socket");
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ENAMETOOLONG, "the path of the control socket is too long: %s", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	unlink(path);
	mask = umask(0117);
	r = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, errno, "cannot listen on %s", path);
	if (group && chown(path, 0, group->gr_gid) < 0)
		log_warning("%s stays root's: %s", path, strerror(errno));
	return TAKE_FD(fd);
}

int control_new(struct broker *b, int fd, const char *path, struct control **ret, struct err *e)
{
	_cleanup_(control_freep) struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		closep(&fd);
		return err_sys(e, ENOMEM, "control socket");
	}
	*c = (struct control){.b = b, .fd = fd};
	list_init(&c->clients);
	if (fd < 0) {
		c->fd = listen_at(path, e);
		if (c->fd < 0)
			return c->fd;
		snprintf(c->path, sizeof(c->path), "%s", path);
	} else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		return err_sys(e, errno, "control socket");
	}
	r = loop_fd_new(b->loop, c->fd, 0, on_connect, c, &c->watch);
	if (r == 0)
		r = loop_timer_new(b->loop, on_pause_over, c, &c->pause);
	if (r < 0)
		return err_sys(e, -r, "control socket");
	*ret = TAKE_PTR(c);
	return 0;
}

void control_accept(struct control *c)
{
	loop_fd_want(c->watch, LOOP_READ);
}

void control_free(struct control *c)
{
	struct client *client;

	if (!c)
		return;
	list_foreach (client, &c->clients, link)
		client_free(client);
	loop_fd_free(c->watch);
	loop_timer_free(c->pause);
	closep(&c->fd);
	if (c->path[0])
		unlink(c->path);
	free(c);
}
