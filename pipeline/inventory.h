// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of devices, sets, arrays, members and spares: an in-memory model that events, probe answers and act's
 * state change, and that rules, planning and status read. It never touches a device.
 *
 *   devices  by stable identity; one outlives its kernel name and its absence
 *   sets     what the metadata of the devices say together (meta_view_merge)
 *   arrays   the sets' volumes, with what act tells of the running ones */
#pragma once

#include "actions/actions.h"
#include "actions/plan.h"
#include "config/settings.h"
#include "core/event.h"
#include "rules/rules.h"

/* Of a disk that is, or was, read through. */
struct read_memory {
	bool known;
	enum read_check state;
	int64_t since;	      /* boot; while it runs */
	uint64_t done, total; /* bytes */
	int64_t bad, region;  /* places that could not be read; the first of them, -1: none */
	int64_t whole;	      /* wall: when all of it could be read last, 0: never */
};

struct device {
	char id[DEVICE_ID_MAX];
	char name[32], node[64]; /* last known, unless another disk has it now; name is "sdb", node "/dev/sdb" */
	unsigned major, minor;
	uint64_t diskseq; /* 0: not known */
	bool present, read_only;
	bool injected;	  /* what is said of its presence was injected */
	bool seen;	  /* told since the last inventory_rescan */
	bool doubted;	  /* and what is known of its contents may be old */
	bool was_present; /* restored as present, not told yet */
	int64_t went;	  /* boot, when it went last; 0: not since the start */
	char wwn[64], serial[96], model[64], vendor[48], firmware[32], transport[16];
	char controller[64], enclosure[64], slot[48];
	char map[DEVICE_ID_MAX]; /* the multipath map that it is a path of, or itself */
	uint64_t size;		 /* bytes */
	unsigned sector_size;	 /* bytes */
	enum media media;
	bool is_path;
	bool marginal;	/* a path that is used last, by us */
	bool was_alone; /* marginal: in the priority group that it was in before */
	unsigned was_group;
	enum contents contents;
	char contents_name[128];
	char beside[128];		  /* of another format than ours, escaped: it is of two; empty: it is not */
	char fs_type[40], part_table[16]; /* by udev, escaped: ID_FS_TYPE, ID_PART_TABLE_TYPE */
	bool probed, probing;		  /* contents and view are of the disk as attached now; an answer is awaited */
	bool reread;			  /* it may have changed since the last probe was asked for */
	int64_t asked, answered;	  /* boot: the last probe; the last answer */
	int64_t as_of;			  /* boot: when the probe was asked for whose answer is known */
	int64_t probe_again;		  /* boot: there is no answer, or a reread waits: the next probe; 0: none */
	unsigned unanswered;		  /* probes in a row */
	bool maintenance;
	int64_t maintenance_until; /* boot, 0: until taken back */
	const struct strset *tags; /* owned */
	int64_t errors;		   /* in the open case */
	struct read_memory read;
	struct meta_view *view; /* what its own metadata says; kept while away */
	enum meta_standing standing;
	char set[META_GUID_MAX], ref[META_REF_MAX]; /* kept while away */
	bool probe_late; /* what the probe that is awaited read was written to since: its answer does not count */
	enum slot_light light;
	char lit[112];	/* the place that was lit so for it: ENCLOSURE/SLOT; empty: none */
	int last_spare; /* enum spare_state at the last differences, -1: was none */
	struct device_cache *cache;
};

struct member_memory {
	enum member_state last;	    /* for differences */
	enum member_state previous; /* the last one other than missing */
	char device[DEVICE_ID_MAX]; /* the last that was in the slot */
	char before[DEVICE_ID_MAX]; /* the one that it stands in for, as a spare does; empty: none */
	bool read_last;		    /* this device, by the table, or when it ran last */
};

enum { ARRAY_SNAPSHOTS_MAX = 8 };

/* As act tells. */
struct array_snapshot {
	char id[META_GUID_MAX + 8 + SNAPSHOT_NAME_MAX]; /* array.id/name */
	char name[SNAPSHOT_NAME_MAX], dm[128];
	unsigned major, minor; /* of the device that holds what was written over */
	bool lost;
	uint64_t used, total; /* sectors of that */
};

