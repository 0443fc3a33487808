// SPDX-License-Identifier: GPL-2.0-or-later
/* Unit tests of rules as read from *.test.yaml: worlds, events, expectations (rules-language 8). Decoding only: "from"
 * is merged, ranges and repetitions are written out, facts are typed; who runs them is not known here. Everything
 * belongs to the file. */
#pragma once

#include "config/tree.h"
#include "core/fact.h"

struct test_fact {
	enum fact_id id;
	struct value v;
	struct place at;
};

struct test_facts {
	struct test_fact *f;
	size_t n;
};

struct test_words {
	const char **w;
	size_t n;
};

struct test_device {
	const char *name;
	struct test_facts facts; /* device.*, and full names such as spare.state and path.map */
	struct place at;
};

struct test_array {
	const char *name;
	const char *level, *format; /* format: "ddf" unless given; level NULL: not given */
	struct test_words members;  /* device names by slot; "-" or "" for an empty slot */
	struct test_words spares;
	struct test_facts facts;
	struct place at;
};

struct test_snapshot {
	const char *name;
	struct test_facts facts;
	struct place at;
};

struct test_world {
	const char *name; /* "" for a world written in a test */
	bool boot;
	struct test_device *devices;
	size_t n_devices;
	struct test_array *arrays;
	size_t n_arrays;
	struct test_snapshot *snapshots;
	size_t n_snapshots;
	struct place at;
};

/* What the inventory learns about one subject. */
struct test_set {
	enum subject_sort sort; /* SORT_DEVICE, SORT_ARRAY, SORT_MEMBER, SORT_SNAPSHOT */
	const char *name;	/* of the device, array or snapshot */
	int slot;		/* SORT_MEMBER, else -1 */
	struct test_facts facts;
};

enum test_entry_kind {
	TEST_EVENT,
	TEST_SET,
	TEST_SUSPEND,
	TEST_RESTART,
	TEST_RELOAD,
	TEST_CLOCK,
	TEST_APPROVE,
	TEST_DENY
};

struct test_entry {
	enum test_entry_kind what;
	int64_t at;			       /* virtual ns since 0s */
	const char *kind;		       /* TEST_EVENT; one entry a device: lists are written out */
	const char *device, *array, *snapshot; /* names; NULL if none */
	int slot;			       /* "slot: N" beside array, else -1 */
	int count;			       /* event.count, 1 unless given */
	enum origin origin;
	struct test_facts facts; /* TEST_EVENT: the event's own, and device.* that the inventory learns */
	struct test_set *sets;	 /* TEST_SET */
	size_t n_sets;
	int64_t duration;	 /* TEST_SUSPEND: how long; TEST_CLOCK: how far the wall clock jumps, may be negative */
	struct test_words files; /* TEST_RELOAD */
	const char *rule;	 /* TEST_APPROVE, TEST_DENY */
	struct place place;
};

enum test_result { TEST_FAILED, TEST_REFUSED };

struct test_outcome {
	const char *action;
	const char *device, *array; /* NULL: any */
	enum test_result result;
	int times;     /* 0: always */
	int64_t after; /* ns until the result is known */
	struct place place;
};

enum test_expect_kind { EXPECT_FIRED, EXPECT_CLEARED, EXPECT_LIMITED, EXPECT_SHADOW, EXPECT_ASKED, EXPECT_WITHDRAWN };

struct test_expect {
	int64_t at;
	const char *rule;
	enum test_expect_kind what;
	struct test_facts with;
	bool has_plan;
	struct test_words plan; /* printed steps */
	const char *text;	/* of its notify; NULL: not compared */
	int times;		/* 1 unless given */
	struct place place;
};

struct test_why {
	int64_t at;
	const char *rule;
	const char *device, *array; /* one of them */
	const char *says;
	struct place place;
};

struct test_case {
	const char *name;
	struct test_world *world;
	struct test_words load;	    /* empty: the default set */
	struct test_words only;	    /* empty: all loaded */
	int64_t wall;		    /* ns since 1970 UTC at 0s */
	struct test_entry *entries; /* sorted by time, equal times in the file's order */
	size_t n_entries;
	struct test_outcome *outcomes;
	size_t n_outcomes;
	int64_t until;		     /* the test's end */
	struct test_expect *expects; /* in the file's order */
	size_t n_expects;
	struct test_why *whys;
	size_t n_whys;
	struct place place;
};

struct test_file {
	struct tree tree;
	struct arena arena;
	struct test_case *tests;
	size_t n;
};

/* 0, or -EINVAL with every problem in d. *ret is released by test_file_finish in both cases. */
int test_file_parse(struct test_file *ret, const char *file, const char *text, size_t len, struct diag *d);
int test_file_read(struct test_file *ret, const char *path, struct diag *d);
void test_file_finish(struct test_file *t);
/* The fact's value, unknown if it is not listed. */
struct value test_facts_get(const struct test_facts *f, enum fact_id id);
