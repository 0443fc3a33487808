// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/diag.h"

#include "core/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct diag_source {
	struct diag_source *next;
	const char *file, *text;
	size_t len;
};

static const char *const severity_words[] = {
	[SEVERITY_NOTE] = "note", [SEVERITY_WARNING] = "warning", [SEVERITY_ERROR] = "error"};

void diag_init(struct diag *d)
{
	*d = (struct diag){0};
}

void diag_finish(struct diag *d)
{
	arena_finish(&d->arena);
	*d = (struct diag){0};
}

void diag_source(struct diag *d, const char *file, const char *text, size_t len)
{
	struct diag_source *s = arena_new(&d->arena, struct diag_source);

	s->file = arena_strdup(&d->arena, file);
	s->text = arena_strndup(&d->arena, text, len);
	s->len = len;
	s->next = d->sources;
	d->sources = s;
}

void diag_add(struct diag *d, enum severity severity, const struct place *at, const char *code, const char *fmt, ...)
{
	struct diag_item *item;
	char text[ERR_MSG_MAX], *hint;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->items = arena_grow(&d->arena, d->items, &d->n, sizeof(*d->items));
	item = &d->items[d->n - 1];
	item->severity = severity;
	if (at) {
		item->at = *at;
		item->at.file = arena_strdup(&d->arena, at->file);
	}
	item->code = code;
	item->order = d->n;
	hint = strchr(text, '\n');
	if (hint)
		*hint++ = '\0';
	item->message = arena_strdup(&d->arena, text);
	if (hint)
		diag_hint(d, "%s", hint);
	d->errors += severity == SEVERITY_ERROR;
	d->warnings += severity == SEVERITY_WARNING;
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (d->n == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < DIAG_HINTS_MAX; i++) {
		if (!d->items[d->n - 1].hints[i]) {
			d->items[d->n - 1].hints[i] = arena_strdup(&d->arena, text);
			return;
		}
	}
}

bool diag_failed(const struct diag *d)
{
	return d->errors > 0 || (d->strict && d->warnings > 0);
}

static int compare_items(const void *pa, const void *pb)
{
	const struct diag_item *a = pa, *b = pb;
	int r = strcmp(a->at.file ? a->at.file : "", b->at.file ? b->at.file : "");

	if (r == 0)
		r = a->at.line - b->at.line;
	if (r == 0)
		r = a->at.col - b->at.col;
	return r ? r : (a->order > b->order) - (a->order < b->order);
}

static void sort_items(struct diag *d)
{
	if (d->n > 1)
		qsort(d->items, d->n, sizeof(*d->items), compare_items);
}

/* The line of a known file, without its end; NULL if there is none. */
static const char *source_line(const struct diag *d, const struct place *at, size_t *len)
{
	const struct diag_source *s = d->sources;
	const char *p, *end;

	if (!at->file || at->line < 1)
		return NULL;
	while (s && strcmp(s->file, at->file) != 0)
		s = s->next;
	if (!s)
		return NULL;
	p = s->text;
	end = s->text + s->len;
	for (int line = 1; line < at->line; line++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	*len = (size_t)(end - p);
	if (memchr(p, '\n', *len))
		*len = (size_t)((const char *)memchr(p, '\n', *len) - p);
	return p;
}

/* Columns are characters; a tab is kept so that the caret stands below its character. */
static void print_caret(const char *line, size_t len, const struct place *at, struct buf *out)
{
	int col = 1, end_col = at->end_col > at->col ? at->end_col : at->col + 1;
	size_t i = 0;

	buf_add(out, "  ");
	for (; i < len && col < at->col; i++) {
		if (((unsigned char)line[i] & 0xc0) == 0x80)
			continue;
		buf_addc(out, line[i] == '\t' ? '\t' : ' ');
		col++;
	}
	while (i < len && ((unsigned char)line[i] & 0xc0) == 0x80)
		i++;
	for (; col < at->col; col++)
		buf_addc(out, ' ');
	buf_addc(out, '^');
	for (col++, i++; col < end_col && i < len; i++) {
		if (((unsigned char)line[i] & 0xc0) == 0x80)
			continue;
		buf_addc(out, '^');
		col++;
	}
	buf_addc(out, '\n');
}

static void print_item(const struct diag *d, const struct diag_item *item, struct buf *out)
{
	_cleanup_(buf_free) struct buf text = {0};
	const char *line;
	size_t len;

	if (item->at.file) {
		buf_add(out, item->at.file);
		if (item->at.line > 0)
			buf_addf(out, ":%d:%d", item->at.line, item->at.col);
		buf_add(out, ": ");
	}
	value_escape(item->message, 0, &text);
	buf_addf(out, "%s: %s", severity_words[item->severity], buf_str(&text));
	if (item->severity == SEVERITY_WARNING)
		buf_addf(out, " [%s]", item->code);
	buf_addc(out, '\n');
	line = source_line(d, &item->at, &len);
	if (line && len <= 1024) {
		_cleanup_(buf_free) struct buf copy = {0}, shown = {0};

		buf_addn(&copy, line, len);
		for (char *p = copy.s; p && *p; p++)
			*p = *p == '\t' ? ' ' : *p;
		value_escape(buf_str(&copy), 0, &shown);
		buf_addf(out, "  %s\n", buf_str(&shown));
		print_caret(buf_str(&copy), len, &item->at, out);
	}
	for (size_t i = 0; i < DIAG_HINTS_MAX && item->hints[i]; i++)
		buf_addf(out, "  hint: %s\n", item->hints[i]);
}

static void print_count(size_t n, const char *word, struct buf *out)
{
	buf_addf(out, "%zu %s%s", n, word, n == 1 ? "" : "s");
}

void diag_print(struct diag *d, const char *tail, struct buf *out)
{
	if (d->n == 0)
		return;
	sort_items(d);
	for (size_t i = 0; i < d->n; i++)
		print_item(d, &d->items[i], out);
	print_count(d->errors, "error", out);
	buf_add(out, ", ");
	print_count(d->warnings, "warning", out);
	if (tail)
		buf_addf(out, "; %s", tail);
	buf_add(out, ".\n");
}

json_t *diag_to_json(struct diag *d)
{
	json_t *list = json_array();

	sort_items(d);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_item *item = &d->items[i];
		json_t *hints = json_array();

		for (size_t h = 0; h < DIAG_HINTS_MAX && item->hints[h]; h++)
			json_array_append_new(hints, json_string(item->hints[h]));
		json_array_append_new(list,
				      json_pack("{s:s?, s:i, s:i, s:i, s:s, s:s, s:s, s:o}", "file", item->at.file,
						"line", item->at.line, "col", item->at.col, "end-col", item->at.end_col,
						"severity", severity_words[item->severity], "code", item->code,
						"message", item->message, "hint", hints));
	}
	return list;
}

int diag_first_error(struct diag *d, struct err *e)
{
	sort_items(d);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_item *item = &d->items[i];

		if (item->severity == SEVERITY_ERROR || (d->strict && item->severity == SEVERITY_WARNING))
			return err_set_at(e, EINVAL, item->at.file, item->at.line, item->at.col, "%s", item->message);
	}
	return 0;
}
