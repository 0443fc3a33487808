// SPDX-License-Identifier: GPL-2.0-or-later
/* The model: devices that outlive their names, sets joined from what disks say, facts, differences, save and restore.
 */
#include "core/clock.h"
#include "pipeline/inventory_impl.h"
#include "pipeline/model.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

static const char *everything[] = {"*"};

struct fixture {
	struct settings settings;
	struct inventory *inv;
	struct model *model;
};

static void begin(struct fixture *f, enum raid_level level)
{
	static const char *members[] = {"a", "b", "c", "d"}, *spares[] = {"x"};
	struct model_array a = {.name = "data",
				.set = "set",
				.level = level,
				.members = members,
				.n_members = 4,
				.spares = spares,
				.n_spares = 1,
				.running = true};

	settings_init(&f->settings);
	f->settings.manage = everything;
	f->settings.n_manage = 1;
	assert_int_equal(inventory_new(&f->settings, &f->inv), 0);
	assert_int_equal(model_new(&f->model), 0);
	for (const char *const *id = (const char *const[]){"a", "b", "c", "d", "x", "y", NULL}; *id; id++)
		model_disk(f->model, *id, UINT64_C(4) << 30);
	assert_int_equal(model_array(f->model, &a, NULL), 0);
}

static void finish(struct fixture *f)
{
	inventory_free(f->inv);
	model_free(f->model);
	settings_finish(&f->settings);
}

static bool add(struct fixture *f, const char *id, const char *name, int diskseq)
{
	struct event *ev = event_new("device.added", "test", ORIGIN_KERNEL);
	bool probe, news;
	json_t *answer;
	const char *set;
	char node[32];

	snprintf(node, sizeof(node), "/dev/%s", name);
	ev->device = strdup(id);
	ev->extra = json_pack("{s:s s:i s:i s:i}", "node", node, "major", 8, "minor", name[2], "diskseq", diskseq);
	event_set(ev, FACT_DEVICE_NAME, value_str(name));
	event_set(ev, FACT_DEVICE_SIZE, value_size(UINT64_C(4) << 30));
	inventory_event(f->inv, ev, &probe, &news);
	event_free(ev);
	model_present(f->model, id, true);
	if (probe) {
		answer = model_probe(f->model, id);
		inventory_probed(f->inv, id, answer, NULL, &set);
		json_decref(answer);
	}
	return news;
}

/* A path of the map that is known as another device: its disk is read as that one. */
static void add_path(struct fixture *f, const char *id, const char *kind, bool marked, const char *map)
{
	struct event *ev = event_new(kind, "test", ORIGIN_KERNEL);
	json_t *answer = model_probe(f->model, map);
	const char *set;
	bool probe, news;

	ev->device = strdup(id);
	ev->extra = json_pack("{s:s s:i s:i s:i s:s}", "node", "/dev/sdp", "major", 8, "minor", 999, "diskseq", 7,
			      "fs-type", marked ? "mpath_member" : "ddf_raid_member");
	event_set(ev, FACT_DEVICE_NAME, value_str("sdp"));
	inventory_event(f->inv, ev, &probe, &news);
	event_free(ev);
	if (probe)
		inventory_probed(f->inv, id, answer, NULL, &set);
	json_decref(answer);
}

static bool take_away(struct fixture *f, const char *id, const char *node)
{
	struct event *ev = event_new("device.removed", "test", ORIGIN_KERNEL);
	bool news;

	ev->device = strdup(id);
	if (node)
		ev->extra = json_pack("{s:s}", "node", node);
	inventory_event(f->inv, ev, NULL, &news);
	event_free(ev);
	if (news)
		model_present(f->model, id, false);
	return news;
}

