// SPDX-License-Identifier: GPL-2.0-or-later
/* threshold on watch: how many subjects with something in common are in the state. A group is a watch of its own, whose
 * members are the subjects that are active; it goes through the same states. rules-language 4.6. */
#include "rules/state.h"

#include <string.h>

void group_leave(struct watch *w)
{
	if (!w->group)
		return;
	list_remove(&w->peers);
	w->group->n_members--;
	w->group = NULL;
}

static struct watch *group_get(struct engine *e, const struct rule *r, const char *key)
{
	struct watch *g = (struct watch *)table_find(&e->groups, r->index, key);

	return g ? g : watch_add(e, r, key, true);
}

void group_put(struct engine *e, const struct rule *r, struct watch *w, const char *key)
{
	struct watch *g = group_get(e, r, key);

	if (!g || w->group == g)
		return;
	group_leave(w);
	list_insert(&g->peers, &w->peers);
	g->n_members++;
	w->group = g;
}

bool group_join(struct engine *e, const struct rule *r, struct watch *w, const struct facts *f)
{
	/* The key that the caller works with stays as it is. */
	if (!key_text(&r->per, f, &e->scratch)) {
		e->stats[r->index].no_key++;
		return false;
	}
	group_put(e, r, w, buf_str(&e->scratch));
	return w->group != NULL;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void group_match(const struct watch *group, struct match *m)
{
	const struct list *at = group->peers.prev;

	m->count = group->n_members;
	m->set.words = m->values;
	for (; at != &group->peers && m->set.n < VALUES_MAX; at = at->prev)
		m->values[m->set.n++] = container_of(at, struct watch, peers)->id;
	if (m->set.n > 1)
		qsort(m->values, m->set.n, sizeof(*m->values), compare_words);
}

/* The facts are those of the latest member; of the last one that there was when none is left. */
static bool bind_latest(struct engine *e, struct watch *g)
{
	const struct watch *latest = g->n_members ? container_of(g->peers.prev, struct watch, peers) : NULL;
	char *id = latest && (!g->id || strcmp(g->id, latest->id) != 0) ? strdup(latest->id) : NULL;

	if (id) {
		free(g->id);
		g->id = id;
	}
	if (latest)
		g->sort = latest->sort;
	if (bind_room(e, 1) < 0)
		return false;
	e->n_bound = 1;
	if (!g->id || !bind_subject(e, g->sort, g->id, &e->bound[0]))
		memset(&e->bound[0].f, 0, sizeof(e->bound[0].f));
	return true;
}

static void group_step(struct engine *e, const struct rule *r, struct watch *g, bool timed)
{
	struct step_of_time s = {.e = e, .r = r, .w = g, .timed = timed};

	if (!bind_latest(e, g))
		return;
	s.b = &e->bound[0];
	s.holds = g->n_members >= r->count;
	watch_move(&s);
}

void group_all(struct engine *e, const struct rule *r)
{
	struct entry_node *next;

	for (struct entry_node *n = e->groups.of_rule[r->index].oldest; n; n = next) {
		next = n->link[OF_RULE].newer;
		group_step(e, r, (struct watch *)n, false);
	}
}

void group_timer(struct engine *e, struct watch *group)
{
	group_step(e, &e->rs->rules[group->node.rule], group, true);
}
