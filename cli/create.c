// SPDX-License-Identifier: GPL-2.0-or-later
/* Arrays and sets that come and go. A new set is locked before it exists (manage.c): from its first byte on no other
 * tool takes it; and its locks go when it is gone, or could not be made. */
#include "cli/client.h"
#include "cli/manage.h"
#include "cli/output.h"

#include "actions/meta/meta.h"
#include "core/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The first word is another one in each command; a list of words becomes one of the protocol. */
static void set_words(json_t *request, const char *key, char **words, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	json_object_set_new(request, key, list);
}

/* "sdx,sdy" */
static void set_list(json_t *request, const char *key, const char *text)
{
	json_t *list = json_array();

	for (size_t n; text && *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (n)
			json_array_append_new(list, json_stringn(text, n));
	}
	json_object_set_new(request, key, list);
}

static int set_size(struct cli *c, json_t *request, const char *key, const char *text)
{
	struct err e = {0};
	struct value v;

	if (!text)
		return CLI_OK;
	if (value_parse(V_SIZE, NULL, text, &v, &e) < 0 || v.u == 0 || v.u > INT64_MAX)
		return cli_fail(c, CLI_USAGE, "usage", "--%s: '%s' is not a size: 64KiB, 10GB", key, text);
	json_object_set_new(request, key, json_integer((json_int_t)v.u));
	return CLI_OK;
}

/* ---- a new set */

static bool set_is_known(struct cli *c, const char *guid)
{
	json_t *answer = client_ask_quietly(c, "status");
	const json_t *list = j_list(json_object_get(answer, "status"), "sets");
	bool known = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		known = known || strcmp(j_str(json_array_get(list, i), "id"), guid) == 0;
	json_decref(answer);
	return known;
}

/* The disks of a set, as the daemon knows them now. */
static json_t *set_nodes(struct cli *c, const char *guid)
{
	json_t *answer = client_ask_quietly(c, "status"), *nodes = json_array();
	const json_t *list = j_list(json_object_get(answer, "status"), "devices");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);

		if (strcmp(j_str(d, "set"), guid) == 0 && j_bool(d, "present"))
			json_array_append_new(nodes, json_string(j_str(d, "node")));
	}
	json_decref(answer);
	return nodes;
}

/* Whether it can be planned at all, before a file is touched. The plan is printed when it is done. */
static int check(struct cli *c, const json_t *request)
{
	json_t *try = json_deep_copy(request), *answer = NULL;
	int status;

	json_object_set_new(try, "dry-run", json_true());
	status = client_ask(c, try, &answer);
	json_decref(answer);
	return status;
}

/* Makes the change with the set's locks in place, which go again where there is no set afterwards. since: "again", ..
 */
static int change_locked(struct cli *c, json_t *request, const char *guid, const char *since)
{
	_cleanup_(buf_free) struct buf notes = {0};
	int status = manage_set(c, guid, true, &notes);
	json_t *nodes;

	if (status != CLI_OK) {
		json_decref(request);
		return status;
	}
	status = cli_change(c, request);
	nodes = set_nodes(c, guid);
	manage_look_again(c, nodes, &notes);
	json_decref(nodes);
	if (status == CLI_OK)
		buf_addf(&notes, "the set %s is managed %s\n", guid, since);
	else if (!set_is_known(c, guid))
		manage_set(c, guid, false, &notes);
	else
		buf_addf(&notes,
			 "a disk of the set %s was made: it stays managed; 'sparectl set delete %s' gives it up\n",
			 guid, guid);
	if (!GIVEN(c, JSON))
		fputs(buf_str(&notes), stderr);
	return status;
}

static int create_set(struct cli *c, json_t *request)
{
	char guid[META_GUID_MAX];
	struct err e = {0};
	int status;

	if (meta_formats[0]->new_guid(guid, &e) < 0) {
		json_decref(request);
		return cli_fail_err(c, CLI_NO, &e);
	}
	json_object_set_new(request, "new-set", json_string(guid));
	if (GIVEN(c, DRY_RUN) || GIVEN(c, NO_MANAGE))
		return cli_change(c, request);
	status = check(c, request);
	if (status != CLI_OK) {
		json_decref(request);
		return status;
	}
	return change_locked(c, request, guid, "from now on");
}

