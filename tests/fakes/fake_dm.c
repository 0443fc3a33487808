// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fakes/fake_dm.h"

#include "core/list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FAKE_MAJOR = 253, HEALTH_MAX = 64 };

struct table {
	bool there, raid, read_only;
	char line[DM_PARAMS_MAX + 64];
	char params[DM_PARAMS_MAX];
};

struct device {
	struct list node;
	char name[DM_NAME_LEN_MAX + 1], uuid[DM_UUID_LEN_MAX + 1];
	unsigned minor;
	uint32_t event_nr;
	int open_count;
	bool suspended; /* by a suspend; a new device without a table is not counted as such */
	struct table live, inactive;
	char health[HEALTH_MAX + 1], health_at_load[HEALTH_MAX + 1];
	enum dm_raid_action action;
	uint64_t done, total;
	bool status_read; /* since the suspend */
	bool mirror;	  /* .health is of its two sides, .done of 16 regions */
	char *scripted;
};

struct fake_dm {
	struct dm_ops ops;
	struct list devices;
	unsigned minors, calls, fail_at;
	int fail_code;
	bool fail_late, unsettled;
	fake_dm_hook *hook;
	void *hook_u;
	struct buf log;
	char violation[256];
};

static void violate(struct fake_dm *f, const char *fmt, ...) _printf_(2, 3);
static void violate(struct fake_dm *f, const char *fmt, ...)
{
	va_list ap;

	if (f->violation[0])
		return;
	va_start(ap, fmt);
	vsnprintf(f->violation, sizeof(f->violation), fmt, ap);
	va_end(ap);
}

static struct device *find(struct fake_dm *f, const char *name)
{
	struct device *d;

	list_foreach (d, &f->devices, node)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

static struct device *suspended_one(struct fake_dm *f)
{
	struct device *d;

	list_foreach (d, &f->devices, node)
		if (d->suspended)
			return d;
	return NULL;
}

/* Counts the call. -errno: it fails now. *late: it fails after its effect. */
static int enter(struct fake_dm *f, enum fake_dm_call call, const char *name, int *late, struct err *e)
{
	int r = 0;

	*late = 0;
	f->calls++;
	if (f->hook)
		r = f->hook(f->hook_u, call, name, f->calls);
	if (r == 0 && f->calls == f->fail_at) {
		if (f->fail_late)
			*late = -f->fail_code;
		else
			r = -f->fail_code;
	}
	return r < 0 ? err_sys(e, -r, "fake device-mapper: %s", name) : 0;
}

static int leave(int late, const char *name, struct err *e)
{
	return late < 0 ? err_sys(e, -late, "fake device-mapper: %s", name) : 0;
}

static void forbid_while_suspended(struct fake_dm *f, const char *what, const char *name)
{
	struct device *s = suspended_one(f);

	if (s)
		violate(f, "%s %s while %s is suspended", what, name, s->name);
}

static int absent(const char *name, struct err *e)
{
	return err_set(e, ENXIO, "there is no such device: %s", name);
}

/* The beginning of a call about a device that must be there. */
static int enter_device(struct fake_dm *f, enum fake_dm_call call, const char *name, struct device **ret, int *late,
			struct err *e)
{
	int r = enter(f, call, name, late, e);

	if (r < 0)
		return r;
	*ret = find(f, name);
	return *ret ? 0 : absent(name, e);
}

static int fake_create(void *u, const char *name, const char *uuid, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter(f, FAKE_CREATE, name, &late, e);

	if (r < 0)
		return r;
	forbid_while_suspended(f, "create", name);
	list_foreach (d, &f->devices, node)
		if (strcmp(d->name, name) == 0 || (uuid[0] && strcmp(d->uuid, uuid) == 0))
			return err_set(e, EEXIST, "cannot create %s: its name or its UUID %s is in use", name, uuid);
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_sys(e, ENOMEM, "%s", name);
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->uuid, sizeof(d->uuid), "%s", uuid);
	d->minor = f->minors++;
	list_insert(&f->devices, &d->node);
	buf_addf(&f->log, "create %s %s\n", name, uuid);
	return leave(late, name, e);
}

