// SPDX-License-Identifier: GPL-2.0-or-later
/* Views as JSON, what several views say together, and what is true of levels. */
#include "tests/unit/unit.h"

#include "actions/meta/meta.h"

#include <errno.h>

enum { MEMBERS = 4 };
static const char *const refs[] = {"aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee"};

/* A RAID6 of four and a spare, as disk self says it. */
static struct meta_view *view(const char *self, uint64_t seq)
{
	struct meta_view *v = calloc(1, sizeof(*v));

	v->format = "ddf";
	v->seq = seq;
	snprintf(v->set, sizeof(v->set), "00ff");
	snprintf(v->maker, sizeof(v->maker), "Linux-MD");
	snprintf(v->self, sizeof(v->self), "%s", self);
	v->disks = calloc(ARRAY_SIZE(refs), sizeof(*v->disks));
	v->volumes = calloc(1, sizeof(*v->volumes));
	v->n_disks = ARRAY_SIZE(refs);
	v->n_volumes = 1;
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		snprintf(v->disks[i].ref, sizeof(v->disks[i].ref), "%s", refs[i]);
		v->disks[i].sectors = 32768;
		v->disks[i].spare = i == MEMBERS;
	}
	v->volumes[0] = (struct meta_volume){
		.guid = "01",
		.name = "v6",
		.level = RAID6,
		.layout = 10,
		.chunk = 128,
		.slots = MEMBERS,
		.sectors = 16384,
		.member_sectors = 8192,
		.clean = true,
		.initialised = true,
		.seq = 7,
		.known = true,
	};
	for (unsigned i = 0; i < MEMBERS; i++) {
		snprintf(v->volumes[0].members[i].ref, sizeof(v->volumes[0].members[i].ref), "%s", refs[i]);
		v->volumes[0].members[i].known = true;
	}
	v->room_start = 100;
	v->room_sectors = 200;
	return v;
}

static void lose(struct meta_view *v, unsigned i, bool failed)
{
	v->disks[i].failed = failed;
	v->disks[i].missing = !failed;
	v->volumes[0].members[i].state = failed ? MEMBER_FAILED : MEMBER_MISSING;
}

static void json(void **state _unused_)
{
	struct meta_view *v = view("aaaaaaaa", 9), *back = NULL;
	struct err e;
	json_t *j, *k;

	v->disks[4].dedicated = true;
	v->disks[4].n_dedicated = 1;
	snprintf(v->disks[4].dedicated_to[0], sizeof(v->disks[4].dedicated_to[0]), "01");
	lose(v, 2, true);
	j = meta_view_to_json(v);
	assert_int_equal(meta_view_from_json(j, &back, &e), 0);
	k = meta_view_to_json(back);
	assert_true(json_equal(j, k));
	assert_int_equal(back->volumes[0].members[2].state, MEMBER_FAILED);
	assert_true(meta_view_disk(back, "cccccccc")->failed && !meta_view_disk(back, "none"));
	assert_true(meta_view_volume(back, "01") == &back->volumes[0] && !meta_view_volume(back, "02"));
	json_decref(k);
	meta_view_free(back);
	json_decref(j);
	meta_view_free(v);
}

