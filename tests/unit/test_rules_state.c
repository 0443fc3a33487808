// SPDX-License-Identifier: GPL-2.0-or-later
/* Saved and restored, copied, reloaded; verdicts as values; why. */
#include "tests/unit/rules_fixture.h"

#include <errno.h>

#define HEAD "version: 1\nrules:\n"
#define ERRORS                                                                                                         \
	"  - name: errors\n    description: d\n    event: block.error\n    where: {device.role: member}\n"             \
	"    threshold: {count: 3, within: 10m}\n    unless: {member.expendable: false}\n    limit: 1h\n"              \
	"    do: [fail-member, {activate-spare: {from: [dedicated, global]}, on-failure: [{notify: {severity: alert, " \
	"text: \"${device.name} in ${array.name}: ${match.count} in ${match.span}\"}}]}]\n"
#define GONE                                                                                                           \
	"  - name: gone\n    description: d\n    watch: member\n    where: {member.state: missing}\n    for: 30s\n"    \
	"    do: [fail-member]\n"

/* Takes the place of the engine: what is saved is restored into a new one, as after a restart. */
static void restart(struct fixture *fx, int64_t boot, int64_t away)
{
	struct engine_options o = fixture_options(fx);
	json_t *state = engine_save(fx->engine, fx->now, fx->now - fx->asleep, SIZE_MAX);
	struct err e = {0};

	assert_non_null(state);
	engine_free(fx->engine);
	assert_int_equal(engine_new(fx->rules, &o, &fx->engine), 0);
	assert_int_equal(engine_restore(fx->engine, state, boot, boot, away, &e), 0);
	json_decref(state);
	fx->now = boot;
	engine_start(fx->engine, boot, boot);
}

static void windows_and_limits_survive_a_restart(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD ERRORS);
	block_error(&fx, "sda", 100 * S, 1);
	block_error(&fx, "sda", 101 * S, 1);
	block_error(&fx, "sdb", 101 * S, 1);
	/* A reboot: the clock starts anew, five minutes were away. */
	restart(&fx, 10 * S, 5 * M);
	block_error(&fx, "sda", 11 * S, 1);
	expect_log(&fx, "11s errors sda\n");
	restart(&fx, 10 * S, 0);
	for (int i = 0; i < 3; i++)
		block_error(&fx, "sda", (20 + i) * S, 1);
	expect_log(&fx, "22s errors sda limited\n");
	/* That it was told is kept, too. */
	restart(&fx, 25 * S, 0);
	for (int i = 0; i < 3; i++)
		block_error(&fx, "sda", (26 + i) * S, 1);
	expect_log(&fx, "");
	/* What is older than the window after the time away is gone. */
	restart(&fx, 30 * S, 20 * M);
	block_error(&fx, "sdb", 31 * S, 1);
	block_error(&fx, "sdb", 32 * S, 1);
	expect_log(&fx, "");
	fixture_end(&fx);
}

static void active_stays_active_and_pending_starts_anew(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD GONE);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	changed(&fx, 0);
	at(&fx, 30 * S);
	expect_log(&fx, "30s gone data/0\n");
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 40 * S);
	at(&fx, 60 * S);
	restart(&fx, 100 * S, 40 * S);
	at(&fx, 129 * S);
	expect_log(&fx, "");
	at(&fx, 130 * S);
	expect_log(&fx, "2m10s gone data/1\n");
	fake_member_state(&fx, "data/0", MEMBER_IN_SYNC);
	changed(&fx, 140 * S);
	expect_log(&fx, "2m20s gone data/0 cleared\n");
	fixture_end(&fx);
}

/* Who has fired does not again, but where nobody knows whether its steps were taken. */
static void what_was_interrupted_fires_again(void **state)
{
	struct fixture fx = {.unanswered = true};

	(void)state;
	fixture_start(&fx, HEAD GONE);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 0);
	at(&fx, 30 * S);
	expect_log(&fx, "30s gone data/0\n30s gone data/1\n");
	engine_outcome(fx.engine, fx.last_id, OUTCOME_OK, NULL, 0);
	restart(&fx, 100 * S, 40 * S);
	at(&fx, 129 * S);
	expect_log(&fx, "");
	/* Also when the second process ends before it is over. */
	restart(&fx, 200 * S, 0);
	at(&fx, 229 * S);
	expect_log(&fx, "");
	at(&fx, 230 * S);
	expect_log(&fx, "3m50s gone data/0\n");
	engine_outcome(fx.engine, fx.last_id, OUTCOME_OK, NULL, 0);
	restart(&fx, 300 * S, 0);
	at(&fx, 400 * S);
	expect_log(&fx, "");
	fake_member_state(&fx, "data/1", MEMBER_IN_SYNC);
	changed(&fx, 410 * S);
	expect_log(&fx, "6m50s gone data/1 cleared\n");
	fixture_end(&fx);
}