struct array {
	char id[META_GUID_MAX + 8]; /* the volume's GUID */
	char set[META_GUID_MAX];
	char name[META_NAME_MAX];
	const struct meta_volume *volume; /* in its set's view */
	bool running, read_only, managed;
	bool behind; /* its table still lists who has left, by the metadata */
	enum stopped_by stopped_by;
	bool maintenance;
	int64_t maintenance_until;
	const struct strset *tags;
	char dm[64]; /* name of the dm device, as act tells */
	uint32_t event_nr;
	char action[16];      /* what the kernel does: idle, recover, resync .. */
	uint64_t done, total; /* of it, sectors */
	int copy_slot;	      /* a member that is being copied to another disk: .copy_to, empty: none */
	char copy_to[DEVICE_ID_MAX];
	uint64_t copy_done, copy_total; /* of it, in parts */
	int64_t copy_since;		/* boot, and parts at the first state of it */
	uint64_t copy_first;
	char copy_ended[PLAN_REASON_MAX]; /* why the last one broke; empty: it did not */
	int copied_slot;		  /* the one that ran at the last differences */
	char copied_to[DEVICE_ID_MAX];
	unsigned n_snapshots;
	struct array_snapshot snapshot[ARRAY_SNAPSHOTS_MAX];
	bool snapshots_read;	   /* act has told of them, since this process runs */
	bool snapshots_known;	   /* those that were told are: since the last differences, or saved */
	unsigned n_snapshots_told; /* as they were then */
	struct array_snapshot snapshot_told[ARRAY_SNAPSHOTS_MAX];
	uint64_t differing;	/* sectors that the check which runs, or ran last, has found */
	bool cut;		/* that was ended before it was through */
	int64_t scrubbed;	/* wall: when a check was last through; 0: it is not known */
	uint64_t mismatches;	/* that it found */
	uint64_t rate;		/* limit of resyncs: STEP_REBUILD_SPEED */
	int64_t resync_since;	/* boot, ns; 0: none runs */
	int64_t progress_since; /* boot and sectors at the first state of this resync: for the ETA */
	uint64_t progress_done;
	enum array_state last; /* for differences */
	bool was_rebuilding, known_before;
	struct member_memory member[META_SLOTS_MAX];
	enum resync_kind resync;		/* what ran at the last differences, if anything */
	unsigned n_plans;			/* destructive plans by rules: their times, newest last */
	int64_t plans[1000];			/* settings: budget.plans-per-hour is at most that */
	char (*member_ids)[META_GUID_MAX + 12]; /* by slot */
	struct array_cache *cache;
};

struct disk_set {
	char guid[META_GUID_MAX];
	char format[8], maker[28];
	struct meta_view *view; /* of all its present disks together; the last one when none is here */
	bool managed, split;
	bool two_formats;	     /* a disk that is here has metadata of another one, too */
	uint64_t seq;		     /* the highest that was ever seen; a lower one is an old copy */
	uint64_t version;	     /* grows with each change: a plan of an older one is made anew */
	char stuck[PLAN_REASON_MAX]; /* why nothing can be done to it now; empty: nothing */
};

/* What is derived is computed once for each change. */
struct device_cache;
struct array_cache;

struct inventory;

int inventory_new(const struct settings *settings, struct inventory **ret);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free)
/* Forgets everything. */
void inventory_clear(struct inventory *inv);
/* A copy that shares nothing. NULL when out of memory. */
struct inventory *inventory_clone(const struct inventory *inv);
/* Other settings: managed sets, tags and pools are looked up again. */
void inventory_settings(struct inventory *inv, const struct settings *settings);
/* Time for maintenance that ends, budgets and estimates. Returns true if a fact changed. */
bool inventory_time(struct inventory *inv, int64_t boot);
/* The wall clock, for ages that outlive the machine's uptime. */
void inventory_wall(struct inventory *inv, int64_t wall);
/* The next moment at which maintenance ends. False: none. */
bool inventory_deadline(const struct inventory *inv, int64_t *ret_boot);
/* Marks come from the engine. fn may be NULL. */
void inventory_marks(struct inventory *inv, const struct strset *(*fn)(void *u, const char *device), void *u);

