// SPDX-License-Identifier: GPL-2.0-or-later
/* threshold beyond plain counts: shares of a counter, and subjects that are in a state together. rules-language 4.6. */
#include "tests/unit/rules_random.h"

#define HEAD "version: 1\nrules:\n  - name: r\n    description: d\n"
#define TAIL "    do: [{notify: {severity: info, text: x}}]\n"

/* ---- ratio ---- */

#define RATIO HEAD "    event: block.error\n    threshold: {count: 3, within: 1m, ratio: 1%, of: device.ios}\n" TAIL

static void error_at(struct fixture *fx, int64_t t, int64_t ios)
{
	fake_set(fx, SORT_DEVICE, "sda", FACT_DEVICE_IOS, ios >= 0 ? value_int(ios) : VALUE_NONE);
	block_error(fx, "sda", t, 1);
}

static void a_share_needs_both_the_count_and_the_ratio(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, RATIO);
	error_at(&fx, 0, 1000);
	error_at(&fx, 1 * S, 1010);
	error_at(&fx, 2 * S, 1301);
	expect_log(&fx, "");
	fixture_why(&fx, "r", SORT_DEVICE, "sda", &why);
	assert_non_null(strstr(buf_str(&why), "threshold: they are 0.99"));
	assert_non_null(strstr(buf_str(&why), "3 of 3 within 1m"));
	/* 4 of 400 */
	error_at(&fx, 3 * S, 1400);
	expect_log(&fx, "3s r sda\n");
	fixture_end(&fx);
}

static void a_counter_that_does_not_grow_is_unknown(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, RATIO);
	for (int i = 0; i < 5; i++)
		error_at(&fx, i * S, 1000);
	fixture_why(&fx, "r", SORT_DEVICE, "sda", &why);
	assert_non_null(strstr(buf_str(&why), "device.ios did not grow since the first of them"));
	error_at(&fx, 6 * S, 10); /* a new disk of this name */
	error_at(&fx, 7 * S, -1);
	expect_log(&fx, "");
	error_at(&fx, 8 * S, 1100);
	expect_log(&fx, "8s r sda\n");
	fixture_end(&fx);
}

struct counted {
	int64_t time, ios;
	bool used;
};

static bool share_reached(const struct counted *all, size_t n, int64_t count, int64_t within, double ratio)
{
	int64_t sum = 0, first = -1;

	for (size_t i = 0; i < n; i++) {
		if (all[i].used || all[i].time <= all[n - 1].time - within)
			continue;
		first = sum == 0 ? all[i].ios : first;
		sum++;
	}
	return sum >= count && all[n - 1].ios > first && (double)sum / (double)(all[n - 1].ios - first) >= ratio;
}

static void shares_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct counted all[EVENTS];
		struct fixture fx = {0};
		int64_t t = 0, ios = 0;

		seed = stream;
		fixture_start(&fx,
			      HEAD "    event: block.error\n    threshold: {count: 3, within: 10s, ratio: 10%, of: "
				   "device.ios}\n" TAIL);
		for (size_t n = 1; n <= EVENTS; n++) {
			t += draw(4) ? draw(3) * S : 10 * S;
			sleep_for(&fx, t - fx.now);
			at(&fx, t);
			disturb(&fx);
			ios = draw(30) ? ios + draw(20) : 0;
			all[n - 1] = (struct counted){t, ios, false};
			error_at(&fx, t, ios);
			if (!share_reached(all, n, 3, 10 * S, 0.1))
				continue;
			for (size_t i = 0; i < n; i++)
				all[i].used = true;
			value_print(&(struct value){.type = V_DURATION, .i = t}, VALUE_CANONICAL, &want);
			buf_add(&want, " r sda\n");
		}
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* ---- watch ---- */

#define GROUP(more)                                                                                                    \
	HEAD "    watch: member\n    where: {member.state: missing}\n"                                                 \
	     "    threshold: {count: 2, per: device.controller}\n" more TAIL

static void state_at(struct fixture *fx, const char *member, enum member_state state, int64_t t)
{
	engine_before(fx->engine, t, t);
	fake_member_state(fx, member, state);
	changed(fx, t);
	at(fx, t);
}

