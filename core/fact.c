// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/fact.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

const char *const origin_words[] = {"kernel", "operator", "own", "synthesised", "injected", NULL};
const char *const media_words[] = {"hdd", "ssd", "nvme", "other", NULL};
const char *const role_words[] = {"member", "spare", "path", "leg", "none", NULL};
const char *const contents_words[] = {"blank", "member", "foreign", "filesystem", "unreadable", NULL};
const char *const member_words[] = {"in-sync", "rebuilding", "stale", "missing", "failed", "empty", NULL};
const char *const array_words[] = {"inactive", "optimal", "degraded", "failed", "read-only", NULL};
const char *const stopped_words[] = {"none", "operator", "broker", NULL};
const char *const spare_kind_words[] = {"dedicated", "pool", "global", NULL};
const char *const spare_state_words[] = {"idle", "active", "lost", "failed", NULL};
const char *const error_words[] = {"medium", "io",	"target",   "protection", "timeout", "transport",
				   "nospc",  "offline", "resource", "other",	  NULL};
const char *const operation_words[] = {"read", "write", "flush", "discard", "zeroes", "other", NULL};
const char *const attention_words[] = {"inquiry-changed", "capacity-changed",
				       "thin-threshold",  "mode-changed",
				       "luns-changed",	  "access-changed",
				       "reset",		  "medium-changed",
				       "other",		  NULL};
const char *const corrupt_words[] = {"data", "metadata", "other", NULL};
const char *const snapshot_words[] = {"active", "invalid", NULL};
const char *const resync_words[] = {"resync", "rebuild", "check", "repair", "replace", NULL};
const char *const resync_result_words[] = {"done", "interrupted", "failed", NULL};
const char *const read_check_words[] = {"running", "ok", "failed", "unfinished", "stopped", NULL};
const char *const light_words[] = {"fault", "locate", NULL};
const char *const action_words[] = {"ok", "failed", "refused", "timeout", NULL};

const char *const sort_words[] = {"none", "device", "member", "array", "spare", "path", "snapshot", NULL};

const struct fact_desc fact_table[FACT_MAX] = {
#define X(id, fact_name, fact_type, fact_words, fact_from, fact_on, fact_optional, fact_doc)                           \
	[FACT_##id] = {.name = (fact_name),                                                                            \
		       .type = (fact_type),                                                                            \
		       .words = (fact_words),                                                                          \
		       .from = (fact_from),                                                                            \
		       .on = (fact_on),                                                                                \
		       .optional = (fact_optional),                                                                    \
		       .doc = (fact_doc)},
	FACT_TABLE(X)
#undef X
#define X(id, fact_name, fact_type, fact_words, fact_from, fact_on, fact_optional, fact_doc)                           \
	[FACT_PREVIOUS_##id] = {.name = "previous." fact_name,                                                         \
				.type = (fact_type),                                                                   \
				.words = (fact_words),                                                                 \
				.from = FROM_EVENT,                                                                    \
				.on = "device.changed",                                                                \
				.optional = true,                                                                      \
				.doc = "what " fact_name " was before"},
		DEVICE_FACTS(X)
#undef X
};

const char *const event_kinds[] = {
	"device.added",
	"device.removed",
	"device.changed",
	"device.attention",
	"block.error",
	"block.slow",
	"block.corrupt",
	"path.failed",
	"path.reinstated",
	"array.started",
	"array.stopped",
	"array.degraded",
	"array.failed",
	"array.member-failed",
	"array.resync-started",
	"array.resync-finished",
	"array.mismatch",
	"array.optimal",
	"snapshot.added",
	"snapshot.invalid",
	"snapshot.removed",
	"spare.added",
	"spare.lost",
	"spare.activated",
	"action.started",
	"action.succeeded",
	"action.failed",
	"action.refused",
	"broker.started",
	"broker.overflow",
	"broker.resynced",
	"broker.loop",
	"broker.evicted",
	"broker.history-lost",
	"broker.history-restored",
	NULL,
};

int fact_lookup(const char *name)
{
	for (int i = 0; i < FACT_MAX; i++)
		if (strcmp(fact_table[i].name, name) == 0)
			return i;
	return -ENOENT;
}

bool kind_known(const char *kind)
{
	for (size_t i = 0; event_kinds[i]; i++)
		if (strcmp(event_kinds[i], kind) == 0)
			return true;
	return false;
}

bool kind_valid(const char *kind)
{
	size_t dots = 0, in_word = 0;

	for (const char *p = kind; *p; p++) {
		if (*p == '.') {
			if (in_word == 0 || ++dots > 1)
				return false;
			in_word = 0;
		} else if (islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-') {
			in_word++;
		} else {
			return false;
		}
	}
	return dots == 1 && in_word > 0 && strlen(kind) <= 64;
}
