// SPDX-License-Identifier: GPL-2.0-or-later
/* One rule: its mapping to a compiled rule, by the tables below. rules-language 2.2 to 2.7. */
#include "rules/ast.h"

#include "core/clock.h"

#include <errno.h>
#include <string.h>

struct raw_rule {
	const char *name, *description;
	const struct node *event, *where, *threshold, *sequence, *absence, *schedule, *ask, *how_long, *clear, *unless,
		*limit, *steps;
	int watch, mode;
	int64_t repeat, priority;
	bool stop;
};

const char *const watch_words[] = {"device", "member", "array", "spare", "path", "snapshot", NULL};
static const char *const mode_words[] = {"enforce", "ask", "shadow", NULL};

#define RAW(member) .offset = offsetof(struct raw_rule, member)

static const struct field rule_fields[] = {
	{"name", FIELD_NAME, RAW(name), .required = true, .doc = "unique over all files"},
	{"description", FIELD_STRING, RAW(description), .required = true, .max = 200, .doc = "one sentence"},
	{"event", FIELD_NODE, RAW(event), .doc = "fires on events: a kind, a glob, or a list of them"},
	{"watch", FIELD_WORD, RAW(watch), .words = watch_words, .doc = "fires when a subject comes into the state"},
	{"schedule", FIELD_NODE, RAW(schedule), .doc = "fires at calendar times"},
	{"where", FIELD_NODE, RAW(where), .doc = "must be true"},
	{"threshold", FIELD_NODE, RAW(threshold), .doc = "how many within a time"},
	{"sequence", FIELD_NODE, RAW(sequence), .doc = "one after the other"},
	{"absence", FIELD_NODE, RAW(absence), .doc = "and then not"},
	{"for", FIELD_NODE, RAW(how_long), .doc = "how long the state lasts"},
	{"clear", FIELD_NODE, RAW(clear), .doc = "when it is over, and what then"},
	{"unless", FIELD_NODE, RAW(unless), .doc = "holds a firing back"},
	{"limit", FIELD_NODE, RAW(limit), .doc = "at most so often"},
	{"repeat", FIELD_DURATION, RAW(repeat), .min = 60 * NS_PER_SEC, .doc = "fire again while still true"},
	{"mode", FIELD_WORD, RAW(mode), .words = mode_words, .doc = "shadow: plan and tell, do not act"},
	{"ask", FIELD_NODE, RAW(ask), .doc = "what if nobody answers"},
	{"priority", FIELD_INT, RAW(priority), .min = 0, .max = 999, .doc = "higher first"},
	{"stop", FIELD_BOOL, RAW(stop), .doc = "rules after it do not see the event"},
	{"do", FIELD_NODE, RAW(steps), .required = true, .doc = "the steps"},
	{NULL},
};

static const struct retired rule_retired[] = {
	{"on", "the key is 'event' ('on' is a boolean in YAML 1.1)"},
	{"true", "the key is 'event' ('on' is a boolean in YAML 1.1, and a tool has saved it as 'true')"},
	{"trigger", "the key is 'event' (an edge) or 'watch' (a state)"},
	{"suppress", "write 'limit: 1h' (at most once an hour)"},
	{"cooldown", "write 'limit: 1h' (at most once an hour)"},
	{"throttle", "write 'limit: 1h' (at most once an hour)"},
	{"when", "the key is 'where'"},
	{"if", "the key is 'where'"},
	{"match", "the key is 'where'"},
	{"condition", "the key is 'where'"},
	{"except", "the key is 'unless'"},
	{"then", "the key is 'do'"},
	{"action", "the key is 'do'"},
	{"actions", "the key is 'do'"},
	{"desc", "the key is 'description'"},
	{NULL, NULL},
};

const struct schema rule_schema = {"rule", rule_fields, rule_retired};

/* ---- keys ---- */

