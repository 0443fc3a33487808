// SPDX-License-Identifier: GPL-2.0-or-later
/* Random streams for tests against oracles; see test_rules_random.c. */
#pragma once

#include "tests/unit/rules_fixture.h"

#include <stdlib.h>

enum { EVENTS = 300 };

/* The streams are the same in each run; an argument makes it more of them. */
static uint32_t seed, streams = 60;

_unused_ static void random_arguments(int argc, char **argv)
{
	if (argc > 1)
		streams = (uint32_t)strtoul(argv[1], NULL, 10);
}

_unused_ static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Now and then the machine sleeps for that long. How long it did. */
_unused_ static int64_t sleep_for(struct fixture *fx, int64_t ns)
{
	int64_t slept = draw(10) ? 0 : ns;

	fx->asleep += slept;
	return slept;
}

/* A restart that takes no time, a reload of the same rules, or a copy that takes over: all must be unnoticed, but for
 * waits that a restart begins anew. */
enum disturbance { NOTHING, COPIED, RELOADED, RESTARTED };

_unused_ static enum disturbance disturb_by(struct fixture *fx, uint32_t how)
{
	struct engine_options o = fixture_options(fx);
	int64_t awake = fx->now - fx->asleep;
	struct engine *next;
	json_t *state;

	switch (how) {
	case 0:
		assert_int_equal(engine_clone(fx->engine, &o, &next), 0);
		engine_free(fx->engine);
		fx->engine = next;
		return COPIED;
	case 1:
		assert_int_equal(engine_reload(fx->engine, fx->rules, NULL), 0);
		return RELOADED;
	case 2:
		state = engine_save(fx->engine, fx->now, awake, SIZE_MAX);
		assert_int_equal(engine_new(fx->rules, &o, &next), 0);
		assert_int_equal(engine_restore(next, state, fx->now, awake, 0, NULL), 0);
		engine_free(fx->engine);
		fx->engine = next;
		json_decref(state);
		engine_start(fx->engine, fx->now, awake);
		return RESTARTED;
	default:
		return NOTHING;
	}
}

_unused_ static enum disturbance disturb(struct fixture *fx)
{
	return disturb_by(fx, draw(20));
}

/* For what a restart begins anew. */
_unused_ static void disturb_but_restart(struct fixture *fx)
{
	disturb_by(fx, draw(2) ? 3 : draw(2));
}
