// SPDX-License-Identifier: GPL-2.0-or-later
/* journal RULES FILE.events..: plays each script to the pipeline on virtual time and compares what it says with
 * FILE.expected. UPDATE=1 in the environment writes that file instead; RECORD=PATH a recording of it all. RULES: the
 * directory of the shipped rules.
 *
 * A script: one thing a line, '#' begins a comment.
 *   manage GLOB..                       which sets are managed
 *   set NAME                            of the arrays and spares that follow; "test"
 *   budget N                            settings: budget.plans-per-hour
 *   windows N                           settings: rules.windows
 *   rules NAME..                        shipped, or files beside the script
 *   pool NAME ARRAY; tag DISK WORD      settings: one pool, and the tag of one disk
 *   disk NAME SIZE [KEY=VALUE..]        enclosure, slot (by sysfs), holds, udev (what ID_FS_TYPE says; the disk itself
 *                                       reads as foreign)
 *   array NAME LEVEL DISK.. [spares DISK..]
 *   stopped ARRAY                       does not run at start
 *   away DISK                           not here at start
 *   start                               enumeration is done
 *   [TIME] WORDS                        from here each line begins with a time:
 *     add|remove|change DISK [as NAME | enclosure=NAME slot=NAME]; layer NAME MINOR|DISK UUID|wwn=WWN DISK.. (a
 * device-mapper device, or a map that is a disk, lies on others); raw DISK|MINOR ERRNO SECTOR [RWBS] (as the kernel
 * tells it); path MAP failed|reinstated DISK VALID; error DISK STATUS [REGION [COUNT]]; kick ARRAY SLOT (the kernel
 * fails a member, dm tells); rebuilt ARRAY; copied ARRAY, unreadable ARRAY (how the copy of a member ends); command
 * JSON; inject JSON; what-if JSON; why RULE SUBJECT; why-spare SUBJECT; forecast [all|DISK] (all: pulled); act
 * ok|failed|refused|timeout [N] (the next N plans of rules and people); fail-step ACTION (the next one); fail-builtin
 * N; hang-builtin N; hold [ACTION [N]], release (act answers later: all plans, or those of that action from the Nth
 * on); hold-alone (plans about one device); snapshots ARRAY [NAME|NAME=lost].. (what the kernel has of it, seen with
 * the next state); crash (the process dies and starts again); restart [RULES..] (perhaps with others); shut-down; storm
 * DISK COUNT REGIONS; status; reading (how disks are read through); probe-fails DISK; manage GLOB.. (a reload); nothing
 */
#include "pipeline/forecast.h"
#include "pipeline/recording.h"
#include "pipeline/replay.h"
#include "tests/pipeline/play.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the script ---- */

static size_t disk_index(const struct play *y, const char *name)
{
	size_t i = 0;

	while (i < y->n_disks && strcmp(y->disks[i], name) != 0)
		i++;
	return i;
}

/* Disks are 8:0, 8:16, ..; device-mapper's devices are told by their minor number. */
static struct raw_number number_of(const struct play *y, const char *word)
{
	if (strspn(word, "0123456789") == strlen(word))
		return (struct raw_number){254, (unsigned)play_number(word)};
	return (struct raw_number){8, (unsigned)disk_index(y, word) * 16};
}

static int raw_device(struct play *y, const char *action, const char *name, const char *as, enum origin origin)
{
	char node[64], wwn[64];
	size_t i = disk_index(y, name);

	snprintf(node, sizeof(node), "/dev/%s", as);
	snprintf(wwn, sizeof(wwn), "%s", name);
	model_present(y->model, play_id(name), strcmp(action, "remove") != 0);
	pipeline_raw_device(y->p,
			    &(struct raw_device){.action = action,
						 .devtype = "disk",
						 .devname = node,
						 .major = 8,
						 .minor = (unsigned)i * 16,
						 .id_wwn = wwn,
						 .id_fs_type = y->fs_type[i],
						 .enclosure = y->enclosure[i],
						 .slot = y->slot[i],
						 .id_path = "pci-0000:00:1f.2-ata-1",
						 .has_size = strcmp(action, "remove") != 0,
						 .sectors = model_sectors(y->model, play_id(name)),
						 .sector_size = 512,
						 .rotational = true},
			    origin);
	return 0;
}

