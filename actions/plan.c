// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/plan.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct op_row {
	const char *name; /* the action's, for the ops that are one */
	const char
		*preposition; /* between the device and the array; NULL: the op is about the array or the set alone */
	bool alone;	      /* about one device and no array */
};

static const struct op_row op_rows[STEP_OP_MAX] = {
	[STEP_ASSEMBLE] = {"assemble", NULL},
	[STEP_STOP] = {"stop-array", NULL},
	[STEP_FAIL_MEMBER] = {"fail-member", "from"},
	[STEP_REMOVE_MEMBER] = {"remove-member", "from"},
	[STEP_READD_MEMBER] = {"re-add-member", "to"},
	[STEP_TAKE_SPARE] = {"take-spare", "from"},
	[STEP_ADD_SPARE] = {"add-spare", "to"},
	[STEP_REMOVE_SPARE] = {"remove-spare", "from"},
	[STEP_ACTIVATE_SPARE] = {"activate-spare", "for"},
	[STEP_REPLACE_MEMBER] = {"replace-member", "in"},
	[STEP_COPY_BACK] = {"copy-back", "in"},
	[STEP_SCRUB] = {"scrub", NULL},
	[STEP_READ_LAST] = {"read-last", "in"},
	[STEP_REBUILD_SPEED] = {"rebuild-speed", NULL},
	[STEP_CREATE] = {"create-array", NULL},
	[STEP_DELETE] = {"delete-array", NULL},
	[STEP_RENAME] = {"rename-array", NULL},
	[STEP_GROW] = {"grow-array", NULL},
	[STEP_RESTORE] = {"restore", NULL},
	[STEP_NOTE_DISK] = {"note-disk", "of"},
	[STEP_SNAPSHOT] = {"snapshot", NULL},
	[STEP_DROP_SNAPSHOT] = {"drop-snapshot", NULL},
	[STEP_DELETE_SET] = {"delete-set", NULL},
	[STEP_READ_CHECK] = {"read-check", "at", true},
	[STEP_SLOT_LIGHT] = {"slot-light", "in", true},
	[STEP_FAIL_PATH] = {"fail-path", "of", true},
	[STEP_REINSTATE_PATH] = {"reinstate-path", "of", true},
	[STEP_DEMOTE_PATH] = {"demote-path", "of", true},
	[STEP_RESTORE_PATH] = {"restore-path", "of", true},
	[STEP_QUEUE_IO] = {"queue-io", NULL, true},
	[STEP_FAIL_IO] = {"fail-io", NULL, true},
	[STEP_RECORD] = {"record", NULL},
	[STEP_CLAIM] = {"claim", NULL},
	[STEP_RELEASE] = {"release", NULL},
};

static const char *const failure_words[] = {"stop", "continue"};
static const char *const plan_origin_words[] = {"rule", "operator", "builtin", "shutdown"};

const char *step_op_name(enum step_op op)
{
	return op < STEP_OP_MAX ? op_rows[op].name : "?";
}

bool step_op_alone(enum step_op op)
{
	return op < STEP_OP_MAX && op_rows[op].alone;
}

bool plan_joins(const struct plan *p)
{
	for (size_t i = 0; i < p->n_steps && !p->create; i++)
		if (p->step[i].op == STEP_ADD_SPARE && !p->step[i].refused)
			return true;
	return p->create;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->devices);
	free(p->create);
	free(p);
}

enum field_type {
	FIELD_TEXT,
	FIELD_FLAG,
	FIELD_COUNT,
	FIELD_RATE, /* bytes a second; PLAN_RATE_MAX is -1 */
	FIELD_SIZE, /* bytes */
};

struct step_field {
	const char *key;
	enum field_type type;
	size_t offset, size;
};

#define STEP_FIELD(key, type, name)                                                                                    \
	{                                                                                                              \
		key, type, offsetof(struct step, name), sizeof(((struct step *)0)->name)                               \
	}

