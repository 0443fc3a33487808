// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of arrays and sets, and other names. */
#include "actions/exec_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A dry run has stopped nothing. */
static bool would_stop(const struct plan *p)
{
	return p->dry_run && p->n_steps && p->step[0].op == STEP_STOP && !p->step[0].refused;
}

static struct volume_run *stopped_run(struct exec *x, struct err *e)
{
	struct volume_run *run = exec_run(x, x->plan->volume);
	bool runs = run && run->running && !would_stop(x->plan);

	if (!run)
		err_set(e, ENOMEM, "out of memory");
	else if (runs)
		err_set(e, EBUSY, "%s runs: stop it first", run->dm);
	return runs ? NULL : run;
}

static int edit_plan_volume(struct exec *x, enum meta_edit_op op, const char *name, struct err *e)
{
	struct meta_edit edit = {.op = op};

	memcpy(edit.volume, x->plan->volume, sizeof(edit.volume));
	snprintf(edit.name, sizeof(edit.name), "%s", name);
	return exec_edit(x, &edit, e);
}

int step_delete_prepare(struct exec *x, const struct step *s, struct err *e)
{
	int r;

	(void)s;
	if (!exec_volume(x, x->plan->volume))
		return 1;
	if (!stopped_run(x, e))
		return -e->code;
	r = images_take(x, e);
	return r < 0 ? r : edit_plan_volume(x, META_DELETE_VOLUME, "", e);
}

/* Only now, when no disk calls it a volume, are its slices of no use. */
int step_delete_finish(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	(void)e;
	slices_forget(x, x->plan->volume);
	legs_drop_all(x, x->plan->volume);
	exec_forget_run(x, x->plan->volume);
	return 0;
}

int step_rename_prepare(struct exec *x, const struct step *s, struct err *e)
{
	const struct meta_volume *v = exec_volume(x, x->plan->volume);
	int r;

	if (!v)
		return err_set(e, ENOENT, "the set %s has no volume %s", x->set.guid, x->plan->volume);
	if (strcmp(v->name, s->to) == 0)
		return 1;
	if (!stopped_run(x, e))
		return -e->code;
	r = check_name(x, s->to, v->guid, e);
	return r < 0 ? r : edit_plan_volume(x, META_RENAME_VOLUME, s->to, e);
}

/* Its device goes by the new name from now on. */
int step_rename_finish(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	exec_forget_run(x, x->plan->volume);
	return exec_run(x, x->plan->volume) ? 0 : err_set(e, ENOMEM, "out of memory");
}

int step_delete_set_prepare(struct exec *x, const struct step *s, struct err *e)
{
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	int r = exec_work_view(x, &view, e);

	(void)s;
	if (r < 0)
		return r;
	if (view->n_volumes)
		return err_set(e, EBUSY, "the set has another array, %s: it stays", view->volumes[0].name);
	/* Of the plan that has deleted its last array they are taken already. */
	return images_take(x, e);
}

int step_delete_set_finish(struct exec *x, const struct step *s, struct err *e)
{
	(void)s;
	return set_take_back(x, "delete set", e);
}
