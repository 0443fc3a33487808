// SPDX-License-Identifier: GPL-2.0-or-later
/* The vocabulary: event kinds, subject sorts, and the facts that rules may name. rules-language 3.3, 3.4.
 * One row a fact; the rule loader, the enrichment, the man page and the JSON Schema read this table. */
#pragma once

#include "core/value.h"

enum subject_sort { SORT_NONE, SORT_DEVICE, SORT_MEMBER, SORT_ARRAY, SORT_SPARE, SORT_PATH, SORT_SNAPSHOT, SORT_MAX };

/* Where a fact comes from: brought by events of some kinds, or read from the inventory whenever the subject leads to
 * it. */
enum fact_from { FROM_EVENT, FROM_INVENTORY, FROM_MATCH, FROM_CALENDAR };

/* X(ID, name, type, words, from, on, optional, doc)
 * on: FROM_EVENT: the kinds (a glob list, comma-separated) that bring it; FROM_INVENTORY: the sort's prefix. */
#define EVENT_FACTS(X)                                                                                                 \
	X(EVENT_KIND, "event.kind", V_STRING, NULL, FROM_EVENT, "*", false, "kind of the event")                       \
	X(EVENT_SEQ, "event.seq", V_INT, NULL, FROM_EVENT, "*", false, "the broker's sequence number")                 \
	X(EVENT_TIME, "event.time", V_TIME, NULL, FROM_EVENT, "*", false, "when it happened")                          \
	X(EVENT_SOURCE, "event.source", V_STRING, NULL, FROM_EVENT, "*", false,                                        \
	  "udev, dm, tracefs, control, rules, ..")                                                                     \
	X(EVENT_ORIGIN, "event.origin", V_ENUM, origin_words, FROM_EVENT, "*", false, "who caused it")                 \
	X(EVENT_COUNT, "event.count", V_INT, NULL, FROM_EVENT, "*", false, "how many raw events it stands for")        \
	X(EVENT_GENERATION, "event.generation", V_INT, NULL, FROM_EVENT, "*", false,                                   \
	  "0 from a source, its cause's + 1 else")

