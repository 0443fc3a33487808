// SPDX-License-Identifier: GPL-2.0-or-later
/* One plan, from disks to disks: see exec_plan. */
#include "actions/exec_run.h"

#include "actions/image.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct exec *exec_new(const struct exec_env *env)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->env = *env;
	x->set.env = &x->env;
	x->set.format = meta_formats[0];
	x->set.pool = io_pool_new(env->io_threads);
	if (!x->set.pool) {
		free(x);
		return NULL;
	}
	io_pool_watch(x->set.pool, before_op, x);
	return x;
}

static void forget_runs(struct exec *x)
{
	for (size_t i = 0; i < x->n_runs; i++)
		free(x->run[i]);
	x->n_runs = 0;
}

void exec_free(struct exec *x)
{
	if (!x)
		return;
	if (x->work)
		x->set.format->set_free(x->work);
	set_close(&x->set);
	io_pool_free(x->set.pool);
	forget_runs(x);
	free(x->leg);
	image_free(x->taken);
	image_free(x->before);
	image_free(x->given);
	free(x);
}

int exec_open_node(void *u, const struct plan_device *d, struct blockdev **ret, struct err *e)
{
	int fd = open(d->node, O_RDWR | O_DIRECT | O_CLOEXEC);
	uint64_t seq = 0;
	struct stat st;
	int r = 0;

	(void)u;
	if (fd < 0)
		return err_sys(e, errno, "%s", d->node);
	/* The kernel gives a name again; only the sequence number of the disk tells. */
	if (fstat(fd, &st) < 0)
		r = err_sys(e, errno, "%s", d->node);
	else if (S_ISBLK(st.st_mode) && (major(st.st_rdev) != d->major || minor(st.st_rdev) != d->minor))
		r = err_set(e, ESTALE, "%s is another device now", d->node);
	else if (d->diskseq && ioctl(fd, BLKGETDISKSEQ, &seq) == 0 && seq != d->diskseq)
		r = err_set(e, ESTALE, "%s is another disk now", d->node);
	if (r < 0) {
		close(fd);
		return r;
	}
	return blockio_open_fd(fd, strncmp(d->node, "/dev/", 5) == 0 ? d->node + 5 : d->node, ret, e);
}

int exec_open_free(void *u, const char *node, struct blockdev **ret, struct err *e)
{
	int fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC | O_EXCL);
	struct stat st;

	(void)u;
	if (fd < 0)
		return errno == EBUSY ? err_set(e, EBUSY, "%s is in use", node) : err_sys(e, errno, "%s", node);
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode)) {
		close(fd);
		return err_set(e, ENOTBLK, "%s is no block device", node);
	}
	return blockio_open_fd(fd, strncmp(node, "/dev/", 5) == 0 ? node + 5 : node, ret, e);
}

/* --- the set as edited ------------------------------------------------------------------------------------ */

int exec_work(struct exec *x, struct meta_set **ret, struct err *e)
{
	if (!x->work)
		x->work = x->set.format->set_clone(x->set.meta);
	if (!x->work)
		return err_set(e, ENOMEM, "out of memory");
	*ret = x->work;
	return 0;
}

int exec_edit(struct exec *x, const struct meta_edit *edit, struct err *e)
{
	struct meta_set *work = NULL;
	int r = exec_work(x, &work, e);

	return r < 0 ? r : x->set.format->edit(work, edit, e);
}

int exec_edit_member(struct exec *x, const char *volume, unsigned slot, enum member_state state, struct err *e)
{
	struct meta_edit edit = {.op = META_SET_MEMBER, .slot = slot, .state = state};

	memcpy(edit.volume, volume, strlen(volume) + 1);
	return exec_edit(x, &edit, e);
}

int exec_work_view(struct exec *x, struct meta_view **ret, struct err *e)
{
	return x->set.format->set_view(x->work ? x->work : x->set.meta, ret, e);
}

const struct meta_volume *exec_volume(const struct exec *x, const char *guid)
{
	return x->set.view ? meta_view_volume(x->set.view, guid) : NULL;
}

void exec_forget_run(struct exec *x, const char *guid)
{
	for (size_t i = 0; i < x->n_runs; i++)
		if (strcmp(x->run[i]->guid, guid) == 0) {
			free(x->run[i]);
			x->run[i] = x->run[--x->n_runs];
			return;
		}
}