/* What a step has beside op, slot and on-failure; what is not set is not written. */
static const struct step_field step_fields[] = {
	STEP_FIELD("device", FIELD_TEXT, device),
	STEP_FIELD("name", FIELD_TEXT, name),
	STEP_FIELD("ref", FIELD_TEXT, ref),
	STEP_FIELD("map", FIELD_TEXT, map),
	STEP_FIELD("place", FIELD_TEXT, place),
	STEP_FIELD("speed", FIELD_RATE, speed),
	STEP_FIELD("size", FIELD_SIZE, size),
	STEP_FIELD("group", FIELD_COUNT, group),
	STEP_FIELD("was-alone", FIELD_FLAG, was_alone),
	STEP_FIELD("degraded", FIELD_FLAG, degraded),
	STEP_FIELD("read-only", FIELD_FLAG, read_only),
	STEP_FIELD("force", FIELD_FLAG, force),
	STEP_FIELD("dedicated", FIELD_FLAG, dedicated),
	STEP_FIELD("revertible", FIELD_FLAG, revertible),
	STEP_FIELD("enclosure", FIELD_FLAG, enclosure),
	STEP_FIELD("wipe", FIELD_FLAG, wipe),
	STEP_FIELD("from", FIELD_TEXT, from),
	STEP_FIELD("from-name", FIELD_TEXT, from_name),
	STEP_FIELD("by", FIELD_TEXT, by),
	STEP_FIELD("by-name", FIELD_TEXT, by_name),
	STEP_FIELD("wiped", FIELD_FLAG, wiped),
	STEP_FIELD("repair", FIELD_FLAG, repair),
	STEP_FIELD("undo", FIELD_FLAG, undo),
	STEP_FIELD("rate", FIELD_RATE, rate),
	STEP_FIELD("table-later", FIELD_FLAG, table_later),
	STEP_FIELD("refused", FIELD_FLAG, refused),
	STEP_FIELD("to", FIELD_TEXT, to),
	STEP_FIELD("reason", FIELD_TEXT, reason),
};

/* ---- printing ---- */

static void print_assembly(const struct step *s, struct buf *out)
{
	if (s->degraded)
		buf_add(out, " degraded");
	if (s->read_only)
		buf_add(out, " read-only");
	if (s->force)
		buf_add(out, " by force");
}

static void print_upkeep(const struct step *s, struct buf *out)
{
	struct value rate = value_size(s->rate), size = value_size(s->size);

	switch (s->op) {
	case STEP_SCRUB:
		buf_add(out, s->undo ? " cancel" : s->repair ? " repair" : " check");
		break;
	case STEP_REPLACE_MEMBER:
		buf_add(out, s->undo ? " no longer" : " by ");
		if (!s->undo)
			value_escape(s->by_name[0] ? s->by_name : s->by, 0, out);
		break;
	case STEP_COPY_BACK:
		buf_add(out, " to ");
		value_escape(s->by_name[0] ? s->by_name : s->by, 0, out);
		break;
	case STEP_SNAPSHOT:
		buf_addf(out, " on ");
		value_escape(s->by, 0, out);
		break;
	case STEP_GROW:
		buf_add(out, " to ");
		if (s->size)
			value_print(&size, VALUE_CANONICAL, out);
		else
			buf_add(out, "all there is room for");
		break;
	case STEP_READ_LAST:
		buf_add(out, s->undo ? " no longer" : "");
		break;
	case STEP_REBUILD_SPEED:
		buf_addc(out, ' ');
		if (s->rate == 0 || s->rate == PLAN_RATE_MAX) {
			buf_add(out, s->rate ? "max" : "as the kernel's");
			break;
		}
		value_print(&rate, VALUE_CANONICAL, out);
		buf_add(out, "/s");
		break;
	default:
		break;
	}
}

/* "sdx at 50MB/s", "sdb of dm-mpath-lab", "sdb in 0:0:8:0/Slot 01: fault" */
static void print_alone(const struct op_row *row, const struct step *s, struct buf *out)
{
	struct value speed = value_size(s->speed);

	buf_addf(out, "%s ", row->name);
	value_escape(s->name[0] ? s->name : s->device, 0, out);
	if (!row->preposition)
		return;
	buf_addf(out, " %s ", row->preposition);
	if (s->op != STEP_READ_CHECK) {
		value_escape(s->op == STEP_SLOT_LIGHT ? s->place : s->map, 0, out);
		if (s->op == STEP_SLOT_LIGHT)
			buf_addf(out, ": %s", s->to);
		return;
	}
	value_print(&speed, VALUE_HUMAN, out);
	buf_add(out, "/s");
}

