// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of verbs, and the check of a request against it. Pure: fuzzed and unit-tested without a broker. */
#include "broker/request.h"

#include "broker/control.h"
#include "config/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KEYS_MAX = 16, TEXT_MAX = 4096, VERBS_MAX = 64 };

enum key_type { KEY_STRING, KEY_INT, KEY_BOOL, KEY_OBJECT, KEY_WORDS, KEY_RATE };

struct key {
	const char *name;
	enum key_type type;
	bool required;
};

struct verb_keys {
	struct key keys[KEYS_MAX]; /* ends with a NULL name */
};

#define DEVICE                                                                                                         \
	{                                                                                                              \
		"device", KEY_STRING, false                                                                            \
	}
#define ARRAY                                                                                                          \
	{                                                                                                              \
		"array", KEY_STRING, false                                                                             \
	}
#define SLOT                                                                                                           \
	{                                                                                                              \
		"slot", KEY_INT, false                                                                                 \
	}
#define THE_DEVICE                                                                                                     \
	{                                                                                                              \
		"device", KEY_STRING, true                                                                             \
	}
#define THE_ARRAY                                                                                                      \
	{                                                                                                              \
		"array", KEY_STRING, true                                                                              \
	}
#define PLANNED                                                                                                        \
	{"dry-run", KEY_BOOL, false},                                                                                  \
	{                                                                                                              \
		"wait", KEY_BOOL, false                                                                                \
	}

static const struct verb_keys keys_none,
	keys_monitor = {{{"types", KEY_WORDS, false}}},
	keys_history = {{{"table", KEY_STRING, false},
			 DEVICE,
			 ARRAY,
			 {"rule", KEY_STRING, false},
			 {"kind", KEY_STRING, false},
			 {"person", KEY_STRING, false},
			 {"verdict", KEY_STRING, false},
			 {"plan", KEY_STRING, false},
			 {"errors", KEY_BOOL, false},
			 {"since", KEY_INT, false},
			 {"until", KEY_INT, false},
			 {"before", KEY_INT, false},
			 {"limit", KEY_INT, false}}},
	keys_inject = {{{"kind", KEY_STRING, true},
			DEVICE,
			ARRAY,
			SLOT,
			{"facts", KEY_OBJECT, false},
			{"extra", KEY_OBJECT, false},
			{"count", KEY_INT, false},
			{"live", KEY_BOOL, false}}},
	keys_list = {{{"origin", KEY_BOOL, false}}}, keys_subject = {{{"subject", KEY_STRING, true}}},
	keys_why = {{{"rule", KEY_STRING, true}, {"subject", KEY_STRING, true}}},
	keys_start = {{THE_ARRAY,
		       {"force", KEY_BOOL, false},
		       {"degraded", KEY_BOOL, false},
		       {"read-only", KEY_BOOL, false},
		       PLANNED}},
	keys_stop = {{THE_ARRAY, PLANNED}}, keys_member = {{ARRAY, DEVICE, SLOT, PLANNED}},
	keys_spare = {{THE_DEVICE, ARRAY, PLANNED}},
	keys_spare_add =
		{{THE_DEVICE, ARRAY, {"revertible", KEY_BOOL, false}, {"enclosure", KEY_BOOL, false}, PLANNED}},
	keys_copy_back = {{ARRAY, THE_DEVICE, {"always", KEY_BOOL, false}, PLANNED}},
	keys_activate = {{THE_ARRAY, DEVICE, SLOT, PLANNED}},
	keys_replace = {{ARRAY, DEVICE, SLOT, {"with", KEY_STRING, false}, {"cancel", KEY_BOOL, false}, PLANNED}},
	keys_scrub = {{THE_ARRAY, {"mode", KEY_STRING, false}, {"cancel", KEY_BOOL, false}, PLANNED}},
	keys_read_last = {{ARRAY, DEVICE, SLOT, {"off", KEY_BOOL, false}, PLANNED}},
	keys_speed = {{THE_ARRAY, {"limit", KEY_RATE, false}, PLANNED}},
	keys_create = {{{"name", KEY_STRING, false},
			{"devices", KEY_WORDS, false},
			{"pool", KEY_STRING, false},
			{"members", KEY_INT, false},
			{"spares", KEY_WORDS, false},
			{"level", KEY_STRING, false},
			{"layout", KEY_STRING, false},
			{"chunk", KEY_INT, false},
			{"size", KEY_INT, false},
			{"assume-clean", KEY_BOOL, false},
			{"wipe", KEY_BOOL, false},
			{"set", KEY_STRING, false},
			{"new-set", KEY_STRING, false},
			PLANNED}},
	keys_delete = {{ARRAY,
			{"set", KEY_STRING, false},
			{"stop", KEY_BOOL, false},
			{"container", KEY_BOOL, false},
			PLANNED}},
	keys_grow = {{THE_ARRAY, {"size", KEY_INT, false}, PLANNED}},
	keys_rename = {{THE_ARRAY, {"to", KEY_STRING, true}, PLANNED}}, keys_uninhibit = {{{"rule", KEY_STRING, true}}},
	keys_snapshot =
		{{THE_ARRAY, {"name", KEY_STRING, true}, {"on", KEY_STRING, true}, {"wipe", KEY_BOOL, false}, PLANNED}},
	keys_snapshot_remove = {{THE_ARRAY, {"name", KEY_STRING, true}, PLANNED}},
	keys_approve = {{{"question", KEY_STRING, true}, {"dry-run", KEY_BOOL, false}}},
	keys_light = {{THE_DEVICE, {"as", KEY_STRING, true}, PLANNED}},
	keys_check = {{THE_DEVICE, {"speed", KEY_INT, false}, PLANNED}}, keys_check_stop = {{THE_DEVICE}},
	keys_path = {{{"path", KEY_STRING, true}, PLANNED}}, keys_map = {{{"map", KEY_STRING, true}, PLANNED}},
	keys_undo = {{{"plan", KEY_STRING, true}, PLANNED}}, keys_answer = {{{"question", KEY_STRING, true}}},
	keys_maintenance = {{{"on", KEY_BOOL, true}, DEVICE, ARRAY, {"for", KEY_INT, false}}};

