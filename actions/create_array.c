// SPDX-License-Identifier: GPL-2.0-or-later
/* create-array: blank disks, or free room on disks of a set, become an array. Which disks of a pool: pool_choose.c; the
 * GUIDs: pipeline/target.c. */
#include "actions/steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is made: of each it has been shown that mdadm reads the same (tests/lab/create.sh). */
static const struct level_row {
	const char *word;
	enum raid_level level;
	unsigned min, max, step; /* slots */
	const char *layout;	 /* the default's word; NULL: there is none */
} levels[] = {
	{"raid0", RAID0, 2, META_SLOTS_MAX, 1, NULL},	      {"raid1", RAID1, 2, 3, 1, NULL},
	{"raid4", RAID4, 3, META_SLOTS_MAX, 1, NULL},	      {"raid5", RAID5, 3, META_SLOTS_MAX, 1, "n-continue"},
	{"raid6", RAID6, 4, META_SLOTS_MAX, 1, "n-continue"}, {"raid10", RAID10, 3, META_SLOTS_MAX, 1, "near-2"},
	{"raid1e", RAID10, 3, META_SLOTS_MAX, 2, "near-2"},
};

/* DDF's words and md's. */
static const struct layout_row {
	enum raid_level level;
	const char *word, *md;
	int layout;
} layouts[] = {
	{RAID5, "n-continue", "left-symmetric", 2},
	{RAID5, "n-restart", "left-asymmetric", 0},
	{RAID5, "0-restart", "right-asymmetric", 1},
	{RAID6, "n-continue", "ddf-N-continue", 10},
	{RAID6, "n-restart", "ddf-N-restart", 9},
	{RAID6, "0-restart", "ddf-zero-restart", 8},
	{RAID10, "near-2", "n2", 0x102},
};

enum { CHUNK_DEFAULT = 64 << 10, CHUNK_MIN = 4096, CHUNK_MAX = 64 << 20, SECTOR = 512 };

static int find_level(const char *word, const struct level_row **ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].word, word) == 0 || strcmp(levels[i].word + strlen("raid"), word) == 0) {
			*ret = &levels[i];
			return 0;
		}
	return err_set(e, EINVAL, "'%.20s' is no level: raid0, raid1, raid4, raid5, raid6 or raid10", word);
}

static int find_layout(const struct level_row *level, const char *word, int *ret, struct err *e)
{
	_cleanup_(buf_free) struct buf words = {0};

	*ret = 0;
	if (!word && !level->layout)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const char *want = word ? word : level->layout;

		if (layouts[i].level != level->level)
			continue;
		if (strcmp(layouts[i].word, want) == 0 || strcmp(layouts[i].md, want) == 0) {
			*ret = layouts[i].layout;
			return 0;
		}
		buf_addf(&words, "%s%s", words.len ? ", " : "", layouts[i].word);
	}
	if (!words.len)
		return err_set(e, EINVAL, "%s has one layout only", level->word);
	return err_set(e, EINVAL, "%s in DDF has no layout '%.24s': %s", level->word, word, buf_str(&words));
}

static json_int_t ask_int(const struct ask *ask, const char *key)
{
	return json_integer_value(json_object_get(ask->params, key));
}

static int shape(const struct ask *ask, const struct level_row *level, struct plan_create *c, struct err *e)
{
	json_int_t chunk = ask_int(ask, "chunk"), size = ask_int(ask, "size");
	int r = find_layout(level, ask_text(ask, "layout"), &c->layout, e);

	if (r < 0)
		return r;
	if (c->n_slots < level->min || c->n_slots > level->max || (c->n_slots - level->min) % level->step)
		return err_set(e, EINVAL, "%s of %u disks cannot be: %u to %u%s", level->word, c->n_slots, level->min,
			       level->max, level->step > 1 ? ", an odd number" : "");
	if (level->level == RAID1 && chunk)
		return err_set(e, EINVAL, "raid1 has no chunks");
	if (chunk && (chunk < CHUNK_MIN || chunk > CHUNK_MAX || chunk & (chunk - 1)))
		return err_set(e, EINVAL, "a chunk is a power of two, 4KiB to 64MiB");
	if (size % SECTOR)
		return err_set(e, EINVAL, "a size of %lld bytes is no number of sectors", (long long)size);
	c->level = level->level;
	c->chunk = level->level == RAID1 ? 0 : (uint32_t)((chunk ? chunk : CHUNK_DEFAULT) / SECTOR);
	c->sectors = (uint64_t)size / SECTOR;
	c->assume_clean = ask_flag(ask, "assume-clean");
	return 0;
}

