// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/manage.h"
#include "cli/claims.h"
#include "cli/client.h"
#include "cli/disk.h"
#include "cli/locks.h"
#include "cli/output.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#ifndef SPARED_SBINDIR
#define SPARED_SBINDIR "/usr/sbin"
#endif

enum { LET_GO_TRIES = 100, LET_GO_PAUSE_MS = 100 };

extern char **environ;

struct job {
	struct cli *c;
	bool on;
	const char *root;
	char (*guids)[META_GUID_MAX];
	const char **guid_list;
	size_t n;
	struct lock_change changes[LOCKS];
	struct buf notes; /* a line each */
};

/* ---- which sets ---- */

/* "4C696E75:782D4D44:.." as mdadm prints a container's GUID, or without colons. */
static bool guid_of_text(const char *text, char *ret)
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text == ':')
			continue;
		if (n >= 48 || !strchr("0123456789abcdefABCDEF", *text))
			return false;
		ret[n++] = (char)(*text >= 'A' && *text <= 'F' ? *text - 'A' + 'a' : *text);
	}
	ret[n] = '\0';
	return n == 48;
}

/* The set of an array that the daemon knows by this name. */
static bool guid_of_array(struct cli *c, const char *name, char *ret)
{
	json_t *answer = NULL;
	const json_t *list;
	bool found = false;

	if (!client_runs(c) || client_ask(c, client_request("status"), &answer) != CLI_OK) {
		json_decref(answer);
		return false;
	}
	list = j_list(json_object_get(answer, "status"), "arrays");
	for (size_t i = 0; i < json_array_size(list) && !found; i++) {
		const json_t *a = json_array_get(list, i);

		found = strcmp(j_str(a, "name"), name) == 0 && guid_of_text(j_str(a, "set"), ret);
	}
	json_decref(answer);
	return found;
}

static int guid_of_arg(struct job *job, const char *arg, char *ret)
{
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	struct err e = {0};

	if (guid_of_text(arg, ret))
		return CLI_OK;
	if (access(arg, F_OK) < 0 && !job->root[0] && guid_of_array(job->c, arg, ret))
		return CLI_OK;
	if (access(arg, F_OK) < 0 && !strchr(arg, '/'))
		return cli_fail(job->c, CLI_NO, "not-found",
				"'%s' is no set: give its GUID, or the path of a member (/dev/sdb)", arg);
	if (disk_meta_read(arg, false, &m, &e) < 0)
		return cli_fail_err(job->c, CLI_NO, &e);
	if (!m.view)
		return cli_fail(job->c, CLI_NO, "not-found",
				"%s is no member of a set: it has no RAID metadata that is known here", arg);
	snprintf(ret, META_GUID_MAX, "%s", m.view->set);
	return CLI_OK;
}

static int find_sets(struct job *job)
{
	const struct cli *c = job->c;
	int status = CLI_OK;

	job->guids = calloc((size_t)c->n_args, sizeof(*job->guids));
	job->guid_list = calloc((size_t)c->n_args, sizeof(*job->guid_list));
	if (!job->guids || !job->guid_list)
		return cli_fail(c, CLI_NO, "failed", "out of memory");
	for (int i = 0; i < c->n_args && status == CLI_OK; i++) {
		status = guid_of_arg(job, c->args[i], job->guids[job->n]);
		job->guid_list[job->n] = job->guids[job->n];
		job->n++;
	}
	return status;
}

/* ---- guards ---- */

/* Whoever releases a set whose arrays run lets other tools at disks in use. */
static int check_stopped(struct job *job)
{
	json_t *answer = NULL;
	const json_t *list;
	int status;

	if (job->on || job->root[0])
		return CLI_OK;
	for (size_t k = 0; k < job->n; k++)
		if (!client_runs(job->c) && claims_in_use(job->guids[k]))
			return cli_fail(job->c, CLI_REFUSED, "refused",
					"an array of the set %s runs, and spared does not: start spared and stop the "
					"array first",
					job->guids[k]);
	if (!client_runs(job->c))
		return CLI_OK;
	status = client_ask(job->c, client_request("status"), &answer);
	list = j_list(json_object_get(answer, "status"), "arrays");
	for (size_t i = 0; i < json_array_size(list) && status == CLI_OK; i++) {
		const json_t *a = json_array_get(list, i);

		for (size_t k = 0; k < job->n && status == CLI_OK; k++)
			if (strcmp(j_str(a, "set"), job->guids[k]) == 0 && strcmp(j_str(a, "state"), "inactive") != 0)
				status = cli_fail(job->c, CLI_REFUSED, "refused",
						  "%s runs on this set; stop it first: "
						  "sparectl array stop %s",
						  j_str(a, "name"), j_str(a, "name"));
	}
	json_decref(answer);
	return status;
}