void step_print(const struct plan *p, const struct step *s, struct buf *out)
{
	const struct op_row *row = &op_rows[s->op];
	const char *array = p->array_name[0] ? p->array_name : p->array;
	bool of_set = s->op == STEP_RECORD || s->op == STEP_CLAIM || s->op == STEP_RELEASE || s->op == STEP_DELETE_SET;
	bool global = (s->op == STEP_ADD_SPARE && (!s->dedicated || !array[0])) ||
		      (s->op == STEP_REMOVE_SPARE && !s->dedicated);

	if (s->refused) {
		buf_addf(out, "refused: %s: %s", row->name, s->reason);
		return;
	}
	if (row->alone) {
		print_alone(row, s, out);
		return;
	}
	buf_add(out, row->name);
	if (row->preposition) {
		buf_addc(out, ' ');
		if (s->name[0] || s->device[0])
			value_escape(s->name[0] ? s->name : s->device, 0, out);
		else
			buf_addf(out, "slot %d", s->slot);
		if (!global)
			buf_addf(out, " %s", row->preposition);
	}
	if (s->op == STEP_TAKE_SPARE)
		buf_addf(out, " %s", s->from_name[0] ? s->from_name : s->from);
	else if (!global)
		buf_addf(out, " %s", of_set || !array[0] ? p->set : array);
	if (s->revertible)
		buf_add(out, " revertible");
	if (s->enclosure)
		buf_add(out, " in its enclosure");
	if (s->wipe)
		buf_add(out, " wiped");
	print_assembly(s, out);
	print_upkeep(s, out);
	if (s->op == STEP_CREATE && p->create)
		create_print(p, out);
	if (s->to[0]) {
		bool snapshot = s->op == STEP_SNAPSHOT || s->op == STEP_DROP_SNAPSHOT;

		buf_add(out, snapshot || s->op == STEP_NOTE_DISK ? ": "
			     : s->op == STEP_RESTORE		 ? " as before "
								 : " to ");
		value_escape(s->to, 0, out);
		buf_add(out, s->wiped ? ": what was wiped" : "");
	}
}

void plan_print(const struct plan *p, struct buf *out)
{
	for (size_t i = 0; i < p->n_steps; i++) {
		step_print(p, &p->step[i], out);
		buf_addc(out, '\n');
	}
}

/* ---- to JSON ---- */

static void set_text(json_t *j, const char *key, const char *s)
{
	if (*s)
		json_object_set_new(j, key, json_string(s));
}

static void set_flag(json_t *j, const char *key, bool b)
{
	if (b)
		json_object_set_new(j, key, json_true());
}

static void set_field(json_t *j, const struct step_field *f, const void *from)
{
	switch (f->type) {
	case FIELD_TEXT:
		set_text(j, f->key, from);
		return;
	case FIELD_FLAG:
		set_flag(j, f->key, *(const bool *)from);
		return;
	case FIELD_COUNT:
		if (*(const unsigned *)from)
			json_object_set_new(j, f->key, json_integer(*(const unsigned *)from));
		return;
	case FIELD_RATE:
	case FIELD_SIZE:
		if (*(const uint64_t *)from)
			json_object_set_new(j, f->key, json_integer((json_int_t) * (const uint64_t *)from));
		return;
	}
}

static json_t *step_to_json(const struct step *s)
{
	json_t *j = json_pack("{s:s}", "op", op_rows[s->op].name);

	if (s->slot >= 0)
		json_object_set_new(j, "slot", json_integer(s->slot));
	for (size_t i = 0; i < ARRAY_SIZE(step_fields); i++)
		set_field(j, &step_fields[i], (const char *)s + step_fields[i].offset);
	if (s->on_failure != FAILURE_STOP)
		json_object_set_new(j, "on-failure", json_string(failure_words[s->on_failure]));
	return j;
}

static json_t *device_to_json(const struct plan_device *d)
{
	return json_pack("{s:s s:s s:i s:i s:I}", "id", d->id, "node", d->node, "major", (int)d->major, "minor",
			 (int)d->minor, "diskseq", (json_int_t)d->diskseq);
}