/* Each of them has a twin, previous.device.*: what it was before a device.changed. */
#define DEVICE_FACTS(X)                                                                                                \
	X(DEVICE_ID, "device.id", V_STRING, NULL, FROM_INVENTORY, "device", false,                                     \
	  "stable: WWN, else serial, else path")                                                                       \
	X(DEVICE_NAME, "device.name", V_STRING, NULL, FROM_INVENTORY, "device", true, "kernel name now")               \
	X(DEVICE_WWN, "device.wwn", V_STRING, NULL, FROM_INVENTORY, "device", true, "world wide name")                 \
	X(DEVICE_SERIAL, "device.serial", V_STRING, NULL, FROM_INVENTORY, "device", true, "serial number")             \
	X(DEVICE_MODEL, "device.model", V_STRING, NULL, FROM_INVENTORY, "device", true, "model")                       \
	X(DEVICE_VENDOR, "device.vendor", V_STRING, NULL, FROM_INVENTORY, "device", true, "vendor")                    \
	X(DEVICE_FIRMWARE, "device.firmware", V_STRING, NULL, FROM_INVENTORY, "device", true, "firmware revision")     \
	X(DEVICE_SIZE, "device.size", V_SIZE, NULL, FROM_INVENTORY, "device", false, "size")                           \
	X(DEVICE_SECTOR_SIZE, "device.sector-size", V_SIZE, NULL, FROM_INVENTORY, "device", false,                     \
	  "logical sector size")                                                                                       \
	X(DEVICE_MEDIA, "device.media", V_ENUM, media_words, FROM_INVENTORY, "device", false, "kind of medium")        \
	X(DEVICE_TRANSPORT, "device.transport", V_STRING, NULL, FROM_INVENTORY, "device", true,                        \
	  "sata sas nvme fc iscsi usb ..")                                                                             \
	X(DEVICE_ROLE, "device.role", V_ENUM, role_words, FROM_INVENTORY, "device", false, "what it is to spared")     \
	X(DEVICE_PRESENT, "device.present", V_BOOL, NULL, FROM_INVENTORY, "device", false, "attached now")             \
	X(DEVICE_READ_ONLY, "device.read-only", V_BOOL, NULL, FROM_INVENTORY, "device", false, "refuses writes")       \
	X(DEVICE_CONTROLLER, "device.controller", V_STRING, NULL, FROM_INVENTORY, "device", true,                      \
	  "from sysfs, kept while away")                                                                               \
	X(DEVICE_ENCLOSURE, "device.enclosure", V_STRING, NULL, FROM_INVENTORY, "device", true,                        \
	  "from sysfs, kept while away")                                                                               \
	X(DEVICE_SLOT, "device.slot", V_STRING, NULL, FROM_INVENTORY, "device", true, "place in the enclosure")        \
	X(DEVICE_SLOT_LIGHT, "device.slot-light", V_ENUM, light_words, FROM_INVENTORY, "device", true,                 \
	  "light of its place that spared has put on")                                                                 \
	X(DEVICE_SLOT_LIGHT_FOR, "device.slot-light-for", V_STRING, NULL, FROM_INVENTORY, "device", true,              \
	  "device.id of the disk for which that was")                                                                  \
	X(DEVICE_SLOT_OF, "device.slot-of", V_STRING, NULL, FROM_INVENTORY, "device", true,                            \
	  "array whose failed or missing member was last in this place")                                               \
	X(DEVICE_RETURNS_TO, "device.returns-to", V_STRING, NULL, FROM_INVENTORY, "device", true,                      \
	  "array in which a spare stands in for it, or for the disk that was in its place")                            \
	X(DEVICE_REVERTIBLE, "device.revertible", V_BOOL, NULL, FROM_INVENTORY, "device", true,                        \
	  "with that: by its assignment that spare gives the slot back")                                               \
	X(DEVICE_CONTENTS, "device.contents", V_ENUM, contents_words, FROM_INVENTORY, "device", false,                 \
	  "what the probe found")                                                                                      \
	X(DEVICE_CONTENTS_NAME, "device.contents-name", V_STRING, NULL, FROM_INVENTORY, "device", true,                \
	  "the same in words")                                                                                         \
	X(DEVICE_TAGS, "device.tags", V_SET, NULL, FROM_INVENTORY, "device", false, "given in spared.yaml")            \
	X(DEVICE_MARKS, "device.marks", V_SET, NULL, FROM_INVENTORY, "device", false, "given by the mark action")      \
	X(DEVICE_MAINTENANCE, "device.maintenance", V_BOOL, NULL, FROM_INVENTORY, "device", false,                     \
	  "itself or its array")                                                                                       \
	X(DEVICE_ERRORS, "device.errors", V_INT, NULL, FROM_INVENTORY, "device", false, "in the open case")            \
	X(DEVICE_IOS, "device.ios", V_INT, NULL, FROM_INVENTORY, "device", true, "I/Os done, a counter")               \
	X(DEVICE_LATENCY, "device.latency", V_DURATION, NULL, FROM_INVENTORY, "device", true,                          \
	  "mean of the last minute")                                                                                   \
	X(DEVICE_LATENCY_RATIO, "device.latency-ratio", V_NUMBER, NULL, FROM_INVENTORY, "device", true,                \
	  "to the median of its array's members")                                                                      \
	X(DEVICE_PREDICTED_FAILURE, "device.predicted-failure", V_BOOL, NULL, FROM_INVENTORY, "device", true,          \
	  "SMART, NVMe or DDF flag")                                                                                   \
	X(DEVICE_PENDING_SECTORS, "device.pending-sectors", V_INT, NULL, FROM_INVENTORY, "device", true,               \
	  "unreadable sectors")                                                                                        \
	X(DEVICE_WEAR, "device.wear", V_PERCENT, NULL, FROM_INVENTORY, "device", true, "of its rated life")            \
	X(DEVICE_READ_CHECK, "device.read-check", V_ENUM, read_check_words, FROM_INVENTORY, "device", true,            \
	  "how reading all of it went last")                                                                           \
	X(DEVICE_READ_ERRORS, "device.read-errors", V_INT, NULL, FROM_INVENTORY, "device", true,                       \
	  "places (of 1 MiB) that it could not read then")                                                             \
	X(DEVICE_READ_REGION, "device.read-region", V_INT, NULL, FROM_INVENTORY, "device", true,                       \
	  "the first of them, as error.region")