struct volume_run *exec_run(struct exec *x, const char *guid)
{
	const struct meta_volume *v = exec_volume(x, guid);
	struct volume_run *run;

	for (size_t i = 0; i < x->n_runs; i++)
		if (strcmp(x->run[i]->guid, guid) == 0)
			return x->run[i];
	if (!v || x->n_runs == META_VOLUMES_MAX)
		return NULL;
	run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	memcpy(run->guid, v->guid, sizeof(run->guid));
	/* A volume without a name goes by its number. */
	if (dm_name_escape(v->name, run->top) < 0)
		snprintf(run->top, sizeof(run->top), "%s", v->guid);
	memcpy(run->dm, run->top, sizeof(run->dm));
	x->run[x->n_runs++] = run;
	return run;
}

/* --- the plan ------------------------------------------------------------------------------------------------- */

/* array.id is a prefix and the volume's GUID; the plan shows which. */
static void learn_prefix(struct exec *x, const struct plan *p)
{
	size_t n = strlen(p->array), v = strlen(p->volume);

	if (v && n >= v && n - v < sizeof(x->array_prefix) && strcmp(p->array + n - v, p->volume) == 0) {
		memcpy(x->array_prefix, p->array, n - v);
		x->array_prefix[n - v] = '\0';
	} else if (!x->n_runs) {
		snprintf(x->array_prefix, sizeof(x->array_prefix), "%.10s-", x->set.format->name);
	}
}

/* What is left suspended by a process that died comes first: everything else may need what lives on it. */
static int look_at_kernel(struct exec *x, bool fresh, struct err *e)
{
	struct volume_run *run;
	int r = 0;

	for (size_t i = 0; x->set.view && i < x->set.view->n_volumes && r >= 0; i++) {
		run = exec_run(x, x->set.view->volumes[i].guid);
		r = !run ? err_set(e, ENOMEM, "out of memory") : fresh ? run_find(x, run, e) : 0;
	}
	if (r >= 0 && fresh && x->set.view)
		r = legs_recover(x, e);
	if (r >= 0 && fresh && x->set.view)
		r = legs_read(x, e);
	for (size_t i = 0; i < x->n_runs && r >= 0; i++) {
		r = run_read(x, x->run[i], e);
		/* What was so before this process looked is no news. */
		if (fresh && r == 0)
			x->run[i]->told = tell_array_state(x, x->run[i]);
	}
	for (size_t i = 0; i < x->n_runs && r >= 0 && !x->plan->dry_run; i++)
		r = copies_settle(x, x->run[i], e);
	return MIN(r, 0);
}

static int open_all(struct exec *x, const struct plan *p, struct err *e)
{
	int64_t begin = exec_now(x);
	int r;

	if (strcmp(x->set.guid, p->set) != 0) {
		forget_runs(x);
		x->looked = false;
	}
	exec_mark(x, "open");
	r = set_open(&x->set, p, e);
	learn_prefix(x, p);
	if (r == 0)
		r = look_at_kernel(x, !x->looked, e);
	x->looked = x->looked || r == 0;
	x->timing.open = (exec_now(x) - begin) / NS_PER_US;
	return r;
}

static bool is_forced(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->step[i].force)
			return true;
	return false;
}

/* Where a disk holds metadata of two formats, a person says which is meant: until then nothing is written to any disk
 * of the set, and none is held. What was started once is not asked again. */
static int check_others(struct exec *x, const struct plan *p, struct err *e)
{
	_cleanup_(freep) struct set_look *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < x->n_runs; i++)
		if (x->run[i]->running)
			return 0;
	if (!x->set.view || is_forced(p) || claims_held(x))
		return 0;
	list = calloc(x->set.n_disks, sizeof(*list));
	if (!list)
		return err_sys(e, ENOMEM, "disks");
	for (size_t i = 0; i < x->set.n_disks; i++)
		if (x->set.disk[i]->dev && x->set.disk[i]->ours)
			list[n++].disk = x->set.disk[i];
	set_look_at(&x->set, list, n, set_disk_of_one_format);
	for (size_t i = 0; i < n; i++)
		if (list[i].result < 0)
			return err_set(
				e, EUCLEAN,
				"%s is of two formats: a member of %s set %s, and %s; nothing is done to the set "
				"before one of them is taken away (wipefs), or a start with --force has said that "
				"%s is meant",
				list[i].disk->dev->name, x->set.format->name, x->set.guid, list[i].why.msg,
				x->set.format->name);
	return 0;
}