/* Each takes one thing of a good view and spoils it. */
static const struct {
	const char *path; /* of lists and objects, "/"-separated; the last is the key */
	const char *json; /* NULL: taken away */
	const char *want;
} spoilt[] = {
	{"seq", "-1", "'seq' is missing or wrong"},
	{"seq", "\"9\"", "'seq' is missing or wrong"},
	{"set", NULL, "'set' is missing or wrong"},
	{"more", "1", "a key that is not known"},
	{"format", "\"imsm\"", "'format' is missing or wrong"},
	{"maker", "\"0123456789012345678901234567\"", "'maker' is missing or wrong"},
	{"disks", "{}", "'disks' is not a list of at most 256"},
	{"disks/0/ref", "\"01234567890123456789\"", "'ref' is missing or wrong"},
	{"disks/0/failed", "0", "'failed' is missing or wrong"},
	{"disks/0/dedicated_to", "[1]", "'dedicated_to' is wrong"},
	{"disks/0/dedicated_to", "[\"1\",\"1\",\"1\",\"1\",\"1\"]", "'dedicated_to' is not a list of at most 4"},
	{"disks/0/x", "1", "a key that is not known, beside 'ref'"},
	{"volumes/0/level", "\"raid7\"", "'level' is missing or wrong"},
	{"volumes/0/chunk", "4294967296", "'chunk' is missing or wrong"},
	{"volumes/0/members/1/state", "\"stale\"", "'state' is missing or wrong"},
	{"volumes/0/members/1/state", "\"\"", "'state' is missing or wrong"},
	{"volumes/0/members/1", "7", "is no object"},
};

static void json_spoilt(void **state _unused_)
{
	for_rows (i, spoilt) {
		struct meta_view *v = view("aaaaaaaa", 9), *back = NULL;
		json_t *j = meta_view_to_json(v), *at = j;
		json_t *value = spoilt[i].json ? json_loads(spoilt[i].json, JSON_DECODE_ANY, NULL) : NULL;
		char path[64], *rest = path, *key;
		struct err e = {0};

		snprintf(path, sizeof(path), "%s", spoilt[i].path);
		while ((key = strsep(&rest, "/")) && rest)
			at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
		if (!value)
			json_object_del(at, key);
		else if (json_is_array(at))
			json_array_set_new(at, strtoul(key, NULL, 10), value);
		else
			json_object_set_new(at, key, value);
		assert_int_equal(meta_view_from_json(j, &back, &e), -EBADMSG);
		if (!strstr(e.msg, spoilt[i].want))
			assert_string_equal(e.msg, spoilt[i].want);
		json_decref(j);
		meta_view_free(v);
	}
}

static void together(void **state _unused_)
{
	struct meta_view *v[5], *m = NULL;
	enum meta_standing standing[5];
	struct err e;
	bool split;

	/* c was pulled while the others went on; the spare e knows no volume's record */
	for (size_t i = 0; i < 5; i++) {
		v[i] = view(refs[i], i == 2 ? 9 : 12);
		if (i != 2)
			lose(v[i], 2, true);
	}
	v[4]->volumes[0].known = false;
	v[4]->volumes[0].slots = 0;
	v[4]->volumes[0].level = RAID_UNSUPPORTED;
	assert_int_equal(meta_view_merge((const struct meta_view *const[]){v[4], v[2], v[0], v[1], v[3]}, 5, &m,
					 standing, &split, &e),
			 0);
	assert_false(split);
	assert_int_equal(standing[1], META_STALE);
	assert_int_equal(standing[0], META_CURRENT);
	assert_int_equal(m->seq, 12);
	assert_int_equal(m->volumes[0].level, RAID6);
	assert_int_equal(m->volumes[0].members[2].state, MEMBER_FAILED);
	assert_string_equal(m->self, "");
	assert_int_equal(m->room_sectors, 0);
	meta_view_free(m);

	/* only the spare and the stale member are here: the old record, with what is known today of its disks */
	assert_int_equal(meta_view_merge((const struct meta_view *const[]){v[2], v[4]}, 2, &m, standing, &split, &e),
			 0);
	assert_int_equal(m->volumes[0].members[2].state, MEMBER_FAILED);
	assert_int_equal(m->volumes[0].members[0].state, MEMBER_IN_SYNC);
	meta_view_free(m);

	assert_int_equal(meta_view_merge((const struct meta_view *const[]){v[2], v[2]}, 2, &m, standing, &split, &e),
			 -EBADMSG);
	snprintf(v[1]->set, sizeof(v[1]->set), "other");
	assert_int_equal(meta_view_merge((const struct meta_view *const *)v, 2, &m, standing, &split, &e), -EINVAL);
	for (size_t i = 0; i < 5; i++)
		meta_view_free(v[i]);
}

