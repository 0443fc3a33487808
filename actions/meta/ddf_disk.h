// SPDX-License-Identifier: GPL-2.0-or-later
/* SNIA Common RAID Disk Data Format on disk. Sections are those of the Technical Position, revision 1.2 and 2.0 (they
 * number alike where nothing else is said): numbers are big-endian, unused bytes 0xFF. LBAs and lengths are in logical
 * blocks of the disk, and what takes a block (headers, controller data, physical disk data) takes a whole one, its CRC
 * too (2.0, 5.3 and 5.5; FreeBSD's md_ddf.c does the same). The structs below are what such a block begins with. */
#pragma once

#include "actions/meta/endian.h"

#include <assert.h>
#include <stddef.h>

enum { DDF_SECTOR = 512, DDF_GUID_LEN = 24 };

/* Signatures, section 5 and the sections of the records. */
enum {
	DDF_HEADER_MAGIC = (int)0xDE11DE11,
	DDF_BACKWARDS = 0x11DE11DE, /* of a header in the other byte order */
	DDF_CONTROLLER_MAGIC = (int)0xAD111111,
	DDF_PD_MAGIC = 0x22222222,
	DDF_DATA_MAGIC = 0x33333333,
	DDF_VD_MAGIC = (int)0xDDDDDDDD,
	DDF_CONF_MAGIC = (int)0xEEEEEEEE,
	DDF_SPARE_MAGIC = 0x55555555,
};

#define DDF_NO_LBA UINT64_MAX
#define DDF_NO_REF UINT32_MAX

/* What all records begin with. The CRC is taken with its own four bytes as 0xFF. */
struct ddf_record {
	be32 magic;
	be32 crc;
};

/* 5.5 DDF header. One in the disk's last block (anchor), one at the start of each copy. */
enum { DDF_ANCHOR, DDF_PRIMARY, DDF_SECONDARY };
enum { DDF_CLOSED = 0x00, DDF_OPEN = 0x01, DDF_ANCHOR_OPEN = 0xFF };

/* Offsets are relative to the copy's header; a section that does not exist has offset 0xFFFFFFFF and length 0. */
struct ddf_span_be {
	be32 offset;
	be32 length;
};

enum ddf_section { /* in the header's order */
		   DDF_SEC_CONTROLLER,
		   DDF_SEC_PD,
		   DDF_SEC_VD,
		   DDF_SEC_CONFIG,
		   DDF_SEC_DATA,
		   DDF_SEC_BBM,
		   DDF_SEC_DIAG,
		   DDF_SEC_VENDOR,
		   DDF_SECTIONS,
		   DDF_SECTIONS_NEEDED = DDF_SEC_BBM, /* the ones before it every disk has */
};

struct ddf_header {
	be32 magic;
	be32 crc;
	char guid[DDF_GUID_LEN]; /* of the container */
	char revision[8];	 /* "01.02.00" */
	be32 seq;
	be32 timestamp; /* seconds since 1980 */
	uint8_t open_flag;
	uint8_t foreign_flag;
	uint8_t grouping;
	uint8_t filler1[45];
	be64 primary_lba;
	be64 secondary_lba;
	uint8_t type;
	uint8_t filler2[3];
	be32 workspace_length;
	be64 workspace_lba;
	be16 max_pd_entries;
	be16 max_vd_entries;
	be16 max_partitions; /* VD configuration records a disk may hold */
	be16 config_record_length;
	be16 max_primary_elements;
	uint8_t filler3[54];
	struct ddf_span_be section[DDF_SECTIONS];
	uint8_t filler4[256];
};
static_assert(sizeof(struct ddf_header) == 512, "DDF header");
static_assert(offsetof(struct ddf_header, seq) == 40, "DDF header");
static_assert(offsetof(struct ddf_header, primary_lba) == 96, "DDF header");
static_assert(offsetof(struct ddf_header, type) == 112, "DDF header");
static_assert(offsetof(struct ddf_header, workspace_lba) == 120, "DDF header");
static_assert(offsetof(struct ddf_header, section) == 192, "DDF header");
static_assert(offsetof(struct ddf_header, filler4) == 256, "DDF header");

