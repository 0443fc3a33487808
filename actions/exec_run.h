// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of the executor share. Its story is exec.c's exec_plan; each part below is a file. */
#pragma once

#include "actions/exec.h"
#include "actions/set.h"
#include "actions/start.h"

/* A private device of ours, as the kernel has it. */
struct leg {
	char name[DM_NAME_LEN_MAX + 1];
	char volume[META_GUID_MAX];
	bool meta; /* a slice; else data */
	unsigned slot;
	char ref[META_REF_MAX];
	unsigned major, minor;
	unsigned disk_major, disk_minor; /* what it lies on */
	uint64_t start;			 /* where, sectors */
	bool copies;			 /* a mirror: also on .to, to which it is being copied */
	struct dm_mirror_side to;
	struct dm_mirror_status copy; /* when it was looked at last */
};

/* What of a table is not the format's: it stands in the table alone, and a new table takes it over from the old one. */
struct table_options {
	bool read_last[META_SLOTS_MAX];
	uint32_t min_rate, max_rate; /* KiB a second and member; 0: the kernel's own */
};

enum { SNAPSHOTS_MAX = 8 };

/* What a volume was at a moment, as the kernel has it. */
struct snapshot {
	char name[SNAPSHOT_NAME_MAX];
	char dm[DM_NAME_LEN_MAX + 1];
	struct dm_cow cow;
	struct dm_snapshot_status status;
	int open_count;
};

/* The device that a snapshot is to fill. */
struct cow_place {
	unsigned major, minor;
	uint64_t sectors;
};

/* One volume and the kernel's device for it. */
struct volume_run {
	char guid[META_GUID_MAX];
	char top[DM_NAME_LEN_MAX + 1]; /* the device that people have open */
	char dm[DM_NAME_LEN_MAX + 1];  /* the one with the raid table: the same, or, if layered, one below it */
	bool layered;		       /* for snapshots: layer.c */
	size_t n_snapshots;
	struct snapshot snapshot[SNAPSHOTS_MAX];
	bool running;	/* the top device has a live table */
	bool read_only; /* shown only: nothing of it is written, recorded or swapped */
	struct dm_info_view info;
	struct dm_raid_status status;
	char table[DM_PARAMS_MAX];
	uint64_t sectors;			   /* of the live table */
	char listed[META_SLOTS_MAX][META_REF_MAX]; /* by the live table; empty: "- -" */
	bool seen_failed[META_SLOTS_MAX]; /* 'D' was seen while suspended or at its stop: a resume may have revived it,
					     the status is gone, the fact stays */
	bool by_bitmap[META_SLOTS_MAX];	  /* enters without "rebuild": its return was checked */
	bool entered_copied[META_SLOTS_MAX]; /* enters the table that is being loaded, and is a copy of who leaves */
	char copy_ended[PLAN_REASON_MAX];    /* why the last copy of a member broke; empty: it did not */
	struct table_options options;	     /* of the live table */
	struct table_options want;	     /* as the next table shall have them */
	bool wants;			     /* .want was read from the live table once */
	bool scrub_cut;			     /* the last check or repair was ended by us, before it was through */
	bool rebuild[META_SLOTS_MAX];	     /* begins its table with "rebuild" */
	bool repair_asked;		     /* of the live table, for what is owed (slices_owed) */
	bool lost;			     /* beyond redundancy, and reported */
	bool behind;			     /* the live table still lists who has left: the next plan takes it out */
	bool syncing;			     /* a resync or rebuild was reported as started */
	enum resync_kind sync_kind;
	enum array_state told; /* the last state that was reported */
};

/* Microseconds of the current plan's phases; reported with the state. */
struct timing {
	int64_t open, images, commit, enter, load, suspended, total;
};

