// SPDX-License-Identifier: GPL-2.0-or-later
/* Conditions: YAML to a tree of tests on typed facts. rules-language 2.9. */
#include "rules/ast.h"

#include <string.h>

enum { CONDITION_DEPTH_MAX = 8 };

static struct cond *cond_new(struct load *l, enum cond_op op, const struct place *at)
{
	struct cond *c = arena_new(&l->rs->arena, struct cond);

	c->op = op;
	c->at = *at;
	return c;
}

/* kid NULL: an error was reported, the rule will not be used. */
static void add_kid(struct load *l, struct cond *c, struct cond *kid)
{
	if (!kid)
		return;
	c->kids = arena_grow(&l->rs->arena, c->kids, &c->n, sizeof(*c->kids));
	c->kids[c->n - 1] = kid;
}

static struct cond *new_test(struct load *l, int fact, enum test_op op, const struct node *n)
{
	struct cond *c = cond_new(l, COND_TEST, &n->at);

	c->fact = (enum fact_id)fact;
	c->name = l->calendar ? arena_printf(&l->rs->arena, "calendar.%s", l->calendar->name) : fact_table[fact].name;
	c->calendar = l->calendar ? (size_t)(l->calendar - l->rs->calendars) : 0;
	c->test = op;
	return c;
}

static bool ordered(enum value_type type)
{
	return type == V_INT || type == V_NUMBER || type == V_SIZE || type == V_RATE || type == V_DURATION ||
	       type == V_PERCENT || type == V_TIME;
}

/* Type of what a test compares: a set's size is an integer. */
static enum value_type test_type(const struct cond *c)
{
	return c->size ? V_INT : c->test == TEST_HAS ? V_STRING : fact_table[c->fact].type;
}

static void bad_word(struct load *l, const struct fact_desc *desc, const struct node *n)
{
	_cleanup_(buf_free) struct buf all = {0};
	const char *near = suggest(n->text, desc->words);

	for (size_t i = 0; desc->words[i]; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", desc->words[i]);
	diag_error(l->d, &n->at, "word", "'%s' is not a value of %s (%s)", n->text, desc->name, buf_str(&all));
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
}

/* Reads a scalar as the fact's type. */
static bool read_value(struct load *l, const struct cond *c, const struct node *n, struct value *ret)
{
	const struct fact_desc *desc = &fact_table[c->fact];
	enum value_type type = test_type(c);
	struct err e = {0};

	if (n->kind != NODE_SCALAR || node_is_null(n)) {
		diag_error(l->d, &n->at, "type", "a value of %s is wanted here, not %s", desc->name, node_kind_name(n));
		return false;
	}
	if (value_parse(type, desc->words, n->text, ret, &e) == 0)
		return true;
	if (type == V_ENUM)
		bad_word(l, desc, n);
	else if (strncmp(e.msg, "needs ", 6) == 0)
		diag_error(l->d, &n->at, "unit", "%s %s", desc->name, e.msg);
	else
		diag_error(l->d, &n->at, value_type_name(type), "%s", e.msg);
	return false;
}

/* The right side of a test: a value, or one whole template of the same type. */
static bool read_want(struct load *l, struct cond *c, const struct node *n)
{
	struct template *t;

	if (n->kind != NODE_SCALAR || !template_is(n->text))
		return read_value(l, c, n, &c->want);
	t = template_compile(l, n);
	if (!t)
		return false;
	if (!t->whole) {
		diag_error(l->d, &n->at, "template", "a test takes one '${FACT}', with nothing around it");
		return false;
	}
	if (fact_table[t->parts[0].fact].type != test_type(c) ||
	    (test_type(c) == V_ENUM && fact_table[t->parts[0].fact].words != fact_table[c->fact].words)) {
		diag_error(l->d, &n->at, "type", "%s is a %s, %s is a %s", fact_table[t->parts[0].fact].name,
			   value_type_name(fact_table[t->parts[0].fact].type), fact_table[c->fact].name,
			   value_type_name(test_type(c)));
		return false;
	}
	c->wanted = t;
	return true;
}

static bool textual(enum value_type type)
{
	return type == V_STRING || type == V_ENUM;
}

static struct cond *scalar_test(struct load *l, int fact, const struct node *n)
{
	const struct fact_desc *desc = &fact_table[fact];
	struct cond *c;

	if (desc->type == V_SET) {
		diag_error(l->d, &n->at, "type", "%s is a set", desc->name);
		diag_hint(l->d, "write %s: {has: %s}", desc->name, n->text);
		return NULL;
	}
	if (textual(desc->type) && glob_is(n->text) && !template_is(n->text)) {
		c = new_test(l, fact, TEST_GLOB, n);
		c->want = value_str(n->text);
		return c;
	}
	c = new_test(l, fact, TEST_EQ, n);
	if (desc->type == V_STRING && strchr(n->text, '[') && !template_is(n->text)) {
		diag_warning(l->d, &n->at, "glob-looks-like-text", "'%s' has no '*' or '?', so it is compared as text",
			     n->text);
		diag_hint(l->d, "write {glob: \"%s\"} for a class of characters", n->text);
	}
	return read_want(l, c, n) ? c : NULL;
}

static struct cond *node_test(struct load *l, int fact, const struct node *n);

static bool all_plain(const struct node *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i]->kind != NODE_SCALAR || template_is(list->items[i]->text))
			return false;
	return true;
}

