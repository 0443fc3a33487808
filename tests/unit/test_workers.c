// SPDX-License-Identifier: GPL-2.0-or-later
/* The broker's side of its child processes, with children that answer, die, hang, or are not there. This program is its
 * own child: it is run as /proc/self/exe with the same options as spared. */
#include "broker/act.h"
#include "broker/acts.h"
#include "broker/alone.h"
#include "broker/images.h"
#include "broker/probe.h"
#include "broker/probes.h"
#include "broker/proc.h"
#include "broker/programs.h"
#include "broker/read_check.h"
#include "broker/record.h"
#include "broker/recorder.h"
#include "broker/trial.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/wire.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static char dir[] = "/tmp/spared-workers-XXXXXX", path[128];

#define BROKEN "/tmp/spared-workers-broken-%d" /* while it is there, probes of this process cannot run */

/* ---- the children ---- */

/* The "disk" is a file whose text says what happens. */
static json_t *fake_describe(const char *node _unused_)
{
	json_t *j = json_pack("{s:s}", "contents", "blank");
	char text[64] = "";

	if (read(PROBE_DISK, text, sizeof(text) - 1) < 0)
		_exit(1);
	if (strcmp(text, "hang") == 0)
		pause();
	if (strcmp(text, "die") == 0)
		raise(SIGKILL);
	if (strcmp(text, "die-all") == 0)
		kill(getppid(), SIGKILL);
	if (strcmp(text, "silent") == 0)
		_exit(0);
	if (strcmp(text, "nonsense") == 0)
		_exit(wire_send_text(STDOUT_FILENO, "{\"contents\":\n", 13) < 0);
	if (strcmp(text, "pretend") == 0) /* to be the one that forked it */
		json_object_update_new(j, json_pack("{s:i s:b}", "status", 9, "said", 1));
	if (strcmp(text, "status") == 0 || strcmp(text, "twice") == 0)
		wire_send(STDOUT_FILENO, j);
	if (strcmp(text, "status") == 0)
		_exit(3);
	if (strcmp(text, "twice") == 0)
		poll(NULL, 0, 200);
	return j;
}

static int fake_probe(void)
{
	char broken[64];

	snprintf(broken, sizeof(broken), BROKEN, (int)getppid());
	return access(broken, F_OK) == 0 ? 7 : probe_serve(fake_describe);
}

static int fake_act(void)
{
	struct act_progress *progress =
		mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED, ACT_PROGRESS, 0);
	struct wire_in in = {0};
	unsigned images = 0;
	json_t *line;

	signal(SIGTERM, SIG_IGN);
	while (wire_recv(&in, ACT_SOCKET, &line, NULL) == 1) {
		const char *job = json_string_value(json_object_get(line, "job"));
		const char *rule = json_string_value(json_object_get(json_object_get(line, "plan"), "rule"));
		json_t *msg = json_pack("{s:s s:{s:i}}", "job", job, "msg", "pid", (int)getpid());
		json_t *done = json_pack("{s:s s:s s:s}", "job", job, "done", "refused", "reason", "because");

		if (json_object_get(line, "image")) {
			const json_t *part = json_object_get(json_object_get(line, "image"), "part");

			images += json_integer_value(part) == (json_int_t)images;
			json_decref(msg);
			json_decref(done);
			json_decref(line);
			continue;
		}
		if (images == 3)
			json_object_set_new(done, "reason", json_string("because of three images"));
		images = 0;
		snprintf(progress->what, sizeof(progress->what), "swap load");
		atomic_store(&progress->boot, clock_boot(&clock_system));
		wire_send(ACT_SOCKET, msg);
		if (rule && strcmp(rule, "die") == 0)
			raise(SIGKILL);
		while (rule && strcmp(rule, "hang") == 0)
			pause();
		wire_send(ACT_SOCKET, done);
		json_decref(msg);
		json_decref(done);
		json_decref(line);
	}
	wire_in_free(&in);
	return 0;
}

/* ---- a small broker ---- */

struct told {
	char text[1024];
	int pid;
	int left; /* until the loop ends */
};

