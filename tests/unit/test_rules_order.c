// SPDX-License-Identifier: GPL-2.0-or-later
/* sequence and absence. rules-language 4.7. */
#include "tests/unit/rules_random.h"

#define HEAD "version: 1\nrules:\n  - name: r\n    description: d\n"
#define TAIL "    do: [{notify: {severity: info, text: x}}]\n"

static void event_at(struct fixture *fx, const char *kind, const char *device, int64_t t)
{
	feed(fx, new_event(fx, kind, device, t));
}

/* ---- sequence ---- */

#define BLINK                                                                                                          \
	HEAD "    sequence:\n      steps:\n        - {as: gone, event: device.removed, where: {device.role: "          \
	     "member}}\n"                                                                                              \
	     "        - {event: device.added}\n      within: 30s\n"                                                    \
	     "    do: [{notify: {severity: info, text: \"${device.name} ${gone.device.controller}\"}}]\n"

static void steps_come_in_order_for_one_subject(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, BLINK);
	event_at(&fx, "device.added", "sda", 0);
	event_at(&fx, "device.removed", "sda", 1 * S);
	event_at(&fx, "device.changed", "sda", 2 * S);
	event_at(&fx, "device.added", "sdb", 3 * S);
	event_at(&fx, "device.removed", "sdx", 3 * S); /* no member */
	event_at(&fx, "device.added", "sdx", 4 * S);
	expect_log(&fx, "");
	event_at(&fx, "device.added", "sda", 5 * S);
	event_at(&fx, "device.added", "sda", 6 * S);
	expect_log(&fx, "5s r sda\n");
	fixture_end(&fx);
}

static void a_sequence_lapses_at_its_time(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, BLINK);
	event_at(&fx, "device.removed", "sda", 0);
	fixture_why(&fx, "r", SORT_DEVICE, "sda", &why);
	assert_non_null(strstr(buf_str(&why), "sequence: 1 of 2 since 0s; device.added before 30s is next"));
	event_at(&fx, "device.added", "sda", 30 * S);
	expect_log(&fx, "");
	/* A new first step begins anew. */
	event_at(&fx, "device.removed", "sda", 40 * S);
	event_at(&fx, "device.removed", "sda", 60 * S);
	event_at(&fx, "device.added", "sda", 80 * S);
	expect_log(&fx, "1m20s r sda\n");
	fixture_end(&fx);
}

static void later_steps_know_the_earlier(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx,
		      HEAD "    sequence:\n      steps:\n        - {as: first, event: block.error}\n"
			   "        - event: block.error\n          where: {device.id: {not: \"${first.device.id}\"}}\n"
			   "      within: 30s\n      per: device.controller\n" TAIL);
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sdc", 2 * S, 1);
	expect_log(&fx, "");
	block_error(&fx, "sdb", 3 * S, 1);
	expect_log(&fx, "3s r c0\n");
	fixture_end(&fx);
}

static const char *last_text;

static void take_text(void *u, const struct verdict *v)
{
	static char text[256];

	(void)u;
	snprintf(text, sizeof(text), "%s", verdict_step_param(&v->steps[0], "text")->v.str);
	last_text = text;
}

static void texts_name_what_was_then(void **state)
{
	struct fixture fx = {0};
	struct engine_options o;

	(void)state;
	fixture_start(&fx, BLINK);
	o = fixture_options(&fx);
	o.on_verdict = take_text;
	engine_free(fx.engine);
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	event_at(&fx, "device.removed", "sda", 0);
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_CONTROLLER, value_str("c9"));
	event_at(&fx, "device.added", "sda", 1 * S);
	assert_string_equal(last_text, "sda c0");
	fixture_end(&fx);
}

/* ---- absence ---- */

#define AWAY                                                                                                           \
	HEAD "    event: device.removed\n    where: {device.role: member}\n"                                           \
	     "    absence: {of: {event: device.added}, within: 15s}\n" TAIL

static void what_does_not_come_fires_once(void **state)
{
	_cleanup_(buf_free) struct buf why = {0};
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, AWAY);
	event_at(&fx, "device.removed", "sda", 0);
	event_at(&fx, "device.removed", "sdb", 1 * S);
	event_at(&fx, "device.removed", "sda", 5 * S); /* the first one's time goes on */
	fixture_why(&fx, "r", SORT_DEVICE, "sda", &why);
	assert_non_null(strstr(buf_str(&why), "absence: no device.added has come since 0s; it fires at 15s"));
	event_at(&fx, "device.added", "sdb", 10 * S);
	at(&fx, 14 * S);
	expect_log(&fx, "");
	at(&fx, 60 * S);
	expect_log(&fx, "15s r sda\n");
	fixture_end(&fx);
}

/* Nothing is done when in doubt. */
static void what_comes_at_the_last_moment_came(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, AWAY);
	event_at(&fx, "device.removed", "sda", 0);
	event_at(&fx, "device.added", "sda", 15 * S);
	at(&fx, 60 * S);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void absence_waits_awake(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, AWAY);
	event_at(&fx, "device.removed", "sda", 0);
	fx.asleep = 1 * H;
	at(&fx, 1 * H + 14 * S);
	expect_log(&fx, "");
	at(&fx, 1 * H + 15 * S);
	expect_log(&fx, "1h15s r sda\n");
	fixture_end(&fx);
}

