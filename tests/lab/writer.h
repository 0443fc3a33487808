/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lab's verifying writer (writer.c) writes: every 512-byte sector names its block, generation and place and
 * has a checksum, so that a write which a power cut tore apart can be told from one that went wrong.
 */
#pragma once

#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096, SECTOR = 512, PER_BLOCK = BLOCK / SECTOR };

static const char magic[8] = "labwrite";

struct sector {
	char magic[8];
	uint64_t seed, block, generation, place, checksum;
	uint64_t filling[(SECTOR - 48) / 8];
};
_Static_assert(sizeof(struct sector) == SECTOR, "a sector is a sector");

static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline uint64_t checksum(const struct sector *s)
{
	uint64_t sum = mix(s->seed ^ mix(s->block ^ mix(s->generation ^ mix(s->place))));
	for (size_t i = 0; i < sizeof s->filling / 8; i++)
		sum = (sum ^ s->filling[i]) * 0x100000001b3;
	return sum;
}

/* The generation of a sector, or -1 when it is none of ours at this place. */
static inline int64_t sector_generation(const uint8_t *buf, uint64_t seed, uint64_t block, int place)
{
	struct sector s;
	memcpy(&s, buf + (size_t)place * SECTOR, SECTOR);
	if (memcmp(s.magic, magic, 8) != 0 || s.seed != seed || s.block != block || s.place != (uint64_t)place ||
	    s.checksum != checksum(&s))
		return -1;
	return (int64_t)s.generation;
}
