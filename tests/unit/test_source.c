// SPDX-License-Identifier: GPL-2.0-or-later
/* Sources that cannot be started yet, or fail later, are started again by themselves. */
#include "broker/source.h"

#include "core/log.h"
#include "tests/unit/unit.h"

#include <errno.h>

static struct loop *loop;
static struct sources *sources;
static unsigned starts, stops, told, others;

/* As device-mapper's while its module is not there: from the third time on it is. */
static int late_start(struct source *s, struct err *e)
{
	if (++starts < 3)
		return err_sys(e, ENODEV, "cannot open it");
	s->own = &starts;
	return 0;
}

static void late_stop(struct source *s)
{
	(void)s;
	stops++;
}

static void late_enumerate(struct source *s)
{
	assert_int_equal(s->state, SOURCE_ON);
	told++;
	/* Once more: what breaks while it runs. */
	if (told == 1)
		source_failed(s, &(struct err){.msg = "it broke"});
	else
		loop_quit(loop);
}

static int never_start(struct source *s, struct err *e)
{
	(void)s;
	others++;
	return err_sys(e, ENOENT, "no such thing here");
}

static const struct source_ops late = {
	.name = "late", .doc = "", .start = late_start, .stop = late_stop, .enumerate = late_enumerate, .retry = true};
static const struct source_ops never = {.name = "never", .doc = "", .start = never_start, .stop = late_stop};
static const struct source_ops *const table[] = {&late, &never, NULL};

static void sources_are_tried_again(void **state _unused_)
{
	struct source_env env = {.retry_ns = NS_PER_MS, .table = table};

	log_setup((enum log_level)0, NULL);
	assert_int_equal(loop_new(&loop), 0);
	env.loop = loop;
	assert_int_equal(sources_new(&env, &sources), 0);
	sources_start(sources);
	assert_true(!sources_run(sources, "late"));
	loop_run(loop);
	assert_true(sources_run(sources, "late"));
	assert_int_equal(starts, 4);
	assert_int_equal(stops, 1);
	assert_int_equal(told, 2);
	assert_int_equal(others, 1);
	sources_free(sources);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(sources_are_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
