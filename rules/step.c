// SPDX-License-Identifier: GPL-2.0-or-later
/* Steps: actions with parameters, checked against the actions' own tables. rules-language 2.8. */
#include "rules/ast.h"

#include "core/clock.h"

#include <string.h>

static const struct action_desc *find_action(const struct load *l, const char *name)
{
	for (size_t i = 0; l->o->actions[i]; i++)
		if (strcmp(l->o->actions[i]->name, name) == 0)
			return l->o->actions[i];
	return NULL;
}

static const char *next_action(const void *u, size_t i)
{
	const struct action_desc *const *actions = u;

	return actions[i] ? actions[i]->name : NULL;
}

static const char *next_param(const void *u, size_t i)
{
	return ((const struct param_desc *)u)[i].name;
}

static void no_action(struct load *l, const struct node *n)
{
	const char *near = suggest_from(n->text, next_action, l->o->actions);

	diag_error(l->d, &n->at, "unknown-action", "no action '%s'", n->text);
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
}

/* ---- parameters ---- */

static enum value_type param_value_type(enum param_type type)
{
	static const enum value_type types[] = {
		[PARAM_BOOL] = V_BOOL, [PARAM_INT] = V_INT,   [PARAM_DURATION] = V_DURATION,
		[PARAM_RATE] = V_RATE, [PARAM_SIZE] = V_SIZE, [PARAM_FACTS] = V_NONE};

	return types[type];
}