static void layer(struct play *y, char **w, int n)
{
	struct raw_number lowers[8];
	char node[64];

	snprintf(node, sizeof(node), "/dev/%s", w[0]);
	for (int i = 3; i < n; i++)
		lowers[i - 3] = number_of(y, w[i]);
	pipeline_raw_device(y->p,
			    &(struct raw_device){.action = "add",
						 .devtype = "disk",
						 .devname = node,
						 .major = number_of(y, w[1]).major,
						 .minor = number_of(y, w[1]).minor,
						 .dm_uuid = strncmp(w[2], "wwn=", 4) != 0 ? w[2] : NULL,
						 .id_wwn = strncmp(w[2], "wwn=", 4) == 0 ? w[2] + 4 : NULL,
						 .lowers = lowers,
						 .n_lowers = n > 3 ? (size_t)n - 3 : 0},
			    ORIGIN_KERNEL);
}

static void raw_error(struct play *y, char **w, int n)
{
	struct raw_number at = number_of(y, w[0]);

	pipeline_raw_error(y->p, &(struct raw_error){.source = "tracefs",
						     .major = at.major,
						     .minor = at.minor,
						     .sector = (uint64_t)play_number(w[2]),
						     .sectors = 8,
						     .error = -play_number(w[1]),
						     .rwbs = n > 3 ? w[3] : "R"});
}

/* The map is a disk of the script's. */
static void path(struct play *y, char **w)
{
	struct raw_number map = number_of(y, w[0]), at = number_of(y, w[2]);
	char number[32], node[64];

	snprintf(number, sizeof(number), "%u:%u", at.major, at.minor);
	snprintf(node, sizeof(node), "/dev/%s", w[0]);
	pipeline_raw_device(
		y->p,
		&(struct raw_device){.action = "change",
				     .devtype = "disk",
				     .devname = node,
				     .major = map.major,
				     .minor = map.minor,
				     .id_wwn = w[0],
				     .dm_action = strcmp(w[1], "failed") == 0 ? "PATH_FAILED" : "PATH_REINSTATED",
				     .dm_path = number,
				     .dm_valid_paths = w[3],
				     .lowers = &at,
				     .n_lowers = 1},
		ORIGIN_KERNEL);
}

void play_enumerate(struct play *y)
{
	pipeline_rescan(y->p, true);
	for (size_t i = 0; i < y->n_disks; i++) {
		json_t *here = model_probe(y->model, play_id(y->disks[i]));

		if (here)
			raw_device(y, "add", y->disks[i], y->disks[i], ORIGIN_SYNTHESISED);
		json_decref(here);
	}
	pipeline_enumerated(y->p);
	play_serve(y);
	pipeline_advance(y->p);
	play_serve(y);
}

/* The process ends and starts again: crash: what act had is lost. */
static int again(struct play *y)
{
	json_t *state = pipeline_save(y->p), *intents = json_deep_copy(y->intents), *row;
	struct err e = {0};
	const char *id;

	play_drop(y);
	pipeline_free(y->p);
	y->p = NULL;
	y->holding = y->holding_alone = false;
	if (play_pipeline(y) < 0)
		return -EINVAL;
	if (pipeline_restore(y->p, state, &e) < 0)
		fprintf(stderr, "%s:%d: restore: %s\n", y->script, y->line, e.msg);
	json_object_foreach(intents, id, row) pipeline_replay(y->p, row, &e);
	json_decref(intents);
	json_decref(state);
	play_enumerate(y);
	return 0;
}

static void error(struct play *y, const char *name, const char *status, const char *region, const char *count)
{
	struct event *ev = event_new("block.error", "test", ORIGIN_KERNEL);
	struct value v;

	ev->device = strdup(play_id(name));
	ev->count = count ? play_number(count) : 1;
	if (value_parse(V_ENUM, error_words, status, &v, NULL) == 0)
		event_set(ev, FACT_ERROR_STATUS, v);
	if (region)
		event_set(ev, FACT_ERROR_REGION, value_int(play_number(region)));
	pipeline_feed(y->p, ev);
}

