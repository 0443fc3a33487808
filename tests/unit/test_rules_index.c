// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules are found by what their conditions need. Nothing may differ from looking at each of them in turn, which is what
 * the oracle does. */
#include "tests/unit/rules_random.h"

enum { RULES = 40, LEAVES = 3 };

/* ---- conditions, as text and as what they mean ---- */

struct leaf {
	int sort; /* 0..5 */
	int a, b;
	bool negated;
};

struct random_rule {
	struct leaf leaf[LEAVES];
	size_t n;
	bool any, stop;
	uint64_t seen, fired;
};

/* What an event of the fixture's world says. */
struct happened {
	int disk; /* 0..3 are members of "data", 4 is free */
	int region, status;
};

static const char *const disks[] = {"sda", "sdb", "sdc", "sdd", "sdx"};
static const char *const orders[] = {"lt", "le", "gt", "ge"};
static const char *const statuses[] = {"medium", "io", "target", "protection"};

static void print_leaf(const struct leaf *l, struct buf *out)
{
	if (l->negated)
		buf_add(out, "{not: ");
	switch (l->sort) {
	case 0:
		buf_addf(out, "{device.name: %s}", disks[l->a % 5]);
		break;
	case 1:
		buf_addf(out, "{device.name: [%s, %s]}", disks[l->a % 5], disks[l->b % 5]);
		break;
	case 2:
		buf_addf(out, "{error.region: %d, error.status: %s}", l->a % 6, statuses[l->b % 4]);
		break;
	case 3:
		buf_addf(out, "{member.slot: %d}", l->a % 5);
		break;
	case 4:
		buf_addf(out, "{device.name: [%s, \"sd[%c-%c]*\"]}", disks[l->a % 5], 'a' + l->b % 3, 'b' + l->b % 3);
		break;
	default:
		buf_addf(out, "{error.region: {%s: %d}}", orders[l->b % 4], l->a % 6);
	}
	if (l->negated)
		buf_addc(out, '}');
}

/* member.slot of what is no member is unknown, and so is its negation. */
static bool leaf_holds(const struct leaf *l, const struct happened *h)
{
	bool holds;

	switch (l->sort) {
	case 0:
		holds = h->disk == l->a % 5;
		break;
	case 1:
		holds = h->disk == l->a % 5 || h->disk == l->b % 5;
		break;
	case 2:
		holds = h->region == l->a % 6 && h->status == l->b % 4;
		break;
	case 3:
		return h->disk < 4 && (h->disk == l->a % 5) != l->negated;
	case 4:
		holds = h->disk == l->a % 5 || h->disk == l->b % 3 || h->disk == l->b % 3 + 1;
		break;
	default:
		holds = l->b % 4 == 0	? h->region < l->a % 6
			: l->b % 4 == 1 ? h->region <= l->a % 6
			: l->b % 4 == 2 ? h->region > l->a % 6
					: h->region >= l->a % 6;
	}
	return holds != l->negated;
}

static bool rule_holds(const struct random_rule *r, const struct happened *h)
{
	size_t holding = 0;

	for (size_t i = 0; i < r->n; i++)
		holding += leaf_holds(&r->leaf[i], h);
	return r->any ? holding > 0 : holding == r->n;
}

static void random_rule(struct random_rule *r, int number, struct buf *out)
{
	*r = (struct random_rule){.n = 1 + draw(LEAVES), .any = draw(3) == 0, .stop = draw(8) == 0};
	buf_addf(out, "  - name: r%d\n    description: d\n    event: %s\n    where: {%s: [", number,
		 draw(3) ? "block.error" : "\"block.*\"", r->any ? "any" : "all");
	for (size_t i = 0; i < r->n; i++) {
		r->leaf[i] = (struct leaf){(int)draw(6), (int)draw(60), (int)draw(60), draw(5) == 0};
		buf_add(out, i ? ", " : "");
		print_leaf(&r->leaf[i], out);
	}
	buf_addf(out, "]}\n    stop: %s\n    do: [{mark: {as: x}}]\n", r->stop ? "true" : "false");
}

/* In their order, until one stops the event. */
static void each_in_turn(struct random_rule *rules, const struct happened *h, struct buf *want)
{
	for (int i = 0; i < RULES; i++) {
		rules[i].seen++;
		if (!rule_holds(&rules[i], h))
			continue;
		rules[i].fired++;
		buf_addf(want, "0s r%d %s\n", i, disks[h->disk]);
		if (rules[i].stop)
			return;
	}
}

