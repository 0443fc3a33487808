// SPDX-License-Identifier: GPL-2.0-or-later
/* The answer to "why" as text, made of its JSON and of nothing else. */
#include "rules/rules.h"

#include "core/clock.h"

#include <string.h>

static const char *text_of(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

static long long int_of(const json_t *j, const char *name)
{
	return (long long)json_integer_value(json_object_get(j, name));
}

static void duration_of(const json_t *j, const char *name, struct buf *out)
{
	struct value v = value_duration(int_of(j, name));

	value_print(&v, VALUE_CANONICAL, out);
}

static const char *mark_of(const char *value)
{
	static const struct {
		const char *value, *mark;
	} marks[] = {{"ok", "ok"}, {"no", "NO"}, {"unknown", "??"}};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strcmp(marks[i].value, value) == 0)
			return marks[i].mark;
	return "..";
}

/* In unless it is well when the test does not hold. */
static const char *mark_of_test(const json_t *part, const json_t *test)
{
	const char *value = text_of(test, "value");

	if (strcmp(text_of(part, "part"), "unless") != 0)
		return mark_of(value);
	return mark_of(strcmp(value, "no") == 0 ? "ok" : strcmp(value, "ok") == 0 ? "no" : value);
}

/* "medium in hard-errors", "0, not ge 1", "not known", "= medium: the event tells" */
static void print_test(const json_t *test, struct buf *out)
{
	const char *value = text_of(test, "value"), *op = text_of(test, "op"), *want = text_of(test, "want");
	bool equal = strcmp(op, "eq") == 0;

	buf_addf(out, "%-22s ", text_of(test, "fact"));
	if (strcmp(value, "not-reached") == 0)
		buf_addf(out, "%s %s: the event tells", equal ? "=" : op, want);
	else if (strcmp(value, "unknown") == 0)
		buf_addf(out, "not known, for %s %s", equal ? "=" : op, want);
	else if (strcmp(value, "ok") == 0)
		buf_addf(out, "%s %s %s", text_of(test, "is"), equal ? "=" : op, want);
	else
		buf_addf(out, "%s, not %s%s%s", text_of(test, "is"), equal ? "" : op, equal ? "" : " ", want);
	buf_addc(out, '\n');
}

static void print_tests(const json_t *part, struct buf *out)
{
	const json_t *tests = json_object_get(part, "tests"), *test;
	size_t i;

	json_array_foreach(tests, i, test)
	{
		if (i > 0)
			buf_addf(out, "  %s  %-11s", mark_of_test(part, test), "");
		print_test(test, out);
	}
	if (json_array_size(tests) == 0)
		buf_add(out, "none\n");
}

static void print_event(const json_t *part, struct buf *out)
{
	buf_addf(out, "%-22s ", text_of(part, "kind"));
	if (json_object_get(part, "last"))
		buf_addf(out, "last %s (seq %lld)\n", text_of(part, "last"), int_of(part, "event"));
	else
		buf_add(out, "not heard yet\n");
}

static void print_watch(const json_t *part, struct buf *out)
{
	buf_addf(out, "%-22s ", text_of(part, "subject"));
	if (json_object_get(part, "since"))
		buf_addf(out, "since %s\n", text_of(part, "since"));
	else
		buf_add(out, "not in the state\n");
}

static void print_threshold(const json_t *part, struct buf *out)
{
	const json_t *key = json_object_get(part, "key"), *value;
	const char *name, *sep = "   key ";

	buf_addf(out, "%-22s %lld of %lld", text_of(part, "counts"), int_of(part, "count"), int_of(part, "of"));
	if (json_object_get(part, "within_ns")) {
		buf_add(out, " within ");
		duration_of(part, "within_ns", out);
	}
	if (json_object_get(part, "ratio"))
		buf_addf(out, ", %s of %s for %s", json_object_get(part, "share") ? text_of(part, "share") : "?",
			 text_of(part, "ratio-of"), text_of(part, "ratio"));
	json_object_foreach((json_t *)key, name, value)
	{
		buf_addf(out, "%s%s=%s", sep, name, json_is_string(value) ? json_string_value(value) : "(not known)");
		sep = ", ";
	}
	buf_addc(out, '\n');
	if (json_object_get(part, "oldest"))
		buf_addf(out, "%40soldest %s leaves at %s\n", "", text_of(part, "oldest"), text_of(part, "deadline"));
}