static struct told told;
static struct probes *probes;
static struct acts *acts;
static struct alones *alones;
static struct programs *programs;
static struct recorder *recorder;

static void tell(const char *a, const char *b)
{
	size_t n = strlen(told.text);

	snprintf(told.text + n, sizeof(told.text) - n, "%s:%s;", a, b ? b : "");
	if (--told.left == 0)
		loop_quit(loop);
}

static void turn(void *u _unused_)
{
	bool more = true;

	while (more) {
		more = probes && probes_turn(probes);
		more |= acts && acts_turn(acts);
		more |= alones && alones_turn(alones);
		more |= programs && programs_turn(programs);
		more |= recorder && recorder_turn(recorder);
	}
}

static const char *run(int events)
{
	told.left = events;
	told.text[0] = '\0';
	loop_run(loop);
	return told.text;
}

static const char *make_file(const char *text)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/disk", dir);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return path;
}

static void on_answer(void *u _unused_, const char *id, const json_t *answer, const char *reason)
{
	tell(id, answer ? json_string_value(json_object_get(answer, "contents")) : reason);
}

static void test_probes(void **state _unused_)
{
	static const struct {
		const char *disk, *want;
	} rows[] = {
		{"fine", "d:blank;"},
		{"die", "d:the process that read it was killed by signal 9 (Killed);"},
		{"silent", "d:the process that read it exited with status 0;"},
		{"nonsense", "d:the process that read it exited with status 0;"},
		{"pretend", "d:blank;"},
		{"status", "d:the process that read it exited with status 3;"},
		{"die-all", "d:the process that read it was killed by signal 9 (Killed);"},
		{"twice", "d:the process that read it was killed by signal 13 (Broken pipe);"},
		{"hang", "d:reading it took too long;"},
	};
	json_t *j;

	assert_int_equal(probes_new(loop, 2, &(struct probes_ops){on_answer, NULL}, &probes), 0);
	for_rows (i, rows) {
		probes_ask(probes, "d", make_file(rows[i].disk), i == 8 ? NS_PER_SEC : 20 * NS_PER_SEC, false);
		assert_string_equal(run(1), rows[i].want);
	}
	probes_ask(probes, "d", "/nonexistent/disk", NS_PER_SEC, false);
	assert_string_equal(run(1), "d:/nonexistent/disk cannot be opened;");
	j = probes_to_json(probes);
	assert_int_equal(json_integer_value(json_object_get(j, "killed")), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "running")), 0);
	json_decref(j);
	/* More than run at once: all are answered. */
	for (int i = 0; i < 7; i++)
		probes_ask(probes, "x", make_file("fine"), 20 * NS_PER_SEC, false);
	assert_string_equal(run(7), "x:blank;x:blank;x:blank;x:blank;x:blank;x:blank;x:blank;");
	probes_free(probes);
	/* One at a time: what is read again waits for what was never read. */
	assert_int_equal(probes_new(loop, 1, &(struct probes_ops){on_answer, NULL}, &probes), 0);
	for (int i = 0; i < 4; i++)
		probes_ask(probes, i < 2 ? "again" : "new", path, 20 * NS_PER_SEC, i < 2);
	assert_string_equal(run(4), "new:blank;new:blank;again:blank;again:blank;");
	probes_free(probes);
	probes = NULL;
}

/* A program that cannot run: each disk is told, and no more is started than there are disks. */
static void test_probes_cannot_run(void **state _unused_)
{
	char broken[64];
	FILE *f;

	snprintf(broken, sizeof(broken), BROKEN, (int)getpid());
	f = fopen(broken, "w");
	fclose(f);
	assert_int_equal(probes_new(loop, 2, &(struct probes_ops){on_answer, NULL}, &probes), 0);
	probes_ask(probes, "a", make_file("fine"), 20 * NS_PER_SEC, false);
	probes_ask(probes, "b", make_file("fine"), 20 * NS_PER_SEC, false);
	assert_string_equal(run(2), "a:the process that read it exited with status 7;"
				    "b:the process that read it exited with status 7;");
	unlink(broken);
	probes_ask(probes, "c", make_file("fine"), 20 * NS_PER_SEC, false);
	assert_string_equal(run(1), "c:blank;");
	probes_free(probes);
	probes = NULL;
}

