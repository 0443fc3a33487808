// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink attributes as the kernel writes them, for the tests of what reads them (linux/netlink.h: struct nlattr). */
#pragma once

#include <stdint.h>
#include <string.h>

struct attrs {
	_Alignas(4) uint8_t bytes[1024];
	size_t len;
};

/* Returns where it begins, for attrs_end of a nested one. */
static inline size_t attrs_put(struct attrs *a, unsigned type, const void *data, size_t len)
{
	const uint16_t head[2] = {(uint16_t)(4 + len), (uint16_t)type};
	size_t at = a->len;

	memcpy(a->bytes + at, head, 4);
	if (len)
		memcpy(a->bytes + at + 4, data, len);
	a->len = (at + 4 + len + 3) & ~(size_t)3;
	return at;
}

static inline void attrs_u32(struct attrs *a, unsigned type, uint32_t v)
{
	attrs_put(a, type, &v, sizeof(v));
}

static inline void attrs_u64(struct attrs *a, unsigned type, uint64_t v)
{
	attrs_put(a, type, &v, sizeof(v));
}

static inline void attrs_text(struct attrs *a, unsigned type, const char *text)
{
	attrs_put(a, type, text, strlen(text) + 1);
}

/* All since at is inside the attribute that begins there. */
static inline void attrs_end(struct attrs *a, size_t at)
{
	const uint16_t len = (uint16_t)(a->len - at);

	memcpy(a->bytes + at, &len, 2);
}