struct exec {
	struct exec_env env;
	struct set set;
	const struct plan *plan;
	struct meta_set *work; /* edited, not yet written; NULL: no edit */
	size_t n_runs;
	struct volume_run *run[META_VOLUMES_MAX];
	size_t n_legs, cap_legs;
	struct leg *leg;
	char note[PLAN_REASON_MAX]; /* what a step that went well has to say */
	struct start *start;	    /* of the plan's volume, while STEP_ASSEMBLE runs */
	struct image *taken;	    /* what the disks held before the running plan; NULL: not taken */
	struct image *before;	    /* what the running plan wrote over; NULL: nothing yet */
	bool before_cut;	    /* there was more than is kept */
	bool may_wait;		    /* the next commit writes what was decided, and nothing that the kernel found */
	struct image *given;	    /* what they held before another one, for STEP_RESTORE */
	unsigned start_failed;	    /* disks that had failed when it was judged */
	struct timing timing;
	char dm_params[DM_PARAMS_MAX]; /* status while suspended: nothing is allocated then */
	struct dm_target target[2];    /* the table before and after */
	bool looked;		       /* what of the set is in the kernel is known: a look that failed comes again */
	char array_prefix[16];	       /* array.id is this and the volume's GUID */
};

static inline void exec_mark(struct exec *x, const char *what)
{
	if (x->env.mark)
		x->env.mark(x->env.u, what);
}

static inline int64_t exec_now(const struct exec *x)
{
	return clock_awake(x->env.clock);
}

/* Stands for a device that a dry run did not make. */
enum { SHOWN_MAJOR = 4095 };

/* --- exec.c: editing in memory ---------------------------------------------------------------------------- */

/* Applies one change to the set that the next commit writes. */
int exec_edit(struct exec *x, const struct meta_edit *edit, struct err *e);
int exec_edit_member(struct exec *x, const char *volume, unsigned slot, enum member_state state, struct err *e);
/* The set as edited; begun with a copy of what is on the disks. */
int exec_work(struct exec *x, struct meta_set **ret, struct err *e);
/* A view of the set as edited; the caller frees it. */
int exec_work_view(struct exec *x, struct meta_view **ret, struct err *e);
/* The volume as the set holds it now, NULL if it is no more. */
const struct meta_volume *exec_volume(const struct exec *x, const char *guid);
/* Its run, made on first use; NULL when out of memory or unknown. */
struct volume_run *exec_run(struct exec *x, const char *guid);
void exec_forget_run(struct exec *x, const char *guid);
/* New disks of the set: read back what was written on them, or forget them again. */
void exec_settle_joining(struct exec *x);

/* --- commit.c ------------------------------------------------------------------------------------------------ */

/* Writes the edits to all current disks, as DESIGN 5 orders: stamp {n, n'} -> flush -> format n' -> flush -> stamp {n',
 * n'}. A disk that fails meanwhile is one more fact: recorded too, while its volumes can run without it. 0: survivors'
 * metadata are stable. Without edits: nothing is done. */
int commit(struct exec *x, struct err *e);
/* The same for disks that hold nothing any more (failed members), once the table is right: best effort. */
void commit_late(struct exec *x);
/* The epoch of the volume's slices: what its in-sync members' stamps say; 0: none. */
uint64_t commit_epoch(const struct exec *x, const struct meta_volume *v);

/* --- slices.c ------------------------------------------------------------------------------------------------ */

/* Writes a slice of a member that enters: zeroed, or as if it had left with the lowest events; then its stamp; flushed.
 */
int slice_enter(struct exec *x, const struct meta_volume *v, unsigned slot, bool by_bitmap, struct err *e);
/* A blank slice for a disk that a member of v is about to be copied to; v names it in the slot already. */
int slice_for_copy(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e);
/* Makes a leaver's slice unreadable to the kernel: best effort. */
void slice_invalidate(struct exec *x, const char *volume, const char *ref);
/* Bays for a volume that the next commit makes: in memory, so that the commit's stamps announce it. */
int slices_first(struct exec *x, const struct meta_volume *v, struct err *e);
int slice_first(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e); /* of one slot */
/* Nothing tells of a volume that is no more: stamps and superblocks of all its bays; best effort. */
void slices_forget(struct exec *x, const char *volume);
/* Writes the slices of a start: anew, zeroed for a rebuild, or with the resync asked for; flushed. */
int slices_of_start(struct exec *x, const struct meta_volume *v, const struct start *st, bool before_commit,
		    struct err *e);