static void print_order(const json_t *part, struct buf *out)
{
	buf_addf(out, "%-22s %lld of %lld within ", text_of(part, "next"), int_of(part, "count"), int_of(part, "of"));
	duration_of(part, "within_ns", out);
	if (json_object_get(part, "since"))
		buf_addf(out, ", since %s until %s", text_of(part, "since"), text_of(part, "until"));
	buf_addc(out, '\n');
}

static void print_schedule(const json_t *part, struct buf *out)
{
	buf_addf(out, "%-22s", text_of(part, "calendar"));
	if (json_object_get(part, "next"))
		buf_addf(out, " next %s", text_of(part, "next"));
	buf_addc(out, '\n');
}

static void print_for(const json_t *part, struct buf *out)
{
	size_t at = out->len;

	duration_of(part, "of_ns", out);
	buf_pad(out, ' ', out->len - at < 23 ? 23 - (out->len - at) : 1);
	if (json_object_get(part, "has_ns"))
		duration_of(part, "has_ns", out);
	if (json_object_get(part, "fires"))
		buf_addf(out, ", fires at %s", text_of(part, "fires"));
	if (!json_object_get(part, "has_ns"))
		buf_add(out, strcmp(text_of(part, "value"), "ok") == 0 ? "is over" : "not begun");
	buf_addc(out, '\n');
}

static void print_limit(const json_t *part, struct buf *out)
{
	size_t at = out->len;

	duration_of(part, "within_ns", out);
	buf_pad(out, ' ', out->len - at < 23 ? 23 - (out->len - at) : 1);
	buf_addf(out, "%lld of %lld", int_of(part, "used"), int_of(part, "of"));
	if (json_object_get(part, "opens"))
		buf_addf(out, ", the next may be at %s", text_of(part, "opens"));
	buf_addc(out, '\n');
}

static void print_inhibit(const json_t *part, struct buf *out)
{
	if (json_object_get(part, "by"))
		buf_addf(out, "by %s until %s\n", text_of(part, "by"), text_of(part, "until"));
	else
		buf_add(out, "none\n");
}

static const struct {
	const char *part;
	void (*print)(const json_t *part, struct buf *out);
} printers[] = {
	{"event", print_event},		{"watch", print_watch},	      {"where", print_tests},
	{"threshold", print_threshold}, {"schedule", print_schedule}, {"sequence", print_order},
	{"absence", print_order},	{"for", print_for},	      {"unless", print_tests},
	{"limit", print_limit},		{"inhibit", print_inhibit},
};

static void print_would_do(const json_t *lines, struct buf *out)
{
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line) buf_addf(out, "%s%s", i ? "; " : "  would do: ", json_string_value(line));
	if (json_array_size(lines))
		buf_addc(out, '\n');
}

static void print_origin(const json_t *origin, struct buf *out)
{
	const json_t *at;
	const char *key;

	buf_addf(out, "  rule at %s", text_of(origin, "rule"));
	json_object_foreach((json_t *)origin, key, at)
	{
		if (strcmp(key, "rule") != 0)
			buf_addf(out, ", %s set by %s", key, json_string_value(at));
	}
	buf_addc(out, '\n');
}

void why_print(const json_t *why, struct buf *out)
{
	const json_t *part;
	size_t i;

	buf_addf(out, "%s\n", text_of(why, "line"));
	json_array_foreach(json_object_get(why, "parts"), i, part)
	{
		const char *name = text_of(part, "part");
		const json_t *tests = json_object_get(part, "tests");
		const char *mark = json_array_size(tests) ? mark_of_test(part, json_array_get(tests, 0))
							  : mark_of(text_of(part, "value"));

		buf_addf(out, "  %s  %-10s ", mark, name);
		for (size_t k = 0; k < ARRAY_SIZE(printers); k++)
			if (strcmp(printers[k].part, name) == 0)
				printers[k].print(part, out);
	}
	print_would_do(json_object_get(why, "would_do"), out);
	print_origin(json_object_get(why, "origin"), out);
}