/* ---- programs ---- */

static void run(struct job *job, const char *const *argv)
{
	int status = 0, r;
	pid_t pid;

	r = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
	if (r != 0)
		buf_addf(&job->notes, "%s was not run: %s\n", argv[0], strerror(r));
	else if (waitpid(pid, &status, 0) < 0 || status != 0)
		buf_addf(&job->notes, "%s %s failed\n", argv[0], argv[1]);
}

static void retrigger(void *u, const char *name)
{
	struct job *job = u;
	char path[PATH_MAX], dev[80];
	const struct dirent *entry;
	DIR *dir;

	snprintf(dev, sizeof(dev), "/dev/%s", name);
	run(job, (const char *const[]){"udevadm", "trigger", "--action=change", dev, NULL});
	snprintf(path, sizeof(path), "/sys/block/%s/holders", name);
	dir = job->on ? opendir(path) : NULL;
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "md", 2) == 0)
			buf_addf(&job->notes,
				 "%s is used by %s: stop it (mdadm --stop /dev/%s), then spared can take the set\n",
				 dev, entry->d_name, entry->d_name);
	if (dir)
		closedir(dir);
}

static void drop_claim(void *u, const char *name, const char *disk)
{
	struct job *job = u;

	run(job, (const char *const[]){"dmsetup", "remove", "--retry", name, NULL});
	buf_addf(&job->notes, "/dev/%s was held by %s\n", disk, name);
}

/* By a pattern, or by the name of an array: those lines of the settings are a person's. */
static bool still_managed(struct job *job, const char *guid)
{
	json_t *answer = NULL;
	const json_t *list;
	bool managed = false;

	if (client_ask(job->c, client_request("status"), &answer) == CLI_OK) {
		list = j_list(json_object_get(answer, "status"), "sets");
		for (size_t i = 0; i < json_array_size(list); i++)
			managed = managed || (strcmp(j_str(json_array_get(list, i), "id"), guid) == 0 &&
					      j_bool(json_array_get(list, i), "managed"));
	}
	json_decref(answer);
	return managed;
}

/* spared lets go of the disks when it has read its settings. Where it does not run, or has not held them itself, what
 * holds them is removed here. */
static void let_go(struct job *job)
{
	bool runs = client_runs(job->c);

	for (size_t i = 0; i < job->n; i++) {
		const char *guid = job->guids[i];

		if (runs && still_managed(job, guid)) {
			buf_addf(&job->notes,
				 "the settings still name the set %s, by a pattern or an array's name: spared goes on "
				 "holding its disks\n",
				 guid);
			continue;
		}
		for (unsigned n = 0; runs && n < LET_GO_TRIES && claims_each(guid, NULL, NULL); n++)
			poll(NULL, 0, LET_GO_PAUSE_MS);
		claims_each(guid, drop_claim, job);
	}
}

static void tell_daemon(struct job *job)
{
	json_t *answer = NULL;

	if (!client_runs(job->c))
		buf_addf(&job->notes, "spared does not run; %s\n",
			 job->on ? "start it with 'systemctl start spared'" : "nothing to tell");
	else if (client_ask(job->c, client_request("rules-reload"), &answer) == CLI_OK)
		buf_add(&job->notes, "spared has read its settings again\n");
	json_decref(answer);
}

static void afterwards(struct job *job)
{
	if (job->root[0])
		return;
	run(job, (const char *const[]){"udevadm", "control", "--reload", NULL});
	for (size_t i = 0; i < job->n; i++)
		disk_meta_members(job->guids[i], retrigger, job);
	run(job, (const char *const[]){"udevadm", "settle", "--timeout=10", NULL});
	if (job->on)
		tell_daemon(job);
	if (GIVEN(job->c, INITRAMFS))
		run(job, (const char *const[]){"update-initramfs", "-u", NULL});
	else if (strcmp(job->changes[0].before, job->changes[0].after) != 0)
		buf_add(&job->notes, "the initramfs has a copy of mdadm.conf: run 'update-initramfs -u', or this with "
				     "--initramfs\n");
}

/* ---- the verbs ---- */