static void same_counts(const struct fixture *fx, const struct random_rule *rules)
{
	json_t *stats = engine_stats(fx->engine);

	for (int i = 0; i < RULES; i++) {
		const json_t *s = json_array_get(stats, (size_t)i);

		assert_int_equal(json_integer_value(json_object_get(s, "seen")), rules[i].seen);
		assert_int_equal(json_integer_value(json_object_get(s, "matched")), rules[i].fired);
	}
	json_decref(stats);
}

static void as_if_each_were_asked(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < streams; round++) {
		_cleanup_(buf_free) struct buf text = {0}, want = {0};
		struct random_rule rules[RULES];
		struct fixture fx = {0};

		seed = round;
		buf_add(&text, "version: 1\nrules:\n");
		for (int i = 0; i < RULES; i++)
			random_rule(&rules[i], i, &text);
		fixture_start(&fx, buf_str(&text));
		for (int i = 0; i < EVENTS; i++) {
			struct happened h = {(int)draw(5), (int)draw(6), (int)draw(4)};
			struct event *ev = new_event(&fx, "block.error", disks[h.disk], 0);

			if (i == EVENTS / 2)
				assert_int_equal(engine_reload(fx.engine, fx.rules, NULL), 0);
			event_set(ev, FACT_ERROR_REGION, value_int(h.region));
			event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, h.status));
			feed(&fx, ev);
			each_in_turn(rules, &h, &want);
		}
		expect_log(&fx, buf_str(&want));
		same_counts(&fx, rules);
		fixture_end(&fx);
	}
}

/* ---- rules of several events ---- */

static void parts_are_found_too(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, "version: 1\nrules:\n"
			   "  - name: two\n    description: d\n    sequence:\n      within: 1m\n      steps:\n"
			   "        - {event: block.error, where: {error.region: 1}}\n"
			   "        - {event: block.error, where: {error.region: 2}}\n    do: [{mark: {as: x}}]\n"
			   "  - name: any\n    description: d\n    sequence:\n      within: 1m\n      steps:\n"
			   "        - {event: block.error, where: {error.region: 5}}\n"
			   "        - {event: block.error}\n    do: [{mark: {as: x}}]\n"
			   "  - name: none\n    description: d\n    event: block.error\n    where: {error.region: 3}\n"
			   "    absence: {of: {event: block.error, where: {error.region: 4}}, within: 1m}\n"
			   "    do: [{mark: {as: x}}]\n");
	for (int region = 1; region <= 6; region++)
		block_error(&fx, "sda", region * S, region);
	block_error(&fx, "sdb", 7 * S, 3);
	at(&fx, 2 * M);
	expect_log(&fx, "2s two sda\n6s any sda\n1m7s none sdb\n");
	fixture_end(&fx);
}

/* ---- what it says of itself ---- */

static int64_t ticking(void *u)
{
	static int64_t now;

	(void)u;
	return now += 10;
}

static int64_t stat(const json_t *stats, const char *rule, const char *name)
{
	const json_t *s;
	size_t i;

	json_array_foreach(stats, i, s)
	{
		if (strcmp(json_string_value(json_object_get(s, "rule")), rule) == 0)
			return json_integer_value(json_object_get(s, name));
	}
	return -1;
}

