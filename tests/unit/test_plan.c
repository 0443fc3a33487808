// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans as values: printed, to JSON and back, and what is refused of JSON that lies. */
#include "actions/plan.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

static struct plan *example(void)
{
	struct plan *p = calloc(1, sizeof(*p));

	p->origin = PLAN_RULE;
	p->injected = true;
	snprintf(p->id, sizeof(p->id), "P-17");
	snprintf(p->verdict, sizeof(p->verdict), "v-3");
	snprintf(p->rule, sizeof(p->rule), "member-gone");
	snprintf(p->set, sizeof(p->set), "c0ffee");
	snprintf(p->array, sizeof(p->array), "abba");
	snprintf(p->volume, sizeof(p->volume), "abba");
	snprintf(p->array_name, sizeof(p->array_name), "data");
	p->n_steps = 7;
	p->step[0] =
		(struct step){.op = STEP_FAIL_MEMBER, .slot = 1, .name = "sdb", .device = "wwn-1", .ref = "0000000a"};
	p->step[1] = (struct step){
		.op = STEP_ACTIVATE_SPARE, .slot = 1, .name = "sdx", .device = "wwn-9", .on_failure = FAILURE_CONTINUE};
	p->step[2] = (struct step){.op = STEP_ADD_SPARE, .slot = -1, .name = "sdy", .device = "wwn-8"};
	p->step[3] = (struct step){.op = STEP_ASSEMBLE, .slot = -1, .degraded = true, .force = true};
	p->step[4] = (struct step){.op = STEP_ACTIVATE_SPARE, .slot = -1, .refused = true, .reason = "no valid spare"};
	p->step[5] = (struct step){.op = STEP_READ_CHECK, .slot = -1, .name = "sdx", .speed = UINT64_C(20000000)};
	p->step[6] = (struct step){
		.op = STEP_RESTORE_PATH, .slot = -1, .name = "sdp", .map = "dm-mpath-x", .group = 2, .was_alone = true};
	p->n_devices = 1;
	p->devices = calloc(1, sizeof(*p->devices));
	p->devices[0] = (struct plan_device){
		.id = "wwn-1", .node = "/dev/sdb", .major = 8, .minor = 16, .diskseq = UINT64_C(9007199254740993)};
	return p;
}

static const char text[] = "fail-member sdb from data\n"
			   "activate-spare sdx for data\n"
			   "add-spare sdy\n"
			   "assemble data degraded by force\n"
			   "refused: activate-spare: no valid spare\n"
			   "read-check sdx at 20MB/s\n"
			   "restore-path sdp of dm-mpath-x\n";

static void test_round_trip(void **state _unused_)
{
	_cleanup_(plan_freep) struct plan *p = example(), *back = NULL;
	_cleanup_(buf_free) struct buf a = {0}, b = {0};
	json_t *j = plan_to_json(p), *again;
	struct err e = {0};

	assert_int_equal(plan_from_json(j, &back, &e), 0);
	plan_print(p, &a);
	assert_string_equal(buf_str(&a), text);
	if (back) {
		plan_print(back, &b);
		assert_string_equal(buf_str(&b), text);
		again = plan_to_json(back);
		assert_true(json_equal(j, again));
		json_decref(again);
		assert_true(back->devices[0].diskseq == p->devices[0].diskseq);
		assert_int_equal(back->step[1].on_failure, FAILURE_CONTINUE);
	}
	json_decref(j);
}

static void spoil_version(json_t *j)
{
	json_object_set_new(j, "v", json_integer(2));
}

static void spoil_key(json_t *j)
{
	json_object_set_new(j, "shell", json_string("rm"));
}

static void spoil_op(json_t *j)
{
	json_object_set_new(json_array_get(json_object_get(j, "steps"), 0), "op", json_string("format-disk"));
}

static void spoil_slot(json_t *j)
{
	json_object_set_new(json_array_get(json_object_get(j, "steps"), 0), "slot", json_integer(64));
}

static void spoil_length(json_t *j)
{
	char longer[300];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	json_object_set_new(j, "set", json_string(longer));
}

static void spoil_count(json_t *j)
{
	json_t *steps = json_object_get(j, "steps"), *first = json_array_get(steps, 0);

	for (int i = 0; i < PLAN_STEPS_MAX; i++)
		json_array_append(steps, first);
}

