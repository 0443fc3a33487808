// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/source.h"

#include "broker/sources.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/* include/uapi/linux/sock_diag.h */
enum { MEMINFO_DROPS = 8, MEMINFO_VARS = 9 };

/* The device-mapper source comes before udev's, so that it is listening when the first arrays are started. */
const struct source_ops *const source_table[] = {
	&source_dm, &source_blkerr, &source_tracefs, &source_bios, &source_genl, &source_udev, NULL};

enum { SOURCES_MAX = 8 };

struct sources {
	struct source_env env;
	struct source s[SOURCES_MAX];
	size_t n;
	struct loop_timer *retry;
};

static void on_retry(void *u)
{
	sources_retry(u);
}

int sources_new(const struct source_env *env, struct sources **ret)
{
	struct sources *ss = calloc(1, sizeof(*ss));
	int r;

	if (!ss)
		return -ENOMEM;
	ss->env = *env;
	r = loop_timer_new(env->loop, on_retry, ss, &ss->retry);
	if (r < 0) {
		free(ss);
		return r;
	}
	for (const struct source_ops *const *ops = env->table ? env->table : source_table; *ops; ops++)
		ss->s[ss->n++] = (struct source){.ops = *ops, .env = &ss->env};
	*ret = ss;
	return 0;
}

static void source_stop(struct source *s)
{
	if (s->own)
		s->ops->stop(s);
	s->own = NULL;
}

void sources_free(struct sources *ss)
{
	if (!ss)
		return;
	for (size_t i = ss->n; i-- > 0;)
		source_stop(&ss->s[i]);
	loop_timer_free(ss->retry);
	free(ss);
}

static bool same_role(const struct source *a, const struct source *b)
{
	return a != b && a->ops->role && b->ops->role && strcmp(a->ops->role, b->ops->role) == 0;
}

/* Another source of the same role that runs, or NULL. */
static struct source *role_taken(struct sources *ss, const struct source *s)
{
	for (size_t i = 0; i < ss->n; i++)
		if (ss->s[i].state == SOURCE_ON && same_role(&ss->s[i], s))
			return &ss->s[i];
	return NULL;
}

static void source_off(struct source *s, const struct source *other)
{
	s->state = SOURCE_OFF;
	snprintf(s->reason, sizeof(s->reason), "%s tells it", other->ops->name);
}

/* Both listen for a moment: what happened before it is the old one's, the rest the new one's. */
static void take_over(struct source *s, struct source *old)
{
	log_notice("%s come from %s now, no longer from %s", s->ops->role, s->ops->name, old->ops->name);
	s->since = old->ops->leave ? old->ops->leave(old) : 0;
	source_stop(old);
	source_off(old, s);
}

/* A place in the table is a preference. */
static void source_start(struct sources *ss, struct source *s)
{
	struct source *other = role_taken(ss, s);
	char before[sizeof(s->reason)];
	struct err e = {0};
	int r;

	if (other && other < s) {
		source_off(s, other);
		return;
	}
	s->starts++;
	s->since = 0;
	snprintf(before, sizeof(before), "%s", s->state == SOURCE_FAILED ? s->reason : "");
	s->reason[0] = '\0';
	r = s->ops->start(s, &e);
	if (r > 0) {
		s->state = SOURCE_OFF;
		snprintf(s->reason, sizeof(s->reason), "%.255s", e.msg);
		log_info("source %s is off: %s", s->ops->name, e.msg);
		return;
	}
	if (r < 0) {
		if (strncmp(before, e.msg, sizeof(before) - 1) != 0)
			log_warning("source %s is not available: %s", s->ops->name, e.msg);
		s->state = SOURCE_FAILED;
		snprintf(s->reason, sizeof(s->reason), "%.255s", e.msg);
		return;
	}
	s->state = SOURCE_ON;
	log_info("source %s: %s", s->ops->name, s->ops->doc);
	if (other)
		take_over(s, other);
}

