// SPDX-License-Identifier: GPL-2.0-or-later
/* What others may ask of a compiled rule set. */
#include "rules/ast.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct ruleset *ruleset_ref(struct ruleset *rs)
{
	rs->refs++;
	return rs;
}

void ruleset_unref(struct ruleset *rs)
{
	if (!rs || --rs->refs > 0)
		return;
	for (size_t i = 0; i < rs->n; i++)
		for (size_t x = 0; x < rs->rules[i].n_regexes; x++)
			regex_free(rs->rules[i].regexes[x]);
	for (size_t i = 0; i < rs->n_trees; i++)
		tree_finish(&rs->trees[i]);
	arena_finish(&rs->arena);
	free(rs);
}

const char *ruleset_digest(const struct ruleset *rs, char text[RULESET_DIGEST_MAX])
{
	snprintf(text, RULESET_DIGEST_MAX, "%016" PRIx64, rs->digest);
	return text;
}

size_t ruleset_size(const struct ruleset *rs)
{
	return rs->n;
}

struct rule_info ruleset_rule(const struct ruleset *rs, size_t i)
{
	const struct rule *r = &rs->rules[i];

	return (struct rule_info){.name = r->name,
				  .description = r->description,
				  .at = r->at,
				  .trigger = r->trigger_text,
				  .mode = r->mode,
				  .priority = r->priority,
				  .destructive = r->destructive,
				  .disabled = r->disabled};
}

int ruleset_find(const struct ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->n; i++)
		if (strcmp(rs->rules[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

bool ruleset_names(const struct ruleset *rs, enum fact_id fact)
{
	return rs->named[fact];
}

json_t *ruleset_to_json(const struct ruleset *rs, bool origins)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rs->n; i++) {
		const struct rule *r = &rs->rules[i];

		json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:b, s:b}", "name", r->name, "description",
				      r->description, "trigger", r->trigger_text, "mode", rule_mode_word(r->mode),
				      "priority", r->priority, "at",
				      json_sprintf("%s:%d:%d", r->at.file, r->at.line, r->at.col), "destructive",
				      r->destructive, "disabled", r->disabled);

		if (origins)
			json_object_set_new(j, "origin", rule_origins(r, true));
		json_array_append_new(list, j);
	}
	return json_pack("{s:i, s:o}", "v", 1, "rules", list);
}