static void inhibition_drops_what_has_begun(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, "version: 1\nrules:\n"
			   "  - name: away\n    description: d\n    event: device.removed\n"
			   "    absence: {of: {event: device.added}, within: 15s}\n" TAIL
			   "  - name: blink\n    description: d\n"
			   "    sequence: {steps: [{event: device.removed}, {event: device.added}], within: 1m}\n" TAIL
			   "  - name: hush\n    description: d\n    event: block.error\n"
			   "    do: [{inhibit: {rules: [away, blink], for: 10s, per: device.controller}}]\n");
	event_at(&fx, "device.removed", "sda", 0);
	event_at(&fx, "device.removed", "sdc", 0);
	block_error(&fx, "sdb", 5 * S, 1);
	event_at(&fx, "device.added", "sda", 20 * S);
	at(&fx, 60 * S);
	expect_log(&fx, "5s hush sdb\n15s away sdc\n");
	fixture_end(&fx);
}

/* ---- oracles ---- */

struct came {
	int64_t time;
	int kind, device;
};

static const char *const kinds[] = {"device.removed", "device.changed", "device.added"};
static const char *const devices[] = {"sda", "sdb"};

/* Whether the last event ends a sequence of all three kinds: all events are gone through anew. */
static bool sequence_ends(const struct came *all, size_t n, int64_t within)
{
	int64_t first = 0;
	int reached = 0;
	bool fires = false;

	for (size_t i = 0; i < n; i++) {
		fires = false;
		if (all[i].device != all[n - 1].device)
			continue;
		if (reached > 0 && all[i].time - first >= within)
			reached = 0;
		if (all[i].kind == reached) {
			first = reached == 0 ? all[i].time : first;
			reached++;
		} else if (reached == 1 && all[i].kind == 0) {
			first = all[i].time;
		}
		fires = reached == 3;
		reached = fires ? 0 : reached;
	}
	return fires;
}

static void draw_event(struct fixture *fx, struct came *ev, int64_t t)
{
	*ev = (struct came){t, (int)draw(3), (int)draw(2)};
	event_at(fx, kinds[ev->kind], devices[ev->device], t);
}

static void sequences_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct came all[EVENTS];
		struct fixture fx = {0};
		int64_t t = 0;
		size_t fired = 0;

		seed = stream;
		fixture_start(&fx, HEAD
			      "    sequence:\n      steps: [{event: device.removed}, {event: device.changed}, {event: "
			      "device.added}]\n      within: 10s\n" TAIL);
		for (size_t n = 1; n <= EVENTS; n++) {
			int64_t step = draw(30) ? draw(4) * S : 10 * S;

			if (step) {
				at(&fx, t);
				disturb(&fx);
			}
			t += step;
			sleep_for(&fx, step);
			draw_event(&fx, &all[n - 1], t);
			if (!sequence_ends(all, n, 10 * S))
				continue;
			fired++;
			value_print(&(struct value){.type = V_DURATION, .i = t}, VALUE_CANONICAL, &want);
			buf_addf(&want, " r %s\n", devices[all[n - 1].device]);
		}
		assert_true(fired > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* Deadlines of both devices that are before (timed: at) the moment; 0: none runs. */
static void oracle_due(int64_t *due, int64_t t, bool timed, struct buf *want)
{
	for (;;) {
		int first = due[0] && (!due[1] || due[0] <= due[1]) ? 0 : 1;

		if (!due[first] || due[first] > t || (due[first] == t && !timed))
			return;
		value_print(&(struct value){.type = V_DURATION, .i = due[first]}, VALUE_CANONICAL, want);
		buf_addf(want, " r %s\n", devices[first]);
		due[first] = 0;
	}
}

static void absences_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		struct fixture fx = {0};
		int64_t t = 0, due[2] = {0};

		seed = stream;
		fixture_start(&fx, AWAY);
		for (int n = 1; n <= EVENTS; n++) {
			int64_t step = draw(30) ? draw(6) * S : 15 * S;
			struct came ev;

			if (step) {
				at(&fx, t);
				oracle_due(due, t, true, &want);
				/* At least ten seconds are left after a restart. */
				if (disturb(&fx) == RESTARTED)
					for (int i = 0; i < 2; i++)
						due[i] = due[i] ? MAX(due[i], t + 10 * S) : 0;
			}
			t += step;
			/* It waits awake. */
			if (sleep_for(&fx, step))
				for (int i = 0; i < 2; i++)
					due[i] += due[i] ? step : 0;
			oracle_due(due, t, false, &want);
			draw_event(&fx, &ev, t);
			if (ev.kind == 2)
				due[ev.device] = 0;
			else if (ev.kind == 0 && !due[ev.device])
				due[ev.device] = t + 15 * S;
		}
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(steps_come_in_order_for_one_subject),
		unit(a_sequence_lapses_at_its_time),
		unit(later_steps_know_the_earlier),
		unit(texts_name_what_was_then),
		unit(what_does_not_come_fires_once),
		unit(what_comes_at_the_last_moment_came),
		unit(absence_waits_awake),
		unit(inhibition_drops_what_has_begun),
		unit(sequences_agree_with_the_oracle),
		unit(absences_agree_with_the_oracle),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
