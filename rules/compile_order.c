// SPDX-License-Identifier: GPL-2.0-or-later
/* sequence and absence: events in their order, each with its own condition. rules-language 2.5, 2.6. */
#include "rules/ast.h"

#include "core/event.h"

#include <string.h>

struct raw_order {
	const struct node *steps, *of, *per;
	int64_t within;
};

struct raw_part {
	const char *as;
	const struct node *event, *where;
};

static const struct field part_fields[] = {
	{"as", FIELD_NAME, offsetof(struct raw_part, as)},
	{"event", FIELD_NODE, offsetof(struct raw_part, event), .required = true},
	{"where", FIELD_NODE, offsetof(struct raw_part, where)},
	{NULL},
};
const struct schema step_schema = {"step", part_fields, NULL};
const struct schema of_schema = {"of", part_fields + 1, NULL};

/* "${device.id}" must not be of a step that is called "device". */
static bool is_prefix(const char *as)
{
	size_t n = strlen(as);

	for (int i = 0; i < FACT_MAX; i++)
		if (strncmp(fact_table[i].name, as, n) == 0 && fact_table[i].name[n] == '.')
			return true;
	return false;
}

static void name_compile(struct load *l, struct rule *r, struct part *p, const struct node *n)
{
	const struct node *as = node_get(n, "as");

	if (!p->as)
		return;
	if (is_prefix(p->as))
		diag_error(l->d, &as->at, "name", "'%s' is what facts begin with: another name is wanted", p->as);
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].as && strcmp(r->parts[i].as, p->as) == 0)
			diag_error(l->d, &as->at, "duplicate-name", "step '%s' is already defined at line %d", p->as,
				   r->parts[i].at.line);
}

/* The rule's kinds are those of the part from here on. */
static void part_compile(struct load *l, struct rule *r, const struct schema *schema, const struct node *n)
{
	struct part *p = &r->parts[r->n_parts];
	struct raw_part raw = {0};

	r->n_kinds = 0;
	p->at = n->at;
	if (schema_decode(schema, n, NULL, &l->rs->arena, &raw, l->d) == 0 && raw.event) {
		p->as = raw.as;
		name_compile(l, r, p, n);
		event_compile(l, r, raw.event);
		p->kinds = r->kinds;
		p->n_kinds = r->n_kinds;
		if (raw.where)
			p->where = cond_compile(l, raw.where);
	}
	r->n_parts++;
}

static void use_kinds(struct rule *r, const struct part *p)
{
	r->kinds = p->kinds;
	r->n_kinds = p->n_kinds;
}

/* All kinds of all parts. */
static void join_kinds(struct load *l, struct rule *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_parts; i++)
		n += r->parts[i].n_kinds;
	r->kinds = arena_array(&l->rs->arena, const char *, n + 1);
	r->n_kinds = 0;
	for (size_t i = 0; i < r->n_parts; i++)
		for (size_t k = 0; k < r->parts[i].n_kinds; k++)
			r->kinds[r->n_kinds++] = r->parts[i].kinds[k];
}

/* Every part has the key. */
static void key_compile(struct load *l, struct rule *r, const struct raw_order *raw, const struct node *n,
			const char *what)
{
	int key;

	for (size_t i = 0; raw->per && i < r->n_parts; i++) {
		use_kinds(r, &r->parts[i]);
		if (r->n_kinds)
			per_compile(l, raw->per, &r->per);
	}
	if (raw->per)
		return;
	join_kinds(l, r);
	key = default_key(r);
	if (key >= 0)
		r->per = (struct key_facts){{(enum fact_id)key}, 1};
	else if (r->n_kinds)
		diag_error(l->d, &n->at, "per", "'%s' needs 'per': these events have no subject in common", what);
}

static const struct field sequence_fields[] = {
	{"steps", FIELD_NODE, offsetof(struct raw_order, steps), .required = true},
	{"within", FIELD_DURATION, offsetof(struct raw_order, within), .required = true, .min = 1},
	{"per", FIELD_NODE, offsetof(struct raw_order, per)},
	{NULL},
};
const struct schema sequence_schema = {"sequence", sequence_fields, NULL};

