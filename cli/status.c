// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/output.h"

#include "core/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* While watching, what happens at once is drawn once. */
#define WATCH_PAUSE (100 * NS_PER_MS)

/* ---- words and their tones ---- */

static const struct {
	const char *word;
	enum tone tone;
} state_tones[] = {
	{"optimal", TONE_GOOD},	   {"in-sync", TONE_GOOD}, {"idle", TONE_GOOD},	 {"degraded", TONE_WARN},
	{"rebuilding", TONE_WARN}, {"stale", TONE_WARN},   {"failed", TONE_BAD}, {"missing", TONE_BAD},
	{"lost", TONE_BAD},	   {"inactive", TONE_DIM},
};

static void out_state(const struct cli *c, struct buf *out, const char *word, int width)
{
	enum tone tone = TONE_PLAIN;

	for (size_t i = 0; i < ARRAY_SIZE(state_tones); i++)
		if (strcmp(state_tones[i].word, word) == 0)
			tone = state_tones[i].tone;
	out_word(c, out, tone, word, width);
}

/* ---- parts ---- */

static void out_progress(const json_t *j, struct buf *out)
{
	if (!json_object_get(j, "progress"))
		return;
	buf_add(out, "  ");
	out_bar(out, j_real(j, "progress"), 20);
	if (json_object_get(j, "eta")) {
		buf_add(out, ", about ");
		out_duration(out, j_int(j, "eta") / NS_PER_SEC * NS_PER_SEC);
		buf_add(out, " left");
	}
	if (j_int(j, "speed")) {
		buf_add(out, ", ");
		out_size(out, (uint64_t)j_int(j, "speed"));
		buf_add(out, "/s");
	}
}

static void print_member(const struct cli *c, const json_t *m, bool last, struct buf *out)
{
	const char *name = j_str(m, "name"), *device = j_str(m, "device");
	bool gone = device[0] && !j_bool(m, "present");

	buf_addf(out, "  %s %-3" PRId64 " ", last ? "\u2514\u2500" : "\u251c\u2500", j_int(m, "slot"));
	out_state(c, out, j_str(m, "state"), 11);
	out_word(c, out, gone ? TONE_DIM : TONE_PLAIN, name[0] ? name : device[0] ? device : "-", 8);
	if (gone)
		buf_add(out, " not here");
	if (json_is_object(json_object_get(m, "replacing"))) {
		const json_t *to = json_object_get(m, "replacing");

		buf_add(out, " copied to ");
		out_text(out, j_str(to, "name"));
		out_progress(to, out);
	}
	if (j_bool(m, "waits"))
		buf_add(out, " waits for another rebuild on its disks");
	if (j_bool(m, "read-last"))
		buf_add(out, " read last");
	if (j_int(m, "errors"))
		buf_addf(out, " %" PRId64 " errors", j_int(m, "errors"));
	out_progress(m, out);
	buf_addc(out, '\n');
}

/* A reading that runs, or that found something. */
static void print_read(const struct cli *c, const json_t *holder, struct buf *out)
{
	const json_t *r = json_object_get(holder, "read-check");
	bool runs = strcmp(j_str(r, "state"), "running") == 0;

	if (!r || (!runs && j_int(r, "errors") == 0 && strcmp(j_str(r, "state"), "failed") != 0))
		return;
	buf_add(out, runs ? "  is read" : "  when it was read:");
	if (j_int(r, "errors")) {
		char text[48];

		snprintf(text, sizeof(text), " %" PRId64 " unreadable place%s", j_int(r, "errors"),
			 j_int(r, "errors") == 1 ? "" : "s");
		out_word(c, out, TONE_BAD, text, 0);
	} else if (!runs) {
		out_word(c, out, TONE_BAD, " failed", 0);
	}
	out_progress(r, out);
}

