// SPDX-License-Identifier: GPL-2.0-or-later
/* Why a rule did, or did not, fire for a subject: the engine's own state, part by part. rules-language 7. */
#include "rules/why_parts.h"

#include "core/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const truth_words[] = {"no", "unknown", "ok"};

/* A moment of the engine's clock, for people: a time of day, or in tests the time since 0s. */
void why_moment(const struct engine *e, int64_t boot, struct buf *out)
{
	struct value v = value_duration(boot);
	time_t t = (time_t)((boot + e->wall_offset) / NS_PER_SEC);
	char text[32];
	struct tm tm;

	if (e->o.virtual_time) {
		value_print(&v, VALUE_CANONICAL, out);
		return;
	}
	if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		buf_add(out, text);
}

/* The same for programs: RFC 3339. */
json_t *why_moment_json(const struct engine *e, int64_t boot)
{
	struct value v = value_time((boot + e->wall_offset) / NS_PER_SEC * NS_PER_SEC);
	_cleanup_(buf_free) struct buf text = {0};

	if (e->o.virtual_time)
		v = value_duration(boot);
	value_print(&v, VALUE_CANONICAL, &text);
	return json_string(buf_str(&text));
}

void why_duration(int64_t ns, struct buf *out)
{
	struct value v = value_duration(ns);

	value_print(&v, VALUE_CANONICAL, out);
}

/* The answer is about the first part that does not hold. */
void why_answer(struct why *w, const char *result, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (w->result)
		return;
	w->result = result;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_add(&w->answer, text);
}

json_t *why_part(struct why *w, const char *part, const char *value)
{
	json_t *j = json_pack("{s:s, s:s}", "part", part, "value", value);

	json_array_append_new(w->parts, j);
	return j;
}

/* ---- conditions ---- */

static void test_json(const struct why *w, const struct cond *c, json_t *tests)
{
	_cleanup_(buf_free) struct buf is = {0}, want = {0};
	struct value v = cond_value(c, &w->b->f);
	const char *file = c->at.file ? basename(c->at.file) : "";
	const char *value = test_of_event(c) ? "not-reached" : truth_words[cond_eval(c, &w->b->f)];

	value_print(&v, VALUE_CANONICAL, &is);
	cond_print_want(c, &want);
	json_array_append_new(tests, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "fact", c->name, "is", buf_str(&is),
					       "op", cond_op_word(c), "want", buf_str(&want), "value", value, "at",
					       json_sprintf("%s:%d:%d", file, c->at.line, c->at.col)));
}

static void tests_json(const struct why *w, const struct cond *c, json_t *tests)
{
	if (c->op == COND_TEST)
		test_json(w, c, tests);
	for (size_t i = 0; c->op != COND_TEST && i < c->n; i++)
		tests_json(w, c->kids[i], tests);
}

/* The first test that decides: of an "all" that does not hold, or of an "unless" that does. */
static const struct cond *deciding(const struct cond *c, const struct facts *f, enum truth truth)
{
	const struct cond *found;

	if (c->op == COND_TEST)
		return !test_of_event(c) && cond_eval(c, f) == truth ? c : NULL;
	for (size_t i = 0; i < c->n; i++) {
		found = deciding(c->kids[i], f, c->op == COND_NOT ? (enum truth)(TRUTH_TRUE - truth) : truth);
		if (found)
			return found;
	}
	return NULL;
}

/* "member.state is in-sync, not in [failed, empty]" */
static void explain_test(const struct facts *f, const struct cond *c, bool holds, bool place, struct buf *out)
{
	const char *op = c->test == TEST_EQ ? "" : cond_op_word(c);
	struct value v = cond_value(c, f);

	if (v.type == V_NONE && c->test != TEST_EXISTS) {
		buf_addf(out, "%s is not known", c->name);
		return;
	}
	buf_addf(out, "%s is ", c->name);
	value_print(&v, VALUE_HUMAN, out);
	if (!holds) {
		buf_addf(out, ", not %s%s", op, *op ? " " : "");
		cond_print_want(c, out);
	}
	if (place && c->at.file)
		buf_addf(out, " (%s:%d:%d)", basename(c->at.file), c->at.line, c->at.col);
}

void why_not_now(const struct rule *r, enum verdict_kind kind, const struct facts *f, struct buf *out)
{
	const struct cond *c = kind == VERDICT_HELD ? deciding(r->unless, f, cond_eval(r->unless, f)) : NULL;

	if (kind == VERDICT_LIMITED) {
		buf_addf(out, "limit: at most %" PRId64 " within ", r->limit_count);
		why_duration(r->limit_within, out);
		return;
	}
	buf_add(out, "held by unless: ");
	if (c)
		explain_test(f, c, true, false, out);
	else
		buf_add(out, "its conditions hold");
}