/* The values of a list, typed by the fact; globs stay text. */
static bool read_list(struct load *l, struct cond *c, const struct node *list)
{
	bool ok = true;

	c->list = arena_array(&l->rs->arena, struct value, list->n + 1);
	for (size_t i = 0; i < list->n; i++) {
		const struct node *item = list->items[i];

		if (item->kind == NODE_SCALAR && textual(test_type(c)) && glob_is(item->text))
			c->list[c->n_list++] = value_str(item->text);
		else if (read_value(l, c, item, &c->list[c->n_list]))
			c->n_list++;
		else
			ok = false;
	}
	return ok;
}

static struct cond *list_test(struct load *l, int fact, const struct node *n)
{
	struct cond *c;

	if (n->n == 0) {
		diag_error(l->d, &n->at, "empty", "an empty list is never true");
		return NULL;
	}
	if (fact_table[fact].type == V_SET) {
		diag_error(l->d, &n->at, "type", "%s is a set", fact_table[fact].name);
		diag_hint(l->d, "write %s: {has-any: [..]}", fact_table[fact].name);
		return NULL;
	}
	if (all_plain(n)) {
		c = new_test(l, fact, TEST_IN, n);
		return read_list(l, c, n) ? c : NULL;
	}
	c = cond_new(l, COND_ANY, &n->at);
	for (size_t i = 0; i < n->n; i++)
		add_kid(l, c, node_test(l, fact, n->items[i]));
	return c;
}

/* ---- operators ---- */

static const char *next_named(const void *u, size_t i)
{
	const struct named_nodes *list = u;

	return i < list->n ? list->v[i].name : NULL;
}

static void no_such(struct load *l, const char *what, const struct named_nodes *list, const struct node *n)
{
	const char *near = suggest_from(n->text, next_named, list);
	const struct named_node *other;

	diag_error(l->d, &n->at, "unknown-name", "no %s '%s'", what, n->text);
	if (!near)
		return;
	other = named_find((struct named_nodes *)(uintptr_t)list, near);
	diag_hint(l->d, "did you mean '%s' (%s:%d)?", near, basename(other->key->at.file), other->key->at.line);
}

static struct cond *op_in(struct load *l, int fact, const struct node *n)
{
	struct named_node *list;
	struct cond *c;

	if (n->kind != NODE_SCALAR) {
		diag_error(l->d, &n->at, "type", "'in' takes the name of a list");
		diag_hint(l->d, "for values write the list itself: %s: [a, b]", fact_table[fact].name);
		return NULL;
	}
	list = named_find(&l->lists, n->text);
	if (!list) {
		no_such(l, "list", &l->lists, n);
		return NULL;
	}
	list->used = true;
	c = new_test(l, fact, TEST_IN, n);
	c->list_name = list->name;
	return read_list(l, c, list->node) ? c : NULL;
}

static struct cond *op_not(struct load *l, int fact, const struct node *n)
{
	struct cond *c = cond_new(l, COND_NOT, &n->at);

	add_kid(l, c, node_test(l, fact, n));
	return c->n ? c : NULL;
}

static struct cond *op_exists(struct load *l, int fact, const struct node *n)
{
	struct cond *c = new_test(l, fact, TEST_EXISTS, n);
	struct field f = {.name = "exists", .type = FIELD_BOOL};
	bool want;

	if (field_decode(&f, n, &l->rs->arena, &want, l->d) < 0)
		return NULL;
	c->want = value_bool(want);
	return c;
}

static struct cond *op_glob(struct load *l, int fact, const struct node *n)
{
	struct cond *c = new_test(l, fact, TEST_GLOB, n);

	if (n->kind != NODE_SCALAR || strlen(n->text) > 256) {
		diag_error(l->d, &n->at, "glob", "'glob' takes a pattern of at most 256 bytes");
		return NULL;
	}
	c->want = value_str(n->text);
	return c;
}

static struct cond *op_regex(struct load *l, int fact, const struct node *n)
{
	struct cond *c = new_test(l, fact, TEST_REGEX, n);

