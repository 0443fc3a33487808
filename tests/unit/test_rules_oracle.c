// SPDX-License-Identifier: GPL-2.0-or-later
/* Random streams against oracles that look at each second: rules that wait, last, clear and are limited, while the
 * machine sleeps, time jumps, and the engine is saved and restored, copied and reloaded. Written from
 * rules-language 4.4 to 4.9. */
#include "tests/unit/rules_random.h"

#define RULE "version: 1\nrules:\n  - name: r\n    description: d\n"
#define MARK "    do: [{mark: {as: x}}]\n"

enum { SECONDS = 16384 };

/* ---- time, in seconds ---- */

struct hours {
	int now;
	int awake[SECONDS]; /* the awake clock at each second */
};

/* Some seconds pass at once, all of them awake or all asleep. The first that the oracle has not looked at. */
static int pass_time(struct fixture *fx, struct hours *h)
{
	int steps = draw(12) ? 1 + (int)draw(3) : 1 + (int)draw(40);
	bool asleep = draw(10) == 0;

	for (int i = 1; i <= steps; i++)
		h->awake[h->now + i] = h->awake[h->now] + (asleep ? 0 : i);
	h->now += steps;
	fx->asleep += asleep ? steps * S : 0;
	return h->now - steps + 1;
}

static void say(struct buf *want, int t, const char *what)
{
	value_print(&(struct value){.type = V_DURATION, .i = t * S}, VALUE_CANONICAL, want);
	buf_addf(want, " r %s\n", what);
}

static void error_at(struct fixture *fx, int t, int count)
{
	struct event *ev = new_event(fx, "block.error", "sda", t * S);

	ev->count = count;
	feed(fx, ev);
}

/* ---- limit ---- */