/* A disk that ends the process that forked its own costs the others nothing: they are read by the next one. */
static void test_probe_ends_all(void **state _unused_)
{
	static const char *const disks[] = {"fine", "die-all", "silent", "fine", "die-all", "fine"};
	char nodes[ARRAY_SIZE(disks)][128];

	assert_int_equal(probes_new(loop, 1, &(struct probes_ops){on_answer, NULL}, &probes), 0);
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		snprintf(nodes[i], sizeof(nodes[i]), "%s-%zu", make_file(disks[i]), i);
		assert_int_equal(rename(path, nodes[i]), 0);
		probes_ask(probes, "d", nodes[i], 20 * NS_PER_SEC, false);
	}
	assert_string_equal(run(ARRAY_SIZE(disks)),
			    "d:blank;d:the process that read it was killed by signal 9 (Killed);"
			    "d:the process that read it exited with status 0;d:blank;"
			    "d:the process that read it was killed by signal 9 (Killed);d:blank;");
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		unlink(nodes[i]);
	probes_free(probes);
	probes = NULL;
}

static int fill_nothing(struct blockdev *d _unused_, uint64_t pos _unused_, void *buf _unused_, size_t len _unused_)
{
	return 0;
}

/* What a disk does not give, though it says so (null_blk), is not what lay in memory. */
static void test_probe_reads_no_memory(void **state _unused_)
{
	struct blockdev dev = {.read = fill_nothing, .name = "x", .sectors = 1 << 20, .sector_size = 512};
	json_t *j;

	for (size_t size = 4096; size <= 1 << 20; size *= 2) {
		void *stale = blockio_alloc(size);

		assert_non_null(stale);
		memset(stale, 0xA5, size);
		__asm__ volatile("" ::"r"(stale) : "memory");
		free(stale);
	}
	j = probe_describe(&dev);
	assert_string_equal(json_string_value(json_object_get(j, "contents")), "blank");
	json_decref(j);
}

static void on_message(void *u _unused_, const char *plan, const json_t *msg)
{
	told.pid = (int)json_integer_value(json_object_get(msg, "pid"));
	tell(plan, "msg");
}

static void on_done(void *u _unused_, const char *plan, enum action_result result, const char *reason)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", action_words[result], reason);
	tell(plan, text);
}

static void ask(const char *id, const char *set, const char *rule)
{
	struct plan p = {0};
	json_t *plan_json;

	snprintf(p.id, sizeof(p.id), "%s", id);
	snprintf(p.set, sizeof(p.set), "%s", set);
	snprintf(p.rule, sizeof(p.rule), "%s", rule);
	plan_json = plan_to_json(&p);
	assert_int_equal(acts_run(acts, plan_json, NULL), 0);
	json_decref(plan_json);
}

static size_t count_state(const char *state)
{
	json_t *list = acts_to_json(acts), *j;
	size_t i, n = 0;

	json_array_foreach(list, i, j) n += strcmp(json_string_value(json_object_get(j, "state")), state) == 0;
	json_decref(list);
	return n;
}

static void test_acts(void **state _unused_)
{
	int first;

	assert_int_equal(acts_new(loop, dir, 20 * NS_PER_SEC, &(struct acts_ops){on_message, on_done, NULL}, &acts), 0);
	ask("P-1", "aa", "");
	assert_string_equal(run(2), "P-1:msg;P-1:refused because;");
	first = told.pid;
	assert_int_equal(count_state("warm"), 1);
	assert_int_equal(acts_busy(acts), 0);
	/* One set has one process, and one plan at a time. */
	ask("P-2", "aa", "");
	ask("P-3", "aa", "");
	assert_int_equal(acts_busy(acts), 2);
	assert_string_equal(run(4), "P-2:msg;P-2:refused because;P-3:msg;P-3:refused because;");
	assert_int_equal(told.pid, first);
	ask("P-4", "bb", "");
	assert_string_equal(run(2), "P-4:msg;P-4:refused because;");
	assert_true(told.pid != first);
	/* One that dies is told of, and replaced. */
	ask("P-5", "aa", "die");
	assert_string_equal(run(2),
			    "P-5:msg;P-5:failed the act process was killed by signal 9 (Killed) at 'swap load';");
	ask("P-6", "aa", "");
	assert_string_equal(run(2), "P-6:msg;P-6:refused because;");
	assert_true(told.pid != first);
	acts_free(acts);
	acts = NULL;
}

