// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk takes over the process that reads it (tests/lab/hostile.c), and gets nowhere. This program is its own child,
 * as spared is: what reads is the product's probe, behind a table of formats that the linker puts in the place of its
 * own. */
#include "broker/probe.h"
#include "broker/probes.h"
#include "broker/sandbox.h"
#include "core/clock.h"
#include "core/log.h"
#include "tests/lab/hostile.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIED "the process that read it tried more than to read, and was killed"

enum { IMAGE = 1 << 20 };

static struct loop *loop;
static struct probes *probes;
static char dir[] = "/tmp/spared-sandbox-XXXXXX", path[128], told[256];

static void on_answer(void *u _unused_, const char *id _unused_, const json_t *answer, const char *reason)
{
	snprintf(told, sizeof(told), "%s", answer ? json_string_value(json_object_get(answer, "contents")) : reason);
	loop_quit(loop);
}

static void turn(void *u _unused_)
{
	while (probes_turn(probes))
		;
}

static void make_image(const char *word, unsigned char image[IMAGE])
{
	int fd;

	memset(image, 0, IMAGE);
	snprintf((char *)image, 512, HOSTILE_MARK "%s\n", word);
	snprintf(path, sizeof(path), "%s/disk", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, image, IMAGE), IMAGE);
	close(fd);
}

/* What the broker is told of a disk that does this; of which no byte is then another. */
static const char *told_of(const char *word, int64_t timeout)
{
	static unsigned char image[IMAGE], after[IMAGE];
	int fd;

	make_image(word, image);
	told[0] = '\0';
	probes_ask(probes, "d", path, timeout, false);
	loop_run(loop);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, after, IMAGE), IMAGE);
	close(fd);
	assert_memory_equal(image, after, IMAGE);
	return told;
}

static void need_whole(void)
{
	if (sandbox_is_whole())
		return;
	print_message("the sanitizers need what the sandbox forbids\n");
	skip();
}

static void test_calls(void **state _unused_)
{
	need_whole();
	for (size_t i = 0; hostile_word(i); i++) {
		unit_row.within = true;
		unit_row.row = i;
		row_name("%s", hostile_word(i));
		assert_string_equal(told_of(hostile_word(i), 20 * NS_PER_SEC), TRIED);
	}
	unit_row.within = false;
	assert_int_equal(access("/tmp/spared-was-here", F_OK), -1);
}

static void test_resources(void **state _unused_)
{
	static const struct {
		const char *word, *want;
		int64_t timeout;
	} rows[] = {
		{"nothing", "foreign", 20 * NS_PER_SEC},
		{"hoard", "foreign", 20 * NS_PER_SEC}, /* it gets less than a GiB */
		{"spin", "reading it took too long", NS_PER_SEC},
		{"flood", "the process that read it was killed by signal 13 (Broken pipe)", 20 * NS_PER_SEC},
		{"nothing", "foreign", 20 * NS_PER_SEC},
	};

	need_whole();
	for_rows (i, rows) {
		row_name("%s", rows[i].word);
		assert_string_equal(told_of(rows[i].word, rows[i].timeout), rows[i].want);
	}
}

/* What stands behind the key in the first line of /proc/PID/FILE that begins with it. */
static const char *proc_value(pid_t pid, const char *file, const char *key)
{
	static char value[256];
	char name[64], line[256];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, file);
	value[0] = '\0';
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0 && !value[0])
			snprintf(value, sizeof(value), "%s", line + strlen(key) + strspn(line + strlen(key), " \t"));
	if (f)
		fclose(f);
	value[strcspn(value, "\n")] = '\0';
	return value;
}

/* What the kernel says of a process in the sandbox. */
static void test_state(void **state _unused_)
{
	static const struct {
		const char *file, *key, *want;
		bool root;
	} rows[] = {
		{"status", "Uid:", "65534\t65534\t65534\t65534", true},
		{"status", "Gid:", "65534\t65534\t65534\t65534", true},
		{"status", "Groups:", "", true},
		{"status", "CapPrm:", "0000000000000000"},
		{"status", "CapEff:", "0000000000000000"},
		{"status", "CapInh:", "0000000000000000"},
		{"status", "NoNewPrivs:", "1"},
		{"status", "Seccomp:", "2"},
		{"limits", "Max cpu time", "20                   21                   seconds   "},
		{"limits", "Max file size", "0                    0                    bytes     "},
		{"limits", "Max core file size", "0                    0                    bytes     "},
		{"limits", "Max processes", "0                    0                    processes "},
		{"limits", "Max open files", "0                    0                    files     "},
		{"limits", "Max address space", "134217728            134217728            bytes     "},
		{"oom_score_adj", "", "1000"},
	};
	bool root = geteuid() == 0;
	pid_t pid;

	need_whole();
	pid = fork();
	if (pid == 0) {
		if (sandbox_enter(STDIN_FILENO, STDOUT_FILENO, NULL) == 0)
			for (volatile unsigned n = 0;; n++)
				;
		_exit(1);
	}
	for (int i = 0; i < 1000 && strcmp(proc_value(pid, "status", "Seccomp:"), "2") != 0; i++)
		poll(NULL, 0, 10);
	for_rows (i, rows) {
		row_name("%s %s", rows[i].file, rows[i].key);
		if (root || !rows[i].root)
			assert_string_equal(proc_value(pid, rows[i].file, rows[i].key), rows[i].want);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (!root)
		print_message("not root: user and groups could not change, and were not looked at\n");
}

/* It does not outlive who asked for it, though its user is another. */
static void test_orphan(void **state _unused_)
{
	pid_t parent, pid = -1;
	int ready[2], status;

	need_whole();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pid = getpid();
			if (sandbox_enter(STDIN_FILENO, ready[1], NULL) == 0 && write(ready[1], &pid, sizeof(pid)) > 0)
				for (volatile unsigned n = 0;; n++)
					;
			_exit(1);
		}
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
	close(ready[0]);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int begin(void **state _unused_)
{
	if (!mkdtemp(dir) || loop_new(&loop) < 0 ||
	    probes_new(loop, 2, &(struct probes_ops){on_answer, NULL}, &probes) < 0)
		return -1;
	loop_before_sleep(loop, turn, NULL);
	return 0;
}

static int end(void **state _unused_)
{
	probes_free(probes);
	loop_free(loop);
	return scratch_remove(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {unit(test_calls), unit(test_resources), unit(test_state), unit(test_orphan)};

	if (argc > 1 && strcmp(argv[1], "--probe") == 0)
		return probe_main(argc - 2, argv + 2);
	return cmocka_run_group_tests(tests, begin, end);
}
