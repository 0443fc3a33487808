// SPDX-License-Identifier: GPL-2.0-or-later
/* Matching allocates nothing: the allocator counts, of all libraries. Under the sanitizer, which has its own allocator,
 * nothing is counted. */
#include "tests/unit/rules_fixture.h"

#include <stdlib.h>

static size_t allocations, bytes;

#ifndef __SANITIZE_ADDRESS__
enum { COUNTING = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

/* What malloc takes for it, about: its own header, and a multiple of 16. */
static void count(size_t size)
{
	allocations++;
	bytes += (size + 8 + 15) / 16 * 16;
}

void *malloc(size_t size)
{
	count(size);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	count(n * size);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	count(size);
	return __libc_realloc(p, size);
}
#else
enum { COUNTING = false };
#endif

#define RULES                                                                                                          \
	"version: 1\nrules:\n"                                                                                         \
	"  - name: counted\n    description: d\n    event: block.error\n    where: {device.role: member}\n"            \
	"    threshold: {count: 3, within: 10m}\n    do: [fail-member]\n"                                              \
	"  - name: tested\n    description: d\n    event: \"block.*\"\n"                                               \
	"    where:\n      all: [{any: [{device.name: \"sd[q-z]*\"}, {device.model: {glob: \"X*\"}}, "                 \
	"{device.controller: {regex: \"^(x+)+$\"}}]}]\n"                                                               \
	"      not: {device.marks: {has: new}}\n      error.status: [medium, io]\n      array.redundancy: {ge: 3}\n"   \
	"    limit: 1s\n    do: [{notify: {severity: info, text: x}}]\n"                                               \
	"  - name: ordered\n    description: d\n"                                                                      \
	"    sequence: {steps: [{event: device.removed}, {event: block.error}], within: 1m}\n    do: [fail-member]\n"  \
	"  - name: absent\n    description: d\n    event: \"*.removed\"\n"                                             \
	"    absence: {of: {event: block.error}, within: 1m, per: device.id}\n    do: [fail-member]\n"

/* Counting does not either where there is nothing new: values that are known, a window that is full. */
#define COUNTED                                                                                                        \
	"version: 1\nrules:\n"                                                                                         \
	"  - name: places\n    description: d\n    event: block.error\n"                                               \
	"    threshold: {count: 20, within: 10m, distinct: error.region}\n    do: [fail-member]\n"                     \
	"  - name: raised\n    description: d\n    event: block.error\n    threshold: {count: 5, within: 10m}\n"       \
	"    clear: {count: 1, for: 1h}\n    do: [fail-member]\n"

static size_t allocations_of(struct fixture *fx, const char *device)
{
	struct event *ev = new_event(fx, "block.error", device, 1 * S);
	size_t before;

	event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, ERROR_MEDIUM));
	before = allocations;
	for (int i = 0; i < 1000; i++)
		engine_event(fx->engine, ev, 1 * S);
	before = allocations - before;
	event_free(ev);
	return before;
}

static void matching_allocates_nothing(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, RULES);
	/* The first event makes room for its contexts. */
	block_error(&fx, "sdx", 0, 1);
	assert_true(!COUNTING || allocations > 0);
	assert_int_equal(allocations_of(&fx, "sdx"), 0);
	fake_set(&fx, SORT_DEVICE, "sda", FACT_DEVICE_ROLE, fact_enum(FACT_DEVICE_ROLE, ROLE_LEG));
	block_error(&fx, "sda", 0, 1);
	assert_int_equal(allocations_of(&fx, "sda"), 0);
	fixture_end(&fx);
}

static void counting_what_is_known_allocates_nothing(void **state)
{
	struct fixture fx = {0};

	(void)state;
	fixture_start(&fx, COUNTED);
	for (int i = 0; i < 19; i++)
		block_error(&fx, "sda", 0, i);
	block_error(&fx, "sda", 0, -1);
	expect_log(&fx, "0s raised sda\n0s places sda\n");
	for (int i = 0; i < 19; i++)
		block_error(&fx, "sda", 0, i);
	for (int i = 0; i < 19; i++) {
		struct event *ev = new_event(&fx, "block.error", "sda", 1 * S);
		size_t before;

		event_set(ev, FACT_ERROR_REGION, value_int(i));
		before = allocations;
		engine_event(fx.engine, ev, 1 * S);
		assert_int_equal(allocations, before);
		event_free(ev);
	}
	expect_log(&fx, "");
	fixture_end(&fx);
}

