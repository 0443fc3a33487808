// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/known.h"

#include "core/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

static bool touches(const struct known_part *p, uint64_t sector, uint32_t n)
{
	return sector < p->first + p->n && p->first < sector + n;
}

/* The newest that has it: of two reads of a sector the later one counts. */
static struct known_sector *find(const struct known *k, uint64_t sector)
{
	for (size_t i = k->n_parts; i-- > 0;)
		if (touches(&k->part[i], sector, 1))
			return &k->part[i].sector[sector - k->part[i].first];
	return NULL;
}

static int put(struct known_sector *s, const uint8_t *bytes)
{
	s->lost = false;
	if (memcmp(bytes, bytes + 1, SECTOR - 1) == 0) {
		free(s->bytes);
		*s = (struct known_sector){.fill = bytes[0]};
		return 0;
	}
	if (!s->bytes)
		s->bytes = malloc(SECTOR);
	s->lost = !s->bytes;
	if (s->bytes)
		memcpy(s->bytes, bytes, SECTOR);
	return s->bytes ? 0 : -ENOMEM;
}

/* A place for sectors that nothing is known of, or all of which one read gave before. */
static struct known_part *part_for(struct known *k, uint64_t sector, uint32_t n)
{
	struct known_part *p;

	for (size_t i = k->n_parts; i-- > 0;) {
		p = &k->part[i];
		if (sector >= p->first && sector + n <= p->first + p->n)
			return p;
		if (touches(p, sector, n))
			break;
	}
	if (k->n_parts == k->cap) {
		size_t cap = k->cap ? 2 * k->cap : 16;

		p = reallocarray(k->part, cap, sizeof(*p));
		if (!p)
			return NULL;
		k->part = p;
		k->cap = cap;
	}
	p = &k->part[k->n_parts];
	*p = (struct known_part){.first = sector, .n = n, .sector = calloc(n, sizeof(*p->sector))};
	if (!p->sector)
		return NULL;
	k->n_parts++;
	return p;
}

bool known_any(const struct known *k, uint64_t sector, uint32_t n)
{
	for (size_t i = 0; i < k->n_parts; i++)
		if (touches(&k->part[i], sector, n))
			return true;
	return false;
}

void known_lose(struct known *k, uint64_t sector, uint32_t n)
{
	bool any = known_any(k, sector, n);

	for (uint32_t i = 0; any && i < n; i++) {
		struct known_sector *s = find(k, sector + i);

		if (s)
			s->lost = true;
	}
}

int known_learn(struct known *k, uint64_t sector, const void *bytes, uint32_t n)
{
	struct known_part *p = n ? part_for(k, sector, n) : NULL;
	int r = p || n == 0 ? 0 : -ENOMEM;

	for (uint32_t i = 0; p && i < n; i++)
		if (put(&p->sector[sector - p->first + i], (const uint8_t *)bytes + (size_t)i * SECTOR) < 0)
			r = -ENOMEM;
	if (!p)
		known_lose(k, sector, n);
	return r;
}

void known_wrote(struct known *k, uint64_t sector, const void *bytes, uint32_t n)
{
	bool any = known_any(k, sector, n);

	for (uint32_t i = 0; any && i < n; i++) {
		struct known_sector *s = find(k, sector + i);

		if (s)
			put(s, (const uint8_t *)bytes + (size_t)i * SECTOR);
	}
}

bool known_get(const struct known *k, uint64_t sector, uint8_t ret[512])
{
	const struct known_sector *s = find(k, sector);

	if (!s || s->lost)
		return false;
	if (s->bytes)
		memcpy(ret, s->bytes, SECTOR);
	else
		memset(ret, s->fill, SECTOR);
	return true;
}

bool known_is(const struct known *k, uint64_t sector, const uint8_t *bytes)
{
	const struct known_sector *s = find(k, sector);

	if (!s || s->lost)
		return false;
	if (s->bytes)
		return memcmp(s->bytes, bytes, SECTOR) == 0;
	return bytes[0] == s->fill && memcmp(bytes, bytes + 1, SECTOR - 1) == 0;
}

void known_clear(struct known *k)
{
	for (size_t i = 0; i < k->n_parts; i++) {
		for (uint32_t s = 0; s < k->part[i].n; s++)
			free(k->part[i].sector[s].bytes);
		free(k->part[i].sector);
	}
	free(k->part);
	*k = (struct known){0};
}