static void print_spare(const struct cli *c, const json_t *s, struct buf *out)
{
	buf_add(out, "     spare ");
	out_state(c, out, j_str(s, "state"), 9);
	out_word(c, out, TONE_PLAIN, j_str(s, "name")[0] ? j_str(s, "name") : j_str(s, "device"), 8);
	buf_addc(out, ' ');
	out_size(out, (uint64_t)j_int(s, "size"));
	buf_add(out, ", ");
	out_text(out, j_str(s, "kind"));
	buf_add(out, j_bool(s, "revertible") ? ", revertible" : "");
	buf_add(out, j_bool(s, "enclosure") ? ", of its enclosure" : "");
	if (j_str(s, "reason")[0]) {
		buf_add(out, ": ");
		out_text(out, j_str(s, "reason"));
	}
	print_read(c, s, out);
	buf_addc(out, '\n');
}

static void print_array_head(const struct cli *c, const json_t *a, struct buf *out)
{
	out_word(c, out, TONE_BOLD, j_str(a, "name")[0] ? j_str(a, "name") : j_str(a, "id"), 0);
	buf_add(out, "  ");
	out_text(out, j_str(a, "level"));
	buf_addc(out, ' ');
	out_size(out, (uint64_t)j_int(a, "size"));
	buf_add(out, "  ");
	out_state(c, out, j_str(a, "state"), 0);
	if (!j_bool(a, "managed"))
		out_word(c, out, TONE_DIM, "  not managed", 0);
	if (j_bool(a, "maintenance"))
		out_word(c, out, TONE_WARN, "  maintenance", 0);
	if (strcmp(j_str(a, "state"), "inactive") == 0 && strcmp(j_str(a, "stopped-by"), "none") != 0) {
		buf_add(out, "  stopped by ");
		out_text(out, j_str(a, "stopped-by"));
	}
	if (j_str(a, "dm")[0] && strcmp(j_str(a, "state"), "inactive") != 0) {
		buf_add(out, "  /dev/mapper/");
		out_text(out, j_str(a, "dm"));
	}
	/* A rebuild stands at its member. */
	if (!j_bool(a, "rebuilding") && json_object_get(a, "progress")) {
		buf_add(out, "  ");
		out_text(out, j_str(a, "action"));
		out_progress(a, out);
	}
	if (j_str(a, "plan")[0]) {
		buf_add(out, "  plan ");
		out_text(out, j_str(a, "plan"));
	}
	buf_addc(out, '\n');
}

static void print_snapshot(const struct cli *c, const json_t *s, struct buf *out)
{
	bool active = strcmp(j_str(s, "state"), "active") == 0;
	int64_t size = j_int(s, "size");

	buf_add(out, "     snapshot ");
	out_text(out, j_str(s, "name"));
	buf_add(out, "  /dev/mapper/");
	out_text(out, j_str(s, "dm"));
	buf_add(out, "  ");
	if (!active)
		out_word(c, out, TONE_BAD, j_str(s, "state"), 0);
	else
		buf_addf(out, "%" PRId64 "%% of ", size > 0 ? j_int(s, "used") * 100 / size : 0);
	if (active)
		out_size(out, (uint64_t)size);
	buf_addc(out, '\n');
}

static void print_array(const struct cli *c, const json_t *a, struct buf *out)
{
	const json_t *snapshots = j_list(a, "snapshots");

	const json_t *members = j_list(a, "members"), *spares = j_list(a, "spares");

	print_array_head(c, a, out);
	if (j_str(a, "unsupported")[0]) {
		buf_add(out, "     ");
		out_word(c, out, TONE_WARN, j_str(a, "unsupported"), 0);
		buf_addc(out, '\n');
	}
	for (size_t i = 0; i < json_array_size(members); i++)
		print_member(c, json_array_get(members, i), i + 1 == json_array_size(members), out);
	for (size_t i = 0; i < json_array_size(spares); i++)
		print_spare(c, json_array_get(spares, i), out);
	for (size_t i = 0; i < json_array_size(snapshots); i++)
		print_snapshot(c, json_array_get(snapshots, i), out);
	if (j_bool(a, "managed") && j_int(a, "redundancy-full") > 0 && j_int(a, "spares-fit") == 0) {
		buf_add(out, "     ");
		out_word(c, out, TONE_WARN, "no spare", 0);
		buf_addf(out, "%s", j_str(a, "spare-reason")[0] ? ": " : "");
		out_text(out, j_str(a, "spare-reason"));
		buf_addc(out, '\n');
	}
}

