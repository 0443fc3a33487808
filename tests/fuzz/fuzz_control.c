// SPDX-License-Identifier: GPL-2.0-or-later
/* The control protocol up to where a request is run: lines, JSON, the check against the table of verbs. */
#include "broker/request.h"
#include "core/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_in in = {0};
	struct err e = {0};
	json_t *j;
	int r;

	if (size > WIRE_LINE_MAX)
		return 0;
	buf_addn(&in.b, data, size);
	buf_addc(&in.b, '\n');
	while ((r = wire_next(&in, &j, &e)) != 0) {
		struct request_check rc;

		if (r == -EBADMSG)
			continue;
		if (r < 0)
			break;
		for (int root = 0; root < 2; root++)
			if (request_check(j, root, &rc) < 0 && (!rc.code || strlen(rc.message) >= sizeof(rc.message)))
				abort();
		json_decref(j);
	}
	wire_in_free(&in);
	return 0;
}