/* Act does what the plan says, and tells. */
static void act(struct fixture *f, const struct step *steps, size_t n)
{
	struct plan *p = calloc(1, sizeof(*p));
	struct err e = {0};
	unsigned changed;
	json_t *state;

	snprintf(p->set, sizeof(p->set), "set");
	snprintf(p->volume, sizeof(p->volume), "data");
	inventory_plan_devices(f->inv, p);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(model_step(f->model, p, &steps[i], &e), 0);
	state = model_state(f->model, "set");
	assert_int_equal(inventory_state(f->inv, state, p, NS_PER_SEC, &changed, &e), 0);
	json_decref(state);
	plan_free(p);
}

static void add_all(struct fixture *f)
{
	for (const char *const *id = (const char *const[]){"a", "b", "c", "d", "x", NULL}; *id; id++) {
		char name[8];

		snprintf(name, sizeof(name), "sd%s", *id);
		add(f, *id, name, 1);
	}
	act(f, NULL, 0);
}

static struct value fact(const struct fixture *f, enum subject_sort sort, const char *id, enum fact_id fact)
{
	static struct facts facts;

	memset(&facts, 0, sizeof(facts));
	assert_true(inventory_world_ops.bind(f->inv, sort, id, &facts));
	return facts.v[fact];
}

static struct buf told;

static void tell(void *u, struct event *ev)
{
	(void)u;
	buf_addf(&told, "%s%s%s%s", told.len ? ", " : "", ev->kind, ev->device ? " " : "",
		 ev->device ? ev->device : "");
	event_free(ev);
}

static const char *differences(struct fixture *f)
{
	buf_clear(&told);
	inventory_differences(f->inv, 2 * NS_PER_SEC, false, tell, NULL);
	return buf_str(&told);
}

static void test_names(void **state _unused_)
{
	struct fixture f;

	begin(&f, RAID5);
	assert_true(add(&f, "a", "sda", 1));
	assert_true(!add(&f, "a", "sda", 1)); /* told twice */
	assert_true(add(&f, "a", "sdq", 2));  /* listed again under another name, before the removal is told */
	assert_true(!take_away(&f, "a", "/dev/sda"));
	assert_true(inventory_device(f.inv, "a")->present);
	assert_true(inventory_find_device(f.inv, "/dev/sdq") == inventory_device(f.inv, "a"));
	assert_true(!inventory_find_device(f.inv, "sda"));
	assert_true(inventory_device_by_number(f.inv, 8, 'q', 0) == inventory_device(f.inv, "a"));
	/* An error of the disk that had this number before is not this disk's. */
	assert_true(inventory_device_by_number(f.inv, 8, 'q', inventory_device(f.inv, "a")->diskseq) ==
		    inventory_device(f.inv, "a"));
	assert_true(!inventory_device_by_number(f.inv, 8, 'q', inventory_device(f.inv, "a")->diskseq + 1));
	assert_true(take_away(&f, "a", "/dev/sdq"));
	assert_true(!take_away(&f, "a", "/dev/sdq"));
	assert_true(!inventory_device_by_number(f.inv, 8, 'q', 0));
	finish(&f);
}

static void test_facts(void **state _unused_)
{
	struct fixture f;

	begin(&f, RAID6);
	add_all(&f);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_STATE).i, ARRAY_OPTIMAL);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_REDUNDANCY).i, 2);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 1);
	assert_int_equal(fact(&f, SORT_DEVICE, "x", FACT_DEVICE_ROLE).i, ROLE_SPARE);
	assert_int_equal(fact(&f, SORT_SPARE, "x", FACT_SPARE_FITS).i, 1);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_IN_SYNC);
	assert_string_equal(fact(&f, SORT_MEMBER, "data/1", FACT_DEVICE_ID).str, "b");
	assert_string_equal(differences(&f), "spare.added x");
	take_away(&f, "b", NULL);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_MISSING);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_STATE).i, ARRAY_DEGRADED);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_PRESENT).i, 3);
	assert_true(strset_has(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_MISSING_SLOTS).set, "1"));
	assert_true(!fact(&f, SORT_ARRAY, "data", FACT_ARRAY_COMPLETE).b);
	assert_true(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_STARTABLE).b);
	assert_string_equal(differences(&f), "array.degraded");
	take_away(&f, "x", NULL);
	assert_int_equal(fact(&f, SORT_SPARE, "x", FACT_SPARE_STATE).i, SPARE_LOST);
	assert_string_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARE_REASON).str, "sdx is lost");
	assert_string_equal(differences(&f), "spare.lost x");
	take_away(&f, "c", NULL);
	take_away(&f, "d", NULL);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_REDUNDANCY).i, -1);
	assert_string_equal(differences(&f), "array.failed");
	finish(&f);
}

