// SPDX-License-Identifier: GPL-2.0-or-later
/* A message of a generic netlink family that is described (config/genl.h), as an event. Pure. */
#pragma once

#include "config/genl.h"
#include "core/event.h"

struct genl_heard {
	struct event *event;	    /* without a device: its name is below */
	char device[GENL_TEXT_MAX]; /* name of the kernel's block device; empty: it is about none */
};

/* payload: what follows the generic netlink header. 1: *ret has an event, which is the caller's, with what was decoded
 * in extra, by path. 0: the description does not have this command. -EBADMSG: the message is not as it is described,
 * and nothing of it is used; -ENOMEM. Attributes that are not described are passed over. */
int genl_decode(const struct genl_desc *g, const char *source, uint8_t command, const void *payload, size_t len,
		struct genl_heard *ret, struct err *e);
