// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENV_MAX = 96, PARK = 64 /* fds are moved beyond this before they take their places */ };

static void reset_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts fd (or /dev/null) at place, without close-on-exec. */
static bool put_fd(int fd, int place)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	return fd >= 0 && dup2(fd, place) == place;
}

/* Between fork and exec: only what is safe there. */
static void become_child(const struct proc_spec *spec, char *const *env, pid_t parent)
{
	int parked[PROC_FDS_MAX], in = spec->in, out = spec->out;

	reset_signals();
	setpriority(PRIO_PROCESS, 0, spec->nice);
	if (spec->dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(PROC_EXIT_EXEC);
	}
	/* Out of the way of each other's places first. */
	for (size_t i = 0; i < spec->n_fds; i++)
		parked[i] = fcntl(spec->fds[i], F_DUPFD, PARK);
	in = in < 0 ? -1 : fcntl(in, F_DUPFD, PARK);
	out = out < 0 ? -1 : fcntl(out, F_DUPFD, PARK);
	if (!put_fd(in, 0) || !put_fd(out, 1))
		_exit(PROC_EXIT_EXEC);
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(parked[i], PROC_FD_FIRST + (int)i) < 0)
			_exit(PROC_EXIT_EXEC);
	/* Nothing of the caller's, its lock above all, may stay open here. */
	syscall(SYS_close_range, PROC_FD_FIRST + (int)spec->n_fds, ~0u, 0);
	execvpe(spec->argv[0], (char *const *)spec->argv, env);
	_exit(PROC_EXIT_EXEC);
}

pid_t proc_spawn(const struct proc_spec *spec, struct err *e)
{
	/* Sanitizer builds read these; the rest of the caller's environment stays here. */
	static const char *const kept[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "JOURNAL_STREAM"};
	static char kept_text[ARRAY_SIZE(kept)][512];
	const char *env[ENV_MAX + 1] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"};
	pid_t parent = getpid(), pid;
	size_t n = 2;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *value = getenv(kept[i]);

		if (!value)
			continue;
		snprintf(kept_text[i], sizeof(kept_text[i]), "%s=%s", kept[i], value);
		env[n++] = kept_text[i];
	}
	for (size_t i = 0; spec->env && spec->env[i] && n < ENV_MAX; i++)
		env[n++] = spec->env[i];
	pid = fork();
	if (pid == 0)
		become_child(spec, (char *const *)env, parent);
	return pid < 0 ? err_sys(e, errno, "cannot start %s", spec->argv[0]) : pid;
}

const char *proc_status_text(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "exited with status %d", WEXITSTATUS(status));
	return buf;
}