/* 5.6 Controller data. Only its CRC matters here. */
struct ddf_controller {
	be32 magic;
	be32 crc;
	char guid[DDF_GUID_LEN];
	uint8_t rest[480];
};
static_assert(sizeof(struct ddf_controller) == 512, "controller data");

/* 5.7 Physical disk records. */
struct ddf_pd_entry {
	char guid[DDF_GUID_LEN];
	be32 ref; /* PD_Reference */
	be16 type;
	be16 state;
	be64 size; /* Configured_Size: blocks that volumes may use, from LBA 0 */
	char path[18];
	uint8_t filler[6];
};
static_assert(sizeof(struct ddf_pd_entry) == 64, "physical disk entry");
static_assert(offsetof(struct ddf_pd_entry, size) == 32, "physical disk entry");

struct ddf_pd_table {
	be32 magic;
	be32 crc;
	be16 used;
	be16 max;
	uint8_t filler[52];
	struct ddf_pd_entry entry[];
};
static_assert(sizeof(struct ddf_pd_table) == 64, "physical disk records");

enum { /* PD_Type */
       DDF_PD_FORCED_GUID = 0x01,
       DDF_PD_ACTIVE = 0x02, /* takes part in a volume */
       DDF_PD_GLOBAL_SPARE = 0x04,
       DDF_PD_SPARE = 0x08, /* by a spare assignment record */
       DDF_PD_FOREIGN = 0x10,
       DDF_PD_LEGACY = 0x20,
};
enum { /* PD_State */
       DDF_PD_ONLINE = 0x01,
       DDF_PD_FAILED = 0x02,
       DDF_PD_REBUILDING = 0x04,
       DDF_PD_TRANSITION = 0x08,
       DDF_PD_PREDICTED = 0x10,
       DDF_PD_READ_ERRORS = 0x20,
       DDF_PD_MISSING = 0x40,
};

/* 5.8 Virtual disk records. */
struct ddf_vd_entry {
	char guid[DDF_GUID_LEN];
	be16 number;
	uint8_t filler1[2];
	be16 controller_crc;
	be16 type;
	uint8_t state;
	uint8_t init_state;
	uint8_t filler2[14];
	char name[16];
};
static_assert(sizeof(struct ddf_vd_entry) == 64, "virtual disk entry");
static_assert(offsetof(struct ddf_vd_entry, state) == 32, "virtual disk entry");
static_assert(offsetof(struct ddf_vd_entry, name) == 48, "virtual disk entry");

struct ddf_vd_table {
	be32 magic;
	be32 crc;
	be16 used;
	be16 max;
	uint8_t filler[52];
	struct ddf_vd_entry entry[];
};
static_assert(sizeof(struct ddf_vd_table) == 64, "virtual disk records");

enum { /* VD_State: three bits, and flags */
       DDF_VD_OPTIMAL,
       DDF_VD_DEGRADED,
       DDF_VD_DELETED,
       DDF_VD_MISSING,
       DDF_VD_FAILED,
       DDF_VD_PARTIALLY_OPTIMAL,
       DDF_VD_STATE_MASK = 0x07,
       DDF_VD_MORPHING = 0x08,
       DDF_VD_NOT_CONSISTENT = 0x10,
};
enum { DDF_VD_NOT_INIT, DDF_VD_QUICK_INIT, DDF_VD_FULL_INIT, DDF_VD_INIT_MASK = 0x03 }; /* Init_State */

/* 5.9.1 Virtual disk configuration record: one basic volume (BVD). After it, at its end: max_primary_elements PD
 * references, then as many 64-bit start LBAs. */
