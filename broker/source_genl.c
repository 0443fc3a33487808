// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages of generic netlink families that are described in files (config/genl.h): one socket for all. A family may
 * come at any time, with its module; its groups are joined then. What is not as described is counted and not used. */
#include "broker/genl.h"
#include "broker/genl_decode.h"
#include "broker/sources.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct listened {
	const struct genl_desc *desc;
	uint16_t id; /* of the family, 0: it is not there, or its group could not be joined */
	bool turned; /* it came or went */
	bool told;   /* that a message was malformed */
};

struct genl_source {
	struct genl *genl;
	struct listened *l;
	size_t n;
};

/* Devices are known by the kernel's name for them, and events keep what identifies them. */
static void feed(struct source *s, const struct genl_heard *heard)
{
	const char *device = heard->device[0] ? pipeline_find_device(s->env->pipeline, heard->device) : NULL;

	if (device) {
		heard->event->device = strdup(device);
		if (!heard->event->device) {
			event_free(heard->event);
			return;
		}
	}
	pipeline_feed(s->env->pipeline, heard->event);
}

static void malformed(struct source *s, struct listened *l, const char *why)
{
	s->dropped++;
	if (!l->told)
		log_warning("source genl: a message of %s is not as described: %s", l->desc->family, why);
	l->told = true;
}

static void on_message(void *u, uint16_t family, uint8_t command, const void *payload, size_t len)
{
	struct source *s = u;
	const struct genl_source *g = s->own;

	for (size_t i = 0; i < g->n; i++) {
		struct listened *l = &g->l[i];
		struct genl_heard heard;
		struct err e = {0};
		int r;

		if (l->id != family)
			continue;
		r = genl_decode(l->desc, s->ops->name, command, payload, len, &heard, &e);
		if (r == -EBADMSG) {
			malformed(s, l, e.msg);
		} else if (r > 0) {
			s->received++;
			feed(s, &heard);
		}
	}
}

static void on_refused(void *u)
{
	struct source *s = u;

	s->dropped++;
}

static void on_family(void *u, const char *name, bool there _unused_)
{
	struct source *s = u;
	const struct genl_source *g = s->own;

	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->l[i].desc->family, name) == 0)
			g->l[i].turned = true;
}

/* What people see: which families are heard, and which would be if they were there. */
static void tell_families(struct source *s)
{
	_cleanup_(buf_free) struct buf here = {0}, away = {0};
	const struct genl_source *g = s->own;

	for (size_t i = 0; i < g->n; i++) {
		struct buf *to = g->l[i].id ? &here : &away;

		buf_addf(to, "%s%s", to->len ? ", " : "", g->l[i].desc->family);
	}
	snprintf(s->reason, sizeof(s->reason), "%s%s%s%s", here.len ? "hears " : "", here.len ? here.s : "",
		 here.len && away.len ? "; " : "", away.len ? "not there: " : "");
	snprintf(s->reason + strlen(s->reason), sizeof(s->reason) - strlen(s->reason), "%s", away.len ? away.s : "");
}

static void look_for(struct source *s, struct listened *l)
{
	const struct genl_source *g = s->own;
	uint16_t before = l->id;
	struct genl_found found;
	struct err e = {0};
	int r = genl_find(l->desc->family, &found, &e);

	l->turned = false;
	l->id = 0;
	if (r == -ENOENT) {
		if (before)
			log_info("source genl: the family %s is gone", l->desc->family);
		return;
	}
	if (r == 0 && found.header != l->desc->header_size)
		r = err_set(&e, EBADMSG, "its own header has %u bytes, and %zu are described", found.header,
			    l->desc->header_size);
	if (r == 0)
		r = genl_join(g->genl, &found, l->desc->group, &e);
	if (r < 0) {
		log_warning("source genl: %s is not heard: %s", l->desc->family, e.msg);
		return;
	}
	l->id = found.id;
	log_info("source genl: hears %s of %s", l->desc->group, l->desc->family);
}

/* Those that came or went. */
static void look_for_turned(struct source *s)
{
	const struct genl_source *g = s->own;
	bool any = false;

	for (size_t i = 0; i < g->n; i++)
		if (g->l[i].turned) {
			look_for(s, &g->l[i]);
			any = true;
		}
	if (any)
		tell_families(s);
}

/* What came or went may be among what was lost. */
static void on_drained(void *u, uint64_t lost)
{
	struct source *s = u;
	const struct genl_source *g = s->own;

	for (size_t i = 0; lost && i < g->n; i++)
		g->l[i].turned = true;
	look_for_turned(s);
	if (lost)
		source_lost(s, lost);
}

static void genl_source_free(struct genl_source *g)
{
	genl_free(g->genl);
	free(g->l);
	free(g);
}
DEFINE_CLEANUP(struct genl_source *, genl_source_free)

static int genl_start(struct source *s, struct err *e)
{
	_cleanup_(genl_source_freep) struct genl_source *g = calloc(1, sizeof(*g));
	const struct genl_ops ops = {
		.message = on_message, .family = on_family, .drained = on_drained, .refused = on_refused, .u = s};
	const struct genl_descs *descs = s->env->genl;
	int r;

	if (!g)
		return err_sys(e, ENOMEM, "genl source");
	if (!descs || descs->n == 0) {
		err_put(e, ENOENT, "no generic netlink family is described");
		return 1;
	}
	g->l = calloc(descs->n, sizeof(*g->l));
	if (!g->l)
		return err_sys(e, ENOMEM, "genl source");
	r = genl_new(s->env->loop, &ops, &g->genl, e);
	if (r < 0)
		return r;
	for (; g->n < descs->n; g->n++)
		g->l[g->n] = (struct listened){.desc = descs->desc[g->n], .turned = true};
	s->own = TAKE_PTR(g);
	look_for_turned(s);
	return 0;
}

static void genl_stop(struct source *s)
{
	genl_source_free(s->own);
}

const struct source_ops source_genl = {
	.name = "genl",
	.doc = "generic netlink families that are described",
	.start = genl_start,
	.stop = genl_stop,
	.retry = true,
	.reads_files = true,
};
