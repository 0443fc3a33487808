// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/recorder.h"

#include "broker/chan.h"
#include "broker/proc.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"
#include "core/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define ACK_WAIT (1 * NS_PER_SEC)  /* for an intent, while the history works */
#define OPEN_WAIT (5 * NS_PER_SEC) /* at start-up */
#define RESTART_FIRST (1 * NS_PER_SEC)
#define RESTART_LAST (60 * NS_PER_SEC)

/* Rows that wait: events are dropped beyond the first limit, everything beyond the second. */
enum { ROWS_MAX = 8192, ROWS_HARD_MAX = 10000, IN_FLIGHT_MAX = 2 << 20, ID_MAX = 64 };

struct row {
	struct list link;
	uint64_t seq;
	char *text; /* its line, as it is sent: far less than what its object would take */
	char id[ID_MAX];
	bool want_ack, told; /* told: stored was called, or the wait is over */
	int64_t due;	     /* boot: stored is called then at the latest */
};

struct recorder {
	struct loop *loop;
	struct recorder_ops ops;
	char *path;
	uint64_t run; /* tells this broker's rows from those of others */
	pid_t pid;
	struct loop_child *child;
	struct chan *chan;
	struct loop_timer *timer;
	struct list rows;  /* not known to be durable, in order */
	struct list *next; /* first that was not sent, or &rows */
	size_t n_rows;
	uint64_t seq, dropped;
	uint64_t trouble_seq; /* the newest row when trouble began */
	char *state;	      /* to be saved; its line, as those of rows */
	uint64_t saves, kept; /* its number, and that of the last that the database has */
	json_t *limits;
	bool state_sent, limits_sent;
	bool opened, opened_due, ended, trouble;
	json_t *saved, *unfinished;
	int64_t open_due, restart_at, pause;
	bool called;
};

static void on_timer(void *u _unused_)
{
	/* Wakes the loop; recorder_turn does the rest. */
}

int recorder_new(struct loop *l, const char *path, const struct recorder_ops *ops, struct recorder **ret)
{
	_cleanup_(recorder_freep) struct recorder *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return -ENOMEM;
	*r = (struct recorder){.loop = l, .ops = *ops, .path = strdup(path), .pause = RESTART_FIRST};
	list_init(&r->rows);
	r->next = &r->rows;
	if (!r->path)
		return -ENOMEM;
	if (getrandom(&r->run, sizeof(r->run), 0) != sizeof(r->run))
		r->run = (uint64_t)clock_wall(&clock_system);
	r->run >>= 1; /* SQLite's integers are signed */
	r->open_due = clock_boot(&clock_system) + OPEN_WAIT;
	status = loop_timer_new(l, on_timer, r, &r->timer);
	if (status < 0)
		return status;
	*ret = TAKE_PTR(r);
	return 0;
}

static void row_free(struct row *row)
{
	list_remove(&row->link);
	free(row->text);
	free(row);
}

static void drop_row(struct recorder *r, struct row *row)
{
	if (r->next == &row->link)
		r->next = row->link.next;
	r->n_rows--;
	row_free(row);
}

static void forget_process(struct recorder *r)
{
	chan_free(r->chan);
	r->chan = NULL;
	loop_child_free(r->child);
	r->child = NULL;
	r->pid = 0;
	r->next = r->rows.next; /* what was not acknowledged is sent again: the database knows it by its number */
	r->state_sent = r->limits_sent = false;
}

void recorder_free(struct recorder *r)
{
	struct row *row;

	if (!r)
		return;
	forget_process(r);
	list_foreach (row, &r->rows, link)
		row_free(row);
	loop_timer_free(r->timer);
	free(r->state);
	json_decref(r->limits);
	json_decref(r->saved);
	json_decref(r->unfinished);
	free(r->path);
	free(r);
}

static void set_trouble(struct recorder *r, const char *reason)
{
	if (!reason == !r->trouble)
		return;
	r->trouble = reason != NULL;
	r->trouble_seq = r->seq;
	r->called = true;
	r->ops.trouble(r->ops.u, reason, r->dropped);
	r->dropped = 0;
}

static void tell_stored(struct recorder *r, struct row *row, bool durable)
{
	if (!row->want_ack || row->told)
		return;
	row->told = true;
	r->called = true;
	if (!durable)
		log_warning("the history does not keep %s: it is done without", row->id);
	r->ops.stored(r->ops.u, row->id);
}

