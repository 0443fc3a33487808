// SPDX-License-Identifier: GPL-2.0-or-later
/* The vocabulary of rules, as words and as JSON Schema. */
#include "actions/actions.h"
#include "cli/output.h"
#include "rules/rules.h"

#include <string.h>

static void doc_words(const char *const *words, struct buf *out)
{
	for (; words && *words; words++)
		buf_addf(out, " %s", *words);
}

static void doc_facts(struct buf *out)
{
	for (int i = 0; i < FACT_PREVIOUS_FIRST; i++) {
		const struct fact_desc *f = &fact_table[i];

		buf_addf(out, "%-26s %-9s %s%s", f->name, value_type_name(f->type), f->doc,
			 f->optional ? " (may be unknown)" : "");
		if (f->words) {
			buf_add(out, ":");
			doc_words(f->words, out);
		}
		buf_addc(out, '\n');
	}
	buf_addf(out, "%-26s %-9s %s\n", "previous.device.FACT", "as FACT",
		 "on device.changed: what device.FACT was before, sets excepted (may be unknown)");
}

static void doc_actions(struct buf *out)
{
	for (const struct action_desc *const *a = action_descs; *a; a++) {
		buf_addf(out, "%-26s %s%s\n", (*a)->name, (*a)->doc,
			 (*a)->final	     ? " (only with mode: ask)"
			 : (*a)->destructive ? " (guarded)"
					     : "");
		for (const struct param_desc *p = (*a)->params; p && p->name; p++) {
			buf_addf(out, "    %-22s %s%s", p->name, p->doc ? p->doc : "",
				 p->required ? " (required)" : "");
			if (p->words) {
				buf_add(out, ":");
				doc_words(p->words, out);
			}
			buf_addc(out, '\n');
		}
	}
}

static void doc_events(struct buf *out)
{
	for (const char *const *k = event_kinds; *k; k++)
		buf_addf(out, "%s\n", *k);
}

static json_t *json_words(const char *const *words)
{
	json_t *list = json_array();

	for (; words && *words; words++)
		json_array_append_new(list, json_string(*words));
	return list;
}

static json_t *facts_json(void)
{
	static const char *const sources[] = {[FROM_EVENT] = "event",
					      [FROM_INVENTORY] = "inventory",
					      [FROM_MATCH] = "match",
					      [FROM_CALENDAR] = "calendar"};
	json_t *list = json_array();

	for (int i = 0; i < FACT_MAX; i++) {
		const struct fact_desc *f = &fact_table[i];

		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:s,s:s,s:b,s:s,s:o}", "name", f->name, "type",
						value_type_name(f->type), "from", sources[f->from], "on", f->on,
						"optional", f->optional, "doc", f->doc, "words", json_words(f->words)));
	}
	return list;
}

static json_t *actions_json(void)
{
	json_t *list = json_array();

	for (const struct action_desc *const *a = action_descs; *a; a++) {
		json_t *params = json_array();

		for (const struct param_desc *p = (*a)->params; p && p->name; p++)
			json_array_append_new(params,
					      json_pack("{s:s,s:b,s:s,s:o}", "name", p->name, "required", p->required,
							"doc", p->doc ? p->doc : "", "words", json_words(p->words)));
		json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:b,s:o}", "name", (*a)->name, "doc", (*a)->doc,
						      "destructive", (*a)->destructive, "final", (*a)->final, "params",
						      params));
	}
	return list;
}

static json_t *events_json(void)
{
	return json_words(event_kinds);
}

static const struct {
	const char *name;
	void (*print)(struct buf *out);
	json_t *(*json)(void);
} doc_table[] = {
	{"events", doc_events, events_json}, {"facts", doc_facts, facts_json}, {"actions", doc_actions, actions_json}};

int verb_rules_doc(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *all = json_pack("{s:i}", "v", 1);
	bool known = c->n_args == 0;

	for (size_t i = 0; i < ARRAY_SIZE(doc_table); i++) {
		if (c->n_args && strcmp(c->args[0], doc_table[i].name) != 0)
			continue;
		if (c->n_args == 0)
			buf_addf(&out, "%s%s\n\n", i ? "\n" : "", doc_table[i].name);
		doc_table[i].print(&out);
		json_object_set_new(all, doc_table[i].name, doc_table[i].json());
		known = true;
	}
	if (!known) {
		json_decref(all);
		return cli_fail(c, CLI_USAGE, "usage", "'%s' is not one of events, facts, actions", c->args[0]);
	}
	if (GIVEN(c, JSON)) {
		json_object_set_new(all, "text", json_string(buf_str(&out)));
		out_json(all);
	} else {
		json_decref(all);
		out_flush(&out);
	}
	return CLI_OK;
}

int verb_rules_schema(struct cli *c)
{
	bool tests = c->n_args && strcmp(c->args[0], "tests") == 0;

	if (c->n_args && !tests && strcmp(c->args[0], "rules") != 0)
		return cli_fail(c, CLI_USAGE, "usage", "'%s' is not one of rules, tests", c->args[0]);
	out_json(tests ? rule_tests_schema() : rules_schema(action_descs));
	return CLI_OK;
}