static void test_return(void **state _unused_)
{
	const struct step record = {.op = STEP_RECORD, .slot = -1},
			  readd = {.op = STEP_READD_MEMBER, .slot = 1, .device = "b"};
	struct fixture f;

	begin(&f, RAID5);
	add_all(&f);
	differences(&f);
	take_away(&f, "b", NULL);
	act(&f, &record, 1);
	add(&f, "b", "sdb", 2);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_STALE);
	act(&f, NULL, 0); /* a plan that it has no part in does not make it current */
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_STALE);
	act(&f, &readd, 1);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_REBUILDING);
	assert_true(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_REBUILDING).b);
	assert_string_equal(differences(&f), "array.degraded, array.resync-started");
	model_rebuilt(f.model, "data");
	act(&f, NULL, 0);
	assert_string_equal(differences(&f), "array.optimal, array.resync-finished");
	finish(&f);
}

/* An old copy that is here alone is old all the same. */
static void test_old_copy(void **state _unused_)
{
	const struct step record = {.op = STEP_RECORD, .slot = -1};
	struct fixture f;

	begin(&f, RAID1);
	add_all(&f);
	take_away(&f, "b", NULL);
	act(&f, &record, 1);
	for (const char *const *id = (const char *const[]){"a", "c", "d", "x", NULL}; *id; id++)
		take_away(&f, *id, NULL);
	add(&f, "b", "sdb", 2);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_STALE);
	assert_true(!fact(&f, SORT_ARRAY, "data", FACT_ARRAY_STARTABLE).b);
	finish(&f);
}

/* A spare that was read before act wrote to it: while that probe is under way its answer counts no more; and when act
 * brings up to date who was behind, it says so. */
static void test_read_amid(void **state _unused_)
{
	const struct step record = {.op = STEP_RECORD, .slot = -1};
	struct plan *p = calloc(1, sizeof(*p));
	struct fixture f;
	struct err e = {0};
	unsigned changed;
	json_t *before, *state_of;
	const char *set;

	begin(&f, RAID5);
	add_all(&f);
	before = model_probe(f.model, "x");
	inventory_probing(f.inv, "x", true);
	take_away(&f, "b", NULL);
	act(&f, &record, 1);
	inventory_probed(f.inv, "x", before, NULL, &set);
	set_refresh(f.inv, "set");
	assert_int_equal(inventory_device(f.inv, "x")->standing, META_CURRENT);

	inventory_probed(f.inv, "x", before, NULL, &set);
	set_refresh(f.inv, "set");
	assert_int_equal(inventory_device(f.inv, "x")->standing, META_STALE);
	act(&f, NULL, 0);
	assert_int_equal(inventory_device(f.inv, "x")->standing, META_STALE);
	snprintf(p->set, sizeof(p->set), "set");
	inventory_plan_devices(f.inv, p);
	state_of = model_state(f.model, "set");
	json_object_set_new(state_of, "current", json_pack("[s s]", "a", "x"));
	assert_int_equal(inventory_state(f.inv, state_of, p, NS_PER_SEC, &changed, &e), 0);
	assert_int_equal(inventory_device(f.inv, "x")->standing, META_CURRENT);
	json_decref(state_of);
	json_decref(before);
	plan_free(p);
	finish(&f);
}