/* {"durable":seq}: everything up to it. */
static void on_durable(struct recorder *r, uint64_t seq)
{
	struct row *row;

	/* It is written again when all that waited for that is. */
	if (seq >= r->trouble_seq)
		set_trouble(r, NULL);
	r->pause = RESTART_FIRST;
	list_foreach (row, &r->rows, link) {
		if (row->seq > seq)
			break;
		tell_stored(r, row, true);
		drop_row(r, row);
	}
}

static void on_line(void *u, const json_t *j)
{
	struct recorder *r = u;
	const json_t *durable = json_object_get(j, "durable"), *trouble = json_object_get(j, "trouble");
	const json_t *token = json_object_get(j, "token");

	if (json_object_get(j, "hello") && !r->opened) {
		r->opened_due = true;
		r->saved = json_incref(json_object_get(j, "state"));
		r->unfinished = json_incref(json_object_get(j, "unfinished"));
	}
	if (json_is_integer(json_object_get(j, "saved")))
		r->kept = (uint64_t)json_integer_value(json_object_get(j, "saved"));
	if (durable)
		on_durable(r, (uint64_t)json_integer_value(durable));
	if (json_is_string(trouble))
		set_trouble(r, json_string_value(trouble));
	if (token) {
		r->called = true;
		r->ops.answer(r->ops.u, (uint64_t)json_integer_value(token), j);
	}
}

static void on_closed(void *u, int reason _unused_)
{
	struct recorder *r = u;

	if (!r->ended)
		kill(r->pid, SIGKILL);
}

static void on_exit_of(void *u, pid_t pid _unused_, int status)
{
	struct recorder *r = u;
	char how[96], text[160];

	r->ended = true;
	snprintf(text, sizeof(text), "the record process %s", proc_status_text(status, how, sizeof(how)));
	set_trouble(r, text);
}

static int process_start(struct recorder *r, struct err *e)
{
	static const struct chan_ops ops = {.line = on_line, .closed = on_closed};
	char run[32];
	const char *const argv[] = {"/proc/self/exe", "--record", r->path, run, NULL};
	int pair[2], status;

	snprintf(run, sizeof(run), "%" PRIu64, r->run);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	r->pid = proc_spawn(
		&(struct proc_spec){
			.argv = argv, .in = -1, .out = -1, .fds = {pair[1]}, .n_fds = 1, .nice = PROC_NICE_BROKER},
		e);
	close(pair[1]);
	if (r->pid < 0) {
		close(pair[0]);
		status = r->pid;
		r->pid = 0;
		return status;
	}
	status = chan_new(r->loop, pair[0], WIRE_LINE_MAX, IN_FLIGHT_MAX, &ops, r, &r->chan);
	if (status == 0)
		status = loop_child_new(r->loop, r->pid, on_exit_of, r, &r->child);
	if (status < 0) {
		kill(r->pid, SIGKILL);
		forget_process(r);
		return err_sys(e, -status, "record process");
	}
	return 0;
}

/* Too many wait: the oldest event goes, never an intent or an outcome while there are others. */
static void make_room(struct recorder *r)
{
	struct row *row;

	if (r->n_rows < ROWS_MAX)
		return;
	list_foreach (row, &r->rows, link) {
		if (row->want_ack && r->n_rows < ROWS_HARD_MAX)
			continue;
		tell_stored(r, row, false);
		drop_row(r, row);
		if (r->dropped++ == 0)
			log_warning("the history is too slow or away: it misses rows from here");
		return;
	}
}

/* Takes line. NULL: out of memory. */
static char *line_text(json_t *line)
{
	_cleanup_(buf_free) struct buf text = {0};

	if (line)
		wire_format(&text, line);
	json_decref(line);
	return text.len && !text.oom ? strdup(buf_str(&text)) : NULL;
}

static char *row_text(const struct row *row, const char *table, const json_t *body)
{
	json_t *line = json_pack("{s:I s:s s:s s:I s:O}", "seq", (json_int_t)row->seq, "table", table, "key", row->id,
				 "wall", (json_int_t)clock_wall(&clock_system), "row", body);

	if (line && row->want_ack)
		json_object_set_new(line, "sync", json_true());
	return line_text(line);
}