static int create(struct cli *c, json_t *request)
{
	const char *format = c->opt[OPT_FORMAT];

	if (format && strcmp(format, meta_formats[0]->name) != 0) {
		json_decref(request);
		return cli_fail(c, CLI_USAGE, "usage", "--format: '%s' is not one that is made; '%s' is", format,
				meta_formats[0]->name);
	}
	request_flag(request, "wipe", c->opt[OPT_WIPE]);
	if (!GIVEN(c, IN))
		return create_set(c, request);
	request_text(request, "set", c->opt[OPT_IN]);
	return cli_change(c, request);
}

/* Named, or so many of a pool. */
static int set_disks(struct cli *c, json_t *request)
{
	struct err e = {0};
	struct value members;

	if (!GIVEN(c, POOL) && !GIVEN(c, MEMBERS) && c->n_args > 1) {
		set_words(request, "devices", &c->args[1], c->n_args - 1);
		return CLI_OK;
	}
	if (!GIVEN(c, POOL) || !GIVEN(c, MEMBERS) || c->n_args > 1)
		return cli_fail(c, CLI_USAGE, "usage", "of which disks? either their names, or --pool TAG --members N");
	if (value_parse(V_INT, NULL, c->opt[OPT_MEMBERS], &members, &e) < 0 || members.i < 1)
		return cli_fail(c, CLI_USAGE, "usage", "--members: '%s' is not a number of disks", c->opt[OPT_MEMBERS]);
	request_text(request, "pool", c->opt[OPT_POOL]);
	json_object_set_new(request, "members", json_integer(members.i));
	return CLI_OK;
}

int verb_create(struct cli *c)
{
	json_t *request = client_request("array-create");

	if (!GIVEN(c, LEVEL)) {
		json_decref(request);
		return cli_fail(c, CLI_USAGE, "usage",
				"which level? --level raid0, raid1, raid4, raid5, raid6 or raid10");
	}
	request_text(request, "name", c->args[0]);
	set_list(request, "spares", c->opt[OPT_SPARE]);
	request_text(request, "level", c->opt[OPT_LEVEL]);
	request_text(request, "layout", c->opt[OPT_LAYOUT]);
	request_flag(request, "assume-clean", c->opt[OPT_ASSUME_CLEAN]);
	if (set_disks(c, request) != CLI_OK || set_size(c, request, "chunk", c->opt[OPT_CHUNK]) != CLI_OK ||
	    set_size(c, request, "size", c->opt[OPT_SIZE]) != CLI_OK) {
		json_decref(request);
		return CLI_USAGE;
	}
	return create(c, request);
}

/* Spares only: a set that arrays are made in later. */
int verb_set_create(struct cli *c)
{
	json_t *request = client_request("array-create");

	set_words(request, "spares", c->args, c->n_args);
	return create(c, request);
}

/* ---- the end */

static int confirm(struct cli *c, const char *what, const char *name)
{
	if (GIVEN(c, YES) || GIVEN(c, DRY_RUN))
		return CLI_OK;
	fprintf(stderr,
		"%s %s is forgotten, and its data with it: 'sparectl undo' brings them back only until something\n"
		"is written to its disks.\n"
		"Type its name to go on: ",
		what, name);
	if (cli_confirm(name))
		return CLI_OK;
	return cli_fail(c, CLI_REFUSED, "refused", "not confirmed; nothing was done (--yes skips the question)");
}

/* The set of an array that is known by this name or id; else the word itself. */
static void set_of(struct cli *c, const char *name, char guid[META_GUID_MAX])
{
	json_t *answer = client_ask_quietly(c, "status");
	const json_t *list = j_list(json_object_get(answer, "status"), "arrays");

	snprintf(guid, META_GUID_MAX, "%s", name);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *a = json_array_get(list, i);

		if (strcmp(j_str(a, "name"), name) == 0 || strcmp(j_str(a, "id"), name) == 0)
			snprintf(guid, META_GUID_MAX, "%s", j_str(a, "set"));
	}
	json_decref(answer);
}