static void storm(struct play *y, const char *name, int count, int regions)
{
	size_t i = disk_index(y, name), stored = y->stored;

	y->quiet = true;
	for (int k = 0; k < count; k++) {
		y->boot += 10 * NS_PER_US;
		pipeline_raw_error(y->p, &(struct raw_error){.source = "tracefs",
							     .major = 8,
							     .minor = (unsigned)i * 16,
							     .sector = (uint64_t)(k % regions) * 2048,
							     .sectors = 8,
							     .error = -ENODATA,
							     .rwbs = "R"});
		play_serve(y);
	}
	play_run_to(y, y->boot + NS_PER_SEC);
	y->quiet = false;
	play_time_stamp(y);
	buf_addf(&y->out, "storm   %d raw errors, %s stored rows\n", count,
		 y->stored - stored < 10000 ? "fewer than 10000" : "too many");
}

static void say_json(struct play *y, const char *what, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);

	play_time_stamp(y);
	buf_addf(&y->out, "%s %s\n", what, text ? text : "?");
	free(text);
	json_decref(j);
}

/* As the broker stores who asked for what. */
static void store_command(struct play *y, const json_t *command, const char *plan, bool refused)
{
	static const char *const verbs[] = {"array-start",  "array-stop",    "array-fail",   "array-remove",
					    "array-re-add", "spare-add",     "spare-remove", "spare-activate",
					    "maintenance",  "rules-approve", "rules-deny"};
	const char *action = json_string_value(json_object_get(command, "verb"));
	json_t *request = json_copy((json_t *)command);

	json_object_del(request, "verb");
	for (size_t i = 0; action && !json_is_true(json_object_get(command, "dry-run")) && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(replay_action(verbs[i]), action) == 0)
			json_array_append_new(y->rows,
					      json_pack("{s:s s:I s:{s:s s:I s:i s:i s:s s:O s:s s:s}}", "table",
							"command", "wall", (json_int_t)clock_wall(&y->clock), "row",
							"kind", verbs[i], "wall", (json_int_t)clock_wall(&y->clock),
							"uid", 0, "pid", 1, "program", "journal", "request", request,
							"plan", plan, "result", refused ? "refused" : "planned"));
	json_decref(request);
}

static void command(struct play *y, const char *text)
{
	json_t *j = json_loads(text, 0, NULL), *answer;
	char id[PLAN_ID_MAX] = "";

	if (!j)
		fprintf(stderr, "%s:%d: not JSON\n", y->script, y->line);
	answer = pipeline_command(y->p, j, id);
	store_command(y, j, id, json_is_false(json_object_get(answer, "ok")));
	say_json(y, "answer ", answer);
	json_decref(j);
}

static struct event *parse_event(struct play *y, const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	struct event *ev = NULL;
	struct err e = {0};

	if (!j || event_from_json(j, &ev, &e) < 0)
		fprintf(stderr, "%s:%d: %s\n", y->script, y->line, e.msg);
	json_decref(j);
	return ev;
}

static void what_if(struct play *y, const char *text)
{
	struct event *ev = parse_event(y, text);
	json_t *j = ev ? pipeline_what_if(y->p, ev) : NULL, *v;
	size_t i;

	json_array_foreach(json_object_get(j, "verdicts"), i, v)
	{
		struct value in = value_duration(json_integer_value(json_object_get(v, "in")));
		json_t *lines;
		size_t k;

		play_time_stamp(y);
		buf_addf(&y->out, "if      %s ", json_string_value(json_object_get(v, "rule")));
		buf_addf(&y->out, "%s in ", json_string_value(json_object_get(v, "kind")));
		value_print(&in, VALUE_CANONICAL, &y->out);
		json_array_foreach(json_object_get(v, "plans"), k, lines)
		{
			buf_add(&y->out, k ? "; " : ": ");
			play_lines(y, lines);
		}
		json_array_foreach(json_object_get(v, "does"), k, lines)
			buf_addf(&y->out, "; %s", json_string_value(lines));
		buf_addc(&y->out, '\n');
	}
	json_decref(j);
	event_free(ev);
}

