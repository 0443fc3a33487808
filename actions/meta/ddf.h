// SPDX-License-Identifier: GPL-2.0-or-later
/* Inside of the DDF format: what one disk holds and what a set holds, as bytes. Only ddf*.c and their tests include it.
 *
 * Bytes: ddf_dialect.c (byte orders and CRCs of disks; everything else sees one kind)
 * Read:  ddf_read.c (headers, sections, CRCs of one copy)  ->  ddf_check.c (what the records claim)  ->  ddf_join.c (a
 * set) Tell:  ddf_level.c (levels, slots, states)  ->  ddf_view.c Write: ddf_edit.c, ddf_assign.c, ddf_add.c (the set
 * in memory; ddf_restore.c: an earlier one)  ->  ddf_encode.c (bytes, in order) */
#pragma once

#include "actions/meta/ddf_disk.h"
#include "actions/meta/meta.h"

enum {
	DDF_COPY_SECTORS_MAX = 8192, /* of the sections that we keep in memory; mdadm's copy has 618 */
	DDF_GRANULE = 8,      /* sectors; whole ones are written, so that disks with 4096-byte sectors can take it */
	DDF_RESERVED = 65536, /* sectors at the disk's end that no volume may use; 4.1: at least 32 MiB */
};

/* A header in native numbers; all lengths and places in sectors of 512 bytes, as everywhere but on the disk. */
struct ddf_layout {
	unsigned unit;	 /* sectors in a logical block of the disk */
	uint64_t lba[2]; /* primary, secondary; DDF_NO_LBA: none */
	uint64_t workspace;
	uint64_t workspace_sectors;
	struct {
		uint32_t offset, sectors;
	} section[DDF_SECTIONS];
	unsigned max_partitions, record_sectors, max_elements;
	uint32_t sectors; /* of a copy with the sections that we keep */
	uint32_t extent;  /* of a copy with all its sections */
};

/* The bytes of one copy on one disk as they were read; shared, never changed. */
struct ddf_image {
	unsigned users;
	uint32_t sectors; /* the layout's, up to a whole granule where there is room */
	uint8_t *bytes;
};

/* In which of the kinds that exist a disk is written. */
struct ddf_dialect {
	bool little;	/* numbers are little-endian */
	bool usual_crc; /* its CRCs are the usual ones, not mdadm's */
};

/* The granule with the anchor, up to the anchor itself, which is its last block: the disk's last one mostly. */
struct ddf_tail {
	uint64_t lba;
	uint32_t sectors;
	unsigned unit;
	struct ddf_dialect dialect; /* of the whole disk; bytes are in memory's */
	_Alignas(8) uint8_t bytes[DDF_GRANULE * DDF_SECTOR];
};

struct meta_copy {
	uint64_t disk_sectors;
	struct ddf_tail tail;
	struct ddf_layout layout;
	struct ddf_image *image[2]; /* NULL: cannot be read */
	int active;		    /* 0 primary, 1 secondary */
};

/* A global section of the set, with the sectors that edits have changed since it was joined. */
struct ddf_table {
	uint8_t *bytes;
	bool *touched; /* by sector */
	uint32_t sectors;
	bool sealed; /* its CRC is right: the table is as ddf_set_seq left it */
};

/* One basic volume's configuration record, the freshest. */
struct ddf_bvd {
	uint8_t *record; /* struct ddf_conf and its two arrays; NULL: no present disk has it */
	uint64_t seq;	 /* of the header it came with */
};

struct ddf_volume {
	unsigned entry; /* index in the virtual disk records */
	unsigned n_bvds;
	struct ddf_bvd *bvd; /* by secondary_seq */
	uint64_t behind;     /* bit per slot: what is on its disk is not in sync, though the disk may be well */
	bool doubt;	     /* which of its members is behind is not told: all count as behind, in this volume only */
};

/* A present disk of the set. */
struct ddf_member {
	uint32_t ref;
	uint64_t disk_sectors;
	struct ddf_tail tail;
	bool blank; /* added to the set; nothing is on the disk yet */
	struct ddf_layout layout;
	struct ddf_image *image[2]; /* on the disk */
	int active;
	uint8_t *work; /* a copy as it should be, but for what the set holds: tables, configuration, header */
	bool *touched; /* by sector of work */
};

struct meta_set {
	uint32_t seq, timestamp;
	uint32_t joined_seq; /* when it was read */
	bool edited;
	unsigned unit; /* sectors in a block of its disks: of all of them the same */
	unsigned record_sectors, max_elements;
	struct ddf_table pd, vd;
	size_t n_members, n_volumes;
	struct ddf_member *members;
	struct ddf_volume *volumes;
};

/* ---- bytes */

