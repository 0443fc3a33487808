// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages of trace_pipe_raw (first byte 0), the texts of `format`, `header_page` and CPU lists (another first byte). */
#include "broker/tracefs_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *u, const struct trace_error *te)
{
	*(uint64_t *)u += te->sector + strlen(te->rwbs);
}

static int count(void *u, unsigned cpu)
{
	*(uint64_t *)u += cpu;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define FIELDS .type = {0, 2}, .dev = {8, 4}, .sector = {16, 8}, .nr_sector = {24, 4}, .error = { 28, 4 }
	/* As the source has them: failed requests and failed bios in one buffer; the second with a field that may not
	 * fit. */
	static const struct trace_format formats[] = {{.id = 1063, FIELDS, .rwbs = {32, 8}},
						      {.id = 1058, FIELDS, .rwbs = {34, 10}}};
	static const struct trace_layout layout = {.commit_offset = 8, .commit_size = 8, .data_offset = 16};
	uint64_t sum = 0, lost = 0;
	struct trace_layout l;
	struct trace_format f;
	char *text;

	if (size == 0 || size > 65536)
		return 0;
	if (data[0] == 0) {
		/* A copy, so that a read beyond the end is seen. */
		text = malloc(size);
		memcpy(text, data + 1, size - 1);
		trace_page_decode(text, size - 1, &layout, formats, 2, hear, &sum, &lost, NULL);
	} else {
		text = strndup((const char *)data + 1, size - 1);
		trace_format_parse(text, &f, NULL);
		trace_layout_parse(text, &l, NULL);
		cpu_list_parse(text, count, &sum);
	}
	free(text);
	return 0;
}
