// SPDX-License-Identifier: GPL-2.0-or-later
/* Random streams against slow, obvious oracles written from rules-language 4.6 and 4.8; the engine is saved and
 * restored, copied and reloaded in between, and nothing may differ. */
#include "tests/unit/rules_random.h"

#include <stdlib.h>

/* ---- threshold ---- */

struct seen {
	int64_t time, weight, region;
	bool used; /* in a window that was emptied */
};

/* What counts for the event that came last. */
static int64_t oracle_count(const struct seen *all, size_t n, int64_t within, bool distinct)
{
	int64_t sum = 0, now = all[n - 1].time;

	for (size_t i = 0; i < n; i++) {
		bool again = false;

		if (all[i].used || all[i].time <= now - within)
			continue;
		for (size_t k = i + 1; distinct && k < n; k++)
			again |= !all[k].used && all[k].region == all[i].region;
		sum += distinct ? !again : all[i].weight;
	}
	return sum;
}

static void check_threshold(bool distinct)
{
	char text[512], line[64];
	int64_t count = 2 + draw(6), within = (1 + draw(20)) * S, t = 0;
	_cleanup_(buf_free) struct buf want = {0};
	static struct seen all[EVENTS];
	struct fixture fx = {0};

	snprintf(text, sizeof(text),
		 "version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n"
		 "    threshold: {count: %d, within: %ds%s}\n    do: [{mark: {as: x}}]\n",
		 (int)count, (int)(within / S), distinct ? ", distinct: error.region" : "");
	fixture_start(&fx, text);
	for (size_t n = 1; n <= EVENTS; n++) {
		struct event *ev;

		/* Times repeat, and often lie exactly a window apart. */
		t += draw(4) ? draw(3) * S : within;
		sleep_for(&fx, MAX(t - 1 - fx.now, 0));
		at(&fx, t > 0 ? t - 1 : 0);
		disturb(&fx);
		all[n - 1] = (struct seen){t, 1 + draw(3) % 2, draw(5), false};
		ev = new_event(&fx, "block.error", "sda", t);
		ev->count = (int)all[n - 1].weight;
		event_set(ev, FACT_ERROR_REGION, value_int(all[n - 1].region));
		feed(&fx, ev);
		if (oracle_count(all, n, within, distinct) < count)
			continue;
		for (size_t i = 0; i < n; i++)
			all[i].used = true;
		snprintf(line, sizeof(line), "%d\n", (int)(t / S));
		buf_add(&want, line);
	}
	/* "45s r sda" to "45". */
	for (const char *p = buf_str(&fx.log), *w = buf_str(&want); *p || *w;) {
		struct value v;
		char when[32];

		assert_true(*p && *w);
		snprintf(when, sizeof(when), "%.*s", (int)strcspn(p, " "), p);
		assert_int_equal(value_parse(V_DURATION, NULL, when, &v, NULL), 0);
		assert_int_equal(v.i / S, strtol(w, NULL, 10));
		p = strchr(p, '\n') + 1;
		w = strchr(w, '\n') + 1;
	}
	fixture_end(&fx);
}

static void thresholds_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < streams; i++) {
		seed = i;
		check_threshold(i % 2);
	}
}

/* ---- for ---- */

/* The state is true from..to; it fires when that is longer than the wait, at from + wait. No restart here: it would
 * begin the wait anew, as it should. */
static void waits_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < streams; i++) {
		_cleanup_(buf_free) struct buf want = {0};
		struct fixture fx = {0};
		int64_t t = 0;

		seed = i;
		fixture_start(&fx, "version: 1\nrules:\n  - name: r\n    description: d\n    watch: member\n"
				   "    where: {member.state: missing}\n    for: 5s\n    do: [fail-member]\n");
		for (int k = 0; k < EVENTS; k++) {
			int64_t from = t += (1 + draw(5)) * S, to = t += (1 + draw(9)) * S;
			struct value when = value_duration(from + 5 * S), end = value_duration(to);

			fake_member_state(&fx, "data/1", MEMBER_MISSING);
			changed(&fx, from);
			for (int64_t step = from; step < to; step += S)
				at(&fx, step);
			engine_before(fx.engine, to, to);
			fake_member_state(&fx, "data/1", MEMBER_IN_SYNC);
			changed(&fx, to);
			at(&fx, to);
			if (to - from <= 5 * S)
				continue;
			value_print(&when, VALUE_CANONICAL, &want);
			buf_add(&want, " r data/1\n");
			value_print(&end, VALUE_CANONICAL, &want);
			buf_add(&want, " r data/1 cleared\n");
		}
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(thresholds_agree_with_the_oracle),
		unit(waits_agree_with_the_oracle),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