/* No sign of life: asked to stop, then killed. Another set goes on meanwhile. */
static void test_act_hangs(void **state _unused_)
{
	assert_int_equal(acts_new(loop, dir, 2 * NS_PER_SEC, &(struct acts_ops){on_message, on_done, NULL}, &acts), 0);
	ask("P-1", "aa", "hang");
	assert_string_equal(run(1), "P-1:msg;");
	ask("P-2", "bb", "");
	assert_string_equal(run(2), "P-2:msg;P-2:refused because;");
	assert_string_equal(
		run(1), "P-1:failed the act process was killed by signal 9 (Killed) at 'swap load' after it gave no "
			"sign of life;");
	acts_free(acts);
	acts = NULL;
}

static void on_program(void *u _unused_, const char *token, int status, const char *reason)
{
	char text[200];

	snprintf(text, sizeof(text), "%d %s", WIFEXITED(status) ? WEXITSTATUS(status) : -1, reason ? reason : "");
	tell(token, text);
}

static void program(const char *token, const char *script, const json_t *input, int64_t timeout)
{
	programs_run(programs, token, (const char *const[]){"/bin/sh", "-c", script, NULL},
		     (const char *const[]){"SEVEN=7", NULL}, input, timeout);
}

static void test_programs(void **state _unused_)
{
	json_t *input = json_pack("{s:s}", "text", "hello");

	assert_int_equal(programs_new(loop, &(struct programs_ops){on_program, NULL}, &programs), 0);
	program("a", "exit $SEVEN", NULL, 20 * NS_PER_SEC);
	assert_string_equal(run(1), "a:7 ;");
	program("b", "read line; test \"$line\" = '{\"text\":\"hello\"}'", input, 20 * NS_PER_SEC);
	assert_string_equal(run(1), "b:0 ;");
	program("c", "exec sleep 100", NULL, 100 * NS_PER_MS);
	assert_string_equal(run(1), "c:-1 /bin/sh ran longer than 0 s and was killed;");
	programs_run(programs, "d", (const char *const[]){"/nonexistent", NULL}, NULL, NULL, NS_PER_SEC);
	assert_string_equal(run(1), "d:127 ;");
	json_decref(input);
	programs_free(programs);
	programs = NULL;
}

static void on_tried(void *u _unused_, bool passed, const char *digest, const char *text)
{
	size_t n = strlen(text);

	/* Its last line sums up. */
	while (n > 1 && text[n - 2] != '\n')
		n--;
	tell(!passed ? "failed" : strlen(digest) == 16 ? "passed" : "passed without a digest", n ? text + n - 1 : "");
}

static void put_text(const char *name, const char *text)
{
	char file[160];
	FILE *f;

	snprintf(file, sizeof(file), "%s/rules.d/%s", dir, name);
	f = fopen(file, "w");
	fputs(text, f);
	fclose(f);
}

/* The rules of the settings' directories with the tests beside them, in a process of their own. */
static const char *try_rules(const struct settings *s)
{
	_cleanup_(trial_freep) struct trial *t = NULL;
	struct err e = {0};

	assert_int_equal(trial_new(loop, s, &(struct trial_ops){on_tried, NULL}, &t, &e), 0);
	return run(1);
}

