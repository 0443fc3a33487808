// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"

#include "broker/control.h"
#include "cli/output.h"
#include "core/clock.h"
#include "core/value.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What an error code means as an exit status. */
static const struct {
	const char *code;
	int status;
} code_table[] = {
	{"refused", CLI_REFUSED},
	{"usage", CLI_USAGE},
	{"malformed", CLI_USAGE},
	{"unknown-verb", CLI_USAGE},
};

static const char *control_path(struct cli *c)
{
	return GIVEN(c, CONTROL) ? c->opt[OPT_CONTROL] : cli_settings(c)->control;
}

#define ANSWER_WAIT (30 * NS_PER_SEC) /* a broker that starts answers after ten seconds at the latest */
#define PLAN_WAIT (600 * NS_PER_SEC)  /* for the end of a plan, which may wait for others */

/* How long to wait for the answer; told if --timeout is wrong. Exit status. */
static int answer_wait(const struct cli *c, const json_t *request, int64_t *ret)
{
	bool plan = j_bool(request, "wait") || j_bool(request, "dry-run");
	struct err e = {0};
	struct value v = value_duration(plan ? PLAN_WAIT : ANSWER_WAIT);

	if (GIVEN(c, TIMEOUT) && value_parse(V_DURATION, NULL, c->opt[OPT_TIMEOUT], &v, &e) < 0)
		return cli_fail(c, CLI_USAGE, "usage", "--timeout: %s", e.msg);
	if (v.i <= 0)
		return cli_fail(c, CLI_USAGE, "usage", "--timeout: it must be more than nothing");
	*ret = v.i;
	return CLI_OK;
}

/* Connecting waits when too many others do. */
static void limit_connect(int fd, int64_t wait)
{
	struct timeval t = {.tv_sec = wait / NS_PER_SEC, .tv_usec = wait % NS_PER_SEC / 1000};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

int client_connect(struct cli *c, int64_t wait, struct err *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = control_path(c);
	_cleanup_(closep) int fd = -1;

	if (c->fd >= 0)
		return 0;
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ENAMETOOLONG, "%s: the path of the control socket is too long", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	limit_connect(fd, wait);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(e, errno, "%s", path);
	limit_connect(fd, 0);
	c->fd = TAKE_FD(fd);
	return 0;
}

bool client_runs(struct cli *c)
{
	return client_connect(c, ANSWER_WAIT, NULL) == 0;
}

json_t *client_request(const char *verb)
{
	return json_pack("{s:i,s:s}", "v", CONTROL_VERSION, "verb", verb);
}

void request_text(json_t *request, const char *key, const char *text)
{
	if (text)
		json_object_set_new(request, key, json_string(text));
}

void request_flag(json_t *request, const char *key, const char *given)
{
	if (given)
		json_object_set_new(request, key, json_true());
}

/* Tells the error of an answer; gives the exit status. */
static int answer_failed(const struct cli *c, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error"), *list;
	const char *code = j_str(error, "code");
	int status = CLI_NO;

	for (size_t i = 0; i < ARRAY_SIZE(code_table); i++)
		if (strcmp(code_table[i].code, code) == 0)
			status = code_table[i].status;
	if (GIVEN(c, JSON)) {
		out_json(json_deep_copy(answer));
		return status;
	}
	list = j_list(answer, "plan");
	if (json_array_size(list) > 0) {
		_cleanup_(buf_free) struct buf b = {0};

		out_lines(&b, list, "  ");
		out_lines(&b, j_list(answer, "show"), "");
		out_flush(&b);
	}
	return cli_fail(c, status, code, "%s: %s", c->verb->name,
			j_str(error, "message")[0] ? j_str(error, "message") : "spared gave no reason");
}

static int tell_late(const struct cli *c, int64_t wait, bool plan)
{
	_cleanup_(buf_free) struct buf time = {0};

	out_duration(&time, wait);
	if (plan)
		return cli_fail(
			c, CLI_NO_DAEMON, "timeout",
			"the plan has not ended within %s; it goes on: see 'sparectl status' and 'sparectl history'",
			buf_str(&time));
	return cli_fail(
		c, CLI_NO_DAEMON, "timeout",
		"spared does not answer within %s; see 'systemctl status spared', or give it more with --timeout",
		buf_str(&time));
}

static int connect_or_tell(struct cli *c, int64_t wait)
{
	struct err e = {0};
	int r = client_connect(c, wait, &e);

	if (r == -EAGAIN || r == -EINPROGRESS)
		return tell_late(c, wait, false);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return cli_fail(c, CLI_NO_DAEMON, "no-daemon",
				"spared does not run (nobody listens at %s); start it with "
				"'systemctl start spared'",
				control_path(c));
	if (r == -EACCES)
		return cli_fail(c, CLI_NO, "denied", "%s; only root and the socket's group may ask", e.msg);
	return r < 0 ? cli_fail_err(c, CLI_NO_DAEMON, &e) : CLI_OK;
}

/* The next line, until then. 1, 0 at the end, -ETIME or -errno. */
static int receive(struct cli *c, int64_t until, json_t **ret)
{
	int r;

	while ((r = wire_next(&c->in, ret, NULL)) == 0) {
		int64_t left = until - clock_awake(&clock_system);
		ssize_t n;

		if (left <= 0)
			return -ETIME;
		if (poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, (int)MIN(left / NS_PER_MS + 1, INT_MAX)) <=
		    0)
			continue;
		n = wire_fill(&c->in, c->fd);
		if (n <= 0 && n != -EAGAIN)
			return (int)n;
	}
	return r;
}