	c->regex = regex_compile(l, n);
	c->want = value_str(n->text);
	return c->regex ? c : NULL;
}

static struct cond *op_compare(struct load *l, int fact, const struct node *n, enum test_op op)
{
	struct cond *c = new_test(l, fact, op, n);

	return read_want(l, c, n) ? c : NULL;
}

static struct cond *op_has(struct load *l, int fact, const struct node *n, enum cond_op join)
{
	struct cond *c = cond_new(l, join, &n->at);

	if (n->kind == NODE_SCALAR)
		return op_compare(l, fact, n, TEST_HAS);
	for (size_t i = 0; n->kind == NODE_LIST && i < n->n; i++)
		add_kid(l, c, op_compare(l, fact, n->items[i], TEST_HAS));
	return c->n ? c : NULL;
}

/* {size: test}: comparisons of the number of elements. */
static struct cond *op_size(struct load *l, int fact, const struct node *n)
{
	static const struct {
		const char *word;
		enum test_op op;
	} ops[] = {{"eq", TEST_EQ}, {"lt", TEST_LT}, {"le", TEST_LE}, {"gt", TEST_GT}, {"ge", TEST_GE}};
	struct cond *all = cond_new(l, COND_ALL, &n->at);
	const struct node *scalar = n;

	for (size_t i = 0; i < (n->kind == NODE_MAP ? n->n : 1); i++) {
		enum test_op op = TEST_EQ;
		struct cond *c;
		size_t o = 0;

		if (n->kind == NODE_MAP) {
			while (o < ARRAY_SIZE(ops) && strcmp(ops[o].word, n->keys[i]->text) != 0)
				o++;
			if (o == ARRAY_SIZE(ops)) {
				diag_error(l->d, &n->keys[i]->at, "operator", "'%s' does not compare a size",
					   n->keys[i]->text);
				return NULL;
			}
			op = ops[o].op;
			scalar = n->items[i];
		}
		c = new_test(l, fact, op, scalar);
		c->size = true;
		add_kid(l, all, read_want(l, c, scalar) ? c : NULL);
	}
	return all;
}

const struct operator_row operators[] = {
	{"eq", GROUP_SCALAR, TEST_EQ},	{"not", GROUP_ANY, TEST_EQ},	   {"glob", GROUP_TEXT, TEST_GLOB},
	{"in", GROUP_SCALAR, TEST_IN},	{"lt", GROUP_ORDERED, TEST_LT},	   {"le", GROUP_ORDERED, TEST_LE},
	{"gt", GROUP_ORDERED, TEST_GT}, {"ge", GROUP_ORDERED, TEST_GE},	   {"exists", GROUP_ANY, TEST_EXISTS},
	{"has", GROUP_SET, TEST_HAS},	{"has-any", GROUP_SET, TEST_HAS},  {"has-all", GROUP_SET, TEST_HAS},
	{"size", GROUP_SET, TEST_EQ},	{"regex", GROUP_TEXT, TEST_REGEX}, {NULL},
};

enum { N_OPERATORS = ARRAY_SIZE(operators) - 1 };

bool operator_takes(const struct operator_row *row, enum value_type type)
{
	return row->group == GROUP_ANY || (row->group == GROUP_ORDERED && ordered(type)) ||
	       (row->group == GROUP_SET && type == V_SET) || (row->group == GROUP_TEXT && textual(type)) ||
	       (row->group == GROUP_SCALAR && type != V_SET);
}

static bool operator_fits(struct load *l, const struct operator_row *row, int fact, const struct node *key)
{
	static const char *const verbs[] = {[GROUP_ANY] = "test",
					    [GROUP_ORDERED] = "compare",
					    [GROUP_SET] = "look into",
					    [GROUP_TEXT] = "match",
					    [GROUP_SCALAR] = "compare"};
	enum value_type type = fact_table[fact].type;
	bool fits = operator_takes(row, type);

	if (!fits)
		diag_error(l->d, &key->at, "operator", "'%s' cannot %s %s: it is a %s", row->word, verbs[row->group],
			   fact_table[fact].name, value_type_name(type));
	return fits;
}

static struct cond *operator_test(struct load *l, int fact, const struct node *key, const struct node *n)
{
	const char *words[N_OPERATORS + 1] = {0}, *near;
	const struct operator_row *row = operators;

