// SPDX-License-Identifier: GPL-2.0-or-later
/* What each rule has seen and done since it runs, and what it costs. */
#include "rules/state.h"

/* One in so many is timed, so that it costs nothing to speak of. */
enum { SAMPLE = 64 };

bool stats_sampled(struct engine *e)
{
	return e->o.ticks && e->samples++ % SAMPLE == 0;
}

int64_t stats_ticks(const struct engine *e, bool sampled)
{
	return sampled ? e->o.ticks(e->o.u) : 0;
}

void stats_spent(struct engine *e, const struct rule *r, bool sampled, int64_t begin)
{
	if (sampled)
		e->stats[r->index].spent += (e->o.ticks(e->o.u) - begin) * SAMPLE;
}

/* Wall; 0 stays "never". */
static json_int_t moment(const struct engine *e, int64_t boot)
{
	return boot ? boot + e->wall_offset : 0;
}

json_t *engine_stats(const struct engine *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->rs->n; i++) {
		const struct rule *r = &e->rs->rules[i];
		const struct rule_stats *s = &e->stats[i];
		const struct heard heard = heard_of(e, r);
		const struct {
			const char *name;
			json_int_t n;
		} counts[] = {
			{"seen", (json_int_t)heard.n},
			{"last-seen", moment(e, heard.time)},
			{"matched", (json_int_t)s->matched},
			{"no-key", (json_int_t)s->no_key},
			{"inhibited", (json_int_t)s->inhibited},
			{"held", (json_int_t)s->held},
			{"limited", (json_int_t)s->limited},
			{"fired", (json_int_t)s->fired},
			{"agreed", (json_int_t)s->agreed},
			{"cleared", (json_int_t)s->cleared},
			{"last", moment(e, s->last)},
			{"windows", (json_int_t)e->windows.of_rule[i].n},
			{"attempts", (json_int_t)e->attempts.of_rule[i].n},
			{"states", (json_int_t)e->watches.of_rule[i].n},
			{"evicted", (json_int_t)s->evicted},
			{"spent", (json_int_t)s->spent},
			{"regex-limit", (json_int_t)regex_over(r)},
		};
		json_t *j = json_pack("{s:s}", "rule", r->name);

		for (size_t k = 0; k < ARRAY_SIZE(counts); k++)
			json_object_set_new(j, counts[k].name, json_integer(counts[k].n));
		json_array_append_new(list, j);
	}
	return list;
}

json_t *engine_totals(const struct engine *e)
{
	json_int_t timers = (json_int_t)e->by_boot.n + (json_int_t)e->by_awake.n;
	json_int_t room = (json_int_t)MIN(e->o.room ? e->o.room : ROOM_DEFAULT, (size_t)INT64_MAX);

	return json_pack("{s:I s:I s:I s:I s:I s:I s:I s:I s:s}", "windows", (json_int_t)e->windows.all.n, "attempts",
			 (json_int_t)e->attempts.all.n, "states", (json_int_t)e->watches.all.n, "limits",
			 (json_int_t)e->limits.all.n, "timers", timers, "room-used", (json_int_t)e->windows.all.room,
			 "room", room, "evicted", (json_int_t)e->evicted, "evicted-rule", e->evicted_rule);
}
