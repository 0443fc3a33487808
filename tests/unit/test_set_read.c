// SPDX-License-Identifier: GPL-2.0-or-later
/* A set's disks side by side: each is read as if it were read alone, whatever becomes of the others. */
#include "actions/set.h"
#include "tests/unit/ddf_disks.h"
#include "tests/unit/unit.h"

#include <errno.h>

struct member {
	struct blockdev dev;
	struct test_disk *disk;
	int fails;
};

static struct test_set disks;
static struct member member[TEST_DISKS_MAX];

static int member_read(struct blockdev *d, uint64_t pos, void *buf, size_t len)
{
	const struct member *m = (const struct member *)d;

	return m->fails ? m->fails : m->disk->reader.read(m->disk->reader.u, pos / 512, buf, (uint32_t)(len / 512));
}

/* What is known of all disks when they were read, as text. Freed by the caller. */
static char *reading(unsigned threads)
{
	_cleanup_(io_pool_freep) struct io_pool *pool = io_pool_new(threads);
	_cleanup_(meta_view_freep) struct meta_view *view = NULL;
	struct meta_set *joined = test_join(&disks, 0);
	struct set s = {.pool = pool, .format = meta_formats[0]};
	struct set_look list[TEST_DISKS_MAX] = {0};
	struct set_disk disk[TEST_DISKS_MAX] = {0};
	struct buf text = {0};

	assert_int_equal(s.format->set_view(joined, &view, NULL), 0);
	snprintf(s.guid, sizeof(s.guid), "%s", view->set);
	s.format->set_free(joined);
	for (size_t i = 0; i < disks.n; i++) {
		disk[i].dev = &member[i].dev;
		list[i].disk = &disk[i];
	}
	set_look_at(&s, list, disks.n, set_disk_read);
	for (size_t i = 0; i < disks.n; i++) {
		char *words = disk[i].view ? test_view_text(disk[i].view) : strdup("nothing\n");

		buf_addf(&text, "%s: %d %s, %u bays, %s", disk[i].ref, list[i].result, list[i].why.msg, disk[i].n_bays,
			 words);
		free(words);
		set_disk_forget(&s, &disk[i]);
	}
	assert_false(text.oom);
	return text.s;
}

static void side_by_side(void **state _unused_)
{
	static const char *const cases[] = {"two-volumes", "degraded", "raid6-n-continue:4096", "raid10:little"};

	for_rows (i, cases) {
		row_name("%s", cases[i]);
		test_set_load(&disks, cases[i]);
		for (size_t k = 0; k < disks.n; k++)
			member[k] = (struct member){.dev = {.name = "disk",
							    .sectors = disks.disk[k].sectors,
							    .sector_size = disks.disk[k].sector_size,
							    .read = member_read},
						    .disk = &disks.disk[k],
						    .fails = i == 1 && k == 2 ? -EIO : 0};
		_cleanup_(freep) char *alone = reading(0);

		for (unsigned round = 0; round < 20; round++) {
			_cleanup_(freep) char *together = reading(8);

			assert_string_equal(together, alone);
		}
		assert_true((strstr(alone, "cannot be read") != NULL) == (i == 1));
		test_set_free(&disks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