/* A number of blocks as sectors; more than there can be: UINT64_MAX. */
static inline uint64_t ddf_sectors(unsigned unit, be64 blocks)
{
	uint64_t n = be64_get(blocks);

	return n > UINT64_MAX / unit ? UINT64_MAX : n * unit;
}
/* Bytes of a block: of a header, of what else takes one. */
static inline size_t ddf_block(unsigned unit)
{
	return (size_t)unit * DDF_SECTOR;
}

uint32_t ddf_crc(const void *record, size_t len);
uint32_t ddf_crc_usual(const void *record, size_t len);
void ddf_seal(void *record, size_t len);
bool ddf_is_blank(const void *p, size_t n); /* all 0xFF */
uint32_t ddf_time(int64_t wall);	    /* seconds since 1980, of ns since 1970 */
uint32_t ddf_now(void);			    /* likewise */
void ddf_guid_text(const char guid[DDF_GUID_LEN], char ret[META_GUID_MAX]);
void ddf_ref_text(uint32_t ref, char ret[META_REF_MAX]);
int ddf_ref_parse(const char *text, uint32_t *ret, struct err *e);
int ddf_guid_parse(const char *text, char ret[DDF_GUID_LEN], struct err *e);
int ddf_random(void *p, size_t n, struct err *e);

static inline struct ddf_header *ddf_image_header(const struct ddf_image *im)
{
	return (struct ddf_header *)im->bytes;
}
static inline struct ddf_header *ddf_anchor(const struct ddf_tail *t)
{
	return (struct ddf_header *)(t->bytes + (size_t)(t->sectors - t->unit) * DDF_SECTOR);
}
/* Sectors in a logical block of so many bytes; 0: DDF cannot be read there. */
unsigned ddf_unit(unsigned sector_size);
void ddf_tail_place(struct ddf_tail *t, uint64_t disk_sectors, unsigned unit);
static inline uint64_t ddf_anchor_lba(const struct ddf_tail *t)
{
	return t->lba + t->sectors - t->unit;
}
/* Looks for the anchor where it should be and where some controllers put it. 1: found, in either byte order; 0: there
 * is none; or -errno. */
int ddf_tail_read(const struct meta_reader *r, struct ddf_tail *t, struct err *e);
/* Sectors to keep of the copy at lba: its own, and up to the end of the granule if nothing else begins there. */
uint32_t ddf_image_sectors(const struct ddf_layout *l, unsigned copy, uint64_t disk_sectors);
struct ddf_image *ddf_image_ref(struct ddf_image *im);
void ddf_image_unref(struct ddf_image *im);

/* The section's bytes within a copy. */
static inline uint8_t *ddf_section(const struct ddf_layout *l, const uint8_t *copy, enum ddf_section s)
{
	return (uint8_t *)copy + (size_t)l->section[s].offset * DDF_SECTOR;
}
static inline size_t ddf_section_len(const struct ddf_layout *l, enum ddf_section s)
{
	return (size_t)l->section[s].sectors * DDF_SECTOR;
}
static inline unsigned ddf_conf_slots(const struct ddf_layout *l)
{
	return l->section[DDF_SEC_CONFIG].sectors / l->record_sectors;
}
/* Record n of the configuration section. */
static inline uint8_t *ddf_conf_slot(const struct ddf_layout *l, const uint8_t *copy, unsigned n)
{
	return ddf_section(l, copy, DDF_SEC_CONFIG) + (size_t)n * l->record_sectors * DDF_SECTOR;
}
static inline be64 *ddf_conf_lba(const struct ddf_conf *c, unsigned max_elements)
{
	return (be64 *)&c->ref[max_elements];
}
static inline uint32_t ddf_magic(const void *record)
{
	return be32_get(((const struct ddf_record *)record)->magic);
}

/* ---- ddf_dialect.c */

/* The anchor among the bytes as they were read: finds out the dialect, and turns it. False: there is none. */
bool ddf_anchor_in(struct ddf_tail *t);
/* A whole copy: as it was read, to memory's kind; and back. The layout is the anchor's. */
void ddf_copy_in(const struct ddf_dialect *d, const struct ddf_layout *l, uint8_t *copy);
void ddf_copy_out(const struct ddf_dialect *d, const struct ddf_layout *l, uint8_t *copy);
/* A header or an anchor alone. */
void ddf_header_out(const struct ddf_dialect *d, unsigned unit, uint8_t *bytes);

/* ---- ddf_read.c, ddf_check.c */

/* Bounds of everything that a header of a disk of that size says. -EBADMSG. */
int ddf_layout_read(const struct ddf_header *h, uint64_t disk_sectors, unsigned unit, struct ddf_layout *ret,
		    struct err *e);
