// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules that an event can concern, without looking at the others. Of each kind of event they are found by the
 * values that their conditions need to be true: a rule for the disk sdb is found under device.name sdb, and an event of
 * another disk never meets it. Found are all whose condition could be true, perhaps some more: the condition is asked
 * all the same. */
#include "rules/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a condition needs ---- */

struct hashes {
	uint32_t *v;
	size_t n;
};

bool kinds_match(const char *const *kinds, size_t n, const char *kind)
{
	for (size_t i = 0; i < n; i++)
		if (glob_match(kinds[i], kind))
			return true;
	return false;
}

static bool indexable(enum fact_id f)
{
	enum value_type type = fact_table[f].type;

	return (fact_table[f].from == FROM_EVENT || fact_table[f].from == FROM_INVENTORY) &&
	       (type == V_STRING || type == V_ENUM || type == V_INT || type == V_BOOL);
}

static uint32_t index_hash(const struct value *v)
{
	return (uint32_t)(v->type == V_STRING ? key_hash(0, v->str) : value_hash(v));
}

static void add_hash(struct arena *a, struct hashes *out, const struct value *v)
{
	out->v = arena_grow(a, out->v, &out->n, sizeof(*out->v));
	out->v[out->n - 1] = index_hash(v);
}

static bool test_needs(struct arena *a, const struct cond *c, enum fact_id fact, struct hashes *out)
{
	if (c->fact != fact || c->size || c->wanted)
		return false;
	if (c->test == TEST_EQ)
		add_hash(a, out, &c->want);
	for (size_t i = 0; c->test == TEST_IN && i < c->n_list; i++) {
		if (c->list[i].type == V_STRING && glob_is(c->list[i].str))
			return false;
		add_hash(a, out, &c->list[i]);
	}
	return c->test == TEST_EQ || c->test == TEST_IN;
}

/* True: the condition can only be true where the fact has one of the values. */
static bool cond_needs(struct arena *a, const struct cond *c, enum fact_id fact, struct hashes *out)
{
	size_t before = out->n, needing = 0;

	if (c->op == COND_TEST)
		return test_needs(a, c, fact, out);
	for (size_t i = 0; c->op != COND_NOT && i < c->n; i++) {
		if (cond_needs(a, c->kids[i], fact, out))
			needing++;
		else if (c->op == COND_ALL)
			out->n = before;
		if (c->op == COND_ALL && needing)
			return true;
	}
	return c->op == COND_ANY && c->n > 0 && needing == c->n;
}

/* The same of all that the rule does with events of the kind. */
static bool rule_needs(struct arena *a, const struct rule *r, const char *kind, enum fact_id fact, struct hashes *out)
{
	out->n = 0;
	if (!r->named[fact] || !indexable(fact))
		return false;
	if (r->n_parts == 0)
		return r->where && cond_needs(a, r->where, fact, out);
	for (size_t i = 0; i < r->n_parts; i++) {
		const struct part *p = &r->parts[i];

		if (kinds_match(p->kinds, p->n_kinds, kind) && !(p->where && cond_needs(a, p->where, fact, out)))
			return false;
	}
	return true;
}

/* ---- making it ---- */

static struct same_value *find_value(const struct rules_by_value *x, uint32_t hash)
{
	size_t i = hash & (x->n_slots - 1);

	while (x->slots[i].n && x->slots[i].hash != hash)
		i = (i + 1) & (x->n_slots - 1);
	return &x->slots[i];
}

static void grow_slots(struct arena *a, struct rules_by_value *x)
{
	struct rules_by_value old = *x;

	x->n_slots = old.n_slots ? old.n_slots * 2 : 16;
	x->slots = arena_array(a, struct same_value, x->n_slots);
	for (size_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].n)
			*find_value(x, old.slots[i].hash) = old.slots[i];
}

static const struct rule **rules_of(struct same_value *s)
{
	return s->n == 1 ? &s->one : s->rules;
}

static void add_rule(struct arena *a, struct same_value *s, const struct rule *r)
{
	const struct rule *one = s->one, **rules = s->rules;
	size_t n = s->n;

	if (n == 0) {
		s->one = r;
		s->n = 1;
		return;
	}
	if (n == 1) {
		n = 0;
		rules = arena_grow(a, NULL, &n, sizeof(*rules));
		rules[0] = one;
	}
	rules = arena_grow(a, rules, &n, sizeof(*rules));
	rules[n - 1] = r;
	s->rules = rules;
	s->n = (uint32_t)n;
}