static void subjects_in_the_state_are_counted_together(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GROUP(""));
	state_at(&fx, "data/0", MEMBER_MISSING, 1 * S);
	state_at(&fx, "data/2", MEMBER_MISSING, 2 * S);
	expect_log(&fx, "");
	fixture_why(&fx, "r", SORT_MEMBER, "data/0", &why);
	assert_non_null(strstr(buf_str(&why), "threshold: 1 of 2 are in the state now"));
	state_at(&fx, "data/1", MEMBER_MISSING, 3 * S);
	expect_log(&fx, "3s r c0\n");
	fixture_why(&fx, "r", SORT_MEMBER, "data/1", &why);
	assert_non_null(strstr(buf_str(&why), "fired at 3s"));
	/* Once for the group, until it is over: count - 1. */
	state_at(&fx, "data/1", MEMBER_IN_SYNC, 4 * S);
	expect_log(&fx, "4s r c0 cleared\n");
	state_at(&fx, "data/1", MEMBER_MISSING, 5 * S);
	expect_log(&fx, "5s r c0\n");
	fixture_end(&fx);
}

static void a_subject_counts_once_it_has_waited(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GROUP("    for: 10s\n    clear: {count: 0, for: 5s}\n"));
	state_at(&fx, "data/0", MEMBER_MISSING, 0);
	state_at(&fx, "data/1", MEMBER_MISSING, 4 * S);
	at(&fx, 13 * S);
	expect_log(&fx, "");
	at(&fx, 14 * S);
	expect_log(&fx, "14s r c0\n");
	state_at(&fx, "data/0", MEMBER_IN_SYNC, 20 * S);
	at(&fx, 60 * S);
	state_at(&fx, "data/1", MEMBER_IN_SYNC, 61 * S);
	state_at(&fx, "data/0", MEMBER_MISSING, 62 * S);
	/* It counts at 72s; until then none does. */
	at(&fx, 80 * S);
	expect_log(&fx, "1m6s r c0 cleared\n");
	fixture_end(&fx);
}

static void what_the_subjects_have_in_common_may_change_or_be_unknown(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, GROUP(""));
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_CONTROLLER, VALUE_NONE);
	state_at(&fx, "data/0", MEMBER_MISSING, 1 * S);
	state_at(&fx, "data/1", MEMBER_MISSING, 1 * S);
	state_at(&fx, "data/2", MEMBER_MISSING, 1 * S);
	expect_log(&fx, "");
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_CONTROLLER, value_str("c1"));
	changed(&fx, 2 * S);
	expect_log(&fx, "2s r c1\n");
	fake_set(&fx, SORT_DEVICE, "sdb", FACT_DEVICE_CONTROLLER, value_str("c0"));
	changed(&fx, 3 * S);
	expect_log(&fx, "3s r c0\n3s r c1 cleared\n");
	fixture_end(&fx);
}

/* The inhibited do not fire while the controller is away, and begin anew when it is back. */
static void a_group_inhibits_until_it_clears(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx,
		      "version: 1\nrules:\n  - name: away\n    description: d\n    watch: member\n    priority: 900\n"
		      "    where: {member.state: missing}\n    threshold: {count: 2, per: device.controller}\n"
		      "    clear: {for: 10s}\n"
		      "    do: [{inhibit: {rules: [gone], for: 10m, per: device.controller, until: clear}}]\n"
		      "  - name: gone\n    description: d\n    watch: member\n    where: {member.state: missing}\n"
		      "    for: 30s\n    do: [fail-member]\n");
	state_at(&fx, "data/0", MEMBER_MISSING, 0);
	state_at(&fx, "data/1", MEMBER_MISSING, 1 * S);
	at(&fx, 2 * M);
	expect_log(&fx, "1s away c0\n");
	state_at(&fx, "data/1", MEMBER_IN_SYNC, 2 * M);
	at(&fx, 3 * M);
	expect_log(&fx, "2m10s away c0 cleared\n2m40s gone data/0\n");
	fixture_end(&fx);
}

/* One controller as the oracle sees it. */
struct group {
	int64_t n, over_since; /* -1: not over */
	bool raised;
	struct buf want;
};

