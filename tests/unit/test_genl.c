// SPDX-License-Identifier: GPL-2.0-or-later
/* The generic netlink socket on this machine's kernel: a family is found, what another process sends is refused, and
 * what a full socket drops is counted exactly. */
#include "broker/genl.h"

#include "core/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

enum { SENT = 2000, ROOM = 64 << 10 };

static struct loop *loop;
static unsigned refused, messages;
static uint64_t lost;

static void on_message(void *u _unused_, uint16_t family _unused_, uint8_t command _unused_,
		       const void *payload _unused_, size_t len _unused_)
{
	messages++;
}

static void on_family(void *u _unused_, const char *name _unused_, bool there _unused_)
{
}

static void on_refused(void *u _unused_)
{
	refused++;
}

static void on_drained(void *u _unused_, uint64_t n)
{
	lost += n;
	if (refused + lost >= SENT)
		loop_quit(loop);
}

static void on_late(void *u _unused_)
{
	loop_quit(loop);
}

/* The test's own sockets of this protocol. */
static void make_small(void)
{
	for (int fd = 3; fd < 64; fd++) {
		int protocol = 0, room = ROOM;
		socklen_t len = sizeof(protocol);

		if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == NETLINK_GENERIC)
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
}

/* To the controller's group, which every socket of ours has joined: only a privileged process can. False: this is none.
 */
static bool flood(const struct genl_found *f)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1u << (f->groups[0].id - 1)};
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		char rest[200];
	} m = {.h = {.nlmsg_len = sizeof(m), .nlmsg_type = GENL_ID_CTRL}, .g = {.cmd = CTRL_CMD_NEWFAMILY}};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), sent = 0;

	for (int i = 0; i < SENT; i++)
		sent += sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&to, sizeof(to)) >= 0;
	close(fd);
	return sent == SENT;
}

static void test_flood(void **state _unused_)
{
	const struct genl_ops ops = {
		.message = on_message, .family = on_family, .drained = on_drained, .refused = on_refused};
	struct loop_timer *late;
	struct genl_found f;
	struct genl *g;
	struct err e = {0};

	if (genl_find("nlctrl", &f, &e) < 0)
		skip();
	assert_int_equal(f.id, GENL_ID_CTRL);
	assert_string_equal(f.groups[0].name, "notify");
	assert_int_equal(genl_find("no-such-family", &f, &e), -ENOENT);
	assert_string_equal(e.msg, "the kernel has no generic netlink family no-such-family");
	assert_int_equal(genl_find("nlctrl", &f, &e), 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(genl_new(loop, &ops, &g, &e), 0);
	assert_int_equal(genl_join(g, &f, "no-such-group", &e), -ENOENT);
	make_small();
	if (flood(&f)) {
		assert_int_equal(loop_timer_new(loop, on_late, NULL, &late), 0);
		loop_timer_in(late, 10 * NS_PER_SEC);
		loop_run(loop);
		loop_timer_free(late);
		assert_true(lost > 0);
		assert_int_equal(refused + lost, SENT);
		assert_int_equal(messages, 0);
	}
	genl_free(g);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
