// SPDX-License-Identifier: GPL-2.0-or-later
/* Planning and guards on small worlds: what is planned, what is already so, what is refused and why. */
#include "actions/guard.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

static struct world_array world(enum raid_level level, unsigned slots)
{
	struct world_array w = {.id = "abba",
				.name = "data",
				.set = "c0ffee",
				.level = level,
				.n_slots = slots,
				.state = ARRAY_OPTIMAL,
				.member_sectors = 8000,
				.managed = true,
				.room = true,
				.startable = true,
				.complete = true};

	for (unsigned i = 0; i < slots; i++) {
		w.slot[i] = (struct world_slot){
			.state = MEMBER_IN_SYNC, .readable = true, .usable = 8000, .media = MEDIA_HDD};
		snprintf(w.slot[i].device, sizeof(w.slot[i].device), "id-%c", 'a' + (int)i);
		snprintf(w.slot[i].name, sizeof(w.slot[i].name), "sd%c", 'a' + (int)i);
	}
	return w;
}

static struct world_spare *spare(struct world_array *w, const char *name, enum spare_kind kind, uint64_t sectors)
{
	struct world_spare *s = &w->spare[w->n_spares++];

	*s = (struct world_spare){
		.kind = kind, .of_set = true, .serves = true, .free_sectors = sectors, .media = MEDIA_HDD};
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->device, sizeof(s->device), "id-%s", name);
	return s;
}

/* Plans one ask and returns the printed plan. */
static const char *ask(struct world_array *w, enum plan_origin origin, const char *action, const char *device, int slot,
		       const char *params)
{
	static struct buf out;
	static struct plan p;
	struct guard_settings g = {.plans_per_hour = 2};
	json_t *j = json_loads(params ? params : "{}", 0, NULL);
	struct ask a = {.action = action, .params = j, .device = device, .slot = slot};
	struct err e = {0};
	int r;

	p = (struct plan){.origin = origin, .array = "abba", .array_name = "data", .set = "c0ffee"};
	r = plan_ask(&p, &a, w, &g, &e);
	buf_clear(&out);
	if (r < 0)
		buf_addf(&out, "usage: %s", e.msg);
	else
		plan_print(&p, &out);
	json_decref(j);
	return buf_str(&out);
}

static void test_redundancy(void **state _unused_)
{
	static const struct {
		enum raid_level level;
		unsigned slots;
		int out[4];
		size_t n_out;
		int redundancy;
	} rows[] = {
		{RAID0, 2, {0}, 0, 0},	    {RAID1, 2, {0}, 0, 1},    {RAID1, 3, {0}, 1, 1},
		{RAID5, 4, {0}, 0, 1},	    {RAID5, 4, {2}, 1, 0},    {RAID5, 4, {0, 1}, 2, -1},
		{RAID6, 4, {1}, 1, 1},	    {RAID6, 4, {0, 3}, 2, 0}, {RAID6, 4, {0, 1, 2}, 3, -1},
		{RAID10, 4, {0}, 0, 1},	    {RAID10, 4, {0}, 1, 0},   {RAID10, 4, {0, 2}, 2, 0},
		{RAID10, 4, {0, 1}, 2, -1},
	};

	for_rows (i, rows) {
		struct world_array w = world(rows[i].level, rows[i].slots);

		for (size_t k = 0; k < rows[i].n_out; k++)
			w.slot[rows[i].out[k]].state = MEMBER_FAILED;
		assert_int_equal(world_redundancy(&w), rows[i].redundancy);
	}
}

static void test_fail(void **state _unused_)
{
	struct world_array w = world(RAID10, 4);

	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-a", 0, NULL), "fail-member sda from data\n");
	assert_int_equal(w.state, ARRAY_DEGRADED);
	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-a", 0, NULL), "");
	/* the other leg of the same mirror, and a leg of the other one */
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-b", -1, NULL),
			    "refused: fail-member: data (raid10, 3 of 4 members in sync) cannot do without sdb\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "sdc", -1, NULL), "fail-member sdc from data\n");
	w = world(RAID5, 3);
	w.slot[1].state = MEMBER_MISSING;
	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-b", 1, NULL), "fail-member sdb from data\n");
	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-z", 1, NULL),
			    "refused: fail-member: id-z is not a member of data\n");
	w = world(RAID1, 2);
	w.slot[0].readable = false;
	assert_string_equal(
		ask(&w, PLAN_OPERATOR, "fail-member", "id-b", -1, NULL),
		"refused: fail-member: sdb holds a copy that no other of the 1 readable members of data has\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-a", -1, NULL), "fail-member sda from data\n");
}

