// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/describe.h"

#include "cli/output.h"
#include "core/clock.h"
#include "core/fact.h"

#include <inttypes.h>
#include <pwd.h>
#include <string.h>

/* The name of a device or an array, by its id; the id if it has none now. */
static const char *name_of(const struct cli *c, const char *id)
{
	const char *name = j_str(c->names, id);

	return name[0] ? name : id;
}

/* " sdb in data": whom it is about, as far as it is known. */
static void add_subject(const struct cli *c, const json_t *j, struct buf *out)
{
	const json_t *context = json_array_get(j_list(j, "contexts"), 0), *from = context ? context : j;
	const char *device = name_of(c, j_str(from, "device")), *array = name_of(c, j_str(from, "array"));

	if (device[0]) {
		buf_addc(out, ' ');
		out_text(out, device);
	}
	if (array[0]) {
		buf_add(out, device[0] ? " in " : " ");
		out_text(out, array);
	}
	if (!device[0] && !array[0] && j_str(j, "subject")[0]) {
		buf_addc(out, ' ');
		out_text(out, name_of(c, j_str(j, "subject")));
	}
}

static void add_value(const json_t *v, struct buf *out)
{
	if (json_is_string(v))
		out_text(out, json_string_value(v));
	else if (json_is_integer(v))
		buf_addf(out, "%" PRId64, (int64_t)json_integer_value(v));
	else if (json_is_real(v))
		buf_addf(out, "%.3g", json_real_value(v));
	else if (json_is_boolean(v))
		buf_add(out, json_is_true(v) ? "true" : "false");
	else if (json_is_array(v))
		for (size_t i = 0; i < json_array_size(v); i++) {
			buf_add(out, i ? "," : "");
			add_value(json_array_get(v, i), out);
		}
	else
		buf_add(out, "..");
}

void describe_fact(const char *name, const json_t *v, struct buf *out)
{
	int id = fact_lookup(name);
	struct value value;

	switch (id < 0 ? V_NONE : fact_table[id].type) {
	case V_SIZE:
	case V_RATE:
	case V_DURATION:
	case V_TIME:
		value = (struct value){.type = fact_table[id].type, .i = json_integer_value(v)};
		value_print(&value, VALUE_HUMAN, out);
		break;
	default:
		add_value(v, out);
	}
}

static void describe_event(const struct cli *c, const json_t *j, struct buf *out)
{
	const char *name;
	json_t *v;

	out_word(c, out, TONE_PLAIN, j_str(j, "kind"), 0);
	add_subject(c, j, out);
	buf_add(out, " (");
	out_text(out, j_str(j, "source"));
	if (strcmp(j_str(j, "origin"), "injected") == 0)
		buf_add(out, ", injected");
	if (j_int(j, "count") > 1)
		buf_addf(out, ", %" PRId64 " times", j_int(j, "count"));
	buf_addc(out, ')');
	json_object_foreach(json_object_get(j, "facts"), name, v)
	{
		/* What the device is stands in status; here only what the event brings. */
		if (strncmp(name, "device.", 7) == 0)
			continue;
		buf_addf(out, " %s=", name);
		describe_fact(name, v, out);
	}
}

static void add_reason(const json_t *j, struct buf *out)
{
	if (j_str(j, "reason")[0]) {
		buf_add(out, ": ");
		out_text(out, j_str(j, "reason"));
	}
}

static void describe_verdict(const struct cli *c, const json_t *j, struct buf *out)
{
	const json_t *steps = j_list(j, "steps");

	out_word(c, out, TONE_BOLD, j_str(j, "rule"), 0);
	buf_addc(out, ' ');
	out_text(out, j_str(j, "kind"));
	if (strcmp(j_str(j, "mode"), "shadow") == 0)
		buf_add(out, " in shadow mode");
	buf_add(out, " for");
	add_subject(c, j, out);
	add_reason(j, out);
	for (size_t i = 0; i < json_array_size(steps); i++) {
		buf_add(out, i ? ", " : ": ");
		out_text(out, j_str(json_array_get(steps, i), "action"));
	}
	buf_add(out, "  (verdict ");
	out_text(out, j_str(j, "id"));
	buf_addc(out, ')');
}

static void add_lines(const json_t *lines, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		buf_add(out, i ? "; " : ": ");
		add_value(json_array_get(lines, i), out);
	}
}

/* A message has the plan as an object beside its lines; a row of the history has its id. */
static void describe_plan(const struct cli *c, const json_t *j, struct buf *out)
{
	const json_t *plan = json_object_get(j, "plan");
	const json_t *from = json_is_object(plan) ? plan : j;

	out_word(c, out, TONE_BOLD, json_is_object(plan) ? j_str(plan, "id") : j_str(j, "plan"), 0);
	if (j_str(j, "state")[0]) {
		buf_addc(out, ' ');
		out_text(out, j_str(j, "state"));
	}
	if (j_str(from, "rule")[0]) {
		buf_add(out, " by ");
		out_text(out, j_str(from, "rule"));
	}
	add_lines(j_list(j, "lines"), out);
}