static void say_status(struct play *y)
{
	json_t *j = pipeline_status(y->p), *a, *m;
	size_t i, k;

	json_array_foreach(json_object_get(j, "arrays"), i, a)
	{
		play_time_stamp(y);
		buf_addf(&y->out, "status  %s %s", json_string_value(json_object_get(a, "name")),
			 json_string_value(json_object_get(a, "state")));
		json_array_foreach(json_object_get(a, "members"), k, m)
			buf_addf(&y->out, " %s:%s", json_string_value(json_object_get(m, "name")),
				 json_string_value(json_object_get(m, "state")));
		json_array_foreach(json_object_get(a, "spares"), k, m)
			buf_addf(&y->out, " spare %s:%s", json_string_value(json_object_get(m, "name")),
				 json_string_value(json_object_get(m, "state")));
		buf_addf(&y->out, " redundancy %d; %s; %zu cases\n",
			 (int)json_integer_value(json_object_get(a, "redundancy")),
			 json_string_value(json_object_get(a, "spare-reason")),
			 json_array_size(json_object_get(j, "cases")));
	}
	json_decref(j);
}

/* How reading the disks through went. */
static void say_reading(struct play *y)
{
	json_t *j = pipeline_status(y->p), *d;
	size_t i;

	json_array_foreach(json_object_get(j, "devices"), i, d)
	{
		const json_t *r = json_object_get(d, "read-check");

		if (!r)
			continue;
		play_time_stamp(y);
		buf_addf(&y->out, "reading %s %s, %d places, marks %zu\n",
			 json_string_value(json_object_get(d, "name")), json_string_value(json_object_get(r, "state")),
			 (int)json_integer_value(json_object_get(r, "errors")),
			 json_array_size(json_object_get(d, "marks")));
	}
	json_decref(j);
}

static void kick(struct play *y, const char *array, const char *slot)
{
	char uuid[64];
	static uint32_t event_nr = 1000;

	model_slot(y->model, array, (unsigned)play_number(slot), MEMBER_FAILED);
	snprintf(uuid, sizeof(uuid), "SPARED-ddf-%s", array);
	pipeline_dm_changed(y->p, uuid, event_nr++);
}

static void why(struct play *y, const char *rule, const char *subject)
{
	struct err e = {0};
	json_t *j = NULL;

	play_time_stamp(y);
	if (pipeline_why(y->p, rule, subject, &j, &e) < 0) {
		buf_addf(&y->out, "why     %s\n", e.msg);
		return;
	}
	buf_addf(&y->out, "why     %s: %s", json_string_value(json_object_get(j, "result")),
		 json_string_value(json_object_get(j, "answer")));
	buf_add(&y->out, json_array_size(json_object_get(j, "would_do")) ? "; would do: " : "");
	play_lines(y, json_object_get(j, "would_do"));
	buf_addc(&y->out, '\n');
	json_decref(j);
}

/* Without the places in files of rules, which change. */
static void say_answer(struct play *y, const char *text)
{
	while (*text) {
		const char *end = strncmp(text, " (", 2) == 0 ? strchr(text, ')') : NULL;
		const char *yaml = end ? strstr(text, ".yaml:") : NULL;

		if (yaml && yaml < end)
			text = end + 1;
		else
			buf_addc(&y->out, *text++);
	}
	buf_addc(&y->out, '\n');
}

static void why_spare(struct play *y, const char *subject)
{
	struct err e = {0};
	json_t *j = NULL;

	play_time_stamp(y);
	if (pipeline_why_spare(y->p, subject, &j, &e) < 0) {
		buf_addf(&y->out, "spare?  %s\n", e.msg);
	} else {
		buf_addf(&y->out, "spare?  %s/%d %s: ", json_string_value(json_object_get(j, "array")),
			 (int)json_integer_value(json_object_get(j, "slot")),
			 json_string_value(json_object_get(j, "state")));
		say_answer(y, json_string_value(json_object_get(j, "answer")));
	}
	json_decref(j);
}