static void add_key(struct load *l, const struct node *n, struct key_facts *out)
{
	int fact;

	if (n->kind != NODE_SCALAR) {
		diag_error(l->d, &n->at, "type", "'per' takes facts, not %s", node_kind_name(n));
		return;
	}
	if (template_is(n->text)) {
		diag_error(l->d, &n->at, "template", "'per' takes facts, not templates");
		return;
	}
	fact = field_resolve(l, n->text, &n->at);
	if (fact < 0)
		return;
	if (out->n == PER_MAX)
		diag_error(l->d, &n->at, "per", "'per' takes at most 4 facts");
	else
		out->f[out->n++] = (enum fact_id)fact;
}

void per_compile(struct load *l, const struct node *n, struct key_facts *out)
{
	unsigned scope = l->scope;

	l->scope &= ~(unsigned)SCOPE_MATCH;
	*out = (struct key_facts){0};
	if (n->kind == NODE_LIST)
		for (size_t i = 0; i < n->n; i++)
			add_key(l, n->items[i], out);
	else
		add_key(l, n, out);
	l->scope = scope;
}

int default_key(const struct rule *r)
{
	int key = r->n_kinds ? field_kind_key(r->kinds[0]) : -1;

	for (size_t i = 1; i < r->n_kinds; i++) {
		int other = field_kind_key(r->kinds[i]);

		if ((key == FACT_MEMBER_ID && other == FACT_ARRAY_ID) ||
		    (key == FACT_ARRAY_ID && other == FACT_MEMBER_ID))
			key = FACT_ARRAY_ID;
		else if (key != other)
			return -1;
	}
	return key;
}

/* ---- triggers ---- */

static const char *next_kind(const void *u, size_t i)
{
	const struct load *l = u;
	size_t built_in = 0;

	while (event_kinds[built_in])
		built_in++;
	return i < built_in ? event_kinds[i] : i - built_in < l->n_emitted ? l->emitted[i - built_in] : NULL;
}

static void kind_compile(struct load *l, struct rule *r, const struct node *n)
{
	const char *kind, *near;
	bool known = false;

	for (size_t i = 0; (kind = next_kind(l, i)); i++)
		known |= glob_is(n->text) ? glob_match(n->text, kind) : strcmp(kind, n->text) == 0;
	if (!known) {
		diag_error(l->d, &n->at, "unknown-kind",
			   glob_is(n->text) ? "no event kind matches '%s'" : "no event kind '%s'", n->text);
		near = suggest_from(n->text, next_kind, l);
		if (near)
			diag_hint(l->d, "did you mean '%s'?", near);
		return;
	}
	r->kinds[r->n_kinds++] = n->text;
}

void event_compile(struct load *l, struct rule *r, const struct node *n)
{
	struct field f = {.name = "event", .type = FIELD_STRINGS};
	_cleanup_(buf_free) struct buf text = {0};
	struct strings kinds;

	r->trigger = TRIGGER_EVENT;
	if (field_decode(&f, n, &l->rs->arena, &kinds, l->d) < 0)
		return;
	r->n_kinds = 0;
	r->kinds = arena_array(&l->rs->arena, const char *, kinds.n + 1);
	buf_add(&text, "event ");
	for (size_t i = 0; i < kinds.n; i++) {
		kind_compile(l, r, kinds.nodes[i]);
		buf_addf(&text, "%s%s", i ? ", " : "", kinds.nodes[i]->text);
	}
	r->trigger_text = arena_strdup(&l->rs->arena, buf_str(&text));
}