static void describe_outcome(const struct cli *c, const json_t *j, struct buf *out)
{
	const char *result = j_str(j, "result");

	out_word(c, out, TONE_BOLD, j_str(j, "plan"), 0);
	buf_addc(out, ' ');
	out_word(c, out, strcmp(result, "ok") == 0 ? TONE_GOOD : TONE_BAD, result, 0);
	if (j_bool(j, "dry-run"))
		buf_add(out, " (dry run)");
	add_reason(j, out);
	add_lines(j_list(j, "lines"), out);
}

static void describe_notice(const struct cli *c, const json_t *j, struct buf *out)
{
	const char *severity = j_str(j, "severity");
	bool calm = strcmp(severity, "debug") == 0 || strcmp(severity, "info") == 0 || strcmp(severity, "notice") == 0;

	out_word(c, out, calm ? TONE_PLAIN : strcmp(severity, "warning") == 0 ? TONE_WARN : TONE_BAD, severity, 0);
	buf_add(out, ": ");
	out_text(out, j_str(j, "text"));
}

static void describe_case(const struct cli *c, const json_t *j, struct buf *out)
{
	out_word(c, out, TONE_BOLD, j_str(j, "name")[0] ? j_str(j, "name") : j_str(j, "device"), 0);
	buf_add(out, j_int(j, "closed") ? " closed: " : " open: ");
	out_text(out, j_str(j, "why"));
	if (j_int(j, "errors"))
		buf_addf(out, ", %" PRId64 " errors", j_int(j, "errors"));
}

static void add_user(int64_t uid, struct buf *out)
{
	const struct passwd *user = getpwuid((uid_t)uid);

	if (user)
		out_text(out, user->pw_name);
	else
		buf_addf(out, "uid %" PRId64, uid);
}

/* Who: the user, and who logged in where that is another. */
static void add_person(const json_t *j, struct buf *out)
{
	static const char *const keys[][2] = {{"user", "uid"}, {"login", "login-uid"}};
	bool same = j_int(j, "uid") == j_int(j, "login-uid") || !json_object_get(j, "login-uid");

	for (size_t i = 0; i < (same ? 1 : ARRAY_SIZE(keys)); i++) {
		buf_add(out, i ? ", logged in as " : " by ");
		if (j_str(j, keys[i][0])[0])
			out_text(out, j_str(j, keys[i][0]));
		else
			add_user(j_int(j, keys[i][1]), out);
	}
	buf_add(out, " (");
	out_text(out, j_str(j, "program"));
	buf_addf(out, " pid %" PRId64 ")", j_int(j, "pid"));
}

static void describe_command(const struct cli *c, const json_t *j, struct buf *out)
{
	const char *result = j_str(j, "result"), *plan = j_str(j, "plan");

	out_word(c, out, TONE_BOLD, j_str(j, "kind"), 0);
	add_subject(c, j, out);
	add_person(j, out);
	buf_add(out, ": ");
	out_text(out, plan[0] ? plan : result);
	add_reason(j, out);
}

static void describe_show(const struct cli *c, const json_t *j, struct buf *out)
{
	(void)c;
	out_text(out, j_str(j, "text"));
}

static const struct {
	const char *type;
	enum tone tone;
	void (*fn)(const struct cli *c, const json_t *j, struct buf *out);
} type_table[] = {
	{"event", TONE_DIM, describe_event},	   {"verdict", TONE_WARN, describe_verdict},
	{"plan", TONE_PLAIN, describe_plan},	   {"intent", TONE_PLAIN, describe_plan},
	{"outcome", TONE_PLAIN, describe_outcome}, {"notice", TONE_PLAIN, describe_notice},
	{"command", TONE_PLAIN, describe_command}, {"case", TONE_PLAIN, describe_case},
	{"show", TONE_PLAIN, describe_show},
};

void describe(const struct cli *c, const char *type, const json_t *j, struct buf *out)
{
	const json_t *body = json_object_get(j, "row");
	int64_t wall = j_int(j, "wall");

	if (!json_is_object(body) && strcmp(type, "plan") != 0)
		body = json_object_get(j, type);
	if (!json_is_object(body))
		body = j;
	wall = wall ? wall : j_int(body, "wall");
	out_time(out, wall ? wall : clock_wall(&clock_system), true);
	buf_addc(out, ' ');
	for (size_t i = 0; i < ARRAY_SIZE(type_table); i++)
		if (strcmp(type_table[i].type, type) == 0) {
			out_word(c, out, type_table[i].tone, type, 8);
			type_table[i].fn(c, body, out);
		}
	buf_addc(out, '\n');
}
