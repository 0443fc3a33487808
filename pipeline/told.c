// SPDX-License-Identifier: GPL-2.0-or-later
/* Facts that were told and not derived: by tests, and by sources of values that the model does not know. */
#include "pipeline/inventory_impl.h"

#include <errno.h>
#include <string.h>

static void drop_value(struct value *v)
{
	if (v->type == V_STRING)
		free((void *)v->str);
	if (v->type == V_SET)
		free((void *)v->set);
}

static int own_value(const struct value *from, struct value *to)
{
	*to = *from;
	if (from->type == V_STRING)
		to->str = strdup(from->str);
	if (from->type == V_SET)
		to->set = strset_new(from->set->words, from->set->n);
	return (to->type == V_STRING && !to->str) || (to->type == V_SET && !to->set) ? -ENOMEM : 0;
}

void told_free(struct told_fact *t)
{
	free(t->id);
	drop_value(&t->v);
	drop_value(&t->under);
}

static struct told_fact *told_find(const struct inventory *inv, enum subject_sort sort, const char *id,
				   enum fact_id fact)
{
	for (size_t i = 0; i < inv->n_told; i++)
		if (inv->told[i].sort == sort && inv->told[i].fact == fact && strcmp(inv->told[i].id, id) == 0)
			return &inv->told[i];
	return NULL;
}

const struct value *told_value(const struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact,
			       const struct value *computed)
{
	struct told_fact *t = inv->n_told ? told_find(inv, sort, id, fact) : NULL;

	if (!t)
		return NULL;
	if (computed->type != t->under.type || (computed->type != V_NONE && !value_equal(computed, &t->under)))
		t->over = true;
	return t->over ? NULL : &t->v;
}

int told_set(struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact, struct value v,
	     struct value under)
{
	struct told_fact fresh = {.sort = sort, .fact = fact}, *t = told_find(inv, sort, id, fact), *more;

	fresh.id = strdup(id);
	if (!fresh.id || own_value(&v, &fresh.v) < 0 || own_value(&under, &fresh.under) < 0) {
		told_free(&fresh);
		return -ENOMEM;
	}
	if (t) {
		told_free(t);
		*t = fresh;
		return 0;
	}
	more = reallocarray(inv->told, inv->n_told + 1, sizeof(*more));
	if (!more) {
		told_free(&fresh);
		return -ENOMEM;
	}
	inv->told = more;
	more[inv->n_told++] = fresh;
	return 0;
}

int told_clone(struct inventory *to, const struct inventory *from)
{
	for (size_t i = 0; i < from->n_told; i++) {
		const struct told_fact *t = &from->told[i];
		int r = t->over ? 0 : told_set(to, t->sort, t->id, t->fact, t->v, t->under);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What the model itself says of the fact: told ones do not count. */
static struct value model_says(struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact)
{
	_cleanup_(freep) struct facts *f = calloc(1, sizeof(*f));
	struct told_fact *t = told_find(inv, sort, id, fact);

	if (t)
		t->over = true;
	inv->version++;
	if (!f || !inventory_world_ops.bind(inv, sort, id, f))
		return VALUE_NONE;
	return f->v[fact];
}

unsigned inventory_tell(struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact,
			struct value v)
{
	struct array *a = sort == SORT_ARRAY ? array_find(inv, id) : NULL;
	struct device *d = sort == SORT_DEVICE ? device_find(inv, id) : NULL;
	bool changed = false;

	if (a && fact == FACT_ARRAY_MAINTENANCE)
		a->maintenance = v.b;
	else if (!d || !device_learn(d, fact, &v, &changed))
		told_set(inv, sort, id, fact, v, model_says(inv, sort, id, fact));
	inv->version++;
	return SORT_ALL;
}