static void where_part(struct why *w)
{
	enum truth truth = w->r->where ? cond_eval_subject(w->r->where, &w->b->f) : TRUTH_TRUE;
	json_t *tests = json_array(), *j = why_part(w, "where", truth_words[truth]);
	_cleanup_(buf_free) struct buf text = {0};
	const struct cond *c;

	json_object_set_new(j, "tests", tests);
	if (w->r->where)
		tests_json(w, w->r->where, tests);
	if (truth == TRUTH_TRUE)
		return;
	c = deciding(w->r->where, &w->b->f, truth);
	if (c)
		explain_test(&w->b->f, c, false, true, &text);
	else
		buf_add(&text, "its conditions do not hold");
	why_answer(w, "no-match", "where: %s", buf_str(&text));
}

static void unless_part(struct why *w)
{
	enum truth truth = w->r->unless ? cond_eval(w->r->unless, &w->b->f) : TRUTH_FALSE;
	json_t *tests = json_array(), *j = why_part(w, "unless", truth == TRUTH_FALSE ? "ok" : "no");
	_cleanup_(buf_free) struct buf text = {0};
	const struct cond *c;

	json_object_set_new(j, "tests", tests);
	if (!w->r->unless)
		return;
	tests_json(w, w->r->unless, tests);
	if (truth == TRUTH_FALSE)
		return;
	c = deciding(w->r->unless, &w->b->f, truth);
	if (c)
		explain_test(&w->b->f, c, true, true, &text);
	else
		buf_add(&text, "its conditions hold");
	why_answer(w, "held", "held by unless: %s", buf_str(&text));
}

/* ---- gates ---- */

static void limit_part(struct why *w)
{
	int64_t opens = gate_limit_opens(w->e, w->r, &w->b->f);
	bool room = opens <= w->e->boot;
	_cleanup_(buf_free) struct buf when = {0}, within = {0};
	json_t *j;

	if (w->r->limit_count == 0)
		return;
	j = why_part(w, "limit", room ? "ok" : "no");
	json_object_set_new(j, "used", json_integer((json_int_t)gate_limit_used(w->e, w->r, &w->b->f)));
	json_object_set_new(j, "of", json_integer(w->r->limit_count));
	json_object_set_new(j, "within_ns", json_integer(w->r->limit_within));
	if (room)
		return;
	why_moment(w->e, opens, &when);
	why_duration(w->r->limit_within, &within);
	json_object_set_new(j, "opens", why_moment_json(w->e, opens));
	why_answer(w, "limited", "limit: at most %" PRId64 " within %s; the next may be at %s", w->r->limit_count,
		   buf_str(&within), buf_str(&when));
}

static void inhibit_part(struct why *w)
{
	const struct inhibition *in = gate_inhibition(w->e, w->r, &w->b->f);
	json_t *j = why_part(w, "inhibit", in ? "no" : "ok");
	_cleanup_(buf_free) struct buf when = {0};
	const char *by;
	int64_t until;

	if (!in)
		return;
	by = w->e->rs->rules[in->rule].name;
	until = w->e->boot + in->timer.at - w->e->awake;
	json_object_set_new(j, "by", json_string(by));
	json_object_set_new(j, "until", why_moment_json(w->e, until));
	why_moment(w->e, until, &when);
	why_answer(w, "inhibited", "inhibited by %s until %s", by, buf_str(&when));
}

/* ---- states ---- */

static void for_part(struct why *w, const struct watch *state)
{
	bool waiting = state && (state->state == WATCH_PENDING || state->state == WATCH_SUMMING);
	_cleanup_(buf_free) struct buf has = {0}, wants = {0}, fires = {0};
	int64_t has_ns;
	json_t *j;

	if (w->r->for_ns == 0)
		return;
	j = why_part(w, "for", waiting ? "no" : state ? "ok" : "not-reached");
	why_duration(w->r->for_ns, &wants);
	json_object_set_new(j, "of_ns", json_integer(w->r->for_ns));
	if (!waiting)
		return;
	has_ns = w->r->for_within ? watch_total(w->r, state, w->e->boot) : w->e->awake - state->since_awake;
	json_object_set_new(j, "has_ns", json_integer(has_ns));
	why_duration(has_ns, &has);
	if (!w->r->for_within) { /* a total depends on what comes */
		json_object_set_new(j, "fires", why_moment_json(w->e, w->e->boot + w->r->for_ns - has_ns));
		buf_add(&fires, "; it fires at ");
		why_moment(w->e, w->e->boot + w->r->for_ns - has_ns, &fires);
	}
	why_answer(w, "waiting", "for: %s of %s%s", buf_str(&has), buf_str(&wants), buf_str(&fires));
}

