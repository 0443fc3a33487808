// SPDX-License-Identifier: GPL-2.0-or-later
/* On-disk RAID metadata behind one shape. A format is a set of pure functions over bytes: what one disk says (parse),
 * what several disks say together (join), what that means (view), a change (edit), and what must be written where and
 * in which order (encode). Nothing here opens, writes or decides. */
#pragma once

#include "core/fact.h"

#include <jansson.h>

/* The bytes of one disk, bounds-checked by the reader. Sectors of 512 bytes, whatever the disk's own are. */
struct meta_reader {
	/* 0 or -errno; -ERANGE outside of the disk. */
	int (*read)(void *u, uint64_t sector, void *buf, uint32_t sectors);
	void *u;
	uint64_t sectors;     /* size of the disk */
	unsigned sector_size; /* the disk's logical block, bytes */
};

enum {
	META_GUID_MAX = 52, /* 24 bytes in lower-case hexadecimal, and NUL */
	META_REF_MAX = 20,  /* a disk's reference within its set: DDF PD_Reference as 8 hex digits */
	META_NAME_MAX = 36, /* a volume's name, escaped */
	META_REASON_MAX = 160,
	META_SLOTS_MAX = 64, /* dm-raid's own limit is 253 (MAX_RAID_DEVICES, drivers/md/dm-raid.c) */
	META_DISKS_MAX = 256,
	META_VOLUMES_MAX = 64,
};

/* The numbers are in stamps on disks (meta_volume_hash): a new one goes to the end. */
enum raid_level { RAID_UNSUPPORTED, RAID0, RAID1, RAID5, RAID6, RAID10, RAID4, RAID_LEVELS };

/* Words "raid0".. by enum raid_level; NULL for RAID_UNSUPPORTED. */
const char *raid_level_name(enum raid_level level);
/* md's number of it; -1 for RAID_UNSUPPORTED. */
int raid_level_number(enum raid_level level);
/* Members that may be lost, whichever they are, when all slots are in sync. RAID10 by two copies: 1. */
int raid_redundancy(enum raid_level level, unsigned slots);
/* True if an array of this level with these slots in sync (in_sync[slot]) can serve all data. */
bool raid_runnable(enum raid_level level, const bool *in_sync, unsigned slots);
/* True if the format says that a member is behind, and not which: none is called in sync, and more than half, and than
 * the level can do without, rebuilding. A person says which it is, by failing it. */
bool raid_doubted(enum raid_level level, const enum member_state *state, unsigned slots);
/* True if two of the slots in sync are mirrors of the same data. */
bool raid_mirrored(enum raid_level level, const bool *in_sync, unsigned slots);

struct meta_member {
	char ref[META_REF_MAX];	 /* empty: no disk is assigned */
	uint64_t offset;	 /* first data sector on the disk */
	enum member_state state; /* by the format: in-sync, rebuilding, failed, missing or empty; never stale */
	bool known; /* false: only a disk that is not here has the record that names it (DDF RAID10); missing */
};

struct meta_volume {
	char guid[META_GUID_MAX];
	char name[META_NAME_MAX];
	enum raid_level level;
	int layout;	/* md's number (RAID5 0..2, RAID6 8..10, RAID10 0x102 over any number of slots), 0 for others */
	uint32_t chunk; /* sectors; 0 for RAID1 */
	unsigned slots;
	uint64_t member_sectors; /* used on each member */
	uint64_t sectors;	 /* usable size */
	bool clean;		 /* DDF "Consistent": no write was under way */
	bool initialised;	 /* DDF fully initialised: redundancy is in sync but for what clean tells */
	uint32_t seq;		 /* of the volume's own configuration record */
	bool known;		 /* its configuration record was found; else only guid and name count */
	struct meta_member members[META_SLOTS_MAX]; /* by md's slot order */
	char unsupported[META_REASON_MAX];	    /* why level is RAID_UNSUPPORTED, one line */
};

bool meta_volume_doubted(const struct meta_volume *v); /* raid_doubted of its members */

struct meta_disk {
	char ref[META_REF_MAX];
	char guid[META_GUID_MAX];
	bool failed;	  /* by the format */
	bool missing;	  /* by the format */
	bool spare;	  /* global or dedicated; also an unused disk (mdadm: Global-Spare) */
	bool dedicated;	  /* spare of .volumes only */
	bool revertible;  /* of a spare: it gives its slot back when the failed disk is replaced */
	bool stands_in;	  /* a member that is a spare again once its slot has another disk: revertible, or for this time
			   */
	bool enclosure;	  /* of a spare: for members in its own enclosure only */
	bool predicted;	  /* it says of itself that it will fail */
	bool read_errors; /* it had errors that reading could not correct */
	bool foreign;	  /* of another controller's configuration: imported, or not yet */
	unsigned n_dedicated;
	char dedicated_to[4][META_GUID_MAX];
	uint64_t sectors; /* configured (usable) size */
};