/* A slice for a read-only start, in a bay that no stamp holds; no stamp is written. Returns the bay or -errno. */
int slice_shown(struct exec *x, const struct meta_volume *v, const struct start *st, unsigned slot, struct err *e);
/* True if no member of v is rebuilt in full, or was since one left: its stamp's .emptied is that of all in sync. */
bool slices_kept(const struct exec *x, const struct volume_run *run, const struct meta_volume *v, uint64_t emptied);
/* True if the survivors' slices hold the slot failed, so that their bitmap has lived since it left. Reads them. */
bool slices_missed(struct exec *x, const struct meta_volume *v, unsigned slot, uint64_t epoch);

/* By what the stamps of those in sync say, mirrors of v have never been compared (commit.c: owed). */
bool slices_owed(const struct exec *x, const struct meta_volume *v);

/* --- legs.c -------------------------------------------------------------------------------------------------- */

/* A process may have died while it gave one of them another table: before anything else it is resumed. */
int legs_recover(struct exec *x, struct err *e);
/* Lists the set's private devices as the kernel has them. */
int legs_read(struct exec *x, struct err *e);
const struct leg *leg_find(const struct exec *x, const char *volume, unsigned slot, const char *ref, bool meta);
const struct leg *leg_by_number(const struct exec *x, unsigned major, unsigned minor);
/* Makes the two devices of one member, or finds them right; bay: where its slice is, -1: none (RAID0). */
int legs_make(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot, int bay,
	      struct dm_raid_slot *ret, struct err *e);
/* Removes those of one member; best effort: a leg that is left does no harm and is found again. */
void legs_drop(struct exec *x, const char *volume, unsigned slot, const char *ref);
void legs_drop_all(struct exec *x, const char *volume);
/* Those that the live table does not list: a process that died after a swap left them. */
void legs_drop_strays(struct exec *x, const struct volume_run *run);
/* Holds every present disk of the set against other tools, and lets go of those that are gone. */
int claims_make(struct exec *x, struct err *e);
int claim_disk(struct exec *x, const struct set_disk *d, struct err *e);
bool claims_held(struct exec *x);
/* Lets go of all of them. -EBUSY: a volume of the set runs. */
int claims_drop(struct exec *x, struct err *e);

/* --- converge.c ---------------------------------------------------------------------------------------------- */

/* 1 if the volume's device is there and ours and has a live table; not suspended and nothing waiting in it any more. */
int run_find(struct exec *x, struct volume_run *run, struct err *e);
/* Reads what the kernel says of the volume's device. */
int run_read(struct exec *x, struct volume_run *run, struct err *e);
/* Writes down what the kernel or udev found, and makes the kernel's table follow the format. Idempotent. */
int converge(struct exec *x, struct volume_run *run, struct err *e);
/* Edits for what the kernel found. Returns how many, or -errno; *lost: the volume could not run then, and nothing was
 * edited. */
int facts_edit(struct exec *x, struct volume_run *run, bool *lost, struct err *e);
/* Another volume of the set can run with the disk and not without it. A format may hold a failure as the whole disk's
 * (DDF does): then it is recorded as what is this slot's own, as one that has to be rebuilt. */
bool needed_elsewhere(const struct exec *x, const struct meta_view *view, const char *volume, const char *ref);
/* The kernel has failed the slot's member, or had when the volume was last seen, whatever the format says of it. */
bool kernel_failed(const struct exec *x, const struct meta_volume *v, unsigned slot);
/* Of a disk that fails I/O: missing if it was pulled, failed else. */
enum member_state fallen_state(const struct exec *x, struct set_disk *d);
/* The target's line for the volume as the format has it; entering members get their devices when make is set. */
int target_build(struct exec *x, struct volume_run *run, const struct meta_volume *v, bool make, struct dm_target *ret,
		 struct err *e);
/* A table with devices' names instead of numbers, for people. */
void target_show(const struct exec *x, const char *params, struct buf *out);

/* --- swap.c -------------------------------------------------------------------------------------------------- */