/* With the set its locks go. */
static int change_and_release(struct cli *c, json_t *request, const char *guid)
{
	_cleanup_(buf_free) struct buf notes = {0};
	json_t *nodes = set_nodes(c, guid);
	int status = cli_change(c, request);

	if (status == CLI_OK && !GIVEN(c, DRY_RUN) && !GIVEN(c, NO_MANAGE)) {
		status = manage_set(c, guid, false, &notes);
		manage_look_again(c, nodes, &notes);
	}
	json_decref(nodes);
	if (!GIVEN(c, JSON))
		fputs(buf_str(&notes), stderr);
	return status;
}

int verb_delete(struct cli *c)
{
	json_t *request;
	char guid[META_GUID_MAX];
	int status = confirm(c, "the array", c->args[0]);

	if (status != CLI_OK)
		return status;
	request = client_request("array-delete");
	request_text(request, "array", c->args[0]);
	request_flag(request, "stop", c->opt[OPT_STOP]);
	request_flag(request, "container", c->opt[OPT_CONTAINER]);
	if (!GIVEN(c, CONTAINER))
		return cli_change(c, request);
	set_of(c, c->args[0], guid);
	return change_and_release(c, request, guid);
}

int verb_set_delete(struct cli *c)
{
	json_t *request;
	int status = confirm(c, "the set", c->args[0]);

	if (status != CLI_OK)
		return status;
	request = client_request("array-delete");
	request_text(request, "set", c->args[0]);
	json_object_set_new(request, "container", json_true());
	return change_and_release(c, request, c->args[0]);
}

/* A set that was deleted is made again, or one that was made goes: then the dry run names it. */
int verb_undo(struct cli *c)
{
	json_t *request = client_request("undo"), *try, *answer = NULL;
	int status;

	request_text(request, "plan", c->args[0]);
	if (GIVEN(c, DRY_RUN))
		return cli_change(c, request);
	try = json_deep_copy(request);
	json_object_set_new(try, "dry-run", json_true());
	status = client_ask(c, try, &answer);
	if (status != CLI_OK)
		json_decref(request);
	else if (j_str(answer, "new-set")[0])
		status = change_locked(c, request, j_str(answer, "new-set"), "again");
	else if (j_str(answer, "old-set")[0])
		status = change_and_release(c, request, j_str(answer, "old-set"));
	else
		status = cli_change(c, request);
	json_decref(answer);
	return status;
}

int verb_snapshot(struct cli *c)
{
	bool remove = GIVEN(c, REMOVE);
	json_t *request = client_request(remove ? "array-snapshot-remove" : "array-snapshot");

	request_text(request, "array", c->args[0]);
	request_text(request, "name", c->args[1]);
	if (remove == GIVEN(c, ON) || (remove && GIVEN(c, WIPE))) {
		json_decref(request);
		return cli_fail(c, CLI_USAGE, "usage", "a snapshot is made with --on DEVICE, or ended with --remove");
	}
	request_text(request, "on", c->opt[OPT_ON]);
	request_flag(request, "wipe", c->opt[OPT_WIPE]);
	return cli_change(c, request);
}

int verb_rename(struct cli *c)
{
	json_t *request = client_request("array-rename");

	request_text(request, "array", c->args[0]);
	request_text(request, "to", c->args[1]);
	return cli_change(c, request);
}

int verb_grow(struct cli *c)
{
	json_t *request = client_request("array-grow");
	const char *size = c->opt[OPT_SIZE];

	request_text(request, "array", c->args[0]);
	if (size && strcmp(size, "max") != 0 && set_size(c, request, "size", size) != CLI_OK) {
		json_decref(request);
		return CLI_USAGE;
	}
	return cli_change(c, request);
}
