// SPDX-License-Identifier: GPL-2.0-or-later
/* Saved state into an engine: after a restart, for a copy, and when other rules take over. rules-language 4.13. */
#include "rules/state.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct restore {
	struct engine *e;
	int64_t boot, awake; /* to be added to saved times */
	bool exact;	     /* a copy: pending states and their timers go on */
};

/* Within what can be added to, whatever a damaged state says. */
static int64_t moment(const json_t *j)
{
	const int64_t most = INT64_MAX / 2;

	return MIN(MAX(json_integer_value(j), -most), most);
}

static int64_t get_time(const json_t *j, const char *name, int64_t shift)
{
	return moment(json_object_get(j, name)) + shift;
}

bool saved_flag(const json_t *j, const char *name)
{
	return json_is_true(json_object_get(j, name));
}

const char *saved_text(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

/* The rule that an entry belongs to, if it still decides the same. */
static const struct rule *entry_rule(const struct restore *s, const json_t *j)
{
	int i = ruleset_find(s->e->rs, saved_text(j, "rule"));
	char hash[HASH_TEXT];

	if (i < 0 || s->e->rs->rules[i].disabled ||
	    strcmp(rule_hash_text(&s->e->rs->rules[i], hash), saved_text(j, "hash")) != 0)
		return NULL;
	return &s->e->rs->rules[i];
}

static void restore_timer(const struct restore *s, const json_t *j, struct timer *t)
{
	const json_t *timer = json_object_get(j, "timer");
	bool awake = json_is_true(json_array_get(timer, 1));

	if (timer)
		timer_arm(s->e, t, moment(json_array_get(timer, 0)) + (awake ? s->awake : s->boot), awake);
}

static void restore_hit(const struct restore *s, const struct rule *r, struct window *w, const json_t *j)
{
	const char *value = json_string_value(json_array_get(j, 3)), *cover = json_string_value(json_array_get(j, 4));
	const struct hit *before = hits_newest(&w->hits);
	int64_t time = moment(json_array_get(j, 0)) + s->boot;
	/* In order, and none to come, whatever a damaged state says. */
	struct hit h = {.time = MIN(before ? MAX(time, before->time) : time, s->e->boot),
			.weight = (uint32_t)MIN(MAX(json_integer_value(json_array_get(j, 1)), 1), UINT32_MAX),
			.seq = (uint64_t)json_integer_value(json_array_get(j, 2))};
	struct hit_more more = {.hash = (uint64_t)json_integer_value(json_array_get(j, 5)),
				.value = r->distinct >= 0 ? strndup(value ? value : "", VALUE_KEPT) : NULL,
				.cover = r->cover.n && cover ? strdup(cover) : NULL};

	if (hits_add(&w->hits, &h, window_wants_more(r) ? &more : NULL) < 0) {
		free(more.value);
		free(more.cover);
	}
}

static void restore_window(const struct restore *s, const struct rule *r, const json_t *j)
{
	struct window *w;
	const json_t *hit;
	size_t i;

	if (r->count == 0 || table_find(&s->e->windows, r->index, saved_text(j, "key")))
		return;
	w = window_new(s->e, r, saved_text(j, "key"));
	if (!w)
		return;
	json_array_foreach(json_object_get(j, "hits"), i, hit) restore_hit(s, r, w, hit);
	if (r->has_clear && saved_flag(j, "raised")) {
		w->node.phase = saved_flag(j, "clearing") ? WINDOW_CLEARING : WINDOW_RAISED;
		w->raised_at[0] = get_time(j, "raised-at", s->boot);
	}
	w->node.injected = saved_flag(j, "injected");
	window_prune(s->e, r, w);
	if (w->node.phase == WINDOW_COUNTING && w->hits.n == 0) {
		window_free(s->e, w);
		return;
	}
	if (w->node.phase == WINDOW_CLEARING)
		restore_timer(s, j, &w->timer);
	else
		window_arm(s->e, r, w);
	window_touch(s->e, w);
}

/* What was waited for gets the rest of its time; after a restart at least this, for what came meanwhile is told only
 * then. */
enum { REST_MIN = 10 };

static void restore_attempt(const struct restore *s, const struct rule *r, const json_t *j)
{
	int64_t rest = get_time(j, "ends", s->awake) - s->e->awake;
	const json_t *came = json_object_get(j, "came"), *ev;
	struct attempt *a;
	size_t i;

	if (r->n_parts == 0 || json_array_size(came) == 0 || json_array_size(came) >= r->n_parts ||
	    table_find(&s->e->attempts, r->index, saved_text(j, "key")))
		return;
	a = table_add(&s->e->attempts, r->index, saved_text(j, "key"), sizeof(*a));
	if (!a)
		return;
	json_array_foreach(came, i, ev) a->n += event_from_json(ev, &a->came[a->n], NULL) == 0;
	a->cover = r->cover.n && json_object_get(j, "cover") ? strdup(saved_text(j, "cover")) : NULL;
	a->node.injected = saved_flag(j, "injected");
	a->first = get_time(j, "first", s->boot);
	if (a->n != json_array_size(came)) {
		order_free(s->e, a);
		return;
	}
	order_arm(s->e, r, a, s->exact ? rest : MAX(rest, REST_MIN * NS_PER_SEC));
	table_touch(&s->e->attempts, &a->node, 1 + r->n_parts);
	table_bound(s->e, &s->e->attempts, &a->node);
}

static void restore_schedule(const struct restore *s, const struct rule *r, const json_t *j)
{
	if (r->trigger == TRIGGER_SCHEDULE)
		s->e->schedules[r->index].last = get_time(j, "last", 0);
}

/* What was missed meanwhile is made up for at the start. */
static void restore_visit(const struct restore *s, const struct rule *r, const json_t *j)
{
	if (r->trigger == TRIGGER_SCHEDULE)
		visit_arm(s->e, r, saved_text(j, "key"), MAX(get_time(j, "at", s->boot), s->e->boot));
}

static void restore_limit(const struct restore *s, const struct rule *r, const json_t *j)
{
	struct limit *l;
	const json_t *t;
	size_t i;

	if (r->limit_count == 0 || table_find(&s->e->limits, r->index, saved_text(j, "key")))
		return;
	l = table_add(&s->e->limits, r->index, saved_text(j, "key"), sizeof(*l));
	if (!l)
		return;
	l->timer = (struct timer){.kind = TIMER_LIMIT};
	l->times = calloc(json_array_size(json_object_get(j, "times")) + 1, sizeof(*l->times));
	json_array_foreach(json_object_get(j, "times"), i, t) if (l->times) l->times[l->n++] = moment(t) + s->boot;
	l->told = saved_flag(j, "told");
	if (!l->times || l->n == 0) {
		limit_free(s->e, l);
		return;
	}
	timer_arm(s->e, &l->timer, l->times[l->n - 1] + r->limit_within, false);
	table_touch(&s->e->limits, &l->node, 1 + l->n);
	table_bound(s->e, &s->e->limits, &l->node);
}

enum subject_sort saved_sort(const json_t *j)
{
	for (int i = SORT_DEVICE; i < SORT_MAX; i++)
		if (strcmp(sort_words[i], saved_text(j, "sort")) == 0)
			return (enum subject_sort)i;
	return SORT_NONE;
}

static void restore_facts(const json_t *j, struct watch *w)
{
	const json_t *prints = json_object_get(j, "prints"), *guard = json_object_get(j, "guard"), *value;
	size_t i;

	if (json_object_size(prints))
		w->prints = calloc(FACT_MAX, sizeof(*w->prints));
	for (int f = 0; w->prints && f < FACT_MAX; f++)
		w->prints[f] = (uint32_t)json_integer_value(json_object_get(prints, fact_table[f].name));
	if (json_array_size(guard))
		w->guarded = calloc(FACT_MAX, sizeof(*w->guarded));
	json_array_foreach(guard, i, value)
	{
		int f = fact_lookup(json_string_value(value) ? json_string_value(value) : "");

		if (w->guarded && f >= 0)
			w->guarded[f] = true;
	}
}

static void restore_state(const struct restore *s, const struct rule *r, const json_t *j, bool is_group)
{
	const struct table *table = is_group ? &s->e->groups : &s->e->watches;
	json_int_t state = json_integer_value(json_object_get(j, "state"));
	bool raised = saved_flag(j, "raised");
	struct watch *w;
	const json_t *span;
	size_t i;

	/* What was pending starts anew after a restart; what had fired stays so. */
	if (state < WATCH_SUMMING || state > WATCH_CLEARING || r->trigger != TRIGGER_WATCH ||
	    (saved_sort(j) == SORT_NONE && !is_group) || (!s->exact && !raised) ||
	    table_find(table, r->index, saved_text(j, "key")))
		return;
	w = watch_add(s->e, r, saved_text(j, "key"), is_group);
	if (!w)
		return;
	w->id = strdup(saved_text(j, "id"));
	w->sort = saved_sort(j);
	w->state = s->exact ? (enum watch_state)state : WATCH_ACTIVE;
	w->raised = raised;
	w->recorded = saved_flag(j, "recorded");
	w->waits = s->exact && saved_flag(j, "waits");
	w->interrupted = saved_flag(j, "interrupted") || (!s->exact && saved_flag(j, "waits"));
	w->refused = saved_flag(j, "refused");
	s->e->stats[r->index].refused |= w->refused;
	w->changed = saved_flag(j, "changed");
	w->since_awake = get_time(j, "since-awake", s->awake);
	w->since_boot = get_time(j, "since-boot", s->boot);
	w->fired_awake = get_time(j, "fired-awake", s->awake);
	w->fired_boot = get_time(j, "fired-boot", s->boot);
	snprintf(w->verdict, sizeof(w->verdict), "%s", saved_text(j, "verdict"));
	restore_facts(j, w);
	w->spans = calloc(json_array_size(json_object_get(j, "spans")) + 1, sizeof(*w->spans));
	json_array_foreach(json_object_get(j, "spans"), i, span) if (w->spans) w->spans[w->n_spans++] =
		(struct span){moment(json_array_get(span, 0)) + s->boot, moment(json_array_get(span, 1)) + s->boot};
	if (!w->id) {
		watch_free(s->e, w);
		return;
	}
	if (r->count && !is_group && json_object_get(j, "group"))
		group_put(s->e, r, w, saved_text(j, "group"));
	if (s->exact)
		restore_timer(s, j, &w->timer);
}

static void restore_watch(const struct restore *s, const struct rule *r, const json_t *j)
{
	restore_state(s, r, j, false);
}

static void restore_group(const struct restore *s, const struct rule *r, const json_t *j)
{
	if (r->count)
		restore_state(s, r, j, true);
}

/* One whose rule is not there any more, or decides otherwise, is told of when the picture is whole. */
static void restore_questions(const struct restore *s, const json_t *list)
{
	json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		const struct rule *r = entry_rule(s, j);

		if (!r)
			question_gone(s->e, j);
		else if (!question_find(s->e, r, saved_text(j, "key")))
			question_restore(s->e, r, j, get_time(j, "asked", s->boot), get_time(j, "ends", s->awake));
	}
}