/* Puts the target in the place of the live table. -EAGAIN: the kernel found another failure between load and resume;
 * the old table runs on, run->seen_failed says which. Invariant: never left suspended, never resumed with a table that
 * was not checked. */
int swap(struct exec *x, struct volume_run *run, const struct dm_target *target, struct err *e);
/* Whatever failed: no table waits in the device, and it runs with its old one. */
int swap_back_out(struct exec *x, const char *name);
/* An earlier process died in the middle: clears what it had loaded and resumes. */
int swap_recover(struct exec *x, struct volume_run *run, struct err *e);

/* A health character is not as noted, but for what a suspension does to it; notes in run->seen_failed what failed.
 * Allocates nothing. */
bool swap_health_changed(struct exec *x, struct volume_run *run, const char *noted);

/* --- layer.c ------------------------------------------------------------------------------------------------- */

/* Which device has the raid table, and its info; puts right what an earlier process left half done. */
int layer_find(struct exec *x, struct volume_run *run, struct err *e);
/* The name of the device below, "data-real". */
void layer_name(const struct volume_run *run, char ret[DM_NAME_LEN_MAX + 1]);
/* rest: "" for the array's own, "-real", "-snap-NAME", "-cow-NAME". */
void layer_uuid(const struct exec *x, const struct volume_run *run, const char *rest, char ret[DM_UUID_LEN_MAX + 1]);
const struct snapshot *snapshot_find(const struct volume_run *run, const char *name);
int snapshots_read(struct exec *x, struct volume_run *run, struct err *e);
/* [{"name","dm","major","minor":of the device that it fills,"lost","used","total":sectors of that}] */
json_t *snapshots_state(const struct volume_run *run);
int snapshot_make(struct exec *x, struct volume_run *run, const char *name, const struct cow_place *place,
		  struct err *e);
int snapshot_drop(struct exec *x, struct volume_run *run, const char *name, struct err *e);
/* Without a snapshot the layer goes; best effort. */
void layer_settle(struct exec *x, struct volume_run *run);
/* Removes the devices of a layered volume that nobody has open. */
int layer_stop(struct exec *x, struct volume_run *run, struct err *e);
int step_snapshot_prepare(struct exec *x, const struct step *s, struct err *e); /* exec_snapshot.c */
int step_snapshot_finish(struct exec *x, const struct step *s, struct err *e);
int step_drop_snapshot_prepare(struct exec *x, const struct step *s, struct err *e);
int step_drop_snapshot_finish(struct exec *x, const struct step *s, struct err *e);
/* The tables that the plan's snapshots would bring, for a dry run. */
void snapshots_show(const struct exec *x, const struct volume_run *run, struct buf *out);

/* --- cow.c --------------------------------------------------------------------------------------------------- */

/* The device that a snapshot of the volume is to fill: it is nobody's, not on the volume, and empty, or is wiped. */
int cow_open(struct exec *x, const struct volume_run *run, const char *node, bool wipe, struct cow_place *ret,
	     struct err *e);
/* A private device over what of it is filled; ret: that device. */
int cow_make(struct exec *x, const struct volume_run *run, const char *name, const struct cow_place *place,
	     struct dm_cow *ret, struct err *e);
/* From that device to the one that a person named. */
void cow_read(struct exec *x, const struct volume_run *run, const char *name, struct dm_cow *cow);
int cow_drop(struct exec *x, const struct volume_run *run, const char *name, struct err *e);

/* --- copies.c ------------------------------------------------------------------------------------------------ */

/* Looks at the copies of the volume's members, and ends those that cannot go on: before anything may wait for I/O. */
int copies_settle(struct exec *x, struct volume_run *run, struct err *e);
/* Edits for those that are whole. Returns how many, or -errno. */
int copies_edit(struct exec *x, const struct volume_run *run, const struct meta_volume *v, struct err *e);
/* The slot's member by the format is a whole copy of who is listed there. */
bool copied(struct exec *x, const struct volume_run *run, const struct meta_volume *v, unsigned slot);
/* Those that are about to enter still are. Allocates nothing. */
bool copies_hold(struct exec *x, const struct volume_run *run);
int copy_end(struct exec *x, const struct meta_volume *v, unsigned slot, struct err *e);
/* The disk is needed for something else. */
int copies_end_to(struct exec *x, const struct set_disk *to, struct err *e);
/* [{"slot","to":device,"done","total":regions}] */
json_t *copies_state(struct exec *x, const struct volume_run *run);