static void test_spares(void **state _unused_)
{
	struct world_array w = world(RAID6, 4), v;
	struct world_spare *s;

	assert_string_equal(ask(&w, PLAN_RULE, "activate-spare", NULL, -1, NULL), "");
	w.slot[2].state = MEMBER_FAILED;
	assert_string_equal(ask(&w, PLAN_RULE, "activate-spare", NULL, -1, NULL),
			    "refused: activate-spare: no valid spare: none is known\n");
	spare(&w, "small", SPARE_DEDICATED, 7992);
	spare(&w, "gone", SPARE_GLOBAL, 9000)->state = SPARE_LOST;
	spare(&w, "shaky", SPARE_GLOBAL, 9000)->flapping = true;
	spare(&w, "other", SPARE_GLOBAL, 9000)->serves = false;
	assert_string_equal(
		ask(&w, PLAN_RULE, "activate-spare", NULL, -1, NULL),
		"refused: activate-spare: no valid spare: small is 4.1kB too small; gone is lost; shaky is marked "
		"flapping; "
		"other does not serve data\n");
	v = w;
	assert_string_equal(ask(&v, PLAN_OPERATOR, "activate-spare", NULL, -1, "{\"spare\":\"shaky\"}"),
			    "activate-spare shaky for data\n");
	assert_int_equal(v.slot[2].state, MEMBER_REBUILDING);
	spare(&w, "big", SPARE_GLOBAL, 20000);
	spare(&w, "fits", SPARE_GLOBAL, 8000);
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL), "activate-spare fits for data\n");
	spare(&w, "mine", SPARE_DEDICATED, 30000);
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL), "activate-spare mine for data\n");
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, "{\"from\":[\"global\",\"dedicated\"]}"),
			    "activate-spare fits for data\n");
	s = spare(&w, "flash", SPARE_DEDICATED, 8000);
	s->media = MEDIA_SSD;
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL), "activate-spare mine for data\n");
	v = w;
	v.slot[2].media = MEDIA_SSD;
	snprintf(v.slot[2].device, sizeof(v.slot[2].device), "id-c");
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, "{\"same\":[\"media\"]}"),
			    "activate-spare flash for data\n");
	/* a second one takes the next */
	v = w;
	v.slot[0].state = MEMBER_MISSING;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, 0, NULL), "activate-spare mine for data\n");
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, 0, NULL), "activate-spare flash for data\n");
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, 0, NULL), "");
}

/* Of spares of one kind and size: what decides. */
/* Of another set: after its own, before a worse kind; not one that is kept, nor one that another plan is about to use.
 */
static void test_lending(void **state _unused_)
{
	struct world_array w = world(RAID5, 3), v;
	struct world_spare *lent, *own;

	w.slot[1].state = MEMBER_FAILED;
	lent = spare(&w, "lent", SPARE_POOL, 8000);
	lent->of_set = false;
	snprintf(lent->from, sizeof(lent->from), "decaf");
	snprintf(lent->from_name, sizeof(lent->from_name), "vault");
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL),
			    "take-spare lent from vault\nadd-spare lent\nactivate-spare lent for data\n");
	own = spare(&w, "own", SPARE_GLOBAL, 8000);
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL),
			    "take-spare lent from vault\nadd-spare lent\nactivate-spare lent for data\n");
	own->kind = SPARE_POOL;
	v = w;
	assert_string_equal(ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL), "activate-spare own for data\n");
	own->promised = true;
	snprintf(lent->kept, sizeof(lent->kept), "is kept for vault, which is not whole");
	v = w;
	assert_string_equal(
		ask(&v, PLAN_RULE, "activate-spare", NULL, -1, NULL),
		"refused: activate-spare: no valid spare: lent is kept for vault, which is not whole; own is "
		"about to be used by another plan\n");
	own->of_set = false;
	assert_string_equal(ask(&w, PLAN_OPERATOR, "add-spare", "id-own", -1, NULL),
			    "refused: add-spare: own is about to be used by another plan\n");
}

static void test_wiping(void **state _unused_)
{
	struct world_array w = world(RAID5, 3), v;
	struct world_spare *s = spare(&w, "old", SPARE_GLOBAL, 8000);

	v = w;
	assert_string_equal(ask(&v, PLAN_OPERATOR, "remove-spare", "id-old", -1, NULL), "remove-spare old\n");
	v = w;
	assert_string_equal(ask(&v, PLAN_OPERATOR, "remove-spare", "id-old", -1, "{\"wipe\":true}"),
			    "remove-spare old wiped\n");
	/* forgotten already, but it still says whose it was */
	s->of_set = false;
	s->former = true;
	v = w;
	assert_string_equal(ask(&v, PLAN_OPERATOR, "remove-spare", "id-old", -1, NULL), "");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "remove-spare", "id-old", -1, "{\"wipe\":true}"),
			    "remove-spare old wiped\n");
}

