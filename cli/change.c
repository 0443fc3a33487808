// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/output.h"

#include "core/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A whole number that is not negative. */
static int set_number(struct cli *c, json_t *request, const char *key, const char *text)
{
	struct value v;

	if (!text)
		return CLI_OK;
	if (value_parse(V_INT, NULL, text, &v, NULL) < 0 || v.i < 0)
		return cli_fail(c, CLI_USAGE, "usage", "--%s: '%s' is not a number", key, text);
	json_object_set_new(request, key, json_integer(v.i));
	return CLI_OK;
}

/* "array stop" is the verb array-stop of the protocol. */
static json_t *request_of(const struct cli *c)
{
	char verb[64];

	snprintf(verb, sizeof(verb), "%s", c->verb->name);
	for (char *p = verb; *p; p++)
		*p = *p == ' ' ? '-' : *p;
	return client_request(verb);
}

static void print_answer(const struct cli *c, const json_t *answer)
{
	_cleanup_(buf_free) struct buf out = {0};
	const json_t *plan = j_list(answer, "plan");
	const char *result = j_str(answer, "result");

	if (json_array_size(plan) == 0)
		buf_add(&out, "nothing to do: it is already so\n");
	out_lines(&out, plan, GIVEN(c, DRY_RUN) ? "would do: " : "");
	out_lines(&out, j_list(answer, "show"), "");
	if (GIVEN(c, DRY_RUN) && j_int(answer, "until")) {
		buf_add(&out, "possible until ");
		out_time(&out, j_int(answer, "until"), false);
		buf_add(&out, ", unless the set is written before\n");
	}
	if (j_str(answer, "plan-id")[0] && !GIVEN(c, DRY_RUN)) {
		out_text(&out, j_str(answer, "plan-id"));
		buf_addf(&out, ": %s", result[0] ? result : "queued");
		if (j_str(answer, "reason")[0]) {
			buf_add(&out, ": ");
			out_text(&out, j_str(answer, "reason"));
		}
		buf_addc(&out, '\n');
	}
	out_flush(&out);
}

/* Sends a changing request; takes it. */
static int send_change(struct cli *c, json_t *request)
{
	json_t *answer;
	int status;

	request_flag(request, "dry-run", c->opt[OPT_DRY_RUN]);
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	else if (status == CLI_OK)
		print_answer(c, answer);
	json_decref(answer);
	return status;
}

int cli_change(struct cli *c, json_t *request)
{
	if (!GIVEN(c, NO_WAIT))
		request_flag(request, "wait", "");
	return send_change(c, request);
}

/* ---- array ---- */

static int confirm_force(struct cli *c, const char *array)
{
	if (!GIVEN(c, FORCE) || GIVEN(c, YES) || GIVEN(c, DRY_RUN))
		return CLI_OK;
	fprintf(stderr,
		"A forced start of %s takes members back that were failed while the array went on without them. What "
		"was\n"
		"written since may be lost or mixed with old data, and file systems on it may be damaged. Where the "
		"data\n"
		"matter, copy the members first. 'sparectl array start %s --force --dry-run' shows what would be "
		"done.\n"
		"Type the array's name to go on: ",
		array, array);
	if (cli_confirm(array))
		return CLI_OK;
	return cli_fail(c, CLI_REFUSED, "refused", "not confirmed; nothing was done (--yes skips the question)");
}

int verb_array(struct cli *c)
{
	const char *word = strchr(c->verb->name, ' ') + 1;
	bool whole = strcmp(word, "start") == 0 || strcmp(word, "stop") == 0;
	json_t *request;

	if (confirm_force(c, c->args[0]) != CLI_OK)
		return CLI_REFUSED;
	request = request_of(c);
	if (whole) {
		request_text(request, "array", c->args[0]);
		request_flag(request, "force", c->opt[OPT_FORCE]);
		request_flag(request, "degraded", c->opt[OPT_DEGRADED]);
		request_flag(request, "read-only", c->opt[OPT_READ_ONLY]);
	} else {
		request_text(request, "array", c->n_args > 1 ? c->args[0] : NULL);
		request_text(request, "device", c->args[c->n_args - 1]);
	}
	return cli_change(c, request);
}

/* [ARRAY] DEVICE */
static json_t *member_request(struct cli *c)
{
	json_t *request = request_of(c);

	request_text(request, "array", c->n_args > 1 ? c->args[0] : NULL);
	request_text(request, "device", c->args[c->n_args - 1]);
	return request;
}

int verb_replace(struct cli *c)
{
	json_t *request = member_request(c);

	request_text(request, "with", c->opt[OPT_WITH]);
	request_flag(request, "cancel", c->opt[OPT_CANCEL]);
	return cli_change(c, request);
}

int verb_copy_back(struct cli *c)
{
	json_t *request = member_request(c);

	request_flag(request, "always", c->opt[OPT_ALWAYS]);
	return cli_change(c, request);
}

int verb_scrub(struct cli *c)
{
	json_t *request = client_request("array-scrub");

	request_text(request, "array", c->args[0]);
	request_text(request, "mode", strchr(c->verb->name, ' ') + 1);
	request_flag(request, "cancel", c->opt[OPT_CANCEL]);
	return cli_change(c, request);
}

