// SPDX-License-Identifier: GPL-2.0-or-later
/* Intrusive doubly linked list. The head is a node of its own; an unlinked node points to itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts node before pos: at the tail when pos is the head. */
static inline void list_insert(struct list *pos, struct list *node)
{
	node->prev = pos->prev;
	node->next = pos;
	pos->prev->next = node;
	pos->prev = node;
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* pos: a pointer to the containing struct. The entry may be removed and freed in the body. */
#define list_foreach(pos, head, member)                                                                                \
	for (struct list *it_ = (head)->next, *nx_;                                                                    \
	     nx_ = it_->next, (pos) = container_of(it_, __typeof__(*(pos)), member), it_ != (head); it_ = nx_)
