// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON Schema of unit tests of rules. */
#include "rules/schema_impl.h"

#include <string.h>

static json_t *object_with(json_t *properties, json_t *required)
{
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
			 "additionalProperties", 0);
}

/* Facts under their names, and those of the sort without its name. */
static json_t *facts(const char *sort)
{
	json_t *properties = json_object();

	for (int i = 0; i < FACT_MAX; i++) {
		const struct fact_desc *f = &fact_table[i];

		if (f->from == FROM_CALENDAR)
			continue;
		json_object_set_new(properties, f->name, schema_value(f));
		if (sort && f->from == FROM_INVENTORY && strcmp(f->on, sort) == 0)
			json_object_set_new(properties, f->name + strlen(sort) + 1, schema_value(f));
	}
	return properties;
}

static json_t *fact_object(const char *sort)
{
	return object_with(facts(sort), json_array());
}

static json_t *named(const char *def)
{
	return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", schema_ref(def));
}

/* An array has members beside its facts. */
static json_t *world_array(void)
{
	json_t *properties = facts("array");

	for (const char *const *w = world_array_words; *w; w++)
		json_object_set_new(properties, *w,
				    strcmp(*w, "members") == 0 || strcmp(*w, "spares") == 0
					    ? schema_list(schema_ref("text"))
					    : schema_ref("text"));
	return object_with(properties, json_array());
}

/* ---- events ---- */

static json_t *own_key(const char *word)
{
	if (strcmp(word, "at") == 0 || strcmp(word, "every") == 0)
		return schema_ref("duration");
	if (strcmp(word, "device") == 0)
		return schema_ref("texts");
	if (strcmp(word, "repeat") == 0 || strcmp(word, "slot") == 0 || strcmp(word, "event.count") == 0)
		return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
	if (strcmp(word, "event.origin") == 0)
		return schema_words(origin_words);
	return schema_ref("text");
}

static json_t *event_entry(void)
{
	json_t *properties = facts(NULL);

	for (const char *const *w = entry_words; *w; w++)
		json_object_set_new(properties, *w, own_key(*w));
	return object_with(properties, json_pack("[ss]", "at", "event"));
}

static json_t *set_shape(void)
{
	return json_pack("{s:s, s:{s:o, s:o, s:o, s:o}, s:b}", "type", "object", "patternProperties", "^device ",
			 fact_object("device"), "^array ", fact_object("array"), "^member .+/[0-9]+$",
			 fact_object("member"), "^snapshot ", fact_object("snapshot"), "additionalProperties", 0);
}

/* What is no event: one key beside its time. */
static json_t *other_entry(const char *key, json_t *shape)
{
	return object_with(json_pack("{s:o, s:o, s:o, s:o}", "at", schema_ref("duration"), "repeat", own_key("repeat"),
				     "every", schema_ref("duration"), key, shape),
			   json_pack("[ss]", "at", key));
}

static json_t *entry(void)
{
	return schema_any(event_entry(), other_entry("set", set_shape()),
			  other_entry("suspend", schema_ref("duration")),
			  other_entry("restart", json_pack("{s:s}", "type", "boolean")),
			  other_entry("reload", schema_ref("texts")),
			  other_entry("clock", json_pack("{s:s, s:s}", "type", "string", "pattern", "^[+-][0-9]")),
			  other_entry("approve", schema_ref("name")), other_entry("deny", schema_ref("name")), NULL);
}

/* ---- the file ---- */

static const struct shape shapes[] = {
	{&test_file_schema, "worlds", "worlds"},
	{&test_file_schema, "tests", "tests"},
	{&test_schema, "world", "world-or-name"},
	{&test_schema, "load", "texts"},
	{&test_schema, "only", "texts"},
	{&test_schema, "events", "entries"},
	{&test_schema, "outcomes", "outcomes"},
	{&test_schema, "expect", "expects"},
	{&test_schema, "why", "whys"},
	{&world_schema, "devices", "devices"},
	{&world_schema, "arrays", "arrays"},
	{&world_schema, "snapshots", "snapshots"},
	{&expect_schema, "with", "facts"},
	{&expect_schema, "plan", "texts"},
	{NULL},
};

json_t *rule_tests_schema(void)
{
	static const struct {
		const char *name;
		const struct schema *schema;
		const char *list;
	} mappings[] = {
		{"file", &test_file_schema, NULL},     {"test", &test_schema, "tests"},
		{"world", &world_schema, NULL},	       {"outcome", &outcome_schema, "outcomes"},
		{"expect", &expect_schema, "expects"}, {"why", &why_schema, "whys"},
	};
	json_t *defs = json_object();

	schema_plain(defs);
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		json_object_set_new(defs, mappings[i].name, schema_object(mappings[i].schema, shapes));
		if (mappings[i].list)
			json_object_set_new(defs, mappings[i].list, schema_list(schema_ref(mappings[i].name)));
	}
	json_object_set_new(defs, "worlds", named("world"));
	json_object_set_new(defs, "world-or-name", schema_any(schema_ref("text"), schema_ref("world"), NULL));
	json_object_set_new(defs, "facts", fact_object(NULL));
	json_object_set_new(defs, "device", fact_object("device"));
	json_object_set_new(defs, "array", world_array());
	json_object_set_new(defs, "snapshot", fact_object("snapshot"));
	json_object_set_new(defs, "devices", named("device"));
	json_object_set_new(defs, "arrays", named("array"));
	json_object_set_new(defs, "snapshots", named("snapshot"));
	json_object_set_new(defs, "entries", schema_list(entry()));
	return schema_document("Tests of rules of spared", "file", defs);
}