json_t *plan_to_json(const struct plan *p)
{
	json_t *j = json_pack("{s:i s:s s:s}", "v", 1, "id", p->id, "origin", plan_origin_words[p->origin]);
	json_t *steps = json_array(), *devices = json_array();

	set_flag(j, "injected", p->injected);
	set_flag(j, "dry-run", p->dry_run);
	set_text(j, "verdict", p->verdict);
	set_text(j, "rule", p->rule);
	set_text(j, "set", p->set);
	set_text(j, "array", p->array);
	set_text(j, "array-name", p->array_name);
	set_text(j, "volume", p->volume);
	for (size_t i = 0; i < p->n_steps; i++)
		json_array_append_new(steps, step_to_json(&p->step[i]));
	for (size_t i = 0; i < p->n_devices; i++)
		json_array_append_new(devices, device_to_json(&p->devices[i]));
	json_object_set_new(j, "steps", steps);
	json_object_set_new(j, "devices", devices);
	if (p->create)
		json_object_set_new(j, "create", create_to_json(p->create));
	return j;
}

/* ---- from JSON ---- */

struct text_slot {
	const char *key, *text; /* text NULL: not given */
	char *to;
	size_t size;
};

static int take_texts(const struct text_slot *t, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (t[i].text && strlen(t[i].text) >= t[i].size)
			return err_set(e, EINVAL, "plan: '%s' is longer than %zu bytes", t[i].key, t[i].size - 1);
		snprintf(t[i].to, t[i].size, "%s", t[i].text ? t[i].text : "");
	}
	return 0;
}

static int find_word(const char *what, const char *word, const char *const *words, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return err_set(e, EINVAL, "plan: '%.32s' is not a %s", word, what);
}

static int find_op(const char *name, struct err *e)
{
	for (int i = 0; i < STEP_OP_MAX; i++)
		if (strcmp(op_rows[i].name, name) == 0)
			return i;
	return err_set(e, EINVAL, "plan: '%.32s' is not a step", name);
}

static int take_field(const struct step_field *f, const json_t *v, void *to, struct err *e)
{
	json_int_t n = json_integer_value(v);

	switch (f->type) {
	case FIELD_TEXT:
		if (!json_is_string(v))
			break;
		return take_texts(&(struct text_slot){f->key, json_string_value(v), to, f->size}, 1, e);
	case FIELD_FLAG:
		if (!json_is_boolean(v))
			break;
		*(bool *)to = json_is_true(v);
		return 0;
	case FIELD_COUNT:
		if (!json_is_integer(v) || n < 0 || n > INT_MAX)
			break;
		*(unsigned *)to = (unsigned)n;
		return 0;
	case FIELD_RATE:
		if (!json_is_integer(v) || n < -1)
			break;
		*(uint64_t *)to = n < 0 ? PLAN_RATE_MAX : (uint64_t)n;
		return 0;
	case FIELD_SIZE:
		if (!json_is_integer(v) || n < 0)
			break;
		*(uint64_t *)to = (uint64_t)n;
		return 0;
	}
	return err_set(e, EINVAL, "plan: step: '%s' is not what it has to be", f->key);
}

static const struct step_field *find_field(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(step_fields); i++)
		if (strcmp(step_fields[i].key, key) == 0)
			return &step_fields[i];
	return NULL;
}