int ddf_copy_read(const struct meta_reader *r, struct meta_copy **ret, struct err *e);
void ddf_copy_free(struct meta_copy *c);
/* What one copy's records claim, CRCs first. -EBADMSG. */
int ddf_check(const struct ddf_layout *l, const uint8_t *copy, struct err *e);
/* The same of the records of several disks together: extents against the set's tables, and against each other. */
int ddf_check_set(const struct meta_set *s, struct err *e);

/* ---- ddf_join.c */

int ddf_join(const struct meta_copy *const *copies, size_t n, struct meta_set **ret, struct err *e);
struct meta_set *ddf_set_clone(const struct meta_set *s);
void ddf_set_free(struct meta_set *s);
void ddf_set_rewrite(struct meta_set *s);
DEFINE_CLEANUP(struct meta_set *, ddf_set_free)
struct ddf_member *ddf_member(const struct meta_set *s, uint32_t ref); /* present disk, or NULL */
int ddf_table_init(struct ddf_table *t, const uint8_t *bytes, uint32_t sectors);
void ddf_member_clear(struct ddf_member *m);

static inline struct ddf_pd_table *ddf_pds(const struct meta_set *s)
{
	return (struct ddf_pd_table *)s->pd.bytes;
}
static inline struct ddf_vd_table *ddf_vds(const struct meta_set *s)
{
	return (struct ddf_vd_table *)s->vd.bytes;
}
bool ddf_pd_used(const struct ddf_pd_entry *pd);
bool ddf_vd_used(const struct ddf_vd_entry *vd);
/* Entry of that reference, or NULL. */
const struct ddf_pd_entry *ddf_pd(const struct meta_set *s, uint32_t ref);
const struct ddf_vd_entry *ddf_vd(const struct meta_set *s, const struct ddf_volume *v);
/* The same to be changed. */
struct ddf_pd_entry *ddf_pd_edit(struct meta_set *s, uint32_t ref);
struct ddf_vd_entry *ddf_vd_edit(struct meta_set *s, const struct ddf_volume *v);
void ddf_touch(struct ddf_table *t, const void *p, size_t n);

/* ---- ddf_restore.c */

int ddf_set_restore(struct meta_set *s, const struct meta_set *old, struct err *e);
void ddf_set_unwritten(struct meta_set *s);
uint64_t ddf_copy_hash(const struct meta_copy *c);

/* ---- ddf_level.c: what a volume's records mean */

static inline struct ddf_conf *ddf_conf(const struct ddf_bvd *b)
{
	return (struct ddf_conf *)b->record;
}
/* Any record of the volume that is known, or NULL. */
const struct ddf_conf *ddf_volume_conf(const struct ddf_volume *v);
/* Level, layout, slots and chunk; RAID_UNSUPPORTED with the reason in ret->unsupported. Only those fields of ret are
 * set. */
void ddf_level(const struct meta_set *s, const struct ddf_volume *v, struct meta_volume *ret);
/* The place of a slot in the records: 0, or -ENOENT: its basic volume's record is not known. */
int ddf_slot(const struct meta_set *s, const struct ddf_volume *v, unsigned slot, struct ddf_bvd **bvd,
	     unsigned *index);
unsigned ddf_slots(const struct ddf_volume *v); /* as the records count them; 0: unknown */
uint32_t ddf_slot_ref(const struct meta_set *s, const struct ddf_volume *v, unsigned slot); /* DDF_NO_REF: none */
enum member_state ddf_slot_state(const struct meta_set *s, const struct ddf_volume *v, unsigned slot);
/* Which slots are behind, from what the tables and records of the joined set say. */
void ddf_volume_behind(struct meta_set *s, struct ddf_volume *v);
/* VD_State by its slots' states, as mdadm computes it (get_svd_state of super-ddf.c). */
uint8_t ddf_volume_state(const struct meta_set *s, const struct ddf_volume *v);
/* What its own state is to be, now that its members have changed. */
uint8_t ddf_volume_state_next(const struct meta_set *s, const struct ddf_volume *v);
/* A person has said which member of a volume in doubt is not good: the others are. */
void ddf_volume_told(const struct meta_set *s, struct ddf_volume *v);
/* Writes or clears the note in a record's vendor bytes that says which of its elements are behind. */
void ddf_note(const struct meta_set *s, const struct ddf_volume *v, unsigned bvd, struct ddf_conf *c);

/* The reverse: which records make that level. Fills the fields of *ret that say so; returns how many basic volumes it
 * takes, or -EINVAL: DDF, or mdadm's reading of it, has none. */
