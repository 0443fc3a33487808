// SPDX-License-Identifier: GPL-2.0-or-later
/* Sources that cannot be started yet, or fail later, are started again by themselves. */
#include "broker/source.h"

#include "core/log.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Two of one role: the better one comes, goes, and fails while the other is there. */
static bool better_there;
static struct source *better_source;
static unsigned worse_left;

static int better_start(struct source *s, struct err *e)
{
	better_source = s;
	s->own = &better_source;
	if (better_there)
		return 0;
	err_put(e, ENOENT, "it is not there");
	return 1;
}

static int worse_start(struct source *s, struct err *e _unused_)
{
	s->own = &worse_left;
	return 0;
}

static void no_stop(struct source *s _unused_)
{
}

static int64_t worse_leave(struct source *s)
{
	assert_int_equal(s->state, SOURCE_ON);
	worse_left++;
	return 4711;
}

static const struct source_ops better = {
	.name = "better", .doc = "", .role = "news", .start = better_start, .stop = no_stop};
static const struct source_ops worse = {
	.name = "worse", .doc = "", .role = "news", .start = worse_start, .stop = no_stop, .leave = worse_leave};
static const struct source_ops *const role_table[] = {&better, &worse, NULL};

/* "better worse", of those that are on, and why the others are not. */
static void assert_on(const char *which, const char *reason)
{
	json_t *list = sources_to_json(sources), *s;
	char on[32] = "", why[128] = "";
	size_t i;

	json_array_foreach(list, i, s)
	{
		const char *text = json_string_value(json_object_get(s, "reason"));

		if (strcmp(json_string_value(json_object_get(s, "state")), "on") == 0)
			snprintf(on + strlen(on), sizeof(on) - strlen(on), "%s",
				 json_string_value(json_object_get(s, "name")));
		else
			snprintf(why + strlen(why), sizeof(why) - strlen(why), "%s", text);
	}
	assert_string_equal(on, which);
	assert_string_equal(why, reason);
	json_decref(list);
}

static void the_best_of_a_role_is_on(void **state _unused_)
{
	struct source_env env = {.retry_ns = NS_PER_SEC, .table = role_table};

	assert_int_equal(loop_new(&loop), 0);
	env.loop = loop;
	assert_int_equal(sources_new(&env, &sources), 0);
	sources_start(sources);
	assert_on("worse", "it is not there");
	better_there = true;
	source_again(better_source);
	assert_on("better", "better tells it");
	assert_int_equal(worse_left, 1);
	assert_int_equal(better_source->since, 4711);
	/* Gone and come again between two looks: it was on, and stays. */
	source_again(better_source);
	assert_on("better", "better tells it");
	assert_int_equal(better_source->since, 0);
	better_there = false;
	source_again(better_source);
	assert_on("worse", "it is not there");
	better_there = true;
	source_again(better_source);
	source_failed(better_source, &(struct err){.msg = "it broke"});
	assert_on("worse", "it broke");
	assert_int_equal(worse_left, 2);
	sources_free(sources);
	loop_free(loop);
}

/* Any socket counts so: here one of UDP that nobody reads. */
static void drops_are_counted(void **state _unused_)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(to);
	uint32_t so_far = 0;
	char message[1024] = "";
	int room = 1;
	uint64_t n;

	assert_int_equal(setsockopt(in, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	assert_int_equal(bind(in, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(in, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(socket_dropped(in, &so_far), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(sendto(out, message, sizeof(message), 0, (struct sockaddr *)&to, len),
				 sizeof(message));
	n = socket_dropped(in, &so_far);
	assert_in_range(n, 1, 100);
	assert_int_equal(so_far, n);
	assert_int_equal(socket_dropped(in, &so_far), 0);
	close(in);
	close(out);
	assert_int_equal(socket_dropped(-1, &so_far), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(sources_are_tried_again),
		unit(the_best_of_a_role_is_on),
		unit(drops_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
