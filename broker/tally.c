// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/tally.h"

#include "core/err.h"

#include <stdio.h>
#include <string.h>

const char *const tally_class_words[TALLY_CLASS_MAX] = {
#define X(word) #word,
	TALLY_CLASSES(X)
#undef X
};
const char *const tally_verdict_words[TALLY_VERDICTS] = {"fired", "cleared", "limited", "held"};
const char *const tally_result_words[TALLY_RESULTS] = {"ok", "failed", "refused", "timeout", "other"};

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static enum tally_class class_of(const char *kind)
{
	size_t len = strcspn(kind, ".");

	for (int i = 0; i < TALLY_other; i++)
		if (strlen(tally_class_words[i]) == len && memcmp(tally_class_words[i], kind, len) == 0)
			return (enum tally_class)i;
	return TALLY_other;
}

static struct tally_source *source_of(struct tally *t, const char *name)
{
	struct tally_source *s = t->source;

	for (; s < t->source + t->n_sources; s++)
		if (strncmp(s->name, name, sizeof(s->name) - 1) == 0)
			return s;
	if (t->n_sources == TALLY_SOURCES_MAX)
		return s - 1;
	t->n_sources++;
	snprintf(s->name, sizeof(s->name), "%s", t->n_sources == TALLY_SOURCES_MAX ? "other" : name);
	s->lag = s->lag_max = -1;
	return s;
}

static void tally_event(struct tally *t, const json_t *event, int64_t now)
{
	struct tally_source *s = source_of(t, text_of(event, "source"));
	json_int_t count = json_integer_value(json_object_get(event, "count"));
	int64_t time = json_integer_value(json_object_get(event, "time"));

	s->events[class_of(text_of(event, "kind"))]++;
	if (count > 1)
		s->merged += (uint64_t)count - 1;
	if (time > 0 && now >= time) {
		s->lag = now - time;
		s->lag_max = MAX(s->lag_max, s->lag);
	}
}

static void count_word(uint64_t *counts, const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0) {
			counts[i]++;
			return;
		}
	counts[n - 1]++;
}

void tally_message(struct tally *t, const json_t *msg, int64_t now)
{
	const char *type = text_of(msg, "type");

	if (strcmp(type, "event") == 0)
		tally_event(t, json_object_get(msg, "event"), now);
	else if (strcmp(type, "verdict") == 0)
		count_word(t->verdicts, tally_verdict_words, TALLY_VERDICTS,
			   text_of(json_object_get(msg, "verdict"), "kind"));
	else if (strcmp(type, "outcome") == 0 && !json_is_true(json_object_get(msg, "dry-run")))
		count_word(t->results, tally_result_words, TALLY_RESULTS, text_of(msg, "result"));
}

void tally_add_to(const struct tally *t, json_t *sources)
{
	json_t *entry;
	size_t i;

	json_array_foreach(sources, i, entry)
	{
		const struct tally_source *s = t->source, *end = t->source + t->n_sources;
		json_int_t events = 0;

		while (s < end && strcmp(s->name, text_of(entry, "name")) != 0)
			s++;
		for (int k = 0; s < end && k < TALLY_CLASS_MAX; k++)
			events += (json_int_t)s->events[k];
		json_object_set_new(entry, "events", json_integer(events));
		if (s < end && s->merged)
			json_object_set_new(entry, "merged",
					    json_integer(json_integer_value(json_object_get(entry, "merged")) +
							 (json_int_t)s->merged));
		if (s < end && s->lag >= 0) {
			json_object_set_new(entry, "lag", json_integer(s->lag));
			json_object_set_new(entry, "lag-max", json_integer(s->lag_max));
		}
	}
}
