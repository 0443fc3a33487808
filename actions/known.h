// SPDX-License-Identifier: GPL-2.0-or-later
/* What a disk holds where its format and our stamps lie, as it was read and as it was written since: so that what a
 * write overwrites is known without another read. Sectors that are filled with one byte, which most are, take no room.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known_sector {
	uint8_t *bytes; /* NULL: all of it is .fill */
	uint8_t fill;
	bool lost; /* it may have been written, or there was no memory to keep what */
};

/* As one read gave it. */
struct known_part {
	uint64_t first;
	uint32_t n;
	struct known_sector *sector;
};

struct known {
	size_t n_parts, cap;
	struct known_part *part;
};

/* The disk was read. -ENOMEM: these sectors are not known. */
int known_learn(struct known *k, uint64_t sector, const void *bytes, uint32_t n);
/* It was written: of what is known. */
void known_wrote(struct known *k, uint64_t sector, const void *bytes, uint32_t n);
/* It may have been written, or not. */
void known_lose(struct known *k, uint64_t sector, uint32_t n);
/* False: it is not known. */
bool known_get(const struct known *k, uint64_t sector, uint8_t ret[512]);
/* It is known, and is this. */
bool known_is(const struct known *k, uint64_t sector, const uint8_t *bytes);
/* Some of these sectors may be known. */
bool known_any(const struct known *k, uint64_t sector, uint32_t n);
void known_clear(struct known *k);
