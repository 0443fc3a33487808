// SPDX-License-Identifier: GPL-2.0-or-later
/* Slices and stamps from a disk that may hold anything: what parses is within bounds, and encodes to what parses the
 * same. */
#include "actions/meta/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void slice(uint8_t *buf)
{
	static uint8_t whole[SLICE_SECTORS * 512];
	struct slice_super s, again;
	int r = slice_super_parse(buf, &s);

	if (r != 0 && r != -ENODATA && r != -EBADMSG)
		abort();
	if (slice_set_resync(buf, 0) != r)
		abort();
	if (r < 0)
		return;
	if (s.n_devices == 0 || s.n_devices > META_SLOTS_MAX || s.position >= s.n_devices)
		abort();
	slice_encode(&s, true, whole, sizeof(whole));
	if (slice_super_parse(whole, &again) < 0 || again.events != s.events || again.failed != s.failed ||
	    again.sectors != s.sectors || again.position != s.position)
		abort();
	memcpy(whole + 4096 + 52, buf + 4092, 4); /* the bitmap's regions, of any size */
	r = slice_resync_from(whole, s.array_sectors, s.sectors, s.resync_offset);
	if (r != 0 && r != -EBADMSG)
		abort();
	if (slice_super_parse(whole, &again) < 0 || again.sectors != s.sectors || (r == 0 && again.resync_offset))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf = aligned_alloc(4096, 4096), *copy = aligned_alloc(4096, 4096);
	struct stamp s;
	int r;

	if (!buf || !copy)
		abort();
	memset(buf, 0, 4096);
	memcpy(buf, data, MIN(size, (size_t)4096));
	r = stamp_parse(buf, &s);
	if (r == 0) {
		struct stamp again;

		stamp_encode(&s, copy);
		if (stamp_parse(copy, &again) < 0 || again.epoch != s.epoch || strcmp(again.volume, s.volume) != 0)
			abort();
	} else if (r != -ENODATA && r != -EBADMSG) {
		abort();
	}
	slice(buf);
	free(buf);
	free(copy);
	return 0;
}