static void a_copy_goes_its_own_way(void **state)
{
	struct fixture fx = {0}, what_if = {0};
	struct engine_options o = fixture_options(&what_if);

	(void)state;
	fixture_start(&fx, HEAD ERRORS GONE);
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 0);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sda", 2 * S, 1);
	memcpy(what_if.subjects, fx.subjects, sizeof(fx.subjects));
	what_if.n = fx.n;
	assert_int_equal(engine_clone(fx.engine, &o, &what_if.engine), 0);
	block_error(&what_if, "sda", 3 * S, 1);
	at(&what_if, 30 * S);
	expect_log(&what_if, "3s errors sda\n30s gone data/1\n");
	engine_free(what_if.engine);
	buf_free(&what_if.log);
	expect_log(&fx, "");
	block_error(&fx, "sda", 4 * S, 1);
	expect_log(&fx, "4s errors sda\n");
	at(&fx, 29 * S);
	expect_log(&fx, "");
	at(&fx, 30 * S);
	expect_log(&fx, "30s gone data/1\n");
	fixture_end(&fx);
}

static void reload_keeps_what_did_not_change(void **state)
{
	struct fixture fx = {0};
	struct reload_counts counts;
	struct ruleset *next;

	(void)state;
	fixture_start(&fx, HEAD ERRORS GONE);
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 0);
	block_error(&fx, "sda", 1 * S, 1);
	block_error(&fx, "sda", 2 * S, 1);
	/* Another count, and another name for the other rule: the window stays, the wait begins anew. */
	next = fixture_rules(
		HEAD "  - name: errors\n    description: other\n    event: block.error\n"
		     "    where: {device.role: member}\n    threshold: {count: 4, within: 10m}\n"
		     "    unless: {member.expendable: false}\n    do: [fail-member]\n"
		     "  - name: away\n    description: d\n    watch: member\n    where: {member.state: missing}\n"
		     "    for: 30s\n    do: [fail-member]\n");
	at(&fx, 10 * S);
	assert_int_equal(engine_reload(fx.engine, next, &counts), 0);
	ruleset_unref(next);
	assert_int_equal(counts.kept, 1);
	assert_int_equal(counts.added, 1);
	assert_int_equal(counts.removed, 1);
	block_error(&fx, "sda", 11 * S, 1);
	expect_log(&fx, "");
	block_error(&fx, "sda", 12 * S, 1);
	expect_log(&fx, "12s errors sda\n");
	at(&fx, 39 * S);
	expect_log(&fx, "");
	at(&fx, 40 * S);
	expect_log(&fx, "40s away data/1\n");
	fixture_end(&fx);
}

struct kept {
	struct verdict *v;
};

static void keep(void *u, const struct verdict *v)
{
	struct kept *k = u;

	verdict_unref(k->v);
	k->v = verdict_ref(v);
}

static void a_verdict_is_a_value(void **state)
{
	struct fixture fx = {0};
	struct kept kept = {0};
	struct engine_options o = fixture_options(&fx);
	const struct verdict_param *text;
	json_t *j;

	(void)state;
	fixture_start(&fx, HEAD ERRORS);
	engine_free(fx.engine);
	o.on_verdict = keep;
	o.u = &kept;
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	engine_start(fx.engine, 0, 0);
	for (int i = 0; i < 3; i++)
		block_error(&fx, "sdb", i * S, 1);
	fixture_end(&fx);

	assert_non_null(kept.v);
	assert_string_equal(kept.v->id, "V-1");
	assert_string_equal(kept.v->subject, "sdb");
	assert_int_equal(kept.v->n_contexts, 1);
	assert_string_equal(kept.v->contexts[0].array, "data");
	assert_int_equal(kept.v->contexts[0].slot, 1);
	assert_int_equal(kept.v->n_events, 3);
	assert_int_equal(kept.v->facts->v[FACT_MATCH_COUNT].i, 3);
	assert_string_equal(kept.v->facts->v[FACT_ARRAY_NAME].str, "data");
	assert_int_equal(kept.v->n_steps, 2);
	assert_string_equal(kept.v->steps[1].params[0].list[1], "global");
	assert_int_equal(kept.v->steps[1].on_failure, ON_FAILURE_STEPS);
	text = verdict_step_param(&kept.v->steps[1].failure_steps[0], "text");
	assert_string_equal(text->v.str, "sdb in data: 3 in 2s");
	j = verdict_to_json(kept.v);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(j, "match"), "member.expendable")) ? "text" : "bool",
		"bool");
	assert_int_equal(json_array_size(json_object_get(j, "steps")), 2);
	json_decref(j);
	verdict_unref(kept.v);
}

