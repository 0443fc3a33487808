// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files that answer "why" share. */
#pragma once

#include "rules/state.h"

struct why {
	struct engine *e;
	const struct rule *r;
	struct bound *b;
	const char *name;   /* of the subject, for people */
	const char *result; /* NULL until the first part that does not hold */
	struct buf answer;
	json_t *parts;
};

/* A moment of the engine's clock, for people: a time of day, or in tests the time since 0s. */
void why_moment(const struct engine *e, int64_t boot, struct buf *out);
/* The same for programs: RFC 3339. */
json_t *why_moment_json(const struct engine *e, int64_t boot);
void why_duration(int64_t ns, struct buf *out);
/* The answer is about the first part that does not hold. */
void why_answer(struct why *w, const char *result, const char *fmt, ...) _printf_(3, 4);
/* Borrowed: it belongs to the answer. */
json_t *why_part(struct why *w, const char *part, const char *value);

/* why_count.c */

json_t *why_key(const struct why *w);
void why_threshold(struct why *w);
/* sequence, absence */
void why_order(struct why *w);
/* Of a watch: how many subjects are in the state. group NULL: none. */
void why_group(struct why *w, const struct watch *group);
