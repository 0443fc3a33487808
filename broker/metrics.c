// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/metrics.h"

#include "core/clock.h"
#include "core/err.h"
#include "core/fact.h"
#include "core/value.h"

#include <inttypes.h>
#include <string.h>

enum { LABELS_MAX = 3 };

struct label {
	const char *name, *value;
};

struct labels {
	struct label l[LABELS_MAX]; /* ends with a NULL name */
};

#define NO_LABELS ((struct labels){0})
#define LABEL(name, value) ((struct labels){{{name, value}}})
#define LABELS(n1, v1, n2, v2) ((struct labels){{{n1, v1}, {n2, v2}}})

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static double number_of(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP spared_%s %s\n# TYPE spared_%s %s\n", name, help, name, type);
}

/* Names of arrays come from disks, and this text may be read on a terminal. */
static void add_escaped(const char *text, struct buf *out)
{
	_cleanup_(buf_free) struct buf safe = {0};

	value_escape(text, 0, &safe);
	for (const char *s = buf_str(&safe); *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(out, "\\%c", *s);
		else
			buf_addc(out, *s);
	}
}

static void sample(struct buf *out, const char *name, struct labels labels, double value)
{
	buf_addf(out, "spared_%s", name);
	for (size_t i = 0; i < LABELS_MAX && labels.l[i].name; i++) {
		buf_addf(out, "%s%s=\"", i ? "," : "{", labels.l[i].name);
		add_escaped(labels.l[i].value, out);
		buf_addc(out, '"');
	}
	buf_addf(out, "%s %.15g\n", labels.l[0].name ? "}" : "", value);
}

static void single(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	sample(out, name, NO_LABELS, value);
}

/* ---- what was told ---- */

static void print_tally(const struct tally *t, struct buf *out)
{
	head(out, "events_total", "counter", "Events since the start, by source and class of kind.");
	for (size_t i = 0; i < t->n_sources; i++)
		for (int k = 0; k < TALLY_CLASS_MAX; k++)
			if (t->source[i].events[k])
				sample(out, "events_total",
				       LABELS("source", t->source[i].name, "class", tally_class_words[k]),
				       (double)t->source[i].events[k]);
	head(out, "verdicts_total", "counter", "Verdicts of rules since the start.");
	for (int i = 0; i < TALLY_VERDICTS; i++)
		sample(out, "verdicts_total", LABEL("kind", tally_verdict_words[i]), (double)t->verdicts[i]);
	head(out, "plans_total", "counter",
	     "Plans that have ended since the start, of rules, people and the kernel's facts.");
	for (int i = 0; i < TALLY_RESULTS; i++)
		sample(out, "plans_total", LABEL("result", tally_result_words[i]), (double)t->results[i]);
}

/* ---- sources ---- */

static void print_sources(const json_t *sources, struct buf *out)
{
	static const struct {
		const char *key, *name, *type, *help;
		double unit;
	} rows[] = {
		{"received", "source_received_total", "counter", "Messages that came.", 1},
		{"dropped", "source_dropped_total", "counter", "Messages that were malformed or of no use.", 1},
		{"merged", "source_merged_total", "counter", "Messages that became part of another's event.", 1},
		{"lost", "source_lost_total", "counter", "Messages that are known to be lost.", 1},
		{"rescans", "source_rescans_total", "counter", "How often everything was read again.", 1},
		{"lag", "source_lag_seconds", "gauge", "From what happened to its event, of the last one.", 1e-9},
		{"lag-max", "source_lag_max_seconds", "gauge", "The longest lag since the start.", 1e-9},
	};
	json_t *s;
	size_t i;

	head(out, "source_up", "gauge", "1 if the source is heard.");
	json_array_foreach((json_t *)sources, i, s)
		sample(out, "source_up", LABEL("source", text_of(s, "name")), strcmp(text_of(s, "state"), "on") == 0);
	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		head(out, rows[k].name, rows[k].type, rows[k].help);
		json_array_foreach((json_t *)sources, i, s) if (json_object_get(s, rows[k].key))
			sample(out, rows[k].name, LABEL("source", text_of(s, "name")),
			       number_of(s, rows[k].key) * rows[k].unit);
	}
}

/* ---- arrays ---- */

static size_t count_items(const json_t *list, const char *key, const char *word)
{
	size_t n = 0, i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item) n += strcmp(text_of(item, key), word) == 0;
	return n;
}

static struct labels array_labels(const json_t *array, const char *name, const char *value)
{
	return (struct labels){{{"array", text_of(array, "name")}, {"id", text_of(array, "id")}, {name, value}}};
}

static double progress_of(const json_t *array)
{
	json_t *member;
	size_t i;

	json_array_foreach(json_object_get(array, "members"), i,
			   member) if (json_object_get(member, "progress")) return number_of(member, "progress");
	return json_object_get(array, "progress") ? number_of(array, "progress") : -1;
}

