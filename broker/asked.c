// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/asked.h"

#include "broker/request.h"
#include "core/clock.h"
#include "core/file.h"

#include <stdio.h>
#include <string.h>

/* One short line of a file of /proc. */
static bool read_line(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_line(path, text, size);
}

void asked_look(struct peer *peer)
{
	char text[32];
	unsigned long uid;

	if (peer->pid <= 0)
		return;
	if (read_line(peer->pid, "comm", text, sizeof(text)))
		snprintf(peer->program, sizeof(peer->program), "%.16s", text);
	/* Who logged in stays known through su and sudo; all ones: nobody did, it is a service. */
	if (read_line(peer->pid, "loginuid", text, sizeof(text)) && sscanf(text, "%lu", &uid) == 1)
		peer->login = (uid_t)uid;
}

/* The name that the request has, as an id where it is known: rows are found by ids. */
static void add_id(json_t *row, const struct broker *b, const json_t *request, const char *key,
		   const char *(*find)(const struct pipeline *p, const char *name))
{
	const char *name = json_string_value(json_object_get(request, key));
	const char *id = name ? find(b->pipeline, name) : NULL;

	if (name)
		json_object_set_new(row, key, json_string(id ? id : name));
}

void asked_record(struct broker *b, const struct peer *peer, const char *verb, const json_t *request, const char *plan,
		  const char *refusal)
{
	_cleanup_(buf_free) struct buf program = {0};
	json_t *row, *msg;

	value_escape(peer->program, sizeof(peer->program), &program);
	row = json_pack("{s:s s:I s:I s:I s:s s:O s:s s:s}", "kind", verb, "wall",
			(json_int_t)clock_wall(&clock_system), "uid", (json_int_t)peer->uid, "pid",
			(json_int_t)peer->pid, "program", buf_str(&program), "request", request, "plan", plan, "result",
			refusal ? "refused"
			: *plan ? "planned"
				: "done");
	if (!row)
		return;
	if (refusal)
		json_object_set_new(row, "reason", json_string(refusal));
	if (peer->login != (uid_t)-1)
		json_object_set_new(row, "login-uid", json_integer((json_int_t)peer->login));
	add_id(row, b, request, "device", pipeline_find_device);
	add_id(row, b, request, "array", pipeline_find_array);
	recorder_store(b->recorder, "command", row, NULL, false);
	msg = json_pack("{s:s s:O}", "type", "command", "command", row);
	if (msg && b->control)
		control_publish(b->control, TYPE_COMMAND, msg);
	json_decref(msg);
	json_decref(row);
}