static void print_sets(const struct cli *c, const json_t *sets, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(sets); i++) {
		const json_t *s = json_array_get(sets, i);

		if (j_bool(s, "split")) {
			out_word(c, out, TONE_BAD, "two histories", 0);
			buf_addf(out,
				 " in set %s: its disks went on in two parts, each without the other; nothing is "
				 "written\n",
				 j_str(s, "id"));
		}
		if (j_str(s, "stuck")[0]) {
			out_word(c, out, TONE_BAD, "stuck", 0);
			buf_addf(out, " set %s: ", j_str(s, "id"));
			out_text(out, j_str(s, "stuck"));
			buf_addc(out, '\n');
		}
	}
}

static void print_cases(const struct cli *c, const json_t *cases, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *s = json_array_get(cases, i);

		if (i == 0)
			buf_add(out, "\nopen cases\n");
		buf_add(out, "  ");
		out_word(c, out, TONE_WARN, j_str(s, "name")[0] ? j_str(s, "name") : j_str(s, "device"), 8);
		buf_add(out, " since ");
		out_time(out, j_int(s, "opened"), false);
		buf_add(out, ": ");
		out_text(out, j_str(s, "why"));
		if (j_int(s, "errors"))
			buf_addf(out, ", %" PRId64 " errors", j_int(s, "errors"));
		buf_addc(out, '\n');
	}
}

static void print_devices(const struct cli *c, const json_t *devices, struct buf *out)
{
	buf_add(out, "\ndevices\n");
	for (size_t i = 0; i < json_array_size(devices); i++) {
		const json_t *d = json_array_get(devices, i);

		buf_add(out, "  ");
		out_word(c, out, j_bool(d, "present") ? TONE_PLAIN : TONE_DIM, j_str(d, "name"), 8);
		buf_addc(out, ' ');
		out_word(c, out, TONE_PLAIN, j_str(d, "role"), 7);
		buf_addc(out, ' ');
		out_size(out, (uint64_t)j_int(d, "size"));
		buf_add(out, "  ");
		out_text(out, j_str(d, "id"));
		buf_add(out, "  ");
		out_text(out, j_str(d, "contents"));
		if (strcmp(j_str(d, "contents"), "unreadable") == 0 && j_str(d, "contents-name")[0]) {
			buf_add(out, ": ");
			out_text(out, j_str(d, "contents-name"));
		}
		if (j_str(d, "beside")[0]) {
			buf_add(out, ", and ");
			out_text(out, j_str(d, "beside"));
		}
		if (!j_bool(d, "present"))
			buf_add(out, "  not here");
		if (j_bool(d, "maintenance"))
			buf_add(out, "  maintenance");
		print_read(c, d, out);
		if (j_str(d, "standing")[0]) {
			buf_add(out, "  ");
			out_state(c, out, j_str(d, "standing"), 0);
		}
		buf_addc(out, '\n');
	}
}

static void print_broker(const struct cli *c, const json_t *answer, struct buf *out)
{
	const json_t *b = json_object_get(answer, "broker"), *sources = j_list(b, "sources");
	const char *history = j_str(b, "history");

	buf_addf(out, "spared %s, up ", j_str(b, "version"));
	out_duration(out, j_int(b, "uptime") / NS_PER_SEC * NS_PER_SEC);
	if (!j_bool(b, "settled"))
		buf_add(out, ", still looking for disks");
	if (strcmp(history, "ok") != 0) {
		buf_add(out, ", history ");
		out_word(c, out, TONE_WARN, history, 0);
	}
	for (size_t i = 0; i < json_array_size(sources); i++)
		if (strcmp(j_str(json_array_get(sources, i), "state"), "failed") == 0) {
			buf_add(out, ", source ");
			out_word(c, out, TONE_WARN, j_str(json_array_get(sources, i), "name"), 0);
			buf_add(out, " failed");
		}
	buf_addc(out, '\n');
}