/* a and b went on without c and d, and they without a and b. seq_cd: of c and d; a and b are at 12. */
static void halves_of(uint64_t seq_cd)
{
	struct meta_view *v[5], *m = NULL;
	enum meta_standing standing[5];
	struct err e;
	bool split, ab = seq_cd <= 12;

	for (unsigned i = 0; i < 5; i++) {
		v[i] = view(refs[i], i == 2 || i == 3 ? seq_cd : 12);
		lose(v[i], i == 2 || i == 3 ? 0 : 2, true);
		lose(v[i], i == 2 || i == 3 ? 1 : 3, false);
	}
	assert_int_equal(meta_view_merge((const struct meta_view *const *)v, 5, &m, standing, &split, &e), 0);
	assert_true(split);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(standing[i], (i < 2) == ab ? META_CURRENT : META_SPLIT);
	assert_int_equal(m->volumes[0].members[0].state, ab ? MEMBER_IN_SYNC : MEMBER_FAILED);
	assert_int_equal(m->volumes[0].members[3].state, ab ? MEMBER_MISSING : MEMBER_IN_SYNC);
	meta_view_free(m);
	for (size_t i = 0; i < 5; i++)
		meta_view_free(v[i]);
}

static void halves(void **state _unused_)
{
	static const uint64_t seqs[] = {10, 12, 14};

	for_rows (i, seqs)
		halves_of(seqs[i]);
}

/* d left while a was failed; a was repaired since, with b and c: d is behind, but went nowhere on its own. */
static void old_failure(void **state _unused_)
{
	struct meta_view *v[4], *m = NULL;
	enum meta_standing standing[4];
	struct err e;
	bool split;

	for (unsigned i = 0; i < 4; i++) {
		v[i] = view(refs[i], i == 3 ? 9 : 12);
		lose(v[i], i == 3 ? 0 : 3, true);
	}
	assert_int_equal(meta_view_merge((const struct meta_view *const *)v, 4, &m, standing, &split, &e), 0);
	assert_false(split);
	assert_int_equal(standing[3], META_STALE);
	meta_view_free(m);
	for (size_t i = 0; i < 4; i++)
		meta_view_free(v[i]);
}

/* RAID10: each disk names its own pair. */
static void pairs(void **state _unused_)
{
	struct meta_view *v[4], *m = NULL;
	enum meta_standing standing[4];
	struct err e;
	bool split;

	for (unsigned i = 0; i < 4; i++) {
		struct meta_volume *u;

		v[i] = view(refs[i], 12);
		u = &v[i]->volumes[0];
		u->level = RAID10;
		u->layout = 0x102;
		for (unsigned k = 0; k < 4; k++)
			if (k / 2 != i / 2)
				u->members[k] = (struct meta_member){.state = MEMBER_MISSING};
	}
	assert_int_equal(meta_view_merge((const struct meta_view *const *)v, 4, &m, standing, &split, &e), 0);
	for (unsigned k = 0; k < 4; k++) {
		assert_string_equal(m->volumes[0].members[k].ref, refs[k]);
		assert_int_equal(m->volumes[0].members[k].state, MEMBER_IN_SYNC);
	}
	meta_view_free(m);
	assert_int_equal(meta_view_merge((const struct meta_view *const *)v, 2, &m, standing, &split, &e), 0);
	assert_true(!m->volumes[0].members[2].known);
	assert_int_equal(m->volumes[0].members[2].state, MEMBER_MISSING);
	meta_view_free(m);
	for (size_t i = 0; i < 4; i++)
		meta_view_free(v[i]);
}

