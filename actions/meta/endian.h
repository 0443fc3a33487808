// SPDX-License-Identifier: GPL-2.0-or-later
/* Big-endian numbers of on-disk structures as types of their own: forgetting to swap one does not compile. */
#pragma once

#include <endian.h>
#include <stdint.h>

typedef struct {
	uint16_t raw;
} be16;
typedef struct {
	uint32_t raw;
} be32;
typedef struct {
	uint64_t raw;
} __attribute__((packed, aligned(4))) be64; /* DDF keeps 64-bit numbers at multiples of 4 */

static inline uint16_t be16_get(be16 v)
{
	return be16toh(v.raw);
}
static inline uint32_t be32_get(be32 v)
{
	return be32toh(v.raw);
}
static inline uint64_t be64_get(be64 v)
{
	return be64toh(v.raw);
}
static inline be16 be16_of(uint16_t v)
{
	return (be16){htobe16(v)};
}
static inline be32 be32_of(uint32_t v)
{
	return (be32){htobe32(v)};
}
static inline be64 be64_of(uint64_t v)
{
	return (be64){htobe64(v)};
}