static void test_choice(void **state _unused_)
{
	static const struct {
		const char *what, *params;
		struct world_spare first, second; /* beside what spare() sets; the name decides last */
		const char *taken;
		int dedicated; /* 1: the first, 2: the second; the others are global */
	} rows[] = {
		{"nothing", NULL, {.name = ""}, {.name = ""}, "one"},
		{"unproven", NULL, {.unproven = true}, {.name = ""}, "two"},
		{"had errors", NULL, {.erring = true}, {.name = ""}, "two"},
		{"beside what fails", NULL, {.suspect = true}, {.name = ""}, "two"},
		{"two doubts against one", NULL, {.suspect = true, .erring = true}, {.unproven = true}, "two"},
		{"doubts go before kinds", NULL, {.erring = true}, {.name = ""}, "two", 1},
		{"kinds go before likeness", NULL, {.place = "7", .enclosure = "shelf"}, {.name = ""}, "two", 2},
		{"the slot of the old disk", NULL, {.name = ""}, {.place = "7", .enclosure = "shelf"}, "two"},
		{"a slot of that name elsewhere", NULL, {.name = ""}, {.place = "7", .enclosure = "other"}, "one"},
		{"the enclosure", NULL, {.enclosure = "other"}, {.enclosure = "shelf"}, "two"},
		{"the controller is not asked for", NULL, {.controller = "c1"}, {.controller = "c0"}, "one"},
		{"the controller", "{\"prefer\":[\"controller\"]}", {.controller = "c1"}, {.controller = "c0"}, "two"},
		{"the transport", "{\"prefer\":[\"transport\"]}", {.transport = "usb"}, {.transport = "sas"}, "two"},
		{"the tags", "{\"same\":[\"tags\"]}", {.tags = " a "}, {.tags = " a  b "}, "two"},
		{"sectors", "{\"same\":[\"sector-size\"]}", {.sector_size = 4096}, {.sector_size = 512}, "two"},
		{"size", NULL, {.free_sectors = 9000}, {.free_sectors = 8500}, "two"},
	};

	for_rows (i, rows) {
		struct world_array w = world(RAID5, 3);
		char want[64];

		row_name("%s", rows[i].what);
		for (unsigned k = 0; k < 3; k++) {
			struct world_slot *m = &w.slot[k];

			m->sector_size = 512;
			snprintf(m->place, sizeof(m->place), "%u", 6 + k);
			snprintf(m->place_shelf, sizeof(m->place_shelf), "shelf");
			snprintf(m->enclosure, sizeof(m->enclosure), "shelf");
			snprintf(m->controller, sizeof(m->controller), "c0");
			snprintf(m->transport, sizeof(m->transport), "sas");
			snprintf(m->tags, sizeof(m->tags), " a  b ");
		}
		w.slot[1].state = MEMBER_FAILED;
		for (unsigned k = 0; k < 2; k++) {
			const char *name = k ? "two" : "one";
			struct world_spare *s = spare(&w, name, SPARE_GLOBAL, 8000), made = *s;

			*s = k ? rows[i].second : rows[i].first;
			memcpy(s->name, made.name, sizeof(s->name));
			memcpy(s->device, made.device, sizeof(s->device));
			s->of_set = s->serves = true;
			s->kind = rows[i].dedicated == (int)k + 1 ? SPARE_DEDICATED : SPARE_GLOBAL;
			s->free_sectors = s->free_sectors ? s->free_sectors : 8000;
		}
		snprintf(want, sizeof(want), "activate-spare %s for data\n", rows[i].taken);
		assert_string_equal(ask(&w, PLAN_RULE, "activate-spare", NULL, -1, rows[i].params), want);
	}
}