static void limits_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct hours h;
		int fired[EVENTS], n = 0, count, within;
		struct fixture fx = {0};
		char text[256];
		bool told = false;

		seed = stream;
		h.now = 0;
		count = 1 + (int)draw(4);
		within = 1 + (int)draw(20);
		snprintf(text, sizeof(text), RULE "    event: block.error\n    limit: {count: %d, within: %ds}\n" MARK,
			 count, within);
		fixture_start(&fx, text);
		for (int k = 0; k < EVENTS; k++) {
			int used = 0;

			if (draw(3)) {
				at(&fx, h.now * S);
				disturb(&fx);
				pass_time(&fx, &h);
			}
			error_at(&fx, h.now, 1);
			for (int i = 0; i < n; i++)
				used += fired[i] > h.now - within;
			if (used < count) {
				fired[n++] = h.now;
				say(&want, h.now, "sda");
			} else if (!told) {
				say(&want, h.now, "sda limited");
			}
			told = used >= count;
		}
		assert_true(want.len > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* ---- threshold with clear ---- */

struct raised {
	int within, count, clear, wait;
	int time[EVENTS], weight[EVENTS], n; /* since it was over last */
	bool raised;
	int over_since; /* awake; -1: it is not over */
};

static int in_window(const struct raised *r, int t)
{
	int sum = 0;

	for (int i = 0; i < r->n; i++)
		sum += r->time[i] > t - r->within ? r->weight[i] : 0;
	return sum;
}

/* The end of the second: what ends then has ended. */
static void raised_second(struct raised *r, int t, int awake, struct buf *want)
{
	if (!r->raised)
		return;
	if (in_window(r, t) > r->clear) {
		r->over_since = -1;
		return;
	}
	if (r->over_since < 0)
		r->over_since = awake;
	if (awake - r->over_since < r->wait)
		return;
	say(want, t, "sda cleared");
	r->raised = false;
	r->over_since = -1;
	r->n = 0;
}

static void raised_event(struct raised *r, int t, int weight, struct buf *want)
{
	r->time[r->n] = t;
	r->weight[r->n++] = weight;
	if (in_window(r, t) > r->clear)
		r->over_since = -1;
	if (r->raised || in_window(r, t) < r->count)
		return;
	say(want, t, "sda");
	r->raised = true;
	r->over_since = -1;
}

static void clears_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct hours h;
		struct raised r = {.over_since = -1};
		struct fixture fx = {0};
		char text[256];

		seed = stream;
		h.now = 0;
		r.count = 2 + (int)draw(5);
		r.clear = (int)draw((uint32_t)r.count);
		r.within = 2 + (int)draw(20);
		r.wait = draw(2) ? (int)draw(12) : 0;
		snprintf(text, sizeof(text),
			 RULE "    event: block.error\n    threshold: {count: %d, within: %ds}\n"
			      "    clear: {count: %d, for: %ds}\n" MARK,
			 r.count, r.within, r.clear, r.wait);
		fixture_start(&fx, text);
		for (int k = 0; k < EVENTS; k++) {
			int weight = 1 + (int)draw(2);

			if (draw(3)) {
				at(&fx, h.now * S);
				raised_second(&r, h.now, h.awake[h.now], &want);
				disturb(&fx);
				for (int t = pass_time(&fx, &h); t < h.now; t++)
					raised_second(&r, t, h.awake[t], &want);
			}
			error_at(&fx, h.now, weight);
			raised_event(&r, h.now, weight, &want);
		}
		assert_true(want.len > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* ---- states ---- */

/* A change of the member's state, now. */
static void missing_at(struct fixture *fx, int t, bool missing)
{
	engine_before(fx->engine, t * S, t * S - fx->asleep);
	fake_member_state(fx, "data/1", missing ? MEMBER_MISSING : MEMBER_IN_SYNC);
	changed(fx, t * S);
}

/* One part after the other of a rule that waits, repeats and takes its time to be over. */
struct lasting {
	enum { IDLE, PENDING, ACTIVE, CLEARING } state;
	int since, fired; /* awake */
};

/* ended: what ends at this second has ended. */
static void lasting_moves(struct lasting *l, int t, int awake, bool holds, bool ended, struct buf *want)
{
	const int wait[] = {[PENDING] = 5, [ACTIVE] = 60, [CLEARING] = 4};
	int since = l->state == ACTIVE ? l->fired : l->since;
	bool over = l->state != IDLE && (awake - since > wait[l->state] || (awake - since == wait[l->state] && ended));

	if (l->state == PENDING && !holds) {
		l->state = IDLE;
	} else if (l->state == IDLE && holds) {
		*l = (struct lasting){PENDING, awake, 0};
	} else if (l->state == ACTIVE && !holds) {
		l->state = CLEARING;
		l->since = awake;
	} else if (l->state == CLEARING && holds) {
		l->state = ACTIVE;
		lasting_moves(l, t, awake, holds, ended, want);
	} else if (l->state == CLEARING && over) {
		say(want, t, "data/1 cleared");
		l->state = IDLE;
	} else if (over) {
		say(want, t, "data/1");
		l->state = ACTIVE;
		l->fired = awake;
	}
}

static void states_that_last_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct hours h;
		struct fixture fx = {0};
		struct lasting l = {0};
		bool missing = false;

		seed = stream;
		h.now = 0;
		fixture_start(&fx, RULE "    watch: member\n    where: {member.state: missing}\n    for: 5s\n"
					"    clear: {for: 4s}\n    repeat: 1m\n" MARK);
		for (int k = 0; k < EVENTS; k++) {
			at(&fx, h.now * S);
			lasting_moves(&l, h.now, h.awake[h.now], missing, true, &want);
			/* What was waited for begins anew. */
			if (disturb(&fx) == RESTARTED && l.state != ACTIVE)
				l.since = h.awake[h.now];
			for (int t = pass_time(&fx, &h); t < h.now; t++)
				lasting_moves(&l, t, h.awake[t], missing, true, &want);
			missing = draw(6) ? missing : !missing;
			missing_at(&fx, h.now, missing);
			lasting_moves(&l, h.now, h.awake[h.now], missing, false, &want);
		}
		assert_true(want.len > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* {total, within}: how long it was so since it was over last, of the last seconds. */
static int sum_of(const bool *held, int from, int to)
{
	int sum = 0;

	for (int t = MAX(from, 0); t < to; t++)
		sum += held[t];
	return sum;
}

static void sums_agree_with_the_oracle(void **state)
{
	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct hours h;
		static bool held[SECONDS];
		int total, within, begin = 0;
		struct fixture fx = {0};
		bool missing = false, active = false;
		char text[256];

		seed = stream;
		h.now = 0;
		total = 2 + (int)draw(10);
		within = total + (int)draw(30);
		snprintf(text, sizeof(text),
			 RULE "    watch: member\n    where: {member.state: missing}\n"
			      "    for: {total: %ds, within: %ds}\n" MARK,
			 total, within);
		fixture_start(&fx, text);
		for (int k = 0; k < EVENTS; k++) {
			int from = h.now;

			at(&fx, h.now * S);
			if (draw(2))
				disturb_but_restart(&fx);
			pass_time(&fx, &h);
			for (int t = from; t <= h.now; t++) {
				/* At the last of these it may change before it is looked at. */
				if (t == h.now) {
					missing = draw(4) ? missing : !missing;
					missing_at(&fx, t, missing);
				}
				if (active && !missing) {
					say(&want, t, "data/1 cleared");
					active = false;
					begin = t;
				}
				if (!active && missing && sum_of(held, MAX(t - within, begin), t) >= total) {
					say(&want, t, "data/1");
					active = true;
				}
				held[t] = missing;
			}
		}
		at(&fx, h.now * S);
		assert_true(want.len > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

/* ---- schedules ---- */

static void schedules_agree_with_the_oracle(void **state)
{
	enum { EVERY = 20 };

	(void)state;
	for (uint32_t stream = 0; stream < streams; stream++) {
		_cleanup_(buf_free) struct buf want = {0};
		static struct hours h;
		bool persistent = stream % 2;
		struct fixture fx = {0};

		seed = stream;
		h.now = 0;
		fixture_start(&fx, persistent ? RULE "    schedule: {calendar: \"*:*:0/20\", persistent: true}\n" MARK
					      : RULE "    schedule: {calendar: \"*:*:0/20\"}\n" MARK);
		for (int k = 0; k < EVENTS; k++) {
			bool missed = false;

			disturb(&fx);
			for (int t = pass_time(&fx, &h); t <= h.now; t++) {
				bool slept = h.awake[t] == h.awake[t - 1];

				if (t % EVERY != 0 || missed)
					continue;
				/* It is the time when the machine wakes up: not missed. */
				missed = slept && t < h.now;
				if (!missed || persistent)
					say(&want, t, "");
			}
			at(&fx, h.now * S);
		}
		assert_true(want.len > 0);
		expect_log(&fx, buf_str(&want));
		fixture_end(&fx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(limits_agree_with_the_oracle),	      unit(clears_agree_with_the_oracle),
		unit(states_that_last_agree_with_the_oracle), unit(sums_agree_with_the_oracle),
		unit(schedules_agree_with_the_oracle),
	};

	random_arguments(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