/* A step that fails leaves no half of itself in the set. */
static int prepare_step(struct exec *x, const struct step *s, struct err *e)
{
	struct meta_set *before = x->work ? x->set.format->set_clone(x->work) : NULL;
	int r = 0;

	if (x->work && !before)
		return err_set(e, ENOMEM, "out of memory");
	if (step_table[s->op].prepare)
		r = step_table[s->op].prepare(x, s, e);
	if (r < 0) {
		struct meta_set *half = x->work;

		x->work = before;
		before = half;
	}
	if (before)
		x->set.format->set_free(before);
	return r;
}

/* Each step edits the set in memory. result[i]: 0, or why it is left out. Returns the first error that stops the plan.
 */
static int prepare_steps(struct exec *x, const struct plan *p, int *result, struct err *e)
{
	for (size_t k = 0; k < p->n_steps; k++)
		result[k] = -ECANCELED;
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->step[i];
		struct err why = {0};

		if (s->refused)
			continue;
		result[i] = prepare_step(x, s, &why);
		if (result[i] >= 0)
			continue;
		tell_step(x, i, "failed", why.msg);
		if (s->on_failure == FAILURE_CONTINUE)
			continue;
		*e = why;
		return result[i];
	}
	return 0;
}

static int finish_steps(struct exec *x, const struct plan *p, const int *result, struct err *e)
{
	int first = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		struct err why = {0};
		int r = 0;

		if (result[i] < 0)
			continue;
		if (step_table[p->step[i].op].finish)
			r = step_table[p->step[i].op].finish(x, &p->step[i], &why);
		tell_step(x, i, r < 0 ? "failed" : result[i] > 0 ? "already" : "ok", why.msg[0] ? why.msg : x->note);
		if (r < 0 && first == 0) {
			first = r;
			*e = why;
		}
	}
	return first;
}

/* All running volumes of the set: a disk is a member of several. The plan's own first. */
static int converge_all(struct exec *x, const struct plan *p, struct err *e)
{
	int first = 0;

	for (unsigned own = 2; own-- > 0;)
		for (size_t i = 0; i < x->n_runs; i++) {
			struct err why = {0};
			int r;

			if ((strcmp(x->run[i]->guid, p->volume) == 0) != own || !exec_volume(x, x->run[i]->guid))
				continue;
			r = converge(x, x->run[i], &why);
			if (r < 0)
				log_error("%s: %s", x->run[i]->dm, why.msg);
			if (r < 0 && first == 0) {
				first = r;
				*e = why;
			}
		}
	return first;
}

/* Of an array that gets another one. */
static void show_size(const struct exec *x, const struct meta_volume *after, struct buf *out)
{
	const struct meta_volume *v = exec_volume(x, after->guid);
	struct value was = value_size(v ? v->sectors * 512 : 0), is = value_size(after->sectors * 512);

	if (!v || v->sectors == after->sectors)
		return;
	buf_addf(out, "size of %s before: ", after->name);
	value_print(&was, VALUE_CANONICAL, out);
	buf_addf(out, "\nsize of %s after:  ", after->name);
	value_print(&is, VALUE_CANONICAL, out);
	buf_addc(out, '\n');
}

/* What would be written and loaded, and nothing of it done. */
static int show_plan(struct exec *x, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *after = NULL;
	_cleanup_(buf_free) struct buf text = {0};
	int r = exec_work_view(x, &after, e);

	if (r < 0)
		return r;
	if (x->set.view)
		show_view(x->set.view, "metadata before", &text);
	else
		buf_addf(&text, "metadata before: none, set %s is new\n", x->set.guid);
	show_view(after, "metadata after", &text);
	for (size_t i = 0; i < x->n_runs; i++) {
		struct volume_run *run = x->run[i];
		const struct meta_volume *v = meta_view_volume(after, run->guid);

		if (!v || (!run->running && strcmp(run->guid, x->plan->volume) != 0))
			continue;
		show_size(x, v, &text);
		buf_addf(&text, "table of %s before: ", run->dm);
		target_show(x, run->running ? run->table : "none", &text);
		buf_addf(&text, "\ntable of %s after:  ", run->dm);
		if (target_build(x, run, v, false, &x->target[1], e) == 0)
			target_show(x, x->target[1].params, &text);
		else
			buf_add(&text, "none");
		buf_addc(&text, '\n');
		snapshots_show(x, run, &text);
	}
	tell_show(x, buf_str(&text));
	return 0;
}