static void say_case(struct play *y, const json_t *m, const json_t *k)
{
	struct value after = value_duration(json_integer_value(json_object_get(k, "after")));
	const char *reason = json_string_value(json_object_get(k, "reason"));

	play_time_stamp(y);
	buf_addf(&y->out, "        %s %s: %s", json_string_value(json_object_get(m, "name")),
		 json_string_value(json_object_get(k, "case")), json_string_value(json_object_get(k, "result")));
	if (reason) {
		buf_addf(&y->out, ": %s\n", reason);
		return;
	}
	buf_addf(&y->out, " %s by %s after ", json_string_value(json_object_get(k, "spare")),
		 json_string_value(json_object_get(k, "rule")));
	value_print(&after, VALUE_CANONICAL, &y->out);
	buf_addf(&y->out, ", redundancy %d, then %d, spares %d\n",
		 (int)json_integer_value(json_object_get(k, "meanwhile")),
		 (int)json_integer_value(json_object_get(k, "redundancy")),
		 (int)json_integer_value(json_object_get(k, "spares")));
}

/* Through the text of the picture, as it goes to another process. */
static json_t *picture(struct play *y)
{
	json_t *world = pipeline_world(y->p), *again;
	char *text = json_dumps(world, JSON_COMPACT);

	again = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_decref(world);
	return again;
}

static void say_forecast(struct play *y, const char *pull)
{
	const struct forecast_options o = {.device = *pull && strcmp(pull, "all") != 0 ? pull : NULL,
					   .only_pulled = *pull};
	json_t *world = picture(y), *j = NULL, *a, *m, *k;
	struct err e = {0};
	size_t i, n, c;

	if (forecast(world, y->rules, &o, &j, &e) < 0) {
		play_time_stamp(y);
		buf_addf(&y->out, "forecast: %s\n", e.msg);
	}
	json_array_foreach(json_object_get(j, "arrays"), i, a)
	{
		play_time_stamp(y);
		buf_addf(&y->out, "forecast %s %s, spares %d (%s)%s%s%s\n",
			 json_string_value(json_object_get(a, "name")), json_string_value(json_object_get(a, "state")),
			 (int)json_integer_value(json_object_get(a, "spares")),
			 json_string_value(json_object_get(a, "spare-reason")),
			 json_is_true(json_object_get(a, "handled"))	? ": handled"
			 : json_is_false(json_object_get(a, "handled")) ? ": not handled"
									: ": left out",
			 *json_string_value(json_object_get(a, "reason")) ? ": " : "",
			 json_string_value(json_object_get(a, "reason")));
		json_array_foreach(json_object_get(a, "members"), n, m)
			json_array_foreach(json_object_get(m, "cases"), c, k) say_case(y, m, k);
	}
	json_decref(j);
	json_decref(world);
}

static int result_of(const char *word)
{
	struct value v;

	return value_parse(V_ENUM, action_words, word, &v, NULL) == 0 ? (int)v.i : -1;
}

/* The settings are read again and name these sets. */
static void manage(struct play *y, char **globs, int n)
{
	struct reload_counts counts;

	play_managed(y, globs, n);
	pipeline_reload(y->p, &y->settings, y->rules, &counts);
}