static int fake_load(void *u, const char *name, const struct dm_target *t, size_t n, bool read_only, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d = find(f, name);
	int late, r = enter(f, FAKE_LOAD, name, &late, e);

	if (r < 0)
		return r;
	forbid_while_suspended(f, "load", name);
	if (!d)
		return absent(name, e);
	if (n == 0)
		return err_set(e, EINVAL, "a table of no targets for %s", name);
	d->inactive = (struct table){.there = true, .raid = strcmp(t->type, "raid") == 0, .read_only = read_only};
	snprintf(d->inactive.line, sizeof(d->inactive.line), "%" PRIu64 " %" PRIu64 " %s %s", t->start, t->len, t->type,
		 t->params);
	memcpy(d->inactive.params, t->params, sizeof(d->inactive.params));
	memcpy(d->health_at_load, d->health, sizeof(d->health_at_load));
	d->total = d->live.there ? d->total : t->len;
	buf_addf(&f->log, "load %s: %s\n", name, d->inactive.line);
	return leave(late, name, e);
}

static int fake_suspend(void *u, const char *name, bool noflush, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_SUSPEND, name, &d, &late, e);

	if (r < 0)
		return r;
	if (d->suspended)
		violate(f, "suspend %s twice", name);
	d->suspended = true;
	d->status_read = false;
	buf_addf(&f->log, "suspend %s%s\n", name, noflush ? " noflush" : "");
	return leave(late, name, e);
}

static int fake_suspend_frozen(void *u, const char *name, struct err *e)
{
	return fake_suspend(u, name, false, e);
}

static void status_line(const struct device *d, char *params)
{
	char type[16] = "raid", health[HEALTH_MAX + 1];

	if (d->scripted) {
		snprintf(params, DM_PARAMS_MAX, "%s", d->scripted);
		return;
	}
	if (d->mirror) {
		snprintf(params, DM_PARAMS_MAX, "2 8:0 8:16 %" PRIu64 "/16 1 %s 1 core", d->done, d->health);
		return;
	}
	if (strstr(d->live.line, " snapshot ")) {
		snprintf(params, DM_PARAMS_MAX, "0/2048 0");
		return;
	}
	if (!d->live.raid) {
		params[0] = '\0';
		return;
	}
	snprintf(health, sizeof(health), "%s", d->health);
	/* rs_get_progress: a recovery that the suspension interrupted. */
	for (char *h = health; *h && d->suspended && d->action == DM_RECOVER; h++)
		*h = *h == 'A' ? 'a' : *h;
	sscanf(d->live.params, "%15s", type);
	snprintf(params, DM_PARAMS_MAX, "%s %zu %s %" PRIu64 "/%" PRIu64 " %s 0 0 -", type, strlen(health), health,
		 d->done, d->total, d->suspended ? "frozen" : dm_raid_action_name(d->action));
}

static int fake_status(void *u, const char *name, char *params, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_STATUS, name, &d, &late, e);

	if (r < 0)
		return r;
	if (!d->live.there)
		return err_set(e, ENODATA, "%s has no live table", name);
	status_line(d, params);
	d->status_read = true;
	return leave(late, name, e);
}

static int fake_table(void *u, const char *name, char *params, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_TABLE, name, &d, &late, e);

	if (r < 0)
		return r;
	if (!d->live.there)
		return err_set(e, ENODATA, "%s has no live table", name);
	memcpy(params, d->live.params, DM_PARAMS_MAX);
	return leave(late, name, e);
}

static int fake_target(void *u, const char *name, char type[16], uint64_t *len, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_TABLE, name, &d, &late, e);

	if (r < 0)
		return r;
	if (!d->live.there || sscanf(d->live.line, "%*u %" SCNu64 " %15s", len, type) != 2)
		return err_set(e, ENODATA, "%s has no live table", name);
	return leave(late, name, e);
}

static int fake_clear(void *u, const char *name, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_CLEAR, name, &d, &late, e);

	if (r < 0)
		return r;
	d->inactive = (struct table){0};
	buf_addf(&f->log, "clear %s\n", name);
	return leave(late, name, e);
}

