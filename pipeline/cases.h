// SPDX-License-Identifier: GPL-2.0-or-later
/* Cases: what is known and pending about one sick device.
 *
 * Opened by an error, an absence or a failure of a member or a spare. It collects counts and what was done. Closed when
 * the device serves again and was quiet for an hour, or when another device has taken its place and is in sync. */
#pragma once

#include "pipeline/inventory.h"

struct cases;

int cases_new(struct cases **ret);
void cases_free(struct cases *c);
DEFINE_CLEANUP(struct cases *, cases_free)
void cases_clear(struct cases *c); /* forgets all */

/* Looks at an event that the inventory has taken in. store is called with the row of each case that was opened, grew in
 * what was done, or closed: {"device","name","array","slot","opened","why","errors","last","notes","closed"}. Borrowed.
 */
void cases_event(struct cases *c, struct inventory *inv, const struct event *ev,
		 void (*store)(void *u, const json_t *row), void *u);
/* What was done about a device, one line. No case: nothing. */
void cases_note(struct cases *c, const char *device, int64_t wall, const char *text);
/* Closes what is over. */
void cases_settle(struct cases *c, struct inventory *inv, int64_t boot, int64_t wall,
		  void (*store)(void *u, const json_t *row), void *u);
/* The next moment at which one may be over by being quiet. False: none. */
bool cases_deadline(const struct cases *c, int64_t *ret_boot);
/* A list of the open ones' rows. A new reference. */
json_t *cases_to_json(const struct cases *c);
/* boot: now. */
json_t *cases_save(const struct cases *c, int64_t boot);
int cases_restore(struct cases *c, struct inventory *inv, const json_t *j, int64_t boot, struct err *e);
