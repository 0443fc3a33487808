// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"

#include "core/clock.h"
#include "core/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const tone_codes[] = {
	[TONE_PLAIN] = "",  [TONE_GOOD] = "32", [TONE_BAD] = "31;1",
	[TONE_WARN] = "33", [TONE_DIM] = "2",	[TONE_BOLD] = "1",
};

/* ---- JSON ---- */

void out_json(json_t *j)
{
	/* ASCII only: a direction mark in a disk's name must not turn the terminal's line around. */
	json_dumpf(j, stdout, JSON_ENSURE_ASCII | (isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT));
	putchar('\n');
	json_decref(j);
}

void out_json_line(const json_t *j)
{
	json_dumpf(j, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

const char *j_str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

int64_t j_int(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

double j_real(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

bool j_bool(const json_t *j, const char *key)
{
	return json_is_true(json_object_get(j, key));
}

const json_t *j_list(const json_t *j, const char *key)
{
	return json_object_get(j, key);
}

/* ---- text ---- */

void out_flush(const struct buf *b)
{
	fputs(buf_str(b), stdout);
	fflush(stdout);
}

void out_text(struct buf *b, const char *s)
{
	value_escape(s, 0, b);
}

/* Columns: bytes that begin a character. */
static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void out_word(const struct cli *c, struct buf *b, enum tone tone, const char *s, int width)
{
	_cleanup_(buf_free) struct buf text = {0};
	bool coloured = c->colour && tone != TONE_PLAIN;
	int len;

	out_text(&text, s);
	len = columns(buf_str(&text));
	if (coloured)
		buf_addf(b, "\033[%sm", tone_codes[tone]);
	buf_add(b, buf_str(&text));
	if (coloured)
		buf_add(b, "\033[0m");
	if (width > len)
		buf_pad(b, ' ', (size_t)(width - len));
}

void out_size(struct buf *b, uint64_t bytes)
{
	struct value v = value_size(bytes);

	value_print(&v, VALUE_HUMAN, b);
}

void out_duration(struct buf *b, int64_t ns)
{
	struct value v = value_duration(ns);

	value_print(&v, VALUE_HUMAN, b);
}

void out_bar(struct buf *b, double share, int width)
{
	int full;

	share = fmin(fmax(share, 0), 1);
	full = (int)(share * width);
	buf_addc(b, '[');
	buf_pad(b, '#', (size_t)full);
	buf_pad(b, '.', (size_t)(width - full));
	buf_addf(b, "] %.1f%%", floor(share * 1000) / 10);
}

void out_time(struct buf *b, int64_t wall_ns, bool ms)
{
	time_t t = (time_t)(wall_ns / NS_PER_SEC);
	char text[32];
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return;
	strftime(text, sizeof(text), "%F %T", &tm);
	buf_add(b, text);
	if (ms)
		buf_addf(b, ".%03d", (int)(wall_ns % NS_PER_SEC / NS_PER_MS));
}

void out_lines(struct buf *b, const json_t *list, const char *indent)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		/* A text of several lines keeps them. */
		while (s && *s) {
			size_t len = strcspn(s, "\n");
			_cleanup_(buf_free) struct buf line = {0};

			buf_addn(&line, s, len);
			buf_add(b, indent);
			out_text(b, buf_str(&line));
			buf_addc(b, '\n');
			s += len + (s[len] == '\n');
		}
	}
}

/* ---- differences ---- */

struct lines {
	const char **start;
	size_t n;
};

static struct lines split(const char *text)
{
	struct lines l = {.start = malloc((strlen(text) + 1) * sizeof(*l.start))};

	while (l.start && *text) {
		l.start[l.n++] = text;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return l;
}

static bool same_line(const char *a, const char *b)
{
	size_t len = strcspn(a, "\n");

	return len == strcspn(b, "\n") && memcmp(a, b, len) == 0;
}

static void diff_lines(const struct cli *c, struct buf *b, char mark, const struct lines *l, size_t from, size_t to)
{
	enum tone tone = mark == '+' ? TONE_GOOD : mark == '-' ? TONE_BAD : TONE_PLAIN;

	for (size_t i = from; i < to; i++) {
		_cleanup_(buf_free) struct buf line = {0};

		buf_addc(&line, mark);
		buf_addn(&line, l->start[i], strcspn(l->start[i], "\n"));
		out_word(c, b, tone, buf_str(&line), 0);
		buf_addc(b, '\n');
	}
}

void out_diff(const struct cli *c, struct buf *b, const char *file, const char *before, const char *after)
{
	struct lines old = split(before), new = split(after);
	size_t head = 0, tail = 0, from, context;

	if (!old.start || !new.start || strcmp(before, after) == 0)
		goto out;
	/* What these files get is one block of lines: the same lines at both ends are left out. */
	while (head < old.n && head < new.n &&same_line(old.start[head], new.start[head]))
		head++;
	while (tail < old.n - head &&
	       tail < new.n - head &&same_line(old.start[old.n - 1 - tail], new.start[new.n - 1 - tail]))
		tail++;
	from = head > 3 ? head - 3 : 0;
	context = MIN(tail, 3);
	buf_addf(b, "--- %s%s\n+++ %s%s\n@@ -%zu +%zu @@\n", file, before[0] ? "" : " (none)", file,
		 after[0] ? "" : " (none)", from + 1, from + 1);
	diff_lines(c, b, ' ', &old, from, head);
	diff_lines(c, b, '-', &old, head, old.n - tail);
	diff_lines(c, b, '+', &new, head, new.n - tail);
	diff_lines(c, b, ' ', &old, old.n - tail, old.n - tail + context);
out:
	free(old.start);
	free(new.start);
}