static void spoil_devices(json_t *j)
{
	json_object_set_new(j, "devices", json_integer(3));
}

static void spoil_node(json_t *j)
{
	json_object_del(json_array_get(json_object_get(j, "devices"), 0), "node");
}

/* Each changes one thing of a good plan, which is then refused. */
static void what_is_spoilt_is_refused(void **state _unused_)
{
	static const struct {
		void (*spoil)(json_t *j);
		const char *message;
	} rows[] = {
		{spoil_version, "version 2"},	   {spoil_key, "shell"},
		{spoil_op, "format-disk"},	   {spoil_slot, "slot 64"},
		{spoil_length, "'set' is longer"}, {spoil_count, "more than 16 steps"},
		{spoil_devices, "lists"},	   {spoil_node, "node"},
	};

	for_rows (i, rows) {
		_cleanup_(plan_freep) struct plan *p = example(), *back = NULL;
		json_t *j = plan_to_json(p);
		struct err e = {0};

		rows[i].spoil(j);
		assert_true(plan_from_json(j, &back, &e) < 0);
		if (!strstr(e.msg, rows[i].message))
			fail_msg("'%s' does not say '%s'", e.msg, rows[i].message);
		json_decref(j);
	}
}

static struct plan *creation(void)
{
	struct plan *p = calloc(1, sizeof(*p));
	struct plan_create *c = calloc(1, sizeof(*c));

	p->create = c;
	snprintf(p->id, sizeof(p->id), "P-18");
	snprintf(p->set, sizeof(p->set), "c0ffee");
	snprintf(p->array_name, sizeof(p->array_name), "vault");
	snprintf(p->volume, sizeof(p->volume), "abba");
	*c = (struct plan_create){.new_set = true,
				  .assume_clean = true,
				  .level = RAID5,
				  .layout = 2,
				  .chunk = 128,
				  .sectors = UINT64_C(1) << 40,
				  .n_slots = 3,
				  .n_disks = 4};
	for (unsigned i = 0; i < 4; i++) {
		snprintf(c->disk[i].device, sizeof(c->disk[i].device), "wwn-%u", i);
		snprintf(c->disk[i].name, sizeof(c->disk[i].name), "sd%c", 'b' + (int)i);
	}
	c->disk[2].wipe = true;
	p->n_steps = 4;
	p->step[0] = (struct step){.op = STEP_CREATE, .slot = -1};
	p->step[1] = (struct step){.op = STEP_RENAME, .slot = -1, .to = "other"};
	p->step[2] = (struct step){.op = STEP_GROW, .slot = -1, .size = UINT64_C(1) << 40};
	p->step[3] = (struct step){.op = STEP_GROW, .slot = -1};
	return p;
}

static void test_creation(void **state _unused_)
{
	_cleanup_(plan_freep) struct plan *p = creation(), *back = NULL;
	_cleanup_(buf_free) struct buf a = {0}, b = {0};
	json_t *j = plan_to_json(p), *again, *bad;
	struct err e = {0};
	static const struct {
		const char *key;
		json_int_t value;
	} lies[] = {{"slots", 5}, {"slots", -1}, {"chunk", -1}, {"sectors", -1}};

	plan_print(p, &a);
	assert_string_equal(buf_str(&a),
			    "create-array vault: raid5 of sdb, sdc, sdd (wiped), chunks of 64KiB, 512TiB, spare sde, "
			    "assumed to be clean, in the new set c0ffee\n"
			    "rename-array vault to other\n"
			    "grow-array vault to 1TiB\n"
			    "grow-array vault to all there is room for\n");
	assert_int_equal(plan_from_json(j, &back, &e), 0);
	plan_print(back, &b);
	assert_string_equal(buf_str(&b), buf_str(&a));
	again = plan_to_json(back);
	assert_true(json_equal(j, again));
	json_decref(again);
	for_rows (i, lies) {
		struct plan *none = NULL;

		bad = json_deep_copy(j);
		json_object_set_new(json_object_get(bad, "create"), lies[i].key, json_integer(lies[i].value));
		assert_int_equal(plan_from_json(bad, &none, &e), -EINVAL);
		json_decref(bad);
	}
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(test_round_trip),
		unit(test_creation),
		unit(what_is_spoilt_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
