// SPDX-License-Identifier: GPL-2.0-or-later
/* Two runs of one recording, compared. */
#include "pipeline/replay.h"

#include "pipeline/inventory_impl.h"
#include "pipeline/replay_impl.h"

#include <errno.h>
#include <string.h>

#define NEAR                                                                                                           \
	(30 * NS_PER_SEC) /* a plan takes its time, progress is read every five seconds: here all is done at once */
enum { ENTRIES_MAX = 20000 };

/* What rules made of it: entries by their time. */
struct side {
	json_t *entries;
	json_t *arrays;
};

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_int_t number_of(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* ---- one side ---- */

/* Disks by their names, as plans have them. */
static const char *subject_of(const struct verdict *v)
{
	const struct verdict_context *c = v->n_contexts ? &v->contexts[0] : NULL;

	if (c && v->sort == SORT_DEVICE && c->device_name)
		return c->device_name;
	return c && v->sort == SORT_ARRAY && c->array_name ? c->array_name : v->subject;
}

static json_t *entry_of(const struct run *r, const struct firing *f)
{
	return json_pack("{s:I s:s s:s s:s s:s s:s s:s s:O s:O}", "at", (json_int_t)(f->v->time - r->start_boot),
			 "rule", f->v->rule, "kind", verdict_kind_word(f->v->kind), "mode", rule_mode_word(f->v->mode),
			 "subject", subject_of(f->v), "id", f->v->subject, "reason", f->v->reason ? f->v->reason : "",
			 "plans", f->plans, "texts", f->texts);
}

static json_t *arrays_of(const struct inventory *inv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < inventory_arrays(inv); i++) {
		const struct array *a = inventory_array_at(inv, i);
		json_t *members = json_array();

		for (unsigned k = 0; a->volume && k < a->volume->slots; k++) {
			const struct device *d = array_slot_device(inv, a, k);

			json_array_append_new(members, json_sprintf("%s %s", d ? d->name : "-",
								    member_words[array_member_state(inv, a, k)]));
		}
		json_array_append_new(list, json_pack("{s:s s:s s:o}", "name", a->name, "state",
						      array_words[array_state(inv, a)], "members", members));
	}
	return list;
}

static int play_side(const struct recording *rec, struct ruleset *rules, struct side *s, int64_t *span, struct err *e)
{
	struct run *r = calloc(1, sizeof(*r));
	int rc = r ? run_recording(r, rec, rules, e) : err_sys(e, ENOMEM, "replay");

	s->entries = json_array();
	if (rc == 0 && r->paper.run.n_firings > ENTRIES_MAX)
		rc = err_set(e, EINVAL, "more than %d verdicts: replay a shorter time", ENTRIES_MAX);
	for (size_t i = 0; rc == 0 && i < r->paper.run.n_firings; i++)
		json_array_append_new(s->entries, entry_of(r, &r->paper.run.firings[i]));
	if (rc == 0) {
		s->arrays = arrays_of(r->paper.run.p->inv);
		*span = r->paper.run.boot - r->start_boot;
	}
	if (r)
		run_finish(r);
	free(r);
	return rc;
}

static void side_finish(struct side *s)
{
	json_decref(s->entries);
	json_decref(s->arrays);
}

/* ---- the comparison ---- */

static bool same_thing(const json_t *a, const json_t *b)
{
	return strcmp(text_of(a, "rule"), text_of(b, "rule")) == 0 &&
	       strcmp(text_of(a, "kind"), text_of(b, "kind")) == 0 && strcmp(text_of(a, "id"), text_of(b, "id")) == 0;
}

struct pairs {
	const json_t *left, *right;
	size_t *of_left; /* 1 + the entry on the right; 0: none */
	bool *of_right;
};

/* Entries stand in the order of their time: those of one moment are looked through. */
static void pair_equal(struct pairs *p)
{
	size_t from = 0;

	for (size_t i = 0; i < json_array_size(p->left); i++) {
		const json_t *l = json_array_get(p->left, i);
		json_int_t at = number_of(l, "at");

		while (from < json_array_size(p->right) && number_of(json_array_get(p->right, from), "at") < at)
			from++;
		for (size_t k = from; k < json_array_size(p->right); k++) {
			const json_t *r = json_array_get(p->right, k);

			if (number_of(r, "at") != at)
				break;
			if (p->of_right[k] || !json_equal(l, r))
				continue;
			p->of_left[i] = k + 1;
			p->of_right[k] = true;
			break;
		}
	}
}

/* The same rule said the same of the same subject, at another time or with another plan. */
static void pair_alike(struct pairs *p)
{
	for (size_t i = 0; i < json_array_size(p->left); i++)
		for (size_t k = 0; !p->of_left[i] && k < json_array_size(p->right); k++)
			if (!p->of_right[k] && same_thing(json_array_get(p->left, i), json_array_get(p->right, k))) {
				p->of_left[i] = k + 1;
				p->of_right[k] = true;
			}
}