int ddf_level_records(enum raid_level level, int layout, unsigned slots, struct ddf_conf *ret, struct err *e);
/* How much data members of that size hold; UINT64_MAX: more than can be. And the size that members need for so much. */
uint64_t ddf_usable(enum raid_level level, unsigned slots, uint64_t member);
uint64_t ddf_member_for(enum raid_level level, unsigned slots, uint64_t data);
/* A member is a multiple of it; 0: of anything. */
uint32_t ddf_granule(enum raid_level level, unsigned slots, uint32_t chunk);

/* ---- ddf_view.c, ddf_edit.c, ddf_assign.c, ddf_add.c, ddf_create.c, ddf_volume.c, ddf_encode.c */

int ddf_set_view(const struct meta_set *s, struct meta_view **ret, struct err *e);
int ddf_copy_view(const struct meta_copy *c, struct meta_view **ret, struct err *e);

int ddf_edit(struct meta_set *s, const struct meta_edit *edit, struct err *e);
void ddf_set_seq(struct meta_set *s, uint64_t seq);
/* Recomputes what follows from slots and disks: Rebuilding, Active_in_VD, VD_State. For the volumes that ref takes part
 * in. */
void ddf_refresh(struct meta_set *s, uint32_t ref);
void ddf_conf_touch(struct ddf_bvd *b); /* sequence number and time of a changed record */
int ddf_find_volume(struct meta_set *s, const char *guid, struct ddf_volume **ret, struct err *e);
int ddf_assign(struct meta_set *s, struct ddf_volume *v, unsigned slot, uint32_t ref, bool whole, struct err *e);
/* What mdmon does to a disk that a volume no longer lists (ddf_update_vlist): without a volume it counts as a global
 * spare again; that it failed overrides that, and Transition tells that nobody needs it any more. Only of disks that
 * are here. */
void ddf_leave(struct meta_set *s, uint32_t ref);
/* The first gap that has room for that many sectors and begins at a multiple of align. -ENOSPC; *largest: what the
 * largest gap has. */
int ddf_find_space(const struct meta_set *s, uint32_t ref, uint64_t need, uint64_t align, uint64_t *start,
		   uint64_t *largest);
/* The place on the disk for that record: one that it has of old, or a free one; NULL: there is none. */
uint8_t *ddf_conf_place(const struct meta_set *s, struct ddf_member *m, const struct ddf_conf *conf);
/* The set's record of the basic volume that c, found on a disk, is about; NULL if none. known: the volume exists. */
const struct ddf_bvd *ddf_bvd_of(const struct meta_set *s, const struct ddf_conf *c, bool *known);
bool ddf_carries(const struct meta_set *s, const struct ddf_bvd *b,
		 uint32_t ref);		   /* it lists that disk; b may be NULL */
void ddf_spare_drop(struct ddf_member *m); /* its spare assignment record */
/* The record on the disk, or a free place for it; NULL: there is none. */
struct ddf_spare *ddf_spare_place(struct ddf_member *m);
/* ddf_stand.c */
int ddf_spare_mark(struct ddf_member *m, unsigned type, struct err *e); /* bits of its spare assignment */
void ddf_spare_idle(struct ddf_member *m);				/* it has no slot any more, or none yet */
void ddf_spare_serves(struct ddf_member *m); /* it takes a slot: a revertible one stays what it is */
int ddf_stand_in(struct meta_set *s, const struct meta_edit *edit, struct err *e);
int ddf_spare_again(struct meta_set *s, const struct meta_edit *edit, struct err *e);
void ddf_member_touch(struct ddf_member *m, const void *p, size_t n);
int ddf_new_guid(char ret[META_GUID_MAX], struct err *e);
void ddf_guid_of(uint64_t hash, int64_t wall, char ret[META_GUID_MAX]);
int ddf_create_set(const char *guid, uint64_t disk_sectors, unsigned sector_size, const char *serial,
		   struct meta_set **ret, char ref[META_REF_MAX], struct err *e);
int ddf_create_volume(struct meta_set *s, const struct meta_create *create, struct err *e);
int ddf_delete_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e);
int ddf_rename_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e);
int ddf_grow_volume(struct meta_set *s, const struct meta_edit *edit, struct err *e); /* ddf_grow.c */
/* Sectors that no volume uses, right behind the extent that begins there. */
uint64_t ddf_room_behind(const struct meta_set *s, uint32_t ref, uint64_t start);
/* add_disk with a disk to take the places from. */
int ddf_add_like(struct meta_set *s, const struct ddf_member *like, uint64_t disk_sectors, const char *serial,
		 char ref[META_REF_MAX], struct err *e);
int ddf_add_disk(struct meta_set *s, uint64_t disk_sectors, unsigned sector_size, const char *serial,
		 char ref[META_REF_MAX], struct err *e);

int ddf_encode(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e);
int ddf_erase(const struct meta_set *s, const char *ref, struct meta_writes *ret, struct err *e);