const struct verb verb_table[] = {
	{"help", "the verbs", VERB_HELP, .keys = &keys_none},
	{"status", "arrays, members, spares, devices, cases and the broker itself", VERB_STATUS, .keys = &keys_none},
	{"sources", "what is listened to, and what was lost", VERB_SOURCES, .keys = &keys_none},
	{"metrics", "counters and states as Prometheus reads them", VERB_METRICS, .keys = &keys_none},
	{"settings", "the settings that hold, and where each was set", VERB_SETTINGS, .keys = &keys_none},
	{"monitor", "events, verdicts, plans, outcomes and notices as they happen", VERB_MONITOR,
	 .keys = &keys_monitor},
	{"history", "what happened", VERB_HISTORY, .keys = &keys_history},
	{"world", "a portable picture of all that decides", VERB_WORLD, .keys = &keys_none},
	{"inject", "an event: what it would do, or (live) the real thing", VERB_INJECT, .keys = &keys_inject},
	{"rules-list", "the rules that run", VERB_RULES_LIST, .keys = &keys_list},
	{"rules-stats", "what each rule saw, did and cost", VERB_RULES_STATS, .keys = &keys_none},
	{"rules-why", "why a rule did or did not fire", VERB_RULES_WHY, .keys = &keys_why},
	{"spare-why", "why no spare takes the place in a slot", VERB_SPARE_WHY, .keys = &keys_subject},
	{"rules-reload", "read settings and rules again", VERB_RELOAD, .changes = true, .keys = &keys_none},
	{"rules-approve", "yes to what a rule asks", VERB_COMMAND, "approve", true, &keys_approve},
	{"rules-deny", "no to what a rule asks", VERB_COMMAND, "deny", true, &keys_answer},
	{"rules-uninhibit", "end what silences a rule", VERB_COMMAND, "uninhibit", true, &keys_uninhibit},
	{"array-start", "start an array", VERB_PLAN, "assemble", true, &keys_start},
	{"array-stop", "stop an array", VERB_PLAN, "stop-array", true, &keys_stop},
	{"array-fail", "fail a member", VERB_PLAN, "fail-member", true, &keys_member},
	{"array-remove", "take a failed member out", VERB_PLAN, "remove-member", true, &keys_member},
	{"array-re-add", "take a member back", VERB_PLAN, "re-add-member", true, &keys_member},
	{"array-replace", "copy a member to another disk, which takes its place", VERB_PLAN, "replace-member", true,
	 &keys_replace},
	{"array-copy-back", "copy the spare that stands in for a disk to that disk", VERB_PLAN, "copy-back", true,
	 &keys_copy_back},
	{"array-scrub", "compare an array's members", VERB_PLAN, "scrub", true, &keys_scrub},
	{"array-read-last", "read a member of a RAID1 only where no other can be", VERB_PLAN, "read-last", true,
	 &keys_read_last},
	{"array-speed", "limit how fast an array is rebuilt or compared", VERB_PLAN, "rebuild-speed", true,
	 &keys_speed},
	{"array-create", "make an array of blank disks", VERB_PLAN, "create-array", true, &keys_create},
	{"array-delete", "forget an array: its data are gone", VERB_PLAN, "delete-array", true, &keys_delete},
	{"array-snapshot", "keep an array as it is now", VERB_PLAN, "snapshot", true, &keys_snapshot},
	{"array-snapshot-remove", "end a snapshot of an array", VERB_PLAN, "drop-snapshot", true,
	 &keys_snapshot_remove},
	{"array-rename", "give an array another name", VERB_PLAN, "rename-array", true, &keys_rename},
	{"array-grow", "give an array more of its disks' space", VERB_PLAN, "grow-array", true, &keys_grow},
	{"spare-add", "make a disk a spare", VERB_PLAN, "add-spare", true, &keys_spare_add},
	{"spare-remove", "take a spare away", VERB_PLAN, "remove-spare", true, &keys_spare},
	{"spare-activate", "put a spare in a failed member's place", VERB_PLAN, "activate-spare", true, &keys_activate},
	{"disk-light", "the light of a disk's slot", VERB_PLAN, "slot-light", true, &keys_light},
	{"disk-check", "read all of a disk", VERB_PLAN, "read-check", true, &keys_check},
	{"disk-check-stop", "end the reading of a disk", VERB_COMMAND, "read-check-stop", true, &keys_check_stop},
	{"path-fail", "use a path of a multipath map no more", VERB_PLAN, "fail-path", true, &keys_path},
	{"path-reinstate", "use a failed path again", VERB_PLAN, "reinstate-path", true, &keys_path},
	{"path-demote", "use a path last", VERB_PLAN, "demote-path", true, &keys_path},
	{"path-restore", "use a demoted path as the others", VERB_PLAN, "restore-path", true, &keys_path},
	{"map-queue-io", "a map without a path keeps its I/O back", VERB_PLAN, "queue-io", true, &keys_map},
	{"map-fail-io", "a map without a path fails its I/O", VERB_PLAN, "fail-io", true, &keys_map},
	{"undo", "take a plan back", VERB_PLAN, "undo", true, &keys_undo},
	{"maintenance", "rules leave it alone", VERB_COMMAND, "maintenance", true, &keys_maintenance},
	{NULL},
};

