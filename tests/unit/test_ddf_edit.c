// SPDX-License-Identifier: GPL-2.0-or-later
/* Edits of sets that mdadm made: what we read afterwards, in memory and from the bytes, and what mdadm -E makes of it.
 */
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

/* The GUID of a volume by its name. */
static const char *guid(const struct meta_set *set, const char *name)
{
	static char ret[META_GUID_MAX];

	ret[0] = 0;
	for (size_t i = 0; i < set->n_volumes; i++)
		if (strncmp(ddf_vd(set, &set->volumes[i])->name, name, 16) == 0)
			ddf_guid_text(ddf_vd(set, &set->volumes[i])->guid, ret);
	return ret;
}

static struct meta_edit member_edit(const struct meta_set *set, const char *name, unsigned slot,
				    enum member_state state)
{
	struct meta_edit e = {.op = META_SET_MEMBER, .slot = slot, .state = state};

	snprintf(e.volume, sizeof(e.volume), "%s", guid(set, name));
	return e;
}

static struct meta_edit disk_edit(const struct meta_set *set, enum meta_edit_op op, const char *name, unsigned slot,
				  const char *ref)
{
	struct meta_edit e = {.op = op, .slot = slot};

	snprintf(e.ref, sizeof(e.ref), "%s", ref);
	snprintf(e.volume, sizeof(e.volume), "%s", name ? guid(set, name) : "");
	return e;
}

/* Numbers the batch, writes it, reads it back: the bytes must say what memory says. Replaces *set by what was read. */
static void commit(struct test_set *s, struct meta_set **set, unsigned without)
{
	char *memory = test_set_text(*set), *disk;

	meta_ddf.set_seq(*set, (*set)->seq + 1U);
	test_commit(s, *set);
	meta_ddf.set_free(*set);
	*set = test_join(s, without);
	disk = test_set_text(*set);
	assert_string_equal(disk, memory);
	free(memory);
	free(disk);
}

static void has(const char *text, const char *want)
{
	if (text && !strstr(text, want))
		fail_msg("'%s' is not in:\n%s", want, text);
}

static void set_has(const struct meta_set *set, const char *want)
{
	char *text = test_set_text(set);

	has(text, want);
	free(text);
}

/* What mdadm -E of disk says of the disk ref, and one more line. */
static void mdadm_has(const struct test_disk *d, const char *ref, const char *want, const char *line)
{
	char *text = test_mdadm(d), got[128];

	if (!text)
		return;
	test_mdadm_disk(text, ref, got, sizeof(got));
	assert_string_equal(got + strspn(got, " "), want);
	if (line)
		has(text, line);
	free(text);
}

static void refused(struct meta_set *set, struct meta_edit edit, int code, const char *why)
{
	struct err e = {0};

	assert_int_equal(meta_ddf.edit(set, &edit, &e), -code);
	has(e.msg, why);
}