static void add_value(struct arena *a, struct rules_by_value *x, uint32_t hash, const struct rule *r)
{
	struct same_value *s;

	if ((x->n + 1) * 2 > x->n_slots)
		grow_slots(a, x);
	s = find_value(x, hash);
	/* The same value may stand in a list twice. */
	if (s->n && rules_of(s)[s->n - 1] == r)
		return;
	x->n += s->n == 0;
	s->hash = hash;
	add_rule(a, s, r);
}

static uint32_t name_hash(const char *name)
{
	return (uint32_t)key_hash(0, name);
}

void name_add(struct arena *a, struct rules_by_value *x, const struct rule *r)
{
	add_value(a, x, name_hash(r->name), r);
}

const struct rule *name_find(const struct rules_by_value *x, const char *name)
{
	struct same_value *s = x->n ? find_value(x, name_hash(name)) : NULL;

	for (size_t i = 0; s && i < s->n; i++)
		if (strcmp(rules_of(s)[i]->name, name) == 0)
			return rules_of(s)[i];
	return NULL;
}

/* What is needed while the index of one kind is made. */
struct making {
	struct arena *rules, scratch;
	struct kind_index *k;
	struct hashes needs;
	size_t spread[FACT_MAX]; /* how many values of the fact the rules of the kind tell apart */
};

static bool makes_need(struct making *m, const struct rule *r, int fact)
{
	return rule_needs(&m->scratch, r, m->k->kind, (enum fact_id)fact, &m->needs);
}

static void count_values(struct making *m)
{
	for (int f = 0; f < FACT_MAX; f++) {
		struct rules_by_value seen = {0};

		for (size_t i = 0; i < m->k->n; i++)
			if (makes_need(m, m->k->rules[i], f))
				for (size_t v = 0; v < m->needs.n; v++)
					add_value(&m->scratch, &seen, m->needs.v[v], m->k->rules[i]);
		m->spread[f] = seen.n;
	}
}

static struct fact_index *index_of(struct kind_index *k, enum fact_id fact)
{
	enum subject_sort sort = field_sort(fact);

	for (size_t i = 0; i < k->n_facts; i++)
		if (k->facts[i].fact == fact)
			return &k->facts[i];
	if (k->n_facts == INDEXED_MAX)
		return NULL;
	k->facts[k->n_facts] = (struct fact_index){.fact = fact, .wide = sort == SORT_MEMBER || sort == SORT_ARRAY};
	return &k->facts[k->n_facts++];
}

/* The rule is put where it meets the fewest events; false: it needs no value, and meets all. */
static bool put_rule(struct making *m, const struct rule *r)
{
	double least = 2, share;
	struct fact_index *x;
	int best = -1;

	for (int f = 0; f < FACT_MAX; f++) {
		if (!makes_need(m, r, f) || (share = (double)m->needs.n / (double)m->spread[f]) >= least)
			continue;
		least = share;
		best = f;
	}
	x = best < 0 ? NULL : index_of(m->k, (enum fact_id)best);
	if (!x)
		return false;
	makes_need(m, r, best);
	for (size_t i = 0; i < m->needs.n; i++)
		add_value(m->rules, &x->by, m->needs.v[i], r);
	return true;
}

static void index_rules(struct arena *a, struct kind_index *k)
{
	struct making m = {.rules = a, .k = k};

	count_values(&m);
	k->facts = arena_array(a, struct fact_index, INDEXED_MAX);
	for (size_t i = 0; i < k->n; i++) {
		if (put_rule(&m, k->rules[i]))
			continue;
		k->rest = arena_grow(a, k->rest, &k->n_rest, sizeof(*k->rest));
		k->rest[k->n_rest - 1] = k->rules[i];
	}
	arena_finish(&m.scratch);
}

static void index_kind(struct ruleset *rs, const char *kind)
{
	struct kind_index *k;

	for (size_t i = 0; i < rs->n_kinds; i++)
		if (strcmp(rs->kinds[i].kind, kind) == 0)
			return;
	rs->kinds = arena_grow(&rs->arena, rs->kinds, &rs->n_kinds, sizeof(*rs->kinds));
	k = &rs->kinds[rs->n_kinds - 1];
	k->kind = kind;
	for (size_t i = 0; i < rs->n; i++) {
		const struct rule *r = &rs->rules[i];

		if (r->disabled || !kinds_match(r->kinds, r->n_kinds, kind))
			continue;
		k->rules = arena_grow(&rs->arena, k->rules, &k->n, sizeof(*k->rules));
		k->rules[k->n - 1] = r;
		if (!r->stop)
			continue;
		k->stops = arena_grow(&rs->arena, k->stops, &k->n_stops, sizeof(*k->stops));
		k->stops[k->n_stops - 1] = r;
	}
	index_rules(&rs->arena, k);
}