/* Which step of the rule covers the rules that the saved one did. */
static const struct step *inhibit_step(const struct rule *r, const json_t *values)
{
	for (size_t i = 0; i < r->steps.n; i++) {
		const struct step *s = &r->steps.s[i];
		size_t k = 0;

		if (s->effect != EFFECT_INHIBIT || s->n_per != json_object_size(values))
			continue;
		while (k < s->n_per && json_object_get(values, fact_table[s->per[k]].name))
			k++;
		if (k == s->n_per)
			return s;
	}
	return NULL;
}

static void restore_inhibition(const struct restore *s, const struct rule *r, const json_t *j)
{
	const json_t *values = json_object_get(j, "values");
	const struct step *step = inhibit_step(r, values);
	struct inhibition *in = step ? calloc(1, sizeof(*in)) : NULL;

	if (!in)
		return;
	*in = (struct inhibition){.rule = r->index,
				  .key = strdup(saved_text(j, "key")),
				  .until_clear = step->until_clear,
				  .covers = step->covers,
				  .per.n = step->n_per};
	memcpy(in->per.f, step->per, sizeof(step->per));
	for (size_t i = 0; i < step->n_per; i++)
		in->values[i] = strdup(saved_text(values, fact_table[step->per[i]].name));
	in->timer = (struct timer){.kind = TIMER_INHIBITION};
	inhibition_add(s->e, in);
	timer_arm(s->e, &in->timer, get_time(j, "ends", s->awake), true);
}