/* The disk's copy says that it went on without the other. */
static void went_on_alone(struct fixture *f, const char *id, const char *other, int seq)
{
	json_t *answer = model_probe(f->model, id), *view = json_object_get(answer, "view"), *disk;
	const char *set;
	size_t i;

	json_object_set_new(view, "seq", json_integer(seq));
	json_array_foreach(json_object_get(view, "disks"), i,
			   disk) if (strcmp(json_string_value(json_object_get(disk, "ref")), other) == 0)
		json_object_set_new(disk, "failed", json_true());
	inventory_probed(f->inv, id, answer, NULL, &set);
	json_decref(answer);
}

/* Which of two halves a person wipes is the person's choice, whatever their numbers. */
static void test_half_wiped(void **state _unused_)
{
	for (int older_wiped = 0; older_wiped < 2; older_wiped++) {
		const char *wiped = older_wiped ? "a" : "b", *set;
		struct fixture f;
		json_t *blank;

		begin(&f, RAID1);
		add(&f, "a", "sda", 1);
		add(&f, "b", "sdb", 1);
		went_on_alone(&f, "a", "b", 50);
		went_on_alone(&f, "b", "a", 80);
		assert_true(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPLIT).b);
		blank = json_pack("{s:s s:n s:n}", "contents", "blank", "contents-name", "view");
		inventory_probed(f.inv, wiped, blank, NULL, &set);
		json_decref(blank);
		assert_true(!fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPLIT).b);
		assert_int_equal(fact(&f, SORT_MEMBER, older_wiped ? "data/1" : "data/0", FACT_MEMBER_STATE).i,
				 MEMBER_IN_SYNC);
		finish(&f);
	}
}

/* A disk that was taken out of its set, and whose own metadata do not say so, can be given again. */
static void test_forgotten(void **state _unused_)
{
	const struct step remove = {.op = STEP_REMOVE_SPARE, .slot = -1, .device = "x"};
	struct world_array w;
	struct fixture f;
	const char *set;
	json_t *answer;

	begin(&f, RAID5);
	add_all(&f);
	answer = model_probe(f.model, "x");
	act(&f, &remove, 1);
	inventory_probed(f.inv, "x", answer, NULL, &set);
	json_decref(answer);
	assert_int_equal(inventory_draw(f.inv, "data", &w), 0);
	assert_int_equal(w.n_spares, 1);
	assert_true(w.spare[0].former && !w.spare[0].of_set && !w.spare[0].serves);
	finish(&f);
}

static void test_swap(void **state _unused_)
{
	const struct step steps[] = {{.op = STEP_FAIL_MEMBER, .slot = 2, .device = "c"},
				     {.op = STEP_ACTIVATE_SPARE, .slot = 2, .device = "x"}};
	struct fixture f;
	struct world_array w;

	begin(&f, RAID10);
	add_all(&f);
	differences(&f);
	assert_true(fact(&f, SORT_MEMBER, "data/2", FACT_MEMBER_EXPENDABLE).b);
	act(&f, steps, 2);
	assert_string_equal(differences(&f),
			    "array.member-failed c, spare.activated x, array.degraded, array.resync-started");
	assert_true(!fact(&f, SORT_MEMBER, "data/3", FACT_MEMBER_EXPENDABLE).b); /* its mirror is not in sync yet */
	assert_true(fact(&f, SORT_MEMBER, "data/0", FACT_MEMBER_EXPENDABLE).b);
	assert_int_equal(fact(&f, SORT_DEVICE, "c", FACT_DEVICE_ROLE).i, ROLE_NONE);
	assert_int_equal(inventory_draw(f.inv, "data", &w), 0);
	assert_int_equal(w.n_spares, 1); /* c: a person may give it again */
	assert_true(w.spare[0].former && !w.spare[0].of_set && !w.spare[0].serves);
	assert_true(w.rebuilding && w.room && w.managed);
	finish(&f);
}

