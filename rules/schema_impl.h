// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables that the loader reads files by, for those who write them out as JSON Schema: schema.c rules, schema_test.c
 * their tests. */
#pragma once

#include "rules/ast.h"

extern const struct schema file_schema, rule_schema, threshold_schema, for_schema, limit_schema, clear_schema,
	ask_schema, sequence_schema, step_schema, absence_schema, of_schema, schedule_schema;
extern const struct schema test_file_schema, test_schema, world_schema, outcome_schema, expect_schema, why_schema;
/* Keys of an event of a test, and of an array of a world, that are no facts. */
extern const char *const entry_words[], *const world_array_words[];

/* What stands under a key that its table leaves to the code: the name of a definition. */
struct shape {
	const struct schema *schema;
	const char *field, *name;
};

/* New references, all of them. */
json_t *schema_ref(const char *name);
json_t *schema_words(const char *const *words);
json_t *schema_list(json_t *items);
/* {"anyOf": [..]}; takes them. The last one is NULL. */
json_t *schema_any_of(json_t *const *options);
#define schema_any(...) schema_any_of((json_t *const[]){__VA_ARGS__})
/* One mapping, by its table. */
json_t *schema_object(const struct schema *s, const struct shape *shapes);
/* A value of the fact as a file has it. */
json_t *schema_value(const struct fact_desc *fact);
/* Definitions of plain values: text, name, integer, duration, .. */
void schema_plain(json_t *defs);
/* The document: {"$schema", "title", "$ref", "$defs"}; takes defs. */
json_t *schema_document(const char *title, const char *root, json_t *defs);