/* Health of a raid table at its first resume: what is listed is believed, what is to be rebuilt is not in sync. */
static void start_raid(struct device *d)
{
	_cleanup_(freep) char *copy = strdup(d->live.params);
	bool rebuild[HEALTH_MAX] = {false};
	unsigned args, slots, i = 0;
	char *save = NULL, *w;

	if (!copy || !strtok_r(copy, " ", &save)) /* the type */
		return;
	w = strtok_r(NULL, " ", &save);
	for (args = w ? (unsigned)atoi(w) : 0; args > 0 && (w = strtok_r(NULL, " ", &save)); args--)
		if (strcmp(w, "rebuild") == 0 && args > 1 && (w = strtok_r(NULL, " ", &save)) && args--)
			rebuild[(unsigned)atoi(w) % HEALTH_MAX] = true;
	w = strtok_r(NULL, " ", &save);
	slots = w ? (unsigned)atoi(w) : 0;
	d->action = DM_IDLE;
	for (; i < slots && i < HEALTH_MAX; i++) {
		strtok_r(NULL, " ", &save); /* the slice */
		w = strtok_r(NULL, " ", &save);
		d->health[i] = !w || strcmp(w, "-") == 0 ? '-' : rebuild[i] ? 'a' : 'A';
		if (d->health[i] == 'a')
			d->action = DM_RECOVER;
	}
	d->health[i] = '\0';
	d->done = d->action == DM_IDLE ? d->total : 0;
}

/* attempt_restore_of_faulty_devices, drivers/md/dm-raid.c: whoever's disk it is. */
static void revive(struct device *d)
{
	for (char *h = d->health; *h; h++)
		if (*h == 'D') {
			*h = 'a';
			d->action = DM_RECOVER;
			d->done = 0;
		}
}

static void check_swap(struct fake_dm *f, const struct device *d)
{
	if (!d->live.raid)
		return;
	if (!d->suspended)
		violate(f, "swap of %s that was not suspended first", d->name);
	else if (!d->status_read)
		violate(f, "swap of %s without its status read again since the suspend", d->name);
	for (size_t i = 0; d->health[i]; i++)
		if ((d->health[i] == 'D') != (d->health_at_load[i] == 'D'))
			violate(f, "swap of %s although it was %s at the load and is %s now", d->name,
				d->health_at_load, d->health);
}

/* Two raid tables over the same slices, each of which would write them; or a snapshot of no moment at all. */
static void check_others(struct fake_dm *f, const struct device *d)
{
	char origin[48];
	struct device *o;

	if (d->live.raid)
		list_foreach (o, &f->devices, node)
			if (o != d && !o->suspended && o->live.raid && strcmp(o->live.params, d->live.params) == 0)
				violate(f, "%s and %s have the same live raid table", d->name, o->name);
	if (!strstr(d->live.line, " snapshot "))
		return;
	snprintf(origin, sizeof(origin), " %.*s", (int)strcspn(d->live.params, " "), d->live.params);
	list_foreach (o, &f->devices, node)
		if ((strstr(o->live.line, origin) && strstr(o->live.line, "snapshot-origin") && !o->suspended) ||
		    (strstr(o->inactive.line, origin) && strstr(o->inactive.line, "snapshot-origin") && !o->suspended))
			violate(f, "%s is resumed while %s is written", d->name, o->name);
}

static int fake_resume(void *u, const char *name, enum dm_shown shown, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_RESUME, name, &d, &late, e);

	if (r < 0)
		return r;
	if (!d->inactive.there && !d->live.there)
		return err_set(e, EINVAL, "%s has no table", name);
	buf_addf(&f->log, "resume %s%s%s\n", name, shown != DM_SHOWN ? " private" : "",
		 d->inactive.there ? " (swap)" : "");
	if (d->inactive.there) {
		check_swap(f, d);
		d->live = d->inactive;
		d->inactive = (struct table){0};
		d->health[0] = '\0';
		d->mirror = strstr(d->live.line, " mirror core ");
		if (d->live.raid)
			start_raid(d);
		if (d->mirror) {
			memcpy(d->health, "AA", sizeof("AA"));
			d->done = 0;
		}
		check_others(f, d);
	} else if (d->suspended && d->live.raid) {
		revive(d);
		check_others(f, d);
	}
	d->suspended = false;
	f->unsettled = f->unsettled || shown != DM_PRIVATE;
	return leave(late, name, e);
}