/* What a source hears. 1: it is another verb. */
static int do_heard(struct play *y, const char *verb, char **w, int n)
{
	if (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0 || strcmp(verb, "change") == 0) {
		bool as = n > 2 && strcmp(w[1], "as") == 0;

		for (int i = 1; i < n; i++)
			play_place(y, disk_index(y, w[0]), w[i]);
		return raw_device(y, verb, w[0], as ? w[2] : w[0], ORIGIN_KERNEL);
	}
	if (strcmp(verb, "error") == 0)
		return error(y, w[0], w[1], w[2], n > 3 ? w[3] : NULL), 0;
	if (strcmp(verb, "layer") == 0 && n > 2)
		return layer(y, w, n), 0;
	if (strcmp(verb, "raw") == 0 && n > 2)
		return raw_error(y, w, n), 0;
	if (strcmp(verb, "path") == 0 && n == 4)
		return path(y, w), 0;
	if (strcmp(verb, "kick") == 0)
		return kick(y, w[0], w[1]), 0;
	if (strcmp(verb, "storm") == 0)
		return storm(y, w[0], play_number(w[1]), play_number(w[2])), 0;
	return 1;
}

/* A line that begins with a time. rest: what follows the verb, unsplit. */
static int do_timed(struct play *y, const char *verb, char *rest)
{
	char text[4096], *w[8] = {NULL};
	int n, r;

	snprintf(text, sizeof(text), "%s", rest);
	n = play_split(text, w, 8);
	r = do_heard(y, verb, w, n);
	if (r <= 0)
		return r;
	if (strcmp(verb, "copied") == 0 || strcmp(verb, "unreadable") == 0) {
		model_copied(y->model, w[0], verb[0] == 'c');
		return 0;
	}
	if (strcmp(verb, "rebuilt") == 0) {
		model_rebuilt(y->model, w[0]);
		return 0; /* seen when progress is read next */
	}
	if (strcmp(verb, "snapshots") == 0)
		return n > 0 ? model_snapshots(y->model, w[0], &w[1], (size_t)n - 1) : -EINVAL;
	if (strcmp(verb, "command") == 0)
		return command(y, rest), 0;
	if (strcmp(verb, "what-if") == 0)
		return what_if(y, rest), 0;
	if (strcmp(verb, "inject") == 0) {
		struct event *ev = parse_event(y, rest);

		if (ev) {
			ev->origin = ORIGIN_INJECTED;
			pipeline_feed(y->p, ev);
		}
		return 0;
	}
	if (strcmp(verb, "forecast") == 0)
		return say_forecast(y, w[0] ? w[0] : ""), 0;
	if (strcmp(verb, "why-spare") == 0)
		return why_spare(y, w[0]), 0;
	if (strcmp(verb, "why") == 0)
		return why(y, w[0], w[1]), 0;
	if (strcmp(verb, "act") == 0) {
		y->next_result = (enum action_result)result_of(w[0]);
		y->next_count = n > 1 ? play_number(w[1]) : 1;
		return 0;
	}
	if (strcmp(verb, "fail-step") == 0) {
		const struct action_ops *ops = w[0] ? action_find(w[0]) : NULL;

		y->fail_op = ops ? ops->desc.name : NULL;
		return ops ? 0 : -EINVAL;
	}
	if (strcmp(verb, "act-waits") == 0)
		return y->act_waits = true, 0;
	if (strcmp(verb, "fail-builtin") == 0 || strcmp(verb, "hang-builtin") == 0) {
		y->builtin_hangs = verb[0] == 'h';
		y->builtin_fails = play_number(w[0]);
		return 0;
	}
	if (strcmp(verb, "hold") == 0 || strcmp(verb, "release") == 0 || strcmp(verb, "hold-alone") == 0) {
		const struct action_ops *ops = w[0] ? action_find(w[0]) : NULL;

		y->holding = strcmp(verb, "hold") == 0;
		y->hold_op = w[0] && !ops ? step_op_name(STEP_TAKE_SPARE) : ops ? ops->desc.name : NULL;
		y->hold_from = n > 1 ? play_number(w[1]) : 1;
		y->holding_alone = strcmp(verb, "hold-alone") == 0;
		return 0;
	}
	if (strcmp(verb, "crash") == 0 || strcmp(verb, "restart") == 0)
		return n > 0 && play_rules(y, w, n) < 0 ? -EINVAL : again(y);
	if (strcmp(verb, "shut-down") == 0)
		return pipeline_shut_down(y->p), 0;
	if (strcmp(verb, "status") == 0)
		return say_status(y), 0;
	if (strcmp(verb, "reading") == 0)
		return say_reading(y), 0;
	if (strcmp(verb, "rescan") == 0)
		return play_enumerate(y), 0;
	if (strcmp(verb, "probe-fails") == 0) {
		snprintf(y->probe_fails, sizeof(y->probe_fails), "%s", play_id(w[0]));
		return 0;
	}
	if (strcmp(verb, "manage") == 0)
		return manage(y, w, n), 0;
	return strcmp(verb, "nothing") == 0 ? 0 : -EINVAL;
}