/* "member data/2", "device sdb" */
static void watched_part(struct why *w, const struct watch *state)
{
	const struct value *slot = &w->b->f.v[FACT_MEMBER_SLOT], *array = &w->b->f.v[FACT_ARRAY_NAME];
	_cleanup_(buf_free) struct buf subject = {0};
	json_t *j = why_part(w, "watch", state ? "ok" : "not-reached");

	buf_addf(&subject, "%s ", sort_words[w->r->sort]);
	if (w->r->sort == SORT_MEMBER && array->type == V_STRING && slot->type == V_INT) {
		value_escape(array->str, 0, &subject);
		buf_addf(&subject, "/%" PRId64, slot->i);
	} else {
		buf_add(&subject, w->name);
	}
	json_object_set_new(j, "subject", json_string(buf_str(&subject)));
	if (state)
		json_object_set_new(j, "since", why_moment_json(w->e, state->since_boot));
}

static void asked_part(struct why *w)
{
	const struct question *q = NULL;

	if (w->r->mode == RULE_ASK && key_text(&w->r->per, &w->b->f, &w->e->key))
		q = question_find(w->e, w->r, buf_str(&w->e->key));
	if (q)
		why_answer(w, "asked", "it waits for an answer: sparectl rules approve %s, or deny", q->id);
}

static void watch_parts(struct why *w, const struct watch *subject)
{
	const struct watch *state = subject, *group = NULL;
	_cleanup_(buf_free) struct buf when = {0};

	if (w->r->count && key_text(&w->r->per, &w->b->f, &w->e->key))
		group = (struct watch *)table_find(&w->e->groups, w->r->index, buf_str(&w->e->key));
	watched_part(w, subject);
	asked_part(w);
	if (w->r->count)
		state = group;
	if (state && state->raised && state->state >= WATCH_ACTIVE) {
		why_moment(w->e, state->fired_boot, &when);
		why_answer(w, state->refused ? "refused" : "active", "fired at %s as %s%s", buf_str(&when),
			   state->verdict,
			   state->refused		    ? " and was refused"
			   : state->interrupted		    ? ", and interrupted: fires again when its time is over"
			   : state->state == WATCH_CLEARING ? ", is being cleared"
							    : "");
	}
	where_part(w);
	inhibit_part(w);
	for_part(w, subject);
	if (w->r->count)
		why_group(w, group);
	unless_part(w);
	limit_part(w);
	why_answer(w, "due", "all holds");
}

/* What of the conditions only the event tells: "error.status is target", at most three. Returns how many. */
static size_t event_tests(const struct cond *c, size_t n, struct buf *out)
{
	if (c->op == COND_TEST && fact_of_event(c->fact)) {
		if (n < 3) {
			buf_addf(out, "%s%s %s ", n ? ", " : "", c->name, c->test == TEST_EQ ? "=" : cond_op_word(c));
			cond_print_want(c, out);
		}
		return n + 1;
	}
	for (size_t i = 0; c->op != COND_TEST && i < c->n; i++)
		n = event_tests(c->kids[i], n, out);
	return n;
}

static void next_event(struct why *w)
{
	_cleanup_(buf_free) struct buf tests = {0};
	size_t n = w->r->where ? event_tests(w->r->where, 0, &tests) : 0;

	if (n)
		why_answer(w, "fired", "all else holds: it fires with the next event that has %s%s", buf_str(&tests),
			   n > 3 ? ", .." : "");
	else
		why_answer(w, "fired", "all holds: it fires with the next event");
}

static void event_parts(struct why *w)
{
	const struct heard heard = heard_of(w->e, w->r);
	json_t *j = why_part(w, "event", heard.n ? "ok" : "not-reached");

	asked_part(w);
	json_object_set_new(j, "kind", json_string(strchrnul(w->r->trigger_text, ' ') + 1));
	if (heard.n) {
		json_object_set_new(j, "event", json_integer((json_int_t)heard.seq));
		json_object_set_new(j, "last", why_moment_json(w->e, heard.time));
	}
	inhibit_part(w);
	where_part(w);
	if (w->r->count)
		why_threshold(w);
	if (w->r->n_parts)
		why_order(w);
	unless_part(w);
	limit_part(w);
	if (!heard.n)
		why_answer(w, "never-heard", "no %s was heard yet", w->r->trigger_text);
	else
		next_event(w);
}

