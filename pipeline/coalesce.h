// SPDX-License-Identifier: GPL-2.0-or-later
/* Storms of one and the same block error: the first goes on at once, what is like it within the window goes on as one
 * event with their number. Regions stay distinct. Bounded: a full table lets its oldest go. */
#pragma once

#include "core/clock.h"
#include "core/event.h"

#define COALESCE_WINDOW_NS (100 * NS_PER_MS)
enum { COALESCE_MAX = 256 };

struct coalesce;

int coalesce_new(struct coalesce **ret);
void coalesce_free(struct coalesce *c);
DEFINE_CLEANUP(struct coalesce *, coalesce_free)
/* Takes ev. Gives to fn whatever goes on now: ev itself, or older ones that are due. */
void coalesce_add(struct coalesce *c, struct event *ev, void (*fn)(void *u, struct event *ev), void *u);
/* Gives to fn what is due now. */
void coalesce_due(struct coalesce *c, int64_t boot, void (*fn)(void *u, struct event *ev), void *u);
bool coalesce_deadline(const struct coalesce *c, int64_t *ret_boot);
/* Raw events that did not go on by themselves. */
uint64_t coalesce_merged(const struct coalesce *c);
