// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/dm_list.h"

#include <errno.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 16384 }; /* devices */

static int entry_order(const void *a, const void *b)
{
	const struct dm_list_entry *x = a, *y = b;
	int r = strcmp(x->uuid, y->uuid);

	return r ? r : strcmp(x->name, y->name);
}

/* One struct dm_name_list at p: u64 dev, u32 next, name and NUL; aligned to 8: u32 event_nr, u32 flags; aligned to 8:
 * the UUID if flags say so. left: bytes from p to the end of the data. */
static int decode_entry(const uint8_t *p, size_t left, struct dm_list_entry *ret, uint32_t *next, struct err *e)
{
	const size_t name_at = offsetof(struct dm_name_list, name);
	uint32_t flags;
	size_t at, name_len;

	if (left < name_at + 1)
		return err_set(e, EBADMSG, "the device list ends within an entry");
	memcpy(&ret->dev, p, sizeof(ret->dev));
	memcpy(next, p + offsetof(struct dm_name_list, next), sizeof(*next));
	name_len = strnlen((const char *)p + name_at, left - name_at);
	if (name_len == left - name_at || name_len >= sizeof(ret->name))
		return err_set(e, EBADMSG, "the device list has an unterminated name");
	memcpy(ret->name, p + name_at, name_len + 1);
	at = (name_at + name_len + 1 + 7) & ~(size_t)7;
	if (at + 8 > left)
		return err_set(e, EBADMSG, "the device list has no event number for %s", ret->name);
	memcpy(&ret->event_nr, p + at, sizeof(ret->event_nr));
	memcpy(&flags, p + at + 4, sizeof(flags));
	ret->uuid[0] = '\0';
	if (!(flags & DM_NAME_LIST_FLAG_HAS_UUID))
		return 0;
	at += 8;
	name_len = strnlen((const char *)p + at, left - at);
	if (name_len == left - at || name_len >= sizeof(ret->uuid))
		return err_set(e, EBADMSG, "the device list has an unterminated UUID for %s", ret->name);
	memcpy(ret->uuid, p + at, name_len + 1);
	return 0;
}

static int append(struct dm_list *l, size_t *cap, const struct dm_list_entry *entry)
{
	if (l->n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct dm_list_entry *p = reallocarray(l->entries, more, sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->entries = p;
		*cap = more;
	}
	l->entries[l->n++] = *entry;
	return 0;
}

int dm_list_decode(const void *data, size_t len, const char *prefix, struct dm_list *ret, struct err *e)
{
	_cleanup_(dm_list_finish) struct dm_list l = {0};
	const uint8_t *bytes = data;
	struct dm_ioctl head;
	size_t at, end, cap = 0;
	uint32_t next = 0;

	if (len < sizeof(head))
		return err_set(e, EBADMSG, "the device list is shorter than its header");
	memcpy(&head, data, sizeof(head));
	at = head.data_start;
	end = head.data_size;
	if (end > len || at > end)
		return err_set(e, EBADMSG, "the device list says %zu to %zu of %zu bytes", at, end, len);
	for (size_t i = 0; at < end; i++, at += next) {
		struct dm_list_entry entry = {0};
		int r = decode_entry(bytes + at, end - at, &entry, &next, e);

		if (r < 0)
			return r;
		/* An empty list is one entry without a device. */
		if (entry.dev == 0 && i == 0)
			break;
		if (strncmp(entry.uuid, prefix, strlen(prefix)) == 0 && append(&l, &cap, &entry) < 0)
			return err_sys(e, ENOMEM, "device list");
		if (next == 0)
			break;
		if (next > end - at || i >= LIST_MAX)
			return err_set(e, EBADMSG, "the device list's entry %zu points beyond its end", i);
	}
	if (l.n)
		qsort(l.entries, l.n, sizeof(*l.entries), entry_order);
	*ret = TAKE(l, (struct dm_list){0});
	return 0;
}

void dm_list_finish(struct dm_list *l)
{
	free(l->entries);
	*l = (struct dm_list){0};
}

void dm_list_diff(const struct dm_list *before, const struct dm_list *now,
		  void (*fn)(void *u, enum dm_change change, const struct dm_list_entry *entry), void *u)
{
	size_t b = 0, n = 0;

	while (b < before->n || n < now->n) {
		int order = b == before->n ? 1 : n == now->n ? -1 : entry_order(&before->entries[b], &now->entries[n]);

		if (order < 0) {
			fn(u, DM_CHANGE_REMOVED, &before->entries[b++]);
		} else if (order > 0) {
			fn(u, DM_CHANGE_ADDED, &now->entries[n++]);
		} else {
			const struct dm_list_entry *was = &before->entries[b++], *is = &now->entries[n++];

			if (was->event_nr != is->event_nr || was->dev != is->dev)
				fn(u, DM_CHANGE_EVENT, is);
		}
	}
}