/* What one disk, or a joined set, says. */
struct meta_view {
	const char *format;	 /* "ddf" */
	char set[META_GUID_MAX]; /* the container */
	char maker[28];		 /* vendor of the container's GUID: "Linux-MD" */
	char self[META_REF_MAX]; /* the disk that says it; empty for a joined set */
	uint64_t seq;		 /* of the whole set */
	size_t n_disks, n_volumes;
	struct meta_disk *disks;
	struct meta_volume *volumes;
	uint64_t room_start, room_sectors; /* of the disk self: where slices may live, sectors */
};

void meta_view_free(struct meta_view *v);
DEFINE_CLEANUP(struct meta_view *, meta_view_free)
json_t *meta_view_to_json(const struct meta_view *v);
/* Reads back what a probe sent: bounds-checked, unknown keys are errors. */
int meta_view_from_json(const json_t *j, struct meta_view **ret, struct err *e);
const struct meta_disk *meta_view_disk(const struct meta_view *v, const char *ref);
const struct meta_volume *meta_view_volume(const struct meta_view *v, const char *guid);

/* How each disk of a set stands to the others. */
enum meta_standing {
	META_CURRENT, /* its sequence number is the set's */
	META_STALE,   /* behind: it missed updates */
	META_SPLIT,   /* it advanced alone: it calls a current disk failed or missing, and is called so itself */
};

/* What all present disks say together: the freshest copy wins by sequence number, never by time; volumes whose record
 * only some disks carry are taken from the freshest that has it. standing[i] for views[i]. *split: two histories; the
 * joined view is then the one with the higher sequence number. A new view, freed by the caller. All views must be of
 * one set. */
int meta_view_merge(const struct meta_view *const *views, size_t n, struct meta_view **ret,
		    enum meta_standing *standing, bool *split, struct err *e);

/* One change of a set's metadata, as a value. */
enum meta_edit_op {
	/* volume, slot, state: in-sync, rebuilding, failed or missing. In DDF a disk fails, is missing, and is back as
	 * a whole: in all its volumes; rebuilding and in-sync are the slot's own, and the disk's other slots that
	 * missed writes become rebuilding. */
	META_SET_MEMBER,
	META_ASSIGN,	/* volume, slot, ref: this disk takes the slot, rebuilding; it stops being a spare; offset is
			   chosen */
	META_REPLACE,	/* volume, slot, ref: this disk takes the slot, and holds all that its member holds */
	META_ADD_SPARE, /* ref (of a disk that was added with add_disk), volume: dedicated, or empty: global;
			   revertible, enclosure */
	META_DROP_DISK, /* ref: forget the disk; it must be in no slot as in-sync or rebuilding */
	META_SET_DISK,	/* ref, state failed or in-sync: the physical disk's own flag */
	META_SET_CLEAN, /* volume, clean */
	META_SET_INITIALISED, /* volume, clean: true: its redundancy is in sync all over, once; false: it has to be made
			       */
	META_DELETE_VOLUME,   /* volume: its records go, its extents are free; who was its dedicated spare is global */
	META_RENAME_VOLUME,   /* volume, name */
	META_GROW_VOLUME,     /* volume, sectors: usable size, 0: all that there is room for right behind its extents;
				 its redundancy has to be made there, and it counts as not initialised. -ENOSPC names
				 the disk that has not enough; an array is never made smaller */
	META_NOTE_DISK,	      /* ref, predicted, read_errors: what is known of its health beside its state */
	META_STAND_IN,	  /* ref of a member, clean: true: it is a spare again once its slot has another disk; false:
			     it is not */
	META_SPARE_AGAIN, /* ref: its slot has another disk now; what was said of it as a spare holds again */
	META_EDIT_OPS,
};

struct meta_edit {
	enum meta_edit_op op;
	char volume[META_GUID_MAX];
	unsigned slot;
	char ref[META_REF_MAX];
	enum member_state state;
	bool clean;
	bool revertible; /* META_ADD_SPARE: it gives its slot back */
	bool enclosure;	 /* META_ADD_SPARE: for members in its own enclosure only */
	bool predicted, read_errors;
	char name[META_NAME_MAX];
	uint64_t sectors; /* META_GROW_VOLUME */
};

/* A volume that is to be made. */
struct meta_create {
	char guid[META_GUID_MAX]; /* drawn by the caller: new_guid */
	char name[META_NAME_MAX];
	enum raid_level level;
	int layout;	  /* md's number, as in meta_volume */
	uint32_t chunk;	  /* sectors; 0 for RAID1 */
	uint64_t sectors; /* usable size that is wanted, made whole stripes; 0: all that the disks have room for */
	bool initialised; /* the redundancy is taken as made: what is on the disks counts as in sync */
	unsigned slots;
	char ref[META_SLOTS_MAX][META_REF_MAX]; /* disks of the set that are here, by slot */
};