static void levels(void **state _unused_)
{
	const bool all[] = {true, true, true, true}, one[] = {true, false, true, true},
		   two[] = {true, false, false, true}, pair[] = {false, false, true, true},
		   three[] = {false, false, false, true}, none[4] = {0}, apart[] = {false, true, false, true, true},
		   ends[] = {false, true, true, true, false}, side[] = {true, false, false, true, true};

	assert_string_equal(raid_level_name(RAID10), "raid10");
	assert_null(raid_level_name(RAID_UNSUPPORTED));
	assert_true(raid_runnable(RAID0, all, 4) && !raid_runnable(RAID0, one, 4));
	assert_true(raid_runnable(RAID1, three, 4) && !raid_runnable(RAID1, none, 4));
	assert_true(raid_runnable(RAID5, one, 4) && !raid_runnable(RAID5, two, 4));
	assert_true(raid_runnable(RAID6, two, 4) && !raid_runnable(RAID6, three, 4));
	assert_true(raid_runnable(RAID10, two, 4) && !raid_runnable(RAID10, pair, 4));
	/* An odd number: neighbours hold the same, the last and the first, too. */
	assert_true(raid_runnable(RAID10, all, 3) && raid_runnable(RAID10, one, 3) && !raid_runnable(RAID10, two, 3));
	assert_true(raid_runnable(RAID10, apart, 5) && !raid_runnable(RAID10, ends, 5) &&
		    !raid_runnable(RAID10, side, 5));
	assert_true(raid_runnable(RAID4, one, 4) && !raid_runnable(RAID4, two, 4));
	assert_true(!raid_runnable(RAID_UNSUPPORTED, all, 4) && !raid_runnable(RAID1, all, 0));
	assert_true(raid_mirrored(RAID1, two, 4) && !raid_mirrored(RAID1, three, 4) && !raid_mirrored(RAID5, all, 4));
	assert_true(raid_mirrored(RAID10, one, 4) && raid_mirrored(RAID10, pair, 4) && !raid_mirrored(RAID10, two, 4));
	assert_true(raid_mirrored(RAID10, one, 3) && !raid_mirrored(RAID10, three, 3));
	assert_true(raid_mirrored(RAID10, side, 5) && raid_mirrored(RAID10, apart, 5) &&
		    !raid_mirrored(RAID10, none, 4));
	assert_int_equal(raid_redundancy(RAID1, 3), 2);
	for (enum raid_level l = RAID0; l < RAID_LEVELS; l++) {
		char want[8];

		snprintf(want, sizeof(want), "raid%d", raid_level_number(l));
		assert_string_equal(raid_level_name(l), want);
	}
	assert_int_equal(raid_level_number(RAID_UNSUPPORTED), -1);
	assert_int_equal(raid_redundancy(RAID4, 5), 1);
	assert_int_equal(raid_redundancy(RAID6, 5), 2);
	assert_int_equal(raid_redundancy(RAID10, 4), 1);
	assert_int_equal(raid_redundancy(RAID0, 4), 0);
}

static void doubted(void **state _unused_)
{
	static const struct {
		enum raid_level level;
		const char *states; /* a letter each, as in member_words */
		bool doubt;
	} cases[] = {
		{RAID5, "rrr", true},	{RAID5, "frr", true},	 {RAID5, "irr", false},	  {RAID5, "ffr", false},
		{RAID1, "rr", true},	{RAID1, "rf", false},	 {RAID6, "frrr", true},	  {RAID6, "ffrr", false},
		{RAID10, "rrrr", true}, {RAID10, "ffrr", false}, {RAID10, "irrr", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum member_state states[4];
		unsigned n = (unsigned)strlen(cases[i].states);

		for (unsigned k = 0; k < n; k++)
			states[k] = cases[i].states[k] == 'i'	? MEMBER_IN_SYNC
				    : cases[i].states[k] == 'f' ? MEMBER_FAILED
								: MEMBER_REBUILDING;
		assert_int_equal(raid_doubted(cases[i].level, states, n), cases[i].doubt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(doubted), unit(json),	  unit(json_spoilt), unit(together),
		unit(halves),  unit(old_failure), unit(pairs),	     unit(levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
