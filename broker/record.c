// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/record.h"

#include "broker/history.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum {
	BROKER = 3,
	KEPT_MAX = 10000,
	RETRY_MS = 5000,
	ANSWER_MAX = WIRE_LINE_MAX / 2,
	PRUNE_ROWS = 1024,
	BATCH_ROWS = 512
};

#define PRUNE_EVERY (3600 * NS_PER_SEC)

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
	int64_t keep_time, keep_size, keep_images; /* 0: not told yet, nothing is pruned */
	int64_t prune_at;			   /* boot */
	size_t stored;				   /* rows since it was pruned last */
	bool untidy;				   /* a state or an answer was here, which may be large */
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

static void drop(struct recording *r, struct kept *k)
{
	list_remove(&k->link);
	json_decref(k->line);
	free(k);
	r->n_lines--;
}

/* The name of a uid among this machine's own users. Other services of names may wait for a network. */
static void add_name(json_t *row, const char *uid_key, const char *name_key)
{
	const json_t *uid = json_object_get(row, uid_key);
	struct passwd *user;
	FILE *f;

	if (!uid)
		return;
	f = fopen("/etc/passwd", "re");
	while (f && (user = fgetpwent(f)) != NULL)
		if ((json_int_t)user->pw_uid == json_integer_value(uid)) {
			json_object_set_new(row, name_key, json_string(user->pw_name));
			break;
		}
	if (f)
		fclose(f);
}

static void keep(struct recording *r, const json_t *line)
{
	struct kept *k;
	json_t *row = json_object_get(line, "row");

	/* Of the states that wait only the newest counts. */
	if (json_object_get(line, "save")) {
		r->untidy = true;
		list_foreach (k, &r->lines, link)
			if (json_object_get(k->line, "save"))
				drop(r, k);
	}
	add_name(row, "uid", "user");
	add_name(row, "login-uid", "login");
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	k->line = json_incref((json_t *)line);
	list_insert(&r->lines, &k->link);
	r->n_lines++;
}

/* The first lines that wait, in one transaction; *last: the last row's number, *n: how many lines. */
static int write_lines(struct recording *r, json_int_t *last, size_t *n, struct err *e)
{
	struct kept *k;
	bool sync = false;
	int status;

	list_foreach (k, &r->lines, link)
		if (json_is_true(json_object_get(k->line, "sync")))
			sync = true;
	status = history_begin(r->h, sync, e);
	*n = 0;
	list_foreach (k, &r->lines, link) {
		const json_t *save = json_object_get(k->line, "save");

		if (status < 0 || (*n)++ == BATCH_ROWS)
			break;
		status = save ? history_save(r->h, save, e) : history_put(r->h, k->line, e);
		if (status == -EBADMSG)
			status = 0; /* a row that can never be stored must not stop the others */
		if (!save)
			*last = json_integer_value(json_object_get(k->line, "seq"));
	}
	return status < 0 ? status : history_end(r->h, e);
}

/* One transaction for what waits, up to a size that a nearly full disk has room for. False: no more is to be done now.
 */
static bool store_batch(struct recording *r)
{
	json_int_t last = 0, saved = 0;
	struct err e = {0};
	struct kept *k;
	size_t n;

	if (list_empty(&r->lines) || !try_open(r))
		return false;
	if (write_lines(r, &last, &n, &e) < 0) {
		if (!r->trouble)
			log_error("%s", e.msg);
		history_undo(r->h);
		tell_trouble(r, e.msg);
		/* Opened anew next time: a file system that was remounted, or a file that was replaced. */
		history_close(r->h);
		r->h = NULL;
		return false;
	}
	r->trouble = false;
	n = MIN(n, (size_t)BATCH_ROWS);
	r->stored += n;
	list_foreach (k, &r->lines, link) {
		if (n-- == 0)
			break;
		if (json_object_get(k->line, "save"))
			saved = json_integer_value(json_object_get(k->line, "number"));
		drop(r, k);
	}
	if (saved)
		send_line(json_pack("{s:I}", "saved", saved));
	if (last)
		send_line(json_pack("{s:I}", "durable", last));
	return !list_empty(&r->lines);
}

/* Between two requests, a small batch at a time: a row that comes now waits for one at most. */
static void prune(struct recording *r)
{
	int64_t now = clock_boot(&clock_system);
	struct err e = {0};
	bool more = false;

	if (!r->h || r->trouble || r->keep_time == 0 || (r->prune_at > now && r->stored < PRUNE_ROWS))
		return;
	r->stored = 0;
	if (history_prune(r->h, r->keep_time, r->keep_size, &more, &e) < 0 ||
	    history_prune_images(r->h, r->keep_images, &e) < 0)
		log_warning("old rows cannot be pruned: %s", e.msg);
	r->prune_at = more ? now : now + PRUNE_EVERY;
}

/* The pieces lie between what stays: the C library would keep their pages. */
static void tidy(struct recording *r)
{
	if (r->untidy)
		malloc_trim(0);
	r->untidy = false;
}

static int wait_ms(const struct recording *r)
{
	int64_t now = clock_boot(&clock_system);

	if (r->trouble)
		return RETRY_MS;
	if (!r->h || r->keep_time == 0)
		return -1;
	return r->prune_at <= now ? 0 : (int)((r->prune_at - now) / NS_PER_MS + 1);
}

static void answer(struct recording *r, const json_t *line)
{
	json_t *result = NULL;
	struct err e = {0};
	int status = try_open(r) ? history_query(r->h, json_object_get(line, "query"), ANSWER_MAX, &result, &e)
				 : err_set(&e, EIO, "the history cannot be opened");

	if (status < 0)
		result = json_pack("{s:s s:s}", "error", e.msg, "code",
				   status == -EINVAL   ? "usage"
				   : status == -ENOENT ? "not-found"
						       : "failed");
	r->untidy = true;
	json_object_set(result, "token", json_object_get(line, "token"));
	send_line(result);
}

static void keep_limits(struct recording *r, const json_t *limits)
{
	r->keep_time = json_integer_value(json_object_get(limits, "time"));
	r->keep_size = json_integer_value(json_object_get(limits, "size"));
	r->keep_images = json_integer_value(json_object_get(limits, "images"));
	r->prune_at = 0;
}

static int take_lines(struct recording *r)
{
	struct err e = {0};
	json_t *j;
	int n;

	while ((n = wire_next(&r->in, &j, &e)) == 1) {
		if (json_object_get(j, "query"))
			answer(r, j);
		else if (json_object_get(j, "keep"))
			keep_limits(r, json_object_get(j, "keep"));
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

	if (poll(&p, 1, wait_ms(r)) <= 0)
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
	bool more;
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
		do {
			more = store_batch(&r);
			prune(&r);
		} while (more);
		tidy(&r);
	}
	list_foreach (k, &r.lines, link)
		drop(&r, k);
	history_close(r.h);
	wire_in_free(&r.in);
	return status == -ESHUTDOWN ? 0 : 1;
}
