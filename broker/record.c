// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/record.h"

#include "broker/history.h"
#include "core/list.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { BROKER = 3, KEPT_MAX = 10000, RETRY_MS = 5000, ANSWER_MAX = WIRE_LINE_MAX / 2 };

struct kept {
	struct list link;
	json_t *line;
};

struct recording {
	const char *path;
	int64_t run;
	struct history *h; /* NULL: cannot be opened now */
	struct list lines; /* rows and saves that are not stored, in order */
	size_t n_lines;
	bool trouble;
	bool greeted;
	struct wire_in in;
};

static void send_line(json_t *j)
{
	/* The broker is gone when this fails: the end of file follows. */
	if (j)
		wire_send(BROKER, j);
	json_decref(j);
}

static void tell_trouble(struct recording *r, const char *text)
{
	if (r->trouble)
		return;
	r->trouble = true;
	send_line(json_pack("{s:s}", "trouble", text));
}

static void greet(struct recording *r)
{
	json_t *state = history_state(r->h), *hello = json_pack("{s:i}", "hello", 1);

	if (state)
		json_object_set_new(hello, "state", state);
	json_object_set_new(hello, "unfinished", history_unfinished(r->h));
	send_line(hello);
	r->greeted = true;
}

static bool try_open(struct recording *r)
{
	struct err e = {0};

	if (r->h)
		return true;
	if (history_open(r->path, r->run, &r->h, &e) < 0) {
		if (!r->trouble)
			log_error("%s", e.msg);
		tell_trouble(r, e.msg);
		return false;
	}
	if (!r->greeted)
		greet(r);
	return true;
}

static void keep(struct recording *r, const json_t *line)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return;
	k->line = json_incref((json_t *)line);
	list_insert(&r->lines, &k->link);
	r->n_lines++;
}

static void drop(struct recording *r, struct kept *k)
{
	list_remove(&k->link);
	json_decref(k->line);
	free(k);
	r->n_lines--;
}

static int write_lines(struct recording *r, json_int_t *last, struct err *e)
{
	struct kept *k;
	bool sync = false;
	int status;

	list_foreach (k, &r->lines, link)
		if (json_is_true(json_object_get(k->line, "sync")))
			sync = true;
	status = history_begin(r->h, sync, e);
	list_foreach (k, &r->lines, link) {
		const json_t *save = json_object_get(k->line, "save");

		if (status < 0)
			break;
		status = save ? history_save(r->h, save, e) : history_put(r->h, k->line, e);
		if (status == -EBADMSG)
			status = 0; /* a row that can never be stored must not stop the others */
		if (!save)
			*last = json_integer_value(json_object_get(k->line, "seq"));
	}
	return status < 0 ? status : history_end(r->h, e);
}

/* One transaction for all that waits. */
static void store_all(struct recording *r)
{
	json_int_t last = 0;
	struct err e = {0};
	struct kept *k;

	if (list_empty(&r->lines) || !try_open(r))
		return;
	if (write_lines(r, &last, &e) < 0) {
		if (!r->trouble)
			log_error("%s", e.msg);
		history_undo(r->h);
		tell_trouble(r, e.msg);
		/* Opened anew next time: a file system that was remounted, or a file that was replaced. */
		history_close(r->h);
		r->h = NULL;
		return;
	}
	r->trouble = false;
	list_foreach (k, &r->lines, link)
		drop(r, k);
	if (last)
		send_line(json_pack("{s:I}", "durable", last));
}

static void answer(struct recording *r, const json_t *line)
{
	json_t *result = NULL;
	struct err e = {0};
	int status = try_open(r) ? history_query(r->h, json_object_get(line, "query"), ANSWER_MAX, &result, &e)
				 : err_set(&e, EIO, "the history cannot be opened");

	if (status < 0)
		result = json_pack("{s:s s:b}", "error", e.msg, "usage", status == -EINVAL);
	json_object_set(result, "token", json_object_get(line, "token"));
	send_line(result);
}

static int take_lines(struct recording *r)
{
	struct err e = {0};
	json_t *j;
	int n;

	while ((n = wire_next(&r->in, &j, &e)) == 1) {
		if (json_object_get(j, "query"))
			answer(r, j);
		else if (r->n_lines < KEPT_MAX)
			keep(r, j);
		json_decref(j);
	}
	return n;
}

/* Reads what is there, so that a burst becomes one transaction. 0: goes on; -ESHUTDOWN: end of file. */
static int fill(struct recording *r)
{
	struct pollfd p = {.fd = BROKER, .events = POLLIN};
	bool more = true;

	if (poll(&p, 1, r->trouble ? RETRY_MS : -1) <= 0)
		return 0;
	while (more) {
		ssize_t n = wire_fill(&r->in, BROKER);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ESHUTDOWN : (int)n;
		if (take_lines(r) < 0)
			return -EBADMSG;
		more = r->n_lines < KEPT_MAX && poll(&p, 1, 0) > 0;
	}
	return 0;
}

int record_main(int argc, char **argv)
{
	struct recording r = {0};
	struct kept *k;
	int status = 0;

	if (argc != 2)
		return 2;
	prctl(PR_SET_NAME, "spared-record");
	signal(SIGPIPE, SIG_IGN);
	/* The broker's signals (a terminal's ^C, a stop of the group) are not for this process: it ends with its
	 * socket. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	r.path = argv[0];
	r.run = strtoll(argv[1], NULL, 10);
	list_init(&r.lines);
	try_open(&r);
	while (status == 0) {
		status = fill(&r);
		store_all(&r);
	}
	list_foreach (k, &r.lines, link)
		drop(&r, k);
	history_close(r.h);
	wire_in_free(&r.in);
	return status == -ESHUTDOWN ? 0 : 1;
}