static void print(const struct job *job, bool changed)
{
	const struct cli *c = job->c;
	_cleanup_(buf_free) struct buf out = {0};
	json_t *j, *files = json_array(), *sets = json_array();

	for (size_t i = 0; i < job->n; i++)
		json_array_append_new(sets, json_string(job->guids[i]));
	for (size_t i = 0; i < LOCKS; i++) {
		const struct lock_change *l = &job->changes[i];
		bool differs = strcmp(l->before, l->after) != 0;

		json_array_append_new(files, json_pack("{s:s,s:s,s:b,s:s,s:s}", "what", l->lock->what, "path", l->path,
						       "changes", differs, "before", l->before, "after", l->after));
		if (!differs)
			buf_addf(&out, "%s: already so\n", l->path);
		else if (!changed)
			out_diff(c, &out, l->path, l->before, l->after);
		else
			buf_addf(&out, "%s: %s\n", l->path, l->after[0] ? "written" : "removed");
	}
	if (GIVEN(c, JSON)) {
		j = json_pack("{s:i,s:b,s:b,s:o,s:o,s:s}", "v", 1, "ok", 1, "dry-run", !changed, "sets", sets, "files",
			      files, "notes", buf_str(&job->notes));
		out_json(j);
		return;
	}
	json_decref(files);
	json_decref(sets);
	buf_add(&out, buf_str(&job->notes));
	out_flush(&out);
}

/* Others are kept off before spared is told to take the set, and let at it after spared has let go. */
static int write_locks(struct job *job)
{
	struct err e = {0};

	for (size_t i = 0; i < LOCKS; i++) {
		if (lock_write(&job->changes[job->on ? i : LOCKS - 1 - i], &e) < 0)
			return cli_fail_err(job->c, CLI_NO, &e);
		if (i == 0 && !job->on && !job->root[0]) {
			tell_daemon(job);
			let_go(job);
		}
	}
	afterwards(job);
	return CLI_OK;
}

static int work(struct job *job, const char *program)
{
	struct cli *c = job->c;
	int status = find_sets(job);
	struct err e = {0};

	if (status == CLI_OK)
		status = check_stopped(job);
	for (size_t i = 0; i < LOCKS && status == CLI_OK; i++)
		if (lock_change(&lock_table[i], job->root, job->guid_list, job->n, program, job->on, &job->changes[i],
				&e) < 0)
			return cli_fail_err(c, CLI_NO, &e);
	if (status != CLI_OK)
		return status;
	if (GIVEN(c, DRY_RUN)) {
		print(job, false);
		return CLI_OK;
	}
	status = write_locks(job);
	if (status == CLI_OK)
		print(job, true);
	return status;
}

/* The rule calls the program that wrote it; below another root it is the one that will be installed there. */
static void program_of(const struct job *job, char self[PATH_MAX])
{
	ssize_t n = job->root[0] ? 0 : readlink("/proc/self/exe", self, PATH_MAX - 1);

	if (n > 0)
		self[n] = '\0';
	else
		snprintf(self, PATH_MAX, "%s", SPARED_SBINDIR "/sparectl");
}

static void job_finish(struct job *job)
{
	for (size_t i = 0; i < LOCKS; i++)
		lock_change_finish(&job->changes[i]);
	buf_free(&job->notes);
	free(job->guids);
	free(job->guid_list);
}

static int manage(struct cli *c, bool on)
{
	struct job job = {.c = c, .on = on, .root = GIVEN(c, ROOT) ? c->opt[OPT_ROOT] : ""};
	char self[PATH_MAX];
	int status;

	program_of(&job, self);
	status = work(&job, self);
	job_finish(&job);
	return status;
}

int manage_set(struct cli *c, const char *guid, bool on, struct buf *notes)
{
	struct job job = {.c = c, .on = on, .root = "", .n = 1};
	char self[PATH_MAX];
	struct err e = {0};
	int status = CLI_OK;

	job.guids = calloc(1, sizeof(*job.guids));
	job.guid_list = calloc(1, sizeof(*job.guid_list));
	if (!job.guids || !job.guid_list || strlen(guid) >= sizeof(*job.guids)) {
		job_finish(&job);
		return cli_fail(c, CLI_NO, "failed", "out of memory");
	}
	snprintf(*job.guids, sizeof(*job.guids), "%s", guid);
	job.guid_list[0] = *job.guids;
	program_of(&job, self);
	for (size_t i = 0; i < LOCKS && status == CLI_OK; i++)
		if (lock_change(&lock_table[i], job.root, job.guid_list, job.n, self, on, &job.changes[i], &e) < 0)
			status = cli_fail_err(c, CLI_NO, &e);
	if (status == CLI_OK)
		status = write_locks(&job);
	buf_add(notes, buf_str(&job.notes));
	job_finish(&job);
	return status;
}

void manage_look_again(struct cli *c, const json_t *nodes, struct buf *notes)
{
	struct job job = {.c = c, .root = ""};

	for (size_t i = 0; i < json_array_size(nodes); i++)
		run(&job, (const char *const[]){"udevadm", "trigger", "--action=change",
						json_string_value(json_array_get(nodes, i)), NULL});
	buf_add(notes, buf_str(&job.notes));
	job_finish(&job);
}

int verb_manage(struct cli *c)
{
	return manage(c, true);
}

int verb_release(struct cli *c)
{
	return manage(c, false);
}
