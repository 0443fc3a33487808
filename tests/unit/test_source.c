// SPDX-License-Identifier: GPL-2.0-or-later
/* Sources that cannot be started yet, or fail later, are started again by themselves. */
#include "broker/source.h"

#include "core/log.h"
#include "tests/unit/check.h"

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
	CHECK_INT(s->state, SOURCE_ON);
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

int main(void)
{
	struct source_env env = {.retry_ns = NS_PER_MS, .table = table};

	log_setup((enum log_level)0, NULL);
	CHECK_INT(loop_new(&loop), 0);
	env.loop = loop;
	CHECK_INT(sources_new(&env, &sources), 0);
	sources_start(sources);
	CHECK(!sources_run(sources, "late"));
	loop_run(loop);
	CHECK(sources_run(sources, "late"));
	CHECK_INT(starts, 4);
	CHECK_INT(stops, 1);
	CHECK_INT(told, 2);
	CHECK_INT(others, 1);
	sources_free(sources);
	loop_free(loop);
	return CHECK_RESULT;
}