/* Facts join the plan's edits: one commit, and a step is judged against what is true. Returns how many. */
static int add_facts(struct exec *x, struct err *e)
{
	int facts = 0;

	for (size_t i = 0; i < x->n_runs; i++) {
		bool lost;
		int r = exec_volume(x, x->run[i]->guid) ? facts_edit(x, x->run[i], &lost, e) : 0;

		if (r < 0)
			return r;
		facts += r;
	}
	return facts;
}

void exec_settle_joining(struct exec *x)
{
	for (size_t i = 0; i < x->set.n_disks; i++) {
		struct set_disk *d = x->set.disk[i];
		struct err why;

		if (!d->joining)
			continue;
		d->joining = false;
		if (d->dev && meta_view_disk(x->set.view, d->ref) && set_disk_read(&x->set, d, &why) == 0 && d->ours) {
			d->standing = META_CURRENT;
			x->set.rejoin = true;
		} else {
			d->ref[0] = '\0';
			d->ours = d->adopted = false;
		}
	}
}

/* The metadata stayed as they were, and so does the kernel's side; but what was stopped is stopped. */
static void tell_unwritten(struct exec *x, const struct plan *p, const int *result, const char *why)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		if (result[i] < 0)
			continue;
		if (p->step[i].op == STEP_STOP)
			step_stop_finish(x, &p->step[i], &(struct err){0});
		tell_step(x, i, result[i] > 0 ? "already" : "failed", result[i] > 0 ? x->note : why);
	}
}

static int run_steps(struct exec *x, const struct plan *p, struct err *e)
{
	int result[PLAN_STEPS_MAX] = {0};
	struct err why = {0};
	int stopped, facts = add_facts(x, e), r;

	if (facts < 0)
		return facts;
	stopped = prepare_steps(x, p, result, e);
	if (p->dry_run)
		return stopped < 0 ? stopped : show_plan(x, e);
	x->may_wait = facts == 0;
	r = commit(x, &why);
	x->may_wait = false;
	exec_settle_joining(x);
	if (r < 0) {
		/* What the commit found is written all the same, as far as it can be. */
		converge_all(x, p, &(struct err){0});
		tell_unwritten(x, p, result, why.msg);
		if (stopped == 0)
			*e = why;
		return stopped < 0 ? stopped : r;
	}
	r = converge_all(x, p, stopped < 0 ? &(struct err){0} : e);
	if (x->set.view)
		turns_take(x);
	/* A start that was refused may have found that members are missing. A release has closed the set. */
	if (r == 0 && stopped == 0 && x->set.view)
		commit_late(x);
	if (stopped < 0 || r < 0) {
		finish_steps(x, p, result, &(struct err){0});
		return stopped < 0 ? stopped : r;
	}
	return finish_steps(x, p, result, e);
}

/* Open and read; edit in memory; write once; then the kernel's tables follow; then what can wait. */
int exec_plan(struct exec *x, const struct plan *p, struct err *e)
{
	int64_t begin = exec_now(x);
	int r;

	x->plan = p;
	x->timing = (struct timing){0};
	r = open_all(x, p, e);
	if (r == 0)
		r = check_others(x, p, e);
	if (r == 0)
		r = run_steps(x, p, e);
	if (x->work) {
		x->set.format->set_free(x->work);
		x->work = NULL;
	}
	images_left(x, r == 0);
	before_tell(x);
	image_free(TAKE_PTR(x->given));
	if (p->dry_run)
		options_forget(x);
	free(TAKE_PTR(x->start));
	x->note[0] = '\0';
	if (x->set.view)
		exec_settle_joining(x);
	else if (p->create)
		set_close(&x->set); /* one that was only shown */
	if (x->set.view && !p->dry_run)
		x->env.dm->settle(x->env.dm->u);
	x->timing.total = (exec_now(x) - begin) / NS_PER_US;
	if (x->set.view)
		tell_state(x);
	x->plan = NULL;
	return r;
}