/* ---- the reducer: each returns SORT_BITs of what changed, for engine_changed ---- */

/* Takes device.added, device.removed, device.changed in; of any event, device.* facts that it brings. *ret_probe: the
 * disk must be read (again). *ret_news: false: nothing that was not known, the event need not go on. Both may be NULL.
 */
unsigned inventory_event(struct inventory *inv, const struct event *ev, bool *ret_probe, bool *ret_news);
/* A probe's answer, NULL: none, with a reason. *ret_set: GUID of the set that it belongs to, borrowed; "" if none. */
unsigned inventory_probed(struct inventory *inv, const char *device_id, const json_t *answer, const char *reason,
			  const char **ret_set);
/* Act's state message. The devices of the plan that are here now carry the state's metadata. 0 and *ret_changed, or
 * -EINVAL. */
int inventory_state(struct inventory *inv, const json_t *state, const struct plan *plan, int64_t boot,
		    unsigned *ret_changed, struct err *e);
/* A fact that the model does not derive, or sees otherwise: tests, sources of values. It holds until what the model
 * says changes. id as world_ops. */
unsigned inventory_tell(struct inventory *inv, enum subject_sort sort, const char *id, enum fact_id fact,
			struct value v);
/* Enumeration begins: no device is seen. doubt: changes of disks may have been lost, so that what others may have
 * written is read again. inventory_unseen: calls fn for each device that was here and was not seen. */
void inventory_rescan(struct inventory *inv, bool doubt);
void inventory_unseen(const struct inventory *inv, void (*fn)(void *u, const struct device *d), void *u);
/* Compares arrays and spares with what they were at the last call and gives an event for each difference, in order:
 * array.*, spare.*. The events are the caller's. quiet: only remembers. */
void inventory_differences(struct inventory *inv, int64_t boot, bool quiet, void (*fn)(void *u, struct event *ev),
			   void *u);

/* ---- reading ---- */

const struct device *inventory_device(const struct inventory *inv, const char *id);
/* By id, kernel name, or /dev path. NULL: none. */
const struct device *inventory_find_device(const struct inventory *inv, const char *name);
/* The present disk of that number. diskseq: it must be this very disk, if that is known; 0: whichever. */
const struct device *inventory_device_by_number(const struct inventory *inv, unsigned major, unsigned minor,
						uint64_t diskseq);
const struct array *inventory_array(const struct inventory *inv, const char *id);
/* By id or name. */
const struct array *inventory_find_array(const struct inventory *inv, const char *name);
const struct disk_set *inventory_set(const struct inventory *inv, const char *guid);
size_t inventory_devices(const struct inventory *inv); /* sorted by id */
const struct device *inventory_device_at(const struct inventory *inv, size_t i);
size_t inventory_arrays(const struct inventory *inv); /* sorted by id */
const struct array *inventory_array_at(const struct inventory *inv, size_t i);
size_t inventory_sets(const struct inventory *inv);
const struct disk_set *inventory_set_at(const struct inventory *inv, size_t i);
/* A disk was not read yet since it was attached, or since what is known of it is doubted. One that is read again
 * because it changed does not count: it may change all the time. */
bool inventory_probes_open(const struct inventory *inv);
/* Devices whose probe gave no answer, or that changed while they were read: each is named once. */
void inventory_probe_again(struct inventory *inv, int64_t boot, void (*fn)(void *u, const char *device), void *u);
/* The answer of a probe is awaited, or no longer. */
void inventory_probing(struct inventory *inv, const char *device, bool probing);