static void test_spare_size(void **state _unused_)
{
	struct fixture f;
	struct value v = value_size(UINT64_C(4) << 30);

	begin(&f, RAID5);
	model_disk(f.model, "z", (UINT64_C(4) << 30) - 4096);
	model_spare(f.model, "set", "z");
	add_all(&f);
	add(&f, "z", "sdz", 1);
	assert_int_equal(inventory_tell(f.inv, SORT_DEVICE, "z", FACT_DEVICE_SIZE, v), SORT_ALL);
	assert_int_equal(fact(&f, SORT_SPARE, "z", FACT_SPARE_FITS).i, 0);
	assert_string_equal(fact(&f, SORT_SPARE, "z", FACT_SPARE_UNFIT_REASON).str, "sdz is 4.1kB too small");
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 1);
	finish(&f);
}

/* A blank disk of a pool: what the format will keep for itself is not free. */
static void test_pool_size(void **state _unused_)
{
	static const char *shelf[] = {"shelf"}, *data[] = {"data"};
	struct setting_group tags = {.pattern = "y", .words = shelf, .n = 1};
	struct setting_group pool = {.pattern = "shelf", .words = data, .n = 1};
	struct event *ev = event_new("device.changed", "test", ORIGIN_KERNEL);
	struct fixture f;

	begin(&f, RAID5);
	f.settings.device_tags = &tags;
	f.settings.pools = &pool;
	f.settings.n_device_tags = f.settings.n_pools = 1;
	add_all(&f);
	add(&f, "y", "sdy", 1);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 2);
	ev->device = strdup("y");
	event_set(ev, FACT_DEVICE_SIZE, value_size((UINT64_C(4) << 30) - 4096));
	inventory_event(f.inv, ev, NULL, NULL);
	event_free(ev);
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 1);
	assert_string_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARE_REASON).str, "sdy is 4.1kB too small");
	f.settings.device_tags = f.settings.pools = NULL;
	f.settings.n_device_tags = f.settings.n_pools = 0;
	finish(&f);
}

static void test_told(void **state _unused_)
{
	struct fixture f;

	begin(&f, RAID5);
	add_all(&f);
	inventory_tell(f.inv, SORT_ARRAY, "data", FACT_ARRAY_SPARES, value_int(0));
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 0);
	inventory_tell(f.inv, SORT_ARRAY, "data", FACT_ARRAY_SPARES, value_int(7));
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 7);
	take_away(&f, "x", NULL); /* the model changes its mind: what was told is over */
	assert_int_equal(fact(&f, SORT_ARRAY, "data", FACT_ARRAY_SPARES).i, 0);
	finish(&f);
}

static void test_unmanaged(void **state _unused_)
{
	struct fixture f;
	struct facts facts = {0};

	begin(&f, RAID5);
	f.settings.n_manage = 0;
	inventory_settings(f.inv, &f.settings);
	add_all(&f);
	assert_true(!inventory_world_ops.bind(f.inv, SORT_ARRAY, "data", &facts));
	assert_int_equal(fact(&f, SORT_DEVICE, "a", FACT_DEVICE_ROLE).i, ROLE_NONE);
	assert_string_equal(differences(&f), "");
	f.settings.n_manage = 1;
	inventory_settings(f.inv, &f.settings);
	assert_int_equal(fact(&f, SORT_DEVICE, "a", FACT_DEVICE_ROLE).i, ROLE_MEMBER);
	finish(&f);
}

static int names_of(void *u, const char *id)
{
	buf_addf(u, "%s ", id);
	return 0;
}