static void print_status(const struct cli *c, const json_t *answer, struct buf *out)
{
	const json_t *s = json_object_get(answer, "status"), *arrays = j_list(s, "arrays");

	print_broker(c, answer, out);
	if (j_bool(s, "maintenance"))
		buf_add(out, "everything is in maintenance\n");
	if (json_array_size(arrays) == 0)
		buf_addf(out, "no arrays%s\n",
			 j_int(s, "managed") ? "" : "; nothing is managed: see 'sparectl manage --help'");
	print_sets(c, j_list(s, "sets"), out);
	for (size_t i = 0; i < json_array_size(arrays); i++) {
		buf_addc(out, '\n');
		print_array(c, json_array_get(arrays, i), out);
	}
	print_cases(c, j_list(s, "cases"), out);
	if (GIVEN(c, VERBOSE))
		print_devices(c, j_list(s, "devices"), out);
}

/* ---- the verbs ---- */

static int draw(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer;
	int status = client_ask(c, client_request("status"), &answer);

	if (status == CLI_OK && GIVEN(c, JSON)) {
		if (GIVEN(c, WATCH))
			out_json_line(answer);
		else
			out_json(json_incref(answer));
	} else if (status == CLI_OK) {
		if (GIVEN(c, WATCH) && isatty(STDOUT_FILENO))
			buf_add(&out, "\033[H\033[2J");
		print_status(c, answer, &out);
		out_flush(&out);
	}
	json_decref(answer);
	return status;
}

int verb_status(struct cli *c)
{
	json_t *answer, *line;
	int status;

	if (!GIVEN(c, WATCH))
		return draw(c);
	status = client_ask(c, client_request("monitor"), &answer);
	json_decref(answer);
	while (status == CLI_OK && (status = draw(c)) == CLI_OK) {
		/* Lines that came meanwhile are read, and dropped, with the next answer. */
		if (ferror(stdout) || client_next(c, &line) <= 0)
			return ferror(stdout) ? CLI_OK : CLI_NO_DAEMON;
		json_decref(line);
		nanosleep(&(struct timespec){.tv_nsec = WATCH_PAUSE}, NULL);
	}
	return status;
}

static void out_loss(const struct cli *c, struct buf *out, int64_t lost)
{
	char text[24];

	snprintf(text, sizeof(text), " %8" PRId64, lost);
	out_word(c, out, lost ? TONE_WARN : TONE_PLAIN, text, 0);
}

/* Of the last event, in milliseconds. */
static void out_lag(struct buf *out, const json_t *source)
{
	char text[24] = "-";

	if (json_object_get(source, "lag"))
		snprintf(text, sizeof(text), "%.1fms", (double)j_int(source, "lag") / NS_PER_MS);
	buf_addf(out, "%8s  ", text);
}

int verb_metrics(struct cli *c)
{
	json_t *answer;
	int status = client_ask(c, client_request("metrics"), &answer);

	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	else if (status == CLI_OK)
		fputs(j_str(answer, "text"), stdout);
	json_decref(answer);
	return status;
}

int verb_sources(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *answer;
	const json_t *list;
	int status = client_ask(c, client_request("sources"), &answer);

	list = j_list(answer, "sources");
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	for (size_t i = 0; status == CLI_OK && !GIVEN(c, JSON) && i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);
		bool failed = strcmp(j_str(s, "state"), "failed") == 0;

		if (i == 0)
			buf_addf(&out, "%-10s%-7s%9s %8s %8s %8s %8s %8s\n", "source", "state", "received", "dropped",
				 "merged", "lost", "rescans", "lag");
		out_word(c, &out, TONE_BOLD, j_str(s, "name"), 10);
		out_word(c, &out, failed ? TONE_BAD : TONE_PLAIN, j_str(s, "state"), 7);
		buf_addf(&out, "%9" PRId64 " %8" PRId64 " %8" PRId64, j_int(s, "received"), j_int(s, "dropped"),
			 j_int(s, "merged"));
		out_loss(c, &out, j_int(s, "lost"));
		buf_addf(&out, " %8" PRId64 " ", j_int(s, "rescans"));
		out_lag(&out, s);
		out_text(&out, j_str(s, "reason")[0] ? j_str(s, "reason") : j_str(s, "doc"));
		buf_addc(&out, '\n');
	}
	out_flush(&out);
	json_decref(answer);
	return status;
}