static void test_guards(void **state _unused_)
{
	struct world_array w = world(RAID6, 4);

	w.managed = false;
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-a", -1, NULL),
			    "refused: fail-member: data is not managed: its set c0ffee is not listed under 'manage'\n");
	w = world(RAID6, 4);
	w.maintenance = true;
	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-a", 0, NULL),
			    "refused: fail-member: data is in maintenance\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-a", 0, NULL), "fail-member sda from data\n");
	w = world(RAID6, 4);
	w.plans_last_hour = 2;
	assert_string_equal(ask(&w, PLAN_RULE, "fail-member", "id-a", 0, NULL),
			    "refused: fail-member: rules changed data 2 times within the last hour, 2 are allowed\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-a", 0, NULL), "fail-member sda from data\n");
	w = world(RAID6, 4);
	w.split = true;
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "id-a", 0, NULL),
			    "refused: fail-member: data has two histories: its halves each advanced alone\n");
	w.state = ARRAY_INACTIVE;
	assert_string_equal(
		ask(&w, PLAN_OPERATOR, "assemble", NULL, -1, NULL),
		"refused: assemble: data has two histories: its halves each advanced alone; look at one with --force "
		"--read-only, wipe the disks of the one that is not wanted, and start the other with --degraded\n");
	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, "{\"read-only\":true}"),
			    "assemble data read-only\n");
	assert_int_equal(w.state, ARRAY_READ_ONLY);
	w = world(RAID6, 4);
	w.state = ARRAY_INACTIVE;
	w.stopped_by = STOPPED_OPERATOR;
	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, NULL),
			    "refused: assemble: data was stopped by a person\n");
	w.room = false;
	assert_string_equal(
		ask(&w, PLAN_OPERATOR, "assemble", NULL, -1, NULL),
		"refused: assemble: no room for slices on the members of data (made by a controller: unknown)\n");
}

static void test_starting(void **state _unused_)
{
	struct world_array w = world(RAID6, 4);

	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, NULL), "");
	w.state = ARRAY_INACTIVE;
	w.complete = false;
	w.slot[0].state = MEMBER_MISSING;
	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, NULL),
			    "refused: assemble: 3 of 4 members of data are here and current: it could only run "
			    "degraded (--degraded)\n");
	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, "{\"degraded\":true}"),
			    "assemble data degraded\n");
	assert_int_equal(w.state, ARRAY_DEGRADED);
	w.state = ARRAY_INACTIVE;
	w.startable = false;
	assert_string_equal(ask(&w, PLAN_OPERATOR, "assemble", NULL, -1, "{\"degraded\":true}"),
			    "refused: assemble: only 3 of 4 members of data are here and current: too few to run; "
			    "bring back the others, or let failed ones in with --force, which may lose data\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "assemble", NULL, -1, "{\"force\":true}"),
			    "assemble data by force\n");
	w.state = ARRAY_INACTIVE;
	assert_string_equal(ask(&w, PLAN_RULE, "assemble", NULL, -1, "{\"force\":true}"),
			    "usage: assemble has no parameter 'force'");
}

static void test_members(void **state _unused_)
{
	struct world_array w = world(RAID5, 3);
	struct world_spare *blank, *full;

	assert_string_equal(ask(&w, PLAN_OPERATOR, "remove-member", "id-a", -1, NULL),
			    "refused: remove-member: sda is in-sync in data: fail it first\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "re-add-member", "id-a", -1, NULL), "");
	w.slot[0].state = MEMBER_STALE;
	assert_string_equal(ask(&w, PLAN_RULE, "re-add-member", "id-a", 0, NULL), "re-add-member sda to data\n");
	w.slot[0].state = MEMBER_FAILED;
	assert_string_equal(ask(&w, PLAN_RULE, "re-add-member", "id-a", 0, NULL),
			    "refused: re-add-member: sda is failed; only a person may take it back\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "remove-member", NULL, -1, "{\"slot\":0}"),
			    "remove-member sda from data\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "remove-member", NULL, -1, "{\"slot\":9}"),
			    "refused: remove-member: data has no slot 9, only 0 to 2\n");
	blank = spare(&w, "sdx", SPARE_GLOBAL, 9000);
	blank->of_set = blank->serves = false;
	full = spare(&w, "sdy", SPARE_GLOBAL, 9000);
	*full = (struct world_spare){
		.name = "sdy", .device = "id-sdy", .contents = CONTENTS_FILESYSTEM, .holds = "ext4"};
	assert_string_equal(ask(&w, PLAN_OPERATOR, "add-spare", "sdy", -1, NULL),
			    "refused: add-spare: sdy is not blank: it holds ext4; 'wipefs -a /dev/sdy' empties it\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "add-spare", "sdb", -1, NULL),
			    "refused: add-spare: sdb is a member of data (in-sync)\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "add-spare", "sdx", -1, "{\"array\":\"data\"}"),
			    "add-spare sdx to data\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "add-spare", "sdx", -1, NULL), "");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "remove-spare", "sdx", -1, NULL), "remove-spare sdx from data\n");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "fail-member", "sdb", -1, "{\"spped\":1}"),
			    "usage: fail-member has no parameter 'spped'");
	assert_string_equal(ask(&w, PLAN_OPERATOR, "notify", NULL, -1, NULL),
			    "usage: 'notify' is not an action on an array");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_redundancy), unit(test_fail),	   unit(test_spares),  unit(test_choice), unit(test_guards),
		unit(test_starting),   unit(test_members), unit(test_lending), unit(test_wiping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