void recorder_store(struct recorder *r, const char *table, const json_t *row, const char *id, bool want_ack)
{
	struct row *new = calloc(1, sizeof(*new));

	/* While rows wait in memory there is no room for what is large and nothing hangs on. */
	if (r->trouble && !want_ack && strcmp(table, "before") == 0) {
		r->dropped++;
		free(new);
		return;
	}
	make_room(r);
	if (!new) {
		log_error("out of memory: the history misses a row of %s", table);
		return;
	}
	*new = (struct row){.seq = ++r->seq, .want_ack = want_ack, .due = clock_boot(&clock_system) + ACK_WAIT};
	snprintf(new->id, sizeof(new->id), "%s", id ? id : "");
	new->text = row_text(new, table, row);
	list_insert(&r->rows, &new->link);
	if (r->next == &r->rows)
		r->next = &new->link;
	r->n_rows++;
}

void recorder_save(struct recorder *r, const json_t *state)
{
	uint64_t number = r->saves + 1;
	char *text = line_text(json_pack("{s:O s:I}", "save", state, "number", (json_int_t)number));

	if (!text) {
		log_error("out of memory: what is known now is not saved");
		return;
	}
	free(r->state);
	r->state = text;
	r->saves = number;
	r->state_sent = false;
}

void recorder_limits(struct recorder *r, int64_t time, int64_t size, int64_t images)
{
	json_decref(r->limits);
	r->limits = json_pack("{s:{s:I s:I s:I}}", "keep", "time", (json_int_t)time, "size", (json_int_t)size, "images",
			      (json_int_t)images);
	r->limits_sent = false;
}

int recorder_query(struct recorder *r, uint64_t token, const json_t *query)
{
	json_t *line;
	int status;

	if (!r->chan)
		return -EAGAIN;
	line = json_pack("{s:I s:O}", "token", (json_int_t)token, "query", query);
	status = line ? chan_send(r->chan, line) : -ENOMEM;
	json_decref(line);
	return status < 0 ? -EAGAIN : 0;
}

static void send_rows(struct recorder *r)
{
	while (r->next != &r->rows) {
		struct row *row = container_of(r->next, struct row, link);

		if (row->text && chan_send_text(r->chan, row->text, strlen(row->text)) < 0)
			return;
		r->next = r->next->next;
	}
	if (r->limits && !r->limits_sent && chan_send(r->chan, r->limits) == 0)
		r->limits_sent = true;
	if (r->state && !r->state_sent && chan_send_text(r->chan, r->state, strlen(r->state)) == 0)
		r->state_sent = true;
}

/* Whoever waited long enough is let go. Returns the next moment, or INT64_MAX. */
static int64_t release_late(struct recorder *r, int64_t now)
{
	int64_t next = INT64_MAX;
	struct row *row;

	list_foreach (row, &r->rows, link) {
		if (!row->want_ack || row->told)
			continue;
		if (row->due <= now || r->trouble) {
			tell_stored(r, row, false);
			if (!r->trouble)
				set_trouble(r, "the record process does not answer");
		} else {
			next = MIN(next, row->due);
		}
	}
	return next;
}

static void open_once(struct recorder *r, int64_t now)
{
	if (r->opened || (!r->opened_due && r->open_due > now && !r->trouble))
		return;
	r->opened = true;
	r->called = true;
	if (!r->opened_due)
		log_warning("the history cannot be read: starting without what was known before");
	r->ops.opened(r->ops.u, r->saved, r->unfinished);
	json_decref(r->saved);
	json_decref(r->unfinished);
	r->saved = r->unfinished = NULL;
}

bool recorder_turn(struct recorder *r)
{
	int64_t now = clock_boot(&clock_system), next;
	bool called;

	if (r->ended) {
		forget_process(r);
		r->ended = false;
		r->restart_at = now + r->pause;
		r->pause = MIN(r->pause * 2, RESTART_LAST);
	}
	if (!r->pid && now >= r->restart_at) {
		struct err e = {0};

		if (process_start(r, &e) < 0) {
			set_trouble(r, e.msg);
			r->restart_at = now + r->pause;
		}
	}
	if (r->chan)
		send_rows(r);
	open_once(r, now);
	next = release_late(r, now);
	if (!r->opened)
		next = MIN(next, r->open_due);
	if (!r->pid)
		next = MIN(next, r->restart_at);
	if (next < INT64_MAX)
		loop_timer_at(r->timer, next);
	else
		loop_timer_stop(r->timer);
	called = r->called;
	r->called = false;
	return called;
}

bool recorder_idle(const struct recorder *r)
{
	return r->trouble || (list_empty(&r->rows) && r->kept == r->saves);
}

const char *recorder_state(const struct recorder *r)
{
	return !r->pid ? "off" : r->trouble ? "not-durable" : "ok";
}