static int do_line(struct play *y, char *text)
{
	char verb[64] = "", time[64] = "";
	struct value at;
	int used = 0;

	text[strcspn(text, "\n")] = '\0';
	if (!text[strspn(text, " \t")] || text[0] == '#')
		return 0;
	if (!y->p)
		return play_setup(y, text);
	if (sscanf(text, "%63s %63s%n", time, verb, &used) < 2 || value_parse(V_DURATION, NULL, time, &at, NULL) < 0)
		return -EINVAL;
	play_run_to(y, at.i + NS_PER_SEC);
	if (do_timed(y, verb, text + used + (text[used] == ' ')) < 0)
		return -EINVAL;
	play_serve(y);
	pipeline_advance(y->p);
	play_serve(y);
	return 0;
}

static int compare(struct play *y, const char *path)
{
	struct buf want = {0};
	FILE *f;
	int r;

	if (getenv("UPDATE")) {
		f = fopen(path, "we");
		if (!f)
			return 1;
		fputs(buf_str(&y->out), f);
		return fclose(f) != 0;
	}
	f = fopen(path, "re");
	for (int c; f && (c = fgetc(f)) != EOF;)
		buf_addc(&want, (char)c);
	if (f)
		fclose(f);
	r = strcmp(buf_str(&want), buf_str(&y->out)) != 0;
	if (r)
		fprintf(stderr, "%s: the journal is not as expected:\n%s", path, buf_str(&y->out));
	buf_free(&want);
	return r;
}

/* The recording that sparectl would make at the end. */
static int record(struct play *y, const char *path)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *now = picture(y), *row;
	FILE *f = fopen(path, "we");
	size_t i;

	recording_head(&out, y->boot + 1700000000 * NS_PER_SEC, 0, json_string_value(json_object_get(now, "rules")));
	recording_line(&out, "world", json_incref(y->world));
	recording_line(&out, "now", now);
	json_array_foreach(y->rows, i, row) recording_line(&out, "row", json_incref(row));
	json_array_foreach(y->rule_files, i, row) recording_line(&out, "rules", json_incref(row));
	recording_line(&out, "end",
		       json_pack("{s:I s:i}", "rows", (json_int_t)json_array_size(y->rows), "left-out", 0));
	if (!f)
		return 1;
	fputs(buf_str(&out), f);
	return fclose(f) != 0;
}

static int play(const char *rules_dir, const char *script)
{
	FILE *f = fopen(script, "re");
	char text[4096], path[512];
	struct play y;
	int r = f ? 0 : -errno;

	play_begin(&y, script, rules_dir);
	for (y.line = 1; f && r == 0 && fgets(text, sizeof(text), f); y.line++)
		r = do_line(&y, text);
	if (r < 0)
		fprintf(stderr, "%s:%d: cannot be done\n", script, y.line - 1);
	snprintf(path, sizeof(path), "%.*s.expected", (int)(strlen(script) - strlen(".events")), script);
	r = r < 0 ? 1 : compare(&y, path);
	if (r == 0 && getenv("RECORD"))
		r = record(&y, getenv("RECORD"));
	printf("%s %s\n", r ? "FAIL" : "ok  ", script);
	if (f)
		fclose(f);
	play_finish(&y);
	return r;
}

int main(int argc, char **argv)
{
	int failed = 0;

	setenv("TZ", "UTC", 1);
	for (int i = 2; i < argc; i++)
		failed += play(argv[1], argv[i]);
	return argc < 3 ? 2 : failed != 0;
}