static void test_trial(void **state _unused_)
{
	static const char rule[] = "version: 1\nrules:\n  - {name: r, description: d, event: device.removed, "
				   "do: [{notify: {severity: info, text: gone}}]}\n";
	char rules[128], none[128];
	const char *dirs[] = {rules, none};
	struct settings s = {.rules_dirs = dirs, .n_rules_dirs = 2};

	snprintf(rules, sizeof(rules), "%s/rules.d", dir);
	snprintf(none, sizeof(none), "%s/nothing.d", dir);
	assert_int_equal(mkdir(rules, 0700), 0);
	put_text("10.yaml", rule);
	assert_string_equal(try_rules(&s), "passed:0 tests in 0 files: 0 passed, 0 failed\n;");
	put_text("a.test.yaml",
		 "version: 1\ntests:\n  - name: t\n    world: {devices: {sda: {}}}\n    events: [{at: 1s, "
		 "event: device.removed, device: sda}]\n    expect: [{at: 1s, rule: r, text: gone}]\n");
	assert_string_equal(try_rules(&s), "passed:1 tests in 1 files: 1 passed, 0 failed\n;");
	put_text("b.test.yaml",
		 "version: 1\ntests:\n  - {name: t, world: {}, until: 1s, expect: [{at: 1s, rule: r}]}\n");
	assert_string_equal(try_rules(&s), "failed:2 tests in 2 files: 1 passed, 1 failed\n;");
	put_text("b.test.yaml", "tests: [\n");
	assert_string_equal(try_rules(&s),
			    "failed:1 tests in 2 files: 1 passed, 0 failed, 1 files could not be read\n;");
	put_text("b.test.yaml", "version: 1\n");
	put_text("10.yaml", "rules: [\n");
	assert_string_equal(try_rules(&s), "failed:1 error, 0 warnings.\n;");
}

static void on_opened(void *u _unused_, const json_t *state, const json_t *unfinished)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %zu", (int)json_integer_value(json_object_get(state, "x")),
		 json_array_size(unfinished));
	tell("opened", text);
}

static void on_stored(void *u _unused_, const char *id)
{
	tell("stored", id);
}

static void on_rows(void *u _unused_, uint64_t token, const json_t *answer)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %zu", (int)token, json_array_size(json_object_get(answer, "rows")));
	tell("rows", text);
}

static void on_trouble(void *u _unused_, const char *reason, uint64_t lost _unused_)
{
	tell("trouble", reason ? "yes" : "no");
}

static const struct recorder_ops recorder_ops = {
	.opened = on_opened, .stored = on_stored, .answer = on_rows, .trouble = on_trouble};

/* Its process answers a question, and has stored what came before it soon. */
static void wait_idle(void)
{
	json_t *all = json_object();

	for (int i = 0; i < 100 && !recorder_idle(recorder); i++) {
		assert_int_equal(recorder_query(recorder, 10, all), 0);
		assert_string_equal(run(1), "rows:10 2;");
	}
	assert_true(recorder_idle(recorder));
	json_decref(all);
}

static void test_recorder(void **fixture _unused_)
{
	json_t *row = json_pack("{s:s}", "kind", "x.y"), *state = json_pack("{s:i}", "x", 5);
	json_t *all = json_object();
	char db[160];

	snprintf(db, sizeof(db), "%s/history.db", dir);
	assert_int_equal(recorder_new(loop, db, &recorder_ops, &recorder), 0);
	assert_string_equal(run(1), "opened:0 0;");
	recorder_store(recorder, "event", row, NULL, false);
	recorder_store(recorder, "intent", row, "P-1", true);
	recorder_save(recorder, state);
	assert_string_equal(run(1), "stored:P-1;");
	assert_int_equal(recorder_query(recorder, 9, all), 0);
	assert_string_equal(run(1), "rows:9 2;");
	wait_idle();
	/* A state that was only sent is not kept: the next process might read the one before it. */
	recorder_save(recorder, state);
	recorder_turn(recorder);
	assert_false(recorder_idle(recorder));
	wait_idle();
	recorder_free(recorder);
	assert_int_equal(recorder_new(loop, db, &recorder_ops, &recorder), 0);
	assert_string_equal(run(1), "opened:5 1;");
	recorder_free(recorder);
	recorder = NULL;
	json_decref(row);
	json_decref(state);
	json_decref(all);
}