/* The others of its role: the first of the table that can. */
static void start_others(struct sources *ss, const struct source *s)
{
	for (size_t i = 0; i < ss->n; i++)
		if (same_role(&ss->s[i], s) && ss->s[i].state == SOURCE_OFF && !role_taken(ss, &ss->s[i])) {
			source_stop(&ss->s[i]);
			source_start(ss, &ss->s[i]);
		}
}

static bool may_retry(const struct source *s)
{
	return s->state == SOURCE_FAILED && s->ops->retry;
}

static void retry_later(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++)
		if (may_retry(&ss->s[i])) {
			loop_timer_in(ss->retry, ss->env.retry_ns);
			return;
		}
	loop_timer_stop(ss->retry);
}

void sources_start(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++)
		source_start(ss, &ss->s[i]);
	retry_later(ss);
}

bool sources_run(const struct sources *ss, const char *name)
{
	for (size_t i = 0; i < ss->n; i++)
		if (strcmp(ss->s[i].ops->name, name) == 0)
			return ss->s[i].state == SOURCE_ON;
	return false;
}

void sources_retry(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++) {
		struct source *s = &ss->s[i];

		if (!may_retry(s))
			continue;
		source_stop(s);
		source_start(ss, s);
		if (s->state == SOURCE_ON && s->ops->enumerate)
			s->ops->enumerate(s);
	}
	retry_later(ss);
}

void source_failed(struct source *s, const struct err *e)
{
	struct sources *ss = container_of((struct source_env *)s->env, struct sources, env);

	log_error("source %s: %s", s->ops->name, e->msg);
	s->state = SOURCE_FAILED;
	snprintf(s->reason, sizeof(s->reason), "%.255s", e->msg);
	start_others(ss, s);
	retry_later(ss);
}

void source_again(struct source *s)
{
	struct sources *ss = container_of((struct source_env *)s->env, struct sources, env);

	source_stop(s);
	s->state = SOURCE_OFF;
	source_start(ss, s);
	if (s->state != SOURCE_ON)
		start_others(ss, s);
	retry_later(ss);
}

void sources_enumerate(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++)
		if (ss->s[i].state == SOURCE_ON && ss->s[i].ops->enumerate) {
			ss->s[i].rescans++;
			ss->s[i].ops->enumerate(&ss->s[i]);
		}
}

uint64_t socket_dropped(int fd, uint32_t *so_far)
{
	uint32_t info[MEMINFO_VARS] = {0}, before = *so_far;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	*so_far = info[MEMINFO_DROPS];
	return *so_far - before;
}

void source_lost(struct source *s, uint64_t lost)
{
	s->lost += lost;
	s->overflowed = true;
	s->env->overflow(s->env->u);
}

bool sources_overflowed(struct sources *ss, void (*fn)(void *u, const struct source *s, uint64_t lost), void *u)
{
	bool disks = false;

	for (size_t i = 0; i < ss->n; i++) {
		struct source *s = &ss->s[i];

		if (!s->overflowed)
			continue;
		disks |= s->ops->tells_disks;
		s->overflowed = false;
		fn(u, s, s->lost - s->lost_before);
		s->lost_before = s->lost;
	}
	return disks;
}

void sources_set_settings(struct sources *ss, const struct settings *settings, const struct genl_descs *genl)
{
	ss->env.settings = settings;
	ss->env.genl = genl;
	for (size_t i = 0; i < ss->n; i++)
		if (ss->s[i].ops->reads_files)
			source_again(&ss->s[i]);
}

json_t *sources_to_json(const struct sources *ss)
{
	static const char *const words[] = {"off", "on", "failed"};
	json_t *list = json_array();

	for (size_t i = 0; i < ss->n; i++) {
		const struct source *s = &ss->s[i];

		json_array_append_new(list, json_pack("{s:s s:s s:s s:s s:I s:I s:I s:I s:I}", "name", s->ops->name,
						      "doc", s->ops->doc, "state", words[s->state], "reason", s->reason,
						      "received", (json_int_t)s->received, "dropped",
						      (json_int_t)s->dropped, "merged", (json_int_t)s->merged, "lost",
						      (json_int_t)s->lost, "rescans", (json_int_t)s->rescans));
	}
	return list;
}
