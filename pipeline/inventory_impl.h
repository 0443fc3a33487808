// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of the inventory share: inventory.c devices and people's changes, sets.c what the metadata say
 * together, act_state.c what act tells, facts.c what rules read, world.c what planning reads, differences.c what became
 * different, inventory_save.c. */
#pragma once

#include "core/clock.h"
#include "pipeline/inventory.h"

struct told_fact {
	enum subject_sort sort;
	char *id;
	enum fact_id fact;
	struct value v, under; /* under: what the model said then; strings and sets are its own */
	bool over;	       /* the model has changed its mind since */
};

struct device_cache {
	uint64_t version;
	enum role role;
	enum spare_kind spare_kind;
	enum spare_state spare_state;
	const char *pool;
	int fits;
	char unfit[PLAN_REASON_MAX];
	const struct device *light; /* whose light its place has */
	const char *slot_of;	    /* id of an array */
	const char *returns_to;	    /* likewise */
	bool revertible;
	bool spare_revertible, spare_enclosure; /* by its own assignment */
};

struct array_cache {
	uint64_t version;
	enum array_state state;
	int redundancy, redundancy_full;
	unsigned present, awaited;
	bool complete, startable, rebuilding;
	int spares;
	char spare_reason[PLAN_REASON_MAX];
	char missing_text[META_SLOTS_MAX][4];
	const char *missing_words[META_SLOTS_MAX];
	struct strset missing;
};

/* A step that was begun: for those that undo each other. */
struct done_step {
	int64_t time; /* boot */
	enum step_op op;
	char array[META_GUID_MAX + 8], device[DEVICE_ID_MAX];
};

#define BUDGET_NS (3600 * NS_PER_SEC) /* budget.plans-per-hour */

struct inventory {
	const struct settings *settings;
	struct device **devices;
	struct array **arrays;
	struct disk_set **sets;
	size_t n_devices, n_arrays, n_sets;
	struct told_fact *told;
	size_t n_told;
	bool maintenance; /* of everything */
	int64_t maintenance_until;
	int64_t now;		   /* boot */
	int64_t wall;		   /* at .now */
	int64_t saved;		   /* boot: when what is restored was saved, in this boot's time */
	int64_t doubt_until;	   /* boot: disks that went at once are in doubt; 0: none */
	uint64_t version;	   /* grows with each change: caches of an older one are void */
	struct done_step done[64]; /* oldest first */
	size_t n_done;
	const struct strset *(*marks)(void *u, const char *device);
	void *marks_u;
};

/* What was so old when it was saved. */
int64_t saved_moment(const struct inventory *inv, const json_t *age);

/* A text fact of a device and where it is kept. */
struct device_text {
	enum fact_id fact;
	size_t offset, size;
	const char *key; /* in the saved state */
};
extern const struct device_text device_texts[]; /* ends with a NULL key */

static inline char *device_text_at(const struct device *d, const struct device_text *t)
{
	return (char *)(uintptr_t)d + t->offset;
}

/* By id; made if it is not there. NULL when out of memory. */
struct device *device_get(struct inventory *inv, const char *id);
struct device *device_find(const struct inventory *inv, const char *id);
struct array *array_find(const struct inventory *inv, const char *id);
struct disk_set *set_find(const struct inventory *inv, const char *guid);
/* Takes one fact of a device over. False: it is not one that is kept in the device. *changed: it is another value. */
bool device_learn(struct device *d, enum fact_id fact, const struct value *v, bool *changed);

/* What disks that went at once have in common. */
enum together { TOGETHER_CONTROLLER, TOGETHER_ENCLOSURE };
enum { TOGETHER_MIN = 3 };
/* How many went at once with this one, and are in doubt until then; 0: none of it. */
unsigned inventory_together(const struct inventory *inv, const struct device *d, enum together *ret,
			    int64_t *ret_until);
/* How often within the hour a step undid the one before it on this disk of this array; *ret_last: the last step. */
unsigned inventory_undone(const struct inventory *inv, const char *array, const char *device, enum step_op *ret_last);
json_t *undone_save(const struct inventory *inv);
int undone_restore(struct inventory *inv, const json_t *j, struct err *e);
void together_went(struct inventory *inv, const struct device *d);
/* True once when the doubt is over. */
bool together_over(struct inventory *inv);