static void each_gate_is_counted(void **state)
{
	struct engine_options o;
	struct fixture fx = {0};
	json_t *stats, *totals;

	(void)state;
	fixture_start(
		&fx,
		"version: 1\nrules:\n"
		"  - name: mutes\n    description: d\n    event: device.removed\n    priority: 900\n"
		"    do: [{inhibit: {rules: muted, for: 1h}}]\n"
		"  - name: muted\n    description: d\n    event: block.error\n    do: [fail-member]\n"
		"  - name: held\n    description: d\n    event: block.error\n    unless: {device.present: true}\n"
		"    do: [fail-member]\n"
		"  - name: limited\n    description: d\n    event: block.error\n    limit: 1h\n    do: [fail-member]\n"
		"  - name: counts\n    description: d\n    event: block.error\n"
		"    threshold: {count: 1000, within: 1h, per: error.region}\n    do: [fail-member]\n"
		"  - name: keyless\n    description: d\n"
		"    sequence:\n      within: 1h\n      per: device.controller\n      steps:\n"
		"        - {event: block.error, where: {error.region: 1}}\n"
		"        - {event: block.error, where: {error.region: 2}}\n    do: [fail-member]\n"
		"  - name: states\n    description: d\n    watch: device\n    where: {device.name: sda}\n    for: 1h\n"
		"    do: [{mark: {as: x}}]\n");
	o = fixture_options(&fx);
	o.ticks = ticking;
	engine_free(fx.engine);
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	engine_start(fx.engine, 0, 0);
	feed(&fx, new_event(&fx, "device.removed", "sda", 1 * S));
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_CONTROLLER, VALUE_NONE);
	for (int i = 0; i < 640; i++)
		block_error(&fx, "sda", 2 * S, 1 + i % 4);
	stats = engine_stats(fx.engine);
	totals = engine_totals(fx.engine);
	assert_int_equal(stat(stats, "muted", "inhibited"), 640);
	assert_int_equal(stat(stats, "muted", "matched"), 0);
	assert_int_equal(stat(stats, "held", "held"), 640);
	assert_int_equal(stat(stats, "limited", "fired"), 1);
	assert_int_equal(stat(stats, "limited", "limited"), 639);
	assert_int_equal(stat(stats, "limited", "last"), 2 * S);
	assert_int_equal(stat(stats, "counts", "windows"), 4);
	assert_int_equal(stat(stats, "keyless", "no-key"), 320);
	assert_int_equal(stat(stats, "keyless", "seen"), 640);
	assert_int_equal(stat(stats, "states", "states"), 1);
	/* One event in 64 is timed: ten of these, each of which took a tick. */
	assert_in_range(stat(stats, "held", "spent"), 10 * 9 * 64, 10 * 11 * 64);
	assert_int_equal(json_integer_value(json_object_get(totals, "windows")), 4);
	assert_int_equal(json_integer_value(json_object_get(totals, "states")), 1);
	json_decref(stats);
	json_decref(totals);
	fixture_end(&fx);
}

/* ---- the world ---- */

static int asked;

static bool counting_bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	asked++;
	return fake_bind(u, sort, id, f);
}

static void note_facts(void *u, const struct verdict *v)
{
	struct fixture *fx = u;

	buf_addf(&fx->log, "%s %s %s region %d\n", v->rule, v->facts->v[FACT_DEVICE_NAME].str,
		 v->facts->v[FACT_DEVICE_CONTROLLER].str,
		 v->facts->v[FACT_ERROR_REGION].type == V_INT ? (int)v->facts->v[FACT_ERROR_REGION].i : -1);
}

/* What an event tells by itself decides by itself; what fires has all facts, and none of the event before. */
static void the_world_is_asked_for_what_it_knows(void **state)
{
	static const struct world_ops world = {
		.each = fake_each, .memberships = fake_memberships, .bind = counting_bind};
	struct fixture fx = {0};
	struct engine_options o;

	(void)state;
	fixture_start(&fx,
		      "version: 1\nrules:\n"
		      "  - name: plain\n    description: d\n    event: block.error\n"
		      "    where: {device.id: sda, error.status: medium}\n    threshold: {count: 3, within: 1m}\n"
		      "    limit: 1h\n    do: [{mark: {as: x}}]\n"
		      "  - name: near\n    description: d\n    event: block.error\n"
		      "    where: {device.id: sdb, error.region: {exists: false}}\n    unless: {device.name: sdx}\n"
		      "    do: [{mark: {as: x}}]\n"
		      "  - name: far\n    description: d\n    event: block.error\n"
		      "    where: {device.id: sdc, device.controller: c1}\n    do: [{mark: {as: x}}]\n");
	o = fixture_options(&fx);
	o.world = &world;
	o.on_verdict = note_facts;
	engine_free(fx.engine);
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	engine_start(fx.engine, 0, 0);
	asked = 0;
	block_error(&fx, "sdd", 1 * S, 1);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sda", 2 * S, 2);
	block_error(&fx, "sdb", 2 * S, 2);
	assert_int_equal(asked, 0);
	block_error(&fx, "sda", 3 * S, 3);
	assert_int_equal(asked, 1);
	feed(&fx, new_event(&fx, "block.error", "sdb", 3 * S));
	assert_int_equal(asked, 2);
	block_error(&fx, "sdc", 3 * S, 4);
	assert_int_equal(asked, 3);
	expect_log(&fx, "plain sda c0 region 3\nnear sdb c0 region -1\nfar sdc c1 region 4\n");
	/* That it is limited is told with all facts once, and then needs none. */
	for (int i = 0; i < 9; i++)
		block_error(&fx, "sda", 4 * S, i);
	assert_int_equal(asked, 4);
	expect_log(&fx, "plain sda c0 region 2\n");
	fixture_end(&fx);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(as_if_each_were_asked),
		unit(parts_are_found_too),
		unit(each_gate_is_counted),
		unit(the_world_is_asked_for_what_it_knows),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
