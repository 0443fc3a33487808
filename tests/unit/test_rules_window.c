// SPDX-License-Identifier: GPL-2.0-or-later
/* What windows keep: the events of one in order and by value, and the bound of all of them in a storm. */
#include "rules/state.h"
#include "tests/unit/rules_fixture.h"

#include <stdlib.h>

#define HEAD "version: 1\nrules:\n"

/* ---- the events of one window ---- */

enum { VALUES = 40, ROUNDS = 20000 };

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* The values that are kept, oldest first: slow and obvious. */
struct oracle {
	uint32_t value[VALUES];
	size_t n;
};

static void oracle_drop(struct oracle *o, size_t i)
{
	o->n--;
	memmove(o->value + i, o->value + i + 1, (o->n - i) * sizeof(*o->value));
}

static void same_as(const struct hits *h, const struct oracle *o)
{
	const struct hit *hit = hits_oldest(h), *last = NULL;
	int64_t sum = 0;

	assert_int_equal(h->n, o->n);
	for (size_t i = 0; i < o->n; i++) {
		assert_non_null(hit);
		assert_int_equal(strtoul(hits_more(h, hit)->value, NULL, 10), o->value[i]);
		assert_ptr_equal(hits_older(h, hit), last);
		sum += hit->weight;
		last = hit;
		hit = hits_newer(h, hit);
	}
	assert_null(hit);
	assert_ptr_equal(hits_newest(h), last);
	assert_int_equal(h->sum, sum);
}

/* Hashes of four kinds only: most values share a chain. */
static struct hit *find(const struct hits *h, uint32_t value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	return hits_find(h, value % 4, text, (size_t)len);
}

static void events_are_in_order_and_found_by_value(void **state)
{
	struct hits h = {0};
	struct oracle o = {0};

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t value = draw(VALUES);
		struct hit *hit = find(&h, value);
		size_t i = 0;

		while (i < o.n && o.value[i] != value)
			i++;
		assert_int_equal(hit != NULL, i < o.n);
		if (!hit) {
			struct hit new = {.time = round, .weight = 1 + value};
			struct hit_more more = {.hash = value % 4};

			assert_true(asprintf(&more.value, "%u", value) > 0);
			assert_int_equal(hits_add(&h, &new, &more), 0);
			o.value[o.n++] = value;
		} else if (draw(2)) {
			hits_renew(&h, hit, 1);
			oracle_drop(&o, i);
			o.value[o.n++] = value;
		} else {
			hits_drop(&h, hit);
			oracle_drop(&o, i);
		}
		same_as(&h, &o);
	}
	assert_true(h.cap <= 64);
	hits_finish(&h);
	assert_null(hits_oldest(&h));
}

/* ---- storms ---- */

static int64_t stat_of(struct fixture *fx, const char *rule, const char *name)
{
	json_t *stats = engine_stats(fx->engine);
	const json_t *entry;
	int64_t n = -1;
	size_t i;

	json_array_foreach(stats, i, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "rule")), rule) == 0)
			n = json_integer_value(json_object_get(entry, name));
	}
	json_decref(stats);
	return n;
}

static uint64_t dropped(const struct fixture *fx)
{
	const char *rule;

	return engine_evicted(fx->engine, &rule);
}

static void a_hundred_thousand_places_are_told_apart(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 100000, within: 1h, distinct: error.region}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	/* All but one, and the same again: those are not counted twice. */
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 99999; i++)
			block_error(&fx, "sda", round * M + i, i);
	expect_log(&fx, "");
	block_error(&fx, "sda", 2 * M, 99999);
	expect_log(&fx, "2m r sda\n");
	assert_int_equal(dropped(&fx), 0);
	assert_int_equal(stat_of(&fx, "r", "windows"), 0);
	fixture_end(&fx);
}

#define PER_REGION(name)                                                                                               \
	"  - name: " name "\n    description: d\n    event: block.error\n"                                             \
	"    threshold: {count: 2, within: 1h, per: error.region}\n    do: [{notify: {severity: info, text: x}}]\n"

/* A window of one event keeps it in itself. */
enum { WINDOW_ROOM = 1 };

static void one_rule_has_a_quarter(void **state)
{
	struct fixture fx = {0};
	const char *rule;

	(void)state;
	fixture_start(&fx, HEAD PER_REGION("regions") "  - name: other\n    description: d\n    event: block.error\n"
						      "    where: {device.name: sdb}\n"
						      "    threshold: {count: 2, within: 1h}\n"
						      "    do: [{notify: {severity: info, text: x}}]\n");
	engine_room(fx.engine, 4000);
	block_error(&fx, "sdb", 0, 0);
	for (int i = 1; i <= 100000; i++)
		block_error(&fx, "sdc", i, i);
	assert_int_equal(stat_of(&fx, "regions", "windows"), 1000 / WINDOW_ROOM);
	assert_int_equal(stat_of(&fx, "regions", "evicted"), 100001 - 1000 / WINDOW_ROOM);
	assert_int_equal(engine_evicted(fx.engine, &rule), stat_of(&fx, "regions", "evicted"));
	assert_string_equal(rule, "regions");
	expect_log(&fx, "");
	/* What was touched last is there, what was before it is gone; another rule has lost nothing. */
	block_error(&fx, "sda", S, 100000);
	expect_log(&fx, "1s regions 100000\n");
	block_error(&fx, "sda", S, 100000 - 1000 / WINDOW_ROOM);
	block_error(&fx, "sdb", S, -1);
	expect_log(&fx, "1s other sdb\n");
	fixture_end(&fx);
}