static void unknown_facts_fail_the_step(void **state)
{
	struct fixture fx = {0};
	struct kept kept = {0};
	struct engine_options o = fixture_options(&fx);

	(void)state;
	fixture_start(&fx, HEAD "  - name: r\n    description: d\n    event: device.added\n    do:\n"
				"      - exec: {argv: [/bin/true, \"${device.slot}\", \"${device.serial:-none}\"]}\n"
				"      - notify: {severity: info, text: \"${device.slot}\"}\n");
	engine_free(fx.engine);
	o.on_verdict = keep;
	o.u = &kept;
	assert_int_equal(engine_new(fx.rules, &o, &fx.engine), 0);
	feed(&fx, new_event(&fx, "device.added", "sdx", 0));
	fixture_end(&fx);
	assert_string_equal(kept.v->steps[0].error, "device.slot is not known");
	assert_string_equal(kept.v->steps[0].params[0].list[2], "none");
	assert_null(kept.v->steps[1].error);
	assert_string_equal(kept.v->steps[1].params[1].v.str, "?");
	verdict_unref(kept.v);
}

static void why_has_an_answer_of_one_line(void **state)
{
	struct fixture fx = {0};
	_cleanup_(buf_free) struct buf out = {0};

	(void)state;
	fixture_start(&fx, HEAD ERRORS GONE);
	fixture_why(&fx, "errors", SORT_DEVICE, "sda", &out);
	assert_non_null(strstr(buf_str(&out), "errors has not fired for sda: threshold: 0 of 3 within 10m."));
	block_error(&fx, "sda", 0, 1);
	block_error(&fx, "sda", 5 * S, 1);
	at(&fx, 1 * M);
	fixture_why(&fx, "errors", SORT_DEVICE, "sda", &out);
	assert_non_null(strstr(buf_str(&out), "threshold: 2 of 3 within 10m; 1 more before 10m would do"));
	fake_set(&fx, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE, value_bool(false));
	block_error(&fx, "sda", 2 * M, 1);
	fixture_why(&fx, "errors", SORT_DEVICE, "sda", &out);
	assert_non_null(strstr(buf_str(&out), "held by unless: member.expendable is false (test.yaml:8:33)"));
	fake_set(&fx, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE, value_bool(true));
	block_error(&fx, "sda", 2 * M, 1);
	for (int i = 0; i < 3; i++)
		block_error(&fx, "sda", 3 * M, 1);
	fixture_why(&fx, "errors", SORT_DEVICE, "sda", &out);
	assert_non_null(strstr(buf_str(&out), "0 of 3"));
	fixture_why(&fx, "errors", SORT_DEVICE, "sdx", &out);
	assert_non_null(strstr(buf_str(&out), "where: device.role is none, not member"));

	fixture_why(&fx, "gone", SORT_DEVICE, "sdb", &out);
	assert_non_null(
		strstr(buf_str(&out), "gone has not fired for sdb: where: member.state is in-sync, not missing"));
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 4 * M);
	at(&fx, 4 * M + 12 * S);
	fixture_why(&fx, "gone", SORT_MEMBER, "data/1", &out);
	assert_non_null(strstr(buf_str(&out), "for: 12s of 30s"));
	at(&fx, 5 * M);
	fixture_why(&fx, "gone", SORT_MEMBER, "data/1", &out);
	assert_non_null(strstr(buf_str(&out), "gone is active for sdb: fired at 4m30s as V-"));
	fixture_end(&fx);
}

#define WHOLE                                                                                                          \
	"  - name: whole\n    description: d\n    event: block.error\n"                                                \
	"    where: {device.role: member, error.status: [medium, io], array.redundancy: {ge: 2}}\n"                    \
	"    threshold: {count: 3, within: 10m}\n    unless:\n      - member.expendable: false\n"                      \
	"      - device.maintenance: true\n    limit: 1h\n    do: [fail-member]\n"                                     \
	"  - name: quiet\n    description: d\n    event: device.removed\n"                                             \
	"    do: [{inhibit: {rules: [whole, lost], for: 5m, per: device.id}}]\n"                                       \
	"  - name: lost\n    description: d\n    watch: member\n    where: {member.state: missing}\n    for: 30s\n"    \
	"    do: [fail-member]\n"