/* Another table for a leg under I/O; what waits in it goes on with that. */
int leg_point(struct exec *x, const struct leg *leg, const struct dm_target *t, struct err *e);

/* --- exec_grow.c --------------------------------------------------------------------------------------------- */

/* The volume is larger by the format than in the kernel, and its next table may be as long as it shall be. */
bool grow_due(const struct exec *x, const struct volume_run *run, const struct meta_volume *v);
/* The members' private devices first. */
int legs_grow(struct exec *x, const struct meta_volume *v, struct err *e);

/* --- turns.c ------------------------------------------------------------------------------------------------- */

/* Of arrays that share disks one is rebuilt at a time. Best effort. */
void turns_take(struct exec *x);

/* --- options.c ----------------------------------------------------------------------------------------------- */

/* Reads those of the live table. */
void options_read(struct volume_run *run);
bool options_differ(const struct volume_run *run);
/* {"read-last":[slots],"rate":bytes a second and member, 0: the kernel's own, -1: as fast as it can} */
json_t *options_state(const struct volume_run *run);
/* A dry run leaves nothing behind. */
void options_forget(struct exec *x);
/* A resync of v after a crash is lost beside a member that enters, and these in sync are mirrors: nobody compares them.
 * Returns 1 with an edit: v is not initialised any more. */
int resync_lost(struct exec *x, const struct meta_volume *v, const bool *in_sync, struct err *e);
/* The same of all volumes that run, by the view of what is about to be written. Returns how many. */
int resyncs_lost(struct exec *x, const struct meta_view *view, struct err *e);
/* A repair of what is owed, if it can run now; once for each table. */
void repair_owed(struct exec *x, struct volume_run *run);

/* --- exec_start.c, exec_steps.c ------------------------------------------------------------------------------ */

/* What the disk in the slot says of the volume, for start_analyse and for a return by bitmap. */
void start_read_disk(const struct exec *x, const struct meta_volume *v, unsigned slot, struct start_disk *ret);

/* The plan's volume as edited so far. *view is the caller's. */
const struct meta_volume *work_volume(struct exec *x, struct meta_view **view, struct err *e);
/* The slot that the step is about: given, or its disk's. */
int step_slot(struct exec *x, const struct step *s, const struct meta_volume *v, struct err *e);
/* A step in two halves: before the plan's commit, and after it and the converging. Either may be NULL. */
struct step_ops {
	int (*prepare)(struct exec *x, const struct step *s, struct err *e);
	int (*finish)(struct exec *x, const struct step *s, struct err *e);
};
int step_assemble_prepare(struct exec *x, const struct step *s, struct err *e);
int step_assemble_finish(struct exec *x, const struct step *s, struct err *e);
int step_stop_prepare(struct exec *x, const struct step *s, struct err *e);
int step_stop_finish(struct exec *x, const struct step *s, struct err *e);
int step_replace_prepare(struct exec *x, const struct step *s, struct err *e);
int step_replace_finish(struct exec *x, const struct step *s, struct err *e);
int step_scrub_finish(struct exec *x, const struct step *s, struct err *e);
int step_read_last_prepare(struct exec *x, const struct step *s, struct err *e);
int step_speed_prepare(struct exec *x, const struct step *s, struct err *e);
int step_create_prepare(struct exec *x, const struct step *s, struct err *e); /* exec_create.c */
int step_create_finish(struct exec *x, const struct step *s, struct err *e);
int step_delete_prepare(struct exec *x, const struct step *s, struct err *e);
int step_delete_finish(struct exec *x, const struct step *s, struct err *e);
int step_rename_prepare(struct exec *x, const struct step *s, struct err *e);
int step_rename_finish(struct exec *x, const struct step *s, struct err *e);
int step_grow_prepare(struct exec *x, const struct step *s, struct err *e); /* exec_grow.c */
int step_grow_finish(struct exec *x, const struct step *s, struct err *e);
int step_delete_set_prepare(struct exec *x, const struct step *s, struct err *e);
int step_delete_set_finish(struct exec *x, const struct step *s, struct err *e);
/* The device that a volume will have must not be somebody else's. */
int check_name(struct exec *x, const char *volume_name, const char *guid, struct err *e);
/* Writes to all disks what make says. The first disk that fails is named; the others are written all the same. */
typedef int make_fn(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e);
int disks_write(struct exec *x, struct set_disk *const *disks, size_t n, make_fn *make, const struct meta_set *meta,
		const char *what, struct err *e);
