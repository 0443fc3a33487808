// SPDX-License-Identifier: GPL-2.0-or-later
/* The fake device-mapper tells what a real one would only show by lost data. */
#include "tests/fakes/fake_dm.h"

#include <errno.h>

#include "tests/unit/unit.h"

static const struct dm_target start = {.len = 32768, .type = "raid", .params = "raid1 1 0 2 253:9 8:0 253:8 8:16"};
static const struct dm_target spare = {
	.len = 32768, .type = "raid", .params = "raid1 3 0 rebuild 1 2 253:9 8:0 253:7 8:32"};

static const struct dm_ops *started(struct fake_dm *f)
{
	const struct dm_ops *o = fake_dm_ops(f);

	assert_int_equal(o->create(o->u, "r1", "SPARED-ddf-x", NULL), 0);
	assert_int_equal(o->load(o->u, "r1", &start, 1, false, NULL), 0);
	assert_int_equal(o->resume(o->u, "r1", DM_SHOWN, NULL), 0);
	assert_int_equal(o->settle(o->u), 0);
	return o;
}

static void swap(void **state _unused_)
{
	_cleanup_(fake_dm_freep) struct fake_dm *f = fake_dm_new();
	const struct dm_ops *o = started(f);
	char params[DM_PARAMS_MAX];
	struct dm_raid_status s;
	struct dm_info_view *all, v;
	size_t n;

	fake_dm_fail_member(f, "r1", 1);
	assert_int_equal(o->load(o->u, "r1", &spare, 1, false, NULL), 0);
	assert_int_equal(o->suspend(o->u, "r1", true, NULL), 0);
	assert_int_equal(o->status(o->u, "r1", params, NULL), 0);
	assert_string_equal(params, "raid1 2 AD 32768/32768 frozen 0 0 -");
	assert_int_equal(o->resume(o->u, "r1", DM_SHOWN, NULL), 0);
	assert_int_equal(o->settle(o->u), 0);
	assert_int_equal(o->status(o->u, "r1", params, NULL), 0);
	assert_int_equal(dm_raid_status_parse(params, &s, NULL), 0);
	assert_string_equal(s.health, "Aa");
	assert_int_equal(s.action, DM_RECOVER);
	assert_true(!dm_raid_settled(&s));
	fake_dm_rebuilt(f, "r1");
	assert_int_equal(o->list(o->u, "SPARED-", &all, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(all[0].event_nr, 2);
	free(all);
	assert_int_equal(o->info(o->u, "r2", &v, NULL), 0);
	assert_true(!v.exists);
	assert_null(fake_dm_violation_at_end(f));
	assert_string_equal(fake_dm_log(f), "create r1 SPARED-ddf-x\n"
					    "load r1: 0 32768 raid raid1 1 0 2 253:9 8:0 253:8 8:16\n"
					    "resume r1 (swap)\n"
					    "load r1: 0 32768 raid raid1 3 0 rebuild 1 2 253:9 8:0 253:7 8:32\n"
					    "suspend r1 noflush\n"
					    "resume r1 (swap)\n");
}

static void roll_back(void **state _unused_)
{
	_cleanup_(fake_dm_freep) struct fake_dm *f = fake_dm_new();
	const struct dm_ops *o = started(f);

	assert_int_equal(o->load(o->u, "r1", &spare, 1, false, NULL), 0);
	assert_int_equal(o->suspend(o->u, "r1", true, NULL), 0);
	assert_non_null(fake_dm_violation_at_end(f));
}

static void illegal(void **state _unused_)
{
	static const struct {
		const char *calls, *violation;
	} cases[] = {
		{"sl", "load r1 while r1 is suspended"},
		{"sc", "create other while r1 is suspended"},
		{"sw", "settle udev while r1 is suspended"},
		{"ss", "suspend r1 twice"},
		{"lr", "swap of r1 that was not suspended first"},
		{"lsr", "swap of r1 without its status read again since the suspend"},
		{"lsfqr", "swap of r1 although it was AA at the load and is DA now"},
		{"lfsqr", "swap of r1 although it was AA at the load and is DA now"},
	};

	for_rows (i, cases) {
		_cleanup_(fake_dm_freep) struct fake_dm *f = fake_dm_new();
		const struct dm_ops *o = started(f);
		char params[DM_PARAMS_MAX];

		for (const char *c = cases[i].calls; *c; c++) {
			assert_null(fake_dm_violation(f));
			switch (*c) {
			case 's':
				o->suspend(o->u, "r1", false, NULL);
				break;
			case 'l':
				o->load(o->u, "r1", &spare, 1, false, NULL);
				break;
			case 'c':
				o->create(o->u, "other", "", NULL);
				break;
			case 'w':
				o->settle(o->u);
				break;
			case 'q':
				o->status(o->u, "r1", params, NULL);
				break;
			case 'f':
				fake_dm_fail_member(f, "r1", 0);
				break;
			default:
				o->resume(o->u, "r1", DM_SHOWN, NULL);
			}
		}
		assert_string_equal(fake_dm_violation(f), cases[i].violation);
	}
}

static int die_in_suspend(void *u, enum fake_dm_call call, const char *name, unsigned nth)
{
	(void)name, (void)nth;
	++*(int *)u;
	return call == FAKE_SUSPEND ? -EINTR : 0;
}

static void faults(void **state _unused_)
{
	_cleanup_(fake_dm_freep) struct fake_dm *f = fake_dm_new();
	const struct dm_ops *o = started(f);
	struct err e = {0};
	int hooked = 0;

	fake_dm_fail_call(f, 2, ENOMEM, false);
	assert_int_equal(o->load(o->u, "r1", &spare, 1, false, &e), 0);
	assert_int_equal(o->suspend(o->u, "r1", false, &e), -ENOMEM);
	assert_true(!fake_dm_suspended(f, "r1"));
	fake_dm_fail_call(f, 1, EIO, true);
	assert_int_equal(o->clear(o->u, "r1", &e), -EIO);
	assert_true(!fake_dm_inactive(f, "r1"));
	fake_dm_set_hook(f, die_in_suspend, &hooked);
	assert_int_equal(o->suspend(o->u, "r1", false, &e), -EINTR);
	assert_int_equal(hooked, 1);
	fake_dm_set_open(f, "r1", 1);
	assert_int_equal(o->remove(o->u, "r1", false, &e), -EBUSY);
	fake_dm_set_open(f, "r1", 0);
	/* A suspend and resume of the same table revives whatever lies in a failed member's place. */
	fake_dm_set_hook(f, NULL, NULL);
	fake_dm_fail_member(f, "r1", 0);
	assert_int_equal(o->suspend(o->u, "r1", false, &e), 0);
	assert_int_equal(o->resume(o->u, "r1", DM_SHOWN, &e), 0);
	assert_string_equal(fake_dm_health(f, "r1"), "aA");
	assert_int_equal(o->remove(o->u, "r1", false, &e), 0);
	assert_int_equal(o->resume(o->u, "r1", DM_SHOWN, &e), -ENXIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(swap),
		unit(roll_back),
		unit(illegal),
		unit(faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