#define OTHER_FACTS(X)                                                                                                 \
	X(MEMBER_ID, "member.id", V_STRING, NULL, FROM_INVENTORY, "member", false, "array id / slot")                  \
	X(MEMBER_SLOT, "member.slot", V_INT, NULL, FROM_INVENTORY, "member", false, "slot number, from 0")             \
	X(MEMBER_STATE, "member.state", V_ENUM, member_words, FROM_INVENTORY, "member", false, "state of the slot")    \
	X(MEMBER_PREVIOUS_STATE, "member.previous-state", V_ENUM, member_words, FROM_EVENT, "array.member-failed",     \
	  true, "the last one other than missing")                                                                     \
	X(MEMBER_PROGRESS, "member.progress", V_PERCENT, NULL, FROM_INVENTORY, "member", true, "of its rebuild")       \
	X(MEMBER_EXPENDABLE, "member.expendable", V_BOOL, NULL, FROM_INVENTORY, "member", false,                       \
	  "the array would survive the loss of this member now")                                                       \
	X(ARRAY_ID, "array.id", V_STRING, NULL, FROM_INVENTORY, "array", false, "identity by the format")              \
	X(ARRAY_NAME, "array.name", V_STRING, NULL, FROM_INVENTORY, "array", false, "name, also of /dev/mapper/NAME")  \
	X(ARRAY_FORMAT, "array.format", V_STRING, NULL, FROM_INVENTORY, "array", false, "ddf, ..")                     \
	X(ARRAY_LEVEL, "array.level", V_STRING, NULL, FROM_INVENTORY, "array", false,                                  \
	  "raid0 raid1 raid5 raid6 raid10")                                                                            \
	X(ARRAY_STATE, "array.state", V_ENUM, array_words, FROM_INVENTORY, "array", false, "state")                    \
	X(ARRAY_STOPPED_BY, "array.stopped-by", V_ENUM, stopped_words, FROM_INVENTORY, "array", false,                 \
	  "who stopped it")                                                                                            \
	X(ARRAY_SLOTS, "array.slots", V_INT, NULL, FROM_INVENTORY, "array", false, "number of slots")                  \
	X(ARRAY_PRESENT, "array.present", V_INT, NULL, FROM_INVENTORY, "array", false, "slots whose device is here")   \
	X(ARRAY_MISSING, "array.missing", V_INT, NULL, FROM_INVENTORY, "array", false, "slots - present")              \
	X(ARRAY_MISSING_SLOTS, "array.missing-slots", V_SET, NULL, FROM_INVENTORY, "array", false, "their numbers")    \
	X(ARRAY_AWAITED, "array.awaited", V_INT, NULL, FROM_INVENTORY, "array", false,                                 \
	  "slots that the metadata count on and whose device is not here")                                             \
	X(ARRAY_COMPLETE, "array.complete", V_BOOL, NULL, FROM_INVENTORY, "array", false,                              \
	  "every slot's device is here and current")                                                                   \
	X(ARRAY_STARTABLE, "array.startable", V_BOOL, NULL, FROM_INVENTORY, "array", false,                            \
	  "enough to run, perhaps degraded")                                                                           \
	X(ARRAY_SPLIT, "array.split", V_BOOL, NULL, FROM_INVENTORY, "array", false, "two histories")                   \
	X(ARRAY_REDUNDANCY, "array.redundancy", V_INT, NULL, FROM_INVENTORY, "array", false,                           \
	  "how many more members, whichever, may be lost now; -1: already too many")                                   \
	X(ARRAY_REDUNDANCY_FULL, "array.redundancy-full", V_INT, NULL, FROM_INVENTORY, "array", false,                 \
	  "the same when optimal")                                                                                     \
	X(ARRAY_REBUILDING, "array.rebuilding", V_BOOL, NULL, FROM_INVENTORY, "array", false,                          \
	  "a member is being rebuilt")                                                                                 \
	X(ARRAY_MISMATCHES, "array.mismatches", V_INT, NULL, FROM_INVENTORY, "array", true, "of the last check")       \
	X(ARRAY_SCRUB_AGE, "array.scrub-age", V_DURATION, NULL, FROM_INVENTORY, "array", true,                         \
	  "since the last finished check")                                                                             \
	X(ARRAY_SPARES, "array.spares", V_INT, NULL, FROM_INVENTORY, "array", false,                                   \
	  "present spares that could replace any member")                                                              \
	X(ARRAY_SPARE_REASON, "array.spare-reason", V_STRING, NULL, FROM_INVENTORY, "array", false,                    \
	  "why not more, one line")                                                                                    \
	X(ARRAY_MAINTENANCE, "array.maintenance", V_BOOL, NULL, FROM_INVENTORY, "array", false, "in maintenance")      \
	X(ARRAY_TAGS, "array.tags", V_SET, NULL, FROM_INVENTORY, "array", false, "given in spared.yaml")               \
	X(ARRAY_SIZE, "array.size", V_SIZE, NULL, FROM_INVENTORY, "array", false, "usable size")                       \
	X(SPARE_KIND, "spare.kind", V_ENUM, spare_kind_words, FROM_INVENTORY, "spare", false, "whom it serves")        \
	X(SPARE_POOL, "spare.pool", V_STRING, NULL, FROM_INVENTORY, "spare", true, "name of its pool")                 \
	X(SPARE_STATE, "spare.state", V_ENUM, spare_state_words, FROM_INVENTORY, "spare", false, "state")              \
	X(SPARE_FITS, "spare.fits", V_INT, NULL, FROM_INVENTORY, "spare", false, "arrays that it could serve")         \
	X(SPARE_UNFIT_REASON, "spare.unfit-reason", V_STRING, NULL, FROM_INVENTORY, "spare", false,                    \
	  "why not more, one line")                                                                                    \
	X(SPARE_READ_AGE, "spare.read-age", V_DURATION, NULL, FROM_INVENTORY, "spare", true,                           \
	  "since it was last read through")                                                                            \
	X(ERROR_STATUS, "error.status", V_ENUM, error_words, FROM_EVENT, "block.error", false,                         \
	  "by kernel status, else errno")                                                                              \
	X(ERROR_ERRNO, "error.errno", V_INT, NULL, FROM_EVENT, "block.error", false, "positive errno")                 \
	X(ERROR_OPERATION, "error.operation", V_ENUM, operation_words, FROM_EVENT, "block.error", false,               \
	  "what failed")                                                                                               \
	X(ERROR_SECTOR, "error.sector", V_INT, NULL, FROM_EVENT, "block.error", true, "start, sectors of 512 bytes")   \
	X(ERROR_SECTORS, "error.sectors", V_INT, NULL, FROM_EVENT, "block.error", true,                                \
	  "length, sectors of 512 bytes")                                                                              \
	X(ERROR_REGION, "error.region", V_INT, NULL, FROM_EVENT, "block.error", true, "sector / 2048: a coarse place") \
	X(ERROR_READAHEAD, "error.readahead", V_BOOL, NULL, FROM_EVENT, "block.error", false, "a speculative read")    \
	X(ATTENTION_WHAT, "attention.what", V_ENUM, attention_words, FROM_EVENT, "device.attention", false,            \
	  "what the device says of itself")                                                                            \
	X(CORRUPT_PART, "corrupt.part", V_ENUM, corrupt_words, FROM_EVENT, "block.corrupt", false,                     \
	  "what does not match its checksum")                                                                          \
	X(CORRUPT_BLOCK, "corrupt.block", V_INT, NULL, FROM_EVENT, "block.corrupt", false,                             \
	  "its number, in the device's own block size")                                                                \
	X(PATH_MAP, "path.map", V_STRING, NULL, FROM_INVENTORY, "path", false, "device id of the map")                 \
	X(PATH_VALID, "path.valid", V_INT, NULL, FROM_EVENT, "path.*", false, "valid paths left")                      \
	X(PATH_MARGINAL, "path.marginal", V_BOOL, NULL, FROM_INVENTORY, "path", false, "used last")                    \
	X(SNAPSHOT_ID, "snapshot.id", V_STRING, NULL, FROM_INVENTORY, "snapshot", false, "identity")                   \
	X(SNAPSHOT_NAME, "snapshot.name", V_STRING, NULL, FROM_INVENTORY, "snapshot", false, "name")                   \
	X(SNAPSHOT_ORIGIN, "snapshot.origin", V_STRING, NULL, FROM_INVENTORY, "snapshot", false,                       \
	  "what it is a snapshot of")                                                                                  \
	X(SNAPSHOT_USED, "snapshot.used", V_PERCENT, NULL, FROM_INVENTORY, "snapshot", false, "how full it is")        \
	X(SNAPSHOT_STATE, "snapshot.state", V_ENUM, snapshot_words, FROM_INVENTORY, "snapshot", true,                  \
	  "invalid: its device is full, or failed")                                                                    \
	X(RESYNC_KIND, "resync.kind", V_ENUM, resync_words, FROM_EVENT, "array.resync-*", false, "what ran")           \
	X(RESYNC_RESULT, "resync.result", V_ENUM, resync_result_words, FROM_EVENT, "array.resync-finished", false,     \
	  "how")                                                                                                       \
	X(RESYNC_REASON, "resync.reason", V_STRING, NULL, FROM_EVENT, "array.resync-finished", true,                   \
	  "why a member could not be replaced")                                                                        \
	X(RESYNC_DURATION, "resync.duration", V_DURATION, NULL, FROM_EVENT, "array.resync-finished", false,            \
	  "how long")                                                                                                  \
	X(ACTION_NAME, "action.name", V_STRING, NULL, FROM_EVENT, "action.*", true, "the step's action")               \
	X(ACTION_PLAN, "action.plan", V_STRING, NULL, FROM_EVENT, "action.*", true, "the plan's id")                   \
	X(ACTION_RULE, "action.rule", V_STRING, NULL, FROM_EVENT, "action.*", true, "the rule that asked for it")      \
	X(ACTION_RESULT, "action.result", V_ENUM, action_words, FROM_EVENT, "action.*", true, "how it ended")          \
	X(ACTION_REASON, "action.reason", V_STRING, NULL, FROM_EVENT, "action.*", true, "one line")                    \
	X(OVERFLOW_SOURCE, "overflow.source", V_STRING, NULL, FROM_EVENT, "broker.overflow", false,                    \
	  "the source that lost")                                                                                      \
	X(OVERFLOW_LOST, "overflow.lost", V_INT, NULL, FROM_EVENT, "broker.overflow", true, "how many, if known")      \
	X(EVICTED_RULE, "evicted.rule", V_STRING, NULL, FROM_EVENT, "broker.evicted", false,                           \
	  "the rule that had too many windows last")                                                                   \
	X(EVICTED_COUNT, "evicted.count", V_INT, NULL, FROM_EVENT, "broker.evicted", false,                            \
	  "windows that were dropped since it was told last")                                                          \
	X(MESSAGE_FAMILY, "message.family", V_STRING, NULL, FROM_EVENT, "*", true,                                     \
	  "generic netlink family that told it")                                                                       \
	X(MESSAGE_NAME, "message.name", V_STRING, NULL, FROM_EVENT, "*", true, "its description's name for it")        \
	X(MESSAGE_ABOUT, "message.about", V_STRING, NULL, FROM_EVENT, "*", true, "what it is about")                   \
	X(MESSAGE_STATE, "message.state", V_STRING, NULL, FROM_EVENT, "*", true, "state that it tells")                \
	X(MESSAGE_VALUE, "message.value", V_INT, NULL, FROM_EVENT, "*", true, "number that it tells")                  \
	X(HISTORY_REASON, "history.reason", V_STRING, NULL, FROM_EVENT, "broker.history-lost", false,                  \
	  "why the history cannot be written")                                                                         \
	X(HISTORY_MISSED, "history.missed", V_INT, NULL, FROM_EVENT, "broker.history-restored", false,                 \
	  "rows that it misses")                                                                                       \
	X(CALENDAR, "calendar.NAME", V_BOOL, NULL, FROM_CALENDAR, "", false, "the calendar of that name holds now")    \
	X(MATCH_RULE, "match.rule", V_STRING, NULL, FROM_MATCH, "", false, "the rule")                                 \
	X(MATCH_ID, "match.id", V_STRING, NULL, FROM_MATCH, "", false, "the verdict's id")                             \
	X(MATCH_KEY, "match.key", V_STRING, NULL, FROM_MATCH, "", false, "values of per, comma-separated")             \
	X(MATCH_COUNT, "match.count", V_INT, NULL, FROM_MATCH, "", false, "what was counted")                          \
	X(MATCH_DISTINCT, "match.distinct", V_INT, NULL, FROM_MATCH, "", false, "different values counted")            \
	X(MATCH_RATIO, "match.ratio", V_PERCENT, NULL, FROM_MATCH, "", true, "with threshold.ratio")                   \
	X(MATCH_FIRST, "match.first", V_TIME, NULL, FROM_MATCH, "", false, "time of the first counted event")          \
	X(MATCH_LAST, "match.last", V_TIME, NULL, FROM_MATCH, "", false, "time of the last counted event")             \
	X(MATCH_SPAN, "match.span", V_DURATION, NULL, FROM_MATCH, "", false, "last - first")                           \
	X(MATCH_HELD, "match.held", V_DURATION, NULL, FROM_MATCH, "", false, "how long the state has lasted")          \
	X(MATCH_VALUES, "match.values", V_SET, NULL, FROM_MATCH, "", false, "the distinct values, at most 16")