/* False when there is not exactly one: what depends on it cannot be checked then. errors: before the rule. */
static bool trigger_compile(struct load *l, struct rule *r, const struct raw_rule *raw, size_t errors)
{
	const struct {
		const char *key;
		const struct node *n;
	} triggers[] = {{"event", node_get(r->node, "event")},
			{"watch", node_get(r->node, "watch")},
			{"sequence", node_get(r->node, "sequence")},
			{"schedule", node_get(r->node, "schedule")}};
	size_t first = ARRAY_SIZE(triggers);

	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++) {
		if (!triggers[i].n)
			continue;
		if (first < i) {
			diag_error(l->d, &triggers[i].n->at, "trigger",
				   "rule '%s' has two triggers: '%s' here, '%s' at line %d", r->name, triggers[i].key,
				   triggers[first].key, triggers[first].n->at.line);
			return false;
		}
		first = i;
	}
	if (!raw->event && raw->watch < 0 && !raw->sequence && !raw->schedule) {
		/* A key that is wrong was told; that it is missing then is no news. */
		if (l->d->errors == errors)
			diag_error(l->d, &r->at, "trigger",
				   "rule '%s' has no trigger: one of 'event', 'watch', 'schedule'", r->name);
		return false;
	}
	if (raw->schedule) {
		schedule_compile(l, r, raw->schedule);
		return true;
	}
	if (raw->sequence) {
		sequence_compile(l, r, raw->sequence);
		return r->n_kinds > 0;
	}
	if (raw->event) {
		event_compile(l, r, raw->event);
		return r->n_kinds > 0;
	}
	r->trigger = TRIGGER_WATCH;
	r->sort = (enum subject_sort)(SORT_DEVICE + raw->watch);
	r->trigger_text = arena_printf(&l->rs->arena, "watch %s", sort_words[r->sort]);
	return true;
}

static const struct node *key_node(const struct rule *r, const char *key)
{
	for (size_t i = 0; i < r->node->n; i++)
		if (strcmp(r->node->keys[i]->text, key) == 0)
			return r->node->keys[i];
	return r->node;
}

/* Keys that the other trigger has. */
static void check_combination(struct load *l, const struct rule *r, const struct raw_rule *raw)
{
	if (raw->absence && raw->threshold)
		diag_error(l->d, &key_node(r, "absence")->at, "combination",
			   "a rule has one correlation: 'absence' here, 'threshold' at line %d",
			   raw->threshold->at.line);
	if (raw->sequence && (raw->threshold || raw->absence))
		diag_error(l->d, &key_node(r, "sequence")->at, "combination",
			   "a rule has one correlation: 'sequence' here, '%s' at line %d",
			   raw->threshold ? "threshold" : "absence",
			   (raw->threshold ? raw->threshold : raw->absence)->at.line);
	if (raw->sequence && raw->where)
		diag_error(l->d, &key_node(r, "where")->at, "combination",
			   "the steps of 'sequence' have their own 'where'");
	if (raw->absence && r->trigger != TRIGGER_EVENT)
		diag_error(l->d, &key_node(r, "absence")->at, "combination",
			   "'absence' is about events and needs 'event'");
	if (r->trigger != TRIGGER_WATCH && raw->how_long) {
		diag_error(l->d, &key_node(r, "for")->at, "combination", "'for' is about a state and needs 'watch'");
		diag_hint(l->d, "for \"and then nothing for 30s\" use 'absence'");
	}
	if (r->trigger != TRIGGER_WATCH && raw->repeat)
		diag_error(l->d, &key_node(r, "repeat")->at, "combination",
			   "'repeat' is about a state and needs 'watch'");
	if (r->trigger == TRIGGER_EVENT && raw->clear && !raw->threshold)
		diag_error(l->d, &key_node(r, "clear")->at, "combination", "'clear' on events needs 'threshold'");
	if (r->trigger == TRIGGER_SCHEDULE && (raw->threshold || raw->clear))
		diag_error(l->d, &key_node(r, raw->threshold ? "threshold" : "clear")->at, "combination",
			   "'%s' needs 'event' or 'watch'", raw->threshold ? "threshold" : "clear");
	if (r->trigger != TRIGGER_EVENT && raw->stop)
		diag_error(l->d, &key_node(r, "stop")->at, "combination", "'stop' is about events and needs 'event'");
}

/* ---- the rule ---- */

static void default_per(struct rule *r)
{
	int key = default_key(r);

	if (r->trigger == TRIGGER_WATCH)
		r->subject = r->per = (struct key_facts){{field_sort_key(r->sort)}, 1};
	else if (r->trigger == TRIGGER_SCHEDULE && r->sort != SORT_NONE)
		r->per = (struct key_facts){{field_sort_key(r->sort)}, 1};
	else if (key >= 0)
		r->per = (struct key_facts){{(enum fact_id)key}, 1};
}

