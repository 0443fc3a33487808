// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/edit.h"

#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <sha1.h>
#include <stdio.h>
#include <string.h>

/* ---- a block of lines of ours ---- */

static const char block_begin[] = "# spared: begin (by 'sparectl manage'; 'sparectl release' takes it away)";
static const char block_end[] = "# spared: end";
static const char begin_word[] = "# spared: begin";

static bool line_is(const char *line, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(line, want, len) == 0;
}

static void add_line(struct buf *b, const char *line, size_t len)
{
	buf_addn(b, line, len);
	buf_addc(b, '\n');
}

/* What stands before, in and behind the block. */
struct parts {
	struct buf before, lines, behind;
	size_t n;
	bool found;
};

static void parts_finish(struct parts *p)
{
	buf_free(&p->before);
	buf_free(&p->lines);
	buf_free(&p->behind);
}

/* Leaves the line out of the block: the caller puts it back if it is to be there. */
static int take_apart(struct parts *p, const char *file, const char *text, const char *line, struct err *e)
{
	bool inside = false;
	int number = 1;

	for (const char *at = text; *at; number++) {
		size_t len = strcspn(at, "\n");

		if (len >= strlen(begin_word) && memcmp(at, begin_word, strlen(begin_word)) == 0) {
			if (p->found)
				return err_set_at(e, EINVAL, file, number, 1,
						  "a second block of spared's begins here; remove one");
			p->found = inside = true;
		} else if (inside && line_is(at, len, block_end)) {
			inside = false;
		} else if (!inside) {
			struct buf *to = p->found ? &p->behind : &p->before;

			buf_addn(to, at, len + (at[len] == '\n'));
		} else if (!line_is(at, len, line)) {
			add_line(&p->lines, at, len);
			p->n++;
		}
		at += len + (at[len] == '\n');
	}
	if (inside)
		return err_set(e, EINVAL,
			       "%s: the block of spared's has no line '%s'; put it back behind the block's lines", file,
			       block_end);
	return 0;
}

int edit_block(const char *file, const char *text, const char *line, bool present, struct buf *ret, size_t *ret_lines,
	       struct err *e)
{
	_cleanup_(parts_finish) struct parts p = {0};
	const char *before;
	int r = take_apart(&p, file, text, line, e);

	if (r < 0)
		return r;
	if (present) {
		add_line(&p.lines, line, strlen(line));
		p.n++;
	}
	before = buf_str(&p.before);
	buf_add(ret, before);
	if (p.n) {
		if (before[0] && before[strlen(before) - 1] != '\n')
			buf_addc(ret, '\n');
		add_line(ret, block_begin, strlen(block_begin));
		buf_add(ret, buf_str(&p.lines));
		add_line(ret, block_end, strlen(block_end));
	}
	buf_add(ret, buf_str(&p.behind));
	*ret_lines = p.n;
	return 0;
}

/* ---- manage: in spared.yaml ---- */

static bool lists(const struct settings *s, const char *guid)
{
	for (size_t i = 0; i < s->n_manage; i++)
		if (strcmp(s->manage[i], guid) == 0)
			return true;
	return false;
}

static int parse(struct settings *s, const char *file, const char *text, struct err *e)
{
	struct diag d;
	int r;

	diag_init(&d);
	r = settings_parse(s, file, text, strlen(text), &d);
	if (r < 0 && diag_first_error(&d, e) == 0)
		err_set(e, -r, "%s cannot be parsed", file);
	diag_finish(&d);
	return r;
}

/* The byte at a place of a text; columns are characters. */
static size_t offset_of(const char *text, int line, int col)
{
	const char *p = text;

	for (; line > 1 && *p; line--) {
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	for (; col > 1 && *p && *p != '\n'; col--)
		for (p++; ((unsigned char)*p & 0xc0) == 0x80;)
			p++;
	return (size_t)(p - text);
}

static size_t line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const char *text, size_t at)
{
	at += strcspn(text + at, "\n");
	return at + (text[at] == '\n');
}

static void splice(struct buf *ret, const char *text, size_t from, size_t to, const char *with)
{
	buf_addn(ret, text, from);
	buf_add(ret, with);
	buf_add(ret, text + to);
}