static struct images *images;

static void on_part(void *u _unused_, uint64_t token, const json_t *answer)
{
	assert_true(token & IMAGES_TOKEN);
	images_answer(images, token, answer);
}

static int run_restore(const char *id, const char *of)
{
	struct plan p = {.n_steps = 1, .step = {{.op = of ? STEP_RESTORE : STEP_RECORD, .slot = -1}}};

	snprintf(p.id, sizeof(p.id), "%s", id);
	snprintf(p.set, sizeof(p.set), "aa");
	snprintf(p.step[0].to, sizeof(p.step[0].to), "%s", of ? of : "");
	return images_run(images, &p);
}

/* What a plan gives back comes from the history, all parts in order, and then the plan; where there is none, the plan
 * alone. */
static void test_images(void **fixture _unused_)
{
	struct recorder_ops ops = recorder_ops;
	char db[160];

	ops.answer = on_part;
	snprintf(db, sizeof(db), "%s/images.db", dir);
	assert_int_equal(acts_new(loop, dir, 20 * NS_PER_SEC, &(struct acts_ops){on_message, on_done, NULL}, &acts), 0);
	assert_int_equal(recorder_new(loop, db, &ops, &recorder), 0);
	assert_int_equal(images_new(loop, recorder, acts, &images), 0);
	assert_string_equal(run(1), "opened:0 0;");
	for (int i = 0; i < 3; i++) {
		json_t *part = json_pack("{s:s s:i}", "plan", "P-1", "part", i);

		if (i == 2)
			json_object_set_new(part, "left", json_object());
		recorder_store(recorder, "image", part, "P-1", i == 2);
		json_decref(part);
	}
	assert_string_equal(run(1), "stored:P-1;");
	assert_int_equal(run_restore("P-2", "P-1"), 0);
	assert_int_equal(images_busy(images), 1);
	assert_string_equal(run(2), "P-2:msg;P-2:refused because of three images;");
	assert_int_equal(images_busy(images), 0);
	assert_int_equal(run_restore("P-3", "P-9"), 0);
	assert_string_equal(run(2), "P-3:msg;P-3:refused because;");
	assert_int_equal(run_restore("P-4", NULL), 0);
	assert_int_equal(images_busy(images), 0);
	assert_string_equal(run(2), "P-4:msg;P-4:refused because;");
	images_free(images);
	acts_free(acts);
	recorder_free(recorder);
	recorder = NULL;
	acts = NULL;
}

/* The state of many disks is kept as its line: as an object it takes ten times as much, for as long as the broker runs.
 */
static void test_recorder_is_small(void **fixture _unused_)
{
	size_t before = mallinfo2().uordblks, kept, line;
	json_t *state = json_object(), *disks = json_array();
	char db[160];
	char *text;

	json_object_set_new(state, "disks", disks);
	for (int i = 0; i < 1000; i++)
		json_array_append_new(disks,
				      json_pack("{s:i s:s s:b s:[]}", "id", i, "name", "sda", "present", 1, "tags"));
	text = json_dumps(state, JSON_COMPACT);
	line = strlen(text);
	free(text);
	snprintf(db, sizeof(db), "%s/none/history.db", dir);
	assert_int_equal(recorder_new(loop, db, &recorder_ops, &recorder), 0);
	recorder_save(recorder, state);
	json_decref(state);
	kept = mallinfo2().uordblks - before;
	assert_in_range(kept, 0, 2 * line);
	recorder_free(recorder);
	recorder = NULL;
}

static bool is_told(pid_t pid, const char *option)
{
	char text[256] = "", file[64];
	size_t n;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/cmdline", (int)pid);
	f = fopen(file, "re");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	/* The words are separated by zeroes. */
	for (const char *word = text; word < text + n; word += strlen(word) + 1)
		if (strcmp(word, option) == 0)
			return true;
	return false;
}

