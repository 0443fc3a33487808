// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts of a rule by themselves. The first byte says which: "c" a condition, which must be found by the index
 * exactly when it holds; "t" a template, printed in each style; "v" a value of each type, which must read back as it
 * was printed. */
#include "core/clock.h"
#include "rules/state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct action_desc notify = {.name = "notify",
					  .params = (const struct param_desc[]){{"text", PARAM_STRING}, {NULL}}};

/* sda is in two arrays, sdb in none. */
static int each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	(void)u;
	(void)sort;
	(void)fn;
	(void)fu;
	return 0;
}

static int memberships(void *u, const char *device, int (*fn)(void *fu, const char *member), void *fu)
{
	int r = 0;

	(void)u;
	if (strcmp(device, "sda") == 0)
		r = fn(fu, "data/0");
	return r || strcmp(device, "sda") != 0 ? r : fn(fu, "more/1");
}

static bool bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	bool data = strncmp(id, "data", 4) == 0;
	const char *device = sort == SORT_DEVICE ? id : "sda";

	(void)u;
	f->v[FACT_DEVICE_ID] = f->v[FACT_DEVICE_NAME] = value_str(device);
	f->v[FACT_DEVICE_ROLE] = fact_enum(FACT_DEVICE_ROLE, strcmp(device, "sda") == 0 ? ROLE_MEMBER : ROLE_NONE);
	f->v[FACT_DEVICE_PRESENT] = value_bool(true);
	f->v[FACT_DEVICE_SIZE] = value_size(UINT64_C(4000000000000));
	if (sort != SORT_MEMBER)
		return true;
	f->v[FACT_ARRAY_ID] = f->v[FACT_ARRAY_NAME] = value_str(data ? "data" : "more");
	f->v[FACT_ARRAY_REDUNDANCY] = value_int(data);
	f->v[FACT_MEMBER_ID] = value_str(id);
	f->v[FACT_MEMBER_SLOT] = value_int(data ? 0 : 1);
	f->v[FACT_MEMBER_STATE] = fact_enum(FACT_MEMBER_STATE, data ? MEMBER_IN_SYNC : MEMBER_MISSING);
	return true;
}

static const struct world_ops world = {each, memberships, bind};

static struct ruleset *load(const char *where, const char *text)
{
	const struct action_desc *const list[] = {&notify, NULL};
	struct ruleset_options o = {.actions = list};
	_cleanup_(buf_free) struct buf file = {0};
	struct rule_source source = {.file = "fuzz.yaml"};
	struct ruleset *rs = NULL;
	struct diag d;

	buf_addf(&file,
		 "version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n    where: %s\n"
		 "    do: [{notify: {text: %s}}]\n",
		 where, text);
	source.text = buf_str(&file);
	source.len = file.len;
	diag_init(&d);
	if (ruleset_load(&source, 1, &o, &d, &rs) < 0)
		rs = NULL;
	diag_finish(&d);
	return rs;
}

static struct event *make_event(const char *device, int status)
{
	struct event *ev = event_new("block.error", "fuzz", ORIGIN_KERNEL);

	if (!ev)
		abort();
	ev->device = strdup(device);
	ev->seq = (uint64_t)status;
	event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, status));
	event_set(ev, FACT_ERROR_REGION, value_int(status));
	return ev;
}

/* Without the index: all contexts are asked. */
static bool holds(struct engine *e, const struct event *ev)
{
	const struct rule *r = &e->rs->rules[0];
	struct bound *all;
	bool any = false;
	size_t n;

	bind_begin(e, ev);
	n = bind_contexts(e, r, &all);
	for (size_t i = 0; i < n; i++)
		any |= !r->where || cond_eval(r->where, &all[i].f) == TRUTH_TRUE;
	bind_end(e);
	return any;
}

static void condition(const char *text)
{
	struct engine_options o = {.world = &world, .virtual_time = true};
	_cleanup_(ruleset_unrefp) struct ruleset *rs = load(text, "x");
	_cleanup_(engine_freep) struct engine *e = NULL;

	if (!rs || rs->n != 1 || rs->rules[0].count || engine_new(rs, &o, &e) < 0)
		return;
	engine_start(e, 0, 0);
	for (int i = 0; i < 8; i++) {
		_cleanup_(event_freep) struct event *ev = make_event(i % 2 ? "sda" : "sdb", i / 2);
		uint64_t before = e->stats[0].matched;

		engine_event(e, ev, 0);
		if ((e->stats[0].matched > before) != holds(e, ev))
			abort();
	}
}

static void told(void *u, const struct verdict *v)
{
	(void)u;
	json_decref(verdict_to_json(v));
}

static void template_text(const char *text)
{
	struct engine_options o = {.world = &world, .on_verdict = told, .virtual_time = true};
	json_t *string = json_string(text);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	_cleanup_(ruleset_unrefp) struct ruleset *rs = quoted ? load("{device.present: true}", quoted) : NULL;
	_cleanup_(engine_freep) struct engine *e = NULL;
	_cleanup_(event_freep) struct event *ev = make_event("sda", 1);

	free(quoted);
	json_decref(string);
	if (!rs || rs->n != 1 || engine_new(rs, &o, &e) < 0)
		return;
	engine_start(e, 0, 0);
	engine_event(e, ev, 0);
}

static void value(const char *text)
{
	for (int type = V_BOOL; type <= V_ENUM; type++) {
		const char *const *words = type == V_ENUM ? error_words : NULL;
		struct err err = {0};
		struct value v, again;

		if (value_parse((enum value_type)type, words, text, &v, &err) < 0)
			continue;
		for (enum value_style style = VALUE_CANONICAL; style <= VALUE_PLAIN; style++) {
			_cleanup_(buf_free) struct buf out = {0};

			value_print(&v, style, &out);
			/* A string is escaped, and a percentage has twelve digits. */
			if (style != VALUE_CANONICAL || type == V_STRING || type == V_PERCENT)
				continue;
			if (value_parse((enum value_type)type, words, buf_str(&out), &again, &err) < 0 ||
			    !value_equal(&v, &again))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size ? strndup((const char *)data + 1, size - 1) : NULL;

	if (!text)
		return 0;
	/* One line: what follows is the rule's. */
	for (char *p = text; *p; p++)
		*p = *p == '\n' || *p == '\r' ? ' ' : *p;
	if (data[0] == 'c')
		condition(text);
	else if (data[0] == 't')
		template_text(text);
	else
		value(text);
	free(text);
	return 0;
}