/* A key that comes again and again stays, whatever else comes. */
static void what_is_touched_stays(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    threshold: {count: 1001, within: 1h, per: error.region, distinct: event.seq}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	engine_room(fx.engine, 10000);
	for (int i = 0; i < 100000; i++)
		block_error(&fx, "sda", i, i % 100 == 0 ? 0 : i);
	expect_log(&fx, "");
	assert_true(stat_of(&fx, "r", "windows") < 2500 / WINDOW_ROOM);
	block_error(&fx, "sda", S, 0);
	expect_log(&fx, "1s r 0\n");
	fixture_end(&fx);
}

static void all_rules_together_have_a_bound(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	struct fixture fx = {0};
	int64_t windows = 0;

	(void)state;
	fixture_start(&fx, HEAD PER_REGION("a") PER_REGION("b") PER_REGION("c") PER_REGION("d") PER_REGION("e"));
	engine_room(fx.engine, 4000);
	for (int i = 0; i < 10000; i++)
		block_error(&fx, "sda", i, i);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		windows += stat_of(&fx, names[i], "windows");
	assert_int_equal(windows, 4000 / WINDOW_ROOM);
	/* The bound holds after a restart, and so does the order. */
	assert_int_equal(engine_reload(fx.engine, fx.rules, NULL), 0);
	block_error(&fx, "sda", S, 9999);
	expect_log(&fx, "1s a 9999\n1s b 9999\n1s c 9999\n1s d 9999\n1s e 9999\n");
	fixture_end(&fx);
}

static void limits_are_bounded_too(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: block.error\n"
				"    limit: {count: 1, within: 1h, per: error.region}\n"
				"    do: [{notify: {severity: info, text: x}}]\n");
	engine_room(fx.engine, 80);
	for (int i = 0; i < 1000; i++)
		block_error(&fx, "sda", i, i);
	assert_int_equal(stat_of(&fx, "r", "fired"), 1000);
	assert_int_equal(dropped(&fx), 1000 - 80 / ROOM_SHARE / 2);
	buf_clear(&fx.log);
	block_error(&fx, "sda", S, 999);
	expect_log(&fx, "1s r sda limited\n");
	block_error(&fx, "sda", S, 0);
	expect_log(&fx, "1s r sda\n");
	fixture_end(&fx);
}

/* What a rule makes for each key of a storm is bounded, too, and what goes is counted. */
static void inhibitions_and_questions_are_bounded(void **state)
{
	struct fixture fx = {0};
	json_t *questions;

	(void)state;
	fixture_start(&fx,
		      HEAD "  - name: mutes\n    description: d\n    event: block.error\n"
			   "    do: [{inhibit: {rules: muted, for: 1h, per: error.region}}]\n"
			   "  - name: muted\n    description: d\n    event: block.error\n    where: {error.region: 1}\n"
			   "    do: [{mark: {as: x}}]\n"
			   "  - name: asks\n    description: d\n    event: device.changed\n    mode: ask\n"
			   "    threshold: {count: 1, within: 1m, per: event.seq}\n    do: [fail-member]\n");
	for (int i = 0; i < INHIBITIONS_MAX + 1; i++)
		block_error(&fx, "sda", i, i);
	assert_int_equal(stat_of(&fx, "mutes", "evicted"), 1);
	for (int i = 0; i < QUESTIONS_MAX + 10; i++)
		feed(&fx, new_event(&fx, "device.changed", "sda", S + i));
	assert_int_equal(stat_of(&fx, "asks", "evicted"), 10);
	assert_int_equal(dropped(&fx), 11);
	questions = engine_questions(fx.engine);
	assert_int_equal(json_array_size(questions), QUESTIONS_MAX);
	json_decref(questions);
	/* The bounds hold after a reload, and count no further. */
	assert_int_equal(engine_reload(fx.engine, fx.rules, NULL), 0);
	assert_int_equal(dropped(&fx), 11);
	fixture_end(&fx);
}

/* Saved are those that were touched last, and they are as they were. */
static void a_restart_keeps_the_latest(void **state)
{
	struct fixture fx = {0};
	struct engine_options o = fixture_options(&fx);
	json_t *saved;

	(void)state;
	fixture_start(&fx, HEAD PER_REGION("r"));
	for (int i = 0; i < 1000; i++)
		block_error(&fx, "sda", i, i);
	saved = engine_save(fx.engine, fx.now, fx.now - fx.asleep, 10 * WINDOW_ROOM);
	engine_free(fx.engine);
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	assert_int_equal(engine_restore(fx.engine, saved, fx.now, fx.now, 0, NULL), 0);
	json_decref(saved);
	engine_start(fx.engine, fx.now, fx.now);
	assert_int_equal(stat_of(&fx, "r", "windows"), 10);
	block_error(&fx, "sda", S, 990);
	block_error(&fx, "sda", S, 989);
	expect_log(&fx, "1s r 990\n");
	fixture_end(&fx);
}

/* Windows end by themselves, one that fired at once. */
static void nothing_is_left(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD PER_REGION("r"));
	for (int i = 0; i < 1000; i++)
		block_error(&fx, "sda", i, i);
	block_error(&fx, "sda", S, 5);
	expect_log(&fx, "1s r 5\n");
	assert_int_equal(stat_of(&fx, "r", "windows"), 999);
	at(&fx, 1 * H + S);
	assert_int_equal(stat_of(&fx, "r", "windows"), 0);
	assert_int_equal(dropped(&fx), 0);
	fixture_end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(events_are_in_order_and_found_by_value),
		unit(a_hundred_thousand_places_are_told_apart),
		unit(one_rule_has_a_quarter),
		unit(what_is_touched_stays),
		unit(all_rules_together_have_a_bound),
		unit(limits_are_bounded_too),
		unit(inhibitions_and_questions_are_bounded),
		unit(a_restart_keeps_the_latest),
		unit(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
