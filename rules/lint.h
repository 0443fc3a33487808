// SPDX-License-Identifier: GPL-2.0-or-later
/* What the lints share: lint.c about conditions, lint_gates.c about what counts and gates, lint_pairs.c about rules
 * beside each other. rules-language 6. */
#pragma once

#include "rules/ast.h"

enum { TESTS_MAX = 64 };

struct test_list {
	const struct cond *t[TESTS_MAX];
	size_t n;
};

/* Unless the rule's name line says "# lint: NAME". */
void lint_warn(struct load *l, const struct rule *r, const struct place *at, const char *name, const char *fmt, ...)
	_printf_(5, 6);
/* The tests that must all hold. */
void lint_flatten(const struct cond *c, struct test_list *out);
/* Whether a value passes a constant test. */
bool lint_passes(const struct cond *c, const struct value *v);
/* No value of a's passes b. */
bool lint_excludes(const struct cond *a, const struct cond *b);
/* Whatever passes a passes b, too. */
bool lint_implies(const struct cond *a, const struct cond *b);

void lint_gates(struct load *l, const struct rule *r);
void lint_texts(struct load *l, const struct rule *r);