/* raid_message, drivers/md/dm-raid.c. */
static int fake_message(void *u, const char *name, const char *text, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter_device(f, FAKE_MESSAGE, name, &d, &late, e);

	if (r < 0)
		return r;
	if (!d->live.raid)
		return err_set(e, EINVAL, "%s runs no raid table", name);
	if (strcmp(text, "idle") == 0 || strcmp(text, "frozen") == 0)
		d->action = strcmp(text, "frozen") == 0 ? DM_FROZEN : strchr(d->health, 'a') ? DM_RECOVER : DM_IDLE;
	else if (d->action != DM_IDLE && d->action != DM_FROZEN)
		return err_set(e, EBUSY, "%s does not take '%s' while it resyncs", name, text);
	else if (strcmp(text, "check") == 0 || strcmp(text, "repair") == 0)
		d->action = strcmp(text, "check") == 0 ? DM_CHECK : DM_REPAIR;
	else if (strcmp(text, "recover") == 0)
		d->action = strchr(d->health, 'a') ? DM_RECOVER : DM_IDLE;
	else
		return err_set(e, EINVAL, "%s does not know '%s'", name, text);
	d->done = d->action == DM_IDLE ? d->total : 0;
	buf_addf(&f->log, "message %s %s\n", name, text);
	return leave(late, name, e);
}

static int fake_settle(void *u)
{
	struct fake_dm *f = u;
	int late, r = enter(f, FAKE_SETTLE, "", &late, NULL);

	if (r < 0)
		return r;
	forbid_while_suspended(f, "settle", "udev");
	f->unsettled = false;
	return late;
}

/* People, and tables of other devices that name d: those that wait in them count, too. */
static int users(struct fake_dm *f, const struct device *d)
{
	char number[24];
	struct device *o;
	int count = d->open_count;
	size_t n = (size_t)snprintf(number, sizeof(number), "%d:%u", FAKE_MAJOR, d->minor);

	list_foreach (o, &f->devices, node) {
		const struct table *tables[] = {&o->live, &o->inactive};

		for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
			for (const char *p = tables[i]->line; (p = strstr(p, number)); p += n)
				count += p > tables[i]->line && p[-1] == ' ' && (p[n] == ' ' || !p[n]);
	}
	return count;
}

static void device_free(struct device *d)
{
	list_remove(&d->node);
	free(d->scripted);
	free(d);
}

static int fake_remove(void *u, const char *name, bool retry, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter(f, FAKE_REMOVE, name, &late, e);

	(void)retry;
	if (r < 0)
		return r;
	forbid_while_suspended(f, "remove", name);
	d = find(f, name);
	if (!d)
		return absent(name, e);
	if (users(f, d) > 0)
		return err_sys(e, EBUSY, "cannot remove %s", name);
	device_free(d);
	f->unsettled = true;
	buf_addf(&f->log, "remove %s\n", name);
	return leave(late, name, e);
}

static void view(struct fake_dm *f, const struct device *d, struct dm_info_view *ret)
{
	*ret = (struct dm_info_view){
		.exists = true,
		.suspended = d->suspended || !d->live.there,
		.live_table = d->live.there,
		.inactive_table = d->inactive.there,
		.read_only = d->live.read_only,
		.major = FAKE_MAJOR,
		.minor = d->minor,
		.event_nr = d->event_nr,
		.open_count = users(f, d),
	};
	memcpy(ret->name, d->name, sizeof(ret->name));
	memcpy(ret->uuid, d->uuid, sizeof(ret->uuid));
}

static int fake_info(void *u, const char *name, struct dm_info_view *ret, struct err *e)
{
	struct fake_dm *f = u;
	struct device *d;
	int late, r = enter(f, FAKE_INFO, name, &late, e);

	if (r < 0)
		return r;
	d = find(f, name);
	*ret = (struct dm_info_view){.exists = false};
	if (d)
		view(f, d, ret);
	return leave(late, name, e);
}

static int fake_list(void *u, const char *prefix, struct dm_info_view **ret, size_t *n, struct err *e)
{
	struct fake_dm *f = u;
	struct dm_info_view *all;
	struct device *d;
	size_t count = 0;
	int late, r = enter(f, FAKE_LIST, prefix, &late, e);

	if (r < 0)
		return r;
	forbid_while_suspended(f, "list", prefix);
	list_foreach (d, &f->devices, node)
		count++;
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return err_sys(e, ENOMEM, "list");
	count = 0;
	list_foreach (d, &f->devices, node)
		if (strncmp(d->uuid, prefix, strlen(prefix)) == 0)
			view(f, d, &all[count++]);
	r = leave(late, prefix, e);
	if (r < 0) {
		free(all);
		return r;
	}
	*ret = all;
	*n = count;
	return 0;
}

