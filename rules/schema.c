// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON Schema of rules files, for editors: made of the tables that the loader decodes by, so it cannot say anything
 * else. What only the loader knows (which names there are, what goes with what) it leaves open. */
#include "rules/schema_impl.h"

#include <stdio.h>
#include <string.h>

#define TEMPLATE "\\$\\{.+\\}"

json_t *schema_ref(const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", name));
}

json_t *schema_words(const char *const *words)
{
	json_t *list = json_array();

	for (; words && *words; words++)
		json_array_append_new(list, json_string(*words));
	return json_pack("{s:o}", "enum", list);
}

json_t *schema_list(json_t *items)
{
	return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

json_t *schema_any_of(json_t *const *options)
{
	json_t *list = json_array();

	for (; *options; options++)
		json_array_append_new(list, *options);
	return json_pack("{s:o}", "anyOf", list);
}

static json_t *pattern(const char *text)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", text);
}

static json_t *object_of(json_t *properties)
{
	return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
}

/* ---- plain values ---- */

/* A YAML reader takes a text that looks like a number or a boolean for one; the loader does not. */
void schema_plain(json_t *defs)
{
	static const struct {
		const char *name, *pattern;
	} patterns[] = {
		{"duration", "^(0|([0-9]+(w|d|h|m|s|ms|us|ns))+)$"},
		{"size", "^[0-9]+([kKMGTP]?B|[KMGTP]iB)$"},
		{"rate", "^[0-9]+([kKMGTP]?B|[KMGTP]iB)/s$"},
		{"percent", "^[0-9]+([.][0-9]+)?%$"},
		{"template", TEMPLATE},
		{"glob", "[*?]"},
		{"name", "^[a-z][a-z0-9-]{0,63}$"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		json_t *text = pattern(patterns[i].pattern);

		if (i < 3)
			text = schema_any(text, json_pack("{s:i}", "const", 0), NULL);
		else if (i == 3)
			text = schema_any(
				text, json_pack("{s:s, s:i, s:i}", "type", "number", "minimum", 0, "maximum", 1), NULL);
		json_object_set_new(defs, patterns[i].name, text);
	}
	json_object_set_new(defs, "text", json_pack("{s:[sss]}", "type", "string", "number", "boolean"));
	json_object_set_new(defs, "texts", schema_any(schema_ref("text"), schema_list(schema_ref("text")), NULL));
	json_object_set_new(defs, "time", pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}"));
}

static json_t *integer(int64_t min, int64_t max)
{
	json_t *j = json_pack("{s:s}", "type", "integer");

	if (min || max)
		json_object_set_new(j, "minimum", json_integer(min));
	if (max)
		json_object_set_new(j, "maximum", json_integer(max));
	return j;
}

json_t *schema_value(const struct fact_desc *fact)
{
	switch (fact->type) {
	case V_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case V_INT:
		return integer(0, 0);
	case V_NUMBER:
		return json_pack("{s:s}", "type", "number");
	case V_ENUM:
		return schema_words(fact->words);
	case V_SET:
		return schema_list(schema_ref("text"));
	case V_NONE:
	case V_STRING:
		return schema_ref("text");
	case V_TIME:
	case V_SIZE:
	case V_RATE:
	case V_DURATION:
	case V_PERCENT:
		break;
	}
	return schema_ref(value_type_name(fact->type));
}

/* ---- mappings ---- */

static json_t *field_shape(const struct schema *s, const struct field *f, const struct shape *shapes)
{
	switch (f->type) {
	case FIELD_NAME:
		return schema_ref("name");
	case FIELD_INT:
		return integer(f->min, f->max);
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_DURATION:
		return schema_ref("duration");
	case FIELD_SIZE:
		return schema_ref("size");
	case FIELD_WORD:
		return schema_words(f->words);
	case FIELD_STRINGS:
		return schema_ref("texts");
	case FIELD_STRING:
	case FIELD_NODE:
		break;
	}
	for (; f->type == FIELD_NODE && shapes->schema; shapes++)
		if (shapes->schema == s && strcmp(shapes->field, f->name) == 0)
			return schema_ref(shapes->name);
	return f->type == FIELD_NODE ? json_object() : schema_ref("text");
}

json_t *schema_object(const struct schema *s, const struct shape *shapes)
{
	json_t *properties = json_object(), *required = json_array(), *j;

	for (const struct field *f = s->fields; f->name; f++) {
		json_t *shape = field_shape(s, f, shapes);

		if (f->doc)
			json_object_set_new(shape, "description", json_string(f->doc));
		json_object_set_new(properties, f->name, shape);
		if (f->required)
			json_array_append_new(required, json_string(f->name));
	}
	j = object_of(properties);
	json_object_set_new(j, "required", required);
	return j;
}

/* ---- tests of facts ---- */

static json_t *operator_shape(const struct operator_row *row, const struct fact_desc *fact, const char *self)
{
	json_t *words = schema_list(schema_ref("text"));

	switch (row->op) {
	case TEST_IN:
		json_decref(words);
		return schema_ref("name");
	case TEST_EXISTS:
		json_decref(words);
		return json_pack("{s:s}", "type", "boolean");
	case TEST_HAS:
		return schema_any(words, schema_ref("text"), NULL);
	default:
		json_decref(words);
	}
	if (row->group == GROUP_ANY)
		return schema_ref(self);
	if (row->group == GROUP_SET)
		return json_pack("{s:[ss]}", "type", "integer", "object");
	if (row->group == GROUP_TEXT)
		return json_pack("{s:s, s:i}", "type", "string", "maxLength", 512);
	return schema_any(schema_value(fact), schema_ref("template"), NULL);
}

static json_t *test_shape(const struct fact_desc *fact, const char *self)
{
	json_t *properties = json_object(), *any = json_array();

	for (const struct operator_row *row = operators; row->word; row++)
		if (operator_takes(row, fact->type))
			json_object_set_new(properties, row->word, operator_shape(row, fact, self));
	json_array_append_new(any, object_of(properties));
	if (fact->type != V_SET) {
		json_array_append_new(any, schema_value(fact));
		json_array_append_new(any, schema_ref("template"));
		json_array_append_new(any, schema_list(schema_ref(self)));
		json_object_set_new(json_array_get(any, json_array_size(any) - 1), "minItems", json_integer(1));
	}
	if (fact->type == V_ENUM)
		json_array_append_new(any, schema_ref("glob"));
	return json_pack("{s:o}", "anyOf", any);
}

/* Facts with words have a test of their own, the others one for their type. */
static void test_name(const struct fact_desc *fact, char name[128])
{
	snprintf(name, 128, "test-%s", fact->type == V_ENUM ? fact->name : value_type_name(fact->type));
}

static void put_tests(json_t *defs)
{
	for (int i = 0; i < FACT_MAX; i++) {
		char name[128];

		test_name(&fact_table[i], name);
		if (!json_object_get(defs, name))
			json_object_set_new(defs, name, test_shape(&fact_table[i], name));
	}
}

/* A mapping, or a list of which one is enough. match: what is known when a rule fires, too. */
static json_t *condition(const char *self, bool match)
{
	json_t *properties = json_object(), *map, *list = schema_list(schema_ref(self));

	for (int i = 0; i < FACT_MAX; i++) {
		const struct fact_desc *fact = &fact_table[i];
		char name[128];
		json_t *test;

		if (fact->from == FROM_CALENDAR || (fact->from == FROM_MATCH && !match))
			continue;
		test_name(fact, name);
		test = schema_ref(name);
		json_object_set_new(test, "description", json_string(fact->doc));
		json_object_set_new(properties, fact->name, test);
	}
	json_object_set(properties, "all", list);
	json_object_set(properties, "any", list);
	json_object_set_new(properties, "not", schema_ref(self));
	json_object_set_new(properties, "is", schema_any(schema_ref("name"), schema_list(schema_ref("name")), NULL));
	map = object_of(properties);
	json_object_set_new(map, "patternProperties",
			    json_pack("{s:o}", "^calendar[.][a-z]", schema_ref("test-boolean")));
	return schema_any(map, list, NULL);
}

/* ---- steps ---- */

static json_t *param_shape(const struct param_desc *p)
{
	json_t *value;

	switch (p->type) {
	case PARAM_WORDS:
		value = p->words ? schema_any(schema_words(p->words), schema_ref("template"), NULL)
				 : schema_ref("text");
		return schema_any(json_incref(value), schema_list(value), NULL);
	case PARAM_ARGV:
		value = schema_list(schema_ref("text"));
		json_object_set_new(value, "minItems", json_integer(1));
		return value;
	case PARAM_ENV:
	case PARAM_FACTS:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", schema_ref("text"));
	case PARAM_BOOL:
		value = json_pack("{s:s}", "type", "boolean");
		break;
	case PARAM_INT:
		value = integer(0, 0);
		break;
	case PARAM_DURATION:
		value = schema_ref("duration");
		break;
	case PARAM_RATE:
		value = schema_any(schema_ref("rate"), json_pack("{s:s}", "const", "max"), NULL);
		break;
	case PARAM_SIZE:
		value = schema_ref("size");
		break;
	case PARAM_ENUM:
		value = schema_words(p->words);
		break;
	default:
		return schema_ref("text");
	}
	return schema_any(value, schema_ref("template"), NULL);
}

static json_t *params_shape(const struct action_desc *a, json_t *ret_required)
{
	json_t *properties = json_object(), *j;

	for (const struct param_desc *p = a->params; p->name; p++) {
		json_t *shape = param_shape(p);

		if (p->doc)
			json_object_set_new(shape, "description", json_string(p->doc));
		json_object_set_new(properties, p->name, shape);
		if (p->required)
			json_array_append_new(ret_required, json_string(p->name));
	}
	j = object_of(properties);
	json_object_set(j, "required", ret_required);
	return j;
}

static json_t *step(const struct action_desc *const *actions)
{
	json_t *properties = json_object(), *plain = json_array(), *map;

	for (; *actions; actions++) {
		json_t *required = json_array(), *params = params_shape(*actions, required);

		if ((*actions)->doc)
			json_object_set_new(params, "description", json_string((*actions)->doc));
		json_object_set_new(properties, (*actions)->name, params);
		if (json_array_size(required) == 0)
			json_array_append_new(plain, json_string((*actions)->name));
		json_decref(required);
	}
	json_object_set_new(properties, "on-failure",
			    schema_any(json_pack("{s:[ss]}", "enum", "stop", "continue"), schema_ref("steps"), NULL));
	map = object_of(properties);
	json_object_set_new(map, "minProperties", json_integer(1));
	json_object_set_new(map, "maxProperties", json_integer(2));
	return schema_any(json_pack("{s:o}", "enum", plain), map, NULL);
}

/* ---- the file ---- */

static const struct shape shapes[] = {
	{&file_schema, "rules", "rules"},
	{&file_schema, "lists", "lists"},
	{&file_schema, "conditions", "conditions"},
	{&file_schema, "calendars", "calendars"},
	{&file_schema, "override", "override"},
	{&file_schema, "disable", "texts"},
	{&rule_schema, "event", "kinds"},
	{&rule_schema, "schedule", "schedule"},
	{&rule_schema, "where", "condition"},
	{&rule_schema, "threshold", "threshold"},
	{&rule_schema, "sequence", "sequence"},
	{&rule_schema, "absence", "absence"},
	{&rule_schema, "for", "for"},
	{&rule_schema, "clear", "clear"},
	{&rule_schema, "unless", "gate"},
	{&rule_schema, "limit", "limit"},
	{&rule_schema, "ask", "ask"},
	{&rule_schema, "do", "steps"},
	{&threshold_schema, "per", "per"},
	{&limit_schema, "per", "per"},
	{&clear_schema, "where", "condition"},
	{&clear_schema, "do", "steps"},
	{&sequence_schema, "steps", "sequence-steps"},
	{&sequence_schema, "per", "per"},
	{&absence_schema, "of", "sequence-of"},
	{&absence_schema, "per", "per"},
	{&step_schema, "event", "kinds"},
	{&step_schema, "where", "condition"},
	{&of_schema, "event", "kinds"},
	{&of_schema, "where", "condition"},
	{NULL},
};

static json_t *map_of(json_t *key, json_t *value)
{
	return json_pack("{s:s, s:o, s:o}", "type", "object", "propertyNames", key, "additionalProperties", value);
}

/* The keys of a rule, with whatever is to be merged into what it has. */
static json_t *changes(void)
{
	json_t *properties = json_object();

	for (const struct field *f = rule_schema.fields; f->name; f++)
		if (strcmp(f->name, "name") != 0)
			json_object_set_new(properties, f->name,
					    f->doc ? json_pack("{s:s}", "description", f->doc) : json_object());
	return object_of(properties);
}

static json_t *fact_names(void)
{
	json_t *list = json_array();

	for (int i = 0; i < FACT_MAX; i++)
		if (fact_table[i].from == FROM_EVENT || fact_table[i].from == FROM_INVENTORY)
			json_array_append_new(list, json_string(fact_table[i].name));
	return json_pack("{s:o}", "enum", list);
}

static void put_mappings(json_t *defs)
{
	static const struct {
		const char *name;
		const struct schema *schema;
		const char * or ; /* the short form of it */
	} mappings[] = {
		{"file", &file_schema, NULL},
		{"rule", &rule_schema, NULL},
		{"threshold", &threshold_schema, NULL},
		{"for", &for_schema, "duration"},
		{"limit", &limit_schema, "duration"},
		{"clear", &clear_schema, NULL},
		{"ask", &ask_schema, NULL},
		{"sequence", &sequence_schema, NULL},
		{"sequence-step", &step_schema, NULL},
		{"absence", &absence_schema, NULL},
		{"sequence-of", &of_schema, NULL},
		{"schedule", &schedule_schema, "text"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		json_t *j = schema_object(mappings[i].schema, shapes);

		json_object_set_new(defs, mappings[i].name,
				    mappings[i].or ? schema_any(j, schema_ref(mappings[i].or), NULL) : j);
	}
}

static void put_lists(json_t *defs)
{
	json_t *steps = schema_list(schema_ref("sequence-step"));

	json_object_set_new(steps, "minItems", json_integer(2));
	json_object_set_new(steps, "maxItems", json_integer(PARTS_MAX));
	json_object_set_new(defs, "sequence-steps", steps);
	json_object_set_new(defs, "rules", schema_list(schema_ref("rule")));
	json_object_set_new(defs, "steps", schema_list(schema_ref("step")));
	json_object_set_new(defs, "fact", fact_names());
	json_object_set_new(defs, "per", schema_any(schema_ref("fact"), schema_list(schema_ref("fact")), NULL));
	json_object_set_new(defs, "lists", map_of(schema_ref("name"), schema_list(schema_ref("text"))));
	json_object_set_new(defs, "conditions", map_of(schema_ref("name"), schema_ref("condition")));
	json_object_set_new(defs, "calendars", map_of(schema_ref("name"), schema_list(schema_ref("text"))));
	json_object_set_new(defs, "override", map_of(pattern("^[a-z][a-z0-9-]*[?]?$"), schema_ref("changes")));
	json_object_set_new(defs, "changes", changes());
}

/* Kinds are words with a dot; those that are built in are offered. */
static json_t *kinds(void)
{
	json_t *one = schema_any(schema_words(event_kinds), pattern("^[a-z0-9*?-]+([.][a-z0-9*?-]+)?$"), NULL);

	return schema_any(json_incref(one), schema_list(one), NULL);
}

json_t *schema_document(const char *title, const char *root, json_t *defs)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
			 title, "$ref", json_sprintf("#/$defs/%s", root), "$defs", defs);
}

json_t *rules_schema(const struct action_desc *const *actions)
{
	json_t *defs = json_object();

	schema_plain(defs);
	put_tests(defs);
	put_lists(defs);
	put_mappings(defs);
	json_object_set_new(defs, "kinds", kinds());
	json_object_set_new(defs, "condition", condition("condition", false));
	json_object_set_new(defs, "gate", condition("gate", true));
	json_object_set_new(defs, "step", step(actions));
	return schema_document("Rules of spared", "file", defs);
}