static void find_sorts(struct rule *r)
{
	r->sorts = SORT_BIT(r->sort);
	for (int f = 0; f < FACT_MAX; f++) {
		enum subject_sort sort = field_sort((enum fact_id)f);

		if (!r->named[f] || sort == SORT_NONE)
			continue;
		r->sorts |= SORT_BIT(sort);
		r->memberships |= sort == SORT_MEMBER || sort == SORT_ARRAY;
	}
}

/* FNV-1a, of the text that says what the rule looks at. */
static uint64_t decision_hash(const struct rule *r)
{
	_cleanup_(buf_free) struct buf text = {0};
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	buf_addf(&text, "%s|%s|", r->name, r->trigger_text);
	if (r->where)
		cond_print(r->where, &text);
	buf_addc(&text, '|');
	for (size_t i = 0; i < r->per.n; i++)
		buf_addf(&text, "%s,", fact_table[r->per.f[i]].name);
	buf_addf(&text, "|%s|%d", r->distinct < 0 ? "" : fact_table[r->distinct].name, r->memberships);
	if (r->of >= 0)
		buf_addf(&text, "|of %s", fact_table[r->of].name);
	if (r->trigger == TRIGGER_WATCH && r->count)
		buf_add(&text, "|count");
	if (r->n_parts)
		order_print(r, &text);
	for (const char *p = buf_str(&text); *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h;
}

static void body_compile(struct load *l, struct rule *r, const struct raw_rule *raw)
{
	if (!raw->sequence)
		default_per(r);
	l->scope = 0;
	if (raw->where && !raw->sequence)
		r->where = cond_compile(l, raw->where);
	if (raw->threshold && r->trigger != TRIGGER_SCHEDULE)
		threshold_compile(l, r, raw->threshold);
	if (raw->absence && r->trigger == TRIGGER_EVENT && !raw->sequence)
		absence_compile(l, r, raw->absence);
	if (raw->how_long && r->trigger == TRIGGER_WATCH)
		for_compile(l, r, raw->how_long);
	if (raw->limit)
		limit_compile(l, r, raw->limit);
	if (raw->clear && r->trigger != TRIGGER_SCHEDULE)
		clear_compile(l, r, raw->clear);
	l->scope = SCOPE_MATCH;
	if (raw->unless)
		r->unless = cond_compile(l, raw->unless);
	l->scope = SCOPE_MATCH;
	if (raw->steps)
		steps_compile(l, raw->steps, &r->steps);
	l->scope = 0;
	if (raw->steps && raw->steps->kind == NODE_LIST && raw->steps->n == 0 && !raw->stop)
		diag_error(l->d, &raw->steps->at, "empty", "'do' is empty: that needs 'stop: true'");
}

void rule_compile(struct load *l, struct rule *r)
{
	struct raw_rule raw = {.watch = -1, .priority = 500};
	size_t errors = l->d->errors;

	l->rule = r;
	r->distinct = r->of = -1;
	schema_decode(&rule_schema, r->node, r->name, &l->rs->arena, &raw, l->d);
	r->description = raw.description ? raw.description : "";
	r->mode = MAX((enum rule_mode)raw.mode, l->o->mode);
	r->priority = (int)raw.priority;
	r->stop = raw.stop;
	r->repeat = raw.repeat;
	r->trigger_text = "";
	if (trigger_compile(l, r, &raw, errors))
		check_combination(l, r, &raw);
	body_compile(l, r, &raw);
	ask_compile(l, r, raw.ask);
	if (r->n_parts)
		order_finish(l, r);
	find_sorts(r);
	if (r->trigger == TRIGGER_WATCH && r->sort == SORT_DEVICE && r->memberships)
		r->subject = (struct key_facts){{FACT_DEVICE_ID, FACT_ARRAY_ID}, 2};
	if (r->trigger == TRIGGER_WATCH && !r->count)
		r->per = r->subject;
	if (!r->limit_per_given)
		r->limit_per = r->per;
	r->hash = decision_hash(r);
	if (l->d->errors == errors)
		lint_rule(l, r);
	l->rule = NULL;
}
