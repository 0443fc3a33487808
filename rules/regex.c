// SPDX-License-Identifier: GPL-2.0-or-later
/* Regular expressions of tests: compiled once at load, matched within limits. rules-language 3.6. They are interpreted,
 * not compiled to machine code: the limit of depth does not hold there, and the broker needs no memory that it can
 * write and execute. */
#include "rules/ast.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { PATTERN_MAX = 512, NEST_MAX = 32, MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 1024 };

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *data;
	uint64_t over; /* matches that were given up */
};

void regex_free(struct regex *x)
{
	pcre2_code_free(x->code);
	pcre2_match_context_free(x->limits);
	pcre2_match_data_free(x->data);
	free(x);
}

/* Verbs change the limits, and callouts and \C have no use here. Wherever they stand: a text that only looks like one
 * can be written another way. */
static bool refused(struct load *l, const struct node *n)
{
	static const char *const marks[] = {"(*", "(?C"};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *found = strstr(n->text, marks[i]);
		struct place at = found ? node_part(n, (size_t)(found - n->text), strlen(marks[i])) : n->at;

		if (!found)
			continue;
		diag_error(l->d, &at, "regex", "'%s' is refused in a regular expression: no verbs, no callouts",
			   marks[i]);
		diag_hint(l->d, "for a parenthesis as text write [(]");
		return true;
	}
	return false;
}

static pcre2_code *compile(struct load *l, const struct node *n)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	PCRE2_UCHAR message[256];
	pcre2_code *code = NULL;
	PCRE2_SIZE offset = 0;
	struct place at;
	bool known;
	int error = 0;

	if (c) {
		pcre2_set_parens_nest_limit(c, NEST_MAX);
		code = pcre2_compile((PCRE2_SPTR)n->text, strlen(n->text),
				     PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
					     PCRE2_NO_AUTO_CAPTURE,
				     &error, &offset, c);
	}
	pcre2_compile_context_free(c);
	if (code)
		return code;
	at = node_part(n, MIN(offset, strlen(n->text)), 1);
	known = error && pcre2_get_error_message(error, message, sizeof(message)) >= 0;
	diag_error(l->d, &at, "regex", "%s", known ? (const char *)message : "out of memory");
	return NULL;
}

struct regex *regex_compile(struct load *l, const struct node *n)
{
	struct rule *r = l->rule;
	struct regex *x;

	if (n->kind != NODE_SCALAR || strlen(n->text) > PATTERN_MAX) {
		diag_error(l->d, &n->at, "regex", "'regex' takes a pattern of at most %d bytes", PATTERN_MAX);
		return NULL;
	}
	if (refused(l, n))
		return NULL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->code = compile(l, n);
	x->limits = pcre2_match_context_create(NULL);
	x->data = pcre2_match_data_create(1, NULL);
	if (!x->code || !x->limits || !x->data) {
		regex_free(x);
		return NULL;
	}
	pcre2_set_match_limit(x->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(x->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(x->limits, HEAP_LIMIT_KIB);
	/* The first match takes the memory that the later ones use. */
	pcre2_match(x->code, (PCRE2_SPTR) "", 0, 0, 0, x->data, x->limits);
	r->regexes = arena_grow(&l->rs->arena, r->regexes, &r->n_regexes, sizeof(*r->regexes));
	r->regexes[r->n_regexes - 1] = x;
	return x;
}

enum truth regex_match(struct regex *x, const char *text)
{
	int r = pcre2_match(x->code, (PCRE2_SPTR)text, strlen(text), 0, 0, x->data, x->limits);

	if (r >= 0)
		return TRUTH_TRUE;
	if (r == PCRE2_ERROR_NOMATCH)
		return TRUTH_FALSE;
	x->over++;
	return TRUTH_UNKNOWN;
}

uint64_t regex_over(const struct rule *r)
{
	uint64_t over = 0;

	for (size_t i = 0; i < r->n_regexes; i++)
		over += r->regexes[i]->over;
	return over;
}