/* Tags by the settings. */
/* contents.c: what udev's properties say of the contents. */
void device_learn_udev(struct device *d, const json_t *extra);
void device_name_contents(struct device *d);
void device_learn_tags(struct inventory *inv, struct device *d);
/* Joins anew what the present devices of the set say; makes and drops arrays. */
void set_refresh(struct inventory *inv, const char *guid);
void array_free(struct array *a);
void set_free(struct disk_set *s);
/* The array's slots are known: ids of its members are made. */
int array_slots_known(struct array *a);

/* What was told about the fact, or NULL. computed: what the model says. */
const struct value *told_value(const struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact,
			       const struct value *computed);
int told_set(struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact, struct value v,
	     struct value under);
void told_free(struct told_fact *t);
int told_clone(struct inventory *to, const struct inventory *from);

/* What the kernel does to the array's members, if anything. */
bool array_resyncs(const struct array *a, enum resync_kind *ret);
/* Both are, or were last, in the same slot of an enclosure, as far as that is known. */
bool same_place(const struct device *a, const struct device *b);
/* The disk for which a light was put on at the place where this one is, or was last. NULL: none was. */
const struct device *light_of(const struct inventory *inv, const struct device *d);
/* ---- read_check.c ---- */

void bind_read(const struct inventory *inv, const struct device *d, struct facts *f);
json_t *read_save(const struct device *d);
void read_restore(struct device *d, const json_t *j);

/* By its spare assignment the member gives its slot back. */
bool member_revertible(const struct inventory *inv, const struct array *a, const struct device *d);
/* Fills .spares and .spare_reason. */
void array_count_spares(const struct inventory *inv, const struct array *a, struct array_cache *c);
/* A copy of a view. 0 or -errno. */
int view_copy(const struct meta_view *v, struct meta_view **ret, struct err *e);
/* A disk of the set on which another format's metadata are, too: nothing is started before a person has said which is
 * meant. NULL: there is none, or something of the set runs, so that it has been said. */
const struct device *set_two_formats(const struct inventory *inv, const char *set);
/* The other array of its set in which the disk has the place of one that served this array, too. NULL: it has not. */
const struct array *successor_in(const struct inventory *inv, const struct array *a, const struct device *d);
/* A format may know of whole disks only (DDF does): one that is rebuilt in some array counts as in sync in none. The
 * array of a's set that could not run if d were, NULL: none. *strains: one has less redundancy then than it has now. */
const struct array *successor_kept(const struct inventory *inv, const struct array *a, const struct device *d,
				   bool *strains);

/* ---- lend.c ---- */

/* The set by which another set's spare is to be had, if a pool shares it. NULL: it is none. */
const struct disk_set *lend_owner(const struct inventory *inv, const struct disk_set *s, const struct device *d);
/* What is so of that spare, and whether its own set can do without it. */
void lend_draw(const struct inventory *inv, const struct disk_set *owner, const struct device *d,
	       struct world_spare *w);
enum spare_state spare_state_of(const struct inventory *inv, const struct device *d, const struct meta_disk *disk);
/* A spare of its set, by the format: not one that was missing and has lost its place meanwhile. */
bool is_spare(const struct device *d, const struct meta_disk *disk);
const struct device_cache *device_cached(const struct inventory *inv, const struct device *d);
const struct array_cache *array_cached(const struct inventory *inv, const struct array *a);
bool device_in_maintenance(const struct inventory *inv, const struct device *d);
bool array_in_maintenance(const struct inventory *inv, const struct array *a);
/* Whether rules see it: it belongs to a managed set. */
bool array_visible(const struct array *a);
/* The pool that the spare belongs to by its tags, NULL: none. */
const char *device_pool(const struct inventory *inv, const struct device *d);
bool pool_serves(const struct inventory *inv, const char *pool, const struct array *a);
/* Tags that the settings give to whatever one of the texts matches; NULL: none. The caller frees it. */
const struct strset *tags_of(const struct setting_group *groups, size_t n, const char *const *texts, size_t n_texts);
/* A strset in one allocation; free() releases it. */
struct strset *strset_new(const char *const *words, size_t n);