static bool is_string(const json_t *j)
{
	return json_is_string(j) && json_string_length(j) <= TEXT_MAX;
}

static bool is_int(const json_t *j)
{
	return json_is_integer(j);
}

static bool is_bool(const json_t *j)
{
	return json_is_boolean(j);
}

static bool is_object(const json_t *j)
{
	return json_is_object(j);
}

static bool is_words(const json_t *j)
{
	const json_t *word;
	size_t i;

	json_array_foreach((json_t *)j, i, word) if (!json_is_string(word)) return false;
	return json_is_array(j);
}

static bool is_rate(const json_t *j)
{
	return (json_is_integer(j) && json_integer_value(j) > 0) ||
	       (json_is_string(j) && strcmp(json_string_value(j), "max") == 0);
}

static const struct {
	const char *words;
	bool (*fits)(const json_t *j);
} key_types[] = {
	[KEY_STRING] = {"a string", is_string},	     [KEY_INT] = {"an integer", is_int},
	[KEY_BOOL] = {"true or false", is_bool},     [KEY_OBJECT] = {"an object", is_object},
	[KEY_WORDS] = {"a list of words", is_words}, [KEY_RATE] = {"bytes a second, or max", is_rate},
};

static int refuse(struct request_check *rc, const char *code, const char *fmt, ...) _printf_(3, 4);

