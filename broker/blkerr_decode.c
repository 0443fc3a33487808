// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/blkerr_decode.h"

#include "contrib/blkerr/blkerr.h"

#include <errno.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <string.h>

enum { ERRNO_MAX = 4095 };

#define IN_ERROR (1u << BLKERR_CMD_ERROR)
#define IN_STATS (1u << BLKERR_CMD_STATS)

/* size 0: a text. */
#define ROW(NAME, member, width, commands)                                                                             \
	[BLKERR_A_##NAME] = {#NAME, offsetof(struct blkerr_message, member), width, commands}

static const struct row {
	const char *name;
	size_t offset, size;
	unsigned in; /* commands that must have it */
} rows[BLKERR_A_LAST] = {
	ROW(MAJOR, major, 4, IN_ERROR),
	ROW(MINOR, minor, 4, IN_ERROR),
	ROW(DISKSEQ, diskseq, 8, IN_ERROR),
	ROW(SECTOR, sector, 8, IN_ERROR),
	ROW(SECTORS, sectors, 4, IN_ERROR),
	ROW(OPERATION, operation, 0, IN_ERROR),
	ROW(STATUS, status, 4, IN_ERROR),
	ROW(ERRNO, error, 4, IN_ERROR),
	ROW(TIME, time, 8, IN_ERROR),
	ROW(SEQ, seq, 8, IN_ERROR | IN_STATS),
	ROW(DROPPED, dropped, 8, IN_ERROR | IN_STATS),
	ROW(LIMITED, limited, 8, IN_STATS),
	ROW(OVERRUN, overrun, 8, IN_STATS),
	ROW(SENT, sent, 8, IN_STATS),
};

static bool take_text(const struct nlattr *a, char *to, size_t size)
{
	size_t len = (size_t)nla_len(a), n = strnlen(nla_data(a), len);

	if (n == len || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (((const char *)nla_data(a))[i] < ' ' || ((const char *)nla_data(a))[i] > '~')
			return false;
	memcpy(to, nla_data(a), n + 1);
	return true;
}

static int take(const struct nlattr *a, struct blkerr_message *m, unsigned *seen, struct err *e)
{
	unsigned type = (unsigned)nla_type(a);
	const struct row *row = type < BLKERR_A_LAST ? &rows[type] : NULL;
	char *to;

	if (!row || !row->name)
		return 0;
	to = (char *)m + row->offset;
	if (row->size ? (size_t)nla_len(a) != row->size : !take_text(a, to, sizeof(m->operation)))
		return err_set(e, EBADMSG, "%s of %d bytes", row->name, nla_len(a));
	if (row->size)
		memcpy(to, nla_data(a), row->size);
	*seen |= 1u << type;
	return 0;
}

static int check(const struct blkerr_message *m, struct err *e)
{
	if (m->command != BLKERR_CMD_ERROR)
		return 0;
	/* 12 bits and 20 bits: include/linux/kdev_t.h */
	if (m->major > 0xfff || m->minor > 0xfffff)
		return err_set(e, EBADMSG, "device %u:%u", m->major, m->minor);
	if (m->error == 0 || m->error > ERRNO_MAX)
		return err_set(e, EBADMSG, "errno %u", m->error);
	if (m->time > INT64_MAX || m->seq == 0)
		return err_set(e, EBADMSG, "a time or a number that cannot be");
	return 0;
}

int blkerr_decode(uint8_t command, const void *payload, size_t len, struct blkerr_message *ret, struct err *e)
{
	const struct nlattr *a = payload;
	struct blkerr_message m = {.command = command};
	int left = (int)len, r = 0;
	unsigned seen = 0;

	if (command != BLKERR_CMD_ERROR && command != BLKERR_CMD_STATS)
		return err_set(e, EBADMSG, "command %u", command);
	if (len > INT32_MAX)
		return err_set(e, EBADMSG, "%zu bytes", len);
	for (; r == 0 && nla_ok(a, left); a = nla_next(a, &left))
		r = take(a, &m, &seen, e);
	if (r < 0)
		return r;
	if (left > 0)
		return err_set(e, EBADMSG, "%d bytes that are no attribute", left);
	for (size_t i = 0; i < BLKERR_A_LAST; i++)
		if (rows[i].in & 1u << command && !(seen & 1u << i))
			return err_set(e, EBADMSG, "no %s", rows[i].name);
	r = check(&m, e);
	if (r == 0)
		*ret = m;
	return r;
}
