// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"
#include "cli/describe.h"
#include "cli/output.h"

#include "core/event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "event,plan" as a list. */
static json_t *word_list(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t len = strcspn(text, ",");

		if (len)
			json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

/* ---- monitor ---- */

int verb_monitor(struct cli *c)
{
	json_t *request, *answer, *line;
	int status = GIVEN(c, JSON) ? CLI_OK : client_names(c), r;

	if (status != CLI_OK)
		return status;
	request = client_request("monitor");
	if (GIVEN(c, TYPE))
		json_object_set_new(request, "types", word_list(c->opt[OPT_TYPE]));
	status = client_ask(c, request, &answer);
	json_decref(answer);
	if (status != CLI_OK)
		return status;
	while ((r = client_next(c, &line)) > 0) {
		_cleanup_(buf_free) struct buf out = {0};

		if (GIVEN(c, JSON))
			out_json_line(line);
		else
			describe(c, j_str(line, "type"), line, &out);
		out_flush(&out);
		json_decref(line);
		if (ferror(stdout))
			return CLI_OK;
	}
	return cli_fail(c, CLI_NO_DAEMON, "no-daemon", "spared ended the connection%s%s", r < 0 ? ": " : "",
			r < 0 ? strerror(-r) : "");
}

/* ---- inject ---- */

/* A fact's text as the JSON value that the protocol wants; an error is told. NULL then. */
static json_t *fact_json(const struct cli *c, const char *name, const char *text)
{
	int id = fact_lookup(name);
	const struct fact_desc *f = id < 0 ? NULL : &fact_table[id];
	struct err e = {0};
	struct value v;
	json_t *j = NULL;

	if (!f) {
		cli_fail(c, CLI_USAGE, "usage", "there is no fact '%s'; 'sparectl rules doc facts' lists them", name);
		return NULL;
	}
	if (f->type == V_SET)
		return word_list(text);
	if (value_parse(f->type, f->words, text, &v, &e) < 0) {
		cli_fail(c, CLI_USAGE, "usage", "%s: %s", name, e.msg);
		return NULL;
	}
	switch (v.type) {
	case V_BOOL:
		j = json_boolean(v.b);
		break;
	case V_INT:
	case V_DURATION:
	case V_TIME:
		j = json_integer(v.i);
		break;
	case V_SIZE:
	case V_RATE:
		j = json_integer((json_int_t)v.u);
		break;
	case V_NUMBER:
	case V_PERCENT:
		j = json_real(v.d);
		break;
	default:
		j = json_string(text);
	}
	return j;
}

/* The facts that name whom the event is about, as keys of their own. */
static const struct {
	const char *fact, *key;
} subject_table[] = {
	{"device.id", "device"}, {"device.name", "device"}, {"array.id", "array"}, {"array.name", "array"}};

static bool add_fact(struct cli *c, json_t *request, json_t *facts, const char *arg)
{
	_cleanup_(freep) char *name = strndup(arg, strcspn(arg, "="));
	const char *text = strchr(arg, '=');
	json_t *j;

	if (!name || !text) {
		cli_fail(c, CLI_USAGE, "usage", "'%s' is not fact=value", arg);
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(subject_table); i++)
		if (strcmp(subject_table[i].fact, name) == 0) {
			request_text(request, subject_table[i].key, text + 1);
			return true;
		}
	j = fact_json(c, name, text + 1);
	if (!j)
		return false;
	if (strcmp(name, "event.count") == 0)
		json_object_set_new(request, "count", j);
	else if (strcmp(name, "member.slot") == 0)
		json_object_set_new(request, "slot", j);
	else
		json_object_set_new(facts, name, j);
	return true;
}

static void print_matches(const struct cli *c, const json_t *matches, struct buf *out)
{
	const json_t *verdicts = j_list(matches, "verdicts");

	if (json_array_size(verdicts) == 0)
		buf_add(out, "no rule would fire\n");
	for (size_t i = 0; i < json_array_size(verdicts); i++) {
		const json_t *v = json_array_get(verdicts, i), *plans = j_list(v, "plans");

		out_word(c, out, TONE_BOLD, j_str(v, "rule"), 0);
		buf_add(out, " would be ");
		out_text(out, j_str(v, "kind"));
		if (strcmp(j_str(v, "mode"), "shadow") == 0)
			buf_add(out, " (shadow: nothing is done)");
		if (j_str(v, "subject")[0]) {
			buf_add(out, " for ");
			out_text(out, j_str(v, "subject"));
		}
		if (j_str(v, "reason")[0]) {
			buf_add(out, ": ");
			out_text(out, j_str(v, "reason"));
		}
		buf_addc(out, '\n');
		for (size_t k = 0; k < json_array_size(plans); k++)
			out_lines(out, json_array_get(plans, k), "  ");
		out_lines(out, j_list(v, "does"), "  ");
	}
}

static json_t *inject_request(struct cli *c)
{
	json_t *request = client_request("inject"), *facts = json_object();
	struct value slot;
	bool good = true;

	request_text(request, "kind", c->args[0]);
	request_text(request, "device", c->opt[OPT_DEVICE]);
	request_text(request, "array", c->opt[OPT_ARRAY]);
	if (GIVEN(c, SLOT)) {
		good = value_parse(V_INT, NULL, c->opt[OPT_SLOT], &slot, NULL) == 0 && slot.i >= 0;
		if (good)
			json_object_set_new(request, "slot", json_integer(slot.i));
		else
			cli_fail(c, CLI_USAGE, "usage", "--slot: '%s' is not a slot number", c->opt[OPT_SLOT]);
	}
	for (int i = 1; i < c->n_args && good; i++)
		good = add_fact(c, request, facts, c->args[i]);
	if (json_object_size(facts))
		json_object_set(request, "facts", facts);
	json_decref(facts);
	if (GIVEN(c, LIVE))
		json_object_set_new(request, "live", json_true());
	if (!good) {
		json_decref(request);
		return NULL;
	}
	return request;
}

int verb_inject(struct cli *c)
{
	_cleanup_(buf_free) struct buf out = {0};
	json_t *request = inject_request(c), *answer;
	const json_t *matches;
	int status;

	if (!request)
		return CLI_USAGE;
	status = client_ask(c, request, &answer);
	matches = json_object_get(answer, "matches");
	if (status == CLI_OK && GIVEN(c, JSON)) {
		out_json(json_incref(answer));
	} else if (status == CLI_OK && GIVEN(c, LIVE)) {
		printf("event %s injected\n", c->args[0]);
	} else if (status == CLI_OK) {
		print_matches(c, matches, &out);
		out_flush(&out);
	}
	if (status == CLI_OK && !GIVEN(c, LIVE) && json_array_size(j_list(matches, "verdicts")) == 0)
		status = CLI_NO;
	json_decref(answer);
	return status;
}