static int refuse(struct request_check *rc, const char *code, const char *fmt, ...)
{
	_cleanup_(buf_free) struct buf safe = {0};
	char text[sizeof(rc->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	value_escape(text, sizeof(text), &safe);
	rc->code = code;
	snprintf(rc->message, sizeof(rc->message), "%s", buf_str(&safe));
	return -EINVAL;
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = verb_table; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static int unknown_verb(struct request_check *rc, const char *name)
{
	const char *names[VERBS_MAX] = {0};
	const char *near;

	for (size_t i = 0; verb_table[i].name; i++)
		names[i] = verb_table[i].name;
	near = suggest(name, names);
	return refuse(rc, "unknown-verb", "no verb '%.40s'%s%s%s", name, near ? "; did you mean '" : "",
		      near ? near : "", near ? "'?" : "");
}

static const struct key *find_key(const struct verb *v, const char *name)
{
	for (const struct key *k = v->keys->keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static int check_keys(const json_t *request, const struct verb *v, struct request_check *rc)
{
	static const char *const common[] = {"v", "id", "verb"};
	const char *name;
	const json_t *value;

	json_object_foreach((json_t *)request, name, value)
	{
		const struct key *k = find_key(v, name);
		bool is_common = false;

		for (size_t i = 0; i < ARRAY_SIZE(common); i++)
			is_common |= strcmp(common[i], name) == 0;
		if (is_common)
			continue;
		if (!k)
			return refuse(rc, "usage", "%s has no key '%.40s'", v->name, name);
		if (!key_types[k->type].fits(value))
			return refuse(rc, "usage", "%s: %s must be %s", v->name, name, key_types[k->type].words);
	}
	for (const struct key *k = v->keys->keys; k->name; k++)
		if (k->required && !json_object_get(request, k->name))
			return refuse(rc, "usage", "%s needs %s", v->name, k->name);
	return 0;
}

/* A live event is a change, too. */
static bool request_changes(const json_t *request, const struct verb *v)
{
	return v->changes || json_is_true(json_object_get(request, "live"));
}

int request_check(const json_t *request, bool root, struct request_check *ret)
{
	const json_t *id = json_object_get(request, "id"), *version = json_object_get(request, "v");
	const json_t *verb = json_object_get(request, "verb");

	*ret = (struct request_check){.id = json_is_integer(id) ? json_integer_value(id) : 0};
	if (id && !json_is_integer(id))
		return refuse(ret, "malformed", "id must be an integer");
	if (!json_is_integer(version))
		return refuse(ret, "malformed", "v must be an integer");
	if (json_integer_value(version) != CONTROL_VERSION)
		return refuse(ret, "version", "this is version %d of the protocol", CONTROL_VERSION);
	if (!json_is_string(verb))
		return refuse(ret, "malformed", "verb must be a string");
	ret->verb = find_verb(json_string_value(verb));
	if (!ret->verb)
		return unknown_verb(ret, json_string_value(verb));
	if (request_changes(request, ret->verb) && !root)
		return refuse(ret, "denied", "%s is for root only", ret->verb->name);
	return check_keys(request, ret->verb, ret);
}

unsigned message_type(const char *word)
{
	static const char *const words[] = {"event", "verdict", "plan", "outcome", "notice", "command"};

	for (unsigned i = 0; word && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return 1u << i;
	return 0;
}