	while (row < operators + N_OPERATORS && strcmp(row->word, key->text) != 0)
		row++;
	if (row == operators + N_OPERATORS) {
		for (size_t i = 0; i < N_OPERATORS; i++)
			words[i] = operators[i].word;
		diag_error(l->d, &key->at, "operator", "unknown operator '%s'", key->text);
		near = suggest(key->text, words);
		if (near)
			diag_hint(l->d, "did you mean '%s'?", near);
		return NULL;
	}
	if (!operator_fits(l, row, fact, key))
		return NULL;
	if (strcmp(row->word, "not") == 0)
		return op_not(l, fact, n);
	if (strcmp(row->word, "size") == 0)
		return op_size(l, fact, n);
	switch (row->op) {
	case TEST_IN:
		return op_in(l, fact, n);
	case TEST_EXISTS:
		return op_exists(l, fact, n);
	case TEST_GLOB:
		return op_glob(l, fact, n);
	case TEST_REGEX:
		return op_regex(l, fact, n);
	case TEST_HAS:
		return op_has(l, fact, n, strcmp(row->word, "has-any") == 0 ? COND_ANY : COND_ALL);
	default:
		return op_compare(l, fact, n, row->op);
	}
}

static struct cond *node_test(struct load *l, int fact, const struct node *n)
{
	struct cond *all;

	if (node_is_null(n)) {
		diag_error(l->d, &n->at, "null", "%s has no value to be compared with", fact_table[fact].name);
		return NULL;
	}
	if (n->kind == NODE_SCALAR)
		return scalar_test(l, fact, n);
	if (n->kind == NODE_LIST)
		return list_test(l, fact, n);
	all = cond_new(l, COND_ALL, &n->at);
	for (size_t i = 0; i < n->n; i++)
		add_kid(l, all, operator_test(l, fact, n->keys[i], n->items[i]));
	return all->n == 1 ? all->kids[0] : all;
}

/* ---- conditions ---- */

static struct cond *named_cond(struct load *l, const struct node *n)
{
	struct named_node *named = n->kind == NODE_SCALAR ? named_find(&l->conditions, n->text) : NULL;
	struct cond *c;

	if (n->kind != NODE_SCALAR) {
		diag_error(l->d, &n->at, "type", "'is' takes names of conditions");
		return NULL;
	}
	if (!named) {
		no_such(l, "condition", &l->conditions, n);
		return NULL;
	}
	named->used = true;
	if (named->open || l->depth >= CONDITION_DEPTH_MAX) {
		diag_error(l->d, &n->at, "cycle", "condition '%s' %s", n->text,
			   named->open ? "needs itself" : "is nested too deep: at most 8");
		return NULL;
	}
	named->open = true;
	l->depth++;
	c = cond_compile(l, named->node);
	l->depth--;
	named->open = false;
	return c;
}

static struct cond *cond_list(struct load *l, const struct node *n, enum cond_op op)
{
	struct cond *c = cond_new(l, op, &n->at);

	if (n->kind != NODE_LIST) {
		diag_error(l->d, &n->at, "type", "a list of conditions is wanted here, not %s", node_kind_name(n));
		return NULL;
	}
	for (size_t i = 0; i < n->n; i++)
		add_kid(l, c, cond_compile(l, n->items[i]));
	return c;
}

static struct cond *cond_entry(struct load *l, const struct node *key, const struct node *n)
{
	struct cond *c;
	int fact;

	if (strcmp(key->text, "all") == 0 || strcmp(key->text, "any") == 0)
		return cond_list(l, n, key->text[1] == 'l' ? COND_ALL : COND_ANY);
	if (strcmp(key->text, "not") == 0) {
		c = cond_new(l, COND_NOT, &n->at);
		add_kid(l, c, cond_compile(l, n));
		return c->n ? c : NULL;
	}
	if (strcmp(key->text, "is") == 0) {
		if (n->kind != NODE_LIST)
			return named_cond(l, n);
		c = cond_new(l, COND_ALL, &n->at);
		for (size_t i = 0; i < n->n; i++)
			add_kid(l, c, named_cond(l, n->items[i]));
		return c;
	}
	if (strncmp(key->text, "calendar.", 9) == 0) {
		l->calendar = calendar_find(l, key->text + 9, &key->at);
		c = l->calendar ? node_test(l, FACT_CALENDAR, n) : NULL;
		l->calendar = NULL;
		return c;
	}
	fact = field_resolve(l, key->text, &key->at);
	return fact < 0 ? NULL : node_test(l, fact, n);
}

struct cond *cond_compile(struct load *l, const struct node *n)
{
	struct cond *c;

	if (n->kind == NODE_LIST)
		return cond_list(l, n, COND_ANY);
	if (n->kind != NODE_MAP) {
		diag_error(l->d, &n->at, "type", "a condition is a mapping or a list of them, not %s",
			   node_kind_name(n));
		diag_hint(l->d, "write FACT: value");
		return NULL;
	}
	c = cond_new(l, COND_ALL, &n->at);
	for (size_t i = 0; i < n->n; i++)
		add_kid(l, c, cond_entry(l, n->keys[i], n->items[i]));
	return c;
}
