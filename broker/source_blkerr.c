// SPDX-License-Identifier: GPL-2.0-or-later
/* Block errors by netlink, where the kernel module blkerr (contrib/blkerr) is: the same as the trace event tells, and
 * so the same role. It takes over when the module is loaded, also later, and gives the role back when that goes.
 *
 * Each error has a number. A gap is what was lost, at the module or in the socket's buffer; at the end of a storm,
 * where no error follows, the module's statistics tell the last number. They are on the same socket: what was sent
 * before has been read before. */
#include "broker/blkerr_decode.h"
#include "broker/genl.h"
#include "broker/sources.h"
#include "contrib/blkerr/blkerr.h"
#include "core/log.h"

#include <errno.h>
#include <string.h>

struct blkerr_source {
	struct genl *genl;
	struct genl_found family; /* id 0: it is not there */
	bool turned;		  /* the family came or went */
	bool known;		  /* seq is */
	uint64_t seq;		  /* of the last error that was received, or counted as lost */
	uint64_t dropped;	  /* by the module, as told last */
};

/* Every error up to seq was received or will not be. */
static void count_to(struct source *s, uint64_t seq)
{
	struct blkerr_source *b = s->own;

	if (b->known && seq > b->seq)
		source_lost(s, seq - b->seq);
	if (!b->known || seq > b->seq)
		b->seq = seq;
	b->known = true;
}

static void on_error(struct source *s, const struct blkerr_message *m)
{
	struct blkerr_source *b = s->own;

	s->received++;
	count_to(s, m->seq - 1);
	b->seq = MAX(b->seq, m->seq);
	if ((int64_t)m->time < s->since)
		return;
	pipeline_raw_error(s->env->pipeline, &(struct raw_error){
						     .source = s->ops->name,
						     .major = m->major,
						     .minor = m->minor,
						     .diskseq = m->diskseq,
						     .sector = m->sector,
						     .sectors = m->sectors,
						     .error = (int)m->error,
						     .rwbs = m->operation,
						     .boot = (int64_t)m->time,
						     .count = 1,
					     });
}

static void on_stats(struct source *s, const struct blkerr_message *m)
{
	struct blkerr_source *b = s->own;

	if (b->known && m->dropped > b->dropped)
		log_notice("source blkerr: the module dropped %llu errors (in all %llu by its rate, %llu for lack of "
			   "room)",
			   (unsigned long long)(m->dropped - b->dropped), (unsigned long long)m->limited,
			   (unsigned long long)m->overrun);
	b->dropped = m->dropped;
	count_to(s, m->seq);
}

static void on_message(void *u, uint16_t family, uint8_t command, const void *payload, size_t len)
{
	struct source *s = u;
	const struct blkerr_source *b = s->own;
	struct blkerr_message m;
	struct err e = {0};

	if (family != b->family.id)
		return;
	if (blkerr_decode(command, payload, len, &m, &e) < 0) {
		if (s->dropped++ == 0)
			log_warning("source blkerr: a malformed message is not used: %s", e.msg);
	} else if (command == BLKERR_CMD_ERROR) {
		on_error(s, &m);
	} else {
		on_stats(s, &m);
	}
}

static void on_refused(void *u)
{
	struct source *s = u;

	s->dropped++;
}

static void on_family(void *u, const char *name, bool there)
{
	struct source *s = u;
	struct blkerr_source *b = s->own;

	if (strcmp(name, BLKERR_FAMILY) == 0 && there != (b->family.id != 0))
		b->turned = true;
}

static void ask_stats(struct source *s)
{
	struct blkerr_source *b = s->own;
	struct err e = {0};

	if (b->family.id && genl_request(b->genl, &b->family, BLKERR_CMD_STATS, &e) < 0)
		log_warning("source blkerr: %s", e.msg);
}

/* Between the module's end and the start of another source nobody listened. */
static void on_drained(void *u, uint64_t lost)
{
	struct source *s = u;
	struct blkerr_source *b = s->own;
	struct genl_found now = {0};

	/* A notice about the family may be among what was lost. */
	if (lost && (genl_find(BLKERR_FAMILY, &now, NULL) == 0) != (b->family.id != 0))
		b->turned = true;
	if (b->turned) {
		if (b->family.id)
			source_lost(s, 0);
		source_again(s);
	} else if (lost) {
		ask_stats(s);
	}
}

static void blkerr_source_free(struct blkerr_source *b)
{
	genl_free(b->genl);
	free(b);
}
DEFINE_CLEANUP(struct blkerr_source *, blkerr_source_free)

static int blkerr_start(struct source *s, struct err *e)
{
	_cleanup_(blkerr_source_freep) struct blkerr_source *b = calloc(1, sizeof(*b));
	const struct genl_ops ops = {
		.message = on_message, .family = on_family, .drained = on_drained, .refused = on_refused, .u = s};
	int r;

	if (!b)
		return err_sys(e, ENOMEM, "blkerr source");
	r = genl_new(s->env->loop, &ops, &b->genl, e);
	if (r == 0)
		r = genl_find(BLKERR_FAMILY, &b->family, e);
	if (r == -ENOENT) {
		s->own = TAKE_PTR(b);
		if (s->starts == 1)
			genl_ask_for(BLKERR_FAMILY);
		err_put(e, ENOENT, "the kernel module blkerr is not loaded");
		return 1;
	}
	if (r == 0)
		r = genl_join(b->genl, &b->family, BLKERR_GROUP, e);
	if (r < 0)
		return r;
	s->own = TAKE_PTR(b);
	ask_stats(s);
	return 0;
}

static void blkerr_stop(struct source *s)
{
	blkerr_source_free(s->own);
}

const struct source_ops source_blkerr = {
	.name = "blkerr",
	.doc = "failed requests of the block layer, by netlink from the module blkerr",
	.role = SOURCE_ROLE_ERRORS,
	.start = blkerr_start,
	.stop = blkerr_stop,
	.retry = true,
};