static void schedule_parts(struct why *w)
{
	_cleanup_(buf_free) struct buf next = {0};
	int64_t at;
	json_t *j = why_part(w, "schedule", "no");

	json_object_set_new(j, "calendar", json_string(w->r->trigger_text + strlen("schedule ")));
	inhibit_part(w);
	where_part(w);
	unless_part(w);
	limit_part(w);
	if (!schedule_next(w->e, w->r, &at)) {
		why_answer(w, "waiting", "schedule: it never comes again");
		return;
	}
	why_moment(w->e, at, &next);
	json_object_set_new(j, "next", why_moment_json(w->e, at));
	why_answer(w, "waiting", "schedule: the next time is %s", buf_str(&next));
}

/* ---- the door ---- */

static const char *name_of(const struct facts *f, const char *id)
{
	const struct value *device = &f->v[FACT_DEVICE_NAME], *array = &f->v[FACT_ARRAY_NAME];

	return device->type == V_STRING ? device->str : array->type == V_STRING ? array->str : id;
}

/* The rule and the subject that are asked about. */
static int find_asked(struct why *w, const char *rule, enum subject_sort sort, const char *id, struct err *err)
{
	int i = ruleset_find(w->e->rs, rule);

	if (i < 0)
		return err_set(err, ENOENT, "no rule '%s'", rule);
	w->r = &w->e->rs->rules[i];
	w->b = bind_asked(w->e, w->r, sort, id);
	return w->b ? 0 : err_set(err, ENOENT, "no %s '%s'", sort_words[sort], id);
}

int engine_why(struct engine *e, const char *rule, enum subject_sort sort, const char *id, json_t **ret,
	       struct err *err)
{
	_cleanup_(buf_free) struct buf line = {0}, name = {0};
	struct why w = {.e = e};
	int r = find_asked(&w, rule, sort, id, err);
	bool fired;

	if (r < 0)
		return r;
	w.parts = json_array();
	value_escape(name_of(&w.b->f, id), 0, &name);
	w.name = buf_str(&name);
	if (w.r->disabled)
		why_answer(&w, "disabled", "the rule is disabled");
	if (w.r->trigger == TRIGGER_SCHEDULE) {
		schedule_parts(&w);
	} else if (w.r->trigger == TRIGGER_WATCH) {
		key_text(&w.r->subject, &w.b->f, &e->key);
		watch_parts(&w, (struct watch *)table_find(&e->watches, w.r->index, buf_str(&e->key)));
	} else {
		event_parts(&w);
	}
	fired = strcmp(w.result, "fired") == 0 || strcmp(w.result, "active") == 0 || strcmp(w.result, "due") == 0;
	buf_addf(&line, "%s %s for %s: %s.", w.r->name,
		 strcmp(w.result, "due") == 0	  ? "is due"
		 : strcmp(w.result, "fired") == 0 ? "can fire"
		 : fired			  ? "is active"
						  : "has not fired",
		 buf_str(&name), buf_str(&w.answer));
	*ret = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "v", 1, "rule", w.r->name, "subject",
			 buf_str(&name), "result", w.result, "answer", buf_str(&w.answer), "line", buf_str(&line),
			 "parts", w.parts, "key", why_key(&w), "origin", rule_origins(w.r, false));
	buf_free(&w.answer);
	return 0;
}

/* ---- what if it fired ---- */

/* Contexts that pass as far as one can say without an event; without any, what was asked about. */
static size_t contexts_of(struct why *w, struct bound **ret)
{
	struct engine *e = w->e;
	size_t n = 0;

	for (size_t i = e->n_bound > 1; w->r->trigger == TRIGGER_EVENT && i < e->n_bound && n < CONTEXTS_MAX; i++)
		if (!w->r->where || cond_eval_subject(w->r->where, &e->bound[i].f) == TRUTH_TRUE)
			ret[n++] = &e->bound[i];
	if (n == 0)
		ret[n++] = w->b;
	return n;
}

int engine_would(struct engine *e, const char *rule, enum subject_sort sort, const char *id, struct verdict **ret,
		 struct err *err)
{
	struct bound *b[CONTEXTS_MAX];
	struct why w = {.e = e};
	struct match m = {.first = e->boot, .last = e->boot};
	int r = find_asked(&w, rule, sort, id, err);
	struct window *win;
	size_t n;

	if (r < 0)
		return r;
	n = contexts_of(&w, b);
	key_text(&w.r->per, &b[0]->f, &e->key);
	m.key = buf_str(&e->key);
	win = (struct window *)table_find(&e->windows, w.r->index, m.key);
	if (win)
		window_match(e, w.r, win, &m);
	gate_match(e, w.r, &m, b, n);
	*ret = verdict_new(e, w.r, VERDICT_FIRED, &m, b, n, NULL);
	return *ret ? 0 : err_set(err, ENOMEM, "no memory");
}
