// SPDX-License-Identifier: GPL-2.0-or-later
/* Conditions as text: for people, and in one canonical form for hashes. */
#include "rules/ast.h"

const char *cond_op_word(const struct cond *c)
{
	static const char *const words[] = {
		[TEST_REGEX] = "regex",	  [TEST_EQ] = "eq",  [TEST_GLOB] = "glob", [TEST_IN] = "in",
		[TEST_LT] = "lt",	  [TEST_LE] = "le",  [TEST_GT] = "gt",	   [TEST_GE] = "ge",
		[TEST_EXISTS] = "exists", [TEST_HAS] = "has"};

	return words[c->test];
}

void cond_print_want(const struct cond *c, struct buf *out)
{
	if (c->list_name) {
		buf_add(out, c->list_name);
	} else if (c->test == TEST_IN) {
		buf_addc(out, '[');
		for (size_t i = 0; i < c->n_list; i++) {
			buf_add(out, i ? ", " : "");
			value_print(&c->list[i], VALUE_CANONICAL, out);
		}
		buf_addc(out, ']');
	} else if (c->wanted) {
		buf_addf(out, "${%s}", c->wanted->parts[0].name);
	} else {
		value_print(&c->want, VALUE_CANONICAL, out);
	}
}

void cond_print(const struct cond *c, struct buf *out)
{
	static const char *const names[] = {[COND_ALL] = "all", [COND_ANY] = "any", [COND_NOT] = "not"};

	if (c->op != COND_TEST) {
		buf_addf(out, "%s(", names[c->op]);
		for (size_t i = 0; i < c->n; i++)
			cond_print(c->kids[i], out);
		buf_addc(out, ')');
		return;
	}
	buf_addf(out, "%s %s%s ", c->name, c->size ? "size " : "", cond_op_word(c));
	for (size_t i = 0; i < c->n_list; i++) {
		value_print(&c->list[i], VALUE_CANONICAL, out);
		buf_addc(out, '\x1f');
	}
	if (c->test != TEST_IN)
		cond_print_want(c, out);
	if (c->wanted && c->wanted->parts[0].fallback)
		buf_addf(out, ":-%s", c->wanted->parts[0].fallback);
	buf_addc(out, ';');
}
