// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop and its connections: lines that come in pieces, limits, sides that do not read. */
#include "broker/chan.h"

#include "core/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_MAX = 100, OUT_MAX = 1 << 20 };

static struct loop *loop;

struct side {
	struct chan *chan;
	int lines, bad, closed, reason;
	int stop_after; /* lines */
};

static void on_line(void *u, const json_t *j)
{
	struct side *s = u;

	assert_int_equal(json_integer_value(json_object_get(j, "n")), s->lines);
	if (++s->lines == s->stop_after)
		loop_quit(loop);
}

static void on_bad(void *u, const struct err *e)
{
	struct side *s = u;

	assert_int_equal(e->code, EBADMSG);
	s->bad++;
}

static void on_closed(void *u, int reason)
{
	struct side *s = u;

	s->closed++;
	s->reason = reason;
	chan_free(s->chan);
	s->chan = NULL;
	loop_quit(loop);
}

static void quit(void *u)
{
	++*(int *)u;
	loop_quit(loop);
}

static void run_for(int64_t ns)
{
	struct loop_timer *t;
	int fired = 0;

	assert_int_equal(loop_timer_new(loop, quit, &fired, &t), 0);
	loop_timer_in(t, ns);
	loop_run(loop);
	loop_timer_free(t);
}

static const struct chan_ops ops = {.line = on_line, .bad = on_bad, .closed = on_closed};

static int open_side(struct side *s)
{
	int pair[2];

	*s = (struct side){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(chan_new(loop, pair[0], IN_MAX, OUT_MAX, &ops, s, &s->chan), 0);
	return pair[1];
}

static void test_pieces(void **state _unused_)
{
	struct side s;
	int fd = open_side(&s);

	s.stop_after = 2;
	assert_int_equal(write(fd, "{\"n\":0}\n{\"n\"", 12), 12);
	assert_int_equal(write(fd, ":1}\nnonsense\n", 13), 13);
	loop_run(loop);
	assert_int_equal(s.lines, 2);
	close(fd);
	loop_run(loop);
	assert_int_equal(s.bad, 1);
	assert_int_equal(s.closed, 1);
	assert_int_equal(s.reason, 0);
	assert_null(s.chan);
}

static void test_long_line(void **state _unused_)
{
	char text[300];
	struct side s;
	int fd = open_side(&s);

	memset(text, 'x', sizeof(text));
	text[250] = '\n';
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	loop_run(loop);
	assert_int_equal(s.reason, -EMSGSIZE);
	close(fd);
}

/* A side that does not read costs bounded memory, and the rest goes on. */
static void test_no_reader(void **state _unused_)
{
	json_t *j = json_pack("{s:s}", "text", "0123456789012345678901234567890123456789");
	struct side s;
	int fd = open_side(&s), sent = 0, r;

	while ((r = chan_send(s.chan, j)) == 0)
		sent++;
	assert_int_equal(r, -ENOBUFS);
	assert_true(sent > OUT_MAX / 100);
	assert_true(!chan_has_room(s.chan, 100));
	chan_close_soon(s.chan);
	assert_int_equal(chan_send(s.chan, j), -EPIPE);
	close(fd);
	loop_run(loop);
	assert_int_equal(s.closed, 1);
	json_decref(j);
}

/* What waits is forgotten, but never half a line: what is read still is lines. */
static void test_drop_waiting(void **state _unused_)
{
	json_t *j = json_pack("{s:s}", "text", "0123456789"), *last = json_pack("{s:i}", "n", 1);
	char text[4096], *line, *end;
	struct side s;
	int fd = open_side(&s), lines = 0;
	size_t len = 0, sent = 0;
	ssize_t n;

	while (chan_send(s.chan, j) == 0)
		sent++;
	/* The loop writes what the socket takes, and stops with its first callback: the timer's. */
	run_for(20 * NS_PER_MS);
	assert_true(chan_drop_waiting(s.chan) > 0);
	assert_int_equal(chan_send(s.chan, last), 0);
	chan_close_soon(s.chan);
	do {
		run_for(NS_PER_MS);
		while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0) {
			len += (size_t)n;
			text[len] = '\0';
			for (line = text; (end = strchr(line, '\n')); line = end + 1)
				lines += line[0] == '{' && end[-1] == '}';
			len = (size_t)(text + len - line);
			memmove(text, line, len + 1);
		}
	} while (n != 0);
	assert_int_equal(len, 0);
	assert_true(lines > 1 && (size_t)lines < sent);
	assert_int_equal(s.closed, 1);
	close(fd);
	json_decref(j);
	json_decref(last);
}

static void test_last_words(void **state _unused_)
{
	json_t *j = json_pack("{s:i}", "n", 1);
	char text[64] = "";
	struct side s;
	int fd = open_side(&s);

	assert_int_equal(chan_send(s.chan, j), 0);
	chan_close_soon(s.chan);
	loop_run(loop);
	assert_int_equal(s.closed, 1);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "{\"n\":1}\n");
	assert_int_equal(read(fd, text, 1), 0);
	close(fd);
	json_decref(j);
}

static void test_timer(void **state _unused_)
{
	int64_t begin = clock_boot(&clock_system);
	struct loop_timer *t;
	int fired = 0;

	assert_int_equal(loop_timer_new(loop, quit, &fired, &t), 0);
	loop_timer_in(t, 3600 * NS_PER_SEC);
	loop_timer_in(t, 20 * NS_PER_MS);
	loop_run(loop);
	assert_true(clock_boot(&clock_system) - begin >= 20 * NS_PER_MS);
	loop_timer_at(t, 1); /* long ago: at once */
	loop_run(loop);
	assert_int_equal(fired, 2);
	loop_timer_free(t);
}

static void on_child(void *u, pid_t pid, int status)
{
	assert_true(pid > 0);
	*(int *)u = status;
	loop_quit(loop);
}

static void test_child_and_signal(void **state _unused_)
{
	struct loop_child *c;
	struct loop_signal *s;
	int status = 0, signals = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	assert_int_equal(loop_child_new(loop, pid, on_child, &status, &c), 0);
	loop_run(loop);
	assert_int_equal(WEXITSTATUS(status), 7);
	loop_child_free(c);
	assert_int_equal(loop_signal_new(loop, SIGUSR1, quit, &signals, &s), 0);
	raise(SIGUSR1);
	loop_run(loop);
	assert_int_equal(signals, 1);
	loop_signal_free(s);
}

static int begin(void **state _unused_)
{
	signal(SIGPIPE, SIG_IGN);
	return loop_new(&loop);
}

static int end(void **state _unused_)
{
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_pieces),     unit(test_long_line), unit(test_no_reader),	  unit(test_drop_waiting),
		unit(test_last_words), unit(test_timer),     unit(test_child_and_signal),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