/* Sends, and reads until the answer is there: streams may put lines without "ok" before it. 1, 0 at the end, -ETIME or
 * -errno. */
static int exchange(struct cli *c, const json_t *request, int64_t wait, json_t **ret)
{
	int64_t until = clock_awake(&clock_system) + wait;
	int r = wire_send(c->fd, request);

	while (r >= 0) {
		r = receive(c, until, ret);
		if (r <= 0 || json_object_get(*ret, "ok"))
			break;
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}

int client_ask(struct cli *c, json_t *request, json_t **ret)
{
	bool plan = j_bool(request, "wait");
	int64_t wait = 0;
	int status = answer_wait(c, request, &wait), r = 0;

	*ret = NULL;
	if (status == CLI_OK)
		status = connect_or_tell(c, wait);
	if (status == CLI_OK)
		r = exchange(c, request, wait, ret);
	json_decref(request);
	if (status != CLI_OK)
		return status;
	if (r == -ETIME)
		return tell_late(c, wait, plan);
	if (r <= 0)
		return cli_fail(c, CLI_NO_DAEMON, "no-daemon", "spared ended the connection before it answered%s%s",
				r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
	return j_bool(*ret, "ok") ? CLI_OK : answer_failed(c, *ret);
}

json_t *client_ask_quietly(struct cli *c, const char *verb)
{
	json_t *request = client_request(verb), *answer = NULL;

	if (client_connect(c, NS_PER_SEC, NULL) == 0 && exchange(c, request, NS_PER_SEC, &answer) <= 0)
		answer = NULL;
	json_decref(request);
	return answer;
}

int client_next(struct cli *c, json_t **ret)
{
	return wire_recv(&c->in, c->fd, ret, NULL);
}

int client_names(struct cli *c)
{
	static const char *const lists[] = {"devices", "arrays"};
	json_t *answer;
	int status = client_ask(c, client_request("status"), &answer);

	json_decref(c->names);
	c->names = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(lists) && status == CLI_OK; i++) {
		const json_t *list = j_list(json_object_get(answer, "status"), lists[i]);

		for (size_t k = 0; k < json_array_size(list); k++) {
			const json_t *item = json_array_get(list, k);

			if (j_str(item, "name")[0])
				json_object_set_new(c->names, j_str(item, "id"), json_string(j_str(item, "name")));
		}
	}
	json_decref(answer);
	return status;
}
