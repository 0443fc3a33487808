// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/before.h"
#include "cli/client.h"
#include "cli/output.h"

#include <errno.h>

enum { ROWS = 1000 };

int before_page(struct cli *c, const char *plan, int64_t before, json_t **ret)
{
	json_t *request = client_request("history");

	json_object_set_new(request, "table", json_string("before"));
	json_object_set_new(request, "limit", json_integer(ROWS));
	request_text(request, "plan", plan);
	if (before)
		json_object_set_new(request, "before", json_integer(before));
	return client_ask(c, request, ret);
}

static int each_row(void *u, const char *plan, bool (*fn)(void *u, const json_t *row), void *fn_u)
{
	int64_t before = 0;
	bool more = true;

	while (more) {
		json_t *answer = NULL, *row;
		int status = before_page(u, plan, before, &answer);
		size_t i;

		more = status == CLI_OK && j_bool(answer, "more");
		json_array_foreach(j_list(answer, "rows"), i, row)
		{
			before = j_int(row, "id");
			more = fn(fn_u, row) && more;
		}
		json_decref(answer);
		if (status != CLI_OK)
			return status;
	}
	return CLI_OK;
}

int before_ask(struct cli *c, const char *plan, struct image **ret)
{
	const struct before_rows rows = {.each = each_row, .u = c};
	struct err e = {0};
	int r = before_lay(&rows, plan, ret, &e);

	if (r == -ENOENT)
		return cli_fail(c, CLI_NO, "not-found",
				"%s: it wrote over nothing, or the history has forgotten it (keep.time and keep.images "
				"in spared.yaml)",
				e.msg);
	return r < 0 ? cli_fail_err(c, CLI_NO, &e) : r;
}
