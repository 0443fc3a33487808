// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/capsule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char magic[] = "{\"capsule\":";

bool capsule_is(const char *text, size_t len)
{
	return len >= sizeof(magic) - 1 && memcmp(text, magic, sizeof(magic) - 1) == 0;
}

void capsule_finish(struct capsule *c)
{
	for (size_t i = 0; i < c->n_disks; i++)
		sectors_finish(&c->disks[i]);
	free(c->disks);
	*c = (struct capsule){0};
}

static int take_head(struct capsule *c, const json_t *line, struct err *e)
{
	const char *version;
	int number;

	if (json_unpack((json_t *)line, "{s:i s:s}", "capsule", &number, "version", &version) < 0)
		return err_set(e, EBADMSG, "it is no capsule");
	if (number != 1)
		return err_set(e, EBADMSG, "a capsule of version %d, this reads version 1", number);
	snprintf(c->version, sizeof(c->version), "%.*s", (int)sizeof(c->version) - 1, version);
	return 0;
}

static int take_disk(struct capsule *c, const json_t *line, struct err *e)
{
	struct sectors *more;

	if (c->n_disks == CAPSULE_DISKS_MAX)
		return err_set(e, EBADMSG, "more than %d disks", CAPSULE_DISKS_MAX);
	more = reallocarray(c->disks, c->n_disks + 1, sizeof(*more));
	if (!more)
		return err_sys(e, ENOMEM, "capsule");
	c->disks = more;
	return sectors_begin(&more[c->n_disks++], line, e);
}

/* A byte that fills a million sectors is one line: all together have a limit, too. */
static int take_sectors(struct capsule *c, const json_t *line, struct err *e)
{
	size_t total = 0;

	for (size_t i = 0; i < c->n_disks; i++)
		total += c->disks[i].total;
	if (total > CAPSULE_SECTORS_MAX)
		return err_set(e, EBADMSG, "more than %d sectors", CAPSULE_SECTORS_MAX);
	return c->n_disks ? sectors_add(&c->disks[c->n_disks - 1], line, e) : err_set(e, EBADMSG, "sectors of no disk");
}

static const json_t *rows_of(const json_t *line)
{
	return json_object_get(json_object_get(line, "body"), "rows");
}

static bool is_before(const json_t *row)
{
	const char *table = json_string_value(json_object_get(row, "table"));

	return table && strcmp(table, "before") == 0;
}

/* Not taken apart before somebody asks: JSON is some ten times as large in memory. */
static int take_history(struct capsule *c, const json_t *line, const char *text, size_t len, struct err *e)
{
	if (!is_before(json_array_get(rows_of(line), 0)))
		return 0;
	c->before_bytes += len;
	if (c->n_before == CAPSULE_BEFORE_LINES_MAX || c->before_bytes > CAPSULE_BEFORE_MAX + CAPSULE_LINE_MAX)
		return err_set(e, EBADMSG, "more than %d MiB of what plans wrote over, or too many lines of it",
			       CAPSULE_BEFORE_MAX >> 20);
	c->before[c->n_before].text = text;
	c->before[c->n_before++].len = len;
	return 0;
}

static int each_before(void *u, const char *plan, bool (*fn)(void *u, const json_t *row), void *fn_u)
{
	const struct capsule *c = u;
	bool more = true;

	for (size_t i = 0; i < c->n_before && more; i++) {
		json_t *line = json_loadb(c->before[i].text, c->before[i].len, 0, NULL), *row;
		size_t k;

		if (!line)
			return -ENOMEM; /* it was read once already */
		json_array_foreach((json_t *)rows_of(line), k, row)
		{
			const char *of = json_string_value(json_object_get(json_object_get(row, "row"), "plan"));

			if (more && is_before(row) && of && (!plan || strcmp(of, plan) == 0))
				more = fn(fn_u, row);
		}
		json_decref(line);
	}
	return 0;
}

struct before_rows capsule_before(struct capsule *c)
{
	return (struct before_rows){.each = each_before, .u = c};
}

static int take_line(struct capsule *c, const json_t *line, size_t number, const char *text, size_t len, struct err *e)
{
	const char *part = json_string_value(json_object_get(line, "part"));

	if (number == 1)
		return take_head(c, line, e);
	if (part && strcmp(part, "disk") == 0)
		return take_disk(c, line, e);
	if (part && strcmp(part, "sectors") == 0)
		return take_sectors(c, line, e);
	if (part && strcmp(part, "history") == 0)
		return take_history(c, line, text, len, e);
	return 0;
}

int capsule_parse(const char *text, size_t len, struct capsule *c, struct err *e)
{
	const char *end = text + len;

	*c = (struct capsule){0};
	if (len > CAPSULE_BYTES_MAX)
		return err_set(e, EBADMSG, "the capsule is larger than %d MiB", CAPSULE_BYTES_MAX >> 20);
	for (size_t number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);
		char where[32];
		json_t *line;
		int r;

		snprintf(where, sizeof(where), "line %zu", number);
		line = n <= CAPSULE_LINE_MAX ? json_loadb(text, n, 0, NULL) : NULL;
		r = json_is_object(line) ? take_line(c, line, number, text, n, e)
					 : err_set(e, EBADMSG, "no JSON object, or too long");
		json_decref(line);
		if (r < 0)
			return err_prefix(e, "%s", where);
		text += n + (newline != NULL);
	}
	return c->version[0] ? 0 : err_set(e, EBADMSG, "it is empty");
}
