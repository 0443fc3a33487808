// SPDX-License-Identifier: GPL-2.0-or-later
/* What sources hear, until it is an event: devices and what uevents tell beside them, and block errors by way of
 * merging and of the stack that they came up through. */
#include "pipeline/pipeline_impl.h"

#include "core/log.h"
#include "pipeline/uevent.h"

#include <stdio.h>
#include <string.h>

/* What the uevent tells, NULL: nothing. The name goes with it where the inventory does not know the device. */
static struct event *uevent_event(struct pipeline *p, const struct raw_device *raw, enum origin origin)
{
	const struct stack_device *s;
	struct raw_number number;
	char id[DEVICE_ID_MAX];
	struct event *ev = NULL;
	int r = uevent_about(raw, &number);

	if (r < 0)
		p->counts.malformed++;
	if (r <= 0)
		return NULL;
	s = stack_find(p->stack, number);
	snprintf(id, sizeof(id), "number-%u:%u", number.major, number.minor);
	if (s)
		memcpy(id, s->id, sizeof(id));
	uevent_normalise(raw, id, s && !inventory_device(p->inv, id) ? s->name : NULL, origin, &ev);
	return ev;
}

/* What is a path of which map is known before the first of them fails. */
static void learn_paths(struct pipeline *p, const struct raw_device *raw)
{
	char map[DEVICE_ID_MAX];

	if (!raw->dm_uuid || strncmp(raw->dm_uuid, "mpath-", 6) != 0)
		return;
	normalise_identity(raw, map, sizeof(map));
	for (size_t i = 0; i < raw->n_lowers; i++) {
		const struct stack_device *s = stack_find(p->stack, raw->lowers[i]);

		if (s && inventory_device(p->inv, s->id))
			model_changed(p, inventory_tell(p->inv, SORT_DEVICE, s->id, FACT_PATH_MAP, value_str(map)),
				      NULL);
	}
}

/* A map has its table, and a reader its medium, only some time after they were added. */
static bool became_disk(const struct pipeline *p, const struct raw_device *raw)
{
	return raw->action && strcmp(raw->action, "change") == 0 && raw->has_size &&
	       !inventory_device_by_number(p->inv, raw->major, raw->minor, 0);
}

/* A path that was pulled is still known as part of its map now, and perhaps not after the map was looked at again: so
 * whom the uevent names is asked first. */
void pipeline_raw_device(struct pipeline *p, const struct raw_device *raw, enum origin origin)
{
	struct event *told = uevent_event(p, raw, origin), *ev;
	struct raw_device as = *raw;

	if (stack_device(p->stack, raw) < 0)
		log_error("out of memory: what %s lies on is not known", raw->devname);
	learn_paths(p, raw);
	if (became_disk(p, raw))
		as.action = "add";
	if (normalise_device(&as, origin, false, &ev) > 0)
		put_event(p, ev);
	if (told)
		put_event(p, told);
	drain(p);
}

static void put_told(void *u, struct event *ev)
{
	put_event(u, ev);
}

/* What an array counts on is never taken for a copy: a map's medium error is its paths' in the kernel, and the member's
 * to the rules. */
static void put_coalesced(void *u, struct event *ev)
{
	struct pipeline *p = u;
	const struct device *d = inventory_device(p->inv, ev->device);
	enum role role = d ? device_role(p->inv, d) : ROLE_NONE;

	stack_error(p->stack, ev, role == ROLE_MEMBER || role == ROLE_SPARE, pipeline_now(p), put_told, p);
}

/* The device of an error: a disk, or a layer above disks. *name: to tell, for what the inventory does not know. */
static const char *error_device(const struct pipeline *p, const struct raw_error *raw, const char **name)
{
	const struct device *d = inventory_device_by_number(p->inv, raw->major, raw->minor, raw->diskseq);
	const struct stack_device *s = d ? NULL : stack_find(p->stack, (struct raw_number){raw->major, raw->minor});

	*name = s ? s->name : NULL;
	return d ? d->id : s && s->layer && !s->gone ? s->id : NULL;
}

void pipeline_raw_error(struct pipeline *p, const struct raw_error *raw)
{
	const char *name, *id = error_device(p, raw, &name);
	struct event *ev;

	if (!id) {
		p->counts.unknown_devices++;
		return;
	}
	/* A layer may refuse to read ahead, as dm-zero does. Where that is a fault, the read that follows fails, too.
	 */
	if ((name && raw->rwbs && strstr(raw->rwbs, "RA")) || normalise_error(raw, id, &ev) <= 0) {
		p->counts.not_faults++;
		return;
	}
	if (name && event_set(ev, FACT_DEVICE_NAME, value_str(name)) < 0) {
		event_free(ev);
		return;
	}
	if (ev->time <= 0 || ev->time > pipeline_now(p))
		ev->time = pipeline_now(p);
	coalesce_add(p->coalesce, ev, put_coalesced, p);
	drain(p);
}

void raw_due(struct pipeline *p)
{
	coalesce_due(p->coalesce, pipeline_now(p), put_coalesced, p);
	stack_due(p->stack, pipeline_now(p), put_told, p);
}
