// SPDX-License-Identifier: GPL-2.0-or-later
/* What mdadm leaves that is not what it seems: a record that is not on a member's disk, and arrays of which it does not
 * say which member is behind. */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static const struct ddf_volume *volume(const struct meta_set *set, const char *name)
{
	for (size_t i = 0; i < set->n_volumes; i++)
		if (strncmp(ddf_vd(set, &set->volumes[i])->name, name, 16) == 0)
			return &set->volumes[i];
	fail_msg("no volume %s", name);
	return NULL;
}

static void member(struct meta_set *set, const char *name, unsigned slot, enum member_state state)
{
	struct meta_edit e = {.op = META_SET_MEMBER, .slot = slot, .state = state};

	ddf_guid_text(ddf_vd(set, volume(set, name))->guid, e.volume);
	test_edit(set, e);
}

static void clean(struct meta_set *set, const char *name, bool clean)
{
	struct meta_edit e = {.op = META_SET_CLEAN, .clean = clean};

	ddf_guid_text(ddf_vd(set, volume(set, name))->guid, e.volume);
	test_edit(set, e);
}

/* States by slot, a letter each: "isr" in-sync, failed, rebuilding. */
static void states_are(const struct meta_set *set, const char *name, const char *want)
{
	struct meta_view *v = NULL;
	char got[META_SLOTS_MAX + 1] = "";
	struct err e;

	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	for (size_t i = 0; i < v->n_volumes; i++)
		for (unsigned k = 0; strcmp(v->volumes[i].name, name) == 0 && k < v->volumes[i].slots; k++)
			got[k] = member_words[v->volumes[i].members[k].state][0];
	meta_view_free(v);
	assert_string_equal(got, want);
}

static uint8_t vd_state(const struct meta_set *set, const char *name)
{
	return ddf_vd(set, volume(set, name))->state & DDF_VD_STATE_MASK;
}

/* Writes it and reads it back. */
static void commit(struct test_set *s, struct meta_set **set)
{
	meta_ddf.set_seq(*set, (*set)->seq + 1U);
	test_commit(s, *set);
	meta_ddf.set_free(*set);
	*set = test_join(s, 0);
}

/* The second pair's record is on one of its disks only. Whatever is written next gives it to the other one, so that the
 * array is known without the first. */
static void record_given_back(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	char *text;

	test_set_load(&s, "raid10-rebuilt");
	set = test_join(&s, 0);
	states_are(set, "v10", "irii");
	meta_ddf.set_free(set);
	text = test_disk_text(&s.disk[2]);
	assert_null(strstr(text, "slot 3"));
	free(text);
	set = test_join(&s, 1 << 1);
	states_are(set, "v10", "irmm"); /* disk 2 alone has it */
	meta_ddf.set_free(set);

	set = test_join(&s, 0);
	clean(set, "v10", false);
	commit(&s, &set);
	states_are(set, "v10", "irii");
	meta_ddf.set_free(set);
	set = test_join(&s, 1 << 1);
	states_are(set, "v10", "irii"); /* its tables: who is here is another matter */
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* mdadm rebuilds them in either order. */
static void which(const struct meta_set *set, const char **whole, const char **other)
{
	bool a = vd_state(set, "a") == DDF_VD_OPTIMAL;

	*whole = a ? "a" : "b";
	*other = a ? "b" : "a";
}

/* Degraded, and each disk Online: any of them could be the spare. None is read, until a person says which one it is. */
static void which_is_behind(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	const char *whole, *other;

	test_set_load(&s, "two-behind");
	set = test_join(&s, 0);
	which(set, &whole, &other);
	states_are(set, whole, "iii");
	states_are(set, other, "rrr");
	assert_int_equal(vd_state(set, other), DDF_VD_DEGRADED);

	/* What is done to the other one leaves that as it is, and no disk is called Rebuilding for it. */
	clean(set, whole, false);
	member(set, whole, 0, MEMBER_REBUILDING);
	member(set, whole, 0, MEMBER_IN_SYNC);
	commit(&s, &set);
	states_are(set, whole, "iii");
	states_are(set, other, "rrr");
	assert_int_equal(vd_state(set, whole), DDF_VD_OPTIMAL);

	member(set, other, 1, MEMBER_FAILED);
	states_are(set, other, "ifi");
	assert_int_equal(vd_state(set, other), DDF_VD_DEGRADED);
	commit(&s, &set);
	states_are(set, whole, "ifi");
	states_are(set, other, "ifi");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A disk fails in the other array: that one need not be the one that is behind. */
static void not_by_chance(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	const char *whole, *other;

	test_set_load(&s, "two-behind");
	set = test_join(&s, 0);
	which(set, &whole, &other);
	member(set, whole, 2, MEMBER_FAILED);
	states_are(set, whole, "iif");
	states_are(set, other, "rrf");
	commit(&s, &set);
	states_are(set, other, "rrf");
	assert_int_equal(vd_state(set, other), DDF_VD_FAILED);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(record_given_back),
		unit(which_is_behind),
		unit(not_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