static void test_keep(void **state _unused_)
{
	_cleanup_(buf_free) struct buf ids = {0};
	struct inventory *again = NULL, *copy;
	struct fixture f;
	json_t *j;

	begin(&f, RAID5);
	add_all(&f);
	inventory_maintenance(f.inv, "b", NULL, true, 0);
	take_away(&f, "b", NULL);
	copy = inventory_clone(f.inv);
	assert_non_null(copy);
	assert_int_equal(inventory_world_ops.each(copy, SORT_MEMBER, names_of, &ids), 0);
	assert_string_equal(buf_str(&ids), "data/0 data/1 data/2 data/3 ");
	assert_int_equal(array_member_state(copy, inventory_array(copy, "data"), 1), MEMBER_MISSING);
	assert_true(inventory_array(copy, "data")->running);
	inventory_free(copy);
	j = inventory_save(f.inv);
	assert_int_equal(inventory_new(&f.settings, &again), 0);
	assert_int_equal(inventory_restore(again, j, 0, NULL), 0);
	assert_int_equal(inventory_devices(again), 5);
	assert_true(inventory_device(again, "a")->was_present && !inventory_device(again, "a")->present);
	assert_true(!inventory_device(again, "b")->was_present && inventory_device(again, "b")->maintenance);
	json_decref(j);
	/* what its disks say makes the array known again, the absent one's name included */
	inventory_free(f.inv);
	f.inv = again;
	assert_true(!add(&f, "a", "sda", 1));
	assert_string_equal(array_slot_device(f.inv, inventory_array(f.inv, "data"), 1)->name, "sdb");
	finish(&f);
}

static void did(struct fixture *f, enum step_op op, int64_t at)
{
	struct step step = {.op = op, .device = "b"};

	inventory_time(f->inv, at);
	inventory_did(f->inv, "data", &step, at);
}

/* What was done and undone is known after a restart, as old as it is by then; whatever a damaged state says. */
static void test_undone(void **state _unused_)
{
	static const struct {
		int64_t away;
		unsigned n;
	} rows[] = {{0, 3}, {20 * 60 * NS_PER_SEC, 3}, {50 * 60 * NS_PER_SEC, 1}, {60 * 60 * NS_PER_SEC, 0}};
	struct inventory *again, *copy;
	struct fixture f;
	enum step_op last;
	json_t *j, *done;

	begin(&f, RAID5);
	did(&f, STEP_FAIL_MEMBER, 1 * 60 * NS_PER_SEC);
	did(&f, STEP_READD_MEMBER, 2 * 60 * NS_PER_SEC);
	did(&f, STEP_FAIL_MEMBER, 15 * 60 * NS_PER_SEC);
	did(&f, STEP_READD_MEMBER, 16 * 60 * NS_PER_SEC);
	copy = inventory_clone(f.inv);
	assert_int_equal(inventory_undone(copy, "data", "b", &last), 3);
	inventory_free(copy);
	j = inventory_save(f.inv);
	done = json_object_get(j, "done");
	assert_int_equal(json_array_size(done), 4);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		again = NULL;
		assert_int_equal(inventory_new(&f.settings, &again), 0);
		inventory_time(again, 5 * NS_PER_SEC); /* a boot later */
		assert_int_equal(inventory_restore(again, j, rows[i].away, NULL), 0);
		assert_int_equal(inventory_undone(again, "data", "b", &last), rows[i].n);
		assert_int_equal(inventory_undone(again, "data", "a", &last), 0);
		inventory_free(again);
	}
	for (int i = 0; i < 1000; i++)
		json_array_append_new(done,
				      json_pack("{s:s s:s s:s s:I}", "array", "data", "device", "b", "step",
						"fail-member", "age", (json_int_t)(i % 2 ? INT64_MIN : INT64_MAX)));
	assert_int_equal(inventory_new(&f.settings, &again), 0);
	assert_int_equal(inventory_restore(again, j, 0, NULL), 0);
	assert_int_equal(inventory_undone(again, "data", "b", &last), 0);
	inventory_free(again);
	json_object_set_new(json_array_get(done, 0), "step", json_string("jump"));
	assert_int_equal(inventory_new(&f.settings, &again), 0);
	assert_int_equal(inventory_restore(again, j, 0, NULL), -EINVAL);
	inventory_free(again);
	json_decref(j);
	finish(&f);
}

