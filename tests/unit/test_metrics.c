// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/metrics.h"

#include "tests/unit/unit.h"

#include <ctype.h>
#include <string.h>

/* ---- promtool's rules, as far as one exposition can break them ---- */

enum { FAMILIES_MAX = 64, SAMPLES_MAX = 512 };

static char families[FAMILIES_MAX][64], seen[SAMPLES_MAX][256];
static size_t n_families, n_seen;

static bool ends_with(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static size_t name_length(const char *s)
{
	size_t n = 0;

	while (islower((unsigned char)s[n]) || isdigit((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* "{name="value",..}": returns what follows. */
static const char *check_labels(const char *s)
{
	assert_int_equal(*s++, '{');
	for (;;) {
		size_t n = name_length(s);

		assert_true(n > 0);
		s += n;
		assert_int_equal(*s++, '=');
		assert_int_equal(*s++, '"');
		for (; *s != '"'; s++) {
			assert_true(*s != '\0' && *s != '\n');
			if (*s == '\\')
				assert_non_null(strchr("\\\"n", *++s));
		}
		s++;
		if (*s == '}')
			return s + 1;
		assert_int_equal(*s++, ',');
	}
}

static void check_sample(const char *line)
{
	size_t n = name_length(line);
	const char *rest = line + n;
	char *end;

	assert_true(n_families > 0 && n_seen < SAMPLES_MAX);
	/* Right behind its own head, and once. */
	assert_int_equal(strlen(families[n_families - 1]), n);
	assert_memory_equal(families[n_families - 1], line, n);
	if (*rest == '{')
		rest = check_labels(rest);
	snprintf(seen[n_seen], sizeof(seen[0]), "%.*s", (int)(rest - line), line);
	for (size_t i = 0; i < n_seen; i++)
		assert_string_not_equal(seen[i], seen[n_seen]);
	n_seen++;
	assert_int_equal(*rest++, ' ');
	strtod(rest, &end);
	assert_true(end > rest && *end == '\0');
}

static void check_type(const char *name, const char *type)
{
	assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
	assert_int_equal(strcmp(type, "counter") == 0, ends_with(name, "_total"));
	for (size_t i = 0; i < n_families; i++)
		assert_string_not_equal(families[i], name);
	snprintf(families[n_families++], sizeof(families[0]), "%s", name);
}

static void check(const char *text)
{
	char *copy = strdup(text), *next = NULL, *line, helped[64] = "", name[64], type[16];

	n_families = n_seen = 0;
	assert_true(ends_with(text, "\n"));
	for (line = strtok_r(copy, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %63s", helped), 1);
			assert_true(strlen(line) > 7 + strlen(helped) + 1);
		} else if (line[0] == '#') {
			assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, type), 2);
			assert_string_equal(name, helped);
			assert_int_equal(name_length(name), strlen(name));
			check_type(name, type);
		} else {
			check_sample(line);
		}
	}
	free(copy);
}

static json_t *load(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	assert_non_null(j);
	return j;
}

static void print(const struct tally *t, const char *status, const char *broker, struct buf *out)
{
	json_t *s = load(status), *b = load(broker);

	metrics_print(t, s, b, 4096, out);
	json_decref(s);
	json_decref(b);
}

static void has(const struct buf *out, const char *line)
{
	if (!strstr(buf_str(out), line))
		fail_msg("no '%s' in\n%s", line, buf_str(out));
}

static void test_empty(void **state _unused_)
{
	_cleanup_(buf_free) struct buf out = {0};
	static const struct tally none;

	print(&none, "{}", "{}", &out);
	check(buf_str(&out));
	has(&out, "spared_resident_memory_bytes 4096\n");
	has(&out, "spared_plans_total{result=\"ok\"} 0\n");
}

static const char status_text[] =
	"{\"managed\":1,\"cases\":[{}],\"devices\":[{\"id\":\"wwn-1\",\"name\":\"sda\",\"errors\":3}],\"arrays\":["
	"{\"id\":\"g1\",\"name\":\"a\\\"b\\\\c\\nd\",\"state\":\"degraded\",\"redundancy\":1,\"spares-fit\":1,"
	" \"members\":[{\"state\":\"in-sync\"},{\"state\":\"rebuilding\",\"progress\":0.25}],"
	" \"spares\":[{\"device\":\"s1\",\"state\":\"idle\"}]},"
	"{\"id\":\"g2\",\"name\":\"x\",\"state\":\"optimal\",\"members\":[],"
	" \"spares\":[{\"device\":\"s1\",\"state\":\"idle\"},{\"device\":\"s2\",\"state\":\"failed\"}]}]}";
static const char broker_text[] =
	"{\"version\":\"9\",\"uptime\":1500000000,\"history\":\"ok\",\"settled\":true,\"subscribers\":2,"
	"\"sources\":[{\"name\":\"udev\",\"state\":\"on\",\"received\":7,\"lost\":2,\"lag\":2500000}],"
	"\"workers\":{\"probes\":{\"running\":1},\"acts\":[{\"state\":\"busy\"}]}}";

static void test_full(void **state _unused_)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct tally t = {0};
	json_t *msg = load("{\"type\":\"event\",\"event\":{\"kind\":\"block.error\",\"source\":\"tracefs\",\"count\":5,"
			   "\"time\":1000}}");

	tally_message(&t, msg, 4000);
	tally_message(&t, msg, 2000);
	json_decref(msg);
	msg = load("{\"type\":\"verdict\",\"verdict\":{\"kind\":\"limited\"}}");
	tally_message(&t, msg, 0);
	json_decref(msg);
	msg = load("{\"type\":\"outcome\",\"result\":\"refused\"}");
	tally_message(&t, msg, 0);
	json_object_set_new(msg, "dry-run", json_true());
	tally_message(&t, msg, 0);
	json_decref(msg);
	print(&t, status_text, broker_text, &out);
	check(buf_str(&out));
	has(&out, "spared_events_total{source=\"tracefs\",class=\"block\"} 2\n");
	has(&out, "spared_verdicts_total{kind=\"limited\"} 1\n");
	has(&out, "spared_plans_total{result=\"refused\"} 1\n");
	has(&out, "spared_array_state{array=\"a\\\"b\\\\c\\\\x0ad\",id=\"g1\",state=\"degraded\"} 1\n");
	has(&out, "spared_array_members{array=\"a\\\"b\\\\c\\\\x0ad\",id=\"g1\",state=\"rebuilding\"} 1\n");
	has(&out, "spared_array_progress_ratio{array=\"a\\\"b\\\\c\\\\x0ad\",id=\"g1\"} 0.25\n");
	has(&out, "spared_arrays{state=\"optimal\"} 1\n");
	has(&out, "spared_spares{state=\"idle\"} 1\n");
	has(&out, "spared_source_lag_seconds{source=\"udev\"} 0.0025\n");
	has(&out, "spared_history_state{state=\"ok\"} 1\n");
	has(&out, "spared_uptime_seconds 1.5\n");
	has(&out, "spared_acts{state=\"busy\"} 1\n");
}

/* Whoever names a new source with each event fills no memory. */
static void test_tally_bounded(void **state _unused_)
{
	struct tally t = {0};
	json_t *list = load("[{\"name\":\"source-3\"},{\"name\":\"silent\"}]");

	for (int i = 0; i < 100; i++) {
		json_t *msg = json_pack("{s:s s:{s:s s:s% s:i s:i}}", "type", "event", "event", "kind", "x.y", "source",
					"source-?", (size_t)8, "count", 3, "time", 100);
		char name[16];

		snprintf(name, sizeof(name), "source-%d", i);
		json_object_set_new(json_object_get(msg, "event"), "source", json_string(name));
		tally_message(&t, msg, 150);
		json_decref(msg);
	}
	assert_int_equal(t.n_sources, TALLY_SOURCES_MAX);
	assert_string_equal(t.source[TALLY_SOURCES_MAX - 1].name, "other");
	assert_int_equal(t.source[TALLY_SOURCES_MAX - 1].events[TALLY_other], 100 - (TALLY_SOURCES_MAX - 1));
	tally_add_to(&t, list);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "merged")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "lag")), 50);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "events")), 0);
	assert_null(json_object_get(json_array_get(list, 1), "lag"));
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_empty),
		unit(test_full),
		unit(test_tally_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