/* Writes in order. A flush stands between two groups: everything before it must be stable before anything after it. */
struct meta_write {
	uint64_t sector;
	void *buf;  /* aligned to 4096, owned by the list */
	size_t len; /* bytes, a multiple of 512 */
	bool flush; /* flush after this write */
};
struct meta_writes {
	struct meta_write *w;
	size_t n;
};
void meta_writes_free(struct meta_writes *w);

/* FNV-1a 64 over bytes; begun with META_HASH_START. */
#define META_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t meta_hash(uint64_t h, const void *p, size_t n);

/* ---- formats that are not ours (others.c) ---- */

enum { META_OTHERS_MAX = 11 };
struct meta_other {
	const char *type, *name; /* libblkid's word, and "metadata of an Intel Matrix RAID" */
};
/* Those whose signatures are on the disk, but for the data of the volumes that it has by own, its view (NULL: none).
 * How many, or -errno. */
int meta_others(const struct meta_reader *r, const struct meta_view *own,
		const struct meta_other *ret[META_OTHERS_MAX]);
/* "metadata of an Intel Matrix RAID (isw_raid_member), metadata of .." */
void meta_others_text(const struct meta_other *const *list, int n, char *ret, size_t size);
/* NULL: libblkid's word is of none of them. */
const char *meta_other_name(const char *type);

struct meta_copy; /* what one disk holds, as bytes */
struct meta_set;  /* what the disks of one set hold together, as bytes; the freshest of each record */

struct meta_format {
	const char *name;
	uint64_t reserved; /* sectors that it keeps for itself on a disk that add_disk makes one of a set */
	/* 1: it is this format, 0: it is not, -errno: cannot be read. */
	int (*probe)(const struct meta_reader *r, struct err *e);
	/* Reads the best copy on one disk: bounds, CRCs, all copies. -EBADMSG: it is damaged or lies, the message says
	 * where. */
	int (*parse)(const struct meta_reader *r, struct meta_copy **ret, struct err *e);
	void (*copy_free)(struct meta_copy *c);
	/* A hash of all that it holds: of the copy that is read. */
	uint64_t (*copy_hash)(const struct meta_copy *c);
	/* A view of what one disk says. */
	int (*copy_view)(const struct meta_copy *c, struct meta_view **ret, struct err *e);
	/* Joins the copies of one set's present disks (not split ones). Takes nothing over. */
	int (*join)(const struct meta_copy *const *copies, size_t n, struct meta_set **ret, struct err *e);
	struct meta_set *(*set_clone)(const struct meta_set *s);
	void (*set_free)(struct meta_set *s);
	/* The disks may hold something else than was read from them: encode spares nothing from now on. */
	void (*set_rewrite)(struct meta_set *s);
	/* All that the set holds becomes what old held, which is an earlier state of it, of the same disks. -EINVAL: it
	 * is not. */
	int (*set_restore)(struct meta_set *s, const struct meta_set *old, struct err *e);
	/* Nothing of the set is on its disks any more: encode writes all of it, as on blank ones. */
	void (*set_unwritten)(struct meta_set *s);
	int (*set_view)(const struct meta_set *s, struct meta_view **ret, struct err *e);
	/* Applies one change in memory, keeping every record it does not understand byte for byte. -EINVAL, -ENOENT,
	 * -ENOSPC with a reason. Volume states and disk flags that follow from it are recomputed as mdadm does. */
	int (*edit)(struct meta_set *s, const struct meta_edit *edit, struct err *e);
	/* Makes a blank disk of that size and logical block known to the set, with a new reference and GUID; it becomes
	 * a spare by META_ADD_SPARE. */
	int (*add_disk)(struct meta_set *s, uint64_t disk_sectors, unsigned sector_size, const char *serial,
			char ref[META_REF_MAX], struct err *e);
	/* A new GUID of a set or a volume, with the format's own form: drawn; or of what nobody else has, a hash of it
	 * and the time in ns since 1970. */
	int (*new_guid)(char ret[META_GUID_MAX], struct err *e);
	void (*guid_of)(uint64_t hash, int64_t wall, char ret[META_GUID_MAX]);
	/* A set that is nowhere yet, with one blank disk, as add_disk makes it one of a set. */
	int (*create_set)(const char *guid, uint64_t disk_sectors, unsigned sector_size, const char *serial,
			  struct meta_set **ret, char ref[META_REF_MAX], struct err *e);
	/* A volume on free extents of disks of the set. -EINVAL, -EEXIST, -ENOSPC with a reason, and nothing is
	 * changed.
	 */
	int (*create_volume)(struct meta_set *s, const struct meta_create *create, struct err *e);
	/* What must be written to disk ref, in order, so that it is none of the set any more. */
	int (*erase)(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e);
	/* The next sequence number: set once for a batch of edits. */
	void (*set_seq)(struct meta_set *s, uint64_t seq);
	/* What must be written to disk ref, in order, so that a torn write leaves the old or the new state readable. */
	int (*encode)(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e);
};

extern const struct meta_format meta_ddf;
/* All formats, in probing order; NULL-terminated. */
extern const struct meta_format *const meta_formats[];