/* ---- disks ---- */

static int check_blank(const struct world_spare *w, bool wipe, bool *ret_wipe, struct err *e)
{
	const char *holds = w->holds[0] ? w->holds : contents_words[w->contents];

	*ret_wipe = false;
	if (w->contents == CONTENTS_BLANK)
		return 0;
	if (w->contents == CONTENTS_UNREADABLE)
		return err_set(e, EIO, "%s cannot be read: %s", w->name, holds);
	if (w->other_member)
		return err_set(e, EBUSY, "%s is not blank: it holds %s; 'wipefs -a /dev/%s' empties it", w->name, holds,
			       w->name);
	if (w->contents == CONTENTS_MEMBER && !w->unused_set)
		return err_set(e, EBUSY, "%s is of another set: %s", w->name, holds);
	if (!wipe)
		return err_set(e, EBUSY, "%s is not blank: it holds %s; --wipe gives that up", w->name,
			       w->contents == CONTENTS_FOREIGN && !w->holds[0] ? "something unknown" : holds);
	*ret_wipe = true;
	return 0;
}

static int check_disk(const struct world_array *a, const char *device, bool wipe, struct plan_create_disk *ret,
		      struct err *e)
{
	const struct world_spare *w = world_spare_named((struct world_array *)a, device);

	if (!w)
		return err_set(e, ENODEV, "%s is not here", device);
	if (w->promised)
		return err_set(e, EBUSY, "%s is about to be used by another plan", w->name);
	if (w->sector_size != a->spare[0].sector_size)
		return err_set(e, EINVAL, "%s has sectors of %" PRIu64 " bytes, %s of %" PRIu64, w->name,
			       w->sector_size, a->spare[0].name, a->spare[0].sector_size);
	if (w->of_set && w->state != SPARE_IDLE)
		return err_set(e, EBUSY, "%s is %s", w->name, spare_state_words[w->state]);
	memcpy(ret->device, w->device, sizeof(ret->device));
	memcpy(ret->name, w->name, sizeof(ret->name));
	return w->of_set ? 0 : check_blank(w, wipe, &ret->wipe, e);
}

static int add_words(const struct ask *ask, const char *const *words, size_t n, const struct world_array *a,
		     struct plan_create *c, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (c->n_disks == ARRAY_SIZE(c->disk))
			return err_set(e, EINVAL, "more than %zu disks", ARRAY_SIZE(c->disk));
		r = check_disk(a, words[i], ask_flag(ask, "wipe"), &c->disk[c->n_disks], e);
		if (r < 0)
			return r;
		for (unsigned k = 0; k < c->n_disks; k++)
			if (strcmp(c->disk[k].device, c->disk[c->n_disks].device) == 0)
				return err_set(e, EINVAL, "%s is given twice", c->disk[k].name);
		c->n_disks++;
	}
	return 0;
}

static int add_disks(const struct ask *ask, const char *key, const struct world_array *a, struct plan_create *c,
		     struct err *e)
{
	const char *words[ARRAY_SIZE(c->disk) + 1];
	size_t n = ask_words(ask, key, NULL, words, ARRAY_SIZE(words));

	return add_words(ask, words, n, a, c, e);
}

/* Sectors of each member for so many usable bytes. */
static uint64_t member_sectors(enum raid_level level, unsigned members, uint64_t bytes)
{
	uint64_t sectors = bytes / SECTOR;

	if (level == RAID10)
		return (2 * sectors + members - 1) / members;
	members -= MIN(members - 1, (unsigned)raid_redundancy(level, members));
	return (sectors + members - 1) / members;
}

static int add_pool(const struct ask *ask, const struct level_row *level, const struct world_array *a,
		    struct plan_create *c, struct err *e)
{
	const char *words[META_SLOTS_MAX];
	json_int_t members = ask_int(ask, "members");
	int r;

	if (json_object_get(ask->params, "devices"))
		return err_set(e, EINVAL, "of these disks, or of a pool's?");
	if (members < level->min || members > level->max)
		return err_set(e, EINVAL, "%s of how many disks of the pool? %u to %u", level->word, level->min,
			       level->max);
	r = pool_choose(a, (unsigned)members,
			member_sectors(level->level, (unsigned)members, (uint64_t)ask_int(ask, "size")), words, e);
	return r < 0 ? r : add_words(ask, words, (size_t)members, a, c, e);
}

