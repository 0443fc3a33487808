// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipeline/uevent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The first len bytes are a decimal number. */
static bool number_of(const char *text, size_t len, int64_t max, int64_t *ret)
{
	if (len == 0 || len > 18 || strspn(text, "0123456789") < len)
		return false;
	*ret = strtoll(text, NULL, 10);
	return *ret <= max;
}

/* "8:16", "0,100" */
static bool number_pair(const char *text, char between, const int64_t max[2], int64_t ret[2])
{
	const char *second = strchr(text, between);

	return second && number_of(text, (size_t)(second - text), max[0], &ret[0]) &&
	       number_of(second + 1, strlen(second + 1), max[1], &ret[1]);
}

/* ---- multipath ---- */

static int path_about(const struct raw_device *raw, struct raw_number *number)
{
	static const int64_t max[2] = {UINT32_MAX, UINT32_MAX};
	int64_t n[2], valid;

	if (!raw->dm_path || !number_pair(raw->dm_path, ':', max, n) || !raw->dm_valid_paths ||
	    !number_of(raw->dm_valid_paths, strlen(raw->dm_valid_paths), INT32_MAX, &valid))
		return -EBADMSG;
	*number = (struct raw_number){(unsigned)n[0], (unsigned)n[1]};
	return 1;
}

static int path_facts(struct event *ev, const struct raw_device *raw)
{
	char map[128];
	int r;

	normalise_identity(raw, map, sizeof(map));
	ev->map = strdup(map);
	r = ev->map ? event_set(ev, FACT_PATH_MAP, value_str(map)) : -ENOMEM;
	return r < 0 ? r : event_set(ev, FACT_PATH_VALID, value_int(strtoll(raw->dm_valid_paths, NULL, 10)));
}

/* ---- checksums ---- */

/* The type of the block, enum verity_block_type, and its number. */
static const int64_t verity_max[2] = {INT32_MAX, INT64_MAX};

static int verity_about(const struct raw_device *raw, struct raw_number *number)
{
	int64_t n[2];

	*number = (struct raw_number){raw->major, raw->minor};
	return number_pair(raw->verity_error, ',', verity_max, n) ? 1 : -EBADMSG;
}

static int verity_facts(struct event *ev, const struct raw_device *raw)
{
	static const enum corrupt parts[] = {CORRUPT_DATA, CORRUPT_METADATA};
	int64_t n[2];
	int r;

	if (!number_pair(raw->verity_error, ',', verity_max, n))
		return -EBADMSG;
	r = event_set(
		ev, FACT_CORRUPT_PART,
		fact_enum(FACT_CORRUPT_PART, n[0] < (int64_t)ARRAY_SIZE(parts) ? (int)parts[n[0]] : CORRUPT_OTHER));
	return r < 0 ? r : event_set(ev, FACT_CORRUPT_BLOCK, value_int(n[1]));
}

/* ---- SCSI ---- */

static int attention_about(const struct raw_device *raw, struct raw_number *number)
{
	*number = (struct raw_number){raw->major, raw->minor};
	return raw->major ? 1 : 0; /* one without a disk: a tape, an enclosure */
}

static int attention_facts(struct event *ev, const struct raw_device *raw)
{
	static const struct {
		const char *word;
		enum attention what;
	} words[] = {
		{"INQUIRY_DATA_HAS_CHANGED", ATTENTION_INQUIRY},
		{"CAPACITY_DATA_HAS_CHANGED", ATTENTION_CAPACITY},
		{"THIN_PROVISIONING_SOFT_THRESHOLD_REACHED", ATTENTION_THIN},
		{"MODE_PARAMETERS_CHANGED", ATTENTION_MODE},
		{"REPORTED_LUNS_DATA_HAS_CHANGED", ATTENTION_LUNS},
		{"ASYMMETRIC_ACCESS_STATE_CHANGED", ATTENTION_ACCESS},
		{"POWER_ON_RESET_OCCURRED", ATTENTION_RESET},
	};
	enum attention what = raw->scsi_attention ? ATTENTION_OTHER : ATTENTION_MEDIUM;

	for (size_t i = 0; raw->scsi_attention && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, raw->scsi_attention) == 0)
			what = words[i].what;
	return event_set(ev, FACT_ATTENTION_WHAT, fact_enum(FACT_ATTENTION_WHAT, (int)what));
}

/* ---- which ---- */

static bool has_verity(const struct raw_device *raw)
{
	return raw->verity_error;
}

static bool has_attention(const struct raw_device *raw)
{
	return raw->scsi_attention || raw->medium_changed;
}

static bool has_failed(const struct raw_device *raw)
{
	return raw->dm_action && strcmp(raw->dm_action, "PATH_FAILED") == 0;
}

static bool has_reinstated(const struct raw_device *raw)
{
	return raw->dm_action && strcmp(raw->dm_action, "PATH_REINSTATED") == 0;
}

static const struct telling {
	const char *kind;
	bool (*has)(const struct raw_device *raw);
	int (*about)(const struct raw_device *raw, struct raw_number *number);
	int (*facts)(struct event *ev, const struct raw_device *raw);
} tellings[] = {
	{"block.corrupt", has_verity, verity_about, verity_facts},
	{"device.attention", has_attention, attention_about, attention_facts},
	{"path.failed", has_failed, path_about, path_facts},
	{"path.reinstated", has_reinstated, path_about, path_facts},
};

static const struct telling *telling_of(const struct raw_device *raw)
{
	for (size_t i = 0; raw->action && strcmp(raw->action, "change") == 0 && i < ARRAY_SIZE(tellings); i++)
		if (tellings[i].has(raw))
			return &tellings[i];
	return NULL;
}

int uevent_about(const struct raw_device *raw, struct raw_number *number)
{
	const struct telling *t = telling_of(raw);

	return t ? t->about(raw, number) : 0;
}

int uevent_normalise(const struct raw_device *raw, const char *device_id, const char *name, enum origin origin,
		     struct event **ret)
{
	const struct telling *t = telling_of(raw);
	_cleanup_(event_freep) struct event *ev = NULL;
	struct raw_number number;

	if (!t || t->about(raw, &number) <= 0)
		return 0;
	ev = event_new(t->kind, "udev", origin);
	if (!ev)
		return -ENOMEM;
	ev->device = strdup(device_id);
	ev->time = raw->boot;
	if (!ev->device || t->facts(ev, raw) < 0 || (name && event_set(ev, FACT_DEVICE_NAME, value_str(name)) < 0))
		return -ENOMEM;
	if (raw->dm_name) {
		_cleanup_(buf_free) struct buf b = {0};

		value_escape(raw->dm_name, 0, &b);
		ev->extra = json_pack("{s:s}", "dm-name", buf_str(&b));
		if (!ev->extra)
			return -ENOMEM;
	}
	*ret = TAKE_PTR(ev);
	return 1;
}