static void restore_list(const struct restore *s, const json_t *list,
			 void (*restore)(const struct restore *s, const struct rule *r, const json_t *j))
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		const struct rule *r = entry_rule(s, j);

		if (r)
			restore(s, r, j);
	}
}

static void restore_marks(const struct restore *s, const json_t *list)
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j)
	{
		int64_t ends = moment(json_object_get(j, "ends"));

		if (ends == 0 || ends + s->boot > s->e->boot)
			engine_mark(s->e, saved_text(j, "device"), saved_text(j, "as"),
				    ends ? ends + s->boot - s->e->boot : 0);
	}
}

static int restore_all(struct engine *e, const json_t *state, const struct restore *s, struct err *err)
{
	if (json_integer_value(json_object_get(state, "v")) != 1)
		return err_set(err, EINVAL, "the saved state of the rules is of another version");
	e->wall_offset = get_time(state, "wall-offset", 0);
	e->counter = (uint64_t)MAX(json_integer_value(json_object_get(state, "counter")), 0);
	restore_list(s, json_object_get(state, "windows"), restore_window);
	restore_list(s, json_object_get(state, "attempts"), restore_attempt);
	restore_list(s, json_object_get(state, "schedules"), restore_schedule);
	restore_list(s, json_object_get(state, "visits"), restore_visit);
	restore_list(s, json_object_get(state, "limits"), restore_limit);
	restore_list(s, json_object_get(state, "groups"), restore_group);
	restore_list(s, json_object_get(state, "watches"), restore_watch);
	restore_questions(s, json_object_get(state, "questions"));
	restore_list(s, json_object_get(state, "inhibitions"), restore_inhibition);
	restore_marks(s, json_object_get(state, "marks"));
	return 0;
}