/* ---- the plan ---- */

static int fill(const struct ask *ask, const struct world_array *world, struct plan *p, struct err *e)
{
	struct plan_create *c = p->create;
	const char *name = ask_text(ask, "name"), *volume = ask_text(ask, "volume"), *word = ask_text(ask, "level");
	const struct level_row *level = NULL;
	int r = word ? find_level(word, &level, e) : 0;

	c->new_set = ask_text(ask, "new-set") != NULL;
	if (r == 0)
		r = level && ask_text(ask, "pool") ? add_pool(ask, level, world, c, e)
						   : add_disks(ask, "devices", world, c, e);
	c->n_slots = c->n_disks;
	if (r == 0)
		r = add_disks(ask, "spares", world, c, e);
	if (r < 0)
		return r;
	if (c->n_disks == 0)
		return err_set(e, EINVAL, "of which disks?");
	if (c->n_slots == 0)
		return c->new_set ? 0 : err_set(e, EINVAL, "spares are added to a set by add-spare");
	if (c->n_slots > META_SLOTS_MAX)
		return err_set(e, EINVAL, "more than %d members", META_SLOTS_MAX);
	if (!name || !*name || !volume || strlen(name) >= sizeof(p->array_name) || strlen(volume) >= META_GUID_MAX)
		return err_set(e, EINVAL, "how is it called?");
	snprintf(p->array_name, sizeof(p->array_name), "%s", name);
	snprintf(p->volume, sizeof(p->volume), "%s", volume);
	snprintf(p->array, sizeof(p->array), "%s", volume);
	return level ? shape(ask, level, c, e) : err_set(e, EINVAL, "which level?");
}

static int plan_create_array(const struct ask *ask, struct world_array *world, struct plan *p, struct err *e)
{
	int r;

	if (world->id[0] && p->origin == PLAN_RULE)
		return 0;
	if (world->id[0])
		return err_set(e, EEXIST, "there is an array '%.64s' already, in the set %s", world->name, world->set);
	if (p->create)
		return err_set(e, EINVAL, "a plan makes one array");
	p->create = calloc(1, sizeof(*p->create));
	if (!p->create)
		return err_sys(e, ENOMEM, "plan");
	r = fill(ask, world, p, e);
	if (r == 0 && !plan_add_step(p, STEP_CREATE, ask, e))
		r = -e->code;
	/* Started at once, so that its redundancy is made. */
	if (r == 0 && p->create->n_slots && !plan_add_step(p, STEP_ASSEMBLE, ask, e))
		r = -e->code;
	if (r < 0) {
		free(p->create);
		p->create = NULL;
	}
	return r;
}

const struct action_ops action_create_array = {
	.desc = {.name = "create-array",
		 .doc = "Makes an array of blank disks, in a new set or in one that is there.",
		 .destructive = true,
		 .params = (const struct param_desc[]){{"name", PARAM_STRING, .required = true,
							.doc = "of the array; if there is one, all is done"},
						       {"level", PARAM_STRING, .required = true, .doc = "raid5"},
						       {"devices", PARAM_WORDS, .doc = "its disks, by slot"},
						       {"pool", PARAM_STRING, .doc = "or blank disks with this tag"},
						       {"members", PARAM_INT, .doc = "so many of them"},
						       {"layout", PARAM_STRING, .doc = "n-continue"},
						       {"chunk", PARAM_SIZE, .doc = "of the stripes' parts; 64KiB"},
						       {"size", PARAM_SIZE, .doc = "usable; all there is room for"},
						       {"set", PARAM_STRING,
							.doc = "that is there: its GUID, or an array of it"},
						       {NULL}}},
	.personal = (const struct param_desc[]){{"name", PARAM_STRING, .doc = "none: a set of spares only"},
						{"level", PARAM_STRING, .doc = "likewise"},
						{"spares", PARAM_WORDS, .doc = "spares of the set"},
						{"assume-clean", PARAM_BOOL, .doc = "no initial resync"},
						{"wipe", PARAM_BOOL, .doc = "what the disks hold is given up"},
						{NULL}},
	.given = (const struct param_desc[]){{"new-set", PARAM_STRING, .doc = "GUID of the new set"},
					     {"volume", PARAM_STRING, .doc = "GUID of the array"},
					     {NULL}},
	.plan = plan_create_array,
};