struct fake_dm *fake_dm_new(void)
{
	struct fake_dm *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	list_init(&f->devices);
	f->ops = (struct dm_ops){
		.create = fake_create,
		.load = fake_load,
		.suspend = fake_suspend,
		.suspend_frozen = fake_suspend_frozen,
		.status = fake_status,
		.table = fake_table,
		.target = fake_target,
		.clear = fake_clear,
		.resume = fake_resume,
		.message = fake_message,
		.settle = fake_settle,
		.remove = fake_remove,
		.info = fake_info,
		.list = fake_list,
		.u = f,
	};
	return f;
}

void fake_dm_free(struct fake_dm *f)
{
	struct device *d;

	list_foreach (d, &f->devices, node)
		device_free(d);
	buf_free(&f->log);
	free(f);
}

const struct dm_ops *fake_dm_ops(struct fake_dm *f)
{
	return &f->ops;
}

void fake_dm_set_hook(struct fake_dm *f, fake_dm_hook *hook, void *u)
{
	f->hook = hook;
	f->hook_u = u;
}

void fake_dm_fail_call(struct fake_dm *f, unsigned n, int code, bool late)
{
	f->fail_at = f->calls + n;
	f->fail_code = code;
	f->fail_late = late;
}

unsigned fake_dm_calls(const struct fake_dm *f)
{
	return f->calls;
}

void fake_dm_fail_member(struct fake_dm *f, const char *name, unsigned slot)
{
	struct device *d = find(f, name);

	d->health[slot] = 'D';
	d->event_nr++;
}

void fake_dm_rebuilt(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	for (char *h = d->health; *h; h++)
		if (*h == 'a' && d->action != DM_FROZEN)
			*h = 'A';
	if (d->action == DM_FROZEN)
		return;
	d->action = DM_IDLE;
	d->done = d->total;
	d->event_nr++;
}

void fake_dm_copied(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	if (d->mirror && strcmp(d->health, "AA") == 0)
		d->done = 16;
	d->event_nr++;
}

void fake_dm_copy_fails(struct fake_dm *f, const char *name, const char *health)
{
	struct device *d = find(f, name);

	memcpy(d->health, health, 3);
	d->done = d->done == 16 ? 15 : d->done;
	d->event_nr++;
}

bool fake_dm_mirrors(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	return d && d->mirror;
}

void fake_dm_set_action(struct fake_dm *f, const char *name, enum dm_raid_action action, uint64_t done, uint64_t total)
{
	struct device *d = find(f, name);

	d->action = action;
	d->done = done;
	d->total = total;
}

void fake_dm_recover(struct fake_dm *f, const char *name, unsigned slot)
{
	struct device *d = find(f, name);

	if (!d || slot >= strlen(d->health) || d->health[slot] != 'A')
		return;
	d->health[slot] = 'a';
	d->action = DM_RECOVER;
	d->done = 0;
}

void fake_dm_set_status(struct fake_dm *f, const char *name, const char *params)
{
	struct device *d = find(f, name);

	free(d->scripted);
	d->scripted = params ? strdup(params) : NULL;
}

void fake_dm_set_open(struct fake_dm *f, const char *name, int open_count)
{
	find(f, name)->open_count = open_count;
}

const char *fake_dm_live(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	return d && d->live.there ? d->live.line : NULL;
}

const char *fake_dm_inactive(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	return d && d->inactive.there ? d->inactive.line : NULL;
}

const char *fake_dm_health(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	return d ? d->health : NULL;
}

bool fake_dm_suspended(struct fake_dm *f, const char *name)
{
	struct device *d = find(f, name);

	return d && d->suspended;
}

const char *fake_dm_log(const struct fake_dm *f)
{
	return buf_str(&f->log);
}

const char *fake_dm_violation(const struct fake_dm *f)
{
	return f->violation[0] ? f->violation : NULL;
}

const char *fake_dm_violation_at_end(struct fake_dm *f)
{
	struct device *d;

	list_foreach (d, &f->devices, node) {
		if (d->suspended)
			violate(f, "%s is left suspended", d->name);
		if (d->inactive.there)
			violate(f, "%s is left with an inactive table", d->name);
	}
	if (f->unsettled)
		violate(f, "udev was not waited for");
	return fake_dm_violation(f);
}
