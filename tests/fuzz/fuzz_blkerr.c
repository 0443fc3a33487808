// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages of the module blkerr: the command, three bytes that stand for the rest of the header, the attributes. */
#include "broker/blkerr_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blkerr_message m;
	uint8_t *payload;

	if (size < 4 || size > 65536)
		return 0;
	/* A copy, so that a read beyond the end is seen. */
	payload = malloc(size - 4 ? size - 4 : 1);
	memcpy(payload, data + 4, size - 4);
	if (blkerr_decode(data[0], payload, size - 4, &m, NULL) == 0 && strnlen(m.operation, sizeof(m.operation)) == 12)
		abort();
	free(payload);
	return 0;
}