static void add_guid(struct buf *ret, const char *text, const struct node *list, const char *guid)
{
	_cleanup_(buf_free) struct buf line = {0};
	size_t at = strlen(text), len;

	if (!list) {
		bool whole = at == 0 || text[at - 1] == '\n';

		buf_addf(&line, "%s%smanage:\n  - %s\n", whole ? "" : "\n", at ? "" : "version: 1\n", guid);
		splice(ret, text, at, at, buf_str(&line));
		return;
	}
	at = offset_of(text, list->at.line, list->at.col);
	if (list->kind == NODE_SCALAR) {
		len = offset_of(text, list->at.line, list->at.end_col) - at;
		buf_addf(&line, "[%.*s, %s]", (int)len, text + at, guid);
		splice(ret, text, at, at + len, buf_str(&line));
	} else if (text[at] == '[') {
		buf_addf(&line, "%s%s", guid, list->n ? ", " : "");
		splice(ret, text, at + 1, at + 1, buf_str(&line));
	} else {
		/* A block list: a line of its own above the first, indented like it. */
		size_t start = line_start(text, at);

		buf_addn(&line, text + start, at - start);
		buf_addf(&line, "- %s\n", guid);
		splice(ret, text, start, start, buf_str(&line));
	}
}

/* From the item to the next one in [a, b], or from the one before it. */
static void cut_flow(struct buf *ret, const char *text, size_t from, size_t to)
{
	size_t next = to + strspn(text + to, " \t\n");

	if (text[next] == ',') {
		next++;
		splice(ret, text, from, next + strspn(text + next, " \t"), "");
		return;
	}
	while (from > 0 && isspace((unsigned char)text[from - 1]))
		from--;
	splice(ret, text, from - (from > 0 && text[from - 1] == ','), to, "");
}

static void remove_guid(struct buf *ret, const char *text, const struct node *list, const char *guid)
{
	size_t from, to, at = offset_of(text, list->at.line, list->at.col);

	for (size_t i = 0; i < (list->kind == NODE_LIST ? list->n : 1); i++) {
		const struct node *item = list->kind == NODE_LIST ? list->items[i] : list;

		if (strcmp(item->text, guid) != 0)
			continue;
		from = offset_of(text, item->at.line, item->at.col);
		to = offset_of(text, item->at.line, item->at.end_col);
		if (list->kind == NODE_SCALAR)
			splice(ret, text, from, to, "[]");
		else if (text[at] == '[')
			cut_flow(ret, text, from, to);
		else if (list->n == 1) /* "manage:" alone would be nothing, not an empty list */
			splice(ret, text, at, line_end(text, from), at == line_start(text, at) ? " []\n" : "[]\n");
		else
			splice(ret, text, line_start(text, from), line_end(text, from), "");
		return;
	}
}

int edit_manage(const char *file, const char *text, const char *guid, bool present, struct buf *ret, struct err *e)
{
	_cleanup_(settings_finish) struct settings before = {0}, after = {0};
	const struct node *list;
	size_t from = ret->len;
	int r = parse(&before, file, text, e);

	if (r < 0)
		return r;
	list = before.tree.root ? node_get(before.tree.root, "manage") : NULL;
	if (lists(&before, guid) == present)
		buf_add(ret, text);
	else if (present)
		add_guid(ret, text, list, guid);
	else if (list)
		remove_guid(ret, text, list, guid);
	r = parse(&after, file, buf_str(ret) + from, NULL);
	if (r < 0 || lists(&after, guid) != present ||
	    after.n_manage + lists(&before, guid) != before.n_manage + present)
		return err_set_at(e, EINVAL, file, list ? list->at.line : 1, list ? list->at.col : 1,
				  "'manage' is written in a way that is not edited here; %s '%s' %s it by hand",
				  present ? "add" : "remove", guid, present ? "to" : "from");
	if (!present && list && settings_manages(&after, guid))
		return err_set_at(e, EINVAL, file, list->at.line, list->at.col,
				  "a pattern under 'manage' still matches %s; change it by hand", guid);
	return 0;
}

/* ---- mdadm's name of a container ---- */

int edit_mdadm_uuid(const char *guid, char ret[36])
{
	uint8_t bytes[24], hash[SHA1_DIGEST_LENGTH];
	SHA1_CTX sha1;
	int at = 0;

	if (strlen(guid) != 2 * sizeof(bytes) || strspn(guid, "0123456789abcdef") != 2 * sizeof(bytes))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		char digits[3] = {guid[2 * i], guid[2 * i + 1], '\0'};

		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	SHA1Init(&sha1);
	SHA1Update(&sha1, bytes, sizeof(bytes));
	SHA1Final(hash, &sha1);
	/* Four words, each with its lowest byte printed last. */
	for (size_t i = 0; i < 4; i++)
		at += snprintf(ret + at, (size_t)(36 - at), "%s%02x%02x%02x%02x", i ? ":" : "", hash[4 * i + 3],
			       hash[4 * i + 2], hash[4 * i + 1], hash[4 * i]);
	return 0;
}