static void print_arrays(const json_t *arrays, struct buf *out)
{
	json_t *a;
	size_t i;

	head(out, "arrays", "gauge", "Arrays by state.");
	for (int k = 0; array_words[k]; k++)
		sample(out, "arrays", LABEL("state", array_words[k]),
		       (double)count_items(arrays, "state", array_words[k]));
	head(out, "array_state", "gauge", "1 for the state that the array is in.");
	json_array_foreach((json_t *)arrays, i, a) for (int k = 0; array_words[k]; k++)
		sample(out, "array_state", array_labels(a, "state", array_words[k]),
		       strcmp(text_of(a, "state"), array_words[k]) == 0);
	head(out, "array_members", "gauge", "Slots of the array by the state of their members.");
	json_array_foreach((json_t *)arrays, i, a) for (int k = 0; member_words[k]; k++)
		sample(out, "array_members", array_labels(a, "state", member_words[k]),
		       (double)count_items(json_object_get(a, "members"), "state", member_words[k]));
	head(out, "array_redundancy", "gauge", "How many more members may fail without loss.");
	json_array_foreach((json_t *)arrays, i, a)
		sample(out, "array_redundancy", array_labels(a, NULL, NULL), number_of(a, "redundancy"));
	head(out, "array_spares_fit", "gauge", "Idle spares that the array could use.");
	json_array_foreach((json_t *)arrays, i, a)
		sample(out, "array_spares_fit", array_labels(a, NULL, NULL), number_of(a, "spares-fit"));
	head(out, "array_progress_ratio", "gauge", "How far the rebuild, resync or check is that runs.");
	json_array_foreach((json_t *)arrays, i, a) if (progress_of(a) >= 0)
		sample(out, "array_progress_ratio", array_labels(a, NULL, NULL), progress_of(a));
}

/* A spare of a set stands at each of its arrays. */
static void print_spares(const json_t *arrays, struct buf *out)
{
	json_t *seen = json_object(), *a, *spare;
	size_t i, k, n[8] = {0};

	json_array_foreach((json_t *)arrays, i, a) json_array_foreach(json_object_get(a, "spares"), k, spare)
		json_object_set(seen, text_of(spare, "device"), json_object_get(spare, "state"));
	head(out, "spares", "gauge", "Spares by state.");
	for (k = 0; spare_state_words[k] && k < ARRAY_SIZE(n); k++) {
		const char *id;
		json_t *state;

		json_object_foreach(seen, id, state) n[k] +=
			strcmp(json_string_value(state), spare_state_words[k]) == 0;
		sample(out, "spares", LABEL("state", spare_state_words[k]), (double)n[k]);
	}
	json_decref(seen);
}

/* ---- the broker ---- */

static void print_workers(const json_t *workers, struct buf *out)
{
	static const char *const probes[] = {"running", "queued", "hanging"};
	static const char *const acts[] = {"warm", "idle", "busy", "stuck"};
	const json_t *p = json_object_get(workers, "probes"), *list = json_object_get(workers, "acts");

	head(out, "probes", "gauge", "Processes that read disks, by state.");
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		sample(out, "probes", LABEL("state", probes[i]), number_of(p, probes[i]));
	single(out, "probes_killed_total", "counter", "Processes that read disks and were killed.",
	       number_of(p, "killed"));
	head(out, "acts", "gauge", "Processes that change disks, by state.");
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		sample(out, "acts", LABEL("state", acts[i]), (double)count_items(list, "state", acts[i]));
}

static void print_broker(const json_t *broker, uint64_t rss, struct buf *out)
{
	static const char *const history[] = {"ok", "not-durable", "off"};

	head(out, "build_info", "gauge", "The version, as a label; always 1.");
	sample(out, "build_info", LABEL("version", text_of(broker, "version")), 1);
	single(out, "start_time_seconds", "gauge", "When the broker started, since 1970.",
	       number_of(broker, "started") / NS_PER_SEC);
	single(out, "uptime_seconds", "gauge", "How long it has run, suspended time included.",
	       number_of(broker, "uptime") / NS_PER_SEC);
	single(out, "resident_memory_bytes", "gauge", "Memory of the broker process.", (double)rss);
	single(out, "settled", "gauge", "1 if the first picture is whole.",
	       json_is_true(json_object_get(broker, "settled")));
	single(out, "subscribers", "gauge", "Connections that monitor.", number_of(broker, "subscribers"));
	head(out, "history_state", "gauge", "1 for the state that the history is in.");
	for (size_t i = 0; i < ARRAY_SIZE(history); i++)
		sample(out, "history_state", LABEL("state", history[i]),
		       strcmp(text_of(broker, "history"), history[i]) == 0);
}

void metrics_print(const struct tally *t, const json_t *status, const json_t *broker, uint64_t rss, struct buf *out)
{
	const json_t *arrays = json_object_get(status, "arrays");
	json_t *d;
	size_t i;

	print_broker(broker, rss, out);
	print_workers(json_object_get(broker, "workers"), out);
	print_sources(json_object_get(broker, "sources"), out);
	print_tally(t, out);
	print_arrays(arrays, out);
	print_spares(arrays, out);
	single(out, "sets_managed", "gauge", "Entries of manage in the settings.", number_of(status, "managed"));
	single(out, "cases_open", "gauge", "Disks that something is wrong with.",
	       (double)json_array_size(json_object_get(status, "cases")));
	head(out, "device_errors_total", "counter", "Failed requests by disk, since it was first seen.");
	json_array_foreach(json_object_get(status, "devices"), i, d)
		sample(out, "device_errors_total", LABELS("device", text_of(d, "name"), "id", text_of(d, "id")),
		       number_of(d, "errors"));
}
