// SPDX-License-Identifier: GPL-2.0-or-later
/* Which rules that change arrays some test makes fire, and some test keeps from firing: the lint no-test. */
#include "pipeline/ruletest_impl.h"

#include <stdio.h>
#include <string.h>

struct covered {
	char *name, *at;
	bool fired, quiet;
};

static struct covered *covered_get(struct coverage *c, const struct rule_info *rule)
{
	struct covered *more;

	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->rules[i].name, rule->name) == 0)
			return &c->rules[i];
	more = reallocarray(c->rules, c->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	c->rules = more;
	more[c->n] = (struct covered){.name = strdup(rule->name)};
	if (!more[c->n].name || asprintf(&more[c->n].at, "%s:%d", rule->at.file, rule->at.line) < 0) {
		free(more[c->n].name);
		return NULL;
	}
	return &more[c->n++];
}

void coverage_add(struct coverage *c, const struct ruleset *rules, const struct runner *r)
{
	for (size_t i = 0; i < ruleset_size(rules); i++) {
		struct rule_info rule = ruleset_rule(rules, i);
		struct covered *it = rule.destructive && !rule.disabled ? covered_get(c, &rule) : NULL;
		bool fired = false;

		for (size_t k = 0; it && k < r->n_firings; k++)
			fired = fired ||
				(strcmp(r->firings[k].v->rule, rule.name) == 0 &&
				 (r->firings[k].v->kind == VERDICT_FIRED || r->firings[k].v->kind == VERDICT_ASKED));
		if (it && fired)
			it->fired = true;
		else if (it)
			it->quiet = true;
	}
}

size_t coverage_report(const struct coverage *c, struct buf *out)
{
	size_t found = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct covered *r = &c->rules[i];

		if (r->fired && r->quiet)
			continue;
		buf_addf(out, "%s: warning: '%s' changes arrays, and no test %s [no-test]\n", r->at, r->name,
			 r->fired ? "holds it back" : "fires it");
		found++;
	}
	return found;
}

void coverage_finish(struct coverage *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->rules[i].name);
		free(c->rules[i].at);
	}
	free(c->rules);
}
