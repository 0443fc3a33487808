// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/source.h"

#include "broker/sources.h"
#include "core/list.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The device-mapper source comes before udev's, so that it is listening when the first arrays are started. */
const struct source_ops *const source_table[] = {&source_dm, &source_tracefs, &source_udev, NULL};

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

/* The source of the same role that runs, or NULL. */
static const struct source *role_taken(const struct sources *ss, const char *role)
{
	for (size_t i = 0; role && i < ss->n; i++)
		if (ss->s[i].state == SOURCE_ON && ss->s[i].ops->role && strcmp(ss->s[i].ops->role, role) == 0)
			return &ss->s[i];
	return NULL;
}

static void source_start(struct sources *ss, struct source *s)
{
	const struct source *other = role_taken(ss, s->ops->role);
	struct err e = {0};

	if (other) {
		s->state = SOURCE_OFF;
		snprintf(s->reason, sizeof(s->reason), "%s tells it", other->ops->name);
		return;
	}
	if (s->ops->start(s, &e) < 0) {
		if (s->state != SOURCE_FAILED || strncmp(s->reason, e.msg, sizeof(s->reason) - 1) != 0)
			log_warning("source %s is not available: %s", s->ops->name, e.msg);
		s->state = SOURCE_FAILED;
		snprintf(s->reason, sizeof(s->reason), "%.255s", e.msg);
		return;
	}
	s->state = SOURCE_ON;
	s->reason[0] = '\0';
	log_info("source %s: %s", s->ops->name, s->ops->doc);
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
	log_error("source %s: %s", s->ops->name, e->msg);
	s->state = SOURCE_FAILED;
	snprintf(s->reason, sizeof(s->reason), "%.255s", e->msg);
	retry_later(container_of((struct source_env *)s->env, struct sources, env));
}

void sources_enumerate(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++)
		if (ss->s[i].state == SOURCE_ON && ss->s[i].ops->enumerate) {
			ss->s[i].rescans++;
			ss->s[i].ops->enumerate(&ss->s[i]);
		}
}

void source_lost(struct source *s, uint64_t lost)
{
	s->lost += lost;
	s->overflowed = true;
	s->env->overflow(s->env->u);
}

void sources_overflowed(struct sources *ss, void (*fn)(void *u, const struct source *s, uint64_t lost), void *u)
{
	for (size_t i = 0; i < ss->n; i++) {
		struct source *s = &ss->s[i];

		if (!s->overflowed)
			continue;
		s->overflowed = false;
		fn(u, s, s->lost - s->lost_before);
		s->lost_before = s->lost;
	}
}

void sources_set_settings(struct sources *ss, const struct settings *settings)
{
	ss->env.settings = settings;
}

json_t *sources_to_json(const struct sources *ss)
{
	static const char *const words[] = {"off", "on", "failed"};
	json_t *list = json_array();

	for (size_t i = 0; i < ss->n; i++) {
		const struct source *s = &ss->s[i];

		json_array_append_new(list,
				      json_pack("{s:s s:s s:s s:s s:I s:I s:I s:I}", "name", s->ops->name, "doc",
						s->ops->doc, "state", words[s->state], "reason", s->reason, "received",
						(json_int_t)s->received, "dropped", (json_int_t)s->dropped, "lost",
						(json_int_t)s->lost, "rescans", (json_int_t)s->rescans));
	}
	return list;
}