static int take_fields(const json_t *j, struct step *s, struct err *e)
{
	static const char *const others[] = {"op", "slot", "on-failure"};
	const char *key;
	json_t *v;
	int r = 0;

	json_object_foreach((json_t *)j, key, v)
	{
		const struct step_field *f = find_field(key);

		if (f)
			r = take_field(f, v, (char *)s + f->offset, e);
		else
			r = find_word("key of a step", key, others, ARRAY_SIZE(others), e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int step_from_json(const json_t *j, struct step *s, struct err *e)
{
	const char *op = NULL, *on_failure = "stop";
	json_error_t je;
	int r, slot = -1;

	if (json_unpack_ex((json_t *)j, &je, 0, "{s:s s?i s?s}", "op", &op, "slot", &slot, "on-failure", &on_failure) <
	    0)
		return err_set(e, EINVAL, "plan: step: %s", je.text);
	r = find_op(op, e);
	if (r < 0)
		return r;
	s->op = (enum step_op)r;
	r = find_word("way to go on after a failure", on_failure, failure_words, ARRAY_SIZE(failure_words), e);
	if (r < 0)
		return r;
	s->on_failure = (enum step_failure)r;
	if (slot < -1 || slot >= META_SLOTS_MAX)
		return err_set(e, EINVAL, "plan: slot %d is not 0 to %d", slot, META_SLOTS_MAX - 1);
	s->slot = slot;
	return take_fields(j, s, e);
}

static int device_from_json(const json_t *j, struct plan_device *d, struct err *e)
{
	const char *id, *node;
	json_int_t diskseq = 0;
	int major, minor;
	json_error_t je;

	if (json_unpack_ex((json_t *)j, &je, JSON_STRICT, "{s:s s:s s:i s:i s?I}", "id", &id, "node", &node, "major",
			   &major, "minor", &minor, "diskseq", &diskseq) < 0)
		return err_set(e, EINVAL, "plan: device: %s", je.text);
	if (major < 0 || minor < 0 || diskseq < 0)
		return err_set(e, EINVAL, "plan: device with number %d:%d", major, minor);
	d->major = (unsigned)major;
	d->minor = (unsigned)minor;
	d->diskseq = (uint64_t)diskseq;
	return take_texts(
		(struct text_slot[]){{"id", id, d->id, sizeof(d->id)}, {"node", node, d->node, sizeof(d->node)}}, 2, e);
}

static int lists_from_json(struct plan *p, const json_t *steps, const json_t *devices, struct err *e)
{
	int r = 0;

	if (!json_is_array(steps) || !json_is_array(devices))
		return err_set(e, EINVAL, "plan: steps and devices are lists");
	if (json_array_size(steps) > PLAN_STEPS_MAX || json_array_size(devices) > PLAN_DEVICES_MAX)
		return err_set(e, EINVAL, "plan: more than %d steps or %d devices", PLAN_STEPS_MAX, PLAN_DEVICES_MAX);
	p->devices = calloc(json_array_size(devices) + 1, sizeof(*p->devices));
	if (!p->devices)
		return err_sys(e, ENOMEM, "plan");
	for (; p->n_steps < json_array_size(steps) && r == 0; p->n_steps++)
		r = step_from_json(json_array_get(steps, p->n_steps), &p->step[p->n_steps], e);
	for (; p->n_devices < json_array_size(devices) && r == 0; p->n_devices++)
		r = device_from_json(json_array_get(devices, p->n_devices), &p->devices[p->n_devices], e);
	return r;
}

int plan_from_json(const json_t *j, struct plan **ret, struct err *e)
{
	const char *id, *origin, *verdict = NULL, *rule = NULL, *set = NULL, *array = NULL, *name = NULL,
				 *volume = NULL;
	_cleanup_(plan_freep) struct plan *p = calloc(1, sizeof(*p));
	int v, injected = 0, dry_run = 0, r;
	json_t *steps, *devices, *create = NULL;
	json_error_t je;

	if (!p)
		return err_sys(e, ENOMEM, "plan");
	if (json_unpack_ex((json_t *)j, &je, JSON_STRICT, "{s:i s:s s:s s?b s?b s?s s?s s?s s?s s?s s?s s:o s:o s?o}",
			   "v", &v, "id", &id, "origin", &origin, "injected", &injected, "dry-run", &dry_run, "verdict",
			   &verdict, "rule", &rule, "set", &set, "array", &array, "array-name", &name, "volume",
			   &volume, "steps", &steps, "devices", &devices, "create", &create) < 0)
		return err_set(e, EINVAL, "plan: %s", je.text);
	if (v != 1)
		return err_set(e, EINVAL, "plan of version %d, this is version 1", v);
	r = find_word("plan's origin", origin, plan_origin_words, ARRAY_SIZE(plan_origin_words), e);
	if (r < 0)
		return r;
	p->origin = (enum plan_origin)r;
	p->injected = injected;
	p->dry_run = dry_run;
	r = take_texts((struct text_slot[]){{"id", id, p->id, sizeof(p->id)},
					    {"verdict", verdict, p->verdict, sizeof(p->verdict)},
					    {"rule", rule, p->rule, sizeof(p->rule)},
					    {"set", set, p->set, sizeof(p->set)},
					    {"array", array, p->array, sizeof(p->array)},
					    {"array-name", name, p->array_name, sizeof(p->array_name)},
					    {"volume", volume, p->volume, sizeof(p->volume)}},
		       7, e);
	if (r == 0)
		r = lists_from_json(p, steps, devices, e);
	if (r == 0 && create)
		r = create_from_json(create, &p->create, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}
