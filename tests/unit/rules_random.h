// SPDX-License-Identifier: GPL-2.0-or-later
/* Random streams for tests against oracles; see test_rules_random.c. */
#pragma once

#include "tests/unit/rules_fixture.h"

#include <stdlib.h>

enum { STREAMS = 60, EVENTS = 300 };

static uint32_t seed;

_unused_ static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* A restart that takes no time, a reload of the same rules, or a copy that takes over: all must be unnoticed, but for
 * waits that a restart begins anew. */
enum disturbance { NOTHING, COPIED, RELOADED, RESTARTED };

_unused_ static enum disturbance disturb(struct fixture *fx)
{
	struct engine_options o = fixture_options(fx);
	struct engine *next;
	json_t *state;

	switch (draw(20)) {
	case 0:
		assert_int_equal(engine_clone(fx->engine, &o, &next), 0);
		engine_free(fx->engine);
		fx->engine = next;
		return COPIED;
	case 1:
		assert_int_equal(engine_reload(fx->engine, fx->rules, NULL), 0);
		return RELOADED;
	case 2:
		state = engine_save(fx->engine, fx->now, fx->now - fx->asleep, SIZE_MAX);
		assert_int_equal(engine_new(fx->rules, &o, &next), 0);
		assert_int_equal(engine_restore(next, state, fx->now, fx->now, 0, NULL), 0);
		engine_free(fx->engine);
		fx->engine = next;
		json_decref(state);
		engine_start(fx->engine, fx->now, fx->now);
		return RESTARTED;
	default:
		return NOTHING;
	}
}
