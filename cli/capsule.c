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

static int take_line(struct capsule *c, const json_t *line, size_t number, struct err *e)
{
	const char *part = json_string_value(json_object_get(line, "part"));

	if (number == 1)
		return take_head(c, line, e);
	if (part && strcmp(part, "disk") == 0)
		return take_disk(c, line, e);
	if (part && strcmp(part, "sectors") == 0)
		return take_sectors(c, line, e);
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
		r = json_is_object(line) ? take_line(c, line, number, e)
					 : err_set(e, EBADMSG, "no JSON object, or too long");
		json_decref(line);
		if (r < 0)
			return err_prefix(e, "%s", where);
		text += n + (newline != NULL);
	}
	return c->version[0] ? 0 : err_set(e, EBADMSG, "it is empty");
}