#define FACT_TABLE(X) EVENT_FACTS(X) DEVICE_FACTS(X) OTHER_FACTS(X)

enum fact_id {
#define X(id, ...) FACT_##id,
	FACT_TABLE(X)
#undef X
#define X(id, ...) FACT_PREVIOUS_##id,
		DEVICE_FACTS(X)
#undef X
			FACT_MAX
};

/* The twins are in the order of the facts themselves. */
enum { FACT_PREVIOUS_FIRST = FACT_PREVIOUS_DEVICE_ID, FACT_PREVIOUS_OFFSET = FACT_PREVIOUS_DEVICE_ID - FACT_DEVICE_ID };

struct fact_desc {
	const char *name;
	enum value_type type;
	const char *const *words; /* V_ENUM: NULL-terminated */
	enum fact_from from;
	const char *on;
	bool optional; /* may be unknown although the subject leads to it */
	const char *doc;
};

extern const struct fact_desc fact_table[FACT_MAX];

/* Words of the enum facts; the enums below are their indices, in the same order. */
extern const char *const origin_words[],
	*const media_words[],
		*const role_words[],
			*const contents_words[],
				*const member_words[],
					*const array_words[],
						*const stopped_words[],
							*const spare_kind_words[],
								*const spare_state_words[],
									*const error_words[],
										*const operation_words[],
											*const attention_words[],
												*const corrupt_words[],
													*const resync_words[],
														*const snapshot_words[],
															*const resync_result_words[],
																*const action_words[],
																	*const light_words[],
																		*const read_check_words
																			[];

