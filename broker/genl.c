// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/genl.h"

#include "broker/source.h"
#include "core/log.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Memory is charged only while messages wait; one takes some 1300 bytes. */
enum { RECEIVE_BUFFER = 16 << 20, MESSAGE_MAX = 64 << 10, BATCH = 256, FIND_SECONDS = 2 };

struct genl {
	struct genl_ops ops;
	struct nl_sock *sock;
	struct loop_fd *watch;
	uint32_t drops; /* of the socket so far */
	bool overrun;	/* something was dropped, and the rest is not read yet */
	bool failing;	/* the last read failed, and it was said */
};

/* libnl's errors are its own numbers. */
static int nl_err(struct err *e, int r, const char *what)
{
	static const struct {
		int nl, code;
	} codes[] = {{NLE_NOMEM, ENOMEM}, {NLE_PERM, EPERM}, {NLE_NOACCESS, EACCES}, {NLE_OBJ_NOTFOUND, ENOENT}};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].nl == -r)
			return err_sys(e, codes[i].code, "%s", what);
	return err_set(e, EIO, "%s: %s", what, nl_geterror(r));
}

/* ---- what the controller says ---- */

static void take_groups(const struct nlattr *list, struct genl_found *f)
{
	struct nlattr *one, *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
	int left;

	nla_for_each_nested(one, list, left)
	{
		if (f->n_groups == GENL_GROUPS_MAX || nla_parse_nested(tb, CTRL_ATTR_MCAST_GRP_MAX, one, NULL) < 0 ||
		    !tb[CTRL_ATTR_MCAST_GRP_NAME] || !tb[CTRL_ATTR_MCAST_GRP_ID] ||
		    nla_len(tb[CTRL_ATTR_MCAST_GRP_ID]) < 4)
			continue;
		nla_strlcpy(f->groups[f->n_groups].name, tb[CTRL_ATTR_MCAST_GRP_NAME], sizeof(f->groups[0].name));
		f->groups[f->n_groups++].id = nla_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

/* False: it is no message about a family. */
static bool take_family(struct nlmsghdr *h, char *name, size_t size, struct genl_found *f)
{
	struct nlattr *tb[CTRL_ATTR_MAX + 1];

	*f = (struct genl_found){0};
	if (genlmsg_parse(h, 0, tb, CTRL_ATTR_MAX, NULL) < 0 || !tb[CTRL_ATTR_FAMILY_NAME])
		return false;
	nla_strlcpy(name, tb[CTRL_ATTR_FAMILY_NAME], size);
	if (tb[CTRL_ATTR_FAMILY_ID] && nla_len(tb[CTRL_ATTR_FAMILY_ID]) >= 2)
		f->id = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	if (tb[CTRL_ATTR_VERSION] && nla_len(tb[CTRL_ATTR_VERSION]) >= 4)
		f->version = (uint8_t)nla_get_u32(tb[CTRL_ATTR_VERSION]);
	if (tb[CTRL_ATTR_HDRSIZE] && nla_len(tb[CTRL_ATTR_HDRSIZE]) >= 4)
		f->header = nla_get_u32(tb[CTRL_ATTR_HDRSIZE]);
	if (tb[CTRL_ATTR_MCAST_GROUPS])
		take_groups(tb[CTRL_ATTR_MCAST_GROUPS], f);
	return true;
}

static void hear_controller(struct genl *g, struct nlmsghdr *h)
{
	const struct genlmsghdr *head = nlmsg_data(h);
	char name[GENL_NAMSIZ];
	struct genl_found f;

	if ((head->cmd == CTRL_CMD_NEWFAMILY || head->cmd == CTRL_CMD_DELFAMILY) &&
	    take_family(h, name, sizeof(name), &f))
		g->ops.family(g->ops.u, name, head->cmd == CTRL_CMD_NEWFAMILY);
}

/* ---- messages ---- */

/* Only the kernel, whose port is 0, is believed. */
static int on_message(struct nl_msg *msg, void *u)
{
	const struct sockaddr_nl *from = nlmsg_get_src(msg);
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct genlmsghdr *head = nlmsg_data(h);
	struct genl *g = u;

	if (from->nl_pid != 0 || nlmsg_datalen(h) < (int)GENL_HDRLEN)
		g->ops.refused(g->ops.u);
	else if (h->nlmsg_type == GENL_ID_CTRL)
		hear_controller(g, h);
	else
		g->ops.message(g->ops.u, h->nlmsg_type, head->cmd, (const char *)head + GENL_HDRLEN,
			       (size_t)nlmsg_datalen(h) - GENL_HDRLEN);
	return NL_OK;
}

static int on_invalid(struct nl_msg *msg _unused_, void *u)
{
	const struct genl *g = u;

	g->ops.refused(g->ops.u);
	return NL_SKIP;
}

/* An answer that a request failed; what it was needed for is known by its absence. */
static int on_error(struct sockaddr_nl *from _unused_, struct nlmsgerr *answer, void *u _unused_)
{
	log_debug("generic netlink: a request failed: %s", strerror(-answer->error));
	return NL_SKIP;
}

/* The kernel says that it dropped something (ENOBUFS, which libnl tells as a lack of memory) before it gives what was
 * kept, which is the oldest; and it drops all, answers too, until that has been read. */
uint64_t genl_read(struct genl *g)
{
	uint64_t lost;
	int r = 0;

	for (int i = 0; i < BATCH; i++) {
		r = nl_recvmsgs_default(g->sock);
		if (r == -NLE_NOMEM)
			g->overrun = true;
		else if (r < 0)
			break;
	}
	if (r < 0 && r != -NLE_AGAIN && r != -NLE_NOMEM && !g->failing)
		log_warning("generic netlink: %s", nl_geterror(r));
	g->failing = r < 0 && r != -NLE_AGAIN && r != -NLE_NOMEM;
	if (!g->overrun || r != -NLE_AGAIN)
		return 0;
	g->overrun = false;
	lost = socket_dropped(nl_socket_get_fd(g->sock), &g->drops);
	return MAX(lost, 1);
}

static void on_ready(void *u, unsigned ready _unused_)
{
	struct genl *g = u;
	uint64_t lost = genl_read(g);

	g->ops.drained(g->ops.u, lost);
}

/* ---- the socket ---- */

void genl_free(struct genl *g)
{
	if (!g)
		return;
	loop_fd_free(g->watch);
	nl_socket_free(g->sock);
	free(g);
}

static void enlarge(struct nl_sock *sock)
{
	const int size = RECEIVE_BUFFER;
	int fd = nl_socket_get_fd(sock);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
		log_warning("generic netlink: the receive buffer stays small: %s", strerror(errno));
}

static int join_controller(struct genl *g, struct err *e)
{
	struct genl_found f;
	int r = genl_find("nlctrl", &f, e);

	return r < 0 ? r : genl_join(g, &f, "notify", e);
}

int genl_new(struct loop *l, const struct genl_ops *ops, struct genl **ret, struct err *e)
{
	_cleanup_(genl_freep) struct genl *g = calloc(1, sizeof(*g));
	int r;

	if (g)
		g->sock = nl_socket_alloc();
	if (!g || !g->sock)
		return err_sys(e, ENOMEM, "generic netlink");
	g->ops = *ops;
	/* What is multicast has no number, and no answer follows it. */
	nl_socket_disable_seq_check(g->sock);
	nl_socket_disable_auto_ack(g->sock);
	nl_socket_modify_cb(g->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, g);
	nl_socket_modify_cb(g->sock, NL_CB_INVALID, NL_CB_CUSTOM, on_invalid, g);
	nl_socket_modify_err_cb(g->sock, NL_CB_CUSTOM, on_error, g);
	r = genl_connect(g->sock);
	if (r == 0)
		r = nl_socket_set_nonblocking(g->sock);
	if (r == 0)
		r = nl_socket_set_msg_buf_size(g->sock, MESSAGE_MAX); /* else each is looked at before it is read */
	if (r < 0)
		return nl_err(e, r, "generic netlink");
	enlarge(g->sock);
	r = join_controller(g, e);
	if (r < 0)
		return r;
	if (loop_fd_new(l, nl_socket_get_fd(g->sock), LOOP_READ, on_ready, g, &g->watch) < 0)
		return err_sys(e, ENOMEM, "generic netlink");
	*ret = TAKE_PTR(g);
	return 0;
}

int genl_join(struct genl *g, const struct genl_found *f, const char *group, struct err *e)
{
	char what[64];
	int r;

	snprintf(what, sizeof(what), "cannot join the group %s", group);
	for (size_t i = 0; i < f->n_groups; i++)
		if (strcmp(f->groups[i].name, group) == 0) {
			r = nl_socket_add_membership(g->sock, (int)f->groups[i].id);
			return r < 0 ? nl_err(e, r, what) : 0;
		}
	return err_set(e, ENOENT, "there is no group %s", group);
}

int genl_request(struct genl *g, const struct genl_found *f, uint8_t command, struct err *e)
{
	int r = genl_send_simple(g->sock, f->id, command, f->version, 0);

	return r < 0 ? nl_err(e, r, "cannot send a request") : 0;
}

/* ---- finding families ---- */

struct search {
	const char *name;
	struct genl_found *found;
	bool hit;
};

static int on_listed(struct nl_msg *msg, void *u)
{
	char name[GENL_NAMSIZ];
	struct search *s = u;
	struct genl_found f;

	if (nlmsg_datalen(nlmsg_hdr(msg)) >= (int)GENL_HDRLEN && take_family(nlmsg_hdr(msg), name, sizeof(name), &f) &&
	    strcmp(name, s->name) == 0) {
		*s->found = f;
		s->hit = true;
	}
	return NL_OK;
}

static void free_sock(struct nl_sock *sock)
{
	nl_socket_free(sock);
}
DEFINE_CLEANUP(struct nl_sock *, free_sock)

/* The kernel writes its list while it is read: there is nothing to wait for. The timeout is for the day when that is
 * not so. */
int genl_find(const char *name, struct genl_found *ret, struct err *e)
{
	_cleanup_(free_sockp) struct nl_sock *sock = nl_socket_alloc();
	const struct timeval limit = {.tv_sec = FIND_SECONDS};
	struct search s = {.name = name, .found = ret};
	int r;

	if (!sock)
		return err_sys(e, ENOMEM, "generic netlink");
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_listed, &s);
	r = genl_connect(sock);
	if (r == 0)
		setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (r == 0)
		r = genl_send_simple(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_DUMP);
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	if (r < 0)
		return nl_err(e, r, "cannot list the generic netlink families");
	return s.hit ? 0 : err_set(e, ENOENT, "the kernel has no generic netlink family %s", name);
}

/* Twice forked: nobody waits for the second one, which holds nothing of ours while modprobe runs. */
void genl_ask_for(const char *name)
{
	struct nl_sock *sock;
	pid_t child = fork();

	if (child > 0)
		waitpid(child, NULL, 0);
	if (child != 0)
		return;
	if (fork() != 0)
		_exit(0);
	close_range(3, ~0U, 0);
	sock = nl_socket_alloc();
	if (sock && genl_connect(sock) == 0)
		genl_ctrl_resolve(sock, name);
	_exit(0);
}
