// SPDX-License-Identifier: GPL-2.0-or-later
/* What each event asks of a rule that it may concern, made small: eval.c's answers, in less memory. */
#include "rules/ast.h"

#include <string.h>

static bool quick_words(const struct cond *c, struct quick *q)
{
	for (size_t i = 0; i < c->n_list; i++) {
		if (c->list[i].type != V_ENUM || c->list[i].i >= 64)
			return false;
		q->u |= UINT64_C(1) << c->list[i].i;
	}
	q->how = QUICK_WORDS;
	q->type = V_ENUM;
	return true;
}

static bool quick_order(const struct cond *c, struct quick *q)
{
	bool less = c->test == TEST_LT || c->test == TEST_LE;

	if (c->want.type != V_INT && c->want.type != V_DURATION && c->want.type != V_TIME)
		return false;
	q->how = less ? QUICK_LESS : QUICK_MORE;
	if (c->test == TEST_LT || c->test == TEST_GT) {
		q->i = c->want.i;
		return true;
	}
	return !__builtin_add_overflow(c->want.i, less ? 1 : -1, &q->i);
}

/* True: the test is all that q says. */
static bool quick_test(const struct cond *c, struct quick *q)
{
	*q = (struct quick){.fact = (uint16_t)c->fact, .type = (uint8_t)c->want.type, .how = QUICK_SAME};
	if (c->op != COND_TEST || c->size || c->wanted || c->fact == FACT_CALENDAR)
		return false;
	if (c->test == TEST_IN)
		return quick_words(c, q);
	if (c->test >= TEST_LT && c->test <= TEST_GE)
		return quick_order(c, q);
	switch (c->test == TEST_EQ ? c->want.type : V_NONE) {
	case V_STRING:
		q->how = QUICK_TEXT;
		q->str = c->want.str;
		return true;
	case V_INT:
	case V_ENUM:
	case V_SIZE:
	case V_RATE:
	case V_DURATION:
	case V_TIME:
		q->u = c->want.u;
		return true;
	default:
		return false;
	}
}

/* False: there are too many. What takes longer comes last. */
static bool quick_add(struct rule *r, const struct cond *c, bool slow)
{
	struct quick q;

	for (size_t i = 0; c->op == COND_ALL && i < c->n; i++)
		if (!quick_add(r, c->kids[i], slow))
			return false;
	if (c->op == COND_ALL || quick_test(c, &q) == slow)
		return true;
	if (r->n_quick == QUICK_MAX)
		return false;
	r->quick[r->n_quick++] = slow ? (struct quick){.cond = c} : q;
	return true;
}

/* Any of the inventory but device.id, which an event of a device tells. */
static bool is_of_world(enum fact_id f)
{
	return fact_table[f].from == FROM_INVENTORY && f != FACT_DEVICE_ID;
}

static bool cond_asks_world(const struct cond *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (cond_asks_world(c->kids[i]))
			return true;
	return c->op == COND_TEST && (is_of_world(c->fact) || (c->wanted && is_of_world(c->wanted->parts[0].fact)));
}

/* unless and the steps are left out: they are asked when it fires. */
static bool asks_world(const struct rule *r)
{
	const struct key_facts *keys[] = {&r->per, &r->limit_per, &r->cover};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t k = 0; k < keys[i]->n; k++)
			if (is_of_world(keys[i]->f[k]))
				return true;
	return r->n_parts || r->memberships || (r->where && cond_asks_world(r->where)) ||
	       (r->distinct >= 0 && is_of_world((enum fact_id)r->distinct)) ||
	       (r->of >= 0 && is_of_world((enum fact_id)r->of));
}

/* The texts come beside the tests. */
static void take_texts(struct rule *r)
{
	size_t used = 0;

	for (size_t i = 0; i < r->n_quick; i++) {
		struct quick *q = &r->quick[i];
		size_t size = q->how == QUICK_TEXT ? strlen(q->str) + 1 : SIZE_MAX;

		if (size > sizeof(r->text) - used)
			continue;
		q->str = memcpy(r->text + used, q->str, size);
		used += size;
	}
}

void quick_compile(struct rule *r)
{
	r->asks_world = asks_world(r);
	if (r->where && !(quick_add(r, r->where, false) && quick_add(r, r->where, true))) {
		r->n_quick = 1;
		r->quick[0] = (struct quick){.cond = r->where};
	}
	take_texts(r);
}

static bool quick_holds(const struct quick *q, const struct facts *f)
{
	const struct value *v = &f->v[q->fact];

	switch ((enum quick_how)q->how) {
	case QUICK_SAME:
		return v->type == q->type && v->u == q->u;
	case QUICK_TEXT:
		return v->type == V_STRING && strcmp(v->str, q->str) == 0;
	case QUICK_WORDS:
		return v->type == V_ENUM && v->u < 64 && q->u >> v->u & 1;
	case QUICK_LESS:
		return v->type == q->type && v->i < q->i;
	case QUICK_MORE:
		return v->type == q->type && v->i > q->i;
	case QUICK_COND:
		return cond_eval(q->cond, f) == TRUTH_TRUE;
	}
	return false;
}

bool quick_eval(const struct rule *r, const struct facts *f)
{
	size_t i = 0;

	while (i < r->n_quick && quick_holds(&r->quick[i], f))
		i++;
	return i == r->n_quick;
}
