// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies on what: the kernel's block devices by number, and of which others each is made, as udev and sysfs tell
 * when it comes or changes. An error that a stack of devices hands upwards is told once, by the lowest that told it:
 * the same error of a device above is dropped. One that nobody below tells goes on, a little later. Pure: time is
 * given. */
#pragma once

#include "actions/world.h"
#include "core/clock.h"
#include "core/event.h"
#include "pipeline/normalise.h"

/* How far apart in time errors of one stack are one. */
#define STACK_WINDOW_NS NS_PER_SEC
/* How long an error waits for one below it: what a CPU tells is read after what another one told, whatever was first.
 */
#define STACK_HOLD_NS (200 * NS_PER_MS)
enum { STACK_LOWERS_MAX = 256, STACK_HELD_MAX = 64, STACK_TOLD_MAX = 256 };

struct stack_device {
	struct raw_number number;
	char id[DEVICE_ID_MAX], name[32]; /* stable identity, kernel name */
	bool layer;			  /* no disk, but its errors are told */
	bool gone;			  /* removed, and something still lies on it */
	bool seen;			  /* since stack_rescan */
	struct raw_number *lowers;
	size_t n_lowers;
	unsigned mark; /* of the last search */
};

struct stack;

int stack_new(struct stack **ret);
void stack_free(struct stack *s);
DEFINE_CLEANUP(struct stack *, stack_free)

/* The device came, changed or went, by its action. Partitions are not kept. 0 or -ENOMEM. */
int stack_device(struct stack *s, const struct raw_device *raw);
/* Enumeration begins; at its end devices that were not told are forgotten. */
void stack_rescan(struct stack *s);
void stack_unseen(struct stack *s);
/* NULL: not known. One that is gone is found while something lies on it. */
const struct stack_device *stack_find(const struct stack *s, struct raw_number number);

/* Takes ev, a block.error. Gives to fn what goes on now. counted: rules count on this device, it goes on in any case.
 */
void stack_error(struct stack *s, struct event *ev, bool counted, int64_t boot, void (*fn)(void *u, struct event *ev),
		 void *u);
/* Gives to fn what has waited long enough. */
void stack_due(struct stack *s, int64_t boot, void (*fn)(void *u, struct event *ev), void *u);
bool stack_deadline(const struct stack *s, int64_t *ret_boot);
/* Raw errors that were dropped as copies. */
uint64_t stack_copies(const struct stack *s);