/* Fail, spare, rebuild, of a disk that is in two volumes; each volume's rebuild ends on its own. */
static void life_of_two_volumes(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	char ref[META_REF_MAX];
	struct err e;
	size_t n;

	test_set_load(&s, "two-volumes");
	set = test_join(&s, 0);
	test_edit(set, member_edit(set, "r5", 1, MEMBER_FAILED));
	commit(&s, &set, 0);
	set_has(set, "volume r5 raid5 layout 2 chunk 128 sectors 24576 of 8192 each clean initialised\n"
		     "  slot 0 5ef34759 offset 0 in-sync\n"
		     "  slot 1 39b9d79a offset 0 failed\n");
	set_has(set, "  slot 1 39b9d79a offset 8192 failed\n");
	mdadm_has(&s.disk[0], "39b9d79a", "active/Offline, Failed", "state[0] : Degraded, Consistent");
	mdadm_has(&s.disk[0], "5ef34759", "active/Online", "state[1] : Partially Optimal, Consistent");

	n = test_disk_add(&s, 131072);
	assert_int_equal(meta_ddf.add_disk(set, 131072, 512, "SERIAL-7", ref, &e), 0);
	snprintf(s.disk[n].ref, META_REF_MAX, "%s", ref);
	test_edit(set, disk_edit(set, META_ADD_SPARE, NULL, 0, ref));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[n], ref, "Global-Spare/Online", "Redundant hdr : yes");
	mdadm_has(&s.disk[0], ref, "Global-Spare/Online", NULL);

	test_edit(set, disk_edit(set, META_ASSIGN, "r6", 1, ref));
	test_edit(set, disk_edit(set, META_ASSIGN, "r5", 1, ref));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], ref, "active/Online, Rebuilding", "state[0] : Degraded, Consistent");
	mdadm_has(&s.disk[n], ref, "active/Online, Rebuilding", "(1@0K 5@3072K 0@0K 2@0K)");
	mdadm_has(&s.disk[n], "39b9d79a", "Global-Spare/Offline, Failed", "(1@4096K 5@0K 0@4096K 2@4096K 4@0K)");

	test_edit(set, member_edit(set, "r6", 1, MEMBER_IN_SYNC));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], ref, "active/Online, Rebuilding", "state[1] : Optimal, Consistent");
	set_has(set, "offset 6144 rebuilding\n"); /* r5's */

	/* The note tells it even when r6 is not optimal; a header that somebody else wrote makes the note void. */
	test_edit(set, member_edit(set, "r6", 4, MEMBER_FAILED));
	commit(&s, &set, 0);
	assert_int_equal(ddf_slot_state(set, &set->volumes[1], 1), MEMBER_IN_SYNC);
	assert_int_equal(ddf_slot_state(set, &set->volumes[0], 1), MEMBER_REBUILDING);
	set->seq = set->joined_seq + 1;
	ddf_volume_behind(set, &set->volumes[1]);
	assert_int_equal(ddf_slot_state(set, &set->volumes[1], 1), MEMBER_REBUILDING);
	meta_ddf.set_free(set);
	set = test_join(&s, 0);

	test_edit(set, member_edit(set, "r5", 1, MEMBER_IN_SYNC));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], ref, "active/Online", "state[0] : Optimal, Consistent");
	assert_true(ddf_is_blank(ddf_conf(&set->volumes[0].bvd[0])->vendor, 32));
	assert_true(ddf_is_blank(ddf_conf(&set->volumes[1].bvd[0])->vendor, 32));

	refused(set, disk_edit(set, META_DROP_DISK, NULL, 0, ref), EINVAL, "is in use");
	test_edit(set, disk_edit(set, META_DROP_DISK, NULL, 0, "39b9d79a"));
	assert_int_equal(meta_ddf.encode(set, "39b9d79a", &(struct meta_writes){0}, &e), -ENODEV);
	commit(&s, &set, 1U << 3);
	mdadm_has(&s.disk[0], "39b9d79a", "", NULL);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A spare that is whole in one volume takes the failed disk's place in the other one. It is called Rebuilding as a
 * whole: a volume that is degraded otherwise must be able to run without it. */
static void spare_of_a_degraded_volume(void **state _unused_)
{
	for (int six = 0; six < 2; six++) {
		const char *first = six ? "r6" : "r5", *other = six ? "r5" : "r6";
		struct test_set s;
		struct meta_set *set;
		char ref[META_REF_MAX];
		struct err e;
		size_t n;

		test_set_load(&s, "two-volumes");
		set = test_join(&s, 0);
		test_edit(set, member_edit(set, "r5", 1, MEMBER_FAILED));
		n = test_disk_add(&s, 131072);
		assert_int_equal(meta_ddf.add_disk(set, 131072, 512, "SERIAL-7", ref, &e), 0);
		snprintf(s.disk[n].ref, META_REF_MAX, "%s", ref);
		test_edit(set, disk_edit(set, META_ASSIGN, first, 1, ref));
		test_edit(set, member_edit(set, first, 1, MEMBER_IN_SYNC));
		test_edit(set, member_edit(set, first, six ? 4 : 3, MEMBER_FAILED));
		commit(&s, &set, 0);
		if (six) {
			test_edit(set, disk_edit(set, META_ASSIGN, other, 1, ref));
			commit(&s, &set, 0);
			mdadm_has(&s.disk[n], ref, "active/Online, Rebuilding",
				  "state[1] : Partially Optimal, Consistent");
			set_has(set, "offset 0 in-sync\n");
			set_has(set, "offset 6144 rebuilding\n");
		} else {
			refused(set, disk_edit(set, META_ASSIGN, other, 1, ref), EINVAL, "cannot run without it");
		}
		meta_ddf.set_free(set);
		test_set_free(&s);
	}
}

