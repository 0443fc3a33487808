// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts of "why" about correlation: what was counted, and what is missing. rules-language 7. */
#include "rules/why_parts.h"

#include <inttypes.h>

json_t *why_key(const struct why *w)
{
	json_t *key = json_object();

	for (size_t i = 0; i < w->r->per.n; i++) {
		const struct value *v = &w->b->f.v[w->r->per.f[i]];
		_cleanup_(buf_free) struct buf text = {0};

		value_print(v, VALUE_CANONICAL, &text);
		json_object_set_new(key, fact_table[w->r->per.f[i]].name,
				    v->type == V_NONE ? json_null() : json_string(buf_str(&text)));
	}
	return key;
}

/* The share as it is and as it is wanted. */
static void share_json(struct why *w, double share, json_t *j)
{
	_cleanup_(buf_free) struct buf is = {0}, want = {0};
	struct value v = share > 0 ? value_percent(share) : VALUE_NONE, ratio = value_percent(w->r->ratio);

	value_print(&v, VALUE_CANONICAL, &is);
	value_print(&ratio, VALUE_CANONICAL, &want);
	json_object_set_new(j, "share", share > 0 ? json_string(buf_str(&is)) : json_null());
	json_object_set_new(j, "ratio", json_string(buf_str(&want)));
	json_object_set_new(j, "ratio-of", json_string(fact_table[w->r->of].name));
	if (share >= w->r->ratio)
		return;
	if (share > 0)
		why_answer(w, "waiting", "threshold: they are %s of %s, not %s", buf_str(&is),
			   fact_table[w->r->of].name, buf_str(&want));
	else
		why_answer(w, "waiting", "threshold: %s did not grow since the first of them",
			   fact_table[w->r->of].name);
}

void why_threshold(struct why *w)
{
	struct window *win = NULL;
	int64_t have = 0, oldest = 0, missing;
	double share;
	_cleanup_(buf_free) struct buf within = {0}, until = {0};
	json_t *j;

	if (key_text(&w->r->per, &w->b->f, &w->e->key))
		win = (struct window *)table_find(&w->e->windows, w->r->index, buf_str(&w->e->key));
	for (const struct hit *h = win ? hits_oldest(&win->hits) : NULL; h; h = hits_newer(&win->hits, h)) {
		if (h->time <= w->e->boot - w->r->within)
			continue;
		oldest = have ? oldest : h->time;
		have += w->r->distinct >= 0 ? 1 : h->weight;
	}
	missing = w->r->count - have;
	share = win && w->r->ratio > 0 ? window_share(win) : 0;
	j = why_part(w, "threshold", missing > 0 || share < w->r->ratio ? "no" : "ok");
	json_object_set_new(j, "count", json_integer(have));
	json_object_set_new(j, "of", json_integer(w->r->count));
	json_object_set_new(j, "missing", json_integer(MAX(missing, 0)));
	json_object_set_new(j, "within_ns", json_integer(w->r->within));
	json_object_set_new(j, "counts", json_string(w->r->distinct >= 0 ? fact_table[w->r->distinct].name : "count"));
	json_object_set_new(j, "key", why_key(w));
	if (have > 0) {
		json_object_set_new(j, "oldest", why_moment_json(w->e, oldest));
		json_object_set_new(j, "deadline", why_moment_json(w->e, oldest + w->r->within));
	}
	why_duration(w->r->within, &within);
	if (win && win->node.phase >= WINDOW_RAISED)
		why_answer(w, "active", "it has fired and is not over yet");
	if (missing <= 0) {
		if (w->r->ratio > 0)
			share_json(w, share, j);
		return;
	}
	if (have > 0) {
		why_moment(w->e, oldest + w->r->within, &until);
		why_answer(w, "waiting",
			   "threshold: %" PRId64 " of %" PRId64 " within %s; %" PRId64 " more before %s would do", have,
			   w->r->count, buf_str(&within), missing, buf_str(&until));
		return;
	}
	why_answer(w, w->e->stats[w->r->index].matched ? "waiting" : "never-heard",
		   "threshold: 0 of %" PRId64 " within %s", w->r->count, buf_str(&within));
}

void why_group(struct why *w, const struct watch *group)
{
	int64_t have = group ? group->n_members : 0;
	json_t *j = why_part(w, "threshold", have < w->r->count ? "no" : "ok");

	json_object_set_new(j, "count", json_integer(have));
	json_object_set_new(j, "of", json_integer(w->r->count));
	json_object_set_new(j, "missing", json_integer(MAX(w->r->count - have, 0)));
	json_object_set_new(j, "counts", json_string(sort_words[w->r->sort]));
	json_object_set_new(j, "key", why_key(w));
	if (have < w->r->count)
		why_answer(w, "waiting", "threshold: %" PRId64 " of %" PRId64 " are in the state now", have,
			   w->r->count);
}

static void kinds_of(const struct part *p, struct buf *out)
{
	for (size_t i = 0; i < p->n_kinds; i++)
		buf_addf(out, "%s%s", i ? ", " : "", p->kinds[i]);
}

void why_order(struct why *w)
{
	_cleanup_(buf_free) struct buf next = {0}, until = {0}, since = {0};
	const char *what = w->r->absence ? "absence" : "sequence";
	const struct attempt *a = NULL;
	json_t *j;

	if (key_text(&w->r->per, &w->b->f, &w->e->key))
		a = (struct attempt *)table_find(&w->e->attempts, w->r->index, buf_str(&w->e->key));
	j = why_part(w, what, "no");
	json_object_set_new(j, "key", why_key(w));
	json_object_set_new(j, "within_ns", json_integer(w->r->within));
	json_object_set_new(j, "count", json_integer(a ? (json_int_t)a->n : 0));
	json_object_set_new(j, "of", json_integer(w->r->absence ? 1 : (json_int_t)w->r->n_parts));
	kinds_of(&w->r->parts[a ? a->n : 0], &next);
	json_object_set_new(j, "next", json_string(buf_str(&next)));
	if (!a) {
		why_answer(w, w->e->stats[w->r->index].matched ? "waiting" : "never-heard", "%s: no %s has begun it",
			   what, buf_str(&next));
		return;
	}
	why_moment(w->e, a->first, &since);
	why_moment(w->e, w->r->absence ? w->e->boot + MAX(a->timer.at - w->e->awake, 0) : a->timer.at, &until);
	json_object_set_new(j, "since", json_string(buf_str(&since)));
	json_object_set_new(j, "until", json_string(buf_str(&until)));
	if (w->r->absence)
		why_answer(w, "waiting", "absence: no %s has come since %s; it fires at %s", buf_str(&next),
			   buf_str(&since), buf_str(&until));
	else
		why_answer(w, "waiting", "sequence: %zu of %zu since %s; %s before %s is next", a->n, w->r->n_parts,
			   buf_str(&since), buf_str(&next), buf_str(&until));
}