enum origin { ORIGIN_KERNEL, ORIGIN_OPERATOR, ORIGIN_OWN, ORIGIN_SYNTHESISED, ORIGIN_INJECTED };
enum media { MEDIA_HDD, MEDIA_SSD, MEDIA_NVME, MEDIA_OTHER };
enum role { ROLE_MEMBER, ROLE_SPARE, ROLE_PATH, ROLE_LEG, ROLE_NONE };
enum contents { CONTENTS_BLANK, CONTENTS_MEMBER, CONTENTS_FOREIGN, CONTENTS_FILESYSTEM, CONTENTS_UNREADABLE };
enum member_state { MEMBER_IN_SYNC, MEMBER_REBUILDING, MEMBER_STALE, MEMBER_MISSING, MEMBER_FAILED, MEMBER_EMPTY };
enum array_state { ARRAY_INACTIVE, ARRAY_OPTIMAL, ARRAY_DEGRADED, ARRAY_FAILED, ARRAY_READ_ONLY };
enum stopped_by { STOPPED_NONE, STOPPED_OPERATOR, STOPPED_BROKER };
enum spare_kind { SPARE_DEDICATED, SPARE_POOL, SPARE_GLOBAL };
enum spare_state { SPARE_IDLE, SPARE_ACTIVE, SPARE_LOST, SPARE_FAILED };
enum error_status {
	ERROR_MEDIUM,
	ERROR_IO,
	ERROR_TARGET,
	ERROR_PROTECTION,
	ERROR_TIMEOUT,
	ERROR_TRANSPORT,
	ERROR_NOSPC,
	ERROR_OFFLINE,
	ERROR_RESOURCE,
	ERROR_OTHER,
};
enum operation {
	OPERATION_READ,
	OPERATION_WRITE,
	OPERATION_FLUSH,
	OPERATION_DISCARD,
	OPERATION_ZEROES,
	OPERATION_OTHER
};
enum attention {
	ATTENTION_INQUIRY,
	ATTENTION_CAPACITY,
	ATTENTION_THIN,
	ATTENTION_MODE,
	ATTENTION_LUNS,
	ATTENTION_ACCESS,
	ATTENTION_RESET,
	ATTENTION_MEDIUM,
	ATTENTION_OTHER
};
enum corrupt { CORRUPT_DATA, CORRUPT_METADATA, CORRUPT_OTHER };
enum resync_kind { RESYNC_RESYNC, RESYNC_REBUILD, RESYNC_CHECK, RESYNC_REPAIR, RESYNC_REPLACE };
enum resync_result { RESYNC_DONE, RESYNC_INTERRUPTED, RESYNC_FAILED };
enum read_check { READ_CHECK_RUNNING, READ_CHECK_OK, READ_CHECK_FAILED, READ_CHECK_UNFINISHED, READ_CHECK_STOPPED };
enum slot_light { SLOT_LIGHT_FAULT, SLOT_LIGHT_LOCATE };
enum action_result { ACTION_OK, ACTION_FAILED, ACTION_REFUSED, ACTION_TIMEOUT };