static void test_hostile(void **state _unused_)
{
	struct fixture f;
	const char *set;
	json_t *answer;

	begin(&f, RAID5);
	add_all(&f);
	answer = json_pack("{s:s s:s s:{s:s}}", "contents", "member", "contents-name", "\x1b[2J", "view", "format",
			   "ddf");
	inventory_probed(f.inv, "a", answer, NULL, &set);
	json_decref(answer);
	assert_int_equal(inventory_device(f.inv, "a")->contents, CONTENTS_UNREADABLE);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/0", FACT_MEMBER_STATE).i, MEMBER_MISSING);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/1", FACT_MEMBER_STATE).i, MEMBER_IN_SYNC);
	finish(&f);
}

static int end(void **state _unused_)
{
	buf_free(&told);
	return 0;
}

/* Whether a change of the disk has it read again. */
static bool changed(struct fixture *f, const char *id, const char *node)
{
	struct event *ev = event_new("device.changed", "test", ORIGIN_KERNEL);
	bool probe, news;

	inventory_time(f->inv, NS_PER_SEC); /* the last reading is a while ago */
	ev->device = strdup(id);
	ev->extra = json_pack("{s:s*}", "node", node);
	inventory_event(f->inv, ev, &probe, &news);
	event_free(ev);
	return probe;
}

/* A member of a running array is not read again for each of our own writes; whoever is out of it may have been wiped.
 */
static void test_changed(void **state _unused_)
{
	const struct step fail = {.op = STEP_FAIL_MEMBER, .slot = 1, .device = "b"};
	struct fixture f;

	begin(&f, RAID5);
	add_all(&f);
	assert_true(!changed(&f, "a", NULL) && !changed(&f, "b", NULL));
	act(&f, &fail, 1);
	assert_true(!changed(&f, "a", NULL));
	assert_true(changed(&f, "b", NULL));
	assert_true(changed(&f, "x", NULL));
	model_run_state(f.model, "data", false);
	act(&f, NULL, 0);
	assert_true(changed(&f, "a", NULL));
	finish(&f);
}

/* A disk is back under another name, and only then a change of the old name is told: there is nothing behind it. */
static void test_old_name(void **state _unused_)
{
	struct fixture f;

	begin(&f, RAID5);
	add_all(&f);
	assert_true(take_away(&f, "x", "/dev/sdx"));
	add(&f, "x", "sdq", 2);
	assert_true(changed(&f, "x", "/dev/sdq"));
	assert_false(changed(&f, "x", "/dev/sdx"));
	assert_string_equal(inventory_device(f.inv, "x")->node, "/dev/sdq");
	finish(&f);
}

/* More disks than a picture has room for: the one that is asked about is in it. */
static void test_many(void **state _unused_)
{
	static struct world_array w;
	char id[16], name[16];
	struct fixture f;
	bool seen = false;

	begin(&f, RAID5);
	add_all(&f);
	for (int i = 0; i < WORLD_SPARES_MAX + 20; i++) {
		snprintf(id, sizeof(id), "y%02d", i);
		snprintf(name, sizeof(name), "sdy%02d", i);
		add(&f, id, name, 1);
	}
	assert_int_equal(inventory_draw(f.inv, "data", &w), 0);
	assert_int_equal(w.n_spares, WORLD_SPARES_MAX);
	for (size_t i = 0; i < w.n_spares; i++)
		assert_string_not_equal(w.spare[i].device, id);
	inventory_draw_disk(f.inv, "a", &w);
	inventory_draw_disk(f.inv, "nowhere", &w);
	inventory_draw_disk(f.inv, id, &w);
	assert_int_equal(w.n_spares, WORLD_SPARES_MAX);
	for (size_t i = 0; i < w.n_spares; i++)
		seen |= strcmp(w.spare[i].device, id) == 0;
	assert_true(seen);
	finish(&f);
}

/* Act has made a set of two disks. The one was being read before that: what was read then does not count, and it is
 * read again. */