static void expect_why(struct fixture *fx, const char *rule, enum subject_sort sort, const char *id, const char *want)
{
	_cleanup_(buf_free) struct buf out = {0};

	fixture_why(fx, rule, sort, id, &out);
	assert_string_equal(buf_str(&out), want);
}

static void why_tells_every_part(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, HEAD WHOLE);
	expect_why(&fx, "whole", SORT_DEVICE, "sda",
		   "whole has not fired for sda: threshold: 0 of 3 within 10m.\n"
		   "  ..  event      block.error            not heard yet\n"
		   "  ok  inhibit    none\n"
		   "  ok  where      device.role            member = member\n"
		   "  ..             error.status           in [medium, io]: the event tells\n"
		   "  ok             array.redundancy       2 ge 2\n"
		   "  NO  threshold  count                  0 of 3 within 10m   key device.id=sda\n"
		   "  ok  unless     member.expendable      true, not false\n"
		   "  ok             device.maintenance     false, not true\n"
		   "  ok  limit      1h                     0 of 1\n"
		   "  rule at test.yaml:3:11\n");
	for (int i = 1; i <= 5; i++)
		block_error(&fx, "sda", i * S, 1);
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_MAINTENANCE, value_bool(true));
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_REDUNDANCY, value_int(1));
	expect_why(&fx, "whole", SORT_DEVICE, "sda",
		   "whole has not fired for sda: where: array.redundancy is 1, not ge 2 (test.yaml:6:85).\n"
		   "  ok  event      block.error            last 5s (seq 5)\n"
		   "  ok  inhibit    none\n"
		   "  ok  where      device.role            member = member\n"
		   "  ..             error.status           in [medium, io]: the event tells\n"
		   "  NO             array.redundancy       1, not ge 2\n"
		   "  NO  threshold  count                  2 of 3 within 10m   key device.id=sda\n"
		   "                                        oldest 4s leaves at 10m4s\n"
		   "  ok  unless     member.expendable      true, not false\n"
		   "  NO             device.maintenance     true = true\n"
		   "  NO  limit      1h                     1 of 1, the next may be at 1h3s\n"
		   "  rule at test.yaml:3:11\n");
	feed(&fx, new_event(&fx, "device.removed", "sda", 1 * M));
	expect_why(&fx, "lost", SORT_MEMBER, "data/0",
		   "lost has not fired for sda: where: member.state is in-sync, not missing (test.yaml:20:27).\n"
		   "  ..  watch      member data/0          not in the state\n"
		   "  NO  where      member.state           in-sync, not missing\n"
		   "  NO  inhibit    by quiet until 6m\n"
		   "  ..  for        30s                    not begun\n"
		   "  ok  unless     none\n"
		   "  rule at test.yaml:17:11\n");
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	changed(&fx, 2 * M);
	at(&fx, 2 * M + 12 * S);
	expect_why(&fx, "lost", SORT_MEMBER, "data/1",
		   "lost has not fired for sdb: for: 12s of 30s; it fires at 2m30s.\n"
		   "  ok  watch      member data/1          since 2m\n"
		   "  ok  where      member.state           missing = missing\n"
		   "  ok  inhibit    none\n"
		   "  NO  for        30s                    12s, fires at 2m30s\n"
		   "  ok  unless     none\n"
		   "  rule at test.yaml:17:11\n");
	fixture_end(&fx);
}

static void what_it_would_do_is_a_verdict(void **state)
{
	struct fixture fx = {0};
	struct err e = {0};
	struct verdict *v;

	(void)state;
	fixture_start(&fx, HEAD WHOLE);
	block_error(&fx, "sdb", 0, 1);
	block_error(&fx, "sdb", 1 * S, 1);
	assert_int_equal(engine_would(fx.engine, "whole", SORT_DEVICE, "sdb", &v, &e), 0);
	assert_int_equal(v->n_steps, 1);
	assert_string_equal(v->steps[0].action->name, "fail-member");
	assert_string_equal(v->contexts[0].device, "sdb");
	assert_string_equal(v->contexts[0].array, "data");
	assert_int_equal(v->facts->v[FACT_MATCH_COUNT].i, 2);
	verdict_unref(v);
	assert_int_equal(engine_would(fx.engine, "lost", SORT_MEMBER, "data/2", &v, &e), 0);
	assert_string_equal(v->contexts[0].device, "sdc");
	verdict_unref(v);
	assert_int_equal(engine_would(fx.engine, "lost", SORT_MEMBER, "data/9", &v, &e), -ENOENT);
	assert_int_equal(engine_would(fx.engine, "none", SORT_MEMBER, "data/1", &v, &e), -ENOENT);
	/* Nothing came of it. */
	expect_log(&fx, "");
	block_error(&fx, "sdb", 2 * S, 1);
	expect_log(&fx, "2s whole sdb\n");
	fixture_end(&fx);
}