/* The fact of that name, or -ENOENT. */
int fact_lookup(const char *name);
static inline struct value fact_enum(enum fact_id id, int word)
{
	struct value v = value_int(word);

	v.type = V_ENUM;
	v.words = fact_table[id].words;
	return v;
}

/* All built-in event kinds, NULL-terminated. */
extern const char *const event_kinds[];
bool kind_known(const char *kind);
/* True for "word.word" of [a-z0-9-]. */
bool kind_valid(const char *kind);

/* Words of subject sorts ("device", ..), by enum subject_sort. */
extern const char *const sort_words[];

/* The values of all facts for one context. Borrowed: valid while the event and the inventory are not changed. */
struct facts {
	struct value v[FACT_MAX];
	const bool *calendars;	     /* by their number in the rule set, whether each holds now; NULL: not known */
	const struct value *earlier; /* of earlier steps of a sequence, as its rule numbers them; NULL: none */
};

/* What an action's table says about it, for whoever may not see actions/: rules and man pages. rules-language 2.8. */
enum param_type {
	PARAM_STRING,
	PARAM_BOOL,
	PARAM_INT,
	PARAM_DURATION,
	PARAM_RATE,
	PARAM_SIZE, /* bytes */
	PARAM_DEVICE,
	PARAM_ARRAY,
	PARAM_SPARE,
	PARAM_MAP,
	PARAM_ENUM,
	PARAM_WORDS,
	/* list of words out of .words, or any if NULL */ PARAM_ARGV,
	PARAM_ENV,
	PARAM_FACTS,
};

struct param_desc {
	const char *name;
	enum param_type type;
	bool required;
	const char *const *words; /* PARAM_ENUM, PARAM_WORDS */
	const char *doc;
};

struct action_desc {
	const char *name;
	const char *doc;
	bool destructive;		 /* changes redundancy or data: asked about, guarded, oscillation-checked */
	bool final;			 /* gives data up: no rule does it that does not ask a person */
	const struct param_desc *params; /* ends with a NULL name */
};