static int compare_kinds(const void *a, const void *b)
{
	return strcmp(((const struct kind_index *)a)->kind, ((const struct kind_index *)b)->kind);
}

void kinds_index(struct load *l)
{
	struct ruleset *rs = l->rs;

	for (size_t i = 0; event_kinds[i]; i++)
		index_kind(rs, event_kinds[i]);
	for (size_t i = 0; i < l->n_emitted; i++)
		index_kind(rs, l->emitted[i]);
	if (rs->n_kinds > 1)
		qsort(rs->kinds, rs->n_kinds, sizeof(*rs->kinds), compare_kinds);
	for (size_t i = 0; i < rs->n_kinds; i++) {
		rs->kinds[i].heard = rs->n_heard;
		rs->n_heard += 1 + rs->kinds[i].n_stops;
	}
}

/* ---- using it ---- */

const struct kind_index *kind_find(const struct ruleset *rs, const char *kind)
{
	size_t low = 0, high = rs->n_kinds;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(rs->kinds[mid].kind, kind);

		if (order == 0)
			return &rs->kinds[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void add_run(struct candidates *c, const struct rule **rules, size_t n)
{
	if (n)
		c->run[c->n++] = (struct rule_run){rules, rules + n};
}

/* What the first of them needs comes while the event is bound: with thousands of rules none of it is in the cache. */
static void fetch(const struct engine *e, const struct rule *r)
{
	size_t i = (size_t)(r - e->rs->rules);

	fetch_lines(r, offsetof(struct rule, name));
	fetch_lines(&e->stats[i], sizeof(e->stats[i].heard) + sizeof(e->stats[i].matched));
	fetch_lines(&e->windows.of_rule[i], sizeof(e->windows.of_rule[i]));
}

static void add_found(struct engine *e, struct candidates *c, const struct fact_index *x, const struct value *v)
{
	struct same_value *s = v->type == V_NONE ? NULL : find_value(&x->by, index_hash(v));

	if (!s || s->n == 0)
		return;
	add_run(c, rules_of(s), s->n);
	fetch(e, *rules_of(s));
}

void candidates_find(struct engine *e, const struct kind_index *k, struct candidates *c)
{
	c->n = 0;
	add_run(c, k->rest, k->n_rest);
	for (size_t i = 0; i < k->n_facts; i++) {
		const struct fact_index *x = &k->facts[i];
		struct value own = bind_fact(e, x->fact);

		add_found(e, c, x, &own);
		/* What is not of the membership is the same in all contexts. */
		if (!x->wide)
			continue;
		bind_members(e);
		for (size_t b = 1; b < e->n_bound && b <= CONTEXTS_MAX; b++)
			add_found(e, c, x, &e->bound[b].f.v[x->fact]);
	}
}

const struct rule *candidates_next(struct candidates *c)
{
	const struct rule *first = NULL;
	size_t i = 0;

	for (size_t k = 0; k < c->n; k++)
		if (!first || (*c->run[k].next)->index < first->index)
			first = *c->run[k].next;
	while (i < c->n) {
		if (*c->run[i].next != first || ++c->run[i].next < c->run[i].end)
			i++;
		else if (i < --c->n)
			c->run[i] = c->run[c->n];
	}
	return first;
}

/* ---- how many each has heard ---- */

/* The place of what the rule stopped, among those of the kind: behind what it has let through. */
static size_t stop_place(const struct kind_index *k, const struct rule *by)
{
	size_t place = 0;

	while (k->stops[place] != by)
		place++;
	return k->heard + 1 + place;
}

void heard_event(struct engine *e, const struct kind_index *k, const struct rule *stopped_by)
{
	struct heard *h = &e->heard[stopped_by ? stop_place(k, stopped_by) : k->heard];

	h->n++;
	h->seq = e->event->seq;
	h->time = e->boot;
}

static void add_heard(struct heard *sum, const struct heard *h)
{
	sum->n += h->n;
	if (h->n && h->time >= sum->time) {
		sum->time = h->time;
		sum->seq = h->seq;
	}
}

struct heard heard_of(const struct engine *e, const struct rule *r)
{
	struct heard sum = e->stats[r->index].heard;

	for (size_t i = 0; i < e->rs->n_kinds; i++) {
		const struct kind_index *k = &e->rs->kinds[i];

		if (r->disabled || !kinds_match(r->kinds, r->n_kinds, k->kind))
			continue;
		add_heard(&sum, &e->heard[k->heard]);
		/* What an earlier rule has stopped it has not seen. */
		for (size_t p = 0; p < k->n_stops; p++)
			if (k->stops[p]->index >= r->index)
				add_heard(&sum, &e->heard[k->heard + 1 + p]);
	}
	return sum;
}