/* ---- where keys come from ---- */

static void origins_are_told(void **state)
{
	static const char base[] = "version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n"
				   "    threshold: {count: 3, within: 10m}\n    unless: {device.maintenance: true}\n"
				   "    do: [fail-member]\n",
			  site[] = "version: 1\noverride:\n  r:\n    threshold: {count: 5}\n    limit: 1h\n"
				   "    unless: {member.expendable: false}\n",
			  late[] = "version: 1\noverride:\n  r: {threshold: {count: 7}, limit: null}\n"
				   "disable: [r]\n";
	const struct rule_source sources[] = {
		{"/lib/20.yaml", base, sizeof(base) - 1, 0},
		{"/run/50.yaml", site, sizeof(site) - 1, 1},
		{"/etc/90.yaml", late, sizeof(late) - 1, 2},
	};
	struct ruleset_options o = {.actions = fixture_action_list()};
	struct fixture fx = {0};
	struct engine_options eo = fixture_options(&fx);
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset *rs;
	json_t *list, *why, *want;
	struct err e = {0};
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(ruleset_load(sources, ARRAY_SIZE(sources), &o, &d, &rs), 0);
	diag_finish(&d);
	list = ruleset_to_json(rs, true);
	want = json_pack("{s:[s], s:[s], s:[s], s:[sss], s:[s], s:[ss], s:[s], s:[ss], s:[s]}", "name",
			 "/lib/20.yaml:3:11", "description", "/lib/20.yaml:4:18", "event", "/lib/20.yaml:5:12",
			 "threshold.count", "/lib/20.yaml:6:24", "/run/50.yaml:4:24", "/etc/90.yaml:3:26",
			 "threshold.within", "/lib/20.yaml:6:35", "unless", "/lib/20.yaml:7:13", "/run/50.yaml:6:13",
			 "do", "/lib/20.yaml:8:9", "limit", "/run/50.yaml:5:12", "/etc/90.yaml:3:37 (taken away)",
			 "disabled", "/etc/90.yaml:4:11");
	assert_true(json_equal(json_object_get(json_array_get(json_object_get(list, "rules"), 0), "origin"), want));
	json_decref(list);
	json_decref(want);
	list = ruleset_to_json(rs, false);
	assert_null(json_object_get(json_array_get(json_object_get(list, "rules"), 0), "origin"));
	json_decref(list);

	fake_disks(&fx);
	assert_int_equal(engine_new(rs, &eo, &fx.engine), 0);
	assert_int_equal(engine_why(fx.engine, "r", SORT_DEVICE, "sda", &why, &e), 0);
	assert_string_equal(json_string_value(json_object_get(why, "result")), "disabled");
	assert_string_equal(json_string_value(json_object_get(json_object_get(why, "origin"), "threshold.count")),
			    "/etc/90.yaml:3:26");
	why_print(why, &out);
	assert_non_null(strstr(buf_str(&out), "  rule at /lib/20.yaml:3:11, threshold.count set by /etc/90.yaml:3:26, "
					      "limit set by /etc/90.yaml:3:37 (taken away), "
					      "unless set by /run/50.yaml:6:13, disabled set by /etc/90.yaml:4:11\n"));
	json_decref(why);
	ruleset_unref(rs);
	engine_free(fx.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(windows_and_limits_survive_a_restart),
		unit(active_stays_active_and_pending_starts_anew),
		unit(what_was_interrupted_fires_again),
		unit(a_copy_goes_its_own_way),
		unit(reload_keeps_what_did_not_change),
		unit(a_verdict_is_a_value),
		unit(unknown_facts_fail_the_step),
		unit(why_has_an_answer_of_one_line),
		unit(why_tells_every_part),
		unit(what_it_would_do_is_a_verdict),
		unit(origins_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