void sequence_compile(struct load *l, struct rule *r, const struct node *n)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct raw_order raw = {0};

	r->trigger = TRIGGER_EVENT;
	if (schema_decode(&sequence_schema, n, NULL, &l->rs->arena, &raw, l->d) < 0)
		return;
	r->within = raw.within;
	if (raw.steps->kind != NODE_LIST || raw.steps->n < 2 || raw.steps->n > PARTS_MAX) {
		diag_error(l->d, &raw.steps->at, "steps", "'steps' must be a list of 2 to %d steps", PARTS_MAX);
		return;
	}
	r->parts = arena_array(&l->rs->arena, struct part, PARTS_MAX);
	buf_add(&text, "sequence ");
	for (size_t i = 0; i < raw.steps->n; i++) {
		r->trigger_text = "event ?";
		part_compile(l, r, &step_schema, raw.steps->items[i]);
		buf_addf(&text, "%s%s", i ? ", then " : "", r->trigger_text + strlen("event "));
	}
	key_compile(l, r, &raw, n, "sequence");
	/* unless and do are about the last step. */
	use_kinds(r, &r->parts[r->n_parts - 1]);
	r->trigger_text = arena_strdup(&l->rs->arena, buf_str(&text));
}

static const struct field absence_fields[] = {
	{"of", FIELD_NODE, offsetof(struct raw_order, of), .required = true},
	{"within", FIELD_DURATION, offsetof(struct raw_order, within), .required = true, .min = 1},
	{"per", FIELD_NODE, offsetof(struct raw_order, per)},
	{NULL},
};
const struct schema absence_schema = {"absence", absence_fields, NULL};

void absence_compile(struct load *l, struct rule *r, const struct node *n)
{
	const char *trigger = r->trigger_text;
	struct raw_order raw = {0};

	if (schema_decode(&absence_schema, n, NULL, &l->rs->arena, &raw, l->d) < 0)
		return;
	r->absence = true;
	r->within = raw.within;
	r->parts = arena_array(&l->rs->arena, struct part, 2);
	r->parts[0] = (struct part){.kinds = r->kinds, .n_kinds = r->n_kinds, .where = r->where, .at = r->at};
	r->n_parts = 1;
	part_compile(l, r, &of_schema, raw.of);
	key_compile(l, r, &raw, n, "absence");
	use_kinds(r, &r->parts[0]);
	r->trigger_text = trigger;
}

void order_finish(struct load *l, struct rule *r)
{
	join_kinds(l, r);
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].as && !r->parts[i].used)
			diag_warning(l->d, &r->parts[i].at, "unused", "step '%s' is not used", r->parts[i].as);
}

static int keep(struct load *l, const struct place *at, size_t part, int fact, size_t *ret_kept)
{
	struct rule *r = l->rule;
	size_t i = 0;

	while (i < r->n_kept && (r->kept[i].part != part || (int)r->kept[i].fact != fact))
		i++;
	if (i == KEPT_MAX) {
		diag_error(l->d, at, "too-many", "at most %d facts of earlier steps", KEPT_MAX);
		return -1;
	}
	if (i == r->n_kept) {
		r->kept = arena_grow(&l->rs->arena, r->kept, &r->n_kept, sizeof(*r->kept));
		r->kept[i] = (struct kept_fact){part, (enum fact_id)fact};
	}
	*ret_kept = i + 1;
	return fact;
}

int order_resolve(struct load *l, const char *name, const struct place *at, size_t *ret_kept)
{
	struct rule *r = l->rule;
	const char *dot = strchr(name, '.'), **kinds = r->kinds;
	size_t i = 0, n = dot ? (size_t)(dot - name) : 0, n_kinds = r->n_kinds;
	unsigned scope = l->scope;
	int fact;

	while (i < r->n_parts &&
	       (!r->parts[i].as || strlen(r->parts[i].as) != n || strncmp(r->parts[i].as, name, n) != 0))
		i++;
	if (i == r->n_parts)
		return -2;
	r->parts[i].used = true;
	use_kinds(r, &r->parts[i]);
	l->scope = 0;
	fact = field_resolve(l, dot + 1, at);
	l->scope = scope;
	r->kinds = kinds;
	r->n_kinds = n_kinds;
	if (fact < 0)
		return -1;
	if (fact_table[fact].type == V_SET) {
		diag_error(l->d, at, "type", "%s is a set: it is not kept of an earlier step", dot + 1);
		return -1;
	}
	return keep(l, at, i, fact, ret_kept);
}

void order_print(const struct rule *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_parts; i++) {
		const struct part *p = &r->parts[i];

		buf_addf(out, "|%s ", r->absence ? "absence" : "step");
		for (size_t k = 0; k < p->n_kinds; k++)
			buf_addf(out, "%s,", p->kinds[k]);
		if (p->where)
			cond_print(p->where, out);
	}
	for (size_t i = 0; i < r->n_kept; i++)
		buf_addf(out, "|%zu.%s", r->kept[i].part, fact_table[r->kept[i].fact].name);
}