int verb_read_last(struct cli *c)
{
	json_t *request = member_request(c);

	request_flag(request, "off", c->opt[OPT_OFF]);
	return cli_change(c, request);
}

/* A rate, "max", or "default": whatever the kernel's own limits are. */
int verb_speed(struct cli *c)
{
	json_t *request = request_of(c);
	const char *limit = c->args[1];
	struct err e = {0};
	struct value v;

	request_text(request, "array", c->args[0]);
	if (strcmp(limit, "max") == 0) {
		request_text(request, "limit", limit);
	} else if (strcmp(limit, "default") != 0) {
		if (value_parse(V_RATE, NULL, limit, &v, &e) < 0 || v.u == 0) {
			json_decref(request);
			return cli_fail(c, CLI_USAGE, "usage", "'%s' is not a rate as 50MiB/s, 'max' or 'default'%s%s",
					limit, e.msg[0] ? ": " : "", e.msg);
		}
		json_object_set_new(request, "limit", json_integer((json_int_t)v.u));
	}
	return cli_change(c, request);
}

/* ---- spare ---- */

int verb_spare(struct cli *c)
{
	bool activate = strcmp(c->verb->name, "spare activate") == 0;
	json_t *request = request_of(c);

	if (activate) {
		request_text(request, "array", c->args[0]);
		request_text(request, "device", c->args[1]);
		if (set_number(c, request, "slot", c->opt[OPT_SLOT]) != CLI_OK) {
			json_decref(request);
			return CLI_USAGE;
		}
	} else {
		request_text(request, "device", c->args[0]);
		request_text(request, "array", c->opt[OPT_ARRAY]);
		request_flag(request, "revertible", c->opt[OPT_REVERTIBLE]);
		request_flag(request, "enclosure", c->opt[OPT_ENCLOSURE]);
	}
	return cli_change(c, request);
}

/* ---- disks and paths ---- */

/* It may take days: nobody waits for it. */
int verb_disk_check(struct cli *c)
{
	json_t *request = client_request(GIVEN(c, CANCEL) ? "disk-check-stop" : "disk-check"), *answer;
	struct value v;
	struct err e = {0};
	int status;

	request_text(request, "device", c->args[0]);
	if (GIVEN(c, SPEED) && value_parse(V_RATE, NULL, c->opt[OPT_SPEED], &v, &e) < 0) {
		json_decref(request);
		return cli_fail(c, CLI_USAGE, "usage", "--speed: %s", e.msg);
	}
	if (GIVEN(c, SPEED) && !GIVEN(c, CANCEL))
		json_object_set_new(request, "speed", json_integer((json_int_t)v.u));
	if (!GIVEN(c, CANCEL))
		return send_change(c, request);
	if (GIVEN(c, DRY_RUN)) {
		json_decref(request);
		printf("would end the reading of %s\n", c->args[0]);
		return CLI_OK;
	}
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	json_decref(answer);
	return status;
}

int verb_disk_light(struct cli *c)
{
	json_t *request = request_of(c);

	request_text(request, "device", c->args[0]);
	request_text(request, "as", c->args[1]);
	return cli_change(c, request);
}

int verb_path(struct cli *c)
{
	json_t *request = request_of(c);

	request_text(request, strncmp(c->verb->name, "map ", 4) == 0 ? "map" : "path", c->args[0]);
	return cli_change(c, request);
}

/* ---- maintenance ---- */

/* Whether the word names an array; else it is taken as a device's. */
static int names_array(struct cli *c, const char *word, bool *ret)
{
	json_t *answer;
	const json_t *list;
	int status = client_ask(c, client_request("status"), &answer);

	*ret = false;
	list = j_list(json_object_get(answer, "status"), "arrays");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *a = json_array_get(list, i);

		*ret = *ret || strcmp(j_str(a, "name"), word) == 0 || strcmp(j_str(a, "id"), word) == 0;
	}
	json_decref(answer);
	return status;
}

int verb_maintenance(struct cli *c)
{
	bool on = strcmp(c->verb->name, "maintenance on") == 0, array;
	struct value v = value_duration(0);
	struct err e = {0};
	json_t *request, *answer;
	int status;

	if (GIVEN(c, FOR) && value_parse(V_DURATION, NULL, c->opt[OPT_FOR], &v, &e) < 0)
		return cli_fail(c, CLI_USAGE, "usage", "--for: %s", e.msg);
	status = names_array(c, c->args[0], &array);
	if (status != CLI_OK)
		return status;
	if (GIVEN(c, DRY_RUN)) {
		printf("would set maintenance %s for the %s %s\n", on ? "on" : "off", array ? "array" : "device",
		       c->args[0]);
		return CLI_OK;
	}
	request = client_request("maintenance");
	json_object_set_new(request, "on", json_boolean(on));
	request_text(request, array ? "array" : "device", c->args[0]);
	if (on && v.i)
		json_object_set_new(request, "for", json_integer(v.i));
	status = client_ask(c, request, &answer);
	if (status == CLI_OK && GIVEN(c, JSON))
		out_json(json_incref(answer));
	else if (status == CLI_OK)
		printf("maintenance is %s for the %s %s\n", on ? "on" : "off", array ? "array" : "device", c->args[0]);
	json_decref(answer);
	return status;
}