static void test_made(void **state _unused_)
{
	struct step create = {.op = STEP_CREATE, .slot = -1};
	struct plan *p = calloc(1, sizeof(*p));
	struct fixture f;
	struct err e = {0};
	unsigned changed;
	json_t *state_of, *old;
	const char *set;
	int64_t boot;

	begin(&f, RAID5);
	add_all(&f);
	model_disk(f.model, "z", UINT64_C(4) << 30);
	add(&f, "y", "sdy", 1);
	add(&f, "z", "sdz", 1);
	old = model_probe(f.model, "y");
	inventory_probing(f.inv, "y", true);
	p->create = calloc(1, sizeof(*p->create));
	*p->create = (struct plan_create){.new_set = true, .level = RAID1, .n_slots = 2, .n_disks = 2};
	snprintf(p->create->disk[0].device, DEVICE_ID_MAX, "y");
	snprintf(p->create->disk[1].device, DEVICE_ID_MAX, "z");
	snprintf(p->set, sizeof(p->set), "new");
	snprintf(p->volume, sizeof(p->volume), "born");
	snprintf(p->array_name, sizeof(p->array_name), "born");
	assert_int_equal(inventory_plan_devices(f.inv, p), 0);
	assert_int_equal(p->n_devices, 2);
	assert_int_equal(model_step(f.model, p, &create, &e), 0);
	state_of = model_state(f.model, "new");
	assert_int_equal(inventory_state(f.inv, state_of, p, NS_PER_SEC, &changed, &e), 0);
	json_decref(state_of);
	assert_int_equal(array_member_state(f.inv, inventory_array(f.inv, "born"), 0), MEMBER_IN_SYNC);
	assert_int_equal(array_member_state(f.inv, inventory_array(f.inv, "born"), 1), MEMBER_IN_SYNC);
	assert_string_equal(inventory_device(f.inv, "y")->ref, "y");
	assert_true(inventory_device(f.inv, "y")->view->room_sectors > 0);

	inventory_time(f.inv, 5 * NS_PER_SEC);
	inventory_probed(f.inv, "y", old, NULL, &set);
	json_decref(old);
	assert_string_equal(inventory_device(f.inv, "y")->set, "new");
	assert_int_equal(array_member_state(f.inv, inventory_array(f.inv, "born"), 0), MEMBER_IN_SYNC);
	assert_true(inventory_deadline(f.inv, &boot) && boot == 5 * NS_PER_SEC);
	inventory_forget_set(f.inv, "new");
	assert_null(inventory_array(f.inv, "born"));
	assert_null(inventory_set(f.inv, "new"));
	plan_free(p);
	finish(&f);
}

/* Metadata that are read on a path are the map's. A disk may be known before multipathd says that it is one. */
static void test_paths(void **state _unused_)
{
	struct plan p = {.set = "set"};
	struct fixture f;

	begin(&f, RAID5);
	add_all(&f);
	add_path(&f, "path-1", "device.added", true, "a");
	assert_string_equal(inventory_device(f.inv, "path-1")->set, "");
	add_path(&f, "path-2", "device.added", false, "a");
	assert_string_equal(inventory_device(f.inv, "path-2")->set, "set");
	add_path(&f, "path-2", "device.changed", true, "a");
	assert_string_equal(inventory_device(f.inv, "path-2")->set, "");
	assert_null(inventory_device(f.inv, "path-2")->view);
	inventory_plan_devices(f.inv, &p);
	assert_int_equal(p.n_devices, 5);
	assert_int_equal(fact(&f, SORT_MEMBER, "data/0", FACT_MEMBER_STATE).i, MEMBER_IN_SYNC);
	free(p.devices);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_names),      unit(test_facts),      unit(test_return),    unit(test_old_copy),
		unit(test_swap),       unit(test_spare_size), unit(test_told),	    unit(test_unmanaged),
		unit(test_keep),       unit(test_hostile),    unit(test_pool_size), unit(test_changed),
		unit(test_half_wiped), unit(test_forgotten),  unit(test_old_name),  unit(test_many),
		unit(test_made),       unit(test_undone),     unit(test_paths),	    unit(test_read_amid),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
