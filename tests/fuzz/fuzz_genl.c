// SPDX-License-Identifier: GPL-2.0-or-later
/* A description of a generic netlink family, a zero byte, a command, and a message of it: whatever both say, an error
 * or an event whose facts are valid. */
#include "broker/genl_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = strnlen((const char *)data, size), rest = size - len;
	struct genl_heard heard;
	struct genl_desc g;
	uint8_t *payload;
	struct diag d;

	if (size > 65536)
		return 0;
	diag_init(&d);
	if (genl_desc_parse(&g, "fuzz.yaml", (const char *)data, len, &d) == 0 && rest >= 2) {
		/* A copy, so that a read beyond the end is seen. */
		payload = malloc(rest > 2 ? rest - 2 : 1);
		memcpy(payload, data + len + 2, rest - 2);
		if (genl_decode(&g, "genl", data[len + 1], payload, rest - 2, &heard, NULL) > 0) {
			json_decref(event_to_json(heard.event));
			event_free(heard.event);
		}
		free(payload);
	}
	genl_desc_finish(&g);
	diag_finish(&d);
	return 0;
}