/* What goes on is looked at again and again: attempts and absences that are open, states that last, groups, a refused
 * plan, an inhibition by a number. */
#define STATES                                                                                                         \
	"version: 1\nrules:\n"                                                                                         \
	"  - name: mutes\n    description: d\n    event: device.removed\n    priority: 900\n"                          \
	"    do: [{inhibit: {rules: muted, for: 1h, per: event.count}}]\n"                                             \
	"  - name: muted\n    description: d\n    event: block.error\n    do: [fail-member]\n"                         \
	"  - name: begun\n    description: d\n"                                                                        \
	"    sequence:\n      within: 1h\n      steps:\n        - {as: gone, event: device.removed}\n"                 \
	"        - {event: block.error, where: {device.id: {not: \"${gone.device.id}\"}}}\n    do: [fail-member]\n"    \
	"  - name: waits\n    description: d\n    event: device.removed\n"                                             \
	"    absence: {of: {event: block.error, where: {error.region: 99}}, within: 1h}\n    do: [fail-member]\n"      \
	"  - name: lasts\n    description: d\n    watch: member\n"                                                     \
	"    where: {member.state: missing, device.name: {regex: \"^(s|d)+[a-z]$\"}}\n    for: 1h\n"                   \
	"    do: [fail-member]\n"                                                                                      \
	"  - name: sums\n    description: d\n    watch: member\n    where: {member.state: missing}\n"                  \
	"    for: {total: 1h, within: 2h}\n    do: [fail-member]\n"                                                    \
	"  - name: many\n    description: d\n    watch: member\n    where: {member.state: missing}\n"                  \
	"    threshold: {count: 2, per: device.controller}\n    unless: {array.state: optimal}\n    do: "              \
	"[fail-member]\n"                                                                                              \
	"  - name: refused\n    description: d\n    watch: array\n    where: {array.state: degraded}\n"                \
	"    do: [activate-spare]\n"

static void what_goes_on_allocates_nothing(void **state)
{
	struct fixture fx = {0};
	struct event *ev;
	size_t before;

	(void)state;
	fixture_start(&fx, STATES);
	ev = new_event(&fx, "device.removed", "sda", 1 * S);
	feed(&fx, ev);
	fake_member_state(&fx, "data/0", MEMBER_MISSING);
	fake_member_state(&fx, "data/1", MEMBER_MISSING);
	fake_set(&fx, SORT_ARRAY, "data", FACT_ARRAY_STATE, fact_enum(FACT_ARRAY_STATE, ARRAY_DEGRADED));
	changed(&fx, 1 * S);
	engine_outcome(fx.engine, fx.last_id, OUTCOME_REFUSED, NULL, 0);
	expect_log(&fx, "1s mutes sda\n1s many c0\n1s refused data\n");
	ev = new_event(&fx, "block.error", "sda", 2 * S);
	event_set(ev, FACT_ERROR_REGION, value_int(1));
	engine_event(fx.engine, ev, 2 * S);
	before = allocations;
	for (int i = 0; i < 1000; i++) {
		engine_changed(fx.engine, SORT_ALL);
		engine_event(fx.engine, ev, 2 * S);
	}
	assert_int_equal(allocations, before);
	event_free(ev);
	expect_log(&fx, "");
	fixture_end(&fx);
}

/* A million windows have room in 200 MB: with what finds one and what ends it, which grow by doubling, and a
 * disk's name as the key. */
static void a_window_is_small(void **state)
{
	enum { WINDOWS = 65536 };
	struct fixture fx = {0};
	char id[32];

	(void)state;
	fixture_start(&fx, "version: 1\nrules:\n"
			   "  - name: r\n    description: d\n    event: block.error\n"
			   "    threshold: {count: 10, within: 1h}\n    do: [{mark: {as: x}}]\n");
	block_error(&fx, "sda", 0, 0);
	bytes = 0;
	for (int i = 1; i < WINDOWS; i++) {
		struct event *ev;
		size_t before = bytes;

		snprintf(id, sizeof(id), "wwn-0x5000c500%08x", i);
		ev = new_event(&fx, "block.error", id, i);
		bytes = before;
		engine_event(fx.engine, ev, i);
		event_free(ev);
	}
	/* Each doubling leaves the half that it replaced. */
	assert_in_range(bytes / WINDOWS, COUNTING, 200 + 2 * sizeof(void *));
	fixture_end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(matching_allocates_nothing),
		unit(counting_what_is_known_allocates_nothing),
		unit(what_goes_on_allocates_nothing),
		unit(a_window_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
