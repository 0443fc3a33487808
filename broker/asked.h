// SPDX-License-Identifier: GPL-2.0-or-later
/* Who asked for a change, and what came of it: a row of the history, and a message for subscribers. */
#pragma once

#include "broker/broker.h"

/* What /proc tells of the process at the socket's other side; what it does not tell stays as it is. */
void asked_look(struct peer *peer);
/* Records that the peer asked for verb. plan: id of the plan that it became, ""; refusal: why it did not, NULL: done or
 * begun. */
void asked_record(struct broker *b, const struct peer *peer, const char *verb, const json_t *request, const char *plan,
		  const char *refusal);