/* Our child that was given this argument; -1: there is none. */
static pid_t child_with(const char *argument)
{
	char text[512] = "", file[64], *at = text, *end;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(file, "re");
	assert_non_null(f);
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
		if (is_told((pid_t)pid, argument))
			return (pid_t)pid;
		at = end;
	}
	return -1;
}

/* A record process that is stopped or killed keeps nobody waiting, and nothing that was given to it is lost. */
static void test_recorder_dies(void **state _unused_)
{
	json_t *row = json_pack("{s:s}", "kind", "x.y"), *all = json_object();
	char db[160];
	pid_t pid;

	snprintf(db, sizeof(db), "%s/other.db", dir);
	assert_int_equal(recorder_new(loop, db, &recorder_ops, &recorder), 0);
	assert_string_equal(run(1), "opened:0 0;");
	pid = child_with(db); /* not an earlier test's, which may still be ending */
	assert_true(pid > 0);
	kill(pid, SIGSTOP);
	recorder_store(recorder, "intent", row, "P-1", true);
	assert_string_equal(run(2), "stored:P-1;trouble:yes;");
	assert_string_equal(recorder_state(recorder), "not-durable");
	recorder_store(recorder, "intent", row, "P-2", true);
	assert_string_equal(run(1), "stored:P-2;");
	kill(pid, SIGKILL);
	assert_string_equal(run(1), "trouble:no;");
	assert_int_equal(recorder_query(recorder, 1, all), 0);
	assert_string_equal(run(1), "rows:1 2;");
	recorder_free(recorder);
	/* A place where nothing can be written. */
	assert_int_equal(recorder_new(loop, "/proc/none/history.db", &recorder_ops, &recorder), 0);
	assert_string_equal(run(2), "trouble:yes;opened:0 0;");
	recorder_store(recorder, "intent", row, "P-1", true);
	assert_string_equal(run(1), "stored:P-1;");
	recorder_free(recorder);
	recorder = NULL;
	json_decref(row);
	json_decref(all);
}

/* What is waited for does not come: says what came instead. */
static void on_alarm(int signo _unused_)
{
	static const char text[] = "waited in vain; what came: ";

	if (write(2, text, sizeof(text) - 1) < 0 || write(2, told.text, strlen(told.text)) < 0)
		_exit(2);
	/* With the workers: who waits for the end of the output waits for all that have it open. */
	kill(0, SIGKILL);
}

static int begin(void **state _unused_)
{
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_ERROR, "test");
	if (!mkdtemp(dir) || loop_new(&loop) < 0)
		return -1;
	loop_before_sleep(loop, turn, NULL);
	signal(SIGALRM, on_alarm);
	alarm(300);
	setpgid(0, 0); /* it may lead one already */
	return 0;
}

static int end(void **state _unused_)
{
	loop_free(loop);
	/* A record process that was let go still closes its database, and its files go away under whoever removes them.
	 */
	while (wait(NULL) > 0)
		continue;
	return scratch_remove(dir);
}

/* ---- plans about one device ---- */

static void on_alone(void *u _unused_, const char *plan_id, const json_t *msg)
{
	const json_t *progress = json_object_get(msg, "progress");

	if (progress && json_integer_value(json_object_get(progress, "done")) <
				json_integer_value(json_object_get(progress, "total")))
		return; /* how often is its own affair */
	tell(progress ? "all" : json_object_get(msg, "show") ? "show" : "message", plan_id);
}

static void on_alone_done(void *u _unused_, const char *plan_id, enum action_result result, const char *reason)
{
	tell(action_words[result], plan_id);
	if (*reason)
		tell("because", reason);
}

static void run_alone(enum step_op op, const char *id, const char *node, uint64_t speed, bool dry_run)
{
	struct plan_device device = {.major = 8, .minor = 16};
	struct plan p = {.n_steps = 1, .n_devices = 1, .devices = &device, .dry_run = dry_run};

	snprintf(p.id, sizeof(p.id), "%s", id);
	snprintf(device.id, sizeof(device.id), "wwn-1");
	snprintf(device.node, sizeof(device.node), "%s", node);
	p.step[0] =
		(struct step){.op = op, .slot = -1, .device = "wwn-1", .name = "sdx", .map = "dm-1", .speed = speed};
	assert_int_equal(alones_run(alones, &p), 0);
}