/* They hold what was written, and are the set. */
int disks_written(struct exec *x, struct set_disk *const *disks, size_t n, struct err *e);
int step_restore_prepare(struct exec *x, const struct step *s, struct err *e); /* exec_restore.c */
int step_restore_finish(struct exec *x, const struct step *s, struct err *e);
/* What is there of the set goes; its disks are blank again, and closed. */
int set_take_back(struct exec *x, const char *what, struct err *e);
/* Takes back what a cut left half made. Returns how many volumes. */
int births_undo(struct exec *x, struct err *e);
int step_remove_spare_finish(struct exec *x, const struct step *s, struct err *e); /* lend.c */
int step_take_spare_prepare(struct exec *x, const struct step *s, struct err *e);
/* Makes a blank disk, or one that the set has forgotten, a disk of the set. */
int join_disk(struct exec *x, const char *device, struct set_disk *d, struct err *e);
extern const struct step_ops step_table[STEP_OP_MAX];

/* --- exec_image.c ------------------------------------------------------------------------------------------- */

/* Of a person's plan: tells what the disks of the set hold, before a step overwrites what no plan can take back. What
 * was edited before is committed first. What cannot be read is told as not kept; an error is the commit's. */
int images_take(struct exec *x, struct err *e);
/* The same of disks that are made a set's as draft says, and hold something that is given up. */
void images_of_wiped(struct exec *x, struct set_disk *const *disks, size_t n, const struct meta_set *draft);
/* The plan has ended; done: all of it went well. Tells what it left. */
void images_left(struct exec *x, bool done);
/* Of what the disk's copy says, or, where there is none, of its first MiB. */
int image_hash(struct exec *x, struct blockdev *dev, uint64_t *ret);

/* --- exec_before.c ------------------------------------------------------------------------------------------ */

/* The disk was written there: called afterwards, with what is there now if result is 0. */
void before_wrote(struct exec *x, struct set_disk *d, uint64_t pos, const void *buf, size_t len, int result);
void before_op(void *u, const struct io_op *op, int result); /* the same, of a batch; u: the exec */
/* The plan's first commit may wait for the history: then before_write for each disk, and before_wait. */
bool before_waits(const struct exec *x);
void before_write(struct exec *x, struct set_disk *d, const struct meta_writes *w);
void before_wait(struct exec *x);
/* The plan has ended: what was not told yet. */
void before_tell(struct exec *x);
/* Reports what was not told of it, part by part, under that key. wait: until it is durable. 0 or -errno. */
int images_report(struct exec *x, const char *key, struct image *im, bool wait);

/* --- exec_tell.c --------------------------------------------------------------------------------------------- */

void tell_event(struct exec *x, const char *kind, const char *volume, int slot, const char *ref,
		const struct event_fact *facts, size_t n_facts);
/* What the commit just recorded, as against the view before it: members that failed, spares that took a slot. */
void tell_committed(struct exec *x, const struct meta_view *before);
/* The array's state by the format and the kernel together. */
enum array_state tell_array_state(const struct exec *x, const struct volume_run *run);
/* array.degraded, array.optimal, array.failed when it changed since it was told; resync events. */
void tell_changes(struct exec *x, struct volume_run *run);
void tell_step(struct exec *x, size_t step, const char *result, const char *reason);
void tell_show(struct exec *x, const char *text);
void tell_state(struct exec *x);
/* The metadata in a few lines: volumes, slots, states. */
void show_view(const struct meta_view *v, const char *title, struct buf *out);