/* Of an -E output, without what differs from one update to the next. */
static void strip(char *text)
{
	char *seq = strstr(text, "            Seq :"), *dev;

	if (seq)
		memset(seq, ' ', strcspn(seq, "\n"));
	while ((dev = strstr(text, "/dev/")))
		memset(dev, ' ', strcspn(dev, " "));
}

/* mdmon recorded the end of a rebuild in the golden images: our edit gives mdadm the same picture. */
static void as_mdmon(void **state _unused_)
{
	struct test_set before, after;
	struct meta_set *set;
	char *got, *want;

	test_set_load(&before, "rebuilding");
	test_set_load(&after, "rebuilt");
	set = test_join(&before, 0);
	test_edit(set, member_edit(set, "v5", 1, MEMBER_IN_SYNC));
	commit(&before, &set, 0);
	for (size_t i = 0; i < before.n; i++) {
		got = test_mdadm(&before.disk[i]);
		want = test_mdadm(&after.disk[i]);
		if (got && want) {
			strip(got);
			strip(want);
			assert_string_equal(got, want);
		}
		free(got);
		free(want);
	}
	meta_ddf.set_free(set);
	test_set_free(&before);
	test_set_free(&after);
}

static void missing_and_back(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	char *text;

	test_set_load(&s, "raid10");
	set = test_join(&s, 0);
	test_edit(set, member_edit(set, "v10", 2, MEMBER_MISSING));
	/* the pulled disk is not here and gets nothing */
	meta_ddf.set_seq(set, set->seq + 1U);
	for (size_t i = 1; i < s.n; i++) {
		struct meta_writes w;
		struct err e;

		assert_int_equal(meta_ddf.encode(set, s.disk[i].ref, &w, &e), 0);
		for (size_t k = 0; k < w.n; k++)
			test_write(&s.disk[i], &w.w[k]);
		meta_writes_free(&w);
	}
	meta_ddf.set_free(set);
	set = test_join(&s, 1);
	set_has(set, "  slot 2 c46ae061 offset 0 missing\n");
	set_has(set, "disk c46ae061 missing sectors");
	mdadm_has(&s.disk[1], "c46ae061", "active/Offline, Missing", "state[0] : Degraded, Consistent");
	refused(set, disk_edit(set, META_ASSIGN, "v10", 2, "c46ae061"), EINVAL, "failed or missing");
	assert_int_equal(meta_ddf.encode(set, "c46ae061", &(struct meta_writes){0}, NULL), -ENODEV);

	/* It is back, stale: rebuilding until said otherwise, and its own copy is brought up to date. */
	meta_ddf.set_free(set);
	set = test_join(&s, 0);
	set_has(set, "  slot 2 c46ae061 offset 0 missing\n");
	test_edit(set, member_edit(set, "v10", 2, MEMBER_REBUILDING));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], "c46ae061", "active/Online, Rebuilding", "state[0] : Degraded, Consistent");
	test_edit(set, member_edit(set, "v10", 2, MEMBER_IN_SYNC));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], "c46ae061", "active/Online", "state[0] : Optimal, Consistent");

	/* One of each pair: degraded. Both of one: failed. */
	test_edit(set, member_edit(set, "v10", 0, MEMBER_FAILED));
	test_edit(set, member_edit(set, "v10", 3, MEMBER_FAILED));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], "bddf26a2", "active/Offline, Failed", "state[0] : Degraded, Consistent");
	test_edit(set, member_edit(set, "v10", 1, MEMBER_FAILED));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], "97a2e8db", "active/Offline, Failed", "state[0] : Failed, Consistent");
	/* A disk that is said to be well again is not in sync for that. */
	text = test_set_text(set);
	free(text);
	struct meta_edit well = disk_edit(set, META_SET_DISK, NULL, 0, "97a2e8db");
	well.state = MEMBER_IN_SYNC;
	test_edit(set, well);
	commit(&s, &set, 0);
	set_has(set, "  slot 1 97a2e8db offset 0 rebuilding\n");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void spares(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	char small[META_REF_MAX];
	struct err e;

	test_set_load(&s, "spare-global");
	set = test_join(&s, 0);
	refused(set, disk_edit(set, META_ADD_SPARE, NULL, 0, "9d57c473"), EINVAL, "is a member");
	test_edit(set, disk_edit(set, META_ADD_SPARE, "v5", 0, "eab721f2"));
	commit(&s, &set, 0);
	set_has(set, "disk eab721f2 spare dedicated sectors 32768 to ");
	mdadm_has(&s.disk[2], "eab721f2", "spare/Online", NULL);
	test_edit(set, disk_edit(set, META_ADD_SPARE, NULL, 0, "eab721f2"));
	commit(&s, &set, 0);
	set_has(set, "disk eab721f2 spare sectors 32768\n");
	test_edit(set, disk_edit(set, META_ADD_SPARE, "v5", 0, "eab721f2"));

	/* fail and spare in one batch */
	refused(set, disk_edit(set, META_ASSIGN, "v5", 1, "eab721f2"), EINVAL, "slot 1 is in-sync");
	test_edit(set, member_edit(set, "v5", 1, MEMBER_FAILED));
	refused(set, disk_edit(set, META_ASSIGN, "v5", 1, "9d57c473"), EINVAL, "is in slot 0");
	assert_int_equal(meta_ddf.add_disk(set, 65536 + 4096, 512, "", small, &e), 0);
	refused(set, disk_edit(set, META_ASSIGN, "v5", 1, small), ENOSPC,
		"is 2048 KiB too small: a member needs 8192 sectors, its largest free extent has 4096");
	test_edit(set, disk_edit(set, META_DROP_DISK, NULL, 0, small));
	test_edit(set, disk_edit(set, META_ASSIGN, "v5", 1, "eab721f2"));
	commit(&s, &set, 0);
	set_has(set, "  slot 1 eab721f2 offset 0 rebuilding\n");
	mdadm_has(&s.disk[2], "eab721f2", "active/Online, Rebuilding", "state[0] : Degraded, Consistent");
	mdadm_has(&s.disk[2], "2bf036ce", "Global-Spare/Offline, Failed", NULL);

	/* the spare dies while it is rebuilt; the next one takes the slot */
	test_edit(set, member_edit(set, "v5", 1, MEMBER_FAILED));
	assert_int_equal(meta_ddf.add_disk(set, 98304, 512, "", small, &e), 0);
	snprintf(s.disk[test_disk_add(&s, 98304)].ref, META_REF_MAX, "%s", small);
	test_edit(set, disk_edit(set, META_ASSIGN, "v5", 1, small));
	commit(&s, &set, 0);
	mdadm_has(&s.disk[4], small, "active/Online, Rebuilding", NULL);
	mdadm_has(&s.disk[4], "eab721f2", "Global-Spare/Offline, Failed", NULL);
	assert_int_equal(meta_ddf.add_disk(set, 65536, 512, "", small, &e), -ENOSPC);
	test_edit(set, member_edit(set, "v5", 0, MEMBER_FAILED));
	refused(set, disk_edit(set, META_ASSIGN, "v5", 0, small), EINVAL, "the volume has failed");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A disk that holds all that the member holds takes its slot: in sync at once, and also where the volume could not be
 * rebuilt without it. */
static void replaced(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	struct meta_edit old;

	test_set_load(&s, "spare-global");
	set = test_join(&s, 0);
	refused(set, disk_edit(set, META_REPLACE, "v5", 1, "9d57c473"), EINVAL, "is in slot 0");
	test_edit(set, member_edit(set, "v5", 0, MEMBER_FAILED));
	test_edit(set, disk_edit(set, META_REPLACE, "v5", 1, "eab721f2"));
	old = disk_edit(set, META_SET_DISK, NULL, 0, "2bf036ce");
	old.state = MEMBER_FAILED;
	test_edit(set, old);
	commit(&s, &set, 0);
	set_has(set, "  slot 1 eab721f2 offset 0 in-sync\n");
	mdadm_has(&s.disk[2], "eab721f2", "active/Online", "state[0] : Degraded, Consistent");
	mdadm_has(&s.disk[2], "2bf036ce", "Global-Spare/Offline, Failed", NULL);
	/* and back: what it was failed for was nothing */
	refused(set, disk_edit(set, META_REPLACE, "v5", 1, "2bf036ce"), EINVAL, "failed or missing");
	old.state = MEMBER_IN_SYNC;
	test_edit(set, old);
	test_edit(set, disk_edit(set, META_REPLACE, "v5", 1, "2bf036ce"));
	commit(&s, &set, 0);
	set_has(set, "  slot 1 2bf036ce offset 0 in-sync\n");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void flags_and_refusals(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	struct meta_edit edit;

	test_set_load(&s, "raid1");
	set = test_join(&s, 0);
	edit = member_edit(set, "v1", 0, MEMBER_IN_SYNC);
	edit.op = META_SET_CLEAN;
	test_edit(set, edit);
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], s.disk[0].ref, "active/Online", "state[0] : Optimal, Not Consistent");
	edit.op = META_SET_INITIALISED;
	test_edit(set, edit);
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], s.disk[0].ref, "active/Online", "init state[0] : Not Initialised");
	edit.clean = true;
	test_edit(set, edit);
	edit.op = META_SET_CLEAN;
	test_edit(set, edit);
	commit(&s, &set, 0);
	mdadm_has(&s.disk[0], s.disk[0].ref, "active/Online", "init state[0] : Fully Initialised");
	refused(set, member_edit(set, "v1", 2, MEMBER_FAILED), EINVAL, "no slot 2");
	refused(set, member_edit(set, "v1", 0, MEMBER_STALE), EINVAL, "cannot be set to 'stale'");
	refused(set, member_edit(set, "none", 0, MEMBER_FAILED), ENOENT, "has no volume");
	refused(set, disk_edit(set, META_SET_DISK, NULL, 0, "12345678"), ENOENT, "has no disk 12345678");
	refused(set, disk_edit(set, META_SET_DISK, NULL, 0, "zz"), EINVAL, "not a disk reference");
	meta_ddf.set_free(set);
	test_set_free(&s);

	test_set_load(&s, "raid1e");
	set = test_join(&s, 0);
	refused(set, member_edit(set, "v1e", 0, MEMBER_FAILED), EINVAL,
		"not supported: its 4096 KiB do not divide into whole chunks over 3 members");
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A copy of a set is changed on its own. */
/* Kept, told, and no reason for mdadm to leave the disk out. */
static void health_noted(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	struct meta_view *v = NULL;
	struct meta_edit note = {.op = META_NOTE_DISK, .ref = "9d57c473", .predicted = true, .read_errors = true};
	struct err e = {0};

	test_set_load(&s, "spare-global");
	set = test_join(&s, 0);
	test_edit(set, note);
	commit(&s, &set, 0);
	mdadm_has(&s.disk[1], "9d57c473", "active/Online, SMART-errors, Unrecovered-Read-Errors", NULL);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_true(meta_view_disk(v, "9d57c473")->predicted && meta_view_disk(v, "9d57c473")->read_errors);
	assert_int_equal(v->volumes[0].members[0].state, MEMBER_IN_SYNC);
	meta_view_free(v);
	note.predicted = note.read_errors = false;
	test_edit(set, note);
	commit(&s, &set, 0);
	mdadm_has(&s.disk[1], "9d57c473", "active/Online", NULL);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* A spare assignment that another tool wrote: its bits are told, and kept when it is edited. */
static void spare_bits(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set;
	struct meta_view *v = NULL;
	struct ddf_spare *rec = NULL;
	struct ddf_member *m;
	struct err e = {0};

	test_set_load(&s, "spare-global");
	set = test_join(&s, 0);
	test_edit(set, disk_edit(set, META_ADD_SPARE, "v5", 0, "eab721f2"));
	m = ddf_member(set, 0xeab721f2);
	for (unsigned i = 0; i < ddf_conf_slots(&m->layout); i++)
		if (ddf_magic(ddf_conf_slot(&m->layout, m->work, i)) == DDF_SPARE_MAGIC)
			rec = (struct ddf_spare *)ddf_conf_slot(&m->layout, m->work, i);
	assert_non_null(rec);
	if (!rec)
		return;
	rec->type |= DDF_SPARE_REVERTIBLE | DDF_SPARE_AFFINITY;
	ddf_seal(rec, (size_t)m->layout.record_sectors * DDF_SECTOR);
	commit(&s, &set, 0);
	test_edit(set, disk_edit(set, META_ADD_SPARE, "v5", 0, "eab721f2"));
	commit(&s, &set, 0);
	assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
	assert_true(meta_view_disk(v, "eab721f2")->revertible && meta_view_disk(v, "eab721f2")->enclosure);
	assert_true(meta_view_disk(v, "eab721f2")->dedicated);
	meta_view_free(v);
	meta_ddf.set_free(set);
	test_set_free(&s);
}

/* What a spare is asked to be, and more of it later: an assignment that is there becomes a dedicated one. */
static void spare_kinds(void **state _unused_)
{
	static const struct {
		const char *volume;
		bool revertible, enclosure;
		const char *mdadm;
	} rows[] = {
		{NULL, true, false, "Global-Spare/Online"},
		{"v5", true, true, "spare/Online"},
		{NULL, false, true, "Global-Spare/Online"},
	};
	struct test_set s;
	struct meta_set *set;

	test_set_load(&s, "spare-global");
	set = test_join(&s, 0);
	for_rows (i, rows) {
		struct meta_edit edit = disk_edit(set, META_ADD_SPARE, rows[i].volume, 0, "eab721f2");
		struct meta_view *v = NULL;
		const struct meta_disk *d;
		struct err e = {0};

		edit.revertible = rows[i].revertible;
		edit.enclosure = rows[i].enclosure;
		test_edit(set, edit);
		commit(&s, &set, 0);
		assert_int_equal(meta_ddf.set_view(set, &v, &e), 0);
		d = meta_view_disk(v, "eab721f2");
		assert_true(d->spare && d->revertible == rows[i].revertible && d->enclosure == rows[i].enclosure);
		assert_int_equal(d->dedicated, rows[i].volume != NULL);
		assert_int_equal(d->n_dedicated, rows[i].volume != NULL);
		mdadm_has(&s.disk[2], "eab721f2", rows[i].mdadm, NULL);
		meta_view_free(v);
	}
	meta_ddf.set_free(set);
	test_set_free(&s);
}

static void clones(void **state _unused_)
{
	struct test_set s;
	struct meta_set *set, *other;
	char *before, *after;

	test_set_load(&s, "raid6-n-continue");
	set = test_join(&s, 0);
	before = test_set_text(set);
	other = meta_ddf.set_clone(set);
	test_edit(other, member_edit(other, "v6", 0, MEMBER_FAILED));
	set_has(other, "failed\n");
	after = test_set_text(set);
	assert_string_equal(after, before);
	free(before);
	free(after);
	meta_ddf.set_free(set);
	commit(&s, &other, 0);
	meta_ddf.set_free(other);
	test_set_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(life_of_two_volumes),
		unit(spare_of_a_degraded_volume),
		unit(as_mdmon),
		unit(missing_and_back),
		unit(spares),
		unit(replaced),
		unit(flags_and_refusals),
		unit(clones),
		unit(health_noted),
		unit(spare_bits),
		unit(spare_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