/* One step on a path: what it is told, and how it ends. */
static int fake_path(int argc, char **argv)
{
	if (argc != 7 || strcmp(argv[1], "sdx") != 0 || strcmp(argv[2], "8:16") != 0 || strcmp(argv[3], "0:0") != 0)
		return 9;
	if (strcmp(argv[0], "fail-path") == 0)
		raise(SIGKILL);
	wire_send(1, json_pack("{s:s}", "show", argv[4]));
	if (strcmp(argv[0], "demote-path") == 0)
		wire_send(1, json_pack("{s:{s:s s:s}}", "end", "result", "refused", "reason", "it is multipathd's"));
	else
		wire_send(1, json_pack("{s:{s:s s:s}}", "end", "result", "ok", "reason", ""));
	return 0;
}

static void test_alones(void **state _unused_)
{
	static const struct acts_ops ops = {.message = on_alone, .done = on_alone_done};
	int fd;

	snprintf(path, sizeof(path), "%s/disk", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, 8 << 20) == 0);
	close(fd);
	assert_int_equal(alones_new(loop, &ops, &alones), 0);
	run_alone(STEP_READ_CHECK, "P-1", path, 1 << 30, false);
	assert_string_equal(run(2), "all:P-1;ok:P-1;");
	run_alone(STEP_READ_CHECK, "P-2", path, 1 << 30, true); /* nothing to show, and no process */
	assert_string_equal(run(1), "ok:P-2;");
	run_alone(STEP_READ_CHECK, "P-3", "/nowhere", 1 << 30, false);
	assert_string_equal(run(2), "failed:P-3;because:/nowhere cannot be opened;");
	/* Ended early, while it runs and while it waits for its turn. */
	run_alone(STEP_READ_CHECK, "P-4", path, 1, false);
	alones_turn(alones);
	alones_stop(alones, "P-4", "enough");
	assert_string_equal(run(2), "refused:P-4;because:enough;");
	for (int i = 0; i < 9; i++) {
		char id[PLAN_ID_MAX];

		snprintf(id, sizeof(id), "P-5%d", i);
		run_alone(STEP_READ_CHECK, id, path, 1, false);
	}
	alones_turn(alones);
	alones_stop(alones, "P-58", "enough");
	assert_string_equal(run(2), "refused:P-58;because:enough;");
	alones_free(alones);
	/* Paths. */
	assert_int_equal(alones_new(loop, &ops, &alones), 0);
	run_alone(STEP_REINSTATE_PATH, "P-6", path, 0, true);
	assert_string_equal(run(2), "show:P-6;ok:P-6;");
	run_alone(STEP_DEMOTE_PATH, "P-7", path, 0, false);
	assert_string_equal(run(3), "show:P-7;refused:P-7;because:it is multipathd's;");
	run_alone(STEP_FAIL_PATH, "P-8", path, 0, false);
	assert_string_equal(run(2), "failed:P-8;because:its process was killed by signal 9 (Killed);");
	alones_free(alones);
	alones = NULL;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		unit(test_probes),
		unit(test_probe_ends_all),
		unit(test_probe_reads_no_memory),
		unit(test_probes_cannot_run),
		unit(test_acts),
		unit(test_act_hangs),
		unit(test_programs),
		unit(test_recorder),
		unit(test_images),
		unit(test_recorder_is_small),
		unit(test_recorder_dies),
		unit(test_trial),
		unit(test_alones),
	};

	if (argc > 1 && strcmp(argv[1], "--probe") == 0)
		return fake_probe();
	if (argc > 1 && strcmp(argv[1], "--act") == 0)
		return fake_act();
	if (argc > 1 && strcmp(argv[1], "--read-check") == 0)
		return read_check_main(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "--path") == 0)
		return fake_path(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "--record") == 0)
		return record_main(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "--trial") == 0)
		return trial_main(argc - 2, argv + 2);
	return cmocka_run_group_tests(tests, begin, end);
}
