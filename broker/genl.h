// SPDX-License-Identifier: GPL-2.0-or-later
/* Generic netlink on the loop: one socket, which hears of families that come and go, and of the groups that it joined.
 * Families have a number only while they are there: they are found by name, each time that they come. Sources: the
 * kernel's net/netlink/genetlink.c (ctrl_dumpfamily, genl_ctrl_event), net/netlink/af_netlink.c (netlink_overrun). */
#pragma once

#include "broker/loop.h"
#include "core/err.h"

#include <stdbool.h>

enum { GENL_GROUPS_MAX = 16 };

struct genl_found {
	uint16_t id;
	uint8_t version;
	uint32_t header; /* bytes of the family's own header */
	struct {
		char name[16];
		uint32_t id;
	} groups[GENL_GROUPS_MAX];
	size_t n_groups;
};

struct genl_ops {
	/* A message of the kernel: what follows the generic netlink header. */
	void (*message)(void *u, uint16_t family, uint8_t command, const void *payload, size_t len);
	/* A family came or went. */
	void (*family)(void *u, const char *name, bool there);
	/* What was ready has been told by the two above. lost: messages that the full socket dropped, told when it is
	 * empty. The last call: the socket may be freed in it. */
	void (*drained)(void *u, uint64_t lost);
	/* A message that did not come from the kernel, or is none. */
	void (*refused)(void *u);
	void *u;
};

struct genl;

/* 0 or -errno. It hears of families from now on. */
int genl_new(struct loop *l, const struct genl_ops *ops, struct genl **ret, struct err *e);
void genl_free(struct genl *g);
DEFINE_CLEANUP(struct genl *, genl_free)
/* Tells what waits, without drained. The number that was lost. */
uint64_t genl_read(struct genl *g);
/* 0, -ENOENT: there is no such group (of a family that was found); -EPERM, .. */
int genl_join(struct genl *g, const struct genl_found *f, const char *group, struct err *e);
/* Sends a request without attributes; what is answered comes as a message. */
int genl_request(struct genl *g, const struct genl_found *f, uint8_t command, struct err *e);

/* Looks for a family among those that are there; no module is loaded for it. 0, -ENOENT, or another -errno. */
int genl_find(const char *name, struct genl_found *ret, struct err *e);
/* Asks for a family by name, in a process of its own, for the kernel then loads the module that has this name as an
 * alias, and waits. If it comes, it is told as one that came. */
void genl_ask_for(const char *name);