static void bad_enum(struct load *l, const struct param_desc *desc, const struct node *n)
{
	_cleanup_(buf_free) struct buf all = {0};
	const char *near = suggest(n->text, desc->words);
	size_t words = 0;

	while (desc->words[words])
		words++;
	if (words > 4)
		buf_addf(&all, "%s .. %s", desc->words[0], desc->words[words - 1]);
	for (size_t i = 0; words <= 4 && i < words; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", desc->words[i]);
	diag_error(l->d, &n->at, "word", "'%s' is not a %s (%s)", n->text, desc->name, buf_str(&all));
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
}

static bool known_word(const char *const *words, const char *text)
{
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

/* A constant is typed at load; a template must be whole and of the type. */
static void typed_param(struct load *l, struct param *p, const struct node *n)
{
	enum value_type type = param_value_type(p->desc->type), fact;
	struct field f = {.name = p->desc->name, .type = FIELD_STRING};
	struct err e = {0};

	if (p->n == 1) {
		if (!p->texts[0]->whole) {
			diag_error(l->d, &n->at, "type", "'%s' takes one '${FACT}', with nothing around it", f.name);
			return;
		}
		fact = fact_table[p->texts[0]->parts[0].fact].type;
		if (fact != type)
			diag_error(l->d, &n->at, "type", "'%s' must be a %s; %s is a %s", f.name, value_type_name(type),
				   fact_table[p->texts[0]->parts[0].fact].name, value_type_name(fact));
		return;
	}
	if (p->desc->type == PARAM_RATE && strcmp(n->text, "max") == 0) {
		p->v = value_str(n->text);
		return;
	}
	if (value_parse(type, NULL, n->text, &p->v, &e) == 0)
		return;
	if (strncmp(e.msg, "needs ", 6) == 0)
		diag_error(l->d, &n->at, "unit", "'%s' %s", f.name, e.msg);
	else
		diag_error(l->d, &n->at, value_type_name(type), "'%s': %s", f.name, e.msg);
}

static void add_template(struct load *l, struct param *p, const struct node *n, const char *name)
{
	struct template *t = template_compile(l, n);
	size_t i = p->n;

	if (!t)
		return;
	p->texts = arena_grow(&l->rs->arena, p->texts, &p->n, sizeof(*p->texts));
	p->texts[i] = t;
	if (name) {
		p->names = arena_grow(&l->rs->arena, p->names, &i, sizeof(*p->names));
		p->names[i - 1] = name;
	}
}

static void scalar_param(struct load *l, struct param *p, const struct node *n)
{
	if (n->kind != NODE_SCALAR) {
		diag_error(l->d, &n->at, "type", "'%s' must be a text, not %s", p->desc->name, node_kind_name(n));
		return;
	}
	if (template_is(n->text) || strstr(n->text, "$${")) {
		add_template(l, p, n, NULL);
		if (p->n && param_value_type(p->desc->type) != V_NONE)
			typed_param(l, p, n);
	} else if (param_value_type(p->desc->type) != V_NONE) {
		typed_param(l, p, n);
	} else if (p->desc->type == PARAM_ENUM && !known_word(p->desc->words, n->text)) {
		bad_enum(l, p->desc, n);
	} else {
		p->v = value_str(n->text);
	}
}

static void list_param(struct load *l, struct param *p, const struct node *n)
{
	struct field f = {.name = p->desc->name, .type = FIELD_STRINGS};
	struct strings words;

	if (field_decode(&f, n, &l->rs->arena, &words, l->d) < 0)
		return;
	if (p->desc->type == PARAM_ARGV && (words.n == 0 || n->kind != NODE_LIST)) {
		diag_error(l->d, &n->at, "type", "'%s' must be a list: the program, then its arguments", p->desc->name);
		return;
	}
	for (size_t i = 0; i < words.n; i++) {
		const struct node *word = words.nodes[i];

		if (p->desc->type == PARAM_ARGV && i == 0 && (template_is(word->text) || word->text[0] != '/')) {
			diag_error(l->d, &word->at, "argv", "the program must be an absolute path without templates");
			continue;
		}
		if (p->desc->words && !template_is(word->text) && !known_word(p->desc->words, word->text)) {
			bad_enum(l, p->desc, word);
			continue;
		}
		add_template(l, p, word, NULL);
	}
}

static void pairs_param(struct load *l, struct param *p, const struct node *n)
{
	if (n->kind != NODE_MAP) {
		diag_error(l->d, &n->at, "type", "'%s' must be a mapping, not %s", p->desc->name, node_kind_name(n));
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		if (n->items[i]->kind != NODE_SCALAR)
			diag_error(l->d, &n->items[i]->at, "type", "'%s' must be a text, not %s", n->keys[i]->text,
				   node_kind_name(n->items[i]));
		else
			add_template(l, p, n->items[i], n->keys[i]->text);
	}
}

static void param_compile(struct load *l, struct step *s, const struct node *key, const struct node *n)
{
	const struct param_desc *desc = s->action->params;
	struct param *p;
	const char *near;

	while (desc->name && strcmp(desc->name, key->text) != 0)
		desc++;
	if (!desc->name) {
		diag_error(l->d, &key->at, "unknown-key", "action '%s' has no parameter '%s'", s->action->name,
			   key->text);
		near = suggest_from(key->text, next_param, s->action->params);
		if (near)
			diag_hint(l->d, "did you mean '%s'?", near);
		return;
	}
	if (node_is_null(n)) {
		diag_error(l->d, &key->at, "null", "'%s' has no value", key->text);
		return;
	}
	s->params = arena_grow(&l->rs->arena, s->params, &s->n_params, sizeof(*s->params));
	p = &s->params[s->n_params - 1];
	p->desc = desc;
	p->at = n->at;
	switch (desc->type) {
	case PARAM_WORDS:
	case PARAM_ARGV:
		list_param(l, p, n);
		break;
	case PARAM_ENV:
	case PARAM_FACTS:
		pairs_param(l, p, n);
		break;
	default:
		scalar_param(l, p, n);
	}
}

/* ---- effects on the engine itself ---- */

static void no_templates(struct load *l, const struct node *n)
{
	if (n->kind == NODE_SCALAR && template_is(n->text))
		diag_error(l->d, &n->at, "template",
			   "templates are not allowed here: what is covered is known at load");
	for (size_t i = 0; n->kind != NODE_SCALAR && i < n->n; i++)
		no_templates(l, n->items[i]);
}

static void inhibit_compile(struct load *l, struct step *s, const struct node *params)
{
	static const struct field for_field = {
		.name = "for", .type = FIELD_DURATION, .min = 1, .max = 86400 * NS_PER_SEC};
	struct field rules_field = {.name = "rules", .type = FIELD_STRINGS};
	const struct node *rules = node_get(params, "rules"), *per = node_get(params, "per");
	const struct node *until = node_get(params, "until"), *how_long = node_get(params, "for");
	struct key_facts facts = l->rule->per;
	struct strings words = {0};

	no_templates(l, params);
	if (rules && field_decode(&rules_field, rules, &l->rs->arena, &words, l->d) == 0) {
		s->patterns_node = rules;
		s->patterns = arena_array(&l->rs->arena, const char *, words.n + 1);
		for (size_t i = 0; i < words.n; i++)
			s->patterns[s->n_patterns++] = words.nodes[i]->text;
	}
	if (how_long)
		field_decode(&for_field, how_long, &l->rs->arena, &s->for_ns, l->d);
	if (per)
		per_compile(l, per, &facts);
	s->n_per = facts.n;
	memcpy(s->per, facts.f, sizeof(s->per));
	s->until_clear = until && until->kind == NODE_SCALAR && strcmp(until->text, "clear") == 0;
	if (s->until_clear && !(l->rule->has_clear || l->rule->trigger == TRIGGER_WATCH))
		diag_error(l->d, &until->at, "until", "'until: clear' needs a rule that clears");
}

static void mark_compile(struct load *l, struct step *s, const struct node *params)
{
	const struct node *as = params ? node_get(params, "as") : NULL;

	if (as && as->kind == NODE_SCALAR && !name_valid(as->text))
		diag_error(l->d, &as->at, "name", "'%s' is not a name", as->text);
	for (size_t i = 0; i < s->n_params; i++)
		if (strcmp(s->params[i].desc->name, "for") == 0 && s->params[i].v.type == V_DURATION)
			s->for_ns = s->params[i].v.i;
}

static void effect_compile(struct load *l, struct step *s, const struct node *params)
{
	static const struct {
		const char *action;
		enum effect effect;
	} effects[] = {{"mark", EFFECT_MARK}, {"unmark", EFFECT_UNMARK}, {"inhibit", EFFECT_INHIBIT}};

	for (size_t i = 0; i < ARRAY_SIZE(effects); i++)
		if (strcmp(effects[i].action, s->action->name) == 0)
			s->effect = effects[i].effect;
	if (s->effect == EFFECT_INHIBIT && params)
		inhibit_compile(l, s, params);
	else if (s->effect == EFFECT_MARK || s->effect == EFFECT_UNMARK)
		mark_compile(l, s, params);
}

/* ---- steps ---- */

static void check_required(struct load *l, const struct step *s)
{
	for (const struct param_desc *desc = s->action->params; desc->name; desc++) {
		size_t i = 0;

		while (i < s->n_params && s->params[i].desc != desc)
			i++;
		if (desc->required && i == s->n_params)
			diag_error(l->d, &s->at, "missing-key", "action '%s' needs '%s'", s->action->name, desc->name);
	}
}

static void action_compile(struct load *l, struct step *s, const struct node *key, const struct node *params)
{
	unsigned scope = l->scope;

	s->at = key->at;
	s->action = find_action(l, key->text);
	if (!s->action) {
		no_action(l, key);
		return;
	}
	l->rule->destructive |= s->action->destructive;
	if (s->action->final)
		l->rule->final = s;
	for (const struct param_desc *desc = s->action->params; desc->name; desc++)
		l->rule->memberships |= desc->type == PARAM_ARRAY;
	if (params && params->kind != NODE_MAP) {
		diag_error(l->d, &params->at, "type", "action '%s' takes a mapping of parameters, not %s", key->text,
			   node_kind_name(params));
		return;
	}
	l->scope |= strcmp(key->text, "notify") == 0 ? SCOPE_NOTIFY : 0;
	for (size_t i = 0; params && i < params->n; i++)
		param_compile(l, s, params->keys[i], params->items[i]);
	l->scope = scope;
	check_required(l, s);
	effect_compile(l, s, params);
}

static void failure_compile(struct load *l, struct step *s, const struct node *n)
{
	struct steps steps = {0};
	unsigned scope = l->scope;

	if (n->kind == NODE_LIST) {
		s->on_failure = ON_FAILURE_STEPS;
		l->scope |= SCOPE_FAILURE;
		steps_compile(l, n, &steps);
		l->scope = scope;
		s->failure = steps.s;
		s->n_failure = steps.n;
	} else if (n->kind == NODE_SCALAR && strcmp(n->text, "continue") == 0) {
		s->on_failure = ON_FAILURE_CONTINUE;
	} else if (n->kind != NODE_SCALAR || strcmp(n->text, "stop") != 0) {
		diag_error(l->d, &n->at, "on-failure", "'on-failure' must be 'stop', 'continue' or a list of steps");
	}
}

static void step_compile(struct load *l, struct step *s, const struct node *n)
{
	const struct node *action = NULL;

	if (n->kind == NODE_SCALAR) {
		action_compile(l, s, n, NULL);
		return;
	}
	if (n->kind != NODE_MAP) {
		diag_error(l->d, &n->at, "type", "a step is an action, not %s", node_kind_name(n));
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		if (strcmp(n->keys[i]->text, "on-failure") == 0) {
			failure_compile(l, s, n->items[i]);
		} else if (action) {
			diag_error(l->d, &n->keys[i]->at, "step",
				   "a step has one action: '%s' is the second, after '%s'", n->keys[i]->text,
				   action->text);
			diag_hint(l->d, "write '- %s' in a line of its own", n->keys[i]->text);
		} else {
			action = n->keys[i];
			action_compile(l, s, action, n->items[i]);
		}
	}
	if (!action)
		diag_error(l->d, &n->at, "step", "a step needs an action");
}

void steps_compile(struct load *l, const struct node *n, struct steps *out)
{
	if (n->kind != NODE_LIST) {
		diag_error(l->d, &n->at, "type", "steps are a list, not %s", node_kind_name(n));
		diag_hint(l->d, "write [%s]", n->kind == NODE_SCALAR && *n->text ? n->text : "ACTION");
		return;
	}
	out->s = arena_array(&l->rs->arena, struct step, n->n + 1);
	for (size_t i = 0; i < n->n; i++)
		step_compile(l, &out->s[out->n++], n->items[i]);
}

void steps_collect_kinds(struct load *l, const struct node *n)
{
	for (size_t i = 0; n && n->kind == NODE_LIST && i < n->n; i++) {
		const struct node *emit = node_get(n->items[i], "emit"), *kind = emit ? node_get(emit, "kind") : NULL;

		if (kind && kind->kind == NODE_SCALAR) {
			l->emitted = arena_grow(&l->rs->arena, l->emitted, &l->n_emitted, sizeof(*l->emitted));
			l->emitted[l->n_emitted - 1] = kind->text;
			if (kind_known(kind->text)) {
				diag_error(l->d, &kind->at, "emit", "'%s' is a built-in kind: emit another",
					   kind->text);
			} else if (!kind_valid(kind->text)) {
				diag_error(l->d, &kind->at, "emit", "'%s' is not a kind: two words joined by one dot",
					   kind->text);
			}
		}
	}
}
