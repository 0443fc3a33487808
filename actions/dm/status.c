// SPDX-License-Identifier: GPL-2.0-or-later
/* The raid target's status line. Pure. Documentation/admin-guide/device-mapper/dm-raid.rst, and raid_status() in
 * drivers/md/dm-raid.c:
 *
 *   <type> <slots> <health> <done>/<total> <action> <mismatches> [<data_offset> [<journal> [...]]]
 *
 * The last two came with target versions 1.9.0 and 1.10.0. What a later kernel appends is passed over. */
#include "actions/dm/dm.h"

#include <errno.h>
#include <string.h>

static const char *const sync_words[] = {
	[DM_IDLE] = "idle",   [DM_FROZEN] = "frozen", [DM_RESYNC] = "resync",	[DM_RECOVER] = "recover",
	[DM_CHECK] = "check", [DM_REPAIR] = "repair", [DM_RESHAPE] = "reshape", [DM_UNDEF] = "undef",
};

enum { WORD_MAX = 64 };

/* Copies the next word of *p, which ends at a blank or at the line's end. False: there is none, or it is too long. */
static bool next_word(const char **p, char ret[WORD_MAX + 1])
{
	size_t n;

	*p += strspn(*p, " ");
	n = strcspn(*p, " ");
	if (n == 0 || n > WORD_MAX)
		return false;
	memcpy(ret, *p, n);
	ret[n] = '\0';
	*p += n;
	return true;
}

/* Digits only, up to end; false when it is empty, holds anything else or overflows. */
static bool number(const char *s, const char *end, uint64_t *ret)
{
	uint64_t v = 0;

	if (s == end)
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

static bool read_type(const char *w, struct dm_raid_status *s)
{
	if (strncmp(w, "raid", 4) != 0 || strlen(w) >= sizeof(s->type) ||
	    w[strspn(w, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		return false;
	memcpy(s->type, w, strlen(w) + 1);
	return true;
}

static bool read_slots(const char *w, struct dm_raid_status *s)
{
	uint64_t v;

	if (!number(w, w + strlen(w), &v) || v == 0 || v >= sizeof(s->health))
		return false;
	s->slots = (unsigned)v;
	return true;
}

static bool read_health(const char *w, struct dm_raid_status *s)
{
	if (strlen(w) != s->slots || w[strspn(w, "AaD-")])
		return false;
	memcpy(s->health, w, strlen(w) + 1);
	return true;
}

static bool read_ratio(const char *w, struct dm_raid_status *s)
{
	const char *slash = strchr(w, '/');

	return slash && number(w, slash, &s->done) && number(slash + 1, w + strlen(w), &s->total);
}

static bool read_action(const char *w, struct dm_raid_status *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(sync_words); i++)
		if (strcmp(w, sync_words[i]) == 0) {
			s->action = (enum dm_raid_action)i;
			return true;
		}
	return false;
}

static bool read_mismatches(const char *w, struct dm_raid_status *s)
{
	return number(w, w + strlen(w), &s->mismatches);
}

static bool read_data_offset(const char *w, struct dm_raid_status *s)
{
	return number(w, w + strlen(w), &s->data_offset);
}

static bool read_journal(const char *w, struct dm_raid_status *s)
{
	if (strlen(w) != 1 || !strchr("AaD-", w[0]))
		return false;
	s->journal = w[0];
	return true;
}

static const struct field {
	const char *name;
	bool (*read)(const char *w, struct dm_raid_status *s);
	bool optional; /* not there on older kernels; all after it are optional, too */
} fields[] = {
	{"type", read_type, false},
	{"number of slots", read_slots, false},
	{"health", read_health, false},
	{"ratio", read_ratio, false},
	{"sync action", read_action, false},
	{"mismatch count", read_mismatches, false},
	{"data offset", read_data_offset, true},
	{"journal state", read_journal, true},
};

int dm_raid_status_parse(const char *params, struct dm_raid_status *ret, struct err *e)
{
	struct dm_raid_status s = {.journal = '-'};
	const char *p = params;
	char w[WORD_MAX + 1];

	if (params[strcspn(params, "\n\r\t")])
		return err_set(e, EBADMSG, "raid status: more than one line");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!p[strspn(p, " ")]) {
			if (fields[i].optional)
				break;
			return err_set(e, EBADMSG, "raid status: it ends before the %s: '%.200s'", fields[i].name,
				       params);
		}
		if (!next_word(&p, w) || !fields[i].read(w, &s))
			return err_set(e, EBADMSG, "raid status: wrong %s: '%.200s'", fields[i].name, params);
	}
	*ret = s;
	return 0;
}

bool dm_raid_settled(const struct dm_raid_status *s)
{
	return s->action == DM_IDLE && s->health[strspn(s->health, "A-")] == '\0';
}

const char *dm_raid_action_name(enum dm_raid_action action)
{
	return (unsigned)action < ARRAY_SIZE(sync_words) ? sync_words[action] : "undef";
}

/* "2 8:16 8:32 3/16 1 AA 1 core" (mirror_status, drivers/md/dm-raid1.c) */
int dm_mirror_status_parse(const char *params, struct dm_mirror_status *ret, struct err *e)
{
	struct dm_raid_status ratio = {0};
	char w[WORD_MAX + 1];
	const char *p = params;
	bool ok = next_word(&p, w) && strcmp(w, "2") == 0 && next_word(&p, w) && next_word(&p, w);

	ok = ok && next_word(&p, w) && read_ratio(w, &ratio) && next_word(&p, w) && next_word(&p, w);
	if (!ok || strlen(w) != 2 || w[strspn(w, "ADSRFU")] || ratio.total == 0)
		return err_set(e, EBADMSG, "mirror status: '%.200s' makes no sense", params);
	*ret = (struct dm_mirror_status){.health = {w[0], w[1]}, .done = ratio.done, .total = ratio.total};
	return 0;
}
