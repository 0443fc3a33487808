// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks in memory for the tests of DDF: their ends, as mdadm left them (tests/golden/meta), and mdadm's opinion of
 * them. */
#pragma once

#include "actions/meta/ddf.h"

enum { TEST_DISKS_MAX = 8 };

struct test_disk {
	uint64_t sectors; /* of the disk */
	uint64_t first;	  /* the first one that is kept; the others read as zero and take no write */
	unsigned sector_size;
	uint8_t *bytes;
	struct meta_reader reader;
	char ref[META_REF_MAX];
};

struct test_set {
	char name[32];
	struct test_disk disk[TEST_DISKS_MAX];
	size_t n;
};

/* Loads a case of tests/golden/meta with all its disks; "NAME:4096": laid out for disks with blocks of that size,
 * "NAME:little": in the other byte order, "NAME:usual": with the other CRCs; several of them. Ends the test when it
 * cannot. */
void test_set_load(struct test_set *s, const char *name);
void test_set_free(struct test_set *s);
void test_set_to_4kn(struct test_set *s); /* ddf_4kn.c */
/* Rewrites all disks (ddf_dialects.c). */
void test_set_dialect(struct test_set *s, bool little, bool usual_crc);
/* A blank disk more, with blocks as the others; its number. */
size_t test_disk_add(struct test_set *s, uint64_t sectors);
void test_disk_copy(struct test_disk *to, const struct test_disk *from);
void test_disk_free(struct test_disk *d);
uint8_t *test_sector(struct test_disk *d, uint64_t sector);
void test_write(struct test_disk *d, const struct meta_write *w);

/* Parses the disks whose bit is not in without, and joins them. Ends the test when it cannot. */
struct meta_set *test_join(struct test_set *s, unsigned without);
/* Encodes and writes to every disk of the set that is here. */
void test_commit(struct test_set *s, const struct meta_set *set);
/* Applies the edit or ends the test. */
void test_edit(struct meta_set *set, struct meta_edit edit);

/* A view as text, one line a volume, member and disk. Freed by the caller. */
char *test_view_text(const struct meta_view *v);
char *test_set_text(const struct meta_set *set);
/* The same of one disk alone; "-EBADMSG: ..." when it cannot be parsed. */
char *test_disk_text(const struct test_disk *d);

/* mdadm -E of the disk as a sparse file, without the file's name; NULL when there is no mdadm (which is said once). */
char *test_mdadm(const struct test_disk *d);
/* The -E line of a physical disk ("active/Online, Rebuilding"), or "" when it is not listed. */
void test_mdadm_disk(const char *text, const char *ref, char *ret, size_t size);