struct ddf_conf {
	be32 magic;
	be32 crc;
	char guid[DDF_GUID_LEN]; /* of the virtual disk */
	be32 timestamp;
	be32 seq;
	uint8_t filler1[24];
	be16 primary_elements;
	uint8_t stripe_size; /* exponent: 2^n blocks; 0xFF: none */
	uint8_t level;	     /* Primary_RAID_Level */
	uint8_t qualifier;   /* RAID_Level_Qualifier */
	uint8_t secondary_elements;
	uint8_t secondary_seq;
	uint8_t secondary_level;
	be64 blocks;	 /* of each element */
	be64 vd_blocks;	 /* of the whole virtual disk */
	be16 block_size; /* revision 2.0, bytes; 0xFFFF before */
	uint8_t filler2[6];
	be32 spares[8];
	uint8_t cache[8];
	uint8_t bg_rate;
	uint8_t filler3[247];
	uint8_t reserved[96];
	uint8_t vendor[32]; /* Vendor_Specific scratch space */
	be32 ref[];
};
static_assert(sizeof(struct ddf_conf) == 512, "virtual disk configuration");
static_assert(offsetof(struct ddf_conf, primary_elements) == 64, "virtual disk configuration");
static_assert(offsetof(struct ddf_conf, blocks) == 72, "virtual disk configuration");
static_assert(offsetof(struct ddf_conf, spares) == 96, "virtual disk configuration");
static_assert(offsetof(struct ddf_conf, vendor) == 480, "virtual disk configuration");

/* Primary RAID levels and their qualifiers, section 4.2. */
enum {
	DDF_RAID0 = 0x00,
	DDF_RAID1 = 0x01,
	DDF_RAID3 = 0x03,
	DDF_RAID4 = 0x04,
	DDF_RAID5 = 0x05,
	DDF_RAID6 = 0x06,
	DDF_JBOD = 0x0F,
	DDF_RAID1E = 0x11,
	DDF_RAID5E = 0x15,
	DDF_CONCAT = 0x1F,
	DDF_RAID5EE = 0x25,
};
enum {
	DDF_RAID0_SIMPLE = 0,
	DDF_RAID1_SIMPLE = 0, /* two elements */
	DDF_RAID1_MULTI = 1,  /* three */
	DDF_RAID1E_ADJACENT = 0,
	DDF_RAID4_N = 1, /* parity on the last element */
	DDF_RAID5_0_RESTART = 0,
	DDF_RAID6_0_RESTART = 1,
	DDF_N_RESTART = 2,
	DDF_N_CONTINUE = 3,
};
/* Secondary RAID levels, section 4.3. */
enum { DDF_STRIPED, DDF_MIRRORED, DDF_CONCATENATED, DDF_SPANNED, DDF_NO_SECONDARY = 0xFF };

/* 5.9.3 Spare assignment record. */
struct ddf_spare_entry {
	char guid[DDF_GUID_LEN]; /* of the virtual disk */
	be16 secondary;
	uint8_t filler[6];
};
static_assert(sizeof(struct ddf_spare_entry) == 32, "spare assignment entry");

struct ddf_spare {
	be32 magic;
	be32 crc;
	be32 timestamp;
	uint8_t filler1[7];
	uint8_t type;
	be16 used;
	be16 max;
	uint8_t filler2[8];
	struct ddf_spare_entry entry[];
};
static_assert(sizeof(struct ddf_spare) == 32, "spare assignment record");

enum { DDF_SPARE_DEDICATED = 0x01, DDF_SPARE_REVERTIBLE = 0x02, DDF_SPARE_ACTIVE = 0x04, DDF_SPARE_AFFINITY = 0x08 };

/* 5.10 Physical disk data: who this disk is. */
struct ddf_data {
	be32 magic;
	be32 crc;
	char guid[DDF_GUID_LEN];
	be32 ref;
	uint8_t forced_ref;
	uint8_t forced_guid;
	uint8_t scratch[32];
	uint8_t filler[442];
};
static_assert(sizeof(struct ddf_data) == 512, "physical disk data");