int engine_restore(struct engine *e, const json_t *state, int64_t boot, int64_t awake, int64_t away, struct err *err)
{
	struct restore s = {.e = e,
			    .boot = boot - MAX(away, 0) - get_time(state, "boot", 0),
			    .awake = awake - get_time(state, "awake", 0)};

	e->boot = boot;
	e->awake = awake;
	return restore_all(e, state, &s, err);
}

/* An engine with the rules and options, and all that goes on in e. */
static int copy_engine(struct engine *e, struct ruleset *rs, const struct engine_options *o, struct engine **ret)
{
	_cleanup_(engine_freep) struct engine *copy = NULL;
	json_t *state = engine_save(e, e->boot, e->awake, SIZE_MAX);
	struct restore s = {.exact = true};
	int r = state ? engine_new(rs, o, &copy) : -ENOMEM;

	if (r == 0) {
		s.e = copy;
		copy->boot = e->boot;
		copy->awake = e->awake;
		copy->pass = e->pass;
		r = restore_all(copy, state, &s, NULL);
	}
	json_decref(state);
	if (r < 0)
		return r;
	copy->started = e->started;
	copy->dirty = e->any_dirty_fact ? SORT_ALL : e->dirty;
	if (copy->started) {
		schedule_wall(copy);
		schedule_start(copy);
	}
	memcpy(copy->prefix, e->prefix, sizeof(copy->prefix));
	memcpy(copy->shadows, e->shadows, sizeof(copy->shadows));
	copy->n_shadows = e->n_shadows;
	*ret = TAKE_PTR(copy);
	return 0;
}

int engine_clone(struct engine *e, const struct engine_options *o, struct engine **ret)
{
	int r = copy_engine(e, e->rs, o, ret);

	if (r == 0 && o->prefix)
		snprintf((*ret)->prefix, sizeof((*ret)->prefix), "%s", o->prefix);
	return r;
}

static void keep_stats(const struct engine *old, struct engine *e, struct reload_counts *counts)
{
	for (size_t i = 0; i < e->rs->n; i++) {
		int k = ruleset_find(old->rs, e->rs->rules[i].name);

		if (k < 0) {
			counts->added++;
		} else if (old->rs->rules[k].hash == e->rs->rules[i].hash) {
			counts->kept++;
			e->stats[i] = old->stats[k];
			e->stats[i].heard = heard_of(old, &old->rs->rules[k]);
		} else {
			counts->reset++;
		}
	}
	for (size_t i = 0; i < old->rs->n; i++)
		counts->removed += ruleset_find(e->rs, old->rs->rules[i].name) < 0;
}

int engine_reload(struct engine *e, struct ruleset *rs, struct reload_counts *ret)
{
	struct engine *next, swap;
	struct reload_counts counts = {0};
	int r = copy_engine(e, rs, &e->o, &next);

	if (r < 0)
		return r;
	keep_stats(e, next, &counts);
	next->evicted += e->evicted;
	if (!next->evicted_rule[0])
		memcpy(next->evicted_rule, e->evicted_rule, sizeof(next->evicted_rule));
	swap = *e;
	*e = *next;
	*next = swap;
	engine_free(next);
	if (ret)
		*ret = counts;
	if (e->started)
		questions_withdraw_gone(e);
	e->dirty = SORT_ALL;
	engine_settle(e);
	return 0;
}
