// SPDX-License-Identifier: GPL-2.0-or-later
/* Reload, and what outlives the process. */
#include "pipeline/pipeline_impl.h"

#include <errno.h>
#include <string.h>

int pipeline_reload(struct pipeline *p, const struct settings *settings, struct ruleset *rules,
		    struct reload_counts *ret)
{
	int r;

	/* Until now the old rules held: their timers first, and what begins anew begins now. */
	engine_before(p->engine, pipeline_now(p), clock_awake(p->clock));
	r = engine_reload(p->engine, rules, ret);
	if (r < 0)
		return r;
	p->settings = settings;
	engine_room(p->engine, (size_t)settings->windows);
	inventory_settings(p->inv, settings);
	builtin_reloaded(p);
	model_changed(p, SORT_ALL, NULL);
	drain(p);
	return 0;
}

/* What is saved is one line of the record process: of windows those that were touched last. */
enum { SAVED_ROOM = 2000 };

json_t *pipeline_save(const struct pipeline *p)
{
	int64_t boot = pipeline_now(p);

	return json_pack("{s:i s:I s:I s:I s:I s:o s:o s:o s:o}", "v", 1, "boot", (json_int_t)boot, "wall",
			 (json_int_t)clock_wall(p->clock), "seq", (json_int_t)p->seq, "plans", (json_int_t)p->plans,
			 "inventory", inventory_save(p->inv), "cases", cases_save(p->cases, boot), "undo", undo_save(p),
			 "engine", engine_save(p->engine, boot, clock_awake(p->clock), SAVED_ROOM));
}

/* Time that passed while nobody looked: by CLOCK_BOOTTIME if that has gone on, else by the wall clock; never negative.
 */
static int64_t time_away(const struct pipeline *p, int64_t boot, int64_t wall)
{
	int64_t by_boot = pipeline_now(p) - boot, by_wall = clock_wall(p->clock) - wall;

	if (by_boot >= 0 && by_boot <= by_wall + NS_PER_SEC)
		return by_boot;
	return by_wall > 0 ? by_wall : 0;
}

int pipeline_restore(struct pipeline *p, const json_t *state, struct err *e)
{
	json_int_t boot, wall, seq, plans;
	json_t *inventory, *cases, *engine;
	json_error_t je;
	int v, r;

	if (json_unpack_ex((json_t *)state, &je, 0, "{s:i s:I s:I s:I s:I s:o s:o s:o}", "v", &v, "boot", &boot, "wall",
			   &wall, "seq", &seq, "plans", &plans, "inventory", &inventory, "cases", &cases, "engine",
			   &engine) < 0)
		return err_set(e, EINVAL, "saved state: %s", je.text);
	if (v != 1 || seq < 0 || plans < 0 || boot < 0 || wall < 0)
		return err_set(e, EINVAL, "saved state of version %d, this is version 1", v);
	r = inventory_restore(p->inv, inventory, time_away(p, boot, wall), e);
	if (r == 0)
		r = cases_restore(p->cases, p->inv, cases, pipeline_now(p), e);
	if (r == 0)
		r = engine_restore(p->engine, engine, pipeline_now(p), clock_awake(p->clock), time_away(p, boot, wall),
				   e);
	if (r == 0) {
		undo_restore(p, json_object_get(state, "undo"));
		p->seq = (uint64_t)seq;
		p->plans = (uint64_t)plans;
		return 0;
	}
	inventory_clear(p->inv); /* nothing half-read stays */
	cases_clear(p->cases);
	return r;
}
