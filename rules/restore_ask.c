// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions that were saved: they go on, or, where their rule is gone, it is told. */
#include "rules/state.h"

#include <stdio.h>

static const char *own_text(struct arena *a, const json_t *j)
{
	return json_is_string(j) ? arena_strdup(a, json_string_value(j)) : NULL;
}

static void read_contexts(struct question *q, const json_t *list)
{
	const json_t *c;
	size_t i;

	q->contexts = arena_array(&q->arena, struct verdict_context, json_array_size(list) + 1);
	json_array_foreach(list, i, c) q->contexts[q->n++] = (struct verdict_context){
		.device = own_text(&q->arena, json_array_get(c, 0)),
		.device_name = own_text(&q->arena, json_array_get(c, 1)),
		.array = own_text(&q->arena, json_array_get(c, 2)),
		.array_name = own_text(&q->arena, json_array_get(c, 3)),
		.slot = json_is_integer(json_array_get(c, 4)) ? (int)json_integer_value(json_array_get(c, 4)) : -1};
}

static struct question *read_question(const json_t *j)
{
	struct question *q = calloc(1, sizeof(*q));
	const char *name;
	json_t *value;

	if (!q)
		return NULL;
	snprintf(q->id, sizeof(q->id), "%s", saved_text(j, "id"));
	q->key = arena_strdup(&q->arena, saved_text(j, "key"));
	q->sort = saved_sort(j);
	q->subject = arena_strdup(&q->arena, saved_text(j, "subject"));
	read_contexts(q, json_object_get(j, "contexts"));
	json_object_foreach(json_object_get(j, "facts"), name, value)
	{
		int f = fact_lookup(name);

		if (f < 0 || fact_from_json((enum fact_id)f, value, &q->facts[f], NULL) < 0)
			continue;
		if (q->facts[f].type == V_STRING)
			q->facts[f].str = arena_strdup(&q->arena, q->facts[f].str);
	}
	q->generation = (int)json_integer_value(json_object_get(j, "generation"));
	q->injected = saved_flag(j, "injected");
	return q;
}

void question_restore(struct engine *e, const struct rule *r, const json_t *j, int64_t asked, int64_t ends)
{
	struct question *q = read_question(j);

	if (!q)
		return;
	q->rule = r->index;
	q->asked = asked;
	question_arm(e, q, ends);
}

void question_gone(struct engine *e, json_t *j)
{
	if (!e->gone)
		e->gone = json_array();
	if (json_array_size(e->gone) < QUESTIONS_MAX)
		json_array_append(e->gone, j);
}

void questions_withdraw_gone(struct engine *e)
{
	json_t *list = TAKE(e->gone, NULL), *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		const char *name = saved_text(j, "rule");
		int k = ruleset_find(e->rs, name);
		struct question *q = read_question(j);

		if (!q)
			continue;
		/* What is left of the rule that asked. */
		question_over(e,
			      &(struct rule){.name = name,
					     .description = saved_text(j, "description"),
					     .mode = RULE_ASK,
					     .sort = q->sort},
			      q,
			      k < 0			 ? "the rule was removed"
			      : e->rs->rules[k].disabled ? "the rule was disabled"
							 : "the rule was changed");
		question_free(e, q);
	}
	json_decref(list);
}