/* The device that the format puts into a slot, here or away; NULL: none, or never seen. */
const struct device *array_slot_device(const struct inventory *inv, const struct array *a, unsigned slot);
enum member_state array_member_state(const struct inventory *inv, const struct array *a, unsigned slot);
enum array_state array_state(const struct inventory *inv, const struct array *a);
/* The first slot of the array that the device is in, or -1. */
int array_slot_of(const struct inventory *inv, const struct array *a, const struct device *d);
enum role device_role(const struct inventory *inv, const struct device *d);
/* 0..1 of the rebuild that runs, or -1; *ret_eta: ns that are left by the rate so far, -1: not known. */
double array_progress(const struct array *a, int64_t boot, int64_t *ret_eta);
/* The same of the member that is being copied. */
double array_copy_progress(const struct array *a, int64_t boot, int64_t *ret_eta);
/* Bytes a second and member, since it was first seen to run; 0: not known. */
int64_t array_speed(const struct array *a, int64_t boot);

/* The rule engine's view: bind and lists. u is the inventory. */
/* The array where a spare stands in for this disk, or for the one that was in its place; NULL: none. */
const struct array *inventory_returns_to(const struct inventory *inv, const struct device *d);
extern const struct world_ops inventory_world_ops;
/* The planner's picture of one array. 0, or -ENOENT. */
int inventory_draw(const struct inventory *inv, const char *array_id, struct world_array *ret);
/* The picture of a set alone, without an array (a plan about its spares only). 0, or -ENOENT. */
int inventory_draw_set(const struct inventory *inv, const char *set_guid, struct world_array *ret);
/* The picture of the disks that an array is to be made of, as the lists "devices" and "spares" of params name them by
 * id, or of the blank ones that have the tag "pool"; the set need not be there yet. */
void inventory_draw_parts(const struct inventory *inv, const char *set_guid, const json_t *params,
			  struct world_array *ret);
/* The picture of one device and nothing else, for what is done to it alone. 0, or -ENOENT. */
int inventory_draw_alone(const struct inventory *inv, const char *device, struct world_array *ret);
/* A picture has room for so many disks: one that is asked about takes the place of the last that nobody asked about. */
void inventory_draw_disk(const struct inventory *inv, const char *device, struct world_array *w);
/* What one spare could serve, and why not more. Returns how many arrays. */
int inventory_spare_fits(const struct inventory *inv, const struct device *d, char *reason, size_t size);
/* Fills the plan's devices: the set's present disks, and those of its steps. 0 or -ENOMEM. */
int inventory_plan_devices(const struct inventory *inv, struct plan *p);

/* ---- changes by people and by the pipeline ---- */

/* A path is used last, or no longer: what the process that moved it tells. */
void inventory_path_moved(struct inventory *inv, const char *device, const json_t *told);
/* A disk is read through. progress: what the process that reads it tells. */
void inventory_read_started(struct inventory *inv, const char *device, int64_t boot);
void inventory_read_progress(struct inventory *inv, const char *device, const json_t *progress);
void inventory_read_over(struct inventory *inv, const char *device, enum read_check state);

/* On a device, an array, or (both NULL) everything. until: boot, 0: until taken back. 0 or -ENOENT. */
int inventory_maintenance(struct inventory *inv, const char *device, const char *array, bool on, int64_t until);
void inventory_errors(struct inventory *inv, const char *device, int64_t errors);
void inventory_stopped(struct inventory *inv, const char *array, enum stopped_by by);
/* The set is no more: disks that are away are of none, either. */
void inventory_forget_set(struct inventory *inv, const char *set);
/* Act has wiped the disk: what a probe read of it before that is old. */
void inventory_wiped(struct inventory *inv, const char *device);
void inventory_stuck(struct inventory *inv, const char *set, const char *reason);
void inventory_spent(struct inventory *inv, const char *array, int64_t boot); /* a destructive plan by a rule */
/* A step begins. */
void inventory_did(struct inventory *inv, const char *array, const struct step *step, int64_t boot);
void inventory_touch(struct inventory *inv); /* marks changed */

json_t *inventory_save(const struct inventory *inv);
/* away: ns that passed since it was saved, never negative. */
int inventory_restore(struct inventory *inv, const json_t *j, int64_t away, struct err *e);