static json_t *row_of(json_t *left, json_t *right, json_int_t wall)
{
	json_int_t at = !right	? number_of(left, "at")
			: !left ? number_of(right, "at")
				: MIN(number_of(left, "at"), number_of(right, "at"));
	const char *change = !left ? "new" : !right ? "gone" : json_equal(left, right) ? "same" : "changed";

	return json_pack("{s:I s:I s:s s:O s:O}", "at", at, "wall", wall + at, "change", change, "left",
			 left ? left : json_null(), "right", right ? right : json_null());
}

static json_t *rows_of(const struct pairs *p, json_int_t wall, bool *same)
{
	json_t *rows = json_array();
	size_t k = 0, n = json_array_size(p->right);

	for (size_t i = 0; i <= json_array_size(p->left); i++) {
		json_t *l = json_array_get(p->left, i);

		/* What is new stands where its time is. */
		for (; k < n && (!l || number_of(json_array_get(p->right, k), "at") <= number_of(l, "at")); k++)
			if (!p->of_right[k]) {
				json_array_append_new(rows, row_of(NULL, json_array_get(p->right, k), wall));
				*same = false;
			}
		if (!l)
			break;
		json_array_append_new(
			rows, row_of(l, p->of_left[i] ? json_array_get(p->right, p->of_left[i] - 1) : NULL, wall));
		*same = *same &&
			strcmp(text_of(json_array_get(rows, json_array_size(rows) - 1), "change"), "same") == 0;
	}
	return rows;
}

/* How many of the recorded verdicts the first run has, at about their time. */
static size_t count_met(const struct recording *rec, const json_t *entries, json_int_t wall, size_t *recorded)
{
	bool *used = calloc(json_array_size(entries) + 1, sizeof(*used));
	size_t met = 0;

	*recorded = 0;
	for (size_t i = 0; used && i < json_array_size(rec->rows); i++) {
		const json_t *line = json_array_get(rec->rows, i), *row = json_object_get(line, "row");
		json_int_t at = number_of(row, "wall");

		if (strcmp(text_of(line, "table"), "verdict") != 0)
			continue;
		(*recorded)++;
		for (size_t k = 0; k < json_array_size(entries); k++) {
			const json_t *entry = json_array_get(entries, k);
			json_int_t then = wall + number_of(entry, "at");

			if (used[k] || strcmp(text_of(entry, "rule"), text_of(row, "rule")) != 0 ||
			    strcmp(text_of(entry, "kind"), text_of(row, "kind")) != 0 ||
			    strcmp(text_of(entry, "id"), text_of(row, "subject")) != 0 || at < then - NEAR ||
			    at > then + NEAR)
				continue;
			used[k] = true;
			met++;
			break;
		}
	}
	free(used);
	return met;
}

static json_t *side_json(const struct side *s)
{
	return json_pack("{s:i s:O}", "verdicts", (int)json_array_size(s->entries), "arrays", s->arrays);
}

static int compare(const struct recording *rec, const struct side *left, const struct side *right, int64_t span,
		   json_t **ret, struct err *e)
{
	struct pairs p = {left->entries, right->entries, calloc(json_array_size(left->entries) + 1, sizeof(*p.of_left)),
			  calloc(json_array_size(right->entries) + 1, sizeof(*p.of_right))};
	json_int_t wall = number_of(json_object_get(rec->world, "state"), "wall");
	bool same = json_equal(left->arrays, right->arrays);
	size_t recorded, met;
	json_t *rows;

	if (p.of_left && p.of_right) {
		pair_equal(&p);
		pair_alike(&p);
		rows = rows_of(&p, wall, &same);
		met = count_met(rec, left->entries, wall, &recorded);
		*ret = json_pack("{s:I s:o s:o s:o s:I s:I s:b}", "span", (json_int_t)span, "rows", rows, "left",
				 side_json(left), "right", side_json(right), "recorded", (json_int_t)recorded, "met",
				 (json_int_t)met, "same", same);
	}
	free(p.of_left);
	free(p.of_right);
	return *ret ? 0 : err_sys(e, ENOMEM, "replay");
}

int replay(const struct recording *r, struct ruleset *left, struct ruleset *right, json_t **ret, struct err *e)
{
	struct side l = {0}, o = {0};
	int64_t span = 0;
	int rc = 0;

	*ret = NULL;
	if (!r->world)
		rc = err_set(e, EINVAL,
			     "the recording has no picture from before its first row: the history had none that old");
	if (rc == 0)
		rc = play_side(r, left, &l, &span, e);
	if (rc == 0)
		rc = play_side(r, right, &o, &span, e);
	if (rc == 0)
		rc = compare(r, &l, &o, span, ret, e);
	side_finish(&l);
	side_finish(&o);
	return rc;
}
