// SPDX-License-Identifier: GPL-2.0-or-later
/* The history's process: a line of JSON each, rows ("row") as the broker writes them, and questions as people ask
 * them. "raw TABLE KEY TEXT" is a row as it lies in the file, which others may have written to. */
#include "broker/history_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct history *history;

static void take_json(const char *line)
{
	json_t *j = json_loads(line, 0, NULL), *answer = NULL;
	struct err e = {0};

	if (json_object_get(j, "row"))
		history_put(history, j, &e);
	else if (json_is_object(j) && history_query(history, j, 1 << 16, &answer, &e) == 0 && !json_is_object(answer))
		abort();
	json_decref(answer);
	json_decref(j);
}

static void put_raw(char *line, int seq)
{
	const char *table = strsep(&line, " "), *key = strsep(&line, " ");

	if (!key || !line)
		return;
	sqlite3_bind_int64(history->put, 1, 1);
	sqlite3_bind_int64(history->put, 2, seq);
	bind_text(history->put, 3, table);
	bind_text(history->put, 4, key);
	sqlite3_bind_int64(history->put, 5, seq);
	bind_text(history->put, 6, "wwn-1");
	bind_text(history->put, 9, "block.error");
	bind_text(history->put, 10, line);
	sqlite3_step(history->put);
	sqlite3_reset(history->put);
	sqlite3_clear_bindings(history->put);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = size < 65536 ? strndup((const char *)data, size) : NULL, *rest = text, *line;
	struct err e = {0};

	if (!history && history_open(":memory:", 1, &history, &e) < 0)
		abort();
	history_begin(history, false, &e);
	for (int seq = 1000; (line = strsep(&rest, "\n")) != NULL; seq++) {
		if (strncmp(line, "raw ", 4) == 0)
			put_raw(line + 4, seq);
		else
			take_json(line);
	}
	json_decref(history_state(history));
	json_decref(history_unfinished(history));
	history_undo(history);
	free(text);
	return 0;
}
