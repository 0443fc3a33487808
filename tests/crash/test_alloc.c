// SPDX-License-Identifier: GPL-2.0-or-later
/* test_alloc [NAME [EVERY]]: each allocation of a plan fails once, in turn (of many each EVERYth, by default such that
 * some 200 remain). The plan may fail; nothing is left suspended, the next plan works, and a start finds the old state
 * or the new one with every acknowledged write. What stands in for the kernel, and the test itself, always get their
 * memory. */
#include "tests/crash/rig.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- memory: the linker leads the product's calls here, and those of what stands in for the kernel to rig_ ------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
int __real_exec_plan(struct exec *x, const struct plan *p, struct err *e);

static unsigned asked, fail_at;
static bool armed, in_plan;

static bool fails(void)
{
	if (!armed || !in_plan || ++asked != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

#define ALLOCATOR(type, name, params, args)                                                                            \
	type __wrap_##name params;                                                                                     \
	type rig_##name params;                                                                                        \
	type __wrap_##name params                                                                                      \
	{                                                                                                              \
		return fails() ? NULL : __real_##name args;                                                            \
	}                                                                                                              \
	type rig_##name params                                                                                         \
	{                                                                                                              \
		return __real_##name args;                                                                             \
	}

ALLOCATOR(void *, malloc, (size_t size), (size))
ALLOCATOR(void *, calloc, (size_t n, size_t size), (n, size))
ALLOCATOR(void *, realloc, (void *old, size_t size), (old, size))
ALLOCATOR(void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size))
ALLOCATOR(void *, aligned_alloc, (size_t align, size_t size), (align, size))
ALLOCATOR(char *, strdup, (const char *s), (s))

int __wrap_exec_plan(struct exec *x, const struct plan *p, struct err *e);
int __wrap_exec_plan(struct exec *x, const struct plan *p, struct err *e)
{
	int r;

	in_plan = true;
	r = __real_exec_plan(x, p, e);
	in_plan = false;
	return r;
}

/* --- scenarios ------------------------------------------------------------------------------------------------ */

struct scenario {
	const char *name, *golden;
	void (*before)(struct rig *r), (*run)(struct rig *r);
	const char *states; /* one of these is what is found afterwards */
};

static void nothing(struct rig *r)
{
	(void)r;
}

static void assemble(struct rig *r)
{
	rig_assemble(r, true, false, NULL);
}

static void start(struct rig *r)
{
	assemble(r);
	rig_write(r);
}

static void record(struct rig *r)
{
	rig_fail(r, 1);
	rig_one(r, STEP_RECORD, -1);
}

static void fail_and_spare(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step(p, STEP_FAIL_MEMBER, rig_disk_in(r, 1))->slot = 1;
	rig_step(p, STEP_ACTIVATE_SPARE, rig_spare_disk(r));
	rig_run(r, p, NULL);
}

static void replace(struct rig *r)
{
	struct plan *p = rig_plan(r, 0);

	rig_step_replace(p, rig_disk_in(r, 1), rig_spare_disk(r));
	rig_run(r, p, NULL);
}

static void stop(struct rig *r)
{
	rig_stop(r);
}

static const struct scenario scenarios[] = {
	{"assemble", "spare-global", nothing, assemble, "iii"},
	{"record", "spare-global", start, record, "ifi"},
	{"fail and spare", "spare-global", start, fail_and_spare, "iii iri ifi"},
	{"replace", "spare-global", start, replace, "iii"},
	{"stop", "spare-global", start, stop, "iii"},
	{"raid10, assemble", "raid10", nothing, assemble, "iiii"},
};

/* --- judging -------------------------------------------------------------------------------------------------- */

static unsigned failures;

static void complain(const struct scenario *s, unsigned n, const char *what)
{
	failures++;
	printf("%s, allocation %u: %s\n", s->name, n, what);
}

static void judge(const struct scenario *s, unsigned n, struct rig *r)
{
	struct err why = {0};

	if (rig_suspended(r))
		complain(s, n, rig_suspended(r));
	if (fake_dm_violation_at_end(r->dm))
		complain(s, n, fake_dm_violation_at_end(r->dm));
	if (!rig_running(r) && rig_assemble(r, true, false, &why) < 0) {
		complain(s, n, why.msg);
		return;
	}
	rig_write(r);
	if (rig_one(r, STEP_RECORD, -1) < 0)
		complain(s, n, "the next recording failed");
	if (!rig_one_of(rig_states(r), s->states))
		complain(s, n, rig_states(r));
	if (rig_stale(r))
		complain(s, n, rig_stale(r));
	if (rig_disagrees(r))
		complain(s, n, rig_disagrees(r));
	if (rig_stop(r) < 0)
		complain(s, n, "it cannot be stopped");
	rig_power_cycle(r);
	if (rig_assemble(r, true, false, &why) < 0)
		complain(s, n, why.msg);
	if (rig_stale(r))
		complain(s, n, rig_stale(r));
}

/* One run; how many allocations it asked for. */
static unsigned attempt(const struct scenario *s, unsigned n)
{
	struct rig r;

	rig_load(&r, s->golden);
	s->before(&r);
	asked = 0;
	fail_at = n;
	armed = r.memory_short = true;
	s->run(&r);
	armed = false;
	judge(s, n, &r);
	rig_free(&r);
	return asked;
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	log_setup((enum log_level)0, NULL);
	json_set_alloc_funcs(__wrap_malloc, free);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const struct scenario *s = &scenarios[i];
		unsigned all, every;

		if (strncmp(s->name, only, strlen(only)) != 0)
			continue;
		all = attempt(s, 0);
		every = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : MAX(1U, all / 200);
		for (unsigned n = 1; n <= all; n += MAX(1U, every))
			attempt(s, n);
		printf("%s: of %u allocations every %u. fails\n", s->name, all, MAX(1U, every));
	}
	rig_unload();
	return failures ? 1 : 0;
}