static void say(struct group *g, int64_t t, int c, const char *what)
{
	value_print(&(struct value){.type = V_DURATION, .i = t}, VALUE_CANONICAL, &g->want);
	buf_addf(&g->want, " r c%d%s\n", c, what);
}

static void oracle_moves(struct group *g, int c, int64_t t, int64_t wait, bool timed)
{
	if (g->raised && g->n > 1)
		g->over_since = -1;
	if (g->raised && g->n <= 1 && g->over_since < 0)
		g->over_since = t;
	if (g->raised && g->over_since >= 0 &&
	    (g->over_since + wait < t || (g->over_since + wait == t && (timed || wait == 0)))) {
		say(g, g->over_since + wait, c, " cleared");
		g->raised = false;
	}
	if (!g->raised && g->n >= 2) {
		say(g, t, c, "");
		g->raised = true;
		g->over_since = -1;
	}
}

static void split(const char *log, int c, struct buf *out)
{
	char mark[8];

	snprintf(mark, sizeof(mark), " c%d", c);
	for (; *log; log = strchr(log, '\n') + 1) {
		size_t n = strcspn(log, "\n") + 1;
		const char *found = strstr(log, mark);

		if (found && found < log + n)
			buf_addf(out, "%.*s", (int)n, log);
	}
}

static void groups_agree_with_the_oracle(void **state)
{
	static const char *const members[] = {"data/0", "data/1", "data/2", "data/3"}, *const disks[] = {"sda", "sdb",
													 "sdc", "sdd"};

	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		int64_t t = 0, wait = stream % 2 ? 3 * S : 0;
		struct group groups[2] = {{.over_since = -1}, {.over_since = -1}};
		bool missing[4] = {false};
		int of[4] = {0, 0, 1, 1};
		struct fixture fx = {0};

		seed = stream;
		fixture_start(&fx, wait ? GROUP("    clear: {for: 3s}\n") : GROUP(""));
		for (int k = 0; k < EVENTS; k++) {
			int64_t step = draw(4) * S, slept = sleep_for(&fx, step);
			size_t i = draw(4);

			t += step;
			engine_before(fx.engine, t, t - fx.asleep);
			/* What is over waits awake. */
			for (int c = 0; c < 2; c++)
				groups[c].over_since += groups[c].over_since >= 0 ? slept : 0;
			for (int c = 0; c < 2; c++)
				oracle_moves(&groups[c], c, t, wait, false);
			if (draw(8) == 0)
				of[i] = 1 - of[i];
			else
				missing[i] = !missing[i];
			fake_set(&fx, SORT_DEVICE, disks[i], FACT_DEVICE_CONTROLLER, value_str(of[i] ? "c1" : "c0"));
			fake_member_state(&fx, members[i], missing[i] ? MEMBER_MISSING : MEMBER_IN_SYNC);
			changed(&fx, t);
			at(&fx, t);
			for (int c = 0; c < 2; c++) {
				groups[c].n = 0;
				for (int m = 0; m < 4; m++)
					groups[c].n += missing[m] && of[m] == c;
				oracle_moves(&groups[c], c, t, wait, false);
				oracle_moves(&groups[c], c, t, wait, true);
			}
			if (disturb(&fx) == RESTARTED)
				for (int c = 0; c < 2; c++)
					groups[c].over_since = groups[c].over_since >= 0 ? t : -1;
		}
		for (int c = 0; c < 2; c++) {
			_cleanup_(buf_free) struct buf got = {0};

			split(buf_str(&fx.log), c, &got);
			assert_string_equal(buf_str(&got), buf_str(&groups[c].want));
			buf_free(&groups[c].want);
		}
		fixture_end(&fx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(a_share_needs_both_the_count_and_the_ratio),
		unit(a_counter_that_does_not_grow_is_unknown),
		unit(shares_agree_with_the_oracle),
		unit(subjects_in_the_state_are_counted_together),
		unit(a_subject_counts_once_it_has_waited),
		unit(what_the_subjects_have_in_common_may_change_or_be_unknown),
		unit(a_group_inhibits_until_it_clears),
		unit(groups_agree_with_the_oracle),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
